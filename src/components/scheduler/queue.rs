//! The scheduling queue: which waiting pod is tried next, and what wakes those that were tried in vain.
//!
//! Follows `pkg/scheduler/backend/queue` of Kubernetes 1.36. A waiting pod is in one of five places: ready (`activeQ`),
//! waiting for its back-off after a rejection or after an error (two heaps), rejected until an event may free it
//! (`unschedulablePods`, the gated ones among them), or in flight. The real queue ticks every second and every 30
//! seconds; here [`Queue::next_flush`] says which of those ticks will move a pod, and only that one is waited for.

use super::events::ClusterEvent;
use super::framework::{Context, Hint};
use super::heap::Heap;
use super::insight::Waiting;
use super::profile::Profile;
use crate::api::{FastMap, Pod, WallClock};
use crate::engine::{SimDuration, SimTime};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

const NANOS: i64 = 1_000_000_000;
/// Rejected pods that no event frees are tried again after more than this (`podMaxInUnschedulablePodsDuration`) …
const LONGEST_UNSCHEDULABLE: SimDuration = SimDuration::from_mins(5);
/// … when this has gone round.
const LEFTOVER_PERIOD: SimDuration = SimDuration::from_secs(30);

/// Plugins by their places in the profile of a pod.
pub(super) type PluginSet = u64;

/// A pod and what the queue remembers of its attempts (`framework.QueuedPodInfo`).
#[derive(Debug, Clone)]
pub(super) struct QueuedPod {
    /// The newest version.
    pub pod: Arc<Pod>,
    /// Its profile, by place.
    pub profile: u8,
    /// When it was added, or came back after its last attempt.
    pub timestamp: SimTime,
    /// How often it was tried.
    pub attempts: u32,
    unschedulable_count: u32,
    consecutive_errors: u32,
    /// Plugins that rejected it, and those that hold it back.
    rejectors: PluginSet,
    /// Those of them that wait for something outside.
    pending: PluginSet,
    gated_by: Option<u8>,
}

impl QueuedPod {
    fn new(pod: Arc<Pod>, profile: u8, now: SimTime) -> Self {
        Self {
            pod,
            profile,
            timestamp: now,
            attempts: 0,
            unschedulable_count: 0,
            consecutive_errors: 0,
            rejectors: 0,
            pending: 0,
            gated_by: None,
        }
    }

    fn index(&self) -> u32 {
        self.pod.meta.index
    }

    fn order(&self) -> (Reverse<i32>, SimTime) {
        (Reverse(self.pod.spec.priority), self.timestamp)
    }
}

/// What an event means for a rejected pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Skip,
    AfterBackoff,
    Immediately,
}

/// Where a waiting pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueuePlace {
    /// Ready to be tried.
    #[default]
    Active,
    /// Waiting for its back-off.
    Backoff,
    /// Rejected until something happens.
    Unschedulable,
    /// Held back by a plugin.
    Gated,
}

/// What the queue asks plugins with.
pub(super) struct Surroundings<'a> {
    pub cx: Context<'a>,
    pub profiles: &'a [Arc<Profile>],
    pub now: SimTime,
}

/// The queue.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    clock: WallClock,
    initial_backoff: u64,
    max_backoff: u64,
    /// A moment at which the queue looks for leftovers.
    phase: SimTime,
    pods: FastMap<u32, QueuedPod>,
    active: Heap<(Reverse<i32>, SimTime)>,
    backoff: Heap<(i64, Reverse<i32>, SimTime)>,
    error_backoff: Heap<i64>,
    unschedulable: BTreeSet<u32>,
    /// Those of them that no plugin holds back, by when they were rejected.
    leftovers: BTreeSet<(SimTime, u32)>,
    /// Pods in flight, and the number of the first event since each was popped.
    in_flight: BTreeMap<u32, u64>,
    happened: VecDeque<ClusterEvent>,
    /// The number of the first of these.
    first_event: u64,
}

impl Queue {
    /// An empty queue. Back-offs are in seconds; `phase` is a moment at which leftovers are looked for.
    pub fn new(clock: WallClock, initial_backoff: u64, max_backoff: u64, phase: SimTime) -> Self {
        Self {
            clock,
            initial_backoff,
            max_backoff,
            phase,
            pods: FastMap::default(),
            active: Heap::default(),
            backoff: Heap::default(),
            error_backoff: Heap::default(),
            unschedulable: BTreeSet::new(),
            leftovers: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            happened: VecDeque::new(),
            first_event: 0,
        }
    }

    /// A new pod waits (`Add`).
    pub fn add(&mut self, around: &Surroundings<'_>, pod: Arc<Pod>, profile: u8) {
        self.activate(around, QueuedPod::new(pod, profile, around.now));
    }

