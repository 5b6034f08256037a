//! Volumes: claims find or get a volume, and volumes go, or stay, when their claims do.
//!
//! Follows `pkg/controller/volume` of Kubernetes 1.36: the binder here; which volume fits in [`matching`]; volumes made on
//! demand by [`provisioner`]; finalizers that keep what is in use in [`protection`]; claims of pods' own in
//! [`ephemeral`]. Left out on purpose: resizing, snapshots, recycling, and attaching, which no node waits for here.

mod ephemeral;
mod matching;
mod protection;
mod provisioner;

pub use ephemeral::EphemeralVolumeController;
pub use protection::VolumeProtectionController;
pub use provisioner::ProvisionerController;

use super::flow::{Desk, Flow, Step, object};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::work_queue::{Key, QueueKey};
use crate::api::{
    ClaimReference, DeleteOptions, ErrorReason, EventType, Kind, Labels, Metadata, Name, Node, Object, Part,
    PersistentVolume, PersistentVolumeClaim, Request, ResourceList, StorageClass, Target, Text, names,
};
use crate::engine::StreamKey;
use std::sync::Arc;

names! {
    BIND_COMPLETED = "pv.kubernetes.io/bind-completed";
    BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller";
    SELECTED_NODE = "volume.kubernetes.io/selected-node";
    STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner";
    BETA_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner";
    YES = "yes";
    PENDING = "Pending";
    AVAILABLE = "Available";
    BOUND = "Bound";
    RELEASED = "Released";
    LOST = "Lost";
    NO_PROVISIONER = "kubernetes.io/no-provisioner";
}

/// What is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VolumeTask {
    /// A claim.
    Claim(Key),
    /// A volume.
    Volume(Name),
}

impl QueueKey for VolumeTask {
    fn stream(&self) -> StreamKey {
        match self {
            Self::Claim(key) => key.stream(),
            Self::Volume(name) => StreamKey::new(name),
        }
    }
}

/// The binder of claims and volumes.
#[derive(Debug, Clone)]
pub struct VolumeBinder;

/// What one sync sees.
#[derive(Debug, Clone)]
pub enum View {
    /// A claim, and what there is for it.
    Claim {
        /// The claim.
        claim: Arc<PersistentVolumeClaim>,
        /// Its class.
        class: Option<Arc<StorageClass>>,
        /// The volume that it has, or may have.
        volume: Option<Arc<PersistentVolume>>,
    },
    /// A volume, and the claim that it is for.
    Volume {
        /// The volume.
        volume: Arc<PersistentVolume>,
        /// The claim, if it is there.
        claim: Option<Arc<PersistentVolumeClaim>>,
    },
}

impl Controller for VolumeBinder {
    type Key = VolumeTask;
    type View = View;

