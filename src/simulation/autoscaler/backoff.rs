//! Groups whose machines do not come are left alone for a while, each time for longer.
//!
//! Follows `cluster-autoscaler/clusterstate/clusterstate.go` (`updateScaleRequests`) and
//! `cluster-autoscaler/utils/backoff/exponential_backoff.go`.

use super::Cluster;
use super::unregistered::PROVISION_TIME;
use crate::api::{EventType, Name};
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};
use crate::scenario::plan::NodeGroup;
use std::collections::BTreeMap;

/// How long a group is left alone at first (`--initial-node-group-backoff-duration`), at most
/// (`--max-node-group-backoff-duration`), and when all is forgotten (`--node-group-backoff-reset-timeout`).
const FIRST: SimDuration = SimDuration::from_mins(5);
const LONGEST: SimDuration = SimDuration::from_mins(30);
const FORGOTTEN: SimDuration = SimDuration::from_mins(180);

/// What became of groups that were to grow.
#[derive(Debug, Clone, Default)]
pub(super) struct Backoffs {
    /// When a group that still waits for machines was last raised.
    raised: BTreeMap<Name, SimTime>,
    failed: BTreeMap<Name, Failure>,
}

/// A group whose machines did not come.
#[derive(Debug, Clone, Copy)]
struct Failure {
    at: SimTime,
    lasts: SimDuration,
    /// How long the machines were waited for.
    took: SimDuration,
}

impl Failure {
    fn holds(self, now: SimTime) -> bool {
        now < self.at + self.lasts
    }
}

impl Backoffs {
    /// A group was raised.
    pub(super) fn raised(&mut self, now: SimTime, group: Name) {
        self.raised.insert(group, now);
    }

    /// Whether a group is left alone.
    pub(super) fn holds(&self, now: SimTime, group: Name) -> bool {
        self.failed.get(&group).is_some_and(|failure| failure.holds(now))
    }

    /// Whether a group still waits for machines.
    pub(super) fn is_raised(&self, group: Name) -> bool {
        self.raised.contains_key(&group)
    }

    /// For how long the machines of a group that is left alone were waited for.
    pub(super) fn failure(&self, now: SimTime, group: Name) -> Option<SimDuration> {
        self.failed.get(&group).filter(|failure| failure.holds(now)).map(|failure| failure.took)
    }

    /// The machines of a group did not come.
    fn fails(&mut self, now: SimTime, group: Name, took: SimDuration) {
        let lasts = match self.failed.get(&group) {
            Some(last) if !last.holds(now) => (last.lasts * 2).min(LONGEST),
            Some(_) | None => FIRST,
        };
        self.failed.insert(group, Failure { at: now, lasts, took });
    }
}

impl Cluster {
    /// Notes which groups got the machines that they were raised by, and which did not in time.
    pub(super) fn update_raised(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        self.autoscaler.backoffs.failed.retain(|_, failure| now.since(failure.at) <= FORGOTTEN);
        let plan = self.plan.clone();
        for group in &plan.groups {
            let Some(raised) = self.autoscaler.backoffs.raised.get(&group.name).copied() else { continue };
            let took = now.since(raised);
            if !self.waits_for_machines(now, group) {
                self.autoscaler.backoffs.raised.remove(&group.name);
                self.autoscaler.backoffs.failed.remove(&group.name);
            } else if took > PROVISION_TIME {
                self.autoscaler.backoffs.raised.remove(&group.name);
                self.autoscaler.backoffs.fails(now, group.name, took);
                let message = format!("Nodes added to group {} failed to register within {took}", group.name);
                self.tell_status(now, EventType::Warning, "ScaleUpTimedOut", &message, out);
            }
        }
    }

    /// Whether some machine that a group wants has no node that has been ready.
    fn waits_for_machines(&self, now: SimTime, group: &NodeGroup) -> bool {
        let stamp = self.server.clock().at(now).truncated();
        let nodes = &self.server.store().nodes;
        let comes =
            |name: &&Name| nodes.find(Name::default(), **name).is_none_or(|node| super::is_starting(node, stamp));
        group.machines.iter().filter(|name| self.autoscaler.wanted.contains(*name)).any(|name| comes(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `TestBackoffTwoKeys` and `TestMaxBackoff` of `exponential_backoff_test.go`, by their rule: twice as long after
    /// each failure that comes when the last is over, and never longer than half an hour.
    #[test]
    fn a_group_is_left_alone_for_longer_after_each_failure() {
        let at = |minutes: u64| SimTime::ZERO + SimDuration::from_mins(minutes);
        let [group, other] = ["a", "b"].map(Name::new);
        let mut backoffs = Backoffs::default();
        for (fails, until) in [(0, 5), (20, 30), (40, 60), (70, 100), (110, 140)] {
            backoffs.fails(at(fails), group, SimDuration::ZERO);
            assert!(backoffs.holds(at(until - 1), group), "failed after {fails} min");
            assert!(!backoffs.holds(at(until), group), "failed after {fails} min");
        }
        backoffs.fails(at(120), group, SimDuration::ZERO);
        assert!(!backoffs.holds(at(125), group), "one that fails while it is left alone begins again");
        assert!(!backoffs.holds(at(1), other));
    }
}
