//! What a pod needs next: the decision table of a sync, as a pure function of spec and runtime.
//!
//! Follows `pkg/kubelet/kuberuntime/kuberuntime_manager.go` (`computePodActions`, `computeInitContainerActions`) and
//! `pkg/kubelet/kuberuntime/util/util.go` (`PodSandboxChanged`) of Kubernetes 1.36.

use super::probe::ProbeVerdicts;
use crate::api::{Container, ContainerId, Name, Pod, PodSpec, RestartPolicy, RestartRuleAction};
use crate::components::cri::{InstanceState, InstanceStatus, RuntimePod};
use crate::planted::{self, Bug};

/// What one sync is to do, in this order: kill, make a sandbox, start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PodActions {
    /// Everything that runs is to be killed, sandboxes too.
    pub kill_pod: bool,
    /// A sandbox is to be made, with this attempt.
    pub create_sandbox: Option<u32>,
    /// The sandbox that is kept.
    pub sandbox: Option<ContainerId>,
    /// Containers to be killed one after another.
    pub kill: Vec<KillAction>,
    /// Instances to be removed, for a restart of all containers in place.
    pub reset: Vec<ContainerId>,
    /// Ephemeral containers to be started, by place.
    pub start_ephemeral: Vec<usize>,
    /// Init containers to be started, by place.
    pub start_init: Vec<usize>,
    /// Regular containers to be started, by place.
    pub start: Vec<usize>,
}

/// One container to be killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillAction {
    /// The instance.
    pub id: ContainerId,
    /// The container.
    pub name: Name,
    /// What people are told.
    pub message: String,
    /// Why, where the grace period depends on it.
    pub reason: KillReason,
}

/// Why a container is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KillReason {
    /// Something that has no grace period of its own.
    #[default]
    Other,
    /// Its startup probe failed.
    Startup,
    /// Its liveness probe failed.
    Liveness,
}

/// Whether an instance in this state is to be started again (`pkg/kubelet/container/helpers.go`,
/// `ShouldContainerBeRestarted`).
pub fn should_restart(pod: &Pod, container: &Container, newest: Option<&InstanceStatus>) -> bool {
    if pod.meta.is_terminating() {
        return false;
    }
    let Some(newest) = newest else { return true };
    match newest.state {
        InstanceState::Running => false,
        InstanceState::Unknown | InstanceState::Created => true,
        InstanceState::Exited => restarts_after(&pod.spec, container, newest.exit_code),
    }
}

/// Whether a container is started again after an exit code (`pkg/api/v1/pod/util.go`, `ContainerShouldRestart`).
pub fn restarts_after(spec: &PodSpec, container: &Container, exit_code: i32) -> bool {
    if container.restart_policy.is_some() && container.restart_rules.iter().any(|rule| rule.matches(exit_code)) {
        return true; // Both actions restart it.
    }
    match spec.restart_policy_of(container) {
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => exit_code != 0,
        RestartPolicy::Never => planted::is(Bug::NeverRestarts),
    }
}

/// Whether a container that ends this way restarts the whole pod in place.
pub fn restarts_all(container: &Container, exit_code: i32) -> bool {
    container.restart_policy.is_some()
        && container
            .restart_rules
            .iter()
            .find(|rule| rule.matches(exit_code))
            .is_some_and(|rule| rule.action == RestartRuleAction::RestartAllContainers)
}

/// Whether some container declares a rule that restarts the whole pod in place.
pub fn may_restart_all(spec: &PodSpec) -> bool {
    spec.created_containers().any(|container| {
        container.restart_rules.iter().any(|rule| rule.action == RestartRuleAction::RestartAllContainers)
    })
}

/// Whether a failure of a container is followed by a start, by policy alone.
fn restarts_on_failure(spec: &PodSpec, container: &Container) -> bool {
    spec.restart_policy_of(container) != RestartPolicy::Never
}

/// Whether the newest sandbox will not do: whether a new one is needed, its attempt, and the one that will do.
pub fn sandbox_changed(pod: &Pod, runtime: &RuntimePod) -> (bool, u32, Option<ContainerId>) {
    let Some(latest) = runtime.sandboxes.first() else { return (true, 0, None) };
    let ready = runtime.sandboxes.iter().filter(|sandbox| sandbox.ready).count();
    if ready > 1 || !latest.ready {
        return (true, latest.attempt + 1, Some(latest.id));
    }
    if !pod.spec.host_network && latest.ip.is_none() {
        return (true, latest.attempt + 1, Some(latest.id));
    }
    (false, latest.attempt, Some(latest.id))
}

/// Whether a regular container exists in the runtime, in any state.
pub fn any_regular_created(spec: &PodSpec, runtime: &RuntimePod) -> bool {
    spec.containers.iter().any(|container| runtime.newest(container.name).is_some())
}

