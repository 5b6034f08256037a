//! Devices and the claims on them (`pkg/apis/resource/validation/validation.go`).

use super::{At, Errors, names};
use k8s_openapi::api::resource::v1 as resource;
use std::collections::BTreeSet;

/// A claim has at most so many requests (`DeviceRequestsMaxSize`).
const MOST_REQUESTS: usize = 32;
/// A slice has at most so many devices (`ResourceSliceMaxDevices`).
const MOST_DEVICES: usize = 128;

/// `validateResourceClaimSpec`, at a place of one or two fields.
pub(in crate::api) fn resource_claim(spec: &resource::ResourceClaimSpec, place: &[&str], errors: &mut Errors) {
    let root = At::root(place[0]);
    let at = place.get(1).map_or(At::root(place[0]), |field| root.child(field));
    let at = at.child("devices");
    let requests = spec.devices.as_ref().and_then(|devices| devices.requests.as_deref()).unwrap_or_default();
    let list = at.child("requests");
    if requests.len() > MOST_REQUESTS {
        errors.invalid(&list, requests.len(), format!("must have at most {MOST_REQUESTS} items"));
    }
    let mut known = BTreeSet::new();
    for (index, request) in requests.iter().enumerate() {
        let at = list.index(index);
        request_name(&at, &request.name, &mut known, errors);
        let others = request.first_available.as_deref().unwrap_or_default();
        match (&request.exactly, others.is_empty()) {
            (Some(one), true) => {
                let mode = (one.allocation_mode.as_ref(), one.count);
                alternative(&at.child("exactly"), &one.device_class_name, mode, errors);
            }
            (None, false) => {
                let list = at.child("firstAvailable");
                let mut known = BTreeSet::new();
                for (index, one) in others.iter().enumerate() {
                    let at = list.index(index);
                    request_name(&at, &one.name, &mut known, errors);
                    alternative(&at, &one.device_class_name, (one.allocation_mode.as_ref(), one.count), errors);
                }
            }
            (None, true) => errors.required(&at, "exactly one of `exactly` or `firstAvailable` is required"),
            (Some(_), false) => errors.invalid(&at, "", "exactly one of `exactly` or `firstAvailable` is required"),
        }
    }
}

fn request_name<'n>(at: &At<'_>, name: &'n str, known: &mut BTreeSet<&'n str>, errors: &mut Errors) {
    let at = at.child("name");
    if name.is_empty() {
        errors.required(&at, "");
    } else {
        errors.format(&at, name, names::label(name));
    }
    if !known.insert(name) {
        errors.duplicate(&at, name);
    }
}

fn alternative(at: &At<'_>, class: &str, (mode, count): (Option<&String>, Option<i64>), errors: &mut Errors) {
    if class.is_empty() {
        errors.required(&at.child("deviceClassName"), "");
    } else {
        errors.format(&at.child("deviceClassName"), class, names::subdomain(class));
    }
    errors.maybe_one_of(&at.child("allocationMode"), mode, &["All", "ExactCount"]);
    match mode.map(String::as_str) {
        Some("All") if count.is_some_and(|count| count != 0) => {
            let detail = "must not be specified when allocationMode is 'All'";
            errors.invalid(&at.child("count"), count.unwrap_or_default(), detail);
        }
        Some("ExactCount") if count.is_none_or(|count| count <= 0) => {
            errors.invalid(&at.child("count"), count.unwrap_or_default(), "must be greater than zero");
        }
        _ => {}
    }
}

/// `validateResourceSliceSpec`.
pub(in crate::api) fn resource_slice(spec: &resource::ResourceSliceSpec, errors: &mut Errors) {
    let at = At::root("spec");
    if spec.driver.is_empty() {
        errors.required(&at.child("driver"), "");
    } else {
        errors.format(&at.child("driver"), &spec.driver, names::subdomain(&spec.driver));
    }
    let pool = at.child("pool");
    if spec.pool.name.is_empty() {
        errors.required(&pool.child("name"), "");
    }
    if spec.pool.resource_slice_count <= 0 {
        let count = spec.pool.resource_slice_count;
        errors.invalid(&pool.child("resourceSliceCount"), count, "must be greater than zero");
    }
    let said = [
        spec.node_name.is_some(),
        spec.node_selector.is_some(),
        spec.all_nodes == Some(true),
        spec.per_device_node_selection == Some(true),
    ];
    let detail = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    match said.iter().filter(|one| **one).count() {
        0 => errors.required(&at, detail),
        1 => {}
        _ => errors.invalid(&at, "", detail),
    }
    let devices = spec.devices.as_deref().unwrap_or_default();
    let list = at.child("devices");
    if devices.len() > MOST_DEVICES {
        errors.invalid(&list, devices.len(), format!("must have at most {MOST_DEVICES} items"));
    }
    let mut known = BTreeSet::new();
    for (index, device) in devices.iter().enumerate() {
        request_name(&list.index(index), &device.name, &mut known, errors);
    }
}
