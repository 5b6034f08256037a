//! Jobs and CronJobs.

use super::names;
use super::pod::template;
use super::{At, Errors, Json, cron};
use crate::api::JobStatus;
use k8s_openapi::api::batch::v1;

/// `ValidateJob`, without metadata.
pub(in crate::api) fn job(name: &str, job: &v1::JobSpec, errors: &mut Errors) {
    let at = At::root("spec");
    let manual = job.manual_selector == Some(true);
    match &job.selector {
        None if manual => errors.required(&at.child("selector"), ""),
        Some(selector) if manual => super::meta::selector(selector, &at.child("selector"), errors),
        Some(selector) if !is_generated(selector) => {
            errors.invalid(&at.child("selector"), Json::of(selector), "`selector` not auto-generated");
        }
        _ => {}
    }
    job_spec(job, &at, errors);
    // The pods' host names are the Job's name and an index.
    if errors.is_create()
        && job.completion_mode.as_deref() == Some("Indexed")
        && let Some(completions) = job.completions.filter(|completions| *completions > 0)
    {
        let longest = format!("{name}-{}", completions - 1);
        if !names::label(&longest).is_empty() {
            let detail = format!("will not able to create pod with invalid DNS label: {longest}");
            errors.invalid(&At::root("metadata").child("name"), name, detail);
        }
    }
}

/// Whether a selector is what the server makes of a Job's identity.
fn is_generated(selector: &k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector) -> bool {
    let mut keys = selector.match_labels.iter().flatten().map(|(key, _)| key.as_str());
    keys.all(|key| matches!(key, "batch.kubernetes.io/controller-uid" | "controller-uid"))
        && selector.match_expressions.is_none()
}

/// What a new status may not say (`validateJobStatus`, as far as the Job controller can run into it): while a failed
/// pod is waited for it counts no active pods, so that ready ones keep it from writing anything at all.
pub(super) fn job_status(old: &JobStatus, new: &JobStatus, errors: &mut Errors) {
    let ready = new.ready.unwrap_or(0);
    if (old.active, old.ready) != (new.active, new.ready) && ready > new.active {
        errors.invalid(&At::root("status").child("ready"), ready, "cannot set more ready pods than active");
    }
}

/// `validateJobSpec`.
fn job_spec(job: &v1::JobSpec, at: &At<'_>, errors: &mut Errors) {
    errors.non_negative(&at.child("parallelism"), job.parallelism);
    errors.non_negative(&at.child("completions"), job.completions);
    errors.non_negative(&at.child("activeDeadlineSeconds"), job.active_deadline_seconds);
    errors.non_negative(&at.child("backoffLimit"), job.backoff_limit);
    errors.non_negative(&at.child("ttlSecondsAfterFinished"), job.ttl_seconds_after_finished);
    errors.non_negative(&at.child("backoffLimitPerIndex"), job.backoff_limit_per_index);
    errors.non_negative(&at.child("maxFailedIndexes"), job.max_failed_indexes);
    let is_indexed = job.completion_mode.as_deref() == Some("Indexed");
    errors.maybe_one_of(&at.child("completionMode"), job.completion_mode.as_ref(), &["NonIndexed", "Indexed"]);
    if is_indexed && job.completions.is_none() {
        errors.required(&at.child("completions"), "when completion mode is Indexed");
    }
    const MOST: i32 = 100_000;
    if is_indexed && job.parallelism.is_some_and(|parallelism| parallelism > MOST) {
        let detail = format!("must be less than or equal to {MOST} when completion mode is Indexed");
        errors.invalid(&at.child("parallelism"), job.parallelism.unwrap_or_default(), detail);
    }
    match job.backoff_limit_per_index {
        Some(limit) if !is_indexed => {
            errors.invalid(&at.child("backoffLimitPerIndex"), limit, "requires indexed completion mode");
        }
        _ => {}
    }
    if let Some(most) = job.max_failed_indexes {
        if job.backoff_limit_per_index.is_none() {
            errors.required(&at.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
        }
        if job.completions.is_some_and(|completions| most > completions) {
            errors.invalid(&at.child("maxFailedIndexes"), most, "must be less than or equal to completions");
        }
    }
    errors.maybe_one_of(
        &at.child("podReplacementPolicy"),
        job.pod_replacement_policy.as_ref(),
        &["Failed", "TerminatingOrFailed"],
    );
    if job.pod_failure_policy.is_some() && job.pod_replacement_policy.as_deref() == Some("TerminatingOrFailed") {
        let at = at.child("podReplacementPolicy");
        errors.unsupported(&at, "TerminatingOrFailed", &["Failed"]);
    }
    if let Some(manager) = &job.managed_by {
        let (at, before) = (at.child("managedBy"), errors.0.len());
        errors.format(&at, manager, names::label_key(manager));
        if errors.0.len() == before && !manager.contains('/') {
            errors.invalid(&at, manager, "must be a domain-prefixed path (such as \"acme.io/foo\")");
        }
    }
    let at_template = at.child("template");
    template(&job.template, &at_template, errors);
    let policy = job.template.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()).unwrap_or_default();
    let at_spec = at_template.child("spec");
    let at_policy = at_spec.child("restartPolicy");
    match policy {
        "OnFailure" | "Never" => {}
        "Always" | "" => errors.required(&at_policy, "valid values: \"OnFailure\", \"Never\""),
        other => errors.unsupported(&at_policy, other, &["OnFailure", "Never"]),
    }
    if job.pod_failure_policy.is_some() && policy != "Never" {
        errors.invalid(&at_policy, policy, "only \"Never\" is supported when podFailurePolicy is specified");
    }
    if let Some(policy) = &job.pod_failure_policy {
        failure_policy(policy, job, &at.child("podFailurePolicy"), errors);
    }
    if let Some(policy) = &job.success_policy {
        let at = at.child("successPolicy");
        if is_indexed {
            success_policy(policy, job.completions.unwrap_or_default(), &at.child("rules"), errors);
        } else {
            errors.invalid(&at, Json::of(policy), "requires indexed completion mode");
        }
    }
}

