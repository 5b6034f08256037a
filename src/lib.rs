//! A deterministic discrete-event simulator of the Kubernetes pod lifecycle.
//!
//! A scenario fills a cluster; components, each a pure state machine, exchange timed messages through one queue; the
//! trace records it; a report reads the trace.

pub mod scenario;

pub mod api;

pub mod components;

pub mod engine;

pub mod simulation;

pub mod trace;

pub mod conformance;

pub mod report;

pub mod testing;
