//! The clusters in which a pod is rejected: the node `n1`, pods on it, the pod, and what it needs besides.

use super::super::testing::{node_manifest, pod_manifest};
use serde_json::{Value, json};

/// The cluster of a scenario.
pub(super) struct Cluster {
    pub(super) node: Value,
    pub(super) blocker: Value,
    pub(super) bystander: Value,
    pub(super) target: Value,
    /// Claims, volumes, classes and further nodes.
    pub(super) others: Vec<Value>,
}

pub(super) fn pod(name: &str, app: &str, cpu: &str, node: &str) -> Value {
    let requests = json!({"cpu": cpu});
    let container = json!({"name": "c", "image": "i", "resources": {"requests": requests}});
    let spec = json!({"containers": [container], "nodeName": node});
    pod_manifest("default", name, json!({"app": app}), spec)
}

pub(super) fn node(name: &str, zone: &str, disk: &str, cpu: &str) -> Value {
    let mut node = node_manifest(name, json!({"topology.kubernetes.io/zone": zone, "disk": disk}), json!({}));
    node["status"]["allocatable"]["cpu"] = cpu.into();
    node
}

pub(super) fn taint(key: &str, value: &str, effect: &str) -> Value {
    json!({"key": key, "value": value, "effect": effect})
}

/// The claim `data`; bound to the volume `pv-data` if the class is empty.
pub(super) fn claim(class: &str, mode: &str) -> Value {
    let mut claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default"},
        "spec": {"storageClassName": class, "accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Pending"}});
    if class.is_empty() {
        bind(&mut claim, "pv-data");
    }
    claim
}

/// Binds a claim to a volume.
pub(super) fn bind(claim: &mut Value, volume: &str) {
    claim["metadata"]["annotations"] = json!({"pv.kubernetes.io/bind-completed": "yes"});
    claim["spec"]["volumeName"] = volume.into();
    claim["status"]["phase"] = "Bound".into();
}

/// A volume of a driver.
pub(super) fn volume(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name, "labels": labels},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "csi": {"driver": "d", "volumeHandle": name}},
        "status": {"phase": "Bound"}})
}

/// What a node's driver can attach.
pub(super) fn csi_node(name: &str, limit: u32) -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": name},
        "spec": {"drivers": [{"name": "d", "nodeID": name, "topologyKeys": [], "allocatable": {"count": limit}}]}})
}

/// A class that waits for the first pod.
pub(super) fn waiting_class(name: &str) -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"})
}

fn use_claim(pod: &mut Value, name: &str) {
    pod["spec"]["volumes"] = json!([{"name": "d", "persistentVolumeClaim": {"claimName": name}}]);
}

fn term(app: &str, key: &str) -> Value {
    json!({"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}},
    ]})
}

pub(super) const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

pub(super) fn cluster(scenario: &str) -> Cluster {
    let mut all = Cluster {
        node: node("n1", "zone-a", "hdd", "1"),
        blocker: pod("blocker", "blocker", "500m", "n1"),
        bystander: pod("bystander", "other", "10m", "n1"),
        target: pod("target", "web", "100m", ""),
        others: Vec::new(),
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
        "two-plugins" => {
            all.blocker["metadata"]["labels"]["app"] = "web".into();
            all.target["spec"]["topologySpreadConstraints"] = json!([{"maxSkew": 1, "topologyKey": ZONE,
                "nodeTaintsPolicy": "Ignore", "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": "web"}}}]);
            let mut other = node("n2", "zone-b", "hdd", "1");
            other["spec"]["taints"] = json!([taint("dedicated", "x", "NoSchedule")]);
            all.others.push(other);
        }
        "missing-pvc" => use_claim(&mut all.target, "data"),
        "VolumeBinding-unbound-immediate" => {
            use_claim(&mut all.target, "data");
            all.others.push(claim("immediate", "ReadWriteOnce"));
        }
        "VolumeBinding-no-pv" => {
            use_claim(&mut all.target, "data");
            all.others.extend([waiting_class("local"), claim("local", "ReadWriteOnce")]);
        }
        "VolumeZone" => {
            use_claim(&mut all.target, "data");
            all.others.extend([volume("pv-data", &json!({ZONE: "zone-b"})), claim("", "ReadWriteOnce")]);
        }
        "VolumeRestrictions" => {
            [&mut all.blocker, &mut all.target].into_iter().for_each(|pod| use_claim(pod, "data"));
            all.others.extend([volume("pv-data", &json!({})), claim("", "ReadWriteOncePod")]);
        }
        "NodeVolumeLimits" => {
            use_claim(&mut all.target, "data");
            use_claim(&mut all.blocker, "held");
            let mut held = claim("", "ReadWriteOnce");
            held["metadata"]["name"] = "held".into();
            bind(&mut held, "pv-held");
            let volumes = ["pv-data", "pv-held"].map(|name| volume(name, &json!({})));
            all.others.extend(volumes);
            all.others.extend([claim("", "ReadWriteOnce"), held, csi_node("n1", 1)]);
        }
        other => panic!("no scenario {other}"),
    }
    all
}
