//! Nodes and what runs on them.
//!
//! Follows kubectl 1.36 `pkg/describe/describe.go` (`describeNode`).

use super::Context;
use super::parts::{events, labels_and_annotations, search_events, taints};
use super::writer::{Writer, put};
use crate::api::Quantity;
use crate::report::kubectl::fields::{Fields, name, namespace};
use crate::report::kubectl::get::{node::roles, since};
use crate::report::kubectl::go::rfc1123z;
use crate::report::kubectl::pod_resources::{Amounts, Basis, limits, requests, total};
use serde_json::Value;
use std::collections::BTreeMap;

/// A node.
pub fn node(w: &mut Writer, node: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(node));
    let roles = roles(node);
    put!(w, 0, "Roles:\t{}\n", if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") });
    labels_and_annotations(w, node);
    put!(w, 0, "CreationTimestamp:\t{}\n", rfc1123z(node.time("metadata.creationTimestamp")));
    taints(w, "Taints", node.list("spec.taints"));
    put!(w, 0, "Unschedulable:\t{}\n", node.flag("spec.unschedulable"));
    lease(w, name(node), context);
    conditions(w, node.list("status.conditions"));
    put!(w, 0, "Addresses:\n");
    for address in node.list("status.addresses") {
        put!(w, 1, "{}:\t{}\n", address.text("type"), address.text("address"));
    }
    for (title, path) in [("Capacity", "status.capacity"), ("Allocatable", "status.allocatable")] {
        let amounts = node.quantities(path);
        if !amounts.is_empty() {
            put!(w, 0, "{title}:\n");
        }
        for (resource, amount) in amounts {
            put!(w, 0, "  {resource}:\t{amount}\n");
        }
    }
    resource_slices(w, name(node), context);
    system_info(w, node);
    pods(w, node, context);
    if context.show_events {
        let kind = "Node";
        let mut found = search_events(context, node, kind, node.text("metadata.uid"));
        // Kubelets give the name of their node for its UID.
        found.extend(search_events(context, node, kind, name(node)));
        events(w, context, found);
    }
}

fn lease(w: &mut Writer, node: &str, context: &Context<'_>) {
    let mut leases = context.objects.of_kind("coordination.k8s.io/v1", "Lease", None);
    let Some(lease) = leases.find(|lease| namespace(lease) == "kube-node-lease" && name(lease) == node) else {
        put!(w, 0, "Lease:\tFailed to get lease: leases.coordination.k8s.io {node:?} not found\n");
        return;
    };
    let time = |path: &str| lease.time(path).map_or("<unset>".to_owned(), |time| rfc1123z(Some(time)));
    put!(w, 0, "Lease:\n");
    put!(w, 1, "HolderIdentity:\t{}\n", lease.opt_text("spec.holderIdentity").unwrap_or("<unset>"));
    put!(w, 1, "AcquireTime:\t{}\n", time("spec.acquireTime"));
    put!(w, 1, "RenewTime:\t{}\n", time("spec.renewTime"));
}

fn conditions(w: &mut Writer, conditions: &[Value]) {
    if conditions.is_empty() {
        return;
    }
    put!(w, 0, "Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage\n");
    put!(w, 1, "----\t------\t-----------------\t------------------\t------\t-------\n");
    for c in conditions {
        let (heartbeat, transition) = (rfc1123z(c.time("lastHeartbeatTime")), rfc1123z(c.time("lastTransitionTime")));
        let [kind, status, reason, message] = ["type", "status", "reason", "message"].map(|field| c.text(field));
        put!(w, 1, "{kind} \t{status} \t{heartbeat} \t{transition} \t{reason} \t{message}\n");
    }
}

fn resource_slices(w: &mut Writer, node: &str, context: &Context<'_>) {
    const MOST: usize = 10;
    let mut pools: BTreeMap<String, (&str, &str, usize, usize)> = BTreeMap::new();
    let slices = context.objects.of_kind("resource.k8s.io/v1", "ResourceSlice", None);
    for slice in slices.filter(|slice| slice.text("spec.nodeName") == node) {
        let (driver, pool) = (slice.text("spec.driver"), slice.text("spec.pool.name"));
        let entry = pools.entry(format!("{driver}/{pool}")).or_insert((driver, pool, 0, 0));
        entry.2 += 1;
        entry.3 += slice.list("spec.devices").len();
    }
    if pools.is_empty() {
        return;
    }
    put!(w, 0, "Node-Local ResourceSlices:\n");
    put!(w, 1, "Driver\tPool\tSlices\tDevices\n");
    put!(w, 1, "------\t----\t------\t-------\n");
    for (driver, pool, slices, devices) in pools.values().take(MOST) {
        put!(w, 1, "{driver}\t{pool}\t{slices}\t{devices}\n");
    }
    if pools.len() > MOST {
        put!(w, 1, "...and {} more pools\n", pools.len() - MOST);
    }
}

