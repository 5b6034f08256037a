//! The laws of a kubelet, held against random small scenarios after every step.

use podsim::testing::strategies::{self, SmallScenario};
use proptest::prelude::*;
use std::path::Path;

/// Writes the scenario of a failure to a file and names the command that repeats it.
fn tell(scenario: &SmallScenario, seed: u64) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("broken-{seed}.ron"));
    match std::fs::write(&path, scenario.to_ron()) {
        Ok(()) => SmallScenario::command(&path.display().to_string(), seed),
        Err(error) => format!("{}: {error}", path.display()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold_after_every_step(scenario in strategies::scenario(), seed in 0_u64..1_000) {
        let broken: Vec<String> = scenario.check(seed).iter().map(ToString::to_string).collect();
        prop_assert!(broken.is_empty(), "seed {seed}\n{}\nrepeat with: {}", broken.join("\n"), tell(&scenario, seed));
    }
}
