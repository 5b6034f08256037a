//! The status manager: keeps the newest status of each pod and writes it, one pod after another.
//!
//! Follows `pkg/kubelet/status/status_manager.go` of Kubernetes 1.36. Changes that come while a batch is written
//! collapse; each write reads the pod first, and a pod that is gone from the node is deleted once its end is reported.

use super::actions::restarts_after;
use super::config::STATUS_SYNC_PERIOD;
use super::status::{self, containers_ready_condition, ready_condition};
use super::{Kubelet, KubeletMessage, PendingCall, PodState};
use crate::api::{
    Condition, ContainerId, ContainerState, ContainerStatus, DISRUPTION_TARGET, DeleteOptions, Kind, Object, Part, Pod,
    PodPhase, PodSpec, PodStatus, Request, Response, Target,
};
use crate::components::cri::PodKey;
use crate::components::message::Message;
use crate::engine::{Outbox, Purpose, SimDuration, SimTime};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// So many bytes the termination messages of a pod may have together (`MaxPodTerminationMessageLogLength`).
const MAX_POD_MESSAGES: usize = 12 << 10;

const ORDER: Purpose = Purpose::new("status batch order");

/// The newest status of a pod and what was written of it.
#[derive(Debug, Clone)]
pub(super) struct TrackedStatus {
    pub(super) status: Arc<PodStatus>,
    version: u64,
    written: u64,
    /// Whether nothing of the pod is left on the node.
    finished: bool,
}

/// The writer.
#[derive(Debug, Clone, Default)]
pub(super) struct StatusManager {
    /// A moment at which the reconcile ticker fires.
    phase: SimTime,
    /// Whether there is something to look at, after the batch under way.
    signalled: bool,
    planned: bool,
    /// The batch under way: pods with the status that they had when it began.
    batch: VecDeque<(PodKey, TrackedStatus)>,
    writing: Option<(PodKey, TrackedStatus)>,
    reconcile_planned: Option<SimTime>,
    batches: u64,
    /// The pods whose newest status may not be written yet, so that nobody looks at all the others.
    unwritten: BTreeSet<PodKey>,
}

impl TrackedStatus {
    /// The status, its version, and the version that is in the API.
    pub(super) fn look(&self) -> (&PodStatus, u64, u64) {
        (&self.status, self.version, self.written)
    }

    /// Whether a condition that is the kubelet's stands otherwise in the API.
    fn is_disputed(&self, pod: &Pod) -> bool {
        let mut own = self.status.conditions.iter().filter(|condition| PodStatus::is_kubelets(condition.kind));
        own.any(|own| pod.status.condition(own.kind).is_some_and(|there| there.status != own.status))
    }
}

impl PodState {
    /// Whether the newest status is not written yet.
    fn is_unwritten(&self) -> bool {
        self.status.as_ref().is_some_and(|tracked| tracked.version > tracked.written)
    }
}

impl StatusManager {
    pub(super) fn start(&mut self, phase: SimTime) {
        *self = Self { phase, ..Self::default() };
    }
}

impl Kubelet {
    /// Stores a status that a sync has generated.
    pub(super) fn set_pod_status(&mut self, now: SimTime, key: PodKey, status: PodStatus, out: &mut Outbox<Message>) {
        let force = self.pods.get(&key).is_some_and(|state| state.pod.meta.is_terminating());
        self.update_status(now, key, status, force, false, out);
    }

