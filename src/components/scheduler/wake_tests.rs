//! What wakes whom, end to end through watch, handlers and hints, as measured with the real scheduler
//! (kube-scheduler-1.36, `queue/wake-matrix.json`): one rejected pod, and each event by itself a minute later.

use super::testing::{node_manifest, object, pod_manifest};
use super::*;
use crate::api::{Change, ChangeKind, WallTime};
use serde_json::{Value, json};

/// A scheduler and the answers of a server that never refuses.
struct Bench {
    scheduler: Scheduler,
    now: SimTime,
    objects: Vec<Object>,
}

impl Bench {
    fn new() -> Self {
        let parts = SchedulerParts {
            setup: Arc::default(),
            clock: WallClock::starting_at(WallTime::default()),
            draws: Draws::new(1),
            latencies: Arc::new(LatencyProfile::ideal()),
        };
        Self { scheduler: Scheduler::new(parts), now: SimTime::ZERO, objects: Vec::new() }
    }

    /// Everything that the scheduler wants at once happens; timers do not.
    fn run(&mut self, mut out: Outbox<Message>) {
        loop {
            let messages: Vec<_> = out.drain().filter(|(after, _)| after.is_zero()).collect();
            if messages.is_empty() {
                return;
            }
            for (_, message) in messages {
                match message {
                    Message::Scheduler(_, message) => self.scheduler.handle(self.now, message, &mut out),
                    Message::Call { id, .. } => {
                        let any = self.objects[0].clone();
                        self.scheduler.replied(self.now, id, Ok(any), &mut out);
                    }
                    other => panic!("a scheduler does not send {other:?}"),
                }
            }
        }
    }

    fn change(&mut self, kind: ChangeKind, object: Object) {
        let mut out = Outbox::new();
        self.scheduler.watched(self.now, Change { kind, object }, &mut out);
        self.run(out);
    }

    /// Adds an object, or replaces the one of its name.
    fn put(&mut self, manifest: &Value) {
        let mut new = object(manifest);
        let known = self.objects.iter().position(|old| old.path() == new.path());
        new.meta_mut().index = known.unwrap_or(self.objects.len()) as u32;
        match known {
            Some(place) => self.objects[place] = new.clone(),
            None => self.objects.push(new.clone()),
        }
        self.change(if known.is_some() { ChangeKind::Modified } else { ChangeKind::Added }, new);
    }

    fn delete(&mut self, path: &str) {
        let gone = self.objects.iter().find(|object| object.path() == path).expect("it is there").clone();
        self.change(ChangeKind::Deleted, gone);
    }

    fn place(&self) -> Option<QueuePlace> {
        let target = self.objects.iter().find(|object| object.path() == "Pod/default/target").expect("it is there");
        self.scheduler.place_of(target.meta().index)
    }
}

/// The cluster of a scenario: the node `n1`, pods on it, and the pod that is rejected.
struct Cluster {
    node: Value,
    blocker: Value,
    bystander: Value,
    target: Value,
}

fn pod(name: &str, app: &str, cpu: &str, node: &str) -> Value {
    let requests = json!({"cpu": cpu});
    let container = json!({"name": "c", "image": "i", "resources": {"requests": requests}});
    let spec = json!({"containers": [container], "nodeName": node});
    pod_manifest("default", name, json!({"app": app}), spec)
}

fn node(name: &str, zone: &str, disk: &str, cpu: &str) -> Value {
    let mut node = node_manifest(name, json!({"topology.kubernetes.io/zone": zone, "disk": disk}), json!({}));
    node["status"]["allocatable"]["cpu"] = cpu.into();
    node
}

fn taint(key: &str, value: &str, effect: &str) -> Value {
    json!({"key": key, "value": value, "effect": effect})
}

fn term(app: &str, key: &str) -> Value {
    json!({"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}},
    ]})
}

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

