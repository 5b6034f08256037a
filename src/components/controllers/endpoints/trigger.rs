//! What made the addresses of a Service change, as their annotation tells it.
//!
//! Follows `TriggerTimeTracker` of `staging/src/k8s.io/endpointslice/trigger_time_tracker.go`: the earliest of the
//! Service's making and of the changes of readiness that the last look had not seen.

use super::Key;
use crate::api::{FastMap, Name, Pod, READY, Service, Timestamp};
use std::sync::Arc;

/// What was seen of each Service and its pods when they were last looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct TriggerTimes(FastMap<Key, FastMap<Name, Timestamp>>);

impl TriggerTimes {
    /// The earliest change since the last look; of a Service that is new, its making.
    pub(super) fn changed(&mut self, service: &Service, pods: &[Arc<Pod>]) -> Option<Timestamp> {
        let times = |pod: &Arc<Pod>| Some((pod.meta.name, pod.status.condition(*READY)?.last_transition_time));
        let Some(known) = self.0.get_mut(&Key::of(&service.meta)) else {
            self.0.insert(Key::of(&service.meta), pods.iter().filter_map(times).collect());
            return Some(service.meta.creation_timestamp);
        };
        let mut changed: Option<Timestamp> = None;
        let mut count = 0;
        for (pod, at) in pods.iter().filter_map(times) {
            count += 1;
            if known.insert(pod, at).is_none_or(|before| at > before) {
                changed = Some(changed.map_or(at, |earliest| earliest.min(at)));
            }
        }
        if known.len() > count {
            *known = pods.iter().filter_map(times).collect();
        }
        changed
    }

    /// A Service is gone.
    pub(super) fn forget(&mut self, key: Key) {
        self.0.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Condition, ConditionStatus, Metadata, PodStatus};
    use crate::components::controllers::endpoint_slice;

    #[test]
    fn the_earliest_change_since_the_last_look_counts() {
        // `TestNewServiceNoPods`, `TestPodsAdded`, `TestPodsUpdated`, `TestPodsUpdatedNoOp`, `TestPodDeletedThenAdded`:
        // the pods' times look by look, and what is told.
        let looks: [(&[(&str, i64)], Option<i64>); 6] = [
            (&[], Some(0)),
            (&[("a", 2), ("b", 1)], Some(1)),
            (&[("a", 2), ("b", 1)], None),
            (&[("a", 5), ("b", 3), ("c", 9)], Some(3)),
            (&[("a", 5)], None),
            (&[("a", 5), ("b", 12)], Some(12)),
        ];
        let mut triggers = TriggerTimes::default();
        let service = endpoint_slice::tests::service(false);
        let service = Service {
            meta: Metadata { creation_timestamp: Timestamp::from_unix_secs(0), ..service.meta.clone() },
            ..service
        };
        for (pods, told) in looks {
            let pods: Vec<Arc<Pod>> = pods
                .iter()
                .map(|(name, at)| {
                    let mut status = PodStatus::default();
                    let at = Timestamp::from_unix_secs(*at);
                    status.conditions.push(Condition::new(*READY, ConditionStatus::True, at));
                    let meta = Metadata { name: Name::new(name), ..Metadata::default() };
                    Arc::new(Pod { meta, spec: Arc::default(), node_name: Name::default(), status: Arc::new(status) })
                })
                .collect();
            assert_eq!(triggers.changed(&service, &pods), told.map(Timestamp::from_unix_secs));
        }
    }
}
