//! `podsim plan` on the cluster of `scenarios/three-nodes.json`: what it counts is what happens.

use podsim::api::{Kind, Name, Part, PatchKind};
use podsim::engine::{SimDuration, SimTime};
use podsim::scenario::ClusterDump;
use podsim::scenario::cluster::SETTLED;
use podsim::scenario::plan::{Action, ActionTarget, Pick};
use podsim::simulation::Simulation;
use podsim::simulation::capacity::{Ground, Placer, pending, shapes};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn settled() -> Simulation {
    let text = fs::read_to_string(root().join("scenarios/three-nodes.json")).expect("a dump");
    let files = BTreeMap::from([("three-nodes.json", text)]);
    let dump = ClusterDump::load("three-nodes.json", &files).expect("a dump");
    let mut simulation = dump.scenario.simulate(1);
    simulation.run_until(SimTime::ZERO + SETTLED);
    for (namespace, name) in &dump.ready {
        let pod = simulation.pod(namespace, name);
        assert!(pod.is_some_and(|pod| pod.is_ready()), "{namespace}/{name} kept running");
    }
    assert_eq!(simulation.pods().count(), dump.ready.len(), "nobody was replaced");
    simulation
}

/// Scales a Deployment by so many and waits.
fn scaled(simulation: &Simulation, namespace: &str, name: &str, replicas: usize) -> Simulation {
    let mut fork = simulation.clone();
    fork.act(Action::Patch {
        target: ActionTarget {
            kind: Kind::Deployment,
            namespace: Name::new(namespace),
            name: name.parse().expect("a pattern"),
            pick: Pick::Oldest,
            node: Name::default(),
        },
        part: Part::Main,
        kind: PatchKind::Merge,
        patch: json!({"spec": {"replicas": replicas}}),
    });
    fork.run_until(fork.now() + SimDuration::from_mins(2));
    fork
}

#[test]
fn as_many_fit_as_are_placed_when_the_workload_is_scaled() {
    let simulation = settled();
    let ground = Ground::of(&simulation);
    let mut looked_at = 0;
    for shape in shapes(&ground, |_| true).iter().filter(|shape| shape.workload.kind == Kind::Deployment.name()) {
        let fit = Placer::new(&ground, |_| true).fill(&shape.pod, true);
        let workload = shape.workload;
        // Pods of the cluster's DNS matter more than others and push them out, which the count leaves out.
        if shape.pod.spec.priority > 0 {
            continue;
        }
        let fork = scaled(&simulation, &workload.namespace, &workload.name, shape.pods + fit.count + 3);
        let waiting = pending(&fork);
        assert_eq!(waiting.len(), 3, "{workload}: {} fit, {waiting:?}", fit.count);
        let stop = fit.stop.expect("there is an end");
        let said = waiting[0].message.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned();
        assert!(stop.message.starts_with(&said), "{} / {said}", stop.message);
        looked_at += 1;
    }
    assert_eq!(looked_at, 1, "the workers");
}

fn plan(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podsim"));
    command.current_dir(root()).args(["plan", "scenarios/three-nodes.json", "--quiet", "--seeds", "3"]).args(arguments);
    command.output().expect("it runs")
}

fn report(arguments: &[&str]) -> Value {
    let output = plan(&[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn gates_decide_the_exit_code() {
    for (arguments, code) in [
        (&["--more", "deployment/worker", "--need", "1"][..], 0),
        (&["--more", "deployment/worker", "--need", "1000"], 1),
        (&["--survive", "zone", "--survive", "rollout", "--survive", "drain"], 0),
        (&["--slo", "1ms"], 1),
        (&["--more", "deployment/nobody"], 2),
        (&["--prices", "Cargo.toml"], 2),
        (&["no-such-file.yaml"], 2),
    ] {
        let output = plan(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    }
}

#[test]
fn every_question_is_answered_and_the_binding_constraint_named() {
    let report = report(&["scenarios/manifests/quickstart.yaml"]);
    let answers: Vec<&str> =
        report["answers"].as_array().expect("answers").iter().filter_map(|a| a["question"].as_str()).collect();
    for question in ["fit?", "whole copies", "few nodes", "any node", "any zone", "rollout", "drained", "objective"] {
        assert!(answers.iter().any(|answer| answer.contains(question)), "{question}: {answers:?}");
    }
    let room = &report["workloads"][0];
    assert!(room["more"]["stop"]["constraint"].as_str().is_some_and(|text| !text.is_empty()), "{room}");
    let per_node: u64 = room["more"]["nodes"].as_object().expect("nodes").values().filter_map(Value::as_u64).sum();
    assert_eq!(room["more"]["count"].as_u64(), Some(per_node));
    assert_eq!(report["schema"], "podsim-plan-1");
}

#[test]
fn less_fits_when_something_is_lost() {
    let report = report(&[]);
    let headroom = report["headroom"].as_array().expect("situations");
    let more = |situation: &Value| -> Vec<u64> {
        situation["more"].as_array().expect("numbers").iter().filter_map(Value::as_u64).collect()
    };
    assert_eq!(headroom[0]["situation"], "now");
    let now = more(&headroom[0]);
    for situation in &headroom[1..] {
        assert!(more(situation).iter().zip(&now).all(|(lost, all)| lost <= all), "{situation}");
    }
}

#[test]
fn the_files_are_the_same_every_time_and_need_no_network() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str| {
        let out = folder.path().join(name);
        let output = plan(&["scenarios/manifests/quickstart.yaml", "--out", out.to_str().expect("a plain path")]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        out
    };
    let (a, b) = (write("a"), write("b"));
    for name in ["plan.html", "plan.md", "plan.csv", "plan.json"] {
        let (a, b) = (fs::read(a.join(name)).expect(name), fs::read(b.join(name)).expect(name));
        assert_eq!(a, b, "{name}");
    }
    let page = fs::read_to_string(a.join("plan.html")).expect("a page");
    assert!(!page.contains("src=") && !page.contains("href="), "the page needs nothing else");
}
