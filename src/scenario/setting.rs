//! One field of a scenario, or of an object in its manifests, set to another value: how studies vary what they run.
//!
//! A path is written as fields, list elements and keys: `nodes[0].count`, `images[nginx].size`,
//! `behaviors[pods=web-*].containers[0].process.duration`. The field of an object stands behind the object's name and a
//! colon: `deployment/web:spec.replicas`, `pod/prod/db:spec.containers[name=db].resources.requests.cpu`.

use super::manifest::Position;
use super::outline::{Body, Field, Node, Shape, parse};
use serde_json::Value as Json;
use std::fmt;

/// Values that are set have numbers beyond those of any file.
const FIRST_ID: u32 = 1 << 30;

/// A field, and what it is set to.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    path: String,
    of: Of,
    steps: Vec<Step>,
    value: Node,
}

/// Of what a field is set.
#[derive(Debug, Clone, PartialEq)]
enum Of {
    Scenario,
    /// Kind as in a manifest or as kubectl takes it, namespace, name.
    Object(String, Option<String>, String),
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    /// `[0]` or `[key]`.
    At(String),
    /// `[field=value]`.
    Where(String, String),
}

impl Setting {
    /// A setting from its path and its value, both as they are written in a scenario.
    ///
    /// # Errors
    /// What is wrong with the path or the value.
    pub fn new(path: &str, value: &str) -> Result<Self, String> {
        let (node, errors) = parse(value);
        match (node, errors.first()) {
            (Some(node), None) => Self::of_node(path, node),
            (_, error) => Err(error.map_or_else(|| "no value".to_owned(), |error| error.found.clone())),
        }
    }

    /// The same from a value that was read already.
    pub(super) fn of_node(path: &str, value: Node) -> Result<Self, String> {
        let (of, rest) = match path.split_once(':') {
            None => (Of::Scenario, path),
            Some((object, rest)) => {
                let parts: Vec<&str> = object.split('/').collect();
                let of = match parts.as_slice() {
                    [kind, name] => Of::Object((*kind).to_owned(), None, (*name).to_owned()),
                    [kind, namespace, name] => {
                        Of::Object((*kind).to_owned(), Some((*namespace).to_owned()), (*name).to_owned())
                    }
                    _ => return Err(format!("the object {object:?}")),
                };
                (of, rest)
            }
        };
        let steps = steps(rest).ok_or_else(|| format!("the path {path:?}"))?;
        Ok(Self { path: path.to_owned(), of, steps, value })
    }

    /// The path as written.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is about an object rather than about the scenario.
    pub(super) fn is_of_object(&self) -> bool {
        self.of != Of::Scenario
    }

    /// Sets the field of a scenario's outline.
    pub(super) fn apply(&self, root: &mut Node) -> Result<(), String> {
        let mut at = root;
        for (place, step) in self.steps.iter().enumerate() {
            let last = place + 1 == self.steps.len();
            at = child(at, step, last).ok_or_else(|| format!("the scenario has no {}", self.path))?;
        }
        let mut id = FIRST_ID;
        *at = moved(&self.value, at.at, &mut id);
        Ok(())
    }

    /// Sets the field of an object if the object is meant.
    pub(super) fn apply_to_object(&self, object: &mut Json) -> bool {
        let Of::Object(kind, namespace, name) = &self.of else { return false };
        let meta = &object["metadata"];
        let own_kind = object["kind"].as_str().unwrap_or_default();
        let known = super::names::kind(kind).map_or_else(|_| kind.clone(), |kind| kind.as_str().to_owned());
        let meant = known.eq_ignore_ascii_case(own_kind)
            && meta["name"] == **name
            && namespace.as_ref().is_none_or(|namespace| meta["namespace"].as_str().unwrap_or("default") == namespace);
        if !meant {
            return false;
        }
        let mut at = object;
        for step in &self.steps {
            let next = match step {
                Step::Field(name) => at.as_object_mut().map(|map| map.entry(name.clone()).or_insert(Json::Null)),
                Step::At(key) => match key.parse::<usize>() {
                    Ok(index) if at.is_array() => at.get_mut(index),
                    _ => at.as_object_mut().map(|map| map.entry(key.clone()).or_insert(Json::Null)),
                },
                Step::Where(field, value) => at
                    .as_array_mut()
                    .and_then(|list| list.iter_mut().find(|element| element[field.as_str()] == value.as_str())),
            };
            let Some(next) = next else { return false };
            if next.is_null() {
                *next = Json::Object(serde_json::Map::new());
            }
            at = next;
        }
        *at = json(&self.value);
        true
    }
}

