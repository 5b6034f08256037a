//! Services and the addresses behind them.

use super::name::names;
use super::{IntOrPercent, Labels, List, Metadata, Name, Port, Text, Uid};
use crate::engine::SimDuration;
use serde::Serialize;
use std::net::Ipv4Addr;

/// `v1.Service`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Service {
    /// Names and versions.
    pub meta: Metadata,
    /// The pods behind it; `None` means that somebody else keeps its endpoints.
    pub selector: Option<Labels>,
    /// What it listens on.
    pub ports: Vec<ServicePort>,
    /// Its address; `None` for those without one, and until one is assigned.
    pub cluster_ip: Option<Ipv4Addr>,
    /// Whether it is to have no address of its own (`clusterIP: None`).
    pub headless: bool,
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    pub kind: Name,
    /// Whether pods are listed before they are ready.
    pub publish_not_ready: bool,
    /// Where its traffic may go.
    pub traffic: ServiceTraffic,
    /// `healthCheckNodePort`; zero for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub health_check_node_port: u16,
    /// For how long a client stays with the endpoint that it had last (`sessionAffinity: ClientIP`), if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<SimDuration>,
    /// The name that it stands for (`externalName`), if it is one.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub external_name: Name,
    /// The spec as accepted, as JSON text.
    pub source: Text,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_zero(number: &u16) -> bool {
    *number == 0
}

/// Where the traffic of a Service may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub struct ServiceTraffic {
    /// `internalTrafficPolicy`: what is sent from inside the cluster.
    pub internal: TrafficPolicy,
    /// `externalTrafficPolicy`: what comes from outside.
    pub external: TrafficPolicy,
    /// `trafficDistribution`: who is preferred.
    pub distribution: TrafficDistribution,
}

/// `v1.ServiceInternalTrafficPolicy` and `v1.ServiceExternalTrafficPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub enum TrafficPolicy {
    /// To any node.
    #[default]
    Cluster,
    /// To the node where it arrives.
    Local,
}

/// `trafficDistribution` of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub enum TrafficDistribution {
    /// Nobody is preferred.
    #[default]
    Anywhere,
    /// Who is in the same zone; `PreferClose` is an older word for it.
    PreferSameZone,
    /// Who is on the same node, or else in the same zone.
    PreferSameNode,
}

/// `v1.ServicePort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct ServicePort {
    /// Empty if there is only one.
    pub name: Name,
    /// The Service's port.
    pub port: u16,
    /// The pods' port.
    pub target: Port,
    /// TCP, UDP or SCTP.
    pub protocol: Name,
    /// The port on every node; zero for none.
    pub node_port: u16,
}

/// `discovery/v1.EndpointSlice`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndpointSlice {
    /// Names and versions; the label `kubernetes.io/service-name` says whose it is.
    pub meta: Metadata,
    /// The addresses.
    pub endpoints: Vec<Endpoint>,
    /// The ports, resolved: name, protocol, number.
    pub ports: List<(Name, Name, u16)>,
}

/// `discovery/v1.Endpoint`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// The pod's address.
    pub address: Ipv4Addr,
    /// Whether new traffic may go there.
    pub ready: bool,
    /// Whether it answers, terminating or not.
    pub serving: bool,
    /// Whether its pod is on its way out.
    pub terminating: bool,
    /// The pod.
    pub pod: Name,
    /// The pod's identity.
    pub pod_uid: Uid,
    /// The pod's node.
    pub node_name: Name,
    /// The node's zone.
    pub zone: Name,
    /// The pod's host name, for headless Services.
    pub hostname: Name,
}

/// `v1.Endpoints`: the older form of the same addresses, all of a Service in one object of its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Endpoints {
    /// Names and versions.
    pub meta: Metadata,
    /// The addresses, by the ports that they offer.
    pub subsets: Vec<EndpointSubset>,
}

/// `v1.EndpointSubset`: addresses that offer the same ports.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct EndpointSubset {
    /// Those that may get traffic.
    pub addresses: Vec<EndpointAddress>,
    /// Those that may not, yet or any more.
    pub not_ready: Vec<EndpointAddress>,
    /// The ports: name, protocol, number.
    pub ports: List<(Name, Name, u16)>,
}

/// `v1.EndpointAddress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EndpointAddress {
    /// The address.
    pub ip: Ipv4Addr,
    /// The host name, for headless Services.
    pub hostname: Name,
    /// The pod's node.
    pub node_name: Name,
    /// The pod; empty if there is none.
    pub pod: Name,
    /// The pod's identity.
    pub pod_uid: Uid,
}

names! {
    ENDPOINTS_MANAGED_BY = "endpoints.kubernetes.io/managed-by";
    ENDPOINTS_CONTROLLER = "endpoint-controller";
}

impl Endpoints {
    /// Whether the controller made it, for a Service with a selector.
    pub fn is_made_by_controller(&self) -> bool {
        self.meta.labels.get(*ENDPOINTS_MANAGED_BY) == Some(*ENDPOINTS_CONTROLLER)
    }
}

/// `policy/v1.PodDisruptionBudget`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PodDisruptionBudget {
    /// Names and versions.
    pub meta: Metadata,
    /// The pods that it protects; `None` matches nothing.
    pub selector: Option<super::Selector>,
    /// How many must stay.
    pub min_available: Option<IntOrPercent>,
    /// How many may go.
    pub max_unavailable: Option<IntOrPercent>,
    /// Whether unhealthy pods may always be evicted.
    pub always_evict_unhealthy: bool,
    /// What there is.
    pub status: PodDisruptionBudgetStatus,
    /// The spec as accepted, as JSON text.
    pub source: Text,
}

/// `policy/v1.PodDisruptionBudgetStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PodDisruptionBudgetStatus {
    /// The generation that this status is about.
    pub observed_generation: i64,
    /// Pods evicted whose going is yet to be seen, and when.
    pub disrupted_pods: List<(Name, super::Timestamp)>,
    /// How many evictions are allowed now.
    pub disruptions_allowed: i32,
    /// Healthy pods now.
    pub current_healthy: i32,
    /// Healthy pods that must stay.
    pub desired_healthy: i32,
    /// Pods that there should be.
    pub expected_pods: i32,
    /// `DisruptionAllowed`.
    pub conditions: Vec<super::Condition>,
}
