//! Binding cycles: what must be done before a pod is bound, and the binding; many at a time.
//!
//! Follows `pkg/scheduler/schedule_one.go` (`bindingCycle`, `handleBindingCycleError`) of Kubernetes 1.36. A pod that
//! waits at Permit is asked about again whenever another pod reaches it or is bound, which is how plugins that wait for
//! company learn of it.

use super::cycle::{Failure, patch_status};
use super::framework::{Code, PreBind, Status};
use super::queue::QueuedPod;
use super::{CycleState, Pending, Profile, Scheduler, SchedulerMessage, around};
use crate::api::{EventType, Name, Pod, Request, Response};
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Arc;

/// A pod waits at Permit for at most this.
pub(super) const LONGEST_PERMIT: SimDuration = SimDuration::from_mins(15);

/// A pod that has a node and is not bound to it yet.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    queued: QueuedPod,
    /// The pod with its node.
    assumed: Arc<Pod>,
    state: CycleState,
    stage: Stage,
}

/// How far a binding cycle is.
#[derive(Debug, Clone)]
enum Stage {
    /// The nomination is being written; then the pod waits for these.
    Nominating(Vec<(Name, SimTime)>),
    /// Plugins make it wait, each until a time of its own.
    Waiting(Vec<(Name, SimTime)>),
    /// A plugin, by place among those that do something, works.
    PreBind { plugin: usize, since: Option<SimTime>, calls: VecDeque<Request> },
    /// The server was asked.
    Binding,
}

impl Binding {
    /// Whether plugins make it wait at Permit.
    const fn waits_at_permit(&self) -> bool {
        matches!(&self.stage, Stage::Nominating(waits) | Stage::Waiting(waits) if !waits.is_empty())
    }

    /// Whether the server has not been asked yet.
    pub(super) const fn can_be_cancelled(&self) -> bool {
        !matches!(self.stage, Stage::Binding)
    }
}

impl Scheduler {
    pub(super) fn begin_binding(
        &mut self,
        now: SimTime,
        queued: QueuedPod,
        assumed: Arc<Pod>,
        state: CycleState,
        waits: Vec<(Name, SimTime)>,
        out: &mut Outbox<Message>,
    ) {
        let setup = self.parts.setup.clone();
        let profile = &setup.profiles[usize::from(queued.profile)];
        let (index, node) = (assumed.meta.index, assumed.node_name);
        let has_work = {
            let cx = around!(self, now).cx;
            profile.pre_binders().any(|plugin| plugin.pre_bind_pre_flight(&cx, &state, &assumed, node))
        };
        // What takes time is announced, so that others keep off (gate NominatedNodeNameForExpectation).
        let announces = (has_work || !waits.is_empty()) && assumed.status.nominated_node_name != node;
        let pod = queued.pod.clone();
        let attempt = queued.attempts;
        let stage = if announces { Stage::Nominating(waits) } else { Stage::Waiting(waits) };
        self.bindings.insert(index, Binding { queued, assumed, state, stage });
        if announces {
            let request = patch_status(&pod, json!({"nominatedNodeName": node.as_str()}));
            self.call(now, request, Pending::Binding { pod: index, attempt }, out);
        } else {
            self.go_on_binding(now, index, attempt, out);
        }
        self.ask_waiting_pods_again(now, index, out);
    }

    /// Waiting pods may be let go now that others are there.
    fn ask_waiting_pods_again(&mut self, now: SimTime, but: u32, out: &mut Outbox<Message>) {
        if self.parts.setup.profiles.iter().all(|profile| profile.permitters().next().is_none()) {
            return;
        }
        let waiting = |(index, binding): (&u32, &Binding)| {
            let waits = matches!(&binding.stage, Stage::Waiting(waits) if !waits.is_empty());
            (waits && *index != but).then_some((*index, binding.queued.attempts))
        };
        let all: Vec<(u32, u32)> = self.bindings.iter().filter_map(waiting).collect();
        for (index, attempt) in all {
            self.go_on_binding(now, index, attempt, out);
        }
    }

