//! The node's own status: registration, conditions, and the beat at which they are reported.
//!
//! Follows `pkg/kubelet/kubelet_node_status.go` and `pkg/kubelet/nodestatus/setters.go` of Kubernetes 1.36. The status
//! is computed every ten seconds and a little; a computation that would find nothing new is skipped, its beat is kept.

use super::config::{FAST_STATUS, NODE_STATUS_JITTER, REGISTRATION, REGISTRATION_RETRY};
use super::{Kubelet, KubeletMessage, PendingCall};
use crate::api::{
    Condition, ConditionStatus, DISK_PRESSURE, EventType, Kind, List, MEMORY_PRESSURE, NODE_READY, Name, Node,
    NodeImage, NodeStatus, Object, ObjectReference, PID_PRESSURE, Part, Request, Response, Target, Timestamp,
};
use crate::components::events::Told;
use crate::components::message::{Client, Message};
use crate::components::stats::ImageStats;
use crate::engine::{Outbox, Purpose, SimDuration, SimTime};
use std::sync::Arc;

const BEAT: Purpose = Purpose::new("node status beat");
const REPORT: Purpose = Purpose::new("node status report");
const ROUND: Purpose = Purpose::new("node registration");

/// A node is registered in so many rounds, each of which tells what it found.
const ROUNDS: usize = 3;
/// So many images are listed in a node's status.
const MOST_IMAGES: usize = 50;

/// What a kubelet knows of its own node, and when it reports next.
#[derive(Debug, Clone, Default)]
pub(super) struct NodeReporter {
    /// Whether the server has the node, as far as this process knows.
    registered: bool,
    /// The beats so far, counted in the process's uptime.
    beat: SimDuration,
    beats: u64,
    planned: Option<SimTime>,
    /// When the last news was written.
    pub(super) reported: SimTime,
    /// Whether the node was cordoned when last looked at.
    unschedulable: bool,
    /// Whether the machine is shutting down.
    pub(super) shutting_down: bool,
    /// Why the node is not ready, as far as was seen.
    problem: Option<String>,
    /// The images that the node has, biggest first.
    pub(super) images: List<NodeImage>,
    /// The volumes that are, or are to be, attached and mounted.
    volumes_in_use: List<Name>,
    /// Amounts of resources that are told whatever the machine has, because of a fault.
    pub(super) told: Vec<(Name, i64)>,
    /// Pressures that the eviction manager has observed.
    pub(super) pressures: Pressures,
}

/// Which resources are short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pressures {
    pub(super) memory: bool,
    pub(super) disk: bool,
    pub(super) pid: bool,
}

impl Pressures {
    /// Whether anything is short.
    pub(super) const fn any(self) -> bool {
        self.memory || self.disk || self.pid
    }
}

