//! How components tell people: the event recorder of client-go, with aggregation, counting and a spam filter.
//!
//! Follows `staging/src/k8s.io/client-go/tools/record/events_cache.go` of Kubernetes 1.36. The scheduler's recorder of
//! the newer API is the scheduler's own.

use super::token_bucket::TokenBucket;
use crate::api::{
    Event, EventType, FastMap, Kind, Metadata, Name, Object, ObjectReference, Part, Request, Text, Timestamp, Uid,
    WallTime, names,
};
use crate::engine::{SimDuration, SimTime};
use std::sync::Arc;

names! {
    DEFAULT = "default";
}

/// So many different messages of one kind are told apart; the next are told as one.
const SIMILAR_EVENTS: usize = 10;
/// Messages further apart than this are not similar.
const SIMILAR_WITHIN: SimDuration = SimDuration::from_secs(600);
/// Events about one object from one source: so many at once, …
const SPAM_BURST: u32 = 25;
/// … and one more each time this has passed.
const SPAM_REFILL: SimDuration = SimDuration::from_secs(300);

/// What is told: the object, how grave, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What it is about.
    pub about: ObjectReference,
    /// How grave it is.
    pub kind: EventType,
    /// Why, in one word.
    pub reason: Name,
    /// Why, for people.
    pub message: Text,
}

/// What events are about, but for the part: kind, namespace, name and identity. A name without its identity is not
/// enough, nor an identity without its name (`getSpamKey`).
type Source = (Name, Name, Name, Uid);

/// Of events about one object, everything else but the message: what makes them similar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Similar {
    part: Name,
    kind: EventType,
    reason: Name,
}

/// The event recorder of one component on one machine.
#[derive(Debug, Clone)]
pub struct EventRecorder {
    component: Name,
    host: Name,
    /// What was told of each object.
    objects: FastMap<Source, ToldOf>,
    /// How many events were told, so that names differ.
    told: u64,
    /// What was told last for a reason: as a rule it is told of many, and kept once.
    usual: Vec<(Name, Text)>,
}

/// What was told of one object: a handful of events, as a rule.
#[derive(Debug, Clone, Default)]
struct ToldOf {
    similar: Vec<Aggregate>,
    /// When the next event of a type may be told, by type.
    spam: [SpamBucket; 2],
}

/// Similar events (`aggregateRecord`) and what was made of them.
#[derive(Debug, Clone)]
struct Aggregate {
    similar: Similar,
    last: SimTime,
    seen: Vec<Seen>,
}

/// An event that the server has, and how often it was told (`eventLog`).
#[derive(Debug, Clone)]
struct Seen {
    /// What it says; `None` where it stands for many.
    message: Option<Text>,
    /// Whether the message is among those that are told apart.
    counts: bool,
    name: Name,
    first: Timestamp,
    count: u32,
    created: bool,
}

/// A token bucket that refills slower than once a second.
#[derive(Debug, Clone, Copy, Default)]
struct SpamBucket {
    due: SimTime,
}

impl EventRecorder {
    /// A recorder that signs as a component, on a host or (empty) on none.
    pub fn new(component: Name, host: Name) -> Self {
        Self { component, host, objects: FastMap::default(), told: 0, usual: Vec::new() }
    }

    /// The call that tells people, unless they have been told too much already.
    pub fn tell(&mut self, now: SimTime, wall: WallTime, told: Told) -> Option<Request> {
        let about = &told.about;
        let stamp = wall.truncated();
        let message = self.kept_once(told.reason, told.message);
        self.told += 1;
        let unique = wall.unix_nanos() as u64 + self.told % 1_000;
        let object = self.objects.entry((about.kind, about.namespace, about.name, about.uid)).or_default();
        let may_tell = object.spam[told.kind as usize].take(now);
        let similar = Similar { part: about.field_path, kind: told.kind, reason: told.reason };
        let name = || (Name::new(&format!("{}.{unique:x}", about.name)), stamp);
        let (seen, message) = object.aggregate(now, similar).seen(message, name);
        seen.count += 1;
        if !may_tell {
            return None;
        }
        let namespace = if about.namespace.is_empty() { *DEFAULT } else { about.namespace };
        let event = Event {
            meta: Metadata { name: seen.name, namespace, ..Metadata::default() },
            involved: *about,
            kind: told.kind,
            reason: told.reason,
            message,
            component: self.component,
            host: self.host,
            first_timestamp: Some(seen.first),
            last_timestamp: Some(stamp),
            count: seen.count,
            event_time: None,
            series: None,
            action: Name::default(),
        };
        let object = Object::Event(Arc::new(event));
        if std::mem::replace(&mut seen.created, true) {
            Some(Request::Update { object, part: Part::Main })
        } else {
            Some(Request::Create(object))
        }
    }

