//! `podsim conformance lifecycle`: recorded cases run again, written as recordings, or scored and told of.

use super::{EXPECTATION_FAILED, WRONG_REQUEST};
use clap::Args;
use glob::Pattern;
use podsim::conformance::lifecycle::{CaseScore, MARKS, Score, Story, Summary, record, score, score_self, simulate};
use podsim::report::fidelity;
use podsim::scenario::recorded::RecordedCase;
use podsim::simulation::parallel;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Pods and everything above them: `<case>/manifest.yaml` and `<case>/behavior.yaml`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  podsim conformance lifecycle recordings --case 'liveness-*'\n  \
                        podsim conformance lifecycle recordings --write simulated\n  \
                        podsim conformance lifecycle recordings --report reports/fidelity")]
pub struct Lifecycle {
    /// The folder of cases
    corpus: PathBuf,
    /// Only the cases whose names match
    #[arg(long, value_name = "GLOB", default_value = "*")]
    case: Pattern,
    /// How many runs of each case
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Where to write `<case>/recording-<seed>.jsonl`, instead of a score
    #[arg(long, value_name = "DIR", conflicts_with_all = ["report", "json"])]
    write: Option<PathBuf>,
    /// Where to write the score as a report: text and pictures
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print the score as JSON
    #[arg(long)]
    json: bool,
}

/// A case by name, in its folder.
struct Loaded<'a> {
    name: &'a str,
    folder: PathBuf,
    case: RecordedCase,
}

/// How close the simulator is to a real cluster, and a real cluster to itself.
struct Scores {
    simulated: Score,
    real: Score,
}

impl Lifecycle {
    /// Runs all cases, then writes or scores them.
    pub fn run(self) -> ExitCode {
        match self.outcome() {
            Ok(code) => code,
            Err(problems) => {
                problems.iter().for_each(|problem| eprintln!("{problem}"));
                ExitCode::from(WRONG_REQUEST)
            }
        }
    }

    fn outcome(&self) -> Result<ExitCode, Vec<String>> {
        let names = self.names().map_err(|problem| vec![problem])?;
        let cases = self.load(&names)?;
        if let Some(folder) = &self.write {
            let runs: Vec<(&Loaded<'_>, u64)> =
                cases.iter().flat_map(|case| (1..=self.seeds).map(move |seed| (case, seed))).collect();
            all_or(parallel(&runs, |(case, seed)| write_recording(folder, case, *seed)))?;
            return Ok(ExitCode::SUCCESS);
        }
        let scored = all_or(parallel(&cases, |case| self.score(case)))?;
        let (mut simulated, mut real) = (BTreeMap::new(), BTreeMap::new());
        for (name, ours, itself) in scored.into_iter().flatten() {
            simulated.insert(name.clone(), ours);
            itself.and_then(|itself| real.insert(name, itself));
        }
        if simulated.is_empty() {
            let place = self.corpus.display();
            return Err(vec![format!("{place}: no recording*.jsonl to compare with; use --write DIR to write ours")]);
        }
        let scores = Scores { simulated: Score::of(simulated), real: Score::of(real) };
        if let Some(folder) = &self.report {
            for (name, text) in fidelity::files(&scores.simulated, &scores.real, self.seeds) {
                write(folder, name, &text).map_err(|error| vec![cannot_write(folder, &error)])?;
            }
        }
        Ok(self.print(&scores))
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

    fn load<'a>(&self, names: &'a [String]) -> Result<Vec<Loaded<'a>>, Vec<String>> {
        let load = |name: &'a String| {
            let folder = self.corpus.join(name);
            let read = |file: &str| {
                let path = folder.join(file);
                fs::read(&path).map_err(|error| format!("{}: {error}; a case needs this file", path.display()))
            };
            let (manifest, behavior) = (read("manifest.yaml")?, read("behavior.yaml")?);
            let case = RecordedCase::parse(&manifest, &behavior);
            let case = case.map_err(|error| format!("{}/{error}", folder.display()))?;
            Ok(Loaded { name, folder, case })
        };
        all_or(names.iter().map(load).collect())
    }

    /// The score of a case, and that of its real runs among themselves; nothing if there is no real run.
    #[allow(clippy::type_complexity, reason = "a name and its two scores")]
    fn score(&self, case: &Loaded<'_>) -> Result<Option<(String, CaseScore, Option<CaseScore>)>, String> {
        let real = recordings(&case.folder)?;
        if real.is_empty() {
            return Ok(None);
        }
        let runs: Vec<Story> = (1..=self.seeds).map(|seed| simulate(case.name, &case.case, seed)).collect();
        Ok(Some((case.name.to_owned(), score(case.name, &real, &runs), score_self(case.name, &real))))
    }

    fn print(&self, scores: &Scores) -> ExitCode {
        let mut out = io::stdout().lock();
        let (simulated, real) = (&scores.simulated, &scores.real);
        let written = if self.json {
            let all = json!({"summary": simulated.summary, "cases": simulated.cases, "self": real.summary});
            serde_json::to_string_pretty(&all).map_err(io::Error::other).and_then(|text| writeln!(out, "{text}"))
        } else {
            writeln!(out, "{}", table(simulated, real))
        };
        let marks = simulated.summary.marks.array().into_iter().zip(real.summary.marks.array());
        let close = real.cases.is_empty() || marks.into_iter().all(|(ours, itself)| ours >= itself);
        match written {
            // A reader that has seen enough closes the pipe; that is no failure of ours.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
            _ if close => ExitCode::SUCCESS,
            _ => ExitCode::from(EXPECTATION_FAILED),
        }
    }
}

