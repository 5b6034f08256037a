//! The shared informer cache of the controller manager: the newest version by watch of every object, and the indexes
//! that make a controller's look-ups cheap.
//!
//! Counts of an owner's pods are kept up to date with each notification, so that a controller of ten thousand pods does
//! not count them again for each.

use super::interest::Kinds;
use super::tally;
use crate::api::{
    ApiObject, Change, ChangeKind, FastMap, Id, Kind, Labels, Metadata, Name, Object, Operator, OwnerReference, Pod,
    Selector, Store, Uid, ZONE_LABEL,
};
use indexmap::IndexSet;
use rustc_hash::FxHasher;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

/// Places in a table, in a repeatable order.
pub type Places = IndexSet<u32, BuildHasherDefault<FxHasher>>;

/// How the pods of an owner stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Neither finished nor terminating.
    pub active: i32,
    /// Active and ready.
    pub ready: i32,
    /// Terminating and not finished.
    pub terminating: i32,
}

impl Census {
    /// The census of some pods.
    pub fn of<'a>(pods: impl IntoIterator<Item = &'a Arc<Pod>>) -> Self {
        let mut census = Self::default();
        for pod in pods {
            census.count(pod, 1);
        }
        census
    }

    fn count(&mut self, pod: &Pod, step: i32) {
        if pod.is_terminal() {
            return;
        }
        if pod.meta.is_terminating() {
            self.terminating += step;
        } else {
            self.active += step;
            self.ready += if pod.status.is_ready() { step } else { 0 };
        }
    }
}

/// The pods that one object controls.
#[derive(Debug, Clone, Default)]
pub struct OwnedPods {
    /// Which they are.
    pub pods: Places,
    /// How they stand.
    pub census: Census,
    /// How many active pods have the same labels.
    pub by_labels: Vec<(Labels, i32)>,
}

impl OwnedPods {
    fn count(&mut self, pod: &Pod, step: i32) {
        self.census.count(pod, step);
        if !pod.is_active() {
            return;
        }
        tally::count(&mut self.by_labels, &pod.meta.labels, step, MOST_LABEL_SETS);
    }
}

/// So many different sets of labels are told apart. Pods of Jobs and StatefulSets differ each; nobody asks for theirs.
const MOST_LABEL_SETS: usize = 64;

/// The pods that an object selects by their labels, whoever controls them.
#[derive(Debug, Clone, Default)]
pub struct SelectedPods {
    /// Which they are.
    pub pods: Places,
    /// How many of them are ready and not terminating.
    pub healthy: i32,
    /// Their controllers, and how many pods each has; without one under the empty identity.
    pub controllers: Vec<(Uid, i32)>,
}

impl SelectedPods {
    fn count(&mut self, pod: &Pod, step: i32) {
        if pod.status.is_ready() && !pod.meta.is_terminating() {
            self.healthy += step;
        }
        let uid = pod.meta.controller().map(|owner| owner.uid).unwrap_or_default();
        tally::count(&mut self.controllers, &uid, step, usize::MAX);
    }
}

/// The objects of one kind that select pods.
#[derive(Debug, Clone, Default)]
struct Selecting {
    /// Those of each namespace.
    in_namespace: FastMap<Name, Vec<u32>>,
    selected: FastMap<u32, SelectedPods>,
}

/// Everything that the controllers know of the cluster.
#[derive(Debug, Clone, Default)]
pub struct Informers {
    store: Store,
    /// The newest version that was told of, by kind.
    newest: Vec<u64>,
    /// The kinds of which there ever was an object.
    ever: Kinds,
    pods_of: FastMap<Uid, OwnedPods>,
    /// Everything that names an owner, by owner.
    dependents: FastMap<Uid, IndexSet<(Kind, u32), BuildHasherDefault<FxHasher>>>,
    pods_on: FastMap<Name, Places>,
    /// Pods without a controller, by namespace, …
    orphans_in: FastMap<Name, Places>,
    /// … and by namespace and label.
    orphans_with: FastMap<(Name, Name, Name), Places>,
    /// ReplicaSets and revisions without a controller, by namespace.
    uncontrolled: FastMap<(Kind, Name), Places>,
    services: Selecting,
    budgets: Selecting,
    /// Grows with each change of the zones that nodes are in.
    zones: u64,
}

impl Informers {
    /// The newest version by watch of every object.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The newest version of any object of a kind that was told of.
    pub fn newest(&self, kind: Kind) -> u64 {
        self.newest.get(kind as usize).copied().unwrap_or(0)
    }

