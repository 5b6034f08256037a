//! The leases of nodes and the heartbeats in their conditions, as the server would show them.
//!
//! Kubelets renew leases every ten seconds and heartbeats every five minutes, which tells nobody anything but that
//! time. So nothing of it happens in a run: who looks is shown each as it would be at that instant, and one whose
//! renewal a fault prevents keeps its last one. A renewal leaves the resource version of the node alone, which a real
//! one does not.

use super::Simulation;
use crate::api::{DISK_PRESSURE, MEMORY_PRESSURE, NODE_READY, Node, Object, PID_PRESSURE, Timestamp, render};
use crate::components::message::NodeIndex;
use crate::engine::Purpose;
use serde_json::{Value, json};

const IDENTITY: Purpose = Purpose::new("lease identity");

impl Simulation {
    /// An object as the server would show it now.
    pub fn shown(&self, object: &Object) -> Value {
        let mut shown = render(object);
        if let Object::Node(node) = object
            && let Some(heartbeat) = self.heartbeat(node)
            && let Some(conditions) = shown.pointer_mut("/status/conditions").and_then(Value::as_array_mut)
        {
            let own = [*NODE_READY, *MEMORY_PRESSURE, *DISK_PRESSURE, *PID_PRESSURE];
            for condition in conditions {
                if own.iter().any(|kind| condition["type"] == kind.as_str()) {
                    condition["lastHeartbeatTime"] = heartbeat.to_string().into();
                }
            }
        }
        shown
    }

    /// When a node's kubelet last wrote its conditions.
    fn heartbeat(&self, node: &Node) -> Option<Timestamp> {
        let cluster = self.cluster();
        let place = cluster.kubelets().iter().position(|kubelet| kubelet.name() == node.meta.name)?;
        let index = NodeIndex(u16::try_from(place).expect("machines are counted in 16 bits"));
        let renewed = cluster.lease_renewed(self.now(), index)?;
        let clock = cluster.server.clock();
        // What reaches the server reaches it for both.
        let reached = self.now().min(clock.when(renewed) + cluster.kubelets()[place].lease_duration() / 4);
        Some(clock.at(cluster.kubelets()[place].heartbeat(reached)).truncated())
    }

    /// The leases in `kube-node-lease`, by node.
    pub fn leases(&self) -> Vec<Value> {
        let cluster = self.cluster();
        let lease = |(place, kubelet): (usize, &crate::components::kubelet::Kubelet)| {
            let node = self.node(&kubelet.name())?;
            let index = NodeIndex(u16::try_from(place).expect("machines are counted in 16 bits"));
            let renewed = cluster.lease_renewed(self.now(), index)?;
            let mut identity = cluster.draws.draw(IDENTITY, node.meta.uid.stream(), 0);
            let uid = crate::api::Uid::from_random(identity.bits(), identity.bits());
            Some(json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "creationTimestamp": node.meta.creation_timestamp.to_string(),
                    "name": node.meta.name.as_str(),
                    "namespace": "kube-node-lease",
                    "ownerReferences": [{
                        "apiVersion": "v1",
                        "kind": "Node",
                        "name": node.meta.name.as_str(),
                        "uid": node.meta.uid.to_string(),
                    }],
                    "resourceVersion": node.meta.resource_version.to_string(),
                    "uid": uid.to_string(),
                },
                "spec": {
                    "holderIdentity": node.meta.name.as_str(),
                    "leaseDurationSeconds": kubelet.lease_duration().as_secs(),
                    "renewTime": renewed.to_string(),
                },
            }))
        };
        cluster.kubelets().iter().enumerate().filter_map(lease).collect()
    }
}
