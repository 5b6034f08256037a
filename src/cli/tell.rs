//! What is told to people on standard error: problems, warnings, notes.

use anstream::eprintln;
use anstyle::{AnsiColor, Style};
use podsim::engine::SimTime;
use podsim::scenario::{Files, Notes, Problems, Scenario};
use podsim::trace::Refused;
use std::io::{IsTerminal, stderr};

use super::disk::Disk;

/// Red, for what is wrong.
pub const WRONG: Style = AnsiColor::Red.on_default().bold();
/// Yellow, for what one should know.
pub const CARE: Style = AnsiColor::Yellow.on_default().bold();
/// Green, for what is well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();

/// How many names a warning lists.
const MOST_NAMES: usize = 40;

/// Tells everything that is wrong with a request, one line each; on a terminal with the line that it is about.
pub fn problems(problems: &Problems) {
    for problem in problems.iter() {
        eprintln!("{problem}");
        if !stderr().is_terminal() {
            continue;
        }
        if let Ok(content) = Disk.read(&problem.place.file) {
            eprintln!("{CARE}{}{CARE:#}", problem.excerpt(&String::from_utf8_lossy(&content)).trim_end());
        }
    }
}

/// Tells what people should know of a scenario that is not wrong.
pub fn notes(notes: &Notes, quiet: bool) {
    not_accepted(notes);
    if !notes.namespaces.is_empty() && !quiet {
        let names: Vec<&str> = notes.namespaces.iter().map(|name| name.as_str()).collect();
        eprintln!("{GOOD}note:{GOOD:#} namespaces that nobody creates are made first: {}", names.join(", "));
    }
    if !notes.no_effect.is_empty() {
        eprintln!("{CARE}warning:{CARE:#} these have no effect: {}", listed(&notes.no_effect));
    }
}

/// Tells which objects of the manifests no API server takes.
pub fn not_accepted(notes: &Notes) {
    for refusal in &notes.refused {
        let place = refusal.place.map(|place| format!("{place}: ")).unwrap_or_default();
        eprintln!("{place}{CARE}refused:{CARE:#} {}: {}", refusal.object, refusal.message);
    }
}

/// Tells which requests were refused while the scenario ran.
pub fn refused(scenario: &Scenario, refused: &[Refused], ending: &str) {
    for refusal in refused {
        let place = scenario.place_of(&refusal.object).map(|place| format!("{place}: ")).unwrap_or_default();
        let (time, object) = (refusal.at.since(SimTime::ZERO), &refusal.object);
        eprintln!("{place}{CARE}refused{CARE:#} at {time}: {object}: {}{ending}", refusal.message);
    }
}

/// Names, separated by commas; the last of very many are counted.
fn listed<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    let more = names.len().saturating_sub(MOST_NAMES);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", names[..names.len().min(MOST_NAMES)].join(", "))
}

/// Tells which containers do what nobody described.
pub fn assumed(assumed: &[(String, String)]) {
    for (container, model) in assumed {
        eprintln!("{CARE}warning:{CARE:#} {container}: {model} is assumed");
    }
}
