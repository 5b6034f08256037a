//! Jobs: pods that are run until enough of them have succeeded.
//!
//! Follows `pkg/controller/job/job_controller.go` of Kubernetes 1.36: the sync here; which pods are created and deleted
//! ([`manage`]); how finished pods are counted before they may go ([`tracking`]); [`policy`], [`back_off`] and
//! [`indexes`].

mod back_off;
mod indexes;
mod manage;
mod orphans;
mod policy;
mod tracking;

pub(crate) use indexes::index_of as completion_index;
pub use orphans::JobOrphanController;

use super::flow::{Desk, Flow, Halt, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::pod_control::{Among, Claims, Owner};
use super::work_queue::{Key, Retry};
use crate::api::{
    ApiError, Condition, ConditionStatus, EventType, FastMap, Job, Kind, Name, Object, OwnerReference, Pod,
    PodFailureAction, PodPhase, RestartPolicy, Timestamp, Uid, names,
};
use crate::engine::SimDuration;
use back_off::BackOffRecord;
use indexes::Indexes;
use std::collections::BTreeSet;
use std::sync::Arc;

names! {
    JOB_TRACKING = "batch.kubernetes.io/job-tracking";
    SUSPENDED = "Suspended";
    SUCCESS_CRITERIA_MET = "SuccessCriteriaMet";
    FAILURE_TARGET = "FailureTarget";
    COMPLETE = "Complete";
    FAILED = "Failed";
}

/// Changes of pods and of the status are handled together, once in so long.
const BATCH_PERIOD: SimDuration = SimDuration::from_secs(1);

/// The controller of Jobs.
#[derive(Debug, Clone, Default)]
pub struct JobController {
    back_off: FastMap<Key, BackOffRecord>,
    /// Pods whose finalizer was taken away without that having been seen yet.
    losing_finalizer: FastMap<Key, BTreeSet<Uid>>,
}

/// What one sync sees.
#[derive(Debug, Clone)]
pub struct View {
    job: Arc<Job>,
    /// Its pods, oldest first.
    pods: Vec<Arc<Pod>>,
    claims: Claims,
    settled: bool,
    back_off: BackOffRecord,
    losing_finalizer: BTreeSet<Uid>,
}

impl Controller for JobController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Job, Kind::Pod]).once_there_was(&[Kind::Job]);

    fn settings(&self) -> Settings {
        let retry = Retry { base: SimDuration::from_secs(1), cap: SimDuration::from_secs(60), most: None };
        Settings { retry, guarded: &[Kind::Pod, Kind::Job], ..Settings::new("job-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        if let Some((old, pod)) = seen.of::<Pod>() {
            self.pod_changed(seen, old, pod, desk);
        } else if let Some((old, job)) = seen.of::<Job>() {
            job_changed(seen, old, job, desk);
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, desk: &mut Desk<Key>) -> Option<View> {
        let job = informers.store().jobs.find(key.namespace, key.name);
        let Some(job) = job.filter(|job| !is_finished(job)) else {
            if job.is_none() {
                desk.expectations.forget(key);
                self.losing_finalizer.remove(&key);
            }
            self.back_off.remove(&key);
            return None;
        };
        if !job.spec.managed_by.is_empty() && job.spec.managed_by != "kubernetes.io/job-controller" {
            return None;
        }
        let pods = informers.list_pods_of(job.meta.uid);
        let orphans = informers.orphans(key.namespace, &job.spec.selector);
        Some(View {
            job: job.clone(),
            claims: Claims::decide(&job.meta, &job.spec.selector, (&pods, &orphans), Among::All),
            pods,
            settled: desk.expectations.are_met(desk.now, key),
            back_off: self.back_off.get(&key).copied().unwrap_or_default(),
            losing_finalizer: self.losing_finalizer.get(&key).cloned().unwrap_or_default(),
        })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let owner = Owner::of(&view.job);
        let mut pods = view.pods.clone();
        if !view.claims.is_empty() {
            pods.extend(view.claims.carry_out(&owner, Kind::Job, flow)?);
        }
        let mut work = Work::new(view, owner, pods, flow.stamp());
        let problem = work.decide(view, flow)?;
        self.track(&mut work, view, flow)?;
        problem.map_or(Ok(()), |problem| Err(Halt::Fails(problem)))
    }
}

/// A sync under way: the Job as changed so far, and what is known of its pods.
struct Work<'a> {
    job: Job,
    view: &'a View,
    owner: Owner,
    pods: Vec<Arc<Pod>>,
    active_pods: Vec<Arc<Pod>>,
    active: i32,
    ready: i32,
    terminating: i32,
    succeeded: i32,
    failed: i32,
    back_off: BackOffRecord,
    /// Completed indexes before this sync, and with the pods that it found.
    counted_indexes: Indexes,
    succeeded_indexes: Indexes,
    failed_indexes: Option<Indexes>,
    /// Failed pods that stay until their index has a new pod.
    delayed: FastMap<i32, Arc<Pod>>,
    /// How the Job ends, if it does.
    end: Option<Condition>,
}