    /// A message, as it is kept already if it is the same as the last one for its reason.
    fn kept_once(&mut self, reason: Name, message: Text) -> Text {
        match self.usual.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, last)) => {
                if *last != message {
                    *last = message;
                }
                last.clone()
            }
            None => {
                self.usual.push((reason, message.clone()));
                message
            }
        }
    }

    /// Counts what was told before the run began: whoever hears of it again hears how often it was told.
    pub fn was_told(&mut self, wall: WallTime, told: Told) {
        if let Some(Request::Create(_)) = self.tell(SimTime::ZERO, wall, told) {
            let all = self.objects.values_mut().flat_map(|object| &mut object.similar);
            all.flat_map(|record| &mut record.seen).for_each(|seen| seen.created = false);
        }
    }
}

impl ToldOf {
    /// The record of events that are similar to one that is told now.
    fn aggregate(&mut self, now: SimTime, similar: Similar) -> &mut Aggregate {
        let place = self.similar.iter().position(|record| record.similar == similar).unwrap_or_else(|| {
            self.similar.push(Aggregate { similar, last: now, seen: Vec::new() });
            self.similar.len() - 1
        });
        let record = &mut self.similar[place];
        if now.since(record.last) > SIMILAR_WITHIN {
            record.seen.iter_mut().for_each(|seen| seen.counts = false);
        }
        record.last = now;
        record
    }
}

impl Aggregate {
    /// The event of a message, with what it says. Up to nine messages are told apart; from the tenth on they are one.
    fn seen(&mut self, message: Text, fresh: impl FnOnce() -> (Name, Timestamp)) -> (&mut Seen, Text) {
        let known = self.seen.iter().position(|seen| seen.message.as_ref() == Some(&message));
        let place = known.unwrap_or_else(|| self.add(Seen::unknown(Some(message.clone()))));
        let apart = self.seen.iter().filter(|seen| seen.counts).count();
        if self.seen[place].counts || apart + 1 < SIMILAR_EVENTS {
            self.seen[place].counts = true;
            return (self.seen[place].or_else(fresh), message);
        }
        self.seen[place].counts = true;
        self.forget_first();
        let combined = self.seen.iter().position(|seen| seen.message.is_none());
        let place = combined.unwrap_or_else(|| self.add(Seen::unknown(None)));
        (self.seen[place].or_else(fresh), format!("(combined from similar events): {message}").into())
    }

    /// The first message, by letter, is not told apart any more.
    fn forget_first(&mut self) {
        let all = self.seen.iter().enumerate().filter(|(_, seen)| seen.counts);
        let Some((place, _)) = all.min_by(|(_, one), (_, other)| one.message.cmp(&other.message)) else { return };
        self.seen[place].counts = false;
        if self.seen[place].count == 0 {
            self.seen.swap_remove(place);
        }
    }

    fn add(&mut self, seen: Seen) -> usize {
        self.seen.reserve_exact(1); // As a rule there is one.
        self.seen.push(seen);
        self.seen.len() - 1
    }
}

impl Seen {
    /// An event that nobody was told of.
    fn unknown(message: Option<Text>) -> Self {
        Self { message, counts: false, name: Name::default(), first: Timestamp::default(), count: 0, created: false }
    }

