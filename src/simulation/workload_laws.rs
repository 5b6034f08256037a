//! Laws of the workload controllers: what no order of events makes them do.
//!
//! Each is a sentence of the reference of the control plane that one write can break, together with what the store
//! holds at that instant. A controller that acts on what it knew a moment before breaks none of them.

use super::Cluster;
use super::invariant::Write;
use crate::api::{
    ApiObject, ChangeKind, DaemonSetUpdateStrategy, DeploymentStrategy, Job, Kind, Name, Object, Pod, ReplicaSet,
    StatefulSet, StatefulSetUpdateStrategy, Store,
};
use crate::components::controllers::{completion_index, revision_of, stateful_set_ordinal, stateful_set_revision};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The object of a type that manages another, if it is there.
fn owner_of<T: ApiObject>(object: &Object, store: &Store) -> Option<Arc<T>> {
    let owner = object.meta().controller().filter(|owner| owner.kind == T::KIND.as_str())?;
    let found = T::table(store).find(object.meta().namespace, owner.name)?;
    (found.meta().uid == owner.uid).then(|| found.clone())
}

/// The pods that an object manages.
fn pods_of(object: &Object, cluster: &Cluster) -> impl Iterator<Item = Arc<Pod>> {
    let uid = object.meta().uid;
    let pods: Vec<Arc<Pod>> = cluster.server().store().pods.iter().cloned().collect();
    pods.into_iter().filter(move |pod| pod.meta.controller().is_some_and(|owner| owner.uid == uid))
}

fn is_active(pod: &Pod) -> bool {
    !pod.is_terminal() && !pod.meta.is_terminating()
}

/// A rollout never wants more pods than replicas and surge together
/// (`TestDeploymentController_reconcileOldReplicaSets`).
///
/// Only what grows breaks it, and only if the controller had seen this Deployment: scaling down takes several writes.
pub(super) fn rollouts_stay_within_surge(write: &Write<'_>) -> Option<String> {
    let Object::ReplicaSet(set) = write.object else { return None };
    let store = write.cluster.server().store();
    let deployment = owner_of::<crate::api::Deployment>(write.object, store)?;
    let before = match write.before {
        Some(Object::ReplicaSet(before)) => before.spec.replicas,
        _ => 0,
    };
    let seen = deployment.status.observed_generation == deployment.meta.generation;
    let rolls = matches!(deployment.spec.strategy, DeploymentStrategy::RollingUpdate { .. });
    if !seen || !rolls || set.spec.replicas <= before || write.kind == ChangeKind::Deleted {
        return None;
    }
    let of_it = |other: &&Arc<ReplicaSet>| {
        other.meta.controller().is_some_and(|owner| owner.uid == deployment.meta.uid) && other.meta.uid != set.meta.uid
    };
    let others: i32 = store.replica_sets.iter().filter(of_it).map(|other| other.spec.replicas).sum();
    let (all, most) = (others + set.spec.replicas, deployment.spec.replicas + deployment.max_surge());
    (all > most).then(|| format!("{all} replicas, at most {most}"))
}

/// A Deployment that recreates makes no pod of a new revision while one of an old revision may run
/// (`TestOldPodsRunning`).
pub(super) fn recreation_waits(write: &Write<'_>) -> Option<String> {
    let pod = write.object.pod().filter(|_| write.kind == ChangeKind::Added)?;
    let store = write.cluster.server().store();
    let set = owner_of::<ReplicaSet>(write.object, store)?;
    let deployment = owner_of::<crate::api::Deployment>(&Object::ReplicaSet(set.clone()), store)?;
    if deployment.spec.strategy != DeploymentStrategy::Recreate {
        return None;
    }
    let newer = |other: &Arc<ReplicaSet>| revision_of(&other.meta.annotations) > revision_of(&set.meta.annotations);
    let siblings: Vec<&Arc<ReplicaSet>> = store
        .replica_sets
        .iter()
        .filter(|other| other.meta.controller().is_some_and(|owner| owner.uid == deployment.meta.uid))
        .collect();
    // One of an old revision, made by a controller that has not heard of the new one, is no new pod.
    if siblings.iter().any(|other| newer(other)) {
        return None;
    }
    let old = siblings.into_iter().filter(|other| other.meta.uid != set.meta.uid);
    let left = old
        .flat_map(|other| pods_of(&Object::ReplicaSet(other.clone()), write.cluster).collect::<Vec<_>>())
        .find(|other| !other.is_terminal())?;
    Some(format!("{} is made while {} is there", pod.meta.name, left.meta.name))
}

/// The revision of a ReplicaSet only grows.
pub(super) fn revisions_only_grow(write: &Write<'_>) -> Option<String> {
    let (Some(Object::ReplicaSet(old)), Object::ReplicaSet(new)) = (write.before, write.object) else { return None };
    let (old, new) = (revision_of(&old.meta.annotations), revision_of(&new.meta.annotations));
    (new < old).then(|| format!("revision {old}, then {new}"))
}

/// Ordinals below the partition keep the revision that is rolled out
/// (`TestStatefulSetControlRollingUpdateWithPartition`).
pub(super) fn ordinals_keep_their_revision(write: &Write<'_>) -> Option<String> {
    let pod = write.object.pod().filter(|_| write.kind == ChangeKind::Added)?;
    let set = owner_of::<StatefulSet>(write.object, write.cluster.server().store())?;
    let StatefulSetUpdateStrategy::RollingUpdate { partition, .. } = set.spec.update_strategy else { return None };
    let status = &set.status;
    let settled = status.observed_generation == set.meta.generation && !status.current_revision.is_empty();
    let ordinal = stateful_set_ordinal(&set, pod.meta.name)?;
    let revision = stateful_set_revision(pod)?;
    let is_old = revision == status.current_revision;
    (settled && ordinal < set.spec.first_ordinal + partition && !is_old)
        .then(|| format!("ordinal {ordinal} has revision {revision}"))
}

