//! `kubectl rollout status` and `kubectl rollout history`.
//!
//! Follows kubectl 1.36 `pkg/cmd/rollout`, `pkg/polymorphichelpers/rollout_status.go` and `history.go`. Left out:
//! waiting, and what changes objects (pause, resume, restart, undo).

use super::describe::{pod::template, writer::Writer};
use super::error::Error;
use super::fields::{Fields, condition, name};
use super::flags::{Arguments, Flag};
use super::go::quoted;
use super::resources::Resource;
use super::revisions::{ReplicaSets, controller_revisions};
use super::selection::select;
use super::tabwriter::TabWriter;
use super::{Objects, Printed, go, yaml};
use serde_json::Value;
use std::collections::BTreeMap;

const FLAGS: &[Flag] = &[
    Flag::value("revision", None),
    Flag::value("selector", Some('l')),
    Flag::value("timeout", None),
    Flag::value("output", Some('o')),
    Flag::switch("watch", Some('w')),
];

/// Runs `kubectl rollout` with the arguments behind the verb.
pub fn run(args: &[String], objects: &Objects) -> Printed {
    let Some((verb, args)) = args.split_first() else {
        return Printed::error(Error::client("must specify one of: history, status"));
    };
    let act: fn(&Arguments, &Objects) -> Result<Printed, Error> = match verb.as_str() {
        "status" => status,
        "history" => history,
        other => {
            return Printed::error(Error::client(format!("unknown command {} for \"kubectl rollout\"", quoted(other))));
        }
    };
    let arguments = Arguments::parse(args, FLAGS, &format!("rollout {verb}"));
    arguments.and_then(|arguments| act(&arguments, objects)).unwrap_or_else(Printed::error)
}

fn revision(arguments: &Arguments) -> Result<i64, Error> {
    let text = arguments.value("revision").unwrap_or("0");
    match text.parse::<i64>() {
        Ok(number) if number < 0 => Err(Error::client(format!("revision must be a positive integer: {number}"))),
        Ok(number) => Ok(number),
        Err(_) => Err(Error::client(format!("invalid argument {} for \"--revision\" flag", quoted(text)))),
    }
}

/// Each of the objects named, until one fails.
fn of_each(
    arguments: &Arguments,
    objects: &Objects,
    act: impl Fn(&Resource, &Value) -> Result<String, Error>,
) -> Result<Printed, Error> {
    if arguments.positional.is_empty() {
        return Err(Error::client("required resource not specified"));
    }
    let selection = select(objects, arguments)?;
    let mut printed = Printed { stderr: selection.warnings.clone(), ..Printed::default() };
    let mut errors = Vec::new();
    for (resource, object) in selection.objects() {
        match act(resource, object) {
            Ok(text) => printed.stdout += &text,
            Err(error) => errors.push(error),
        }
    }
    errors.extend(selection.errors);
    if let Some(error) = Error::all(errors) {
        printed.fail(&error);
    } else if printed.stdout.is_empty() {
        printed.stderr += &format!("No resources found in {} namespace.\n", arguments.namespace());
    }
    Ok(printed)
}

fn status(arguments: &Arguments, objects: &Objects) -> Result<Printed, Error> {
    let revision = revision(arguments)?;
    of_each(arguments, objects, |resource, object| match (resource.group, resource.kind) {
        ("apps", "Deployment") => deployment_status(object, revision),
        ("apps", "DaemonSet") => daemon_set_status(object),
        ("apps", "StatefulSet") => stateful_set_status(object),
        _ => {
            let kind = if resource.group.is_empty() {
                resource.kind.to_owned()
            } else {
                format!("{}.{}", resource.kind, resource.group)
            };
            Err(Error::client(format!("no status viewer has been implemented for {kind}")))
        }
    })
}

fn deployment_status(deployment: &Value, revision: i64) -> Result<String, Error> {
    let title = quoted(name(deployment));
    let running = revision_of(deployment);
    if revision > 0 && running != Some(revision) {
        let running = running.unwrap_or(0);
        return Err(Error::client(format!(
            "desired revision ({revision}) is different from the running revision ({running})"
        )));
    }
    if deployment.int("metadata.generation") > deployment.int("status.observedGeneration") {
        return Ok("Waiting for deployment spec update to be observed...\n".to_owned());
    }
    if condition(deployment, "Progressing").is_some_and(|c| c.text("reason") == "ProgressDeadlineExceeded") {
        return Err(Error::client(format!("deployment {title} exceeded its progress deadline")));
    }
    let count = |field: &str| deployment.at("status").int(field);
    let (total, updated, available) = (count("replicas"), count("updatedReplicas"), count("availableReplicas"));
    let waiting = |what: String| Ok(format!("Waiting for deployment {title} rollout to finish: {what}...\n"));
    match deployment.opt_int("spec.replicas") {
        Some(wanted) if updated < wanted => {
            waiting(format!("{updated} out of {wanted} new replicas have been updated"))
        }
        _ if total > updated => waiting(format!("{} old replicas are pending termination", total - updated)),
        _ if available < updated => waiting(format!("{available} of {updated} updated replicas are available")),
        _ => Ok(format!("deployment {title} successfully rolled out\n")),
    }
}

