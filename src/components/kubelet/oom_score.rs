//! Whom the kernel kills first when a node has no memory left: what a kubelet adds to a container's score.
//!
//! Follows `pkg/kubelet/qos/policy.go` (`GetContainerOOMScoreAdjust`) of Kubernetes 1.36.

use crate::api::{Container, Pod, QosClass};

/// Of containers that are guaranteed what they use, and of pods that the node cannot do without.
const GUARANTEED: i32 = -997;
/// Of containers that are promised nothing.
const BEST_EFFORT: i32 = 1_000;
/// Pods of at least this priority are critical to their node.
const NODE_CRITICAL_PRIORITY: i32 = 2_000_001_000;

/// The addition to a container's score, on a node with so many bytes of memory.
pub(super) fn oom_score_adj(pod: &Pod, container: &Container, node_memory: i64) -> i32 {
    if pod.spec.priority >= NODE_CRITICAL_PRIORITY || pod.status.qos_class == QosClass::Guaranteed {
        return GUARANTEED;
    }
    if pod.status.qos_class == QosClass::BestEffort || node_memory <= 0 {
        return BEST_EFFORT;
    }
    let of_request = |request: i64| 1_000 - 1_000 * i128::from(request) / i128::from(node_memory);
    let mut adjusted = of_request(container.requests.memory() + unassigned_share(pod));
    let is_sidecar = pod.spec.sidecars().any(|sidecar| sidecar.name == container.name);
    if is_sidecar {
        // A sidecar is no likelier to go than any container that it serves.
        let least = pod.spec.containers.iter().map(|regular| regular.requests.memory()).min().unwrap_or(0);
        adjusted = adjusted.min(of_request(least));
    }
    i32::try_from(adjusted.clamp(i128::from(1_000 + GUARANTEED), i128::from(BEST_EFFORT - 1))).expect("within bounds")
}

/// What a pod requests beyond its containers, shared equally among them.
fn unassigned_share(pod: &Pod) -> i64 {
    let Some(of_pod) = pod.spec.resources.as_ref().and_then(|(requests, _)| requests.get(*crate::api::MEMORY)) else {
        return 0;
    };
    let kept = || pod.spec.containers.iter().chain(pod.spec.sidecars());
    let assigned: i64 = kept().map(|container| container.requests.memory()).sum();
    (of_pod - assigned).max(0) / i64::try_from(kept().count().max(1)).expect("few containers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{MEMORY, Metadata, Name, PodSpec, PodStatus, ResourceList, RestartPolicy};
    use std::sync::Arc;

    const NODE: i64 = 8_000_000_000;

    fn container(name: &str, request: i64) -> Container {
        let requests = if request == 0 { ResourceList::EMPTY } else { ResourceList::EMPTY.with(*MEMORY, request) };
        Container { name: Name::new(name), requests, ..Container::default() }
    }

    fn pod(class: QosClass, spec: PodSpec) -> Pod {
        Pod {
            meta: Metadata::default(),
            spec: Arc::new(spec),
            node_name: Name::default(),
            status: Arc::new(PodStatus { qos_class: class, ..PodStatus::default() }),
        }
    }

    #[test]
    fn scores_follow_class_and_request() {
        // `TestGetContainerOOMScoreAdjust`: (class, priority, request) and the addition.
        for (class, priority, request, expected) in [
            (QosClass::BestEffort, 0, 0, 1_000),
            (QosClass::Guaranteed, 0, 10_000_000_000, -997),
            (QosClass::Burstable, 0, 0, 999),
            (QosClass::Burstable, 0, NODE - 1, 3),
            (QosClass::Burstable, 0, NODE / 2, 500),
            (QosClass::Burstable, 0, NODE / 1_000, 999),
            (QosClass::Burstable, 2_000_000_000, NODE / 4, 750),
            (QosClass::BestEffort, NODE_CRITICAL_PRIORITY, 0, -997),
        ] {
            let one = container("a", request);
            let pod = pod(class, PodSpec { containers: vec![one.clone()], priority, ..PodSpec::default() });
            assert_eq!(oom_score_adj(&pod, &one, NODE), expected, "{class:?} {priority} {request}");
        }
    }

    #[test]
    fn sidecars_stay_with_the_containers_and_pods_share_what_they_request() {
        let sidecar = Container { restart_policy: Some(RestartPolicy::Always), ..container("proxy", 0) };
        let spec = PodSpec {
            containers: vec![container("a", NODE / 2), container("b", NODE / 4)],
            init_containers: vec![sidecar.clone()],
            ..PodSpec::default()
        };
        assert_eq!(oom_score_adj(&pod(QosClass::Burstable, spec), &sidecar, NODE), 750);
        let whole = Some((ResourceList::EMPTY.with(*MEMORY, NODE / 2), ResourceList::EMPTY));
        let containers = vec![container("a", NODE / 4), container("b", 0)];
        let spec = PodSpec { containers: containers.clone(), resources: whole, ..PodSpec::default() };
        let pod = pod(QosClass::Burstable, spec);
        assert_eq!(containers.iter().map(|one| oom_score_adj(&pod, one, NODE)).collect::<Vec<_>>(), [625, 875]);
    }
}
