//! What the metrics API says of pods (`metrics.k8s.io/v1beta1`), read as the controller's client reads it.

use super::replicas::{PodMetric, PodMetricsInfo};
use crate::api::{Name, Object, PodMetrics, PodMetricsList, Quantity, Response, WallTime};
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
    let read = |item: &PodMetrics| {
        let of = item.containers.iter().filter(|have| container.is_empty() || have.name == container);
        let amounts = of.map(|have| Some(have.usage.of(resource)?.parse::<Quantity>().ok()?.saturating_milli_value()));
        let amounts: Vec<i64> = amounts.collect::<Option<_>>()?;
        let at: jiff::Timestamp = item.timestamp.parse().ok()?;
        let metric = PodMetric {
            value: amounts.iter().sum(),
            at: WallTime::from_unix_nanos(i64::try_from(at.as_nanosecond()).ok()?),
            window: SimDuration::from_secs(item.window.trim_end_matches('s').parse().ok()?),
        };
        (container.is_empty() || !amounts.is_empty()).then_some((item.metadata.name, metric))
    };
    Ok(items.iter().filter_map(read).collect())
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
