//! `podsim trace`: a recorded run told in other ways, compared with another, or explained.

use super::pictures::Png;
use clap::{Args, Subcommand, ValueEnum};
use petgraph::dot::Dot;
use podsim::engine::{SimDuration, SimTime};
use podsim::report::{self, why};
use podsim::trace::{FactId, Scope, TraceRecord, diff};
use serde_json::json;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Tells a recorded run in other ways, compares two, or explains what happened
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  podsim run scenarios/quickstart.ron --out out\n  podsim trace why out pod/web --at 2m"
)]
pub struct Trace {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Export(Export),
    Diff(Diff),
    Why(WhyArgs),
}

/// Writes a trace in another form
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  podsim trace export out --as perfetto > trace.perfetto.json")]
struct Export {
    /// The trace: `trace.jsonl`, or the folder that `podsim run --out` wrote
    trace: PathBuf,
    /// The form
    #[arg(long = "as", value_enum)]
    form: Form,
    /// Where to write; standard output if nothing is said
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    png: Png,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For ui.perfetto.dev
    Perfetto,
    /// One row per pod
    Csv,
    /// Kubernetes Event objects, a JSON line each
    Events,
    /// Every pod and container over time (SVG)
    Timeline,
    /// How many pods were in each phase (SVG)
    Phases,
    /// From creation to each stage (SVG)
    Latency,
    /// What is requested of each node (SVG)
    Nodes,
    /// Restarts and back-offs (SVG)
    Restarts,
}

