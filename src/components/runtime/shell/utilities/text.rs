//! The simple text utilities: `cat`, `head`, `wc`, `tee` and their kin.

use super::super::environment::Dialect;
use super::super::process::Context;
use super::Outcome;
use super::filter::{Filter, Flow, LineFilter, Lines, run};
use super::flags::{Flags, Spec, size};

pub(super) fn start(context: &mut Context<'_, '_>) -> Outcome {
    let name = context.command.base_name().to_owned();
    // `head -5` is as good as `head -n 5`.
    let arguments: Vec<String> = context
        .arguments()
        .into_iter()
        .map(|word| match word.strip_prefix('-') {
            Some(digits) if name == "head" && !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit()) => {
                format!("-n{digits}")
            }
            Some(_) | None => word,
        })
        .collect();
    let letters = match name.as_str() {
        "cat" => "nbsuvetAE",
        "head" => "n:c:qv",
        "wc" => "lwcmL",
        "uniq" => "cduif:s:w:",
        "tee" => "ai",
        "base64" => "dw:i",
        "nl" => "b:w:s:v:",
        "fold" => "w:sb",
        "paste" => "d:s",
        "shuf" => "n:e",
        "md5sum" | "sha1sum" | "sha256sum" => return Outcome::Unsupported(name),
        "column" | "sponge" => return Outcome::Unsupported(name),
        _ => "",
    };
    let long = [
        ("lines", 'n'),
        ("bytes", 'c'),
        ("decode", 'd'),
        ("append", 'a'),
        ("count", 'c'),
        ("wrap", 'w'),
        ("number", 'n'),
        ("quiet", 'q'),
    ];
    let flags = match Flags::parse(arguments, &Spec { letters, long: &long, permutes: true }) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("{name} {flag}")),
    };
    let mut inputs = flags.operands.clone();
    let filter: Box<dyn Filter> = match name.as_str() {
        "cat" if flags.has('n') || flags.has('b') => {
            Lines::boxed(Number { next: 1, skips_empty: flags.has('b'), width: 6 })
        }
        "nl" => Lines::boxed(Number { next: 1, skips_empty: flags.value('b') != Some("a"), width: 6 }),
        "tac" => Lines::boxed(Reverse { lines: Vec::new() }),
        "rev" => Lines::boxed(Rev),
        "head" => {
            let (value, bytes) = match flags.value('c') {
                Some(value) => (value, true),
                None => (flags.value('n').unwrap_or("10"), false),
            };
            if value.starts_with('-') {
                return Outcome::Unsupported(format!("head {value}"));
            }
            let Some(most) = size(value.trim_start_matches('+')) else {
                context.complain(format_args!("invalid number '{value}'"));
                return Outcome::Ended(1);
            };
            let titles = (inputs.len() > 1 && !flags.has('q')) || flags.has('v');
            Box::new(Head { most, left: most, bytes, titles, started: false })
        }
        "wc" => {
            let all = !['l', 'w', 'c', 'm'].iter().any(|letter| flags.has(*letter));
            let shows = [all || flags.has('l'), all || flags.has('w'), all || flags.has('c') || flags.has('m')];
            let width = match context.system.kernel.dialect {
                Dialect::BusyBox => 9,
                Dialect::Dash | Dialect::Bash => {
                    if inputs.is_empty() {
                        7
                    } else {
                        1
                    }
                }
            };
            Box::new(Count { shows, width, names: !inputs.is_empty(), ..Count::default() })
        }
        "uniq" => {
            inputs.truncate(1);
            let shows = (flags.has('c'), flags.has('d'), flags.has('u'));
            Lines::boxed(Unique { shows, ignores_case: flags.has('i'), last: None, count: 0 })
        }
        "base64" if flags.has('d') => Box::new(Decode { text: Vec::new() }),
        "base64" => {
            let wrap = flags.value('w').and_then(|value| value.parse().ok()).unwrap_or(76);
            Box::new(Encode { bytes: Vec::new(), wrap })
        }
        "tee" => return tee(context, &flags),
        "fold" => {
            let width = flags.value('w').and_then(|value| value.parse().ok()).unwrap_or(80).max(1);
            Lines::boxed(Fold { width })
        }
        "paste" if flags.has('s') => {
            let separator = flags.value('d').unwrap_or("\t").to_owned();
            Lines::boxed(Join { separator, lines: Vec::new() })
        }
        "paste" | "shuf" => return Outcome::Unsupported(format!("{name} of this kind")),
        _ => Box::new(Copy),
    };
    run(context, inputs, filter, 1)
}

