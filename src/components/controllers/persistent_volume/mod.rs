//! Claims get volumes: they are bound, and volumes tell whether somebody has them.
//!
//! Follows `pkg/controller/volume/persistentvolume/pv_controller.go` of Kubernetes 1.36. A new volume wakes no claim
//! that it would fit: claims without one look again every 15 seconds. That tick is waited for only while such a claim
//! is there. Left out: volume plug-ins of the controller itself (all provisioners are external), `Recycle`.

mod expander;
mod protection;
mod provisioner;
mod resizer;

pub use expander::ExpandController;
pub use protection::{ClaimProtectionController, VolumeProtectionController};
pub use provisioner::ProvisionerController;
pub use resizer::{NodeExpansion, ResizerController};

use super::flow::{Desk, Flow, Step, object};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::work_queue::QueueKey;
use crate::api::{
    ApiObject, EventType, Kind, Name, Object, Part, PersistentVolume, PersistentVolumeClaim, Pod, Request,
    StorageClass, Target, Text, VolumeSource, names,
};
use crate::components::volume_match::{
    BIND_COMPLETED, BOUND_BY_CONTROLLER, NO_PROVISIONER, SELECTED_NODE, class_of_claim, find_matching_volume,
    is_claimed_by, is_free_for, reference_to,
};
use crate::engine::{Purpose, SimDuration, SimTime, StreamKey};
use std::sync::Arc;

names! {
    STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner";
    BETA_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner";
    PROVISIONED_BY = "pv.kubernetes.io/provisioned-by";
    AVAILABLE = "Available";
    BOUND = "Bound";
    LOST = "Lost";
    RELEASED = "Released";
}

const RESYNC: SimDuration = SimDuration::from_secs(15);
const PHASE: Purpose = Purpose::new("volume resync");

/// What the controller works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VolumeKey {
    /// A claim, by namespace and name.
    Claim(Name, Name),
    /// A volume.
    Volume(Name),
    /// Claims without a volume look again.
    Resync,
}

impl VolumeKey {
    fn of(claim: &PersistentVolumeClaim) -> Self {
        Self::Claim(claim.meta.namespace, claim.meta.name)
    }
}

impl QueueKey for VolumeKey {
    fn stream(&self) -> StreamKey {
        match self {
            Self::Claim(namespace, name) => StreamKey::new(namespace).part(name),
            Self::Volume(name) => StreamKey::new(name),
            Self::Resync => StreamKey::new("resync"),
        }
    }
}

/// The controller that binds claims and volumes to each other.
#[derive(Debug, Clone)]
pub struct PersistentVolumeController;

/// What one sync sees.
#[derive(Debug, Clone)]
pub enum View {
    /// A claim, the volume that it names or those of its class that it may have, its class, and the pods that wait with
    /// it.
    Claim {
        /// The claim.
        claim: Arc<PersistentVolumeClaim>,
        /// Volumes that it could get, or has.
        volumes: Vec<Arc<PersistentVolume>>,
        /// Its class, if there is such a class.
        class: Option<Arc<StorageClass>>,
        /// Pods without a node that use it.
        waiting_pods: Vec<Name>,
    },
    /// A volume, and the claim that it names.
    Volume(Arc<PersistentVolume>, Option<Arc<PersistentVolumeClaim>>),
    /// The claims that have no volume.
    Unbound(Vec<VolumeKey>),
}

