//! Nodes, Services, storage, policies, configuration and events.

use super::fields::{ConditionStyle, Fields, amounts, conditions, known, list, names, reference};
use super::spec;
use crate::api::{
    AccessMode, ConfigMap, CsiNode, Endpoint, EndpointAddress, EndpointSlice, Endpoints, Event, LimitRange,
    LimitRangeItem, Name, Namespace, Node, PersistentVolume, PersistentVolumeClaim, PodDisruptionBudget, Port,
    PriorityClass, ResourceClaim, ResourceList, ResourceQuota, Secret, Service, ServiceAccount, StorageClass, Taint,
    Text, Uid, VolumeAttachment, lower::record_as,
};
use serde_json::{Value, json};

/// The release whose kubelet is simulated.
const KUBELET_VERSION: &str = "v1.36.0";

fn parsed(source: &Text) -> Value {
    serde_json::from_str(source).unwrap_or_else(|_| json!({}))
}

/// An object that is printed as it was accepted.
pub(super) fn plain(source: &Text) -> Fields {
    Fields::default().over(parsed(source))
}

/// A node: its record over the rest of its text.
pub(super) fn node(node: &Node) -> Fields {
    let mut below = parsed(&node.source);
    let mut spec = Fields::default();
    spec.set("providerID", node.provider_id);
    spec.set("taints", list(&node.taints, taint));
    spec.set("unschedulable", node.unschedulable);
    let written = below["status"].take();
    let mut status = Fields::default();
    let found = &node.status;
    status.set("allocatable", amounts(&found.allocatable, &written["allocatable"]));
    status.set("capacity", amounts(&found.capacity, &written["capacity"]));
    status.set("conditions", conditions(&found.conditions, ConditionStyle::Node));
    status.set("declaredFeatures", names(&found.declared_features));
    status.set(
        "images",
        list(&found.images, |image| {
            let mut fields = Fields::default();
            fields.set("names", names(&image.names));
            fields.set("sizeBytes", image.size);
            fields.into()
        }),
    );
    status.set("volumesInUse", names(&found.volumes_in_use));
    let attached = |name: &Name| json!({"name": name, "devicePath": ""});
    status.set("volumesAttached", list(&found.volumes_attached, attached));
    if let (Some(address), false) = (found.address, written.get("addresses").is_some()) {
        let internal = json!({"address": address.to_string(), "type": "InternalIP"});
        status.put("addresses", json!([internal, {"address": node.meta.name, "type": "Hostname"}]));
    }
    if found.address.is_some() && written.get("nodeInfo").is_none() {
        status.put("nodeInfo", node_info(node));
    }
    let mut fields = Fields::default();
    fields.put("spec", Value::from(spec.over(below["spec"].take())));
    fields.put("status", Value::from(status.over(written)));
    fields
}

/// What a kubelet says of its machine and of itself: each machine is of the same make, but for its architecture.
fn node_info(node: &Node) -> Value {
    let label = |key: &str, usual: &'static str| match node.meta.labels.get(Name::new(key)) {
        Some(value) => value.to_string(),
        None => usual.to_owned(),
    };
    let id = node.meta.uid.to_string();
    json!({
        "architecture": label("kubernetes.io/arch", "amd64"),
        "bootID": id,
        "containerRuntimeVersion": "containerd://2.2.0",
        "kernelVersion": "6.12.0",
        "kubeProxyVersion": "",
        "kubeletVersion": KUBELET_VERSION,
        "machineID": id.replace('-', ""),
        "operatingSystem": label("kubernetes.io/os", "linux"),
        "osImage": "Linux",
        "systemUUID": id,
    })
}

fn taint(taint: &Taint) -> Value {
    let mut fields = Fields::default();
    fields.put("effect", taint.effect.to_string());
    fields.put("key", taint.key);
    fields.maybe("timeAdded", taint.time_added);
    fields.set("value", taint.value);
    fields.into()
}

