//! What is known of a pod, in objects that come from a cluster.

use super::common::{address, amounts, condition, name, status, text, time};
use super::pod::pair;
use crate::api::{ContainerId, ContainerState, ContainerStatus, Name, PodPhase, PodStatus, QosClass, Terminated};
use k8s_openapi::api::core::v1;

/// A pod's status, and whether it states the QoS class.
pub(super) struct Status {
    pub(super) record: PodStatus,
    pub(super) has_qos_class: bool,
}

pub(super) fn pod_status(pod: v1::PodStatus) -> Status {
    let containers = |list: Option<Vec<v1::ContainerStatus>>| list.iter().flatten().map(container_status).collect();
    let qos_class = match pod.qos_class.as_deref() {
        Some("Guaranteed") => Some(QosClass::Guaranteed),
        Some("Burstable") => Some(QosClass::Burstable),
        Some("BestEffort") => Some(QosClass::BestEffort),
        _ => None,
    };
    let record = PodStatus {
        phase: match pod.phase.as_deref() {
            Some("Running") => PodPhase::Running,
            Some("Succeeded") => PodPhase::Succeeded,
            Some("Failed") => PodPhase::Failed,
            Some("Unknown") => PodPhase::Unknown,
            _ => PodPhase::Pending,
        },
        reason: name(pod.reason.as_ref()),
        message: text(pod.message.as_ref()),
        conditions: pod.conditions.iter().flatten().map(pod_condition).collect(),
        init_containers: containers(pod.init_container_statuses),
        containers: containers(pod.container_statuses),
        ephemeral_containers: containers(pod.ephemeral_container_statuses),
        pod_ip: address(pod.pod_ip.as_ref()),
        host_ip: address(pod.host_ip.as_ref()),
        start_time: time(pod.start_time.as_ref()),
        qos_class: qos_class.unwrap_or_default(),
        nominated_node_name: name(pod.nominated_node_name.as_ref()),
        observed_generation: pod.observed_generation.unwrap_or_default(),
        allocated_resources: pod.allocated_resources.as_ref().map(|list| amounts(Some(list))),
        resources: pod.resources.map(|resources| pair(resources.requests.as_ref(), resources.limits.as_ref())),
        resource_claims: pod
            .resource_claim_statuses
            .iter()
            .flatten()
            .filter_map(|one| Some((Name::from(&one.name), Name::from(one.resource_claim_name.as_ref()?))))
            .collect(),
    };
    Status { record, has_qos_class: qos_class.is_some() }
}

fn pod_condition(condition: &v1::PodCondition) -> crate::api::Condition {
    condition!(condition, condition.observed_generation, condition.last_probe_time)
}

fn container_status(container: &v1::ContainerStatus) -> ContainerStatus {
    ContainerStatus {
        name: Name::from(&container.name),
        state: container.state.as_ref().map_or_else(ContainerState::default, container_state),
        last_state: container.last_state.as_ref().and_then(|state| state.terminated.as_ref()).map(terminated),
        ready: container.ready,
        started: container.started,
        restart_count: container.restart_count.max(0).unsigned_abs(),
        image: Name::from(&container.image),
        image_id: Name::from(&container.image_id),
        container_id: container_id(container.container_id.as_deref()),
        allocated_resources: container.allocated_resources.as_ref().map(|list| amounts(Some(list))),
        resources: container
            .resources
            .as_ref()
            .map(|resources| pair(resources.requests.as_ref(), resources.limits.as_ref())),
    }
}

fn container_state(state: &v1::ContainerState) -> ContainerState {
    if let Some(running) = &state.running {
        ContainerState::Running { started_at: time(running.started_at.as_ref()).unwrap_or_default() }
    } else if let Some(end) = &state.terminated {
        ContainerState::Terminated(terminated(end))
    } else {
        let waiting = state.waiting.clone().unwrap_or_default();
        ContainerState::Waiting { reason: name(waiting.reason.as_ref()), message: text(waiting.message.as_ref()) }
    }
}

fn terminated(end: &v1::ContainerStateTerminated) -> Terminated {
    Terminated {
        exit_code: end.exit_code,
        signal: end.signal.unwrap_or_default(),
        reason: name(end.reason.as_ref()),
        message: text(end.message.as_ref()),
        started_at: time(end.started_at.as_ref()),
        finished_at: time(end.finished_at.as_ref()),
        container_id: container_id(end.container_id.as_deref()),
    }
}

/// The identity in `containerd://<64 hex>`: the first 16 digits; of other texts, bits of their own.
pub(super) fn container_id(text: Option<&str>) -> ContainerId {
    let Some((_, id)) = text.and_then(|text| text.split_once("://")) else { return ContainerId::NONE };
    if id.is_empty() {
        return ContainerId::NONE;
    }
    let bits = id.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    ContainerId::from_bits(bits.unwrap_or_else(|| xxhash_rust::xxh3::xxh3_64(id.as_bytes())).max(1))
}
