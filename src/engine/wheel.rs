//! A hierarchical timing wheel with a sorted run: the fast form of [`Queue`].
//!
//! Time is read as eleven 6-bit digits. An entry waits in the slot named by the highest digit in which its time differs
//! from the wheel's position, so nothing is compared until its turn comes near. When a slot becomes the earliest, it is
//! either small, and sorted once into the *run* that pops are served from, or large, and dealt out over the finer slots
//! below it. A push that falls inside the run's span is inserted there. The cost of a pop does not grow with the number
//! of entries, where a heap's does.
//!
//! Slots are first-in first-out and are dealt out only when the position enters them, so equal times keep the order in
//! which they were pushed.

use super::queue::{Entry, Queue};
use super::time::SimTime;
use std::cmp::Reverse;
use std::mem;

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 11;
/// Entries per chunk: a slot is a chain of chunks from one pool, so memory follows the number of entries.
const CHUNK: usize = 30;
/// A slot of at most so many entries is sorted rather than dealt out.
const SORTABLE: usize = 48;
/// A run longer than this goes back into the wheel: inserting into it would cost more than dealing it out.
const LONGEST_RUN: usize = 200;
const NONE: u32 = u32::MAX;

/// The queue that runs use; the same order as [`HeapQueue`](super::HeapQueue), at a cost that is flat in its length.
#[derive(Debug, Clone)]
pub struct TimingWheel<M> {
    /// Where the wheel stands: no entry is earlier.
    position: u64,
    /// Which slots hold something, a bit each, by level.
    occupied: [u64; LEVELS],
    slots: Vec<Slot>,
    chunks: Vec<Chunk<M>>,
    free: u32,
    /// The entries being served, latest first.
    run: Vec<Entry<M>>,
    /// Pushes before this instant belong to the run.
    run_end: u64,
    len: usize,
    pushed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    head: u32,
    tail: u32,
    len: u32,
}

#[derive(Debug, Clone)]
struct Chunk<M> {
    entries: Vec<Entry<M>>,
    next: u32,
}

impl Slot {
    const EMPTY: Self = Self { head: NONE, tail: NONE, len: 0 };
}

impl<M> TimingWheel<M> {
    /// An empty wheel.
    pub fn new() -> Self {
        Self {
            position: 0,
            occupied: [0; LEVELS],
            slots: vec![Slot::EMPTY; LEVELS * SLOTS],
            chunks: Vec::new(),
            free: NONE,
            run: Vec::new(),
            run_end: 0,
            len: 0,
            pushed: 0,
        }
    }

    /// The level and slot in which a time waits, seen from where the wheel stands.
    fn place(&self, time: u64) -> (usize, usize) {
        let differing = time ^ self.position;
        let level = if differing == 0 { 0 } else { differing.ilog2() / DIGIT_BITS };
        (level as usize, (time >> (level * DIGIT_BITS)) as usize % SLOTS)
    }

    fn file(&mut self, entry: Entry<M>) {
        let (level, digit) = self.place(entry.time.as_nanos());
        self.occupied[level] |= 1 << digit;
        let slot = self.slots[level * SLOTS + digit];
        let room = slot.tail != NONE && self.chunks[slot.tail as usize].entries.len() < CHUNK;
        let tail = if room { slot.tail } else { self.fresh_chunk() };
        self.chunks[tail as usize].entries.push(entry);
        if !room && slot.tail != NONE {
            self.chunks[slot.tail as usize].next = tail;
        }
        let head = if slot.head == NONE { tail } else { slot.head };
        self.slots[level * SLOTS + digit] = Slot { head, tail, len: slot.len + 1 };
    }

    fn fresh_chunk(&mut self) -> u32 {
        if self.free == NONE {
            self.chunks.push(Chunk { entries: Vec::with_capacity(CHUNK), next: NONE });
            return (self.chunks.len() - 1) as u32;
        }
        let chunk = self.free;
        self.free = mem::replace(&mut self.chunks[chunk as usize].next, NONE);
        chunk
    }

    /// The earliest slot that holds something: its level and digit.
    fn earliest_slot(&self) -> Option<(usize, usize)> {
        let level = self.occupied.iter().position(|&bits| bits != 0)?;
        Some((level, self.occupied[level].trailing_zeros() as usize))
    }

    /// Empties a slot, handing each of its entries to `take`, first pushed first.
    fn empty_slot(&mut self, level: usize, digit: usize, mut take: impl FnMut(&mut Self, Entry<M>)) {
        let slot = mem::replace(&mut self.slots[level * SLOTS + digit], Slot::EMPTY);
        self.occupied[level] &= !(1 << digit);
        let mut chunk = slot.head;
        while chunk != NONE {
            let mut entries = mem::take(&mut self.chunks[chunk as usize].entries);
            for entry in entries.drain(..) {
                take(self, entry);
            }
            let done = &mut self.chunks[chunk as usize];
            done.entries = entries;
            let next = mem::replace(&mut done.next, self.free);
            self.free = chunk;
            chunk = next;
        }
    }

