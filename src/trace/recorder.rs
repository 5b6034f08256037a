//! From messages and changes to facts, while they happen.

use super::record::{Actor, Detail, Fact, FactId, FactKind, Failure, TraceRecord};
use super::subject::{SubjectId, Subjects};
use super::view::RuntimeView;
use crate::api::{Change, ContainerId, FastMap, Kind, Name, Part, Request, Response, Target, Uid};
use crate::components::cri::VolumeKey;
use crate::components::cri::{CriCall, CriReply, CriResult, PodKey};
use crate::components::kubelet::KubeletMessage;
use crate::components::message::{Client, Message, NodeIndex};
use crate::components::net::NetClient;
use crate::components::runtime::RuntimeMessage;
use crate::engine::SimTime;
use crate::scenario::plan::{Action, ActionTarget, Drain};
use crate::simulation::{Cluster, Trace};
use std::sync::Arc;

/// What must be remembered to tell the next fact.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorder {
    /// In whose handling each message was sent, by the queue's number for the message.
    senders: Vec<FactId>,
    /// The change behind each resource version.
    versions: Vec<FactId>,
    /// The pods of the API, by their keys at the nodes.
    pods: Vec<SubjectId>,
    /// The pods that only a node has.
    static_pods: FastMap<(NodeIndex, PodKey), SubjectId>,
    /// Calls to runtimes that are not answered.
    calls: FastMap<(NodeIndex, u32), FactId>,
    /// Container instances, by identity: container and number.
    instances: FastMap<ContainerId, (Name, u32)>,
}

impl TraceRecord {
    /// A record of a cluster that nothing has happened to.
    pub fn of(cluster: &Cluster) -> Self {
        let mut record = Self {
            facts: Vec::new(),
            subjects: Subjects::new(),
            nodes: cluster.kubelets().iter().map(|kubelet| kubelet.name()).collect(),
            start: cluster.server().clock().at(SimTime::ZERO),
            recorder: Recorder::default(),
            hashes: FastMap::default(),
        };
        record.push(SimTime::ZERO, FactId::NONE, Actor::User, Told::new(FactKind::Boot, "Boot"));
        for object in Kind::ALL.iter().flat_map(|kind| cluster.server().store().list(*kind)) {
            let change = Change { kind: crate::api::ChangeKind::Added, object };
            record.change(SimTime::ZERO, FactId::BOOT, &change);
        }
        record
    }

    /// The record ends: nothing more happened until an instant.
    pub fn finish(&mut self, now: SimTime) {
        if self.facts.last().is_none_or(|fact| fact.kind != FactKind::End) {
            self.push(now, FactId::NONE, Actor::User, Told::new(FactKind::End, "End"));
        }
    }

    fn push(&mut self, time: SimTime, cause: FactId, actor: Actor, told: Told) -> FactId {
        let id = FactId::new(self.facts.len());
        let Told { kind, what, subject, part, detail } = told;
        self.facts.push(Fact { time, cause, subject, actor, kind, what, part, detail });
        id
    }

    fn change(&mut self, now: SimTime, cause: FactId, change: &Change) {
        let meta = change.object.meta();
        let kind = match change.object.kind() {
            Kind::Other => change.object.kind_name(),
            kind => self.subjects.kind(kind),
        };
        let subject = self.subjects.seen(kind, meta.namespace, meta.name, meta.uid);
        if change.kind == crate::api::ChangeKind::Deleted {
            self.subjects.gone(subject);
        }
        if change.object.kind() == Kind::Pod {
            set(&mut self.recorder.pods, meta.index as usize, subject, SubjectId::NONE);
        }
        let version = meta.resource_version as usize;
        let told = Told { subject, detail: Detail::Version(change.object.clone()), ..Told::change(change) };
        let id = self.push(now, cause, Actor::ApiServer, told);
        set(&mut self.recorder.versions, version, id, FactId::NONE);
    }

    fn pod(&self, node: NodeIndex, key: PodKey) -> SubjectId {
        let known = if key.is_static() {
            self.recorder.static_pods.get(&(node, key))
        } else {
            self.recorder.pods.get(key.bits() as usize)
        };
        known.copied().unwrap_or(SubjectId::NONE)
    }

