//! How it is joined: the cluster of all components, the queue between them, and the loop.

mod act;
mod boot;
mod cluster;
mod network;
mod parallel;
mod rollout;
mod run;

pub use cluster::Cluster;
pub use parallel::{parallel, parallel_on};
pub use run::{Run, Trace};
