//! HorizontalPodAutoscalers: the number of pods follows what they use.
//!
//! Follows `pkg/controller/podautoscaler/horizontal.go` of Kubernetes 1.36: the loop here, what a metric asks for in
//! [`replicas`], how fast that is followed in [`pace`]. Metrics of pods, objects and the world outside come from an
//! adapter, which tells what the scenario says; without one they fail as in a cluster without.

mod metrics;
mod pace;
mod replicas;

use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::work_queue::{Key, Retry};
use crate::api::{
    Amendment, Condition, ConditionStatus, DescribedObject, EventType, FastMap, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerStatus, Kind, MetricSource, MetricSpec, MetricStatus, MetricSubject, MetricTarget, Name,
    Object, ObjectReference, Part, Pod, Request, Selector, Target, names, set_condition,
};
use crate::engine::SimDuration;
use pace::Memory;
use replicas::{PodMetric, Proposal, Question, Tolerance};
use std::collections::BTreeMap;
use std::sync::Arc;

names! {
    ABLE_TO_SCALE = "AbleToScale";
    SCALING_ACTIVE = "ScalingActive";
    SCALING_LIMITED = "ScalingLimited";
}

/// Each autoscaler is looked at once in so long.
const PERIOD: SimDuration = SimDuration::from_secs(15);

/// The controller of HorizontalPodAutoscalers.
#[derive(Debug, Clone, Default)]
pub struct HorizontalController {
    memory: FastMap<Key, Memory>,
    /// What each autoscaler's target selects, as far as its metrics were ever asked for (`hpaSelectors`).
    selectors: BTreeMap<Key, Option<Selector>>,
}

/// What one sync sees.
#[derive(Debug, Clone)]
pub struct View {
    scaler: Arc<HorizontalPodAutoscaler>,
    /// What is scaled, if there may be such a thing.
    target: Option<Target>,
    /// The pods that it selects.
    pods: Vec<Arc<Pod>>,
    /// The autoscalers whose targets select any of them, if that is another one, too.
    rivals: Vec<Key>,
}

impl Controller for HorizontalController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::HorizontalPodAutoscaler]);

    fn settings(&self) -> Settings {
        let retry = Retry { base: PERIOD, cap: PERIOD, most: None };
        Settings { retry, ..Settings::new("horizontal-pod-autoscaler") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        let Object::HorizontalPodAutoscaler(scaler) = seen.new else { return };
        let key = Key::of(&scaler.meta);
        if seen.is_deletion() {
            self.memory.remove(&key);
            self.selectors.remove(&key);
        } else {
            self.selectors.entry(key).or_default();
            desk.queue.add_after(desk.now, PERIOD, key);
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, _desk: &mut Desk<Key>) -> Option<View> {
        let scaler = informers.store().horizontal_pod_autoscalers.find(key.namespace, key.name)?.clone();
        let kind = Kind::from_manifest(&scaler.spec.target_api_version, &scaler.spec.target_kind);
        let target = kind.map(|kind| Target { kind, namespace: key.namespace, name: scaler.spec.target_name });
        let object = target.and_then(|target| informers.store().find(target.kind, target.namespace, target.name));
        let scale = object.as_ref().and_then(Scale::of);
        let pods: Vec<_> = scale.as_ref().map_or_else(Vec::new, |scale| {
            let pods = informers.store().pods.iter();
            pods.filter(|pod| pod.meta.namespace == key.namespace && scale.selector.matches(&pod.meta.labels))
                .cloned()
                .collect()
        });
        let rivals = scale.map_or_else(Vec::new, |scale| self.rivals(key, &scaler, &scale, &pods));
        Some(View { scaler, target, pods, rivals })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let mut work = Work::new(view);
        let outcome = self.reconcile(&mut work, flow)?;
        if let Some(status) = outcome.filter(|status| *status != view.scaler.status) {
            let changed = HorizontalPodAutoscaler { status, ..HorizontalPodAutoscaler::clone(&view.scaler) };
            let object = Object::HorizontalPodAutoscaler(Arc::new(changed));
            if let Err(error) = flow.call(|| Request::Update { object, part: Part::Status })? {
                flow.tell(work.about, EventType::Warning, "FailedUpdateStatus", error.message.clone());
            }
        }
        flow.again_after(PERIOD);
        Ok(())
    }
}

/// What the scale sub-resource of an object says.
struct Scale<'a> {
    replicas: i32,
    status_replicas: i32,
    selector: &'a Selector,
}

