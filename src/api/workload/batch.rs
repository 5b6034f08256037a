//! Jobs and CronJobs.

use super::PodTemplate;
use crate::api::{Condition, Labels, List, Metadata, Name, Selector, Text, Timestamp, Uid};
use serde::Serialize;
use std::sync::Arc;

/// `batch/v1.Job`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Job {
    /// Names and versions.
    pub meta: Metadata,
    /// What is wanted.
    pub spec: JobSpec,
    /// What there is.
    pub status: JobStatus,
}

/// `batch/v1.JobSpec`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobSpec {
    /// How many pods run at once.
    pub parallelism: i32,
    /// How many must succeed; `None`: one success ends the work queue.
    pub completions: Option<i32>,
    /// Whether each completion has an index of its own.
    pub indexed: bool,
    /// Seconds after which the Job fails.
    pub active_deadline_seconds: Option<i64>,
    /// Failures after which the Job fails.
    pub backoff_limit: i32,
    /// Failures of an index after which it fails.
    pub backoff_limit_per_index: Option<i32>,
    /// Failed indexes after which the Job fails.
    pub max_failed_indexes: Option<i32>,
    /// Seconds after which a finished Job is deleted.
    pub ttl_seconds_after_finished: Option<i32>,
    /// Whether no pods run for now.
    pub suspend: bool,
    /// Whether a replacement waits until the old pod has failed entirely.
    pub replace_only_failed: bool,
    /// Whether `selector` was given, rather than made from the Job's identity.
    pub manual_selector: bool,
    /// What some failures mean, by exit code or condition.
    pub pod_failure_policy: Option<List<PodFailureRule>>,
    /// When some successes are enough.
    pub success_policy: Option<List<SuccessRule>>,
    /// Which pods are its own.
    pub selector: Selector,
    /// What they are made from.
    pub template: Arc<PodTemplate>,
    /// Who works on it, if not the built-in controller.
    pub managed_by: Name,
    /// The spec as accepted, as JSON text.
    pub source: Text,
}

/// `batch/v1.PodFailurePolicyRule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PodFailureRule {
    /// What a match does.
    pub action: PodFailureAction,
    /// What matches.
    pub on: PodFailureMatch,
}

/// `batch/v1.PodFailurePolicyAction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PodFailureAction {
    /// The Job fails.
    FailJob,
    /// The index fails.
    FailIndex,
    /// The failure does not count.
    Ignore,
    /// The failure counts, as without a rule.
    Count,
}

/// What a pod failure rule matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum PodFailureMatch {
    /// A container's exit code.
    ExitCodes {
        /// The container; empty for any.
        container: Name,
        /// Whether the code must be among the values, or must not.
        when_in: bool,
        /// The values.
        values: List<i32>,
    },
    /// One of these conditions: type and status.
    Conditions(List<(Name, Name)>),
}

/// `batch/v1.SuccessPolicyRule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SuccessRule {
    /// The indexes that must succeed, as written; empty for any.
    pub succeeded_indexes: Name,
    /// How many of them are enough.
    pub succeeded_count: Option<i32>,
}

/// `batch/v1.JobStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct JobStatus {
    /// `Suspended`, `SuccessCriteriaMet`, `FailureTarget`, `Complete`, `Failed`.
    pub conditions: Vec<Condition>,
    /// When it was first worked on.
    pub start_time: Option<Timestamp>,
    /// When it was complete.
    pub completion_time: Option<Timestamp>,
    /// Pods that are neither finished nor terminating.
    pub active: i32,
    /// Those that are ready.
    pub ready: Option<i32>,
    /// Pods that are terminating.
    pub terminating: Option<i32>,
    /// Pods that succeeded and were counted.
    pub succeeded: i32,
    /// Pods that failed and were counted.
    pub failed: i32,
    /// Indexes that succeeded, as ranges.
    pub completed_indexes: Text,
    /// Indexes that failed, as ranges; absent without a limit per index.
    pub failed_indexes: Option<Text>,
    /// Pods that succeeded and are yet to be counted.
    pub uncounted_succeeded: List<Uid>,
    /// Pods that failed and are yet to be counted.
    pub uncounted_failed: List<Uid>,
    /// Whether pods are tracked by finalizers (always, once the controller saw the Job).
    pub tracked: bool,
}

impl JobStatus {
    /// The condition of a type that is True.
    pub fn true_condition(&self, kind: Name) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|condition| condition.kind == kind && condition.status == crate::api::ConditionStatus::True)
    }
}

/// `batch/v1.CronJob`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CronJob {
    /// Names and versions.
    pub meta: Metadata,
    /// What is wanted.
    pub spec: CronJobSpec,
    /// What there is.
    pub status: CronJobStatus,
}

/// `batch/v1.CronJobSpec`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CronJobSpec {
    /// When, in cron's five fields.
    pub schedule: Name,
    /// Where that is; empty for UTC.
    pub time_zone: Name,
    /// How late a Job may still start, in seconds.
    pub starting_deadline_seconds: Option<i64>,
    /// What happens when the last one still runs.
    pub concurrency_policy: ConcurrencyPolicy,
    /// Whether none is started for now.
    pub suspend: bool,
    /// How many finished Jobs are kept.
    pub successful_jobs_history_limit: i32,
    /// How many failed Jobs are kept.
    pub failed_jobs_history_limit: i32,
    /// Labels and annotations of its Jobs.
    pub job_labels: Labels,
    /// Annotations of its Jobs.
    pub job_annotations: Labels,
    /// What its Jobs are.
    pub job: Arc<JobSpec>,
    /// The spec as accepted, as JSON text.
    pub source: Text,
}

/// `batch/v1.ConcurrencyPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum ConcurrencyPolicy {
    /// Both run.
    Allow,
    /// The new one is skipped.
    Forbid,
    /// The old one is deleted.
    Replace,
}

/// `batch/v1.CronJobStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CronJobStatus {
    /// Jobs that run: name and identity.
    pub active: List<(Name, Uid)>,
    /// The last time at which one was due and started.
    pub last_schedule_time: Option<Timestamp>,
    /// When one last succeeded.
    pub last_successful_time: Option<Timestamp>,
}
