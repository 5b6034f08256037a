//! Claims and volumes in use are not deleted: their finalizers go when nobody uses them any more.
//!
//! Follows `pkg/controller/volume/{pvcprotection,pvprotection}` of Kubernetes 1.36.

use super::{BOUND, VolumeKey};
use crate::api::{
    Amendment, ErrorReason, Kind, Metadata, Name, Object, PersistentVolumeClaim, Pod, Request, Target, VolumeSource,
    names,
};
use crate::components::controllers::flow::{Desk, Flow, Step};
use crate::components::controllers::host::{Controller, Seen, Settings};
use crate::components::controllers::informers::Informers;
use crate::components::controllers::interest::Interest;

names! {
    PVC_PROTECTION = "kubernetes.io/pvc-protection";
    PV_PROTECTION = "kubernetes.io/pv-protection";
}

/// The controller that lets go of claims.
#[derive(Debug, Clone)]
pub struct ClaimProtectionController;

/// The controller that lets go of volumes.
#[derive(Debug, Clone)]
pub struct VolumeProtectionController;

fn is_held(meta: &Metadata, finalizer: Name) -> bool {
    meta.is_terminating() && meta.finalizers.contains(&finalizer)
}

fn uses(pod: &Pod, claim: &PersistentVolumeClaim) -> bool {
    let is_it = |source: &VolumeSource| matches!(source, VolumeSource::Claim { name, .. } if *name == claim.meta.name);
    pod.meta.namespace == claim.meta.namespace
        && !pod.node_name.is_empty()
        && !pod.is_terminal()
        && pod.spec.volumes.iter().any(|volume| is_it(&volume.source))
}

fn let_go(target: Target, finalizer: Name, flow: &mut Flow<'_, VolumeKey>) -> Step {
    let amendment = Amendment::RemoveFinalizers([finalizer].into_iter().collect());
    match flow.call(|| Request::Amend { target, uid: None, amendment })? {
        Err(error) if error.reason != ErrorReason::NotFound => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

impl Controller for ClaimProtectionController {
    type Key = VolumeKey;
    type View = ();
    const INTEREST: Interest =
        Interest::in_kinds(&[Kind::PersistentVolumeClaim, Kind::Pod]).once_there_was(&[Kind::PersistentVolumeClaim]);

    fn settings(&self) -> Settings {
        Settings { workers: 1, ..Settings::new("pvc-protection-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<VolumeKey>) {
        match seen.new {
            Object::PersistentVolumeClaim(claim) if is_held(&claim.meta, *PVC_PROTECTION) => {
                desk.queue.add(VolumeKey::of(claim));
            }
            Object::Pod(pod) if seen.is_deletion() || pod.is_terminal() => {
                for volume in &pod.spec.volumes {
                    if let VolumeSource::Claim { name, .. } = &volume.source {
                        desk.queue.add(VolumeKey::Claim(pod.meta.namespace, *name));
                    }
                }
            }
            _ => {}
        }
    }

    fn view(&mut self, key: VolumeKey, informers: &Informers, _desk: &mut Desk<VolumeKey>) -> Option<()> {
        let VolumeKey::Claim(namespace, name) = key else { return None };
        let store = informers.store();
        let claim = store.persistent_volume_claims.find(namespace, name)?;
        let free = is_held(&claim.meta, *PVC_PROTECTION) && !store.pods.iter().any(|pod| uses(pod, claim));
        free.then_some(())
    }

    fn sync(&mut self, (): &(), flow: &mut Flow<'_, VolumeKey>) -> Step {
        let VolumeKey::Claim(namespace, name) = flow.key() else { return Ok(()) };
        let_go(Target { kind: Kind::PersistentVolumeClaim, namespace, name }, *PVC_PROTECTION, flow)
    }
}

impl Controller for VolumeProtectionController {
    type Key = VolumeKey;
    type View = ();
    const INTEREST: Interest = Interest::in_kinds(&[Kind::PersistentVolume]);

    fn settings(&self) -> Settings {
        Settings { workers: 1, ..Settings::new("pv-protection-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<VolumeKey>) {
        if let Object::PersistentVolume(volume) = seen.new
            && is_held(&volume.meta, *PV_PROTECTION)
        {
            desk.queue.add(VolumeKey::Volume(volume.meta.name));
        }
    }

    fn view(&mut self, key: VolumeKey, informers: &Informers, _desk: &mut Desk<VolumeKey>) -> Option<()> {
        let VolumeKey::Volume(name) = key else { return None };
        let volume = informers.store().persistent_volumes.find(Name::default(), name)?;
        (is_held(&volume.meta, *PV_PROTECTION) && volume.phase != *BOUND).then_some(())
    }

    fn sync(&mut self, (): &(), flow: &mut Flow<'_, VolumeKey>) -> Step {
        let VolumeKey::Volume(name) = flow.key() else { return Ok(()) };
        let_go(super::volume_target(name), *PV_PROTECTION, flow)
    }
}
