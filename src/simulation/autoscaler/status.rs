//! The ConfigMap `kube-system/cluster-autoscaler-status`: how the autoscaler sees the cluster, for people.
//!
//! Follows `cluster-autoscaler/clusterstate/clusterstate.go` (`GetStatus`) for what it says and
//! `cluster-autoscaler/clusterstate/utils/status.go` (`WriteStatusConfigMap`) for how, of version 1.36. The real one is
//! written with every look at the cluster, every ten seconds; here only when it says something else than before
//! apart from the times of the looks (`time`, `lastProbeTime`), or when somebody else has changed or deleted it. So
//! those times are those of the last look that saw something new. Left out: nodes that are suspended.

use super::{Cluster, STARTS};
use crate::api::{
    ConfigMap, Kind, List, Metadata, Name, Node, Object, ObjectReference, Part, Request, Text, Timestamp, WallTime,
    names,
};
use crate::components::message::Message;
use crate::engine::{Outbox, SimTime};
use crate::scenario::plan::NodeGroup;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

names! {
    NAMESPACE = "kube-system";
    NAME = "cluster-autoscaler-status";
    LAST_UPDATED = "cluster-autoscaler.kubernetes.io/last-updated";
    STATUS = "status";
}

/// What the autoscaler remembers of what it wrote.
#[derive(Debug, Clone, Default)]
pub(super) struct StatusMap {
    /// What it said, without the times of looks.
    said: String,
    /// The text that was written.
    written: Text,
    /// Since when each condition of the cluster (without a name) and of each group is as it is.
    since: BTreeMap<(Name, Condition), (&'static str, Timestamp)>,
    /// When machines that could go were last looked for.
    pub(super) looked_down: Option<SimTime>,
}

/// What the status tells of a group, and of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    Health,
    ScaleUp,
    ScaleDown,
}

/// How many machines are in which state (`Readiness`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Readiness {
    registered: usize,
    ready: usize,
    not_started: usize,
    being_deleted: usize,
    unready: usize,
    unregistered: usize,
    long_unregistered: usize,
}

impl Readiness {
    fn counts(self) -> Value {
        let mut registered = json!({
            "notStarted": self.not_started,
            "ready": self.ready,
            "suspended": 0,
            "total": self.registered,
            "unready": {"resourceUnready": 0, "total": self.unready},
        });
        if self.being_deleted > 0 {
            registered["beingDeleted"] = self.being_deleted.into();
        }
        json!({
            "longUnregistered": self.long_unregistered,
            "registered": registered,
            "unregistered": self.unregistered,
        })
    }
}

/// The times of a status: of the look, and of the last look for machines that could go.
#[derive(Clone, Copy)]
struct Times {
    now: WallTime,
    looked_down: Option<Timestamp>,
}

impl Cluster {
    /// The autoscaler starts: it says so, before it has looked.
    pub(super) fn announce_autoscaler(&mut self, out: &mut Outbox<Message>) {
        let now = self.server.clock().at(SimTime::ZERO);
        let unknown = json!({"lastProbeTime": null, "lastTransitionTime": null});
        let mut health = unknown.clone();
        health["nodeCounts"] = Readiness::default().counts();
        let status = json!({
            "autoscalerStatus": "Initializing",
            "clusterWide": {"health": health, "scaleDown": unknown, "scaleUp": unknown},
            "time": written(now),
        });
        self.write_status_map(now, &yaml(&status), out);
    }

    /// The ConfigMap, as events are about it.
    pub(super) fn status_map(&self) -> ObjectReference {
        match self.server.store().config_maps.find(*NAMESPACE, *NAME) {
            Some(map) => Object::ConfigMap(map.clone()).reference(),
            None => ObjectReference {
                kind: Kind::ConfigMap.name(),
                api_version: Kind::ConfigMap.api_version(),
                namespace: *NAMESPACE,
                name: *NAME,
                ..ObjectReference::default()
            },
        }
    }

    /// Writes the status, if it says something new; returns whether it is written.
    pub(super) fn update_status_map(&mut self, now: SimTime, out: &mut Outbox<Message>) -> bool {
        let wall = self.server.clock().at(now);
        let looked_down = self.autoscaler.status.looked_down.map(|at| self.server.clock().at(at).truncated());
        let status = self.status(now, Times { now: wall, looked_down });
        let mut said = status.clone();
        forget_looks(&mut said);
        let said = said.to_string();
        let map = self.server.store().config_maps.find(*NAMESPACE, *NAME);
        let have = map.and_then(|map| map.data.iter().find(|(key, _)| *key == *STATUS)).map(|(_, text)| text);
        let is_there = have == Some(&self.autoscaler.status.written);
        if is_there && said == self.autoscaler.status.said {
            return true;
        }
        self.autoscaler.status.said = said;
        self.write_status_map(wall, &yaml(&status), out);
        false
    }