impl<'a> Work<'a> {
    fn new(view: &'a View, owner: Owner, pods: Vec<Arc<Pod>>, now: Timestamp) -> Self {
        let mut job = Job::clone(&view.job);
        job.status.tracked = true;
        let active_pods: Vec<_> = pods.iter().filter(|pod| pod.is_active()).cloned().collect();
        let mut work = Self {
            active: active_pods.len() as i32,
            ready: active_pods.iter().filter(|pod| pod.status.is_ready()).count() as i32,
            terminating: pods.iter().filter(|pod| !pod.is_terminal() && pod.meta.is_terminating()).count() as i32,
            view,
            owner,
            pods,
            active_pods,
            succeeded: 0,
            failed: 0,
            back_off: view.back_off,
            counted_indexes: Indexes::default(),
            succeeded_indexes: Indexes::default(),
            failed_indexes: None,
            delayed: FastMap::default(),
            end: None,
            job,
        };
        let newly = |kept: &dyn Fn(&Pod) -> bool| -> Vec<Arc<Pod>> {
            work.pods.iter().filter(|pod| work.is_new(pod) && kept(pod)).cloned().collect()
        };
        let status = &work.job.status;
        let new_succeeded = newly(&|pod| {
            pod.status.phase == PodPhase::Succeeded && !status.uncounted_succeeded.contains(&pod.meta.uid)
        });
        let new_failed =
            newly(&|pod| policy::is_failed(&work.job, pod) && !status.uncounted_failed.contains(&pod.meta.uid));
        let counts = |pod: &&Arc<Pod>| policy::Verdict::counts(policy::job_verdict(&work.job, pod).as_ref());
        let failed = new_failed.iter().filter(counts).count();
        work.succeeded = status.succeeded + (new_succeeded.len() + status.uncounted_succeeded.len()) as i32;
        work.failed = status.failed + (failed + status.uncounted_failed.len()) as i32;
        work.back_off = view.back_off.after(&new_succeeded, &new_failed);
        if work.job.status.start_time.is_none() && !work.job.spec.suspend {
            work.job.status.start_time = Some(now);
        }
        work
    }

    /// Whether a pod has not been counted yet, and has an index if it needs one.
    fn is_new(&self, pod: &Pod) -> bool {
        self.holds_finalizer(pod) && (!self.job.spec.indexed || self.valid_index(pod).is_some())
    }

    fn holds_finalizer(&self, pod: &Pod) -> bool {
        is_tracked(pod) && !self.view.losing_finalizer.contains(&pod.meta.uid)
    }

    fn valid_index(&self, pod: &Pod) -> Option<i32> {
        indexes::index_of(&pod.meta).filter(|index| *index < self.job.spec.completions.unwrap_or(0))
    }

