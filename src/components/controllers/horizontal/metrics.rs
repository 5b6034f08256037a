//! What the metrics API says of pods (`metrics.k8s.io/v1beta1`), read as the controller's client reads it.

use super::replicas::{PodMetric, PodMetricsInfo};
use crate::api::{ContainerMetrics, Name, Object, PodMetrics, PodMetricsList, Quantity, Response, WallTime};
use crate::engine::SimDuration;
use serde::Deserialize;

#[derive(Deserialize)]
struct MetricValueList {
    items: Vec<MetricValue>,
}

#[derive(Deserialize)]
struct MetricValue {
    object: String,
    value: String,
}

/// What pods use of a resource, in thousandths: of all their containers, or of one.
///
/// # Errors
/// Why nothing is known, in the words of the controller's client.
pub fn read(answer: &Response, resource: Name, container: Name) -> Result<PodMetricsInfo, String> {
    let unable = |why: &str| format!("unable to get metrics for resource {resource}: {why}");
    let list = match answer {
        Ok(Object::Other(list)) => serde_json::from_str::<PodMetricsList>(&list.source).ok(),
        Ok(_) => None,
        Err(error) => return Err(unable(&format!("unable to fetch metrics from resource metrics API: {error}"))),
    };
    let items = list.map(|list| list.items).unwrap_or_default();
    if items.is_empty() {
        return Err(unable("no metrics returned from resource metrics API"));
    }
    let mut found = PodMetricsInfo::new();
    for item in &items {
        let used = match item.containers.iter().find(|have| have.name == container) {
            Some(one) => milli(one, resource),
            None if item.containers.is_empty() && container.is_empty() => None,
            None if container.is_empty() => item.containers.iter().map(|one| milli(one, resource)).sum(),
            None => {
                let (namespace, name) = (item.metadata.namespace, item.metadata.name);
                return Err(unable(&format!(
                    "failed to get container metrics: container {container} not present in metrics for pod \
                     {namespace}/{name}"
                )));
            }
        };
        if let Some(metric) = used.and_then(|value| metric(item, value)) {
            found.insert(item.metadata.name, metric);
        }
    }
    Ok(found)
}

fn milli(container: &ContainerMetrics, resource: Name) -> Option<i64> {
    Some(container.usage.of(resource)?.parse::<Quantity>().ok()?.saturating_milli_value())
}

fn metric(item: &PodMetrics, value: i64) -> Option<PodMetric> {
    let at: jiff::Timestamp = item.timestamp.parse().ok()?;
    Some(PodMetric {
        value,
        at: WallTime::from_unix_nanos(i64::try_from(at.as_nanosecond()).ok()?),
        window: SimDuration::from_secs(item.window.trim_end_matches('s').parse().ok()?),
    })
}

/// What an adapter told of a metric, in thousandths: by object, or of the world outside.
///
/// # Errors
/// Why nothing is known, in the words of the controller's client.
pub fn told(answer: &Response, api: &str) -> Result<Vec<(Name, i64)>, String> {
    let list = match answer {
        Ok(Object::Other(list)) => serde_json::from_str::<MetricValueList>(&list.source).ok(),
        Ok(_) => None,
        Err(error) => return Err(format!("unable to fetch metrics from {api} metrics API: {error}")),
    };
    let items = list.map(|list| list.items).unwrap_or_default();
    if items.is_empty() {
        return Err(format!("no metrics returned from {api} metrics API"));
    }
    let read = |item: &MetricValue| {
        Some((Name::new(&item.object), item.value.parse::<Quantity>().ok()?.saturating_milli_value()))
    };
    Ok(items.iter().filter_map(read).collect())
}
