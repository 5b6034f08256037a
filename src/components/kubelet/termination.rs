//! Stopping: one container with its hook and its grace, a pod with its order, and giving back what the pod had.
//!
//! Follows `pkg/kubelet/kuberuntime/kuberuntime_container.go` (`killContainer`), `kuberuntime_termination_order.go` and
//! `pkg/kubelet/kubelet.go` (`SyncTerminatingPod`, `SyncTerminatedPod`) of Kubernetes 1.36.

use super::actions::{KillAction, KillReason};
use super::config::{MINIMUM_GRACE, VOLUME_POLL};
use super::handler::{HandlerOutcome, HandlerRun};
use super::pod_worker::{Activity, TurnEnd};
use super::{Kubelet, KubeletMessage, PendingCri};
use crate::api::{
    Condition, ConditionStatus, Container, ContainerId, DISRUPTION_TARGET, EventType, Handler, Name, Pod, PodPhase,
};
use crate::components::cri::{CriCall, CriError, CriResult, InstanceState, PodKey, RuntimePod};
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};
use crate::planted::{self, Bug};
use std::collections::VecDeque;
use std::sync::Arc;

/// The stopping of containers, all at once, and then of sandboxes, one after another.
#[derive(Debug, Clone)]
pub struct PodKill {
    containers: Vec<ContainerKill>,
    sandboxes: VecDeque<ContainerId>,
    begun: bool,
    /// What went wrong with containers.
    failures: Vec<String>,
    /// What went wrong with sandboxes.
    sandbox_failure: Option<String>,
}

/// The stopping of one container.
#[derive(Debug, Clone)]
pub struct ContainerKill {
    id: ContainerId,
    name: Name,
    message: String,
    /// Seconds left.
    grace: i64,
    pre_stop: Option<Box<Handler>>,
    /// The containers that must have stopped first.
    after: Vec<Name>,
    stage: KillStage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KillStage {
    /// Not begun.
    New,
    /// Its hook runs, since when.
    PreStop { since: SimTime },
    /// It waits for others, since when.
    Turn { since: SimTime },
    /// The runtime stops it.
    Stopping,
    /// It is stopped, or cannot be.
    Done { ok: bool },
}

impl KillStage {
    const fn number(self) -> u8 {
        match self {
            Self::New => 0,
            Self::PreStop { .. } => 1,
            Self::Turn { .. } => 2,
            Self::Stopping => 3,
            Self::Done { .. } => 4,
        }
    }
}

/// Who waits for whom when a pod with sidecars stops.
#[derive(Debug, Clone, Default)]
pub struct KillOrder(Vec<(Name, Vec<Name>)>);

impl KillOrder {
    /// Each sidecar waits for the running regular containers and for the running sidecars after it
    /// (`newTerminationOrdering`).
    pub fn for_pod(pod: &Pod, runtime: &RuntimePod) -> Self {
        let runs = |name: Name| runtime.newest(name).is_some_and(|instance| instance.state == InstanceState::Running);
        let mut later: Vec<Name> =
            pod.spec.containers.iter().map(|container| container.name).filter(|name| runs(*name)).collect();
        let mut order = Vec::new();
        for sidecar in pod.spec.sidecars().rev() {
            order.push((sidecar.name, later.clone()));
            if runs(sidecar.name) {
                later.push(sidecar.name);
            }
        }
        Self(order)
    }

    fn before(&self, name: Name) -> Vec<Name> {
        if planted::is(Bug::SidecarsNotLast) {
            return Vec::new();
        }
        self.0.iter().find(|(sidecar, _)| *sidecar == name).map(|(_, before)| before.clone()).unwrap_or_default()
    }
}

impl ContainerKill {
    fn new(pod: &Pod, name: Name, id: ContainerId, message: String, reason: KillReason, grace: Option<i64>) -> Self {
        let container = pod.spec.container(name);
        let grace = grace.unwrap_or_else(|| grace_of(pod, container, reason));
        let pre_stop = container.and_then(|container| container.pre_stop.clone());
        Self { id, name, message, grace, pre_stop, after: Vec::new(), stage: KillStage::New }
    }

