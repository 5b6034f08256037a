//! How many pods a metric asks for (`podautoscaler/replica_calculator.go` of Kubernetes 1.36).
//!
//! Ratios are the real controller's: IEEE divisions and products of the same integers, alike on every machine.

use crate::api::{CPU, ConditionStatus, MetricTarget, Name, Pod, PodPhase, READY, WallTime};
use crate::engine::SimDuration;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A pod's CPU counts only under conditions for so long after its start.
const CPU_INITIALIZATION: SimDuration = SimDuration::from_secs(300);
/// A pod that became unready so soon after its start never was ready.
const INITIAL_READINESS_DELAY: SimDuration = SimDuration::from_secs(30);

/// What a pod uses: thousandths, of a CPU or of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodMetric {
    /// How much.
    pub value: i64,
    /// When it was measured.
    pub at: WallTime,
    /// Over how long.
    pub window: SimDuration,
}

/// What was measured, by pod.
pub type PodMetricsInfo = BTreeMap<Name, PodMetric>;

/// By how much the target may be missed, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// Above.
    pub up: i64,
    /// Below.
    pub down: i64,
}

impl Tolerance {
    /// What the controller tolerates where an autoscaler says nothing.
    pub const DEFAULT: Self = Self { up: 100, down: 100 };

    fn holds(self, ratio: f64) -> bool {
        (1.0 - self.down as f64 / 1000.0) <= ratio && ratio <= 1.0 + self.up as f64 / 1000.0
    }
}

/// What is asked of a resource of pods.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The pods there are.
    pub pods: &'a [Arc<Pod>],
    /// How many there are meant to be.
    pub current: i32,
    /// The resource.
    pub resource: Name,
    /// Only this container; all if empty.
    pub container: Name,
    /// What is wanted.
    pub target: MetricTarget,
    /// What is good enough.
    pub tolerance: Tolerance,
    /// The present.
    pub now: WallTime,
}

/// What a metric comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proposal {
    /// So many pods.
    pub replicas: i32,
    /// Hundredths of what the pods request.
    pub utilization: Option<i32>,
    /// Thousandths, for each pod.
    pub average: Option<i64>,
    /// Thousandths, of all together.
    pub value: Option<i64>,
}

/// How many pods the use of a resource asks for (`GetResourceReplicas`, `GetRawResourceReplicas`).
///
/// # Errors
/// Why that cannot be said, in the controller's words.
pub fn propose(question: &Question<'_>, mut metrics: PodMetricsInfo) -> Result<Proposal, String> {
    if question.pods.is_empty() {
        return Err("no pods returned by selector while calculating replica count".to_owned());
    }
    let groups = Groups::of(question, &metrics);
    metrics.retain(|name, _| !groups.ignored.contains(name) && !groups.unready.contains(name));
    if metrics.is_empty() {
        return Err("did not receive metrics for targeted pods (pods might be unready)".to_owned());
    }
    let wanted = match question.target {
        MetricTarget::Utilization(percent) => Wanted::Utilization { percent, requests: requests(question)? },
        MetricTarget::AverageValue(value) => Wanted::Average(value),
        MetricTarget::Value(_) | MetricTarget::Unset => {
            let message = "invalid resource metric source: neither an average utilization target nor an average value \
                           (usage) target was set";
            return Err(message.to_owned());
        }
    };
    let (ratio, mut proposal) = wanted.ratio(&metrics)?;
    proposal.replicas = question.current;
    let unready_count = !groups.unready.is_empty() && ratio > 1.0;
    if !unready_count && groups.missing.is_empty() {
        if !question.tolerance.holds(ratio) {
            proposal.replicas = (ratio * f64::from(groups.ready)).ceil() as i32;
        }
        return Ok(proposal);
    }
    let fill = |value| PodMetric { value, at: question.now, window: SimDuration::ZERO };
    for name in &groups.missing {
        if ratio < 1.0 {
            metrics.insert(*name, fill(wanted.cautious(*name)));
        } else if ratio > 1.0 {
            metrics.insert(*name, fill(0));
        }
    }
    if unready_count {
        metrics.extend(groups.unready.iter().map(|name| (*name, fill(0))));
    }
    let (filled, _) = wanted.ratio(&metrics)?;
    let turned = (ratio < 1.0 && filled > 1.0) || (ratio > 1.0 && filled < 1.0);
    if question.tolerance.holds(filled) || turned {
        return Ok(proposal);
    }
    let replicas = (filled * metrics.len() as f64).ceil() as i32;
    let other_way = (filled < 1.0 && replicas > question.current) || (filled > 1.0 && replicas < question.current);
    if !other_way {
        proposal.replicas = replicas;
    }
    Ok(proposal)
}

