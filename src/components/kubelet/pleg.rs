//! Looking at the runtime: the relist once a second, the look at one pod after a sync that did something, and the
//! events that tell workers what they found.
//!
//! Follows `pkg/kubelet/pleg/generic.go` and `pkg/kubelet/container/cache.go` of Kubernetes 1.36. A relist that would
//! find nothing new, and for which nobody waits, is skipped; the phase of the next one is kept.

use super::config::RELIST_PERIOD;
use super::{Kubelet, KubeletMessage};
use crate::api::ContainerId;
use crate::components::cri::{InstanceState, PodKey, RuntimePod};
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What an idle relist takes: it lengthens the period.
const IDLE_RELIST: SimDuration = SimDuration::from_millis(2);

/// The relist loop.
#[derive(Debug, Clone, Default)]
pub(super) struct Pleg {
    /// A moment at which a relist began, from which the others are counted.
    phase: SimTime,
    /// When the last relist that counts began.
    relisted_at: Option<SimTime>,
    /// The next relist, if one is planned or under way: when it begins.
    planned: Option<SimTime>,
    /// What the relist under way has found.
    found: Vec<Arc<RuntimePod>>,
    /// The pods of which the runtime may have news, so that nobody looks at all the others.
    pub(super) changed: BTreeSet<PodKey>,
    /// The pods whose workers may wait for a look at the runtime.
    pub(super) awaited: BTreeSet<PodKey>,
}

impl Pleg {
    /// The time from one relist to the next, if they find nothing.
    pub(super) fn period() -> SimDuration {
        RELIST_PERIOD + IDLE_RELIST
    }

    pub(super) fn start(&mut self, phase: SimTime) {
        self.begin(phase, SimTime::ZERO);
    }

    /// The loop of a process that has just started begins with a relist.
    pub(super) fn start_at(&mut self, now: SimTime) {
        self.begin(now + RELIST_PERIOD, now);
    }

    fn begin(&mut self, phase: SimTime, relisted_at: SimTime) {
        (self.phase, self.relisted_at) = (phase, Some(relisted_at));
        (self.planned, self.found) = (None, Vec::new());
    }

    /// When the last relist began: one that was run, or one that was skipped because it would have found nothing.
    pub(super) fn relisted_at(&self, now: SimTime) -> Option<SimTime> {
        if self.planned.is_some() || now < self.phase {
            return self.relisted_at;
        }
        let period = (RELIST_PERIOD + IDLE_RELIST).as_nanos();
        let ticks = now.since(self.phase).as_nanos() / period;
        Some(self.phase + SimDuration::from_nanos(ticks * period)).max(self.relisted_at)
    }
}

impl Kubelet {
    /// Plans the next relist, unless it is.
    pub(super) fn want_relist(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        if self.pleg.planned.is_some() {
            return;
        }
        self.pleg.relisted_at = self.pleg.relisted_at(now);
        let after = now + SimDuration::from_nanos(1);
        let due = after.next_tick(self.pleg.phase, RELIST_PERIOD + IDLE_RELIST);
        self.pleg.planned = Some(due);
        out.after(due.since(now), self.message(KubeletMessage::Relist { due }));
    }

    /// A relist begins: what it lists is what the runtime says now.
    pub(super) fn relist(&mut self, now: SimTime, due: SimTime, out: &mut Outbox<Message>) {
        if self.pleg.planned != Some(due) {
            return;
        }
        // A process that hung begins late.
        self.pleg.planned = Some(now);
        let Self { pleg, pods, .. } = self;
        pleg.changed.retain(|key| pods.get(key).is_some_and(|state| state.has_news()));
        let changed = pleg.changed.iter().filter_map(|key| pods.get(key));
        pleg.found = changed.filter(|state| state.runtime != state.listed).map(|state| state.runtime.clone()).collect();
        let each = self.latency(|profile| &profile.relist, now, self.stream.part("relist"));
        let took = each + each * self.pleg.found.len() as u64 / 4;
        out.after(took, self.message(KubeletMessage::Relisted { began: now }));
    }

