//! How true the simulation is: recordings of the real thing beside what the simulator makes of the same inputs.

mod requests;
pub mod scheduler;
pub mod score;
