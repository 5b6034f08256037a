//! What an update may not change (`Validate…Update` of each kind).
//!
//! Objects are compared as they are printed, so that what only the text knows is compared, too.

use super::meta::metadata_update;
use super::{At, Errors, Json};
use crate::api::lower::{FieldValidation, Lowering, Validation};
use crate::api::{ContainerState, FieldError, Object, Part, Pod, Selector, render, requests};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What is wrong with a new version of an object, given the stored one; nothing if only status or metadata differ in
/// allowed ways.
///
/// Where the text of the new version is that of the stored one (a controller changed the record), only the rules of
/// updates are looked at; another text is validated as a whole.
pub fn validate_update(old: &Object, new: &Object, part: Part) -> Vec<FieldError> {
    let mut errors = Errors::default();
    if old.kind() != new.kind() {
        return errors.0;
    }
    if part == Part::Status {
        if let (Object::Job(old), Object::Job(new)) = (old, new) {
            super::batch::job_status(&old.status, &new.status, &mut errors);
        }
        return errors.0;
    }
    finalizers(old, new, &mut errors);
    metadata_update(old.meta(), new.meta(), matches!(new, Object::Other(_)), &mut errors);
    if wants_the_same(old, new) {
        return errors.0;
    }
    let (before, after) = (render(old), render(new));
    if source(old) != source(new) {
        let strict = Lowering {
            field_validation: FieldValidation::Ignore,
            validation: Validation::Update,
            ..Lowering::default()
        };
        if let Err(error) = strict.lower(&after) {
            errors.0.extend(error.causes);
        }
    }
    let (was, is) = (&before["spec"], &after["spec"]);
    let at = At::root("spec");
    match (old, new) {
        (Object::Pod(old), Object::Pod(_)) => match part {
            Part::Resize => resize(old, new, was, is, &mut errors),
            Part::EphemeralContainers => ephemeral_containers(was, is, &mut errors),
            Part::Main | Part::Scale | Part::Status => pod(was, is, &mut errors),
        },
        (Object::Deployment(_) | Object::ReplicaSet(_) | Object::DaemonSet(_), _) => {
            immutable(was, is, "selector", &at, &mut errors);
        }
        (Object::StatefulSet(_), _) => stateful_set(was, is, &mut errors),
        (Object::Job(_), _) => job(was, is, before["status"].get("startTime").is_some(), &mut errors),
        (Object::Service(_), _) => service(was, is, &mut errors),
        (Object::PersistentVolumeClaim(_), _) => claim(&before, is, &mut errors),
        (Object::PersistentVolume(_), _) => volume(was, is, &mut errors),
        (Object::StorageClass(_), _) => {
            for field in ["parameters", "provisioner", "reclaimPolicy"] {
                if before.get(field) != after.get(field) {
                    errors.forbidden(&At::root(field), format!("updates to {field} are forbidden."));
                }
            }
            if before.get("volumeBindingMode") != after.get("volumeBindingMode") {
                let mode = after["volumeBindingMode"].as_str().unwrap_or_default();
                errors.invalid(&At::root("volumeBindingMode"), mode, "field is immutable");
            }
        }
        (Object::PriorityClass(_), _) => {
            if before.get("value") != after.get("value") {
                errors.forbidden(&At::root("value"), "may not be changed in an update.");
            }
            if before.get("preemptionPolicy") != after.get("preemptionPolicy") {
                let policy = after["preemptionPolicy"].as_str().unwrap_or_default();
                errors.invalid(&At::root("preemptionPolicy"), policy, "field is immutable");
            }
        }
        (Object::RuntimeClass(_), _) if before.get("handler") != after.get("handler") => {
            let handler = after["handler"].as_str().unwrap_or_default();
            errors.invalid(&At::root("handler"), handler, "field is immutable");
        }
        (Object::ResourceClaim(_) | Object::ResourceClaimTemplate(_), _) if was != is => {
            errors.invalid(&at, Json::of(is), "field is immutable");
        }
        (Object::ConfigMap(_) | Object::Secret(_), _) => frozen(&before, &after, &mut errors),
        (Object::Node(_), _) => {
            let id = |spec: &Value| spec["providerID"].as_str().unwrap_or_default().to_owned();
            if !id(was).is_empty() && id(was) != id(is) {
                let detail = "node updates may not change providerID except from \"\" to valid";
                errors.forbidden(&at.child("providerID"), detail);
            }
        }
        _ => {}
    }
    errors.0
}

