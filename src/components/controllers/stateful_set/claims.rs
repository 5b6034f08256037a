//! The claims of a StatefulSet: one for each template and ordinal, made before the pod, and gone with the set or the
//! scaled-away pod only if the retention policy says so (`stateful_pod_control.go`).

use super::{View, identity};
use crate::api::{
    Amendment, ApiError, ClaimTemplate, EventType, Kind, Lowering, Metadata, Name, Object, OwnerReference,
    PersistentVolumeClaim, Pod, PodPhase, Request, Response, StatefulSet, Target, VolumeSource,
};
use crate::components::controllers::flow::{Flow, Step};
use crate::components::controllers::pod_control::Owner;
use crate::components::controllers::work_queue::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The name of an ordinal's claim.
pub(super) fn claim_name(set: &StatefulSet, template: Name, ordinal: i32) -> Name {
    Name::new(&format!("{template}-{}", identity::name(set, ordinal)))
}

/// The ordinals whose claims a sync looks at: those whose pod is missing, or Pending with less than it needs; all where
/// whom claims go with matters.
pub(super) fn looked_at(
    set: &StatefulSet,
    pods: &[Arc<Pod>],
    find: impl Fn(Name) -> Option<Arc<PersistentVolumeClaim>>,
) -> BTreeSet<i32> {
    let spec = &set.spec;
    if spec.volume_claim_templates.is_empty() {
        return BTreeSet::new();
    }
    let with_owners = spec.delete_claims_with_set || spec.delete_claims_on_scale_down;
    let has = |pod: &Pod, template: &ClaimTemplate| {
        pod.spec.volumes.iter().any(|volume| match volume.source {
            VolumeSource::Claim { name, .. } if volume.name == template.name => {
                find(name).is_some_and(|claim| !claim.meta.is_terminating())
            }
            _ => false,
        })
    };
    let is_settled = |pod: &Pod| {
        let pending = pod.status.phase == PodPhase::Pending;
        !with_owners && (!pending || spec.volume_claim_templates.iter().all(|template| has(pod, template)))
    };
    let wanted = identity::ordinals(set);
    let mut looked_at = vec![true; wanted.len()];
    let mut all = BTreeSet::new();
    for pod in pods {
        let Some(ordinal) = identity::ordinal(set, pod.meta.name) else { continue };
        if wanted.contains(&ordinal) {
            looked_at[(ordinal - wanted.start) as usize] = !is_settled(pod);
        } else if with_owners {
            all.insert(ordinal);
        }
    }
    all.extend(wanted.zip(looked_at).filter_map(|(ordinal, looked_at)| looked_at.then_some(ordinal)));
    all
}

/// The names of an ordinal's claims.
pub(super) fn claim_names(set: &StatefulSet, ordinal: i32) -> impl Iterator<Item = Name> {
    set.spec.volume_claim_templates.iter().map(move |template| claim_name(set, template.name, ordinal))
}

/// Whether a missing pod has to wait because a claim of its ordinal still goes with the pod that had its name before
/// (`PodClaimIsStale`).
pub(super) fn is_stale(view: &View, ordinal: i32) -> bool {
    let set = &view.set;
    let pod = identity::name(set, ordinal);
    let goes_with_another = |claim: &Arc<PersistentVolumeClaim>| {
        claim.meta.owner_references.iter().any(|owner| owner.kind == "Pod" && owner.name == pod)
    };
    set.spec.delete_claims_on_scale_down
        && claim_names(set, ordinal).filter_map(|name| view.volumes.get(&name)).any(goes_with_another)
}

