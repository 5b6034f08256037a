//! Autoscalers: `autoscaling/v2`, and v1 as the same.

use super::Lower;
use super::common::{condition, json, name, selector, status, text, time};
use super::defaults::set;
use crate::api::validation::{self, Errors, NameRule};
use crate::api::{
    DescribedObject, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, HorizontalPodAutoscalerStatus, Metadata,
    MetricIdentifier, MetricSource, MetricSpec, MetricStatus, MetricTarget, Name, Quantity, ScalingBehavior,
    ScalingPolicy, ScalingRules, SelectPolicy,
};
use k8s_openapi::api::autoscaling::v2;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as QuantityText;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use serde_json::{Value, json};
use std::sync::Arc;

/// A manifest of `autoscaling/v1` as one of v2.
pub(super) fn as_v2(manifest: &Value) -> Value {
    let mut manifest = manifest.clone();
    manifest["apiVersion"] = "autoscaling/v2".into();
    if let Some(target) = manifest["spec"].as_object_mut().and_then(|s| s.remove("targetCPUUtilizationPercentage")) {
        let target = json!({"type": "Utilization", "averageUtilization": target});
        manifest["spec"]["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
    }
    if let Some(current) = manifest["status"].as_object_mut().and_then(|s| s.remove("currentCPUUtilizationPercentage"))
    {
        let current = json!({"averageUtilization": current});
        manifest["status"]["currentMetrics"] =
            json!([{"type": "Resource", "resource": {"name": "cpu", "current": current}}]);
    }
    manifest
}

impl Lower for v2::HorizontalPodAutoscaler {
    type Record = HorizontalPodAutoscaler;
    const NAME: NameRule = NameRule::Subdomain;

    /// `SetDefaults_HorizontalPodAutoscaler`.
    fn set_defaults(&mut self) {
        let spec = &mut self.spec;
        set(&mut spec.min_replicas, 1);
        if spec.metrics.as_ref().is_none_or(Vec::is_empty) {
            let target = v2::MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(80),
                ..v2::MetricTarget::default()
            };
            spec.metrics = Some(vec![v2::MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(v2::ResourceMetricSource { name: "cpu".to_owned(), target }),
                ..v2::MetricSpec::default()
            }]);
        }
        if let Some(behavior) = &mut spec.behavior {
            let up = behavior.scale_up.get_or_insert_default();
            set(&mut up.stabilization_window_seconds, 0);
            default_rules(up, &[("Pods", 4), ("Percent", 100)]);
            default_rules(behavior.scale_down.get_or_insert_default(), &[("Percent", 100)]);
        }
    }

    fn validate(&self, errors: &mut Errors) {
        validation::horizontal_pod_autoscaler(&self.spec, errors);
    }

    fn record(self, meta: Metadata) -> HorizontalPodAutoscaler {
        let spec = self.spec;
        let target = &spec.scale_target_ref;
        let record = HorizontalPodAutoscalerSpec {
            target_api_version: name(target.api_version.as_ref()),
            target_kind: Name::from(&target.kind),
            target_name: Name::from(&target.name),
            min_replicas: spec.min_replicas.unwrap_or(1),
            max_replicas: spec.max_replicas,
            metrics: spec.metrics.iter().flatten().filter_map(metric).collect(),
            behavior: spec.behavior.as_ref().map(behavior),
            source: json(&spec),
        };
        let found = self.status.unwrap_or_default();
        let status = HorizontalPodAutoscalerStatus {
            last_scale_time: time(found.last_scale_time.as_ref()),
            current_replicas: found.current_replicas.unwrap_or_default(),
            desired_replicas: found.desired_replicas,
            current_metrics: found.current_metrics.iter().flatten().map(metric_status).collect(),
            conditions: found.conditions.iter().flatten().map(condition_of).collect(),
        };
        HorizontalPodAutoscaler { meta, spec: Arc::new(record), status }
    }
}

fn default_rules(rules: &mut v2::HPAScalingRules, policies: &[(&str, i32)]) {
    set(&mut rules.select_policy, "Max");
    if rules.policies.is_none() {
        let policy = |(kind, value): &(&str, i32)| v2::HPAScalingPolicy {
            type_: (*kind).to_owned(),
            value: *value,
            period_seconds: 15,
        };
        rules.policies = Some(policies.iter().map(policy).collect());
    }
}

fn metric(spec: &v2::MetricSpec) -> Option<MetricSpec> {
    let (source, target) = if let Some(resource) = &spec.resource {
        (MetricSource::Resource(Name::from(&resource.name)), &resource.target)
    } else if let Some(of) = &spec.container_resource {
        let (resource, container) = (Name::from(&of.name), Name::from(&of.container));
        (MetricSource::ContainerResource { resource, container }, &of.target)
    } else if let Some(pods) = &spec.pods {
        (MetricSource::Pods(identifier(&pods.metric)), &pods.target)
    } else if let Some(object) = &spec.object {
        let (metric, object_) = (identifier(&object.metric), described(&object.described_object));
        (MetricSource::Object { metric, object: object_ }, &object.target)
    } else {
        let external = spec.external.as_ref()?;
        (MetricSource::External(identifier(&external.metric)), &external.target)
    };
    Some(MetricSpec { source, target: metric_target(target) })
}

