//! Who goes first: those that use more than they asked for, then the least important, then the greediest.
//!
//! Follows `pkg/kubelet/eviction/helpers.go` (`rankMemoryPressure`, `rankDiskPressureFunc`, `rankPIDPressure`) of
//! Kubernetes 1.36. QoS classes do not count.

use super::local_storage::volume_bytes;
use super::threshold::{Reclaimed, Signal};
use crate::api::{EPHEMERAL_STORAGE, MEMORY, Pod};
use crate::components::cri::PodKey;
use crate::components::stats::{ContainerStats, NodeStats, PodStats};
use std::cmp::Reverse;

/// Which parts of a pod's disk use count, by the layout of the disks (`containerStatsToMeasure`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    layers: bool,
    logs_and_volumes: bool,
}

impl Measured {
    pub(super) const fn new(signal: Signal, separate_imagefs: bool) -> Self {
        let on_images = matches!(signal, Signal::ImageFsAvailable | Signal::ImageFsInodesFree);
        if !separate_imagefs {
            return Self { layers: true, logs_and_volumes: true };
        }
        Self { layers: on_images, logs_and_volumes: !on_images }
    }

    fn bytes(self, spec: &Pod, pod: &PodStats) -> i64 {
        let layers: i64 = pod.containers.iter().map(|container| container.writable).sum();
        let logs: i64 = pod.containers.iter().map(|container| container.logs).sum();
        let volumes = volume_bytes(spec, pod);
        i64::from(self.layers) * layers + i64::from(self.logs_and_volumes) * (logs + volumes)
    }

    fn inodes(self, pod: &PodStats) -> i64 {
        let layers: i64 = pod.containers.iter().map(|container| container.writable_inodes).sum();
        i64::from(self.layers) * layers
    }
}

/// What a pod uses of what is short, and what it asked for.
fn usage_and_request(signal: Signal, measured: Measured, pod: &Pod, stats: &PodStats) -> (i64, i64) {
    let sum = |of: fn(&ContainerStats) -> i64| stats.containers.iter().map(of).sum();
    match signal.reclaims() {
        Reclaimed::Memory => (sum(|container| container.memory), pod.spec.requests.get(*MEMORY)),
        Reclaimed::EphemeralStorage => (measured.bytes(pod, stats), pod.spec.requests.get(*EPHEMERAL_STORAGE)),
        Reclaimed::Inodes => (measured.inodes(stats), 0),
        Reclaimed::Pids => (sum(|container| container.pids), 0),
    }
}

/// The pods in the order in which they go. Pods of which nothing is known go first.
pub(super) fn rank(signal: Signal, stats: &NodeStats, pods: &[(PodKey, &Pod)]) -> Vec<PodKey> {
    let measured = Measured::new(signal, stats.imagefs.is_some());
    let mut ranked: Vec<_> = pods
        .iter()
        .map(|(key, pod)| {
            let found = stats.pods.iter().find(|stats| stats.key == *key);
            let (usage, request) = found.map_or((0, 0), |stats| usage_and_request(signal, measured, pod, stats));
            let exceeds = signal.reclaims() != Reclaimed::Pids && usage > request;
            let place = (found.is_some(), Reverse(exceeds), pod.spec.priority, Reverse(usage - request));
            (place, *key)
        })
        .collect();
    ranked.sort_by_key(|(place, _)| *place);
    ranked.into_iter().map(|(_, key)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Name, PodSpec};
    use crate::components::stats::{FileSystemStats, Supply};
    use std::sync::Arc;

    fn pod(memory: i64, storage: i64, priority: i32) -> Pod {
        let mut spec = PodSpec { priority, ..PodSpec::default() };
        spec.requests.memory = memory;
        spec.requests.ephemeral_storage = storage;
        Pod { meta: Default::default(), spec: Arc::new(spec), node_name: Name::default(), status: Arc::default() }
    }

    fn stats(memory: i64, writable: i64, logs: i64, volume: i64, pids: i64) -> (ContainerStats, Vec<(Name, i64)>) {
        let container =
            ContainerStats { name: Name::new("c"), memory, writable, writable_inodes: writable, logs, pids };
        (container, vec![(Name::new("v"), volume)])
    }

    fn ranked(signal: Signal, separate: bool, pods: &[(Pod, Option<(ContainerStats, Vec<(Name, i64)>)>)]) -> Vec<u32> {
        let key = |place: usize| PodKey::of_static(place as u32);
        let disk = FileSystemStats::default();
        let known = pods.iter().enumerate().filter_map(|(place, (_, stats))| {
            let (container, volumes) = stats.clone()?;
            Some(PodStats { key: key(place), containers: vec![container], volumes })
        });
        let node = NodeStats {
            memory: Supply::default(),
            allocatable_memory: None,
            nodefs: disk,
            imagefs: separate.then_some(disk),
            pids: Supply::default(),
            pods: known.collect(),
            images: Vec::new(),
            changes_at: None,
        };
        let candidates: Vec<(PodKey, &Pod)> = pods.iter().enumerate().map(|(n, (pod, _))| (key(n), pod)).collect();
        let order = rank(signal, &node, &candidates);
        order.into_iter().map(|one| (0..9).find(|n| PodKey::of_static(*n) == one).expect("one of them")).collect()
    }

    #[test]
    fn memory_is_ranked_by_excess_priority_and_amount() {
        // `TestSortByEvictionPriority`, `TestOrderedByExceedsRequestMemory`, `TestOrderedByPriorityMemory`.
        let pods = [
            (pod(500, 0, 0), Some(stats(400, 0, 0, 0, 1))),  // under its request
            (pod(100, 0, 10), Some(stats(900, 0, 0, 0, 1))), // over, but more important
            (pod(100, 0, 0), Some(stats(200, 0, 0, 0, 1))),  // over by 100
            (pod(0, 0, 0), Some(stats(300, 0, 0, 0, 1))),    // over by 300
            (pod(0, 0, 50), None),                           // nothing is known of it
            (pod(900, 0, 0), Some(stats(100, 0, 0, 0, 1))),  // far under its request
        ];
        assert_eq!(ranked(Signal::MemoryAvailable, false, &pods), [4, 3, 2, 1, 0, 5]);
    }

    #[test]
    fn the_layout_of_the_disks_decides_what_counts() {
        let pods = [(pod(0, 0, 0), Some(stats(0, 9, 1, 0, 1))), (pod(0, 0, 0), Some(stats(0, 1, 2, 4, 1)))];
        for (signal, separate, order) in [
            (Signal::NodeFsAvailable, false, [0, 1]),
            (Signal::NodeFsAvailable, true, [1, 0]),
            (Signal::ImageFsAvailable, true, [0, 1]),
            (Signal::NodeFsInodesFree, false, [0, 1]),
        ] {
            assert_eq!(ranked(signal, separate, &pods), order, "{signal:?} {separate}");
        }
    }

    #[test]
    fn processes_are_ranked_by_priority_first() {
        // `TestOrderedByPriorityProcess`.
        let pods = [
            (pod(0, 0, 10), Some(stats(0, 0, 0, 0, 900))),
            (pod(0, 0, 0), Some(stats(0, 0, 0, 0, 5))),
            (pod(0, 0, 0), Some(stats(0, 0, 0, 0, 7))),
        ];
        assert_eq!(ranked(Signal::PidAvailable, false, &pods), [2, 1, 0]);
    }
}
