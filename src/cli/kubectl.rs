//! `podsim kubectl`: a file of objects and an instant become what kubectl prints.

use clap::Args;
use jiff::Timestamp;
use podsim::report::kubectl::{Objects, Printed, run};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Prints objects exactly as kubectl 1.36 does.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kubectl get all -A -o json > objects.json\n  \
                        podsim kubectl --from-objects objects.json --now 2026-01-01T12:00:00Z get pods -o wide")]
pub struct Kubectl {
    /// The objects: a JSON List, as `kubectl get … -A -o json` writes it
    #[arg(long, value_name = "FILE")]
    from_objects: PathBuf,
    /// The instant from which ages are counted (RFC 3339)
    #[arg(long, value_name = "TIME")]
    now: Timestamp,
    /// get, describe, events or rollout, with arguments and flags as kubectl takes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "ARGS")]
    args: Vec<String>,
}

impl Kubectl {
    /// Reads the objects and prints.
    pub fn run(self) -> ExitCode {
        match read_objects(&self.from_objects) {
            Ok(objects) => print(&self.args, &objects, self.now),
            Err(problem) => {
                eprintln!("{problem}");
                ExitCode::from(super::WRONG_REQUEST)
            }
        }
    }
}

/// Prints what kubectl would with these arguments: the part that does not care where objects and instant come from.
pub fn print(args: &[String], objects: &Objects, now: Timestamp) -> ExitCode {
    let Printed { stdout, stderr, exit_code } = run(args, objects, now);
    // A reader that has seen enough closes the pipe; that is no failure of ours.
    let written = io::stdout().lock().write_all(stdout.as_bytes());
    let reported = io::stderr().lock().write_all(stderr.as_bytes());
    match written.and(reported) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::from(exit_code),
    }
}

fn read_objects(path: &Path) -> Result<Objects, String> {
    let place = path.display();
    let text = fs::read(path).map_err(|error| format!("{place}:1:1: {error}; name a file of objects as JSON"))?;
    let objects = serde_json::from_slice(&text).map_err(|error| {
        format!("{place}:{}:{}: {error}; write objects as kubectl -o json does", error.line(), error.column())
    })?;
    Ok(Objects::new([objects]))
}
