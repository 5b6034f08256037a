//! `sort`.

use super::super::process::Context;
use super::Outcome;
use super::filter::{Flow, LineFilter, Lines, run};
use super::flags::{Flags, Spec};
use super::text::push_line;
use std::cmp::Ordering;

#[derive(Debug, Clone)]
struct Sort {
    lines: Vec<String>,
    numeric: bool,
    versions: bool,
    reverse: bool,
    unique: bool,
    ignores_case: bool,
    delimiter: Option<char>,
    /// The first and the last field of the key, from 1.
    key: Option<(usize, usize)>,
}

pub(super) fn sort(context: &mut Context<'_, '_>) -> Outcome {
    let long = [("numeric-sort", 'n'), ("reverse", 'r'), ("unique", 'u'), ("key", 'k'), ("field-separator", 't')];
    let spec = Spec { letters: "nrufVbghsk:t:", long: &long, permutes: true };
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("sort {flag}")),
    };
    let key_text = flags.value('k').unwrap_or_default();
    let number =
        |text: &str| text.split('.').next().and_then(|it| it.trim_end_matches(char::is_alphabetic).parse().ok());
    let key = match key_text.split_once(',') {
        Some((from, to)) => number(from).zip(number(to)),
        None => number(key_text).map(|from| (from, usize::MAX)),
    };
    let filter = Sort {
        lines: Vec::new(),
        numeric: flags.has('n') || flags.has('g') || flags.has('h') || key_text.contains('n'),
        versions: flags.has('V'),
        reverse: flags.has('r') || key_text.contains('r'),
        unique: flags.has('u'),
        ignores_case: flags.has('f'),
        delimiter: flags.value('t').and_then(|value| value.chars().next()),
        key,
    };
    run(context, flags.operands, Lines::boxed(filter), 2)
}

impl Sort {
    fn key<'a>(&self, line: &'a str) -> std::borrow::Cow<'a, str> {
        let Some((from, to)) = self.key else { return line.into() };
        let fields: Vec<&str> = match self.delimiter {
            Some(delimiter) => line.split(delimiter).collect(),
            None => line.split_whitespace().collect(),
        };
        let from = from.clamp(1, fields.len() + 1);
        fields[from - 1..to.clamp(from - 1, fields.len())].join(" ").into()
    }

    fn compare(&self, left: &str, right: &str) -> Ordering {
        let (left, right) = (self.key(left), self.key(right));
        match () {
            () if self.numeric => number(&left).total_cmp(&number(&right)),
            () if self.versions => version(&left).cmp(&version(&right)),
            () if self.ignores_case => left.to_lowercase().cmp(&right.to_lowercase()),
            () => left.cmp(&right),
        }
    }
}

/// The number at the start of a text; 0 if there is none.
fn number(text: &str) -> f64 {
    let text = text.trim_start();
    let is_part = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    text[..end].parse().unwrap_or(0.0)
}

/// Digits by value, everything else as text.
fn version(text: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(digits);
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        parts.push((word.to_owned(), after[..end].parse().unwrap_or(0)));
        rest = &after[end..];
    }
    parts
}

impl LineFilter for Sort {
    fn line(&mut self, line: &str, _: &mut Vec<u8>) -> Flow {
        self.lines.push(line.to_owned());
        Flow::More
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> i32 {
        let mut lines = std::mem::take(&mut self.lines);
        lines.sort_by(|left, right| {
            let order = self.compare(left, right);
            let order = if self.unique { order } else { order.then_with(|| left.cmp(right)) };
            if self.reverse { order.reverse() } else { order }
        });
        if self.unique {
            lines.dedup_by(|left, right| self.compare(left, right) == Ordering::Equal);
        }
        for line in lines {
            push_line(out, &line);
        }
        0
    }
}
