//! Volumes are made and deleted on demand: the part of `external-provisioner` beside each CSI driver.
//!
//! Follows `sig-storage-lib-external-provisioner` (`controller.go`, `provisionClaimOperation`). One provisioner stands
//! for all of them; it fails only if a fault says so, and where its volumes can be reached is what the drivers of the
//! chosen node say.

use super::{PROVISIONED_BY, RELEASED, STORAGE_PROVISIONER, VolumeKey, is_unbound, volume_target};
use crate::api::{
    ApiError, ClaimReference, DeleteOptions, ErrorReason, EventType, Kind, Labels, List, Metadata, Name, Node,
    NodeSelectorTerm, Object, Operator, PersistentVolume, PersistentVolumeClaim, Request, Requirement, ResourceList,
    STORAGE, StorageClass, Text,
};
use crate::components::controllers::flow::{Desk, Flow, Step};
use crate::components::controllers::host::{Controller, Seen, Settings};
use crate::components::controllers::informers::Informers;
use crate::components::controllers::interest::Interest;
use crate::components::volume_match::{SELECTED_NODE, class_of_claim, reference_to};
use crate::engine::{Distribution, Purpose, SimDuration, SimTime};
use std::collections::BTreeMap;
use std::sync::Arc;

const PROVISION: Purpose = Purpose::new("provision");

/// The controller that makes and deletes volumes.
#[derive(Debug, Clone)]
pub struct ProvisionerController {
    /// How long it takes to make or delete one.
    takes: Distribution,
    /// What is under way, and when it is done.
    due: BTreeMap<VolumeKey, SimTime>,
    /// What the driver says instead of making a volume.
    failure: Option<Text>,
    /// How much longer it needs to make one.
    later: SimDuration,
}

impl ProvisionerController {
    /// A provisioner that needs so long for each volume.
    pub const fn new(takes: Distribution) -> Self {
        Self { takes, due: BTreeMap::new(), failure: None, later: SimDuration::ZERO }
    }

    /// The driver fails from now on, or works; so much later than usual.
    pub fn fail(&mut self, failure: Option<Text>, later: SimDuration) {
        self.failure = failure;
        self.later = later;
    }
}

impl Default for ProvisionerController {
    fn default() -> Self {
        Self::new(Distribution::ZERO)
    }
}

/// What one sync sees.
#[derive(Debug, Clone)]
pub enum View {
    /// A claim that wants a volume, its class, the node that was chosen, and what its driver says of places.
    Wanted {
        /// The claim.
        claim: Arc<PersistentVolumeClaim>,
        /// Its class.
        class: Arc<StorageClass>,
        /// The labels that say where the volume can be reached.
        topology: Vec<(Name, Name)>,
        /// When it is made, if that has begun.
        due: Option<SimTime>,
        /// Why it is not made.
        failure: Option<Text>,
    },
    /// A volume that nobody wants any more.
    Unwanted {
        /// The volume.
        volume: Arc<PersistentVolume>,
        /// When it is deleted, if that has begun.
        due: Option<SimTime>,
    },
}

impl Controller for ProvisionerController {
    type Key = VolumeKey;
    type View = View;
    const INTEREST: Interest =
        Interest::in_kinds(&[Kind::PersistentVolume, Kind::PersistentVolumeClaim, Kind::VolumeAttachment]);

