//! A checked plan: everything that a run needs to know, and nothing of the text that it was written in.

use crate::api::{
    DeleteOptions, Kind, Labels, List, Name, Object, Part, PatchKind, ResourceList, Taint, TaintEffect, Text, WallTime,
};
use crate::components::controllers::NodeExpansion;
use crate::components::kubelet::KubeletConfig;
use crate::components::latency::LatencyProfile;
use crate::components::runtime::{Glob, MachineLoad, World};
use crate::components::scheduler::SchedulerSetup;
use crate::engine::{Distribution, SimDuration};
use crate::faults::{FaultLimits, FaultPlan};
use std::sync::Arc;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long.
    pub duration: SimDuration,
    /// What the clocks show at the start.
    pub start: WallTime,
    /// What is stored from the start, as another server had it: see [`Server::adopt`](crate::api::Server::adopt).
    pub stored: Vec<Object>,
    /// The machines, in order.
    pub nodes: Vec<NodePlan>,
    /// What containers do.
    pub world: Arc<World>,
    /// How long steps take.
    pub profile: Arc<LatencyProfile>,
    /// How the scheduler is configured.
    pub scheduler: Arc<SchedulerSetup>,
    /// What users and fate do, in order of time.
    pub actions: Arc<Vec<TimedAction>>,
    /// What goes wrong.
    pub faults: Arc<[FaultPlan]>,
    /// How much of it at once, and until when.
    pub fault_limits: FaultLimits,
    /// Whether every probe is run, also those that are sure to change nothing.
    pub every_probe: bool,
    /// The groups of machines that an autoscaler adds to and takes from.
    pub groups: Vec<NodeGroup>,
    /// What the autoscaler keeps to besides.
    pub limits: ClusterLimits,
    /// Whether nodes have to make file systems larger, by driver.
    pub node_expansion: NodeExpansion,
}

/// Machines of one kind, of which there are as many as pods need.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeGroup {
    /// Its name.
    pub name: Name,
    /// No fewer machines.
    pub min: usize,
    /// Its machines, those included that are not there yet: no more than these.
    pub machines: Vec<Name>,
    /// How many are there from the start.
    pub first: usize,
    /// From the wish for a machine to its boot.
    pub provision: Distribution,
    /// How long a machine must have been unneeded before it goes.
    pub unneeded: SimDuration,
    /// The same if it is not ready.
    pub unready: SimDuration,
    /// Whether the pods of DaemonSets do not count for how much a machine is used.
    pub ignore_daemons: bool,
    /// Whether its own, static, pods do not.
    pub ignore_mirrors: bool,
}

/// Between which sizes an autoscaler keeps the whole cluster: cores, and bytes of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterLimits {
    /// No less.
    pub least: [i64; 2],
    /// No more.
    pub most: [i64; 2],
}

impl Default for ClusterLimits {
    /// As `--cores-total` and `--memory-total` are if nothing is said: up to 320 000 cores and 6 400 000 GiB.
    fn default() -> Self {
        Self { least: [0; 2], most: [320_000, 6_400_000 << 30] }
    }
}

/// A machine that is, or becomes, a node.
#[derive(Debug, Clone)]
pub struct NodePlan {
    /// The node's name.
    pub name: Name,
    /// What the machine has.
    pub capacity: ResourceList,
    /// What pods may be promised.
    pub allocatable: ResourceList,
    /// Its labels, beside those that every node has.
    pub labels: Labels,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// Whether it is there from the start; else an action starts it.
    pub present: bool,
    /// How long its kubelet has run at the start.
    pub uptime: SimDuration,
    /// Its kubelet's settings.
    pub kubelet: Arc<KubeletConfig>,
    /// What it uses beside its pods.
    pub load: Arc<MachineLoad>,
}

/// Something that is done at a given time.
#[derive(Debug, Clone)]
pub struct TimedAction {
    /// When.
    pub at: SimDuration,
    /// What.
    pub action: Action,
}

