//! DynamicResources: pods here have no resource claims, so the plugin lets everything pass. Its words remain: it is
//! asked before preemption and says that it has nothing to give back.

use crate::api::names;
use crate::api::{Name, Pod, Text};
use crate::components::scheduler::events::{Actions, Resource};
use crate::components::scheduler::framework::{
    Code, Context, CycleState, EventToRegister, Plugin, Points, PostFilterContext, PostFilterResult, PreFilterResult,
    Status,
};

names! {
    NAME = "DynamicResources";
}

/// The plugin.
#[derive(Debug)]
pub struct DynamicResources;

/// That the PreFilter was reached.
#[derive(Debug, Clone)]
struct Reached;

impl Plugin for DynamicResources {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::PRE_FILTER.with(Points::FILTER).with(Points::POST_FILTER).with(Points::SCORE)
    }

    fn extends(&self) -> Points {
        self.points().with(Points::PRE_ENQUEUE).with(Points::RESERVE).with(Points::PRE_BIND)
    }

    fn events(&self) -> Vec<EventToRegister> {
        let node = Actions::ADD.with(Actions::UPDATE_NODE_ALLOCATABLE).with(Actions::UPDATE_NODE_LABEL);
        vec![
            EventToRegister { resource: Resource::Node, actions: node, hinted: false },
            EventToRegister {
                resource: Resource::ResourceClaim,
                actions: Actions::ADD.with(Actions::UPDATE),
                hinted: true,
            },
            EventToRegister { resource: Resource::Pod, actions: Actions::UPDATE_POD_RESOURCE_CLAIM, hinted: true },
        ]
    }

    fn pre_filter(&self, _cx: &Context<'_>, state: &mut CycleState, _pod: &Pod) -> PreFilterResult {
        state.write(Reached);
        Status::skip().into()
    }

    fn post_filter(&self, _cx: &PostFilterContext<'_>, state: &mut CycleState, _pod: &Pod) -> PostFilterResult {
        let status = match state.read::<Reached>() {
            Some(Reached) => Status::new(Code::Unschedulable, "no new claims to deallocate"),
            None => Status::error("not found"),
        };
        PostFilterResult { status, ..PostFilterResult::default() }
    }

    fn sign(&self, _cx: &Context<'_>, _pod: &Pod) -> Option<Vec<Text>> {
        Some(Vec::new())
    }
}
