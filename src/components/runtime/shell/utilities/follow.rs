//! `tail`: the end of files, and what is added to them.

use super::super::process::{Context, Step, Task, Wait};
use super::Outcome;
use super::filter::{Filter, Flow, run};
use super::flags::{Flags, Spec, size};
use crate::components::runtime::filesystem::Kind;
use crate::engine::SimDuration;

/// How often a followed file is looked at: as BusyBox does.
const PERIOD: SimDuration = SimDuration::from_secs(1);

/// Which part of a file `tail` shows.
#[derive(Debug, Clone, Copy)]
enum Part {
    LastLines(usize),
    FromLine(usize),
    LastBytes(usize),
    FromByte(usize),
}

impl Part {
    fn of(self, bytes: &[u8]) -> &[u8] {
        let start = match self {
            Self::LastBytes(count) => bytes.len().saturating_sub(count),
            Self::FromByte(number) => number.saturating_sub(1).min(bytes.len()),
            Self::FromLine(number) => {
                let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
                std::iter::once(0).chain(ends).nth(number.saturating_sub(1)).unwrap_or(bytes.len())
            }
            Self::LastLines(0) => bytes.len(),
            Self::LastLines(count) => {
                let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
                let ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
                ends.take(count).nth(count - 1).unwrap_or(0)
            }
        };
        &bytes[start..]
    }
}

pub(super) fn tail(context: &mut Context<'_, '_>) -> Outcome {
    let arguments = context.arguments().into_iter().map(|word| match word.strip_prefix('-') {
        // `tail -5`, `tail -20f`
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => {
            let digits = rest.trim_end_matches('f');
            format!("-{}n{digits}", &rest[digits.len()..])
        }
        Some(_) | None => word,
    });
    let long = [("lines", 'n'), ("bytes", 'c'), ("follow", 'f'), ("retry", 'F'), ("quiet", 'q'), ("pid", 'P')];
    let flags = match Flags::parse(arguments.collect(), &Spec { letters: "n:c:fFqvs:P:", long: &long, permutes: true })
    {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("tail {flag}")),
    };
    let (value, in_bytes) = match flags.value('c') {
        Some(value) => (value, true),
        None => (flags.value('n').unwrap_or("10"), false),
    };
    let Some(count) = size(value.trim_start_matches(['+', '-'])) else {
        context.complain(format_args!("invalid number '{value}'"));
        return Outcome::Ended(1);
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let part = match (in_bytes, value.starts_with('+')) {
        (false, false) => Part::LastLines(count),
        (false, true) => Part::FromLine(count),
        (true, false) => Part::LastBytes(count),
        (true, true) => Part::FromByte(count),
    };
    let titles = flags.operands.len() > 1 && !flags.has('q');
    if !(flags.has('f') || flags.has('F')) || flags.operands.is_empty() {
        return run(context, flags.operands, Box::new(Tail { part, titles, started: false, bytes: Vec::new() }), 1);
    }
    let files = flags.operands.iter().map(|name| Followed { path: context.path(name), name: name.clone(), seen: None });
    let files: Vec<Followed> = files.collect();
    Outcome::Task(Box::new(Follow { files, part, titles, retries: flags.has('F'), started: false, shown: None }))
}

/// `tail` without `-f`.
#[derive(Debug, Clone)]
struct Tail {
    part: Part,
    titles: bool,
    started: bool,
    bytes: Vec<u8>,
}

impl Filter for Tail {
    fn begin(&mut self, name: &str, out: &mut Vec<u8>) {
        if self.titles {
            let gap = if self.started { "\n" } else { "" };
            out.extend_from_slice(format!("{gap}==> {name} <==\n").as_bytes());
        }
        self.started = true;
    }

    fn bytes(&mut self, bytes: &[u8], _: &mut Vec<u8>) -> Flow {
        self.bytes.extend_from_slice(bytes);
        // Only the end is needed of what has no end.
        if self.bytes.len() > 1 << 22 && matches!(self.part, Part::LastLines(_) | Part::LastBytes(_)) {
            self.bytes.drain(..1 << 21);
        }
        Flow::More
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.part.of(&self.bytes));
        self.bytes.clear();
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> i32 {
        0
    }

    fn boxed_clone(&self) -> Box<dyn Filter> {
        Box::new(self.clone())
    }
}

#[derive(Debug, Clone)]
struct Followed {
    path: String,
    name: String,
    /// How much of the file has been shown; `None` while it is missing.
    seen: Option<u64>,
}

/// `tail -f`, `tail -F`
#[derive(Debug, Clone)]
struct Follow {
    files: Vec<Followed>,
    part: Part,
    titles: bool,
    /// `-F`: a missing file is waited for.
    retries: bool,
    started: bool,
    /// Which file was shown last, by its place.
    shown: Option<usize>,
}

impl Task for Follow {
    fn step(&mut self, context: &mut Context<'_, '_>) -> Step {
        let first = !std::mem::replace(&mut self.started, true);
        let mut out = Vec::new();
        let mut complaints = Vec::new();
        let files = context.system.world.files();
        for (at, file) in self.files.iter_mut().enumerate() {
            let Ok(content) = files.read(&file.path) else {
                if first || file.seen.is_some() {
                    complaints.push(file.name.clone());
                }
                file.seen = None;
                continue;
            };
            let end = content.start + content.bytes.len() as u64;
            let news = match file.seen {
                None if first => self.part.of(content.bytes),
                None => content.bytes,
                Some(seen) if seen > end => content.bytes, // It was truncated.
                Some(seen) => &content.bytes[seen.saturating_sub(content.start) as usize..],
            };
            if self.titles && (first || !news.is_empty()) && self.shown != Some(at) {
                let gap = if self.shown.is_some() { "\n" } else { "" };
                out.extend_from_slice(format!("{gap}==> {} <==\n", file.name).as_bytes());
                self.shown = Some(at);
            }
            out.extend_from_slice(news);
            file.seen = Some(end);
        }
        let devices =
            self.files.iter().all(|file| files.metadata(&file.path).is_some_and(|it| it.kind == Kind::Device));
        for name in complaints {
            context.complain_of_file(&name, "No such file or directory");
        }
        context.print(out);
        if !self.retries {
            self.files.retain(|file| file.seen.is_some());
            if self.files.is_empty() {
                context.complain("no files");
                return Step::Exit(1);
            }
        }
        if context.own.full_pipe.is_some() {
            return Step::Continue;
        }
        Step::Block(if devices { Wait::Forever } else { Wait::Until(context.own.at + PERIOD) })
    }

    fn boxed_clone(&self) -> Box<dyn Task> {
        Box::new(self.clone())
    }
}
