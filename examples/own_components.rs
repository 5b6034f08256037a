//! Components of your own: a scheduler that fills the first node, a controller that scales down overnight, and programs
//! that run for as long as their pods' annotation says.

use podsim::api::{Amendment, Change, ChangeKind, Name, Object, Pod, Request, Target, Uid};
use podsim::components::extension::{Api, Extension};
use podsim::components::runtime::{Process, ProcessModel, ProcessRun};
use podsim::engine::{SimDuration, SimTime};
use podsim::{Scenario, Simulation};
use std::collections::{BTreeMap, BTreeSet};

/// Binds the pods that ask for it to the first node by name.
#[derive(Debug, Clone, Default)]
struct FirstNode {
    nodes: BTreeSet<Name>,
    waiting: Vec<(Name, Name, Uid)>,
}

impl Extension for FirstNode {
    fn watched(&mut self, change: &Change, api: &mut Api<'_>) {
        match &change.object {
            Object::Node(node) => drop(self.nodes.insert(node.meta.name)),
            Object::Pod(pod) if change.kind == ChangeKind::Added && pod.spec.scheduler_name == "first-node" => {
                self.waiting.push((pod.meta.namespace, pod.meta.name, pod.meta.uid));
            }
            _ => {}
        }
        let Some(node) = self.nodes.first().copied() else { return };
        for (namespace, name, uid) in self.waiting.drain(..) {
            api.call(Request::Bind { namespace, name, uid, node });
        }
    }
}

/// Scales each Deployment to nothing some time after it appeared.
#[derive(Debug, Clone, Default)]
struct Nightfall {
    deployments: Vec<Target>,
}

impl Extension for Nightfall {
    fn watched(&mut self, change: &Change, api: &mut Api<'_>) {
        if let (Object::Deployment(_), ChangeKind::Added) = (&change.object, change.kind) {
            api.wake_after(SimDuration::from_secs(60), self.deployments.len() as u64);
            self.deployments.push(Target::of(&change.object));
        }
    }

    fn woken(&mut self, timer: u64, api: &mut Api<'_>) {
        let target = self.deployments[timer as usize];
        api.call(Request::Amend { target, uid: None, amendment: Amendment::Scale(0) });
    }
}

/// Runs each container for as many seconds as its pod's annotation says.
#[derive(Debug)]
struct Annotated;

impl ProcessModel for Annotated {
    fn process(&self, run: &ProcessRun<'_>) -> Option<Process> {
        let seconds = run.pod.meta.annotations.get(Name::new("example.com/runs-for"))?.parse().ok()?;
        Some(Process { duration: Some(SimDuration::from_secs(seconds).into()), ..Process::default() })
    }
}

fn simulation() -> Simulation {
    let files = BTreeMap::from([
        ("all.ron", r#"(nodes: [Pool(count: 2)], manifests: [File("all.yaml")], duration: "2m")"#),
        (
            "all.yaml",
            r#"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 3,
                selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}},
                spec: {schedulerName: first-node, containers: [{name: a, image: nginx}]}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: once, annotations: {example.com/runs-for: "20"}},
                spec: {restartPolicy: Never, containers: [{name: a, image: work}]}}"#,
        ),
    ]);
    let scenario = Scenario::load("all.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    scenario.simulate(1).with(FirstNode::default()).with(Nightfall::default()).with_processes(Annotated)
}

/// Runs all of them, and a fork, to the same end.
pub fn main() {
    let mut simulation = simulation();
    simulation.run_until(SimTime::from_secs(50));
    let on_first = |pod: &Pod| pod.node_name == "node-1" && pod.status.is_ready();
    assert_eq!(simulation.pods().filter(|pod| on_first(pod)).count(), 3);
    assert!(simulation.pod("default", "once").is_some_and(|pod| pod.is_terminal()));
    let mut fork = simulation.clone();
    simulation.run();
    assert_eq!(simulation.pods().count(), 1, "the Deployment's pods are gone");
    fork.run();
    assert_eq!(simulation.digest(), fork.digest());
    println!("digest {}", simulation.digest().expect("nobody switched it off"));
}