    /// A kill that a sync decided on.
    pub(super) fn of(pod: &Pod, action: &KillAction) -> Self {
        Self::new(pod, action.name, action.id, action.message.clone(), action.reason, None)
    }

    /// A kill with the pod's grace and words of its own.
    pub(super) fn with_message(pod: &Pod, name: Name, id: ContainerId, message: &str) -> Self {
        Self::new(pod, name, id, message.to_owned(), KillReason::Other, None)
    }

    /// A kill for a restart of all containers in place: without grace.
    pub(super) fn in_place(pod: &Pod, name: Name, id: ContainerId) -> Self {
        Self::new(pod, name, id, "killing".to_owned(), KillReason::Other, Some(0))
    }
}

/// The grace of a container, in seconds (`setTerminationGracePeriod`).
fn grace_of(pod: &Pod, container: Option<&Container>, reason: KillReason) -> i64 {
    if let Some(grace) = pod.meta.deletion_grace_period {
        return grace;
    }
    let probe = container.and_then(|container| match reason {
        KillReason::Startup => container.startup.as_deref(),
        KillReason::Liveness => container.liveness.as_deref(),
        KillReason::Other => None,
    });
    probe.and_then(|probe| probe.termination_grace_period).unwrap_or(pod.spec.termination_grace_period)
}

impl PodKill {
    /// Everything that runs, and every sandbox.
    pub(super) fn everything(pod: &Pod, runtime: &RuntimePod, order: KillOrder, grace: Option<i64>) -> Self {
        let containers = runtime
            .containers
            .iter()
            .filter(|instance| instance.state == InstanceState::Running)
            .map(|instance| {
                let message = format!("Stopping container {}", instance.name);
                let mut kill = ContainerKill::new(pod, instance.name, instance.id, message, KillReason::Other, grace);
                kill.after = order.before(instance.name);
                kill
            })
            .collect();
        let sandboxes = runtime.sandboxes.iter().map(|sandbox| sandbox.id).collect();
        Self { containers, sandboxes, begun: false, failures: Vec::new(), sandbox_failure: None }
    }

    /// One container.
    pub(super) fn one(kill: ContainerKill) -> Self {
        Self {
            containers: vec![kill],
            sandboxes: VecDeque::new(),
            begun: false,
            failures: Vec::new(),
            sandbox_failure: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.sandboxes.is_empty()
    }

    /// What went wrong, if anything did (`PodSyncResult.Error`).
    fn take_error(&mut self) -> Option<String> {
        let mut errors = std::mem::take(&mut self.failures);
        errors.extend(self.sandbox_failure.take());
        if errors.len() > 1 { Some(format!("[{}]", errors.join(", "))) } else { errors.pop() }
    }

    fn find(&mut self, id: ContainerId) -> Option<&mut ContainerKill> {
        self.containers.iter_mut().find(|kill| kill.id == id)
    }

    /// Whether a container has stopped, as far as others may rely on it.
    fn has_stopped(&self, name: Name) -> bool {
        self.containers.iter().all(|kill| kill.name != name || kill.stage == KillStage::Done { ok: true })
    }

    fn containers_done(&self) -> bool {
        self.containers.iter().all(|kill| matches!(kill.stage, KillStage::Done { .. }))
    }
}

/// A result of a kill that failed, as `PodSyncResult.Error` tells it.
fn failure(action: &str, target: &str, error: &CriError) -> String {
    format!("failed to {action:?} for {target:?} with {action}Error: {:?}", error.rpc_text())
}

impl Kubelet {
    /// The kill that the worker is at: of a sync, of a start that failed, or of the whole pod.
    fn kill(&mut self, key: PodKey) -> Option<&mut PodKill> {
        let starting = self.start_kill(key).is_some();
        if starting {
            return self.start_kill(key);
        }
        let worker = self.pods.get_mut(&key)?.worker.as_mut()?;
        match &mut worker.activity {
            Activity::Terminating(kill) => Some(kill),
            Activity::Syncing(sync) => match &mut sync.stage {
                super::sync_pod::Stage::KillPod(kill)
                | super::sync_pod::Stage::KillContainers { current: kill, .. } => Some(kill),
                _ => None,
            },
            _ => None,
        }
    }

