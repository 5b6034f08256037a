//! How many requests come in a second, over time: constant, in steps, along a ramp, or as days go.

use crate::engine::{SimDuration, SimTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Millionths of a request: what is counted in.
pub(super) const WHOLE: i64 = 1_000_000;
/// A curve is looked at so often while it rises or falls.
const LOOK: SimDuration = SimDuration::from_secs(1);
/// A day has so many steps.
const STEPS: u64 = 288;
/// Half a turn of a raised cosine in twelve steps, in thousandths: from the peak to the trough.
const COSINE: [i64; 13] = [1_000, 983, 933, 854, 750, 629, 500, 371, 250, 146, 67, 17, 0];

/// So many requests a second, or so many users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Rate {
    /// Always the same.
    Constant(u32),
    /// From one to another, along a line.
    Ramp {
        /// Before it begins.
        from: u32,
        /// When it is over.
        to: u32,
        /// When it begins.
        begins: SimDuration,
        /// How long it takes.
        lasts: SimDuration,
    },
    /// Up and down, once a day or in another time.
    Daily {
        /// In the quietest hour.
        low: u32,
        /// In the busiest hour.
        high: u32,
        /// When the busiest hour is; noon if nothing is said.
        #[serde(default = "noon")]
        peak: SimDuration,
        /// How long a day is; 24 hours if nothing is said.
        #[serde(default = "day")]
        period: SimDuration,
    },
    /// From each moment on another.
    Steps(Vec<RateStep>),
}

/// A rate from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateStep {
    /// Since the start of the run.
    pub from: SimDuration,
    /// How many.
    pub rate: u32,
}

const fn noon() -> SimDuration {
    SimDuration::from_mins(12 * 60)
}

const fn day() -> SimDuration {
    SimDuration::from_mins(24 * 60)
}

impl Rate {
    /// How many there are, in millionths.
    pub(in crate::components) fn millionths(&self, now: SimTime) -> i64 {
        self.at(now)
    }

    /// How many a second, in millionths.
    pub(super) fn at(&self, now: SimTime) -> i64 {
        let age = now.since(SimTime::ZERO);
        match self {
            Self::Constant(rate) => i64::from(*rate) * WHOLE,
            Self::Ramp { from, to, begins, lasts } => {
                let done = age.saturating_sub(*begins).min(*lasts);
                along((*from, *to), done.as_nanos(), lasts.as_nanos())
            }
            Self::Daily { low, high, peak, period } => {
                // A step counts from its beginning on, so that nothing changes within it.
                let step = Self::day_step(*period).as_nanos();
                let since_peak = (age.as_nanos() / step * step + period.as_nanos()
                    - peak.as_nanos() % period.as_nanos())
                    % period.as_nanos();
                let from_peak = since_peak.min(period.as_nanos() - since_peak);
                let twelfth = (period.as_nanos() / 24).max(1);
                let place = ((from_peak / twelfth) as usize).min(COSINE.len() - 2);
                let within = i128::from(from_peak - place as u64 * twelfth);
                let (here, next) = (i128::from(COSINE[place]), i128::from(COSINE[place + 1]));
                let high_share = here * WHOLE as i128 + (next - here) * WHOLE as i128 * within / i128::from(twelfth);
                let (low, high) = (i128::from(*low), i128::from(*high));
                (low * i128::from(WHOLE) + (high - low) * high_share / 1_000) as i64
            }
            Self::Steps(steps) => {
                let reached = steps.iter().rfind(|step| step.from <= age);
                reached.map_or(0, |step| i64::from(step.rate) * WHOLE)
            }
        }
    }

    /// When it is another than now.
    pub(super) fn changes_after(&self, now: SimTime) -> Option<SimTime> {
        let age = now.since(SimTime::ZERO);
        let later = |at: SimDuration| SimTime::ZERO + at;
        match self {
            Self::Constant(_) => None,
            Self::Ramp { begins, .. } if age < *begins => Some(later(*begins)),
            Self::Ramp { begins, lasts, .. } => (age < *begins + *lasts).then(|| now + LOOK),
            Self::Daily { period, .. } => {
                let step = Self::day_step(*period).as_nanos();
                Some(later(SimDuration::from_nanos((age.as_nanos() / step + 1) * step)))
            }
            Self::Steps(steps) => steps.iter().map(|step| step.from).filter(|from| *from > age).min().map(later),
        }
    }

    fn day_step(period: SimDuration) -> SimDuration {
        period.mul_ratio(1, STEPS).max(LOOK)
    }
}

fn along((from, to): (u32, u32), done: u64, all: u64) -> i64 {
    let (from, to) = (i128::from(from), i128::from(to));
    let gone = (to - from) * i128::from(WHOLE) * i128::from(done) / i128::from(all.max(1));
    (from * i128::from(WHOLE) + gone) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_their_curves() {
        let secs = SimDuration::from_secs;
        let hours = |hours: u64| SimDuration::from_mins(hours * 60);
        let ramp = Rate::Ramp { from: 10, to: 40, begins: secs(60), lasts: secs(30) };
        let daily = Rate::Daily { low: 100, high: 300, peak: hours(14), period: hours(24) };
        let step = |from, rate| RateStep { from: secs(from), rate };
        let steps = Rate::Steps(vec![step(10, 5), step(20, 0)]);
        // (the curve, at, requests a second, the next change)
        for (rate, at, expected, next) in [
            (&Rate::Constant(7), secs(5), 7, None),
            (&ramp, secs(0), 10, Some(secs(60))),
            (&ramp, secs(70), 20, Some(secs(71))),
            (&ramp, secs(90), 40, None),
            (&daily, hours(14), 300, Some(SimDuration::from_mins(14 * 60 + 5))),
            (&daily, hours(2), 100, Some(SimDuration::from_mins(2 * 60 + 5))),
            (&daily, hours(8), 200, Some(SimDuration::from_mins(8 * 60 + 5))),
            (&daily, hours(20), 200, Some(SimDuration::from_mins(20 * 60 + 5))),
            (&daily, hours(38), 300, Some(SimDuration::from_mins(38 * 60 + 5))),
            (&steps, secs(9), 0, Some(secs(10))),
            (&steps, secs(10), 5, Some(secs(20))),
            (&steps, secs(20), 0, None),
        ] {
            let now = SimTime::ZERO + at;
            assert_eq!(rate.at(now) / WHOLE, expected, "{rate:?} at {at}");
            assert_eq!(rate.changes_after(now), next.map(|next| SimTime::ZERO + next), "{rate:?} at {at}");
        }
    }
}
