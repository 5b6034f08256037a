//! Claims and volumes that are in use stay until they no longer are (`pkg/controller/volume/pvcprotection`,
//! `pvprotection`).

use super::{BOUND, VolumeTask};
use crate::api::{Amendment, ErrorReason, Kind, Metadata, Name, Object, Pod, Request, Target, VolumeSource, names};
use crate::components::controllers::flow::{Desk, Flow, Step};
use crate::components::controllers::host::{Controller, Seen, Settings};
use crate::components::controllers::informers::Informers;
use crate::components::controllers::work_queue::Key;

names! {
    CLAIM_PROTECTION = "kubernetes.io/pvc-protection";
    VOLUME_PROTECTION = "kubernetes.io/pv-protection";
}

/// The controller that takes the finalizers away.
#[derive(Debug, Clone)]
pub struct VolumeProtectionController;

impl Controller for VolumeProtectionController {
    type Key = VolumeTask;
    type View = ();

    fn settings(&self) -> Settings {
        Settings { workers: 2, ..Settings::new("volume-protection-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<VolumeTask>) {
        match seen.new {
            Object::PersistentVolumeClaim(claim) if is_held(&claim.meta, *CLAIM_PROTECTION) => {
                desk.queue.add(VolumeTask::Claim(Key::of(&claim.meta)));
            }
            Object::PersistentVolume(volume) if is_held(&volume.meta, *VOLUME_PROTECTION) => {
                desk.queue.add(VolumeTask::Volume(volume.meta.name));
            }
            Object::Pod(pod) if seen.is_deletion() || pod.is_terminal() => {
                for name in claims(pod) {
                    let claims = &seen.informers.store().persistent_volume_claims;
                    let claim = claims.find(pod.meta.namespace, name);
                    if claim.is_some_and(|claim| is_held(&claim.meta, *CLAIM_PROTECTION)) {
                        desk.queue.add(VolumeTask::Claim(Key { namespace: pod.meta.namespace, name }));
                    }
                }
            }
            _ => {}
        }
    }

    fn view(&mut self, task: VolumeTask, informers: &Informers, _desk: &mut Desk<VolumeTask>) -> Option<()> {
        let store = informers.store();
        match task {
            VolumeTask::Claim(key) => {
                let claim = store.persistent_volume_claims.find(key.namespace, key.name)?;
                let uses = |pod: &Pod| {
                    pod.meta.namespace == key.namespace
                        && !pod.is_terminal()
                        && claims(pod).any(|name| name == key.name)
                };
                let free = is_held(&claim.meta, *CLAIM_PROTECTION) && !store.pods.iter().any(|pod| uses(pod));
                free.then_some(())
            }
            VolumeTask::Volume(name) => {
                let volume = store.persistent_volumes.find(Name::default(), name)?;
                (is_held(&volume.meta, *VOLUME_PROTECTION) && volume.phase != *BOUND).then_some(())
            }
        }
    }

    fn sync(&mut self, (): &(), flow: &mut Flow<'_, VolumeTask>) -> Step {
        let (target, finalizer) = match flow.key() {
            VolumeTask::Claim(Key { namespace, name }) => {
                (Target { kind: Kind::PersistentVolumeClaim, namespace, name }, *CLAIM_PROTECTION)
            }
            VolumeTask::Volume(name) => {
                (Target { kind: Kind::PersistentVolume, namespace: Name::default(), name }, *VOLUME_PROTECTION)
            }
        };
        let amendment = Amendment::RemoveFinalizers(vec![finalizer].into());
        match flow.call(|| Request::Amend { target, uid: None, amendment })? {
            Err(error) if error.reason != ErrorReason::NotFound => Err(error.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// Whether an object that is to go is kept by a finalizer.
fn is_held(meta: &Metadata, finalizer: Name) -> bool {
    meta.is_terminating() && meta.finalizers.contains(&finalizer)
}

/// The claims that a pod uses.
pub(super) fn claims(pod: &Pod) -> impl Iterator<Item = Name> + '_ {
    pod.spec.volumes.iter().filter_map(|volume| match &volume.source {
        VolumeSource::Claim { name, .. } => Some(*name),
        VolumeSource::Ephemeral { .. } => Some(Name::new(&format!("{}-{}", pod.meta.name, volume.name))),
        _ => None,
    })
}
