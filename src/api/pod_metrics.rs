//! What pods use, as the metrics API tells it (`staging/src/k8s.io/metrics/pkg/apis/metrics/v1beta1/types.go`).

use super::{CPU, MEMORY, Name};
use serde::{Deserialize, Serialize};

/// `metrics.k8s.io/v1beta1.PodMetricsList`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PodMetricsList {
    /// The pods that something is known of.
    pub items: Vec<PodMetrics>,
}

/// `metrics.k8s.io/v1beta1.PodMetrics`: what the containers of a pod used over a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodMetrics {
    /// The containers.
    pub containers: Vec<ContainerMetrics>,
    /// The pod.
    pub metadata: PodMetricsMeta,
    /// When its kubelet was asked: RFC 3339.
    pub timestamp: String,
    /// For how long before that it was measured: a duration of Go.
    pub window: String,
}

/// Of which pod metrics are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodMetricsMeta {
    /// Its name.
    pub name: Name,
    /// Its namespace.
    pub namespace: Name,
}

/// `metrics.k8s.io/v1beta1.ContainerMetrics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerMetrics {
    /// The container.
    pub name: Name,
    /// What it used.
    pub usage: ContainerUsage,
}

/// What a container used: quantities as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerUsage {
    /// CPUs, the mean over the window.
    pub cpu: String,
    /// Bytes of memory in its working set.
    pub memory: String,
}

impl ContainerUsage {
    /// What was used of a resource; nothing is known of others than CPU and memory.
    pub fn of(&self, resource: Name) -> Option<&str> {
        match resource {
            cpu if cpu == *CPU => Some(&self.cpu),
            memory if memory == *MEMORY => Some(&self.memory),
            _ => None,
        }
    }
}
