//! The binary as a user runs it: what is printed where, exit codes, and every way to be told that something is wrong.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: app
    image: nginx
";

/// A folder with files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().expect("a folder can be made");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("a file can be written");
    }
    folder
}

fn podsim(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podsim"));
    command.current_dir(folder).args(arguments).env("NO_COLOR", "1");
    command.output().expect("podsim runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn digest(output: &Output) -> String {
    let text = stdout(output);
    let last = text.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("digest ") && last.len() == 7 + 64, "{text}{}", stderr(output));
    last
}

#[test]
fn a_manifest_alone_is_run_and_its_pods_are_printed() {
    let folder = folder(&[("pod.yaml", POD.as_bytes())]);
    let output = podsim(folder.path(), &["run", "pod.yaml", "--until", "1m"]);
    let text = stdout(&output);
    assert!(text.starts_with("NAMESPACE   NAME   READY   STATUS    RESTARTS   AGE\ndefault     web "), "{text}");
    assert_eq!(output.status.code(), Some(0));
    digest(&output);
}

#[test]
fn the_same_inputs_have_the_same_digest_and_another_seed_has_another() {
    let folder = folder(&[("pod.yaml", POD.as_bytes())]);
    let run = |seed| digest(&podsim(folder.path(), &["run", "pod.yaml", "--until", "1m", "--seed", seed]));
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("8"));
}

#[test]
fn json_is_one_object_and_nothing_else() {
    let folder = folder(&[("pod.yaml", POD.as_bytes())]);
    let output = podsim(folder.path(), &["run", "pod.yaml", "--until", "1m", "--json"]);
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(outcome["now_ms"], 60_000);
    assert_eq!(outcome["pods"][0]["name"], "web");
    assert_eq!(outcome["pods"][0]["qos_class"], "BestEffort");
    for list in ["pods", "events", "assumed", "no_effect", "refused"] {
        assert!(outcome[list].is_array(), "{list}");
    }
    assert!(outcome["objects"]["nodes"].is_array());
}

#[test]
fn expectations_decide_the_exit_code() {
    let scenario = |expect: &str| {
        format!("(manifests: [Inline(\"{}\")], duration: \"30s\", expect: [\"{expect}\"])", POD.replace('\n', "\\n"))
    };
    for (expect, code, says) in
        [("pod(web)", 0, "ok      pod(web)"), ("pod(web).restarts == 3", 1, "failed  pod(web).restarts == 3")]
    {
        let folder = folder(&[("a.ron", scenario(expect).as_bytes())]);
        let output = podsim(folder.path(), &["run", "a.ron"]);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stdout(&output).contains(says), "{}", stdout(&output));
    }
}

