//! What is known of a pod: phase, conditions and the states of its containers, which are three different things.

use crate::api::names;
use crate::api::{List, Name, ResourceList, Text, Timestamp};
use serde::Serialize;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

names! {
    POD_SCHEDULED = "PodScheduled";
    POD_READY_TO_START_CONTAINERS = "PodReadyToStartContainers";
    INITIALIZED = "Initialized";
    CONTAINERS_READY = "ContainersReady";
    READY = "Ready";
    DISRUPTION_TARGET = "DisruptionTarget";
    ALL_CONTAINERS_RESTARTING = "AllContainersRestarting";
    POD_RESIZE_PENDING = "PodResizePending";
    POD_RESIZE_IN_PROGRESS = "PodResizeInProgress";
}

/// `v1.PodStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PodStatus {
    /// Where the pod is in its life.
    pub phase: PodPhase,
    /// Why it failed, if the whole pod did.
    pub reason: Name,
    /// The same for people.
    pub message: Text,
    /// The conditions, in the order in which they were first written.
    pub conditions: Vec<Condition>,
    /// Init containers and sidecars, in spec order.
    pub init_containers: Vec<ContainerStatus>,
    /// Regular containers, by name.
    pub containers: Vec<ContainerStatus>,
    /// Ephemeral containers, by name.
    pub ephemeral_containers: Vec<ContainerStatus>,
    /// The pod's address.
    pub pod_ip: Option<Ipv4Addr>,
    /// The node's address.
    pub host_ip: Option<Ipv4Addr>,
    /// When the kubelet first saw it.
    pub start_time: Option<Timestamp>,
    /// Fixed at creation.
    pub qos_class: QosClass,
    /// The node on which room is being made for it.
    pub nominated_node_name: Name,
    /// The generation that the kubelet had seen.
    pub observed_generation: i64,
    /// What the kubelet allocated to the pod as a whole, if it asks for anything.
    pub allocated_resources: Option<ResourceList>,
    /// Requests and limits of the pod as a whole that are in force.
    pub resources: Option<(ResourceList, ResourceList)>,
    /// The claims that were made for it, by their names in the pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_claims: Vec<(Name, Name)>,
}

/// The statuses of pods of which nothing is known yet but their class: most manifests are of such.
static UNKNOWN: LazyLock<[Arc<PodStatus>; 3]> = LazyLock::new(|| {
    [QosClass::Guaranteed, QosClass::Burstable, QosClass::BestEffort]
        .map(|qos_class| Arc::new(PodStatus { qos_class, ..PodStatus::default() }))
});

impl PodStatus {
    /// Puts a status where it can be shared; one that says nothing is shared by all that say nothing.
    pub fn shared(self) -> Arc<Self> {
        UNKNOWN.iter().find(|unknown| ***unknown == self).cloned().unwrap_or_else(|| Arc::new(self))
    }

    /// Whether conditions of a type are written by kubelets alone (`PodConditionByKubelet`).
    pub fn is_kubelets(kind: Name) -> bool {
        kind == *POD_SCHEDULED
            || kind == *READY
            || kind == *INITIALIZED
            || kind == *CONTAINERS_READY
            || kind == *POD_READY_TO_START_CONTAINERS
            || kind == *POD_RESIZE_PENDING
            || kind == *POD_RESIZE_IN_PROGRESS
            || kind == *ALL_CONTAINERS_RESTARTING
    }

    /// What is stored once a kubelet has patched it with what it made of an earlier version: what others have said of
    /// the pod stands. None if that is what it wrote.
    pub fn patched(&self, written: &Self) -> Option<Self> {
        let is_theirs = |c: &&Condition| !Self::is_kubelets(c.kind) && c.kind != *DISRUPTION_TARGET;
        let theirs = self.conditions.iter().filter(is_theirs);
        let (before, after) = (self.condition(*DISRUPTION_TARGET), written.condition(*DISRUPTION_TARGET));
        let same = theirs.clone().eq(written.conditions.iter().filter(is_theirs));
        if same && (before.is_none() || after.is_some()) {
            return None;
        }
        let own = written.conditions.iter().filter(|condition| Self::is_kubelets(condition.kind));
        Some(written.with_conditions(theirs.chain(after.or(before)).chain(own).cloned().collect()))
    }

