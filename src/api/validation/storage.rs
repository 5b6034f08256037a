//! Volumes, claims and classes.

use super::container::quantity;
use super::meta::selector;
use super::names;
use super::volume::host_path;
use super::{At, Errors};
use crate::api::Quantity;
use k8s_openapi::api::{core::v1, storage::v1 as storage};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as QuantityText;

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// `ValidatePersistentVolumeClaimSpec`.
pub(in crate::api) fn claim(spec: &v1::PersistentVolumeClaimSpec, errors: &mut Errors) {
    claim_spec(spec, &At::root("spec"), errors);
}

/// The same for a template of a claim.
pub(super) fn claim_spec(spec: &v1::PersistentVolumeClaimSpec, at: &At<'_>, errors: &mut Errors) {
    if spec.access_modes.as_ref().is_none_or(Vec::is_empty) {
        errors.required(&at.child("accessModes"), "at least 1 access mode is required");
    }
    if let Some(volumes) = &spec.selector {
        selector(volumes, &at.child("selector"), errors);
    }
    access_modes(spec.access_modes.as_ref(), &at.child("accessModes"), errors);
    let resources = at.child("resources");
    let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    match requests.and_then(|requests| requests.get("storage")) {
        None => errors.required(&resources.key("storage"), ""),
        Some(wanted) => storage_amount(wanted, &resources.key("storage"), errors),
    }
    if let Some(class) = spec.storage_class_name.as_deref().filter(|class| !class.is_empty()) {
        errors.format(&at.child("storageClassName"), class, names::subdomain(class));
    }
    errors.maybe_one_of(&at.child("volumeMode"), spec.volume_mode.as_ref(), &["Block", "Filesystem"]);
}

fn storage_amount(amount: &QuantityText, at: &At<'_>, errors: &mut Errors) {
    quantity("storage", amount, at, errors);
    if amount.0.parse::<Quantity>().is_ok_and(|amount| amount <= Quantity::ZERO) {
        errors.invalid(at, &amount.0, "must be greater than zero");
    }
}

fn access_modes(modes: Option<&Vec<String>>, at: &At<'_>, errors: &mut Errors) {
    let modes = modes.map_or(&[][..], Vec::as_slice);
    for mode in modes.iter().filter(|mode| !MODES.contains(&mode.as_str())) {
        errors.unsupported(at, mode, &MODES);
    }
    if modes.len() > 1 && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
        errors.forbidden(at, "may not use ReadWriteOncePod with other access modes");
    }
}

/// `ValidatePersistentVolumeSpec`.
pub(in crate::api) fn volume(spec: &v1::PersistentVolumeSpec, errors: &mut Errors) {
    let at = At::root("spec");
    let modes = spec.access_modes.as_ref().filter(|modes| !modes.is_empty());
    if modes.is_none() {
        errors.required(&at.child("accessModes"), "");
    }
    access_modes(modes, &at.child("accessModes"), errors);
    match spec.capacity.as_ref().filter(|capacity| !capacity.is_empty()) {
        None => errors.required(&at.child("capacity"), ""),
        Some(capacity) => {
            if !capacity.contains_key("storage") || capacity.len() > 1 {
                let shown: Vec<_> = capacity.keys().collect();
                errors.unsupported(&at.child("capacity"), shown, &["storage"]);
            }
            for (name, amount) in capacity {
                storage_amount(amount, &at.child("capacity").key(name), errors);
            }
        }
    }
    errors.maybe_one_of(
        &at.child("persistentVolumeReclaimPolicy"),
        spec.persistent_volume_reclaim_policy.as_ref(),
        &["Delete", "Recycle", "Retain"],
    );
    const PLAIN: [&str; 9] = [
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    ];
    let fields = serde_json::to_value(spec).unwrap_or_default();
    let sources = || fields.as_object().into_iter().flatten().map(|(f, _)| f.as_str()).filter(|f| !PLAIN.contains(f));
    for further in sources().skip(1) {
        errors.forbidden(&at.child(further), "may not specify more than 1 volume type");
    }
    if sources().next().is_none() {
        errors.required(&at, "must specify a volume type");
    }
    if let Some(host) = &spec.host_path {
        host_path(host, &at.child("hostPath"), errors);
    }
    if let Some(required) = spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref()) {
        super::scheduling::node_selector(required, &at.child("nodeAffinity").child("required"), errors);
    } else if let Some(local) = &spec.local {
        if local.path.is_empty() {
            errors.required(&at.child("local").child("path"), "");
        }
        errors.required(&At::root("metadata").child("annotations"), "Local volume requires node affinity");
    }
    if let Some(class) = spec.storage_class_name.as_deref().filter(|class| !class.is_empty()) {
        errors.format(&at.child("storageClassName"), class, names::subdomain(class));
    }
    errors.maybe_one_of(&at.child("volumeMode"), spec.volume_mode.as_ref(), &["Block", "Filesystem"]);
}

/// `ValidateStorageClass`, without metadata.
pub(in crate::api) fn storage_class(class: &storage::StorageClass, errors: &mut Errors) {
    if class.provisioner.is_empty() {
        errors.required(&At::root("provisioner"), "");
    } else {
        errors.format(
            &At::root("provisioner"),
            &class.provisioner,
            names::label_key(&class.provisioner.to_lowercase()),
        );
    }
    let policies = ["Delete", "Retain"];
    errors.maybe_one_of(&At::root("reclaimPolicy"), class.reclaim_policy.as_ref(), &policies);
    errors.maybe_one_of(
        &At::root("volumeBindingMode"),
        class.volume_binding_mode.as_ref(),
        &["Immediate", "WaitForFirstConsumer"],
    );
}
