//! VolumeRestrictions: disks that cannot be shared, and claims that only one pod may use.

use super::claim_of;
use crate::api::Object;
use crate::api::names;
use crate::api::{AccessMode, Name, Pod, Text, Volume, VolumeSource};
use crate::components::scheduler::cache::NodeInfo;
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{
    Code, Context, CycleState, EventToRegister, Hint, Plugin, Points, PreFilterResult, Status, Verdict,
};

names! {
    NAME = "VolumeRestrictions";
}

/// A disk is in use on the node.
const DISK: u32 = 1;
/// A claim for one pod is in use somewhere.
const ONE_POD: u32 = 1 << 1;

/// The plugin.
#[derive(Debug)]
pub struct VolumeRestrictions;

/// Claims of the pod that one pod may use, and how often others use them.
#[derive(Debug, Clone)]
struct OnePodClaims {
    claims: Vec<Name>,
    users: i64,
}

/// Whether two volumes are one disk that cannot be used by both pods (`isVolumeConflict`).
fn conflict(a: &Volume, b: &Volume) -> bool {
    let (
        VolumeSource::Disk { kind, identity, read_only },
        VolumeSource::Disk { kind: other_kind, identity: other, read_only: other_read_only },
    ) = (&a.source, &b.source)
    else {
        return false;
    };
    if kind != other_kind || *read_only && *other_read_only {
        return false;
    }
    if *kind != "rbd" {
        return identity == other;
    }
    // Monitors, then pool and image: one common monitor is enough.
    let parts = |identity: Name| identity.as_str().split_once('/').unwrap_or(("", identity.as_str()));
    let ((monitors, image), (other_monitors, other_image)) = (parts(*identity), parts(*other));
    image == other_image && monitors.split(',').any(|one| other_monitors.split(',').any(|other| one == other))
}

fn is_disk(volume: &&Volume) -> bool {
    matches!(volume.source, VolumeSource::Disk { .. })
}

fn conflicts(pod: &Pod, other: &Pod) -> bool {
    let disks = || pod.spec.volumes.iter().filter(is_disk);
    other.spec.volumes.iter().filter(is_disk).any(|theirs| disks().any(|ours| conflict(ours, theirs)))
}

fn uses(pod: &Pod, claims: &[Name]) -> i64 {
    let used = |volume: &&Volume| matches!(&volume.source, VolumeSource::Claim { name, .. } if claims.contains(name));
    pod.spec.volumes.iter().filter(used).count() as i64
}

fn update(state: &mut CycleState, pod: &Pod, other: &Pod, sign: i64) {
    if let Some(one_pod) = state.read_mut::<OnePodClaims>()
        && other.meta.namespace == pod.meta.namespace
    {
        one_pod.users += sign * uses(other, &one_pod.claims);
    }
}

impl Plugin for VolumeRestrictions {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::PRE_FILTER.with(Points::FILTER)
    }

    fn events(&self) -> Vec<EventToRegister> {
        vec![
            EventToRegister { resource: Resource::Pod, actions: Actions::DELETE, hinted: true },
            EventToRegister { resource: Resource::Node, actions: Actions::ADD, hinted: false },
            EventToRegister { resource: Resource::PersistentVolumeClaim, actions: Actions::ADD, hinted: true },
        ]
    }

    fn hint(&self, _cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let claims = |pod: &Pod| -> Vec<Name> {
            let of = |volume: &Volume| match &volume.source {
                VolumeSource::Claim { name, .. } => Some(*name),
                _ => None,
            };
            pod.spec.volumes.iter().filter_map(of).collect()
        };
        let frees = match (event.old_pod(), &event.new) {
            (Some(gone), _) => {
                gone.meta.namespace == pod.meta.namespace
                    && (conflicts(pod, gone) || claims(gone).iter().any(|claim| claims(pod).contains(claim)))
            }
            (None, Some(Object::PersistentVolumeClaim(claim))) => {
                claim.meta.namespace == pod.meta.namespace && claims(pod).contains(&claim.meta.name)
            }
            (None, _) => false,
        };
        if frees { Hint::Queue } else { Hint::Skip }
    }

    fn pre_filter(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod) -> PreFilterResult {
        let mut claims = Vec::new();
        for volume in &pod.spec.volumes {
            let Some((name, false)) = claim_of(pod, volume) else { continue };
            let Some(claim) = cx.cache.objects.claim(pod.meta.namespace, name) else {
                let reason = format!("persistentvolumeclaim {:?} not found", &*name);
                return Status::new(Code::UnschedulableAndUnresolvable, reason).into();
            };
            if claim.access_modes.contains(&AccessMode::ReadWriteOncePod) && !claims.contains(&name) {
                claims.push(name);
            }
        }
        let used = claims.iter().filter(|claim| cx.cache.is_claim_used(pod.meta.namespace, **claim)).count() as i64;
        if used == 0 && !pod.spec.volumes.iter().any(|volume| is_disk(&volume)) {
            return Status::skip().into();
        }
        state.write(OnePodClaims { claims, users: used });
        PreFilterResult::default()
    }

    fn add_pod(&self, _cx: &Context<'_>, state: &mut CycleState, pod: &Pod, added: &Pod, _node: &NodeInfo) {
        update(state, pod, added, 1);
    }

    fn remove_pod(&self, _cx: &Context<'_>, state: &mut CycleState, pod: &Pod, removed: &Pod, _node: &NodeInfo) {
        update(state, pod, removed, -1);
    }

    fn filter(&self, _cx: &Context<'_>, state: &CycleState, pod: &Pod, node: &NodeInfo) -> Verdict {
        if pod.spec.volumes.iter().any(|volume| is_disk(&volume))
            && node.pods().iter().any(|other| conflicts(pod, &other.pod))
        {
            return Verdict::unschedulable(DISK);
        }
        let taken = state.read::<OnePodClaims>().is_some_and(|one_pod| one_pod.users > 0);
        if taken { Verdict::unschedulable(ONE_POD) } else { Verdict::FITS }
    }

    fn reason_texts(&self) -> &'static [&'static str] {
        &[
            "node(s) had no available disk",
            "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by \
             another pod",
        ]
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        super::volume_binding::sign_volumes(pod)
    }
}
