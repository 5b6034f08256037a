//! The record of a run: every message delivered and every object changed, each with what led to it.
//!
//! A [`Fact`] is 64 bytes; versions of objects are shared with the store. Facts are numbered in order, and the number
//! of its cause is always smaller than a fact's own. The record of a live run and one read back from a file are the
//! same type, so everything that is told of a run is told of its record alone.

use super::subject::{Subject, SubjectId, Subjects};
use super::view::{EventView, NodeView, PodView, RuntimeView};
use crate::api::{Name, Object, Text, WallClock, WallTime};
use crate::components::message::NodeIndex;
use crate::engine::SimTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// The place of a fact in its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FactId(u32);

impl FactId {
    /// The first fact: the cluster is there. It has no cause, and everything that happens by itself has it as cause.
    pub const BOOT: Self = Self(0);
    /// No fact.
    pub(super) const NONE: Self = Self(u32::MAX);

    /// The id of the n-th fact, counted from zero.
    ///
    /// # Panics
    /// From 2³² − 1 facts on.
    pub fn new(place: usize) -> Self {
        let id = u32::try_from(place).expect("fewer than 2^32 facts in a record");
        assert!(id != u32::MAX, "a record holds fewer than 2^32 - 1 facts");
        Self(id)
    }

    /// Its place: `seq` in files.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What sort of thing happened.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::EnumCount,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum FactKind {
    /// The cluster is there.
    Boot,
    /// The record ends.
    End,
    /// A user, or fate, acts.
    Action,
    /// A call reaches the API server.
    Call,
    /// The server's answer reaches the caller.
    Reply,
    /// An object has a new version, is new or is gone.
    Change,
    /// A watch notification reaches a watcher.
    Watch,
    /// Something within a kubelet.
    Kubelet,
    /// A kubelet's call reaches its runtime.
    Cri,
    /// The runtime's answer reaches the kubelet.
    CriDone,
    /// What the runtime knows of a pod changed.
    RuntimeChanged,
    /// The runtime has nothing of a pod any more.
    RuntimeForgot,
    /// A request over the pod network arrives.
    Net,
    /// Its answer reaches whoever asked.
    NetDone,
    /// Something within a runtime.
    Runtime,
    /// Something within the scheduler.
    Scheduler,
    /// Something within a controller.
    Controller,
}

impl FactKind {
    /// Its name in files.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Who does something or is told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// The scenario: users and fate.
    User,
    /// The API server.
    ApiServer,
    /// The scheduler.
    Scheduler,
    /// The controllers.
    ControllerManager,
    /// Programs in containers.
    Workload,
    /// The cluster autoscaler.
    Autoscaler,
    /// A component of a user of the library.
    Extension(u16),
    /// The kubelet of a node.
    Kubelet(NodeIndex),
    /// The container runtime of a node.
    Runtime(NodeIndex),
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Fact {
    /// When.
    pub time: SimTime,
    /// What led to it.
    pub(super) cause: FactId,
    /// What it is about.
    pub(super) subject: SubjectId,
    /// Who does it or is told of it.
    pub actor: Actor,
    /// What sort of thing it is.
    pub kind: FactKind,
    /// What it is, in one word: a verb of the API, a call of the runtime, a change, the name of a message.
    pub what: &'static str,
    /// A container, an image, a node or a sub-resource that it is about, beside the object.
    pub part: Name,
    /// What else is known.
    pub detail: Detail,
}

/// What is known of a fact beside its names.
#[derive(Debug, Clone)]
pub enum Detail {
    /// Nothing.
    None,
    /// A number: of a container's instance, an exit code, a resource version.
    Number(i64),
    /// Why something failed.
    Failure(Arc<Failure>),
    /// What a runtime knows of a pod.
    Runtime(Arc<RuntimeView>),
    /// The version that a change left, as the store has it.
    Version(Object),
    /// The same as JSON, read from a file.
    Read(Arc<Value>),
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In one word.
    pub reason: Name,
    /// For people.
    pub message: Text,
}

impl Fact {
    /// What led to it; nothing led to the start and to what the scenario does.
    pub fn cause(&self) -> Option<FactId> {
        (self.cause != FactId::NONE).then_some(self.cause)
    }

    /// The object that it is about.
    pub fn subject(&self) -> Option<SubjectId> {
        self.subject.known()
    }

    /// Whether it is a change that brings an object, as a watch would say `ADDED`.
    pub fn is_added(&self) -> bool {
        self.kind == FactKind::Change && self.what == "ADDED"
    }

    /// Whether it is a change that removes an object.
    pub fn is_deleted(&self) -> bool {
        self.kind == FactKind::Change && self.what == "DELETED"
    }

