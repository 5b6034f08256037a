//! What configures and guards a cluster: namespaces, quotas, limits, budgets, priorities, secrets, config maps.
//!
//! Follows kubectl 1.36 `pkg/describe/describe.go`.

use super::Context;
use super::parts::{conditions_with_times, events_of, head, labels_and_annotations};
use super::writer::{Writer, put};
use crate::api::Quantity;
use crate::report::kubectl::fields::{Fields, name, namespace};
use crate::report::kubectl::selector::{LabelSelector, format_labels};
use serde_json::Value;
use std::collections::BTreeSet;

/// A disruption budget.
pub fn disruption_budget(w: &mut Writer, budget: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(budget));
    put!(w, 0, "Namespace:\t{}\n", namespace(budget));
    if budget.has("spec.minAvailable") {
        put!(w, 0, "Min available:\t{}\n", budget.int_or_text("spec.minAvailable"));
    } else if budget.has("spec.maxUnavailable") {
        put!(w, 0, "Max unavailable:\t{}\n", budget.int_or_text("spec.maxUnavailable"));
    }
    match budget.at("spec.selector") {
        Value::Null => put!(w, 0, "Selector:\t<unset>\n"),
        selector => put!(w, 0, "Selector:\t{}\n", LabelSelector::from_object(selector).or_none()),
    }
    put!(w, 0, "Status:\n");
    for (title, field) in [
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ] {
        put!(w, 2, "{title}:\t{}\n", budget.at("status").int(field));
    }
    events_of(w, context, budget);
}

/// A priority class.
pub fn priority_class(w: &mut Writer, class: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(class));
    put!(w, 0, "Value:\t{}\n", class.int("value"));
    put!(w, 0, "GlobalDefault:\t{}\n", class.flag("globalDefault"));
    put!(w, 0, "PreemptionPolicy:\t{}\n", class.text("preemptionPolicy"));
    put!(w, 0, "Description:\t{}\n", class.text("description"));
    put!(w, 0, "Annotations:\t{}\n", format_labels(&class.entries("metadata.annotations")));
    events_of(w, context, class);
}

/// A namespace with its quotas and limits.
pub fn namespace_object(w: &mut Writer, object: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(object));
    labels_and_annotations(w, object);
    put!(w, 0, "Status:\t{}\n", object.text("status.phase"));
    conditions_with_times(w, object);
    let within = |kind: &str| {
        let all = context.objects.of_kind("v1", kind, None);
        all.filter(|o| namespace(o) == name(object)).collect::<Vec<_>>()
    };
    put!(w, 0, "\n");
    resource_quotas(w, &within("ResourceQuota"));
    put!(w, 0, "\n");
    limit_ranges(w, &within("LimitRange"));
}

fn resource_quotas(w: &mut Writer, quotas: &[&Value]) {
    if quotas.is_empty() {
        put!(w, 0, "No resource quota.\n");
        return;
    }
    put!(w, 0, "Resource Quotas\n");
    for quota in quotas {
        put!(w, 1, "Name:\t{}\n", name(quota));
        for (i, line) in scopes(quota).into_iter().enumerate() {
            put!(w, 1, "{}{line}\n", if i == 0 { "Scopes:\t" } else { "* " });
        }
        put!(w, 1, "Resource\tUsed\tHard\n");
        put!(w, 1, "--------\t---\t---\n");
        for (resource, hard) in quota.quantities("status.hard") {
            put!(w, 1, "{resource}\t{}\t{hard}\n", quota.quantity("status.used", resource));
        }
    }
}

/// The scopes, and a sentence for each that has one; nothing if there are no scopes.
fn scopes(quota: &Value) -> Vec<String> {
    let mut scopes = quota.texts("spec.scopes");
    if scopes.is_empty() {
        return Vec::new();
    }
    scopes.sort_unstable();
    let help = scopes.iter().filter_map(|scope| match *scope {
        "Terminating" => Some(
            "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being \
             actively terminated by the system.",
        ),
        "NotTerminating" => Some(
            "Matches all pods that do not have an active deadline. These pods usually include long running pods whose \
             container command is not expected to terminate.",
        ),
        "BestEffort" => Some(
            "Matches all pods that do not have resource requirements set. These pods have a best effort quality of \
             service.",
        ),
        "NotBestEffort" => Some(
            "Matches all pods that have at least one resource requirement set. These pods have a burstable or \
             guaranteed quality of service.",
        ),
        _ => None,
    });
    std::iter::once(scopes.join(", ")).chain(help.map(str::to_owned)).collect()
}

