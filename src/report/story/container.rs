//! What became of a container.

use super::{Span, Track};
use crate::api::Name;
use crate::components::cri::InstanceState;
use crate::engine::SimTime;
use crate::trace::{ContainerView, EndView, FactId, InstanceView, Role, StateView};

/// What became of a container, over all its instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerLife {
    /// Its name.
    pub name: Name,
    /// What it is to its pod.
    pub role: Role,
    /// What it was doing.
    pub spans: Vec<Span<Look>>,
    /// When it counted for its pod's readiness.
    pub ready: Vec<Span<()>>,
    /// What struck it.
    pub marks: Vec<Mark>,
    /// How often it was started again.
    pub restarts: u32,
}

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It waits, for the reason that the API gives.
    Waiting(Name),
    /// Its image is pulled.
    Pulling,
    /// Its n-th instance runs, counted from zero.
    Running {
        /// The instance.
        attempt: u32,
    },
    /// The runtime was told to stop it, and it still runs.
    Stopping {
        /// The instance.
        attempt: u32,
    },
    /// It has ended.
    Ended(EndView),
}

/// Something that struck a container at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: SimTime,
    /// What.
    pub kind: MarkKind,
    /// In words.
    pub text: String,
}

/// What can strike a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkKind {
    /// Its readiness probe failed.
    ReadinessFailed,
    /// Its liveness probe failed.
    LivenessFailed,
    /// Its startup probe failed.
    StartupFailed,
    /// Its image could not be pulled, or it could not be created or started.
    Failed,
    /// It was out of memory.
    OomKilled,
}

/// A container while the record is read.
#[derive(Debug)]
pub(super) struct Builder {
    name: Name,
    pub(super) role: Role,
    pub(super) image: Name,
    looks: Track<Look>,
    ready: Track<()>,
    pub(super) marks: Vec<Mark>,
    restarts: u32,
    /// What the API says.
    told: Option<StateView>,
    /// The newest instance that has a process, or had one.
    instance: Option<InstanceView>,
    pulling: bool,
    stopping: bool,
    /// Its kubelet said that it lets it wait; the API tells the same with its next sync, some seconds late.
    backs_off: bool,
    /// Its pod is no more: only what still runs is of interest.
    gone: bool,
}

impl Builder {
    pub(super) fn new(view: &ContainerView) -> Self {
        Self {
            name: view.name,
            role: view.role,
            image: view.image,
            looks: Track::default(),
            ready: Track::default(),
            marks: Vec::new(),
            restarts: 0,
            told: None,
            instance: None,
            pulling: false,
            stopping: false,
            backs_off: false,
            gone: false,
        }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name == *name
    }

    /// Whether a pull of its image may be for it: it is not done and does not run.
    pub(super) fn may_pull(&self, image: Name) -> bool {
        let done = self.role == Role::Init
            && self.instance.is_some_and(|instance| instance.state == InstanceState::Exited && instance.exit_code == 0);
        self.image == image && !done && !self.is_running()
    }

    pub(super) fn has_started(&self) -> bool {
        self.instance.is_some()
    }

    fn is_running(&self) -> bool {
        self.instance.is_some_and(|instance| instance.state == InstanceState::Running)
    }

    /// The API says something of it.
    pub(super) fn told(&mut self, now: SimTime, fact: FactId, view: &ContainerView, bound: bool, gone: bool) {
        // As long as nothing is known of it, nobody looks after it.
        let unknown = view.state == StateView::Waiting(Name::default());
        self.told = (bound && !unknown).then_some(view.state);
        self.restarts = self.restarts.max(view.restarts);
        self.ready.set(now, (view.ready && !gone).then_some(()), fact);
        self.gone = gone;
        self.look(now, fact);
    }

    /// The runtime knows something of it.
    pub(super) fn ran(&mut self, now: SimTime, fact: FactId, instance: InstanceView) {
        if !instance.has_started() || self.instance == Some(instance) {
            return;
        }
        if self.instance.is_some_and(|known| known.attempt != instance.attempt) {
            self.stopping = false;
            self.backs_off = false;
        }
        let (end, reason) = (instance.state == InstanceState::Exited, instance.reason);
        self.instance = Some(instance);
        self.pulling = false;
        if end && reason == "OOMKilled" {
            self.marks.push(Mark { at: now, kind: MarkKind::OomKilled, text: "out of memory".to_owned() });
        }
        self.look(now, fact);
    }

    pub(super) fn pulls(&mut self, now: SimTime, fact: FactId, pulling: bool) {
        if self.pulling != pulling {
            self.pulling = pulling;
            self.look(now, fact);
        }
    }

    pub(super) const fn is_pulling(&self) -> bool {
        self.pulling
    }

    pub(super) fn stops(&mut self, now: SimTime, fact: FactId) {
        if self.is_running() {
            self.stopping = true;
            self.look(now, fact);
        }
    }

    pub(super) fn backs_off(&mut self, now: SimTime, fact: FactId) {
        self.backs_off = true;
        self.look(now, fact);
    }

    /// Sums up what is known: the runtime knows what runs, the API why something does not.
    fn look(&mut self, now: SimTime, fact: FactId) {
        let look = match (self.instance, self.told) {
            (Some(instance), _) if instance.state == InstanceState::Running => {
                let attempt = instance.attempt;
                Some(if self.stopping { Look::Stopping { attempt } } else { Look::Running { attempt } })
            }
            _ if self.gone => None,
            _ if self.pulling => Some(Look::Pulling),
            (_, Some(StateView::Waiting(reason))) => Some(Look::Waiting(reason)),
            (Some(_), _) if self.backs_off => Some(Look::Waiting(Name::new("CrashLoopBackOff"))),
            (Some(instance), _) => {
                Some(Look::Ended(EndView { exit_code: instance.exit_code, reason: instance.reason }))
            }
            (None, Some(StateView::Terminated(end))) => Some(Look::Ended(end)),
            (None, Some(StateView::Running) | None) => None,
        };
        self.looks.set(now, look, fact);
    }

    pub(super) fn finish(self, end: SimTime) -> ContainerLife {
        ContainerLife {
            name: self.name,
            role: self.role,
            spans: self.looks.finish(end),
            ready: self.ready.finish(end),
            marks: self.marks,
            restarts: self.restarts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(state: InstanceState) -> InstanceView {
        let finished_ns = u64::from(state == InstanceState::Exited);
        let (name, reason) = (Name::new("app"), Name::default());
        InstanceView { name, attempt: 0, state, started_ns: 1, finished_ns, exit_code: 137, reason }
    }

    #[test]
    fn of_a_pod_that_is_gone_only_what_runs_is_told() {
        let at = SimTime::from_secs;
        let (name, image) = (Name::new("app"), Name::new("app:1"));
        let state = StateView::Running;
        let view = ContainerView { name, image, role: Role::Regular, state, last: None, ready: true, restarts: 0 };
        let mut builder = Builder::new(&view);
        builder.ran(at(1), FactId::BOOT, instance(InstanceState::Running));
        builder.told(at(2), FactId::BOOT, &view, true, false);
        builder.told(at(5), FactId::BOOT, &view, true, true);
        builder.ran(at(8), FactId::BOOT, instance(InstanceState::Exited));
        let spans = builder.finish(at(60)).spans;
        let told: Vec<_> = spans.iter().map(|span| (span.from, span.to, span.what)).collect();
        assert_eq!(told, [(at(1), at(8), Look::Running { attempt: 0 })]);
    }
}
