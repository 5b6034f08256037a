//! Built-ins about variables, parameters and options.

use super::super::environment::{Dialect, Trap};
use super::super::interpreter::Interpreter;
use super::super::parser::is_name;
use super::super::process::{Own, Step, System};
use super::{Outcome, Progress, quoted};
use std::sync::Arc;

pub(super) fn set(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    if words.len() == 1 {
        let lines: String =
            shell.environment.variables.scalars().map(|(name, text)| format!("{name}={}\n", quoted(text))).collect();
        let _ = own.write(1, lines.as_bytes(), system);
        return Outcome::Status(0);
    }
    let mut rest = words[1..].iter();
    while let Some(word) = rest.as_slice().first() {
        if word == "--" || word == "-" {
            rest.next();
            shell.environment.positional = rest.as_slice().into();
            return Outcome::Status(0);
        }
        let on = word.starts_with('-');
        if !on && !word.starts_with('+') {
            shell.environment.positional = rest.as_slice().into();
            return Outcome::Status(0);
        }
        rest.next();
        for letter in word[1..].chars() {
            let known = match letter {
                'o' => match rest.next() {
                    // dash 0.5.12 does not have it: scripts that ask for it end there.
                    Some(name) if name == "pipefail" && shell.environment.dialect == Dialect::Dash => false,
                    Some(name) => shell.environment.options.set_name(name, on),
                    None => true,
                },
                letter => shell.environment.options.set_letter(letter, on),
            };
            if !known {
                let message = format!("set: Illegal option {word}");
                if shell.environment.dialect != Dialect::Bash {
                    return Outcome::Step(shell.fail(&message, 2, own, system));
                }
                shell.complain(&message, own, system);
                return Outcome::Status(2);
            }
        }
    }
    Outcome::Status(0)
}

pub(super) fn unset(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let mut functions = false;
    for word in &words[1..] {
        let result = match word.as_str() {
            "-f" => {
                functions = true;
                Ok(())
            }
            "-v" => Ok(()),
            name if functions => {
                Arc::make_mut(&mut shell.environment.functions).remove(name);
                Ok(())
            }
            name => match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
                Some((name, index)) => shell.environment.variables.unset_element(name, index.parse().unwrap_or(-1)),
                None => {
                    if shell.environment.variables.get(name).is_none() {
                        Arc::make_mut(&mut shell.environment.functions).remove(name);
                    }
                    shell.environment.variables.unset(name)
                }
            },
        };
        if let Err(message) = result {
            shell.complain(&format!("unset: {message}"), own, system);
            return Outcome::Status(1);
        }
    }
    Outcome::Status(0)
}

pub(super) fn export(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let command = words[0].as_str();
    let mut on = true;
    let mut named = false;
    for word in &words[1..] {
        match word.as_str() {
            "-p" | "-f" | "--" => continue,
            "-n" => {
                on = false;
                continue;
            }
            _ => named = true,
        }
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        if !is_name(name) {
            shell.complain(&format!("{command}: {name}: bad variable name"), own, system);
            return Outcome::Status(1);
        }
        let assigned = value.map_or(Ok(()), |value| shell.environment.assign(name, value.to_owned()));
        if let Err(message) = assigned {
            shell.complain(&format!("{command}: {message}"), own, system);
            return Outcome::Status(1);
        }
        match command {
            "export" => shell.environment.variables.export(name, on),
            _ => shell.environment.variables.protect(name),
        }
    }
    if !named {
        let line = |(name, value): (&str, Option<&str>)| match value {
            Some(value) => format!("export {name}='{value}'\n"),
            None => format!("export {name}\n"),
        };
        let lines: String = shell.environment.variables.exported().map(line).collect();
        let _ = own.write(1, lines.as_bytes(), system);
    }
    Outcome::Status(0)
}

