//! `kubectl get` for what makes pods: deployments and their kin, jobs and cron jobs.
//!
//! Follows Kubernetes 1.36 `pkg/printers/internalversion/printers.go`.

use super::{Columns, age, counts, name, since, yes_no};
use crate::api::human_duration;
use crate::report::kubectl::fields::{Fields, controller};
use crate::report::kubectl::selector::{LabelSelector, format_labels};
use crate::report::kubectl::table::{Column, NAME, column, wide};
use jiff::Timestamp;
use serde_json::Value;

const CONTAINERS: Column = wide("Containers");
const IMAGES: Column = wide("Images");
const SELECTOR: Column = wide("Selector");

/// Replica sets and replication controllers.
pub const REPLICA_SET: Columns =
    &[NAME, column("Desired"), column("Current"), column("Ready"), column("Age"), CONTAINERS, IMAGES, SELECTOR];
/// Deployments.
pub const DEPLOYMENT: Columns =
    &[NAME, column("Ready"), column("Up-to-date"), column("Available"), column("Age"), CONTAINERS, IMAGES, SELECTOR];
/// Stateful sets.
pub const STATEFUL_SET: Columns = &[NAME, column("Ready"), column("Age"), CONTAINERS, IMAGES];
/// Daemon sets.
pub const DAEMON_SET: Columns = &[
    NAME,
    column("Desired"),
    column("Current"),
    column("Ready"),
    column("Up-to-date"),
    column("Available"),
    column("Node Selector"),
    column("Age"),
    CONTAINERS,
    IMAGES,
    SELECTOR,
];
/// Controller revisions.
pub const CONTROLLER_REVISION: Columns = &[NAME, column("Controller"), column("Revision"), column("Age")];
/// Jobs.
pub const JOB: Columns =
    &[NAME, column("Status"), column("Completions"), column("Duration"), column("Age"), CONTAINERS, IMAGES, SELECTOR];
/// Cron jobs.
pub const CRON_JOB: Columns = &[
    NAME,
    column("Schedule"),
    column("Timezone"),
    column("Suspend"),
    column("Active"),
    column("Last Schedule"),
    column("Age"),
    CONTAINERS,
    IMAGES,
    SELECTOR,
];
/// Pod templates.
pub const POD_TEMPLATE: Columns = &[NAME, column("Containers"), column("Images"), column("Pod Labels")];

/// Names and images of the containers at a path.
fn containers(object: &Value, path: &str) -> [String; 2] {
    let of = |field: &str| object.list(path).iter().map(|c| c.text(field)).collect::<Vec<_>>().join(",");
    [of("name"), of("image")]
}

/// What the wide columns say of a pod template and a selector.
fn template(object: &Value, selector: String) -> [String; 3] {
    let [names, images] = containers(object, "spec.template.spec.containers");
    [names, images, selector]
}

fn label_selector(object: &Value, path: &str) -> String {
    LabelSelector::from_object(object.at(path)).or_none()
}

/// The line of a replica set.
pub fn replica_set(set: &Value, now: Timestamp) -> Vec<String> {
    let [desired, current, ready] = counts(set, ["spec.replicas", "status.replicas", "status.readyReplicas"]);
    let mut cells = vec![name(set), desired, current, ready, age(set, now)];
    cells.extend(template(set, label_selector(set, "spec.selector")));
    cells
}

/// The line of a replication controller, whose selector is a plain map.
pub fn replication_controller(controller: &Value, now: Timestamp) -> Vec<String> {
    let mut cells = replica_set(controller, now);
    cells.truncate(5);
    cells.extend(template(controller, format_labels(&controller.entries("spec.selector"))));
    cells
}

/// The line of a deployment.
pub fn deployment(deployment: &Value, now: Timestamp) -> Vec<String> {
    let [ready, desired] = counts(deployment, ["status.readyReplicas", "spec.replicas"]);
    let [updated, available] = counts(deployment, ["status.updatedReplicas", "status.availableReplicas"]);
    let mut cells = vec![name(deployment), format!("{ready}/{desired}"), updated, available, age(deployment, now)];
    cells.extend(template(deployment, LabelSelector::from_object(deployment.at("spec.selector")).to_string()));
    cells
}

/// The line of a stateful set.
pub fn stateful_set(set: &Value, now: Timestamp) -> Vec<String> {
    let [ready, desired] = counts(set, ["status.readyReplicas", "spec.replicas"]);
    let mut cells = vec![name(set), format!("{ready}/{desired}"), age(set, now)];
    cells.extend(containers(set, "spec.template.spec.containers"));
    cells
}

