//! Devices and the claims on them (`resource.k8s.io/v1`).

use super::{Metadata, Name, NodeSelectorTerm, Text, Uid, names};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

names! {
    CLAIM_FINALIZER = "resource.kubernetes.io/delete-protection";
    POD_CLAIM_NAME = "resource.kubernetes.io/pod-claim-name";
}

/// `resource/v1.ResourceClaim`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResourceClaim {
    /// Names and versions.
    pub meta: Metadata,
    /// What is asked for.
    pub devices: Arc<DeviceClaim>,
    /// What it got, and who uses it.
    pub status: ResourceClaimStatus,
    /// The spec as accepted, as JSON text.
    pub source: Text,
}

impl ResourceClaim {
    /// Whether it is reserved for a pod (`resourceclaim.IsReservedForPod`).
    pub fn is_reserved_for(&self, pod: Uid) -> bool {
        self.status.reserved_for.iter().any(|consumer| consumer.uid == pod)
    }

    /// The pod that it was made for, if any (`owningPod` of the claim controller).
    pub fn owning_pod(&self) -> Option<(Name, Uid)> {
        let owner = self.meta.controller()?;
        (owner.kind == "Pod" && owner.api_version == "v1").then_some((owner.name, owner.uid))
    }
}

/// `resource/v1.DeviceClaim`: requests, and what their devices must have in common.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct DeviceClaim {
    /// The requests.
    pub requests: Vec<DeviceRequest>,
    /// What must hold between devices.
    pub constraints: Vec<DeviceConstraint>,
}

/// `resource/v1.DeviceRequest`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceRequest {
    /// Its name.
    pub name: Name,
    /// Whether the first of several alternatives is wanted that can be had.
    pub first_available: bool,
    /// What would do, best first; one of an exact request.
    pub alternatives: Vec<DeviceAlternative>,
}

/// One way to fulfil a request (`resource/v1.ExactDeviceRequest`, `DeviceSubRequest`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceAlternative {
    /// The request, or `request/subrequest`.
    pub name: Name,
    /// The class of devices.
    pub class: Name,
    /// Expressions that devices must fulfil.
    pub selectors: Vec<Text>,
    /// How many; `None` for all that there are.
    pub count: Option<i64>,
    /// Whether devices are looked at that others use.
    pub admin_access: bool,
}

/// `resource/v1.DeviceConstraint`: an attribute that must be the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceConstraint {
    /// The requests it is about; empty for all.
    pub requests: Vec<Name>,
    /// The attribute, with its domain.
    pub attribute: Name,
}

impl DeviceConstraint {
    /// Whether it is about an alternative of a request.
    pub fn concerns(&self, request: &DeviceRequest, alternative: &DeviceAlternative) -> bool {
        self.requests.is_empty() || self.requests.contains(&request.name) || self.requests.contains(&alternative.name)
    }
}

/// `resource/v1.ResourceClaimStatus`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ResourceClaimStatus {
    /// What it got.
    pub allocation: Option<Arc<Allocation>>,
    /// Who uses it.
    pub reserved_for: Vec<Consumer>,
}

/// `resource/v1.AllocationResult`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Allocation {
    /// The devices.
    pub results: Vec<AllocatedDevice>,
    /// The nodes that reach all of them; `None` for all.
    pub node_selector: Option<Vec<NodeSelectorTerm>>,
    /// The result as JSON text.
    pub source: Text,
}

/// `resource/v1.DeviceRequestAllocationResult`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AllocatedDevice {
    /// For which request, or `request/subrequest`.
    pub request: Name,
    /// The device.
    pub device: DeviceId,
    /// Whether it was given beside other users.
    pub admin_access: bool,
}

/// A device of the cluster: driver, pool and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct DeviceId {
    /// The driver.
    pub driver: Name,
    /// The pool.
    pub pool: Name,
    /// The device.
    pub device: Name,
}

/// `resource/v1.ResourceClaimConsumerReference`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Consumer {
    /// The group; empty for the core.
    pub api_group: Name,
    /// The resource, such as `pods`.
    pub resource: Name,
    /// The object.
    pub name: Name,
    /// Its identity.
    pub uid: Uid,
}

/// `resource/v1.ResourceClaimTemplate`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResourceClaimTemplate {
    /// Names and versions.
    pub meta: Metadata,
    /// The object as accepted, as JSON text.
    pub source: Text,
}

/// `resource/v1.DeviceClass`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceClass {
    /// Names and versions.
    pub meta: Metadata,
    /// Expressions that its devices fulfil.
    pub selectors: Vec<Text>,
    /// The object as accepted, as JSON text.
    pub source: Text,
}

/// `resource/v1.ResourceSlice`: a part of a pool of devices.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResourceSlice {
    /// Names and versions.
    pub meta: Metadata,
    /// The driver.
    pub driver: Name,
    /// The pool.
    pub pool: Name,
    /// Which state of the pool this is of.
    pub generation: i64,
    /// How many slices that state has.
    pub slices: i64,
    /// Who reaches the devices; `None` if each of them says so itself.
    pub nodes: Option<DeviceNodes>,
    /// The devices.
    pub devices: Vec<Device>,
    /// The object as accepted, as JSON text.
    pub source: Text,
}

/// Who reaches a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum DeviceNodes {
    /// Every node.
    All,
    /// One node.
    Node(Name),
    /// Nodes that match.
    Matching(Vec<NodeSelectorTerm>),
}

/// `resource/v1.Device`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Device {
    /// Its name in its pool.
    pub name: Name,
    /// Who reaches it, if it says so itself.
    pub nodes: Option<DeviceNodes>,
    /// Its attributes, by name with or without domain.
    pub attributes: BTreeMap<Name, AttributeValue>,
    /// What it holds, by name with or without domain: amounts as they are written.
    pub capacity: BTreeMap<Name, Text>,
}

impl Device {
    /// An attribute by its name with domain: those without are the driver's.
    pub fn attribute(&self, driver: Name, name: Name) -> Option<&AttributeValue> {
        self.attributes.get(&name).or_else(|| {
            let (domain, id) = name.split_once('/')?;
            (domain == driver.as_str()).then(|| self.attributes.get(&Name::new(id)))?
        })
    }
}

/// `resource/v1.DeviceAttribute`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum AttributeValue {
    /// True or false.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A text.
    String(Text),
    /// A semantic version.
    Version(Text),
}

/// `v1.PodResourceClaim`: a claim that a pod uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PodResourceClaim {
    /// Its name in the pod.
    pub name: Name,
    /// The claim or the template that it is made from.
    pub source: PodClaimSource,
}

/// Where a claim of a pod comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PodClaimSource {
    /// It is there.
    Claim(Name),
    /// It is made for the pod.
    Template(Name),
}
