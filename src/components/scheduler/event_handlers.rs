//! What the scheduler makes of its watch: the cache and the queue learn, and rejected pods are offered what happened.
//!
//! Follows `pkg/scheduler/eventhandlers.go` of Kubernetes 1.36. The real informer leaves out pods that have finished,
//! so that a pod's end looks like its deletion.

use super::events::{Actions, Resource, node_changes, pod_changes};
use super::{ClusterEvent, Scheduler, around};
use crate::api::{Change, ChangeKind, Node, Object, Pod};
use crate::components::message::Message;
use crate::engine::{Outbox, SimTime};
use std::sync::Arc;

impl Scheduler {
    /// The scheduler's watch tells of a change.
    pub fn watched(&mut self, now: SimTime, change: Change, out: &mut Outbox<Message>) {
        self.hears(now, change, out);
        self.settle(now, out);
    }

    /// The scheduler's informers have listed what there is: nothing is decided before all of it is known
    /// (`WaitForHandlersSync` of `scheduler.go`).
    pub fn listed(&mut self, now: SimTime, changes: impl IntoIterator<Item = Change>, out: &mut Outbox<Message>) {
        for change in changes {
            self.hears(now, change, out);
        }
        self.settle(now, out);
    }

    fn hears(&mut self, now: SimTime, change: Change, out: &mut Outbox<Message>) {
        let deleted = change.kind == ChangeKind::Deleted;
        match change.object {
            Object::Pod(pod) => self.pod_changed(now, pod, deleted, out),
            Object::Node(node) => self.node_changed(now, node, deleted),
            Object::Namespace(namespace) => {
                let labels = (!deleted).then(|| namespace.meta.labels.clone());
                self.cache.set_namespace(namespace.meta.name, labels);
            }
            other => self.object_changed(now, other, deleted),
        }
    }

    fn offer(&mut self, now: SimTime, event: ClusterEvent, wanted: impl Fn(&Pod) -> bool) {
        self.queue.offer(&around!(self, now), event, wanted);
    }

    fn pod_changed(&mut self, now: SimTime, pod: Arc<Pod>, deleted: bool, out: &mut Outbox<Message>) {
        let index = pod.meta.index;
        let new = (!deleted && !pod.is_terminal()).then_some(&pod);
        let old = match new {
            Some(new) => self.informer.insert(index, new.clone()),
            None => self.informer.remove(&index),
        };
        self.victim_changed(index);
        let (waited, was_placed) =
            (old.as_ref().filter(|old| !is_placed(old)), old.as_ref().filter(|old| is_placed(old)));
        let (waits, is_on_node) = (new.filter(|new| !is_placed(new)), new.filter(|new| is_placed(new)));
        match (waited, waits) {
            (None, Some(new)) => self.pod_waits(now, new),
            (Some(old), Some(new)) => self.waiting_pod_changed(now, old, new, out),
            (Some(old), None) => self.pod_waits_no_more(now, old, is_on_node.is_some(), out),
            (None, None) => {}
        }
        match (was_placed, is_on_node) {
            (None, Some(new)) => {
                self.cache.set_pod(new);
                let event =
                    ClusterEvent::new(Resource::AssignedPod, Actions::ADD, None, Some(Object::Pod(new.clone())));
                self.offer(now, event, |_| true);
            }
            (Some(old), Some(new)) => {
                self.cache.set_pod(new);
                for action in pod_changes(old, new) {
                    let (old, new) = (Object::Pod(old.clone()), Object::Pod(new.clone()));
                    self.offer(now, ClusterEvent::new(Resource::AssignedPod, action, Some(old), Some(new)), |_| true);
                }
            }
            (Some(old), None) => {
                self.cache.remove_pod(old);
                self.offer_deleted(now, old, |_| true);
            }
            (None, None) => {}
        }
    }

    /// A pod's room on its node is free.
    pub(super) fn offer_deleted(&mut self, now: SimTime, pod: &Arc<Pod>, wanted: impl Fn(&Pod) -> bool) {
        let event = ClusterEvent::new(Resource::AssignedPod, Actions::DELETE, Some(Object::Pod(pod.clone())), None);
        self.offer(now, event, wanted);
    }