    fn target(&mut self, target: &Target) -> SubjectId {
        let kind = self.subjects.kind(target.kind);
        self.subjects.named(kind, target.namespace, target.name)
    }

    fn action(&mut self, action: &Action) -> Told {
        let mut told = Told::new(FactKind::Action, action.into());
        match action {
            Action::Create(object) => told.subject = self.wanted(object),
            Action::Apply(applied) => told.subject = self.wanted(&applied.object),
            Action::Delete { target, .. }
            | Action::Patch { target, .. }
            | Action::SetImage { target, .. }
            | Action::Rollout { target, .. }
            | Action::Expose { target, .. }
            | Action::Exec { target, .. }
            | Action::Copy { target, .. }
            | Action::Evict { target, .. } => {
                told.subject = self.matching(target);
            }
            Action::Taint { node, .. }
            | Action::Drain(Drain { node, .. })
            | Action::KillKubelet(node)
            | Action::StartKubelet(node)
            | Action::RestartKubelet { node, .. }
            | Action::PowerOff(node)
            | Action::PowerOn(node)
            | Action::StartNode(node)
            | Action::ShutdownNode(node)
            | Action::CancelShutdown(node) => {
                let kind = self.subjects.kind(Kind::Node);
                told.subject = self.subjects.named(kind, Name::default(), *node);
            }
            Action::WriteStaticPod { node, pod } => {
                told.subject = self.wanted(pod);
                told.part = *node;
            }
            Action::RemoveStaticPod { node, name } => {
                let kind = self.subjects.kind(Kind::Pod);
                told.subject = self.subjects.named(kind, Name::new("default"), *name);
                told.part = *node;
            }
        }
        told
    }

    /// The object that an action is about; its name may be a pattern.
    fn matching(&mut self, target: &ActionTarget) -> SubjectId {
        let kind = self.subjects.kind(target.kind);
        self.subjects.named(kind, target.namespace, Name::new(target.name.as_str()))
    }

    /// An object that is about to be made; one that the server will name goes by the beginning of its name.
    fn wanted(&mut self, object: &crate::api::Object) -> SubjectId {
        let meta = object.meta();
        let kind = match object.kind() {
            Kind::Other => object.kind_name(),
            kind => self.subjects.kind(kind),
        };
        if !meta.name.is_empty() || meta.generate_name.is_empty() {
            return self.subjects.wanted(kind, meta.namespace, meta.name);
        }
        let name = Name::new(&format!("{}*", meta.generate_name));
        self.subjects.named(kind, meta.namespace, name)
    }

    fn call(&mut self, request: &Request) -> Told {
        let mut told = Told::new(FactKind::Call, request.into());
        match request {
            Request::Get(target) | Request::Amend { target, .. } | Request::Delete { target, .. } => {
                told.subject = self.target(target)
            }
            Request::Create(object) => told.subject = self.wanted(object),
            Request::Update { object, part } => {
                told.subject = self.target(&Target::of(object));
                told.part = sub_resource(*part);
            }
            Request::Patch { target, part, .. } => {
                told.subject = self.target(target);
                told.part = sub_resource(*part);
            }
            Request::Bind { namespace, name, uid, node } => {
                let kind = self.subjects.kind(Kind::Pod);
                told.subject = self.known(*uid).unwrap_or_else(|| self.subjects.named(kind, *namespace, *name));
                told.part = *node;
            }
            Request::PodMetrics { namespace, .. } | Request::Metric { namespace, .. } => {
                let kind = self.subjects.kind(Kind::Namespace);
                told.subject = self.subjects.named(kind, Name::default(), *namespace);
            }
            Request::Evict { namespace, name, .. } => {
                let kind = self.subjects.kind(Kind::Pod);
                told.subject = self.subjects.named(kind, *namespace, *name);
            }
        }
        told
    }

    fn known(&self, uid: Uid) -> Option<SubjectId> {
        self.subjects.of(uid)
    }

    fn reply(&mut self, cause: FactId, response: &Response) -> Told {
        let mut told = Told::new(FactKind::Reply, "ok");
        (told.subject, told.part) = self.inherited(cause);
        match response {
            Ok(object) => told.subject = self.known(object.meta().uid).unwrap_or(told.subject),
            Err(error) => {
                told.what = error.reason.into();
                let failure = Failure { reason: Name::new(told.what), message: error.message.clone() };
                told.detail = Detail::Failure(Arc::new(failure));
            }
        }
        told
    }

