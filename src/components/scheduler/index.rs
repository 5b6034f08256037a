//! What makes a decision cheap in a large cluster: labels as columns, taints as classes, and pods counted as they come
//! and go rather than anew for every pod that is placed.
//!
//! Nothing here decides anything. Each number is what the plugin would count by walking over all nodes and pods, and
//! the property tests compare the two.

use super::cache::NodeSlot;
use super::node_info::NodeInfo;
use crate::api::{
    FastMap, Labels, Name, Node, NodeSelectorTerm, Operator, Pod, Requirement, Selector, Taint, TaintEffect, Toleration,
};
use std::sync::Arc;

/// No value: the node lacks the label.
pub const NO_DOMAIN: u32 = u32::MAX;

/// A label of nodes as a column: for each node the number of its value.
#[derive(Debug, Clone)]
pub struct Column {
    /// The label.
    pub key: Name,
    /// The values by number, in order of their appearance.
    pub values: Vec<Name>,
    /// The number of each node's value, or [`NO_DOMAIN`].
    pub of_node: Vec<u32>,
    numbers: FastMap<Name, u32>,
}

/// A column by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(u32);

impl ColumnId {
    /// The place as a number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl Column {
    fn new(key: Name) -> Self {
        Self { key, values: Vec::new(), of_node: Vec::new(), numbers: FastMap::default() }
    }

    fn set(&mut self, slot: NodeSlot, node: Option<&Node>) {
        if self.of_node.len() <= slot.index() {
            self.of_node.resize(slot.index() + 1, NO_DOMAIN);
        }
        let value = node.and_then(|node| node.meta.labels.get(self.key));
        self.of_node[slot.index()] = value.map_or(NO_DOMAIN, |value| {
            let next = self.values.len() as u32;
            *self.numbers.entry(value).or_insert_with(|| {
                self.values.push(value);
                next
            })
        });
    }

    /// The number of a node's value.
    pub fn domain(&self, slot: NodeSlot) -> u32 {
        self.of_node[slot.index()]
    }
}

/// All columns that were ever asked for.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    columns: Vec<Column>,
    by_key: FastMap<Name, ColumnId>,
}

impl Columns {
    /// The column of a label; made from the nodes if it is new.
    pub fn ensure(&mut self, key: Name, nodes: &[NodeInfo]) -> ColumnId {
        if let Some(&id) = self.by_key.get(&key) {
            return id;
        }
        let mut column = Column::new(key);
        for node in nodes {
            column.set(node.slot(), node.node().map(|node| &**node));
        }
        self.columns.push(column);
        let id = ColumnId(self.columns.len() as u32 - 1);
        self.by_key.insert(key, id);
        id
    }

    /// The column of a label, if anybody asked for it.
    pub fn find(&self, key: Name) -> Option<ColumnId> {
        self.by_key.get(&key).copied()
    }

    /// A column.
    pub fn get(&self, id: ColumnId) -> &Column {
        &self.columns[id.0 as usize]
    }

    /// A node is new, has other labels or is gone.
    pub fn update(&mut self, slot: NodeSlot, node: Option<&Node>) {
        for column in &mut self.columns {
            column.set(slot, node);
        }
    }
}

/// Nodes with the same taints, whenever they were added.
#[derive(Debug, Clone, Default)]
pub struct TaintClasses {
    classes: Vec<Arc<[Taint]>>,
    numbers: FastMap<Vec<(Name, Name, TaintEffect)>, u32>,
}

impl TaintClasses {
    pub(super) fn of(&mut self, taints: &[Taint]) -> u32 {
        let key: Vec<_> = taints.iter().map(|taint| (taint.key, taint.value, taint.effect)).collect();
        let next = self.classes.len() as u32;
        *self.numbers.entry(key).or_insert_with(|| {
            self.classes.push(taints.into());
            next
        })
    }

    /// The taints of a class.
    pub fn get(&self, class: u32) -> &[Taint] {
        &self.classes[class as usize]
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.classes.len()
    }
}

/// The pods that a term of an affinity or a spread constraint means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PodTerm {
    /// Their namespaces by name, in order.
    pub namespaces: Vec<Name>,
    /// Their namespaces by label; an empty one means all.
    pub namespace_selector: Option<Selector>,
    /// Their labels; `None` matches nothing.
    pub selector: Option<Selector>,
}

