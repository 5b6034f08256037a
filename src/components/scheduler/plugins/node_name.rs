//! NodeName: a pod that names its node goes nowhere else.

use crate::api::names;
use crate::api::{Name, Pod, Text};
use crate::components::scheduler::cache::{NodeInfo, NodeSlot};
use crate::components::scheduler::events::{Actions, Resource};
use crate::components::scheduler::framework::{Context, CycleState, EventToRegister, Plugin, Points, Verdict};

names! {
    NAME = "NodeName";
}

/// The plugin.
#[derive(Debug)]
pub struct NodeName;

impl Plugin for NodeName {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::FILTER
    }

    fn events(&self) -> Vec<EventToRegister> {
        vec![EventToRegister { resource: Resource::Node, actions: Actions::ADD, hinted: false }]
    }

    fn filter(&self, _cx: &Context<'_>, _state: &CycleState, pod: &Pod, node: &NodeInfo) -> Verdict {
        let fits = pod.node_name.is_empty() || pod.node_name == node.name();
        if fits { Verdict::FITS } else { Verdict::unresolvable(1) }
    }

    fn filter_many(
        &self,
        cx: &Context<'_>,
        state: &CycleState,
        pod: &Pod,
        nodes: &[NodeSlot],
        verdicts: &mut [Verdict],
    ) {
        if pod.node_name.is_empty() {
            return;
        }
        for (&node, verdict) in nodes.iter().zip(verdicts).filter(|(_, verdict)| verdict.fits()) {
            *verdict = self.filter(cx, state, pod, cx.cache.node(node));
        }
    }

    fn reason_texts(&self) -> &'static [&'static str] {
        &["node(s) didn't match the requested node name"]
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        Some(vec![Text::from(&*pod.node_name)])
    }
}
