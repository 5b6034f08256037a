//! InterPodAffinity: pods that want to be near others, or not, and pods that others do not want near.
//!
//! What the pods that are already placed ask for is kept by the cache as terms with counts; pods that the new one asks
//! about are counted by counters. What a dry run adds or removes is kept beside them.

use super::{PairDeltas, fields, unknown_field, whole_number};
use crate::api::names;
use crate::api::{Affinity, FastMap, Labels, Name, Node, Pod, PodAffinityTerm, PodSpec, Text};
use crate::components::scheduler::cache::{
    Cache, ColumnId, CounterId, Eligibility, ExistingTerm, NodeInfo, NodeSlot, PodMatcher, PodTerm, TermKind,
};
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{
    Context, CycleState, EventToRegister, Hint, MAX_NODE_SCORE, Plugin, Points, PreFilterResult, Status, Verdict,
};
use crate::components::scheduler::index::NO_DOMAIN;
use crate::components::scheduler::profile::ArgumentError;
use serde_json::Value;

names! {
    NAME = "InterPodAffinity";
}

/// The pods that it must be near are not there.
const AFFINITY: u32 = 1;
/// Pods that it must not be near are there.
const ANTI_AFFINITY: u32 = 1 << 1;
/// Pods are there that do not want it near.
const EXISTING_ANTI_AFFINITY: u32 = 1 << 2;

/// The plugin.
#[derive(Debug)]
pub struct InterPodAffinity {
    hard_weight: i64,
    ignore_existing_preferences: bool,
}

/// Counters that `prepare` has asked for.
#[derive(Debug, Clone, Default)]
struct Counted {
    /// For each label of the required terms, the pods that meet all of them.
    affinity: Vec<CounterId>,
    /// For each label of the required anti-affinity terms, the pods that meet each of those terms.
    anti: Vec<(ColumnId, Vec<CounterId>)>,
    /// Weights and counters of the preferred terms.
    preferred: Vec<(i64, CounterId)>,
}

/// What filters look at.
#[derive(Debug, Clone, Default)]
struct Required {
    affinity: Vec<CounterId>,
    anti: Vec<(ColumnId, Vec<CounterId>)>,
    /// Terms of placed pods that do not want this pod near: label and number of pods by value.
    existing: Vec<(ColumnId, Vec<u32>)>,
    /// What a dry run changes of these three, by label and value.
    deltas: [PairDeltas; 3],
    /// How many pods meet all required terms near anything.
    group: i64,
    /// Whether the pod meets its own required terms.
    meets_own_terms: bool,
}

/// What scores are summed from: for each label, a weight by value.
#[derive(Debug, Clone, Default)]
struct Scores(Vec<(ColumnId, Vec<i64>)>);

impl InterPodAffinity {
    /// The plugin with its arguments.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(args: &Value) -> Result<Self, ArgumentError> {
        let mut plugin = Self { hard_weight: 1, ignore_existing_preferences: false };
        for (field, value) in fields(args) {
            match field {
                "hardPodAffinityWeight" => plugin.hard_weight = whole_number(field, value, 0, 100)?,
                "ignorePreferredTermsOfExistingPods" => {
                    plugin.ignore_existing_preferences = value.as_bool() == Some(true);
                }
                _ => return Err(unknown_field(field)),
            }
        }
        Ok(plugin)
    }

    /// What a placed pod's term adds to the score of a node near it.
    fn weight_of(&self, kind: TermKind) -> i64 {
        match kind {
            TermKind::RequiredAnti => 0,
            TermKind::Required => self.hard_weight,
            TermKind::Preferred(weight) => weight,
        }
    }
}

const NOTHING: &[PodAffinityTerm] = &[];
const NOTHING_PREFERRED: &[(i64, PodAffinityTerm)] = &[];

fn affinity(spec: &PodSpec) -> Option<&Affinity> {
    spec.affinity.as_deref()
}

fn required(spec: &PodSpec) -> &[PodAffinityTerm] {
    affinity(spec).map_or(NOTHING, |affinity| &affinity.required_pods)
}