/// Makes the claims of some ordinals that are missing, for all of them at a time; an ordinal's first problem ends it. A
/// claim on its way out is a problem: the pod waits until it is gone. Returns the problems, by ordinal.
pub(super) fn create_missing(
    view: &View,
    owner: &Owner,
    ordinals: &[i32],
    flow: &mut Flow<'_, Key>,
) -> Step<BTreeMap<i32, Box<ApiError>>> {
    let set = &view.set;
    let mut problems = BTreeMap::new();
    for template in &set.spec.volume_claim_templates {
        let mut missing = Vec::new();
        for &ordinal in ordinals {
            if problems.contains_key(&ordinal) {
                continue;
            }
            let name = claim_name(set, template.name, ordinal);
            match view.volumes.get(&name) {
                Some(claim) if claim.meta.is_terminating() => {
                    let why = format!("pvc {name} is being deleted");
                    problems.insert(ordinal, ApiError::new(crate::api::ErrorReason::InternalError, why));
                }
                Some(_) => {}
                None => missing.push((ordinal, name)),
            }
        }
        if missing.is_empty() {
            continue;
        }
        let responses = flow.all(|| {
            let made = make(set, owner, &template.manifest);
            let named = |(_, name): &(i32, Name)| {
                let mut claim = made.clone()?;
                claim.meta.name = *name;
                Some(Request::Create(Object::PersistentVolumeClaim(Arc::new(claim))).into())
            };
            missing.iter().filter_map(named).collect()
        })?;
        for ((ordinal, name), response) in missing.into_iter().zip(responses) {
            tell(owner, name, identity::name(set, ordinal), &response, flow);
            problems.extend(response.err().map(|error| (ordinal, error)));
        }
    }
    Ok(problems)
}

/// Tells what became of a claim (`recordClaimEvent`): not in the words for pods.
fn tell(owner: &Owner, claim: Name, pod: Name, response: &Response, flow: &mut Flow<'_, Key>) {
    let set = owner.reference.name;
    let (kind, reason, message) = match response {
        Ok(_) => {
            let message = format!("Create Claim {claim} Pod {pod} in StatefulSet {set} success");
            (EventType::Normal, "SuccessfulCreate", message)
        }
        Err(error) => {
            let message = format!("Create Claim {claim} for Pod {pod} in StatefulSet {set} failed error: {error}");
            (EventType::Warning, "FailedCreate", message)
        }
    };
    flow.tell(owner.reference, kind, reason, message);
}

/// The claim that a template makes, without its name.
fn make(set: &StatefulSet, owner: &Owner, manifest: &str) -> Option<PersistentVolumeClaim> {
    let mut manifest: serde_json::Value = serde_json::from_str(manifest).ok()?;
    manifest["apiVersion"] = "v1".into();
    manifest["kind"] = "PersistentVolumeClaim".into();
    // The server says what is wrong with it.
    let Object::PersistentVolumeClaim(claim) = Lowering::of_stored().lower(&manifest).ok()?.object else { return None };
    let mut claim = Arc::unwrap_or_clone(claim);
    let labels = set.spec.selector.0.iter().filter_map(|wanted| Some((wanted.key, *wanted.values.first()?)));
    let labels = labels.fold(claim.meta.labels.clone(), |all, (key, value)| all.with(key, value));
    let mut owners = Vec::new();
    if set.spec.delete_claims_with_set {
        owners.push(OwnerReference { controller: true, block_owner_deletion: true, ..owner.owner.clone() });
    }
    claim.meta = Metadata { namespace: set.meta.namespace, labels, owner_references: owners.into(), ..claim.meta };
    Some(claim)
}

/// Whom the claims of a pod go with, by the retention policy: the set, or the pod once it is scaled away
/// (`updateClaimOwnerRefForSetAndPod`). Returns how many owners came or went.
pub(super) fn keep_owners(
    view: &View,
    owner: &Owner,
    pod: &Pod,
    condemned: bool,
    flow: &mut Flow<'_, Key>,
) -> Step<Result<usize, Box<ApiError>>> {
    let (set, spec) = (&view.set, &view.set.spec);
    if !spec.delete_claims_with_set && !spec.delete_claims_on_scale_down {
        return Ok(Ok(0));
    }
    let Some(ordinal) = identity::ordinal(set, pod.meta.name) else { return Ok(Ok(0)) };
    let mut changes = 0;
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
            if let Err(error) = flow.call(|| Request::Amend { target, uid: Some(claim.meta.uid), amendment })? {
                return Ok(Err(error));
            }
            changes += 1;
        }
    }
    Ok(Ok(changes))
}
