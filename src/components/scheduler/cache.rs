//! What the scheduler knows of the cluster: nodes, the pods on them, and everything that decisions look at.
//!
//! Follows `pkg/scheduler/backend/cache/cache.go` of Kubernetes 1.36. The real scheduler copies what changed into a
//! snapshot before each cycle; here a decision is computed in one go at the beginning of its cycle, so the cache is
//! the snapshot. A pod that was placed is *assumed* on its node until the watch confirms it or the binding fails.
//! `ImageLocality` sees the true number of nodes that hold an image, where the real snapshot may lag behind.

pub use super::index::{
    Column, ColumnId, CompiledRequirement, CompiledTerms, CounterId, Counters, DomainCounts, Eligibility, ExistingTerm,
    PodMatcher, PodTerm, TermKind,
};
use super::index::{Columns, ExistingTerms, TaintClasses, World};
pub use super::node_info::{Basics, HostPort, NodeInfo, PodOnNode, Totals, charges_spec, host_ports, ports_conflict};
use super::node_tree::NodeTree;
use super::objects::Objects;
use crate::api::{FastMap, Labels, Name, Node, Pod, Taint, VolumeSource};
use crate::planted::{self, Bug};
use std::sync::Arc;

/// The place of a node among all that the scheduler has ever heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NodeSlot(pub u32);

impl NodeSlot {
    /// The place as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    node: NodeSlot,
    position: u32,
    assumed: bool,
}

/// An image and the nodes that hold it.
#[derive(Debug, Clone, Default)]
pub struct ImageState {
    /// Bytes, as the first of these nodes said.
    pub size: i64,
    /// How many nodes hold it.
    pub nodes: u32,
    holders: Vec<u64>,
}

impl ImageState {
    /// Whether a node holds it.
    pub fn is_on(&self, slot: NodeSlot) -> bool {
        self.holders.get(slot.index() / 64).is_some_and(|bits| bits >> (slot.index() % 64) & 1 == 1)
    }

    fn set(&mut self, slot: NodeSlot, held: bool) {
        let (word, bit) = (slot.index() / 64, 1u64 << (slot.index() % 64));
        if self.holders.len() <= word {
            self.holders.resize(word + 1, 0);
        }
        let before = self.holders[word];
        self.holders[word] = if held { before | bit } else { before & !bit };
        self.nodes = self.nodes + self.holders[word].count_ones() - before.count_ones();
    }
}

/// The cluster as the scheduler knows it.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    nodes: Vec<NodeInfo>,
    slots: FastMap<Name, NodeSlot>,
    tree: NodeTree,
    order: Vec<NodeSlot>,
    order_is_stale: bool,
    /// Where pods are, by their place in the store.
    places: FastMap<u32, Place>,
    images: FastMap<Name, ImageState>,
    columns: Columns,
    taints: TaintClasses,
    counters: Counters,
    existing: ExistingTerms,
    /// How many pods on nodes use a claim.
    claim_users: FastMap<(Name, Name), u32>,
    /// Changes with every label and taint of a node.
    version: u64,
    /// Objects that are neither nodes nor pods.
    pub objects: Objects,
}

impl Cache {
    /// A node's information.
    pub fn node(&self, slot: NodeSlot) -> &NodeInfo {
        &self.nodes[slot.index()]
    }