/// Whether a regular container is created or running: then the pod is initialised.
fn any_regular_active(spec: &PodSpec, runtime: &RuntimePod) -> bool {
    spec.containers.iter().any(|container| {
        runtime
            .newest(container.name)
            .is_some_and(|instance| matches!(instance.state, InstanceState::Created | InstanceState::Running))
    })
}

/// Decides what a sync is to do.
pub fn pod_actions(pod: &Pod, runtime: &RuntimePod, verdicts: &ProbeVerdicts, restart_all: bool) -> PodActions {
    let spec = &*pod.spec;
    if restart_all {
        return PodActions { reset: reset_order(spec, runtime), ..PodActions::default() };
    }
    let (changed, attempt, sandbox) = sandbox_changed(pod, runtime);
    if changed {
        return new_sandbox_actions(pod, runtime, attempt, sandbox);
    }
    let mut actions = PodActions { sandbox, ..PodActions::default() };
    for (place, container) in spec.ephemeral_containers.iter().enumerate() {
        if runtime.newest(container.name).is_none() {
            actions.start_ephemeral.push(place);
        }
    }
    let initialised = init_actions(pod, runtime, verdicts, &mut actions);
    if actions.kill_pod || !initialised {
        return actions;
    }
    let mut kept = 0;
    for (place, container) in spec.containers.iter().enumerate() {
        let newest = runtime.newest(container.name);
        match newest {
            Some(instance) if instance.state == InstanceState::Running => {
                let Some((message, reason, restart)) = kill_verdict(spec, container, instance, verdicts) else {
                    kept += 1;
                    continue;
                };
                let message = if restart == Restart::Told { format!("{message}, will be restarted") } else { message };
                if restart != Restart::No {
                    actions.start.push(place);
                }
                actions.kill.push(KillAction { id: instance.id, name: container.name, message, reason });
            }
            _ if should_restart(pod, container, newest) => {
                actions.start.push(place);
                if let Some(instance) = newest.filter(|instance| instance.state == InstanceState::Unknown) {
                    actions.kill.push(kill_unknown("Container", instance));
                }
            }
            _ => {}
        }
    }
    if kept == 0 && actions.start.is_empty() {
        actions.kill_pod = true;
        actions.start_init.clear(); // Sidecars must not keep the pod alive.
    }
    actions
}

fn new_sandbox_actions(pod: &Pod, runtime: &RuntimePod, attempt: u32, sandbox: Option<ContainerId>) -> PodActions {
    let spec = &*pod.spec;
    let mut actions = PodActions { kill_pod: true, create_sandbox: Some(attempt), sandbox, ..PodActions::default() };
    let never = spec.restart_policy == RestartPolicy::Never;
    if never && attempt != 0 && !runtime.containers.is_empty() {
        actions.create_sandbox = None; // The pod is finished; a sandbox would only be made to be torn down.
        return actions;
    }
    let succeeded = |container: &Container| {
        spec.restart_policy_of(container) == RestartPolicy::OnFailure
            && runtime
                .newest(container.name)
                .is_some_and(|instance| instance.state == InstanceState::Exited && instance.exit_code == 0)
    };
    let start: Vec<usize> = (0..spec.containers.len()).filter(|&place| !succeeded(&spec.containers[place])).collect();
    if start.is_empty() && any_regular_created(spec, runtime) {
        actions.create_sandbox = None;
        return actions;
    }
    if spec.init_containers.is_empty() {
        actions.start = start;
    } else {
        actions.start_init.push(0);
    }
    actions
}

/// Whether a container that is killed comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Restart {
    No,
    /// It does, and the message says so.
    Told,
    /// It does; the message has said so.
    Understood,
}

/// Why a running container must go, if it must: the message, the reason, and whether it comes back.
fn kill_verdict(
    spec: &PodSpec,
    container: &Container,
    instance: &InstanceStatus,
    verdicts: &ProbeVerdicts,
) -> Option<(String, KillReason, Restart)> {
    let name = container.name;
    let restart = if restarts_on_failure(spec, container) { Restart::Told } else { Restart::No };
    if instance.image != container.image {
        return Some((format!("Container {name} definition changed"), KillReason::Other, Restart::Told));
    }
    if verdicts.liveness_failed(instance.id) {
        return Some((format!("Container {name} failed liveness probe"), KillReason::Liveness, restart));
    }
    if verdicts.startup_failed(instance.id) {
        return Some((format!("Container {name} failed startup probe"), KillReason::Startup, restart));
    }
    if verdicts.resize_restarts(name) {
        return Some((format!("Container {name} resize requires restart"), KillReason::Other, Restart::Understood));
    }
    None
}

fn kill_unknown(what: &str, instance: &InstanceStatus) -> KillAction {
    KillAction {
        id: instance.id,
        name: instance.name,
        message: format!("{what} is in \"unknown\" state, try killing it before restart"),
        reason: KillReason::Other,
    }
}

