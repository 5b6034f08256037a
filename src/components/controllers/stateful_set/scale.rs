//! Which pods of a StatefulSet come, go and are replaced in one sync (`stateful_set_control.go`, `updateStatefulSet`).

use super::{View, claims, identity, tell};
use crate::api::{
    ApiError, ControllerRevision, ErrorReason, Name, Object, Part, Pod, PodPhase, Request, Response, StatefulSetStatus,
    StatefulSetUpdateStrategy, WallTime,
};
use crate::components::controllers::flow::{Call, Flow, Step, first_error};
use crate::components::controllers::pod_control::{self, Owner, is_available};
use crate::components::controllers::work_queue::Key;
use crate::planted::{self, Bug};
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

/// At most so many ordinals are worked on at a time (`MaxBatchSize`).
const LARGEST_BATCH: usize = 500;

/// The places that are worked on at a time: 1, 2, 4, … of so many (`slowStartBatch`).
fn batches(count: usize) -> impl Iterator<Item = Range<usize>> {
    let size = |last: &usize| Some((last * 2).min(LARGEST_BATCH));
    let mut start = 0;
    std::iter::successors(Some(1), size).map_while(move |size| {
        let end = (start + size).min(count);
        let batch = start..end;
        start = end;
        (!batch.is_empty()).then_some(batch)
    })
}

/// A sync under way.
pub(super) struct Work<'a> {
    view: &'a View,
    owner: &'a Owner,
    current: &'a ControllerRevision,
    update: &'a ControllerRevision,
    /// The pods of the wanted ordinals, in order; `None` where one is missing.
    replicas: Vec<Option<Arc<Pod>>>,
    /// The pods of other ordinals, highest first.
    condemned: Vec<Arc<Pod>>,
    /// What was counted before anything was changed.
    status: StatefulSetStatus,
}

/// Whether a sync goes on.
#[derive(Debug, Clone, PartialEq)]
enum Next {
    GoOn,
    Stop,
    Fail(Box<ApiError>),
}

impl<'a> Work<'a> {
    pub(super) fn new(
        view: &'a View,
        owner: &'a Owner,
        current: &'a ControllerRevision,
        update: &'a ControllerRevision,
        pods: Vec<Arc<Pod>>,
    ) -> Self {
        let set = &view.set;
        let range = identity::ordinals(set);
        let mut replicas = vec![None; range.len()];
        let mut condemned = Vec::new();
        for pod in pods {
            match identity::ordinal(set, pod.meta.name) {
                Some(ordinal) if range.contains(&ordinal) => replicas[(ordinal - range.start) as usize] = Some(pod),
                Some(ordinal) => condemned.push((ordinal, pod)),
                None => {}
            }
        }
        condemned.sort_by_key(|(ordinal, _)| Reverse(*ordinal));
        let condemned = condemned.into_iter().map(|(_, pod)| pod).collect();
        Self { view, owner, current, update, replicas, condemned, status: StatefulSetStatus::default() }
    }

    /// Does what is due; returns the status that this leaves, and what went wrong.
    pub(super) fn run(mut self, flow: &mut Flow<'_, Key>) -> Step<(StatefulSetStatus, Option<Box<ApiError>>)> {
        let set = &self.view.set;
        self.count(flow.wall());
        if set.meta.is_terminating() {
            return Ok((self.status, None));
        }
        let first_unhealthy = self.first_unhealthy(flow.wall());
        let mut next = if set.spec.parallel || planted::is(Bug::OrdinalsUnordered) {
            self.fill_at_once(flow)?
        } else {
            self.fill_in_order(flow)?
        };
        if next == Next::GoOn {
            next = self.condemn(first_unhealthy, flow)?;
        }
        if next == Next::GoOn && matches!(set.spec.update_strategy, StatefulSetUpdateStrategy::RollingUpdate { .. }) {
            next = self.roll(flow)?;
        }
        let problem = if let Next::Fail(error) = next { Some(error) } else { None };
        Ok((self.status, problem))
    }

