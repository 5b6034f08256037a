//! Small clusters for the tests of this room, written as manifests are.

use super::cache::Cache;
use super::config::SchedulerConfiguration;
use super::explain::{Explanation, explain};
use super::profile::{Profile, Registry};
use super::snapshot::ClusterSnapshot;
use crate::api::{Lowering, Object, Pod};
use serde_json::{Value, json};
use std::sync::Arc;

/// An object as a cluster would have it.
pub fn object(value: &Value) -> Object {
    Lowering::of_stored().lower(value).unwrap_or_else(|error| panic!("{error}\n{value}")).object
}

/// A pod that asks for nothing.
pub fn pod(namespace: &str, name: &str) -> Pod {
    pod_with(namespace, name, json!({}))
}

/// A pod with fields of its spec.
pub fn pod_with(namespace: &str, name: &str, spec: Value) -> Pod {
    pod_of(&pod_manifest(namespace, name, json!({}), spec))
}

/// The manifest of a pod; its UID is made from its name.
pub fn pod_manifest(namespace: &str, name: &str, labels: Value, spec: Value) -> Value {
    let mut all = json!({"containers": [{"name": "c", "image": "i"}], "schedulerName": "default-scheduler"});
    for (field, value) in spec.as_object().expect("fields") {
        all[field] = value.clone();
    }
    let meta = json!({"namespace": namespace, "name": name, "labels": labels, "uid": format!("{namespace}-{name}")});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": all})
}

/// The pod of a manifest.
pub fn pod_of(manifest: &Value) -> Pod {
    match object(manifest) {
        Object::Pod(pod) => Arc::unwrap_or_clone(pod),
        other => panic!("{} is no pod", other.path()),
    }
}

/// The manifest of a node with 4 CPUs, 8 GiB and 110 pods, and further fields.
pub fn node_manifest(name: &str, labels: Value, spec: Value) -> Value {
    let mut all = json!({"kubernetes.io/hostname": name});
    for (key, value) in labels.as_object().expect("labels") {
        all[key] = value.clone();
    }
    let has = json!({"cpu": "4", "memory": "8Gi", "pods": "110"});
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": all},
        "spec": spec, "status": {"allocatable": has, "capacity": has},
    })
}

/// The default profile with fields of the configuration changed.
pub fn profile(configuration: Value) -> Arc<Profile> {
    let read = SchedulerConfiguration::from_value(&configuration).unwrap_or_else(|errors| panic!("{errors:#?}"));
    read.profiles(&Registry::default()).unwrap_or_else(|errors| panic!("{errors:#?}")).swap_remove(0)
}

/// The decision on a pod, which is one of the objects, by `namespace/name`.
pub fn decide(objects: &[Value], pod: &str, configuration: Value) -> Explanation {
    let (namespace, name) = pod.split_once('/').expect("namespace/name");
    let apart = (namespace.into(), name.into());
    let mut snapshot = ClusterSnapshot::new(objects.iter().map(object), Some(apart));
    let pod = snapshot.find_pending(apart.0, apart.1).expect("the pod is there").clone();
    explain(&mut snapshot, &profile(configuration), &pod, 0)
}

/// For each node the first reason against it, or nothing.
pub fn reasons(told: &Explanation) -> Vec<(&str, String)> {
    let of = |node: &super::explain::NodeExplanation| {
        let reasons = node.rejection.as_ref().map(|one| one.reasons.iter().map(|r| r.to_string()).collect::<Vec<_>>());
        (node.name.as_str(), reasons.unwrap_or_default().join(", "))
    };
    told.nodes.iter().map(of).collect()
}

/// For each node that fits, what one plugin's normalized score is.
pub fn scores(told: &Explanation, plugin: &str) -> Vec<i64> {
    let of = |node: &super::explain::NodeExplanation| {
        node.scores.iter().find(|score| score.plugin == plugin).map(|score| score.normalized)
    };
    told.nodes.iter().filter_map(of).collect()
}

/// A cache of nodes and pods.
pub fn cache(objects: &[Value]) -> Cache {
    ClusterSnapshot::new(objects.iter().map(object), None).cache
}