impl PodTerm {
    /// Whether a pod is meant. Of a namespace that has no object, `labels_of_missing` are taken, or it is not meant.
    pub fn matches(
        &self,
        namespace: Name,
        labels: &Labels,
        namespaces: &FastMap<Name, Labels>,
        labels_of_missing: Option<&Labels>,
    ) -> bool {
        let Some(selector) = &self.selector else { return false };
        let in_namespace = self.namespaces.contains(&namespace)
            || self.namespace_selector.as_ref().is_some_and(|selector| {
                selector.is_empty()
                    || namespaces.get(&namespace).or(labels_of_missing).is_some_and(|labels| selector.matches(labels))
            });
        in_namespace && selector.matches(labels)
    }
}

/// Which pods a counter counts: those that all terms mean.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PodMatcher {
    /// The terms.
    pub terms: Vec<PodTerm>,
    /// Whether pods that are being deleted do not count.
    pub skip_terminating: bool,
}

impl PodMatcher {
    fn matches(&self, pod: &Pod, namespaces: &FastMap<Name, Labels>) -> bool {
        if self.terms.is_empty() || self.skip_terminating && pod.meta.is_terminating() {
            return false;
        }
        self.terms.iter().all(|term| term.matches(pod.meta.namespace, &pod.meta.labels, namespaces, None))
    }

    fn looks_at_namespaces(&self) -> bool {
        let by_label = |term: &PodTerm| term.namespace_selector.as_ref().is_some_and(|selector| !selector.is_empty());
        self.terms.iter().any(by_label)
    }
}

/// The nodes whose pods count for a spread constraint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Eligibility {
    /// Labels that a node must have.
    pub keys: Vec<Name>,
    /// Labels with values that a node must have.
    pub node_selector: Labels,
    /// Terms of which a node must meet one.
    pub node_terms: Option<Vec<NodeSelectorTerm>>,
    /// What a node's taints must be borne by; `None` if taints do not matter.
    pub tolerations: Option<Vec<Toleration>>,
    /// Whether tolerations may compare.
    pub comparison_operators: bool,
}

impl Eligibility {
    /// Whether a node's pods count.
    pub fn admits(&self, node: &Node) -> bool {
        let labels = &node.meta.labels;
        self.keys.iter().all(|key| labels.get(*key).is_some())
            && self.node_selector.all_in(labels)
            && self.node_terms.as_ref().is_none_or(|terms| any_term_matches(terms, node.meta.name, labels))
            && self.tolerations.as_ref().is_none_or(|tolerations| {
                first_untolerated(&node.taints, tolerations, self.comparison_operators).is_none()
            })
    }
}

/// The first taint that forbids pods and is not borne.
pub fn first_untolerated<'t>(
    taints: &'t [Taint],
    tolerations: &[Toleration],
    comparison_operators: bool,
) -> Option<&'t Taint> {
    taints
        .iter()
        .filter(|taint| taint.effect != TaintEffect::PreferNoSchedule)
        .find(|taint| !tolerations.iter().any(|toleration| toleration.tolerates(taint, comparison_operators)))
}

/// Whether a node meets one of the terms of a node selector. A term that is wrong in itself is met by none.
pub fn any_term_matches(terms: &[NodeSelectorTerm], name: Name, labels: &Labels) -> bool {
    terms.iter().any(|term| is_parseable(term) && term.matches(name, labels))
}

/// Whether the scheduler can make sense of a term (`labels.NewRequirement`).
pub fn is_parseable(term: &NodeSelectorTerm) -> bool {
    term.expressions.iter().all(|requirement| super::selector_errors::first_of_requirement(requirement).is_none())
}

/// A number by domain.
#[derive(Debug, Clone, Default)]
pub struct DomainCounts {
    /// Matching pods by domain.
    pub pods: Vec<u32>,
    /// Nodes that count, by domain.
    pub nodes: Vec<u32>,
    /// How many domains have nodes that count.
    pub domains: u32,
    /// How many of these domains have so many pods.
    histogram: Vec<u32>,
    /// The fewest pods of any of these domains.
    least: u32,
}

