//! Probe workers: when a container is asked, what its answers add up to, and what the pod's status makes of them.
//!
//! Follows `pkg/kubelet/prober/worker.go`, `prober_manager.go` and `prober.go` of Kubernetes 1.36. A worker belongs to
//! the pod, not to the container instance: its ticker starts when the pod arrives and survives restarts.

use super::actions::restarts_after;
use super::environment::expand;
use super::handler::{HandlerOutcome, HandlerRun};
use super::status::restart_all_asked;
use super::{Kubelet, KubeletMessage};
use crate::api::{
    Container, ContainerId, ContainerState, ContainerStatus, EnvValue, EnvVar, EventType, Handler, Name, Pod, PodSpec,
    PodStatus, Probe, ProbeKind, Text, WallTime,
};
use crate::components::cri::PodKey;
use crate::components::message::Message;
use crate::engine::{Outbox, Purpose, SimDuration, SimTime, StreamKey};
use crate::planted::{self, Bug};

const START_DELAY: Purpose = Purpose::new("probe start delay");
/// So often a probe that could not be run is tried again at once.
const TRIES: u32 = 3;

/// What a container's answers add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It does what it should.
    Success,
    /// It does not.
    Failure,
    /// Nobody has asked yet (startup probes only).
    Unknown,
}

/// The probe workers of a pod and the verdicts that stand.
#[derive(Debug, Clone, Default)]
pub struct PodProbes {
    workers: Vec<ProbeWorker>,
    verdicts: Vec<(ContainerId, ProbeKind, Verdict)>,
}

/// What the API said of a pod before: it stands where nobody has asked yet.
#[derive(Debug, Clone, Copy)]
pub struct KnownBefore<'a> {
    /// The last status.
    pub status: &'a PodStatus,
    /// Whether the API has the pod ready.
    pub pod_ready: bool,
    /// Containers that started before this were found by the kubelet when it started.
    pub found_before: WallTime,
}

/// One worker: asks one container with one kind of probe.
#[derive(Debug, Clone)]
pub struct ProbeWorker {
    pub(super) container: Name,
    pub(super) kind: ProbeKind,
    probe: Probe,
    /// What its luck is drawn from.
    stream: StreamKey,
    /// The ticker's start, which every manual run moves.
    anchor: SimTime,
    pub(super) instance: ContainerId,
    pub(super) last: Verdict,
    pub(super) run_length: u32,
    pub(super) on_hold: bool,
    /// Timers of an earlier setting are stale.
    timer: u32,
    pub(super) state: WorkerState,
    /// A run was asked for while another was under way.
    poked: bool,
    /// It is to stop, which it looks for after each run: also after the first, if that has not been yet.
    stopping: bool,
    /// Until when the last answer is sure to repeat.
    stands_until: SimTime,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WorkerState {
    /// Waiting for its first turn.
    Starting,
    /// Waiting for the ticker.
    Idle,
    /// Waiting for the container's status to change: nothing else could change anything.
    Asleep,
    /// Asking, since when, for the n-th time.
    Asking { since: SimTime, tries: u32 },
    /// Done for good.
    Stopped,
}

/// The verdicts that decide what a sync does.
pub struct ProbeVerdicts<'a> {
    pub(super) probes: &'a PodProbes,
    pub(super) resized: &'a [Name],
}

impl ProbeVerdicts<'_> {
    /// Whether the liveness probe has failed for good.
    pub fn liveness_failed(&self, id: ContainerId) -> bool {
        self.probes.verdict(id, ProbeKind::Liveness) == Some(Verdict::Failure)
    }

    /// Whether the startup probe has failed for good.
    pub fn startup_failed(&self, id: ContainerId) -> bool {
        self.probes.verdict(id, ProbeKind::Startup) == Some(Verdict::Failure)
    }

    /// Whether the startup probe has succeeded.
    pub fn startup_succeeded(&self, id: ContainerId) -> bool {
        self.probes.verdict(id, ProbeKind::Startup) == Some(Verdict::Success)
    }

    /// Whether new resources want the container restarted.
    pub fn resize_restarts(&self, container: Name) -> bool {
        self.resized.contains(&container)
    }
}

