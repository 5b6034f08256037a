//! A critical pod that does not fit makes others go.
//!
//! Follows `pkg/kubelet/preemption/preemption.go` of Kubernetes 1.36: as few of the better classes as possible, and in
//! a class those that come nearest to what is missing.

use super::admission::{Refusal, Shortage};
use super::eviction::is_critical;
use super::pod_worker::{StatusOverride, UpdateKind};
use super::{Kubelet, PodState};
use crate::api::{EventType, Name, PODS, Pod, QosClass};
use crate::components::cri::PodKey;
use crate::components::message::Message;
use crate::engine::{Outbox, SimTime};

/// What is said of a pod that had to go.
const PREEMPTED: &str = "Preempted in order to admit critical pod";
/// What its condition DisruptionTarget says.
const DISRUPTED: &str = "Pod was preempted by Kubelet to accommodate a critical pod.";
/// Distances are counted in this part of the whole.
const UNIT: i128 = 1 << 20;

/// A critical pod that waits for others to be gone.
#[derive(Debug, Clone)]
pub(super) struct Preemption {
    key: PodKey,
    victims: Vec<PodKey>,
}

/// So much of a resource is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Missing {
    resource: Name,
    quantity: i64,
}

/// What a pod's end gives back of a resource.
fn gives(pod: &Pod, resource: Name) -> i64 {
    if resource == *PODS { 1 } else { pod.spec.requests.get(resource) }
}

fn without(missing: &[Missing], pods: &[&Pod]) -> Vec<Missing> {
    let left = |one: &Missing| {
        let given: i64 = pods.iter().map(|pod| gives(pod, one.resource)).sum();
        (one.quantity > given).then_some(Missing { resource: one.resource, quantity: one.quantity - given })
    };
    missing.iter().filter_map(left).collect()
}

/// How far a pod is from giving what is missing: the sum of the squares of the parts that it does not give.
fn distance(missing: &[Missing], pod: &Pod) -> i128 {
    let part = |one: &Missing| {
        let left = i128::from((one.quantity - gives(pod, one.resource)).max(0));
        let part = left * UNIT / i128::from(one.quantity.max(1));
        part * part
    };
    missing.iter().map(part).sum()
}

/// Takes pods of one class until nothing is missing; none if the class does not have enough.
fn nearest<'a>(mut missing: Vec<Missing>, class: &[&'a Pod]) -> Option<Vec<&'a Pod>> {
    let mut left = class.to_vec();
    let mut taken = Vec::new();
    while !missing.is_empty() {
        let key = |pod: &&&Pod| (distance(&missing, pod), pod.spec.requests.memory, pod.spec.requests.milli_cpu);
        let best = left.iter().min_by_key(key).copied()?;
        left.retain(|pod| !std::ptr::eq(*pod, best));
        missing = without(&missing, &[best]);
        taken.push(best);
    }
    Some(taken)
}

/// The pods that go, or what would be missing still (`getPodsToPreempt`).
fn victims<'a>(missing: &[Missing], pods: &[&'a Pod]) -> Result<Vec<&'a Pod>, Vec<Missing>> {
    let short = without(missing, pods);
    if !short.is_empty() {
        return Err(short);
    }
    let best_effort = class_of(pods, QosClass::BestEffort);
    let burstable = class_of(pods, QosClass::Burstable);
    let guaranteed = class_of(pods, QosClass::Guaranteed);
    let both = |a: &[&'a Pod], b: &[&'a Pod]| [a, b].concat();
    let enough = "all together give enough";
    let top = nearest(without(missing, &both(&best_effort, &burstable)), &guaranteed).expect(enough);
    let middle = nearest(without(missing, &both(&best_effort, &top)), &burstable).expect(enough);
    let bottom = nearest(without(missing, &both(&middle, &top)), &best_effort).expect(enough);
    Ok([bottom, middle, top].concat())
}

fn class_of<'a>(pods: &[&'a Pod], class: QosClass) -> Vec<&'a Pod> {
    pods.iter().copied().filter(|pod| pod.status.qos_class == class).collect()
}

