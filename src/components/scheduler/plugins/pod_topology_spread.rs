//! PodTopologySpread: pods of a kind are spread over nodes, zones, or whatever labels tell apart.
//!
//! A pod without constraints of its own is spread by the defaults, which never forbid a node. Counts come from the
//! cache's counters; what a dry run adds or removes is kept beside them.

use super::{PairDeltas, fields, node_affinity, read_as_pod_spec, unknown_field};
use crate::api::names;
use crate::api::{
    HOSTNAME_LABEL, Labels, Name, Node, Pod, Requirement, Selector, Text, TopologySpreadConstraint, ZONE_LABEL,
};
use crate::components::scheduler::cache::{
    Cache, ColumnId, CounterId, Eligibility, NodeInfo, NodeSlot, PodMatcher, PodTerm,
};
use crate::components::scheduler::config::Gates;
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{
    Context, CycleState, EventToRegister, Hint, MAX_NODE_SCORE, Plugin, Points, PreFilterResult, Status, Verdict,
};
use crate::components::scheduler::index::{NO_DOMAIN, first_untolerated};
use crate::components::scheduler::objects::Objects;
use crate::components::scheduler::profile::ArgumentError;
use serde_json::{Value, json};
use std::sync::Arc;

names! {
    NAME = "PodTopologySpread";
}

/// The difference between domains would be too great.
const SKEW: u32 = 1;
/// The node lacks the label.
const NO_LABEL: u32 = 1 << 1;

/// The plugin.
#[derive(Debug)]
pub struct PodTopologySpread {
    defaults: Vec<TopologySpreadConstraint>,
    /// Whether the defaults are those of the program: then nodes need not have all labels to be scored.
    system_defaults: bool,
    gates: Gates,
}

/// A constraint as it applies to one pod.
#[derive(Debug, Clone)]
struct Constraint {
    max_skew: i64,
    min_domains: i64,
    topology_key: Name,
    /// `None` matches nothing.
    selector: Option<Selector>,
    honor_node_affinity: bool,
    honor_node_taints: bool,
    column: ColumnId,
    counter: CounterId,
    /// Whether the pod itself is among those counted.
    self_match: bool,
}

/// The constraints that forbid nodes, and what a dry run changes.
#[derive(Debug, Clone)]
struct Required {
    constraints: Vec<Constraint>,
    /// Pods more or less by constraint and domain.
    deltas: PairDeltas,
}

/// The constraints that make nodes better or worse.
#[derive(Debug, Clone)]
struct Preferred {
    constraints: Vec<Constraint>,
    /// Whether nodes that lack a label are left out.
    all_labels: bool,
    weights: Vec<f64>,
    /// Of each node that is scored, whether it is left out.
    ignored: Vec<bool>,
}