impl DomainCounts {
    fn change(&mut self, domain: u32, up: bool) {
        let place = domain as usize;
        let before = self.pods[place];
        let after = if up { before + 1 } else { before - 1 };
        self.pods[place] = after;
        if self.nodes[place] == 0 {
            return;
        }
        if self.histogram.len() <= after as usize {
            self.histogram.resize(after as usize + 1, 0);
        }
        self.histogram[before as usize] -= 1;
        self.histogram[after as usize] += 1;
        if after < self.least || before == self.least && self.histogram[before as usize] == 0 {
            self.least = after;
        }
    }

    fn count(&mut self) {
        self.histogram.clear();
        self.domains = 0;
        for (&pods, &nodes) in self.pods.iter().zip(&self.nodes) {
            if nodes == 0 {
                continue;
            }
            self.domains += 1;
            if self.histogram.len() <= pods as usize {
                self.histogram.resize(pods as usize + 1, 0);
            }
            self.histogram[pods as usize] += 1;
        }
        self.least = self.histogram.iter().position(|&domains| domains > 0).unwrap_or(0) as u32;
    }

    /// The fewest pods of any domain, and the fewest of any but one.
    pub fn least_and_least_without(&self, domain: u32) -> (u32, Option<u32>) {
        let own = self.pods[domain as usize];
        if self.nodes[domain as usize] == 0 {
            return (self.least, (self.domains > 0).then_some(self.least));
        }
        if own > self.least || self.histogram[own as usize] > 1 {
            return (self.least, Some(self.least));
        }
        let next = (own as usize + 1..self.histogram.len()).find(|&pods| self.histogram[pods] > 0);
        (self.least, next.map(|pods| pods as u32))
    }

    /// The fewest pods of any domain.
    pub const fn least(&self) -> u32 {
        self.least
    }
}

/// Matching pods by domain of one label, of nodes that count.
#[derive(Debug, Clone)]
struct Spread {
    column: ColumnId,
    eligibility: Arc<Eligibility>,
    /// The state of the nodes that `eligible` and `counts` are about.
    version: u64,
    eligible: Arc<[bool]>,
    counts: DomainCounts,
}

/// Pods that a matcher means, counted by node and by domain.
#[derive(Debug, Clone)]
struct Counter {
    matcher: Arc<PodMatcher>,
    per_node: Vec<u32>,
    spreads: Vec<Spread>,
    /// When it was last asked for; stale ones are dropped.
    used: u64,
}

/// A counter and one of its spreads, for the present cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterId {
    counter: u32,
    spread: u32,
}

/// Counters that plugins asked for.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    counters: Vec<Option<Counter>>,
    by_matcher: FastMap<Arc<PodMatcher>, u32>,
    /// Counters that can only match pods with a label in a namespace.
    anchored: FastMap<(Name, Name, Name), Vec<u32>>,
    /// The others.
    unanchored: Vec<u32>,
    /// Sets of nodes that count.
    eligible: FastMap<Arc<Eligibility>, (u64, Arc<[bool]>)>,
    clock: u64,
}

/// Above so many numbers in all counters, those not used lately are dropped.
const COUNTER_LIMIT: usize = 8 << 20;

impl Counters {
    /// The counter of a matcher by one label; counted anew if it is not there.
    pub(super) fn ensure(
        &mut self,
        matcher: PodMatcher,
        eligibility: Eligibility,
        column: ColumnId,
        world: World<'_>,
    ) -> CounterId {
        self.clock += 1;
        let counter = match self.by_matcher.get(&matcher) {
            Some(&place) => place,
            None => self.add(matcher, world),
        };
        let eligibility = Arc::new(eligibility);
        let Self { counters, eligible, clock, .. } = self;
        let entry = counters[counter as usize].as_mut().expect("a counter that was just found");
        entry.used = *clock;
        if entry.per_node.len() < world.nodes.len() {
            entry.per_node.resize(world.nodes.len(), 0);
        }
        let found = entry.spreads.iter().position(|s| s.column == column && *s.eligibility == *eligibility);
        let spread = found.unwrap_or_else(|| {
            let counts = DomainCounts::default();
            entry.spreads.push(Spread { column, eligibility, version: u64::MAX, eligible: Arc::from([]), counts });
            entry.spreads.len() - 1
        });
        let state = &mut entry.spreads[spread];
        if state.version != world.version {
            state.eligible = eligible_nodes(eligible, &state.eligibility, world);
            state.version = world.version;
            recount(state, &entry.per_node, world);
        } else {
            let values = world.columns.get(column).values.len();
            state.counts.pods.resize(values, 0);
            state.counts.nodes.resize(values, 0);
        }
        CounterId { counter, spread: spread as u32 }
    }

