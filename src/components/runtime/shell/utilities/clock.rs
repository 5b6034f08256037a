//! `sleep`, `date`, `timeout`, `uptime`.

use super::super::environment::Dialect;
use super::super::process::{Context, Running, Step, Task, Wait};
use super::super::request::Command;
use super::super::signal::Signal;
use super::Outcome;
use super::flags::{Flags, Spec};
use crate::engine::{SimDuration, SimTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Waits until an instant, or for ever.
#[derive(Debug, Clone)]
struct Sleep {
    until: Option<SimTime>,
}

impl Task for Sleep {
    fn step(&mut self, context: &mut Context<'_, '_>) -> Step {
        match self.until {
            Some(until) if context.own.at >= until => Step::Exit(0),
            Some(until) => Step::Block(Wait::Until(until)),
            None => Step::Block(Wait::Forever),
        }
    }

    fn boxed_clone(&self) -> Box<dyn Task> {
        Box::new(self.clone())
    }
}

/// What never ends, and has no effect on anything.
pub(super) fn forever() -> Outcome {
    Outcome::Task(Box::new(Sleep { until: None }))
}

/// A span as `sleep` takes it: `5`, `0.5`, `2m`, `1.5h`, `infinity`. The outer `None` is no span, the inner is endless.
fn span(text: &str) -> Option<Option<SimDuration>> {
    if ["inf", "infinity"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Some(None);
    }
    let (digits, unit) = match text.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let nanos: u64 = format!("{fraction:0<9}")[..9].parse().ok()?;
    Some(Some(SimDuration::from_secs(whole) * seconds + SimDuration::from_nanos(nanos) * seconds))
}

fn starts_endless(text: &str) -> bool {
    text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("inf"))
}

pub(super) fn sleep(context: &mut Context<'_, '_>) -> Outcome {
    let arguments = context.arguments();
    let micros = context.command.base_name() == "usleep";
    let mut total = Some(SimDuration::ZERO);
    if arguments.is_empty() {
        context.complain("missing operand");
        return Outcome::Ended(1);
    }
    for argument in &arguments {
        let parsed = match micros {
            true => argument.parse().ok().map(|micros| Some(SimDuration::from_micros(micros))),
            // BusyBox looks no further than this (`sleep_main`).
            false if context.is_busybox() && starts_endless(argument) => Some(None),
            false => span(argument),
        };
        let Some(parsed) = parsed else {
            let words = context.words(["invalid number '%'", "invalid time interval '%'"], argument);
            context.complain(words);
            return Outcome::Ended(1);
        };
        total = total.and_then(|total| Some(total + parsed?));
    }
    Outcome::Task(Box::new(Sleep { until: total.map(|total| context.own.at + total) }))
}

pub(super) fn date(context: &mut Context<'_, '_>) -> Outcome {
    let spec = Spec {
        letters: "uRId:r:s:",
        long: &[("utc", 'u'), ("date", 'd'), ("iso-8601", 'I'), ("rfc-email", 'R'), ("reference", 'r')],
        permutes: true,
    };
    // `-Iseconds` has an optional value, which only follows directly.
    let arguments = context.arguments();
    let iso = arguments.iter().find_map(|word| word.strip_prefix("-I").or_else(|| word.strip_prefix("--iso-8601=")));
    let iso = iso.map(str::to_owned);
    let arguments =
        arguments.into_iter().filter(|word| !word.starts_with("-I") && !word.starts_with("--iso")).collect();
    let flags = match Flags::parse(arguments, &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("date {flag}")),
    };
    if flags.has('s') {
        return Outcome::Ended(0);
    }
    let mut now = context.system.world.date(context.own.at);
    if let Some(text) = flags.value('d') {
        now = match parse_date(text, now) {
            Some(date) => date,
            None => return Outcome::Unsupported(format!("date -d '{text}'")),
        };
    }
    if let Some(path) = flags.value('r') {
        let full = context.path(path);
        match context.files().metadata(&full) {
            Some(metadata) => now = context.system.world.date(metadata.modified),
            None => {
                context.complain(format_args!("{path}: No such file or directory"));
                return Outcome::Ended(1);
            }
        }
    }
    let format = match (flags.operands.first().and_then(|word| word.strip_prefix('+')), iso.as_deref()) {
        (Some(format), _) => format,
        (None, Some("" | "date")) => "%Y-%m-%d",
        (None, Some("s" | "seconds")) => "%Y-%m-%dT%H:%M:%S%:z",
        (None, Some("ns")) => "%Y-%m-%dT%H:%M:%S,%N%:z",
        (None, Some(other)) => return Outcome::Unsupported(format!("date -I{other}")),
        (None, None) if flags.has('R') => "%a, %d %b %Y %H:%M:%S %z",
        (None, None) => "%a %b %e %H:%M:%S %Z %Y",
    };
    let zoned = now.to_zoned(TimeZone::UTC);
    // `%3N` is GNU's for milliseconds; jiff says `%3f`, and `%N` alone has nine digits.
    let format = format.replace("%N", "%9f").replace("%3N", "%3f").replace("%6N", "%6f").replace("%9N", "%9f");
    match jiff::fmt::strtime::format(&format, &zoned) {
        Ok(text) => {
            context.print(format!("{text}\n"));
            Outcome::Ended(0)
        }
        Err(_) => Outcome::Unsupported(format!("date '+{format}'")),
    }
}

