//! Node lifecycle: nodes whose kubelets fall silent become unknown, their pods not ready; taints say so, zone by zone.
//!
//! Follows `pkg/controller/nodelifecycle` of Kubernetes 1.36: the [`monitor`] that looks every five seconds; [`zone`]s
//! and the pace at which their nodes get NoExecute taints; NoSchedule taints that mirror conditions ([`mirror`]).
//!
//! Leases are not written while nothing changes: a kubelet renews its lease every ten seconds, so it is enough to be
//! told when it stops and when it begins again ([`Heartbeat`]). The monitor looks only when a lease would have expired.

mod mirror;
mod monitor;
mod zone;

use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::work_queue::{Key, QueueKey};
use crate::api::{ConditionStatus, FastMap, Kind, NODE_READY, Name, Node, Pod, Taint};
use crate::engine::{Draws, Purpose, SimDuration, SimTime, StreamKey};
use monitor::Findings;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use zone::Zone;

const PHASE: Purpose = Purpose::new("node monitor phase");
/// How often the monitor looks.
const MONITOR_PERIOD: SimDuration = SimDuration::from_secs(5);
/// A node is unknown after so long without a sign of life.
const GRACE: SimDuration = SimDuration::from_secs(50);
/// The same for a node that nobody has ever said anything of.
const STARTUP_GRACE: SimDuration = SimDuration::from_secs(60);
/// How often the queues of nodes to taint are looked at.
const TAINT_PERIOD: SimDuration = SimDuration::from_millis(100);

/// Whether a kubelet renews its node's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    /// Every ten seconds.
    Beats,
    /// No longer; this was the last time.
    Stopped(SimTime),
}

/// What is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeTask {
    /// A round of the monitor.
    Monitor,
    /// The queues of nodes that are to get NoExecute taints.
    Taint,
    /// The NoSchedule taints of a node.
    Mirror(Name),
    /// A pod that came to a node which is not ready.
    Pod(Key),
}

impl QueueKey for NodeTask {
    fn stream(&self) -> StreamKey {
        match self {
            Self::Monitor => StreamKey::new("monitor"),
            Self::Taint => StreamKey::new("taint"),
            Self::Mirror(node) => StreamKey::new(node),
            Self::Pod(key) => key.stream(),
        }
    }
}

/// What one piece of work sees.
#[derive(Debug, Clone)]
pub enum View {
    /// What a round of the monitor has found.
    Monitor(Findings),
    /// The nodes that get NoExecute taints now: what is added and what is removed.
    Taint(Vec<(Name, Vec<Taint>, Vec<Taint>)>),
    /// The NoSchedule taints that a node gets and loses.
    Mirror(Name, Vec<Taint>, Vec<Taint>),
    /// A pod that is to be marked.
    Pod(Arc<Pod>),
}

/// What is known of a node's signs of life.
#[derive(Debug, Clone, Copy)]
struct Health {
    heartbeat: Option<Heartbeat>,
    /// The last other sign: a status that was posted, or a fresh start for everybody.
    seen: SimTime,
}

/// The controller.
#[derive(Debug, Clone, Default)]
pub struct NodeLifecycleController {
    health: FastMap<Name, Health>,
    /// The nodes that were told of.
    registered: BTreeSet<Name>,
    /// How long nodes had been there at the start.
    uptimes: BTreeMap<Name, SimDuration>,
    zones: BTreeMap<(Name, Name), Zone>,
    all_disrupted: bool,
}

/// The first round of something periodic at or after an instant.
fn round_at(draws: Draws, period: SimDuration, at: SimTime) -> SimTime {
    let phase = draws.draw(PHASE, StreamKey::new("node lifecycle"), 0).below(period.as_nanos());
    let since = (at.as_nanos() + period.as_nanos() - phase) % period.as_nanos();
    if since == 0 { at } else { at + SimDuration::from_nanos(period.as_nanos() - since) }
}

fn next_round(desk: &Desk<NodeTask>, period: SimDuration) -> SimTime {
    round_at(desk.draws, period, desk.now + SimDuration::from_nanos(1))
}

fn readiness(node: &Node) -> Option<ConditionStatus> {
    node.status.condition(*NODE_READY).map(|ready| ready.status)
}