impl Controller for PersistentVolumeController {
    type Key = VolumeKey;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::PersistentVolume, Kind::PersistentVolumeClaim]);

    fn settings(&self) -> Settings {
        Settings { workers: 1, ..Settings::new("persistentvolume-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<VolumeKey>) {
        match seen.new {
            Object::PersistentVolume(volume) => {
                if seen.is_deletion() {
                    let claim = volume.claim.as_ref().map(|claim| VolumeKey::Claim(claim.namespace, claim.name));
                    claim.into_iter().for_each(|key| desk.queue.add(key));
                } else {
                    desk.queue.add(VolumeKey::Volume(volume.meta.name));
                }
            }
            Object::PersistentVolumeClaim(claim) if seen.is_deletion() && claim.volume_name.is_empty() => {}
            Object::PersistentVolumeClaim(claim) if seen.is_deletion() => {
                desk.queue.add(VolumeKey::Volume(claim.volume_name));
            }
            Object::PersistentVolumeClaim(claim) => {
                desk.queue.add(VolumeKey::of(claim));
                if is_unbound(claim) {
                    let phase = SimTime::ZERO
                        + desk
                            .draws
                            .draw(PHASE, StreamKey::new("persistentvolume-controller"), 0)
                            .between(SimDuration::ZERO, RESYNC);
                    let next = (desk.now + SimDuration::from_nanos(1)).next_tick(phase, RESYNC);
                    desk.queue.add_at(next, VolumeKey::Resync);
                }
            }
            _ => {}
        }
    }

    fn view(&mut self, key: VolumeKey, informers: &Informers, _desk: &mut Desk<VolumeKey>) -> Option<View> {
        let store = informers.store();
        match key {
            VolumeKey::Claim(namespace, name) => {
                let claim = store.persistent_volume_claims.find(namespace, name)?.clone();
                let class = class_of_claim(&claim);
                Some(View::Claim {
                    volumes: volumes_for(&claim, class, informers),
                    class: store.storage_classes.find(Name::default(), class).cloned(),
                    waiting_pods: waiting_pods(informers, &claim),
                    claim,
                })
            }
            VolumeKey::Volume(name) => {
                let volume = store.persistent_volumes.find(Name::default(), name)?.clone();
                let claim = volume.claim.and_then(|claim| {
                    let found = store.persistent_volume_claims.find(claim.namespace, claim.name);
                    found.filter(|found| claim.uid.is_empty() || found.meta.uid == claim.uid).cloned()
                });
                Some(View::Volume(volume, claim))
            }
            VolumeKey::Resync => {
                let unbound = store.persistent_volume_claims.iter().filter(|claim| is_unbound(claim));
                Some(View::Unbound(unbound.map(|claim| VolumeKey::of(claim)).collect()))
            }
        }
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, VolumeKey>) -> Step {
        match view {
            View::Claim { claim, volumes, class, waiting_pods } => {
                if claim.meta.annotations.get(*BIND_COMPLETED).is_some() {
                    return sync_bound_claim(claim, volumes, flow);
                }
                sync_unbound_claim(claim, volumes, class.as_deref(), waiting_pods, flow)
            }
            View::Volume(volume, claim) => sync_volume(volume, claim.as_ref(), flow),
            View::Unbound(claims) => {
                claims.iter().for_each(|claim| flow.add(*claim));
                if !claims.is_empty() {
                    flow.again_after(RESYNC);
                }
                Ok(())
            }
        }
    }
}

fn is_unbound(claim: &PersistentVolumeClaim) -> bool {
    claim.meta.annotations.get(*BIND_COMPLETED).is_none()
}

/// The volume that a claim names, or those of its class that it may have, by name.
fn volumes_for(claim: &PersistentVolumeClaim, class: Name, informers: &Informers) -> Vec<Arc<PersistentVolume>> {
    let volumes = &informers.store().persistent_volumes;
    if !claim.volume_name.is_empty() {
        return volumes.find(Name::default(), claim.volume_name).cloned().into_iter().collect();
    }
    let may_have = |volume: &&Arc<PersistentVolume>| volume.storage_class == class && is_free_for(volume, claim);
    let mut all: Vec<_> = volumes.iter().filter(may_have).cloned().collect();
    all.sort_by_key(|volume| volume.meta.name);
    all
}

/// Pods that have no node yet and use a claim (`findNonScheduledPodsByPVC`).
fn waiting_pods(informers: &Informers, claim: &PersistentVolumeClaim) -> Vec<Name> {
    let uses = |pod: &Pod| {
        let is_it =
            |source: &VolumeSource| matches!(source, VolumeSource::Claim { name, .. } if *name == claim.meta.name);
        pod.node_name.is_empty()
            && pod.meta.namespace == claim.meta.namespace
            && !pod.is_terminal()
            && pod.spec.volumes.iter().any(|volume| is_it(&volume.source))
    };
    // Only claims that wait for a pod ask, and only while they are unbound.
    if !is_unbound(claim) || claim.meta.annotations.get(*SELECTED_NODE).is_some() {
        return Vec::new();
    }
    informers.store().pods.iter().filter(|pod| uses(pod)).map(|pod| pod.meta.name).collect()
}

fn sync_unbound_claim(
    claim: &Arc<PersistentVolumeClaim>,
    volumes: &[Arc<PersistentVolume>],
    class: Option<&StorageClass>,
    waiting_pods: &[Name],
    flow: &mut Flow<'_, VolumeKey>,
) -> Step {
    if !claim.volume_name.is_empty() {
        // It asks for a volume by name.
        let named = volumes.iter().find(|volume| volume.meta.name == claim.volume_name);
        return match named {
            Some(volume) => sync_named(volume, claim, flow),
            None => Ok(()),
        };
    }
    let delayed = class.is_some_and(|class| class.wait_for_first_consumer);
    if let Some(volume) = find_matching_volume(volumes.iter(), claim, |_| false, |_| true, delayed) {
        return bind(&volume, claim, flow);
    }
    let about = Object::PersistentVolumeClaim(claim.clone()).reference();
    let is_placed = claim.meta.annotations.get(*SELECTED_NODE).is_some();
    if delayed && !is_placed {
        let (reason, message) = match waiting_pods {
            [] => ("WaitForFirstConsumer", "waiting for first consumer to be created before binding".to_owned()),
            [pod] => ("WaitForPodScheduled", format!("waiting for pod {pod} to be scheduled")),
            pods => {
                let names: Vec<&str> = pods.iter().map(|name| name.as_str()).collect();
                ("WaitForPodScheduled", format!("waiting for pods {} to be scheduled", names.join(",")))
            }
        };
        flow.tell(about, EventType::Normal, reason, message);
        return Ok(());
    }
    match class {
        Some(class) if class.provisioner != *NO_PROVISIONER => ask_for_volume(claim, class, flow),
        Some(_) => Ok(()),
        None if class_of_claim(claim).is_empty() => {
            let message = "no persistent volumes available for this claim and no storage class is set";
            flow.tell(about, EventType::Normal, "FailedBinding", message);
            Ok(())
        }
        None => {
            let message = format!("storageclass.storage.k8s.io {:?} not found", &*class_of_claim(claim));
            flow.tell(about, EventType::Warning, "ProvisioningFailed", message);
            Ok(())
        }
    }
}

/// Binds a claim to the volume that it names, if that is free and will do.
fn sync_named(
    volume: &Arc<PersistentVolume>,
    claim: &Arc<PersistentVolumeClaim>,
    flow: &mut Flow<'_, VolumeKey>,
) -> Step {
    let (reason, message) = match (&volume.claim, misfit(volume, claim)) {
        (None, None) => return bind(volume, claim, flow),
        (None, Some(why)) => {
            ("VolumeMismatch", format!("Cannot bind to requested volume \"{}\": {why}", volume.meta.name))
        }
        // Whoever made the volume for the claim answers for its fit.
        (Some(_), _) if is_free_for(volume, claim) => return bind(volume, claim, flow),
        (Some(_), _) => {
            let message = format!("volume \"{}\" already bound to a different claim.", volume.meta.name);
            ("FailedBinding", message)
        }
    };
    let about = Object::PersistentVolumeClaim(claim.clone()).reference();
    flow.tell(about, EventType::Warning, reason, message);
    Ok(())
}

/// Why a volume will not do for a claim that names it (`checkVolumeSatisfyClaim`).
fn misfit(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Option<&'static str> {
    if volume.capacity.storage() < claim.requests.storage() {
        return Some("requested PV is too small");
    }
    if volume.storage_class != class_of_claim(claim) {
        return Some("storageClassName does not match");
    }
    if volume.block != claim.block {
        return Some("incompatible volumeMode");
    }
    let offers = claim.access_modes.iter().all(|mode| volume.access_modes.contains(mode));
    (!offers).then_some("incompatible accessMode")
}

/// Marks the claim for the provisioner of its class (`provisionClaimOperationExternal`).
fn ask_for_volume(claim: &Arc<PersistentVolumeClaim>, class: &StorageClass, flow: &mut Flow<'_, VolumeKey>) -> Step {
    let provisioner = class.provisioner;
    let mut marked = claim.clone();
    if claim.meta.annotations.get(*STORAGE_PROVISIONER) != Some(provisioner) {
        let mut changed = PersistentVolumeClaim::clone(claim);
        let annotations = changed.meta.annotations.with(*BETA_STORAGE_PROVISIONER, provisioner);
        changed.meta.annotations = annotations.with(*STORAGE_PROVISIONER, provisioner);
        marked = write(Arc::new(changed), Part::Main, flow)?;
    }
    let message = format!(
        "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the system \
         administrator. If volume creation is delayed, please verify that the provisioner is running and correctly \
         registered."
    );
    flow.tell(Object::PersistentVolumeClaim(marked).reference(), EventType::Normal, "ExternalProvisioning", message);
    Ok(())
}

/// Binds a volume and a claim to each other: each is written twice, its spec and its status (`bind`).
fn bind(volume: &Arc<PersistentVolume>, claim: &Arc<PersistentVolumeClaim>, flow: &mut Flow<'_, VolumeKey>) -> Step {
    let mut volume = volume.clone();
    let wanted = Some(reference_to(claim));
    if volume.claim != wanted {
        let mut changed = PersistentVolume::clone(&volume);
        if volume.claim.is_none() {
            changed.meta.annotations = changed.meta.annotations.with(*BOUND_BY_CONTROLLER, Name::new("yes"));
        }
        changed.claim = wanted;
        volume = write(Arc::new(changed), Part::Main, flow)?;
    }
    set_volume_phase(&volume, *BOUND, flow)?;
    let mut claim = claim.clone();
    if claim.volume_name != volume.meta.name || is_unbound(&claim) {
        let mut changed = PersistentVolumeClaim::clone(&claim);
        let mut annotations = changed.meta.annotations.with(*BIND_COMPLETED, Name::new("yes"));
        if changed.volume_name.is_empty() {
            annotations = annotations.with(*BOUND_BY_CONTROLLER, Name::new("yes"));
        }
        changed.meta.annotations = annotations;
        changed.volume_name = volume.meta.name;
        claim = write(Arc::new(changed), Part::Main, flow)?;
    }
    set_claim_phase(&claim, *BOUND, Some(&volume), flow)
}

fn sync_bound_claim(
    claim: &Arc<PersistentVolumeClaim>,
    volumes: &[Arc<PersistentVolume>],
    flow: &mut Flow<'_, VolumeKey>,
) -> Step {
    let volume = volumes.iter().find(|volume| volume.meta.name == claim.volume_name);
    let lost = |message: &str, flow: &mut Flow<'_, VolumeKey>| {
        if claim.phase == *LOST {
            return Ok(());
        }
        set_claim_phase(claim, *LOST, None, flow)?;
        let (about, message) = (Object::PersistentVolumeClaim(claim.clone()).reference(), Text::from(message));
        flow.tell(about, EventType::Warning, "ClaimLost", message);
        Ok(())
    };
    match volume {
        None => lost("Bound claim has lost its PersistentVolume. Data on the volume is lost!", flow),
        Some(volume) => match &volume.claim {
            Some(reference) if !is_claimed_by(reference, claim) => {
                lost("Bound claim is bound to a volume that is bound to another claim.", flow)
            }
            Some(_) | None => bind(volume, claim, flow),
        },
    }
}