    /// Takes a binding cycle as far as it goes.
    pub(super) fn go_on_binding(&mut self, now: SimTime, index: u32, attempt: u32, out: &mut Outbox<Message>) {
        let Some(mut binding) = self.bindings.remove(&index) else { return };
        if binding.queued.attempts != attempt {
            self.bindings.insert(index, binding); // A timer of an earlier attempt.
            return;
        }
        let setup = self.parts.setup.clone();
        let profile = &setup.profiles[usize::from(binding.queued.profile)];
        let result = match binding.stage {
            Stage::Waiting(_) => self.wait_on_permit(now, profile, &mut binding, out),
            Stage::PreBind { .. } => self.pre_bind(now, profile, &mut binding, out),
            Stage::Nominating(_) | Stage::Binding => Ok(()),
        };
        match result {
            Ok(()) => drop(self.bindings.insert(index, binding)),
            Err(status) => self.unbind(now, binding, &status, out),
        }
    }

    fn wait_on_permit(
        &mut self,
        now: SimTime,
        profile: &Profile,
        binding: &mut Binding,
        out: &mut Outbox<Message>,
    ) -> Result<(), Status> {
        let Stage::Waiting(waits) = &mut binding.stage else { unreachable!("only waiting pods wait") };
        let node = binding.assumed.node_name;
        if !waits.is_empty() {
            let cx = around!(self, now).cx;
            let mut left = Vec::new();
            for (name, until) in std::mem::take(waits) {
                let plugin = profile.permitters().find(|plugin| plugin.name() == name).expect("it was asked before");
                let (status, _) = plugin.permit(&cx, &mut binding.state, &binding.assumed, node);
                match status.code {
                    Code::Success => {}
                    Code::Wait if now >= until => {
                        let reason = "rejected due to timeout after waiting at plugin";
                        let text = format!("{reason} {:?}", &*name);
                        return Err(Status::new(Code::Unschedulable, text).by(name));
                    }
                    Code::Wait => left.push((name, until)),
                    _ => return Err(status.by(name)),
                }
            }
            *waits = left;
        }
        if let Some(until) = waits.iter().map(|(_, until)| *until).min() {
            let (pod, attempt) = (binding.assumed.meta.index, binding.queued.attempts);
            out.after(until.since(now), Message::Scheduler(self.term, SchedulerMessage::Bind { pod, attempt }));
            return Ok(());
        }
        // From here on what happens is not held for the pod.
        self.queue.done(binding.assumed.meta.index);
        binding.stage = Stage::PreBind { plugin: 0, since: None, calls: VecDeque::new() };
        self.pre_bind(now, profile, binding, out)
    }

    fn pre_bind(
        &mut self,
        now: SimTime,
        profile: &Profile,
        binding: &mut Binding,
        out: &mut Outbox<Message>,
    ) -> Result<(), Status> {
        let (index, attempt) = (binding.assumed.meta.index, binding.queued.attempts);
        let node = binding.assumed.node_name;
        let Stage::PreBind { plugin, since, calls } = &mut binding.stage else { unreachable!("it is at PreBind") };
        while let Some(one) = profile.pre_binders().nth(*plugin) {
            let cx = around!(self, now).cx;
            let works = since.is_some() || one.pre_bind_pre_flight(&cx, &binding.state, &binding.assumed, node);
            let elapsed = since.map_or(SimDuration::ZERO, |since| now.since(since));
            let done = if works {
                one.pre_bind(&cx, &mut binding.state, &binding.assumed, node, elapsed)
            } else {
                PreBind::Done
            };
            match done {
                PreBind::Done => (*plugin, *since) = (*plugin + 1, None),
                PreBind::Failed(status) if status.code == Code::Error => {
                    let text = format!("running PreBind plugin {:?}: {}", &*one.name(), status.message());
                    return Err(Status::error(text).by(one.name()));
                }
                PreBind::Failed(status) => return Err(status.by(one.name())),
                PreBind::Wait(span) => {
                    since.get_or_insert(now);
                    out.after(span, Message::Scheduler(self.term, SchedulerMessage::Bind { pod: index, attempt }));
                    return Ok(());
                }
                PreBind::Calls(all) => {
                    *calls = all.into();
                    if let Some(request) = calls.pop_front() {
                        self.call(now, request, Pending::Binding { pod: index, attempt }, out);
                        return Ok(());
                    }
                }
            }
        }
        binding.stage = Stage::Binding;
        let meta = &binding.assumed.meta;
        let request = Request::Bind { namespace: meta.namespace, name: meta.name, uid: meta.uid, node };
        self.call(now, request, Pending::Binding { pod: index, attempt }, out);
        Ok(())
    }

