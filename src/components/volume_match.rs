//! Which volume a claim gets: what the controller of volumes and the scheduler agree on.
//!
//! Follows `staging/src/k8s.io/component-helpers/storage/volume/pv_helpers.go` of Kubernetes 1.36. Of volumes that fit
//! equally well the real choice is random; here the first name wins.

use crate::api::names;
use crate::api::{ClaimReference, Name, PersistentVolume, PersistentVolumeClaim};
use std::sync::Arc;

names! {
    SELECTED_NODE = "volume.kubernetes.io/selected-node";
    BIND_COMPLETED = "pv.kubernetes.io/bind-completed";
    BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller";
    NO_PROVISIONER = "kubernetes.io/no-provisioner";
    BETA_STORAGE_CLASS = "volume.beta.kubernetes.io/storage-class";
}

/// Whether a claim has its volume for good.
pub fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    !claim.volume_name.is_empty() && claim.meta.annotations.get(*BIND_COMPLETED).is_some()
}

/// The class of a claim: the old annotation comes first.
pub fn class_of_claim(claim: &PersistentVolumeClaim) -> Name {
    claim.meta.annotations.get(*BETA_STORAGE_CLASS).or(claim.storage_class).unwrap_or_default()
}

/// Whether a reference means a claim.
pub fn is_claimed_by(reference: &ClaimReference, claim: &PersistentVolumeClaim) -> bool {
    (reference.namespace, reference.name) == (claim.meta.namespace, claim.meta.name)
        && (reference.uid.is_empty() || reference.uid == claim.meta.uid)
}

/// Whether nobody else than a claim has a volume.
pub fn is_free_for(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    volume.claim.as_ref().is_none_or(|reference| is_claimed_by(reference, claim))
}

/// The reference of a volume to a claim.
pub fn reference_to(claim: &PersistentVolumeClaim) -> ClaimReference {
    ClaimReference { namespace: claim.meta.namespace, name: claim.meta.name, uid: claim.meta.uid }
}

/// The volume that is meant for a claim, or the smallest one that will do (`FindMatchingVolume`), among volumes that
/// are not `taken` and are within reach. With `only_meant` a volume that is not meant for it will not do.
pub fn find_matching_volume<'v>(
    volumes: impl Iterator<Item = &'v Arc<PersistentVolume>>,
    claim: &PersistentVolumeClaim,
    taken: impl Fn(&PersistentVolume) -> bool,
    reaches: impl Fn(&PersistentVolume) -> bool,
    only_meant: bool,
) -> Option<Arc<PersistentVolume>> {
    let class = class_of_claim(claim);
    let wanted = claim.requests.storage();
    let mut smallest: Option<&Arc<PersistentVolume>> = None;
    for volume in volumes.filter(|volume| volume.storage_class == class) {
        let is_meant = volume.claim.as_ref().is_some_and(|reference| is_claimed_by(reference, claim));
        if taken(volume)
            || volume.claim.is_some() && !is_meant
            || volume.capacity.storage() < wanted
            || volume.block != claim.block
            || volume.meta.is_terminating()
        {
            continue;
        }
        if is_meant {
            return reaches(volume).then(|| volume.clone());
        }
        let fits = !only_meant
            && volume.phase == "Available"
            && claim.selector.as_ref().is_none_or(|selector| selector.matches(&volume.meta.labels))
            && reaches(volume)
            && claim.access_modes.iter().all(|mode| volume.access_modes.contains(mode));
        if fits && smallest.is_none_or(|have| have.capacity.storage() > volume.capacity.storage()) {
            smallest = Some(volume);
        }
    }
    smallest.cloned()
}