impl PodTopologySpread {
    /// The plugin with its arguments.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(args: &Value, gates: Gates) -> Result<Self, ArgumentError> {
        let mut listed = None;
        let mut kind = "System";
        for (field, value) in fields(args) {
            match field {
                "defaultingType" => kind = value.as_str().unwrap_or_default(),
                "defaultConstraints" => {
                    let spec = read_as_pod_spec(field, json!({"topologySpreadConstraints": value}))?;
                    listed = Some(spec.topology_spread.clone());
                }
                _ => return Err(unknown_field(field)),
            }
        }
        match (kind, listed) {
            ("List", listed) => Ok(Self { defaults: listed.unwrap_or_default(), system_defaults: false, gates }),
            ("System", Some(listed)) if !listed.is_empty() => {
                let remedy = "write defaultingType: List";
                Err(ArgumentError::new("defaultConstraints", "constraints beside the defaulting type System", remedy))
            }
            ("System", _) => Ok(Self { defaults: system_defaults(), system_defaults: true, gates }),
            _ => Err(ArgumentError::new("defaultingType", format!("{kind:?}"), "use System or List")),
        }
    }

    /// The constraints of a pod that forbid nodes, or that do not (`getConstraints`, `buildDefaultConstraints`).
    fn constraints(&self, objects: &Objects, pod: &Pod, required: bool) -> Vec<TopologySpreadConstraint> {
        let own = &pod.spec.topology_spread;
        let chosen = |constraint: &&TopologySpreadConstraint| constraint.required == required;
        if !own.is_empty() {
            return own.iter().filter(chosen).map(|constraint| with_label_keys(constraint, &pod.meta.labels)).collect();
        }
        let mut defaults: Vec<_> = self.defaults.iter().filter(chosen).cloned().collect();
        if defaults.is_empty() {
            return defaults;
        }
        let selector = default_selector(objects, pod);
        if selector.is_empty() {
            return Vec::new();
        }
        for constraint in &mut defaults {
            constraint.selector = Some(selector.clone());
        }
        defaults
    }

    /// The constraints with their counters.
    fn compiled(&self, cache: &mut Cache, pod: &Pod, required: bool, all_labels: bool) -> Vec<Constraint> {
        let constraints = self.constraints(&cache.objects, pod, required);
        let keys: Vec<Name> = constraints.iter().map(|constraint| constraint.topology_key).collect();
        let mut compiled = Vec::with_capacity(constraints.len());
        for constraint in constraints {
            let column = cache.ensure_column(constraint.topology_key);
            let mut eligibility = Eligibility {
                keys: if all_labels { keys.clone() } else { Vec::new() },
                comparison_operators: self.gates.taint_comparison,
                ..Eligibility::default()
            };
            if constraint.honor_node_affinity {
                eligibility.node_selector = pod.spec.node_selector.clone();
                eligibility.node_terms =
                    pod.spec.affinity.as_ref().and_then(|affinity| affinity.required_node_terms.clone());
            }
            if constraint.honor_node_taints {
                eligibility.tolerations = Some(pod.spec.tolerations.clone());
            }
            let counter = cache.ensure_counter(matcher(&constraint, pod.meta.namespace), eligibility, column);
            compiled.push(Constraint {
                max_skew: constraint.max_skew,
                min_domains: constraint.min_domains,
                topology_key: constraint.topology_key,
                self_match: constraint.selector.as_ref().is_some_and(|selector| selector.matches(&pod.meta.labels)),
                selector: constraint.selector,
                honor_node_affinity: constraint.honor_node_affinity,
                honor_node_taints: constraint.honor_node_taints,
                column,
                counter,
            });
        }
        compiled
    }

    /// Whether the pods of a node count for a constraint of a pod (`matchNodeInclusionPolicies`).
    fn includes(&self, constraint: &Constraint, pod: &Pod, node: &Node) -> bool {
        (!constraint.honor_node_affinity || node_affinity::node_matches(&pod.spec, node))
            && (!constraint.honor_node_taints
                || first_untolerated(&node.taints, &pod.spec.tolerations, self.gates.taint_comparison).is_none())
    }

    /// A dry run puts a pod on a node or takes one away.
    fn update(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod, other: &Pod, node: &NodeInfo, sign: i64) {
        let Some(required) = state.read_mut::<Required>() else { return };
        let Some(known) = node.node().filter(|_| other.meta.namespace == pod.meta.namespace) else { return };
        let labels = &known.meta.labels;
        if required.constraints.iter().any(|constraint| labels.get(constraint.topology_key).is_none()) {
            return;
        }
        for (n, constraint) in required.constraints.iter().enumerate() {
            let counts = constraint.selector.as_ref().is_some_and(|selector| selector.matches(&other.meta.labels));
            if counts && self.includes(constraint, pod, known) {
                let domain = cx.cache.columns().get(constraint.column).domain(node.slot());
                *required.deltas.entry((n as u32, domain)).or_default() += sign;
            }
        }
    }
}

/// Hostname 3, zone 5 (`plugin.go`, `systemDefaultConstraints`).
fn system_defaults() -> Vec<TopologySpreadConstraint> {
    let constraint = |topology_key, max_skew| TopologySpreadConstraint {
        max_skew,
        topology_key,
        required: false,
        selector: None,
        min_domains: 1,
        honor_node_affinity: true,
        honor_node_taints: false,
        match_label_keys: crate::api::List::EMPTY,
    };
    vec![constraint(*HOSTNAME_LABEL, 3), constraint(*ZONE_LABEL, 5)]
}

fn with_label_keys(constraint: &TopologySpreadConstraint, labels: &Labels) -> TopologySpreadConstraint {
    let mut constraint = constraint.clone();
    if let Some(selector) = constraint.selector.as_ref().filter(|_| !constraint.match_label_keys.is_empty()) {
        // The server has merged the values at creation; those of the present labels are asked for as well.
        let further = constraint.match_label_keys.iter().filter_map(|key| {
            let requirement = Requirement::equals(*key, labels.get(*key)?);
            (!selector.0.contains(&requirement)).then_some(requirement)
        });
        constraint.selector = Some(Selector(selector.0.iter().cloned().chain(further).collect()));
    }
    constraint
}

fn matcher(constraint: &TopologySpreadConstraint, namespace: Name) -> PodMatcher {
    // An empty selector counts nothing, although the pod itself matches it.
    let selector = constraint.selector.clone().filter(|selector| !selector.is_empty());
    let term = PodTerm { namespaces: vec![namespace], namespace_selector: None, selector };
    PodMatcher { terms: vec![term], skip_terminating: true }
}

