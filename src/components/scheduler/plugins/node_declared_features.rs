//! NodeDeclaredFeatures: a pod that needs a feature goes to nodes whose kubelet declares it.
//!
//! Follows `component-helpers/nodedeclaredfeatures` of 1.36. Of its features two are needed at scheduling time: restart
//! of all containers in place, and user namespaces together with the node's network.

use crate::api::names;
use crate::api::{Name, Node, Pod, PodSpec, RestartRuleAction, Text};
use crate::components::scheduler::cache::NodeInfo;
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{
    Context, CycleState, EventToRegister, Hint, Plugin, Points, PreFilterResult, Status, Verdict,
};

names! {
    NAME = "NodeDeclaredFeatures";
    RESTART_ALL_CONTAINERS = "RestartAllContainersOnContainerExits";
    USER_NAMESPACES_HOST_NETWORK = "UserNamespacesHostNetworkSupport";
}

/// The plugin.
#[derive(Debug)]
pub struct NodeDeclaredFeatures;

/// The features that the pod needs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Needed(Vec<Name>);

fn needed(spec: &PodSpec) -> Vec<Name> {
    let mut features = Vec::new();
    let mut containers = spec.containers.iter().chain(&spec.init_containers);
    if containers.any(|c| c.restart_rules.iter().any(|rule| rule.action == RestartRuleAction::RestartAllContainers)) {
        features.push(*RESTART_ALL_CONTAINERS);
    }
    // The record has no word for user namespaces; the text does.
    if spec.host_network && spec.source.contains(r#""hostUsers":false"#) {
        features.push(*USER_NAMESPACES_HOST_NETWORK);
    }
    features
}

fn declares(node: &Node, features: &[Name]) -> bool {
    features.iter().all(|feature| node.status.declared_features.contains(feature))
}

impl Plugin for NodeDeclaredFeatures {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::PRE_FILTER.with(Points::FILTER)
    }

    fn events(&self) -> Vec<EventToRegister> {
        let node = Actions::ADD.with(Actions::UPDATE_NODE_DECLARED_FEATURE);
        vec![
            EventToRegister { resource: Resource::Node, actions: node, hinted: true },
            EventToRegister { resource: Resource::Pod, actions: Actions::UPDATE, hinted: true },
        ]
    }

    fn hint(&self, _cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let frees = match (event.new_pod(), event.new_node()) {
            (Some(new), _) => {
                let changed = event.old_pod().is_none_or(|old| needed(&old.spec) != needed(&new.spec));
                super::is_same_pod(pod, new.meta.uid) && changed
            }
            (None, Some(node)) => {
                let features = needed(&pod.spec);
                declares(node, &features) && event.old_node().is_none_or(|old| !declares(old, &features))
            }
            (None, None) => false,
        };
        if frees { Hint::Queue } else { Hint::Skip }
    }

    fn pre_filter(&self, _cx: &Context<'_>, state: &mut CycleState, pod: &Pod) -> PreFilterResult {
        let features = needed(&pod.spec);
        if features.is_empty() {
            return Status::skip().into();
        }
        state.write(Needed(features));
        PreFilterResult::default()
    }

    fn filter(&self, _cx: &Context<'_>, state: &CycleState, _pod: &Pod, node: &NodeInfo) -> Verdict {
        let features = state.read::<Needed>().map_or(&[][..], |needed| &needed.0);
        let fits = node.node().is_some_and(|node| declares(node, features));
        if fits { Verdict::FITS } else { Verdict::unresolvable(1) }
    }

    fn reason_texts(&self) -> &'static [&'static str] {
        &["node(s) didn't match Pod's required features"]
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        Some(needed(&pod.spec).iter().map(|feature| Text::from(&**feature)).collect())
    }
}
