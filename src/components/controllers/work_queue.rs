//! The work queue of a controller: each key at most once, never with two workers, again if it changed meanwhile.
//!
//! Follows `client-go/util/workqueue` of Kubernetes 1.36: queue, delaying queue and the default rate limiters.

use crate::api::{FastMap, Metadata, Name};
use crate::components::token_bucket::TokenBucket;
use crate::engine::{SimDuration, SimTime, StreamKey};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;

/// What a controller works on, by namespace and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace; empty for kinds without.
    pub namespace: Name,
    /// The name.
    pub name: Name,
}

impl Key {
    /// The key of an object.
    pub const fn of(meta: &Metadata) -> Self {
        Self { namespace: meta.namespace, name: meta.name }
    }
}

/// Anything that can wait in a work queue.
pub trait QueueKey: Copy + Eq + Ord + Hash + Debug {
    /// The stable name of the key, for draws.
    fn stream(&self) -> StreamKey;
}

impl QueueKey for Key {
    fn stream(&self) -> StreamKey {
        StreamKey::new(&self.namespace).part(&self.name)
    }
}

impl QueueKey for () {
    fn stream(&self) -> StreamKey {
        StreamKey::new("")
    }
}

/// How long a key waits after its n-th failure in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// After the first failure; doubled with each further one.
    pub base: SimDuration,
    /// At most.
    pub cap: SimDuration,
    /// So many tries are made; `None`: for ever.
    pub most: Option<u32>,
}

impl Retry {
    /// 5 ms, doubling up to 1000 s (`DefaultTypedControllerRateLimiter`).
    pub const DEFAULT: Self = Self { base: SimDuration::from_millis(5), cap: SimDuration::from_secs(1000), most: None };

    /// The same, given up after so many tries.
    #[must_use]
    pub const fn at_most(self, tries: u32) -> Self {
        Self { most: Some(tries), ..self }
    }

    /// The wait after `failures` failures before this one.
    pub fn delay(self, failures: u32) -> SimDuration {
        let factor = 1u64.checked_shl(failures).unwrap_or(u64::MAX);
        (self.base * factor).min(self.cap)
    }
}

/// Where a key stands: it may wait, be with a worker, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Standing {
    queued: bool,
    processing: bool,
    failures: u32,
    /// When it is to be added, if it waits for that.
    due: Option<(SimTime, u64)>,
}

/// A queue of keys.
#[derive(Debug, Clone)]
pub struct WorkQueue<K> {
    ready: VecDeque<K>,
    standing: FastMap<K, Standing>,
    waiting: BTreeMap<(SimTime, u64), K>,
    waited: u64,
    retry: Retry,
    /// Retries of all keys together: ten a second after a burst of a hundred.
    retries: TokenBucket,
    /// Whether a key was ever given up.
    gave_up: bool,
}

impl<K: QueueKey> WorkQueue<K> {
    /// An empty queue.
    pub fn new(retry: Retry) -> Self {
        Self {
            ready: VecDeque::new(),
            standing: FastMap::default(),
            waiting: BTreeMap::new(),
            waited: 0,
            retry,
            retries: TokenBucket::new(10, 100),
            gave_up: false,
        }
    }

    /// Adds a key, unless it waits already. One that is with a worker waits until the worker is done with it.
    pub fn add(&mut self, key: K) {
        let standing = self.standing.entry(key).or_default();
        if std::mem::replace(&mut standing.queued, true) || standing.processing {
            return;
        }
        self.ready.push_back(key);
    }

    /// Adds a key at a later time; of several such times the earliest counts.
    pub fn add_at(&mut self, due: SimTime, key: K) {
        let standing = self.standing.entry(key).or_default();
        if let Some(earlier) = standing.due {
            if earlier.0 <= due {
                return;
            }
            self.waiting.remove(&earlier);
        }
        self.waited += 1;
        standing.due = Some((due, self.waited));
        self.waiting.insert((due, self.waited), key);
    }

    /// Adds a key after a delay.
    pub fn add_after(&mut self, now: SimTime, delay: SimDuration, key: K) {
        if delay.is_zero() { self.add(key) } else { self.add_at(now + delay, key) }
    }

