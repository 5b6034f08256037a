//! The kubelet of a node: from a pod that is bound to a status that says so, and back to nothing.
//!
//! Its parts are those of the real one, a file each: the sync loop here; pod workers ([`pod_worker`]); what a sync does
//! ([`sync_pod`], decided in [`actions`]); stopping ([`termination`]); relisting the runtime ([`pleg`]); probes
//! ([`probe`]); the status that is reported ([`status`]) and its writer ([`status_manager`]); images, volumes,
//! admission. Goroutines that would only find nothing to do are not run: tickers keep their phase and are caught up
//! with when something changes, and an API watcher sees the same as if they had run.
//!
//! Everything follows `pkg/kubelet` of Kubernetes 1.36; constants are in [`config`].

mod actions;
mod admission;
mod attach;
mod back_off;
mod boot;
mod config;
mod container_gc;
mod container_start;
mod credentials;
mod devices;
mod downward;
mod env_files;
mod environment;
mod eviction;
mod expansion;
mod handler;
mod hindrance;
mod image_gc;
mod image_volumes;
mod images;
mod inspect;
mod lease;
mod net_client;
mod node_status;
mod oom_score;
mod pleg;
mod pod_worker;
mod preemption;
mod probe;
mod resize;
pub mod service_links;
mod shutdown;
mod static_pods;
mod status;
mod status_manager;
mod sync_pod;
mod sysctl;
mod termination;
mod volumes;

pub use back_off::BackOff;
pub use config::KubeletConfig;
pub use eviction::{EvictionConfig, Limit, Signal};
pub use inspect::{Doing, PodInsight, ProbeInsight, WorkerInsight};
pub use probe::Verdict;
pub use shutdown::ShutdownConfig;

use super::cri::{CriCall, CriResult, PodKey, RuntimePod, pod_stream};
use super::events::{EventRecorder, EventSink, Told};
use super::latency::{LatencyProfile, LoadGauge};
use super::message::{Client, Message, NodeIndex};
use super::net::NetReply;
use super::token_bucket::TokenBucket;
use crate::api::{
    Change, ChangeKind, ContainerId, EventType, FastMap, Kind, Name, Node, Object, ObjectReference, Pod, PodStatus,
    ProbeKind, Request, Response, Target, WallClock, WallTime,
};
use crate::engine::{Distribution, Draws, Outbox, Purpose, SimDuration, SimTime, StreamKey};
use boot::Unclaimed;
use eviction::EvictionManager;
use handler::PendingHandler;
use hindrance::{Hindrances, Unheard};
use image_gc::ImageUse;
use images::ImageManager;
use node_status::NodeReporter;
use pleg::Pleg;
use pod_worker::{UpdateKind, Worker};
use preemption::Preemption;
use probe::PodProbes;
use resize::Resizing;
use service_links::ServiceLinks;
use shutdown::Shutdown;
use static_pods::StaticPods;
use status::StartError;
use status_manager::{StatusManager, TrackedStatus};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use volumes::PodVolumes;

const STEP: Purpose = Purpose::new("kubelet step");
const JITTER: Purpose = Purpose::new("kubelet jitter");
const PHASE: Purpose = Purpose::new("kubelet phase");

