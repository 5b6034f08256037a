//! Values of objects, and comparisons with them.

use crate::api::{
    Condition, ConditionStatus, ContainerState, ContainerStatus, Name, Object, Pod, render, render_status,
};
use crate::components::runtime::Glob;
use regex_lite::Regex;
use serde_json::Value as Json;
use std::cmp::Ordering;
use std::fmt;

/// What an object says.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Absent,
    /// Whether.
    Bool(bool),
    /// How many.
    Int(i64),
    /// A word or a text.
    Text(String),
}

impl Value {
    /// Whether a value alone holds.
    pub fn holds(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Text(text) => !matches!(text.as_str(), "" | "False" | "Unknown" | "false"),
        }
    }

    fn text(text: &str) -> Self {
        if text.is_empty() { Self::Absent } else { Self::Text(text.to_owned()) }
    }

    fn of_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Absent,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => number.as_i64().map_or_else(|| Self::Text(number.to_string()), Self::Int),
            Json::String(text) => Self::Text(text.clone()),
            Json::Array(elements) => Self::Int(elements.len() as i64),
            Json::Object(_) => Self::Text(json.to_string()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("not stated"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// How a value is compared.
#[derive(Debug, Clone)]
pub enum Comparison {
    /// It holds.
    Holds,
    /// It is equal, or not.
    Equal(Value, bool),
    /// It is in one of these orders to a number.
    Order(&'static [Ordering], i64),
    /// It matches a pattern of a shell.
    Like(Glob),
    /// It matches a regular expression somewhere.
    Matches(Regex),
}

impl Comparison {
    /// Whether a value meets it.
    pub fn accepts(&self, value: &Value) -> bool {
        let text = || match value {
            Value::Absent => String::new(),
            other => other.to_string(),
        };
        match self {
            Self::Holds => value.holds(),
            Self::Equal(wanted, expected) => {
                let equal = match (wanted, value) {
                    (Value::Int(wanted), Value::Absent) => *wanted == 0,
                    (Value::Bool(wanted), Value::Absent) => !wanted,
                    (Value::Text(wanted), Value::Absent) => wanted.is_empty(),
                    (wanted, have) if wanted == have => true,
                    // `== True` of a truth value, `== 'true'`: as people write them.
                    (wanted, have) => wanted.to_string().eq_ignore_ascii_case(&have.to_string()),
                };
                equal == *expected
            }
            Self::Order(orders, wanted) => {
                let number = match value {
                    Value::Int(number) => Some(*number),
                    Value::Absent => Some(0),
                    Value::Bool(_) => None,
                    Value::Text(text) => text.parse().ok(),
                };
                number.is_some_and(|number| orders.contains(&number.cmp(wanted)))
            }
            Self::Like(glob) => glob.matches(&text()),
            Self::Matches(regex) => regex.is_match(&text()),
        }
    }
}

/// A value of one object.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// The object itself: whether it is there.
    Existence,
    /// A value of a pod, by its short name.
    Pod(&'static str),
    /// A value of a container of a pod.
    Container(Name, &'static str),
    /// A value of a node, by its short name.
    Node(&'static str),
    /// A condition, and what of it.
    Condition(Name, &'static str),
    /// A taint of a node, and what of it.
    Taint(Name, &'static str),
    /// Something in the object as kubectl prints it.
    Path(Vec<Step>),
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A field.
    Field(String),
    /// An element of a list.
    Index(usize),
    /// The element of a list whose field has a value.
    Where(String, String),
}

/// The short names of a pod's values.
pub(super) const POD_FIELDS: [&str; 9] =
    ["phase", "ready", "restarts", "node", "ip", "reason", "message", "qosClass", "terminating"];
/// The names of a container's values.
pub(super) const CONTAINER_FIELDS: [&str; 10] = [
    "state",
    "reason",
    "message",
    "exitCode",
    "restarts",
    "ready",
    "started",
    "image",
    "lastState.reason",
    "lastState.exitCode",
];
/// The short names of a node's values.
pub(super) const NODE_FIELDS: [&str; 2] = ["ready", "schedulable"];
/// What a condition says.
pub(super) const CONDITION_FIELDS: [&str; 3] = ["status", "reason", "message"];
/// What a taint says.
pub(super) const TAINT_FIELDS: [&str; 2] = ["effect", "value"];

impl Field {
    /// The value of an object.
    pub fn of(&self, object: &Object) -> Value {
        match (self, object) {
            (Self::Existence, _) => Value::Bool(true),
            (Self::Pod(field), Object::Pod(pod)) => pod_value(pod, field),
            (Self::Container(name, field), Object::Pod(pod)) => {
                let status = pod.status.all_containers().find(|status| status.name == *name);
                status.map_or(Value::Absent, |status| container_value(status, field))
            }
            (Self::Node("ready"), Object::Node(node)) => Value::Bool(node.is_ready()),
            (Self::Node(_), Object::Node(node)) => Value::Bool(!node.unschedulable),
            (Self::Taint(key, field), Object::Node(node)) => {
                let taint = node.taints.iter().find(|taint| taint.key == *key);
                taint.map_or(Value::Absent, |taint| match *field {
                    "value" => Value::text(&taint.value),
                    _ => Value::text(&format!("{:?}", taint.effect)),
                })
            }
            (Self::Condition(kind, field), _) => condition_value(object, *kind, field),
            (Self::Path(steps), _) => path_value(object, steps),
            _ => Value::Absent,
        }
    }
}

/// Something in an object as kubectl prints it. Most that is asked for is in its status, or an image: neither needs the
/// whole object to be printed.
fn path_value(object: &Object, steps: &[Step]) -> Value {
    if let Object::Pod(pod) = object
        && let Some(image) = image(pod, steps)
    {
        return Value::text(&image);
    }
    let found = |json: &Json, steps: &[Step]| Value::of_json(walk(json, steps).unwrap_or(&Json::Null));
    if let Some((Step::Field(first), rest)) = steps.split_first()
        && first == "status"
        && let Some(status) = render_status(object)
    {
        return found(&status, rest);
    }
    found(&render(object), steps)
}

/// The image at `spec.containers[0].image`.
fn image(pod: &Pod, steps: &[Step]) -> Option<Name> {
    let [Step::Field(spec), Step::Field(containers), Step::Index(place), Step::Field(image)] = steps else {
        return None;
    };
    let meant = spec == "spec" && containers == "containers" && image == "image";
    pod.spec.containers.get(*place).filter(|_| meant).map(|container| container.image)
}

fn pod_value(pod: &Pod, field: &str) -> Value {
    let status = &pod.status;
    match field {
        "phase" => Value::Text(status.phase.to_string()),
        "ready" => Value::Bool(pod.is_ready()),
        "restarts" => Value::Int(pod.restarts().into()),
        "node" => Value::text(&pod.node_name),
        "ip" => status.pod_ip.map_or(Value::Absent, |ip| Value::Text(ip.to_string())),
        "reason" => Value::text(&status.reason),
        "message" => Value::text(&status.message),
        "qosClass" => Value::Text(status.qos_class.to_string()),
        _ => Value::Bool(pod.meta.is_terminating()),
    }
}

fn container_value(status: &ContainerStatus, field: &str) -> Value {
    match field {
        "state" => Value::Text(
            match status.state {
                ContainerState::Waiting { .. } => "Waiting",
                ContainerState::Running { .. } => "Running",
                ContainerState::Terminated(_) => "Terminated",
            }
            .to_owned(),
        ),
        "reason" => match &status.state {
            ContainerState::Waiting { reason, .. } => Value::text(reason),
            ContainerState::Running { .. } => Value::Absent,
            ContainerState::Terminated(end) => Value::text(&end.reason),
        },
        "message" => match &status.state {
            ContainerState::Waiting { message, .. } => Value::text(message),
            ContainerState::Running { .. } => Value::Absent,
            ContainerState::Terminated(end) => Value::text(&end.message),
        },
        "exitCode" => status.state.terminated().map_or(Value::Absent, |end| Value::Int(end.exit_code.into())),
        "restarts" => Value::Int(status.restart_count.into()),
        "ready" => Value::Bool(status.ready),
        "started" => Value::Bool(status.started.unwrap_or(false)),
        "image" => Value::text(&status.image),
        "lastState.reason" => status.last_state.as_ref().map_or(Value::Absent, |end| Value::text(&end.reason)),
        _ => status.last_state.as_ref().map_or(Value::Absent, |end| Value::Int(end.exit_code.into())),
    }
}

fn condition_value(object: &Object, kind: Name, field: &str) -> Value {
    let typed: Option<&[Condition]> = match object {
        Object::Pod(pod) => Some(&pod.status.conditions),
        Object::Node(node) => Some(&node.status.conditions),
        _ => None,
    };
    match typed {
        Some(conditions) => {
            let condition = conditions.iter().find(|condition| condition.kind == kind);
            condition.map_or(Value::Absent, |condition| match field {
                "reason" => Value::text(&condition.reason),
                "message" => Value::text(&condition.message),
                _ => Value::Text(
                    match condition.status {
                        ConditionStatus::True => "True",
                        ConditionStatus::False => "False",
                        ConditionStatus::Unknown => "Unknown",
                    }
                    .to_owned(),
                ),
            })
        }
        None => {
            let steps = ["status", "conditions"].map(|name| Step::Field(name.to_owned()));
            let of_kind = Step::Where("type".to_owned(), kind.to_string());
            let steps: Vec<Step> = steps.into_iter().chain([of_kind, Step::Field(field.to_owned())]).collect();
            Value::of_json(walk(&render(object), &steps).unwrap_or(&Json::Null))
        }
    }
}

fn walk<'j>(json: &'j Json, steps: &[Step]) -> Option<&'j Json> {
    steps.iter().try_fold(json, |json, step| match step {
        Step::Field(name) => json.get(name),
        Step::Index(index) => json.get(index),
        Step::Where(field, value) => json.as_array()?.iter().find(|element| match element.get(field) {
            Some(Json::String(text)) => text == value,
            Some(other) => serde_json::from_str::<Json>(value).is_ok_and(|value| value == *other),
            None => false,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_stated_is_nothing_of_its_kind() {
        let equal = |value| Comparison::Equal(value, true);
        for (comparison, value, expected) in [
            (equal(Value::Int(0)), Value::Absent, true),
            (equal(Value::Text(String::new())), Value::Absent, true),
            (equal(Value::Bool(false)), Value::Absent, true),
            (equal(Value::Int(1)), Value::Absent, false),
            (equal(Value::Text("True".into())), Value::Bool(true), true),
            (Comparison::Order(&[Ordering::Greater, Ordering::Equal], 3), Value::Int(3), true),
            (Comparison::Order(&[Ordering::Less], 3), Value::Int(3), false),
            (Comparison::Order(&[Ordering::Less], 3), Value::Absent, true),
            (Comparison::Like("Back-off*".parse().unwrap()), Value::Text("Back-off 10s".into()), true),
            (Comparison::Holds, Value::Text("Unknown".into()), false),
        ] {
            assert_eq!(comparison.accepts(&value), expected, "{comparison:?} {value:?}");
        }
    }

    #[test]
    fn paths_walk_fields_indexes_and_names() {
        let json = json!({"a": [{"name": "x", "n": 1}, {"name": "y", "n": 2}]});
        let field = |name: &str| Step::Field(name.into());
        let by_name = [field("a"), Step::Where("name".into(), "y".into()), field("n")];
        assert_eq!(walk(&json, &by_name), Some(&json!(2)));
        assert_eq!(walk(&json, &[field("a"), Step::Index(0), field("n")]), Some(&json!(1)));
        assert_eq!(walk(&json, &[field("b")]), None);
    }
}