/// What Services and the owner of a pod select (`helper.DefaultSelector`).
fn default_selector(objects: &Objects, pod: &Pod) -> Selector {
    let mut labels = Labels::EMPTY;
    for service in objects.services_in(pod.meta.namespace) {
        let Some(selector) = service.selector.as_ref().filter(|selector| selector.all_in(&pod.meta.labels)) else {
            continue;
        };
        for (key, value) in selector.iter() {
            labels = labels.with(key, value);
        }
    }
    let selector = Selector::from_labels(&labels);
    let Some(owner) = pod.meta.controller() else { return selector };
    let key = (pod.meta.namespace, owner.name);
    let of_owner = match (owner.api_version.as_str(), owner.kind.as_str()) {
        ("v1", "ReplicationController") => objects.replication_controllers.get(&key).map(|owner| &owner.spec.selector),
        ("apps/v1", "ReplicaSet") => objects.replica_sets.get(&key).map(|owner| &owner.spec.selector),
        ("apps/v1", "StatefulSet") => objects.stateful_sets.get(&key).map(|owner| &owner.spec.selector),
        _ => None,
    };
    match of_owner {
        None => selector,
        Some(further) => {
            let mut all: Vec<Requirement> = selector.0.iter().chain(further.0.iter()).cloned().collect();
            all.sort_by_key(|requirement| requirement.key);
            all.dedup();
            Selector(all.into())
        }
    }
}

fn has_labels(node: &Node, constraints: &[TopologySpreadConstraint]) -> bool {
    constraints.iter().all(|constraint| node.meta.labels.get(constraint.topology_key).is_some())
}

impl Required {
    /// Whether a constraint lets a pod into the domain of a node.
    fn verdict(&self, cache: &Cache, slot: NodeSlot) -> Verdict {
        for (n, constraint) in self.constraints.iter().enumerate() {
            let domain = cache.columns().get(constraint.column).domain(slot);
            if domain == NO_DOMAIN {
                return Verdict::unresolvable(NO_LABEL);
            }
            let counts = cache.counters().domains(constraint.counter);
            let own = i64::from(counts.pods[domain as usize]);
            let (own, least) = if self.deltas.is_empty() {
                (own, i64::from(counts.least()))
            } else {
                // A dry run changes one node, and with it one domain.
                let delta = self.deltas.get(&(n as u32, domain)).copied().unwrap_or(0);
                let (_, others) = counts.least_and_least_without(domain);
                let counted = counts.nodes[domain as usize] > 0;
                let least = match others.map(i64::from) {
                    Some(others) if counted => others.min(own + delta),
                    Some(others) => others,
                    None => own + delta,
                };
                (own + delta, least)
            };
            let least = if i64::from(counts.domains) < constraint.min_domains { 0 } else { least };
            if own + i64::from(constraint.self_match) - least > constraint.max_skew {
                return Verdict::unschedulable(SKEW);
            }
        }
        Verdict::FITS
    }
}