    /// How many places of nodes there are.
    pub(super) fn slots(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// So many pods of others, who are not simulated, are on a node.
    pub(super) fn set_neighbours(&mut self, slot: NodeSlot, count: i64) {
        self.nodes[slot.index()].set_neighbours(count);
    }

    /// A node's place by its name, if there is such a node.
    pub fn find_node(&self, name: Name) -> Option<NodeSlot> {
        self.slots.get(&name).copied().filter(|slot| self.node(*slot).totals.exists)
    }

    /// All nodes in the order in which they are looked at; fresh after [`refresh`](Self::refresh).
    pub fn order(&self) -> &[NodeSlot] {
        debug_assert!(!self.order_is_stale, "the order of nodes is read before it is refreshed");
        &self.order
    }

    /// Whether nodes came or went since the order was brought up to date.
    pub(super) const fn is_stale(&self) -> bool {
        self.order_is_stale
    }

    /// Brings the order of nodes up to date: the beginning of every cycle.
    pub fn refresh(&mut self) {
        if std::mem::replace(&mut self.order_is_stale, false) {
            self.order = self.tree.list();
        }
    }

    /// The image of a normalized name, if any node holds it.
    pub fn image(&self, name: Name) -> Option<&ImageState> {
        self.images.get(&name)
    }

    /// The columns of node labels.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The column of a label; made if it is new.
    pub fn ensure_column(&mut self, key: Name) -> ColumnId {
        self.columns.ensure(key, &self.nodes)
    }

    /// The taints of a class.
    pub fn taints(&self, class: u32) -> &[Taint] {
        self.taints.get(class)
    }

    /// How many classes of taints there are.
    pub fn taint_classes(&self) -> usize {
        self.taints.len()
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A counter of pods by the domains of a label; counted if it is new.
    pub fn ensure_counter(&mut self, matcher: PodMatcher, eligibility: Eligibility, column: ColumnId) -> CounterId {
        let Self { nodes, columns, counters, version, objects, .. } = self;
        let world = World { nodes, columns, namespaces: &objects.namespaces, version: *version };
        counters.ensure(matcher, eligibility, column, world)
    }

    /// The terms of pods that are already placed.
    pub fn existing_terms(&self) -> impl Iterator<Item = &ExistingTerm> {
        self.existing.iter()
    }

    /// Whether a pod on a node uses a claim.
    pub fn is_claim_used(&self, namespace: Name, claim: Name) -> bool {
        self.claim_users.get(&(namespace, claim)).is_some_and(|users| *users > 0)
    }

    /// Everything on nodes, with the place of the node; pods that name a node which does not exist are left out.
    pub fn pods(&self) -> impl Iterator<Item = (NodeSlot, &Arc<Pod>)> {
        let existing = self.nodes.iter().filter(|info| info.totals.exists);
        existing.flat_map(|info| info.pods().iter().map(|on| (info.slot(), &on.pod)))
    }

    /// Changes with every label and taint of a node.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// A node is new or has a new version.
    pub fn set_node(&mut self, node: &Arc<Node>) {
        let slot = self.slot_of(node.meta.name);
        let before = self.nodes[slot.index()].node().cloned();
        let same = before.as_ref().is_some_and(|old| old.meta.labels == node.meta.labels && old.taints == node.taints);
        match &before {
            None => self.tree.add(node.zone_key(), slot),
            Some(old) if old.zone_key() != node.zone_key() => {
                self.tree.remove(old.zone_key(), slot);
                self.tree.add(node.zone_key(), slot);
                self.order_is_stale = true;
            }
            Some(_) => {}
        }
        if before.as_ref().is_none_or(|old| old.status.images != node.status.images) {
            self.set_images(slot, before.as_deref(), Some(node));
        }
        if same {
            self.nodes[slot.index()].set_node(Some(node.clone()));
            return;
        }
        self.account_all(slot, false);
        self.version += 1;
        self.counters.nodes_changed();
        self.order_is_stale |= before.is_none();
        self.columns.update(slot, Some(node));
        let class = self.taints.of(&node.taints);
        let info = &mut self.nodes[slot.index()];
        info.totals.taint_class = class;
        info.set_node(Some(node.clone()));
        self.account_all(slot, true);
    }

    /// A node is gone; its pods are remembered until they are gone too.
    pub fn remove_node(&mut self, node: &Arc<Node>) {
        let Some(slot) = self.find_node(node.meta.name) else { return };
        let before = self.nodes[slot.index()].node().cloned();
        self.account_all(slot, false);
        self.set_images(slot, before.as_deref(), None);
        if let Some(before) = before {
            self.tree.remove(before.zone_key(), slot);
        }
        self.version += 1;
        self.counters.nodes_changed();
        self.order_is_stale = true;
        self.columns.update(slot, None);
        self.nodes[slot.index()].set_node(None);
    }

    /// A pod is on its node, or has a new version there.
    pub fn set_pod(&mut self, pod: &Arc<Pod>) {
        self.put(pod, false);
    }

    /// A pod is taken to be on a node, which its newest version does not say yet.
    pub fn assume_pod(&mut self, pod: &Arc<Pod>) {
        if !planted::is(Bug::AssumedPodsForgotten) {
            self.put(pod, true);
        }
    }

    /// Whether a pod is assumed on a node.
    pub fn is_assumed(&self, pod: &Pod) -> bool {
        self.places.get(&pod.meta.index).is_some_and(|place| place.assumed)
    }

    /// The version of a pod that is on a node, assumed or not.
    pub fn pod_on_node(&self, pod: &Pod) -> Option<&Arc<Pod>> {
        let place = self.places.get(&pod.meta.index)?;
        Some(&self.node(place.node).pods()[place.position as usize].pod)
    }

    /// A pod is on no node any more: it is gone, has finished, or was never bound.
    pub fn remove_pod(&mut self, pod: &Pod) {
        let Some(place) = self.places.remove(&pod.meta.index) else { return };
        self.take(place);
    }

    fn put(&mut self, pod: &Arc<Pod>, assumed: bool) {
        let slot = self.slot_of(pod.node_name);
        if let Some(place) = self.places.get_mut(&pod.meta.index) {
            place.assumed = assumed;
            let place = *place;
            let info = &mut self.nodes[place.node.index()];
            let old = &info.pods()[place.position as usize].pod;
            if place.node == slot && is_same_for_the_cache(old, pod) {
                info.replace_pod(place.position as usize, pod.clone());
                return;
            }
            self.take(place);
        }
        let position = self.nodes[slot.index()].add_pod(PodOnNode::new(pod.clone()));
        self.places.insert(pod.meta.index, Place { node: slot, position: position as u32, assumed });
        if self.nodes[slot.index()].totals.exists {
            self.account(pod, slot, true);
        }
    }

    fn take(&mut self, place: Place) {
        let info = &mut self.nodes[place.node.index()];
        let gone = info.remove_pod(place.position as usize).pod;
        if let Some(moved) = info.pods().get(place.position as usize) {
            let index = moved.pod.meta.index;
            self.places.get_mut(&index).expect("a pod on a node has a place").position = place.position;
        }
        if self.nodes[place.node.index()].totals.exists {
            self.account(&gone, place.node, false);
        }
    }

    fn account(&mut self, pod: &Pod, slot: NodeSlot, up: bool) {
        let Self { nodes, columns, counters, existing, version, objects, .. } = self;
        existing.pod_changed(pod, slot, up, columns, nodes);
        let world = World { nodes, columns, namespaces: &objects.namespaces, version: *version };
        counters.pod_changed(pod, slot, up, world);
        for volume in &pod.spec.volumes {
            if let VolumeSource::Claim { name, .. } = &volume.source {
                let users = self.claim_users.entry((pod.meta.namespace, *name)).or_insert(0);
                *users = if up { *users + 1 } else { *users - 1 };
            }
        }
    }

    fn account_all(&mut self, slot: NodeSlot, up: bool) {
        if !self.nodes[slot.index()].totals.exists {
            return;
        }
        let pods: Vec<Arc<Pod>> = self.nodes[slot.index()].pods().iter().map(|on| on.pod.clone()).collect();
        for pod in pods {
            self.account(&pod, slot, up);
        }
    }

    /// The labels of a namespace are new or have changed.
    pub fn set_namespace(&mut self, name: Name, labels: Option<Labels>) {
        match labels {
            Some(labels) => self.objects.namespaces.insert(name, labels),
            None => self.objects.namespaces.remove(&name),
        };
        self.counters.namespaces_changed();
    }

    fn slot_of(&mut self, name: Name) -> NodeSlot {
        let next = NodeSlot(self.nodes.len() as u32);
        let slot = *self.slots.entry(name).or_insert(next);
        if slot == next {
            let mut info = NodeInfo::new(name, slot);
            info.totals.taint_class = self.taints.of(&[]);
            self.nodes.push(info);
            self.columns.update(slot, None);
        }
        slot
    }

    fn set_images(&mut self, slot: NodeSlot, old: Option<&Node>, new: Option<&Node>) {
        for image in old.iter().flat_map(|node| node.status.images.iter()) {
            for name in &image.names {
                if let Some(state) = self.images.get_mut(name) {
                    state.set(slot, false);
                    if state.nodes == 0 {
                        self.images.remove(name);
                    }
                }
            }
        }
        for image in new.iter().flat_map(|node| node.status.images.iter()) {
            for name in &image.names {
                let fresh = || ImageState { size: image.size, ..ImageState::default() };
                self.images.entry(*name).or_insert_with(fresh).set(slot, true);
            }
        }
    }
}

/// Whether two versions of a pod on a node are the same in everything that other pods' decisions look at.
fn is_same_for_the_cache(old: &Pod, new: &Pod) -> bool {
    Arc::ptr_eq(&old.spec, &new.spec)
        && old.meta.labels == new.meta.labels
        && old.meta.is_terminating() == new.meta.is_terminating()
        && (Arc::ptr_eq(&old.status, &new.status) || charges_spec(old) && charges_spec(new))
}
