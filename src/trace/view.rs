//! What a fact says of a pod, a node, an event or a runtime, reduced to what reports tell.
//!
//! A view of a live record is made from the store's version, one of a file from the version's JSON; both are the same.

use crate::api::{ConditionStatus, ContainerState, ContainerStatus, Event, Name, Node, Pod, PodSpec, Terminated, Text};
use crate::components::cri::{InstanceState, RuntimePod};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A version of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodView {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: Name,
    /// Why it failed, if the whole pod did.
    pub reason: Name,
    /// Its node; empty until it is bound.
    pub node: Name,
    /// Whether a delete was accepted.
    pub terminating: bool,
    /// Kind and name of the object that manages it.
    pub owner: Option<(Name, Name)>,
    /// The conditions.
    pub conditions: Vec<ConditionView>,
    /// The containers as the spec lists them: init containers first; those that nothing is known of yet wait.
    pub containers: Vec<ContainerView>,
}

/// A condition of a pod or a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConditionView {
    /// What it is about.
    pub kind: Name,
    /// `True`, `False` or `Unknown`.
    pub status: Name,
    /// Why, in one word.
    pub reason: Name,
}

/// What a container is to its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It runs before the others.
    Init,
    /// It starts before the others and runs beside them.
    Sidecar,
    /// What the pod is for.
    Regular,
    /// It was added to look around.
    Ephemeral,
}

/// What is known of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerView {
    /// Its name.
    pub name: Name,
    /// What it is to its pod.
    pub role: Role,
    /// Its image, as the spec names it.
    pub image: Name,
    /// What it is doing.
    pub state: StateView,
    /// How its previous instance ended.
    pub last: Option<EndView>,
    /// Whether it counts for the pod's readiness.
    pub ready: bool,
    /// How often it was started again.
    pub restarts: u32,
}

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateView {
    /// It waits, for this reason.
    Waiting(Name),
    /// It runs.
    Running,
    /// It ended.
    Terminated(EndView),
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndView {
    /// What the process returned, or 128 plus the signal.
    pub exit_code: i32,
    /// Such as `Completed`, `Error`, `OOMKilled`.
    pub reason: Name,
}

/// A version of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its conditions.
    pub conditions: Vec<ConditionView>,
    /// Whether it is cordoned.
    pub unschedulable: bool,
    /// Its taints: key and effect.
    pub taints: Vec<(Name, Name)>,
}

/// A version of a Kubernetes Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    /// `Normal` or `Warning`.
    pub kind: Name,
    /// Why, in one word.
    pub reason: Name,
    /// Why, for people.
    pub message: Text,
    /// Who says so.
    pub component: Name,
    /// The kind of the object that it is about.
    pub about_kind: Name,
    /// That object's namespace.
    pub about_namespace: Name,
    /// That object's name.
    pub about_name: Name,
    /// The part of the object, such as `spec.containers{app}`.
    pub field_path: Name,
    /// How often it was said.
    pub count: u32,
}

/// What a runtime knows of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RuntimeView {
    /// Its sandboxes, newest first: number, and whether it is ready.
    pub sandboxes: Vec<(u32, bool)>,
    /// Its container instances, newest first.
    pub containers: Vec<InstanceView>,
}

/// One instance of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceView {
    /// The container.
    pub name: Name,
    /// How many instances it had before.
    pub attempt: u32,
    /// What it is doing.
    pub state: InstanceState,
    /// When its process began, in nanoseconds; zero if it has not.
    pub started_ns: u64,
    /// When its process ended, in nanoseconds; zero if it has not.
    pub finished_ns: u64,
    /// What its process returned.
    pub exit_code: i32,
    /// The runtime's word for its end.
    pub reason: Name,
}

impl PodView {
    /// The view of a version in the store.
    pub fn of(pod: &Pod) -> Self {
        let status = &pod.status;
        let owner = pod.meta.controller().map(|owner| (owner.kind, owner.name));
        let conditions = status.conditions.iter().map(|condition| {
            let status = condition_status(condition.status);
            ConditionView { kind: condition.kind, status, reason: condition.reason }
        });
        Self {
            phase: Name::new(status.phase.into()),
            reason: status.reason,
            node: pod.node_name,
            terminating: pod.meta.is_terminating(),
            owner,
            conditions: conditions.collect(),
            containers: containers(&pod.spec, pod),
        }
    }

