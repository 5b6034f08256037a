//! Which volume fits a claim: of its class, with its modes, large enough and no larger than must be
//! (`volume/persistentvolume/index.go`, `FindMatchingVolume`).

use super::{AVAILABLE, PENDING};
use crate::api::{ClaimReference, Name, Node, PersistentVolume, PersistentVolumeClaim, STORAGE};
use std::sync::Arc;

/// The class of a claim; empty for none.
pub(super) fn class_of(claim: &PersistentVolumeClaim) -> Name {
    let old = claim.meta.annotations.get(Name::new("volume.beta.kubernetes.io/storage-class"));
    old.or(claim.storage_class).unwrap_or_default()
}

/// Whether a volume is meant for a claim, by name and perhaps identity.
pub(super) fn is_for(reference: &ClaimReference, claim: &PersistentVolumeClaim) -> bool {
    reference.namespace == claim.meta.namespace
        && reference.name == claim.meta.name
        && (reference.uid.is_empty() || reference.uid == claim.meta.uid)
}

/// The best of some volumes: one that is meant for the claim, or else the smallest that is free. A claim whose binding
/// waits for a pod gets only what is meant for it, until a node is chosen.
pub(super) fn best<'a>(
    claim: &PersistentVolumeClaim,
    volumes: impl Iterator<Item = &'a Arc<PersistentVolume>>,
    delayed: bool,
    node: Option<&Node>,
) -> Option<&'a Arc<PersistentVolume>> {
    let requested = claim.requests.get(*STORAGE).unwrap_or(0);
    let size = |volume: &PersistentVolume| volume.capacity.get(*STORAGE).unwrap_or(0);
    let fitting: Vec<&Arc<PersistentVolume>> = volumes
        .filter(|volume| volume.block == claim.block && !volume.meta.is_terminating())
        .filter(|volume| claim.access_modes.iter().all(|mode| volume.access_modes.contains(mode)))
        .collect();
    let meant = |volume: &&&Arc<PersistentVolume>| volume.claim.is_some_and(|have| is_for(&have, claim));
    if let Some(meant) = fitting.iter().find(meant) {
        return Some(meant);
    }
    if delayed && node.is_none() {
        return None;
    }
    let reaches = |volume: &PersistentVolume| match (node, &volume.node_affinity) {
        (Some(node), Some(terms)) => terms.iter().any(|term| term.matches(node.meta.name, &node.meta.labels)),
        (None, _) | (_, None) => true,
    };
    fitting
        .into_iter()
        .filter(|volume| volume.claim.is_none() && size(volume) >= requested)
        .filter(|volume| volume.phase == *AVAILABLE || volume.phase == *PENDING)
        .filter(|volume| volume.storage_class == class_of(claim) && reaches(volume))
        .filter(|volume| claim.selector.as_ref().is_none_or(|selector| selector.matches(&volume.meta.labels)))
        .min_by_key(|volume| (size(volume), volume.meta.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Object, lower};

    fn volume(name: &str, size: &str, class: &str, modes: &[&str], claim: &str) -> Arc<PersistentVolume> {
        let mut manifest = serde_json::json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"capacity": {"storage": size}, "accessModes": modes, "storageClassName": class,
                "hostPath": {"path": "/data"}},
        });
        if !claim.is_empty() {
            manifest["spec"]["claimRef"] = serde_json::json!({"namespace": "default", "name": claim});
        }
        let Ok(Object::PersistentVolume(volume)) = lower(&manifest).map(|lowered| lowered.object) else { panic!() };
        let mut volume = PersistentVolume::clone(&volume);
        volume.phase = *AVAILABLE;
        Arc::new(volume)
    }

    #[test]
    fn the_smallest_volume_that_fits_wins() {
        // `TestMatchVolume`, control-plane.md 3.15.
        let once = ["ReadWriteOnce"];
        let volumes = [
            volume("large", "20Gi", "fast", &once, ""),
            volume("middle", "10Gi", "fast", &once, ""),
            volume("small", "1Gi", "fast", &once, ""),
            volume("slow", "5Gi", "slow", &once, ""),
            volume("shared", "30Gi", "fast", &["ReadWriteOnce", "ReadWriteMany"], ""),
            volume("meant", "50Gi", "fast", &once, "special"),
        ];
        let cases = [
            ("data", "5Gi", "fast", "ReadWriteOnce", false, Some("middle")),
            ("data", "1Gi", "fast", "ReadWriteOnce", false, Some("small")),
            ("data", "5Gi", "fast", "ReadWriteMany", false, Some("shared")),
            ("data", "5Gi", "slow", "ReadWriteOnce", false, Some("slow")),
            ("data", "6Gi", "slow", "ReadWriteOnce", false, None),
            ("data", "5Gi", "fast", "ReadWriteOnce", true, None),
            ("special", "5Gi", "fast", "ReadWriteOnce", true, Some("meant")),
        ];
        for (name, size, class, mode, delayed, expected) in cases {
            let manifest = serde_json::json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "default"},
                "spec": {"accessModes": [mode], "storageClassName": class, "resources": {"requests": {"storage": size}}},
            });
            let Ok(Object::PersistentVolumeClaim(claim)) = lower(&manifest).map(|lowered| lowered.object) else {
                panic!()
            };
            let found = best(&claim, volumes.iter(), delayed, None).map(|volume| volume.meta.name.as_str());
            assert_eq!(found, expected, "{name} {size} {class} {mode}");
        }
    }
}
