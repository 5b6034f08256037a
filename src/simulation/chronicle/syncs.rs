//! What controllers do in one sync: not twice, not too much at once, in the right order, and to those who may go.
//!
//! A call is told apart by the sync that waits for its answer. What is seen of it in the informers is noted as it is
//! seen: a sync that began before asks again for what is on its way.

use super::{Broken, HistoryLaw};
use crate::api::{
    Change, ChangeKind, ConditionStatus, FOREGROUND_DELETION, FastMap, Kind, Name, Object, Pod, PodPhase, READY,
    Request, Store, Uid,
};
use crate::components::controllers::{
    ControllerManager, ControllerName, EXPECTATIONS_TIMEOUT, Sync, SyncInsight, stateful_set_revision,
};
use crate::components::message::{Client, Message};
use crate::engine::SimTime;
use crate::simulation::Cluster;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const LAWS: &[HistoryLaw] = &[
    HistoryLaw {
        name: "replicas-are-awaited",
        says: "a ReplicaSet asks for pods only when it has seen what it asked for before",
    },
    HistoryLaw { name: "bursts-are-limited", says: "one sync makes or deletes 500 pods at most, 250 of a DaemonSet" },
    HistoryLaw { name: "the-least-go-first", says: "a ReplicaSet deletes the pods that are the least loss" },
    HistoryLaw { name: "rolls-from-the-top", says: "a StatefulSet replaces a pod when all above it are new and well" },
    HistoryLaw { name: "solid-owners-keep", says: "the garbage collector deletes nothing that has an owner who stays" },
];

/// Something that a ReplicaSet asked for: a pod that came, or one that was to go.
#[derive(Debug, Clone)]
struct Asked {
    /// The call and its sync.
    call: u32,
    by: Sync,
    at: SimTime,
    /// The version that says so, and the pod.
    version: u64,
    pod: Name,
    comes: bool,
    /// When the informers had it.
    seen: Option<SimTime>,
}

/// What the laws of syncs remember.
#[derive(Debug, Clone, Default)]
pub(super) struct Syncs {
    term: u32,
    /// What was asked for, by ReplicaSet.
    asked: FastMap<Uid, Vec<Asked>>,
    /// ReplicaSets of which something is yet to be seen.
    unseen: Vec<Uid>,
    /// Pods that a sync made and deleted.
    bursts: BTreeMap<(ControllerName, u32), (SimTime, u32, u32)>,
    /// The call that is being served: which, whose, and for which ReplicaSet.
    serving: Option<(u32, Sync, Uid)>,
}

impl Syncs {
    pub(super) fn delivered(&mut self, message: &Message, cluster: &Cluster) -> Vec<Broken> {
        self.serving = None;
        if let Message::Reply { client: Client::ControllerManager, id, response: Err(_) } = message {
            // Of a call that failed nothing is expected, whatever it did before its answer was lost.
            self.asked.values_mut().for_each(|asked| asked.retain(|one| one.call != *id));
        }
        let Message::Call { client: Client::ControllerManager, id, request } = message else { return Vec::new() };
        if ControllerManager::is_rivals(*id) {
            return Vec::new();
        }
        let controllers = cluster.controllers();
        if self.term != controllers.term() {
            *self = Self { term: controllers.term(), ..Self::default() };
        }
        let Some(caller) = controllers.caller(*id) else { return Vec::new() };
        let store = cluster.server().store();
        let (creates, object) = match &**request {
            Request::Create(object @ Object::Pod(_)) => (true, Some(object.clone())),
            Request::Delete { target, .. } => (false, store.find(target.kind, target.namespace, target.name)),
            _ => return Vec::new(),
        };
        let Some(object) = object else { return Vec::new() };
        let mut broken = Vec::new();
        let mut hold = |law: usize, seen: Option<String>| {
            broken.extend(seen.map(|seen| (LAWS[law].name, object.path(), seen)));
        };
        if let Object::Pod(pod) = &object {
            let burst = self.bursts.entry((caller.sync.controller, caller.sync.worker)).or_default();
            if burst.0 != caller.sync.began {
                *burst = (caller.sync.began, 0, 0);
            }
            burst.1 += u32::from(creates);
            burst.2 += u32::from(!creates);
            hold(1, too_many(caller.sync.controller, burst.1, burst.2));
            match caller.sync.controller {
                ControllerName::ReplicaSet => {
                    if let Some(owner) = pod.meta.controller() {
                        self.serving = Some((*id, caller.sync, owner.uid));
                        hold(0, self.hasty(caller.sync, owner.uid));
                    }
                    if !creates {
                        let owner = pod.meta.controller().map(|owner| owner.name).unwrap_or_default();
                        let set = store.replica_sets.find(pod.meta.namespace, owner);
                        let is_its = |one: &Pod| set.is_none_or(|set| set.spec.selector.matches(&one.meta.labels));
                        hold(2, dearer(&caller, pod, is_its));
                    }
                }
                ControllerName::StatefulSet if !creates => hold(3, out_of_turn(&caller, pod, cluster)),
                _ => {}
            }
        }
        if caller.sync.controller == ControllerName::GarbageCollector && !creates {
            hold(4, owned(&object, store));
        }
        broken
    }

