//! How finished pods are counted: noted by identity in the status, freed of their finalizer, then counted
//! (`trackJobStatusAndRemoveFinalizers`). Nothing is counted twice, whatever fails in between.

use super::{
    COMPLETE, FAILED, FAILURE_TARGET, JobController, SUCCESS_CRITERIA_MET, View, Work, indexes, job_of, manage, policy,
};
use crate::api::{
    Condition, ErrorReason, EventType, JobStatus, Object, Part, Pod, PodPhase, Request, Text, Uid, set_condition,
};
use crate::components::controllers::flow::{Flow, Step};
use crate::components::controllers::work_queue::Key;
use crate::planted::{self, Bug};
use std::collections::BTreeSet;
use std::sync::Arc;

/// So many pods at most are noted in the status at once.
const MOST_UNCOUNTED: usize = 500;

impl JobController {
    /// Writes what the sync has found: pods noted, finalizers removed, pods counted, the Job's end.
    pub(super) fn track(&mut self, work: &mut Work<'_>, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let status = &work.job.status;
        let mut news = *status != view.job.status
            || status.active != work.active
            || status.ready != Some(work.ready)
            || status.terminating != Some(work.terminating);
        let status = &mut work.job.status;
        status.active = work.active;
        status.ready = Some(work.ready);
        status.terminating = Some(work.terminating);
        if work.job.spec.indexed {
            let index = |pod: &Arc<Pod>| indexes::index_of(&pod.meta);
            work.pods.sort_by_key(index);
        }
        let mut held: BTreeSet<Uid> =
            work.pods.iter().filter(|pod| work.holds_finalizer(pod)).map(|pod| pod.meta.uid).collect();
        news |= count_released(&mut work.job.status, &held);
        let noted = work.note_finished();
        news |= noted.news;
        news |= work.note_end();
        if news {
            work.put_status(flow)?;
            if flow.first() {
                self.back_off.insert(flow.key(), work.back_off);
            }
        }
        let failure = self.release(&noted.pods, &mut held, flow)?;
        let mut news = count_released(&mut work.job.status, &held);
        if let Some(failure) = failure {
            if news {
                work.put_status(flow)?;
            }
            return Err(failure.into());
        }
        let finished = noted.complete && work.finish(flow);
        news |= finished;
        if news {
            work.put_status(flow)?;
        }
        if finished {
            work.announce(flow);
        }
        Ok(())
    }

    /// Takes the finalizer from pods, all at once; those that lost it are no longer `held`. Returns the first problem.
    fn release(
        &mut self,
        pods: &[Arc<Pod>],
        held: &mut BTreeSet<Uid>,
        flow: &mut Flow<'_, Key>,
    ) -> Step<Option<Box<crate::api::ApiError>>> {
        if pods.is_empty() {
            return Ok(None);
        }
        let key = flow.key();
        if flow.first() {
            self.losing_finalizer.entry(key).or_default().extend(pods.iter().map(|pod| pod.meta.uid));
        }
        let responses = flow.all(|| pods.iter().map(|pod| manage::release(pod)).collect())?;
        let mut problem = None;
        let first = flow.first();
        for (pod, response) in pods.iter().zip(responses) {
            let Err(error) = response else {
                held.remove(&pod.meta.uid);
                continue;
            };
            if first && let Some(losing) = self.losing_finalizer.get_mut(&key) {
                losing.remove(&pod.meta.uid);
            }
            // A conflict means another incarnation: this pod is gone as well.
            if matches!(error.reason, ErrorReason::NotFound | ErrorReason::Conflict) {
                held.remove(&pod.meta.uid);
            } else {
                problem.get_or_insert(error);
            }
        }
        Ok(problem)
    }
}

/// The finished pods that were noted.
struct Noted {
    /// Those that may lose their finalizer.
    pods: Vec<Arc<Pod>>,
    news: bool,
    /// Whether all were noted, rather than as many as fit.
    complete: bool,
}