    /// A relist is over: the cache is renewed, events are sent, and workers that waited go on.
    pub(super) fn relisted(&mut self, now: SimTime, began: SimTime, out: &mut Outbox<Message>) {
        if self.pleg.planned != Some(began) {
            return;
        }
        self.pleg.phase = now + RELIST_PERIOD;
        self.pleg.planned = None;
        let found = std::mem::take(&mut self.pleg.found);
        let mut place = 0;
        for pod in found {
            // A pod that was looked at in the meantime is known better than it was when the list was made.
            let known = self.pods.get(&pod.key).and_then(|state| state.observed_at);
            if known.is_none_or(|at| at <= began) {
                self.observe(now, began, pod, &mut place, out);
            }
        }
        self.pleg.relisted_at = Some(began);
        self.resume_fresh_workers(now, None, out);
        let more = self.pleg.changed.iter().any(|key| self.pods.get(key).is_some_and(|state| state.has_news()));
        if more || self.any_worker_waits() {
            self.want_relist(now, out);
        }
    }

    /// After a sync that did something its pod is looked at, without waiting for the next relist.
    pub(super) fn relist_soon(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let stream = self.pods.get(&key).map_or(self.stream, |state| state.stream.part("relist"));
        let delay = self.latency(|profile| &profile.relist, now, stream);
        out.after(delay, self.message(KubeletMessage::RelistPod { key }));
    }

    /// One pod is looked at.
    pub(super) fn relist_pod(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        let pod = state.runtime.clone();
        let mut place = 0;
        self.observe(now, now, pod, &mut place, out);
        self.resume_fresh_workers(now, Some(key), out);
    }

    /// Renews the cache for a pod and sends an event for each container and sandbox that changed.
    fn observe(
        &mut self,
        now: SimTime,
        began: SimTime,
        pod: Arc<RuntimePod>,
        place: &mut u64,
        out: &mut Outbox<Message>,
    ) {
        let key = pod.key;
        let Some(state) = self.pods.get_mut(&key) else { return };
        let watched = u64::from(std::mem::take(&mut state.resizing.watched));
        let events = lifecycle_events(&state.listed, &pod) + watched;
        let died = has_died(&state.listed, &pod);
        let before = state.listed.clone();
        state.listed = pod.clone();
        state.cached = pod;
        state.observed_at = Some(began);
        if let Some(state) = self.pods.get(&key) {
            let after = state.listed.clone();
            self.note_image_use(now, &before, &after);
        }
        let step = self.main_loop_delay(now, key);
        for _ in 0..events {
            *place += 1;
            out.after(step * *place, self.message(KubeletMessage::PodLifecycleEvent { key }));
        }
        if died {
            self.collect_dead_instances(now, key, out);
        }
    }

    /// After a death, older dead instances of the same name are removed; one is kept.
    fn collect_dead_instances(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        let gone = state
            .worker
            .as_ref()
            .is_some_and(|worker| worker.evicted || state.pod.meta.is_terminating() && worker.is_terminated());
        let keep = usize::from(!gone);
        let mut doomed = Vec::new();
        let mut names: Vec<_> = state.cached.containers.iter().map(|instance| instance.name).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let dead = state.cached.instances(name).filter(|instance| instance.state == InstanceState::Exited);
            doomed.extend(dead.skip(keep).map(|instance| instance.id));
        }
        let delay = self.latency(|profile| &profile.runtime_call, now, self.stream.part("collect"));
        for container in doomed {
            let call = crate::components::cri::CriCall::RemoveContainer { key, container };
            self.call_runtime(delay, call, super::PendingCri::Nobody, out);
        }
    }
}

/// What the relist makes of a state: created counts as unknown, of which nobody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    Unknown,
    Running,
    Exited,
}

