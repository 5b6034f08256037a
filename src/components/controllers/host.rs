//! What every controller runs in: a queue, workers, a client with its own limit, and a recorder of events.
//!
//! A worker takes a key, looks at the cluster once (the view) and runs the sync, which may wait for answers of the API
//! server; the worker is busy until it is over. A key whose own last writes have not come back through the watch yet
//! is put back (`StaleControllerConsistency`).

use super::expectations::Expectations;
use super::flow::{Desk, Flow, Halt, Script, Step};
use super::informers::Informers;
use super::interest::Interest;
use super::work_queue::{QueueKey, Retry, WorkQueue};
use super::{ControllerMessage, ControllerName, Pending, Shared};
use crate::api::{ApiObject, ChangeKind, FastMap, Kind, Name, Object, Pod, Request, Response};
use crate::components::events::EventRecorder;
use crate::components::message::{Client, Message};
use crate::components::token_bucket::TokenBucket;
use crate::engine::{Outbox, Purpose, SimDuration, SimTime, StreamKey};
use crate::planted::{self, Bug};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;

const SYNC: Purpose = Purpose::new("controller sync");
const EVENT: Purpose = Purpose::new("controller event");

/// How a controller is run.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How it signs its events.
    pub component: &'static str,
    /// How many keys are worked on at once.
    pub workers: usize,
    /// Calls a second of its client, and at once.
    pub client: (u32, u32),
    /// When a key that failed is tried again.
    pub retry: Retry,
    /// The kinds whose own writes must have come back before a key is worked on again.
    pub guarded: &'static [Kind],
}

impl Settings {
    /// The defaults of the controller manager: 20 calls a second, 30 at once, five workers.
    pub const fn new(component: &'static str) -> Self {
        Self { component, workers: 5, client: (20, 30), retry: Retry::DEFAULT, guarded: &[] }
    }
}

/// A notification, with what was there before.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What happened.
    pub kind: ChangeKind,
    /// The version that was there before, if any.
    pub old: Option<&'a Object>,
    /// The version that there is now, or the last one.
    pub new: &'a Object,
    /// Everything that is known, this notification included.
    pub informers: &'a Informers,
}

impl<'a> Seen<'a> {
    /// The versions before and after, if they are of one kind.
    pub fn of<T: ApiObject>(&self) -> Option<(Option<&'a Arc<T>>, &'a Arc<T>)> {
        Some((self.old.and_then(T::unwrap), T::unwrap(self.new)?))
    }

    /// Whether the object is gone.
    pub fn is_deletion(&self) -> bool {
        self.kind == ChangeKind::Deleted
    }
}

/// A sync that waits for an answer: whose it is, where it runs, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sync {
    /// The controller.
    pub controller: ControllerName,
    /// Which of its workers.
    pub worker: u32,
    /// When it looked at the cluster.
    pub began: SimTime,
}

/// What a sync is about to do, for those who look on.
#[derive(Debug, Clone)]
pub struct SyncInsight {
    /// Which sync.
    pub sync: Sync,
    /// The pods that it saw, if it had to tell them apart.
    pub pods: Option<Vec<Arc<Pod>>>,
    /// The pods that it deletes in this step.
    pub deletes: Vec<Name>,
}

/// One controller: what wakes it, what it looks at, and what it does.
pub trait Controller: Clone + Debug {
    /// What it works on.
    type Key: QueueKey;
    /// What one sync sees of the cluster.
    type View: Clone + Debug;

    /// What it is told of.
    const INTEREST: Interest;

    /// How it is run.
    fn settings(&self) -> Settings;