/// A resource quota.
pub fn resource_quota(w: &mut Writer, quota: &Value, _: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(quota));
    put!(w, 0, "Namespace:\t{}\n", namespace(quota));
    for (i, line) in scopes(quota).into_iter().enumerate() {
        put!(w, 0, "{}{line}\n", if i == 0 { "Scopes:\t" } else { " * " });
    }
    put!(w, 0, "Resource\tUsed\tHard\n");
    put!(w, 0, "--------\t----\t----\n");
    for (resource, hard) in quota.quantities("status.hard") {
        let mut used = quota.quantity("status.used", resource);
        if used.format() != hard.format() {
            used = Quantity::new(used.value(), hard.format());
        }
        put!(w, 0, "{resource}\t{used}\t{hard}\n");
    }
}

fn limit_ranges(w: &mut Writer, ranges: &[&Value]) {
    if ranges.is_empty() {
        put!(w, 0, "No LimitRange resource.\n");
        return;
    }
    put!(w, 0, "Resource Limits\n");
    limit_range_lines(w, " ", ranges);
}

fn limit_range_lines(w: &mut Writer, indent: &str, ranges: &[&Value]) {
    const FIELDS: [&str; 5] = ["min", "max", "defaultRequest", "default", "maxLimitRequestRatio"];
    put!(w, 0, "{indent}Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio\n");
    put!(w, 0, "{indent}----\t--------\t---\t---\t---------------\t-------------\t-----------------------\n");
    for item in ranges.iter().flat_map(|range| range.list("spec.limits")) {
        // Go walks a map here, in any order.
        let resources: BTreeSet<&str> =
            FIELDS.iter().flat_map(|field| item.quantities(field)).map(|(resource, _)| resource).collect();
        for resource in resources {
            let cells = FIELDS.map(|field| match item.at(field).get(resource) {
                Some(amount) => crate::report::kubectl::fields::quantity(amount).to_string(),
                None => "-".to_owned(),
            });
            put!(w, 0, "{indent}{}\t{resource}\t{}\n", item.text("type"), cells.join("\t"));
        }
    }
}

/// A limit range.
pub fn limit_range(w: &mut Writer, range: &Value, _: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(range));
    put!(w, 0, "Namespace:\t{}\n", namespace(range));
    limit_range_lines(w, "", &[range]);
}

/// The length of what base64 stands for.
fn decoded_length(base64: &str) -> usize {
    let padding = base64.bytes().rev().take_while(|b| *b == b'=').count();
    (base64.len() / 4 * 3).saturating_sub(padding)
}

/// A secret; what it hides stays hidden.
pub fn secret(w: &mut Writer, secret: &Value, _: &Context<'_>) {
    head(w, secret);
    put!(w, 0, "\nType:\t{}\n", secret.text("type"));
    put!(w, 0, "\nData\n====\n");
    for (key, data) in secret.entries("data") {
        if key == "token" && secret.text("type") == "kubernetes.io/service-account-token" {
            put!(w, 0, "{key}:\t{}\n", String::from_utf8_lossy(&decoded(data)));
        } else {
            put!(w, 0, "{key}:\t{} bytes\n", decoded_length(data));
        }
    }
}

fn decoded(base64: &str) -> Vec<u8> {
    let digit = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for value in base64.bytes().filter_map(digit) {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// A config map with all it holds.
pub fn config_map(w: &mut Writer, map: &Value, context: &Context<'_>) {
    head(w, map);
    put!(w, 0, "\nData\n====\n");
    for (key, text) in map.entries("data") {
        put!(w, 0, "{key}:\n----\n");
        put!(w, 0, "{text}\n");
        put!(w, 0, "\n");
    }
    put!(w, 0, "\nBinaryData\n====\n");
    for (key, data) in map.entries("binaryData") {
        put!(w, 0, "{key}: {} bytes\n", decoded_length(data));
    }
    put!(w, 0, "\n");
    events_of(w, context, map);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        for (text, bytes) in [("", ""), ("aGk=", "hi"), ("aGV5", "hey"), ("aGVsbG8gd29ybGQ=", "hello world")] {
            assert_eq!((decoded(text).as_slice(), decoded_length(text)), (bytes.as_bytes(), bytes.len()));
        }
    }
}
