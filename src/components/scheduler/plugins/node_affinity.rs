//! NodeAffinity: the nodes that a pod, or the profile, asks for by label or by name.

use super::{read_as_pod_spec, unknown_field};
use crate::api::names;
use crate::api::{Affinity, Name, NodeSelectorTerm, Operator, Pod, PodSpec, Requirement, Text};
use crate::components::scheduler::cache::{Cache, CompiledRequirement, CompiledTerms, NodeInfo, NodeSlot};
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{
    Code, Context, CycleState, EventToRegister, Hint, Plugin, Points, PreFilterResult, Status, Verdict,
    default_normalize_score,
};
use crate::components::scheduler::index::{any_term_matches, is_parseable};
use crate::components::scheduler::profile::ArgumentError;
use crate::components::scheduler::selector_errors;
use serde_json::{Value, json};
use std::sync::Arc;

names! {
    NAME = "NodeAffinity";
    OBJECT_NAME_FIELD = "metadata.name";
}

/// The pod's own affinity is not met.
const POD: u32 = 1;
/// That of the profile is not met.
const ENFORCED: u32 = 1 << 1;

/// The plugin.
#[derive(Debug)]
pub struct NodeAffinity {
    /// What the profile asks of every node (`addedAffinity`), as the affinity of a pod.
    added: Option<Arc<PodSpec>>,
}

/// Terms as look-ups in columns.
#[derive(Debug, Clone, Default)]
struct Compiled {
    added: Option<CompiledTerms>,
    /// The node selector, then the terms of which one must hold.
    selector: Vec<CompiledRequirement>,
    terms: Option<CompiledTerms>,
}

/// Preferred terms with their weights.
#[derive(Debug, Clone, Default)]
struct Preferred(Vec<(i64, Vec<CompiledRequirement>)>);

impl NodeAffinity {
    /// The plugin with its arguments.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(args: &Value) -> Result<Self, ArgumentError> {
        let mut added = None;
        for (field, value) in super::fields(args) {
            match field {
                "addedAffinity" => {
                    added = Some(read_as_pod_spec(field, json!({"affinity": {"nodeAffinity": value}}))?);
                }
                _ => return Err(unknown_field(field)),
            }
        }
        Ok(Self { added })
    }

    fn added_terms(&self) -> Option<&[NodeSelectorTerm]> {
        required_terms(self.added.as_deref()?)
    }

    fn added_preferred(&self) -> &[(i64, NodeSelectorTerm)] {
        self.added.as_deref().map_or(&[], preferred_terms)
    }

    fn added_matches(&self, node: &crate::api::Node) -> bool {
        self.added_terms().is_none_or(|terms| any_term_matches(terms, node.meta.name, &node.meta.labels))
    }
}

fn affinity(spec: &PodSpec) -> Option<&Affinity> {
    spec.affinity.as_deref()
}

fn required_terms(spec: &PodSpec) -> Option<&[NodeSelectorTerm]> {
    affinity(spec)?.required_node_terms.as_deref()
}

fn preferred_terms(spec: &PodSpec) -> &[(i64, NodeSelectorTerm)] {
    affinity(spec).map_or(&[], |affinity| &affinity.preferred_node_terms)
}

/// Whether a node is one that a pod asks for (`GetRequiredNodeAffinity`).
pub fn node_matches(spec: &PodSpec, node: &crate::api::Node) -> bool {
    spec.node_selector.all_in(&node.meta.labels)
        && required_terms(spec).is_none_or(|terms| any_term_matches(terms, node.meta.name, &node.meta.labels))
}

/// The names of the only nodes that terms allow, if each of them names nodes.
fn node_names(terms: &[NodeSelectorTerm]) -> Option<Vec<Name>> {
    let mut all = Vec::new();
    for term in terms {
        let by_name =
            |requirement: &&Requirement| requirement.key == *OBJECT_NAME_FIELD && requirement.operator == Operator::In;
        let mut fields = term.fields.iter().filter(by_name).map(|requirement| &requirement.values);
        let first = fields.next()?;
        let mut names = first.to_vec();
        for more in fields {
            names.retain(|name| more.contains(name));
        }
        all.extend(names);
    }
    all.sort();
    all.dedup();
    Some(all)
}

fn compile(term: &NodeSelectorTerm, cache: &Cache) -> Vec<CompiledRequirement> {
    let labels = term.expressions.iter().map(|one| CompiledRequirement::on_label(one, cache.columns()));
    labels.chain(term.fields.iter().cloned().map(CompiledRequirement::Field)).collect()
}

fn compile_terms(terms: &[NodeSelectorTerm], cache: &Cache) -> CompiledTerms {
    let meant = terms.iter().filter(|term| !is_empty(term) && is_parseable(term));
    CompiledTerms { terms: meant.map(|term| compile(term, cache)).collect() }
}

fn is_empty(term: &NodeSelectorTerm) -> bool {
    term.expressions.is_empty() && term.fields.is_empty()
}

fn all_match(requirements: &[CompiledRequirement], node: NodeSlot, cache: &Cache) -> bool {
    let name = cache.node(node).name();
    requirements.iter().all(|requirement| requirement.matches(node, name, cache.columns()))
}

fn any_matches(terms: &CompiledTerms, node: NodeSlot, cache: &Cache) -> bool {
    terms.terms.iter().any(|requirements| all_match(requirements, node, cache))
}