fn required_anti(spec: &PodSpec) -> &[PodAffinityTerm] {
    affinity(spec).map_or(NOTHING, |affinity| &affinity.required_anti_pods)
}

/// Preferred terms, those to keep away from with negative weights.
fn preferred(spec: &PodSpec) -> impl Iterator<Item = (i64, &PodAffinityTerm)> {
    let near = affinity(spec).map_or(NOTHING_PREFERRED, |affinity| &affinity.preferred_pods);
    let far = affinity(spec).map_or(NOTHING_PREFERRED, |affinity| &affinity.preferred_anti_pods);
    near.iter().map(|(weight, term)| (*weight, term)).chain(far.iter().map(|(weight, term)| (-weight, term)))
}

/// Whether a pod has anything to say of other pods.
pub fn has_terms(spec: &PodSpec) -> bool {
    affinity(spec).is_some_and(|affinity| {
        !(affinity.required_pods.is_empty()
            && affinity.required_anti_pods.is_empty()
            && affinity.preferred_pods.is_empty()
            && affinity.preferred_anti_pods.is_empty())
    })
}

/// A term of a pod: without namespaces it means the pod's own.
fn pod_term(pod: &Pod, term: &PodAffinityTerm) -> PodTerm {
    let own = term.namespaces.is_empty() && term.namespace_selector.is_none();
    let mut namespaces = if own { vec![pod.meta.namespace] } else { term.namespaces.to_vec() };
    namespaces.sort();
    PodTerm { namespaces, namespace_selector: term.namespace_selector.clone(), selector: term.selector.clone() }
}

/// What a placed pod asks of pods to come: kind, pods meant, label.
pub fn existing_terms(pod: &Pod) -> Vec<(TermKind, PodTerm, Name)> {
    let spec = &pod.spec;
    let anti = required_anti(spec).iter().map(|term| (TermKind::RequiredAnti, term));
    let near = required(spec).iter().map(|term| (TermKind::Required, term));
    let preferred = preferred(spec).map(|(weight, term)| (TermKind::Preferred(weight), term));
    anti.chain(near).chain(preferred).map(|(kind, term)| (kind, pod_term(pod, term), term.topology_key)).collect()
}

/// Whether a term of a placed pod means a pod to come; a namespace without object has no labels.
fn means(term: &PodTerm, pod: &Pod, namespaces: &FastMap<Name, Labels>) -> bool {
    term.matches(pod.meta.namespace, &pod.meta.labels, namespaces, Some(&Labels::EMPTY))
}

fn matches_all(pod: &Pod, terms: &[PodAffinityTerm], other: &Pod, namespaces: &FastMap<Name, Labels>) -> bool {
    let meets = |term| pod_term(pod, term).matches(other.meta.namespace, &other.meta.labels, namespaces, None);
    !terms.is_empty() && terms.iter().all(meets)
}

fn matches_any(pod: &Pod, terms: &[PodAffinityTerm], other: &Pod, namespaces: &FastMap<Name, Labels>) -> bool {
    let meets = |term| pod_term(pod, term).matches(other.meta.namespace, &other.meta.labels, namespaces, None);
    terms.iter().any(meets)
}

fn count(cache: &mut Cache, terms: Vec<PodTerm>, topology_key: Name) -> CounterId {
    let column = cache.ensure_column(topology_key);
    cache.ensure_counter(PodMatcher { terms, skip_terminating: false }, Eligibility::default(), column)
}

/// Pods near a node for the counters of one label: `None` if the node lacks the label.
fn near(cache: &Cache, column: ColumnId, counters: &[CounterId], slot: NodeSlot, deltas: &PairDeltas) -> Option<i64> {
    let domain = cache.columns().get(column).domain(slot);
    if domain == NO_DOMAIN {
        return None;
    }
    let pods = |counter: &CounterId| i64::from(cache.counters().domains(*counter).pods[domain as usize]);
    Some(counters.iter().map(pods).sum::<i64>() + delta(deltas, column, domain))
}

fn delta(deltas: &PairDeltas, column: ColumnId, domain: u32) -> i64 {
    if deltas.is_empty() { 0 } else { deltas.get(&(column.number(), domain)).copied().unwrap_or(0) }
}