/// The line of a daemon set.
pub fn daemon_set(set: &Value, now: Timestamp) -> Vec<String> {
    let mut cells = vec![name(set)];
    cells.extend(counts(
        set,
        [
            "status.desiredNumberScheduled",
            "status.currentNumberScheduled",
            "status.numberReady",
            "status.updatedNumberScheduled",
            "status.numberAvailable",
        ],
    ));
    cells.push(format_labels(&set.entries("spec.template.spec.nodeSelector")));
    cells.push(age(set, now));
    cells.extend(template(set, label_selector(set, "spec.selector")));
    cells
}

/// The line of a controller revision.
pub fn controller_revision(revision: &Value, now: Timestamp) -> Vec<String> {
    let owner = controller(revision).map_or("<none>".to_owned(), |owner| {
        let group = owner.text("apiVersion").split_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
        format!("{}{group}/{}", owner.text("kind").to_lowercase(), owner.text("name"))
    });
    vec![name(revision), owner, revision.int("revision").to_string(), age(revision, now)]
}

/// The line of a job.
pub fn job(job: &Value, now: Timestamp) -> Vec<String> {
    let mut cells = vec![name(job), job_status(job).to_owned(), completions(job), duration(job, now), age(job, now)];
    cells.extend(template(job, label_selector(job, "spec.selector")));
    cells
}

fn job_status(job: &Value) -> &'static str {
    let is =
        |kind: &str| crate::report::kubectl::fields::condition(job, kind).is_some_and(|c| c.text("status") == "True");
    if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else if job.has("metadata.deletionTimestamp") {
        "Terminating"
    } else if is("Suspended") {
        "Suspended"
    } else if is("FailureTarget") {
        "FailureTarget"
    } else if is("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn completions(job: &Value) -> String {
    let succeeded = job.int("status.succeeded");
    match (job.opt_int("spec.completions"), job.int("spec.parallelism")) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn duration(job: &Value, now: Timestamp) -> String {
    let Some(start) = job.time("status.startTime") else {
        return String::new();
    };
    let end = job.time("status.completionTime").unwrap_or(now);
    human_duration(end.duration_since(start))
}

/// The line of a cron job.
pub fn cron_job(cron_job: &Value, now: Timestamp) -> Vec<String> {
    let last = cron_job.time("status.lastScheduleTime");
    let mut cells = vec![
        name(cron_job),
        cron_job.text("spec.schedule").to_owned(),
        cron_job.opt_text("spec.timeZone").unwrap_or("<none>").to_owned(),
        yes_no(cron_job.opt_flag("spec.suspend")).to_owned(),
        cron_job.list("status.active").len().to_string(),
        last.map_or("<none>".to_owned(), |_| since(last, now)),
        age(cron_job, now),
    ];
    cells.extend(containers(cron_job, "spec.jobTemplate.spec.template.spec.containers"));
    cells.push(label_selector(cron_job, "spec.jobTemplate.spec.selector"));
    cells
}

/// The line of a pod template.
pub fn pod_template(object: &Value, _: Timestamp) -> Vec<String> {
    let [names, images] = containers(object, "template.spec.containers");
    vec![name(object), names, images, format_labels(&object.entries("template.metadata.labels"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn jobs_show_how_far_they_are() {
        let now = "2026-01-01T00:10:00Z".parse().expect("a time");
        for (object, expected) in [
            (json!({"spec": {"completions": 3}, "status": {"succeeded": 1}}), ["Running", "1/3", ""]),
            (
                json!({"spec": {"parallelism": 2}, "status": {"startTime": "2026-01-01T00:00:00Z"}}),
                ["Running", "0/1 of 2", "10m"],
            ),
            (
                json!({
                    "spec": {},
                    "status": {
                        "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:07Z",
                        "conditions": [
                            {"type": "Suspended", "status": "False"}, {"type": "Complete", "status": "True"}
                        ],
                    },
                }),
                ["Complete", "0/1", "7s"],
            ),
        ] {
            assert_eq!(job(&object, now)[1..4], expected);
        }
    }

    #[test]
    fn revisions_name_their_controller() {
        let revision = json!({
            "metadata": {"ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "Agent", "controller": true}
            ]},
            "revision": 2,
        });
        assert_eq!(controller_revision(&revision, Timestamp::UNIX_EPOCH)[1..3], ["daemonset.apps/Agent", "2"]);
    }
}