    /// The event, with a name and a first time if it was never told.
    fn or_else(&mut self, fresh: impl FnOnce() -> (Name, Timestamp)) -> &mut Self {
        if self.count == 0 {
            (self.name, self.first) = fresh();
        }
        self
    }
}

impl SpamBucket {
    fn take(&mut self, now: SimTime) -> bool {
        let slack = SPAM_REFILL * u64::from(SPAM_BURST - 1);
        let there = self.due.since(now) <= slack;
        if there {
            self.due = self.due.max(now) + SPAM_REFILL;
        }
        there
    }
}

/// The queue of a recorder: events are sent one after the other, at the pace of their client.
#[derive(Debug, Clone, Copy)]
pub struct EventSink {
    limit: TokenBucket,
    free_at: SimTime,
}

impl EventSink {
    /// A sink whose client makes so many calls.
    pub const fn new(qps: u32, burst: u32) -> Self {
        Self { limit: TokenBucket::new(qps, burst), free_at: SimTime::ZERO }
    }

    /// How long an event waits before it is sent, if making it takes `making` and a call takes `call`.
    pub fn wait(&mut self, now: SimTime, making: SimDuration, call: SimDuration) -> SimDuration {
        let ready = (now + making).max(self.free_at);
        let sent = ready + self.limit.take(ready);
        self.free_at = sent + call;
        sent.since(now)
    }
}

/// The kind of an object that events are about, as a name.
pub fn kind_name(kind: Kind) -> Name {
    kind.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> Told {
        Told {
            about: ObjectReference { name: Name::new("web"), namespace: Name::new("default"), ..Default::default() },
            kind: EventType::Warning,
            reason: Name::new("Unhealthy"),
            message: message.into(),
        }
    }

    fn event(request: Option<Request>) -> Option<(bool, u32, String)> {
        match request? {
            Request::Create(Object::Event(event)) => Some((true, event.count, event.message.to_string())),
            Request::Update { object: Object::Event(event), .. } => {
                Some((false, event.count, event.message.to_string()))
            }
            other => panic!("{other:?} is no event"),
        }
    }

    #[test]
    fn the_same_message_is_counted() {
        let mut recorder = EventRecorder::new(Name::new("kubelet"), Name::new("n"));
        let mut tell = |secs, message: &str| {
            event(recorder.tell(SimTime::from_secs(secs), WallTime::from_unix_nanos(secs as i64), told(message)))
        };
        assert_eq!(tell(0, "a"), Some((true, 1, "a".into())));
        assert_eq!(tell(1, "a"), Some((false, 2, "a".into())));
        assert_eq!(tell(2, "b"), Some((true, 1, "b".into())));
    }

    #[test]
    fn ten_similar_messages_become_one() {
        // `TestEventCorrelator`: from the tenth different message within ten minutes on.
        let mut recorder = EventRecorder::new(Name::new("kubelet"), Name::new("n"));
        for n in 0..9 {
            let got = event(recorder.tell(SimTime::from_secs(n), WallTime::default(), told(&format!("m{n}"))));
            assert_eq!(got, Some((true, 1, format!("m{n}"))));
        }
        let got = event(recorder.tell(SimTime::from_secs(9), WallTime::default(), told("m9")));
        assert_eq!(got, Some((true, 1, "(combined from similar events): m9".into())));
        let got = event(recorder.tell(SimTime::from_secs(10), WallTime::default(), told("m10")));
        assert_eq!(got, Some((false, 2, "(combined from similar events): m10".into())));
    }

    #[test]
    fn a_flood_is_dropped_but_counted() {
        // `TestEventSpamFilter`: 25 at once, then one every five minutes.
        let mut recorder = EventRecorder::new(Name::new("kubelet"), Name::new("n"));
        let mut sent = 0;
        for _ in 0..40 {
            sent += u32::from(recorder.tell(SimTime::from_secs(1), WallTime::default(), told("x")).is_some());
        }
        assert_eq!(sent, 25);
        let got = event(recorder.tell(SimTime::from_secs(302), WallTime::default(), told("x")));
        assert_eq!(got, Some((false, 41, "x".into())));
    }
}