/// The dates that `date -d` is asked for most: `@seconds`, a timestamp, `N units ago`, `+N units`.
fn parse_date(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(seconds) = text.strip_prefix('@') {
        return Timestamp::from_second(seconds.parse().ok()?).ok();
    }
    if let Ok(timestamp) = text.parse() {
        return Some(timestamp);
    }
    if let Ok(date) = text.parse::<jiff::civil::DateTime>() {
        return Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    let words: Vec<&str> = text.trim_start_matches('+').split_whitespace().collect();
    let (number, unit, sign) = match words.as_slice() {
        ["now" | "today"] => return Some(now),
        ["yesterday"] => (1, "day", -1),
        ["tomorrow"] => (1, "day", 1),
        [number, unit] => (number.parse::<i64>().ok()?, *unit, 1),
        [number, unit, "ago"] => (number.parse::<i64>().ok()?, *unit, -1),
        _ => return None,
    };
    let seconds = match unit.trim_end_matches('s') {
        "sec" | "second" => 1,
        "min" | "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        "week" => 604_800,
        _ => return None,
    };
    now.checked_add((number.checked_mul(seconds)? * sign).seconds()).ok()
}

/// Runs a command, and ends it after a time.
#[derive(Debug, Clone)]
struct Timeout {
    child: u32,
    until: SimTime,
    signal: Signal,
    sent: bool,
}

impl Task for Timeout {
    fn step(&mut self, context: &mut Context<'_, '_>) -> Step {
        if let Some(status) = context.system.reap(context.own, self.child) {
            // BusyBox lets the command take its own place, so that its status is what is seen.
            let gnu = !context.is_busybox();
            return Step::Exit(if self.sent && gnu { 124 } else { status });
        }
        if context.own.at >= self.until && !self.sent {
            self.sent = true;
            super::super::builtins::send(self.child, self.signal, context.own, context.system);
            return Step::Continue;
        }
        Step::Block(if self.sent { Wait::Child } else { Wait::ChildUntil(self.until) })
    }

    fn boxed_clone(&self) -> Box<dyn Task> {
        Box::new(self.clone())
    }
}

pub(super) fn timeout(context: &mut Context<'_, '_>) -> Outcome {
    let spec = Spec {
        letters: "s:k:t:fpv",
        long: &[("signal", 's'), ("kill-after", 'k'), ("foreground", 'f'), ("preserve-status", 'p'), ("verbose", 'v')],
        permutes: false,
    };
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("timeout {flag}")),
    };
    let mut operands = flags.operands.clone();
    let limit = match flags.value('t') {
        Some(limit) => limit.to_owned(), // As old BusyBox took it.
        None if operands.is_empty() => String::new(),
        None => operands.remove(0),
    };
    let Some(limit) = span(&limit).filter(|_| !operands.is_empty()) else {
        context.complain("usage: timeout SECS PROG ARGS");
        return Outcome::Ended(125);
    };
    let command = Command { argv: operands, ..context.command.clone() };
    let Some(limit) = limit.filter(|limit| !limit.is_zero()) else { return Outcome::Becomes(command) };
    let signal = flags.value('s').and_then(Signal::parse).unwrap_or(Signal::TERM);
    let dialect = context.system.kernel.dialect;
    let descriptors = context.own.descriptors.clone();
    let until = context.own.at + limit;
    // The child is started by the process that will wait for it.
    Outcome::Task(Box::new(Starting { command, dialect, descriptors, until, signal }))
}

/// A `timeout` that has not started its command yet.
#[derive(Debug, Clone)]
struct Starting {
    command: Command,
    dialect: Dialect,
    descriptors: super::super::open_files::Table,
    until: SimTime,
    signal: Signal,
}

impl Task for Starting {
    fn step(&mut self, context: &mut Context<'_, '_>) -> Step {
        let running = Running::Command(self.command.clone(), self.dialect);
        let child = context.system.spawn(context.own, self.descriptors.clone(), running);
        let task = Timeout { child, until: self.until, signal: self.signal, sent: false };
        Step::Become(Running::Utility(context.command.clone(), Box::new(task)))
    }

    fn boxed_clone(&self) -> Box<dyn Task> {
        Box::new(self.clone())
    }
}

pub(super) fn uptime(context: &mut Context<'_, '_>) -> Outcome {
    let now = context.system.world.date(context.own.at).to_zoned(TimeZone::UTC);
    let minutes = context.own.at.since(context.system.kernel.started_at).as_secs() / 60;
    context
        .print(format!(" {} up {minutes} min,  0 users,  load average: 0.00, 0.00, 0.00\n", now.strftime("%H:%M:%S")));
    Outcome::Ended(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        let millis = |millis| Some(Some(SimDuration::from_millis(millis)));
        for (text, expect) in [
            ("5", millis(5_000)),
            ("0.5", millis(500)),
            (".25", millis(250)),
            ("1.5m", millis(90_000)),
            ("2h", millis(7_200_000)),
            ("1d", millis(86_400_000)),
            ("inf", Some(None)),
            ("infinity", Some(None)),
            ("", None),
            ("x", None),
            ("-1", None),
            ("1x", None),
        ] {
            assert_eq!(span(text), expect, "{text}");
        }
    }
}