impl<'a> Scale<'a> {
    fn of(object: &'a Object) -> Option<Self> {
        let (replicas, status_replicas, selector) = match object {
            Object::Deployment(it) => (it.spec.replicas, it.status.replicas, &it.spec.selector),
            Object::ReplicaSet(it) => (it.spec.replicas, it.status.replicas, &it.spec.selector),
            Object::ReplicationController(it) => (it.spec.replicas, it.status.replicas, &it.spec.selector),
            Object::StatefulSet(it) => (it.spec.replicas, it.status.replicas, &it.spec.selector),
            _ => return None,
        };
        Some(Self { replicas, status_replicas, selector })
    }
}

/// A sync under way.
struct Work<'a> {
    view: &'a View,
    about: ObjectReference,
    status: HorizontalPodAutoscalerStatus,
}

impl<'a> Work<'a> {
    fn new(view: &'a View) -> Self {
        let about = Object::HorizontalPodAutoscaler(view.scaler.clone()).reference();
        Self { view, about, status: view.scaler.status.clone() }
    }

    fn say(&mut self, kind: Name, holds: bool, reason: &str, message: impl Into<String>, flow: &Flow<'_, Key>) {
        let condition = Condition::new(kind, ConditionStatus::from(holds), flow.stamp());
        set_condition(&mut self.status.conditions, condition.because(reason, message.into()));
    }

    /// What is asked of a metric, of no pods in particular and of no resource.
    fn question(&self, metric: &MetricSpec, flow: &Flow<'_, Key>) -> Question<'a> {
        let behavior = self.view.scaler.spec.behavior.as_ref();
        let tolerance = Tolerance {
            up: behavior.and_then(|rules| rules.up.tolerance).unwrap_or(Tolerance::DEFAULT.up),
            down: behavior.and_then(|rules| rules.down.tolerance).unwrap_or(Tolerance::DEFAULT.down),
        };
        Question {
            pods: &self.view.pods,
            current: 0,
            resource: Name::default(),
            container: Name::default(),
            target: metric.target,
            tolerance,
            now: flow.wall(),
        }
    }

    fn warn(&self, reason: &str, message: &str, flow: &mut Flow<'_, Key>) {
        flow.tell(self.about, EventType::Warning, reason, message);
    }
}

/// What one value of all together asks for: as it is, or shared among the pods.
fn of_all(
    by_spec: &Question<'_>,
    by_status: &Question<'_>,
    value: i64,
    target: MetricTarget,
) -> Result<Proposal, String> {
    match target {
        MetricTarget::AverageValue(target) => Ok(replicas::propose_share(by_status, value, target)),
        MetricTarget::Value(target) => replicas::propose_total(by_spec, value, target),
        MetricTarget::Utilization(_) | MetricTarget::Unset => unreachable!("such a target is told of before"),
    }
}

/// What the metrics together ask for.
struct Wish {
    replicas: i32,
    metric: String,
}

impl HorizontalController {
    /// Notes what an autoscaler selects if its metrics are to be asked for, and who else selects any of its pods
    /// (`validateAndParseSelector`).
    fn rivals(&mut self, key: Key, scaler: &HorizontalPodAutoscaler, scale: &Scale<'_>, pods: &[Arc<Pod>]) -> Vec<Key> {
        let spec = &scaler.spec;
        if scale.replicas == 0 || !(spec.min_replicas..=spec.max_replicas).contains(&scale.replicas) {
            return Vec::new();
        }
        if let Some(known) = self.selectors.get_mut(&key)
            && known.as_ref() != Some(scale.selector)
        {
            *known = Some(scale.selector.clone());
        }
        let first = Key { namespace: key.namespace, name: Name::default() };
        let here = self.selectors.range(first..).take_while(|(other, _)| other.namespace == key.namespace);
        let selecting = here.filter(|(_, selector)| {
            selector.as_ref().is_some_and(|selector| pods.iter().any(|pod| selector.matches(&pod.meta.labels)))
        });
        let keys: Vec<Key> = selecting.map(|(other, _)| *other).collect();
        if keys.len() > 1 { keys } else { Vec::new() }
    }

