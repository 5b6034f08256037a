//! The container runtime interface: what a kubelet asks of the runtime on its node, and what it is told.
//!
//! Follows `staging/src/k8s.io/cri-api/pkg/apis/runtime/v1/api.proto` of Kubernetes 1.36, reduced to what pods need.

use crate::api::names;
use crate::api::{ContainerId, Id, List, Name, Pod, ResourceList, Text};
use crate::engine::{SimDuration, SimTime, StreamKey};
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

/// A pod as its node knows it: one of the API, or a static one that only the node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct PodKey(u32);

impl PodKey {
    const STATIC: u32 = 1 << 31;

    /// The key of a pod of the API.
    pub fn of(id: Id<Pod>) -> Self {
        Self(u32::try_from(id.index()).expect("pods are counted in 32 bits"))
    }

    /// The key of the n-th static pod of a node.
    pub const fn of_static(n: u32) -> Self {
        Self(n | Self::STATIC)
    }

    /// The key as a number: of a pod of the API, its place in the store.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether only the node has it.
    pub const fn is_static(self) -> bool {
        self.0 & Self::STATIC != 0
    }
}

/// A call of a kubelet to its runtime.
#[derive(Debug, Clone, strum::IntoStaticStr)]
pub enum CriCall {
    /// Makes the pod's sandbox, network included.
    RunPodSandbox {
        /// The pod.
        pod: Arc<Pod>,
        /// The pod.
        key: PodKey,
        /// How many sandboxes it had before.
        attempt: u32,
    },
    /// Stops a sandbox and whatever still runs in it.
    StopPodSandbox {
        /// The pod.
        key: PodKey,
        /// The sandbox.
        sandbox: ContainerId,
    },
    /// Forgets a sandbox.
    RemovePodSandbox {
        /// The pod.
        key: PodKey,
        /// The sandbox.
        sandbox: ContainerId,
    },
    /// Fetches an image.
    PullImage {
        /// The pod that needs it.
        key: PodKey,
        /// The image.
        image: Name,
    },
    /// Asks whether an image is there.
    ImageStatus {
        /// The image.
        image: Name,
    },
    /// Forgets an image.
    RemoveImage {
        /// The image.
        image: Name,
    },
    /// Makes a container.
    CreateContainer {
        /// The pod.
        key: PodKey,
        /// The sandbox that it joins.
        sandbox: ContainerId,
        /// What it is.
        config: Arc<ContainerConfig>,
    },
    /// Starts a container's process.
    StartContainer {
        /// The pod.
        key: PodKey,
        /// The container.
        container: ContainerId,
    },
    /// Sends the stop signal and, after the timeout, kills.
    StopContainer {
        /// The pod.
        key: PodKey,
        /// The container.
        container: ContainerId,
        /// How long the process may take.
        timeout: SimDuration,
    },
    /// Forgets a container.
    RemoveContainer {
        /// The pod.
        key: PodKey,
        /// The container.
        container: ContainerId,
    },
    /// Runs a command in a container.
    ExecSync {
        /// The pod.
        key: PodKey,
        /// The container.
        container: ContainerId,
        /// The command.
        command: List<Text>,
        /// How long it may take; zero for ever.
        timeout: SimDuration,
        /// Whether the answer matters only if it differs from the last one, so that it may say how long it stands.
        probe: bool,
        /// What its luck is drawn from, with the moment: whoever asks, by a stable name.
        stream: StreamKey,
    },
    /// Asks what a pod uses.
    PodSandboxStats {
        /// The pod.
        key: PodKey,
    },
    /// Changes the resources of a pod as a whole.
    UpdatePodSandboxResources {
        /// The pod.
        key: PodKey,
        /// The sandbox.
        sandbox: ContainerId,
    },
    /// Changes the resources of a running container.
    UpdateContainerResources {
        /// The pod.
        key: PodKey,
        /// The container.
        container: ContainerId,
        /// New requests.
        requests: ResourceList,
        /// New limits.
        limits: ResourceList,
    },
}