impl Required {
    fn verdict(&self, cache: &Cache, slot: NodeSlot) -> Verdict {
        let [affinity, anti, existing] = &self.deltas;
        let mut all_near = true;
        for counter in &self.affinity {
            match near(cache, cache.counters().column(*counter), std::slice::from_ref(counter), slot, affinity) {
                None => return Verdict::unresolvable(AFFINITY),
                Some(pods) => all_near &= pods > 0,
            }
        }
        // Where no pod anywhere meets all terms, the first of a group may go anywhere.
        let is_first = self.meets_own_terms && self.group <= 0;
        if !(all_near || is_first) {
            return Verdict::unresolvable(AFFINITY);
        }
        let is_near = |(column, counters): &(ColumnId, Vec<CounterId>)| {
            near(cache, *column, counters, slot, anti).is_some_and(|pods| pods > 0)
        };
        if self.anti.iter().any(is_near) {
            return Verdict::unschedulable(ANTI_AFFINITY);
        }
        for (column, pods) in &self.existing {
            let domain = cache.columns().get(*column).domain(slot);
            if domain == NO_DOMAIN {
                continue;
            }
            let pods = i64::from(pods.get(domain as usize).copied().unwrap_or(0));
            if pods + delta(existing, *column, domain) > 0 {
                return Verdict::unschedulable(EXISTING_ANTI_AFFINITY);
            }
        }
        Verdict::FITS
    }

    fn update(&mut self, cx: &Context<'_>, pod: &Pod, other: &Pod, node: &NodeInfo, sign: i64) {
        let (cache, namespaces) = (cx.cache, &cx.cache.objects.namespaces);
        let columns = cache.columns();
        let mut note = |which: usize, column: ColumnId| {
            let domain = columns.get(column).domain(node.slot());
            if domain != NO_DOMAIN {
                *self.deltas[which].entry((column.number(), domain)).or_default() += sign;
            }
            domain != NO_DOMAIN
        };
        if matches_all(pod, required(&pod.spec), other, namespaces) {
            for counter in &self.affinity {
                self.group += if note(0, cache.counters().column(*counter)) { sign } else { 0 };
            }
        }
        let mut note = |which, key| columns.find(key).is_some_and(|column| note(which, column));
        for term in required_anti(&pod.spec) {
            if matches_any(pod, std::slice::from_ref(term), other, namespaces) {
                note(1, term.topology_key);
            }
        }
        for term in required_anti(&other.spec) {
            if means(&pod_term(other, term), pod, namespaces) {
                note(2, term.topology_key);
            }
        }
    }
}

/// Adds up what the terms of placed pods say, by label and value.
fn add_up(sums: &mut Vec<(ColumnId, Vec<i64>)>, column: ColumnId, weight: i64, pods: &[u32]) {
    let place = sums.iter().position(|(have, _)| *have == column).unwrap_or_else(|| {
        sums.push((column, Vec::new()));
        sums.len() - 1
    });
    let sums = &mut sums[place].1;
    if sums.len() < pods.len() {
        sums.resize(pods.len(), 0);
    }
    for (sum, &pods) in sums.iter_mut().zip(pods) {
        *sum += weight * i64::from(pods);
    }
}

