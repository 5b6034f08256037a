//! What it means: tables, pictures and pages made from a trace or from objects, without knowing how the run was made.

mod artifacts;
mod axis;
pub mod curve;
pub mod decision;
mod events;
pub mod fidelity;
pub mod kubectl;
pub mod measure;
pub mod outcome;
mod page;
mod palette;
mod perfetto;
mod pods;
pub mod statistics;
pub mod story;
mod summary;
mod svg;
pub mod sweep;
mod timeline;
pub mod why;

pub use artifacts::{Artifact, Check, Input, RunFacts, artifacts};

use crate::trace::TraceRecord;

/// One row per pod.
pub fn pods_csv(record: &TraceRecord) -> Vec<u8> {
    pods::csv(&story::Story::of(record))
}

/// The Kubernetes Event objects, a JSON line each.
pub fn events(record: &TraceRecord) -> Vec<u8> {
    events::json_lines(record)
}

/// The run for ui.perfetto.dev.
pub fn perfetto(record: &TraceRecord) -> Vec<u8> {
    perfetto::json(record, &story::Story::of(record))
}

/// The picture of the run, under a title.
pub fn timeline(record: &TraceRecord, title: &str) -> Vec<u8> {
    let head = timeline::Head { title, ..timeline::Head::default() };
    timeline::svg(&story::Story::of(record), &head).into_bytes()
}