fn identifier(metric: &v2::MetricIdentifier) -> MetricIdentifier {
    let none = LabelSelector::default();
    let wanted = metric.selector.as_ref();
    MetricIdentifier {
        name: Name::from(&metric.name),
        selector: selector(wanted.unwrap_or(&none)),
        said: wanted.map_or_else(|| "nil".to_owned(), go_text).into(),
    }
}

fn described(object: &v2::CrossVersionObjectReference) -> DescribedObject {
    let api_version = name(object.api_version.as_ref());
    DescribedObject { api_version, kind: Name::from(&object.kind), name: Name::from(&object.name) }
}

/// A selector as the generated `String` of its Go type prints it.
fn go_text(selector: &LabelSelector) -> String {
    let labels: String =
        selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}: {value},")).collect();
    let expression = |one: &LabelSelectorRequirement| {
        let values = one.values.as_deref().unwrap_or_default().join(" ");
        format!("LabelSelectorRequirement{{Key:{},Operator:{},Values:[{values}],}},", one.key, one.operator)
    };
    let expressions: String = selector.match_expressions.iter().flatten().map(expression).collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{\
         {expressions}}},}}"
    )
}

fn metric_target(target: &v2::MetricTarget) -> MetricTarget {
    let milli =
        |text: &QuantityText| text.0.parse::<Quantity>().map_or(0, |quantity| quantity.saturating_milli_value());
    match target {
        v2::MetricTarget { average_value: Some(value), .. } => MetricTarget::AverageValue(milli(value)),
        v2::MetricTarget { average_utilization: Some(percent), .. } => MetricTarget::Utilization(*percent),
        v2::MetricTarget { value: Some(value), .. } => MetricTarget::Value(milli(value)),
        _ => MetricTarget::Unset,
    }
}

fn behavior(behavior: &v2::HorizontalPodAutoscalerBehavior) -> ScalingBehavior {
    let none = v2::HPAScalingRules::default();
    ScalingBehavior {
        up: rules(behavior.scale_up.as_ref().unwrap_or(&none)),
        down: rules(behavior.scale_down.as_ref().unwrap_or(&none)),
    }
}

fn rules(rules: &v2::HPAScalingRules) -> ScalingRules {
    let tolerance = |text: &QuantityText| text.0.parse::<Quantity>().ok().map(|amount| amount.saturating_milli_value());
    ScalingRules {
        stabilization_window: rules.stabilization_window_seconds,
        select: match rules.select_policy.as_deref() {
            Some("Min") => SelectPolicy::Min,
            Some("Disabled") => SelectPolicy::Disabled,
            _ => SelectPolicy::Max,
        },
        policies: rules
            .policies
            .iter()
            .flatten()
            .map(|policy| ScalingPolicy {
                percent: policy.type_ == "Percent",
                value: policy.value,
                period: policy.period_seconds,
            })
            .collect(),
        tolerance: rules.tolerance.as_ref().and_then(tolerance),
    }
}

fn metric_status(status: &v2::MetricStatus) -> Option<MetricStatus> {
    let milli = |text: &Option<QuantityText>| {
        let amount = text.as_ref().and_then(|text| text.0.parse::<Quantity>().ok());
        amount.map(|value| value.saturating_milli_value())
    };
    let (source, current) = if let Some(resource) = &status.resource {
        (MetricSource::Resource(Name::from(&resource.name)), &resource.current)
    } else if let Some(of) = &status.container_resource {
        let (resource, container) = (Name::from(&of.name), Name::from(&of.container));
        (MetricSource::ContainerResource { resource, container }, &of.current)
    } else if let Some(pods) = &status.pods {
        (MetricSource::Pods(identifier(&pods.metric)), &pods.current)
    } else if let Some(of) = &status.object {
        let (metric, object) = (identifier(&of.metric), described(&of.described_object));
        (MetricSource::Object { metric, object }, &of.current)
    } else {
        let external = status.external.as_ref()?;
        (MetricSource::External(identifier(&external.metric)), &external.current)
    };
    let average_utilization = current.average_utilization;
    let (average_value, value) = (milli(&current.average_value), milli(&current.value));
    Some(MetricStatus { source, average_utilization, average_value, value })
}

fn condition_of(condition: &v2::HorizontalPodAutoscalerCondition) -> crate::api::Condition {
    condition!(condition, None::<i64>, None::<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>)
}

#[cfg(test)]
mod tests {
    use crate::api::{Object, lower, render};
    use serde_json::json;

    #[test]
    fn both_versions_mean_the_same() {
        let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
        let of = |version: &str, more: serde_json::Value| {
            let mut spec = json!({"scaleTargetRef": target, "maxReplicas": 9});
            spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            let manifest = json!({"apiVersion": format!("autoscaling/{version}"), "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": "web"}, "spec": spec});
            let Object::HorizontalPodAutoscaler(scaler) = lower(&manifest).expect("accepted").object else { panic!() };
            scaler
        };
        let cpu = |percent: i32| {
            json!({"metrics": [{"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": percent}}}]})
        };
        let old = of("v1", json!({"targetCPUUtilizationPercentage": 50}));
        assert_eq!(old.spec, of("v2", cpu(50)).spec);
        assert_eq!(of("v1", json!({})).spec, of("v2", cpu(80)).spec);
        let printed = render(&Object::HorizontalPodAutoscaler(old));
        assert_eq!((&printed["apiVersion"], &printed["spec"]["minReplicas"]), (&json!("autoscaling/v2"), &json!(1)));
    }
}
