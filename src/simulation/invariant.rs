//! Laws that hold in every cluster, whatever is run in it: each by name, checked after every write.
//!
//! A law is a function of the version of an object before a write, the one after it, and the cluster. What a violation
//! shows is a fault of the simulator, or of what was planted in it; what a scenario wants is said by its expectations.

use super::chronicle::Chronicle;
use super::control_plane_laws as laws;
use super::workload_laws as workloads;
use super::{Cluster, Trace};
use crate::api::{
    CONTAINERS_READY, Change, ChangeKind, ContainerState, ContainerStatus, DISRUPTION_TARGET, FastMap, Kind, Name,
    Object, Pod, PodPhase, READY, Resources, RestartPolicy, requests::requests_with_status,
};
use crate::components::message::Message;
use crate::engine::{SimDuration, SimTime};

/// A law.
#[derive(Clone, Copy)]
pub struct Invariant {
    /// Its name: `bound-once`.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    pub(super) check: fn(&Write<'_>) -> Option<String>,
}

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The law.
    pub name: &'static str,
    /// When.
    pub at: SimTime,
    /// The object: `Pod/default/web`.
    pub object: String,
    /// What was seen.
    pub seen: String,
}

/// One write, as a law sees it.
pub(super) struct Write<'a> {
    pub(super) now: SimTime,
    pub(super) kind: ChangeKind,
    /// The version before it, if there was one.
    pub(super) before: Option<&'a Object>,
    /// The version that it left, or the last one.
    pub(super) object: &'a Object,
    pub(super) cluster: &'a Cluster,
}

macro_rules! invariants {
    ($($name:literal, $says:literal, $check:expr;)*) => {
        /// Every law.
        pub const INVARIANTS: &[Invariant] = &[$(Invariant { name: $name, says: $says, check: $check }),*];
    };
}

