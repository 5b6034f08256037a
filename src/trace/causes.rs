//! Cause and effect as a graph: what led to a fact, seen from the object that it is about.
//!
//! The record knows in whose handling each message was sent. Some of what a component does is sent from loops that
//! serve everybody: a kubelet's relist, its status writer, a user's queue of calls. There the sender says little; what
//! counts is what the loop had learned about the object in question. So a fact has up to two links backwards: `because`
//! follows its own object, `after` names the other one that it had to wait for.

use super::record::{Actor, FactId, FactKind, TraceRecord};
use super::subject::SubjectId;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::BTreeMap;

/// How one fact led to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Link {
    /// The effect was sent while the cause was handled, or is a change made by it.
    Sent,
    /// A loop that serves everybody had learned of the cause and acted on it.
    Noticed,
    /// The effect waited until the cause, which is about something else, was over.
    After,
}

/// What stands behind a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Behind {
    /// What led to it, of the same object where there is such a thing.
    pub because: Option<(FactId, Link)>,
    /// What it had to wait for.
    pub after: Option<FactId>,
}

/// The causes of a record's facts.
#[derive(Debug, Clone)]
pub struct Causes<'a> {
    record: &'a TraceRecord,
    /// The facts about each object, in order.
    about: Vec<Vec<FactId>>,
}

impl<'a> Causes<'a> {
    /// Reads a record.
    pub fn of(record: &'a TraceRecord) -> Self {
        let mut about = vec![Vec::new(); record.subjects().len()];
        for (id, fact) in record.iter() {
            if let Some(subject) = fact.subject() {
                about[subject.index()].push(id);
            }
        }
        Self { record, about }
    }

    /// The facts about an object, in order.
    pub fn about(&self, subject: SubjectId) -> &[FactId] {
        &self.about[subject.index()]
    }

    /// What stands behind a fact.
    pub fn behind(&self, id: FactId) -> Behind {
        let fact = self.record.fact(id);
        let Some(sender) = fact.cause() else { return Behind::default() };
        let sent = Behind { because: Some((sender, Link::Sent)), after: None };
        let Some(subject) = fact.subject() else { return sent };
        let from = self.record.fact(sender);
        // A relist tells what the runtime knew when it began; a probe asks what runs, whenever its ticker says so.
        let seen_before = match fact.what {
            "PodLifecycleEvent" => Some(sender),
            "ProbeDue" => Some(id),
            _ => None,
        };
        if let Some(before) = seen_before {
            let seen =
                self.latest(subject, before, |kind, actor| kind == FactKind::RuntimeChanged && actor == from.actor);
            return noticed(seen, None).unwrap_or(sent);
        }
        let shared = from.subject().is_none()
            && matches!(from.kind, FactKind::Kubelet | FactKind::Scheduler | FactKind::Controller);
        if shared {
            let learned = self.latest(subject, id, |kind, actor| actor == from.actor && kind != FactKind::Reply);
            return noticed(learned, None).unwrap_or(sent);
        }
        let other = from.subject().is_some_and(|other| other != subject && self.alike(other, subject));
        if other && from.actor == Actor::User {
            let asked = self.latest(subject, id, |kind, _| kind == FactKind::Action);
            return noticed(asked, None).unwrap_or(sent);
        }
        if other {
            let learned = self.latest(subject, id, |_, actor| actor == from.actor);
            return noticed(learned, Some(sender)).unwrap_or(sent);
        }
        sent
    }

    /// Objects of one kind act for themselves; what leads from a pod to its event, or to its owner, is no detour.
    fn alike(&self, a: SubjectId, b: SubjectId) -> bool {
        self.record.subject(a).kind == self.record.subject(b).kind
    }

    /// The latest fact about an object before another fact.
    fn latest(&self, subject: SubjectId, before: FactId, fits: impl Fn(FactKind, Actor) -> bool) -> Option<FactId> {
        let about = self.about(subject);
        let place = about.partition_point(|id| *id < before);
        about[..place].iter().rev().copied().find(|id| {
            let fact = self.record.fact(*id);
            fits(fact.kind, fact.actor)
        })
    }

    /// The chain of what led to a fact, oldest first, the fact itself last.
    ///
    /// Each link goes back to what came last of all that the fact needed, so the chain is the critical path.
    pub fn chain(&self, id: FactId) -> Vec<FactId> {
        let back = |id: &FactId| self.behind(*id).because.map(|(cause, _)| cause);
        let mut chain: Vec<FactId> = std::iter::successors(Some(id), back).collect();
        chain.reverse();
        chain
    }

    /// Everything that led to a fact, as a graph from causes to effects.
    pub fn ancestry(&self, id: FactId) -> DiGraph<FactId, Link> {
        let mut graph = DiGraph::new();
        let mut places: BTreeMap<FactId, NodeIndex> = BTreeMap::new();
        places.insert(id, graph.add_node(id));
        let mut waiting = vec![id];
        while let Some(effect) = waiting.pop() {
            let Behind { because, after } = self.behind(effect);
            for (cause, link) in because.into_iter().chain(after.map(|cause| (cause, Link::After))) {
                let known = places.get(&cause).copied();
                let place = known.unwrap_or_else(|| {
                    waiting.push(cause);
                    graph.add_node(cause)
                });
                places.insert(cause, place);
                graph.add_edge(place, places[&effect], link);
            }
        }
        graph
    }
}

fn noticed(cause: Option<FactId>, after: Option<FactId>) -> Option<Behind> {
    cause.map(|cause| Behind { because: Some((cause, Link::Noticed)), after })
}

#[cfg(test)]
mod tests {
    use super::super::test_run::crash_loop;
    use super::*;
    use petgraph::algo::{is_cyclic_directed, toposort};

    #[test]
    fn every_chain_of_a_pod_begins_with_what_somebody_did() {
        let record = crash_loop();
        let causes = Causes::of(&record);
        let pods = record.subjects().filter(|(_, subject)| subject.is_pod());
        for (pod, subject) in pods {
            for id in causes.about(pod) {
                let chain = causes.chain(*id);
                assert!(chain.is_sorted(), "{chain:?}");
                let root = record.fact(chain[0]);
                assert_eq!(root.kind, FactKind::Action, "{subject} {:?}: {:?}", record.fact(*id), root);
                assert_eq!(root.subject(), Some(pod), "{subject} {:?}: {:?}", record.fact(*id), root);
            }
        }
    }

    #[test]
    fn what_led_to_a_fact_has_no_circle_and_one_end() {
        let record = crash_loop();
        let causes = Causes::of(&record);
        let last = record.changes().last().expect("there are changes").0;
        let graph = causes.ancestry(last);
        assert!(!is_cyclic_directed(&graph));
        let order = toposort(&graph, None).expect("no circle");
        assert_eq!(order.last().map(|place| graph[*place]), Some(last));
    }
}
