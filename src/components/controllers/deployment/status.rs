//! The status of a Deployment, and whether it makes progress (`deployment/progress.go`, `sync.go`).

use super::{Sets, Work, available};
use crate::api::{
    Condition, ConditionStatus, Deployment, DeploymentStatus, DeploymentStrategy, IntOrPercent, Name, ReplicaSet,
    ReplicaSetStatus, Text, Timestamp, WallTime,
};
use crate::components::controllers::flow::Step;
use crate::engine::SimDuration;
use std::sync::Arc;

/// The reason of a rollout that is done.
const DONE: &str = "NewReplicaSetAvailable";
/// The reason of a rollout that takes too long.
const TIMED_OUT: &str = "ProgressDeadlineExceeded";

impl Deployment {
    /// How many pods more than wanted there may be, and how many fewer may be available (`ResolveFenceposts`).
    fn fence_posts(&self) -> (i32, i32) {
        let DeploymentStrategy::RollingUpdate { max_surge, max_unavailable } = self.spec.strategy else {
            return (0, 0);
        };
        fence_posts(max_surge, max_unavailable, self.spec.replicas)
    }

    /// How many pods more than wanted there may be.
    pub(crate) fn max_surge(&self) -> i32 {
        self.fence_posts().0
    }

    /// How many pods fewer than wanted may be available.
    pub(super) fn max_unavailable(&self) -> i32 {
        if self.spec.replicas == 0 { 0 } else { self.fence_posts().1.min(self.spec.replicas) }
    }

    /// Whether lack of progress is noticed at all.
    pub(super) const fn has_deadline(&self) -> bool {
        self.spec.progress_deadline_seconds != i32::MAX
    }

    /// Whether everything is rolled out and available (`DeploymentComplete`).
    pub(super) fn is_complete(&self, status: &DeploymentStatus) -> bool {
        let replicas = self.spec.replicas;
        status.updated_replicas == replicas
            && status.replicas == replicas
            && status.available_replicas == replicas
            && status.observed_generation >= self.meta.generation
    }

    /// Whether a status is better than the one before (`DeploymentProgressing`).
    fn progresses(&self, status: &DeploymentStatus) -> bool {
        let (old, old_pods) = (&self.status, |status: &DeploymentStatus| status.replicas - status.updated_replicas);
        status.updated_replicas > old.updated_replicas
            || old_pods(status) < old_pods(old)
            || status.ready_replicas > old.ready_replicas
            || status.available_replicas > old.available_replicas
    }

    /// Whether the last progress was too long ago (`DeploymentTimedOut`).
    fn timed_out(&self, status: &DeploymentStatus, now: WallTime) -> bool {
        let Some(progress) = find(&status.conditions, "Progressing") else { return false };
        match progress.reason.as_str() {
            DONE => false,
            TIMED_OUT => true,
            _ => self.deadline(progress) < now,
        }
    }

    fn deadline(&self, progress: &Condition) -> WallTime {
        let last = progress.last_update_time.unwrap_or_default();
        last.plus_secs(i64::from(self.spec.progress_deadline_seconds)).wall()
    }

