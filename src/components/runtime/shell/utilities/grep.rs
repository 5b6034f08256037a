//! `grep`.

use super::super::process::Context;
use super::super::regex::{basic, bounded, extended, fixed};
use super::Outcome;
use super::filter::{Flow, LineFilter, Lines, run};
use super::flags::{Flags, Spec};
use super::text::push_line;
use crate::components::runtime::filesystem::{Kind, absolute};
use regex_lite::Regex;
use std::collections::VecDeque;

#[derive(Debug, Clone)]
struct Grep {
    patterns: Vec<Regex>,
    inverts: bool,
    shows: Shows,
    numbers: bool,
    names: bool,
    most: u64,
    /// `-A`, `-B`
    after: usize,
    before: usize,
    name: String,
    number: u64,
    found: u64,
    any: bool,
    kept: VecDeque<(u64, String)>,
    trailing: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Lines,
    Matches,
    Count,
    Names { without: bool },
    Nothing,
}

pub(super) fn grep(context: &mut Context<'_, '_>) -> Outcome {
    let spec = Spec {
        letters: "EFGPivqcnolLhHswxre:f:m:A:B:C:aRUz",
        long: &[
            ("extended-regexp", 'E'),
            ("fixed-strings", 'F'),
            ("perl-regexp", 'P'),
            ("ignore-case", 'i'),
            ("invert-match", 'v'),
            ("quiet", 'q'),
            ("silent", 'q'),
            ("count", 'c'),
            ("line-number", 'n'),
            ("only-matching", 'o'),
            ("word-regexp", 'w'),
            ("line-regexp", 'x'),
            ("recursive", 'r'),
            ("max-count", 'm'),
            ("line-buffered", 'U'),
            ("no-messages", 's'),
            ("files-with-matches", 'l'),
            ("regexp", 'e'),
        ],
        permutes: true,
    };
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("grep {flag}")),
    };
    let mut operands = flags.operands.clone();
    let mut texts: Vec<String> = flags.values('e').map(str::to_owned).collect();
    if let Some(file) = flags.value('f') {
        let path = context.path(file);
        match context.files().read(&path) {
            Ok(content) => texts.extend(String::from_utf8_lossy(content.bytes).lines().map(str::to_owned)),
            Err(error) => {
                context.complain_of_file(file, error);
                return Outcome::Ended(2);
            }
        }
    } else if texts.is_empty() {
        if operands.is_empty() {
            context.complain("usage: grep PATTERN [FILE]...");
            return Outcome::Ended(2);
        }
        texts = operands.remove(0).split('\n').map(str::to_owned).collect();
    }
    let name = context.command.base_name();
    let compile = match () {
        () if flags.has('F') || name == "fgrep" => fixed,
        // Perl's expressions are close to what the crate takes; its look-arounds are refused there.
        () if flags.has('E') || flags.has('P') || name == "egrep" => extended,
        () => basic,
    };
    let ignores_case = flags.has('i');
    let patterns = texts.iter().map(|text| {
        let regex = compile(text, ignores_case)?;
        match (flags.has('x'), flags.has('w')) {
            (false, false) => Ok(regex),
            (line, _) => bounded(&regex, ignores_case, line),
        }
    });
    let patterns = match patterns.collect::<Result<Vec<Regex>, String>>() {
        Ok(patterns) => patterns,
        Err(what) => return Outcome::Unsupported(what),
    };
    let recursive = flags.has('r') || flags.has('R');
    if recursive {
        operands = below(context, if operands.is_empty() { vec![".".to_owned()] } else { operands });
    }
    let shows = match () {
        () if flags.has('q') => Shows::Nothing,
        () if flags.has('l') => Shows::Names { without: false },
        () if flags.has('L') => Shows::Names { without: true },
        () if flags.has('c') => Shows::Count,
        () if flags.has('o') => Shows::Matches,
        () => Shows::Lines,
    };
    let number = |letter: char| flags.value(letter).or(flags.value('C')).and_then(|value| value.parse().ok());
    let filter = Grep {
        patterns,
        inverts: flags.has('v'),
        shows,
        numbers: flags.has('n'),
        names: (operands.len() > 1 || recursive || flags.has('H')) && !flags.has('h'),
        most: flags.value('m').and_then(|value| value.parse().ok()).unwrap_or(u64::MAX),
        after: number('A').unwrap_or(0),
        before: number('B').unwrap_or(0),
        name: String::new(),
        number: 0,
        found: 0,
        any: false,
        kept: VecDeque::new(),
        trailing: 0,
    };
    if recursive && operands.is_empty() {
        return Outcome::Ended(1);
    }
    run(context, operands, Lines::boxed(filter), 2)
}