/// Something that happens inside a kubelet.
#[derive(Debug, Clone, strum::IntoStaticStr)]
pub enum KubeletMessage {
    /// The process is started.
    Start,
    /// The process is ready to look around.
    Booted {
        /// Stale unless the process's.
        incarnation: u32,
    },
    /// The first relist: the cluster answers with what the runtime has.
    ListRuntime,
    /// The first list of the node's pods: the cluster answers with what the server has.
    ListPods,
    /// The eviction manager's turn: the cluster adds what the node uses.
    Eviction {
        /// Stale unless the one that is waited for.
        due: SimTime,
    },
    /// Containers of pods that are gone are looked at.
    ContainerGc {
        /// Stale unless the one that is waited for.
        due: SimTime,
    },
    /// Images are looked at: the cluster adds what the node uses.
    ImageGc {
        /// Stale unless the one that is waited for.
        due: SimTime,
    },
    /// The kernel has killed a process because the machine had no memory left.
    SystemOom {
        /// Its name.
        process: Name,
        /// Its number.
        pid: u32,
    },
    /// The main loop, which stood still while the runtime was down, goes on.
    LoopResumes,
    /// A step of the node's shutdown.
    ShutdownStep {
        /// Stale unless the one that is waited for.
        due: SimTime,
    },
    /// The directory of static pods is read.
    ReadFiles,
    /// A round of the node's registration.
    Register {
        /// Whether it comes to anything.
        works: bool,
    },
    /// The node's status is computed.
    NodeBeat {
        /// Stale unless the one that is waited for.
        due: SimTime,
    },
    /// A pod worker wakes up.
    WorkerWakes {
        /// The pod.
        key: PodKey,
        /// Stale unless the worker's.
        turn: u32,
    },
    /// The tick of the sync loop at which a pod's time in the work queue is over.
    WorkQueueTick {
        /// The pod.
        key: PodKey,
        /// Stale unless the queue's.
        due: SimTime,
    },
    /// The tick of the sync loop at which a pod has been active for too long.
    DeadlineTick {
        /// The pod.
        key: PodKey,
    },
    /// A wait within the stopping of a container is over.
    StopTimer {
        /// The pod.
        key: PodKey,
        /// Stale unless the worker's.
        turn: u32,
        /// The container.
        container: ContainerId,
        /// Stale unless the stop's.
        stage: u8,
    },
    /// The runtime is listed.
    Relist {
        /// Stale unless the one that is waited for.
        due: SimTime,
    },
    /// The runtime was listed.
    Relisted {
        /// When listing began.
        began: SimTime,
    },
    /// One pod of the runtime is inspected, right after a sync that did something.
    RelistPod {
        /// The pod.
        key: PodKey,
    },
    /// An event of a relist reaches the main loop.
    PodLifecycleEvent {
        /// The pod.
        key: PodKey,
    },
    /// A probe worker's turn.
    ProbeDue {
        /// The pod.
        key: PodKey,
        /// The worker.
        worker: usize,
        /// Stale unless the worker's.
        timer: u32,
    },
    /// A verdict of a probe reaches the main loop.
    ProbeNews {
        /// The pod.
        key: PodKey,
        /// The instance.
        id: ContainerId,
        /// The kind of probe.
        kind: ProbeKind,
        /// The verdict.
        verdict: Verdict,
    },
    /// A pause in a hook is over, or between two tries of a request over the network.
    HandlerTimer {
        /// Stale unless still waited for.
        run: u32,
    },
    /// The status writer looks for work.
    StatusBatch,
    /// The status writer reconciles.
    StatusReconcile {
        /// Stale unless the one that is waited for.
        due: SimTime,
    },
    /// Everything of a pod has stopped, and the runtime was asked how it ended.
    PodKilled {
        /// The pod.
        key: PodKey,
        /// Stale unless the worker's.
        turn: u32,
    },
    /// A pod's volumes are looked at.
    VolumePoll {
        /// The pod.
        key: PodKey,
        /// Stale unless the worker's.
        turn: u32,
    },
    /// A volume operation of a pod is over.
    Mounted {
        /// The pod.
        key: PodKey,
        /// The volume, by place.
        volume: usize,
        /// Stale unless the volume's.
        due: SimTime,
    },
    /// The file system of a pod's volume grows, or has grown.
    Expand {
        /// The pod.
        key: PodKey,
        /// The volume, by place.
        volume: usize,
    },
    /// Volumes that were attached for a pod are no longer mounted for it.
    DevicesFree,
    /// Resizes that wait are looked at again.
    RetryResizes {
        /// Stale unless the newest.
        retry: u32,
    },
    /// Files are read that a container's variables come from: the cluster answers with what they say.
    ReadEnvFiles {
        /// The pod.
        key: PodKey,
        /// Stale unless the worker's.
        turn: u32,
    },
    /// Workers of pods that are gone are forgotten.
    Housekeeping {
        /// Stale unless the one that is waited for.
        due: SimTime,
    },
}

impl KubeletMessage {
    /// The pod that it is about.
    pub const fn pod(&self) -> Option<PodKey> {
        match self {
            Self::WorkerWakes { key, .. }
            | Self::WorkQueueTick { key, .. }
            | Self::DeadlineTick { key }
            | Self::StopTimer { key, .. }
            | Self::RelistPod { key }
            | Self::PodLifecycleEvent { key }
            | Self::ProbeDue { key, .. }
            | Self::ProbeNews { key, .. }
            | Self::PodKilled { key, .. }
            | Self::VolumePoll { key, .. }
            | Self::ReadEnvFiles { key, .. }
            | Self::Mounted { key, .. }
            | Self::Expand { key, .. } => Some(*key),
            Self::Start
            | Self::Booted { .. }
            | Self::ListRuntime
            | Self::ListPods
            | Self::ReadFiles
            | Self::LoopResumes
            | Self::ShutdownStep { .. }
            | Self::Eviction { .. }
            | Self::ContainerGc { .. }
            | Self::ImageGc { .. }
            | Self::SystemOom { .. }
            | Self::Register { .. }
            | Self::NodeBeat { .. }
            | Self::Relist { .. }
            | Self::Relisted { .. }
            | Self::HandlerTimer { .. }
            | Self::StatusBatch
            | Self::StatusReconcile { .. }
            | Self::DevicesFree
            | Self::RetryResizes { .. }
            | Self::Housekeeping { .. } => None,
        }
    }
}

