//! NodeResourcesFit: a node holds what it has, and is better the more, or the less, of it is left.

use super::resource_allocation::{
    ScoredResource, allocatable_and_requested, default_resources, filled_requests, read_resources,
};
use super::{fields, unknown_field, whole_number};
use crate::api::names;
use crate::api::{CPU, MEMORY, Name, Node, Pod, PodSpec, Resources, Text, requests};
use crate::components::scheduler::cache::{NodeInfo, NodeSlot};
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{
    Context, CycleState, EventToRegister, Hint, MAX_NODE_SCORE, Plugin, Points, PreFilterResult, Status, Verdict,
};
use crate::components::scheduler::profile::ArgumentError;
use serde_json::Value;

names! {
    NAME = "NodeResourcesFit";
}

const TOO_MANY_PODS: u32 = 1;
const MILLI_CPU: u32 = 1 << 1;
const MEMORY_BYTES: u32 = 1 << 2;
const STORAGE_BYTES: u32 = 1 << 3;
/// The first bit of extended resources, in order of the request.
const FIRST_SCALAR: u32 = 4;

/// How nodes are compared (`ScoringStrategyType`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScoringStrategy {
    /// Better the more is left.
    LeastAllocated,
    /// Better the less is left.
    MostAllocated,
    /// By a broken line: utilization and score, both from 0 to 100.
    RequestedToCapacityRatio(Vec<(i64, i64)>),
}

/// The plugin.
#[derive(Debug)]
pub struct NodeResourcesFit {
    strategy: ScoringStrategy,
    resources: Vec<ScoredResource>,
    ignored: Vec<Name>,
    ignored_groups: Vec<Name>,
    /// Whether CPU and memory are scored alike and nothing else.
    plain: bool,
}

/// What the pod asks for of each scored resource.
#[derive(Debug, Clone)]
struct Requests(Vec<i64>);

