//! Which pods behind each Service have changed since a controller last looked: a Service with thousands of pods costs
//! what changes, not what is there.

use super::informers::Informers;
use super::work_queue::Key;
use crate::api::{FastMap, Id, Pod, READY, Service, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The pods that have changed, by Service.
#[derive(Debug, Clone, Default)]
pub(super) struct ChangedPods(FastMap<Key, Since>);

/// What has changed since a Service was last looked at.
#[derive(Debug, Clone)]
struct Since {
    /// The version of the Service, and of the nodes' zones, that were looked at.
    versions: (u64, u64),
    pods: BTreeSet<u32>,
}

/// What is to be looked at again.
#[derive(Debug)]
pub(super) struct Changed<'a> {
    /// Whether nothing that was known holds any more: these are all pods.
    pub(super) all: bool,
    /// The pods by their places, in order of creation; `None` is no longer selected.
    pub(super) pods: Vec<(u32, Option<&'a Arc<Pod>>)>,
}

/// When a pod's readiness last changed.
pub(super) fn turned(pod: &Pod) -> Option<Timestamp> {
    Some(pod.status.condition(*READY)?.last_transition_time)
}

impl ChangedPods {
    /// A pod has changed that a Service selects, or has selected.
    pub(super) fn add(&mut self, service: Key, pod: u32) {
        if let Some(since) = self.0.get_mut(&service) {
            since.pods.insert(pod);
        }
    }

    /// What has changed since the last look; at first, and when the Service or a node's zone is another, all pods.
    pub(super) fn take<'a>(&mut self, service: &Service, informers: &'a Informers) -> Changed<'a> {
        let versions = (service.meta.resource_version, informers.zones());
        let selected = informers.service_pods(service.meta.index).map(|selected| &selected.pods);
        let get = |place: u32| informers.store().pods.get(Id::new(place));
        let known = self.0.get_mut(&Key::of(&service.meta)).filter(|since| since.versions == versions);
        if let Some(since) = known {
            let is_selected = |place: &u32| selected.is_some_and(|selected| selected.contains(place));
            let pods = std::mem::take(&mut since.pods).into_iter();
            return Changed {
                all: false,
                pods: pods.map(|place| (place, get(place).filter(|_| is_selected(&place)))).collect(),
            };
        }
        self.0.insert(Key::of(&service.meta), Since { versions, pods: BTreeSet::new() });
        let mut places: Vec<u32> = selected.into_iter().flatten().copied().collect();
        places.sort_unstable();
        Changed { all: true, pods: places.into_iter().map(|place| (place, get(place))).collect() }
    }

    /// A Service is gone.
    pub(super) fn forget(&mut self, service: Key) {
        self.0.remove(&service);
    }
}
