//! What a kubelet is set to: the fields of KubeletConfiguration that pods feel, and the constants behind them.
//!
//! Defaults follow `pkg/kubelet/apis/config/v1beta1/defaults.go` and `pkg/kubelet/kubelet.go` of Kubernetes 1.36.

use super::eviction::EvictionConfig;
use super::shutdown::ShutdownConfig;
use crate::engine::SimDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const fn secs(secs: u64) -> SimDuration {
    SimDuration::from_secs(secs)
}

/// The sync loop looks at its work queue so often.
pub const SYNC_TICK: SimDuration = secs(1);
/// Housekeeping runs so often.
pub const HOUSEKEEPING_PERIOD: SimDuration = secs(2);
/// A failed sync is tried again after this, and up to half as long again.
pub const BACK_OFF_PERIOD: SimDuration = secs(10);
/// A sync that finds no network is tried again after this, and up to half as long again.
pub const NETWORK_BACK_OFF: SimDuration = secs(1);
/// The runtime is asked for its status so often, and for that of its network (`Run`).
pub const RUNTIME_STATUS_PERIOD: SimDuration = secs(5);
/// A relist begins so long after the last one ended.
pub const RELIST_PERIOD: SimDuration = secs(1);
/// So much later than the process's other loops relists may run.
pub const RELIST_SPREAD: SimDuration = SimDuration::from_millis(110);
/// The status manager reconciles so often.
pub const STATUS_SYNC_PERIOD: SimDuration = secs(10);
/// The volume manager's loops run so often.
pub const VOLUME_LOOP: SimDuration = SimDuration::from_millis(100);
/// From one turn of the reconciler to the next: the wait, and the turn itself.
pub const VOLUME_TURN: SimDuration = SimDuration::from_micros(100_500);
/// So long the two loops of the volume manager keep their distance; it changes with what they do.
pub const VOLUME_LOOP_DRIFT: SimDuration = secs(5);
/// A sync that waits for volumes looks so often.
pub const VOLUME_POLL: SimDuration = SimDuration::from_millis(300);
/// A sync waits so long for volumes.
pub const VOLUME_TIMEOUT: SimDuration = secs(123);
/// A volume operation that failed is tried again after this, doubling.
pub const VOLUME_BACK_OFF: SimDuration = SimDuration::from_millis(500);
/// The longest wait between two tries of a volume operation.
pub const VOLUME_BACK_OFF_CAP: SimDuration = secs(122);
/// No process is killed earlier than this after the stop signal.
pub const MINIMUM_GRACE: i64 = 2;
/// A container's exit further back than this no longer counts against it.
pub const BACK_OFF_EXPIRY: SimDuration = secs(600);
/// A container that started so long before the kubelet did is one that it found.
pub const RESTART_MARGIN: SimDuration = secs(10);

/// A process that starts asks so long after for its pods, when it has synced its own node
/// (`WaitForAPIServerSyncPeriod`).
pub const API_SOURCE_WAIT: SimDuration = secs(1);
/// The first round of registration comes so early that it often fails.
pub const REGISTRATION_RETRY: SimDuration = SimDuration::from_millis(8);
/// The round of registration that works, and the time until another.
pub const REGISTRATION: SimDuration = SimDuration::from_millis(120);
/// A new node becomes ready so long after it was created (`fastStatusUpdateOnce`, the first look at the runtime).
pub const FAST_STATUS: SimDuration = SimDuration::from_millis(315);
/// Per cent by which a beat of the node's status may be late.
pub const NODE_STATUS_JITTER: u64 = 4;

/// The settings of a kubelet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KubeletConfig {
    /// A healthy pod is synced again after this, and up to half as long again.
    pub sync_frequency: SimDuration,
    /// The first delay of a container that keeps crashing.
    pub crash_loop_base: SimDuration,
    /// The longest delay of a container that keeps crashing.
    pub crash_loop_cap: SimDuration,
    /// The first delay of an image that cannot be pulled.
    pub image_back_off_base: SimDuration,
    /// The longest delay of an image that cannot be pulled.
    pub image_back_off_cap: SimDuration,
    /// Whether one image is pulled at a time.
    pub serialize_image_pulls: bool,
    /// How many images are pulled at a time otherwise; `None` for any number.
    pub max_parallel_image_pulls: Option<u32>,
    /// Pulls a second.
    pub registry_pull_qps: u32,
    /// Pulls at once.
    pub registry_burst: u32,
    /// Calls a second to the API server.
    pub kube_api_qps: u32,
    /// Calls at once.
    pub kube_api_burst: u32,
    /// Events a second.
    pub event_record_qps: u32,
    /// Events at once.
    pub event_burst: u32,
    /// How often the node's status is computed.
    pub node_status_update_frequency: SimDuration,
    /// How often it is reported if nothing changed.
    pub node_status_report_frequency: SimDuration,
    /// How long a lease is good for; renewed after a quarter of it.
    pub node_lease_duration: SimDuration,
    /// Kernel parameters that pods may set beside the safe ones: names, or beginnings of names and `*`.
    pub allowed_unsafe_sysctls: Vec<String>,
    /// How often the directory of static pods is read.
    pub file_check_frequency: SimDuration,
    /// How long pods get when the machine shuts down.
    pub shutdown: ShutdownConfig,
    /// When pods go because something is short.
    pub eviction: EvictionConfig,
    /// Unused images go when the disk is fuller than this, in per cent, …
    pub image_gc_high_threshold_percent: u8,
    /// … until it is no fuller than this.
    pub image_gc_low_threshold_percent: u8,
    /// Images that have been there for less than this stay.
    pub image_minimum_gc_age: SimDuration,
    /// Images that were not used for longer than this go, however much room there is; never if zero.
    pub image_maximum_gc_age: SimDuration,
}

impl Default for KubeletConfig {
    fn default() -> Self {
        Self {
            sync_frequency: secs(60),
            crash_loop_base: secs(10),
            crash_loop_cap: secs(300),
            image_back_off_base: secs(10),
            image_back_off_cap: secs(300),
            serialize_image_pulls: true,
            max_parallel_image_pulls: None,
            registry_pull_qps: 5,
            registry_burst: 10,
            kube_api_qps: 50,
            kube_api_burst: 100,
            event_record_qps: 50,
            event_burst: 100,
            node_status_update_frequency: secs(10),
            node_status_report_frequency: secs(300),
            node_lease_duration: secs(40),
            allowed_unsafe_sysctls: Vec::new(),
            file_check_frequency: secs(20),
            shutdown: ShutdownConfig::default(),
            eviction: EvictionConfig::default(),
            image_gc_high_threshold_percent: 85,
            image_gc_low_threshold_percent: 80,
            image_minimum_gc_age: secs(120),
            image_maximum_gc_age: SimDuration::ZERO,
        }
    }
}
