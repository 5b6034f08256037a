//! NodeResourcesBalancedAllocation: a node is better if the pod makes the use of its resources more even.
//!
//! Since 1.34 the score is of the change: 75 for none, up to 100 for the better and down to 50 for the worse.

use super::resource_allocation::{
    ScoredResource, allocatable_and_requested, default_resources, read_resources, stated_requests,
};
use super::{fields, unknown_field};
use crate::api::names;
use crate::api::{Name, Pod, Text};
use crate::components::scheduler::cache::{NodeInfo, NodeSlot};
use crate::components::scheduler::framework::{Context, CycleState, MAX_NODE_SCORE, Plugin, Points, Status};
use crate::components::scheduler::profile::ArgumentError;
use serde_json::Value;

names! {
    NAME = "NodeResourcesBalancedAllocation";
}

/// The plugin.
#[derive(Debug)]
pub struct NodeResourcesBalancedAllocation {
    resources: Vec<ScoredResource>,
    plain: bool,
}

/// What the pod asks for of each scored resource.
#[derive(Debug, Clone)]
struct Requests(Vec<i64>);

impl NodeResourcesBalancedAllocation {
    /// The plugin with its arguments.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(args: &Value) -> Result<Self, ArgumentError> {
        let mut resources = default_resources();
        for (field, value) in fields(args) {
            match field {
                "resources" => resources = read_resources(field, value)?,
                _ => return Err(unknown_field(field)),
            }
        }
        Ok(Self { plain: resources == default_resources(), resources })
    }

    fn score_node(&self, requests: &[i64], node: &NodeInfo) -> i64 {
        let amounts = |(resource, &request): (&ScoredResource, &i64)| {
            let (allocatable, requested) = allocatable_and_requested(node, resource.name, request, true);
            (allocatable, requested, request)
        };
        let counted =
            || self.resources.iter().zip(requests).map(amounts).filter(|(allocatable, _, _)| *allocatable != 0);
        let with = balance(counted().map(|(allocatable, requested, _)| fraction(requested, allocatable)));
        let without = balance(counted().map(|(allocatable, requested, own)| fraction(requested - own, allocatable)));
        score(with, without)
    }
}

fn fraction(requested: i64, allocatable: i64) -> f64 {
    let fraction = requested as f64 / allocatable as f64;
    if fraction > 1.0 { 1.0 } else { fraction }
}

/// How even the use of resources is, from 0 to 100 (`balancedResourceScorer`).
fn balance(fractions: impl Iterator<Item = f64> + Clone) -> i64 {
    let count = fractions.clone().count();
    let deviation = match count {
        0 | 1 => 0.0,
        2 => {
            let mut both = fractions;
            let (one, other) = (both.next().unwrap_or(0.0), both.next().unwrap_or(0.0));
            return even(one, other);
        }
        _ => {
            let mean = fractions.clone().sum::<f64>() / count as f64;
            let squares = fractions.fold(0.0, |sum, fraction| sum + (fraction - mean) * (fraction - mean));
            libm::sqrt(squares / count as f64)
        }
    };
    ((1.0 - deviation) * MAX_NODE_SCORE as f64) as i64
}

fn even(one: f64, other: f64) -> i64 {
    ((1.0 - ((one - other) / 2.0).abs()) * MAX_NODE_SCORE as f64) as i64
}

fn score(with: i64, without: i64) -> i64 {
    MAX_NODE_SCORE / 2 + (MAX_NODE_SCORE / 2 + with - without) / 2
}

impl Plugin for NodeResourcesBalancedAllocation {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::PRE_SCORE.with(Points::SCORE)
    }

    fn pre_score(&self, _cx: &Context<'_>, state: &mut CycleState, pod: &Pod, _nodes: &[NodeSlot]) -> Status {
        let requests = stated_requests(&pod.spec, &self.resources);
        if requests.iter().all(|request| *request == 0) {
            return Status::skip();
        }
        state.write(Requests(requests));
        Status::success()
    }

    fn score(&self, _cx: &Context<'_>, _state: &CycleState, pod: &Pod, node: &NodeInfo) -> i64 {
        self.score_node(&stated_requests(&pod.spec, &self.resources), node)
    }

    fn score_many(&self, cx: &Context<'_>, state: &CycleState, pod: &Pod, nodes: &[NodeSlot], scores: &mut [i64]) {
        let Some(Requests(requests)) = state.read::<Requests>() else { return };
        let own = &pod.spec.requests;
        for (&node, place) in nodes.iter().zip(scores) {
            let info = cx.cache.node(node);
            let (has, used) = (&info.totals.allocatable, &info.totals.requested);
            if !self.plain || has.milli_cpu == 0 || has.memory == 0 {
                *place = self.score_node(requests, info);
                continue;
            }
            let of = |cpu: i64, memory: i64| even(fraction(cpu, has.milli_cpu), fraction(memory, has.memory));
            let without = of(used.milli_cpu, used.memory);
            let with = of(used.milli_cpu + own.milli_cpu, used.memory + own.memory);
            *place = score(with, without);
        }
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        Some(vec![format!("{:?}", pod.spec.requests).into()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_change_in_balance_is_scored() {
        // control-plane.md A.5: a node of 4000 m and 8 GiB.
        const GIB: i64 = 1 << 30;
        let check = |used: (i64, i64), pod: (i64, i64), expected: (i64, i64, i64)| {
            let of = |cpu: i64, memory: i64| balance([fraction(cpu, 4000), fraction(memory, 8 * GIB)].into_iter());
            let (with, without) = (of(used.0 + pod.0, used.1 + pod.1), of(used.0, used.1));
            assert_eq!((with, without, score(with, without)), expected);
        };
        check((1000, 2 * GIB), (500, GIB), (100, 100, 75));
        check((0, 0), (2000, GIB), (81, 100, 65));
        check((0, 4 * GIB), (1000, 0), (87, 75, 81));
    }

    #[test]
    fn three_resources_take_the_population_deviation() {
        assert_eq!(balance([0.0, 0.5, 1.0].into_iter()), 59);
        assert_eq!(balance([0.25].into_iter()), 100);
    }
}
