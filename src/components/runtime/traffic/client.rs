//! Whoever sends requests: how many in an interval, what becomes of them, and which are sent again.

use super::rate::{Rate, WHOLE};
use super::{INTERVAL, Shares};
use crate::components::message::NodeIndex;
use crate::engine::{SimDuration, SimTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// How requests that failed are sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retries {
    /// How often at most.
    pub most: u32,
    /// How long to wait before the first; twice as long before each that follows.
    pub back_off: SimDuration,
    /// How long to wait at most.
    pub longest: SimDuration,
    /// So many retries for a hundred new requests at most; any number if nothing is said.
    pub budget: Option<u32>,
}

impl Default for Retries {
    fn default() -> Self {
        let (back_off, longest) = (SimDuration::from_millis(100), SimDuration::from_secs(10));
        Self { most: 0, back_off, longest, budget: None }
    }
}

impl Retries {
    /// From a failure to the n-th retry, counted from 0.
    fn wait(&self, n: u32) -> SimDuration {
        let factor = 1_u64.checked_shl(n).unwrap_or(u64::MAX);
        self.back_off.mul_ratio(factor.min(1 << 40), 1).min(self.longest)
    }
}

/// Where new requests come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// From outside, whatever becomes of them.
    Open(Rate),
    /// From so many users, each of whom waits for an answer, thinks, and asks again.
    Closed(Rate, SimDuration),
    /// From servers that work on requests of their own: how many are due, by machine.
    Servers(BTreeMap<NodeIndex, i64>),
}

/// What became of the requests of an interval, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Outcome {
    /// Answered in time.
    pub(super) good: i64,
    /// Not answered in time.
    pub(super) late: i64,
    /// Refused, or answered with an error.
    pub(super) refused: i64,
    /// How long the answers took on average.
    pub(super) latency: SimDuration,
}

/// What a client did in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flow {
    /// New requests.
    pub(super) fresh: i64,
    /// Requests that are sent again.
    pub(super) again: i64,
    /// What became of them.
    pub(super) outcome: Outcome,
}

impl Flow {
    /// Everything that is sent.
    pub(super) const fn offered(&self) -> i64 {
        self.fresh + self.again
    }
}

/// A sender of requests.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) source: Source,
    pub(super) timeout: SimDuration,
    retries: Retries,
    /// Retries that wait, by how often they were tried: what is due in the next intervals.
    waiting: Vec<VecDeque<i64>>,
    /// What of this interval's requests was tried how often.
    due: Vec<i64>,
    /// From which machines they come, and how many from each; none if they come from outside.
    machines: BTreeMap<NodeIndex, i64>,
    /// Per cent of what it would send from outside.
    pub(super) percent: i64,
    pub(super) flow: Flow,
}

impl Sender {
    pub(super) fn new(source: Source, timeout: SimDuration, retries: Retries) -> Self {
        let waiting = vec![VecDeque::new(); retries.most as usize];
        let (due, machines) = (Vec::new(), BTreeMap::new());
        Self { source, timeout, retries, waiting, due, machines, percent: 100, flow: Flow::default() }
    }

    /// Sends what it sends in the interval that begins now.
    pub(super) fn send(&mut self, now: SimTime) {
        let fresh = match &mut self.source {
            Source::Open(rate) => in_interval(rate.at(now)).share(self.percent, 100),
            Source::Closed(users, think) => {
                // Little's law: each user sends a request in the time of an answer and a thought.
                let round = (*think + self.flow.outcome.latency).max(SimDuration::from_millis(1));
                (i128::from(users.at(now).share(self.percent, 100)) * i128::from(INTERVAL.as_nanos())
                    / i128::from(round.as_nanos())) as i64
            }
            Source::Servers(due) => {
                let due = std::mem::take(due);
                let all = due.values().sum();
                // What is sent again comes from where it came from.
                if all > 0 {
                    self.machines = due;
                }
                all
            }
        };
        let mut again: Vec<i64> = self.waiting.iter_mut().map(|line| line.pop_front().unwrap_or(0)).collect();
        let all: i64 = again.iter().sum();
        if let Some(budget) = self.retries.budget {
            let most = fresh.saturating_mul(i64::from(budget)) / 100;
            if all > most {
                again.iter_mut().for_each(|some| *some = some.share(most, all));
            }
        }
        self.flow = Flow { fresh, again: again.iter().sum(), outcome: self.flow.outcome };
        self.due = std::iter::once(fresh).chain(again).collect();
    }

