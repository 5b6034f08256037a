//! Virtual time in integer nanoseconds: an instant ([`SimTime`]) and a span ([`SimDuration`]).

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub};
use std::str::FromStr;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLI: u64 = 1_000_000;

/// An instant of a run, in nanoseconds since its start.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(u64);

/// A span of virtual time, in nanoseconds; never negative.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimDuration(u64);

impl SimTime {
    /// The start of a run.
    pub const ZERO: Self = Self(0);
    /// Later than anything that happens.
    pub const MAX: Self = Self(u64::MAX);

    /// An instant so many nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// An instant so many milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(NANOS_PER_MILLI))
    }

    /// An instant so many seconds after the start.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(NANOS_PER_SECOND))
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start.
    pub const fn as_millis(self) -> u64 {
        self.0 / NANOS_PER_MILLI
    }

    /// Seconds since the start, for reports.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND as f64
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub const fn since(self, earlier: Self) -> SimDuration {
        SimDuration(self.0.saturating_sub(earlier.0))
    }

    /// The first instant at or after this one that lies a whole number of periods after `phase`.
    ///
    /// This is how a ticker that had nothing to do is caught up with: its missed ticks are skipped, its phase is kept.
    ///
    /// ```
    /// use podsim::engine::{SimDuration, SimTime};
    /// let phase = SimTime::from_millis(300);
    /// let second = SimDuration::from_secs(1);
    /// assert_eq!(SimTime::from_millis(4_301).next_tick(phase, second), SimTime::from_millis(5_300));
    /// assert_eq!(SimTime::from_millis(4_300).next_tick(phase, second), SimTime::from_millis(4_300));
    /// ```
    pub const fn next_tick(self, phase: Self, period: SimDuration) -> Self {
        if self.0 <= phase.0 {
            return phase;
        }
        assert!(period.0 > 0, "a ticker needs a period");
        let behind = (self.0 - phase.0) % period.0;
        if behind == 0 { self } else { Self((self.0 - behind).saturating_add(period.0)) } // Never stays never.
    }
}

