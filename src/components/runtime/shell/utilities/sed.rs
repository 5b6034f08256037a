//! `sed`: substitution, deletion, printing, inserted lines; on streams and in place.

use super::super::process::Context;
use super::super::regex::{basic, extended};
use super::Outcome;
use super::filter::{Flow, LineFilter, Lines, run};
use super::flags::{Flags, Spec};
use super::text::push_line;
use regex_lite::Regex;

#[derive(Debug, Clone)]
enum Address {
    Line(u64),
    Last,
    Match(Regex),
}

#[derive(Debug, Clone)]
enum Verb {
    Substitute { regex: Regex, text: String, all: bool, nth: usize, prints: bool },
    Delete,
    Print,
    Quit,
    Number,
    Append(String),
    Insert(String),
    Change(String),
    Translate(Vec<char>, Vec<char>),
    Group(Vec<Command>),
}

#[derive(Debug, Clone)]
struct Command {
    from: Option<Address>,
    to: Option<Address>,
    negated: bool,
    verb: Verb,
    /// Within the range of `from,to`.
    inside: bool,
}

#[derive(Debug, Clone)]
struct Sed {
    commands: Vec<Command>,
    quiet: bool,
    number: u64,
    /// The line that was read last: it is worked on when it is known whether another one follows.
    held: Option<String>,
    quit: bool,
}

pub(super) fn sed(context: &mut Context<'_, '_>) -> Outcome {
    let long = [
        ("quiet", 'n'),
        ("silent", 'n'),
        ("regexp-extended", 'E'),
        ("expression", 'e'),
        ("in-place", 'i'),
        ("unbuffered", 'u'),
    ];
    // `-i.bak` carries a suffix; it has no effect on what runs.
    let in_place = |word: &String| word.starts_with("-i") || word.starts_with("--in-place");
    let words = context.arguments();
    let edits = words.iter().any(in_place);
    let words = words.into_iter().filter(|word| !in_place(word)).collect();
    let flags = match Flags::parse(words, &Spec { letters: "nErzue:f:s", long: &long, permutes: true }) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("sed {flag}")),
    };
    let mut operands = flags.operands.clone();
    let mut script: Vec<String> = flags.values('e').map(str::to_owned).collect();
    if flags.has('f') || flags.has('z') {
        return Outcome::Unsupported("sed -f or -z".to_owned());
    }
    if script.is_empty() {
        if operands.is_empty() {
            context.complain("no script");
            return Outcome::Ended(1);
        }
        script.push(operands.remove(0));
    }
    let text = script.join("\n");
    let mut parser = Parser { text: &text, extended: flags.has('E') || flags.has('r') };
    let commands = match parser.commands(0) {
        Ok(commands) if parser.text.is_empty() => commands,
        Ok(_) => return Outcome::Unsupported(format!("sed '{text}'")),
        Err(what) => return Outcome::Unsupported(format!("sed '{text}': {what}")),
    };
    let filter = Sed { commands, quiet: flags.has('n'), number: 0, held: None, quit: false };
    if !edits {
        return run(context, operands, Lines::boxed(filter), 1);
    }
    let mut status = 0;
    for operand in operands {
        let path = context.path(&operand);
        let content = context.files().read(&path).map(|content| content.bytes.to_vec());
        let written = content.and_then(|bytes| {
            let mut out = Vec::new();
            let mut filter = Lines::boxed(filter.clone());
            filter.bytes(&bytes, &mut out);
            filter.end(&mut out);
            filter.finish(&mut out);
            let mut files = context.files();
            files.truncate(&path).and_then(|()| files.append(&path, &out))
        });
        if let Err(error) = written {
            context.complain_of_file(&operand, error);
            status = 1;
        }
    }
    Outcome::Ended(status)
}

struct Parser<'a> {
    text: &'a str,
    extended: bool,
}

