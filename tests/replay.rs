//! The same seed is the same run: again, on other threads, watched or not, forked or not; and one more pod changes
//! nobody's luck.

use podsim::engine::SimTime;
use podsim::report::story::{Look, Story};
use podsim::scenario::Scenario;
use podsim::simulation::{Simulation, parallel_on};
use podsim::trace::TraceHash;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Pods whose processes end after times that are drawn, in other rooms of chance than the latencies are.
const SCENARIO: &str = r#"
Scenario(
    duration: "4m",
    nodes: [Pool(count: 2)],
    manifests: [File("pods.yaml")],
    images: {"registry.example/*": Image(size: "30Mi")},
    behaviors: [(pods: "*", containers: [(process: (duration: Some(Exponential(mean: "7s")), exit: (code: 1)))])],
    actions: [(at: "90s", do: Delete((object: "pod/worker-1")))],
)
"#;

fn pods(names: &[&str]) -> String {
    let pod = |name: &&str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, \
             spec: {{containers: [{{name: main, image: \"registry.example/worker:1\"}}]}}}}"
        )
    };
    names.iter().map(pod).collect::<Vec<_>>().join("\n---\n")
}

fn simulation(names: &[&str], seed: u64) -> Simulation {
    let pods = pods(names);
    let files = BTreeMap::from([("replay.ron", SCENARIO), ("pods.yaml", pods.as_str())]);
    let scenario = Scenario::load("replay.ron", &files).expect("a good scenario");
    Simulation::new(Arc::new(scenario.plan(seed)), seed, &scenario.expectations)
}

fn digest(mut simulation: Simulation) -> TraceHash {
    simulation.run();
    simulation.digest().expect("a digest")
}

const WORKERS: [&str; 3] = ["worker-1", "worker-2", "worker-3"];

#[test]
fn the_same_seed_is_the_same_run() {
    let first = digest(simulation(&WORKERS, 1));
    assert_eq!(digest(simulation(&WORKERS, 1)), first);
    assert_eq!(digest(simulation(&WORKERS, 1).recorded()), first, "who looks on changes nothing");
    assert_ne!(digest(simulation(&WORKERS, 2)), first);
}

#[test]
fn threads_change_nothing() {
    let seeds: Vec<u64> = (1..=6).collect();
    let on = |threads| parallel_on(threads, &seeds, |seed| digest(simulation(&WORKERS, *seed)));
    assert_eq!(on(1), on(3));
}

#[test]
fn a_fork_left_alone_ends_like_its_parent() {
    let mut parent = simulation(&WORKERS, 3);
    let mut forks = Vec::new();
    for _ in 0..40 {
        for _ in 0..25 {
            parent.step();
        }
        forks.push(parent.clone());
    }
    let end = digest(parent);
    assert!(forks.into_iter().all(|fork| digest(fork) == end));
}

#[test]
fn one_more_pod_changes_nobodys_luck() {
    let runs = |names: &[&str]| {
        let mut simulation = simulation(names, 5).recorded();
        simulation.run();
        let story = Story::of(&simulation.into_record().expect("a record"));
        let mut lengths = BTreeMap::new();
        for pod in story.pods.iter().filter(|pod| WORKERS.contains(&pod.name.as_str())) {
            let runs = pod.containers[0].spans.iter().filter(|span| matches!(span.what, Look::Running { .. }));
            // The first runs: later ones end with the record, or with the pod, at another time.
            let whole: Vec<u64> = runs.take(3).map(|span| span.lasts().as_nanos()).collect();
            lengths.insert(pod.name.as_str(), whole);
        }
        lengths
    };
    let alone = runs(&WORKERS);
    let crowded = runs(&["another", "worker-1", "worker-2", "worker-3", "and-another"]);
    assert!(alone.values().all(|runs| runs.len() == 3), "{alone:?}");
    assert_eq!(alone, crowded);
}

#[test]
fn a_kubelet_stays_down_while_its_machine_has_no_power() {
    let text = r#"(nodes: [Pool()], duration: "1m",
        actions: [(at: "15s", do: RestartKubelet(node: "node-1", down: "2s"))],
        faults: [(fault: PowerLoss, on: (nodes: "node-1"), at: "10s", lasts: "30s")])"#;
    let files = BTreeMap::from([("dark.ron", text)]);
    let mut simulation = Scenario::load("dark.ron", &files).expect("a good scenario").simulate(1);
    for (second, up) in [(5, true), (20, false), (39, false), (50, true)] {
        simulation.run_until(SimTime::from_secs(second));
        assert_eq!(simulation.cluster().kubelets()[0].is_up(), up, "at {second} s");
    }
}