fn wants_the_same(old: &Object, new: &Object) -> bool {
    // What a controller writes of these is free to change.
    if let (Some(was), Some(is)) = (fixed_selector(old), fixed_selector(new)) {
        return source(old) == source(new) && was == is;
    }
    match (old, new) {
        (Object::Pod(old), Object::Pod(new)) => {
            (Arc::ptr_eq(&old.spec, &new.spec) || old.spec == new.spec) && old.node_name == new.node_name
        }
        // Taints and cordons are free to change.
        (Object::Node(old), Object::Node(new)) => old.provider_id == new.provider_id && old.source == new.source,
        (Object::StatefulSet(old), Object::StatefulSet(new)) => old.spec == new.spec,
        (Object::Job(old), Object::Job(new)) => old.spec == new.spec,
        (Object::CronJob(old), Object::CronJob(new)) => old.spec == new.spec,
        (Object::HorizontalPodAutoscaler(old), Object::HorizontalPodAutoscaler(new)) => old.spec == new.spec,
        (Object::Event(_) | Object::EndpointSlice(_) | Object::Endpoints(_), _) => true,
        _ => false,
    }
}

/// The selector of a workload of which nothing else is fixed.
fn fixed_selector(object: &Object) -> Option<&Selector> {
    match object {
        Object::ReplicaSet(object) => Some(&object.spec.selector),
        Object::Deployment(object) => Some(&object.spec.selector),
        Object::DaemonSet(object) => Some(&object.spec.selector),
        _ => None,
    }
}

/// The text of an object, where it has one.
fn source(object: &Object) -> &str {
    match object {
        Object::Pod(pod) => &pod.spec.source,
        Object::Deployment(object) => &object.spec.source,
        Object::ReplicaSet(object) => &object.spec.source,
        Object::StatefulSet(object) => &object.spec.source,
        Object::DaemonSet(object) => &object.spec.source,
        Object::Job(object) => &object.spec.source,
        Object::CronJob(object) => &object.spec.source,
        Object::ReplicationController(object) => &object.spec.source,
        Object::Service(object) => &object.source,
        Object::Node(object) => &object.source,
        Object::ConfigMap(object) => &object.source,
        Object::Secret(object) => &object.source,
        Object::ServiceAccount(object) => &object.source,
        Object::LimitRange(object) => &object.source,
        Object::ResourceQuota(object) => &object.source,
        Object::PersistentVolume(object) => &object.source,
        Object::PersistentVolumeClaim(object) => &object.source,
        Object::PodDisruptionBudget(object) => &object.source,
        Object::HorizontalPodAutoscaler(object) => &object.spec.source,
        Object::PriorityClass(object) => &object.source,
        Object::StorageClass(object) => &object.source,
        Object::RuntimeClass(object) => &object.source,
        Object::CsiDriver(object) => &object.source,
        Object::CsiNode(object) => &object.source,
        Object::CsiStorageCapacity(object) => &object.source,
        Object::VolumeAttachment(object) => &object.source,
        Object::ControllerRevision(object) => &object.source,
        Object::Other(object) => &object.source,
        Object::ResourceClaim(object) => &object.source,
        Object::ResourceClaimTemplate(object) => &object.source,
        Object::DeviceClass(object) => &object.source,
        Object::ResourceSlice(object) => &object.source,
        Object::Namespace(_) | Object::Event(_) | Object::EndpointSlice(_) | Object::Endpoints(_) => "",
    }
}

/// `ValidateNoNewFinalizers`.
fn finalizers(old: &Object, new: &Object, errors: &mut Errors) {
    let (old, new) = (old.meta(), new.meta());
    let added: Vec<String> = new
        .finalizers
        .iter()
        .filter(|name| !old.finalizers.contains(name))
        .map(|name| format!("{:?}", &**name))
        .collect();
    if old.is_terminating() && !added.is_empty() {
        let detail = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added.join(", ")
        );
        errors.forbidden(&At::root("metadata").child("finalizers"), detail);
    }
}

fn immutable(was: &Value, is: &Value, field: &str, at: &At<'_>, errors: &mut Errors) {
    if was.get(field) != is.get(field) {
        errors.invalid(&at.child(field), Json::of(&is[field]), "field is immutable");
    }
}

fn list<'v>(spec: &'v Value, field: &str) -> &'v [Value] {
    spec[field].as_array().map_or(&[], Vec::as_slice)
}

