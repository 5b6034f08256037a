//! Metadata, labels and selectors (`apimachinery/pkg/api/validation/objectmeta.go`).

use super::names::{self, NameRule};
use super::{At, Errors};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use std::collections::BTreeMap;

/// `ValidateObjectMeta` of an object that is created.
pub(in crate::api) fn metadata(meta: &ObjectMeta, rule: NameRule, errors: &mut Errors) {
    let at = At::root("metadata");
    let name = meta.name.as_deref().unwrap_or_default();
    let generate_name = meta.generate_name.as_deref().unwrap_or_default();
    if !generate_name.is_empty() {
        // The random part completes the name.
        errors.format(&at.child("generateName"), generate_name, rule.check(&format!("{generate_name}x")));
    }
    if name.is_empty() && generate_name.is_empty() {
        errors.required(&at.child("name"), "name or generateName is required");
    } else if !name.is_empty() {
        errors.format(&at.child("name"), name, rule.check(name));
    }
    if let Some(namespace) = &meta.namespace {
        errors.format(&at.child("namespace"), namespace, names::label(namespace));
    }
    labels(meta.labels.as_ref(), &at.child("labels"), errors);
    annotations(meta.annotations.as_ref(), &at.child("annotations"), errors);
    owners(meta, &at.child("ownerReferences"), errors);
    for finalizer in meta.finalizers.iter().flatten() {
        let at = at.child("finalizers");
        errors.format(&at, finalizer, names::label_key(finalizer));
    }
}

fn annotations(annotations: Option<&BTreeMap<String, String>>, at: &At<'_>, errors: &mut Errors) {
    let mut size = 0;
    for (key, value) in annotations.into_iter().flatten() {
        errors.format(at, key, names::label_key(&key.to_ascii_lowercase()));
        size += key.len() + value.len();
    }
    const LIMIT: usize = 256 * 1024;
    if size > LIMIT {
        errors.too_long(at, LIMIT);
    }
}

fn owners(meta: &ObjectMeta, at: &At<'_>, errors: &mut Errors) {
    let mut controller = None;
    for (place, owner) in meta.owner_references.iter().flatten().enumerate() {
        let at = at.index(place);
        for (field, value) in
            [("apiVersion", &owner.api_version), ("kind", &owner.kind), ("name", &owner.name), ("uid", &owner.uid)]
        {
            if value.is_empty() {
                errors.required(&at.child(field), "must not be empty");
            }
        }
        if owner.controller == Some(true) {
            let this = format!("{}/{}", owner.kind, owner.name);
            if let Some(first) = controller.replace(this.clone()) {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                );
                errors.invalid(at.up.unwrap_or(&at), super::Json::of(&meta.owner_references), detail);
            }
        }
    }
}

/// `ValidateLabels`.
pub(super) fn labels(labels: Option<&BTreeMap<String, String>>, at: &At<'_>, errors: &mut Errors) {
    for (key, value) in labels.into_iter().flatten() {
        errors.format(at, key, names::label_key(key));
        errors.format(at, value, names::label_value(value));
    }
}

/// `ValidateLabelSelector`.
pub(super) fn selector(selector: &LabelSelector, at: &At<'_>, errors: &mut Errors) {
    labels(selector.match_labels.as_ref(), &at.child("matchLabels"), errors);
    let at = at.child("matchExpressions");
    for (place, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let at = at.index(place);
        let values = expression.values.as_deref().unwrap_or_default();
        match expression.operator.as_str() {
            "In" | "NotIn" if values.is_empty() => {
                errors.required(&at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.forbidden(&at.child("values"), detail);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.invalid(&at.child("operator"), other, "not a valid selector operator"),
        }
        errors.format(&at.child("key"), &expression.key, names::label_key(&expression.key));
        for (place, value) in values.iter().enumerate() {
            errors.format(&at.child("values").index(place), value, names::label_value(value));
        }
    }
}
