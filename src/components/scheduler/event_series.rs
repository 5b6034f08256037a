//! How the scheduler tells people: the recorder of `events.k8s.io/v1`, which counts repeats in series.
//!
//! Follows `staging/src/k8s.io/client-go/tools/events/event_broadcaster.go` of Kubernetes 1.36. The first event of a
//! kind about one version of an object is created, the second starts a series; further ones are counted in memory and
//! written every half hour, or when the series is over.

use crate::api::{Event, EventType, FastMap, Metadata, Name, Object, ObjectReference, Part, Request, Text, WallTime};
use crate::engine::{SimDuration, SimTime};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// A series that is quiet for so long is over; the recorder looks this often.
const FINISH: SimDuration = SimDuration::from_mins(6);
/// Series that go on are written this often.
const REFRESH: SimDuration = SimDuration::from_mins(30);
/// Longer texts are cut.
const LONGEST_NOTE: usize = 1024;

/// What makes events repeats of each other: everything but the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    controller: Name,
    kind: EventType,
    reason: Name,
    action: Name,
    regarding: ObjectReference,
    related: Option<ObjectReference>,
}

/// An event that was created, and the series that it began.
#[derive(Debug, Clone)]
struct Known {
    number: u64,
    event: Arc<Event>,
    at: SimTime,
}

/// What is told.
#[derive(Debug, Clone)]
pub(super) struct Note {
    /// Who says so: the profile's name.
    pub controller: Name,
    /// How grave it is.
    pub kind: EventType,
    /// Why, in one word.
    pub reason: &'static str,
    /// What was tried.
    pub action: &'static str,
    /// What it is about.
    pub regarding: ObjectReference,
    /// What else has to do with it.
    pub related: Option<ObjectReference>,
    /// Why, for people.
    pub text: Text,
}

/// The recorder.
#[derive(Debug, Clone)]
pub(super) struct EventSeries {
    /// A moment at which it looks for series that are over.
    phase: SimTime,
    known: FastMap<Key, Known>,
    /// Events that became series, oldest first.
    series: BTreeSet<u64>,
    keys: FastMap<u64, Key>,
    /// All that are known, oldest first.
    recent: VecDeque<(SimTime, u64)>,
    told: u64,
}

impl EventSeries {
    /// A recorder that looks for series that are over at `phase`, and every six minutes after.
    pub fn new(phase: SimTime) -> Self {
        Self {
            phase,
            known: FastMap::default(),
            series: BTreeSet::new(),
            keys: FastMap::default(),
            recent: VecDeque::new(),
            told: 0,
        }
    }

    /// The call that tells people; `None` for a repeat that is only counted.
    pub fn tell(&mut self, now: SimTime, wall: WallTime, note: Note) -> Option<Request> {
        let Note { controller, kind, reason, action, regarding, related, text } = note;
        let (reason, action) = (Name::new(reason), Name::new(action));
        let key = Key { controller, kind, reason, action, regarding, related };
        self.forget(now);
        if let Some(known) = self.known.get_mut(&key) {
            let event = Arc::make_mut(&mut known.event);
            known.at = now;
            if let Some((count, last)) = &mut event.series {
                (*count, *last) = (*count + 1, wall);
                return None;
            }
            event.series = Some((2, wall));
            self.series.insert(known.number);
            return Some(Request::Update { object: Object::Event(known.event.clone()), part: Part::Main });
        }
        self.told += 1;
        let unique = wall.unix_nanos() as u64 + self.told % 1_000;
        let namespace = if regarding.namespace.is_empty() { Name::new("default") } else { regarding.namespace };
        let name = Name::new(&format!("{}.{unique:x}", regarding.name));
        let event = Arc::new(Event {
            meta: Metadata { name, namespace, ..Metadata::default() },
            involved: regarding,
            kind,
            reason,
            message: cut(text),
            component: controller,
            host: Name::default(),
            first_timestamp: None,
            last_timestamp: None,
            count: 0,
            event_time: Some(wall),
            series: None,
            action,
        });
        self.known.insert(key, Known { number: self.told, event: event.clone(), at: now });
        self.keys.insert(self.told, key);
        self.recent.push_back((now, self.told));
        Some(Request::Create(Object::Event(event)))
    }

