//! The objects of a cluster at an instant, found as an API server finds them.

use super::fields::{Fields, name, namespace};
use super::resources::{self, Resource};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Objects by kind, each kind in the order of a server's listing: by namespace and name.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    by_kind: ByKind,
}

/// By group and kind.
type ByKind = BTreeMap<(&'static str, &'static str), Vec<Value>>;

impl Objects {
    /// Takes objects of any kinds and in any order. Lists among them count as what they list; kinds that kubectl does
    /// not know are left out.
    pub fn new(objects: impl IntoIterator<Item = Value>) -> Self {
        let mut by_kind = ByKind::new();
        let mut waiting: Vec<Value> = objects.into_iter().collect();
        while let Some(mut object) = waiting.pop() {
            if let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
                waiting.append(items);
            } else if let Some(resource) = resources::of_kind(object.text("apiVersion"), object.text("kind")) {
                by_kind.entry((resource.group, resource.kind)).or_default().push(object);
            }
        }
        add_built_in_priority_classes(&mut by_kind);
        for listed in by_kind.values_mut() {
            // etcd compares whole keys, in which a slash parts namespace and name.
            listed.sort_by_cached_key(|object| format!("{}/{}", namespace(object), name(object)));
        }
        Self { by_kind }
    }

    /// All objects of a kind, of one namespace or of all (`None`).
    pub fn list<'a>(&'a self, resource: &Resource, within: Option<&'a str>) -> impl Iterator<Item = &'a Value> + 'a {
        let all = self.by_kind.get(&(resource.group, resource.kind)).map_or(&[] as &[Value], Vec::as_slice);
        all.iter().filter(move |object| within.is_none_or(|n| namespace(object) == n))
    }

    /// All objects of a kind, named by its API version and kind.
    pub fn of_kind<'a>(
        &'a self,
        api_version: &str,
        kind: &str,
        within: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Value> + 'a {
        resources::of_kind(api_version, kind).into_iter().flat_map(move |resource| self.list(resource, within))
    }

    /// One object by name; `within` is empty for kinds without namespaces.
    pub fn find(&self, resource: &Resource, within: &str, wanted: &str) -> Option<&Value> {
        self.list(resource, None).find(|object| namespace(object) == within && name(object) == wanted)
    }
}

/// A server makes two priority classes when it starts, at the time of its own service, `default/kubernetes`. Dumps of
/// clusters that show the service tend to leave the classes out.
fn add_built_in_priority_classes(by_kind: &mut ByKind) {
    let services = by_kind.get(&("", "Service")).map_or(&[] as &[Value], Vec::as_slice);
    let own = services.iter().find(|service| namespace(service) == "default" && name(service) == "kubernetes");
    let Some(started) = own.map(|service| service["metadata"]["creationTimestamp"].clone()) else {
        return;
    };
    let classes = by_kind.entry(("scheduling.k8s.io", "PriorityClass")).or_default();
    for (class_name, value, description) in [
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, \
             but can be moved to another node if necessary.",
        ),
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    ] {
        if classes.iter().all(|class| name(class) != class_name) {
            classes.push(json!({
                "apiVersion": "scheduling.k8s.io/v1",
                "description": description,
                "kind": "PriorityClass",
                "metadata": {"creationTimestamp": started, "generation": 1, "name": class_name},
                "preemptionPolicy": "PreemptLowerPriority",
                "value": value,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_list_in_the_order_of_their_keys() {
        let pod = |ns: &str, name: &str| {
            let metadata = json!({"namespace": ns, "name": name});
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
        };
        let list = json!({"kind": "List", "items": [pod("a", "y"), pod("a-b", "z"), {"kind": "Own"}]});
        let objects = Objects::new([pod("b", "x"), list]);
        let names = |within| objects.of_kind("v1", "Pod", within).map(name).collect::<String>();
        assert_eq!((names(None), names(Some("a"))), ("zyx".to_owned(), "y".to_owned()));
    }

    #[test]
    fn a_server_brings_its_priority_classes() {
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": "default", "name": "kubernetes", "creationTimestamp": "2026-01-01T00:00:00Z"},
        });
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": "system-node-critical"},
        });
        for (given, count) in [(vec![], 0), (vec![service.clone()], 2), (vec![service, class], 2)] {
            let objects = Objects::new(given);
            assert_eq!(objects.of_kind("scheduling.k8s.io/v1", "PriorityClass", None).count(), count);
        }
    }
}
