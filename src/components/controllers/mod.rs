//! The controllers: each brings one kind of object nearer to what its spec says.
//!
//! They share one informer cache ([`Informers`]), told of every change through the watch of the controller manager, and
//! nothing else. Each runs in a host of its own with a work queue, workers, a client with a limit and a recorder of
//! events, as in the real kube-controller-manager. A controller is three things: a handler of notifications that adds
//! keys to its queue, a view of the cluster, and a sync written as straight-line code ([`Flow`]).
//!
//! Everything follows `pkg/controller` of Kubernetes 1.36. Left out on purpose: leader election, periodic resyncs of
//! informers (every 12 hours and more; [`ControllerManager::resync`] is one), and controllers of things that are not
//! simulated (tokens, certificates, …).

mod attach_detach;
mod cron_job;
mod daemon_set;
mod deployment;
mod disruption;
mod endpoint_mirroring;
mod endpoint_slice;
mod endpoints;
mod ephemeral_volume;
mod expectations;
mod flow;
mod garbage_collector;
mod history;
mod horizontal;
mod host;
mod informers;
mod interest;
mod job;
mod namespace;
mod node_lifecycle;
mod persistent_volume;
mod pod_control;
mod pod_gc;
mod quota;
mod replica_set;
mod resource_claim;
mod rosters;
mod stateful_set;
mod taint_eviction;
mod tally;
mod ttl_after_finished;
mod victims;
mod work_queue;

pub(crate) use cron_job::Schedule;
pub(crate) use daemon_set::foreseen_daemon_pod;
pub(crate) use deployment::revision_of;
pub use expectations::{EXPECTATIONS_TIMEOUT, Expectations};
pub use flow::{Call, Desk, Flow, Halt, Note, Step, first_error};
pub use host::{Controller, Seen, Settings, Sync, SyncInsight};
pub use informers::{Census, Informers, OwnedPods, Places, SelectedPods};
pub use interest::Interest;
pub(crate) use job::completion_index;
pub use node_lifecycle::Heartbeat;
pub use persistent_volume::NodeExpansion;
pub(crate) use stateful_set::{stateful_set_ordinal, stateful_set_revision};
pub use work_queue::{Key, QueueKey, Retry, WorkQueue};

use super::latency::LatencyProfile;
use super::message::Message;
use crate::api::{Change, ChangeKind, FastMap, Kind, Name, Object, Response, Text, WallClock};
use crate::engine::{Distribution, Draws, Outbox, SimDuration, SimTime};
use host::Host;
use std::sync::Arc;

/// Something that happens inside a controller.
#[derive(Debug, Clone, Copy, strum::IntoStaticStr)]
pub enum ControllerMessage {
    /// A worker is about to take a key from the queue.
    Work(ControllerName),
    /// The time has come for a key that was to be added later.
    Timer(ControllerName),
    /// A sync looks at the cluster again.
    Look(ControllerName, u32),
}

/// A call to the API server that is waited for.
#[derive(Debug, Clone, Copy)]
enum Pending {
    /// By a sync.
    Task { controller: ControllerName, task: u32, call: u32 },
    /// By a recorder of events.
    Event(ControllerName),
}

/// Calls and terms of processes that act beside another begin here, …
const RIVAL: u32 = 1 << 30;
/// … and each makes fewer calls than this.
const RIVAL_CALLS: u32 = 1 << 22;

/// What all controllers are run with.
#[derive(Debug, Clone)]
struct Shared {
    clock: WallClock,
    draws: Draws,
    profile: Arc<LatencyProfile>,
    /// How many processes there were before: what they had sent themselves is stale.
    term: u32,
    calls: u32,
    pending: FastMap<u32, Pending>,
}

/// What drivers of volumes say where they do not do what they are asked, or do it late.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DriverFailures {
    /// To make a volume.
    pub provision: Option<Text>,
    /// To attach one.
    pub attach: Option<Text>,
    /// To detach one.
    pub detach: Option<Text>,
    /// How much longer they need to make one.
    pub provision_later: SimDuration,
    /// How much longer they need to attach one.
    pub attach_later: SimDuration,
}

