//! What pods name and a dump does not hold: since they run, it exists.

use crate::api::{
    AccessMode, ClaimReference, ConfigMap, EnvValue, Kind, List, Metadata, Name, Object, ObjectFiles, PersistentVolume,
    PersistentVolumeClaim, Pod, PodSpec, PriorityClass, ProjectedSource, ResourceList, STORAGE, Secret, ServiceAccount,
    Text, Uid, VolumeSource,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Names of objects, each with the keys that are read of it.
type Named = BTreeMap<(Kind, Name, Name), BTreeSet<Name>>;

/// Makes up what is missing: with the keys that are asked for, and claims bound to volumes that every node reaches.
pub(super) fn supply(objects: &mut Vec<Object>, pods: &[Pod], notes: &mut Vec<String>) {
    let mut named = Named::new();
    let mut priorities: BTreeMap<Name, (i32, bool)> = BTreeMap::new();
    for pod in pods {
        collect(pod.meta.namespace, &pod.spec, &mut named);
        let class = pod.spec.priority_class;
        if !class.is_empty() && !class.starts_with("system-") {
            priorities.insert(class, (pod.spec.priority, pod.spec.never_preempts));
        }
    }
    for object in objects.iter() {
        if let Some((namespace, spec)) = template_of(object) {
            collect(namespace, spec, &mut named);
        }
    }
    for object in objects.iter() {
        let meta = object.meta();
        named.remove(&(object.kind(), meta.namespace, meta.name));
        if object.kind() == Kind::PriorityClass {
            priorities.remove(&meta.name);
        }
    }
    let mut made: BTreeMap<Kind, usize> = BTreeMap::new();
    for ((kind, namespace, name), keys) in named {
        *made.entry(kind).or_default() += 1;
        objects.extend(make(kind, namespace, name, &keys));
    }
    for (name, (value, never_preempts)) in priorities {
        *made.entry(Kind::PriorityClass).or_default() += 1;
        let meta = Metadata { name, ..Metadata::default() };
        let class = PriorityClass { meta, value, global_default: false, never_preempts, source: Text::default() };
        objects.push(Object::PriorityClass(Arc::new(class)));
    }
    if !made.is_empty() {
        let counts: Vec<String> = made.into_iter().map(|(kind, count)| format!("{count} {}", kind.plural())).collect();
        notes.push(format!("named by pods, not in the dump, and taken to exist: {}", counts.join(", ")));
    }
}

/// The template of a workload's pods, with its namespace.
fn template_of(object: &Object) -> Option<(Name, &PodSpec)> {
    let template = match object {
        Object::Deployment(one) => &one.spec.template,
        Object::ReplicaSet(one) => &one.spec.template,
        Object::ReplicationController(one) => &one.spec.template,
        Object::StatefulSet(one) => &one.spec.template,
        Object::DaemonSet(one) => &one.spec.template,
        _ => return None,
    };
    Some((object.meta().namespace, &template.spec))
}

fn collect(namespace: Name, spec: &PodSpec, named: &mut Named) {
    let mut name = |kind, name: Name, key: Option<Name>| {
        let keys: &mut BTreeSet<Name> = named.entry((kind, namespace, name)).or_default();
        keys.extend(key);
    };
    if !spec.service_account.is_empty() && spec.service_account != "default" {
        name(Kind::ServiceAccount, spec.service_account, None);
    }
    for container in spec.created_containers() {
        for variable in &container.env {
            match &variable.value {
                EnvValue::ConfigMapKey(key) if !key.optional => name(Kind::ConfigMap, key.name, Some(key.key)),
                EnvValue::SecretKey(key) if !key.optional => name(Kind::Secret, key.name, Some(key.key)),
                _ => {}
            }
        }
        for source in container.env_from.iter().filter(|source| !source.optional) {
            name(if source.secret { Kind::Secret } else { Kind::ConfigMap }, source.name, None);
        }
    }
    let mut files = |kind, files: &ObjectFiles| {
        if files.optional || files.name == "kube-root-ca.crt" {
            return;
        }
        name(kind, files.name, None);
        files.items.iter().for_each(|file| name(kind, files.name, Some(file.key)));
    };
    for volume in &spec.volumes {
        match &volume.source {
            VolumeSource::ConfigMap(one) => files(Kind::ConfigMap, one),
            VolumeSource::Secret(one) => files(Kind::Secret, one),
            VolumeSource::Projected(sources) => {
                sources.iter().filter_map(ProjectedSource::object).for_each(|(kind, one)| files(kind, one));
            }
            _ => {}
        }
    }
    for volume in &spec.volumes {
        if let VolumeSource::Claim { name: claim, .. } = &volume.source {
            name(Kind::PersistentVolumeClaim, *claim, None);
        }
    }
}

fn make(kind: Kind, namespace: Name, name: Name, keys: &BTreeSet<Name>) -> Vec<Object> {
    let meta = Metadata { name, namespace, ..Metadata::default() };
    let source = Text::default();
    let data: List<(Name, Text)> = keys.iter().map(|key| (*key, Text::default())).collect();
    match kind {
        Kind::ConfigMap => vec![Object::ConfigMap(Arc::new(ConfigMap { meta, data, source }))],
        Kind::Secret => vec![Object::Secret(Arc::new(Secret { meta, data, source }))],
        Kind::ServiceAccount => vec![Object::ServiceAccount(Arc::new(ServiceAccount {
            meta,
            automount_token: None,
            image_pull_secrets: List::EMPTY,
            source,
        }))],
        Kind::PersistentVolumeClaim => bound_claim(meta),
        _ => Vec::new(),
    }
}

fn bound_claim(mut meta: Metadata) -> Vec<Object> {
    let identity = crate::engine::StreamKey::new(&meta.key());
    meta.uid = Uid::from_random(identity.bits(), identity.bits().rotate_left(32));
    let volume_name = Name::new(&format!("volume-of-{}-{}", meta.namespace, meta.name));
    let amount: ResourceList = [(*STORAGE, 1 << 30)].into_iter().collect();
    let modes: List<AccessMode> = vec![AccessMode::ReadWriteMany].into();
    let volume = PersistentVolume {
        meta: Metadata { name: volume_name, ..Metadata::default() },
        capacity: amount.clone(),
        access_modes: modes.clone(),
        storage_class: Name::default(),
        block: false,
        claim: Some(ClaimReference { namespace: meta.namespace, name: meta.name, uid: meta.uid }),
        reclaim_policy: Name::new("Retain"),
        node_affinity: None,
        csi_driver: Name::default(),
        volume_handle: Name::default(),
        attachable: false,
        phase: Name::new("Bound"),
        message: Text::default(),
        source: Text::default(),
    };
    let claim = PersistentVolumeClaim {
        meta,
        access_modes: modes,
        requests: amount.clone(),
        storage_class: Some(Name::default()),
        block: false,
        selector: None,
        volume_name,
        phase: Name::new("Bound"),
        capacity: amount,
        allocated: ResourceList::EMPTY,
        growth: Name::default(),
        conditions: List::EMPTY,
        source: Text::default(),
    };
    vec![Object::PersistentVolume(Arc::new(volume)), Object::PersistentVolumeClaim(Arc::new(claim))]
}
