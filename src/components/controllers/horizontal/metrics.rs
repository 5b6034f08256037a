//! What the metrics API says of pods (`metrics.k8s.io/v1beta1`), read as the controller's client reads it.

use super::replicas::{PodMetric, PodMetrics};
use crate::api::{MetricSource, Name, Object, Quantity, Response, WallTime};
use crate::engine::SimDuration;
use serde::Deserialize;

#[derive(Deserialize)]
struct PodMetricsList {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Named,
    timestamp: jiff::Timestamp,
    window: String,
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Container {
    name: String,
    usage: std::collections::BTreeMap<String, String>,
}

/// What pods use of a resource, in thousandths: of all their containers, or of one.
///
/// # Errors
/// Why nothing is known, in the words of the controller's client.
pub fn read(answer: &Response, resource: Name, container: Name) -> Result<PodMetrics, String> {
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
    let read = |item: &Item| {
        let of = item.containers.iter().filter(|have| container.is_empty() || have.name == container.as_str());
        let amounts = of.map(|have| have.usage.get(resource.as_str())?.parse::<Quantity>().ok());
        let amounts: Option<Vec<Quantity>> = amounts.collect();
        let amounts = amounts.filter(|amounts| container.is_empty() || !amounts.is_empty())?;
        let metric = PodMetric {
            value: amounts.iter().map(Quantity::saturating_milli_value).sum(),
            at: WallTime::from_unix_nanos(i64::try_from(item.timestamp.as_nanosecond()).ok()?),
            window: SimDuration::from_secs(item.window.trim_end_matches('s').parse().ok()?),
        };
        Some((Name::new(&item.metadata.name), metric))
    };
    Ok(items.iter().filter_map(read).collect())
}

/// Why a metric that only an adapter knows is not known: no adapter is simulated, as in a cluster without one.
pub fn without_adapter(source: &MetricSource) -> Option<String> {
    let custom = "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) \
                  registered";
    match source {
        MetricSource::Resource(_) | MetricSource::ContainerResource { .. } => None,
        MetricSource::Pods(name) | MetricSource::Object(name) => Some(format!("unable to get metric {name}: {custom}")),
        MetricSource::External(name) => Some(format!(
            "unable to get external metric {name}: unable to fetch metrics from external metrics API: the server could \
             not find the requested resource (get {name}.external.metrics.k8s.io)"
        )),
    }
}
