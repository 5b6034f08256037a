//! What the scheduler knows of one node: the sums that filters and scores look at, and the pods behind them.
//!
//! Follows `pkg/scheduler/framework/types.go` (`NodeInfo`) of Kubernetes 1.36.

use super::cache::NodeSlot;
use crate::api::names;
use crate::api::{
    CPU, ContainerPort, EPHEMERAL_STORAGE, Labels, MEMORY, Name, Node, PODS, Pod, PodSpec, ResourceList, Resources,
    requests,
};
use crate::planted::{self, Bug};
use std::sync::Arc;

names! {
    ANY_ADDRESS = "0.0.0.0";
    TCP = "TCP";
}

/// CPU, memory and local storage: what every node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Basics {
    /// Thousandths of a CPU.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes.
    pub ephemeral_storage: i64,
}

impl Basics {
    fn of(resources: &Resources) -> Self {
        Self {
            milli_cpu: resources.milli_cpu,
            memory: resources.memory,
            ephemeral_storage: resources.ephemeral_storage,
        }
    }

    fn add(&mut self, other: Self, sign: i64) {
        self.milli_cpu += sign * other.milli_cpu;
        self.memory += sign * other.memory;
        self.ephemeral_storage += sign * other.ephemeral_storage;
    }
}

/// The numbers of a node that are looked at for every pod; kept together because there are many nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// What pods may be promised.
    pub allocatable: Basics,
    /// What pods were promised.
    pub requested: Basics,
    /// The same as scores count it: CPU with 100m for each container that states none.
    pub non_zero_milli_cpu: i64,
    /// Memory with 200 MiB for each container that states none.
    pub non_zero_memory: i64,
    /// How many pods there are.
    pub pods: i64,
    /// How many there may be.
    pub allowed_pods: i64,
    /// Which nodes have the same taints.
    pub(super) taint_class: u32,
    /// Whether the node is cordoned.
    pub unschedulable: bool,
    /// Whether there is such a node, rather than only pods that name it.
    pub exists: bool,
}

/// What a pod is charged as.
#[derive(Debug, Clone, PartialEq)]
pub enum Charge {
    /// What its spec says.
    Spec,
    /// An outstanding resize: more than that.
    Own(Box<(Resources, (i64, i64))>),
}

/// Whether a pod is charged exactly what its spec says: no resize is outstanding.
pub fn charges_spec(pod: &Pod) -> bool {
    let (spec, status) = (&*pod.spec, &*pod.status);
    if status.resources.is_some() {
        return false;
    }
    let of = |containers: &[crate::api::Container], statuses: &[crate::api::ContainerStatus]| {
        statuses.iter().all(|status| match (&status.resources, &status.allocated_resources) {
            (None, _) => true,
            (Some((actual, _)), allocated) => {
                let spec = containers.iter().find(|container| container.name == status.name);
                spec.is_some_and(|container| {
                    *actual == container.requests && allocated.as_ref().is_none_or(|list| *list == container.requests)
                })
            }
        })
    };
    of(&spec.containers, &status.containers) && of(&spec.init_containers, &status.init_containers)
}

impl Charge {
    fn of(pod: &Pod) -> Self {
        if charges_spec(pod) {
            return Self::Spec;
        }
        let own = Resources::from(&requests::requests_with_status(&pod.spec, &pod.status));
        let non_zero = requests::non_zero_requests_with_status(&pod.spec, &pod.status);
        if own == pod.spec.requests && non_zero == pod.spec.non_zero_requests {
            Self::Spec
        } else {
            Self::Own(Box::new((own, non_zero)))
        }
    }
}

/// A pod on a node.
#[derive(Debug, Clone)]
pub struct PodOnNode {
    /// Its newest version.
    pub pod: Arc<Pod>,
    charge: Charge,
}

impl PodOnNode {
    /// A pod as it is charged.
    pub fn new(pod: Arc<Pod>) -> Self {
        let charge = Charge::of(&pod);
        Self { pod, charge }
    }

    /// What it is charged.
    pub fn resources(&self) -> &Resources {
        match &self.charge {
            Charge::Spec => &self.pod.spec.requests,
            Charge::Own(own) => &own.0,
        }
    }

    fn non_zero(&self) -> (i64, i64) {
        match &self.charge {
            Charge::Spec => self.pod.spec.non_zero_requests,
            Charge::Own(own) => own.1,
        }
    }
}

