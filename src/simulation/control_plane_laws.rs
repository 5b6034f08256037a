//! Laws of the control plane: what controllers and the server write, whatever happens.
//!
//! Each is a sentence of the reference of the control plane that one write can break.

use super::Cluster;
use super::invariant::Write;
use crate::api::{ChangeKind, ConcurrencyPolicy, DISRUPTION_TARGET, Name, Object, Pod, TaintEffect};
use crate::components::scheduler::cache::{host_ports, ports_conflict};
use crate::engine::SimDuration;

/// The version before a write, the one after it, and the cluster.
pub(super) type Seen<'a> = (Option<&'a Object>, &'a Object, &'a Cluster);

/// A deletion comes no later, and its grace never grows (`TestBeforeDelete`).
pub(super) fn deletion_only_nears((before, object, _): Seen<'_>) -> Option<String> {
    let (old, new) = (before?.meta(), object.meta());
    let (was, is) = (old.deletion_timestamp?, new.deletion_timestamp?);
    let grace = |meta: &crate::api::Metadata| meta.deletion_grace_period.unwrap_or(0);
    // One that is overdue is forced at the instant of the call.
    let later = is > was && grace(new) > 1;
    (later || grace(new) > grace(old))
        .then(|| format!("{was} after {} s, then {is} after {} s", grace(old), grace(new)))
}

/// Scheduling gates only go, tolerations only come (`TestValidatePodUpdate`).
pub(super) fn gates_go_and_tolerations_come((before, object, _): Seen<'_>) -> Option<String> {
    let (old, new) = (before?.pod()?, object.pod()?);
    let gate = new.spec.scheduling_gates.iter().find(|gate| !old.spec.scheduling_gates.contains(gate));
    let gone = old.spec.tolerations.iter().find(|toleration| !new.spec.tolerations.contains(toleration));
    gate.map(|gate| format!("the gate {gate} was added"))
        .or_else(|| gone.map(|toleration| format!("the toleration of {} is gone", toleration.key)))
}

/// No component writes the phase Unknown, or the reason NodeLost.
pub(super) fn nothing_is_unknown((_, object, _): Seen<'_>) -> Option<String> {
    let pod = object.pod()?;
    let lost = pod.status.phase == crate::api::PodPhase::Unknown || pod.status.reason == "NodeLost";
    lost.then(|| format!("{} {}", pod.status.phase, pod.status.reason))
}

/// A budget allows no more than what is healthy beyond what must be, and never less than nothing (`TestUnavailable`).
pub(super) fn budgets_add_up((_, object, _): Seen<'_>) -> Option<String> {
    let Object::PodDisruptionBudget(budget) = object else { return None };
    let status = &budget.status;
    let most = if status.expected_pods == 0 { 0 } else { (status.current_healthy - status.desired_healthy).max(0) };
    let wrong = status.disruptions_allowed < 0 || status.disruptions_allowed > most;
    wrong.then(|| format!("{} allowed, at most {most}", status.disruptions_allowed))
}

/// A Job is complete or has failed, not both, and then has no active pods (`TestSingleJobFailedCondition`).
pub(super) fn jobs_end_once((_, object, _): Seen<'_>) -> Option<String> {
    let Object::Job(job) = object else { return None };
    let ended = |kind: &str| job.status.true_condition(Name::new(kind)).is_some();
    let (complete, failed) = (ended("Complete"), ended("Failed"));
    let pods = job.status.active + job.status.terminating.unwrap_or(0);
    ((complete && failed) || (complete || failed) && pods > 0)
        .then(|| format!("complete: {complete}, failed: {failed}, {pods} active or terminating"))
}

/// With Forbid, a CronJob has at most one active Job (`TestControllerV2SyncCronJob`).
pub(super) fn forbidden_jobs_do_not_overlap((_, object, _): Seen<'_>) -> Option<String> {
    let Object::CronJob(cron) = object else { return None };
    let overlap = cron.spec.concurrency_policy == ConcurrencyPolicy::Forbid && cron.status.active.len() > 1;
    overlap.then(|| format!("{} active", cron.status.active.len()))
}

/// An autoscaler's new wish lies between its bounds (`TestMinReplicas`, `TestMaxReplicas`).
pub(super) fn wishes_stay_in_bounds((before, object, _): Seen<'_>) -> Option<String> {
    let (Object::HorizontalPodAutoscaler(old), Object::HorizontalPodAutoscaler(new)) = (before?, object) else {
        return None;
    };
    let wish = new.status.desired_replicas;
    let bounds = new.spec.min_replicas..=new.spec.max_replicas;
    let same = old.spec == new.spec && old.status.desired_replicas != wish;
    (same && wish != 0 && !bounds.contains(&wish)).then(|| format!("{wish}, not in {bounds:?}"))
}

