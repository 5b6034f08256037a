//! What a cluster has room for: the questions of whoever plans its capacity, answered by placing and by running.
//!
//! Everything starts from a simulation that has settled. *How many more fit* is found by placing pods one by one with
//! the scheduler's own search on the cluster's objects ([`fit`]); *what if a node is lost* by doing the same without it
//! ([`mod@headroom`]), and by doing it to a fork of the simulation ([`disruption`]); *how few nodes do* by running the
//! same manifests on fewer and fewer machines ([`mod@fewest`]). Nothing here is an estimate.
//!
//! Left out: preemption (nobody is pushed out to make room), autoscalers of nodes, and what pods use
//! beyond what they request.

pub mod disruption;
pub mod fewest;
pub mod fit;
pub mod headroom;
pub mod room;
pub mod workload;

pub use disruption::{Disruption, Disturbance, Low, disrupt, pending};
pub use fewest::{Demand, Fewest, NodeType, fewest, instance_type, node_types};
pub use fit::{Fit, Placer, Stop, Unplaced};
pub use headroom::{Headroom, Situation, headroom, situations};
pub use room::{Fill, NodeRoom, fill, rooms};
pub use workload::{Shape, Workload, shapes};

use super::Simulation;
use crate::api::{Object, Pod};
use crate::components::scheduler::SchedulerSetup;
use std::sync::Arc;

/// A cluster at the instant that questions are asked about.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Its objects.
    pub objects: Vec<Object>,
    /// How its scheduler is configured.
    pub setup: Arc<SchedulerSetup>,
    /// What its clocks show, in seconds.
    pub now: i64,
}

impl Ground {
    /// The cluster of a simulation as it is now.
    pub fn of(simulation: &Simulation) -> Self {
        let cluster = simulation.cluster();
        Self {
            objects: simulation.objects().collect(),
            setup: cluster.plan().scheduler.clone(),
            now: cluster.server().clock().at(simulation.now()).truncated().unix_secs(),
        }
    }

    /// Its pods that are neither finished nor on their way out.
    pub fn pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.objects.iter().filter_map(|object| match object {
            Object::Pod(pod) if pod.is_active() => Some(pod),
            _ => None,
        })
    }
}
