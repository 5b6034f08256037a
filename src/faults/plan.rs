//! Checked faults: everything that striking them needs, and nothing of the text that they were written in.

use super::{Component, FaultKind};
use crate::api::{Kind, Name};
use crate::components::message::Client;
use crate::components::scope::Scope;
use crate::engine::{Distribution, SimDuration, SimTime, StreamKey};
use crate::scenario::expect::Expectation;

/// A fault as it is struck.
#[derive(Debug, Clone)]
pub struct FaultPlan {
    /// Its name.
    pub name: Name,
    /// The stream of its draws.
    pub stream: StreamKey,
    /// What goes wrong.
    pub kind: FaultKind,
    /// Of API faults, the kinds of objects; any if empty.
    pub kinds: Vec<Kind>,
    /// What it strikes.
    pub scope: Scope,
    /// So many of them.
    pub count: Option<u32>,
    /// When.
    pub trigger: PlannedTrigger,
    /// How long each time; for ever if absent.
    pub lasts: Option<Distribution>,
    /// How often in all.
    pub times: u32,
    /// Over how long its targets are struck.
    pub ramp: SimDuration,
    /// Per cent of its occasions on which it strikes.
    pub chance: u8,
}

/// What sets a fault off.
#[derive(Debug, Clone)]
pub enum PlannedTrigger {
    /// These times, in order.
    Times(Vec<SimTime>),
    /// Chance, from the start and from each heal.
    After(Distribution),
    /// A formula begins to hold.
    Holds {
        /// The formula.
        formula: Expectation,
        /// Only the first time.
        once: bool,
    },
    /// The n-th call of a client with this verb about this kind.
    Call {
        /// Who calls.
        by: Component,
        /// What the call does; anything if empty.
        verb: Name,
        /// About what.
        kind: Option<Kind>,
        /// Which of them.
        nth: u32,
    },
}

impl Component {
    /// Whether a client of the API server is one of these.
    pub fn is(self, client: Client) -> bool {
        match client {
            Client::Scheduler => self == Self::Scheduler,
            Client::ControllerManager => self == Self::ControllerManager,
            Client::Kubelet(_) => self == Self::Kubelet,
            Client::Workload => self == Self::Proxy,
            Client::User => self == Self::User,
            Client::Autoscaler | Client::Extension(_) | Client::ApiServer => false,
        }
    }
}
