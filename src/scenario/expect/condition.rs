//! A formula that is watched while a cluster runs: whether it holds now.

use super::formula::{Clause, Expectation, Formula};
use super::judge::Fact;
use crate::api::{Change, ChangeKind, Kind};
use crate::simulation::Cluster;
use std::sync::Arc;

/// A formula and what is known of its facts.
#[derive(Debug, Clone)]
pub struct Condition {
    expectation: Arc<Expectation>,
    facts: Vec<Fact>,
    holds: bool,
}

impl Condition {
    /// Begins to watch a formula in a cluster that has not taken a step.
    pub fn new(expectation: &Expectation, cluster: &Cluster) -> Self {
        let facts = expectation.atoms.iter().map(Fact::new).collect();
        let mut condition = Self { expectation: Arc::new(expectation.clone()), facts, holds: false };
        let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| condition.reads(*kind)).collect();
        for kind in kinds {
            for object in cluster.objects(kind) {
                condition.note(&Change { kind: ChangeKind::Added, object });
            }
        }
        condition.holds = condition.evaluate();
        condition
    }

    /// Whether it holds now.
    pub const fn holds(&self) -> bool {
        self.holds
    }

    /// Takes a change; whether the formula has begun to hold.
    pub fn begins(&mut self, change: &Change) -> bool {
        if !self.reads(change.object.kind()) || !self.note(change) {
            return false;
        }
        let holds = self.evaluate();
        let held = std::mem::replace(&mut self.holds, holds);
        self.holds && !held
    }

    fn reads(&self, kind: Kind) -> bool {
        self.expectation.atoms.iter().any(|atom| atom.kind() == Some(kind))
    }

    fn note(&mut self, change: &Change) -> bool {
        let mut news = false;
        for (fact, atom) in self.facts.iter_mut().zip(&self.expectation.atoms) {
            if atom.kind() == Some(change.object.kind()) {
                news |= fact.note(atom, change);
            }
        }
        news
    }

    fn formula(&self) -> Option<&Formula> {
        match &self.expectation.clause {
            Clause::End(formula) => Some(formula),
            _ => None,
        }
    }

    fn evaluate(&self) -> bool {
        self.formula().is_some_and(|formula| formula.holds(&|fact| self.facts[fact].holds()))
    }
}
