//! What became of a pod.

use super::container::{self, ContainerLife, Look, Mark, MarkKind};
use super::milestones::{Milestones, first};
use super::{Span, Track};
use crate::api::{Name, Text, Uid};
use crate::engine::SimTime;
use crate::trace::{EventView, Fact, FactId, FactKind, PodView, Role, Subject, SubjectId};

/// What became of one incarnation of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodLife {
    /// The object in the record.
    pub subject: SubjectId,
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// Its identity.
    pub uid: Uid,
    /// Its node; empty if it was never bound.
    pub node: Name,
    /// Kind and name of the object that manages it.
    pub owner: Option<(Name, Name)>,
    /// How far it got when.
    pub milestones: Milestones,
    /// Its phases.
    pub phases: Vec<Span<Name>>,
    /// When its condition `Ready` was true.
    pub ready: Vec<Span<()>>,
    /// When it was being deleted.
    pub terminating: Vec<Span<()>>,
    /// Its containers, as the spec lists them.
    pub containers: Vec<ContainerLife>,
    /// What was said of it.
    pub events: Vec<Said>,
    /// How often its containers were started again, in all.
    pub restarts: u32,
    /// When it was gone, if it is.
    pub gone: Option<SimTime>,
    /// Its last version.
    pub last: FactId,
    /// The reason of its status, if it has one.
    pub reason: Name,
}

/// A Kubernetes Event about a pod, each time that it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// When the API server stored it.
    pub at: SimTime,
    /// The fact that says so.
    pub fact: FactId,
    /// Whether it is a warning.
    pub warning: bool,
    /// Why, in one word.
    pub reason: Name,
    /// Why, for people.
    pub message: Text,
    /// The container that it is about; empty if it is about the whole pod.
    pub container: Name,
    /// How often it was said by then.
    pub count: u32,
}

impl PodLife {
    /// `namespace/name`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The phase that it had last.
    pub fn phase(&self) -> Name {
        self.phases.last().map_or_else(Name::default, |span| span.what)
    }

    /// How it is at the end, about as kubectl's STATUS says it: the outcome, or what a container waits for.
    pub fn status(&self) -> &'static str {
        let outcome = self.outcome();
        let waits = |container: &ContainerLife| match container.spans.last()?.what {
            Look::Waiting(reason) => Some(reason.as_str()),
            Look::Pulling | Look::Running { .. } | Look::Stopping { .. } | Look::Ended(_) => None,
        };
        match outcome {
            "Pending" | "Running" => self.containers.iter().find_map(waits).unwrap_or(outcome),
            outcome => outcome,
        }
    }

    /// How it ended, in one word: the phase that it reached by itself or the reason for it, `Deleted` or `Terminating`
    /// if it was deleted before, else its phase at the end.
    pub fn outcome(&self) -> &'static str {
        let last = self.phases.last();
        let phase = last.map_or("Unknown", |span| span.what.as_str());
        let deleted = self.terminating.first().map(|span| span.from);
        let by_itself = last.is_some_and(|span| deleted.is_none_or(|deleted| span.from <= deleted));
        match phase {
            "Succeeded" | "Failed" if by_itself => {
                if self.reason.is_empty() {
                    phase
                } else {
                    self.reason.as_str()
                }
            }
            _ if self.gone.is_some() => "Deleted",
            _ if deleted.is_some() => "Terminating",
            _ => phase,
        }
    }
}

/// A pod while the record is read.
#[derive(Debug)]
pub(super) struct Builder {
    life: PodLife,
    phases: Track<Name>,
    ready: Track<()>,
    terminating: Track<()>,
    containers: Vec<container::Builder>,
    /// The regular containers whose creation was asked for.
    creating: Vec<Name>,
}

impl Builder {
    pub(super) fn new(id: SubjectId, subject: &Subject, now: SimTime) -> Self {
        let life = PodLife {
            subject: id,
            namespace: subject.namespace,
            name: subject.name,
            uid: subject.uid,
            node: Name::default(),
            owner: None,
            milestones: Milestones { created: Some(now), ..Milestones::default() },
            phases: Vec::new(),
            ready: Vec::new(),
            terminating: Vec::new(),
            containers: Vec::new(),
            events: Vec::new(),
            restarts: 0,
            gone: None,
            last: FactId::BOOT,
            reason: Name::default(),
        };
        Self {
            life,
            phases: Track::default(),
            ready: Track::default(),
            terminating: Track::default(),
            containers: Vec::new(),
            creating: Vec::new(),
        }
    }

