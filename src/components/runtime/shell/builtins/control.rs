//! Built-ins that change what runs next.

use super::super::environment::Dialect;
use super::super::interpreter::{Frame, Interpreter};
use super::super::launch;
use super::super::process::{Own, Step, System};
use super::super::request::Command;
use super::super::script::Script;
use super::super::world::Program;
use super::{Outcome, Progress, find};
use crate::components::runtime::filesystem::absolute;
use std::sync::Arc;

fn number(words: &[String], at: usize) -> Option<i32> {
    words.get(at)?.parse().ok()
}

pub(super) fn exit(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let status = match (words.get(1), number(words, 1)) {
        (None, _) => shell.environment.status,
        (Some(_), Some(status)) => status,
        (Some(word), None) => {
            let what = match shell.environment.dialect {
                Dialect::Bash => format!("exit: {word}: numeric argument required"),
                Dialect::BusyBox | Dialect::Dash => format!("exit: Illegal number: {word}"),
            };
            shell.complain(&what, own, system);
            2
        }
    };
    shell.exit(status);
    Outcome::Step(Step::Continue)
}

pub(super) fn leave(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    _: &mut System<'_>,
) -> Outcome {
    let status = number(words, 1).unwrap_or(shell.environment.status) & 0xff;
    if !shell.leave_function(own) {
        shell.exit(status);
    }
    shell.environment.status = status;
    Outcome::Step(Step::Continue)
}

pub(super) fn leave_loops(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    _: &mut System<'_>,
) -> Outcome {
    let count = number(words, 1).unwrap_or(1).max(1) as usize;
    shell.leave_loops(count, words[0] == "continue", own);
    shell.environment.status = 0;
    Outcome::Step(Step::Continue)
}

pub(super) fn shift(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let count = number(words, 1).unwrap_or(1).max(0) as usize;
    match shell.environment.positional.get(count..) {
        Some(rest) => {
            shell.environment.positional = rest.into();
            Outcome::Status(0)
        }
        None if shell.environment.dialect == Dialect::Dash => {
            shell.complain("shift: can't shift that many", own, system);
            shell.exit(2);
            Outcome::Step(Step::Continue)
        }
        None => Outcome::Status(1),
    }
}

pub(super) fn eval(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    _: &mut Own,
    _: &mut System<'_>,
) -> Outcome {
    match Script::parse(&words[1..].join(" ")) {
        Ok(script) => {
            shell.environment.status = 0;
            shell.frames.push(Frame::List { list: script.list, next: 0 });
            Outcome::Step(Step::Continue)
        }
        Err(unsupported) => Outcome::Step(Step::Unsupported(format!("eval: {unsupported}"))),
    }
}

pub(super) fn source(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let Some(name) = words.get(1) else { return Outcome::Status(2) };
    let path = absolute(&shell.environment.directory, name);
    let read = system.world.files().read(&path).map(|content| String::from_utf8_lossy(content.bytes).into_owned());
    let text = match read {
        Ok(text) => text,
        // A file that only the image has: what it sets nobody knows.
        Err(_) if system.world.find_program(&path) == Program::Host => return Outcome::Status(0),
        Err(error) => {
            let what = match shell.environment.dialect {
                Dialect::Bash => format!("{name}: {error}"),
                Dialect::BusyBox => format!(".: can't open '{name}': {error}"),
                Dialect::Dash => format!(".: cannot open {name}: No such file"),
            };
            shell.complain(&what, own, system);
            if shell.environment.dialect != Dialect::Bash {
                shell.exit(2);
                return Outcome::Step(Step::Continue);
            }
            return Outcome::Status(1);
        }
    };
    match Script::parse(&text) {
        Ok(script) => {
            let arguments: Arc<[String]> = words[2..].into();
            let replaced = !arguments.is_empty() && shell.environment.dialect == Dialect::Bash;
            let positional = replaced.then(|| std::mem::replace(&mut shell.environment.positional, arguments));
            shell.environment.status = 0;
            shell.frames.push(Frame::Source { positional });
            shell.frames.push(Frame::List { list: script.list, next: 0 });
            Outcome::Step(Step::Continue)
        }
        Err(unsupported) => Outcome::Step(Step::Unsupported(format!("{name}: {unsupported}"))),
    }
}

pub(super) fn exec(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let mut words = &words[1..];
    while let Some((flag, rest)) = words.split_first().filter(|(flag, _)| flag.starts_with('-')) {
        words = if flag == "-a" { rest.get(1..).unwrap_or_default() } else { rest };
    }
    if words.is_empty() {
        return Outcome::Status(0); // `exec > file`: the redirections stay.
    }
    Outcome::Step(match shell.execute(words.to_vec(), true, own, system) {
        // It has finished at once, or could not be started: either way the shell is gone.
        Step::Continue => Step::Exit(shell.environment.status),
        other => other,
    })
}

pub(super) fn command(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    match words.get(1).map(String::as_str) {
        None => Outcome::Status(0),
        Some("-v" | "-V") => describe(shell, &words[2..], words[1] == "-V", own, system),
        Some("-p") => run(shell, &words[2..], own, system),
        Some(_) => run(shell, &words[1..], own, system),
    }
}

/// Runs a command, passing by functions.
fn run(shell: &mut Interpreter, words: &[String], own: &mut Own, system: &mut System<'_>) -> Outcome {
    let Some(name) = words.first() else { return Outcome::Status(0) };
    Outcome::Step(match find(name) {
        Some(_) => {
            shell.frames.push(Frame::Builtin { words: words.to_vec(), state: Progress::default() });
            Step::Continue
        }
        None => shell.execute(words.to_vec(), false, own, system),
    })
}

pub(super) fn kind(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    match words.get(1).map(String::as_str) {
        Some("-p" | "-P" | "-t") => describe(shell, &words[2..], false, own, system),
        Some(_) | None => describe(shell, &words[1..], true, own, system),
    }
}

fn describe(
    shell: &mut Interpreter,
    names: &[String],
    in_words: bool,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let mut status = 0;
    for name in names {
        let command = Command {
            argv: vec![name.clone()],
            environment: shell.environment.variables.environment(),
            directory: shell.environment.directory.clone(),
            input: Vec::new(),
        };
        let (short, long) = if shell.environment.functions.contains_key(name) {
            (name.clone(), format!("{name} is a function"))
        } else if find(name).is_some() {
            (name.clone(), format!("{name} is a shell builtin"))
        } else {
            let path = match launch::find(&command, system.world) {
                launch::Found::Script { path } => path,
                launch::Found::Played | launch::Found::Host if name.contains('/') => name.clone(),
                launch::Found::Played => format!("/bin/{name}"),
                launch::Found::Host => format!("/usr/bin/{name}"),
                launch::Found::NotExecutable | launch::Found::Missing => {
                    status = if shell.environment.dialect == Dialect::Bash { 1 } else { 127 };
                    match shell.environment.dialect {
                        Dialect::Bash if in_words => shell.complain(&format!("type: {name}: not found"), own, system),
                        Dialect::BusyBox | Dialect::Dash if in_words => {
                            let _ = own.write(1, format!("{name}: not found\n").as_bytes(), system);
                        }
                        _ => {}
                    }
                    continue;
                }
            };
            (path.clone(), format!("{name} is {path}"))
        };
        let _ = own.write(1, format!("{}\n", if in_words { long } else { short }).as_bytes(), system);
    }
    Outcome::Status(status)
}
