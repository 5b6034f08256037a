//! The objects that make pods.

use super::fields::{ConditionStyle, Fields, conditions, list};
use super::spec;
use crate::api::lower::{decode, record_of};
use crate::api::{
    ControllerRevision, CronJob, DaemonSet, DaemonSetStatus, Deployment, DeploymentStatus, IntOrPercent, Job,
    JobStatus, Metadata, PodTemplate, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus, ReplicationController, Selector,
    StatefulSet, StatefulSetStatus, Text,
};
use k8s_openapi::api::{apps::v1 as apps, batch::v1 as batch, core::v1};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};
use std::sync::Arc;

/// The text of a spec.
fn parsed(source: &Text) -> Value {
    serde_json::from_str(source).unwrap_or_else(|_| json!({}))
}

fn value(typed: &impl serde::Serialize) -> Value {
    serde_json::to_value(typed).expect("API types are JSON")
}

/// The template, if it is no longer that of the text.
fn template(record: &Arc<PodTemplate>, base: &Arc<PodTemplate>, written: &v1::PodTemplateSpec) -> v1::PodTemplateSpec {
    if record == base { written.clone() } else { spec::template(record, written.metadata.as_ref()) }
}

fn selector(
    record: &Selector,
    base: &Selector,
    into: &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector,
) {
    if record != base {
        *into = spec::label_selector(record);
    }
}

fn int_or_percent(amount: IntOrPercent) -> Option<IntOrString> {
    Some(match amount {
        IntOrPercent::Int(number) => IntOrString::Int(number),
        IntOrPercent::Percent(_) => IntOrString::String(amount.to_string()),
    })
}

/// A Deployment.
pub(super) fn deployment(deployment: &Deployment) -> Fields {
    let record = &deployment.spec;
    let mut written: apps::DeploymentSpec = decode(&parsed(&record.source)).unwrap_or_default();
    let base = record_of(apps::Deployment { spec: Some(written.clone()), ..Default::default() }, Metadata::default());
    let base = &base.spec;
    if record.replicas != base.replicas || written.replicas.is_none() {
        written.replicas = Some(record.replicas);
    }
    if record.paused != base.paused {
        written.paused = record.paused.then_some(true);
    }
    selector(&record.selector, &base.selector, &mut written.selector);
    written.template = template(&record.template, &base.template, &written.template);
    if record.strategy != base.strategy {
        written.strategy = Some(match record.strategy {
            crate::api::DeploymentStrategy::Recreate => {
                apps::DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None }
            }
            crate::api::DeploymentStrategy::RollingUpdate { max_surge, max_unavailable } => apps::DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(apps::RollingUpdateDeployment {
                    max_surge: int_or_percent(max_surge),
                    max_unavailable: int_or_percent(max_unavailable),
                }),
            },
        });
    }
    let mut fields = Fields::default();
    fields.put("spec", value(&written));
    fields.put("status", deployment_status(&deployment.status));
    fields
}

pub(super) fn deployment_status(status: &DeploymentStatus) -> Value {
    let mut fields = Fields::default();
    fields.set("availableReplicas", status.available_replicas);
    fields.maybe("collisionCount", status.collision_count);
    fields.set("conditions", conditions(&status.conditions, ConditionStyle::Deployment));
    fields.set("observedGeneration", status.observed_generation);
    fields.set("readyReplicas", status.ready_replicas);
    fields.set("replicas", status.replicas);
    fields.maybe("terminatingReplicas", status.terminating_replicas);
    fields.set("unavailableReplicas", status.unavailable_replicas);
    fields.set("updatedReplicas", status.updated_replicas);
    fields.into()
}

/// A ReplicaSet.
pub(super) fn replica_set(set: &ReplicaSet) -> Fields {
    let record = &set.spec;
    let mut written: apps::ReplicaSetSpec = decode(&parsed(&record.source)).unwrap_or_default();
    let base = record_of(apps::ReplicaSet { spec: Some(written.clone()), ..Default::default() }, Metadata::default());
    replicas(&mut written.replicas, record, &base.spec);
    selector(&record.selector, &base.spec.selector, &mut written.selector);
    let below = written.template.take().unwrap_or_default();
    written.template = Some(template(&record.template, &base.spec.template, &below));
    if record.min_ready_seconds != base.spec.min_ready_seconds {
        written.min_ready_seconds = Some(record.min_ready_seconds);
    }
    let mut fields = Fields::default();
    fields.put("spec", value(&written));
    fields.put("status", replica_set_status(&set.status));
    fields
}

fn replicas(written: &mut Option<i32>, record: &ReplicaSetSpec, base: &ReplicaSetSpec) {
    if record.replicas != base.replicas || written.is_none() {
        *written = Some(record.replicas);
    }
}

