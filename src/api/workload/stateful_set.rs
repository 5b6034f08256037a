//! StatefulSets, and the revisions that they and DaemonSets keep.

use super::{IntOrPercent, PodTemplate};
use crate::api::{Condition, Metadata, Name, Selector, Text};
use serde::Serialize;
use std::sync::Arc;

/// `apps/v1.StatefulSet`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatefulSet {
    /// Names and versions.
    pub meta: Metadata,
    /// What is wanted.
    pub spec: StatefulSetSpec,
    /// What there is.
    pub status: StatefulSetStatus,
}

/// `apps/v1.StatefulSetSpec`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatefulSetSpec {
    /// How many pods.
    pub replicas: i32,
    /// The ordinal of the first.
    pub first_ordinal: i32,
    /// Which pods are its own.
    pub selector: Selector,
    /// What they are made from.
    pub template: Arc<PodTemplate>,
    /// The Service that names them.
    pub service_name: Name,
    /// Whether all pods are handled at once rather than in order.
    pub parallel: bool,
    /// How one template replaces another.
    pub update_strategy: StatefulSetUpdateStrategy,
    /// How many old revisions are kept.
    pub revision_history_limit: i32,
    /// Seconds that a pod must be ready before it is available.
    pub min_ready_seconds: i32,
    /// Claims that each pod gets, by name and manifest.
    pub volume_claim_templates: Vec<ClaimTemplate>,
    /// Whether claims go with the set.
    pub delete_claims_with_set: bool,
    /// Whether claims go with a pod that is scaled away.
    pub delete_claims_on_scale_down: bool,
    /// The spec as accepted, as JSON text.
    pub source: Text,
}

/// A claim that each pod of a set gets for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClaimTemplate {
    /// The name of the volume; claims are named `<name>-<pod>`.
    pub name: Name,
    /// The claim's manifest, as JSON text.
    pub manifest: Text,
}

/// `apps/v1.StatefulSetUpdateStrategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum StatefulSetUpdateStrategy {
    /// Only pods that somebody deletes come back with the new template.
    OnDelete,
    /// From the highest ordinal down.
    RollingUpdate {
        /// Ordinals below it keep the old template.
        partition: i32,
        /// How many may be away at once (gate `MaxUnavailableStatefulSet`, off).
        max_unavailable: Option<IntOrPercent>,
    },
}

/// `apps/v1.StatefulSetStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct StatefulSetStatus {
    /// The generation that this status is about.
    pub observed_generation: i64,
    /// Pods that exist.
    pub replicas: i32,
    /// Those that are ready.
    pub ready_replicas: i32,
    /// Those that are available.
    pub available_replicas: i32,
    /// Those of the revision that rolled out last.
    pub current_replicas: i32,
    /// Those of the newest revision.
    pub updated_replicas: i32,
    /// The revision that rolled out last.
    pub current_revision: Name,
    /// The newest revision.
    pub update_revision: Name,
    /// How often the hash of a template collided.
    pub collision_count: Option<i32>,
    /// Unused by the controller; kept for others.
    pub conditions: Vec<Condition>,
}

/// `apps/v1.ControllerRevision`: one template in the history of a StatefulSet or DaemonSet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ControllerRevision {
    /// Names and versions.
    pub meta: Metadata,
    /// Its place in the history.
    pub revision: i64,
    /// The template that it records.
    pub template: Arc<PodTemplate>,
    /// The record as JSON text.
    pub source: Text,
}