impl Kubelet {
    /// A critical pod that lacks nothing but resources: others are killed for it. Returns whether it waits for that,
    /// or why nobody can help it.
    pub(super) fn preempt_for(
        &mut self,
        now: SimTime,
        key: PodKey,
        pod: &Pod,
        shortages: &[Shortage],
        out: &mut Outbox<Message>,
    ) -> Result<(), Refusal> {
        let missing: Vec<Missing> = shortages
            .iter()
            .map(|short| Missing {
                resource: short.resource,
                quantity: short.requested - (short.capacity - short.used),
            })
            .collect();
        let yields = |other: PodKey, state: &PodState| {
            let lower = state.pod.spec.priority < pod.spec.priority;
            other != key && state.is_active() && (!is_critical(other, &state.pod) || lower)
        };
        let yielding = self.pods.iter().filter(|(other, state)| yields(**other, state));
        let preemptable: Vec<(PodKey, &Pod)> = yielding.map(|(other, state)| (*other, &*state.pod)).collect();
        let pods: Vec<&Pod> = preemptable.iter().map(|(_, pod)| *pod).collect();
        let chosen = victims(&missing, &pods).map_err(|short| {
            let list: String =
                short.iter().map(|one| format!("(res: {}, q: {}), ", one.resource, one.quantity)).collect();
            Refusal {
                reason: Name::new("UnexpectedAdmissionError"),
                message: format!(
                    "Unexpected error while attempting to recover from admission failure: preemption: error finding a \
                     set of pods to preempt: no set of running pods found to reclaim resources: [{list}]"
                )
                .into(),
            }
        })?;
        let keys: Vec<PodKey> = preemptable
            .iter()
            .filter(|(_, pod)| chosen.iter().any(|one| std::ptr::eq(*one, *pod)))
            .map(|(key, _)| *key)
            .collect();
        for victim in &keys {
            self.tell_pod(now, *victim, EventType::Warning, "Preempting", PREEMPTED, out);
            let status = StatusOverride {
                reason: Name::new("Preempting"),
                message: PREEMPTED.into(),
                disruption: Some(DISRUPTED.into()),
            };
            self.kill_pod(now, *victim, None, true, status, out);
        }
        self.preemptions.push(Preemption { key, victims: keys });
        Ok(())
    }

    /// A pod's containers have stopped: a critical pod may have waited for that.
    pub(super) fn preempted(&mut self, now: SimTime, victim: PodKey, out: &mut Outbox<Message>) {
        for preemption in &mut self.preemptions {
            preemption.victims.retain(|key| *key != victim);
        }
        let (free, waiting) = std::mem::take(&mut self.preemptions)
            .into_iter()
            .partition(|preemption: &Preemption| preemption.victims.is_empty());
        self.preemptions = waiting;
        let free: Vec<Preemption> = free;
        for preemption in free {
            self.update_pod(now, preemption.key, UpdateKind::Create, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{CPU, MEMORY, PodSpec, PodStatus};
    use std::sync::Arc;

    fn pod(name: &str, class: QosClass, cpu: i64, memory: i64) -> Pod {
        let mut spec = PodSpec::default();
        spec.requests.milli_cpu = cpu;
        spec.requests.memory = memory;
        let mut pod = Pod {
            meta: Default::default(),
            spec: Arc::new(spec),
            node_name: Name::default(),
            status: Arc::new(PodStatus { qos_class: class, ..PodStatus::default() }),
        };
        pod.meta.name = Name::new(name);
        pod
    }

    #[test]
    fn as_few_of_the_better_classes_as_possible_go() {
        // `TestGetPodsToPreempt`: best effort gives only its place, burstable a little, guaranteed much.
        let pods = [
            pod("best", QosClass::BestEffort, 0, 0),
            pod("burst", QosClass::Burstable, 100, 100),
            pod("burst-high", QosClass::Burstable, 300, 300),
            pod("sure", QosClass::Guaranteed, 100, 100),
            pod("sure-high", QosClass::Guaranteed, 300, 300),
        ];
        let all: Vec<&Pod> = pods.iter().collect();
        let check = |cpu: i64, memory: i64, places: i64, expected: &[&str]| {
            let missing: Vec<Missing> = [(*CPU, cpu), (*MEMORY, memory), (*PODS, places)]
                .into_iter()
                .filter(|(_, quantity)| *quantity > 0)
                .map(|(resource, quantity)| Missing { resource, quantity })
                .collect();
            let found = victims(&missing, &all).unwrap();
            let names: Vec<&str> = found.iter().map(|pod| pod.meta.name.as_str()).collect();
            assert_eq!(names, expected, "{cpu} {memory} {places}");
        };
        check(0, 0, 1, &["best"]);
        check(50, 0, 0, &["burst"]);
        check(100, 100, 1, &["burst"]);
        check(200, 0, 0, &["burst-high"]);
        check(400, 400, 0, &["burst-high", "burst"]);
        check(450, 450, 0, &["burst-high", "burst", "sure"]);
        check(600, 0, 0, &["burst-high", "sure-high"]);
    }

    #[test]
    fn what_nobody_can_give_stays_missing() {
        let pods = [pod("burst", QosClass::Burstable, 100, 100)];
        let all: Vec<&Pod> = pods.iter().collect();
        let short = victims(&[Missing { resource: *CPU, quantity: 600 }], &all).unwrap_err();
        assert_eq!(short, [Missing { resource: *CPU, quantity: 500 }]);
    }
}
