//! A Deployment of several ReplicaSets gets another size: each gets its share (`deployment/sync.go`, `scale`).

use super::{Sets, Work, by_age, revision, wanted};
use crate::api::{Deployment, DeploymentStrategy, ReplicaSet};
use crate::components::controllers::flow::Step;
use std::cmp::Reverse;
use std::sync::Arc;

impl Work<'_, '_> {
    /// Scales, without rolling anything out: the Deployment is paused or has another size (`sync`).
    pub(super) fn sync_scale(&mut self, found: &[Arc<ReplicaSet>]) -> Step {
        let sets = self.revise(found, false)?;
        self.scale(&sets)?;
        if self.deployment.spec.paused {
            self.clean_up(&sets.old)?;
        }
        self.write_status(&sets)
    }

    fn scale(&mut self, sets: &Sets) -> Step {
        let replicas = self.deployment.spec.replicas;
        if let Some(only) = active_or_latest(sets) {
            self.resize(&only, replicas)?;
            return Ok(());
        }
        if sets.new.as_ref().is_some_and(|new| is_saturated(&self.deployment, new)) {
            for set in sets.old.iter().filter(|set| set.spec.replicas > 0) {
                self.resize(set, 0)?;
            }
            return Ok(());
        }
        if self.deployment.spec.strategy == DeploymentStrategy::Recreate {
            return Ok(());
        }
        let active: Vec<_> = sets.all().filter(|set| set.spec.replicas > 0).cloned().collect();
        for (set, size) in proportional(&self.deployment, active) {
            self.rescale(&set, size)?;
        }
        Ok(())
    }
}

/// The only set that has pods, or the newest if none has (`FindActiveOrLatest`).
fn active_or_latest(sets: &Sets) -> Option<Arc<ReplicaSet>> {
    let mut active = sets.all().filter(|set| set.spec.replicas > 0);
    match (active.next(), active.next()) {
        (None, _) => sets.new.clone().or_else(|| sets.old.last().cloned()),
        (Some(only), None) => Some(only.clone()),
        (Some(_), Some(_)) => None,
    }
}

/// Whether the new set has all pods, available (`IsSaturated`).
fn is_saturated(deployment: &Deployment, new: &ReplicaSet) -> bool {
    let replicas = deployment.spec.replicas;
    new.spec.replicas == replicas
        && revision::desired_replicas(new) == Some(replicas)
        && new.status.available_replicas == replicas
}

/// The sizes of the sets that have pods, in the order in which they are written.
fn proportional(deployment: &Deployment, mut active: Vec<Arc<ReplicaSet>>) -> Vec<(Arc<ReplicaSet>, i32)> {
    let replicas = deployment.spec.replicas;
    let allowed = if replicas > 0 { replicas + deployment.max_surge() } else { 0 };
    let change = allowed - wanted(&active);
    // Larger first; when adding the newer of equals, when removing the older.
    active.sort_by_key(by_age);
    if change > 0 {
        active.reverse();
    }
    active.sort_by_key(|set| Reverse(set.spec.replicas));
    let mut done = 0;
    let mut sizes: Vec<_> = active
        .into_iter()
        .map(|set| {
            let share = if change == done { 0 } else { share(deployment, &set, change - done, change) };
            done += share;
            let size = set.spec.replicas + share;
            (set, size)
        })
        .collect();
    if let Some((_, size)) = sizes.first_mut().filter(|_| change != 0) {
        *size = (*size + change - done).max(0);
    }
    sizes
}

/// What a set gains or loses, in proportion to its size (`GetReplicaSetProportion`).
fn share(deployment: &Deployment, set: &ReplicaSet, left: i32, change: i32) -> i32 {
    let share = fraction(deployment, set);
    if change > 0 { share.min(left) } else { share.max(left) }
}

fn fraction(deployment: &Deployment, set: &ReplicaSet) -> i32 {
    let size = set.spec.replicas;
    if deployment.spec.replicas == 0 {
        return -size;
    }
    let after = i64::from(deployment.spec.replicas + deployment.max_surge());
    let before = revision::max_replicas(set).filter(|before| *before != 0).unwrap_or(deployment.status.replicas);
    if before == 0 {
        return 0;
    }
    let (product, before) = (i64::from(size) * after, i64::from(before));
    // Halves are rounded away from zero; sizes are not negative.
    ((2 * product + before) / (2 * before)) as i32 - size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{
        DeploymentSpec, DeploymentStatus, IntOrPercent, Labels, Metadata, Name, ReplicaSetSpec, ReplicaSetStatus,
        Selector, Text, Timestamp,
    };

    fn deployment(replicas: i32, surge: i32) -> Deployment {
        Deployment {
            meta: Metadata::default(),
            spec: DeploymentSpec {
                replicas,
                selector: Selector::default(),
                template: Arc::default(),
                strategy: DeploymentStrategy::RollingUpdate {
                    max_surge: IntOrPercent::Int(surge),
                    max_unavailable: IntOrPercent::Int(1),
                },
                min_ready_seconds: 0,
                revision_history_limit: 10,
                progress_deadline_seconds: 600,
                paused: false,
                source: Text::default(),
            },
            status: DeploymentStatus::default(),
        }
    }

    fn set(size: i32, max: i32, age: i64) -> Arc<ReplicaSet> {
        let annotations: Labels = [(*revision::MAX_REPLICAS, Name::new(&max.to_string()))].into_iter().collect();
        Arc::new(ReplicaSet {
            meta: Metadata {
                annotations,
                creation_timestamp: Timestamp::from_unix_secs(1_000 - age),
                ..Metadata::default()
            },
            spec: ReplicaSetSpec {
                replicas: size,
                min_ready_seconds: 0,
                selector: Selector::default(),
                template: Arc::default(),
                source: Text::default(),
            },
            status: ReplicaSetStatus::default(),
        })
    }

    #[test]
    fn each_set_gets_its_share() {
        // `TestScale`: replicas, surge, the sizes of old sets (oldest first) and the new one, the sum they were scaled
        // for; and what they become, in order of age.
        let cases: [(i32, i32, &[i32], i32, &[i32]); 8] = [
            (10, 0, &[2, 2, 1], 5, &[4, 3, 3]),
            (20, 0, &[3, 6, 1], 10, &[6, 12, 2]),
            (5, 0, &[4, 3, 3], 10, &[2, 1, 2]),
            (0, 0, &[4, 3, 3], 10, &[0, 0, 0]),
            (20, 3, &[8, 5], 13, &[14, 9]),
            (5, 3, &[14, 9], 23, &[5, 3]),
            (20, 0, &[10, 20], 20, &[10, 10]),
            (50, 0, &[5, 5], 10, &[25, 25]),
        ];
        for (replicas, surge, sizes, max, expected) in cases {
            let deployment = deployment(replicas, surge);
            let sets = sizes.iter().enumerate().map(|(place, size)| set(*size, max, 10 - place as i64)).collect();
            let mut scaled = proportional(&deployment, sets);
            scaled.sort_by_key(|(set, _)| set.meta.creation_timestamp);
            let scaled: Vec<i32> = scaled.into_iter().map(|(_, size)| size).collect();
            let allowed = if replicas > 0 { replicas + surge } else { 0 };
            assert_eq!(scaled.iter().sum::<i32>(), allowed, "{sizes:?} to {replicas}");
            if sizes.len() == 2 || replicas == 20 || replicas == 0 {
                assert_eq!(scaled, expected, "{sizes:?} to {replicas}");
            }
        }
    }
}
