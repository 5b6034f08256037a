//! Laws that no single write shows: they are about what happened before, and about what components keep to themselves.
//!
//! A [`Chronicle`] looks on while a run goes, as the [`Watchdog`](super::Watchdog) does, which holds one. Each room
//! here keeps what its laws need to know of the past, makes a fact of each step, and holds its laws against that: the
//! laws themselves are functions of plain values. They are those of `8.2 Invariants` of the reference of the control
//! plane that the server's writes alone do not decide; sources are tests and functions of Kubernetes 1.36.

mod budgets;
mod decisions;
mod nodes;
mod queue;
mod syncs;
#[cfg(test)]
mod tests;

use super::invariant::Violation;
use super::{Cluster, Trace};
use crate::api::Change;
use crate::components::message::{Client, Message};
use crate::engine::SimTime;
use budgets::Budgets;
use decisions::Decisions;
use nodes::Nodes;
use queue::Queue;
use syncs::Syncs;

/// A law, by name.
#[derive(Debug, Clone, Copy)]
pub struct HistoryLaw {
    /// Its name: `one-pod-at-a-time`.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
}

/// Every law of what happened before.
pub const HISTORY_LAWS: [&[HistoryLaw]; 5] = [budgets::LAWS, queue::LAWS, decisions::LAWS, syncs::LAWS, nodes::LAWS];

/// What breaks a law: which, what it is about, and what was seen.
type Broken = (&'static str, String, String);

/// Looks on and notes the first law that is broken.
#[derive(Debug, Clone, Default)]
pub(super) struct Chronicle {
    budgets: Budgets,
    queue: Queue,
    decisions: Decisions,
    syncs: Syncs,
    nodes: Nodes,
    /// Whether the present step may have moved the scheduler, …
    schedules: bool,
    /// … and whether it hears of one thing at a time in it.
    orderly: bool,
    violation: Option<Violation>,
}

impl Chronicle {
    /// The first law that was broken.
    pub(super) const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    fn note(&mut self, at: SimTime, broken: impl IntoIterator<Item = Broken>) {
        if let Some((name, object, seen)) = broken.into_iter().next() {
            self.violation.get_or_insert(Violation { name, at, object, seen });
        }
    }
}

impl Trace for Chronicle {
    fn delivered(&mut self, now: SimTime, _seq: u64, message: &Message, cluster: &Cluster) {
        self.schedules = matches!(
            message,
            Message::Scheduler(..)
                | Message::Fault(_)
                | Message::Watch { client: Client::Scheduler, .. }
                | Message::Reply { client: Client::Scheduler, .. }
        );
        // What it lists when a wire is mended comes after the decision that the first of it has led to.
        self.orderly = !matches!(message, Message::Fault(_));
        let broken = self.budgets.delivered(message);
        self.note(now, broken);
        let broken = self.syncs.delivered(message, cluster);
        self.note(now, broken);
        let broken = self.nodes.delivered(now, message, cluster);
        self.note(now, broken);
    }

    fn changed(&mut self, now: SimTime, _cause: u64, change: &Change, cluster: &Cluster) {
        let broken = self.budgets.changed(change);
        self.note(now, broken);
        self.syncs.changed(now, change);
        let broken = self.nodes.changed(now, change, cluster);
        self.note(now, broken);
    }

    fn stepped(&mut self, now: SimTime, cluster: &Cluster) {
        self.syncs.stepped(now, cluster);
        let broken = self.nodes.stepped(now, cluster);
        self.note(now, broken);
        if self.schedules && !cluster.is_down(crate::faults::Leader::Scheduler) {
            let insight = cluster.scheduler().queue_insight();
            let begun = self.queue.begins(&insight);
            let broken = self.queue.stepped(now, cluster.scheduler().term(), insight);
            self.note(now, broken);
            if begun && !self.orderly {
                self.decisions.miss();
            } else if begun && let Some(decision) = cluster.scheduler().decision_insight(now) {
                let broken = self.decisions.made(cluster.scheduler().term(), &self.queue, &decision);
                self.note(now, broken);
            }
        }
    }
}