    /// Brings the number of pods nearer to what metrics ask for (`reconcileAutoscaler`); the status to be written.
    fn reconcile(
        &mut self,
        work: &mut Work<'_>,
        flow: &mut Flow<'_, Key>,
    ) -> Step<Option<HorizontalPodAutoscalerStatus>> {
        let scaler = &work.view.scaler;
        let spec = &scaler.spec;
        let found = match work.view.target {
            Some(target) => flow.get(target)?.map_err(|error| error.message.to_string()),
            None => {
                Err(format!("no matches for kind {:?} in group {:?}", spec.target_kind, group(spec.target_api_version)))
            }
        };
        let scale = found.as_ref().map_err(Clone::clone).and_then(|object| {
            Scale::of(object).ok_or_else(|| "the server could not find the requested resource".to_owned())
        });
        let scale = match scale {
            Ok(scale) => scale,
            Err(why) => {
                work.warn("FailedGetScale", &why, flow);
                let message = format!("the HPA controller was unable to get the target's current scale: {why}");
                work.say(*ABLE_TO_SCALE, false, "FailedGetScale", message, flow);
                return Ok(Some(work.status.clone()));
            }
        };
        let message = "the HPA controller was able to get the target's current scale";
        work.say(*ABLE_TO_SCALE, true, "SucceededGetScale", message, flow);
        let current = scale.replicas;
        let now = flow.wall();
        self.memory.entry(flow.key()).or_default().begin(current, now);
        let (desired, why) = if current == 0 && spec.min_replicas != 0 {
            let message = "scaling is disabled since the replica count of the target is zero";
            work.say(*SCALING_ACTIVE, false, "ScalingDisabled", message, flow);
            work.status.current_metrics.clear();
            (0, String::new())
        } else if current > spec.max_replicas {
            work.status.current_metrics.clear();
            (spec.max_replicas, "Current number of replicas above Spec.MaxReplicas".to_owned())
        } else if current < spec.min_replicas {
            work.status.current_metrics.clear();
            (spec.min_replicas, "Current number of replicas below Spec.MinReplicas".to_owned())
        } else {
            let Some(wish) = self.wish(work, &scale, flow)? else {
                work.status.current_replicas = current;
                return Ok(Some(work.status.clone()));
            };
            let why = match wish.replicas.cmp(&current) {
                std::cmp::Ordering::Greater => format!("{} above target", wish.metric),
                std::cmp::Ordering::Less => "All metrics below target".to_owned(),
                std::cmp::Ordering::Equal => String::new(),
            };
            (self.pace(work, current, wish.replicas, flow), why)
        };
        if desired != current
            && let Some(target) = work.view.target
            && !self.rescale(work, target, (current, desired), &why, flow)?
        {
            work.status.current_replicas = current;
            return Ok(Some(work.status.clone()));
        }
        work.status.current_replicas = current;
        work.status.desired_replicas = desired;
        Ok(Some(work.status.clone()))
    }