/// What differs, for people: the paths, old and new values.
fn differences(was: &Value, is: &Value) -> String {
    let mut lines = Vec::new();
    collect(was, is, "spec", &mut lines);
    lines.join("\n")
}

fn collect(was: &Value, is: &Value, path: &str, lines: &mut Vec<String>) {
    match (was, is) {
        _ if was == is => {}
        (Value::Object(was), Value::Object(is)) => {
            let keys: std::collections::BTreeSet<_> = was.keys().chain(is.keys()).collect();
            for key in keys {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                collect(&of(was), &of(is), &format!("{path}.{key}"), lines);
            }
        }
        (Value::Array(was), Value::Array(is)) if was.len() == is.len() => {
            for (place, (was, is)) in was.iter().zip(is).enumerate() {
                collect(was, is, &format!("{path}[{place}]"), lines);
            }
        }
        _ => lines.push(format!("  {path}: {was} -> {is}")),
    }
}

/// `ValidatePodUpdate`.
fn pod(was: &Value, is: &Value, errors: &mut Errors) {
    let at = At::root("spec");
    for field in ["containers", "initContainers"] {
        if list(was, field).len() != list(is, field).len() {
            return errors.forbidden(&at.child(field), "pod updates may not add or remove containers");
        }
    }
    deadline(was, is, errors);
    tolerations(was, is, errors);
    let gates = |spec: &Value| -> Vec<Value> { list(spec, "schedulingGates").to_vec() };
    for (place, gate) in gates(is).iter().enumerate().filter(|(_, gate)| !gates(was).contains(gate)) {
        let name = gate["name"].as_str().unwrap_or_default();
        let detail = format!("only deletion is allowed, but found new scheduling gate '{name}'");
        errors.forbidden(&at.child("schedulingGates").index(place).child("name"), detail);
    }
    let mut munged = is.clone();
    for field in ["containers", "initContainers"] {
        for (place, container) in list(was, field).iter().enumerate() {
            munged[field][place]["image"] = container["image"].clone();
        }
    }
    let Value::Object(fields) = &mut munged else { return };
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        take_over(fields, was, field);
    }
    let grace = |spec: &Value| spec["terminationGracePeriodSeconds"].as_i64();
    if grace(was).is_some_and(|seconds| seconds < 0) && grace(is) == Some(1) {
        take_over(fields, was, "terminationGracePeriodSeconds");
    }
    if !gates(was).is_empty() {
        gated(fields, was, is, errors);
    }
    if munged != *was {
        let detail = format!(
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
             `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
             `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n{}",
            differences(was, &munged)
        );
        errors.forbidden(&at, detail);
    }
}

fn take_over(fields: &mut Map<String, Value>, from: &Value, field: &str) {
    match from.get(field) {
        Some(value) => drop(fields.insert(field.to_owned(), value.clone())),
        None => drop(fields.remove(field)),
    }
}

fn deadline(was: &Value, is: &Value, errors: &mut Errors) {
    let spec = At::root("spec");
    let at = spec.child("activeDeadlineSeconds");
    match (was["activeDeadlineSeconds"].as_i64(), is["activeDeadlineSeconds"].as_i64()) {
        (Some(_), None) => {
            errors.invalid(&at, Json("null".to_owned()), "must not update from a positive integer to nil value");
        }
        (Some(old), Some(new)) if old < new => {
            errors.invalid(&at, new, "must be less than or equal to previous value");
        }
        _ => {}
    }
}

fn tolerations(was: &Value, is: &Value, errors: &mut Errors) {
    let timeless = |toleration: &Value| {
        let mut toleration = toleration.clone();
        if let Value::Object(fields) = &mut toleration {
            fields.remove("tolerationSeconds");
        }
        toleration
    };
    let kept: Vec<Value> = list(is, "tolerations").iter().map(timeless).collect();
    if list(was, "tolerations").iter().any(|old| !kept.contains(&timeless(old))) {
        let at = At::root("spec");
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        errors.forbidden(&at.child("tolerations"), detail);
    }
}

