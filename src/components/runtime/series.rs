//! Metrics that an adapter serves: of pods, of objects, of the world outside. A scenario says how they go.
//!
//! Nothing happens in a run for them: what a metric is, is worked out when an autoscaler asks.

use super::{Glob, Rate};
use crate::engine::{Draws, Purpose, SimDuration, SimTime, StreamKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const READING: Purpose = Purpose::new("metric reading");
/// Readings are taken once in so long.
const ROUND: SimDuration = SimDuration::from_secs(15);

/// A metric, as an adapter of `custom.metrics.k8s.io` or `external.metrics.k8s.io` serves it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Metric", default, deny_unknown_fields)]
pub struct MetricSeries {
    /// What autoscalers call it.
    pub name: String,
    /// Whose it is: `External` if nothing is said.
    pub of: MetricOwner,
    /// The namespace that it is served in; `default` if nothing is said.
    pub namespace: Option<String>,
    /// Its labels, which the `selector` of an autoscaler's metric must match.
    pub labels: BTreeMap<String, String>,
    /// How it goes: whole numbers along a curve.
    pub value: Option<Rate>,
    /// So many of these numbers make one of the metric's units: with 1000 the curve is in thousandths.
    pub parts: Option<u32>,
    /// By so many per cent at most each reading differs from the curve, one way or the other, by chance. Readings are
    /// taken every 15 seconds.
    pub scatter: u32,
    /// When nobody tells it.
    pub missing: Vec<MetricGap>,
}

/// Whose a metric is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum MetricOwner {
    /// Nobody's in the cluster.
    #[default]
    External,
    /// An object's: `service/web`, `ingress/main`.
    Object(String),
    /// Each pod's of these names that runs.
    Pods(Glob),
    /// All pods' of these names that are ready, who share it alike.
    Shared(Glob),
}

/// A time in which a metric is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MetricGap {
    /// Since the start of the run.
    pub from: SimDuration,
    /// Since the start of the run.
    pub until: SimDuration,
}

impl MetricSeries {
    /// The namespace that it is served in.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }

    /// What it is, in thousandths; nothing while nobody tells it.
    pub fn at(&self, now: SimTime, draws: Draws) -> Option<i64> {
        let age = now.since(SimTime::ZERO);
        if self.missing.iter().any(|gap| gap.from <= age && age < gap.until) {
            return None;
        }
        let exact = self.value.as_ref()?.millionths(now) / 1_000 / i64::from(self.parts.unwrap_or(1).max(1));
        if self.scatter == 0 {
            return Some(exact);
        }
        let stream = StreamKey::new(self.namespace()).part(&self.name);
        let stream = self.labels.iter().fold(stream, |stream, (key, value)| stream.part(key).part(value));
        let round = age.as_nanos() / ROUND.as_nanos();
        // Per cent, from 100 less to 100 more.
        let scatter = u64::from(self.scatter);
        let percent = 100 + draws.draw(READING, stream, round).below(2 * scatter + 1) as i64 - scatter as i64;
        Some(exact * percent.max(0) / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::runtime::RateStep;

    #[test]
    fn a_series_follows_its_curve() {
        let secs = SimDuration::from_secs;
        let step = |from, rate| RateStep { from: secs(from), rate };
        let steps = MetricSeries {
            name: "queue".to_owned(),
            value: Some(Rate::Steps(vec![step(0, 30), step(60, 90)])),
            missing: vec![MetricGap { from: secs(100), until: secs(120) }],
            ..MetricSeries::default()
        };
        let small = MetricSeries { parts: Some(1_000), ..steps.clone() };
        // (at, thousandths, and where a thousand of the curve's numbers make one)
        for (at, value, of_small) in [
            (0, Some(30_000), Some(30)),
            (59, Some(30_000), Some(30)),
            (60, Some(90_000), Some(90)),
            (100, None, None),
            (120, Some(90_000), Some(90)),
        ] {
            let now = SimTime::from_secs(at);
            assert_eq!((steps.at(now, Draws::new(1)), small.at(now, Draws::new(1))), (value, of_small), "at {at} s");
        }
    }

    #[test]
    fn readings_scatter_around_the_curve() {
        let value = Some(Rate::Constant(100));
        let series = MetricSeries { name: "load".to_owned(), value, scatter: 20, ..MetricSeries::default() };
        let at = |secs| series.at(SimTime::from_secs(secs), Draws::new(7)).expect("it is told");
        let readings: Vec<i64> = (0..40).map(|round| at(round * 15)).collect();
        assert!(readings.iter().all(|value| (80_000..=120_000).contains(value)), "{readings:?}");
        assert!(readings.iter().any(|value| *value != readings[0]), "{readings:?}");
        assert_eq!(at(15), at(29), "one reading in 15 seconds");
    }
}
