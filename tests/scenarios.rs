//! Every scenario that comes with podsim holds what it promises, and shows it again when it is run again.

use podsim::engine::SimTime;
use podsim::faults::swarm_of;
use podsim::report::timeline;
use podsim::scenario::{FileError, Files, Parts, Scenario};
use podsim::simulation::{Run, Simulation, Watchdog, parallel};
use podsim::testing::invariants::Checker;
use podsim::trace::TraceHash;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

/// How many times each scenario is struck anew; `SWARM` in the environment sets another number.
fn swarms() -> u64 {
    std::env::var_os("SWARM").and_then(|number| number.to_str()?.parse().ok()).unwrap_or(2)
}

/// The files of this checkout.
struct Checkout;

impl Files for Checkout {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        fs::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => FileError::Missing,
            _ => FileError::Other(error.to_string()),
        })
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn scenarios() -> Vec<String> {
    let entries = fs::read_dir(root()).expect("a folder").flatten();
    let paths = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "ron"));
    let mut paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
    paths.sort();
    paths
}

fn load(path: &str) -> Scenario {
    Scenario::load(path, &Checkout).unwrap_or_else(|problems| panic!("{problems}"))
}

fn simulated(scenario: &Scenario, seed: u64) -> Simulation {
    let mut simulation = scenario.simulate(seed);
    simulation.run();
    simulation
}

