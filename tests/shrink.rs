//! What `podsim check` leaves of a scenario in which something does not hold: a haystack of sixty objects becomes the
//! needle, and the needle tells its story.

use podsim::planted::{Bug, with};
use podsim::scenario::{Parts, Scenario};
use podsim::simulation::{Broken, Smallest, examine, shrink};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::process::Command;

/// Twenty Deployments, twenty Services and twenty objects that nobody reads, a budget that allows nothing among them;
/// and a drain.
fn haystack(expect: &str) -> String {
    let mut manifests = String::new();
    for n in 0..20 {
        let replicas = 2 + n % 2;
        write!(
            manifests,
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app-{n}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: app-{n}}}}}
  template:
    metadata: {{labels: {{app: app-{n}}}}}
    spec:
      containers:
      - name: web
        image: registry.example/app-{n}:1
        readinessProbe: {{httpGet: {{port: 8080}}, periodSeconds: 5}}
---
apiVersion: v1
kind: Service
metadata: {{name: app-{n}}}
spec: {{selector: {{app: app-{n}}}, ports: [{{port: 80, targetPort: 8080}}]}}
---
"
        )
        .expect("memory takes everything");
        if n < 19 {
            write!(manifests, "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings-{n}}}}}\n---")
                .expect("memory takes everything");
        }
    }
    manifests += "
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: app-7}
spec: {minAvailable: 100%, selector: {matchLabels: {app: app-7}}}
";
    format!(
        r#"// Sixty objects, one of which keeps a node from being drained.
Scenario(
    description: "A haystack",
    duration: "3m",
    nodes: [Pool(count: 3)],
    manifests: [Inline("{manifests}")],
    images: {{"registry.example/*": Image(pull: Some("2s"))}},
    behaviors: [(pods: "*", containers: [(name: "web", process: (listen: [(port: 8080)]))])],
    actions: [
        (at: "20s", do: RolloutRestart(object: "deployment/app-3")),
        (at: "30s", do: Drain(node: "node-2")),
        (at: "50s", do: Scale(object: "deployment/app-5", replicas: 5)),
    ],
    expect: ["{expect}"],
)
"#
    )
}

const UNDISTURBED: &str = "never refused(pod(*), '*violate the pod*s disruption budget*')";

fn shrunk(text: &str) -> (Broken, Smallest) {
    let files = BTreeMap::from([("haystack.ron", text)]);
    let scenario = Scenario::load("haystack.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let finding = examine(&scenario, 1).expect("something does not hold");
    let expected = match &finding.broken {
        Broken::Expectation(text) => Some(text.as_str()),
        Broken::Law(_) | Broken::Recovery(_) => None,
    };
    let parts = Parts::load("haystack.ron", &files).expect("good files").expecting(expected);
    let smallest = shrink(&parts, &finding);
    (finding.broken, smallest)
}

/// The objects of a scenario, as `Kind name`.
fn objects(text: &str) -> Vec<String> {
    let files = BTreeMap::from([("small.ron", text)]);
    let scenario = Scenario::load("small.ron", &files).expect("what is left runs by itself");
    let kinds = ["Deployment", "Service", "ConfigMap", "PodDisruptionBudget"];
    assert!(scenario.duration().as_secs() < 180, "what came after is left out");
    kinds
        .into_iter()
        .flat_map(|kind| {
            let wanted = format!("\"kind\": \"{kind}\"");
            let blocks = text.split("Inline(").filter(move |block| block.contains(&wanted));
            blocks.map(move |block| {
                let name = block.split("\"name\": \"app-").nth(1).and_then(|rest| rest.split('"').next());
                format!("{kind} {}", name.unwrap_or("?"))
            })
        })
        .collect()
}

#[test]
fn a_harmful_interaction_among_sixty_objects_is_cut_out() {
    let (broken, smallest) = shrunk(&haystack(UNDISTURBED));
    assert_eq!(broken, Broken::Expectation(UNDISTURBED.to_owned()));
    assert_eq!(objects(&smallest.text), ["Deployment 7", "PodDisruptionBudget 7"]);
    assert!(smallest.text.contains("Drain(") && !smallest.text.contains("Scale("), "{}", smallest.text);
    assert!(smallest.runs <= 80, "{} runs", smallest.runs);
}

#[test]
fn a_bug_among_sixty_objects_is_cut_out() {
    let (broken, smallest) = with(Some(Bug::UnreadyGetTraffic), || shrunk(&haystack("count(nodes(*)) > 0")));
    assert_eq!(broken, Broken::Law("new-traffic-finds-who-stays"));
    let left = objects(&smallest.text);
    assert!(
        matches!(left.as_slice(), [pods, service] if pods.starts_with("Deployment") && service.starts_with("Service"))
    );
    assert!(smallest.runs <= 80, "{} runs", smallest.runs);
}

#[test]
fn what_is_left_is_told_step_by_step_and_can_be_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("haystack.ron"), haystack(UNDISTURBED)).expect("a file");
    let podsim = |arguments: &[&str]| {
        let run = Command::new(env!("CARGO_BIN_EXE_podsim")).current_dir(folder.path()).args(arguments).output();
        let output = run.expect("it runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let (code, said) = podsim(&["check", "haystack.ron", "--seeds", "2", "--quiet"]);
    assert_eq!(code, Some(1), "{said}");
    let steps: Vec<&str> =
        said.lines().filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit())).collect();
    assert!(steps.len() > 1 && steps[0].trim_start().starts_with("1. "), "{said}");
    assert!(steps.last().is_some_and(|last| last.contains("disruption budget")), "{said}");
    let command = said.lines().rfind(|line| line.starts_with("  podsim ")).expect("a command that repeats it");
    let (code, again) = podsim(&command.split_whitespace().skip(1).collect::<Vec<_>>());
    assert_eq!(code, Some(1), "{again}");
    assert!(again.contains(&format!("failed  {UNDISTURBED}")), "{again}");
}