/// While a pod is gated, its place may be narrowed.
fn gated(fields: &mut Map<String, Value>, was: &Value, is: &Value, errors: &mut Errors) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    let at = At::root("spec");
    let selector = is["nodeSelector"].as_object();
    let keeps = |(key, value): (&String, &Value)| selector.is_some_and(|selector| selector.get(key) == Some(value));
    if !was["nodeSelector"].as_object().into_iter().flatten().all(keeps) {
        let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        errors.invalid(&at.child("nodeSelector"), Json::of(&is["nodeSelector"]), detail);
    }
    take_over(fields, was, "nodeSelector");
    let node = |spec: &Value| spec["affinity"]["nodeAffinity"].clone();
    if node(was) == node(is) {
        return;
    }
    let terms = |spec: &Value| list(&node(spec)[REQUIRED], "nodeSelectorTerms").to_vec();
    let (old, new) = (terms(was), terms(is));
    let affinity = at.child("affinity");
    let node_at = affinity.child("nodeAffinity");
    let required = node_at.child(REQUIRED);
    let at_terms = required.child("nodeSelectorTerms");
    if !old.is_empty() && old.len() != new.len() {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        errors.invalid(&at_terms, Json::of(&new), detail);
    } else {
        for (place, (old, new)) in old.iter().zip(&new).enumerate() {
            let grows = |field: &str| list(new, field).starts_with(list(old, field));
            let was_empty = list(old, "matchExpressions").is_empty() && list(old, "matchFields").is_empty();
            let only_adds = grows("matchExpressions") && grows("matchFields") && (!was_empty || old == new);
            if !only_adds {
                let detail = "only additions are allowed (no mutations or deletions)";
                errors.invalid(&at_terms.index(place), Json::of(new), detail);
            }
        }
    }
    let mut affinity = is["affinity"].clone();
    if !affinity.is_object() {
        affinity = Value::Object(Map::new());
    }
    if let Value::Object(parts) = &mut affinity {
        take_over(parts, &was["affinity"], "nodeAffinity");
        if parts.is_empty() {
            fields.remove("affinity");
            return;
        }
    }
    fields.insert("affinity".to_owned(), affinity);
}

/// `ValidatePodResize`.
fn resize(old: &Pod, new: &Object, was: &Value, is: &Value, errors: &mut Errors) {
    let whole = At::root("");
    if old.meta.annotations.get("kubernetes.io/config.mirror".into()).is_some() {
        errors.0 = Vec::new();
        return errors.forbidden(&whole, "static pods cannot be resized");
    }
    if old.spec.os == "windows" {
        errors.0 = Vec::new();
        return errors.forbidden(&whole, "windows pods cannot be resized");
    }
    let at = At::root("spec");
    let Object::Pod(new) = new else { return };
    let class = requests::qos_class(&new.spec);
    if old.status.qos_class != class {
        errors.invalid(&at, class.to_string(), "Pod QOS Class may not change as a result of resizing");
    }
    let running = old.status.containers.iter().find(|status| matches!(status.state, ContainerState::Running { .. }));
    if running.is_some_and(|status| status.resources.is_none()) {
        errors.forbidden(&at, "Pod running on node without support for resize");
    }
    let before = errors.0.len();
    for field in ["containers", "initContainers"] {
        let (old, new) = (list(was, field), list(is, field));
        if old.len() != new.len() {
            errors.forbidden(&at.child(field), format!("{field} may not be added or removed on resize"));
            continue;
        }
        for (place, (old, new)) in old.iter().zip(new).enumerate() {
            if old["name"] != new["name"] {
                let detail = format!("{field} may not be renamed or reordered on resize");
                errors.forbidden(&at.child(field).index(place).child("name"), detail);
            }
        }
    }
    if errors.0.len() > before {
        return;
    }
    let mut munged = is.clone();
    for field in ["initContainers", "containers"] {
        for (place, old) in list(was, field).iter().enumerate() {
            let new = &list(is, field)[place];
            let is_sidecar = field == "containers" || old["restartPolicy"] == "Always";
            let list_at = at.child(field);
            let place_at = list_at.index(place);
            let resources_at = place_at.child("resources");
            for kind in ["requests", "limits"].into_iter().filter(|_| is_sidecar) {
                let new = new["resources"][kind].as_object();
                let has = |name: &String| new.is_some_and(|new| new.contains_key(name));
                if !old["resources"][kind].as_object().into_iter().flatten().all(|(name, _)| has(name)) {
                    errors.forbidden(&resources_at.child(kind), format!("resource {kind} cannot be removed"));
                }
            }
            let same = without_cpu_and_memory(new) == without_cpu_and_memory(old);
            let detail = match (field, is_sidecar) {
                ("containers", _) if !same => "only cpu and memory resources are mutable",
                (_, true) if !same => "only cpu and memory resources for sidecar containers are mutable",
                (_, false) if new != old => "resources for non-sidecar init containers are immutable",
                _ => "",
            };
            if !detail.is_empty() {
                errors.forbidden(&at, detail);
            }
            munged[field][place] = old.clone();
        }
    }
    // Of the pod as a whole it is no different.
    let others = |spec: &Value| {
        let own = without_cpu_and_memory(&Map::from_iter([("resources".to_owned(), spec["resources"].clone())]).into());
        own["resources"].as_object().filter(|own| !own.is_empty()).cloned()
    };
    if let Value::Object(fields) = &mut munged
        && others(was) == others(is)
    {
        take_over(fields, was, "resources");
    }
    if errors.0.is_empty() && munged != *was {
        errors.forbidden(&at, "only cpu and memory resources are mutable");
    }
}