    fn settings(&self) -> Settings {
        Settings { workers: 2, ..Settings::new("persistentvolume-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<VolumeTask>) {
        match seen.new {
            Object::PersistentVolumeClaim(claim) => {
                desk.queue.add(VolumeTask::Claim(Key::of(&claim.meta)));
                if !claim.volume_name.is_empty() {
                    desk.queue.add(VolumeTask::Volume(claim.volume_name));
                }
            }
            Object::PersistentVolume(volume) => {
                desk.queue.add(VolumeTask::Volume(volume.meta.name));
                if let Some(claim) = volume.claim {
                    desk.queue.add(VolumeTask::Claim(Key { namespace: claim.namespace, name: claim.name }));
                } else if !seen.is_deletion() {
                    wake_claims(seen.informers, |claim| matching::class_of(claim) == volume.storage_class, desk);
                }
            }
            Object::StorageClass(class) if !seen.is_deletion() => {
                wake_claims(seen.informers, |claim| matching::class_of(claim) == class.meta.name, desk);
            }
            _ => {}
        }
    }

    fn view(&mut self, task: VolumeTask, informers: &Informers, _desk: &mut Desk<VolumeTask>) -> Option<View> {
        let store = informers.store();
        match task {
            VolumeTask::Claim(key) => {
                let claim = store.persistent_volume_claims.find(key.namespace, key.name)?;
                let class = store.storage_classes.find(Name::default(), matching::class_of(claim)).cloned();
                let volume = if claim.volume_name.is_empty() {
                    let delayed = class.as_ref().is_some_and(|class| class.wait_for_first_consumer);
                    let node = claim.meta.annotations.get(*SELECTED_NODE);
                    let node: Option<&Arc<Node>> = node.and_then(|node| store.nodes.find(Name::default(), node));
                    matching::best(claim, store.persistent_volumes.iter(), delayed, node.map(|node| &**node))
                } else {
                    store.persistent_volumes.find(Name::default(), claim.volume_name)
                };
                Some(View::Claim { claim: claim.clone(), class, volume: volume.cloned() })
            }
            VolumeTask::Volume(name) => {
                let volume = store.persistent_volumes.find(Name::default(), name)?;
                let claim = volume.claim.and_then(|claim| {
                    let found = store.persistent_volume_claims.find(claim.namespace, claim.name)?;
                    (claim.uid.is_empty() || found.meta.uid == claim.uid).then(|| found.clone())
                });
                Some(View::Volume { volume: volume.clone(), claim })
            }
        }
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, VolumeTask>) -> Step {
        match view {
            View::Claim { claim, class, volume } => sync_claim(claim, class.as_deref(), volume.as_ref(), flow),
            View::Volume { volume, claim } => sync_volume(volume, claim.as_deref(), flow),
        }
    }
}

fn wake_claims(informers: &Informers, concerns: impl Fn(&PersistentVolumeClaim) -> bool, desk: &mut Desk<VolumeTask>) {
    for claim in informers.store().persistent_volume_claims.iter() {
        if claim.phase != *BOUND && concerns(claim) {
            desk.queue.add(VolumeTask::Claim(Key::of(&claim.meta)));
        }
    }
}

/// A claim gets a volume, waits for one, or has lost its own (`syncClaim`).
fn sync_claim(
    claim: &Arc<PersistentVolumeClaim>,
    class: Option<&StorageClass>,
    volume: Option<&Arc<PersistentVolume>>,
    flow: &mut Flow<'_, VolumeTask>,
) -> Step {
    let about = Object::PersistentVolumeClaim(claim.clone()).reference();
    let completed = claim.meta.annotations.get(*BIND_COMPLETED).is_some();
    let Some(volume) = volume else {
        if completed {
            flow.tell(about, EventType::Warning, "ClaimLost", lost(claim));
            return set_claim_phase(claim, *LOST, &ResourceList::EMPTY, flow);
        }
        if claim.volume_name.is_empty() {
            seek(claim, class, flow)?;
        }
        return set_claim_phase(claim, *PENDING, &ResourceList::EMPTY, flow);
    };
    if volume.claim.is_some_and(|have| !matching::is_for(&have, claim)) {
        if completed {
            let message =
                format!("Bound claim has lost its PersistentVolume {}, which is bound to another", volume.meta.name);
            flow.tell(about, EventType::Warning, "ClaimMisbound", message);
            return set_claim_phase(claim, *LOST, &ResourceList::EMPTY, flow);
        }
        return set_claim_phase(claim, *PENDING, &ResourceList::EMPTY, flow);
    }
    bind(claim, volume, flow)
}

fn lost(claim: &PersistentVolumeClaim) -> String {
    format!("Bound claim has lost its PersistentVolume {:?}. Data on the volume is lost!", &*claim.volume_name)
}

/// No volume fits: somebody must make one, or the claim waits (`syncUnboundClaim`).
fn seek(claim: &Arc<PersistentVolumeClaim>, class: Option<&StorageClass>, flow: &mut Flow<'_, VolumeTask>) -> Step {
    let about = Object::PersistentVolumeClaim(claim.clone()).reference();
    let delayed = class.is_some_and(|class| class.wait_for_first_consumer);
    if delayed && claim.meta.annotations.get(*SELECTED_NODE).is_none() {
        let message = "waiting for first consumer to be created before binding";
        flow.tell(about, EventType::Normal, "WaitForFirstConsumer", message);
        return Ok(());
    }
    let name = matching::class_of(claim);
    let Some(class) = class else {
        let (kind, reason, message) = if name.is_empty() {
            let none = "no persistent volumes available for this claim and no storage class is set".to_owned();
            (EventType::Normal, "FailedBinding", none)
        } else {
            let missing = format!("storageclass.storage.k8s.io {:?} not found", &*name);
            (EventType::Warning, "ProvisioningFailed", missing)
        };
        flow.tell(about, kind, reason, message);
        return Ok(());
    };
    if class.provisioner == *NO_PROVISIONER {
        let message = "no volume plugin matched name: kubernetes.io/no-provisioner";
        flow.tell(about, EventType::Warning, "ProvisioningFailed", message);
        return Ok(());
    }
    let annotations = [*BETA_STORAGE_PROVISIONER, *STORAGE_PROVISIONER]
        .into_iter()
        .fold(claim.meta.annotations.clone(), |all, key| all.with(key, class.provisioner));
    if annotations != claim.meta.annotations {
        update_claim(claim, annotations, claim.volume_name, flow)?;
    }
    let message = format!(
        "Waiting for a volume to be created either by the external provisioner '{}' or manually by the system \
         administrator. If volume creation is delayed, please verify that the provisioner is running and correctly \
         registered.",
        class.provisioner
    );
    flow.tell(about, EventType::Normal, "ExternalProvisioning", message);
    Ok(())
}

/// Binds a volume and a claim in four writes, each of which may have been done before (`bind`).
fn bind(claim: &Arc<PersistentVolumeClaim>, volume: &Arc<PersistentVolume>, flow: &mut Flow<'_, VolumeTask>) -> Step {
    let reference = ClaimReference { namespace: claim.meta.namespace, name: claim.meta.name, uid: claim.meta.uid };
    let mut bound = volume.clone();
    if volume.claim != Some(reference) {
        let mut changed = PersistentVolume::clone(volume);
        if volume.claim.is_none() {
            changed.meta.annotations = changed.meta.annotations.with(*BOUND_BY_CONTROLLER, *YES);
        }
        changed.claim = Some(reference);
        let object_ = Object::PersistentVolume(Arc::new(changed));
        bound = object(&flow.call(|| Request::Update { object: object_, part: Part::Main })??);
    }
    set_volume_phase(&bound, *BOUND, flow)?;
    let mut annotations = claim.meta.annotations.with(*BIND_COMPLETED, *YES);
    if claim.volume_name.is_empty() {
        annotations = annotations.with(*BOUND_BY_CONTROLLER, *YES);
    }
    let mut version = claim.clone();
    if claim.volume_name != volume.meta.name || annotations != claim.meta.annotations {
        version = update_claim(claim, annotations, volume.meta.name, flow)?;
    }
    set_claim_phase(&version, *BOUND, &volume.capacity, flow)
}

fn update_claim(
    claim: &Arc<PersistentVolumeClaim>,
    annotations: Labels,
    volume_name: Name,
    flow: &mut Flow<'_, VolumeTask>,
) -> Step<Arc<PersistentVolumeClaim>> {
    let mut changed = PersistentVolumeClaim::clone(claim);
    changed.meta = Metadata { annotations, ..changed.meta };
    changed.volume_name = volume_name;
    let object_ = Object::PersistentVolumeClaim(Arc::new(changed));
    Ok(object(&flow.call(|| Request::Update { object: object_, part: Part::Main })??))
}

fn set_claim_phase(
    claim: &Arc<PersistentVolumeClaim>,
    phase: Name,
    capacity: &ResourceList,
    flow: &mut Flow<'_, VolumeTask>,
) -> Step {
    if claim.phase == phase && claim.capacity == *capacity {
        return Ok(());
    }
    let changed = PersistentVolumeClaim { phase, capacity: capacity.clone(), ..PersistentVolumeClaim::clone(claim) };
    let object = Object::PersistentVolumeClaim(Arc::new(changed));
    flow.call(|| Request::Update { object, part: Part::Status })??;
    Ok(())
}

fn set_volume_phase(volume: &Arc<PersistentVolume>, phase: Name, flow: &mut Flow<'_, VolumeTask>) -> Step {
    if volume.phase == phase {
        return Ok(());
    }
    let changed = PersistentVolume { phase, message: Text::default(), ..PersistentVolume::clone(volume) };
    let object = Object::PersistentVolume(Arc::new(changed));
    flow.call(|| Request::Update { object, part: Part::Status })??;
    Ok(())
}

/// A volume is free, taken, or left behind by its claim (`syncVolume`).
fn sync_volume(
    volume: &Arc<PersistentVolume>,
    claim: Option<&PersistentVolumeClaim>,
    flow: &mut Flow<'_, VolumeTask>,
) -> Step {
    let Some(reference) = volume.claim else { return set_volume_phase(volume, *AVAILABLE, flow) };
    match claim {
        _ if reference.uid.is_empty() => set_volume_phase(volume, *AVAILABLE, flow),
        Some(claim) if claim.volume_name.is_empty() => Ok(()),
        Some(claim) if claim.volume_name == volume.meta.name => set_volume_phase(volume, *BOUND, flow),
        Some(_) | None => release(volume, flow),
    }
}

/// The claim is gone: the volume goes too, if that was agreed (`reclaimVolume`).
fn release(volume: &Arc<PersistentVolume>, flow: &mut Flow<'_, VolumeTask>) -> Step {
    set_volume_phase(volume, *RELEASED, flow)?;
    if volume.reclaim_policy != "Delete" || volume.meta.is_terminating() {
        return Ok(());
    }
    let target = Target { kind: Kind::PersistentVolume, namespace: Name::default(), name: volume.meta.name };
    match flow.call(|| Request::Delete { target, options: DeleteOptions::default() })? {
        Err(error) if error.reason != ErrorReason::NotFound => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}
