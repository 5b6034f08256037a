//! The axis of time: round ticks, and labels as Kubernetes users write durations.

use crate::engine::SimTime;

/// Steps that people can read, in milliseconds.
const STEPS: [u64; 27] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 21_600_000, 43_200_000, 86_400_000,
];

/// Time from left to right.
#[derive(Debug, Clone, Copy)]
pub struct TimeAxis {
    left: f64,
    width: f64,
    end: SimTime,
}

impl TimeAxis {
    /// From the start of a run to its end, between two places.
    pub fn new(left: f64, right: f64, end: SimTime) -> Self {
        Self { left, width: right - left, end: end.max(SimTime::from_millis(1)) }
    }

    /// Where it ends.
    pub const fn end(&self) -> SimTime {
        self.end
    }

    /// Where an instant is.
    pub fn x(&self, at: SimTime) -> f64 {
        self.left + self.width * (at.as_nanos() as f64 / self.end.as_nanos() as f64)
    }

    /// At most so many ticks, at round times.
    pub fn ticks(&self, at_most: u64) -> Vec<SimTime> {
        let span = self.end.as_millis();
        let day = STEPS[STEPS.len() - 1];
        let step = STEPS.into_iter().find(|step| span / step <= at_most);
        let step = step.unwrap_or_else(|| day * (span / day).div_ceil(at_most));
        (0..=span / step).map(|tick| SimTime::from_millis(tick * step)).collect()
    }
}

/// A time as people write it: `0`, `250ms`, `1.5s`, `2m30s`, `1h05m`.
pub fn label(at: SimTime) -> String {
    let millis = at.as_millis();
    let (hours, minutes, seconds, rest) =
        (millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60, millis % 1_000);
    match (hours, minutes) {
        (0, 0) if millis == 0 => "0".to_owned(),
        (0, 0) if millis < 1_000 => format!("{millis}ms"),
        (0, 0) if rest == 0 => format!("{seconds}s"),
        (0, 0) => format!("{seconds}.{}s", format!("{rest:03}").trim_end_matches('0')),
        (0, _) if seconds == 0 => format!("{minutes}m"),
        (0, _) => format!("{minutes}m{seconds:02}s"),
        (_, 0) if seconds == 0 => format!("{hours}h"),
        _ => format!("{hours}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (millis, last) in
            [(900, "900ms"), (90_000, "1m30s"), (600_000, "10m"), (7_200_000, "2h"), (86_400_000, "24h")]
        {
            let axis = TimeAxis::new(0.0, 100.0, SimTime::from_millis(millis));
            let ticks = axis.ticks(12);
            assert!((4..=13).contains(&ticks.len()), "{millis}: {ticks:?}");
            assert_eq!(label(*ticks.last().expect("a tick")), last);
        }
    }

    #[test]
    fn labels_read_like_durations() {
        for (millis, text) in [
            (0, "0"),
            (250, "250ms"),
            (1_500, "1.5s"),
            (40_000, "40s"),
            (150_000, "2m30s"),
            (120_000, "2m"),
            (3_600_000, "1h"),
            (3_900_000, "1h05m"),
        ] {
            assert_eq!(label(SimTime::from_millis(millis)), text);
        }
    }
}
