//! Finished Jobs go after their time to live (`pkg/controller/ttlafterfinished` of Kubernetes 1.36).

use super::flow::{Desk, Flow, Step, object};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::job::finished_at;
use super::work_queue::Key;
use crate::api::{DeleteOptions, ErrorReason, Job, Kind, Object, Propagation, Request, Target, WallTime};
use crate::engine::SimDuration;
use std::sync::Arc;

/// The controller that deletes finished Jobs.
#[derive(Debug, Clone)]
pub struct TtlAfterFinishedController;

impl Controller for TtlAfterFinishedController {
    type Key = Key;
    type View = Arc<Job>;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Job]);

    fn settings(&self) -> Settings {
        Settings::new("ttl-after-finished-controller")
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        let Object::Job(job) = seen.new else { return };
        if !seen.is_deletion() && expires_in(job, desk.wall()).is_some() {
            desk.queue.add(Key::of(&job.meta));
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, _desk: &mut Desk<Key>) -> Option<Arc<Job>> {
        informers.store().jobs.find(key.namespace, key.name).cloned()
    }

    fn sync(&mut self, job: &Arc<Job>, flow: &mut Flow<'_, Key>) -> Step {
        let Some(left) = expires_in(job, flow.wall()) else { return Ok(()) };
        if !left.is_zero() {
            flow.again_after(left);
            return Ok(());
        }
        // The informer may be late: the Job is read anew before it is deleted.
        let target = Target { kind: Kind::Job, namespace: job.meta.namespace, name: job.meta.name };
        let fresh = match flow.get(target)? {
            Ok(fresh) => object::<Job>(&fresh),
            Err(error) if error.reason == ErrorReason::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match expires_in(&fresh, flow.wall()) {
            Some(left) if left.is_zero() => {}
            Some(left) => {
                flow.again_after(left);
                return Ok(());
            }
            None => return Ok(()),
        }
        let uid = Some(fresh.meta.uid);
        let options = DeleteOptions { uid, propagation: Some(Propagation::Foreground), ..DeleteOptions::default() };
        match flow.call(|| Request::Delete { target, options })? {
            Err(error) if error.reason != ErrorReason::NotFound => Err(error.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// How long a Job may still stay, if its stay is limited (`timeLeft`).
fn expires_in(job: &Job, now: WallTime) -> Option<SimDuration> {
    let ttl = job.spec.ttl_seconds_after_finished.filter(|_| !job.meta.is_terminating())?;
    Some(finished_at(job)?.plus_secs(i64::from(ttl)).wall().since(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Condition, ConditionStatus, Name, Timestamp, lower};

    #[test]
    fn the_time_counts_from_the_end() {
        // `TestTimeLeft`: (ttl, finished at, now, left), in seconds.
        let cases = [
            (Some(10), Some(100), 104, Some(6)),
            (Some(10), Some(100), 110, Some(0)),
            (Some(10), Some(100), 300, Some(0)),
            (Some(10), None, 300, None),
            (None, Some(100), 300, None),
        ];
        for (ttl, finished, now, left) in cases {
            let manifest = serde_json::json!({
                "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "default"},
                "spec": {"ttlSecondsAfterFinished": ttl, "template": {"spec": {
                    "restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
            });
            let Ok(Object::Job(job)) = lower(&manifest).map(|lowered| lowered.object) else { panic!() };
            let mut job = Job::clone(&job);
            if let Some(at) = finished {
                let at = Timestamp::from_unix_secs(at);
                job.status.conditions.push(Condition::new(Name::new("Complete"), ConditionStatus::True, at));
            }
            let got = expires_in(&job, Timestamp::from_unix_secs(now).wall());
            assert_eq!(got, left.map(SimDuration::from_secs), "{ttl:?} {finished:?} {now}");
        }
    }
}