/// The files at and below some paths.
fn below(context: &mut Context<'_, '_>, mut paths: Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(path) = paths.pop() {
        let full = context.path(&path);
        let files = context.files();
        match files.link_metadata(&full).map(|metadata| metadata.kind) {
            Some(Kind::Directory) => {
                let names = files.list(&full).unwrap_or_default();
                let join = |name: &String| if path == "/" { absolute("/", name) } else { format!("{path}/{name}") };
                paths.extend(names.iter().rev().map(join));
            }
            Some(Kind::File | Kind::Symlink | Kind::Device) | None => found.push(path),
        }
    }
    found
}

impl Grep {
    fn show(&self, number: u64, separator: char, line: &str, out: &mut Vec<u8>) {
        let mut text = String::new();
        if self.names {
            text.push_str(&format!("{}{separator}", self.name));
        }
        if self.numbers {
            text.push_str(&format!("{number}{separator}"));
        }
        text.push_str(line);
        push_line(out, &text);
    }
}

impl LineFilter for Grep {
    fn begin(&mut self, name: &str, _: &mut Vec<u8>) {
        self.name = name.to_owned();
        (self.number, self.found, self.trailing) = (0, 0, 0);
        self.kept.clear();
    }

    fn line(&mut self, line: &str, out: &mut Vec<u8>) -> Flow {
        self.number += 1;
        if self.found >= self.most {
            return Flow::NextInput;
        }
        let matches = self.patterns.iter().any(|pattern| pattern.is_match(line)) != self.inverts;
        if !matches {
            if self.trailing > 0 && self.shows == Shows::Lines {
                self.trailing -= 1;
                self.show(self.number, '-', line, out);
            } else if self.before > 0 {
                self.kept.push_back((self.number, line.to_owned()));
                if self.kept.len() > self.before {
                    self.kept.pop_front();
                }
            }
            return Flow::More;
        }
        self.found += 1;
        self.any = true;
        match self.shows {
            Shows::Lines => {
                for (number, line) in std::mem::take(&mut self.kept) {
                    self.show(number, '-', &line, out);
                }
                self.show(self.number, ':', line, out);
                self.trailing = self.after;
            }
            Shows::Matches if !self.inverts => {
                let found: Vec<&str> = self
                    .patterns
                    .iter()
                    .flat_map(|pattern| pattern.find_iter(line))
                    .map(|found| found.as_str())
                    .filter(|found| !found.is_empty())
                    .collect();
                for text in found {
                    self.show(self.number, ':', text, out);
                }
            }
            Shows::Names { without: false } => {
                push_line(out, &self.name);
                return Flow::NextInput;
            }
            Shows::Nothing => return Flow::Enough,
            Shows::Matches | Shows::Count | Shows::Names { without: true } => {}
        }
        if self.found >= self.most && self.trailing == 0 { Flow::NextInput } else { Flow::More }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        match self.shows {
            Shows::Count if self.names => push_line(out, &format!("{}:{}", self.name, self.found)),
            Shows::Count => push_line(out, &self.found.to_string()),
            Shows::Names { without: true } if self.found == 0 => push_line(out, &self.name),
            Shows::Names { .. } | Shows::Lines | Shows::Matches | Shows::Nothing => {}
        }
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> i32 {
        i32::from(!self.any)
    }
}
