//! Autoscalers: a kind without record, but with the server's defaults and rules.

use super::defaults::set;
use crate::api::validation::{self, Errors};
use k8s_openapi::api::autoscaling::v2;

/// `SetDefaults_HorizontalPodAutoscaler`.
pub(super) fn set_defaults(scaler: &mut v2::HorizontalPodAutoscaler) {
    let spec = &mut scaler.spec;
    set(&mut spec.min_replicas, 1);
    if spec.metrics.is_none() {
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
        rules(up, &[("Pods", 4), ("Percent", 100)]);
        rules(behavior.scale_down.get_or_insert_default(), &[("Percent", 100)]);
    }
}

fn rules(rules: &mut v2::HPAScalingRules, policies: &[(&str, i32)]) {
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

/// What the server does not accept.
pub(super) fn validate(scaler: &v2::HorizontalPodAutoscaler, errors: &mut Errors) {
    validation::horizontal_pod_autoscaler(&scaler.spec, errors);
}
