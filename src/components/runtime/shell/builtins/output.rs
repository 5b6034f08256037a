//! `echo`, `printf`, `test` and `let`.

use super::super::arithmetic;
use super::super::condition::{self, Facts};
use super::super::environment::{Dialect, Environment};
use super::super::format;
use super::super::interpreter::Interpreter;
use super::super::process::{Own, System};
use super::{Outcome, Progress};

pub(super) fn echo(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let text = match shell.environment.dialect {
        // dash knows only -n, and always replaces escapes.
        Dialect::Dash => format::echo(&words[1..], "n", true),
        Dialect::Bash | Dialect::BusyBox => format::echo(&words[1..], "neE", false),
    };
    Outcome::Status(i32::from(!say(shell, "echo", &text, own, system)))
}

/// Writes to standard output, and tells if that cannot be kept.
fn say(shell: &mut Interpreter, name: &str, text: &str, own: &mut Own, system: &mut System<'_>) -> bool {
    let done = own.write(1, text.as_bytes(), system).is_ok();
    if let Some(error) = own.unwritten.take() {
        let message = match shell.environment.dialect {
            Dialect::BusyBox => format!("write error: {error}"),
            Dialect::Bash => format!("{name}: write error: {error}"),
            Dialect::Dash => format!("{name}: {name}: I/O error"),
        };
        shell.complain(&message, own, system);
    }
    done
}

pub(super) fn printf(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let (variable, words) = match words {
        [_, flag, name, rest @ ..] if flag == "-v" => (Some(name), rest),
        [_, flag, rest @ ..] if flag == "--" => (None, rest),
        [_, rest @ ..] => (None, rest),
        [] => (None, words),
    };
    let Some((template, arguments)) = words.split_first() else { return Outcome::Status(2) };
    let (text, errors) = format::printf(template, arguments);
    for error in &errors {
        shell.complain(&format!("printf: {error}"), own, system);
    }
    let done = match variable {
        Some(name) => shell.environment.assign(name, text).is_ok(),
        None => say(shell, "printf", &text, own, system),
    };
    Outcome::Status(i32::from(!done || !errors.is_empty()))
}

pub(super) fn test(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let mut operands = &words[1..];
    if words[0] == "[" {
        match operands.split_last() {
            Some((last, rest)) if last == "]" => operands = rest,
            Some(_) | None => {
                shell.complain("[: missing ]", own, system);
                return Outcome::Status(2);
            }
        }
    }
    let files = system.world.files();
    let Environment { directory, variables, .. } = &shell.environment;
    let result = condition::test(operands, &Facts { files: &files, directory, variables });
    match result {
        Ok(value) => {
            if !value {
                system.asked_for(operands, directory);
            }
            Outcome::Status(i32::from(!value))
        }
        Err(message) => {
            let message = if shell.environment.dialect == Dialect::BusyBox {
                message
            } else {
                format!("{}: {message}", words[0])
            };
            shell.complain(&message, own, system);
            Outcome::Status(2)
        }
    }
}

pub(super) fn evaluate(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let mut value = 0;
    for expression in &words[1..] {
        match arithmetic::evaluate(expression, &mut shell.environment.variables) {
            Ok(result) => value = result,
            Err(message) => {
                shell.complain(&format!("let: {message}"), own, system);
                return Outcome::Status(1);
            }
        }
    }
    Outcome::Status(i32::from(value == 0))
}
