//! What happens in the cluster, as far as it may free a waiting pod.
//!
//! Follows `pkg/scheduler/framework/events.go` of Kubernetes 1.36: one update of an object is one event for each aspect
//! that changed.

use crate::api::{ConditionStatus, Name, Node, Object, Pod, Toleration, Uid, requests};
use std::fmt;

/// What an event is about (`framework.EventResource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// Any pod; plugins register for it, events are about one of the next two.
    Pod,
    /// A pod on a node.
    AssignedPod,
    /// A pod that waits: the very one that is asked about.
    UnscheduledPod,
    /// A node.
    Node,
    /// A volume.
    PersistentVolume,
    /// A claim.
    PersistentVolumeClaim,
    /// The drivers of a node.
    CsiNode,
    /// A driver.
    CsiDriver,
    /// Free capacity of a driver.
    CsiStorageCapacity,
    /// A volume on its way to or from a node.
    VolumeAttachment,
    /// A class of volumes.
    StorageClass,
    /// A claim on devices.
    ResourceClaim,
    /// A class of devices.
    DeviceClass,
    /// A part of a pool of devices.
    ResourceSlice,
    /// Anything: frees every pod that is not gated.
    Wildcard,
}

impl Resource {
    fn covers(self, event: Self) -> bool {
        self == event || self == Self::Pod && matches!(event, Self::AssignedPod | Self::UnscheduledPod)
    }
}

/// How an object changes (`framework.ActionType`): a set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Actions(u16);

impl Actions {
    /// It is new.
    pub const ADD: Self = Self(1);
    /// It is gone.
    pub const DELETE: Self = Self(1 << 1);
    /// A node's allocatable amounts.
    pub const UPDATE_NODE_ALLOCATABLE: Self = Self(1 << 2);
    /// A node's labels.
    pub const UPDATE_NODE_LABEL: Self = Self(1 << 3);
    /// A node's taints, or that it is no longer cordoned.
    pub const UPDATE_NODE_TAINT: Self = Self(1 << 4);
    /// The status of a node's condition.
    pub const UPDATE_NODE_CONDITION: Self = Self(1 << 5);
    /// A node's annotations.
    pub const UPDATE_NODE_ANNOTATION: Self = Self(1 << 6);
    /// The features that a node's kubelet declares.
    pub const UPDATE_NODE_DECLARED_FEATURE: Self = Self(1 << 7);
    /// A pod's labels.
    pub const UPDATE_POD_LABEL: Self = Self(1 << 8);
    /// A pod asks for less.
    pub const UPDATE_POD_SCALE_DOWN: Self = Self(1 << 9);
    /// A pod bears more.
    pub const UPDATE_POD_TOLERATION: Self = Self(1 << 10);
    /// A pod's last scheduling gate is gone.
    pub const UPDATE_POD_GATES_ELIMINATED: Self = Self(1 << 11);
    /// Resource claims were made for a pod.
    pub const UPDATE_POD_RESOURCE_CLAIM: Self = Self(1 << 12);
    /// Anything else of a pod, or of a kind whose aspects are not told apart.
    pub const UPDATE_OTHER: Self = Self(1 << 13);
    /// Any update.
    pub const UPDATE: Self = Self(0x3ffc);
    /// Anything at all.
    pub const ALL: Self = Self(0x3fff);

    /// All of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any is among both.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterEvent {
    /// What it is about.
    pub resource: Resource,
    /// How it changed: exactly one action.
    pub action: Actions,
    /// The object before, if there was one.
    pub old: Option<Object>,
    /// The object after, if there is one.
    pub new: Option<Object>,
}

impl ClusterEvent {
    /// An event that frees every pod that is not gated.
    pub const WILDCARD: Self = Self { resource: Resource::Wildcard, action: Actions::ALL, old: None, new: None };

    /// An event that frees a single pod.
    pub fn force_activate(pod: Object) -> Self {
        Self { resource: Resource::Wildcard, action: Actions::ALL, old: None, new: Some(pod) }
    }

    /// An event.
    pub fn new(resource: Resource, action: Actions, old: Option<Object>, new: Option<Object>) -> Self {
        Self { resource, action, old, new }
    }

    /// Whether it is one of those that a registration names.
    pub fn is_registered(&self, resource: Resource, actions: Actions) -> bool {
        resource.covers(self.resource) && actions.meets(self.action)
    }

    /// Whether it frees pods by force, and the one that alone is meant if it does not free all.
    pub fn forced(&self) -> Option<Option<Uid>> {
        (self.resource == Resource::Wildcard).then(|| self.new_pod().map(|pod| pod.meta.uid))
    }

