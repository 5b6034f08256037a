//! `podsim plan`: what a cluster has room for, what it stands, how fast pods start on it, and what it costs.

mod gates;
mod study;

use super::disk::write_all;
use super::pictures::Png;
use super::print::print;
use super::{EXPECTATION_FAILED, WRONG_REQUEST, tell};
use anstream::eprintln;
use clap::{Args, ValueEnum};
use podsim::engine::SimDuration;
use podsim::report::plan::PlanReport;
use podsim::scenario::Problems;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

/// Reports the capacity of a cluster: room, headroom, fewest nodes, start-up times, cost
///
/// The cluster is a dump or a scenario as it is at its end. Running pods keep running. With manifests, these are added
/// first, and everything is asked about their pods; else about the cluster's own.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    kubectl get nodes,pods,deployments,replicasets,statefulsets,daemonsets,pdb,pvc,pv,sc,pc,ns -A -o json > cluster.json\n  \
    podsim plan cluster.json shop.yaml --prices prices.csv --out plan\n  \
    podsim plan cluster.json --more deployment/web --need 10 --survive node --survive zone")]
pub struct Plan {
    /// The cluster: objects as `kubectl get … -A -o json` writes them, or a scenario (.ron)
    #[arg(value_name = "CLUSTER")]
    cluster: String,
    /// Manifests that are added to it
    #[arg(value_name = "MANIFEST")]
    manifests: Vec<String>,
    /// Ask only about this workload (deployment/web), or about the pod of this manifest
    #[arg(long, value_name = "KIND/NAME|FILE")]
    more: Vec<String>,
    /// Require that so many more of each fit
    #[arg(long, value_name = "N")]
    need: Option<usize>,
    /// Require that every pod finds a place after this
    #[arg(long, value_enum, value_name = "WHAT")]
    survive: Vec<Loss>,
    /// The objective of pod start-up; given, it is required of the 99th percentile [default: 5s]
    #[arg(long, value_name = "DURATION")]
    slo: Option<SimDuration>,
    /// Prices of nodes: CSV with the columns instance_type and usd_per_hour, or JSON
    #[arg(long, value_name = "FILE")]
    prices: Option<String>,
    /// How the scheduler is configured: a KubeSchedulerConfiguration
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// How many runs start-up times are taken from
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// So many runs side by side; as many as the machine has processors if nothing is said
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Write plan.html, plan.md, plan.csv, plan.json and the pictures into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    png: Png,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Show no progress and no notes
    #[arg(long, short)]
    quiet: bool,
}

/// Something that a cluster may have to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Loss {
    /// Any node loses power.
    Node,
    /// Any zone is lost.
    Zone,
    /// All Deployments are rolled out at once.
    Rollout,
    /// Any node is drained.
    Drain,
}

impl Plan {
    /// Finds everything out, and tells it.
    pub fn run(self) -> ExitCode {
        match self.study() {
            Err(problems) => {
                tell::problems(&problems);
                ExitCode::from(WRONG_REQUEST)
            }
            Ok(report) => self.finish(&report),
        }
    }

    fn study(&self) -> Result<PlanReport, Problems> {
        let mut report = study::Study::load(self)?.report(self)?;
        report.gates = gates::gates(self, &report);
        report.judge();
        self.say("");
        Ok(report)
    }

    fn finish(&self, report: &PlanReport) -> ExitCode {
        if let Some(folder) = &self.out {
            let own = [
                ("plan.html", report.html().into_bytes()),
                ("plan.md", report.markdown().into_bytes()),
                ("plan.csv", report.csv()),
                ("plan.json", report.json().into_bytes()),
            ];
            let pictures = report.pictures().into_iter().map(|(name, svg)| (name, svg.into_bytes()));
            let all = own.into_iter().chain(pictures);
            let mut files: Vec<(String, Vec<u8>)> = all.map(|(name, bytes)| (name.to_owned(), bytes)).collect();
            self.png.add_to(&mut files);
            let files = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
            if let Err(error) = write_all(folder, files) {
                eprintln!("{}:1:1: {error}; name a folder that can be written", folder.display());
                return ExitCode::from(WRONG_REQUEST);
            }
        }
        let text = if self.json { report.json() } else { report.text() };
        print(text);
        ExitCode::from(if report.held() { 0 } else { EXPECTATION_FAILED })
    }

    fn jobs(&self) -> usize {
        self.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)).max(1)
    }

    /// Shows what is being done, on a terminal.
    fn say(&self, what: &str) {
        if !self.quiet && io::stderr().is_terminal() {
            // What cannot be shown is no reason to stop.
            let _ = write!(io::stderr(), "\r{what}\x1b[K");
        }
    }
}