/// A port taken on a node: address, protocol, number.
pub type HostPort = (Name, Name, u16);

/// The host ports of a pod: of its containers and sidecars (`util.GetHostPorts`).
pub fn host_ports(spec: &PodSpec) -> impl Iterator<Item = HostPort> + '_ {
    let containers = spec.containers.iter().chain(spec.sidecars());
    containers.flat_map(|container| &container.ports).filter(|port| port.host_port > 0).map(host_port)
}

fn host_port(port: &ContainerPort) -> HostPort {
    let address = if port.host_ip.is_empty() { *ANY_ADDRESS } else { port.host_ip };
    let protocol = if port.protocol.is_empty() { *TCP } else { port.protocol };
    (address, protocol, port.host_port)
}

/// Whether two ports cannot be taken on one node.
pub fn ports_conflict(a: HostPort, b: HostPort) -> bool {
    a.1 == b.1 && a.2 == b.2 && (a.0 == b.0 || a.0 == *ANY_ADDRESS || b.0 == *ANY_ADDRESS)
}

/// What is known of a node.
#[derive(Debug, Clone, Default)]
pub struct NodeInfo {
    /// The numbers.
    pub totals: Totals,
    detail: Box<Detail>,
}

#[derive(Debug, Clone, Default)]
struct Detail {
    name: Name,
    slot: NodeSlot,
    node: Option<Arc<Node>>,
    pods: Vec<PodOnNode>,
    allocatable_scalars: Vec<(Name, i64)>,
    requested_scalars: Vec<(Name, i64)>,
    /// Ports in use; each once.
    ports: Vec<HostPort>,
    /// Pods of others, who are not simulated.
    neighbours: i64,
    /// How many pods have lower priority than others can be told only from the least.
    least_priority: Option<i32>,
}

impl NodeInfo {
    pub(super) fn new(name: Name, slot: NodeSlot) -> Self {
        Self { totals: Totals::default(), detail: Box::new(Detail { name, slot, ..Detail::default() }) }
    }

    /// So many pods of others are on it, who are not simulated and state no requests.
    pub(super) fn set_neighbours(&mut self, count: i64) {
        let more = count - std::mem::replace(&mut self.detail.neighbours, count);
        self.totals.non_zero_milli_cpu += more * requests::DEFAULT_MILLI_CPU;
        self.totals.non_zero_memory += more * requests::DEFAULT_MEMORY;
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.detail.name
    }

    /// Its place among the nodes.
    pub fn slot(&self) -> NodeSlot {
        self.detail.slot
    }

    /// The node, unless only pods name it.
    pub fn node(&self) -> Option<&Arc<Node>> {
        self.detail.node.as_ref()
    }

    /// Its labels.
    pub fn labels(&self) -> &Labels {
        const NONE: &Labels = &Labels::EMPTY;
        self.detail.node.as_ref().map_or(NONE, |node| &node.meta.labels)
    }

    /// The pods on it.
    pub fn pods(&self) -> &[PodOnNode] {
        &self.detail.pods
    }

    /// The ports that pods have taken on it.
    pub fn ports(&self) -> &[HostPort] {
        &self.detail.ports
    }

    /// What it may promise of an extended resource, if it has any.
    pub fn allocatable_scalar(&self, resource: Name) -> Option<i64> {
        find(&self.detail.allocatable_scalars, resource)
    }

    /// What it has promised of an extended resource.
    pub fn requested_scalar(&self, resource: Name) -> i64 {
        find(&self.detail.requested_scalars, resource).unwrap_or(0)
    }

    /// Allocatable and requested amount of any resource.
    pub fn amounts(&self, resource: Name) -> (i64, i64) {
        let Totals { allocatable, requested, .. } = &self.totals;
        if resource == *CPU {
            (allocatable.milli_cpu, requested.milli_cpu)
        } else if resource == *MEMORY {
            (allocatable.memory, requested.memory)
        } else if resource == *EPHEMERAL_STORAGE {
            (allocatable.ephemeral_storage, requested.ephemeral_storage)
        } else {
            (self.allocatable_scalar(resource).unwrap_or(0), self.requested_scalar(resource))
        }
    }

