//! ReplicaSets and their elders, ReplicationControllers.

use super::PodTemplate;
use crate::api::{Condition, Metadata, Selector, Text};
use serde::Serialize;
use std::sync::Arc;

/// `apps/v1.ReplicaSet`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplicaSet {
    /// Names and versions.
    pub meta: Metadata,
    /// What is wanted.
    pub spec: ReplicaSetSpec,
    /// What there is.
    pub status: ReplicaSetStatus,
}

/// `v1.ReplicationController`; its selector is one of equality.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplicationController {
    /// Names and versions.
    pub meta: Metadata,
    /// What is wanted.
    pub spec: ReplicaSetSpec,
    /// What there is.
    pub status: ReplicaSetStatus,
}

/// `apps/v1.ReplicaSetSpec`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplicaSetSpec {
    /// How many pods.
    pub replicas: i32,
    /// Seconds that a pod must be ready before it is available.
    pub min_ready_seconds: i32,
    /// Which pods are its own.
    pub selector: Selector,
    /// What they are made from.
    pub template: Arc<PodTemplate>,
    /// The spec as accepted, as JSON text.
    pub source: Text,
}

/// `apps/v1.ReplicaSetStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ReplicaSetStatus {
    /// Pods that are neither finished nor terminating.
    pub replicas: i32,
    /// Those of them that have the template's labels.
    pub fully_labeled_replicas: i32,
    /// Those that are ready.
    pub ready_replicas: i32,
    /// Those that are available.
    pub available_replicas: i32,
    /// Pods that are terminating; not counted for ReplicationControllers.
    pub terminating_replicas: Option<i32>,
    /// The generation that this status is about.
    pub observed_generation: i64,
    /// `ReplicaFailure`.
    pub conditions: Vec<Condition>,
}
