//! From one template to the next: step by step (`deployment/rolling.go`) or all at once (`deployment/recreate.go`).

use super::{Sets, Work, available, by_age, wanted};
use crate::api::{Deployment, DeploymentStrategy, EventType, Object, Part, ReplicaSet, Request};
use crate::components::controllers::flow::{Step, object};
use crate::planted::{self, Bug};
use std::sync::Arc;

impl Deployment {
    /// The size that the new set may have now (`NewRSNewReplicas`).
    pub(super) fn new_replicas(&self, wanted: i32, new: i32) -> i32 {
        match self.spec.strategy {
            DeploymentStrategy::Recreate => self.spec.replicas,
            DeploymentStrategy::RollingUpdate { .. } => {
                let room = self.spec.replicas + self.max_surge() - wanted;
                if room <= 0 { new } else { new + room.min(self.spec.replicas - new) }
            }
        }
    }

    /// How many replicas the old sets may lose in all: what is not needed for the least number of available pods, even
    /// if no unavailable pod of the new set ever becomes available (`reconcileOldReplicaSets`).
    fn dispensable(&self, wanted: i32, new: i32, new_available: i32) -> i32 {
        wanted - (self.spec.replicas - self.max_unavailable()) - (new - new_available)
    }
}

/// What an old set is to lose of its pods that are not available (`cleanupUnhealthyReplicas`); `None` if its status is
/// older than its size, so that nobody knows.
fn unhealthy(replicas: i32, available: i32, most: i32) -> Option<i32> {
    let loss = replicas - available;
    (loss >= 0).then_some(loss.min(most))
}

impl Work<'_, '_> {
    /// One step of a rolling update.
    pub(super) fn roll(&mut self, sets: &[Arc<ReplicaSet>]) -> Step {
        let sets = self.revise(sets, true)?;
        if self.resize_new(&sets)? || self.shrink_old(&sets)? {
            return self.write_rollout_status(&sets);
        }
        if self.deployment.is_complete(&self.deployment.status) {
            self.clean_up(&sets.old)?;
        }
        self.write_rollout_status(&sets)
    }

    /// Gives the new set the size that it may have; whether that changed it.
    fn resize_new(&mut self, sets: &Sets) -> Step<bool> {
        let Some(new) = &sets.new else { return Ok(false) };
        let (size, replicas) = (new.spec.replicas, self.deployment.spec.replicas);
        if size == replicas {
            return Ok(false);
        }
        let target = if size > replicas { replicas } else { self.deployment.new_replicas(sets.wanted(), size) };
        Ok(self.resize(new, target)?.is_some())
    }

    /// Takes from the old sets what can be spared; whether that was anything.
    fn shrink_old(&mut self, sets: &Sets) -> Step<bool> {
        let Some(new) = &sets.new else { return Ok(false) };
        let mut old: Vec<_> = sets.old.iter().filter(|set| set.spec.replicas > 0).cloned().collect();
        old.sort_by_key(by_age);
        if wanted(&old) == 0 {
            return Ok(false);
        }
        let most = self.deployment.dispensable(sets.wanted(), new.spec.replicas, new.status.available_replicas);
        if most <= 0 {
            return Ok(false);
        }
        let mut scaled = 0;
        for set in &mut old {
            if scaled >= most {
                break;
            }
            // Nothing more is taken in this sync: what is counted as available may be gone already.
            let (replicas, available) = (set.spec.replicas, set.status.available_replicas);
            let Some(loss) = unhealthy(replicas, available, most - scaled) else { return Ok(false) };
            if loss > 0
                && let Some(updated) = self.resize(set, set.spec.replicas - loss)?
            {
                *set = updated;
                scaled += loss;
            }
        }
        scaled += self.shrink_healthy(&old, new)?;
        Ok(scaled > 0)
    }

    /// Takes from the old sets as many pods as are available beyond the least number
    /// (`scaleDownOldReplicaSetsForRollingUpdate`).
    fn shrink_healthy(&mut self, old: &[Arc<ReplicaSet>], new: &Arc<ReplicaSet>) -> Step<i32> {
        let least = self.deployment.spec.replicas - self.deployment.max_unavailable();
        let least = if planted::is(Bug::AvailabilityIgnored) { 0 } else { least };
        let spare = available(old) + new.status.available_replicas - least;
        let mut scaled = 0;
        for set in old {
            if scaled >= spare {
                break;
            }
            let loss = set.spec.replicas.min(spare - scaled);
            if loss > 0 && self.resize(set, set.spec.replicas - loss)?.is_some() {
                scaled += loss;
            }
        }
        Ok(scaled)
    }

