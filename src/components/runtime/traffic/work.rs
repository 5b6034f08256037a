//! What a request costs a server, and the arithmetic of an interval: what comes, waits, is served and is late.
//!
//! A server is a line in front of workers that share a CPU. Requests are a fluid: an interval's are worked on in the
//! order in which they came, and how long each waits follows from how long the line is. CPU is bounded by the
//! container's limit (the quota of the CFS) and by what the machine leaves; close to the bound, work waits for it as in
//! a queue with one server (M/M/1), and everything else in the container does, too.

use super::client::Retries;
use super::rate::WHOLE;
use super::{INTERVAL, Shares};
use crate::api::Amount;
use crate::engine::SimDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Utilisation counts up to so many thousandths: beyond, the line grows.
const BUSIEST: i64 = 900;

/// What requests cost a process that serves them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Work {
    /// CPU time that each takes.
    pub cpu: SimDuration,
    /// How long each waits for anything else, such as a disk.
    pub time: SimDuration,
    /// Memory that each takes from its arrival to its answer.
    pub memory: Option<Amount>,
    /// How many are worked on at once.
    pub concurrency: u32,
    /// How many wait beside those; more are refused.
    pub queue: u32,
    /// Whether requests whose sender has given up are left undone.
    pub abandons: bool,
    /// Services that each request asks in turn.
    pub calls: Vec<Call>,
}

impl Default for Work {
    fn default() -> Self {
        let (cpu, time) = (SimDuration::from_millis(5), SimDuration::ZERO);
        Self { cpu, time, memory: None, concurrency: 100, queue: 1_000, abandons: false, calls: Vec::new() }
    }
}

/// A Service that is asked for each request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The Service: `db`, or `db.prod` in another namespace.
    pub service: String,
    /// Its port; the first if nothing is said.
    #[serde(default)]
    pub port: Option<u16>,
    /// How often for each request; once if nothing is said.
    #[serde(default = "once")]
    pub times: u32,
    /// How long is waited for an answer; a second if nothing is said.
    #[serde(default = "second")]
    pub timeout: SimDuration,
    /// How calls that failed are made again.
    #[serde(default)]
    pub retries: Retries,
    /// Whether a request can be answered without.
    #[serde(default)]
    pub optional: bool,
}

const fn once() -> u32 {
    1
}

const fn second() -> SimDuration {
    SimDuration::from_secs(1)
}

/// What bounds a server in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bounds {
    /// Thousandths of a CPU for requests.
    pub(super) milli_cpu: i64,
    /// How much longer everything takes: what other Services and faults add.
    pub(super) later: SimDuration,
    /// Of a million answers, how many are good ones.
    pub(super) good: i64,
    /// Whether nothing is worked on.
    pub(super) hangs: bool,
}

/// A server at the end of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Line {
    /// Requests that have come and are not answered, in millionths.
    pub(super) waiting: i64,
    /// Requests that were answered in the interval, late ones included.
    pub(super) served: i64,
    /// Requests that were refused.
    pub(super) refused: i64,
    /// Requests that were left undone, because whoever sent them had given up.
    pub(super) abandoned: i64,
    /// How long the first and the last request of the interval wait before they are worked on.
    waits: (SimDuration, SimDuration),
    /// How long a request is worked on.
    takes: SimDuration,
    /// Requests that contend for the CPU at any moment, in thousandths.
    contenders: i64,
    /// Thousandths of a CPU that requests used.
    pub(super) milli_cpu: i64,
}

impl Work {
    /// Thousandths of a CPU that so many requests want in an interval.
    pub(super) fn wants(&self, requests: i64) -> i64 {
        requests.share(self.cpu.as_nanos() as i64, INTERVAL.as_nanos() as i64) / (WHOLE / 1_000)
    }

