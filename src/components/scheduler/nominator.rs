//! Pods that room is being made for, and where.
//!
//! Follows `pkg/scheduler/backend/queue/nominator.go` of Kubernetes 1.36.

use crate::api::{FastMap, Name, Pod};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Waiting pods by the node that they are nominated for.
#[derive(Debug, Clone, Default)]
pub struct Nominator {
    by_node: FastMap<Name, Vec<Arc<Pod>>>,
    of_pod: FastMap<u32, Name>,
    /// Pods whose victims are being evicted in the background.
    preempting: BTreeSet<u32>,
}

impl Nominator {
    /// Nominates a pod for a node, or with `None` for the one that its status names; in place of an earlier nomination.
    pub fn add(&mut self, pod: &Arc<Pod>, decided: Option<Name>) {
        self.remove(pod);
        let node = decided.unwrap_or(pod.status.nominated_node_name);
        if node.is_empty() || !pod.node_name.is_empty() {
            return;
        }
        self.of_pod.insert(pod.meta.index, node);
        self.by_node.entry(node).or_default().push(pod.clone());
    }

    /// A pod has a new version. One without a word of a nomination does not end a reservation that is in memory.
    pub fn update(&mut self, old: &Pod, new: &Arc<Pod>) {
        let silent = old.status.nominated_node_name.is_empty() && new.status.nominated_node_name.is_empty();
        let kept = if silent { self.of_pod.get(&old.meta.index).copied() } else { None };
        self.remove(old);
        self.add(new, kept);
    }

    /// Ends a nomination.
    pub fn remove(&mut self, pod: &Pod) {
        let Some(node) = self.of_pod.remove(&pod.meta.index) else { return };
        if let Some(pods) = self.by_node.get_mut(&node) {
            pods.retain(|have| have.meta.index != pod.meta.index);
            if pods.is_empty() {
                self.by_node.remove(&node);
            }
        }
    }

    /// The pods nominated for a node, first nominated first.
    pub fn on_node(&self, node: Name) -> &[Arc<Pod>] {
        if self.by_node.is_empty() {
            return &[];
        }
        self.by_node.get(&node).map_or(&[], Vec::as_slice)
    }

    /// The node that a pod is nominated for.
    pub fn node_of(&self, pod: &Pod) -> Option<Name> {
        self.of_pod.get(&pod.meta.index).copied()
    }

    /// A preemption in the background begins or ends.
    pub(super) fn set_preempting(&mut self, pod: &Pod, preempting: bool) {
        if preempting {
            self.preempting.insert(pod.meta.index);
        } else {
            self.preempting.remove(&pod.meta.index);
        }
    }

    /// Whether victims of a pod are being evicted in the background.
    pub fn is_preempting(&self, pod: &Pod) -> bool {
        !self.preempting.is_empty() && self.preempting.contains(&pod.meta.index)
    }

    /// Whether nobody is nominated.
    pub fn is_empty(&self) -> bool {
        self.by_node.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Metadata, PodSpec, PodStatus};

    fn pod(index: u32, nominated: &str) -> Arc<Pod> {
        Arc::new(Pod {
            meta: Metadata { index, ..Metadata::default() },
            spec: Arc::new(PodSpec::default()),
            node_name: Name::default(),
            status: Arc::new(PodStatus { nominated_node_name: Name::new(nominated), ..PodStatus::default() }),
        })
    }

    #[test]
    fn a_silent_update_keeps_the_reservation() {
        // control-plane.md 2.14, `TestPriorityQueue_UpdateNominatedPodForNode`.
        let (n, m) = (Name::new("n"), Name::new("m"));
        let mut nominator = Nominator::default();
        nominator.add(&pod(1, ""), Some(n));
        nominator.update(&pod(1, ""), &pod(1, ""));
        assert_eq!(nominator.on_node(n).len(), 1);
        nominator.update(&pod(1, ""), &pod(1, "m"));
        assert_eq!((nominator.on_node(n).len(), nominator.on_node(m).len()), (0, 1));
        nominator.update(&pod(1, "m"), &pod(1, ""));
        assert!(nominator.is_empty());
        nominator.add(&pod(2, ""), None);
        assert!(nominator.is_empty());
    }
}
