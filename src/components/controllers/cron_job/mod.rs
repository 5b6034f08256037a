//! CronJobs: a Job whenever the schedule is due.
//!
//! Follows `pkg/controller/cronjob/cronjob_controllerv2.go` of Kubernetes 1.36; when a schedule is due says
//! [`schedule`].

mod schedule;

use super::flow::{Desk, Flow, Halt, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::job::finished_condition;
use super::work_queue::Key;
use crate::api::{
    ConcurrencyPolicy, CronJob, DeleteOptions, ErrorReason, EventType, Job, JobStatus, Kind, Metadata, Name, Object,
    ObjectReference, Part, Propagation, Request, Target, Timestamp, Uid, names,
};
use crate::engine::SimDuration;
pub(crate) use schedule::Schedule;
use std::sync::Arc;

names! {
    SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp";
}

/// A Job is started so long after its time, lest a clock that is a little slow misses it.
const DELAY: SimDuration = SimDuration::from_millis(100);
/// More missed times than this are told of.
const MANY_MISSED: u32 = 100;

/// The controller of CronJobs.
#[derive(Debug, Clone)]
pub struct CronJobController;

/// What one sync sees.
#[derive(Debug, Clone)]
pub struct View {
    cron: Arc<CronJob>,
    jobs: Vec<Arc<Job>>,
}

impl Controller for CronJobController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::CronJob, Kind::Job]).once_there_was(&[Kind::CronJob]);

    fn settings(&self) -> Settings {
        Settings::new("cronjob-controller")
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        match seen.new {
            Object::CronJob(cron) if !seen.is_deletion() => desk.queue.add(Key::of(&cron.meta)),
            Object::Job(job) => {
                let owner = job.meta.controller().filter(|owner| owner.kind == Kind::CronJob.as_str());
                let cron = owner.and_then(|by| seen.informers.store().cron_jobs.find(job.meta.namespace, by.name));
                if let Some(cron) = cron {
                    desk.queue.add(Key::of(&cron.meta));
                }
            }
            _ => {}
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, _desk: &mut Desk<Key>) -> Option<View> {
        let cron = informers.store().cron_jobs.find(key.namespace, key.name)?;
        Some(View { cron: cron.clone(), jobs: informers.controlled(cron.meta.uid) })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let about = Object::CronJob(view.cron.clone()).reference();
        let cron = CronJob::clone(&view.cron);
        let mut work = Work { base: cron.clone(), cron, about, jobs: &view.jobs, flow };
        work.clean_up()?;
        let outcome = work.sync();
        if let Err(Halt::Waits) = outcome {
            return Err(Halt::Waits);
        }
        if work.cron.status != work.base.status {
            let object = Object::CronJob(Arc::new(work.cron.clone()));
            work.flow.call(|| Request::Update { object, part: Part::Status })??;
        }
        if let Some(next) = outcome? {
            flow.again_after(next);
        }
        Ok(())
    }
}

struct Work<'a, 'b> {
    /// The version that was read last.
    base: CronJob,
    cron: CronJob,
    about: ObjectReference,
    jobs: &'a [Arc<Job>],
    flow: &'a mut Flow<'b, Key>,
}

impl Work<'_, '_> {
    fn tell(&mut self, kind: EventType, reason: &str, message: String) {
        self.flow.tell(self.about, kind, reason, message);
    }

    /// Returns how long until the schedule is due next.
    fn sync(&mut self) -> Step<Option<SimDuration>> {
        self.note_jobs()?;
        self.note_missing()?;
        if self.cron.meta.is_terminating() || self.cron.spec.suspend {
            return Ok(None);
        }
        let Some(schedule) = Schedule::parse(&self.cron.spec.schedule, &self.cron.spec.time_zone) else {
            let zone = self.cron.spec.time_zone;
            let message = format!("invalid timeZone: {:?}: unknown time zone {zone}", &*zone);
            self.tell(EventType::Warning, "UnknownTimeZone", message);
            return Ok(None);
        };
        let now = self.flow.stamp();
        let missed = Missed::of(&self.cron, &schedule, now);
        let next = missed.next(&schedule);
        let wait = next.map(|next| next.wall().since(self.flow.wall()) + DELAY);
        let Some(due) = missed.latest else { return Ok(wait) };
        if missed.count > MANY_MISSED {
            let message =
                "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
            self.tell(EventType::Warning, "TooManyMissedTimes", message.to_owned());
        }
        if self.cron.spec.starting_deadline_seconds.is_some_and(|deadline| due.plus_secs(deadline) < now) {
            let message = format!("Missed scheduled time to start a job: {due}");
            self.tell(EventType::Warning, "MissSchedule", message);
            return Ok(wait);
        }
        let name = Name::new(&format!("{}-{}", self.cron.meta.name, due.unix_secs() / 60));
        let known = self.cron.status.active.iter().any(|(active, _)| *active == name);
        if known || self.cron.status.last_schedule_time == Some(due) {
            return Ok(wait);
        }
        match self.cron.spec.concurrency_policy {
            ConcurrencyPolicy::Forbid if !self.cron.status.active.is_empty() => {
                let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
                self.tell(EventType::Normal, "JobAlreadyActive", message.to_owned());
                return Ok(wait);
            }
            ConcurrencyPolicy::Replace => {
                for (job, uid) in self.cron.status.active.clone().iter() {
                    self.delete(*job, *uid)?;
                }
            }
            ConcurrencyPolicy::Forbid | ConcurrencyPolicy::Allow => {}
        }
        let started = self.start(name, due)?;
        Ok(wait.filter(|_| started))
    }