/// A call to the runtime that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PendingCri {
    /// By the worker's present step.
    Step { key: PodKey, turn: u32 },
    /// By the stopping of a container.
    Stop { key: PodKey, turn: u32, container: ContainerId },
    /// By a probe or a hook.
    Handler(u32),
    /// By the image puller.
    Pull { number: u32 },
    /// By nobody but the pod itself, which nobody knows.
    Orphan { key: PodKey },
    /// By nobody: what it came to does not matter.
    Nobody,
}

/// A call to the API server that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PendingCall {
    /// The pod whose status is to be written.
    StatusRead { key: PodKey },
    /// The status.
    StatusWrite { key: PodKey },
    /// The final delete.
    StatusDelete { key: PodKey },
    /// An object that a volume or a container needs.
    Volume { key: PodKey, volume: usize, target: Target },
    /// The claim of a volume, or what stands behind it.
    Claim { key: PodKey, volume: usize },
    /// One of a pod's claims on devices.
    Devices { key: PodKey, turn: u32 },
    /// The claim of a volume whose file system grows.
    Expansion { key: PodKey, volume: usize },
    /// The deletion of a mirror pod.
    MirrorDeleted { key: PodKey, turn: u32 },
    /// The creation of a mirror pod.
    MirrorCreated { key: PodKey, turn: u32 },
    /// The node itself, to be registered.
    NodeRead,
    /// The node's creation.
    NodeCreated,
    /// The node's status.
    NodeReported,
    /// By nobody.
    Nobody,
}

/// When a process started; it may have run for a while before virtual time did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StartedAt {
    at: SimTime,
    before: SimDuration,
}

impl StartedAt {
    fn uptime(self, now: SimTime) -> SimDuration {
        now.since(self.at) + self.before
    }
}

/// A kubelet and everything that it knows.
#[derive(Debug, Clone)]
pub struct Kubelet {
    node: NodeIndex,
    name: Name,
    address: Ipv4Addr,
    config: Arc<KubeletConfig>,
    profile: Arc<LatencyProfile>,
    load: LoadGauge,
    clock: WallClock,
    draws: Draws,
    stream: StreamKey,
    up: bool,
    started_at: StartedAt,
    /// The phase of the sync loop's ticker.
    tick_phase: SimTime,
    /// Whether every probe is run, also those that are sure to change nothing.
    every_probe: bool,
    /// Boxed, so that a look-up goes through few pages.
    pods: BTreeMap<PodKey, Box<PodState>>,
    /// Pods whose resize is not allocated, in the order in which they are looked at.
    pending_resizes: Vec<PodKey>,
    /// What the disk keeps of resources, from an earlier process until the pods are known again.
    checkpoints: BTreeMap<PodKey, resize::Checkpoint>,
    /// When the main loop is done with the pods that it was given.
    admitting_until: SimTime,
    resize_retry: u32,
    pleg: Pleg,
    statuses: StatusManager,
    images: ImageManager,
    events: EventRecorder,
    event_sink: EventSink,
    api_limit: TokenBucket,
    cri_calls: FastMap<u32, PendingCri>,
    api_calls: FastMap<u32, PendingCall>,
    handlers: FastMap<u32, PendingHandler>,
    calls: u32,
    /// The node as the kubelet's own informer has it.
    node_object: Option<Arc<Node>>,
    /// ConfigMaps and Secrets that were read, and are watched from then on; `None` for what is not there.
    objects: FastMap<(Kind, Name, Name), Option<Object>>,
    /// Immutable ones that are gone, or others by now, and that pods go on using as they were.
    kept_objects: BTreeMap<(Kind, Name, Name), Object>,
    services: ServiceLinks,
    housekeeping_due: Option<SimTime>,
    container_gc_due: Option<SimTime>,
    /// The node as this kubelet registers it.
    template: Arc<Node>,
    reporter: NodeReporter,
    static_pods: StaticPods,
    eviction: EvictionManager,
    image_use: ImageUse,
    shutdown: Shutdown,
    /// Critical pods that wait for others to be gone.
    preemptions: Vec<Preemption>,
    /// Whether every source of pods was seen since the process started.
    sources_ready: bool,
    /// What the runtime has of pods that the kubelet was told nothing of.
    unclaimed: BTreeMap<PodKey, Unclaimed>,
    /// How often the process has died: what was under way then is stale.
    incarnation: u32,
    /// What faults do to it.
    hindrances: Hindrances,
    /// What the main loop has not taken in yet, because it stands still.
    unheard: Vec<Unheard>,
    /// How often the machine has started anew, and the last time that this was reported.
    boots: u32,
    reported_boot: u32,
}

