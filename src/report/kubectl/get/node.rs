//! `kubectl get nodes`.
//!
//! Follows Kubernetes 1.36 `pkg/printers/internalversion/printers.go` (`printNode`).

use super::{Columns, age, or_none, or_unknown};
use crate::report::kubectl::fields::Fields;
use crate::report::kubectl::table::{NAME, column, wide};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

/// Status, roles and what runs on it.
pub const COLUMNS: Columns = &[
    NAME,
    column("Status"),
    column("Roles"),
    column("Age"),
    column("Version"),
    wide("Internal-IP"),
    wide("External-IP"),
    wide("OS-Image"),
    wide("Kernel-Version"),
    wide("Container-Runtime"),
];

/// The line of one node.
pub fn cells(node: &Value, now: Timestamp) -> Vec<String> {
    vec![
        node.text("metadata.name").to_owned(),
        status(node),
        or_none(&roles(node).join(",")),
        age(node, now),
        node.text("status.nodeInfo.kubeletVersion").to_owned(),
        address(node, "InternalIP"),
        address(node, "ExternalIP"),
        or_unknown(node.text("status.nodeInfo.osImage")),
        kernel(node),
        or_unknown(node.text("status.nodeInfo.containerRuntimeVersion")),
    ]
}

/// Kernel and architecture share a column.
fn kernel(node: &Value) -> String {
    let info = node.at("status.nodeInfo");
    format!("{} ({})", or_unknown(info.text("kernelVersion")), or_unknown(info.text("architecture")))
}

fn status(node: &Value) -> String {
    // Of several conditions of a type the last one counts.
    let ready = node.list("status.conditions").iter().rfind(|c| c.text("type") == "Ready");
    let status = match ready.map(|c| c.text("status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    if node.flag("spec.unschedulable") { format!("{status},SchedulingDisabled") } else { status.to_owned() }
}

/// The roles that its labels give a node, sorted.
pub fn roles(node: &Value) -> Vec<&str> {
    let labels = node.entries("metadata.labels");
    let roles = labels.into_iter().filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
        Some(role) => Some(role),
        None => (key == "kubernetes.io/role").then_some(value),
    });
    roles.filter(|role| !role.is_empty()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn address(node: &Value, kind: &str) -> String {
    let first = node.list("status.addresses").iter().find(|a| a.text("type") == kind);
    first.map_or("<none>", |a| a.text("address")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nodes_show_readiness_and_roles() {
        for (node, status, roles) in [
            (json!({}), "Unknown", "<none>"),
            (json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}), "NotReady", "<none>"),
            (
                json!({
                    "metadata": {"labels": {
                        "node-role.kubernetes.io/z": "", "kubernetes.io/role": "a", "node-role.kubernetes.io/": ""
                    }},
                    "spec": {"unschedulable": true},
                    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
                }),
                "Ready,SchedulingDisabled",
                "a,z",
            ),
        ] {
            let cells = cells(&node, Timestamp::UNIX_EPOCH);
            assert_eq!((cells[1].as_str(), cells[2].as_str()), (status, roles));
        }
    }
}