    /// An informer tells of a change: the handler adds the keys that it concerns.
    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Self::Key>);

    /// What a sync of the key is about to see; `None` if there is nothing to do.
    fn view(&mut self, key: Self::Key, informers: &Informers, desk: &mut Desk<Self::Key>) -> Option<Self::View>;

    /// One sync.
    ///
    /// # Errors
    /// Where it waits for an answer, or failed.
    fn sync(&mut self, view: &Self::View, flow: &mut Flow<'_, Self::Key>) -> Step;

    /// A sync that has changed something looks again ([`Flow::look`]).
    fn look_again(&mut self, key: Self::Key, view: &mut Self::View, informers: &Informers, desk: &mut Desk<Self::Key>) {
        let _ = (key, view, informers, desk);
    }

    /// The pods that a sync sees, if it tells them apart: for those who look on.
    fn pods_seen(view: &Self::View) -> Option<&[Arc<Pod>]> {
        let _ = view;
        None
    }

    /// Everything that was there at the start has been told of.
    fn started(&mut self, informers: &Informers, desk: &mut Desk<Self::Key>) {
        let _ = (informers, desk);
    }
}

#[derive(Debug, Clone)]
struct Task<C: Controller> {
    key: C::Key,
    view: C::View,
    script: Script,
}

/// A controller and what it runs in.
#[derive(Debug, Clone)]
pub(super) struct Host<C: Controller> {
    name: ControllerName,
    pub(super) controller: C,
    settings: Settings,
    stream: StreamKey,
    desk: Desk<C::Key>,
    limit: TokenBucket,
    tasks: Vec<Option<Task<C>>>,
    /// Workers that are about to take a key.
    starting: usize,
    /// When the queue's timer goes off, if one is set.
    timer: Option<SimTime>,
    telling: bool,
    /// The newest versions that were written for a key and must be seen before it is worked on again.
    written: FastMap<C::Key, Vec<(Kind, u64)>>,
}

impl<C: Controller> Host<C> {
    pub(super) fn new(name: ControllerName, controller: C, shared: &Shared) -> Self {
        let settings = controller.settings();
        let (qps, burst) = settings.client;
        Self {
            name,
            controller,
            settings,
            stream: StreamKey::new(settings.component),
            desk: Desk {
                now: SimTime::ZERO,
                clock: shared.clock,
                draws: shared.draws,
                queue: WorkQueue::new(settings.retry),
                expectations: Expectations::default(),
                recorder: EventRecorder::new(Name::new(settings.component), Name::default()),
                events: VecDeque::new(),
            },
            limit: TokenBucket::new(qps, burst),
            tasks: (0..settings.workers).map(|_| None).collect(),
            starting: 0,
            timer: None,
            telling: false,
            written: FastMap::default(),
        }
    }

    pub(super) fn started(&mut self, now: SimTime, informers: &Informers, shared: &mut Shared, out: Out<'_>) {
        self.desk.now = now;
        self.controller.started(informers, &mut self.desk);
        self.settle(now, shared, out);
    }

    /// Whether something is left undone until it is heard of again: a key was given up, or something is waited for that
    /// should have been seen long ago.
    pub(super) fn is_stuck(&self, now: SimTime) -> bool {
        self.desk.queue.has_given_up() || self.desk.expectations.are_overdue(now)
    }

    /// The sync that a worker is at.
    pub(super) fn insight(&self, worker: u32) -> Option<SyncInsight> {
        let task = self.tasks[worker as usize].as_ref()?;
        let deletes = |request: &Request| match request {
            Request::Delete { target, .. } if target.kind == Kind::Pod => Some(target.name),
            _ => None,
        };
        let calls = task.script.round.iter().flat_map(|round| &round.calls);
        Some(SyncInsight {
            sync: Sync { controller: self.name, worker, began: task.script.began() },
            pods: C::pods_seen(&task.view).map(<[_]>::to_vec),
            deletes: calls.filter_map(|call| deletes(&call.request)).collect(),
        })
    }

    #[inline]
    pub(super) fn observe(&mut self, now: SimTime, seen: &Seen<'_>, shared: &mut Shared, out: Out<'_>) {
        if C::INTEREST.covers(seen.new.kind(), seen.informers.kinds_ever()) {
            self.notice(now, seen, shared, out);
        }
    }

    fn notice(&mut self, now: SimTime, seen: &Seen<'_>, shared: &mut Shared, out: Out<'_>) {
        self.desk.now = now;
        self.controller.observe(seen, &mut self.desk);
        self.settle(now, shared, out);
    }

