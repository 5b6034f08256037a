//! Commands of kubectl as timed actions, and what `kubectl logs` and `kubectl top` then show.

use podsim::api::{Kind, Object, render};
use podsim::engine::SimTime;
use podsim::{Scenario, Simulation};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

const WEB: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {team: a}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'nginx:1', ports: [{containerPort: 80}, {containerPort: 443}]}]}
";

/// Runs actions on the Deployment `web`.
fn played(actions: &str) -> Simulation {
    let scenario =
        format!(r#"(duration: "3m", nodes: [Pool(count: 2)], manifests: [File("web.yaml")], actions: [{actions}])"#);
    let files = BTreeMap::from([("s.ron", scenario.as_str()), ("web.yaml", WEB)]);
    let scenario = Scenario::load("s.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let mut simulation = scenario.simulate(1);
    simulation.run();
    simulation
}

fn find(simulation: &Simulation, kind: Kind, name: &str) -> Option<serde_json::Value> {
    let mut all = simulation.objects().filter(|object| object.kind() == kind);
    all.find(|object| object.meta().name == name).map(|object| render(&object))
}

fn refusals(simulation: &Simulation) -> Vec<String> {
    simulation.refused().into_iter().map(|refused| format!("{}: {}", refused.object, refused.message)).collect()
}

#[test]
fn a_pod_is_run_and_exposed() {
    let simulation = played(
        r#"(at: "10s", do: Run(name: "box", image: "busybox", command: ["sleep", "3600"], env: {"A": "b"}, port: Some(8080))),
           (at: "20s", do: Expose(object: "pod/box")),
           (at: "30s", do: Expose(object: "deployment/web", name: Some("front"))),
           (at: "40s", do: Expose(object: "deployment/web", name: Some("one"), port: Some(8000), target_port: Some("http"))),
           (at: "50s", do: Run(name: "bare", image: "busybox", labels: {"x": "y"}, restart: Never)),
           (at: "60s", do: Expose(object: "pod/bare"))"#,
    );
    let pod = find(&simulation, Kind::Pod, "box").expect("it was made");
    assert_eq!((&pod["metadata"]["labels"]["run"], &pod["status"]["phase"]), (&"box".into(), &"Running".into()));
    let ports = |name: &str| find(&simulation, Kind::Service, name).expect("it was made")["spec"]["ports"].clone();
    assert_eq!((&ports("box")[0]["port"], &ports("box")[0]["targetPort"]), (&8080.into(), &8080.into()));
    assert_eq!((&ports("front")[0]["name"], &ports("front")[1]["port"]), (&"port-1".into(), &443.into()));
    assert_eq!((&ports("one")[0]["port"], &ports("one")[0]["targetPort"]), (&8000.into(), &"http".into()));
    let service = find(&simulation, Kind::Service, "front").expect("it was made");
    assert_eq!(
        (&service["spec"]["selector"]["app"], &service["metadata"]["labels"]["team"]),
        (&"web".into(), &"a".into())
    );
    assert_eq!(refusals(&simulation), ["Pod/default/bare: couldn't find port via --port flag or introspection"]);
}

#[test]
fn a_rollout_is_undone() {
    let simulation = played(
        r#"(at: "10s", do: RolloutUndo(object: "deployment/web")),
           (at: "30s", do: SetImage(object: "deployment/web", container: "web", image: "nginx:2")),
           (at: "70s", do: RolloutUndo(object: "deployment/web", to_revision: 7)),
           (at: "80s", do: RolloutUndo(object: "deployment/web")),
           (at: "130s", do: RolloutPause(object: "deployment/web")),
           (at: "140s", do: RolloutUndo(object: "deployment/web"))"#,
    );
    let web = find(&simulation, Kind::Deployment, "web").expect("it is there");
    assert_eq!(web["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:1");
    assert_eq!(web["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    assert_eq!(
        refusals(&simulation),
        [
            "Deployment/default/web: no rollout history found for deployment \"web\"",
            "Deployment/default/web: unable to find specified revision 7 in history",
            "Deployment/default/web: cannot rollback a paused deployment; resume it first with 'kubectl rollout \
             resume deployment/web' and try again",
        ]
    );
}

#[test]
fn an_image_is_set_in_init_containers_too() {
    let simulation = played(
        r#"(at: "10s", do: Run(name: "box", image: "busybox", command: ["sleep", "1000"])),
           (at: "11s", do: Patch(object: "deployment/web", patch: r"{spec: {template: {spec: {
               initContainers: [{name: early, image: 'busybox:1', command: ['true']}]}}}}")),
           (at: "20s", do: SetImage(object: "deployment/web", container: "early", image: "busybox:2")),
           (at: "40s", do: SetImage(object: "pod/b*", container: "*", image: "busybox:3"))"#,
    );
    let web = find(&simulation, Kind::Deployment, "web").expect("it is there");
    let spec = &web["spec"]["template"]["spec"];
    assert_eq!(
        (&spec["initContainers"][0]["image"], &spec["containers"][0]["image"]),
        (&"busybox:2".into(), &"nginx:1".into())
    );
    let pod = find(&simulation, Kind::Pod, "box").expect("it is there");
    assert_eq!(pod["spec"]["containers"][0]["image"], "busybox:3");
    assert_eq!(refusals(&simulation), Vec::<String>::new());
}

#[test]
fn commands_and_files_reach_into_containers() {
    let simulation = played(
        r#"(at: "10s", do: Run(name: "box", image: "busybox", command: ["sh", "-c",
               "until test -f /tmp/stop; do sleep 1; done; cat /etc/app/motd; exit 3"], restart: Never)),
           (at: "20s", do: Copy(pod: "box", to: "/etc/app/motd", content: "bye\n")),
           (at: "30s", do: Exec(pod: "box", shell: Some("false"))),
           (at: "35s", do: Exec(pod: "box", container: Some("x"), command: ["true"])),
           (at: "40s", do: Exec(pod: "box", command: ["touch", "/tmp/stop"])),
           (at: "60s", do: Exec(pod: "box", shell: Some("true")))"#,
    );
    let pod = find(&simulation, Kind::Pod, "box").expect("it is there");
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&pod["status"]["phase"], &ended["exitCode"]), (&"Failed".into(), &3.into()));
    let told = refusals(&simulation);
    assert_eq!(
        told,
        [
            "Pod/default/box: command terminated with exit code 1",
            "Pod/default/box: container x is not valid for pod box",
            "Pod/default/box: cannot exec into a container in a completed pod; current phase is Failed",
        ]
    );
    let id = ended["containerID"].as_str().expect("an identity");
    let node = pod["spec"]["nodeName"].as_str().expect("a node");
    let log = simulation.container_log(node, "default", "box", id).expect("the node answers").expect("it is kept");
    assert_eq!(log.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["bye"]);
}

