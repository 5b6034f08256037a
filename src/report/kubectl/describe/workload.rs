//! What makes pods: deployments and their kin, jobs and cron jobs.
//!
//! Follows kubectl 1.36 `pkg/describe/describe.go`.

use super::Context;
use super::parts::{conditions_with_reason, controlled_by, events_of, head, labels_and_annotations, labels_indented};
use super::pod::template;
use super::writer::{Writer, put};
use crate::api::human_duration;
use crate::report::kubectl::fields::{Fields, is_controlled_by, name, namespace};
use crate::report::kubectl::get::storage::storage_class;
use crate::report::kubectl::get::yes_no;
use crate::report::kubectl::go::{list, rfc1123z};
use crate::report::kubectl::revisions::ReplicaSets;
use crate::report::kubectl::selector::{LabelSelector, format_labels};
use serde_json::Value;

fn selector(object: &Value) -> LabelSelector {
    LabelSelector::from_object(object.at("spec.selector"))
}

/// `1 Running / 0 Waiting / 0 Succeeded / 0 Failed`, of the pods that are selected and controlled.
fn pods_status(controller: &Value, selects: impl Fn(&Value) -> bool, context: &Context<'_>) -> String {
    let uid = controller.text("metadata.uid");
    let pods = context.objects.of_kind("v1", "Pod", None).filter(|pod| namespace(pod) == namespace(controller));
    let own: Vec<&Value> = pods.filter(|pod| selects(pod) && is_controlled_by(pod, uid)).collect();
    let count = |phase: &str| own.iter().filter(|pod| pod.text("status.phase") == phase).count();
    format!(
        "{} Running / {} Waiting / {} Succeeded / {} Failed",
        count("Running"),
        count("Pending"),
        count("Succeeded"),
        count("Failed")
    )
}

fn created(w: &mut Writer, object: &Value) {
    put!(w, 0, "CreationTimestamp:\t{}\n", rfc1123z(object.time("metadata.creationTimestamp")));
}

/// A deployment.
pub fn deployment(w: &mut Writer, deployment: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(deployment));
    put!(w, 0, "Namespace:\t{}\n", namespace(deployment));
    created(w, deployment);
    labels_and_annotations(w, deployment);
    put!(w, 0, "Selector:\t{}\n", selector(deployment));
    put!(
        w,
        0,
        "Replicas:\t{} desired | {} updated | {} total | {} available | {} unavailable\n",
        deployment.int("spec.replicas"),
        deployment.int("status.updatedReplicas"),
        deployment.int("status.replicas"),
        deployment.int("status.availableReplicas"),
        deployment.int("status.unavailableReplicas"),
    );
    put!(w, 0, "StrategyType:\t{}\n", deployment.text("spec.strategy.type"));
    put!(w, 0, "MinReadySeconds:\t{}\n", deployment.int("spec.minReadySeconds"));
    let rolling = deployment.at("spec.strategy.rollingUpdate");
    if !rolling.is_null() {
        let (unavailable, surge) = (rolling.int_or_text("maxUnavailable"), rolling.int_or_text("maxSurge"));
        put!(w, 0, "RollingUpdateStrategy:\t{unavailable} max unavailable, {surge} max surge\n");
    }
    template(w, deployment.at("spec.template"));
    conditions_with_reason(w, deployment);
    let sets = ReplicaSets::of(deployment, context.objects);
    if !sets.old.is_empty() || sets.new.is_some() {
        put!(w, 0, "OldReplicaSets:\t{}\n", replica_sets(&sets.old));
        put!(w, 0, "NewReplicaSet:\t{}\n", replica_sets(&Vec::from_iter(sets.new)));
    }
    events_of(w, context, deployment);
}

fn replica_sets(sets: &[&Value]) -> String {
    let text = |set: &&Value| {
        format!("{} ({}/{} replicas created)", name(set), set.int("status.replicas"), set.int("spec.replicas"))
    };
    match sets {
        [] => "<none>".to_owned(),
        sets => sets.iter().map(text).collect::<Vec<_>>().join(", "),
    }
}

/// A replica set.
pub fn replica_set(w: &mut Writer, set: &Value, context: &Context<'_>) {
    let selector = selector(set);
    put!(w, 0, "Name:\t{}\n", name(set));
    put!(w, 0, "Namespace:\t{}\n", namespace(set));
    put!(w, 0, "Selector:\t{}\n", selector.or_none());
    labels_and_annotations(w, set);
    controlled_by(w, set);
    put!(w, 0, "Replicas:\t{} current / {} desired\n", set.int("status.replicas"), set.int("spec.replicas"));
    put!(w, 0, "Pods Status:\t{}\n", pods_status(set, |pod| selector.matches(pod), context));
    template(w, set.at("spec.template"));
    conditions_with_reason(w, set);
    events_of(w, context, set);
}

