//! A kubelet looked at from outside: what tests and invariants may know of its pods, and cannot change.

use super::container_start::back_off_key;
use super::pod_worker::{Activity, Assignment};
use super::probe::WorkerState;
use super::{BackOff, Kubelet, KubeletConfig, PodState};
use crate::api::{
    Container, ContainerId, DISK_PRESSURE, MEMORY_PRESSURE, Name, Node, PID_PRESSURE, Pod, PodStatus, ProbeKind,
    WallClock,
};
use crate::components::cri::{PodKey, RuntimePod};
use crate::components::kubelet::Verdict;
use crate::engine::SimTime;
use std::sync::Arc;

/// What a kubelet has of a pod.
#[derive(Debug, Clone, Copy)]
pub struct PodInsight<'a> {
    key: PodKey,
    state: &'a PodState,
    kubelet: &'a Kubelet,
}

/// Where a pod's worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerInsight {
    /// When termination was asked for.
    pub terminating_at: Option<SimTime>,
    /// When every container had stopped.
    pub terminated_at: Option<SimTime>,
    /// Whether everything that the pod had on the node is given back.
    pub finished: bool,
    /// Whether it was evicted.
    pub evicted: bool,
    /// The grace that the worker grants, in seconds; zero before there is one.
    pub grace: i64,
    /// What it is doing.
    pub doing: Doing,
    /// Counts what it does.
    pub turn: u32,
    /// When it last ended a turn.
    pub last_ended: Option<SimTime>,
    /// When the work queue has it looked at again.
    pub requeued_for: Option<SimTime>,
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Nothing, or about to look what there is to do.
    Nothing,
    /// It has taken a sync, and waits until the runtime was looked at.
    AwaitingSync,
    /// It has taken the pod's end, and waits until the runtime was looked at.
    AwaitingEnd,
    /// It brings the pod nearer to what its spec says.
    Syncing,
    /// It stops every container.
    Terminating,
    /// It gives back what the pod had.
    CleaningUp,
}

/// Where a probe worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeInsight {
    /// The container.
    pub container: Name,
    /// The kind of probe.
    pub kind: ProbeKind,
    /// The instance that was asked last.
    pub instance: ContainerId,
    /// The last answer.
    pub last: Verdict,
    /// How often in a row it came.
    pub run_length: u32,
    /// Whether it waits for another instance.
    pub on_hold: bool,
    /// Since when it is asking, if it is.
    pub asking_since: Option<SimTime>,
}

impl Kubelet {
    /// How often the process has died.
    pub const fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Its settings.
    pub fn config(&self) -> &KubeletConfig {
        &self.config
    }

    /// The clock of its machine.
    pub const fn clock(&self) -> WallClock {
        self.clock
    }

    /// Its node, as it was told of it last.
    pub const fn node(&self) -> Option<&Arc<Node>> {
        self.node_object.as_ref()
    }

    /// The kinds of pressure, by the conditions that tell of them, and whether it holds them for present.
    pub fn pressures_held(&self) -> [(Name, bool); 3] {
        let held = self.reporter.pressures;
        [(*MEMORY_PRESSURE, held.memory), (*DISK_PRESSURE, held.disk), (*PID_PRESSURE, held.pid)]
    }

    /// What it has of a pod.
    pub fn pod(&self, key: PodKey) -> Option<PodInsight<'_>> {
        self.pods.get(&key).map(|state| PodInsight { key, state, kubelet: self })
    }

    /// What it has of each pod.
    pub fn pods(&self) -> impl Iterator<Item = PodInsight<'_>> {
        self.pods.iter().map(|(key, state)| PodInsight { key: *key, state, kubelet: self })
    }
}

impl<'a> PodInsight<'a> {
    /// The pod's key.
    pub const fn key(&self) -> PodKey {
        self.key
    }

    /// Whether its source still names the pod.
    pub const fn is_configured(&self) -> bool {
        self.state.configured
    }

    /// The newest version that the kubelet was told of, with the resources that it is allocated.
    pub const fn pod(&self) -> &'a Arc<Pod> {
        &self.state.pod
    }

    /// What workers know of the runtime.
    pub const fn cached(&self) -> &'a Arc<RuntimePod> {
        &self.state.cached
    }

    /// When the runtime was last looked at.
    pub fn observed_at(&self, now: SimTime) -> Option<SimTime> {
        self.state.observed_at.max(self.kubelet.pleg.relisted_at(now))
    }

    /// The newest status, its version, and the version that is in the API.
    pub fn status(&self) -> Option<(&'a PodStatus, u64, u64)> {
        self.state.status.as_ref().map(|tracked| tracked.look())
    }

    /// The pod's worker, once it has one.
    pub fn worker(&self) -> Option<WorkerInsight> {
        let worker = self.state.worker.as_ref()?;
        let doing = match &worker.activity {
            Activity::Idle | Activity::Waking => Doing::Nothing,
            Activity::AwaitingRelist(Assignment::Sync(_)) => Doing::AwaitingSync,
            Activity::AwaitingRelist(Assignment::Terminate | Assignment::CleanUp { .. }) => Doing::AwaitingEnd,
            Activity::Syncing(_) => Doing::Syncing,
            Activity::Terminating(_) => Doing::Terminating,
            Activity::CleaningUp { .. } => Doing::CleaningUp,
        };
        Some(WorkerInsight {
            terminating_at: worker.terminating_at,
            terminated_at: worker.terminated_at,
            finished: worker.finished,
            evicted: worker.evicted,
            grace: worker.grace,
            doing,
            turn: worker.turn,
            last_ended: worker.last_ended(),
            requeued_for: worker.requeued_for(),
        })
    }

    /// The pod's probe workers that have not stopped.
    pub fn probes(&self) -> impl Iterator<Item = ProbeInsight> + 'a {
        let workers = self.state.probes.workers().iter().filter(|worker| worker.state != WorkerState::Stopped);
        workers.map(|worker| ProbeInsight {
            container: worker.container,
            kind: worker.kind,
            instance: worker.instance,
            last: worker.last,
            run_length: worker.run_length,
            on_hold: worker.on_hold,
            asking_since: match worker.state {
                WorkerState::Asking { since, .. } => Some(since),
                WorkerState::Starting | WorkerState::Idle | WorkerState::Asleep | WorkerState::Stopped => None,
            },
        })
    }

    /// The verdict that stands for an instance.
    pub fn verdict(&self, id: ContainerId, kind: ProbeKind) -> Option<Verdict> {
        self.state.probes.verdict(id, kind)
    }

    /// The back-off of a container that keeps crashing.
    pub fn crash_back_off(&self, container: &Container) -> Option<BackOff> {
        let key = back_off_key(container);
        self.state.crash_back_off.iter().find(|(have, _)| *have == key).map(|(_, back_off)| *back_off)
    }

    /// Whether anything of the pod may still be mounted.
    pub fn may_be_mounted(&self, now: SimTime) -> bool {
        self.state.volumes.may_be_mounted(now)
    }

    /// Whether resources are wanted that are not allocated.
    pub fn wants_resize(&self) -> bool {
        self.state.resizing.wanted.is_some()
    }

    /// Whether a container runs with other resources than it is allocated, or an answer to that is still awaited.
    pub fn is_resizing(&self) -> bool {
        self.state.resizing.in_progress.is_some()
    }
}