fn without_cpu_and_memory(container: &Value) -> Value {
    let mut container = container.clone();
    for kind in ["requests", "limits"] {
        if let Some(Value::Object(amounts)) = container["resources"].get_mut(kind) {
            amounts.retain(|name, _| name != "cpu" && name != "memory");
            if amounts.is_empty()
                && let Value::Object(resources) = &mut container["resources"]
            {
                resources.remove(kind);
            }
        }
    }
    if let Value::Object(fields) = &mut container {
        fields.remove("resizePolicy");
    }
    container
}

/// `ValidatePodEphemeralContainersUpdate`.
fn ephemeral_containers(was: &Value, is: &Value, errors: &mut Errors) {
    let spec = At::root("spec");
    let at = spec.child("ephemeralContainers");
    let new = list(is, "ephemeralContainers");
    for old in list(was, "ephemeralContainers") {
        let name = old["name"].as_str().unwrap_or_default();
        match new.iter().find(|container| container["name"] == old["name"]) {
            None => errors.forbidden(&at, format!("existing ephemeral containers {name:?} may not be removed\n")),
            Some(container) if container != old => {
                let differences = differences(old, container);
                let detail = format!("existing ephemeral containers {name:?} may not be changed\n{differences}");
                errors.forbidden(&at, detail);
            }
            Some(_) => {}
        }
    }
}

/// `ValidateStatefulSetUpdate`.
fn stateful_set(was: &Value, is: &Value, errors: &mut Errors) {
    let mut munged = is.clone();
    if let Value::Object(fields) = &mut munged {
        for field in [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ] {
            take_over(fields, was, field);
        }
    }
    if munged != *was {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                      'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                      'minReadySeconds' are forbidden";
        errors.forbidden(&At::root("spec"), detail);
    }
}

/// `ValidateJobSpecUpdate`.
fn job(was: &Value, is: &Value, started: bool, errors: &mut Errors) {
    let at = At::root("spec");
    if was.get("completions") != is.get("completions") {
        if was["completionMode"] != "Indexed" {
            immutable(was, is, "completions", &at, errors);
        } else if is["completions"] != is["parallelism"] {
            let completions = Json::of(&is["completions"]);
            errors.invalid(
                &at.child("completions"),
                completions,
                "can only be modified in tandem with spec.parallelism",
            );
        }
    }
    immutable(was, is, "selector", &at, errors);
    let mut template = is["template"].clone();
    // Where a suspended Job may still run is open (`MutableSchedulingDirectivesForSuspendedJobs`).
    let suspended = was["suspend"] == true && !started;
    if suspended {
        for (part, fields) in [
            ("metadata", &["annotations", "labels"][..]),
            ("spec", &["nodeSelector", "affinity", "tolerations", "schedulingGates"][..]),
        ] {
            if !template[part].is_object() {
                template[part] = Value::Object(Map::new());
            }
            if let Value::Object(new) = &mut template[part] {
                fields.iter().for_each(|field| take_over(new, &was["template"][part], field));
            }
        }
        for (place, container) in list(&was["template"]["spec"], "containers").iter().enumerate() {
            if template["spec"]["containers"].get(place).is_some() {
                template["spec"]["containers"][place]["resources"] = container["resources"].clone();
            }
        }
    }
    if template != was["template"] {
        errors.invalid(&at.child("template"), Json::of(&is["template"]), "field is immutable");
    }
    for field in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        immutable(was, is, field, &at, errors);
    }
}