    /// Takes every container of the present kill as far as it can go now.
    pub(super) fn advance_kill(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(kill) = self.kill(key) else { return };
        if !std::mem::replace(&mut kill.begun, true) {
            // One goroutine each, newest instance first: of those that a processor makes it runs the last one first.
            let mut ids: Vec<ContainerId> = kill.containers.iter().map(|kill| kill.id).collect();
            let last = usize::from(ids.len() > 1);
            ids.rotate_right(last);
            for id in ids {
                self.begin_container_kill(now, key, id, out);
            }
        }
        let Some(kill) = self.kill(key) else { return };
        if !kill.containers_done() {
            return;
        }
        // Sandboxes stop whatever became of the containers (`killPodWithSyncResult`).
        match kill.sandboxes.pop_front() {
            Some(sandbox) => self.call_for_step(now, key, CriCall::StopPodSandbox { key, sandbox }, out),
            None => self.kill_done(now, key, out),
        }
    }

    fn begin_container_kill(&mut self, now: SimTime, key: PodKey, id: ContainerId, out: &mut Outbox<Message>) {
        let turn = self.turn(key);
        let Some(one) = self.kill(key).and_then(|kill| kill.find(id)) else { return };
        let (name, message, hook, grace) = (one.name, one.message.clone(), one.pre_stop.clone(), one.grace);
        self.tell_container(now, key, name, EventType::Normal, "Killing", message, out);
        let Some(hook) = hook.filter(|_| grace > 0 && !planted::is(Bug::PreStopSkipped)) else {
            return self.await_turn(now, key, id, out);
        };
        let Some(one) = self.kill(key).and_then(|kill| kill.find(id)) else { return };
        one.stage = KillStage::PreStop { since: now };
        let stage = one.stage.number();
        let deadline = SimDuration::from_secs(grace as u64);
        out.after(deadline, self.message(KubeletMessage::StopTimer { key, turn, container: id, stage }));
        let run = HandlerRun::PreStop { key, turn, container: id };
        self.run_handler(now, key, name, id, &hook, SimDuration::ZERO, run, out);
    }

    /// The preStop hook is over.
    pub(super) fn pre_stop_done(
        &mut self,
        now: SimTime,
        key: PodKey,
        turn: u32,
        id: ContainerId,
        outcome: HandlerOutcome,
        out: &mut Outbox<Message>,
    ) {
        let name = self.kill(key).and_then(|kill| kill.find(id)).map(|kill| kill.name);
        let name = name.or_else(|| {
            self.pods.get(&key)?.runtime.containers.iter().find(|c| c.id == id).map(|instance| instance.name)
        });
        let failed = !matches!(outcome, HandlerOutcome::Success { .. } | HandlerOutcome::Warning(_));
        if failed && let Some(name) = name {
            let text = "PreStopHook failed";
            self.tell_container(now, key, name, EventType::Warning, "FailedPreStopHook", text, out);
        }
        if self.turn(key) == turn {
            self.end_pre_stop(now, key, id, out);
        }
    }

    /// The hook is over, or its time is.
    fn end_pre_stop(&mut self, now: SimTime, key: PodKey, id: ContainerId, out: &mut Outbox<Message>) {
        let Some(one) = self.kill(key).and_then(|kill| kill.find(id)) else { return };
        let KillStage::PreStop { since } = one.stage else { return };
        one.grace -= now.since(since).as_secs() as i64;
        self.await_turn(now, key, id, out);
    }

