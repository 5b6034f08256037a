//! The leases of nodes, as the server would show them.
//!
//! Kubelets renew them every ten seconds, which tells nobody anything but that time. So nothing of it happens in a run:
//! who looks is shown each lease as it would be at that instant, and a lease whose renewal a fault prevents keeps its
//! last one. A renewal leaves the resource version of the node alone, which a real one does not.

use super::Simulation;
use crate::components::message::NodeIndex;
use crate::engine::Purpose;
use serde_json::{Value, json};

const IDENTITY: Purpose = Purpose::new("lease identity");

impl Simulation {
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
