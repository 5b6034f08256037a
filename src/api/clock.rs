//! The wall clock that objects are stamped with: virtual time counted from a given instant.

use crate::engine::{SimDuration, SimTime};
use serde::Serialize;
use std::fmt;

const NANOS: i64 = 1_000_000_000;

/// A wall-clock instant: nanoseconds since 1970-01-01T00:00:00Z (`metav1.MicroTime` prints its microseconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct WallTime(i64);

/// What objects store: whole seconds, because `metav1.Time` drops the rest when an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Timestamp(i64);

/// Turns virtual time into wall-clock time. Each machine has one; skew is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallClock {
    start: WallTime,
}

impl WallClock {
    /// A clock that shows `start` at virtual time zero.
    pub const fn starting_at(start: WallTime) -> Self {
        Self { start }
    }

    /// What the clock shows.
    pub const fn at(self, now: SimTime) -> WallTime {
        WallTime(self.start.0.saturating_add(now.as_nanos() as i64))
    }

    /// The virtual time at which the clock shows an instant; zero if that lies before the start.
    pub const fn when(self, wall: WallTime) -> SimTime {
        let since = wall.0.saturating_sub(self.start.0);
        SimTime::from_nanos(if since > 0 { since as u64 } else { 0 })
    }

    /// Milliseconds from the start to a stored timestamp; negative before the start.
    pub const fn millis_since_start(self, stamp: Timestamp) -> i64 {
        (stamp.0 * 1000) - self.start.0.div_euclid(1_000_000)
    }

    /// This clock moved by so many nanoseconds, forwards or back.
    #[must_use]
    pub const fn skewed(self, nanos: i64) -> Self {
        Self { start: WallTime(self.start.0 + nanos) }
    }
}

impl WallTime {
    /// An instant by its nanoseconds since 1970.
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970.
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// As an object stores it.
    pub const fn truncated(self) -> Timestamp {
        Timestamp(self.0.div_euclid(NANOS))
    }

    /// The instant so long before.
    #[must_use]
    pub const fn earlier_by(self, span: SimDuration) -> Self {
        Self(self.0.saturating_sub_unsigned(span.as_nanos()))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub const fn since(self, earlier: Self) -> SimDuration {
        let nanos = self.0.saturating_sub(earlier.0);
        SimDuration::from_nanos(if nanos > 0 { nanos as u64 } else { 0 })
    }
}

impl Timestamp {
    /// An instant by its seconds since 1970.
    pub const fn from_unix_secs(secs: i64) -> Self {
        Self(secs)
    }

    /// Seconds since 1970.
    pub const fn unix_secs(self) -> i64 {
        self.0
    }

    /// The start of this second.
    pub const fn wall(self) -> WallTime {
        WallTime(self.0 * NANOS)
    }

    /// So many seconds later, or earlier.
    #[must_use]
    pub const fn plus_secs(self, secs: i64) -> Self {
        Self(self.0.saturating_add(secs))
    }

    /// RFC 1123 with a numeric zone, as some events tell a time (Go's `time.RFC1123Z`).
    ///
    /// ```
    /// use podsim::api::Timestamp;
    /// assert_eq!(Timestamp::from_unix_secs(1_767_225_600).rfc1123z(), "Thu, 01 Jan 2026 00:00:00 +0000");
    /// ```
    pub fn rfc1123z(self) -> String {
        let written = |stamp: jiff::Timestamp| stamp.strftime("%a, %d %b %Y %H:%M:%S %z").to_string();
        jiff::Timestamp::from_second(self.0).map_or_else(|_| self.to_string(), written)
    }
}

impl From<WallTime> for Timestamp {
    fn from(wall: WallTime) -> Self {
        wall.truncated()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, as the API prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(stamp) => write!(f, "{stamp}"),
            Err(_) => write!(f, "{}s", self.0),
        }
    }
}

impl fmt::Display for WallTime {
    /// RFC 3339 in UTC with microseconds, as `metav1.MicroTime` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(stamp) => write!(f, "{stamp:.6}"),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_times_lose_their_fraction() {
        let clock = WallClock::starting_at(WallTime::from_unix_nanos(1_767_225_600_250_000_000));
        let later = clock.at(SimTime::from_millis(1_800));
        assert_eq!(later.to_string(), "2026-01-01T00:00:02.050000Z");
        assert_eq!(later.truncated().to_string(), "2026-01-01T00:00:02Z");
        assert_eq!(clock.millis_since_start(later.truncated()), 1_750);
        assert_eq!(clock.millis_since_start(clock.at(SimTime::ZERO).truncated()), -250);
        assert_eq!(clock.when(later), SimTime::from_millis(1_800));
    }
}
