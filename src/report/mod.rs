//! What it means: tables, pictures and pages made from a trace or from objects, without knowing how the run was made.

mod artifacts;
mod events;
pub mod kubectl;
pub mod outcome;
mod pods;
pub mod story;
mod summary;

pub use artifacts::{Artifact, Check, Input, RunFacts, artifacts};