invariants! {
    "version-grows", "every write has a newer resource version", |write| write.pair(|old, new| {
        let (old, new) = (old.meta().resource_version, new.meta().resource_version);
        // What is measured rather than stored has no versions.
        (new <= old && old > 0).then(|| format!("{old}, then {new}"))
    });
    "generation-never-falls", "the generation only grows", |write| write.pair(|old, new| {
        let (old, new) = (old.meta().generation, new.meta().generation);
        (new < old).then(|| format!("{old}, then {new}"))
    });
    "identity-stays", "an object keeps its UID and its names", |write| write.pair(|old, new| {
        let same = |o: &Object| (o.meta().uid, o.meta().name, o.meta().namespace);
        (same(old) != same(new)).then(|| format!("{}, then {}", old.path(), new.path()))
    });
    "creation-time-stays", "an object keeps its creation time", |write| write.pair(|old, new| {
        let (old, new) = (old.meta().creation_timestamp, new.meta().creation_timestamp);
        (old != new).then(|| format!("{old}, then {new}"))
    });
    "deletion-is-final", "a deletion is never taken back", |write| write.pair(|old, new| {
        (old.meta().is_terminating() && !new.meta().is_terminating()).then(|| "it is not being deleted any more".into())
    });
    "finalizers-are-not-added-late", "an object that is being deleted gets no new finalizer", |write| write.pair(|old, new| {
        let late = |name: &&Name| !old.meta().finalizers.contains(name);
        let found = old.meta().is_terminating().then(|| new.meta().finalizers.iter().find(late)).flatten();
        found.map(|name| format!("{name} was added"))
    });
    "finalizers-are-waited-for", "nothing is gone before its finalizers", |write| {
        let left = write.kind == ChangeKind::Deleted && !write.object.meta().finalizers.is_empty();
        left.then(|| format!("{} is left", write.object.meta().finalizers[0]))
    };
    "controlled-by-one", "at most one owner manages an object", |write| {
        let owners = write.object.meta().owner_references.iter().filter(|owner| owner.controller).count();
        (owners > 1).then(|| format!("{owners} owners manage it"))
    };
    "bound-once", "a pod is never moved to another node", |write| write.pods(|old, new| {
        let moved = !old.node_name.is_empty() && old.node_name != new.node_name;
        moved.then(|| format!("on {}, then on {}", old.node_name, new.node_name))
    });
    "terminal-phase-is-final", "Succeeded and Failed never change", |write| write.pods(|old, new| {
        let (old, new) = (old.status.phase, new.status.phase);
        (old.is_terminal() && old != new).then(|| format!("{old}, then {new}"))
    });
    "running-never-pends-again", "a pod that runs is never Pending again, but for its init containers to run again",
    |write| write.pods(|old, new| {
        // `getPhase` of 1.36 asks first whether an init container has still to end: after a reboot, each has.
        let plain = |name: Name| new.spec.plain_init_containers().any(|container| container.name == name);
        let again = new.status.init_containers.iter().any(|status| plain(status.name) && !status.ready);
        let back = old.status.phase == PodPhase::Running && new.status.phase == PodPhase::Pending;
        // Whoever reads what was writes what was: here whole statuses are sent, where a real kubelet sends what
        // differs.
        let stale = write.cluster.reads_may_be_stale();
        (back && !again && !stale).then(|| "Running, then Pending".into())
    });
    "restarts-only-grow", "restart counts never fall", |write| write.pods(|old, new| {
        new.status.all_containers().find_map(|now| {
            let before = old.status.all_containers().find(|known| known.name == now.name)?;
            (now.restart_count < before.restart_count)
                .then(|| format!("{}: {}, then {}", now.name, before.restart_count, now.restart_count))
        })
    });
    "quality-of-service-stays", "a pod keeps its QoS class", |write| write.pods(|old, new| {
        let (old, new) = (old.status.qos_class, new.status.qos_class);
        (old != new).then(|| format!("{old}, then {new}"))
    });
    "running-has-a-node", "a pod that runs is bound", |write| write.pod(|pod| {
        (pod.status.phase == PodPhase::Running && pod.node_name.is_empty()).then(|| "no node".into())
    });
    "ready-means-running", "a pod that is ready runs, unless it was given up", |write| write.pod(|pod| {
        // The pod garbage collector sets the phase of pods whose node is gone, and leaves their conditions. Of a pod
        // that is evicted in the moment in which it starts, the kubelet writes the new conditions and the old phase.
        let given_up = pod.status.is_true(*DISRUPTION_TARGET);
        let runs = |phase| match phase {
            PodPhase::Running => true,
            PodPhase::Pending => pod.status.containers.iter().all(|status| status.state.is_running()),
            PodPhase::Succeeded | PodPhase::Failed | PodPhase::Unknown => false,
        };
        let wrong = pod.status.is_ready() && !runs(pod.status.phase) && !given_up;
        wrong.then(|| format!("Ready and {}", pod.status.phase))
    });
    "ready-means-containers-ready", "Ready needs ContainersReady", |write| write.pod(|pod| {
        (pod.status.is_true(*READY) && !pod.status.is_true(*CONTAINERS_READY)).then(|| "ContainersReady is not True".into())
    });
    "ready-containers-run", "a container that is ready runs, unless it is an init container that is done", |write| write.pod(|pod| {
        let status = pod.status.containers.iter().find(|status| status.ready && !status.state.is_running());
        status.map(|status| format!("{} is {:?}", status.name, status.state))
    });
    "succeeded-means-zero", "containers of a pod that succeeded have ended with 0", |write| write.pod(|pod| {
        let bad = |status: &&ContainerStatus| status.state.terminated().is_none_or(|end| end.exit_code != 0);
        let found = (pod.status.phase == PodPhase::Succeeded).then(|| pod.status.containers.iter().find(bad)).flatten();
        found.map(|status| format!("{} is {:?}", status.name, status.state))
    });
    "never-means-never", "with restartPolicy Never, regular containers are not started again", |write| write.pod(|pod| {
        let spec = &pod.spec;
        let never = |name: Name| {
            let container = spec.containers.iter().find(|container| container.name == name);
            container.is_some_and(|c| c.restart_rules.is_empty() && spec.restart_policy_of(c) == RestartPolicy::Never)
        };
        // A container that the kubelet lost sight of counts as one that was restarted.
        let lost = |status: &&ContainerStatus| {
            status.state.terminated().is_some_and(|end| end.reason == "ContainerStatusUnknown")
                || status.last_state.as_ref().is_some_and(|end| end.reason == "ContainerStatusUnknown")
        };
        let restarted = |status: &&ContainerStatus| status.restart_count > 0 && never(status.name);
        let found = pod.status.containers.iter().find(|status| restarted(status) && !lost(status));
        found.map(|status| format!("{}: {} restarts", status.name, status.restart_count))
    });
    "ends-after-it-starts", "no container ends before it starts", |write| write.pod(|pod| {
        pod.status.all_containers().find_map(|status| {
            let ends = [status.state.terminated(), status.last_state.as_ref()].into_iter().flatten();
            ends.filter_map(|end| Some((end.started_at?, end.finished_at?)))
                .find(|(start, end)| end < start)
                .map(|(start, end)| format!("{}: from {start} to {end}", status.name))
        })
    });
    "init-comes-first", "no regular container runs before the init containers are done", |write| write.pods(|old, new| {
        let running = |pod: &Pod| pod.status.containers.iter().any(|status| status.state.is_running());
        let begins = running(new) && !running(old);
        let waits = |status: &&ContainerStatus| {
            let plain = new.spec.plain_init_containers().any(|container| container.name == status.name);
            plain && status.state.terminated().is_none_or(|end| end.exit_code != 0)
        };
        let found = begins.then(|| new.status.init_containers.iter().find(waits)).flatten();
        found.map(|status| format!("{} is {:?}", status.name, status.state))
    });
    "nodes-are-not-overcommitted", "what the pods of a node request fits", |write| write.pod(|pod| overcommitted(write, pod));
    "addresses-are-unique", "no two pods that run share an address", |write| write.pods(|old, new| shared_address(write, old, new));
    "status-says-what-spec-lists", "a pod's status lists no container that its spec does not", |write| write.pod(|pod| {
        let known = |name: Name| pod.spec.container(name).is_some();
        pod.status.all_containers().find(|status| !known(status.name)).map(|status| status.name.to_string())
    });
    "back-off-waits", "a container that backs off does not run", |write| write.pod(|pod| {
        let odd = |status: &&ContainerStatus| {
            matches!(&status.state, ContainerState::Waiting { reason, .. } if *reason == "CrashLoopBackOff") && status.restart_count == 0
                && status.last_state.is_none()
        };
        pod.status.all_containers().find(odd).map(|status| format!("{} backs off and has never ended", status.name))
    });
    "events-count-up", "an event is never said less often", |write| match (write.before, write.object) {
        (Some(Object::Event(old)), Object::Event(new)) => {
            (new.times() < old.times()).then(|| format!("{} times, then {}", old.times(), new.times()))
        }
        _ => None,
    };
    "ready-replicas-exist", "no workload has more ready replicas than replicas", |write| replicas(write.object);
    "job-counts-only-grow", "a Job's counts of pods that ended never fall", |write| match (write.before, write.object) {
        (Some(Object::Job(old)), Object::Job(new)) => {
            let (old, new) = (&old.status, &new.status);
            (new.succeeded < old.succeeded || new.failed < old.failed).then(|| {
                format!("{}+{}, then {}+{}", old.succeeded, old.failed, new.succeeded, new.failed)
            })
        }
        _ => None,
    };
    "observed-generation-is-known", "nobody has observed a generation that there is not", |write| {
        let meta = write.object.meta();
        let observed = match write.object {
            Object::Pod(pod) => pod.status.observed_generation,
            Object::Deployment(workload) => workload.status.observed_generation,
            Object::ReplicaSet(workload) => workload.status.observed_generation,
            _ => return None,
        };
        (observed > meta.generation).then(|| format!("{observed} of {}", meta.generation))
    };
    "deletion-only-nears", "a deletion comes no later unless it is forced when overdue, and its grace never grows",
        |write| laws::deletion_only_nears(write.seen());
    "gates-go-tolerations-come", "a pod gets no new scheduling gate and loses no toleration",
        |write| laws::gates_go_and_tolerations_come(write.seen());
    "nothing-is-unknown", "no component writes the phase Unknown or the reason NodeLost",
        |write| laws::nothing_is_unknown(write.seen());
    "budgets-add-up", "a budget allows no more disruptions than there are healthy pods to spare",
        |write| laws::budgets_add_up(write.seen());
    "jobs-end-once", "a Job is complete or has failed, and then has no pods",
        |write| laws::jobs_end_once(write.seen());
    "forbidden-jobs-do-not-overlap", "with Forbid, a CronJob has one active Job at most",
        |write| laws::forbidden_jobs_do_not_overlap(write.seen());
    "wishes-stay-in-bounds", "an autoscaler wishes for no fewer and no more pods than it may",
        |write| laws::wishes_stay_in_bounds(write.seen());
    "new-traffic-finds-who-stays", "an endpoint that is ready serves and is not terminating",
        |write| laws::new_traffic_finds_who_stays(write.seen());
    "bindings-are-for-those-who-wait", "no pod is bound that is gated or being deleted",
        |write| laws::bindings_are_for_those_who_wait(write.seen());
    "the-unscheduled-go-at-once", "a pod without a node and finalizers is gone when it is deleted",
        |write| laws::the_unscheduled_go_at_once(write.seen());
    "nobody-vanishes", "a pod that runs is gone only after its grace is over", laws::nobody_vanishes;
    "two-budgets-forbid", "a pod that runs and that two budgets match is not evicted",
        |write| laws::two_budgets_forbid(write.seen());
    "writes-change-something", "a write that changes nothing is not told", laws::writes_change_something;
    "generations-count-specs", "neither status nor binding is a new generation of a pod",
        |write| laws::generations_count_specs(write.seen());
    "evictions-are-charged", "an eviction takes one of the disruptions that its budget allows",
        |write| laws::evictions_are_charged(write.seen());
    "disruptions-are-forgotten", "a budget forgets an eviction after two minutes", laws::disruptions_are_forgotten;
    "host-ports-do-not-clash", "no pod is bound where another has its host port",
        |write| laws::host_ports_do_not_clash(write.seen());
    "node-selectors-are-kept", "no pod is bound to a node that its selector does not match",
        |write| laws::node_selectors_are_kept(write.seen());
    "victims-are-lesser", "a pod is preempted for one of higher priority",
        |write| laws::victims_are_lesser(write.seen());
    "taints-are-borne-in-full", "a pod stays for as long as it tolerates its node's taints",
        laws::taints_are_borne_in_full;
    "rollouts-stay-within-surge", "a rollout adds no pods beyond its surge", workloads::rollouts_stay_within_surge;
    "recreation-waits", "a Deployment that recreates makes no new pod beside an old one", workloads::recreation_waits;
    "failures-are-limited", "a Job with more failures than it may have fails", workloads::failures_are_limited;
    "revisions-only-grow", "the revision of a ReplicaSet only grows", workloads::revisions_only_grow;
    "ordinals-keep-their-revision", "below the partition a StatefulSet makes pods of the old revision",
        workloads::ordinals_keep_their_revision;
    "one-daemon-a-node", "a DaemonSet that does not surge leaves one pod on a node", workloads::one_daemon_a_node;
    "jobs-keep-to-parallelism", "a Job runs no more pods at once than it may", workloads::jobs_keep_to_parallelism;
    "indexes-are-not-shared", "no two active pods of a Job have the same index", workloads::indexes_are_not_shared;
    "autoscaling-is-gradual", "an autoscaler without a behavior at most doubles, or goes to four",
        workloads::autoscaling_is_gradual;
    "foreground-waits", "what is deleted in the foreground outlives those that block it", workloads::foreground_waits;
}