    /// Stores a status, unless it says nothing new or something impossible (`updateStatusInternal`).
    fn update_status(
        &mut self,
        now: SimTime,
        key: PodKey,
        mut status: PodStatus,
        force: bool,
        finished: bool,
        out: &mut Outbox<Message>,
    ) {
        let stamp = self.clock.at(now).truncated();
        let mirrored = self.mirror(key).map(|mirror| mirror.status.clone());
        let Some(state) = self.pods.get_mut(&key) else { return };
        let known = mirrored.unwrap_or_else(|| state.pod.status.clone());
        let old = state.status.as_ref().map_or(&*known, |tracked| &*tracked.status);
        if !transition_is_legal(&state.pod, old, &status) {
            return;
        }
        for condition in &mut status.conditions {
            if (PodStatus::is_kubelets(condition.kind) || condition.kind == *DISRUPTION_TARGET)
                && let Some(before) = old.condition(condition.kind)
                && before.status == condition.status
            {
                condition.last_transition_time = before.last_transition_time;
            }
        }
        cap_messages(&state.pod.spec, &mut status);
        status.start_time = old.start_time.or(status.start_time).or(Some(stamp));
        status.observed_generation = status.observed_generation.max(old.observed_generation);
        let finished = finished || state.status.as_ref().is_some_and(|tracked| tracked.finished);
        if let Some(tracked) = &state.status
            && !force
            && same_for_kubelet(&tracked.status, &status)
        {
            return;
        }
        let (version, written) = state.status.as_ref().map_or((0, 0), |tracked| (tracked.version, tracked.written));
        let woke = state.status.as_ref().is_none_or(|tracked| woke_probes(&tracked.status, &status));
        state.status = Some(TrackedStatus { status: Arc::new(status), version: version + 1, written, finished });
        self.statuses.unwritten.insert(key);
        if woke {
            self.wake_probes(now, key, out);
        }
        self.signal_status_writer(now, out);
    }

    fn signal_status_writer(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        self.statuses.signalled = true;
        if self.statuses.writing.is_none() && !std::mem::replace(&mut self.statuses.planned, true) {
            let delay = self.latency(|profile| &profile.worker_wake, now, self.stream.part("status"));
            out.after(delay, self.message(KubeletMessage::StatusBatch));
        }
    }

    /// A readiness verdict goes straight into the status (`SetContainerReadiness`).
    pub(super) fn set_container_ready(
        &mut self,
        now: SimTime,
        key: PodKey,
        id: ContainerId,
        ready: bool,
        out: &mut Outbox<Message>,
    ) {
        let stamp = self.clock.at(now).truncated();
        let Some(state) = self.pods.get(&key) else { return };
        let Some(tracked) = &state.status else { return };
        let spec = state.pod.spec.clone();
        let generation = tracked.status.observed_generation;
        let mut status = PodStatus::clone(&tracked.status);
        let Some(container) = find(&mut status, id) else { return };
        if std::mem::replace(&mut container.ready, ready) == ready {
            return;
        }
        let mut pod_ready = ready_condition(&spec, &status.conditions, &status, stamp);
        let mut containers_ready = containers_ready_condition(&spec, &status, stamp);
        pod_ready.observed_generation = generation;
        containers_ready.observed_generation = generation;
        status.set_condition(pod_ready);
        status.set_condition(containers_ready);
        self.update_status(now, key, status, false, false, out);
    }

    /// A startup verdict goes straight into the status (`SetContainerStartup`).
    pub(super) fn set_container_started(
        &mut self,
        now: SimTime,
        key: PodKey,
        id: ContainerId,
        started: bool,
        out: &mut Outbox<Message>,
    ) {
        let Some(tracked) = self.pods.get(&key).and_then(|state| state.status.as_ref()) else { return };
        let mut status = PodStatus::clone(&tracked.status);
        let Some(container) = find(&mut status, id) else { return };
        if container.started.replace(started) == Some(started) {
            return;
        }
        self.update_status(now, key, status, false, false, out);
    }

    /// The last status of a pod: whatever is not known to have ended is taken as lost (`TerminatePod`).
    /// `initialized` is what the pod said of itself when its worker began to clean up.
    pub(super) fn terminate_status(&mut self, now: SimTime, key: PodKey, initialized: bool, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        let known = state.status.as_ref().map_or(&state.pod.status, |tracked| &tracked.status);
        let mut status = PodStatus::clone(known);
        let lose = |container: &mut ContainerStatus| {
            if !matches!(container.state, ContainerState::Terminated(_)) {
                container.state = ContainerState::Terminated(status::lost(
                    "The container could not be located when the pod was terminated",
                ));
            }
        };
        if initialized {
            status.containers.iter_mut().for_each(lose);
        }
        let begun = status
            .init_containers
            .iter()
            .rposition(|container| !container.container_id.is_none() || container.last_state.is_some())
            .unwrap_or(0);
        let init = if initialized { status.init_containers.len() } else { begun + 1 };
        status.init_containers.iter_mut().take(init).for_each(lose);
        if !status.phase.is_terminal() && !key.is_static() {
            status.phase = PodPhase::Failed;
        }
        self.update_status(now, key, status, true, true, out);
    }