    /// Adds a key again that failed, later with each failure; gives up in the end if that was agreed.
    pub fn retry(&mut self, now: SimTime, key: K) {
        let standing = self.standing.entry(key).or_default();
        let failures = standing.failures;
        if self.retry.most.is_some_and(|most| failures >= most) {
            self.gave_up = true;
            return self.forget(key);
        }
        standing.failures += 1;
        let delay = self.retry.delay(failures).max(self.retries.take(now));
        self.add_after(now, delay, key);
    }

    /// Forgets the failures of a key.
    pub fn forget(&mut self, key: K) {
        if let Some(standing) = self.standing.get_mut(&key) {
            standing.failures = 0;
        }
        self.clean(key);
    }

    /// Whether a key was ever given up: nobody looks at it before something new is heard of it.
    pub const fn has_given_up(&self) -> bool {
        self.gave_up
    }

    /// How often a key failed in a row.
    pub fn failures(&self, key: K) -> u32 {
        self.standing.get(&key).map_or(0, |standing| standing.failures)
    }

    /// Gives the next key to a worker.
    pub fn take(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        let standing = self.standing.entry(key).or_default();
        standing.queued = false;
        standing.processing = true;
        Some(key)
    }

    /// A worker is done with a key.
    pub fn done(&mut self, key: K) {
        let Some(standing) = self.standing.get_mut(&key) else { return };
        standing.processing = false;
        if standing.queued {
            self.ready.push_back(key);
        }
        self.clean(key);
    }

    /// Adds the keys whose time has come.
    pub fn wake(&mut self, now: SimTime) {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| entry.key().0 <= now) {
            let key = entry.remove();
            if let Some(standing) = self.standing.get_mut(&key) {
                standing.due = None;
            }
            self.add(key);
        }
    }

    /// When the next key is to be added.
    pub fn next_due(&self) -> Option<SimTime> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// How many keys wait for a worker.
    pub fn len(&self) -> usize {
        self.ready.len()
    }

    /// Whether no key waits: neither for a worker nor for its time.
    pub fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.waiting.is_empty()
    }

    /// Whether no key waits for a worker.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Forgets a key of which there is nothing to know.
    fn clean(&mut self, key: K) {
        if self.standing.get(&key) == Some(&Standing::default()) {
            self.standing.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key { namespace: Name::new("default"), name: Name::new(name) }
    }

    #[test]
    fn a_key_waits_once_and_comes_again_if_added_meanwhile() {
        let mut queue = WorkQueue::new(Retry::DEFAULT);
        let (a, b) = (key("a"), key("b"));
        for added in [a, b, a] {
            queue.add(added);
        }
        assert_eq!(queue.take(), Some(a));
        queue.add(a);
        assert_eq!(queue.take(), Some(b));
        assert_eq!(queue.take(), None, "a is still with its worker");
        queue.done(a);
        assert_eq!(queue.take(), Some(a));
        queue.done(a);
        queue.done(b);
        assert_eq!((queue.len(), queue.standing.len()), (0, 0));
    }

    #[test]
    fn the_earliest_time_counts() {
        let mut queue = WorkQueue::new(Retry::DEFAULT);
        for secs in [5, 3, 9] {
            queue.add_at(SimTime::from_secs(secs), key("a"));
        }
        assert_eq!(queue.next_due(), Some(SimTime::from_secs(3)));
        queue.wake(SimTime::from_secs(4));
        assert_eq!((queue.take(), queue.next_due()), (Some(key("a")), None));
    }

    #[test]
    fn retries_wait_twice_as_long_each_time() {
        let delays: Vec<u64> = (0..6).map(|n| Retry::DEFAULT.delay(n).as_millis()).collect();
        assert_eq!(delays, [5, 10, 20, 40, 80, 160]);
        assert_eq!(Retry::DEFAULT.delay(40), SimDuration::from_secs(1000));
        let mut queue = WorkQueue::new(Retry::DEFAULT.at_most(2));
        for due in [Some(5), Some(10), None] {
            queue.retry(SimTime::ZERO, key("a"));
            assert_eq!(queue.next_due(), due.map(SimTime::from_millis));
            queue.wake(SimTime::from_secs(1));
            if let Some(key) = queue.take() {
                queue.done(key);
            }
        }
        assert_eq!(queue.failures(key("a")), 0, "given up and forgotten");
    }
}
