//! Objects of kinds without a describer of their own: every field, its name spelt out.
//!
//! Follows kubectl 1.36 `pkg/describe/describe.go` (`genericDescriber`).

use super::Context;
use super::parts::{events_of, head};
use super::writer::{Writer, put};
use crate::report::kubectl::go;
use serde_json::{Map, Value};

/// Any object.
pub fn generic(w: &mut Writer, object: &Value, context: &Context<'_>) {
    head(w, object);
    if let Some(fields) = object.as_object() {
        content(w, 0, fields, "");
    }
    events_of(w, context, object);
}

fn content(w: &mut Writer, level: usize, fields: &Map<String, Value>, prefix: &str) {
    const SKIPPED: [&str; 5] = [
        ".metadata.managedFields",
        ".metadata.name",
        ".metadata.namespace",
        ".metadata.labels",
        ".metadata.annotations",
    ];
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    for (name, value) in fields {
        let path = format!("{prefix}.{name}");
        if SKIPPED.contains(&path.as_str()) {
            continue;
        }
        let title = title(name);
        match value {
            Value::Object(fields) => {
                put!(w, level, "{title}:\n");
                content(w, level + 1, fields, &path);
            }
            Value::Array(items) => {
                put!(w, level, "{title}:\n");
                for item in items {
                    match item {
                        Value::Object(fields) => content(w, level + 1, fields, &path),
                        other => put!(w, level + 1, "{}\n", go::value(other)),
                    }
                }
            }
            other => put!(w, level, "{title}:\t{}\n", go::value(other)),
        }
    }
}

/// `creationTimestamp` as `Creation Timestamp`, `uid` as `UID`.
fn title(field: &str) -> String {
    if field.chars().any(|c| !c.is_alphabetic() && c != '-') {
        return field.to_owned();
    }
    let words = joined_plurals(words(field));
    let spelt = words.into_iter().map(|word| {
        let upper = word.to_uppercase();
        if ["API", "URL", "UID", "GUID"].contains(&upper.as_str()) {
            upper
        } else if word.to_lowercase() == word {
            let mut letters = word.chars();
            letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
        } else {
            word
        }
    });
    spelt.collect::<Vec<_>>().join(" ")
}

/// Splits at changes between lower case, upper case and the rest; the last capital before lower case begins a word.
fn words(field: &str) -> Vec<String> {
    let class = |c: char| if c.is_lowercase() { 0 } else { 1 + u8::from(!c.is_uppercase()) };
    let mut runs: Vec<String> = Vec::new();
    let mut last = None;
    for c in field.chars() {
        match runs.last_mut().filter(|_| last == Some(class(c))) {
            Some(run) => run.push(c),
            None => runs.push(c.to_string()),
        }
        last = Some(class(c));
    }
    for i in 1..runs.len() {
        let begins = runs[i - 1].chars().all(char::is_uppercase) && runs[i].starts_with(char::is_lowercase);
        if begins && let Some(capital) = runs[i - 1].pop() {
            runs[i].insert(0, capital);
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Puts `CID` and `Rs` back together: capitals, then a word that begins with one.
fn joined_plurals(words: Vec<String>) -> Vec<String> {
    let mut joined = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(mut word) = words.next() {
        let capitals = word.len() >= 2 && word.chars().all(|c| !c.is_alphabetic() || c.is_uppercase());
        if capitals && words.peek().is_some_and(|next| next.starts_with(char::is_uppercase)) {
            word.extend(words.next());
        }
        joined.push(word);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_are_spelt_out() {
        for (field, expected) in [
            ("apiVersion", "API Version"),
            ("creationTimestamp", "Creation Timestamp"),
            ("uid", "UID"),
            ("podIP", "Pod IP"),
            ("podCIDRs", "Pod CIDRs"),
            ("a.b/c", "a.b/c"),
            ("x1", "x1"),
            ("holderIdentity", "Holder Identity"),
        ] {
            assert_eq!(title(field), expected);
        }
    }
}
