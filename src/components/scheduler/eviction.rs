//! Preemption in the background: the victims of a pod are marked and deleted, all but one side by side, then the last.
//!
//! Follows `pkg/scheduler/framework/preemption/executor.go` of Kubernetes 1.36 with the gate SchedulerAsyncPreemption.
//! While it goes on the pod is held back from the queue; it is woken by the ends of its victims.

use super::binding::Binding;
use super::cycle::patch_status;
use super::event_series::Note;
use super::preemption::{Candidate, PREEMPTION_BY_SCHEDULER};
use super::{Pending, Scheduler, around};
use crate::api::{
    ConditionStatus, DISRUPTION_TARGET, DeleteOptions, ErrorReason, EventType, Kind, Name, Object, Pod, Request,
    Response, Target,
};
use crate::components::message::Message;
use crate::engine::{Outbox, SimTime};
use serde_json::json;
use std::sync::Arc;

/// The victims of a pod on their way out.
#[derive(Debug, Clone)]
pub(super) struct Eviction {
    preemptor: Arc<Pod>,
    node: Name,
    victims: Vec<(Arc<Pod>, Stage)>,
    failed: bool,
}

/// How far the eviction of a victim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The others go first.
    Next,
    /// Its status is being written.
    Marking,
    /// It is being deleted.
    Deleting,
    /// Done with, for good or ill.
    Over,
}

impl Scheduler {
    /// Begins to make room for a pod.
    pub(super) fn begin_eviction(
        &mut self,
        now: SimTime,
        preemptor: &Arc<Pod>,
        candidate: Candidate,
        out: &mut Outbox<Message>,
    ) {
        let Candidate { node, victims, .. } = candidate;
        // Pods of lower priority that were promised room there must look again.
        let lower = |other: &&Arc<Pod>| other.spec.priority < preemptor.spec.priority;
        let promised: Vec<Arc<Pod>> = self.nominator.on_node(node).iter().filter(lower).cloned().collect();
        let victims: Vec<(Arc<Pod>, Stage)> = victims
            .into_iter()
            .map(|victim| self.informer.get(&victim.meta.index).cloned().unwrap_or(victim))
            .filter(|victim| !victim.meta.is_terminating())
            .map(|victim| (victim, Stage::Next))
            .collect();
        if victims.is_empty() {
            return;
        }
        for other in promised {
            self.nominator.remove(&other);
            if !other.status.nominated_node_name.is_empty() {
                let request = patch_status(&other, json!({"nominatedNodeName": ""}));
                self.call(now, request, Pending::Eviction { preemptor: preemptor.meta.index, victim: usize::MAX }, out);
            }
        }
        self.nominator.set_preempting(preemptor, true);
        let index = preemptor.meta.index;
        let count = victims.len();
        self.evictions.insert(index, Eviction { preemptor: preemptor.clone(), node, victims, failed: false });
        for victim in 0..(count - 1).max(1) {
            self.evict(now, index, victim, out);
        }
    }

    /// Marks a victim, or deletes it if it is marked.
    fn evict(&mut self, now: SimTime, preemptor: u32, place: usize, out: &mut Outbox<Message>) {
        let Some(eviction) = self.evictions.get_mut(&preemptor) else { return };
        let by = eviction.preemptor.spec.scheduler_name;
        let (victim, stage) = &mut eviction.victims[place];
        let victim = victim.clone();
        if self.bindings.get(&victim.meta.index).is_some_and(Binding::can_be_cancelled) {
            // It is not bound yet: no call is needed.
            self.cancel_binding(now, victim.meta.index, out);
            return self.evicted(now, preemptor, place, out);
        }
        let message = format!("{by}: preempting to accommodate a higher priority pod");
        let is_marked = *stage == Stage::Marking
            || victim.status.condition(*DISRUPTION_TARGET).is_some_and(|have| {
                have.status == ConditionStatus::True
                    && have.reason == PREEMPTION_BY_SCHEDULER
                    && *have.message == *message
            });
        let request = if is_marked {
            *stage = Stage::Deleting;
            let target = Target { kind: Kind::Pod, namespace: victim.meta.namespace, name: victim.meta.name };
            Request::Delete { target, options: DeleteOptions::default() }
        } else {
            *stage = Stage::Marking;
            let stamp = self.parts.clock.at(now).truncated();
            patch_status(
                &victim,
                json!({"conditions": [{
                    "type": DISRUPTION_TARGET.as_str(), "status": "True", "reason": PREEMPTION_BY_SCHEDULER,
                    "message": message, "observedGeneration": victim.meta.generation,
                    "lastTransitionTime": stamp.to_string(),
                }]}),
            )
        };
        self.call(now, request, Pending::Eviction { preemptor, victim: place }, out);
    }

