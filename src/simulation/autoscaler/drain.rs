//! How a machine that goes is emptied: its pods are evicted, those of DaemonSets without waiting for them, and the
//! machine goes once the others are gone. One that cannot be emptied in time stays.
//!
//! Follows `cluster-autoscaler/core/scaledown/actuation` (`drain.go`, `delete_in_batch.go`, `actuator.go`). Evictions
//! are tried again, and the pods looked for, with each look at the cluster.

use super::Cluster;
use super::down::{PodsByNode, TO_BE_DELETED, target, utilization_info};
use crate::api::{
    Amendment, DeleteOptions, EventType, List, Name, Node, Object, Pod, Request, Response, TaintEffect, Text,
};
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};
use crate::scenario::plan::NodeGroup;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Evictions are tried for so long (`--max-pod-eviction-time`).
const EVICTS: SimDuration = SimDuration::from_mins(2);
/// The longest that a pod gets (`--max-graceful-termination-sec`), in seconds, …
const LONGEST_GRACE: i64 = 600;
/// … and what is waited for beyond that (`DefaultPodEvictionHeadroom`).
const HEADROOM: SimDuration = SimDuration::from_secs(30);

/// The machines that are being emptied.
#[derive(Debug, Clone, Default)]
pub(super) struct Drains {
    machines: BTreeMap<Name, Drain>,
    /// The evictions that were not answered yet, by the number of the call: namespace and name.
    asked: BTreeMap<u32, (Name, Name)>,
    /// What the server said last against the eviction of a pod.
    refused: BTreeMap<(Name, Name), Text>,
}

/// A machine that is being emptied.
#[derive(Debug, Clone, Copy)]
struct Drain {
    since: SimTime,
    /// Whether there was anything to move at first.
    is_busy: bool,
    /// Since when every pod that has to move is on its way.
    evicted: Option<SimTime>,
}

impl Drains {
    pub(super) fn contains(&self, machine: Name) -> bool {
        self.machines.contains_key(&machine)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.machines.is_empty()
    }

    /// A machine is no longer being emptied.
    fn remove(&mut self, machine: Name) {
        self.machines.remove(&machine);
        if self.machines.is_empty() {
            self.asked.clear();
            self.refused.clear();
        }
    }

    /// An answer to a call of the autoscaler's: only what becomes of evictions matters.
    pub(super) fn replied(&mut self, id: u32, response: &Response) {
        let Some(pod) = self.asked.remove(&id) else { return };
        match response {
            Ok(_) => self.refused.remove(&pod),
            Err(error) => self.refused.insert(pod, error.message.clone()),
        };
    }
}

impl Cluster {
    /// Whether a machine is being emptied that was not empty: there is one at a time.
    pub(super) fn drains_a_busy_one(&self) -> bool {
        self.autoscaler.draining.machines.values().any(|drain| drain.is_busy)
    }

    pub(super) fn begin_draining(
        &mut self,
        now: SimTime,
        group: &NodeGroup,
        node: &Arc<Node>,
        pods: &PodsByNode,
        out: &mut Outbox<Message>,
    ) {
        let name = node.meta.name;
        let is_busy = pods.have_to_move(name);
        self.autoscaler.unneeded.remove(&name);
        self.autoscaler.wanted.remove(&name);
        self.autoscaler.draining.machines.insert(name, Drain { since: now, is_busy, evicted: None });
        let (reason, message) = if is_busy {
            let moved: Vec<&str> = pods.to_move(name).map(|pod| pod.meta.name.as_str()).collect();
            let (used, moved) = (utilization_info(group, node, pods.on(name)), moved.join(","));
            let message = format!("Scale-down: removing node {name}, utilization: {used}, pods to reschedule: {moved}");
            ("ScaleDown", message)
        } else {
            ("ScaleDownEmpty", format!("Scale-down: removing empty node {:?}", &*name))
        };
        self.tell_status(now, EventType::Normal, reason, &message, out);
        let taint = self.taint(now, Name::new(TO_BE_DELETED), TaintEffect::NoSchedule);
        let amendment = Amendment::Taints { add: vec![taint].into(), remove: List::EMPTY };
        self.autoscaler_calls(Request::Amend { target: target(name), uid: None, amendment }, out);
        let message = "marked the node as toBeDeleted/unschedulable";
        self.tell(now, &Object::Node(node.clone()), EventType::Normal, "ScaleDown", message, out);
        let leaving: Vec<Arc<Pod>> = pods.to_move(name).chain(daemons(pods, name, is_busy)).cloned().collect();
        for pod in leaving {
            let message = "deleting pod for node scale down";
            self.tell(now, &Object::Pod(pod), EventType::Normal, "ScaleDown", message, out);
        }
        self.go_on_draining(now, pods, out);
    }

