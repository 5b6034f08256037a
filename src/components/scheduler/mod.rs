//! The scheduler: which pod is placed next, where, and why not.
//!
//! It hears of the cluster through its watch alone and acts by calls to the API server. A pod waits in the [`queue`]; a
//! scheduling cycle ([`schedule_one`], [`cycle`]) picks a node for one pod at a time and assumes it there; binding
//! cycles ([`binding`]) run beside it. A pod that fits nowhere may have others evicted in the background
//! ([`eviction`]). All of it is that of kube-scheduler 1.36 with its default feature gates.
//!
//! Left out on purpose: extenders, pod groups, leader election.

mod batch;
mod binding;
pub mod cache;
pub mod config;
mod cycle;
mod devices;
pub mod diagnosis;
mod event_handlers;
mod event_series;
pub mod events;
mod eviction;
pub mod explain;
pub mod framework;
mod heap;
mod index;
mod insight;
mod neighbours;
mod node_info;
mod node_tree;
pub mod nominator;
pub mod objects;
pub mod plugins;
pub mod preemption;
pub mod profile;
mod queue;
mod relaxation;
pub mod schedule_one;
mod selector_errors;
pub mod snapshot;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod wake_tests;

pub use cache::{Cache, NodeInfo, NodeSlot};
pub use config::{Gates, SchedulerConfiguration, SchedulerSetup};
pub use events::ClusterEvent;
pub use explain::{Explanation, explain};
pub use framework::{Code, Context, CycleState, Plugin, Points, Status, Verdict};
pub use insight::{DecisionInsight, QueueInsight, Waiting};
pub use neighbours::Neighbours;
pub use preemption::PREEMPTION_BY_SCHEDULER;
pub use profile::{Profile, Registry};
pub use queue::QueuePlace;
pub use relaxation::{Relaxation, relaxations};
pub use snapshot::ClusterSnapshot;

use super::latency::LatencyProfile;
use super::message::{Client, Message};
use super::token_bucket::TokenBucket;
use crate::api::{EventType, FastMap, Object, Pod, Request, Response, Text, WallClock};
use crate::engine::{Distribution, Draws, Outbox, Purpose, SimDuration, SimTime, StreamKey};
use binding::Binding;
use cycle::Cycle;
use event_series::{EventSeries, Note};
use eviction::Eviction;
use nominator::Nominator;
use queue::Queue;
use schedule_one::Search;
use std::collections::BTreeMap;
use std::sync::Arc;

const PHASE: Purpose = Purpose::new("scheduler start");
const LATENCY: Purpose = Purpose::new("scheduler latency");

/// Something that happens inside the scheduler.
#[derive(Debug, Clone, Copy, strum::IntoStaticStr)]
pub enum SchedulerMessage {
    /// A scheduling cycle is over.
    CycleDone,
    /// The queue looks for pods that have waited long enough.
    Flush,
    /// The recorder of events looks for series that are over.
    LookAtSeries,
    /// A binding cycle goes on: the pod's place in the store, and which of its attempts is meant.
    Bind {
        /// The pod.
        pod: u32,
        /// The attempt.
        attempt: u32,
    },
}

/// What a scheduler is made of.
#[derive(Debug, Clone)]
pub struct SchedulerParts {
    /// Its configuration and plugins.
    pub setup: Arc<SchedulerSetup>,
    /// Its machine's clock.
    pub clock: WallClock,
    /// The source of chance.
    pub draws: Draws,
    /// How long steps take.
    pub latencies: Arc<LatencyProfile>,
}

/// A call that is under way.
#[derive(Debug, Clone, Copy)]
enum Pending {
    /// The status of the pod whose scheduling cycle failed: the next one waits for it.
    Failure,
    /// Of a binding cycle.
    Binding { pod: u32, attempt: u32 },
    /// Of an eviction: for which pod, and the place of the victim.
    Eviction { preemptor: u32, victim: usize },
}

