//! The status that a kubelet reports for a pod: container states, phase and conditions, from what the runtime says.
//!
//! Follows `pkg/kubelet/kubelet_pods.go` (`generateAPIPodStatus`, `getPhase`, `convertToAPIContainerStatuses`),
//! `pkg/kubelet/status/generate.go` and `pkg/kubelet/status/status_manager.go` (`mergePodStatus`) of Kubernetes 1.36.

use super::actions::{
    any_regular_created, may_restart_all, restarts_after, restarts_all, sandbox_changed, should_restart,
};
use super::probe::{KnownBefore, PodProbes};
use super::resize::Resizing;
use crate::api::names;
use crate::api::{
    ALL_CONTAINERS_RESTARTING, CONTAINERS_READY, Condition, ConditionStatus, Container, ContainerState,
    ContainerStatus, DISRUPTION_TARGET, INITIALIZED, Name, POD_READY_TO_START_CONTAINERS, POD_SCHEDULED, Pod, PodPhase,
    PodSpec, PodStatus, READY, Terminated, Text, Timestamp, WallClock, WallTime, requests,
};
use crate::components::cri::{InstanceState, InstanceStatus, RuntimePod};
use crate::engine::SimTime;
use crate::planted::{self, Bug};
use std::net::Ipv4Addr;

names! {
    CONTAINER_CREATING = "ContainerCreating";
    POD_INITIALIZING = "PodInitializing";
    COMPLETED = "Completed";
    CONTAINER_STATUS_UNKNOWN = "ContainerStatusUnknown";
    RESTARTING_ALL_CONTAINERS = "RestartingAllContainers";
    POD_COMPLETED = "PodCompleted";
    POD_FAILED = "PodFailed";
    CONTAINERS_NOT_READY = "ContainersNotReady";
    CONTAINERS_NOT_INITIALIZED = "ContainersNotInitialized";
    READINESS_GATES_NOT_READY = "ReadinessGatesNotReady";
    DEADLINE_EXCEEDED = "DeadlineExceeded";
}

/// Why a container could not be started the last time (`pkg/kubelet/reason_cache.go`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError {
    /// The container.
    pub container: Name,
    /// The error's name; becomes the waiting reason.
    pub reason: Name,
    /// What went wrong.
    pub message: Text,
}

/// What a status is generated from.
pub struct StatusInput<'a> {
    /// The pod as configured.
    pub pod: &'a Pod,
    /// What the runtime said last.
    pub runtime: &'a RuntimePod,
    /// What the pod's resources have come to.
    pub(super) resizing: &'a Resizing,
    /// The status before.
    pub old: &'a PodStatus,
    /// Why containers could not be started.
    pub start_errors: &'a [StartError],
    /// What probes found.
    pub probes: &'a PodProbes,
    /// Whether every container has stopped for good.
    pub terminal: bool,
    /// Whether the pod was active for longer than it may.
    pub deadline_exceeded: bool,
    /// The node's address.
    pub host_ip: Ipv4Addr,
    /// The node's clock.
    pub clock: WallClock,
    /// Containers that started before this were found by the kubelet when it started.
    pub found_before: WallTime,
    /// When.
    pub now: SimTime,
}

