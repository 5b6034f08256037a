//! Limits on local storage: of a volume, of a pod, of a container.
//!
//! Follows `pkg/kubelet/eviction/eviction_manager.go` (`localStorageEviction`) of Kubernetes 1.36.

use super::written::Written;
use crate::api::{EPHEMERAL_STORAGE, Name, Pod, VolumeSource, requests};
use crate::components::stats::{ContainerStats, PodStats};

/// What is said of a pod that uses more than it may, if it does.
pub(super) fn exceeded(pod: &Pod, stats: &PodStats, separate_imagefs: bool) -> Option<String> {
    volume_exceeded(pod, stats)
        .or_else(|| pod_exceeded(pod, stats))
        .or_else(|| container_exceeded(pod, stats, separate_imagefs))
}

fn volume_exceeded(pod: &Pod, stats: &PodStats) -> Option<String> {
    pod.spec.volumes.iter().find_map(|volume| {
        let VolumeSource::EmptyDir { size_limit: Some(limit), .. } = volume.source else { return None };
        let used = stats.volumes.iter().find(|(name, _)| *name == volume.name)?.1;
        (limit > 0 && used > limit).then(|| {
            let limit = Written::of(pod).size_limit(volume.name).to_string();
            format!("Usage of EmptyDir volume {:?} exceeds the limit {limit:?}. ", volume.name.as_str())
        })
    })
}

/// Bytes of a container that count against a limit of its own; its layer does not if it is on another file system.
const fn counted(container: &ContainerStats, separate_imagefs: bool) -> i64 {
    container.logs + if separate_imagefs { 0 } else { container.writable }
}

/// Bytes in volumes that are on the disk (`localVolumeNames`): what is in memory counts as that.
pub(super) fn volume_bytes(pod: &Pod, stats: &PodStats) -> i64 {
    let on_disk = |(name, _): &&(Name, i64)| pod.spec.memory_volumes().all(|other| other != *name);
    stats.volumes.iter().filter(on_disk).map(|(_, bytes)| bytes).sum()
}

/// Of a pod the layers of its containers count, on whatever file system they are (`podEphemeralStorageLimitEviction`),
/// and its volumes, but for those in memory (`IsLocalEphemeralVolume`).
fn pod_exceeded(pod: &Pod, stats: &PodStats) -> Option<String> {
    let limit = requests::limits(&pod.spec).get(*EPHEMERAL_STORAGE)?;
    let containers: i64 = stats.containers.iter().map(|container| counted(container, false)).sum();
    let volumes = volume_bytes(pod, stats);
    (containers + volumes > limit).then(|| {
        let limit = Written::of(pod).storage_limit_of_pod();
        format!("Pod ephemeral local storage usage exceeds the total limit of containers {limit}. ")
    })
}

/// Only regular containers have a limit of their own (`containerEphemeralStorageLimitEviction`).
fn container_exceeded(pod: &Pod, stats: &PodStats, separate_imagefs: bool) -> Option<String> {
    stats.containers.iter().find_map(|container| {
        let name = container.name;
        let found = pod.spec.containers.iter().find(|found| found.name == name)?;
        let limit = found.limits.get(*EPHEMERAL_STORAGE).filter(|limit| *limit != 0)?;
        (counted(container, separate_imagefs) > limit).then(|| {
            let limit = Written::of(pod).storage_limit(name).to_string();
            format!("Container {name} exceeded its local ephemeral storage limit {limit:?}. ")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Name, lower};
    use crate::components::cri::PodKey;
    use serde_json::{Value, json};

    #[test]
    fn limits_are_exceeded_one_by_one() {
        // `TestStorageLimitEvictions`; texts as in pressure-local-storage-limits.
        let container = |name: &str, limit: &str| {
            let limits = json!({"ephemeral-storage": limit});
            json!({"name": name, "image": "i", "resources": {"limits": limits}})
        };
        let pod = |init: Value, containers: Value| {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
                "initContainers": init,
                "containers": containers,
                "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "8Mi"}}, {"name": "w", "emptyDir": {}},
                    {"name": "m", "emptyDir": {"medium": "Memory"}}]}});
            lower(&pod).unwrap().object.pod().unwrap().clone()
        };
        let mut sidecar = container("s", "2G");
        sidecar["restartPolicy"] = json!("Always");
        let two = pod(json!([]), json!([container("a", "1Gi"), container("b", "1Gi")]));
        let sidecar = pod(json!([sidecar]), json!([container("a", "1G"), {"name": "b", "image": "i"}]));
        let init = pod(json!([container("i", "3Gi")]), json!([container("a", "1Gi"), container("b", "1Gi")]));
        let gibi = 1i64 << 30;
        let check = |pod: &Pod, layers: [i64; 2], volume: (&str, i64), separate: bool, expected: Option<&str>| {
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
                containers: vec![container("a", layers[0]), container("b", layers[1]), container("s", 0)],
                volumes: vec![(Name::new(volume.0), volume.1)],
            };
            assert_eq!(exceeded(pod, &stats, separate).as_deref(), expected, "{layers:?} {volume:?}");
        };
        check(&two, [gibi, gibi], ("v", 0), false, None);
        check(&two, [0, 0], ("v", 8 << 20), false, None);
        let volume = "Usage of EmptyDir volume \"v\" exceeds the limit \"8Mi\". ";
        check(&two, [0, 0], ("v", (8 << 20) + 1), false, Some(volume));
        let total =
            |limit| format!("Pod ephemeral local storage usage exceeds the total limit of containers {limit}. ");
        check(&two, [gibi, gibi], ("v", 1), false, Some(&total("2Gi")));
        check(&two, [gibi, gibi], ("v", 1), true, Some(&total("2Gi")));
        let one = "Container a exceeded its local ephemeral storage limit \"1Gi\". ";
        check(&two, [gibi + 1, 0], ("v", 0), false, Some(one));
        check(&two, [gibi + 1, 0], ("v", 0), true, None);
        check(&sidecar, [0, 3_000_000_000], ("w", 0), false, None);
        check(&sidecar, [0, 3_000_000_000], ("w", 1), false, Some(&total("3G")));
        check(&init, [gibi, gibi], ("w", gibi), false, None);
        check(&init, [gibi, gibi], ("m", gibi + 1), false, None);
        check(&init, [gibi, gibi], ("w", gibi + 1), false, Some(&total("3Gi")));
    }
}