    /// What the metrics ask for (`computeReplicasForMetrics`); nothing if they do not say enough.
    fn wish(&self, work: &mut Work<'_>, scale: &Scale<'_>, flow: &mut Flow<'_, Key>) -> Step<Option<Wish>> {
        let spec = work.view.scaler.spec.clone();
        if !work.view.rivals.is_empty() {
            // The real ones come in no order.
            let keys: Vec<String> =
                work.view.rivals.iter().map(|key| format!("{}/{}", key.namespace, key.name)).collect();
            let selector = scale.selector;
            let why = format!("pods by selector {selector} are controlled by multiple HPAs: [{}]", keys.join(" "));
            work.warn("AmbiguousSelector", &why, flow);
            work.warn("FailedComputeMetricsReplicas", &why, flow);
            work.say(*SCALING_ACTIVE, false, "AmbiguousSelector", why, flow);
            work.status.current_metrics.clear();
            return Ok(None);
        }
        let mut best: Option<Wish> = None;
        let mut first_problem = None;
        let mut problems = 0;
        work.status.current_metrics = vec![None; spec.metrics.len()];
        for (place, metric) in spec.metrics.iter().enumerate() {
            match self.measure(work, metric, scale, flow)? {
                Ok(proposal) => {
                    let MetricSpec { source, .. } = metric.clone();
                    let Proposal { replicas, utilization, average, value } = proposal;
                    let status =
                        MetricStatus { source, average_utilization: utilization, average_value: average, value };
                    work.status.current_metrics[place] = Some(status);
                    if best.as_ref().is_none_or(|best| replicas > best.replicas) {
                        best = Some(Wish { replicas, metric: title(metric) });
                    }
                }
                Err(why) => {
                    let reason = failure(&metric.source);
                    work.warn(reason, &why, flow);
                    problems += 1;
                    first_problem.get_or_insert((reason, why.clone(), format!("{}: {why}", prefix(metric))));
                }
            }
        }
        if let Some((reason, why, full)) = first_problem
            && best.as_ref().is_none_or(|best| best.replicas < scale.replicas)
        {
            let message = format!("the HPA was unable to compute the replica count: {why}");
            work.say(*SCALING_ACTIVE, false, reason, message, flow);
            let all = spec.metrics.len();
            let message = format!("invalid metrics ({problems} invalid out of {all}), first error is: {full}");
            work.warn("FailedComputeMetricsReplicas", &message, flow);
            return Ok(None);
        }
        if let Some(best) = &best {
            let message = format!("the HPA was able to successfully calculate a replica count from {}", best.metric);
            work.say(*SCALING_ACTIVE, true, "ValidMetricFound", message, flow);
        }
        Ok(best)
    }

    /// What one metric asks for, or why that is not known.
    fn measure(
        &self,
        work: &Work<'_>,
        metric: &MetricSpec,
        scale: &Scale<'_>,
        flow: &mut Flow<'_, Key>,
    ) -> Step<Result<Proposal, String>> {
        let (resource, container) = match &metric.source {
            MetricSource::Resource(resource) => (*resource, Name::default()),
            MetricSource::ContainerResource { resource, container } => (*resource, *container),
            MetricSource::Pods(_) | MetricSource::Object { .. } | MetricSource::External(_) => {
                return self.measure_told(work, metric, scale, flow);
            }
        };
        let (namespace, selector) = (work.view.scaler.meta.namespace, scale.selector.clone());
        let answer = flow.call(|| Request::PodMetrics { namespace, selector })?;
        let question = Question { current: scale.replicas, resource, container, ..work.question(metric, flow) };
        let proposal =
            metrics::read(&answer, resource, container).and_then(|metrics| replicas::propose(&question, metrics));
        let what = if matches!(metric.target, MetricTarget::Utilization(_)) { "utilization" } else { "usage" };
        Ok(proposal.map_err(|why| format!("failed to get {resource} {what}: {why}")))
    }

