//! Jobs and CronJobs.

use super::common::{condition, json, name, selector, status, text, time, uid};
use super::defaults::set;
use super::workload::template_defaults;
use super::{Lower, pod};
use crate::api::validation::{self, Errors};
use crate::api::{
    ConcurrencyPolicy, CronJob, CronJobSpec, CronJobStatus, Job, JobSpec, JobStatus, Metadata, Name, PodFailureAction,
    PodFailureMatch, PodFailureRule, Selector, SuccessRule, Text,
};
use k8s_openapi::api::batch::v1;
use std::sync::Arc;

impl Lower for v1::Job {
    type Record = Job;

    fn validate(&self, errors: &mut Errors) {
        if let Some(spec) = &self.spec {
            validation::job(&validation::complete_name(&self.metadata), spec, errors);
        }
    }

    fn set_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        template_defaults(&mut spec.template);
        pattern_defaults(spec);
        job_defaults(spec);
        let labels = spec.template.metadata.as_ref().and_then(|meta| meta.labels.clone());
        if let Some(labels) = labels.filter(|labels| !labels.is_empty()) {
            set(&mut self.metadata.labels, labels);
        }
    }

    fn record(self, meta: Metadata) -> Job {
        let found = self.status.unwrap_or_default();
        let uncounted = found.uncounted_terminated_pods.as_ref();
        let uids = |list: Option<&Vec<String>>| list.into_iter().flatten().map(|text| uid(text)).collect();
        Job {
            meta,
            spec: job_spec(self.spec.unwrap_or_default()),
            status: JobStatus {
                conditions: found
                    .conditions
                    .iter()
                    .flatten()
                    .map(|condition| condition!(condition, None, condition.last_probe_time))
                    .collect(),
                start_time: time(found.start_time.as_ref()),
                completion_time: time(found.completion_time.as_ref()),
                active: found.active.unwrap_or_default(),
                ready: found.ready,
                terminating: found.terminating,
                succeeded: found.succeeded.unwrap_or_default(),
                failed: found.failed.unwrap_or_default(),
                completed_indexes: text(found.completed_indexes.as_ref()),
                failed_indexes: found.failed_indexes.as_ref().map(Text::from),
                uncounted_succeeded: uids(uncounted.and_then(|pods| pods.succeeded.as_ref())),
                uncounted_failed: uids(uncounted.and_then(|pods| pods.failed.as_ref())),
                tracked: uncounted.is_some(),
            },
        }
    }
}

/// `SetDefaults_Job`, as far as it is about the spec.
fn job_defaults(spec: &mut v1::JobSpec) {
    if spec.completions.is_none() && spec.parallelism.is_none() {
        spec.completions = Some(1);
    }
    set(&mut spec.parallelism, 1);
    set(&mut spec.backoff_limit, if spec.backoff_limit_per_index.is_some() { i32::MAX } else { 6 });
    set(&mut spec.completion_mode, "NonIndexed");
    set(&mut spec.suspend, false);
    set(
        &mut spec.pod_replacement_policy,
        if spec.pod_failure_policy.is_some() { "Failed" } else { "TerminatingOrFailed" },
    );
    set(&mut spec.manual_selector, false);
}

fn pattern_defaults(spec: &mut v1::JobSpec) {
    for rule in spec.pod_failure_policy.iter_mut().flat_map(|policy| &mut policy.rules) {
        rule.on_pod_conditions.iter_mut().flatten().for_each(|pattern| set(&mut pattern.status, "True"));
    }
}

fn job_spec(spec: v1::JobSpec) -> JobSpec {
    let source = json(&spec);
    JobSpec {
        parallelism: spec.parallelism.unwrap_or(1),
        completions: spec.completions,
        indexed: spec.completion_mode.as_deref() == Some("Indexed"),
        active_deadline_seconds: spec.active_deadline_seconds,
        backoff_limit: spec.backoff_limit.unwrap_or(6),
        backoff_limit_per_index: spec.backoff_limit_per_index,
        max_failed_indexes: spec.max_failed_indexes,
        ttl_seconds_after_finished: spec.ttl_seconds_after_finished,
        suspend: spec.suspend == Some(true),
        replace_only_failed: spec.pod_replacement_policy.as_deref() == Some("Failed"),
        manual_selector: spec.manual_selector == Some(true),
        pod_failure_policy: spec.pod_failure_policy.map(|policy| policy.rules.iter().map(failure_rule).collect()),
        success_policy: spec.success_policy.map(|policy| policy.rules.iter().map(success_rule).collect()),
        selector: spec.selector.as_ref().map_or_else(Selector::default, selector),
        template: Arc::new(pod::template(&spec.template)),
        managed_by: name(spec.managed_by.as_ref()),
        source,
    }
}

