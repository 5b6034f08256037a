//! NodeVolumeLimits: a node attaches so many volumes of a driver.

use super::{claim_is_for_pod, claim_of};
use crate::api::names;
use crate::api::{CsiNode, Name, Object, PersistentVolumeClaim, Pod, Text, Volume, VolumeSource};
use crate::components::attachment::MIGRATED;
use crate::components::scheduler::cache::NodeInfo;
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{
    Context, CycleState, EventToRegister, Hint, Plugin, Points, PreFilterResult, Status, Verdict,
};
use crate::components::volume_match::class_of_claim;

names! {
    NAME = "NodeVolumeLimits";
    MIGRATED_PLUGINS = "storage.alpha.kubernetes.io/migrated-plugins";
}

/// Too many volumes.
const TOO_MANY: u32 = 1;
/// A claim of the pod is not there.
const NO_CLAIM: u32 = 1 << 1;
/// A claim of the pod belongs to another one.
const NOT_OWNER: u32 = 1 << 2;

/// A volume that is attached once: driver and handle.
type Attached = (Name, Text);

/// The plugin.
#[derive(Debug)]
pub struct NodeVolumeLimits;

fn is_migratable(volume: &Volume) -> bool {
    match &volume.source {
        VolumeSource::Disk { kind, .. } | VolumeSource::Other { kind } => {
            MIGRATED.iter().any(|(field, _, _)| *kind == *field)
        }
        _ => false,
    }
}

fn is_migrated(node: Option<&CsiNode>, plugin: &str) -> bool {
    let list = node.and_then(|node| node.meta.annotations.get(*MIGRATED_PLUGINS));
    list.is_some_and(|list| list.split(',').any(|one| one == plugin))
}

/// Driver and handle of a claim's volume (`getCSIDriverInfo`).
fn of_claim(cx: &Context<'_>, node: Option<&CsiNode>, claim: &PersistentVolumeClaim) -> Option<Attached> {
    let objects = &cx.cache.objects;
    if let Some(volume) = objects.volume(claim.volume_name).filter(|_| !claim.volume_name.is_empty()) {
        if !volume.csi_driver.is_empty() {
            let handle = Text::from(&*volume.volume_handle);
            return (!handle.is_empty()).then_some((volume.csi_driver, handle));
        }
        let (_, plugin, driver) =
            MIGRATED.iter().find(|(field, _, _)| volume.source.contains(&format!("\"{field}\":")))?;
        return is_migrated(node, plugin).then(|| (Name::new(driver), Text::from(&*volume.volume_handle)));
    }
    // The volume is yet to be made: the class says by whom.
    let class = objects.storage_classes.get(&class_of_claim(claim))?;
    let migrated = MIGRATED.iter().find(|(_, plugin, _)| class.provisioner == *plugin);
    let driver = match migrated {
        None => class.provisioner,
        Some((_, plugin, driver)) if is_migrated(node, plugin) => Name::new(driver),
        Some(_) => return None,
    };
    (!driver.is_empty()).then(|| (driver, format!("claim {}", claim.meta.key()).into()))
}

/// The volumes that a pod has attached on a node; of a new pod an error is one.
fn attachable(
    cx: &Context<'_>,
    node: Option<&CsiNode>,
    pod: &Pod,
    is_new: bool,
    attached: &mut Vec<Attached>,
) -> Result<(), u32> {
    for volume in &pod.spec.volumes {
        let found = match claim_of(pod, volume) {
            None => inline(node, pod, volume),
            Some((name, is_ephemeral)) => match cx.cache.objects.claim(pod.meta.namespace, name) {
                None if is_new => return Err(NO_CLAIM),
                None => None,
                Some(claim) => {
                    if is_ephemeral && claim_is_for_pod(claim, pod).is_err() {
                        return Err(NOT_OWNER);
                    }
                    of_claim(cx, node, claim)
                }
            },
        };
        if let Some(found) = found.filter(|found| !attached.contains(found)) {
            attached.push(found);
        }
    }
    Ok(())
}

fn inline(node: Option<&CsiNode>, pod: &Pod, volume: &Volume) -> Option<Attached> {
    let (kind, handle) = match &volume.source {
        VolumeSource::Disk { kind, identity, .. } => (*kind, Text::from(&**identity)),
        VolumeSource::Other { kind } => (*kind, Text::from(format!("{}/{}", pod.meta.uid, volume.name))),
        _ => return None,
    };
    let (_, plugin, driver) = MIGRATED.iter().find(|(field, _, _)| kind == *field)?;
    is_migrated(node, plugin).then(|| (Name::new(driver), handle))
}

