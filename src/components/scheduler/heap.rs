//! A binary heap whose entries can be found, changed and removed by key.
//!
//! The moves are those of Go's `container/heap`, because they decide the order of equals
//! (`pkg/scheduler/backend/heap/heap.go` of Kubernetes 1.36).

use crate::api::FastMap;

/// Entries by an order, least first; of equals the one that the moves bring up.
#[derive(Debug, Clone)]
pub(super) struct Heap<O> {
    entries: Vec<(O, u32)>,
    places: FastMap<u32, usize>,
}

impl<O> Default for Heap<O> {
    fn default() -> Self {
        Self { entries: Vec::new(), places: FastMap::default() }
    }
}

impl<O: Ord + Copy> Heap<O> {
    /// Adds an entry, or gives it a new order.
    pub(super) fn push(&mut self, key: u32, order: O) {
        if let Some(&place) = self.places.get(&key) {
            self.entries[place].0 = order;
            if !self.down(place, self.entries.len()) {
                self.up(place);
            }
            return;
        }
        let place = self.entries.len();
        self.entries.push((order, key));
        self.places.insert(key, place);
        self.up(place);
    }

    /// The first entry.
    pub(super) fn peek(&self) -> Option<(O, u32)> {
        self.entries.first().copied()
    }

    /// Takes the first entry out.
    pub(super) fn pop(&mut self) -> Option<u32> {
        let last = self.entries.len().checked_sub(1)?;
        self.swap(0, last);
        self.down(0, last);
        Some(self.take_last())
    }

    /// Takes an entry out; whether it was there.
    pub(super) fn remove(&mut self, key: u32) -> bool {
        let Some(&place) = self.places.get(&key) else { return false };
        let last = self.entries.len() - 1;
        if place != last {
            self.swap(place, last);
            if !self.down(place, last) {
                self.up(place);
            }
        }
        self.take_last();
        true
    }

    /// The keys, in no order that matters.
    pub(super) fn keys(&self) -> impl Iterator<Item = u32> + '_ {
        self.entries.iter().map(|(_, key)| *key)
    }

    /// Whether an entry is there.
    pub(super) fn contains(&self, key: u32) -> bool {
        self.places.contains_key(&key)
    }

    fn take_last(&mut self) -> u32 {
        let (_, key) = self.entries.pop().expect("the entry was moved to the end");
        self.places.remove(&key);
        key
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.entries.swap(a, b);
        self.places.insert(self.entries[a].1, a);
        self.places.insert(self.entries[b].1, b);
    }

    fn up(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.entries[place].0 >= self.entries[parent].0 {
                break;
            }
            self.swap(place, parent);
            place = parent;
        }
    }

    fn down(&mut self, start: usize, count: usize) -> bool {
        let mut place = start;
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            if left >= count {
                break;
            }
            let child = if right < count && self.entries[right].0 < self.entries[left].0 { right } else { left };
            if self.entries[child].0 >= self.entries[place].0 {
                break;
            }
            self.swap(place, child);
            place = child;
        }
        place > start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(heap: &mut Heap<i32>) -> Vec<u32> {
        std::iter::from_fn(|| heap.pop()).collect()
    }

    #[test]
    fn equals_come_out_as_in_go() {
        // `order.json`, random-priorities-3: four pods at one instant, then five at another.
        let mut heap = Heap::default();
        (0..6).for_each(|key| heap.push(key, 0));
        assert_eq!(drain(&mut heap), [0, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn entries_can_be_removed_and_changed() {
        let many = proptest::collection::vec(0i32..1_000_000, 1..60);
        proptest!(|(orders in many, changed in 0i32..1_000_000, n in 0usize..60)| {
            let mut heap = Heap::default();
            let mut all: Vec<(i32, u32)> = orders.iter().copied().zip(0..).collect();
            all.iter().for_each(|(order, key)| heap.push(*key, *order));
            let chosen = n % all.len();
            all[chosen].0 = changed;
            heap.push(chosen as u32, changed);
            let gone = all.remove((n * 7) % all.len());
            prop_assert!(heap.remove(gone.1) && !heap.remove(gone.1));
            let mut sorted: Vec<i32> = all.iter().map(|(order, _)| *order).collect();
            sorted.sort_unstable();
            let orders: std::collections::BTreeMap<u32, i32> = all.iter().map(|(order, key)| (*key, *order)).collect();
            let popped: Vec<i32> = drain(&mut heap).iter().map(|key| orders[key]).collect();
            prop_assert_eq!(popped, sorted);
        });
    }
}