#[test]
fn finalizers_are_removed() {
    let files = BTreeMap::from([
        (
            "s.ron",
            r#"(duration: "1m", manifests: [File("map.yaml")], actions: [
                (at: "10s", do: Delete(object: "configmap/kept")),
                (at: "30s", do: RemoveFinalizers(object: "configmap/kept"))])"#,
        ),
        ("map.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: kept, finalizers: [example.com/hold]}}"),
    ]);
    let mut simulation = Scenario::load("s.ron", &files).unwrap_or_else(|problems| panic!("{problems}")).simulate(1);
    let is_there = |simulation: &Simulation| {
        simulation.objects().any(|object| matches!(&object, Object::ConfigMap(map) if map.meta.name == "kept"))
    };
    simulation.run_until(SimTime::from_secs(29));
    assert!(is_there(&simulation));
    simulation.run_until(SimTime::from_secs(31));
    assert!(!is_there(&simulation));
}

/// What `podsim kubectl` prints about a pod whose process crashes, and one that a model plays.
fn kubectl(at: &str, args: &str) -> (String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.ron");
    let scenario = r#"(duration: "5m", manifests: [Inline("{apiVersion: v1, kind: Pod, metadata: {name: crash}, spec: {containers: [
            {name: app, image: busybox, command: [sh, -c, 'echo starting; sleep 3; echo oops >&2; exit 1']}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: clock, labels: {app: clock}}, spec: {containers: [
            {name: clock, image: 'clock:1'}, {name: side, image: 'clock:1'}]}}")],
        behaviors: [(pods: "clock", containers: [(name: "clock", process: (
            prints: [(line: "up"), (from: "10s", every: Some("10s"), line: "tick")],
            usage: [(milli_cpu: Some(250), memory: Some("64Mi"))],
        ))])])"#;
    fs::write(&path, scenario).expect("it can be written");
    let done = Command::new(env!("CARGO_BIN_EXE_podsim"))
        .args(["kubectl", "--scenario", path.to_str().expect("a plain path"), "--at", at])
        .args(args.split_whitespace())
        .output()
        .expect("it runs");
    (String::from_utf8_lossy(&done.stdout).into_owned(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn logs_show_what_containers_print() {
    let ran_out = "Error from server (BadRequest): previous terminated container \"app\" in pod \"crash\" not found\n";
    for (at, args, stdout, stderr) in [
        (
            "500ms",
            "logs crash",
            "",
            "Error from server (BadRequest): container \"app\" in pod \"crash\" is waiting to start: ContainerCreating\n",
        ),
        ("2s", "logs crash", "starting\n", ""),
        ("2s", "logs crash --previous", "", ran_out),
        ("6s", "logs crash --previous", "starting\noops\n", ""),
        ("45s", "logs clock -c clock --tail=2", "tick\ntick\n", ""),
        (
            "25s",
            "logs -l app=clock --all-containers --prefix",
            "[pod/clock/clock] up\n[pod/clock/clock] tick\n[pod/clock/clock] tick\n",
            "",
        ),
        ("25s", "logs clock", "up\ntick\ntick\n", "Defaulted container \"clock\" out of: clock, side\n"),
    ] {
        assert_eq!(kubectl(at, args), (stdout.to_owned(), stderr.to_owned()), "{at}: {args}");
    }
    let (stdout, _) = kubectl("25s", "logs clock -c clock --timestamps --tail=1");
    assert!(stdout.contains("Z tick\n") && stdout.starts_with("20"), "{stdout}");
}

#[test]
fn top_shows_what_is_used() {
    let (stdout, stderr) = kubectl("5s", "top pods");
    assert_eq!((stdout.as_str(), stderr.as_str()), ("", "error: metrics not available yet\n"));
    let (stdout, _) = kubectl("60s", "top pod clock --containers --no-headers");
    assert_eq!(stdout, "clock   clock   250m   64Mi   \nclock   side    0m     1Mi    \n");
    let (stdout, _) = kubectl("60s", "top node");
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0].trim_end(), "NAME     CPU(cores)   CPU(%)   MEMORY(bytes)   MEMORY(%)");
    assert!(lines.iter().any(|line| line.contains("250m")), "{stdout}");
}
