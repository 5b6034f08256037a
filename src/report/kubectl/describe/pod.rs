//! Pods and the templates they are made from.
//!
//! Follows kubectl 1.36 `pkg/describe/describe.go` (`describePod`, `DescribePodTemplate`).

use super::Context;
use super::container::{Owner, containers, resources};
use super::parts::{
    annotations, controlled_by, events, labels, search_events, tolerations, topology_spread_constraints,
};
use super::volume::volumes;
use super::writer::{Writer, put};
use crate::api::Quantity;
use crate::report::kubectl::fields::{Fields, condition};
use crate::report::kubectl::get::since;
use crate::report::kubectl::go::rfc1123z;
use serde_json::Value;
use std::collections::BTreeMap;

/// A pod.
pub fn pod(w: &mut Writer, pod: &Value, context: &Context<'_>) {
    placement(w, pod);
    status(w, pod, context);
    let owner = Owner::Pod(pod);
    let init = pod.list("spec.initContainers");
    if !init.is_empty() {
        containers(w, "Init Containers", init, pod.list("status.initContainerStatuses"), owner);
    }
    containers(w, "Containers", pod.list("spec.containers"), pod.list("status.containerStatuses"), owner);
    let ephemeral = pod.list("spec.ephemeralContainers");
    if !ephemeral.is_empty() {
        containers(w, "Ephemeral Containers", ephemeral, pod.list("status.ephemeralContainerStatuses"), owner);
    }
    readiness_gates(w, pod);
    let conditions = pod.list("status.conditions");
    if !conditions.is_empty() {
        put!(w, 0, "Conditions:\n  Type\tStatus\n");
    }
    for c in conditions {
        put!(w, 1, "{} \t{} \n", c.text("type"), c.text("status"));
    }
    volumes(w, "", pod.list("spec.volumes"));
    put!(w, 0, "QoS Class:\t{}\n", qos_class(pod));
    labels(w, "Node-Selectors", &pod.entries("spec.nodeSelector"));
    tolerations(w, "Tolerations", pod.list("spec.tolerations"));
    topology_spread_constraints(w, "", pod.list("spec.topologySpreadConstraints"));
    scheduling_group(w, "", pod.at("spec.schedulingGroup"));
    if context.show_events {
        // The events of a mirror pod name the pod it mirrors.
        let uid = pod.entry("metadata.annotations", "kubernetes.io/config.mirror").unwrap_or(pod.text("metadata.uid"));
        events(w, context, search_events(context, pod, "", uid));
    }
}

fn placement(w: &mut Writer, pod: &Value) {
    put!(w, 0, "Name:\t{}\n", pod.text("metadata.name"));
    put!(w, 0, "Namespace:\t{}\n", pod.text("metadata.namespace"));
    if let Some(priority) = pod.opt_int("spec.priority") {
        put!(w, 0, "Priority:\t{priority}\n");
    }
    for (title, field) in [
        ("Priority Class Name", "spec.priorityClassName"),
        ("Runtime Class Name", "spec.runtimeClassName"),
        ("Service Account", "spec.serviceAccountName"),
    ] {
        optional(w, title, pod.text(field));
    }
    match pod.text("spec.nodeName") {
        "" => put!(w, 0, "Node:\t<none>\n"),
        node => put!(w, 0, "Node:\t{node}/{}\n", pod.text("status.hostIP")),
    }
    if pod.has("status.startTime") {
        put!(w, 0, "Start Time:\t{}\n", rfc1123z(pod.time("status.startTime")));
    }
    labels(w, "Labels", &pod.entries("metadata.labels"));
    annotations(w, "Annotations", &pod.entries("metadata.annotations"));
}

fn optional(w: &mut Writer, title: &str, text: &str) {
    if !text.is_empty() {
        put!(w, 0, "{title}:\t{text}\n");
    }
}

fn status(w: &mut Writer, pod: &Value, context: &Context<'_>) {
    let phase = pod.text("status.phase");
    if pod.has("metadata.deletionTimestamp") && !matches!(phase, "Failed" | "Succeeded") {
        let lasts = since(pod.time("metadata.deletionTimestamp"), context.now);
        put!(w, 0, "Status:\tTerminating (lasts {lasts})\n");
        put!(w, 0, "Termination Grace Period:\t{}s\n", pod.int("metadata.deletionGracePeriodSeconds"));
    } else {
        put!(w, 0, "Status:\t{phase}\n");
    }
    optional(w, "Reason", pod.text("status.reason"));
    optional(w, "Message", pod.text("status.message"));
    let profile = pod.at("spec.securityContext.seccompProfile");
    if !profile.is_null() {
        put!(w, 0, "SeccompProfile:\t{}\n", profile.text("type"));
        if profile.text("type") == "Localhost" {
            put!(w, 0, "LocalhostProfile:\t{}\n", profile.text("localhostProfile"));
        }
    }
    put!(w, 0, "IP:\t{}\n", pod.text("status.podIP"));
    let addresses = pod.list("status.podIPs");
    put!(w, 0, "IPs:{}\n", if addresses.is_empty() { "\t<none>" } else { "" });
    for address in addresses {
        put!(w, 1, "IP:\t{}\n", address.text("ip"));
    }
    controlled_by(w, pod);
    optional(w, "NominatedNodeName", pod.text("status.nominatedNodeName"));
    if pod.has("spec.resources") {
        put!(w, 0, "Resources:\n");
        resources(w, 1, pod.at("spec.resources"));
    }
}