impl NodeResourcesFit {
    /// The plugin with its arguments.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(args: &Value) -> Result<Self, ArgumentError> {
        let names = |value: &Value| -> Vec<Name> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(Name::new).collect()
        };
        let mut plugin = Self {
            strategy: ScoringStrategy::LeastAllocated,
            resources: default_resources(),
            ignored: Vec::new(),
            ignored_groups: Vec::new(),
            plain: false,
        };
        for (field, value) in fields(args) {
            match field {
                "ignoredResources" => plugin.ignored = names(value),
                "ignoredResourceGroups" => plugin.ignored_groups = names(value),
                "scoringStrategy" => plugin.read_strategy(value)?,
                _ => return Err(unknown_field(field)),
            }
        }
        plugin.plain = plugin.strategy == ScoringStrategy::LeastAllocated && plugin.resources == default_resources();
        Ok(plugin)
    }

    fn read_strategy(&mut self, value: &Value) -> Result<(), ArgumentError> {
        let mut shape = Vec::new();
        let mut kind = "LeastAllocated";
        for (field, value) in fields(value) {
            let here = format!("scoringStrategy.{field}");
            match field {
                "type" => kind = value.as_str().unwrap_or_default(),
                "resources" => self.resources = read_resources(&here, value)?,
                "requestedToCapacityRatio" => shape = read_shape(&format!("{here}.shape"), &value["shape"])?,
                _ => return Err(unknown_field(&here)),
            }
        }
        self.strategy = match kind {
            "LeastAllocated" => ScoringStrategy::LeastAllocated,
            "MostAllocated" => ScoringStrategy::MostAllocated,
            "RequestedToCapacityRatio" if shape.is_empty() => {
                let field = "scoringStrategy.requestedToCapacityRatio.shape";
                return Err(ArgumentError::new(field, "no points", "give at least one point"));
            }
            "RequestedToCapacityRatio" => ScoringStrategy::RequestedToCapacityRatio(shape),
            _ => {
                let remedy = "use LeastAllocated, MostAllocated or RequestedToCapacityRatio";
                return Err(ArgumentError::new("scoringStrategy.type", format!("{kind:?}"), remedy));
            }
        };
        Ok(())
    }

    fn is_ignored(&self, resource: Name) -> bool {
        let group = resource.split('/').next().unwrap_or_default();
        is_extended(resource) && (self.ignored.contains(&resource) || self.ignored_groups.iter().any(|g| *g == *group))
    }

    /// What a node lacks for a request, and whether even the empty node would (`fitsRequest`).
    fn insufficient(&self, request: &Resources, node: &NodeInfo) -> Verdict {
        let totals = &node.totals;
        let mut reasons = u32::from(totals.pods + 1 > totals.allowed_pods) * TOO_MANY_PODS;
        let mut unresolvable = false;
        let mut check = |bit: u32, wanted: i64, allocatable: i64, used: i64| {
            if wanted > 0 && wanted > allocatable - used {
                reasons |= bit;
                unresolvable |= wanted > allocatable;
            }
        };
        let (allocatable, used) = (totals.allocatable, totals.requested);
        check(MILLI_CPU, request.milli_cpu, allocatable.milli_cpu, used.milli_cpu);
        check(MEMORY_BYTES, request.memory, allocatable.memory, used.memory);
        check(STORAGE_BYTES, request.ephemeral_storage, allocatable.ephemeral_storage, used.ephemeral_storage);
        for (n, &(resource, wanted)) in request.scalars.iter().enumerate() {
            if wanted == 0 || self.is_ignored(resource) {
                continue;
            }
            let bit = 1 << (FIRST_SCALAR + n as u32).min(31);
            check(bit, wanted, node.allocatable_scalar(resource).unwrap_or(0), node.requested_scalar(resource));
        }
        match (reasons, unresolvable) {
            (0, _) => Verdict::FITS,
            (_, true) => Verdict::unresolvable(reasons),
            (_, false) => Verdict::unschedulable(reasons),
        }
    }

    fn fits_empty(&self, spec: &PodSpec, node: &Node) -> bool {
        let mut info = NodeInfo::default();
        info.set_node(Some(std::sync::Arc::new(node.clone())));
        self.insufficient(&spec.requests, &info).fits()
    }

    fn score_node(&self, requests: &[i64], node: &NodeInfo) -> i64 {
        let (mut sum, mut weights) = (0, 0);
        for (resource, &request) in self.resources.iter().zip(requests) {
            let (allocatable, requested) = allocatable_and_requested(node, resource.name, request, false);
            if allocatable == 0 {
                continue;
            }
            let score = match &self.strategy {
                ScoringStrategy::LeastAllocated => least_allocated(requested, allocatable),
                ScoringStrategy::MostAllocated => requested.min(allocatable) * MAX_NODE_SCORE / allocatable,
                ScoringStrategy::RequestedToCapacityRatio(shape) => {
                    let utilization = if requested > allocatable { 100 } else { requested * 100 / allocatable };
                    let score = on_broken_line(shape, utilization);
                    if score <= 0 {
                        continue;
                    }
                    score
                }
            };
            sum += score * resource.weight;
            weights += resource.weight;
        }
        match &self.strategy {
            _ if weights == 0 => 0,
            ScoringStrategy::RequestedToCapacityRatio(_) => (sum as f64 / weights as f64).round() as i64,
            ScoringStrategy::LeastAllocated | ScoringStrategy::MostAllocated => sum / weights,
        }
    }
}

fn read_shape(place: &str, value: &Value) -> Result<Vec<(i64, i64)>, ArgumentError> {
    let mut shape: Vec<(i64, i64)> = Vec::new();
    for (n, point) in value.as_array().into_iter().flatten().enumerate() {
        let here = format!("{place}[{n}]");
        let utilization = whole_number(&format!("{here}.utilization"), &point["utilization"], 0, 100)?;
        let score = whole_number(&format!("{here}.score"), &point["score"], 0, 10)?;
        if shape.last().is_some_and(|(last, _)| *last >= utilization) {
            let found = format!("{utilization} after a greater or equal one");
            return Err(ArgumentError::new(format!("{here}.utilization"), found, "order the points by utilization"));
        }
        shape.push((utilization, score * (MAX_NODE_SCORE / 10)));
    }
    Ok(shape)
}