fn system_info(w: &mut Writer, node: &Value) {
    put!(w, 0, "System Info:\n");
    for (title, field) in [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
    ] {
        put!(w, 0, "  {title}:\t{}\n", node.at("status.nodeInfo").text(field));
    }
    for (title, text) in [
        ("PodCIDR", node.text("spec.podCIDR").to_owned()),
        ("PodCIDRs", node.texts("spec.podCIDRs").join(",")),
        ("ProviderID", node.text("spec.providerID").to_owned()),
    ] {
        if !text.is_empty() {
            put!(w, 0, "{title}:\t{text}\n");
        }
    }
}

fn pods(w: &mut Writer, node: &Value, context: &Context<'_>) {
    let on_node = |pod: &&Value| {
        pod.text("spec.nodeName") == name(node) && !matches!(pod.text("status.phase"), "Succeeded" | "Failed")
    };
    let pods: Vec<&Value> = context.objects.of_kind("v1", "Pod", None).filter(on_node).collect();
    put!(w, 0, "Non-terminated Pods:\t({} in total)\n", pods.len());
    put!(w, 1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge\n");
    put!(w, 1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---\n");
    let allocatable =
        if node.quantities("status.allocatable").is_empty() { "status.capacity" } else { "status.allocatable" };
    for pod in &pods {
        let (requests, limits) = (requests(pod, Basis::SpecAndStatus), limits(pod, Basis::SpecAndStatus));
        let cell = |amounts: &Amounts, resource| {
            let amount = amounts.get(resource).cloned().unwrap_or_default();
            format!("{amount} ({}%)", share(resource, &amount, &node.quantity(allocatable, resource)))
        };
        let [cpu_request, cpu_limit] = [&requests, &limits].map(|amounts| cell(amounts, "cpu"));
        let [memory_request, memory_limit] = [&requests, &limits].map(|amounts| cell(amounts, "memory"));
        let age = since(pod.time("metadata.creationTimestamp"), context.now);
        let (ns, pod) = (namespace(pod), name(pod));
        put!(w, 1, "{ns}\t{pod}\t\t{cpu_request}\t{cpu_limit}\t{memory_request}\t{memory_limit}\t{age}\n");
    }
    put!(w, 0, "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n");
    put!(w, 1, "Resource\tRequests\tLimits\n");
    put!(w, 1, "--------\t--------\t------\n");
    let requested = total(pods.iter().map(|pod| requests(pod, Basis::Spec)));
    let limited = total(pods.iter().map(|pod| limits(pod, Basis::Spec)));
    let names = node.quantities(allocatable).into_iter().map(|(name, _)| name);
    let (huge_pages, others): (Vec<&str>, Vec<&str>) = names.partition(|name| name.starts_with("hugepages-"));
    for resource in ["cpu", "memory", "ephemeral-storage"].into_iter().chain(huge_pages) {
        let cell = |amounts: &Amounts| {
            let amount = amounts.get(resource).cloned().unwrap_or_default();
            let most = node.quantity(allocatable, resource);
            let share = if most.is_zero() { 0 } else { share(resource, &amount, &most) };
            format!("{amount} ({share}%)")
        };
        put!(w, 1, "{resource}\t{}\t{}\n", cell(&requested), cell(&limited));
    }
    let standard = ["cpu", "memory", "ephemeral-storage", "pods"];
    for resource in others.into_iter().filter(|name| !standard.contains(name)) {
        let amount = |amounts: &Amounts| amounts.get(resource).cloned().unwrap_or_default();
        put!(w, 1, "{resource}\t{}\t{}\n", amount(&requested), amount(&limited));
    }
}

/// Percent of what there is, cut to whole ones. Of nothing it is what Go's conversion from floats makes of it.
fn share(resource: &str, amount: &Quantity, most: &Quantity) -> i64 {
    let units = |q: &Quantity| if resource == "cpu" { q.milli_value() } else { q.value() } as f64;
    let percent = units(amount) / units(most) * 100.0;
    if percent.is_finite() { percent as i64 } else { i64::MIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_cut_to_whole_percents() {
        for (resource, amount, most, expected) in [
            ("cpu", "250m", "4", 6),
            ("cpu", "3", "2", 150),
            ("memory", "64Mi", "16284Mi", 0),
            ("memory", "1Gi", "1Gi", 100),
            ("cpu", "1", "0", i64::MIN),
            ("cpu", "0", "0", i64::MIN),
        ] {
            let quantity = |text: &str| text.parse().expect("an amount");
            assert_eq!(share(resource, &quantity(amount), &quantity(most)), expected, "{amount} of {most}");
        }
    }
}
