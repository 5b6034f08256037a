//! The commands of the binary: flags, files, exit codes. Only this room and `main.rs` touch the machine.

mod kubectl;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A deterministic simulator of the Kubernetes pod lifecycle.
#[derive(Debug, Parser)]
#[command(name = "podsim", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Kubectl(kubectl::Kubectl),
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Kubectl(kubectl) => kubectl.run(),
        }
    }
}