impl Parser<'_> {
    fn commands(&mut self, depth: usize) -> Result<Vec<Command>, String> {
        let mut commands = Vec::new();
        if depth > 20 {
            return Err("nested too deep".to_owned());
        }
        loop {
            self.text = self.text.trim_start_matches([' ', '\t', '\n', ';']);
            if self.text.is_empty() || self.text.starts_with('}') {
                return Ok(commands);
            }
            if self.text.starts_with('#') {
                self.line();
                continue;
            }
            let from = self.address()?;
            let mut to = None;
            if from.is_some() && self.eat(",") {
                to = Some(self.address()?.ok_or("a range without an end")?);
            }
            self.text = self.text.trim_start();
            let mut negated = false;
            while self.eat("!") {
                negated = true;
                self.text = self.text.trim_start();
            }
            let verb = self.verb(depth)?;
            commands.push(Command { from, to, negated, verb, inside: false });
        }
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.text.strip_prefix(token);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    fn line(&mut self) -> String {
        let (line, rest) = self.text.split_once('\n').unwrap_or((self.text, ""));
        self.text = rest;
        line.to_owned()
    }

    fn regex(&self, pattern: &str, ignores_case: bool) -> Result<Regex, String> {
        if self.extended { extended(pattern, ignores_case) } else { basic(pattern, ignores_case) }
    }

    fn address(&mut self) -> Result<Option<Address>, String> {
        if self.eat("$") {
            return Ok(Some(Address::Last));
        }
        if self.text.starts_with('/') || self.text.starts_with('\\') {
            self.eat("\\");
            let delimiter = self.next().ok_or("an address")?;
            let pattern = self.until(delimiter)?;
            let ignores_case = self.eat("I");
            return Ok(Some(Address::Match(self.regex(&pattern, ignores_case)?)));
        }
        let digits = self.text.len() - self.text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = self.text.split_at(digits);
        self.text = rest;
        Ok(number.parse().ok().map(Address::Line))
    }

    fn next(&mut self) -> Option<char> {
        let next = self.text.chars().next()?;
        self.text = &self.text[next.len_utf8()..];
        Some(next)
    }

    /// The text up to a delimiter, which is taken. An escaped delimiter loses its backslash.
    fn until(&mut self, delimiter: char) -> Result<String, String> {
        let mut out = String::new();
        loop {
            match self.next().ok_or("an unfinished command")? {
                '\\' => match self.next().ok_or("an unfinished command")? {
                    c if c == delimiter => out.push(c),
                    c => out.extend(['\\', c]),
                },
                c if c == delimiter => return Ok(out),
                c => out.push(c),
            }
        }
    }

    fn verb(&mut self, depth: usize) -> Result<Verb, String> {
        Ok(match self.next().ok_or("an address without a command")? {
            'd' => Verb::Delete,
            'p' => Verb::Print,
            'q' => Verb::Quit,
            '=' => Verb::Number,
            '{' => {
                let commands = self.commands(depth + 1)?;
                if !self.eat("}") {
                    return Err("an unmatched {".to_owned());
                }
                Verb::Group(commands)
            }
            kind @ ('a' | 'i' | 'c') => {
                self.text = self.text.trim_start_matches([' ', '\t']);
                if self.eat("\\") {
                    self.eat("\n");
                }
                let line = super::super::format::unescape(self.line().trim_start()).0;
                match kind {
                    'a' => Verb::Append(line),
                    'i' => Verb::Insert(line),
                    _ => Verb::Change(line),
                }
            }
            'y' => {
                let delimiter = self.next().ok_or("y without a delimiter")?;
                let (from, to) = (self.until(delimiter)?, self.until(delimiter)?);
                Verb::Translate(from.chars().collect(), to.chars().collect())
            }
            's' => {
                let delimiter = self.next().ok_or("s without a delimiter")?;
                let (pattern, text) = (self.until(delimiter)?, self.until(delimiter)?);
                let length = self.text.len() - self.text.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).len();
                let (flags, rest) = self.text.split_at(length);
                self.text = rest;
                if let Some(flag) = flags.chars().find(|flag| !"gpIi".contains(*flag) && !flag.is_ascii_digit()) {
                    return Err(format!("the flag {flag}"));
                }
                let digits: String = flags.chars().filter(char::is_ascii_digit).collect();
                Verb::Substitute {
                    regex: self.regex(&pattern, flags.contains(['I', 'i']))?,
                    text,
                    all: flags.contains('g'),
                    nth: digits.parse().unwrap_or(1).max(1),
                    prints: flags.contains('p'),
                }
            }
            other => return Err(format!("the command {other}")),
        })
    }
}

/// What became of a line.
enum Fate {
    Goes(String),
    Gone,
    Quits(String),
}