/// A replication controller.
pub fn replication_controller(w: &mut Writer, controller: &Value, context: &Context<'_>) {
    let selected = controller.entries("spec.selector");
    let selects = |pod: &Value| selected.iter().all(|(k, v)| pod.entry("metadata.labels", k) == Some(v));
    put!(w, 0, "Name:\t{}\n", name(controller));
    put!(w, 0, "Namespace:\t{}\n", namespace(controller));
    put!(w, 0, "Selector:\t{}\n", format_labels(&selected));
    labels_and_annotations(w, controller);
    let (current, desired) = (controller.int("status.replicas"), controller.int("spec.replicas"));
    put!(w, 0, "Replicas:\t{current} current / {desired} desired\n");
    put!(w, 0, "Pods Status:\t{}\n", pods_status(controller, selects, context));
    template(w, controller.at("spec.template"));
    conditions_with_reason(w, controller);
    events_of(w, context, controller);
}

/// A stateful set.
pub fn stateful_set(w: &mut Writer, set: &Value, context: &Context<'_>) {
    let selector = selector(set);
    put!(w, 0, "Name:\t{}\n", name(set));
    put!(w, 0, "Namespace:\t{}\n", namespace(set));
    created(w, set);
    put!(w, 0, "Selector:\t{selector}\n");
    labels_and_annotations(w, set);
    put!(w, 0, "Replicas:\t{} desired | {} total\n", set.int("spec.replicas"), set.int("status.replicas"));
    put!(w, 0, "Update Strategy:\t{}\n", set.text("spec.updateStrategy.type"));
    let rolling = set.at("spec.updateStrategy.rollingUpdate");
    if let Some(partition) = rolling.opt_int("partition") {
        put!(w, 1, "Partition:\t{partition}\n");
        if rolling.has("maxUnavailable") {
            put!(w, 1, "MaxUnavailable:\t{}\n", rolling.int_or_text("maxUnavailable"));
        }
    }
    put!(w, 0, "Pods Status:\t{}\n", pods_status(set, |pod| selector.matches(pod), context));
    template(w, set.at("spec.template"));
    volume_claim_templates(w, set.list("spec.volumeClaimTemplates"));
    events_of(w, context, set);
}

fn volume_claim_templates(w: &mut Writer, templates: &[Value]) {
    put!(w, 0, "Volume Claims:{}\n", if templates.is_empty() { "\t<none>" } else { "" });
    for claim in templates {
        put!(w, 1, "Name:\t{}\n", name(claim));
        put!(w, 1, "StorageClass:\t{}\n", storage_class(claim));
        labels_indented(w, "  ", "Labels", &claim.entries("metadata.labels"));
        labels_indented(w, "  ", "Annotations", &claim.entries("metadata.annotations"));
        let capacity = claim.at("spec.resources.requests").get("storage");
        let capacity = capacity.map(|c| crate::report::kubectl::fields::quantity(c).to_string());
        put!(w, 1, "Capacity:\t{}\n", capacity.as_deref().unwrap_or("<default>"));
        put!(w, 1, "Access Modes:\t{}\n", list(&claim.texts("spec.accessModes")));
    }
}

/// A daemon set.
pub fn daemon_set(w: &mut Writer, set: &Value, context: &Context<'_>) {
    let selector = selector(set);
    put!(w, 0, "Name:\t{}\n", name(set));
    put!(w, 0, "Namespace:\t{}\n", namespace(set));
    put!(w, 0, "Selector:\t{selector}\n");
    put!(w, 0, "Node-Selector:\t{}\n", format_labels(&set.entries("spec.template.spec.nodeSelector")));
    labels_and_annotations(w, set);
    for (title, field) in [
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ] {
        put!(w, 0, "{title}: {}\n", set.at("status").int(field));
    }
    put!(w, 0, "Pods Status:\t{}\n", pods_status(set, |pod| selector.matches(pod), context));
    template(w, set.at("spec.template"));
    events_of(w, context, set);
}