impl Plugin for PodTopologySpread {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::PRE_FILTER.with(Points::FILTER).with(Points::PRE_SCORE).with(Points::SCORE)
    }

    fn events(&self) -> Vec<EventToRegister> {
        let pod =
            Actions::ADD.with(Actions::DELETE).with(Actions::UPDATE_POD_LABEL).with(Actions::UPDATE_POD_TOLERATION);
        let node = Actions::ADD.with(Actions::DELETE).with(Actions::UPDATE_NODE_LABEL).with(Actions::UPDATE_NODE_TAINT);
        vec![
            EventToRegister { resource: Resource::Pod, actions: pod, hinted: true },
            EventToRegister { resource: Resource::Node, actions: node, hinted: true },
        ]
    }

    fn hint(&self, cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let constraints = self.constraints(&cx.cache.objects, pod, true);
        let frees = if matches!(event.resource, Resource::Node) {
            node_change_frees(&constraints, event.old_node(), event.new_node())
        } else {
            pod_change_frees(&constraints, pod, event.old_pod(), event.new_pod())
        };
        if frees { Hint::Queue } else { Hint::Skip }
    }

    fn prepare(&self, cache: &mut Cache, state: &mut CycleState, pod: &Pod) {
        let constraints = self.compiled(cache, pod, true, true);
        if !constraints.is_empty() {
            state.write(Required { constraints, deltas: PairDeltas::default() });
        }
        let all_labels = !pod.spec.topology_spread.is_empty() || !self.system_defaults;
        let constraints = self.compiled(cache, pod, false, all_labels);
        if !constraints.is_empty() {
            state.write(Preferred { constraints, all_labels, weights: Vec::new(), ignored: Vec::new() });
        }
    }

    fn pre_filter(&self, _cx: &Context<'_>, state: &mut CycleState, _pod: &Pod) -> PreFilterResult {
        if state.read::<Required>().is_none() { Status::skip().into() } else { PreFilterResult::default() }
    }

    fn add_pod(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod, added: &Pod, node: &NodeInfo) {
        self.update(cx, state, pod, added, node, 1);
    }

    fn remove_pod(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod, removed: &Pod, node: &NodeInfo) {
        self.update(cx, state, pod, removed, node, -1);
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
            "node(s) didn't match pod topology spread constraints",
            "node(s) didn't match pod topology spread constraints (missing required label)",
        ]
    }

    fn pre_score(&self, cx: &Context<'_>, state: &mut CycleState, _pod: &Pod, nodes: &[NodeSlot]) -> Status {
        let Some(preferred) = state.read_mut::<Preferred>() else { return Status::skip() };
        let Preferred { constraints, all_labels, weights, ignored } = preferred;
        let columns = cx.cache.columns();
        let lacks = |node: &NodeSlot| {
            constraints.iter().any(|constraint| columns.get(constraint.column).domain(*node) == NO_DOMAIN)
        };
        ignored.clear();
        ignored.extend(nodes.iter().map(|node| *all_labels && lacks(node)));
        let scored = ignored.iter().filter(|ignored| !**ignored).count();
        weights.clear();
        for constraint in &*constraints {
            let size = if constraint.topology_key == *HOSTNAME_LABEL {
                scored
            } else {
                let column = columns.get(constraint.column);
                // Nodes without the label are a domain of their own here.
                let mut seen = vec![false; column.values.len() + 1];
                for (node, _) in nodes.iter().zip(&*ignored).filter(|(_, ignored)| !**ignored) {
                    let domain = column.domain(*node);
                    seen[if domain == NO_DOMAIN { column.values.len() } else { domain as usize }] = true;
                }
                seen.iter().filter(|seen| **seen).count()
            };
            weights.push(libm::log((size + 2) as f64));
        }
        Status::success()
    }

    fn score(&self, cx: &Context<'_>, state: &CycleState, pod: &Pod, node: &NodeInfo) -> i64 {
        let Some(preferred) = state.read::<Preferred>() else { return 0 };
        let labels = node.labels();
        let lacks = |constraint: &Constraint| labels.get(constraint.topology_key).is_none();
        if preferred.all_labels && preferred.constraints.iter().any(lacks) {
            return 0;
        }
        let mut score = 0.0;
        for (constraint, weight) in preferred.constraints.iter().zip(&preferred.weights) {
            let Some(value) = labels.get(constraint.topology_key) else { continue };
            let count = if constraint.topology_key == *HOSTNAME_LABEL {
                node.pods().iter().filter(|on| counts(constraint, pod, &on.pod)).count()
            } else {
                cx.cache
                    .pods()
                    .filter(|(slot, other)| {
                        let Some(other_node) = cx.cache.node(*slot).node() else { return false };
                        let of = |key| other_node.meta.labels.get(key);
                        of(constraint.topology_key) == Some(value)
                            && (!preferred.all_labels
                                || preferred.constraints.iter().all(|one| of(one.topology_key).is_some()))
                            && self.includes(constraint, pod, other_node)
                            && counts(constraint, pod, other)
                    })
                    .count()
            };
            score += count as f64 * weight + (constraint.max_skew - 1) as f64;
        }
        score.round() as i64
    }

    fn score_many(&self, cx: &Context<'_>, state: &CycleState, _pod: &Pod, nodes: &[NodeSlot], scores: &mut [i64]) {
        let Some(preferred) = state.read::<Preferred>() else { return };
        let parts: Vec<_> = preferred
            .constraints
            .iter()
            .zip(&preferred.weights)
            .map(|(constraint, weight)| {
                let counters = cx.cache.counters();
                let per_node = counters.per_node(constraint.counter);
                let domains = &counters.domains(constraint.counter).pods;
                let by_host = constraint.topology_key == *HOSTNAME_LABEL;
                (cx.cache.columns().get(constraint.column), by_host, per_node, domains, *weight, constraint.max_skew)
            })
            .collect();
        for ((&node, ignored), place) in nodes.iter().zip(&preferred.ignored).zip(scores) {
            if *ignored {
                continue;
            }
            let mut score = 0.0;
            for &(column, by_host, per_node, domains, weight, max_skew) in &parts {
                let domain = column.domain(node);
                if domain == NO_DOMAIN {
                    continue;
                }
                let count = if by_host { per_node[node.index()] } else { domains[domain as usize] };
                score += f64::from(count) * weight + (max_skew - 1) as f64;
            }
            *place = score.round() as i64;
        }
    }

    fn normalize_score(
        &self,
        _cx: &Context<'_>,
        state: &CycleState,
        _pod: &Pod,
        _nodes: &[NodeSlot],
        scores: &mut [i64],
    ) {
        let Some(preferred) = state.read::<Preferred>() else { return };
        let counted =
            || scores.iter().zip(&preferred.ignored).filter(|(_, ignored)| !**ignored).map(|(score, _)| *score);
        let (least, most) = (counted().min().unwrap_or(i64::MAX), counted().max().unwrap_or(0).max(0));
        for (score, ignored) in scores.iter_mut().zip(&preferred.ignored) {
            *score = match () {
                () if *ignored => 0,
                () if most == 0 => MAX_NODE_SCORE,
                () => MAX_NODE_SCORE * (most + least - *score) / most,
            };
        }
    }

    fn signs(&self) -> bool {
        self.defaults.is_empty()
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        if pod.spec.topology_spread.is_empty() { Some(Vec::new()) } else { None }
    }
}

