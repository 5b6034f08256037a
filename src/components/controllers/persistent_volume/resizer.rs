//! Volumes grow when their claims ask for more: the part of `external-resizer` beside each CSI driver.
//!
//! Follows `pkg/controller/controller.go` of `kubernetes-csi/external-resizer`. One resizer stands for all of them; it
//! fails only if a fault says so. Its drivers make volumes larger without their nodes, so that no pod need be there
//! (`NodeExpansionRequired` is false). Left out: the conditions of claims, `allocatedResourceStatuses`.

use super::{BOUND, VolumeKey, write};
use crate::api::{
    ApiError, ErrorReason, EventType, Kind, Name, Object, Part, PersistentVolume, PersistentVolumeClaim, STORAGE, Text,
};
use crate::components::controllers::flow::{Desk, Flow, Step};
use crate::components::controllers::host::{Controller, Seen, Settings};
use crate::components::controllers::informers::Informers;
use crate::components::controllers::interest::Interest;
use crate::components::controllers::work_queue::QueueKey;
use crate::engine::{Distribution, Purpose, SimTime};
use std::collections::BTreeMap;
use std::sync::Arc;

const RESIZE: Purpose = Purpose::new("resize volume");

/// The controller that makes volumes larger.
#[derive(Debug, Clone, Default)]
pub struct ResizerController {
    /// How long it takes to make one larger.
    takes: Distribution,
    /// When the volume of a claim is larger.
    due: BTreeMap<VolumeKey, SimTime>,
    /// What the driver says instead.
    failure: Option<Text>,
}

impl ResizerController {
    /// A resizer that needs so long for each volume.
    pub fn new(takes: Distribution) -> Self {
        Self { takes, ..Self::default() }
    }

    /// The driver fails from now on, or works.
    pub fn fail(&mut self, failure: Option<Text>) {
        self.failure = failure;
    }
}

/// A claim that asks for more than it has, and its volume.
#[derive(Debug, Clone)]
pub struct View {
    claim: Arc<PersistentVolumeClaim>,
    volume: Arc<PersistentVolume>,
    /// When the volume is larger, if that has begun.
    due: Option<SimTime>,
    failure: Option<Text>,
}

impl Controller for ResizerController {
    type Key = VolumeKey;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::PersistentVolume, Kind::PersistentVolumeClaim]);

    fn settings(&self) -> Settings {
        Settings { workers: 10, ..Settings::new("external-resizer") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<VolumeKey>) {
        let Object::PersistentVolumeClaim(claim) = seen.new else { return };
        let key = VolumeKey::of(claim);
        if !seen.is_deletion() && asks_for_more(claim) {
            desk.queue.add(key);
        } else {
            self.due.remove(&key);
        }
    }

    fn view(&mut self, key: VolumeKey, informers: &Informers, desk: &mut Desk<VolumeKey>) -> Option<View> {
        let VolumeKey::Claim(namespace, name) = key else { return None };
        let store = informers.store();
        let claim = store.persistent_volume_claims.find(namespace, name).filter(|claim| asks_for_more(claim))?.clone();
        let volume = store.persistent_volumes.find(Name::default(), claim.volume_name)?.clone();
        if volume.csi_driver.is_empty() {
            return None;
        }
        let due = self.due.get(&key).copied();
        if due.is_none() {
            let takes = desk.draws.sample(&self.takes, RESIZE, key.stream(), desk.now.as_nanos());
            self.due.insert(key, desk.now + takes);
            desk.queue.add_at(desk.now + takes, key);
        }
        Some(View { claim, volume, due, failure: self.failure.clone() })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, VolumeKey>) -> Step {
        let View { claim, volume, due, failure } = view;
        let (name, about) = (volume.meta.name, Object::PersistentVolumeClaim(claim.clone()).reference());
        if due.is_none() {
            let message = format!("External resizer is resizing volume {name}");
            flow.tell(about, EventType::Normal, "Resizing", message);
            return Ok(());
        }
        if due.is_some_and(|due| due > flow.now()) {
            return Ok(());
        }
        if let Some(why) = failure {
            let driver = volume.csi_driver.as_str();
            let message = format!("resize volume {:?} by resizer {driver:?} failed: {why}", name.as_str());
            flow.tell(about, EventType::Warning, "VolumeResizeFailed", message.clone());
            return Err(ApiError::new(ErrorReason::InternalError, message).into());
        }
        let wanted = claim.requests.storage();
        if volume.capacity.storage() < wanted {
            let capacity = volume.capacity.with(*STORAGE, wanted);
            write(Arc::new(PersistentVolume { capacity, ..PersistentVolume::clone(volume) }), Part::Main, flow)?;
        }
        let capacity = claim.capacity.with(*STORAGE, wanted);
        write(Arc::new(PersistentVolumeClaim { capacity, ..PersistentVolumeClaim::clone(claim) }), Part::Status, flow)?;
        flow.tell(about, EventType::Normal, "VolumeResizeSuccessful", "Resize volume succeeded".to_owned());
        Ok(())
    }
}

fn asks_for_more(claim: &PersistentVolumeClaim) -> bool {
    claim.phase == *BOUND && claim.requests.storage() > claim.capacity.storage()
}
