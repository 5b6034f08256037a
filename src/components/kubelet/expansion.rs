//! File systems that are made larger once their volumes are.
//!
//! Follows `pkg/volume/util/operationexecutor` of Kubernetes 1.36: `node_expander.go` (`expandOnPlugin`) for the steps,
//! `operation_generator.go` for when: before a volume is mounted (`expandVolumeDuringMount`), and while it is in use
//! (`GenerateExpandInUseVolumeFunc`) once a sync of one of its pods has had the populator read the claim again
//! (`checkVolumeFSResize` of `pkg/kubelet/volumemanager/populator/desired_state_of_world_populator.go`). Of those reads
//! only the ones that find something are made: the cluster tells a kubelet which claims have something to be found.
//! Left out: drivers that fail on the node.

use super::attach::claim_of;
use super::config::{VOLUME_BACK_OFF, VOLUME_TURN};
use super::{Kubelet, KubeletMessage, PendingCall};
use crate::api::{
    ApiObject, ErrorReason, EventType, NODE_RESIZE_IN_PROGRESS, Name, Object, Part, PersistentVolumeClaim, Request,
    Response, STORAGE,
};
use crate::components::cri::PodKey;
use crate::components::events::Told;
use crate::components::message::Message;
use crate::engine::{Outbox, SimTime};
use std::sync::Arc;

/// How far the growth of a file system is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Expansion {
    /// There is nothing to do.
    #[default]
    Nothing,
    /// The next sync, or the mount, finds that its claim asks for it.
    Heard,
    /// The loops come to it, or the claim is being read.
    Due,
    /// The claim is being told that it begins.
    Marked,
    /// The file system grows.
    Grows(Arc<PersistentVolumeClaim>),
    /// The claim is being told that it has grown.
    Told,
}

/// The reason of the events of a file system that has grown.
const GROWN: &str = "FileSystemResizeSuccessful";

impl Kubelet {
    /// A claim asks for its file system to grow: the next syncs of its pods have something to do.
    pub(super) fn claim_changed(&mut self, now: SimTime, claim: &PersistentVolumeClaim, out: &mut Outbox<Message>) {
        if !claim.awaits_node() {
            return;
        }
        for (key, volume) in self.volumes_of(claim.meta.namespace, claim.meta.name) {
            if self.expansion(key, volume) == Some(&Expansion::Nothing) {
                self.set_expansion(key, volume, Expansion::Heard);
                self.sync_in_time(now, key, out);
            }
        }
    }

    /// Whether the next sync of a pod finds that a file system is to grow.
    pub(super) fn has_growth_to_find(&self, key: PodKey) -> bool {
        let volumes = self.pods.get(&key).into_iter().flat_map(|state| &state.volumes.volumes);
        volumes.into_iter().any(|volume| volume.expansion == Expansion::Heard)
    }

    /// A sync looks at the volumes of its pod again: those whose file systems are to grow do so at the next turns of
    /// the loops.
    pub(super) fn look_for_growth(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        let volumes = state.volumes.volumes.iter().enumerate();
        let heard = volumes.filter(|(_, volume)| volume.is_mounted() && volume.expansion == Expansion::Heard);
        for volume in heard.map(|(place, _)| place).collect::<Vec<_>>() {
            self.set_expansion(key, volume, Expansion::Due);
            out.after(self.volume_loops(now), self.message(KubeletMessage::Expand { key, volume }));
        }
    }

    /// Whether a volume that is about to be mounted has to wait for its file system to grow.
    pub(super) fn grows_first(&mut self, now: SimTime, key: PodKey, volume: usize, out: &mut Outbox<Message>) -> bool {
        match self.expansion(key, volume) {
            None | Some(Expansion::Nothing) => false,
            Some(Expansion::Heard) => {
                self.set_expansion(key, volume, Expansion::Due);
                self.expand(now, key, volume, out);
                true
            }
            Some(_) => true,
        }
    }

