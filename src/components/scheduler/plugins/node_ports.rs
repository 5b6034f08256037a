//! NodePorts: a port of a node is taken once.

use crate::api::names;
use crate::api::{Name, Pod, Text};
use crate::components::scheduler::cache::{HostPort, NodeInfo, host_ports, ports_conflict};
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{
    Context, CycleState, EventToRegister, Hint, Plugin, Points, PreFilterResult, Status, Verdict,
};

names! {
    NAME = "NodePorts";
}

/// The plugin.
#[derive(Debug)]
pub struct NodePorts;

/// The ports that the pod wants.
#[derive(Debug, Clone)]
struct Wanted(Vec<HostPort>);

fn conflict(wanted: &[HostPort], used: &[HostPort]) -> bool {
    wanted.iter().any(|port| used.iter().any(|other| ports_conflict(*port, *other)))
}

impl Plugin for NodePorts {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::PRE_FILTER.with(Points::FILTER)
    }

    fn events(&self) -> Vec<EventToRegister> {
        vec![
            EventToRegister { resource: Resource::Pod, actions: Actions::DELETE, hinted: true },
            EventToRegister { resource: Resource::Node, actions: Actions::ADD, hinted: false },
        ]
    }

    fn hint(&self, _cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let Some(gone) = event.old_pod().filter(|gone| !gone.node_name.is_empty()) else { return Hint::Skip };
        let freed: Vec<_> = host_ports(&gone.spec).collect();
        let wanted: Vec<_> = host_ports(&pod.spec).collect();
        if conflict(&wanted, &freed) { Hint::Queue } else { Hint::Skip }
    }

    fn pre_filter(&self, _cx: &Context<'_>, state: &mut CycleState, pod: &Pod) -> PreFilterResult {
        let wanted: Vec<_> = host_ports(&pod.spec).collect();
        if wanted.is_empty() {
            return Status::skip().into();
        }
        state.write(Wanted(wanted));
        PreFilterResult::default()
    }

    fn filter(&self, _cx: &Context<'_>, state: &CycleState, _pod: &Pod, node: &NodeInfo) -> Verdict {
        let wanted = state.read::<Wanted>().map_or(&[][..], |wanted| &wanted.0);
        if conflict(wanted, node.ports()) { Verdict::unschedulable(1) } else { Verdict::FITS }
    }

    fn reason_texts(&self) -> &'static [&'static str] {
        &["node(s) didn't have free ports for the requested pod ports"]
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        let mut ports: Vec<_> = host_ports(&pod.spec).collect();
        ports.sort();
        Some(vec![format!("{ports:?}").into()])
    }
}
