//! `podsim run`: a scenario or manifests in, pod lives out.

use super::disk::{Content, Disk, remove_stale_pictures, whole, write_each};
use super::pictures::Png;
use super::print::print;
use super::progress::Progress;
use super::{EXPECTATION_FAILED, WRONG_REQUEST, WRONG_SIMULATOR, tell};
use anstream::eprintln;
use clap::Args;
use jiff::Timestamp;
use podsim::engine::{SimDuration, SimTime};
use podsim::report::outcome::{Assumed, Outcome, RefusedLine};
use podsim::report::{Check, Input, PICTURES, RunFacts, artifacts};
use podsim::scenario::expect::Verdict;
use podsim::scenario::{ManifestOptions, Place, Problem, Problems, Scenario};
use podsim::simulation::{Simulation, Violation};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The seed if nobody names one.
pub const DEFAULT_SEED: u64 = 1;
/// A run is looked at so often to say how far it is.
const SLICES: u64 = 256;

/// Runs a scenario, or manifests on a cluster of their own
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  podsim run scenarios/quickstart.ron\n  \
                        podsim run web.yaml db.yaml --nodes 5 --until 30m --out result")]
pub struct Run {
    /// A scenario (.ron), or files of Kubernetes objects (YAML or JSON)
    #[arg(required = true, value_name = "FILE")]
    inputs: Vec<String>,
    /// How many nodes the manifests get; 3 if nothing is said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    nodes: Option<u32>,
    /// What each node has, such as cpu=4,memory=16Gi,pods=110,example.com/dongle=4
    #[arg(long, value_name = "RESOURCES")]
    node_capacity: Option<String>,
    /// A label of a node, by its number from 0 on: 0:disktype=ssd
    #[arg(long, value_name = "N:KEY=VALUE")]
    node_label: Vec<String>,
    /// Refuse objects in namespaces that nobody creates, as a server does
    #[arg(long)]
    strict: bool,
    /// The seed of all chance
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Leave the scenario's faults out: all else goes as it would with them, so that the two can be compared
    #[arg(long)]
    without_faults: bool,
    /// How long the cluster is watched, such as 90s, 5m or 1h30m
    #[arg(long, value_name = "DURATION")]
    until: Option<SimDuration>,
    /// Write trace, events, tables and pictures into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    png: Png,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Show no progress and no notes
    #[arg(long, short)]
    quiet: bool,
    /// Check the laws of a kubelet after every step
    #[arg(long)]
    check: bool,
    /// Keep no trace and no digest: as fast as it can be
    #[arg(long, conflicts_with = "out")]
    no_trace: bool,
}

impl Run {
    /// Runs what was asked for.
    pub fn run(self) -> ExitCode {
        let began = Instant::now();
        let scenario = match self.load() {
            Ok(scenario) => scenario,
            Err(problems) => {
                tell::problems(&problems);
                return ExitCode::from(WRONG_REQUEST);
            }
        };
        tell::notes(&scenario.notes, self.quiet);
        let seed = self.seed.or(scenario.seed).unwrap_or(DEFAULT_SEED);
        let mut simulation = scenario.simulate(seed);
        if self.out.is_some() {
            simulation = simulation.recorded();
        }
        if self.check {
            simulation = simulation.checked();
        }
        if self.no_trace {
            simulation = simulation.untraced();
        }
        if !self.advance(&mut simulation) {
            repeat(seed, simulation.now());
            return ExitCode::from(WRONG_SIMULATOR);
        }
        self.finish(began, seed, &scenario, simulation)
    }

    fn load(&self) -> Result<Scenario, Problems> {
        if let Some(out) = self.out.as_ref().filter(|out| out.exists() && !out.is_dir()) {
            let place = Place::start_of(&out.display().to_string());
            return wrong(place, "a file where a folder is to be", "name a folder, or something that is not there yet");
        }
        let scenario = match self.inputs.as_slice() {
            [one] if is_scenario(one) => self.load_scenario(one)?,
            several => match several.iter().find(|input| is_scenario(input)) {
                Some(one) => {
                    return wrong(
                        Place::start_of(one),
                        "a scenario among several files",
                        "run it alone: a scenario names its manifests itself",
                    );
                }
                None => self.load_manifests()?,
            },
        };
        let scenario = if self.without_faults { scenario.without_faults() } else { scenario };
        Ok(match self.until {
            Some(until) => scenario.until(until),
            None => scenario,
        })
    }

    fn load_scenario(&self, path: &str) -> Result<Scenario, Problems> {
        let option = [
            (self.nodes.is_some(), "--nodes"),
            (self.node_capacity.is_some(), "--node-capacity"),
            (!self.node_label.is_empty(), "--node-label"),
            (self.strict, "--strict"),
        ];
        if let Some((_, option)) = option.iter().find(|(given, _)| *given) {
            let found = format!("{option} beside a scenario");
            return wrong(Place::start_of(path), &found, "say it in the scenario: nodes: [Pool(…)], strict: true");
        }
        Scenario::load(path, &Disk)
    }

