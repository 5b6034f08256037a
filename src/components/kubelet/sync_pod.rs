//! What a sync does for a pod, step by step: status first, then volumes, kills, the sandbox, and starts in order.
//!
//! Follows `pkg/kubelet/kubelet.go` (`SyncPod`) and `pkg/kubelet/kuberuntime/kuberuntime_manager.go` (`SyncPod`) of
//! Kubernetes 1.36. The status that a sync reports is what was known before it acts. A sync that has begun with the
//! runtime is not interrupted, not even by deletion.

use super::actions::{PodActions, pod_actions};
use super::container_start::{ContainerStart, StartEnd, StartItem, StartKind};
use super::image_volumes::{ImageVolume, image_volumes};
use super::images::ImageOutcome;
use super::pod_worker::{Activity, TurnEnd};
use super::probe::ProbeVerdicts;
use super::status::StatusInput;
use super::termination::{ContainerKill, KillOrder, PodKill};
use super::{Kubelet, KubeletMessage, PendingCri};
use crate::api::{
    ALL_CONTAINERS_RESTARTING, ContainerId, EventType, Name, POD_READY_TO_START_CONTAINERS, Pod, PodStatus,
};
use crate::components::cri::{CriCall, CriReply, CriResult, InstanceState, PodKey, RuntimePod};
use crate::components::message::Message;
use crate::components::pod_names::{HostName, Resolver};
use crate::engine::{Outbox, SimDuration, SimTime};
use std::collections::VecDeque;
use std::sync::Arc;

/// A sync under way.
#[derive(Debug, Clone)]
pub struct SyncPod {
    /// The version of the pod that is synced.
    pub(super) pod: Arc<Pod>,
    /// What the runtime said when the sync began.
    pub(super) runtime: Arc<RuntimePod>,
    pub(super) stage: Stage,
    pub(super) actions: PodActions,
    /// The sandbox that containers are started in.
    pub(super) sandbox: Option<ContainerId>,
    /// Whether anything was done.
    acted: bool,
    pub(super) failed: bool,
    back_off_until: Option<SimTime>,
    /// Whether instances were removed for a restart in place.
    reset: bool,
    /// Whether somebody waits for the next look at the pod, whatever it finds.
    pub(super) watched: bool,
    /// Whether resources were changed already.
    resized: bool,
    /// Why images of volumes cannot be had.
    pub(super) image_volume_errors: Vec<(Name, ImageOutcome)>,
}

/// The step of a sync.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// Waiting for volumes, until when at most.
    Volumes { deadline: SimTime },
    /// Killing everything.
    KillPod(Box<PodKill>),
    /// Killing some containers, one after another.
    KillContainers { left: VecDeque<ContainerKill>, current: Box<PodKill> },
    /// Removing instances.
    Remove { left: VecDeque<ContainerId> },
    /// Looking at the pod's claims on devices, one after another.
    Claims { at: usize },
    /// Making the sandbox.
    Sandbox,
    /// Getting the images of volumes.
    ImageVolumes { left: VecDeque<ImageVolume> },
    /// Changing the resources of what runs.
    Resize { left: VecDeque<ResizeStep> },
    /// Starting containers.
    Start { left: VecDeque<StartItem>, current: Option<Box<ContainerStart>> },
}

/// A call that changes resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResizeStep {
    /// What is used is looked at, because limits of memory become smaller.
    Measure,
    /// Of the whole pod.
    Sandbox(ContainerId),
    /// Of a container.
    Container(ContainerId, Name),
}

/// How a sync ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SyncEnd {
    /// Well.
    Done { acted: bool },
    /// The pod is finished.
    Terminal,
    /// Something failed, perhaps with a time for another try.
    Failed { until: Option<SimTime> },
}

impl Kubelet {
    /// Generates a pod's status and stores it.
    pub(super) fn refresh_status(
        &mut self,
        now: SimTime,
        key: PodKey,
        runtime: &RuntimePod,
        terminal: bool,
        out: &mut Outbox<Message>,
    ) {
        let Some(pod) = self.pods.get(&key).map(|state| state.pod.clone()) else { return };
        if let Some(status) = self.generate_status(now, key, &pod, runtime, terminal, out) {
            self.set_pod_status(now, key, status, out);
        }
    }

