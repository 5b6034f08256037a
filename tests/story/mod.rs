//! Stories that tests tell: a manifest on a node, played for so many seconds.

use podsim::scenario::{FileError, Files, Scenario};
use podsim::simulation::Simulation;
use std::sync::Arc;

/// A scenario that is written here.
struct Written(String);

impl Files for Written {
    fn read(&self, _: &str) -> Result<Vec<u8>, FileError> {
        Ok(self.0.clone().into_bytes())
    }
}

/// The scenario of a manifest; `rest` are more fields of it.
pub fn scenario(seconds: u64, manifest: &str, rest: &str) -> Scenario {
    let text =
        format!("Scenario(duration: \"{seconds}s\", nodes: [Pool()], manifests: [Inline(r#\"{manifest}\"#)], {rest})");
    Scenario::load("story.ron", &Written(text)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Plays a manifest for so many seconds, with each of some seeds, and holds it to its expectations.
pub fn check(seeds: &[u64], seconds: u64, manifest: &str, rest: &str, expect: &[&str]) {
    let expect: Vec<String> = expect.iter().map(|text| format!("{text:?}")).collect();
    let scenario = scenario(seconds, manifest, &format!("{rest} expect: [{}]", expect.join(", ")));
    for seed in seeds.iter().copied() {
        let mut simulation = Simulation::new(Arc::new(scenario.plan(seed)), seed, &scenario.expectations);
        simulation.run();
        for verdict in simulation.verdicts() {
            assert!(verdict.met, "seed {seed}: {}: {}", verdict.text, verdict.seen);
        }
    }
}
