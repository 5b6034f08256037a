//! The report of `podsim plan`: the verdict first, then what it rests on, as text, Markdown, HTML, CSV and JSON.
//!
//! All of it is made from one [`PlanReport`], which is the JSON; its schema is versioned.

mod csv;
mod document;
mod html;
mod pictures;
mod price;
mod sections;
mod start_up;
mod verdict;

pub use price::{Cost, PriceTable};
pub use start_up::{Stage, StartUp};
pub use verdict::{Answer, Gate};

use super::artifacts::Input;
use crate::simulation::capacity::{Disruption, Fewest, Fill, Fit, Headroom, NodeRoom, Unplaced, Workload};
use serde::Serialize;

/// The schema of the JSON and CSV; it changes when a field changes its meaning or goes.
pub const SCHEMA: &str = "podsim-plan-1";

/// Everything that was found out.
#[derive(Debug, Clone, Serialize)]
pub struct PlanReport {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// The version of the program.
    pub version: &'static str,
    /// The cluster's file.
    pub cluster: String,
    /// The seed of the run that it was settled with.
    pub seed: u64,
    /// The files, with their hashes.
    pub inputs: Vec<Input>,
    /// The command.
    pub command: String,
    /// What was asked, and the answers: the verdict.
    pub answers: Vec<Answer>,
    /// What had to hold.
    pub gates: Vec<Gate>,
    /// What became of the manifests, if there are any.
    pub added: Option<Added>,
    /// How many more of each workload fit.
    pub workloads: Vec<Room>,
    /// The same when something is lost.
    pub headroom: Vec<Headroom>,
    /// How few nodes do.
    pub fewest: Vec<Least>,
    /// What became of forks that were disturbed.
    pub disruptions: Vec<Disruption>,
    /// From creation to readiness.
    pub start_up: Option<StartUp>,
    /// The nodes.
    pub nodes: Vec<NodeRoom>,
    /// What comes of filling them up.
    pub fill: Fill,
    /// What it costs, if there are prices.
    pub cost: Option<Cost>,
    /// What was left out, made up or assumed.
    pub notes: Vec<String>,
    /// What no number here takes into account.
    pub not_modelled: Vec<String>,
}

/// What became of the manifests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Added {
    /// How many pods they made.
    pub pods: usize,
    /// Those that found no node.
    pub unplaced: Vec<Unplaced>,
    /// Those that found one and were not ready at the end, and what `kubectl get` would say.
    pub not_ready: Vec<Unplaced>,
    /// After how many milliseconds the last one was ready, if all were.
    pub ready_after_ms: Option<u64>,
    /// How long was waited, in milliseconds.
    pub waited_ms: u64,
}

/// How many more of a workload fit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Room {
    /// The workload.
    pub workload: Workload,
    /// How many pods it has.
    pub pods: usize,
    /// What one of them requests: thousandths of a CPU.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// How many more fit.
    pub more: Fit,
}

/// How few nodes do for something.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Least {
    /// For what.
    pub of: String,
    /// How few.
    #[serde(flatten)]
    pub fewest: Fewest,
}

impl PlanReport {
    /// As text for a terminal.
    pub fn text(&self) -> String {
        document::text(&sections::blocks(self))
    }

    /// As Markdown, for a pull request.
    pub fn markdown(&self) -> String {
        document::markdown(&sections::blocks(self))
    }

    /// As a page: one file that needs no network.
    pub fn html(&self) -> String {
        html::page(self, &sections::blocks(self))
    }

    /// Its pictures: a file's name, and the SVG.
    pub fn pictures(&self) -> Vec<(&'static str, String)> {
        let start_up = self.start_up.as_ref().map(|start| ("start-up.svg", pictures::start_up(start)));
        let own = [("headroom.svg", pictures::headroom(self)), ("nodes.svg", pictures::nodes(&self.nodes))];
        own.into_iter().chain(start_up).collect()
    }

    /// As CSV: one number a line.
    pub fn csv(&self) -> Vec<u8> {
        csv::lines(self)
    }

    /// As JSON.
    pub fn json(&self) -> String {
        let value = serde_json::to_value(self).expect("a report is JSON");
        format!("{value:#}\n")
    }

    /// Whether everything held that had to.
    pub fn held(&self) -> bool {
        self.gates.iter().all(|gate| gate.held)
    }
}
