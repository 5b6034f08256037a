//! Admission on the node: what a kubelet checks before it takes a pod that it was given.
//!
//! Follows `pkg/kubelet/lifecycle/predicate.go` and `pkg/kubelet/allocation/allocation_manager.go` of Kubernetes 1.36.

use super::eviction::is_critical;
use super::shutdown::SHUTTING_DOWN;
use super::{Kubelet, sysctl};
use crate::api::{
    CPU, EPHEMERAL_STORAGE, EventType, MEMORY, Name, Node, OS_LABEL, PODS, Pod, PodPhase, PodStatus, Resources,
    TaintEffect, Text,
};
use crate::components::cri::PodKey;
use crate::components::message::Message;
use crate::engine::{Outbox, SimTime};
use crate::planted::{self, Bug};

/// Why a pod is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: Name,
    pub(super) message: Text,
}

impl Kubelet {
    /// Admits a pod, or refuses it for good; returns whether it was admitted.
    pub(super) fn admit(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) -> bool {
        let Some(pod) = self.pods.get(&key).map(|state| state.pod.clone()) else { return false };
        if planted::is(Bug::AdmissionOpen) {
            return true;
        }
        let short = self.shortages_only(key, &pod);
        let refusal = match self.barred(key, &pod) {
            Some(refusal) => Some(refusal),
            None if short.is_empty() => self.refusal(key, &pod),
            None => match self.preempt_for(now, key, &pod, &short, out) {
                Ok(()) => return false, // It is taken when the others are gone.
                Err(refusal) => Some(refusal),
            },
        };
        let Some(refusal) = refusal else { return true };
        self.tell_pod(now, key, EventType::Warning, &refusal.reason, &*refusal.message, out);
        let Some(state) = self.pods.get(&key) else { return false };
        let status = PodStatus {
            phase: PodPhase::Failed,
            reason: refusal.reason,
            message: format!("Pod was rejected: {}", refusal.message).into(),
            qos_class: state.pod.status.qos_class,
            start_time: Some(self.clock.at(now).truncated()),
            observed_generation: state.pod.meta.generation,
            ..PodStatus::default()
        };
        self.set_pod_status(now, key, status, out);
        false
    }

    /// The first thing that speaks against a pod.
    pub(super) fn refusal(&self, key: PodKey, pod: &Pod) -> Option<Refusal> {
        self.barred(key, pod)
            .or_else(|| self.misfit(key, pod))
            .or_else(|| self.reporter.shutting_down.then(|| refuse("NodeShutdown", SHUTTING_DOWN.to_owned())).flatten())
    }

    /// What keeps a pod out whatever room there is: pressure, kernel parameters, the operating system.
    fn barred(&self, key: PodKey, pod: &Pod) -> Option<Refusal> {
        if let Some(message) = self.pressure_refusal(key, pod) {
            return refuse("Evicted", message);
        }
        if let Some(message) = sysctl::forbidden(&pod.spec, &self.config.allowed_unsafe_sysctls) {
            return refuse("SysctlForbidden", message);
        }
        os_refusal(pod)
    }

    /// What the predicates say.
    fn misfit(&self, key: PodKey, pod: &Pod) -> Option<Refusal> {
        // Of a critical pod only the rest is told, if any: room might have been made (`HandleAdmissionFailure`).
        if is_critical(key, pod)
            && let Some(refusal) = self.misplaced(key, pod)
        {
            return Some(refusal);
        }
        let node = self.node_object.as_ref()?;
        let others = || {
            self.pods.iter().filter(|(other, state)| **other != key && state.is_active()).map(|(_, state)| &state.pod)
        };
        let short = shortages(node, pod, others().map(|pod| &**pod));
        short.first().and_then(Shortage::refusal).or_else(|| self.misplaced(key, pod))
    }

    /// What predicates other than that of resources say.
    fn misplaced(&self, key: PodKey, pod: &Pod) -> Option<Refusal> {
        let node = self.node_object.as_ref()?;
        let others =
            self.pods.iter().filter(|(other, state)| **other != key && state.is_active()).map(|(_, state)| &*state.pod);
        place_refusal(node, pod, key.is_static())
            .or_else(|| port_refusal(pod, others))
            .or_else(|| taint_refusal(node, pod, key.is_static()))
    }

    /// What a critical pod lacks, if it lacks nothing but resources.
    fn shortages_only(&self, key: PodKey, pod: &Pod) -> Vec<Shortage> {
        let Some(node) = self.node_object.as_ref().filter(|_| is_critical(key, pod)) else { return Vec::new() };
        if self.misplaced(key, pod).is_some() {
            return Vec::new();
        }
        let others =
            self.pods.iter().filter(|(other, state)| **other != key && state.is_active()).map(|(_, state)| &*state.pod);
        shortages(node, pod, others)
    }

    /// Bytes of memory that the node's pods may be promised.
    pub(super) fn node_memory(&self) -> i64 {
        self.node_object.as_ref().map_or(0, |node| node.status.capacity.memory())
    }
}

fn refuse(reason: &str, message: String) -> Option<Refusal> {
    Some(Refusal { reason: Name::new(reason), message: message.into() })
}