impl Command {
    fn applies(&mut self, line: &str, number: u64, last: bool) -> bool {
        let hits = |address: &Address| match address {
            Address::Line(wanted) => *wanted == number,
            Address::Last => last,
            Address::Match(regex) => regex.is_match(line),
        };
        let applies = match (&self.from, &self.to) {
            (None, _) => true,
            (Some(from), None) => hits(from),
            (Some(_), Some(to)) if self.inside => {
                self.inside = match to {
                    Address::Line(end) => number < *end,
                    Address::Last | Address::Match(_) => !hits(to),
                };
                true
            }
            (Some(from), Some(to)) => {
                let starts = hits(from);
                self.inside = starts && !matches!(to, Address::Line(end) if *end <= number) && !last;
                starts
            }
        };
        applies != self.negated
    }
}

fn apply(
    commands: &mut [Command],
    mut line: String,
    number: u64,
    last: bool,
    out: &mut Vec<u8>,
    after: &mut Vec<String>,
) -> Fate {
    for command in commands {
        if !command.applies(&line, number, last) {
            continue;
        }
        match &mut command.verb {
            Verb::Substitute { regex, text, all, nth, prints } => {
                if let Some(changed) = substitute(regex, &line, text, *all, *nth) {
                    line = changed;
                    if *prints {
                        push_line(out, &line);
                    }
                }
            }
            Verb::Delete => return Fate::Gone,
            Verb::Print => push_line(out, &line),
            Verb::Quit => return Fate::Quits(line),
            Verb::Number => push_line(out, &number.to_string()),
            Verb::Append(text) => after.push(text.clone()),
            Verb::Insert(text) => push_line(out, text),
            Verb::Change(text) => {
                push_line(out, text);
                return Fate::Gone;
            }
            Verb::Translate(from, to) => {
                let place = |c: char| from.iter().position(|from| *from == c).and_then(|at| to.get(at)).copied();
                line = line.chars().map(|c| place(c).unwrap_or(c)).collect();
            }
            Verb::Group(commands) => match apply(commands, line, number, last, out, after) {
                Fate::Goes(changed) => line = changed,
                other => return other,
            },
        }
    }
    Fate::Goes(line)
}

/// The line with matches replaced, or `None` if there are too few.
fn substitute(regex: &Regex, line: &str, text: &str, all: bool, nth: usize) -> Option<String> {
    let mut out = String::new();
    let mut end = 0;
    let mut changed = false;
    for (at, captures) in regex.captures_iter(line).enumerate() {
        let Some(whole) = captures.get(0) else { continue };
        if at + 1 < nth {
            continue;
        }
        out.push_str(&line[end..whole.start()]);
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '&' => out.push_str(whole.as_str()),
                '\\' => match rest.next() {
                    Some(digit @ '0'..='9') => {
                        out.push_str(captures.get(digit as usize - '0' as usize).map_or("", |group| group.as_str()));
                    }
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some(other) => out.push(other),
                    None => out.push('\\'),
                },
                c => out.push(c),
            }
        }
        end = whole.end();
        changed = true;
        if !all {
            break;
        }
    }
    out.push_str(&line[end..]);
    changed.then_some(out)
}

impl Sed {
    fn work(&mut self, line: String, last: bool, out: &mut Vec<u8>) {
        self.number += 1;
        let mut after = Vec::new();
        let fate = apply(&mut self.commands, line, self.number, last, out, &mut after);
        if let Fate::Goes(line) | Fate::Quits(line) = &fate
            && !self.quiet
        {
            push_line(out, line);
        }
        self.quit |= matches!(fate, Fate::Quits(_));
        for line in after {
            push_line(out, &line);
        }
    }

    /// Whether something asks for the last line, so that each must wait for the next.
    fn asks_for_last(commands: &[Command]) -> bool {
        commands.iter().any(|command| {
            matches!(command.from, Some(Address::Last))
                || matches!(command.to, Some(Address::Last))
                || matches!(&command.verb, Verb::Group(inner) if Self::asks_for_last(inner))
        })
    }
}

impl LineFilter for Sed {
    fn line(&mut self, line: &str, out: &mut Vec<u8>) -> Flow {
        if self.quit {
            return Flow::Enough;
        }
        if Self::asks_for_last(&self.commands) {
            if let Some(held) = self.held.replace(line.to_owned()) {
                self.work(held, false, out);
            }
        } else {
            self.work(line.to_owned(), false, out);
        }
        if self.quit { Flow::Enough } else { Flow::More }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> i32 {
        if let Some(held) = self.held.take().filter(|_| !self.quit) {
            self.work(held, true, out);
        }
        0
    }
}
