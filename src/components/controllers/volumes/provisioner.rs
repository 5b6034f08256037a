//! Volumes made on demand, as a CSI driver's provisioner makes them (`external-provisioner`).

use super::{BIND_COMPLETED, NO_PROVISIONER, SELECTED_NODE, STORAGE_PROVISIONER, matching};
use crate::api::{
    ClaimReference, ErrorReason, EventType, HOSTNAME_LABEL, Kind, Metadata, Name, NodeSelectorTerm, Object,
    PersistentVolume, PersistentVolumeClaim, Request, Requirement, ResourceList, STORAGE, StorageClass, Target, Text,
    ZONE_LABEL, names,
};
use crate::components::controllers::flow::{Desk, Flow, Step};
use crate::components::controllers::host::{Controller, Seen, Settings};
use crate::components::controllers::informers::Informers;
use crate::components::controllers::work_queue::Key;
use crate::engine::SimDuration;
use std::sync::Arc;

names! {
    PROVISIONED_BY = "pv.kubernetes.io/provisioned-by";
}

/// How long a driver takes to make a volume.
const MAKING: SimDuration = SimDuration::from_secs(2);

/// The provisioner of every class that names one.
#[derive(Debug, Clone, Default)]
pub struct ProvisionerController {
    /// Claims whose volumes are being made.
    making: crate::api::FastMap<Key, crate::engine::SimTime>,
}

/// A claim that wants a volume.
#[derive(Debug, Clone)]
pub struct View {
    claim: Arc<PersistentVolumeClaim>,
    class: Arc<StorageClass>,
    /// What the nodes must have that can reach the volume.
    topology: Option<Requirement>,
    ready: bool,
}

impl Controller for ProvisionerController {
    type Key = Key;
    type View = View;

    fn settings(&self) -> Settings {
        Settings::new("external-provisioner")
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        if let Object::PersistentVolumeClaim(claim) = seen.new {
            let key = Key::of(&claim.meta);
            if seen.is_deletion() {
                self.making.remove(&key);
            } else if wants(claim) {
                desk.queue.add(key);
            }
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, desk: &mut Desk<Key>) -> Option<View> {
        let store = informers.store();
        let claim = store.persistent_volume_claims.find(key.namespace, key.name).filter(|claim| wants(claim))?;
        let class = store.storage_classes.find(Name::default(), matching::class_of(claim))?;
        let node = claim.meta.annotations.get(*SELECTED_NODE);
        if class.provisioner == *NO_PROVISIONER || class.wait_for_first_consumer && node.is_none() {
            return None;
        }
        let node = node.and_then(|node| store.nodes.find(Name::default(), node));
        let topology = node.and_then(|node| {
            let zone = node.meta.labels.get(*ZONE_LABEL).map(|zone| Requirement::equals(*ZONE_LABEL, zone));
            let host = || node.meta.labels.get(*HOSTNAME_LABEL).map(|host| Requirement::equals(*HOSTNAME_LABEL, host));
            zone.or_else(host)
        });
        let done = *self.making.entry(key).or_insert(desk.now + MAKING);
        Some(View { claim: claim.clone(), class: class.clone(), topology, ready: done <= desk.now })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let claim = &view.claim;
        let about = Object::PersistentVolumeClaim(claim.clone()).reference();
        let path = format!("{}/{}", claim.meta.namespace, claim.meta.name);
        if !view.ready {
            let message = format!("External provisioner is provisioning volume for claim {path:?}");
            flow.tell(about, EventType::Normal, "Provisioning", message);
            flow.again_after(MAKING);
            return Ok(());
        }
        let volume = volume(view);
        let name = volume.meta.name;
        let target = Target { kind: Kind::PersistentVolume, namespace: Name::default(), name };
        if flow.get(target)?.is_ok() {
            return Ok(());
        }
        match flow.call(|| Request::Create(Object::PersistentVolume(Arc::new(volume))))? {
            Err(error) if error.reason != ErrorReason::AlreadyExists => Err(error.into()),
            Ok(_) | Err(_) => {
                let message = format!("Successfully provisioned volume {name}");
                flow.tell(about, EventType::Normal, "ProvisioningSucceeded", message);
                Ok(())
            }
        }
    }
}

/// Whether somebody is to make a volume for a claim.
fn wants(claim: &PersistentVolumeClaim) -> bool {
    let annotations = &claim.meta.annotations;
    claim.volume_name.is_empty()
        && !claim.meta.is_terminating()
        && annotations.get(*BIND_COMPLETED).is_none()
        && annotations.get(*STORAGE_PROVISIONER).is_some()
}

fn volume(view: &View) -> PersistentVolume {
    let (claim, class) = (&view.claim, &view.class);
    let name = Name::new(&format!("pvc-{}", claim.meta.uid));
    let size = claim.requests.get(*STORAGE).unwrap_or(0);
    let annotations = [(*PROVISIONED_BY, class.provisioner)].into_iter().collect();
    let term = |requirement: &Requirement| {
        vec![NodeSelectorTerm { expressions: vec![requirement.clone()].into(), ..NodeSelectorTerm::default() }]
    };
    PersistentVolume {
        meta: Metadata { name, annotations, ..Metadata::default() },
        capacity: [(*STORAGE, size)].into_iter().collect::<ResourceList>(),
        access_modes: claim.access_modes.clone(),
        storage_class: class.meta.name,
        block: claim.block,
        claim: Some(ClaimReference { namespace: claim.meta.namespace, name: claim.meta.name, uid: claim.meta.uid }),
        reclaim_policy: class.reclaim_policy,
        node_affinity: view.topology.as_ref().map(term),
        csi_driver: class.provisioner,
        volume_handle: name,
        attachable: true,
        phase: Name::default(),
        message: Text::default(),
        source: Text::default(),
    }
}
