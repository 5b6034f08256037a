//! A round of the monitor: nodes that came, went, fell silent or are back (`monitorNodeHealth`).

use super::zone::{Zone, ZoneState};
use super::{GRACE, MONITOR_PERIOD, NodeLifecycleController, NodeTask, TAINT_PERIOD, mirror, next_round, readiness};
use crate::api::{
    Amendment, Condition, ConditionStatus, DISK_PRESSURE, ErrorReason, EventType, Kind, MEMORY_PRESSURE, NODE_READY,
    Name, Node, Object, ObjectReference, PID_PRESSURE, Part, Pod, READY, Request, TAINT_NOT_READY, TAINT_UNREACHABLE,
    Taint, TaintEffect, Target, Timestamp,
};
use crate::components::controllers::flow::{Desk, Flow, Step, object};
use crate::components::controllers::informers::Informers;
use crate::components::controllers::pod_control;
use crate::planted::{self, Bug};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Nodes with this label do not count for their zone.
const EXCLUDED: &str = "node.kubernetes.io/exclude-disruption";
/// So often a node's status that lost to another write is written again.
const STATUS_ATTEMPTS: u32 = 5;

/// What a round has found.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    registered: Vec<ObjectReference>,
    removed: Vec<ObjectReference>,
    /// Nodes that have fallen silent, and whether nothing was ever heard of them.
    silent: Vec<(Arc<Node>, bool)>,
    /// Nodes that were ready and are not, with their pods.
    lost: Vec<(ObjectReference, Vec<Arc<Pod>>)>,
    /// Taints that are exchanged or removed at once.
    swaps: Vec<(Name, Vec<Taint>, Vec<Taint>)>,
}

/// Whether a node has a NoExecute taint of this controller.
pub(super) fn is_tainted(node: &Node) -> bool {
    has(node, *TAINT_NOT_READY) || has(node, *TAINT_UNREACHABLE)
}

fn has(node: &Node, key: Name) -> bool {
    node.taints.iter().any(|taint| taint.key == key && taint.effect == TaintEffect::NoExecute)
}

fn reference(name: Name, node: Option<&Arc<Node>>) -> ObjectReference {
    ObjectReference {
        kind: Kind::Node.name(),
        api_version: Kind::Node.api_version(),
        name,
        uid: node.map(|node| node.meta.uid).unwrap_or_default(),
        ..ObjectReference::default()
    }
}

impl NodeLifecycleController {
    /// Looks at every node.
    pub(super) fn look(&mut self, informers: &Informers, desk: &mut Desk<NodeTask>) -> Findings {
        let nodes = &informers.store().nodes;
        let mut findings = Findings::default();
        let gone: Vec<Name> =
            self.registered.iter().copied().filter(|name| nodes.find(Name::default(), *name).is_none()).collect();
        for name in gone {
            self.registered.remove(&name);
            self.zones.values_mut().for_each(|zone| zone.remove(name));
            findings.removed.push(reference(name, None));
        }
        let mut counts: BTreeMap<(Name, Name), (usize, usize)> = BTreeMap::new();
        for node in nodes.sorted() {
            let name = node.meta.name;
            if self.registered.insert(name) {
                findings.registered.push(reference(name, Some(node)));
            }
            let now = self.judge(node, informers, desk, &mut findings);
            if node.meta.labels.get(Name::new(EXCLUDED)).is_none() {
                let count = counts.entry(node.zone_key()).or_default();
                match now {
                    Some(ConditionStatus::True) => count.0 += 1,
                    Some(ConditionStatus::False | ConditionStatus::Unknown) | None => count.1 += 1,
                }
            }
        }
        self.handle_disruption(&counts, informers, desk, &mut findings);
        if self.zones.values().any(|zone| zone.next().is_some()) {
            desk.queue.add_at(next_round(desk, TAINT_PERIOD), NodeTask::Taint);
        }
        if !findings.silent.is_empty() || !findings.swaps.is_empty() {
            // A write can fail: the next round sees whether there is still something to do.
            desk.queue.add_at(next_round(desk, MONITOR_PERIOD), NodeTask::Monitor);
        }
        findings
    }