    /// The kinds of which there ever was an object.
    pub(super) const fn kinds_ever(&self) -> Kinds {
        self.ever
    }

    /// The pods that an object controls.
    pub fn pods_of(&self, owner: Uid) -> Option<&OwnedPods> {
        self.pods_of.get(&owner)
    }

    /// The pods that an object controls, in order of creation.
    pub fn list_pods_of(&self, owner: Uid) -> Vec<Arc<Pod>> {
        self.pods_of.get(&owner).map(|owned| self.pods_at(&owned.pods)).unwrap_or_default()
    }

    /// The pods on a node, in order of creation.
    pub fn list_pods_on(&self, node: Name) -> Vec<Arc<Pod>> {
        self.pods_on.get(&node).map(|places| self.pods_at(places)).unwrap_or_default()
    }

    /// The nodes that pods are bound to, whether they exist or not, with the number of pods.
    pub fn pods_on(&self, node: Name) -> usize {
        self.pods_on.get(&node).map_or(0, IndexSet::len)
    }

    /// The pods at some places, in order of creation.
    pub fn pods_at(&self, places: &Places) -> Vec<Arc<Pod>> {
        let mut sorted: Vec<u32> = places.iter().copied().collect();
        sorted.sort_unstable();
        sorted.into_iter().filter_map(|place| self.store.pods.get(Id::new(place)).cloned()).collect()
    }