    /// The same of a metric that an adapter tells (`computeStatusForPodsMetric`, `…ObjectMetric`, `…ExternalMetric`).
    fn measure_told(
        &self,
        work: &Work<'_>,
        metric: &MetricSpec,
        scale: &Scale<'_>,
        flow: &mut Flow<'_, Key>,
    ) -> Step<Result<Proposal, String>> {
        let namespace = work.view.scaler.meta.namespace;
        let (wanted, of) = match &metric.source {
            MetricSource::Pods(metric) => (metric, MetricSubject::Pods(scale.selector.clone())),
            MetricSource::Object { metric, object } => (metric, MetricSubject::Object(*object)),
            MetricSource::External(metric) => (metric, MetricSubject::External),
            MetricSource::Resource(_) | MetricSource::ContainerResource { .. } => unreachable!("a server tells these"),
        };
        let whole = |current| Question { current, ..work.question(metric, flow) };
        let (by_spec, by_status) = (whole(scale.replicas), whole(scale.status_replicas));
        let sum = |told: Vec<(Name, i64)>| told.iter().map(|(_, value)| value).sum::<i64>();
        let name = wanted.name;
        let answer = flow.call(|| Request::Metric { namespace, metric: wanted.clone(), of })?;
        Ok(match (&metric.source, metric.target) {
            (MetricSource::Pods(_), MetricTarget::AverageValue(_)) => {
                let told =
                    metrics::told(&answer, "custom").map_err(|why| format!("unable to get metric {name}: {why}"));
                told.and_then(|told| {
                    let (at, window) = (by_spec.now, SimDuration::from_secs(60));
                    let measured = told.into_iter().map(|(pod, value)| (pod, PodMetric { value, at, window }));
                    replicas::propose(&by_spec, measured.collect())
                })
            }
            (MetricSource::Object { object, .. }, MetricTarget::Value(_) | MetricTarget::AverageValue(_)) => {
                // The real words come in this order.
                let told = metrics::told(&answer, "custom").map_err(|why| {
                    let DescribedObject { kind, name: described, .. } = object;
                    format!("unable to get metric {name}: {kind} on {namespace} {described}/{why}")
                });
                let value = told.map(|told| told.first().map_or(0, |(_, value)| *value));
                value.and_then(|value| of_all(&by_spec, &by_status, value, metric.target))
            }
            (MetricSource::External(_), MetricTarget::Value(_) | MetricTarget::AverageValue(_)) => {
                let told = metrics::told(&answer, "external")
                    .map_err(|why| format!("unable to get external metric {namespace}/{name}/{}: {why}", wanted.said));
                told.and_then(|told| of_all(&by_spec, &by_status, sum(told), metric.target))
            }
            (source, _) => {
                let kind = match source {
                    MetricSource::Pods(_) => "pods",
                    MetricSource::Object { .. } => "object",
                    _ => "external",
                };
                Err(format!("invalid {kind} metric source: neither a value target nor an average value target was set"))
            }
        })
    }

    /// What pace makes of a wish, and what is told of that (`normalizeDesiredReplicas`).
    fn pace(&mut self, work: &mut Work<'_>, current: i32, wish: i32, flow: &mut Flow<'_, Key>) -> i32 {
        let (spec, now) = (work.view.scaler.spec.clone(), flow.wall());
        let memory = self.memory.entry(flow.key()).or_default();
        let paced = memory.pace(&spec, current, wish, now);
        if flow.first() {
            memory.remember(&spec, wish, now);
        }
        work.say(*ABLE_TO_SCALE, true, paced.able.0, paced.able.1, flow);
        work.say(*SCALING_LIMITED, paced.limited, paced.limit.0, paced.limit.1, flow);
        paced.replicas
    }

