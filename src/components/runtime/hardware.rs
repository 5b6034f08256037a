//! What machines lack under their runtimes: CPU that others get, and a clock that is right.

use super::disturbance::Disturbance;
use super::machine::Machine;
use super::program::Place;
use super::{Exit, RuntimeMessage, Runtimes};
use crate::components::message::{Message, NodeIndex};
use crate::engine::{Outbox, SimDuration, SimTime};
use crate::faults::{ClockFailure, FaultKind};

impl Machine {
    /// What something takes on this machine that needs the CPU for so long.
    pub(super) fn cpu_time(&self, span: SimDuration) -> SimDuration {
        let span = span * u64::from(self.slow);
        if self.stolen == 0 { span } else { span.mul_ratio(100, u64::from(100 - self.stolen)) }
    }

    /// Of so many thousandths of a CPU, those that programs get.
    pub(super) fn cpu_left(&self, milli: i64) -> i64 {
        milli * i64::from(100 - self.stolen) / 100 / i64::from(self.slow.max(1))
    }

    /// Whether what needs the CPU takes longer than usual.
    pub(super) const fn is_slow(&self) -> bool {
        self.slow > 1 || self.stolen > 0
    }

    /// Nanoseconds that its clock shows since the start.
    fn clock_shows(&self, now: SimTime) -> i64 {
        i64::try_from(now.as_nanos()).unwrap_or(i64::MAX).saturating_add(self.skew)
    }
}

impl Runtimes {
    /// Others get so many per cent of a machine's CPU.
    pub fn steal(&mut self, node: NodeIndex, percent: u8, out: &mut Outbox<Message>) {
        let machine = &mut self.machines[node.index()];
        machine.stolen = percent.min(99);
        for key in machine.pods.keys() {
            machine.publish(*key, out);
        }
        self.traffic_changes(out);
    }

    /// A machine's clock is so many nanoseconds ahead.
    pub fn set_clock(&mut self, now: SimTime, node: NodeIndex, skew: i64, out: &mut Outbox<Message>) {
        self.machines[node.index()].skew = skew;
        for place in self.running().into_iter().filter(|place| place.node == node) {
            for (found, _) in self.striking_in(place) {
                self.strike_by_clock(now, place, found, out);
            }
        }
    }

    /// A process that a fault strikes and that does not bear what its machine's clock shows ends when that shows it.
    pub(super) fn strike_by_clock(&self, now: SimTime, place: Place, found: &Disturbance, out: &mut Outbox<Message>) {
        let FaultKind::ClockFailure(failure) = &found.kind else { return };
        if let Some(after) = failure.ends_after(self.machines[place.node.index()].clock_shows(now)) {
            let exit = Exit { code: failure.code, ..Exit::default() };
            let Place { node, key, container } = place;
            let crash = RuntimeMessage::Crash { key, container, fault: found.id, exit };
            out.after(after.max(LOOKS), Message::Runtime(node, crash));
        }
    }

    /// Whether a process ends now, as far as its machine's clock is concerned: that may have been set since.
    pub(super) fn clock_agrees(&self, now: SimTime, node: NodeIndex, failure: &ClockFailure) -> bool {
        failure.ends_after(self.machines[node.index()].clock_shows(now)).is_some_and(SimDuration::is_zero)
    }
}

/// A process looks at its clock so long after its start, or after the clock was set.
const LOOKS: SimDuration = SimDuration::from_secs(1);
