//! Which pods a Job creates and deletes now (`manageJob`).

use super::indexes::{self, COMPLETION_INDEX, INDEX_FAILURES, INDEX_IGNORED_FAILURES, Indexes};
use super::{BATCH_PERIOD, JOB_TRACKING, Work, back_off, policy};
use crate::api::{
    Amendment, ApiError, Container, EnvValue, EnvVar, ErrorReason, LONGEST_NAME_BASE, Name, Pod, PodFailureAction,
    PodSpec, PodTemplate, Request, names,
};
use crate::components::controllers::flow::{Call, Flow, Step, first_error};
use crate::components::controllers::work_queue::Key;
use crate::components::controllers::{pod_control, victims};
use crate::engine::SimDuration;
use std::collections::BTreeSet;
use std::sync::Arc;

names! {
    INDEX_VARIABLE = "JOB_COMPLETION_INDEX";
    INDEX_FIELD = "metadata.labels['batch.kubernetes.io/job-completion-index']";
}

/// So many pods at most are created or deleted in one sync.
const MOST_PER_SYNC: usize = 500;

impl Work<'_> {
    /// Deletes pods that are too many, or else creates those that are missing. Returns the first problem.
    pub(super) fn manage(&mut self, flow: &mut Flow<'_, Key>) -> Step<Option<Box<ApiError>>> {
        if self.job.spec.suspend {
            let surplus = self.surplus_pods(self.active);
            return self.delete(&surplus, flow);
        }
        let wanted = self.wanted();
        let mut surplus = self.surplus_pods((self.active - wanted).max(0));
        surplus.truncate(MOST_PER_SYNC);
        if !surplus.is_empty() {
            return self.delete(&surplus, flow);
        }
        let leaving = if self.job.spec.waits_for_end() { self.terminating } else { 0 };
        let missing = wanted - leaving - self.active;
        if missing <= 0 {
            return Ok(None);
        }
        let per_index = self.job.spec.backoff_limit_per_index.is_some();
        let mut wait = if per_index { SimDuration::ZERO } else { self.back_off.remaining(flow.wall()) };
        let mut missing = (missing as usize).min(MOST_PER_SYNC);
        let mut indexes = Vec::new();
        if wait.is_zero() && self.job.spec.indexed {
            indexes = self.pending_indexes(missing);
            if per_index {
                (indexes, wait) = self.due_indexes(indexes, flow);
            }
            missing = indexes.len();
        }
        if !wait.is_zero() {
            flow.again_after(wait.max(BATCH_PERIOD));
            self.active = 0; // The real one returns so, although there may be active pods.
            return Ok(None);
        }
        self.create(missing, &indexes, flow)
    }

    /// How many pods are to be active.
    fn wanted(&self) -> i32 {
        let parallelism = self.job.spec.parallelism;
        match self.job.spec.completions {
            None if self.succeeded > 0 => self.active,
            None => parallelism,
            Some(completions) => (completions - self.succeeded).min(parallelism).max(0),
        }
    }

    /// At least so many active pods that are to go, doubles of an index first (`activePodsForRemoval`).
    fn surplus_pods(&self, least: i32) -> Vec<Arc<Pod>> {
        let least = least as usize;
        let (mut surplus, mut left) = (Vec::new(), self.active_pods.clone());
        if self.job.spec.indexed {
            (surplus, left) = doubles(left, self.job.spec.completions.unwrap_or(0));
        }
        if surplus.len() < least {
            victims::sort_plainly(&mut left);
            left.truncate(least - surplus.len());
            surplus.append(&mut left);
        }
        surplus
    }

    /// The lowest indexes that have no pod and need one (`firstPendingIndexes`).
    fn pending_indexes(&self, count: usize) -> Vec<i32> {
        let active = indexes::indexes_of(self.active_pods.iter().map(|pod| &pod.meta));
        let mut taken = self.succeeded_indexes.with(active);
        if self.job.spec.waits_for_end() {
            let leaving = self.pods.iter().filter(|pod| !pod.is_terminal() && pod.meta.is_terminating());
            taken = taken.with(indexes::indexes_of(leaving.map(|pod| &pod.meta)));
        }
        if let Some(failed) = &self.failed_indexes {
            taken = taken.union(failed);
        }
        taken.first_absent(count, self.job.spec.completions.unwrap_or(0))
    }

    /// Of some indexes those that need not wait; if all must, how long the first of them.
    fn due_indexes(&self, indexes: Vec<i32>, flow: &Flow<'_, Key>) -> (Vec<i32>, SimDuration) {
        let wait = |index: &i32| {
            self.delayed.get(index).map_or(SimDuration::ZERO, |pod| {
                let (counted, ignored) = indexes::failures_before(&pod.meta);
                back_off::remaining((counted + ignored + 1) as u32, back_off::finished_at(pod), flow.wall())
            })
        };
        let shortest = indexes.iter().map(wait).min().unwrap_or(SimDuration::ZERO);
        if !shortest.is_zero() {
            return (Vec::new(), shortest);
        }
        (indexes.into_iter().filter(|index| wait(index).is_zero()).collect(), SimDuration::ZERO)
    }

    fn create(&mut self, count: usize, indexes: &[i32], flow: &mut Flow<'_, Key>) -> Step<Option<Box<ApiError>>> {
        flow.expect(count, 0);
        let template = self.template();
        let make = |place: usize| {
            let pod = match indexes.get(place) {
                Some(index) => self.indexed_pod(&template, *index),
                None => self.owner.pod(&template),
            };
            self.owner.create(pod)
        };
        let responses = flow.slow_start(|| (0..count).map(make).collect())?;
        let ends = |error: &ApiError| error.reason == ErrorReason::NamespaceTerminating;
        let done = responses.iter().filter(|r| r.as_ref().map_or_else(|error| ends(error), |_| true)).count();
        if done < count {
            flow.expect_less(count - done, 0);
        }
        self.active += done as i32;
        Ok(first_error(&responses).filter(|error| !ends(error)))
    }

    /// What the Job's pods are made from, with the finalizer that keeps each until it was counted.
    fn template(&self) -> PodTemplate {
        let mut template = PodTemplate::clone(&self.job.spec.template);
        if !template.finalizers.contains(&JOB_TRACKING) {
            template.finalizers = template.finalizers.with(*JOB_TRACKING);
        }
        if self.job.spec.indexed {
            let mut spec = PodSpec::clone(&template.spec);
            spec.init_containers.iter_mut().chain(&mut spec.containers).for_each(name_index);
            template.spec = Arc::new(spec);
        }
        template
    }

    fn indexed_pod(&self, template: &PodTemplate, index: i32) -> Pod {
        let mut pod = self.owner.pod(template);
        let (name, number) = (self.job.meta.name, Name::new(&index.to_string()));
        let meta = &mut pod.meta;
        meta.generate_name = generate_name(name, index);
        meta.labels = meta.labels.with(*COMPLETION_INDEX, number);
        meta.annotations = meta.annotations.with(*COMPLETION_INDEX, number);
        if self.job.spec.backoff_limit_per_index.is_some() {
            let (counted, ignored) = self.failures_of(index);
            meta.annotations = meta.annotations.with(*INDEX_FAILURES, Name::new(&counted.to_string()));
            if ignored > 0 {
                meta.annotations = meta.annotations.with(*INDEX_IGNORED_FAILURES, Name::new(&ignored.to_string()));
            }
        }
        let spec = Arc::make_mut(&mut pod.spec);
        spec.hostname = Name::new(&format!("{name}-{index}"));
        pod
    }

    /// How often the pods of an index failed: what counted, and what did not (`getNewIndexFailureCounts`).
    fn failures_of(&self, index: i32) -> (i32, i32) {
        let Some(last) = self.delayed.get(&index) else { return (0, 0) };
        let (counted, ignored) = indexes::failures_before(&last.meta);
        let verdict = policy::job_verdict(&self.job, last);
        if verdict.is_some_and(|verdict| verdict.action == PodFailureAction::Ignore) {
            (counted, ignored + 1)
        } else {
            (counted + 1, ignored)
        }
    }

    /// Deletes active pods, which then count for nothing (`deleteJobPods`).
    fn delete(&mut self, pods: &[Arc<Pod>], flow: &mut Flow<'_, Key>) -> Step<Option<Box<ApiError>>> {
        flow.expect(0, pods.len());
        let released = flow.all(|| pods.iter().map(|pod| release(pod)).collect())?;
        let freed: Vec<&Arc<Pod>> =
            pods.iter().zip(&released).filter(|(_, response)| response.is_ok()).map(|(pod, _)| pod).collect();
        let deleted = flow.all(|| freed.iter().map(|pod| self.owner.delete(pod)).collect())?;
        let failures = released.iter().chain(&deleted).filter_map(|response| response.as_ref().err());
        let gone = |error: &ApiError| error.reason == ErrorReason::NotFound;
        let failed = failures.clone().count();
        if failed > 0 {
            flow.expect_less(0, failed);
        }
        let problems: Vec<_> = failures.filter(|error| !gone(error)).cloned().collect();
        let removed = pods.len() - problems.len();
        self.active -= removed as i32;
        self.terminating += removed as i32;
        self.ready -= freed.iter().filter(|pod| pod.status.is_ready()).count() as i32;
        Ok(problems.into_iter().next())
    }
}

