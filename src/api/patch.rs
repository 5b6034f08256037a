//! Patches: JSON patch, merge patch and strategic merge patch, on objects as they are printed; and `kubectl apply`.
//!
//! A record prints less than an object holds and more than it was given. So that nothing is lost on the way through
//! JSON, the object is read back twice, with and without the patch, and only what differs is taken.

use super::object::with_object;
use super::{
    ApiError, ApiObject, ErrorReason, FieldValidation, Kind, Lowering, Object, PatchKind, Pod, Response, Validation,
    render,
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// An object with a patch applied; not yet checked against the rules of updates.
///
/// ```
/// use podsim::api::{PatchKind, apply_patch, lower, render};
/// let manifest = serde_json::json!({
///     "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
///     "spec": {"containers": [{"name": "web", "image": "nginx:1"}, {"name": "log", "image": "busybox"}]},
/// });
/// let pod = lower(&manifest)?.object;
/// let patch = serde_json::json!({"spec": {"containers": [{"name": "web", "image": "nginx:2"}]}});
/// let patched = render(&apply_patch(&pod, PatchKind::Strategic, &patch)?);
/// assert_eq!(patched["spec"]["containers"][0]["image"], "nginx:2");
/// assert_eq!(patched["spec"]["containers"][1]["name"], "log");
/// # Ok::<(), Box<podsim::api::ApiError>>(())
/// ```
pub fn apply_patch(stored: &Object, kind: PatchKind, patch: &Value) -> Response {
    let printed = render(stored);
    let mut patched = printed.clone();
    patch_value(&mut patched, kind, patch)?;
    read_back(stored, &printed, &patched)
}

/// An object with another manifest applied to it, as `kubectl apply` does: what the last one set and this one does not
/// is removed, what this one sets is set.
pub fn apply_manifest(stored: &Object, last_applied: Option<&Value>, manifest: &Value) -> Response {
    let printed = render(stored);
    let mut applied = printed.clone();
    if let Some(last) = last_applied {
        remove_dropped(&mut applied, last, manifest);
    }
    merge(&mut applied, manifest);
    read_back(stored, &printed, &applied)
}

/// Applies a patch to JSON.
pub fn patch_value(value: &mut Value, kind: PatchKind, patch: &Value) -> Result<(), Box<ApiError>> {
    match kind {
        PatchKind::Json => {
            let refused = |_| {
                let words = "the server rejected our request due to an error in our request";
                ApiError::new(ErrorReason::Invalid, words)
            };
            let patch: json_patch::Patch = serde_json::from_value(patch.clone())
                .map_err(|error| ApiError::new(ErrorReason::BadRequest, format!("error decoding patch: {error}")))?;
            json_patch::patch(value, &patch).map_err(refused)
        }
        PatchKind::Merge => {
            expect_object(patch)?;
            json_patch::merge(value, patch);
            Ok(())
        }
        PatchKind::Strategic => {
            expect_object(patch)?;
            merge(value, patch);
            Ok(())
        }
    }
}

/// The JSON merge patch (RFC 7396) that makes one object of another; none if they are equal.
///
/// ```
/// use podsim::api::merge_patch;
/// use serde_json::json;
/// let patch = merge_patch(&json!({"a": 1, "b": {"c": 2, "d": 3}}), &json!({"a": 1, "b": {"d": 4}}));
/// assert_eq!(patch, Some(json!({"b": {"c": null, "d": 4}})));
/// ```
pub fn merge_patch(from: &Value, to: &Value) -> Option<Value> {
    if from == to {
        return None;
    }
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return Some(to.clone()) };
    let gone = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let new = to.iter().filter_map(|(key, value)| {
        let change = merge_patch(from.get(key).unwrap_or(&Value::Null), value)?;
        Some((key.clone(), change))
    });
    Some(Value::Object(gone.chain(new).collect()))
}

fn expect_object(patch: &Value) -> Result<(), Box<ApiError>> {
    if patch.is_object() {
        return Ok(());
    }
    let found = match patch {
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        _ => "number",
    };
    let wanted = "Go value of type map[string]interface {}";
    let words = format!("error decoding patch: json: cannot unmarshal {found} into {wanted}");
    Err(ApiError::new(ErrorReason::BadRequest, words))
}

