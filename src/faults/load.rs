//! Faults of those who send requests.

use crate::engine::{Distribution, SimDuration};
use crate::scenario::Placed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Senders that send more, or less, than a scenario says of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadSurge {
    /// Per cent of what it is otherwise.
    pub percent: u32,
}

/// Requests of which whoever gets one dies; their senders, who hear nothing, send them again to others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoisonRequest {
    /// The Service that they are sent to.
    pub service: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Which of its ports; the first if nothing is said.
    #[serde(default)]
    pub port: Option<u16>,
    /// How far apart they come.
    #[serde(default = "each_half_minute")]
    pub every: Distribution,
    /// How often each is sent again, a second later.
    #[serde(default)]
    pub retries: u32,
    /// What the process returns that gets one; by default it is a segmentation fault.
    #[serde(default = "segmentation_fault")]
    pub code: i32,
}

fn each_half_minute() -> Distribution {
    SimDuration::from_secs(30).into()
}

/// 128 and the number of the signal SIGSEGV.
const fn segmentation_fault() -> i32 {
    139
}