impl StatusInput<'_> {
    /// Generates the status.
    pub fn generate(&self) -> PodStatus {
        let (pod, spec) = (self.pod, &*self.pod.spec);
        let mut status = PodStatus {
            init_containers: self.containers(&spec.init_containers, &self.old.init_containers, Group::Init),
            containers: self.containers(&spec.containers, &self.old.containers, Group::Regular),
            ephemeral_containers: self.containers(
                &spec.ephemeral_containers,
                &self.old.ephemeral_containers,
                Group::Ephemeral,
            ),
            qos_class: pod.status.qos_class,
            start_time: self.old.start_time,
            nominated_node_name: pod.status.nominated_node_name,
            observed_generation: pod.meta.generation,
            resource_claims: pod.status.resource_claims.clone(),
            ..PodStatus::default()
        };
        self.show_restart_in_place(&mut status);
        let in_sandbox = self.regular_in_current_sandbox();
        status.phase = phase(spec, &status, in_sandbox, self.terminal);
        self.keep_terminal_phase(&mut status);
        if self.deadline_exceeded {
            status.phase = PodPhase::Failed;
            status.reason = *DEADLINE_EXCEEDED;
            status.message = Text::from("Pod was active on the node longer than the specified deadline");
        }
        if pod.is_terminal() {
            status.phase = pod.status.phase;
        }
        let before =
            KnownBefore { status: self.old, pod_ready: pod.status.is_ready(), found_before: self.found_before };
        self.probes.mark(spec, before, &mut status);
        status.conditions = self.conditions(&status);
        self.addresses(&mut status);
        let allocated = requests::requests(spec);
        status.allocated_resources = (!allocated.is_empty()).then_some(allocated);
        status.resources = Some(self.resizing.of_pod(pod, self.old));
        status
    }

    /// Once terminal, always terminal; and the phase keeps its reason as long as it stays.
    fn keep_terminal_phase(&self, status: &mut PodStatus) {
        if !status.phase.is_terminal() {
            if self.old.phase.is_terminal() {
                status.phase = self.old.phase;
            } else if self.pod.is_terminal() {
                status.phase = self.pod.status.phase;
            }
        }
        if status.phase == self.old.phase {
            let api = &self.pod.status;
            status.reason = if self.old.reason.is_empty() { api.reason } else { self.old.reason };
            status.message = if self.old.message.is_empty() { api.message.clone() } else { self.old.message.clone() };
        }
    }

    fn addresses(&self, status: &mut PodStatus) {
        status.host_ip = Some(self.host_ip);
        let sandbox = self.runtime.sandboxes.iter().find(|sandbox| sandbox.ready).or(self.runtime.sandboxes.first());
        status.pod_ip = if self.pod.spec.host_network {
            Some(self.host_ip)
        } else {
            sandbox.and_then(|sandbox| sandbox.ip).or(self.old.pod_ip)
        };
    }

    fn regular_in_current_sandbox(&self) -> bool {
        let Some(sandbox) = self.runtime.sandboxes.first() else { return false };
        self.pod
            .spec
            .containers
            .iter()
            .any(|container| self.runtime.instances(container.name).any(|instance| instance.sandbox == sandbox.id))
    }

    /// The statuses of one group of containers.
    fn containers(&self, containers: &[Container], old: &[ContainerStatus], group: Group) -> Vec<ContainerStatus> {
        let mut statuses: Vec<ContainerStatus> = containers
            .iter()
            .map(|container| {
                let before = old.iter().find(|status| status.name == container.name);
                let mut status = self.container(container, before, group);
                self.show_start_error(container, group, &mut status);
                if group != Group::Ephemeral {
                    self.show_resources(container, &mut status);
                }
                status
            })
            .collect();
        if group != Group::Init {
            statuses.sort_by_key(|status| status.name);
        }
        statuses
    }

    fn container(&self, container: &Container, before: Option<&ContainerStatus>, group: Group) -> ContainerStatus {
        let mut instances = self.runtime.instances(container.name);
        let Some(newest) = instances.next() else { return self.missing_container(container, before, group) };
        let mut status = self.instance(newest, before);
        status.last_state = match instances.next() {
            Some(older) => self.instance(older, before).state.terminated().cloned(),
            None => before.and_then(|before| match &before.state {
                ContainerState::Terminated(end) if before.container_id != status.container_id => Some(end.clone()),
                _ => before.last_state.clone(),
            }),
        };
        status
    }

    /// The status of a container by its newest instance.
    fn instance(&self, instance: &InstanceStatus, before: Option<&ContainerStatus>) -> ContainerStatus {
        let mut status = ContainerStatus {
            name: instance.name,
            state: ContainerState::default(),
            last_state: None,
            ready: false,
            started: None,
            restart_count: if planted::is(Bug::RestartsUncounted) { 0 } else { instance.attempt },
            image: instance.image,
            image_id: instance.image,
            container_id: instance.id,
            allocated_resources: None,
            resources: None,
        };
        let stamp = |time: SimTime| (time != SimTime::ZERO).then(|| self.clock.at(time).truncated());
        match instance.state {
            InstanceState::Running => {
                status.state = ContainerState::Running { started_at: self.clock.at(instance.started_at).truncated() };
            }
            InstanceState::Exited => {
                status.state = ContainerState::Terminated(Terminated {
                    exit_code: instance.exit_code,
                    signal: 0,
                    reason: instance.reason,
                    message: instance.message.clone(),
                    started_at: stamp(instance.started_at),
                    finished_at: stamp(instance.finished_at),
                    container_id: instance.id,
                });
            }
            InstanceState::Unknown if before.is_some_and(|before| before.state.is_running()) => {
                let before = before.expect("just looked");
                status.restart_count = before.restart_count + 1;
                status.state =
                    ContainerState::Terminated(lost("The container could not be located when the pod was terminated"));
            }
            InstanceState::Created | InstanceState::Unknown => {}
        }
        status
    }

    /// The status of a container of which the runtime has nothing.
    fn missing_container(
        &self,
        container: &Container,
        before: Option<&ContainerStatus>,
        group: Group,
    ) -> ContainerStatus {
        let has_init = !self.pod.spec.init_containers.is_empty();
        let reason = if has_init { *POD_INITIALIZING } else { *CONTAINER_CREATING };
        let mut status = ContainerStatus {
            name: container.name,
            state: ContainerState::Waiting { reason, message: Text::default() },
            last_state: None,
            ready: false,
            started: None,
            restart_count: 0,
            image: container.image,
            image_id: Name::default(),
            container_id: Default::default(),
            allocated_resources: None,
            resources: None,
        };
        if let Some(before) = before {
            if matches!(before.state, ContainerState::Terminated(_)) {
                return before.clone();
            }
            status.restart_count = before.restart_count;
            status.last_state = before.last_state.clone();
        }
        if group == Group::Init && !container.is_sidecar() && any_regular_created(&self.pod.spec, self.runtime) {
            status.state = ContainerState::Terminated(Terminated {
                reason: *COMPLETED,
                message: "Unable to get init container status from container runtime and pod has been initialized, \
                          treat it as exited normally"
                    .into(),
                ..Terminated::default()
            });
            return status;
        }
        let was_running = before.is_some_and(|before| before.state.is_running());
        let failing = self.start_errors.iter().any(|error| error.container == container.name);
        if was_running && !failing && status.last_state.is_none() {
            status.last_state = Some(lost(
                "The container could not be located when the pod was deleted.  The container used to be Running",
            ));
            if !self.pod.meta.is_terminating() {
                status.restart_count += 1;
            }
        }
        status
    }

    /// What a container is allocated, and what is in force while it runs.
    fn show_resources(&self, container: &Container, status: &mut ContainerStatus) {
        let allocated = (container.requests.clone(), container.limits.clone());
        status.allocated_resources = (!allocated.0.is_empty()).then(|| allocated.0.clone());
        let running = self.runtime.newest(container.name).filter(|found| found.state == InstanceState::Running);
        status.resources = Some(match running {
            Some(instance) if status.state.is_running() => instance.resources.clone(),
            _ => allocated,
        });
    }

    /// A container that is to be started, and could not be, waits.
    fn show_start_error(&self, container: &Container, group: Group, status: &mut ContainerStatus) {
        let newest = self.runtime.newest(container.name);
        let done = |instance: &InstanceStatus| instance.state == InstanceState::Exited && instance.exit_code == 0;
        if group == Group::Init && newest.is_some_and(done) {
            return;
        }
        if !should_restart(self.pod, container, newest) {
            return;
        }
        let Some(error) = self.start_errors.iter().find(|error| error.container == container.name) else { return };
        if let ContainerState::Terminated(end) = &status.state {
            status.last_state = Some(end.clone());
        }
        status.state = ContainerState::Waiting { reason: error.reason, message: error.message.clone() };
    }

    /// While all containers restart in place, those that were removed wait for it.
    fn show_restart_in_place(&self, status: &mut PodStatus) {
        let restarting = self.old.is_true(*ALL_CONTAINERS_RESTARTING);
        if !restarting || !self.runtime.containers.is_empty() {
            return;
        }
        let all = |new: &mut [ContainerStatus], old: &[ContainerStatus]| {
            for status in new {
                let Some(before) = old.iter().find(|before| before.name == status.name) else { continue };
                let began = !before.container_id.is_none() || before.last_state.is_some();
                let waits = matches!(before.state, ContainerState::Waiting { .. }) && before.last_state.is_none();
                if !began || waits {
                    continue;
                }
                status.last_state = Some(Terminated {
                    exit_code: 137,
                    reason: *RESTARTING_ALL_CONTAINERS,
                    message: "The container is removed because RestartAllContainers in place".into(),
                    ..Terminated::default()
                });
                status.state = ContainerState::Waiting { reason: *RESTARTING_ALL_CONTAINERS, message: Text::default() };
                status.restart_count = before.restart_count + 1;
                status.ready = before.ready;
            }
        };
        all(&mut status.init_containers, &self.old.init_containers);
        all(&mut status.containers, &self.old.containers);
    }

    fn conditions(&self, status: &PodStatus) -> Vec<Condition> {
        let (pod, spec) = (self.pod, &*self.pod.spec);
        let now = self.clock.at(self.now).truncated();
        let mut conditions: Vec<Condition> =
            pod.status.conditions.iter().filter(|condition| !PodStatus::is_kubelets(condition.kind)).cloned().collect();
        if !self.terminal {
            let resizing = self.resizing.pending.iter().chain(&self.resizing.in_progress);
            conditions.extend(resizing.map(|condition| Condition::clone(condition)));
        }
        if let Some(target) = self.old.condition(*DISRUPTION_TARGET) {
            match conditions.iter_mut().find(|condition| condition.kind == *DISRUPTION_TARGET) {
                Some(have) => *have = target.clone(),
                None => conditions.push(target.clone()),
            }
        }
        let own = [
            Condition::new(*POD_READY_TO_START_CONTAINERS, (!sandbox_changed(pod, self.runtime).0).into(), now),
            initialized_condition(spec, self.old, status, now),
            ready_condition(spec, &conditions, status, now),
            containers_ready_condition(spec, status, now),
            Condition::new(*POD_SCHEDULED, ConditionStatus::True, now),
        ];
        conditions.extend(own.into_iter().map(|mut condition| {
            condition.observed_generation = pod.meta.generation;
            condition
        }));
        if may_restart_all(spec) {
            let mut condition = self.restarting_condition(status, now);
            condition.observed_generation = pod.meta.generation;
            conditions.push(condition);
        }
        conditions
    }

    fn restarting_condition(&self, status: &PodStatus, now: Timestamp) -> Condition {
        let kind = *ALL_CONTAINERS_RESTARTING;
        match status.phase {
            PodPhase::Succeeded => Condition::new(kind, ConditionStatus::False, now).because(*POD_COMPLETED, ""),
            PodPhase::Failed => Condition::new(kind, ConditionStatus::False, now).because(*POD_FAILED, ""),
            _ if restart_all_asked(&self.pod.spec, Some(self.runtime), status) => {
                Condition::new(kind, ConditionStatus::True, now)
                    .because("RestartAllContainersStarted", "container exited with restart policy rule")
            }
            _ => Condition::new(kind, ConditionStatus::False, now),
        }
    }
}

