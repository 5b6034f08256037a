//! What made the addresses of a Service change, as their annotation tells it.
//!
//! Follows `TriggerTimeTracker` of `staging/src/k8s.io/endpointslice/trigger_time_tracker.go`: the earliest of the
//! Service's making and of the changes of readiness that the last look had not seen.

use super::super::rosters::{Changed, turned};
use super::Key;
use crate::api::{FastMap, Service, Timestamp, Uid};

/// What was seen of each Service and its pods, by place, when they were last looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct TriggerTimes(FastMap<Key, FastMap<u32, (Uid, Timestamp)>>);

impl TriggerTimes {
    /// The earliest change since the last look; of a Service that is new, its making.
    pub(super) fn changed(&mut self, service: &Service, look: &Changed) -> Option<Timestamp> {
        let key = Key::of(&service.meta);
        let is_new = !self.0.contains_key(&key);
        let known = self.0.entry(key).or_default();
        let gone = if look.all { std::mem::take(known) } else { FastMap::default() };
        let mut changed: Option<Timestamp> = None;
        for (place, pod) in &look.pods {
            let before = known.remove(place).or_else(|| gone.get(place).copied());
            let Some((uid, at)) = pod.as_ref().and_then(|pod| Some((pod.meta.uid, turned(pod)?))) else { continue };
            known.insert(*place, (uid, at));
            if before.is_none_or(|(other, before)| other != uid || at > before) {
                changed = Some(changed.map_or(at, |earliest| earliest.min(at)));
            }
        }
        if is_new { Some(service.meta.creation_timestamp) } else { changed }
    }

    /// A Service is gone.
    pub(super) fn forget(&mut self, key: Key) {
        self.0.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Condition, ConditionStatus, Metadata, Name, Pod, PodStatus, READY};
    use crate::components::controllers::endpoint_slice;
    use std::sync::Arc;

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
        let service = endpoint_slice::tests::service(false);
        let service = Service {
            meta: Metadata { creation_timestamp: Timestamp::from_unix_secs(0), ..service.meta.clone() },
            ..service
        };
        for all in [true, false] {
            let mut triggers = TriggerTimes::default();
            let mut before: &[(&str, i64)] = &[];
            for (now, told) in looks {
                let gone = before.iter().filter(|(name, _)| now.iter().all(|(other, _)| other != name));
                let gone = gone.map(|(name, _)| (place(name), None)).filter(|_| !all);
                let same = |row: &&(&str, i64)| !all && before.contains(row);
                let there = now.iter().filter(|row| !same(row)).map(|(name, at)| (place(name), Some(pod(name, *at))));
                let look = Changed { all, pods: gone.chain(there).collect() };
                assert_eq!(triggers.changed(&service, &look), told.map(Timestamp::from_unix_secs), "{look:?}");
                before = now;
            }
        }
    }

    fn place(name: &str) -> u32 {
        u32::from(name.as_bytes()[0])
    }

    /// A pod whose readiness changed then.
    fn pod(name: &str, at: i64) -> Arc<Pod> {
        let at = Timestamp::from_unix_secs(at);
        let mut status = PodStatus::default();
        status.conditions.push(Condition::new(*READY, ConditionStatus::True, at));
        let meta = Metadata { uid: Uid::from_bits(u128::from(place(name))), ..Metadata::default() };
        Arc::new(Pod { meta, spec: Arc::default(), node_name: Name::default(), status: Arc::new(status) })
    }
}
