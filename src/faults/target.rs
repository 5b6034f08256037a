//! What a fault strikes: nodes or pods, by name, label, node and zone; all of them, so many, or a share.

use crate::components::runtime::Glob;
use crate::scenario::Placed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a fault strikes. What is not said does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Targets", default, deny_unknown_fields)]
pub struct Targets {
    /// Nodes by name; of pods, the nodes that they are on.
    pub nodes: Option<Placed<String>>,
    /// Nodes of this zone; of pods, those on such nodes.
    pub zone: Option<Placed<String>>,
    /// Pods by name.
    pub pods: Option<Placed<String>>,
    /// Pods of this namespace; of any if nothing is said.
    pub namespace: Option<Placed<String>>,
    /// Of pods, only these containers.
    pub containers: Option<Glob>,
    /// Labels that nodes, or pods, have.
    pub labels: BTreeMap<String, String>,
    /// So many of them, drawn anew each time.
    pub count: Option<Placed<u32>>,
    /// So many per cent of them, drawn anew each time.
    pub share: Option<Placed<u8>>,
}
