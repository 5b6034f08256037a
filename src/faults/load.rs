//! Faults of those who send requests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Senders that send more, or less, than a scenario says of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadSurge {
    /// Per cent of what it is otherwise.
    pub percent: u32,
}
