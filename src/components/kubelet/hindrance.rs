//! What faults do to a kubelet that goes on: a slow machine, a clock that is wrong, a runtime or a network that is not
//! there, volumes that cannot be mounted.
//!
//! A runtime that has not answered for 30 seconds counts as down, and a relist that has not ended for three minutes as
//! unhealthy (`pkg/kubelet/runtime.go`, `pkg/kubelet/pleg/generic.go` of Kubernetes 1.36); the node is then not ready,
//! and the main loop stands still until the runtime is back (`syncLoop` of `pkg/kubelet/kubelet.go`).

use super::config::RUNTIME_STATUS_PERIOD;
use super::{Kubelet, KubeletConfig, KubeletMessage};
use crate::api::{Change, Name, Object, Pod, Text, WallClock};
use crate::components::cri::PodKey;
use crate::components::message::Message;
use crate::components::runtime::{Disturbance, mount_disturbed};
use crate::engine::{Outbox, SimDuration, SimTime};
use std::sync::Arc;

/// A runtime that did not answer for so long is down (`maxWaitForContainerRuntime`).
const RUNTIME_DOWN: SimDuration = SimDuration::from_secs(30);
/// A relist that did not end for so long is unhealthy (`genericPlegRelistThreshold`).
const RELIST_THRESHOLD: SimDuration = SimDuration::from_mins(3);

/// How long the main loop sleeps at first when it finds the runtime down, and at most: twice as long each time.
const NAPS: (SimDuration, SimDuration) = (SimDuration::from_millis(100), SimDuration::from_secs(5));
/// How often the main loop turns when nothing comes.
const TURN: SimDuration = SimDuration::from_secs(1);

/// What a runtime says that has no network (`RuntimeStatus`, as the kubelet prints it).
const NO_NETWORK: &str = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady \
                          message:Network plugin returns error: cni plugin not initialized";

/// What hinders a kubelet. It outlives its process.
#[derive(Debug, Clone)]
pub(super) struct Hindrances {
    /// So many times as long as usual its own steps take.
    slow: u32,
    /// Since when its runtime does not answer.
    runtime_silent: Option<SimTime>,
    /// The main loop goes on then.
    loop_resumes: SimTime,
    /// Since when its runtime has no network.
    without_network: Option<SimTime>,
    /// How much longer a turn of its eviction manager takes.
    eviction_late: SimDuration,
    /// Faults of volumes.
    mounts: Vec<Disturbance>,
}

/// What comes while the main loop stands still.
#[derive(Debug, Clone)]
pub(super) enum Unheard {
    Message(KubeletMessage),
    Change(Change),
}

impl Default for Hindrances {
    fn default() -> Self {
        let eviction_late = SimDuration::ZERO;
        Self {
            slow: 1,
            runtime_silent: None,
            loop_resumes: SimTime::ZERO,
            without_network: None,
            eviction_late,
            mounts: Vec::new(),
        }
    }
}

impl Hindrances {
    /// A span as it is on this machine.
    pub(super) fn stretched(&self, span: SimDuration) -> SimDuration {
        if self.slow > 1 { span * u64::from(self.slow) } else { span }
    }

    /// Why the node is not ready.
    pub(super) fn problem(&self, now: SimTime) -> Option<String> {
        let mut errors = Vec::new();
        if let Some(since) = self.runtime_silent {
            let silent = now.since(since);
            if silent >= RUNTIME_DOWN {
                errors.push("container runtime is down".to_owned());
            }
            if silent >= RELIST_THRESHOLD {
                let threshold = "threshold is 3m0s";
                errors.push(format!("PLEG is not healthy: pleg was last seen active {silent} ago; {threshold}"));
            }
        }
        if self.without_network.is_some() {
            errors.push(NO_NETWORK.to_owned());
        }
        match errors.len() {
            0 => None,
            1 => errors.pop(),
            _ => Some(format!("[{}]", errors.join(", "))),
        }
    }
}

impl Kubelet {
    /// Its own steps take so many times as long.
    pub const fn slow_down(&mut self, factor: u32) {
        self.hindrances.slow = factor;
    }

    /// Each turn of its eviction manager takes so much longer.
    pub fn delay_evictions(&mut self, now: SimTime, by: SimDuration, out: &mut Outbox<Message>) {
        self.hindrances.eviction_late = by;
        self.want_eviction(now, out);
    }

    /// How much longer a turn of its eviction manager takes.
    pub(super) const fn eviction_late(&self) -> SimDuration {
        self.hindrances.eviction_late
    }

    /// It is set to something else from its next process on: if it does not run, that is the one that is to come.
    pub fn configure(&mut self, config: Arc<KubeletConfig>) {
        self.config = config;
        if !self.up {
            let incarnation = self.incarnation;
            self.stop();
            self.incarnation = incarnation;
        }
    }

    /// Its clock shows something else from now on.
    pub const fn set_clock(&mut self, clock: WallClock) {
        self.clock = clock;
    }

    /// Its runtime does not answer from now on, or does again.
    pub fn runtime_silent(&mut self, now: SimTime, silent: bool, out: &mut Outbox<Message>) {
        let since = std::mem::replace(&mut self.hindrances.runtime_silent, silent.then_some(now));
        if let Some(since) = since.filter(|since| !silent && now.since(*since) >= RUNTIME_DOWN) {
            self.hindrances.loop_resumes = self.loop_awakes(since, now);
            let wait = self.hindrances.loop_resumes.since(now);
            out.after(wait, self.message(KubeletMessage::LoopResumes));
        }
        if silent {
            // What commands would answer does not count while nobody can run them.
            let keys: Vec<PodKey> = self.pods.keys().copied().collect();
            keys.into_iter().for_each(|key| self.wake_probes(now, key, out));
        }
        self.want_node_report(now, out);
    }