fn failure_rule(rule: &v1::PodFailurePolicyRule) -> PodFailureRule {
    let conditions = || {
        let pattern = |pattern: &v1::PodFailurePolicyOnPodConditionsPattern| {
            (Name::from(&pattern.type_), Name::new(pattern.status.as_deref().unwrap_or("True")))
        };
        PodFailureMatch::Conditions(rule.on_pod_conditions.iter().flatten().map(pattern).collect())
    };
    PodFailureRule {
        action: match rule.action.as_str() {
            "FailIndex" => PodFailureAction::FailIndex,
            "Ignore" => PodFailureAction::Ignore,
            "Count" => PodFailureAction::Count,
            _ => PodFailureAction::FailJob,
        },
        on: rule.on_exit_codes.as_ref().map_or_else(conditions, |codes| PodFailureMatch::ExitCodes {
            container: name(codes.container_name.as_ref()),
            when_in: codes.operator != "NotIn",
            values: codes.values.clone().into(),
        }),
    }
}

fn success_rule(rule: &v1::SuccessPolicyRule) -> SuccessRule {
    SuccessRule { succeeded_indexes: name(rule.succeeded_indexes.as_ref()), succeeded_count: rule.succeeded_count }
}

impl Lower for v1::CronJob {
    type Record = CronJob;

    fn validate(&self, errors: &mut Errors) {
        validation::cron_job(&validation::complete_name(&self.metadata), &self.spec, errors);
    }

    fn set_defaults(&mut self) {
        let spec = &mut self.spec;
        spec.job_template.metadata.get_or_insert_default();
        let job = spec.job_template.spec.get_or_insert_default();
        template_defaults(&mut job.template);
        pattern_defaults(job);
        set(&mut spec.concurrency_policy, "Allow");
        set(&mut spec.suspend, false);
        set(&mut spec.successful_jobs_history_limit, 3);
        set(&mut spec.failed_jobs_history_limit, 1);
    }

    fn record(self, meta: Metadata) -> CronJob {
        let spec = self.spec;
        let source = json(&spec);
        let (job_labels, job_annotations) = pod::template_labels(spec.job_template.metadata.as_ref());
        // The Job itself is defaulted when it is made.
        let mut job = spec.job_template.spec.unwrap_or_default();
        job_defaults(&mut job);
        let found = self.status.unwrap_or_default();
        let active = found.active.iter().flatten();
        CronJob {
            meta,
            spec: CronJobSpec {
                schedule: Name::from(&spec.schedule),
                time_zone: name(spec.time_zone.as_ref()),
                starting_deadline_seconds: spec.starting_deadline_seconds,
                concurrency_policy: match spec.concurrency_policy.as_deref() {
                    Some("Forbid") => ConcurrencyPolicy::Forbid,
                    Some("Replace") => ConcurrencyPolicy::Replace,
                    _ => ConcurrencyPolicy::Allow,
                },
                suspend: spec.suspend == Some(true),
                successful_jobs_history_limit: spec.successful_jobs_history_limit.unwrap_or(3),
                failed_jobs_history_limit: spec.failed_jobs_history_limit.unwrap_or(1),
                job_labels,
                job_annotations,
                job: Arc::new(job_spec(job)),
                source,
            },
            status: CronJobStatus {
                active: active
                    .map(|job| (name(job.name.as_ref()), uid(job.uid.as_deref().unwrap_or_default())))
                    .collect(),
                last_schedule_time: time(found.last_schedule_time.as_ref()),
                last_successful_time: time(found.last_successful_time.as_ref()),
            },
        }
    }
}
