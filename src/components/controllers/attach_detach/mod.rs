//! Volumes are attached to the nodes of their pods, and detached when the last pod has left.
//!
//! Follows `pkg/controller/volume/attachdetach` of Kubernetes 1.36. Its reconciler looks every 100 ms; rounds in which
//! it would find nothing are left out, and what it does is done at a tick. A node keeps what its kubelet says it has
//! mounted; one that is not ready loses it after six minutes, one that is out of service at once. Left out: volumes
//! that cannot be attached by their driver (all can be), nodes whose kubelets attach by themselves.

mod attacher;

pub use attacher::AttacherController;

use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::work_queue::Key;
use crate::api::{
    Amendment, DeleteOptions, ErrorReason, EventType, Id, Kind, Labels, Metadata, Name, Node, Object, ObjectReference,
    PersistentVolume, Pod, Request, TAINT_OUT_OF_SERVICE, Target, Text, VolumeAttachment, VolumeSource,
};
use crate::components::attachment::{Attachable, is_exclusive};
use crate::engine::{Purpose, SimDuration, SimTime, StreamKey};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const PHASE: Purpose = Purpose::new("attach detach loop");
/// How often the reconciler looks.
const LOOP: SimDuration = SimDuration::from_millis(100);
/// What an unhealthy node has mounted is detached after this (`ReconcilerMaxWaitForUnmountDuration`).
const MAX_WAIT_FOR_UNMOUNT: SimDuration = SimDuration::from_mins(6);
/// A detachment that turned out to be unsafe is tried again after this.
const BACK_OFF: SimDuration = SimDuration::from_millis(500);

/// A volume on a node.
type Place = (Name, Name);

/// The controller: its keys are volumes by name.
#[derive(Debug, Clone, Default)]
pub struct AttachDetachController {
    /// Pods by the claims that they use, by namespace and name.
    users: BTreeMap<(Name, Name), BTreeSet<u32>>,
    /// The nodes of each volume that has attachments, …
    nodes: BTreeMap<Name, BTreeMap<Name, u32>>,
    /// … and the volumes of each such node.
    volumes: BTreeMap<Name, BTreeSet<Name>>,
    /// Since when nobody wants an attachment any more.
    unwanted: BTreeMap<Place, SimTime>,
    /// What nodes had mounted when they were last seen.
    mounted: BTreeSet<Place>,
    /// Attachments that were told of, and refusals that were.
    announced: BTreeSet<Place>,
    refused: BTreeSet<Place>,
    /// Attachments to nodes that were made anew since they were told of: their status does not say so any more.
    untold: BTreeSet<Place>,
}

/// What one round does about a volume.
#[derive(Debug, Clone)]
pub struct View {
    volume: Name,
    device: Attachable,
    actions: Vec<Action>,
}

#[derive(Debug, Clone)]
enum Action {
    /// The node no longer has it.
    Detach {
        node: Name,
        /// Whether the node's status says that it has it.
        reported: bool,
        /// Whether its kubelet must agree.
        verify: bool,
    },
    /// The node is to have it.
    Attach { node: Name },
    /// The node has it: its pods are told, and its status.
    Announce { node: Name, pods: Vec<ObjectReference> },
    /// The node's status is told once more.
    Report { node: Name },
    /// Another node has it.
    Refuse { pod: ObjectReference, why: Text },
}

