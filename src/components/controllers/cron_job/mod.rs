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
    ObjectReference, Part, Propagation, Request, Target, Timestamp, Uid, WallTime, names,
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
const MANY_MISSED: i64 = 100;

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
            Object::CronJob(cron) if !seen.is_deletion() => {
                let old = seen.of::<CronJob>().and_then(|(old, _)| old);
                cron_job_changed(old, cron, desk);
            }
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

/// A CronJob that is due at other times than before is looked at when it is due next, not now: what the new schedule
/// has missed is not made up for by that (`updateCronJob`).
fn cron_job_changed(old: Option<&Arc<CronJob>>, cron: &Arc<CronJob>, desk: &mut Desk<Key>) {
    let key = Key::of(&cron.meta);
    let other_times =
        |old: &Arc<CronJob>| old.spec.schedule != cron.spec.schedule || old.spec.time_zone != cron.spec.time_zone;
    let schedule = old.filter(|old| other_times(old)).and_then(|_| Schedule::of(cron));
    match schedule.map(|schedule| Missed::wait(cron, &schedule, desk.wall())) {
        Some(Some(wait)) => desk.queue.add_after(desk.now, wait, key),
        Some(None) | None => desk.queue.add(key),
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
        let Some(schedule) = Schedule::of(&self.cron) else {
            let zone = self.cron.spec.time_zone;
            let message = format!("invalid timeZone: {:?}: unknown time zone {zone}", &*zone);
            self.tell(EventType::Warning, "UnknownTimeZone", message);
            return Ok(None);
        };
        let now = self.flow.stamp();
        let Some(missed) = Missed::of(&self.cron, &schedule, self.cron.spec.starting_deadline_seconds, now) else {
            let message = format!(
                "invalid schedule: {} : time difference between two schedules is less than 1 second",
                self.cron.spec.schedule
            );
            self.tell(EventType::Warning, "InvalidSchedule", message);
            return Ok(None);
        };
        let wait = Missed::wait(&self.cron, &schedule, self.flow.wall());
        let Some(due) = missed.latest else { return Ok(wait) };
        if missed.count > MANY_MISSED {
            let message =
                "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
            self.tell(EventType::Warning, "TooManyMissedTimes", message.to_owned());
        }
        if self.cron.spec.starting_deadline_seconds.is_some_and(|deadline| due.plus_secs(deadline) < now) {
            let message = format!("Missed scheduled time to start a job: {}", due.rfc1123z());
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
                    let target = Target { kind: Kind::Job, namespace: self.cron.meta.namespace, name: *job };
                    if let Err(error) = self.flow.get(target)? {
                        self.tell(EventType::Warning, "FailedGet", format!("Get job: {error}"));
                        return Err(error.into());
                    }
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

    /// Starts a Job; one that is there already, as after a crash before the status was written, is taken for it.
    /// Returns whether the CronJob has a new active Job.
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
                annotations: spec.job_annotations.with(*SCHEDULED_AT, schedule::local(due, &spec.time_zone)),
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

/// The times at which a Job was due and none was started (`mostRecentScheduleTime`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Missed {
    since: Timestamp,
    latest: Option<Timestamp>,
    /// About how many: as many as there would be if all were as far apart as the first two.
    count: i64,
}

impl Missed {
    /// The missed times up to now; those before the deadline do not count, if one is given. `None` if the schedule has
    /// hardly any times at all.
    fn of(cron: &CronJob, schedule: &Schedule, deadline: Option<i64>, now: Timestamp) -> Option<Self> {
        let mut since = cron.status.last_schedule_time.unwrap_or(cron.meta.creation_timestamp);
        if let Some(deadline) = deadline {
            since = since.max(now.plus_secs(-deadline));
        }
        let first = schedule.next(since)?;
        if now < first {
            return Some(Self { since, latest: None, count: 0 });
        }
        let second = schedule.next(first)?;
        if now < second {
            return Some(Self { since, latest: Some(first), count: 0 });
        }
        let interval = second.unix_secs() - first.unix_secs();
        let intervals = (now.unix_secs() - first.unix_secs()) / interval;
        // From one interval before the last, lest the multiples of @every are missed. An irregular schedule may have no
        // time since then: then none is made up for.
        let from = first.plus_secs((intervals - 1) * interval);
        let after = |at: &Timestamp| schedule.next(*at).filter(|next| *next <= now);
        let latest = std::iter::successors(after(&from), after).last();
        Some(Self { since, latest, count: intervals + 1 })
    }

    /// How long until the schedule is due next (`nextScheduleTimeDuration`): the deadline has no say in that.
    fn wait(cron: &CronJob, schedule: &Schedule, now: WallTime) -> Option<SimDuration> {
        let stamp = now.truncated();
        let after = match Self::of(cron, schedule, None, stamp) {
            Some(Self { latest: Some(latest), .. }) => latest,
            Some(Self { since, count: 0, .. }) => since,
            Some(_) | None => stamp,
        };
        Some(schedule.next(after)?.wall().since(now) + DELAY)
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
            (10, None, None, 61, Some(60), 0),
            (10, None, None, 130, Some(120), 2),
            (10, Some(60), None, 130, Some(120), 0),
            (10, Some(120), None, 130, None, 0),
            (10, None, Some(300), 130, None, 0),
            (10, None, Some(900), 130, Some(120), 0),
            (10, None, None, 60 * 500, Some(60 * 500), 500),
        ];
        for (created, last, deadline, now, latest, count) in cases {
            let mut cron = cron(deadline);
            cron.meta.creation_timestamp = minutes(created);
            cron.status.last_schedule_time = last.map(minutes);
            let schedule = Schedule::parse(&cron.spec.schedule, "").unwrap();
            let missed = Missed::of(&cron, &schedule, deadline, minutes(now)).expect("an hourly schedule");
            assert_eq!((missed.latest, missed.count), (latest.map(minutes), count), "{now} min");
        }
    }

    #[test]
    fn missed_times_are_reckoned_by_the_first_interval() {
        // (schedule, now) to (latest, how many, seconds to wait), in minutes after midnight, when it was created.
        let midnight = 1_799_971_200;
        let minutes = |minutes: i64| Timestamp::from_unix_secs(midnight + minutes * 60);
        let cases = [
            ("0,1 1 * * *", 61, Some((Some(61), 2)), 23 * 3_600 + 59 * 60),
            ("0,1 1 * * *", 62, Some((None, 3)), 23 * 3_600 + 58 * 60),
            ("0,1 1 * * *", 125, Some((None, 66)), 22 * 3_600 + 55 * 60),
            ("0 1,12 * * *", 13 * 60, Some((Some(12 * 60), 2)), 12 * 3_600),
            ("@every 7m", 30, Some((Some(28), 4)), 5 * 60),
            ("0 0 31 2 *", 30, None, 0),
        ];
        for (text, now, found, wait) in cases {
            let mut cron = cron(None);
            cron.meta.creation_timestamp = minutes(0);
            let schedule = Schedule::parse(text, "").unwrap();
            let missed = Missed::of(&cron, &schedule, None, minutes(now));
            let found = found.map(|(latest, count): (Option<i64>, i64)| (latest.map(minutes), count));
            assert_eq!(missed.map(|missed| (missed.latest, missed.count)), found, "{text} at {now} min");
            let waits = Missed::wait(&cron, &schedule, minutes(now).wall());
            assert_eq!(waits, (wait > 0).then(|| SimDuration::from_secs(wait) + DELAY), "{text} at {now} min");
        }
    }
}