fn failure_policy(policy: &v1::PodFailurePolicy, job: &v1::JobSpec, at: &At<'_>, errors: &mut Errors) {
    let at = at.child("rules");
    if policy.rules.len() > 20 {
        errors.0.push(crate::api::FieldError {
            field: at.to_string(),
            problem: format!("Too many: {}: must have at most 20 items", policy.rules.len()),
        });
    }
    for (place, rule) in policy.rules.iter().enumerate() {
        let at = at.index(place);
        let actions = ["Count", "FailIndex", "FailJob", "Ignore"];
        errors.one_of(&at.child("action"), Some(&rule.action), &actions);
        if rule.action == "FailIndex" && job.backoff_limit_per_index.is_none() {
            let detail = "requires the backoffLimitPerIndex to be set";
            errors.invalid(&at.child("action"), &rule.action, detail);
        }
        match (&rule.on_exit_codes, &rule.on_pod_conditions) {
            (Some(_), Some(_)) => {
                let detail = "specifying both OnExitCodes and OnPodConditions is not supported";
                errors.invalid(&at, Json::of(rule), detail);
            }
            (None, None) => {
                let detail = "specifying one of OnExitCodes and OnPodConditions is required";
                errors.invalid(&at, Json::of(rule), detail);
            }
            (Some(codes), None) => exit_codes(codes, job, &at.child("onExitCodes"), errors),
            (None, Some(patterns)) => {
                for (place, pattern) in patterns.iter().enumerate() {
                    let patterns = at.child("onPodConditions");
                    let at = patterns.index(place);
                    errors.format(&at.child("type"), &pattern.type_, names::label_key(&pattern.type_));
                    let states = ["False", "True", "Unknown"];
                    errors.one_of(&at.child("status"), pattern.status.as_ref(), &states);
                }
            }
        }
    }
}

fn exit_codes(codes: &v1::PodFailurePolicyOnExitCodesRequirement, job: &v1::JobSpec, at: &At<'_>, errors: &mut Errors) {
    errors.one_of(&at.child("operator"), Some(&codes.operator), &["In", "NotIn"]);
    if let Some(name) = &codes.container_name {
        let pod = job.template.spec.as_ref();
        let containers =
            pod.into_iter().flat_map(|pod| pod.containers.iter().chain(pod.init_containers.iter().flatten()));
        if !containers.into_iter().any(|container| container.name == *name) {
            let detail = "must be one of the container or initContainer names in the pod template";
            errors.invalid(&at.child("containerName"), name, detail);
        }
    }
    let at = at.child("values");
    if codes.values.is_empty() {
        errors.invalid(&at, Json::of(&codes.values), "at least one value is required");
    }
    for (place, value) in codes.values.iter().enumerate() {
        if codes.operator == "In" && *value == 0 {
            errors.invalid(&at.index(place), value, "must not be 0 for the In operator");
        }
        if codes.values[..place].contains(value) {
            errors.duplicate(&at.index(place), value);
        }
    }
    if !codes.values.is_sorted() {
        errors.invalid(&at, Json::of(&codes.values), "must be ordered");
    }
}