    /// Evicts what is left on machines that go, lets go of empty ones, and keeps those that cannot be emptied.
    pub(super) fn go_on_draining(&mut self, now: SimTime, pods: &PodsByNode, out: &mut Outbox<Message>) {
        for (node, mut drain) in self.autoscaler.draining.machines.clone() {
            let left: Vec<&Arc<Pod>> = pods.to_move(node).collect();
            if left.is_empty() && now > drain.since {
                self.finish_draining(now, node, drain, out);
                continue;
            }
            let stay: Vec<&Arc<Pod>> = left.iter().filter(|pod| !pod.meta.is_terminating()).copied().collect();
            let tries = now.since(drain.since) < EVICTS;
            if !stay.is_empty() && !tries {
                self.give_up_evicting(now, node, &stay, out);
                continue;
            }
            if stay.is_empty() && !left.is_empty() {
                let since = *drain.evicted.get_or_insert(now);
                self.autoscaler.draining.machines.insert(node, drain);
                if now.since(since) >= SimDuration::from_secs(LONGEST_GRACE.unsigned_abs()) + HEADROOM {
                    let why = format!("Failed to drain node /{node}: pods remaining after timeout");
                    self.keep(now, node, &why, out);
                    continue;
                }
            }
            let began = self.server.clock().at(drain.since).truncated();
            let daemons = daemons(pods, node, drain.is_busy)
                .filter(|pod| tries && !pod.meta.is_terminating() && pod.meta.creation_timestamp <= began);
            for pod in stay.into_iter().chain(daemons) {
                self.evict(pod, out);
            }
        }
    }

    fn evict(&mut self, pod: &Pod, out: &mut Outbox<Message>) {
        let grace_period = Some(pod.spec.termination_grace_period.min(LONGEST_GRACE));
        let options = DeleteOptions { grace_period, ..DeleteOptions::default() };
        let (namespace, name) = (pod.meta.namespace, pod.meta.name);
        self.autoscaler_calls(Request::Evict { namespace, name, options }, out);
        self.autoscaler.draining.asked.insert(self.autoscaler.calls, (namespace, name));
    }

    /// The machine goes.
    fn finish_draining(&mut self, now: SimTime, node: Name, drain: Drain, out: &mut Outbox<Message>) {
        self.power_off(now, node, out);
        if let Some(record) = self.server.store().nodes.find(Name::default(), node).cloned() {
            let message = "nodes removed by cluster autoscaler";
            self.tell(now, &Object::Node(record), EventType::Normal, "ScaleDown", message, out);
        }
        let (reason, message) = if drain.is_busy {
            ("ScaleDown", format!("Scale-down: node {node} removed with drain"))
        } else {
            ("ScaleDownEmpty", format!("Scale-down: empty node {node} removed"))
        };
        self.tell_status(now, EventType::Normal, reason, &message, out);
        self.delete_node(node, out);
        self.autoscaler.draining.remove(node);
    }

    /// Some pods were not let go.
    fn give_up_evicting(&mut self, now: SimTime, node: Name, stay: &[&Arc<Pod>], out: &mut Outbox<Message>) {
        let mut errors = Vec::new();
        for pod in stay {
            let message = "failed to delete pod for ScaleDown";
            self.tell(now, &Object::Pod(Arc::clone(pod)), EventType::Warning, "ScaleDownFailed", message, out);
            let (namespace, name) = (pod.meta.namespace, pod.meta.name);
            let last = self.autoscaler.draining.refused.remove(&(namespace, name)).unwrap_or_default();
            errors.push(format!("failed to evict pod {namespace}/{name} within allowed timeout (last error: {last})"));
        }
        let errors = errors.join(" ");
        self.keep(now, node, &format!("Failed to drain node /{node}, due to following errors: [{errors}]"), out);
    }

    /// The machine stays (`CleanUpAndRecordFailedScaleDownEvent`).
    fn keep(&mut self, now: SimTime, node: Name, why: &str, out: &mut Outbox<Message>) {
        if let Some(record) = self.server.store().nodes.find(Name::default(), node).cloned() {
            let message = format!("failed to drain and delete node: {why}");
            self.tell(now, &Object::Node(record), EventType::Warning, "ScaleDownFailed", &message, out);
        }
        let gone = (Name::new(TO_BE_DELETED), TaintEffect::NoSchedule);
        let amendment = Amendment::Taints { add: List::EMPTY, remove: vec![gone].into() };
        self.autoscaler_calls(Request::Amend { target: target(node), uid: None, amendment }, out);
        self.autoscaler.draining.remove(node);
        self.autoscaler.wanted.insert(node);
    }
}

/// The pods of DaemonSets that leave a machine before it goes: those that say so, and on one that was busy also those
/// that say nothing (`--daemonset-eviction-for-occupied-nodes`).
fn daemons(pods: &PodsByNode, node: Name, is_busy: bool) -> impl Iterator<Item = &Arc<Pod>> {
    let says = Name::new("cluster-autoscaler.kubernetes.io/enable-ds-eviction");
    pods.on(node).iter().filter(move |pod| {
        super::is_of_daemon_set(pod)
            && !super::is_mirror(pod)
            && pod.meta.annotations.get(says).map_or(is_busy, |value| value == "true")
    })
}
