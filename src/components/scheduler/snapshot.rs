//! A cluster at one instant, from a list of its objects: what decisions outside a simulation are made on.

use super::cache::Cache;
use super::nominator::Nominator;
use crate::api::{Name, Object, Pod};
use std::sync::Arc;

/// A cluster as the scheduler would see it after its informers have synced.
#[derive(Debug, Clone, Default)]
pub struct ClusterSnapshot {
    /// Nodes, the pods on them, and what belongs to them.
    pub cache: Cache,
    /// Pods that room is being made for.
    pub nominator: Nominator,
    /// Pods that wait for a node, by namespace and name.
    pub pending: Vec<Arc<Pod>>,
}

impl ClusterSnapshot {
    /// The cluster of some objects, taken in order of namespace and name. A pod that `apart` names is kept out even if
    /// it has a node.
    pub fn new(objects: impl IntoIterator<Item = Object>, apart: Option<(Name, Name)>) -> Self {
        let mut objects: Vec<Object> = objects.into_iter().collect();
        objects.sort_by_key(|object| (object.meta().namespace, object.meta().name));
        let mut snapshot = Self::default();
        for (index, object) in objects.into_iter().enumerate() {
            match object {
                Object::Node(node) => snapshot.cache.set_node(&node),
                Object::Namespace(namespace) => {
                    snapshot.cache.set_namespace(namespace.meta.name, Some(namespace.meta.labels.clone()));
                }
                Object::Pod(pod) => {
                    let mut pod = Pod::clone(&pod);
                    pod.meta.index = index as u32;
                    snapshot.add_pod(Arc::new(pod), apart);
                }
                other => drop(snapshot.cache.objects.set(&other, false)),
            }
        }
        snapshot.cache.refresh();
        snapshot
    }

    fn add_pod(&mut self, pod: Arc<Pod>, apart: Option<(Name, Name)>) {
        if pod.is_terminal() {
            return;
        }
        if pod.node_name.is_empty() || apart == Some((pod.meta.namespace, pod.meta.name)) {
            self.nominator.add(&pod, None);
            self.pending.push(pod);
        } else {
            self.cache.set_pod(&pod);
        }
    }

    /// A pod that waits, by name.
    pub fn find_pending(&self, namespace: Name, name: Name) -> Option<&Arc<Pod>> {
        self.pending.iter().find(|pod| (pod.meta.namespace, pod.meta.name) == (namespace, name))
    }
}