fn daemon_set_status(set: &Value) -> Result<String, Error> {
    only_rolling_updates(set)?;
    let title = quoted(name(set));
    if set.int("metadata.generation") > set.int("status.observedGeneration") {
        return Ok("Waiting for daemon set spec update to be observed...\n".to_owned());
    }
    let count = |field: &str| set.at("status").int(field);
    let (wanted, updated, available) =
        (count("desiredNumberScheduled"), count("updatedNumberScheduled"), count("numberAvailable"));
    let waiting = |what: String| Ok(format!("Waiting for daemon set {title} rollout to finish: {what}...\n"));
    if updated < wanted {
        waiting(format!("{updated} out of {wanted} new pods have been updated"))
    } else if available < wanted {
        waiting(format!("{available} of {wanted} updated pods are available"))
    } else {
        Ok(format!("daemon set {title} successfully rolled out\n"))
    }
}

fn stateful_set_status(set: &Value) -> Result<String, Error> {
    only_rolling_updates(set)?;
    let observed = set.int("status.observedGeneration");
    if observed == 0 || set.int("metadata.generation") > observed {
        return Ok("Waiting for statefulset spec update to be observed...\n".to_owned());
    }
    let wanted = set.opt_int("spec.replicas");
    let (ready, updated) = (set.int("status.readyReplicas"), set.int("status.updatedReplicas"));
    if let Some(wanted) = wanted.filter(|wanted| ready < *wanted) {
        return Ok(format!("Waiting for {} pods to be ready...\n", wanted - ready));
    }
    if set.has("spec.updateStrategy.rollingUpdate") {
        let partition = set.opt_int("spec.updateStrategy.rollingUpdate.partition");
        let expected = wanted.zip(partition).map(|(wanted, partition)| wanted - partition);
        return Ok(match expected.filter(|expected| updated < *expected) {
            Some(expected) => format!(
                "Waiting for partitioned roll out to finish: \
                 {updated} out of {expected} new pods have been updated...\n"
            ),
            None => format!("partitioned roll out complete: {updated} new pods have been updated...\n"),
        });
    }
    let (update, current) = (set.text("status.updateRevision"), set.text("status.currentRevision"));
    if update != current {
        return Ok(format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {update}...\n"
        ));
    }
    let pods = set.int("status.currentReplicas");
    Ok(format!("statefulset rolling update complete {pods} pods at revision {current}...\n"))
}

fn only_rolling_updates(set: &Value) -> Result<(), Error> {
    match set.text("spec.updateStrategy.type") {
        "RollingUpdate" => Ok(()),
        _ => Err(Error::client("rollout status is only available for RollingUpdate strategy type")),
    }
}

/// The revision that an annotation gives; 0 without one, none if it is no number.
fn revision_of(object: &Value) -> Option<i64> {
    object.entry("metadata.annotations", "deployment.kubernetes.io/revision").map_or(Some(0), |text| text.parse().ok())
}

const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

/// A revision: why it came, what its pods look like, and the whole object at it.
struct Revision {
    change_cause: String,
    template: Value,
    object: Value,
}

fn history(arguments: &Arguments, objects: &Objects) -> Result<Printed, Error> {
    let wanted = revision(arguments)?;
    let output = arguments.value("output").unwrap_or("");
    of_each(arguments, objects, |resource, object| {
        let revisions = revisions(resource, object, objects)?;
        let not_found = || Error::client("unable to find the specified revision");
        if !output.is_empty() {
            let chosen: Vec<&Value> = match wanted {
                0 => revisions.values().map(|revision| &revision.object).collect(),
                number => vec![&revisions.get(&number).ok_or_else(not_found)?.object],
            };
            return print_objects(&chosen, output);
        }
        let text = if revisions.is_empty() {
            "No rollout history found.".to_owned()
        } else if wanted > 0 {
            let mut w = Writer::default();
            template(&mut w, &revisions.get(&wanted).ok_or_else(not_found)?.template);
            w.with_tabs()
        } else {
            overview(&revisions)
        };
        let with = if wanted > 0 { format!("with revision #{wanted}") } else { String::new() };
        Ok(format!("{}/{} {with}\n{text}\n", resource.lower_kind(), name(object)))
    })
}

fn overview(revisions: &BTreeMap<i64, Revision>) -> String {
    let mut text = "REVISION\tCHANGE-CAUSE\n".to_owned();
    for (number, revision) in revisions {
        let cause = if revision.change_cause.is_empty() { "<none>" } else { &revision.change_cause };
        text += &format!("{number}\t{cause}\n");
    }
    TabWriter::DESCRIBE.align(&text)
}