/// Everything that a kubelet has of a pod.
#[derive(Debug, Clone)]
struct PodState {
    stream: StreamKey,
    /// The newest version that the kubelet was told of, with the resources that it is allocated.
    pod: Arc<Pod>,
    resizing: Resizing,
    /// When the main loop is done with it; its worker begins no earlier.
    admitted_at: SimTime,
    /// Whether it is still there, as far as the kubelet was told.
    configured: bool,
    worker: Option<Worker>,
    /// What the runtime would say now.
    runtime: Arc<RuntimePod>,
    /// What the runtime said when it was last listed.
    listed: Arc<RuntimePod>,
    /// What workers go by, and when it was observed.
    cached: Arc<RuntimePod>,
    observed_at: Option<SimTime>,
    status: Option<TrackedStatus>,
    probes: PodProbes,
    /// The pod as the probe workers know it: the version that they were started with.
    probed: Option<Arc<Pod>>,
    volumes: PodVolumes,
    start_errors: Vec<StartError>,
    crash_back_off: Vec<(StreamKey, BackOff)>,
    /// How many of its worker's turns ended with another try to come.
    retries: u64,
    /// When the kubelet was told of it.
    added_at: SimTime,
    /// Whether it was refused with containers that run, and these are being killed.
    doomed: bool,
}

impl PodState {
    fn new(key: PodKey, pod: Arc<Pod>) -> Self {
        let nothing = Arc::new(RuntimePod { key, sandboxes: Vec::new(), containers: Vec::new() });
        Self {
            stream: pod_stream(&pod),
            pod,
            resizing: Resizing::default(),
            configured: true,
            admitted_at: SimTime::ZERO,
            worker: None,
            runtime: nothing.clone(),
            listed: nothing.clone(),
            cached: nothing,
            observed_at: None,
            status: None,
            probes: PodProbes::default(),
            probed: None,
            volumes: PodVolumes::default(),
            start_errors: Vec::new(),
            crash_back_off: Vec::new(),
            retries: 0,
            added_at: SimTime::ZERO,
            doomed: false,
        }
    }

    /// Whether the runtime would say something else now than when it was last listed.
    fn has_news(&self) -> bool {
        !Arc::ptr_eq(&self.runtime, &self.listed)
    }

    fn probed_pod(&self) -> Arc<Pod> {
        self.probed.clone().unwrap_or_else(|| self.pod.clone())
    }
}

/// What a kubelet is made from.
#[derive(Debug, Clone)]
pub struct KubeletSetup {
    /// Its machine.
    pub node: NodeIndex,
    /// Its node's name.
    pub name: Name,
    /// The node's address.
    pub address: Ipv4Addr,
    /// Its settings.
    pub config: Arc<KubeletConfig>,
    /// How long its steps take.
    pub profile: Arc<LatencyProfile>,
    /// The node's clock.
    pub clock: WallClock,
    /// The source of chance.
    pub draws: Draws,
    /// Whether every probe is run, also those that are sure to change nothing.
    pub every_probe: bool,
    /// The node as the kubelet registers it.
    pub template: Arc<Node>,
}

impl Kubelet {
    /// A kubelet that is not running.
    pub fn new(setup: KubeletSetup) -> Self {
        let KubeletSetup { node, name, address, config, profile, clock, draws, every_probe, template } = setup;
        let stream = StreamKey::new(&name);
        Self {
            node,
            name,
            address,
            clock,
            draws,
            stream,
            up: false,
            started_at: StartedAt { at: SimTime::ZERO, before: SimDuration::ZERO },
            tick_phase: SimTime::ZERO,
            every_probe,
            pods: BTreeMap::new(),
            pending_resizes: Vec::new(),
            checkpoints: BTreeMap::new(),
            admitting_until: SimTime::ZERO,
            resize_retry: 0,
            pleg: Pleg::default(),
            statuses: StatusManager::default(),
            images: ImageManager::new(&config),
            events: EventRecorder::new(Name::new("kubelet"), name),
            event_sink: EventSink::new(config.event_record_qps, config.event_burst),
            api_limit: TokenBucket::new(config.kube_api_qps, config.kube_api_burst),
            cri_calls: FastMap::default(),
            api_calls: FastMap::default(),
            handlers: FastMap::default(),
            calls: 0,
            node_object: None,
            objects: FastMap::default(),
            kept_objects: BTreeMap::new(),
            services: ServiceLinks::default(),
            housekeeping_due: None,
            container_gc_due: None,
            template,
            reporter: NodeReporter::default(),
            static_pods: StaticPods::default(),
            eviction: EvictionManager::default(),
            image_use: ImageUse::default(),
            shutdown: Shutdown::default(),
            preemptions: Vec::new(),
            sources_ready: true,
            unclaimed: BTreeMap::new(),
            incarnation: 0,
            hindrances: Hindrances::default(),
            unheard: Vec::new(),
            boots: 0,
            reported_boot: 0,
            config,
            load: LoadGauge::new(profile.load, draws, stream),
            profile,
        }
    }