impl Controller for NodeLifecycleController {
    type Key = NodeTask;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Node, Kind::Pod]);

    fn settings(&self) -> Settings {
        Settings { workers: 12, ..Settings::new("node-controller") }
    }

    fn started(&mut self, informers: &Informers, desk: &mut Desk<NodeTask>) {
        let first = round_at(desk.draws, MONITOR_PERIOD, desk.now);
        let since_last = MONITOR_PERIOD.saturating_sub(first.since(desk.now));
        for node in informers.store().nodes.iter() {
            let name = node.meta.name;
            let health = Health { heartbeat: Some(Heartbeat::Beats), seen: desk.now };
            self.health.insert(name, health);
            if self.uptimes.get(&name).is_some_and(|uptime| *uptime > since_last) {
                self.registered.insert(name);
            } else {
                desk.queue.add_at(first, NodeTask::Monitor);
            }
        }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<NodeTask>) {
        if let Some((old, node)) = seen.of::<Node>() {
            self.node_changed(seen, old, node, desk);
        } else if let Some((old, pod)) = seen.of::<Pod>()
            && !seen.is_deletion()
            && !pod.node_name.is_empty()
            && old.is_none_or(|old| old.node_name != pod.node_name)
            && let Some(node) = seen.informers.store().nodes.find(Name::default(), pod.node_name)
            && readiness(node).is_some_and(|ready| ready != ConditionStatus::True)
        {
            desk.queue.add(NodeTask::Pod(Key::of(&pod.meta)));
        }
    }

    fn view(&mut self, task: NodeTask, informers: &Informers, desk: &mut Desk<NodeTask>) -> Option<View> {
        match task {
            NodeTask::Monitor => Some(View::Monitor(self.look(informers, desk))),
            NodeTask::Taint => Some(View::Taint(self.due_taints(informers, desk))),
            NodeTask::Mirror(name) => {
                let node = informers.store().nodes.find(Name::default(), name)?;
                let (add, remove) = mirror::difference(node, desk.stamp())?;
                Some(View::Mirror(name, add, remove))
            }
            NodeTask::Pod(key) => {
                let pod = informers.store().pods.find(key.namespace, key.name)?;
                let node = informers.store().nodes.find(Name::default(), pod.node_name)?;
                let away = readiness(node).is_some_and(|ready| ready != ConditionStatus::True);
                away.then(|| View::Pod(pod.clone()))
            }
        }
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, NodeTask>) -> Step {
        match view {
            View::Monitor(findings) => monitor::act(findings, flow),
            View::Taint(nodes) => {
                for (name, add, remove) in nodes {
                    mirror::swap(*name, add, remove, flow)?;
                }
                Ok(())
            }
            View::Mirror(name, add, remove) => mirror::swap(*name, add, remove, flow),
            View::Pod(pod) => monitor::mark_not_ready(pod, flow),
        }
    }
}

impl NodeLifecycleController {
    /// Whether the last round found all zones lost.
    pub const fn all_zones_are_lost(&self) -> bool {
        self.all_disrupted
    }

    /// A node had been there for so long when everything began.
    pub fn was_up(&mut self, node: Name, uptime: SimDuration) {
        self.uptimes.insert(node, uptime);
    }

    /// A kubelet begins to renew its lease, or stops.
    pub fn heartbeat(&mut self, node: Name, heartbeat: Heartbeat, desk: &mut Desk<NodeTask>) {
        let now = desk.now;
        let health = self.health.entry(node).or_insert(Health { heartbeat: None, seen: now });
        health.heartbeat = Some(heartbeat);
        // Of whose lease is known it does not matter what it says.
        if let Some(expiry) = self.expiry(node, None, desk.draws) {
            desk.queue.add_at(expiry.max(now), NodeTask::Monitor);
        }
    }

    /// The round of the monitor in which a node that says this of itself becomes unknown, unless there is a sign of
    /// life before.
    fn expiry(&self, node: Name, says: Option<ConditionStatus>, draws: Draws) -> Option<SimTime> {
        let health = self.health.get(&node)?;
        let (last, grace) = match health.heartbeat {
            Some(Heartbeat::Beats) => return None,
            Some(Heartbeat::Stopped(last)) => (last.max(health.seen), GRACE),
            None if says.is_some() => (health.seen, GRACE),
            None => (health.seen, STARTUP_GRACE),
        };
        // A sign of life is noticed in the next round, and counts from then.
        Some(round_at(draws, MONITOR_PERIOD, last) + grace)
    }

    fn node_changed(&mut self, seen: &Seen<'_>, old: Option<&Arc<Node>>, node: &Arc<Node>, desk: &mut Desk<NodeTask>) {
        let name = node.meta.name;
        if seen.is_deletion() {
            // Whose lease is renewed has made its node anew by the time this is told.
            if self.health.get(&name).is_some_and(|health| health.heartbeat != Some(Heartbeat::Beats)) {
                self.health.remove(&name);
            }
            if self.registered.contains(&name) {
                desk.queue.add_at(next_round(desk, MONITOR_PERIOD), NodeTask::Monitor);
            }
            return;
        }
        desk.queue.add(NodeTask::Mirror(name));
        let now = desk.now;
        let health = self.health.entry(name).or_insert(Health { heartbeat: None, seen: now });
        let beat = |node: &Node| node.status.condition(*NODE_READY).cloned();
        let own_word = beat(node).is_some_and(|ready| ready.status != ConditionStatus::Unknown);
        if old.is_none() || own_word && old.is_some_and(|old| beat(old) != beat(node)) {
            health.seen = now;
        }
        if let Some(expiry) = self.expiry(name, readiness(node), desk.draws) {
            desk.queue.add_at(expiry.max(now), NodeTask::Monitor);
        }
        let ready = |node: &Arc<Node>| readiness(node);
        let news = old.is_none_or(|old| ready(old) != ready(node) || old.taints != node.taints);
        if news && (old.is_none() || readiness(node) != Some(ConditionStatus::True) || monitor::is_tainted(node)) {
            desk.queue.add_at(next_round(desk, MONITOR_PERIOD), NodeTask::Monitor);
        }
    }
}