impl PodProbes {
    /// Its workers.
    pub(super) fn workers(&self) -> &[ProbeWorker] {
        &self.workers
    }

    /// What stands for an instance.
    pub fn verdict(&self, id: ContainerId, kind: ProbeKind) -> Option<Verdict> {
        self.verdicts.iter().find(|(i, k, _)| *i == id && *k == kind).map(|(_, _, verdict)| *verdict)
    }

    /// Sets what stands; returns whether that is news.
    fn set(&mut self, id: ContainerId, kind: ProbeKind, verdict: Verdict) -> bool {
        match self.verdicts.iter_mut().find(|(i, k, _)| *i == id && *k == kind) {
            Some((_, _, have)) => std::mem::replace(have, verdict) != verdict,
            None => {
                self.verdicts.push((id, kind, verdict));
                true
            }
        }
    }

    fn forget(&mut self, id: ContainerId, kind: ProbeKind) {
        self.verdicts.retain(|(i, k, _)| (*i, *k) != (id, kind));
    }

    /// Puts a new worker where an old one of its kind has stopped, or at the end.
    fn place(&mut self, mut worker: ProbeWorker) -> (usize, u32) {
        let same = |old: &ProbeWorker| old.container == worker.container && old.kind == worker.kind;
        match self.workers.iter().position(same) {
            Some(place) => {
                worker.timer = self.workers[place].timer + 1;
                let timer = worker.timer;
                self.workers[place] = worker;
                (place, timer)
            }
            None => {
                let timer = worker.timer;
                self.workers.push(worker);
                (self.workers.len() - 1, timer)
            }
        }
    }

    /// What a worker's luck is drawn from.
    pub(super) fn stream(&self, worker: usize) -> StreamKey {
        self.workers[worker].stream
    }

    fn has_worker(&self, container: Name, kind: ProbeKind) -> bool {
        self.workers
            .iter()
            .any(|worker| worker.container == container && worker.kind == kind && worker.state != WorkerState::Stopped)
    }

    /// Sets `started` and `ready` of every container (`prober_manager.go`, `UpdatePodStatus`).
    pub fn mark(&self, spec: &PodSpec, before: KnownBefore<'_>, status: &mut PodStatus) {
        for status in &mut status.containers {
            let Some(container) = find_container(spec, status.name) else { continue };
            self.mark_one(&before.status.containers, container, before, status);
        }
        for (container, status) in spec.init_containers.iter().zip(&mut status.init_containers) {
            if container.is_sidecar() {
                self.mark_one(&before.status.init_containers, container, before, status);
                continue;
            }
            status.started = Some(self.is_started(&before.status.init_containers, status));
            // What an earlier status said stays unless the container completed (it is taken over by a restart in
            // place).
            status.ready |= status.state.terminated().is_some_and(|end| end.exit_code == 0);
        }
    }

    fn mark_one(
        &self,
        old: &[ContainerStatus],
        container: &Container,
        before: KnownBefore<'_>,
        status: &mut ContainerStatus,
    ) {
        let started = self.is_started(old, status);
        status.started = Some(started);
        status.ready = started && self.is_ready(container, before, status);
    }

    /// Until its own startup probe has a verdict, an instance counts as started if the container did before: also
    /// when that was another instance, as after a kill by a probe.
    fn is_started(&self, old: &[ContainerStatus], status: &ContainerStatus) -> bool {
        if !status.state.is_running() {
            return false;
        }
        if let Some(verdict) = self.verdict(status.container_id, ProbeKind::Startup) {
            return verdict == Verdict::Success;
        }
        let was_started = old.iter().any(|old| old.name == status.name && old.started == Some(true));
        was_started || !self.has_worker(status.name, ProbeKind::Startup)
    }

