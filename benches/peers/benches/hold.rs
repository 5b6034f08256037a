//! Events per second of the engine alone, on the hold model: so many events are pending, each draws an exponential
//! delay when it is delivered and schedules one event more. Beside it, in the same run: std's `BinaryHeap` on
//! (time, sequence), and the engine of the crate simcore.
//!
//! The delivery of a message to a component and its outbox are included everywhere.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use podsim::engine::{Entry, HeapQueue, Outbox, Queue, SimDuration, SimTime, TimingWheel};
use serde::Serialize;
use simcore::{Event, EventHandler, Simulation, SimulationContext};
use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

/// Pending events.
const PENDING: [usize; 3] = [1_000, 100_000, 1_000_000];
/// Events of one measurement.
const BATCH: u64 = 10_000;

/// A small generator, the same for all: what is measured is not chance.
#[derive(Debug, Clone)]
struct XorShift(u64);

impl XorShift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Seconds, exponential with mean one.
    fn exponential(&mut self) -> f64 {
        let unit = ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -libm::log(unit)
    }
}

/// What a component is told: as small as a message with a tag and two ids.
#[derive(Debug, Clone, Copy)]
enum Tick {
    Again { token: u64 },
}

/// The component: every message leads to one more.
struct Holder {
    chance: XorShift,
    sum: u64,
}

impl Holder {
    fn handle(&mut self, now: SimTime, message: Tick, out: &mut Outbox<Tick>) {
        let Tick::Again { token } = message;
        self.sum = self.sum.wrapping_add(token ^ now.as_nanos());
        out.after(SimDuration::from_nanos((self.chance.exponential() * 1e9) as u64), Tick::Again { token });
    }
}

/// The loop of a run, over one of the queues.
struct Loop<Q> {
    queue: Q,
    holder: Holder,
    outbox: Outbox<Tick>,
}

impl<Q: Queue<Tick>> Loop<Q> {
    fn filled(queue: Q, pending: usize) -> Self {
        let mut this = Self { queue, holder: Holder { chance: XorShift(42), sum: 0 }, outbox: Outbox::new() };
        for token in 0..pending as u64 {
            let at = SimTime::from_nanos((this.holder.chance.exponential() * 1e9) as u64);
            this.queue.push(at, Tick::Again { token });
        }
        this.step(pending as u64);
        this
    }

    fn step(&mut self, events: u64) {
        for _ in 0..events {
            let Some(Entry { time: now, message, .. }) = self.queue.pop() else { return };
            self.holder.handle(now, message, &mut self.outbox);
            for (delay, message) in self.outbox.drain() {
                self.queue.push(now + delay, message);
            }
        }
    }
}

/// The same for simcore: a boxed payload and a handler behind a pointer.
#[derive(Clone, Serialize)]
struct Again {
    token: u64,
}

struct Component {
    context: SimulationContext,
    chance: XorShift,
    sum: u64,
}

impl EventHandler for Component {
    fn on(&mut self, event: Event) {
        if let Some(Again { token }) = event.data.downcast_ref::<Again>() {
            self.sum = self.sum.wrapping_add(token ^ event.time.to_bits());
            let delay = self.chance.exponential();
            self.context.emit_self(Again { token: *token }, delay);
        }
    }
}

fn simcore_filled(pending: usize) -> Simulation {
    let mut simulation = Simulation::new(42);
    let context = simulation.create_context("component");
    let mut chance = XorShift(42);
    for token in 0..pending as u64 {
        context.emit_self(Again { token }, chance.exponential());
    }
    let component = Rc::new(RefCell::new(Component { context, chance, sum: 0 }));
    simulation.add_handler("component", component);
    simulation.steps(pending as u64);
    simulation
}

fn hold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hold");
    group.throughput(Throughput::Elements(BATCH));
    for pending in PENDING {
        let mut wheel = Loop::filled(TimingWheel::new(), pending);
        group.bench_function(BenchmarkId::new("timing wheel", pending), |b| b.iter(|| wheel.step(black_box(BATCH))));
        let mut heap = Loop::filled(HeapQueue::new(), pending);
        group.bench_function(BenchmarkId::new("BinaryHeap", pending), |b| b.iter(|| heap.step(black_box(BATCH))));
        let mut other = simcore_filled(pending);
        group.bench_function(BenchmarkId::new("simcore", pending), |b| b.iter(|| other.steps(black_box(BATCH))));
        black_box((wheel.holder.sum, heap.holder.sum));
    }
    group.finish();
}

criterion_group!(benches, hold);
criterion_main!(benches);
