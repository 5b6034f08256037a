//! Bugs planted in the mechanisms, one at a time: each is found by a law, a property or a recording, and nothing is
//! found without one.
//!
//! `UPDATE_GOLDEN=1 cargo test --test planted` writes `reports/planted-bugs.md` again; review the difference.

#[path = "conformance/cases.rs"]
mod cases;

use podsim::planted::{Bug, with};
use podsim::scenario::expect::Judge;
use podsim::scenario::{FileError, Files, Scenario};
use podsim::simulation::{Run, Watchdog, parallel};
use podsim::testing::invariants::Checker;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::{fs, io};

/// Where a bug is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// A scenario of this checkout, with its laws and its expectations.
    Story(&'static str),
    /// A recorded case: family and name.
    Recording(&'static str, &'static str),
}

use Field::{Recording, Story};

/// Each bug and where it is looked for.
const FIELDS: &[(Bug, Field)] = &[
    (Bug::BackOffForgotten, Story("scenarios/crash-loop.ron")),
    (Bug::GraceIgnored, Story("scenarios/graceful-stop.ron")),
    (Bug::NeverRestarts, Story("tests/planted/field.ron")),
    (Bug::InitNotAwaited, Story("scenarios/init-containers.ron")),
    (Bug::ThresholdOffByOne, Story("scenarios/exec-liveness.ron")),
    (Bug::ReadinessIgnored, Story("tests/planted/field.ron")),
    (Bug::InitialDelayForgotten, Story("tests/planted/field.ron")),
    (Bug::ForcedDeletionUnseen, Recording("force", "force-delete-grace-0")),
    (Bug::SidecarsNotLast, Recording("sidecar", "sidecar-termination-order")),
    (Bug::PreStopSkipped, Story("scenarios/graceful-stop.ron")),
    (Bug::RestartsUncounted, Story("scenarios/crash-loop.ron")),
    (Bug::AdmissionOpen, Story("tests/planted/field.ron")),
    (Bug::AssumedPodsForgotten, Story("tests/planted/late-watch.ron")),
    (Bug::RequestsChargedTwice, Story("tests/planted/field.ron")),
    (Bug::TaintsUnseen, Story("tests/planted/field.ron")),
    (Bug::ExpectationsIgnored, Story("tests/planted/two-writers.ron")),
    (Bug::AvailabilityIgnored, Story("scenarios/quickstart.ron")),
    (Bug::OrdinalsUnordered, Story("tests/planted/field.ron")),
    (Bug::PodsCountedTwice, Story("tests/planted/field.ron")),
    (Bug::UnreadyGetTraffic, Story("tests/planted/field.ron")),
    (Bug::OwnersOverlooked, Story("tests/planted/field.ron")),
    (Bug::TaintStays, Story("scenarios/zone-loss.ron")),
    (Bug::TolerationsCutShort, Story("scenarios/node-loss.ron")),
    (Bug::BudgetNotCharged, Story("tests/planted/stale-budget.ron")),
    (Bug::FinalizersIgnored, Story("scenarios/finalizer-without-owner.ron")),
    (Bug::ConflictsUnseen, Story("tests/planted/two-writers.ron")),
];

/// The seed of every story, and how many of a recording.
const SEED: u64 = 1;
const SEEDS: u64 = 4;

/// The files of this checkout.
struct Checkout;

impl Files for Checkout {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        fs::read(root().join(path)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => FileError::Missing,
            _ => FileError::Other(error.to_string()),
        })
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What finds something wrong in a field: the name of a law, an expectation, or the mark of a recording.
fn found(field: Field) -> Option<String> {
    let asserted = |look: &dyn Fn() -> Option<String>| {
        catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_| Some("an assertion of the simulator".to_owned()))
    };
    match field {
        Story(path) => {
            let scenario = Scenario::load(path, &Checkout).unwrap_or_else(|problems| panic!("{problems}"));
            asserted(&|| broken(&scenario))
        }
        Recording(family, name) => {
            let cases = cases::family(family);
            let case = cases.get(name).unwrap_or_else(|| panic!("{name} is none of {:?}", cases.keys()));
            asserted(&|| (!case.scored(name, SEEDS).pass).then(|| format!("recording `{name}`")))
        }
    }
}

fn broken(scenario: &Scenario) -> Option<String> {
    let mut run = Run::new(scenario.plan(SEED).into(), SEED);
    let mut onlookers = (Judge::new(&scenario.expectations, run.cluster()), (Watchdog::default(), Checker::default()));
    run.run(&mut onlookers);
    let (judge, (watchdog, checker)) = onlookers;
    let law = watchdog.violation().map(|violation| format!("law `{}`", violation.name));
    let kubelet = checker.breaches().first().map(|breach| format!("law `{}`", breach.name));
    let unmet = judge.finish(run.cluster()).into_iter().filter(|verdict| !verdict.met);
    law.or(kubelet)
        .or_else(|| unmet.min_by_key(|unmet| unmet.decided_at).map(|unmet| format!("property `{}`", unmet.text)))
}

#[test]
fn every_planted_bug_is_found() {
    assert!(Bug::ALL.iter().copied().eq(FIELDS.iter().map(|(bug, _)| *bug)), "each bug has its field");
    let found = parallel(FIELDS, |(bug, field)| with(Some(*bug), || found(*field)));
    let mut table = String::from(
        "# Planted bugs\n\nTests plant one bug at a time in a mechanism that is otherwise as it should be, run a story or a \
         recorded case, and ask who\nfinds it: a law of every cluster, a property that the story states, or the recording \
         of a real cluster. Without a bug, nothing\nis found. `UPDATE_GOLDEN=1 cargo test --test planted` writes this \
         table.\n\n| who is wrong | how | where it is looked for | found by |\n|---|---|---|---|\n",
    );
    let mut missed: Vec<Bug> = Vec::new();
    for ((bug, field), found) in FIELDS.iter().zip(found) {
        let (who, how) = bug.told();
        let place = match field {
            Story(path) => format!("[{}](../{path})", path.rsplit('/').next().unwrap_or(path)),
            Recording(_, case) => format!("`{case}`"),
        };
        missed.extend(found.is_none().then_some(*bug));
        let found = found.unwrap_or_default().replace('|', "\\|");
        writeln!(table, "| {who} | {} | {place} | {found} |", how.trim_end_matches('.')).expect("a text takes it");
    }
    assert!(missed.is_empty(), "not found: {missed:?}\n{table}");
    let path = root().join("reports/planted-bugs.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &table).expect("the folder of reports can be written");
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(known, table, "UPDATE_GOLDEN=1 writes the table again");
}

#[test]
fn nothing_is_found_without_a_bug() {
    let mut fields: Vec<Field> = FIELDS.iter().map(|(_, field)| *field).collect();
    fields.sort_by_key(|field| format!("{field:?}"));
    fields.dedup();
    let found = parallel(&fields, |field| Some((*field, found(*field)?)));
    let found: Vec<_> = found.into_iter().flatten().collect();
    assert!(found.is_empty(), "{found:#?}");
}
