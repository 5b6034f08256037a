//! The events that follow a rejection, and how each is made to happen.

use super::Bench;
use super::cluster::{Cluster, ZONE, bind, claim, csi_node, node, pod, taint, volume, waiting_class};
use serde_json::json;

/// Their names.
pub(super) const EVENTS: &[&str] = &[
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
    "node-condition",
    "node-heartbeat",
    "node-images",
    "label-bystander-unrelated",
    "terminate-blocker",
    "target-label-unrelated",
    "pvc-add-bound",
    "pvc-add-unrelated",
    "pvc-bound",
    "pv-add-local",
    "pv-label-removed",
    "storageclass-add",
    "csinode-add",
    "csinode-limit-up",
    "csinode-annotation",
];

/// Whether an event can happen in a scenario.
pub(super) fn can_happen(event: &str, scenario: &str) -> bool {
    let has_volume = matches!(scenario, "VolumeZone" | "VolumeRestrictions" | "NodeVolumeLimits");
    let has_claim = has_volume || scenario.starts_with("VolumeBinding");
    match event {
        // A gate cannot be added to, and changes of other scenarios' gates change nothing.
        "target-one-gate" | "target-no-gates" => scenario == "SchedulingGates",
        "pvc-add-bound" => !has_claim,
        "pvc-bound" => has_claim,
        "pv-label-removed" => has_volume,
        "csinode-limit-up" | "csinode-annotation" => scenario == "NodeVolumeLimits",
        _ => true,
    }
}

pub(super) fn happen(event: &str, bench: &mut Bench, mut all: Cluster) {
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
        "pvc-add-bound" => {
            bench.put(&volume("pv-data", &json!({})));
            bench.put(&claim("", "ReadWriteOnce"));
        }
        "pvc-add-unrelated" => {
            let mut unrelated = claim("immediate", "ReadWriteOnce");
            unrelated["metadata"]["name"] = "unrelated".into();
            bench.put(&unrelated);
        }
        "pvc-bound" => {
            let is_it = |other: &&mut serde_json::Value| {
                other["kind"] == "PersistentVolumeClaim" && other["metadata"]["name"] == "data"
            };
            let claim = all.others.iter_mut().find(is_it).expect("there is a claim");
            bind(claim, "pv-other");
            bench.put(claim);
        }
        "pv-add-local" => {
            let mut local = volume("pv-local", &json!({}));
            local["spec"]["storageClassName"] = "local".into();
            local["status"]["phase"] = "Available".into();
            bench.put(&local);
        }
        "pv-label-removed" => bench.put(&volume("pv-data", &json!({}))),
        "storageclass-add" => bench.put(&waiting_class("wffc")),
        "csinode-add" => bench.put(&csi_node("n2", 1)),
        "csinode-limit-up" => bench.put(&csi_node("n1", 5)),
        "csinode-annotation" => {
            let mut annotated = csi_node("n1", 1);
            annotated["metadata"]["annotations"] = json!({"x": "y"});
            bench.put(&annotated);
        }
        "node-condition" | "node-heartbeat" | "node-images" => {
            let condition = json!([{"type": "MemoryPressure", "status": "False",
                "lastHeartbeatTime": "2026-01-01T00:00:10Z"}]);
            match event {
                "node-images" => all.node["status"]["images"] = json!([{"names": ["i"], "sizeBytes": 1}]),
                _ => all.node["status"]["conditions"] = condition,
            }
            if event == "node-condition" {
                all.node["status"]["conditions"][0]["status"] = "True".into();
            }
            bench.put(&all.node);
        }
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
        "label-bystander-unrelated" => {
            all.bystander["metadata"]["labels"]["x"] = "y".into();
            bench.put(&all.bystander);
        }
        "label-blocker-quiet" | "scale-down-blocker" | "annotate-blocker" | "terminate-blocker" => {
            match event {
                "terminate-blocker" => {
                    all.blocker["metadata"]["deletionTimestamp"] = "2026-01-01T00:01:00Z".into();
                    all.blocker["metadata"]["deletionGracePeriodSeconds"] = 30.into();
                }
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
                "target-label-unrelated" => all.target["metadata"]["labels"]["x"] = "y".into(),
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