/// Finds the first difference of two traces; exit code 1 if there is one
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  podsim trace diff before/trace.jsonl after/trace.jsonl --changes")]
struct Diff {
    /// The first trace
    left: PathBuf,
    /// The second trace
    right: PathBuf,
    /// Compare only changes of objects, which is what the digest sums up
    #[arg(long)]
    changes: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Explains how an object came to be as it is: the chain of causes, oldest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  podsim trace why out pod/web\n  podsim trace why out web --event Unhealthy\n  \
                        podsim trace why out web --graph | dot -Tsvg > why.svg")]
struct WhyArgs {
    /// The trace: `trace.jsonl`, or the folder that `podsim run --out` wrote
    trace: PathBuf,
    /// The object: `Pod/default/web`, `pod/web`, `default/web` or `web`
    object: String,
    /// As it was at this time; at the end if nothing is said
    #[arg(long, value_name = "TIME")]
    at: Option<SimDuration>,
    /// Rather explain the last event with this reason about the object
    #[arg(long, value_name = "REASON")]
    event: Option<String>,
    /// Every step, also of a long story
    #[arg(long)]
    all: bool,
    /// Everything that led to it, as a graph for Graphviz
    #[arg(long, conflicts_with = "json")]
    graph: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Trace {
    /// Does what was asked for.
    pub fn run(self) -> ExitCode {
        let done = match self.what {
            What::Export(export) => export.run(),
            What::Diff(diff) => diff.run(),
            What::Why(why) => why.run(),
        };
        done.unwrap_or_else(|problem| {
            eprintln!("{problem}");
            ExitCode::from(super::WRONG_REQUEST)
        })
    }
}

/// Reads a trace from a file or from the folder that holds it.
fn read(path: &Path) -> Result<TraceRecord, String> {
    let path = if path.is_dir() { path.join("trace.jsonl") } else { path.to_owned() };
    let place = path.display();
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("{place}:1:1: {error}; name a trace.jsonl as podsim run --out writes it"))?;
    TraceRecord::read(&text).map_err(|error| format!("{place}:{error}"))
}

/// Prints; a reader that has seen enough closes the pipe, and that is no failure of ours.
fn print(bytes: &[u8]) -> Result<(), String> {
    match io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}

impl Export {
    fn run(self) -> Result<ExitCode, String> {
        let record = read(&self.trace)?;
        let bytes = match self.form {
            Form::Perfetto => report::perfetto(&record),
            Form::Csv => report::pods_csv(&record),
            Form::Events => report::events(&record),
            Form::Timeline => report::timeline(&record, &self.trace.display().to_string()),
            Form::Phases => self.figure(&record, "phases.svg")?,
            Form::Latency => self.figure(&record, "latency.svg")?,
            Form::Nodes => self.figure(&record, "nodes.svg")?,
            Form::Restarts => self.figure(&record, "restarts.svg")?,
        };
        let bytes = if self.png.wanted() { self.drawn(&bytes)? } else { bytes };
        match self.out {
            Some(path) => fs::write(&path, bytes)
                .map_err(|error| format!("{}: {error}; name a file that can be written", path.display()))?,
            None => print(&bytes)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Export {
    fn figure(&self, record: &TraceRecord, wanted: &str) -> Result<Vec<u8>, String> {
        let found = report::figures(record).into_iter().find(|(name, _)| *name == wanted);
        let nothing = || format!("{}:1:1: nothing to show in {wanted}; export another form", self.trace.display());
        found.map(|(_, svg)| svg.into_bytes()).ok_or_else(nothing)
    }

    fn drawn(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        if bytes.starts_with(b"<svg") {
            return Ok(self.png.draw(bytes));
        }
        Err(format!("{}:1:1: --png of what is no picture; export a timeline, or leave it out", self.trace.display()))
    }
}

impl Diff {
    fn run(self) -> Result<ExitCode, String> {
        let (left, right) = (read(&self.left)?, read(&self.right)?);
        let scope = if self.changes { Scope::Changes } else { Scope::All };
        let parted = diff(&left, &right, scope);
        let side = |record: &TraceRecord, id: Option<FactId>| {
            id.map_or_else(|| "nothing more".to_owned(), |id| why::line(record, id))
        };
        let text = match parted {
            None if self.json => json!({"same": true}).to_string(),
            None => format!("the traces are the same ({} facts)", left.facts().len()),
            Some(parted) if self.json => json!({
                "same": false,
                "t_ns": parted.at(&left, &right).as_nanos(),
                "common": parted.common.map(|(l, r)| [l.index(), r.index()]),
                "left": parted.left.map(FactId::index),
                "right": parted.right.map(FactId::index),
            })
            .to_string(),
            Some(parted) => format!(
                "the traces part at {}\n  both: {}\n  {}: {}\n  {}: {}",
                parted.at(&left, &right),
                side(&left, parted.common.map(|(id, _)| id)),
                self.left.display(),
                side(&left, parted.left),
                self.right.display(),
                side(&right, parted.right),
            ),
        };
        print(format!("{text}\n").as_bytes())?;
        Ok(if parted.is_none() { ExitCode::SUCCESS } else { ExitCode::from(super::EXPECTATION_FAILED) })
    }
}

impl WhyArgs {
    fn run(self) -> Result<ExitCode, String> {
        let record = read(&self.trace)?;
        let subject = why::find(&record, &self.object)?;
        let why = why::Why::of(&record);
        let until = self.at.map_or(SimTime::MAX, |at| SimTime::ZERO + at);
        let object = record.subject(subject).to_string();
        let fact = match &self.event {
            Some(reason) => why::last_event(&record, subject, reason, until)
                .ok_or_else(|| format!("{object}: no event {reason} by then; see podsim trace export --as events"))?,
            None => why
                .last_change(subject, until)
                .ok_or_else(|| format!("{object}: it was not there yet; use a later --at"))?,
        };
        if self.graph {
            let graph = why.causes().ancestry(fact).map(
                |_, id| why.sentence(*id).unwrap_or_else(|| why::line(&record, *id)),
                |_, link| format!("{link:?}"),
            );
            print(Dot::new(&graph).to_string().as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        let steps = why.steps(fact);
        if self.json {
            let steps: Vec<_> = steps
                .iter()
                .map(|step| json!({"t_ns": step.at.as_nanos(), "seq": step.fact.index(), "who": step.who, "what": step.what}))
                .collect();
            print(format!("{}\n", json!({"object": object, "steps": steps})).as_bytes())?;
        } else {
            print(format!("{object}: {}\n{}", why.headline(fact), why::text(&steps, self.all)).as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
