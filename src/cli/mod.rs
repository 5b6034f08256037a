//! The commands of the binary: flags, files, colours, exit codes. Only this room and `main.rs` touch the machine.

mod check;
mod conformance;
mod conformance_lifecycle;
mod conformance_scheduler;
mod disk;
mod kubectl;
mod pictures;
mod plan;
mod print;
mod progress;
mod run;
mod schedule;
mod swarm;
mod sweep;
mod tell;
mod trace;
mod validate;

use clap::{ColorChoice, Parser, Subcommand};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// An expectation, a property or a threshold did not hold.
const EXPECTATION_FAILED: u8 = 1;
/// What was asked for cannot be done; nothing was written.
const WRONG_REQUEST: u8 = 2;
/// An internal assertion broke.
const WRONG_SIMULATOR: u8 = 3;

/// A deterministic simulator of the Kubernetes pod lifecycle.
#[derive(Debug, Parser)]
#[command(name = "podsim", version)]
#[command(after_help = "Example:\n  podsim run scenarios/quickstart.ron")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// When to use colours (NO_COLOR is honoured)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Validate(validate::Validate),
    Schema(validate::Schema),
    Conformance(conformance::Conformance),
    Kubectl(kubectl::Kubectl),
    Schedule(schedule::Schedule),
    Trace(trace::Trace),
    Sweep(sweep::Sweep),
    Check(check::Check),
    Plan(plan::Plan),
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> ExitCode {
        match self.color {
            // What `auto` means is looked up in the environment and at the terminal.
            ColorChoice::Auto => {}
            ColorChoice::Always => anstream::ColorChoice::Always.write_global(),
            ColorChoice::Never => anstream::ColorChoice::Never.write_global(),
        }
        let command = AssertUnwindSafe(|| match self.command {
            Command::Run(run) => run.run(),
            Command::Validate(validate) => validate.run(),
            Command::Schema(schema) => schema.run(),
            Command::Conformance(conformance) => conformance.run(),
            Command::Kubectl(kubectl) => kubectl.run(),
            Command::Schedule(schedule) => schedule.run(),
            Command::Trace(trace) => trace.run(),
            Command::Sweep(sweep) => sweep.run(),
            Command::Check(check) => check.run(),
            Command::Plan(plan) => plan.run(),
        });
        let code = catch_unwind(command).unwrap_or_else(|_| {
            eprintln!("podsim is wrong: an internal assertion broke. This repeats it:\n  podsim {}", arguments(&[]));
            ExitCode::from(WRONG_SIMULATOR)
        });
        if print::was_lost() { ExitCode::from(WRONG_REQUEST) } else { code }
    }
}

/// The arguments as they were given, for a shell, but for some options with their values.
fn arguments(without: &[&str]) -> String {
    let mut words = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let option = argument.split_once('=').map_or(argument.as_str(), |(option, _)| option);
        if without.contains(&option) {
            if option == argument {
                arguments.next();
            }
            continue;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
        let quoted = format!("'{}'", argument.replace('\'', r"'\''"));
        words.push(if !argument.is_empty() && argument.chars().all(plain) { argument } else { quoted });
    }
    words.join(" ")
}
