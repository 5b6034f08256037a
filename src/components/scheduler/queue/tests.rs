//! Tables measured with the real PriorityQueue and a fake clock (kube-scheduler-1.36, `queue/*.json`). Queue and clock
//! start at a whole second.

use super::*;
use crate::api::{Object, WallTime};
use crate::components::scheduler::cache::Cache;
use crate::components::scheduler::events::{Actions, Resource};
use crate::components::scheduler::nominator::Nominator;
use crate::components::scheduler::testing;
use serde_json::json;

/// A queue, and what it asks plugins with.
struct Bench {
    queue: Queue,
    cache: Cache,
    nominator: Nominator,
    profiles: Vec<Arc<Profile>>,
    now: SimTime,
}

/// `NodeResourcesFit` by its place in the default profile.
const FIT: u8 = 7;

impl Bench {
    fn new(initial: u64, longest: u64) -> Self {
        let clock = WallClock::starting_at(WallTime::from_unix_nanos(1_767_225_600 * NANOS));
        Self {
            queue: Queue::new(clock, initial, longest, SimTime::ZERO),
            cache: Cache::default(),
            nominator: Nominator::default(),
            profiles: vec![testing::profile(json!({}))],
            now: SimTime::ZERO,
        }
    }

    fn at(&mut self, seconds: f64) {
        self.now = SimTime::from_nanos((seconds * 1e9).round() as u64);
    }