#[test]
fn every_expectation_holds() {
    let failures = parallel(&scenarios(), |path| {
        let scenario = load(path);
        let verdicts = simulated(&scenario, scenario.seed.unwrap_or(1)).verdicts();
        assert!(!verdicts.is_empty(), "{path} expects nothing");
        let failed = verdicts.iter().filter(|verdict| !verdict.met);
        failed.map(|verdict| format!("{}: {}: {}", verdict.place, verdict.text, verdict.seen)).collect::<Vec<_>>()
    });
    let failures = failures.concat();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_law_holds() {
    let broken = parallel(&scenarios(), |path| {
        let scenario = load(path);
        let seed = scenario.seed.unwrap_or(1);
        let mut onlookers = (Watchdog::default(), Checker::default());
        Run::new(scenario.plan(seed).into(), seed).run(&mut onlookers);
        let (watchdog, checker) = onlookers;
        let law = watchdog.violation().map(|v| format!("{path}: {} at {}: {}: {}", v.name, v.at, v.object, v.seen));
        law.into_iter().chain(checker.breaches().iter().map(|breach| format!("{path}: {breach}"))).collect::<Vec<_>>()
    });
    let broken = broken.concat();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn most_seeds_hold_what_one_seed_holds() {
    // Expectations are about what Kubernetes does, not about the luck of one seed.
    let failures = parallel(&scenarios(), |path| {
        let scenario = load(path);
        let failed = (2..8).filter(|seed| simulated(&scenario, *seed).verdicts().iter().any(|verdict| !verdict.met));
        let failed: Vec<u64> = failed.collect();
        (failed.len() > 1).then(|| format!("{path} fails with the seeds {failed:?}"))
    });
    let failures: Vec<String> = failures.into_iter().flatten().collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn a_scenario_run_again_has_the_same_digest_and_a_fork_ends_like_its_parent() {
    for path in scenarios() {
        let scenario = load(&path);
        let whole = simulated(&scenario, 3);
        let mut fork = scenario.simulate(3);
        fork.run_until(SimTime::ZERO + scenario.duration() / 2);
        let mut fork = fork.clone();
        fork.run();
        assert_eq!(whole.digest(), fork.digest(), "{path}");
    }
}

/// What a watcher sees of a run, with or without the probes that are sure to change nothing.
fn seen(scenario: &Scenario, seed: u64, every_probe: bool) -> Option<TraceHash> {
    let mut plan = scenario.plan(seed);
    plan.every_probe = every_probe;
    let mut simulation = Simulation::new(Arc::new(plan), seed, &scenario.expectations);
    simulation.run();
    simulation.digest()
}

#[test]
fn nobody_misses_the_probes_that_are_left_out() {
    let missed = parallel(&scenarios(), |path| {
        let plain = Parts::load(path, &Checkout).expect("a good scenario").expecting(None);
        let (targets, duration) = {
            let scenario = load(path);
            (scenario.swarm_targets(), scenario.duration())
        };
        let mut missed = Vec::new();
        for seed in 0..=swarms() {
            let faults = if seed == 0 { Vec::new() } else { swarm_of(seed, duration, &targets, usize::MAX) };
            let parts = if seed == 0 { plain.clone() } else { plain.clone().struck_by(&faults, duration) };
            let text = parts.text(&parts.optional());
            let scenario = Scenario::load("struck.ron", &BTreeMap::from([("struck.ron", text.as_str())]));
            let scenario = scenario.unwrap_or_else(|problems| panic!("{path}: {problems}"));
            if seen(&scenario, seed.max(1), false) != seen(&scenario, seed.max(1), true) {
                let file = format!("{}/{}-{seed}.ron", env!("CARGO_TARGET_TMPDIR"), stem(path));
                fs::write(&file, text).expect("a file");
                missed.push(format!("{file} with the seed {}", seed.max(1)));
            }
        }
        missed
    });
    let missed = missed.concat();
    assert!(missed.is_empty(), "\n{}", missed.join("\n"));
}

/// The name of a scenario's file, without its end.
fn stem(path: &str) -> String {
    Path::new(path).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What strikes in a scenario, each kind once.
fn kinds(scenario: &Scenario) -> Vec<&'static str> {
    let kinds: BTreeSet<&str> = scenario.plan(1).faults.iter().map(|fault| fault.kind.info().name).collect();
    kinds.into_iter().collect()
}

/// The gallery's part about a scenario.
fn exhibit(path: &str, scenario: &Scenario) -> String {
    let (name, kinds) = (stem(path), kinds(scenario).join("`, `"));
    let expected: Vec<String> =
        scenario.expectations.iter().map(|expectation| format!("- `{}`\n", expectation.text)).collect();
    let description = &scenario.description;
    format!(
        "## {name}\n\n{description} (`{kinds}`). [The scenario](../../scenarios/{name}.ron) expects:\n\n{}\n\
         ![{description}]({name}.svg)\n",
        expected.concat()
    )
}

#[test]
fn every_scenario_with_faults_has_its_picture() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/faults");
    let all: Vec<(String, Scenario)> = scenarios().into_iter().map(|path| (path.clone(), load(&path))).collect();
    let struck: Vec<&(String, Scenario)> = all.iter().filter(|(_, scenario)| !kinds(scenario).is_empty()).collect();
    assert!(struck.len() >= 12, "{} scenarios show faults", struck.len());
    let exhibits: Vec<String> = struck.iter().map(|(path, scenario)| exhibit(path, scenario)).collect();
    let intro = "# Faults, and what becomes of them\n\nWritten by `UPDATE_GOLDEN=1 cargo test --test scenarios \
                 every_scenario_with_faults`: each picture is the `timeline.svg` of a run.\n\n";
    let gallery = format!("{intro}{}", exhibits.join("\n"));
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    fs::create_dir_all(&folder).expect("a folder for pictures");
    let mut stale = Vec::new();
    let mut show = |file: String, made: Vec<u8>| {
        let kept = folder.join(&file);
        if update {
            fs::write(kept, made).expect("a picture");
        } else if fs::read(kept).ok() != Some(made) {
            stale.push(file);
        }
    };
    for (path, scenario) in &struck {
        let mut simulation = scenario.simulate(scenario.seed.unwrap_or(1)).recorded();
        simulation.run();
        let record = simulation.into_record().expect("a record");
        show(stem(path) + ".svg", timeline(&record, &stem(path)));
    }
    show("README.md".to_owned(), gallery.into_bytes());
    let remedy = "UPDATE_GOLDEN=1 cargo test --test scenarios every_scenario_with_faults makes them again";
    assert!(stale.is_empty(), "not as they were: {stale:?}\n{remedy}");
}

#[test]
fn every_scenario_says_what_to_look_for_and_uses_real_manifests() {
    let texts: Vec<(String, String)> = scenarios()
        .into_iter()
        .map(|path| (fs::read_to_string(&path).expect("a text"), path))
        .map(|(text, path)| (path, text))
        .collect();
    assert!(texts.len() >= 16, "{} scenarios", texts.len());
    for (path, text) in &texts {
        assert!(text.starts_with("// "), "{path} opens with a comment");
        assert!(text.contains("// Look for: "), "{path} says what to look for");
        assert!(!load(path).description.is_empty(), "{path} has a description");
    }
    for entry in fs::read_dir(root().join("manifests")).expect("a folder").flatten() {
        let name = entry.file_name().into_string().expect("a plain name");
        let used = texts.iter().any(|(_, text)| text.contains(&format!("manifests/{name}")));
        assert!(used, "no scenario uses {name}");
    }
}
