//! Pod workers: one state machine a pod, strictly forward from sync over terminating to terminated.
//!
//! Follows `pkg/kubelet/pod_workers.go` of Kubernetes 1.36. A worker does one thing at a time; updates that come
//! meanwhile collapse into one. Before it begins it waits until the runtime was looked at after it last ended.

use super::config::{BACK_OFF_PERIOD, NETWORK_BACK_OFF, SYNC_TICK};
use super::image_volumes::has_image_volumes;
use super::status_manager::has_pod_initialized;
use super::sync_pod::{SyncEnd, SyncPod};
use super::termination::PodKill;
use super::{Kubelet, KubeletMessage, PodState};
use crate::api::{EventType, Name, Pod, Text};
use crate::components::cri::PodKey;
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};
use crate::planted::{self, Bug};
use std::sync::Arc;

/// A pod's worker.
#[derive(Debug, Clone, Default)]
pub struct Worker {
    /// When termination was asked for.
    pub(super) terminating_at: Option<SimTime>,
    /// When every container had stopped.
    pub(super) terminated_at: Option<SimTime>,
    /// Whether everything that the pod had on the node is given back.
    pub(super) finished: bool,
    /// Whether the pod was removed or is being deleted.
    pub(super) deleted: bool,
    /// Whether it was evicted.
    pub(super) evicted: bool,
    /// The smallest grace seen so far, in seconds; zero before there is one.
    pub(super) grace: i64,
    /// What the pod's status says while it is killed, if somebody else has a say.
    pub(super) override_status: Option<StatusOverride>,
    /// A new pod of the same identity waits for this one to finish.
    pub(super) restart_requested: bool,
    pending: Option<UpdateKind>,
    pub(super) activity: Activity,
    /// Counts what the worker does, so that late answers find nobody.
    pub(super) turn: u32,
    last_ended: Option<SimTime>,
    requeued_for: Option<SimTime>,
}

/// What a worker is doing.
#[derive(Debug, Clone, Default)]
pub(super) enum Activity {
    /// Nothing.
    #[default]
    Idle,
    /// It was told that there is something to do.
    Waking,
    /// It knows what to do, and waits until the runtime was looked at.
    AwaitingRelist(Assignment),
    /// It brings the pod nearer to what its spec says.
    Syncing(Box<SyncPod>),
    /// It stops every container.
    Terminating(Box<PodKill>),
    /// It gives back what the pod had.
    CleaningUp { initialized: bool },
}

/// What a worker does next, as it was when the worker took it: later news is for its next turn (`startPodSync`).
#[derive(Debug, Clone)]
pub(super) enum Assignment {
    /// To bring this version of the pod nearer to its spec.
    Sync(Arc<Pod>),
    /// To stop every container.
    Terminate,
    /// To give back what the pod had, which had got past its init containers or not.
    CleanUp { initialized: bool },
}

/// What an update is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UpdateKind {
    /// The pod is new.
    Create,
    /// Its spec, or its deletion, changed.
    Update,
    /// Something may have to be done.
    Sync,
    /// It is to go.
    Kill,
}

/// A status that whoever kills a pod gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusOverride {
    /// The reason.
    pub reason: Name,
    /// The message.
    pub message: Text,
    /// The text of the condition DisruptionTarget, if it gets one.
    pub disruption: Option<Text>,
}

/// How a turn of a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TurnEnd {
    /// Well; the pod goes on as it is.
    Done,
    /// Well, and the pod goes over to its next state.
    Transition,
    /// Something failed.
    Failed,
    /// The node has no network for the pod.
    NoNetwork,
    /// Something failed that has a time of its own for another try.
    BackOff { until: SimTime },
}

impl Worker {
    pub(super) const fn is_terminating(&self) -> bool {
        self.terminating_at.is_some()
    }

    pub(super) const fn is_terminated(&self) -> bool {
        self.terminated_at.is_some()
    }