impl Plugin for NodeVolumeLimits {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::PRE_FILTER.with(Points::FILTER)
    }

    fn events(&self) -> Vec<EventToRegister> {
        vec![
            EventToRegister { resource: Resource::CsiNode, actions: Actions::ADD, hinted: false },
            EventToRegister { resource: Resource::CsiNode, actions: Actions::UPDATE, hinted: true },
            EventToRegister { resource: Resource::Pod, actions: Actions::DELETE, hinted: true },
            EventToRegister { resource: Resource::PersistentVolumeClaim, actions: Actions::ADD, hinted: true },
            EventToRegister { resource: Resource::VolumeAttachment, actions: Actions::DELETE, hinted: true },
        ]
    }

    fn hint(&self, cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let frees = match (&event.old, &event.new) {
            (Some(Object::CsiNode(old)), Some(Object::CsiNode(new))) => new.drivers.iter().any(|(driver, _, limit)| {
                let before = old.drivers.iter().find(|(have, _, _)| have == driver).and_then(|(_, _, limit)| *limit);
                matches!((before, limit), (Some(before), Some(limit)) if *limit > before)
                    || before.is_none() && limit.is_some()
            }),
            (Some(Object::Pod(gone)), None) => {
                let counts = |volume: &Volume| claim_of(gone, volume).is_some() || is_migratable(volume);
                !gone.node_name.is_empty() && gone.spec.volumes.iter().any(counts)
            }
            (None, Some(Object::PersistentVolumeClaim(claim))) => {
                let is_it = |volume| claim_of(pod, volume).is_some_and(|(name, _)| name == claim.meta.name);
                claim.meta.namespace == pod.meta.namespace && pod.spec.volumes.iter().any(is_it)
            }
            (Some(Object::VolumeAttachment(gone)), None) => pod.spec.volumes.iter().any(|volume| {
                let claim =
                    claim_of(pod, volume).and_then(|(name, _)| cx.cache.objects.claim(pod.meta.namespace, name));
                claim.is_some_and(|claim| !gone.volume_name.is_empty() && claim.volume_name == gone.volume_name)
            }),
            _ => true,
        };
        if frees { Hint::Queue } else { Hint::Skip }
    }

    fn pre_filter(&self, _cx: &Context<'_>, _state: &mut CycleState, pod: &Pod) -> PreFilterResult {
        let counts = |volume: &Volume| claim_of(pod, volume).is_some() || is_migratable(volume);
        if pod.spec.volumes.iter().any(counts) { PreFilterResult::default() } else { Status::skip().into() }
    }

    fn filter(&self, cx: &Context<'_>, _state: &CycleState, pod: &Pod, node: &NodeInfo) -> Verdict {
        let objects = &cx.cache.objects;
        let csi_node = objects.csi_nodes.get(&node.name()).map(|node| &**node);
        let mut new = Vec::new();
        match attachable(cx, csi_node, pod, true, &mut new) {
            Err(NO_CLAIM) => return Verdict::unresolvable(NO_CLAIM),
            Err(why) => return Verdict::error(why),
            Ok(()) => {}
        }
        let limit = |driver: Name| {
            let drivers = csi_node.map_or(&[][..], |node| &node.drivers);
            drivers.iter().find(|(name, _, _)| *name == driver).and_then(|(_, _, limit)| *limit)
        };
        if !new.iter().any(|(driver, _)| limit(*driver).is_some()) {
            return Verdict::FITS;
        }
        let mut there = Vec::new();
        for on in node.pods() {
            if let Err(why) = attachable(cx, csi_node, &on.pod, false, &mut there) {
                return Verdict::error(why);
            }
        }
        for attachment in objects.volume_attachments.values().filter(|one| one.node_name == node.name()) {
            let Some(volume) = objects.volume(attachment.volume_name).filter(|volume| !volume.csi_driver.is_empty())
            else {
                continue;
            };
            let attached = (attachment.attacher, Text::from(&*volume.volume_handle));
            if !there.contains(&attached) {
                there.push(attached);
            }
        }
        new.retain(|volume| !there.contains(volume));
        let count = |list: &[Attached], driver| list.iter().filter(|(have, _)| *have == driver).count() as i64;
        let too_many = new.iter().any(|(driver, _)| {
            limit(*driver).is_some_and(|limit| count(&there, *driver) + count(&new, *driver) > limit)
        });
        if too_many { Verdict::unschedulable(TOO_MANY) } else { Verdict::FITS }
    }

    fn reasons(
        &self,
        cx: &Context<'_>,
        _state: &CycleState,
        pod: &Pod,
        _node: &NodeInfo,
        verdict: Verdict,
    ) -> Vec<Text> {
        match verdict.reasons {
            TOO_MANY => vec!["node(s) exceed max volume count".into()],
            NO_CLAIM => {
                let missing = |volume: &Volume| {
                    let (name, _) = claim_of(pod, volume)?;
                    let found = cx.cache.objects.claim(pod.meta.namespace, name);
                    found.is_none().then_some(name)
                };
                let name = pod.spec.volumes.iter().find_map(missing).unwrap_or_default();
                let key = format!("{}/{name}", pod.meta.namespace);
                vec![format!("looking up PVC {key}: persistentvolumeclaim {:?} not found", &*name).into()]
            }
            _ => vec!["PVC was not created for pod (pod is not owner)".into()],
        }
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        super::volume_binding::sign_volumes(pod)
    }
}