    fn load_manifests(&self) -> Result<Scenario, Problems> {
        let options = ManifestOptions {
            nodes: self.nodes,
            node_capacity: self.node_capacity.clone(),
            node_labels: self.node_label.clone(),
            strict: self.strict,
        };
        let scenario = Scenario::from_manifests(&self.inputs, &options, &Disk)?;
        if !scenario.does_something() && scenario.notes.refused.is_empty() {
            let place = Place::start_of(&self.inputs[0]);
            return wrong(place, "no object", "write at least one Kubernetes object, with apiVersion and kind");
        }
        Ok(scenario)
    }

    /// Runs to the end; false if the simulator broke on the way.
    fn advance(&self, simulation: &mut Simulation) -> bool {
        let end = simulation.duration().as_nanos();
        let mut progress = Progress::new(SimTime::from_nanos(end), self.quiet);
        let run = AssertUnwindSafe(|| {
            for slice in 1..=SLICES {
                let until = u128::from(end) * u128::from(slice) / u128::from(SLICES);
                simulation.run_until(SimTime::from_nanos(u64::try_from(until).expect("less than the end")));
                progress.at(simulation.now());
            }
        });
        catch_unwind(run).is_ok()
    }

    fn finish(&self, began: Instant, seed: u64, scenario: &Scenario, simulation: Simulation) -> ExitCode {
        for breach in simulation.breaches() {
            eprintln!("{}broken law{:#} {breach}", tell::WRONG, tell::WRONG);
        }
        if let Some(Violation { name, at, object, seen }) = simulation.violation() {
            let at = at.since(SimTime::ZERO);
            eprintln!("{}broken law{:#} {name} at {at}: {object}: {seen}", tell::WRONG, tell::WRONG);
        }
        let lawful = simulation.breaches().is_empty() && simulation.violation().is_none();
        let verdicts = simulation.verdicts();
        let refused = simulation.refused();
        let any_refused = !(refused.is_empty() && scenario.notes.refused.is_empty());
        let nothing = any_refused && scenario.does_nothing_but_create() && simulation.witness().accepted == 0;
        tell::refused(scenario, &refused, if nothing { "; change it, or what it needs" } else { "" });
        let assumed: Vec<(String, String)> =
            simulation.assumed().iter().map(|(container, model)| (container.clone(), model.clone())).collect();
        if !self.quiet {
            tell::assumed(&assumed);
        }
        let mut outcome = if self.json || self.out.is_some() {
            Outcome::of(simulation.now(), simulation.objects()).with_events(simulation.witness().events())
        } else {
            Outcome::default() // Nobody reads what each object came to.
        }
        .with_verdicts(&verdicts);
        outcome.seed = seed;
        outcome.digest = simulation.digest().map(|digest| digest.to_string());
        outcome.no_effect = scenario.notes.no_effect.iter().cloned().collect();
        outcome.namespaces = scenario.notes.namespaces.iter().map(ToString::to_string).collect();
        outcome.assumed = assumed.into_iter().map(|(container, model)| Assumed { container, model }).collect();
        let early = scenario.notes.refused.iter();
        outcome.refused = early.map(|r| RefusedLine { object: r.object.clone(), message: r.message.clone() }).collect();
        let outcome = outcome.with_refused(&refused);
        let printed = if self.json {
            serde_json::to_string_pretty(&outcome).expect("an outcome is plain data") + "\n"
        } else {
            self.text(&simulation, &verdicts, outcome.digest.as_deref())
        };
        print(printed);
        if nothing {
            return ExitCode::from(WRONG_REQUEST);
        }
        let told = Told { scenario, outcome: &outcome, verdicts: &verdicts };
        match &self.out {
            Some(out) => {
                if let Err(error) = self.write(out, began.elapsed(), told, simulation) {
                    eprintln!("{}:1:1: {error}; name a folder that can be written", out.display());
                    return ExitCode::from(WRONG_REQUEST);
                }
            }
            // The process ends here: a cluster of many objects is not taken apart for that.
            None => std::mem::forget(simulation),
        }
        let met = verdicts.iter().all(|verdict| verdict.met) && lawful;
        ExitCode::from(if met { 0 } else { EXPECTATION_FAILED })
    }

