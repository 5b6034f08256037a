//! What a namespace allows: limits, quotas, priorities, configuration and identities.

use super::{Condition, Labels, List, Metadata, Name, ResourceList, Text};
use serde::Serialize;
use serde_json::Value;

/// `v1.Namespace`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Namespace {
    /// Names and versions.
    pub meta: Metadata,
    /// Whether it is being emptied.
    pub terminating: bool,
    /// How far that has come.
    pub conditions: Vec<Condition>,
    /// `spec.finalizers`.
    pub finalizers: List<Name>,
}

/// `v1.ConfigMap`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfigMap {
    /// Names and versions.
    pub meta: Metadata,
    /// Keys and contents, in order of the keys.
    pub data: List<(Name, Text)>,
    /// The object as accepted, as JSON text.
    pub source: Text,
}

impl ConfigMap {
    /// Whether it refuses changes, for good.
    pub fn is_immutable(&self) -> bool {
        is_immutable(&self.source)
    }
}

/// `v1.Secret`; contents are kept decoded where they are text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Secret {
    /// Names and versions.
    pub meta: Metadata,
    /// Keys and contents, in order of the keys.
    pub data: List<(Name, Text)>,
    /// The object as accepted, as JSON text.
    pub source: Text,
}

impl Secret {
    /// Whether it refuses changes, for good.
    pub fn is_immutable(&self) -> bool {
        is_immutable(&self.source)
    }
}

/// `v1.ServiceAccount`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceAccount {
    /// Names and versions.
    pub meta: Metadata,
    /// Whether its pods get a token volume.
    pub automount_token: Option<bool>,
    /// Pull secrets of its pods.
    pub image_pull_secrets: List<Name>,
    /// The object as accepted, as JSON text.
    pub source: Text,
}

fn is_immutable(source: &str) -> bool {
    // Few are, so the text is read only where it may say so.
    source.contains("immutable") && serde_json::from_str(source).is_ok_and(|object: Value| object["immutable"] == true)
}

/// `scheduling/v1.PriorityClass`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PriorityClass {
    /// Names and versions.
    pub meta: Metadata,
    /// The priority.
    pub value: i32,
    /// Whether pods without a class get it.
    pub global_default: bool,
    /// Whether its pods push nobody out.
    pub never_preempts: bool,
    /// The object as accepted, as JSON text.
    pub source: Text,
}

/// `node/v1.RuntimeClass`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuntimeClass {
    /// Names and versions.
    pub meta: Metadata,
    /// The runtime's name for it.
    pub handler: Name,
    /// Added to the requests of its pods.
    pub overhead: ResourceList,
    /// Added to the node selector of its pods.
    pub node_selector: Labels,
    /// Added to the tolerations of its pods.
    pub tolerations: Vec<super::Toleration>,
    /// The object as accepted, as JSON text.
    pub source: Text,
}

/// `v1.LimitRange`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LimitRange {
    /// Names and versions.
    pub meta: Metadata,
    /// The limits.
    pub limits: Vec<LimitRangeItem>,
    /// The object as accepted, as JSON text.
    pub source: Text,
}

/// `v1.LimitRangeItem`, defaulted.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LimitRangeItem {
    /// `Container`, `Pod` or `PersistentVolumeClaim`.
    pub kind: Name,
    /// No more than this.
    pub max: ResourceList,
    /// No less than this.
    pub min: ResourceList,
    /// Limits of containers that state none.
    pub default: ResourceList,
    /// Requests of containers that state none.
    pub default_request: ResourceList,
    /// Limit over request, in thousandths.
    pub max_limit_request_ratio: ResourceList,
}

/// `v1.ResourceQuota`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResourceQuota {
    /// Names and versions.
    pub meta: Metadata,
    /// The ceiling of each counted thing.
    pub hard: ResourceList,
    /// Which pods it counts, as `scopes` say.
    pub scopes: List<Name>,
    /// Which pods it counts, by priority class: operator and values.
    pub priority_classes: Option<(super::Operator, List<Name>)>,
    /// What there is.
    pub status: ResourceQuotaStatus,
    /// The spec as accepted, as JSON text.
    pub source: Text,
}

/// `v1.ResourceQuotaStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ResourceQuotaStatus {
    /// The ceilings that `used` was checked against.
    pub hard: ResourceList,
    /// What is charged.
    pub used: ResourceList,
}

/// An object of a kind that has no effect here: stored, named and printed, no more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Other {
    /// Names and versions.
    pub meta: Metadata,
    /// Its group and version.
    pub api_version: Name,
    /// Its kind.
    pub kind: Name,
    /// The object without metadata, as JSON text.
    pub source: Text,
}