    fn write_status_map(&mut self, now: WallTime, text: &str, out: &mut Outbox<Message>) {
        let text = Text::from(text);
        self.autoscaler.status.written = text.clone();
        let data: List<(Name, Text)> = [(*STATUS, text)].into_iter().collect();
        let stored = self.server.store().config_maps.find(*NAMESPACE, *NAME).cloned();
        let is_new = stored.is_none();
        let mut map = stored.map_or_else(
            || ConfigMap {
                meta: Metadata { namespace: *NAMESPACE, name: *NAME, ..Metadata::default() },
                data: List::EMPTY,
                source: Text::default(),
            },
            Arc::unwrap_or_clone,
        );
        map.data = map.data.iter().filter(|(key, _)| *key != *STATUS).chain(&data).cloned().collect();
        map.meta.annotations = map.meta.annotations.with(*LAST_UPDATED, Name::new(&written(now)));
        let object = Object::ConfigMap(Arc::new(map));
        let request = if is_new { Request::Create(object) } else { Request::Update { object, part: Part::Main } };
        self.autoscaler_calls(request, out);
    }

    /// What there is to be told, and since when.
    fn status(&mut self, now: SimTime, times: Times) -> Value {
        let plan = self.plan.clone();
        let mut raising = false;
        let mut candidates = 0;
        let mut groups = Vec::new();
        for group in &plan.groups {
            let readiness = self.readiness_of(now, group);
            let size = self.autoscaler.size(group);
            let is_healthy = self.is_group_healthy(group, size, readiness);
            let is_raised = self.autoscaler.backoffs.is_raised(group.name)
                && size > readiness.ready + readiness.unready + readiness.long_unregistered;
            raising |= is_raised;
            let mut health = self.condition(group.name, Condition::Health, healthy(is_healthy), times);
            health.insert("nodeCounts".into(), readiness.counts());
            health.insert("cloudProviderTarget".into(), size.into());
            health.insert("minSize".into(), group.min.into());
            health.insert("maxSize".into(), group.machines.len().into());
            let failure = self.autoscaler.backoffs.failure(now, group.name);
            let growth = match (is_raised, is_healthy, failure) {
                (true, _, _) => "InProgress",
                (false, false, _) => "Unhealthy",
                (false, true, Some(_)) => "Backoff",
                (false, true, None) => "NoActivity",
            };
            let mut up = self.condition(group.name, Condition::ScaleUp, growth, times);
            let why = failure.filter(|_| growth == "Backoff").map_or_else(
                || json!({}),
                |took| {
                    let message = format!("Scale-up timed out for node group {} after {took}", group.name);
                    json!({"errorCode": "timeout", "errorMessage": message})
                },
            );
            up.insert("backoffInfo".into(), why);
            let unneeded = group.machines.iter().filter(|name| self.autoscaler.unneeded.contains_key(*name)).count();
            candidates += unneeded;
            let down = self.scale_down_condition(group.name, unneeded, times);
            groups.push(json!({"name": group.name.as_str(), "health": health, "scaleUp": up, "scaleDown": down}));
        }
        let all = Name::default();
        let is_healthy = self.is_healthy(now);
        let mut health = self.condition(all, Condition::Health, healthy(is_healthy), times);
        health.insert("nodeCounts".into(), self.total_readiness(now).counts());
        let growth = if raising { "InProgress" } else { "NoActivity" };
        let up = self.condition(all, Condition::ScaleUp, growth, times);
        let down = self.scale_down_condition(all, candidates, times);
        json!({
            "autoscalerStatus": "Running",
            "clusterWide": {"health": health, "scaleUp": up, "scaleDown": down},
            "nodeGroups": groups,
            "time": written(times.now),
        })
    }

    fn scale_down_condition(&mut self, of: Name, candidates: usize, times: Times) -> Map<String, Value> {
        let status = if candidates > 0 { "CandidatesPresent" } else { "NoCandidates" };
        let probed = times.looked_down.map_or(Value::Null, |at| at.to_string().into());
        let mut condition = self.condition(of, Condition::ScaleDown, status, times);
        condition.insert("lastProbeTime".into(), probed);
        if candidates > 0 {
            condition.insert("candidates".into(), candidates.into());
        }
        condition
    }

    fn condition(&mut self, of: Name, kind: Condition, status: &'static str, times: Times) -> Map<String, Value> {
        let now = times.now.truncated();
        let since = self.autoscaler.status.since.entry((of, kind)).or_insert((status, now));
        if since.0 != status {
            *since = (status, now);
        }
        let mut fields = Map::new();
        fields.insert("status".into(), status.into());
        fields.insert("lastProbeTime".into(), now.to_string().into());
        fields.insert("lastTransitionTime".into(), since.1.to_string().into());
        fields
    }

    fn readiness_of(&self, now: SimTime, group: &NodeGroup) -> Readiness {
        let nodes = &self.server.store().nodes;
        let mut readiness = Readiness::default();
        for name in &group.machines {
            if let Some(node) = nodes.find(Name::default(), *name) {
                self.count(now, node, &mut readiness);
            }
        }
        self.count_unregistered(now, group, &mut readiness);
        readiness
    }

