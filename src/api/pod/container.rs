//! The containers of a pod: what they run, what they need, and when they are started again.

use super::probe::{Handler, Probe};
use crate::api::{Name, ResourceList, Text};
use serde::Serialize;

/// Where the termination message is read from, unless a container says otherwise (`v1.TerminationMessagePathDefault`).
pub const TERMINATION_LOG: &str = "/dev/termination-log";

/// `v1.Container`, as far as it has an effect. Sidecars are init containers with `restart_policy` Always.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Container {
    /// Unique in the pod.
    pub name: Name,
    /// The image reference as written.
    pub image: Name,
    /// Replaces the image's entry point.
    pub command: Vec<Text>,
    /// Replaces the image's arguments.
    pub args: Vec<Text>,
    /// Where the process starts.
    pub working_dir: Name,
    /// The environment, in order.
    pub env: Vec<EnvVar>,
    /// Whole ConfigMaps and Secrets taken into the environment.
    pub env_from: Vec<EnvFrom>,
    /// Declared ports.
    pub ports: Vec<ContainerPort>,
    /// What it is promised.
    pub requests: ResourceList,
    /// What it may not exceed.
    pub limits: ResourceList,
    /// What a change of a resource does to the container; empty means nothing for all.
    pub resize_policy: Vec<(Name, ResizeRestartPolicy)>,
    /// Where volumes appear in its file system.
    pub volume_mounts: Vec<VolumeMount>,
    /// Names of the raw block volumes that it uses.
    pub volume_devices: Vec<Name>,
    /// Kills and restarts it when it fails.
    pub liveness: Option<Box<Probe>>,
    /// Takes it out of Services while it fails.
    pub readiness: Option<Box<Probe>>,
    /// Holds the other two back until it succeeds.
    pub startup: Option<Box<Probe>>,
    /// Runs right after the start; nothing else happens in the pod until it is done.
    pub post_start: Option<Box<Handler>>,
    /// Runs before the stop signal, within the grace period.
    pub pre_stop: Option<Box<Handler>>,
    /// When the image is pulled.
    pub image_pull_policy: ImagePullPolicy,
    /// Overrides the pod's policy.
    pub restart_policy: Option<RestartPolicy>,
    /// Overrides the policy for some exit codes.
    pub restart_rules: Vec<RestartRule>,
    /// Whether the tail of the log stands in for a missing termination message.
    pub fallback_to_logs: bool,
    /// The file that the termination message is read from; empty for [`TERMINATION_LOG`].
    #[serde(skip_serializing_if = "str::is_empty")]
    pub termination_message_path: Name,
    /// Whether its standard input stays open, as `stdin` or `tty` says: nobody writes there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stdin: bool,
    /// The user to run as, the container's own setting before the pod's.
    pub run_as_user: Option<i64>,
    /// Whether a root user is refused.
    pub run_as_non_root: bool,
    /// Whether its root file system takes no writes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only_root: bool,
    /// Of ephemeral containers: the container whose processes they see.
    pub target_container: Name,
}

impl Container {
    /// Whether this init container is a sidecar: started once in order, then kept running.
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy == Some(RestartPolicy::Always)
    }

    /// The resize policy of a resource.
    pub fn resize_policy_of(&self, resource: Name) -> ResizeRestartPolicy {
        let set = self.resize_policy.iter().find(|(name, _)| *name == resource);
        set.map_or(ResizeRestartPolicy::NotRequired, |(_, policy)| *policy)
    }

    /// The declared port of a name.
    pub fn port_named(&self, name: &str) -> Option<u16> {
        self.ports.iter().find(|port| !port.name.is_empty() && port.name == name).map(|port| port.container_port)
    }
}

/// `v1.RestartPolicy` and `v1.ContainerRestartPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub enum RestartPolicy {
    /// Whatever the exit code.
    #[default]
    Always,
    /// If the exit code was not zero.
    OnFailure,
    /// Not at all.
    Never,
}

/// `v1.ContainerRestartRule`: decides by exit code, before the restart policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestartRule {
    /// What to do.
    pub action: RestartRuleAction,
    /// Whether the exit code must be among the values, or must not.
    pub when_in: bool,
    /// The values.
    pub values: Vec<i32>,
}

impl RestartRule {
    /// Whether the rule decides for an exit code.
    pub fn matches(&self, exit_code: i32) -> bool {
        self.values.contains(&exit_code) == self.when_in
    }
}

/// `v1.ContainerRestartRuleAction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum RestartRuleAction {
    /// This container.
    Restart,
    /// Every container of the pod, in place.
    RestartAllContainers,
}

/// `v1.ResourceResizeRestartPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub enum ResizeRestartPolicy {
    /// The container keeps running.
    #[default]
    NotRequired,
    /// The container is restarted.
    RestartContainer,
}

/// `v1.PullPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub enum ImagePullPolicy {
    /// Before every start.
    Always,
    /// If the node lacks it.
    #[default]
    IfNotPresent,
    /// Never; a missing image is an error.
    Never,
}

/// `v1.ContainerPort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub struct ContainerPort {
    /// Empty if unnamed.
    pub name: Name,
    /// The port in the pod's network.
    pub container_port: u16,
    /// The port taken on the node; zero for none.
    pub host_port: u16,
    /// The node's address it is taken on; empty for all.
    pub host_ip: Name,
    /// TCP, UDP or SCTP.
    pub protocol: Name,
}

/// `v1.VolumeMount`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct VolumeMount {
    /// The volume.
    pub name: Name,
    /// The directory at which it appears.
    pub mount_path: Name,
    /// The part of the volume; empty for all of it.
    pub sub_path: Name,
    /// The same with `$(VAR)` for variables of the container; empty if `sub_path` says it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub sub_path_expr: Name,
    /// Whether writes are refused.
    pub read_only: bool,
}

/// `v1.EnvVar`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct EnvVar {
    /// The variable.
    pub name: Name,
    /// Where its value comes from.
    pub value: EnvValue,
}

/// Where the value of a variable comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub enum EnvValue {
    /// The manifest; `$(VAR)` stands for earlier variables.
    Literal(Text),
    /// A field of the pod.
    Field(Name),
    /// A resource of a container of the pod.
    Resource(ResourceField),
    /// A key of a ConfigMap.
    ConfigMapKey(KeyReference),
    /// A key of a Secret.
    SecretKey(KeyReference),
    /// A key in a file of a volume.
    FileKey(FileKeyReference),
}

/// `v1.ResourceFieldSelector`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct ResourceField {
    /// The container; empty for the same one.
    pub container: Name,
    /// Such as `limits.cpu`.
    pub resource: Name,
    /// The unit in which it is shown, in thousandths; zero for whole ones.
    pub divisor: i64,
}

/// A key of a ConfigMap or Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct KeyReference {
    /// The object.
    pub name: Name,
    /// The key.
    pub key: Name,
    /// Whether it may be missing.
    pub optional: bool,
}

/// `v1.FileKeySelector`: a key in a file of a volume of the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct FileKeyReference {
    /// The volume.
    pub volume: Name,
    /// The file in it.
    pub path: Name,
    /// The key.
    pub key: Name,
    /// Whether the key may be missing.
    pub optional: bool,
}

/// `v1.EnvFromSource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct EnvFrom {
    /// Put before every key.
    pub prefix: Name,
    /// Whether it is a Secret rather than a ConfigMap.
    pub secret: bool,
    /// The object.
    pub name: Name,
    /// Whether it may be missing.
    pub optional: bool,
}