#[test]
fn what_a_server_refuses_is_told_and_the_rest_goes_on() {
    let old = "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: old}\n---\n";
    let folder = folder(&[("all.yaml", format!("{old}{POD}").as_bytes())]);
    let output = podsim(folder.path(), &["run", "all.yaml", "--until", "10s", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let message = outcome["refused"][0]["message"].as_str().expect("a message");
    assert!(message.contains("no matches for kind \"Deployment\" in version \"extensions/v1beta1\""), "{message}");
    assert_eq!(outcome["pods"][0]["name"], "web");
    assert!(stderr(&output).starts_with("all.yaml:1:1: refused: "), "{}", stderr(&output));
}

#[test]
fn a_run_in_which_nothing_can_be_created_was_a_wrong_request() {
    let pod = POD.replace("name: web", "name: web\n  namespace: shop");
    let folder = folder(&[("pod.yaml", pod.as_bytes())]);
    let output = podsim(folder.path(), &["run", "pod.yaml", "--strict", "--out", "result"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("namespaces \"shop\" not found"), "{}", stderr(&output));
    assert!(!folder.path().join("result").exists());
    let made = podsim(folder.path(), &["run", "pod.yaml", "--until", "10s"]);
    assert_eq!(made.status.code(), Some(0));
    assert!(stderr(&made).contains("shop"), "{}", stderr(&made));
}

#[test]
fn a_later_file_that_names_the_same_object_is_an_apply() {
    let changed = POD.replace("image: nginx", "image: nginx:2");
    let folder = folder(&[("a.yaml", POD.as_bytes()), ("b.yaml", changed.as_bytes())]);
    let output = podsim(folder.path(), &["run", "a.yaml", "b.yaml", "--until", "1m", "--json"]);
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(outcome["refused"].as_array().map(Vec::len), Some(0), "{}", outcome["refused"]);
    assert_eq!(outcome["pods"].as_array().map(Vec::len), Some(1));
}

#[test]
fn out_leaves_files_that_agree_with_the_run() {
    let folder = folder(&[("pod.yaml", POD.as_bytes())]);
    let output = podsim(folder.path(), &["run", "pod.yaml", "--until", "1m", "--out", "result"]);
    let result = folder.path().join("result");
    let summary = fs::read(result.join("summary.json")).expect("a summary");
    let summary: serde_json::Value = serde_json::from_slice(&summary).expect("JSON");
    assert_eq!(format!("digest {}", summary["digest"].as_str().expect("a digest")), digest(&output));
    for name in ["trace.jsonl", "events.jsonl", "pods.csv"] {
        assert!(fs::metadata(result.join(name)).is_ok_and(|meta| meta.len() > 0), "{name}");
    }
    let left = fs::read_dir(&result).expect("a folder").flatten();
    let unfinished = left.filter(|entry| entry.file_name().to_string_lossy().ends_with(".part")).count();
    assert_eq!(unfinished, 0);
}

#[test]
fn pictures_of_another_run_do_not_stay_beside_those_of_this_one() {
    let crash = POD.replace("image: nginx", "image: busybox\n    command: [\"false\"]");
    let folder = folder(&[("crash.yaml", crash.as_bytes()), ("pod.yaml", POD.as_bytes())]);
    let run = |arguments: &[&str]| {
        podsim(folder.path(), &[&["run", "--until", "1m", "--out", "result"], arguments].concat());
        ["restarts.svg", "restarts.png", "timeline.svg", "timeline.png", "notes.txt"]
            .map(|name| folder.path().join("result").join(name).exists())
    };
    assert_eq!(run(&["crash.yaml", "--png"]), [true, true, true, true, false]);
    fs::write(folder.path().join("result/notes.txt"), "mine").expect("a file");
    assert_eq!(run(&["pod.yaml"]), [false, false, true, false, true]);
}

#[test]
fn the_laws_of_a_kubelet_hold_and_a_run_without_trace_has_no_digest() {
    let folder = folder(&[("pod.yaml", POD.as_bytes())]);
    let checked = podsim(folder.path(), &["run", "pod.yaml", "--until", "2m", "--check"]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    let bare = podsim(folder.path(), &["run", "pod.yaml", "--until", "2m", "--no-trace"]);
    assert!(!stdout(&bare).contains("digest"), "{}", stdout(&bare));
    assert!(stdout(&checked).starts_with(&stdout(&bare)));
}

#[test]
fn kubectl_looks_into_a_scenario() {
    let folder = folder(&[("pod.yaml", POD.as_bytes())]);
    let arguments = ["kubectl", "--scenario", "pod.yaml", "--at", "30s", "get", "pods"];
    let output = podsim(folder.path(), &arguments);
    assert!(stdout(&output).ends_with("30s\n"), "{}", stdout(&output));
    // What a template misses is left out, unless that is asked for.
    let path = ["-o", "jsonpath={.spec.nothing}{.status.phase}"];
    let lenient = podsim(folder.path(), &[&arguments[..6], &["pod", "web"], &path].concat());
    assert_eq!((stdout(&lenient).as_str(), lenient.status.code()), ("Running", Some(0)), "{}", stderr(&lenient));
    let strict = ["--allow-missing-template-keys=false"];
    let strict = podsim(folder.path(), &[&arguments[..6], &["pod", "web"], &path, &strict].concat());
    assert_eq!((stderr(&strict).as_str(), strict.status.code()), ("error: nothing is not found\n", Some(1)));
}

/// Why something is not there is told beside kubectl's own words.
#[test]
fn kubectl_tells_what_was_refused() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: n, image: nginx}]}\n";
    let folder = folder(&[("pod.yaml", pod.as_bytes())]);
    let output = podsim(folder.path(), &["kubectl", "--scenario", "pod.yaml", "get", "pods"]);
    let told = stderr(&output);
    assert!(told.starts_with("pod.yaml:4:22: refused: Pod/web: Pod in version \"v1\" cannot be handled"), "{told}");
    assert!(told.ends_with("No resources found in default namespace.\n"), "{told}");
}

