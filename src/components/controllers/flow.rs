//! A sync, written as straight-line code and run again from its start after each answer.
//!
//! What a sync sees of the cluster (its view) and the answers that it has so far are plain data, so a run can be forked
//! in the middle of a sync. A sync asks its [`Flow`] for an answer; one that is there is returned, one that is not
//! stops the sync ([`Halt::Waits`]) until the server has given it. What must happen once (an event, an expectation, a
//! timer) goes through the flow too, which knows how often the sync has been there.

use super::expectations::Expectations;
use super::work_queue::{QueueKey, WorkQueue};
use crate::api::{
    ApiError, ErrorReason, EventType, Name, Object, ObjectReference, Request, Response, Target, Text, Timestamp, Uid,
    WallClock, WallTime,
};
use crate::components::events::{EventRecorder, Told};
use crate::engine::{Draws, Purpose, SimDuration, SimTime, StreamKey};
use std::collections::VecDeque;
use std::fmt;

const MAP_ORDER: Purpose = Purpose::new("order of a map");

/// Why a sync goes no further.
#[derive(Debug, Clone)]
pub enum Halt {
    /// An answer is still to come.
    Waits,
    /// It wants to see what the informers know by now.
    Looks,
    /// It failed: the key is tried again later.
    Fails(Box<ApiError>),
}

/// A step of a sync.
pub type Step<T = ()> = Result<T, Halt>;

impl From<Box<ApiError>> for Halt {
    fn from(error: Box<ApiError>) -> Self {
        Self::Fails(error)
    }
}

impl Halt {
    /// A failure that is not the server's.
    pub fn failure(message: impl fmt::Display) -> Self {
        Self::Fails(ApiError::new(ErrorReason::InternalError, message.to_string()))
    }
}

/// A call of a sync, and whom its outcome is told of.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// What people are told.
    pub note: Note,
}

impl From<Request> for Call {
    fn from(request: Request) -> Self {
        Self { request, note: Note::Nothing }
    }
}

/// What people are told of a call once it is answered (`RealPodControl`).
#[derive(Debug, Clone, Copy)]
pub enum Note {
    /// Nothing.
    Nothing,
    /// The owner of a pod that it was created.
    Created(ObjectReference),
    /// The owner of a pod that it was deleted.
    Deleted(ObjectReference, Name),
}

impl Note {
    /// What is told of an outcome, if anything.
    fn told(self, response: &Response) -> Option<Told> {
        let told = |about, kind, reason: &str, message: String| {
            Some(Told { about, kind, reason: Name::new(reason), message: message.into() })
        };
        match (self, response) {
            (Self::Nothing, _) => None,
            (Self::Created(owner), Ok(pod)) => {
                told(owner, EventType::Normal, "SuccessfulCreate", format!("Created pod: {}", pod.meta().name))
            }
            (Self::Created(_), Err(error)) if error.reason == ErrorReason::NamespaceTerminating => None,
            (Self::Created(owner), Err(error)) => {
                told(owner, EventType::Warning, "FailedCreate", format!("Error creating: {error}"))
            }
            (Self::Deleted(owner, pod), Ok(_)) => {
                told(owner, EventType::Normal, "SuccessfulDelete", format!("Deleted pod: {pod}"))
            }
            (Self::Deleted(..), Err(error)) if error.reason == ErrorReason::NotFound => None,
            (Self::Deleted(owner, _), Err(error)) => {
                told(owner, EventType::Warning, "FailedDelete", format!("Error deleting: {error}"))
            }
        }
    }
}

/// What a controller has at hand, whatever it is doing.
#[derive(Debug, Clone)]
pub struct Desk<K> {
    /// The present instant.
    pub now: SimTime,
    /// The control plane's clock.
    pub clock: WallClock,
    /// The source of chance.
    pub draws: Draws,
    /// The keys that want work.
    pub queue: WorkQueue<K>,
    /// What was asked for and is yet to be seen.
    pub expectations: Expectations<K>,
    pub(super) recorder: EventRecorder,
    /// Events on their way to the server.
    pub(super) events: VecDeque<Request>,
}

impl<K: QueueKey> Desk<K> {
    /// Whether nothing lies on it: no key waits, and no event.
    pub(super) fn is_clear(&self) -> bool {
        self.queue.is_idle() && self.events.is_empty()
    }

    /// The wall-clock time.
    pub fn wall(&self) -> WallTime {
        self.clock.at(self.now)
    }

    /// The time as objects store it.
    pub fn stamp(&self) -> Timestamp {
        self.wall().truncated()
    }

    /// Where something of this name comes when a map of Go's is walked now: the order is another each time.
    pub(super) fn map_order(&self, map: StreamKey) -> impl Fn(Name) -> u64 + use<K> {
        let salt = self.draws.draw(MAP_ORDER, map, self.now.as_nanos()).bits();
        move |name| {
            let mixed = (StreamKey::new(name.as_str()).bits() ^ salt).wrapping_mul(0xd6e8_feb8_6659_fd93);
            (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93)
        }
    }