    /// Whether the Job ends, what pods it needs otherwise, and what its status says of that. Returns the first problem
    /// with a pod.
    fn decide(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step<Option<Box<ApiError>>> {
        self.end = self.ending(flow);
        if self.job.spec.indexed {
            self.count_indexes(flow.stamp());
        }
        if self.end.is_some() {
            return self.stop(flow);
        }
        let mut problem = None;
        let managed = view.settled && !self.job.meta.is_terminating();
        if managed {
            problem = self.manage(flow)?;
        }
        let complete = match self.job.spec.completions {
            None => self.succeeded > 0 && self.active == 0,
            Some(completions) => self.succeeded >= completions && self.active == 0,
        };
        if complete {
            let message = "Reached expected number of succeeded pods";
            self.end = Some(condition(*SUCCESS_CRITERIA_MET, "CompletionsReached", message, flow.stamp()));
        } else if managed {
            self.note_suspension(flow);
        }
        Ok(problem)
    }

    /// How the Job ends, if it does, apart from its indexes.
    fn ending(&self, flow: &mut Flow<'_, Key>) -> Option<Condition> {
        let (status, spec, now) = (&self.job.status, &self.job.spec, flow.stamp());
        let before = status.true_condition(*SUCCESS_CRITERIA_MET).or_else(|| status.true_condition(*FAILURE_TARGET));
        if let Some(before) = before {
            return Some(before.clone());
        }
        if let Some(message) = self.fatal_failure() {
            return Some(condition(*FAILURE_TARGET, "PodFailurePolicy", &message, now));
        }
        if self.failed > spec.backoff_limit || self.past_restart_limit() {
            let message = "Job has reached the specified backoff limit";
            return Some(condition(*FAILURE_TARGET, "BackoffLimitExceeded", message, now));
        }
        let deadline = spec.active_deadline_seconds.filter(|_| !spec.suspend)?;
        let due = status.start_time?.plus_secs(deadline).wall();
        if flow.wall() >= due {
            let message = "Job was active longer than specified deadline";
            return Some(condition(*FAILURE_TARGET, "DeadlineExceeded", message, now));
        }
        flow.again_after(due.since(flow.wall()));
        None
    }

    /// Why the failure of a pod is that of the Job, if it is (`getFailJobMessage`).
    fn fatal_failure(&self) -> Option<String> {
        self.pods.iter().filter(|pod| policy::is_failed(&self.job, pod)).find_map(|pod| {
            let verdict = policy::job_verdict(&self.job, pod)?;
            (verdict.action == PodFailureAction::FailJob).then_some(verdict.message)
        })
    }

    /// Whether containers were restarted too often in place (`pastBackoffLimitOnFailure`).
    fn past_restart_limit(&self) -> bool {
        let limit = self.job.spec.backoff_limit;
        if self.job.spec.template.spec.restart_policy != RestartPolicy::OnFailure {
            return false;
        }
        let restarts: u32 = self
            .pods
            .iter()
            .filter(|pod| matches!(pod.status.phase, PodPhase::Running | PodPhase::Pending))
            .flat_map(|pod| pod.status.init_containers.iter().chain(&pod.status.containers))
            .map(|container| container.restart_count)
            .sum();
        if limit == 0 { restarts > 0 } else { restarts as i32 >= limit }
    }

    fn count_indexes(&mut self, now: Timestamp) {
        let completions = self.job.spec.completions.unwrap_or(0);
        let found = |kept: &dyn Fn(&Pod) -> bool| -> Vec<i32> {
            let pods = self.pods.iter().filter(|pod| is_tracked(pod) && kept(pod));
            pods.filter_map(|pod| self.valid_index(pod)).collect()
        };
        let succeeded = found(&|pod| pod.status.phase == PodPhase::Succeeded);
        let failed = found(&|pod| self.index_failed(pod));
        self.counted_indexes = Indexes::parse(&self.job.status.completed_indexes, completions);
        self.succeeded_indexes = self.counted_indexes.with(succeeded);
        self.succeeded = self.succeeded_indexes.total();
        if self.job.spec.backoff_limit_per_index.is_some() {
            let before = self.job.status.failed_indexes.as_deref().unwrap_or_default();
            let failed = Indexes::parse(before, completions).with(failed);
            if self.end.is_none() {
                self.end = self.failed_by_indexes(&failed, completions, now);
            }
            self.failed_indexes = Some(failed);
            self.delayed = self.delayed_pods();
        }
        if self.end.is_none()
            && let Some(rules) = &self.job.spec.success_policy
            && let Some(message) = policy::enough(rules, completions, &self.succeeded_indexes)
        {
            self.end = Some(condition(*SUCCESS_CRITERIA_MET, "SuccessPolicy", &message, now));
        }
    }

    fn failed_by_indexes(&self, failed: &Indexes, completions: i32, now: Timestamp) -> Option<Condition> {
        let total = failed.total();
        if self.job.spec.max_failed_indexes.is_some_and(|most| total > most) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return Some(condition(*FAILURE_TARGET, "MaxFailedIndexesExceeded", message, now));
        }
        let over = total > 0 && total + self.succeeded >= completions;
        over.then(|| condition(*FAILURE_TARGET, "FailedIndexes", "Job has failed indexes", now))
    }

