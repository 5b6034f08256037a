//! Expectations: what a controller has asked for and has not yet seen, so that it does not ask twice.
//!
//! Follows `pkg/controller/controller_utils.go` of Kubernetes 1.36 (`ControllerExpectations`,
//! `UIDTrackingControllerExpectations`).

use crate::api::{FastMap, Uid};
use crate::engine::{SimDuration, SimTime};
use std::collections::BTreeSet;
use std::hash::Hash;

/// After so long nothing is waited for any more.
pub const EXPECTATIONS_TIMEOUT: SimDuration = SimDuration::from_secs(300);

#[derive(Debug, Clone, Default)]
struct Expected {
    creations: i64,
    deletions: i64,
    /// The objects whose deletion is expected, where they are told apart.
    uids: BTreeSet<Uid>,
    since: SimTime,
}

/// What is expected for each key.
#[derive(Debug, Clone)]
pub struct Expectations<K> {
    by_key: FastMap<K, Expected>,
}

impl<K: Copy + Eq + Hash> Default for Expectations<K> {
    fn default() -> Self {
        Self { by_key: FastMap::default() }
    }
}

impl<K: Copy + Eq + Hash> Expectations<K> {
    /// Expects creations and deletions, instead of whatever was expected before.
    pub fn expect(&mut self, now: SimTime, key: K, creations: usize, deletions: usize) {
        let expected = self.by_key.entry(key).or_default();
        *expected = Expected {
            creations: creations as i64,
            deletions: deletions as i64,
            uids: std::mem::take(&mut expected.uids),
            since: now,
        };
    }

    /// Expects the deletion of these objects, each of which is then seen once.
    pub fn expect_deletions_of(&mut self, now: SimTime, key: K, uids: impl IntoIterator<Item = Uid>) {
        let uids: BTreeSet<Uid> = uids.into_iter().collect();
        self.by_key.insert(key, Expected { creations: 0, deletions: uids.len() as i64, uids, since: now });
    }

    /// One creation was seen, or will not come.
    pub fn creation_observed(&mut self, key: K) {
        self.lower(key, 1, 0);
    }

    /// One deletion was seen, or will not come.
    pub fn deletion_observed(&mut self, key: K) {
        self.lower(key, 0, 1);
    }

    /// The deletion of an object was seen, or will not come; counted the first time only.
    pub fn deletion_of_observed(&mut self, key: K, uid: Uid) {
        if let Some(expected) = self.by_key.get_mut(&key)
            && expected.uids.remove(&uid)
        {
            expected.deletions -= 1;
        }
    }

    /// So many creations and deletions were seen, or will not come.
    pub fn lower(&mut self, key: K, creations: i64, deletions: i64) {
        if let Some(expected) = self.by_key.get_mut(&key) {
            expected.creations -= creations;
            expected.deletions -= deletions;
        }
    }

    /// Whether everything expected was seen, or has been waited for long enough.
    pub fn are_met(&self, now: SimTime, key: K) -> bool {
        self.by_key.get(&key).is_none_or(|expected| {
            expected.creations <= 0 && expected.deletions <= 0 || now.since(expected.since) > EXPECTATIONS_TIMEOUT
        })
    }

    /// Whether something is waited for that should have been seen long ago: only the next look at its key, if one
    /// comes, goes on without it.
    pub fn are_overdue(&self, now: SimTime) -> bool {
        let waits = |expected: &Expected| expected.creations > 0 || expected.deletions > 0;
        let overdue = |expected: &Expected| waits(expected) && now.since(expected.since) > EXPECTATIONS_TIMEOUT;
        self.by_key.values().any(overdue)
    }

    /// Forgets a key that is gone.
    pub fn forget(&mut self, key: K) {
        self.by_key.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_waits_until_everything_was_seen_or_five_minutes_have_passed() {
        // `TestControllerExpectations`.
        let mut expectations = Expectations::default();
        let (now, key) = (SimTime::from_secs(10), ());
        assert!(expectations.are_met(now, key), "nothing was asked for");
        expectations.expect(now, key, 2, 1);
        expectations.creation_observed(key);
        expectations.deletion_observed(key);
        assert!(!expectations.are_met(now, key));
        assert!(!expectations.are_met(now + EXPECTATIONS_TIMEOUT, key));
        assert!(expectations.are_met(now + EXPECTATIONS_TIMEOUT + SimDuration::from_nanos(1), key));
        let later = now + EXPECTATIONS_TIMEOUT + SimDuration::from_secs(1);
        assert!(expectations.are_overdue(later) && !expectations.are_overdue(now));
        expectations.creation_observed(key);
        assert!(expectations.are_met(now, key) && !expectations.are_overdue(later));
    }

    #[test]
    fn a_deletion_that_is_seen_twice_counts_once() {
        // `TestUIDExpectations`.
        let mut expectations = Expectations::default();
        let (now, key) = (SimTime::ZERO, ());
        let uids = [Uid::from_bits(1), Uid::from_bits(2)];
        expectations.expect_deletions_of(now, key, uids);
        for _ in 0..3 {
            expectations.deletion_of_observed(key, uids[0]);
        }
        expectations.deletion_of_observed(key, Uid::from_bits(3));
        assert!(!expectations.are_met(now, key));
        expectations.deletion_of_observed(key, uids[1]);
        assert!(expectations.are_met(now, key));
    }
}