    /// Starts the process; it counts as having run for `before` already.
    pub fn start(&mut self, now: SimTime, before: SimDuration) {
        self.up = true;
        self.started_at = StartedAt { at: now, before };
        // Loops that began with the process keep their distance for a while.
        let next = |period: SimDuration| {
            let age = SimDuration::from_nanos(before.as_nanos() % period.as_nanos());
            now + period.saturating_sub(age)
        };
        self.tick_phase = next(config::HOUSEKEEPING_PERIOD);
        let mut draw = self.draws.draw(PHASE, self.stream, now.as_nanos());
        let spread = SimDuration::from_nanos(draw.below(config::RELIST_SPREAD.as_nanos()));
        self.pleg.start(next(Pleg::period()) + spread);
        self.statuses.start(next(config::STATUS_SYNC_PERIOD));
        self.eviction = EvictionManager::started(now, before);
        if !before.is_zero() {
            self.assume_registered(now);
        }
    }

    /// Whether the process runs.
    pub const fn is_up(&self) -> bool {
        self.up
    }

    /// The node's name.
    pub const fn name(&self) -> Name {
        self.name
    }

    /// Advances this kubelet by one message. Everything that it wants done leaves through `out`.
    pub fn handle(&mut self, now: SimTime, message: KubeletMessage, out: &mut Outbox<Message>) {
        match message {
            KubeletMessage::Start => return self.begin(now, out),
            KubeletMessage::Booted { incarnation } => return self.booted(now, incarnation, out),
            _ if !self.up => return,
            _ => {}
        }
        let Some(message) = self.loop_hears(now, message) else { return };
        match message {
            KubeletMessage::Start | KubeletMessage::Booted { .. } => {}
            KubeletMessage::LoopResumes => self.loop_resumes(now, out),
            // The cluster answers these.
            KubeletMessage::ListRuntime
            | KubeletMessage::ListPods
            | KubeletMessage::ReadEnvFiles { .. }
            | KubeletMessage::Eviction { .. }
            | KubeletMessage::ImageGc { .. } => {}
            KubeletMessage::ContainerGc { due } => self.container_gc(now, due, out),
            KubeletMessage::SystemOom { process, pid } => {
                // `pkg/kubelet/oom/oom_watcher_linux.go`.
                let text = format!("System OOM encountered, victim process: {process}, pid: {pid}");
                self.tell_node(now, EventType::Warning, "SystemOOM", &text, out);
            }
            KubeletMessage::ShutdownStep { due } => self.shutdown_step(now, due, out),
            KubeletMessage::ReadFiles => self.read_files(now, out),
            KubeletMessage::Register { works } => self.register(now, works, out),
            KubeletMessage::NodeBeat { due } => self.node_beat(now, due, out),
            KubeletMessage::WorkerWakes { key, turn } => self.worker_wakes(now, key, turn, out),
            KubeletMessage::WorkQueueTick { key, due } => self.work_queue_tick(now, key, due, out),
            KubeletMessage::DeadlineTick { key } => self.deadline_tick(now, key, out),
            KubeletMessage::StopTimer { key, turn, container, stage } => {
                self.stop_timer(now, key, turn, container, stage, out);
            }
            KubeletMessage::Relist { due } => self.relist(now, due, out),
            KubeletMessage::Relisted { began } => self.relisted(now, began, out),
            KubeletMessage::RelistPod { key } => self.relist_pod(now, key, out),
            KubeletMessage::PodLifecycleEvent { key } => self.sync_soon(now, key, out),
            KubeletMessage::ProbeDue { key, worker, timer } => self.probe_due(now, key, worker, timer, out),
            KubeletMessage::ProbeNews { key, id, kind, verdict } => self.probe_news(now, key, id, kind, verdict, out),
            KubeletMessage::HandlerTimer { run } => self.handler_timer(now, run, out),
            KubeletMessage::StatusBatch => self.status_batch(now, out),
            KubeletMessage::StatusReconcile { due } => self.status_reconcile(now, due, out),
            KubeletMessage::PodKilled { key, turn } => self.pod_killed(now, key, turn, out),
            KubeletMessage::VolumePoll { key, turn } => self.volume_poll(now, key, turn, out),
            KubeletMessage::Mounted { key, volume, due } => self.mount_due(now, key, volume, due, out),
            KubeletMessage::Expand { key, volume } => self.expand(now, key, volume, out),
            KubeletMessage::DevicesFree => self.want_node_report(now, out),
            KubeletMessage::RetryResizes { retry } if retry == self.resize_retry => self.retry_resizes(now, out),
            KubeletMessage::RetryResizes { .. } => {}
            KubeletMessage::Housekeeping { due } => self.housekeeping(now, due, out),
        }
    }

