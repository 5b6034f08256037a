//! Machines that have no node: those that do not come up, whose kubelet does not reach the server, or whose node object
//! somebody deleted, which a kubelet makes only when it starts. After a while nobody waits for them any longer, and as
//! many as a group can spare are given back to the cloud, so that it can grow again.
//!
//! Follows `removeOldUnregisteredNodes` of `cluster-autoscaler/core/static_autoscaler.go` and `updateUnregisteredNodes`
//! of `cluster-autoscaler/clusterstate/clusterstate.go`.

use super::Cluster;
use crate::api::Name;
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};

/// A machine without a node is waited for so long (`--max-node-provision-time`).
pub(super) const PROVISION_TIME: SimDuration = SimDuration::from_mins(15);

impl Cluster {
    /// Whether a machine has been without a node for so long that nobody waits for it.
    pub(super) fn is_long_unregistered(&self, now: SimTime, machine: Name) -> bool {
        let since = self.autoscaler.unregistered.get(&machine);
        since.is_some_and(|since| now.since(*since) > PROVISION_TIME)
    }

    /// Notes which machines have no node, and gives those back that had none for long, as far as groups can spare them.
    pub(super) fn give_back_unregistered(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let nodes = &self.server.store().nodes;
        let autoscaler = &mut self.autoscaler;
        let missing = |name: &Name| nodes.find(Name::default(), *name).is_none();
        autoscaler.unregistered.retain(|name, _| autoscaler.wanted.contains(name) && missing(name));
        for name in autoscaler.wanted.iter().filter(|name| missing(name)) {
            autoscaler.unregistered.entry(*name).or_insert(now);
        }
        let plan = self.plan.clone();
        for group in &plan.groups {
            let spare = self.autoscaler.size(group).saturating_sub(group.min);
            let long: Vec<Name> =
                group.machines.iter().filter(|name| self.is_long_unregistered(now, **name)).copied().collect();
            for name in long.into_iter().take(spare) {
                self.autoscaler.wanted.remove(&name);
                self.autoscaler.unregistered.remove(&name);
                // What was not delivered is cancelled.
                if self.autoscaler.orders.remove(&name).is_none() {
                    self.power_off(now, name, out);
                }
            }
        }
    }
}
