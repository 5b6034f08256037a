//! DefaultPreemption: when no node fits, pods of lower priority are evicted.

use super::{fields, unknown_field, whole_number};
use crate::api::names;
use crate::api::{Name, Pod};
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{
    Code, Context, CycleState, EventToRegister, Hint, Plugin, Points, PostFilterContext, PostFilterResult, Status,
};
use crate::components::scheduler::preemption::{self, Enough};
use crate::components::scheduler::profile::ArgumentError;
use serde_json::Value;

names! {
    NAME = "DefaultPreemption";
}

/// The plugin.
#[derive(Debug)]
pub struct DefaultPreemption {
    enough: Enough,
}

impl DefaultPreemption {
    /// The plugin with its arguments.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(args: &Value) -> Result<Self, ArgumentError> {
        let mut enough = Enough { percentage: 10, absolute: 100 };
        for (field, value) in fields(args) {
            match field {
                "minCandidateNodesPercentage" => enough.percentage = whole_number(field, value, 0, 100)?,
                "minCandidateNodesAbsolute" => {
                    enough.absolute = whole_number(field, value, 0, i64::from(i32::MAX))?;
                }
                _ => return Err(unknown_field(field)),
            }
        }
        if enough == (Enough { percentage: 0, absolute: 0 }) {
            return Err(ArgumentError::new(
                "minCandidateNodesAbsolute",
                "zero beside a percentage of zero",
                "raise one",
            ));
        }
        Ok(Self { enough })
    }
}

impl Plugin for DefaultPreemption {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::POST_FILTER.with(Points::PRE_ENQUEUE)
    }

    fn events(&self) -> Vec<EventToRegister> {
        vec![EventToRegister { resource: Resource::Pod, actions: Actions::DELETE, hinted: true }]
    }

    fn hint(&self, _cx: &Context<'_>, _pod: &Pod, _event: &ClusterEvent) -> Hint {
        // Freed resources are the matter of the plugins that lacked them.
        Hint::Skip
    }

    fn pre_enqueue(&self, cx: &Context<'_>, pod: &Pod) -> Status {
        if cx.nominator.is_preempting(pod) {
            let reason = "waiting for the preemption for this pod to be finished";
            return Status::new(Code::UnschedulableAndUnresolvable, reason);
        }
        Status::success()
    }

    fn post_filter(&self, post: &PostFilterContext<'_>, state: &mut CycleState, pod: &Pod) -> PostFilterResult {
        let mut search = preemption::search(post, state, pod, self.enough);
        if let Some(&best) = search.best.first() {
            let candidate = search.candidates.swap_remove(best);
            return PostFilterResult {
                status: Status::success(),
                nominated_node: Some(candidate.node),
                preemption: Some(candidate),
            };
        }
        let message = format!("preemption: {}", preemption::message(post, state, pod, &search));
        PostFilterResult {
            status: Status::new(Code::Unschedulable, message),
            // A pod that may not preempt keeps its nomination; one that finds nothing loses it.
            nominated_node: search.not_eligible.is_none().then(Name::default),
            preemption: None,
        }
    }
}
