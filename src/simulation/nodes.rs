//! Machines and their kubelets as users and fate treat them: processes die and start, power goes and comes.

use super::Cluster;
use crate::api::{ApiObject, Name, Pod};
use crate::components::kubelet::KubeletMessage;
use crate::components::message::{Message, NodeIndex};
use crate::engine::{Outbox, SimDuration, SimTime};
use std::sync::Arc;

impl Cluster {
    /// Hands a kubelet its message; where it asks for what only the cluster knows, with the answer.
    pub(super) fn kubelet(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        message: KubeletMessage,
        out: &mut Outbox<Message>,
    ) {
        match message {
            KubeletMessage::ListRuntime => {
                let pods = self.runtimes.machine(node).snapshots();
                self.kubelets[node.index()].runtime_listed(now, pods);
            }
            KubeletMessage::ListPods => {
                let name = self.node_name(node);
                let store = self.server.store();
                let mut pods: Vec<Arc<Pod>> = store.pods.iter().filter(|pod| pod.node_name == name).cloned().collect();
                pods.sort_by_key(|pod| (pod.meta.creation_timestamp, pod.id()));
                let object = store.nodes.find(Name::default(), name).cloned();
                self.kubelets[node.index()].pods_listed(now, pods, object, out);
            }
            message => self.kubelets[node.index()].handle(now, message, out),
        }
    }

    /// The machine of a node, if the plan has one of that name.
    pub(super) fn machine_named(&self, node: Name) -> Option<NodeIndex> {
        self.nodes.get(&node).copied()
    }

    pub(super) fn kill_kubelet(&mut self, node: Name, out: &mut Outbox<Message>) {
        let Some(index) = self.machine_named(node) else { return };
        self.kubelets[index.index()].stop();
        self.runtimes.cancel_calls(index, out);
    }

    pub(super) fn start_kubelet(&self, node: Name, after: SimDuration, out: &mut Outbox<Message>) {
        let Some(index) = self.machine_named(node) else { return };
        out.after(after, Message::Kubelet(index, KubeletMessage::Start));
    }

    pub(super) fn power_off(&mut self, now: SimTime, node: Name, out: &mut Outbox<Message>) {
        let Some(index) = self.machine_named(node) else { return };
        self.kubelets[index.index()].stop();
        self.runtimes.power_off(now, index, out);
    }

    pub(super) fn power_on(&mut self, node: Name, out: &mut Outbox<Message>) {
        let Some(index) = self.machine_named(node) else { return };
        self.runtimes.power_on(index);
        self.kubelets[index.index()].machine_booted();
        self.start_kubelet(node, SimDuration::ZERO, out);
    }
}