    /// Moves to the earliest slot until one can be served as the run.
    fn refill_run(&mut self) {
        while let Some((level, digit)) = self.earliest_slot() {
            let width = DIGIT_BITS * level as u32;
            let above = u64::MAX.checked_shl(width + DIGIT_BITS).unwrap_or(0);
            let start = self.position & above | (digit as u64) << width;
            self.position = start;
            if level == 0 {
                // One instant. Later pushes at the same instant wait in the slot behind the run.
                self.run_end = start;
                self.empty_slot(level, digit, |wheel, entry| wheel.run.push(entry));
                self.run.reverse();
                return;
            }
            if self.slots[level * SLOTS + digit].len as usize <= SORTABLE {
                self.run_end = start.saturating_add(1 << width);
                self.empty_slot(level, digit, |wheel, entry| wheel.run.push(entry));
                self.run.sort_unstable_by_key(|entry| Reverse((entry.time, entry.seq)));
                return;
            }
            self.empty_slot(level, digit, Self::file);
        }
    }

    /// Puts a run that has grown too long back into the wheel, in finer slots.
    fn spill_run(&mut self) {
        self.run_end = self.position;
        let mut run = mem::take(&mut self.run);
        for entry in run.drain(..).rev() {
            self.file(entry);
        }
        self.run = run;
    }
}

impl<M> Default for TimingWheel<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> Queue<M> for TimingWheel<M> {
    fn push(&mut self, time: SimTime, message: M) -> u64 {
        let seq = self.pushed;
        let entry = Entry { time, seq, message };
        self.pushed += 1;
        self.len += 1;
        assert!(time.as_nanos() >= self.position, "pushed at {time:?}, before the wheel's position");
        if time.as_nanos() >= self.run_end {
            self.file(entry);
            return seq;
        }
        let place = self.run.partition_point(|waiting| waiting.time > time);
        self.run.insert(place, entry);
        if self.run.len() > LONGEST_RUN {
            self.spill_run();
        }
        seq
    }

    fn pop(&mut self) -> Option<Entry<M>> {
        if self.run.is_empty() {
            self.refill_run();
        }
        let entry = self.run.pop()?;
        self.len -= 1;
        Some(entry)
    }

    fn next_time(&self) -> Option<SimTime> {
        if let Some(entry) = self.run.last() {
            return Some(entry.time);
        }
        let (level, digit) = self.earliest_slot()?;
        let mut chunk = self.slots[level * SLOTS + digit].head;
        let mut earliest: Option<SimTime> = None;
        while chunk != NONE {
            let Chunk { entries, next } = &self.chunks[chunk as usize];
            let least = entries.iter().map(|entry| entry.time).min();
            earliest = earliest.into_iter().chain(least).min();
            chunk = *next;
        }
        earliest
    }

    fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::super::HeapQueue;
    use super::*;
    use proptest::prelude::*;

    /// One step of a random story: push after a delay, or pop.
    #[derive(Debug, Clone)]
    enum Step {
        Push { delay: u64 },
        Pop,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let delay = prop_oneof![
            4 => Just(0),
            4 => 0..100u64,
            4 => 0..10_000_000_000u64,
            2 => Just(10_000_000_000u64),
            1 => 0..u64::MAX / 1_000,
        ];
        let step = prop_oneof![3 => delay.prop_map(|delay| Step::Push { delay }), 2 => Just(Step::Pop)];
        proptest::collection::vec(step, 0..2_000)
    }

    proptest! {
        /// The laws of the queue: the wheel pops what the heap on (time, sequence) pops, at every step.
        #[test]
        fn the_wheel_keeps_the_order_of_the_heap(steps in steps()) {
            let (mut wheel, mut heap) = (TimingWheel::new(), HeapQueue::new());
            let mut now = SimTime::ZERO;
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push { delay } => {
                        let time = SimTime::from_nanos(now.as_nanos().saturating_add(delay));
                        prop_assert_eq!(wheel.push(time, number), heap.push(time, number));
                    }
                    Step::Pop => {
                        let (a, b) = (wheel.pop(), heap.pop());
                        prop_assert_eq!(
                            a.as_ref().map(|e| (e.time, e.seq, e.message)),
                            b.as_ref().map(|e| (e.time, e.seq, e.message))
                        );
                        now = a.map_or(now, |entry| entry.time);
                    }
                }
                prop_assert_eq!(wheel.len(), heap.len());
                prop_assert_eq!(wheel.next_time(), heap.next_time());
            }
            while let Some(expected) = heap.pop() {
                let entry = wheel.pop().expect("the heap still holds something");
                prop_assert_eq!((entry.time, entry.seq), (expected.time, expected.seq));
            }
            prop_assert!(wheel.is_empty());
        }
    }

    #[test]
    fn a_crowd_at_one_instant_leaves_in_order() {
        let mut wheel = TimingWheel::new();
        for number in 0..10_000 {
            wheel.push(SimTime::from_secs(5), number);
        }
        let first = wheel.pop().unwrap();
        assert_eq!(first.message, 0);
        for number in 10_000..20_000 {
            wheel.push(SimTime::from_secs(5), number);
        }
        for number in 1..20_000 {
            assert_eq!(wheel.pop().unwrap().message, number);
        }
        assert!(wheel.pop().is_none());
    }

    #[test]
    fn the_end_of_time_is_an_instant_like_any_other() {
        let mut wheel = TimingWheel::new();
        wheel.push(SimTime::MAX, 1);
        wheel.push(SimTime::from_secs(1), 0);
        wheel.push(SimTime::MAX, 2);
        let order: Vec<_> = std::iter::from_fn(|| wheel.pop()).map(|entry| entry.message).collect();
        assert_eq!(order, [0, 1, 2]);
    }
}
