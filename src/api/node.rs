//! Nodes.

use super::names;
use super::{Condition, ConditionStatus, List, Metadata, Name, ResourceList, Taint, Text};
use serde::Serialize;
use std::net::Ipv4Addr;
use std::sync::Arc;

names! {
    HOSTNAME_LABEL = "kubernetes.io/hostname";
    ZONE_LABEL = "topology.kubernetes.io/zone";
    REGION_LABEL = "topology.kubernetes.io/region";
    OS_LABEL = "kubernetes.io/os";
    ARCH_LABEL = "kubernetes.io/arch";
    OLD_ZONE_LABEL = "failure-domain.beta.kubernetes.io/zone";
    OLD_REGION_LABEL = "failure-domain.beta.kubernetes.io/region";
    NODE_READY = "Ready";
    MEMORY_PRESSURE = "MemoryPressure";
    DISK_PRESSURE = "DiskPressure";
    PID_PRESSURE = "PIDPressure";
    NETWORK_UNAVAILABLE = "NetworkUnavailable";
    TAINT_NOT_READY = "node.kubernetes.io/not-ready";
    TAINT_UNREACHABLE = "node.kubernetes.io/unreachable";
    TAINT_UNSCHEDULABLE = "node.kubernetes.io/unschedulable";
    TAINT_MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure";
    TAINT_DISK_PRESSURE = "node.kubernetes.io/disk-pressure";
    TAINT_PID_PRESSURE = "node.kubernetes.io/pid-pressure";
    TAINT_NETWORK_UNAVAILABLE = "node.kubernetes.io/network-unavailable";
    TAINT_OUT_OF_SERVICE = "node.kubernetes.io/out-of-service";
}

/// `v1.Node`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Node {
    /// Names and versions.
    pub meta: Metadata,
    /// Whether it is cordoned.
    pub unschedulable: bool,
    /// What keeps pods away.
    pub taints: List<Taint>,
    /// What the cloud calls it; empty if nobody does.
    pub provider_id: Name,
    /// What its kubelet reports.
    pub status: Arc<NodeStatus>,
    /// The rest of `spec` and `status` as accepted, as JSON text; amounts are there as written.
    pub source: Text,
}

impl Node {
    /// Whether the Ready condition is True.
    pub fn is_ready(&self) -> bool {
        self.status.condition(*NODE_READY).is_some_and(|ready| ready.status == ConditionStatus::True)
    }

    /// Region and zone, as the scheduler and the node lifecycle controller group nodes; the older labels win.
    pub fn zone_key(&self) -> (Name, Name) {
        let label = |old, new| self.meta.labels.get(old).or_else(|| self.meta.labels.get(new)).unwrap_or_default();
        (label(*OLD_REGION_LABEL, *REGION_LABEL), label(*OLD_ZONE_LABEL, *ZONE_LABEL))
    }
}

/// `v1.NodeStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct NodeStatus {
    /// What the machine has.
    pub capacity: ResourceList,
    /// What pods may be promised.
    pub allocatable: ResourceList,
    /// Readiness and pressures.
    pub conditions: Vec<Condition>,
    /// The node's address.
    pub address: Option<Ipv4Addr>,
    /// Images present, with their sizes.
    pub images: List<NodeImage>,
    /// Attachable volumes that pods on it use.
    pub volumes_in_use: List<Name>,
    /// Attachable volumes that are attached.
    pub volumes_attached: List<Name>,
    /// Features that its kubelet declares.
    pub declared_features: List<Name>,
}

impl NodeStatus {
    /// A condition by type.
    pub fn condition(&self, kind: Name) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }
}

/// `v1.ContainerImage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeImage {
    /// Every name it is known by.
    pub names: List<Name>,
    /// Bytes.
    pub size: i64,
}