    /// The pod before.
    pub fn old_pod(&self) -> Option<&Pod> {
        match &self.old {
            Some(Object::Pod(pod)) => Some(pod),
            _ => None,
        }
    }

    /// The pod after.
    pub fn new_pod(&self) -> Option<&Pod> {
        match &self.new {
            Some(Object::Pod(pod)) => Some(pod),
            _ => None,
        }
    }

    /// The node before.
    pub fn old_node(&self) -> Option<&Node> {
        match &self.old {
            Some(Object::Node(node)) => Some(node),
            _ => None,
        }
    }

    /// The node after.
    pub fn new_node(&self) -> Option<&Node> {
        match &self.new {
            Some(Object::Node(node)) => Some(node),
            _ => None,
        }
    }
}

/// The aspects of a pod that an update changed (`PodSchedulingPropertiesChange`); `UPDATE_OTHER` if none that matters.
pub fn pod_changes(old: &Pod, new: &Pod) -> Vec<Actions> {
    let mut changes = Vec::new();
    if old.meta.labels != new.meta.labels {
        changes.push(Actions::UPDATE_POD_LABEL);
    }
    if scaled_down(old, new) {
        changes.push(Actions::UPDATE_POD_SCALE_DOWN);
    }
    if new.spec.scheduling_gates.is_empty() && !old.spec.scheduling_gates.is_empty() {
        changes.push(Actions::UPDATE_POD_GATES_ELIMINATED);
    }
    if new.spec.tolerations.len() != old.spec.tolerations.len() {
        changes.push(Actions::UPDATE_POD_TOLERATION);
    }
    if new.status.resource_claims != old.status.resource_claims {
        changes.push(Actions::UPDATE_POD_RESOURCE_CLAIM);
    }
    if changes.is_empty() {
        changes.push(Actions::UPDATE_OTHER);
    }
    changes
}

fn scaled_down(old: &Pod, new: &Pod) -> bool {
    if super::cache::charges_spec(old) && super::cache::charges_spec(new) {
        // Most updates are those of a status that reports what the spec says.
        if std::sync::Arc::ptr_eq(&old.spec, &new.spec) {
            return false;
        }
    }
    let before = requests::requests_with_status(&old.spec, &old.status);
    let after = requests::requests_with_status(&new.spec, &new.status);
    before.iter().any(|(name, amount)| after.get(name).is_none_or(|now| now < amount))
}

/// The aspects of a node that an update changed (`NodeSchedulingPropertiesChange`).
pub fn node_changes(old: &Node, new: &Node) -> Vec<Actions> {
    let mut changes = Vec::new();
    if old.unschedulable && !new.unschedulable {
        changes.push(Actions::UPDATE_NODE_TAINT);
    }
    if old.status.allocatable != new.status.allocatable {
        changes.push(Actions::UPDATE_NODE_ALLOCATABLE);
    }
    if old.meta.labels != new.meta.labels {
        changes.push(Actions::UPDATE_NODE_LABEL);
    }
    if old.taints != new.taints {
        changes.push(Actions::UPDATE_NODE_TAINT);
    }
    if conditions(old) != conditions(new) {
        changes.push(Actions::UPDATE_NODE_CONDITION);
    }
    if old.meta.annotations != new.meta.annotations {
        changes.push(Actions::UPDATE_NODE_ANNOTATION);
    }
    if old.status.declared_features != new.status.declared_features {
        changes.push(Actions::UPDATE_NODE_DECLARED_FEATURE);
    }
    changes
}

/// Conditions without their times.
fn conditions(node: &Node) -> Vec<(Name, ConditionStatus)> {
    let mut all: Vec<_> = node.status.conditions.iter().map(|one| (one.kind, one.status)).collect();
    all.sort_unstable();
    all
}

/// Whether two lists of tolerations differ.
pub fn tolerations_differ(old: &[Toleration], new: &[Toleration]) -> bool {
    old != new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrations_cover_events() {
        let event = ClusterEvent::new(Resource::AssignedPod, Actions::UPDATE_POD_LABEL, None, None);
        assert!(event.is_registered(Resource::Pod, Actions::UPDATE));
        assert!(event.is_registered(Resource::AssignedPod, Actions::UPDATE_POD_LABEL.with(Actions::ADD)));
        assert!(!event.is_registered(Resource::Pod, Actions::ADD.with(Actions::DELETE)));
        assert!(!event.is_registered(Resource::UnscheduledPod, Actions::ALL));
        assert!(!event.is_registered(Resource::Node, Actions::ALL));
    }
}
