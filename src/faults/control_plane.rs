//! Faults of the control plane: the wires to the API server, the server itself, and the processes around it.

use crate::api::Amount;
use crate::engine::{Distribution, SimDuration};
use crate::scenario::Placed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who talks to the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Component {
    /// The scheduler.
    Scheduler,
    /// The controller manager.
    ControllerManager,
    /// The kubelets of the fault's nodes.
    Kubelet,
    /// DNS and kube-proxy.
    Proxy,
    /// Whoever uses kubectl.
    User,
}

/// Which way messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// To the API server.
    ToServer,
    /// From the API server.
    FromServer,
}

/// Calls by what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Calls {
    /// Every call.
    #[default]
    All,
    /// Calls that read.
    Reads,
    /// Calls that write.
    Writes,
}

/// Components that cannot reach the API server.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Partition {
    /// Which; all of them if nothing is said.
    pub of: Vec<Component>,
    /// Which way nothing gets through.
    pub direction: Direction,
}

/// Calls and answers that take longer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApiLatency {
    /// Whose; everybody's if nothing is said.
    pub of: Vec<Component>,
    /// Which way.
    pub direction: Direction,
    /// Which calls.
    pub calls: Calls,
    /// How much longer.
    pub by: Distribution,
}

/// Segments that get lost and are sent again: 200 ms later, then twice as much, as TCP does.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PacketLoss {
    /// Whose; everybody's if nothing is said.
    pub of: Vec<Component>,
    /// Per cent.
    pub percent: u8,
}

/// Calls that reach the server twice, as behind a proxy that tries again.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DuplicateCalls {
    /// Whose; everybody's if nothing is said.
    pub of: Vec<Component>,
    /// Per cent.
    pub percent: u8,
}

/// Watches that tell late: a stale cache.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WatchLag {
    /// Whose; everybody's if nothing is said.
    pub of: Vec<Component>,
    /// How late.
    pub by: Distribution,
}

/// Watches that break and cannot be resumed: what happened is seen when everything is listed again (410 Gone).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WatchLoss {
    /// Whose; everybody's if nothing is said.
    pub of: Vec<Component>,
}

/// Calls that the API server refuses.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApiErrors {
    /// Whose; everybody's if nothing is said.
    pub of: Vec<Component>,
    /// Which calls.
    pub calls: Calls,
    /// About these kinds of objects; any if nothing is said.
    pub kinds: Vec<Placed<String>>,
    /// Per cent; all if nothing is said.
    pub percent: Option<u8>,
    /// What the server says.
    pub error: ApiFailure,
}

/// What an API server that fails says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ApiFailure {
    /// 429: too many requests; clients wait a second and try again, ten times.
    TooManyRequests,
    /// 500.
    #[default]
    InternalError,
    /// 409, to updates.
    Conflict,
    /// 403: RBAC does not allow it.
    Forbidden,
    /// 504, although the write was done.
    Timeout,
    /// 413: what is sent is larger than the store takes.
    TooLarge,
}

/// Events that get lost.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventLoss {
    /// Per cent; all if nothing is said.
    pub percent: Option<u8>,
}

/// An admission webhook that nobody answers for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookDown {
    /// Its name.
    pub webhook: String,
    /// The kinds of objects whose creation and change it is asked about.
    pub kinds: Vec<Placed<String>>,
    /// What then happens to the call.
    pub policy: FailurePolicy,
    /// How long the server waits for it; more than 30 seconds in all, and the call itself is over.
    pub timeout: SimDuration,
}

impl Default for WebhookDown {
    fn default() -> Self {
        let timeout = SimDuration::from_secs(10);
        Self { webhook: "policy.example.com".to_owned(), kinds: Vec::new(), policy: FailurePolicy::Fail, timeout }
    }
}

/// An admission webhook that changes what the containers of new pods request, and their limits.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MutatedResources {
    /// What they request then: `{"cpu": "100m"}`; else as it was.
    pub requests: BTreeMap<String, Amount>,
    /// What they may have then; else as it was.
    pub limits: BTreeMap<String, Amount>,
}

/// A webhook's `failurePolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum FailurePolicy {
    /// The call is refused.
    #[default]
    Fail,
    /// The call goes on without it.
    Ignore,
}

/// A component that another instance takes over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaderChange {
    /// `Scheduler` or `ControllerManager`.
    pub of: Leader,
    /// How long nobody leads; until the lease expires, 15 seconds, if nothing is said.
    #[serde(default)]
    pub gap: Option<SimDuration>,
}

/// A component that needs longer for each thing that it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowLeader {
    /// `Scheduler` or `ControllerManager`.
    pub of: Leader,
    /// How much longer.
    pub by: SimDuration,
}

/// A metrics server that tells another use of CPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricsSpike {
    /// Per cent of what it is.
    pub percent: u32,
}

/// A component of which one instance leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Leader {
    /// The scheduler.
    Scheduler,
    /// The controller manager.
    ControllerManager,
}
