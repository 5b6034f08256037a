//! What was broken, and for how long.

use super::Span;
use crate::api::Name;
use crate::engine::SimTime;
use crate::trace::{Fact, FactId, TraceRecord};
use indexmap::IndexMap;

/// A fault, every time that it struck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultLife {
    /// What it is called: its name, or its kind.
    pub name: Name,
    /// When something was broken by it, and the node, if it was one. What is over at once takes no time; what was not
    /// healed lasts to the end.
    pub strikes: Vec<Span<Option<Name>>>,
}

#[derive(Default)]
pub(super) struct Reader {
    faults: Vec<FaultLife>,
    /// Where what is still broken was noted, by the fact of the strike.
    open: IndexMap<FactId, (usize, usize)>,
}

impl Reader {
    /// One of the facts about faults.
    pub(super) fn saw(&mut self, record: &TraceRecord, id: FactId, fact: &Fact) {
        match fact.what {
            "Strike" | "Blow" => {
                let node = fact.subject().map(|subject| record.subject(subject).name);
                let place = self.faults.iter().position(|fault| fault.name == fact.part).unwrap_or_else(|| {
                    self.faults.push(FaultLife { name: fact.part, strikes: Vec::new() });
                    self.faults.len() - 1
                });
                let strikes = &mut self.faults[place].strikes;
                strikes.push(Span { from: fact.time, to: fact.time, what: node, fact: id });
                if fact.what == "Strike" {
                    self.open.insert(id, (place, strikes.len() - 1));
                }
            }
            "Heal" => {
                let strike = fact.cause().and_then(|strike| self.open.swap_remove(&strike));
                if let Some((fault, strike)) = strike {
                    self.faults[fault].strikes[strike].to = fact.time;
                }
            }
            _ => {}
        }
    }

    pub(super) fn finish(mut self, end: SimTime) -> Vec<FaultLife> {
        for (fault, strike) in self.open.into_values() {
            self.faults[fault].strikes[strike].to = end;
        }
        self.faults
    }
}

#[cfg(test)]
mod tests {
    use crate::report::story::Story;
    use crate::scenario::Scenario;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_over_at_once_takes_no_time_whatever_it_is_called() {
        let text = r#"(duration: "2m", nodes: [Pool(count: 1)], manifests: [Inline("
            {apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: web, image: nginx}]}}")],
            faults: [
                (fault: PodKill(), name: "monkey", on: (pods: "web"), at: "1m"),
                (fault: Cordon, name: "maintenance", on: (nodes: "*"), at: "30s", lasts: "20s"),
                (fault: MetricsDown, at: "100s"),
            ])"#;
        let scenario = Scenario::load("f.ron", &BTreeMap::from([("f.ron", text)])).expect("a scenario");
        let mut simulation = scenario.simulate(1).recorded();
        simulation.run();
        let story = Story::of(&simulation.into_record().expect("it was recorded"));
        let lives: Vec<(String, u64, u64)> = story
            .faults
            .iter()
            .flat_map(|fault| fault.strikes.iter().map(|strike| (fault.name.to_string(), strike.from, strike.to)))
            .map(|(name, from, to)| (name, from.as_millis() / 1_000, to.as_millis() / 1_000))
            .collect();
        let life = |name: &str, from, to| (name.to_owned(), from, to);
        assert_eq!(lives, [life("maintenance", 30, 50), life("monkey", 60, 60), life("MetricsDown", 100, 120)]);
    }
}
