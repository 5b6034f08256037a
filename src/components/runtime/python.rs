//! Short Python programs, as far as people write them into Jobs: how long they sleep, and what they exit with.
//!
//! Only `time.sleep`, `exit` and one-line conditions on an environment variable are read; a program that does more is
//! taken to end well.

use super::shell::Exported;
use super::{Exit, Process};
use crate::engine::SimDuration;

/// What a program text comes to in an environment.
pub(super) fn play(text: &str, environment: &Exported) -> Process {
    let mut slept = SimDuration::from_millis(50);
    let mut code = 0;
    let mut condition: Option<(usize, bool)> = None;
    for line in text.lines().flat_map(|line| line.split(';')) {
        let depth = line.len() - line.trim_start().len();
        if condition.is_some_and(|(of, _)| depth <= of) && !line.trim().is_empty() && !line.trim().starts_with("else") {
            condition = None;
        }
        let line = line.trim();
        if let Some(test) = line.strip_prefix("if ").and_then(|rest| rest.split_once(':')) {
            condition = Some((depth, holds(test.0, environment)));
            continue;
        }
        if line.starts_with("else") {
            condition = condition.map(|(of, held)| (of, !held));
            continue;
        }
        if condition.is_some_and(|(_, holds)| !holds) {
            continue;
        }
        if let Some(seconds) = argument(line, "sleep(").and_then(|text| text.parse::<f64>().ok()) {
            slept += SimDuration::from_nanos_f64(seconds * 1e9);
        }
        if let Some(text) = argument(line, "exit(") {
            code = text.parse().unwrap_or(i32::from(!text.is_empty()));
            break;
        }
    }
    Process { duration: Some(slept.into()), exit: Exit { code, ..Exit::default() }, ..Process::default() }
}

/// The argument of a call.
fn argument<'a>(line: &'a str, call: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(call)?;
    Some(rest.split(')').next().unwrap_or_default().trim())
}

/// A condition of the form `int(os.environ.get("NAME")) % 2 == 0`.
fn holds(test: &str, environment: &Exported) -> bool {
    let Some((left, right)) = test.split_once("==") else { return true };
    let quote = |c| c == '"' || c == '\'';
    let Some(name) = left.split(quote).nth(1) else { return true };
    let value = environment.get(name).map_or("", |value| &**value);
    let right = right.trim().trim_matches(quote);
    match (left.rsplit_once('%'), value.parse::<i64>(), right.parse::<i64>()) {
        (Some((_, by)), Ok(value), Ok(right)) => {
            by.trim().parse::<i64>().ok().and_then(|by| value.checked_rem_euclid(by)) == Some(right)
        }
        (None, Ok(value), Ok(right)) => value == right,
        _ => value == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_follow_the_text() {
        let odd = "import os, sys\nprint(\"Hi\")\nif int(os.environ.get(\"INDEX\")) % 2 == 0:\n  sys.exit(1)\n";
        let both = "if os.environ['INDEX'] == '3':\n  exit(3)\nelse:\n  exit(4)\n";
        for (text, index, code) in [
            (odd, "0", 1),
            (odd, "1", 0),
            (both, "3", 3),
            (both, "5", 4),
            ("import time; time.sleep(5)", "0", 0),
            ("import sys; sys.exit(7)", "0", 7),
            ("raise_nothing()", "0", 0),
        ] {
            let environment = Exported::from([("INDEX".into(), index.into())]);
            assert_eq!(play(text, &environment).exit.code, code, "{text} at {index}");
        }
        let slept = play("import time; time.sleep(5)", &Exported::new()).duration.and_then(|d| d.median());
        assert_eq!(slept, Some(SimDuration::from_millis(5_050)));
    }
}
