//! The eviction manager: every ten seconds, is anything too short, and who has to go?
//!
//! Follows `pkg/kubelet/eviction/eviction_manager.go` (`synchronize`) of Kubernetes 1.36. One pod goes at a time; the
//! loop then waits until nothing of it is left and looks again at once. Turns at which nothing could have changed are
//! skipped; the others keep their time.

mod local_storage;
mod ranking;
mod threshold;
mod written;

pub(super) use threshold::Pressure;
pub use threshold::{EvictionConfig, Limit, Signal};

use super::node_status::Pressures;
use super::pod_worker::StatusOverride;
use super::{Kubelet, KubeletMessage};
use crate::api::names;
use crate::api::{EventType, MEMORY, Name, Pod, Text, format_amount};
use crate::components::cri::{CriCall, InstanceState, PodKey};
use crate::components::message::Message;
use crate::components::stats::{NodeStats, PodStats, Supply};
use crate::engine::{Outbox, Purpose, SimDuration, SimTime};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use threshold::{Reclaimed, Threshold};

const MEASURE: Purpose = Purpose::new("volume measurement");

names! {
    EVICTED = "Evicted";
}

/// The loop sleeps so long (`evictionMonitoringPeriod`), …
const MONITORING_PERIOD: SimDuration = SimDuration::from_secs(10);
/// … and a turn takes so long.
const TURN: SimDuration = SimDuration::from_millis(10);
/// The first turn comes so long after the process's other loops began.
const FIRST_TURN: SimDuration = SimDuration::from_millis(50);
/// Clean-up after an eviction is looked at so often, …
const CLEANUP_POLL: SimDuration = SimDuration::from_secs(1);
/// … and for so long at most.
const CLEANUP_TIMEOUT: SimDuration = SimDuration::from_secs(30);
/// A pod that is evicted for a hard limit gets so many seconds.
const IMMEDIATE_GRACE: i64 = 1;
/// A kill is waited for so long at least.
const KILL_TIMEOUT: SimDuration = SimDuration::from_secs(10);
/// What removing images and containers takes before the disk is measured again.
const RECLAIM: SimDuration = SimDuration::from_millis(8);
/// Volumes are measured so often, and up to as long again (`volumeStatsAggPeriod`).
const VOLUME_STATS_PERIOD: SimDuration = SimDuration::from_secs(60);
/// Pods of at least this priority are critical.
pub(super) const CRITICAL_PRIORITY: i32 = 2_000_000_000;

/// The loop and what it remembers.
#[derive(Debug, Clone, Default)]
pub(super) struct EvictionManager {
    /// When the last turn ended.
    ended_at: SimTime,
    planned: Option<SimTime>,
    stage: Stage,
    /// Thresholds that were met, by place, and since when.
    met_since: BTreeMap<usize, SimTime>,
    /// Thresholds that were met for long enough at the last turn.
    acted_on: Vec<usize>,
    observed: BTreeMap<Pressure, SimTime>,
    /// Bytes in volumes as they were measured last, and when they are measured next.
    volumes: BTreeMap<PodKey, (Vec<(Name, i64)>, SimTime)>,
}

/// What the loop is doing.
#[derive(Debug, Clone, Default)]
enum Stage {
    /// Nothing: it waits for its turn.
    #[default]
    Sleeping,
    /// It reclaims what no pod uses; then it looks again.
    Reclaiming { threshold: usize, before: Box<NodeStats> },
    /// It waits for a pod to be killed; others follow.
    Killing { key: PodKey, left: VecDeque<(PodKey, Text)>, killed: Vec<PodKey> },
    /// It waits until nothing is left of the pods that it has killed.
    Cleaning { killed: Vec<PodKey>, since: SimTime },
}

impl EvictionManager {
    /// The manager of a process that has run for `before`.
    pub(super) fn started(now: SimTime, before: SimDuration) -> Self {
        let turn = MONITORING_PERIOD + TURN;
        let age = SimDuration::from_nanos(before.as_nanos() % turn.as_nanos());
        // The last turn may have been before the start of the run: then the next one counts.
        Self { ended_at: now + FIRST_TURN + turn.saturating_sub(age), ..Self::default() }
    }

    /// Turns of the loop keep their time, whether they are taken or skipped; each may take longer than it should.
    fn next_turn(&self, after: SimTime, late: SimDuration) -> SimTime {
        (after + SimDuration::from_nanos(1)).next_tick(self.ended_at, MONITORING_PERIOD + TURN + late)
    }

