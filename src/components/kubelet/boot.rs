//! The kubelet's process: it dies with everything that it knew, and starts with what the runtime and the server say.
//!
//! Follows `pkg/kubelet/kubelet.go` (`Run`, `HandlePodCleanups`) and `pkg/kubelet/config/apiserver.go` of Kubernetes
//! 1.36. Containers do not notice. What a restart forgets on purpose: back-offs, start errors, probe verdicts, mounts.

use super::config::API_SOURCE_WAIT;
use super::credentials::PulledImages;
use super::{Kubelet, KubeletMessage, KubeletSetup, PendingCri, PodState, config, static_pods};
use crate::api::{EventType, Node, Pod};
use crate::components::cri::{CriCall, InstanceState, PodKey, RuntimePod};
use crate::components::message::Message;
use crate::components::stats::ImageStats;
use crate::engine::{Outbox, Purpose, SimDuration, SimTime};
use std::sync::Arc;

const BOOT: Purpose = Purpose::new("kubelet boot");

/// A pod that the runtime has and the kubelet was told nothing of.
#[derive(Debug, Clone)]
pub(super) struct Unclaimed {
    /// What the runtime says of it now.
    pub(super) runtime: Arc<RuntimePod>,
    fate: Fate,
}

/// How far a pod is that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It was found.
    Found,
    /// It is being killed.
    Doomed,
    /// What is left of it is being given back.
    Buried,
    /// The kubelet knew it, and has stopped it: the garbage collector's.
    LeftOver,
}

impl Unclaimed {
    /// What the runtime has of a pod that the kubelet has forgotten, stopped or not.
    pub(super) fn forgotten(runtime: Arc<RuntimePod>) -> Self {
        let fate = if runtime.anything_runs() { Fate::Found } else { Fate::LeftOver };
        Self { runtime, fate }
    }

    /// Whether the kubelet knew it, and has stopped it.
    pub(super) const fn is_left_over(&self) -> bool {
        matches!(self.fate, Fate::LeftOver)
    }
}

impl Kubelet {
    /// The process dies. The machine, its files and its containers stay.
    pub fn stop(&mut self) {
        let setup = KubeletSetup {
            node: self.node,
            name: self.name,
            address: self.address,
            config: self.config.clone(),
            profile: self.profile.clone(),
            clock: self.clock,
            draws: self.draws,
            every_probe: self.every_probe,
            template: self.template.clone(),
        };
        let blank = Self {
            calls: self.calls,
            incarnation: self.incarnation + 1,
            hindrances: self.hindrances.clone(),
            boots: self.boots,
            reported_boot: self.reported_boot,
            static_pods: self.static_pods.on_disk(),
            reporter: self.reporter.of_next_process(),
            checkpoints: self.checkpoints(),
            images: self.images.of_next_process(&self.config),
            ..Self::new(setup)
        };
        *self = blank;
    }

    /// The disk of a machine whose kubelet is not running is empty.
    pub fn disk_emptied(&mut self) {
        self.checkpoints.clear();
        self.images.pulled = PulledImages::default();
    }

    /// The machine under a kubelet that is not running has started anew.
    pub const fn machine_booted(&mut self) {
        self.boots += 1;
    }

    /// Turns and timers of a process are counted from here: those of an earlier one are stale.
    pub(super) const fn first_turn(&self) -> u32 {
        self.incarnation << 20
    }

    /// The process is started: it takes a moment until it does anything.
    pub(super) fn begin(&self, now: SimTime, out: &mut Outbox<Message>) {
        if self.up {
            return;
        }
        let took = self.draws.sample(&self.profile.kubelet_start, BOOT, self.stream, now.as_nanos());
        out.after(took, self.message(KubeletMessage::Booted { incarnation: self.incarnation }));
    }

    /// The process is ready to look around.
    pub(super) fn booted(&mut self, now: SimTime, incarnation: u32, out: &mut Outbox<Message>) {
        if self.up || self.incarnation != incarnation {
            return;
        }
        self.start(now, SimDuration::ZERO);
        self.sources_ready = false;
        self.tick_phase = now;
        self.tell_node(now, EventType::Normal, "Starting", "Starting kubelet.", out);
        out.now(self.message(KubeletMessage::ListRuntime));
        out.now(self.message(KubeletMessage::ReadFiles));
        out.after(API_SOURCE_WAIT, self.message(KubeletMessage::ListPods));
        self.begin_registration(now, out);
    }

    /// The first relist: what the runtime has, of whatever pods.
    pub fn runtime_listed(&mut self, now: SimTime, pods: Vec<Arc<RuntimePod>>, images: Vec<ImageStats>) {
        self.pleg.start_at(now);
        self.set_images(images);
        let found = |runtime: Arc<RuntimePod>| (runtime.key, Unclaimed { runtime, fate: Fate::Found });
        self.unclaimed = pods.into_iter().map(found).collect();
    }