    /// What was found running keeps what its pod said of itself until its probe has a verdict
    /// (`setReadyStateOnKubeletRestart`).
    fn is_ready(&self, container: &Container, before: KnownBefore<'_>, status: &ContainerStatus) -> bool {
        let ContainerState::Running { started_at } = status.state else { return false };
        let verdict = self.verdict(status.container_id, ProbeKind::Readiness);
        if verdict == Some(Verdict::Success) || planted::is(Bug::ReadinessIgnored) {
            return true;
        }
        let unprobed = !self.has_worker(status.name, ProbeKind::Readiness);
        if started_at.wall() >= before.found_before {
            return unprobed;
        }
        (unprobed || verdict.is_none()) && (container.readiness.is_none() || before.pod_ready)
    }

    /// The readiness workers to be poked: those of running, started containers that are not known to be ready.
    fn unready_workers(&self, status: &PodStatus) -> Vec<usize> {
        let wants = |worker: &ProbeWorker| {
            let statuses = status.init_containers.iter().chain(&status.containers);
            let found = statuses.into_iter().find(|status| status.name == worker.container);
            found.is_some_and(|status| {
                status.state.is_running()
                    && status.started == Some(true)
                    && self.verdict(status.container_id, ProbeKind::Readiness) != Some(Verdict::Success)
            })
        };
        (0..self.workers.len())
            .filter(|&place| {
                let worker = &self.workers[place];
                worker.kind == ProbeKind::Readiness && worker.state != WorkerState::Stopped && wants(worker)
            })
            .collect()
    }

    /// Whether no worker was ever started.
    pub(super) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// The command and timeout of a worker whose probe is a command.
    pub(super) fn command_of(&self, worker: usize) -> Option<(String, SimDuration)> {
        let probe = &self.workers.get(worker)?.probe;
        let Handler::Exec { command } = &probe.handler else { return None };
        Some((command.iter().map(|word| &**word).collect::<Vec<_>>().join(" "), probe.timeout))
    }
}

impl Kubelet {
    /// Starts the workers of a pod, unless it has them (`prober_manager.go`, `AddPod`).
    pub(super) fn add_probes(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let started = self.started_at;
        let (draws, timer) = (self.draws, self.first_turn());
        let Some(state) = self.pods.get_mut(&key) else { return };
        let spec = state.pod.spec.clone();
        let sidecars = spec.init_containers.iter().filter(|container| container.is_sidecar());
        let mut due = Vec::new();
        for container in spec.containers.iter().chain(sidecars) {
            for (kind, probe) in [
                (ProbeKind::Startup, &container.startup),
                (ProbeKind::Readiness, &container.readiness),
                (ProbeKind::Liveness, &container.liveness),
            ] {
                let Some(probe) = probe else { continue };
                if state.probes.has_worker(container.name, kind) {
                    self.wake_new_workers(key, due, out);
                    return; // Meeting a worker ends the whole registration.
                }
                let stream = state.stream.part(&container.name).part(&kind.to_string());
                let delay = if probe.period > started.uptime(now) {
                    let ordinal = state.probes.workers.len() as u64;
                    draws.draw(START_DELAY, stream, ordinal).between(Default::default(), probe.period)
                } else {
                    Default::default()
                };
                let worker = ProbeWorker {
                    container: container.name,
                    kind,
                    probe: expanded(probe, container),
                    stream,
                    anchor: now + delay,
                    instance: ContainerId::NONE,
                    last: Verdict::Success,
                    run_length: 0,
                    on_hold: false,
                    timer,
                    state: WorkerState::Starting,
                    poked: false,
                    stopping: false,
                    stands_until: SimTime::ZERO,
                };
                due.push((state.probes.place(worker), delay));
            }
        }
        self.wake_new_workers(key, due, out);
    }

    fn wake_new_workers(&self, key: PodKey, due: Vec<((usize, u32), SimDuration)>, out: &mut Outbox<Message>) {
        for ((worker, timer), delay) in due {
            out.after(delay, self.message(KubeletMessage::ProbeDue { key, worker, timer }));
        }
    }