    /// The controller is told something that no watch tells.
    pub(super) fn tell(
        &mut self,
        now: SimTime,
        shared: &mut Shared,
        out: Out<'_>,
        what: impl FnOnce(&mut C, &mut Desk<C::Key>),
    ) {
        self.desk.now = now;
        what(&mut self.controller, &mut self.desk);
        self.settle(now, shared, out);
    }

    pub(super) fn timer(&mut self, now: SimTime, shared: &mut Shared, out: Out<'_>) {
        self.desk.now = now;
        self.timer = self.timer.filter(|due| *due > now);
        self.desk.queue.wake(now);
        self.settle(now, shared, out);
    }

    /// A worker takes the next key.
    pub(super) fn work(&mut self, now: SimTime, informers: &Informers, shared: &mut Shared, out: Out<'_>) {
        self.desk.now = now;
        self.starting -= 1;
        if let Some(key) = self.desk.queue.take() {
            self.begin(now, key, informers, shared, out);
        }
        self.settle(now, shared, out);
    }

    fn begin(&mut self, now: SimTime, key: C::Key, informers: &Informers, shared: &mut Shared, out: Out<'_>) {
        if self.is_stale(key, informers) {
            self.desk.queue.retry(now, key);
            return self.desk.queue.done(key);
        }
        match self.controller.view(key, informers, &mut self.desk) {
            Some(view) => {
                let place = self.tasks.iter().position(Option::is_none).expect("a worker was free");
                self.tasks[place] = Some(Task { key, view, script: Script::new(now) });
                self.run(now, place, informers, shared, out);
            }
            None => {
                self.desk.queue.forget(key);
                self.desk.queue.done(key);
            }
        }
    }

    /// Whether the informers have not seen yet what was last written for a key.
    fn is_stale(&mut self, key: C::Key, informers: &Informers) -> bool {
        let Some(written) = self.written.get(&key) else { return false };
        let stale = written.iter().any(|(kind, version)| informers.newest(*kind) < *version);
        if !stale {
            self.written.remove(&key);
        }
        stale
    }

    /// Runs a sync as far as its answers carry.
    fn run(&mut self, now: SimTime, place: usize, informers: &Informers, shared: &mut Shared, out: Out<'_>) {
        let mut task = self.tasks[place].take().expect("the task is under way");
        let outcome = loop {
            let mut flow = Flow::new(&mut self.desk, task.key, &mut task.script);
            match self.controller.sync(&task.view, &mut flow) {
                Err(Halt::Looks) if !task.script.has_news() => {
                    self.controller.look_again(task.key, &mut task.view, informers, &mut self.desk);
                }
                outcome => break outcome,
            }
        };
        match outcome {
            Err(Halt::Looks) => {
                // What was just written is perhaps seen by then.
                self.tasks[place] = Some(task);
                let stream = self.stream.part("look");
                let delay = shared.draws.sample(&shared.profile.controller_sync, SYNC, stream, now.as_nanos());
                out.after(delay, Message::Controller(shared.term, ControllerMessage::Look(self.name, place as u32)));
            }
            Err(Halt::Waits) => {
                self.tasks[place] = Some(task);
                self.send_batch(now, place, shared, out);
            }
            Err(Halt::Fails(_)) => {
                self.desk.queue.retry(now, task.key);
                self.desk.queue.done(task.key);
            }
            Ok(()) => {
                self.desk.queue.forget(task.key);
                self.desk.queue.done(task.key);
            }
        }
    }

    fn send_batch(&mut self, now: SimTime, place: usize, shared: &mut Shared, out: Out<'_>) {
        let task = self.tasks[place].as_mut().expect("the task is under way");
        let round = task.script.round.as_mut().expect("a waiting task has a round");
        for call in round.next_batch() {
            let wait = self.limit.take(now);
            let request = Box::new(round.calls[call].request.clone());
            let pending = Pending::Task { controller: self.name, task: place as u32, call: call as u32 };
            shared.call(wait, pending, request, out);
        }
    }

