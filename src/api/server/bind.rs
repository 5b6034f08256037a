//! Binding a pod to a node: the one write of `spec.nodeName` after creation.
//!
//! Follows `pkg/registry/core/pod/storage/storage.go` (`BindingREST`).

use super::Server;
use crate::api::{
    ApiError, Condition, ConditionStatus, Kind, Name, Object, POD_SCHEDULED, Pod, REGION_LABEL, Response, Uid,
    ZONE_LABEL,
};
use crate::engine::SimTime;
use std::sync::Arc;

impl Server {
    pub(super) fn bind(&mut self, now: SimTime, namespace: Name, name: Name, uid: Uid, node: Name) -> Response {
        let Some(stored) = self.store.pods.find(namespace, name) else {
            return Err(ApiError::not_found(Kind::Pod, &name));
        };
        let refused = |why: String| Err(ApiError::conflict(Kind::Pod, &name, why));
        if stored.meta.uid != uid {
            return refused(format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                stored.meta.uid
            ));
        }
        if stored.meta.is_terminating() {
            return refused(format!("pod {name} is being deleted, cannot be assigned to a host"));
        }
        if !stored.node_name.is_empty() {
            return refused(format!("pod {name} is already assigned to node {:?}", &*stored.node_name));
        }
        if !stored.spec.scheduling_gates.is_empty() {
            return refused(format!("pod {name} has non-empty .spec.schedulingGates"));
        }
        let mut pod = Pod::clone(stored);
        pod.node_name = node;
        let status = Arc::make_mut(&mut pod.status);
        status.nominated_node_name = Name::default();
        status.set_condition(Condition::new(*POD_SCHEDULED, ConditionStatus::True, self.stamp(now)));
        self.copy_topology_labels(&mut pod);
        Ok(Object::Pod(self.store.replace(pod)))
    }

    /// Admission plug-in PodTopologyLabels: zone and region ride on the binding.
    fn copy_topology_labels(&self, pod: &mut Pod) {
        let Some(node) = self.store.nodes.find(Name::default(), pod.node_name) else { return };
        for key in [*ZONE_LABEL, *REGION_LABEL] {
            if let Some(value) = node.meta.labels.get(key) {
                pod.meta.labels = pod.meta.labels.with(key, value);
            }
        }
    }
}