    /// Stops the workers of a pod: those of regular containers that could kill (`StopLivenessAndStartup`), or all.
    pub(super) fn stop_probes(&mut self, key: PodKey, all: bool) {
        let Some(state) = self.pods.get_mut(&key) else { return };
        let spec = state.pod.spec.clone();
        let mut forgotten = Vec::new();
        for worker in &mut state.probes.workers {
            let regular = spec.containers.iter().any(|container| container.name == worker.container);
            if !(all || regular && worker.kind != ProbeKind::Readiness) {
                continue;
            }
            if matches!(worker.state, WorkerState::Starting | WorkerState::Asking { .. }) {
                worker.stopping = true;
            } else {
                worker.state = WorkerState::Stopped;
                forgotten.push((worker.instance, worker.kind));
            }
        }
        for (instance, kind) in forgotten {
            state.probes.forget(instance, kind);
        }
        if all {
            state.probes.workers.clear();
        }
    }

    /// A worker's ticker fires.
    pub(super) fn probe_due(
        &mut self,
        now: SimTime,
        key: PodKey,
        worker: usize,
        timer: u32,
        out: &mut Outbox<Message>,
    ) {
        let Some(found) = self.pods.get_mut(&key).and_then(|state| state.probes.workers.get_mut(worker)) else {
            return;
        };
        if found.timer == timer
            && matches!(found.state, WorkerState::Starting | WorkerState::Idle | WorkerState::Asleep)
        {
            self.probe(now, key, worker, out);
        }
    }

    /// Pokes the readiness workers of containers that the status shows running but not ready.
    pub(super) fn poke_unready(&mut self, now: SimTime, key: PodKey, status: &PodStatus, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get_mut(&key) else { return };
        for place in state.probes.unready_workers(status) {
            let worker = &mut state.probes.workers[place];
            if matches!(worker.state, WorkerState::Idle | WorkerState::Asleep) {
                worker.state = WorkerState::Idle;
                worker.timer += 1;
                worker.anchor = now;
                let timer = worker.timer;
                let message = KubeletMessage::ProbeDue { key, worker: place, timer };
                out.now(Message::Kubelet(self.node, message));
            } else {
                worker.poked = true;
            }
        }
    }

    /// One turn of a worker (`doProbe`).
    fn probe(&mut self, now: SimTime, key: PodKey, place: usize, out: &mut Outbox<Message>) {
        let clock = self.clock;
        let Some(state) = self.pods.get_mut(&key) else { return };
        let Some(status) = state.status.as_ref().map(|tracked| tracked.status.clone()) else {
            return self.wait_for_news(now, key, place, out);
        };
        let pod = state.probed_pod();
        let worker = &mut state.probes.workers[place];
        if status.phase.is_terminal() {
            return self.stop_worker(key, place);
        }
        let container = status.containers.iter().chain(&status.init_containers).find(|c| c.name == worker.container);
        let Some(container) = container.filter(|container| !container.container_id.is_none()) else {
            return self.wait_for_news(now, key, place, out);
        };
        let found_before = self.found_before();
        let Some(state) = self.pods.get_mut(&key) else { return };
        let worker = &mut state.probes.workers[place];
        let (id, kind) = (container.container_id, worker.kind);
        if worker.instance != id {
            let before = std::mem::replace(&mut worker.instance, id);
            worker.on_hold = false;
            worker.stands_until = SimTime::ZERO;
            state.probes.forget(before, kind);
            let found =
                matches!(container.state, ContainerState::Running { started_at } if started_at.wall() < found_before);
            if found && kind == ProbeKind::Startup && container.started == Some(true) {
                // What counts as started after a restart of the kubelet is not probed again: what waits for the verdict
                // goes on (seen in the recordings: the next container starts at the worker's first turn).
                self.publish(now, key, id, kind, Verdict::Success, out);
            } else if !found {
                let first = match kind {
                    ProbeKind::Liveness => Verdict::Success,
                    ProbeKind::Readiness => Verdict::Failure,
                    ProbeKind::Startup => Verdict::Unknown,
                };
                self.publish(now, key, id, kind, first, out);
            }
        }
        let Some(state) = self.pods.get_mut(&key) else { return };
        let worker = &state.probes.workers[place];
        if worker.on_hold {
            return self.next_tick(now, key, place, out);
        }
        let ContainerState::Running { started_at } = &container.state else {
            self.publish(now, key, id, kind, Verdict::Failure, out);
            let spec = find_container(&pod.spec, container.name);
            let ended = matches!(container.state, ContainerState::Terminated(_));
            let over = ended && spec.is_some_and(|spec| !restarts_some_day(&pod, spec, container));
            let over = over && !restart_all_asked(&pod.spec, None, &status);
            return if over { self.stop_worker(key, place) } else { self.wait_for_news(now, key, place, out) };
        };
        if pod.meta.is_terminating() && kind != ProbeKind::Readiness {
            self.publish(now, key, id, kind, Verdict::Success, out);
            return self.stop_worker(key, place);
        }
        let running_for = clock.at(now).since(started_at.wall());
        let started = container.started == Some(true);
        let early = running_for.as_secs() < worker.probe.initial_delay.as_secs();
        if early && !planted::is(Bug::InitialDelayForgotten) {
            return self.next_tick(now, key, place, out);
        }
        if started == (kind == ProbeKind::Startup) {
            return self.wait_for_news(now, key, place, out);
        }
        self.ask(now, key, place, 1, out);
    }

