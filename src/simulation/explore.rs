//! Looking for trouble: one scenario with many seeds, every expectation and every law watched.

use super::invariant::{Violation, Watchdog};
use super::{Run, Trace, parallel_on};
use crate::engine::SimTime;
use crate::scenario::Scenario;
use crate::scenario::expect::Judge;
use crate::testing::invariants::Checker;
use std::sync::Arc;

/// Something that did not hold in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The seed of the run.
    pub seed: u64,
    /// What did not hold.
    pub broken: Broken,
    /// When that was certain.
    pub at: SimTime,
    /// What was seen.
    pub seen: String,
}

/// What can be broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// A law of every cluster, by name.
    Law(&'static str),
    /// An expectation of the scenario, as it was written.
    Expectation(String),
    /// Something that is not as it would be without faults, after they were healed.
    Recovery(String),
}

/// Those who hold the laws: of every cluster, and of every kubelet.
#[derive(Debug, Default)]
pub(super) struct Guards {
    watchdog: Watchdog,
    checker: Checker,
}

impl Guards {
    /// Both, as a run takes them.
    pub(super) fn onlookers(&mut self) -> impl Trace {
        (&mut self.watchdog, &mut self.checker)
    }

    /// The law that was broken first.
    pub(super) fn finding(&self, seed: u64) -> Option<Finding> {
        let of_cluster = self.watchdog.violation().map(|violation| {
            let Violation { name, at, object, seen } = violation;
            Finding { seed, broken: Broken::Law(name), at: *at, seen: format!("{object}: {seen}") }
        });
        let of_kubelet = self.checker.breaches().first().map(|breach| Finding {
            seed,
            broken: Broken::Law(breach.name),
            at: breach.at,
            seen: format!("{}: {}", breach.object, breach.seen),
        });
        of_cluster.into_iter().chain(of_kubelet).min_by_key(|finding| finding.at)
    }
}

/// Runs a scenario with a seed and says what did not hold first.
pub fn examine(scenario: &Scenario, seed: u64) -> Option<Finding> {
    let mut run = Run::new(Arc::new(scenario.plan(seed)), seed);
    let mut guards = Guards::default();
    let mut judge = Judge::new(&scenario.expectations, run.cluster());
    run.run(&mut (&mut judge, guards.onlookers()));
    let law = guards.finding(seed);
    let broken = judge.finish(run.cluster()).into_iter().filter(|verdict| !verdict.met);
    let expectation = broken.min_by_key(|verdict| verdict.decided_at).map(|verdict| Finding {
        seed,
        broken: Broken::Expectation(verdict.text.clone()),
        at: verdict.decided_at,
        seen: verdict.seen.clone(),
    });
    law.into_iter().chain(expectation).min_by_key(|finding| finding.at)
}

/// Examines many seeds side by side; what was found, by seed, whoever was first.
pub fn explore(scenario: &Scenario, seeds: &[u64], jobs: usize) -> Vec<Finding> {
    parallel_on(jobs, seeds, |seed| examine(scenario, *seed)).into_iter().flatten().collect()
}
