//! Persistent volumes, claims and their classes.
//!
//! Follows kubectl 1.36 `pkg/describe/describe.go`.

use super::Context;
use super::parts::{annotations, events_of, labels, labels_and_annotations, lines_below};
use super::volume::persistent_source;
use super::writer::{Writer, put};
use crate::report::kubectl::fields::{Fields, name, namespace};
use crate::report::kubectl::get::storage::{access_modes, is_default_class, storage_class};
use crate::report::kubectl::get::{since, yes_no};
use crate::report::kubectl::go::{list, rfc1123z};
use crate::report::kubectl::selector::format_labels;
use serde_json::Value;

/// The phase, or for how long it has been going away.
fn status(object: &Value, context: &Context<'_>) -> String {
    if object.has("metadata.deletionTimestamp") {
        format!("Terminating (lasts {})", since(object.time("metadata.deletionTimestamp"), context.now))
    } else {
        object.text("status.phase").to_owned()
    }
}

/// A persistent volume.
pub fn persistent_volume(w: &mut Writer, volume: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(volume));
    labels_and_annotations(w, volume);
    put!(w, 0, "Finalizers:\t{}\n", list(&volume.texts("metadata.finalizers")));
    put!(w, 0, "StorageClass:\t{}\n", storage_class(volume));
    put!(w, 0, "Status:\t{}\n", status(volume, context));
    let claim = volume.at("spec.claimRef");
    let claim = match claim {
        Value::Null => String::new(),
        claim => format!("{}/{}", claim.text("namespace"), claim.text("name")),
    };
    put!(w, 0, "Claim:\t{claim}\n");
    put!(w, 0, "Reclaim Policy:\t{}\n", volume.text("spec.persistentVolumeReclaimPolicy"));
    put!(w, 0, "Access Modes:\t{}\n", access_modes(&volume.texts("spec.accessModes")));
    if let Some(mode) = volume.opt_text("spec.volumeMode") {
        put!(w, 0, "VolumeMode:\t{mode}\n");
    }
    put!(w, 0, "Capacity:\t{}\n", volume.quantity("spec.capacity", "storage"));
    node_affinity(w, volume.at("spec.nodeAffinity.required"));
    put!(w, 0, "Message:\t{}\n", volume.text("status.message"));
    put!(w, 0, "Source:\n");
    persistent_source(w, volume.at("spec"));
    events_of(w, context, volume);
}

fn node_affinity(w: &mut Writer, required: &Value) {
    put!(w, 0, "Node Affinity:\t");
    if required.is_null() {
        w.end("<none>");
        return;
    }
    w.end("");
    put!(w, 1, "Required Terms:\t");
    let terms = required.list("nodeSelectorTerms");
    w.end(if terms.is_empty() { "<none>" } else { "" });
    for (i, term) in terms.iter().enumerate() {
        let expression = |e: &Value| {
            let operator = e.text("operator").to_lowercase();
            with_values(format!("{} {operator}", e.text("key")), &e.texts("values"))
        };
        term_lines(w, 2, i, term.list("matchExpressions").iter().map(expression));
    }
}

fn with_values(text: String, values: &[&str]) -> String {
    if values.is_empty() { text } else { format!("{text} [{}]", values.join(", ")) }
}

fn term_lines(w: &mut Writer, level: usize, number: usize, lines: impl ExactSizeIterator<Item = String>) {
    put!(w, level, "Term {number}:\t");
    if lines.len() == 0 {
        w.end("<none>");
    }
    for (i, line) in lines.enumerate() {
        if i > 0 {
            put!(w, level, "\t");
        }
        put!(w, 0, "{line}\n");
    }
}

/// A claim with who uses it.
pub fn persistent_volume_claim(w: &mut Writer, object: &Value, context: &Context<'_>) {
    claim(w, object, Some(context));
    let mut users: Vec<String> = pods_using(object, context).into_iter().map(|pod| name(pod).to_owned()).collect();
    users.sort();
    lines_below(w, "", "Used By", &users);
    let conditions = object.list("status.conditions");
    if !conditions.is_empty() {
        put!(w, 0, "Conditions:\n");
        put!(w, 1, "Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage\n");
        put!(w, 1, "----\t------\t-----------------\t------------------\t------\t-------\n");
    }
    for c in conditions {
        let (probe, transition) = (rfc1123z(c.time("lastProbeTime")), rfc1123z(c.time("lastTransitionTime")));
        let [kind, status, reason, message] = ["type", "status", "reason", "message"].map(|field| c.text(field));
        put!(w, 1, "{kind} \t{status} \t{probe} \t{transition} \t{reason} \t{message}\n");
    }
    events_of(w, context, object);
}