    fn add(&mut self, matcher: PodMatcher, world: World<'_>) -> u32 {
        self.drop_stale(world.nodes.len());
        let matcher = Arc::new(matcher);
        let mut per_node = vec![0; world.nodes.len()];
        for node in world.nodes.iter().filter(|node| node.totals.exists) {
            per_node[node.slot().index()] =
                node.pods().iter().filter(|on| matcher.matches(&on.pod, world.namespaces)).count() as u32;
        }
        let counter = Counter { matcher: matcher.clone(), per_node, spreads: Vec::new(), used: self.clock };
        let free = self.counters.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| {
            self.counters.push(None);
            self.counters.len() - 1
        });
        self.counters[place] = Some(counter);
        match anchor(&matcher) {
            Some(anchor) => self.anchored.entry(anchor).or_default().push(place as u32),
            None => self.unanchored.push(place as u32),
        }
        self.by_matcher.insert(matcher, place as u32);
        place as u32
    }

    fn drop_stale(&mut self, nodes: usize) {
        let live = self.by_matcher.len();
        if (live + 1) * nodes.max(1) <= COUNTER_LIMIT {
            return;
        }
        let mut used: Vec<u64> = self.counters.iter().flatten().map(|counter| counter.used).collect();
        used.sort_unstable();
        let oldest_kept = used[live / 2];
        for place in 0..self.counters.len() {
            if self.counters[place].as_ref().is_some_and(|counter| counter.used < oldest_kept) {
                self.forget(place as u32);
            }
        }
    }

    fn forget(&mut self, place: u32) {
        let Some(counter) = self.counters[place as usize].take() else { return };
        self.by_matcher.remove(&counter.matcher);
        match anchor(&counter.matcher) {
            Some(anchor) => {
                if let Some(places) = self.anchored.get_mut(&anchor) {
                    places.retain(|have| *have != place);
                }
            }
            None => self.unanchored.retain(|have| *have != place),
        }
    }

    /// Forgets what was counted by the labels of namespaces.
    pub(super) fn namespaces_changed(&mut self) {
        for place in 0..self.counters.len() {
            if self.counters[place].as_ref().is_some_and(|counter| counter.matcher.looks_at_namespaces()) {
                self.forget(place as u32);
            }
        }
    }

    /// Nodes are new or have other labels or taints.
    pub(super) fn nodes_changed(&mut self) {
        self.eligible.clear();
    }

    /// A pod comes to a node that exists, or leaves it.
    pub(super) fn pod_changed(&mut self, pod: &Pod, slot: NodeSlot, up: bool, world: World<'_>) {
        if self.by_matcher.is_empty() {
            return;
        }
        let Self { counters, anchored, unanchored, .. } = self;
        let by_label =
            pod.meta.labels.iter().filter_map(|(key, value)| anchored.get(&(pod.meta.namespace, key, value)));
        for &place in by_label.flatten().chain(unanchored.iter()) {
            let Some(counter) = counters[place as usize].as_mut() else { continue };
            if !counter.matcher.matches(pod, world.namespaces) {
                continue;
            }
            if counter.per_node.len() <= slot.index() {
                counter.per_node.resize(slot.index() + 1, 0);
            }
            let count = &mut counter.per_node[slot.index()];
            *count = if up { *count + 1 } else { *count - 1 };
            for spread in counter.spreads.iter_mut().filter(|spread| spread.version == world.version) {
                let domain = world.columns.get(spread.column).domain(slot);
                if domain != NO_DOMAIN && spread.eligible[slot.index()] {
                    if spread.counts.pods.len() <= domain as usize {
                        spread.counts.pods.resize(domain as usize + 1, 0);
                        spread.counts.nodes.resize(domain as usize + 1, 0);
                    }
                    spread.counts.change(domain, up);
                }
            }
        }
    }

    /// Matching pods by domain.
    pub fn domains(&self, id: CounterId) -> &DomainCounts {
        &self.counter(id).spreads[id.spread as usize].counts
    }

    /// Matching pods by node.
    pub fn per_node(&self, id: CounterId) -> &[u32] {
        &self.counter(id).per_node
    }

    /// The nodes whose pods count.
    pub fn eligible(&self, id: CounterId) -> &[bool] {
        &self.counter(id).spreads[id.spread as usize].eligible
    }

    /// The label that tells the domains apart.
    pub fn column(&self, id: CounterId) -> ColumnId {
        self.counter(id).spreads[id.spread as usize].column
    }

    fn counter(&self, id: CounterId) -> &Counter {
        self.counters[id.counter as usize].as_ref().expect("a counter that was ensured for this cycle")
    }
}

