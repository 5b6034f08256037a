//! `podsim check`: a scenario with many seeds, and the smallest story in which something does not hold.

use super::disk::{Disk, write_all};
use super::print::say;
use super::swarm::SwarmCheck;
use super::{EXPECTATION_FAILED, WRONG_REQUEST, tell};
use anstream::eprintln;
use clap::Args;
use podsim::engine::SimTime;
use podsim::report::why;
use podsim::scenario::expect::Expectation;
use podsim::scenario::{Parts, Scenario};
use podsim::simulation::{Broken, Finding, HISTORY_LAWS, INVARIANTS, Simulation, Smallest, explore, shrink};
use podsim::testing::invariants;
use podsim::trace::Fact;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

/// So many runs are done for each thread between two looks at the progress.
const BATCH: usize = 64;
/// So many seeds are listed.
const LISTED: usize = 10;

/// Runs a scenario with many seeds: do its expectations and the laws of every cluster hold?
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  podsim check scenarios/quickstart.ron --seeds 1000\n  \
    podsim check scenarios/quickstart.ron --swarm --seeds 200\n  podsim check --list")]
pub struct Check {
    /// The scenario (.ron)
    #[arg(required_unless_present = "list")]
    scenario: Option<String>,
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    first_seed: u64,
    /// So many runs side by side; as many as the machine has processors if nothing is said
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Where to write the smallest scenario that still shows what was found
    #[arg(long, value_name = "FILE", default_value = "smallest.ron")]
    out: PathBuf,
    /// Do not look for a smaller scenario
    #[arg(long)]
    no_shrink: bool,
    /// Strike each seed with faults of its own, drawn from all kinds and healed in time: laws have to hold all the
    /// while, and in the end all has to be well that is so without faults. Expectations are not looked at
    #[arg(long)]
    swarm: bool,
    /// No more than so many faults for each seed of a swarm
    #[arg(long, value_name = "N", requires = "swarm")]
    faults: Option<usize>,
    /// List the laws that are checked
    #[arg(long)]
    list: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

impl Check {
    /// Checks the scenario.
    pub fn run(self) -> ExitCode {
        if self.list {
            for (name, says) in laws() {
                say!("{name:<36} {says}");
            }
            return ExitCode::SUCCESS;
        }
        let path = self.scenario.clone().expect("it is required");
        let scenario = match Scenario::load(&path, &Disk) {
            Ok(scenario) => scenario,
            Err(problems) => {
                tell::problems(&problems);
                return ExitCode::from(WRONG_REQUEST);
            }
        };
        tell::notes(&scenario.notes, self.quiet);
        let swarm = self.swarm.then(|| SwarmCheck::of(&path, &scenario, self.faults)).flatten();
        let found = match &swarm {
            Some(swarm) => self.each(&|seeds, jobs| swarm.explore(seeds, jobs)),
            None => self.each(&|seeds, jobs| explore(&scenario, seeds, jobs)),
        };
        if let Some(swarm) = swarm {
            return self.tell_swarm(&path, &swarm, &found);
        }
        let smallest = found.first().filter(|_| !self.no_shrink).and_then(|first| self.smallest(&path, first));
        if self.json {
            say!("{:#}", as_json(self.seeds, &found, smallest.as_ref().map(|smallest| smallest.text.as_str())));
        } else {
            self.tell(&path, &scenario, &found, smallest.as_ref());
        }
        ExitCode::from(if found.is_empty() { 0 } else { EXPECTATION_FAILED })
    }

    /// Runs all seeds, batch by batch, and shows how far it is.
    fn each(&self, explore: &dyn Fn(&[u64], usize) -> Vec<Finding>) -> Vec<Finding> {
        let jobs = self.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)).max(1);
        let seeds: Vec<u64> = (self.first_seed..self.first_seed.saturating_add(self.seeds)).collect();
        let visible = !self.quiet && io::stderr().is_terminal();
        let mut found = Vec::new();
        for (place, batch) in seeds.chunks(BATCH * jobs).enumerate() {
            found.extend(explore(batch, jobs));
            if visible {
                // What cannot be shown is no reason to stop.
                let _ = write!(io::stderr(), "\r{} of {} seeds\x1b[K", place * BATCH * jobs + batch.len(), seeds.len());
            }
        }
        if visible {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        found
    }