/// The claim itself; without a context it is a template, of which less is known.
pub fn claim(w: &mut Writer, claim: &Value, context: Option<&Context<'_>>) {
    if context.is_some() {
        put!(w, 0, "Name:\t{}\n", name(claim));
        put!(w, 0, "Namespace:\t{}\n", namespace(claim));
    }
    put!(w, 0, "StorageClass:\t{}\n", storage_class(claim));
    if let Some(context) = context {
        put!(w, 0, "Status:\t{}\n", status(claim, context));
    }
    put!(w, 0, "Volume:\t{}\n", claim.text("spec.volumeName"));
    labels(w, "Labels", &claim.entries("metadata.labels"));
    annotations(w, "Annotations", &claim.entries("metadata.annotations"));
    if context.is_some() {
        put!(w, 0, "Finalizers:\t{}\n", list(&claim.texts("metadata.finalizers")));
    }
    let bound = !claim.text("spec.volumeName").is_empty();
    let if_bound = |text: String| if bound { text } else { String::new() };
    put!(w, 0, "Capacity:\t{}\n", if_bound(claim.quantity("status.capacity", "storage").to_string()));
    put!(w, 0, "Access Modes:\t{}\n", if_bound(access_modes(&claim.texts("status.accessModes"))));
    if let Some(mode) = claim.opt_text("spec.volumeMode") {
        put!(w, 0, "VolumeMode:\t{mode}\n");
    }
    let source = claim.at("spec.dataSource");
    if !source.is_null() {
        put!(w, 0, "DataSource:\n");
        if let Some(group) = source.opt_text("apiGroup") {
            put!(w, 1, "APIGroup:\t{group}\n");
        }
        put!(w, 1, "Kind:\t{}\n", source.text("kind"));
        put!(w, 1, "Name:\t{}\n", source.text("name"));
    }
}

/// Pods that mount a claim, once for each volume that does, and pods that own it.
fn pods_using<'a>(claim: &Value, context: &Context<'a>) -> Vec<&'a Value> {
    let within = namespace(claim);
    let pods: Vec<&Value> = context.objects.of_kind("v1", "Pod", None).filter(|pod| namespace(pod) == within).collect();
    let mounts = |volume: &&Value| {
        volume.has("persistentVolumeClaim") && volume.text("persistentVolumeClaim.claimName") == name(claim)
    };
    let mut users: Vec<&Value> = Vec::new();
    for pod in &pods {
        users.extend(pod.list("spec.volumes").iter().filter(mounts).map(|_| *pod));
    }
    for owner in claim.list("metadata.ownerReferences").iter().filter(|owner| owner.text("kind") == "Pod") {
        let uid = owner.text("uid");
        let known = users.iter().any(|pod| pod.text("metadata.uid") == uid);
        if !known {
            users.extend(pods.iter().find(|pod| pod.text("metadata.uid") == uid));
        }
    }
    users
}

/// A storage class.
pub fn class(w: &mut Writer, class: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(class));
    put!(w, 0, "IsDefaultClass:\t{}\n", if is_default_class(class) { "Yes" } else { "No" });
    put!(w, 0, "Annotations:\t{}\n", format_labels(&class.entries("metadata.annotations")));
    put!(w, 0, "Provisioner:\t{}\n", class.text("provisioner"));
    put!(w, 0, "Parameters:\t{}\n", format_labels(&class.entries("parameters")));
    put!(w, 0, "AllowVolumeExpansion:\t{}\n", yes_no(class.opt_flag("allowVolumeExpansion")));
    let options = class.texts("mountOptions");
    put!(w, 0, "MountOptions:{}\n", if options.is_empty() { "\t<none>" } else { "" });
    for option in options {
        put!(w, 1, "{option}\n");
    }
    for (title, field) in [("ReclaimPolicy", "reclaimPolicy"), ("VolumeBindingMode", "volumeBindingMode")] {
        if let Some(text) = class.opt_text(field) {
            put!(w, 0, "{title}:\t{text}\n");
        }
    }
    if class.has("allowedTopologies") {
        let terms = class.list("allowedTopologies");
        put!(w, 0, "AllowedTopologies:\t");
        w.end(if terms.is_empty() { "<none>" } else { "" });
        for (i, term) in terms.iter().enumerate() {
            let expression = |e: &Value| with_values(format!("{} in", e.text("key")), &e.texts("values"));
            term_lines(w, 1, i, term.list("matchLabelExpressions").iter().map(expression));
        }
    }
    events_of(w, context, class);
}

/// A volume attributes class.
pub fn attributes_class(w: &mut Writer, class: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(class));
    put!(w, 0, "Annotations:\t{}\n", format_labels(&class.entries("metadata.annotations")));
    put!(w, 0, "DriverName:\t{}\n", class.text("driverName"));
    put!(w, 0, "Parameters:\t{}\n", format_labels(&class.entries("parameters")));
    events_of(w, context, class);
}

/// A node as CSI sees it.
pub fn csi_node(w: &mut Writer, node: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(node));
    labels_and_annotations(w, node);
    put!(w, 0, "CreationTimestamp:\t{}\n", rfc1123z(node.time("metadata.creationTimestamp")));
    put!(w, 0, "Spec:\n");
    if node.has("spec.drivers") {
        put!(w, 1, "Drivers:\n");
    }
    for driver in node.list("spec.drivers") {
        put!(w, 2, "{}:\n", driver.text("name"));
        put!(w, 3, "Node ID:\t{}\n", driver.text("nodeID"));
        if let Some(count) = driver.opt_int("allocatable.count") {
            put!(w, 3, "Allocatables:\n");
            put!(w, 4, "Count:\t{count}\n");
        }
        if driver.has("topologyKeys") {
            put!(w, 3, "Topology Keys:\t{}\n", list(&driver.texts("topologyKeys")));
        }
    }
    events_of(w, context, node);
}
