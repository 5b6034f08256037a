//! A recording: what a client that watches everything, and one that sits beside every container runtime, would have
//! seen; a JSON line a fact, in the layout of the recordings of real clusters.

use super::condense::condensed;
use super::workload;
use crate::api::{
    Change, ChangeKind, Condition, ContainerState, ContainerStatus, Event, Name, Node, Object, Pod, Terminated,
    Timestamp, WallClock,
};
use crate::components::cri::{CriCall, CriReply, CriResult, InstanceState, PodKey, RuntimePod};
use crate::components::message::{Message, NodeIndex};
use crate::engine::{SimDuration, SimTime};
use crate::simulation::{Cluster, Trace};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How much later than a write its notification is received and stamped.
const RECEIPT: SimDuration = SimDuration::from_millis(1);

/// Lines of a recording under way.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    lines: Vec<(u64, usize, String)>,
    /// Calls to runtimes that are not answered: when they began, and what is to be written of them.
    calls: BTreeMap<(NodeIndex, u32), (SimTime, Map<String, Value>)>,
    /// What was last known of each pod by its runtime.
    runtime: BTreeMap<(NodeIndex, PodKey), Arc<RuntimePod>>,
    /// The name and identity of each pod by its runtime's key.
    pods: BTreeMap<(NodeIndex, PodKey), (Name, String)>,
    /// What was last written of each node: a heartbeat is no news.
    nodes: BTreeMap<Name, Map<String, Value>>,
    /// Containers that were sent a stop signal: another one is no news.
    signalled: BTreeSet<crate::api::ContainerId>,
}

impl Recording {
    /// A recording of a case, begun.
    pub fn new(case: &str, duration: SimDuration, repeat: u64, cluster: &Cluster) -> Self {
        let mut recording = Self::default();
        let meta = json!({"t_ms": 0, "kind": "meta", "case": case, "duration_ms": duration.as_millis(),
            "isolation": "simulated", "kubernetes": "v1.36.2", "repeat": repeat});
        recording.line(SimTime::ZERO, meta);
        for node in cluster.server().store().nodes.iter() {
            let mut line = node_line(node, cluster.server().clock());
            recording.nodes.insert(node.meta.name, line.clone());
            line.insert("type".into(), "SNAPSHOT".into());
            recording.line(SimTime::ZERO, Value::Object(line));
        }
        recording
    }

    /// The lines in order of time. A call that is not over has none: the recorder writes it when it ends.
    pub fn into_lines(mut self) -> Vec<String> {
        self.lines.sort();
        condensed(self.lines.into_iter().map(|(_, _, line)| line).collect())
    }

    fn line(&mut self, at: SimTime, mut line: Value) {
        let t_ms = at.as_millis();
        line["t_ms"] = t_ms.into();
        let place = self.lines.len();
        self.lines.push((t_ms, place, line.to_string()));
    }

    fn begin_call(&mut self, now: SimTime, node: NodeIndex, id: u32, call: &CriCall, cluster: &Cluster) {
        let Some((name, key)) = call_name(call) else { return };
        let mut line = Map::new();
        line.insert("kind".into(), "cri".into());
        line.insert("call".into(), name.into());
        line.insert("node".into(), cluster.node_name(node).as_str().into());
        if let CriCall::RunPodSandbox { pod, key, .. } = call {
            let uid = pod.meta.uid.to_string()[..8].to_owned();
            self.pods.insert((node, *key), (pod.meta.name, uid));
        }
        if let Some((pod, uid)) = key.and_then(|key| self.pods.get(&(node, key))) {
            line.insert("pod".into(), pod.as_str().into());
            line.insert("uid".into(), uid.as_str().into());
        }
        self.describe_call(node, call, &mut line);
        if let CriCall::StopContainer { key, container, .. } = call {
            self.signal(now, node, *key, *container, &line);
        }
        self.calls.insert((node, id), (now, line));
    }