/// What counters are counted from.
#[derive(Clone, Copy)]
pub(super) struct World<'a> {
    pub(super) nodes: &'a [NodeInfo],
    pub(super) columns: &'a Columns,
    pub(super) namespaces: &'a FastMap<Name, Labels>,
    /// Changes with every label and taint of a node.
    pub(super) version: u64,
}

fn eligible_nodes(
    known: &mut FastMap<Arc<Eligibility>, (u64, Arc<[bool]>)>,
    eligibility: &Arc<Eligibility>,
    world: World<'_>,
) -> Arc<[bool]> {
    if let Some((version, nodes)) = known.get(eligibility)
        && *version == world.version
    {
        return nodes.clone();
    }
    let admitted = world.nodes.iter().map(|info| info.node().is_some_and(|node| eligibility.admits(node)));
    let nodes: Arc<[bool]> = admitted.collect();
    known.insert(eligibility.clone(), (world.version, nodes.clone()));
    nodes
}

fn recount(spread: &mut Spread, per_node: &[u32], world: World<'_>) {
    let column = world.columns.get(spread.column);
    let counts = &mut spread.counts;
    counts.pods.clear();
    counts.pods.resize(column.values.len(), 0);
    counts.nodes.clear();
    counts.nodes.resize(column.values.len(), 0);
    for (place, &pods) in per_node.iter().enumerate().filter(|(place, _)| spread.eligible[*place]) {
        let domain = column.of_node[place];
        if domain != NO_DOMAIN {
            counts.pods[domain as usize] += pods;
            counts.nodes[domain as usize] += 1;
        }
    }
    counts.count();
}

/// A label that a pod must have, and its namespace, if the matcher says both.
fn anchor(matcher: &PodMatcher) -> Option<(Name, Name, Name)> {
    matcher.terms.iter().find_map(|term| {
        let [namespace] = term.namespaces[..] else { return None };
        if term.namespace_selector.is_some() {
            return None;
        }
        let selector = term.selector.as_ref()?;
        let is_one = |requirement: &&Requirement| requirement.operator == Operator::In && requirement.values.len() == 1;
        let requirement = selector.0.iter().find(is_one)?;
        Some((namespace, requirement.key, requirement.values[0]))
    })
}

/// What a term of a pod that is already placed asks of pods to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TermKind {
    /// They must not be near.
    RequiredAnti,
    /// The pod had to be near them, so it is good if they are near.
    Required,
    /// It is better, or with a negative weight worse, if they are near.
    Preferred(i64),
}

/// A term of pods that are already placed; equal terms of many pods are one.
#[derive(Debug, Clone)]
pub struct ExistingTerm {
    /// What it asks.
    pub kind: TermKind,
    /// The pods meant.
    pub term: Arc<PodTerm>,
    /// The label that says what near is.
    pub column: ColumnId,
    /// How many pods with this term there are, by domain.
    pub pods: Vec<u32>,
    /// How many there are on nodes that have the label.
    pub total: u32,
}

/// The terms of one pod spec, by place among all terms.
#[derive(Debug, Clone)]
struct SpecTerms {
    /// Keeps the spec alive, so that its address is its name.
    spec: Arc<crate::api::PodSpec>,
    terms: Arc<[u32]>,
}

/// All terms of pods that are already placed.
#[derive(Debug, Clone, Default)]
pub struct ExistingTerms {
    terms: Vec<ExistingTerm>,
    by_value: FastMap<(TermKind, Arc<PodTerm>, ColumnId), u32>,
    by_spec: FastMap<(usize, Name), SpecTerms>,
}

