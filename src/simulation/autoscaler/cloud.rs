//! What the cloud's own controller does: a node that is not ready and whose machine the cloud does not have is deleted.
//!
//! Follows `MonitorNodes` of `cloud-provider/controllers/nodelifecycle/node_lifecycle_controller.go`.

use super::Cluster;
use crate::api::{EventType, Name, Node, Object};
use crate::components::events::Told;
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};
use std::sync::Arc;

/// How often it looks (`--node-monitor-period`).
pub(super) const MONITOR: SimDuration = SimDuration::from_secs(5);

impl Cluster {
    pub(super) fn delete_nodes_without_machines(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let plan = self.plan.clone();
        let nodes = &self.server.store().nodes;
        let machines = plan.groups.iter().flat_map(|group| &group.machines);
        let without: Vec<Arc<Node>> = machines
            .filter(|name| !self.is_taken(**name))
            .filter_map(|name| nodes.find(Name::default(), *name))
            .filter(|node| !node.is_ready() && !node.meta.is_terminating())
            .cloned()
            .collect();
        for node in without {
            let name = node.meta.name;
            let told = Told {
                about: Object::Node(node).reference(),
                kind: EventType::Normal,
                reason: Name::new("DeletingNode"),
                message: format!("Deleting node {name} because it does not exist in the cloud provider")
                    .as_str()
                    .into(),
            };
            let wall = self.server.clock().at(now);
            if let Some(request) = self.autoscaler.cloud.tell(now, wall, told) {
                self.autoscaler_calls(request, out);
            }
            self.delete_node(name, out);
        }
    }
}
