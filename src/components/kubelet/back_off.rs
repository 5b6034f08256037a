//! The two back-offs of a kubelet: of containers that keep crashing, and of images that cannot be pulled.
//!
//! Follows client-go `util/flowcontrol/backoff.go` and `pkg/kubelet/kuberuntime/kuberuntime_manager.go` (`doBackOff`).

use super::config::BACK_OFF_EXPIRY;
use crate::engine::{SimDuration, SimTime};
use crate::planted::{self, Bug};

/// How long one thing is left alone after it failed: doubling, up to a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    /// The present delay.
    pub delay: SimDuration,
    /// When it was last doubled.
    pub updated_at: SimTime,
}

impl BackOff {
    /// The delay after another failure at `now`; one that has been quiet for long starts over.
    pub fn next(previous: Option<Self>, base: SimDuration, cap: SimDuration, event: SimTime, now: SimTime) -> Self {
        let delay = match previous {
            Some(previous) if !previous.has_expired(event) => (previous.delay * 2).min(cap),
            Some(_) | None => base.min(cap),
        };
        Self { delay, updated_at: now }
    }

    /// Whether an event comes so long after the last doubling that nothing counts against it any more.
    pub fn has_expired(self, event: SimTime) -> bool {
        event.since(self.updated_at) > BACK_OFF_EXPIRY
    }

    /// Until when the thing is left alone after an event, if it still is at `now` (`IsInBackOffSince`).
    pub fn blocks(self, event: SimTime, now: SimTime) -> Option<SimTime> {
        let until = event + self.delay;
        let counts = !self.has_expired(event) && !planted::is(Bug::BackOffForgotten);
        (counts && now < until).then_some(until)
    }

    /// Until when an image is left alone, if it still is (`IsInBackOffSinceUpdate`).
    pub fn blocks_since_update(self, now: SimTime) -> Option<SimTime> {
        let until = self.updated_at + self.delay;
        (now.since(self.updated_at) <= BACK_OFF_EXPIRY && now < until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: SimDuration = SimDuration::from_secs(10);
    const CAP: SimDuration = SimDuration::from_secs(300);

    #[test]
    fn crash_delays_double_up_to_the_cap() {
        // kubelet.md 4.3: an always crashing container waits 0, 10, 20, 40, 80, 160, 300, 300 s from each exit.
        let mut back_off: Option<BackOff> = None;
        let mut now = SimTime::ZERO;
        for expected in [0, 10, 20, 40, 80, 160, 300, 300] {
            let exit = now + SimDuration::from_secs(1);
            let start = back_off.and_then(|b| b.blocks(exit, exit)).unwrap_or(exit);
            assert_eq!(start.since(exit), SimDuration::from_secs(expected));
            back_off = Some(BackOff::next(back_off, BASE, CAP, exit, start));
            now = start;
        }
    }

    #[test]
    fn a_long_quiet_run_starts_over() {
        let first = BackOff::next(None, BASE, CAP, SimTime::ZERO, SimTime::ZERO);
        let second = BackOff::next(Some(first), BASE, CAP, SimTime::from_secs(20), SimTime::from_secs(20));
        assert_eq!(second.delay, SimDuration::from_secs(20));
        let (at, late) = (SimTime::from_secs(620), SimTime::from_secs(621));
        assert!(second.blocks(at, at).is_some());
        assert!(second.blocks(late, late).is_none());
        assert_eq!(BackOff::next(Some(second), BASE, CAP, late, late).delay, BASE);
    }
}
