//! When a proxy writes its rules: at once when something changed, but never sooner than a second after the last time
//! (`pkg/proxy/runner`, `minSyncPeriod`).

use crate::engine::{SimDuration, SimTime};

/// `minSyncPeriod`: from the end of one writing to the beginning of the next.
const MIN_SYNC_PERIOD: SimDuration = SimDuration::from_secs(1);

/// How far a proxy has come with the changes that it hears of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Runner {
    /// So many changes are in the rules.
    in_force: u32,
    /// When those were written; none before the first time.
    written_at: Option<SimTime>,
    /// The writing that is under way: when it ends, and how many changes it takes in.
    writing: Option<(SimTime, u32)>,
    begun: u64,
}

impl Runner {
    /// How many changes are in the rules.
    pub(super) const fn in_force(self) -> u32 {
        self.in_force
    }

    /// Whether it has come further than an instant.
    pub(super) fn is_ahead_of(self, at: SimTime) -> bool {
        self.written_at.is_some_and(|written| written > at)
    }

    /// Goes on up to an instant; `heard` are the times of all changes, `takes` is how long the n-th writing takes.
    pub(super) fn advance(&mut self, now: SimTime, heard: &[SimTime], takes: impl Fn(u64) -> SimDuration) {
        loop {
            if let Some((ends, changes)) = self.writing {
                if ends > now {
                    return;
                }
                (self.in_force, self.written_at, self.writing) = (changes, Some(ends), None);
            }
            let Some(first) = heard.get(self.in_force as usize) else { return };
            let begins = self.written_at.map_or(*first, |written| (written + MIN_SYNC_PERIOD).max(*first));
            if begins > now {
                return;
            }
            let changes = heard.partition_point(|at| *at <= begins) as u32;
            self.writing = Some((begins + takes(self.begun), changes));
            self.begun += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_at_once_and_then_once_a_second() {
        // (at, so many changes are in force), in milliseconds; each writing takes 50 ms.
        let heard = [0, 10, 200, 1_500, 8_000, 8_020].map(SimTime::from_millis);
        let story = [(49, 0), (50, 1), (1_099, 1), (1_100, 3), (2_149, 3), (2_150, 4), (8_050, 5), (9_100, 6)];
        let mut runner = Runner::default();
        for (at, in_force) in story {
            runner.advance(SimTime::from_millis(at), &heard, |_| SimDuration::from_millis(50));
            assert_eq!(runner.in_force(), in_force, "at {at} ms");
        }
        // Whoever asks once at the end sees the same.
        let mut late = Runner::default();
        late.advance(SimTime::from_millis(9_100), &heard, |_| SimDuration::from_millis(50));
        assert_eq!(late.in_force(), 6);
    }
}