    /// What the cause was about, for messages that do not say it themselves.
    fn inherited(&self, cause: FactId) -> (SubjectId, Name) {
        let cause = self.facts.get(cause.index());
        cause.map_or((SubjectId::NONE, Name::default()), |cause| (cause.subject, cause.part))
    }

    /// Something about what its cause was about.
    fn passed_on(&self, cause: FactId, kind: FactKind, what: &'static str) -> Told {
        let (subject, part) = self.inherited(cause);
        Told { subject, part, ..Told::new(kind, what) }
    }

    fn kubelet(&self, node: NodeIndex, cause: FactId, message: &KubeletMessage) -> Told {
        let mut told = Told::new(FactKind::Kubelet, message.into());
        match message {
            KubeletMessage::HandlerTimer { .. } => (told.subject, told.part) = self.inherited(cause),
            message => told.subject = message.pod().map_or(SubjectId::NONE, |key| self.pod(node, key)),
        }
        if let KubeletMessage::StopTimer { container: id, .. } | KubeletMessage::ProbeNews { id, .. } = message {
            told.part = self.instance(*id).0;
        }
        told
    }

    fn instance(&self, id: ContainerId) -> (Name, u32) {
        self.recorder.instances.get(&id).copied().unwrap_or_default()
    }

    fn cri(&mut self, node: NodeIndex, cause: FactId, call: &CriCall) -> Told {
        let mut told = Told::new(FactKind::Cri, call.into());
        if let CriCall::RunPodSandbox { pod, key, .. } = call
            && key.is_static()
        {
            let kind = self.subjects.kind(Kind::Pod);
            let subject = self.subjects.seen(kind, pod.meta.namespace, pod.meta.name, pod.meta.uid);
            self.recorder.static_pods.insert((node, *key), subject);
        }
        told.subject = call.pod().map_or_else(|| self.inherited(cause).0, |key| self.pod(node, key));
        match call {
            CriCall::RunPodSandbox { attempt, .. } => told.detail = Detail::Number(i64::from(*attempt)),
            CriCall::StopPodSandbox { .. }
            | CriCall::RemovePodSandbox { .. }
            | CriCall::PodSandboxStats { .. }
            | CriCall::UpdatePodSandboxResources { .. } => {}
            CriCall::PullImage { image, .. } | CriCall::ImageStatus { image } | CriCall::RemoveImage { image } => {
                told.part = *image;
            }
            CriCall::CreateContainer { config, .. } => {
                told.part = config.name;
                told.detail = Detail::Number(i64::from(config.attempt));
            }
            CriCall::StartContainer { container, .. }
            | CriCall::StopContainer { container, .. }
            | CriCall::RemoveContainer { container, .. }
            | CriCall::ExecSync { container, .. }
            | CriCall::UpdateContainerResources { container, .. } => {
                let (name, attempt) = self.instance(*container);
                told.part = name;
                told.detail = Detail::Number(i64::from(attempt));
            }
        }
        told
    }

    fn cri_done(&mut self, node: NodeIndex, id: u32, result: &CriResult) -> Told {
        let mut told = Told::new(FactKind::CriDone, "");
        if let Some(call) = self.recorder.calls.remove(&(node, id)) {
            let call = self.fact(call);
            (told.what, told.subject, told.part) = (call.what, call.subject, call.part);
        }
        told.detail = match result {
            Ok(CriReply::Exec { exit_code, .. }) => Detail::Number(i64::from(*exit_code)),
            Ok(CriReply::Container(id)) => {
                let (_, attempt) = self.instance(*id);
                Detail::Number(i64::from(attempt))
            }
            Ok(CriReply::Image { size, .. }) => Detail::Number(*size),
            Ok(CriReply::Done | CriReply::NoImage | CriReply::Memory(_) | CriReply::Sandbox { .. }) => Detail::None,
            Err(error) => Detail::Failure(Arc::new(Failure { reason: error.code, message: error.message.clone() })),
        };
        told
    }