    fn await_turn(&mut self, now: SimTime, key: PodKey, id: ContainerId, out: &mut Outbox<Message>) {
        let turn = self.turn(key);
        let Some(kill) = self.kill(key) else { return };
        let Some(one) = kill.find(id) else { return };
        let (after, grace) = (one.after.clone(), one.grace);
        let free = after.iter().all(|name| kill.has_stopped(*name));
        if free || grace <= 0 {
            return self.stop_now(now, key, id, out);
        }
        let Some(one) = kill.find(id) else { return };
        one.stage = KillStage::Turn { since: now };
        let stage = one.stage.number();
        let deadline = SimDuration::from_secs(grace as u64);
        out.after(deadline, self.message(KubeletMessage::StopTimer { key, turn, container: id, stage }));
    }

    /// A wait within a stop is over.
    pub(super) fn stop_timer(
        &mut self,
        now: SimTime,
        key: PodKey,
        turn: u32,
        id: ContainerId,
        stage: u8,
        out: &mut Outbox<Message>,
    ) {
        if self.turn(key) != turn {
            return;
        }
        let Some(one) = self.kill(key).and_then(|kill| kill.find(id)) else { return };
        match one.stage {
            current if current.number() != stage => {}
            KillStage::PreStop { .. } => self.end_pre_stop(now, key, id, out),
            KillStage::Turn { since } => {
                one.grace -= now.since(since).as_secs() as i64;
                self.stop_now(now, key, id, out);
            }
            KillStage::New | KillStage::Stopping | KillStage::Done { .. } => {}
        }
    }

    fn stop_now(&mut self, now: SimTime, key: PodKey, id: ContainerId, out: &mut Outbox<Message>) {
        let turn = self.turn(key);
        let Some(one) = self.kill(key).and_then(|kill| kill.find(id)) else { return };
        one.stage = KillStage::Stopping;
        // At the signal it may answer otherwise.
        self.wake_probes(now, key, out);
        let Some(one) = self.kill(key).and_then(|kill| kill.find(id)) else { return };
        let grace = if planted::is(Bug::GraceIgnored) { MINIMUM_GRACE } else { one.grace.max(MINIMUM_GRACE) };
        let timeout = SimDuration::from_secs(grace as u64);
        let stream = self.pods.get(&key).map_or(self.stream, |state| state.stream.part("stop"));
        let delay = self.latency(|profile| &profile.sync_step, now, stream);
        let call = CriCall::StopContainer { key, container: id, timeout };
        self.call_runtime(delay, call, PendingCri::Stop { key, turn, container: id }, out);
    }

    /// The runtime has stopped a container.
    pub(super) fn stopped(
        &mut self,
        now: SimTime,
        key: PodKey,
        turn: u32,
        id: ContainerId,
        result: CriResult,
        out: &mut Outbox<Message>,
    ) {
        if self.turn(key) != turn {
            return;
        }
        let error = result.err().filter(|error| error.code != "NotFound");
        let Some(kill) = self.kill(key) else { return };
        let Some(one) = kill.find(id) else { return };
        one.stage = KillStage::Done { ok: error.is_none() };
        let failure = error.map(|error| failure("KillContainer", &one.name, &error));
        kill.failures.extend(failure);
        let waiting: Vec<(ContainerId, SimTime)> = kill
            .containers
            .iter()
            .filter_map(|one| match one.stage {
                KillStage::Turn { since } if one.after.iter().all(|name| kill.has_stopped(*name)) => {
                    Some((one.id, since))
                }
                _ => None,
            })
            .collect();
        for (id, since) in waiting {
            if let Some(one) = self.kill(key).and_then(|kill| kill.find(id)) {
                one.grace -= now.since(since).as_secs() as i64;
            }
            self.stop_now(now, key, id, out);
        }
        self.advance_kill(now, key, out);
    }

