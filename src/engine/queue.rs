//! The order of what is to come: by time, and among equal times by order of insertion.

use super::time::SimTime;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// One message in waiting.
#[derive(Debug, Clone)]
pub struct Entry<M> {
    /// When it is due.
    pub time: SimTime,
    /// Its place among all messages ever pushed; the n-th push gets n.
    pub seq: u64,
    /// What is due.
    pub message: M,
}

/// A priority queue on (time, sequence). Nothing may be pushed before the time of the last pop.
pub trait Queue<M> {
    /// Adds a message and returns its sequence number.
    fn push(&mut self, time: SimTime, message: M) -> u64;
    /// Takes the earliest message; among equal times, the one pushed first.
    fn pop(&mut self) -> Option<Entry<M>>;
    /// When the earliest message is due.
    fn next_time(&self) -> Option<SimTime>;
    /// How many messages wait.
    fn len(&self) -> usize;

    /// Whether nothing waits.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The queue by definition: a binary heap on (time, sequence).
///
/// The reference that [`TimingWheel`](super::TimingWheel) is tested against; slower from a few thousand entries on.
#[derive(Debug, Clone)]
pub struct HeapQueue<M> {
    heap: BinaryHeap<Earliest<M>>,
    pushed: u64,
}

impl<M> HeapQueue<M> {
    /// An empty queue.
    pub fn new() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }
}

impl<M> Default for HeapQueue<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> Queue<M> for HeapQueue<M> {
    fn push(&mut self, time: SimTime, message: M) -> u64 {
        let seq = self.pushed;
        self.pushed += 1;
        self.heap.push(Earliest(Entry { time, seq, message }));
        seq
    }

    fn pop(&mut self) -> Option<Entry<M>> {
        self.heap.pop().map(|Earliest(entry)| entry)
    }

    fn next_time(&self) -> Option<SimTime> {
        self.heap.peek().map(|Earliest(entry)| entry.time)
    }

    fn len(&self) -> usize {
        self.heap.len()
    }
}

/// An entry turned round for `BinaryHeap`, which pops its greatest element.
#[derive(Debug, Clone)]
struct Earliest<M>(Entry<M>);

impl<M> Ord for Earliest<M> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.0.time, other.0.seq).cmp(&(self.0.time, self.0.seq))
    }
}

impl<M> PartialOrd for Earliest<M> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<M> PartialEq for Earliest<M> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<M> Eq for Earliest<M> {}