    /// Whether the failure of a pod is the last one that its index may have (`isIndexFailed`).
    fn index_failed(&self, pod: &Pod) -> bool {
        if !policy::is_failed(&self.job, pod) {
            return false;
        }
        let verdict = policy::job_verdict(&self.job, pod);
        if verdict.as_ref().is_some_and(|verdict| verdict.action == PodFailureAction::FailIndex) {
            return true;
        }
        let limit = self.job.spec.backoff_limit_per_index.unwrap_or(i32::MAX);
        policy::Verdict::counts(verdict.as_ref()) && indexes::failures_before(&pod.meta).0 >= limit
    }

    /// The last failed pod of each index that will have another one (`getPodsWithDelayedDeletionPerIndex`).
    fn delayed_pods(&self) -> FastMap<i32, Arc<Pod>> {
        let active = indexes::indexes_of(self.active_pods.iter().map(|pod| &pod.meta));
        let failed = self.failed_indexes.as_ref();
        let mut delayed: FastMap<i32, Arc<Pod>> = FastMap::default();
        for pod in self.pods.iter().filter(|pod| self.is_new(pod) && policy::is_failed(&self.job, pod)) {
            let Some(index) = self.valid_index(pod) else { continue };
            let over = self.succeeded_indexes.has(index) || failed.is_some_and(|failed| failed.has(index));
            if over || active.contains(&index) {
                continue;
            }
            let rank = |pod: &Pod| {
                let (counted, ignored) = indexes::failures_before(&pod.meta);
                (counted + ignored, back_off::finished_at(pod))
            };
            let newer = delayed.get(&index).is_none_or(|last| {
                let ((count, time), (last_count, last_time)) = (rank(pod), rank(last));
                count > last_count || time > last_time
            });
            if newer {
                delayed.insert(index, pod.clone());
            }
        }
        delayed
    }

    /// The Job ends: its active pods are deleted. It has not ended before all of them are.
    fn stop(&mut self, flow: &mut Flow<'_, Key>) -> Step<Option<Box<ApiError>>> {
        let calls = || self.active_pods.iter().map(|pod| self.owner.delete(pod)).collect();
        let responses = flow.all(calls)?;
        let mut problem = None;
        let mut deleted = 0;
        for (pod, response) in self.active_pods.iter().zip(responses) {
            match response {
                Err(error) if error.reason != crate::api::ErrorReason::NotFound => problem = Some(error),
                Ok(_) | Err(_) => deleted += 1,
            }
            self.ready -= i32::from(pod.status.is_ready());
        }
        if deleted != self.active || !self.view.settled {
            self.end = None;
        }
        self.active -= deleted;
        self.terminating += deleted;
        Ok(problem)
    }

    /// The condition `Suspended` follows the spec; a Job that is resumed starts anew.
    fn note_suspension(&mut self, flow: &mut Flow<'_, Key>) {
        let now = flow.stamp();
        let suspend = self.job.spec.suspend;
        let (reason, message) = if suspend { ("JobSuspended", "Job suspended") } else { ("JobResumed", "Job resumed") };
        let status = ConditionStatus::from(suspend);
        let conditions = &mut self.job.status.conditions;
        let changed = match conditions.iter_mut().find(|condition| condition.kind == *SUSPENDED) {
            Some(condition) if condition.status == status => false,
            Some(condition) => {
                *condition = Condition { status, ..self::condition(*SUSPENDED, reason, message, now) };
                true
            }
            None if suspend => {
                conditions.push(condition(*SUSPENDED, reason, message, now));
                true
            }
            None => false,
        };
        if changed {
            self.job.status.start_time = (!suspend).then_some(now);
            let event = if suspend { "Suspended" } else { "Resumed" };
            flow.tell(self.owner.reference, EventType::Normal, event, message);
        }
    }
}