    /// Objects of a kind that name an owner.
    pub fn dependents(&self, owner: Uid) -> impl Iterator<Item = (Kind, u32)> + '_ {
        self.dependents.get(&owner).into_iter().flatten().copied()
    }

    /// Pods without a controller that a selector matches, in order of creation.
    pub fn orphans(&self, namespace: Name, selector: &Selector) -> Vec<Arc<Pod>> {
        let key = selector
            .0
            .iter()
            .find(|requirement| requirement.operator == Operator::In && requirement.values.len() == 1)
            .map(|requirement| (namespace, requirement.key, requirement.values[0]));
        let places = match key {
            Some(key) => self.orphans_with.get(&key),
            None => self.orphans_in.get(&namespace),
        };
        let mut orphans = places.map(|places| self.pods_at(places)).unwrap_or_default();
        orphans.retain(|pod| selector.matches(&pod.meta.labels));
        orphans
    }

    /// Objects of a kind without a controller: ReplicaSets and ControllerRevisions only.
    pub fn uncontrolled(&self, kind: Kind, namespace: Name) -> impl Iterator<Item = u32> + '_ {
        self.uncontrolled.get(&(kind, namespace)).into_iter().flatten().copied()
    }

    /// The objects of a type that an object controls, in order of creation.
    pub fn controlled<T: ApiObject>(&self, owner: Uid) -> Vec<Arc<T>> {
        let of_kind = |(kind, place): (Kind, u32)| (kind == T::KIND).then_some(place);
        let mut places: Vec<u32> = self.dependents(owner).filter_map(of_kind).collect();
        places.sort_unstable();
        let table = T::table(&self.store);
        let controlled = |version: &Arc<T>| version.meta().controller().is_some_and(|by| by.uid == owner);
        places.into_iter().filter_map(|place| table.get(Id::new(place)).cloned()).filter(controlled).collect()
    }

    /// The pods that a Service selects.
    pub fn service_pods(&self, service: u32) -> Option<&SelectedPods> {
        self.services.selected.get(&service)
    }

    /// The pods that a Service selects, in order of creation.
    pub fn list_service_pods(&self, service: u32) -> Vec<Arc<Pod>> {
        self.service_pods(service).map(|selected| self.pods_at(&selected.pods)).unwrap_or_default()
    }

    /// The pods that a disruption budget selects.
    pub fn budget_pods(&self, budget: u32) -> Option<&SelectedPods> {
        self.budgets.selected.get(&budget)
    }

    /// The Services of a namespace that select pods.
    pub fn services_in(&self, namespace: Name) -> &[u32] {
        self.services.in_namespace.get(&namespace).map_or(&[], Vec::as_slice)
    }

    /// A number that grows with each change of the zones that nodes are in.
    pub const fn zones(&self) -> u64 {
        self.zones
    }

    /// The disruption budgets of a namespace.
    pub fn budgets_in(&self, namespace: Name) -> &[u32] {
        self.budgets.in_namespace.get(&namespace).map_or(&[], Vec::as_slice)
    }

    /// Takes in a notification and returns the version that was there before.
    pub fn apply(&mut self, change: &Change) -> Option<Object> {
        let before = self.store.follow(change);
        self.ever.insert(change.object.kind());
        let kind = change.object.kind() as usize;
        if self.newest.len() <= kind {
            self.newest.resize(kind + 1, 0);
        }
        self.newest[kind] = self.newest[kind].max(change.object.meta().resource_version);
        let after = (change.kind != ChangeKind::Deleted).then_some(&change.object);
        self.index_owners(before.as_ref(), after);
        match &change.object {
            Object::Pod(pod) => {
                let old = before.as_ref().and_then(Object::pod);
                self.index_pod(old, (change.kind != ChangeKind::Deleted).then_some(pod));
            }
            Object::Service(service) => {
                let place = service.meta.index;
                let selector = service.selector.as_ref().map(Selector::from_labels);
                let selector = selector.filter(|selector| !selector.is_empty() && after.is_some());
                self.index_selector(Kind::Service, &service.meta, place, selector);
            }
            Object::Node(_) => {
                let zone = |node: Option<&Object>| node.and_then(|node| node.meta().labels.get(*ZONE_LABEL));
                self.zones += u64::from(zone(before.as_ref()) != zone(after));
            }
            Object::PodDisruptionBudget(budget) => {
                let selector = budget.selector.clone().filter(|_| after.is_some());
                let before = before.as_ref().and_then(|before| match before {
                    Object::PodDisruptionBudget(old) => old.selector.clone(),
                    _ => None,
                });
                if before != selector || change.kind != ChangeKind::Modified {
                    self.index_selector(Kind::PodDisruptionBudget, &budget.meta, budget.meta.index, selector);
                }
            }
            _ => {}
        }
        before
    }

    fn index_owners(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let owners = |object: Option<&Object>| object.map(|object| object.meta().owner_references.clone());
        if let Some(object) = after.or(before)
            && matches!(object.kind(), Kind::ReplicaSet | Kind::ControllerRevision)
        {
            let meta = object.meta();
            let places = self.uncontrolled.entry((object.kind(), meta.namespace)).or_default();
            let free = after.is_some() && !is_controlled(meta);
            put(places, meta.index, if free { 1 } else { -1 });
        }
        let (old, new) = (owners(before).unwrap_or_default(), owners(after).unwrap_or_default());
        if old == new {
            return;
        }
        let Some(object) = after.or(before) else { return };
        let place = (object.kind(), object.meta().index);
        for owner in &old {
            if let Some(places) = self.dependents.get_mut(&owner.uid) {
                places.swap_remove(&place);
                if places.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
        for owner in &new {
            self.dependents.entry(owner.uid).or_default().insert(place);
        }
    }

    fn index_pod(&mut self, before: Option<&Arc<Pod>>, after: Option<&Arc<Pod>>) {
        if let Some(old) = before {
            self.count_pod(old, -1, after);
        }
        if let Some(new) = after {
            self.count_pod(new, 1, before);
        }
    }

    /// Enters a version of a pod into the indexes, or takes it out; `other` is the version that takes its place.
    fn count_pod(&mut self, pod: &Arc<Pod>, step: i32, other: Option<&Arc<Pod>>) {
        let (meta, place) = (&pod.meta, pod.meta.index);
        let same_node = other.is_some_and(|other| other.node_name == pod.node_name);
        if !pod.node_name.is_empty() && !same_node {
            put(self.pods_on.entry(pod.node_name).or_default(), place, step);
        }
        let owner = meta.controller().map(|owner| owner.uid);
        match owner {
            Some(uid) => {
                let owned = self.pods_of.entry(uid).or_default();
                put(&mut owned.pods, place, step);
                owned.count(pod, step);
                if owned.pods.is_empty() && other.is_none() {
                    self.pods_of.remove(&uid);
                }
            }
            None => {
                let same = other.is_some_and(|other| other.meta.labels == meta.labels && !is_controlled(&other.meta));
                if !same {
                    put(self.orphans_in.entry(meta.namespace).or_default(), place, step);
                    for (key, value) in meta.labels.iter() {
                        put(self.orphans_with.entry((meta.namespace, key, value)).or_default(), place, step);
                    }
                }
            }
        }
        count_selected(&mut self.services, pod, step, |place| {
            let service = self.store.services.get(Id::new(place))?;
            Some(service.selector.as_ref()?.all_in(&pod.meta.labels))
        });
        count_selected(&mut self.budgets, pod, step, |place| {
            let budget = self.store.pod_disruption_budgets.get(Id::new(place))?;
            Some(budget.selector.as_ref()?.matches(&pod.meta.labels))
        });
    }

    /// Enters an object that selects pods, or takes it out.
    fn index_selector(&mut self, kind: Kind, meta: &Metadata, place: u32, selector: Option<Selector>) {
        let selecting = if kind == Kind::Service { &mut self.services } else { &mut self.budgets };
        let namespace = selecting.in_namespace.entry(meta.namespace).or_default();
        namespace.retain(|have| *have != place);
        selecting.selected.remove(&place);
        let Some(selector) = selector else { return };
        namespace.push(place);
        let mut selected = SelectedPods::default();
        for pod in self.store.pods.iter() {
            if pod.meta.namespace == meta.namespace && selector.matches(&pod.meta.labels) {
                selected.pods.insert(pod.meta.index);
                selected.count(pod, 1);
            }
        }
        selecting.selected.insert(place, selected);
    }
}

fn is_controlled(meta: &Metadata) -> bool {
    meta.owner_references.iter().any(|owner: &OwnerReference| owner.controller)
}

fn put(places: &mut Places, place: u32, step: i32) {
    if step > 0 {
        places.insert(place);
    } else {
        places.swap_remove(&place);
    }
}

fn count_selected(selecting: &mut Selecting, pod: &Pod, step: i32, matches: impl Fn(u32) -> Option<bool>) {
    let Some(places) = selecting.in_namespace.get(&pod.meta.namespace) else { return };
    for place in places {
        if matches(*place) != Some(true) {
            continue;
        }
        if let Some(selected) = selecting.selected.get_mut(place) {
            put(&mut selected.pods, pod.meta.index, step);
            selected.count(pod, step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{PodPhase, PodStatus};

    fn pod(index: u32, app: &str, owner: u128, phase: PodPhase, version: u64) -> Pod {
        let owner = OwnerReference {
            api_version: Name::new("apps/v1"),
            kind: Name::new("ReplicaSet"),
            name: Name::new("web"),
            uid: Uid::from_bits(owner),
            controller: true,
            block_owner_deletion: true,
        };
        let meta = Metadata {
            index,
            name: Name::new(&format!("web-{index}")),
            namespace: Name::new("default"),
            labels: [(Name::new("app"), Name::new(app))].into_iter().collect(),
            owner_references: if owner.uid.is_empty() { Vec::new().into() } else { vec![owner].into() },
            resource_version: version,
            ..Metadata::default()
        };
        let status = PodStatus { phase, ..PodStatus::default() };
        Pod { meta, spec: Arc::default(), node_name: Name::default(), status: Arc::new(status) }
    }

    fn tell(informers: &mut Informers, kind: ChangeKind, pod: Pod) {
        informers.apply(&Change { kind, object: Object::Pod(Arc::new(pod)) });
    }

    #[test]
    fn counts_follow_the_notifications() {
        let mut informers = Informers::default();
        for index in 0..3 {
            tell(&mut informers, ChangeKind::Added, pod(index, "web", 7, PodPhase::Running, u64::from(index)));
        }
        tell(&mut informers, ChangeKind::Modified, pod(1, "web", 7, PodPhase::Failed, 9));
        tell(&mut informers, ChangeKind::Modified, pod(2, "web", 0, PodPhase::Running, 10));
        let owned = informers.pods_of(Uid::from_bits(7)).unwrap();
        assert_eq!(owned.census, Census { active: 1, ready: 0, terminating: 0 });
        assert_eq!((owned.pods.len(), owned.by_labels.len()), (2, 1));
        let selector = Selector::from_labels(&[(Name::new("app"), Name::new("web"))].into_iter().collect());
        let orphans = informers.orphans(Name::new("default"), &selector);
        assert_eq!(orphans.iter().map(|pod| pod.meta.index).collect::<Vec<_>>(), [2]);
        for index in 0..3 {
            let owner = if index == 2 { 0 } else { 7 };
            tell(&mut informers, ChangeKind::Deleted, pod(index, "web", owner, PodPhase::Running, 11));
        }
        assert!(informers.pods_of(Uid::from_bits(7)).is_none());
        assert_eq!(informers.newest(Kind::Pod), 11);
        assert!(informers.orphans(Name::new("default"), &selector).is_empty());
    }
}
