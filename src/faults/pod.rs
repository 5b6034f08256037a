//! Faults around pods: what probes and hooks meet, sandboxes, the pod network, DNS and volumes.

use crate::api::Text;
use crate::components::runtime::{ExecResult, Glob, ListenAnswer};
use crate::engine::{Distribution, SimDuration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Listeners that answer otherwise: refused, never, with an error; all together where they share what is missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerFailure {
    /// Only at this port.
    pub port: Option<u16>,
    /// Only for requests of this path.
    pub path: Option<String>,
    /// What they do.
    pub answer: ListenAnswer,
    /// Per cent of the requests; all if nothing is said.
    pub percent: Option<u8>,
}

impl Default for ListenerFailure {
    fn default() -> Self {
        let answer = ListenAnswer::Status { code: 503, body: Text::default(), location: Text::default() };
        Self { port: None, path: None, answer, percent: None }
    }
}

/// Listeners that take longer to answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerDelay {
    /// How much longer.
    pub by: Distribution,
}

/// Commands in containers, of probes and hooks, that come to something else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExecFailure {
    /// Only command lines like this.
    pub command: Glob,
    /// What they come to.
    pub result: ExecResult,
    /// Per cent of them; all if nothing is said.
    pub percent: Option<u8>,
}

impl Default for ExecFailure {
    fn default() -> Self {
        Self { command: Glob::any(), result: ExecResult::Failure, percent: None }
    }
}

/// Sandboxes that cannot be made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxFailure {
    /// Per cent of them; all if nothing is said.
    pub percent: Option<u8>,
    /// What the runtime says; that no address is left if nothing is said.
    pub error: Text,
}

/// Sandboxes that take longer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxDelay {
    /// How much longer to make.
    pub by: Distribution,
    /// How much longer to take down.
    pub teardown: Distribution,
}

/// Volumes that cannot be mounted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MountFailure {
    /// The volumes, by their names in the pod.
    pub volumes: Glob,
    /// What the kubelet says.
    pub error: Text,
}

impl Default for MountFailure {
    fn default() -> Self {
        Self { volumes: Glob::any(), error: "rpc error: code = Internal desc = mount failed: exit status 32".into() }
    }
}

/// Volumes that take longer to mount.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MountDelay {
    /// The volumes, by their names in the pod.
    pub volumes: Glob,
    /// How much longer.
    pub by: Distribution,
}

/// Volumes that take no more writes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReadOnlyVolume {
    /// The volumes, by their names in the pod.
    pub volumes: Glob,
}

/// Names that lead elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DnsWrong {
    /// Where to.
    pub address: Ipv4Addr,
}

impl Default for DnsWrong {
    /// An address of TEST-NET-1 (RFC 5737), at which nobody is.
    fn default() -> Self {
        Self { address: Ipv4Addr::new(192, 0, 2, 1) }
    }
}

/// Answers of DNS that are kept where somebody asked, and told again while they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StaleNames {
    /// How long each answer is kept.
    pub ttl: SimDuration,
}

impl Default for StaleNames {
    /// What CoreDNS tells of the names of Services (`ttl 30` of its `kubernetes` plug-in).
    fn default() -> Self {
        Self { ttl: SimDuration::from_secs(30) }
    }
}

/// Drivers of volumes that take longer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DriverDelay {
    /// How much longer.
    pub by: SimDuration,
}

/// Drivers of volumes that fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DriverFailure {
    /// What they say.
    pub error: Text,
}

impl Default for DriverFailure {
    fn default() -> Self {
        Self { error: "rpc error: code = Internal desc = the storage backend does not answer".into() }
    }
}
