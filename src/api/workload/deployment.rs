//! Deployments.

use super::{IntOrPercent, PodTemplate};
use crate::api::{Condition, Metadata, Selector, Text};
use serde::Serialize;
use std::sync::Arc;

/// `apps/v1.Deployment`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deployment {
    /// Names and versions.
    pub meta: Metadata,
    /// What is wanted.
    pub spec: DeploymentSpec,
    /// What there is.
    pub status: DeploymentStatus,
}

/// `apps/v1.DeploymentSpec`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeploymentSpec {
    /// How many pods.
    pub replicas: i32,
    /// Which pods are its own.
    pub selector: Selector,
    /// What they are made from.
    pub template: Arc<PodTemplate>,
    /// How one template replaces another.
    pub strategy: DeploymentStrategy,
    /// Seconds that a pod must be ready before it is available.
    pub min_ready_seconds: i32,
    /// How many old ReplicaSets are kept.
    pub revision_history_limit: i32,
    /// Seconds without progress after which the rollout has failed.
    pub progress_deadline_seconds: i32,
    /// Whether rollouts wait.
    pub paused: bool,
    /// The spec as accepted, as JSON text.
    pub source: Text,
}

/// `apps/v1.DeploymentStrategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DeploymentStrategy {
    /// All old pods go before the first new one comes.
    Recreate,
    /// Step by step.
    RollingUpdate {
        /// How many pods more than wanted there may be.
        max_surge: IntOrPercent,
        /// How many pods fewer than wanted may be available.
        max_unavailable: IntOrPercent,
    },
}

/// `apps/v1.DeploymentStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DeploymentStatus {
    /// The generation that this status is about.
    pub observed_generation: i64,
    /// Pods that are neither finished nor terminating.
    pub replicas: i32,
    /// Those of the newest template.
    pub updated_replicas: i32,
    /// Those that are ready.
    pub ready_replicas: i32,
    /// Those that are available.
    pub available_replicas: i32,
    /// How many are missing to what the ReplicaSets want.
    pub unavailable_replicas: i32,
    /// Pods that are terminating.
    pub terminating_replicas: Option<i32>,
    /// How often the hash of a template collided.
    pub collision_count: Option<i32>,
    /// `Available`, `Progressing`, `ReplicaFailure`.
    pub conditions: Vec<Condition>,
}
