//! How much goes wrong at once, and until when: what keeps a story of faults one from which a cluster can recover.

use crate::engine::{SimDuration, SimTime};
use crate::scenario::Placed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What bounds all faults of a scenario together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "FaultLimits", default, deny_unknown_fields)]
pub struct FaultLimits {
    /// No more faults than these last at once: one that is due beside them is left out.
    pub at_once: Option<Placed<u32>>,
    /// From then on nothing strikes, and what lasts is healed.
    pub until: Option<Placed<SimDuration>>,
}

impl FaultLimits {
    /// When the last fault is over.
    pub fn end(&self) -> Option<SimTime> {
        self.until.as_ref().map(|until| SimTime::ZERO + until.value)
    }

    /// Whether there is room for one more fault beside so many.
    pub fn allow(&self, others: usize) -> bool {
        self.at_once.as_ref().is_none_or(|most| others < most.value as usize)
    }
}
