//! Decisions of the scheduler: how many nodes are looked at, in which order, how they score, and who must go.
//!
//! Seen in the step in which a decision is made, with the cluster that it was made for.

use super::queue::Queue;
use super::{Broken, HistoryLaw};
use crate::api::Pod;
use crate::components::scheduler::DecisionInsight;

pub(super) const LAWS: &[HistoryLaw] = &[
    HistoryLaw { name: "victims-are-needed", says: "a pod is preempted only where its going makes room" },
    HistoryLaw { name: "the-patient-preempt-nobody", says: "a pod with preemptionPolicy Never has no victims" },
    HistoryLaw {
        name: "enough-nodes-are-looked-at",
        says: "a search ends when a hundred nodes fit, or all were looked at",
    },
    HistoryLaw { name: "searches-go-round", says: "a search begins where the last one ended" },
    HistoryLaw { name: "scores-are-percentages", says: "normalized scores are from 0 to 100" },
];

/// So many nodes that fit are enough, whatever the size of the cluster (`minFeasibleNodesToFind`).
const ENOUGH: usize = 100;

/// What the laws of decisions remember.
#[derive(Debug, Clone, Default)]
pub(super) struct Decisions {
    term: u32,
    /// Where the next search begins.
    next: Option<usize>,
}

impl Decisions {
    /// A decision was made that cannot be looked at any more.
    pub(super) const fn miss(&mut self) {
        self.next = None;
    }

    pub(super) fn made(&mut self, term: u32, queue: &Queue, decision: &DecisionInsight) -> Vec<Broken> {
        if self.term != term {
            *self = Self { term, next: None };
        }
        let Some(pod) = queue.trying() else { return Vec::new() };
        let found = [
            needless(decision),
            impatient(pod, decision),
            too_few(decision),
            astray(self.next, decision),
            out_of_range(decision),
        ];
        self.next = Some(decision.next_start);
        let named = LAWS.iter().zip(found);
        named.filter_map(|(law, seen)| Some((law.name, format!("Pod/{}", pod.meta.key()), seen?))).collect()
    }
}

/// Adding back a victim would not be in the way (`SelectVictimsOnNode` reprieves who may stay).
fn needless(decision: &DecisionInsight) -> Option<String> {
    decision.superfluous.map(|victim| format!("it fits as well beside {victim}"))
}

/// `TestPodEligibleToPreemptOthers`.
fn impatient(pod: &Pod, decision: &DecisionInsight) -> Option<String> {
    let victim = decision.victims.first().filter(|_| pod.spec.never_preempts)?;
    Some(format!("{} is to go for it", victim.meta.name))
}

/// `TestNumFeasibleNodesToFind`.
fn too_few(decision: &DecisionInsight) -> Option<String> {
    let (among, _) = decision.searched?;
    let (looked_at, fit) = (decision.evaluated, decision.feasible);
    (looked_at < among && fit < ENOUGH.min(among)).then(|| format!("{fit} fit of {looked_at} looked at of {among}"))
}

/// Over as many searches as it takes to look at as many nodes as there are, each is looked at, because each search
/// begins where the one before it ended (`TestFairEvaluationForNodes`).
fn astray(last: Option<usize>, decision: &DecisionInsight) -> Option<String> {
    let next = match decision.searched {
        Some((_, start)) if last.is_some_and(|last| last != start) => {
            return Some(format!("it begins at {start}, the last one ended at {}", last.unwrap_or_default()));
        }
        Some((_, start)) => (start + decision.evaluated) % decision.nodes.max(1),
        None => last?,
    };
    (decision.next_start != next).then(|| format!("the next one begins at {}, not at {next}", decision.next_start))
}

/// `TestRunScorePlugins`.
fn out_of_range(decision: &DecisionInsight) -> Option<String> {
    let odd = |score: &&i64| !(0..=100).contains(*score);
    let mut all = decision.scores.iter();
    let found = all.find_map(|(plugin, scores)| Some(format!("{plugin}: {}", scores.iter().find(odd)?)));
    found.or_else(|| decision.wrong_score.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Metadata, Name, PodSpec, PodStatus};
    use std::sync::Arc;

    fn pod(never_preempts: bool) -> Arc<Pod> {
        Arc::new(Pod {
            meta: Metadata::default(),
            spec: Arc::new(PodSpec { never_preempts, ..PodSpec::default() }),
            node_name: Name::default(),
            status: Arc::new(PodStatus::default()),
        })
    }

    #[test]
    fn a_decision_that_breaks_a_law_is_caught() {
        let sound = DecisionInsight {
            nodes: 1000,
            searched: Some((1000, 900)),
            evaluated: 430,
            feasible: 420,
            next_start: 330,
            scores: vec![(Name::new("NodeResourcesFit"), vec![0, 100])],
            ..DecisionInsight::default()
        };
        assert_eq!((too_few(&sound), out_of_range(&sound), needless(&sound)), (None, None, None));
        assert_eq!(astray(Some(900), &sound), None);
        assert!(astray(Some(0), &sound).is_some(), "it begins anywhere");
        let stuck = DecisionInsight { next_start: 900, ..sound.clone() };
        assert!(astray(Some(900), &stuck).is_some(), "the next one begins there again");
        let hasty = DecisionInsight { feasible: 99, ..sound.clone() };
        assert!(too_few(&hasty).is_some());
        let thorough = DecisionInsight { evaluated: 1000, feasible: 3, ..sound.clone() };
        assert_eq!(too_few(&thorough), None);
        for score in [-1, 101] {
            let scores = vec![(Name::new("NodeResourcesFit"), vec![50, score])];
            assert!(out_of_range(&DecisionInsight { scores, ..sound.clone() }).is_some());
        }
        let preempts = DecisionInsight { victims: vec![pod(false)], ..sound.clone() };
        assert_eq!(impatient(&pod(false), &preempts), None);
        assert!(impatient(&pod(true), &preempts).is_some());
        assert!(needless(&DecisionInsight { superfluous: Some(Name::new("web")), ..sound }).is_some());
    }
}