impl<'a> Write<'a> {
    const fn seen(&self) -> laws::Seen<'a> {
        (self.before, self.object, self.cluster)
    }

    fn pair(&self, law: impl Fn(&Object, &Object) -> Option<String>) -> Option<String> {
        law(self.before?, self.object)
    }

    fn pod(&self, law: impl Fn(&Pod) -> Option<String>) -> Option<String> {
        let there = self.kind != ChangeKind::Deleted;
        self.object.pod().filter(|_| there).and_then(|pod| law(pod))
    }

    fn pods(&self, law: impl Fn(&Pod, &Pod) -> Option<String>) -> Option<String> {
        law(self.before?.pod()?, self.object.pod()?)
    }
}

/// Looks at the node of a pod that was just bound.
fn overcommitted(write: &Write<'_>, pod: &Pod) -> Option<String> {
    let bound_now = write.before.and_then(Object::pod).is_some_and(|old| old.node_name.is_empty());
    if !bound_now || pod.node_name.is_empty() {
        return None;
    }
    let store = write.cluster.server().store();
    let node = store.nodes.find(Name::default(), pod.node_name)?;
    if write.cluster.allocatable_is_told_wrong() {
        return None; // What the scheduler was told is not what there is.
    }
    let mut used = Resources::default();
    for other in store.pods.iter().filter(|other| other.node_name == pod.node_name && !other.is_terminal()) {
        used.add(&Resources::from(&requests_with_status(&other.spec, &other.status)));
    }
    let over = |(resource, amount): &(Name, i64)| *resource != "pods" && used.get(*resource) > *amount;
    let (resource, amount) = node.status.allocatable.iter().find(over)?;
    Some(format!("{} holds {} of {resource}, has {amount}", pod.node_name, used.get(resource)))
}

