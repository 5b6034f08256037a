//! How it is joined: the cluster of all components, the queue between them, and the loop.

mod act;
mod adapter;
mod autoscaler;
mod boot;
pub mod capacity;
mod chronicle;
mod cluster;
mod control_plane_laws;
mod explore;
mod expose;
mod faults;
mod into_container;
mod invariant;
#[cfg(test)]
mod law_tests;
mod leases;
mod live;
mod metrics;
mod network;
mod nodes;
mod observed;
mod own_service;
mod parallel;
mod recovery;
mod rollout;
mod run;
mod shrink;
mod user;
mod workload_laws;

pub use autoscaler::AutoscalerMessage;
pub use chronicle::{HISTORY_LAWS, HistoryLaw};
pub use cluster::Cluster;
pub use explore::{Broken, Finding, examine, explore};
pub use faults::FaultMessage;
pub use invariant::{INVARIANTS, Invariant, Violation, Watchdog};
pub use live::Silent;
pub use observed::Simulation;
pub use parallel::{parallel, parallel_on};
pub use recovery::examine_recovery;
pub use run::{Run, Trace};
pub use shrink::{Smallest, shrink, smallest};
pub use user::{Complaint, UserMessage};
