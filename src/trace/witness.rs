//! A witness: what a run's summary needs beside the objects at its end, noted while it happens.

use crate::api::{Change, ChangeKind, Event, FastMap, Object, Request};
use crate::components::message::{Client, Message};
use crate::engine::SimTime;
use crate::simulation::{Cluster, Trace};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A call of a user that the server refused, or a command that kubectl gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When.
    pub at: SimTime,
    /// What it was about: `Kind/namespace/name`.
    pub object: String,
    /// The words.
    pub message: String,
}

/// An event as it was told last, and when it was told first.
#[derive(Debug, Clone)]
pub struct ToldEvent {
    /// When it was first told.
    pub at: SimTime,
    /// Its last version.
    pub event: Arc<Event>,
}

/// Notes events, refusals and how much happened.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    events: Vec<ToldEvent>,
    /// The place of each event above, by its place in the store; nowhere is `u32::MAX`.
    places: Vec<u32>,
    refused: Vec<Refused>,
    known: BTreeSet<(String, String)>,
    /// Calls of users that are not answered.
    calls: FastMap<u32, String>,
    /// Calls of users that changed something.
    pub accepted: u64,
    /// Messages delivered.
    pub messages: u64,
    /// Objects changed.
    pub changes: u64,
}

impl Witness {
    /// Every event that was ever told, in order of the first telling.
    pub fn events(&self) -> &[ToldEvent] {
        &self.events
    }

    /// Where an event is that had gone and was made anew: it counts on.
    fn place_of_earlier(&self, event: &Event) -> Option<u32> {
        let same = |told: &ToldEvent| {
            told.event.meta.name == event.meta.name && told.event.meta.namespace == event.meta.namespace
        };
        let place = if event.times() > 1 { self.events.iter().rposition(same)? } else { return None };
        u32::try_from(place).ok()
    }

    /// What was refused: the same words about the same object once.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }
}

impl Trace for Witness {
    fn delivered(&mut self, now: SimTime, _: u64, message: &Message, _: &Cluster) {
        self.messages += 1;
        match message {
            // A client that reads before it writes does not mind that there is nothing to read.
            Message::Call { client: Client::User, id, request } if !matches!(**request, Request::Get(_)) => {
                self.calls.insert(*id, request.path());
            }
            Message::Reply { client: Client::User, id, response } => {
                let Some(object) = self.calls.remove(id) else { return };
                match response {
                    Ok(_) => self.accepted += 1,
                    Err(error) => {
                        let message = error.to_string();
                        if self.known.insert((object.clone(), message.clone())) {
                            self.refused.push(Refused { at: now, object, message });
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn changed(&mut self, now: SimTime, _: u64, change: &Change, _: &Cluster) {
        self.changes += 1;
        let Object::Event(event) = &change.object else { return };
        let index = event.meta.index as usize;
        match change.kind {
            ChangeKind::Added => {
                if self.places.len() <= index {
                    self.places.resize(index + 1, u32::MAX);
                }
                if let Some(place) = self.place_of_earlier(event) {
                    self.places[index] = place;
                    self.events[place as usize].event = event.clone();
                    return;
                }
                self.places[index] = u32::try_from(self.events.len()).expect("fewer than 2^32 events in a run");
                self.events.push(ToldEvent { at: now, event: event.clone() });
            }
            ChangeKind::Modified => {
                let told = self.places.get(index).and_then(|place| self.events.get_mut(*place as usize));
                if let Some(told) = told {
                    told.event = event.clone();
                }
            }
            ChangeKind::Deleted => {}
        }
    }
}
