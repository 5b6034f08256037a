//! Autoscalers.

use super::fields::{ConditionStyle, Fields, conditions, list};
use super::spec::label_selector;
use crate::api::{
    DescribedObject, HorizontalPodAutoscaler, MetricIdentifier, MetricSource, MetricStatus, Quantity, QuantityFormat,
};
use serde_json::{Value, json};

/// An autoscaler and what it last found.
pub(super) fn autoscaler(scaler: &HorizontalPodAutoscaler) -> Fields {
    let found = &scaler.status;
    let mut status = Fields::default();
    status.set("conditions", conditions(&found.conditions, ConditionStyle::Plain));
    let metrics = list(&found.current_metrics, |metric| metric.as_ref().map_or_else(|| json!({"type": ""}), current));
    status.put("currentMetrics", if found.current_metrics.is_empty() { Value::Null } else { metrics });
    status.set("currentReplicas", found.current_replicas);
    status.put("desiredReplicas", found.desired_replicas);
    status.maybe("lastScaleTime", found.last_scale_time);
    let mut fields = Fields::default();
    fields.put("spec", serde_json::from_str::<Value>(&scaler.spec.source).unwrap_or_else(|_| json!({})));
    fields.put("status", Value::from(status));
    fields
}

fn current(metric: &MetricStatus) -> Value {
    let mut value = Fields::default();
    value.maybe("averageUtilization", metric.average_utilization);
    let amount =
        |milli: Option<i64>| milli.map(|milli| Quantity::from_milli(milli, QuantityFormat::DecimalSI).to_string());
    value.maybe("averageValue", amount(metric.average_value));
    value.maybe("value", amount(metric.value));
    let value = Value::from(value);
    match &metric.source {
        MetricSource::Resource(name) => json!({"type": "Resource", "resource": {"name": name, "current": value}}),
        MetricSource::ContainerResource { resource, container } => {
            let source = json!({"name": resource, "container": container, "current": value});
            json!({"type": "ContainerResource", "containerResource": source})
        }
        MetricSource::Pods(of) => json!({"type": "Pods", "pods": {"metric": identifier(of), "current": value}}),
        MetricSource::Object { metric, object } => {
            let DescribedObject { api_version, kind, name } = object;
            let mut described = json!({"kind": kind, "name": name});
            if !api_version.is_empty() {
                described["apiVersion"] = api_version.as_str().into();
            }
            let source = json!({"metric": identifier(metric), "describedObject": described, "current": value});
            json!({"type": "Object", "object": source})
        }
        MetricSource::External(of) => {
            json!({"type": "External", "external": {"metric": identifier(of), "current": value}})
        }
    }
}

fn identifier(metric: &MetricIdentifier) -> Value {
    let mut value = json!({"name": metric.name});
    if !metric.selector.is_empty() {
        value["selector"] = json!(label_selector(&metric.selector));
    }
    value
}