/// Whether some container's end asks for a restart of all.
pub fn restart_all_asked(spec: &PodSpec, runtime: Option<&RuntimePod>, status: &PodStatus) -> bool {
    spec.created_containers().any(|container| {
        let by_runtime = runtime.and_then(|runtime| runtime.newest(container.name)).is_some_and(|instance| {
            instance.state == InstanceState::Exited && restarts_all(container, instance.exit_code)
        });
        let by_status = status
            .all_containers()
            .find(|status| status.name == container.name)
            .and_then(|status| status.state.terminated())
            .is_some_and(|end| end.reason != *RESTARTING_ALL_CONTAINERS && restarts_all(container, end.exit_code));
        by_runtime || by_status
    })
}

/// Which containers a list of statuses is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Init,
    Regular,
    Ephemeral,
}

/// The end of a container that nobody saw.
pub fn lost(message: &str) -> Terminated {
    Terminated { exit_code: 137, reason: *CONTAINER_STATUS_UNKNOWN, message: message.into(), ..Terminated::default() }
}

/// Counts of container states that decide the phase.
#[derive(Debug, Default)]
struct Tally {
    unknown: u32,
    pending_init: u32,
    failed_init_final: u32,
    pending_sidecar: u32,
    running: u32,
    waiting: u32,
    stopped: u32,
    stopped_final: u32,
    succeeded: u32,
}

