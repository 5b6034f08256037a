//! `podsim sweep`: the variants of a study, each run with many seeds, and what that says.

use super::disk::{Disk, write_all};
use super::pictures::Png;
use super::print::print;
use super::{WRONG_REQUEST, tell};
use anstream::eprintln;
use clap::Args;
use podsim::engine::SimTime;
use podsim::report::curve;
use podsim::report::measure::{Measure, Said};
use podsim::report::story::Story;
use podsim::report::sweep::{RunRow, Sweep as Table};
use podsim::scenario::expect::Observer;
use podsim::scenario::{Place, Problem, Problems, Study};
use podsim::simulation::{Simulation, parallel_on};
use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::{fs, thread};

/// The file of all runs.
const RUNS: &str = "runs.csv";
/// So many runs are done for each thread before what is done is written.
const BATCH: usize = 32;

/// Runs a study: every variant of a scenario, with many seeds
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  podsim sweep studies/replicas.ron --out result\n  \
                        podsim sweep study.ron --shard 1/2 --out a; podsim sweep study.ron --merge a --merge b --out all")]
pub struct Sweep {
    /// The study (.ron)
    study: String,
    /// Write runs, summary and curves into this folder; what is there already is not run again
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Take runs from this folder too
    #[arg(long, value_name = "DIR")]
    merge: Vec<PathBuf>,
    /// Do only the K-th of N parts of the runs
    #[arg(long, value_name = "K/N", value_parser = shard, requires = "out")]
    shard: Option<(usize, usize)>,
    /// So many runs side by side; as many as the machine has processors if nothing is said
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    #[command(flatten)]
    png: Png,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    parts.filter(|(k, n)| (1..=*n).contains(k)).ok_or_else(|| "write it as 1/4, from 1/4 to 4/4".to_owned())
}

impl Sweep {
    /// Runs the study.
    pub fn run(self) -> ExitCode {
        match self.load() {
            Err(problems) => {
                tell::problems(&problems);
                ExitCode::from(WRONG_REQUEST)
            }
            Ok((study, table)) => match self.sweep(&study, table) {
                Ok(()) => ExitCode::SUCCESS,
                Err((folder, error)) => {
                    eprintln!("{}:1:1: {error}; name a folder that can be written", folder.display());
                    ExitCode::from(WRONG_REQUEST)
                }
            },
        }
    }

    fn load(&self) -> Result<(Study, Table), Problems> {
        let study = Study::load(&self.study, &Disk)?;
        let mut problems = Problems::default();
        let mut measures = Vec::new();
        for measure in &study.measures {
            if let Some(observation) = study.observations.iter().find(|observation| observation.text == measure.value) {
                measures.push(Measure::observed(observation));
                continue;
            }
            match Measure::parse(measure) {
                Ok(measure) => measures.push(measure),
                Err(remedy) => {
                    problems.push(Problem::new(measure.place, format!("{:?} is no measure", measure.value), remedy))
                }
            }
        }
        if study.precision.is_some() && self.shard.is_some() {
            let remedy = "leave out one of them: how many runs are needed shows only in all of them";
            problems.push(Problem::new(Place::start_of(&self.study), "--shard beside a precision", remedy));
        }
        let variants = study.variants.iter().map(|variant| variant.values.clone()).collect();
        let parameters = study.parameters.clone();
        problems.or(Some((study, Table { parameters, variants, measures, rows: Vec::new() })))
    }

    fn sweep(&self, study: &Study, mut table: Table) -> Result<(), (PathBuf, io::Error)> {
        let inputs: Vec<String> = study.variants.iter().map(|variant| identity(&variant.scenario.inputs)).collect();
        for folder in self.out.iter().chain(&self.merge) {
            if let Ok(text) = fs::read(folder.join(RUNS)) {
                let known = table.read_rows(&text, &inputs);
                table.rows.extend(known);
            }
        }
        let mut progress = Tally { visible: !self.quiet && io::stderr().is_terminal(), done: 0, all: 0 };
        let mut replications = vec![u64::from(study.replications); study.variants.len()];
        loop {
            let due = self.due(study, &table, &replications);
            progress.all += due.len();
            for batch in due.chunks(BATCH * self.jobs()) {
                let done = parallel_on(self.jobs(), batch, |(variant, seed)| {
                    one(study, &table.measures, &inputs[*variant], *variant, *seed)
                });
                table.rows.extend(done);
                sort(&mut table);
                progress.more(batch.len());
                if let Some(folder) = &self.out {
                    write(folder, &[(RUNS, table.runs_csv())])?;
                }
            }
            sort(&mut table);
            if !more(study, &table, &mut replications) {
                break;
            }
        }
        drop(progress);
        if let Some(folder) = &self.out {
            let curves = curve::svg(&table, &study.name).into_bytes();
            let own = [(RUNS, table.runs_csv()), ("summary.csv", table.summary_csv()), ("sweep.svg", curves)];
            let mut files: Vec<(String, Vec<u8>)> = own.map(|(name, bytes)| (name.to_owned(), bytes)).into();
            self.png.add_to(&mut files);
            let files: Vec<(&str, Vec<u8>)> =
                files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
            write(folder, &files)?;
        }
        let text = if self.json { json(&table) } else { table.text() };
        print(text);
        Ok(())
    }