fn cluster(scenario: &str) -> Cluster {
    let mut all = Cluster {
        node: node("n1", "zone-a", "hdd", "1"),
        blocker: pod("blocker", "blocker", "500m", "n1"),
        bystander: pod("bystander", "other", "10m", "n1"),
        target: pod("target", "web", "100m", ""),
    };
    let spread = json!([{"maxSkew": 1, "minDomains": 2, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule",
                         "labelSelector": {"matchLabels": {"app": "web"}}}]);
    let cpu = |amount: &str| json!({"requests": {"cpu": amount}});
    match scenario {
        "NodeUnschedulable" => all.node["spec"]["unschedulable"] = true.into(),
        "TaintToleration" => all.node["spec"]["taints"] = json!([taint("dedicated", "x", "NoSchedule")]),
        "NodeAffinity" => all.target["spec"]["nodeSelector"] = json!({"disk": "ssd"}),
        "NodePorts" => {
            for pod in [&mut all.blocker, &mut all.target] {
                pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80}]);
            }
        }
        "NodeResourcesFit-cpu" => all.target["spec"]["containers"][0]["resources"] = cpu("800m"),
        "NodeResourcesFit-huge" => all.target["spec"]["containers"][0]["resources"] = cpu("100"),
        "NodeResourcesFit-pods" => all.node["status"]["allocatable"]["pods"] = "2".into(),
        "PodTopologySpread" => {
            all.blocker["metadata"]["labels"]["app"] = "web".into();
            all.target["spec"]["topologySpreadConstraints"] = spread;
        }
        "InterPodAffinity-affinity" => all.target["spec"]["affinity"] = json!({"podAffinity": term("db", ZONE)}),
        "InterPodAffinity-anti" => {
            all.blocker["metadata"]["labels"]["app"] = "noisy".into();
            all.target["spec"]["affinity"] = json!({"podAntiAffinity": term("noisy", HOST)});
        }
        "InterPodAffinity-existing-anti" => {
            all.blocker["spec"]["affinity"] = json!({"podAntiAffinity": term("web", HOST)});
        }
        "SchedulingGates" => all.target["spec"]["schedulingGates"] = json!([{"name": "a"}, {"name": "b"}]),
        other => panic!("no scenario {other}"),
    }
    all
}

/// The events, and how each is made to happen.
const EVENTS: &[&str] = &[
    "node-add-good",
    "node-add-bad",
    "node-add-tainted-only",
    "node-schedulable",
    "node-taints-removed",
    "node-taint-added",
    "node-cpu-up",
    "node-cpu-down",
    "node-pods-up",
    "node-memory-up",
    "node-label-disk",
    "node-label-zone",
    "node-label-unrelated",
    "node-annotation",
    "node-delete",
    "delete-blocker",
    "delete-bystander",
    "add-db",
    "add-web",
    "add-other",
    "add-web-elsewhere",
    "label-blocker-quiet",
    "label-bystander-db",
    "scale-down-blocker",
    "annotate-blocker",
    "target-label-batch",
    "target-annotation",
    "target-tolerates-dedicated",
    "target-tolerates-unschedulable",
    "target-tolerates-unrelated",
    "target-scale-down",
    "target-one-gate",
    "target-no-gates",
    "service-add",
    "other-pending",
];