    /// A condition by type.
    pub fn condition(&self, kind: Name) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Whether a condition is True.
    pub fn is_true(&self, kind: Name) -> bool {
        self.condition(kind).is_some_and(|condition| condition.status == ConditionStatus::True)
    }

    /// Whether the Ready condition is True.
    pub fn is_ready(&self) -> bool {
        self.is_true(*READY)
    }

    /// Sets a condition; its transition time moves only when its status does.
    pub fn set_condition(&mut self, condition: Condition) {
        set_condition(&mut self.conditions, condition);
    }

    /// The same but for its conditions.
    #[must_use]
    pub fn with_conditions(&self, conditions: Vec<Condition>) -> Self {
        Self {
            phase: self.phase,
            reason: self.reason,
            message: self.message.clone(),
            conditions,
            init_containers: self.init_containers.clone(),
            containers: self.containers.clone(),
            ephemeral_containers: self.ephemeral_containers.clone(),
            pod_ip: self.pod_ip,
            host_ip: self.host_ip,
            start_time: self.start_time,
            qos_class: self.qos_class,
            nominated_node_name: self.nominated_node_name,
            observed_generation: self.observed_generation,
            allocated_resources: self.allocated_resources.clone(),
            resources: self.resources.clone(),
            resource_claims: self.resource_claims.clone(),
        }
    }

    /// Whether another one differs in conditions at most.
    pub fn same_but_conditions(&self, other: &Self) -> bool {
        let Self {
            phase,
            reason,
            message,
            conditions: _,
            init_containers,
            containers,
            ephemeral_containers,
            pod_ip,
            host_ip,
            start_time,
            qos_class,
            nominated_node_name,
            observed_generation,
            allocated_resources,
            resources,
            resource_claims,
        } = self;
        *phase == other.phase
            && *reason == other.reason
            && *message == other.message
            && *init_containers == other.init_containers
            && *containers == other.containers
            && *ephemeral_containers == other.ephemeral_containers
            && *pod_ip == other.pod_ip
            && *host_ip == other.host_ip
            && *start_time == other.start_time
            && *qos_class == other.qos_class
            && *nominated_node_name == other.nominated_node_name
            && *observed_generation == other.observed_generation
            && *allocated_resources == other.allocated_resources
            && *resources == other.resources
            && *resource_claims == other.resource_claims
    }

    /// The statuses of all containers: init, regular, ephemeral.
    pub fn all_containers(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.init_containers.iter().chain(&self.containers).chain(&self.ephemeral_containers)
    }
}

/// `v1.PodPhase`. No component of 1.36 writes `Unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, strum::IntoStaticStr)]
pub enum PodPhase {
    /// Not everything that must run first has run.
    #[default]
    Pending,
    /// Something runs or is about to run again.
    Running,
    /// Every container ended well; for ever.
    Succeeded,
    /// Some container did not; for ever.
    Failed,
    /// Only in objects from elsewhere.
    Unknown,
}

impl PodPhase {
    /// Whether the phase never changes again.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

impl fmt::Display for PodPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// `v1.PodQOSClass`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub enum QosClass {
    /// Every container has limits, and its requests equal them.
    Guaranteed,
    /// Something is requested.
    Burstable,
    /// Nothing is requested.
    #[default]
    BestEffort,
}

impl fmt::Display for QosClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A condition of a pod, a node or a workload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Condition {
    /// What it is about.
    pub kind: Name,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: Name,
    /// Why, for people.
    pub message: Text,
    /// When the status last changed.
    pub last_transition_time: Timestamp,
    /// When it was last confirmed (nodes: heartbeat; Deployments: update; Jobs: probe).
    pub last_update_time: Option<Timestamp>,
    /// The generation of the pod that it was written for; zero if not stated.
    pub observed_generation: i64,
}

