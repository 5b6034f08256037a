//! What goes wrong, as data: faults with targets, triggers, durations and heals.
//!
//! A scenario lists faults ([`Fault`]). Each names a kind ([`FaultKind`], a file for each group), what it strikes
//! ([`Targets`]) and when ([`Trigger`]); checked, it is a [`FaultPlan`] that the simulation strikes and heals. Nothing
//! here acts: a fault works through what it does to messages, machines and programs, and what follows is theirs.
//!
//! Every draw of a fault is keyed by the fault's name, so that one fault more never shifts another's luck.

mod catalogue;
mod control_plane;
mod image;
mod kind;
mod limits;
mod load;
mod node;
mod operation;
mod plan;
mod pod;
mod pressure;
mod process;
mod swarm;
mod target;
mod trigger;

pub use crate::components::scope::Scope;
pub use catalogue::catalogue;
pub use control_plane::*;
pub use image::*;
pub use kind::{FaultKind, Group, KINDS, KindInfo, Subject};
pub use limits::FaultLimits;
pub use load::*;
pub use node::*;
pub use operation::*;
pub use plan::{FaultPlan, PlannedTrigger};
pub use pod::*;
pub use pressure::*;
pub use process::*;
pub use swarm::{SwarmTargets, swarm, swarm_of};
pub use target::Targets;
pub use trigger::{CallTrigger, Trigger};

use crate::engine::{Distribution, SimDuration};
use crate::scenario::Placed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that goes wrong, perhaps for a while, perhaps again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Fault", deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub fault: Placed<FaultKind>,
    /// Its name, which keys its chance; its kind if nothing is said, numbered from the second of a kind on.
    #[serde(default)]
    pub name: Option<Placed<String>>,
    /// What it strikes.
    #[serde(default)]
    pub on: Option<Placed<Targets>>,
    /// From when on; the start if nothing else is said.
    #[serde(default)]
    pub at: Option<Placed<SimDuration>>,
    /// What sets it off, if not the time.
    #[serde(default)]
    pub when: Option<Placed<Trigger>>,
    /// How long; for ever if nothing is said.
    #[serde(default)]
    pub lasts: Option<Placed<Distribution>>,
    /// Again and again, so far apart, until the end or as often as `times` says.
    #[serde(default)]
    pub every: Option<Placed<SimDuration>>,
    /// How often in all.
    #[serde(default)]
    pub times: Option<u32>,
    /// Its targets are struck one after another over this time, rather than at once.
    #[serde(default)]
    pub ramp: Option<Placed<SimDuration>>,
    /// Per cent of its occasions on which it strikes; all if nothing is said.
    #[serde(default)]
    pub chance: Option<Placed<u8>>,
}