    /// The kubelet's watch tells of a change.
    pub fn watched(&mut self, now: SimTime, change: Change, out: &mut Outbox<Message>) {
        if !self.up {
            return;
        }
        let Some(change) = self.loop_watches(now, change) else { return };
        match change.object {
            Object::Pod(pod) if static_pods::is_mirror(&pod) => self.mirror_changed(now, change.kind, pod, out),
            Object::Pod(pod) => self.pod_changed(now, change.kind, pod, out),
            Object::Node(node) => self.node_watched(now, (change.kind != ChangeKind::Deleted).then_some(node), out),
            Object::PersistentVolumeClaim(claim) => self.claim_changed(now, &claim, out),
            object => self.object_changed(now, change.kind == ChangeKind::Deleted, &object, out),
        }
    }

    /// The runtime's knowledge of a pod changed: seen when the runtime is next listed.
    pub fn runtime_changed(&mut self, now: SimTime, pod: Arc<RuntimePod>, out: &mut Outbox<Message>) {
        if !self.up {
            return;
        }
        let key = pod.key;
        let Some(state) = self.pods.get_mut(&key) else { return self.unclaimed_changed(now, &pod, out) };
        state.runtime = pod;
        if state.doomed {
            self.refused_stopped(now, key, out);
        }
        self.pleg.changed.insert(key);
        self.wake_probes(now, key, out);
        self.want_relist(now, out);
    }

    /// Whether its runtime is still to answer a call.
    pub fn waits_for(&self, id: u32) -> bool {
        self.cri_calls.contains_key(&id)
    }

    /// The runtime answers a call.
    pub fn cri_done(&mut self, now: SimTime, id: u32, result: CriResult, out: &mut Outbox<Message>) {
        if !self.up {
            return;
        }
        match self.cri_calls.remove(&id) {
            Some(PendingCri::Step { key, turn }) => self.step_answered(now, key, turn, result, out),
            Some(PendingCri::Stop { key, turn, container }) => self.stopped(now, key, turn, container, result, out),
            Some(PendingCri::Handler(run)) => self.handler_answered(now, run, result, out),
            Some(PendingCri::Pull { number }) => self.pulled(now, number, result, out),
            Some(PendingCri::Orphan { key }) => self.orphan_stopped(now, key, out),
            Some(PendingCri::Nobody) | None => {}
        }
    }

    /// A request over the network has come to something.
    pub fn net_done(&mut self, now: SimTime, id: u32, reply: NetReply, out: &mut Outbox<Message>) {
        if self.up {
            self.net_answered(now, id, reply, out);
        }
    }

    /// The API server answers a call.
    pub fn replied(&mut self, now: SimTime, id: u32, response: Response, out: &mut Outbox<Message>) {
        if !self.up {
            return;
        }
        match self.api_calls.remove(&id) {
            Some(PendingCall::StatusRead { key }) => self.status_read(now, key, response, out),
            Some(PendingCall::StatusWrite { key }) => self.status_written(now, key, response, out),
            Some(PendingCall::StatusDelete { key }) => self.status_deleted(now, key, response, out),
            Some(PendingCall::Volume { key, volume, target }) => {
                self.object_read(now, key, volume, target, response, out);
            }
            Some(PendingCall::Claim { key, volume }) => self.claim_read(now, key, volume, response, out),
            Some(PendingCall::Devices { key, turn }) => self.devices_read(now, key, turn, response, out),
            Some(PendingCall::Expansion { key, volume }) => self.expansion_answered(now, (key, volume), response, out),
            Some(PendingCall::MirrorDeleted { key, turn }) => self.mirror_deleted(now, key, turn, &response, out),
            Some(PendingCall::MirrorCreated { key, turn }) => self.mirror_created(now, key, turn, out),
            Some(PendingCall::NodeRead) => self.node_read(now, response, out),
            Some(PendingCall::NodeReported) => match response {
                Ok(_) => self.reporter.reported = now,
                Err(_) => self.want_node_report(now, out),
            },
            Some(PendingCall::NodeCreated) => self.node_created(now, response, out),
            Some(PendingCall::Nobody) | None => {}
        }
    }