    /// A waiting pod has a new version (`Update`); `events` are the aspects that changed.
    pub fn update(&mut self, around: &Surroundings<'_>, pod: Arc<Pod>, profile: u8, events: Vec<ClusterEvent>) {
        let index = pod.meta.index;
        if self.in_flight.contains_key(&index) {
            self.happened.extend(events);
            return;
        }
        let Some(queued) = self.pods.get_mut(&index) else { return self.add(around, pod, profile) };
        queued.pod = pod;
        if !self.unschedulable.contains(&index) {
            let order = queued.order();
            if self.active.remove(index) {
                self.active.push(index, order);
            } else if self.backoff.remove(index) {
                let expiry = backoff_expiry(queued, self.clock, self.initial_backoff, self.max_backoff);
                self.backoff.push(index, (expiry, order.0, order.1));
            }
            return;
        }
        for event in &events {
            let strategy = self.strategy(around, &self.pods[&index], event);
            if strategy != Strategy::Skip {
                self.requeue(around, index, strategy);
                return;
            }
        }
    }

    /// A pod waits no more: it is gone, or has a node (`Delete`).
    pub fn remove(&mut self, index: u32) {
        if !(self.active.remove(index) || self.backoff.remove(index) || self.error_backoff.remove(index)) {
            self.take_rejected(index);
        }
        self.pods.remove(&index);
    }

    /// Puts a pod with the rejected ones.
    fn reject(&mut self, queued: QueuedPod) {
        let index = queued.index();
        self.unschedulable.insert(index);
        if queued.gated_by.is_none() {
            self.leftovers.insert((queued.timestamp, index));
        }
        self.pods.insert(index, queued);
    }

    /// Takes a pod from the rejected ones, if it is there.
    fn take_rejected(&mut self, index: u32) -> Option<QueuedPod> {
        if !self.unschedulable.remove(&index) {
            return None;
        }
        let queued = self.pods.remove(&index)?;
        self.leftovers.remove(&(queued.timestamp, index));
        Some(queued)
    }

    /// Takes the pod that is tried next (`Pop`): if none is ready, one whose back-off is not over, but for errors.
    pub fn pop(&mut self) -> Option<QueuedPod> {
        let index = self.active.pop().or_else(|| self.backoff.pop())?;
        let mut queued = self.pods.remove(&index).expect("what is in a heap is in the queue");
        queued.attempts += 1;
        (queued.rejectors, queued.pending, queued.gated_by) = (0, 0, None);
        self.in_flight.insert(index, self.first_event + self.happened.len() as u64);
        Some(queued)
    }

    /// A pod is not in flight any more: what happens from now on is not held for it (`Done`).
    pub fn done(&mut self, index: u32) {
        if self.in_flight.remove(&index).is_none() {
            return;
        }
        let next = self.first_event + self.happened.len() as u64;
        let needed = self.in_flight.values().copied().min().unwrap_or(next);
        self.happened.drain(..(needed - self.first_event) as usize);
        self.first_event = needed;
    }

    /// A pod comes back after an attempt (`AddUnschedulableIfNotPresent`), rejected by plugins, or by none after an
    /// error.
    pub fn come_back(
        &mut self,
        around: &Surroundings<'_>,
        mut queued: QueuedPod,
        rejectors: PluginSet,
        pending: PluginSet,
    ) {
        let index = queued.index();
        if self.pods.contains_key(&index) {
            return self.done(index);
        }
        (queued.rejectors, queued.pending) = (rejectors | pending, pending);
        if queued.rejectors == 0 {
            queued.consecutive_errors += 1;
        } else {
            queued.unschedulable_count += 1;
            queued.consecutive_errors = 0;
        }
        queued.timestamp = around.now;
        let strategy = self.strategy_of_past(around, &queued);
        self.done(index);
        self.reject(queued);
        self.requeue(around, index, strategy);
    }

    /// What the events since a pod was popped mean for it.
    fn strategy_of_past(&self, around: &Surroundings<'_>, queued: &QueuedPod) -> Strategy {
        if queued.rejectors == 0 {
            return Strategy::AfterBackoff;
        }
        let Some(since) = self.in_flight.get(&queued.index()) else { return Strategy::Skip };
        let mut found = Strategy::Skip;
        for event in self.happened.iter().skip((since - self.first_event) as usize) {
            match self.strategy(around, queued, event) {
                Strategy::Immediately => return Strategy::Immediately,
                Strategy::AfterBackoff => found = Strategy::AfterBackoff,
                Strategy::Skip => {}
            }
        }
        found
    }

