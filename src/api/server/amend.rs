//! Amendments: the patches of components, applied to the stored object whatever its version.

use super::Server;
use crate::api::object::with_kind;
use crate::api::{
    Amendment, ApiError, ApiObject, Kind, Labels, List, Metadata, Name, Node, Object, OwnerReference, Part, Pod,
    PodPhase, Response, Taint, TaintEffect, Target, Uid,
};
use crate::engine::SimTime;
use std::sync::Arc;

impl Server {
    pub(super) fn amend(&mut self, now: SimTime, target: Target, uid: Option<Uid>, amendment: Amendment) -> Response {
        let stored = self.get(target)?;
        if uid.is_some_and(|uid| uid != stored.meta().uid) {
            let why = format!(
                "Precondition failed: UID in precondition: {}, UID in object meta: {}",
                uid.expect("just compared"),
                stored.meta().uid
            );
            return Err(ApiError::conflict(target.kind, &target.name, why));
        }
        let part = match amendment {
            Amendment::PodStatus { .. } | Amendment::VolumeAttached { .. } => Part::Status,
            _ => Part::Main,
        };
        let amended = apply(stored, amendment)?;
        with_kind!(target.kind, T => {
            let object = T::unwrap(&amended).expect("an amendment keeps the kind").clone();
            drop(amended);
            self.update_one(now, object, part)
        })
    }
}

fn apply(mut object: Object, amendment: Amendment) -> Response {
    match amendment {
        Amendment::PodStatus { condition, phase } => amend_pod(&mut object, condition, phase)?,
        Amendment::Taints { add, remove } => amend_taints(&mut object, &add, &remove)?,
        Amendment::VolumeAttached { volume, attached } => amend_attached(&mut object, volume, attached)?,
        Amendment::Scale(replicas) => scale(&mut object, replicas)?,
        Amendment::RemoveFinalizers(gone) => {
            let meta = object.meta_mut();
            meta.finalizers = meta.finalizers.retain(|finalizer| !gone.contains(finalizer));
        }
        Amendment::AddOwner(owner) => add_owner(object.meta_mut(), owner),
        Amendment::RemoveOwners(gone) => {
            let meta = object.meta_mut();
            meta.owner_references = meta.owner_references.retain(|owner| !gone.contains(&owner.uid));
        }
        Amendment::UnblockOwners => {
            let meta = object.meta_mut();
            let unblocked = |owner: &OwnerReference| OwnerReference { block_owner_deletion: false, ..owner.clone() };
            meta.owner_references = meta.owner_references.iter().map(unblocked).collect();
        }
        Amendment::Label(labels) => {
            let meta = object.meta_mut();
            meta.labels = labels.iter().fold(meta.labels.clone(), |all, (key, value)| all.with(*key, *value));
        }
        Amendment::Annotate(annotations) => annotate(&mut object.meta_mut().annotations, &annotations),
    }
    Ok(object)
}

fn no_such(object: &Object, part: &str) -> Box<ApiError> {
    ApiError::not_found(object.kind(), &format!("{}/{part}", object.meta().name))
}

fn add_owner(meta: &mut Metadata, owner: OwnerReference) {
    let others = meta.owner_references.retain(|have| have.uid != owner.uid);
    meta.owner_references = others.with(owner);
}

fn annotate(annotations: &mut Labels, changes: &List<(Name, Option<Name>)>) {
    for (key, value) in changes {
        *annotations = match value {
            Some(value) => annotations.with(*key, *value),
            None => annotations.without(*key),
        };
    }
}

fn amend_pod(
    object: &mut Object,
    condition: Option<crate::api::Condition>,
    phase: Option<PodPhase>,
) -> Result<(), Box<ApiError>> {
    let Object::Pod(pod) = object else { return Err(no_such(object, "status")) };
    let pod: &mut Pod = Arc::make_mut(pod);
    let status = Arc::make_mut(&mut pod.status);
    if let Some(condition) = condition {
        status.set_condition(condition);
    }
    if let Some(phase) = phase {
        status.phase = phase;
    }
    Ok(())
}

fn amend_taints(
    object: &mut Object,
    add: &List<Taint>,
    remove: &List<(Name, TaintEffect)>,
) -> Result<(), Box<ApiError>> {
    let Object::Node(node) = object else { return Err(no_such(object, "taints")) };
    let node: &mut Node = Arc::make_mut(node);
    let same = |taint: &Taint, key: Name, effect: TaintEffect| taint.key == key && taint.effect == effect;
    let kept = node.taints.retain(|taint| !remove.iter().any(|(key, effect)| same(taint, *key, *effect)));
    let kept = kept.retain(|taint| !add.iter().any(|new| same(taint, new.key, new.effect)));
    node.taints = kept.iter().chain(add).cloned().collect();
    Ok(())
}

fn amend_attached(object: &mut Object, volume: Name, attached: bool) -> Result<(), Box<ApiError>> {
    let Object::Node(node) = object else { return Err(no_such(object, "status")) };
    let status = Arc::make_mut(&mut Arc::make_mut(node).status);
    let others = status.volumes_attached.retain(|have| *have != volume);
    status.volumes_attached = if attached { others.with(volume) } else { others };
    Ok(())
}

fn scale(object: &mut Object, replicas: i32) -> Result<(), Box<ApiError>> {
    let place = match object {
        Object::Deployment(version) => &mut Arc::make_mut(version).spec.replicas,
        Object::ReplicaSet(version) => &mut Arc::make_mut(version).spec.replicas,
        Object::ReplicationController(version) => &mut Arc::make_mut(version).spec.replicas,
        Object::StatefulSet(version) => &mut Arc::make_mut(version).spec.replicas,
        _ => return Err(no_such(object, "scale")),
    };
    *place = replicas;
    Ok(())
}

impl Kind {
    /// Whether objects of the kind have a scale sub-resource.
    pub const fn is_scalable(self) -> bool {
        matches!(self, Self::Deployment | Self::ReplicaSet | Self::ReplicationController | Self::StatefulSet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_are_added_and_removed_by_key_and_effect() {
        let taint = |key: &str, effect| Taint { key: Name::new(key), value: Name::default(), effect, time_added: None };
        let (no_schedule, no_execute) = (TaintEffect::NoSchedule, TaintEffect::NoExecute);
        let node = Node { taints: vec![taint("a", no_schedule), taint("b", no_execute)].into(), ..Node::default() };
        let mut object = Object::Node(Arc::new(node));
        let add = vec![taint("a", no_execute), taint("b", no_execute)].into();
        amend_taints(&mut object, &add, &vec![(Name::new("a"), no_schedule)].into()).unwrap();
        let Object::Node(node) = object else { panic!() };
        assert_eq!(&node.taints[..], [taint("a", no_execute), taint("b", no_execute)]);
    }
}