    /// The pods of the node as the server has them, oldest first; the source counts as seen from now on.
    pub fn pods_listed(
        &mut self,
        now: SimTime,
        pods: Vec<Arc<Pod>>,
        node: Option<Arc<Node>>,
        out: &mut Outbox<Message>,
    ) {
        if !self.up {
            return;
        }
        self.node_object = node;
        self.sources_ready = true;
        for pod in pods {
            if static_pods::is_mirror(&pod) {
                self.mirror_changed(now, crate::api::ChangeKind::Added, pod, out);
                continue;
            }
            self.pod_changed(now, crate::api::ChangeKind::Added, pod, out);
        }
        self.add_volumes_of_ending_pods(now, out);
        if !self.checkpoints.is_empty() || self.pods.values().any(|state| state.resizing.wanted.is_some()) {
            self.push_restored(now, out);
        }
        self.want_node_report(now, out);
        if !self.unclaimed.is_empty() {
            self.want_housekeeping(now, out);
        }
    }

    /// A pod that the kubelet is told of may be one that the runtime has already.
    pub(super) fn claim(&mut self, key: PodKey, state: &mut PodState) {
        if let Some(found) = self.unclaimed.remove(&key) {
            state.volumes.found = !found.runtime.sandboxes.is_empty();
            state.runtime = found.runtime.clone();
            state.listed = found.runtime.clone();
            state.cached = found.runtime;
        }
    }

    /// The runtime's knowledge of a pod that nobody has claimed changed.
    pub(super) fn unclaimed_changed(&mut self, now: SimTime, pod: &Arc<RuntimePod>, out: &mut Outbox<Message>) {
        if let Some(found) = self.unclaimed.get_mut(&pod.key) {
            found.runtime = pod.clone();
            // The runtime answers the call to stop a container before it tells of the pod.
            self.orphan_stopped(now, pod.key, out);
        }
    }

    /// The node's images changed: its status says so at the next beat.
    pub fn images_changed(&mut self, now: SimTime, images: Vec<ImageStats>, out: &mut Outbox<Message>) {
        if self.up && self.set_images(images) {
            self.want_node_report(now, out);
        }
    }

    /// The runtime has nothing of a pod any more.
    pub fn runtime_forgot(&mut self, key: PodKey) {
        self.unclaimed.remove(&key);
    }

    /// Kills what runs of pods that no worker knows, with the shortest grace (`HandlePodCleanups`): those that nobody
    /// knows, and those that were refused when the kubelet met them again.
    pub(super) fn kill_unclaimed(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let orphans = self.unclaimed.iter_mut().filter(|(_, found)| found.fate == Fate::Found).map(|(key, found)| {
            found.fate = Fate::Doomed;
            (*key, found.runtime.clone())
        });
        let refused = |state: &PodState| state.worker.is_none() && !state.is_active() && state.runtime.anything_runs();
        let refused = self.pods.iter_mut().filter(|(_, state)| !state.doomed && refused(state)).map(|(key, state)| {
            state.doomed = true;
            (*key, state.runtime.clone())
        });
        let doomed: Vec<(PodKey, Arc<RuntimePod>)> = orphans.chain(refused).collect();
        for (key, runtime) in doomed {
            let running = runtime.containers.iter().filter(|instance| instance.state == InstanceState::Running);
            let timeout = SimDuration::from_secs(config::MINIMUM_GRACE as u64);
            for instance in running {
                let call = CriCall::StopContainer { key, container: instance.id, timeout };
                let delay = self.latency(|profile| &profile.sync_step, now, self.stream);
                self.call_runtime(delay, call, PendingCri::Orphan { key }, out);
            }
            self.orphan_stopped(now, key, out);
        }
    }

    /// A container of a pod that nobody knows may have been the last to stop.
    pub(super) fn orphan_stopped(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(found) = self.unclaimed.get_mut(&key) else { return };
        if found.fate == Fate::Doomed && !found.runtime.anything_runs() {
            found.fate = Fate::Buried;
            self.bury(now, key, out);
        }
    }

    /// A container of a pod that was refused may have been the last to stop: then its sandbox stops, too. The rest is
    /// the garbage collector's, once the pod is gone.
    pub(super) fn refused_stopped(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get_mut(&key).filter(|state| !state.runtime.anything_runs()) else { return };
        state.doomed = false;
        if let Some(sandbox) = state.runtime.ready_sandbox().map(|sandbox| sandbox.id) {
            let step = self.latency(|profile| &profile.runtime_call, now, self.stream);
            self.call_runtime(step, CriCall::StopPodSandbox { key, sandbox }, PendingCri::Nobody, out);
        }
    }

    /// Gives back what is left of a pod that nobody knows.
    fn bury(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(found) = self.unclaimed.get(&key) else { return };
        let runtime = found.runtime.clone();
        let step = self.latency(|profile| &profile.runtime_call, now, self.stream);
        let stops = runtime.sandboxes.iter().map(|sandbox| CriCall::StopPodSandbox { key, sandbox: sandbox.id });
        let removals =
            runtime.containers.iter().map(|instance| CriCall::RemoveContainer { key, container: instance.id });
        let ends = runtime.sandboxes.iter().map(|sandbox| CriCall::RemovePodSandbox { key, sandbox: sandbox.id });
        let mut delay = SimDuration::ZERO;
        for call in stops.chain(removals).chain(ends) {
            delay += step;
            self.call_runtime(delay, call, PendingCri::Nobody, out);
        }
    }
}