    fn pressures(&self) -> Pressures {
        let observed = |pressure| self.observed.contains_key(&pressure);
        Pressures { memory: observed(Pressure::Memory), disk: observed(Pressure::Disk), pid: observed(Pressure::Pid) }
    }
}

/// Whether a pod is never evicted, nor kept out by pressure (`IsCriticalPod`).
pub(super) fn is_critical(key: PodKey, pod: &Pod) -> bool {
    key.is_static() || super::static_pods::is_mirror(pod) || pod.spec.priority >= CRITICAL_PRIORITY
}

impl Kubelet {
    /// Something that the loop watches may have changed: it takes its next turn.
    pub fn want_eviction(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        if self.up && matches!(self.eviction.stage, Stage::Sleeping) {
            let due = self.eviction.next_turn(now, self.eviction_late());
            if self.eviction.planned.is_none_or(|planned| planned > due) {
                self.plan_eviction(now, due, out);
            }
        }
    }

    fn plan_eviction(&mut self, now: SimTime, due: SimTime, out: &mut Outbox<Message>) {
        self.eviction.planned = Some(due);
        out.after(due.since(now), self.message(KubeletMessage::Eviction { due }));
    }

    /// A turn of the loop, with what the node uses now.
    pub fn eviction_turn(&mut self, now: SimTime, due: SimTime, mut stats: NodeStats, out: &mut Outbox<Message>) {
        if !self.up || self.eviction.planned != Some(due) {
            return;
        }
        self.eviction.planned = None;
        self.measure_volumes(now, &mut stats);
        stats.allocatable_memory = self.allocatable_memory(&stats);
        match std::mem::take(&mut self.eviction.stage) {
            Stage::Sleeping => self.synchronize(now, &stats, out),
            Stage::Reclaiming { threshold, before } => self.reclaimed(now, threshold, &before, &stats, out),
            Stage::Killing { key, left, killed } => {
                let text = "Container runtime did not kill the pod within specified grace period.";
                self.tell_pod(now, key, EventType::Warning, "ExceededGracePeriod", text, out);
                self.evict_next(now, left, killed, out);
            }
            Stage::Cleaning { killed, since } => {
                let cleaned = killed.iter().all(|key| self.is_finished(*key));
                if cleaned || now >= since + CLEANUP_TIMEOUT {
                    self.synchronize(now, &stats, out);
                } else {
                    self.eviction.stage = Stage::Cleaning { killed, since };
                    self.plan_eviction(now, now + CLEANUP_POLL, out);
                }
            }
        }
    }

    /// What is left of the memory that pods may use together: their cgroup's limit is what is allocatable and what
    /// evictions keep free (`GetNodeAllocatableAbsolute`).
    fn allocatable_memory(&self, stats: &NodeStats) -> Option<Supply> {
        let allocatable = self.template.status.allocatable.get(*MEMORY)?;
        let kept_free = self.config.eviction.hard.get(&Signal::MemoryAvailable);
        let capacity = allocatable + kept_free.map_or(0, |limit| limit.of(stats.memory.capacity).value());
        let used: i64 = stats.pods.iter().flat_map(|pod| &pod.containers).map(|container| container.memory).sum();
        Some(Supply { available: (capacity - used).max(0), capacity })
    }

    fn is_finished(&self, key: PodKey) -> bool {
        self.pods.get(&key).and_then(|state| state.worker.as_ref()).is_none_or(|worker| worker.finished)
    }

