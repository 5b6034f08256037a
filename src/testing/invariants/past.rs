//! What laws need to know of earlier steps.

use crate::api::{ApiObject, Container, ContainerId, ContainerState, Name, Node, Pod, PodSpec, PodStatus, Uid};
use crate::components::cri::{CriCall, CriResult, InstanceState, PodKey, RuntimePod};
use crate::components::kubelet::{BackOff, Doing, Kubelet, PodInsight, ProbeInsight, WorkerInsight};
use crate::engine::SimTime;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the API had of a pod.
#[derive(Debug, Clone)]
pub struct ApiPast {
    /// The last version.
    pub pod: Arc<Pod>,
    /// Whether it was ever said to be initialized.
    pub initialized: bool,
    /// Containers that were ever said to have started.
    pub started: BTreeSet<Name>,
    /// The process that last wrote its status.
    pub incarnation: u32,
    /// Whether it was overwritten from a backup.
    pub restored: bool,
}

/// What happened on a node.
#[derive(Debug, Clone, Default)]
pub struct NodePast {
    /// The last version.
    pub node: Option<Arc<Node>>,
    /// The version that its kubelet knew after its last step.
    pub known: Option<Arc<Node>>,
    pub incarnation: u32,
    /// When the present process was first seen; zero for the one that there was from the start.
    pub since: SimTime,
    /// Calls to the runtime that are not answered, with the pod that they are for.
    pub calls: BTreeMap<u32, (PodKey, CriCall)>,
    /// The last eviction under pressure, and whose.
    pub evicted: Option<(SimTime, PodKey)>,
    /// The kinds of pressure that its kubelet held for present, since when, and whether it still does; it may be
    /// unable to say so until they are over.
    pub pressures: BTreeMap<Name, (SimTime, bool)>,
    /// Since when conditions have the status that they have, or their kubelet knew that they have it.
    pub conditions: BTreeMap<Name, SimTime>,
}

/// What happened to a pod on its node.
#[derive(Debug, Clone, Default)]
pub struct PodPast {
    pub view: KubeletView,
    /// What its sandbox was made for.
    pub spec: Option<Arc<PodSpec>>,
    /// The status that the kubelet had last.
    pub status: Option<PodStatus>,
    /// What the runtime has.
    pub runtime: Option<Arc<RuntimePod>>,
    /// The highest number of an instance, by container.
    pub attempts: BTreeMap<Name, u32>,
    /// When the sync under way was taken.
    pub sync_taken: SimTime,
    /// When the worker began to stop everything.
    pub ending_since: Option<SimTime>,
    /// Containers that the present turn of the worker has created.
    pub created_in_turn: Vec<Name>,
    /// Containers that the present turn of the worker has removed.
    pub removed_in_turn: Vec<ContainerId>,
    /// Containers that were created in the newest sandbox.
    pub created: BTreeSet<Name>,
    /// Init containers that ended well, and sidecars that started, in the newest sandbox.
    pub through: BTreeSet<Name>,
    /// Containers whose startup probe has succeeded, or that were found started.
    pub started_up: BTreeSet<Name>,
    /// Images that could not be had.
    pub failed_images: BTreeSet<Name>,
    /// The specs that it was allocated.
    pub allocated: Vec<Arc<PodSpec>>,
}

/// What a kubelet has of a pod, as far as laws compare it from step to step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KubeletView {
    pub incarnation: u32,
    pub worker: Option<WorkerInsight>,
    pub version: u64,
    pub written: u64,
    pub probes: Vec<ProbeInsight>,
    pub back_offs: Vec<(Name, BackOff)>,
    pub may_be_mounted: bool,
}

impl KubeletView {
    pub fn of(now: SimTime, kubelet: &Kubelet, insight: &PodInsight<'_>) -> Self {
        let spec = &insight.pod().spec;
        let (version, written) = insight.status().map_or((0, 0), |(_, version, written)| (version, written));
        let back_off = |container: &Container| Some((container.name, insight.crash_back_off(container)?));
        Self {
            incarnation: kubelet.incarnation(),
            worker: insight.worker(),
            version,
            written,
            probes: insight.probes().collect(),
            back_offs: spec.all_containers().filter_map(back_off).collect(),
            may_be_mounted: insight.may_be_mounted(now),
        }
    }
}

impl ApiPast {
    pub fn new(pod: Arc<Pod>) -> Self {
        Self { pod, initialized: false, started: BTreeSet::new(), incarnation: 0, restored: false }
    }

    pub fn note(&mut self, pod: Arc<Pod>, incarnation: Option<u32>) {
        self.initialized |= pod.status.is_true(*crate::api::INITIALIZED);
        let started = pod.status.all_containers().filter(|container| container.started == Some(true));
        self.started.extend(started.map(|container| container.name));
        self.incarnation = incarnation.unwrap_or(self.incarnation);
        self.pod = pod;
    }