    /// How many of a million of its requests come from other machines than those.
    pub(super) fn not_from(&self, those: impl Fn(NodeIndex) -> bool) -> i64 {
        let all: i64 = self.machines.values().sum();
        let some: i64 = self.machines.iter().filter(|(node, _)| those(**node)).map(|(_, count)| count).sum();
        WHOLE - WHOLE.share(some, all)
    }

    /// What became of what it sent: some of what failed is sent again.
    pub(super) fn hears(&mut self, outcome: Outcome) {
        let offered = self.flow.offered();
        for (tried, sent) in self.due.iter().enumerate().take(self.waiting.len()) {
            let wait = self.retries.wait(tried as u32);
            plan(&mut self.waiting[tried], sent.share(outcome.late, offered), self.timeout + wait);
            plan(&mut self.waiting[tried], sent.share(outcome.refused, offered), wait);
        }
        self.flow.outcome = outcome;
    }

    /// Of a hundred requests of the last interval, how many were answered in time; all if there were none.
    pub(super) fn success(&self) -> i64 {
        match self.flow.offered() {
            0 => WHOLE,
            offered => WHOLE.share(self.flow.outcome.good, offered),
        }
    }

    /// How many intervals the longest line of retries reaches into the future.
    pub(super) fn horizon(&self) -> usize {
        self.waiting.iter().map(VecDeque::len).max().unwrap_or(0)
    }

    /// When it sends otherwise, whatever becomes of its requests.
    pub(super) fn changes_after(&self, now: SimTime) -> Option<SimTime> {
        match &self.source {
            Source::Open(rate) | Source::Closed(rate, _) => rate.changes_after(now),
            Source::Servers(_) => None,
        }
    }
}

/// How many of a rate fall into an interval.
fn in_interval(rate: i64) -> i64 {
    rate.share(INTERVAL.as_nanos() as i64, 1_000_000_000)
}

/// Has requests sent again so long after the beginning of this interval; no sooner than in the next one.
fn plan(line: &mut VecDeque<i64>, requests: i64, wait: SimDuration) {
    if requests == 0 {
        return;
    }
    // The front of the line is what is due in the next interval.
    let place = (wait.as_nanos() / INTERVAL.as_nanos()) as usize;
    if line.len() <= place {
        line.resize(place + 1, 0);
    }
    line[place] += requests;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(rate: u32, retries: Retries) -> Sender {
        Sender::new(Source::Open(Rate::Constant(rate)), SimDuration::from_secs(1), retries)
    }

    #[test]
    fn what_fails_is_sent_again_after_its_back_off() {
        let retries = Retries { most: 2, back_off: SimDuration::from_millis(1_500), ..Retries::default() };
        let mut sender = sender(10, retries);
        // Everything is refused in the first interval, nothing after: the retries come 1.5 s later, in the second
        // interval after.
        let mut sent = Vec::new();
        for interval in 0..4 {
            sender.send(SimTime::from_secs(interval));
            let offered = sender.flow.offered();
            sent.push(offered / WHOLE);
            let refused = if interval == 0 { offered } else { 0 };
            sender.hears(Outcome { good: offered - refused, refused, ..Outcome::default() });
        }
        assert_eq!(sent, [10, 10, 20, 10]);
    }

    #[test]
    fn retries_multiply_requests_unless_a_budget_holds_them() {
        // (the budget, what is sent a second when nothing is ever answered)
        for (budget, offered) in [(None, 40), (Some(20), 12), (Some(0), 10)] {
            let mut sender = sender(10, Retries { most: 3, budget, ..Retries::default() });
            let mut last = 0;
            for interval in 0..30 {
                sender.send(SimTime::from_secs(interval));
                last = sender.flow.offered();
                sender.hears(Outcome { late: last, ..Outcome::default() });
            }
            assert_eq!((last + WHOLE / 2) / WHOLE, offered, "budget {budget:?}");
        }
    }

    #[test]
    fn users_wait_for_answers() {
        let think = SimDuration::from_secs(2);
        let mut sender =
            Sender::new(Source::Closed(Rate::Constant(100), think), SimDuration::from_secs(9), Retries::default());
        sender.send(SimTime::ZERO);
        assert_eq!(sender.flow.offered() / WHOLE, 50);
        sender.hears(Outcome { good: 50 * WHOLE, latency: SimDuration::from_secs(8), ..Outcome::default() });
        sender.send(SimTime::from_secs(1));
        assert_eq!(sender.flow.offered() / WHOLE, 10);
    }
}