/// A DaemonSet that does not surge leaves one pod on a node (`TestDealsWithExistingPods`).
pub(super) fn one_daemon_a_node(write: &Write<'_>) -> Option<String> {
    let (Some(Object::DaemonSet(old)), Object::DaemonSet(set)) = (write.before, write.object) else { return None };
    if let DaemonSetUpdateStrategy::RollingUpdate { max_surge, .. } = set.spec.update_strategy
        && max_surge.of_rounding_up(100) > 0
    {
        return None;
    }
    if old.status == set.status || set.status.observed_generation != set.meta.generation {
        return None;
    }
    let mut on_node: BTreeMap<Name, Name> = BTreeMap::new();
    pods_of(write.object, write.cluster)
        .filter(|pod| is_active(pod) && !pod.node_name.is_empty())
        .find_map(|pod| on_node.insert(pod.node_name, pod.meta.name).map(|first| (first, pod)))
        .map(|(first, second)| format!("{first} and {} on {}", second.meta.name, second.node_name))
}

/// A Job whose spec never changed has no more active pods than may run at once (`TestControllerSyncJob`), unless two
/// make them.
pub(super) fn jobs_keep_to_parallelism(write: &Write<'_>) -> Option<String> {
    let (Some(Object::Job(_)), Object::Job(job)) = (write.before, write.object) else { return None };
    let most = job.spec.parallelism.min(job.spec.completions.unwrap_or(i32::MAX));
    let terminating = if job.spec.replace_only_failed { job.status.terminating.unwrap_or(0) } else { 0 };
    let all = job.status.active + terminating;
    let held = job.meta.generation == 1 && !write.cluster.has_rivals();
    (held && all > most).then(|| format!("{all} pods, at most {most}"))
}

/// No two active pods of an Indexed Job share an index once its status is written, unless two make them.
pub(super) fn indexes_are_not_shared(write: &Write<'_>) -> Option<String> {
    let (Some(Object::Job(old)), Object::Job(job)) = (write.before, write.object) else { return None };
    if !job.spec.indexed || old.status == job.status || ended(job) || write.cluster.has_rivals() {
        return None;
    }
    let mut with_index: BTreeMap<i32, Name> = BTreeMap::new();
    pods_of(write.object, write.cluster)
        .filter(|pod| is_active(pod))
        .filter_map(|pod| Some((completion_index(&pod.meta)?, pod.meta.name)))
        .find_map(|(index, pod)| with_index.insert(index, pod).map(|first| format!("{first} and {pod} have {index}")))
}

/// A Job with more failures than it may have has failed, or is about to (`TestJobBackoffForOnFailure`).
pub(super) fn failures_are_limited(write: &Write<'_>) -> Option<String> {
    let (Some(Object::Job(old)), Object::Job(job)) = (write.before, write.object) else { return None };
    let (failed, limit) = (job.status.failed, job.spec.backoff_limit);
    let says = |kind: &str| job.status.true_condition(Name::new(kind)).is_some();
    let over = ["Failed", "FailureTarget", "SuccessCriteriaMet", "Complete"].iter().any(|kind| says(kind));
    (failed > limit && old.status.failed != failed && !over).then(|| format!("{failed} failures, at most {limit}"))
}

fn ended(job: &Job) -> bool {
    ["Complete", "Failed"].iter().any(|kind| job.status.true_condition(Name::new(kind)).is_some())
}

/// Without a behavior of its own, an autoscaler at most doubles in one step, or goes to four
/// (`TestConvertDesiredReplicasWithRules`). Where it could not look, or was in vain, what it wanted before stands
/// (`setCurrentReplicasAndMetricsInStatus`), whatever others have made of the number.
pub(super) fn autoscaling_is_gradual(write: &Write<'_>) -> Option<String> {
    let Object::HorizontalPodAutoscaler(scaler) = write.object else { return None };
    let (spec, status) = (&scaler.spec, &scaler.status);
    if let Some(Object::HorizontalPodAutoscaler(old)) = write.before
        && old.status.desired_replicas == status.desired_replicas
    {
        return None;
    }
    let most = (status.current_replicas.saturating_mul(2)).max(4).max(spec.min_replicas);
    (spec.behavior.is_none() && status.desired_replicas > most)
        .then(|| format!("from {} to {}, at most {most}", status.current_replicas, status.desired_replicas))
}

/// Whoever is deleted in the foreground is there until those are gone that block it.
pub(super) fn foreground_waits(write: &Write<'_>) -> Option<String> {
    let owner = write.before.filter(|_| write.kind == ChangeKind::Deleted)?.meta();
    owner.finalizers.iter().find(|finalizer| **finalizer == *crate::api::FOREGROUND_DELETION)?;
    let store = write.cluster.server().store();
    let dependents = write.cluster.informers().dependents(owner.uid);
    let blocks = |object: &Object| {
        object
            .meta()
            .owner_references
            .iter()
            .any(|reference| reference.uid == owner.uid && reference.block_owner_deletion)
    };
    let left = dependents
        .filter(|(kind, _)| *kind != Kind::Event)
        .filter_map(|(kind, place)| store.at(kind, place))
        .find(blocks)?;
    Some(format!("{} is left", left.path()))
}