    /// Forgets events that did not become series in time.
    fn forget(&mut self, now: SimTime) {
        while let Some(&(at, number)) = self.recent.front()
            && self.looks_at(at + FINISH) <= now
        {
            self.recent.pop_front();
            if !self.series.contains(&number)
                && let Some(key) = self.keys.remove(&number)
            {
                self.known.remove(&key);
            }
        }
    }

    /// The first look at or after an instant.
    fn looks_at(&self, at: SimTime) -> SimTime {
        at.next_tick(self.phase, FINISH)
    }

    /// When there is something to be written next.
    pub fn next_look(&self, now: SimTime) -> Option<SimTime> {
        if self.series.is_empty() {
            return None;
        }
        let of = |number: &u64| self.looks_at(self.known[&self.keys[number]].at + FINISH);
        let over = self.series.iter().map(of).min()?;
        Some(over.min((now + SimDuration::from_nanos(1)).next_tick(self.phase, REFRESH)))
    }

    /// Looks for series that are over, and writes those that go on when it is time.
    pub fn look(&mut self, now: SimTime) -> Vec<Request> {
        let refreshes = now.next_tick(self.phase, REFRESH) == now;
        let mut calls = Vec::new();
        for number in self.series.clone() {
            let key = self.keys[&number];
            let known = &self.known[&key];
            let over = known.at + FINISH <= now;
            if over || refreshes {
                calls.push(Request::Update { object: Object::Event(known.event.clone()), part: Part::Main });
            }
            if over {
                self.series.remove(&number);
                self.keys.remove(&number);
                self.known.remove(&key);
            }
        }
        calls
    }
}

/// A text of at most 1024 bytes; the last four say that it was longer.
fn cut(text: Text) -> Text {
    if text.len() <= LONGEST_NOTE {
        return text;
    }
    let mut end = LONGEST_NOTE - 4;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{} ...", &text[..end]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> Note {
        Note {
            controller: Name::new("default-scheduler"),
            kind: EventType::Warning,
            reason: "FailedScheduling",
            action: "Scheduling",
            regarding: ObjectReference { name: Name::new("web"), ..ObjectReference::default() },
            related: None,
            text: text.into(),
        }
    }

    #[test]
    fn repeats_are_a_series() {
        // `TestEventSeriesf`, `TestFinishSeries`; control-plane.md 7.2.
        let mut recorder = EventSeries::new(SimTime::from_secs(100));
        let mut tell = |secs: u64| match recorder.tell(SimTime::from_secs(secs), WallTime::default(), note("a")) {
            None => "counted".to_owned(),
            Some(Request::Create(_)) => "created".to_owned(),
            Some(Request::Update { object: Object::Event(event), .. }) => format!("{:?}", event.series.map(|s| s.0)),
            Some(other) => panic!("{other:?}"),
        };
        // The second one, at 471 s, is the first after the look at 460 s, which is more than six minutes later.
        let story = [(0, "created"), (471, "created"), (472, "Some(2)"), (473, "counted"), (500, "counted")];
        for (secs, expected) in story {
            assert_eq!(tell(secs), expected, "at {secs} s");
        }
        let look = recorder.next_look(SimTime::from_secs(500)).expect("a series goes on");
        assert_eq!(look, SimTime::from_secs(100 + 3 * 360));
        let calls = recorder.look(look);
        let Some(Request::Update { object: Object::Event(event), .. }) = calls.first() else { panic!("{calls:?}") };
        assert_eq!((event.series.map(|series| series.0), recorder.next_look(look)), (Some(4), None));
    }

    #[test]
    fn long_texts_are_cut() {
        let text = cut("ä".repeat(600).into());
        assert!(text.len() <= LONGEST_NOTE && text.ends_with("ä ..."), "{text}");
        assert_eq!(&*cut("short".into()), "short");
    }
}