/// The record of a changed print, as far as it differs from the record of the print.
fn read_back(stored: &Object, printed: &Value, changed: &Value) -> Response {
    let reading = Lowering::of_stored();
    let strict = Lowering { field_validation: FieldValidation::Strict, ..reading.clone() };
    let new = strict.lower(changed)?.object;
    if stored.kind() == Kind::Node && printed["spec"] != changed["spec"] {
        // A record has no room for taints that are none (`ValidateNodeUpdate`).
        Lowering { validation: Validation::Update, ..reading.clone() }.lower(changed)?;
    }
    let base = reading.lower(printed)?.object;
    if new.kind() != stored.kind() {
        let words = "the patch changes the kind of the object".to_owned();
        return Err(ApiError::new(ErrorReason::BadRequest, words));
    }
    Ok(with_object!(&new, version => merged(stored, &base, (**version).clone())))
}

fn merged<T: ApiObject>(stored: &Object, base: &Object, mut new: T) -> Object {
    let (Some(stored), Some(base)) = (T::unwrap(stored), T::unwrap(base)) else { return T::wrap(Arc::new(new)) };
    let same_in = |keep: fn(&mut T, &T)| {
        let mut mixed = new.clone();
        keep(&mut mixed, base);
        *mixed.meta_mut() = base.meta().clone();
        mixed == **base
    };
    let (spec_stays, status_stays) = (same_in(T::keep_status_of), same_in(T::keep_spec_of));
    let mut meta = if new.meta() == base.meta() { stored.meta().clone() } else { new.meta().clone() };
    meta.index = stored.meta().index;
    match (spec_stays, status_stays) {
        (true, true) => new = (**stored).clone(),
        (true, false) => new.keep_spec_of(stored),
        (false, true) => new.keep_status_of(stored),
        (false, false) => {}
    }
    *new.meta_mut() = meta;
    let new = T::wrap(Arc::new(new));
    match (new, T::wrap(stored.clone())) {
        (Object::Pod(new), Object::Pod(stored)) => Object::Pod(Arc::new(with_given_of(&new, &stored))),
        (new, _) => new,
    }
}

/// What only the first writer of a pod said stays said.
fn with_given_of(new: &Pod, stored: &Pod) -> Pod {
    let mut pod = new.clone();
    if !Arc::ptr_eq(&pod.spec, &stored.spec) {
        let spec = Arc::make_mut(&mut pod.spec);
        spec.given_priority = stored.spec.given_priority;
        spec.given_never_preempts = stored.spec.given_never_preempts;
    }
    pod
}

/// Merges a strategic patch (`apimachinery/pkg/util/strategicpatch`).
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *value = without_directives(patch);
            return;
        }
        Some("delete") => {
            *value = Value::Object(Map::new());
            return;
        }
        _ => {}
    }
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(fields) = value else { return };
    if let Some(Value::Array(kept)) = patch.get("$retainKeys") {
        fields.retain(|field, _| kept.iter().any(|kept| kept == field));
    }
    for (field, change) in patch {
        if let Some(list) = field.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(Value::Array(elements)), Value::Array(gone)) = (fields.get_mut(list), change) {
                elements.retain(|element| !gone.contains(element));
            }
        } else if field.starts_with('$') {
            // Directives: read above, or about an order that is kept anyway.
        } else if change.is_null() {
            fields.remove(field);
        } else if let (Some(Value::Array(elements)), Value::Array(changes)) = (fields.get_mut(field), change) {
            merge_list(field, elements, changes);
        } else {
            merge(fields.entry(field.clone()).or_insert(Value::Null), change);
        }
    }
}

fn without_directives(patch: &Map<String, Value>) -> Value {
    let fields = patch.iter().filter(|(field, _)| !field.starts_with('$'));
    Value::Object(fields.map(|(field, value)| (field.clone(), value.clone())).collect())
}

fn merge_list(field: &str, elements: &mut Vec<Value>, changes: &[Value]) {
    let replaces = changes.iter().any(|change| change["$patch"] == "replace");
    let keys = merge_keys(field, changes.iter().chain(elements.iter()));
    let plain = || changes.iter().filter(|change| change.get("$patch").is_none()).cloned();
    if field == "finalizers" && !replaces {
        for change in plain().filter(|change| !elements.contains(change)).collect::<Vec<_>>() {
            elements.push(change);
        }
        return;
    }
    if keys.is_empty() || replaces {
        *elements = plain().collect();
        return;
    }
    for change in changes {
        let is_same = |element: &Value| keys.iter().all(|key| part(element, key) == part(change, key));
        let place = elements.iter().position(is_same);
        match (place, change["$patch"] == "delete") {
            (Some(_), true) => elements.retain(|element| !is_same(element)),
            (Some(place), false) => merge(&mut elements[place], change),
            (None, true) => {}
            (None, false) => {
                let mut new = Value::Null;
                merge(&mut new, change);
                elements.push(new);
            }
        }
    }
}

