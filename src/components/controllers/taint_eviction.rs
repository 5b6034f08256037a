//! Taint eviction: pods leave nodes whose NoExecute taints they do not bear, or no longer.
//!
//! Follows `pkg/controller/tainteviction/taint_eviction.go` of Kubernetes 1.36. A pod's own time counts from when its
//! taints were first handled; while it runs, later and shorter times do not count.

use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::pod_control;
use super::work_queue::Key;
use crate::api::{
    Amendment, Condition, ConditionStatus, DISRUPTION_TARGET, DeleteOptions, ErrorReason, EventType, FastMap, Kind,
    Metadata, Name, Node, ObjectReference, Pod, Request, Taint, TaintEffect, Toleration,
};
use crate::engine::{SimDuration, SimTime};
use crate::planted::{self, Bug};
use std::sync::Arc;

/// So often an eviction that fails is tried.
const ATTEMPTS: u32 = 5;

/// The controller.
#[derive(Debug, Clone, Default)]
pub struct TaintEvictionController {
    /// The pods that are to go; `None` once that was done, so that it is not done again (`timed_workers.go`).
    scheduled: FastMap<Key, Option<Eviction>>,
}

/// A pod that is to go.
#[derive(Debug, Clone, Copy)]
struct Eviction {
    since: SimTime,
    due: SimTime,
}

/// How long a pod bears the NoExecute taints of its node (`getMinTolerationTime`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bears {
    Not,
    For(SimDuration),
    Forever,
}

impl Bears {
    fn of<'a>(taints: impl Iterator<Item = &'a Taint>, tolerations: &[Toleration]) -> Self {
        let mut shortest = Self::Forever;
        for taint in taints {
            let Some(toleration) = tolerations.iter().find(|toleration| toleration.tolerates(taint, false)) else {
                return Self::Not;
            };
            let Some(seconds) = toleration.seconds else { continue };
            let time = SimDuration::from_secs(seconds.max(0) as u64);
            shortest = match shortest {
                Self::For(other) => Self::For(other.min(time)),
                Self::Forever | Self::Not => Self::For(time),
            };
        }
        shortest
    }
}

fn no_execute(node: &Node) -> impl Iterator<Item = &Taint> + Clone {
    node.taints.iter().filter(|taint| taint.effect == TaintEffect::NoExecute)
}