    pub(super) fn set_node(&mut self, node: Option<Arc<Node>>) {
        let totals = &mut self.totals;
        totals.exists = node.is_some();
        match &node {
            None => {
                totals.allocatable = Basics::default();
                totals.allowed_pods = 0;
                self.detail.allocatable_scalars.clear();
            }
            Some(node) => {
                let (basics, scalars) = allocatable(&node.status.allocatable);
                totals.allocatable = basics;
                totals.allowed_pods = node.status.allocatable.get(*PODS).unwrap_or(0);
                totals.unschedulable = node.unschedulable;
                self.detail.allocatable_scalars = scalars;
            }
        }
        self.detail.node = node;
    }

    /// Puts a pod on the node; the place that it got.
    pub fn add_pod(&mut self, pod: PodOnNode) -> usize {
        self.charge(&pod, 1);
        for port in host_ports(&pod.pod.spec) {
            if !self.detail.ports.contains(&port) {
                self.detail.ports.push(port);
            }
        }
        let priority = pod.pod.spec.priority;
        self.detail.least_priority = Some(self.detail.least_priority.map_or(priority, |least| least.min(priority)));
        self.detail.pods.push(pod);
        self.detail.pods.len() - 1
    }

    /// Takes the pod of a place away; the last one moves there.
    pub fn remove_pod(&mut self, place: usize) -> PodOnNode {
        let pod = self.detail.pods.swap_remove(place);
        self.charge(&pod, -1);
        for port in host_ports(&pod.pod.spec) {
            self.detail.ports.retain(|used| *used != port);
        }
        if self.detail.least_priority == Some(pod.pod.spec.priority) {
            self.detail.least_priority = self.detail.pods.iter().map(|pod| pod.pod.spec.priority).min();
        }
        pod
    }

    /// Puts a newer version of a pod in its place, charged the same.
    pub(super) fn replace_pod(&mut self, place: usize, pod: Arc<Pod>) {
        self.detail.pods[place].pod = pod;
    }

    /// Whether any pod on the node has a lower priority.
    pub fn has_pod_below(&self, priority: i32) -> bool {
        self.detail.least_priority.is_some_and(|least| least < priority)
    }

    fn charge(&mut self, pod: &PodOnNode, sign: i64) {
        let resources = pod.resources();
        let (non_zero_milli_cpu, non_zero_memory) = pod.non_zero();
        let totals = &mut self.totals;
        let times = if planted::is(Bug::RequestsChargedTwice) { 2 * sign } else { sign };
        totals.requested.add(Basics::of(resources), times);
        totals.non_zero_milli_cpu += sign * non_zero_milli_cpu;
        totals.non_zero_memory += sign * non_zero_memory;
        totals.pods += sign;
        for &(name, amount) in &resources.scalars {
            let sums = &mut self.detail.requested_scalars;
            match sums.iter_mut().find(|(have, _)| *have == name) {
                Some((_, sum)) => *sum += sign * amount,
                None => sums.push((name, sign * amount)),
            }
        }
    }
}

fn find(list: &[(Name, i64)], resource: Name) -> Option<i64> {
    list.iter().find(|(name, _)| *name == resource).map(|(_, amount)| *amount)
}

fn allocatable(list: &ResourceList) -> (Basics, Vec<(Name, i64)>) {
    let all = Resources::from(list);
    (Basics::of(&all), all.scalars)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_conflict_on_one_address_or_on_all() {
        // control-plane.md 2.12, NodePorts.
        let port = |address: &str, protocol: &str, number| (Name::new(address), Name::new(protocol), number);
        for (a, b, expected) in [
            (port("0.0.0.0", "TCP", 80), port("127.0.0.1", "TCP", 80), true),
            (port("127.0.0.1", "TCP", 80), port("0.0.0.0", "TCP", 80), true),
            (port("127.0.0.1", "TCP", 80), port("127.0.0.1", "TCP", 80), true),
            (port("127.0.0.1", "TCP", 80), port("127.0.0.2", "TCP", 80), false),
            (port("0.0.0.0", "TCP", 80), port("0.0.0.0", "UDP", 80), false),
            (port("0.0.0.0", "TCP", 80), port("0.0.0.0", "TCP", 81), false),
        ] {
            assert_eq!(ports_conflict(a, b), expected, "{a:?} {b:?}");
        }
    }
}
