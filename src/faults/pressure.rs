//! Nodes that run short of something, whatever their pods do.

use crate::api::Amount;
use crate::engine::SimDuration;
use crate::scenario::Placed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A node that runs short: so much is left of what is named.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NodePressure {
    /// Bytes of memory.
    pub memory: Option<Amount>,
    /// Bytes of the node's file system.
    pub nodefs: Option<Amount>,
    /// Bytes of the images' file system, where they have one.
    pub imagefs: Option<Amount>,
    /// Free inodes of the node's file system.
    pub inodes: Option<i64>,
    /// Processes that others than pods have.
    pub pids: Option<i64>,
}

/// Machines that run out of memory at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NodeOutOfMemory {
    /// How many containers the kernel kills.
    pub victims: u32,
}

impl Default for NodeOutOfMemory {
    fn default() -> Self {
        Self { victims: 1 }
    }
}

/// Machines whose CPU others get, as the hypervisor under them has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuSteal {
    /// Per cent of it that others get: at most 99.
    pub percent: Placed<u8>,
}

/// Kubelets whose eviction managers need longer for a look at what is left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvictionDelay {
    /// How much longer.
    pub by: SimDuration,
}