impl Controller for TaintEvictionController {
    type Key = Key;
    type View = Arc<Pod>;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Pod, Kind::Node]);

    fn settings(&self) -> Settings {
        Settings { workers: 8, ..Settings::new("taint-eviction-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        if let Some((old, node)) = seen.of::<Node>() {
            let had = |old: &Arc<Node>| no_execute(old).eq(no_execute(node));
            if seen.is_deletion() || old.map_or(no_execute(node).next().is_none(), had) {
                return;
            }
            for pod in seen.informers.list_pods_on(node.meta.name) {
                self.reconsider(&pod, node, desk);
            }
        } else if let Some((old, pod)) = seen.of::<Pod>() {
            let key = Key::of(&pod.meta);
            if seen.is_deletion() {
                return self.cancel(key, desk);
            }
            let same = |old: &Arc<Pod>| old.node_name == pod.node_name && old.spec.tolerations == pod.spec.tolerations;
            if pod.node_name.is_empty() || old.is_some_and(same) {
                return;
            }
            if let Some(node) = seen.informers.store().nodes.find(Name::default(), pod.node_name)
                && no_execute(node).next().is_some()
            {
                self.reconsider(pod, node, desk);
            }
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, desk: &mut Desk<Key>) -> Option<Arc<Pod>> {
        let scheduled = self.scheduled.get_mut(&key)?;
        let due = scheduled.as_ref()?.due;
        if due > desk.now {
            desk.queue.add_at(due, key);
            return None;
        }
        *scheduled = None;
        informers.store().pods.find(key.namespace, key.name).cloned()
    }

    fn sync(&mut self, pod: &Arc<Pod>, flow: &mut Flow<'_, Key>) -> Step {
        let message = format!("Marking for deletion Pod {}/{}", pod.meta.namespace, pod.meta.name);
        flow.tell(nameless(&pod.meta), EventType::Normal, "TaintManagerEviction", message);
        let target = pod_control::target(pod);
        let mut condition = Condition::new(*DISRUPTION_TARGET, ConditionStatus::True, flow.stamp())
            .because("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint");
        condition.observed_generation = pod.meta.generation;
        for _ in 0..ATTEMPTS {
            match flow.get(target)? {
                Err(error) if error.reason == ErrorReason::NotFound => return Ok(()),
                Err(_) => continue,
                Ok(_) => {}
            }
            let amendment = Amendment::PodStatus { condition: Some(condition.clone()), phase: None };
            if flow.call(|| Request::Amend { target, uid: None, amendment })?.is_err() {
                continue;
            }
            match flow.call(|| Request::Delete { target, options: DeleteOptions::default() })? {
                Ok(_) => return Ok(()),
                Err(error) if error.reason == ErrorReason::NotFound => return Ok(()),
                Err(_) => {}
            }
        }
        self.scheduled.remove(&Key::of(&pod.meta));
        Ok(())
    }
}

impl TaintEvictionController {
    /// A pod's node or tolerations have changed (`processPodOnNode`).
    fn reconsider(&mut self, pod: &Arc<Pod>, node: &Node, desk: &mut Desk<Key>) {
        let key = Key::of(&pod.meta);
        let now = desk.now;
        if no_execute(node).next().is_none() {
            return self.cancel(key, desk);
        }
        match Bears::of(no_execute(node), &pod.spec.tolerations) {
            Bears::For(_) if planted::is(Bug::TolerationsCutShort) => {
                self.schedule(key, Eviction { since: now, due: now }, desk);
            }
            Bears::Not => {
                self.cancel(key, desk);
                self.schedule(key, Eviction { since: now, due: now }, desk);
            }
            Bears::Forever => self.cancel(key, desk),
            Bears::For(time) => {
                let since = match self.scheduled.get(&key) {
                    Some(None) => return,
                    Some(Some(before)) if before.since < now => return,
                    Some(Some(before)) => before.since,
                    None => now,
                };
                self.schedule(key, Eviction { since, due: now + time }, desk);
            }
        }
    }

    fn schedule(&mut self, key: Key, eviction: Eviction, desk: &mut Desk<Key>) {
        self.scheduled.insert(key, Some(eviction));
        desk.queue.add_after(desk.now, eviction.due.since(desk.now), key);
    }

    fn cancel(&mut self, key: Key, desk: &mut Desk<Key>) {
        if self.scheduled.remove(&key).flatten().is_some() {
            let message = format!("Cancelling deletion of Pod {}/{}", key.namespace, key.name);
            let meta = Metadata { namespace: key.namespace, name: key.name, ..Metadata::default() };
            desk.tell(nameless(&meta), EventType::Normal, "TaintManagerEviction", message);
        }
    }
}

/// A pod as this controller's events refer to it: by name alone.
fn nameless(meta: &Metadata) -> ObjectReference {
    ObjectReference {
        kind: Kind::Pod.name(),
        api_version: Kind::Pod.api_version(),
        namespace: meta.namespace,
        name: meta.name,
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TolerationOperator;

    #[test]
    fn the_shortest_toleration_counts_and_a_missing_one_ends_it() {
        // `TestGetMinTolerationTime`, `TestUpdateNodeWithMultipleTaints`.
        let taint = |key: &str| Taint {
            key: Name::new(key),
            value: Name::default(),
            effect: TaintEffect::NoExecute,
            time_added: None,
        };
        let bears = |key: &str, seconds: Option<i64>| Toleration {
            key: Name::new(key),
            operator: TolerationOperator::Exists,
            seconds,
            ..Toleration::default()
        };
        let secs = |seconds| Bears::For(SimDuration::from_secs(seconds));
        let cases: [(&[&str], Vec<Toleration>, Bears); 7] = [
            (&["a"], vec![], Bears::Not),
            (&["a"], vec![bears("a", None)], Bears::Forever),
            (&["a"], vec![bears("a", Some(5))], secs(5)),
            (&["a", "b"], vec![bears("a", Some(5)), bears("b", Some(3))], secs(3)),
            (&["a", "b"], vec![bears("a", Some(5))], Bears::Not),
            (&["a", "b"], vec![bears("a", Some(5)), bears("b", None)], secs(5)),
            (&["a"], vec![bears("a", Some(-1))], secs(0)),
        ];
        for (taints, tolerations, expected) in cases {
            let taints: Vec<Taint> = taints.iter().map(|key| taint(key)).collect();
            assert_eq!(Bears::of(taints.iter(), &tolerations), expected, "{taints:?} {tolerations:?}");
        }
    }
}
