//! Commands of kubectl that make something of something else, or reach into containers.

use super::Which;
use crate::scenario::outline::Placed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `kubectl run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The pod's name.
    pub name: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// `--image`.
    pub image: String,
    /// `--command --`; the image's if nothing is said.
    #[serde(default)]
    pub command: Vec<String>,
    /// What follows `--` without `--command`.
    #[serde(default)]
    pub args: Vec<String>,
    /// `--env`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// `--labels`; `run=NAME` if nothing is said.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `--port`.
    #[serde(default)]
    pub port: Option<u16>,
    /// `--restart`.
    #[serde(default)]
    pub restart: Restart,
}

/// What happens to containers that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr)]
pub enum Restart {
    /// They are started again.
    #[default]
    Always,
    /// Those that failed are.
    OnFailure,
    /// None is.
    Never,
}

/// `kubectl expose`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expose {
    /// Which pod, Service, Deployment, ReplicaSet or ReplicationController.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// `--name` of the Service; the object's if nothing is said.
    #[serde(default)]
    pub name: Option<String>,
    /// `--port`; those of the containers if nothing is said.
    #[serde(default)]
    pub port: Option<u16>,
    /// `--target-port`: a number or a name; the port if nothing is said.
    #[serde(default)]
    pub target_port: Option<String>,
    /// `--type`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// `--protocol`; `TCP` if nothing is said.
    #[serde(default)]
    pub protocol: Option<String>,
}

/// `kubectl rollout undo`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// Which, such as `deployment/web`.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// `--to-revision`; the one before if nothing is said.
    #[serde(default)]
    pub to_revision: u32,
}

/// `kubectl patch` with finalizers taken away: what people do when an object does not go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveFinalizers {
    /// Which; the name may be a pattern.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// `kubectl exec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// The pod; may be a pattern.
    pub pod: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// `--container`; the pod's default or first one if nothing is said.
    #[serde(default)]
    pub container: Option<String>,
    /// The command and its arguments.
    #[serde(default)]
    pub command: Vec<String>,
    /// Or a line for `sh -c`.
    #[serde(default)]
    pub shell: Option<String>,
    /// Which of several that match.
    #[serde(default)]
    pub pick: Which,
}

/// `kubectl cp` of one file into a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// The pod; may be a pattern.
    pub pod: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// `--container`; the pod's default or first one if nothing is said.
    #[serde(default)]
    pub container: Option<String>,
    /// Where the file is put.
    pub to: String,
    /// What is in it.
    pub content: String,
    /// Which of several that match.
    #[serde(default)]
    pub pick: Which,
}