    /// Counts the pods as they were before this sync (`updateStatus`).
    fn count(&mut self, now: WallTime) {
        let set = &self.view.set;
        let mut status = StatefulSetStatus {
            observed_generation: set.meta.generation,
            current_revision: self.current.meta.name,
            update_revision: self.update.meta.name,
            collision_count: Some(set.status.collision_count.unwrap_or(0)),
            ..StatefulSetStatus::default()
        };
        for pod in self.replicas.iter().flatten().chain(&self.condemned) {
            status.replicas += 1;
            if identity::is_running_and_ready(pod) {
                status.ready_replicas += 1;
                status.available_replicas += i32::from(is_available(pod, set.spec.min_ready_seconds, now));
            }
            if !pod.meta.is_terminating() {
                let revision = identity::revision(pod);
                status.current_replicas += i32::from(revision == Some(self.current.meta.name));
                status.updated_replicas += i32::from(revision == Some(self.update.meta.name));
            }
        }
        self.status = status;
    }

    fn ordinal(&self, place: usize) -> i32 {
        self.view.set.spec.first_ordinal + place as i32
    }

    fn available(&self, pod: &Pod, now: WallTime) -> bool {
        identity::is_running_and_ready(pod) && is_available(pod, self.view.set.spec.min_ready_seconds, now)
    }

    /// The lowest ordinal that is not well.
    fn first_unhealthy(&self, now: WallTime) -> Option<Name> {
        let unwell = |pod: &&Arc<Pod>| !self.available(pod, now) || pod.meta.is_terminating();
        let set = &self.view.set;
        let missing =
            self.replicas.iter().position(Option::is_none).map(|place| identity::name(set, self.ordinal(place)));
        let present = self.replicas.iter().flatten().find(unwell).map(|pod| pod.meta.name);
        let wanted = missing.into_iter().chain(present).min_by_key(|name| identity::ordinal(set, *name));
        wanted.or_else(|| self.condemned.iter().rev().find(unwell).map(|pod| pod.meta.name))
    }

