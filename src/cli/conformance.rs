//! `podsim conformance`: recorded cases run again, to be compared with what a real cluster did.

use super::conformance_lifecycle::Lifecycle;
use super::conformance_scheduler::ConformanceScheduler;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Runs recorded cases and writes what a recorder beside a real cluster would have seen
#[derive(Debug, Args)]
pub struct Conformance {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Lifecycle(Lifecycle),
    Scheduler(ConformanceScheduler),
}

impl Conformance {
    /// Runs what was asked for.
    pub fn run(self) -> ExitCode {
        match self.what {
            What::Lifecycle(lifecycle) => lifecycle.run(),
            What::Scheduler(scheduler) => scheduler.run(),
        }
    }
}