    /// Generates a pod's status, and pokes the readiness probes of what is not ready.
    pub(super) fn generate_status(
        &mut self,
        now: SimTime,
        key: PodKey,
        pod: &Pod,
        runtime: &RuntimePod,
        terminal: bool,
        out: &mut Outbox<Message>,
    ) -> Option<PodStatus> {
        let deadline_exceeded = self.deadline_exceeded(now, key, pod);
        let state = self.pods.get(&key)?;
        let input = StatusInput {
            pod,
            runtime,
            resizing: &state.resizing,
            old: state.status.as_ref().map_or(&state.pod.status, |tracked| &tracked.status),
            start_errors: &state.start_errors,
            probes: &state.probes,
            terminal,
            deadline_exceeded,
            host_ip: self.address,
            clock: self.clock,
            found_before: self.found_before(),
            now,
        };
        let status = input.generate();
        self.poke_unready(now, key, &status, out);
        if deadline_exceeded {
            let text = "Pod was active on the node longer than the specified deadline";
            self.tell_pod(now, key, EventType::Normal, "DeadlineExceeded", text, out);
        }
        Some(status)
    }

    /// Begins a sync.
    pub(super) fn begin_sync(&mut self, now: SimTime, key: PodKey, pod: &Arc<Pod>, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        let runtime = state.cached.clone();
        self.check_resize(now, key, &runtime, out);
        let Some(status) = self.generate_status(now, key, pod, &runtime, false, out) else { return };
        let terminal = status.phase.is_terminal();
        self.set_pod_status(now, key, status, out);
        if terminal {
            return self.sync_ended(now, key, SyncEnd::Terminal, out);
        }
        self.watch_deadline(now, key, out);
        if let Some(error) = self.network_error(now).filter(|_| !pod.spec.host_network) {
            self.tell_pod(
                now,
                key,
                EventType::Warning,
                "NetworkNotReady",
                format!("network is not ready: {error}"),
                out,
            );
            return self.turn_ended(now, key, TurnEnd::NoNetwork, out);
        }
        let deadline = now + super::config::VOLUME_TIMEOUT;
        let sync = SyncPod {
            pod: pod.clone(),
            runtime,
            stage: Stage::Volumes { deadline },
            actions: PodActions::default(),
            sandbox: None,
            acted: false,
            failed: false,
            back_off_until: None,
            reset: false,
            watched: false,
            resized: false,
            image_volume_errors: Vec::new(),
        };
        let Some(worker) = self.worker(key) else { return };
        worker.activity = Activity::Syncing(Box::new(sync));
        if !(key.is_static() && self.reconcile_mirror(key, out)) {
            self.wait_for_volumes(now, key, out);
        }
    }

    fn worker(&mut self, key: PodKey) -> Option<&mut super::pod_worker::Worker> {
        self.pods.get_mut(&key)?.worker.as_mut()
    }

    pub(super) fn sync(&mut self, key: PodKey) -> Option<&mut SyncPod> {
        match &mut self.worker(key)?.activity {
            Activity::Syncing(sync) => Some(sync),
            _ => None,
        }
    }

    pub(super) fn turn(&self, key: PodKey) -> u32 {
        self.pods.get(&key).and_then(|state| state.worker.as_ref()).map_or(0, |worker| worker.turn)
    }

    /// Calls the runtime for the worker's present step.
    pub(super) fn call_for_step(&mut self, now: SimTime, key: PodKey, call: CriCall, out: &mut Outbox<Message>) {
        let delay = self.step_takes(now, key, "step");
        self.call_after(delay, key, call, out);
    }