    /// Pods come, change and go (`syncLoopIteration`, configCh).
    fn pod_changed(&mut self, now: SimTime, kind: ChangeKind, pod: Arc<Pod>, out: &mut Outbox<Message>) {
        let key = PodKey::of(crate::api::ApiObject::id(&*pod));
        match kind {
            ChangeKind::Deleted => self.pod_removed(now, key, out),
            ChangeKind::Added | ChangeKind::Modified if self.knows_version(key, &pod) => {}
            ChangeKind::Added | ChangeKind::Modified => match self.take_version(key, pod.clone()) {
                None => {
                    self.pod_added(now, key, pod, out);
                    self.retry_resizes(now, out);
                }
                Some(before) => {
                    if semantically_different(&before, &pod) {
                        self.push_resize(now, key, out);
                        self.update_pod(now, key, UpdateKind::Update, out);
                        // Every ten seconds the writer looks at all pods, whatever it was that changed.
                        if self.status_is_disputed(key) {
                            self.want_reconcile(now, out);
                        }
                    } else {
                        self.pod_reconciled(now, key, out);
                    }
                }
            },
        }
    }

    /// A status changed that somebody else wrote: what was the kubelet's to say is said again, and readiness gates are
    /// looked at.
    fn pod_reconciled(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        if self.status_is_disputed(key) {
            self.want_reconcile(now, out);
        }
        let Some(state) = self.pods.get(&key) else { return };
        if state.pod.spec.readiness_gates.is_empty() {
            return;
        }
        let wall = self.clock.at(now).truncated();
        // `NeedToReconcilePodReadiness` does not look among init containers: a sidecar counts as unknown, and every
        // write of the status of such a pod leads to a sync.
        let mut regular = PodStatus::clone(&state.pod.status);
        regular.init_containers.clear();
        let wanted = status::ready_condition(&state.pod.spec, &regular.conditions, &regular, wall);
        let have = state.pod.status.condition(*crate::api::READY);
        if have.is_some_and(|have| have.status != wanted.status || have.message != wanted.message) {
            self.update_pod(now, key, UpdateKind::Sync, out);
        }
    }

    fn message(&self, message: KubeletMessage) -> Message {
        Message::Kubelet(self.node, message)
    }

    /// How long a step takes, by the profile, for a pod at this moment.
    fn latency(&self, what: fn(&LatencyProfile) -> &Distribution, now: SimTime, stream: StreamKey) -> SimDuration {
        self.hindrances.stretched(self.draws.sample(what(&self.profile), STEP, stream, now.as_nanos()))
    }

    /// The same of a step for a pod that writes to the disk, which has its load, and the writes for others before it.
    fn on_disk(
        &self,
        what: fn(&LatencyProfile) -> &Distribution,
        now: SimTime,
        key: PodKey,
        step: &str,
    ) -> SimDuration {
        let pod = self.pods.get(&key).map_or(self.stream, |state| state.stream);
        self.load.in_turn(now, pod, self.latency(what, now, pod.part(step)))
    }

    /// What is known of Services changed.
    pub fn know_services(&mut self, services: &ServiceLinks) {
        self.services.clone_from(services);
    }

    /// Gives the kubelet the load of a machine that it shares with others, and takes it back.
    pub fn swap_load(&mut self, load: &mut LoadGauge) {
        std::mem::swap(&mut self.load, load);
    }

    /// A container that started before this was running when the kubelet started (`kubeletRestartGracePeriod`).
    fn found_before(&self) -> WallTime {
        self.clock.at(self.started_at.at).earlier_by(self.started_at.before + config::RESTART_MARGIN)
    }

    /// Between two messages of the main loop.
    fn main_loop_delay(&self, now: SimTime, key: PodKey) -> SimDuration {
        let stream = self.pods.get(&key).map_or(self.stream, |state| state.stream);
        self.latency(|profile| &profile.main_loop_step, now, stream.part("main loop"))
    }

    /// A duration and up to half as much again (`wait.Jitter(d, 0.5)`).
    fn jitter(&self, key: PodKey, ordinal: u64, span: SimDuration) -> SimDuration {
        let stream = self.pods.get(&key).map_or(self.stream, |state| state.stream);
        let most = span.mul_ratio(3, 2);
        self.draws.draw(JITTER, stream, ordinal).between(span, most)
    }