    fn total_readiness(&self, now: SimTime) -> Readiness {
        let mut readiness = Readiness::default();
        self.server.store().nodes.iter().for_each(|node| self.count(now, node, &mut readiness));
        self.plan.groups.iter().for_each(|group| self.count_unregistered(now, group, &mut readiness));
        readiness
    }

    /// Counts a node (`updateReadinessStats`).
    fn count(&self, now: SimTime, node: &Node, readiness: &mut Readiness) {
        let stamp = self.server.clock().at(now).truncated();
        let is_young = stamp.unix_secs() - node.meta.creation_timestamp.unix_secs() < STARTS.as_secs() as i64;
        readiness.registered += 1;
        let counter = if self.is_given_back(node.meta.name) {
            &mut readiness.being_deleted
        } else if node.is_ready() {
            &mut readiness.ready
        } else if is_young {
            &mut readiness.not_started
        } else {
            &mut readiness.unready
        };
        *counter += 1;
    }

    fn count_unregistered(&self, now: SimTime, group: &NodeGroup, readiness: &mut Readiness) {
        for name in group.machines.iter().filter(|name| self.autoscaler.unregistered.contains_key(*name)) {
            let long = self.is_long_unregistered(now, *name);
            *(if long { &mut readiness.long_unregistered } else { &mut readiness.unregistered }) += 1;
        }
    }

    /// Whether a group has about the nodes that it should have (`IsNodeGroupHealthy`).
    fn is_group_healthy(&self, group: &NodeGroup, size: usize, readiness: Readiness) -> bool {
        let Readiness { ready, unready, not_started, long_unregistered, .. } = readiness;
        let coming = if self.autoscaler.backoffs.is_raised(group.name) {
            size.saturating_sub(ready + unready + long_unregistered)
        } else {
            0
        };
        let least = size.saturating_sub(long_unregistered + coming);
        let missing = least.saturating_sub(ready);
        missing <= super::UNREADY.0 || missing * 100 <= super::UNREADY.1 * (ready + unready + not_started)
    }
}

const fn healthy(is_healthy: bool) -> &'static str {
    if is_healthy { "Healthy" } else { "Unhealthy" }
}

/// Takes the times of looks out of a status.
fn forget_looks(status: &mut Value) {
    match status {
        Value::Object(fields) => {
            fields.retain(|key, _| key != "time" && key != "lastProbeTime");
            fields.values_mut().for_each(forget_looks);
        }
        Value::Array(elements) => elements.iter_mut().for_each(forget_looks),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A time as the status and its annotation write it (`ConfigMapLastUpdateFormat`).
fn written(now: WallTime) -> String {
    let whole = now.truncated();
    let nanos = now.unix_nanos() - whole.wall().unix_nanos();
    let fraction = if nanos == 0 { String::new() } else { format!(".{nanos:09}").trim_end_matches('0').to_owned() };
    let seconds = whole.to_string().replace('T', " ");
    format!("{}{fraction} +0000 UTC", seconds.trim_end_matches('Z'))
}

/// A status as YAML, its fields in order, as `sigs.k8s.io/yaml` writes it.
fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write_yaml(value, 0, &mut text);
    text
}

fn write_yaml(value: &Value, indent: usize, text: &mut String) {
    let Value::Object(fields) = value else { return };
    let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    for (key, value) in fields {
        text.push_str(&" ".repeat(indent));
        text.push_str(key);
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                text.push_str(":\n");
                write_yaml(value, indent + 2, text);
            }
            Value::Array(elements) => {
                text.push_str(":\n");
                for element in elements {
                    let start = text.len() + indent;
                    write_yaml(element, indent + 2, text);
                    text.replace_range(start..start + 2, "- ");
                }
            }
            Value::String(string) if is_ambiguous(string) => text.push_str(&format!(": {string:?}\n")),
            Value::String(string) => text.push_str(&format!(": {string}\n")),
            Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {
                text.push_str(&format!(": {value}\n"));
            }
        }
    }
}

/// Whether a string would be read as something else without quotes.
fn is_ambiguous(string: &str) -> bool {
    let is_time = string.ends_with('Z') && string.starts_with(|c: char| c.is_ascii_digit());
    is_time || string.is_empty() || string.parse::<f64>().is_ok() || matches!(string, "true" | "false" | "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_as_yaml() {
        let status = json!({"time": "2026-01-01 00:00:10 +0000 UTC", "groups": [{"b": {}, "a": 1}, {"c": {"d": null}}],
            "at": "2026-01-01T00:00:10Z"});
        let expected = "at: \"2026-01-01T00:00:10Z\"\ngroups:\n- a: 1\n  b: {}\n- c:\n    d: null\n\
                        time: 2026-01-01 00:00:10 +0000 UTC\n";
        assert_eq!(yaml(&status), expected);
    }

    #[test]
    fn times_lose_the_zeros_of_their_fraction() {
        for (nanos, text) in [(0, ""), (500_000_000, ".5"), (1, ".000000001")] {
            let now = WallTime::from_unix_nanos(1_767_225_600_000_000_000 + nanos);
            assert_eq!(written(now), format!("2026-01-01 00:00:00{text} +0000 UTC"));
        }
    }
}