    /// The revision of a pod that is missing (`isCurrentRevisionNeeded`).
    fn revision_for(&self, ordinal: i32) -> &'a ControllerRevision {
        let set = &self.view.set;
        match set.spec.update_strategy {
            StatefulSetUpdateStrategy::RollingUpdate { partition, .. }
                if ordinal < set.spec.first_ordinal + partition =>
            {
                self.current
            }
            StatefulSetUpdateStrategy::RollingUpdate { .. } | StatefulSetUpdateStrategy::OnDelete => self.update,
        }
    }

    /// One ordinal after the other: each must be well before the next is looked at.
    fn fill_in_order(&mut self, flow: &mut Flow<'_, Key>) -> Step<Next> {
        for place in 0..self.replicas.len() {
            let ordinal = self.ordinal(place);
            let Some(pod) = self.replicas[place].clone() else { return self.create(ordinal, flow) };
            if pod.is_terminal() {
                return self.renew(&pod, flow);
            }
            if self.may_lack_claims(&pod, ordinal)
                && let Some(error) = self.claim(ordinal, flow)?
            {
                return Ok(Next::Fail(error));
            }
            if pod.meta.is_terminating() || !self.available(&pod, flow.wall()) {
                return Ok(Next::Stop);
            }
            self.repair(&pod, ordinal, flow)?;
        }
        Ok(Next::GoOn)
    }

    /// All ordinals, some at a time.
    fn fill_at_once(&mut self, flow: &mut Flow<'_, Key>) -> Step<Next> {
        for batch in batches(self.replicas.len()) {
            if let Some(error) = self.fill_batch(batch, flow)? {
                return Ok(Next::Fail(error));
            }
        }
        Ok(Next::GoOn)
    }

    /// Some ordinals at once, each with one call after the other; the first problem by ordinal, if any.
    fn fill_batch(&self, places: Range<usize>, flow: &mut Flow<'_, Key>) -> Step<Option<Box<ApiError>>> {
        let (mut missing, mut pending, mut there) = (Vec::new(), Vec::new(), Vec::new());
        let mut problem = None;
        for place in places {
            let ordinal = self.ordinal(place);
            match &self.replicas[place] {
                None if claims::is_stale(self.view, ordinal) => {}
                None => missing.push(ordinal),
                Some(pod) if pod.is_terminal() => {
                    if let Next::Fail(error) = self.renew(pod, flow)? {
                        problem.get_or_insert(error);
                    }
                }
                Some(pod) => {
                    pending.extend(self.may_lack_claims(pod, ordinal).then_some(ordinal));
                    there.push((ordinal, pod));
                }
            }
        }
        let claimants: Vec<i32> = missing.iter().chain(&pending).copied().collect();
        let problems = claims::create_missing(self.view, self.owner, &claimants, flow)?;
        missing.retain(|ordinal| !problems.contains_key(ordinal));
        there.retain(|(ordinal, _)| !problems.contains_key(ordinal));
        problem = problem.or(problems.into_values().next());
        let make = |ordinal: &i32| Call::from(self.creation(*ordinal));
        let responses = flow.all(|| missing.iter().map(make).collect())?;
        problem = problem.or(first_error(&responses));
        for (ordinal, response) in missing.iter().zip(&responses) {
            self.note_creation(*ordinal, response, flow);
        }
        for (ordinal, pod) in there {
            self.repair(pod, ordinal, flow)?;
        }
        Ok(problem)
    }

    fn may_lack_claims(&self, pod: &Pod, ordinal: i32) -> bool {
        pod.status.phase == PodPhase::Pending && self.view.claimants.contains(&ordinal)
    }

    /// Makes the claims of an ordinal that are missing.
    fn claim(&self, ordinal: i32, flow: &mut Flow<'_, Key>) -> Step<Option<Box<ApiError>>> {
        Ok(claims::create_missing(self.view, self.owner, &[ordinal], flow)?.into_values().next())
    }

    fn creation(&self, ordinal: i32) -> Request {
        let pod = identity::pod(&self.view.set, self.owner, self.revision_for(ordinal), ordinal);
        Request::Create(Object::Pod(Arc::new(pod)))
    }

    /// Makes the pod of an ordinal; nothing more is done in this round. One that waits for a claim to go is made when
    /// the set is next looked at: nothing says when that is.
    fn create(&self, ordinal: i32, flow: &mut Flow<'_, Key>) -> Step<Next> {
        if claims::is_stale(self.view, ordinal) {
            return Ok(Next::Stop);
        }
        if let Some(error) = self.claim(ordinal, flow)? {
            return Ok(Next::Fail(error));
        }
        let response = flow.call(|| self.creation(ordinal))?;
        self.note_creation(ordinal, &response, flow);
        Ok(response.err().map_or(Next::Stop, Next::Fail))
    }

    fn note_creation(&self, ordinal: i32, response: &Response, flow: &mut Flow<'_, Key>) {
        if response.as_ref().is_err_and(|error| error.reason == ErrorReason::AlreadyExists) {
            return;
        }
        let what = format!("Pod {}", identity::name(&self.view.set, ordinal));
        tell(self.owner, "Create", &what, response, flow);
    }

    /// A pod that has finished goes; its name is free for the next one afterwards.
    fn renew(&self, pod: &Arc<Pod>, flow: &mut Flow<'_, Key>) -> Step<Next> {
        if pod.meta.is_terminating() {
            return Ok(Next::Stop);
        }
        Ok(self.delete(pod, flow)?.map_or(Next::Stop, Next::Fail))
    }

    fn delete(&self, pod: &Pod, flow: &mut Flow<'_, Key>) -> Step<Option<Box<ApiError>>> {
        let response = flow.call(|| pod_control::delete_pod(pod))?;
        self.note_deletion(pod, &response, flow);
        Ok(response.err())
    }

    fn note_deletion(&self, pod: &Pod, response: &Response, flow: &mut Flow<'_, Key>) {
        let what = format!("Pod {}", pod.meta.name);
        tell(self.owner, "Delete", &what, response, flow);
    }

    /// Gives a pod back what belongs to its ordinal, and its claims to whom they go with (`UpdateStatefulPod`). The pod
    /// is written in either case.
    fn repair(&self, pod: &Arc<Pod>, ordinal: i32, flow: &mut Flow<'_, Key>) -> Step {
        let repaired = identity::repaired(&self.view.set, ordinal, pod).map(Arc::new);
        let response = match claims::keep_owners(self.view, self.owner, pod, false, flow)? {
            Ok(0) if repaired.is_none() => return Ok(()),
            Ok(_) => {
                let object = Object::Pod(repaired.unwrap_or_else(|| pod.clone()));
                flow.call(|| Request::Update { object, part: Part::Main })?
            }
            Err(error) => Err(error),
        };
        // A conflict is nothing to tell of: it is tried again.
        if !response.as_ref().is_err_and(|error| error.reason == ErrorReason::Conflict) {
            tell(self.owner, "Update", &format!("Pod {}", pod.meta.name), &response, flow);
        }
        response?;
        Ok(())
    }

    /// Takes away pods that are not wanted, highest ordinal first.
    fn condemn(&self, first_unhealthy: Option<Name>, flow: &mut Flow<'_, Key>) -> Step<Next> {
        let in_order = !self.view.set.spec.parallel;
        for pod in &self.condemned {
            claims::keep_owners(self.view, self.owner, pod, true, flow)??;
        }
        if !in_order {
            return self.condemn_at_once(flow);
        }
        let Some(pod) = self.condemned.first() else { return Ok(Next::GoOn) };
        let waits = !self.available(pod, flow.wall()) && first_unhealthy != Some(pod.meta.name);
        if pod.meta.is_terminating() || waits {
            return Ok(Next::Stop);
        }
        Ok(self.delete(pod, flow)?.map_or(Next::Stop, Next::Fail))
    }

    fn condemn_at_once(&self, flow: &mut Flow<'_, Key>) -> Step<Next> {
        for batch in batches(self.condemned.len()) {
            let batch = self.condemned[batch].iter().filter(|pod| !pod.meta.is_terminating());
            let doomed: Vec<&Arc<Pod>> = batch.collect();
            let responses = flow.all(|| doomed.iter().map(|pod| pod_control::delete_pod(pod).into()).collect())?;
            for (pod, response) in doomed.iter().zip(&responses) {
                self.note_deletion(pod, response, flow);
            }
            if let Some(error) = first_error(&responses) {
                return Ok(Next::Fail(error));
            }
        }
        Ok(Next::GoOn)
    }

    /// Replaces the pod with the highest ordinal that is not of the newest revision, if all above it are well.
    fn roll(&mut self, flow: &mut Flow<'_, Key>) -> Step<Next> {
        let StatefulSetUpdateStrategy::RollingUpdate { partition, .. } = self.view.set.spec.update_strategy else {
            return Ok(Next::GoOn);
        };
        for place in (partition.max(0) as usize..self.replicas.len()).rev() {
            let Some(pod) = self.replicas[place].clone() else { return Ok(Next::Stop) };
            if identity::revision(&pod) != Some(self.update.meta.name) && !pod.meta.is_terminating() {
                let error = self.delete(&pod, flow)?.filter(|error| error.reason != ErrorReason::NotFound);
                self.status.current_replicas -= i32::from(error.is_none());
                return Ok(error.map_or(Next::Stop, Next::Fail));
            }
            if pod.meta.is_terminating() || !self.available(&pod, flow.wall()) {
                return Ok(Next::Stop);
            }
        }
        Ok(Next::GoOn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_double_up_to_the_largest() {
        // control-plane.md A.10 with `MaxBatchSize`.
        let sizes = |count: usize| batches(count).map(|batch| batch.len()).collect::<Vec<_>>();
        assert_eq!(batches(5).collect::<Vec<_>>(), [0..1, 1..3, 3..5]);
        assert_eq!(sizes(0), [0; 0]);
        assert_eq!(sizes(1700), [1, 2, 4, 8, 16, 32, 64, 128, 256, 500, 500, 189]);
    }
}
