//! Autoscalers.

use super::fields::{ConditionStyle, Fields, conditions, list};
use crate::api::{HorizontalPodAutoscaler, MetricSource, MetricStatus, Quantity, QuantityFormat};
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
    value.put("averageValue", Quantity::from_milli(metric.average_value, QuantityFormat::DecimalSI).to_string());
    let value = Value::from(value);
    match &metric.source {
        MetricSource::Resource(name) => json!({"type": "Resource", "resource": {"name": name, "current": value}}),
        MetricSource::ContainerResource { resource, container } => {
            let source = json!({"name": resource, "container": container, "current": value});
            json!({"type": "ContainerResource", "containerResource": source})
        }
        MetricSource::Pods(name) => json!({"type": "Pods", "pods": {"metric": {"name": name}, "current": value}}),
        MetricSource::Object(name) => json!({"type": "Object", "object": {"metric": {"name": name}, "current": value}}),
        MetricSource::External(name) => {
            json!({"type": "External", "external": {"metric": {"name": name}, "current": value}})
        }
    }
}