    /// The writer takes every pod whose status was not written (`syncBatch`).
    pub(super) fn status_batch(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        self.statuses.planned = false;
        if self.statuses.writing.is_some() || !std::mem::take(&mut self.statuses.signalled) {
            return;
        }
        let Self { statuses, pods, .. } = self;
        statuses.unwritten.retain(|key| pods.get(key).is_some_and(|state| state.is_unwritten()));
        let unwritten = self.statuses.unwritten.iter().filter(|key| !key.is_static()).copied();
        let statics = self.pods.range(PodKey::of_static(0)..).map(|(key, _)| *key);
        let some: Vec<PodKey> = unwritten.chain(statics).collect();
        self.take_batch(now, some, |tracked, _| tracked.version > tracked.written, out);
    }

    /// Every ten seconds the writer also takes pods that were not deleted, or whose last write failed.
    pub(super) fn status_reconcile(&mut self, now: SimTime, due: SimTime, out: &mut Outbox<Message>) {
        if self.statuses.reconcile_planned != Some(due) {
            return;
        }
        self.statuses.reconcile_planned = None;
        if self.statuses.writing.is_some() {
            return self.want_reconcile(now, out);
        }
        let wanted = |tracked: &TrackedStatus, pod: &Pod| {
            tracked.version > tracked.written || tracked.finished || tracked.is_disputed(pod)
        };
        let all = self.pods.keys().copied().collect();
        self.take_batch(now, all, wanted, out);
    }

    /// Whether somebody else has changed what this kubelet said of a pod (`needsReconcile`).
    pub(super) fn status_is_disputed(&self, key: PodKey) -> bool {
        let Some(state) = self.pods.get(&key) else { return false };
        state
            .status
            .as_ref()
            .is_some_and(|tracked| tracked.version == tracked.written && tracked.is_disputed(&state.pod))
    }

    /// Takes those of some pods, in order of their keys, whose status is to be written.
    fn take_batch(
        &mut self,
        now: SimTime,
        among: Vec<PodKey>,
        wanted: impl Fn(&TrackedStatus, &Pod) -> bool,
        out: &mut Outbox<Message>,
    ) {
        let mut batch: Vec<(PodKey, TrackedStatus)> = among
            .into_iter()
            .filter_map(|key| {
                let state = self.pods.get(&key)?;
                let tracked = state.status.as_ref()?;
                // A status without a home waits for one; one whose home is new is written once more.
                self.status_home(key)?;
                if !wanted(tracked, &state.pod) && self.reported_to_mirror(key) {
                    return None;
                }
                Some((key, tracked.clone()))
            })
            .collect();
        self.statuses.batches += 1;
        if batch.len() > 1 {
            // The real writer walks a map, in no particular order.
            let batches = self.statuses.batches;
            let order = |key: &PodKey| {
                let stream = self.pods.get(key).map_or(self.stream, |state| state.stream);
                self.draws.draw(ORDER, stream, batches).bits()
            };
            batch.sort_by_cached_key(|(key, _)| order(key));
        }
        self.statuses.batch = batch.into();
        self.write_next_status(now, out);
    }

    fn write_next_status(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        self.statuses.writing = self.statuses.batch.pop_front();
        let Some((key, _)) = self.statuses.writing else {
            if self.statuses.signalled {
                self.statuses.planned = true;
                out.now(self.message(KubeletMessage::StatusBatch));
            }
            return;
        };
        let Some(state) = self.pods.get(&key) else { return self.write_next_status(now, out) };
        let meta = &state.pod.meta;
        let target = Target { kind: Kind::Pod, namespace: meta.namespace, name: meta.name };
        self.call_api(now, Request::Get(target), PendingCall::StatusRead { key }, out);
    }