    fn jobs(&self) -> usize {
        self.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)).max(1)
    }

    /// The runs that are wanted and not done.
    fn due(&self, study: &Study, table: &Table, replications: &[u64]) -> Vec<(usize, u64)> {
        let done: BTreeSet<(usize, u64)> = table.rows.iter().map(|row| (row.variant, row.seed)).collect();
        let wanted = replications.iter().enumerate().flat_map(|(variant, count)| {
            (study.first_seed..study.first_seed.saturating_add(*count)).map(move |seed| (variant, seed))
        });
        let mine = |place: usize| self.shard.is_none_or(|(k, n)| place % n == k - 1);
        let wanted = wanted.enumerate().filter(|(place, _)| mine(*place)).map(|(_, run)| run);
        wanted.filter(|run| !done.contains(run)).collect()
    }
}

/// One run, and what it says.
fn one(study: &Study, measures: &[Measure], inputs: &str, variant: usize, seed: u64) -> RunRow {
    let scenario = &study.variants[variant].scenario;
    let mut simulation = Simulation::new(Arc::new(scenario.plan(seed)), seed, &scenario.expectations).recorded();
    let mut observer = Observer::new(study.observations.iter(), simulation.cluster());
    simulation.run_until_watched(SimTime::ZERO + simulation.duration(), &mut observer);
    let digest = simulation.digest().map(|digest| digest.to_string()).unwrap_or_default();
    let held = simulation.verdicts().iter().all(|verdict| verdict.met);
    let story = Story::of(&simulation.into_record().expect("it was recorded"));
    let texts = study.observations.iter().map(|observation| observation.text.clone());
    let observed: Vec<(String, Option<f64>)> = texts.zip(observer.finish()).collect();
    let said = Said { story: &story, held, observed: &observed };
    let values = measures.iter().map(|measure| measure.of(said)).collect();
    RunRow { variant, seed, inputs: inputs.to_owned(), digest, values }
}

/// Asks for more replications of variants that are not known well enough; false if there are none.
fn more(study: &Study, table: &Table, replications: &mut [u64]) -> bool {
    let Some(precision) = &study.precision else { return false };
    let measure = table.measures.iter().position(|measure| measure.name == precision.of.value).expect("it was checked");
    let mut more = false;
    for (variant, count) in replications.iter_mut().enumerate() {
        let known = table.cell(variant, measure).and_then(|cell| cell.mean.relative());
        if *count < u64::from(precision.at_most) && known.is_none_or(|known| known > precision.relative.value) {
            *count = (*count + (*count / 2).max(5)).min(u64::from(precision.at_most));
            more = true;
        }
    }
    more
}

fn sort(table: &mut Table) {
    table.rows.sort_by_key(|row| (row.variant, row.seed));
    table.rows.dedup_by_key(|row| (row.variant, row.seed));
}

/// What a run was made from: its files and this program.
fn identity(inputs: &[(String, String)]) -> String {
    let told = inputs.iter().fold(env!("CARGO_PKG_VERSION").to_owned(), |told, (_, hash)| told + "\n" + hash);
    podsim::report::Input::of("", told.as_bytes()).hash[..16].to_owned()
}

fn write(folder: &Path, files: &[(&str, Vec<u8>)]) -> Result<(), (PathBuf, io::Error)> {
    let files = files.iter().map(|(name, bytes)| (*name, bytes.as_slice()));
    write_all(folder, files).map_err(|error| (folder.to_owned(), error))
}

fn json(table: &Table) -> String {
    let estimate = |e: podsim::report::statistics::Estimate| serde_json::json!({"value": e.value, "low": e.interval.map(|i| i.0), "high": e.interval.map(|i| i.1), "runs": e.count});
    let variants: Vec<serde_json::Value> = (0..table.variants.len())
        .map(|variant| {
            let parameters: serde_json::Map<String, serde_json::Value> = table
                .parameters
                .iter()
                .cloned()
                .zip(table.variants[variant].iter().map(|v| v.as_str().into()))
                .collect();
            let measures: serde_json::Map<String, serde_json::Value> = (0..table.measures.len())
                .filter_map(|place| {
                    let cell = table.cell(variant, place)?;
                    let told = serde_json::json!({"mean": estimate(cell.mean), "median": estimate(cell.median)});
                    Some((table.measures[place].name.clone(), told))
                })
                .collect();
            serde_json::json!({"parameters": parameters, "measures": measures})
        })
        .collect();
    format!("{:#}\n", serde_json::json!({"schema": podsim::report::sweep::SCHEMA, "variants": variants}))
}

/// How many runs are done, on a terminal.
struct Tally {
    visible: bool,
    done: usize,
    all: usize,
}

impl Tally {
    fn more(&mut self, runs: usize) {
        self.done += runs;
        if self.visible {
            // What cannot be shown is no reason to stop.
            let _ = write!(io::stderr(), "\r{} of {} runs\x1b[K", self.done, self.all);
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if self.visible && self.done > 0 {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