    /// Whether it tells of the version that a change left.
    pub const fn has_object(&self) -> bool {
        matches!(self.detail, Detail::Version(_) | Detail::Read(_))
    }

    /// The version that a change left, as `kubectl get -o json` prints it.
    pub fn object(&self) -> Option<Cow<'_, Value>> {
        match &self.detail {
            Detail::Version(object) => Some(Cow::Owned(crate::api::render(object))),
            Detail::Read(value) => Some(Cow::Borrowed(value)),
            Detail::None | Detail::Number(_) | Detail::Failure(_) | Detail::Runtime(_) => None,
        }
    }

    /// What a change says of a pod.
    pub fn pod(&self) -> Option<PodView> {
        match &self.detail {
            Detail::Version(Object::Pod(pod)) => Some(PodView::of(pod)),
            Detail::Read(value) if value["kind"] == "Pod" => Some(PodView::read(value)),
            _ => None,
        }
    }

    /// What a change says of a node.
    pub fn node(&self) -> Option<NodeView> {
        match &self.detail {
            Detail::Version(Object::Node(node)) => Some(NodeView::of(node)),
            Detail::Read(value) if value["kind"] == "Node" => Some(NodeView::read(value)),
            _ => None,
        }
    }

    /// What a change says of a Kubernetes Event.
    pub fn event(&self) -> Option<EventView> {
        match &self.detail {
            Detail::Version(Object::Event(event)) => Some(EventView::of(event)),
            Detail::Read(value) if value["kind"] == "Event" => Some(EventView::read(value)),
            _ => None,
        }
    }

    /// What a runtime knows of a pod.
    pub fn runtime(&self) -> Option<&RuntimeView> {
        match &self.detail {
            Detail::Runtime(view) => Some(view),
            _ => None,
        }
    }

    /// Why a call failed.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.detail {
            Detail::Failure(failure) => Some(failure),
            _ => None,
        }
    }

    /// The number of an instance, an exit code or a resource version, where the fact has one.
    pub fn number(&self) -> Option<i64> {
        match self.detail {
            Detail::Number(number) => Some(number),
            _ => None,
        }
    }
}

/// Everything that happened in a run, in order.
#[derive(Debug, Clone)]
pub struct TraceRecord {
    pub(super) facts: Vec<Fact>,
    pub(super) subjects: Subjects,
    pub(super) nodes: Vec<Name>,
    pub(super) start: WallTime,
    pub(super) recorder: super::recorder::Recorder,
    /// The hashes of changes that were read from a file.
    pub(super) hashes: crate::api::FastMap<FactId, u64>,
}

impl TraceRecord {
    /// All facts, in order.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// A fact.
    pub fn fact(&self, id: FactId) -> &Fact {
        &self.facts[id.index()]
    }

    /// All facts with their ids, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (FactId, &Fact)> + ExactSizeIterator {
        self.facts.iter().enumerate().map(|(place, fact)| (FactId::new(place), fact))
    }

    /// The changes of objects, in order.
    pub fn changes(&self) -> impl Iterator<Item = (FactId, &Fact)> {
        self.iter().filter(|(_, fact)| fact.kind == FactKind::Change)
    }

    /// Every object that the facts are about, in order of its first mention.
    pub fn subjects(&self) -> impl ExactSizeIterator<Item = (SubjectId, &Subject)> {
        self.subjects.iter()
    }

    /// An object that facts are about.
    pub fn subject(&self, id: SubjectId) -> &Subject {
        self.subjects.get(id)
    }

    /// The name of an actor, such as `scheduler` or `kubelet/node-1`.
    pub fn actor(&self, actor: Actor) -> String {
        match actor {
            Actor::User => "user".to_owned(),
            Actor::ApiServer => "apiserver".to_owned(),
            Actor::Scheduler => "scheduler".to_owned(),
            Actor::ControllerManager => "controller-manager".to_owned(),
            Actor::Workload => "workload".to_owned(),
            Actor::Autoscaler => "cluster-autoscaler".to_owned(),
            Actor::Extension(place) => format!("extension/{place}"),
            Actor::Kubelet(node) => format!("kubelet/{}", self.nodes[node.index()]),
            Actor::Runtime(node) => format!("runtime/{}", self.nodes[node.index()]),
        }
    }

    /// The clock of the control plane: what virtual times are on the wall.
    pub const fn clock(&self) -> WallClock {
        WallClock::starting_at(self.start)
    }

    /// The last instant that the record knows of.
    pub fn end(&self) -> SimTime {
        self.facts.last().map_or(SimTime::ZERO, |fact| fact.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_small() {
        assert!(size_of::<Detail>() <= 16, "{}", size_of::<Detail>());
        assert!(size_of::<Fact>() <= 64, "{}", size_of::<Fact>());
    }
}
