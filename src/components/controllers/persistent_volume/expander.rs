//! People are told that somebody else makes the volume of a claim larger: volumes of CSI drivers are not the controller
//! manager's.
//!
//! Follows `pkg/controller/volume/expand/expand_controller.go` (`syncHandler`) of Kubernetes 1.36. Left out: volumes
//! without a driver, which no class lets grow, and those that became a driver's later.

use super::resizer::PRE_RESIZE_CAPACITY;
use super::{BOUND, VolumeKey, volume_target};
use crate::api::{ErrorReason, EventType, Kind, Object, PersistentVolumeClaim};
use crate::components::controllers::flow::{Desk, Flow, Step};
use crate::components::controllers::host::{Controller, Seen, Settings};
use crate::components::controllers::informers::Informers;
use crate::components::controllers::interest::Interest;
use std::sync::Arc;

/// The controller that waits for volumes to grow.
#[derive(Debug, Clone)]
pub struct ExpandController;

impl Controller for ExpandController {
    type Key = VolumeKey;
    type View = Arc<PersistentVolumeClaim>;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::PersistentVolumeClaim]);

    fn settings(&self) -> Settings {
        Settings { workers: 10, ..Settings::new("volume_expand") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<VolumeKey>) {
        let Object::PersistentVolumeClaim(claim) = seen.new else { return };
        let news = match seen.old {
            Some(Object::PersistentVolumeClaim(old)) => {
                claim.requests.storage() > old.requests.storage() || claim.capacity.storage() > old.capacity.storage()
            }
            _ => true,
        };
        // Claims that never grew have nothing to tell.
        let grows = claim.requests.storage() > claim.capacity.storage() || !claim.allocated.is_empty();
        if news && grows && claim.phase == *BOUND && !seen.is_deletion() {
            desk.queue.add(VolumeKey::of(claim));
        }
    }

    fn view(&mut self, key: VolumeKey, informers: &Informers, _desk: &mut Desk<VolumeKey>) -> Option<Self::View> {
        let VolumeKey::Claim(namespace, name) = key else { return None };
        informers.store().persistent_volume_claims.find(namespace, name).cloned()
    }

    fn sync(&mut self, claim: &Self::View, flow: &mut Flow<'_, VolumeKey>) -> Step {
        let volume = match flow.get(volume_target(claim.volume_name))? {
            Ok(Object::PersistentVolume(volume)) => volume,
            Err(error) if error.reason != ErrorReason::NotFound => return Err(error.into()),
            Ok(_) | Err(_) => return Ok(()),
        };
        let grows = claim.requests.storage() > claim.capacity.storage()
            || volume.meta.annotations.get(*PRE_RESIZE_CAPACITY).is_some();
        if grows && !volume.csi_driver.is_empty() {
            let about = Object::PersistentVolumeClaim(claim.clone()).reference();
            let message = "waiting for an external controller to expand this PVC";
            flow.tell(about, EventType::Normal, "ExternalExpanding", message);
        }
        Ok(())
    }
}