    /// The runtime has stopped a sandbox.
    pub(super) fn kill_step_answered(
        &mut self,
        now: SimTime,
        key: PodKey,
        result: CriResult,
        out: &mut Outbox<Message>,
    ) {
        let Some(uid) = self.pods.get(&key).map(|state| state.pod.meta.uid) else { return };
        if let Some(kill) = self.kill(key) {
            if let Some(error) = result.err().filter(|error| error.code != "NotFound") {
                // There is one result for all sandboxes: what the last one said.
                kill.sandbox_failure = Some(failure("KillPodSandbox", &uid.to_string(), &error));
            }
            self.advance_kill(now, key, out);
        }
    }

    fn kill_done(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let error = self.kill(key).and_then(PodKill::take_error);
        if self.start_kill(key).is_some() {
            return self.failed_start_killed(now, key, out);
        }
        let terminating = self
            .pods
            .get(&key)
            .and_then(|state| state.worker.as_ref())
            .is_some_and(|worker| matches!(worker.activity, Activity::Terminating(_)));
        match error {
            _ if !terminating => self.sync_kill_done(now, key, error.is_none(), out),
            None => {
                // How it ended is read from the runtime, not from what the last relist saw: two lists, and what became
                // of each sandbox and container.
                let (Some(state), turn) = (self.pods.get(&key), self.turn(key)) else { return };
                let calls = 2 + state.runtime.sandboxes.len() + state.runtime.containers.len();
                let call = self.latency(|profile| &profile.runtime_call, now, state.stream.part("ended"));
                let takes = call * calls as u64 + self.latency(|profile| &profile.sync_step, now, state.stream);
                out.after(takes, self.message(KubeletMessage::PodKilled { key, turn }));
            }
            Some(error) => {
                let text = format!("error killing pod: {error}");
                self.tell_pod(now, key, EventType::Warning, "FailedKillPod", text, out);
                self.turn_ended(now, key, TurnEnd::Failed, out);
            }
        }
    }

    /// Begins to stop a pod for good (`SyncTerminatingPod`).
    pub(super) fn begin_terminating(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        let runtime = state.cached.clone();
        self.report_termination(now, key, &runtime, out);
        self.stop_probes(key, false);
        let Some(state) = self.pods.get_mut(&key) else { return };
        let pod = state.pod.clone();
        let Some(worker) = &mut state.worker else { return };
        let asked =
            worker.grace > 0 && (pod.meta.is_terminating() || worker.deleted || worker.override_status.is_some());
        let grace = asked.then_some(worker.grace);
        let kill = PodKill::everything(&pod, &runtime, KillOrder::for_pod(&pod, &runtime), grace);
        worker.activity = Activity::Terminating(Box::new(kill));
        self.advance_kill(now, key, out);
    }

    /// The status of a pod that is being stopped, with what whoever stops it has to say.
    fn report_termination(&mut self, now: SimTime, key: PodKey, runtime: &RuntimePod, out: &mut Outbox<Message>) {
        let Some(pod) = self.pods.get(&key).map(|state| state.pod.clone()) else { return };
        let Some(mut status) = self.generate_status(now, key, &pod, runtime, false, out) else { return };
        let stamp = self.clock.at(now).truncated();
        let Some(state) = self.pods.get(&key) else { return };
        let generation = state.pod.meta.generation;
        if let Some(say) = state.worker.as_ref().and_then(|worker| worker.override_status.clone()) {
            if status.phase != PodPhase::Succeeded {
                status.phase = PodPhase::Failed;
            }
            status.reason = say.reason;
            status.message = say.message;
            if let Some(text) = say.disruption {
                let mut target = Condition::new(*DISRUPTION_TARGET, ConditionStatus::True, stamp)
                    .because("TerminationByKubelet", text);
                target.observed_generation = generation;
                status.set_condition(target);
            }
        }
        self.set_pod_status(now, key, status, out);
    }