/// How many events the change from one listing to the next is worth (`generateEvents`), removals left out.
fn lifecycle_events(old: &RuntimePod, new: &RuntimePod) -> u64 {
    let mut ids: Vec<ContainerId> = Vec::new();
    for pod in [old, new] {
        let sandboxes = pod.sandboxes.iter().map(|sandbox| sandbox.id);
        for id in pod.containers.iter().map(|instance| instance.id).chain(sandboxes) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    let news = |id: &ContainerId| {
        let (before, after) = (seen(old, *id), seen(new, *id));
        match after {
            _ if before == after => 0,
            Seen::Running | Seen::Exited => 1,
            Seen::Nothing if before != Seen::Exited => 1,
            Seen::Nothing | Seen::Unknown => 0,
        }
    };
    ids.iter().map(news).sum()
}

fn has_died(old: &RuntimePod, new: &RuntimePod) -> bool {
    new.containers
        .iter()
        .any(|instance| instance.state == InstanceState::Exited && seen(old, instance.id) != Seen::Exited)
}

fn seen(pod: &RuntimePod, id: ContainerId) -> Seen {
    if let Some(sandbox) = pod.sandboxes.iter().find(|sandbox| sandbox.id == id) {
        return if sandbox.ready { Seen::Running } else { Seen::Exited };
    }
    match pod.containers.iter().find(|instance| instance.id == id).map(|instance| instance.state) {
        None => Seen::Nothing,
        Some(InstanceState::Running) => Seen::Running,
        Some(InstanceState::Exited) => Seen::Exited,
        Some(InstanceState::Created | InstanceState::Unknown) => Seen::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KubeletSetup, PodState};
    use super::*;
    use crate::api::{Name, Node, Pod, WallClock, WallTime};
    use crate::components::cri::SandboxStatus;
    use crate::components::latency::LatencyProfile;
    use crate::components::message::NodeIndex;
    use crate::engine::Draws;
    use std::net::Ipv4Addr;

    /// `cache.Set` and the relist lock: what a worker goes by never gets older.
    #[test]
    fn a_long_relist_does_not_undo_a_later_look_at_one_pod() {
        let mut kubelet = Kubelet::new(KubeletSetup {
            node: NodeIndex(0),
            name: Name::new("node-1"),
            address: Ipv4Addr::LOCALHOST,
            config: Arc::default(),
            profile: Arc::new(LatencyProfile::default()),
            clock: WallClock::starting_at(WallTime::from_unix_nanos(0)),
            draws: Draws::new(1),
            every_probe: false,
            template: Arc::new(Node::default()),
        });
        kubelet.start(SimTime::ZERO, SimDuration::ZERO);
        let key = PodKey::of_static(1);
        let pod = Pod {
            meta: Default::default(),
            spec: Arc::default(),
            node_name: Name::new("node-1"),
            status: Arc::default(),
        };
        kubelet.pods.insert(key, Box::new(PodState::new(key, Arc::new(pod))));
        let sandbox = |ready| SandboxStatus {
            id: ContainerId::from_bits(7),
            attempt: 0,
            ready,
            ip: None,
            created_at: SimTime::ZERO,
        };
        let pod = |ready| Arc::new(RuntimePod { key, sandboxes: vec![sandbox(ready)], containers: Vec::new() });
        let at = SimTime::from_millis;
        let mut out = Outbox::new();
        kubelet.runtime_changed(at(10), pod(false), &mut out);
        let due = kubelet.pleg.planned.expect("a change wants a relist");
        kubelet.relist(due, due, &mut out);
        let later = |millis| due + SimDuration::from_millis(millis);
        kubelet.runtime_changed(later(1), pod(true), &mut out);
        kubelet.relist_pod(later(2), key, &mut out);
        kubelet.relisted(later(3), due, &mut out);
        let state = &kubelet.pods[&key];
        assert!(state.cached.sandboxes[0].ready && state.listed.sandboxes[0].ready);
        assert_eq!(state.observed_at, Some(later(2)));
    }
}
