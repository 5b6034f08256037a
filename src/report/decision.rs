//! One decision of the scheduler as people and programs read it: why there, why nowhere, and what would help.

use super::kubectl::tabwriter::TabWriter;
use crate::api::{Name, Pod};
use crate::components::scheduler::explain::NodeExplanation;
use crate::components::scheduler::{Explanation, Relaxation};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A decision and everything that led to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecisionReport {
    /// The pod, `namespace/name`.
    pub pod: String,
    /// Its profile.
    pub scheduler_name: Name,
    /// Its priority.
    pub priority: i32,
    /// What holds it back before it is tried, if something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gated: Option<String>,
    /// The node that is taken.
    pub chosen: Option<Name>,
    /// All nodes with the best total, in the order in which they are looked at.
    pub best: Vec<Name>,
    /// The text of the `FailedScheduling` event, if it is not placed.
    pub message: Option<String>,
    /// The nodes, in the order in which they are looked at.
    pub nodes: Vec<NodeReport>,
    /// The node on which room is made, if it is.
    pub nominated_node: Option<Name>,
    /// The pods that go for it.
    pub victims: Vec<Name>,
    /// Changes that would make it fit, each by itself.
    pub would_fit: Vec<Change>,
}

/// What is said of one node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeReport {
    /// The node.
    pub name: Name,
    /// Whether the pod fits.
    pub feasible: bool,
    /// The first plugin that rejects it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Name>,
    /// Whether making room may help (`Unschedulable`) or not (`UnschedulableAndUnresolvable`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Its reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Every plugin that would reject it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failing_plugins: Vec<Name>,
    /// Scores by plugin.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<Name, Score>,
    /// Their weighted sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
}

/// A plugin's part in a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Score {
    /// As the plugin gave it.
    pub raw: i64,
    /// From 0 to 100.
    pub normalized: i64,
    /// Times the plugin's weight.
    pub weighted: i64,
}

/// A change that is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What changes.
    pub change: String,
    /// Where the pod fits then; empty for a node that is not there yet.
    pub nodes: Vec<Name>,
}

impl DecisionReport {
    /// The report of a decision.
    pub fn new(pod: &Pod, told: &Explanation, relaxations: Vec<Relaxation>) -> Self {
        let post = told.post_filter.as_ref();
        let error = told.error.clone().filter(|_| told.message.is_none() && told.chosen.is_none());
        Self {
            pod: pod.meta.key(),
            scheduler_name: pod.spec.scheduler_name,
            priority: pod.spec.priority,
            gated: told.gated.as_ref().map(|status| format!("{}: {}", status.plugin, status.message())),
            chosen: told.chosen,
            best: told.best().map(|(_, nodes)| nodes).unwrap_or_default(),
            message: told.message.clone().or(error),
            nodes: told.nodes.iter().map(NodeReport::new).collect(),
            nominated_node: post.and_then(|post| post.nominated_node),
            victims: post.map(|post| post.victims.clone()).unwrap_or_default(),
            would_fit: relaxations.into_iter().map(|Relaxation { change, nodes }| Change { change, nodes }).collect(),
        }
    }

    /// The report as text.
    pub fn text(&self) -> String {
        let mut text = format!("Pod {} (priority {}, {})\n", self.pod, self.priority, self.scheduler_name);
        if let Some(gated) = &self.gated {
            let _ = writeln!(text, "Held back by {gated}. If it were not:");
        }
        text.push('\n');
        text.push_str(&TabWriter::TABLE.align(&self.verdicts()));
        if self.nodes.iter().any(|node| !node.scores.is_empty()) {
            text.push_str("\nScores: raw, normalized and weighted\n");
            text.push_str(&TabWriter::TABLE.align(&self.scores()));
        }
        text.push('\n');
        if let Some(chosen) = self.chosen {
            let among = match self.best.len() {
                0 | 1 => String::new(),
                many => format!(", of {many} with the best total"),
            };
            let _ = writeln!(text, "Chosen: {chosen}{among}");
        }
        if let Some(message) = &self.message {
            let _ = writeln!(text, "FailedScheduling: {message}");
        }
        if let Some(node) = self.nominated_node {
            let _ = writeln!(text, "Preempts on {node}: {}", joined(&self.victims));
        }
        if !self.would_fit.is_empty() {
            text.push_str("\nWhat would make it fit, each by itself:\n");
            for Change { change, nodes } in &self.would_fit {
                let place = if nodes.is_empty() { String::new() } else { format!(" ({})", few(nodes)) };
                let _ = writeln!(text, "  {change}{place}");
            }
        }
        text
    }

    fn verdicts(&self) -> String {
        let mut table = "NODE\tFITS\tPLUGIN\tWHY\n".to_owned();
        for node in &self.nodes {
            let fits = if node.feasible { "yes" } else { "no" };
            let plugin = node.plugin.map_or("", |name| name.as_str());
            let mut why = node.reasons.join(", ");
            if let Some(total) = node.total {
                why = format!("total {total}");
            }
            let also: Vec<Name> =
                node.failing_plugins.iter().copied().filter(|name| Some(*name) != node.plugin).collect();
            if !also.is_empty() {
                let _ = write!(why, " (also {})", joined(&also));
            }
            let _ = writeln!(table, "{}\t{fits}\t{plugin}\t{why}", node.name);
        }
        table
    }

    fn scores(&self) -> String {
        let plugins: BTreeSet<Name> = self.nodes.iter().flat_map(|node| node.scores.keys().copied()).collect();
        let mut table = "NODE".to_owned();
        for plugin in &plugins {
            let _ = write!(table, "\t{plugin}");
        }
        table.push_str("\tTOTAL\n");
        for node in self.nodes.iter().filter(|node| node.feasible) {
            table.push_str(&node.name);
            for plugin in &plugins {
                let _ = match node.scores.get(plugin) {
                    Some(Score { raw, normalized, weighted }) => write!(table, "\t{raw} {normalized} {weighted}"),
                    None => write!(table, "\t-"),
                };
            }
            let _ = writeln!(table, "\t{}", node.total.unwrap_or(0));
        }
        table
    }
}

impl NodeReport {
    fn new(node: &NodeExplanation) -> Self {
        let rejection = node.rejection.as_ref();
        let scores = node.scores.iter().map(|score| {
            let Score { raw, normalized, weighted } =
                Score { raw: score.raw, normalized: score.normalized, weighted: score.weighted };
            (score.plugin, Score { raw, normalized, weighted })
        });
        Self {
            name: node.name,
            feasible: rejection.is_none(),
            plugin: rejection.map(|one| one.plugin).filter(|name| !name.is_empty()),
            code: rejection.map(|one| one.code.as_str()),
            reasons: rejection.iter().flat_map(|one| &one.reasons).map(|reason| reason.to_string()).collect(),
            failing_plugins: rejection.map(|one| one.all_failing.clone()).unwrap_or_default(),
            scores: scores.collect(),
            total: (!node.scores.is_empty()).then_some(node.total),
        }
    }
}

fn joined(names: &[Name]) -> String {
    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Some names, and how many more there are.
fn few(names: &[Name]) -> String {
    const MOST: usize = 5;
    match names.len().saturating_sub(MOST) {
        0 => joined(names),
        more => format!("{} and {more} more", joined(&names[..MOST])),
    }
}
