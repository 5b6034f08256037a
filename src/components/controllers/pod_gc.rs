//! Pods that nobody else takes away: of nodes that are gone or out of service, never placed, or too many that have
//! finished.
//!
//! Follows `pkg/controller/podgc/gc_controller.go` of Kubernetes 1.36. It looks every 20 seconds; rounds in which it
//! would find nothing are left out.

use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::pod_control;
use crate::api::{
    Amendment, Condition, ConditionStatus, DISRUPTION_TARGET, DeleteOptions, ErrorReason, FastMap, Kind, Name, Object,
    Pod, PodPhase, Request, TAINT_OUT_OF_SERVICE, Target,
};
use crate::engine::{Purpose, SimDuration, SimTime, StreamKey};
use std::collections::BTreeSet;
use std::sync::Arc;

const PHASE: Purpose = Purpose::new("pod gc phase");
/// How often it looks.
const PERIOD: SimDuration = SimDuration::from_secs(20);
/// How long a node must have been missing.
const QUARANTINE: SimDuration = SimDuration::from_secs(40);
/// So many finished pods are kept.
const MOST_TERMINATED: usize = 12_500;

/// The controller.
#[derive(Debug, Clone, Default)]
pub struct PodGcController {
    /// When each missing node was first missed.
    missing: FastMap<Name, SimTime>,
    /// Pods that have finished.
    terminated: BTreeSet<u32>,
}

/// What is to go in a round.
#[derive(Debug, Clone, Default)]
pub struct View {
    terminated: Vec<Arc<Pod>>,
    out_of_service: Vec<Arc<Pod>>,
    /// By the node that is missing.
    orphaned: Vec<(Name, Vec<Arc<Pod>>)>,
    unscheduled: Vec<Arc<Pod>>,
    again: bool,
}

/// The first round after an instant.
fn next_round(desk: &Desk<()>) -> SimTime {
    let phase = desk.draws.draw(PHASE, StreamKey::new("pod gc"), 0).below(PERIOD.as_nanos());
    let since = (desk.now.as_nanos() + PERIOD.as_nanos() - phase) % PERIOD.as_nanos();
    desk.now + SimDuration::from_nanos(PERIOD.as_nanos() - since)
}

impl Controller for PodGcController {
    type Key = ();
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Pod, Kind::Node]);

    fn settings(&self) -> Settings {
        Settings { workers: 1, ..Settings::new("pod-garbage-collector") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<()>) {
        let concerns = match seen.new {
            Object::Pod(pod) => {
                if pod.is_terminal() && !seen.is_deletion() {
                    self.terminated.insert(pod.meta.index);
                } else {
                    self.terminated.remove(&pod.meta.index);
                }
                !seen.is_deletion() && self.concerns(pod, seen.informers)
            }
            Object::Node(node) => {
                let has_pods = seen.informers.pods_on(node.meta.name) > 0;
                has_pods && (seen.is_deletion() || is_out_of_service(node.meta.name, seen.informers))
            }
            _ => false,
        };
        if concerns {
            desk.queue.add_at(next_round(desk), ());
        }
    }

    fn view(&mut self, (): (), informers: &Informers, desk: &mut Desk<()>) -> Option<View> {
        let store = informers.store();
        let mut view = View { terminated: self.surplus(informers), ..View::default() };
        for pod in store.pods.iter() {
            let node = pod.node_name;
            if node.is_empty() {
                if pod.meta.is_terminating() {
                    view.unscheduled.push(pod.clone());
                }
            } else if store.nodes.find(Name::default(), node).is_none() {
                let since = *self.missing.entry(node).or_insert(desk.now);
                view.again = true;
                if desk.now.since(since) >= QUARANTINE {
                    match view.orphaned.iter_mut().find(|(have, _)| *have == node) {
                        Some((_, pods)) => pods.push(pod.clone()),
                        None => view.orphaned.push((node, vec![pod.clone()])),
                    }
                }
            } else if pod.meta.is_terminating() && is_out_of_service(node, informers) {
                view.out_of_service.push(pod.clone());
                view.again = true;
            }
        }
        self.missing.retain(|node, _| store.nodes.find(Name::default(), *node).is_none());
        if view.again {
            desk.queue.add_at(next_round(desk), ());
        }
        Some(view)
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, ()>) -> Step {
        delete(&view.terminated, None, flow)?;
        delete(&view.out_of_service, None, flow)?;
        for (node, pods) in &view.orphaned {
            let answer = flow.get(Target { kind: Kind::Node, namespace: Name::default(), name: *node })?;
            if answer.is_err_and(|error| error.reason == ErrorReason::NotFound) {
                let condition = Condition::new(*DISRUPTION_TARGET, ConditionStatus::True, flow.stamp())
                    .because("DeletionByPodGC", "PodGC: node no longer exists");
                delete(pods, Some(&condition), flow)?;
                if flow.first() {
                    self.missing.remove(node);
                }
            }
        }
        delete(&view.unscheduled, None, flow)
    }
}

impl PodGcController {
    fn concerns(&self, pod: &Pod, informers: &Informers) -> bool {
        let node = pod.node_name;
        if node.is_empty() {
            return pod.meta.is_terminating();
        }
        self.terminated.len() > MOST_TERMINATED
            || informers.store().nodes.find(Name::default(), node).is_none()
            || pod.meta.is_terminating() && is_out_of_service(node, informers)
    }

    /// Finished pods beyond those that are kept: evicted ones first, then the oldest.
    fn surplus(&self, informers: &Informers) -> Vec<Arc<Pod>> {
        let surplus = self.terminated.len().saturating_sub(MOST_TERMINATED);
        if surplus == 0 {
            return Vec::new();
        }
        let pods = &informers.store().pods;
        let mut finished: Vec<_> =
            self.terminated.iter().filter_map(|place| pods.get(crate::api::Id::new(*place)).cloned()).collect();
        finished.sort_by_key(|pod| (pod.status.reason != "Evicted", pod.meta.creation_timestamp, pod.meta.name));
        finished.truncate(surplus);
        finished
    }
}

/// Whether a node is down for good: not ready, and tainted so by somebody who knows.
fn is_out_of_service(node: Name, informers: &Informers) -> bool {
    let node = informers.store().nodes.find(Name::default(), node);
    node.is_some_and(|node| !node.is_ready() && node.taints.iter().any(|taint| taint.key == *TAINT_OUT_OF_SERVICE))
}

/// Marks pods as failed, unless they have finished, and deletes them without grace
/// (`markFailedAndDeletePodWithCondition`).
fn delete(pods: &[Arc<Pod>], condition: Option<&Condition>, flow: &mut Flow<'_, ()>) -> Step {
    let mark = |pod: &Arc<Pod>| {
        let with_generation =
            |condition: &Condition| Condition { observed_generation: pod.meta.generation, ..condition.clone() };
        let amendment =
            Amendment::PodStatus { condition: condition.map(with_generation), phase: Some(PodPhase::Failed) };
        Request::Amend { target: pod_control::target(pod), uid: Some(pod.meta.uid), amendment }.into()
    };
    let running: Vec<_> = pods.iter().filter(|pod| !pod.is_terminal()).collect();
    flow.all(|| running.iter().map(|pod| mark(pod)).collect())?;
    let options = DeleteOptions { grace_period: Some(0), ..DeleteOptions::default() };
    flow.all(|| pods.iter().map(|pod| Request::Delete { target: pod_control::target(pod), options }.into()).collect())?;
    Ok(())
}
