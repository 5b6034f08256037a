//! What many descriptions have in common: labels, annotations, taints, tolerations, events.
//!
//! Follows kubectl 1.36 `pkg/describe/describe.go`.

use super::Context;
use super::writer::{Writer, put};
use crate::report::kubectl::fields::{Fields, controller, name, namespace};
use crate::report::kubectl::get::since;
use crate::report::kubectl::go::rfc1123z;
use crate::report::kubectl::go_sort::sort_by_key;
use crate::report::kubectl::selector::LabelSelector;
use serde_json::Value;

/// Longer annotations get lines of their own, and are cut.
const LONGEST_ANNOTATION: usize = 140;

/// `Title:` and a line for each label.
pub fn labels(w: &mut Writer, title: &str, entries: &[(&str, &str)]) {
    labels_indented(w, "", title, entries);
}

/// Labels below an indented title.
pub fn labels_indented(w: &mut Writer, indent: &str, title: &str, entries: &[(&str, &str)]) {
    let lines: Vec<String> = entries.iter().map(|(key, value)| format!("{key}={value}")).collect();
    lines_below(w, indent, title, &lines);
}

/// `Title:` and a line for each text, or `<none>`.
pub fn lines_below(w: &mut Writer, indent: &str, title: &str, lines: &[String]) {
    put!(w, 0, "{indent}{title}:\t");
    if lines.is_empty() {
        w.end("<none>");
    }
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            // Two writes: a nested writer indents each.
            put!(w, 0, "{indent}");
            put!(w, 0, "\t");
        }
        put!(w, 0, "{line}\n");
    }
}

/// Annotations, without the last applied configuration.
pub fn annotations(w: &mut Writer, title: &str, entries: &[(&str, &str)]) {
    put!(w, 0, "{title}:\t");
    let shown = entries.iter().filter(|(key, _)| *key != "kubectl.kubernetes.io/last-applied-configuration");
    let mut empty = true;
    for (key, value) in shown {
        if !std::mem::replace(&mut empty, false) {
            put!(w, 0, "\t");
        }
        let value = value.strip_suffix('\n').unwrap_or(value);
        if key.len() + value.len() + 2 <= LONGEST_ANNOTATION && !value.contains('\n') {
            put!(w, 0, "{key}: {value}\n");
            continue;
        }
        put!(w, 0, "{key}:\n");
        for line in value.split('\n') {
            put!(w, 0, "\t  {}\n", shortened(line, LONGEST_ANNOTATION - 2));
        }
    }
    if empty {
        w.end("<none>");
    }
}

/// At most so many bytes, three dots behind what was cut.
pub fn shortened(text: &str, most: usize) -> String {
    if text.len() > most {
        String::from_utf8_lossy(&text.as_bytes()[..most]).into_owned() + "..."
    } else {
        text.to_owned()
    }
}

/// Name, namespace, labels and annotations, as most descriptions begin.
pub fn head(w: &mut Writer, object: &Value) {
    put!(w, 0, "Name:\t{}\n", name(object));
    put!(w, 0, "Namespace:\t{}\n", namespace(object));
    labels_and_annotations(w, object);
}

/// Labels and annotations of an object.
pub fn labels_and_annotations(w: &mut Writer, object: &Value) {
    labels(w, "Labels", &object.entries("metadata.labels"));
    annotations(w, "Annotations", &object.entries("metadata.annotations"));
}

/// `Controlled By`, if it is.
pub fn controlled_by(w: &mut Writer, object: &Value) {
    if let Some(owner) = controller(object) {
        put!(w, 0, "Controlled By:\t{}/{}\n", owner.text("kind"), owner.text("name"));
    }
}

/// Tolerations in order of their keys.
pub fn tolerations(w: &mut Writer, title: &str, tolerations: &[Value]) {
    let mut tolerations: Vec<&Value> = tolerations.iter().collect();
    sort_by_key(&mut tolerations, |t| t.text("key"));
    let lines: Vec<String> = tolerations.into_iter().map(toleration).collect();
    lines_below(w, "", title, &lines);
}

fn toleration(toleration: &Value) -> String {
    let (key, value, effect) = (toleration.text("key"), toleration.text("value"), toleration.text("effect"));
    let mut text = key.to_owned();
    if !value.is_empty() {
        text += &format!("={value}");
    }
    if !effect.is_empty() {
        text += &format!(":{effect}");
    }
    if toleration.text("operator") == "Exists" && value.is_empty() {
        text += if text.is_empty() { "op=Exists" } else { " op=Exists" };
    }
    if let Some(seconds) = toleration.opt_int("tolerationSeconds") {
        text += &format!(" for {seconds}s");
    }
    text
}

/// Taints in order of effect and key.
pub fn taints(w: &mut Writer, title: &str, taints: &[Value]) {
    let mut taints: Vec<&Value> = taints.iter().collect();
    sort_by_key(&mut taints, |t| format!("{},{}", t.text("effect"), t.text("key")));
    let text = |t: &&Value| {
        let (key, value, effect) = (t.text("key"), t.text("value"), t.text("effect"));
        match (value, effect) {
            ("", "") => key.to_owned(),
            ("", effect) => format!("{key}:{effect}"),
            (value, "") => format!("{key}={value}:"),
            (value, effect) => format!("{key}={value}:{effect}"),
        }
    };
    lines_below(w, "", title, &taints.iter().map(text).collect::<Vec<_>>());
}