    fn ask(&mut self, now: SimTime, key: PodKey, place: usize, tries: u32, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get_mut(&key) else { return };
        let worker = &mut state.probes.workers[place];
        let since = match worker.state {
            WorkerState::Asking { since, .. } => since,
            WorkerState::Starting | WorkerState::Idle | WorkerState::Asleep | WorkerState::Stopped => now,
        };
        worker.state = WorkerState::Asking { since, tries };
        let (handler, timeout, container, id) =
            (worker.probe.handler.clone(), worker.probe.timeout, worker.container, worker.instance);
        let run = HandlerRun::Probe { key, worker: place };
        self.run_handler(now, key, container, id, &handler, timeout, run, out);
    }

    /// An answer has come.
    pub(super) fn probe_answered(
        &mut self,
        now: SimTime,
        key: PodKey,
        place: usize,
        outcome: HandlerOutcome,
        out: &mut Outbox<Message>,
    ) {
        let Some(state) = self.pods.get_mut(&key) else { return };
        let Some(worker) = state.probes.workers.get_mut(place) else { return };
        let WorkerState::Asking { tries, .. } = worker.state else { return };
        let (kind, container, id) = (worker.kind, worker.container, worker.instance);
        let verdict = match outcome {
            HandlerOutcome::Error(_) if tries < TRIES => return self.ask(now, key, place, tries + 1, out),
            HandlerOutcome::Error(error) => {
                let text = format!("{kind} probe errored and resulted in unknown state: {error}");
                self.tell_container(now, key, container, EventType::Warning, "Unhealthy", text, out);
                return self.next_tick(now, key, place, out);
            }
            HandlerOutcome::Success { stands_until } => {
                worker.stands_until = stands_until;
                Verdict::Success
            }
            HandlerOutcome::Warning(text) => {
                let text = format!("{kind} probe warning: {text}");
                self.tell_container(now, key, container, EventType::Warning, "ProbeWarning", text, out);
                Verdict::Success
            }
            HandlerOutcome::Failure(text) | HandlerOutcome::Exited { output: text, .. } => {
                let text = format!("{kind} probe failed: {text}");
                self.tell_container(now, key, container, EventType::Warning, "Unhealthy", text, out);
                Verdict::Failure
            }
        };
        let Some(worker) = self.pods.get_mut(&key).and_then(|state| state.probes.workers.get_mut(place)) else {
            return;
        };
        if worker.last == verdict {
            worker.run_length += 1;
        } else {
            worker.last = verdict;
            worker.run_length = 1;
        }
        let threshold = match verdict {
            Verdict::Failure => worker.probe.failure_threshold,
            Verdict::Success | Verdict::Unknown => worker.probe.success_threshold,
        };
        let threshold = if planted::is(Bug::ThresholdOffByOne) { threshold - 1 } else { threshold };
        if worker.run_length >= threshold {
            if kind == ProbeKind::Startup || kind == ProbeKind::Liveness && verdict == Verdict::Failure {
                worker.on_hold = true;
                worker.run_length = 0;
            }
            self.publish(now, key, id, kind, verdict, out);
        }
        self.next_tick(now, key, place, out);
    }

