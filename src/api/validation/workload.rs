//! Deployments, ReplicaSets, StatefulSets and DaemonSets.

use super::meta::selector;
use super::pod::{template, template_metadata};
use super::{At, Errors, Json};
use k8s_openapi::api::{apps::v1 as apps, core::v1};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

const SPEC: At<'static> = At::root("spec");

/// `ValidateDeploymentSpec`.
pub(in crate::api) fn deployment(spec: &apps::DeploymentSpec, errors: &mut Errors) {
    let at = SPEC;
    errors.non_negative(&at.child("replicas"), spec.replicas);
    selecting(&spec.selector, Some(&spec.template), "deployment", &at, errors);
    workload_template(Some(&spec.template), Some("ReplicaSet"), &at.child("template"), errors);
    deployment_strategy(spec.strategy.as_ref(), &at.child("strategy"), errors);
    errors.non_negative(&at.child("minReadySeconds"), spec.min_ready_seconds);
    errors.non_negative(&at.child("revisionHistoryLimit"), spec.revision_history_limit);
    if let Some(seconds) = spec.progress_deadline_seconds {
        errors.non_negative(&at.child("progressDeadlineSeconds"), Some(seconds));
        if seconds <= spec.min_ready_seconds.unwrap_or_default() {
            errors.invalid(&at.child("progressDeadlineSeconds"), seconds, "must be greater than minReadySeconds");
        }
    }
}

/// The selector, and whether it selects what the template makes. None selects nothing, an empty one everything.
fn selecting(
    pods: &LabelSelector,
    template: Option<&v1::PodTemplateSpec>,
    kind: &str,
    at: &At<'_>,
    errors: &mut Errors,
) {
    let is_empty = pods.match_labels.as_ref().is_none_or(|labels| labels.is_empty())
        && pods.match_expressions.as_ref().is_none_or(Vec::is_empty);
    if !is_empty {
        selector(pods, &at.child("selector"), errors);
    } else if errors.has_selector() {
        let detail = format!("empty selector is invalid for {kind}");
        return errors.invalid(&at.child("selector"), Json::of(pods), detail);
    } else if kind != "daemonset" {
        errors.required(&at.child("selector"), "");
    }
    let labels = template.and_then(|template| template.metadata.as_ref()).and_then(|meta| meta.labels.clone());
    let labels = labels.unwrap_or_default();
    let all = crate::api::lower::labels_of(&labels);
    if is_empty || !crate::api::lower::selector_of(pods).matches(&all) {
        let at = at.child("template");
        let at = at.child("metadata");
        errors.invalid(&at.child("labels"), Json::of(&labels), "`selector` does not match template `labels`");
    }
}

/// The template of a workload whose pods never end; kinds that are given refuse a deadline.
fn workload_template(pods: Option<&v1::PodTemplateSpec>, kind: Option<&str>, at: &At<'_>, errors: &mut Errors) {
    let Some(pods) = pods else { return errors.required(at, "") };
    template(pods, at, errors);
    endless(pods, kind, at, errors);
}

/// Whether pods never end.
fn endless(pods: &v1::PodTemplateSpec, kind: Option<&str>, at: &At<'_>, errors: &mut Errors) {
    let Some(spec) = &pods.spec else { return };
    let at = at.child("spec");
    if let Some(policy) = spec.restart_policy.as_ref().filter(|policy| *policy != "Always") {
        errors.unsupported(&at.child("restartPolicy"), policy, &["Always"]);
    }
    if let (Some(_), Some(kind)) = (spec.active_deadline_seconds, kind) {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden(&at.child("activeDeadlineSeconds"), detail);
    }
}

