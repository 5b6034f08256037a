//! Graceful node shutdown: pods go in groups by priority, each with its seconds, before the machine does.
//!
//! Follows `pkg/kubelet/nodeshutdown/nodeshutdown_manager.go` and `nodeshutdown_manager_linux.go` of Kubernetes 1.36.

use super::config::VOLUME_POLL;
use super::eviction::CRITICAL_PRIORITY;
use super::pod_worker::StatusOverride;
use super::{Kubelet, KubeletMessage};
use crate::api::{EventType, Name};
use crate::components::cri::PodKey;
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What the status of a pod says that went with its node.
const TERMINATED: &str = "Pod was terminated in response to imminent node shutdown.";
/// Why no more pods are taken.
pub(super) const SHUTTING_DOWN: &str = "Pod was rejected as the node is shutting down.";

/// How long pods get when the machine shuts down; not at all by default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownConfig {
    /// For all pods together, …
    pub grace_period: SimDuration,
    /// … of which this is for critical ones.
    pub critical_pods: SimDuration,
    /// Instead of the two: pods of at least this priority get so long.
    pub by_priority: Vec<(i32, SimDuration)>,
}

impl ShutdownConfig {
    /// The groups in the order in which they go: the lowest priority of each, and its time (`migrateConfig`).
    fn groups(&self) -> Vec<(i32, SimDuration)> {
        if !self.by_priority.is_empty() {
            let mut groups = self.by_priority.clone();
            groups.sort_unstable();
            return groups;
        }
        if self.grace_period.is_zero() {
            return Vec::new();
        }
        let ordinary = self.grace_period.saturating_sub(self.critical_pods);
        vec![(0, ordinary), (CRITICAL_PRIORITY, self.critical_pods)]
    }
}

/// The group of a pod: the highest that it reaches, else the lowest (`groupByPriority`).
fn group_of(groups: &[(i32, SimDuration)], priority: i32) -> usize {
    groups.iter().rposition(|(lowest, _)| *lowest <= priority).unwrap_or(0)
}

/// The shutdown under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Shutdown {
    /// The groups to come.
    groups: VecDeque<(SimDuration, Vec<PodKey>)>,
    /// The group whose turn it is, and until when.
    current: Option<(Vec<PodKey>, SimTime)>,
    planned: Option<SimTime>,
    /// Whether the announcement was withdrawn meanwhile.
    cancelled: bool,
}

impl Shutdown {
    fn is_over(&self) -> bool {
        self.current.is_none() && self.groups.is_empty()
    }
}

impl Kubelet {
    /// The machine announces that it will shut down.
    pub fn shutdown_announced(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let groups = self.config.shutdown.groups();
        if !self.up || groups.is_empty() || self.reporter.shutting_down {
            return;
        }
        self.tell_node(now, EventType::Normal, "Shutdown", "Shutdown manager detected shutdown event", out);
        self.reporter.shutting_down = true;
        self.report_node(now, true, out);
        let mut members: Vec<Vec<PodKey>> = vec![Vec::new(); groups.len()];
        for (key, state) in self.pods.iter().filter(|(_, state)| state.is_active() && state.worker.is_some()) {
            members[group_of(&groups, state.pod.spec.priority)].push(*key);
        }
        let occupied = groups.into_iter().zip(members).filter(|(_, members)| !members.is_empty());
        let groups = occupied.map(|((_, time), members)| (time, members)).collect();
        self.shutdown = Shutdown { groups, ..Shutdown::default() };
        self.next_group(now, out);
    }

    /// How long a shutdown of this node takes at most.
    pub fn shutdown_takes(&self) -> SimDuration {
        self.config.shutdown.groups().into_iter().map(|(_, time)| time).sum()
    }

    /// The announcement is withdrawn: that is heard when the last group is gone, and reported at the next beat.
    pub fn shutdown_cancelled(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        if !self.up || !self.reporter.shutting_down {
            return;
        }
        self.shutdown.cancelled = true;
        self.end_shutdown(now, out);
    }

    fn end_shutdown(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        if self.shutdown.cancelled && self.shutdown.is_over() {
            let text = "Shutdown manager detected shutdown cancellation";
            self.tell_node(now, EventType::Normal, "Shutdown", text, out);
            self.shutdown = Shutdown::default();
            self.reporter.shutting_down = false;
            self.want_node_report(now, out);
        }
    }

    /// The next group goes: each pod with the group's time or its own grace, whichever is shorter.
    fn next_group(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let Some((time, members)) = self.shutdown.groups.pop_front() else {
            self.shutdown.current = None;
            return self.end_shutdown(now, out);
        };
        for key in &members {
            let Some(state) = self.pods.get(key) else { continue };
            let grace = (time.as_secs() as i64).min(state.pod.spec.termination_grace_period);
            let status = StatusOverride {
                reason: Name::new("Terminated"),
                message: TERMINATED.into(),
                disruption: Some(TERMINATED.into()),
            };
            self.kill_pod(now, *key, Some(grace), false, status, out);
        }
        self.shutdown.current = Some((members, now + time));
        self.plan_shutdown_step(now, now + time, out);
    }

    fn plan_shutdown_step(&mut self, now: SimTime, due: SimTime, out: &mut Outbox<Message>) {
        self.shutdown.planned = Some(due);
        out.after(due.since(now), self.message(KubeletMessage::ShutdownStep { due }));
    }

    /// The group's time is over, or its volumes are looked at.
    pub(super) fn shutdown_step(&mut self, now: SimTime, due: SimTime, out: &mut Outbox<Message>) {
        if self.shutdown.planned == Some(due) {
            self.shutdown.planned = None;
            self.advance_shutdown(now, out);
        }
    }

    /// Goes on to the next group if this one is gone or its time is over.
    pub(super) fn advance_shutdown(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let Some((members, deadline)) = self.shutdown.current.clone() else { return };
        let stopped = |key: &PodKey| {
            let worker = self.pods.get(key).and_then(|state| state.worker.as_ref());
            worker.is_none_or(|worker| worker.is_terminated())
        };
        let all_stopped = members.iter().all(stopped);
        let unmounted = all_stopped && members.iter().all(|key| self.volumes_gone(now, *key, out));
        if unmounted || now >= deadline {
            return self.next_group(now, out);
        }
        let due = if all_stopped { (now + VOLUME_POLL).min(deadline) } else { deadline };
        self.plan_shutdown_step(now, due, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> SimDuration {
        SimDuration::from_secs(secs)
    }

    #[test]
    fn two_periods_are_two_groups() {
        // `Test_migrateConfig`.
        let config = |total, critical| ShutdownConfig {
            grace_period: secs(total),
            critical_pods: secs(critical),
            by_priority: Vec::new(),
        };
        assert_eq!(config(0, 0).groups(), []);
        assert_eq!(config(20, 8).groups(), [(0, secs(12)), (2_000_000_000, secs(8))]);
        assert_eq!(config(20, 0).groups(), [(0, secs(20)), (2_000_000_000, secs(0))]);
    }

    #[test]
    fn a_pod_belongs_to_the_highest_group_that_it_reaches() {
        // `Test_groupByPriority`.
        let groups = [(10, secs(1)), (100, secs(2)), (1_000, secs(3))];
        for (priority, group) in [(-5, 0), (0, 0), (10, 0), (99, 0), (100, 1), (999, 1), (1_000, 2), (2_000_000, 2)] {
            assert_eq!(group_of(&groups, priority), group, "{priority}");
        }
    }
}
