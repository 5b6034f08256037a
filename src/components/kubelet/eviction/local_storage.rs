//! Limits on local storage: of a volume, of a pod, of a container.
//!
//! Follows `pkg/kubelet/eviction/eviction_manager.go` (`localStorageEviction`) of Kubernetes 1.36.

use crate::api::{EPHEMERAL_STORAGE, Pod, VolumeSource, format_amount};
use crate::components::stats::{ContainerStats, PodStats};

/// What is said of a pod that uses more than it may, if it does.
pub(super) fn exceeded(pod: &Pod, stats: &PodStats, separate_imagefs: bool) -> Option<String> {
    volume_exceeded(pod, stats)
        .or_else(|| pod_exceeded(pod, stats, separate_imagefs))
        .or_else(|| container_exceeded(pod, stats, separate_imagefs))
}

fn volume_exceeded(pod: &Pod, stats: &PodStats) -> Option<String> {
    pod.spec.volumes.iter().find_map(|volume| {
        let VolumeSource::EmptyDir { size_limit: Some(limit), .. } = volume.source else { return None };
        let used = stats.volumes.iter().find(|(name, _)| *name == volume.name)?.1;
        let limit_text = format_amount(*EPHEMERAL_STORAGE, limit);
        let text = format!("Usage of EmptyDir volume {:?} exceeds the limit {limit_text:?}. ", volume.name.as_str());
        (limit > 0 && used > limit).then_some(text)
    })
}

/// Bytes of a container that count against its pod's limits; its layer does not if it is on another file system.
fn counted(container: &ContainerStats, separate_imagefs: bool) -> i64 {
    container.logs + if separate_imagefs { 0 } else { container.writable }
}

fn pod_exceeded(pod: &Pod, stats: &PodStats, separate_imagefs: bool) -> Option<String> {
    let limits: Vec<i64> =
        pod.spec.containers.iter().filter_map(|container| container.limits.get(*EPHEMERAL_STORAGE)).collect();
    let limit: i64 = limits.iter().sum();
    let containers: i64 = stats.containers.iter().map(|container| counted(container, separate_imagefs)).sum();
    let volumes: i64 = stats.volumes.iter().map(|(_, bytes)| bytes).sum();
    let limit_text = format_amount(*EPHEMERAL_STORAGE, limit);
    let text = format!("Pod ephemeral local storage usage exceeds the total limit of containers {limit_text}. ");
    (!limits.is_empty() && containers + volumes > limit).then_some(text)
}

fn container_exceeded(pod: &Pod, stats: &PodStats, separate_imagefs: bool) -> Option<String> {
    stats.containers.iter().find_map(|container| {
        let limit = pod.spec.container(container.name)?.limits.get(*EPHEMERAL_STORAGE).filter(|limit| *limit != 0)?;
        let (name, shown) = (container.name, format_amount(*EPHEMERAL_STORAGE, limit));
        let text = format!("Container {name} exceeded its local ephemeral storage limit {shown:?}. ");
        (counted(container, separate_imagefs) > limit).then_some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Name, lower};
    use crate::components::cri::PodKey;
    use serde_json::json;

    #[test]
    fn limits_are_exceeded_one_by_one() {
        // `TestStorageLimitEvictions`; texts as in pressure-local-storage-limits.
        let container =
            |name: &str| json!({"name": name, "image": "i", "resources": {"limits": {"ephemeral-storage": "1Gi"}}});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
            "containers": [container("a"), container("b")],
            "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "8Mi"}}]}});
        let pod = lower(&pod).unwrap().object.pod().unwrap().clone();
        let gibi = 1i64 << 30;
        let check = |layers: [i64; 2], volume: i64, separate: bool, expected: Option<&str>| {
            let container = |name: &str, writable| ContainerStats {
                name: Name::new(name),
                memory: 0,
                writable,
                writable_inodes: 0,
                logs: 0,
                pids: 1,
            };
            let stats = PodStats {
                key: PodKey::of_static(0),
                containers: vec![container("a", layers[0]), container("b", layers[1])],
                volumes: vec![(Name::new("v"), volume)],
            };
            assert_eq!(exceeded(&pod, &stats, separate).as_deref(), expected, "{layers:?} {volume}");
        };
        check([gibi, gibi], 0, false, None);
        check([0, 0], 8 << 20, false, None);
        check([0, 0], (8 << 20) + 1, false, Some("Usage of EmptyDir volume \"v\" exceeds the limit \"8Mi\". "));
        let total = "Pod ephemeral local storage usage exceeds the total limit of containers 2Gi. ";
        check([gibi, gibi], 1, false, Some(total));
        let one = "Container a exceeded its local ephemeral storage limit \"1Gi\". ";
        check([gibi + 1, 0], 0, false, Some(one));
        check([gibi + 1, 0], 0, true, None);
    }
}