impl Plugin for InterPodAffinity {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::PRE_FILTER.with(Points::FILTER).with(Points::PRE_SCORE).with(Points::SCORE)
    }

    fn events(&self) -> Vec<EventToRegister> {
        let pod = Actions::ADD.with(Actions::DELETE).with(Actions::UPDATE_POD_LABEL);
        let node = Actions::ADD.with(Actions::UPDATE_NODE_LABEL);
        vec![
            EventToRegister { resource: Resource::Pod, actions: pod, hinted: true },
            EventToRegister { resource: Resource::Node, actions: node, hinted: true },
        ]
    }

    fn hint(&self, cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let frees = if event.resource == Resource::Node {
            node_change_frees(pod, event.old_node(), event.new_node())
        } else {
            pod_change_frees(&cx.cache.objects.namespaces, pod, event.old_pod(), event.new_pod())
        };
        if frees { Hint::Queue } else { Hint::Skip }
    }

    fn prepare(&self, cache: &mut Cache, state: &mut CycleState, pod: &Pod) {
        if !has_terms(&pod.spec) {
            return;
        }
        let all: Vec<PodTerm> = required(&pod.spec).iter().map(|term| pod_term(pod, term)).collect();
        let mut counted = Counted::default();
        let mut keys: Vec<Name> = required(&pod.spec).iter().map(|term| term.topology_key).collect();
        keys.sort();
        keys.dedup();
        counted.affinity.extend(keys.into_iter().map(|key| count(cache, all.clone(), key)));
        for term in required_anti(&pod.spec) {
            let counter = count(cache, vec![pod_term(pod, term)], term.topology_key);
            let column = cache.counters().column(counter);
            match counted.anti.iter_mut().find(|(have, _)| *have == column) {
                Some((_, counters)) => counters.push(counter),
                None => counted.anti.push((column, vec![counter])),
            }
        }
        for (weight, term) in preferred(&pod.spec) {
            counted.preferred.push((weight, count(cache, vec![pod_term(pod, term)], term.topology_key)));
        }
        state.write(counted);
    }

    fn pre_filter(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod) -> PreFilterResult {
        let namespaces = &cx.cache.objects.namespaces;
        let mut required_state = Required::default();
        if let Some(counted) = state.read::<Counted>() {
            required_state.affinity.clone_from(&counted.affinity);
            required_state.anti.clone_from(&counted.anti);
        }
        let against = |term: &&ExistingTerm| term.kind == TermKind::RequiredAnti && means(&term.term, pod, namespaces);
        for term in cx.cache.existing_terms().filter(against) {
            let existing = &mut required_state.existing;
            match existing.iter_mut().find(|(column, _)| *column == term.column) {
                None => existing.push((term.column, term.pods.clone())),
                Some((_, sums)) => {
                    sums.resize(sums.len().max(term.pods.len()), 0);
                    sums.iter_mut().zip(&term.pods).for_each(|(sum, pods)| *sum += pods);
                }
            }
        }
        let Required { affinity, anti, existing, .. } = &required_state;
        if affinity.is_empty() && anti.is_empty() && existing.is_empty() {
            return Status::skip().into();
        }
        required_state.meets_own_terms = matches_all(pod, required(&pod.spec), pod, namespaces);
        let pods = |counter: &CounterId| cx.cache.counters().domains(*counter).pods.iter().map(|pods| i64::from(*pods));
        required_state.group = required_state.affinity.iter().flat_map(pods).sum();
        state.write(required_state);
        PreFilterResult::default()
    }

    fn add_pod(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod, added: &Pod, node: &NodeInfo) {
        if let Some(required) = state.read_mut::<Required>() {
            required.update(cx, pod, added, node, 1);
        }
    }

    fn remove_pod(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod, removed: &Pod, node: &NodeInfo) {
        if let Some(required) = state.read_mut::<Required>() {
            required.update(cx, pod, removed, node, -1);
        }
    }

    fn filter(&self, cx: &Context<'_>, state: &CycleState, _pod: &Pod, node: &NodeInfo) -> Verdict {
        state.read::<Required>().map_or(Verdict::FITS, |required| required.verdict(cx.cache, node.slot()))
    }

    fn filter_many(
        &self,
        cx: &Context<'_>,
        state: &CycleState,
        _pod: &Pod,
        nodes: &[NodeSlot],
        verdicts: &mut [Verdict],
    ) {
        let Some(required) = state.read::<Required>() else { return };
        for (&node, verdict) in nodes.iter().zip(verdicts).filter(|(_, verdict)| verdict.fits()) {
            *verdict = required.verdict(cx.cache, node);
        }
    }

    fn reason_texts(&self) -> &'static [&'static str] {
        &[
            "node(s) didn't match pod affinity rules",
            "node(s) didn't match pod anti-affinity rules",
            "node(s) didn't satisfy existing pods anti-affinity rules",
        ]
    }

    fn pre_score(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod, _nodes: &[NodeSlot]) -> Status {
        let has_preferences = preferred(&pod.spec).next().is_some();
        if self.ignore_existing_preferences && !has_preferences {
            return Status::skip();
        }
        let namespaces = &cx.cache.objects.namespaces;
        let mut sums = Vec::new();
        for &(weight, counter) in state.read::<Counted>().iter().flat_map(|counted| &counted.preferred) {
            let pods = &cx.cache.counters().domains(counter).pods;
            if pods.iter().any(|pods| *pods > 0) {
                add_up(&mut sums, cx.cache.counters().column(counter), weight, pods);
            }
        }
        for term in cx.cache.existing_terms() {
            let weight = self.weight_of(term.kind);
            if weight != 0 && means(&term.term, pod, namespaces) {
                add_up(&mut sums, term.column, weight, &term.pods);
            }
        }
        if sums.is_empty() {
            return Status::skip();
        }
        state.write(Scores(sums));
        Status::success()
    }

    fn score(&self, cx: &Context<'_>, state: &CycleState, _pod: &Pod, node: &NodeInfo) -> i64 {
        let Some(Scores(sums)) = state.read::<Scores>() else { return 0 };
        let of = |(column, sums): &(ColumnId, Vec<i64>)| {
            let domain = cx.cache.columns().get(*column).domain(node.slot());
            if domain == NO_DOMAIN { 0 } else { sums.get(domain as usize).copied().unwrap_or(0) }
        };
        sums.iter().map(of).sum()
    }

    fn normalize_score(
        &self,
        _cx: &Context<'_>,
        state: &CycleState,
        _pod: &Pod,
        _nodes: &[NodeSlot],
        scores: &mut [i64],
    ) {
        if state.read::<Scores>().is_none() {
            return;
        }
        let (least, most) = (scores.iter().min().copied().unwrap_or(0), scores.iter().max().copied().unwrap_or(0));
        let range = most - least;
        for score in scores {
            let share = if range > 0 { (*score - least) as f64 / range as f64 } else { 0.0 };
            *score = (MAX_NODE_SCORE as f64 * share) as i64;
        }
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        if has_terms(&pod.spec) {
            return None;
        }
        // Placed pods look at the labels of this one, and at its namespace.
        Some(vec![format!("{} {}", pod.meta.namespace, pod.meta.labels).into()])
    }
}