    /// One node; returns how it stands now.
    fn judge(
        &mut self,
        node: &Arc<Node>,
        informers: &Informers,
        desk: &mut Desk<NodeTask>,
        findings: &mut Findings,
    ) -> Option<ConditionStatus> {
        let name = node.meta.name;
        let before = readiness(node);
        let expiry = self.expiry(name, before, desk.draws);
        let silent = expiry.is_some_and(|expiry| desk.now >= expiry);
        if let Some(expiry) = expiry.filter(|_| !silent) {
            desk.queue.add_at(expiry, NodeTask::Monitor);
        }
        let unknown = |kind: Name| {
            node.status.condition(kind).is_some_and(|condition| condition.status == ConditionStatus::Unknown)
        };
        if silent && !watched().into_iter().all(unknown) {
            findings.silent.push((node.clone(), before.is_none()));
        }
        let now = if silent { Some(ConditionStatus::Unknown) } else { before };
        let zone = self.zones.entry(node.zone_key()).or_insert_with(Zone::new);
        match now {
            Some(ConditionStatus::True) => {
                zone.remove(name);
                let ours = |taint: &&Taint| {
                    taint.effect == TaintEffect::NoExecute
                        && (taint.key == *TAINT_NOT_READY || taint.key == *TAINT_UNREACHABLE)
                };
                if is_tainted(node) && !planted::is(Bug::TaintStays) {
                    findings.swaps.push((name, Vec::new(), node.taints.iter().filter(ours).cloned().collect()));
                }
            }
            Some(status @ (ConditionStatus::False | ConditionStatus::Unknown)) if !self.all_disrupted => {
                let (key, other) = keys(status);
                if has(node, other) {
                    let stamp = desk.stamp();
                    let exchange = |key| vec![mirror::taint(key, TaintEffect::NoExecute, stamp)];
                    findings.swaps.push((name, exchange(key), exchange(other)));
                } else if !has(node, key) {
                    zone.add(name);
                }
            }
            Some(ConditionStatus::False | ConditionStatus::Unknown) | None => {}
        }
        if now != Some(ConditionStatus::True) && before == Some(ConditionStatus::True) {
            findings.lost.push((reference(name, Some(node)), informers.list_pods_on(name)));
        }
        now
    }

    /// How the zones stand, and at which pace their nodes are tainted (`handleDisruption`).
    fn handle_disruption(
        &mut self,
        counts: &BTreeMap<(Name, Name), (usize, usize)>,
        informers: &Informers,
        desk: &mut Desk<NodeTask>,
        findings: &mut Findings,
    ) {
        let state = |(ready, not_ready): &(usize, usize)| ZoneState::of(*ready, *not_ready);
        let all = !counts.is_empty() && counts.values().all(|count| state(count) == ZoneState::Full);
        let now = desk.now;
        if all {
            if !self.all_disrupted {
                for node in informers.store().nodes.iter().filter(|node| is_tainted(node)) {
                    let ours: Vec<Taint> = [*TAINT_NOT_READY, *TAINT_UNREACHABLE]
                        .map(|key| mirror::taint(key, TaintEffect::NoExecute, Timestamp::default()))
                        .into();
                    findings.swaps.push((node.meta.name, Vec::new(), ours));
                }
            }
            for zone in self.zones.values_mut() {
                zone.waiting.clear();
                zone.set_pace(now, None);
            }
        } else {
            if self.all_disrupted {
                // Everybody gets a fresh start.
                self.health.values_mut().for_each(|health| health.seen = now);
                desk.queue.add_at(now + GRACE, NodeTask::Monitor);
                desk.queue.add_at(next_round(desk, MONITOR_PERIOD), NodeTask::Monitor);
            }
            for (key, count) in counts {
                let zone = self.zones.entry(*key).or_insert_with(Zone::new);
                zone.state = state(count);
                zone.set_pace(now, zone.state.pace(count.0 + count.1));
            }
        }
        self.all_disrupted = all;
    }

    /// The nodes whose turn it is to get a NoExecute taint (`doNoExecuteTaintingPass`).
    pub(super) fn due_taints(
        &mut self,
        informers: &Informers,
        desk: &mut Desk<NodeTask>,
    ) -> Vec<(Name, Vec<Taint>, Vec<Taint>)> {
        let mut due = Vec::new();
        let stamp = desk.stamp();
        for zone in self.zones.values_mut() {
            while let Some(name) = zone.take(desk.now) {
                let Some(node) = informers.store().nodes.find(Name::default(), name) else { continue };
                let Some(status) = readiness(node).filter(|status| *status != ConditionStatus::True) else { continue };
                let (key, other) = keys(status);
                let exchange = |key| vec![mirror::taint(key, TaintEffect::NoExecute, stamp)];
                due.push((name, exchange(key), exchange(other)));
            }
        }
        if !due.is_empty() {
            // Who did not get its taint waits for it again from the next round on.
            desk.queue.add_at(next_round(desk, MONITOR_PERIOD), NodeTask::Monitor);
        }
        if let Some(next) = self.zones.values().filter_map(Zone::next).min() {
            let next = super::round_at(desk.draws, TAINT_PERIOD, next.max(next_round(desk, TAINT_PERIOD)));
            desk.queue.add_at(next, NodeTask::Taint);
        }
        due
    }
}

