//! Zones of nodes: the more of one is down, the more slowly its nodes get NoExecute taints, for then it is rather the
//! network (`ComputeZoneState`, `setLimiterInZone`).

use crate::api::Name;
use crate::engine::{SimDuration, SimTime};
use std::collections::VecDeque;

/// How a zone stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ZoneState {
    #[default]
    Normal,
    /// More than two nodes, and at least 55 %, are not ready.
    Partial,
    /// No node is ready.
    Full,
}

/// From so many nodes on a partly disrupted zone is still emptied, slowly.
const LARGE_ZONE: usize = 50;
/// A node each ten seconds.
const NORMAL_PACE: SimDuration = SimDuration::from_secs(10);
/// A node each hundred seconds.
const SLOW_PACE: SimDuration = SimDuration::from_secs(100);

impl ZoneState {
    /// The state of a zone by its numbers of nodes.
    pub(super) const fn of(ready: usize, not_ready: usize) -> Self {
        if ready == 0 && not_ready > 0 {
            Self::Full
        } else if not_ready > 2 && not_ready * 100 >= (ready + not_ready) * 55 {
            Self::Partial
        } else {
            Self::Normal
        }
    }

    /// The pace at which the zone's nodes are tainted; `None`: not at all.
    pub(super) const fn pace(self, nodes: usize) -> Option<SimDuration> {
        match self {
            Self::Normal | Self::Full => Some(NORMAL_PACE),
            Self::Partial if nodes > LARGE_ZONE => Some(SLOW_PACE),
            Self::Partial => None,
        }
    }
}

/// A zone: the nodes that are to be tainted, and when the next may be.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    pub(super) state: ZoneState,
    pub(super) waiting: VecDeque<Name>,
    pace: Option<SimDuration>,
    /// When the next token is there.
    due: SimTime,
}

impl Zone {
    pub(super) const fn new() -> Self {
        Self { state: ZoneState::Normal, waiting: VecDeque::new(), pace: Some(NORMAL_PACE), due: SimTime::ZERO }
    }

    /// Nodes are tainted at another pace from now on; a token that was used stays used, and where none was given out
    /// there is none at first (`SwapLimiter`).
    pub(super) fn set_pace(&mut self, now: SimTime, pace: Option<SimDuration>) {
        if self.pace == pace {
            return;
        }
        let used = self.due > now || self.pace.is_none();
        self.pace = pace;
        self.due = match pace {
            Some(pace) if used => now + pace,
            Some(_) | None => now,
        };
    }

    /// The next node to be tainted, if it may be now.
    pub(super) fn take(&mut self, now: SimTime) -> Option<Name> {
        let pace = self.pace.filter(|_| self.due <= now)?;
        let node = self.waiting.pop_front()?;
        self.due = now + pace;
        Some(node)
    }

    /// When the next node may be tainted, if one waits.
    pub(super) fn next(&self) -> Option<SimTime> {
        (self.pace.is_some() && !self.waiting.is_empty()).then_some(self.due)
    }

    /// A node is to be tainted.
    pub(super) fn add(&mut self, node: Name) {
        if !self.waiting.contains(&node) {
            self.waiting.push_back(node);
        }
    }

    /// A node is well again, or gone.
    pub(super) fn remove(&mut self, node: Name) {
        self.waiting.retain(|waiting| *waiting != node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_disrupted_by_its_share_of_nodes_that_are_not_ready() {
        // control-plane.md 4.4: (ready, not ready) to (state, pace in seconds).
        let cases = [
            (3, 0, ZoneState::Normal, Some(10)),
            (1, 2, ZoneState::Normal, Some(10)),
            (1, 3, ZoneState::Partial, None),
            (9, 11, ZoneState::Partial, None),
            (10, 11, ZoneState::Normal, Some(10)),
            (20, 40, ZoneState::Partial, Some(100)),
            (0, 1, ZoneState::Full, Some(10)),
            (0, 0, ZoneState::Normal, Some(10)),
        ];
        for (ready, not_ready, state, pace) in cases {
            let found = ZoneState::of(ready, not_ready);
            assert_eq!(found, state, "{ready} ready, {not_ready} not");
            assert_eq!(found.pace(ready + not_ready), pace.map(SimDuration::from_secs));
        }
    }

    #[test]
    fn one_node_each_ten_seconds() {
        let mut zone = Zone::new();
        for name in ["a", "b", "a"] {
            zone.add(Name::new(name));
        }
        let at = SimTime::from_secs;
        assert_eq!(zone.take(at(7)), Some(Name::new("a")));
        assert_eq!((zone.take(at(16)), zone.next()), (None, Some(at(17))));
        zone.set_pace(at(16), Some(SLOW_PACE));
        assert_eq!((zone.take(at(17)), zone.next()), (None, Some(at(116))));
        zone.set_pace(at(20), None);
        assert_eq!((zone.take(at(500)), zone.next()), (None, None));
        // `SwapLimiter` asks the limiter that never accepts, and drains the new one.
        zone.set_pace(at(500), Some(NORMAL_PACE));
        assert_eq!((zone.take(at(509)), zone.next()), (None, Some(at(510))));
    }
}
