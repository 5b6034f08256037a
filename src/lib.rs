//! A deterministic discrete-event simulator of the Kubernetes pod lifecycle.
pub mod engine;