    /// Looks at every threshold and acts on the first that was met for long enough.
    fn synchronize(&mut self, now: SimTime, stats: &NodeStats, out: &mut Outbox<Message>) {
        self.eviction.ended_at = now;
        let thresholds = self.config.eviction.thresholds();
        let met: Vec<usize> = (0..thresholds.len())
            .filter(|place| thresholds[*place].is_met(stats, self.eviction.acted_on.contains(place)))
            .collect();
        self.note_pressures(now, &thresholds, &met, out);
        let since = &self.eviction.met_since;
        let lasting = |place: &usize| {
            thresholds[*place].grace.is_none_or(|grace| since.get(place).is_some_and(|at| now >= *at + grace))
        };
        let candidates: Vec<usize> = met.iter().copied().filter(lasting).collect();
        self.eviction.acted_on.clone_from(&candidates);
        let over: VecDeque<(PodKey, Text)> = self.over_their_limits(stats);
        if !over.is_empty() {
            return self.evict_next(now, over, Vec::new(), out);
        }
        // Memory before everything else; otherwise in the order of the settings.
        let first = candidates.iter().copied().min_by_key(|place| thresholds[*place].signal.pressure());
        let Some(place) = first else { return self.sleep(now, stats, !met.is_empty(), out) };
        let signal = thresholds[place].signal;
        let text = format!("Attempting to reclaim {}", signal.reclaims().name());
        self.tell_node(now, EventType::Warning, "EvictionThresholdMet", &text, out);
        if signal.pressure() == Pressure::Disk && self.reclaim_node(now, signal, stats, out) {
            self.eviction.stage = Stage::Reclaiming { threshold: place, before: Box::new(stats.clone()) };
            return self.plan_eviction(now, now + RECLAIM, out);
        }
        self.evict_one(now, &thresholds, place, stats, out);
    }

    /// The loop sleeps: until its next turn while something is short, else until something may have changed.
    fn sleep(&mut self, now: SimTime, stats: &NodeStats, short: bool, out: &mut Outbox<Message>) {
        self.eviction.stage = Stage::Sleeping;
        let hold = self.config.eviction.pressure_transition_period;
        let released = self.eviction.observed.values().map(|at| *at + hold).min();
        let measured = self.eviction.volumes.values().map(|(_, next)| *next).min();
        let wake = if short { Some(now) } else { [stats.changes_at, released, measured].into_iter().flatten().min() };
        if let Some(wake) = wake {
            let due = self.eviction.next_turn(wake.max(now), self.eviction_late());
            self.plan_eviction(now, due, out);
        }
    }

    /// Keeps the node's conditions: what was observed lately stands (`nodeConditionsObservedSince`).
    fn note_pressures(&mut self, now: SimTime, thresholds: &[Threshold], met: &[usize], out: &mut Outbox<Message>) {
        let before = self.eviction.pressures();
        self.eviction.met_since.retain(|place, _| met.contains(place));
        for place in met {
            self.eviction.met_since.entry(*place).or_insert(now);
            self.eviction.observed.insert(thresholds[*place].signal.pressure(), now);
        }
        let hold = self.config.eviction.pressure_transition_period;
        self.eviction.observed.retain(|_, at| now < *at + hold);
        let pressures = self.eviction.pressures();
        self.reporter.pressures = pressures;
        if pressures != before {
            self.want_node_report(now, out);
        }
    }

    /// Pods that are there as far as eviction goes.
    fn active_pods(&self) -> Vec<(PodKey, Arc<Pod>)> {
        let active = self.pods.iter().filter(|(_, state)| state.is_active() && state.worker.is_some());
        active.map(|(key, state)| (*key, state.pod.clone())).collect()
    }

    /// Pods that use more local storage than they may.
    fn over_their_limits(&self, stats: &NodeStats) -> VecDeque<(PodKey, Text)> {
        let separate = stats.imagefs.is_some();
        let pods = self.active_pods();
        let over = pods.iter().filter(|(key, pod)| !is_critical(*key, pod)).filter_map(|(key, pod)| {
            let stats = stats.pods.iter().find(|stats| stats.key == *key)?;
            Some((*key, local_storage::exceeded(pod, stats, separate)?.into()))
        });
        over.collect()
    }

    /// Removes what no pod uses, where the layout of the disks makes that help. Returns whether there is anything to
    /// wait for.
    fn reclaim_node(&mut self, now: SimTime, signal: Signal, stats: &NodeStats, out: &mut Outbox<Message>) -> bool {
        let on_images = matches!(signal, Signal::ImageFsAvailable | Signal::ImageFsInodesFree);
        if stats.imagefs.is_some() && !on_images {
            return false;
        }
        self.remove_unused_containers(now, out);
        self.remove_unused_images(now, &stats.images, i64::MAX, out);
        true
    }

    /// Removes the containers of pods that are finished (`DeleteAllUnusedContainers`).
    fn remove_unused_containers(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let delay = self.latency(|profile| &profile.runtime_call, now, self.stream.part("reclaim"));
        let mut dead = Vec::new();
        for (key, state) in &self.pods {
            if state.worker.as_ref().is_some_and(|worker| worker.is_terminated()) {
                let exited = state.runtime.containers.iter().filter(|one| one.state == InstanceState::Exited);
                dead.extend(exited.map(|instance| (*key, instance.id)));
            }
        }
        self.remove_left_overs(now, out);
        for (key, container) in dead {
            self.call_runtime(delay, CriCall::RemoveContainer { key, container }, super::PendingCri::Nobody, out);
        }
    }