    /// The next step of a growth.
    pub(super) fn expand(&mut self, now: SimTime, key: PodKey, volume: usize, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key).filter(|state| state.wants_volumes()) else { return };
        let Some(found) = state.volumes.volumes.get(volume) else { return };
        let Some(target) = claim_of(&state.pod, found.name) else { return };
        match found.expansion.clone() {
            Expansion::Due => {
                let others = self.volumes_of(target.namespace, target.name);
                let is_busy = |&(other, place): &(PodKey, usize)| {
                    let busy = [Expansion::Nothing, Expansion::Heard, Expansion::Due];
                    self.expansion(other, place).is_some_and(|expansion| !busy.contains(expansion))
                };
                if others.iter().any(is_busy) {
                    // One operation on a volume at a time; what is left to do is seen afterwards.
                    out.after(VOLUME_TURN, self.message(KubeletMessage::Expand { key, volume }));
                    return;
                }
                self.call_api(now, Request::Get(target), PendingCall::Expansion { key, volume }, out);
            }
            Expansion::Grows(claim) => self.file_system_grown(now, (key, volume), &claim, out),
            Expansion::Nothing | Expansion::Heard | Expansion::Marked | Expansion::Told => {}
        }
    }

    /// The server has answered about the claim of a file system that grows.
    pub(super) fn expansion_answered(
        &mut self,
        now: SimTime,
        (key, volume): (PodKey, usize),
        response: Response,
        out: &mut Outbox<Message>,
    ) {
        let Some(expansion) = self.expansion(key, volume).cloned() else { return };
        match (expansion, response) {
            (Expansion::Due, Ok(Object::PersistentVolumeClaim(claim))) if claim.awaits_node() => {
                let mut marked = PersistentVolumeClaim::clone(&claim);
                marked.growth = *NODE_RESIZE_IN_PROGRESS;
                self.set_expansion(key, volume, Expansion::Marked);
                self.write_claim(now, (key, volume), marked, out);
            }
            // Another node was faster: the file system that both have is looked at once more.
            (Expansion::Due, Ok(Object::PersistentVolumeClaim(claim)))
                if claim.growth.is_empty() && claim.capacity.get(*STORAGE) == claim.allocated.get(*STORAGE) =>
            {
                self.grow(now, (key, volume), claim, out);
            }
            (Expansion::Marked, Ok(Object::PersistentVolumeClaim(claim))) => self.grow(now, (key, volume), claim, out),
            (Expansion::Due, Err(error)) if error.reason == ErrorReason::NotFound => self.grown(now, key, volume, out),
            (_, Err(_)) => {
                self.set_expansion(key, volume, Expansion::Due);
                out.after(VOLUME_BACK_OFF, self.message(KubeletMessage::Expand { key, volume }));
            }
            _ => self.grown(now, key, volume, out),
        }
    }

    fn grow(
        &mut self,
        now: SimTime,
        (key, volume): (PodKey, usize),
        claim: Arc<PersistentVolumeClaim>,
        out: &mut Outbox<Message>,
    ) {
        // It takes about as long as to mount it.
        let stream = self.pods[&key].stream.part("expand").part(&volume.to_string());
        let took = self.latency(|profile| &profile.mount, now, stream);
        self.set_expansion(key, volume, Expansion::Grows(claim));
        out.after(took, self.message(KubeletMessage::Expand { key, volume }));
    }

    /// The file system is larger: people are told, and the claim.
    fn file_system_grown(
        &mut self,
        now: SimTime,
        (key, volume): (PodKey, usize),
        claim: &Arc<PersistentVolumeClaim>,
        out: &mut Outbox<Message>,
    ) {
        let node = self.name();
        let message =
            format!("MountVolume.NodeExpandVolume succeeded for volume {:?} {node}", claim.volume_name.as_str());
        self.tell_pod(now, key, EventType::Normal, GROWN, &message, out);
        let about = Object::PersistentVolumeClaim(claim.clone()).reference();
        let told = Told { about, kind: EventType::Normal, reason: Name::new(GROWN), message: message.as_str().into() };
        self.tell(now, told, out);
        if claim.awaits_node() {
            self.set_expansion(key, volume, Expansion::Told);
            self.write_claim(now, (key, volume), claim.grown(claim.allocated.storage()), out);
        } else {
            self.grown(now, key, volume, out);
        }
    }

    fn write_claim(
        &mut self,
        now: SimTime,
        (key, volume): (PodKey, usize),
        claim: PersistentVolumeClaim,
        out: &mut Outbox<Message>,
    ) {
        let request = Request::Update { object: ApiObject::wrap(Arc::new(claim)), part: Part::Status };
        self.call_api(now, request, PendingCall::Expansion { key, volume }, out);
    }

    /// Nothing more is to be done for a volume, nor for the other pods here that have it.
    fn grown(&mut self, now: SimTime, key: PodKey, volume: usize, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        let Some(target) = claim_of(&state.pod, state.volumes.volumes[volume].name) else { return };
        for (key, volume) in self.volumes_of(target.namespace, target.name) {
            self.set_expansion(key, volume, Expansion::Nothing);
            let found = &self.pods[&key].volumes.volumes[volume];
            if found.is_waiting_to_grow() {
                self.mounted(now, key, volume, out);
            }
        }
    }

    /// The volumes of pods here that are a claim's.
    fn volumes_of(&self, namespace: Name, name: Name) -> Vec<(PodKey, usize)> {
        let mut found = Vec::new();
        for (key, state) in self.pods.iter().filter(|(_, state)| state.pod.meta.namespace == namespace) {
            let volumes = state.volumes.volumes.iter().enumerate();
            let is_it = |volume: Name| claim_of(&state.pod, volume).is_some_and(|claim| claim.name == name);
            found.extend(volumes.filter(|(_, volume)| is_it(volume.name)).map(|(place, _)| (*key, place)));
        }
        found
    }

    fn expansion(&self, key: PodKey, volume: usize) -> Option<&Expansion> {
        self.pods.get(&key)?.volumes.volumes.get(volume).map(|found| &found.expansion)
    }

    pub(super) fn set_expansion(&mut self, key: PodKey, volume: usize, expansion: Expansion) {
        if let Some(found) = self.pods.get_mut(&key).and_then(|state| state.volumes.volumes.get_mut(volume)) {
            found.expansion = expansion;
        }
    }
}