/// `cat`
#[derive(Debug, Clone)]
pub(super) struct Copy;

impl Filter for Copy {
    fn bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Flow {
        out.extend_from_slice(bytes);
        Flow::More
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> i32 {
        0
    }

    fn boxed_clone(&self) -> Box<dyn Filter> {
        Box::new(self.clone())
    }
}

pub(super) fn push_line(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
}

/// `nl`, `cat -n`
#[derive(Debug, Clone)]
struct Number {
    next: u64,
    skips_empty: bool,
    width: usize,
}

impl LineFilter for Number {
    fn line(&mut self, line: &str, out: &mut Vec<u8>) -> Flow {
        if line.is_empty() && self.skips_empty {
            push_line(out, "");
        } else {
            push_line(out, &format!("{:>1$}\t{line}", self.next, self.width));
            self.next += 1;
        }
        Flow::More
    }
}

/// `tac`
#[derive(Debug, Clone)]
struct Reverse {
    lines: Vec<String>,
}

impl LineFilter for Reverse {
    fn line(&mut self, line: &str, _: &mut Vec<u8>) -> Flow {
        self.lines.push(line.to_owned());
        Flow::More
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        for line in self.lines.drain(..).rev() {
            push_line(out, &line);
        }
    }
}

/// `rev`
#[derive(Debug, Clone)]
struct Rev;

impl LineFilter for Rev {
    fn line(&mut self, line: &str, out: &mut Vec<u8>) -> Flow {
        push_line(out, &line.chars().rev().collect::<String>());
        Flow::More
    }
}

/// `fold`
#[derive(Debug, Clone)]
struct Fold {
    width: usize,
}

impl LineFilter for Fold {
    fn line(&mut self, line: &str, out: &mut Vec<u8>) -> Flow {
        let chars: Vec<char> = line.chars().collect();
        if chars.is_empty() {
            push_line(out, "");
        }
        for part in chars.chunks(self.width) {
            push_line(out, &part.iter().collect::<String>());
        }
        Flow::More
    }
}

/// `paste -s`
#[derive(Debug, Clone)]
struct Join {
    separator: String,
    lines: Vec<String>,
}

impl LineFilter for Join {
    fn line(&mut self, line: &str, _: &mut Vec<u8>) -> Flow {
        self.lines.push(line.to_owned());
        Flow::More
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        push_line(out, &self.lines.join(&self.separator));
        self.lines.clear();
    }
}

/// `head`
#[derive(Debug, Clone)]
struct Head {
    most: u64,
    left: u64,
    bytes: bool,
    titles: bool,
    started: bool,
}

impl Filter for Head {
    fn begin(&mut self, name: &str, out: &mut Vec<u8>) {
        self.left = self.most;
        if self.titles {
            let gap = if self.started { "\n" } else { "" };
            out.extend_from_slice(format!("{gap}==> {name} <==\n").as_bytes());
        }
        self.started = true;
    }

    fn bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Flow {
        for byte in bytes {
            if self.left == 0 {
                return Flow::NextInput;
            }
            out.push(*byte);
            self.left -= u64::from(self.bytes || *byte == b'\n');
        }
        if self.left == 0 { Flow::NextInput } else { Flow::More }
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> i32 {
        0
    }

    fn boxed_clone(&self) -> Box<dyn Filter> {
        Box::new(self.clone())
    }
}

/// `wc`
#[derive(Debug, Clone, Default)]
struct Count {
    shows: [bool; 3],
    width: usize,
    names: bool,
    name: String,
    counts: [u64; 3],
    total: [u64; 3],
    inputs: usize,
    in_word: bool,
}

impl Count {
    fn show(&self, counts: [u64; 3], name: &str, out: &mut Vec<u8>) {
        let shown = counts.iter().zip(self.shows).filter(|(_, shows)| *shows).map(|(count, _)| count.to_string());
        let mut line = shown.collect::<Vec<String>>();
        if line.len() > 1 {
            line.iter_mut().for_each(|field| *field = format!("{field:>0$}", self.width));
        }
        if self.names {
            line.push(name.to_owned());
        }
        push_line(out, &line.join(" "));
    }
}

impl Filter for Count {
    fn begin(&mut self, name: &str, _: &mut Vec<u8>) {
        self.name = name.to_owned();
        self.counts = [0; 3];
        self.in_word = false;
        self.inputs += 1;
    }