    fn describe_call(&self, node: NodeIndex, call: &CriCall, line: &mut Map<String, Value>) {
        let mut set = |field: &str, value: Value| {
            line.insert(field.to_owned(), value);
        };
        let instance = |key: &PodKey, id: &crate::api::ContainerId| {
            let pod = self.runtime.get(&(node, *key))?;
            pod.containers.iter().find(|instance| instance.id == *id)
        };
        match call {
            CriCall::RunPodSandbox { attempt, .. } => set("sandbox_attempt", (*attempt).into()),
            CriCall::StopPodSandbox { key, sandbox } | CriCall::RemovePodSandbox { key, sandbox } => {
                let pod = self.runtime.get(&(node, *key));
                let found = pod.and_then(|pod| pod.sandboxes.iter().find(|found| found.id == *sandbox));
                set("sandbox_attempt", found.map_or(0, |found| found.attempt).into());
            }
            CriCall::PullImage { image, .. } | CriCall::RemoveImage { image } => set("image", image.as_str().into()),
            CriCall::CreateContainer { config, .. } => {
                set("container", config.name.as_str().into());
                set("attempt", config.attempt.into());
                set("image", config.image.as_str().into());
            }
            CriCall::StartContainer { key, container }
            | CriCall::StopContainer { key, container, .. }
            | CriCall::RemoveContainer { key, container }
            | CriCall::ExecSync { key, container, .. }
            | CriCall::UpdateContainerResources { key, container, .. } => {
                if let Some(instance) = instance(key, container) {
                    set("container", instance.name.as_str().into());
                    set("attempt", instance.attempt.into());
                }
                if let CriCall::StopContainer { timeout, .. } = call {
                    set("timeout_s", timeout.as_secs().into());
                }
                if let CriCall::ExecSync { command, timeout, .. } = call {
                    let words: Vec<&str> = command.iter().map(|word| &**word).collect();
                    set("command", words.join(" ").into());
                    set("timeout_s", timeout.as_secs().into());
                }
            }
            CriCall::ImageStatus { .. }
            | CriCall::PodSandboxStats { .. }
            | CriCall::UpdatePodSandboxResources { .. } => {}
        }
    }

    fn signal(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        key: PodKey,
        id: crate::api::ContainerId,
        stop: &Map<String, Value>,
    ) {
        let runs = self
            .runtime
            .get(&(node, key))
            .is_some_and(|pod| pod.containers.iter().any(|c| c.id == id && c.state == InstanceState::Running));
        if runs && self.signalled.insert(id) {
            let mut line = stop.clone();
            line.remove("timeout_s");
            line.insert("call".into(), "ContainerSignal".into());
            line.insert("signal".into(), "TERM".into());
            self.line(now, Value::Object(line));
        }
    }

    fn end_call(&mut self, now: SimTime, node: NodeIndex, id: u32, result: &CriResult) {
        let Some((began, mut line)) = self.calls.remove(&(node, id)) else { return };
        line.insert("dur_ms".into(), now.since(began).as_millis().into());
        match result {
            Ok(CriReply::Exec { exit_code, .. }) => {
                line.insert("exit_code".into(), (*exit_code).into());
            }
            Ok(_) => {}
            Err(error) => {
                line.insert("code".into(), error.code.as_str().into());
                line.insert("error".into(), (*error.message).into());
            }
        }
        self.line(began, Value::Object(line));
    }

    /// The runtime's knowledge of a pod changed: processes that ended are told of.
    fn runtime_changed(&mut self, now: SimTime, node: NodeIndex, pod: &Arc<RuntimePod>, cluster: &Cluster) {
        let before = self.runtime.insert((node, pod.key), pod.clone());
        for instance in &pod.containers {
            let ran = before.as_ref().is_some_and(|before| {
                before.containers.iter().any(|c| c.id == instance.id && c.state == InstanceState::Running)
            });
            if !ran || instance.state != InstanceState::Exited {
                continue;
            }
            let (name, uid) = self.pods.get(&(node, pod.key)).cloned().unwrap_or_default();
            let line = json!({"kind": "cri", "call": "ContainerExit", "node": cluster.node_name(node).as_str(),
                "pod": name.as_str(), "uid": uid, "container": instance.name.as_str(), "attempt": instance.attempt,
                "exit_code": instance.exit_code, "reason": instance.reason.as_str(),
                "ran_ms": instance.finished_at.since(instance.started_at).as_millis()});
            self.line(now, line);
        }
    }
}

impl Trace for Recording {
    fn delivered(&mut self, now: SimTime, _seq: u64, message: &Message, cluster: &Cluster) {
        match message {
            Message::Cri { node, id, call } if cluster.is_asked(*node, *id) => {
                self.begin_call(now, *node, *id, call, cluster);
            }
            Message::CriDone { node, id, result } => self.end_call(now, *node, *id, result),
            Message::RuntimeChanged { node, pod } => self.runtime_changed(now, *node, pod, cluster),
            _ => {}
        }
    }