/// `validateSuccessPolicy`.
fn success_policy(policy: &v1::SuccessPolicy, completions: i32, at: &At<'_>, errors: &mut Errors) {
    let rules = policy.rules.as_slice();
    if rules.is_empty() {
        errors.required(at, "at least one rules must be specified when the successPolicy is specified");
    }
    if rules.len() > 20 {
        let problem = format!("Too many: {}: must have at most 20 items", rules.len());
        errors.0.push(crate::api::FieldError { field: at.to_string(), problem });
    }
    for (place, rule) in rules.iter().enumerate() {
        let at = at.index(place);
        if rule.succeeded_count.is_none() && rule.succeeded_indexes.is_none() {
            errors.required(&at, "at least one of succeededCount or succeededIndexes must be specified");
        }
        let mut indexes = 0;
        if let Some(text) = &rule.succeeded_indexes {
            match count_of_indexes(text, completions) {
                Ok(count) => indexes = count,
                Err(why) => {
                    let detail = format!("error parsing succeededIndexes: {why}");
                    errors.invalid(&at.child("succeededIndexes"), text, detail);
                }
            }
        }
        let Some(count) = rule.succeeded_count else { continue };
        let at = at.child("succeededCount");
        errors.non_negative(&at, Some(count));
        if count > completions {
            let detail = format!("must be less than or equal to {completions} (the number of specified completions)");
            errors.invalid(&at, count, detail);
        }
        if rule.succeeded_indexes.is_some() && count > indexes {
            let of = "(the number of indexes in the specified succeededIndexes field)";
            errors.invalid(&at, count, format!("must be less than or equal to {indexes} {of}"));
        }
    }
}

/// How many indexes a text such as `0,2-4` names (`validateIndexesFormat`).
fn count_of_indexes(text: &str, completions: i32) -> Result<i32, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let index = |text: &str| match text.parse::<i64>() {
        Ok(index) if index >= completions.into() => Err(format!("too large index: {text:?}")),
        Ok(index) => Ok(i32::try_from(index).unwrap_or(i32::MIN)),
        Err(_) => Err(format!("cannot convert string to integer for index: {text:?}")),
    };
    let in_order = |before: i32, after: i32| match before < after {
        true => Ok(after),
        false => Err(format!("non-increasing order, previous: {before}, current: {after}")),
    };
    let (mut last, mut count) = (None, 0);
    for interval in text.split(',') {
        let limits: Vec<&str> = interval.split('-').collect();
        if limits.len() > 2 {
            let rule = "that an index interval can have at most two parts separated by '-'";
            return Err(format!("the fragment {interval:?} violates the requirement {rule}"));
        }
        let first = index(limits[0])?;
        let first = last.map_or(Ok(first), |last| in_order(last, first))?;
        let end = limits.get(1).map_or(Ok(first), |end| in_order(first, index(end)?))?;
        count += end - first + 1;
        last = Some(end);
    }
    Ok(count)
}

/// `ValidateCronJob`, without metadata but for the name's length.
pub(in crate::api) fn cron_job(name: &str, spec: &v1::CronJobSpec, errors: &mut Errors) {
    let at = At::root("spec");
    if spec.schedule.is_empty() {
        errors.required(&at.child("schedule"), "");
    } else if spec.schedule.contains("TZ") {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.invalid(&at.child("schedule"), &spec.schedule, detail);
    } else if let Err(problem) = cron::check(&spec.schedule) {
        errors.invalid(&at.child("schedule"), &spec.schedule, problem);
    }
    errors.non_negative(&at.child("startingDeadlineSeconds"), spec.starting_deadline_seconds);
    if let Some(zone) = &spec.time_zone {
        time_zone(zone, &at.child("timeZone"), errors);
    }
    let policies = ["Allow", "Forbid", "Replace"];
    errors.one_of(&at.child("concurrencyPolicy"), spec.concurrency_policy.as_ref(), &policies);
    let at_job = at.child("jobTemplate");
    let at_job = at_job.child("spec");
    let none = v1::JobSpec::default();
    let job = spec.job_template.spec.as_ref().unwrap_or(&none);
    job_spec(job, &at_job, errors);
    if job.manual_selector == Some(true) {
        errors.unsupported(&at_job.child("manualSelector"), true, &["nil", "false"]);
    }
    errors.non_negative(&at.child("successfulJobsHistoryLimit"), spec.successful_jobs_history_limit);
    errors.non_negative(&at.child("failedJobsHistoryLimit"), spec.failed_jobs_history_limit);
    if name.len() > 52 {
        errors.invalid(&At::root("metadata").child("name"), name, "must be no more than 52 characters");
    }
}

fn time_zone(zone: &str, at: &At<'_>, errors: &mut Errors) {
    if zone.is_empty() {
        errors.invalid(at, zone, "timeZone must be nil or non-empty string");
    } else if zone.eq_ignore_ascii_case("local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid(at, zone, detail);
    } else if !jiff::tz::TimeZone::get(zone).is_ok_and(|known| known.iana_name() == Some(zone)) {
        // Go finds a zone by the name of its file, in which case matters.
        errors.invalid(at, zone, format!("unknown time zone {zone}"));
    }
}