    /// Sets a verdict and tells the main loop if it is news.
    fn publish(
        &mut self,
        now: SimTime,
        key: PodKey,
        id: ContainerId,
        kind: ProbeKind,
        verdict: Verdict,
        out: &mut Outbox<Message>,
    ) {
        let Some(state) = self.pods.get_mut(&key) else { return };
        if state.probes.set(id, kind, verdict) {
            let delay = self.main_loop_delay(now, key);
            out.after(delay, self.message(KubeletMessage::ProbeNews { key, id, kind, verdict }));
        }
    }

    /// The main loop hears of a verdict.
    pub(super) fn probe_news(
        &mut self,
        now: SimTime,
        key: PodKey,
        id: ContainerId,
        kind: ProbeKind,
        verdict: Verdict,
        out: &mut Outbox<Message>,
    ) {
        match kind {
            ProbeKind::Liveness if verdict != Verdict::Failure => return,
            ProbeKind::Liveness => {}
            ProbeKind::Readiness => self.set_container_ready(now, key, id, verdict == Verdict::Success, out),
            ProbeKind::Startup => self.set_container_started(now, key, id, verdict == Verdict::Success, out),
        }
        self.sync_soon(now, key, out);
    }

    /// Waits for the next tick, or runs at once if one went by or was asked for while the worker was busy.
    fn next_tick(&mut self, now: SimTime, key: PodKey, place: usize, out: &mut Outbox<Message>) {
        self.wait(now, key, place, false, out);
    }

    /// The same, but ticks go by that would find what this one did: until the container's status changes.
    fn wait_for_news(&mut self, now: SimTime, key: PodKey, place: usize, out: &mut Outbox<Message>) {
        self.wait(now, key, place, true, out);
    }

    fn wait(&mut self, now: SimTime, key: PodKey, place: usize, for_news: bool, out: &mut Outbox<Message>) {
        let every = self.every_probe;
        let node = self.node;
        let Some(worker) = self.pods.get_mut(&key).and_then(|state| state.probes.workers.get_mut(place)) else {
            return;
        };
        let since = match worker.state {
            WorkerState::Stopped => return,
            _ if worker.stopping => return self.stop_worker(key, place),
            WorkerState::Asking { since, .. } => since,
            WorkerState::Starting | WorkerState::Idle | WorkerState::Asleep => now,
        };
        worker.state = WorkerState::Idle;
        worker.timer += 1;
        let mut due = (since + SimDuration::from_nanos(1)).next_tick(worker.anchor, worker.probe.period).max(now);
        if std::mem::take(&mut worker.poked) {
            worker.anchor = now;
            due = now;
        }
        if !every && due > now {
            let settled = worker.last == Verdict::Success && worker.run_length >= worker.probe.success_threshold;
            if worker.on_hold || for_news {
                worker.state = WorkerState::Asleep;
                return;
            }
            if settled && worker.stands_until > due {
                worker.state = WorkerState::Asleep;
                if worker.stands_until == SimTime::MAX {
                    return;
                }
                due = worker.stands_until.next_tick(worker.anchor, worker.probe.period);
            }
        }
        let message = KubeletMessage::ProbeDue { key, worker: place, timer: worker.timer };
        out.after(due.since(now), Message::Kubelet(node, message));
    }

    fn stop_worker(&mut self, key: PodKey, place: usize) {
        let Some(state) = self.pods.get_mut(&key) else { return };
        let worker = &mut state.probes.workers[place];
        worker.state = WorkerState::Stopped;
        let (instance, kind) = (worker.instance, worker.kind);
        state.probes.forget(instance, kind);
    }

    /// Wakes workers that sleep because nothing could change: the container they watch has changed.
    pub(super) fn wake_probes(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let node = self.node;
        let Some(state) = self.pods.get_mut(&key) else { return };
        for (place, worker) in state.probes.workers.iter_mut().enumerate() {
            worker.stands_until = SimTime::ZERO;
            if worker.state != WorkerState::Asleep {
                continue;
            }
            worker.state = WorkerState::Idle;
            worker.timer += 1;
            let after = now + SimDuration::from_nanos(1);
            let due = after.next_tick(worker.anchor, worker.probe.period);
            let message = KubeletMessage::ProbeDue { key, worker: place, timer: worker.timer };
            out.after(due.since(now), Message::Kubelet(node, message));
        }
    }
}