    /// The server answers a call of a binding cycle.
    pub(super) fn binding_replied(
        &mut self,
        now: SimTime,
        index: u32,
        attempt: u32,
        response: Response,
        out: &mut Outbox<Message>,
    ) {
        let Some(binding) = self.bindings.get_mut(&index).filter(|binding| binding.queued.attempts == attempt) else {
            return; // It was cancelled meanwhile.
        };
        match (&mut binding.stage, response) {
            // A nomination is for information: whether it was written does not matter.
            (Stage::Nominating(waits), _) => {
                binding.stage = Stage::Waiting(std::mem::take(waits));
                self.go_on_binding(now, index, attempt, out);
            }
            (Stage::Waiting(_), _) => unreachable!("a pod that waits has no call under way"),
            (Stage::PreBind { calls, .. }, Ok(_)) => match calls.pop_front() {
                Some(request) => self.call(now, request, Pending::Binding { pod: index, attempt }, out),
                None => self.go_on_binding(now, index, attempt, out),
            },
            (Stage::Binding, Ok(_)) => {
                let binding = self.bindings.remove(&index).expect("it was just found");
                let node = binding.assumed.node_name;
                let text = format!("Successfully assigned {} to {node}", binding.assumed.meta.key());
                self.tell_pod(now, &binding.assumed, EventType::Normal, "Scheduled", "Binding", text, out);
                self.ask_waiting_pods_again(now, index, out);
            }
            (stage, Err(error)) => {
                let profile = &self.parts.setup.profiles[usize::from(binding.queued.profile)];
                let by = match stage {
                    Stage::PreBind { plugin, .. } => profile.pre_binders().nth(*plugin).map(|plugin| plugin.name()),
                    _ => None,
                };
                let status = Status::error(match by {
                    Some(plugin) => format!("running PreBind plugin {:?}: {error}", &*plugin),
                    None => format!("running Bind plugin \"DefaultBinder\": {error}"),
                });
                let binding = self.bindings.remove(&index).expect("it was just found");
                self.unbind(now, binding, &status, out);
            }
        }
    }

    /// A pod is deleted that has a node and is not bound to it (`handleAssumedPodDeletion`): one that waits at Permit
    /// is rejected; of any other the room on the node is free at once, while its binding goes on until it fails.
    pub(super) fn assumed_pod_deleted(&mut self, now: SimTime, index: u32, out: &mut Outbox<Message>) {
        let Some(binding) = self.bindings.get(&index) else { return };
        if binding.waits_at_permit() {
            return self.cancel_binding(now, index, out);
        }
        let assumed = binding.assumed.clone();
        self.cache.remove_pod(&assumed);
        self.offer_deleted(now, &assumed, |_| true);
    }

    /// A pod that waits to be bound has to make room, or is deleted at Permit.
    pub(super) fn cancel_binding(&mut self, now: SimTime, index: u32, out: &mut Outbox<Message>) {
        if !self.bindings.get(&index).is_some_and(Binding::can_be_cancelled) {
            return; // The server decides.
        }
        let binding = self.bindings.remove(&index).expect("it was just found");
        let status = Status::new(Code::Unschedulable, "removed");
        self.unbind(now, binding, &status, out);
    }

    /// A binding cycle fails: what the pod took is given back, and it waits again.
    fn unbind(&mut self, now: SimTime, mut binding: Binding, status: &Status, out: &mut Outbox<Message>) {
        let setup = self.parts.setup.clone();
        let profile = &setup.profiles[usize::from(binding.queued.profile)];
        let node = binding.assumed.node_name;
        for plugin in profile.reservers().rev() {
            plugin.unreserve(&mut self.cache, &mut binding.state, &binding.assumed, node);
        }
        if self.cache.is_assumed(&binding.assumed) {
            self.cache.remove_pod(&binding.assumed);
        }
        let assumed = binding.assumed.clone();
        let rejected = status.code.is_rejected();
        if !rejected {
            self.offer_deleted(now, &assumed, |_| true);
        }
        let request = self.fail(now, binding.queued, Failure::of(profile, status), out);
        if rejected {
            self.offer_deleted(now, &assumed, |other| other.meta.uid != assumed.meta.uid);
        }
        if let Some(request) = request {
            self.calls += 1;
            let wait = self.limit.take(now);
            let client = crate::components::message::Client::Scheduler;
            out.after(wait, Message::Call { client, id: self.calls, request: Box::new(request) });
        }
    }
}