/// `ValidateServiceUpdate`.
fn service(was: &Value, is: &Value, errors: &mut Errors) {
    if [was, is].iter().any(|spec| spec["type"] == "ExternalName") {
        return;
    }
    let address = |spec: &Value| spec["clusterIP"].as_str().unwrap_or_default().to_owned();
    if !address(was).is_empty() && address(was) != address(is) {
        let at = At::root("spec");
        let addresses = Json::of(&is["clusterIPs"]);
        errors.invalid(&at.child("clusterIPs").index(0), addresses, "may not change once set");
    }
}

/// `ValidatePersistentVolumeClaimUpdate`.
fn claim(before: &Value, is: &Value, errors: &mut Errors) {
    let was = &before["spec"];
    let mut munged = is.clone();
    if let Value::Object(fields) = &mut munged {
        for field in ["volumeName", "storageClassName"] {
            if was.get(field).is_none() {
                fields.remove(field);
            }
        }
        if before["status"]["phase"] == "Bound" {
            take_over(fields, was, "resources");
            take_over(fields, was, "volumeAttributesClassName");
        }
    }
    let at = At::root("spec");
    if munged != *was {
        let detail = format!(
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound \
             claims\n{}",
            differences(was, &munged)
        );
        errors.forbidden(&at, detail);
    }
    let size = |spec: &Value| crate::api::Quantity::from_json(&spec["resources"]["requests"]["storage"]).ok();
    let held = crate::api::Quantity::from_json(&before["status"]["capacity"]["storage"]).unwrap_or_default();
    if let (Some(old), Some(new)) = (size(was), size(is))
        && new < old
        && new <= held
    {
        let at = at.child("resources");
        let at = at.child("requests");
        errors.forbidden(&at.child("storage"), "field can not be less than status.capacity");
    }
}

/// `ValidatePersistentVolumeUpdate`.
fn volume(was: &Value, is: &Value, errors: &mut Errors) {
    const OPEN: [&str; 9] = [
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    ];
    let medium = |spec: &Value| {
        let mut spec = spec.clone();
        if let Value::Object(fields) = &mut spec {
            fields.retain(|field, _| !OPEN.contains(&field.as_str()));
        }
        spec
    };
    if medium(was) != medium(is) {
        let detail = format!(
            "spec.persistentvolumesource is immutable after creation\n{}",
            differences(&medium(was), &medium(is))
        );
        errors.forbidden(&At::root("spec").child("persistentvolumesource"), detail);
    }
    if was.get("volumeMode") != is.get("volumeMode") {
        errors.invalid(&At::root("volumeMode"), Json::of(&is["volumeMode"]), "field is immutable");
    }
    if was.get("nodeAffinity").is_some() && was.get("nodeAffinity") != is.get("nodeAffinity") {
        errors.invalid(&At::root("nodeAffinity"), Json::of(&is["nodeAffinity"]), "field is immutable");
    }
}