fn pod_change_frees(namespaces: &FastMap<Name, Labels>, pod: &Pod, old: Option<&Pod>, new: Option<&Pod>) -> bool {
    if let Some(new) = new.filter(|new| super::is_same_pod(pod, new.meta.uid)) {
        // Its labels decide whether it meets its own terms, and what those of others say of it.
        return old.is_none_or(|old| old.meta.labels != new.meta.labels);
    }
    if old.into_iter().chain(new).any(|other| other.node_name.is_empty()) {
        return false;
    }
    let (terms, anti) = (required(&pod.spec), required_anti(&pod.spec));
    let near = |other: &Pod| matches_all(pod, terms, other, namespaces);
    let keeps_away = |other: &Pod| {
        matches_any(pod, anti, other, namespaces)
            || required_anti(&other.spec).iter().any(|term| means(&pod_term(other, term), pod, namespaces))
    };
    match (old, new) {
        (Some(old), Some(new)) => {
            !near(old) && near(new)
                || matches_any(pod, anti, old, namespaces) && !matches_any(pod, anti, new, namespaces)
        }
        (None, Some(new)) => near(new),
        (Some(gone), None) => keeps_away(gone),
        (None, None) => false,
    }
}

fn node_change_frees(pod: &Pod, old: Option<&Node>, new: Option<&Node>) -> bool {
    let Some(new) = new else { return false };
    required(&pod.spec).iter().chain(required_anti(&pod.spec)).any(|term| {
        let after = new.meta.labels.get(term.topology_key);
        match old {
            None => after.is_some(),
            Some(old) => old.meta.labels.get(term.topology_key) != after,
        }
    })
}