    fn runtime(&self, node: NodeIndex, cause: FactId, message: &RuntimeMessage) -> Told {
        let mut told = Told::new(FactKind::Runtime, message.into());
        match message {
            RuntimeMessage::StepDone { .. } | RuntimeMessage::ExecDone { .. } | RuntimeMessage::NetAnswer { .. } => {
                (told.subject, told.part) = self.inherited(cause)
            }
            RuntimeMessage::ProgramEnd { key, container, exit, .. } => {
                told.subject = self.pod(node, *key);
                told.part = self.instance(*container).0;
                told.detail = Detail::Number(i64::from(exit.code));
            }
            RuntimeMessage::OutOfMemory { .. } => {}
            RuntimeMessage::OverLimit { key, .. } => told.subject = self.pod(node, *key),
            RuntimeMessage::Kill { key, container, .. }
            | RuntimeMessage::Crash { key, container, .. }
            | RuntimeMessage::LateSignal { key, container }
            | RuntimeMessage::Resume { key, container, .. } => {
                told.subject = self.pod(node, *key);
                told.part = self.instance(*container).0;
            }
        }
        told
    }

    fn watch(&self, cause: FactId, change: &Change) -> (FactId, Told) {
        let version = change.object.meta().resource_version;
        let behind = self.recorder.versions.get(version as usize).filter(|id| **id != FactId::NONE);
        let subject = behind.map_or(SubjectId::NONE, |id| self.fact(*id).subject);
        let told = Told {
            subject,
            detail: Detail::Number(version as i64),
            ..Told::new(FactKind::Watch, change.kind.as_str())
        };
        (behind.copied().unwrap_or(cause), told)
    }
}

impl Trace for TraceRecord {
    fn delivered(&mut self, now: SimTime, seq: u64, message: &Message, cluster: &Cluster) {
        let mut cause = self.recorder.senders.get(seq as usize).copied().unwrap_or(FactId::BOOT);
        let (actor, told) = match message {
            Message::Call { request, .. } | Message::Turn { request, .. } => (Actor::ApiServer, self.call(request)),
            Message::Reply { client, response, .. } => (Actor::of(*client), self.reply(cause, response)),
            Message::Evicting { .. } => (Actor::ApiServer, self.passed_on(cause, FactKind::Call, "evicting")),
            Message::LeaseEnds(_) => (Actor::ApiServer, Told::new(FactKind::Call, "lease ends")),
            Message::Watch { client, change } => {
                let (behind, told) = self.watch(cause, change);
                cause = behind;
                (Actor::of(*client), told)
            }
            Message::Kubelet(node, message) => (Actor::Kubelet(*node), self.kubelet(*node, cause, message)),
            Message::Cri { node, id, call } => {
                let told = self.cri(*node, cause, call);
                self.recorder.calls.insert((*node, *id), FactId::new(self.facts.len()));
                (Actor::Runtime(*node), told)
            }
            Message::CriDone { node, id, result } => (Actor::Kubelet(*node), self.cri_done(*node, *id, result)),
            Message::RuntimeChanged { node, pod } => {
                for instance in &pod.containers {
                    self.recorder.instances.entry(instance.id).or_insert((instance.name, instance.attempt));
                }
                let told = Told {
                    subject: self.pod(*node, pod.key),
                    detail: Detail::Runtime(Arc::new(RuntimeView::of(pod))),
                    ..Told::new(FactKind::RuntimeChanged, "RuntimeChanged")
                };
                (Actor::Kubelet(*node), told)
            }
            Message::RuntimeForgot { node, key } => {
                let subject = self.pod(*node, *key);
                (Actor::Kubelet(*node), Told { subject, ..Told::new(FactKind::RuntimeForgot, "RuntimeForgot") })
            }
            Message::Runtime(node, message) => (Actor::Runtime(*node), self.runtime(*node, cause, message)),
            Message::VolumeWritten { node, volume, .. } => {
                let mut told = Told::new(FactKind::Runtime, "VolumeWritten");
                if let VolumeKey::Pod { pod, name } = volume {
                    (told.subject, told.part) = (self.pod(*node, *pod), *name);
                }
                (Actor::Runtime(*node), told)
            }
            Message::VolumesRemoved { node, pod } => {
                let subject = self.pod(*node, *pod);
                (Actor::Runtime(*node), Told { subject, ..Told::new(FactKind::Runtime, "VolumesRemoved") })
            }
            Message::UsageChanged(node) => (Actor::Runtime(*node), Told::new(FactKind::Runtime, "UsageChanged")),
            Message::Net { client, request, .. } => {
                (Actor::Runtime(client.node()), self.passed_on(cause, FactKind::Net, (&request.ask).into()))
            }
            Message::NetDone { client, reply, .. } => {
                let actor = match client {
                    NetClient::Kubelet(node) => Actor::Kubelet(*node),
                    NetClient::Containers(node) => Actor::Runtime(*node),
                };
                (actor, self.passed_on(cause, FactKind::NetDone, (&reply.answer).into()))
            }
            Message::Scheduler(_, message) => (Actor::Scheduler, Told::new(FactKind::Scheduler, message.into())),
            Message::Controller(_, message) => {
                (Actor::ControllerManager, Told::new(FactKind::Controller, message.into()))
            }
            Message::Autoscaler(message) => (Actor::Autoscaler, Told::new(FactKind::Controller, message.into())),
            Message::Extension(place, _) => (Actor::Extension(*place), Told::new(FactKind::Controller, "Timer")),
            Message::Traffic(message) => (Actor::Workload, Told::new(FactKind::Net, message.into())),
            Message::User(message) => (Actor::User, Told::new(FactKind::Action, message.into())),
            Message::Fault(message) => {
                let mut told = Told::new(FactKind::Action, cluster.word_of(now, message));
                let (name, node) = cluster.fault_of(message);
                told.part = name;
                if let Some(node) = node {
                    let kind = self.subjects.kind(Kind::Node);
                    told.subject = self.subjects.named(kind, Name::default(), node);
                }
                (Actor::User, told)
            }
            Message::Act(place) => {
                cause = FactId::NONE;
                (Actor::User, self.action(&cluster.plan().actions[*place as usize].action))
            }
        };
        self.push(now, cause, actor, told);
    }

