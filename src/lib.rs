//! A deterministic discrete-event simulator of the Kubernetes pod lifecycle.
//!
//! A scenario fills a cluster; components, each a pure state machine, exchange timed messages through one queue; the
//! trace records it; a report reads the trace.
//!
//! ```
//! use podsim::engine::{SimDuration, SimTime};
//! use podsim::{Scenario, Simulation};
//! use std::collections::BTreeMap;
//!
//! let files = BTreeMap::from([
//!     (
//!         "pod.yaml",
//!         "{apiVersion: v1, kind: Pod, metadata: {name: worker}, spec: {containers: [{name: app, image: work:1}]}}",
//!     ),
//!     ("crash.ron", r#"(
//!         manifests: [File("pod.yaml")],
//!         behaviors: [(pods: "worker", containers: [(name: "app", process: (duration: "2s", exit: (code: 1)))])],
//!         expect: ["eventually container(worker/app).reason == CrashLoopBackOff within 1m"],
//!     )"#),
//! ]);
//! let scenario = Scenario::load("crash.ron", &files)?;
//! let mut simulation = scenario.simulate(42);
//!
//! // Step by step, with a look at the cluster in between.
//! let restarted = |simulation: &Simulation| simulation.pod("default", "worker").is_some_and(|pod| pod.restarts() > 1);
//! while !restarted(&simulation) {
//!     simulation.step().expect("a cluster always has something to do");
//! }
//! assert!(simulation.now() > SimTime::from_secs(12)); // The first restart is immediate, the second waits ten seconds.
//!
//! // A clone is a fork: left alone, it ends like its parent.
//! let mut fork = simulation.clone();
//! simulation.run();
//! fork.run();
//! assert_eq!(simulation.digest(), fork.digest());
//! assert!(simulation.verdicts().iter().all(|verdict| verdict.met));
//! # Ok::<(), podsim::scenario::Problems>(())
//! ```
//!
//! Property tests need only this crate and `proptest`: [`testing`] has the laws that hold in every cluster, and
//! strategies for the scenarios to try them on.

pub mod scenario;

pub mod faults;

pub mod api;

pub mod components;

pub mod engine;

#[cfg(any(test, feature = "planted"))]
#[doc(hidden)]
pub mod planted;

#[cfg(not(any(test, feature = "planted")))]
mod planted;

pub mod simulation;

pub mod trace;

pub mod conformance;

pub mod report;

pub mod testing;

pub use scenario::Scenario;
pub use simulation::Simulation;
