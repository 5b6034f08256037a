//! The laws of a kubelet, evaluated after every step of a run.
//!
//! Each of the 68 is a pure function over one fact of a step (a version of a pod, a call, a move of a worker) and what
//! was noted before. Where recordings of real clusters break a law as it is often told, it is stated as reality keeps
//! it. Sources are tests and functions of Kubernetes 1.36 under `pkg/kubelet`.
//!
//! Not told apart here: cgroups, devices of claims, and what a kubelet writes to its own disk.

mod checker;
mod conditions;
mod facts;
mod images;
mod node;
mod order;
mod past;
mod phase;
mod probes;
mod resize;
mod restart;
mod sandbox;
mod statics;
mod status;
mod termination;
mod worker;

pub use checker::Checker;

use crate::engine::SimTime;
use facts::{Asked, Called, Moved, NodeVersion, Version};
use std::fmt;

/// A law, by the name that others know it by.
#[derive(Debug, Clone, Copy)]
pub struct Invariant {
    /// Its place in the list: `I-1` to `I-68`.
    pub number: u8,
    /// What people call it: `liveness-takes-its-threshold`.
    pub name: &'static str,
    /// What holds.
    pub sentence: &'static str,
    /// Where Kubernetes says so: a test or a function.
    pub source: &'static str,
    law: Law,
}

/// What was seen where a law is broken.
type Seen = Option<String>;

/// The facts that a law is about.
#[derive(Debug, Clone, Copy)]
enum Law {
    /// The API has a new version of a pod.
    Version(fn(&Version<'_>) -> Seen),
    /// The API has a new version of a node.
    Node(fn(&NodeVersion<'_>) -> Seen),
    /// A kubelet asks the API server to change a pod.
    Asked(fn(&Asked<'_>) -> Seen),
    /// A kubelet calls its runtime.
    Called(fn(&Called<'_>) -> Seen),
    /// What a kubelet has of a pod moved.
    Moved(fn(&Moved<'_>) -> Seen),
}

/// A broken law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub number: u8,
    /// What people call it.
    pub name: &'static str,
    /// What should hold.
    pub sentence: &'static str,
    /// When it broke.
    pub at: SimTime,
    /// About which object: `Kind/namespace/name`.
    pub object: String,
    /// What was seen instead.
    pub seen: String,
}

impl Invariant {
    /// The name that others know it by.
    pub fn id(&self) -> String {
        format!("I-{}", self.number)
    }
}

impl Breach {
    /// The law's name.
    pub fn id(&self) -> String {
        format!("I-{}", self.number)
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.since(SimTime::ZERO);
        write!(f, "I-{} {} at {at}: {}: {} ({})", self.number, self.name, self.object, self.seen, self.sentence)
    }
}

const TOPICS: [&[Invariant]; 13] = [
    phase::LAWS,
    worker::LAWS,
    termination::LAWS,
    status::LAWS,
    conditions::LAWS,
    restart::LAWS,
    order::LAWS,
    sandbox::LAWS,
    images::LAWS,
    probes::LAWS,
    node::LAWS,
    statics::LAWS,
    resize::LAWS,
];

/// All laws, in order of their numbers.
pub fn all() -> Vec<Invariant> {
    let mut all: Vec<Invariant> = TOPICS.iter().flat_map(|topic| topic.iter().copied()).collect();
    all.sort_by_key(|law| law.number);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::INVARIANTS;
    use std::collections::BTreeSet;

    #[test]
    fn every_number_has_its_law() {
        let numbers: Vec<u8> = all().iter().map(|law| law.number).collect();
        assert_eq!(numbers, (1..=68).collect::<Vec<u8>>());
        let ours = all().into_iter().map(|law| law.name);
        let names: Vec<&str> = ours.chain(INVARIANTS.iter().map(|law| law.name)).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "each has a name of its own");
        assert!(names.len() >= 100, "{} laws", names.len());
        assert!(all().iter().all(|law| law.sentence.ends_with('.') && !law.source.is_empty()));
    }
}
