//! When it happens: virtual time, the queue of messages to come, and chance.
//!
//! The engine pops the earliest message; among messages of the same time, the one pushed first. It knows nothing of
//! what the messages mean. Three rules make every run repeatable:
//!
//! * time is an integer number of nanoseconds ([`SimTime`]);
//! * one queue is ordered by (time, sequence), whatever stands behind it ([`Queue`]);
//! * a random number is a pure function of seed, purpose, stable name and ordinal ([`Draws`]): nothing is advanced, so
//!   a fork needs no care and one more entity never shifts another's luck.
//!
//! Left out on purpose: threads (a run has one), cancellation (timers go stale instead), and real time.

mod chacha;
mod distribution;
mod draw;
mod outbox;
mod queue;
mod time;
mod wheel;

pub use distribution::{Distribution, DistributionError};
pub use draw::{Draw, Draws, Purpose, StreamKey};
pub use outbox::Outbox;
pub use queue::{Entry, HeapQueue, Queue};
pub use time::{ParseDurationError, SimDuration, SimTime};
pub use wheel::TimingWheel;