    fn with<T>(&mut self, run: impl FnOnce(&mut Queue, &Surroundings<'_>) -> T) -> T {
        let cx = Context { cache: &self.cache, nominator: &self.nominator, now: 0 };
        run(&mut self.queue, &Surroundings { cx, profiles: &self.profiles, now: self.now })
    }

    fn add(&mut self, index: u32, priority: i32) {
        let spec = json!({"priority": priority, "containers": [
            {"name": "c", "image": "i", "resources": {"requests": {"cpu": "100m"}}},
        ]});
        let mut pod = testing::pod_with("default", &format!("p{index:02}"), spec);
        pod.meta.index = index;
        self.with(|queue, around| queue.add(around, Arc::new(pod), 0));
    }

    fn pop(&mut self) -> QueuedPod {
        self.queue.pop().expect("a pod is ready")
    }

    fn rejected(&mut self, queued: QueuedPod) {
        let fit = self.profiles[0].places([&crate::api::Name::new("NodeResourcesFit")]);
        assert_eq!(fit, 1 << FIT);
        self.with(|queue, around| queue.come_back(around, queued, fit, 0));
    }

    fn failed(&mut self, queued: QueuedPod) {
        self.with(|queue, around| queue.come_back(around, queued, 0, 0));
    }

    fn node_added(&mut self, cpu: &str) {
        let mut manifest = testing::node_manifest("n", json!({}), json!({}));
        manifest["status"]["allocatable"]["cpu"] = cpu.into();
        let event = ClusterEvent::new(Resource::Node, Actions::ADD, None, Some(testing::object(&manifest)));
        self.with(|queue, around| queue.offer(around, event, |_| true));
    }

    fn flush(&mut self) {
        self.with(|queue, around| queue.flush(around));
    }
}

#[test]
fn back_offs_end_at_the_first_whole_second_after_their_expiry() {
    // (first and longest back-off, seconds at which a pod that fails at 0…0.999 s is ready, by the number of failures)
    let tables = [
        ((1, 10), [2, 3, 5, 9, 11, 11, 11, 11]), // `unschedulable-initial1-max10`, `error-initial1-max10`
        ((2, 60), [3, 5, 9, 17, 33, 61, 61, 61]), // `unschedulable-initial2-max60`
    ];
    for ((initial, longest), expected) in tables {
        for (failures, ready) in (1u32..).zip(expected) {
            for (failed_at, by_error) in
                [0.0, 0.001, 0.25, 0.5, 0.999].into_iter().flat_map(|t| [(t, false), (t, true)])
            {
                let mut bench = Bench::new(initial, longest);
                bench.add(0, 0);
                bench.at(failed_at);
                let mut queued = bench.pop();
                if by_error {
                    queued.consecutive_errors = failures - 1;
                    bench.failed(queued);
                } else {
                    queued.unschedulable_count = failures - 1;
                    bench.rejected(queued);
                    bench.node_added("4");
                }
                assert_eq!(bench.queue.place(0), Some(QueuePlace::Backoff));
                assert_eq!(bench.queue.next_flush(), Some(SimTime::from_secs(ready)), "{failures} at {failed_at}");
                bench.at((ready - 1) as f64);
                bench.flush();
                assert_eq!(bench.queue.place(0), Some(QueuePlace::Backoff));
                bench.at(ready as f64);
                bench.flush();
                assert_eq!(bench.queue.place(0), Some(QueuePlace::Active));
            }
        }
    }
}

#[test]
fn rejected_pods_are_tried_again_after_more_than_five_minutes() {
    // `unschedulable-flush.json`: (failed at, flushed at), in seconds since the queue started.
    for (failed, flushed) in
        [(0.0, 330), (0.5, 330), (1.0, 330), (10.0, 330), (29.0, 330), (29.999, 330), (30.0, 360), (31.0, 360)]
    {
        let mut bench = Bench::new(1, 10);
        bench.add(0, 0);
        let queued = bench.pop();
        bench.at(failed);
        bench.rejected(queued);
        assert_eq!(bench.queue.next_flush(), Some(SimTime::from_secs(flushed)), "failed at {failed}");
        bench.at(flushed as f64);
        bench.flush();
        assert_eq!((bench.queue.place(0), bench.queue.next_flush()), (Some(QueuePlace::Active), None));
    }
}

#[test]
fn gated_pods_wait_for_their_gates_alone() {
    let mut bench = Bench::new(1, 10);
    let manifest = testing::pod_manifest("default", "p", json!({}), json!({"schedulingGates": [{"name": "a"}]}));
    let gated = Arc::new(testing::pod_of(&manifest));
    bench.with(|queue, around| queue.add(around, gated.clone(), 0));
    bench.node_added("4");
    assert_eq!((bench.queue.place(0), bench.queue.next_flush()), (Some(QueuePlace::Gated), None));
    let free = Arc::new(testing::pod("default", "p"));
    let (old, new) = (Object::Pod(gated), Object::Pod(free.clone()));
    let event = |action| ClusterEvent::new(Resource::UnscheduledPod, action, Some(old.clone()), Some(new.clone()));
    let other = vec![event(Actions::UPDATE_POD_LABEL)];
    bench.with(|queue, around| queue.update(around, free.clone(), 0, other));
    assert_eq!(bench.queue.place(0), Some(QueuePlace::Gated));
    let last = vec![event(Actions::UPDATE_POD_GATES_ELIMINATED)];
    bench.with(|queue, around| queue.update(around, free.clone(), 0, last));
    assert_eq!(bench.queue.place(0), Some(QueuePlace::Active));
}

#[test]
fn pods_are_popped_by_priority_then_by_age() {
    // `order.json`: (priority, added at) of p00, p01 …, and the order in which they are popped.
    type Case = (&'static [(i32, f64)], &'static [u32]);
    let cases: &[Case] = &[
        (
            // random-priorities-0
            &[
                (5, 0.0),
                (-1, 0.803),
                (0, 0.931),
                (5, 2.377),
                (5, 2.744),
                (0, 4.175),
                (5, 4.293),
                (5, 4.608),
                (0, 5.123),
                (5, 5.867),
                (5, 6.763),
                (5, 6.972),
            ],
            &[0, 3, 4, 6, 7, 9, 10, 11, 2, 5, 8, 1],
        ),
        (
            // random-priorities-1
            &[
                (100, 0.0),
                (100, 0.196),
                (5, 0.734),
                (5, 1.905),
                (0, 3.12),
                (-1, 3.527),
                (-1, 4.888),
                (-1, 6.177),
                (-1, 7.608),
                (5, 7.849),
                (-1, 8.047),
                (5, 8.61),
            ],
            &[0, 1, 2, 3, 9, 11, 4, 5, 6, 7, 8, 10],
        ),
        (
            // random-priorities-2
            &[
                (0, 0.0),
                (5, 0.242),
                (5, 0.353),
                (5, 1.168),
                (5, 1.878),
                (100, 3.203),
                (100, 4.371),
                (5, 4.462),
                (5, 5.776),
                (100, 6.873),
                (-1, 7.653),
                (0, 8.371),
            ],
            &[5, 6, 9, 1, 2, 3, 4, 7, 8, 0, 11, 10],
        ),
        (
            // random-priorities-3: some share priority and time.
            &[
                (0, 0.0),
                (-1, 0.0),
                (-1, 0.0),
                (100, 0.0),
                (0, 0.375),
                (5, 0.375),
                (5, 1.194),
                (-1, 1.376),
                (0, 1.376),
                (0, 1.376),
                (100, 1.376),
                (-1, 1.376),
            ],
            &[3, 10, 5, 6, 0, 4, 8, 9, 1, 2, 7, 11],
        ),
        (
            // random-priorities-4
            &[
                (0, 0.0),
                (0, 0.0),
                (5, 0.0),
                (5, 0.0),
                (5, 0.0),
                (0, 0.0),
                (5, 0.0),
                (-1, 0.0),
                (5, 0.0),
                (5, 0.0),
                (5, 1.039),
                (5, 1.039),
            ],
            &[2, 3, 8, 4, 9, 6, 10, 11, 1, 5, 0, 7],
        ),
        (
            // random-priorities-5
            &[
                (5, 0.0),
                (100, 0.0),
                (0, 0.095),
                (0, 0.615),
                (-1, 1.873),
                (0, 1.873),
                (5, 1.873),
                (5, 1.881),
                (0, 1.881),
                (5, 1.881),
                (5, 1.881),
                (0, 1.881),
            ],
            &[1, 0, 6, 7, 9, 10, 2, 3, 5, 8, 11, 4],
        ),
    ];
    for (added, expected) in cases {
        let mut bench = Bench::new(1, 10);
        for (index, (priority, at)) in (0u32..).zip(*added) {
            bench.at(*at);
            bench.add(index, *priority);
        }
        let order: Vec<u32> = std::iter::from_fn(|| bench.queue.pop()).map(|queued| queued.index()).collect();
        assert_eq!(order, *expected);
    }
}

#[test]
fn a_pod_that_was_tried_goes_behind_younger_ones() {
    // `order.json`, retried-pod-goes-behind.
    let mut bench = Bench::new(1, 10);
    bench.add(0, 0);
    let old = bench.pop();
    bench.at(1.0);
    bench.add(1, 0);
    bench.at(2.0);
    bench.rejected(old);
    bench.at(12.0);
    bench.node_added("4");
    assert_eq!((bench.pop().index(), bench.pop().index()), (1, 0));
}

#[test]
fn an_idle_scheduler_does_not_wait_for_back_offs_but_for_those_of_errors() {
    // `order.json`, pop-from-backoff-when-active-empty and error-backoff.
    let mut bench = Bench::new(1, 10);
    [0, 5, 0].into_iter().zip(0..).for_each(|(priority, index)| bench.add(index, priority));
    let (b, a, c) = (bench.pop(), bench.pop(), bench.pop());
    assert_eq!((b.index(), a.index(), c.index()), (1, 2, 0));
    for (queued, at) in [(b, 0.1), (a, 0.2), (c, 0.3)] {
        bench.at(at);
        bench.rejected(queued);
    }
    bench.node_added("4");
    let order: Vec<u32> = std::iter::from_fn(|| bench.queue.pop()).map(|queued| queued.index()).collect();
    assert_eq!(order, [1, 2, 0]);
    bench.add(3, 0);
    let queued = bench.pop();
    bench.failed(queued);
    assert!(bench.queue.pop().is_none());
}

#[test]
fn events_during_an_attempt_count_when_it_fails() {
    // `order.json`, event-while-in-flight-matching-true and -false.
    for (cpu, place) in [("512", QueuePlace::Backoff), ("10m", QueuePlace::Unschedulable)] {
        let mut bench = Bench::new(1, 10);
        bench.add(0, 0);
        let queued = bench.pop();
        bench.node_added(cpu);
        bench.rejected(queued);
        assert_eq!(bench.queue.place(0), Some(place), "a node with {cpu}");
        assert!(bench.queue.happened.is_empty(), "nobody is in flight any more");
    }
}
