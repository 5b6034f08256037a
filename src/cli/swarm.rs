//! `podsim check --swarm`: each seed with faults of its own, drawn from every kind.

use super::disk::Disk;
use podsim::engine::SimDuration;
use podsim::faults::{SwarmTargets, swarm_of};
use podsim::scenario::{Parts, Problems, Scenario};
use podsim::simulation::{Finding, examine_recovery, parallel_on, smallest};
use std::collections::BTreeMap;

/// What a cluster gets to come back: longer than the longest back-offs, of containers and of images.
const RECOVERY: SimDuration = SimDuration::from_mins(20);

/// A scenario that is struck anew with each seed.
pub(super) struct SwarmCheck {
    parts: Parts,
    targets: SwarmTargets,
    /// When all faults are over.
    healed: SimDuration,
    /// No more than so many for each seed.
    most: usize,
}

impl SwarmCheck {
    /// The check of a scenario that could be read.
    pub(super) fn of(path: &str, scenario: &Scenario, most: Option<usize>) -> Option<Self> {
        let parts = Parts::load(path, &Disk).ok()?.expecting(None);
        Some(Self {
            parts,
            targets: scenario.swarm_targets(),
            healed: scenario.duration(),
            most: most.unwrap_or(usize::MAX),
        })
    }

    fn struck(&self, seed: u64) -> Parts {
        let faults = swarm_of(seed, self.healed, &self.targets, self.most);
        self.parts.clone().struck_by(&faults, self.healed + RECOVERY)
    }

    /// Some parts; not all that can be taken can be read.
    fn of_parts(parts: &Parts, kept: &[usize]) -> Result<Scenario, Problems> {
        let text = parts.text(kept);
        Scenario::load("swarm.ron", &BTreeMap::from([("swarm.ron", text.as_str())]))
    }

    /// Examines many seeds side by side; what was found, by seed.
    pub(super) fn explore(&self, seeds: &[u64], jobs: usize) -> Vec<Finding> {
        let examine = |seed: &u64| {
            let parts = self.struck(*seed);
            let whole = Self::of_parts(&parts, &parts.optional());
            examine_recovery(&whole.unwrap_or_else(|problems| panic!("all parts are a scenario: {problems}")), *seed)
        };
        parallel_on(jobs, seeds, examine).into_iter().flatten().collect()
    }

    /// The smallest part that still shows what was found, as a scenario.
    pub(super) fn smallest(&self, finding: &Finding) -> String {
        let parts = self.struck(finding.seed);
        let optional = parts.optional();
        let all = |kept: &[usize]| kept.iter().map(|part| optional[*part]).collect::<Vec<_>>();
        let same = |found: Finding| found.broken == finding.broken;
        let kept = smallest(optional.len(), &mut |kept| {
            let some = Self::of_parts(&parts, &all(kept)).ok();
            some.and_then(|some| examine_recovery(&some, finding.seed)).is_some_and(same)
        });
        parts.text(&all(&kept))
    }
}
