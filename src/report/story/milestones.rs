//! The stages of a pod's way to readiness, and its end.

use crate::engine::SimTime;

/// When a pod got how far for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Milestones {
    /// The API server stored it.
    pub created: Option<SimTime>,
    /// It was bound to a node.
    pub scheduled: Option<SimTime>,
    /// Its sandbox was ready.
    pub sandbox: Option<SimTime>,
    /// The image of the last of its containers was on the node, and the container could be created.
    pub pulled: Option<SimTime>,
    /// Its init containers were done and its sidecars started: its condition `Initialized`.
    pub initialized: Option<SimTime>,
    /// The last of its containers had started.
    pub started: Option<SimTime>,
    /// It was ready: its condition `Ready`.
    pub ready: Option<SimTime>,
    /// It reached a phase that never changes again, or was gone.
    pub terminated: Option<SimTime>,
}

impl Milestones {
    /// The names of the stages in the order of [`in_order`](Self::in_order).
    pub const NAMES: [&'static str; 8] =
        ["created", "scheduled", "sandbox", "pulled", "initialized", "started", "ready", "terminated"];

    /// All of them with their names. `initialized` of a pod without init containers is written before its containers
    /// start, and after them, when a status update is late; it is the only one out of line.
    pub const fn all(&self) -> [(&'static str, Option<SimTime>); 8] {
        [
            ("created", self.created),
            ("scheduled", self.scheduled),
            ("sandbox", self.sandbox),
            ("pulled", self.pulled),
            ("initialized", self.initialized),
            ("started", self.started),
            ("ready", self.ready),
            ("terminated", self.terminated),
        ]
    }

    /// Those that every pod passes in this order.
    pub const fn in_order(&self) -> [(&'static str, Option<SimTime>); 6] {
        [
            ("created", self.created),
            ("scheduled", self.scheduled),
            ("sandbox", self.sandbox),
            ("pulled", self.pulled),
            ("started", self.started),
            ("ready", self.ready),
        ]
    }
}

/// Notes an instant unless an earlier one is known.
pub(super) const fn first(known: &mut Option<SimTime>, now: SimTime) {
    if known.is_none() {
        *known = Some(now);
    }
}