    pub(super) fn eviction_replied(
        &mut self,
        now: SimTime,
        preemptor: u32,
        place: usize,
        response: Response,
        out: &mut Outbox<Message>,
    ) {
        let Some(eviction) = self.evictions.get_mut(&preemptor) else { return };
        let Some((_, stage)) = eviction.victims.get(place) else { return };
        let is_gone = matches!(&response, Err(error) if error.reason == ErrorReason::NotFound);
        match (stage, response.is_ok() || is_gone) {
            (Stage::Marking, true) => self.evict(now, preemptor, place, out),
            (_, true) => self.evicted(now, preemptor, place, out),
            (_, false) => {
                eviction.failed = true;
                self.over(now, preemptor, place, out);
            }
        }
    }

    /// A victim was deleted: people are told.
    fn evicted(&mut self, now: SimTime, preemptor: u32, place: usize, out: &mut Outbox<Message>) {
        let eviction = &self.evictions[&preemptor];
        let (victim, _) = &eviction.victims[place];
        let note = Note {
            controller: eviction.preemptor.spec.scheduler_name,
            kind: EventType::Normal,
            reason: "Preempted",
            action: "Preempting",
            regarding: Object::Pod(victim.clone()).reference(),
            related: Some(Object::Pod(eviction.preemptor.clone()).reference()),
            text: format!("Preempted by pod {} on node {}", eviction.preemptor.meta.uid, eviction.node).into(),
        };
        self.tell(now, note, out);
        self.over(now, preemptor, place, out);
    }

    /// A victim is done with: the last one follows the others, and then it is over.
    fn over(&mut self, now: SimTime, preemptor: u32, place: usize, out: &mut Outbox<Message>) {
        let eviction = self.evictions.get_mut(&preemptor).expect("an eviction is under way");
        eviction.victims[place].1 = Stage::Over;
        let last = eviction.victims.len() - 1;
        if place != last {
            let others_over = eviction.victims[..last].iter().all(|(_, stage)| *stage == Stage::Over);
            if others_over && eviction.victims[last].1 == Stage::Next {
                self.evict(now, preemptor, last, out);
            }
            return;
        }
        let Eviction { preemptor: pod, failed, .. } = self.evictions.remove(&preemptor).expect("it was just found");
        self.nominator.set_preempting(&pod, false);
        if failed {
            // No victim may ever wake the pod.
            let pod = self.informer.get(&preemptor).cloned().unwrap_or(pod);
            self.queue.force(&around!(self, now), &pod);
        }
    }

    /// The watch tells of a pod: if it is the last victim of another, and on its way out or gone, that one may be tried
    /// again, even if the answer to the delete is still under way.
    pub(super) fn victim_changed(&mut self, index: u32) {
        if self.informer.get(&index).is_some_and(|pod| !pod.meta.is_terminating()) {
            return;
        }
        let Self { evictions, nominator, .. } = self;
        for eviction in evictions.values() {
            let (last, stage) = eviction.victims.last().expect("an eviction has victims");
            if last.meta.index == index && *stage != Stage::Next {
                nominator.set_preempting(&eviction.preemptor, false);
            }
        }
    }
}
