//! The scheduling queue: each pod in one place, the most urgent first, nobody forgotten.
//!
//! Seen after each step of the scheduler, as its queue has it.

use super::{Broken, HistoryLaw};
use crate::api::{FastMap, Pod};
use crate::components::scheduler::{QueueInsight, QueuePlace, Waiting};
use crate::engine::{SimDuration, SimTime};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) const LAWS: &[HistoryLaw] = &[
    HistoryLaw {
        name: "waits-in-one-place",
        says: "a pod waits in one place of the scheduler's queue, or is in flight",
    },
    HistoryLaw { name: "one-pod-at-a-time", says: "between being popped and being assumed there is one pod" },
    HistoryLaw {
        name: "urgent-first",
        says: "the pod that is tried has the highest priority, and of equals waits longest",
    },
    HistoryLaw { name: "assumed-once", says: "no pod is tried that has a node already" },
    HistoryLaw { name: "nobody-waits-in-vain", says: "a ready pod is tried at once, a rejected one after six minutes" },
    HistoryLaw {
        name: "back-offs-end-in-time",
        says: "a back-off ends in the second after it is over; after an error, never before",
    },
];

/// Rejected pods are tried again after more than five minutes, in a round of 30 seconds
/// (`flushUnschedulablePodsLeftover`).
const LONGEST: SimDuration = SimDuration::from_secs(5 * 60 + 30);

/// What the laws of the queue remember.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    term: u32,
    /// The try that was last seen.
    tried: Option<(u32, u32)>,
    /// Pods that back off after an error, and when they may go on.
    after_error: FastMap<u32, SimTime>,
    /// The pod that is tried.
    trying: Option<Arc<Pod>>,
}

impl Queue {
    /// The pod whose turn it is.
    pub(super) const fn trying(&self) -> Option<&Arc<Pod>> {
        self.trying.as_ref()
    }

    /// Whether the try that is under way is a new one.
    pub(super) fn begins(&self, insight: &QueueInsight) -> bool {
        insight.trying.as_ref().is_some_and(|(pod, _, attempt)| self.tried != Some((pod.meta.index, *attempt)))
    }

    pub(super) fn stepped(&mut self, now: SimTime, term: u32, insight: QueueInsight) -> Vec<Broken> {
        if self.term != term {
            *self = Self { term, ..Self::default() };
        }
        let begins = self.begins(&insight);
        let mut broken = Vec::new();
        let mut hold = |law: usize, seen: Option<(u32, String)>| {
            let name = |index: u32| {
                let waiting = insight.waiting.iter().map(|one| &one.pod);
                let tried = insight.trying.iter().map(|(pod, _, _)| pod);
                let pod = waiting.chain(tried).find(|pod| pod.meta.index == index);
                pod.map_or_else(|| format!("Pod #{index}"), |pod| format!("Pod/{}", pod.meta.key()))
            };
            broken.extend(seen.map(|(pod, seen)| (LAWS[law].name, name(pod), seen)));
        };
        hold(0, twice(&insight));
        hold(1, beside_the_tried(&insight));
        if begins {
            hold(2, more_urgent(&insight));
            hold(3, has_a_node(&insight));
        }
        hold(4, in_vain(&insight, now));
        hold(5, overdue(&insight, now).or_else(|| too_early(&self.after_error, &insight, now)));
        self.tried = insight.trying.as_ref().map(|(pod, _, attempt)| (pod.meta.index, *attempt));
        let errors = insight.waiting.iter().filter(|one| one.after_error);
        self.after_error = errors.filter_map(|one| Some((one.pod.meta.index, one.released_at?))).collect();
        self.trying = insight.trying.map(|(pod, _, _)| pod);
        broken
    }
}

/// In two places, or in one and in flight (`Test_InFlightPods`).
fn twice(queue: &QueueInsight) -> Option<(u32, String)> {
    let mut seen = BTreeSet::new();
    let waiting = queue.waiting.iter().map(|one| one.pod.meta.index);
    let again = waiting.chain(queue.in_flight.iter().copied()).find(|pod| !seen.insert(*pod))?;
    Some((again, "it waits in two places, or waits and is in flight".to_owned()))
}

/// Popped, not being bound, and not the one that is tried (`ScheduleOne`).
fn beside_the_tried(queue: &QueueInsight) -> Option<(u32, String)> {
    let tried = queue.trying.as_ref().map(|(pod, _, _)| pod.meta.index);
    let other = |pod: &&u32| !queue.binding.contains(pod) && tried != Some(**pod);
    let pod = queue.in_flight.iter().find(other)?;
    Some((*pod, "it was popped, and is neither tried nor bound".to_owned()))
}

/// A ready pod that should have been popped instead (`TestPriorityQueue_Pop`).
fn more_urgent(queue: &QueueInsight) -> Option<(u32, String)> {
    let (tried, since, _) = queue.trying.as_ref()?;
    let order = (Reverse(tried.spec.priority), *since);
    let ready = queue.waiting.iter().filter(|one| one.place == QueuePlace::Active);
    let other = ready.into_iter().find(|one| (Reverse(one.priority), one.since) < order)?;
    Some((tried.meta.index, format!("{} waits with priority {}", other.pod.meta.name, other.priority)))
}

