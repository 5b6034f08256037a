//! How long the steps take that Kubernetes does not decide: the network, the API server, the runtime, the processors.
//!
//! A profile is one RON file of named distributions. Two ship with the program: `ideal`, in which everything is
//! instant, and `kubernetes-1.36`, fitted to recordings of a real cluster.

use crate::engine::{Distribution, DistributionError, Draws, Purpose, SimDuration, SimTime, StreamKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cell::Cell;

const LOAD: Purpose = Purpose::new("load");

/// The named latencies of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatencyProfile {
    /// From a client to the server, until a read is served.
    pub api_read: Distribution,
    /// From a client to the server, until a write is stored.
    pub api_write: Distribution,
    /// How long the server's store is busy with a write: writes that arrive meanwhile are stored one after another.
    #[serde(default = "usual_commit")]
    pub commit: Distribution,
    /// From the server back to the client.
    pub api_reply: Distribution,
    /// From a write to its watchers.
    pub watch: Distribution,
    /// From a change of the queue to the end of a scheduling cycle.
    pub scheduling_cycle: Distribution,
    /// What a scheduling cycle takes longer for each node that it looks at beyond the first hundred.
    pub scheduling_node: Distribution,
    /// From a key's arrival in a controller's queue to the start of its sync.
    pub controller_sync: Distribution,
    /// From the start of a kubelet's process to its first look around.
    pub kubelet_start: Distribution,
    /// What a kubelet takes to admit a pod, its checkpoint on disk included; one pod after another.
    pub admit: Distribution,
    /// From a kubelet's decision to wake a pod worker to the worker's first step.
    pub worker_wake: Distribution,
    /// Between two messages that a kubelet's main loop handles.
    pub main_loop_step: Distribution,
    /// What a kubelet computes between two calls to its runtime.
    pub sync_step: Distribution,
    /// The making of a pod's directories, or of those of its logs, on a kubelet's disk.
    #[serde(default = "usual_directories")]
    pub directories: Distribution,
    /// What a kubelet does for a container before it is created: its directories and files, and what it is made from.
    #[serde(default = "usual_prepare_container")]
    pub prepare_container: Distribution,
    /// A relist of the runtime: listing, and inspecting what changed.
    pub relist: Distribution,
    /// A volume operation of a kubelet: token, ConfigMap or Secret fetched and mounted.
    pub mount: Distribution,
    /// The unmounting of a volume.
    pub unmount: Distribution,
    /// From an event's making to its call to the server.
    pub event: Distribution,
    /// `RunPodSandbox`.
    pub run_sandbox: Distribution,
    /// `StopPodSandbox`.
    pub stop_sandbox: Distribution,
    /// `CreateContainer`.
    pub create_container: Distribution,
    /// `StartContainer`.
    pub start_container: Distribution,
    /// Any other call to the runtime.
    pub runtime_call: Distribution,
    /// A command in a container, beyond what the command itself takes.
    pub exec: Distribution,
    /// A request from a kubelet to a container on its node, or between pods.
    pub pod_network: Distribution,
    /// The writing of a node's rules for Services by its kube-proxy, when something changed.
    #[serde(default = "usual_proxy_sync")]
    pub proxy_sync: Distribution,
    /// A pull of an image that the scenario says nothing about.
    pub pull: Distribution,
    /// The making, or deleting, of a persistent volume by its driver.
    pub provision: Distribution,
    /// The attaching of a volume to a node by its driver (`ControllerPublishVolume`).
    pub attach: Distribution,
    /// The detaching of a volume from a node by its driver (`ControllerUnpublishVolume`).
    pub detach: Distribution,
    /// How the load of the control plane's machine varies.
    pub load: Load,
}

/// The load of a machine: everything takes longer, or less long, by one factor, which comes and goes in waves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// The median of the factor.
    #[serde(default = "usual_level")]
    pub level: f64,
    /// How it varies, for long and for short.
    pub waves: [Wave; 2],
    /// The most that the factor ever is: a machine's queues are of some length.
    #[serde(default = "unbounded")]
    pub most: f64,
    /// How much of a step's time the steps for others that come after it wait for: one over the number of processors
    /// or disks.
    #[serde(default)]
    pub crowd: f64,
    /// Whether all nodes and the control plane are one machine, as those of a cluster on a workstation are; otherwise
    /// each has a load of its own.
    #[serde(default)]
    pub one_machine: bool,
}

