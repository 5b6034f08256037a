//! Pods.

use super::fields::{ConditionStyle, Fields, amounts, conditions, known, list};
use super::spec;
use crate::api::{ContainerId, ContainerState, ContainerStatus, Pod, PodStatus, ResourceList, Terminated};
use serde_json::{Value, json};

/// Spec and status of a pod.
pub(super) fn pod(pod: &Pod) -> Fields {
    let written = written(pod);
    let mut fields = Fields::default();
    fields.put("status", status(&pod.status, &written));
    fields.put("spec", written);
    fields
}

/// What is written of a pod.
pub(super) fn written(pod: &Pod) -> Value {
    let typed = spec::pod(&pod.spec, pod.node_name, pod.meta.uid, pod.meta.name);
    serde_json::to_value(&typed).expect("API types are JSON")
}

/// What is known of a pod; amounts are printed as the spec writes them.
pub(super) fn status(status: &PodStatus, spec: &Value) -> Value {
    let mut fields = Fields::default();
    let own = written_resources(spec);
    fields.maybe("allocatedResources", status.allocated_resources.as_ref().map(|list| amounts(list, &own["requests"])));
    fields.set("conditions", conditions(&status.conditions, ConditionStyle::Pod));
    let statuses = |list_field: &str, statuses: &[ContainerStatus]| {
        let specs = spec[list_field].as_array().map_or(&[][..], Vec::as_slice);
        list(statuses, |status| {
            let none = Value::Null;
            let spec = specs.iter().find(|spec| spec["name"] == *status.name).unwrap_or(&none);
            container(status, spec)
        })
    };
    fields.set("containerStatuses", statuses("containers", &status.containers));
    fields.set("initContainerStatuses", statuses("initContainers", &status.init_containers));
    fields.set("ephemeralContainerStatuses", statuses("ephemeralContainers", &status.ephemeral_containers));
    if let Some(address) = status.host_ip {
        fields.put("hostIP", address.to_string());
        fields.put("hostIPs", json!([{"ip": address.to_string()}]));
    }
    if let Some(address) = status.pod_ip {
        fields.put("podIP", address.to_string());
        fields.put("podIPs", json!([{"ip": address.to_string()}]));
    }
    fields.set("message", &status.message);
    fields.set("nominatedNodeName", status.nominated_node_name);
    fields.set("observedGeneration", status.observed_generation);
    fields.put("phase", status.phase.to_string());
    fields.put("qosClass", status.qos_class.to_string());
    fields.set("reason", status.reason);
    fields.maybe("resources", status.resources.as_ref().map(|pair| resources(pair, own)));
    let claims = list(&status.resource_claims, |(name, claim)| json!({"name": name, "resourceClaimName": claim}));
    fields.set("resourceClaimStatuses", claims);
    fields.maybe("startTime", status.start_time);
    fields.into()
}

/// Requests and limits of a pod as a whole as they are written: its own, or those of its only container.
fn written_resources(spec: &Value) -> &Value {
    match spec["containers"].as_array().map(Vec::as_slice) {
        Some([container]) if !spec["resources"].is_object() => &container["resources"],
        _ => &spec["resources"],
    }
}

fn resources((requests, limits): &(ResourceList, ResourceList), written: &Value) -> Value {
    let mut fields = Fields::default();
    fields.set("limits", amounts(limits, &written["limits"]));
    fields.set("requests", amounts(requests, &written["requests"]));
    fields.into()
}

fn container(status: &ContainerStatus, spec: &Value) -> Value {
    let mut fields = Fields::default();
    let written = &spec["resources"];
    let allocated = status.allocated_resources.as_ref();
    fields.maybe("allocatedResources", allocated.map(|list| amounts(list, &written["requests"])));
    fields.set("containerID", container_id(status.container_id));
    fields.put("image", status.image);
    fields.put("imageID", status.image_id);
    let last = status.last_state.as_ref().map(|end| json!({"terminated": terminated(end)}));
    fields.put("lastState", last.unwrap_or_else(|| json!({})));
    fields.put("name", status.name);
    fields.put("ready", status.ready);
    fields.maybe("resources", status.resources.as_ref().map(|pair| resources(pair, written)));
    fields.put("restartCount", status.restart_count);
    fields.maybe("started", status.started);
    fields.put("state", state(&status.state));
    let mounts = spec["volumeMounts"].as_array().map_or(&[][..], Vec::as_slice);
    fields.set("volumeMounts", list(mounts, mount));
    fields.into()
}

/// A mount as the kubelet reports it.
fn mount(mount: &Value) -> Value {
    let mut fields = Fields::default();
    fields.put("mountPath", mount["mountPath"].clone());
    fields.put("name", mount["name"].clone());
    if mount["readOnly"] == true {
        fields.put("readOnly", true);
        fields.put("recursiveReadOnly", mount.get("recursiveReadOnly").cloned().unwrap_or_else(|| "Disabled".into()));
    }
    fields.into()
}

fn container_id(id: ContainerId) -> String {
    if id.is_none() { String::new() } else { format!("containerd://{id}") }
}

fn state(state: &ContainerState) -> Value {
    match state {
        ContainerState::Waiting { reason, message } => {
            let mut fields = Fields::default();
            fields.set("message", message);
            fields.set("reason", *reason);
            json!({"waiting": Value::from(fields)})
        }
        ContainerState::Running { started_at } => json!({"running": {"startedAt": known(*started_at)}}),
        ContainerState::Terminated(end) => json!({"terminated": terminated(end)}),
    }
}

fn terminated(end: &Terminated) -> Value {
    let mut fields = Fields::default();
    fields.set("containerID", container_id(end.container_id));
    fields.put("exitCode", end.exit_code);
    fields.put("finishedAt", end.finished_at.map_or(Value::Null, Value::from));
    fields.set("message", &end.message);
    fields.set("reason", end.reason);
    fields.set("signal", end.signal);
    fields.put("startedAt", end.started_at.map_or(Value::Null, Value::from));
    fields.into()
}