/// Tried while it is assumed somewhere (`skipPodSchedule`).
fn has_a_node(queue: &QueueInsight) -> Option<(u32, String)> {
    let (tried, _, _) = queue.trying.as_ref()?;
    let index = tried.meta.index;
    queue.binding.contains(&index).then(|| (index, "it is being bound".to_owned()))
}

/// Ready and not tried, or rejected for longer than anybody waits (`TestFlushUnschedulablePodsLeftoverSetsFlag`).
fn in_vain(queue: &QueueInsight, now: SimTime) -> Option<(u32, String)> {
    let forgotten = |one: &&Waiting| match one.place {
        QueuePlace::Active => queue.idle,
        QueuePlace::Unschedulable => now.since(one.since) > LONGEST,
        QueuePlace::Backoff | QueuePlace::Gated => false,
    };
    let one = queue.waiting.iter().find(forgotten)?;
    Some((one.pod.meta.index, format!("it waits since {}, {:?}", one.since, one.place)))
}

/// Its back-off was over in a second that is past (`TestBackoffQueue_popAllBackoffCompleted`).
fn overdue(queue: &QueueInsight, now: SimTime) -> Option<(u32, String)> {
    let one = queue.waiting.iter().find(|one| one.released_at.is_some_and(|at| at < now))?;
    Some((one.pod.meta.index, "its back-off is over, and it waits".to_owned()))
}

/// It failed, and is ready before its back-off is over (`podErrorBackoffQ` is never popped early).
fn too_early(before: &FastMap<u32, SimTime>, queue: &QueueInsight, now: SimTime) -> Option<(u32, String)> {
    let ready = queue.waiting.iter().filter(|one| one.place == QueuePlace::Active).map(|one| one.pod.meta.index);
    let mut left = ready.chain(queue.in_flight.iter().copied());
    let early = left.find(|pod| before.get(pod).is_some_and(|at| now < *at))?;
    Some((early, format!("its back-off is over at {}", before[&early])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Metadata, PodSpec, PodStatus};

    fn pod(index: u32, priority: i32) -> Arc<Pod> {
        Arc::new(Pod {
            meta: Metadata { index, ..Metadata::default() },
            spec: Arc::new(PodSpec { priority, ..PodSpec::default() }),
            node_name: crate::api::Name::default(),
            status: Arc::new(PodStatus::default()),
        })
    }

    fn waiting(index: u32, place: QueuePlace, since: u64) -> Waiting {
        let since = SimTime::from_secs(since);
        Waiting { pod: pod(index, 0), place, after_error: false, priority: 0, since, released_at: None }
    }

    /// The laws that a queue breaks at 400 s, after one in which pod 9 backed off until 500 s.
    fn broken(queue: QueueInsight) -> Vec<&'static str> {
        let after_error = [(9, SimTime::from_secs(500))].into_iter().collect();
        let mut past = Queue { after_error, ..Queue::default() };
        past.stepped(SimTime::from_secs(400), 0, queue).into_iter().map(|(law, _, _)| law).collect()
    }

    #[test]
    fn a_queue_that_breaks_a_law_is_caught() {
        use QueuePlace::{Active, Backoff, Gated, Unschedulable};
        let trying = |index, priority, since| Some((pod(index, priority), SimTime::from_secs(since), 1));
        let sound = QueueInsight {
            waiting: vec![waiting(1, Active, 390), waiting(2, Unschedulable, 100), waiting(3, Gated, 0)],
            in_flight: vec![4, 5],
            binding: vec![5, 6],
            trying: trying(4, 0, 380),
            idle: false,
        };
        assert_eq!(broken(sound.clone()), Vec::<&str>::new());
        let with = |change: fn(&mut QueueInsight)| {
            let mut queue = sound.clone();
            change(&mut queue);
            broken(queue)
        };
        assert_eq!(with(|queue| queue.waiting.push(waiting(1, Backoff, 0))), ["waits-in-one-place"]);
        assert_eq!(with(|queue| queue.waiting.push(waiting(5, Backoff, 0))), ["waits-in-one-place"]);
        assert_eq!(with(|queue| queue.in_flight.push(7)), ["one-pod-at-a-time"]);
        assert_eq!(with(|queue| queue.waiting[0].priority = 1), ["urgent-first"]);
        assert_eq!(with(|queue| queue.waiting[0].since = SimTime::from_secs(370)), ["urgent-first"]);
        assert_eq!(with(|queue| queue.binding.push(4)), ["assumed-once"]);
        assert_eq!(with(|queue| queue.waiting[1].since = SimTime::from_secs(69)), ["nobody-waits-in-vain"]);
        let idle = |queue: &mut QueueInsight| (queue.trying, queue.in_flight, queue.idle) = (None, Vec::new(), true);
        assert_eq!(with(idle), ["nobody-waits-in-vain"]);
        let late = |queue: &mut QueueInsight| {
            let released_at = Some(SimTime::from_secs(399));
            queue.waiting.push(Waiting { released_at, ..waiting(8, Backoff, 390) });
        };
        assert_eq!(with(late), ["back-offs-end-in-time"]);
        assert_eq!(with(|queue| queue.waiting.push(waiting(9, Active, 390))), ["back-offs-end-in-time"]);
    }
}