/// A value as it is written.
pub(super) struct Literal<'n>(pub &'n Node);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, nodes: &[Node]| {
            nodes.iter().enumerate().try_for_each(|(n, node)| {
                f.write_str(if n == 0 { "" } else { ", " })?;
                write!(f, "{}", Literal(node))
            })
        };
        match &self.0.shape {
            Shape::Bool(value) => write!(f, "{value}"),
            Shape::Number(text) => f.write_str(text),
            Shape::Char(letter) => write!(f, "{letter}"),
            Shape::Text(text, _) => f.write_str(text),
            Shape::List(nodes) => {
                f.write_str("[")?;
                list(f, nodes)?;
                f.write_str("]")
            }
            Shape::Map(entries) => {
                let told: Vec<String> =
                    entries.iter().map(|(k, v)| format!("{}: {}", Literal(k), Literal(v))).collect();
                write!(f, "{{{}}}", told.join(", "))
            }
            Shape::Struct(name, body) => {
                f.write_str(name.as_deref().unwrap_or_default())?;
                match body {
                    Body::Unit => Ok(()),
                    Body::Tuple(nodes) => {
                        f.write_str("(")?;
                        list(f, nodes)?;
                        f.write_str(")")
                    }
                    Body::Fields(fields) => {
                        let told: Vec<String> =
                            fields.iter().map(|field| format!("{}: {}", field.name, Literal(&field.value))).collect();
                        write!(f, "({})", told.join(", "))
                    }
                }
            }
        }
    }
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (key, behind) = inner.split_once(']')?;
            steps.push(match key.split_once('=') {
                Some((field, value)) => Step::Where(field.to_owned(), value.to_owned()),
                None => Step::At(key.to_owned()),
            });
            rest = behind;
        } else {
            let own = rest.strip_prefix('.').unwrap_or(rest);
            let end = own.find(['.', '[']).unwrap_or(own.len());
            if end == 0 {
                return None;
            }
            steps.push(Step::Field(own[..end].to_owned()));
            rest = &own[end..];
        }
    }
    (!steps.is_empty()).then_some(steps)
}

/// What a step leads to; a field that is not stated is made if it is the last one.
fn child<'n>(node: &'n mut Node, step: &Step, last: bool) -> Option<&'n mut Node> {
    let at = node.at;
    if let (Shape::Struct(_, body @ Body::Unit), Step::Field(_), true) = (&mut node.shape, step, last) {
        *body = Body::Fields(Vec::new());
    }
    match (&mut node.shape, step) {
        // `Delete((object: …))` and `Delete(object: …)` are the same.
        (Shape::Struct(_, Body::Tuple(parts)), Step::Field(_)) => match parts.as_mut_slice() {
            [only] => child(only, step, last),
            _ => None,
        },
        (Shape::Struct(_, Body::Fields(fields)), Step::Field(name)) => {
            let known = fields.iter().position(|field| field.name == *name);
            let place = known.or_else(|| {
                last.then(|| {
                    let value = Node { id: FIRST_ID - 1, at, shape: Shape::Bool(false) };
                    fields.push(Field { name: name.clone(), at, value });
                    fields.len() - 1
                })
            })?;
            Some(&mut fields[place].value)
        }
        (Shape::List(nodes), Step::At(index)) => nodes.get_mut(index.parse::<usize>().ok()?),
        (Shape::List(nodes), Step::Where(field, value)) => nodes.iter_mut().find(|node| says(node, field, value)),
        (Shape::Map(entries), Step::At(key) | Step::Field(key)) => {
            entries.iter_mut().find(|(k, _)| matches!(&k.shape, Shape::Text(text, _) if text == key)).map(|(_, v)| v)
        }
        _ => None,
    }
}