/// Something that users, or fate, do.
#[derive(Debug, Clone, strum::IntoStaticStr)]
pub enum Action {
    /// Create an object.
    Create(Object),
    /// `kubectl apply`: create the object, or change it to what the manifest says.
    Apply(Arc<Applied>),
    /// `kubectl taint`: read the node, then change its list of taints.
    Taint {
        /// The node.
        node: Name,
        /// Added, or replaced by key and effect.
        add: Vec<Taint>,
        /// Removed, by key and perhaps effect.
        remove: Vec<(Name, Option<TaintEffect>)>,
    },
    /// `kubectl drain`: cordon the node, then evict its pods until they are gone.
    Drain(Drain),
    /// Delete an object.
    Delete {
        /// Which.
        target: ActionTarget,
        /// How.
        options: DeleteOptions,
    },
    /// Change some fields of an object.
    Patch {
        /// Which.
        target: ActionTarget,
        /// Which part of it.
        part: Part,
        /// How the patch is meant.
        kind: PatchKind,
        /// The patch.
        patch: serde_json::Value,
    },
    /// What `kubectl set image` does.
    SetImage {
        /// Which.
        target: ActionTarget,
        /// The container; `*` for all.
        container: Name,
        /// Its new image.
        image: Name,
    },
    /// What `kubectl rollout` does.
    Rollout {
        /// Which.
        target: ActionTarget,
        /// What is done to it.
        verb: RolloutVerb,
    },
    /// Evict a pod.
    Evict {
        /// Which.
        target: ActionTarget,
        /// How it is then deleted.
        options: DeleteOptions,
    },
    /// `kubectl expose`: a Service is made of what an object says.
    Expose {
        /// Which.
        target: ActionTarget,
        /// How.
        exposure: Exposure,
    },
    /// `kubectl exec`.
    Exec {
        /// The pod.
        target: ActionTarget,
        /// The container; empty for the pod's default one.
        container: Name,
        /// The command.
        command: List<Text>,
    },
    /// `kubectl cp` into a container.
    Copy {
        /// The pod.
        target: ActionTarget,
        /// The container; empty for the pod's default one.
        container: Name,
        /// Where the file is put.
        path: Text,
        /// What is in it.
        content: Text,
    },
    /// A machine's kubelet dies; containers go on.
    KillKubelet(Name),
    /// A machine's kubelet starts.
    StartKubelet(Name),
    /// A machine's kubelet dies and starts again.
    RestartKubelet {
        /// The node.
        node: Name,
        /// How long it is down.
        down: SimDuration,
    },
    /// A machine loses power.
    PowerOff(Name),
    /// A machine has power again.
    PowerOn(Name),
    /// A machine joins the cluster.
    StartNode(Name),
    /// A static pod's manifest is put on a machine.
    WriteStaticPod {
        /// The node.
        node: Name,
        /// The pod.
        pod: Object,
    },
    /// A static pod's manifest is removed from a machine.
    RemoveStaticPod {
        /// The node.
        node: Name,
        /// The pod.
        name: Name,
    },
    /// A machine is told to shut down.
    ShutdownNode(Name),
    /// A machine is told that it does not shut down.
    CancelShutdown(Name),
}

/// The verbs of `kubectl rollout` that change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutVerb {
    /// Changes of the template wait.
    Pause,
    /// They no longer do.
    Resume,
    /// Every pod is replaced.
    Restart,
    /// Back to a revision; to the one before if that is zero.
    Undo(i64),
}

/// The flags of `kubectl expose`.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposure {
    /// The Service.
    pub name: Name,
    /// Its port; those of the containers if absent.
    pub port: Option<u16>,
    /// The pods' port, by number or name; the same if absent.
    pub target_port: Option<serde_json::Value>,
    /// Its type; the server's choice if absent.
    pub service_type: Option<Name>,
    /// Its protocol.
    pub protocol: Name,
}

/// A manifest that is applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The object as it would be created.
    pub object: Object,
    /// The manifest as JSON.
    pub manifest: serde_json::Value,
    /// The manifest of the same object before, if there was one: what it set and this one does not is removed.
    pub last: Option<serde_json::Value>,
}

/// How a node is drained (the flags of `kubectl drain`).
#[derive(Debug, Clone, PartialEq)]
pub struct Drain {
    /// The node.
    pub node: Name,
    /// Seconds that each pod gets; its own if absent.
    pub grace_period: Option<i64>,
    /// How long it is tried; for ever if absent.
    pub timeout: Option<SimDuration>,
    /// Also pods that no controller manages.
    pub force: bool,
    /// Pods of DaemonSets are left alone rather than a reason to stop.
    pub ignore_daemon_sets: bool,
    /// Also pods whose emptyDir volumes are lost.
    pub delete_empty_dir_data: bool,
    /// Delete rather than evict.
    pub disable_eviction: bool,
}

/// The objects that an action is about.
#[derive(Debug, Clone)]
pub struct ActionTarget {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty for kinds without.
    pub namespace: Name,
    /// The name, perhaps a pattern.
    pub name: Glob,
    /// Which of those that match.
    pub pick: Pick,
    /// Only pods on this node; empty for any.
    pub node: Name,
}

/// Which of several matches is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pick {
    /// The one that was created first.
    #[default]
    Oldest,
    /// The one that was created last.
    Newest,
    /// Each of them.
    All,
}