    /// All old pods go before the first new one comes.
    pub(super) fn recreate(&mut self, found: &[Arc<ReplicaSet>]) -> Step {
        let mut sets = self.revise(found, false)?;
        let mut scaled = false;
        for set in sets.old.iter().filter(|set| set.spec.replicas > 0) {
            scaled |= self.resize(set, 0)?.is_some();
        }
        if scaled || self.old_pods_run(&sets) {
            return self.write_rollout_status(&sets);
        }
        if sets.new.is_none() {
            sets = self.revise(found, true)?;
        }
        if let Some(new) = &sets.new {
            self.resize(new, self.deployment.spec.replicas)?;
        }
        if self.deployment.is_complete(&self.deployment.status) {
            self.clean_up(&sets.old)?;
        }
        self.write_rollout_status(&sets)
    }

    fn old_pods_run(&self, sets: &Sets) -> bool {
        let new = sets.new.as_ref().map(|set| set.meta.uid);
        sets.old.iter().any(|set| set.status.replicas > 0) || self.running.iter().any(|set| Some(*set) != new)
    }

    /// Gives a set another size and tells of it; `None` if it has that size (`scaleReplicaSetAndRecordEvent`).
    pub(super) fn resize(&mut self, set: &Arc<ReplicaSet>, size: i32) -> Step<Option<Arc<ReplicaSet>>> {
        if set.spec.replicas == size {
            return Ok(None);
        }
        Ok(Some(self.rescale(set, size)?))
    }

    /// Gives a set a size, and notes the Deployment's own on it (`scaleReplicaSet`).
    pub(super) fn rescale(&mut self, set: &Arc<ReplicaSet>, size: i32) -> Step<Arc<ReplicaSet>> {
        let before = set.spec.replicas;
        let mut changed = ReplicaSet::clone(set);
        changed.spec.replicas = size;
        changed.meta.annotations = self.deployment.with_sizes(&set.meta.annotations);
        if changed == **set {
            return Ok(set.clone());
        }
        let request = || Request::Update { object: Object::ReplicaSet(Arc::new(changed)), part: Part::Main };
        let updated = object(&self.flow.call(request)??);
        if before != size {
            let direction = if size > before { "up" } else { "down" };
            let message = format!("Scaled {direction} replica set {} from {before} to {size}", set.meta.name);
            let about = self.reference();
            self.flow.tell(about, EventType::Normal, "ScalingReplicaSet", message);
        }
        Ok(updated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{IntOrPercent, lower};

    fn deployment(replicas: i32) -> Deployment {
        let manifest = serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "app"}]}}},
        });
        let Ok(Object::Deployment(deployment)) = lower(&manifest).map(|lowered| lowered.object) else { panic!() };
        Deployment::clone(&deployment)
    }

    #[test]
    fn a_rolling_update_goes_by_steps() {
        // control-plane.md A.9: sizes (old, new) at each fixpoint, all pods of it available at the next.
        let check = |replicas: i32, expected: &[(i32, i32)]| {
            let deployment = deployment(replicas);
            let (mut old, mut new) = (replicas, 0);
            let mut story = Vec::new();
            while (old, new) != (0, replicas) {
                let (old_available, new_available) = (old, new);
                loop {
                    let before = (old, new);
                    new = deployment.new_replicas(old + new, new);
                    if (old, new) != before {
                        continue;
                    }
                    let most = deployment.dispensable(old + new, new, new_available);
                    let least = replicas - deployment.max_unavailable();
                    let spare = old_available.min(old) + new_available - least;
                    old -= if most > 0 { spare.clamp(0, old) } else { 0 };
                    if (old, new) == before {
                        break;
                    }
                }
                story.push((old, new));
            }
            assert_eq!(story, expected, "{replicas} replicas");
        };
        check(10, &[(8, 5), (3, 10), (0, 10)]);
        check(4, &[(3, 2), (1, 4), (0, 4)]);
        check(1, &[(1, 1), (0, 1)]);
    }

    #[test]
    fn a_set_with_a_status_that_is_older_than_its_size_loses_nothing() {
        // `TestDeploymentController_cleanupUnhealthyReplicas`; "got invalid request to scale down".
        for (replicas, available, most, loss) in
            [(10, 8, 4, Some(2)), (10, 2, 4, Some(4)), (10, 10, 4, Some(0)), (21, 24, 4, None)]
        {
            assert_eq!(unhealthy(replicas, available, most), loss, "{replicas} of which {available}");
        }
    }

    #[test]
    fn the_new_set_grows_into_the_room_there_is() {
        // `TestNewRSNewReplicas`.
        let mut deployment = deployment(10);
        deployment.spec.strategy = DeploymentStrategy::RollingUpdate {
            max_surge: IntOrPercent::Int(1),
            max_unavailable: IntOrPercent::Int(0),
        };
        assert_eq!(deployment.new_replicas(10, 0), 1);
        assert_eq!(deployment.new_replicas(11, 1), 1);
        assert_eq!(deployment.new_replicas(6, 2), 7);
        deployment.spec.strategy = DeploymentStrategy::Recreate;
        assert_eq!(deployment.new_replicas(0, 0), 10);
    }
}