/// Looks for another pod with the address that a pod just got.
fn shared_address(write: &Write<'_>, old: &Pod, new: &Pod) -> Option<String> {
    let ip = new.status.pod_ip.filter(|ip| old.status.pod_ip != Some(*ip) && !new.spec.host_network)?;
    let store = write.cluster.server().store();
    let other = store.pods.iter().find(|other| {
        let runs = !other.is_terminal() && !other.meta.is_terminating() && !other.spec.host_network;
        runs && other.meta.uid != new.meta.uid && other.status.pod_ip == Some(ip)
    })?;
    Some(format!("{ip} is also the address of {}", other.meta.key()))
}

fn replicas(object: &Object) -> Option<String> {
    let (all, ready, available) = match object {
        Object::ReplicaSet(w) => (w.status.replicas, w.status.ready_replicas, w.status.available_replicas),
        Object::Deployment(w) => (w.status.replicas, w.status.ready_replicas, w.status.available_replicas),
        _ => return None,
    };
    (ready > all || available > ready).then(|| format!("{all} replicas, {ready} ready, {available} available"))
}

/// Looks on and notes the first law that is broken.
#[derive(Debug, Clone, Default)]
pub struct Watchdog {
    newest: FastMap<(Kind, u32), Object>,
    /// Pods that were overwritten from a backup, and when.
    restored: FastMap<u32, SimTime>,
    violation: Option<Violation>,
    chronicle: Chronicle,
}

