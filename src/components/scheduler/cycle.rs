//! The scheduling cycle: one pod at a time is popped, a node is picked, and the pod is assumed there; or it is not.
//!
//! Follows `pkg/scheduler/schedule_one.go` (`ScheduleOne`, `schedulingCycle`, `handleSchedulingFailure`) of Kubernetes
//! 1.36. The decision is made on the cluster as it is known at the beginning of the cycle and takes effect at its end.

use super::framework::{Code, PostFilterResult, Status};
use super::preemption::Candidate;
use super::queue::{PluginSet, QueuedPod};
use super::schedule_one::{Decision, LEAST_NODES, Outcome};
use super::{Context, Pending, Profile, Scheduler, SchedulerMessage, around};
use crate::api::{ConditionStatus, EventType, Kind, Name, POD_SCHEDULED, Part, PatchKind, Pod, Request, Target, Text};
use crate::components::message::Message;
use crate::engine::{Outbox, Purpose, SimTime};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

const OFFSET: Purpose = Purpose::new("preemption offset");

/// The scheduling cycle that is under way.
#[derive(Debug, Clone)]
pub(super) enum Cycle {
    /// A decision was made and takes effect when the cycle is over.
    Deciding(Box<Decided>),
    /// The pod was not placed; its status is being written.
    Failing,
}

/// A pod and what was decided.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    queued: QueuedPod,
    decision: Decision,
    /// What PostFilter came to, if no node fits, and the text of the failure.
    failure: Option<(Option<PostFilterResult>, Text)>,
}

impl Decided {
    /// The pod.
    pub(super) const fn queued(&self) -> &QueuedPod {
        &self.queued
    }

    /// What was decided.
    pub(super) const fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The pods that are to be evicted for it, and where.
    pub(super) fn candidate(&self) -> Option<&Candidate> {
        self.failure.as_ref()?.0.as_ref()?.preemption.as_ref()
    }
}

/// Why a pod was not placed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// Whether it was rejected, rather than that something went wrong.
    pub rejected: bool,
    /// Why, for people.
    pub message: Text,
    /// The plugins that rejected it, and those of them that wait for something outside.
    pub plugins: (PluginSet, PluginSet),
    /// The node to nominate: `None` leaves the nomination alone, an empty name clears it.
    pub nominated: Option<Name>,
}

impl Failure {
    /// A plugin's word against a pod that had a node.
    pub fn of(profile: &Profile, status: &Status) -> Self {
        let place = profile.places([&status.plugin]);
        let rejected = status.code.is_rejected();
        let pending = if status.code == Code::Pending { place } else { 0 };
        let plugins = if rejected { (place, pending) } else { (0, 0) };
        Self { rejected, message: status.message().into(), plugins, nominated: Some(Name::default()) }
    }

    /// Something went wrong.
    pub fn error(message: impl Into<Text>) -> Self {
        Self { rejected: false, message: message.into(), plugins: (0, 0), nominated: Some(Name::default()) }
    }
}

impl Scheduler {
    /// Pops pods until one is worth a cycle, if none is under way.
    pub(super) fn begin_cycle(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        while self.cycle.is_none()
            && let Some(queued) = self.queue.pop()
        {
            let pod = queued.pod.clone();
            if pod.meta.is_terminating() {
                let text = format!("skip schedule deleting pod: {}", pod.meta.key());
                self.tell_pod(now, &pod, EventType::Warning, "FailedScheduling", "Scheduling", text, out);
                self.queue.done(pod.meta.index);
            } else if self.cache.is_assumed(&pod) {
                self.queue.done(pod.meta.index);
            } else {
                let decided = self.decide(now, queued);
                let stream = pod.meta.uid.stream();
                let latencies = &self.parts.latencies;
                // The recorded cycles are of small clusters, where every node is looked at.
                let further = decided.decision.evaluated.saturating_sub(LEAST_NODES) as u64;
                let each = self.latency(&latencies.scheduling_node, now, stream.part("node"));
                let takes = self.latency(&latencies.scheduling_cycle, now, stream) + each * further;
                self.cycle = Some(Cycle::Deciding(Box::new(decided)));
                out.after(takes, Message::Scheduler(self.term, SchedulerMessage::CycleDone));
            }
        }
    }