impl CriCall {
    /// The pod that it is made for.
    pub const fn pod(&self) -> Option<PodKey> {
        match self {
            Self::RunPodSandbox { key, .. }
            | Self::StopPodSandbox { key, .. }
            | Self::RemovePodSandbox { key, .. }
            | Self::PullImage { key, .. }
            | Self::CreateContainer { key, .. }
            | Self::StartContainer { key, .. }
            | Self::StopContainer { key, .. }
            | Self::RemoveContainer { key, .. }
            | Self::ExecSync { key, .. }
            | Self::PodSandboxStats { key }
            | Self::UpdatePodSandboxResources { key, .. }
            | Self::UpdateContainerResources { key, .. } => Some(*key),
            Self::ImageStatus { .. } | Self::RemoveImage { .. } => None,
        }
    }
}

names! {
    TOKEN_VOLUME = "kube-api-access";
}

/// A volume, as the machine tells it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VolumeKey {
    /// A volume of a pod, which ends with it.
    Pod {
        /// The pod.
        pod: PodKey,
        /// The volume's name in the pod.
        name: Name,
    },
    /// A directory of the machine.
    Host(Name),
    /// What stands behind a claim.
    Claim {
        /// The claim's namespace.
        namespace: Name,
        /// The claim's name.
        name: Name,
    },
}

/// Where a volume appears in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerMount {
    /// The directory, or file.
    pub path: Name,
    /// The part of the volume; empty for all of it.
    pub sub_path: Name,
    /// Whether writes are refused.
    pub read_only: bool,
    /// The volume.
    pub volume: VolumeKey,
    /// Whether it is a device that was formatted for it, with `lost+found`.
    pub formatted: bool,
    /// So many bytes are all that it takes, if it is in memory.
    pub room: Option<u64>,
}

/// How long the token of a service account is, more or less.
const TOKEN_LENGTH: usize = 900;

/// A token of a service account: what it says is not played.
pub static TOKEN: LazyLock<Text> = LazyLock::new(|| "x".repeat(TOKEN_LENGTH).into());

/// A file that a kubelet writes into a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeFile {
    /// Where it is in the volume.
    pub path: Text,
    /// What it says.
    pub content: Text,
    /// Its permission bits; root owns it.
    pub mode: i32,
}

/// The variables of a container. What is told of Services is shared with other containers.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Of the API server, of the namespace's Services.
    pub services: [List<(Name, Text)>; 2],
    /// What was set.
    pub own: List<(Name, Text)>,
}

impl Environment {
    /// All variables, those that were set last: of one name the last counts.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &(Name, Text)> {
        self.services.iter().flat_map(|part| part.iter()).chain(self.own.iter())
    }

    /// What a variable says.
    pub fn get(&self, name: &str) -> Option<&Text> {
        Self::value(&self.own, &self.services, name)
    }

    /// What a variable says among those that were set, or else what is told of Services.
    pub fn value<'e>(own: &'e [(Name, Text)], services: &'e [List<(Name, Text)>], name: &str) -> Option<&'e Text> {
        let mut all = own.iter().rev().chain(services.iter().rev().flat_map(|part| part.iter().rev()));
        all.find(|(have, _)| *have == name).map(|(_, value)| value)
    }
}

/// What a container is made from.
#[derive(Debug, Clone)]
pub struct ContainerConfig {
    /// Its name in the pod.
    pub name: Name,
    /// The n-th instance of that name, counted from zero.
    pub attempt: u32,
    /// The image.
    pub image: Name,
    /// Replaces the image's entry point.
    pub command: Vec<Text>,
    /// Replaces the image's arguments.
    pub args: Vec<Text>,
    /// Where the process starts; empty for the image's choice.
    pub working_dir: Name,
    /// The environment, resolved.
    pub env: Environment,
    /// The pod's namespace.
    pub namespace: Name,
    /// The volumes in its file system.
    pub mounts: Vec<ContainerMount>,
    /// Those of its pod's volumes that are in memory.
    pub memory_volumes: List<Name>,
    /// What it is promised.
    pub requests: ResourceList,
    /// What it may not exceed.
    pub limits: ResourceList,
    /// Whether the pod's containers share their processes, so that `pause` is PID 1.
    pub shares_processes: bool,
    /// What the kernel adds to its out-of-memory score.
    pub oom_score_adj: i32,
    /// Whether only its volumes take writes.
    pub read_only_root: bool,
    /// The file that its termination message is read from; empty for the usual one.
    pub termination_message_path: Name,
    /// Whether its standard input stays open.
    pub stdin: bool,
    /// Whether the end of its log stands in for a missing termination message when it fails.
    pub fallback_to_logs: bool,
}

/// What a call came to.
pub type CriResult = Result<CriReply, Box<CriError>>;

