//! Laws of the control plane: what controllers and the server write, whatever happens.
//!
//! Each is a sentence of the reference of the control plane that one write can break.

use super::Cluster;
use crate::api::{ConcurrencyPolicy, Name, Object};

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