    /// The same, when the kubelet has computed for a given time.
    pub(super) fn call_after(&mut self, delay: SimDuration, key: PodKey, call: CriCall, out: &mut Outbox<Message>) {
        if self.pods.contains_key(&key) {
            let turn = self.turn(key);
            self.call_runtime(delay, call, PendingCri::Step { key, turn }, out);
        }
    }

    /// What the kubelet computes between two calls for a pod.
    pub(super) fn step_takes(&self, now: SimTime, key: PodKey, what: &str) -> SimDuration {
        let stream = self.pods.get(&key).map_or(self.stream, |state| state.stream);
        self.latency(|profile| &profile.sync_step, now, stream.part(what))
    }

    /// Volumes are there: the rest of the sync begins (`SyncPod` of the runtime manager).
    pub(super) fn volumes_ready(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        let unprobed = state.probed.is_none() || state.probes.is_empty();
        self.tell_missing_pull_secrets(now, key, out);
        self.add_probes(now, key, out);
        let Some(state) = self.pods.get_mut(&key) else { return };
        if unprobed && !state.probes.is_empty() {
            state.probed = Some(state.pod.clone());
        }
        let Some(Activity::Syncing(sync)) = state.worker.as_ref().map(|worker| &worker.activity) else { return };
        let restart_all =
            state.status.as_ref().is_some_and(|tracked| tracked.status.is_true(*ALL_CONTAINERS_RESTARTING));
        let resized = state.resizing.restarts(&sync.pod.spec, &sync.runtime);
        let verdicts = ProbeVerdicts { probes: &state.probes, resized: &resized };
        let reset = restart_all && !sync.runtime.containers.is_empty();
        let actions = pod_actions(&sync.pod, &sync.runtime, &verdicts, reset);
        let (pod, runtime) = (sync.pod.clone(), sync.runtime.clone());
        let replaces = actions.create_sandbox.is_some() && actions.sandbox.is_some();
        if let Some(sync) = self.sync(key) {
            sync.actions = actions.clone();
            sync.sandbox = actions.sandbox.filter(|_| actions.create_sandbox.is_none());
        }
        if replaces {
            let text = "Pod sandbox changed, it will be killed and re-created.";
            self.tell_pod(now, key, EventType::Normal, "SandboxChanged", text, out);
        }
        if actions.kill_pod {
            let kill = PodKill::everything(&pod, &runtime, KillOrder::for_pod(&pod, &runtime), None);
            return self.kill_everything(now, key, kill, out);
        }
        let kills = actions.kill.iter().map(|action| ContainerKill::of(&pod, action)).collect();
        self.kill_next(now, key, kills, out);
    }

    fn kill_everything(&mut self, now: SimTime, key: PodKey, kill: PodKill, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        sync.acted |= !kill.is_empty();
        sync.stage = Stage::KillPod(Box::new(kill));
        self.advance_kill(now, key, out);
    }

    /// Kills the next container of the list, or goes on.
    fn kill_next(&mut self, now: SimTime, key: PodKey, mut left: VecDeque<ContainerKill>, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        let Some(next) = left.pop_front() else { return self.kills_done(now, key, out) };
        sync.acted = true;
        sync.stage = Stage::KillContainers { left, current: Box::new(PodKill::one(next)) };
        self.advance_kill(now, key, out);
    }

    /// A kill within a sync is over.
    pub(super) fn sync_kill_done(&mut self, now: SimTime, key: PodKey, ok: bool, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        let creates = sync.actions.create_sandbox.is_some();
        match &mut sync.stage {
            Stage::KillContainers { left, .. } if ok => {
                let left = std::mem::take(left);
                self.kill_next(now, key, left, out);
            }
            Stage::KillPod(_) if ok && creates => {
                self.purge_init_containers(now, key, out);
                self.make_sandbox(now, key, out);
            }
            Stage::KillPod(_) if ok => self.finish_sync(now, key, out),
            _ => {
                sync.failed = true;
                self.finish_sync(now, key, out);
            }
        }
    }