    /// A sync looks at the cluster again.
    pub(super) fn look(
        &mut self,
        now: SimTime,
        place: usize,
        informers: &Informers,
        shared: &mut Shared,
        out: Out<'_>,
    ) {
        self.desk.now = now;
        let task = self.tasks[place].as_mut().expect("the task is under way");
        self.controller.look_again(task.key, &mut task.view, informers, &mut self.desk);
        task.script.looked();
        self.run(now, place, informers, shared, out);
        self.settle(now, shared, out);
    }

    /// A call is answered.
    pub(super) fn replied(
        &mut self,
        now: SimTime,
        place: usize,
        call: usize,
        response: Response,
        (informers, shared): (&Informers, &mut Shared),
        out: Out<'_>,
    ) {
        self.desk.now = now;
        let task = self.tasks[place].as_mut().expect("answers come to tasks that wait");
        let round = task.script.round.as_mut().expect("answers come to rounds that wait");
        self.desk.note(round.calls[call].note, &response);
        if let Ok(object) = &response
            && self.settings.guarded.contains(&object.kind())
            && !planted::is(Bug::ExpectationsIgnored)
            && !matches!(round.calls[call].request, Request::Delete { .. } | Request::Get(_))
        {
            note_written(self.written.entry(task.key).or_default(), object);
        }
        round.failed |= response.is_err();
        round.responses[call] = Some(response);
        round.waiting -= 1;
        if round.waiting == 0 {
            let more = round.slow && !round.failed && round.responses.len() < round.calls.len();
            if more {
                self.send_batch(now, place, shared, out);
            } else {
                task.script.close_round(now);
                self.run(now, place, informers, shared, out);
            }
        }
        self.settle(now, shared, out);
    }

    /// An event is with the server.
    pub(super) fn told(&mut self, now: SimTime, shared: &mut Shared, out: Out<'_>) {
        self.telling = false;
        self.settle(now, shared, out);
    }

    /// Sends workers to their keys, the next event on its way, and sets the queue's timer.
    fn settle(&mut self, now: SimTime, shared: &mut Shared, out: Out<'_>) {
        if self.desk.is_clear() {
            return; // Most changes are none of a controller's business.
        }
        let free = self.tasks.iter().filter(|task| task.is_none()).count();
        while self.starting < free && self.starting < self.desk.queue.len() {
            self.starting += 1;
            let stream = self.stream.part("worker");
            let ordinal = now.as_nanos() ^ (self.starting as u64) << 56;
            let delay = shared.draws.sample(&shared.profile.controller_sync, SYNC, stream, ordinal);
            out.after(delay, Message::Controller(shared.term, ControllerMessage::Work(self.name)));
        }
        if !self.telling
            && let Some(event) = self.desk.events.pop_front()
        {
            self.telling = true;
            let making = shared.draws.sample(&shared.profile.event, EVENT, self.stream, now.as_nanos());
            let wait = making + self.limit.take(now);
            shared.call(wait, Pending::Event(self.name), Box::new(event), out);
        }
        if let Some(due) = self.desk.queue.next_due().filter(|due| self.timer.is_none_or(|set| *due < set)) {
            self.timer = Some(due);
            out.after(due.since(now), Message::Controller(shared.term, ControllerMessage::Timer(self.name)));
        }
    }
}

fn note_written(written: &mut Vec<(Kind, u64)>, object: &Object) {
    let (kind, version) = (object.kind(), object.meta().resource_version);
    match written.iter_mut().find(|(have, _)| *have == kind) {
        Some((_, newest)) => *newest = (*newest).max(version),
        None => written.push((kind, version)),
    }
}

/// Where messages are left.
pub(super) type Out<'a> = &'a mut Outbox<Message>;

impl Shared {
    /// Makes a call after a wait.
    pub(super) fn call(&mut self, wait: SimDuration, pending: Pending, request: Box<Request>, out: Out<'_>) {
        self.calls = self.calls.wrapping_add(1);
        self.pending.insert(self.calls, pending);
        out.after(wait, Message::Call { client: Client::ControllerManager, id: self.calls, request });
    }
}
