//! What becomes of a running cluster when it is disturbed: on a fork of it, second by second.

use super::fit::Unplaced;
use super::workload::Workload;
use crate::api::{Change, ChangeKind, DeploymentStrategy, FastMap, Kind, Name, Object, POD_SCHEDULED, Pod};
use crate::components::runtime::Glob;
use crate::engine::{SimDuration, SimTime};
use crate::scenario::plan::{Action, ActionTarget, Drain, Pick, RolloutVerb};
use crate::simulation::{Cluster, Simulation, Trace};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How long it is watched.
pub const WATCHED: SimDuration = SimDuration::from_mins(15);

/// Something that is done to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disturbance {
    /// A node loses power and does not come back.
    NodeLost(Name),
    /// A node is drained, as `kubectl drain --ignore-daemonsets --delete-emptydir-data --force` does it.
    Drain(Name),
    /// Every Deployment is restarted at once.
    Rollout,
}

impl std::fmt::Display for Disturbance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NodeLost(node) => write!(f, "{node} loses power"),
            Self::Drain(node) => write!(f, "{node} is drained"),
            Self::Rollout => f.write_str("every Deployment is restarted"),
        }
    }
}

/// What became of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Disruption {
    /// What was done.
    pub disturbance: Disturbance,
    /// After how many milliseconds every workload had all its ready pods again; nothing if not while it was watched.
    pub recovered_ms: Option<u64>,
    /// Workloads that had fewer ready pods for a while, and how few.
    pub lows: Vec<Low>,
    /// Pods that wait for a node at the end.
    pub pending: Vec<Unplaced>,
    /// Pods that could not be evicted, rollouts that did not finish: in kubectl's words.
    pub blocked: Vec<String>,
}

/// A workload at its worst.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Low {
    /// The workload.
    pub workload: Workload,
    /// How many of its pods were ready at the least.
    pub ready: usize,
    /// How many were before.
    pub of: usize,
    /// For how many milliseconds it had fewer than before, in all.
    pub short_ms: u64,
    /// Whether it still has fewer.
    pub open: bool,
}

/// Disturbs a fork of a settled simulation and watches it.
pub fn disrupt(mut fork: Simulation, disturbance: Disturbance) -> Disruption {
    let start = fork.now();
    let mut watch = Availability::of(&fork);
    for action in actions(&fork, disturbance) {
        fork.act(action);
    }
    fork.run_until_watched(start + WATCHED, &mut watch);
    let recovered_ms = watch.recovered(start);
    let end = fork.now();
    Disruption {
        disturbance,
        recovered_ms,
        lows: watch.lows(end),
        pending: pending(&fork),
        blocked: blocked(&fork, disturbance, start),
    }
}

fn actions(simulation: &Simulation, disturbance: Disturbance) -> Vec<Action> {
    match disturbance {
        Disturbance::NodeLost(node) => vec![Action::PowerOff(node)],
        Disturbance::Drain(node) => vec![Action::Drain(Drain {
            node,
            grace_period: None,
            timeout: None,
            force: true,
            ignore_daemon_sets: true,
            delete_empty_dir_data: true,
            disable_eviction: false,
        })],
        Disturbance::Rollout => {
            let deployments = simulation.cluster().server().store().deployments.sorted();
            let target = |namespace, name: Name| ActionTarget {
                kind: Kind::Deployment,
                namespace,
                name: name.parse().unwrap_or_else(|_| Glob::any()),
                pick: Pick::Oldest,
                node: Name::default(),
            };
            deployments
                .into_iter()
                .map(|one| Action::Rollout {
                    target: target(one.meta.namespace, one.meta.name),
                    verb: RolloutVerb::Restart,
                })
                .collect()
        }
    }
}

/// Pods that wait for a node, with the scheduler's words.
pub fn pending(simulation: &Simulation) -> Vec<Unplaced> {
    let waits = |pod: &&std::sync::Arc<Pod>| pod.node_name.is_empty() && pod.is_active();
    let mut all: Vec<Unplaced> = simulation
        .pods()
        .filter(waits)
        .map(|pod| {
            let said = pod.status.condition(*POD_SCHEDULED).map(|condition| condition.message.to_string());
            Unplaced { pod: pod.meta.key(), message: said.unwrap_or_else(|| "not tried yet".to_owned()) }
        })
        .collect();
    all.sort_by(|a, b| a.pod.cmp(&b.pod));
    all
}