fn readiness_gates(w: &mut Writer, pod: &Value) {
    let gates = pod.list("spec.readinessGates");
    if !gates.is_empty() {
        put!(w, 0, "Readiness Gates:\n  Type\tStatus\n");
    }
    for gate in gates {
        let kind = gate.text("conditionType");
        let status = condition(pod, kind).map_or("<none>", |c| c.text("status"));
        put!(w, 1, "{kind} \t{status} \n");
    }
}

fn scheduling_group(w: &mut Writer, indent: &str, group: &Value) {
    if !group.is_null() {
        put!(w, 0, "{indent}SchedulingGroup:\n");
        put!(w, 1, "PodGroupName:\t{}\n", group.text("podGroupName"));
    }
}

/// What its status says, or else what its requests and limits make it.
fn qos_class(pod: &Value) -> &str {
    if let Some(class) = pod.opt_text("status.qosClass").filter(|class| !class.is_empty()) {
        return class;
    }
    let of_pod = pod.at("spec.resources");
    let all: Vec<&Value> = if of_pod.is_null() {
        let containers = pod.list("spec.containers").iter().chain(pod.list("spec.initContainers"));
        containers.map(|container| container.at("resources")).collect()
    } else {
        vec![of_pod]
    };
    let sum = |field: &str| {
        let mut sums: BTreeMap<&str, Quantity> = BTreeMap::new();
        for (name, amount) in all.iter().flat_map(|resources| computed(resources, field)) {
            sums.entry(name).or_default().add(&amount);
        }
        sums
    };
    let (requests, limits) = (sum("requests"), sum("limits"));
    let all_limited = all.iter().all(|resources| computed(resources, "limits").len() == 2);
    if requests.is_empty() && limits.is_empty() {
        "BestEffort"
    } else if all_limited && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// The amounts that count for the quality of service.
fn computed<'a>(resources: &'a Value, field: &str) -> Vec<(&'a str, Quantity)> {
    let mut amounts = resources.quantities(field);
    amounts.retain(|(name, amount)| matches!(*name, "cpu" | "memory") && amount.sign() > 0);
    amounts
}

/// `Pod Template:` of a controller.
pub fn template(w: &mut Writer, template: &Value) {
    put!(w, 0, "Pod Template:\n");
    if template.is_null() {
        put!(w, 1, "<unset>");
        return;
    }
    labels(w, "  Labels", &template.entries("metadata.labels"));
    let notes = template.entries("metadata.annotations");
    if !notes.is_empty() {
        annotations(w, "  Annotations", &notes);
    }
    let indented = |w: &mut Writer, title: &str, text: &str| {
        if !text.is_empty() {
            put!(w, 1, "{title}:\t{text}\n");
        }
    };
    indented(w, "Service Account", template.text("spec.serviceAccountName"));
    let init = template.list("spec.initContainers");
    if !init.is_empty() {
        containers(w, "Init Containers", init, &[], Owner::Template);
    }
    containers(w, "Containers", template.list("spec.containers"), &[], Owner::Template);
    volumes(w, "  ", template.list("spec.volumes"));
    topology_spread_constraints(w, "  ", template.list("spec.topologySpreadConstraints"));
    indented(w, "Priority Class Name", template.text("spec.priorityClassName"));
    labels(w, "  Node-Selectors", &template.entries("spec.nodeSelector"));
    tolerations(w, "  Tolerations", template.list("spec.tolerations"));
    scheduling_group(w, "  ", template.at("spec.schedulingGroup"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quality_of_service_is_computed_if_it_must_be() {
        let limited = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}});
        let partly = json!({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}});
        for (containers, class) in [
            (json!([{}]), "BestEffort"),
            (json!([{"resources": {"requests": {"cpu": "0", "gpu": "1"}}}]), "BestEffort"),
            (json!([{"resources": limited}]), "Guaranteed"),
            (json!([{"resources": limited}, {}]), "Burstable"),
            (json!([{"resources": partly}]), "Burstable"),
        ] {
            assert_eq!(qos_class(&json!({"spec": {"containers": containers}})), class);
        }
        assert_eq!(qos_class(&json!({"status": {"qosClass": "Guaranteed"}})), "Guaranteed");
    }
}