    /// Offers an event to the rejected pods that `wanted` names (`MoveAllToActiveOrBackoffQueue`).
    pub fn offer(&mut self, around: &Surroundings<'_>, event: ClusterEvent, wanted: impl Fn(&Pod) -> bool) {
        if self.unschedulable.is_empty() && self.in_flight.is_empty() {
            return; // Nobody waits for anything.
        }
        let interested: Vec<PluginSet> = around.profiles.iter().map(|profile| profile.interested_in(&event)).collect();
        if interested.iter().all(|plugins| *plugins == 0) {
            return;
        }
        let candidates: Vec<u32> = self
            .unschedulable
            .iter()
            .copied()
            .filter(|index| {
                let queued = &self.pods[index];
                interested[usize::from(queued.profile)] & queued.rejectors != 0 && wanted(&queued.pod)
            })
            .collect();
        for index in candidates {
            let strategy = self.strategy(around, &self.pods[&index], &event);
            if strategy != Strategy::Skip {
                self.requeue(around, index, strategy);
            }
        }
        if !self.in_flight.is_empty() {
            self.happened.push_back(event);
        }
    }

    /// Makes a pod ready whatever its back-off (`Activate`).
    pub fn force(&mut self, around: &Surroundings<'_>, pod: &Arc<Pod>) {
        let index = pod.meta.index;
        if self.in_flight.contains_key(&index) {
            self.happened.push_back(ClusterEvent::force_activate(crate::api::Object::Pod(pod.clone())));
            return;
        }
        let rejected = self.take_rejected(index);
        let waits = self.backoff.remove(index) || self.error_backoff.remove(index);
        let waiting = rejected.or_else(|| if waits { self.pods.remove(&index) } else { None });
        if let Some(queued) = waiting {
            self.activate(around, queued);
        }
    }

    /// What an event means for a pod (`isPodWorthRequeuing`).
    fn strategy(&self, around: &Surroundings<'_>, queued: &QueuedPod, event: &ClusterEvent) -> Strategy {
        if let Some(about) = event.forced() {
            return if about.is_none_or(|uid| uid == queued.pod.meta.uid) {
                Strategy::AfterBackoff
            } else {
                Strategy::Skip
            };
        }
        let profile = &around.profiles[usize::from(queued.profile)];
        let mut interested = profile.interested_in(event);
        if queued.gated_by.is_some_and(|plugin| interested >> plugin & 1 == 0) {
            return Strategy::Skip;
        }
        if queued.rejectors == 0 {
            return Strategy::AfterBackoff;
        }
        interested &= queued.rejectors;
        let mut found = Strategy::Skip;
        while interested != 0 {
            let plugin = interested.trailing_zeros() as u8;
            interested &= interested - 1;
            if profile.hint(plugin, &around.cx, &queued.pod, event) == Hint::Queue {
                if queued.pending >> plugin & 1 == 1 {
                    return Strategy::Immediately;
                }
                found = Strategy::AfterBackoff;
            }
        }
        found
    }

    /// Moves a rejected pod on.
    fn requeue(&mut self, around: &Surroundings<'_>, index: u32, strategy: Strategy) {
        if strategy == Strategy::Skip {
            return;
        }
        let queued = self.take_rejected(index).expect("a rejected pod is in the queue");
        if strategy == Strategy::Immediately || !self.is_backing_off(&queued, around.now) {
            return self.activate(around, queued);
        }
        let Some(queued) = self.let_in(around, queued) else { return };
        let expiry = self.expiry(&queued);
        if queued.rejectors == 0 {
            self.error_backoff.push(index, expiry);
        } else {
            let (priority, timestamp) = queued.order();
            self.backoff.push(index, (expiry, priority, timestamp));
        }
        self.pods.insert(index, queued);
    }

    /// Makes a pod ready, unless a plugin holds it back.
    fn activate(&mut self, around: &Surroundings<'_>, queued: QueuedPod) {
        let Some(queued) = self.let_in(around, queued) else { return };
        self.active.push(queued.index(), queued.order());
        self.pods.insert(queued.index(), queued);
    }

    /// Asks the PreEnqueues; a pod that is held back is put with the rejected ones.
    fn let_in(&mut self, around: &Surroundings<'_>, mut queued: QueuedPod) -> Option<QueuedPod> {
        let profile = &around.profiles[usize::from(queued.profile)];
        let Some(plugin) = profile.held_back_by(&around.cx, &queued.pod) else {
            queued.gated_by = None;
            return Some(queued);
        };
        queued.gated_by = Some(plugin);
        queued.rejectors |= 1 << plugin;
        self.reject(queued);
        None
    }

    fn second(&self, at: SimTime) -> i64 {
        self.clock.at(at).unix_nanos().div_euclid(NANOS)
    }

    fn expiry(&self, queued: &QueuedPod) -> i64 {
        backoff_expiry(queued, self.clock, self.initial_backoff, self.max_backoff)
    }