    /// The view of a version's JSON.
    pub fn read(pod: &Value) -> Self {
        let (spec, status, meta) = (&pod["spec"], &pod["status"], &pod["metadata"]);
        let owner = list(&meta["ownerReferences"]).iter().find(|owner| owner["controller"] == true);
        let lists = [
            ("initContainers", "initContainerStatuses"),
            ("containers", "containerStatuses"),
            ("ephemeralContainers", "ephemeralContainerStatuses"),
        ];
        let mut containers = Vec::new();
        for (specs, statuses) in lists {
            for container in list(&spec[specs]) {
                let role = match specs {
                    "initContainers" if container["restartPolicy"] == "Always" => Role::Sidecar,
                    "initContainers" => Role::Init,
                    "containers" => Role::Regular,
                    _ => Role::Ephemeral,
                };
                let known = list(&status[statuses]).iter().find(|known| known["name"] == container["name"]);
                containers.push(ContainerView::read(name(&container["name"]), role, name(&container["image"]), known));
            }
        }
        Self {
            phase: name(&status["phase"]),
            reason: name(&status["reason"]),
            node: name(&spec["nodeName"]),
            terminating: meta["deletionTimestamp"].is_string(),
            owner: owner.map(|owner| (name(&owner["kind"]), name(&owner["name"]))),
            conditions: conditions(&status["conditions"]),
            containers,
        }
    }

    /// Whether a condition is True.
    pub fn is_true(&self, condition: &str) -> bool {
        self.conditions.iter().any(|c| c.kind == condition && c.status == "True")
    }

    /// Whether the phase never changes again.
    pub fn is_terminal(&self) -> bool {
        self.phase == "Succeeded" || self.phase == "Failed"
    }

    /// A container by name.
    pub fn container(&self, name: Name) -> Option<&ContainerView> {
        self.containers.iter().find(|container| container.name == name)
    }

    /// How often its containers were started again, in all.
    pub fn restarts(&self) -> u32 {
        self.containers.iter().map(|container| container.restarts).sum()
    }
}

fn containers(spec: &PodSpec, pod: &Pod) -> Vec<ContainerView> {
    let status = &pod.status;
    let init = spec.init_containers.iter().map(|container| {
        let role = if container.is_sidecar() { Role::Sidecar } else { Role::Init };
        (container, role, &status.init_containers[..])
    });
    let regular = spec.containers.iter().map(|container| (container, Role::Regular, &status.containers[..]));
    let ephemeral = spec.ephemeral_containers.iter();
    let ephemeral = ephemeral.map(|container| (container, Role::Ephemeral, &status.ephemeral_containers[..]));
    init.chain(regular)
        .chain(ephemeral)
        .map(|(container, role, statuses)| {
            let known = statuses.iter().find(|known| known.name == container.name);
            known.map_or_else(
                || ContainerView::unknown(container.name, role, container.image),
                |known| ContainerView::of(known, role, container.image),
            )
        })
        .collect()
}

impl ContainerView {
    const fn new(name: Name, role: Role, image: Name, state: StateView) -> Self {
        Self { name, role, image, state, last: None, ready: false, restarts: 0 }
    }

    fn unknown(name: Name, role: Role, image: Name) -> Self {
        Self::new(name, role, image, StateView::Waiting(Name::default()))
    }

    fn of(status: &ContainerStatus, role: Role, image: Name) -> Self {
        let end = |end: &Terminated| EndView { exit_code: end.exit_code, reason: end.reason };
        let state = match &status.state {
            ContainerState::Waiting { reason, .. } => StateView::Waiting(*reason),
            ContainerState::Running { .. } => StateView::Running,
            ContainerState::Terminated(terminated) => StateView::Terminated(end(terminated)),
        };
        Self {
            last: status.last_state.as_ref().map(end),
            ready: status.ready,
            restarts: status.restart_count,
            ..Self::new(status.name, role, image, state)
        }
    }

    fn read(container: Name, role: Role, image: Name, status: Option<&Value>) -> Self {
        let Some(status) = status else { return Self::unknown(container, role, image) };
        let end = |end: &Value| EndView { exit_code: int(&end["exitCode"]), reason: name(&end["reason"]) };
        let state = &status["state"];
        let state = if state["running"].is_object() {
            StateView::Running
        } else if state["terminated"].is_object() {
            StateView::Terminated(end(&state["terminated"]))
        } else {
            StateView::Waiting(name(&state["waiting"]["reason"]))
        };
        let last = &status["lastState"]["terminated"];
        Self {
            last: last.is_object().then(|| end(last)),
            ready: status["ready"] == true,
            restarts: int(&status["restartCount"]),
            ..Self::new(container, role, image, state)
        }
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.state == StateView::Running
    }
}

impl NodeView {
    /// The view of a version in the store.
    pub fn of(node: &Node) -> Self {
        let conditions = node.status.conditions.iter().map(|condition| {
            let status = condition_status(condition.status);
            ConditionView { kind: condition.kind, status, reason: condition.reason }
        });
        Self {
            conditions: conditions.collect(),
            unschedulable: node.unschedulable,
            taints: node.taints.iter().map(|taint| (taint.key, Name::new(&taint.effect.to_string()))).collect(),
        }
    }

    /// The view of a version's JSON.
    pub fn read(node: &Value) -> Self {
        let spec = &node["spec"];
        Self {
            conditions: conditions(&node["status"]["conditions"]),
            unschedulable: spec["unschedulable"] == true,
            taints: list(&spec["taints"]).iter().map(|taint| (name(&taint["key"]), name(&taint["effect"]))).collect(),
        }
    }