/// A namespace.
pub(super) fn namespace(namespace: &Namespace) -> Fields {
    let mut fields = Fields::default();
    let mut spec = Fields::default();
    spec.set("finalizers", names(&namespace.finalizers));
    fields.put("spec", Value::from(spec));
    let mut status = Fields::default();
    status.set("conditions", conditions(&namespace.conditions, ConditionStyle::Plain));
    status.put("phase", if namespace.terminating { "Terminating" } else { "Active" });
    fields.put("status", Value::from(status));
    fields
}

/// An event, of the old or the new API.
pub(super) fn event(event: &Event) -> Fields {
    let mut fields = Fields::default();
    fields.set("action", event.action);
    fields.set("count", event.count);
    fields.put("eventTime", event.event_time.map_or(Value::Null, Value::from));
    fields.put("firstTimestamp", event.first_timestamp.map_or(Value::Null, Value::from));
    fields.put("involvedObject", reference(&event.involved));
    fields.put("lastTimestamp", event.last_timestamp.map_or(Value::Null, Value::from));
    fields.set("message", &event.message);
    fields.set("reason", event.reason);
    fields.put("reportingComponent", event.component);
    fields.put("reportingInstance", event.host);
    if let Some((count, last)) = event.series {
        fields.put("series", json!({"count": count, "lastObservedTime": Value::from(last)}));
    }
    let mut source = Fields::default();
    if event.event_time.is_none() {
        source.set("component", event.component);
        source.set("host", event.host);
    }
    fields.put("source", Value::from(source));
    fields.put("type", event.kind.to_string());
    fields
}

/// A Service with the address that it was given.
pub(super) fn service(service: &Service) -> Fields {
    let mut spec = parsed(&service.source);
    if service.source.is_empty() {
        spec = json!({"type": service.kind, "sessionAffinity": "None"});
        if let Some(selector) = &service.selector {
            spec["selector"] = selector.into();
        }
        spec["ports"] = list(&service.ports, |port| {
            let mut fields = Fields::default();
            fields.set("name", port.name);
            fields.set("nodePort", port.node_port);
            fields.put("port", port.port);
            fields.put("protocol", port.protocol);
            fields.put("targetPort", target(port.target));
            fields.into()
        });
    }
    if let Some(address) = service.cluster_ip {
        let address = address.to_string();
        let mut given = Fields::default();
        given.put("clusterIPs", json!([address]));
        given.put("clusterIP", address);
        spec = Fields::default().over(Value::from(given.over(spec))).into();
    }
    if service.cluster_ip.is_some() || service.headless {
        if service.headless {
            spec["clusterIPs"] = json!(["None"]);
        }
        let families = json!({"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"});
        spec = Fields::default().over(spec).over(families).into();
    }
    let mut fields = Fields::default();
    fields.put("spec", spec);
    fields.put("status", json!({"loadBalancer": {}}));
    fields
}

fn target(port: Port) -> Value {
    match port {
        Port::Number(number) => number.into(),
        Port::Named(name) => name.into(),
    }
}

/// An endpoint slice.
pub(super) fn endpoint_slice(slice: &EndpointSlice) -> Fields {
    let mut fields = Fields::default();
    fields.put("addressType", "IPv4");
    fields.put("endpoints", list(&slice.endpoints, |endpoint| self::endpoint(endpoint, slice.meta.namespace)));
    fields.put(
        "ports",
        list(&slice.ports, |(name, protocol, port)| json!({"name": name, "port": port, "protocol": protocol})),
    );
    fields
}

fn endpoint(endpoint: &Endpoint, namespace: Name) -> Value {
    let mut fields = Fields::default();
    fields.put("addresses", json!([endpoint.address.to_string()]));
    let states = json!({"ready": endpoint.ready, "serving": endpoint.serving, "terminating": endpoint.terminating});
    fields.put("conditions", states);
    fields.set("hostname", endpoint.hostname);
    fields.set("nodeName", endpoint.node_name);
    if !endpoint.pod.is_empty() {
        fields.put("targetRef", pod_reference(endpoint.pod, endpoint.pod_uid, namespace));
    }
    fields.set("zone", endpoint.zone);
    fields.into()
}

