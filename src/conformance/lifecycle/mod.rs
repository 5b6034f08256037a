//! The score of lifecycles: recordings of real clusters beside what the simulator makes of the same inputs.
//!
//! A real run is asked one question: could it have come from the simulator? The rules are those of `compare.py` beside
//! the corpus; both give the same numbers.

mod judge;
mod names;
mod similarity;
mod story;

pub use judge::{MARKS, Marks, Moment, judge};
pub use similarity::similarity;
pub use story::Story;

use crate::scenario::recorded::RecordedCase;
use crate::simulation::Run;
use crate::trace::Recording;
use glob::Pattern;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How wide the range over the seeds may be, in milliseconds.
const WIDEST_MS: f64 = 2_000.0;
/// Where it may be wider: the phase of the minute; the check of files every 20 s; a retry.
const WIDER_MS: [(&str, f64); 3] = [("*cronjob*", 62_000.0), ("*static-pod*", 22_000.0), ("pdb-evict*", 12_000.0)];

/// What a case came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CaseScore {
    /// The means over the real runs.
    #[serde(flatten)]
    pub marks: Marks,
    /// Whether at least one real run is fully reproduced: real runs differ among themselves.
    pub pass: bool,
    /// Why there are no marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
    /// Every moment that both have.
    #[serde(skip)]
    pub moments: Vec<Moment>,
}

/// What a corpus came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Score {
    /// Case by case.
    pub cases: BTreeMap<String, CaseScore>,
    /// All cases together.
    pub summary: Summary,
}

/// What several cases came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Summary {
    /// The means.
    #[serde(flatten)]
    pub marks: Marks,
    /// How many cases there are.
    pub cases: usize,
    /// How many pass.
    pub passed: usize,
}

impl CaseScore {
    fn of(judged: Vec<(Marks, Vec<Moment>)>) -> Self {
        let marks = Marks::mean(judged.iter().map(|(marks, _)| marks));
        let pass = judged.iter().any(|(marks, _)| marks.pass());
        Self { marks, pass, note: None, moments: judged.into_iter().flat_map(|(_, moments)| moments).collect() }
    }
}

impl Summary {
    /// What some cases came to.
    pub fn of<'a>(cases: impl Iterator<Item = &'a CaseScore> + Clone) -> Self {
        let marks = Marks::mean(cases.clone().map(|case| &case.marks));
        Self { marks, cases: cases.clone().count(), passed: cases.filter(|case| case.pass).count() }
    }
}

impl Score {
    /// The score of some cases.
    pub fn of(cases: BTreeMap<String, CaseScore>) -> Self {
        let summary = Summary::of(cases.values());
        Self { cases, summary }
    }

    /// The families of cases, by the first word of their names.
    pub fn families(&self) -> BTreeMap<&str, Summary> {
        let family = |name: &str| name.split('-').next().unwrap_or(name).len();
        let mut families: BTreeMap<&str, Vec<&CaseScore>> = BTreeMap::new();
        for (name, case) in &self.cases {
            families.entry(&name[..family(name)]).or_default().push(case);
        }
        families.into_iter().map(|(name, cases)| (name, Summary::of(cases.iter().copied()))).collect()
    }
}

fn widest(case: &str) -> f64 {
    let wider = WIDER_MS.iter().find(|(glob, _)| Pattern::new(glob).is_ok_and(|glob| glob.matches(case)));
    wider.map_or(WIDEST_MS, |(_, widest)| *widest)
}

/// Compares the real runs of a case with simulated ones.
pub fn score(case: &str, real: &[Story], simulated: &[Story]) -> CaseScore {
    if simulated.is_empty() {
        return CaseScore { note: Some("no simulated recording"), ..CaseScore::default() };
    }
    CaseScore::of(real.iter().map(|one| judge(one, simulated, widest(case))).collect())
}

/// Compares each real run of a case with the others: how close the real cluster is to itself.
pub fn score_self(case: &str, real: &[Story]) -> Option<CaseScore> {
    if real.len() < 2 {
        return None;
    }
    let judged = real.iter().enumerate().map(|(place, one)| {
        let others: Vec<Story> =
            real.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, story)| story.clone()).collect();
        judge(one, &others, widest(case))
    });
    Some(CaseScore::of(judged.collect()))
}

/// Runs a case once, and reads what a recorder beside a real cluster would have written of it.
///
/// # Panics
/// If a recording of ours cannot be read.
pub fn simulate(name: &str, case: &RecordedCase, seed: u64) -> Story {
    let lines = record(name, case, seed);
    Story::read(lines.iter().map(String::as_str)).expect("our own recordings are JSON")
}

/// Runs a case once; the lines that a recorder beside a real cluster would have written.
pub fn record(name: &str, case: &RecordedCase, seed: u64) -> Vec<String> {
    let mut run = Run::new(Arc::new(case.plan(seed)), seed);
    let mut recording = Recording::new(name, case.duration(), seed, run.cluster());
    run.run(&mut recording);
    recording.into_lines()
}