impl ExistingTerms {
    /// The terms of which there are pods.
    pub fn iter(&self) -> impl Iterator<Item = &ExistingTerm> {
        self.terms.iter().filter(|term| term.total > 0)
    }

    /// A pod comes to a node that exists, or leaves it.
    pub(super) fn pod_changed(
        &mut self,
        pod: &Pod,
        slot: NodeSlot,
        up: bool,
        columns: &mut Columns,
        nodes: &[NodeInfo],
    ) {
        if !super::plugins::inter_pod_affinity::has_terms(&pod.spec) {
            return;
        }
        let terms = self.of_pod(pod, columns, nodes);
        for &place in &*terms {
            let term = &mut self.terms[place as usize];
            let domain = columns.get(term.column).domain(slot);
            if domain == NO_DOMAIN {
                continue;
            }
            if term.pods.len() <= domain as usize {
                term.pods.resize(domain as usize + 1, 0);
            }
            let count = &mut term.pods[domain as usize];
            (*count, term.total) = if up { (*count + 1, term.total + 1) } else { (*count - 1, term.total - 1) };
        }
    }

    fn of_pod(&mut self, pod: &Pod, columns: &mut Columns, nodes: &[NodeInfo]) -> Arc<[u32]> {
        let key = (Arc::as_ptr(&pod.spec) as usize, pod.meta.namespace);
        if let Some(known) = self.by_spec.get(&key) {
            return known.terms.clone();
        }
        let mut places = Vec::new();
        for (kind, term, topology_key) in super::plugins::inter_pod_affinity::existing_terms(pod) {
            let column = columns.ensure(topology_key, nodes);
            let term = Arc::new(term);
            let next = self.terms.len() as u32;
            let place = *self.by_value.entry((kind, term.clone(), column)).or_insert_with(|| {
                self.terms.push(ExistingTerm { kind, term, column, pods: Vec::new(), total: 0 });
                next
            });
            places.push(place);
        }
        if self.by_spec.len() >= SPEC_LIMIT {
            self.by_spec.retain(|_, known| Arc::strong_count(&known.spec) > 1);
        }
        let terms: Arc<[u32]> = places.into();
        self.by_spec.insert(key, SpecTerms { spec: pod.spec.clone(), terms: terms.clone() });
        terms
    }
}

/// Above so many specs, those that nobody else has are forgotten.
const SPEC_LIMIT: usize = 4096;

/// A node selector turned into look-ups in columns: for each requirement, which values do.
#[derive(Debug, Clone, Default)]
pub struct CompiledTerms {
    /// Of which one must hold.
    pub terms: Vec<Vec<CompiledRequirement>>,
}

/// One requirement on a label of nodes.
#[derive(Debug, Clone)]
pub enum CompiledRequirement {
    /// The label has this value.
    Is(ColumnId, u32),
    /// The label's value is among these; the last entry stands for nodes without the label.
    Among(ColumnId, Arc<[bool]>),
    /// The node has this name.
    Field(Requirement),
}

impl CompiledRequirement {
    /// A requirement on a label.
    pub fn on_label(requirement: &Requirement, columns: &Columns) -> Self {
        let id = columns.find(requirement.key).expect("the column was asked for");
        let column = columns.get(id);
        if requirement.operator == Operator::In && requirement.values.len() == 1 {
            let number = column.numbers.get(&requirement.values[0]).copied();
            return Self::Is(id, number.unwrap_or(NO_DOMAIN - 1));
        }
        let values = column.values.iter().map(|value| requirement.accepts(Some(*value)));
        Self::Among(id, values.chain([requirement.accepts(None)]).collect())
    }

    /// Whether a node meets it.
    pub fn matches(&self, slot: NodeSlot, name: Name, columns: &Columns) -> bool {
        match self {
            Self::Is(column, number) => columns.get(*column).domain(slot) == *number,
            Self::Among(column, accepted) => {
                let domain = columns.get(*column).domain(slot);
                accepted[if domain == NO_DOMAIN { accepted.len() - 1 } else { domain as usize }]
            }
            Self::Field(requirement) => requirement.accepts(Some(name)),
        }
    }
}
