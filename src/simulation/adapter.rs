//! The adapter of metrics: what a scenario says of pods, objects and the world outside, as `custom.metrics.k8s.io` and
//! `external.metrics.k8s.io` serve it.
//!
//! An API is there if a scenario has a metric for it; without, it is refused as in a cluster where nobody serves it.

use super::cluster::Cluster;
use crate::api::{
    ApiError, DescribedObject, ErrorReason, Labels, Metadata, MetricIdentifier, MetricSubject, Name, Object, Other,
    PodPhase, Quantity, QuantityFormat, Response, Selector, Text,
};
use crate::components::runtime::{Glob, MetricOwner, MetricSeries};
use crate::engine::SimTime;
use serde_json::{Value, json};
use std::sync::Arc;

impl Cluster {
    /// What is told of a metric: a `MetricValueList`, or an `ExternalMetricValueList`.
    pub(super) fn told_metric(
        &self,
        now: SimTime,
        namespace: Name,
        metric: &MetricIdentifier,
        of: &MetricSubject,
    ) -> Response {
        let all = &self.plan.world.metrics;
        let external = matches!(of, MetricSubject::External);
        let group = |series: &&MetricSeries| matches!(series.of, MetricOwner::External) == external;
        if !all.iter().any(|series| group(&series)) {
            return Err(nobody_serves(external, metric.name));
        }
        let meant = |series: &&MetricSeries| {
            group(series)
                && series.name == metric.name.as_str()
                && series.namespace() == namespace.as_str()
                && metric.selector.matches(&labels(series))
        };
        let told = all.iter().filter(meant).filter_map(|series| Some((series, series.at(now, self.draws)?)));
        let items: Vec<Value> = match of {
            MetricSubject::External => told.map(|(_, value)| item("", value)).collect(),
            MetricSubject::Object(object) => told
                .filter(|(series, _)| describes(series, *object))
                .map(|(_, value)| item(&object.name, value))
                .collect(),
            MetricSubject::Pods(selector) => {
                told.flat_map(|(series, value)| self.items_of_pods(series, value, namespace, selector)).collect()
            }
        };
        if items.is_empty() && !external {
            let whose = match of {
                MetricSubject::Object(object) => object.kind.to_lowercase(),
                MetricSubject::Pods(_) | MetricSubject::External => "pods".to_owned(),
            };
            let why = format!("the server could not find the metric {} for {whose}", metric.name);
            return Err(ApiError::new(ErrorReason::NotFound, why));
        }
        Ok(list(external, &items))
    }

    /// A value for each pod that runs and is selected.
    fn items_of_pods(&self, series: &MetricSeries, value: i64, namespace: Name, selector: &Selector) -> Vec<Value> {
        let (names, shared): (&Glob, bool) = match &series.of {
            MetricOwner::Pods(names) => (names, false),
            MetricOwner::Shared(names) => (names, true),
            MetricOwner::External | MetricOwner::Object(_) => return Vec::new(),
        };
        let pods = self.server.store().pods.iter().filter(|pod| {
            pod.meta.namespace == namespace && pod.status.phase == PodPhase::Running && names.matches(&pod.meta.name)
        });
        let pods: Vec<_> = pods.collect();
        let ready = pods.iter().filter(|pod| pod.status.is_ready()).count() as i64;
        let share = |is_ready: bool| match (shared, is_ready) {
            (false, _) => value,
            (true, true) => value / ready.max(1),
            (true, false) => 0,
        };
        let selected = pods.into_iter().filter(|pod| selector.matches(&pod.meta.labels));
        selected.map(|pod| item(&pod.meta.name, share(pod.status.is_ready()))).collect()
    }
}

/// What a client is told where no adapter is.
fn nobody_serves(external: bool, metric: Name) -> Box<ApiError> {
    let why = if external {
        format!("the server could not find the requested resource (get {metric}.external.metrics.k8s.io)")
    } else {
        "no custom metrics API (custom.metrics.k8s.io) registered".to_owned()
    };
    ApiError::new(ErrorReason::NotFound, why)
}

fn labels(series: &MetricSeries) -> Labels {
    series.labels.iter().map(|(key, value)| (Name::new(key), Name::new(value))).collect()
}

/// Whether a series is of an object: `service/web`, as kubectl reads it.
fn describes(series: &MetricSeries, object: DescribedObject) -> bool {
    let MetricOwner::Object(path) = &series.of else { return false };
    let Some((kind, name)) = path.split_once('/') else { return false };
    let kind = kind.to_lowercase();
    let known = object.kind.to_lowercase();
    name == object.name.as_str() && (kind == known || kind.strip_suffix('s') == Some(&known))
}

fn item(object: &str, milli: i64) -> Value {
    json!({"object": object, "value": Quantity::from_milli(milli, QuantityFormat::DecimalSI).to_string()})
}

fn list(external: bool, items: &[Value]) -> Object {
    let (api_version, kind) = if external {
        ("external.metrics.k8s.io/v1beta1", "ExternalMetricValueList")
    } else {
        ("custom.metrics.k8s.io/v1beta2", "MetricValueList")
    };
    Object::Other(Arc::new(Other {
        meta: Metadata::default(),
        api_version: Name::new(api_version),
        kind: Name::new(kind),
        source: Text::from(json!({ "items": items }).to_string()),
    }))
}