/// A factor that is drawn anew for every window of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// How long a window is.
    pub window: SimDuration,
    /// Standard deviation of the logarithm of the factor, whose median is one; zero for no variation.
    pub sigma: f64,
}

const fn usual_level() -> f64 {
    1.0
}

const fn unbounded() -> f64 {
    f64::INFINITY
}

impl Wave {
    /// The window in which an instant lies.
    const fn window_at(&self, now: SimTime) -> u64 {
        if self.window.is_zero() { 0 } else { now.as_nanos() / self.window.as_nanos() }
    }

    /// The logarithm of the factor in a window.
    fn logarithm(&self, draws: Draws, stream: StreamKey, window: u64) -> f64 {
        if self.sigma == 0.0 { 0.0 } else { self.sigma * draws.draw(LOAD, stream, window).normal() }
    }
}

/// What a load makes of the steps of a machine.
#[derive(Debug, Clone)]
pub struct LoadGauge {
    load: Load,
    draws: Draws,
    machine: StreamKey,
    /// The windows that were looked at last, and their factor in thousandths.
    last: Cell<([u64; 2], u64)>,
    /// The work there is, of which nobody waits for what is its own.
    work: Cell<Work>,
}

/// The work of a machine: whose is the last, until when all of it takes, and until when what is of others.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    owner: u64,
    until: SimTime,
    of_others_until: SimTime,
}

impl LoadGauge {
    /// A load of a machine, as it is drawn for a run. Where all are one, what slows one slows the others too.
    pub fn new(load: Load, draws: Draws, machine: StreamKey) -> Self {
        let machine = if load.one_machine { StreamKey::new("machine") } else { machine };
        Self { load, draws, machine, last: Cell::new(([u64::MAX; 2], 1_000)), work: Cell::default() }
    }

    /// How long something takes at a moment that usually takes so long.
    pub fn stretched(&self, now: SimTime, span: SimDuration) -> SimDuration {
        let windows = self.load.waves.map(|wave| wave.window_at(now));
        let (known, mut factor) = self.last.get();
        if known != windows {
            let [long, short] = self.load.waves;
            let sum = long.logarithm(self.draws, self.machine.part("long"), windows[0])
                + short.logarithm(self.draws, self.machine.part("short"), windows[1]);
            factor = ((self.load.level * libm::exp(sum)).min(self.load.most) * 1_000.0) as u64;
            self.last.set((windows, factor));
        }
        span.mul_ratio(factor, 1_000)
    }

    /// The same of a step of somebody, which waits for the work of others that came before it.
    pub fn in_turn(&self, now: SimTime, owner: StreamKey, span: SimDuration) -> SimDuration {
        let takes = self.stretched(now, span);
        let mut work = self.work.get();
        if work.owner != owner.bits() {
            work = Work { owner: owner.bits(), of_others_until: work.until, ..work };
        }
        let begins = work.of_others_until.max(now);
        work.until = work.until.max(begins) + takes.mul_ratio((self.load.crowd * 1_000.0) as u64, 1_000);
        self.work.set(work);
        begins.since(now) + takes
    }
}

impl LatencyProfile {
    /// Everything is instant.
    pub fn ideal() -> Self {
        Self::parse(include_str!("profiles/ideal.ron")).expect("the profile ships with the program")
    }

    /// As recorded from a real cluster.
    pub fn kubernetes_1_36() -> Self {
        Self::parse(include_str!("profiles/kubernetes-1.36.ron")).expect("the profile ships with the program")
    }

    /// Reads a profile from RON.
    ///
    /// # Errors
    /// Where the text is no profile.
    pub fn parse(text: &str) -> Result<Self, ron::error::SpannedError> {
        ron::from_str(text)
    }

    /// Checks every distribution.
    ///
    /// # Errors
    /// The name of the first latency that is wrong, and what is wrong with it.
    pub fn validate(&self) -> Result<(), (&'static str, DistributionError)> {
        for (name, distribution) in self.named() {
            distribution.validate().map_err(|error| (name, error))?;
        }
        Ok(())
    }