    pub fn uid(&self) -> Uid {
        self.pod.meta().uid
    }
}

impl NodePast {
    /// Notes whether another process is running now; what the last one waited for is nobody's business any more.
    pub fn process(&mut self, now: SimTime, kubelet: &Kubelet) {
        let is_dead = kubelet.incarnation() > 0 && !kubelet.is_up();
        if self.incarnation != kubelet.incarnation() || is_dead {
            self.incarnation = kubelet.incarnation();
            self.since = now;
            self.calls.clear();
            self.pressures.clear();
        }
    }

    /// Notes what pressure a kubelet has seen.
    pub fn pressed(&mut self, now: SimTime, kubelet: &Kubelet) {
        for (kind, present) in kubelet.pressures_held() {
            let known = self.pressures.entry(kind).or_insert((now, false));
            *known = (if present && !known.1 { now } else { known.0 }, present);
        }
    }
}

impl PodPast {
    /// A call is made.
    pub fn called(&mut self, call: &CriCall) {
        match call {
            CriCall::RunPodSandbox { pod, .. } => {
                self.spec = Some(pod.spec.clone());
                self.created.clear();
                self.through.clear();
            }
            CriCall::CreateContainer { config, .. } => {
                self.created_in_turn.push(config.name);
                self.created.insert(config.name);
            }
            CriCall::RemoveContainer { container, .. } => self.removed_in_turn.push(*container),
            _ => {}
        }
    }

    /// A call is answered.
    pub fn answered(&mut self, call: &CriCall, result: &CriResult) {
        if let (CriCall::PullImage { image, .. }, Err(_)) = (call, result) {
            self.failed_images.insert(*image);
        }
    }

    /// The runtime has something new.
    pub fn runtime_changed(&mut self, runtime: &Arc<RuntimePod>) {
        let spec = self.spec.clone();
        let newest = runtime.sandboxes.first().map(|sandbox| sandbox.id);
        for instance in &runtime.containers {
            let highest = self.attempts.entry(instance.name).or_default();
            *highest = (*highest).max(instance.attempt);
            let container =
                spec.as_ref().and_then(|spec| spec.init_containers.iter().find(|one| one.name == instance.name));
            let (Some(container), true) = (container, newest == Some(instance.sandbox)) else { continue };
            let through = match instance.state {
                InstanceState::Created | InstanceState::Unknown => false,
                InstanceState::Running => container.is_sidecar(),
                InstanceState::Exited if container.is_sidecar() => instance.started_at > SimTime::ZERO,
                InstanceState::Exited => instance.exit_code == 0,
            };
            if through {
                self.through.insert(instance.name);
            }
        }
        self.runtime = Some(runtime.clone());
    }

    /// The runtime has lost what it had.
    pub fn runtime_forgot(&mut self) {
        self.runtime = None;
        self.created.clear();
        self.through.clear();
    }

    /// The kubelet has something new.
    pub fn moved(&mut self, now: SimTime, after: KubeletView, insight: &PodInsight<'_>) {
        let (was, is) = (self.view.worker, after.worker);
        if was.map(|worker| worker.turn) != is.map(|worker| worker.turn) {
            self.created_in_turn.clear();
            self.removed_in_turn.clear();
        }
        let doing = |worker: Option<WorkerInsight>| worker.map_or(Doing::Nothing, |worker| worker.doing);
        let takes_sync = |doing: Doing| matches!(doing, Doing::AwaitingSync | Doing::Syncing);
        if takes_sync(doing(is)) && !takes_sync(doing(was)) {
            self.sync_taken = now;
        }
        if doing(is) == Doing::Terminating && doing(was) != Doing::Terminating {
            self.ending_since = Some(now);
        }
        if after.incarnation != self.view.incarnation {
            self.failed_images.clear();
            self.ending_since = None;
        }
        if after.version != self.view.version || after.incarnation != self.view.incarnation {
            self.status = insight.status().map(|(status, _, _)| status.clone());
            let status = self.status.as_ref();
            for container in status.into_iter().flat_map(PodStatus::all_containers) {
                if container.started == Some(true) {
                    self.started_up.insert(container.name);
                }
                if let ContainerState::Waiting { reason, .. } = &container.state
                    && (*reason == "ErrImagePull" || *reason == "RegistryUnavailable")
                    && let Some(one) = insight.pod().spec.container(container.name)
                {
                    self.failed_images.insert(one.image);
                }
            }
        }
        let spec = &insight.pod().spec;
        if self.allocated.last().is_none_or(|last| !Arc::ptr_eq(last, spec)) {
            self.allocated.push(spec.clone());
        }
        self.view = after;
    }
}