/// How many pods one value of all together asks for (`GetObjectMetricReplicas`, `GetExternalMetricReplicas`): so many
/// times as are ready.
///
/// # Errors
/// Where there are no pods to be counted.
pub fn propose_total(question: &Question<'_>, value: i64, target: i64) -> Result<Proposal, String> {
    let ratio = value as f64 / target as f64;
    let mut proposal = Proposal { replicas: question.current, value: Some(value), ..Proposal::default() };
    if question.current == 0 {
        proposal.replicas = ratio.ceil() as i32;
    } else if !question.tolerance.holds(ratio) {
        if question.pods.is_empty() {
            let why = "no pods returned by selector while calculating replica count";
            return Err(format!("unable to calculate ready pods: {why}"));
        }
        let ready = |pod: &&Arc<Pod>| pod.status.phase == PodPhase::Running && pod.status.is_ready();
        proposal.replicas = (ratio * question.pods.iter().filter(ready).count() as f64).ceil() as i32;
    }
    Ok(proposal)
}

/// How many pods one value that is shared among them asks for (`GetObjectPerPodMetricReplicas`,
/// `GetExternalPerPodMetricReplicas`).
pub fn propose_share(question: &Question<'_>, value: i64, target: i64) -> Proposal {
    let current = f64::from(question.current);
    let ratio = value as f64 / (target as f64 * current);
    let within = question.tolerance.holds(ratio);
    let replicas = if within { question.current } else { (value as f64 / target as f64).ceil() as i32 };
    Proposal { replicas, average: Some((value as f64 / current).ceil() as i64), ..Proposal::default() }
}

/// What a target comes to.
enum Wanted {
    Utilization { percent: i32, requests: BTreeMap<Name, i64> },
    Average(i64),
}

impl Wanted {
    /// Use over target, and what is told of it (`GetResourceUtilizationRatio`, `GetMetricUsageRatio`).
    fn ratio(&self, metrics: &PodMetricsInfo) -> Result<(f64, Proposal), String> {
        match self {
            Self::Utilization { percent, requests } => {
                let known = || metrics.iter().filter_map(|(name, metric)| Some((metric.value, requests.get(name)?)));
                let used: i64 = known().map(|(used, _)| used).sum();
                let requested: i64 = known().map(|(_, requested)| requested).sum();
                if requested == 0 {
                    return Err("no metrics returned matched known pods".to_owned());
                }
                let utilization = (used * 100 / requested) as i32;
                let average = used / known().count() as i64;
                let ratio = f64::from(utilization) / f64::from(*percent);
                let proposal =
                    Proposal { utilization: Some(utilization), average: Some(average), ..Proposal::default() };
                Ok((ratio, proposal))
            }
            Self::Average(target) => {
                let average = metrics.values().map(|metric| metric.value).sum::<i64>() / metrics.len() as i64;
                let proposal = Proposal { average: Some(average), ..Proposal::default() };
                Ok((average as f64 / *target as f64, proposal))
            }
        }
    }

    /// What a pod without metrics is taken to use when fewer pods would do.
    fn cautious(&self, pod: Name) -> i64 {
        match self {
            Self::Utilization { percent, requests } => {
                requests.get(&pod).copied().unwrap_or(0) * i64::from((*percent).max(100)) / 100
            }
            Self::Average(target) => *target,
        }
    }
}

/// Which pods count how (`groupPods`).
#[derive(Debug, Default, PartialEq, Eq)]
struct Groups {
    ready: i32,
    unready: Vec<Name>,
    missing: Vec<Name>,
    ignored: Vec<Name>,
}

impl Groups {
    fn of(question: &Question<'_>, metrics: &PodMetricsInfo) -> Self {
        let mut groups = Self::default();
        for pod in question.pods {
            let name = pod.meta.name;
            if pod.meta.is_terminating() || pod.status.phase == PodPhase::Failed {
                groups.ignored.push(name);
            } else if pod.status.phase == PodPhase::Pending {
                groups.unready.push(name);
            } else if let Some(metric) = metrics.get(&name) {
                if question.resource == *CPU && starts(pod, metric, question.now) {
                    groups.unready.push(name);
                } else {
                    groups.ready += 1;
                }
            } else {
                groups.missing.push(name);
            }
        }
        groups
    }
}