impl Condition {
    /// A condition that changed now.
    pub fn new(kind: Name, status: ConditionStatus, now: Timestamp) -> Self {
        Self {
            kind,
            status,
            reason: Name::default(),
            message: Text::default(),
            last_transition_time: now,
            last_update_time: None,
            observed_generation: 0,
        }
    }

    /// The same with a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Name>, message: impl Into<Text>) -> Self {
        self.reason = reason.into();
        self.message = message.into();
        self
    }
}

/// Sets one condition of a list; its transition time moves only when its status does.
pub fn set_condition(conditions: &mut Vec<Condition>, mut condition: Condition) {
    match conditions.iter_mut().find(|have| have.kind == condition.kind) {
        Some(have) => {
            if have.status == condition.status {
                condition.last_transition_time = have.last_transition_time;
            }
            *have = condition;
        }
        None => conditions.push(condition),
    }
}

/// `v1.ConditionStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody can tell.
    Unknown,
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// `v1.ContainerStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct ContainerStatus {
    /// The container.
    pub name: Name,
    /// What it is doing.
    pub state: ContainerState,
    /// How its previous instance ended.
    pub last_state: Option<Terminated>,
    /// Whether it counts for the pod's readiness.
    pub ready: bool,
    /// Whether its startup is over; absent for ephemeral containers.
    pub started: Option<bool>,
    /// How often it was started again.
    pub restart_count: u32,
    /// The image, as the runtime names it once it runs.
    pub image: Name,
    /// The image's identity, once it runs.
    pub image_id: Name,
    /// The instance, once there is one.
    pub container_id: ContainerId,
    /// What the kubelet allocated for it.
    pub allocated_resources: Option<ResourceList>,
    /// Requests and limits in force.
    pub resources: Option<(ResourceList, ResourceList)>,
}

/// The identity of a container instance or a sandbox; printed as the runtime's hexadecimal name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct ContainerId(u64);

impl ContainerId {
    /// No instance yet.
    pub const NONE: Self = Self(0);

    /// An identity by its bits, which must not be zero.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether there is no instance.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for ContainerId {
    /// 64 hexadecimal digits, as runtimes print them; the first 16 are the identity.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bits = self.0;
        for _ in 0..4 {
            write!(f, "{bits:016x}")?;
            bits = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        }
        Ok(())
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0 >> 32)
    }
}

/// What `kubectl describe pod` shows under "State".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub enum ContainerState {
    /// Not running, and meant to.
    Waiting {
        /// Why, in one word; may be empty.
        reason: Name,
        /// Why, for people.
        message: Text,
    },
    /// Running.
    Running {
        /// Since when.
        started_at: Timestamp,
    },
    /// Ended.
    Terminated(Terminated),
}

impl ContainerState {
    /// Whether it runs.
    pub const fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// How it ended, if it did.
    pub const fn terminated(&self) -> Option<&Terminated> {
        match self {
            Self::Terminated(end) => Some(end),
            Self::Waiting { .. } | Self::Running { .. } => None,
        }
    }

    /// Why it waits, if it does.
    pub const fn waiting_reason(&self) -> Option<Name> {
        match self {
            Self::Waiting { reason, .. } => Some(*reason),
            Self::Running { .. } | Self::Terminated(_) => None,
        }
    }
}

impl Default for ContainerState {
    fn default() -> Self {
        Self::Waiting { reason: Name::default(), message: Text::default() }
    }
}

/// `v1.ContainerStateTerminated`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Terminated {
    /// What the process returned, or 128 plus the signal.
    pub exit_code: i32,
    /// The signal, where the runtime tells.
    pub signal: i32,
    /// Such as `Completed`, `Error`, `OOMKilled`.
    pub reason: Name,
    /// The termination message.
    pub message: Text,
    /// When the process began; `None` where nobody knows.
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` where nobody knows.
    pub finished_at: Option<Timestamp>,
    /// The instance.
    pub container_id: ContainerId,
}

/// A list of nothing, to borrow where a pod has no ephemeral containers.
pub const NO_STATUSES: List<ContainerStatus> = List::EMPTY;