    /// Tells people.
    pub fn tell(&mut self, about: ObjectReference, kind: EventType, reason: &str, message: impl Into<Text>) {
        self.record(Told { about, kind, reason: Name::new(reason), message: message.into() });
    }

    fn record(&mut self, told: Told) {
        let wall = self.wall();
        self.events.extend(self.recorder.tell(self.now, wall, told));
    }

    /// Tells what a call came to.
    pub(super) fn note(&mut self, note: Note, response: &Response) {
        if let Some(told) = note.told(response) {
            self.record(told);
        }
    }
}

/// The calls of one step: made all at once, or in batches.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) calls: Vec<Call>,
    /// How many calls are made at first, if not all: then twice as many each time, as long as none fails.
    pub(super) slow: bool,
    pub(super) responses: Vec<Option<Response>>,
    pub(super) waiting: usize,
    pub(super) batch: usize,
    pub(super) failed: bool,
}

impl Round {
    fn new(calls: Vec<Call>, slow: bool) -> Self {
        Self { calls, slow, responses: Vec::new(), waiting: 0, batch: 0, failed: false }
    }

    /// The places of the calls to make next; none if the round is over.
    pub(super) fn next_batch(&mut self) -> std::ops::Range<usize> {
        let made = self.responses.len();
        let left = self.calls.len() - made;
        self.batch = match (self.slow, self.batch) {
            (false, _) => left,
            (true, _) if self.failed => 0,
            (true, 0) => left.min(1),
            (true, last) => left.min(last * 2),
        };
        self.waiting = self.batch;
        self.responses.resize(made + self.batch, None);
        made..made + self.batch
    }
}

/// The answers to one round.
#[derive(Debug, Clone)]
struct Answer {
    at: SimTime,
    responses: Vec<Response>,
}

/// How far a sync has come.
#[derive(Debug, Clone)]
pub(super) struct Script {
    began: SimTime,
    answers: Vec<Answer>,
    /// How many things that happen once have happened.
    marks: u32,
    /// What was decided on the way by what the controller remembers, which may change while calls are under way.
    decisions: Vec<bool>,
    /// How many answers there were when the view last looked.
    looked: usize,
    pub(super) round: Option<Round>,
}

impl Script {
    pub(super) const fn new(began: SimTime) -> Self {
        Self { began, answers: Vec::new(), marks: 0, decisions: Vec::new(), looked: 0, round: None }
    }

    /// When the sync began.
    pub(super) const fn began(&self) -> SimTime {
        self.began
    }

    /// Whether anything was done since the view last looked.
    pub(super) const fn has_news(&self) -> bool {
        self.answers.len() > self.looked
    }

    /// The view has looked.
    pub(super) const fn looked(&mut self) {
        self.looked = self.answers.len();
    }

    /// The round under way is over.
    pub(super) fn close_round(&mut self, now: SimTime) {
        if let Some(round) = self.round.take() {
            let responses = round.responses.into_iter().map(|r| r.expect("every call made is answered")).collect();
            self.answers.push(Answer { at: now, responses });
        }
    }
}

/// What a sync reads its answers from, and leaves its wishes with.
#[derive(Debug)]
pub struct Flow<'a, K> {
    desk: &'a mut Desk<K>,
    key: K,
    script: &'a mut Script,
    /// How many answers have been read.
    read: usize,
    /// How many things that happen once have been passed.
    passed: u32,
    /// How many decisions have been passed.
    decided: usize,
}

impl<'a, K: QueueKey> Flow<'a, K> {
    pub(super) const fn new(desk: &'a mut Desk<K>, key: K, script: &'a mut Script) -> Self {
        Self { desk, key, script, read: 0, passed: 0, decided: 0 }
    }

    /// What is worked on.
    pub const fn key(&self) -> K {
        self.key
    }

    /// The time at this point of the sync: that of the last answer read.
    pub fn now(&self) -> SimTime {
        self.read.checked_sub(1).map_or(self.script.began, |last| self.script.answers[last].at)
    }

    /// The wall-clock time at this point of the sync.
    pub fn wall(&self) -> WallTime {
        self.desk.clock.at(self.now())
    }

    /// The same as objects store it.
    pub fn stamp(&self) -> Timestamp {
        self.wall().truncated()
    }

    /// The control plane's clock.
    pub const fn clock(&self) -> WallClock {
        self.desk.clock
    }

    /// The source of chance.
    pub const fn draws(&self) -> Draws {
        self.desk.draws
    }

    /// Whether the sync is here for the first time: for what must happen once.
    pub const fn first(&mut self) -> bool {
        self.passed += 1;
        let first = self.passed > self.script.marks;
        if first {
            self.script.marks = self.passed;
        }
        first
    }

    /// What the controller remembers, asked once: the sync goes the same way each time that it is run again.
    pub fn decide(&mut self, remembered: impl FnOnce() -> bool) -> bool {
        let place = self.decided;
        self.decided += 1;
        if place == self.script.decisions.len() {
            self.script.decisions.push(remembered());
        }
        self.script.decisions[place]
    }

