//! How few nodes do: the same manifests on fewer and fewer empty machines, each number run by itself.

use super::Ground;
use super::disruption::pending;
use crate::api::{
    CPU, EPHEMERAL_STORAGE, HOSTNAME_LABEL, Kind, Labels, MEMORY, Name, Node, Object, PODS, Pod, Resources, ZONE_LABEL,
};
use crate::engine::{SimDuration, SimTime};
use crate::scenario::plan::{Action, NodePlan, Plan, TimedAction};
use crate::simulation::{Simulation, parallel_on};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// More nodes than this beyond the least that sums allow are not tried one by one.
const STEPS: usize = 24;
/// Placing is over when nothing was bound for so long.
const QUIET: SimDuration = SimDuration::from_secs(20);
/// No run is longer.
const LONGEST: SimDuration = SimDuration::from_mins(60);

/// Nodes that differ in nothing that decides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeType {
    /// Its instance type, or one of its nodes.
    pub name: String,
    /// The nodes.
    pub nodes: Vec<Name>,
    /// Their zones, in turn.
    pub zones: Vec<Name>,
    #[serde(skip)]
    example: Arc<Node>,
}

/// How few nodes of a type do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fewest {
    /// The type.
    pub node_type: String,
    /// How many; nothing if not even many more than the sums ask for would do.
    pub nodes: Option<usize>,
    /// How many the sums of all requests ask for at least, and the resource.
    pub least_by_sums: (usize, Name),
    /// What stops one node fewer, or stops it at all: the scheduler's words for the first pod.
    pub stopped_by: Option<String>,
    /// With how many seeds that was found.
    pub seeds: usize,
}

/// What is to run, wherever.
#[derive(Debug, Clone)]
pub struct Demand {
    /// The run that it was taken from: behaviours, latencies, the scheduler.
    pub plan: Plan,
    /// What is stored from the start: classes, DaemonSets.
    pub stored: Vec<Object>,
    /// What is created.
    pub actions: Vec<Action>,
    /// The requests of the pods that come of it, but for those of DaemonSets.
    pub requests: Vec<Resources>,
}

/// The types of a cluster's nodes, by name; cordoned ones count like others.
pub fn node_types(ground: &Ground) -> Vec<NodeType> {
    let mut types: BTreeMap<String, NodeType> = BTreeMap::new();
    for object in &ground.objects {
        let Object::Node(node) = object else { continue };
        let known = types.entry(identity(node)).or_insert_with(|| NodeType {
            name: instance_type(&node.meta.labels).map_or_else(|| format!("like {}", node.meta.name), str::to_owned),
            nodes: Vec::new(),
            zones: Vec::new(),
            example: node.clone(),
        });
        known.nodes.push(node.meta.name);
        known.zones.extend(node.meta.labels.get(*ZONE_LABEL).filter(|zone| !known.zones.contains(zone)));
    }
    types.into_values().collect()
}

/// The instance type of a node with these labels.
pub fn instance_type(labels: &Labels) -> Option<&'static str> {
    let keys = ["node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"];
    keys.into_iter().find_map(|key| labels.get(Name::new(key))).map(Name::as_str)
}

/// What nodes of a type have in common.
fn identity(node: &Node) -> String {
    let own = |key: Name, value: Name| key == *ZONE_LABEL || value == node.meta.name;
    let labels: Labels = node.meta.labels.iter().filter(|(key, value)| !own(*key, *value)).collect();
    let amounts: Vec<String> =
        node.status.allocatable.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
    format!("{amounts:?} {labels} {:?}", node.taints)
}

