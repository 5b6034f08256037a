//! `podsim conformance scheduler`: decisions recorded from the real kube-scheduler, decided again.

use super::{EXPECTATION_FAILED, WRONG_REQUEST};
use clap::Args;
use podsim::conformance::scheduler;
use podsim::conformance::score::{Group, Score};
use serde_json::Value;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Decides recorded scheduling decisions again
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  podsim conformance scheduler conformance/kube-scheduler-1.36 --write out\n  \
                        compare_scheduler.py conformance/kube-scheduler-1.36 out")]
pub struct ConformanceScheduler {
    /// The folder with the recorded cases
    #[arg(value_name = "CORPUS")]
    corpus: PathBuf,
    /// Writes what the simulator decides, each case at the path that it has in the corpus
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Prints the score as JSON
    #[arg(long)]
    json: bool,
    /// Tells the first field that differs of every case that is not right
    #[arg(long, short)]
    verbose: bool,
}

impl ConformanceScheduler {
    /// Decides all cases, writes them or prints the score.
    pub fn run(self) -> ExitCode {
        match self.decide() {
            Ok(score) => self.print(&score),
            Err(problems) => {
                problems.iter().for_each(|problem| eprintln!("{problem}"));
                ExitCode::from(WRONG_REQUEST)
            }
        }
    }

    fn decide(&self) -> Result<Score, Vec<String>> {
        let mut score = Score::default();
        let (mut problems, mut decided) = (Vec::new(), Vec::new());
        let files = files(&self.corpus).map_err(|problem| vec![problem])?;
        for (path, below, family) in files {
            let place = path.display();
            let read = fs::read(&path).map_err(|error| format!("{place}:1:1: {error}; make the file readable"));
            let document: Result<Value, String> = read.and_then(|text| {
                serde_json::from_slice(&text).map_err(|error| {
                    format!("{place}:{}:{}: {error}; write a case as JSON", error.line(), error.column())
                })
            });
            let outcome = document.and_then(|document| {
                let simulated = scheduler::decide(&family, &document)
                    .map_err(|error| format!("{place}:1:1: {error}; see the corpus for the form of a case"))?;
                Ok((document, simulated))
            });
            match outcome {
                Err(problem) => problems.push(problem),
                Ok((document, simulated)) => {
                    let folder = below.parent().unwrap_or(Path::new("")).to_string_lossy().replace('\\', "/");
                    let group = if family == "filter-score" { folder } else { family.clone() };
                    note(&mut score, &group, &family, &document, &simulated);
                    decided.push((below, simulated));
                }
            }
        }
        if problems.is_empty() && decided.is_empty() {
            let place = self.corpus.display();
            problems.push(format!("{place}:1:1: no cases; name a folder with {}", scheduler::FAMILIES.join(", ")));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        for (below, simulated) in decided {
            self.write_case(&below, &simulated).map_err(|problem| vec![problem])?;
        }
        Ok(score)
    }

    fn write_case(&self, below: &Path, simulated: &Value) -> Result<(), String> {
        let Some(folder) = &self.write else { return Ok(()) };
        let path = folder.join(below);
        let text = format!("{simulated:#}\n");
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| format!("{}:1:1: {error}; name a folder that can be written", path.display()))
    }

    fn print(&self, score: &Score) -> ExitCode {
        if self.verbose {
            for difference in &score.differences {
                eprintln!(
                    "{}: {} differs\n  real      {:.600}\n  simulated {:.600}",
                    difference.case,
                    difference.field,
                    difference.real.to_string(),
                    difference.simulated.to_string()
                );
            }
        }
        let mut out = io::stdout().lock();
        let written = if self.json {
            serde_json::to_string_pretty(score).map_err(io::Error::other).and_then(|text| writeln!(out, "{text}"))
        } else {
            let row = |(name, group): (&str, &Group)| {
                format!("{name:<48} {:4} of {:4} pass   share {:.4}", group.passed, group.cases, group.share)
            };
            let groups = score.groups.iter().map(|(name, group)| (name.as_str(), group));
            groups.chain([("all", &score.summary)]).map(row).try_for_each(|line| writeln!(out, "{line}"))
        };
        match written {
            // A reader that has seen enough closes the pipe; that is no failure of ours.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
            _ if score.summary.passed == score.summary.cases => ExitCode::SUCCESS,
            _ => ExitCode::from(EXPECTATION_FAILED),
        }
    }
}

fn note(score: &mut Score, group: &str, family: &str, document: &Value, simulated: &Value) {
    let id = |case: &Value| case["id"].as_str().unwrap_or_default().to_owned();
    match (document["cases"].as_array(), simulated["cases"].as_array()) {
        (Some(real), Some(simulated)) => {
            for (real, simulated) in real.iter().zip(simulated) {
                score.note(group, family, &id(real), &real["expect"], Some(&simulated["expect"]));
            }
        }
        _ => score.note(group, family, &id(document), &document["expect"], Some(&simulated["expect"])),
    }
}

/// The files of the corpus in order: their path, the path below the corpus, and the family.
fn files(corpus: &Path) -> Result<Vec<(PathBuf, PathBuf, String)>, String> {
    let mut found = Vec::new();
    if !corpus.is_dir() {
        return Err(format!("{}:1:1: no such folder; name the folder with the recorded cases", corpus.display()));
    }
    for family in scheduler::FAMILIES {
        let mut folders = vec![corpus.join(family)];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "json")
                    && path.file_name().is_some_and(|name| name != "coverage.json")
                {
                    let below = path.strip_prefix(corpus).unwrap_or(&path).to_owned();
                    found.push((path, below, family.to_owned()));
                }
            }
        }
    }
    found.sort();
    Ok(found)
}
