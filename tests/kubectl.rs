//! `podsim kubectl` against what kubectl 1.36 printed about the same objects, and what it prints of every kind that a
//! cluster has.
//!
//! The recordings lie beside the repository; where they are missing the test says so and passes. An age may turn, and
//! an event may be counted once more, while a command runs: a recording is met if it is met at the start or the end of
//! its command, with the objects before or after, or if each of its lines is met by one of these.

use jiff::Timestamp;
use podsim::api::{Kind, render, render_status};
use podsim::report::kubectl::{Objects, Printed, run};
use podsim::scenario::Scenario;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["../shared", "../../shared"].map(|up| root.join(up).join("conformance/kubectl-1.36"));
    let found = places.iter().find(|place| place.is_dir()).cloned();
    if found.is_none() {
        eprintln!("skipped: {} is not there", places[0].display());
    }
    found
}

fn read_json(path: &Path) -> Option<Value> {
    let text = fs::read(path).ok()?;
    Some(serde_json::from_slice(&text).expect("the recordings are JSON"))
}

/// The objects before the commands, and, if some changed, after them.
fn objects(snapshot: &Path) -> Vec<Objects> {
    let before = read_json(&snapshot.join("objects.json")).expect("every snapshot has objects");
    let after = read_json(&snapshot.join("objects-after.json")).map(|after| {
        let items = |list: &Value| list["items"].as_array().cloned().unwrap_or_default();
        let key = |o: &Value| [&o["kind"], &o["metadata"]["namespace"], &o["metadata"]["name"]].map(Value::to_string);
        let changed = items(&after);
        let kept = items(&before).into_iter().filter(|old| changed.iter().all(|new| key(new) != key(old)));
        Objects::new(kept.chain(changed.clone()))
    });
    [Some(Objects::new([before])), after].into_iter().flatten().collect()
}

fn lines(text: &str) -> Vec<&str> {
    text.split('\n').collect()
}

fn is_met(recorded: &str, ours: &[Printed]) -> bool {
    let wanted = lines(recorded);
    let printed: Vec<Vec<&str>> = ours.iter().map(|p| lines(&p.stdout)).collect();
    let at_once = ours.iter().any(|p| p.stdout == recorded);
    let line_by_line = || {
        let length = |lines: &&Vec<&str>| lines.len() == wanted.len();
        printed.iter().all(|lines| length(&lines))
            && wanted.iter().enumerate().all(|(i, line)| printed.iter().any(|lines| lines[i] == *line))
    };
    at_once || line_by_line()
}

#[test]
fn every_recorded_command_prints_the_same() {
    let Some(corpus) = corpus() else { return };
    let mut snapshots: Vec<PathBuf> =
        fs::read_dir(corpus).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    snapshots.sort();
    let mut failed = Vec::new();
    for snapshot in snapshots.iter().filter(|path| path.is_dir()) {
        let objects = objects(snapshot);
        let commands = read_json(&snapshot.join("commands.json")).expect("every snapshot has commands");
        for command in commands.as_array().expect("a list of commands") {
            let args: Vec<String> = serde_json::from_value(command["args"].clone()).expect("arguments are texts");
            let instants: Vec<Timestamp> =
                ["at", "done"].map(|key| command[key].as_str().unwrap_or("").parse().expect("an instant")).to_vec();
            let ours: Vec<Printed> =
                objects.iter().flat_map(|o| instants.iter().map(|now| run(&args, o, *now))).collect();
            let same = is_met(command["stdout"].as_str().unwrap_or(""), &ours)
                && ours.iter().all(|p| command["stderr"] == p.stderr && command["exit_code"] == p.exit_code);
            if !same {
                failed.push(format!("{}: {}", snapshot.display(), args.join(" ")));
            }
        }
    }
    assert!(failed.is_empty(), "{} commands differ:\n{}", failed.len(), failed.join("\n"));
}

/// A cluster with an object of every kind, five minutes after it was asked for.
const KINDS: &str = r#"(duration: "5m", nodes: [Pool(count: 1)], manifests: [File("kinds.yaml")],
    behaviors: [(pods: "report-*", containers: [(name: "report", process: (duration: "5s", exit: (code: 0)))])])"#;

/// What is asked of each kind.
const VERBS: [&[&str]; 3] = [&["get"], &["get", "-o", "wide"], &["describe"]];

/// Every kind as it is printed. Checked by hand against `pkg/printers/internalversion/printers.go` and
/// `kubectl/pkg/describe/describe.go` of Kubernetes 1.36; `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn every_kind_is_printed_as_kubectl_prints_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/kubectl");
    let manifests = fs::read_to_string(folder.join("kinds.yaml")).expect("manifests");
    let files = BTreeMap::from([("kinds.ron", KINDS), ("kinds.yaml", manifests.as_str())]);
    let scenario = Scenario::load("kinds.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let mut simulation = scenario.simulate(1);
    simulation.run();
    let now = simulation.cluster().server().clock().at(simulation.now()).unix_nanos();
    let now = Timestamp::from_nanosecond(i128::from(now)).expect("an instant");
    let there: Vec<_> = simulation.objects().collect();
    for object in &there {
        if let Some(status) = render_status(object) {
            assert_eq!(render(object)["status"], status, "the status alone of {}", object.path());
        }
    }
    let objects = Objects::new(there.iter().map(render).chain(simulation.leases()));
    let mut told = String::new();
    // Devices have stories of their own.
    let is_of_devices = |kind: &&Kind| kind.group() == "resource.k8s.io";
    let kinds = Kind::ALL.iter().filter(|kind| !matches!(kind, Kind::Other | Kind::Event) && !is_of_devices(kind));
    let lease = [("leases.coordination.k8s.io".to_owned(), true)];
    for (resource, is_namespaced) in kinds.map(|kind| (kind.resource(), kind.is_namespaced())).chain(lease) {
        for verb in VERBS {
            let all = ["-A".to_owned()];
            let args: Vec<String> = verb.iter().map(|word| (*word).to_owned()).collect();
            let (verb, flags) = args.split_first().expect("a verb");
            let named = [verb.clone(), resource.clone()];
            let scope = if is_namespaced { all.as_slice() } else { &[] };
            let args: Vec<String> = named.iter().chain(flags).chain(scope).cloned().collect();
            let printed = run(&args, &objects, now);
            assert_eq!(printed.exit_code, 0, "{args:?}: {}", printed.stderr);
            told += &format!("$ kubectl {}\n{}{}\n", args.join(" "), printed.stdout, printed.stderr);
        }
    }
    let kinds: BTreeSet<Kind> = there.iter().map(podsim::api::Object::kind).collect();
    let rare = [Kind::Other, Kind::CsiStorageCapacity];
    let missing: Vec<&Kind> =
        Kind::ALL.iter().filter(|kind| !kinds.contains(kind) && !rare.contains(kind) && !is_of_devices(kind)).collect();
    assert!(missing.is_empty(), "kinds of which nothing is there: {missing:?}");
    let golden = folder.join("kinds.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, told).expect("the golden folder can be written");
        return;
    }
    let wanted = fs::read_to_string(&golden).expect("a golden text");
    let differs = wanted.lines().zip(told.lines()).find(|(wanted, told)| wanted != told);
    assert!(wanted == told, "first difference: {differs:?}; UPDATE_GOLDEN=1 writes it anew");
}