/// A resource that the node has too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shortage {
    pub(super) resource: Name,
    pub(super) requested: i64,
    pub(super) used: i64,
    pub(super) capacity: i64,
}

impl Shortage {
    fn refusal(&self) -> Option<Refusal> {
        let Self { resource, requested, used, capacity } = self;
        refuse(
            &format!("OutOf{resource}"),
            format!(
                "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: \
                 {capacity}"
            ),
        )
    }
}

/// Resources: the number of pods, then CPU, memory, ephemeral storage, then the others by name.
fn shortages<'a>(node: &Node, pod: &Pod, others: impl Iterator<Item = &'a Pod>) -> Vec<Shortage> {
    let mut used = Resources::default();
    let mut count = 0;
    for other in others {
        used.add(&other.spec.requests);
        count += 1;
    }
    let allocatable = &node.status.allocatable;
    let places =
        Shortage { resource: *PODS, requested: 1, used: count, capacity: allocatable.get(*PODS).unwrap_or(i64::MAX) };
    let fixed = [*CPU, *MEMORY, *EPHEMERAL_STORAGE].map(|resource| Shortage {
        resource,
        requested: pod.spec.requests.get(resource),
        used: used.get(resource),
        capacity: allocatable.get(resource).unwrap_or(0),
    });
    let scalars = pod.spec.requests.scalars.iter().filter_map(|&(resource, requested)| {
        // An extended resource that the node does not advertise is none of the kubelet's business.
        let extended = resource.contains('/');
        let capacity = allocatable.get(resource).or((!extended).then_some(0))?;
        Some(Shortage { resource, requested, used: used.get(resource), capacity })
    });
    let all = [places].into_iter().chain(fixed).chain(scalars);
    all.filter(|one| one.requested > 0 && one.requested > one.capacity - one.used).collect()
}

/// Nodes run Linux (`rejectPodAdmissionBasedOnOSSelector`, `rejectPodAdmissionBasedOnOSField`).
fn os_refusal(pod: &Pod) -> Option<Refusal> {
    if pod.meta.labels.get(*OS_LABEL).is_some_and(|os| os != "linux") {
        let text = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label";
        return refuse("PodOSSelectorNodeLabelDoesNotMatch", text.to_owned());
    }
    if !pod.spec.os.is_empty() && pod.spec.os != "linux" {
        return refuse("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS".to_owned());
    }
    None
}

fn predicate(name: &str, text: &str) -> Option<Refusal> {
    refuse(name, format!("Predicate {name} failed: {text}"))
}

fn place_refusal(node: &Node, pod: &Pod, _static: bool) -> Option<Refusal> {
    let (name, labels) = (node.meta.name, &node.meta.labels);
    let required = pod.spec.affinity.as_ref().and_then(|affinity| affinity.required_node_terms.as_ref());
    let fits = pod.spec.node_selector.all_in(labels)
        && required.is_none_or(|terms| terms.iter().any(|term| term.matches(name, labels)));
    if !fits {
        return predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
    }
    if pod.node_name != name && !pod.node_name.is_empty() {
        return predicate("NodeName", "node(s) didn't match the requested node name");
    }
    None
}

fn port_refusal<'a>(pod: &Pod, others: impl Iterator<Item = &'a Pod>) -> Option<Refusal> {
    let wanted: Vec<_> = host_ports(pod).collect();
    if wanted.is_empty() {
        return None;
    }
    let taken: Vec<_> = others.flat_map(host_ports).collect();
    let conflicts = wanted.iter().any(|want| taken.iter().any(|have| ports_conflict(*want, *have)));
    if conflicts {
        return predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports");
    }
    None
}

/// The ports that a pod takes on its node: protocol, port, address.
fn host_ports(pod: &Pod) -> impl Iterator<Item = (Name, u16, Name)> + '_ {
    let containers = pod.spec.containers.iter().chain(pod.spec.sidecars());
    let ports = containers.flat_map(|container| &container.ports).filter(|port| port.host_port > 0);
    ports.map(|port| (port.protocol, port.host_port, port.host_ip))
}

fn ports_conflict(a: (Name, u16, Name), b: (Name, u16, Name)) -> bool {
    let any = |ip: Name| ip.is_empty() || ip == "0.0.0.0";
    a.0 == b.0 && a.1 == b.1 && (any(a.2) || any(b.2) || a.2 == b.2)
}

fn taint_refusal(node: &Node, pod: &Pod, is_static: bool) -> Option<Refusal> {
    let repelled = node
        .taints
        .iter()
        .filter(|taint| taint.effect == TaintEffect::NoExecute)
        .any(|taint| !pod.spec.tolerations.iter().any(|toleration| toleration.tolerates(taint, false)));
    if repelled && !is_static {
        return predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate");
    }
    None
}

impl super::PodState {
    /// Whether the pod still uses what it was promised: it was not taken away by force, and is neither finished nor
    /// refused (`filterOutInactivePods` of what the pod manager has).
    pub(super) fn is_active(&self) -> bool {
        let ended = self.worker.as_ref().is_some_and(super::pod_worker::Worker::is_terminated);
        let refused =
            self.status.as_ref().is_some_and(|tracked| tracked.status.phase.is_terminal()) && self.worker.is_none();
        self.configured && !ended && !refused && !self.pod.is_terminal()
    }
}
