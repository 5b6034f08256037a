//! What people do wrong, and what undoes it.

use crate::api::Amount;
use crate::engine::SimDuration;
use crate::scenario::Placed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pods that somebody deletes, as chaos tools and buggy controllers do.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PodKill {
    /// `--grace-period`; each pod's own if nothing is said.
    pub grace: Option<SimDuration>,
    /// `--force`: gone from the API at once.
    pub force: bool,
}

/// An image that does not do; healed, the rollout is undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BadImage {
    /// The Deployment, StatefulSet or DaemonSet: `deployment/web`.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The container.
    pub container: String,
    /// The image.
    pub image: String,
}

/// A wrong number of replicas; healed, it is what it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaleTo {
    /// The workload: `deployment/web`.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// How many.
    pub replicas: u32,
}

/// An object that is deleted by mistake: a ConfigMap, a Secret, a Service; healed, it is created again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectLoss {
    /// Which: `configmap/settings`.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// A namespace in which no further pod is allowed: a ResourceQuota that is used up.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaExhausted {
    /// The namespace; `default` if nothing is said.
    pub namespace: Option<String>,
}

/// A namespace that is deleted by mistake; healed, it is created again with what people had put into it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamespaceLoss {
    /// Which.
    pub namespace: String,
}

/// A CronJob whose Jobs never end, begun each minute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CronJobBomb {
    /// Its namespace; `default` if nothing is said.
    pub namespace: Option<String>,
    /// How many pods each Job has.
    pub pods: u32,
    /// CPU that each requests.
    pub cpu: Amount,
}

impl Default for CronJobBomb {
    fn default() -> Self {
        Self { namespace: None, pods: 3, cpu: Amount::parse("100m").expect("a quantity") }
    }
}

/// Pods that get another label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelChange {
    /// Its key.
    pub label: String,
    /// What it says then.
    pub value: String,
}

/// A budget that allows no disruption.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StrictBudget {
    /// Its namespace; `default` if nothing is said.
    pub namespace: Option<String>,
}