fn happen(event: &str, bench: &mut Bench, mut all: Cluster) {
    let tolerate = |key: &str, value: &str| json!([{"key": key, "operator": if value.is_empty() { "Exists" } else { "Equal" }, "value": value}]);
    match event {
        "node-add-good" => bench.put(&node("n-new", "zone-b", "ssd", "8")),
        "node-add-bad" => {
            let mut bad = node("n-new", "zone-c", "hdd", "50m");
            bad["spec"] = json!({"unschedulable": true,
                "taints": [taint("dedicated", "x", "NoSchedule"), taint("closed", "", "NoSchedule")]});
            bench.put(&bad);
        }
        "node-add-tainted-only" => {
            let mut tainted = node("n-new", "zone-b", "ssd", "8");
            tainted["spec"]["taints"] = json!([taint("closed", "", "NoSchedule")]);
            bench.put(&tainted);
        }
        "delete-blocker" => bench.delete("Pod/default/blocker"),
        "delete-bystander" => bench.delete("Pod/default/bystander"),
        "node-delete" => bench.delete("Node/n1"),
        "add-db" => bench.put(&pod("new", "db", "10m", "n1")),
        "add-web" => bench.put(&pod("new", "web", "10m", "n1")),
        "add-other" => bench.put(&pod("new", "other", "10m", "n1")),
        "add-web-elsewhere" => bench.put(&pod("new", "web", "10m", "nowhere")),
        "other-pending" => {
            let mut other = pod("pending", "other", "100", "");
            other["spec"]["schedulerName"] = "another".into();
            bench.put(&other);
        }
        "service-add" => bench.put(&json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "s", "namespace": "default"}, "spec": {"selector": {"app": "web"}}})),
        _ if event.starts_with("node-") => {
            match event {
                "node-schedulable" => all.node["spec"]["unschedulable"] = false.into(),
                "node-taints-removed" => all.node["spec"]["taints"] = json!([]),
                "node-taint-added" => {
                    let mut taints = all.node["spec"]["taints"].as_array().cloned().unwrap_or_default();
                    taints.push(taint("soft", "", "PreferNoSchedule"));
                    all.node["spec"]["taints"] = taints.into();
                }
                "node-cpu-up" => all.node["status"]["allocatable"]["cpu"] = "64".into(),
                "node-cpu-down" => all.node["status"]["allocatable"]["cpu"] = "600m".into(),
                "node-pods-up" => all.node["status"]["allocatable"]["pods"] = "110".into(),
                "node-memory-up" => all.node["status"]["allocatable"]["memory"] = "64Gi".into(),
                "node-label-disk" => all.node["metadata"]["labels"]["disk"] = "ssd".into(),
                "node-label-zone" => all.node["metadata"]["labels"][ZONE] = "zone-b".into(),
                "node-label-unrelated" => all.node["metadata"]["labels"]["x"] = "y".into(),
                _ => all.node["metadata"]["annotations"] = json!({"x": "y"}),
            }
            bench.put(&all.node);
        }
        "label-bystander-db" => {
            all.bystander["metadata"]["labels"]["app"] = "db".into();
            bench.put(&all.bystander);
        }
        "label-blocker-quiet" | "scale-down-blocker" | "annotate-blocker" => {
            match event {
                "label-blocker-quiet" => all.blocker["metadata"]["labels"]["app"] = "quiet".into(),
                "scale-down-blocker" => {
                    all.blocker["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "10m".into();
                }
                _ => all.blocker["metadata"]["annotations"] = json!({"x": "y"}),
            }
            bench.put(&all.blocker);
        }
        _ => {
            let spec = &mut all.target["spec"];
            match event {
                "target-label-batch" => all.target["metadata"]["labels"]["app"] = "batch".into(),
                "target-annotation" => all.target["metadata"]["annotations"] = json!({"x": "y"}),
                "target-tolerates-dedicated" => spec["tolerations"] = tolerate("dedicated", "x"),
                "target-tolerates-unschedulable" => {
                    spec["tolerations"] = tolerate("node.kubernetes.io/unschedulable", "");
                }
                "target-tolerates-unrelated" => spec["tolerations"] = tolerate("unrelated", ""),
                "target-scale-down" => spec["containers"][0]["resources"]["requests"]["cpu"] = "50m".into(),
                "target-one-gate" if spec["schedulingGates"].is_array() => {
                    spec["schedulingGates"] = json!([{"name": "b"}]);
                }
                "target-no-gates" => spec["schedulingGates"] = json!([]),
                _ => {}
            }
            bench.put(&all.target);
        }
    }
}

