//! `podsim kubectl`: objects and an instant become what kubectl prints, from a file or from a scenario as it runs.

use super::disk::Disk;
use super::{run, tell};
use clap::Args;
use jiff::Timestamp;
use podsim::api::render;
use podsim::engine::{SimDuration, SimTime};
use podsim::report::kubectl::{Objects, Printed};
use podsim::scenario::{ManifestOptions, Problems, Scenario};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Prints objects exactly as kubectl 1.36 does.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kubectl get all -A -o json > objects.json\n  \
                        podsim kubectl --from-objects objects.json --now 2026-01-01T12:00:00Z get pods -o wide\n  \
                        podsim kubectl --scenario scenarios/quickstart.ron --at 90s describe pod web")]
#[command(group = clap::ArgGroup::new("source").required(true).args(["scenario", "from_objects"]))]
pub struct Kubectl {
    /// The objects: a JSON List, as `kubectl get … -A -o json` writes it
    #[arg(long, value_name = "FILE", requires = "now")]
    from_objects: Option<PathBuf>,
    /// The instant from which ages are counted (RFC 3339)
    #[arg(long, value_name = "TIME", requires = "from_objects")]
    now: Option<Timestamp>,
    /// A scenario (.ron) or a manifest, which is run
    #[arg(long, value_name = "FILE")]
    scenario: Option<String>,
    /// When to look, such as 2m30s; at the end if nothing is said
    #[arg(long, value_name = "DURATION", requires = "scenario")]
    at: Option<SimDuration>,
    /// The seed of all chance
    #[arg(long, value_name = "N", requires = "scenario")]
    seed: Option<u64>,
    /// get, describe, events or rollout, with arguments and flags as kubectl takes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "ARGS")]
    args: Vec<String>,
}

impl Kubectl {
    /// Finds the objects and prints.
    pub fn run(self) -> ExitCode {
        let found = match (&self.scenario, &self.from_objects, self.now) {
            (Some(scenario), _, _) => self.simulate(scenario).map_err(|problems| tell::problems(&problems)),
            (None, Some(path), Some(now)) => {
                read_objects(path).map(|objects| (objects, now)).map_err(|problem| eprintln!("{problem}"))
            }
            (None, _, _) => {
                eprintln!("name a scenario, or a file of objects and an instant");
                Err(())
            }
        };
        match found {
            Ok((objects, now)) => print(&self.args, &objects, now),
            Err(()) => ExitCode::from(super::WRONG_REQUEST),
        }
    }

    /// The objects of a scenario at an instant.
    fn simulate(&self, path: &str) -> Result<(Objects, Timestamp), Problems> {
        let scenario = if run::is_scenario(path) {
            Scenario::load(path, &Disk)?
        } else {
            Scenario::from_manifests(&[path.to_owned()], &ManifestOptions::default(), &Disk)?
        };
        let seed = self.seed.or(scenario.seed).unwrap_or(run::DEFAULT_SEED);
        let mut simulation = scenario.simulate(seed).untraced();
        simulation.run_until(SimTime::ZERO + self.at.unwrap_or(simulation.duration()));
        let objects = Objects::new(simulation.objects().map(|object| render(&object)));
        Ok((objects, run::wall_clock(&simulation)))
    }
}

/// Prints what kubectl would with these arguments: the part that does not care where objects and instant come from.
pub fn print(args: &[String], objects: &Objects, now: Timestamp) -> ExitCode {
    let Printed { stdout, stderr, exit_code } = podsim::report::kubectl::run(args, objects, now);
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
