//! SchedulingGates: a pod with gates is not looked at.

use crate::api::{Name, Pod, Text};
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{Code, Context, EventToRegister, Hint, Plugin, Points, Status};

/// The plugin.
#[derive(Debug)]
pub struct SchedulingGates;

impl Plugin for SchedulingGates {
    fn name(&self) -> Name {
        Name::new("SchedulingGates")
    }

    fn points(&self) -> Points {
        Points::PRE_ENQUEUE
    }

    fn events(&self) -> Vec<EventToRegister> {
        let actions = Actions::UPDATE_POD_GATES_ELIMINATED;
        vec![EventToRegister { resource: Resource::Pod, actions, hinted: true }]
    }

    fn hint(&self, _cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let own = event.new_pod().is_some_and(|new| super::is_same_pod(pod, new.meta.uid));
        if own { Hint::Queue } else { Hint::Skip }
    }

    fn pre_enqueue(&self, _cx: &Context<'_>, pod: &Pod) -> Status {
        if pod.spec.scheduling_gates.is_empty() {
            return Status::success();
        }
        let gates: Vec<&str> = pod.spec.scheduling_gates.iter().map(|gate| gate.as_str()).collect();
        let reason = format!("waiting for scheduling gates: [{}]", gates.join(" "));
        Status::new(Code::UnschedulableAndUnresolvable, reason)
    }

    fn sign(&self, _cx: &Context<'_>, _pod: &Pod) -> Option<Vec<Text>> {
        Some(Vec::new())
    }
}
