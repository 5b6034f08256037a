//! Utilities about words and numbers: `seq`, `expr`, `basename`, `echo`, `yes`.

use super::super::condition::{self, Facts};
use super::super::format;
use super::super::launch::{self, Found};
use super::super::process::{Context, Step, Task, Wait};
use super::super::regex::basic;
use super::super::request::Command;
use super::super::variables::Variables;
use super::Outcome;
use super::flags::{Flags, Spec};
use crate::components::runtime::filesystem::parent;
use crate::engine::SimDuration;

/// No sequence is longer.
const MAX_NUMBERS: usize = 1_000_000;

pub(super) fn seq(context: &mut Context<'_, '_>) -> Outcome {
    let mut separator = "\n".to_owned();
    let mut width = 0;
    let mut template = None;
    let mut numbers: Vec<String> = Vec::new();
    let mut words = context.arguments().into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-s" => separator = words.next().unwrap_or_default(),
            "-w" => width = 1,
            "-f" => template = words.next(),
            glued if glued.starts_with("-s") => separator = glued[2..].to_owned(),
            _ => numbers.push(word),
        }
    }
    let decimals = numbers.iter().map(|it| it.split_once('.').map_or(0, |(_, fraction)| fraction.len())).max();
    let decimals = decimals.unwrap_or(0).min(9);
    let parsed: Option<Vec<i128>> = numbers.iter().map(|text| scaled(text, decimals)).collect();
    let one = 10i128.pow(decimals as u32);
    let (first, step, last) = match parsed.as_deref() {
        Some([last]) => (one, one, *last),
        Some([first, last]) => (*first, one, *last),
        Some([first, step, last]) if *step != 0 => (*first, *step, *last),
        Some(_) | None => {
            context.complain("invalid argument");
            return Outcome::Ended(1);
        }
    };
    let count = if (last - first).signum() * step.signum() < 0 { 0 } else { (last - first) / step + 1 };
    if count > MAX_NUMBERS as i128 {
        return Outcome::Unsupported(format!("seq with {count} numbers"));
    }
    let shown = |value: i128| {
        let (whole, fraction) = (value.abs() / one, value.abs() % one);
        let sign = if value < 0 { "-" } else { "" };
        if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction:0>decimals$}") }
    };
    let mut texts: Vec<String> = (0..count).map(|at| shown(first + at * step)).collect();
    if width > 0 {
        width = texts.iter().map(String::len).max().unwrap_or(0);
        texts.iter_mut().for_each(|text| *text = format!("{text:0>width$}"));
    }
    if let Some(template) = template {
        texts.iter_mut().for_each(|text| *text = format::printf(&template, std::slice::from_ref(text)).0);
    }
    if !texts.is_empty() {
        context.print(texts.join(&separator) + "\n");
    }
    Outcome::Ended(0)
}

/// A decimal number as an integer of its smallest digit.
fn scaled(text: &str, decimals: usize) -> Option<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) || digits.is_empty() {
        return None;
    }
    let value = format!("{whole}{fraction:0<decimals$}").parse::<i64>().ok()?;
    Some(i128::from(if negative { -value } else { value }))
}

pub(super) fn expr(context: &mut Context<'_, '_>) -> Outcome {
    let words = context.arguments();
    let mut parser = Expr { words: &words, at: 0, depth: 0 };
    match parser.or() {
        Ok(value) if parser.at == words.len() => {
            context.print(format!("{value}\n"));
            Outcome::Ended(i32::from(value.is_empty() || value == "0"))
        }
        Ok(_) => {
            context.complain("syntax error");
            Outcome::Ended(2)
        }
        Err(message) => {
            context.complain(message);
            Outcome::Ended(2)
        }
    }
}

struct Expr<'a> {
    words: &'a [String],
    at: usize,
    depth: usize,
}