    /// What the sets add up to (`calculateStatus`).
    fn counted(&self, sets: &Sets, now: Timestamp) -> DeploymentStatus {
        let sum = |count: fn(&ReplicaSet) -> i32| sets.all().map(|set| count(set)).sum::<i32>();
        let available = available(sets.all());
        let terminating = sets.all().map(|set| terminating(&set.status)).sum::<Option<i32>>();
        let mut status = DeploymentStatus {
            observed_generation: self.meta.generation,
            replicas: sum(|set| set.status.replicas),
            updated_replicas: sets.new.as_ref().map_or(0, |set| set.status.replicas),
            ready_replicas: sum(|set| set.status.ready_replicas),
            available_replicas: available,
            unavailable_replicas: (sets.wanted() - available).max(0),
            terminating_replicas: terminating,
            collision_count: self.status.collision_count,
            conditions: self.status.conditions.clone(),
        };
        let enough = available >= self.spec.replicas - self.max_unavailable();
        let (reason, message) = if enough {
            ("MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        let condition = condition("Available", enough.into(), reason, message, now);
        put_condition(&mut status.conditions, condition);
        status
    }
}

/// The terminating pods of a set; none of one that was never synced, unknown of one that does not tell
/// (`GetTerminatingReplicaCountForReplicaSets`).
const fn terminating(status: &ReplicaSetStatus) -> Option<i32> {
    match status.terminating_replicas {
        None if status.observed_generation == 0 => Some(0),
        terminating => terminating,
    }
}

fn fence_posts(max_surge: IntOrPercent, max_unavailable: IntOrPercent, replicas: i32) -> (i32, i32) {
    let surge = max_surge.of_rounding_up(replicas);
    let unavailable = max_unavailable.of_rounding_down(replicas);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

impl Work<'_, '_> {
    /// Writes the status, unless it says nothing new (`syncDeploymentStatus`).
    pub(super) fn write_status(&mut self, sets: &Sets) -> Step {
        let status = self.deployment.counted(sets, self.flow.stamp());
        if status == self.deployment.status {
            return Ok(());
        }
        self.deployment.status = status;
        self.put_status()
    }

    /// Writes the status with what it says about progress (`syncRolloutStatus`).
    pub(super) fn write_rollout_status(&mut self, sets: &Sets) -> Step {
        let (now, deployment) = (self.flow.wall(), &self.deployment);
        let mut status = deployment.counted(sets, now.truncated());
        if !deployment.has_deadline() {
            status.conditions.retain(|condition| condition.kind != "Progressing");
        }
        let current = self.condition("Progressing").cloned();
        let was_done = status.replicas == status.updated_replicas
            && current.as_ref().is_some_and(|condition| condition.reason == DONE);
        if deployment.has_deadline() && !was_done {
            self.note_progress(sets, current.as_ref(), &mut status, now);
        }
        match failure(sets) {
            Some(failure) => put_condition(&mut status.conditions, failure),
            None => status.conditions.retain(|condition| condition.kind != "ReplicaFailure"),
        }
        if status == self.deployment.status {
            self.look_again(&status, now);
            return Ok(());
        }
        self.deployment.status = status;
        self.put_status()
    }

    fn note_progress(&self, sets: &Sets, current: Option<&Condition>, status: &mut DeploymentStatus, now: WallTime) {
        let deployment = &self.deployment;
        let what = match &sets.new {
            Some(set) => format!("ReplicaSet {:?}", &*set.meta.name),
            None => format!("Deployment {:?}", &*deployment.meta.name),
        };
        let make = |status, reason, ending: &str| {
            condition("Progressing", status, reason, format!("{what} {ending}"), now.truncated())
        };
        if deployment.is_complete(status) {
            let done = make(ConditionStatus::True, DONE, "has successfully progressed.");
            put_condition(&mut status.conditions, done);
        } else if deployment.progresses(status) {
            let mut going = make(ConditionStatus::True, "ReplicaSetUpdated", "is progressing.");
            if let Some(current) = current {
                if current.status == ConditionStatus::True {
                    going.last_transition_time = current.last_transition_time;
                }
                status.conditions.retain(|condition| condition.kind != "Progressing");
            }
            put_condition(&mut status.conditions, going);
        } else if deployment.timed_out(status, now) {
            let stuck = make(ConditionStatus::False, TIMED_OUT, "has timed out progressing.");
            put_condition(&mut status.conditions, stuck);
        }
    }

    /// Nothing moves: the Deployment is looked at again when its time is over (`requeueStuckDeployment`).
    fn look_again(&mut self, status: &DeploymentStatus, now: WallTime) {
        let deployment = &self.deployment;
        let Some(progress) = self.condition("Progressing").filter(|_| deployment.has_deadline()) else { return };
        if deployment.is_complete(status) || progress.reason == TIMED_OUT {
            return;
        }
        let left = deployment.deadline(progress).since(now);
        if left < SimDuration::from_secs(1) {
            self.flow.again_later();
        } else {
            self.flow.again_after(left + SimDuration::from_secs(1));
        }
    }

    /// Pausing and resuming stop and restart the clock of progress (`checkPausedConditions`).
    pub(super) fn note_pause(&mut self) -> Step {
        if !self.deployment.has_deadline() {
            return Ok(());
        }
        let reason = self.condition("Progressing").map(|condition| condition.reason);
        if reason.is_some_and(|reason| reason == TIMED_OUT) {
            return Ok(());
        }
        let noted = reason.is_some_and(|reason| reason == "DeploymentPaused");
        let (reason, message) = match (self.deployment.spec.paused, noted) {
            (true, false) => ("DeploymentPaused", "Deployment is paused"),
            (false, true) => ("DeploymentResumed", "Deployment is resumed"),
            (true, true) | (false, false) => return Ok(()),
        };
        self.set_condition("Progressing", ConditionStatus::Unknown, reason, message.to_owned());
        self.put_status()
    }
}

/// The first failure of a set to make or delete pods, the new set's first (`getReplicaFailures`).
fn failure(sets: &Sets) -> Option<Condition> {
    let of = |set: &Arc<ReplicaSet>| find(&set.status.conditions, "ReplicaFailure").cloned();
    let failure = sets.new.as_ref().and_then(of).or_else(|| sets.old.iter().find_map(of))?;
    let time = failure.last_transition_time;
    Some(Condition { last_update_time: Some(time), ..failure })
}

fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

/// A condition of a Deployment, updated now.
pub(super) fn condition(
    kind: &str,
    status: ConditionStatus,
    reason: &str,
    message: impl Into<Text>,
    now: Timestamp,
) -> Condition {
    let condition = Condition::new(Name::new(kind), status, now).because(reason, message);
    Condition { last_update_time: Some(now), ..condition }
}

/// Puts a condition last, unless one of the same status and reason is there (`SetDeploymentCondition`).
pub(super) fn put_condition(conditions: &mut Vec<Condition>, mut condition: Condition) {
    if let Some(have) = conditions.iter().find(|have| have.kind == condition.kind) {
        if have.status == condition.status && have.reason == condition.reason {
            return;
        }
        if have.status == condition.status {
            condition.last_transition_time = have.last_transition_time;
        }
    }
    conditions.retain(|have| have.kind != condition.kind);
    conditions.push(condition);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fence_posts_never_forbid_every_step() {
        // `TestResolveFenceposts`, control-plane.md A.8.
        let (int, percent) = (IntOrPercent::Int, IntOrPercent::Percent);
        let cases = [
            (percent(25), percent(25), 4, (1, 1)),
            (percent(25), percent(25), 1, (1, 0)),
            (percent(25), percent(25), 10, (3, 2)),
            (int(0), int(0), 10, (0, 1)),
            (int(0), percent(1), 10, (0, 1)),
            (percent(50), percent(50), 10, (5, 5)),
            (int(1), int(0), 3, (1, 0)),
        ];
        for (surge, unavailable, replicas, expected) in cases {
            assert_eq!(fence_posts(surge, unavailable, replicas), expected, "{surge} {unavailable} of {replicas}");
        }
    }

    #[test]
    fn a_condition_moves_to_the_end_when_its_reason_changes() {
        let stamp = Timestamp::from_unix_secs;
        let make = |kind, status, reason, secs| condition(kind, status, reason, "", stamp(secs));
        let mut conditions = vec![
            make("Progressing", ConditionStatus::True, "NewReplicaSetCreated", 1),
            make("Available", ConditionStatus::False, "MinimumReplicasUnavailable", 1),
        ];
        put_condition(&mut conditions, make("Available", ConditionStatus::False, "MinimumReplicasUnavailable", 5));
        assert_eq!(conditions[1].last_update_time, Some(stamp(1)), "nothing new");
        put_condition(&mut conditions, make("Progressing", ConditionStatus::True, "ReplicaSetUpdated", 5));
        assert_eq!((conditions[1].kind.as_str(), conditions[1].last_transition_time), ("Progressing", stamp(1)));
    }
}
