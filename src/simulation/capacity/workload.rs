//! Which workload a pod belongs to, and what one more pod of it would look like.

use super::Ground;
use crate::api::{Kind, Name, Object, Pod, PodStatus, Store, Uid, VolumeSource};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What makes pods: the object that a user wrote, or the pod itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Workload {
    /// Its namespace.
    pub namespace: Name,
    /// Its kind.
    pub kind: Name,
    /// Its name.
    pub name: Name,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

impl Serialize for Workload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Workload {
    /// The workload of a pod: its controller's controller where that has one.
    pub fn of(pod: &Pod, owner: impl Fn(Kind, Name, Name) -> Option<Object>) -> Self {
        let namespace = pod.meta.namespace;
        let Some(first) = pod.meta.controller() else {
            return Self { namespace, kind: Kind::Pod.name(), name: pod.meta.name };
        };
        let between = [Kind::ReplicaSet, Kind::Job].into_iter().find(|kind| kind.name() == first.kind);
        let found = between.and_then(|kind| owner(kind, namespace, first.name));
        let top = found.as_ref().and_then(|object| object.meta().controller()).unwrap_or(first);
        Self { namespace, kind: top.kind, name: top.name }
    }

    /// The workload of a pod in a store.
    pub fn in_store(pod: &Pod, store: &Store) -> Self {
        Self::of(pod, |kind, namespace, name| store.find(kind, namespace, name))
    }

    /// Whether it runs one pod on each node, and never needs room for more.
    pub fn is_daemon_set(&self) -> bool {
        self.kind == Kind::DaemonSet.name()
    }
}

/// A pod that could be there once more.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Its workload.
    pub workload: Workload,
    /// How many pods of it there are.
    pub pods: usize,
    /// One more: not placed.
    pub pod: Arc<Pod>,
    /// Whether it was stripped of claims that each pod would have of its own.
    pub without_claims: bool,
}

/// One shape for each workload whose pods `wanted` lets through, but for DaemonSets.
pub fn shapes(ground: &Ground, wanted: impl Fn(&Pod) -> bool) -> Vec<Shape> {
    let mut owners: BTreeMap<(Kind, Name, Name), &Object> = BTreeMap::new();
    for object in ground.objects.iter().filter(|object| matches!(object.kind(), Kind::ReplicaSet | Kind::Job)) {
        owners.insert((object.kind(), object.meta().namespace, object.meta().name), object);
    }
    let mut shapes: BTreeMap<Workload, Shape> = BTreeMap::new();
    for pod in ground.pods().filter(|pod| wanted(pod)) {
        let find = |kind, namespace, name| owners.get(&(kind, namespace, name)).map(|object| (*object).clone());
        let workload = Workload::of(pod, find);
        let is_mirror = pod.meta.controller().is_some_and(|owner| owner.kind == Kind::Node.name());
        if workload.is_daemon_set() || is_mirror {
            continue;
        }
        shapes.entry(workload).or_insert_with(|| shape(workload, pod)).pods += 1;
    }
    shapes.into_values().collect()
}

fn shape(workload: Workload, pod: &Arc<Pod>) -> Shape {
    let mut one = Pod::clone(pod);
    one.node_name = Name::default();
    one.status = Arc::new(PodStatus { qos_class: pod.status.qos_class, ..PodStatus::default() });
    one.meta.uid = Uid::default();
    let is_claim = |source: &VolumeSource| matches!(source, VolumeSource::Claim { .. });
    // Each pod of a StatefulSet has claims of its own, which nobody has made yet.
    let strip = workload.kind == Kind::StatefulSet.name() && one.spec.volumes.iter().any(|v| is_claim(&v.source));
    if strip {
        Arc::make_mut(&mut one.spec).volumes.retain(|volume| !is_claim(&volume.source));
    }
    Shape { workload, pods: 0, pod: Arc::new(one), without_claims: strip }
}