pub(super) fn replica_set_status(status: &ReplicaSetStatus) -> Value {
    let mut fields = Fields::default();
    fields.set("availableReplicas", status.available_replicas);
    fields.set("conditions", conditions(&status.conditions, ConditionStyle::Plain));
    fields.set("fullyLabeledReplicas", status.fully_labeled_replicas);
    fields.set("observedGeneration", status.observed_generation);
    fields.set("readyReplicas", status.ready_replicas);
    fields.put("replicas", status.replicas);
    fields.maybe("terminatingReplicas", status.terminating_replicas);
    fields.into()
}

/// A ReplicationController.
pub(super) fn replication_controller(controller: &ReplicationController) -> Fields {
    let record = &controller.spec;
    let mut written: v1::ReplicationControllerSpec = decode(&parsed(&record.source)).unwrap_or_default();
    let typed = v1::ReplicationController { spec: Some(written.clone()), ..Default::default() };
    let base = record_of(typed, Metadata::default());
    replicas(&mut written.replicas, record, &base.spec);
    if record.selector != base.spec.selector {
        written.selector = spec::label_selector(&record.selector).match_labels;
    }
    let below = written.template.take().unwrap_or_default();
    written.template = Some(template(&record.template, &base.spec.template, &below));
    let mut fields = Fields::default();
    fields.put("spec", value(&written));
    fields.put("status", replica_set_status(&controller.status));
    fields
}

/// A StatefulSet.
pub(super) fn stateful_set(set: &StatefulSet) -> Fields {
    let record = &set.spec;
    let mut written: apps::StatefulSetSpec = decode(&parsed(&record.source)).unwrap_or_default();
    let base = record_of(apps::StatefulSet { spec: Some(written.clone()), ..Default::default() }, Metadata::default());
    let base = &base.spec;
    if record.replicas != base.replicas || written.replicas.is_none() {
        written.replicas = Some(record.replicas);
    }
    selector(&record.selector, &base.selector, &mut written.selector);
    written.template = template(&record.template, &base.template, &written.template);
    if record.update_strategy != base.update_strategy {
        written.update_strategy = Some(match record.update_strategy {
            crate::api::StatefulSetUpdateStrategy::OnDelete => {
                apps::StatefulSetUpdateStrategy { type_: Some("OnDelete".to_owned()), rolling_update: None }
            }
            crate::api::StatefulSetUpdateStrategy::RollingUpdate { partition, max_unavailable } => {
                apps::StatefulSetUpdateStrategy {
                    type_: Some("RollingUpdate".to_owned()),
                    rolling_update: Some(apps::RollingUpdateStatefulSetStrategy {
                        partition: Some(partition),
                        max_unavailable: max_unavailable.and_then(int_or_percent),
                    }),
                }
            }
        });
    }
    let mut fields = Fields::default();
    fields.put("spec", value(&written));
    fields.put("status", stateful_set_status(&set.status));
    fields
}

pub(super) fn stateful_set_status(status: &StatefulSetStatus) -> Value {
    let mut fields = Fields::default();
    fields.put("availableReplicas", status.available_replicas);
    fields.maybe("collisionCount", status.collision_count);
    fields.set("conditions", conditions(&status.conditions, ConditionStyle::Plain));
    fields.set("currentReplicas", status.current_replicas);
    fields.set("currentRevision", status.current_revision);
    fields.set("observedGeneration", status.observed_generation);
    fields.set("readyReplicas", status.ready_replicas);
    fields.put("replicas", status.replicas);
    fields.set("updateRevision", status.update_revision);
    fields.set("updatedReplicas", status.updated_replicas);
    fields.into()
}

/// A DaemonSet.
pub(super) fn daemon_set(set: &DaemonSet) -> Fields {
    let record = &set.spec;
    let mut written: apps::DaemonSetSpec = decode(&parsed(&record.source)).unwrap_or_default();
    let base = record_of(apps::DaemonSet { spec: Some(written.clone()), ..Default::default() }, Metadata::default());
    let base = &base.spec;
    selector(&record.selector, &base.selector, &mut written.selector);
    written.template = template(&record.template, &base.template, &written.template);
    if record.update_strategy != base.update_strategy {
        written.update_strategy = Some(match record.update_strategy {
            crate::api::DaemonSetUpdateStrategy::OnDelete => {
                apps::DaemonSetUpdateStrategy { type_: Some("OnDelete".to_owned()), rolling_update: None }
            }
            crate::api::DaemonSetUpdateStrategy::RollingUpdate { max_surge, max_unavailable } => {
                apps::DaemonSetUpdateStrategy {
                    type_: Some("RollingUpdate".to_owned()),
                    rolling_update: Some(apps::RollingUpdateDaemonSet {
                        max_surge: int_or_percent(max_surge),
                        max_unavailable: int_or_percent(max_unavailable),
                    }),
                }
            }
        });
    }
    let mut fields = Fields::default();
    fields.put("spec", value(&written));
    fields.put("status", daemon_set_status(&set.status));
    fields
}

