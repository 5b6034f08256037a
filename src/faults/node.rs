//! Faults of nodes: machines, kubelets, runtimes, and what operators and clouds do to them.

use crate::api::Amount;
use crate::components::kubelet::KubeletConfig;
use crate::engine::{Distribution, SimDuration};
use crate::scenario::Placed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A machine that starts anew.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reboot {
    /// What its disk has afterwards.
    pub disk: Disk,
}

/// What a disk has after its machine started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Disk {
    /// What it had.
    #[default]
    Kept,
    /// Nothing: images, containers and logs are gone.
    Lost,
}

/// A machine on which everything takes longer: a gray failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowNode {
    /// How many times as long kubelet, runtime and programs take.
    pub factor: Placed<u32>,
}

/// A clock that is wrong.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClockSkew {
    /// How far ahead it is.
    pub ahead: SimDuration,
    /// How far behind it is.
    pub behind: SimDuration,
}

/// A taint that somebody puts on nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeTaint {
    /// As kubectl writes it: `key=value:Effect`.
    pub taint: Placed<String>,
}

/// A drain, as maintenance does it; healed, the node is uncordoned.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NodeDrain {
    /// Also pods that no controller manages.
    pub force: bool,
    /// Pods are deleted, whatever their budgets say.
    pub disable_eviction: bool,
}

/// A spot machine that its cloud takes back: a notice on which the node is tainted and drained, then no power. Healed,
/// another machine takes its place under its name, with an empty disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpotReclaim {
    /// How long before.
    pub notice: SimDuration,
}

impl Default for SpotReclaim {
    fn default() -> Self {
        Self { notice: SimDuration::from_secs(120) }
    }
}

/// A label that nodes lose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeLabelLoss {
    /// Its key.
    pub label: String,
}

/// Nodes of which other resources are told than they have for pods.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WrongAllocatable {
    /// What is told: `{"cpu": "1", "pods": 5}`.
    pub resources: BTreeMap<String, Amount>,
}

/// Machines that break by their age, and are repaired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HardwareFailure {
    /// How long after the start of the fault, and after each repair, a machine breaks: a `Mixture` of a `Weibull` with
    /// a shape below 1 (the young) and one above (the old) has the form of a bathtub.
    pub age: Distribution,
    /// How long a repair takes.
    pub repair: Distribution,
}

/// Kubelets that are started anew with other settings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KubeletConfigChange {
    /// The settings; what is not said is as by default.
    pub kubelet: Box<KubeletConfig>,
}