    /// The containers that had to go are gone.
    fn kills_done(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        if !sync.actions.reset.is_empty() {
            sync.reset = true;
            sync.acted = true;
            let running: VecDeque<ContainerKill> = sync
                .actions
                .reset
                .iter()
                .filter_map(|id| {
                    let instance = sync.runtime.containers.iter().find(|instance| instance.id == *id)?;
                    (instance.state == InstanceState::Running)
                        .then(|| ContainerKill::in_place(&sync.pod, instance.name, *id))
                })
                .collect();
            let left: VecDeque<ContainerId> = std::mem::take(&mut sync.actions.reset).into();
            if running.is_empty() {
                sync.stage = Stage::Remove { left };
                return self.remove_next(now, key, out);
            }
            sync.actions.reset = left.into();
            let done = std::mem::take(&mut sync.actions.reset);
            sync.actions.kill.clear();
            sync.runtime = stopped(&sync.runtime);
            sync.actions.reset = done;
            return self.kill_next(now, key, running, out);
        }
        if sync.actions.create_sandbox.is_some() {
            return self.make_sandbox(now, key, out);
        }
        self.begin_starts(now, key, out);
    }

    fn remove_next(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        let Stage::Remove { left } = &mut sync.stage else { return };
        match left.pop_front() {
            Some(container) => self.call_for_step(now, key, CriCall::RemoveContainer { key, container }, out),
            None => self.finish_sync(now, key, out),
        }
    }

    /// After a change of sandbox initialisation begins anew: old init containers are forgotten.
    fn purge_init_containers(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        let names: Vec<_> = sync.pod.spec.init_containers.iter().map(|container| container.name).collect();
        let ids: Vec<ContainerId> = sync
            .runtime
            .containers
            .iter()
            .filter(|instance| names.contains(&instance.name))
            .map(|instance| instance.id)
            .collect();
        for container in ids {
            self.call_runtime(
                self.latency(|profile| &profile.sync_step, now, self.stream),
                CriCall::RemoveContainer { key, container },
                PendingCri::Nobody,
                out,
            );
        }
    }

    fn make_sandbox(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        sync.acted = true;
        self.prepare_claims(now, key, 0, out);
    }

    /// The pod has what it takes to make a sandbox.
    pub(super) fn run_sandbox(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        let attempt = sync.actions.create_sandbox.expect("a sandbox is wanted");
        sync.stage = Stage::Sandbox;
        let pod = sync.pod.clone();
        if let Err(error) = HostName::of(&pod).of_kernel(&pod)
            && !pod.spec.host_network
        {
            return self.sandbox_failed(now, key, &error, out);
        }
        self.tell_of_resolver(now, key, &pod, out);
        // The directory of its logs is made first.
        let delay = self.step_takes(now, key, "step") + self.on_disk(|profile| &profile.directories, now, key, "logs");
        self.call_after(delay, key, CriCall::RunPodSandbox { pod, key, attempt }, out);
    }

    /// The runtime answers the worker's present step.
    pub(super) fn step_answered(
        &mut self,
        now: SimTime,
        key: PodKey,
        turn: u32,
        result: CriResult,
        out: &mut Outbox<Message>,
    ) {
        if self.turn(key) != turn {
            return;
        }
        let Some(sync) = self.sync(key) else { return self.kill_step_answered(now, key, result, out) };
        match &sync.stage {
            Stage::Sandbox => self.sandbox_made(now, key, result, out),
            Stage::Remove { .. } => self.remove_next(now, key, out),
            Stage::Resize { .. } => self.resize_answered(now, key, result, out),
            Stage::ImageVolumes { .. } => self.image_step_answered(now, key, result, out),
            Stage::Start { .. } => self.start_answered(now, key, result, out),
            Stage::KillPod(_) | Stage::KillContainers { .. } => self.kill_step_answered(now, key, result, out),
            Stage::Volumes { .. } | Stage::Claims { .. } => {}
        }
    }

