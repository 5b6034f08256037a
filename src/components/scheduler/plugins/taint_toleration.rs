//! TaintToleration: taints keep pods away that do not bear them, or make a node worse.

use crate::api::names;
use crate::api::{Name, Pod, Taint, TaintEffect, Text, Toleration};
use crate::components::scheduler::cache::{Cache, NodeInfo, NodeSlot};
use crate::components::scheduler::config::Gates;
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{
    Context, CycleState, EventToRegister, Hint, Plugin, Points, Verdict, default_normalize_score,
};
use crate::components::scheduler::index::first_untolerated;
use crate::planted::{self, Bug};

names! {
    NAME = "TaintToleration";
}

/// Above so many classes of taints they are looked at node by node.
const CLASSES_AT_ONCE: usize = 64;

/// The plugin.
#[derive(Debug)]
pub struct TaintToleration {
    gates: Gates,
}

/// What a pod makes of each class of taints.
#[derive(Debug, Clone, Default)]
struct ByClass {
    forbidden: Vec<bool>,
    intolerable: Vec<i64>,
}

impl TaintToleration {
    /// The plugin under some gates.
    pub const fn new(gates: Gates) -> Self {
        Self { gates }
    }

    fn forbids(&self, taints: &[Taint], tolerations: &[Toleration]) -> bool {
        let untolerated = first_untolerated(taints, tolerations, self.gates.taint_comparison);
        untolerated.is_some() && !planted::is(Bug::TaintsUnseen)
    }

    /// How many taints that rather want no pods are not borne.
    fn intolerable(&self, taints: &[Taint], tolerations: &[Toleration]) -> i64 {
        let preferences = taints.iter().filter(|taint| taint.effect == TaintEffect::PreferNoSchedule);
        let counts = |taint: &&Taint| {
            !tolerations.iter().any(|toleration| toleration.tolerates(taint, self.gates.taint_comparison))
        };
        preferences.filter(counts).count() as i64
    }
}

fn taints(node: &NodeInfo) -> &[Taint] {
    node.node().map_or(&[], |node| &node.taints)
}

/// The tolerations of a pod as text.
pub(super) fn signature(pod: &Pod) -> Text {
    format!("{:?}", pod.spec.tolerations).into()
}

impl Plugin for TaintToleration {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::FILTER.with(Points::PRE_SCORE).with(Points::SCORE)
    }

    fn events(&self) -> Vec<EventToRegister> {
        vec![
            EventToRegister {
                resource: Resource::Node,
                actions: Actions::ADD.with(Actions::UPDATE_NODE_TAINT),
                hinted: true,
            },
            EventToRegister { resource: Resource::Pod, actions: Actions::UPDATE_POD_TOLERATION, hinted: true },
        ]
    }

    fn hint(&self, _cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let forbids = |taints: &[Taint]| self.forbids(taints, &pod.spec.tolerations);
        let frees = match (event.new_pod(), event.new_node()) {
            (Some(new), _) => super::is_same_pod(pod, new.meta.uid),
            (None, Some(node)) => !forbids(&node.taints) && event.old_node().is_none_or(|old| forbids(&old.taints)),
            (None, None) => false,
        };
        if frees { Hint::Queue } else { Hint::Skip }
    }

    fn prepare(&self, cache: &mut Cache, state: &mut CycleState, pod: &Pod) {
        let classes = cache.taint_classes();
        if classes > CLASSES_AT_ONCE {
            return;
        }
        let mut by_class = ByClass::default();
        for class in 0..classes as u32 {
            let taints = cache.taints(class);
            by_class.forbidden.push(self.forbids(taints, &pod.spec.tolerations));
            by_class.intolerable.push(self.intolerable(taints, &pod.spec.tolerations));
        }
        state.write(by_class);
    }

    fn filter(&self, _cx: &Context<'_>, _state: &CycleState, pod: &Pod, node: &NodeInfo) -> Verdict {
        if self.forbids(taints(node), &pod.spec.tolerations) { Verdict::unresolvable(1) } else { Verdict::FITS }
    }

    fn filter_many(
        &self,
        cx: &Context<'_>,
        state: &CycleState,
        pod: &Pod,
        nodes: &[NodeSlot],
        verdicts: &mut [Verdict],
    ) {
        let by_class = state.read::<ByClass>();
        if by_class.is_some_and(|by_class| !by_class.forbidden.contains(&true)) {
            return;
        }
        for (&node, verdict) in nodes.iter().zip(verdicts).filter(|(_, verdict)| verdict.fits()) {
            let info = cx.cache.node(node);
            let forbidden = match by_class {
                Some(by_class) => by_class.forbidden[info.totals.taint_class as usize],
                None => self.forbids(taints(info), &pod.spec.tolerations),
            };
            if forbidden {
                *verdict = Verdict::unresolvable(1);
            }
        }
    }

    fn reason_texts(&self) -> &'static [&'static str] {
        &["node(s) had untolerated taint(s)"]
    }

    fn score(&self, _cx: &Context<'_>, _state: &CycleState, pod: &Pod, node: &NodeInfo) -> i64 {
        self.intolerable(taints(node), &pod.spec.tolerations)
    }

    fn score_many(&self, cx: &Context<'_>, state: &CycleState, pod: &Pod, nodes: &[NodeSlot], scores: &mut [i64]) {
        let by_class = state.read::<ByClass>();
        if by_class.is_some_and(|by_class| by_class.intolerable.iter().all(|count| *count == 0)) {
            return;
        }
        for (&node, score) in nodes.iter().zip(scores) {
            let info = cx.cache.node(node);
            *score = match by_class {
                Some(by_class) => by_class.intolerable[info.totals.taint_class as usize],
                None => self.intolerable(taints(info), &pod.spec.tolerations),
            };
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
        default_normalize_score(scores, true);
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        Some(vec![signature(pod)])
    }
}
