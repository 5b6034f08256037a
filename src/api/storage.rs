//! Persistent volumes, their claims and classes.

use super::{
    Condition, ConditionStatus, Labels, List, Metadata, Name, NodeSelectorTerm, ResourceList, STORAGE, Selector, Text,
    Timestamp, Uid, names,
};
use serde::Serialize;
use serde_json::Value;

/// `v1.PersistentVolume`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PersistentVolume {
    /// Names and versions.
    pub meta: Metadata,
    /// What it holds.
    pub capacity: ResourceList,
    /// How it may be mounted.
    pub access_modes: List<AccessMode>,
    /// Its class; empty for none.
    pub storage_class: Name,
    /// Whether it is a raw block device.
    pub block: bool,
    /// The claim that has it or is meant to.
    pub claim: Option<ClaimReference>,
    /// What happens when the claim goes: `Retain`, `Delete`, `Recycle`.
    pub reclaim_policy: Name,
    /// The nodes that can reach it; `None` for all.
    pub node_affinity: Option<Vec<NodeSelectorTerm>>,
    /// The CSI driver; empty for other sources.
    pub csi_driver: Name,
    /// The driver's handle, or what else identifies the medium.
    pub volume_handle: Name,
    /// Whether it must be attached to a node before it is mounted.
    pub attachable: bool,
    /// `Available`, `Bound`, `Released`, `Failed`.
    pub phase: Name,
    /// Why it failed, for people.
    pub message: Text,
    /// The spec as accepted, as JSON text.
    pub source: Text,
}

impl PersistentVolume {
    /// Whether it is a device that is formatted before it is first mounted (`formatAndMountSensitive` of
    /// `staging/src/k8s.io/mount-utils/mount_linux.go`, and CSI drivers alike) with ext2, ext3 or ext4, which most
    /// choose if nothing is said.
    pub fn is_formatted_as_ext(&self) -> bool {
        let spec: Value = serde_json::from_str(&self.source).unwrap_or_default();
        let named = spec.as_object().into_iter().flatten().find_map(|(_, source)| source.get("fsType")?.as_str());
        self.attachable && !self.block && named.is_none_or(|named| named.is_empty() || named.starts_with("ext"))
    }

    /// The part of a machine that it is, whichever machine that is: its path, and of what type it must be.
    pub fn host_path(&self) -> Option<(Name, Name)> {
        if !self.csi_driver.is_empty() || self.attachable {
            return None;
        }
        let spec: Value = serde_json::from_str(&self.source).ok()?;
        let text = |field: &Value| Name::new(field.as_str().unwrap_or_default());
        let (host, local) = (&spec["hostPath"]["path"], &spec["local"]["path"]);
        if host.is_string() {
            return Some((text(host), text(&spec["hostPath"]["type"])));
        }
        // Whoever provides a local volume has made its directory.
        local.is_string().then(|| (text(local), Name::default()))
    }
}

/// `spec.claimRef` of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct ClaimReference {
    /// The claim's namespace.
    pub namespace: Name,
    /// The claim's name.
    pub name: Name,
    /// The claim's identity; empty while it is only meant.
    pub uid: Uid,
}

/// `v1.PersistentVolumeClaim`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PersistentVolumeClaim {
    /// Names and versions.
    pub meta: Metadata,
    /// How it is to be mounted.
    pub access_modes: List<AccessMode>,
    /// How much it needs.
    pub requests: ResourceList,
    /// The class; `None` for the default one, empty for none.
    pub storage_class: Option<Name>,
    /// Whether it wants a raw block device.
    pub block: bool,
    /// The volumes it accepts.
    pub selector: Option<Selector>,
    /// The volume that it got or is meant to get.
    pub volume_name: Name,
    /// `Pending`, `Bound`, `Lost`.
    pub phase: Name,
    /// What the volume holds, once bound.
    pub capacity: ResourceList,
    /// What it grows, or last grew, to (`status.allocatedResources`).
    #[serde(skip_serializing_if = "ResourceList::is_empty")]
    pub allocated: ResourceList,
    /// How far its growth is, such as `NodeResizePending` (`storage` of `status.allocatedResourceStatuses`); empty if
    /// it does not grow.
    #[serde(skip_serializing_if = "<str>::is_empty")]
    pub growth: Name,
    /// What is told of its growth.
    #[serde(skip_serializing_if = "<[Condition]>::is_empty")]
    pub conditions: List<Condition>,
    /// The spec as accepted, as JSON text.
    pub source: Text,
}

names! {
    /// A claim's growth: its driver makes the volume larger, …
    CONTROLLER_RESIZE_IN_PROGRESS = "ControllerResizeInProgress";
    /// … or never will.
    CONTROLLER_RESIZE_INFEASIBLE = "ControllerResizeInfeasible";
    /// A claim's growth: a node still has to make the file system larger, …
    NODE_RESIZE_PENDING = "NodeResizePending";
    /// … or is about to.
    NODE_RESIZE_IN_PROGRESS = "NodeResizeInProgress";
    RESIZING = "Resizing";
    FILE_SYSTEM_RESIZE_PENDING = "FileSystemResizePending";
    CONTROLLER_RESIZE_ERROR = "ControllerResizeError";
    NODE_RESIZE_ERROR = "NodeResizeError";
}

impl PersistentVolumeClaim {
    /// The claim while its driver makes the volume larger, up to so much. Where nothing new is begun, only what it
    /// grows to is told (`markControllerResizeInProgress` of `pkg/controller/resize_status.go` in external-resizer).
    #[must_use]
    pub fn resizing(&self, size: i64, anew: bool, now: Timestamp) -> Self {
        let told = Condition::new(*RESIZING, ConditionStatus::True, now);
        let growth = if anew { *CONTROLLER_RESIZE_IN_PROGRESS } else { self.growth };
        let allocated = self.allocated.with(*STORAGE, size);
        Self { allocated, growth, conditions: self.told_of_growth(Some(told), !anew), ..self.clone() }
    }