fn deployment_strategy(strategy: Option<&apps::DeploymentStrategy>, at: &At<'_>, errors: &mut Errors) {
    let Some(strategy) = strategy else { return };
    match (strategy.type_.as_deref(), &strategy.rolling_update) {
        (Some("Recreate"), Some(_)) => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            errors.forbidden(&at.child("rollingUpdate"), detail);
        }
        (Some("Recreate"), None) => {}
        (Some("RollingUpdate"), update) => {
            let at = at.child("rollingUpdate");
            let Some(update) = update else { return errors.required(&at, "this should be defaulted and never be nil") };
            int_or_percent(update.max_unavailable.as_ref(), &at.child("maxUnavailable"), errors);
            int_or_percent(update.max_surge.as_ref(), &at.child("maxSurge"), errors);
            if is_zero(update.max_unavailable.as_ref()) && is_zero(update.max_surge.as_ref()) {
                let value = Json::of(&update.max_unavailable);
                errors.invalid(&at.child("maxUnavailable"), value, "may not be 0 when `maxSurge` is 0");
            }
            not_above_100(update.max_unavailable.as_ref(), &at.child("maxUnavailable"), errors);
        }
        // The strategy as the server itself holds it.
        (kind, _) => {
            let held = Json(format!(r#"{{"Type":{},"RollingUpdate":null}}"#, Json::of(&kind).0));
            errors.unsupported(at, held, &["Recreate", "RollingUpdate"]);
        }
    }
}

/// `ValidatePositiveIntOrPercent`.
pub(super) fn int_or_percent(value: Option<&IntOrString>, at: &At<'_>, errors: &mut Errors) {
    match value {
        Some(IntOrString::Int(number)) => errors.non_negative(at, Some(*number)),
        Some(IntOrString::String(text)) if !is_percent(text) => {
            errors.format(at, text, vec![super::names::percent()]);
        }
        Some(IntOrString::String(_)) | None => {}
    }
}

fn is_percent(text: &str) -> bool {
    text.strip_suffix('%').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()))
}

fn is_zero(value: Option<&IntOrString>) -> bool {
    match value {
        None => true,
        Some(IntOrString::Int(number)) => *number == 0,
        Some(IntOrString::String(text)) => text.trim_end_matches('%').parse() == Ok(0),
    }
}

/// `IsNotMoreThan100Percent`.
pub(super) fn not_above_100(value: Option<&IntOrString>, at: &At<'_>, errors: &mut Errors) {
    if let Some(IntOrString::String(text)) = value
        && text.strip_suffix('%').and_then(|digits| digits.parse::<i64>().ok()).is_some_and(|percent| percent > 100)
    {
        errors.invalid(at, text, "must not be greater than 100%");
    }
}

/// `ValidateReplicaSetSpec`.
pub(in crate::api) fn replica_set(spec: &apps::ReplicaSetSpec, errors: &mut Errors) {
    let at = SPEC;
    errors.non_negative(&at.child("replicas"), spec.replicas);
    errors.non_negative(&at.child("minReadySeconds"), spec.min_ready_seconds);
    selecting(&spec.selector, spec.template.as_ref(), "deployment", &at, errors);
    workload_template(spec.template.as_ref(), Some("ReplicaSet"), &at.child("template"), errors);
}

/// `ValidateReplicationControllerSpec`.
pub(in crate::api) fn replication_controller(spec: &v1::ReplicationControllerSpec, errors: &mut Errors) {
    let at = SPEC;
    errors.non_negative(&at.child("minReadySeconds"), spec.min_ready_seconds);
    let none = Default::default();
    let wanted = spec.selector.as_ref().unwrap_or(&none);
    if wanted.is_empty() {
        errors.required(&at.child("selector"), "");
    }
    errors.non_negative(&at.child("replicas"), spec.replicas);
    let labels = spec.template.as_ref().and_then(|t| t.metadata.as_ref()).and_then(|meta| meta.labels.as_ref());
    if !wanted.iter().all(|(key, value)| labels.is_some_and(|labels| labels.get(key) == Some(value))) {
        let at = at.child("template");
        let at = at.child("metadata");
        errors.invalid(&at.child("labels"), Json::of(&labels), "`selector` does not match template `labels`");
    }
    workload_template(spec.template.as_ref(), None, &at.child("template"), errors);
}