    /// What has become of its Jobs.
    fn note_jobs(&mut self) -> Step {
        for job in self.jobs {
            let (name, uid) = (job.meta.name, job.meta.uid);
            let listed = self.cron.status.active.iter().any(|(_, active)| *active == uid);
            match finished_condition(job) {
                Some(condition) if listed => {
                    let message = format!("Saw completed job: {name}, condition: {condition}");
                    self.tell(EventType::Normal, "SawCompletedJob", message);
                    self.forget(uid);
                }
                None if !listed && self.read_anew(uid)? => continue,
                None if !listed => {
                    let message = format!("Saw a job that the controller did not create or forgot: {name}");
                    self.tell(EventType::Warning, "UnexpectedJob", message);
                }
                Some(_) | None => {}
            }
            if job.status.completion_time > self.cron.status.last_successful_time {
                self.cron.status.last_successful_time = job.status.completion_time;
            }
        }
        Ok(())
    }

    /// The informer may be late: whether the CronJob on the server knows a Job. Then that version is gone on with.
    fn read_anew(&mut self, job: Uid) -> Step<bool> {
        let meta = &self.cron.meta;
        let target = Target { kind: Kind::CronJob, namespace: meta.namespace, name: meta.name };
        let fresh = CronJob::clone(&super::flow::object::<CronJob>(&self.flow.get(target)??));
        let knows = fresh.status.active.iter().any(|(_, active)| *active == job);
        if knows {
            self.base = fresh.clone();
            self.cron = fresh;
        }
        Ok(knows)
    }

