//! Metadata, labels and selectors (`apimachinery/pkg/api/validation/objectmeta.go`).

use super::names::{self, NameRule};
use super::{At, Errors};
use crate::api::{LONGEST_NAME_BASE, Labels, Metadata};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The name of a new object as its kind's rules see it: a generated one is complete by then (`BeforeCreate` of
/// `staging/src/k8s.io/apiserver/pkg/registry/rest/create.go`), and no letter of its random part breaks a rule.
pub(in crate::api) fn complete_name(meta: &ObjectMeta) -> Cow<'_, str> {
    let name = meta.name.as_deref().unwrap_or_default();
    match meta.generate_name.as_deref() {
        Some(base) if name.is_empty() => {
            let base: String = base.chars().take(LONGEST_NAME_BASE).collect();
            Cow::Owned(base + "xxxxx")
        }
        _ => Cow::Borrowed(name),
    }
}

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
    finalizers(meta.finalizers.as_deref().unwrap_or_default(), &at.child("finalizers"), errors);
}

fn finalizers(all: &[String], at: &At<'_>, errors: &mut Errors) {
    for finalizer in all {
        errors.format(at, finalizer, names::label_key(finalizer));
    }
    let both = ["orphan", "foregroundDeletion"];
    if both.iter().all(|finalizer| all.iter().any(|other| other == finalizer)) {
        let detail = format!("finalizer {} and {} cannot be both set", both[0], both[1]);
        errors.invalid(at, super::Json::of(&all), detail);
    }
}

/// What only the kinds of the server itself are held to (`validateKubeFinalizerName`).
pub(in crate::api) fn kube_finalizers(all: &[String], errors: &mut Errors) {
    for (place, finalizer) in all.iter().enumerate() {
        if !finalizer.contains('/') && !matches!(finalizer.as_str(), "kubernetes" | "orphan" | "foregroundDeletion") {
            let list = At::root("metadata");
            let list = list.child("finalizers");
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.invalid(&list.index(place), finalizer, detail);
        }
    }
}

/// `ValidateObjectMetaUpdate`: what of the metadata is new.
pub(super) fn metadata_update(old: &Metadata, new: &Metadata, is_custom: bool, errors: &mut Errors) {
    let at = At::root("metadata");
    let texts = |pairs: &Labels| Some(pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect());
    if old.labels != new.labels {
        labels(texts(&new.labels).as_ref(), &at.child("labels"), errors);
    }
    if old.annotations != new.annotations {
        annotations(texts(&new.annotations).as_ref(), &at.child("annotations"), errors);
    }
    if old.owner_references != new.owner_references {
        let owner = |owner: &crate::api::OwnerReference| OwnerReference {
            api_version: owner.api_version.to_string(),
            kind: owner.kind.to_string(),
            name: owner.name.to_string(),
            uid: if owner.uid.is_empty() { String::new() } else { owner.uid.to_string() },
            controller: Some(owner.controller),
            block_owner_deletion: None,
        };
        let all = new.owner_references.iter().map(owner).collect();
        owners(
            &ObjectMeta { owner_references: Some(all), ..ObjectMeta::default() },
            &at.child("ownerReferences"),
            errors,
        );
    }
    if old.finalizers != new.finalizers {
        let all: Vec<String> = new.finalizers.iter().map(ToString::to_string).collect();
        finalizers(&all, &at.child("finalizers"), errors);
        if !is_custom {
            kube_finalizers(&all, errors);
        }
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