fn blocked(fork: &Simulation, disturbance: Disturbance, start: SimTime) -> Vec<String> {
    let store = fork.cluster().server().store();
    match disturbance {
        Disturbance::NodeLost(_) => Vec::new(),
        Disturbance::Drain(node) => {
            let complaints = fork.cluster().complaints().iter().filter(|complaint| complaint.at >= start);
            let told = complaints.map(|complaint| complaint.message.to_string());
            let left = store.pods.sorted().into_iter().filter(|pod| {
                let kind = pod.meta.controller().map_or(Name::default(), |owner| owner.kind);
                let stays = kind == Kind::DaemonSet.name() || kind == Kind::Node.name();
                pod.node_name == node && pod.is_active() && !stays
            });
            told.chain(left.map(|pod| format!("{} is still there: a budget allows no eviction", pod.meta.key())))
                .collect()
        }
        Disturbance::Rollout => {
            let unfinished = store.deployments.sorted().into_iter().filter(|one| {
                let status = &one.status;
                matches!(one.spec.strategy, DeploymentStrategy::RollingUpdate { .. } | DeploymentStrategy::Recreate)
                    && (status.updated_replicas < one.spec.replicas || status.replicas > status.updated_replicas)
            });
            unfinished
                .map(|one| {
                    let (done, of) = (one.status.updated_replicas, one.spec.replicas);
                    format!("deployment {}: {done} of {of} pods are new", one.meta.key())
                })
                .collect()
        }
    }
}

/// How many pods of each workload are ready, and how few were.
#[derive(Debug, Default)]
struct Availability {
    workloads: BTreeMap<Workload, Tally>,
    of_pod: FastMap<u32, Workload>,
    short: BTreeSet<Workload>,
    whole_since: Option<SimTime>,
    was_short: bool,
}

#[derive(Debug, Default)]
struct Tally {
    ready: BTreeSet<u32>,
    before: usize,
    least: usize,
    short_since: Option<SimTime>,
    short: SimDuration,
}

impl Availability {
    fn of(simulation: &Simulation) -> Self {
        let mut watch = Self::default();
        let store = simulation.cluster().server().store();
        for pod in store.pods.iter().filter(|pod| pod.is_ready() && pod.is_active()) {
            let workload = Workload::in_store(pod, store);
            if !workload.is_daemon_set() {
                watch.of_pod.insert(pod.meta.index, workload);
                watch.workloads.entry(workload).or_default().ready.insert(pod.meta.index);
            }
        }
        for tally in watch.workloads.values_mut() {
            (tally.before, tally.least) = (tally.ready.len(), tally.ready.len());
        }
        watch
    }

    fn recovered(&self, start: SimTime) -> Option<u64> {
        match (self.was_short, self.whole_since) {
            (false, _) => Some(0),
            (true, since) => since.map(|since| since.since(start).as_millis()),
        }
    }

    fn lows(&self, end: SimTime) -> Vec<Low> {
        let mut lows: Vec<Low> = self
            .workloads
            .iter()
            .filter(|(_, tally)| tally.least < tally.before)
            .map(|(workload, tally)| {
                let open = tally.short_since.map_or(SimDuration::ZERO, |since| end.since(since));
                let short_ms = (tally.short + open).as_millis();
                let is_open = tally.short_since.is_some();
                Low { workload: *workload, ready: tally.least, of: tally.before, short_ms, open: is_open }
            })
            .collect();
        lows.sort_by_key(|low| (low.ready, std::cmp::Reverse(low.short_ms), low.workload));
        lows
    }
}

impl Trace for Availability {
    fn changed(&mut self, now: SimTime, _cause: u64, change: &Change, cluster: &Cluster) {
        let Object::Pod(pod) = &change.object else { return };
        let index = pod.meta.index;
        let known = self.of_pod.get(&index).copied();
        let workload = known.unwrap_or_else(|| Workload::in_store(pod, cluster.server().store()));
        if known.is_none() {
            self.of_pod.insert(index, workload);
        }
        let Some(tally) = self.workloads.get_mut(&workload) else { return };
        if change.kind != ChangeKind::Deleted && pod.is_ready() {
            tally.ready.insert(index);
        } else {
            tally.ready.remove(&index);
        }
        let count = tally.ready.len();
        tally.least = tally.least.min(count);
        if count < tally.before {
            tally.short_since.get_or_insert(now);
            self.short.insert(workload);
            (self.was_short, self.whole_since) = (true, None);
        } else if let Some(since) = tally.short_since.take() {
            tally.short += now.since(since);
            self.short.remove(&workload);
            if self.short.is_empty() {
                self.whole_since = Some(now);
            }
        }
    }
}