/// Spread constraints in order of their topology; nothing at all if there are none.
pub fn topology_spread_constraints(w: &mut Writer, indent: &str, constraints: &[Value]) {
    let mut constraints: Vec<&Value> = constraints.iter().collect();
    sort_by_key(&mut constraints, |c| c.text("topologyKey"));
    let text = |c: &&Value| {
        let (key, action, skew) = (c.text("topologyKey"), c.text("whenUnsatisfiable"), c.int("maxSkew"));
        let selector = c.at("labelSelector");
        let selector = match selector {
            Value::Null => String::new(),
            selector => format!(" for selector {}", LabelSelector::from_object(selector).or_none()),
        };
        format!("{key}:{action} when max skew {skew} is exceeded{selector}")
    };
    if !constraints.is_empty() {
        let lines: Vec<String> = constraints.iter().map(text).collect();
        lines_below(w, indent, "Topology Spread Constraints", &lines);
    }
}

/// The conditions of an object with the times of their turns, if it has any.
pub fn conditions_with_times(w: &mut Writer, object: &Value) {
    let conditions = object.list("status.conditions");
    if conditions.is_empty() {
        return;
    }
    put!(w, 0, "Conditions:\n");
    put!(w, 1, "Type\tStatus\tLastTransitionTime\tReason\tMessage\n");
    put!(w, 1, "----\t------\t------------------\t------\t-------\n");
    for c in conditions {
        let transition = rfc1123z(c.time("lastTransitionTime"));
        let [kind, status, reason, message] = ["type", "status", "reason", "message"].map(|field| c.text(field));
        put!(w, 1, "{kind}\t{status}\t{transition}\t{reason}\t{message}\n");
    }
}

/// `Conditions:` with type, status and reason.
pub fn conditions_with_reason(w: &mut Writer, object: &Value) {
    let conditions = object.list("status.conditions");
    if conditions.is_empty() {
        return;
    }
    put!(w, 0, "Conditions:\n  Type\tStatus\tReason\n");
    put!(w, 1, "----\t------\t------\n");
    for c in conditions {
        put!(w, 1, "{} \t{}\t{}\n", c.text("type"), c.text("status"), c.text("reason"));
    }
}

/// The events about an object, found by its name, namespace, UID and (unless that is empty) kind.
pub fn search_events<'a>(context: &Context<'a>, object: &Value, kind: &str, uid: &str) -> Vec<&'a Value> {
    let about = |event: &&Value| {
        let target = event.at("involvedObject");
        target.text("name") == name(object)
            && target.text("namespace") == namespace(object)
            && (kind.is_empty() || target.text("kind") == kind)
            && (uid.is_empty() || target.text("uid") == uid)
    };
    let within = namespace(object);
    let events = context.objects.of_kind("v1", "Event", None);
    events.filter(|event| within.is_empty() || namespace(event) == within).filter(about).collect()
}

/// The events about an object, as most descriptions end.
pub fn events_of(w: &mut Writer, context: &Context<'_>, object: &Value) {
    if context.show_events {
        events(w, context, search_events(context, object, object.text("kind"), object.text("metadata.uid")));
    }
}

/// A table of events, the last one last.
pub fn events(w: &mut Writer, context: &Context<'_>, mut events: Vec<&Value>) {
    if events.is_empty() {
        put!(w, 0, "Events:\t<none>\n");
        return;
    }
    sort_by_key(&mut events, |event| event.time("lastTimestamp"));
    put!(w, 0, "Events:\n  Type\tReason\tAge\tFrom\tMessage\n");
    put!(w, 1, "----\t------\t----\t----\t-------\n");
    for event in events {
        let source = event.text_or("source.component", event.text("reportingComponent"));
        let message = event.text("message").trim();
        let message = match event.text("involvedObject.fieldPath") {
            "" => message.to_owned(),
            path => format!("{path}: {message}"),
        };
        let (kind, reason, age) = (event.text("type"), event.text("reason"), event_age(context, event));
        put!(w, 1, "{kind}\t{reason}\t{age}\t{source}\t{message}\n");
    }
}

/// `2m (x5 over 10m)`.
pub fn event_age(context: &Context<'_>, event: &Value) -> String {
    let first = since(event.time("eventTime").or(event.time("firstTimestamp")), context.now);
    let series = event.at("series");
    if !series.is_null() {
        let last = since(series.time("lastObservedTime"), context.now);
        format!("{last} (x{} over {first})", series.int("count"))
    } else if event.int("count") > 1 {
        let last = since(event.time("lastTimestamp"), context.now);
        format!("{last} (x{} over {first})", event.int("count"))
    } else {
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(write: impl FnOnce(&mut Writer)) -> String {
        let mut w = Writer::default();
        write(&mut w);
        w.with_tabs()
    }

    #[test]
    fn long_annotations_are_cut() {
        let long = "x".repeat(200);
        let entries = [
            ("a", "1\n"),
            ("b", "two\nlines"),
            ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
            ("l", &long),
        ];
        let expected = format!("Annotations:\ta: 1\n\tb:\n\t  two\n\t  lines\n\tl:\n\t  {}...\n", "x".repeat(138));
        assert_eq!(written(|w| annotations(w, "Annotations", &entries)), expected);
        assert_eq!(written(|w| annotations(w, "Annotations", &entries[2..3])), "Annotations:\t<none>\n");
    }

    #[test]
    fn tolerations_and_taints_are_one_line_each() {
        let list = json!([
            {"key": "b", "operator": "Equal", "value": "x", "effect": "NoSchedule"},
            {"operator": "Exists"},
            {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
        ]);
        let list = list.as_array().expect("a list");
        let expected = "Tolerations:\top=Exists\n\ta:NoExecute op=Exists for 300s\n\tb=x:NoSchedule\n";
        assert_eq!(written(|w| tolerations(w, "Tolerations", list)), expected);
        let expected = "Taints:\t\n\ta:NoExecute\n\tb=x:NoSchedule\n";
        assert_eq!(written(|w| taints(w, "Taints", list)), expected);
    }
}