/// The addresses of a Service in their older form.
pub(super) fn endpoints(endpoints: &Endpoints) -> Fields {
    let namespace = endpoints.meta.namespace;
    let addresses = |addresses: &[EndpointAddress]| list(addresses, |address| endpoint_address(address, namespace));
    let port = |(name, protocol, number): &(Name, Name, u16)| {
        let mut fields = Fields::default();
        fields.set("name", *name);
        fields.put("port", *number);
        fields.put("protocol", *protocol);
        fields.into()
    };
    let mut fields = Fields::default();
    fields.set(
        "subsets",
        list(&endpoints.subsets, |subset| {
            let mut fields = Fields::default();
            fields.set("addresses", addresses(&subset.addresses));
            fields.set("notReadyAddresses", addresses(&subset.not_ready));
            fields.set("ports", list(&subset.ports, port));
            fields.into()
        }),
    );
    fields
}

fn endpoint_address(address: &EndpointAddress, namespace: Name) -> Value {
    let mut fields = Fields::default();
    fields.set("hostname", address.hostname);
    fields.put("ip", address.ip.to_string());
    fields.set("nodeName", address.node_name);
    if !address.pod.is_empty() {
        fields.put("targetRef", pod_reference(address.pod, address.pod_uid, namespace));
    }
    fields.into()
}

fn pod_reference(pod: Name, uid: Uid, namespace: Name) -> Value {
    json!({"kind": "Pod", "name": pod, "namespace": namespace, "uid": Value::from(uid)})
}

/// A ConfigMap; its data is printed from the record where the text knows less.
pub(super) fn config_map(map: &ConfigMap) -> Fields {
    let mut fields = Fields::default();
    let same = record_as::<k8s_openapi::api::core::v1::ConfigMap>(&parsed(&map.source))
        .is_some_and(|read| read.data == map.data);
    if !same {
        fields.set("data", Value::Object(map.data.iter().map(|(key, text)| (key.to_string(), text.into())).collect()));
    }
    fields.over(parsed(&map.source))
}

/// A Secret.
pub(super) fn secret(secret: &Secret) -> Fields {
    let mut fields = Fields::default();
    let same = record_as::<k8s_openapi::api::core::v1::Secret>(&parsed(&secret.source))
        .is_some_and(|read| read.data == secret.data);
    if !same {
        let encode = |(key, text): &(Name, Text)| {
            let bytes = k8s_openapi::ByteString(text.as_bytes().to_vec());
            (key.to_string(), serde_json::to_value(bytes).expect("bytes are JSON"))
        };
        fields.set("data", Value::Object(secret.data.iter().map(encode).collect()));
    }
    let mut fields = fields.over(parsed(&secret.source));
    if secret.source.is_empty() {
        fields.put("type", "Opaque");
    }
    fields
}

/// A service account.
pub(super) fn service_account(account: &ServiceAccount) -> Fields {
    let mut fields = Fields::default();
    fields.maybe("automountServiceAccountToken", account.automount_token);
    fields.set("imagePullSecrets", list(&account.image_pull_secrets, |secret| json!({"name": secret})));
    fields.over(parsed(&account.source))
}

/// A limit range.
pub(super) fn limit_range(range: &LimitRange) -> Fields {
    if !range.source.is_empty() {
        return plain(&range.source);
    }
    let item = |item: &LimitRangeItem| {
        let mut fields = Fields::default();
        let mut put = |field: &str, list: &ResourceList| fields.set(field, amounts(list, &Value::Null));
        put("default", &item.default);
        put("defaultRequest", &item.default_request);
        put("max", &item.max);
        put("min", &item.min);
        fields.put("type", item.kind);
        fields.into()
    };
    let mut fields = Fields::default();
    fields.put("spec", json!({"limits": list(&range.limits, item)}));
    fields
}