    /// A sync asks again, and something that another one asked for was not seen when it began
    /// (`TestRSSyncExpectations`).
    fn hasty(&mut self, sync: Sync, owner: Uid) -> Option<String> {
        let asked = self.asked.get_mut(&owner)?;
        asked.retain(|one| one.by == sync || one.seen.is_none_or(|seen| seen > sync.began));
        let waited = |one: &&Asked| one.by != sync && sync.began.since(one.at) <= EXPECTATIONS_TIMEOUT;
        let one = asked.iter().find(waited)?;
        let what = if one.comes { "came" } else { "was to go" };
        Some(format!("{} {what} at {}, which nobody had seen at {}", one.pod, one.at, sync.began))
    }

    pub(super) fn changed(&mut self, now: SimTime, change: &Change) {
        let Object::Pod(pod) = &change.object else { return };
        let comes = change.kind == ChangeKind::Added;
        let (Some((call, by, owner)), true) = (self.serving, comes || pod.meta.is_terminating()) else { return };
        let (version, pod) = (pod.meta.resource_version, pod.meta.name);
        let asked = Asked { call, by, at: now, version, pod, comes, seen: None };
        self.asked.entry(owner).or_default().push(asked);
        if !self.unseen.contains(&owner) {
            self.unseen.push(owner);
        }
    }

    pub(super) fn stepped(&mut self, now: SimTime, cluster: &Cluster) {
        let (newest, asked) = (cluster.informers().newest(Kind::Pod), &mut self.asked);
        self.unseen.retain(|owner| {
            let waiting = asked.get_mut(owner).into_iter().flatten().filter(|one| one.seen.is_none());
            let mut left = false;
            for one in waiting {
                one.seen = (newest >= one.version).then_some(now);
                left |= one.seen.is_none();
            }
            left
        });
    }
}

/// `TestControllerBurstReplicas`, `BurstReplicas` of the controllers.
fn too_many(controller: ControllerName, made: u32, deleted: u32) -> Option<String> {
    let most = match controller {
        ControllerName::ReplicaSet | ControllerName::ReplicationController | ControllerName::Job => 500,
        ControllerName::DaemonSet => 250,
        _ => return None,
    };
    (made > most || deleted > most).then(|| format!("{made} made and {deleted} deleted in one sync, at most {most}"))
}

/// How great a loss a pod is, as far as that can be told from the pod alone (`TestSortingActivePodsWithRanks`).
fn loss(pod: &Pod) -> (bool, u8, bool, i64) {
    let phase = match pod.status.phase {
        PodPhase::Pending => 0,
        PodPhase::Unknown => 1,
        PodPhase::Running | PodPhase::Succeeded | PodPhase::Failed => 2,
    };
    let cost = pod.meta.annotations.get(Name::new("controller.kubernetes.io/pod-deletion-cost"));
    let cost = cost.and_then(|cost: Name| cost.parse().ok()).unwrap_or(0);
    (!pod.node_name.is_empty(), phase, pod.status.is_ready(), cost)
}

/// A pod that stays is less of a loss than one that goes. What is not the set's any more does not count.
fn dearer(caller: &SyncInsight, pod: &Pod, is_its: impl Fn(&Pod) -> bool) -> Option<String> {
    let pods = caller.pods.as_ref()?;
    let victim = pods.iter().find(|seen| seen.meta.name == pod.meta.name)?;
    let stays = |one: &&Arc<Pod>| one.is_active() && is_its(one) && !caller.deletes.contains(&one.meta.name);
    let cheaper = pods.iter().filter(stays).find(|one| loss(one) < loss(victim))?;
    Some(format!("{} is less of a loss, and stays", cheaper.meta.name))
}

/// One of an old revision is deleted although one above it is not new, not well, or not there
/// (`TestStatefulSetControlRollingUpdate`).
pub(super) fn out_of_turn(caller: &SyncInsight, pod: &Pod, cluster: &Cluster) -> Option<String> {
    let owner = pod.meta.controller()?;
    let set = cluster.informers().store().stateful_sets.find(pod.meta.namespace, owner.name)?;
    let pods = caller.pods.as_ref()?;
    let ordinal = |name: Name| crate::components::controllers::stateful_set_ordinal(set, name);
    let seen = pods.iter().find(|seen| seen.meta.uid == pod.meta.uid)?;
    let (place, last) = (ordinal(pod.meta.name)?, set.spec.first_ordinal + set.spec.replicas);
    if place >= last || seen.is_terminal() {
        return None; // It is one too many, or has ended.
    }
    let well = |one: &Pod| {
        let ready = one.status.condition(*READY).is_some_and(|ready| ready.status == ConditionStatus::True);
        ready && !one.meta.is_terminating() && stateful_set_revision(one) != stateful_set_revision(seen)
    };
    let above = |n: &i32| !pods.iter().any(|one| ordinal(one.meta.name) == Some(*n) && well(one));
    let unwell = (place + 1..last).find(above)?;
    Some(format!("ordinal {unwell} is not new, not well, or not there"))
}

