//! A deterministic discrete-event simulator of the Kubernetes pod lifecycle.
pub mod engine;

pub mod scenario;

pub mod api;

pub mod components;

pub mod conformance;

pub mod report;