/// What a call brought.
#[derive(Debug, Clone)]
pub enum CriReply {
    /// Nothing but success.
    Done,
    /// A sandbox and its address.
    Sandbox {
        /// The sandbox.
        id: ContainerId,
        /// The pod's address; none on the host's network.
        ip: Option<Ipv4Addr>,
    },
    /// A container.
    Container(ContainerId),
    /// An image.
    Image {
        /// Bytes.
        size: i64,
        /// The user that its programs run as.
        user: i64,
    },
    /// The image is not there.
    NoImage,
    /// Bytes of memory that each container of a pod uses.
    Memory(Vec<(Name, i64)>),
    /// The end of a command.
    Exec {
        /// Its exit code.
        exit_code: i32,
        /// What it printed.
        output: Text,
        /// Until when the same command is sure to give the same answer.
        stands_until: SimTime,
    },
}

/// A failed call: a gRPC status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CriError {
    /// The gRPC code, such as `Unknown` or `DeadlineExceeded`.
    pub code: Name,
    /// What went wrong.
    pub message: Text,
}

impl CriError {
    /// A failure of the runtime.
    pub fn unknown(message: impl Into<Text>) -> Box<Self> {
        Box::new(Self { code: Name::new("Unknown"), message: message.into() })
    }

    /// Something that is not there.
    pub fn not_found(message: impl Into<Text>) -> Box<Self> {
        Box::new(Self { code: Name::new("NotFound"), message: message.into() })
    }

    /// As Go prints a gRPC error.
    pub fn rpc_text(&self) -> String {
        format!("rpc error: code = {} desc = {}", self.code, self.message)
    }
}

/// What the runtime knows of a pod: an immutable snapshot, replaced at every change.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimePod {
    /// The pod.
    pub key: PodKey,
    /// Its sandboxes, newest first.
    pub sandboxes: Vec<SandboxStatus>,
    /// Its container instances, newest first.
    pub containers: Vec<InstanceStatus>,
}

impl RuntimePod {
    /// The newest instance of a container.
    pub fn newest(&self, name: Name) -> Option<&InstanceStatus> {
        self.containers.iter().find(|instance| instance.name == name)
    }

    /// The instances of a container, newest first.
    pub fn instances(&self, name: Name) -> impl Iterator<Item = &InstanceStatus> {
        self.containers.iter().filter(move |instance| instance.name == name)
    }

    /// Whether any container runs.
    pub fn anything_runs(&self) -> bool {
        self.containers.iter().any(|instance| instance.state == InstanceState::Running)
    }

    /// The sandbox that is ready, if one is.
    pub fn ready_sandbox(&self) -> Option<&SandboxStatus> {
        self.sandboxes.iter().find(|sandbox| sandbox.ready)
    }
}

/// A pod sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxStatus {
    /// Its identity.
    pub id: ContainerId,
    /// How many the pod had before.
    pub attempt: u32,
    /// Whether containers can run in it.
    pub ready: bool,
    /// The pod's address; none on the host's network.
    pub ip: Option<Ipv4Addr>,
    /// When it was made.
    pub created_at: SimTime,
}

/// One instance of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceStatus {
    /// Its identity.
    pub id: ContainerId,
    /// The container.
    pub name: Name,
    /// How many the container had before.
    pub attempt: u32,
    /// The sandbox that it is in.
    pub sandbox: ContainerId,
    /// The image.
    pub image: Name,
    /// What it is doing.
    pub state: InstanceState,
    /// When it was made.
    pub created_at: SimTime,
    /// When its process began; zero if it has not.
    pub started_at: SimTime,
    /// When its process ended; zero if it has not.
    pub finished_at: SimTime,
    /// What its process returned.
    pub exit_code: i32,
    /// The runtime's word for its end.
    pub reason: Name,
    /// The termination message, or what went wrong.
    pub message: Text,
    /// Requests and limits in force.
    pub resources: (ResourceList, ResourceList),
}

/// `runtime.v1.ContainerState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// Made, not started.
    Created,
    /// Its process runs.
    Running,
    /// Its process ended.
    Exited,
    /// The runtime cannot tell.
    Unknown,
}

/// The key of a pod's draws: its identity, which is itself a function of its name and incarnation.
pub fn pod_stream(pod: &Pod) -> StreamKey {
    pod.meta.uid.stream()
}