impl Plugin for NodeAffinity {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::PRE_FILTER.with(Points::FILTER).with(Points::PRE_SCORE).with(Points::SCORE)
    }

    fn events(&self) -> Vec<EventToRegister> {
        let actions = Actions::ADD.with(Actions::UPDATE_NODE_LABEL);
        vec![EventToRegister { resource: Resource::Node, actions, hinted: true }]
    }

    fn hint(&self, _cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let Some(node) = event.new_node() else { return Hint::Queue };
        if !self.added_matches(node) || !node_matches(&pod.spec, node) {
            return Hint::Skip;
        }
        let did = event.old_node().is_some_and(|old| self.added_matches(old) && node_matches(&pod.spec, old));
        if did { Hint::Skip } else { Hint::Queue }
    }

    fn prepare(&self, cache: &mut Cache, _state: &mut CycleState, pod: &Pod) {
        for (key, _) in pod.spec.node_selector.iter() {
            cache.ensure_column(key);
        }
        let required = required_terms(&pod.spec).into_iter().chain(self.added_terms()).flatten();
        let preferred = preferred_terms(&pod.spec).iter().chain(self.added_preferred()).map(|(_, term)| term);
        for requirement in required.chain(preferred).flat_map(|term| term.expressions.iter()) {
            cache.ensure_column(requirement.key);
        }
    }

    fn pre_filter(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod) -> PreFilterResult {
        let terms = required_terms(&pod.spec);
        if terms.is_none() && self.added_terms().is_none() && pod.spec.node_selector.is_empty() {
            return Status::skip().into();
        }
        let equals = |(key, value)| CompiledRequirement::on_label(&Requirement::equals(key, value), cx.cache.columns());
        state.write(Compiled {
            added: self.added_terms().map(|terms| compile_terms(terms, cx.cache)),
            selector: pod.spec.node_selector.iter().map(equals).collect(),
            terms: terms.map(|terms| compile_terms(terms, cx.cache)),
        });
        match terms.filter(|terms| !terms.is_empty()).and_then(node_names) {
            None => PreFilterResult::default(),
            Some(names) if names.is_empty() => {
                Status::new(Code::UnschedulableAndUnresolvable, "pod affinity terms conflict").into()
            }
            names => PreFilterResult { status: Status::success(), node_names: names },
        }
    }

    fn filter(&self, _cx: &Context<'_>, _state: &CycleState, pod: &Pod, node: &NodeInfo) -> Verdict {
        let Some(node) = node.node() else { return Verdict::unresolvable(POD) };
        if !self.added_matches(node) {
            Verdict::unresolvable(ENFORCED)
        } else if !node_matches(&pod.spec, node) {
            Verdict::unresolvable(POD)
        } else {
            Verdict::FITS
        }
    }

    fn filter_many(
        &self,
        cx: &Context<'_>,
        state: &CycleState,
        pod: &Pod,
        nodes: &[NodeSlot],
        verdicts: &mut [Verdict],
    ) {
        let Some(compiled) = state.read::<Compiled>() else {
            for (&node, verdict) in nodes.iter().zip(verdicts).filter(|(_, verdict)| verdict.fits()) {
                *verdict = self.filter(cx, state, pod, cx.cache.node(node));
            }
            return;
        };
        for (&node, verdict) in nodes.iter().zip(verdicts).filter(|(_, verdict)| verdict.fits()) {
            if compiled.added.as_ref().is_some_and(|terms| !any_matches(terms, node, cx.cache)) {
                *verdict = Verdict::unresolvable(ENFORCED);
            } else if !all_match(&compiled.selector, node, cx.cache)
                || compiled.terms.as_ref().is_some_and(|terms| !any_matches(terms, node, cx.cache))
            {
                *verdict = Verdict::unresolvable(POD);
            }
        }
    }

    fn reason_texts(&self) -> &'static [&'static str] {
        &["node(s) didn't match Pod's node affinity/selector", "node(s) didn't match scheduler-enforced node affinity"]
    }

    fn pre_score(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod, _nodes: &[NodeSlot]) -> Status {
        let own = preferred_terms(&pod.spec);
        if own.is_empty() && self.added_preferred().is_empty() {
            return Status::skip();
        }
        let counts = |(weight, term): &&(i64, NodeSelectorTerm)| *weight != 0 && !is_empty(term);
        let places = own.iter().enumerate().filter(|(_, one)| counts(one));
        let errors: Vec<String> =
            places.flat_map(|(n, (_, term))| selector_errors::of_term(term, &format!("[{n}]"))).collect();
        if let Some(error) = selector_errors::aggregate(errors) {
            return Status::error(error);
        }
        let all = own.iter().chain(self.added_preferred()).filter(counts);
        state.write(Preferred(all.map(|(weight, term)| (*weight, compile(term, cx.cache))).collect()));
        Status::success()
    }

    fn score(&self, _cx: &Context<'_>, _state: &CycleState, pod: &Pod, node: &NodeInfo) -> i64 {
        let terms = preferred_terms(&pod.spec).iter().chain(self.added_preferred());
        terms.filter(|(_, term)| term.matches(node.name(), node.labels())).map(|(weight, _)| weight).sum()
    }

    fn score_many(&self, cx: &Context<'_>, state: &CycleState, _pod: &Pod, nodes: &[NodeSlot], scores: &mut [i64]) {
        let Some(Preferred(terms)) = state.read::<Preferred>() else { return };
        for (weight, requirements) in terms {
            for (&node, score) in nodes.iter().zip(&mut *scores) {
                *score += if all_match(requirements, node, cx.cache) { *weight } else { 0 };
            }
        }
    }

    fn normalize_score(
        &self,
        _cx: &Context<'_>,
        _state: &CycleState,
        _pod: &Pod,
        _nodes: &[NodeSlot],
        scores: &mut [i64],
    ) {
        default_normalize_score(scores, false);
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        let required = required_terms(&pod.spec);
        Some(vec![
            pod.spec.node_selector.to_string().into(),
            format!("{required:?} {:?}", preferred_terms(&pod.spec)).into(),
        ])
    }
}