/// Whether a struct has a field with a value.
fn says(node: &Node, field: &str, value: &str) -> bool {
    match &node.shape {
        Shape::Struct(_, Body::Fields(fields)) => {
            fields.iter().any(|known| known.name == field && Literal(&known.value).to_string() == value)
        }
        Shape::Struct(_, Body::Tuple(parts)) => parts.iter().any(|part| says(part, field, value)),
        _ => false,
    }
}

/// A value as if it stood at another place.
fn moved(node: &Node, at: Position, id: &mut u32) -> Node {
    *id += 1;
    let own = *id;
    let shape = match &node.shape {
        Shape::List(nodes) => Shape::List(nodes.iter().map(|node| moved(node, at, id)).collect()),
        Shape::Map(entries) => Shape::Map(entries.iter().map(|(k, v)| (moved(k, at, id), moved(v, at, id))).collect()),
        Shape::Struct(name, body) => Shape::Struct(
            name.clone(),
            match body {
                Body::Unit => Body::Unit,
                Body::Tuple(nodes) => Body::Tuple(nodes.iter().map(|node| moved(node, at, id)).collect()),
                Body::Fields(fields) => Body::Fields(
                    fields
                        .iter()
                        .map(|field| Field { name: field.name.clone(), at, value: moved(&field.value, at, id) })
                        .collect(),
                ),
            },
        ),
        Shape::Text(text, _) => Shape::Text(text.clone(), at),
        shape => shape.clone(),
    };
    Node { id: own, at, shape }
}

/// A value as JSON.
fn json(node: &Node) -> Json {
    match &node.shape {
        Shape::Bool(value) => Json::Bool(*value),
        Shape::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone())),
        Shape::Char(letter) => Json::String(letter.to_string()),
        Shape::Text(text, _) => Json::String(text.clone()),
        Shape::List(nodes) => Json::Array(nodes.iter().map(json).collect()),
        Shape::Map(entries) => Json::Object(entries.iter().map(|(k, v)| (Literal(k).to_string(), json(v))).collect()),
        Shape::Struct(_, Body::Fields(fields)) => {
            Json::Object(fields.iter().map(|field| (field.name.clone(), json(&field.value))).collect())
        }
        Shape::Struct(..) => Json::String(Literal(node).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(scenario: &str, path: &str, value: &str) -> Result<String, String> {
        let mut root = parse(scenario).0.expect("a scenario");
        Setting::new(path, value)?.apply(&mut root)?;
        Ok(Literal(&root).to_string())
    }

    #[test]
    fn fields_of_a_scenario_are_set() {
        let scenario = r#"(nodes: [Pool(count: 3)], images: {"nginx": Image(size: "1Mi")}, actions: [(at: "1s", do: Delete((object: "pod/a")))])"#;
        for (path, value, expect) in [
            ("nodes[0].count", "5", "Pool(count: 5)"),
            ("nodes[count=3].name", "\"n\"", "Pool(count: 3, name: n)"),
            ("images[nginx].pull", "Uniform(min: \"1s\", max: \"2s\")", "pull: Uniform(min: 1s, max: 2s)"),
            ("duration", "\"5m\"", "duration: 5m"),
            ("actions[0].do.object", "\"pod/b\"", "Delete((object: pod/b))"),
        ] {
            let told = set(scenario, path, value).expect("a good setting");
            assert!(told.contains(expect), "{told}");
        }
        assert_eq!(set(scenario, "nodes[1].count", "5"), Err("the scenario has no nodes[1].count".to_owned()));
        assert!(set(scenario, "nodes[", "5").is_err());
    }

    #[test]
    fn fields_of_objects_are_set() {
        let mut object = json!({"kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"template": {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}}});
        let set = |object: &mut Json, path: &str, value: &str| {
            Setting::new(path, value).expect("a good setting").apply_to_object(object)
        };
        assert!(set(&mut object, "deployment/web:spec.replicas", "4"));
        let requests = "Deployment/default/web:spec.template.spec.containers[name=b].resources.requests.cpu";
        assert!(set(&mut object, requests, "\"500m\""));
        assert!(!set(&mut object, "deployment/other:spec.replicas", "4"));
        assert_eq!(object["spec"]["replicas"], 4);
        assert_eq!(object.pointer("/spec/template/spec/containers/1/resources/requests/cpu"), Some(&json!("500m")));
    }
}
