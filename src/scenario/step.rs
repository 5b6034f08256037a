//! Timed actions as a scenario writes them: the verbs of kubectl, and what happens to machines.

mod made;

pub use made::{Copy, Exec, Expose, RemoveFinalizers, Restart, Run, Undo};

use super::file::Manifest;
use super::outline::Placed;
use crate::engine::SimDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Something that is done at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimedStep {
    /// When, since the start.
    pub at: Placed<SimDuration>,
    /// What.
    #[serde(rename = "do")]
    pub verb: Verb,
    /// Again and again, so far apart, until the end or as often as `times` says.
    #[serde(default)]
    pub every: Option<Placed<SimDuration>>,
    /// How often in all.
    #[serde(default)]
    pub times: Option<u32>,
}

/// What is done. Objects are named as kubectl takes them: `pod/web`, `deploy/web`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Verb {
    /// `kubectl apply -f`.
    Apply(Manifest),
    /// `kubectl create -f`.
    Create(Manifest),
    /// `kubectl delete`.
    Delete(Delete),
    /// `kubectl run`.
    Run(Run),
    /// `kubectl expose`.
    Expose(Expose),
    /// `kubectl patch`, and what `kubectl edit` sends.
    Patch(Patch),
    /// `kubectl patch` that takes every finalizer away.
    RemoveFinalizers(RemoveFinalizers),
    /// `kubectl scale`.
    Scale(Scale),
    /// `kubectl set image`.
    SetImage(SetImage),
    /// `kubectl rollout restart`.
    RolloutRestart(Of),
    /// `kubectl rollout undo`.
    RolloutUndo(Undo),
    /// `kubectl rollout pause`.
    RolloutPause(Of),
    /// `kubectl rollout resume`.
    RolloutResume(Of),
    /// `kubectl label`.
    Label(Mark),
    /// `kubectl annotate`.
    Annotate(Mark),
    /// `kubectl cordon`.
    Cordon(OnNode),
    /// `kubectl uncordon`.
    Uncordon(OnNode),
    /// `kubectl drain`.
    Drain(Drain),
    /// `kubectl taint`, to add.
    Taint(TaintNode),
    /// `kubectl taint`, to remove: `key:Effect` or `key`.
    Untaint(TaintNode),
    /// One call of the eviction API.
    Evict(Evict),
    /// `kubectl exec`.
    Exec(Exec),
    /// `kubectl cp` of one file into a container.
    Copy(Copy),
    /// A machine's kubelet dies; containers go on.
    KillKubelet(OnNode),
    /// A machine's kubelet starts.
    StartKubelet(OnNode),
    /// A machine's kubelet dies and starts again.
    RestartKubelet(RestartKubelet),
    /// A machine loses power.
    PowerOff(OnNode),
    /// A machine has power again.
    PowerOn(OnNode),
    /// A machine joins the cluster.
    StartNode(OnNode),
    /// The manifest of a static pod is put on a machine.
    WriteStaticPod(WriteStaticPod),
    /// The manifest of a static pod is removed from a machine.
    RemoveStaticPod(RemoveStaticPod),
    /// A machine is told to shut down.
    ShutdownNode(OnNode),
    /// A machine is told that it does not shut down.
    CancelShutdown(OnNode),
}

/// An object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Of {
    /// Which, such as `deployment/web`.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnNode {
    /// Its name.
    pub node: Placed<String>,
}

/// `kubectl delete`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// Which; the name may be a pattern.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// `--grace-period`; the object's own if nothing is said.
    #[serde(default)]
    pub grace: Option<SimDuration>,
    /// `--force`: gone at once, without waiting for the kubelet.
    #[serde(default)]
    pub force: bool,
    /// `--cascade`.
    #[serde(default)]
    pub cascade: Cascade,
    /// Which of several that match.
    #[serde(default)]
    pub pick: Which,
}

/// What happens to the dependents of what is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Cascade {
    /// They go after it.
    #[default]
    Background,
    /// They go before it.
    Foreground,
    /// They stay.
    Orphan,
}

/// Which of several objects that match a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Which {
    /// Each of them.
    #[default]
    All,
    /// The one that was created first.
    Oldest,
    /// The one that was created last.
    Newest,
}

/// `kubectl patch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// Which.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// `--type`.
    #[serde(default, rename = "type")]
    pub kind: PatchType,
    /// `--subresource`.
    #[serde(default)]
    pub subresource: Option<Subresource>,
    /// `--patch`: JSON or YAML.
    pub patch: Placed<String>,
}

/// How a patch is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum PatchType {
    /// Lists are merged by their keys.
    #[default]
    Strategic,
    /// Lists are replaced.
    Merge,
    /// A list of operations.
    Json,
}

/// A part of an object with a way of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Subresource {
    /// The status.
    Status,
    /// The number of replicas.
    Scale,
    /// The resources of a pod's containers.
    Resize,
    /// A pod's ephemeral containers.
    EphemeralContainers,
}

/// `kubectl scale`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Which.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// `--replicas`.
    pub replicas: Placed<u32>,
}

/// `kubectl set image`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetImage {
    /// Which.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The container, which may be an init container; `*` for all.
    pub container: Placed<String>,
    /// Its new image.
    pub image: String,
}

/// `kubectl label` or `kubectl annotate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Which.
    pub object: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Keys with their new values; `None` removes one.
    pub set: BTreeMap<String, Option<String>>,
}

/// `kubectl drain`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// The node.
    pub node: Placed<String>,
    /// `--grace-period`; each pod's own if nothing is said.
    #[serde(default)]
    pub grace: Option<SimDuration>,
    /// `--timeout`; none if nothing is said.
    #[serde(default)]
    pub timeout: Option<SimDuration>,
    /// `--force`: also pods that no controller manages.
    #[serde(default)]
    pub force: bool,
    /// `--ignore-daemonsets`.
    #[serde(default)]
    pub ignore_daemonsets: bool,
    /// `--delete-emptydir-data`.
    #[serde(default)]
    pub delete_emptydir_data: bool,
    /// `--disable-eviction`: pods are deleted, whatever their budgets say.
    #[serde(default)]
    pub disable_eviction: bool,
}

/// `kubectl taint`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaintNode {
    /// The node.
    pub node: Placed<String>,
    /// The taint, as kubectl writes it: `key=value:Effect`.
    pub taint: Placed<String>,
}

/// One call of the eviction API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evict {
    /// The pod; may be a pattern.
    pub pod: Placed<String>,
    /// Its namespace; `default` if nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The grace; the pod's own if nothing is said.
    #[serde(default)]
    pub grace: Option<SimDuration>,
    /// Which of several that match.
    #[serde(default)]
    pub pick: Which,
}

/// A kubelet that dies and starts again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartKubelet {
    /// The node.
    pub node: Placed<String>,
    /// How long it is down.
    #[serde(default)]
    pub down: SimDuration,
}

/// A static pod that appears on a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteStaticPod {
    /// The node.
    pub node: Placed<String>,
    /// The pod.
    pub manifest: Manifest,
}

/// A static pod that goes from a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveStaticPod {
    /// The node.
    pub node: Placed<String>,
    /// The pod's name in its manifest.
    pub pod: Placed<String>,
}