/// The scheduler and everything that it knows.
#[derive(Debug, Clone)]
pub struct Scheduler {
    parts: SchedulerParts,
    cache: Cache,
    nominator: Nominator,
    queue: Queue,
    search: Search,
    /// Pods that have not finished, as the watch told of them, by place in the store.
    informer: FastMap<u32, Arc<Pod>>,
    cycle: Option<Cycle>,
    bindings: BTreeMap<u32, Binding>,
    evictions: BTreeMap<u32, Eviction>,
    series: EventSeries,
    limit: TokenBucket,
    event_limit: TokenBucket,
    calls: u32,
    pending: FastMap<u32, Pending>,
    flush_at: Option<SimTime>,
    look_at: Option<SimTime>,
    /// How many processes there were before: what they had sent themselves is stale.
    term: u32,
}

/// What plugins are asked with: borrows all that they may look at, and leaves the rest free.
macro_rules! around {
    ($scheduler:expr, $now:expr) => {
        $crate::components::scheduler::queue::Surroundings {
            cx: $crate::components::scheduler::framework::Context {
                cache: &$scheduler.cache,
                nominator: &$scheduler.nominator,
                now: $scheduler.parts.clock.at($now).truncated().unix_secs(),
            },
            profiles: &$scheduler.parts.setup.profiles,
            now: $now,
        }
    };
}
use around;

impl Scheduler {
    /// A scheduler that has just started, and has heard of nothing.
    pub fn new(parts: SchedulerParts) -> Self {
        let configuration = &parts.setup.configuration;
        // It started some time before the run: its tickers have a phase of their own.
        let mut draw = parts.draws.draw(PHASE, StreamKey::new("scheduler"), 0);
        let mut phase = |period: u64| SimTime::ZERO + draw.between(SimDuration::ZERO, SimDuration::from_secs(period));
        let (leftovers, series) = (phase(30), phase(360));
        let (initial, longest) = (configuration.pod_initial_backoff_seconds, configuration.pod_max_backoff_seconds);
        Self {
            queue: Queue::new(parts.clock, initial, longest, leftovers),
            series: EventSeries::new(series),
            limit: TokenBucket::new(configuration.qps, configuration.burst),
            event_limit: TokenBucket::new(configuration.qps, configuration.burst),
            parts,
            cache: Cache::default(),
            nominator: Nominator::default(),
            search: Search::default(),
            informer: FastMap::default(),
            cycle: None,
            bindings: BTreeMap::new(),
            evictions: BTreeMap::new(),
            calls: 0,
            pending: FastMap::default(),
            flush_at: None,
            look_at: None,
            term: 0,
        }
    }

    /// A process that has just started in place of this one, and knows nothing.
    #[must_use]
    pub fn successor(&self) -> Self {
        // Answers to calls of the old process are not for the new one.
        Self { calls: self.calls, term: self.term + 1, ..Self::new(self.parts.clone()) }
    }

    /// How many processes there were before.
    pub const fn term(&self) -> u32 {
        self.term
    }

    /// Advances the scheduler by one message.
    pub fn handle(&mut self, now: SimTime, message: SchedulerMessage, out: &mut Outbox<Message>) {
        match message {
            SchedulerMessage::CycleDone => self.end_cycle(now, out),
            SchedulerMessage::Flush if self.flush_at == Some(now) => {
                self.flush_at = None;
                self.queue.flush(&around!(self, now));
            }
            SchedulerMessage::LookAtSeries if self.look_at == Some(now) => {
                self.look_at = None;
                for request in self.series.look(now) {
                    self.send_event(now, request, out);
                }
            }
            // A later look was replaced by an earlier one.
            SchedulerMessage::Flush | SchedulerMessage::LookAtSeries => {}
            SchedulerMessage::Bind { pod, attempt } => self.go_on_binding(now, pod, attempt, out),
        }
        self.settle(now, out);
    }