    /// Unused containers and images are gone: if that was enough nobody has to go. If not, what was observed before
    /// decides who does.
    fn reclaimed(
        &mut self,
        now: SimTime,
        threshold: usize,
        before: &NodeStats,
        stats: &NodeStats,
        out: &mut Outbox<Message>,
    ) {
        let thresholds = self.config.eviction.thresholds();
        // Enough is what the minimum reclaim asks for, whatever was acted on before (`reclaimNodeLevelResources`).
        if thresholds.iter().any(|threshold| threshold.is_met(stats, true)) {
            self.evict_one(now, &thresholds, threshold, before, out);
        } else {
            self.sleep(now, stats, true, out);
        }
    }

    /// Evicts the first pod of the ranking that may go, if any.
    fn evict_one(
        &mut self,
        now: SimTime,
        thresholds: &[Threshold],
        place: usize,
        stats: &NodeStats,
        out: &mut Outbox<Message>,
    ) {
        let pods = self.active_pods();
        let borrowed: Vec<(PodKey, &Pod)> = pods.iter().map(|(key, pod)| (*key, &**pod)).collect();
        let signal = thresholds[place].signal;
        let ranked = ranking::rank(signal, stats, &borrowed);
        let pod_of = |key: &PodKey| borrowed.iter().find(|(have, _)| have == key).map(|(_, pod)| *pod);
        let victim = ranked.into_iter().find(|key| pod_of(key).is_some_and(|pod| !is_critical(*key, pod)));
        let Some(key) = victim else { return self.sleep(now, stats, true, out) };
        let pod = pod_of(&key).expect("just found");
        let message: Text = self.eviction_message(key, pod, signal, thresholds, stats).into();
        let grace = match thresholds[place].grace {
            None => IMMEDIATE_GRACE,
            Some(_) => self.config.eviction.max_pod_grace_period.min(pod.spec.termination_grace_period),
        };
        self.evict(now, key, &message, grace, Some(message.clone()), out);
        self.await_kill(now, key, grace, VecDeque::new(), Vec::new(), out);
    }

    /// What an evicted pod's status and event say (`evictionMessage`).
    fn eviction_message(
        &self,
        key: PodKey,
        pod: &Pod,
        signal: Signal,
        thresholds: &[Threshold],
        stats: &NodeStats,
    ) -> String {
        let resource = signal.reclaims();
        let name = resource.name();
        let mut message = format!("The node was low on resource: {name}. ");
        let acted_on = self.eviction.acted_on.iter().map(|place| &thresholds[*place]);
        let low = acted_on.into_iter().find(|one| one.signal.reclaims() == resource);
        if let Some(low) = low
            && let Some(supply) = low.signal.observe(stats)
        {
            let (limit, available) = (low.limit.of(supply.capacity), low.signal.show(supply.available));
            message.push_str(&format!("Threshold quantity: {limit}, available: {available}. "));
        }
        let Some(stats) = stats.pods.iter().find(|stats| stats.key == key) else { return message };
        for container in pod.spec.created_containers() {
            let Some(used) = stats.containers.iter().find(|used| used.name == container.name) else { continue };
            let (usage, wanted) = match resource {
                Reclaimed::Memory => (used.memory, *MEMORY),
                Reclaimed::EphemeralStorage => (used.writable + used.logs, *crate::api::EPHEMERAL_STORAGE),
                Reclaimed::Inodes | Reclaimed::Pids => continue,
            };
            let request = container.requests.get(wanted).unwrap_or(0);
            if usage > request {
                let request = written::Written::of(pod).request(container.name, wanted);
                let usage = format_amount(wanted, usage);
                message.push_str(&format!(
                    "Container {} was using {usage}, request is {request}, has larger consumption of {name}. ",
                    used.name
                ));
            }
        }
        message
    }

    /// Kills a pod as evicted.
    fn evict(
        &mut self,
        now: SimTime,
        key: PodKey,
        message: &Text,
        grace: i64,
        disruption: Option<Text>,
        out: &mut Outbox<Message>,
    ) {
        self.tell_pod(now, key, EventType::Warning, &EVICTED, &**message, out);
        let status = StatusOverride { reason: *EVICTED, message: message.clone(), disruption };
        self.kill_pod(now, key, Some(grace), true, status, out);
    }