/// The taint of a readiness, and the one that it takes the place of.
fn keys(status: ConditionStatus) -> (Name, Name) {
    match status {
        ConditionStatus::Unknown => (*TAINT_UNREACHABLE, *TAINT_NOT_READY),
        ConditionStatus::True | ConditionStatus::False => (*TAINT_NOT_READY, *TAINT_UNREACHABLE),
    }
}

/// The conditions that nobody can tell once a kubelet is silent.
fn watched() -> [Name; 4] {
    [*NODE_READY, *MEMORY_PRESSURE, *DISK_PRESSURE, *PID_PRESSURE]
}

/// Does what a round has found to be due.
pub(super) fn act(findings: &Findings, flow: &mut Flow<'_, NodeTask>) -> Step {
    for node in &findings.registered {
        let message = format!("Node {0} event: Registered Node {0} in Controller", node.name);
        flow.tell(*node, EventType::Normal, "RegisteredNode", message);
    }
    for node in &findings.removed {
        let message = format!("Node {0} event: Removing Node {0} from Controller", node.name);
        flow.tell(*node, EventType::Normal, "RemovingNode", message);
    }
    for (node, never) in &findings.silent {
        silence(node, *never, flow)?;
    }
    for (name, add, remove) in &findings.swaps {
        mirror::swap(*name, add, remove, flow)?;
    }
    for (node, pods) in &findings.lost {
        let message = format!("Node {} status is now: NodeNotReady", node.name);
        flow.tell(*node, EventType::Normal, "NodeNotReady", message);
        for pod in pods {
            mark_not_ready(pod, flow)?;
        }
    }
    Ok(())
}

/// Writes that nobody can tell how a node is.
fn silence(node: &Arc<Node>, never: bool, flow: &mut Flow<'_, NodeTask>) -> Step {
    let mut version = node.clone();
    for _ in 0..STATUS_ATTEMPTS {
        let silent = silenced(&version, never, flow.stamp());
        let object_ = Object::Node(Arc::new(silent));
        match flow.call(|| Request::Update { object: object_, part: Part::Status })? {
            Err(error) if error.reason == ErrorReason::Conflict => {}
            Ok(_) | Err(_) => return Ok(()),
        }
        let target = Target { kind: Kind::Node, namespace: Name::default(), name: node.meta.name };
        let Ok(fresh) = flow.get(target)? else { return Ok(()) };
        version = object(&fresh);
    }
    Ok(())
}

fn silenced(node: &Node, never: bool, now: Timestamp) -> Node {
    let (reason, message) = if never {
        ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
    } else {
        ("NodeStatusUnknown", "Kubelet stopped posting node status.")
    };
    let mut silent = node.clone();
    let status = Arc::make_mut(&mut silent.status);
    for kind in watched() {
        let unknown = Condition::new(kind, ConditionStatus::Unknown, now).because(reason, message);
        match status.conditions.iter_mut().find(|have| have.kind == kind) {
            Some(have) if have.status == ConditionStatus::Unknown => {}
            Some(have) => *have = Condition { last_update_time: have.last_update_time, ..unknown },
            None => status.conditions.push(unknown),
        }
    }
    silent
}

/// A pod of a node that is not ready is not ready either (`MarkPodsNotReady`).
pub(super) fn mark_not_ready(pod: &Pod, flow: &mut Flow<'_, NodeTask>) -> Step {
    let Some(ready) = pod.status.condition(*READY) else { return Ok(()) };
    if ready.status == ConditionStatus::False {
        return Ok(());
    }
    let condition = Condition { status: ConditionStatus::False, last_transition_time: flow.stamp(), ..ready.clone() };
    let amendment = Amendment::PodStatus { condition: Some(condition), phase: None };
    let target = pod_control::target(pod);
    let answer = flow.call(|| Request::Amend { target, uid: Some(pod.meta.uid), amendment })?;
    if answer.is_ok() {
        let about = ObjectReference {
            kind: Kind::Pod.name(),
            api_version: Kind::Pod.api_version(),
            namespace: pod.meta.namespace,
            name: pod.meta.name,
            uid: pod.meta.uid,
            ..ObjectReference::default()
        };
        flow.tell(about, EventType::Warning, "NodeNotReady", "Node is not ready");
    }
    Ok(())
}
