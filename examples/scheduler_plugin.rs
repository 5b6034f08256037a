//! A plugin of one's own in the scheduler of a simulated cluster: teams have nodes of their own.
//!
//! `cargo run --example scheduler_plugin` prints where the pods went and why one of them waits.

use podsim::api::{Name, Object, Pod, Text};
use podsim::components::scheduler::events::{Actions, Resource};
use podsim::components::scheduler::framework::EventToRegister;
use podsim::components::scheduler::{
    Context, CycleState, NodeInfo, Plugin, Points, Registry, SchedulerConfiguration, SchedulerSetup, Verdict,
};
use podsim::{Scenario, Simulation};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keeps pods off nodes of other teams, and among the others prefers nodes that hold many pods already.
#[derive(Debug)]
struct TeamNodes;

fn team(labels: &podsim::api::Labels) -> Option<Name> {
    labels.get(Name::new("team"))
}

impl Plugin for TeamNodes {
    fn name(&self) -> Name {
        Name::new("TeamNodes")
    }

    fn points(&self) -> Points {
        Points::FILTER.with(Points::SCORE)
    }

    fn filter(&self, _cx: &Context<'_>, _state: &CycleState, pod: &Pod, node: &NodeInfo) -> Verdict {
        match node.node().and_then(|node| team(&node.meta.labels)) {
            owner if owner.is_some() && owner != team(&pod.meta.labels) => Verdict::unresolvable(1),
            _ => Verdict::FITS,
        }
    }

    /// What each bit of a verdict says, for the message of the event.
    fn reason_texts(&self) -> &'static [&'static str] {
        &["node(s) belonged to another team"]
    }

    /// Pods that it rejected are tried again when nodes come or change their labels.
    fn events(&self) -> Vec<EventToRegister> {
        let actions = Actions::ADD.with(Actions::UPDATE_NODE_LABEL);
        vec![EventToRegister { resource: Resource::Node, actions, hinted: false }]
    }

    fn score(&self, _cx: &Context<'_>, _state: &CycleState, _pod: &Pod, node: &NodeInfo) -> i64 {
        (node.pods().len() as i64).min(100)
    }

    /// What of the pod it looks at: pods that are alike in this get the same answers.
    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        Some(vec![Text::from(team(&pod.meta.labels).unwrap_or_default().as_str())])
    }
}

const PODS: &str = r"
{apiVersion: v1, kind: Pod, metadata: {name: red-1, labels: {team: red}}, spec: {containers: [{name: c, image: nginx}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: red-2, labels: {team: red}}, spec: {containers: [{name: c, image: nginx}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: blue, labels: {team: blue}}, spec: {containers: [{name: c, image: nginx}]}}
";

const SCENARIO: &str = r#"(
    duration: "1m",
    nodes: [Pool(count: 2, labels: {"team": "red"})],
    manifests: [File("pods.yaml")],
    actions: [(at: "30s", do: Label(object: "node/node-2", set: {"team": Some("blue")}))],
)"#;

/// A cluster whose scheduler has the plugin, with a weight of its own.
fn simulation() -> Simulation {
    let registry = Registry::default().with("TeamNodes", |_arguments, _gates| Ok(Arc::new(TeamNodes)));
    let configuration = json!({
        "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
        "profiles": [{"plugins": {"multiPoint": {"enabled": [{"name": "TeamNodes", "weight": 5}]}}}],
    });
    let configuration = SchedulerConfiguration::from_value(&configuration).expect("a configuration");
    let setup = SchedulerSetup::new(configuration, &registry).expect("plugins that are known");
    let files = BTreeMap::from([("teams.ron", SCENARIO), ("pods.yaml", PODS)]);
    let scenario = Scenario::load("teams.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let mut plan = scenario.plan(1);
    plan.scheduler = Arc::new(setup);
    Simulation::new(Arc::new(plan), 1, &[])
}

/// The node of each pod, and what people were told of pods that had to wait.
fn run() -> (Vec<(String, String)>, Vec<String>) {
    let mut simulation = simulation();
    simulation.run();
    let node = |object: Object| object.pod().map(|pod| (pod.meta.name.to_string(), pod.node_name.to_string()));
    let told = |object: Object| match object {
        Object::Event(event) if event.reason == "FailedScheduling" => Some(event.message.to_string()),
        _ => None,
    };
    (simulation.objects().filter_map(node).collect(), simulation.objects().filter_map(told).collect())
}

fn main() {
    let (nodes, told) = run();
    nodes.iter().for_each(|(pod, node)| println!("{pod} runs on {node}"));
    told.iter().for_each(|message| println!("waited: {message}"));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_plugin_decides_and_is_asked_again_when_a_node_changes_hands() {
        let (nodes, told) = super::run();
        let node = |pod: &str| nodes.iter().find(|(name, _)| name == pod).map(|(_, node)| node.as_str());
        assert_eq!(node("red-1"), node("red-2"), "full nodes are preferred");
        assert_eq!(node("blue"), Some("node-2"));
        assert!(told[0].starts_with("0/2 nodes are available: 2 node(s) belonged to another team."), "{told:?}");
    }
}