    /// The pod whose status is to be written has been read.
    pub(super) fn status_read(&mut self, now: SimTime, key: PodKey, response: Response, out: &mut Outbox<Message>) {
        let Some((writing, tracked)) = self.statuses.writing.clone() else { return };
        if !self.pods.contains_key(&key) || writing != key {
            return self.write_next_status(now, out);
        }
        let home = self.status_home(key);
        let stored = match response {
            Ok(Object::Pod(pod)) if Some(pod.meta.uid) == home => pod,
            Ok(_) => {
                // Another pod of the same name: this one's status has no home any more. If that was an old answer, the
                // pod's next sync has a status again; one that was refused is begun with.
                if let Some(state) = self.pods.get_mut(&key) {
                    state.status = None;
                    if state.worker.is_none() {
                        self.want_housekeeping(now, out);
                    }
                }
                self.sync_in_time(now, key, out);
                return self.write_next_status(now, out);
            }
            Err(_) => {
                // Also of a pod that is not found: its status waits until the pod is gone here, too.
                self.want_reconcile(now, out);
                return self.write_next_status(now, out);
            }
        };
        let could_run = self.could_run(key);
        let tracked = self.last_word(key, could_run).unwrap_or(tracked);
        let merged = status::merge(&stored, &stored.status, &tracked.status, could_run, self.clock.at(now).truncated());
        if merged == *stored.status {
            // What was read may be older than what was heard: then it is looked at again (`needsReconcile`).
            let disputed = |state: &PodState| state.status.as_ref().is_some_and(|own| own.is_disputed(&state.pod));
            if self.pods.get(&key).is_some_and(|state| disputed(state)) {
                self.want_reconcile(now, out);
            }
            return self.status_settled(now, key, tracked.version, &stored, out);
        }
        let mut pod = Pod::clone(&stored);
        pod.status = Arc::new(merged);
        pod.meta.resource_version = 0;
        let request = Request::Update { object: Object::Pod(Arc::new(pod)), part: Part::Status };
        self.call_api(now, request, PendingCall::StatusWrite { key }, out);
    }

    /// What is known by now of a pod that has ended, if it was not yet known when the batch began. An end is written
    /// once: the real writer may say first how a pod was expected to end and then how it did (kubernetes#58711).
    fn last_word(&mut self, key: PodKey, could_run: bool) -> Option<TrackedStatus> {
        let (_, writing) = self.statuses.writing.as_mut().filter(|(_, writing)| writing.status.phase.is_terminal())?;
        let newest = self.pods.get(&key)?.status.as_ref()?;
        if could_run || newest.version == writing.version {
            return None;
        }
        *writing = newest.clone();
        Some(newest.clone())
    }

    /// The status has been written.
    pub(super) fn status_written(&mut self, now: SimTime, key: PodKey, response: Response, out: &mut Outbox<Message>) {
        let Some((_, tracked)) = self.statuses.writing.clone() else { return };
        match response {
            Ok(Object::Pod(pod)) => self.status_settled(now, key, tracked.version, &pod, out),
            _ => {
                self.want_reconcile(now, out);
                self.write_next_status(now, out);
            }
        }
    }

    /// A version is in the API: a pod that is finished and being deleted is deleted for good.
    fn status_settled(&mut self, now: SimTime, key: PodKey, version: u64, stored: &Pod, out: &mut Outbox<Message>) {
        self.note_reported(key, stored.meta.uid);
        let Some(state) = self.pods.get_mut(&key) else { return self.write_next_status(now, out) };
        let Some(tracked) = &mut state.status else { return self.write_next_status(now, out) };
        tracked.written = tracked.written.max(version);
        // What both say is kept once.
        if tracked.status == stored.status {
            tracked.status = stored.status.clone();
        }
        // What somebody wrote after this may have been heard before the answer.
        let overtaken = state.pod.meta.resource_version > stored.meta.resource_version;
        if overtaken && self.status_is_disputed(key) {
            self.want_reconcile(now, out);
        }
        let finished = self.statuses.writing.as_ref().is_some_and(|(_, tracked)| tracked.finished);
        if key.is_static() || !(stored.meta.is_terminating() && stored.is_terminal() && finished) {
            return self.write_next_status(now, out);
        }
        let target = Target { kind: Kind::Pod, namespace: stored.meta.namespace, name: stored.meta.name };
        let options = DeleteOptions { grace_period: Some(0), uid: Some(stored.meta.uid), ..DeleteOptions::default() };
        self.call_api(now, Request::Delete { target, options }, PendingCall::StatusDelete { key }, out);
    }

    /// The pod has been deleted.
    pub(super) fn status_deleted(&mut self, now: SimTime, key: PodKey, response: Response, out: &mut Outbox<Message>) {
        match response {
            Ok(_) => {
                if let Some(state) = self.pods.get_mut(&key) {
                    state.status = None;
                }
            }
            Err(error) if error.code == 404 => {}
            Err(_) => self.want_reconcile(now, out),
        }
        self.write_next_status(now, out);
    }