    /// Writes the smallest scenario that shows the same, and returns its text.
    fn smallest(&self, path: &str, finding: &Finding) -> Option<Smallest> {
        let expected = match &finding.broken {
            Broken::Expectation(text) => Some(text.as_str()),
            Broken::Law(_) | Broken::Recovery(_) => None,
        };
        let parts = Parts::load(path, &Disk).ok()?.expecting(expected);
        let smallest = shrink(&parts, finding);
        let head = format!(
            "// The smallest part of {path} in which this does not hold with seed {}, found with {} runs:\n// {}\n",
            finding.seed,
            smallest.runs,
            told(&finding.broken)
        );
        let text = head + &smallest.text;
        let folder = self.out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = self.out.file_name()?.to_string_lossy().into_owned();
        if let Err(error) = write_all(folder, [(name.as_str(), text.as_bytes())]) {
            eprintln!("{}:1:1: {error}; name a file that can be written", self.out.display());
        }
        Some(Smallest { text, ..smallest })
    }

    /// What a swarm of faults has shown, and the smallest part of the first that still does.
    fn tell_swarm(&self, path: &str, swarm: &SwarmCheck, found: &[Finding]) -> ExitCode {
        let smallest = found.first().filter(|_| !self.no_shrink).map(|first| {
            let head = format!(
                "// The smallest part of {path} in which this does not hold with seed {}:\n// {}\n",
                first.seed,
                told(&first.broken)
            );
            head + &swarm.smallest(first)
        });
        if let Some(text) = &smallest {
            let folder = self.out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let name = self.out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if let Err(error) = write_all(folder, [(name.as_str(), text.as_bytes())]) {
                eprintln!("{}:1:1: {error}; name a file that can be written", self.out.display());
            }
        }
        if self.json {
            say!("{:#}", as_json(self.seeds, found, smallest.as_deref()));
        } else if let Some(first) = found.first() {
            let wrong = tell::WRONG;
            say!("{wrong}failed{wrong:#} {} of {} seeds", found.len(), self.seeds);
            for finding in found.iter().take(LISTED) {
                let at = finding.at.since(SimTime::ZERO);
                say!("  seed {}, at {at}: {}: {}", finding.seed, told(&finding.broken), finding.seen);
            }
            let seed = first.seed;
            let most = self.faults.map(|most| format!(" --faults {most}")).unwrap_or_default();
            say!("\nThis repeats it:\n  podsim check {path} --swarm{most} --first-seed {seed} --seeds 1");
            if smallest.is_some() {
                say!("What is left of it is in {}", self.out.display());
            }
        } else {
            let (good, seeds, laws) = (tell::GOOD, self.seeds, laws().len());
            say!("{good}ok{good:#} {seeds} seeds with faults of their own, {laws} laws: all held, all came back");
        }
        ExitCode::from(if found.is_empty() { 0 } else { EXPECTATION_FAILED })
    }

    fn tell(&self, path: &str, scenario: &Scenario, found: &[Finding], smallest: Option<&Smallest>) {
        let laws = laws().len();
        let expectations = scenario.expectations.len();
        let Some(first) = found.first() else {
            let (good, seeds) = (tell::GOOD, self.seeds);
            say!("{good}ok{good:#} {seeds} seeds, {expectations} expectations, {laws} laws: all held");
            return;
        };
        let wrong = tell::WRONG;
        say!("{wrong}failed{wrong:#} {} of {} seeds", found.len(), self.seeds);
        let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for finding in found {
            counts.entry(told(&finding.broken)).or_default().push(finding.seed);
        }
        for (broken, seeds) in counts {
            let more = if seeds.len() > LISTED { ", …" } else { "" };
            let listed: Vec<String> = seeds.iter().take(LISTED).map(ToString::to_string).collect();
            say!("  {broken}: seeds {}{more}", listed.join(", "));
        }
        let at = first.at.since(SimTime::ZERO);
        say!("\nseed {}, at {at}: {}\n  {}", first.seed, told(&first.broken), first.seen);
        let (file, told_of) = match smallest {
            Some(Smallest { text, finding, .. }) => {
                let files = BTreeMap::from([("smallest.ron", text.as_str())]);
                let scenario = Scenario::load("smallest.ron", &files).ok();
                (self.out.display().to_string(), scenario.map(|scenario| (scenario, finding)))
            }
            None => (path.to_owned(), Some((scenario.clone(), first))),
        };
        if let Some((scenario, finding)) = told_of {
            print_story(&scenario, finding);
        }
        let command = match first.broken {
            Broken::Expectation(_) => format!("podsim run {file} --seed {}", first.seed),
            Broken::Law(_) | Broken::Recovery(_) => {
                format!("podsim check {file} --first-seed {} --seeds 1", first.seed)
            }
        };
        say!("\nThis repeats it:\n  {command}");
    }
}