    /// When the main loop, asleep since a while after the runtime fell silent, next looks and finds that it is back.
    fn loop_awakes(&self, since: SimTime, back: SimTime) -> SimTime {
        let known = back.next_tick(self.tick_phase, RUNTIME_STATUS_PERIOD);
        let mut at = (since + RUNTIME_DOWN).next_tick(self.tick_phase, TURN);
        let mut nap = NAPS.0;
        while at < known {
            if nap == NAPS.1 {
                return known.next_tick(at, nap);
            }
            at += nap;
            nap = (nap * 2).min(NAPS.1);
        }
        at
    }

    /// Whether the main loop takes nothing in: the runtime is down.
    fn loop_stands_still(&self, now: SimTime) -> bool {
        now < self.hindrances.loop_resumes
            || self.hindrances.runtime_silent.is_some_and(|since| now.since(since) >= RUNTIME_DOWN)
    }

    /// Keeps what the main loop would take in while it stands still.
    pub(super) fn loop_hears(&mut self, now: SimTime, message: KubeletMessage) -> Option<KubeletMessage> {
        if !self.loop_stands_still(now) {
            return Some(message);
        }
        let is_loops = matches!(
            message,
            KubeletMessage::WorkQueueTick { .. }
                | KubeletMessage::DeadlineTick { .. }
                | KubeletMessage::PodLifecycleEvent { .. }
                | KubeletMessage::ProbeNews { .. }
                | KubeletMessage::Housekeeping { .. }
        );
        if !is_loops {
            return Some(message);
        }
        self.unheard.push(Unheard::Message(message));
        None
    }

    /// The same of what the watch tells of pods.
    pub(super) fn loop_watches(&mut self, now: SimTime, change: Change) -> Option<Change> {
        if !matches!(change.object, Object::Pod(_)) || !self.loop_stands_still(now) {
            return Some(change);
        }
        self.unheard.push(Unheard::Change(change));
        None
    }

    /// The main loop goes on, and takes in what has come meanwhile.
    pub(super) fn loop_resumes(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        if self.loop_stands_still(now) {
            return;
        }
        for unheard in std::mem::take(&mut self.unheard) {
            match unheard {
                Unheard::Message(message) => self.handle(now, message, out),
                Unheard::Change(change) => self.watched(now, change, out),
            }
        }
    }

    /// Its runtime has no network, or has one again.
    pub fn network_ready(&mut self, now: SimTime, ready: bool, out: &mut Outbox<Message>) {
        self.hindrances.without_network = (!ready).then_some(now);
        if !ready {
            // Also pods that run hear of it, at their next sync.
            self.sync_all_in_time(now, |pod| !pod.spec.host_network, out);
        }
        self.want_node_report(now, out);
    }

    /// Its node's status tells these amounts as allocatable from now on, and of others the true ones.
    pub fn tell_allocatable(&mut self, now: SimTime, wrong: Vec<(Name, i64)>, out: &mut Outbox<Message>) {
        let told = std::mem::take(&mut self.reporter.told).into_iter();
        let right = told.filter(|(resource, _)| !wrong.iter().any(|(other, _)| other == resource));
        let truly = |resource: Name| self.template.status.allocatable.get(resource).unwrap_or_default();
        let right: Vec<(Name, i64)> = right.map(|(resource, _)| (resource, truly(resource))).collect();
        self.reporter.told = right.into_iter().chain(wrong).collect();
        self.want_node_report(now, out);
    }

    /// Why pods get no network, since the runtime was last asked for its status.
    pub(super) fn network_error(&self, now: SimTime) -> Option<&'static str> {
        let since = self.hindrances.without_network?;
        (now >= since.next_tick(self.tick_phase, RUNTIME_STATUS_PERIOD)).then_some(NO_NETWORK)
    }

    /// Whether a pod needs a network that the runtime does not have.
    pub(super) fn lacks_network(&self, pod: &Pod) -> bool {
        self.hindrances.without_network.is_some() && !pod.spec.host_network
    }

    /// Mounts are disturbed by a fault.
    pub fn disturb_mounts(&mut self, disturbance: Disturbance) {
        self.hindrances.mounts.push(disturbance);
    }

    /// They no longer are.
    pub fn relieve_mounts(&mut self, id: u32) {
        self.hindrances.mounts.retain(|disturbance| disturbance.id != id);
    }

    /// Whether the node's condition says something new at each beat.
    pub(super) const fn condition_ages(&self) -> bool {
        self.hindrances.runtime_silent.is_some()
    }

    /// Why a volume cannot be mounted now, and how much longer it takes.
    pub(super) fn mount_hindered(&self, now: SimTime, pod: &Pod, volume: Name) -> (Option<Text>, SimDuration) {
        mount_disturbed(&self.hindrances.mounts, self.draws, (self.name, pod), volume, now.as_nanos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_runtime_is_down_after_half_a_minute_and_unhealthy_after_three() {
        let silent = Hindrances { runtime_silent: Some(SimTime::from_secs(100)), ..Hindrances::default() };
        for (secs, says) in [
            (129, None),
            (130, Some("container runtime is down")),
            (279, Some("container runtime is down")),
            (
                300,
                Some(
                    "[container runtime is down, PLEG is not healthy: pleg was last seen active 3m20s ago; threshold \
                     is 3m0s]",
                ),
            ),
        ] {
            assert_eq!(silent.problem(SimTime::from_secs(secs)).as_deref(), says, "at {secs} s");
        }
    }
}