/// The phase of a pod whose containers are in these states (`getPhase`).
fn phase(spec: &PodSpec, status: &PodStatus, initialised: bool, terminal: bool) -> PodPhase {
    let mut tally = Tally::default();
    for (container, status) in spec.init_containers.iter().zip(&status.init_containers) {
        if container.is_sidecar() {
            tally.sidecar(status);
        } else {
            tally.init(spec, container, status);
        }
    }
    for container in &spec.containers {
        match status.containers.iter().find(|status| status.name == container.name) {
            Some(status) => tally.regular(spec, container, status),
            None => tally.unknown += 1,
        }
    }
    tally.phase(initialised, terminal)
}

impl Tally {
    fn init(&mut self, spec: &PodSpec, container: &Container, status: &ContainerStatus) {
        let end = match &status.state {
            ContainerState::Running { .. } => None,
            ContainerState::Terminated(end) => Some(end),
            ContainerState::Waiting { .. } => status.last_state.as_ref(),
        };
        let Some(end) = end else {
            self.pending_init += 1;
            return;
        };
        if end.exit_code == 0 || end.reason == *RESTARTING_ALL_CONTAINERS {
            return;
        }
        self.failed_init_final += u32::from(!restarts_after(spec, container, end.exit_code));
    }

    fn sidecar(&mut self, status: &ContainerStatus) {
        match &status.state {
            ContainerState::Running { .. } => {
                self.pending_sidecar += u32::from(status.started != Some(true));
                self.running += 1;
            }
            ContainerState::Terminated(_) => {}
            ContainerState::Waiting { .. } if status.last_state.is_some() => {}
            ContainerState::Waiting { .. } => {
                self.pending_sidecar += 1;
                self.waiting += 1;
            }
        }
    }

