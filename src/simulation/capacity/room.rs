//! Room on the nodes: what is promised, what is free, and what of it no pod can use.

use super::fit::Placer;
use super::{Ground, Shape};
use crate::api::{CPU, MEMORY, Name, Object, PODS, Pod, ResourceList, Resources, ZONE_LABEL, requests};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A node and what is on it. CPU in thousandths, memory in bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeRoom {
    /// The node.
    pub name: Name,
    /// Its zone; empty if it has none.
    pub zone: Name,
    /// Whether it takes new pods at all.
    pub cordoned: bool,
    /// What pods may be promised.
    pub allocatable: Amounts,
    /// What they are promised.
    pub requested: Amounts,
    /// What they may use at most, as far as they say.
    pub limits: Amounts,
    /// What is left.
    pub free: Amounts,
    /// What is left when no pod of any shape fits any more: nobody can use it.
    pub stranded: Amounts,
}

/// CPU, memory and pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Amounts {
    /// Thousandths of a CPU.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Pods.
    pub pods: i64,
}

impl Amounts {
    fn of_list(list: &ResourceList) -> Self {
        let get = |name| list.get(name).unwrap_or(0);
        Self { milli_cpu: get(*CPU), memory: get(*MEMORY), pods: get(*PODS) }
    }

    const fn of_pod(resources: &Resources) -> Self {
        Self { milli_cpu: resources.milli_cpu, memory: resources.memory, pods: 1 }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            milli_cpu: self.milli_cpu + other.milli_cpu,
            memory: self.memory + other.memory,
            pods: self.pods + other.pods,
        }
    }

    /// What is left without the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            milli_cpu: self.milli_cpu - other.milli_cpu,
            memory: self.memory - other.memory,
            pods: self.pods - other.pods,
        }
    }
}

/// What comes of placing all shapes in turn until none fits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fill {
    /// How often every shape fitted once more, with as many pods as it has now.
    pub whole_copies: usize,
    /// What stopped the next copy: the workload, and the constraint.
    pub stopped_by: Option<(String, String)>,
    /// What is then left on each node.
    #[serde(skip)]
    pub left: BTreeMap<Name, Amounts>,
}

/// Places all shapes in turn: first whole copies of the set, then what still fits.
pub fn fill(ground: &Ground, shapes: &[Shape]) -> Fill {
    let mut placer = Placer::new(ground, |_| true);
    let (mut whole_copies, mut stopped_by) = (0, None);
    while stopped_by.is_none() && !shapes.is_empty() && whole_copies < super::fit::ENOUGH {
        let mut copy = placer.clone();
        for shape in shapes {
            if (0..shape.pods.max(1)).any(|_| copy.place(&shape.pod).is_none()) {
                stopped_by = Some((shape.workload.to_string(), copy.stop(&shape.pod).constraint));
                break;
            }
        }
        if stopped_by.is_none() {
            placer = copy;
            whole_copies += 1;
        }
    }
    for shape in shapes {
        placer.fill(&shape.pod, false);
    }
    let mut left = BTreeMap::new();
    let cache = &placer.snapshot().cache;
    for &slot in cache.order() {
        let info = cache.node(slot);
        let Some(node) = info.node() else { continue };
        let used = info.pods().iter().fold(Amounts::default(), |sum, on| sum.plus(Amounts::of_pod(on.resources())));
        left.insert(info.name(), Amounts::of_list(&node.status.allocatable).minus(used));
    }
    Fill { whole_copies, stopped_by, left }
}

/// The room on each node, by name.
pub fn rooms(ground: &Ground, fill: &Fill) -> Vec<NodeRoom> {
    let mut on: BTreeMap<Name, Vec<&Arc<Pod>>> = BTreeMap::new();
    for pod in ground.pods() {
        on.entry(pod.node_name).or_default().push(pod);
    }
    let room = |object: &Object| {
        let Object::Node(node) = object else { return None };
        let pods = on.get(&node.meta.name).map_or(&[][..], Vec::as_slice);
        let allocatable = Amounts::of_list(&node.status.allocatable);
        let sum =
            |amounts: &dyn Fn(&Pod) -> Amounts| pods.iter().fold(Amounts::default(), |sum, pod| sum.plus(amounts(pod)));
        let requested = sum(&|pod| Amounts::of_pod(&pod.spec.requests));
        let limits = sum(&|pod| Amounts { pods: 1, ..Amounts::of_list(&requests::limits(&pod.spec)) });
        Some(NodeRoom {
            name: node.meta.name,
            zone: node.meta.labels.get(*ZONE_LABEL).unwrap_or_default(),
            cordoned: node.unschedulable,
            allocatable,
            requested,
            limits,
            free: allocatable.minus(requested),
            stranded: fill.left.get(&node.meta.name).copied().unwrap_or_default(),
        })
    };
    ground.objects.iter().filter_map(room).collect()
}