fn sync_volume(
    volume: &Arc<PersistentVolume>,
    claim: Option<&Arc<PersistentVolumeClaim>>,
    flow: &mut Flow<'_, VolumeKey>,
) -> Step {
    let Some(reference) = &volume.claim else { return set_volume_phase(volume, *AVAILABLE, flow) };
    match claim {
        None if reference.uid.is_empty() => set_volume_phase(volume, *AVAILABLE, flow),
        None => set_volume_phase(volume, *RELEASED, flow),
        Some(claim) if claim.volume_name.is_empty() => {
            if reference.uid.is_empty() {
                set_volume_phase(volume, *AVAILABLE, flow)?;
            }
            flow.add(VolumeKey::of(claim));
            Ok(())
        }
        Some(claim) if claim.volume_name == volume.meta.name => set_volume_phase(volume, *BOUND, flow),
        Some(_) => set_volume_phase(volume, *RELEASED, flow),
    }
}

fn set_volume_phase(volume: &Arc<PersistentVolume>, phase: Name, flow: &mut Flow<'_, VolumeKey>) -> Step {
    if volume.phase == phase {
        return Ok(());
    }
    let changed = PersistentVolume { phase, ..PersistentVolume::clone(volume) };
    write(Arc::new(changed), Part::Status, flow).map(drop)
}

fn set_claim_phase(
    claim: &Arc<PersistentVolumeClaim>,
    phase: Name,
    volume: Option<&PersistentVolume>,
    flow: &mut Flow<'_, VolumeKey>,
) -> Step {
    // What it holds changes only with the phase: who makes a volume larger says so (`updateClaimStatus`).
    if claim.phase == phase {
        return Ok(());
    }
    let capacity = volume.map(|volume| volume.capacity.clone()).unwrap_or_default();
    let changed = PersistentVolumeClaim { phase, capacity, ..PersistentVolumeClaim::clone(claim) };
    write(Arc::new(changed), Part::Status, flow).map(drop)
}

/// Writes a version and returns what the server made of it.
fn write<T: ApiObject, K: QueueKey>(version: Arc<T>, part: Part, flow: &mut Flow<'_, K>) -> Step<Arc<T>> {
    let response = flow.call(|| Request::Update { object: T::wrap(version), part })?;
    Ok(object::<T>(&response?))
}

/// A volume by name, as a target.
fn volume_target(name: Name) -> Target {
    Target { kind: Kind::PersistentVolume, namespace: Name::default(), name }
}