    fn regular(&mut self, spec: &PodSpec, container: &Container, status: &ContainerStatus) {
        match (&status.state, &status.last_state) {
            (ContainerState::Running { .. }, _) => self.running += 1,
            (ContainerState::Terminated(end), _) => {
                self.stopped += 1;
                self.succeeded += u32::from(end.exit_code == 0);
                self.stopped_final += u32::from(!restarts_after(spec, container, end.exit_code));
            }
            (ContainerState::Waiting { .. }, Some(last)) => {
                self.stopped += 1;
                // What was removed for a restart in place will run again, whatever its policy.
                let in_place = last.reason == *RESTARTING_ALL_CONTAINERS;
                self.stopped_final += u32::from(!in_place && !restarts_after(spec, container, last.exit_code));
            }
            (ContainerState::Waiting { .. }, None) => self.waiting += 1,
        }
    }

    fn phase(&self, initialised: bool, terminal: bool) -> PodPhase {
        let end = if self.stopped == self.succeeded { PodPhase::Succeeded } else { PodPhase::Failed };
        if self.failed_init_final > 0 {
            PodPhase::Failed
        } else if self.pending_init > 0 || self.pending_sidecar > 0 && !initialised || self.waiting > 0 {
            PodPhase::Pending
        } else if self.running > 0 && self.unknown == 0 {
            PodPhase::Running
        } else if self.running == 0 && self.stopped > 0 && self.unknown == 0 {
            if terminal || self.stopped == self.stopped_final { end } else { PodPhase::Running }
        } else {
            PodPhase::Pending
        }
    }
}

fn initialized_condition(spec: &PodSpec, old: &PodStatus, status: &PodStatus, now: Timestamp) -> Condition {
    let kind = *INITIALIZED;
    let begun = status.containers.iter().any(|status| !matches!(status.state, ContainerState::Waiting { .. }));
    let unready: Vec<&str> = spec
        .init_containers
        .iter()
        .zip(&status.init_containers)
        .filter(|(container, status)| if container.is_sidecar() { status.started != Some(true) } else { !status.ready })
        .map(|(container, _)| container.name.as_str())
        .collect();
    if status.phase == PodPhase::Succeeded {
        return Condition::new(kind, ConditionStatus::True, now).because(*POD_COMPLETED, "");
    }
    if begun || unready.is_empty() || old.is_true(kind) {
        return Condition::new(kind, ConditionStatus::True, now);
    }
    let message = format!("containers with incomplete status: [{}]", unready.join(" "));
    Condition::new(kind, ConditionStatus::False, now).because(*CONTAINERS_NOT_INITIALIZED, message)
}

