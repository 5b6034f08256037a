//! Horizontal pod autoscalers.
//!
//! Follows kubectl 1.36 `pkg/describe/describe.go` (`describeHorizontalPodAutoscalerV2`).

use super::Context;
use super::parts::{events_of, head};
use super::writer::{Writer, put};
use crate::api::Quantity;
use crate::report::kubectl::fields::{Fields, quantity};
use crate::report::kubectl::get::metrics;
use crate::report::kubectl::go::{quoted, rfc1123z};
use serde_json::Value;

/// An autoscaler.
pub fn autoscaler(w: &mut Writer, autoscaler: &Value, context: &Context<'_>) {
    head(w, autoscaler);
    put!(w, 0, "CreationTimestamp:\t{}\n", rfc1123z(autoscaler.time("metadata.creationTimestamp")));
    let target = autoscaler.at("spec.scaleTargetRef");
    put!(w, 0, "Reference:\t{}/{}\n", target.text("kind"), target.text("name"));
    put!(w, 0, "Metrics:\t( current / target )\n");
    let (specs, statuses) = metrics(autoscaler);
    for (i, spec) in specs.iter().enumerate() {
        metric(w, spec, statuses.get(i).unwrap_or(&Value::Null));
    }
    let least = autoscaler.opt_int("spec.minReplicas").map_or("<unset>".to_owned(), |n| n.to_string());
    put!(w, 0, "Min replicas:\t{least}\n");
    put!(w, 0, "Max replicas:\t{}\n", autoscaler.int("spec.maxReplicas"));
    if autoscaler.has("spec.behavior") {
        put!(w, 0, "Behavior:\n");
        behavior(w, "Scale Up", autoscaler.at("spec.behavior.scaleUp"));
        behavior(w, "Scale Down", autoscaler.at("spec.behavior.scaleDown"));
    }
    let (current, desired) = (autoscaler.int("status.currentReplicas"), autoscaler.int("status.desiredReplicas"));
    put!(w, 0, "{} pods:\t{current} current / {desired} desired\n", target.text("kind"));
    let conditions = autoscaler.list("status.conditions");
    if !conditions.is_empty() {
        put!(w, 0, "Conditions:\n");
        put!(w, 1, "Type\tStatus\tReason\tMessage\n");
        put!(w, 1, "----\t------\t------\t-------\n");
    }
    for c in conditions {
        let [kind, status, reason, message] = ["type", "status", "reason", "message"].map(|field| c.text(field));
        put!(w, 1, "{kind}\t{status}\t{reason}\t{message}\n");
    }
    events_of(w, context, autoscaler);
}

fn metric(w: &mut Writer, spec: &Value, status: &Value) {
    let kind = spec.text("type");
    let field = match kind {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => {
            put!(w, 1, "<unknown metric type {}>\n", quoted(kind));
            return;
        }
    };
    let (source, target) = (spec.at(field), spec.at(field).at("target"));
    let (state, current) = (status.at(field), status.at(field).at("current"));
    let amount = |value: &Value, name: &str| quantity(value.at(name));
    let known = |holds: bool, amount: Quantity| if holds { amount.to_string() } else { "<unknown>".to_owned() };
    let title = quoted(source.text("metric.name"));
    match kind {
        "Pods" => {
            let current = known(!state.is_null(), amount(current, "averageValue"));
            put!(w, 1, "{title} on pods:\t{current} / {}\n", amount(target, "averageValue"));
        }
        "External" | "Object" => {
            let of = if kind == "Object" {
                let object = source.at("describedObject");
                format!(" on {}/{}", object.text("kind"), object.text("name"))
            } else {
                String::new()
            };
            let by_average =
                if kind == "Object" { target.text("type") == "AverageValue" } else { target.has("averageValue") };
            let (name, label) =
                if by_average { ("averageValue", "target average value") } else { ("value", "target value") };
            let holds = !state.is_null() && (kind == "Object" || !by_average || current.has("averageValue"));
            put!(w, 1, "{title}{of} ({label}):\t{} / {}\n", known(holds, amount(current, name)), amount(target, name));
        }
        _ => {
            let of = match source.text("container") {
                "" => String::new(),
                container => format!(" of container \"{container}\""),
            };
            put!(w, 1, "resource {}{of} on pods", source.text("name"));
            if target.has("averageValue") {
                let current = known(!state.is_null(), amount(current, "averageValue"));
                put!(w, 0, ":\t{current} / {}\n", amount(target, "averageValue"));
                return;
            }
            let current = match current.opt_int("averageUtilization") {
                Some(percent) => format!("{percent}% ({})", amount(current, "averageValue")),
                None => "<unknown>".to_owned(),
            };
            let target =
                target.opt_int("averageUtilization").map_or("<auto>".to_owned(), |percent| format!("{percent}%"));
            put!(w, 1, "(as a percentage of request):\t{current} / {target}\n");
        }
    }
}

fn behavior(w: &mut Writer, direction: &str, rules: &Value) {
    if rules.is_null() {
        return;
    }
    put!(w, 1, "{direction}:\n");
    if let Some(seconds) = rules.opt_int("stabilizationWindowSeconds") {
        put!(w, 2, "Stabilization Window: {seconds} seconds\n");
    }
    let policies = rules.list("policies");
    if !policies.is_empty() {
        put!(w, 2, "Select Policy: {}\n", rules.opt_text("selectPolicy").unwrap_or("Max"));
        put!(w, 2, "Policies:\n");
    }
    for p in policies {
        let (kind, value, period) = (p.text("type"), p.int("value"), p.int("periodSeconds"));
        put!(w, 3, "- Type: {kind}\tValue: {value}\tPeriod: {period} seconds\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metrics_show_current_and_target() {
        for (spec, status, line) in [
            (
                json!({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}}),
                json!({"resource": {"current": {"averageUtilization": 10, "averageValue": "50m"}}}),
                "  resource cpu on pods  (as a percentage of request):\t10% (50m) / 80%\n",
            ),
            (
                json!({"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"averageValue": "1k"}}}),
                json!(null),
                "  \"rps\" on pods:\t<unknown> / 1k\n",
            ),
            (
                json!({"type": "Object", "object": {
                    "metric": {"name": "q"}, "describedObject": {"kind": "Service", "name": "s"},
                    "target": {"type": "Value", "value": "5"},
                }}),
                json!({"object": {"current": {"value": "2"}}}),
                "  \"q\" on Service/s (target value):\t2 / 5\n",
            ),
            (json!({"type": "X"}), json!(null), "  <unknown metric type \"X\">\n"),
        ] {
            let mut w = Writer::default();
            metric(&mut w, &spec, &status);
            assert_eq!(w.with_tabs(), line);
        }
    }
}
