//! From records back to the JSON that `kubectl get -o json` prints.
//!
//! The text that was accepted is printed, under what the simulation changed since. A value that was never lowered
//! (an object that a controller made) is printed from its record alone.

mod autoscaler;
mod change;
mod fields;
mod others;
mod pod;
mod spec;
mod workload;

use super::{Name, Object, PodSpec, Uid};
use serde_json::Value;
use std::sync::Arc;

/// An object as `kubectl get -o json` prints it.
///
/// ```
/// use podsim::api::{lower, render};
/// let class = serde_json::json!({
///     "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"},
///     "value": 1000, "preemptionPolicy": "PreemptLowerPriority",
/// });
/// assert_eq!(render(&lower(&class)?.object), class);
/// # Ok::<(), Box<podsim::api::ApiError>>(())
/// ```
pub fn render(object: &Object) -> Value {
    let mut printed = match object {
        Object::Pod(record) => pod::pod(record),
        Object::Node(record) => others::node(record),
        Object::Namespace(record) => others::namespace(record),
        Object::Event(record) => others::event(record),
        Object::Service(record) => others::service(record),
        Object::EndpointSlice(record) => others::endpoint_slice(record),
        Object::Endpoints(record) => others::endpoints(record),
        Object::ConfigMap(record) => others::config_map(record),
        Object::Secret(record) => others::secret(record),
        Object::ServiceAccount(record) => others::service_account(record),
        Object::LimitRange(record) => others::limit_range(record),
        Object::ResourceQuota(record) => others::resource_quota(record),
        Object::PersistentVolume(record) => others::persistent_volume(record),
        Object::PersistentVolumeClaim(record) => others::persistent_volume_claim(record),
        Object::ReplicationController(record) => workload::replication_controller(record),
        Object::ReplicaSet(record) => workload::replica_set(record),
        Object::Deployment(record) => workload::deployment(record),
        Object::StatefulSet(record) => workload::stateful_set(record),
        Object::DaemonSet(record) => workload::daemon_set(record),
        Object::ControllerRevision(record) => workload::controller_revision(record),
        Object::Job(record) => workload::job(record),
        Object::CronJob(record) => workload::cron_job(record),
        Object::PodDisruptionBudget(record) => others::disruption_budget(record),
        Object::HorizontalPodAutoscaler(record) => autoscaler::autoscaler(record),
        Object::PriorityClass(record) => others::priority_class(record),
        Object::RuntimeClass(record) => others::plain(&record.source),
        Object::StorageClass(record) => others::storage_class(record),
        Object::CsiNode(record) => others::csi_node(record),
        Object::CsiDriver(record) => others::plain(&record.source),
        Object::CsiStorageCapacity(record) => others::plain(&record.source),
        Object::VolumeAttachment(record) => others::volume_attachment(record),
        Object::ResourceClaim(record) => others::resource_claim(record),
        Object::ResourceClaimTemplate(record) => others::plain(&record.source),
        Object::DeviceClass(record) => others::plain(&record.source),
        Object::ResourceSlice(record) => others::plain(&record.source),
        Object::Other(record) => others::plain(&record.source),
    };
    printed.put("apiVersion", object.api_version());
    printed.put("kind", object.kind_name());
    printed.put("metadata", fields::metadata(object.meta()));
    printed.into()
}

/// Two versions of an object as [`render`] prints them, but without what both are known to share:
/// they differ where the whole objects differ.
pub fn render_both(before: &Object, after: &Object) -> (Value, Value) {
    if let (Object::Pod(first), Object::Pod(second)) = (before, after)
        && Arc::ptr_eq(&first.spec, &second.spec)
        && (first.node_name, first.meta.uid) == (second.node_name, second.meta.uid)
    {
        return change::both(first, second);
    }
    (render(before), render(after))
}

/// The `spec` of a pod that has neither a name nor a node yet.
pub(in crate::api) fn render_spec(record: &PodSpec) -> Value {
    let typed = spec::pod(record, Name::default(), Uid::default(), Name::default());
    serde_json::to_value(&typed).expect("API types are JSON")
}

/// The `status` alone of what [`render`] prints; none where it takes the whole object to say it.
pub fn render_status(object: &Object) -> Option<Value> {
    match object {
        Object::ReplicationController(record) => Some(workload::replica_set_status(&record.status)),
        Object::ReplicaSet(record) => Some(workload::replica_set_status(&record.status)),
        Object::Deployment(record) => Some(workload::deployment_status(&record.status)),
        Object::StatefulSet(record) => Some(workload::stateful_set_status(&record.status)),
        Object::DaemonSet(record) => Some(workload::daemon_set_status(&record.status)),
        Object::Job(record) => Some(workload::job_status(&record.status)),
        _ => None,
    }
}
