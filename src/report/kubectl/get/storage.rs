//! `kubectl get` for volumes, claims and what provides them.
//!
//! Follows Kubernetes 1.36 `pkg/printers/internalversion/printers.go`.

use super::{Columns, age, name, or_none, or_unset};
use crate::report::kubectl::Objects;
use crate::report::kubectl::fields::Fields;
use crate::report::kubectl::table::{Column, NAME, column, wide};
use jiff::Timestamp;
use serde_json::Value;
use std::cmp::Reverse;

const STORAGE_CLASS_OF: Column = column("StorageClass");
const ATTRIBUTES_CLASS_OF: Column = column("VolumeAttributesClass");

/// Persistent volumes.
pub const VOLUME: Columns = &[
    NAME,
    column("Capacity"),
    column("Access Modes"),
    column("Reclaim Policy"),
    column("Status"),
    column("Claim"),
    STORAGE_CLASS_OF,
    ATTRIBUTES_CLASS_OF,
    column("Reason"),
    column("Age"),
    wide("VolumeMode"),
];
/// Persistent volume claims.
pub const CLAIM: Columns = &[
    NAME,
    column("Status"),
    column("Volume"),
    column("Capacity"),
    column("Access Modes"),
    STORAGE_CLASS_OF,
    ATTRIBUTES_CLASS_OF,
    column("Age"),
    wide("VolumeMode"),
];
/// Storage classes.
pub const STORAGE_CLASS: Columns = &[
    NAME,
    column("Provisioner"),
    column("ReclaimPolicy"),
    column("VolumeBindingMode"),
    column("AllowVolumeExpansion"),
    column("Age"),
];
/// Volume attributes classes.
pub const ATTRIBUTES_CLASS: Columns = &[NAME, column("DriverName"), column("Age")];
/// Volume attachments.
pub const ATTACHMENT: Columns =
    &[NAME, column("Attacher"), column("PV"), column("Node"), column("Attached"), column("Age")];
/// CSI drivers.
pub const CSI_DRIVER: Columns = &[
    NAME,
    column("AttachRequired"),
    column("PodInfoOnMount"),
    column("StorageCapacity"),
    column("TokenRequests"),
    column("RequiresRepublish"),
    column("Modes"),
    column("Age"),
];
/// Nodes as CSI sees them.
pub const CSI_NODE: Columns = &[NAME, column("Drivers"), column("Age")];
/// What storage is left.
pub const CSI_STORAGE_CAPACITY: Columns = &[NAME, column("StorageClassName"), column("Capacity")];

/// The storage class of a volume or claim: an old annotation, or the field.
pub fn storage_class(object: &Value) -> &str {
    let annotation = object.entry("metadata.annotations", "volume.beta.kubernetes.io/storage-class");
    annotation.unwrap_or(object.text("spec.storageClassName"))
}

/// `RWO,ROX,RWX,RWOP`, whatever order and however often they are given.
pub fn access_modes(modes: &[&str]) -> String {
    let known =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let given = known.iter().filter(|(mode, _)| modes.contains(mode)).map(|(_, short)| *short);
    given.collect::<Vec<_>>().join(",")
}

fn phase(object: &Value) -> String {
    if object.has("metadata.deletionTimestamp") { "Terminating" } else { object.text("status.phase") }.to_owned()
}

/// The line of a persistent volume.
pub fn volume(volume: &Value, now: Timestamp) -> Vec<String> {
    let claim = volume.at("spec.claimRef");
    vec![
        name(volume),
        volume.quantity("spec.capacity", "storage").to_string(),
        access_modes(&volume.texts("spec.accessModes")),
        volume.text("spec.persistentVolumeReclaimPolicy").to_owned(),
        phase(volume),
        if claim.is_null() { String::new() } else { format!("{}/{}", claim.text("namespace"), claim.text("name")) },
        storage_class(volume).to_owned(),
        or_unset(volume.opt_text("spec.volumeAttributesClassName")),
        volume.text("status.reason").to_owned(),
        age(volume, now),
        or_unset(volume.opt_text("spec.volumeMode")),
    ]
}

/// The line of a claim.
pub fn claim(claim: &Value, now: Timestamp) -> Vec<String> {
    let bound = !claim.text("spec.volumeName").is_empty();
    let if_bound = |text: String| if bound { text } else { String::new() };
    vec![
        name(claim),
        phase(claim),
        claim.text("spec.volumeName").to_owned(),
        if_bound(claim.quantity("status.capacity", "storage").to_string()),
        if_bound(access_modes(&claim.texts("status.accessModes"))),
        storage_class(claim).to_owned(),
        or_unset(claim.opt_text("spec.volumeAttributesClassName")),
        age(claim, now),
        or_unset(claim.opt_text("spec.volumeMode")),
    ]
}

