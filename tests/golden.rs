//! Whole traces of small scenarios as text, one line a fact: a change of behaviour is a change of lines here.
//!
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes them again; review the difference.

use podsim::report::why;
use podsim::scenario::Scenario;
use podsim::simulation::Simulation;
use podsim::trace::{Fact, FactKind, TraceRecord};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The seed of every golden trace.
const SEED: u64 = 1;

#[test]
fn traces_are_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut scenarios: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the golden folder is there")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ron"))
        .collect();
    scenarios.sort();
    assert!(scenarios.len() >= 3, "{scenarios:?}");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut changed = Vec::new();
    for scenario in scenarios {
        let golden = scenario.with_extension("txt");
        let told = trace_of(&scenario);
        if update {
            fs::write(&golden, told).expect("the golden folder can be written");
        } else {
            changed.extend(first_difference(&golden, &told));
        }
    }
    assert!(changed.is_empty(), "{}\nUPDATE_GOLDEN=1 writes them again", changed.join("\n"));
}

/// The trace of a scenario as text, and its digest.
fn trace_of(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a scenario");
    let scenario =
        Scenario::load("golden.ron", &BTreeMap::from([("golden.ron", text.as_str())])).expect("a good scenario");
    let mut simulation = Simulation::new(Arc::new(scenario.plan(SEED)), SEED, &scenario.expectations).recorded();
    simulation.run();
    let digest = simulation.digest().expect("a digest");
    let mut lines = lines(&simulation.into_record().expect("a record"));
    lines.push(format!("digest {digest}"));
    lines.join("\n") + "\n"
}

/// One line a fact: when, what it is, and the line of its cause. Tickers that found nothing to do are left out.
fn lines(record: &TraceRecord) -> Vec<String> {
    let idle = |fact: &Fact| fact.kind == FactKind::Kubelet && fact.subject().is_none();
    let why = why::Why::of(record);
    record
        .iter()
        .filter(|(_, fact)| !idle(fact))
        .map(|(id, fact)| {
            let cause = fact.cause().map(|cause| format!(" <{}", cause.index())).unwrap_or_default();
            let told = if fact.kind == FactKind::Change { why.sentence(id) } else { None };
            let told = told.map(|told| format!("  {told}")).unwrap_or_default();
            format!("{}{cause}{told}", why::line(record, id))
        })
        .collect()
}

fn first_difference(golden: &Path, told: &str) -> Option<String> {
    let known = fs::read_to_string(golden).unwrap_or_default();
    let (mut left, mut right) = (known.lines(), told.lines());
    for number in 1.. {
        match (left.next(), right.next()) {
            (None, None) => return None,
            (l, r) if l == r => {}
            (l, r) => {
                let (l, r) = (l.unwrap_or("nothing more"), r.unwrap_or("nothing more"));
                return Some(format!("{}:{number}:\n  was {l}\n  is  {r}", golden.display()));
            }
        }
    }
    None
}