    /// Evicts the next of several pods that exceed limits of their own; the loop goes on when all are gone.
    fn evict_next(
        &mut self,
        now: SimTime,
        mut left: VecDeque<(PodKey, Text)>,
        killed: Vec<PodKey>,
        out: &mut Outbox<Message>,
    ) {
        let Some((key, message)) = left.pop_front() else {
            self.eviction.stage = Stage::Cleaning { killed, since: now };
            return self.plan_eviction(now, now + CLEANUP_POLL, out);
        };
        self.evict(now, key, &message, IMMEDIATE_GRACE, None, out);
        self.await_kill(now, key, IMMEDIATE_GRACE, left, killed, out);
    }

    fn await_kill(
        &mut self,
        now: SimTime,
        key: PodKey,
        grace: i64,
        left: VecDeque<(PodKey, Text)>,
        mut killed: Vec<PodKey>,
        out: &mut Outbox<Message>,
    ) {
        killed.push(key);
        self.eviction.stage = Stage::Killing { key, left, killed };
        let patience = SimDuration::from_millis(1_500) * u64::try_from(grace).unwrap_or(0);
        self.plan_eviction(now, now + patience.max(KILL_TIMEOUT), out);
    }

    /// A pod's containers have stopped: the loop may have waited for that.
    pub(super) fn eviction_killed(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let awaited = matches!(&self.eviction.stage, Stage::Killing { key: awaited, .. } if *awaited == key);
        if awaited && let Stage::Killing { left, killed, .. } = std::mem::take(&mut self.eviction.stage) {
            self.evict_next(now, left, killed, out);
        }
    }

    /// Puts the volumes' last measurements in place of their use of this moment, and measures those that are due.
    ///
    /// Follows `pkg/kubelet/server/stats/fs_resource_analyzer.go`: new pods are noticed once a minute.
    fn measure_volumes(&mut self, now: SimTime, stats: &mut NodeStats) {
        self.eviction.volumes.retain(|key, _| self.pods.contains_key(key));
        let noticed = VOLUME_STATS_PERIOD.as_nanos();
        let age = SimDuration::from_nanos(self.started_at.uptime(now).as_nanos() % noticed);
        let draws = self.draws;
        for pod in &mut stats.pods {
            let PodStats { key, volumes, .. } = pod;
            if volumes.is_empty() {
                continue;
            }
            let Some(state) = self.pods.get(key) else { continue };
            let entry = self.eviction.volumes.entry(*key).or_insert_with(|| {
                let next = if age <= MONITORING_PERIOD && state.added_at + age <= now {
                    now
                } else {
                    now + VOLUME_STATS_PERIOD.saturating_sub(age)
                };
                (Vec::new(), next)
            });
            if entry.1 <= now {
                entry.0.clone_from(volumes);
                let mut draw = draws.draw(MEASURE, state.stream, now.as_nanos());
                entry.1 = now + draw.between(VOLUME_STATS_PERIOD, VOLUME_STATS_PERIOD * 2);
            }
            volumes.clone_from(&entry.0);
        }
    }

    /// Why pressure keeps a pod out, if it does (`Admit` of the eviction manager).
    pub(super) fn pressure_refusal(&self, key: PodKey, pod: &Pod) -> Option<String> {
        let pressures = self.reporter.pressures;
        if !pressures.any() || is_critical(key, pod) {
            return None;
        }
        if pressures.memory && !pressures.disk && !pressures.pid {
            let best_effort = pod.status.qos_class == crate::api::QosClass::BestEffort;
            let taint = crate::api::Taint {
                key: *crate::api::TAINT_MEMORY_PRESSURE,
                value: Name::default(),
                effect: crate::api::TaintEffect::NoSchedule,
                time_added: None,
            };
            if !best_effort || pod.spec.tolerations.iter().any(|toleration| toleration.tolerates(&taint, false)) {
                return None;
            }
        }
        let names: Vec<&str> =
            [(pressures.disk, "DiskPressure"), (pressures.memory, "MemoryPressure"), (pressures.pid, "PIDPressure")]
                .into_iter()
                .filter_map(|(short, name)| short.then_some(name))
                .collect();
        Some(format!("The node had condition: [{}]. ", names.join(" ")))
    }
}