impl Work<'_> {
    fn note_finished(&mut self) -> Noted {
        let mut noted = Noted { pods: Vec::new(), news: false, complete: true };
        let mut succeeded = self.job.status.uncounted_succeeded.to_vec();
        let mut failed = self.job.status.uncounted_failed.to_vec();
        let mut new_indexes = BTreeSet::new();
        for pod in &self.pods {
            let is_failed = policy::is_failed(&self.job, pod);
            if !self.holds_finalizer(pod) || !self.may_go(pod, is_failed) {
                continue;
            }
            noted.pods.push(pod.clone());
            let uid = pod.meta.uid;
            let index = self.valid_index(pod);
            if pod.status.phase == PodPhase::Succeeded && !failed.contains(&uid) {
                if self.job.spec.indexed {
                    new_indexes.extend(index.filter(|index| !self.counted_indexes.has(*index)));
                } else if !succeeded.contains(&uid) {
                    succeeded.push(uid);
                }
            } else if (is_failed || self.fails()) && !failed.contains(&uid) {
                let counts = policy::Verdict::counts(policy::job_verdict(&self.job, pod).as_ref());
                if (!self.job.spec.indexed || index.is_some()) && counts {
                    failed.push(uid);
                }
            }
            if new_indexes.len() + succeeded.len() + failed.len() >= MOST_UNCOUNTED {
                noted.complete = false;
                break;
            }
        }
        let before = self.job.status.clone();
        let status = &mut self.job.status;
        status.uncounted_succeeded = succeeded.into();
        status.uncounted_failed = failed.into();
        if self.job.spec.indexed {
            let completed = self.counted_indexes.union(&manage::ordered(&new_indexes));
            status.succeeded = completed.total();
            status.completed_indexes = Text::from(completed.to_string());
            status.failed_indexes = self.failed_indexes.as_ref().map(|failed| Text::from(failed.to_string()));
        }
        noted.news = *status != before;
        noted
    }

    /// Whether a pod may lose its finalizer once it is noted (`canRemoveFinalizer`).
    fn may_go(&self, pod: &Pod, is_failed: bool) -> bool {
        if self.job.meta.is_terminating() || self.end.is_some() || pod.status.phase == PodPhase::Succeeded {
            return true;
        }
        let delayed = |index| self.delayed.get(&index).is_some_and(|delayed| delayed.meta.uid == pod.meta.uid);
        is_failed && !indexes::index_of(&pod.meta).is_some_and(delayed)
    }

    /// Whether the Job ends badly: then pods that have not finished count as failed.
    fn fails(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.kind == *FAILURE_TARGET)
    }

    /// Notes how the Job is about to end.
    fn note_end(&mut self) -> bool {
        let Some(end) = &self.end else { return false };
        let status = &mut self.job.status;
        let known = status.true_condition(end.kind).is_some();
        if !known {
            status.conditions.push(end.clone());
        }
        !known
    }

    /// Enters the end itself, once every pod was counted and none is left (`enactJobFinished`).
    fn finish(&mut self, flow: &Flow<'_, Key>) -> bool {
        let Some(end) = &self.end else { return false };
        let status = &mut self.job.status;
        let uncounted = status.uncounted_succeeded.len() + status.uncounted_failed.len();
        if uncounted > 0 || self.terminating > 0 {
            return false;
        }
        let kind = if end.kind == *SUCCESS_CRITERIA_MET { *COMPLETE } else { *FAILED };
        let condition =
            Condition { kind, last_transition_time: flow.stamp(), last_update_time: Some(flow.stamp()), ..end.clone() };
        set_condition(&mut status.conditions, condition);
        if kind == *COMPLETE {
            status.completion_time = Some(flow.stamp());
        }
        true
    }

    fn announce(&self, flow: &mut Flow<'_, Key>) {
        let Some(end) = &self.end else { return };
        let about = self.owner.reference;
        if end.kind == *SUCCESS_CRITERIA_MET {
            flow.tell(about, EventType::Normal, "Completed", "Job completed");
            if self.job.spec.completions.is_some_and(|completions| self.job.status.succeeded > completions) {
                let message = "Too many succeeded pods running after completion count reached";
                flow.tell(about, EventType::Warning, "TooManySucceededPods", message);
            }
        } else {
            flow.tell(about, EventType::Warning, &end.reason, end.message.clone());
        }
    }

    /// Writes the status and goes on with the version that this leaves.
    fn put_status(&mut self, flow: &mut Flow<'_, Key>) -> Step {
        let job = &self.job;
        let request = || Request::Update { object: Object::Job(Arc::new(job.clone())), part: Part::Status };
        self.job = job_of(&flow.call(request)??);
        Ok(())
    }
}

/// Counts the noted pods that have lost their finalizer (`cleanUncountedPodsWithoutFinalizers`).
fn count_released(status: &mut JobStatus, held: &BTreeSet<Uid>) -> bool {
    let succeeded = status.uncounted_succeeded.retain(|uid| held.contains(uid));
    let failed = status.uncounted_failed.retain(|uid| held.contains(uid));
    let counted_succeeded = status.uncounted_succeeded.len() - succeeded.len();
    let counted_failed = status.uncounted_failed.len() - failed.len();
    status.succeeded += counted_succeeded as i32;
    status.failed += counted_failed as i32;
    if !planted::is(Bug::PodsCountedTwice) {
        status.uncounted_succeeded = succeeded;
        status.uncounted_failed = failed;
    }
    counted_succeeded + counted_failed > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pod_is_counted_once_it_has_lost_its_finalizer() {
        // `TestTrackJobStatusAndRemoveFinalizers`.
        let uid = Uid::from_bits;
        let mut status = JobStatus {
            succeeded: 3,
            failed: 1,
            uncounted_succeeded: vec![uid(1), uid(2)].into(),
            uncounted_failed: vec![uid(3)].into(),
            ..JobStatus::default()
        };
        assert!(count_released(&mut status, &[uid(2)].into_iter().collect()));
        assert_eq!((status.succeeded, status.failed), (4, 2));
        assert_eq!((&status.uncounted_succeeded[..], status.uncounted_failed.len()), (&[uid(2)][..], 0));
        assert!(!count_released(&mut status, &[uid(2)].into_iter().collect()));
    }
}