fn least_allocated(requested: i64, allocatable: i64) -> i64 {
    if requested > allocatable { 0 } else { (allocatable - requested) * MAX_NODE_SCORE / allocatable }
}

/// The value of a broken line (`BuildBrokenLinearFunction`).
fn on_broken_line(shape: &[(i64, i64)], at: i64) -> i64 {
    let Some(next) = shape.iter().position(|(utilization, _)| at <= *utilization) else {
        return shape.last().map_or(0, |(_, score)| *score);
    };
    let (right, after) = shape[next];
    match next.checked_sub(1).map(|before| shape[before]) {
        None => after,
        Some((left, before)) => before + (after - before) * (at - left) / (right - left),
    }
}

/// Whether a resource is one that a device plugin or an operator adds (`IsExtendedResourceName`).
fn is_extended(resource: Name) -> bool {
    resource.contains('/') && !resource.contains("kubernetes.io/") && !resource.starts_with("requests.")
}

/// Whether an update of another pod gives back what this one asks for.
fn gives_back(pod: &Pod, old: &Pod, new: &Pod) -> bool {
    let before = Resources::from(&requests::requests_with_status(&old.spec, &old.status));
    let after = Resources::from(&requests::requests_with_status(&new.spec, &new.status));
    wanted(&pod.spec.requests).any(|resource| before.get(resource) > after.get(resource))
}

/// The resources of which a request is not zero.
fn wanted(request: &Resources) -> impl Iterator<Item = Name> + '_ {
    let basics = [
        (*CPU, request.milli_cpu),
        (*MEMORY, request.memory),
        (*crate::api::EPHEMERAL_STORAGE, request.ephemeral_storage),
    ];
    let all = basics.into_iter().chain(request.scalars.iter().copied());
    all.filter(|(_, amount)| *amount > 0).map(|(name, _)| name)
}