    fn changed(&mut self, now: SimTime, _cause: u64, change: &Change, cluster: &Cluster) {
        let clock = cluster.server().clock();
        let mut line = match &change.object {
            Object::Pod(pod) => pod_line(pod, clock),
            Object::Event(event) => event_line(event, clock),
            Object::Node(node) => {
                let line = node_line(node, clock);
                let before = self.nodes.insert(node.meta.name, line.clone());
                if change.kind == ChangeKind::Modified && before.as_ref() == Some(&line) {
                    return;
                }
                line
            }
            object => match workload::line(object, clock) {
                Some(line) => line,
                None => return,
            },
        };
        line.insert("type".into(), change.kind.as_str().into());
        self.line(now + RECEIPT, Value::Object(line));
    }
}

/// The recorded name of a call, and the pod that it is about; polling calls have none.
fn call_name(call: &CriCall) -> Option<(&'static str, Option<PodKey>)> {
    Some(match call {
        CriCall::RunPodSandbox { key, .. } => ("RunPodSandbox", Some(*key)),
        CriCall::StopPodSandbox { key, .. } => ("StopPodSandbox", Some(*key)),
        CriCall::RemovePodSandbox { key, .. } => ("RemovePodSandbox", Some(*key)),
        CriCall::PullImage { key, .. } => ("PullImage", Some(*key)),
        CriCall::RemoveImage { .. } => ("RemoveImage", None),
        CriCall::CreateContainer { key, .. } => ("CreateContainer", Some(*key)),
        CriCall::StartContainer { key, .. } => ("StartContainer", Some(*key)),
        CriCall::StopContainer { key, .. } => ("StopContainer", Some(*key)),
        CriCall::RemoveContainer { key, .. } => ("RemoveContainer", Some(*key)),
        CriCall::ExecSync { key, .. } => ("ExecSync", Some(*key)),
        CriCall::UpdateContainerResources { key, .. } => ("UpdateContainerResources", Some(*key)),
        CriCall::UpdatePodSandboxResources { key, .. } => ("UpdatePodSandboxResources", Some(*key)),
        CriCall::ImageStatus { .. } | CriCall::PodSandboxStats { .. } => return None,
    })
}

/// Builds a line from fields that are there.
struct Line {
    fields: Map<String, Value>,
    clock: WallClock,
}

impl Line {
    fn new(kind: &str, name: Name, clock: WallClock) -> Self {
        let mut fields = Map::new();
        fields.insert("kind".into(), kind.into());
        fields.insert("name".into(), name.as_str().into());
        Self { fields, clock }
    }

    fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.fields.insert(field.to_owned(), value.into());
    }

    fn text(&mut self, field: &str, text: &str) {
        if !text.is_empty() {
            self.set(field, text);
        }
    }

    fn time(&mut self, field: &str, stamp: Option<Timestamp>) {
        if let Some(stamp) = stamp {
            self.set(field, self.clock.millis_since_start(stamp));
        }
    }
}

fn pod_line(pod: &Pod, clock: WallClock) -> Map<String, Value> {
    let mut line = Line::new("pod", pod.meta.name, clock);
    let (meta, status) = (&pod.meta, &pod.status);
    line.set("uid", meta.uid.to_string()[..8].to_owned());
    line.set("phase", status.phase.to_string());
    line.set("generation", meta.generation);
    line.set("resourceVersion", meta.resource_version.to_string());
    line.set("qosClass", status.qos_class.to_string());
    line.text("reason", &status.reason);
    line.text("message", &status.message);
    line.text("nodeName", &pod.node_name);
    line.time("deletionTimestamp", meta.deletion_timestamp);
    line.time("startTime", status.start_time);
    if let Some(grace) = meta.deletion_grace_period {
        line.set("deletionGracePeriodSeconds", grace);
    }
    if !meta.finalizers.is_empty() {
        line.set("finalizers", names(&meta.finalizers));
    }
    if !meta.owner_references.is_empty() {
        let owners: Vec<Value> =
            meta.owner_references.iter().map(|owner| format!("{}/{}", owner.kind, owner.name).into()).collect();
        line.set("owners", owners);
    }
    if !status.conditions.is_empty() {
        line.set("conditions", conditions(&status.conditions, clock));
    }
    for (field, statuses) in [
        ("initContainerStatuses", &status.init_containers),
        ("containerStatuses", &status.containers),
        ("ephemeralContainerStatuses", &status.ephemeral_containers),
    ] {
        if !statuses.is_empty() {
            let list: Vec<Value> = statuses.iter().map(|status| container(status, clock)).collect();
            line.set(field, list);
        }
    }
    line.fields
}