    /// Works for an interval on what waits and on what comes. `patience` is how long the most patient sender waits.
    pub(super) fn serve(&self, before: &Line, comes: i64, bounds: &Bounds, patience: SimDuration) -> Line {
        let milli = bounds.milli_cpu.max(1);
        let nanos = |span: SimDuration| i128::from(span.as_nanos());
        let interval = nanos(INTERVAL);
        let whole = i128::from(WHOLE);
        // What the CPU and the workers can do in an interval.
        let by_cpu = match nanos(self.cpu) {
            0 => i128::from(i64::MAX / 4),
            cpu => i128::from(milli) * interval * whole / (1_000 * cpu),
        };
        let alone = SimDuration::from_nanos(self.cpu.as_nanos() * 1_000 / (milli.min(1_000) as u64));
        let in_hand = alone + self.time + bounds.later;
        let by_workers = match nanos(in_hand) {
            0 => i128::from(i64::MAX / 4),
            span => i128::from(self.concurrency.max(1)) * interval * whole / span,
        };
        let able = if bounds.hangs { 0 } else { by_cpu.min(by_workers).min(i128::from(i64::MAX / 4)) };
        let there = i128::from(before.waiting) + i128::from(comes);
        let served = there.min(able);
        let room = (i128::from(self.queue) + i128::from(self.concurrency)) * whole;
        let refused = (there - served - room).clamp(0, i128::from(comes));
        let used = (served * nanos(self.cpu) * 1_000 / (whole * interval)) as i64;
        let busy = (i128::from(used) * 1_000 / i128::from(milli)).min(i128::from(BUSIEST)) as i64;
        let mut contenders = busy * 1_000 / (1_000 - busy);
        // On average a request finds the CPU as busy as it is: what is before it is done first.
        let slice = SimDuration::from_nanos(self.cpu.as_nanos() * 1_000 / milli as u64);
        let takes = in_hand + slice.mul_ratio(contenders as u64, 1_000);
        let left = there - served - refused;
        let in_vain = self.abandons && able > 0;
        let most = if in_vain { able * nanos(patience.saturating_sub(takes)) / interval } else { left };
        let waiting = left.min(most);
        let wait = |line: i128| match able {
            0 if line == 0 => SimDuration::ZERO,
            0 => SimDuration::from_mins(60),
            able => SimDuration::from_nanos(u64::try_from(line * interval / able).unwrap_or(u64::MAX / 4)),
        };
        if waiting > 0 && by_cpu <= by_workers {
            let all = waiting.min(i128::from(self.concurrency) * whole);
            contenders = contenders.max((all / (whole / 1_000)) as i64);
        }
        Line {
            waiting: waiting as i64,
            served: served as i64,
            refused: refused as i64,
            abandoned: (left - waiting) as i64,
            waits: (wait(i128::from(before.waiting)), wait(waiting)),
            takes,
            contenders,
            milli_cpu: used,
        }
    }
}

impl Line {
    /// Of a million accepted requests, how many are answered within a time; and how long answers take on average.
    pub(super) fn in_time(&self, patience: SimDuration) -> (i64, SimDuration) {
        let (low, high) = (self.waits.0.min(self.waits.1), self.waits.0.max(self.waits.1));
        let mean = (self.takes + (low + high) / 2).min(patience);
        let Some(slack) = patience.as_nanos().checked_sub(self.takes.as_nanos()) else { return (0, patience) };
        let (low, high) = (low.as_nanos(), high.as_nanos());
        let part = if slack >= high {
            WHOLE
        } else if slack <= low {
            0
        } else {
            WHOLE.share((slack - low) as i64, (high - low) as i64)
        };
        (part, mean)
    }

    /// Requests that are worked on at any moment.
    pub(super) fn in_hand(&self) -> i64 {
        self.served.share(self.takes.as_nanos() as i64, INTERVAL.as_nanos() as i64)
    }

    /// How long somebody who comes now waits in the line, a probe for instance.
    pub(super) fn delay(&self) -> SimDuration {
        self.waits.1 + self.takes
    }

    /// How many times as long anything else in the container takes that needs the CPU, in thousandths.
    pub(super) fn stretch(&self, milli_cpu: i64) -> u64 {
        let runnable = 1_000 + self.contenders.max(0) as u64;
        (runnable * 1_000 / milli_cpu.clamp(1, 1_000_000) as u64).max(1_000)
    }
}

