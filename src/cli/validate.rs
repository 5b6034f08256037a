//! `podsim validate`: is this a scenario, or a manifest that a server takes? And `podsim schema`, for editors.

use super::disk::Disk;
use super::print::say;
use super::{WRONG_REQUEST, run, tell};
use anstream::eprintln;
use clap::Args;
use podsim::scenario::{ManifestOptions, Problems, Scenario, schema};
use std::process::ExitCode;

/// Checks scenarios and manifests without running them
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  podsim validate scenarios/*.ron")]
pub struct Validate {
    /// Scenarios (.ron) and files of Kubernetes objects
    #[arg(required = true, value_name = "FILE")]
    inputs: Vec<String>,
    /// Print one JSON object instead: files with their problems
    #[arg(long)]
    json: bool,
}

/// Prints the JSON Schema of scenarios, for editors
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  podsim schema > scenario.schema.json")]
pub struct Schema {}

impl Validate {
    /// Checks each file by itself.
    pub fn run(self) -> ExitCode {
        let checked: Vec<(&String, Result<Scenario, Problems>)> =
            self.inputs.iter().map(|input| (input, load(input))).collect();
        if self.json {
            let files: Vec<serde_json::Value> = checked.iter().map(|(input, result)| as_json(input, result)).collect();
            say!("{:#}", serde_json::json!({"files": files}));
        } else {
            checked.iter().for_each(|(input, result)| self.report(input, result));
        }
        let fine = checked.iter().all(|(_, result)| result.as_ref().is_ok_and(|found| found.notes.refused.is_empty()));
        ExitCode::from(if fine { 0 } else { WRONG_REQUEST })
    }

    fn report(&self, input: &str, result: &Result<Scenario, Problems>) {
        match result {
            Err(problems) => tell::problems(problems),
            Ok(scenario) => {
                tell::notes(&scenario.notes, true);
                if scenario.notes.refused.is_empty() {
                    let (actions, expectations) = (scenario.plan(1).actions.len(), scenario.expectations.len());
                    say!("{}ok{:#} {input}: {actions} actions, {expectations} expectations", tell::GOOD, tell::GOOD);
                } else {
                    eprintln!("{input}: a server would refuse some of it");
                }
            }
        }
    }
}

fn load(input: &str) -> Result<Scenario, Problems> {
    if run::is_scenario(input) {
        return Scenario::load(input, &Disk);
    }
    Scenario::from_manifests(&[input.to_owned()], &ManifestOptions::default(), &Disk)
}

fn as_json(input: &str, result: &Result<Scenario, Problems>) -> serde_json::Value {
    let mut problems: Vec<serde_json::Value> = Vec::new();
    match result {
        Err(found) => problems.extend(found.iter().map(|problem| {
            let at = problem.place.position;
            serde_json::json!({"file": problem.place.file.as_str(), "line": at.line, "column": at.column,
                "found": problem.found, "remedy": problem.remedy})
        })),
        Ok(scenario) => problems.extend(scenario.notes.refused.iter().map(|refusal| {
            let at = refusal.place.unwrap_or_default().position;
            serde_json::json!({"file": input, "line": at.line, "column": at.column,
                "found": format!("{}: {}", refusal.object, refusal.message), "remedy": "write what a server accepts"})
        })),
    }
    serde_json::json!({"file": input, "ok": problems.is_empty(), "problems": problems})
}

impl Schema {
    /// Prints it.
    pub fn run(self) -> ExitCode {
        say!("{:#}", schema());
        ExitCode::SUCCESS
    }
}