    pub(super) const fn last_ended(&self) -> Option<SimTime> {
        self.last_ended
    }

    pub(super) const fn requeued_for(&self) -> Option<SimTime> {
        self.requeued_for
    }

    /// Asks for another turn after this one.
    pub(super) fn ask_again(&mut self) {
        self.pending.get_or_insert(UpdateKind::Sync);
    }

    const fn is_busy(&self) -> bool {
        !matches!(self.activity, Activity::Idle)
    }

    /// Whether the worker may begin: the runtime was looked at after it last ended.
    fn is_fresh(&self, relisted_at: Option<SimTime>, observed_at: Option<SimTime>) -> bool {
        let Some(ended) = self.last_ended else { return relisted_at.is_some() };
        relisted_at.is_some_and(|at| at > ended) || observed_at.is_some_and(|at| at > ended)
    }
}

impl PodState {
    /// Whether its worker waits for a look at the runtime.
    fn awaits_relist(&self) -> bool {
        self.worker.as_ref().is_some_and(|worker| matches!(worker.activity, Activity::AwaitingRelist(_)))
    }
}

impl Kubelet {
    /// A pod is new: it is admitted, or refused for good.
    pub(super) fn pod_added(&mut self, now: SimTime, key: PodKey, pod: Arc<Pod>, out: &mut Outbox<Message>) {
        let mut state = PodState::new(key, pod.clone());
        state.added_at = now;
        self.restore_allocation(key, &mut state);
        self.claim(key, &mut state);
        self.pods.insert(key, Box::new(state));
        if !pod.meta.is_terminating() && !pod.is_terminal() && !self.admit(now, key, out) {
            if self.pods.get(&key).is_some_and(|state| state.runtime.anything_runs()) {
                self.want_housekeeping(now, out);
            }
            return;
        }
        let from = self.admitting_until.max(now);
        self.admitting_until = from + self.on_disk(|profile| &profile.admit, from, key, "admit");
        if let Some(state) = self.pods.get_mut(&key) {
            state.admitted_at = self.admitting_until;
        }
        self.update_pod(now, key, UpdateKind::Create, out);
    }

    /// A pod is gone from the API.
    pub(super) fn pod_removed(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get_mut(&key) else { return };
        state.configured = false;
        if !self.kept_objects.is_empty() {
            self.release_objects();
        }
        let Some(state) = self.pods.get(&key) else { return };
        if state.worker.is_none() {
            if let Some(state) = self.pods.remove(&key) {
                self.leave_to_gc(now, key, *state, out);
            }
            return;
        }
        self.update_pod(now, key, UpdateKind::Kill, out);
        self.want_housekeeping(now, out);
    }

    /// Something may have to be done for a pod.
    pub(super) fn sync_soon(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        if state.worker.is_some() {
            self.update_pod(now, key, UpdateKind::Sync, out);
        }
    }

    /// Tells a pod's worker (`UpdatePod`).
    pub(super) fn update_pod(&mut self, now: SimTime, key: PodKey, kind: UpdateKind, out: &mut Outbox<Message>) {
        let turn = self.first_turn();
        let Some(state) = self.pods.get_mut(&key) else { return };
        let pod = state.pod.clone();
        if planted::is(Bug::ForcedDeletionUnseen) && pod.meta.deletion_grace_period == Some(0) {
            return;
        }
        let first = state.worker.is_none();
        let worker = state.worker.get_or_insert_with(|| Worker { turn, ..Worker::default() });
        if first && pod.is_terminal() && !state.runtime.anything_runs() && state.runtime.ready_sandbox().is_none() {
            worker.terminating_at = Some(now);
            worker.terminated_at = Some(now);
        }
        if worker.is_terminating() && kind == UpdateKind::Create && !first {
            worker.restart_requested = true;
            return;
        }
        if worker.finished {
            return;
        }
        let mut cancels = false;
        if !worker.is_terminating() && (pod.meta.is_terminating() || pod.is_terminal() || kind == UpdateKind::Kill) {
            worker.deleted = pod.meta.is_terminating() || !state.configured;
            worker.terminating_at = Some(now);
            cancels = true;
        }
        if worker.is_terminating() && !worker.is_terminated() {
            let grace = effective_grace(worker.grace, &pod, None);
            cancels |= worker.grace != 0 && worker.grace != grace;
            worker.grace = grace;
        }
        worker.pending = Some(merge(worker.pending, kind));
        if cancels {
            self.cancel_wait(now, key, out);
        }
        self.wake_worker(now, key, out);
    }