/// A condition that says whether a resource is short: its words when it is, and when it is not.
struct PressureWords {
    kind: Name,
    present: bool,
    words: [(&'static str, &'static str, &'static str); 2],
}

impl NodeReporter {
    /// What a process begins with that follows this one.
    pub(super) fn of_next_process(&self) -> Self {
        Self { told: self.told.clone(), ..Self::default() }
    }

    /// The conditions that are this kubelet's, as they should be, in the order in which they are set.
    fn conditions(&self, ready: bool, stamp: Timestamp) -> Vec<(Condition, &'static str)> {
        let pressures = [
            PressureWords {
                kind: *MEMORY_PRESSURE,
                present: self.pressures.memory,
                words: [
                    (
                        "KubeletHasSufficientMemory",
                        "kubelet has sufficient memory available",
                        "NodeHasSufficientMemory",
                    ),
                    (
                        "KubeletHasInsufficientMemory",
                        "kubelet has insufficient memory available",
                        "NodeHasInsufficientMemory",
                    ),
                ],
            },
            PressureWords {
                kind: *DISK_PRESSURE,
                present: self.pressures.disk,
                words: [
                    ("KubeletHasNoDiskPressure", "kubelet has no disk pressure", "NodeHasNoDiskPressure"),
                    ("KubeletHasDiskPressure", "kubelet has disk pressure", "NodeHasDiskPressure"),
                ],
            },
            PressureWords {
                kind: *PID_PRESSURE,
                present: self.pressures.pid,
                words: [
                    ("KubeletHasSufficientPID", "kubelet has sufficient PID available", "NodeHasSufficientPID"),
                    ("KubeletHasInsufficientPID", "kubelet has insufficient PID available", "NodeHasInsufficientPID"),
                ],
            },
        ];
        let mut conditions: Vec<(Condition, &'static str)> = pressures
            .into_iter()
            .map(|PressureWords { kind, present, words }| {
                let (reason, message, event) = words[usize::from(present)];
                (Condition::new(kind, present.into(), stamp).because(reason, message), event)
            })
            .collect();
        let (status, reason, message, event) = if self.shutting_down {
            (ConditionStatus::False, "KubeletNotReady", "node is shutting down", "NodeNotReady")
        } else if let Some(problem) = self.problem.as_deref().filter(|_| ready) {
            (ConditionStatus::False, "KubeletNotReady", problem, "NodeNotReady")
        } else if ready {
            (ConditionStatus::True, "KubeletReady", "kubelet is posting ready status", "NodeReady")
        } else {
            let text = "container runtime status check may not have completed yet";
            (ConditionStatus::False, "KubeletNotReady", text, "NodeNotReady")
        };
        conditions.push((Condition::new(*NODE_READY, status, stamp).because(reason, message), event));
        conditions
    }

    /// A status with this kubelet's conditions renewed, and the events that tell of those that changed.
    fn renew(&self, status: &NodeStatus, ready: bool, stamp: Timestamp) -> (NodeStatus, Vec<&'static str>) {
        let mut renewed = status.clone();
        renewed.images.clone_from(&self.images);
        renewed.volumes_in_use.clone_from(&self.volumes_in_use);
        for (resource, amount) in &self.told {
            renewed.allocatable = renewed.allocatable.with(*resource, *amount);
        }
        let mut events = Vec::new();
        for (mut wanted, event) in self.conditions(ready, stamp) {
            match renewed.conditions.iter_mut().find(|have| have.kind == wanted.kind) {
                Some(have) => {
                    if have.status == wanted.status {
                        wanted.last_transition_time = have.last_transition_time;
                    } else {
                        events.push(event);
                    }
                    *have = wanted;
                }
                None => {
                    // Readiness that was never known is no news.
                    if wanted.kind != *NODE_READY {
                        events.push(event);
                    }
                    renewed.conditions.push(wanted);
                }
            }
        }
        (renewed, events)
    }
}

impl Kubelet {
    /// The process has started: the node is registered at the first round that works.
    pub(super) fn begin_registration(&self, now: SimTime, out: &mut Outbox<Message>) {
        let mut draw = self.draws.draw(ROUND, self.stream, now.as_nanos());
        if draw.chance(0.5) {
            out.after(REGISTRATION_RETRY, self.message(KubeletMessage::Register { works: false }));
        }
        out.after(REGISTRATION, self.message(KubeletMessage::Register { works: true }));
    }

    /// A round of registration. What it finds is told each time, also when the round comes to nothing.
    pub(super) fn register(&mut self, now: SimTime, works: bool, out: &mut Outbox<Message>) {
        if self.reporter.registered {
            return;
        }
        let (_, events) = self.reporter.renew(&NodeStatus::default(), false, self.clock.at(now).truncated());
        self.tell_transitions(now, &events, out);
        if works {
            let target = Target { kind: Kind::Node, namespace: Name::default(), name: self.name };
            self.call_unlimited(Request::Get(target), PendingCall::NodeRead, out);
        }
    }

    /// The node as the server has it: it is created, or brought up to date.
    pub(super) fn node_read(&mut self, now: SimTime, response: Response, out: &mut Outbox<Message>) {
        match response {
            Ok(Object::Node(node)) => {
                self.reporter.registered = true;
                self.node_object = Some(node);
                self.count_beats_from(now);
                self.report_boot(now, out);
                self.report_node(now, true, out);
            }
            Err(error) if error.code == 404 => {
                let stamp = self.clock.at(now).truncated();
                let mut node = Node::clone(&self.template);
                node.status = Arc::new(self.reporter.renew(&node.status, false, stamp).0);
                self.reported_boot = self.boots;
                self.call_unlimited(Request::Create(Object::Node(Arc::new(node))), PendingCall::NodeCreated, out);
            }
            _ => out.after(REGISTRATION, self.message(KubeletMessage::Register { works: true })),
        }
    }

    /// The node has been created; it is ready as soon as the runtime has been looked at.
    pub(super) fn node_created(&mut self, now: SimTime, response: Response, out: &mut Outbox<Message>) {
        let Ok(Object::Node(node)) = response else {
            return out.after(REGISTRATION, self.message(KubeletMessage::Register { works: true }));
        };
        self.reporter.registered = true;
        self.node_object = Some(node);
        self.count_beats_from(now);
        let due = now + FAST_STATUS;
        self.reporter.planned = Some(due);
        out.after(FAST_STATUS, self.message(KubeletMessage::NodeBeat { due }));
    }

    /// A machine that runs under another boot than the one that was reported says so.
    fn report_boot(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        if self.reported_boot != self.boots {
            self.reported_boot = self.boots;
            let (name, boot) = (self.name, self.boots);
            let text = format!("Node {name} has been rebooted, boot id: {name}-boot-{boot}");
            self.tell_node(now, EventType::Warning, "Rebooted", &text, out);
        }
    }

    fn count_beats_from(&mut self, now: SimTime) {
        self.reporter.beat = self.started_at.uptime(now);
    }

    /// When the node's status was last written, of a server that was within reach until `then`: with the last news, and
    /// since then at the beat after each five minutes, the first time up to half as much sooner or later
    /// (`delayAfterNodeStatusChange`). Writes that say nothing but this time do not happen in a run.
    pub fn heartbeat(&self, then: SimTime) -> SimTime {
        let reported = self.reporter.reported;
        let beat = self.config.node_status_update_frequency;
        let every = self.config.node_status_report_frequency + beat.mul_ratio(100 + NODE_STATUS_JITTER / 2, 200);
        let half = self.config.node_status_report_frequency / 2;
        let mut draw = self.draws.draw(REPORT, self.stream, reported.as_nanos());
        let first = reported + every.saturating_sub(half) + draw.between(SimDuration::ZERO, half * 2);
        match then.since(first) {
            _ if then < first || every.is_zero() => reported,
            over => first + every * (over.as_nanos() / every.as_nanos()),
        }
    }

    /// The node's images, as its status lists them: the biggest fifty (`nodeStatusMaxImages`). Returns whether they are
    /// others than before.
    pub fn set_images(&mut self, images: impl IntoIterator<Item = ImageStats>) -> bool {
        let mut images: Vec<ImageStats> = images.into_iter().collect();
        images.sort_by_key(|image| (std::cmp::Reverse(image.size), image.name));
        let one = |image: ImageStats| NodeImage { names: [image.name].into_iter().collect(), size: image.size };
        let images: List<NodeImage> = images.into_iter().take(MOST_IMAGES).map(one).collect();
        let differs = self.reporter.images != images;
        self.reporter.images = images;
        differs
    }

    /// The node's images, as its status lists them.
    pub const fn images(&self) -> &List<NodeImage> {
        &self.reporter.images
    }

    /// Something about the node may have changed: it is reported at the next beat.
    pub(super) fn want_node_report(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        if self.reporter.planned.is_some() || !self.reporter.registered {
            return;
        }
        let uptime = self.started_at.uptime(now);
        while self.reporter.beat <= uptime {
            let period = self.config.node_status_update_frequency;
            let mut draw = self.draws.draw(BEAT, self.stream, self.reporter.beats);
            self.reporter.beat += draw.between(period, period + period.mul_ratio(NODE_STATUS_JITTER, 100));
            self.reporter.beats += 1;
        }
        let wait = self.reporter.beat.saturating_sub(uptime);
        self.reporter.planned = Some(now + wait);
        out.after(wait, self.message(KubeletMessage::NodeBeat { due: now + wait }));
    }

    /// A beat at which there is something to report.
    pub(super) fn node_beat(&mut self, now: SimTime, due: SimTime, out: &mut Outbox<Message>) {
        if self.reporter.planned == Some(due) {
            self.reporter.planned = None;
            self.report_node(now, true, out);
        }
    }

    /// Writes the node's status if it says anything new (`tryUpdateNodeStatus`).
    pub(super) fn report_node(&mut self, now: SimTime, ready: bool, out: &mut Outbox<Message>) {
        let Some(node) = self.node_object.clone() else { return };
        self.note_cordon(now, &node, out);
        self.reporter.volumes_in_use = self.volumes_in_use(now);
        self.reporter.problem = self.hindrances.problem(now);
        if self.condition_ages() {
            self.want_node_report(now, out);
        }
        let (status, events) = self.reporter.renew(&node.status, ready, self.clock.at(now).truncated());
        self.tell_transitions(now, &events, out);
        if status == *node.status {
            return;
        }
        let mut wanted = Node::clone(&node);
        wanted.status = Arc::new(status);
        wanted.meta.resource_version = 0;
        let request = Request::Update { object: Object::Node(Arc::new(wanted)), part: Part::Status };
        self.call_unlimited(request, PendingCall::NodeReported, out);
    }

    fn note_cordon(&mut self, now: SimTime, node: &Node, out: &mut Outbox<Message>) {
        if std::mem::replace(&mut self.reporter.unschedulable, node.unschedulable) != node.unschedulable {
            let event = if node.unschedulable { "NodeNotSchedulable" } else { "NodeSchedulable" };
            self.tell_transitions(now, &[event], out);
        }
    }

    /// The kubelet's own informer has a new version of the node.
    pub(super) fn node_watched(&mut self, now: SimTime, node: Option<Arc<Node>>, out: &mut Outbox<Message>) {
        let Some(node) = node else {
            self.node_object = None;
            return;
        };
        let stamp = self.clock.at(now).truncated();
        self.reporter.volumes_in_use = self.volumes_in_use(now);
        let stale = node.unschedulable != self.reporter.unschedulable
            || self.reporter.renew(&node.status, true, stamp).0 != *node.status;
        self.node_object = Some(node);
        self.see_attached(now, out);
        if stale {
            self.want_node_report(now, out);
        }
    }

    fn tell_transitions(&mut self, now: SimTime, events: &[&'static str], out: &mut Outbox<Message>) {
        for event in events {
            let text = self.transition(event);
            self.tell_node(now, EventType::Normal, event, &text, out);
        }
    }

    fn transition(&self, event: &str) -> String {
        format!("Node {} status is now: {event}", self.name)
    }

    fn about_node(&self, kind: EventType, reason: &str, text: &str) -> Told {
        let about = ObjectReference {
            kind: Kind::Node.name(),
            api_version: Kind::Node.api_version(),
            name: self.name,
            ..ObjectReference::default()
        };
        Told { about, kind, reason: Name::new(reason), message: text.into() }
    }

    /// Tells people something about the node.
    pub(super) fn tell_node(
        &mut self,
        now: SimTime,
        kind: EventType,
        reason: &str,
        text: &str,
        out: &mut Outbox<Message>,
    ) {
        let told = self.about_node(kind, reason, text);
        self.tell(now, told, out);
    }

    /// Calls the server where the pace of other calls does not matter: heartbeats have a client of their own.
    pub(super) fn call_unlimited(&mut self, request: Request, pending: PendingCall, out: &mut Outbox<Message>) {
        self.calls += 1;
        let id = self.calls;
        self.api_calls.insert(id, pending);
        out.now(Message::Call { client: Client::Kubelet(self.node), id, request: Box::new(request) });
    }

    /// The node is there already and its kubelet has run for a while: there is nothing to register.
    ///
    /// What its rounds of registration told counts still, should it be told again while people remember.
    pub(super) fn assume_registered(&mut self, now: SimTime) {
        self.reporter.registered = true;
        self.reporter.beat = REGISTRATION;
        let wall = self.clock.at(now);
        let (_, events) = self.reporter.renew(&NodeStatus::default(), false, wall.truncated());
        for event in events.iter().cycle().take(events.len() * ROUNDS) {
            let told = self.about_node(EventType::Normal, event, &self.transition(event));
            self.events.was_told(wall, told);
        }
    }
}
