//! What it means: tables, pictures and pages made from a trace or from objects, without knowing how the run was made.

mod artifacts;
mod axis;
pub mod decision;
mod events;
pub mod kubectl;
pub mod outcome;
mod palette;
mod pods;
pub mod story;
mod summary;
mod svg;
mod timeline;

pub use artifacts::{Artifact, Check, Input, RunFacts, artifacts};
