//! `podsim conformance`: recorded cases run again, to be compared with what a real cluster did.

use super::conformance_scheduler::ConformanceScheduler;
use clap::{Args, Subcommand};
use glob::Pattern;
use podsim::scenario::recorded::RecordedCase;
use podsim::simulation::{Run, parallel};
use podsim::trace::Recording;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

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

/// Pods and everything above them: `<case>/manifest.yaml` and `<case>/behavior.yaml`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  podsim conformance lifecycle recordings --case 'liveness-*' --write simulated")]
struct Lifecycle {
    /// The folder of cases
    corpus: PathBuf,
    /// Only the cases whose names match
    #[arg(long, value_name = "GLOB", default_value = "*")]
    case: Pattern,
    /// How many runs of each case
    #[arg(long, value_name = "N", default_value_t = 12)]
    seeds: u64,
    /// Where to write `<case>/recording-<seed>.jsonl`
    #[arg(long, value_name = "DIR")]
    write: PathBuf,
}

impl Conformance {
    /// Runs what was asked for.
    pub fn run(self) -> ExitCode {
        let lifecycle = match self.what {
            What::Lifecycle(lifecycle) => lifecycle,
            What::Scheduler(scheduler) => return scheduler.run(),
        };
        match lifecycle.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(problems) => {
                problems.iter().for_each(|problem| eprintln!("{problem}"));
                ExitCode::from(super::WRONG_REQUEST)
            }
        }
    }
}

impl Lifecycle {
    fn run(self) -> Result<(), Vec<String>> {
        let names = self.names().map_err(|problem| vec![problem])?;
        let (cases, problems) = self.load(&names);
        if !problems.is_empty() {
            return Err(problems);
        }
        let runs: Vec<(&str, &RecordedCase, u64)> =
            cases.iter().flat_map(|(name, case)| (1..=self.seeds).map(move |seed| (*name, case, seed))).collect();
        let written = parallel(&runs, |(name, case, seed)| self.record(name, case, *seed));
        let problems: Vec<String> = written.into_iter().filter_map(Result::err).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn names(&self) -> Result<Vec<String>, String> {
        let place = self.corpus.display();
        let entries =
            fs::read_dir(&self.corpus).map_err(|error| format!("{place}: {error}; name a folder of cases"))?;
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().join("behavior.yaml").is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| self.case.matches(name))
            .collect();
        names.sort();
        if names.is_empty() {
            return Err(format!("{place}: no case {:?}; a case is a folder with behavior.yaml", self.case.as_str()));
        }
        Ok(names)
    }

    fn load<'a>(&self, names: &'a [String]) -> (Vec<(&'a str, RecordedCase)>, Vec<String>) {
        let (mut cases, mut problems) = (Vec::new(), Vec::new());
        for name in names {
            let folder = self.corpus.join(name);
            let read = |file: &str| {
                let path = folder.join(file);
                fs::read(&path).map_err(|error| format!("{}: {error}; a case needs this file", path.display()))
            };
            let parsed = read("manifest.yaml").and_then(|manifest| {
                let behavior = read("behavior.yaml")?;
                RecordedCase::parse(&manifest, &behavior).map_err(|error| format!("{}/{error}", folder.display()))
            });
            match parsed {
                Ok(case) => cases.push((name.as_str(), case)),
                Err(problem) => problems.push(problem),
            }
        }
        (cases, problems)
    }

    fn record(&self, name: &str, case: &RecordedCase, seed: u64) -> Result<(), String> {
        let mut run = Run::new(Arc::new(case.plan(seed)), seed);
        let mut recording = Recording::new(name, case.duration(), seed, run.cluster());
        run.run(&mut recording);
        let folder = self.write.join(name);
        write(&folder, &format!("recording-{seed}.jsonl"), &(recording.into_lines().join("\n") + "\n"))
            .map_err(|error| format!("{}: {error}; name a folder that can be written", folder.display()))
    }
}

/// Writes a file as a whole or not at all.
fn write(folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".{name}.part"));
    fs::write(&unfinished, text)?;
    fs::rename(&unfinished, folder.join(name))
}