/// What each of several gets of something, no more than it wants: in proportion to weights, until nothing is left.
pub(super) fn fair_shares(mut left: i64, wants: &[(i64, i64)]) -> Vec<i64> {
    let mut got = vec![0; wants.len()];
    let mut open: Vec<usize> = (0..wants.len()).collect();
    while !open.is_empty() {
        let weights: i64 = open.iter().map(|one| wants[*one].0.max(1)).sum();
        let fair = |one: usize| left.share(wants[one].0.max(1), weights);
        let (content, rest): (Vec<usize>, Vec<usize>) = open.iter().partition(|one| wants[**one].1 <= fair(**one));
        if content.is_empty() {
            let shares: Vec<(usize, i64)> = rest.iter().map(|one| (*one, fair(*one))).collect();
            shares.into_iter().for_each(|(one, share)| got[one] = share);
            break;
        }
        for one in content {
            got[one] = wants[one].1;
            left -= wants[one].1;
        }
        open = rest;
    }
    got
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work() -> Work {
        Work { cpu: SimDuration::from_millis(10), concurrency: 50, queue: 500, ..Work::default() }
    }

    fn bounds(milli_cpu: i64) -> Bounds {
        Bounds { milli_cpu, good: WHOLE, ..Bounds::default() }
    }

    const PATIENCE: SimDuration = SimDuration::from_secs(1);

    /// Works for some intervals; what is left of each: waiting, served, refused, CPU, per cent in time.
    fn run(work: &Work, bounds: Bounds, rates: &[i64]) -> Vec<(i64, i64, i64, i64, i64)> {
        let mut line = Line::default();
        let mut seen = Vec::new();
        for rate in rates {
            line = work.serve(&line, rate * WHOLE, &bounds, PATIENCE);
            let (good, _) = line.in_time(PATIENCE);
            seen.push((
                line.waiting / WHOLE,
                line.served / WHOLE,
                line.refused / WHOLE,
                line.milli_cpu,
                good * 100 / WHOLE,
            ));
        }
        seen
    }

    #[test]
    fn a_line_grows_where_more_comes_than_the_cpu_can_do() {
        // Half a CPU does fifty requests of 10 ms a second.
        let seen = run(&work(), bounds(500), &[40, 80, 80, 80, 0]);
        assert_eq!(
            seen,
            [
                (0, 40, 0, 400, 100),
                (30, 50, 0, 500, 100),
                (60, 50, 0, 500, 33),
                (90, 50, 0, 500, 0),
                (40, 50, 0, 500, 0)
            ],
            "with forty in line, an answer within a second is too much to ask"
        );
    }

    #[test]
    fn a_full_line_refuses_and_patient_work_is_lost() {
        let seen = run(&work(), bounds(500), &[1_000, 100, 100]);
        assert_eq!(seen, [(550, 50, 400, 500, 7), (550, 50, 50, 500, 0), (550, 50, 50, 500, 0)]);
        let abandons = Work { abandons: true, ..work() };
        let seen = run(&abandons, bounds(500), &[1_000, 100, 100]);
        assert_eq!(seen.last(), Some(&(40, 50, 0, 500, 100)), "no more waits than can be done in time");
    }

    #[test]
    fn workers_that_wait_for_others_are_a_bound_too() {
        let work = Work { concurrency: 10, time: SimDuration::from_millis(90), ..work() };
        assert_eq!(run(&work, bounds(1_000), &[150])[0], (50, 100, 0, 1_000, 100));
        let slow = Bounds { later: SimDuration::from_millis(400), ..bounds(1_000) };
        assert_eq!(run(&work, slow, &[150])[0].1, 20);
        let hangs = Bounds { hangs: true, ..bounds(1_000) };
        assert_eq!(run(&work, hangs, &[150])[0], (150, 0, 0, 0, 0));
    }

    #[test]
    fn probes_wait_as_the_cpu_fills_up() {
        let mut last = SimDuration::ZERO;
        for rate in [10, 40, 60, 100] {
            let line = work().serve(&Line::default(), rate * WHOLE, &bounds(500), PATIENCE);
            assert!(line.delay() > last, "{rate} a second: {} after {last}", line.delay());
            last = line.delay();
        }
        let line = work().serve(&Line::default(), 200 * WHOLE, &bounds(500), PATIENCE);
        assert_eq!(line.stretch(500), 102_000, "fifty others and it share half a CPU");
    }

    #[test]
    fn nobody_gets_more_than_it_wants() {
        for (left, wants, expected) in [
            (1_000, vec![(1, 300), (1, 500)], vec![300, 500]),
            (1_000, vec![(1, 300), (1, 900)], vec![300, 700]),
            (1_000, vec![(100, 900), (300, 900)], vec![250, 750]),
            (900, vec![(1, 100), (1, 900), (1, 900)], vec![100, 400, 400]),
        ] {
            assert_eq!(fair_shares(left, &wants), expected);
        }
    }
}
