//! What was broken, and for how long.

use super::Span;
use crate::api::Name;
use crate::engine::SimTime;
use crate::faults::KINDS;
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
            "Strike" => {
                let node = fact.subject().map(|subject| record.subject(subject).name);
                let place = self.faults.iter().position(|fault| fault.name == fact.part).unwrap_or_else(|| {
                    self.faults.push(FaultLife { name: fact.part, strikes: Vec::new() });
                    self.faults.len() - 1
                });
                let strikes = &mut self.faults[place].strikes;
                strikes.push(Span { from: fact.time, to: fact.time, what: node, fact: id });
                if !KINDS.iter().any(|kind| kind.momentary && fact.part == kind.name) {
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
