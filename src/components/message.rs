//! The one vocabulary that the components share: every message that can wait in the queue.
//!
//! A message names who gets it. Calls to the API server and their replies, watch notifications and network requests
//! cross a wire, so the simulation gives them a latency and may lose them; everything else happens inside one machine.

use super::controllers::ControllerMessage;
use super::cri::{CriCall, CriResult, PodKey, RuntimePod, VolumeFile, VolumeKey};
use super::kubelet::KubeletMessage;
use super::net::{NetClient, NetReply, NetRequest};
use super::runtime::{RuntimeMessage, TrafficMessage};
use super::scheduler::SchedulerMessage;
use crate::api::{Change, Eviction, List, Name, Request, Response};
use crate::simulation::{AutoscalerMessage, FaultMessage, UserMessage};
use std::fmt;
use std::sync::Arc;

/// A machine, in the order in which the scenario lists them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
pub struct NodeIndex(pub u16);

impl NodeIndex {
    /// Its place among the machines.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for NodeIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node#{}", self.0)
    }
}

/// Who calls the API server, and who watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Client {
    /// The scheduler.
    Scheduler,
    /// The controller manager.
    ControllerManager,
    /// A kubelet.
    Kubelet(NodeIndex),
    /// Programs in containers, and the network that they use.
    Workload,
    /// Whoever uses the cluster: the scenario's timed actions.
    User,
    /// The cluster autoscaler.
    Autoscaler,
    /// A component of a user of the library.
    Extension(u16),
    /// The server itself.
    ApiServer,
}

/// Everything that can wait in the queue.
#[derive(Debug, Clone)]
pub enum Message {
    /// A call that reaches the API server.
    Call {
        /// Who calls.
        client: Client,
        /// The caller's number for it.
        id: u32,
        /// What is asked.
        request: Box<Request>,
    },
    /// The store has time for a call that has reached the server.
    Turn {
        /// Who calls.
        client: Client,
        /// The caller's number for it.
        id: u32,
        /// What is asked.
        request: Box<Request>,
    },
    /// The server's answer reaches the caller.
    Reply {
        /// Who called.
        client: Client,
        /// The caller's number for it.
        id: u32,
        /// What it came to.
        response: Response,
    },
    /// The server writes what an eviction writes next.
    Evicting {
        /// Who called.
        client: Client,
        /// The caller's number for it.
        id: u32,
        /// How far it is.
        eviction: Box<Eviction>,
    },
    /// A lease of the server's store ends, by its number: the events on it go.
    LeaseEnds(u32),
    /// A watch notification reaches a watcher.
    Watch {
        /// Who watches.
        client: Client,
        /// What happened.
        change: Change,
    },
    /// Something for a kubelet.
    Kubelet(NodeIndex, KubeletMessage),
    /// A kubelet calls its runtime.
    Cri {
        /// The node.
        node: NodeIndex,
        /// The kubelet's number for the call.
        id: u32,
        /// What is asked.
        call: Box<CriCall>,
    },
    /// The runtime answers its kubelet.
    CriDone {
        /// The node.
        node: NodeIndex,
        /// The kubelet's number for the call.
        id: u32,
        /// What it came to.
        result: CriResult,
    },
    /// The runtime's knowledge of a pod changed; the kubelet sees it when it next looks.
    RuntimeChanged {
        /// The node.
        node: NodeIndex,
        /// What the runtime would answer now.
        pod: Arc<RuntimePod>,
    },
    /// The runtime has nothing of a pod any more.
    RuntimeForgot {
        /// The node.
        node: NodeIndex,
        /// The pod.
        key: PodKey,
    },
    /// A request over the pod network arrives.
    Net {
        /// Who asks.
        client: NetClient,
        /// The asker's number for it.
        id: u32,
        /// What is asked.
        request: Box<NetRequest>,
    },
    /// What a request over the pod network came to reaches whoever asked.
    NetDone {
        /// Who asked.
        client: NetClient,
        /// The asker's number for it.
        id: u32,
        /// What it came to.
        reply: Box<NetReply>,
    },
    /// A kubelet has written the files of a volume.
    VolumeWritten {
        /// The machine.
        node: NodeIndex,
        /// The volume.
        volume: VolumeKey,
        /// All its files.
        files: List<VolumeFile>,
    },
    /// A kubelet has removed the directories of a pod's own volumes.
    VolumesRemoved {
        /// The machine.
        node: NodeIndex,
        /// The pod.
        pod: PodKey,
    },
    /// Programs on a machine use noticeably more, or less, than they did.
    UsageChanged(NodeIndex),
    /// Something inside a runtime.
    Runtime(NodeIndex, RuntimeMessage),
    /// Something for the cluster autoscaler, or its cloud.
    Autoscaler(AutoscalerMessage),
    /// A timer of a component of a user of the library goes off.
    Extension(u16, u64),
    /// Something for the scheduler, of the process of this term.
    Scheduler(u32, SchedulerMessage),
    /// Something for a controller, of the process of this term.
    Controller(u32, ControllerMessage),
    /// Something about a fault.
    Fault(FaultMessage),
    /// Something that a user of the cluster waited for.
    User(UserMessage),
    /// Something about load.
    Traffic(TrafficMessage),
    /// A timed action of the scenario, by its place in the list.
    Act(u32),
}

impl Message {
    /// The kernel of a node has killed a process because no memory was left, and its kubelet reads that in the log.
    pub fn system_oom(node: NodeIndex, process: &str, pid: u32) -> Self {
        Self::Kubelet(node, KubeletMessage::SystemOom { process: Name::new(process), pid })
    }
}