    fn is_backing_off(&self, queued: &QueuedPod, now: SimTime) -> bool {
        backoff(queued, self.initial_backoff, self.max_backoff) > 0 && self.expiry(queued) >= self.second(now)
    }

    /// The next moment at which [`flush`](Self::flush) moves a pod, if there is any.
    pub fn next_flush(&self) -> Option<SimTime> {
        let heads = [self.backoff.peek().map(|(order, _)| order.0), self.error_backoff.peek().map(|(order, _)| order)];
        let over = heads.into_iter().flatten().min();
        let over = over.map(|expiry| self.clock.when(crate::api::WallTime::from_unix_nanos((expiry + 1) * NANOS)));
        let oldest = self.leftovers.first();
        // The first look for leftovers more than five minutes later.
        let leftover = oldest.map(|(oldest, _)| {
            (*oldest + LONGEST_UNSCHEDULABLE + SimDuration::from_nanos(1)).next_tick(self.phase, LEFTOVER_PERIOD)
        });
        over.into_iter().chain(leftover).min()
    }

    /// Makes pods ready whose back-off is over, and tries those again that no event has freed for long.
    pub fn flush(&mut self, around: &Surroundings<'_>) {
        let second = self.second(around.now);
        while let Some((order, index)) = self.backoff.peek().filter(|(order, _)| order.0 < second) {
            self.backoff.remove(index);
            self.active.push(index, (order.1, order.2));
        }
        while let Some((_, index)) = self.error_backoff.peek().filter(|(expiry, _)| *expiry < second) {
            self.error_backoff.remove(index);
            self.active.push(index, self.pods[&index].order());
        }
        if around.now.next_tick(self.phase, LEFTOVER_PERIOD) != around.now {
            return;
        }
        let is_left = |since: &SimTime| around.now.since(*since) > LONGEST_UNSCHEDULABLE;
        let left: Vec<u32> =
            self.leftovers.iter().take_while(|(since, _)| is_left(since)).map(|(_, index)| *index).collect();
        for index in left {
            self.requeue(around, index, Strategy::AfterBackoff);
        }
    }

    /// Every pod that waits, place by place, as the heaps and sets have it.
    pub fn waiting(&self) -> Vec<Waiting> {
        let told = |place, after_error| {
            move |index: u32| {
                let queued = &self.pods[&index];
                let over = || self.clock.when(crate::api::WallTime::from_unix_nanos((self.expiry(queued) + 1) * NANOS));
                let released_at = (place == QueuePlace::Backoff).then(over);
                let (priority, since) = (queued.pod.spec.priority, queued.timestamp);
                Waiting { pod: queued.pod.clone(), place, after_error, priority, since, released_at }
            }
        };
        let rejected = |index: &u32| {
            let gated = self.pods[index].gated_by.is_some();
            told(if gated { QueuePlace::Gated } else { QueuePlace::Unschedulable }, false)(*index)
        };
        let active = self.active.keys().map(told(QueuePlace::Active, false));
        let backoff = self.backoff.keys().map(told(QueuePlace::Backoff, false));
        let after_error = self.error_backoff.keys().map(told(QueuePlace::Backoff, true));
        active.chain(backoff).chain(after_error).chain(self.unschedulable.iter().map(rejected)).collect()
    }

    /// The pods that are being tried or bound, as far as what happens is held for them.
    pub fn in_flight(&self) -> impl Iterator<Item = u32> + '_ {
        self.in_flight.keys().copied()
    }

    /// Where a pod waits; `None` if it does not, or is in flight.
    pub fn place(&self, index: u32) -> Option<QueuePlace> {
        let queued = self.pods.get(&index)?;
        Some(match (self.unschedulable.contains(&index), queued.gated_by) {
            (true, Some(_)) => QueuePlace::Gated,
            (true, None) => QueuePlace::Unschedulable,
            (false, _) if self.active.contains(index) => QueuePlace::Active,
            (false, _) => QueuePlace::Backoff,
        })
    }
}

/// The back-off of a pod in seconds (`calculateBackoffDuration`): 1, 2, 4, 8, 10, 10 … with the defaults.
fn backoff(queued: &QueuedPod, initial: u64, longest: u64) -> u64 {
    let count = if queued.consecutive_errors > 0 { queued.consecutive_errors } else { queued.unschedulable_count };
    let Some(shift) = count.checked_sub(1) else { return 0 };
    if initial > longest.checked_shr(shift).unwrap_or(0) { longest } else { initial << shift }
}

/// The second in which the back-off of a pod ends: it is over in the next one.
fn backoff_expiry(queued: &QueuedPod, clock: WallClock, initial: u64, longest: u64) -> i64 {
    let end = queued.timestamp + SimDuration::from_secs(backoff(queued, initial, longest));
    clock.at(end).unix_nanos().div_euclid(NANOS)
}

#[cfg(test)]
mod tests;