#[test]
fn the_schema_is_a_json_schema() {
    let output = podsim(Path::new("."), &["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in [&["run"][..], &["validate"], &["schema"], &["kubectl"], &["conformance", "lifecycle"], &[]] {
        let output = podsim(Path::new("."), &[command, &["--help"]].concat());
        assert!(stdout(&output).contains("Example"), "{command:?}: {}", stdout(&output));
        assert_eq!(output.status.code(), Some(0));
    }
}

/// A wrong request: what it is called, its files, what it is run with, and the beginning and a part of what is told.
struct Wrong {
    what: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
    arguments: Vec<&'static str>,
    place: &'static str,
    says: &'static [&'static str],
}

/// A scenario file that is wrong.
fn scenario(what: &'static str, text: &str, place: &'static str, says: &'static [&'static str]) -> Wrong {
    let files = vec![("a.ron", text.as_bytes().to_vec()), ("pod.yaml", POD.as_bytes().to_vec())];
    Wrong { what, files, arguments: vec!["a.ron"], place, says }
}

/// A manifest that is wrong.
fn manifest(what: &'static str, text: &str, place: &'static str, says: &'static [&'static str]) -> Wrong {
    Wrong { what, files: vec![("a.yaml", text.as_bytes().to_vec())], arguments: vec!["a.yaml"], place, says }
}

/// Options that are wrong.
fn options(what: &'static str, more: &[&'static str], place: &'static str, says: &'static [&'static str]) -> Wrong {
    let arguments = [&["pod.yaml"], more].concat();
    Wrong { what, files: vec![("pod.yaml", POD.as_bytes().to_vec())], arguments, place, says }
}

