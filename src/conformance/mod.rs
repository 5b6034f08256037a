//! How true the simulation is: recordings of the real thing beside what the simulator makes of the same inputs.

pub mod lifecycle;
mod requests;
pub mod scheduler;
pub mod score;
