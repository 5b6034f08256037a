//! Where a pod may go and where it would rather go.

use crate::api::{Labels, List, Name, Requirement, Selector};
use serde::Serialize;
use std::fmt;

/// What a pod asks of its place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Affinity {
    /// One of these terms must match the node. `None`: any node; no terms: no node.
    pub required_node_terms: Option<Vec<NodeSelectorTerm>>,
    /// Terms that a node is better for matching, with weights.
    pub preferred_node_terms: Vec<(i64, NodeSelectorTerm)>,
    /// Pods that must be near.
    pub required_pods: Vec<PodAffinityTerm>,
    /// Pods that are better near, with weights.
    pub preferred_pods: Vec<(i64, PodAffinityTerm)>,
    /// Pods that must not be near.
    pub required_anti_pods: Vec<PodAffinityTerm>,
    /// Pods that are better not near, with weights.
    pub preferred_anti_pods: Vec<(i64, PodAffinityTerm)>,
}

/// `v1.NodeSelectorTerm`: all requirements must hold; a term without any matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize)]
pub struct NodeSelectorTerm {
    /// On labels.
    pub expressions: List<Requirement>,
    /// On fields; only `metadata.name` exists.
    pub fields: List<Requirement>,
}

impl NodeSelectorTerm {
    /// Whether a node matches (`component-helpers/scheduling/corev1/nodeaffinity`).
    pub fn matches(&self, name: Name, labels: &Labels) -> bool {
        if self.expressions.is_empty() && self.fields.is_empty() {
            return false;
        }
        self.expressions.iter().all(|requirement| requirement.matches(labels))
            && self.fields.iter().all(|requirement| requirement.accepts(Some(name)))
    }
}

/// `v1.PodAffinityTerm`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct PodAffinityTerm {
    /// The pods meant; `None` matches nothing.
    pub selector: Option<Selector>,
    /// Their namespaces by name; empty with no selector means the pod's own.
    pub namespaces: List<Name>,
    /// Their namespaces by label.
    pub namespace_selector: Option<Selector>,
    /// The node label that says what near is.
    pub topology_key: Name,
    /// Labels whose values the pod itself adds to the selector (merged at creation).
    pub match_label_keys: List<Name>,
    /// Labels whose values the pod itself excludes (merged at creation).
    pub mismatch_label_keys: List<Name>,
}

/// `v1.TopologySpreadConstraint`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct TopologySpreadConstraint {
    /// The greatest difference between two domains.
    pub max_skew: i64,
    /// The node label that names the domains.
    pub topology_key: Name,
    /// Whether a violation forbids the node or only makes it worse.
    pub required: bool,
    /// The pods that are counted; `None` counts nothing.
    pub selector: Option<Selector>,
    /// Below so many domains the least count is taken as zero.
    pub min_domains: i64,
    /// Whether nodes that the pod's affinity excludes count.
    pub honor_node_affinity: bool,
    /// Whether nodes that the pod's tolerations exclude count.
    pub honor_node_taints: bool,
    /// Labels whose values the pod itself adds to the selector.
    pub match_label_keys: List<Name>,
}

/// `v1.TaintEffect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum TaintEffect {
    /// No new pods.
    NoSchedule,
    /// Rather no new pods.
    PreferNoSchedule,
    /// No pods.
    NoExecute,
}

impl fmt::Display for TaintEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// `v1.Taint`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Taint {
    /// What it says.
    pub key: Name,
    /// May be empty.
    pub value: Name,
    /// What it does.
    pub effect: TaintEffect,
    /// When a NoExecute taint was added.
    pub time_added: Option<crate::api::Timestamp>,
}

/// `v1.Toleration`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Toleration {
    /// The taint's key; empty with `Exists` tolerates all.
    pub key: Name,
    /// The comparison.
    pub operator: TolerationOperator,
    /// The value compared with.
    pub value: Name,
    /// The effect tolerated; `None` tolerates all.
    pub effect: Option<TaintEffect>,
    /// How long a NoExecute taint is tolerated; `None`: for ever.
    pub seconds: Option<i64>,
}

/// `v1.TolerationOperator`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub enum TolerationOperator {
    /// The value must be equal.
    #[default]
    Equal,
    /// Any value.
    Exists,
    /// The taint's value is a greater integer (gate `TaintTolerationComparisonOperators`, off by default).
    Gt,
    /// The taint's value is a smaller integer (same gate).
    Lt,
}

impl Toleration {
    /// Whether it tolerates a taint (`component-helpers/scheduling/corev1/helpers.go`); comparison operators only with
    /// their gate.
    pub fn tolerates(&self, taint: &Taint, comparison_operators: bool) -> bool {
        if self.effect.is_some_and(|effect| effect != taint.effect) || !self.key.is_empty() && self.key != taint.key {
            return false;
        }
        match self.operator {
            TolerationOperator::Equal => self.value == taint.value,
            TolerationOperator::Exists => true,
            TolerationOperator::Gt | TolerationOperator::Lt if !comparison_operators => false,
            TolerationOperator::Gt => integers(taint.value, self.value).is_some_and(|(taint, bound)| taint > bound),
            TolerationOperator::Lt => integers(taint.value, self.value).is_some_and(|(taint, bound)| taint < bound),
        }
    }
}

fn integers(a: Name, b: Name) -> Option<(i64, i64)> {
    Some((a.parse().ok()?, b.parse().ok()?))
}
