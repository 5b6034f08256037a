//! `kubectl get horizontalpodautoscalers`.
//!
//! Follows Kubernetes 1.36 `pkg/printers/internalversion/printers.go` (`formatHPAMetrics`).

use super::{Columns, age, counts};
use crate::api::Quantity;
use crate::report::kubectl::fields::{Fields, quantity};
use crate::report::kubectl::table::{NAME, column};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What is scaled, by what, and between which bounds.
pub const COLUMNS: Columns = &[
    NAME,
    column("Reference"),
    column("Targets"),
    column("MinPods"),
    column("MaxPods"),
    column("Replicas"),
    column("Age"),
];

/// The line of one autoscaler.
pub fn cells(autoscaler: &Value, now: Timestamp) -> Vec<String> {
    let [most, current] = counts(autoscaler, ["spec.maxReplicas", "status.currentReplicas"]);
    vec![
        autoscaler.text("metadata.name").to_owned(),
        format!("{}/{}", autoscaler.text("spec.scaleTargetRef.kind"), autoscaler.text("spec.scaleTargetRef.name")),
        targets(autoscaler),
        autoscaler.opt_int("spec.minReplicas").map_or("<unset>".to_owned(), |n| n.to_string()),
        most,
        current,
        age(autoscaler, now),
    ]
}

fn targets(autoscaler: &Value) -> String {
    const MOST: usize = 2;
    let (specs, statuses) = metrics(autoscaler);
    if specs.is_empty() {
        return "<none>".to_owned();
    }
    let texts: Vec<String> =
        specs.iter().enumerate().map(|(i, spec)| target(spec, statuses.get(i).unwrap_or(&Value::Null))).collect();
    let shown = texts[..texts.len().min(MOST)].join(", ");
    if texts.len() > MOST { format!("{shown} + {} more...", texts.len() - MOST) } else { shown }
}

/// Metrics and their current values; those of `autoscaling/v1` in the form of v2.
pub fn metrics(autoscaler: &Value) -> (Vec<Value>, Vec<Value>) {
    let cpu = |value: Option<i64>, key: &str| {
        let target = json!({"type": "Utilization", "averageUtilization": value});
        json!({"type": "Resource", "resource": {"name": "cpu", key: target}})
    };
    match autoscaler.opt_int("spec.targetCPUUtilizationPercentage") {
        Some(target) => {
            let current = autoscaler.opt_int("status.currentCPUUtilizationPercentage");
            (vec![cpu(Some(target), "target")], current.map(|c| cpu(Some(c), "current")).into_iter().collect())
        }
        None => (autoscaler.list("spec.metrics").to_vec(), autoscaler.list("status.currentMetrics").to_vec()),
    }
}

fn target(spec: &Value, status: &Value) -> String {
    let (field, by_resource) = match spec.text("type") {
        "External" => ("external", false),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let (wanted, current) = (spec.at(field).at("target"), status.at(field).at("current"));
    let amount = |value: &Value, name: &str| value.has(name).then(|| quantity(value.at(name)));
    let known = |amount: Option<Quantity>| amount.map_or("<unknown>".to_owned(), |q| q.to_string());
    if by_resource {
        let name = spec.at(field).text("name");
        if let Some(wanted) = amount(wanted, "averageValue") {
            let current = (!current.is_null()).then(|| quantity(current.at("averageValue")));
            return format!("{name}: {}/{wanted}", known(current));
        }
        let current = current.opt_int("averageUtilization").map_or("<unknown>".to_owned(), |n| format!("{n}%"));
        let wanted = wanted.opt_int("averageUtilization").map_or("<auto>".to_owned(), |n| format!("{n}%"));
        return format!("{name}: {current}/{wanted}");
    }
    match amount(wanted, "averageValue") {
        Some(wanted) if field == "pods" => {
            let current = (!current.is_null()).then(|| quantity(current.at("averageValue")));
            format!("{}/{wanted}", known(current))
        }
        Some(wanted) => format!("{}/{wanted} (avg)", known(amount(current, "averageValue"))),
        None => {
            let current = (!current.is_null()).then(|| quantity(current.at("value")));
            format!("{}/{}", known(current), quantity(wanted.at("value")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_show_current_and_wanted() {
        let resource = |target: Value| json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
        let autoscaler = json!({
            "spec": {"metrics": [
                resource(json!({"averageUtilization": 80})),
                {"type": "External", "external": {"target": {"value": "30"}}},
                {"type": "Pods", "pods": {"target": {"averageValue": "1k"}}},
            ]},
            "status": {"currentMetrics": [
                {"resource": {"current": {"averageUtilization": 12}}}, {"external": {"current": {"value": "5"}}},
            ]},
        });
        assert_eq!(targets(&autoscaler), "cpu: 12%/80%, 5/30 + 1 more...");
        for (spec, text) in [
            (json!({"metrics": [resource(json!({"averageValue": "100m"}))]}), "cpu: <unknown>/100m"),
            (
                json!({"metrics": [{"type": "Object", "object": {"target": {"averageValue": "2"}}}]}),
                "<unknown>/2 (avg)",
            ),
            (json!({"targetCPUUtilizationPercentage": 50}), "cpu: <unknown>/50%"),
            (json!({}), "<none>"),
        ] {
            assert_eq!(targets(&json!({"spec": spec})), text);
        }
    }
}
