//! Machines that are not needed go: empty ones at once, one at a time otherwise, emptied first ([`drain`]). One that is
//! not ready goes too, but later. For as long as one is not needed the scheduler is asked to prefer others.
//!
//! [`drain`]: super::drain

use super::{Cluster, is_expendable, is_local, is_mirror, is_of_daemon_set};
use crate::api::{
    Amendment, CPU, DeleteOptions, FastMap, Kind, List, MEMORY, Name, Node, Pod, PodDisruptionBudget, PodPhase,
    Request, Table, Taint, TaintEffect, Target, Timestamp, VolumeSource, requests,
};
use crate::components::message::Message;
use crate::components::scheduler::ClusterSnapshot;
use crate::engine::{Outbox, SimDuration, SimTime};
use crate::scenario::plan::NodeGroup;
use std::sync::Arc;

/// A machine that is used less than this is looked at: hundredths of CPU and of memory.
const LITTLE_USED: i64 = 50;
/// No machine goes for so long after one was added (`--scale-down-delay-after-add`).
const AFTER_ADD: SimDuration = SimDuration::from_mins(10);
/// So many nodes are marked or unmarked as not needed in one look (`--max-bulk-soft-taint-count`). The time that this
/// may take (`--max-bulk-soft-taint-time`) is not reckoned with: calls are not waited for.
const MOST_SOFT_TAINTS: usize = 10;
pub(super) const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";
const DELETION_CANDIDATE: &str = "DeletionCandidateOfClusterAutoscaler";
/// A pod that should have been gone for so long is no longer reckoned with (`PodLongTerminatingExtraThreshold` of
/// `cluster-autoscaler/utils/drain/drain.go`).
const LONG_TERMINATING: i64 = 30;

/// The pods on each node that count and have not finished.
pub(super) struct PodsByNode(FastMap<Name, Vec<Arc<Pod>>>);

impl PodsByNode {
    fn of(pods: &Table<Pod>, now: Timestamp) -> Self {
        let overdue = |pod: &Pod| {
            let end = pod.meta.deletion_timestamp;
            end.is_some_and(|end| end.unix_secs() + LONG_TERMINATING < now.unix_secs())
        };
        let mut by_node: FastMap<Name, Vec<Arc<Pod>>> = FastMap::default();
        for pod in pods.iter().filter(|pod| !pod.is_terminal() && !is_expendable(pod) && !overdue(pod)) {
            by_node.entry(pod.node_name).or_default().push(pod.clone());
        }
        Self(by_node)
    }

    pub(super) fn on(&self, node: Name) -> &[Arc<Pod>] {
        self.0.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Those that would have to move.
    pub(super) fn to_move(&self, node: Name) -> impl Iterator<Item = &Arc<Pod>> {
        self.on(node).iter().filter(|pod| !is_local(pod))
    }

    pub(super) fn have_to_move(&self, node: Name) -> bool {
        self.to_move(node).next().is_some()
    }
}

impl Cluster {
    pub(super) fn scale_down(&mut self, now: SimTime, snapshot: &mut ClusterSnapshot, out: &mut Outbox<Message>) {
        let pods = PodsByNode::of(&self.server.store().pods, self.server.clock().at(now).truncated());
        self.go_on_draining(now, &pods, out);
        let plan = self.plan.clone();
        let mut quota = self.room_to_shrink(now);
        for group in &plan.groups {
            let mut spare = self.autoscaler.size(group).saturating_sub(group.min);
            // Empty machines go first.
            let mut machines = group.machines.clone();
            machines.sort_by_key(|name| pods.have_to_move(*name));
            for name in &machines {
                let node = self.server.store().nodes.find(Name::default(), *name).cloned();
                let idle = node.filter(|node| {
                    self.autoscaler.wanted.contains(name)
                        && spare > 0
                        && is_little_used(group, node, pods.on(*name))
                        && self.fits_elsewhere(now, snapshot, node, &pods)
                });
                let Some(node) = idle else {
                    self.autoscaler.unneeded.remove(name);
                    continue;
                };
                let since = *self.autoscaler.unneeded.entry(*name).or_insert(now);
                let quiet = self.autoscaler.added.is_none_or(|added| now.since(added) >= AFTER_ADD);
                let unneeded = if node.is_ready() { group.unneeded } else { group.unready };
                let waits = pods.have_to_move(*name) && self.drains_a_busy_one();
                if quiet && now.since(since) >= unneeded && !waits && quota.consume(&node) {
                    spare -= 1;
                    self.begin_draining(now, group, &node, &pods, out);
                }
            }
        }
    }