/// A part of a merge key; ports are TCP unless they say otherwise.
fn part(element: &Value, key: &str) -> Value {
    match element.get(key) {
        Some(value) => value.clone(),
        None if key == "protocol" => "TCP".into(),
        None => Value::Null,
    }
}

/// The fields by which the elements of a list are told apart; lists without are replaced as a whole.
fn merge_keys<'v>(field: &str, mut elements: impl Iterator<Item = &'v Value>) -> &'static [&'static str] {
    match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "schedulingGates"
        | "resourceClaims"
        | "resourceClaimStatuses"
        | "secrets" => &["name"],
        "ports" if elements.any(|element| element.get("containerPort").is_some()) => &["containerPort", "protocol"],
        "ports" => &["port", "protocol"],
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        "topologySpreadConstraints" => &["topologyKey"],
        "conditions" | "addresses" => &["type"],
        "ownerReferences" | "reservedFor" => &["uid"],
        "hostAliases" | "podIPs" | "hostIPs" => &["ip"],
        _ => &[],
    }
}

/// Removes what the last manifest set and the new one does not.
fn remove_dropped(value: &mut Value, last: &Value, new: &Value) {
    let (Value::Object(fields), Value::Object(last), Value::Object(new)) = (value, last, new) else { return };
    for (field, last) in last {
        match (new.get(field), fields.get_mut(field)) {
            (None | Some(Value::Null), Some(_)) => drop(fields.remove(field)),
            (Some(Value::Array(new)), Some(Value::Array(elements))) => {
                remove_elements(field, elements, last, new);
            }
            (Some(new), Some(value)) => remove_dropped(value, last, new),
            (_, None) => {}
        }
    }
}

