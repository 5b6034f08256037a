//! `podsim conformance`: recordings of the real thing beside what the simulator makes of the same inputs.

use super::conformance_scheduler::ConformanceScheduler;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Compares the simulator with recordings of real components
#[derive(Debug, Args)]
pub struct Conformance {
    #[command(subcommand)]
    of: Of,
}

#[derive(Debug, Subcommand)]
enum Of {
    Scheduler(ConformanceScheduler),
}

impl Conformance {
    /// Compares.
    pub fn run(self) -> ExitCode {
        match self.of {
            Of::Scheduler(scheduler) => scheduler.run(),
        }
    }
}