    /// Marks the nodes that are not needed, and unmarks those that are again (`UpdateSoftDeletionTaints` of
    /// `core/scaledown/actuation/softtaint.go`).
    pub(super) fn update_soft_taints(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let plan = self.plan.clone();
        let [candidate, leaving] = [DELETION_CANDIDATE, TO_BE_DELETED].map(Name::new);
        let mut left = MOST_SOFT_TAINTS;
        // Those that are needed come first.
        for unneeded in [false, true] {
            for name in plan.groups.iter().flat_map(|group| &group.machines) {
                let Some(node) = self.server.store().nodes.find(Name::default(), *name) else { continue };
                let has = |key: Name| node.taints.iter().any(|taint| taint.key == key);
                let stays = !has(leaving) && !self.autoscaler.draining.contains(*name);
                let counts = self.autoscaler.unneeded.contains_key(name) == unneeded;
                if left == 0 || !stays || !counts || has(candidate) == unneeded {
                    continue;
                }
                left -= 1;
                let amendment = if unneeded {
                    let taint = self.taint(now, candidate, TaintEffect::PreferNoSchedule);
                    Amendment::Taints { add: vec![taint].into(), remove: List::EMPTY }
                } else {
                    let gone = (candidate, TaintEffect::PreferNoSchedule);
                    Amendment::Taints { add: List::EMPTY, remove: vec![gone].into() }
                };
                self.autoscaler_calls(Request::Amend { target: target(*name), uid: None, amendment }, out);
            }
        }
    }

    /// A taint of the autoscaler's, which tells when it was set.
    pub(super) fn taint(&self, now: SimTime, key: Name, effect: TaintEffect) -> Taint {
        let value = Name::new(&self.server.clock().at(now).truncated().unix_secs().to_string());
        Taint { key, value, effect, time_added: None }
    }

    /// When the first of the machines that are not needed goes, if all stays as it is.
    pub(super) fn next_scale_down(&self) -> Option<SimTime> {
        let soonest = |group: &NodeGroup| {
            let since = group.machines.iter().filter_map(|name| self.autoscaler.unneeded.get(name)).min()?;
            Some(*since + group.unneeded.min(group.unready))
        };
        let first = self.plan.groups.iter().filter_map(soonest).min()?;
        Some(self.autoscaler.added.map_or(first, |added| first.max(added + AFTER_ADD)))
    }

    /// Whether a machine's pods may, and can, go elsewhere.
    fn fits_elsewhere(
        &self,
        now: SimTime,
        snapshot: &mut ClusterSnapshot,
        node: &Arc<Node>,
        pods: &PodsByNode,
    ) -> bool {
        let pods: Vec<&Arc<Pod>> = pods.to_move(node.meta.name).collect();
        let disabled = Name::new("cluster-autoscaler.kubernetes.io/scale-down-disabled");
        if node.meta.annotations.get(disabled).is_some_and(|value| value == "true")
            || pods.iter().any(|pod| self.stays(pod))
        {
            return false;
        }
        let mut without = snapshot.clone();
        for pod in &pods {
            without.cache.remove_pod(pod);
        }
        without.cache.remove_node(node);
        without.cache.refresh();
        let free = |pod: &&Arc<Pod>| Arc::new(Pod { node_name: Name::default(), ..Pod::clone(pod) });
        let all = pods.iter().filter(|pod| !pod.meta.is_terminating());
        let fits = all.map(free).all(|pod| self.place(now, &mut without, &pod).is_some());
        if fits {
            // The next machine may not count on the same room.
            *snapshot = without;
        }
        fits
    }