/// Who gets new traffic serves and stays, unless the Service asks for all (`TestPodToEndpoint`).
pub(super) fn new_traffic_finds_who_stays((_, object, cluster): Seen<'_>) -> Option<String> {
    let Object::EndpointSlice(slice) = object else { return None };
    let services = &cluster.server().store().services;
    if services.find(slice.meta.namespace, slice.service_name()).is_none_or(|service| service.publish_not_ready) {
        return None;
    }
    let wrong = slice.endpoints.iter().find(|end| end.ready && (!end.serving || end.terminating))?;
    Some(format!("{} is ready, serving: {}, terminating: {}", wrong.pod, wrong.serving, wrong.terminating))
}

/// The version of a pod before it was bound, and the one after.
fn just_bound<'a>((before, object, _): Seen<'a>) -> Option<(&'a Pod, &'a Pod)> {
    let (old, new) = (before?.pod()?, object.pod()?);
    (old.node_name.is_empty() && !new.node_name.is_empty()).then_some((old, new))
}

/// Nobody is bound who is gated or being deleted (`TestEtcdCreateWithSchedulingGates`).
pub(super) fn bindings_are_for_those_who_wait(seen: Seen<'_>) -> Option<String> {
    let (old, new) = just_bound(seen)?;
    let gate = old.spec.scheduling_gates.first();
    gate.map(|gate| format!("on {} in spite of the gate {gate}", new.node_name))
        .or_else(|| old.meta.is_terminating().then(|| format!("on {}, though it is being deleted", new.node_name)))
}

/// Without a node and finalizers, a pod is gone with the request that deletes it (`TestCheckGracefulDelete`).
pub(super) fn the_unscheduled_go_at_once((before, object, _): Seen<'_>) -> Option<String> {
    let (old, new) = (before?.pod()?, object.pod()?);
    // Its last version says that it has no time left; then it is gone.
    let lingers = new.meta.deletion_grace_period > Some(0) && !old.meta.is_terminating();
    (lingers && new.node_name.is_empty() && new.meta.finalizers.is_empty() && !new.is_terminal())
        .then(|| "it is still there".to_owned())
}

/// A pod that has a node and has not ended is gone only after its last second was taken from it
/// (`TestCheckGracefulDelete`).
pub(super) fn nobody_vanishes(write: &Write<'_>) -> Option<String> {
    let pod = write.before.filter(|_| write.kind == ChangeKind::Deleted)?.pod()?;
    let grace = pod.meta.deletion_grace_period;
    (!pod.node_name.is_empty() && !pod.is_terminal() && grace != Some(0)).then(|| match grace {
        Some(left) => format!("it had {left} s left"),
        None => "nobody had deleted it".to_owned(),
    })
}

/// A pod that two budgets match is not evicted while it runs (`TestEviction`).
pub(super) fn two_budgets_forbid((before, object, cluster): Seen<'_>) -> Option<String> {
    let (old, new) = (before?.pod()?, object.pod()?);
    let evicted = |pod: &Pod| {
        let target = pod.status.condition(*DISRUPTION_TARGET);
        target.is_some_and(|target| target.status == true.into() && target.reason == "EvictionByEvictionAPI")
    };
    let runs = new.status.phase == crate::api::PodPhase::Running && !old.meta.is_terminating();
    if evicted(old) || !evicted(new) || !runs {
        return None;
    }
    let matching = |budget: &&std::sync::Arc<crate::api::PodDisruptionBudget>| {
        let selects = budget.selector.as_ref().is_some_and(|selector| selector.matches(&new.meta.labels));
        budget.meta.namespace == new.meta.namespace && selects
    };
    let budgets = cluster.server().store().pod_disruption_budgets.iter().filter(matching).count();
    (budgets > 1).then(|| format!("{budgets} budgets match it"))
}

/// A write that changes nothing is not told (`TestNoOpUpdates`).
pub(super) fn writes_change_something(write: &Write<'_>) -> Option<String> {
    let (before, object) = (write.before.filter(|_| write.kind == ChangeKind::Modified)?, write.object);
    let version = object.meta().resource_version;
    (version != 0 && before.clone().at_version(version) == *object)
        .then(|| format!("version {version} is like the one before"))
}

/// Status and binding are no new generation of a pod (`TestPodGenerationPrepareForUpdate`).
pub(super) fn generations_count_specs((before, object, _): Seen<'_>) -> Option<String> {
    let (old, new) = (before?.pod()?, object.pod()?);
    let deletion = |pod: &Pod| (pod.meta.deletion_timestamp, pod.meta.deletion_grace_period);
    let same = old.spec == new.spec && deletion(old) == deletion(new);
    let (was, is) = (old.meta.generation, new.meta.generation);
    (same && was != is).then(|| format!("{was}, then {is}, and the same spec"))
}