/// A line a case, the means, and those of the real cluster compared with itself.
fn table(simulated: &Score, real: &Score) -> String {
    const ITSELF: &str = "real cluster with itself";
    let width = simulated.cases.keys().map(String::len).max().unwrap_or(0).max(ITSELF.len());
    let line = |name: &str, marks: [String; 6], end: &str| {
        let marks: String = marks.iter().map(|mark| format!("  {mark:>9}")).collect();
        format!("{name:<width$}{marks}  {end}").trim_end().to_owned()
    };
    let numbers = |marks: [f64; 6]| marks.map(|mark| format!("{mark:.3}"));
    let mean = |name: &str, summary: &Summary| {
        line(name, numbers(summary.marks.array()), &format!("{} of {} pass", summary.passed, summary.cases))
    };
    let mut lines = vec![line("case", MARKS.map(str::to_owned), "")];
    for (name, case) in &simulated.cases {
        let end = if case.pass { "pass" } else { case.note.unwrap_or_default() };
        lines.push(line(name, numbers(case.marks.array()), end));
    }
    lines.push(mean("mean", &simulated.summary));
    if !real.cases.is_empty() {
        lines.push(mean(ITSELF, &real.summary));
    }
    lines.join("\n")
}

/// The real runs in a case's folder.
fn recordings(folder: &Path) -> Result<Vec<Story>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let is_recording = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("recording") && name.ends_with(".jsonl")
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_recording).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Story::read(text.lines()).map_err(|error| format!("{}:{error}; write a JSON object a line", path.display()))
    };
    paths.iter().map(read).collect()
}

fn write_recording(folder: &Path, case: &Loaded<'_>, seed: u64) -> Result<(), String> {
    let text = record(case.name, &case.case, seed).join("\n") + "\n";
    let folder = folder.join(case.name);
    write(&folder, &format!("recording-{seed}.jsonl"), &text).map_err(|error| cannot_write(&folder, &error))
}

fn cannot_write(folder: &Path, error: &io::Error) -> String {
    format!("{}: {error}; name a folder that can be written", folder.display())
}

/// All results, or all problems.
fn all_or<T>(results: Vec<Result<T, String>>) -> Result<Vec<T>, Vec<String>> {
    let (mut good, mut problems) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => good.push(one),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(good) } else { Err(problems) }
}

/// Writes a file as a whole or not at all.
fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".{name}.part"));
    fs::write(&unfinished, text)?;
    fs::rename(&unfinished, folder.join(name))
}