#[test]
fn events_wake_those_whom_the_real_scheduler_wakes() {
    let table: &[(&str, &[&str])] = &[
        (
            "NodeUnschedulable",
            &["node-add-good", "node-add-tainted-only", "node-schedulable", "target-tolerates-unschedulable"],
        ),
        (
            "TaintToleration",
            &[
                "node-add-good",
                "node-taints-removed",
                "target-tolerates-dedicated",
                "target-tolerates-unschedulable",
                "target-tolerates-unrelated",
            ],
        ),
        ("NodeAffinity", &["node-add-good", "node-add-tainted-only", "node-taint-added", "node-label-disk"]),
        (
            "NodePorts",
            &["node-add-good", "node-add-bad", "node-add-tainted-only", "node-taint-added", "delete-blocker"],
        ),
        (
            "NodeResourcesFit-cpu",
            &[
                "node-add-good",
                "node-add-tainted-only",
                "node-taint-added",
                "node-cpu-up",
                "delete-blocker",
                "delete-bystander",
                "scale-down-blocker",
                "target-scale-down",
            ],
        ),
        (
            "NodeResourcesFit-huge",
            &["node-taint-added", "delete-blocker", "delete-bystander", "scale-down-blocker", "target-scale-down"],
        ),
        (
            "NodeResourcesFit-pods",
            &[
                "node-add-good",
                "node-add-tainted-only",
                "node-taint-added",
                "node-cpu-up",
                "node-pods-up",
                "delete-blocker",
                "delete-bystander",
                "scale-down-blocker",
                "target-scale-down",
            ],
        ),
        (
            "PodTopologySpread",
            &[
                "node-add-good",
                "node-add-bad",
                "node-add-tainted-only",
                "node-taint-added",
                "node-label-zone",
                "node-delete",
                "delete-blocker",
                "add-web",
                "add-web-elsewhere",
                "label-blocker-quiet",
                "target-label-batch",
            ],
        ),
        (
            "InterPodAffinity-affinity",
            &[
                "node-add-good",
                "node-add-bad",
                "node-add-tainted-only",
                "node-taint-added",
                "node-label-zone",
                "add-db",
                "label-bystander-db",
                "target-label-batch",
            ],
        ),
        (
            "InterPodAffinity-anti",
            &[
                "node-add-good",
                "node-add-bad",
                "node-add-tainted-only",
                "node-taint-added",
                "delete-blocker",
                "label-blocker-quiet",
                "target-label-batch",
            ],
        ),
        ("InterPodAffinity-existing-anti", &["node-taint-added", "delete-blocker", "target-label-batch"]),
        ("SchedulingGates", &["target-no-gates"]),
    ];
    for (scenario, wakes) in table {
        let mut woken: Vec<&str> = Vec::new();
        for event in EVENTS {
            // A gate cannot be added to, and changes of other scenarios' gates change nothing.
            if event.contains("gate") && *scenario != "SchedulingGates" {
                continue;
            }
            let mut bench = Bench::new();
            let all = cluster(scenario);
            [&all.node, &all.blocker, &all.bystander, &all.target].into_iter().for_each(|one| bench.put(one));
            let rejected = bench.place();
            assert!(
                matches!(rejected, Some(QueuePlace::Unschedulable | QueuePlace::Gated)),
                "{scenario}: {rejected:?}"
            );
            bench.now = SimTime::from_secs(60);
            // Whoever is woken is tried at once; its attempt ends in no time, so the number of attempts tells.
            let before = bench.scheduler.search.cycle;
            happen(event, &mut bench, all);
            if bench.scheduler.search.cycle > before {
                woken.push(event);
            }
        }
        let expected: Vec<&str> = EVENTS.iter().copied().filter(|event| wakes.contains(event)).collect();
        assert_eq!(woken, expected, "{scenario}");
    }
}
