//! Manifests to objects: what a server would refuse is noted in its words, and the rest goes on.

use super::error::{Place, Problem, Problems};
use super::manifest::{self, Document, Position};
use super::notes::{Notes, Refusal};
use super::setting::Setting;
use crate::api::{
    ApiError, ErrorReason, Kind, Lowering, Name, Object, POD_SECURITY_ENFORCE, is_for_pod_security, names,
};
use serde_json::Value;
use std::collections::BTreeSet;

names! {
    DEFAULT = "default";
}

/// The longest request that a server reads (`MaxRequestBodyBytes` of the generic API server).
const LONGEST_REQUEST: usize = 3 << 20;
/// The most pods that one workload may ask for.
pub(super) const MOST_REPLICAS: i64 = 1_000_000;

/// An object of a manifest.
#[derive(Debug, Clone)]
pub(super) struct Written {
    /// Where it stands.
    pub place: Place,
    /// The record.
    pub object: Object,
    /// The text, as JSON.
    pub value: Value,
}

/// Reads manifests one after another; custom kinds of the earlier ones are known in the later ones.
#[derive(Debug, Default)]
pub(super) struct ManifestReader {
    lowering: Lowering,
    /// Fields of objects that are set to other values, and whether their objects were found.
    pub settings: Vec<(Setting, bool)>,
    /// What was noticed.
    notes: Notes,
    /// Fields that have an effect in namespaces that enforce a Pod Security Standard, by the namespace of their object.
    for_pod_security: BTreeSet<(Name, String)>,
    /// Those namespaces.
    enforcing: BTreeSet<Name>,
}

impl ManifestReader {
    /// What people should know already.
    pub(super) const fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }

    /// What was noticed, now that everything is read.
    pub(super) fn take_notes(&mut self) -> Notes {
        let mut notes = std::mem::take(&mut self.notes);
        let idle = std::mem::take(&mut self.for_pod_security).into_iter();
        let idle = idle.filter(|(namespace, _)| !self.enforcing.contains(namespace));
        notes.no_effect.extend(idle.map(|(_, field)| field));
        notes
    }

    /// The objects of a manifest's text. `from` is the place of its first character.
    pub(super) fn read(&mut self, from: Place, text: &[u8], problems: &mut Problems) -> Vec<Written> {
        let documents = match manifest::load(text) {
            Ok(documents) => documents,
            Err(errors) => {
                problems.extend(errors.into_iter().map(|error| Problem {
                    place: moved(from, error.position),
                    found: error.found,
                    remedy: error.remedy,
                }));
                return Vec::new();
            }
        };
        documents.into_iter().filter_map(|document| self.object(from, document, problems)).collect()
    }

    fn object(&mut self, from: Place, document: Document, problems: &mut Problems) -> Option<Written> {
        let Document { mut value, positions } = document;
        for (setting, used) in &mut self.settings {
            *used |= setting.apply_to_object(&mut value);
        }
        let place = moved(from, positions.here());
        let lowered = if most_length(&value) > LONGEST_REQUEST && value.to_string().len() > LONGEST_REQUEST {
            let message = format!("Request entity too large: limit is {LONGEST_REQUEST}");
            Err(ApiError::new(ErrorReason::BadRequest, message))
        } else {
            self.lowering.lower(&value)
        };
        let lowered = match lowered {
            Ok(lowered) => lowered,
            Err(error) => {
                let field = error.causes.first().map(|cause| cause.field.as_str());
                let place = field.map_or(place, |field| moved(from, positions.find(field)));
                self.notes.refused.push(Refusal {
                    place: Some(place),
                    object: path_of(&value),
                    message: error.to_string(),
                });
                return None;
            }
        };
        if let Some((field, replicas)) = too_many(&value) {
            let found = format!("{replicas} for {field}");
            let remedy = format!("at most {MOST_REPLICAS} pods of a workload are simulated");
            problems.add(moved(from, positions.find(field)), found, remedy);
            return None;
        }
        self.lowering.custom_kinds.register(&value);
        let kind = lowered.object.kind_name();
        if lowered.object.kind() == Kind::Other {
            self.notes.no_effect.insert(kind.to_string());
        }
        let meta = lowered.object.meta();
        let namespace = if meta.namespace.is_empty() { *DEFAULT } else { meta.namespace };
        for field in &lowered.no_effect {
            let named = format!("{kind}.{field}");
            if is_for_pod_security(field) {
                self.for_pod_security.insert((namespace, named));
            } else {
                self.notes.no_effect.insert(named);
            }
        }
        let level = meta.labels.get(*POD_SECURITY_ENFORCE).filter(|_| lowered.object.kind() == Kind::Namespace);
        if level.is_some_and(|level| level == "baseline" || level == "restricted") {
            self.enforcing.insert(meta.name);
        }
        Some(Written { place, object: lowered.object, value })
    }
}

/// A place in a text that begins at another place.
pub(super) fn moved(from: Place, position: Position) -> Place {
    let start = from.position;
    let column = if position.line == 1 { start.column + position.column.max(1) - 1 } else { position.column };
    let position = Position { line: start.line + position.line.max(1) - 1, column };
    Place { file: from.file, position }
}

/// `Kind/namespace/name` of an object that is no record.
fn path_of(value: &Value) -> String {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let namespace = text("/metadata/namespace").map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let name = text("/metadata/name").or_else(|| text("/metadata/generateName")).unwrap_or("?");
    format!("{}/{namespace}{name}", text("/kind").unwrap_or("?"))
}

/// A number of pods that nobody means.
fn too_many(value: &Value) -> Option<(&'static str, i64)> {
    let spec = value.get("spec")?;
    let of_template = || spec.get("jobTemplate")?.get("spec")?.get("parallelism");
    let fields = [
        ("spec.replicas", spec.get("replicas")),
        ("spec.parallelism", spec.get("parallelism")),
        ("spec.jobTemplate.spec.parallelism", of_template()),
    ];
    fields.into_iter().find_map(|(field, number)| {
        let number = number?.as_i64().filter(|number| *number > MOST_REPLICAS)?;
        Some((field, number))
    })
}

/// A length that the text of a value does not exceed.
fn most_length(value: &Value) -> usize {
    /// What a number takes at most, or a word.
    const SCALAR: usize = 26;
    // Each byte may be written as an escape; and there are quotes.
    let text = |text: &str| text.len() * 6 + 2;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => SCALAR,
        Value::String(words) => text(words),
        Value::Array(elements) => 2 + elements.iter().map(|element| most_length(element) + 1).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields.iter().map(|(name, value)| text(name) + most_length(value) + 2).sum::<usize>()
        }
    }
}

/// The namespace of an object, or the one that it makes.
pub(super) fn namespace_of(object: &Object) -> Option<Name> {
    let namespace = object.meta().namespace;
    (!namespace.is_empty()).then_some(namespace)
}