/// An eviction takes one of the disruptions that are allowed (`TestEvictionPDBStatus`).
pub(super) fn evictions_are_charged((before, object, _): Seen<'_>) -> Option<String> {
    let (Object::PodDisruptionBudget(old), Object::PodDisruptionBudget(new)) = (before?, object) else { return None };
    let known = |name: &Name| old.status.disrupted_pods.iter().any(|(pod, _)| pod == name);
    let (pod, _) = new.status.disrupted_pods.iter().find(|(pod, _)| !known(pod))?;
    let (was, is) = (old.status.disruptions_allowed, new.status.disruptions_allowed);
    (was <= 0 || is != was - 1).then(|| format!("{was} allowed, then {is}, for {pod}"))
}

/// What was evicted and did not go is forgotten after two minutes (`TestUpdateDisruptedPods`).
pub(super) fn disruptions_are_forgotten(write: &Write<'_>) -> Option<String> {
    const LONGEST: SimDuration = SimDuration::from_secs(2 * 60 + 30);
    let (Object::PodDisruptionBudget(old), Object::PodDisruptionBudget(new)) = (write.before?, write.object) else {
        return None;
    };
    let now = write.cluster.server().clock().at(write.now).truncated();
    let late = |since: crate::api::Timestamp| now.unix_secs() - since.unix_secs() > LONGEST.as_secs() as i64;
    let (pod, since) = new.status.disrupted_pods.iter().find(|(_, since)| late(*since))?;
    (old.status.current_healthy != new.status.current_healthy).then(|| format!("{pod} is listed since {since}"))
}

/// No pod is bound where another has its host port (`TestNodePorts`).
pub(super) fn host_ports_do_not_clash(seen: Seen<'_>) -> Option<String> {
    let (_, pod) = just_bound(seen)?;
    let wanted: Vec<_> = host_ports(&pod.spec).collect();
    let others = seen.2.server().store().pods.iter().filter(|other| {
        other.node_name == pod.node_name && other.meta.uid != pod.meta.uid && !other.is_terminal() && !wanted.is_empty()
    });
    let clash =
        |other: &Pod| host_ports(&other.spec).find(|taken| wanted.iter().any(|own| ports_conflict(*own, *taken)));
    others.into_iter().find_map(|other| Some(format!("{} has port {}", other.meta.name, clash(other)?.2)))
}

/// No pod is bound to a node that its selector does not match (`TestNodeAffinity`).
pub(super) fn node_selectors_are_kept(seen: Seen<'_>) -> Option<String> {
    let (_, pod) = just_bound(seen)?;
    let node = seen.2.server().store().nodes.find(Name::default(), pod.node_name)?;
    (!pod.spec.node_selector.all_in(&node.meta.labels)).then(|| format!("{} is no such node", node.meta.name))
}

/// Who is preempted has lower priority than somebody who waits (`TestDryRunPreemption`).
pub(super) fn victims_are_lesser((before, object, cluster): Seen<'_>) -> Option<String> {
    let (old, new) = (before?.pod()?, object.pod()?);
    let preempted = |pod: &Pod| {
        let target = pod.status.condition(*DISRUPTION_TARGET);
        target.is_some_and(|condition| condition.reason == crate::components::scheduler::PREEMPTION_BY_SCHEDULER)
    };
    if preempted(old) || !preempted(new) {
        return None;
    }
    let mut waiting = cluster.server().store().pods.iter().filter(|pod| pod.node_name.is_empty());
    let above = waiting.any(|pod| pod.spec.priority > new.spec.priority);
    (!above).then(|| format!("nobody waits with a priority above {}", new.spec.priority))
}

/// A pod stays for as long as it tolerates all NoExecute taints of its node (`TestUpdateNodeWithMultipleTaints`).
///
/// A timer outlives the taint that it was set for, if another one follows before the manager has heard that it is gone:
/// where faults delay what it hears, nobody can tell from a write.
pub(super) fn taints_are_borne_in_full(write: &Write<'_>) -> Option<String> {
    let (old, new) = (write.before?.pod()?, write.object.pod()?);
    let evicted =
        new.status.condition(*DISRUPTION_TARGET).is_some_and(|target| target.reason == "DeletionByTaintManager");
    let undisturbed = write.cluster.plan().faults.is_empty();
    if old.meta.is_terminating() || !new.meta.is_terminating() || !evicted || !undisturbed {
        return None;
    }
    let node = write.cluster.server().store().nodes.find(Name::default(), new.node_name)?;
    let now = write.cluster.server().clock().at(write.now).truncated();
    let mut ends: Vec<i64> = Vec::new();
    for taint in node.taints.iter().filter(|taint| taint.effect == TaintEffect::NoExecute) {
        let toleration = new.spec.tolerations.iter().find(|toleration| toleration.tolerates(taint, false))?;
        // One that is tolerated for ever does not count.
        ends.extend(toleration.seconds.and_then(|seconds| Some(taint.time_added?.unix_secs() + seconds.max(0))));
    }
    let first = ends.into_iter().min()?;
    (now.unix_secs() < first).then(|| format!("{} s too early", first - now.unix_secs()))
}