    /// Kills a pod for a reason of the node's: eviction, preemption, shutdown.
    pub(super) fn kill_pod(
        &mut self,
        now: SimTime,
        key: PodKey,
        grace: Option<i64>,
        evict: bool,
        status: StatusOverride,
        out: &mut Outbox<Message>,
    ) {
        let Some(state) = self.pods.get_mut(&key) else { return };
        let pod = state.pod.clone();
        let Some(worker) = state.worker.as_mut().filter(|worker| !worker.finished) else { return };
        let mut cancels = false;
        if !worker.is_terminating() {
            worker.evicted = evict;
            worker.terminating_at = Some(now);
            cancels = true;
        }
        if worker.is_terminated() {
            return;
        }
        let shortened = effective_grace(worker.grace, &pod, grace);
        cancels |= worker.grace != 0 && worker.grace != shortened;
        worker.grace = shortened;
        worker.override_status = Some(status);
        worker.pending = Some(UpdateKind::Kill);
        if cancels {
            self.cancel_wait(now, key, out);
        }
        self.wake_worker(now, key, out);
    }

    fn wake_worker(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        let begin = state.admitted_at.max(now);
        let delay = begin.since(now) + self.latency(|profile| &profile.worker_wake, now, state.stream.part("wake"));
        let Some(worker) = self.pods.get_mut(&key).and_then(|state| state.worker.as_mut()) else { return };
        if worker.is_busy() {
            return;
        }
        worker.activity = Activity::Waking;
        worker.turn += 1;
        let turn = worker.turn;
        out.after(delay, self.message(KubeletMessage::WorkerWakes { key, turn }));
    }

    /// The worker takes what there is to do.
    pub(super) fn worker_wakes(&mut self, now: SimTime, key: PodKey, turn: u32, out: &mut Outbox<Message>) {
        let relisted_at = self.pleg.relisted_at(now);
        let Some(state) = self.pods.get_mut(&key) else { return };
        let Some(worker) = &mut state.worker else { return };
        if worker.turn != turn {
            return;
        }
        let assignment = match &worker.activity {
            Activity::AwaitingRelist(assignment) => assignment.clone(),
            Activity::Waking if worker.pending.take().is_none() => {
                worker.activity = Activity::Idle;
                return;
            }
            Activity::Waking if worker.is_terminated() => {
                Assignment::CleanUp { initialized: has_pod_initialized(&state.pod.spec, &state.pod.status) }
            }
            Activity::Waking if worker.is_terminating() => Assignment::Terminate,
            Activity::Waking => Assignment::Sync(state.pod.clone()),
            Activity::Idle | Activity::Syncing(_) | Activity::Terminating(_) | Activity::CleaningUp { .. } => return,
        };
        if !worker.is_fresh(relisted_at, state.observed_at) {
            worker.activity = Activity::AwaitingRelist(assignment);
            self.pleg.awaited.insert(key);
            self.want_relist(now, out);
            return;
        }
        match assignment {
            Assignment::Sync(_) if !self.may_start(key) => self.turn_ended(now, key, TurnEnd::Failed, out),
            Assignment::Sync(pod) => self.begin_sync(now, key, &pod, out),
            Assignment::Terminate => self.begin_terminating(now, key, out),
            Assignment::CleanUp { initialized } => self.begin_cleanup(now, key, initialized, out),
        }
    }