    /// Makes a call and reads what it came to.
    pub fn call(&mut self, request: impl FnOnce() -> Request) -> Step<Response> {
        let mut responses = self.all(|| vec![request().into()])?;
        Ok(responses.pop().expect("one call, one answer"))
    }

    /// Reads an object from the server.
    pub fn get(&mut self, target: Target) -> Step<Response> {
        self.call(|| Request::Get(target))
    }

    /// Makes calls, all at once, and reads what they came to.
    pub fn all(&mut self, calls: impl FnOnce() -> Vec<Call>) -> Step<Vec<Response>> {
        self.round(calls, false)
    }

    /// Makes calls in batches of 1, 2, 4, … and stops after a batch with a failure (`slowStartBatch`). Calls that were
    /// not made have no answer.
    pub fn slow_start(&mut self, calls: impl FnOnce() -> Vec<Call>) -> Step<Vec<Response>> {
        self.round(calls, true)
    }

    fn round(&mut self, calls: impl FnOnce() -> Vec<Call>, slow: bool) -> Step<Vec<Response>> {
        if let Some(answer) = self.script.answers.get(self.read) {
            self.read += 1;
            return Ok(answer.responses.clone());
        }
        let calls = calls();
        if calls.is_empty() {
            let at = self.now();
            self.script.answers.push(Answer { at, responses: Vec::new() });
            self.read += 1;
            return Ok(Vec::new());
        }
        self.script.round = Some(Round::new(calls, slow));
        Err(Halt::Waits)
    }

    /// Has the view look at the cluster again ([`Controller::look_again`](super::Controller::look_again)), unless it
    /// has already.
    ///
    /// # Errors
    /// If it has not: the sync is run again with the view that this leaves.
    pub const fn look(&self, looked: bool) -> Step {
        if looked { Ok(()) } else { Err(Halt::Looks) }
    }

    /// Tells people, once.
    pub fn tell(&mut self, about: ObjectReference, kind: EventType, reason: &str, message: impl Into<Text>) {
        if self.first() {
            self.desk.tell(about, kind, reason, message);
        }
    }

    /// Has the key worked on again after a delay.
    pub fn again_after(&mut self, delay: SimDuration) {
        if self.first() {
            self.desk.queue.add_after(self.desk.now, delay, self.key);
        }
    }

    /// Has the key worked on again as if it had failed.
    pub fn again_later(&mut self) {
        if self.first() {
            self.desk.queue.retry(self.desk.now, self.key);
        }
    }

    /// Has another key worked on.
    pub fn add(&mut self, key: K) {
        if self.first() {
            self.desk.queue.add(key);
        }
    }

    /// Expects creations and deletions.
    pub fn expect(&mut self, creations: usize, deletions: usize) {
        if self.first() {
            self.desk.expectations.expect(self.desk.now, self.key, creations, deletions);
        }
    }

    /// Expects the deletion of these objects.
    pub fn expect_deletions_of(&mut self, uids: impl IntoIterator<Item = Uid>) {
        if self.first() {
            self.desk.expectations.expect_deletions_of(self.desk.now, self.key, uids);
        }
    }

    /// No longer expects some creations and deletions that failed.
    pub fn expect_less(&mut self, creations: usize, deletions: usize) {
        if self.first() {
            self.desk.expectations.lower(self.key, creations as i64, deletions as i64);
        }
    }

    /// No longer expects the deletion of an object.
    pub fn expect_no_deletion_of(&mut self, uid: Uid) {
        if self.first() {
            self.desk.expectations.deletion_of_observed(self.key, uid);
        }
    }
}

/// The first failure among some answers.
pub fn first_error(responses: &[Response]) -> Option<Box<ApiError>> {
    responses.iter().find_map(|response| response.as_ref().err().cloned())
}

/// The object of an answer, if it is of the kind that was asked for.
pub fn object<T: crate::api::ApiObject>(object: &Object) -> std::sync::Arc<T> {
    T::unwrap(object).expect("an answer is of the kind that was asked for").clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_start_doubles_until_a_call_fails() {
        // control-plane.md A.10: 500 calls.
        let call = Call::from(Request::Get(Target {
            kind: crate::api::Kind::Pod,
            namespace: Name::default(),
            name: Name::default(),
        }));
        let sizes = |count: usize, fails_after: usize| {
            let mut round = Round::new(vec![call.clone(); count], true);
            let mut sizes = Vec::new();
            loop {
                let batch = round.next_batch();
                if batch.is_empty() {
                    return sizes;
                }
                sizes.push(batch.len());
                round.failed = sizes.len() > fails_after;
            }
        };
        assert_eq!(sizes(500, 99), [1, 2, 4, 8, 16, 32, 64, 128, 245]);
        assert_eq!(sizes(250, 99), [1, 2, 4, 8, 16, 32, 64, 123]);
        assert_eq!(sizes(500, 2), [1, 2, 4]);
    }
}