/// An owner is there and is not waiting for its dependents to go (`TestAttemptToDeleteItem`).
pub(super) fn owned(object: &Object, store: &Store) -> Option<String> {
    let meta = object.meta();
    if meta.is_terminating() {
        return None; // It goes anyway.
    }
    let solid = meta.owner_references.iter().find(|owner| {
        let Some(kind) = Kind::from_manifest(&owner.api_version, &owner.kind) else { return true };
        let namespace = if kind.is_namespaced() { meta.namespace } else { Name::default() };
        let found = store.find(kind, namespace, owner.name).filter(|found| found.meta().uid == owner.uid);
        found.is_some_and(|found| {
            !(found.meta().is_terminating() && found.meta().finalizers.contains(&FOREGROUND_DELETION))
        })
    })?;
    Some(format!("{} {} owns it", solid.kind, solid.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Condition, Metadata, PodSpec, PodStatus};

    fn pod(name: &str, node: &str, phase: PodPhase, ready: bool) -> Arc<Pod> {
        let mut status = PodStatus { phase, ..PodStatus::default() };
        let is = ConditionStatus::from(ready);
        status.conditions.push(Condition::new(*READY, is, crate::api::Timestamp::default()));
        let meta = Metadata { name: Name::new(name), ..Metadata::default() };
        Arc::new(Pod { meta, spec: Arc::new(PodSpec::default()), node_name: Name::new(node), status: Arc::new(status) })
    }

    const fn sync(controller: ControllerName, began: u64) -> Sync {
        Sync { controller, worker: 0, began: SimTime::from_secs(began) }
    }

    #[test]
    fn a_sync_that_asks_again_too_early_is_caught() {
        let owner = Uid::from_bits(1);
        // (asked at, seen at, the next sync began at, whether that is too early)
        let cases = [(10, None, 11, true), (10, Some(12), 11, true), (10, Some(12), 12, false), (10, None, 311, false)];
        for (at, seen, began, early) in cases {
            let mut syncs = Syncs::default();
            let (at, seen) = (SimTime::from_secs(at), seen.map(SimTime::from_secs));
            let by = sync(ControllerName::ReplicaSet, 9);
            let asked = Asked { call: 1, by, at, version: 7, pod: Name::new("web-1"), comes: true, seen };
            syncs.asked.entry(owner).or_default().push(asked);
            assert_eq!(syncs.hasty(by, owner), None, "the sync itself goes on");
            let next = sync(ControllerName::ReplicaSet, began);
            assert_eq!(syncs.hasty(next, owner).is_some(), early, "began at {began} s");
        }
    }

    #[test]
    fn a_burst_beyond_its_limit_is_caught() {
        for (controller, made, deleted, broken) in [
            (ControllerName::ReplicaSet, 500, 0, false),
            (ControllerName::ReplicaSet, 501, 0, true),
            (ControllerName::Job, 0, 501, true),
            (ControllerName::DaemonSet, 250, 250, false),
            (ControllerName::DaemonSet, 0, 251, true),
            (ControllerName::StatefulSet, 900, 0, false),
        ] {
            assert_eq!(too_many(controller, made, deleted).is_some(), broken, "{controller:?} {made} {deleted}");
        }
    }

    #[test]
    fn a_pod_that_is_dearer_than_one_that_stays_is_caught() {
        let ready = pod("ready", "n", PodPhase::Running, true);
        let cheaper = [
            pod("unassigned", "", PodPhase::Pending, false),
            pod("pending", "n", PodPhase::Pending, false),
            pod("unready", "n", PodPhase::Running, false),
        ];
        for other in cheaper {
            let pods = Some(vec![ready.clone(), other.clone()]);
            let deletes = |name: Name| SyncInsight {
                sync: sync(ControllerName::ReplicaSet, 1),
                pods: pods.clone(),
                deletes: vec![name],
            };
            assert!(dearer(&deletes(ready.meta.name), &ready, |_| true).is_some(), "{} stays", other.meta.name);
            assert_eq!(dearer(&deletes(other.meta.name), &other, |_| true), None);
            let stray = |one: &Pod| one.meta.name != other.meta.name;
            assert_eq!(dearer(&deletes(ready.meta.name), &ready, stray), None);
        }
    }
}
