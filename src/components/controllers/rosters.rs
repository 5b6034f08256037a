//! What a controller keeps of the pods behind each Service from look to look: a Service with thousands of pods costs
//! what changes, not what is there.

use super::informers::Informers;
use super::work_queue::Key;
use crate::api::{FastMap, Id, Pod, READY, Service, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is kept of the pods behind each Service, and which of them have changed since.
#[derive(Debug, Clone)]
pub(super) struct Rosters<R>(FastMap<Key, Kept<R>>);

impl<R> Default for Rosters<R> {
    fn default() -> Self {
        Self(FastMap::default())
    }
}

#[derive(Debug, Clone)]
struct Kept<R> {
    roster: R,
    /// The version of the Service, and of the nodes' zones, that were looked at.
    versions: (u64, u64),
    changed: BTreeSet<u32>,
}

/// What is to be looked at again.
#[derive(Debug)]
pub(super) struct Changed {
    /// Whether nothing that was known holds any more: these are all pods.
    pub(super) all: bool,
    /// The pods by their places, in order of creation; `None` is no longer selected.
    pub(super) pods: Vec<(u32, Option<Arc<Pod>>)>,
}

/// When a pod's readiness last changed.
pub(super) fn turned(pod: &Pod) -> Option<Timestamp> {
    Some(pod.status.condition(*READY)?.last_transition_time)
}

impl<R: Default> Rosters<R> {
    /// A pod has changed that a Service selects, or has selected.
    pub(super) fn note(&mut self, service: Key, pod: u32) {
        if let Some(kept) = self.0.get_mut(&service) {
            kept.changed.insert(pod);
        }
    }

    /// What is kept of a Service, and the pods that have changed since the last look; at first, and when the Service or
    /// a node's zone is another, nothing and all pods.
    pub(super) fn look(&mut self, service: &Service, informers: &Informers) -> (&mut R, Changed) {
        let (key, place) = (Key::of(&service.meta), service.meta.index);
        let versions = (service.meta.resource_version, informers.zones());
        if self.0.get(&key).is_none_or(|kept| kept.versions != versions) {
            self.0.insert(key, Kept { roster: R::default(), versions, changed: BTreeSet::new() });
            let pods = informers.list_service_pods(place).into_iter().map(|pod| (pod.meta.index, Some(pod))).collect();
            return (&mut self.0.get_mut(&key).expect("it was put there").roster, Changed { all: true, pods });
        }
        let kept = self.0.get_mut(&key).expect("it is there");
        let selected = informers.service_pods(place);
        let by_now = |pod: u32| {
            let is_selected = selected.is_some_and(|selected| selected.pods.contains(&pod));
            (pod, informers.store().pods.get(Id::new(pod)).filter(|_| is_selected).cloned())
        };
        let pods = std::mem::take(&mut kept.changed).into_iter().map(by_now).collect();
        (&mut kept.roster, Changed { all: false, pods })
    }

    /// Nothing that is kept of a Service holds, or it is gone.
    pub(super) fn forget(&mut self, service: Key) {
        self.0.remove(&service);
    }
}
