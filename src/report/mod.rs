//! What it means: tables, pictures and pages made from a trace or from objects, without knowing how the run was made.

mod artifacts;
mod axis;
mod chart;
pub mod curve;
pub mod decision;
mod events;
pub mod fidelity;
mod figures;
pub mod kubectl;
pub mod measure;
pub mod outcome;
mod page;
mod palette;
mod perfetto;
pub mod plan;
mod pods;
pub mod raster;
pub mod statistics;
pub mod story;
mod summary;
mod svg;
pub mod sweep;
mod timeline;
pub mod why;

pub use artifacts::{Artifact, Check, Input, PICTURES, RunFacts, artifacts};

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

/// The figures of the run that it has something to show in: a file's name, and the SVG.
pub fn figures(record: &TraceRecord) -> Vec<(&'static str, String)> {
    figures::figures(record, &story::Story::of(record))
}

/// The picture of the run, under a title.
pub fn timeline(record: &TraceRecord, title: &str) -> Vec<u8> {
    let head = timeline::Head { title, ..timeline::Head::default() };
    timeline::svg(&story::Story::of(record), &head).into_bytes()
}