    /// Workers that waited for a look at the runtime go on.
    pub(super) fn resume_fresh_workers(&mut self, now: SimTime, only: Option<PodKey>, out: &mut Outbox<Message>) {
        let relisted_at = self.pleg.relisted_at(now);
        let Self { pleg, pods, .. } = self;
        pleg.awaited.retain(|key| pods.get(key).is_some_and(|state| state.awaits_relist()));
        let awaited = pleg.awaited.iter().filter(|key| only.is_none_or(|only| only == **key));
        let waiting: Vec<(PodKey, u32)> = awaited
            .filter_map(|key| {
                let state = pods.get(key)?;
                let worker = state.worker.as_ref()?;
                worker.is_fresh(relisted_at, state.observed_at).then_some((*key, worker.turn))
            })
            .collect();
        for (key, turn) in waiting {
            self.worker_wakes(now, key, turn, out);
        }
    }

    /// Whether some worker waits for a look at the runtime.
    pub(super) fn any_worker_waits(&self) -> bool {
        self.pleg.awaited.iter().any(|key| self.pods.get(key).is_some_and(|state| state.awaits_relist()))
    }

    /// A sync is over.
    pub(super) fn sync_ended(&mut self, now: SimTime, key: PodKey, end: SyncEnd, out: &mut Outbox<Message>) {
        let Some(worker) = self.pods.get_mut(&key).and_then(|state| state.worker.as_mut()) else { return };
        let end = match end {
            SyncEnd::Done { .. } => TurnEnd::Done,
            SyncEnd::Terminal => {
                worker.terminating_at.get_or_insert(now);
                TurnEnd::Transition
            }
            SyncEnd::Failed { until: Some(until) } => TurnEnd::BackOff { until },
            SyncEnd::Failed { until: None } => TurnEnd::Failed,
        };
        self.turn_ended(now, key, end, out);
    }

    /// A turn of a worker is over: what comes next, and when (`completeWork`).
    pub(super) fn turn_ended(&mut self, now: SimTime, key: PodKey, end: TurnEnd, out: &mut Outbox<Message>) {
        let sync_frequency = self.config.sync_frequency;
        let delay = match end {
            TurnEnd::Transition => None,
            // Of these some are skipped: luck is of their time.
            TurnEnd::Done => Some(self.jitter(key, now.as_nanos(), sync_frequency)),
            TurnEnd::BackOff { until } => Some(self.retry_jitter(key, until.since(now).min(sync_frequency))),
            TurnEnd::Failed => Some(self.retry_jitter(key, BACK_OFF_PERIOD)),
            TurnEnd::NoNetwork => Some(self.retry_jitter(key, NETWORK_BACK_OFF)),
        };
        let tick_phase = self.tick_phase;
        let Some(worker) = self.pods.get_mut(&key).and_then(|state| state.worker.as_mut()) else { return };
        worker.activity = Activity::Idle;
        worker.turn += 1;
        worker.last_ended = Some(now);
        if worker.finished {
            worker.pending = None;
            worker.requeued_for = None;
            return;
        }
        match delay {
            None => worker.pending = Some(worker.pending.unwrap_or(UpdateKind::Sync)),
            Some(delay) => {
                // An entry of the work queue is taken at the first tick strictly after its time.
                let due = (now + delay + SimDuration::from_nanos(1)).next_tick(tick_phase, SYNC_TICK);
                worker.requeued_for = Some(due);
                let settled = end == TurnEnd::Done && worker.pending.is_none();
                if !(settled && self.sync_would_change_nothing(key)) {
                    out.after(due.since(now), self.message(KubeletMessage::WorkQueueTick { key, due }));
                }
            }
        }
        let Some(worker) = self.pods.get_mut(&key).and_then(|state| state.worker.as_mut()) else { return };
        if worker.pending.is_some() {
            self.wake_worker(now, key, out);
        }
    }