    fn decide(&mut self, now: SimTime, queued: QueuedPod) -> Decided {
        self.count_neighbours(now);
        let setup = self.parts.setup.clone();
        let profile = &setup.profiles[usize::from(queued.profile)];
        let pod = &*queued.pod;
        let stamp = self.parts.clock.at(now).truncated().unix_secs();
        let mut decision = self.search.schedule(&mut self.cache, &self.nominator, profile, pod, now, stamp);
        let failure = match &mut decision.outcome {
            Outcome::Chosen(_) => None,
            Outcome::Error(error) => Some((None, error.as_str().into())),
            Outcome::NoNodes => Some((None, "no nodes available to schedule pods".into())),
            Outcome::Unfit(diagnosis) => {
                let cx = Context { cache: &self.cache, nominator: &self.nominator, now: stamp };
                let ordinal = u64::from(queued.attempts);
                let offset = self.parts.draws.draw(OFFSET, pod.meta.uid.stream(), ordinal).bits();
                let post = profile
                    .has_post_filter()
                    .then(|| profile.run_post_filter(cx, &mut decision.state, pod, diagnosis, offset));
                if let Some(post) = &post {
                    diagnosis.post_filter_message = post.status.message();
                }
                Some((post, diagnosis.message(profile, &cx, &decision.state, pod).into()))
            }
        };
        Decided { queued, decision, failure }
    }

    /// The decision takes effect.
    pub(super) fn end_cycle(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let Some(Cycle::Deciding(decided)) = self.cycle.take() else {
            unreachable!("a cycle ends once, after it has decided");
        };
        let Decided { queued, decision, failure } = *decided;
        let result = match (decision.outcome, failure) {
            (Outcome::Chosen(slot), _) => {
                let node = self.cache.node(slot).name();
                self.assume(now, queued, decision.state, node, out)
            }
            (Outcome::Unfit(diagnosis), Some((post, message))) => {
                let profile = &self.parts.setup.profiles[usize::from(queued.profile)];
                let places = |names: &BTreeSet<Name>| profile.places(names);
                let plugins = (places(&diagnosis.unschedulable_plugins), places(&diagnosis.pending_plugins));
                let nominated = post.as_ref().and_then(|post| post.nominated_node);
                if let Some(candidate) = post.and_then(|post| post.preemption) {
                    self.begin_eviction(now, &queued.pod, candidate, out);
                }
                Err((queued, Failure { rejected: true, message, plugins, nominated }))
            }
            (outcome, failure) => {
                let (_, message) = failure.expect("a decision without a node has a text");
                let rejected = matches!(outcome, Outcome::NoNodes);
                Err((queued, Failure { rejected, ..Failure::error(message) }))
            }
        };
        if let Err((queued, failure)) = result
            && let Some(request) = self.fail(now, queued, failure, out)
        {
            // The next cycle begins when the status is written.
            self.cycle = Some(Cycle::Failing);
            self.call(now, request, Pending::Failure, out);
        }
    }

    /// A pod was not placed: it waits again, people are told, and its status is to be written if that says anything
    /// new.
    pub(super) fn fail(
        &mut self,
        now: SimTime,
        mut queued: QueuedPod,
        failure: Failure,
        out: &mut Outbox<Message>,
    ) -> Option<Request> {
        let index = queued.pod.meta.index;
        let tried = queued.pod.clone();
        match self.informer.get(&index).filter(|pod| pod.node_name.is_empty()).cloned() {
            Some(newest) => {
                queued.pod = newest.clone();
                let (rejectors, pending) = failure.plugins;
                self.queue.come_back(&around!(self, now), queued, rejectors, pending);
                self.nominator.add(&newest, failure.nominated);
            }
            None => self.queue.done(index),
        }
        let (message, kind) = (failure.message.clone(), EventType::Warning);
        self.tell_pod(now, &tried, kind, "FailedScheduling", "Scheduling", message, out);
        self.failure_status(now, &tried, &failure)
    }

