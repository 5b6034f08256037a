//! How many more of a pod fit: they are placed one by one, by the scheduler's own search, until one fits nowhere.

use super::Ground;
use crate::api::{Name, Object, Pod};
use crate::components::scheduler::schedule_one::{Outcome, Search};
use crate::components::scheduler::{ClusterSnapshot, Explanation, Profile, SchedulerSetup, explain, relaxations};
use crate::engine::SimTime;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Beyond so many it is not worth knowing.
pub const ENOUGH: usize = 100_000;
/// The store's places of pods that are only thought of begin here.
const IMAGINED: u32 = 1 << 30;

/// How many more fit, and what stops the next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fit {
    /// How many.
    pub count: usize,
    /// On which nodes.
    pub nodes: BTreeMap<Name, usize>,
    /// What stops the next; nothing if there was no end.
    pub stop: Option<Stop>,
}

/// Why a pod fits nowhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stop {
    /// The constraint that binds: the reason that most nodes give.
    pub constraint: String,
    /// The text of the `FailedScheduling` event.
    pub message: String,
    /// How many nodes give each reason.
    pub reasons: BTreeMap<String, usize>,
    /// What would make it fit, each by itself.
    pub relief: Vec<String>,
}

/// A pod that fits nowhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unplaced {
    /// The pod: `namespace/name`.
    pub pod: String,
    /// Why.
    pub message: String,
}

/// A cluster in which pods are placed in thought.
#[derive(Debug, Clone)]
pub struct Placer {
    snapshot: ClusterSnapshot,
    search: Search,
    setup: Arc<SchedulerSetup>,
    now: i64,
    placed: u32,
}

impl Placer {
    /// The cluster with only the objects that are let through.
    pub fn new(ground: &Ground, keep: impl Fn(&Object) -> bool) -> Self {
        let objects = ground.objects.iter().filter(|object| keep(object)).cloned();
        Self {
            snapshot: ClusterSnapshot::new(objects, None),
            search: Search::default(),
            setup: ground.setup.clone(),
            now: ground.now,
            placed: 0,
        }
    }

    /// Places a pod, and returns the node; nothing if it fits nowhere.
    pub fn place(&mut self, pod: &Pod) -> Option<Name> {
        let profile = profile(&self.setup, pod)?;
        if !pod.spec.scheduling_gates.is_empty() {
            return None;
        }
        let ClusterSnapshot { cache, nominator, .. } = &mut self.snapshot;
        let decision = self.search.schedule(cache, nominator, profile, pod, SimTime::ZERO, self.now);
        let Outcome::Chosen(slot) = decision.outcome else { return None };
        let node = cache.node(slot).name();
        let mut placed = pod.clone();
        placed.meta.index = IMAGINED + self.placed;
        placed.meta.name = Name::new(&format!("{}-more-{}", pod.meta.name, self.placed));
        placed.node_name = node;
        self.placed += 1;
        cache.assume_pod(&Arc::new(placed));
        Some(node)
    }

    /// Places pods that lost their nodes, the most important and then the oldest first; returns those that fit
    /// nowhere.
    pub fn place_again(&mut self, pods: &[Arc<Pod>]) -> Vec<Unplaced> {
        let mut pods = pods.to_vec();
        pods.sort_by_key(|pod| (std::cmp::Reverse(pod.spec.priority), pod.meta.creation_timestamp, pod.meta.key()));
        let mut unplaced = Vec::new();
        for pod in pods {
            let pod = Pod { node_name: Name::default(), ..Pod::clone(&pod) };
            if self.place(&pod).is_none() {
                unplaced.push(Unplaced { pod: pod.meta.key(), message: self.message(&pod) });
            }
        }
        unplaced
    }

    /// Places a pod again and again.
    pub fn fill(&mut self, pod: &Pod, explained: bool) -> Fit {
        let mut nodes: BTreeMap<Name, usize> = BTreeMap::new();
        let mut count = 0;
        while count < ENOUGH {
            let Some(node) = self.place(pod) else {
                return Fit { count, nodes, stop: explained.then(|| self.stop(pod)) };
            };
            *nodes.entry(node).or_default() += 1;
            count += 1;
        }
        Fit { count, nodes, stop: None }
    }

    /// Why a pod fits nowhere now.
    pub fn stop(&mut self, pod: &Pod) -> Stop {
        let Some(profile) = profile(&self.setup, pod).cloned() else {
            let message = format!("no scheduler is called {}", pod.spec.scheduler_name);
            return Stop { constraint: message.clone(), message, reasons: BTreeMap::new(), relief: Vec::new() };
        };
        let told = explain(&mut self.snapshot, &profile, pod, self.now);
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for reason in told.nodes.iter().filter_map(|node| node.rejection.as_ref()).flat_map(|one| &one.reasons) {
            *reasons.entry(reason.to_string()).or_default() += 1;
        }
        let relief = relaxations(&self.snapshot, &profile, pod, &told, self.now);
        Stop {
            constraint: constraint(&told, &reasons),
            message: told.message.clone().or(told.error.clone()).unwrap_or_default(),
            reasons,
            relief: relief.into_iter().map(|one| one.change).collect(),
        }
    }

    fn message(&mut self, pod: &Pod) -> String {
        let Some(profile) = profile(&self.setup, pod).cloned() else { return "no such scheduler".to_owned() };
        let told = explain(&mut self.snapshot, &profile, pod, self.now);
        told.fit_error.or(told.message).or(told.error).unwrap_or_else(|| "it is gated".to_owned())
    }

    /// The cluster as it is in thought.
    pub const fn snapshot(&self) -> &ClusterSnapshot {
        &self.snapshot
    }
}

fn profile<'s>(setup: &'s SchedulerSetup, pod: &Pod) -> Option<&'s Arc<Profile>> {
    setup.profiles.iter().find(|profile| profile.scheduler_name == pod.spec.scheduler_name)
}

/// The reason that binds: given by most of the nodes on which making room could help, else by most nodes.
fn constraint(told: &Explanation, reasons: &BTreeMap<String, usize>) -> String {
    if told.nodes.is_empty() {
        return "no nodes".to_owned();
    }
    if let Some(gated) = &told.gated {
        return gated.message();
    }
    let resource = |reason: &&String| reason.starts_with("Insufficient ") || *reason == "Too many pods";
    let most = |reasons: Vec<(&String, &usize)>| {
        let highest = reasons.iter().map(|(_, count)| **count).max()?;
        let names: Vec<&str> = reasons.iter().filter(|(_, n)| **n == highest).map(|(name, _)| name.as_str()).collect();
        Some(names.join(", "))
    };
    let by_room: Vec<_> = reasons.iter().filter(|(reason, _)| resource(reason)).collect();
    most(by_room).or_else(|| most(reasons.iter().collect())).unwrap_or_else(|| told.pre_filter.message())
}
