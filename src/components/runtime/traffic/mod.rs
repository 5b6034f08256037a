//! Load: requests for Services, what they cost the programs behind them, and what comes back of it.
//!
//! No request is an event. Every second, senders say how many they send, Services share them among their ready
//! endpoints as kube-proxy does, each server works on its line ([`work`]), and senders hear what became of theirs and
//! send some again ([`client`]). CPU and memory of the servers follow, and with them probes, the autoscaler and the
//! kernel's killer. When a second is as the one before, nothing is done until something changes.
//!
//! Left out: connections that outlive an endpoint, requests that differ from each other, and session affinity: whoever
//! sends here stands for many clients.

mod client;
mod interval;
mod poison;
mod rate;
mod report;
mod work;

use crate::api::{Name, Object};
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};
pub use client::Retries;
use client::{Flow, Sender, Source};
pub use rate::{Rate, RateStep};
use report::Destination;
pub(crate) use report::TRAFFIC;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use work::Line;
pub use work::{Call, Work};

/// How long an interval is.
pub(super) const INTERVAL: SimDuration = SimDuration::from_secs(1);
/// What was used is remembered for so long: for as long as anybody asks.
const MEMORY: SimDuration = SimDuration::from_mins(2);

/// Whoever sends requests to a Service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Traffic {
    /// Its name, for expectations; the Service's if nothing is said.
    pub name: Option<String>,
    /// The Service.
    pub service: String,
    /// Its namespace; `default` if nothing is said.
    pub namespace: Option<String>,
    /// The Service's port; the first if nothing is said.
    pub port: Option<u16>,
    /// So many requests a second, whatever becomes of them.
    pub rate: Option<Rate>,
    /// Or so many users, who wait for an answer before they ask again.
    pub users: Option<Users>,
    /// How long an answer is waited for; a second if nothing is said.
    pub timeout: Option<SimDuration>,
    /// How requests that failed are sent again; not at all if nothing is said.
    pub retries: Retries,
}

/// Users, each of whom waits for an answer, thinks, and asks again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Users {
    /// How many.
    pub count: Rate,
    /// How long they think.
    #[serde(default)]
    pub think: SimDuration,
}

/// A part of a whole, without overflow.
trait Shares {
    fn share(self, part: i64, whole: i64) -> i64;
}

impl Shares for i64 {
    fn share(self, part: i64, whole: i64) -> i64 {
        let whole = i128::from(whole);
        if whole == 0 { 0 } else { (i128::from(self) * i128::from(part) / whole) as i64 }
    }
}

/// Something about load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
pub enum TrafficMessage {
    /// An interval begins, unless another was planned since.
    Interval {
        /// The plan that it is of.
        turn: u32,
    },
    /// Servers have come or gone, or work otherwise.
    Changed,
    /// A request is sent of which whoever gets it dies.
    Poison {
        /// The number of the fault that it is of.
        fault: u32,
        /// Which of its requests.
        request: u32,
        /// How often it was sent before.
        sent: u32,
    },
}

/// Where requests of a sender go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Goal {
    namespace: Name,
    service: Name,
    port: Option<u16>,
}

/// All senders, and when they send next.
#[derive(Debug, Clone, Default)]
pub(super) struct Roads {
    senders: Vec<(Goal, Sender)>,
    /// Senders whose requests programs make: whose they are, and which of the calls.
    calling: BTreeMap<(Goal, Goal, SimDuration), usize>,
    /// What outside senders show, in their order.
    shown: Vec<Object>,
    /// Whether anything of them was shown.
    told: bool,
    turn: u32,
    /// Whether an interval is planned that follows the last one.
    flows: bool,
    /// How many intervals were like the one before.
    alike: usize,
    last: Vec<Flow>,
}

/// What a container does about requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Serving {
    line: Line,
    /// Thousandths of a CPU that the container may use.
    milli_cpu: i64,
    /// Thousandths of a CPU that requests used, from each moment on.
    used: VecDeque<(SimTime, i64)>,
    /// How many requests were served, in millionths.
    served: i64,
    /// Bytes of memory that requests take.
    pub(super) memory: i64,
}

impl Serving {
    fn note(&mut self, now: SimTime, milli_cpu: i64) {
        if self.used.back().is_none_or(|(_, last)| *last != milli_cpu) {
            self.used.push_back((now, milli_cpu));
        }
        while self.used.get(1).is_some_and(|(at, _)| *at + MEMORY < now) {
            self.used.pop_front();
        }
    }

    /// How many requests were served.
    pub(super) const fn served(&self) -> u64 {
        (self.served / rate::WHOLE).unsigned_abs()
    }

    /// Thousandths of a CPU that requests used, from each moment on.
    pub(super) fn cpu_steps(&self) -> impl Iterator<Item = (SimTime, i64)> {
        self.used.iter().copied()
    }
}

impl Roads {
    /// The senders of a scenario.
    pub(super) fn new(traffic: &[Traffic]) -> Self {
        let mut roads = Self::default();
        for one in traffic {
            let namespace = Name::new(one.namespace.as_deref().unwrap_or("default"));
            let goal = Goal { namespace, service: Name::new(&one.service), port: one.port };
            let source = match (&one.users, &one.rate) {
                (Some(users), _) => Source::Closed(users.count.clone(), users.think),
                (None, Some(rate)) => Source::Open(rate.clone()),
                (None, None) => Source::Open(Rate::Constant(0)),
            };
            let timeout = one.timeout.unwrap_or(INTERVAL);
            roads.senders.push((goal, Sender::new(source, timeout, one.retries.clone())));
            let name = Name::new(one.name.as_deref().unwrap_or(&one.service));
            let place = roads.shown.len();
            let to = Destination { service: goal.service, ..Destination::default() };
            roads.shown.push(report::object(name, namespace, place, &Flow::default(), &to));
        }
        roads
    }

    fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// Whoever sends from outside sends so many per cent of what it would.
    pub(super) fn surge(&mut self, percent: i64) {
        self.senders.iter_mut().for_each(|(_, sender)| sender.percent = percent);
    }

    /// An interval is begun soon, whatever was planned.
    fn plan(&mut self, after: SimDuration, out: &mut Outbox<Message>) {
        self.turn += 1;
        out.after(after, Message::Traffic(TrafficMessage::Interval { turn: self.turn }));
    }
}