fn print_objects(objects: &[&Value], output: &str) -> Result<String, Error> {
    let texts: Vec<String> = match output {
        "json" => objects.iter().map(|object| go::json(object, "    ") + "\n").collect(),
        "yaml" => return Ok(objects.iter().map(|object| yaml::document(object)).collect::<Vec<_>>().join("---\n")),
        other => {
            let other = quoted(other);
            return Err(Error::client(format!("unable to match a printer suitable for the output format {other}")));
        }
    };
    Ok(texts.concat())
}

fn revisions(resource: &Resource, object: &Value, objects: &Objects) -> Result<BTreeMap<i64, Revision>, Error> {
    match (resource.group, resource.kind) {
        ("apps", "Deployment") => Ok(deployment_revisions(object, objects)),
        ("apps", "DaemonSet" | "StatefulSet") => Ok(set_revisions(object, objects)),
        _ => {
            let kind = if resource.group.is_empty() {
                resource.kind.to_owned()
            } else {
                format!("{}.{}", resource.kind, resource.group)
            };
            Err(Error::client(format!("no history viewer has been implemented for {}", quoted(&kind))))
        }
    }
}

fn deployment_revisions(deployment: &Value, objects: &Objects) -> BTreeMap<i64, Revision> {
    let sets = ReplicaSets::of(deployment, objects);
    let numbered = sets.old.into_iter().chain(sets.new).filter_map(|set| revision_of(set).map(|number| (number, set)));
    let revision = |set: &Value| {
        let mut template = set["spec"]["template"].clone();
        let own = set.entry("metadata.annotations", CHANGE_CAUSE).filter(|cause| !cause.is_empty());
        if let Some(cause) = own {
            template["metadata"]["annotations"][CHANGE_CAUSE] = cause.into();
        }
        let change_cause = template.entry("metadata.annotations", CHANGE_CAUSE).unwrap_or("").to_owned();
        Revision { change_cause, template, object: set.clone() }
    };
    numbered.map(|(number, set)| (number, revision(set))).collect()
}

fn set_revisions(set: &Value, objects: &Objects) -> BTreeMap<i64, Revision> {
    let revision = |history: &Value| {
        let mut object = set.clone();
        apply(&mut object, history.at("data"));
        let change_cause = history.entry("metadata.annotations", CHANGE_CAUSE).unwrap_or("").to_owned();
        Revision { change_cause, template: object["spec"]["template"].clone(), object }
    };
    controller_revisions(set, objects).into_iter().map(|h| (h.int("revision"), revision(h))).collect()
}

/// Applies a strategic merge patch of the shape that revisions have: maps merge, a `$patch: replace` replaces.
fn apply(object: &mut Value, patch: &Value) {
    let (Some(fields), Some(changes)) = (object.as_object_mut(), patch.as_object()) else {
        *object = patch.clone();
        return;
    };
    if patch.text("$patch") == "replace" {
        *fields = changes.clone();
        fields.remove("$patch");
        return;
    }
    for (key, change) in changes {
        match change {
            Value::Null => _ = fields.remove(key),
            change => apply(fields.entry(key.clone()).or_insert(Value::Null), change),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_deployment_is_waited_for_in_stages() {
        let status = |status: Value| {
            let deployment =
                json!({"metadata": {"name": "web", "generation": 2}, "spec": {"replicas": 3}, "status": status});
            deployment_status(&deployment, 0).unwrap_or_else(|error| error.report())
        };
        let rollout = "Waiting for deployment \"web\" rollout to finish: ";
        for (object, expected) in [
            (json!({"observedGeneration": 1}), "Waiting for deployment spec update to be observed...\n".to_owned()),
            (
                json!({"observedGeneration": 2, "updatedReplicas": 1}),
                format!("{rollout}1 out of 3 new replicas have been updated...\n"),
            ),
            (
                json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 5}),
                format!("{rollout}2 old replicas are pending termination...\n"),
            ),
            (
                json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 2}),
                format!("{rollout}2 of 3 updated replicas are available...\n"),
            ),
            (
                json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}),
                "deployment \"web\" successfully rolled out\n".to_owned(),
            ),
            (
                json!({
                    "observedGeneration": 2,
                    "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}],
                }),
                "error: deployment \"web\" exceeded its progress deadline\n".to_owned(),
            ),
        ] {
            assert_eq!(status(object), expected);
        }
    }

    #[test]
    fn a_revision_replaces_the_template() {
        let mut set = json!({"spec": {"replicas": 2, "template": {"spec": {"nodeSelector": {"a": "b"}}}}});
        apply(&mut set, &json!({"spec": {"template": {"$patch": "replace", "spec": {"containers": []}}}}));
        assert_eq!(set, json!({"spec": {"replicas": 2, "template": {"spec": {"containers": []}}}}));
    }
}
