//! VolumeZone: a volume that is labelled with zones is used there.

use super::claim_of;
use crate::api::names;
use crate::api::{
    Name, OLD_REGION_LABEL, OLD_ZONE_LABEL, Object, PersistentVolume, Pod, REGION_LABEL, Text, ZONE_LABEL,
};
use crate::components::scheduler::cache::NodeInfo;
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{
    Code, Context, CycleState, EventToRegister, Hint, Plugin, Points, PreFilterResult, Status, Verdict,
};
use crate::components::volume_match::class_of_claim;

names! {
    NAME = "VolumeZone";
}

/// The plugin.
#[derive(Debug)]
pub struct VolumeZone;

/// A label of a volume with the values that it allows.
type Topology = (Name, Vec<Name>);

/// The labels of the pod's volumes.
#[derive(Debug, Clone)]
struct Topologies(Vec<Topology>);

fn keys() -> [Name; 4] {
    [*OLD_ZONE_LABEL, *OLD_REGION_LABEL, *ZONE_LABEL, *REGION_LABEL]
}

/// The label of today for one of old.
fn present(key: Name) -> Name {
    match key {
        key if key == *OLD_ZONE_LABEL => *ZONE_LABEL,
        key if key == *OLD_REGION_LABEL => *REGION_LABEL,
        key => key,
    }
}

fn topologies(volume: &PersistentVolume) -> Vec<Topology> {
    let of = |key: Name| {
        let value = volume.meta.labels.get(key)?;
        let zones: Vec<Name> = value.split("__").map(|zone| Name::new(zone.trim())).collect();
        (!zones.iter().any(|zone| zone.is_empty())).then_some((key, zones))
    };
    keys().into_iter().filter_map(of).collect()
}

fn rejection(reason: impl Into<Text>) -> Status {
    Status::new(Code::UnschedulableAndUnresolvable, reason)
}

/// The labels of all volumes of a pod (`getPVbyPod`).
fn of_pod(cx: &Context<'_>, pod: &Pod) -> Result<Vec<Topology>, Status> {
    let objects = &cx.cache.objects;
    let mut all = Vec::new();
    for volume in &pod.spec.volumes {
        let Some((name, false)) = claim_of(pod, volume) else { continue };
        let Some(claim) = objects.claim(pod.meta.namespace, name) else {
            return Err(rejection(format!("persistentvolumeclaim {:?} not found", &*name)));
        };
        if claim.volume_name.is_empty() {
            let class = class_of_claim(claim);
            if class.is_empty() {
                return Err(rejection("PersistentVolumeClaim had no pv name and storageClass name"));
            }
            match objects.storage_classes.get(&class) {
                None => {
                    let reason = format!("storageclass.storage.k8s.io {:?} not found", &*class);
                    return Err(rejection(reason));
                }
                Some(class) if class.wait_for_first_consumer => continue,
                Some(_) => return Err(rejection("PersistentVolume had no name")),
            }
        }
        match objects.volume(claim.volume_name) {
            None => return Err(rejection(format!("persistentvolume {:?} not found", &*claim.volume_name))),
            Some(volume) => all.extend(topologies(volume)),
        }
    }
    Ok(all)
}

impl Plugin for VolumeZone {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::PRE_FILTER.with(Points::FILTER)
    }

    fn events(&self) -> Vec<EventToRegister> {
        let both = Actions::ADD.with(Actions::UPDATE);
        vec![
            EventToRegister { resource: Resource::StorageClass, actions: Actions::ADD, hinted: true },
            EventToRegister {
                resource: Resource::Node,
                actions: Actions::ADD.with(Actions::UPDATE_NODE_LABEL),
                hinted: false,
            },
            EventToRegister { resource: Resource::PersistentVolumeClaim, actions: both, hinted: true },
            EventToRegister { resource: Resource::PersistentVolume, actions: both, hinted: true },
        ]
    }

    fn hint(&self, _cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let frees = match (&event.old, &event.new) {
            (_, Some(Object::StorageClass(class))) => class.wait_for_first_consumer,
            (_, Some(Object::PersistentVolumeClaim(claim))) => {
                let is_it = |volume| claim_of(pod, volume) == Some((claim.meta.name, false));
                claim.meta.namespace == pod.meta.namespace && pod.spec.volumes.iter().any(is_it)
            }
            (Some(Object::PersistentVolume(old)), Some(Object::PersistentVolume(new))) => {
                topologies(old) != topologies(new)
            }
            _ => true,
        };
        if frees { Hint::Queue } else { Hint::Skip }
    }

    fn pre_filter(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod) -> PreFilterResult {
        match of_pod(cx, pod) {
            Err(status) => status.into(),
            Ok(topologies) if topologies.is_empty() => Status::skip().into(),
            Ok(topologies) => {
                state.write(Topologies(topologies));
                PreFilterResult::default()
            }
        }
    }

    fn filter(&self, _cx: &Context<'_>, state: &CycleState, _pod: &Pod, node: &NodeInfo) -> Verdict {
        let labels = node.labels();
        if !keys().iter().any(|key| labels.get(*key).is_some()) {
            // A cluster without zones.
            return Verdict::FITS;
        }
        let allowed = |(key, values): &Topology| {
            let value = labels.get(*key).or_else(|| labels.get(present(*key)));
            value.is_some_and(|value| values.contains(&value))
        };
        let fits = state.read::<Topologies>().is_none_or(|all| all.0.iter().all(allowed));
        if fits { Verdict::FITS } else { Verdict::unresolvable(1) }
    }

    fn reason_texts(&self) -> &'static [&'static str] {
        &["node(s) had no available volume zone"]
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        super::volume_binding::sign_volumes(pod)
    }
}