/// The ContainersReady condition (`GenerateContainersReadyCondition`).
pub fn containers_ready_condition(spec: &PodSpec, status: &PodStatus, now: Timestamp) -> Condition {
    let kind = *CONTAINERS_READY;
    let not =
        |reason: Name, message: String| Condition::new(kind, ConditionStatus::False, now).because(reason, message);
    let sidecars = spec.init_containers.iter().filter(|container| container.is_sidecar());
    let (mut unready, mut unknown): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for container in sidecars.chain(&spec.containers) {
        let statuses = if container.is_sidecar() && spec.init_containers.iter().any(|c| c.name == container.name) {
            &status.init_containers
        } else {
            &status.containers
        };
        match statuses.iter().find(|status| status.name == container.name) {
            Some(status) if status.ready => {}
            Some(_) => unready.push(container.name.as_str()),
            None => unknown.push(container.name.as_str()),
        }
    }
    match status.phase {
        PodPhase::Succeeded if unknown.is_empty() => return not(*POD_COMPLETED, String::new()),
        PodPhase::Failed => return not(*POD_FAILED, String::new()),
        _ => {}
    }
    let mut message = String::new();
    for (names, what) in [(unknown, "unknown"), (unready, "unready")].iter().filter(|(names, _)| !names.is_empty()) {
        let separator = if message.is_empty() { "" } else { ", " };
        message += &format!("{separator}containers with {what} status: [{}]", names.join(" "));
    }
    if message.is_empty() {
        return Condition::new(kind, ConditionStatus::True, now);
    }
    not(*CONTAINERS_NOT_READY, message)
}

/// The Ready condition (`GeneratePodReadyCondition`).
pub fn ready_condition(spec: &PodSpec, conditions: &[Condition], status: &PodStatus, now: Timestamp) -> Condition {
    let mut condition = containers_ready_condition(spec, status, now);
    condition.kind = *READY;
    if condition.status != ConditionStatus::True {
        return condition;
    }
    let mut messages = Vec::new();
    for &gate in &spec.readiness_gates {
        match conditions.iter().find(|condition| condition.kind == gate) {
            None => messages.push(format!("corresponding condition of pod readiness gate \"{gate}\" does not exist.")),
            Some(found) if found.status != ConditionStatus::True => messages
                .push(format!("the status of pod readiness gate \"{gate}\" is not \"True\", but {}", found.status)),
            Some(_) => {}
        }
    }
    if messages.is_empty() {
        return condition;
    }
    Condition::new(*READY, ConditionStatus::False, now).because(*READINESS_GATES_NOT_READY, messages.join(", "))
}

/// What is written to the API: the kubelet's status over the stored one (`mergePodStatus`).
pub fn merge(pod: &Pod, stored: &PodStatus, new: &PodStatus, could_run: bool, now: Timestamp) -> PodStatus {
    let mut conditions = Vec::with_capacity(stored.conditions.len().max(new.conditions.len()));
    conditions.extend(stored.conditions.iter().filter(|condition| !PodStatus::is_kubelets(condition.kind)).cloned());
    let mut merged = new.with_conditions(conditions);
    let ends = !stored.phase.is_terminal() && new.phase.is_terminal();
    for condition in &new.conditions {
        if PodStatus::is_kubelets(condition.kind) {
            merged.conditions.push(condition.clone());
        } else if condition.kind == *DISRUPTION_TARGET && ends && !could_run {
            let mut target = condition.clone();
            match merged.conditions.iter_mut().find(|have| have.kind == *DISRUPTION_TARGET) {
                Some(have) => {
                    if have.status == target.status {
                        target.last_transition_time = have.last_transition_time;
                    } else {
                        target.last_transition_time = now;
                    }
                    *have = target;
                }
                None => {
                    target.last_transition_time = now;
                    merged.conditions.push(target);
                }
            }
        }
    }
    // What others have said of a pod's end stands, though the kubelet may not have heard of it.
    let ended = stored.phase.is_terminal() && stored.phase != new.phase;
    if ended || ends && could_run {
        merged.phase = stored.phase;
        merged.reason = stored.reason;
        merged.message = stored.message.clone();
    }
    if merged.phase.is_terminal() && (merged.is_ready() || merged.is_true(*CONTAINERS_READY)) {
        let reason = if merged.phase == PodPhase::Succeeded { *POD_COMPLETED } else { *POD_FAILED };
        for kind in [*CONTAINERS_READY, *READY] {
            let mut condition = Condition::new(kind, ConditionStatus::False, now).because(reason, "");
            condition.observed_generation = pod.meta.generation;
            merged.set_condition(condition);
        }
    }
    merged.nominated_node_name = stored.nominated_node_name;
    merged.qos_class = stored.qos_class;
    merged
}