/// Finds how few nodes of a type do, with some seeds.
pub fn fewest(demand: &Demand, node_type: &NodeType, seeds: &[u64], jobs: usize) -> Fewest {
    let (least, by) = least_by_sums(&demand.requests, &node_type.example);
    let mut told = Fewest {
        node_type: node_type.name.clone(),
        nodes: None,
        least_by_sums: (least, by),
        stopped_by: None,
        seeds: seeds.len(),
    };
    let first = least.max(1);
    let stopped = |count: usize| {
        let runs = parallel_on(jobs, seeds, |seed| stopped_by(demand, node_type, count, *seed));
        runs.into_iter().flatten().next()
    };
    // One fewer than the sums ask for tells what binds when the sums are right.
    let mut before = if first > 1 { stopped(first - 1) } else { None };
    for count in first..first + STEPS {
        match stopped(count) {
            None => {
                told.nodes = Some(count);
                break;
            }
            Some(why) => before = Some(why),
        }
    }
    told.stopped_by = before;
    told
}

fn least_by_sums(requests: &[Resources], node: &Node) -> (usize, Name) {
    let mut sum = Resources::default();
    requests.iter().for_each(|one| sum.add(one));
    let allocatable = |name: Name| node.status.allocatable.get(name).unwrap_or(0);
    let resources = [*CPU, *MEMORY, *EPHEMERAL_STORAGE].into_iter().chain(sum.scalars.iter().map(|(name, _)| *name));
    let wanted = resources.map(|name| (name, sum.get(name))).chain([(*PODS, requests.len() as i64)]);
    wanted
        .filter(|(name, amount)| *amount > 0 && allocatable(*name) > 0)
        .map(|(name, amount)| (amount.unsigned_abs().div_ceil(allocatable(name).unsigned_abs()) as usize, name))
        .max_by_key(|(count, name)| (*count, std::cmp::Reverse(*name)))
        .unwrap_or((1, *CPU))
}

/// Runs the demand on so many nodes; the scheduler's words for the first pod that finds no place.
fn stopped_by(demand: &Demand, node_type: &NodeType, count: usize, seed: u64) -> Option<String> {
    let mut plan = demand.plan.clone();
    plan.nodes = (0..count).map(|n| machine(node_type, n)).collect();
    plan.stored = demand.stored.clone();
    let at_once = |action: &Action| TimedAction { at: SimDuration::ZERO, action: action.clone() };
    plan.actions = Arc::new(demand.actions.iter().map(at_once).collect());
    let mut simulation = Simulation::new(Arc::new(plan), seed, &[]).untraced();
    let (mut bound, mut since) = (0, SimTime::ZERO);
    while simulation.now().since(since) < QUIET && simulation.now().since(SimTime::ZERO) < LONGEST {
        simulation.run_until(simulation.now() + SimDuration::from_secs(5));
        let now_bound = simulation.pods().filter(|pod| !pod.node_name.is_empty()).count();
        if now_bound != bound {
            (bound, since) = (now_bound, simulation.now());
        }
    }
    pending(&simulation).into_iter().next().map(|one| format!("{}: {}", one.pod, one.message))
}

fn machine(node_type: &NodeType, n: usize) -> NodePlan {
    let node = &node_type.example;
    let name = Name::new(&format!("planned-{}", n + 1));
    let zone = node_type.zones.get(n % node_type.zones.len().max(1)).copied();
    let labels = node.meta.labels.with(*HOSTNAME_LABEL, name);
    let labels = zone.map_or_else(|| labels.clone(), |zone| labels.with(*ZONE_LABEL, zone));
    NodePlan {
        name,
        capacity: node.status.capacity.clone(),
        allocatable: node.status.allocatable.clone(),
        labels,
        taints: node.taints.iter().filter(|taint| !taint.key.starts_with("node.kubernetes.io/")).cloned().collect(),
        present: true,
        uptime: SimDuration::from_mins(10),
        kubelet: Arc::default(),
        load: Arc::default(),
    }
}

/// The requests of pods that must find a place of their own.
pub fn requests_of<'p>(pods: impl Iterator<Item = &'p Arc<Pod>>) -> Vec<Resources> {
    let placed = |pod: &&Arc<Pod>| pod.meta.controller().is_none_or(|owner| owner.kind != Kind::DaemonSet.name());
    pods.filter(placed).map(|pod| pod.spec.requests.clone()).collect()
}