    /// Verdicts, the table of pods, and the digest.
    fn text(&self, simulation: &Simulation, verdicts: &[Verdict], digest: Option<&str>) -> String {
        let mut text = String::new();
        for verdict in verdicts {
            text += &verdict_line(verdict);
        }
        if !verdicts.is_empty() {
            text.push('\n');
        }
        let mut pods: Vec<_> = simulation.pods().collect();
        // As etcd compares keys, in which a slash parts namespace and name.
        pods.sort_by_cached_key(|pod| format!("{}/{}", pod.meta.namespace, pod.meta.name));
        text += &podsim::report::kubectl::pods_of(pods.into_iter().map(AsRef::as_ref), wall_clock(simulation));
        if let Some(digest) = digest {
            text += &format!("digest {digest}\n");
        }
        text
    }

    /// Writes everything that is told of the run into a folder.
    fn write(&self, out: &Path, wall: Duration, told: Told<'_>, mut simulation: Simulation) -> io::Result<()> {
        let digest = simulation.digest().expect("only untraced simulations have no digest");
        let record = simulation.take_record().expect("what is written was recorded");
        // The process ends soon: to give back what the cluster holds takes longer, and leaves holes in the memory.
        std::mem::forget(simulation);
        let facts = RunFacts {
            description: told.scenario.description.clone(),
            inputs: told
                .scenario
                .inputs
                .iter()
                .map(|(path, hash)| Input { path: path.clone(), hash: hash.clone() })
                .collect(),
            command: format!("podsim {}", super::arguments(&["--out"])),
            checks: told.verdicts.iter().map(check).collect(),
            notes: told.notes(),
            wall: Some(wall),
            ..RunFacts::new(told.scenario.name.clone(), told.outcome.seed, digest)
        };
        let trace: Content<'_> = Box::new(|to| record.write(to));
        let mut made = Vec::new();
        let others = || {
            let files = artifacts(&record, &facts).into_iter();
            let mut files: Vec<(String, Vec<u8>)> = files.map(|file| (file.name.to_owned(), file.bytes)).collect();
            self.png.add_to(&mut files);
            made.extend(files.iter().map(|(name, _)| name.clone()));
            files.into_iter().map(|(name, bytes)| whole(name, bytes))
        };
        let trace = std::iter::once(("trace.jsonl".to_owned(), trace));
        write_each(out, trace.chain(std::iter::once_with(others).flatten()))?;
        remove_stale_pictures(out, &PICTURES, &made)
    }
}

/// What is told of a run beside its record.
struct Told<'a> {
    scenario: &'a Scenario,
    outcome: &'a Outcome,
    verdicts: &'a [Verdict],
}

impl Told<'_> {
    /// What people should know.
    fn notes(&self) -> Vec<String> {
        let made = self.outcome.namespaces.iter().map(|name| format!("namespace {name} was made: nobody creates it"));
        let idle = self.outcome.no_effect.iter().map(|name| format!("{name} has no effect"));
        let assumed = self.outcome.assumed.iter().map(|a| format!("{}: {} is assumed", a.container, a.model));
        let refused = self.outcome.refused.iter().map(|r| format!("refused: {}: {}", r.object, r.message));
        made.chain(idle).chain(assumed).chain(refused).collect()
    }
}

fn check(verdict: &Verdict) -> Check {
    let note = match verdict.met {
        true => format!("at {}", SimDuration::from_millis(verdict.decided_at.as_millis())),
        false => verdict.seen.clone(),
    };
    Check { what: verdict.text.clone(), held: verdict.met, note }
}

/// What the clocks of a simulation show.
pub fn wall_clock(simulation: &Simulation) -> Timestamp {
    let now = simulation.cluster().server().clock().at(simulation.now());
    Timestamp::from_nanosecond(i128::from(now.unix_nanos())).unwrap_or(Timestamp::MAX)
}

/// Whether a file is a scenario rather than a manifest.
pub fn is_scenario(path: &str) -> bool {
    path.ends_with(".ron")
}

fn wrong<T>(place: Place, found: &str, remedy: &str) -> Result<T, Problems> {
    let mut problems = Problems::default();
    problems.push(Problem::new(place, found, remedy));
    problems.or(None)
}

fn verdict_line(verdict: &Verdict) -> String {
    if verdict.met {
        return format!("{}ok{:#}      {}\n", tell::GOOD, tell::GOOD, verdict.text);
    }
    let at = verdict.decided_at.since(SimTime::ZERO);
    let (text, seen, place) = (&verdict.text, &verdict.seen, verdict.place);
    format!("{}failed{:#}  {text}\n        {place}: at {at}: {seen}\n", tell::WRONG, tell::WRONG)
}

/// Tells the one command that leads to the same broken assertion.
fn repeat(seed: u64, now: SimTime) {
    let elapsed = now.since(SimTime::ZERO);
    let whole = SimDuration::from_secs(elapsed.as_secs() + 1);
    let arguments = super::arguments(&["--seed", "--until", "--out"]);
    eprintln!("podsim is wrong: an internal assertion broke at {elapsed}. This repeats it:");
    eprintln!("  podsim {arguments} --seed {seed} --until {whole}");
}
