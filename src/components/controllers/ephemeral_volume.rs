//! Claims that are made for a pod and go with it (`pkg/controller/volume/ephemeral`).

use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::work_queue::Key;
use crate::api::{
    ErrorReason, EventType, Kind, Metadata, Name, Object, PersistentVolumeClaim, Pod, Request, VolumeSource, lower,
};
use std::sync::Arc;

/// The controller.
#[derive(Debug, Clone)]
pub struct EphemeralVolumeController;

/// A pod, and the claims that it lacks.
#[derive(Debug, Clone)]
pub struct View {
    pod: Arc<Pod>,
    missing: Vec<Arc<PersistentVolumeClaim>>,
}

impl Controller for EphemeralVolumeController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Pod]);

    fn settings(&self) -> Settings {
        Settings::new("ephemeral_volume")
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        if let Some((old, pod)) = seen.of::<Pod>()
            && !seen.is_deletion()
            && old.is_none()
            && pod.spec.volumes.iter().any(|volume| matches!(volume.source, VolumeSource::Ephemeral { .. }))
        {
            desk.queue.add(Key::of(&pod.meta));
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, _desk: &mut Desk<Key>) -> Option<View> {
        let store = informers.store();
        let pod = store.pods.find(key.namespace, key.name).filter(|pod| !pod.meta.is_terminating())?;
        let mut missing = Vec::new();
        for volume in &pod.spec.volumes {
            let VolumeSource::Ephemeral { template } = &volume.source else { continue };
            let name = Name::new(&format!("{}-{}", pod.meta.name, volume.name));
            if store.persistent_volume_claims.find(key.namespace, name).is_none() {
                missing.extend(claim(pod, name, template));
            }
        }
        Some(View { pod: pod.clone(), missing })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let about = Object::Pod(view.pod.clone()).reference();
        for claim in &view.missing {
            let response = flow.call(|| Request::Create(Object::PersistentVolumeClaim(claim.clone())))?;
            if let Err(error) = response
                && error.reason != ErrorReason::AlreadyExists
            {
                let message = format!("ephemeral volume {}: create PVC: {error}", claim.meta.name);
                flow.tell(about, EventType::Warning, "ProvisioningFailed", message);
                return Err(error.into());
            }
        }
        Ok(())
    }
}

fn claim(pod: &Arc<Pod>, name: Name, template: &str) -> Option<Arc<PersistentVolumeClaim>> {
    let mut manifest: serde_json::Value = serde_json::from_str(template).ok()?;
    manifest["apiVersion"] = "v1".into();
    manifest["kind"] = "PersistentVolumeClaim".into();
    manifest["metadata"]["name"] = name.as_str().into();
    let Object::PersistentVolumeClaim(claim) = lower(&manifest).ok()?.object else { return None };
    let mut claim = Arc::unwrap_or_clone(claim);
    let owner = Object::Pod(pod.clone()).controller_reference();
    claim.meta = Metadata { name, namespace: pod.meta.namespace, owner_references: vec![owner].into(), ..claim.meta };
    Some(Arc::new(claim))
}