    /// Every container has stopped, as the runtime says.
    pub(super) fn pod_killed(&mut self, now: SimTime, key: PodKey, turn: u32, out: &mut Outbox<Message>) {
        if self.turn(key) != turn {
            return;
        }
        self.stop_probes(key, true);
        let Some(state) = self.pods.get_mut(&key) else { return };
        let runtime = state.runtime.clone();
        if runtime.anything_runs() {
            let text =
                "error determining status: detected running containers after a successful KillPod, CRI violation";
            self.tell_failed_sync(now, key, text, out);
            return self.turn_ended(now, key, TurnEnd::Failed, out);
        }
        self.refresh_status(now, key, &runtime, true, out);
        if let Some(worker) = self.pods.get_mut(&key).and_then(|state| state.worker.as_mut()) {
            worker.terminated_at = Some(now);
        }
        self.unmount_volumes(now, key, out);
        self.turn_ended(now, key, TurnEnd::Transition, out);
        self.eviction_killed(now, key, out);
        self.advance_shutdown(now, out);
        self.preempted(now, key, out);
        self.retry_resizes(now, out);
    }

    /// Begins to give back what a stopped pod had (`SyncTerminatedPod`).
    pub(super) fn begin_cleanup(&mut self, now: SimTime, key: PodKey, initialized: bool, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        let runtime = state.cached.clone();
        self.refresh_status(now, key, &runtime, true, out);
        let Some(worker) = self.pods.get_mut(&key).and_then(|state| state.worker.as_mut()) else { return };
        worker.activity = Activity::CleaningUp { initialized };
        let turn = worker.turn;
        self.cleanup_step(now, key, turn, out);
    }

    /// Looks whether a stopped pod's volumes are gone.
    pub(super) fn cleanup_step(&mut self, now: SimTime, key: PodKey, turn: u32, out: &mut Outbox<Message>) {
        let unmounted = self.volumes_gone(now, key, out);
        let Some(worker) = self.pods.get_mut(&key).and_then(|state| state.worker.as_mut()) else { return };
        let Activity::CleaningUp { initialized } = worker.activity else { return };
        if !unmounted {
            out.after(VOLUME_POLL, self.message(KubeletMessage::VolumePoll { key, turn }));
            return;
        }
        self.finish_pod(now, key, initialized, out);
    }

    /// Nothing of the pod is left: its last status says so, and the writer may delete it.
    fn finish_pod(&mut self, now: SimTime, key: PodKey, initialized: bool, out: &mut Outbox<Message>) {
        self.terminate_status(now, key, initialized, out);
        if let Some(worker) = self.pods.get_mut(&key).and_then(|state| state.worker.as_mut()) {
            worker.finished = true;
        }
        self.release_name(key);
        self.turn_ended(now, key, TurnEnd::Done, out);
        self.collect_containers(now, key, out);
        if self.pods.get(&key).is_some_and(|state| !state.configured) {
            self.want_housekeeping(now, out);
        }
    }

    /// Removes what is left of a finished pod in the runtime.
    fn collect_containers(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        if !state.pod.meta.is_terminating() && state.configured {
            return; // The dead containers of a finished pod stay until the pod is deleted.
        }
        let runtime: Arc<RuntimePod> = state.runtime.clone();
        let mut delay = SimDuration::ZERO;
        let step = self.latency(|profile| &profile.runtime_call, now, self.stream);
        for instance in &runtime.containers {
            delay += step;
            let call = CriCall::RemoveContainer { key, container: instance.id };
            self.call_runtime(delay, call, PendingCri::Nobody, out);
        }
        for sandbox in &runtime.sandboxes {
            delay += step;
            let call = CriCall::RemovePodSandbox { key, sandbox: sandbox.id };
            self.call_runtime(delay, call, PendingCri::Nobody, out);
        }
    }
}