    pub(super) fn want_reconcile(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        if self.statuses.reconcile_planned.is_some() {
            return;
        }
        let due = (now + SimDuration::from_nanos(1)).next_tick(self.statuses.phase, STATUS_SYNC_PERIOD);
        self.statuses.reconcile_planned = Some(due);
        out.after(due.since(now), self.message(KubeletMessage::StatusReconcile { due }));
    }
}

/// Whether a pod has ever got past its init containers (`hasPodInitialized`).
pub(super) fn has_pod_initialized(spec: &PodSpec, status: &PodStatus) -> bool {
    let moved = |container: &ContainerStatus| {
        container.last_state.is_some() || !matches!(container.state, ContainerState::Waiting { .. })
    };
    if spec.init_containers.is_empty() || status.containers.iter().any(moved) {
        return true;
    }
    let last = spec.init_containers.last().zip(status.init_containers.last());
    last.is_some_and(|(container, last)| {
        if container.is_sidecar() {
            return last.state.is_running() && last.started == Some(true);
        }
        last.last_state.iter().chain(last.state.terminated()).any(|end| end.exit_code == 0)
    })
}

/// The termination messages of a pod share what there is room for (`normalizeStatus`).
fn cap_messages(spec: &PodSpec, status: &mut PodStatus) {
    let containers = spec.containers.len() + spec.init_containers.len() + spec.ephemeral_containers.len();
    let most = MAX_POD_MESSAGES / containers.max(1);
    let regular = status.containers.iter_mut().chain(&mut status.init_containers);
    for container in regular.chain(&mut status.ephemeral_containers) {
        let now = match &mut container.state {
            ContainerState::Terminated(end) => Some(end),
            ContainerState::Waiting { .. } | ContainerState::Running { .. } => None,
        };
        for end in now.into_iter().chain(&mut container.last_state) {
            if end.message.len() > most {
                end.message = String::from_utf8_lossy(&end.message.as_bytes()[..most]).as_ref().into();
            }
        }
    }
}

fn find(status: &mut PodStatus, id: ContainerId) -> Option<&mut ContainerStatus> {
    status.containers.iter_mut().chain(&mut status.init_containers).find(|container| container.container_id == id)
}

/// Whether probe workers have something new to look at: another instance, or one that started or ended.
fn woke_probes(old: &PodStatus, new: &PodStatus) -> bool {
    let look = |container: &ContainerStatus| {
        (container.container_id, std::mem::discriminant(&container.state), container.started)
    };
    old.phase != new.phase || !old.all_containers().map(look).eq(new.all_containers().map(look))
}

/// Whether two statuses are the same in what kubelets own (`isPodStatusByKubeletEqual`).
fn same_for_kubelet(old: &PodStatus, new: &PodStatus) -> bool {
    let owned = |c: &&Condition| PodStatus::is_kubelets(c.kind) || c.kind == *DISRUPTION_TARGET;
    let own = |status: &PodStatus| status.conditions.iter().filter(owned).count();
    let kept = |condition: &Condition| new.condition(condition.kind) == Some(condition);
    old.same_but_conditions(new) && own(old) == own(new) && old.conditions.iter().filter(owned).all(kept)
}

/// Whether containers only go where they may: one that has ended for good stays ended
/// (`checkContainerStateTransition`).
fn transition_is_legal(pod: &Pod, old: &PodStatus, new: &PodStatus) -> bool {
    let spec = &pod.spec;
    if super::actions::may_restart_all(spec) {
        return true;
    }
    let regular = spec.containers.iter().map(|container| (container, &old.containers, &new.containers));
    let init = spec
        .init_containers
        .iter()
        .filter(|container| !container.is_sidecar())
        .map(|container| (container, &old.init_containers, &new.init_containers));
    regular.chain(init).all(|(container, old, new)| {
        let before = old.iter().find(|status| status.name == container.name);
        let after = new.iter().find(|status| status.name == container.name);
        let (Some(before), Some(after)) = (before, after) else { return true };
        match (&before.state, &after.state) {
            (ContainerState::Terminated(_), ContainerState::Terminated(_)) => true,
            (ContainerState::Terminated(end), _) => restarts_after(spec, container, end.exit_code),
            _ => true,
        }
    })
}