    fn settings(&self) -> Settings {
        Settings { workers: 100, ..Settings::new("external-provisioner") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<VolumeKey>) {
        match seen.new {
            Object::PersistentVolumeClaim(claim) if !seen.is_deletion() && is_unbound(claim) => {
                desk.queue.add(VolumeKey::of(claim));
            }
            Object::PersistentVolume(volume) if !seen.is_deletion() && is_unwanted(volume) => {
                desk.queue.add(VolumeKey::Volume(volume.meta.name));
            }
            Object::VolumeAttachment(attachment) if seen.is_deletion() => {
                desk.queue.add(VolumeKey::Volume(attachment.volume_name));
            }
            _ => {}
        }
    }

    fn view(&mut self, key: VolumeKey, informers: &Informers, desk: &mut Desk<VolumeKey>) -> Option<View> {
        let store = informers.store();
        let found = match key {
            VolumeKey::Claim(namespace, name) => {
                let claim = store.persistent_volume_claims.find(namespace, name)?.clone();
                let class = store.storage_classes.find(Name::default(), class_of_claim(&claim))?.clone();
                let selected = claim.meta.annotations.get(*SELECTED_NODE);
                let asked = claim.meta.annotations.get(*STORAGE_PROVISIONER) == Some(class.provisioner);
                let is_there = store.persistent_volumes.find(Name::default(), volume_name(&claim)).is_some();
                let placed = selected.is_some() || !class.wait_for_first_consumer;
                let wanted = asked && placed && !is_there && is_unbound(&claim) && claim.volume_name.is_empty();
                let node = selected.and_then(|node| store.nodes.find(Name::default(), node));
                let keys = selected.and_then(|node| store.csi_nodes.find(Name::default(), node)).and_then(|csi| {
                    let drivers = &csi.drivers;
                    drivers.iter().find(|(driver, ..)| *driver == class.provisioner).map(|(_, keys, _)| keys.clone())
                });
                let topology = topology_of(node.map(|node| &**node), &keys.unwrap_or_default());
                wanted.then_some(View::Wanted { claim, class, topology, due: None, failure: self.failure.clone() })
            }
            VolumeKey::Volume(name) => {
                let volume = store.persistent_volumes.find(Name::default(), name)?.clone();
                // What a node still has is not deleted.
                let attached = store.volume_attachments.iter().any(|attachment| attachment.volume_name == name);
                (is_unwanted(&volume) && !attached).then_some(View::Unwanted { volume, due: None })
            }
            VolumeKey::Resync => None,
        };
        let Some(mut view) = found else {
            self.due.remove(&key);
            return None;
        };
        let (View::Wanted { due, .. } | View::Unwanted { due, .. }) = &mut view;
        *due = self.due.get(&key).copied();
        if due.is_none() {
            let stream = crate::components::controllers::work_queue::QueueKey::stream(&key);
            let takes = desk.draws.sample(&self.takes, PROVISION, stream, desk.now.as_nanos());
            let takes = if matches!(view, View::Wanted { .. }) { takes + self.later } else { takes };
            self.due.insert(key, desk.now + takes);
            desk.queue.add_at(desk.now + takes, key);
        }
        Some(view)
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, VolumeKey>) -> Step {
        match view {
            View::Wanted { claim, due: None, .. } => {
                let message = format!("External provisioner is provisioning volume for claim {:?}", claim.meta.key());
                let about = Object::PersistentVolumeClaim(claim.clone()).reference();
                flow.tell(about, EventType::Normal, "Provisioning", message);
                Ok(())
            }
            View::Wanted { claim, class, due: Some(due), failure: Some(why), .. } if *due <= flow.now() => {
                let about = Object::PersistentVolumeClaim(claim.clone()).reference();
                let class = &class.meta.name;
                let message = format!("failed to provision volume with StorageClass {:?}: {why}", class.as_str());
                flow.tell(about, EventType::Warning, "ProvisioningFailed", message.clone());
                Err(ApiError::new(ErrorReason::InternalError, message).into())
            }
            View::Wanted { claim, class, topology, due: Some(due), .. } if *due <= flow.now() => {
                let volume = volume_for(claim, class, topology);
                let name = volume.meta.name;
                match flow.call(|| Request::Create(Object::PersistentVolume(Arc::new(volume))))? {
                    Err(error) if error.reason != ErrorReason::AlreadyExists => return Err(error.into()),
                    Ok(_) | Err(_) => {}
                }
                let about = Object::PersistentVolumeClaim(claim.clone()).reference();
                let message = format!("Successfully provisioned volume {name}");
                flow.tell(about, EventType::Normal, "ProvisioningSucceeded", message);
                Ok(())
            }
            View::Unwanted { volume, due: Some(due) } if *due <= flow.now() => {
                let (target, options) = (volume_target(volume.meta.name), DeleteOptions::default());
                match flow.call(|| Request::Delete { target, options })? {
                    Err(error) if error.reason != ErrorReason::NotFound => Err(error.into()),
                    Ok(_) | Err(_) => Ok(()),
                }
            }
            // It is under way.
            View::Wanted { .. } | View::Unwanted { .. } => Ok(()),
        }
    }
}

fn is_unwanted(volume: &PersistentVolume) -> bool {
    let made = volume.meta.annotations.get(*PROVISIONED_BY).is_some();
    made && volume.phase == *RELEASED && volume.reclaim_policy == "Delete" && !volume.meta.is_terminating()
}

fn volume_name(claim: &PersistentVolumeClaim) -> Name {
    Name::new(&format!("pvc-{}", claim.meta.uid))
}

/// The labels of a node that a driver's volumes are bound to.
fn topology_of(node: Option<&Node>, keys: &[Name]) -> Vec<(Name, Name)> {
    let labels = node.map_or_else(Labels::default, |node| node.meta.labels.clone());
    keys.iter().filter_map(|key| Some((*key, labels.get(*key)?))).collect()
}

/// The volume that a claim gets.
fn volume_for(claim: &PersistentVolumeClaim, class: &StorageClass, topology: &[(Name, Name)]) -> PersistentVolume {
    let name = volume_name(claim);
    let size = claim.requests.storage();
    let requirement = |(key, value): &(Name, Name)| Requirement {
        key: *key,
        operator: Operator::In,
        values: [*value].into_iter().collect(),
    };
    let expressions: List<Requirement> = topology.iter().map(requirement).collect();
    let term = NodeSelectorTerm { expressions, fields: List::default() };
    let claimed: ClaimReference = reference_to(claim);
    PersistentVolume {
        meta: Metadata {
            name,
            annotations: Labels::default().with(*PROVISIONED_BY, class.provisioner),
            ..Metadata::default()
        },
        capacity: ResourceList::default().with(*STORAGE, size),
        access_modes: claim.access_modes.clone(),
        storage_class: class.meta.name,
        block: claim.block,
        claim: Some(claimed),
        reclaim_policy: if class.reclaim_policy.is_empty() { Name::new("Delete") } else { class.reclaim_policy },
        node_affinity: (!topology.is_empty()).then(|| vec![term]),
        csi_driver: class.provisioner,
        volume_handle: name,
        attachable: true,
        phase: Name::new("Pending"),
        message: Text::default(),
        source: Text::default(),
    }
}
