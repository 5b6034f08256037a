//! Limits on the cores and the memory of the whole cluster: no machine is asked for beyond the most, and none goes that
//! would leave less than the least.
//!
//! Follows `cluster-autoscaler/resourcequotas/{factory,tracker,cache}.go` of version 1.36, with the one quota that
//! there is by default, `cluster-wide` (`--cores-total`, `--memory-total`).

use super::Cluster;
use crate::api::{CPU, MEMORY, Node};
use crate::engine::SimTime;
use crate::scenario::plan::ClusterLimits;

/// What is left to a limit: cores and bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    left: [i64; 2],
}

impl Quota {
    /// What is left between a limit and what there is, in one direction.
    fn new(limits: [i64; 2], used: [i64; 2], left: impl Fn(i64, i64) -> i64) -> Self {
        Self { left: [0, 1].map(|place| left(limits[place], used[place]).max(0)) }
    }

    /// The resources of which one node more, or less, would be too much.
    pub(super) fn exceeded_by(&self, node: &Node) -> Vec<&'static str> {
        let has = cores_and_memory(node);
        let exceeded = (0..2).filter(|place| self.left[*place] < has[*place]);
        exceeded.map(|place| ["cpu", "memory"][place]).collect()
    }

    /// How many such nodes there may be more, or less.
    pub(super) fn allows(&self, node: &Node) -> usize {
        let has = cores_and_memory(node);
        let allowed = (0..2).filter(|place| has[*place] > 0).map(|place| self.left[place] / has[place]).min();
        allowed.map_or(usize::MAX, |allowed| usize::try_from(allowed).unwrap_or(0))
    }

    /// Takes a node from what is left, if there is enough for it.
    pub(super) fn consume(&mut self, node: &Node) -> bool {
        let fits = self.exceeded_by(node).is_empty();
        if fits {
            let has = cores_and_memory(node);
            self.left = [0, 1].map(|place| self.left[place] - has[place]);
        }
        fits
    }
}

/// What a node has, whole cores and bytes (`GetNodeCoresAndMemory`).
fn cores_and_memory(node: &Node) -> [i64; 2] {
    let has = |resource| node.status.capacity.get(resource).unwrap_or(0);
    [has(*CPU).div_euclid(1_000) + i64::from(has(*CPU).rem_euclid(1_000) > 0), has(*MEMORY)]
}

impl Cluster {
    /// How much the cluster may grow.
    pub(super) fn room_to_grow(&self, now: SimTime) -> Quota {
        let ClusterLimits { most, .. } = self.plan.limits;
        Quota::new(most, self.size_of_cluster(now), |most, used| most.saturating_sub(used))
    }

    /// How much it may shrink.
    pub(super) fn room_to_shrink(&self, now: SimTime) -> Quota {
        let ClusterLimits { least, .. } = self.plan.limits;
        Quota::new(least, self.size_of_cluster(now), |least, used| used - least)
    }

    fn size_of_cluster(&self, now: SimTime) -> [i64; 2] {
        // A node whose machine has just gone is only not deleted yet.
        let here = self.nodes_that_stay().filter(|node| !self.is_given_back(node.meta.name));
        let here = here.map(|node| cores_and_memory(node));
        let to_come = self.nodes_to_come(now).map(|node| cores_and_memory(&node));
        here.chain(to_come).fold([0; 2], |sum, has| [sum[0] + has[0], sum[1] + has[1]])
    }
}