    /// Changes the number of pods. Whether that worked is returned.
    fn rescale(
        &mut self,
        work: &mut Work<'_>,
        target: Target,
        (current, desired): (i32, i32),
        why: &str,
        flow: &mut Flow<'_, Key>,
    ) -> Step<bool> {
        let answer = flow.call(|| Request::Amend { target, uid: None, amendment: Amendment::Scale(desired) })?;
        if let Err(error) = answer {
            let message = format!("New size: {desired}; reason: {why}; error: {error}");
            work.warn("FailedRescale", &message, flow);
            let message = format!("the HPA controller was unable to update the target scale: {error}");
            work.say(*ABLE_TO_SCALE, false, "FailedUpdateScale", message, flow);
            return Ok(false);
        }
        let message = format!("the HPA controller was able to update the target scale to {desired}");
        work.say(*ABLE_TO_SCALE, true, "SucceededRescale", message, flow);
        let message = format!("New size: {desired}; reason: {why}");
        flow.tell(work.about, EventType::Normal, "SuccessfulRescale", message);
        let now = flow.wall();
        if flow.first() {
            let behavior = work.view.scaler.spec.behavior.as_ref();
            self.memory.entry(flow.key()).or_default().scaled(behavior, current, desired, now);
        }
        work.status.last_scale_time = Some(flow.stamp());
        Ok(true)
    }
}

fn group(api_version: Name) -> String {
    api_version.split_once('/').map_or(String::new(), |(group, _)| group.to_owned())
}

/// What a metric is called in events and conditions.
fn title(metric: &MetricSpec) -> String {
    let metric_target = metric.target;
    let of_request = match metric_target {
        MetricTarget::Utilization(_) => " utilization (percentage of request)",
        _ => "",
    };
    match &metric.source {
        MetricSource::ContainerResource { resource, .. } if !of_request.is_empty() => {
            format!("{resource} container resource{of_request}")
        }
        MetricSource::Resource(resource) | MetricSource::ContainerResource { resource, .. } => {
            format!("{resource} resource{of_request}")
        }
        MetricSource::Pods(metric) => format!("pods metric {}", metric.name),
        // The real controller's word for a value that is shared is the same.
        MetricSource::Object { metric, object } => match metric_target {
            MetricTarget::AverageValue(_) => format!("external metric {}({})", metric.name, metric.said),
            _ => format!("{} metric {}", object.kind, metric.name),
        },
        MetricSource::External(metric) => format!("external metric {}({})", metric.name, metric.said),
    }
}

/// The reason of an event about a metric that is not known.
const fn failure(source: &MetricSource) -> &'static str {
    match source {
        MetricSource::Resource(_) => "FailedGetResourceMetric",
        MetricSource::ContainerResource { .. } => "FailedGetContainerResourceMetric",
        MetricSource::Pods(_) => "FailedGetPodsMetric",
        MetricSource::Object { .. } => "FailedGetObjectMetric",
        MetricSource::External(_) => "FailedGetExternalMetric",
    }
}

/// What stands before the reason that one metric is not known (`computeReplicasForMetric`, and what it calls).
fn prefix(metric: &MetricSpec) -> String {
    match (&metric.source, metric.target) {
        (MetricSource::Resource(name), _) => format!("failed to get {name} resource metric value"),
        (MetricSource::ContainerResource { container, .. }, _) => {
            format!("failed to get {container} container metric value")
        }
        (MetricSource::Pods(_), _) => "failed to get pods metric value".to_owned(),
        (MetricSource::Object { metric, .. }, MetricTarget::AverageValue(_)) => {
            format!("failed to get object metric value: failed to get {} object metric", metric.name)
        }
        (MetricSource::Object { .. }, _) => "failed to get object metric value".to_owned(),
        (MetricSource::External(metric), target) => {
            let name = metric.name;
            let inner = match target {
                MetricTarget::AverageValue(_) => format!(": failed to get {name} external metric"),
                MetricTarget::Value(_) => format!(": failed to get external metric {name}"),
                MetricTarget::Utilization(_) | MetricTarget::Unset => String::new(),
            };
            format!("failed to get {name} external metric value{inner}")
        }
    }
}