    /// The server answers a call.
    pub fn replied(&mut self, now: SimTime, id: u32, response: Response, out: &mut Outbox<Message>) {
        match self.pending.remove(&id) {
            None => return, // An event: nobody waits for it.
            Some(Pending::Failure) => self.cycle = None,
            Some(Pending::Binding { pod, attempt }) => self.binding_replied(now, pod, attempt, response, out),
            Some(Pending::Eviction { preemptor, victim }) => {
                self.eviction_replied(now, preemptor, victim, response, out);
            }
        }
        self.settle(now, out);
    }

    /// Begins what can be begun, and sets the timers for what waits.
    fn settle(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        self.begin_cycle(now, out);
        if let Some(at) = self.queue.next_flush()
            && self.flush_at.is_none_or(|set| at < set)
        {
            self.flush_at = Some(at);
            out.after(at.since(now), Message::Scheduler(self.term, SchedulerMessage::Flush));
        }
        if let Some(at) = self.series.next_look(now)
            && self.look_at.is_none_or(|set| at < set)
        {
            self.look_at = Some(at);
            out.after(at.since(now), Message::Scheduler(self.term, SchedulerMessage::LookAtSeries));
        }
    }

    /// Where a waiting pod is, by its place in the store; `None` for pods that do not wait, or are being tried.
    pub fn place_of(&self, pod: u32) -> Option<QueuePlace> {
        self.queue.place(pod)
    }

    /// What it knows of the cluster.
    pub const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The profile of a pod, by place.
    fn profile_of(&self, pod: &Pod) -> Option<u8> {
        let profiles = &self.parts.setup.profiles;
        profiles.iter().position(|one| one.scheduler_name == pod.spec.scheduler_name).map(|place| place as u8)
    }

    fn latency(&self, of: &Distribution, now: SimTime, stream: StreamKey) -> SimDuration {
        self.parts.draws.sample(of, LATENCY, stream, now.as_nanos())
    }

    /// Calls the server at the pace of the client; the answer comes to `pending`.
    fn call(&mut self, now: SimTime, request: Request, pending: Pending, out: &mut Outbox<Message>) {
        self.calls += 1;
        self.pending.insert(self.calls, pending);
        let wait = self.limit.take(now);
        out.after(wait, Message::Call { client: Client::Scheduler, id: self.calls, request: Box::new(request) });
    }

    /// Tells people.
    fn tell(&mut self, now: SimTime, note: Note, out: &mut Outbox<Message>) {
        if let Some(request) = self.series.tell(now, self.parts.clock.at(now), note) {
            self.send_event(now, request, out);
        }
    }

    /// Tells people of a pod, on behalf of its profile.
    #[allow(clippy::too_many_arguments, reason = "what, about whom, how grave, and when")]
    fn tell_pod(
        &mut self,
        now: SimTime,
        pod: &Arc<Pod>,
        kind: EventType,
        reason: &'static str,
        action: &'static str,
        text: impl Into<Text>,
        out: &mut Outbox<Message>,
    ) {
        let regarding = Object::Pod(pod.clone()).reference();
        let controller = pod.spec.scheduler_name;
        let note = Note { controller, kind, reason, action, regarding, related: None, text: text.into() };
        self.tell(now, note, out);
    }

    fn send_event(&mut self, now: SimTime, request: Request, out: &mut Outbox<Message>) {
        let (Request::Create(Object::Event(event)) | Request::Update { object: Object::Event(event), .. }) = &request
        else {
            unreachable!("the recorder writes events");
        };
        let stream = event.involved.uid.stream().part(&event.reason);
        let making = self.latency(&self.parts.latencies.event, now, stream);
        let wait = making + self.event_limit.take(now + making);
        self.calls += 1;
        out.after(wait, Message::Call { client: Client::Scheduler, id: self.calls, request: Box::new(request) });
    }
}
