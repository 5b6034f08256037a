//! Faults of the programs in containers, and of starting them.

use crate::api::{Amount, Name, Text};
use crate::components::runtime::Glob;
use crate::engine::{Distribution, SimDuration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Processes that end, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessExit {
    /// What they return.
    pub code: i32,
    /// The runtime's word for it; by default `Completed` or `Error`.
    pub reason: Name,
    /// The termination message.
    pub message: Text,
}

impl Default for ProcessExit {
    fn default() -> Self {
        Self { code: 1, reason: Name::default(), message: Text::default() }
    }
}

/// Processes that end whenever they are started, until it is over; perhaps only those of a bad version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CrashLoop {
    /// Only of these images.
    pub images: Glob,
    /// How long after their start.
    pub after: Distribution,
    /// What they return.
    pub code: i32,
}

impl Default for CrashLoop {
    fn default() -> Self {
        Self { images: Glob::any(), after: SimDuration::from_secs(1).into(), code: 1 }
    }
}

/// Processes that take longer to stop.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SlowStop {
    /// How much longer.
    pub by: Distribution,
}

/// Processes that use ever more memory; the kernel kills them at their limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryLeak {
    /// How much more each minute.
    pub per_minute: Amount,
}

/// Processes that use more memory at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryStep {
    /// How much more.
    pub by: Amount,
}

/// Processes that write too much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiskFill {
    /// Where to.
    #[serde(default)]
    pub into: Written,
    /// How much each minute.
    pub per_minute: Amount,
}

/// What processes write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Written {
    /// Their logs.
    #[default]
    Logs,
    /// The writable layer of their container.
    Layer,
    /// An `emptyDir` of their pod, by its name.
    EmptyDir(Name),
}

/// Containers that cannot be started: a wrong binary.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StartFailure {
    /// What the runtime says; its usual words if nothing is said.
    pub error: Text,
    /// Only of these images.
    pub images: Glob,
}

/// Containers that cannot be created.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CreateFailure {
    /// What the runtime says; its usual words if nothing is said.
    pub error: Text,
}

/// Processes that stop again and again for garbage collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GcPause {
    /// How long each time.
    pub pause: SimDuration,
    /// From one to the next; each process in its own rhythm.
    pub every: SimDuration,
}

impl Default for GcPause {
    fn default() -> Self {
        Self { pause: SimDuration::from_secs(2), every: SimDuration::from_secs(30) }
    }
}

/// Processes that open files and do not close them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DescriptorLeak {
    /// How many more each minute.
    pub per_minute: u32,
    /// How many a process may have (`ulimit -n`).
    pub limit: u32,
}

impl Default for DescriptorLeak {
    fn default() -> Self {
        Self { per_minute: 600, limit: 1_024 }
    }
}

/// Processes that stop for good once they have served so many requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Deadlock {
    /// How many, since they were started.
    pub requests: u32,
}

impl Default for Deadlock {
    fn default() -> Self {
        Self { requests: 100 }
    }
}

/// Processes that do not wait for their children.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnreapedChildren {
    /// How many more each minute.
    pub per_minute: u32,
}

/// Processes that use more CPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuBurst {
    /// How much more.
    pub by: Amount,
}