    /// Whether the Ready condition is True.
    pub fn is_ready(&self) -> bool {
        self.conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True")
    }
}

impl EventView {
    /// The view of a version in the store.
    pub fn of(event: &Event) -> Self {
        let about = &event.involved;
        Self {
            kind: Name::new(event.kind.into()),
            reason: event.reason,
            message: event.message.clone(),
            component: event.component,
            about_kind: about.kind,
            about_namespace: about.namespace,
            about_name: about.name,
            field_path: about.field_path,
            count: event.series.map_or(event.count, |(count, _)| count).max(1),
        }
    }

    /// The view of a version's JSON.
    pub fn read(event: &Value) -> Self {
        let about = &event["involvedObject"];
        let count: u32 = int(&event["series"]["count"]);
        Self {
            kind: name(&event["type"]),
            reason: name(&event["reason"]),
            message: event["message"].as_str().unwrap_or_default().into(),
            component: name(&event["reportingComponent"]),
            about_kind: name(&about["kind"]),
            about_namespace: name(&about["namespace"]),
            about_name: name(&about["name"]),
            field_path: name(&about["fieldPath"]),
            count: if count > 0 { count } else { int(&event["count"]) }.max(1),
        }
    }

    /// The container that it is about, if it is about one: the name in braces of its field path.
    pub fn container(&self) -> Option<&'static str> {
        let path = self.field_path.as_str();
        path.strip_suffix('}')?.split_once('{').map(|(_, container)| container)
    }
}

impl RuntimeView {
    /// The view of a snapshot.
    pub fn of(pod: &RuntimePod) -> Self {
        let containers = pod.containers.iter().map(|instance| InstanceView {
            name: instance.name,
            attempt: instance.attempt,
            state: instance.state,
            started_ns: instance.started_at.as_nanos(),
            finished_ns: instance.finished_at.as_nanos(),
            exit_code: instance.exit_code,
            reason: instance.reason,
        });
        Self {
            sandboxes: pod.sandboxes.iter().map(|sandbox| (sandbox.attempt, sandbox.ready)).collect(),
            containers: containers.collect(),
        }
    }
}

impl InstanceView {
    /// Whether its process began.
    pub fn has_started(&self) -> bool {
        self.state == InstanceState::Running || self.state == InstanceState::Exited && self.started_ns > 0
    }
}

fn condition_status(status: ConditionStatus) -> Name {
    Name::new(match status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    })
}

fn conditions(value: &Value) -> Vec<ConditionView> {
    let read = |condition: &Value| ConditionView {
        kind: name(&condition["type"]),
        status: name(&condition["status"]),
        reason: name(&condition["reason"]),
    };
    list(value).iter().map(read).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn name(value: &Value) -> Name {
    value.as_str().map_or_else(Name::default, Name::new)
}

fn int<T: TryFrom<i64> + Default>(value: &Value) -> T {
    value.as_i64().and_then(|number| T::try_from(number).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Object, lower, render};
    use serde_json::json;

    fn pod(spec: Value, status: Value) -> Object {
        let metadata = json!({"name": "web", "namespace": "default", "deletionTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "u", "controller": true}]});
        lower(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}))
            .expect("a pod")
            .object
    }

    #[test]
    fn a_pod_looks_the_same_from_the_store_and_from_a_file() {
        let terminated = json!({"exitCode": 137, "reason": "OOMKilled"});
        let spec = json!({"nodeName": "n", "containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}],
            "initContainers": [{"name": "s", "image": "i", "restartPolicy": "Always"}, {"name": "i", "image": "i"}]});
        let status = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "reason": "No"}],
            "containerStatuses": [
                {"name": "a", "image": "i", "imageID": "", "ready": true, "restartCount": 2,
                 "state": {"running": {"startedAt": "2026-01-01T00:00:01Z"}}, "lastState": {"terminated": terminated}},
                {"name": "b", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                 "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {}}]});
        let object = pod(spec, status);
        let Object::Pod(record) = &object else { panic!("a pod") };
        let view = PodView::of(record);
        assert_eq!(view, PodView::read(&render(&object)));
        let states: Vec<(Role, StateView)> = view.containers.iter().map(|c| (c.role, c.state)).collect();
        assert_eq!(
            states,
            [
                (Role::Sidecar, StateView::Waiting(Name::default())),
                (Role::Init, StateView::Waiting(Name::default())),
                (Role::Regular, StateView::Running),
                (Role::Regular, StateView::Waiting(Name::new("CrashLoopBackOff"))),
            ]
        );
        assert_eq!(view.restarts(), 2);
    }

    #[test]
    fn field_paths_name_containers() {
        let mut event = EventView::read(&json!({"involvedObject": {"fieldPath": "spec.initContainers{app}"}}));
        assert_eq!(event.container(), Some("app"));
        event.field_path = Name::default();
        assert_eq!(event.container(), None);
    }
}