    /// Whether a pod is in a state that only an event can change: then its periodic sync is skipped.
    fn sync_would_change_nothing(&self, key: PodKey) -> bool {
        let Some(state) = self.pods.get(&key) else { return true };
        let Some(tracked) = &state.status else { return false };
        let spec = &state.pod.spec;
        let settled = tracked.status.is_ready() && state.start_errors.is_empty() && spec.active_deadline.is_none();
        let pod = &state.pod;
        settled
            && !self.lacks_pull_secrets(pod)
            && !self.lacks_network(pod)
            && !has_image_volumes(pod)
            && !self.has_growth_to_find(key)
            && !state.volumes.has_changed()
    }

    /// A periodic sync has something to do: it comes when it would have come if none had been skipped.
    pub(super) fn sync_in_time(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let worker = self.pods.get(&key).and_then(|state| state.worker.as_ref());
        let Some(mut due) = worker.and_then(|worker| worker.requeued_for) else { return };
        while due <= now {
            let delay = self.jitter(key, due.as_nanos(), self.config.sync_frequency);
            due = (due + delay + SimDuration::from_nanos(1)).next_tick(self.tick_phase, SYNC_TICK);
        }
        if let Some(worker) = self.pods.get_mut(&key).and_then(|state| state.worker.as_mut()) {
            worker.requeued_for = Some(due);
            out.after(due.since(now), self.message(KubeletMessage::WorkQueueTick { key, due }));
        }
    }

    /// The periodic syncs of some pods have something to do from now on.
    pub(super) fn sync_all_in_time(&mut self, now: SimTime, which: impl Fn(&Pod) -> bool, out: &mut Outbox<Message>) {
        let keys: Vec<PodKey> = self.pods.iter().filter(|(_, state)| which(&state.pod)).map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.sync_in_time(now, key, out));
    }

    /// The sync loop's tick finds a pod in the work queue.
    pub(super) fn work_queue_tick(&mut self, now: SimTime, key: PodKey, due: SimTime, out: &mut Outbox<Message>) {
        let Some(worker) = self.pods.get_mut(&key).and_then(|state| state.worker.as_mut()) else { return };
        if worker.requeued_for == Some(due) {
            worker.requeued_for = None;
            self.update_pod(now, key, UpdateKind::Sync, out);
        }
    }

    /// Whether containers of the pod may still run, as far as the workers know.
    pub(super) fn could_run(&self, key: PodKey) -> bool {
        self.pods.get(&key).and_then(|state| state.worker.as_ref()).is_some_and(|worker| !worker.is_terminated())
    }

    /// Forgets finished workers of pods that are gone, and begins anew where that was asked for (`SyncKnownPods`).
    pub(super) fn housekeeping(&mut self, now: SimTime, due: SimTime, out: &mut Outbox<Message>) {
        if self.housekeeping_due != Some(due) {
            return;
        }
        self.housekeeping_due = None;
        if self.sources_ready {
            self.kill_unclaimed(now, out);
            self.delete_orphaned_mirrors(out);
            self.restart_requested_pods(now, out);
            self.begin_unknown_pods(now, out);
        }
        let done: Vec<PodKey> = self
            .pods
            .iter()
            .filter(|(_, state)| {
                let finished = state.worker.as_ref().is_none_or(|worker| worker.finished && !worker.is_busy());
                finished && !state.configured
            })
            .map(|(key, _)| *key)
            .collect();
        for key in done {
            if let Some(state) = self.pods.remove(&key) {
                self.leave_to_gc(now, key, *state, out);
            }
        }
        // Pods that are gone have no status, so their probes have nothing to go by (`RemoveOrphanedStatuses`).
        for state in self.pods.values_mut().filter(|state| !state.configured) {
            state.status = None;
        }
        if self.pods.values().any(|state| !state.configured) {
            self.want_housekeeping(now, out);
        }
    }

    /// Begins anew where a pod of the same identity came back while its worker was stopping it.
    fn restart_requested_pods(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let again: Vec<(PodKey, Arc<Pod>)> = self
            .pods
            .iter()
            .filter(|(_, state)| state.configured)
            .filter(|(_, state)| state.worker.as_ref().is_some_and(|w| w.finished && w.restart_requested))
            .map(|(key, state)| (*key, state.pod.clone()))
            .collect();
        for (key, pod) in again {
            self.pods.remove(&key);
            let pod = self.next_of(key).unwrap_or(pod);
            self.pod_added(now, key, pod, out);
        }
        if self.pods.values().any(|state| state.worker.as_ref().is_some_and(|worker| worker.restart_requested)) {
            self.want_housekeeping(now, out);
        }
    }

    /// Begins with pods that are wanted and that no worker knows, such as one that was refused and of whose refusal
    /// nothing is known any more.
    fn begin_unknown_pods(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let unknown = |state: &PodState| state.worker.is_none() && state.is_active();
        let keys: Vec<PodKey> = self.pods.iter().filter(|(_, state)| unknown(state)).map(|(key, _)| *key).collect();
        for key in keys {
            self.update_pod(now, key, UpdateKind::Create, out);
        }
    }

    pub(super) fn want_housekeeping(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        if self.housekeeping_due.is_some() {
            return;
        }
        let after = now + SimDuration::from_nanos(1);
        let due = after.next_tick(self.tick_phase, super::config::HOUSEKEEPING_PERIOD);
        self.housekeeping_due = Some(due);
        out.after(due.since(now), self.message(KubeletMessage::Housekeeping { due }));
    }

    /// Tells of a failed turn that has no better words.
    pub(super) fn tell_failed_sync(&mut self, now: SimTime, key: PodKey, text: &str, out: &mut Outbox<Message>) {
        self.tell_pod(now, key, EventType::Warning, "FailedSync", text, out);
    }
}

