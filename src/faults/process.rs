//! Faults of the programs in containers, and of starting them.

use crate::api::{Amount, Name, Text};
use crate::components::runtime::Glob;
use crate::engine::{Distribution, SimDuration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Only where the environment says this, as a ConfigMap may have it.
    pub env: BTreeMap<String, String>,
    /// How long after their start.
    pub after: Distribution,
    /// What they return.
    pub code: i32,
}

impl Default for CrashLoop {
    fn default() -> Self {
        Self { images: Glob::any(), env: BTreeMap::new(), after: SimDuration::from_secs(1).into(), code: 1 }
    }
}

/// Processes that end when the clock of their machine shows a time: a licence that runs out, a token that is not yet
/// valid. Which time it is depends on `ClockSkew`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClockFailure {
    /// From when on, counted from the start by the clock of their machine.
    pub from: SimDuration,
    /// Until when; for ever if nothing is said.
    pub until: Option<SimDuration>,
    /// What they return.
    pub code: i32,
}

impl Default for ClockFailure {
    fn default() -> Self {
        Self { from: SimDuration::ZERO, until: None, code: 1 }
    }
}

impl ClockFailure {
    /// How long a process goes on whose machine's clock shows so many nanoseconds since the start; for ever if absent.
    pub fn ends_after(&self, shown: i64) -> Option<SimDuration> {
        let nanos = |span: SimDuration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        let early = nanos(self.from).saturating_sub(shown);
        let over = self.until.is_some_and(|until| shown >= nanos(until));
        (!over).then(|| SimDuration::from_nanos(u64::try_from(early).unwrap_or(0)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_ends_when_its_clock_says_so() {
        let failure = |until: Option<u64>| ClockFailure {
            from: SimDuration::from_secs(60),
            until: until.map(SimDuration::from_secs),
            code: 1,
        };
        // (the clock shows, until, it ends after), in seconds.
        let cases = [
            (0, None, Some(60)),
            (-30, None, Some(90)),
            (60, None, Some(0)),
            (99, Some(100), Some(0)),
            (100, Some(100), None),
        ];
        for (shown, until, ends) in cases {
            let found = failure(until).ends_after(shown * 1_000_000_000);
            assert_eq!(found, ends.map(SimDuration::from_secs), "{shown} {until:?}");
        }
    }
}