/// `ValidateConfigMapUpdate`, `ValidateSecretUpdate`.
fn frozen(before: &Value, after: &Value, errors: &mut Errors) {
    if before.get("type") != after.get("type") {
        errors.invalid(&At::root("type"), Json::of(&after["type"]), "field is immutable");
    }
    if before["immutable"] != true {
        return;
    }
    for field in ["immutable", "data", "binaryData"] {
        if before.get(field) != after.get(field) {
            errors.forbidden(&At::root(field), "field is immutable when `immutable` is set");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{PatchKind, apply_patch, lower};
    use serde_json::json;

    fn refusals(manifest: &Value, part: Part, patch: Value) -> String {
        let old = lower(manifest).unwrap_or_else(|error| panic!("{error}")).object;
        let new = apply_patch(&old, PatchKind::Merge, &patch).unwrap_or_else(|error| panic!("{error}"));
        let errors = validate_update(&old, &new, part);
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn pods_change_in_few_ways() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
            "containers": [{"name": "c", "image": "i:1", "resources": {"requests": {"cpu": "1"}}}],
            "tolerations": [{"key": "a", "operator": "Exists"}], "activeDeadlineSeconds": 60}});
        let container = |extra: Value| {
            let mut container = json!({"name": "c", "image": "i:1", "resources": {"requests": {"cpu": "1"}}});
            container.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
            json!({"spec": {"containers": [container]}})
        };
        let only = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
                    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
                    existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                    previously negative)\n";
        for (part, patch, words) in [
            (Part::Main, container(json!({"image": "i:2"})), String::new()),
            (Part::Main, json!({"metadata": {"labels": {"a": "b"}}}), String::new()),
            (Part::Main, json!({"spec": {"activeDeadlineSeconds": 30}}), String::new()),
            (
                Part::Main,
                json!({"spec": {"activeDeadlineSeconds": 90}}),
                "spec.activeDeadlineSeconds: Invalid value: 90: must be less than or equal to previous value"
                    .to_owned(),
            ),
            (
                Part::Main,
                json!({"spec": {"activeDeadlineSeconds": null}}),
                "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"
                    .to_owned(),
            ),
            (
                Part::Main,
                json!({"spec": {"tolerations": []}}),
                "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
                    .to_owned(),
            ),
            (
                Part::Main,
                json!({"spec": {"tolerations": [{"key": "a", "operator": "Exists"}, {"operator": "Exists"}]}}),
                String::new(),
            ),
            (
                Part::Main,
                json!({"spec": {"nodeSelector": {"a": "b"}}}),
                format!("{only}  spec.nodeSelector: null -> {{\"a\":\"b\"}}"),
            ),
            (
                Part::Main,
                container(json!({"resources": {"requests": {"cpu": "2"}}})),
                format!("{only}  spec.containers[0].resources.requests.cpu: \"1\" -> \"2\""),
            ),
            (
                Part::Main,
                json!({"spec": {"containers": [{"name": "c", "image": "i:1"}, {"name": "d", "image": "i"}]}}),
                "spec.containers: Forbidden: pod updates may not add or remove containers".to_owned(),
            ),
            (Part::Resize, container(json!({"resources": {"requests": {"cpu": "2"}}})), String::new()),
            (
                Part::Resize,
                container(json!({"resources": {"requests": {"cpu": "2"}, "limits": {"example.com/x": "1"}}})),
                "spec.containers[0].resources.requests: Forbidden: x".to_owned(),
            ),
            (
                Part::Resize,
                json!({"spec": {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "3"}}}}),
                String::new(),
            ),
            (
                Part::Resize,
                json!({"spec": {"resources": {"requests": {"cpu": "2", "hugepages-2Mi": "2Mi"},
                    "limits": {"cpu": "3", "hugepages-2Mi": "2Mi"}}}}),
                "spec: Forbidden: only cpu and memory resources are mutable".to_owned(),
            ),
            (
                Part::Resize,
                container(json!({"resources": {}})),
                "spec: Invalid value: \"BestEffort\": Pod QOS Class may not change as a result of resizing; \
                 spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"
                    .to_owned(),
            ),
            (
                Part::EphemeralContainers,
                json!({"spec": {"ephemeralContainers": [{"name": "e", "image": "i", "targetContainerName": "c"}]}}),
                String::new(),
            ),
            (
                Part::EphemeralContainers,
                json!({"spec": {"ephemeralContainers": [
                    {"name": "c", "image": "i"},
                    {"name": "e", "targetContainerName": "x", "image": "i", "resources": {"limits": {"cpu": "1"}},
                        "ports": [{"containerPort": 80}], "livenessProbe": {"exec": {"command": ["a"]}}}]}}),
                "spec.ephemeralContainers[0].name: Duplicate value: \"c\"; \
                 spec.ephemeralContainers[1].targetContainerName: Not found: \"x\"; \
                 spec.ephemeralContainers[1].ports: Forbidden: cannot be set for an Ephemeral Container; \
                 spec.ephemeralContainers[1].resources: Forbidden: cannot be set for an Ephemeral Container; \
                 spec.ephemeralContainers[1].livenessProbe: Forbidden: cannot be set for an Ephemeral Container"
                    .to_owned(),
            ),
        ] {
            if words.ends_with("Forbidden: x") {
                // An extended resource is not resized; the request follows the limit.
                let said = refusals(&pod, part, patch);
                assert!(said.contains("spec: Forbidden: only cpu and memory resources are mutable"), "{said}");
                continue;
            }
            assert_eq!(refusals(&pod, part, patch.clone()), words, "{part:?} {patch}");
        }
    }

    #[test]
    fn new_metadata_is_looked_at() {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}});
        let meta = |field: &str, value: Value| json!({"metadata": {field: value}});
        let owner =
            json!({"apiVersion": "v1", "kind": "Pod", "name": "", "uid": "6e2f0f2c-0d8c-4b6e-9d6c-3a3b2a9a4f10"});
        for (patch, words) in [
            (meta("labels", json!({"a": "b"})), ""),
            (meta("labels", json!({"a": "b c"})), "metadata.labels: Invalid value: \"b c\": a valid label must be"),
            (meta("annotations", json!({"a b": "c"})), "metadata.annotations: Invalid value: \"a b\": name part must"),
            (
                meta("finalizers", json!(["hold"])),
                "metadata.finalizers[0]: Invalid value: \"hold\": name is neither a standard finalizer name nor is it \
                 fully qualified",
            ),
            (meta("finalizers", json!(["example.com/hold"])), ""),
            (
                meta("ownerReferences", json!([owner])),
                "metadata.ownerReferences[0].name: Required value: must not be empty",
            ),
        ] {
            let said = refusals(&map, Part::Main, patch.clone());
            assert!(if words.is_empty() { said.is_empty() } else { said.starts_with(words) }, "{patch}: {said}");
        }
    }

    #[test]
    fn new_taints_are_looked_at() {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
        let old = lower(&node).expect("a node").object;
        let taints = |taints: Value| apply_patch(&old, PatchKind::Merge, &json!({"spec": {"taints": taints}}));
        taints(json!([{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoExecute"}])).expect("two taints");
        for (bad, words) in [
            (
                json!([{"key": "a", "effect": "Never"}]),
                "spec.taints[0].effect: Unsupported value: \"Never\": supported values: \"NoSchedule\", \
                 \"PreferNoSchedule\", \"NoExecute\"",
            ),
            (json!([{"effect": "NoExecute"}]), "spec.taints[0].key: Invalid value: \"\": name part must be non-empty"),
        ] {
            let said = taints(bad).expect_err("no such taint").to_string();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn gated_pods_may_be_narrowed() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
            "containers": [{"name": "c", "image": "i"}], "schedulingGates": [{"name": "g"}],
            "nodeSelector": {"a": "b"}}});
        for (patch, words) in [
            (json!({"spec": {"schedulingGates": null}}), ""),
            (json!({"spec": {"nodeSelector": {"c": "d"}}}), ""),
            (
                json!({"spec": {"nodeSelector": {"a": null}}}),
                "spec.nodeSelector: Invalid value: null: only additions to spec.nodeSelector are allowed (no mutations \
                 or deletions)",
            ),
            (
                json!({"spec": {"schedulingGates": [{"name": "h"}]}}),
                "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'",
            ),
        ] {
            assert_eq!(refusals(&pod, Part::Main, patch.clone()), words, "{patch}");
        }
    }

    #[test]
    fn a_status_does_not_count_more_ready_pods_than_active_ones() {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "w"}, "spec": {"template":
            {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}});
        let more = "status.ready: Invalid value: 2: cannot set more ready pods than active";
        for (active, ready, words) in [(2, 2, ""), (0, 2, more), (0, 0, "")] {
            let said = refusals(&job, Part::Status, json!({"status": {"active": active, "ready": ready}}));
            assert_eq!(said, words, "{active} {ready}");
        }
    }

    #[test]
    fn workloads_keep_what_identifies_them() {
        let template =
            json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        let of = |kind: &str| {
            json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "w"},
                "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}})
        };
        let other = json!({"spec": {"selector": {"matchLabels": {"a": "c"}},
            "template": {"metadata": {"labels": {"a": "c"}}}}});
        let selector = "spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"c\"}}: field is immutable";
        for kind in ["Deployment", "ReplicaSet", "DaemonSet"] {
            assert_eq!(refusals(&of(kind), Part::Main, other.clone()), selector, "{kind}");
        }
        let set = of("StatefulSet");
        assert_eq!(refusals(&set, Part::Main, json!({"spec": {"replicas": 5}})), "");
        let said = refusals(&set, Part::Main, json!({"spec": {"serviceName": "x"}}));
        assert!(said.starts_with("spec: Forbidden: updates to statefulset spec for fields other than"), "{said}");
        let mut pods = template.clone();
        pods["spec"]["restartPolicy"] = json!("Never");
        let job =
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "w"}, "spec": {"template": pods}});
        assert_eq!(refusals(&job, Part::Main, json!({"spec": {"parallelism": 5}})), "");
        let said = refusals(&job, Part::Main, json!({"spec": {"completions": 5}}));
        assert_eq!(said, "spec.completions: Invalid value: 5: field is immutable");
        let bad = refusals(&of("Deployment"), Part::Main, json!({"spec": {"replicas": -1}}));
        assert_eq!(bad, "spec.replicas: Invalid value: -1: must be greater than or equal to 0");
    }
}
