//! A client's own limit on its calls: so many at once, so many a second (client-go `util/flowcontrol`).

use crate::engine::{SimDuration, SimTime};

/// A token bucket that starts full. Callers are served in order; each is told how long it must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    interval: SimDuration,
    /// How far ahead of the steady rate callers may run.
    slack: SimDuration,
    /// When the next token would be due at the steady rate.
    due: SimTime,
}

impl TokenBucket {
    /// A bucket of `burst` tokens that refills `qps` times a second; a rate of zero never limits.
    pub const fn new(qps: u32, burst: u32) -> Self {
        let interval = if qps == 0 { SimDuration::ZERO } else { SimDuration::from_nanos(1_000_000_000 / qps as u64) };
        let ahead = if burst == 0 { 0 } else { burst as u64 - 1 };
        let slack = SimDuration::from_nanos(interval.as_nanos() * ahead);
        Self { interval, slack, due: SimTime::ZERO }
    }

    /// Takes a token, which may have to be waited for.
    pub fn take(&mut self, now: SimTime) -> SimDuration {
        let wait = self.due.since(now).saturating_sub(self.slack);
        self.due = self.due.max(now) + self.interval;
        wait
    }

    /// Takes a token only if one is there.
    pub fn try_take(&mut self, now: SimTime) -> bool {
        let there = self.due.since(now) <= self.slack;
        if there {
            self.due = self.due.max(now) + self.interval;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_the_rest_waits() {
        let mut bucket = TokenBucket::new(20, 30);
        let waits: Vec<u64> = (0..33).map(|_| bucket.take(SimTime::from_secs(9)).as_millis()).collect();
        assert!(waits[..30].iter().all(|&wait| wait == 0));
        assert_eq!(waits[30..], [50, 100, 150]);
        // After ten quiet seconds it is full again.
        assert_eq!(bucket.take(SimTime::from_secs(20)), SimDuration::ZERO);
    }

    #[test]
    fn what_is_not_there_is_not_taken() {
        let mut bucket = TokenBucket::new(5, 10);
        let taken = (0..40).filter(|_| bucket.try_take(SimTime::ZERO)).count();
        assert_eq!(taken, 10);
        assert!(!bucket.try_take(SimTime::from_millis(199)));
        assert!(bucket.try_take(SimTime::from_millis(200)));
    }
}
