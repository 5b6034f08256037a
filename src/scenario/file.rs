//! What a scenario file may say: the types that its RON is read as.
//!
//! Every field may be left out. What the fields mean together is checked when the plan is made.

use super::outline::Placed;
use super::step::TimedStep;
use crate::api::Amount;
use crate::components::kubelet::KubeletConfig;
use crate::components::latency::Load;
use crate::components::runtime::{MetricSeries, PodBehavior, Process, PullBehavior, Traffic};
use crate::engine::{Distribution, SimDuration};
use crate::faults::{Fault, FaultLimits};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A scenario file: `Scenario( … )`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Scenario", default, deny_unknown_fields)]
pub struct ScenarioFile {
    /// One line that says what happens.
    pub description: Option<String>,
    /// Scenario files whose content comes before this one's: paths relative to this file.
    pub include: Vec<Placed<String>>,
    /// How long the cluster is watched; 10 minutes if nothing is said.
    pub duration: Option<Placed<SimDuration>>,
    /// The seed of all chance; `--seed` wins.
    pub seed: Option<u64>,
    /// What the clocks show at the start (RFC 3339); 2026-01-01T00:00:00Z if nothing is said.
    pub start: Option<Placed<String>>,
    /// How long the steps take that Kubernetes does not decide.
    pub latencies: Option<Latencies>,
    /// How the scheduler is configured: a `KubeSchedulerConfiguration`; as by default if nothing is said.
    pub scheduler: Option<Placed<Manifest>>,
    /// Whether every probe is run, also those that are sure to change nothing.
    pub every_probe: Option<bool>,
    /// Whether namespaces that nobody creates are refused, as on a server; else they are made first.
    pub strict: Option<bool>,
    /// The machines; three of 4 CPUs and 16Gi if nothing is said.
    pub nodes: Vec<Placed<NodePool>>,
    /// What the cluster autoscaler of pools with `autoscale` keeps to besides.
    pub autoscaler: Option<Placed<ClusterAutoscaler>>,
    /// What is created at the start, in order.
    pub manifests: Vec<Placed<Manifest>>,
    /// What containers do, by the names of their pods; the first rule that matches a pod is its rule.
    pub behaviors: Vec<PodBehavior>,
    /// The images of the registries, by name or pattern; one that matches nothing is on every node.
    pub images: IndexMap<String, Placed<Image>>,
    /// The drivers of volumes, by name or pattern; the first that matches counts.
    pub drivers: IndexMap<String, Placed<Driver>>,
    /// Whoever sends requests to Services whose programs say what `work` they are.
    pub traffic: Vec<Placed<Traffic>>,
    /// Metrics that an adapter serves to autoscalers, by name.
    pub metrics: Vec<Placed<MetricSeries>>,
    /// What users and fate do, at their times.
    pub actions: Vec<Placed<TimedStep>>,
    /// What goes wrong for a while.
    pub faults: Vec<Placed<Fault>>,
    /// How much of it at once, and until when.
    pub fault_limits: Option<Placed<FaultLimits>>,
    /// What must hold, as sentences: see [`expect`](super::expect).
    pub expect: Vec<Placed<String>>,
}

/// How long the steps take that Kubernetes does not decide.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Latencies", default, deny_unknown_fields)]
pub struct Latencies {
    /// `"kubernetes-1.36"`, `"ideal"`, or the path of a profile; the first if nothing is said.
    pub profile: Option<Placed<String>>,
    /// Latencies of the profile that are replaced, by name.
    pub overrides: BTreeMap<String, Placed<Distribution>>,
    /// How the load of the control plane's machine varies.
    pub load: Option<Load>,
}