    /// Every latency with its name.
    pub fn named(&self) -> [(&'static str, &Distribution); 31] {
        [
            ("api_read", &self.api_read),
            ("api_write", &self.api_write),
            ("commit", &self.commit),
            ("api_reply", &self.api_reply),
            ("watch", &self.watch),
            ("scheduling_cycle", &self.scheduling_cycle),
            ("scheduling_node", &self.scheduling_node),
            ("controller_sync", &self.controller_sync),
            ("kubelet_start", &self.kubelet_start),
            ("admit", &self.admit),
            ("worker_wake", &self.worker_wake),
            ("main_loop_step", &self.main_loop_step),
            ("sync_step", &self.sync_step),
            ("directories", &self.directories),
            ("prepare_container", &self.prepare_container),
            ("relist", &self.relist),
            ("mount", &self.mount),
            ("unmount", &self.unmount),
            ("event", &self.event),
            ("run_sandbox", &self.run_sandbox),
            ("stop_sandbox", &self.stop_sandbox),
            ("create_container", &self.create_container),
            ("start_container", &self.start_container),
            ("runtime_call", &self.runtime_call),
            ("exec", &self.exec),
            ("pod_network", &self.pod_network),
            ("proxy_sync", &self.proxy_sync),
            ("pull", &self.pull),
            ("provision", &self.provision),
            ("attach", &self.attach),
            ("detach", &self.detach),
        ]
    }

    /// A latency by its name.
    pub fn named_mut(&mut self, name: &str) -> Option<&mut Distribution> {
        Some(match name {
            "api_read" => &mut self.api_read,
            "api_write" => &mut self.api_write,
            "commit" => &mut self.commit,
            "api_reply" => &mut self.api_reply,
            "watch" => &mut self.watch,
            "scheduling_cycle" => &mut self.scheduling_cycle,
            "scheduling_node" => &mut self.scheduling_node,
            "controller_sync" => &mut self.controller_sync,
            "worker_wake" => &mut self.worker_wake,
            "main_loop_step" => &mut self.main_loop_step,
            "sync_step" => &mut self.sync_step,
            "directories" => &mut self.directories,
            "prepare_container" => &mut self.prepare_container,
            "relist" => &mut self.relist,
            "mount" => &mut self.mount,
            "unmount" => &mut self.unmount,
            "event" => &mut self.event,
            "run_sandbox" => &mut self.run_sandbox,
            "stop_sandbox" => &mut self.stop_sandbox,
            "create_container" => &mut self.create_container,
            "start_container" => &mut self.start_container,
            "runtime_call" => &mut self.runtime_call,
            "exec" => &mut self.exec,
            "pod_network" => &mut self.pod_network,
            "proxy_sync" => &mut self.proxy_sync,
            "pull" => &mut self.pull,
            "kubelet_start" => &mut self.kubelet_start,
            "admit" => &mut self.admit,
            "provision" => &mut self.provision,
            "attach" => &mut self.attach,
            "detach" => &mut self.detach,
            _ => return None,
        })
    }
}

/// Of profiles that say nothing about the store.
fn usual_commit() -> Distribution {
    LatencyProfile::kubernetes_1_36().commit
}

/// Of profiles that say nothing about directories.
fn usual_directories() -> Distribution {
    LatencyProfile::kubernetes_1_36().directories
}

/// Of profiles that say nothing about the preparing of containers.
fn usual_prepare_container() -> Distribution {
    LatencyProfile::kubernetes_1_36().prepare_container
}

/// Of profiles that say nothing about proxies: a partial `iptables-restore`.
fn usual_proxy_sync() -> Distribution {
    LatencyProfile::kubernetes_1_36().proxy_sync
}

impl Default for LatencyProfile {
    fn default() -> Self {
        Self::kubernetes_1_36()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge(level: f64, sigma: f64, crowd: f64) -> LoadGauge {
        let waves = [Wave { window: SimDuration::from_secs(5), sigma }; 2];
        let load = Load { level, waves, most: f64::INFINITY, crowd, one_machine: false };
        LoadGauge::new(load, Draws::new(1), StreamKey::new("node-1"))
    }

    #[test]
    fn a_load_stretches_what_happens_at_once_by_one_factor() {
        let (at, span) = (SimTime::from_millis, SimDuration::from_millis(100));
        let steady = gauge(2.5, 0.0, 0.0);
        assert_eq!(steady.stretched(at(7), span), SimDuration::from_millis(250));
        let waves = gauge(1.0, 0.8, 0.0);
        assert_eq!(waves.stretched(at(0), span), waves.stretched(at(4_999), span));
        assert_ne!(waves.stretched(at(0), span), waves.stretched(at(5_000), span));
    }

    #[test]
    fn a_load_is_never_more_than_its_bound() {
        let (at, span) = (SimTime::from_secs, SimDuration::from_millis(100));
        let waves = [Wave { window: SimDuration::from_secs(1), sigma: 2.0 }; 2];
        let of = |most| {
            let load = Load { level: 1.0, waves, most, crowd: 0.0, one_machine: false };
            let gauge = LoadGauge::new(load, Draws::new(1), StreamKey::new("node-1"));
            (0..200).map(move |second| gauge.stretched(at(second), span)).collect::<Vec<_>>()
        };
        let (free, bound) = (of(f64::INFINITY), of(3.0));
        let longest = SimDuration::from_millis(300);
        assert!(free.iter().any(|takes| *takes > longest * 10), "the waves are as high as that");
        assert!(free.iter().any(|takes| *takes < span), "and as low");
        assert_eq!(bound, free.iter().map(|takes| longest.min(*takes)).collect::<Vec<_>>(), "nothing else changes");
        // What a profile leaves out is no bound; that of a machine as recorded is the most that was measured of any.
        let ideal = LatencyProfile::ideal().load;
        assert_eq!((ideal.most, LatencyProfile::kubernetes_1_36().load.most), (f64::INFINITY, 25.0));
    }

    #[test]
    fn what_is_one_machine_is_slow_together() {
        let waves = [Wave { window: SimDuration::from_secs(1), sigma: 0.8 }; 2];
        let (at, span) = (SimTime::from_secs, SimDuration::from_secs(1));
        for one_machine in [true, false] {
            let load = Load { level: 1.0, waves, most: f64::INFINITY, crowd: 0.0, one_machine };
            let of = |machine| {
                let gauge = LoadGauge::new(load, Draws::new(1), StreamKey::new(machine));
                [3, 5, 8].map(|second| gauge.stretched(at(second), span))
            };
            assert_eq!(of("control plane") == of("node-1"), one_machine);
        }
    }

    #[test]
    fn a_step_waits_for_those_for_others_and_not_for_its_own() {
        let (a, b, c) = (StreamKey::new("a"), StreamKey::new("b"), StreamKey::new("c"));
        let (now, step) = (SimTime::from_millis(50), SimDuration::from_millis(10));
        let cases: [(f64, &[StreamKey], u64); 6] = [
            (0.5, &[a], 10),
            (0.5, &[a, a], 10),
            (0.5, &[a, b], 15),
            (0.5, &[a, b, c], 20),
            (0.5, &[a, a, b], 20),
            (0.0, &[a, b, c], 10),
        ];
        for (crowd, owners, last) in cases {
            let gauge = gauge(1.0, 0.0, crowd);
            let takes: Vec<_> = owners.iter().map(|owner| gauge.in_turn(now, *owner, step)).collect();
            assert_eq!(takes.last(), Some(&SimDuration::from_millis(last)), "{crowd} {owners:?}");
        }
        let gauge = gauge(1.0, 0.0, 0.5);
        assert_eq!(gauge.in_turn(now, a, step), step);
        assert_eq!(gauge.in_turn(SimTime::from_millis(60), b, step), step, "what is over is not waited for");
    }

    #[test]
    fn the_shipped_profiles_are_valid() {
        for profile in [LatencyProfile::ideal(), LatencyProfile::kubernetes_1_36()] {
            profile.validate().unwrap();
        }
        let ideal = LatencyProfile::ideal();
        assert!(ideal.named().iter().all(|(_, distribution)| **distribution == Distribution::ZERO));
    }
}
