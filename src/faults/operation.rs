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
    pub container: Placed<String>,
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

/// An object that is deleted by mistake: a ConfigMap, a Secret, a Service, a workload; healed, it is created again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectLoss {
    /// Which: `configmap/settings`.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// A ConfigMap in which somebody writes something else; healed, it says what it said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigChange {
    /// Which: `configmap/settings`.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The key.
    pub key: String,
    /// What it says then; the key is gone if nothing is said.
    #[serde(default)]
    pub value: Option<String>,
}

/// A workload that is restarted for no reason: `kubectl rollout restart`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutRestart {
    /// The Deployment, StatefulSet or DaemonSet: `deployment/web`.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// A namespace whose label asks for more than its pods offer (`pod-security.kubernetes.io/enforce`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PodSecurity {
    /// The namespace; `default` if nothing is said.
    pub namespace: Option<String>,
    /// The Pod Security Standard.
    pub enforce: SecurityLevel,
}

/// A Pod Security Standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum SecurityLevel {
    /// What is known to raise privileges is refused.
    Baseline,
    /// What does not give up all that it can is refused, too.
    #[default]
    Restricted,
}

/// A namespace whose containers may have less than they ask for: a LimitRange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StrictLimits {
    /// The namespace; `default` if nothing is said.
    pub namespace: Option<String>,
    /// How much memory a container may have at most.
    pub memory: Amount,
}

impl Default for StrictLimits {
    fn default() -> Self {
        Self { namespace: None, memory: Amount::parse("1Mi").expect("a quantity") }
    }
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

/// An object with an owner that was never there: the garbage collector deletes it; healed, it is created again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrongOwner {
    /// Which: `deployment/web`.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
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
