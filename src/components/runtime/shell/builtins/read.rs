//! `read`: a line of input into variables.

use super::super::interpreter::Interpreter;
use super::super::open_files::Read;
use super::super::process::{Own, System, Wait};
use super::{Outcome, Progress};

/// More than this in one line is cut.
const MAX_LINE: usize = 1 << 20;

struct Flags<'a> {
    raw: bool,
    array: bool,
    descriptor: usize,
    end: u8,
    most: usize,
    names: Vec<&'a str>,
}

fn flags(words: &[String]) -> Flags<'_> {
    let mut flags = Flags { raw: false, array: false, descriptor: 0, end: b'\n', most: usize::MAX, names: Vec::new() };
    let mut words = words[1..].iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|_| flags.names.is_empty()) else {
            flags.names.push(word);
            continue;
        };
        for (at, letter) in letters.char_indices() {
            let mut value = || match &letters[at + 1..] {
                "" => words.next().map_or("", String::as_str),
                glued => glued,
            };
            match letter {
                'r' => flags.raw = true,
                'a' => flags.array = true,
                's' | 'e' => {}
                'u' => flags.descriptor = value().parse().unwrap_or(0),
                'd' => flags.end = value().bytes().next().unwrap_or(0),
                'n' | 'N' => flags.most = value().parse().unwrap_or(usize::MAX),
                // A prompt is shown to terminals only, and input that is not there ends at once: no time passes.
                _ => {
                    value();
                }
            }
            if !matches!(letter, 'r' | 'a' | 's' | 'e') {
                break;
            }
        }
    }
    flags
}

pub(super) fn read(
    shell: &mut Interpreter,
    words: &[String],
    progress: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let flags = flags(words);
    let Some(file) = own.descriptors.get(flags.descriptor) else { return Outcome::Status(1) };
    let complete = loop {
        let bytes = match system.kernel.open.read(file, 4096, system.world) {
            Ok(Read::Bytes(bytes)) => bytes,
            Ok(Read::Nothing(pipe)) => return Outcome::Waits(Wait::Readable(pipe)),
            Ok(Read::End) | Err(_) => break false,
        };
        let mut used = 0;
        let mut ends = false;
        while used < bytes.len() && !ends {
            let byte = bytes[used];
            used += 1;
            let escaped = !flags.raw && progress.text.last() == Some(&b'\\') && !ends_escaped(&progress.text);
            if byte == flags.end && !escaped {
                ends = true;
            } else if byte == b'\n' && escaped {
                progress.text.pop();
            } else {
                progress.text.push(byte);
                ends = progress.text.len() >= flags.most.min(MAX_LINE);
            }
        }
        if ends {
            system.kernel.open.unread(file, &bytes[used..]);
            break true;
        }
    };
    let text = String::from_utf8_lossy(&std::mem::take(&mut progress.text)).into_owned();
    let separators = shell.environment.variables.get("IFS").unwrap_or(" \t\n").to_owned();
    let assigned = if flags.array {
        let fields = split(&text, &separators, usize::MAX, flags.raw);
        shell.environment.variables.set_array(flags.names.first().unwrap_or(&"REPLY"), fields, false)
    } else if flags.names.is_empty() {
        shell.environment.assign("REPLY", if flags.raw { text } else { unescaped(&text) })
    } else {
        let mut fields = split(&text, &separators, flags.names.len(), flags.raw).into_iter();
        flags.names.iter().try_for_each(|name| shell.environment.assign(name, fields.next().unwrap_or_default()))
    };
    Outcome::Status(i32::from(!complete || assigned.is_err()))
}

/// Whether the backslash at the end is itself escaped.
fn ends_escaped(text: &[u8]) -> bool {
    text.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

/// Splits a line into at most so many fields; the last one takes the rest.
fn split(text: &str, separators: &str, most: usize, raw: bool) -> Vec<String> {
    let is_blank = |c: char| separators.contains(c) && c.is_ascii_whitespace();
    let mut fields = Vec::new();
    let mut rest = text.trim_matches(is_blank);
    while !rest.is_empty() {
        if fields.len() + 1 == most {
            fields.push(if raw { rest.to_owned() } else { unescaped(rest) });
            break;
        }
        let mut escaped = false;
        let end = rest.find(|c: char| {
            let ends = !escaped && separators.contains(c);
            escaped = !raw && c == '\\' && !escaped;
            ends
        });
        let (field, after) = rest.split_at(end.unwrap_or(rest.len()));
        fields.push(if raw { field.to_owned() } else { unescaped(field) });
        let after_blank = after.trim_start_matches(is_blank);
        rest = match after_blank.chars().next() {
            Some(c) if separators.contains(c) => after_blank[c.len_utf8()..].trim_start_matches(is_blank),
            Some(_) | None => after_blank,
        };
    }
    fields
}
