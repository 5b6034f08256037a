//! Recorded cases of a real cluster, run again and scored: a sample always, all of them when asked for.

#[path = "conformance/cases.rs"]
mod cases;

use cases::{Case, family};
use podsim::conformance::lifecycle::{Score, score_self};
use podsim::simulation::{Run, parallel};
use podsim::testing::invariants::Checker;
use std::path::Path;

/// Runs of each case of the sample; ranges over few seeds are narrow, so the marks are lower than over twelve.
const SEEDS: u64 = 4;
/// A case or two of every mechanism, short ones.
const SAMPLE: [(&str, &[&str]); 10] = [
    ("run", &["run-never-exit0", "run-never-exit1"]),
    ("init", &["*"]),
    ("sidecar", &["sidecar-startup-gates", "sidecar-termination-order"]),
    ("liveness", &["liveness-never-pod"]),
    ("poststart", &["*"]),
    ("prestop", &["prestop-sleep-action"]),
    ("force", &["*"]),
    ("sandbox", &["*"]),
    ("secret", &["*"]),
    ("spec", &["*"]),
];

fn sample() -> Vec<(String, Case)> {
    let wanted = |globs: &[&str], name: &str| {
        globs.iter().any(|glob| glob::Pattern::new(glob).expect("a pattern").matches(name))
    };
    let cases = SAMPLE
        .iter()
        .flat_map(|(name, globs)| family(name).into_iter().filter(|(name, _)| wanted(globs, name)).collect::<Vec<_>>());
    cases.collect()
}

#[test]
fn a_sample_is_as_the_real_cluster_was() {
    let cases = sample();
    assert!(cases.len() >= 12, "{} cases", cases.len());
    let scored = parallel(&cases, |(name, case)| (name.clone(), case.scored(name, SEEDS)));
    let score = Score::of(scored.into_iter().collect());
    let marks = score.summary.marks;
    let worst: Vec<_> = score.cases.iter().filter(|(_, case)| case.marks.views < 0.9).collect();
    assert!(worst.is_empty(), "{worst:#?}");
    assert!(marks.views >= 0.97 && marks.calls >= 0.97 && marks.events >= 0.95, "{:#?}", score.cases);
    assert!(marks.probes >= 0.9 && marks.timing >= 0.85, "{:#?}", score.cases);
}

#[test]
fn laws_hold_in_recorded_cases() {
    let broken = parallel(&sample(), |(name, case)| broken_laws(name, case));
    assert!(broken.iter().all(Vec::is_empty), "{}", broken.concat().join("\n"));
}

fn broken_laws(name: &str, case: &Case) -> Vec<String> {
    let mut checker = Checker::default();
    Run::new(case.parsed().plan(1).into(), 1).run(&mut checker);
    checker.breaches().iter().map(|breach| format!("{name}: {breach}")).collect()
}

/// Every case of every family.
fn corpus() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/kubernetes-1.36");
    let mut families: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder of cases")
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().strip_suffix(".tar.zst").map(str::to_owned))
        .collect();
    families.sort();
    families.iter().flat_map(|name| family(name)).collect()
}

#[test]
#[ignore = "takes minutes unless optimised"]
fn laws_hold_in_every_recorded_case() {
    let broken = parallel(&corpus(), |(name, case)| broken_laws(name, case));
    assert!(broken.iter().all(Vec::is_empty), "{}", broken.concat().join("\n"));
}

#[test]
#[ignore = "takes minutes unless optimised"]
fn the_whole_corpus_is_as_close_as_the_real_cluster_is_to_itself() {
    let cases = corpus();
    let scored = parallel(&cases, |(name, case)| (name.clone(), case.scored(name, 12)));
    let simulated = Score::of(scored.into_iter().collect()).summary;
    let itself = |(name, case): &(String, Case)| Some((name.clone(), score_self(name, &case.recordings)?));
    let real = Score::of(cases.iter().filter_map(itself).collect()).summary;
    let close = simulated.marks.array().iter().zip(real.marks.array()).all(|(mark, real)| *mark >= real - 0.02);
    assert!(close, "simulated {simulated:?}\nreal cluster with itself {real:?}");
}
