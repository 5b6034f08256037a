//! Headroom: how much more fits once something is lost, or while everything is rolled out.

use super::fit::{Placer, Unplaced};
use super::{Ground, Shape};
use crate::api::{DeploymentStrategy, Kind, Name, Object, Pod, ZONE_LABEL};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something that a cluster should stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Situation {
    /// As it is.
    Now,
    /// Every Deployment is rolled out, and all of them surge at once.
    RolloutSurge,
    /// A node is gone: lost, or drained for good.
    WithoutNode(Name),
    /// All nodes of a zone are gone.
    WithoutZone(Name),
}

impl std::fmt::Display for Situation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::RolloutSurge => f.write_str("rollout surge"),
            Self::WithoutNode(node) => write!(f, "without node {node}"),
            Self::WithoutZone(zone) => write!(f, "without zone {zone}"),
        }
    }
}

/// What fits in a situation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Headroom {
    /// The situation.
    pub situation: Situation,
    /// How many pods had to find a place first.
    pub placed_first: usize,
    /// Those of them that found none.
    pub unplaced: Vec<Unplaced>,
    /// How many more of each shape fit after that, in the order of the shapes.
    pub more: Vec<usize>,
}

/// The situations of a cluster; of very many nodes only the fullest are lost.
pub fn situations(ground: &Ground, most: usize) -> Vec<Situation> {
    let mut used: BTreeMap<Name, i64> = BTreeMap::new();
    for pod in ground.pods() {
        *used.entry(pod.node_name).or_default() += 1 + pod.spec.requests.milli_cpu;
    }
    let mut nodes: Vec<Name> = Vec::new();
    let mut zones: BTreeMap<Name, usize> = BTreeMap::new();
    for object in &ground.objects {
        if let Object::Node(node) = object {
            nodes.push(node.meta.name);
            *zones.entry(node.meta.labels.get(*ZONE_LABEL).unwrap_or_default()).or_default() += 1;
        }
    }
    nodes.sort_by_key(|name| (std::cmp::Reverse(used.get(name).copied().unwrap_or(0)), *name));
    nodes.truncate(most);
    nodes.sort();
    let mut all = vec![Situation::Now, Situation::RolloutSurge];
    all.extend(nodes.into_iter().map(Situation::WithoutNode));
    if zones.len() > 1 {
        all.extend(zones.into_keys().filter(|zone| !zone.is_empty()).map(Situation::WithoutZone));
    }
    all
}

/// What fits in a situation.
pub fn headroom(ground: &Ground, situation: Situation, shapes: &[Shape]) -> Headroom {
    let gone: Vec<Name> = match &situation {
        Situation::Now | Situation::RolloutSurge => Vec::new(),
        Situation::WithoutNode(node) => vec![*node],
        Situation::WithoutZone(zone) => nodes_of(ground, *zone),
    };
    let stays = |object: &Object| match object {
        Object::Node(node) => !gone.contains(&node.meta.name),
        Object::Pod(pod) => !gone.contains(&pod.node_name),
        _ => true,
    };
    let mut placer = Placer::new(ground, stays);
    let first = match situation {
        Situation::Now => Vec::new(),
        Situation::RolloutSurge => surge(ground),
        Situation::WithoutNode(_) | Situation::WithoutZone(_) => {
            ground.pods().filter(|pod| gone.contains(&pod.node_name) && is_replaced(pod)).cloned().collect()
        }
    };
    let unplaced = placer.place_again(&first);
    let more = shapes.iter().map(|shape| placer.clone().fill(&shape.pod, false).count).collect();
    Headroom { situation, placed_first: first.len(), unplaced, more }
}

fn nodes_of(ground: &Ground, zone: Name) -> Vec<Name> {
    let in_zone = |object: &Object| match object {
        Object::Node(node) if node.meta.labels.get(*ZONE_LABEL) == Some(zone) => Some(node.meta.name),
        _ => None,
    };
    ground.objects.iter().filter_map(in_zone).collect()
}

/// Whether a controller makes another pod elsewhere when this one is lost.
fn is_replaced(pod: &Pod) -> bool {
    let stays_away = [Kind::DaemonSet.name(), Kind::Node.name()];
    pod.meta.controller().is_some_and(|owner| !stays_away.contains(&owner.kind))
}

/// The pods that Deployments add while they roll out.
fn surge(ground: &Ground) -> Vec<Arc<Pod>> {
    let mut pods = Vec::new();
    for object in &ground.objects {
        let Object::Deployment(deployment) = object else { continue };
        let DeploymentStrategy::RollingUpdate { max_surge, .. } = deployment.spec.strategy else { continue };
        let count = max_surge.of_rounding_up(deployment.spec.replicas).max(0) as usize;
        let of_it = |pod: &&Arc<Pod>| {
            pod.meta.namespace == deployment.meta.namespace && deployment.spec.selector.matches(&pod.meta.labels)
        };
        if let Some(pod) = ground.pods().find(of_it) {
            pods.extend(std::iter::repeat_n(pod.clone(), count));
        }
    }
    pods
}
