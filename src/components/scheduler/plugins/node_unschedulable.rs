//! NodeUnschedulable: cordoned nodes take only pods that bear it.

use crate::api::names;
use crate::api::{Name, Pod, TAINT_UNSCHEDULABLE, Taint, TaintEffect, Text};
use crate::components::scheduler::cache::{NodeInfo, NodeSlot};
use crate::components::scheduler::config::Gates;
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{Context, CycleState, EventToRegister, Hint, Plugin, Points, Verdict};

names! {
    NAME = "NodeUnschedulable";
}

/// The plugin.
#[derive(Debug)]
pub struct NodeUnschedulable {
    gates: Gates,
}

impl NodeUnschedulable {
    /// The plugin under some gates.
    pub const fn new(gates: Gates) -> Self {
        Self { gates }
    }

    fn bears(&self, pod: &Pod) -> bool {
        let taint = Taint {
            key: *TAINT_UNSCHEDULABLE,
            value: Name::default(),
            effect: TaintEffect::NoSchedule,
            time_added: None,
        };
        pod.spec.tolerations.iter().any(|toleration| toleration.tolerates(&taint, self.gates.taint_comparison))
    }
}

impl Plugin for NodeUnschedulable {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::FILTER
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
        let frees = match (event.new_pod(), event.new_node()) {
            (Some(new), _) => super::is_same_pod(pod, new.meta.uid) && self.bears(new),
            (None, Some(node)) => !node.unschedulable && event.old_node().is_none_or(|old| old.unschedulable),
            (None, None) => false,
        };
        if frees { Hint::Queue } else { Hint::Skip }
    }

    fn filter(&self, _cx: &Context<'_>, _state: &CycleState, pod: &Pod, node: &NodeInfo) -> Verdict {
        if !node.totals.unschedulable || self.bears(pod) { Verdict::FITS } else { Verdict::unresolvable(1) }
    }

    fn filter_many(
        &self,
        cx: &Context<'_>,
        _state: &CycleState,
        pod: &Pod,
        nodes: &[NodeSlot],
        verdicts: &mut [Verdict],
    ) {
        let mut bears = None;
        for (&node, verdict) in nodes.iter().zip(verdicts) {
            if cx.cache.node(node).totals.unschedulable
                && verdict.fits()
                && !*bears.get_or_insert_with(|| self.bears(pod))
            {
                *verdict = Verdict::unresolvable(1);
            }
        }
    }

    fn reason_texts(&self) -> &'static [&'static str] {
        &["node(s) were unschedulable"]
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        Some(vec![super::taint_toleration::signature(pod)])
    }
}
