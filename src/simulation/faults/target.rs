//! Who is struck: nodes and pods as they are when a fault is due.

use super::{Cluster, Target};
use crate::api::{Pod, Uid};
use crate::components::message::NodeIndex;
use crate::engine::{Purpose, StreamKey};
use crate::faults::{FaultPlan, Subject};
use std::sync::Arc;

const ORDER: Purpose = Purpose::new("fault target");

impl Cluster {
    /// The targets of a fault, in the order in which they are struck.
    pub(super) fn targets(&self, fault: &FaultPlan, occasion: u64) -> Vec<Target> {
        match fault.kind.info().subject {
            Subject::Cluster => vec![Target::Everything(None)],
            Subject::Wires => {
                let named = fault.scope.nodes.is_some() || fault.scope.share.is_some() || fault.count.is_some();
                vec![Target::Everything(named.then(|| self.nodes_of(fault, occasion)))]
            }
            Subject::Nodes => self.nodes_of(fault, occasion).into_iter().map(Target::Node).collect(),
            Subject::Pods => self.pods_of(fault, occasion).into_iter().map(|pod| Target::Pod(pod.meta.uid)).collect(),
            Subject::Scope => {
                let some = fault.count.map(|_| self.pods_of(fault, occasion));
                let uids = |pods: Vec<Arc<Pod>>| -> Vec<Uid> { pods.iter().map(|pod| pod.meta.uid).collect() };
                vec![Target::Pods(some.map(uids))]
            }
        }
    }

    fn nodes_of(&self, fault: &FaultPlan, occasion: u64) -> Vec<NodeIndex> {
        let names = self.kubelets().iter().map(|kubelet| kubelet.name());
        let named: Vec<NodeIndex> =
            names.filter(|name| fault.scope.has_node(*name)).filter_map(|name| self.machine_named(name)).collect();
        self.chosen(fault, occasion, named, |node| StreamKey::new(&self.node_name(*node)))
    }

    fn pods_of(&self, fault: &FaultPlan, occasion: u64) -> Vec<Arc<Pod>> {
        let meant = |pod: &&Arc<Pod>| {
            !pod.is_terminal() && !pod.meta.is_terminating() && fault.scope.has_pod(pod.node_name, pod)
        };
        let mut pods: Vec<Arc<Pod>> = self.server.store().pods.iter().filter(meant).cloned().collect();
        pods.sort_by_key(|pod| pod.meta.index);
        self.chosen(fault, occasion, pods, |pod| StreamKey::new(&pod.meta.namespace).part(&pod.meta.name))
    }

    /// The share, or the number, that is meant; drawn by name, so that one more changes nobody's luck.
    fn chosen<T>(&self, fault: &FaultPlan, occasion: u64, mut all: Vec<T>, key: impl Fn(&T) -> StreamKey) -> Vec<T> {
        let wanted = match (fault.scope.share, fault.count) {
            (None, None) => return all,
            (share, count) => {
                let share = share.map_or(all.len(), |share| (all.len() * usize::from(share)).div_ceil(100));
                share.min(count.map_or(usize::MAX, |count| count as usize))
            }
        };
        let rank = |one: &T| {
            let member = StreamKey::from_bits(fault.stream.bits().rotate_left(17) ^ key(one).bits());
            self.draws.draw(ORDER, member, occasion).bits()
        };
        all.sort_by_cached_key(rank);
        all.truncate(wanted);
        all
    }
}
