//! The commands of the binary: flags, files, exit codes. Only this room and `main.rs` touch the machine.

mod conformance;
mod kubectl;
mod trace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What was to hold did not.
const NOT_HELD: u8 = 1;
/// What was asked for cannot be done; nothing was written.
const WRONG_REQUEST: u8 = 2;

/// A deterministic simulator of the Kubernetes pod lifecycle.
#[derive(Debug, Parser)]
#[command(name = "podsim", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Conformance(conformance::Conformance),
    Kubectl(kubectl::Kubectl),
    Trace(trace::Trace),
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Conformance(conformance) => conformance.run(),
            Command::Kubectl(kubectl) => kubectl.run(),
            Command::Trace(trace) => trace.run(),
        }
    }
}
