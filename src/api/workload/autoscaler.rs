//! Autoscalers, of the number of pods.

use crate::api::{Condition, Metadata, Name, Selector, Text, Timestamp};
use serde::Serialize;
use std::sync::Arc;

/// `autoscaling/v2.HorizontalPodAutoscaler`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HorizontalPodAutoscaler {
    /// Names and versions.
    pub meta: Metadata,
    /// What is wanted.
    pub spec: Arc<HorizontalPodAutoscalerSpec>,
    /// What there is.
    pub status: HorizontalPodAutoscalerStatus,
}

/// `autoscaling/v2.HorizontalPodAutoscalerSpec`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HorizontalPodAutoscalerSpec {
    /// The group and version of what is scaled.
    pub target_api_version: Name,
    /// Its kind.
    pub target_kind: Name,
    /// Its name.
    pub target_name: Name,
    /// No fewer pods.
    pub min_replicas: i32,
    /// No more pods.
    pub max_replicas: i32,
    /// What the number of pods follows.
    pub metrics: Vec<MetricSpec>,
    /// How fast it follows.
    pub behavior: Option<ScalingBehavior>,
    /// The spec as accepted, as JSON text.
    pub source: Text,
}

/// `autoscaling/v2.MetricSpec`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricSpec {
    /// What is measured.
    pub source: MetricSource,
    /// What it is to be.
    pub target: MetricTarget,
}

/// What an autoscaler measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum MetricSource {
    /// What pods use of a resource.
    Resource(Name),
    /// What one container of each pod uses of a resource.
    ContainerResource {
        /// The resource.
        resource: Name,
        /// The container.
        container: Name,
    },
    /// A metric of the pods.
    Pods(MetricIdentifier),
    /// A metric of some object.
    Object {
        /// The metric.
        metric: MetricIdentifier,
        /// The object.
        object: DescribedObject,
    },
    /// A metric from outside of the cluster.
    External(MetricIdentifier),
}

/// `autoscaling/v2.MetricIdentifier`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetricIdentifier {
    /// Its name.
    pub name: Name,
    /// What its labels must be.
    pub selector: Selector,
    /// The same, as the controller prints it.
    pub said: Text,
}

/// `autoscaling/v2.CrossVersionObjectReference`, of an object that a metric describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DescribedObject {
    /// The group and version.
    pub api_version: Name,
    /// The kind.
    pub kind: Name,
    /// The name.
    pub name: Name,
}

/// `autoscaling/v2.MetricTarget`; quantities in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MetricTarget {
    /// Hundredths of what the pods request.
    Utilization(i32),
    /// For each pod.
    AverageValue(i64),
    /// As it is measured.
    Value(i64),
    /// Nothing that makes sense for the source.
    Unset,
}

/// `autoscaling/v2.HorizontalPodAutoscalerBehavior`, defaulted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScalingBehavior {
    /// Towards more pods.
    pub up: ScalingRules,
    /// Towards fewer pods.
    pub down: ScalingRules,
}

/// `autoscaling/v2.HPAScalingRules`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScalingRules {
    /// Seconds over which earlier recommendations count; the controller's own if absent.
    pub stabilization_window: Option<i32>,
    /// Which policy counts.
    pub select: SelectPolicy,
    /// How fast.
    pub policies: Vec<ScalingPolicy>,
    /// Thousandths by which a target may be missed; the controller's own if absent.
    pub tolerance: Option<i64>,
}

/// `autoscaling/v2.ScalingPolicySelect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum SelectPolicy {
    /// The one that allows the most change.
    Max,
    /// The one that allows the least change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// `autoscaling/v2.HPAScalingPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ScalingPolicy {
    /// Whether `value` is a percentage of the pods, rather than a number of pods.
    pub percent: bool,
    /// How much change.
    pub value: i32,
    /// In how many seconds.
    pub period: i32,
}

/// `autoscaling/v2.HorizontalPodAutoscalerStatus`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct HorizontalPodAutoscalerStatus {
    /// When the number of pods was last changed.
    pub last_scale_time: Option<Timestamp>,
    /// How many pods there were.
    pub current_replicas: i32,
    /// How many there are to be.
    pub desired_replicas: i32,
    /// What was measured; nothing where measuring failed.
    pub current_metrics: Vec<Option<MetricStatus>>,
    /// `AbleToScale`, `ScalingActive`, `ScalingLimited`.
    pub conditions: Vec<Condition>,
}

/// `autoscaling/v2.MetricStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetricStatus {
    /// What was measured.
    pub source: MetricSource,
    /// Hundredths of what the pods request.
    pub average_utilization: Option<i32>,
    /// Thousandths, for each pod.
    pub average_value: Option<i64>,
    /// Thousandths, of all together.
    pub value: Option<i64>,
}