/// For so long those who run pods may still write what follows from what a backup knows nothing of.
const OUTDATED: SimDuration = SimDuration::from_mins(5);

impl Watchdog {
    /// Whether an object is a pod that was overwritten from a backup a while ago.
    fn was_restored(&self, now: SimTime, (kind, index): (Kind, u32)) -> bool {
        kind == Kind::Pod && self.restored.get(&index).is_some_and(|at| now.since(*at) < OUTDATED)
    }

    /// The first law that was broken: by a write, or by what no write shows.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.iter().chain(self.chronicle.violation()).min_by_key(|violation| violation.at)
    }
}

impl Trace for Watchdog {
    fn delivered(&mut self, now: SimTime, seq: u64, message: &Message, cluster: &Cluster) {
        self.chronicle.delivered(now, seq, message, cluster);
    }

    fn stepped(&mut self, now: SimTime, cluster: &Cluster) {
        self.chronicle.stepped(now, cluster);
    }

    fn changed(&mut self, now: SimTime, cause: u64, change: &Change, cluster: &Cluster) {
        self.chronicle.changed(now, cause, change, cluster);
        let key = (change.object.kind(), change.object.meta().index);
        let before = match change.kind {
            ChangeKind::Added => None,
            ChangeKind::Modified | ChangeKind::Deleted => self.newest.get(&key),
        };
        let write = Write { now, kind: change.kind, before, object: &change.object, cluster };
        if cluster.is_being_restored(now) && key.0 == Kind::Pod {
            self.restored.insert(key.1, now);
        }
        let held = !cluster.is_being_restored(now) && !self.was_restored(now, key);
        if self.violation.is_none() && held {
            let broken = INVARIANTS.iter().find_map(|law| Some((law.name, (law.check)(&write)?)));
            self.violation = broken.map(|(name, seen)| Violation { name, at: now, object: change.object.path(), seen });
        }
        match change.kind {
            ChangeKind::Deleted => drop(self.newest.remove(&key)),
            ChangeKind::Added | ChangeKind::Modified => drop(self.newest.insert(key, change.object.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_law_has_its_own_name() {
        let names: BTreeSet<&str> = INVARIANTS.iter().map(|law| law.name).collect();
        assert_eq!(names.len(), INVARIANTS.len());
        assert!(INVARIANTS.iter().all(|law| !law.says.is_empty() && !law.says.ends_with('.')));
    }
}