/// Whether a pod's CPU does not count because the pod is, or was just now, starting.
fn starts(pod: &Pod, metric: &PodMetric, now: WallTime) -> bool {
    let (Some(ready), Some(start)) = (pod.status.condition(*READY), pod.status.start_time) else { return true };
    let after = |delay: SimDuration| start.wall().unix_nanos() + delay.as_nanos() as i64;
    let (unready, turned) = (ready.status == ConditionStatus::False, ready.last_transition_time.wall().unix_nanos());
    if after(CPU_INITIALIZATION) > now.unix_nanos() {
        return unready || metric.at.unix_nanos() < turned + metric.window.as_nanos() as i64;
    }
    unready && after(INITIAL_READINESS_DELAY) > turned
}

/// What each pod requests, in thousandths (`calculatePodRequests`).
fn requests(question: &Question<'_>) -> Result<BTreeMap<Name, i64>, String> {
    let resource = question.resource;
    let milli = |amount: i64| if resource == *CPU { amount } else { amount.saturating_mul(1000) };
    let mut requests = BTreeMap::new();
    for pod in question.pods {
        let sidecars = pod.spec.init_containers.iter().filter(|container| container.is_sidecar());
        let whole = pod.spec.resources.as_ref().and_then(|(requests, _)| requests.get(resource));
        let mut sum = 0;
        if let (Some(whole), true) = (whole, question.container.is_empty()) {
            sum = milli(whole);
        } else {
            for container in pod.spec.containers.iter().chain(sidecars) {
                if !question.container.is_empty() && container.name != question.container {
                    continue;
                }
                let Some(amount) = container.requests.get(resource) else {
                    let (container, pod) = (container.name, pod.meta.name);
                    return Err(format!("missing request for {resource} in container {container} of Pod {pod}"));
                };
                sum += milli(amount);
            }
        }
        requests.insert(pod.meta.name, sum);
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{
        Condition, ConditionStatus, Container, MEMORY, Metadata, PodSpec, PodStatus, ResourceList, Timestamp,
    };

    const NOW: i64 = 10_000;

    /// A pod that is ready since `ready` seconds ago, or unready since then, and started `age` seconds ago.
    fn pod(n: usize, phase: PodPhase, is_ready: bool, since: i64, age: i64) -> Arc<Pod> {
        let condition = |holds| {
            let at = Timestamp::from_unix_secs(NOW - since);
            Condition::new(*READY, ConditionStatus::from(holds), at)
        };
        let requests: ResourceList = [(*CPU, 1000), (*MEMORY, 1)].into_iter().collect();
        let container = Container { name: Name::new("app"), requests, ..Container::default() };
        let status = PodStatus {
            phase,
            conditions: vec![condition(is_ready)],
            start_time: Some(Timestamp::from_unix_secs(NOW - age)),
            ..PodStatus::default()
        };
        let meta = Metadata { name: Name::new(&format!("p{n}")), ..Metadata::default() };
        let spec = PodSpec { containers: vec![container], ..PodSpec::default() };
        Arc::new(Pod { meta, spec: Arc::new(spec), node_name: Name::default(), status: Arc::new(status) })
    }

    fn metrics(values: &[Option<i64>]) -> PodMetricsInfo {
        let at = Timestamp::from_unix_secs(NOW - 5).wall();
        let window = SimDuration::from_secs(15);
        let one = |(n, value): (usize, &Option<i64>)| {
            Some((Name::new(&format!("p{n}")), PodMetric { value: (*value)?, at, window }))
        };
        values.iter().enumerate().filter_map(one).collect()
    }

    fn question(pods: &[Arc<Pod>], target: MetricTarget) -> Question<'_> {
        Question {
            pods,
            current: pods.len() as i32,
            resource: *CPU,
            container: Name::default(),
            target,
            tolerance: Tolerance::DEFAULT,
            now: Timestamp::from_unix_secs(NOW).wall(),
        }
    }

    fn asked(pods: &[Arc<Pod>], target: MetricTarget, values: &[Option<i64>]) -> Result<Proposal, String> {
        propose(&question(pods, target), metrics(values))
    }

    #[test]
    fn ratios_are_followed_beyond_the_tolerance() {
        // Utilization target, use of each pod (of 1000 m requested), pods proposed: spec/control-plane.md A.13 and
        // `TestReplicaCalc…` of replica_calculator_test.go.
        for (target, values, replicas) in [
            (50, &[900, 900, 900, 900][..], 8),
            (50, &[5000], 10),
            (50, &[460; 10], 10),
            (50, &[550; 10], 10),
            (50, &[561; 10], 12),
            (30, &[300, 500, 700], 5),
            (50, &[100, 300, 500, 250, 250], 3),
            (100, &[1009; 4], 4),
        ] {
            let pods: Vec<_> = (0..values.len()).map(|n| pod(n, PodPhase::Running, true, 500, 600)).collect();
            let values: Vec<_> = values.iter().copied().map(Some).collect();
            assert_eq!(asked(&pods, MetricTarget::Utilization(target), &values).map(|p| p.replicas), Ok(replicas));
        }
    }

    #[test]
    fn pods_without_metrics_damp_every_change() {
        let running = |n| pod(n, PodPhase::Running, true, 500, 600);
        let all = |count: usize| -> Vec<_> { (0..count).map(running).collect() };
        let average = MetricTarget::AverageValue;
        // `TestReplicaCalcMissingMetrics…`: missing pods use nothing on the way up, all that they may on the way down.
        for (pods, target, values, replicas) in [
            (all(4), MetricTarget::Utilization(100), vec![None, Some(950), None, Some(950)], 4),
            (all(3), MetricTarget::Utilization(50), vec![Some(1000), None, None], 3),
            (all(3), MetricTarget::Utilization(50), vec![Some(2000), Some(2000), None], 8),
            (all(4), MetricTarget::Utilization(50), vec![Some(1), Some(1), Some(1), None], 2),
            (all(3), average(500), vec![Some(1500), Some(1500), None], 6),
        ] {
            assert_eq!(asked(&pods, target, &values).map(|p| p.replicas), Ok(replicas), "{values:?}");
        }
    }

    #[test]
    fn pods_that_start_do_not_count_with_their_cpu() {
        let busy = MetricTarget::Utilization(50);
        let old = pod(0, PodPhase::Running, true, 500, 600);
        // The second pod, its use, how many pods that makes. The first one uses twice what it should.
        for (second, value, replicas) in [
            (pod(1, PodPhase::Running, true, 290, 295), Some(1000), 4), // Ready for longer than a window.
            (pod(1, PodPhase::Running, true, 6, 100), Some(1000), 2),   // The window began before it was ready.
            (pod(1, PodPhase::Running, false, 290, 295), Some(1000), 2), // Not ready yet.
            (pod(1, PodPhase::Running, false, 595, 600), Some(1000), 2), // Never was ready.
            (pod(1, PodPhase::Running, false, 100, 600), Some(1000), 4), // Was ready once.
            (pod(1, PodPhase::Pending, false, 1, 1), None, 2),
            (pod(1, PodPhase::Failed, false, 1, 600), None, 2), // Of one pod.
        ] {
            let pods = [old.clone(), second];
            let said = asked(&pods, busy, &[Some(1000), value]).map(|p| p.replicas);
            assert_eq!(said, Ok(replicas), "{:?}", pods[1].status);
        }
        let none = asked(&[pod(0, PodPhase::Pending, false, 1, 1)], busy, &[Some(1)]);
        assert_eq!(none, Err("did not receive metrics for targeted pods (pods might be unready)".to_owned()));
    }

    #[test]
    fn one_value_counts_for_all_pods() {
        // control-plane.md 3.9: ceil(ratio · ready pods) of a value, ceil(total / target) of an average value;
        // `TestReplicaCalcScaleUpCMObject`, `TestReplicaCalcScaleUpCMExternal`, `…PerPodCMExternal` and their kin.
        let running = |n| pod(n, PodPhase::Running, true, 500, 600);
        let unready = |n| pod(n, PodPhase::Running, false, 500, 600);
        let pending = |n| pod(n, PodPhase::Pending, false, 500, 600);
        let all = |count: usize| -> Vec<_> { (0..count).map(running).collect() };
        let total = |pods: &[Arc<Pod>], current, value, target| {
            let question = Question { current, ..question(pods, MetricTarget::Value(target)) };
            propose_total(&question, value, target).map(|proposal| proposal.replicas)
        };
        for (pods, value, target, replicas) in [
            (all(3), 20_000, 15_000, 4), // A third more than wanted: 4 for 3.
            (all(3), 8_600, 4_400, 6),   // `TestReplicaCalcScaleUpCMExternal`.
            (all(5), 8_600, 14_334, 3),  // `TestReplicaCalcScaleDownCMExternal`.
            (all(3), 22_000, 20_000, 3), // Within a tenth: 1.1 is.
            (all(3), 18_000, 20_000, 3), // 0.9 is, too.
            (all(3), 22_001, 20_000, 4), // A little more is not.
            (vec![running(0), running(1), unready(2), pending(3)], 20_000, 10_000, 4), // Of the two that are ready.
        ] {
            assert_eq!(total(&pods, pods.len() as i32, value, target), Ok(replicas), "{value} of {target}");
        }
        assert_eq!(total(&[], 0, 2_500, 1_000), Ok(3), "from nothing, pods are not counted");
        let none = "unable to calculate ready pods: no pods returned by selector while calculating replica count";
        assert_eq!(total(&[], 2, 2_500, 1_000), Err(none.to_owned()));
        for (current, value, target, replicas, average) in [
            (3, 8_600, 2_150, 4, 2_867), // `TestReplicaCalcScaleUpPerPodCMExternal`.
            (5, 8_600, 2_867, 3, 1_720), // `TestReplicaCalcScaleDownPerPodCMExternal`.
            (3, 30_000, 10_000, 3, 10_000),
            (3, 33_000, 10_000, 3, 11_000), // Within a tenth.
            (3, 33_100, 10_000, 4, 11_034),
            (2, 12_000, 4_000, 3, 6_000),
        ] {
            let share = propose_share(
                &Question { current, ..question(&[], MetricTarget::AverageValue(target)) },
                value,
                target,
            );
            assert_eq!((share.replicas, share.average), (replicas, Some(average)), "{value} of {target} for {current}");
        }
    }

    #[test]
    fn tolerances_go_their_own_ways() {
        // control-plane.md 3.9: 0.1 each way, overridable per direction; both ends are within.
        for (up, down, percent, holds) in [
            (100, 100, 110, true),
            (100, 100, 90, true),
            (100, 100, 111, false),
            (100, 100, 89, false),
            (0, 500, 101, false),
            (0, 500, 50, true),
            (300, 0, 130, true),
            (300, 0, 99, false),
        ] {
            assert_eq!(
                Tolerance { up, down }.holds(f64::from(percent) / 100.0),
                holds,
                "{percent} % within {up}, {down}"
            );
        }
    }

    #[test]
    fn plain_metrics_of_pods_do_not_look_at_readiness() {
        // `TestReplicaCalcScaleUpCM`, `…UnreadyHotCpuNoLessScale` has no counterpart: only CPU looks at readiness.
        let running = |n| pod(n, PodPhase::Running, true, 500, 600);
        let starting = |n| pod(n, PodPhase::Running, false, 1, 2);
        let target = MetricTarget::AverageValue(15_000);
        for (pods, values, replicas) in [
            (vec![running(0), running(1), running(2)], vec![Some(20_000), Some(10_000), Some(30_000)], 4),
            (vec![running(0), starting(1), running(2)], vec![Some(50_000), Some(10_000), Some(30_000)], 6),
            (vec![running(0), running(1), pod(2, PodPhase::Pending, false, 1, 1)], vec![Some(30_000), Some(30_000)], 4),
        ] {
            let values: Vec<Option<i64>> = values;
            let asked = Question { resource: Name::default(), ..question(&pods, target) };
            assert_eq!(propose(&asked, metrics(&values)).map(|found| found.replicas), Ok(replicas), "{values:?}");
        }
    }

    #[test]
    fn every_container_must_request_what_is_measured() {
        let mut bare = Pod::clone(&pod(1, PodPhase::Running, true, 500, 600));
        Arc::make_mut(&mut bare.spec).containers[0].requests = ResourceList::default();
        let pods = [pod(0, PodPhase::Running, true, 500, 600), Arc::new(bare)];
        let said = asked(&pods, MetricTarget::Utilization(50), &[Some(1), Some(1)]);
        assert_eq!(said, Err("missing request for cpu in container app of Pod p1".to_owned()));
        let plain = asked(&pods, MetricTarget::AverageValue(1), &[Some(1), Some(1)]);
        assert_eq!(plain, Ok(Proposal { replicas: 2, average: Some(1), ..Proposal::default() }));
    }
}