/// The causes of what was seen last of the object that a finding is about.
fn print_story(scenario: &Scenario, finding: &Finding) {
    let plan = Arc::new(scenario.plan(finding.seed));
    let mut simulation = Simulation::new(plan, finding.seed, &scenario.expectations).recorded();
    simulation.run_until(finding.at);
    let objects = about(scenario, &simulation, finding);
    let Some(record) = simulation.into_record() else { return };
    let why = why::Why::of(&record);
    let last = |object: &String| {
        let subject = why::find(&record, object).ok()?;
        why.last_change(subject, finding.at)
    };
    let refused = || {
        let asked = scenario.expectations.iter().find(|expectation| told_by(expectation, finding))?;
        let meant = |fact: &Fact| fact.failure().is_some_and(|failure| asked.asks_for_refusal(&failure.message));
        record.iter().rev().find_map(|(id, fact)| meant(fact).then_some(id))
    };
    let pods = || record.changes().map(|(id, _)| id).filter(|id| record.fact(*id).pod().is_some()).last();
    if let Some(last) = refused().or_else(|| objects.iter().filter_map(last).max()).or_else(pods) {
        say!("\nWhat led there:\n{}", why::text(&why.steps(last), false).trim_end());
    }
}

/// Whether a finding is that an expectation did not hold.
fn told_by(expectation: &Expectation, finding: &Finding) -> bool {
    matches!(&finding.broken, Broken::Expectation(text) if *text == expectation.text)
}

/// The objects that a finding is about, as `Kind/namespace/name`: if some are otherwise than wanted, those.
fn about(scenario: &Scenario, simulation: &Simulation, finding: &Finding) -> Vec<String> {
    match &finding.broken {
        Broken::Law(_) => finding.seen.split_once(": ").map(|(object, _)| object.to_owned()).into_iter().collect(),
        Broken::Recovery(object) => vec![object.clone()],
        Broken::Expectation(_) => {
            let list = |kind| simulation.cluster().server().store().list(kind);
            let expectation = scenario.expectations.iter().find(|expectation| told_by(expectation, finding));
            let subjects = expectation.map(|expectation| expectation.subjects(&list)).unwrap_or_default();
            let odd = subjects.iter().any(|(_, odd)| *odd);
            subjects.iter().filter(|(_, is)| *is == odd).map(|(object, _)| object.path()).collect()
        }
    }
}

/// Every law by name, and what it says: of the cluster, by write and by what happened before, then of a kubelet.
fn laws() -> Vec<(&'static str, String)> {
    let cluster = INVARIANTS.iter().map(|law| (law.name, law.says.to_owned()));
    let kubelet = invariants::all().into_iter().map(|law| {
        let says = law.sentence.trim_end_matches('.');
        (law.name, says[..1].to_lowercase() + &says[1..])
    });
    let history = HISTORY_LAWS.concat().into_iter().map(|law| (law.name, law.says.to_owned()));
    cluster.chain(history).chain(kubelet).collect()
}

fn told(broken: &Broken) -> String {
    match broken {
        Broken::Expectation(text) => format!("expectation \"{text}\""),
        Broken::Law(name) => format!("law {name}"),
        Broken::Recovery(object) => format!("{object} comes back"),
    }
}

fn as_json(seeds: u64, found: &[Finding], smallest: Option<&str>) -> serde_json::Value {
    let finding = |finding: &Finding| json!({"seed": finding.seed, "broken": told(&finding.broken), "t_ns": finding.at.as_nanos(), "seen": finding.seen});
    json!({"seeds": seeds, "held": found.is_empty(), "found": found.iter().map(finding).collect::<Vec<_>>(), "smallest": smallest})
}
