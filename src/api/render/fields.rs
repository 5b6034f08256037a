//! Small pieces of JSON: what is set is printed, what is not is left out.

use crate::api::{
    Condition, Labels, Metadata, Name, ObjectReference, OwnerReference, ResourceList, Text, Timestamp, Uid, WallTime,
    format_amount,
};
use serde_json::{Map, Value};

/// The fields of an object that is being printed.
#[derive(Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// A field, whatever its value.
    pub(super) fn put(&mut self, field: &str, value: impl Into<Value>) {
        self.0.insert(field.to_owned(), value.into());
    }

    /// A field, unless its value is empty, false or zero.
    pub(super) fn set(&mut self, field: &str, value: impl Into<Value>) {
        let value = value.into();
        let is_nothing = match &value {
            Value::Null => true,
            Value::Bool(value) => !value,
            Value::Number(number) => number.as_i64() == Some(0),
            Value::String(text) => text.is_empty(),
            Value::Array(elements) => elements.is_empty(),
            Value::Object(fields) => fields.is_empty(),
        };
        if !is_nothing {
            self.0.insert(field.to_owned(), value);
        }
    }

    /// A field, unless it is absent.
    pub(super) fn maybe(&mut self, field: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(field, value);
        }
    }

    /// What was printed so far is printed over these.
    pub(super) fn over(mut self, below: Value) -> Self {
        if let Value::Object(fields) = below {
            for (field, value) in fields {
                self.0.entry(field).or_insert(value);
            }
        }
        self
    }
}

impl From<Fields> for Value {
    fn from(fields: Fields) -> Self {
        Self::Object(fields.0)
    }
}

impl From<Name> for Value {
    fn from(name: Name) -> Self {
        Self::String(name.to_string())
    }
}

impl From<&Text> for Value {
    fn from(text: &Text) -> Self {
        Self::String(text.to_string())
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::String(time.to_string())
    }
}

impl From<WallTime> for Value {
    fn from(time: WallTime) -> Self {
        Self::String(time.to_string())
    }
}

impl From<Uid> for Value {
    fn from(uid: Uid) -> Self {
        Self::String(if uid.is_empty() { String::new() } else { uid.to_string() })
    }
}

impl From<&Labels> for Value {
    fn from(labels: &Labels) -> Self {
        Self::Object(labels.iter().map(|(key, value)| (key.to_string(), value.into())).collect())
    }
}

/// A list.
pub(super) fn list<T>(elements: impl IntoIterator<Item = T>, print: impl Fn(T) -> Value) -> Value {
    elements.into_iter().map(print).collect()
}

/// Names in a list.
pub(super) fn names(names: &[Name]) -> Value {
    list(names, |name| (*name).into())
}

/// A time that may be unknown.
pub(super) fn known(time: Timestamp) -> Value {
    if time == Timestamp::default() { Value::Null } else { time.into() }
}

/// Metadata as `kubectl get -o json` prints it.
pub(super) fn metadata(meta: &Metadata) -> Value {
    let mut fields = Fields::default();
    fields.set("annotations", &meta.annotations);
    fields.set("creationTimestamp", known(meta.creation_timestamp));
    fields.maybe("deletionGracePeriodSeconds", meta.deletion_grace_period);
    fields.maybe("deletionTimestamp", meta.deletion_timestamp);
    fields.set("finalizers", names(&meta.finalizers));
    fields.set("generateName", meta.generate_name);
    fields.set("generation", meta.generation);
    fields.set("labels", &meta.labels);
    fields.set("name", meta.name);
    fields.set("namespace", meta.namespace);
    fields.set("ownerReferences", list(&meta.owner_references, owner));
    fields.set("resourceVersion", version(meta.resource_version));
    fields.set("uid", meta.uid);
    fields.into()
}

fn version(version: u64) -> Value {
    if version == 0 { Value::Null } else { version.to_string().into() }
}

fn owner(owner: &OwnerReference) -> Value {
    let mut fields = Fields::default();
    fields.put("apiVersion", owner.api_version);
    fields.set("blockOwnerDeletion", owner.block_owner_deletion);
    fields.set("controller", owner.controller);
    fields.put("kind", owner.kind);
    fields.put("name", owner.name);
    fields.put("uid", owner.uid);
    fields.into()
}

/// A reference to an object.
pub(super) fn reference(reference: &ObjectReference) -> Value {
    let mut fields = Fields::default();
    fields.set("apiVersion", reference.api_version);
    fields.set("fieldPath", reference.field_path);
    fields.set("kind", reference.kind);
    fields.set("name", reference.name);
    fields.set("namespace", reference.namespace);
    fields.set("resourceVersion", version(reference.resource_version));
    fields.set("uid", reference.uid);
    fields.into()
}

/// How the conditions of a kind look: the second time, and whether message and reason are always there.
#[derive(Clone, Copy)]
pub(super) enum ConditionStyle {
    Pod,
    Node,
    Deployment,
    Job,
    Plain,
    Meta,
}

/// The conditions of an object.
pub(super) fn conditions(conditions: &[Condition], style: ConditionStyle) -> Value {
    list(conditions, |condition| {
        let mut fields = Fields::default();
        let updated = condition.last_update_time.map_or(Value::Null, Value::from);
        match style {
            ConditionStyle::Pod => {
                fields.put("lastProbeTime", updated);
                fields.set("observedGeneration", condition.observed_generation);
            }
            ConditionStyle::Node => fields.put("lastHeartbeatTime", updated),
            ConditionStyle::Deployment => fields.set("lastUpdateTime", updated),
            ConditionStyle::Job => fields.set("lastProbeTime", updated),
            ConditionStyle::Plain => {}
            ConditionStyle::Meta => {
                fields.set("observedGeneration", condition.observed_generation);
                fields.put("message", &condition.message);
                fields.put("reason", condition.reason);
            }
        }
        fields.put("lastTransitionTime", known(condition.last_transition_time));
        fields.set("message", &condition.message);
        fields.set("reason", condition.reason);
        fields.put("status", condition.status.to_string());
        fields.put("type", condition.kind);
        fields.into()
    })
}

/// Amounts by name, each as the source has written the same amount, or else in the usual form.
pub(super) fn amounts(amounts: &ResourceList, written: &Value) -> Value {
    let amount = |(name, amount): (Name, i64)| (name.to_string(), format_quantity(name, amount, written).into());
    Value::Object(amounts.iter().map(amount).collect())
}

/// An amount as it was written, if it was.
pub(super) fn format_quantity(name: Name, amount: i64, written: &Value) -> String {
    let text = written.get(name.as_str()).and_then(Value::as_str);
    let same = text.filter(|text| {
        let quantity = k8s_openapi::apimachinery::pkg::api::resource::Quantity((*text).to_owned());
        crate::api::lower::amount(&name, &quantity) == amount
    });
    same.map_or_else(|| format_amount(name, amount), ToOwned::to_owned)
}
