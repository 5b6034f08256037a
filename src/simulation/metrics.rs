//! The metrics server: what pods used when their kubelets were last asked (`metrics.k8s.io/v1beta1`).
//!
//! Follows metrics-server 0.8 (`pkg/storage/pod.go`): all kubelets are asked every 15 seconds; CPU is the growth
//! between two answers, or since the start of a container that is younger, if that has run for ten seconds. Nothing
//! happens in a run for it: what was used is worked out when somebody asks.

use super::cluster::Cluster;
use crate::api::{
    ApiError, CPU, ContainerMetrics, ContainerUsage, ErrorReason, Name, Object, Other, Pod, PodMetrics, PodMetricsList,
    PodMetricsMeta, PodPhase, Response, Selector, Text,
};
use crate::components::cri::PodKey;
use crate::components::runtime::{ContainerUse, PodUse};
use crate::engine::{Purpose, SimDuration, SimTime, StreamKey};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often kubelets are asked.
const RESOLUTION: SimDuration = SimDuration::from_secs(15);
/// How long a young container must have run.
const LEAST: SimDuration = SimDuration::from_secs(10);
const PHASE: Purpose = Purpose::new("metrics scrape");

impl Cluster {
    /// A `PodMetricsList` of the pods of a namespace that a selector matches.
    pub(super) fn pod_metrics(&self, now: SimTime, namespace: Name, selector: &Selector) -> Response {
        if self.metrics_server_is_down() {
            let why = "the server is currently unable to handle the request (get pods.metrics.k8s.io)";
            return Err(ApiError::new(ErrorReason::ServiceUnavailable, why));
        }
        let now = self.metrics_known_since(now);
        let items = self.scraped_at(now).map(|at| self.pod_items(at, namespace, selector)).unwrap_or_default();
        let source = serde_json::to_string(&PodMetricsList { items }).expect("metrics are JSON");
        Ok(Object::Other(Arc::new(Other {
            meta: crate::api::Metadata::default(),
            api_version: Name::new("metrics.k8s.io/v1beta1"),
            kind: Name::new("PodMetricsList"),
            source: Text::from(source),
        })))
    }

    /// The `PodMetrics` of every namespace.
    pub(super) fn every_pod_metrics(&self, now: SimTime) -> Vec<PodMetrics> {
        let Some(at) = self.scraped_at(now) else { return Vec::new() };
        let namespaces = self.server.store().namespaces.sorted();
        let everything = Selector::default();
        namespaces.iter().flat_map(|namespace| self.pod_items(at, namespace.meta.name, &everything)).collect()
    }

    /// When kubelets were last asked, if they were.
    fn scraped_at(&self, now: SimTime) -> Option<SimTime> {
        let resolution = RESOLUTION.as_nanos();
        let phase = self.draws.draw(PHASE, StreamKey::new("metrics-server"), 0).below(resolution);
        let rounds = now.as_nanos().checked_sub(phase)? / resolution;
        Some(SimTime::ZERO + SimDuration::from_nanos(phase + rounds * resolution))
    }

    fn pod_items(&self, at: SimTime, namespace: Name, selector: &Selector) -> Vec<PodMetrics> {
        let window = (SimTime::ZERO + SimDuration::from_nanos(at.as_nanos().saturating_sub(RESOLUTION.as_nanos())), at);
        let pods = self.server.store().pods.iter().filter(|pod| {
            pod.meta.namespace == namespace
                && selector.matches(&pod.meta.labels)
                && pod.status.phase == PodPhase::Running
        });
        let used: Vec<(&Arc<Pod>, PodUse)> = pods
            .filter_map(|pod| {
                let node = *self.nodes.get(&pod.node_name)?;
                let key = PodKey::of(crate::api::Id::new(pod.meta.index));
                Some((pod, self.runtimes.pod_use(node, key, window, LEAST)?))
            })
            .collect();
        let mut sharers: BTreeMap<usize, i64> = BTreeMap::new();
        for rule in used.iter().filter(|(pod, _)| pod.status.is_ready()).filter_map(|(_, used)| used.rule) {
            *sharers.entry(rule).or_default() += 1;
        }
        let share = |pod: &Pod, used: &PodUse| -> i64 {
            let Some(rule) = used.rule.filter(|_| pod.status.is_ready()) else { return 0 };
            self.runtimes.demand(rule, window) / sharers.get(&rule).copied().unwrap_or(1)
        };
        let factor = self.metrics_factor();
        let stamp = self.server.clock().at(at).truncated().to_string();
        used.iter()
            .map(|(pod, used)| {
                let mut share = share(pod, used);
                let measured = |container| measured(pod, container, std::mem::take(&mut share), factor);
                let seconds = at.since(used.since).as_nanos().div_ceil(1_000_000_000);
                PodMetrics {
                    containers: used.containers.iter().map(measured).collect(),
                    metadata: PodMetricsMeta { name: pod.meta.name, namespace },
                    timestamp: stamp.clone(),
                    window: format!("{seconds}s"),
                }
            })
            .collect()
    }
}

/// What a container uses, no more than its limit, with what it does of shared work, in so many per cent.
fn measured(pod: &Pod, container: &ContainerUse, share: i64, factor: i64) -> ContainerMetrics {
    let mut all = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let limit = all.find(|spec| spec.name == container.name).and_then(|spec| spec.limits.get(*CPU));
    let most = limit.map_or(i64::MAX, |milli| milli.saturating_mul(1_000_000));
    let nano_cpu = (container.nano_cpu + share).min(most).saturating_mul(factor) / 100;
    let usage =
        ContainerUsage { cpu: format!("{nano_cpu}n"), memory: format!("{}Ki", (container.memory + 1023) / 1024) };
    ContainerMetrics { name: container.name, usage }
}