    /// The same before a pod's next try, whose luck is of its number since the kubelet's process began.
    fn retry_jitter(&mut self, key: PodKey, span: SimDuration) -> SimDuration {
        let begun = self.started_at.at.as_nanos();
        let Some(state) = self.pods.get_mut(&key) else { return self.jitter(key, begun, span) };
        state.retries += 1;
        let ordinal = begun.wrapping_add(state.retries);
        self.jitter(key, ordinal, span)
    }

    /// Calls the runtime after a moment's thought.
    fn call_runtime(&mut self, delay: SimDuration, call: CriCall, pending: PendingCri, out: &mut Outbox<Message>) {
        self.calls += 1;
        let id = self.calls;
        self.cri_calls.insert(id, pending);
        out.after(delay, Message::Cri { node: self.node, id, call: Box::new(call) });
    }

    /// Calls the API server, at the pace that the client allows itself.
    fn call_api(&mut self, now: SimTime, request: Request, pending: PendingCall, out: &mut Outbox<Message>) {
        self.calls += 1;
        let id = self.calls;
        self.api_calls.insert(id, pending);
        let wait = self.api_limit.take(now);
        out.after(wait, Message::Call { client: Client::Kubelet(self.node), id, request: Box::new(request) });
    }

    /// Tells people something about a pod.
    fn tell_pod(
        &mut self,
        now: SimTime,
        key: PodKey,
        kind: EventType,
        reason: &str,
        message: impl AsRef<str>,
        out: &mut Outbox<Message>,
    ) {
        self.tell_part(now, key, Name::default(), kind, reason, message, out);
    }

    /// Tells people something about a container; about the pod, if the name is empty.
    #[allow(clippy::too_many_arguments, reason = "what, about whom, how grave, and when")]
    fn tell_container(
        &mut self,
        now: SimTime,
        key: PodKey,
        container: Name,
        kind: EventType,
        reason: &str,
        message: impl AsRef<str>,
        out: &mut Outbox<Message>,
    ) {
        if container.is_empty() {
            return self.tell_pod(now, key, kind, reason, message, out);
        }
        let Some(state) = self.pods.get(&key) else { return };
        let spec = &state.pod.spec;
        let group = if spec.containers.iter().any(|c| c.name == container) {
            "containers"
        } else if spec.init_containers.iter().any(|c| c.name == container) {
            "initContainers"
        } else {
            "ephemeralContainers"
        };
        let path = Name::new(&format!("spec.{group}{{{container}}}"));
        self.tell_part(now, key, path, kind, reason, message, out);
    }

    #[allow(clippy::too_many_arguments, reason = "what, about whom, how grave, and when")]
    fn tell_part(
        &mut self,
        now: SimTime,
        key: PodKey,
        field_path: Name,
        kind: EventType,
        reason: &str,
        message: impl AsRef<str>,
        out: &mut Outbox<Message>,
    ) {
        let Some(state) = self.pods.get(&key) else { return };
        let meta = &state.pod.meta;
        let about = ObjectReference {
            kind: Kind::Pod.name(),
            api_version: Kind::Pod.api_version(),
            namespace: meta.namespace,
            name: meta.name,
            uid: meta.uid,
            field_path,
            resource_version: meta.resource_version,
        };
        let told = Told { about, kind, reason: Name::new(reason), message: message.as_ref().into() };
        self.tell(now, told, out);
    }

    fn tell(&mut self, now: SimTime, told: Told, out: &mut Outbox<Message>) {
        let stream = told.about.uid.stream().part(&told.reason);
        let Some(request) = self.events.tell(now, self.clock.at(now), told) else { return };
        let making = self.latency(|profile| &profile.event, now, stream);
        let call = self.latency(|profile| &profile.api_write, now, stream);
        let wait = self.event_sink.wait(now, making, call);
        self.calls += 1;
        let message = Message::Call { client: Client::Kubelet(self.node), id: self.calls, request: Box::new(request) };
        out.after(wait, message);
    }
}

/// Whether a change is one of what is wanted rather than of what is known (`podsDifferSemantically`).
fn semantically_different(before: &Pod, after: &Pod) -> bool {
    !Arc::ptr_eq(&before.spec, &after.spec) && before.spec != after.spec
        || before.meta.labels != after.meta.labels
        || before.meta.annotations != after.meta.annotations
        || before.meta.deletion_timestamp != after.meta.deletion_timestamp
        || before.meta.deletion_grace_period != after.meta.deletion_grace_period
}