    /// The claim whose driver could not make the volume larger (`markControllerExpansionFailedCondition` and
    /// `markControllerExpansionInfeasible`).
    #[must_use]
    pub fn resize_failed(&self, infeasible: bool, why: &str, now: Timestamp) -> Self {
        let message = format!("failed to expand pvc with {why}").into();
        let told = Condition { message, ..Condition::new(*CONTROLLER_RESIZE_ERROR, ConditionStatus::True, now) };
        let growth = if infeasible { *CONTROLLER_RESIZE_INFEASIBLE } else { self.growth };
        Self { growth, conditions: self.told_of_growth(Some(told), true), ..self.clone() }
    }

    /// The claim whose volume is larger, but not yet its file system (`markForPendingNodeExpansion`).
    #[must_use]
    pub fn awaiting_its_node(&self, now: Timestamp) -> Self {
        let message = "Waiting for user to (re-)start a pod to finish file system resize of volume on node.".into();
        let told = Condition { message, ..Condition::new(*FILE_SYSTEM_RESIZE_PENDING, ConditionStatus::True, now) };
        Self { growth: *NODE_RESIZE_PENDING, conditions: self.told_of_growth(Some(told), true), ..self.clone() }
    }

    /// The claim that has grown (`markOverallExpansionAsFinished`, and `MarkFSResizeFinished` of
    /// `pkg/volume/util/resize_util.go`).
    #[must_use]
    pub fn grown(&self, size: i64) -> Self {
        let capacity = self.capacity.with(*STORAGE, size);
        Self { capacity, growth: Name::default(), conditions: self.told_of_growth(None, false), ..self.clone() }
    }

    /// Whether a node has to make the file system larger.
    pub fn awaits_node(&self) -> bool {
        self.growth == *NODE_RESIZE_PENDING || self.growth == *NODE_RESIZE_IN_PROGRESS
    }

    /// Its conditions with another; what was told of its growth before stays or goes (`MergeResizeConditionsOfPVC`).
    fn told_of_growth(&self, mut told: Option<Condition>, keep: bool) -> List<Condition> {
        let of_growth = [*RESIZING, *FILE_SYSTEM_RESIZE_PENDING, *CONTROLLER_RESIZE_ERROR, *NODE_RESIZE_ERROR];
        let mut conditions = Vec::new();
        for condition in &self.conditions {
            match told.take_if(|told| told.kind == condition.kind) {
                Some(new) => conditions.push(new),
                None if keep || !of_growth.contains(&condition.kind) => conditions.push(condition.clone()),
                None => {}
            }
        }
        conditions.into_iter().chain(told).collect()
    }
}

/// `v1.PersistentVolumeAccessMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum AccessMode {
    /// By one node.
    ReadWriteOnce,
    /// By many nodes, read-only.
    ReadOnlyMany,
    /// By many nodes.
    ReadWriteMany,
    /// By one pod.
    ReadWriteOncePod,
}

/// `storage/v1.StorageClass`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StorageClass {
    /// Names and versions.
    pub meta: Metadata,
    /// Who makes volumes; `kubernetes.io/no-provisioner` makes none.
    pub provisioner: Name,
    /// Whether binding waits for a pod to be placed.
    pub wait_for_first_consumer: bool,
    /// What happens to its volumes when their claims go.
    pub reclaim_policy: Name,
    /// Where volumes may be made; empty for everywhere.
    pub allowed_topologies: Vec<NodeSelectorTerm>,
    /// Whether its claims may grow.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allows_expansion: bool,
    /// The class as accepted, as JSON text.
    pub source: Text,
}

/// `storage/v1.CSINode`: which drivers a node has, and how many volumes each may attach.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CsiNode {
    /// Names and versions; the name is the node's.
    pub meta: Metadata,
    /// Driver, topology keys, limit.
    pub drivers: Vec<(Name, List<Name>, Option<i64>)>,
    /// The object as accepted, as JSON text.
    pub source: Text,
}

/// `storage/v1.CSIDriver`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CsiDriver {
    /// Names and versions; the name is the driver's.
    pub meta: Metadata,
    /// Whether volumes are attached before they are mounted.
    pub attach_required: bool,
    /// Whether the scheduler asks for free capacity.
    pub storage_capacity: bool,
    /// The object as accepted, as JSON text.
    pub source: Text,
}

/// `storage/v1.CSIStorageCapacity`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CsiStorageCapacity {
    /// Names and versions.
    pub meta: Metadata,
    /// The class.
    pub storage_class: Name,
    /// The nodes it is about; `None` for none.
    pub node_topology: Option<Selector>,
    /// Bytes free, if told.
    pub capacity: Option<i64>,
    /// The largest volume, if told.
    pub maximum_volume_size: Option<i64>,
    /// The object as accepted, as JSON text.
    pub source: Text,
}

/// `storage/v1.VolumeAttachment`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VolumeAttachment {
    /// Names and versions.
    pub meta: Metadata,
    /// The driver.
    pub attacher: Name,
    /// The node.
    pub node_name: Name,
    /// The volume; empty for inline ones.
    pub volume_name: Name,
    /// Whether it is done.
    pub attached: bool,
    /// The object as accepted, as JSON text.
    pub source: Text,
}

/// Whether a class is marked as the default by its annotation.
pub fn is_default_class(annotations: &Labels) -> bool {
    annotations.get(Name::new("storageclass.kubernetes.io/is-default-class")).is_some_and(|value| value == "true")
}
