//! The command line of podsim.

#[allow(clippy::disallowed_methods, reason = "the only room that touches the machine, clocks included")]
mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
