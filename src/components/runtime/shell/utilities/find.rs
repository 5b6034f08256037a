//! `find`, with the tests that scripts use most.

use super::super::pattern::Pattern;
use super::super::process::Context;
use super::super::request::Command;
use super::Outcome;
use crate::components::runtime::filesystem::{FileError, Kind, Metadata, absolute, base_name};
use crate::engine::SimDuration;

/// A test or an action; all must hold, in order.
enum Test {
    Name(Pattern),
    Kind(Kind),
    Empty,
    /// Minutes since it was written: more than, less than, exactly.
    Age(std::cmp::Ordering, u64, u64),
    Size(std::cmp::Ordering, u64),
    Not(Box<Test>),
    Print(&'static str),
    Delete,
    Exec(Vec<String>),
}

pub(super) fn find(context: &mut Context<'_, '_>) -> Outcome {
    let words = context.arguments();
    let starts = words.iter().take_while(|word| !word.starts_with('-') && *word != "!").count();
    let roots = if starts == 0 { vec![".".to_owned()] } else { words[..starts].to_vec() };
    let (mut deepest, mut shallowest) = (usize::MAX, 0);
    let mut tests = match parse(&words[starts..], &mut deepest, &mut shallowest) {
        Ok(tests) => tests,
        Err(what) => return Outcome::Unsupported(format!("find {what}")),
    };
    if !tests.iter().any(|test| matches!(test, Test::Print(_) | Test::Delete | Test::Exec(_))) {
        tests.push(Test::Print("\n"));
    }
    let mut status = 0;
    let mut found = Vec::new();
    for root in roots {
        let path = context.path(&root);
        if context.files().link_metadata(&path).is_none() {
            context.misses(&root);
            context.complain_of(["%", "'%'"], &root, FileError::NotFound);
            status = 1;
            continue;
        }
        walk(context, root, path, 0, deepest, &mut found);
    }
    if tests.iter().any(|test| matches!(test, Test::Delete)) {
        found.reverse(); // `-delete` works from the leaves.
    }
    let mut script = Vec::new();
    for (shown, path, depth) in found {
        let Some(metadata) = context.files().link_metadata(&path) else { continue };
        if depth < shallowest {
            continue;
        }
        for test in &tests {
            if !holds(context, test, &shown, &path, metadata, &mut script) {
                break;
            }
        }
    }
    if script.is_empty() {
        return Outcome::Ended(status);
    }
    // What `-exec` runs is run by a shell, one command after another.
    let quoted = |argv: &Vec<String>| argv.iter().map(|word| super::super::builtins::quoted(word)).collect::<Vec<_>>();
    let text: Vec<String> = script.iter().map(|argv| quoted(argv).join(" ")).collect();
    let argv = ["sh".to_owned(), "-c".to_owned(), text.join("\n") + "\nexit 0\n"].to_vec();
    Outcome::Becomes(Command { argv, ..context.command.clone() })
}

fn walk(
    context: &mut Context<'_, '_>,
    shown: String,
    path: String,
    depth: usize,
    deepest: usize,
    found: &mut Vec<(String, String, usize)>,
) {
    let is_directory = context.files().link_metadata(&path).is_some_and(|it| it.kind == Kind::Directory);
    found.push((shown.clone(), path.clone(), depth));
    if is_directory && depth < deepest.min(100) {
        for name in context.files().list(&path).unwrap_or_default() {
            let below = format!("{}/{name}", shown.trim_end_matches('/'));
            walk(context, below, absolute(&path, &name), depth + 1, deepest, found);
        }
    }
}

fn parse(words: &[String], deepest: &mut usize, shallowest: &mut usize) -> Result<Vec<Test>, String> {
    let mut tests = Vec::new();
    let mut words = words.iter();
    let mut negated = false;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} without a value"));
        let test = match word.as_str() {
            "!" | "-not" => {
                negated = !negated;
                continue;
            }
            "-name" => Test::Name(Pattern::unquoted(value()?)),
            "-iname" => Test::Name(Pattern::unquoted(&value()?.to_lowercase())),
            "-type" => Test::Kind(match value()?.as_str() {
                "f" => Kind::File,
                "d" => Kind::Directory,
                "l" => Kind::Symlink,
                "c" => Kind::Device,
                other => return Err(format!("-type {other}")),
            }),
            "-maxdepth" => {
                *deepest = value()?.parse().map_err(|_| "-maxdepth".to_owned())?;
                continue;
            }
            "-mindepth" => {
                *shallowest = value()?.parse().map_err(|_| "-mindepth".to_owned())?;
                continue;
            }
            "-a" | "-and" | "-xdev" | "-follow" | "-L" | "-depth" => continue,
            "-empty" => Test::Empty,
            "-mmin" | "-mtime" => {
                let (order, number) = compared(value()?)?;
                Test::Age(order, number, if word == "-mmin" { 60 } else { 86_400 })
            }
            "-size" => {
                let text = value()?;
                let unit = match text.chars().last() {
                    Some('c') => 1,
                    Some('k') => 1 << 10,
                    Some('M') => 1 << 20,
                    Some('G') => 1 << 30,
                    _ => 512,
                };
                let (order, number) = compared(text.trim_end_matches(char::is_alphabetic))?;
                Test::Size(order, number * unit)
            }
            "-print" => Test::Print("\n"),
            "-print0" => Test::Print("\0"),
            "-delete" => Test::Delete,
            "-exec" => {
                let command: Vec<String> =
                    words.by_ref().take_while(|word| !matches!(word.as_str(), ";" | "+")).cloned().collect();
                Test::Exec(command)
            }
            other => return Err(other.to_owned()),
        };
        tests.push(if std::mem::take(&mut negated) { Test::Not(Box::new(test)) } else { test });
    }
    Ok(tests)
}

fn compared(text: &str) -> Result<(std::cmp::Ordering, u64), String> {
    let order = match text.chars().next() {
        Some('+') => std::cmp::Ordering::Greater,
        Some('-') => std::cmp::Ordering::Less,
        _ => std::cmp::Ordering::Equal,
    };
    Ok((order, text.trim_start_matches(['+', '-']).parse().map_err(|_| text.to_owned())?))
}

fn holds(
    context: &mut Context<'_, '_>,
    test: &Test,
    shown: &str,
    path: &str,
    metadata: Metadata,
    script: &mut Vec<Vec<String>>,
) -> bool {
    match test {
        Test::Name(pattern) => pattern.matches(base_name(shown)),
        Test::Kind(kind) => metadata.kind == *kind,
        Test::Empty if metadata.kind == Kind::Directory => context.files().list(path).is_ok_and(|it| it.is_empty()),
        Test::Empty => metadata.length == 0,
        Test::Age(order, number, unit) => {
            let age = context.own.at.since(metadata.modified) / SimDuration::from_secs(*unit).as_nanos();
            age.as_nanos().cmp(number) == *order
        }
        Test::Size(order, size) => metadata.length.cmp(size) == *order,
        Test::Not(inner) => !holds(context, inner, shown, path, metadata, script),
        Test::Print(end) => {
            context.print(format!("{shown}{end}"));
            true
        }
        Test::Delete => context.files().remove_all(path).is_ok(),
        Test::Exec(command) => {
            script.push(command.iter().map(|word| word.replace("{}", shown)).collect());
            true
        }
    }
}
