//! Components of those who use the library: a controller, a scheduler, an operator, anything that acts on a cluster.
//!
//! An extension is a state machine like the components here: it hears of objects through a watch, perhaps late, asks
//! for change with calls that may fail, and sleeps on timers. It is registered with
//! [`Simulation::with`](crate::Simulation::with); its calls, answers and timers are in the trace as everybody's.

use super::message::{Client, Message};
use crate::api::{Change, Kind, Request, Response, WallClock, WallTime};
use crate::engine::{Draws, Outbox, SimDuration, SimTime};
use std::fmt::Debug;

/// A component of a user of the library. A clone is a fork: keep what it knows in plain data.
///
/// `examples/own_components.rs` has a scheduler, a controller and a process model.
pub trait Extension: Debug + Send + Sync + CloneExtension {
    /// Whether it wants to hear of a kind; of everything but Events unless said otherwise.
    fn watches(&self, kind: Kind) -> bool {
        kind != Kind::Event
    }

    /// The watch tells of a change. Objects that were there at the start are told of as added.
    fn watched(&mut self, change: &Change, api: &mut Api<'_>);

    /// A call is answered.
    fn replied(&mut self, call: CallId, response: &Response, api: &mut Api<'_>) {
        let _ = (call, response, api);
    }

    /// A timer goes off.
    fn woken(&mut self, timer: u64, api: &mut Api<'_>) {
        let _ = (timer, api);
    }
}

/// What makes a boxed extension a value: given to everything that can be cloned.
pub trait CloneExtension {
    /// A copy that goes its own way.
    fn boxed_clone(&self) -> Box<dyn Extension>;
}

impl<E: Extension + Clone + 'static> CloneExtension for E {
    fn boxed_clone(&self) -> Box<dyn Extension> {
        Box::new(self.clone())
    }
}

/// A call of an extension, to be recognised when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// What an extension can do.
#[derive(Debug)]
pub struct Api<'a> {
    now: SimTime,
    clock: WallClock,
    draws: Draws,
    place: u16,
    calls: &'a mut u32,
    out: &'a mut Outbox<Message>,
}

impl Api<'_> {
    /// The present instant.
    pub const fn now(&self) -> SimTime {
        self.now
    }

    /// What the control plane's clock shows.
    pub const fn wall(&self) -> WallTime {
        self.clock.at(self.now)
    }

    /// The source of chance: draw by the stable name of what the draw is for.
    pub const fn draws(&self) -> Draws {
        self.draws
    }

    /// Calls the API server; the answer comes to [`Extension::replied`].
    pub fn call(&mut self, request: Request) -> CallId {
        *self.calls += 1;
        let client = Client::Extension(self.place);
        self.out.now(Message::Call { client, id: *self.calls, request: Box::new(request) });
        CallId(*self.calls)
    }

    /// Asks to be woken after a delay, with a number of its own choice. Timers are not taken back: they go stale.
    pub fn wake_after(&mut self, delay: SimDuration, timer: u64) {
        self.out.after(delay, Message::Extension(self.place, timer));
    }
}

/// The extensions of a run.
#[derive(Debug, Default)]
pub struct Extensions {
    all: Vec<(Box<dyn Extension>, u32)>,
}

impl Clone for Extensions {
    fn clone(&self) -> Self {
        Self { all: self.all.iter().map(|(one, calls)| (one.boxed_clone(), *calls)).collect() }
    }
}

impl Extensions {
    /// Adds one and returns its client.
    pub fn add(&mut self, extension: Box<dyn Extension>) -> Client {
        let place = u16::try_from(self.all.len()).expect("fewer than 65,536 extensions");
        self.all.push((extension, 0));
        Client::Extension(place)
    }

    /// Those who want to hear of a kind.
    pub fn watchers(&self, kind: Kind) -> impl Iterator<Item = Client> + '_ {
        let watching = (0u16..).zip(&self.all).filter(move |(_, (one, _))| one.watches(kind));
        watching.map(|(place, _)| Client::Extension(place))
    }

    /// Lets one act.
    pub fn act(
        &mut self,
        place: u16,
        (now, clock, draws): (SimTime, WallClock, Draws),
        out: &mut Outbox<Message>,
        what: impl FnOnce(&mut dyn Extension, &mut Api<'_>),
    ) {
        let (one, calls) = &mut self.all[usize::from(place)];
        what(one.as_mut(), &mut Api { now, clock, draws, place, calls, out });
    }
}
