//! How long the steps take that Kubernetes does not decide: the network, the API server, the runtime, the processors.
//!
//! A profile is one RON file of named distributions. Two ship with the program: `ideal`, in which everything is
//! instant, and `kubernetes-1.36`, fitted to recordings of a real cluster.

use crate::engine::{Distribution, DistributionError, Draws, Purpose, SimDuration, SimTime, StreamKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const LOAD: Purpose = Purpose::new("load");

/// The named latencies of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatencyProfile {
    /// From a client to the server, until a read is served.
    pub api_read: Distribution,
    /// From a client to the server, until a write is stored.
    pub api_write: Distribution,
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

/// The load of a machine that is shared with other work: in each window of time everything takes longer, or less long,
/// by one factor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// How long a window is.
    pub window: SimDuration,
    /// Standard deviation of the logarithm of the factor, whose median is one; zero for no variation.
    pub sigma: f64,
}

impl Load {
    /// The window in which an instant lies.
    pub const fn window_at(&self, now: SimTime) -> u64 {
        if self.window.is_zero() { 0 } else { now.as_nanos() / self.window.as_nanos() }
    }

    /// The factor of a window, in thousandths.
    pub fn factor(&self, draws: Draws, window: u64) -> u64 {
        if self.sigma == 0.0 {
            return 1_000;
        }
        let normal = draws.draw(LOAD, StreamKey::new("control plane"), window).normal();
        (libm::exp(self.sigma * normal) * 1_000.0) as u64
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
    pub fn named(&self) -> [(&'static str, &Distribution); 29] {
        [
            ("api_read", &self.api_read),
            ("api_write", &self.api_write),
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
            "api_reply" => &mut self.api_reply,
            "watch" => &mut self.watch,
            "scheduling_cycle" => &mut self.scheduling_cycle,
            "scheduling_node" => &mut self.scheduling_node,
            "controller_sync" => &mut self.controller_sync,
            "worker_wake" => &mut self.worker_wake,
            "main_loop_step" => &mut self.main_loop_step,
            "sync_step" => &mut self.sync_step,
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

    #[test]
    fn the_shipped_profiles_are_valid() {
        for profile in [LatencyProfile::ideal(), LatencyProfile::kubernetes_1_36()] {
            profile.validate().unwrap();
        }
        let ideal = LatencyProfile::ideal();
        assert!(ideal.named().iter().all(|(_, distribution)| **distribution == Distribution::ZERO));
    }
}