impl Expr<'_> {
    fn one_of(&mut self, operators: &[&'static str]) -> Option<&'static str> {
        let word = self.words.get(self.at)?;
        let found = operators.iter().find(|operator| *operator == word).copied();
        self.at += usize::from(found.is_some());
        found
    }

    fn or(&mut self) -> Result<String, String> {
        let mut left = self.and()?;
        while self.one_of(&["|"]).is_some() {
            let right = self.and()?;
            if left.is_empty() || left == "0" {
                left = right;
            }
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<String, String> {
        let mut left = self.comparison()?;
        while self.one_of(&["&"]).is_some() {
            let right = self.comparison()?;
            let false_one = left.is_empty() || left == "0" || right.is_empty() || right == "0";
            if false_one {
                left = "0".to_owned();
            }
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<String, String> {
        let mut left = self.sum()?;
        while let Some(operator) = self.one_of(&["<", "<=", "=", "==", "!=", ">=", ">"]) {
            let right = self.sum()?;
            let order = match (left.parse::<i64>(), right.parse::<i64>()) {
                (Ok(left), Ok(right)) => left.cmp(&right),
                _ => left.cmp(&right),
            };
            let holds = match operator {
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                "!=" => order.is_ne(),
                ">=" => order.is_ge(),
                ">" => order.is_gt(),
                _ => order.is_eq(),
            };
            left = i32::from(holds).to_string();
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<String, String> {
        let mut left = self.product()?;
        while let Some(operator) = self.one_of(&["+", "-"]) {
            left = arithmetic(operator, &left, &self.product()?)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<String, String> {
        let mut left = self.matching()?;
        while let Some(operator) = self.one_of(&["*", "/", "%"]) {
            left = arithmetic(operator, &left, &self.matching()?)?;
        }
        Ok(left)
    }

    fn matching(&mut self) -> Result<String, String> {
        let mut left = self.primary()?;
        while self.one_of(&[":"]).is_some() {
            let pattern = self.primary()?;
            left = matched(&left, &pattern)?;
        }
        Ok(left)
    }

    fn primary(&mut self) -> Result<String, String> {
        self.depth += 1;
        if self.depth > 1000 {
            return Err("syntax error".to_owned());
        }
        if self.one_of(&["("]).is_some() {
            let value = self.or()?;
            return self.one_of(&[")"]).map(|_| value).ok_or_else(|| "syntax error".to_owned());
        }
        if self.words.len() > self.at + 1 {
            match self.one_of(&["length", "match", "substr", "index"]) {
                Some("length") => return Ok(self.primary()?.chars().count().to_string()),
                Some("match") => {
                    let text = self.primary()?;
                    return matched(&text, &self.primary()?);
                }
                Some("substr") => {
                    let text = self.primary()?;
                    let from = self.primary()?.parse::<usize>().unwrap_or(0);
                    let count = self.primary()?.parse::<usize>().unwrap_or(0);
                    return Ok(if from == 0 {
                        String::new()
                    } else {
                        text.chars().skip(from - 1).take(count).collect()
                    });
                }
                Some(_) => {
                    let text = self.primary()?;
                    let letters = self.primary()?;
                    let place = text.chars().position(|c| letters.contains(c));
                    return Ok(place.map_or(0, |at| at + 1).to_string());
                }
                None => {}
            }
        }
        let word = self.words.get(self.at).ok_or("syntax error")?;
        self.at += 1;
        Ok(word.clone())
    }
}

fn arithmetic(operator: &str, left: &str, right: &str) -> Result<String, String> {
    let number = |text: &str| text.parse::<i64>().map_err(|_| "non-integer argument".to_owned());
    let (left, right) = (number(left)?, number(right)?);
    let value = match operator {
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        _ if right == 0 => return Err("division by zero".to_owned()),
        "/" => left.wrapping_div(right),
        _ => left.wrapping_rem(right),
    };
    Ok(value.to_string())
}

/// `text : pattern`: the first group, or the length of the match; the pattern is anchored at the start.
fn matched(text: &str, pattern: &str) -> Result<String, String> {
    let regex = basic(&format!("^{}", pattern.trim_start_matches('^')), false)?;
    let captures = regex.captures(text);
    let groups = regex.captures_len() > 1;
    Ok(match captures {
        Some(captures) if groups => captures.get(1).map_or("", |group| group.as_str()).to_owned(),
        Some(captures) => captures.get(0).map_or(0, |whole| whole.as_str().chars().count()).to_string(),
        None if groups => String::new(),
        None => "0".to_owned(),
    })
}

pub(super) fn basename(context: &mut Context<'_, '_>) -> Outcome {
    let words = context.arguments();
    let Some(path) = words.first() else {
        context.complain("missing operand");
        return Outcome::Ended(1);
    };
    let name = crate::components::runtime::filesystem::base_name(path);
    let name = if name.is_empty() && path.starts_with('/') { "/" } else { name };
    let short = words.get(1).and_then(|suffix| name.strip_suffix(suffix.as_str())).filter(|short| !short.is_empty());
    context.print(format!("{}\n", short.unwrap_or(name)));
    Outcome::Ended(0)
}

pub(super) fn dirname(context: &mut Context<'_, '_>) -> Outcome {
    for path in context.arguments() {
        let relative = !path.trim_end_matches('/').contains('/') && !path.starts_with('/');
        context.print(format!("{}\n", if relative { "." } else { parent(&path) }));
    }
    Outcome::Ended(0)
}

pub(super) fn echo(context: &mut Context<'_, '_>) -> Outcome {
    context.print(format::echo(&context.arguments(), "neE", false));
    Outcome::Ended(0)
}

pub(super) fn printf(context: &mut Context<'_, '_>) -> Outcome {
    let words = context.arguments();
    let Some((template, arguments)) = words.split_first() else {
        context.complain("missing operand");
        return Outcome::Ended(1);
    };
    let (text, errors) = format::printf(template, arguments);
    context.print(text);
    for error in &errors {
        context.complain(error);
    }
    Outcome::Ended(i32::from(!errors.is_empty()))
}

pub(super) fn test(context: &mut Context<'_, '_>) -> Outcome {
    let mut operands = context.arguments();
    if context.command.base_name() == "[" && operands.pop().as_deref() != Some("]") {
        context.complain("missing ]");
        return Outcome::Ended(2);
    }
    let directory = context.command.directory.clone();
    let variables = Variables::from_environment(&context.command.environment);
    let files = context.files();
    match condition::test(&operands, &Facts { files: &files, directory: &directory, variables: &variables }) {
        Ok(value) => {
            if !value {
                context.system.asked_for(&operands, &directory);
            }
            Outcome::Ended(i32::from(!value))
        }
        Err(message) => {
            context.complain(message);
            Outcome::Ended(2)
        }
    }
}

pub(super) fn pwd(context: &mut Context<'_, '_>) -> Outcome {
    context.print(format!("{}\n", context.command.directory));
    Outcome::Ended(0)
}

pub(super) fn which(context: &mut Context<'_, '_>) -> Outcome {
    let spec = Spec { letters: "as", long: &[], permutes: true };
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("which {flag}")),
    };
    let mut status = 0;
    for name in flags.operands {
        let command = Command { argv: vec![name.clone()], ..context.command.clone() };
        match launch::find(&command, context.system.world) {
            Found::Script { path } => context.print(format!("{path}\n")),
            Found::Played | Found::Host if name.contains('/') => context.print(format!("{name}\n")),
            Found::Played => context.print(format!("/bin/{name}\n")),
            Found::Host => context.print(format!("/usr/bin/{name}\n")),
            Found::NotExecutable | Found::Missing => status = 1,
        }
    }
    Outcome::Ended(status)
}

/// `yes`: as much as its reader takes. Into a file or a log it writes a little every second.
#[derive(Debug, Clone)]
struct Yes {
    text: String,
}

pub(super) fn yes(context: &mut Context<'_, '_>) -> Outcome {
    let words = context.arguments().join(" ");
    let line = if words.is_empty() { "y\n".to_owned() } else { words + "\n" };
    Outcome::Task(Box::new(Yes { text: line.repeat(4096 / line.len() + 1) }))
}

impl Task for Yes {
    fn step(&mut self, context: &mut Context<'_, '_>) -> Step {
        context.print(&self.text);
        if context.own.full_pipe.is_some() || context.writes_to_pipe() {
            return Step::Continue;
        }
        Step::Block(Wait::Until(context.own.at + SimDuration::from_secs(1)))
    }

    fn boxed_clone(&self) -> Box<dyn Task> {
        Box::new(self.clone())
    }
}