/// Do annotations make this the default class?
pub fn is_default_class(class: &Value) -> bool {
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"]
        .iter()
        .any(|key| class.entry("metadata.annotations", key) == Some("true"))
}

/// Of several default classes, the one that counts: the last one made, the first by name among equals.
pub fn default_class(objects: &Objects) -> Option<&Value> {
    let candidates = objects.of_kind("storage.k8s.io/v1", "StorageClass", None).filter(|class| is_default_class(class));
    candidates.min_by_key(|class| (Reverse(class.time("metadata.creationTimestamp")), class.text("metadata.name")))
}

/// The line of a storage class, without the remark that it is the default.
pub fn class(class: &Value, now: Timestamp) -> Vec<String> {
    vec![
        name(class),
        class.text("provisioner").to_owned(),
        class.opt_text("reclaimPolicy").unwrap_or("Delete").to_owned(),
        class.opt_text("volumeBindingMode").unwrap_or("Immediate").to_owned(),
        class.flag("allowVolumeExpansion").to_string(),
        age(class, now),
    ]
}

/// The line of a volume attributes class.
pub fn attributes_class(class: &Value, now: Timestamp) -> Vec<String> {
    vec![name(class), class.text("driverName").to_owned(), age(class, now)]
}

/// The line of a volume attachment.
pub fn attachment(attachment: &Value, now: Timestamp) -> Vec<String> {
    vec![
        name(attachment),
        attachment.text("spec.attacher").to_owned(),
        attachment.text("spec.source.persistentVolumeName").to_owned(),
        attachment.text("spec.nodeName").to_owned(),
        attachment.flag("status.attached").to_string(),
        age(attachment, now),
    ]
}

/// The line of a CSI driver.
pub fn csi_driver(driver: &Value, now: Timestamp) -> Vec<String> {
    let audiences: Vec<&str> = driver.list("spec.tokenRequests").iter().map(|t| t.text("audience")).collect();
    let tokens = if driver.has("spec.tokenRequests") { audiences.join(",") } else { "<unset>".to_owned() };
    vec![
        name(driver),
        driver.opt_flag("spec.attachRequired").unwrap_or(true).to_string(),
        driver.flag("spec.podInfoOnMount").to_string(),
        driver.flag("spec.storageCapacity").to_string(),
        tokens,
        driver.flag("spec.requiresRepublish").to_string(),
        or_none(&driver.texts("spec.volumeLifecycleModes").join(",")),
        age(driver, now),
    ]
}

/// The line of a node as CSI sees it.
pub fn csi_node(node: &Value, now: Timestamp) -> Vec<String> {
    vec![name(node), node.list("spec.drivers").len().to_string(), age(node, now)]
}

/// The line of a storage capacity.
pub fn csi_storage_capacity(object: &Value, _: Timestamp) -> Vec<String> {
    let capacity = object.has("capacity").then(|| crate::report::kubectl::fields::quantity(object.at("capacity")));
    let capacity = capacity.map_or("<unset>".to_owned(), |q| q.to_string());
    vec![name(object), object.text("storageClassName").to_owned(), capacity]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn access_modes_have_a_fixed_order() {
        assert_eq!(access_modes(&["ReadWriteOncePod", "ReadWriteOnce", "ReadWriteOnce", "Else"]), "RWO,RWOP");
    }

    #[test]
    fn the_last_default_class_counts() {
        let class = |name: &str, created: &str, default: &str| {
            json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                "metadata": {
                    "name": name, "creationTimestamp": created,
                    "annotations": {"storageclass.kubernetes.io/is-default-class": default},
                },
            })
        };
        let objects = Objects::new([
            class("a", "2026-01-01T00:00:00Z", "true"),
            class("c", "2026-01-02T00:00:00Z", "true"),
            class("b", "2026-01-02T00:00:00Z", "true"),
            class("d", "2026-01-03T00:00:00Z", "false"),
        ]);
        assert_eq!(default_class(&objects).map(name).as_deref(), Some("b"));
        assert_eq!(default_class(&Objects::default()), None);
    }

    #[test]
    fn claims_show_a_capacity_once_they_are_bound() {
        let mut object = json!({
            "metadata": {"name": "c"}, "spec": {"storageClassName": "fast"},
            "status": {"phase": "Pending", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadOnlyMany"]},
        });
        assert_eq!(claim(&object, Timestamp::UNIX_EPOCH)[1..6], ["Pending", "", "", "", "fast"]);
        object["spec"]["volumeName"] = json!("v");
        assert_eq!(claim(&object, Timestamp::UNIX_EPOCH)[1..6], ["Pending", "v", "1Gi", "ROX", "fast"]);
    }
}