/// Several updates are one: a kill stays a kill.
fn merge(pending: Option<UpdateKind>, kind: UpdateKind) -> UpdateKind {
    match pending {
        Some(UpdateKind::Kill) => UpdateKind::Kill,
        Some(UpdateKind::Create) if kind == UpdateKind::Sync => UpdateKind::Create,
        _ => kind,
    }
}

/// The grace that a worker grants: the smallest of what was asked, never below one second
/// (`calculateEffectiveGracePeriod`).
pub(super) fn effective_grace(current: i64, pod: &Pod, asked: Option<i64>) -> i64 {
    let mut grace = current;
    let mut overridden = false;
    for wanted in [pod.meta.deletion_grace_period, asked].into_iter().flatten() {
        if grace == 0 || wanted < grace {
            grace = wanted;
            overridden = true;
        }
    }
    if !overridden && grace == 0 {
        grace = pod.spec.termination_grace_period;
    }
    grace.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Metadata, PodSpec, PodStatus};

    #[test]
    fn the_grace_is_the_smallest_that_was_asked_for() {
        // `Test_calculateEffectiveGracePeriod`: (current, deletion grace, asked, spec) and the result.
        let cases = [
            (0, None, None, 30, 30),
            (0, Some(100), None, 30, 100),
            (50, Some(100), None, 30, 50),
            (50, Some(20), None, 30, 20),
            (0, None, Some(5), 30, 5),
            (0, Some(10), Some(5), 30, 5),
            (0, Some(0), None, 30, 1),
            (0, Some(0), Some(7), 30, 7),
            (0, None, None, 0, 1),
        ];
        for (current, deletion, asked, spec, expected) in cases {
            let pod = Pod {
                meta: Metadata { deletion_grace_period: deletion, ..Metadata::default() },
                spec: Arc::new(PodSpec { termination_grace_period: spec, ..PodSpec::default() }),
                node_name: Name::default(),
                status: Arc::new(PodStatus::default()),
            };
            assert_eq!(effective_grace(current, &pod, asked), expected, "{current} {deletion:?} {asked:?} {spec}");
        }
    }
}
