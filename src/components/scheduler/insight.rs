//! What the scheduler keeps to itself, for those who look on: who waits where, and what the last decision looked at.
//!
//! Nothing here takes part in a run: laws ask after a step, and whoever asks nothing pays nothing.

use super::cache::NodeSlot;
use super::cycle::Cycle;
use super::preemption::{self, Candidate};
use super::schedule_one::Decision;
use super::{Context, QueuePlace, Scheduler, around};
use crate::api::{Name, Pod};
use crate::engine::SimTime;
use std::sync::Arc;

/// A pod that waits, as one of the queue's places has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The newest version.
    pub pod: Arc<Pod>,
    /// Where it waits.
    pub place: QueuePlace,
    /// Whether it backs off because something went wrong.
    pub after_error: bool,
    /// Its priority.
    pub priority: i32,
    /// Since when.
    pub since: SimTime,
    /// When its back-off lets it go, if it backs off.
    pub released_at: Option<SimTime>,
}

/// The queue at an instant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueueInsight {
    /// Every pod that waits, once for each place that has it.
    pub waiting: Vec<Waiting>,
    /// Pods that were popped and not yet let go of, by place in the store.
    pub in_flight: Vec<u32>,
    /// Pods that have a node and are being bound, by place in the store.
    pub binding: Vec<u32>,
    /// The pod that is being tried, when it began to wait, and how often it was tried.
    pub trying: Option<(Arc<Pod>, SimTime, u32)>,
    /// Whether nothing is going on: the next pod may be popped.
    pub idle: bool,
}

/// A decision and what it looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DecisionInsight {
    /// How many nodes there are.
    pub nodes: usize,
    /// Among how many of them it searched, and at which place it began.
    pub searched: Option<(usize, usize)>,
    /// How many nodes it looked at, and how many of them fit.
    pub evaluated: usize,
    /// How many of them fit.
    pub feasible: usize,
    /// Where the next search begins.
    pub next_start: usize,
    /// Each plugin's normalized scores of the nodes that fit, if nodes were scored.
    pub scores: Vec<(Name, Vec<i64>)>,
    /// What the framework finds wrong with them.
    pub wrong_score: Option<String>,
    /// The pods that are to be evicted for it, most important first.
    pub victims: Vec<Arc<Pod>>,
    /// One of them without whose going it fits as well.
    pub superfluous: Option<Name>,
}

impl Scheduler {
    /// The queue as it is.
    pub fn queue_insight(&self) -> QueueInsight {
        let trying = match &self.cycle {
            Some(Cycle::Deciding(decided)) => {
                let queued = decided.queued();
                Some((queued.pod.clone(), queued.timestamp, queued.attempts))
            }
            Some(Cycle::Failing) | None => None,
        };
        QueueInsight {
            waiting: self.queue.waiting(),
            in_flight: self.queue.in_flight().collect(),
            binding: self.bindings.keys().copied().collect(),
            trying,
            idle: self.cycle.is_none(),
        }
    }

    /// The decision that is about to take effect. To be asked in the step in which it was made: later the cluster that
    /// it was made for is another, and nothing is told if nodes came or went since.
    pub fn decision_insight(&self, now: SimTime) -> Option<DecisionInsight> {
        let Some(Cycle::Deciding(decided)) = &self.cycle else { return None };
        if self.cache.is_stale() {
            return None;
        }
        let (queued, decision) = (decided.queued(), decided.decision());
        let profile = &self.parts.setup.profiles[usize::from(queued.profile)];
        let cx = around!(self, now).cx;
        let (scores, wrong_score) = match self.scores(&cx, decision, queued.profile, &queued.pod) {
            Ok(scores) => (scores, None),
            Err(wrong) => (Vec::new(), Some(wrong)),
        };
        let candidate = decided.candidate();
        let superfluous = candidate.and_then(|Candidate { node, victims, .. }| {
            preemption::superfluous(&cx, profile, &decision.state, &queued.pod, *node, victims)
        });
        Some(DecisionInsight {
            nodes: self.cache.order().len(),
            searched: decision.searched,
            evaluated: decision.evaluated,
            feasible: decision.feasible,
            next_start: self.search.next_start,
            scores,
            wrong_score,
            victims: candidate.map(|candidate| candidate.victims.clone()).unwrap_or_default(),
            superfluous,
        })
    }

    /// The scores of the nodes that fit, if nodes were scored.
    fn scores(
        &self,
        cx: &Context<'_>,
        decision: &Decision,
        profile: u8,
        pod: &Pod,
    ) -> Result<Vec<(Name, Vec<i64>)>, String> {
        let feasible: &[NodeSlot] = self.search.feasible();
        if feasible.len() < 2 || decision.from_batch {
            return Ok(Vec::new());
        }
        let profile = &self.parts.setup.profiles[usize::from(profile)];
        let all = profile.explain_scores(cx, &decision.state, pod, feasible)?;
        Ok(all.into_iter().map(|scores| (scores.plugin, scores.normalized)).collect())
    }
}