/// A job.
pub fn job(w: &mut Writer, job: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(job));
    put!(w, 0, "Namespace:\t{}\n", namespace(job));
    put!(w, 0, "Selector:\t{}\n", selector(job));
    labels_and_annotations(w, job);
    controlled_by(w, job);
    number(w, "Parallelism", job.opt_int("spec.parallelism"), "");
    number_or_unset(w, "Completions", job.opt_int("spec.completions"), "");
    if let Some(mode) = job.opt_text("spec.completionMode") {
        put!(w, 0, "Completion Mode:\t{mode}\n");
    }
    if let Some(suspend) = job.opt_flag("spec.suspend") {
        put!(w, 0, "Suspend:\t{suspend}\n");
    }
    number(w, "Backoff Limit", job.opt_int("spec.backoffLimit"), "");
    number(w, "TTL Seconds After Finished", job.opt_int("spec.ttlSecondsAfterFinished"), "");
    let (start, end) = (job.time("status.startTime"), job.time("status.completionTime"));
    if start.is_some() {
        put!(w, 0, "Start Time:\t{}\n", rfc1123z(start));
    }
    if end.is_some() {
        put!(w, 0, "Completed At:\t{}\n", rfc1123z(end));
    }
    if let (Some(start), Some(end)) = (start, end) {
        put!(w, 0, "Duration:\t{}\n", human_duration(end.duration_since(start)));
    }
    number(w, "Active Deadline Seconds", job.opt_int("spec.activeDeadlineSeconds"), "s");
    let [active, succeeded, failed] = ["active", "succeeded", "failed"].map(|field| job.at("status").int(field));
    let ready = job.opt_int("status.ready").map_or(String::new(), |n| format!(" ({n} Ready)"));
    put!(w, 0, "Pods Statuses:\t{active} Active{ready} / {succeeded} Succeeded / {failed} Failed\n");
    if job.text("spec.completionMode") == "Indexed" {
        put!(w, 0, "Completed Indexes:\t{}\n", completed_indexes(job.text("status.completedIndexes")));
    }
    template(w, job.at("spec.template"));
    events_of(w, context, job);
}

fn number(w: &mut Writer, title: &str, number: Option<i64>, unit: &str) {
    if let Some(number) = number {
        put!(w, 0, "{title}:\t{number}{unit}\n");
    }
}

fn number_or_unset(w: &mut Writer, title: &str, number: Option<i64>, unit: &str) {
    match number {
        Some(number) => put!(w, 0, "{title}:\t{number}{unit}\n"),
        None => put!(w, 0, "{title}:\t<unset>\n"),
    }
}

/// Ranges of indexes, cut at the first comma after a while.
fn completed_indexes(indexes: &str) -> String {
    const SOFT_LIMIT: usize = 50;
    if indexes.is_empty() {
        return "<none>".to_owned();
    }
    match indexes.bytes().skip(SOFT_LIMIT).position(|b| b == b',') {
        Some(comma) => format!("{}...", &indexes[..=SOFT_LIMIT + comma]),
        None => indexes.to_owned(),
    }
}

/// A cron job.
pub fn cron_job(w: &mut Writer, cron_job: &Value, context: &Context<'_>) {
    head(w, cron_job);
    put!(w, 0, "Schedule:\t{}\n", cron_job.text("spec.schedule"));
    put!(w, 0, "Concurrency Policy:\t{}\n", cron_job.text("spec.concurrencyPolicy"));
    put!(w, 0, "Suspend:\t{}\n", yes_no(cron_job.opt_flag("spec.suspend")));
    put!(w, 0, "Time Zone:\t{}\n", cron_job.opt_text("spec.timeZone").unwrap_or("<unset>"));
    let limit = |field: &str| cron_job.at("spec").opt_int(field);
    number_or_unset(w, "Successful Job History Limit", limit("successfulJobsHistoryLimit"), "");
    number_or_unset(w, "Failed Job History Limit", limit("failedJobsHistoryLimit"), "");
    number_or_unset(w, "Starting Deadline Seconds", limit("startingDeadlineSeconds"), "s");
    let job = cron_job.at("spec.jobTemplate");
    match job.at("spec.selector") {
        Value::Null => put!(w, 0, "Selector:\t<unset>\n"),
        selector => put!(w, 0, "Selector:\t{}\n", LabelSelector::from_object(selector)),
    }
    number_or_unset(w, "Parallelism", job.opt_int("spec.parallelism"), "");
    number_or_unset(w, "Completions", job.opt_int("spec.completions"), "");
    number(w, "Active Deadline Seconds", job.opt_int("spec.activeDeadlineSeconds"), "s");
    template(w, job.at("spec.template"));
    match cron_job.time("status.lastScheduleTime") {
        None => put!(w, 0, "Last Schedule Time:\t<unset>\n"),
        last => put!(w, 0, "Last Schedule Time:\t{}\n", rfc1123z(last)),
    }
    let active: Vec<&str> = cron_job.list("status.active").iter().map(|job| job.text("name")).collect();
    put!(w, 0, "Active Jobs:\t");
    w.end(&if active.is_empty() { "<none>".to_owned() } else { active.join(", ") });
    events_of(w, context, cron_job);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_indexes_are_cut_at_a_comma() {
        let long = (0..40).map(|n| (n * 2).to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(completed_indexes(""), "<none>");
        assert_eq!(completed_indexes("0-3,7"), "0-3,7");
        assert_eq!(completed_indexes(&long), "0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,...");
    }
}