    fn pod_waits(&mut self, now: SimTime, pod: &Arc<Pod>) {
        let Some(profile) = self.profile_of(pod) else { return };
        self.nominator.add(pod, None);
        self.queue.add(&around!(self, now), pod.clone(), profile);
    }

    fn waiting_pod_changed(&mut self, now: SimTime, old: &Arc<Pod>, new: &Arc<Pod>, out: &mut Outbox<Message>) {
        let Some(profile) = self.profile_of(new) else { return };
        if self.cache.is_assumed(new) {
            if new.meta.is_terminating() && !old.meta.is_terminating() {
                self.assumed_pod_deleted(now, new.meta.index, out);
            }
            return;
        }
        let nominated = old.status.nominated_node_name;
        if !nominated.is_empty() && new.status.nominated_node_name != nominated {
            // As if a pod were gone from there: to others it counted as placed.
            let priority = old.spec.priority;
            self.offer_deleted(now, old, |other| other.spec.priority <= priority);
        }
        self.nominator.update(old, new);
        let event = |action| {
            let (old, new) = (Object::Pod(old.clone()), Object::Pod(new.clone()));
            ClusterEvent::new(Resource::UnscheduledPod, action, Some(old), Some(new))
        };
        let events = pod_changes(old, new).into_iter().map(event).collect();
        self.queue.update(&around!(self, now), new.clone(), profile, events);
    }

    fn pod_waits_no_more(&mut self, now: SimTime, old: &Arc<Pod>, is_placed: bool, out: &mut Outbox<Message>) {
        self.queue.remove(old.meta.index);
        self.nominator.remove(old);
        if is_placed {
            return;
        }
        if self.cache.is_assumed(old) {
            self.assumed_pod_deleted(now, old.meta.index, out);
        }
        if !old.status.nominated_node_name.is_empty() {
            let priority = old.spec.priority;
            self.offer_deleted(now, old, |other| other.spec.priority <= priority);
        }
    }

    fn node_changed(&mut self, now: SimTime, node: Arc<Node>, deleted: bool) {
        let old = self.cache.find_node(node.meta.name).and_then(|slot| self.cache.node(slot).node().cloned());
        if deleted {
            self.cache.remove_node(&node);
            let event = ClusterEvent::new(Resource::Node, Actions::DELETE, Some(Object::Node(node)), None);
            return self.offer(now, event, |_| true);
        }
        self.cache.set_node(&node);
        let actions = old.as_ref().map_or_else(|| vec![Actions::ADD], |old| node_changes(old, &node));
        for action in actions {
            let (old, new) = (old.clone().map(Object::Node), Some(Object::Node(node.clone())));
            self.offer(now, ClusterEvent::new(Resource::Node, action, old, new), |_| true);
        }
    }

    /// Objects that are neither pods nor nodes.
    fn object_changed(&mut self, now: SimTime, object: Object, deleted: bool) {
        let old = self.cache.objects.set(&object, deleted);
        let Some(resource) = resource_of(&object) else { return };
        let (action, old, new) = match old {
            old if deleted => (Actions::DELETE, old.or(Some(object)), None),
            Some(old) => (Actions::UPDATE_OTHER, Some(old), Some(object)),
            None => (Actions::ADD, None, Some(object)),
        };
        self.offer(now, ClusterEvent::new(resource, action, old, new), |_| true);
    }
}

fn is_placed(pod: &Pod) -> bool {
    !pod.node_name.is_empty()
}

/// The kinds whose changes may free a pod, beside pods and nodes.
fn resource_of(object: &Object) -> Option<Resource> {
    Some(match object {
        Object::PersistentVolume(_) => Resource::PersistentVolume,
        Object::PersistentVolumeClaim(_) => Resource::PersistentVolumeClaim,
        Object::StorageClass(_) => Resource::StorageClass,
        Object::CsiNode(_) => Resource::CsiNode,
        Object::CsiDriver(_) => Resource::CsiDriver,
        Object::CsiStorageCapacity(_) => Resource::CsiStorageCapacity,
        Object::VolumeAttachment(_) => Resource::VolumeAttachment,
        Object::ResourceClaim(_) => Resource::ResourceClaim,
        Object::DeviceClass(_) => Resource::DeviceClass,
        Object::ResourceSlice(_) => Resource::ResourceSlice,
        _ => return None,
    })
}