    /// The write of a failure to the pod's status (`updatePod`).
    fn failure_status(&self, now: SimTime, pod: &Arc<Pod>, failure: &Failure) -> Option<Request> {
        let reason = if failure.rejected { "Unschedulable" } else { "SchedulerError" };
        let condition = pod.status.condition(*POD_SCHEDULED);
        let is_known = condition.is_some_and(|have| {
            have.status == ConditionStatus::False
                && have.reason == reason
                && have.message == failure.message
                && have.observed_generation == pod.meta.generation
        });
        let renominated = failure.nominated.filter(|node| *node != pod.status.nominated_node_name);
        if is_known && renominated.is_none() {
            return None;
        }
        let mut status = json!({});
        if !is_known {
            let since = condition.filter(|have| have.status == ConditionStatus::False);
            let stamp = since.map_or_else(|| self.parts.clock.at(now).truncated(), |have| have.last_transition_time);
            status["conditions"] = json!([{
                "type": POD_SCHEDULED.as_str(), "status": "False", "reason": reason, "message": &*failure.message,
                "observedGeneration": pod.meta.generation, "lastTransitionTime": stamp.to_string(),
            }]);
        }
        if let Some(node) = renominated {
            status["nominatedNodeName"] = node.as_str().into();
        }
        Some(patch_status(pod, status))
    }

    /// Takes the pod's room on its node, and begins to bind it there.
    fn assume(
        &mut self,
        now: SimTime,
        queued: QueuedPod,
        mut state: super::CycleState,
        node: Name,
        out: &mut Outbox<Message>,
    ) -> Result<(), (QueuedPod, Failure)> {
        let setup = self.parts.setup.clone();
        let profile = &setup.profiles[usize::from(queued.profile)];
        let mut assumed = Pod::clone(&queued.pod);
        assumed.node_name = node;
        let assumed = Arc::new(assumed);
        self.cache.assume_pod(&assumed);
        self.nominator.remove(&assumed);
        let mut rejected: Option<Status> = None;
        for plugin in profile.reservers() {
            let status = plugin.reserve(&mut self.cache, &mut state, &assumed, node);
            if !status.is_success() {
                rejected = Some(status.by(plugin.name()));
                break;
            }
        }
        let mut waits: Vec<(Name, SimTime)> = Vec::new();
        if rejected.is_none() {
            let cx = around!(self, now).cx;
            for plugin in profile.permitters() {
                let (status, timeout) = plugin.permit(&cx, &mut state, &assumed, node);
                match status.code {
                    Code::Success => {}
                    Code::Wait => waits.push((plugin.name(), now + timeout.min(super::binding::LONGEST_PERMIT))),
                    _ => {
                        rejected = Some(status.by(plugin.name()));
                        break;
                    }
                }
            }
        }
        if let Some(status) = rejected {
            for plugin in profile.reservers().rev() {
                plugin.unreserve(&mut self.cache, &mut state, &assumed, node);
            }
            self.cache.remove_pod(&assumed);
            return Err((queued, Failure::of(profile, &status)));
        }
        self.begin_binding(now, queued, assumed, state, waits, out);
        Ok(())
    }
}

/// A patch of a pod's status.
pub(super) fn patch_status(pod: &Pod, status: serde_json::Value) -> Request {
    Request::Patch {
        target: Target { kind: Kind::Pod, namespace: pod.meta.namespace, name: pod.meta.name },
        part: Part::Status,
        kind: PatchKind::Strategic,
        patch: json!({ "status": status, "metadata": { "uid": pod.meta.uid.to_string() } }),
    }
}