pub(super) fn declare(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let (mut exports, mut protects, mut global) = (false, false, false);
    for word in &words[1..] {
        if let Some(flags) = word.strip_prefix('-') {
            if let Some(letter) = flags.chars().find(|letter| !"arxgi-".contains(*letter)) {
                return Outcome::Step(Step::Unsupported(format!("{} -{letter}", words[0])));
            }
            exports |= flags.contains('x');
            protects |= flags.contains('r');
            global |= flags.contains('g');
            continue;
        }
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        if !is_name(name) {
            shell.complain(&format!("{}: {name}: bad variable name", words[0]), own, system);
            return Outcome::Status(1);
        }
        if !global && !shell.environment.variables.make_local(name) && words[0] == "local" {
            shell.complain("local: not in a function", own, system);
            return Outcome::Status(1);
        }
        if let Some(value) = value
            && let Err(message) = shell.environment.assign(name, value.to_owned())
        {
            shell.complain(&message, own, system);
            return Outcome::Status(1);
        }
        if exports {
            shell.environment.variables.export(name, true);
        }
        if protects {
            shell.environment.variables.protect(name);
        }
    }
    Outcome::Status(0)
}

/// `getopts optstring name`: one option per call, its place kept in `OPTIND` as "word.letter".
pub(super) fn getopts(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let [_, letters, name, explicit @ ..] = words else { return Outcome::Status(2) };
    let variables = &shell.environment.variables;
    let arguments: Vec<String> =
        if explicit.is_empty() { shell.environment.positional.to_vec() } else { explicit.to_vec() };
    let index = variables.get("OPTIND").and_then(|text| text.parse::<usize>().ok()).unwrap_or(1).max(1);
    let offset = variables.get("_OPTOFFSET").and_then(|text| text.parse::<usize>().ok()).unwrap_or(1);
    let word = arguments.get(index - 1).map_or("", String::as_str);
    let mut next = (index, offset + 1);
    let found = word
        .strip_prefix('-')
        .filter(|rest| !rest.is_empty() && *rest != "-")
        .and_then(|_| word[offset..].chars().next());
    let (letter, argument) = match found {
        None => ("?".to_owned(), None),
        Some(letter) => {
            let rest = word.get(offset + letter.len_utf8()..).unwrap_or_default();
            if rest.is_empty() {
                next = (index + 1, 1);
            }
            match letters.find(letter).filter(|_| letter != ':') {
                None => {
                    if !letters.starts_with(':') {
                        shell.complain(&format!("Illegal option -{letter}"), own, system);
                    }
                    ("?".to_owned(), Some(letter.to_string()))
                }
                Some(at) if letters[at + letter.len_utf8()..].starts_with(':') => {
                    next = (if rest.is_empty() { index + 2 } else { index + 1 }, 1);
                    let value = if rest.is_empty() { arguments.get(index).cloned() } else { Some(rest.to_owned()) };
                    match value {
                        Some(value) => (letter.to_string(), Some(value)),
                        None if letters.starts_with(':') => (":".to_owned(), Some(letter.to_string())),
                        None => {
                            shell.complain(&format!("No arg for -{letter} option"), own, system);
                            ("?".to_owned(), None)
                        }
                    }
                }
                Some(_) => (letter.to_string(), None),
            }
        }
    };
    let variables = &mut shell.environment.variables;
    let kept = [
        variables.set(name, letter),
        match argument {
            Some(argument) => variables.set("OPTARG", argument),
            None => variables.unset("OPTARG"),
        },
    ];
    let places = match found {
        Some(_) => [variables.set("OPTIND", next.0.to_string()), variables.set("_OPTOFFSET", next.1.to_string())],
        None => [variables.set("OPTIND", index.to_string()), variables.unset("_OPTOFFSET")],
    };
    let failed = kept.iter().chain(&places).any(Result::is_err);
    Outcome::Status(i32::from(found.is_none() || failed))
}

/// How `trap` lists a trap.
pub(super) fn trap_line(trap: &Trap, signal: impl std::fmt::Display) -> String {
    match trap {
        Trap::Ignore => format!("trap -- '' {signal}\n"),
        Trap::Run(text, _) => format!("trap -- {} {signal}\n", quoted(text)),
    }
}