    fn bytes(&mut self, bytes: &[u8], _: &mut Vec<u8>) -> Flow {
        for byte in bytes {
            self.counts[0] += u64::from(*byte == b'\n');
            let blank = byte.is_ascii_whitespace();
            self.counts[1] += u64::from(!blank && !self.in_word);
            self.in_word = !blank;
        }
        self.counts[2] += bytes.len() as u64;
        Flow::More
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.show(self.counts, &self.name.clone(), out);
        self.total.iter_mut().zip(self.counts).for_each(|(total, count)| *total += count);
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> i32 {
        if self.inputs > 1 {
            self.show(self.total, "total", out);
        }
        0
    }

    fn boxed_clone(&self) -> Box<dyn Filter> {
        Box::new(self.clone())
    }
}

/// `uniq`
#[derive(Debug, Clone)]
struct Unique {
    /// `-c`, `-d`, `-u`
    shows: (bool, bool, bool),
    ignores_case: bool,
    last: Option<String>,
    count: u64,
}

impl Unique {
    fn flush(&mut self, out: &mut Vec<u8>) {
        let Some(line) = self.last.take() else { return };
        let (counts, repeated, unique) = self.shows;
        if (repeated && self.count < 2) || (unique && self.count > 1) {
            return;
        }
        let shown = if counts { format!("{:>7} {line}", self.count) } else { line };
        push_line(out, &shown);
    }
}

impl LineFilter for Unique {
    fn line(&mut self, line: &str, out: &mut Vec<u8>) -> Flow {
        let same = self.last.as_ref().is_some_and(|last| match self.ignores_case {
            true => last.eq_ignore_ascii_case(line),
            false => last == line,
        });
        if same {
            self.count += 1;
        } else {
            self.flush(out);
            self.last = Some(line.to_owned());
            self.count = 1;
        }
        Flow::More
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> i32 {
        self.flush(out);
        0
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `base64`
#[derive(Debug, Clone)]
struct Encode {
    bytes: Vec<u8>,
    wrap: usize,
}

impl Filter for Encode {
    fn bytes(&mut self, bytes: &[u8], _: &mut Vec<u8>) -> Flow {
        self.bytes.extend_from_slice(bytes);
        Flow::More
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> i32 {
        let mut text = Vec::new();
        for group in self.bytes.chunks(3) {
            let bits = group.iter().enumerate().fold(0u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
            for digit in 0..4 {
                let letter = BASE64[(bits >> (18 - 6 * digit)) as usize & 63];
                text.push(if digit <= group.len() { letter } else { b'=' });
            }
        }
        let width = if self.wrap == 0 { text.len().max(1) } else { self.wrap };
        for line in text.chunks(width) {
            out.extend_from_slice(line);
            if self.wrap > 0 {
                out.push(b'\n');
            }
        }
        0
    }

    fn boxed_clone(&self) -> Box<dyn Filter> {
        Box::new(self.clone())
    }
}

/// `base64 -d`
#[derive(Debug, Clone)]
struct Decode {
    text: Vec<u8>,
}

impl Filter for Decode {
    fn bytes(&mut self, bytes: &[u8], _: &mut Vec<u8>) -> Flow {
        self.text.extend_from_slice(bytes);
        Flow::More
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> i32 {
        let (mut bits, mut count) = (0u32, 0);
        for letter in self.text.iter().filter(|letter| !letter.is_ascii_whitespace() && **letter != b'=') {
            let Some(value) = BASE64.iter().position(|known| known == letter) else { return 1 };
            bits = bits << 6 | value as u32;
            count += 6;
            if count >= 8 {
                count -= 8;
                out.push((bits >> count) as u8);
            }
        }
        0
    }

    fn boxed_clone(&self) -> Box<dyn Filter> {
        Box::new(self.clone())
    }
}

/// `tee`: what it copies to files goes there when it comes.
fn tee(context: &mut Context<'_, '_>, flags: &Flags) -> Outcome {
    let mut descriptors = Vec::new();
    for operand in &flags.operands {
        let path = context.path(operand);
        let mut files = context.files();
        let opened = if flags.has('a') { files.append(&path, b"") } else { files.truncate(&path) };
        match opened {
            Ok(()) => descriptors.push(path),
            Err(error) => context.complain_of_file(operand, error),
        }
    }
    super::input::copy_to(context, descriptors)
}