/// A quota and what it holds.
pub(super) fn resource_quota(quota: &ResourceQuota) -> Fields {
    let mut spec = parsed(&quota.source);
    let written = spec["hard"].take();
    let mut hard = Fields::default();
    hard.set("hard", amounts(&quota.hard, &written));
    if quota.source.is_empty() {
        hard.set("scopes", names(&quota.scopes));
    }
    if let Value::Object(fields) = &mut spec {
        fields.remove("hard");
    }
    let mut status = Fields::default();
    status.set("hard", amounts(&quota.status.hard, &written));
    status.set("used", amounts(&quota.status.used, &written));
    let mut fields = Fields::default();
    fields.put("spec", Value::from(hard.over(spec)));
    fields.put("status", Value::from(status));
    fields
}

fn access_mode(mode: &AccessMode) -> Value {
    format!("{mode:?}").into()
}

/// A volume and the claim that has it.
pub(super) fn persistent_volume(volume: &PersistentVolume) -> Fields {
    let below = parsed(&volume.source);
    let mut spec = Fields::default();
    let base = record_as::<k8s_openapi::api::core::v1::PersistentVolume>(&json!({"spec": below}));
    if base.is_none_or(|base| base.claim != volume.claim)
        && let Some(claim) = &volume.claim
    {
        let mut bound = Fields::default();
        bound.put("apiVersion", "v1");
        bound.put("kind", "PersistentVolumeClaim");
        bound.put("name", claim.name);
        bound.put("namespace", claim.namespace);
        bound.set("uid", claim.uid);
        spec.put("claimRef", Value::from(bound));
    }
    if volume.source.is_empty() {
        spec.set("accessModes", list(&volume.access_modes, access_mode));
        spec.set("capacity", amounts(&volume.capacity, &Value::Null));
        if !volume.csi_driver.is_empty() {
            spec.put("csi", json!({"driver": volume.csi_driver, "volumeHandle": volume.volume_handle}));
        }
        if let Some(terms) = &volume.node_affinity {
            let terms = list(terms, |term| serde_json::to_value(spec::node_term(term)).expect("API types are JSON"));
            spec.put("nodeAffinity", json!({"required": {"nodeSelectorTerms": terms}}));
        }
        spec.put("persistentVolumeReclaimPolicy", volume.reclaim_policy);
        spec.set("storageClassName", volume.storage_class);
        spec.put("volumeMode", if volume.block { "Block" } else { "Filesystem" });
    }
    let mut spec = spec.over(below);
    if volume.claim.is_none() {
        // A claim that was let go is no longer part of the text.
        let mut value = Value::from(spec);
        if let Value::Object(fields) = &mut value {
            fields.remove("claimRef");
        }
        spec = Fields::default().over(value);
    }
    let mut status = Fields::default();
    status.set("message", &volume.message);
    status.set("phase", volume.phase);
    let mut fields = Fields::default();
    fields.put("spec", Value::from(spec));
    fields.put("status", Value::from(status));
    fields
}

/// A claim and the volume that it got.
pub(super) fn persistent_volume_claim(claim: &PersistentVolumeClaim) -> Fields {
    let mut spec = Fields::default();
    spec.set("volumeName", claim.volume_name);
    spec.maybe("storageClassName", claim.storage_class);
    let modes = list(&claim.access_modes, access_mode);
    let below = parsed(&claim.source);
    if claim.source.is_empty() {
        spec.set("accessModes", modes.clone());
        spec.put("resources", json!({"requests": amounts(&claim.requests, &Value::Null)}));
        spec.put("volumeMode", if claim.block { "Block" } else { "Filesystem" });
    }
    let mut status = Fields::default();
    if claim.phase == "Bound" {
        status.set("accessModes", modes);
    }
    let written = &below["resources"]["requests"];
    if !claim.growth.is_empty() {
        status.put("allocatedResourceStatuses", json!({"storage": claim.growth.as_str()}));
    }
    status.set("allocatedResources", amounts(&claim.allocated, written));
    status.set("capacity", amounts(&claim.capacity, written));
    if !claim.conditions.is_empty() {
        status.put("conditions", conditions(&claim.conditions, ConditionStyle::Pod));
    }
    status.set("phase", claim.phase);
    let mut fields = Fields::default();
    fields.put("spec", Value::from(spec.over(below)));
    fields.put("status", Value::from(status));
    fields
}

