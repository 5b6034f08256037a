//! `cut` and `tr`.

use super::super::format::unescape;
use super::super::pattern::class;
use super::super::process::Context;
use super::Outcome;
use super::filter::{Filter, Flow, LineFilter, Lines, run};
use super::flags::{Flags, Spec};
use super::text::push_line;

#[derive(Debug, Clone)]
struct Cut {
    ranges: Vec<(usize, usize)>,
    /// What separates fields; `None` to cut characters.
    delimiter: Option<char>,
    output: String,
    only_delimited: bool,
}

pub(super) fn cut(context: &mut Context<'_, '_>) -> Outcome {
    let spec = Spec {
        letters: "d:f:c:b:sno:",
        long: &[("delimiter", 'd'), ("fields", 'f'), ("characters", 'c'), ("output-delimiter", 'o')],
        permutes: true,
    };
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("cut {flag}")),
    };
    let list = flags.value('f').or(flags.value('c')).or(flags.value('b'));
    let Some(ranges) = list.and_then(ranges) else {
        context.complain("expected a list of bytes, characters, or fields");
        return Outcome::Ended(1);
    };
    let delimiter = flags.value('d').and_then(|value| value.chars().next()).unwrap_or('\t');
    let filter = Cut {
        ranges,
        delimiter: flags.has('f').then_some(delimiter),
        output: flags.value('o').map_or_else(|| delimiter.to_string(), str::to_owned),
        only_delimited: flags.has('s'),
    };
    run(context, flags.operands, Lines::boxed(filter), 1)
}

/// `1,3-5,7-`
fn ranges(list: &str) -> Option<Vec<(usize, usize)>> {
    list.split(',')
        .map(|part| {
            let number = |text: &str, default| if text.is_empty() { Some(default) } else { text.parse().ok() };
            match part.split_once('-') {
                Some((from, to)) => Some((number(from, 1)?, number(to, usize::MAX)?)),
                None => part.parse().ok().map(|only| (only, only)),
            }
        })
        .collect()
}

impl LineFilter for Cut {
    fn line(&mut self, line: &str, out: &mut Vec<u8>) -> Flow {
        let wanted = |at: usize| self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&(at + 1)));
        let shown = match self.delimiter {
            None => line.chars().enumerate().filter(|(at, _)| wanted(*at)).map(|(_, c)| c).collect(),
            Some(delimiter) if !line.contains(delimiter) => {
                if self.only_delimited {
                    return Flow::More;
                }
                line.to_owned()
            }
            Some(delimiter) => {
                let fields = line.split(delimiter).enumerate().filter(|(at, _)| wanted(*at));
                fields.map(|(_, field)| field).collect::<Vec<&str>>().join(&self.output)
            }
        };
        push_line(out, &shown);
        Flow::More
    }
}

#[derive(Debug, Clone)]
struct Tr {
    from: Vec<char>,
    to: Vec<char>,
    complements: bool,
    deletes: bool,
    squeezes: bool,
    last: Option<char>,
}

pub(super) fn tr(context: &mut Context<'_, '_>) -> Outcome {
    let long = [("delete", 'd'), ("squeeze-repeats", 's'), ("complement", 'c')];
    let flags = match Flags::parse(context.arguments(), &Spec { letters: "dscC", long: &long, permutes: false }) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("tr {flag}")),
    };
    let Some(from) = flags.operands.first() else {
        context.complain("missing operand");
        return Outcome::Ended(1);
    };
    let filter = Tr {
        from: set(from),
        to: flags.operands.get(1).map(|to| set(to)).unwrap_or_default(),
        complements: flags.has('c') || flags.has('C'),
        deletes: flags.has('d'),
        squeezes: flags.has('s'),
        last: None,
    };
    run(context, Vec::new(), Box::new(filter), 1)
}

/// The characters of a set: ranges, classes, escapes.
fn set(text: &str) -> Vec<char> {
    let text = unescape(text).0;
    let mut out = Vec::new();
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        if let Some((name, after)) = rest.strip_prefix("[:").and_then(|inner| inner.split_once(":]")) {
            out.extend(class(name).unwrap_or_default().iter().flat_map(|(from, to)| *from..=*to));
            rest = after;
            continue;
        }
        let after = &rest[c.len_utf8()..];
        let range = after.strip_prefix('-').and_then(|tail| tail.chars().next().map(|to| (to, tail)));
        match range {
            Some((to, tail)) if to >= c && u32::from(to) - u32::from(c) < 4096 => {
                out.extend(c..=to);
                rest = &tail[to.len_utf8()..];
            }
            Some(_) | None => {
                out.push(c);
                rest = after;
            }
        }
    }
    out
}

impl Filter for Tr {
    fn bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Flow {
        for c in String::from_utf8_lossy(bytes).chars() {
            let place = self.from.iter().position(|from| *from == c);
            let listed = place.is_some() != self.complements;
            if listed && self.deletes {
                continue;
            }
            let new = match (listed, self.to.last()) {
                (true, Some(last)) => place.and_then(|at| self.to.get(at)).copied().unwrap_or(*last),
                _ => c,
            };
            let squeezed = if self.to.is_empty() { listed } else { self.to.contains(&new) };
            if self.squeezes && squeezed && self.last == Some(new) {
                continue;
            }
            self.last = Some(new);
            out.extend_from_slice(new.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Flow::More
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> i32 {
        0
    }

    fn boxed_clone(&self) -> Box<dyn Filter> {
        Box::new(self.clone())
    }
}
