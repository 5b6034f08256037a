//! What people should know about a scenario that is not wrong.

use super::error::Place;
use crate::api::Name;
use std::collections::BTreeSet;

/// What was noticed while a scenario was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Namespaces that manifests name and nobody creates: they are made first.
    pub namespaces: BTreeSet<Name>,
    /// Fields and kinds that are accepted and change nothing, each once.
    pub no_effect: BTreeSet<String>,
    /// Objects that a server would refuse, and its words.
    pub refused: Vec<Refusal>,
}

/// An object that the server refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Where it is written, if it was refused before the run.
    pub place: Option<Place>,
    /// The object: `Kind/namespace/name`.
    pub object: String,
    /// The server's words.
    pub message: String,
}