/// A budget and what it allows.
pub(super) fn disruption_budget(budget: &PodDisruptionBudget) -> Fields {
    let found = &budget.status;
    let mut status = Fields::default();
    status.set("conditions", conditions(&found.conditions, ConditionStyle::Meta));
    status.put("currentHealthy", found.current_healthy);
    status.put("desiredHealthy", found.desired_healthy);
    let pods = found.disrupted_pods.iter().map(|(pod, since)| (pod.to_string(), known(*since)));
    status.set("disruptedPods", Value::Object(pods.collect()));
    status.put("disruptionsAllowed", found.disruptions_allowed);
    status.put("expectedPods", found.expected_pods);
    status.set("observedGeneration", found.observed_generation);
    let mut fields = Fields::default();
    fields.put("spec", parsed(&budget.source));
    fields.put("status", Value::from(status));
    fields
}

/// A priority class.
pub(super) fn priority_class(class: &PriorityClass) -> Fields {
    let mut fields = Fields::default();
    fields.put("value", class.value);
    fields.set("globalDefault", class.global_default);
    fields.put("preemptionPolicy", if class.never_preempts { "Never" } else { "PreemptLowerPriority" });
    fields.over(parsed(&class.source))
}

/// A storage class.
pub(super) fn storage_class(class: &StorageClass) -> Fields {
    let mut fields = Fields::default();
    fields.put("provisioner", class.provisioner);
    fields.put("reclaimPolicy", class.reclaim_policy);
    let waits = class.wait_for_first_consumer;
    fields.put("volumeBindingMode", if waits { "WaitForFirstConsumer" } else { "Immediate" });
    fields.over(parsed(&class.source))
}

/// A claim on devices, what it got and who uses it.
pub(super) fn resource_claim(claim: &ResourceClaim) -> Fields {
    let mut status = Fields::default();
    status.maybe("allocation", claim.status.allocation.as_ref().map(|allocation| parsed(&allocation.source)));
    let consumers = list(&claim.status.reserved_for, |consumer| {
        let mut fields = Fields::default();
        fields.set("apiGroup", consumer.api_group);
        fields.put("resource", consumer.resource);
        fields.put("name", consumer.name);
        fields.put("uid", consumer.uid.to_string());
        fields.into()
    });
    status.set("reservedFor", consumers);
    let mut fields = Fields::default();
    fields.put("spec", parsed(&claim.source));
    fields.put("status", status);
    fields
}

/// The drivers of a node.
pub(super) fn csi_node(node: &CsiNode) -> Fields {
    if !node.source.is_empty() {
        return plain(&node.source);
    }
    let drivers = list(&node.drivers, |(name, keys, limit)| {
        let mut fields = Fields::default();
        fields.put("name", *name);
        fields.put("nodeID", node.meta.name);
        fields.put("topologyKeys", names(keys));
        fields.maybe("allocatable", limit.map(|count| json!({"count": count})));
        fields.into()
    });
    let mut fields = Fields::default();
    fields.put("spec", json!({"drivers": drivers}));
    fields
}

/// An attachment and whether it is done.
pub(super) fn volume_attachment(attachment: &VolumeAttachment) -> Fields {
    let mut fields = Fields::default();
    if attachment.source.is_empty() {
        let source = json!({"persistentVolumeName": attachment.volume_name});
        let spec = json!({"attacher": attachment.attacher, "nodeName": attachment.node_name, "source": source});
        fields.put("spec", spec);
    }
    fields.put("status", json!({"attached": attachment.attached}));
    fields.over(parsed(&attachment.source))
}