    /// Jobs that are listed as active, but that the informer does not know, are looked for.
    fn note_missing(&mut self) -> Step {
        for (name, uid) in self.cron.status.active.clone().iter() {
            if self.jobs.iter().any(|job| job.meta.uid == *uid) {
                continue;
            }
            let target = Target { kind: Kind::Job, namespace: self.cron.meta.namespace, name: *name };
            match self.flow.get(target)? {
                Err(error) if error.reason == ErrorReason::NotFound => {
                    self.tell(EventType::Normal, "MissingJob", format!("Active job went missing: {name}"));
                    self.forget(*uid);
                }
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    fn forget(&mut self, uid: Uid) {
        self.cron.status.active = self.cron.status.active.retain(|(_, active)| *active != uid);
    }

    /// Starts a Job; one that is there already, as after a crash before the status was written, is taken for it. Returns
    /// whether the CronJob has a new active Job.
    fn start(&mut self, name: Name, due: Timestamp) -> Step<bool> {
        let job = self.job(name, due);
        let uid = match self.flow.call(|| Request::Create(Object::Job(Arc::new(job))))? {
            Ok(created) => {
                self.tell(EventType::Normal, "SuccessfulCreate", format!("Created job {name}"));
                created.meta().uid
            }
            Err(error) if error.reason == ErrorReason::NamespaceTerminating => return Err(error.into()),
            Err(error) if error.reason == ErrorReason::AlreadyExists => {
                let target = Target { kind: Kind::Job, namespace: self.cron.meta.namespace, name };
                let there = self.flow.get(target)??;
                let uid = there.meta().uid;
                let owned = there.meta().controller().is_some_and(|owner| owner.uid == self.cron.meta.uid);
                if !owned || self.cron.status.active.iter().any(|(_, active)| *active == uid) {
                    return Ok(false); // Whoever made it looks after it.
                }
                uid
            }
            Err(error) => {
                self.tell(EventType::Warning, "FailedCreate", format!("Error creating job: {error}"));
                return Err(error.into());
            }
        };
        self.cron.status.active = self.cron.status.active.with((name, uid));
        self.cron.status.last_schedule_time = Some(due);
        Ok(true)
    }

    fn job(&self, name: Name, due: Timestamp) -> Job {
        let (meta, spec) = (&self.cron.meta, &self.cron.spec);
        Job {
            meta: Metadata {
                name,
                namespace: meta.namespace,
                labels: spec.job_labels.clone(),
                annotations: spec.job_annotations.with(*SCHEDULED_AT, Name::new(&due.to_string())),
                owner_references: vec![Object::CronJob(Arc::new(self.cron.clone())).controller_reference()].into(),
                ..Metadata::default()
            },
            spec: crate::api::JobSpec::clone(&spec.job),
            status: JobStatus::default(),
        }
    }

    fn delete(&mut self, name: Name, uid: Uid) -> Step {
        let target = Target { kind: Kind::Job, namespace: self.cron.meta.namespace, name };
        let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
        match self.flow.call(|| Request::Delete { target, options })? {
            Err(error) if error.reason != ErrorReason::NotFound => {
                self.tell(EventType::Warning, "FailedDelete", format!("Deleted job: {error}"));
                Err(error.into())
            }
            Ok(_) | Err(_) => {
                self.tell(EventType::Normal, "SuccessfulDelete", format!("Deleted job {name}"));
                self.forget(uid);
                Ok(())
            }
        }
    }

    /// Deletes the oldest finished Jobs beyond those that are kept (`cleanupFinishedJobs`).
    fn clean_up(&mut self) -> Step {
        let spec = &self.cron.spec;
        for (kind, limit) in
            [("Complete", spec.successful_jobs_history_limit), ("Failed", spec.failed_jobs_history_limit)]
        {
            let mut finished: Vec<&Arc<Job>> =
                self.jobs.iter().filter(|job| finished_condition(job).is_some_and(|found| found == kind)).collect();
            finished.retain(|job| !job.meta.is_terminating());
            finished.sort_by_key(|job| (job.status.start_time, job.meta.name));
            let surplus = finished.len().saturating_sub(limit.max(0) as usize);
            for job in &finished[..surplus] {
                self.delete(job.meta.name, job.meta.uid)?;
            }
        }
        Ok(())
    }
}

/// The times at which a Job was due and none was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Missed {
    since: Timestamp,
    latest: Option<Timestamp>,
    count: u32,
}

impl Missed {
    /// The missed times up to now (`mostRecentScheduleTime`).
    fn of(cron: &CronJob, schedule: &Schedule, now: Timestamp) -> Self {
        let mut since = cron.status.last_schedule_time.unwrap_or(cron.meta.creation_timestamp);
        if let Some(deadline) = cron.spec.starting_deadline_seconds {
            since = since.max(now.plus_secs(-deadline));
        }
        let mut missed = Self { since, latest: None, count: 0 };
        let Some(first) = schedule.next(since).filter(|first| *first <= now) else { return missed };
        let mut at = first;
        // After a long time it is not counted, but reckoned by the first interval.
        if let Some(second) = schedule.next(first) {
            let interval = second.unix_secs() - first.unix_secs();
            let skipped = (now.unix_secs() - first.unix_secs()) / interval - i64::from(MANY_MISSED);
            if skipped > 0 {
                missed.count = u32::try_from(skipped).unwrap_or(u32::MAX / 2);
                at = schedule.next(first.plus_secs(skipped * interval - 1)).unwrap_or(first);
            }
        }
        loop {
            missed.latest = Some(at);
            missed.count += 1;
            match schedule.next(at).filter(|next| *next <= now) {
                Some(next) => at = next,
                None => return missed,
            }
        }
    }

    /// When the schedule is due next.
    fn next(&self, schedule: &Schedule) -> Option<Timestamp> {
        schedule.next(self.latest.unwrap_or(self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::lower;

    fn cron(deadline: Option<i64>) -> CronJob {
        let manifest = serde_json::json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick", "namespace": "default"},
            "spec": {"schedule": "0 * * * *", "startingDeadlineSeconds": deadline, "jobTemplate": {"spec": {
                "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}},
        });
        let Ok(Object::CronJob(cron)) = lower(&manifest).map(|lowered| lowered.object) else { panic!() };
        CronJob::clone(&cron)
    }

    #[test]
    fn the_latest_missed_time_counts() {
        // `TestMostRecentScheduleTime`: (created, last, deadline, now), in minutes, to (latest, how many).
        let minutes = |minutes: i64| Timestamp::from_unix_secs(1_800_000_000 + minutes * 60);
        assert_eq!(minutes(0).unix_secs() % 3_600, 0);
        let cases = [
            (10, None, None, 30, None, 0),
            (10, None, None, 61, Some(60), 1),
            (10, None, None, 130, Some(120), 2),
            (10, Some(60), None, 130, Some(120), 1),
            (10, Some(120), None, 130, None, 0),
            (10, None, Some(300), 130, None, 0),
            (10, None, Some(900), 130, Some(120), 1),
            (10, None, None, 60 * 500, Some(60 * 500), 500),
        ];
        for (created, last, deadline, now, latest, count) in cases {
            let mut cron = cron(deadline);
            cron.meta.creation_timestamp = minutes(created);
            cron.status.last_schedule_time = last.map(minutes);
            let schedule = Schedule::parse(&cron.spec.schedule, "").unwrap();
            let missed = Missed::of(&cron, &schedule, minutes(now));
            assert_eq!((missed.latest, missed.count), (latest.map(minutes), count), "{now} min");
        }
    }
}
