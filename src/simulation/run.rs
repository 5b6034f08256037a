//! A run: a cluster, the messages to come, and the present instant.

use super::Cluster;
use crate::api::Change;
use crate::components::extension::Extension;
use crate::components::message::Message;
use crate::components::runtime::ProcessModel;
use crate::engine::{Entry, Outbox, Queue, SimDuration, SimTime, TimingWheel};
use crate::scenario::plan::{Action, Plan};
use std::sync::Arc;

/// Who looks on: told of every message delivered and every object changed.
pub trait Trace {
    /// A message is delivered: its number, and that of the message in whose handling it was sent.
    fn delivered(&mut self, now: SimTime, seq: u64, message: &Message, cluster: &Cluster) {
        let _ = (now, seq, message, cluster);
    }

    /// A message was sent while another was handled.
    fn sent(&mut self, seq: u64, cause: u64) {
        let _ = (seq, cause);
    }

    /// An object changed while a message was handled.
    fn changed(&mut self, now: SimTime, cause: u64, change: &Change, cluster: &Cluster) {
        let _ = (now, cause, change, cluster);
    }

    /// A step is over: everything that it changed has been told of.
    fn stepped(&mut self, now: SimTime, cluster: &Cluster) {
        let _ = (now, cluster);
    }
}

/// Nobody looks on.
impl Trace for () {}

/// Two look on.
impl<A: Trace, B: Trace> Trace for (A, B) {
    fn delivered(&mut self, now: SimTime, seq: u64, message: &Message, cluster: &Cluster) {
        self.0.delivered(now, seq, message, cluster);
        self.1.delivered(now, seq, message, cluster);
    }

    fn sent(&mut self, seq: u64, cause: u64) {
        self.0.sent(seq, cause);
        self.1.sent(seq, cause);
    }

    fn changed(&mut self, now: SimTime, cause: u64, change: &Change, cluster: &Cluster) {
        self.0.changed(now, cause, change, cluster);
        self.1.changed(now, cause, change, cluster);
    }

    fn stepped(&mut self, now: SimTime, cluster: &Cluster) {
        self.0.stepped(now, cluster);
        self.1.stepped(now, cluster);
    }
}

/// Somebody may look on.
impl<T: Trace> Trace for Option<T> {
    fn delivered(&mut self, now: SimTime, seq: u64, message: &Message, cluster: &Cluster) {
        if let Some(trace) = self {
            trace.delivered(now, seq, message, cluster);
        }
    }

    fn sent(&mut self, seq: u64, cause: u64) {
        if let Some(trace) = self {
            trace.sent(seq, cause);
        }
    }

    fn changed(&mut self, now: SimTime, cause: u64, change: &Change, cluster: &Cluster) {
        if let Some(trace) = self {
            trace.changed(now, cause, change, cluster);
        }
    }

    fn stepped(&mut self, now: SimTime, cluster: &Cluster) {
        if let Some(trace) = self {
            trace.stepped(now, cluster);
        }
    }
}

/// Somebody who is only lent looks on.
impl<T: Trace> Trace for &mut T {
    fn delivered(&mut self, now: SimTime, seq: u64, message: &Message, cluster: &Cluster) {
        T::delivered(self, now, seq, message, cluster);
    }

    fn sent(&mut self, seq: u64, cause: u64) {
        T::sent(self, seq, cause);
    }

    fn changed(&mut self, now: SimTime, cause: u64, change: &Change, cluster: &Cluster) {
        T::changed(self, now, cause, change, cluster);
    }

    fn stepped(&mut self, now: SimTime, cluster: &Cluster) {
        T::stepped(self, now, cluster);
    }
}

/// A run that can be stepped, watched and, by cloning, forked.
#[derive(Debug, Clone)]
pub struct Run {
    cluster: Cluster,
    queue: TimingWheel<Message>,
    now: SimTime,
    outbox: Outbox<Message>,
}

impl Run {
    /// A run of a plan with a seed, before its first message.
    pub fn new(plan: Arc<Plan>, seed: u64) -> Self {
        let mut outbox = Outbox::new();
        let cluster = Cluster::new(plan, seed, &mut outbox);
        let mut run = Self { cluster, queue: TimingWheel::new(), now: SimTime::ZERO, outbox };
        run.send(u64::MAX, &mut ());
        run
    }

    /// Adds a component, which is told of all that there is.
    pub(super) fn extend(&mut self, extension: Box<dyn Extension>) {
        self.cluster.extend(self.now, extension, &mut self.outbox);
        self.send(u64::MAX, &mut ());
    }

    /// Users give the commands of the scenario again when the server could not do them, or has lost them.
    pub(super) fn insist(&mut self) {
        self.cluster.insist();
    }

    /// Controllers are told of everything that they know once more.
    pub(super) fn resync(&mut self) {
        self.cluster.resync(self.now, &mut self.outbox);
        self.send(u64::MAX, &mut ());
    }

    /// Has a process model asked what containers do.
    pub(super) fn play(&mut self, model: Arc<dyn ProcessModel>) {
        self.cluster.play(model);
    }

    /// The cluster at this instant.
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The present instant.
    pub const fn now(&self) -> SimTime {
        self.now
    }

    /// Delivers the next message and returns its time; `None` when nothing is to come.
    pub fn step(&mut self, trace: &mut impl Trace) -> Option<SimTime> {
        let Entry { time: now, seq, message } = self.queue.pop()?; // Earliest first; among equals, first pushed.
        assert!(now >= self.now, "time ran backwards: {now:?} after {:?}", self.now);
        self.now = now;
        trace.delivered(now, seq, &message, &self.cluster);
        self.cluster.handle(now, message, &mut self.outbox);
        if self.cluster.has_changes() {
            let mut changes = self.cluster.take_changes();
            for change in changes.drain(..) {
                trace.changed(now, seq, &change, &self.cluster);
            }
            self.cluster.reuse(changes);
        }
        self.send(seq, trace);
        trace.stepped(now, &self.cluster);
        Some(now)
    }

    /// Delivers everything that is due up to an instant, which then is the present one.
    pub fn run_until(&mut self, end: SimTime, trace: &mut impl Trace) {
        while self.queue.next_time().is_some_and(|next| next <= end) {
            self.step(trace);
        }
        self.now = self.now.max(end);
    }

    /// Runs for as long as the plan says.
    pub fn run(&mut self, trace: &mut impl Trace) {
        self.run_until(SimTime::ZERO + self.cluster.plan().duration, trace);
    }

    fn send(&mut self, cause: u64, trace: &mut impl Trace) {
        let (cluster, queue, now) = (&mut self.cluster, &mut self.queue, self.now);
        for (delay, message) in self.outbox.drain() {
            let leaves = now + delay;
            let arrives = leaves + cluster.transit(leaves, &message);
            let seq = queue.push(arrives, message);
            trace.sent(seq, cause);
        }
    }

    /// Has somebody do something now that the plan does not foresee: what a fork is made for.
    pub fn act(&mut self, action: Action) {
        let place = self.cluster.foresee(self.elapsed(), action);
        self.queue.push(self.now, Message::Act(place));
    }

    /// How long the run has been going.
    pub fn elapsed(&self) -> SimDuration {
        self.now.since(SimTime::ZERO)
    }
}