fn wrong_requests() -> Vec<Wrong> {
    let line = format!("(description: \"{}\", duration: 5)", "x".repeat(10 << 20));
    let deep = format!("(manifests: {}", "[".repeat(100_000));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let previous = n - 1;
        let all = vec![format!("*a{previous}"); 9].join(", ");
        bomb += &format!("a{n}: &a{n} [{all}]\n");
    }
    let replicas = "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: many}\nspec:\n  replicas: 2000000000\n  \
                    selector: {matchLabels: {a: b}}\n  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}\n";
    let pod_expects = |text: &str| format!("(manifests: [File(\"pod.yaml\")],\n expect: [\"{text}\"])");
    let acts = |text: &str| format!("(manifests: [File(\"pod.yaml\")],\n actions: [{text}])");
    vec![
        scenario("a truncated file", "(\n  nodes: [\n    (count: 3", "a.ron:3:5: ", &["never closed"]),
        scenario("a unit that is none", "(duration: \"10 minutes\")", "a.ron:1:12: ", &["is not a duration", "1h30m"]),
        scenario("a number without a unit", "(duration: 10)", "a.ron:1:12: ", &["10"]),
        scenario("a negative time", &acts("(at: \"-5s\", do: Cordon(node: \"node-1\"))"), "a.ron:2:17: ", &["-5s"]),
        scenario(
            "an unknown field",
            "(\n  durations: \"5m\",\n)",
            "a.ron:2:3: ",
            &["durations", "did you mean duration?"],
        ),
        scenario("a field given twice", "(seed: 1,\n seed: 2)", "a.ron:2:2: ", &["seed"]),
        scenario(
            "two pools of one name",
            "(nodes: [\n (name: \"a\"),\n (name: \"a\")])",
            "a.ron:3:10: ",
            &["second node"],
        ),
        scenario(
            "a missing manifest",
            "(manifests: [File(\"none.yaml\")])",
            "a.ron:1:20: ",
            &["none.yaml", "no such file"],
        ),
        scenario("a folder for a manifest", "(manifests: [File(\".\")])", "a.ron:1:20: ", &["a directory"]),
        scenario("a file that includes itself", "(include: [\"a.ron\"])", "a.ron:1:13: ", &["a.ron -> a.ron"]),
        scenario("a line of ten megabytes", &line, "a.ron:1:1: ", &["bytes"]),
        scenario("nesting without end", &deep, "a.ron:1:", &["nest"]),
        scenario("an unknown word", "(manifests: [Flie(\"a\")])", "a.ron:1:14: ", &["Flie", "did you mean File?"]),
        scenario("a text for a number", "(nodes: [(count: \"three\")])", "a.ron:1:18: ", &["three"]),
        scenario(
            "a quantity that is none",
            "(nodes: [(capacity: {\"cpu\": \"4 cores\"})])",
            "a.ron:1:29: ",
            &["4 cores"],
        ),
        scenario(
            "an unknown resource",
            "(nodes: [(capacity: {\"cpus\": \"4\"})])",
            "a.ron:1:10: ",
            &["did you mean cpu?"],
        ),
        scenario("more machines than fit", "(nodes: [(count: 1000000)])", "a.ron:1:18: ", &["at most 65000"]),
        scenario("a taint without effect", "(nodes: [(taints: [\"a=b\"])])", "a.ron:1:21: ", &["NoSchedule"]),
        scenario("a moment that is none", "(start: \"yesterday\")", "a.ron:1:10: ", &["2026-01-01T00:00:00Z"]),
        scenario("a duration of nothing", "(duration: \"0s\")", "a.ron:1:13: ", &["nothing"]),
        scenario("an unknown profile", "(latencies: (profile: \"fast\"))", "a.ron:1:24: ", &["ideal, kubernetes-1.36"]),
        scenario(
            "an unknown latency",
            "(latencies: (overrides: {\"api_wirte\": \"1s\"}))",
            "a.ron:1:40: ",
            &["did you mean api_write?"],
        ),
        scenario(
            "a distribution upside down",
            "(latencies: (overrides: {\"api_write\": Uniform(min: \"5s\", max: \"1s\")}))",
            "a.ron:1:39: ",
            &["max"],
        ),
        scenario("a sentence that ends early", &pod_expects("eventually pod(web)."), "a.ron:2:32: ", &["phase"]),
        scenario("a pod that nobody makes", &pod_expects("pod(wbe).ready"), "a.ron:2:16: ", &["did you mean web?"]),
        scenario("a time after the end", &pod_expects("at 1h: pod(web)"), "a.ron:2:", &["1h"]),
        scenario("a pattern that is none", &pod_expects("pod(web).ip matches /(/"), "a.ron:2:", &["/(/"]),
        scenario("an unknown node", &acts("(at: \"5s\", do: Cordon(node: \"node-9\"))"), "a.ron:2:41: ", &["node-9"]),
        scenario("an unknown kind", &acts("(at: \"5s\", do: Delete(object: \"pdo/web\"))"), "a.ron:2:43: ", &["pdo"]),
        scenario(
            "an action after the end",
            &acts("(at: \"1h\", do: Cordon(node: \"node-1\"))"),
            "a.ron:2:18: ",
            &["after the end"],
        ),
        scenario(
            "an action without pause",
            &acts("(at: \"1s\", every: Some(\"0s\"), do: Cordon(node: \"node-1\"))"),
            "a.ron:2:36: ",
            &["every 0s"],
        ),
        scenario("an open text", "(description: \"never closed)", "a.ron:1:15: ", &["\""]),
        scenario("an open comment", "(seed: 1) /* and so", "a.ron:1:11: ", &["*/"]),
        Wrong {
            what: "a binary file",
            files: vec![("a.ron", vec![0x7f, b'E', b'L', b'F', 0, 0xff, 0xfe])],
            arguments: vec!["a.ron"],
            place: "a.ron:1:",
            says: &["UTF-8"],
        },
        Wrong {
            what: "a scenario that is not there",
            files: vec![],
            arguments: vec!["none.ron"],
            place: "none.ron:1:1: ",
            says: &["no such file"],
        },
        Wrong {
            what: "a scenario among manifests",
            files: vec![("a.ron", b"()".to_vec()), ("pod.yaml", POD.as_bytes().to_vec())],
            arguments: vec!["pod.yaml", "a.ron"],
            place: "a.ron:1:1: ",
            says: &["run it alone"],
        },
        manifest("YAML with a tab", "a: 1\n\tb: 2\n", "a.yaml:1:", &["tab"]),
        manifest("YAML with a key twice", "kind: Pod\nkind: Pod\n", "a.yaml:2:1: ", &["kind"]),
        manifest("a YAML bomb", &bomb, "a.yaml:", &["alias"]),
        manifest("an absurd number of replicas", replicas, "a.yaml:5:", &["2000000000"]),
        manifest("an open list", "kind: Pod\nspec: [1, 2\n", "a.yaml:", &[""]),
        manifest("no object at all", "# nothing here\n", "a.yaml:1:1: ", &["no object"]),
        options("a label of no node", &["--node-label", "7:a=b"], "--node-label[1]:1:1: ", &["0 to 2"]),
        options("a label that is none", &["--node-label", "zone"], "--node-label[1]:1:1: ", &["0:disktype=ssd"]),
        options("a capacity that is none", &["--node-capacity", "cpu"], "--node-capacity[1]:1:1: ", &["cpu=4"]),
    ]
}

