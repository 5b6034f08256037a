//! DaemonSets.

use super::{IntOrPercent, PodTemplate};
use crate::api::{Condition, Metadata, Name, Selector, Text, names};
use serde::Serialize;
use std::sync::Arc;

/// `apps/v1.DaemonSet`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DaemonSet {
    /// Names and versions.
    pub meta: Metadata,
    /// What is wanted.
    pub spec: DaemonSetSpec,
    /// What there is.
    pub status: DaemonSetStatus,
}

names! {
    /// On DaemonSets: which of their templates the present one is, counted from one.
    TEMPLATE_GENERATION = "deprecated.daemonset.template.generation";
}

impl DaemonSet {
    /// Which of its templates the present one is, as its annotation says (`GetTemplateGeneration`).
    pub fn template_generation(&self) -> Option<i64> {
        self.meta.annotations.get(*TEMPLATE_GENERATION)?.parse().ok()
    }

    /// Counts its template as one more than that of the version before, if it is another; a new one's as the first,
    /// if it does not say (`pkg/registry/apps/daemonset/strategy.go`).
    #[must_use]
    pub fn counting_templates(mut self, before: Option<&Self>) -> Self {
        let generation = match before {
            None => self.template_generation().unwrap_or_default().max(1),
            Some(before) => {
                let other = before.spec.template != self.spec.template;
                before.template_generation().unwrap_or_default() + i64::from(other)
            }
        };
        let text = Name::new(&generation.to_string());
        self.meta.annotations = self.meta.annotations.with(*TEMPLATE_GENERATION, text);
        self
    }
}

/// `apps/v1.DaemonSetSpec`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DaemonSetSpec {
    /// Which pods are its own.
    pub selector: Selector,
    /// What they are made from.
    pub template: Arc<PodTemplate>,
    /// How one template replaces another.
    pub update_strategy: DaemonSetUpdateStrategy,
    /// Seconds that a pod must be ready before it is available.
    pub min_ready_seconds: i32,
    /// How many old revisions are kept.
    pub revision_history_limit: i32,
    /// The spec as accepted, as JSON text.
    pub source: Text,
}

/// `apps/v1.DaemonSetUpdateStrategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DaemonSetUpdateStrategy {
    /// Only pods that somebody deletes come back with the new template.
    OnDelete,
    /// Node by node.
    RollingUpdate {
        /// How many nodes may have a second pod during the update.
        max_surge: IntOrPercent,
        /// How many nodes may be without an available pod.
        max_unavailable: IntOrPercent,
    },
}

/// `apps/v1.DaemonSetStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DaemonSetStatus {
    /// Nodes that have a pod and should.
    pub current_number_scheduled: i32,
    /// Nodes that have a pod and should not.
    pub number_misscheduled: i32,
    /// Nodes that should have a pod.
    pub desired_number_scheduled: i32,
    /// Those whose pod is ready.
    pub number_ready: i32,
    /// Those whose pod is available.
    pub number_available: i32,
    /// Those whose pod is not.
    pub number_unavailable: i32,
    /// Those whose pod has the newest template.
    pub updated_number_scheduled: i32,
    /// The generation that this status is about.
    pub observed_generation: i64,
    /// How often the hash of a template collided.
    pub collision_count: Option<i32>,
    /// Unused by the controller; kept for others.
    pub conditions: Vec<Condition>,
}