/// What a controller manager is made from.
#[derive(Debug, Clone)]
pub struct ControllerSetup {
    /// The control plane's clock.
    pub clock: WallClock,
    /// The source of chance.
    pub draws: Draws,
    /// How long its steps take.
    pub profile: Arc<LatencyProfile>,
}

macro_rules! controllers {
    ($($(#[$doc:meta])* $name:ident, $field:ident: $type:ty = $new:expr;)*) => {
        /// Which controller is meant.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ControllerName { $($(#[$doc])* $name,)* }

        /// The controllers and everything that they know.
        #[derive(Debug, Clone)]
        pub struct ControllerManager {
            informers: Informers,
            shared: Shared,
            $($field: Host<$type>,)*
        }

        impl ControllerManager {
            /// Controllers that know of nothing yet.
            pub fn new(setup: ControllerSetup) -> Self {
                let ControllerSetup { clock, draws, profile } = setup;
                let shared = Shared { clock, draws, profile, term: 0, calls: 0, pending: FastMap::default() };
                Self {
                    informers: Informers::default(),
                    $($field: Host::new(ControllerName::$name, $new, &shared),)*
                    shared,
                }
            }

            /// Everything that was there at the start has been introduced.
            pub fn start(&mut self, now: SimTime, out: &mut Outbox<Message>) {
                $(self.$field.started(now, &self.informers, &mut self.shared, out);)*
            }

            /// Everything that there is has been listed by a process that has just started.
            pub fn listed(&mut self, now: SimTime, objects: Vec<Object>, out: &mut Outbox<Message>) {
                objects.iter().for_each(|object| self.introduce(object.clone()));
                self.start(now, out);
                objects.iter().for_each(|object| self.found(now, object, out));
            }

            /// The watch tells of a change.
            pub fn watched(&mut self, now: SimTime, change: &Change, out: &mut Outbox<Message>) {
                let old = self.informers.apply(change);
                let seen =
                    Seen { kind: change.kind, old: old.as_ref(), new: &change.object, informers: &self.informers };
                $(self.$field.observe(now, &seen, &mut self.shared, out);)*
            }

            /// An informer lists an object that was introduced: as at the start of a process, whoever minds it looks.
            pub fn found(&mut self, now: SimTime, object: &Object, out: &mut Outbox<Message>) {
                let seen = Seen { kind: ChangeKind::Added, old: None, new: object, informers: &self.informers };
                $(self.$field.observe(now, &seen, &mut self.shared, out);)*
            }

            /// Informers tell of everything that they know once more, as they do by themselves after twelve hours and
            /// more (`--min-resync-period`).
            pub fn resync(&mut self, now: SimTime, out: &mut Outbox<Message>) {
                let known: Vec<Object> = Kind::ALL.iter().flat_map(|kind| self.informers.store().list(*kind)).collect();
                for object in &known {
                    let (kind, informers) = (ChangeKind::Modified, &self.informers);
                    let seen = Seen { kind, old: Some(object), new: object, informers };
                    $(self.$field.observe(now, &seen, &mut self.shared, out);)*
                }
            }

            /// Whether any controller leaves something undone until it hears of it again.
            pub fn are_stuck(&self, now: SimTime) -> bool {
                $(self.$field.is_stuck(now))||*
            }

            /// Advances a controller by one message.
            pub fn handle(&mut self, now: SimTime, message: ControllerMessage, out: &mut Outbox<Message>) {
                match message {
                    $(ControllerMessage::Work(ControllerName::$name) => {
                        self.$field.work(now, &self.informers, &mut self.shared, out);
                    })*
                    $(ControllerMessage::Timer(ControllerName::$name) => {
                        self.$field.timer(now, &mut self.shared, out);
                    })*
                    $(ControllerMessage::Look(ControllerName::$name, task) => {
                        self.$field.look(now, task as usize, &self.informers, &mut self.shared, out);
                    })*
                }
            }

            /// The sync that waits for the answer to a call, for those who look on.
            pub fn caller(&self, id: u32) -> Option<SyncInsight> {
                match self.shared.pending.get(&id)? {
                    $(Pending::Task { controller: ControllerName::$name, task, .. } => self.$field.insight(*task),)*
                    Pending::Event(_) => None,
                }
            }

            /// The API server answers a call.
            pub fn replied(&mut self, now: SimTime, id: u32, response: Response, out: &mut Outbox<Message>) {
                match self.shared.pending.remove(&id) {
                    $(Some(Pending::Task { controller: ControllerName::$name, task, call }) => {
                        let known = (&self.informers, &mut self.shared);
                        self.$field.replied(now, task as usize, call as usize, response, known, out);
                    })*
                    $(Some(Pending::Event(ControllerName::$name)) => self.$field.told(now, &mut self.shared, out),)*
                    None => {}
                }
            }
        }
    };
}

controllers! {
    /// ReplicaSets make pods.
    ReplicaSet, replica_sets: replica_set::ReplicaSetController<crate::api::ReplicaSet> =
        replica_set::ReplicaSetController::default();
    /// ReplicationControllers make pods.
    ReplicationController, replication_controllers:
        replica_set::ReplicaSetController<crate::api::ReplicationController> =
        replica_set::ReplicaSetController::default();
    /// Deployments make ReplicaSets.
    Deployment, deployments: deployment::DeploymentController = deployment::DeploymentController;
    /// StatefulSets make pods with names of their own.
    StatefulSet, stateful_sets: stateful_set::StatefulSetController = stateful_set::StatefulSetController;
    /// DaemonSets make a pod on each node.
    DaemonSet, daemon_sets: daemon_set::DaemonSetController = daemon_set::DaemonSetController::default();
    /// Jobs make pods that finish.
    Job, jobs: job::JobController = job::JobController::default();
    /// Pods that no Job will count are let go.
    JobOrphans, job_orphans: job::JobOrphanController = job::JobOrphanController;
    /// CronJobs make Jobs when they are due.
    CronJob, cron_jobs: cron_job::CronJobController = cron_job::CronJobController;
    /// Claims and volumes are bound to each other.
    PersistentVolume, persistent_volumes: persistent_volume::PersistentVolumeController =
        persistent_volume::PersistentVolumeController;
    /// Volumes are made and deleted on demand.
    Provisioner, provisioners: persistent_volume::ProvisionerController =
        persistent_volume::ProvisionerController::default();
    /// Claims in use stay.
    ClaimProtection, claim_protections: persistent_volume::ClaimProtectionController =
        persistent_volume::ClaimProtectionController;
    /// Volumes in use stay.
    VolumeProtection, volume_protections: persistent_volume::VolumeProtectionController =
        persistent_volume::VolumeProtectionController;
    /// HorizontalPodAutoscalers follow what pods use.
    HorizontalPodAutoscaler, horizontal: horizontal::HorizontalController = horizontal::HorizontalController::default();
    /// Finished Jobs go after a while.
    TtlAfterFinished, ttl_after_finished: ttl_after_finished::TtlAfterFinishedController =
        ttl_after_finished::TtlAfterFinishedController;
    /// What is owned goes with its owner.
    GarbageCollector, garbage: garbage_collector::GarbageCollector = garbage_collector::GarbageCollector::default();
    /// Pods that nobody else takes away go.
    PodGc, pod_gc: pod_gc::PodGcController = pod_gc::PodGcController::default();
    /// Nodes that fall silent become unknown.
    NodeLifecycle, node_lifecycle: node_lifecycle::NodeLifecycleController =
        node_lifecycle::NodeLifecycleController::default();
    /// Pods leave nodes whose taints they do not bear.
    TaintEviction, taint_evictions: taint_eviction::TaintEvictionController =
        taint_eviction::TaintEvictionController::default();
    /// Namespaces are emptied before they go.
    Namespace, namespaces: namespace::NamespaceController = namespace::NamespaceController;
    /// ResourceQuotas count what is used.
    ResourceQuota, quotas: quota::ResourceQuotaController = quota::ResourceQuotaController;
    /// Pods get claims of their own.
    EphemeralVolume, ephemeral_volumes: ephemeral_volume::EphemeralVolumeController =
        ephemeral_volume::EphemeralVolumeController;
    /// Pods get claims on devices, and give them back.
    ResourceClaim, device_claims: resource_claim::ResourceClaimController = resource_claim::ResourceClaimController;
    /// EndpointSlices list the addresses behind Services.
    EndpointSlice, endpoint_slices: endpoint_slice::EndpointSliceController =
        endpoint_slice::EndpointSliceController::default();
    /// Endpoints list the same in their older form.
    Endpoints, endpoints: endpoints::EndpointsController = endpoints::EndpointsController::default();
    /// Endpoints that users write become slices.
    EndpointMirroring, endpoint_mirroring: endpoint_mirroring::EndpointMirroringController =
        endpoint_mirroring::EndpointMirroringController;
    /// PodDisruptionBudgets say how many pods may be evicted.
    Disruption, disruptions: disruption::DisruptionController = disruption::DisruptionController;
    /// Marks of disruptions that did not happen are taken back.
    StaleDisruption, stale_disruptions: disruption::StaleDisruptionController = disruption::StaleDisruptionController;
    /// Volumes are attached where their pods are.
    AttachDetach, attach_detach: attach_detach::AttachDetachController =
        attach_detach::AttachDetachController::default();
    /// Drivers attach and detach on demand.
    Attacher, attachers: attach_detach::AttacherController = attach_detach::AttacherController::default();
    /// Volumes grow on demand.
    Resizer, resizers: persistent_volume::ResizerController = persistent_volume::ResizerController::default();
    /// Who asks for larger volumes is told that others make them.
    Expand, expanders: persistent_volume::ExpandController = persistent_volume::ExpandController;
}

impl ControllerManager {
    /// The same with provisioners, and resizers, that need so long for each volume, and with drivers that leave the
    /// growth of file systems to nodes.
    #[must_use]
    pub fn provisioning(mut self, takes: Distribution, node_expansion: NodeExpansion) -> Self {
        self.provisioners.controller = persistent_volume::ProvisionerController::new(takes.clone());
        self.resizers.controller = persistent_volume::ResizerController::new(takes, node_expansion);
        self
    }

    /// The same with drivers that need so long to attach and to detach a volume.
    #[must_use]
    pub fn attaching(mut self, attach: Distribution, detach: Distribution) -> Self {
        self.attachers.controller = attach_detach::AttacherController::new(attach, detach);
        self
    }

    /// Drivers of volumes fail from now on, or work.
    pub fn drivers_fail(&mut self, failures: DriverFailures) {
        self.resizers.controller.fail(failures.provision.clone());
        self.provisioners.controller.fail(failures.provision, failures.provision_later);
        self.attachers.controller.fail((failures.attach, failures.detach), failures.attach_later);
    }

    /// The same as a process that started in place of another.
    #[must_use]
    pub fn succeeding(mut self, old: &Self) -> Self {
        // Answers to calls of the old process are not for the new one.
        self.shared.calls = old.shared.calls;
        self.shared.term = old.shared.term + 1;
        self
    }

    /// The same as the n-th process that acts beside another, with calls and terms of its own.
    #[must_use]
    pub fn rivalling(mut self, other: &Self, n: u32) -> Self {
        self.shared.calls = RIVAL + n * RIVAL_CALLS;
        self.shared.term = other.shared.term + RIVAL + n;
        self
    }

    /// Whether a call was made by a process that acts beside another.
    pub const fn is_rivals(call: u32) -> bool {
        call >= RIVAL
    }

    /// How many processes there were before.
    pub const fn term(&self) -> u32 {
        self.shared.term
    }

    /// An object was there from the start: nothing is done about it by itself.
    pub fn introduce(&mut self, object: Object) {
        self.informers.apply(&Change { kind: ChangeKind::Added, object });
    }

    /// A node had been there for so long when everything began.
    pub fn was_up(&mut self, node: Name, uptime: SimDuration) {
        self.node_lifecycle.controller.was_up(node, uptime);
    }

    /// A kubelet begins to renew its node's lease, or stops.
    pub fn heartbeat(&mut self, now: SimTime, node: Name, heartbeat: Heartbeat, out: &mut Outbox<Message>) {
        self.node_lifecycle.tell(now, &mut self.shared, out, |controller, desk| {
            controller.heartbeat(node, heartbeat, desk);
        });
    }

    /// Whether the controller of nodes believes that all zones are lost.
    pub const fn all_zones_are_lost(&self) -> bool {
        self.node_lifecycle.controller.all_zones_are_lost()
    }

    /// What the controllers know of the cluster.
    pub const fn informers(&self) -> &Informers {
        &self.informers
    }
}
