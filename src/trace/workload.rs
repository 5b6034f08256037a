//! The lines of a recording that are about workloads: their status as it is printed, with times as milliseconds.

use crate::api::{Kind, Object, Timestamp, WallClock, render};
use serde_json::{Map, Value};

/// The line of an object, if objects of its kind have lines.
pub(super) fn line(object: &Object, clock: WallClock) -> Option<Map<String, Value>> {
    let kind = match object.kind() {
        Kind::Deployment
        | Kind::ReplicaSet
        | Kind::StatefulSet
        | Kind::DaemonSet
        | Kind::Job
        | Kind::CronJob
        | Kind::EndpointSlice
        | Kind::PodDisruptionBudget
        | Kind::PersistentVolumeClaim
        | Kind::ResourceQuota => object.kind().as_str().to_lowercase(),
        _ => return None,
    };
    let meta = object.meta();
    let mut printed = render(object);
    let mut line = Map::new();
    let mut set = |field: &str, value: Value| {
        if !value.is_null() {
            line.insert(field.to_owned(), in_millis(value, clock));
        }
    };
    set("kind", kind.into());
    set("name", meta.name.as_str().into());
    set("uid", meta.uid.to_string()[..8].into());
    set("resourceVersion", meta.resource_version.to_string().into());
    for field in ["annotations", "labels", "finalizers", "creationTimestamp", "deletionTimestamp", "generation"] {
        set(field, printed["metadata"][field].take());
    }
    for field in ["status", "endpoints", "ports"] {
        set(field, printed[field].take());
    }
    if !meta.owner_references.is_empty() {
        let owners = meta.owner_references.iter().map(|owner| Value::from(format!("{}/{}", owner.kind, owner.name)));
        set("owners", owners.collect());
    }
    Some(line)
}

/// Times as milliseconds since the start.
fn in_millis(value: Value, clock: WallClock) -> Value {
    match value {
        Value::String(text) => match millis(&text, clock) {
            Some(millis) => millis.into(),
            None => Value::String(text),
        },
        Value::Array(values) => values.into_iter().map(|value| in_millis(value, clock)).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, in_millis(value, clock))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

fn millis(text: &str, clock: WallClock) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes[10] != b'T' || !bytes[0].is_ascii_digit() {
        return None;
    }
    let stamp: jiff::Timestamp = text.parse().ok()?;
    Some(clock.millis_since_start(Timestamp::from_unix_secs(stamp.as_second())))
}