    /// The pod has a new version.
    pub(super) fn changed(&mut self, id: FactId, fact: &Fact, view: &PodView) {
        let (now, gone) = (fact.time, fact.is_deleted());
        let life = &mut self.life;
        life.last = id;
        life.owner = view.owner;
        life.restarts = life.restarts.max(view.restarts());
        life.reason = view.reason;
        let stones = &mut life.milestones;
        if !view.node.is_empty() {
            life.node = view.node;
            first(&mut stones.scheduled, now);
        }
        if view.is_true("Initialized") {
            first(&mut stones.initialized, now);
        }
        let ready = view.is_true("Ready") && !gone;
        if ready {
            first(&mut stones.ready, now);
        }
        if view.is_terminal() || gone {
            first(&mut stones.terminated, now);
        }
        if gone {
            life.gone = Some(now);
        }
        self.phases.set(now, (!gone).then_some(view.phase), id);
        self.ready.set(now, ready.then_some(()), id);
        self.terminating.set(now, (view.terminating && !gone).then_some(()), id);
        for (place, container) in view.containers.iter().enumerate() {
            if !self.containers.iter().any(|known| known.is(container.name.as_str())) {
                self.containers.insert(place.min(self.containers.len()), container::Builder::new(container));
            }
            let bound = !view.node.is_empty();
            if let Some(known) = self.named(container.name) {
                known.told(now, id, container, bound, gone);
            }
        }
    }

    fn named(&mut self, name: Name) -> Option<&mut container::Builder> {
        self.containers.iter_mut().find(|container| container.is(name.as_str()))
    }

    /// Something else happened that is about the pod.
    pub(super) fn saw(&mut self, id: FactId, fact: &Fact) {
        let now = fact.time;
        match (fact.kind, fact.what) {
            (FactKind::RuntimeChanged, _) => self.ran(id, fact),
            (FactKind::Cri, "PullImage") => {
                if let Some(container) = self.containers.iter_mut().find(|container| container.may_pull(fact.part)) {
                    container.pulls(now, id, true);
                }
            }
            (FactKind::CriDone, "PullImage") => {
                let pulling =
                    |container: &&mut container::Builder| container.is_pulling() && container.image == fact.part;
                if let Some(container) = self.containers.iter_mut().find(pulling) {
                    container.pulls(now, id, false);
                }
            }
            (FactKind::Cri, "StopContainer") => {
                if let Some(container) = self.named(fact.part) {
                    container.stops(now, id);
                }
            }
            (FactKind::Cri, "CreateContainer") => self.creates(now, fact.part),
            _ => {}
        }
    }

    fn creates(&mut self, now: SimTime, name: Name) {
        if self.named(name).is_some_and(|container| container.role == Role::Regular) && !self.creating.contains(&name) {
            self.creating.push(name);
        }
        if self.regular().all(|container| self.creating.iter().any(|name| container.is(name.as_str()))) {
            first(&mut self.life.milestones.pulled, now);
        }
    }

    fn regular(&self) -> impl Iterator<Item = &container::Builder> {
        self.containers.iter().filter(|container| container.role == Role::Regular)
    }

    fn ran(&mut self, id: FactId, fact: &Fact) {
        let Some(view) = fact.runtime() else { return };
        if view.sandboxes.iter().any(|(_, ready)| *ready) {
            first(&mut self.life.milestones.sandbox, fact.time);
        }
        for container in &mut self.containers {
            let newest = view.containers.iter().filter(|instance| container.is(instance.name.as_str()));
            if let Some(instance) = newest.max_by_key(|instance| instance.attempt) {
                container.ran(fact.time, id, *instance);
            }
        }
        if !self.containers.is_empty() && self.regular().all(container::Builder::has_started) {
            first(&mut self.life.milestones.started, fact.time);
        }
    }

    /// An event about the pod was stored.
    pub(super) fn said(&mut self, fact: FactId, at: SimTime, view: EventView) {
        let container = view.container().map_or_else(Name::default, Name::new);
        if let Some(kind) = mark(&view)
            && let Some(known) = self.named(container)
        {
            known.marks.push(Mark { at, kind, text: view.message.to_string() });
        }
        if view.reason == "BackOff"
            && view.message.starts_with("Back-off restarting")
            && let Some(known) = self.named(container)
        {
            known.backs_off(at, fact);
        }
        self.life.events.push(Said {
            at,
            fact,
            warning: view.kind == "Warning",
            reason: view.reason,
            message: view.message,
            container,
            count: view.count,
        });
    }

    pub(super) fn finish(self, end: SimTime) -> PodLife {
        PodLife {
            phases: self.phases.finish(end),
            ready: self.ready.finish(end),
            terminating: self.terminating.finish(end),
            containers: self.containers.into_iter().map(|container| container.finish(end)).collect(),
            ..self.life
        }
    }
}

/// What an event says of a container that is worth a mark.
fn mark(event: &EventView) -> Option<MarkKind> {
    let message: &str = &event.message;
    match event.reason.as_str() {
        "Unhealthy" if message.starts_with("Readiness") => Some(MarkKind::ReadinessFailed),
        "Unhealthy" if message.starts_with("Liveness") => Some(MarkKind::LivenessFailed),
        "Unhealthy" if message.starts_with("Startup") => Some(MarkKind::StartupFailed),
        "Failed" if !message.starts_with("Error: ImagePullBackOff") => Some(MarkKind::Failed),
        _ => None,
    }
}