    fn sandbox_made(&mut self, now: SimTime, key: PodKey, result: CriResult, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        match result {
            Ok(CriReply::Sandbox { id, .. }) => {
                sync.sandbox = Some(id);
                self.note_sandbox_ready(now, key, out);
                self.begin_starts(now, key, out);
            }
            Ok(_) => unreachable!("RunPodSandbox answers with a sandbox"),
            Err(error) => self.sandbox_failed(now, key, &error.rpc_text(), out),
        }
    }

    /// There is no sandbox: people are told, and the sync is over.
    fn sandbox_failed(&mut self, now: SimTime, key: PodKey, why: &str, out: &mut Outbox<Message>) {
        let worker = self.pods.get(&key).and_then(|state| state.worker.as_ref());
        let terminating = worker.is_some_and(super::pod_worker::Worker::is_terminating);
        let Some(sync) = self.sync(key) else { return };
        sync.failed = true;
        if !terminating {
            let text = format!("Failed to create pod sandbox: {why}");
            self.tell_pod(now, key, EventType::Warning, "FailedCreatePodSandBox", text, out);
        }
        self.finish_sync(now, key, out);
    }

    /// Tells what was left out of the containers' `resolv.conf`: for the sandbox, and whenever containers might be
    /// started (`generatePodSandboxConfig`).
    fn tell_of_resolver(&mut self, now: SimTime, key: PodKey, pod: &Pod, out: &mut Outbox<Message>) {
        if pod.spec.dns.is_some() {
            for warning in Resolver::of(pod).1 {
                self.tell_pod(now, key, EventType::Warning, "DNSConfigForming", warning, out);
            }
        }
    }

    /// The sandbox is up: its condition is reported before anything is pulled (`OnPodSandboxReady`).
    fn note_sandbox_ready(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let stamp = self.clock.at(now).truncated();
        let Some(tracked) = self.pods.get(&key).and_then(|state| state.status.as_ref()) else { return };
        let mut status = PodStatus::clone(&tracked.status);
        let generation = status.observed_generation;
        let mut condition =
            crate::api::Condition::new(*POD_READY_TO_START_CONTAINERS, crate::api::ConditionStatus::True, stamp);
        condition.observed_generation = generation;
        status.set_condition(condition);
        self.set_pod_status(now, key, status, out);
    }

    /// Containers are started, once the images of volumes were looked for: by every sync, also one that starts none.
    fn begin_starts(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(pod) = self.sync(key).map(|sync| sync.pod.clone()) else { return };
        self.tell_of_resolver(now, key, &pod, out);
        let Some(sync) = self.sync(key) else { return };
        let left = image_volumes(&sync.pod);
        if left.is_empty() {
            return self.begin_first_starts(now, key, out);
        }
        sync.stage = Stage::ImageVolumes { left };
        self.ensure_image_volume(now, key, out);
    }

    /// The images of volumes are there, or are known to be missing.
    pub(super) fn begin_first_starts(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        let item = |kind, places: &[usize]| places.iter().map(|&place| StartItem { kind, place }).collect::<Vec<_>>();
        let left: VecDeque<StartItem> = item(StartKind::Ephemeral, &sync.actions.start_ephemeral)
            .into_iter()
            .chain(item(StartKind::Init, &sync.actions.start_init))
            .collect();
        sync.stage = Stage::Start { left, current: None };
        self.start_next(now, key, out);
    }

    /// Ephemeral and init containers are started: resources are changed, then the regular ones follow.
    fn begin_resize(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        sync.resized = true;
        let (sandbox, runtime) = (sync.sandbox, sync.runtime.clone());
        let left = sandbox.map(|sandbox| self.resize_steps(key, sandbox, &runtime)).unwrap_or_default();
        if left.is_empty() {
            return self.begin_regular_starts(now, key, out);
        }
        let Some(sync) = self.sync(key) else { return };
        sync.acted = true;
        sync.stage = Stage::Resize { left };
        self.resize_next(now, key, out);
    }

    /// Regular containers are started.
    pub(super) fn begin_regular_starts(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        let item = |&place| StartItem { kind: StartKind::Regular, place };
        sync.stage = Stage::Start { left: sync.actions.start.iter().map(item).collect(), current: None };
        self.start_next(now, key, out);
    }