impl Plugin for NodeResourcesFit {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::PRE_FILTER.with(Points::FILTER).with(Points::PRE_SCORE).with(Points::SCORE)
    }

    fn events(&self) -> Vec<EventToRegister> {
        let pod = Actions::DELETE.with(Actions::UPDATE_POD_SCALE_DOWN);
        let node = Actions::ADD.with(Actions::UPDATE_NODE_ALLOCATABLE);
        vec![
            EventToRegister { resource: Resource::Pod, actions: pod, hinted: true },
            EventToRegister { resource: Resource::Node, actions: node, hinted: true },
        ]
    }

    fn hint(&self, _cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let frees = match (event.old_pod(), event.new_pod(), event.new_node()) {
            (Some(gone), None, _) => !gone.node_name.is_empty() || !gone.status.nominated_node_name.is_empty(),
            (Some(old), Some(new), _) => {
                super::is_same_pod(pod, new.meta.uid) || !new.node_name.is_empty() && gives_back(pod, old, new)
            }
            (None, _, Some(node)) => {
                self.fits_empty(&pod.spec, node)
                    && event.old_node().is_none_or(|old| {
                        let grew = |resource| {
                            let amount = |node: &Node| node.status.allocatable.get(resource).unwrap_or(0);
                            amount(node) > amount(old)
                        };
                        grew(*crate::api::PODS) || wanted(&pod.spec.requests).any(grew)
                    })
            }
            _ => false,
        };
        if frees { Hint::Queue } else { Hint::Skip }
    }

    fn pre_filter(&self, _cx: &Context<'_>, _state: &mut CycleState, _pod: &Pod) -> PreFilterResult {
        PreFilterResult::default()
    }

    fn filter(&self, _cx: &Context<'_>, _state: &CycleState, pod: &Pod, node: &NodeInfo) -> Verdict {
        self.insufficient(&pod.spec.requests, node)
    }

    fn filter_many(
        &self,
        cx: &Context<'_>,
        _state: &CycleState,
        pod: &Pod,
        nodes: &[NodeSlot],
        verdicts: &mut [Verdict],
    ) {
        let request = &pod.spec.requests;
        if !request.scalars.is_empty() {
            for (&node, verdict) in nodes.iter().zip(verdicts).filter(|(_, verdict)| verdict.fits()) {
                *verdict = self.insufficient(request, cx.cache.node(node));
            }
            return;
        }
        for (&node, verdict) in nodes.iter().zip(verdicts) {
            let info = cx.cache.node(node);
            let totals = &info.totals;
            let left = |allocatable: i64, used: i64, wanted: i64| wanted <= 0 || wanted <= allocatable - used;
            let (has, used) = (&totals.allocatable, &totals.requested);
            let fits = (totals.pods < totals.allowed_pods)
                & left(has.milli_cpu, used.milli_cpu, request.milli_cpu)
                & left(has.memory, used.memory, request.memory)
                & left(has.ephemeral_storage, used.ephemeral_storage, request.ephemeral_storage);
            if !fits && verdict.fits() {
                *verdict = self.insufficient(request, info);
            }
        }
    }

    fn reasons(
        &self,
        _cx: &Context<'_>,
        _state: &CycleState,
        pod: &Pod,
        _node: &NodeInfo,
        verdict: Verdict,
    ) -> Vec<Text> {
        let basics = ["Too many pods", "Insufficient cpu", "Insufficient memory", "Insufficient ephemeral-storage"]
            .map(Text::from);
        let scalars = pod.spec.requests.scalars.iter().map(|(name, _)| Text::from(format!("Insufficient {name}")));
        let all = basics.into_iter().chain(scalars).enumerate();
        all.filter(|(bit, _)| verdict.reasons >> bit & 1 == 1).map(|(_, text)| text).collect()
    }

    fn pre_score(&self, _cx: &Context<'_>, state: &mut CycleState, pod: &Pod, _nodes: &[NodeSlot]) -> Status {
        state.write(Requests(filled_requests(&pod.spec, &self.resources)));
        Status::success()
    }

    fn score(&self, _cx: &Context<'_>, _state: &CycleState, pod: &Pod, node: &NodeInfo) -> i64 {
        self.score_node(&filled_requests(&pod.spec, &self.resources), node)
    }

    fn score_many(&self, cx: &Context<'_>, state: &CycleState, pod: &Pod, nodes: &[NodeSlot], scores: &mut [i64]) {
        if self.plain && pod.spec.resources.is_none() {
            let (milli_cpu, memory) = pod.spec.non_zero_requests;
            for (&node, score) in nodes.iter().zip(scores) {
                let totals = &cx.cache.node(node).totals;
                let (cpus, bytes) = (totals.allocatable.milli_cpu, totals.allocatable.memory);
                let both = (cpus != 0, bytes != 0);
                let cpu = if both.0 { least_allocated(totals.non_zero_milli_cpu + milli_cpu, cpus) } else { 0 };
                let memory = if both.1 { least_allocated(totals.non_zero_memory + memory, bytes) } else { 0 };
                *score = if both == (true, true) { (cpu + memory) / 2 } else { cpu + memory };
            }
            return;
        }
        let Some(Requests(requests)) = state.read::<Requests>() else { return };
        for (&node, score) in nodes.iter().zip(scores) {
            *score = self.score_node(requests, cx.cache.node(node));
        }
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        Some(vec![format!("{:?} {:?}", pod.spec.requests, pod.spec.non_zero_requests).into()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_allocated_counts_in_whole_points() {
        // control-plane.md A.4.
        const GIB: i64 = 1 << 30;
        assert_eq!(least_allocated(1500, 4000), 62);
        assert_eq!(least_allocated(3 * GIB, 8 * GIB), 62);
        assert_eq!(least_allocated(4001, 4000), 0);
    }

    #[test]
    fn a_broken_line_is_interpolated_in_integers() {
        // `TestBrokenLinearFunction`.
        let shape = [(10, 1), (90, 9)];
        for (at, expected) in [(-10, 1), (0, 1), (9, 1), (10, 1), (15, 1), (19, 1), (20, 2), (89, 8), (90, 9), (99, 9)]
        {
            assert_eq!(on_broken_line(&shape, at), expected, "at {at}");
        }
        assert_eq!(on_broken_line(&[(0, 100), (100, 0)], 33), 67);
    }
}
