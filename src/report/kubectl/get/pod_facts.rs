//! What the line of a pod is made of, taken from an object as the API shows it or from a running cluster.

use crate::api::{ContainerState, ContainerStatus, INITIALIZED, POD_SCHEDULED, Pod};
use crate::report::kubectl::fields::{Fields, condition};
use jiff::Timestamp;
use serde_json::Value;

/// A pod.
pub struct PodFacts<'p> {
    pub phase: &'p str,
    pub reason: &'p str,
    pub terminating: bool,
    pub gated: bool,
    pub initialized: bool,
    pub ready: bool,
    pub containers: usize,
    pub init_containers: usize,
    pub sidecars: usize,
    pub statuses: Vec<ContainerFacts<'p>>,
    pub init_statuses: Vec<ContainerFacts<'p>>,
}

/// A container of it.
pub struct ContainerFacts<'p> {
    pub sidecar: bool,
    pub ready: bool,
    pub started: bool,
    pub restarts: i64,
    pub last_finished: Option<Timestamp>,
    pub state: StateFacts<'p>,
}

/// What the container is doing.
pub enum StateFacts<'p> {
    /// Also if nothing is said.
    Waiting(&'p str),
    Running,
    Terminated {
        reason: &'p str,
        exit_code: i64,
        signal: i64,
    },
}

const SCHEDULING_GATED: &str = "SchedulingGated";

impl<'p> PodFacts<'p> {
    /// Of an object as the API shows it.
    pub fn of(pod: &'p Value) -> Self {
        let is = |kind: &str| condition(pod, kind).is_some_and(|c| c.text("status") == "True");
        let gated = |c: &Value| c.text("type") == &**POD_SCHEDULED && c.text("reason") == SCHEDULING_GATED;
        let specs = pod.list("spec.initContainers");
        let facts = |container| ContainerFacts::of(container, specs);
        Self {
            phase: pod.text("status.phase"),
            reason: pod.text("status.reason"),
            terminating: pod.has("metadata.deletionTimestamp"),
            gated: pod.list("status.conditions").iter().any(gated),
            initialized: is(&INITIALIZED),
            ready: is("Ready"),
            containers: pod.list("spec.containers").len(),
            init_containers: specs.len(),
            sidecars: specs.iter().filter(|c| is_sidecar(c)).count(),
            statuses: pod.list("status.containerStatuses").iter().map(facts).collect(),
            init_statuses: pod.list("status.initContainerStatuses").iter().map(facts).collect(),
        }
    }

    /// Of a running cluster.
    pub fn of_pod(pod: &'p Pod) -> Self {
        let (spec, status) = (&pod.spec, &*pod.status);
        let is_sidecar = |name| spec.init_containers.iter().any(|c| c.name == name && c.is_sidecar());
        let facts = |container: &'p ContainerStatus| ContainerFacts::of_status(container, is_sidecar(container.name));
        Self {
            phase: status.phase.into(),
            reason: status.reason.as_str(),
            terminating: pod.meta.is_terminating(),
            gated: status.condition(*POD_SCHEDULED).is_some_and(|c| c.reason == SCHEDULING_GATED),
            initialized: status.is_true(*INITIALIZED),
            ready: status.is_ready(),
            containers: spec.containers.len(),
            init_containers: spec.init_containers.len(),
            sidecars: spec.init_containers.iter().filter(|c| c.is_sidecar()).count(),
            statuses: status.containers.iter().map(facts).collect(),
            init_statuses: status.init_containers.iter().map(facts).collect(),
        }
    }

    /// What is said of the pod itself, before any container has a say.
    pub fn status(&self) -> &'p str {
        match (self.gated, self.reason) {
            (true, _) => SCHEDULING_GATED,
            (false, "") => self.phase,
            (false, reason) => reason,
        }
    }
}

impl<'p> ContainerFacts<'p> {
    fn of(container: &'p Value, init: &[Value]) -> Self {
        let terminated = container.at("state.terminated");
        let waiting = container.text("state.waiting.reason");
        let state = if !terminated.is_null() && waiting.is_empty() {
            StateFacts::Terminated {
                reason: terminated.text("reason"),
                exit_code: terminated.int("exitCode"),
                signal: terminated.int("signal"),
            }
        } else if waiting.is_empty() && container.has("state.running") {
            StateFacts::Running
        } else {
            StateFacts::Waiting(waiting)
        };
        Self {
            sidecar: init.iter().any(|spec| spec["name"] == container["name"] && is_sidecar(spec)),
            ready: container.flag("ready"),
            started: container.flag("started"),
            restarts: container.int("restartCount"),
            last_finished: container.time("lastState.terminated.finishedAt"),
            state,
        }
    }

    fn of_status(container: &'p ContainerStatus, sidecar: bool) -> Self {
        Self {
            sidecar,
            ready: container.ready,
            started: container.started == Some(true),
            restarts: i64::from(container.restart_count),
            last_finished: container.last_state.as_ref().and_then(|end| stamp(end.finished_at?)),
            state: match &container.state {
                ContainerState::Waiting { reason, .. } => StateFacts::Waiting(reason.as_str()),
                ContainerState::Running { .. } => StateFacts::Running,
                ContainerState::Terminated(end) => StateFacts::Terminated {
                    reason: end.reason.as_str(),
                    exit_code: i64::from(end.exit_code),
                    signal: i64::from(end.signal),
                },
            },
        }
    }
}

impl StateFacts<'_> {
    /// How it ended.
    pub fn termination(&self) -> String {
        match self {
            Self::Terminated { reason: "", signal: 0, exit_code } => format!("ExitCode:{exit_code}"),
            Self::Terminated { reason: "", signal, .. } => format!("Signal:{signal}"),
            Self::Terminated { reason, .. } => (*reason).to_owned(),
            Self::Waiting(_) | Self::Running => String::new(),
        }
    }
}

/// An instant as libraries know it.
pub fn stamp(stamp: crate::api::Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(stamp.unix_secs()).ok()
}

/// An init container that is restarted for as long as the pod lives.
pub fn is_sidecar(container: &Value) -> bool {
    container.text("restartPolicy") == "Always"
}
