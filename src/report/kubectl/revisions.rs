//! What came before: the replica sets of a deployment, the controller revisions of stateful and daemon sets.
//!
//! Follows kubectl 1.36 `pkg/util/deployment/deployment.go` and `pkg/polymorphichelpers/history.go`.

use super::Objects;
use super::fields::{Fields, is_controlled_by, name, namespace, quantity};
use super::selector::LabelSelector;
use serde_json::{Map, Value};

/// The replica sets of a deployment.
#[derive(Debug)]
pub struct ReplicaSets<'a> {
    /// Those of earlier templates, oldest first.
    pub old: Vec<&'a Value>,
    /// The one with the template the deployment has now, if it exists yet.
    pub new: Option<&'a Value>,
}

impl<'a> ReplicaSets<'a> {
    /// Finds what the deployment controls and selects.
    pub fn of(deployment: &Value, objects: &'a Objects) -> Self {
        let mut owned = controlled(deployment, objects, "ReplicaSet");
        owned.sort_by_key(|set| (set.time("metadata.creationTimestamp"), name(set)));
        let wanted = without_hash(deployment.at("spec.template"));
        let is_new = |set: &&&Value| without_hash(set.at("spec.template")) == wanted;
        let new = owned.iter().find(is_new).copied();
        owned.retain(|set| new.is_none_or(|new| new.text("metadata.uid") != set.text("metadata.uid")));
        Self { old: owned, new }
    }
}

/// The controller revisions of a stateful or daemon set.
pub fn controller_revisions<'a>(set: &Value, objects: &'a Objects) -> Vec<&'a Value> {
    controlled(set, objects, "ControllerRevision")
}

/// Objects of a kind of `apps/v1` that `owner` controls and selects.
fn controlled<'a>(owner: &Value, objects: &'a Objects, kind: &str) -> Vec<&'a Value> {
    let selector = LabelSelector::from_object(owner.at("spec.selector"));
    let uid = owner.text("metadata.uid");
    let all = objects.of_kind("apps/v1", kind, None).filter(|object| namespace(object) == namespace(owner));
    all.filter(|object| is_controlled_by(object, uid) && selector.matches(object)).collect()
}

/// A template in the form in which templates are compared: no hash label, nothing that is empty, amounts by size.
fn without_hash(template: &Value) -> Value {
    let mut template = normal_form("", template);
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
    }
    normal_form("", &template)
}

fn normal_form(key: &str, value: &Value) -> Value {
    match value {
        Value::Object(map) if matches!(key, "limits" | "requests") => {
            map.iter().map(|(name, amount)| (name.clone(), Value::from(quantity(amount).milli_value()))).collect()
        }
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| (key.clone(), normal_form(key, value)));
            Value::Object(entries.filter(|(key, value)| !is_empty(key, value)).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(|item| normal_form("", item)).collect(),
        other => other.clone(),
    }
}

/// Absent, null and empty are the same, except where an empty object is a choice: `emptyDir: {}`.
fn is_empty(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() && key != "value",
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty() && matches!(key, "labels" | "annotations" | "metadata" | "resources"),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_new_replica_set_has_the_template_of_the_deployment() {
        let template = |image: &str, cpu: &str, hash: Option<&str>| {
            let labels = json!({"app": "web", "pod-template-hash": hash});
            json!({"metadata": {"labels": labels}, "spec": {"containers": [
                {"image": image, "resources": {"limits": {"cpu": cpu}}}
            ]}})
        };
        let set = |name: &str, created: &str, template: Value| {
            json!({
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": {"template": template},
                "metadata": {
                    "name": name, "uid": name, "creationTimestamp": created, "labels": {"app": "web"},
                    "ownerReferences": [{"uid": "d", "controller": true}],
                },
            })
        };
        let deployment = json!({
            "metadata": {"uid": "d"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template("b", "1", None)},
        });
        let objects = Objects::new([
            set("c", "2026-01-03T00:00:00Z", template("c", "1", Some("3"))),
            set("a", "2026-01-02T00:00:00Z", template("a", "1", Some("1"))),
            set("b", "2026-01-01T00:00:00Z", template("b", "1000m", Some("2"))),
        ]);
        let sets = ReplicaSets::of(&deployment, &objects);
        assert_eq!(sets.new.map(name), Some("b"));
        assert_eq!(sets.old.into_iter().map(name).collect::<String>(), "ac");
    }
}
