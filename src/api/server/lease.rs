//! Events go an hour after they were last written, as the etcd lease that they hang on does.
//!
//! Follows `staging/src/k8s.io/apiserver/pkg/storage/etcd3/lease_manager.go`: objects that are written within a minute
//! share a lease, which lasts that minute longer. So the server wakes up once a minute at most, whatever is told.

use super::Server;
use crate::api::{ApiObject, Event, Id};
use crate::engine::{SimDuration, SimTime};
use std::collections::VecDeque;

/// `--event-ttl`.
const EVENT_TTL: SimDuration = SimDuration::from_secs(3_600);
/// For so long others are put on the same lease …
const REUSED_FOR: SimDuration = SimDuration::from_secs(60);
/// … unless there are so many on it.
const MOST_ON_A_LEASE: usize = 1_000;

/// The leases that have not expired, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Leases {
    first: u32,
    running: VecDeque<Lease>,
    /// The lease of each event by its place in the store: the last that it was put on.
    of: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Lease {
    granted: SimTime,
    events: Vec<u32>,
}

impl Leases {
    /// Puts an event on a lease: the number of the lease and its end, if it is a new one.
    fn put(&mut self, now: SimTime, event: u32) -> Option<(u32, SimTime)> {
        let fits = |last: &Lease| now.since(last.granted) < REUSED_FOR && last.events.len() < MOST_ON_A_LEASE;
        let is_new = !self.running.back().is_some_and(fits);
        if is_new {
            self.running.push_back(Lease { granted: now, events: Vec::new() });
        }
        let number = self.first + u32::try_from(self.running.len() - 1).expect("fewer than 2^32 leases");
        let lease = self.running.back_mut().expect("there is one now");
        let place = event as usize;
        if self.of.len() <= place {
            self.of.resize(place + 1, u32::MAX);
        }
        if self.of[place] != number {
            self.of[place] = number;
            lease.events.push(event);
        }
        is_new.then_some((number, now + EVENT_TTL + REUSED_FOR))
    }

    /// What is still on a lease that ends. They end in the order in which they were granted.
    fn end(&mut self, number: u32) -> Vec<u32> {
        assert_eq!(number, self.first, "leases end in order");
        self.first += 1;
        let mut events = self.running.pop_front().expect("it was granted").events;
        events.retain(|event| self.of[*event as usize] == number);
        events
    }
}

impl Server {
    /// Notes that an event was written. Tells the number and the end of the lease that it is on, if that is a new one.
    pub fn keep_event(&mut self, now: SimTime, event: Id<Event>) -> Option<(u32, SimTime)> {
        self.leases.put(now, event.index() as u32)
    }

    /// Ends a lease: the events on it go, in the order of their keys.
    pub fn end_lease(&mut self, number: u32) {
        let on_it = self.leases.end(number).into_iter().map(Id::<Event>::new);
        let mut gone: Vec<_> = on_it.filter_map(|event| self.store.events.get(event).cloned()).collect();
        gone.sort_by_key(|event| (event.meta.namespace, event.meta.name));
        gone.into_iter().for_each(|event| drop(self.take_out(event.id())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_again_goes_later() {
        let at = SimTime::from_secs;
        let mut leases = Leases::default();
        let ends = |granted: u64| Some(at(granted + 3_660));
        // (written at, the event, the end of a new lease).
        for (now, event, end) in
            [(0, 0, ends(0)), (59, 1, None), (59, 0, None), (60, 2, ends(60)), (90, 0, None), (500, 3, ends(500))]
        {
            assert_eq!(leases.put(at(now), event).map(|(_, end)| end), end, "{event} at {now}");
        }
        assert_eq!([leases.end(0), leases.end(1), leases.end(2)], [vec![1], vec![2, 0], vec![3]]);
        let many = (0..=MOST_ON_A_LEASE as u32).filter(|event| leases.put(at(1_000), *event).is_some());
        assert_eq!(many.collect::<Vec<_>>(), [0, MOST_ON_A_LEASE as u32]);
    }
}