impl Controller for AttachDetachController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[
        Kind::Pod,
        Kind::Node,
        Kind::PersistentVolumeClaim,
        Kind::VolumeAttachment,
        Kind::CsiDriver,
    ]);

    fn settings(&self) -> Settings {
        Settings { workers: 10, ..Settings::new("attachdetach-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        match seen.new {
            Object::Pod(pod) => self.pod_seen(pod, seen, desk),
            Object::PersistentVolumeClaim(claim) if !claim.volume_name.is_empty() => {
                let old = seen.of().and_then(|(old, _)| old);
                if old.is_none_or(|old: &Arc<crate::api::PersistentVolumeClaim>| old.volume_name.is_empty()) {
                    wake(claim.volume_name, desk);
                }
            }
            Object::VolumeAttachment(attachment) => self.attachment_seen(attachment, seen.is_deletion(), desk),
            Object::Node(node) => self.node_seen(node, seen, desk),
            Object::CsiDriver(_) if seen.old.is_none() => {
                let volumes = seen.informers.store().persistent_volumes.sorted();
                volumes.iter().for_each(|volume| wake(volume.meta.name, desk));
            }
            _ => {}
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, desk: &mut Desk<Key>) -> Option<View> {
        let store = informers.store();
        let volume = store.persistent_volumes.find(Name::default(), key.name)?.clone();
        let driver = store.csi_drivers.find(Name::default(), volume.csi_driver);
        let device = Attachable::of(&volume, driver.map(|driver| &**driver))?;
        let wanted = self.wanted(&volume, informers);
        let attached = self.attached(volume.meta.name, informers);
        let mut actions = Vec::new();
        for attachment in &attached {
            let node = attachment.node_name;
            if wanted.contains_key(&node) {
                self.unwanted.remove(&(volume.meta.name, node));
            } else {
                actions.extend(self.detach(&volume, device, attachment, informers, desk));
            }
        }
        let mut held: Vec<(Name, bool)> = attached.iter().map(|one| (one.node_name, one.attached)).collect();
        for (node, pods) in &wanted {
            let place = (volume.meta.name, *node);
            match attached.iter().find(|attachment| attachment.node_name == *node) {
                Some(attachment) if attachment.attached && !attachment.meta.is_terminating() => {
                    if self.announced.insert(place) {
                        let pods = pods.iter().map(|pod| Object::Pod(pod.clone()).reference()).collect();
                        actions.push(Action::Announce { node: *node, pods });
                    } else if (self.untold.remove(&place) || desk.queue.failures(key) > 0)
                        && !is_reported(*node, device, informers)
                    {
                        actions.push(Action::Report { node: *node });
                    }
                }
                Some(_) => {}
                None if is_exclusive(&volume) && !held.is_empty() => {
                    // An attachment that is under way is waited for; one that is there is in the way.
                    if held.iter().any(|(_, done)| *done) && self.refused.insert(place) {
                        actions.extend(refusals(pods, &wanted, &held));
                    }
                }
                None => {
                    held.push((*node, false));
                    actions.push(Action::Attach { node: *node });
                }
            }
        }
        self.refused.retain(|(name, node)| *name != volume.meta.name || wanted.contains_key(node));
        (!actions.is_empty()).then_some(View { volume: volume.meta.name, device, actions })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        for action in &view.actions {
            match action {
                Action::Detach { node, reported, verify } => detach(view, *node, *reported, *verify, flow)?,
                Action::Attach { node } => attach(view, *node, flow)?,
                Action::Announce { node, pods } => {
                    // A message of two parts, of which the second is empty (`GenerateMsg`).
                    let text = format!("AttachVolume.Attach succeeded for volume {:?} ", view.volume.as_str());
                    for pod in pods {
                        flow.tell(*pod, EventType::Normal, "SuccessfulAttachVolume", text.as_str());
                    }
                    report(view, *node, true, flow)?;
                }
                Action::Report { node } => report(view, *node, true, flow)?,
                Action::Refuse { pod, why } => {
                    let text = format!("Multi-Attach error for volume {:?} {why}", view.volume.as_str());
                    flow.tell(*pod, EventType::Warning, "FailedAttachVolume", text);
                }
            }
        }
        Ok(())
    }
}

impl AttachDetachController {
    fn pod_seen(&mut self, pod: &Arc<Pod>, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        if pod.spec.volumes.is_empty() || pod.node_name.is_empty() {
            return;
        }
        let claims = pod.spec.volumes.iter().filter_map(|volume| match volume.source {
            VolumeSource::Claim { name, .. } => Some(name),
            VolumeSource::Ephemeral { .. } => Some(Name::new(&format!("{}-{}", pod.meta.name, volume.name))),
            _ => None,
        });
        let old = seen.old.and_then(Object::pod);
        let same = old.is_some_and(|old| old.node_name == pod.node_name && is_done(old) == is_done(pod));
        if same && !seen.is_deletion() {
            return;
        }
        for claim in claims {
            let users = self.users.entry((pod.meta.namespace, claim)).or_default();
            if seen.is_deletion() {
                users.remove(&pod.meta.index);
            } else {
                users.insert(pod.meta.index);
            }
            let found = seen.informers.store().persistent_volume_claims.find(pod.meta.namespace, claim);
            if let Some(found) = found.filter(|found| !found.volume_name.is_empty()) {
                wake(found.volume_name, desk);
            }
        }
    }

    fn attachment_seen(&mut self, attachment: &VolumeAttachment, gone: bool, desk: &mut Desk<Key>) {
        let (volume, node) = (attachment.volume_name, attachment.node_name);
        let nodes = self.nodes.entry(volume).or_default();
        if gone {
            nodes.remove(&node);
            self.volumes.entry(node).or_default().remove(&volume);
            self.unwanted.remove(&(volume, node));
            self.mounted.remove(&(volume, node));
            self.announced.remove(&(volume, node));
            self.untold.remove(&(volume, node));
        } else {
            nodes.insert(node, attachment.meta.index);
            self.volumes.entry(node).or_default().insert(volume);
        }
        wake(volume, desk);
    }

    fn node_seen(&mut self, node: &Node, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        let Some(volumes) = self.volumes.get(&node.meta.name).filter(|volumes| !volumes.is_empty()) else { return };
        let tells = |node: &Node| {
            let status = &node.status;
            (node.is_ready(), node.taints.clone(), status.volumes_in_use.clone(), status.volumes_attached.clone())
        };
        let old = seen.of::<Node>().and_then(|(old, _)| old);
        if old.is_none() {
            self.untold.extend(volumes.iter().map(|volume| (*volume, node.meta.name)));
        }
        if seen.is_deletion() || old.is_none_or(|old| tells(old) != tells(node)) {
            volumes.iter().for_each(|volume| wake(*volume, desk));
        }
    }

    /// The nodes that a volume is wanted on, each with its pods, oldest first.
    fn wanted(&self, volume: &PersistentVolume, informers: &Informers) -> BTreeMap<Name, Vec<Arc<Pod>>> {
        let mut wanted: BTreeMap<Name, Vec<Arc<Pod>>> = BTreeMap::new();
        let store = informers.store();
        let Some(reference) = &volume.claim else { return wanted };
        let claim = store.persistent_volume_claims.find(reference.namespace, reference.name);
        if claim.is_none_or(|claim| claim.volume_name != volume.meta.name) {
            return wanted;
        }
        let users = self.users.get(&(reference.namespace, reference.name));
        for pod in users.into_iter().flatten().filter_map(|place| store.pods.get(Id::new(*place))) {
            if !is_done(pod) {
                wanted.entry(pod.node_name).or_default().push(pod.clone());
            }
        }
        wanted
    }

    /// The attachments of a volume, by node.
    fn attached(&self, volume: Name, informers: &Informers) -> Vec<Arc<VolumeAttachment>> {
        let places = self.nodes.get(&volume).into_iter().flat_map(BTreeMap::values);
        places.filter_map(|place| informers.store().volume_attachments.get(Id::new(*place)).cloned()).collect()
    }

    /// What is done about an attachment that nobody wants: nothing as long as the node has it mounted and may live.
    fn detach(
        &mut self,
        volume: &PersistentVolume,
        device: Attachable,
        attachment: &VolumeAttachment,
        informers: &Informers,
        desk: &mut Desk<Key>,
    ) -> Option<Action> {
        let (name, place) = (attachment.node_name, (volume.meta.name, attachment.node_name));
        let since = *self.unwanted.entry(place).or_insert(desk.now);
        let timeout = desk.now.since(since) > MAX_WAIT_FOR_UNMOUNT;
        let node = informers.store().nodes.find(Name::default(), name);
        if let Some(node) = node {
            if node.status.volumes_in_use.contains(&device.unique_name()) {
                self.mounted.insert(place);
            } else {
                self.mounted.remove(&place);
            }
        }
        let healthy = node.is_some_and(|node| node.is_ready());
        let out_of_service =
            node.is_some_and(|node| node.taints.iter().any(|taint| taint.key == *TAINT_OUT_OF_SERVICE));
        if self.mounted.contains(&place) && !(timeout && !healthy) && !out_of_service {
            if !timeout {
                desk.queue.add_at(next_round(since + MAX_WAIT_FOR_UNMOUNT, desk), Key::of(&volume.meta));
            }
            return None;
        }
        if attachment.meta.is_terminating() {
            return None;
        }
        self.announced.remove(&place);
        let reported = is_reported(name, device, informers);
        Some(Action::Detach { node: name, reported, verify: !timeout && !out_of_service })
    }
}

/// Whether a node's status says that it has a volume.
fn is_reported(node: Name, device: Attachable, informers: &Informers) -> bool {
    let node = informers.store().nodes.find(Name::default(), node);
    node.is_some_and(|node| node.status.volumes_attached.contains(&device.unique_name()))
}

/// Has the reconciler look at a volume in its next round.
fn wake(volume: Name, desk: &mut Desk<Key>) {
    if !volume.is_empty() {
        desk.queue.add_at(next_round(desk.now, desk), Key { namespace: Name::default(), name: volume });
    }
}

/// The first round after an instant.
fn next_round(after: SimTime, desk: &Desk<Key>) -> SimTime {
    let phase = desk.draws.draw(PHASE, StreamKey::new("attachdetach-controller"), 0).below(LOOP.as_nanos());
    (after + SimDuration::from_nanos(1)).next_tick(SimTime::from_nanos(phase), LOOP)
}

/// Whether a pod no longer needs its volumes (`IsPodTerminated`).
fn is_done(pod: &Pod) -> bool {
    let status = &pod.status;
    pod.is_terminal()
        || pod.meta.is_terminating() && !status.containers.iter().any(|container| container.state.is_running())
}

/// What the pods of a node are told while other nodes have the volume (`reportMultiAttachError`).
fn refusals(pods: &[Arc<Pod>], wanted: &BTreeMap<Name, Vec<Arc<Pod>>>, held: &[(Name, bool)]) -> Vec<Action> {
    let others: Vec<&Arc<Pod>> = held.iter().filter_map(|(node, _)| wanted.get(node)).flatten().collect();
    let why = |pod: &Pod| {
        let local: Vec<&str> = others
            .iter()
            .filter(|other| other.meta.namespace == pod.meta.namespace)
            .map(|other| other.meta.name.as_str())
            .collect();
        if local.is_empty() {
            "Volume is already exclusively attached to one node and can't be attached to another".to_owned()
        } else {
            format!("Volume is already used by pod(s) {}", local.join(", "))
        }
    };
    let refuse = |pod: &Arc<Pod>| Action::Refuse { pod: Object::Pod(pod.clone()).reference(), why: why(pod).into() };
    pods.iter().map(refuse).collect()
}

fn node_target(node: Name) -> Target {
    Target { kind: Kind::Node, namespace: Name::default(), name: node }
}

fn attachment_target(device: Attachable, node: Name) -> Target {
    Target { kind: Kind::VolumeAttachment, namespace: Name::default(), name: device.object_name(node) }
}

/// The node's status says whether it has the volume (`UpdateNodeStatusForNode`).
fn report(view: &View, node: Name, attached: bool, flow: &mut Flow<'_, Key>) -> Step {
    let amendment = Amendment::VolumeAttached { volume: view.device.unique_name(), attached };
    match flow.call(|| Request::Amend { target: node_target(node), uid: None, amendment })? {
        Err(error) if error.reason != ErrorReason::NotFound => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn attach(view: &View, node: Name, flow: &mut Flow<'_, Key>) -> Step {
    let attachment = VolumeAttachment {
        meta: Metadata { name: view.device.object_name(node), annotations: Labels::default(), ..Metadata::default() },
        attacher: view.device.driver,
        node_name: node,
        volume_name: view.volume,
        attached: false,
        source: Text::default(),
    };
    match flow.call(|| Request::Create(Object::VolumeAttachment(Arc::new(attachment))))? {
        Err(error) if error.reason != ErrorReason::AlreadyExists => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn detach(view: &View, node: Name, reported: bool, verify: bool, flow: &mut Flow<'_, Key>) -> Step {
    if reported {
        report(view, node, false, flow)?;
    }
    if verify
        && let Ok(Object::Node(found)) = flow.get(node_target(node))?
        && found.status.volumes_in_use.contains(&view.device.unique_name())
    {
        // It was mounted again meanwhile (`verifyVolumeIsSafeToDetach`).
        report(view, node, true, flow)?;
        flow.again_after(BACK_OFF);
        return Ok(());
    }
    let request = Request::Delete { target: attachment_target(view.device, node), options: DeleteOptions::default() };
    match flow.call(|| request)? {
        Err(error) if error.reason != ErrorReason::NotFound => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}
