//! What sets a fault off, where it is not a fixed time.

use super::Component;
use crate::engine::Distribution;
use crate::scenario::Placed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What sets a fault off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Trigger {
    /// The calendar, as a CronJob's schedule: `"*/5 * * * *"`.
    Cron(Placed<String>),
    /// Chance: so long after the start and, as often as `times` says, after each heal.
    After(Placed<Distribution>),
    /// The first time that a formula of expectations holds, such as `"deployment(web).readyReplicas == 3"`.
    Once(Placed<String>),
    /// Each time that a formula begins to hold.
    Each(Placed<String>),
    /// A call that the API server has served, before its answer leaves: what stands between two writes.
    Call(CallTrigger),
}

/// A call that sets a fault off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallTrigger {
    /// Who calls.
    pub by: Component,
    /// What it does: `create`, `update`, `patch`, `amend`, `bind`, `evict`, `delete` or `get`; anything if nothing is
    /// said.
    #[serde(default)]
    pub verb: Option<Placed<String>>,
    /// The kind of object that it is about; any if nothing is said.
    #[serde(default)]
    pub kind: Option<Placed<String>>,
    /// Which of them, counted from 1; the first if nothing is said.
    #[serde(default)]
    pub nth: Option<u32>,
}