    fn sent(&mut self, seq: u64, _: u64) {
        let sender = self.handled();
        set(&mut self.recorder.senders, seq as usize, sender, FactId::BOOT);
    }

    fn changed(&mut self, now: SimTime, _: u64, change: &Change, _: &Cluster) {
        let cause = self.handled();
        self.change(now, cause, change);
    }
}

impl TraceRecord {
    /// The message that is being handled: the last fact that is no change.
    fn handled(&self) -> FactId {
        let last = self.facts.iter().rposition(|fact| fact.kind != FactKind::Change).expect("a record begins at boot");
        FactId::new(last)
    }
}

impl Actor {
    fn of(client: Client) -> Self {
        match client {
            Client::Scheduler => Self::Scheduler,
            Client::ControllerManager => Self::ControllerManager,
            Client::Kubelet(node) => Self::Kubelet(node),
            Client::Workload => Self::Workload,
            Client::User => Self::User,
            Client::Autoscaler => Self::Autoscaler,
            Client::ApiServer => Self::ApiServer,
            Client::Extension(place) => Self::Extension(place),
        }
    }
}

/// A fact before it has a time, a cause and an actor.
struct Told {
    kind: FactKind,
    what: &'static str,
    subject: SubjectId,
    part: Name,
    detail: Detail,
}

impl Told {
    fn new(kind: FactKind, what: &'static str) -> Self {
        Self { kind, what, subject: SubjectId::NONE, part: Name::default(), detail: Detail::None }
    }

    fn change(change: &Change) -> Self {
        Self::new(FactKind::Change, change.kind.as_str())
    }
}

/// Writes an entry of a list that grows as needed.
fn set<T: Copy>(list: &mut Vec<T>, place: usize, value: T, none: T) {
    if list.len() <= place {
        list.resize(place + 1, none);
    }
    list[place] = value;
}

/// The part of an object that a call is about, as in its path.
fn sub_resource(part: Part) -> Name {
    Name::new(match part {
        Part::Main => "",
        Part::Status => "status",
        Part::Resize => "resize",
        Part::EphemeralContainers => "ephemeralcontainers",
        Part::Scale => "scale",
    })
}