fn names(list: &[Name]) -> Vec<Value> {
    list.iter().map(|name| name.as_str().into()).collect()
}

fn conditions(list: &[Condition], clock: WallClock) -> Vec<Value> {
    let one = |condition: &Condition| {
        let mut value = json!({"type": condition.kind.as_str(), "status": condition.status.to_string(),
            "lastTransitionTime": clock.millis_since_start(condition.last_transition_time)});
        for (field, text) in [("reason", condition.reason.as_str()), ("message", &*condition.message)] {
            if !text.is_empty() {
                value[field] = text.into();
            }
        }
        if condition.observed_generation > 0 {
            value["observedGeneration"] = condition.observed_generation.into();
        }
        value
    };
    list.iter().map(one).collect()
}

fn container(status: &ContainerStatus, clock: WallClock) -> Value {
    let mut value = json!({"name": status.name.as_str(), "image": status.image.as_str(), "ready": status.ready,
        "restartCount": status.restart_count});
    if let Some(started) = status.started {
        value["started"] = started.into();
    }
    if !status.container_id.is_none() {
        value["containerID"] = status.container_id.to_string()[..8].into();
    }
    value["state"] = match &status.state {
        ContainerState::Waiting { reason, message } => {
            let mut waiting = Map::new();
            for (field, text) in [("reason", reason.as_str()), ("message", &**message)] {
                if !text.is_empty() {
                    waiting.insert(field.to_owned(), text.into());
                }
            }
            json!({"waiting": waiting})
        }
        ContainerState::Running { started_at } => {
            json!({"running": {"startedAt": clock.millis_since_start(*started_at)}})
        }
        ContainerState::Terminated(end) => json!({"terminated": terminated(end, clock)}),
    };
    if let Some(last) = &status.last_state {
        value["lastState"] = json!({"terminated": terminated(last, clock)});
    }
    value
}

fn terminated(end: &Terminated, clock: WallClock) -> Value {
    let mut value = json!({"exitCode": end.exit_code});
    for (field, text) in [("reason", end.reason.as_str()), ("message", &*end.message)] {
        if !text.is_empty() {
            value[field] = text.into();
        }
    }
    for (field, stamp) in [("startedAt", end.started_at), ("finishedAt", end.finished_at)] {
        if let Some(stamp) = stamp {
            value[field] = clock.millis_since_start(stamp).into();
        }
    }
    value
}

fn event_line(event: &Event, clock: WallClock) -> Map<String, Value> {
    let mut line = Line::new("event", event.meta.name, clock);
    line.set("reason", event.reason.as_str());
    line.set("eventType", event.kind.to_string());
    line.set("component", event.component.as_str());
    line.text("host", &event.host);
    line.set("message", &*event.message);
    let mut involved = json!({"kind": event.involved.kind.as_str(), "name": event.involved.name.as_str()});
    if !event.involved.field_path.is_empty() {
        involved["fieldPath"] = event.involved.field_path.as_str().into();
    }
    line.set("involvedObject", involved);
    if event.event_time.is_none() {
        line.set("count", event.count);
    }
    if let Some((count, _)) = event.series {
        line.set("series", json!({"count": count}));
    }
    line.time("firstTimestamp", event.first_timestamp);
    line.time("lastTimestamp", event.last_timestamp);
    line.fields
}

fn node_line(node: &Node, clock: WallClock) -> Map<String, Value> {
    let mut line = Line::new("node", node.meta.name, clock);
    let labels: Map<String, Value> =
        node.meta.labels.iter().map(|(key, value)| (key.to_string(), value.as_str().into())).collect();
    line.set("labels", labels);
    line.set("conditions", conditions(&node.status.conditions, clock));
    if !node.taints.is_empty() {
        let taint = |taint: &crate::api::Taint| {
            let mut value = json!({"key": taint.key.as_str(), "effect": taint.effect.to_string()});
            if !taint.value.is_empty() {
                value["value"] = taint.value.as_str().into();
            }
            value
        };
        line.set("taints", node.taints.iter().map(taint).collect::<Vec<Value>>());
    }
    if node.unschedulable {
        line.set("unschedulable", true);
    }
    line.fields
}