fn remove_elements(field: &str, elements: &mut Vec<Value>, last: &Value, new: &[Value]) {
    let last = last.as_array().map_or(&[][..], Vec::as_slice);
    let keys = merge_keys(field, last.iter().chain(new));
    if keys.is_empty() {
        return;
    }
    let same = |a: &Value, b: &Value| keys.iter().all(|key| part(a, key) == part(b, key));
    elements.retain(|element| {
        let was = last.iter().any(|old| same(old, element));
        !was || new.iter().any(|new| same(new, element))
    });
    for element in elements {
        let find = |list: &[Value]| list.iter().find(|other| same(other, element)).cloned();
        if let (Some(last), Some(new)) = (find(last), find(new)) {
            remove_dropped(element, &last, &new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::lower;
    use serde_json::json;

    fn patched(value: Value, kind: PatchKind, patch: Value) -> Value {
        let mut value = value;
        patch_value(&mut value, kind, &patch).unwrap_or_else(|error| panic!("{error}"));
        value
    }

    #[test]
    fn strategic_patches_merge_lists_by_their_keys() {
        use PatchKind::Strategic;
        let pod = json!({"spec": {
            "containers": [
                {"name": "a", "image": "1", "env": [{"name": "X", "value": "x"}],
                 "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}]},
                {"name": "b", "image": "1", "args": ["x", "y"]},
            ],
            "tolerations": [{"key": "a"}],
        }, "metadata": {"finalizers": ["x"], "labels": {"l": "m"}}});
        for (patch, pointer, expected) in [
            (json!({"spec": {"containers": [{"name": "b", "image": "2"}]}}), "/spec/containers/1/image", json!("2")),
            (json!({"spec": {"containers": [{"name": "b", "args": ["z"]}]}}), "/spec/containers/1/args", json!(["z"])),
            (json!({"spec": {"containers": [{"name": "c", "image": "3"}]}}), "/spec/containers/2/name", json!("c")),
            (
                json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}),
                "/spec/containers/0/name",
                json!("b"),
            ),
            (
                json!({"spec": {"containers": [{"$patch": "replace"}, {"name": "d"}]}}),
                "/spec/containers",
                json!([{"name": "d"}]),
            ),
            (
                json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 53, "name": "dns"}]}]}}),
                "/spec/containers/0/ports/1/name",
                json!("dns"),
            ),
            (
                json!({"spec": {"containers": [{"name": "a", "env": [{"name": "Y", "value": "y"}]}]}}),
                "/spec/containers/0/env",
                json!([{"name": "X", "value": "x"}, {"name": "Y", "value": "y"}]),
            ),
            (json!({"spec": {"tolerations": [{"key": "b"}]}}), "/spec/tolerations", json!([{"key": "b"}])),
            (json!({"metadata": {"finalizers": ["y"]}}), "/metadata/finalizers", json!(["x", "y"])),
            (json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}), "/metadata/finalizers", json!([])),
            (json!({"metadata": {"labels": {"l": null, "n": "o"}}}), "/metadata/labels", json!({"n": "o"})),
            (json!({"metadata": {"labels": {"$patch": "replace", "n": "o"}}}), "/metadata/labels", json!({"n": "o"})),
            (json!({"spec": {"$setElementOrder/containers": [{"name": "b"}], "x": 1}}), "/spec/x", json!(1)),
        ] {
            let found = patched(pod.clone(), Strategic, patch.clone());
            assert_eq!(found.pointer(pointer), Some(&expected), "{patch}");
        }
    }

    #[test]
    fn the_other_patches_are_those_of_their_standards() {
        let value = json!({"a": {"b": 1, "c": [1, 2]}});
        let found = patched(value.clone(), PatchKind::Merge, json!({"a": {"b": null, "c": [3]}}));
        assert_eq!(found, json!({"a": {"c": [3]}}));
        let patch = json!([{"op": "add", "path": "/a/c/-", "value": 3}, {"op": "remove", "path": "/a/b"}]);
        assert_eq!(patched(value.clone(), PatchKind::Json, patch), json!({"a": {"c": [1, 2, 3]}}));
        for (kind, patch, words) in [
            (
                PatchKind::Json,
                json!([{"op": "test", "path": "/a/b", "value": 2}]),
                "the server rejected our request due to an error in our request",
            ),
            (
                PatchKind::Merge,
                json!([1]),
                "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
        ] {
            let refused = patch_value(&mut value.clone(), kind, &patch).expect_err("a bad patch");
            assert_eq!(refused.to_string(), words);
        }
    }

    #[test]
    fn what_a_patch_does_not_touch_stays_the_same_version() {
        let manifest = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
            "spec": {"containers": [{"name": "web", "image": "nginx", "tty": true}]}});
        let Object::Pod(pod) = lower(&manifest).expect("a pod").object else { panic!("a pod") };
        let mut admitted = Pod::clone(&pod);
        Arc::make_mut(&mut admitted.spec).token_volume = true;
        Arc::make_mut(&mut admitted.spec).service_account = "default".into();
        let stored = Object::Pod(Arc::new(admitted));
        let patch = json!({"metadata": {"labels": {"a": "b"}}});
        let Object::Pod(labelled) = apply_patch(&stored, PatchKind::Strategic, &patch).expect("labels") else {
            panic!("a pod")
        };
        let Object::Pod(before) = &stored else { panic!("a pod") };
        assert!(Arc::ptr_eq(&labelled.spec, &before.spec) && Arc::ptr_eq(&labelled.status, &before.status));
        assert_eq!(labelled.meta.labels.to_string(), "a=b");
        let none = apply_patch(&stored, PatchKind::Merge, &json!({})).expect("an empty patch");
        assert_eq!(none, stored);
        let unknown = apply_patch(&stored, PatchKind::Merge, &json!({"spec": {"foo": 1}})).expect_err("unknown");
        assert!(unknown.to_string().ends_with("strict decoding error: unknown field \"spec.foo\""), "{unknown}");
    }

    #[test]
    fn applied_manifests_remove_what_they_no_longer_name() {
        let manifest = |spec: Value| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {
                "selector": {"matchLabels": {"a": "b"}}, "replicas": spec["replicas"],
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": spec["containers"]}}}})
        };
        let first = manifest(json!({"replicas": 3, "containers": [{"name": "c", "image": "1",
            "env": [{"name": "X", "value": "x"}]}, {"name": "gone", "image": "1"}]}));
        let second = manifest(json!({"replicas": 2, "containers": [{"name": "c", "image": "2"}]}));
        let stored = lower(&first).expect("a Deployment").object;
        let applied = apply_manifest(&stored, Some(&first), &second).expect("an apply");
        assert_eq!(render(&applied)["spec"], render(&lower(&second).expect("a Deployment").object)["spec"]);
    }
}