/// What the names of an index's pods begin with: of a Job's long name only as much as leaves room for the index, which
/// the server would cut off otherwise (`podGenerateNameWithIndex`).
fn generate_name(job: Name, index: i32) -> Name {
    let ending = format!("-{index}-");
    let room = LONGEST_NAME_BASE.saturating_sub(ending.len());
    Name::new(&(job.get(..room).unwrap_or(&job).to_owned() + &ending))
}

/// The call that takes the finalizer from a pod.
pub(super) fn release(pod: &Pod) -> Call {
    let amendment = Amendment::RemoveFinalizers(vec![*JOB_TRACKING].into());
    Request::Amend { target: pod_control::target(pod), uid: Some(pod.meta.uid), amendment }.into()
}

fn name_index(container: &mut Container) {
    if container.env.iter().all(|variable| variable.name != *INDEX_VARIABLE) {
        container.env.push(EnvVar { name: *INDEX_VARIABLE, value: EnvValue::Field(*INDEX_FIELD) });
    }
}

/// Splits off the pods without a valid index, and all but the best of each index.
fn doubles(mut pods: Vec<Arc<Pod>>, completions: i32) -> (Vec<Arc<Pod>>, Vec<Arc<Pod>>) {
    pods.sort_by_key(|pod| indexes::index_of(&pod.meta).unwrap_or(-1));
    let (mut surplus, mut left) = (Vec::new(), Vec::new());
    for group in pods.chunk_by(|a, b| indexes::index_of(&a.meta) == indexes::index_of(&b.meta)) {
        let mut group = group.to_vec();
        if indexes::index_of(&group[0].meta).is_some_and(|index| index < completions) {
            victims::sort_plainly(&mut group);
            left.extend(group.pop());
        }
        surplus.append(&mut group);
    }
    (surplus, left)
}

/// Indexes as a set.
pub(super) fn ordered(indexes: &BTreeSet<i32>) -> Indexes {
    Indexes::default().with(indexes.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_long_jobs_are_named_after_their_index() {
        let long = "j".repeat(63);
        for (job, index, base) in [
            ("sums", 3, "sums-3-".to_owned()),
            (&long[..55], 0, format!("{}-0-", &long[..55])),
            (&long[..56], 0, format!("{}-0-", &long[..55])),
            (&long, 1234, format!("{}-1234-", &long[..52])),
        ] {
            assert_eq!(generate_name(Name::new(job), index), *base, "{job} {index}");
        }
    }
}
