//! The files that a run leaves behind beside its record: everything that is told of it.

use super::story::Story;
use super::timeline::Head;
use super::{events, figures, page, perfetto, pods, summary, timeline};
use crate::trace::{TraceHash, TraceRecord};
use std::time::Duration;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name.
    pub name: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// What is known of a run beside its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// What the run is called: the scenario's name.
    pub title: String,
    /// What happens, in a line; empty if nobody said.
    pub description: String,
    /// The seed.
    pub seed: u64,
    /// The digest.
    pub digest: TraceHash,
    /// The files that the run was made from.
    pub inputs: Vec<Input>,
    /// The command that does it again; empty if there is none.
    pub command: String,
    /// What had to hold, and whether it did.
    pub checks: Vec<Check>,
    /// What people should know: what was assumed, what had no effect, what was refused.
    pub notes: Vec<String>,
    /// How long the run took on this machine.
    pub wall: Option<Duration>,
}

/// A file that a run was made from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Input {
    /// Its name, as it was given.
    pub path: String,
    /// The BLAKE3 hash of its content, in hexadecimal digits.
    pub hash: String,
}

impl Input {
    /// A file by its name and content.
    pub fn of(path: &str, content: &[u8]) -> Self {
        Self { path: path.to_owned(), hash: blake3::hash(content).to_string() }
    }
}

/// Something that had to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What, as it was written.
    pub what: String,
    /// Whether it did.
    pub held: bool,
    /// What was seen instead, or when it was decided.
    pub note: String,
}

impl RunFacts {
    /// What is known at least; the rest is empty.
    pub const fn new(title: String, seed: u64, digest: TraceHash) -> Self {
        Self {
            title,
            description: String::new(),
            seed,
            digest,
            inputs: Vec::new(),
            command: String::new(),
            checks: Vec::new(),
            notes: Vec::new(),
            wall: None,
        }
    }
}

/// The pictures that there can be among them: some show what not every run has.
pub const PICTURES: [&str; 6] =
    ["timeline.svg", "phases.svg", "latency.svg", "nodes.svg", "restarts.svg", "traffic.svg"];

/// All files that are told of a run; the record itself writes [itself](TraceRecord::write).
pub fn artifacts(record: &TraceRecord, facts: &RunFacts) -> Vec<Artifact> {
    let story = Story::of(record);
    let identity = Some((facts.seed, facts.digest));
    let head = Head { title: &facts.title, description: &facts.description, identity };
    let mut files = vec![
        Artifact { name: "events.jsonl", bytes: events::json_lines(record) },
        Artifact { name: "pods.csv", bytes: pods::csv(&story) },
        Artifact { name: "summary.json", bytes: summary::json(record, &story, facts) },
        Artifact { name: "timeline.svg", bytes: timeline::svg(&story, &head).into_bytes() },
        Artifact { name: "report.html", bytes: page::html(record, &story, facts) },
        Artifact { name: "trace.perfetto.json", bytes: perfetto::json(record, &story) },
    ];
    let figures = figures::figures(record, &story).into_iter();
    files.extend(figures.map(|(name, svg)| Artifact { name, bytes: svg.into_bytes() }));
    files
}