/// `ValidateStatefulSetSpec`.
pub(in crate::api) fn stateful_set(spec: &apps::StatefulSetSpec, errors: &mut Errors) {
    let at = SPEC;
    if let Some(policy) = &spec.pod_management_policy
        && !matches!(policy.as_str(), "OrderedReady" | "Parallel")
    {
        errors.invalid(&at.child("podManagementPolicy"), policy, "must be 'OrderedReady' or 'Parallel'");
    }
    if let Some(strategy) = &spec.update_strategy {
        let at = at.child("updateStrategy");
        match (strategy.type_.as_deref(), &strategy.rolling_update) {
            (Some("OnDelete"), Some(update)) => {
                let detail = "only allowed for updateStrategy 'RollingUpdate'";
                errors.invalid(&at.child("rollingUpdate"), Json::of(update), detail);
            }
            (Some("RollingUpdate"), Some(update)) => {
                errors.non_negative(&at.child("rollingUpdate").child("partition"), update.partition);
                let at = at.child("rollingUpdate");
                int_or_percent(update.max_unavailable.as_ref(), &at.child("maxUnavailable"), errors);
                if let Some(value) = update.max_unavailable.as_ref().filter(|value| is_zero(Some(value))) {
                    errors.invalid(&at.child("maxUnavailable"), Json::of(value), "cannot be 0");
                }
                not_above_100(update.max_unavailable.as_ref(), &at.child("maxUnavailable"), errors);
            }
            (Some("OnDelete" | "RollingUpdate"), None) => {}
            _ => errors.invalid(&at, Json::of(strategy), "must be 'RollingUpdate' or 'OnDelete'"),
        }
    }
    if let Some(retention) = &spec.persistent_volume_claim_retention_policy {
        let at = at.child("persistentVolumeClaimRetentionPolicy");
        let policies = ["Delete", "Retain"];
        errors.maybe_one_of(&at.child("whenDeleted"), retention.when_deleted.as_ref(), &policies);
        errors.maybe_one_of(&at.child("whenScaled"), retention.when_scaled.as_ref(), &policies);
    }
    errors.non_negative(&at.child("replicas"), spec.replicas);
    errors.non_negative(&at.child("minReadySeconds"), spec.min_ready_seconds);
    errors
        .non_negative(&at.child("ordinals").child("start"), spec.ordinals.as_ref().and_then(|ordinals| ordinals.start));
    selecting(&spec.selector, Some(&spec.template), "statefulset", &at, errors);
    // The spec of the template is not looked at: its volumes come from the claims, too.
    template_metadata(&spec.template, &at.child("template"), errors);
    endless(&spec.template, Some("StatefulSet"), &at.child("template"), errors);
    errors.non_negative(&at.child("revisionHistoryLimit"), spec.revision_history_limit);
}

/// `ValidateDaemonSetSpec`.
pub(in crate::api) fn daemon_set(spec: &apps::DaemonSetSpec, errors: &mut Errors) {
    let at = SPEC;
    selecting(&spec.selector, Some(&spec.template), "daemonset", &at, errors);
    workload_template(Some(&spec.template), Some("DaemonSet"), &at.child("template"), errors);
    errors.non_negative(&at.child("minReadySeconds"), spec.min_ready_seconds);
    if let Some(strategy) = &spec.update_strategy {
        let at = at.child("updateStrategy");
        match (strategy.type_.as_deref(), &strategy.rolling_update) {
            (Some("OnDelete"), _) => {}
            (Some("RollingUpdate"), Some(update)) => {
                let at = at.child("rollingUpdate");
                let (unavailable, surge) = (update.max_unavailable.as_ref(), update.max_surge.as_ref());
                int_or_percent(unavailable, &at.child("maxUnavailable"), errors);
                not_above_100(unavailable, &at.child("maxUnavailable"), errors);
                int_or_percent(surge, &at.child("maxSurge"), errors);
                not_above_100(surge, &at.child("maxSurge"), errors);
                match (is_zero(unavailable), is_zero(surge)) {
                    (false, false) => {
                        let detail = "may not be set when maxUnavailable is non-zero";
                        errors.invalid(&at.child("maxSurge"), Json::of(&surge), detail);
                    }
                    (true, true) => errors.required(&at.child("maxUnavailable"), "cannot be 0 when maxSurge is 0"),
                    _ => {}
                }
            }
            (Some("RollingUpdate"), None) => errors.required(&at.child("rollingUpdate"), ""),
            (kind, _) => {
                let held = Json(format!(r#"{{"Type":{},"RollingUpdate":null}}"#, Json::of(&kind).0));
                errors.unsupported(&at, held, &["RollingUpdate", "OnDelete"]);
            }
        }
    }
    errors.non_negative(&at.child("revisionHistoryLimit"), spec.revision_history_limit);
}