    /// Starts the next container of the list, or ends the sync.
    pub(super) fn start_next(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        let Stage::Start { left, current } = &mut sync.stage else { return };
        *current = None;
        match left.pop_front() {
            Some(item) => self.begin_start(now, key, item, out),
            None if !sync.resized => self.begin_resize(now, key, out),
            None => self.finish_sync(now, key, out),
        }
    }

    /// The start of a container is over.
    pub(super) fn start_ended(
        &mut self,
        now: SimTime,
        key: PodKey,
        item: StartItem,
        end: StartEnd,
        out: &mut Outbox<Message>,
    ) {
        let Some(sync) = self.sync(key) else { return };
        let sidecar = item.kind == StartKind::Init && sync.pod.spec.init_containers[item.place].is_sidecar();
        match end {
            StartEnd::Started => sync.acted = true,
            StartEnd::Failed { until } => {
                sync.failed = true;
                if let Some(until) = until {
                    sync.back_off_until = Some(sync.back_off_until.map_or(until, |have| have.min(until)));
                }
                if item.kind == StartKind::Init && !sidecar {
                    return self.finish_sync(now, key, out); // Nothing later may begin.
                }
            }
        }
        self.start_next(now, key, out);
    }

    /// The sync is over.
    pub(super) fn finish_sync(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        let (acted, reset, watched) = (sync.acted, sync.reset, sync.watched);
        let end = if sync.failed { SyncEnd::Failed { until: sync.back_off_until } } else { SyncEnd::Done { acted } };
        if reset
            && end == (SyncEnd::Done { acted })
            && let Some(worker) = self.worker(key)
        {
            worker.ask_again();
        }
        if watched && let Some(state) = self.pods.get_mut(&key) {
            state.resizing.watched = true;
        }
        self.sync_ended(now, key, end, out);
        if end == (SyncEnd::Done { acted: true }) {
            self.relist_soon(now, key, out);
        }
    }

    /// Deletion cuts short a wait for volumes, and nothing else.
    pub(super) fn cancel_wait(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let waits = self.sync(key).is_some_and(|sync| matches!(sync.stage, Stage::Volumes { .. }));
        if waits {
            self.turn_ended(now, key, TurnEnd::Failed, out);
        }
    }

    /// Whether the pod has been active for longer than it may (`active_deadline.go`).
    fn deadline_exceeded(&self, now: SimTime, key: PodKey, pod: &Pod) -> bool {
        self.deadline(key, pod).is_some_and(|deadline| now >= deadline)
    }

    /// When the pod has been active for as long as it may; its start is known in whole seconds only.
    fn deadline(&self, key: PodKey, pod: &Pod) -> Option<SimTime> {
        let state = self.pods.get(&key)?;
        let seconds = pod.spec.active_deadline?;
        let status = state.status.as_ref().map_or(&*state.pod.status, |tracked| &tracked.status);
        Some(self.clock.when(status.start_time?.plus_secs(seconds).wall()))
    }

    /// Plans the tick at which the deadline is found to have passed.
    fn watch_deadline(&self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(deadline) = self.pods.get(&key).and_then(|state| self.deadline(key, &state.pod)) else { return };
        let due = deadline.max(now).next_tick(self.tick_phase, super::config::SYNC_TICK);
        out.after(due.since(now), self.message(KubeletMessage::DeadlineTick { key }));
    }

    /// The tick at which a deadline has passed: the pod is synced until it terminates.
    pub(super) fn deadline_tick(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        if self.pods.get(&key).is_some_and(|state| self.deadline_exceeded(now, key, &state.pod)) {
            self.sync_soon(now, key, out);
        }
    }
}

/// The same pod with nothing running: what a reset finds after its kills.
fn stopped(runtime: &RuntimePod) -> Arc<RuntimePod> {
    let mut stopped = runtime.clone();
    for instance in &mut stopped.containers {
        instance.state = InstanceState::Exited;
    }
    Arc::new(stopped)
}