    /// Whether a pod keeps its machine: it says so, nobody would make it again, it would lose what it has written, the
    /// system needs it and no budget guards it, or its budget allows no disruption.
    fn stays(&self, pod: &Pod) -> bool {
        let guards = |budget: &&Arc<PodDisruptionBudget>| {
            let selects = budget.selector.as_ref().is_some_and(|selector| selector.matches(&pod.meta.labels));
            budget.meta.namespace == pod.meta.namespace && selects
        };
        let mut budgets = self.server.store().pod_disruption_budgets.iter().filter(guards).peekable();
        let unguarded = pod.meta.namespace == "kube-system" && budgets.peek().is_none();
        let spent = budgets.any(|budget| budget.status.disruptions_allowed < 1);
        match safe_to_evict(pod) {
            Some(true) => spent,
            Some(false) => true,
            None => unguarded || spent || would_be_lost(pod),
        }
    }

    pub(super) fn delete_node(&mut self, node: Name, out: &mut Outbox<Message>) {
        self.autoscaler_calls(Request::Delete { target: target(node), options: DeleteOptions::default() }, out);
    }
}

pub(super) fn target(node: Name) -> Target {
    Target { kind: Kind::Node, namespace: Name::default(), name: node }
}

/// Whether a machine is little used. Pods that do not count take away from what there is (`Calculate` of
/// `cluster-autoscaler/simulator/utilization/info.go`).
fn is_little_used(group: &NodeGroup, node: &Node, pods: &[Arc<Pod>]) -> bool {
    let share = |[used, has]: [i64; 2]| used * 100 / has.max(1);
    utilization(group, node, pods).map(share).into_iter().all(|share| share < LITTLE_USED)
}

/// How a machine is used, as events tell it: the shares of CPU, memory, GPUs and other devices, the resource of which
/// most is used, and its share (`Info`).
pub(super) fn utilization_info(group: &NodeGroup, node: &Node, pods: &[Arc<Pod>]) -> String {
    #[allow(clippy::cast_precision_loss, reason = "it is only printed, as the autoscaler's language prints it")]
    let [cpu, memory] = utilization(group, node, pods).map(|[used, has]| used as f64 / has.max(1) as f64);
    let (resource, most) = if cpu > memory { ("cpu", cpu) } else { ("memory", memory) };
    format!("{{{} {} 0 0 {resource} {}}}", shortest(cpu), shortest(memory), shortest(most))
}

/// A number between nothing and much as Go prints it with `%v`.
fn shortest(number: f64) -> String {
    if number == 0.0 || number >= 1e-4 {
        return number.to_string();
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once("e-").unwrap_or((&text, "0"));
    format!("{digits}e-{exponent:0>2}")
}

/// How much of CPU and memory the pods of a machine request, and of how much.
fn utilization(group: &NodeGroup, node: &Node, pods: &[Arc<Pod>]) -> [[i64; 2]; 2] {
    let [mut used, mut apart] = [[0i64; 2]; 2];
    for pod in pods {
        let counts = !(group.ignore_daemons && is_of_daemon_set(pod) || group.ignore_mirrors && is_mirror(pod));
        let sum = if counts { &mut used } else { &mut apart };
        let wanted = requests::requests(&pod.spec);
        *sum = [sum[0] + wanted.milli_cpu(), sum[1] + wanted.memory()];
    }
    let has = [node.status.allocatable.get(*CPU), node.status.allocatable.get(*MEMORY)];
    [0, 1].map(|place| [used[place], has[place].unwrap_or(0) - apart[place]])
}

/// What a pod says of being moved.
fn safe_to_evict(pod: &Pod) -> Option<bool> {
    let says = pod.meta.annotations.get(Name::new("cluster-autoscaler.kubernetes.io/safe-to-evict"))?;
    says.parse().ok()
}

/// Whether nobody would make a pod again, or what it has written would be gone.
fn would_be_lost(pod: &Pod) -> bool {
    let local = |source: &VolumeSource| {
        matches!(source, VolumeSource::EmptyDir { in_memory: false, .. } | VolumeSource::HostPath { .. })
    };
    let bare = pod.meta.controller().is_none();
    pod.status.phase != PodPhase::Succeeded && (bare || pod.spec.volumes.iter().any(|volume| local(&volume.source)))
}

#[cfg(test)]
mod tests {
    use super::shortest;

    #[test]
    fn shares_are_printed_as_go_prints_them() {
        for (share, text) in [(0.0, "0"), (1.0, "1"), (0.875, "0.875"), (0.0001, "0.0001"), (0.000_025, "2.5e-05")] {
            assert_eq!(shortest(share), text);
        }
    }
}
