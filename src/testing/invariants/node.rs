//! What a node takes, what it gives up, and what it says of itself.

use super::facts::{Called, Moved, NodeVersion, Version};
use super::{Invariant, Law, Seen};
use crate::api::{CPU, ConditionStatus, MEMORY, Name, Node, PODS, PodPhase};
use crate::components::cri::CriCall;
use crate::engine::SimTime;

/// Pods of at least this priority are critical (`SystemCriticalPriority`).
const CRITICAL: i32 = 2_000_000_000;

pub(super) const LAWS: &[Invariant] = &[
    Invariant {
        number: 50,
        name: "refused-never-runs",
        sentence: "A pod that its kubelet refused never has a container.",
        source: "TestHandlePodAdditionsInvokesPodAdmitHandlers",
        law: Law::Called(refused_for_good),
    },
    Invariant {
        number: 51,
        name: "admitted-fits",
        sentence: "What the pods that a kubelet admits request does not exceed what is allocatable; those that ran \
                   before it started are not asked.",
        source: "TestGeneralPredicates",
        law: Law::Moved(room_for_all),
    },
    Invariant {
        number: 52,
        name: "critical-is-not-evicted",
        sentence: "No critical pod is evicted under pressure.",
        source: "TestStaticCriticalPodsAreNotEvicted",
        law: Law::Version(critical_stays),
    },
    Invariant {
        number: 53,
        name: "one-eviction-at-a-time",
        sentence: "One pod at a time is evicted under pressure.",
        source: "TestMemoryPressure",
        law: Law::Moved(one_eviction_at_a_time),
    },
    Invariant {
        number: 54,
        name: "pressure-is-held",
        sentence: "A node's pressure is told of until the transition period is over at least, as long as its kubelet \
                   runs.",
        source: "TestNodeConditionsObservedSince",
        law: Law::Node(pressure_holds),
    },
];

fn refused_for_good(fact: &Called<'_>) -> Seen {
    let CriCall::CreateContainer { config, .. } = fact.call else { return None };
    let insight = fact.insight()?;
    insight.worker().is_none().then(|| format!("{} is created although no worker has the pod", config.name))
}

fn room_for_all(fact: &Moved<'_>) -> Seen {
    let new = fact.before.worker.is_none() && fact.after.worker.is_some();
    // Of the pods that the kubelet was not told are gone.
    let node = fact.kubelet.node().filter(|_| new)?;
    let restarted = fact.node.since > SimTime::ZERO || !fact.insight.cached().sandboxes.is_empty();
    let pod = fact.insight.pod();
    // What is being deleted is not admitted: it is stopped, also if it was refused.
    if restarted || fact.insight.key().is_static() || pod.is_terminal() || pod.meta.is_terminating() {
        return None;
    }
    let active = fact.kubelet.pods().filter(|insight| {
        let worker = insight.worker();
        insight.is_configured()
            && worker.is_some_and(|worker| worker.terminated_at.is_none())
            && !insight.pod().is_terminal()
    });
    let (mut cpu, mut memory, mut count) = (0, 0, 0);
    for insight in active {
        let requests = &insight.pod().spec.requests;
        (cpu, memory, count) = (cpu + requests.milli_cpu, memory + requests.memory, count + 1);
    }
    // As the kubelet knows the node, or knew it in this step, in which it may have heard of both.
    let allocatable = |node: &Node, resource| node.status.allocatable.get(resource).unwrap_or(i64::MAX);
    let known = |resource| fact.node.known.as_ref().map_or(0, |node| allocatable(node, resource));
    let has = |resource| allocatable(node, resource).max(known(resource));
    let sums = [(*CPU, cpu), (*MEMORY, memory), (*PODS, count)];
    let own = &fact.insight.pod().spec.requests;
    let asks = |resource: Name| {
        resource == *PODS || resource == *CPU && own.milli_cpu > 0 || resource == *MEMORY && own.memory > 0
    };
    let (resource, sum) = sums.into_iter().find(|(resource, sum)| *sum > has(*resource) && asks(*resource))?;
    Some(format!("{sum} of {resource} on {}, {} is allocatable", node.meta.name, has(resource)))
}

fn critical_stays(fact: &Version<'_>) -> Seen {
    let (before, after) = fact.by_kubelet()?;
    let evicted = before.status.reason != "Evicted" && after.status.reason == "Evicted";
    let pressed = evicted && after.status.message.starts_with(PRESSED);
    (pressed && after.spec.priority >= CRITICAL).then(|| format!("evicted with priority {}", after.spec.priority))
}

const PRESSED: &str = "The node was low on resource";

impl Moved<'_> {
    /// Whether the pod was just evicted because its node is under pressure.
    pub(super) fn evicted_for_pressure(&self) -> bool {
        let evicted = |worker: Option<crate::components::kubelet::WorkerInsight>| worker.is_some_and(|w| w.evicted);
        let pressed = self
            .insight
            .status()
            .is_some_and(|(status, _, _)| status.phase == PodPhase::Failed && status.message.starts_with(PRESSED));
        evicted(self.after.worker) && !evicted(self.before.worker) && pressed
    }
}

fn one_eviction_at_a_time(fact: &Moved<'_>) -> Seen {
    let (at, other) = fact.node.evicted.filter(|(_, other)| *other != fact.insight.key())?;
    (at == fact.now && fact.evicted_for_pressure()).then(|| format!("together with {other:?}"))
}

fn pressure_holds(fact: &NodeVersion<'_>) -> Seen {
    fact.before.status.conditions.iter().find_map(|old| {
        let new = fact.node.status.conditions.iter().find(|new| new.kind == old.kind)?;
        let over = old.kind.ends_with("Pressure")
            && old.status == ConditionStatus::True
            && new.status == ConditionStatus::False;
        let since = *fact.past.conditions.get(&old.kind)?;
        let held = fact.now.since(since);
        (over && since > fact.past.since && held < fact.hold).then(|| format!("{} ended after {held}", old.kind))
    })
}