#[test]
fn every_wrong_request_is_placed_and_nothing_is_written() {
    let mut failures = Vec::new();
    let requests = wrong_requests();
    assert!(requests.len() >= 20);
    for wrong in &requests {
        let files: Vec<(&str, &[u8])> = wrong.files.iter().map(|(name, content)| (*name, content.as_slice())).collect();
        let folder = folder(&files);
        let output = podsim(folder.path(), &[&["run"], wrong.arguments.as_slice(), &["--out", "result"]].concat());
        let told = stderr(&output);
        let first = told.lines().next().unwrap_or_default();
        let fine = output.status.code() == Some(2)
            && first.starts_with(wrong.place)
            && first.contains("; ")
            && first.len() < 1_000
            && wrong.says.iter().all(|part| first.contains(part))
            && output.stdout.is_empty()
            && !folder.path().join("result").exists();
        if !fine {
            let told: String = told.chars().take(400).collect();
            failures.push(format!("{}: exit {:?}, expected {}: {told}", wrong.what, output.status.code(), wrong.place));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "(\n  duraton: \"5m\",\n  nodes: [(count: \"x\")],\n  start: \"now\",\n)";
    let folder = folder(&[("a.ron", text.as_bytes())]);
    let output = podsim(folder.path(), &["validate", "a.ron"]);
    let places: Vec<String> =
        stderr(&output).lines().map(|line| line.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")).collect();
    assert_eq!(places, ["a.ron:2:3", "a.ron:3:19", "a.ron:4:11"], "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn nothing_is_asked_for_in_vain() {
    let folder = folder(&[("pod.yaml", POD.as_bytes())]);
    for arguments in [&["run", "pod.yaml", "--nodes", "0"][..], &["check", "s.ron", "--seeds", "0"]] {
        let output = podsim(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("invalid value '0'"), "{}", stderr(&output));
    }
    // A cluster that is looked at before anything is there is no mistake.
    let output = podsim(folder.path(), &["run", "pod.yaml", "--until", "0"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_printed_is_told() {
    let folder = folder(&[("pod.yaml", POD.as_bytes())]);
    for arguments in [&["run", "pod.yaml", "--until", "1s"][..], &["schema"], &["validate", "pod.yaml"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let mut command = Command::new(env!("CARGO_BIN_EXE_podsim"));
        let output = command.current_dir(folder.path()).args(arguments).stdout(full).output().expect("podsim runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("standard output: "), "{}", stderr(&output));
    }
}
