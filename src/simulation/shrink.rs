//! The smallest scenario that still shows what was found: delta debugging over its parts, then over its numbers.
//!
//! What is left out shifts nobody's luck, since every draw has its own name: so the same seed shows the same thing, or
//! the part that was left out mattered.

use super::explore::{Finding, examine};
use crate::engine::{SimDuration, SimTime};
use crate::scenario::{Parts, Scenario};
use std::collections::BTreeMap;

/// What is left of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smallest {
    /// The scenario: one file that runs by itself.
    pub text: String,
    /// What is found in it: the same, perhaps at another time.
    pub finding: Finding,
    /// How many runs it took to find it.
    pub runs: usize,
}

/// Makes a scenario smaller as long as the same thing is broken with the same seed: shorter, of fewer parts, and with
/// fewer machines and replicas.
pub fn shrink(parts: &Parts, finding: &Finding) -> Smallest {
    let mut runs = 0;
    let mut newest = finding.clone();
    let mut still = |text: &str| {
        let files = BTreeMap::from([("smallest.ron", text)]);
        let Ok(scenario) = Scenario::load("smallest.ron", &files) else { return false };
        runs += 1;
        let found = examine(&scenario, finding.seed).filter(|found| found.broken == finding.broken);
        newest = found.clone().unwrap_or_else(|| newest.clone());
        found.is_some()
    };
    let mut parts = parts.clone();
    let optional = parts.optional();
    let all = |kept: &[usize]| kept.iter().map(|part| optional[*part]).collect::<Vec<_>>();
    // At once if it can be, so that every run is short; else when nothing is left to happen after it.
    let after = SimDuration::from_secs(finding.at.since(SimTime::ZERO).as_secs() + 1);
    let shorter = parts.lasting(after).filter(|shorter| still(&shorter.text(&optional)));
    parts = shorter.unwrap_or(parts);
    let kept = all(&smallest(optional.len(), &mut |kept| still(&parts.text(&all(kept)))));
    let shorter = parts.lasting(after).filter(|shorter| still(&shorter.text(&kept)));
    parts = shorter.unwrap_or(parts);
    for part in &kept {
        while let Some(less) = lesser(&parts, *part).into_iter().find(|less| still(&less.text(&kept))) {
            parts = less;
        }
    }
    Smallest { text: parts.text(&kept), finding: newest, runs }
}

/// The scenarios with less of one part: one, half, or one less.
fn lesser(parts: &Parts, part: usize) -> Vec<Parts> {
    let Some(number) = parts.number(part).filter(|number| *number > 1) else { return Vec::new() };
    let mut tries = vec![1, number / 2, number - 1];
    tries.dedup();
    tries.into_iter().map(|less| parts.with_number(part, less)).collect()
}

/// The parts that are needed for something to be still so: by leaving out ever smaller stretches of them, last ones
/// first, because these name what those before them make.
pub fn smallest(parts: usize, still: &mut dyn FnMut(&[usize]) -> bool) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..parts).collect();
    let mut size = kept.len().div_ceil(2).max(1);
    while !kept.is_empty() {
        let mut smaller = false;
        let mut end = kept.len();
        while end > 0 {
            let start = end.saturating_sub(size);
            let without: Vec<usize> = [&kept[..start], &kept[end..]].concat();
            if still(&without) {
                kept = without;
                smaller = true;
            }
            end = start;
        }
        if size == 1 && !smaller {
            break;
        }
        size = if smaller { size } else { size.div_ceil(2) }.min(kept.len().max(1));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_found_in_few_tries() {
        // (how many, what matters together, so many tries at most)
        let cases: [(usize, &[usize], usize); 5] =
            [(1, &[], 2), (8, &[3], 20), (100, &[17, 18, 90], 70), (100, &[], 8), (3, &[0, 1, 2], 10)];
        for (parts, matters, most) in cases {
            let mut tries = 0;
            let found = smallest(parts, &mut |kept| {
                tries += 1;
                matters.iter().all(|part| kept.contains(part))
            });
            assert_eq!(found, matters);
            assert!(tries <= most, "{tries} tries for {parts}");
        }
    }

    #[test]
    fn what_others_need_goes_after_them() {
        // An even part stands only with the odd one after it; the last pair matters.
        let mut tries = 0;
        let found = smallest(40, &mut |kept| {
            tries += 1;
            let stands = kept.iter().all(|part| part % 2 == 0 || kept.contains(&(part - 1)));
            stands && kept.contains(&39)
        });
        assert_eq!(found, [38, 39]);
        assert!(tries < 60, "{tries}");
    }
}
