//! Owners that a dump does not hold: made up where that is safe, else forgotten.
//!
//! `kubectl get deployments,pods` leaves out the ReplicaSets between them, and nobody dumps revisions. A garbage
//! collector would delete what they own, and controllers would replace every pod.

use crate::api::{
    ApiObject, ControllerRevision, DaemonSet, Deployment, FastMap, Kind, List, Metadata, Name, Object, OwnerReference,
    Pod, PodTemplate, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus, Requirement, Selector, StatefulSet, Text, Uid,
    names,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

names! {
    TEMPLATE_HASH = "pod-template-hash";
    REVISION = "deployment.kubernetes.io/revision";
    REVISION_HASH = "controller-revision-hash";
}

/// Sees to it that every owner exists.
pub(super) fn repair(objects: &mut Vec<Object>, pods: &mut [Pod], notes: &mut Vec<String>) {
    let made = replica_sets(objects, pods);
    if !made.is_empty() {
        let names: Vec<String> = made.iter().map(|set| set.meta().key()).collect();
        notes.push(format!("ReplicaSets that the dump does not hold are made up: {}", names.join(", ")));
    }
    objects.extend(made);
    let revisions = revisions(objects, pods);
    objects.extend(revisions);
    let known: FastMap<Uid, ()> = objects.iter().map(|object| (object.meta().uid, ())).collect();
    let exists = |owner: &OwnerReference| known.contains_key(&owner.uid);
    for object in objects.iter_mut() {
        if !object.meta().owner_references.iter().all(exists) {
            let meta = object.meta_mut();
            meta.owner_references = meta.owner_references.retain(exists);
        }
    }
    let mut lost: BTreeMap<Name, BTreeSet<String>> = BTreeMap::new();
    for pod in pods {
        for owner in pod.meta.owner_references.iter().filter(|owner| !exists(owner)) {
            lost.entry(owner.kind).or_default().insert(format!("{}/{}", pod.meta.namespace, owner.name));
        }
        pod.meta.owner_references = pod.meta.owner_references.retain(exists);
    }
    for (kind, names) in lost {
        let names: Vec<String> = names.into_iter().collect();
        notes.push(format!("{kind} not in the dump, so that nobody replaces its pods: {}", names.join(", ")));
    }
}

/// The ReplicaSets between Deployments and pods, where they are missing.
fn replica_sets(objects: &[Object], pods: &[Pod]) -> Vec<Object> {
    let known: FastMap<Uid, ()> = objects.iter().map(|object| (object.meta().uid, ())).collect();
    let deployments: Vec<&Arc<Deployment>> = objects.iter().filter_map(Deployment::unwrap).collect();
    let mut missing: BTreeMap<(Name, Name), (OwnerReference, Vec<&Pod>)> = BTreeMap::new();
    for pod in pods {
        let owner = pod.meta.controller().filter(|owner| owner.kind == Kind::ReplicaSet.name());
        if let Some(owner) = owner.filter(|owner| !known.contains_key(&owner.uid)) {
            let found = missing.entry((pod.meta.namespace, owner.name)).or_insert_with(|| (owner.clone(), Vec::new()));
            found.1.push(pod);
        }
    }
    missing
        .into_iter()
        .filter_map(|((namespace, _), (owner, pods))| {
            let hash = pods[0].meta.labels.get(*TEMPLATE_HASH)?;
            let deployment = deployments.iter().find(|deployment| {
                deployment.meta.namespace == namespace && *owner.name == format!("{}-{hash}", deployment.meta.name)
            })?;
            Some(Object::ReplicaSet(Arc::new(replica_set(deployment, &owner, hash, pods.len()))))
        })
        .collect()
}

fn replica_set(deployment: &Arc<Deployment>, owner: &OwnerReference, hash: Name, pods: usize) -> ReplicaSet {
    let spec = &deployment.spec;
    let template =
        PodTemplate { labels: spec.template.labels.with(*TEMPLATE_HASH, hash), ..PodTemplate::clone(&spec.template) };
    ReplicaSet {
        meta: Metadata {
            name: owner.name,
            namespace: deployment.meta.namespace,
            uid: owner.uid,
            generation: 1,
            creation_timestamp: deployment.meta.creation_timestamp,
            labels: template.labels.clone(),
            annotations: deployment.meta.annotations.get(*REVISION).map(|n| (*REVISION, n)).into_iter().collect(),
            owner_references: vec![Object::Deployment(deployment.clone()).controller_reference()].into(),
            ..Metadata::default()
        },
        spec: ReplicaSetSpec {
            replicas: i32::try_from(pods).unwrap_or(i32::MAX),
            min_ready_seconds: spec.min_ready_seconds,
            selector: Selector(spec.selector.0.with(Requirement::equals(*TEMPLATE_HASH, hash))),
            template: Arc::new(template),
            source: Text::default(),
        },
        status: ReplicaSetStatus::default(),
    }
}

/// The revision of each set's present template, under the name that its newest pods carry.
fn revisions(objects: &[Object], pods: &[Pod]) -> Vec<Object> {
    let hash_of = |uid: Uid| {
        let own = pods.iter().filter(|pod| pod.meta.controller().is_some_and(|owner| owner.uid == uid));
        own.max_by_key(|pod| pod.meta.creation_timestamp)?.meta.labels.get(*REVISION_HASH)
    };
    let daemon_set = |set: &Arc<DaemonSet>| {
        let hash = hash_of(set.meta.uid)?;
        let name = Name::new(&format!("{}-{hash}", set.meta.name));
        Some(revision(&Object::DaemonSet(set.clone()), name, hash, &set.spec.template))
    };
    let stateful_set = |set: &Arc<StatefulSet>| {
        let known = set.status.update_revision;
        let name = if known.is_empty() { hash_of(set.meta.uid)? } else { known };
        Some(revision(&Object::StatefulSet(set.clone()), name, name, &set.spec.template))
    };
    objects
        .iter()
        .filter_map(|object| match object {
            Object::DaemonSet(set) => daemon_set(set),
            Object::StatefulSet(set) => stateful_set(set),
            _ => None,
        })
        .collect()
}

fn revision(owner: &Object, name: Name, hash: Name, template: &Arc<PodTemplate>) -> Object {
    let meta = Metadata {
        name,
        namespace: owner.meta().namespace,
        creation_timestamp: owner.meta().creation_timestamp,
        labels: template.labels.with(*REVISION_HASH, hash),
        owner_references: List::from(vec![owner.controller_reference()]),
        ..Metadata::default()
    };
    let template = template.clone();
    Object::ControllerRevision(Arc::new(ControllerRevision { meta, revision: 1, template, source: Text::default() }))
}