fn find_container(spec: &PodSpec, name: Name) -> Option<&Container> {
    spec.created_containers().find(|container| container.name == name)
}

/// Whether a container that has ended is ever started again.
fn restarts_some_day(pod: &Pod, container: &Container, status: &ContainerStatus) -> bool {
    status.state.terminated().is_none_or(|end| restarts_after(&pod.spec, container, end.exit_code))
}

/// A probe with the variables of its command replaced by what the container's spec says literally, the last one of a
/// name; the values of others are not known here, so that they are empty (`ExpandContainerCommandOnlyStatic`).
fn expanded(probe: &Probe, container: &Container) -> Probe {
    let mut probe = probe.clone();
    if let Handler::Exec { command } = &mut probe.handler
        && command.iter().any(|word| word.contains('$'))
    {
        let literal = |variable: &EnvVar| match &variable.value {
            EnvValue::Literal(text) => (variable.name, text.clone()),
            EnvValue::Field(_)
            | EnvValue::Resource(_)
            | EnvValue::ConfigMapKey(_)
            | EnvValue::SecretKey(_)
            | EnvValue::FileKey(_) => (variable.name, Text::default()),
        };
        let env: Vec<(Name, Text)> = container.env.iter().rev().map(literal).collect();
        *command = command.iter().map(|word| expand(word, &env)).collect();
    }
    probe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Object, Timestamp, lower};

    /// `setReadyStateOnKubeletRestart`: of what ran before the kubelet did, only what is probed is as ready as its pod.
    /// Statuses are in the order of their names, containers as they were written.
    #[test]
    fn after_a_restart_an_unready_pod_keeps_what_is_probed_unready() {
        let running = |name: &str| {
            serde_json::json!({"name": name, "image": name, "imageID": name, "ready": false, "restartCount": 0,
                "state": {"running": {"startedAt": "1970-01-01T00:01:40Z"}}})
        };
        let manifest = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
            "spec": {"containers": [
                {"name": "web", "image": "web", "readinessProbe": {"tcpSocket": {"port": 80}}},
                {"name": "log", "image": "log"},
            ]},
            "status": {"containerStatuses": [running("log"), running("web")]},
        });
        let Ok(Object::Pod(pod)) = lower(&manifest).map(|lowered| lowered.object) else { panic!("a pod") };
        // (the kubelet started at, its pod is ready, is the probed container, is the other one)
        for (restarted_at, pod_ready, web, log) in
            [(200, false, false, true), (200, true, true, true), (50, false, true, true)]
        {
            let mut status = PodStatus::clone(&pod.status);
            let found_before = Timestamp::from_unix_secs(restarted_at).wall();
            let known = KnownBefore { status: &pod.status, pod_ready, found_before };
            PodProbes::default().mark(&pod.spec, known, &mut status);
            let ready: Vec<bool> = status.containers.iter().map(|container| container.ready).collect();
            assert_eq!(ready, [log, web], "restarted at {restarted_at}, ready: {pod_ready}");
        }
    }

    #[test]
    fn commands_of_probes_know_only_what_the_spec_says_literally() {
        let manifest = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
            "spec": {"containers": [{"name": "web", "image": "web",
                "env": [
                    {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)"}, {"name": "A", "value": "2"},
                    {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                ],
                "readinessProbe": {"exec": {"command": ["t", "$(A)", "$(B)", "[$(IP)]", "$(C)", "$$(A)"]}},
            }]},
        });
        let Ok(Object::Pod(pod)) = lower(&manifest).map(|lowered| lowered.object) else { panic!("a pod") };
        let container = &pod.spec.containers[0];
        let probe = expanded(container.readiness.as_ref().expect("it has one"), container);
        let Handler::Exec { command } = &probe.handler else { panic!("a command") };
        let words: Vec<&str> = command.iter().map(|word| &**word).collect();
        assert_eq!(words, ["t", "2", "$(A)", "[]", "$(C)", "$(A)"]);
    }
}