/// A condition of a Job that holds.
fn condition(kind: Name, reason: &str, message: &str, now: Timestamp) -> Condition {
    let condition = Condition::new(kind, ConditionStatus::True, now).because(reason, message);
    Condition { last_update_time: Some(now), ..condition }
}

/// Whether a Job is complete or has failed.
pub fn is_finished(job: &Job) -> bool {
    job.status.true_condition(*COMPLETE).or_else(|| job.status.true_condition(*FAILED)).is_some()
}

/// How a Job has ended, if it has: `Complete` or `Failed`.
pub fn finished_condition(job: &Job) -> Option<Name> {
    job.status.true_condition(*COMPLETE).or_else(|| job.status.true_condition(*FAILED)).map(|end| end.kind)
}

/// When a Job was complete or had failed, if it has finished.
pub fn finished_at(job: &Job) -> Option<Timestamp> {
    let end = job.status.true_condition(*COMPLETE).or_else(|| job.status.true_condition(*FAILED))?;
    Some(end.last_transition_time)
}

/// Whether a pod waits to be counted.
fn is_tracked(pod: &Pod) -> bool {
    pod.meta.finalizers.contains(&JOB_TRACKING)
}

impl JobController {
    fn pod_changed(&mut self, seen: &Seen<'_>, old: Option<&Arc<Pod>>, pod: &Arc<Pod>, desk: &mut Desk<Key>) {
        let Some(owner) = pod.meta.controller() else {
            if !seen.is_deletion() && !pod.meta.is_terminating() && old.is_none() {
                wake_adopters(seen.informers, pod, desk);
            }
            return;
        };
        let Some(job) = resolve(owner, pod.meta.namespace, seen.informers) else { return };
        let key = Key::of(&job.meta);
        if seen.is_deletion() || pod.meta.is_terminating() {
            if is_finished(job) {
                return;
            }
            desk.expectations.deletion_observed(key);
        } else if old.is_none() {
            desk.expectations.creation_observed(key);
        }
        if (seen.is_deletion() || !is_tracked(pod))
            && let Some(losing) = self.losing_finalizer.get_mut(&key)
        {
            losing.remove(&pod.meta.uid);
        }
        desk.queue.add_after(desk.now, BATCH_PERIOD, key);
    }
}

fn job_changed(seen: &Seen<'_>, old: Option<&Arc<Job>>, job: &Arc<Job>, desk: &mut Desk<Key>) {
    let key = Key::of(&job.meta);
    match old {
        Some(old) if !seen.is_deletion() && old.meta.generation == job.meta.generation => {
            desk.queue.add_after(desk.now, BATCH_PERIOD, key);
        }
        Some(_) | None => desk.queue.add(key),
    }
    let deadline = |job: &Job| job.spec.active_deadline_seconds;
    if let (Some(old), Some(start), Some(seconds)) = (old, job.status.start_time, deadline(job))
        && deadline(old) != Some(seconds)
    {
        let left = start.plus_secs(seconds).wall().since(desk.wall());
        desk.queue.add_after(desk.now, left, key);
    }
}

fn resolve<'a>(owner: &OwnerReference, namespace: Name, informers: &'a Informers) -> Option<&'a Arc<Job>> {
    if owner.kind != Kind::Job.as_str() {
        return None;
    }
    informers.store().jobs.find(namespace, owner.name).filter(|job| job.meta.uid == owner.uid)
}

fn wake_adopters(informers: &Informers, pod: &Pod, desk: &mut Desk<Key>) {
    // Selectors of Jobs name an identity; only a pod with such a label can match one.
    if !pod.meta.labels.iter().any(|(key, _)| key.ends_with("controller-uid")) {
        return;
    }
    for job in informers.store().jobs.iter().filter(|job| job.meta.namespace == pod.meta.namespace) {
        if !job.spec.selector.is_empty() && job.spec.selector.matches(&pod.meta.labels) {
            desk.queue.add_after(desk.now, BATCH_PERIOD, Key::of(&job.meta));
        }
    }
}

/// The object of a Job in a response.
fn job_of(object: &Object) -> Job {
    Job::clone(&super::flow::object::<Job>(object))
}