impl SimDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// Longer than any run.
    pub const MAX: Self = Self(u64::MAX);

    /// A span of so many nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A span of so many microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// A span of so many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(NANOS_PER_MILLI))
    }

    /// A span of so many seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(NANOS_PER_SECOND))
    }

    /// A span of so many minutes.
    pub const fn from_mins(mins: u64) -> Self {
        Self::from_secs(mins.saturating_mul(60))
    }

    /// A span of so many nanoseconds, rounded to the nearest; negative and not-a-number count as zero.
    pub fn from_nanos_f64(nanos: f64) -> Self {
        Self((nanos + 0.5) as u64)
    }

    /// Nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds, truncated.
    pub const fn as_millis(self) -> u64 {
        self.0 / NANOS_PER_MILLI
    }

    /// Whole seconds, truncated.
    pub const fn as_secs(self) -> u64 {
        self.0 / NANOS_PER_SECOND
    }

    /// Seconds, for reports.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND as f64
    }

    /// What is left after `other` is taken away; zero if nothing is.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// This span times a fraction, in integer arithmetic: no float decides a delay. What is too long to tell is
    /// [`MAX`](Self::MAX), so that what never ends still does not.
    ///
    /// ```
    /// use podsim::engine::SimDuration;
    /// assert_eq!(SimDuration::from_secs(3).mul_ratio(5, 2), SimDuration::from_millis(7_500));
    /// assert_eq!(SimDuration::MAX.mul_ratio(5, 2), SimDuration::MAX);
    /// ```
    pub const fn mul_ratio(self, numerator: u64, denominator: u64) -> Self {
        let product = self.0 as u128 * numerator as u128 / denominator as u128;
        if product > u64::MAX as u128 { Self::MAX } else { Self(product as u64) }
    }

    /// The longer of two spans.
    pub const fn max(self, other: Self) -> Self {
        if self.0 >= other.0 { self } else { other }
    }

    /// The shorter of two spans.
    pub const fn min(self, other: Self) -> Self {
        if self.0 <= other.0 { self } else { other }
    }

    /// Whether this is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Add<SimDuration> for SimTime {
    type Output = Self;
    fn add(self, span: SimDuration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<SimDuration> for SimTime {
    fn add_assign(&mut self, span: SimDuration) {
        *self = *self + span;
    }
}

impl Sub<SimDuration> for SimTime {
    type Output = Self;
    fn sub(self, span: SimDuration) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add for SimDuration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for SimDuration {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Mul<u64> for SimDuration {
    type Output = Self;
    fn mul(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl Div<u64> for SimDuration {
    type Output = Self;
    fn div(self, divisor: u64) -> Self {
        Self(self.0 / divisor)
    }
}

impl Sum for SimDuration {
    fn sum<I: Iterator<Item = Self>>(spans: I) -> Self {
        spans.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Debug for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", SimDuration(self.0))
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", SimDuration(self.0))
    }
}

impl fmt::Debug for SimDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SimDuration {
    /// As Kubernetes users write it: `1h30m`, `4m13s`, `2.5s`, `250ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, nanos) = (self.0 / NANOS_PER_SECOND, self.0 % NANOS_PER_SECOND);
        if secs == 0 && nanos > 0 {
            let (unit, size) = match nanos {
                n if n >= NANOS_PER_MILLI => ("ms", NANOS_PER_MILLI),
                n if n >= 1_000 => ("us", 1_000),
                _ => ("ns", 1),
            };
            return write!(f, "{}{unit}", Decimal { whole: nanos / size, rest: nanos % size, scale: size });
        }
        let (hours, minutes, seconds) = (secs / 3600, secs / 60 % 60, secs % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        if seconds > 0 || nanos > 0 || secs == 0 {
            write!(f, "{}s", Decimal { whole: seconds, rest: nanos, scale: NANOS_PER_SECOND })?;
        }
        Ok(())
    }
}

/// A number with the decimals that it needs and no more.
struct Decimal {
    whole: u64,
    rest: u64,
    scale: u64,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.whole)?;
        if self.rest > 0 {
            let digits = self.scale.ilog10() as usize;
            let text = format!("{:0digits$}", self.rest);
            write!(f, ".{}", text.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseDurationError {
    found: String,
}

impl fmt::Display for ParseDurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a duration; write it like 250ms, 90s, 5m or 1h30m", self.found)
    }
}

impl std::error::Error for ParseDurationError {}

impl FromStr for SimDuration {
    type Err = ParseDurationError;

    /// Reads a duration as Kubernetes users write it (Go's `time.ParseDuration` without signs): `1h30m`, `1.5s`, `0`.
    fn from_str(text: &str) -> Result<Self, ParseDurationError> {
        let error = || ParseDurationError { found: text.to_owned() };
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let mut rest = text;
        let mut total: u128 = 0;
        if rest.is_empty() {
            return Err(error());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
            let (number, tail) = rest.split_at(digits);
            let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_end);
            let scale: u64 = match unit {
                "ns" => 1,
                "us" | "µs" | "μs" => 1_000,
                "ms" => NANOS_PER_MILLI,
                "s" => NANOS_PER_SECOND,
                "m" => 60 * NANOS_PER_SECOND,
                "h" => 3600 * NANOS_PER_SECOND,
                "d" => 86_400 * NANOS_PER_SECOND,
                _ => return Err(error()),
            };
            total += decimal(number, scale).ok_or_else(error)?;
            rest = tail;
        }
        u64::try_from(total).map(Self).map_err(|_| error())
    }
}

/// A decimal number times a scale, exactly, truncated to whole units.
fn decimal(number: &str, scale: u64) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || number.len() > 24 {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut sum = whole.checked_mul(u128::from(scale))?;
    let mut unit = u128::from(scale);
    for digit in fraction.bytes() {
        unit /= 10;
        sum += unit * u128::from(digit - b'0');
    }
    Some(sum)
}

impl serde::Serialize for SimDuration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for SimDuration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_alike() {
        for (text, nanos) in [
            ("0s", 0),
            ("1ns", 1),
            ("1.5us", 1_500),
            ("250ms", 250_000_000),
            ("2.5s", 2_500_000_000),
            ("1m30s", 90_000_000_000),
            ("1h", 3_600_000_000_000),
            ("1h0.25s", 3_600_250_000_000),
        ] {
            let span: SimDuration = text.parse().unwrap();
            assert_eq!(span.as_nanos(), nanos, "{text}");
            assert_eq!(span.to_string(), text);
        }
        assert_eq!("90s".parse(), Ok(SimDuration::from_secs(90)));
        assert_eq!("1d".parse(), Ok(SimDuration::from_secs(86_400)));
        assert_eq!("1500ms".parse::<SimDuration>().unwrap().to_string(), "1.5s");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "5", "s", "-3s", "3 s", "1.2.3s", "5 minutes", "1e9s", "99999999999999999999999h", "3x"] {
            assert!(text.parse::<SimDuration>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(SimTime::MAX + SimDuration::from_secs(1), SimTime::MAX);
        assert_eq!(SimTime::from_secs(1).since(SimTime::from_secs(2)), SimDuration::ZERO);
        assert_eq!(SimDuration::from_secs(60).mul_ratio(3, 2), SimDuration::from_secs(90));
    }
}