/// Decides about init containers and sidecars; returns whether the pod is initialised.
fn init_actions(pod: &Pod, runtime: &RuntimePod, verdicts: &ProbeVerdicts, actions: &mut PodActions) -> bool {
    let spec = &*pod.spec;
    if spec.init_containers.is_empty() || planted::is(Bug::InitNotAwaited) {
        return true;
    }
    let mut initialised = any_regular_active(spec, runtime);
    let mut later_seen = initialised;
    let last = spec.init_containers.len() - 1;
    for (place, container) in spec.init_containers.iter().enumerate().rev() {
        let sidecar = container.is_sidecar();
        let Some(instance) = runtime.newest(container.name) else {
            if later_seen && sidecar {
                actions.start_init.push(place);
            }
            continue;
        };
        if later_seen && !sidecar {
            continue;
        }
        match instance.state {
            InstanceState::Created => actions.start_init.push(place),
            InstanceState::Running if sidecar => {
                if sidecar_started(container, instance, verdicts, actions, place) {
                    if place == last {
                        initialised = true;
                    } else if !later_seen {
                        actions.start_init.push(place + 1);
                    }
                    keep_sidecar(container, instance, verdicts, actions, place);
                }
            }
            InstanceState::Running => {}
            InstanceState::Exited if sidecar => actions.start_init.push(place),
            InstanceState::Exited if init_failed(instance) => {
                if !restarts_after_failure(spec, container, instance) {
                    actions.kill_pod = true;
                    actions.start_init.clear();
                    return false;
                }
                actions.start_init.push(place);
            }
            InstanceState::Exited if place == last => initialised = true,
            InstanceState::Exited => actions.start_init.push(place + 1),
            InstanceState::Unknown => {
                actions.kill.push(kill_unknown("Init container", instance));
                if !sidecar && !restarts_on_failure(spec, container) {
                    actions.kill_pod = true;
                    actions.start_init.clear();
                    return false;
                }
                actions.start_init.push(place);
            }
        }
        later_seen = true;
    }
    if !later_seen {
        actions.start_init.push(0);
    }
    actions.start_init.reverse();
    initialised
}

/// An init container that was killed for want of memory failed, whatever it returned.
fn init_failed(instance: &InstanceStatus) -> bool {
    instance.exit_code != 0 || instance.reason == "OOMKilled"
}

fn restarts_after_failure(spec: &PodSpec, container: &Container, instance: &InstanceStatus) -> bool {
    if container.restart_policy.is_some() {
        restarts_after(spec, container, instance.exit_code)
    } else {
        spec.restart_policy != RestartPolicy::Never
    }
}

/// Whether a running sidecar is past its startup; one that failed it is killed and started again.
fn sidecar_started(
    container: &Container,
    instance: &InstanceStatus,
    verdicts: &ProbeVerdicts,
    actions: &mut PodActions,
    place: usize,
) -> bool {
    if container.startup.is_none() || verdicts.startup_succeeded(instance.id) {
        return true;
    }
    if verdicts.startup_failed(instance.id) {
        let message = format!("Init container {} failed startup probe", container.name);
        actions.kill.push(KillAction { id: instance.id, name: container.name, message, reason: KillReason::Startup });
        actions.start_init.push(place);
    }
    false
}

/// Restarts a sidecar whose definition changed or whose liveness probe failed.
fn keep_sidecar(
    container: &Container,
    instance: &InstanceStatus,
    verdicts: &ProbeVerdicts,
    actions: &mut PodActions,
    place: usize,
) {
    let name = container.name;
    let (message, reason) = if instance.image != container.image {
        (format!("Init container {name} definition changed"), KillReason::Other)
    } else if container.liveness.is_some() && verdicts.liveness_failed(instance.id) {
        (format!("Init container {name} failed liveness probe"), KillReason::Liveness)
    } else if verdicts.resize_restarts(name) {
        (format!("Container {name} resize requires restart"), KillReason::Other)
    } else {
        return;
    };
    actions.kill.push(KillAction { id: instance.id, name, message, reason });
    actions.start_init.push(place);
}

/// The instances to remove for a restart in place: those whose end did not ask for it first, regular before init.
fn reset_order(spec: &PodSpec, runtime: &RuntimePod) -> Vec<ContainerId> {
    let triggers = |container: &Container| {
        runtime.newest(container.name).is_some_and(|instance| {
            instance.state == InstanceState::Exited && restarts_all(container, instance.exit_code)
        })
    };
    let mut order = Vec::new();
    for trigger in [false, true] {
        for container in spec.containers.iter().chain(&spec.init_containers) {
            if triggers(container) == trigger {
                order.extend(runtime.instances(container.name).map(|instance| instance.id));
            }
        }
    }
    order
}