pub(super) fn daemon_set_status(status: &DaemonSetStatus) -> Value {
    let mut fields = Fields::default();
    fields.maybe("collisionCount", status.collision_count);
    fields.set("conditions", conditions(&status.conditions, ConditionStyle::Plain));
    fields.put("currentNumberScheduled", status.current_number_scheduled);
    fields.put("desiredNumberScheduled", status.desired_number_scheduled);
    fields.set("numberAvailable", status.number_available);
    fields.put("numberMisscheduled", status.number_misscheduled);
    fields.put("numberReady", status.number_ready);
    fields.set("numberUnavailable", status.number_unavailable);
    fields.set("observedGeneration", status.observed_generation);
    fields.set("updatedNumberScheduled", status.updated_number_scheduled);
    fields.into()
}

/// A Job.
pub(super) fn job(job: &Job) -> Fields {
    let record = &job.spec;
    let mut written: batch::JobSpec = decode(&parsed(&record.source)).unwrap_or_default();
    let base = record_of(batch::Job { spec: Some(written.clone()), ..Default::default() }, Metadata::default());
    let base = &base.spec;
    if record.parallelism != base.parallelism || written.parallelism.is_none() {
        written.parallelism = Some(record.parallelism);
    }
    if record.completions != base.completions {
        written.completions = record.completions;
    }
    if record.suspend != base.suspend {
        written.suspend = Some(record.suspend);
    }
    if record.selector != base.selector {
        written.selector = Some(spec::label_selector(&record.selector));
    }
    written.template = template(&record.template, &base.template, &written.template);
    let mut fields = Fields::default();
    fields.put("spec", value(&written));
    fields.put("status", job_status(&job.status));
    fields
}

pub(super) fn job_status(status: &JobStatus) -> Value {
    let mut fields = Fields::default();
    fields.set("active", status.active);
    fields.set("completedIndexes", &status.completed_indexes);
    fields.maybe("completionTime", status.completion_time);
    fields.set("conditions", conditions(&status.conditions, ConditionStyle::Job));
    fields.set("failed", status.failed);
    fields.maybe("failedIndexes", status.failed_indexes.as_ref().map(Value::from));
    fields.maybe("ready", status.ready);
    fields.maybe("startTime", status.start_time);
    fields.set("succeeded", status.succeeded);
    fields.maybe("terminating", status.terminating);
    if status.tracked {
        let mut uncounted = Fields::default();
        uncounted.set("failed", list(&status.uncounted_failed, |uid| (*uid).into()));
        uncounted.set("succeeded", list(&status.uncounted_succeeded, |uid| (*uid).into()));
        fields.put("uncountedTerminatedPods", Value::from(uncounted));
    }
    fields.into()
}

/// A CronJob.
pub(super) fn cron_job(cron: &CronJob) -> Fields {
    let record = &cron.spec;
    let mut written: batch::CronJobSpec = decode(&parsed(&record.source)).unwrap_or_default();
    let base = record_of(batch::CronJob { spec: written.clone(), ..Default::default() }, Metadata::default());
    if record.suspend != base.spec.suspend {
        written.suspend = Some(record.suspend);
    }
    if record.schedule != base.spec.schedule {
        written.schedule = record.schedule.to_string();
    }
    let mut status = Fields::default();
    let active = |(name, uid): &(crate::api::Name, crate::api::Uid)| {
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": name,
            "namespace": cron.meta.namespace,
            "uid": Value::from(*uid),
        })
    };
    status.set("active", list(&cron.status.active, active));
    status.maybe("lastScheduleTime", cron.status.last_schedule_time);
    status.maybe("lastSuccessfulTime", cron.status.last_successful_time);
    let mut fields = Fields::default();
    fields.put("spec", value(&written));
    fields.put("status", Value::from(status));
    fields
}

/// One revision.
pub(super) fn controller_revision(revision: &ControllerRevision) -> Fields {
    let mut fields = Fields::default();
    let data = if revision.source.is_empty() {
        let mut template = value(&spec::template(&revision.template, None));
        if let Value::Object(fields) = &mut template {
            fields.insert("$patch".to_owned(), "replace".into());
        }
        json!({"spec": {"template": template}})
    } else {
        parsed(&revision.source)
    };
    fields.put("data", data);
    fields.put("revision", revision.revision);
    fields
}
