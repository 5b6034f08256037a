//! The claims of a StatefulSet: one for each template and ordinal, made before the pod, and gone with the set or the
//! scaled-away pod only if the retention policy says so (`stateful_pod_control.go`).

use super::{View, identity};
use crate::api::{
    Amendment, ApiError, Kind, Metadata, Name, Object, OwnerReference, PersistentVolumeClaim, Pod, Request,
    StatefulSet, Target, lower,
};
use crate::components::controllers::flow::{Flow, Step};
use crate::components::controllers::pod_control::Owner;
use crate::components::controllers::work_queue::Key;
use std::sync::Arc;

/// The name of an ordinal's claim.
pub(super) fn claim_name(set: &StatefulSet, template: Name, ordinal: i32) -> Name {
    Name::new(&format!("{template}-{}", identity::name(set, ordinal)))
}

/// Makes the claims of an ordinal that are missing; the first problem ends it. A claim on its way out is a problem: the
/// pod waits until it is gone.
pub(super) fn create_missing(
    view: &View,
    owner: &Owner,
    ordinal: i32,
    flow: &mut Flow<'_, Key>,
) -> Step<Option<Box<ApiError>>> {
    let set = &view.set;
    for template in &set.spec.volume_claim_templates {
        let name = claim_name(set, template.name, ordinal);
        if let Some(claim) = view.volumes.get(&name) {
            if claim.meta.is_terminating() {
                let why = format!("pvc {name} is being deleted");
                return Ok(Some(ApiError::new(crate::api::ErrorReason::InternalError, why)));
            }
            continue;
        }
        let Some(claim) = make(set, owner, &template.manifest, name) else { continue };
        let what = format!("Claim {name} Pod {}", identity::name(set, ordinal));
        match flow.call(|| Request::Create(Object::PersistentVolumeClaim(Arc::new(claim))))? {
            Ok(_) => super::tell(owner, "Create", &what, Ok(()), flow),
            Err(error) => {
                super::tell(owner, "Create", &what, Err(&error), flow);
                return Ok(Some(error));
            }
        }
    }
    Ok(None)
}

fn make(set: &StatefulSet, owner: &Owner, manifest: &str, name: Name) -> Option<PersistentVolumeClaim> {
    let mut manifest: serde_json::Value = serde_json::from_str(manifest).ok()?;
    manifest["apiVersion"] = "v1".into();
    manifest["kind"] = "PersistentVolumeClaim".into();
    manifest["metadata"]["name"] = name.as_str().into();
    let Object::PersistentVolumeClaim(claim) = lower(&manifest).ok()?.object else { return None };
    let mut claim = Arc::unwrap_or_clone(claim);
    let labels = set.spec.selector.0.iter().filter_map(|wanted| Some((wanted.key, *wanted.values.first()?)));
    let labels = labels.fold(claim.meta.labels.clone(), |all, (key, value)| all.with(key, value));
    let mut owners = Vec::new();
    if set.spec.delete_claims_with_set {
        owners.push(OwnerReference { controller: true, block_owner_deletion: true, ..owner.owner.clone() });
    }
    claim.meta =
        Metadata { name, namespace: set.meta.namespace, labels, owner_references: owners.into(), ..claim.meta };
    Some(claim)
}

/// Whom the claims of a pod go with, by the retention policy: the set, or the pod once it is scaled away
/// (`updateClaimOwnerRefForSetAndPod`).
pub(super) fn keep_owners(view: &View, owner: &Owner, pod: &Pod, condemned: bool, flow: &mut Flow<'_, Key>) -> Step {
    let (set, spec) = (&view.set, &view.set.spec);
    let Some(ordinal) = identity::ordinal(set, pod.meta.name) else { return Ok(()) };
    if !spec.delete_claims_with_set && !spec.delete_claims_on_scale_down {
        return Ok(());
    }
    let with_pod = spec.delete_claims_on_scale_down && condemned;
    let with_set = spec.delete_claims_with_set && !with_pod;
    for template in &spec.volume_claim_templates {
        let name = claim_name(set, template.name, ordinal);
        let Some(claim) = view.volumes.get(&name) else { continue };
        let target = Target { kind: Kind::PersistentVolumeClaim, namespace: set.meta.namespace, name };
        let pod_owner = Object::Pod(Arc::new(pod.clone())).controller_reference();
        for (wanted, reference) in [(with_set, &owner.owner), (with_pod, &pod_owner)] {
            let owned = claim.meta.owner_references.iter().any(|have| have.uid == reference.uid);
            if owned == wanted {
                continue;
            }
            let amendment = if wanted {
                Amendment::AddOwner(OwnerReference { block_owner_deletion: true, ..reference.clone() })
            } else {
                Amendment::RemoveOwners(vec![reference.uid].into())
            };
            flow.call(|| Request::Amend { target, uid: Some(claim.meta.uid), amendment })??;
        }
    }
    Ok(())
}