/// Whether a pod counts for a constraint of another one.
fn counts(constraint: &Constraint, pod: &Pod, other: &Arc<Pod>) -> bool {
    other.meta.namespace == pod.meta.namespace
        && !other.meta.is_terminating()
        && constraint.selector.as_ref().is_some_and(|s| !s.is_empty() && s.matches(&other.meta.labels))
}

fn pod_change_frees(constraints: &[TopologySpreadConstraint], pod: &Pod, old: Option<&Pod>, new: Option<&Pod>) -> bool {
    let involved = |other: &Pod| {
        super::is_same_pod(pod, other.meta.uid)
            || !other.node_name.is_empty() && other.meta.namespace == pod.meta.namespace
    };
    if old.into_iter().chain(new).any(|other| !involved(other)) {
        return false;
    }
    let selects = |constraint: &TopologySpreadConstraint, labels: &Labels| {
        constraint.selector.as_ref().is_some_and(|selector| selector.matches(labels))
    };
    match (old, new) {
        (Some(old), Some(new)) => {
            let bears_more = super::is_same_pod(pod, new.meta.uid) && old.spec.tolerations != new.spec.tolerations;
            bears_more && constraints.iter().any(|constraint| constraint.honor_node_taints)
                || old.meta.labels != new.meta.labels
                    && constraints.iter().any(|one| selects(one, &old.meta.labels) != selects(one, &new.meta.labels))
        }
        (Some(one), None) | (None, Some(one)) => constraints.iter().any(|c| selects(c, &one.meta.labels)),
        (None, None) => false,
    }
}

fn node_change_frees(constraints: &[TopologySpreadConstraint], old: Option<&Node>, new: Option<&Node>) -> bool {
    let has = |node: Option<&Node>| node.is_some_and(|node| has_labels(node, constraints));
    match (old, new) {
        (Some(before), Some(after)) if has(old) && has(new) => {
            let of = |node: &Node, constraint: &TopologySpreadConstraint| node.meta.labels.get(constraint.topology_key);
            constraints.iter().any(|one| of(before, one) != of(after, one)) || before.taints != after.taints
        }
        (Some(_), Some(_)) => has(old) != has(new),
        _ => has(old) || has(new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_spreading_is_that_of_the_reference() {
        // control-plane.md A.7: three nodes in two zones with 2, 0 and 1 matching pods.
        let (hosts, zones) = (libm::log(5.0), libm::log(4.0));
        let raw = |own: f64, zone: f64| (own * hosts + 2.0 + zone * zones + 4.0).round() as i64;
        let mut scores = vec![raw(2.0, 2.0), raw(0.0, 2.0), raw(1.0, 1.0)];
        assert_eq!(scores, [12, 9, 9]);
        let plugin = PodTopologySpread::new(&Value::Null, Gates::default()).expect("no arguments");
        let mut state = CycleState::default();
        let ignored = vec![false; 3];
        state.write(Preferred { constraints: Vec::new(), all_labels: false, weights: Vec::new(), ignored });
        let (cache, nominator) = (Cache::default(), Default::default());
        let cx = Context { cache: &cache, nominator: &nominator, now: 0 };
        let pod = crate::components::scheduler::testing::pod("default", "p");
        plugin.normalize_score(&cx, &state, &pod, &[], &mut scores);
        assert_eq!(scores, [75, 100, 100]);
    }
}