/// Machines of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Pool", default, deny_unknown_fields)]
pub struct NodePool {
    /// How many; one if nothing is said.
    pub count: Option<Placed<u32>>,
    /// Their names: `{}` stands for the number of each, from 1 on; `node-{}` if nothing is said.
    pub name: Option<Placed<String>>,
    /// What each machine has: `cpu` 4, `memory` 16Gi, `pods` 110, `ephemeral-storage` 100Gi if nothing is said.
    pub capacity: BTreeMap<String, Amount>,
    /// What of it pods may not be promised: `memory` 100Mi and a tenth of `ephemeral-storage` if nothing is said.
    pub reserved: BTreeMap<String, Amount>,
    /// The zones, dealt out in turn.
    pub zones: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, Placed<String>>,
    /// Taints, as kubectl writes them: `key=value:Effect`.
    pub taints: Vec<Placed<String>>,
    /// Between how many machines a cluster autoscaler keeps the pool; `count` are there from the start.
    pub autoscale: Option<Placed<Autoscale>>,
    /// When they join; they are there from the start if nothing is said.
    pub join: Option<Placed<SimDuration>>,
    /// How long they have run at the start; some minutes if nothing is said.
    pub uptime: Option<Distribution>,
    /// The settings of their kubelets.
    pub kubelet: KubeletConfig,
}

/// How a cluster autoscaler treats a pool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Autoscale", default, deny_unknown_fields)]
pub struct Autoscale {
    /// No fewer machines; none if nothing is said.
    pub min: u32,
    /// No more machines.
    pub max: u32,
    /// From the wish for a machine to its boot; half a minute to a minute and a half if nothing is said.
    pub provision: Option<Distribution>,
    /// How long a machine must have been unneeded before it goes; 10 minutes if nothing is said.
    pub unneeded: Option<SimDuration>,
    /// The same for a machine that is not ready (`--scale-down-unready-time`); 20 minutes if nothing is said.
    pub unready: Option<SimDuration>,
    /// Whether the pods of DaemonSets are left out of how much a machine is used (`--ignore-daemonsets-utilization`).
    pub ignore_daemonsets_utilization: bool,
    /// Whether its own, static, pods are (`--ignore-mirror-pods-utilization`).
    pub ignore_mirror_pods_utilization: bool,
}

/// What a cluster autoscaler keeps to, whatever its pools allow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "ClusterAutoscaler", default, deny_unknown_fields)]
pub struct ClusterAutoscaler {
    /// Between how many cores the cluster has in all (`--cores-total`); up to 320000 if nothing is said.
    pub cores_total: Bounds,
    /// The same for memory (`--memory-total`); up to 6400000Gi if nothing is said.
    pub memory_total: Bounds,
}

/// How little and how much of something there may be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Bounds", default, deny_unknown_fields)]
pub struct Bounds {
    /// No less.
    pub min: Option<Amount>,
    /// No more.
    pub max: Option<Amount>,
}

/// Kubernetes objects: YAML or JSON, as many documents as you like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Manifest {
    /// A file: its path relative to the scenario.
    File(Placed<String>),
    /// A text.
    Inline(Placed<String>),
}

/// A driver of volumes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Driver", default, deny_unknown_fields)]
pub struct Driver {
    /// Whether a node that has a volume must make its file system larger once the volume is (the capability
    /// `EXPAND_VOLUME` of the driver's node service); so it is if nothing is said.
    pub node_expansion: bool,
}

impl Default for Driver {
    fn default() -> Self {
        Self { node_expansion: true }
    }
}

/// An image of a registry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Image", default, deny_unknown_fields)]
pub struct Image {
    /// Its size; 50Mi if nothing is said.
    pub size: Option<Amount>,
    /// The nodes that have it from the start; none if nothing is said.
    pub present_on: Option<Vec<Placed<String>>>,
    /// How long pulling it takes, where `pulls` does not say.
    pub pull: Option<Distribution>,
    /// How pulls go: one entry for each on a node, the last one repeats.
    pub pulls: Vec<PullBehavior>,
    /// What its containers do, where `behaviors` says nothing.
    pub process: Option<Process>,
}
