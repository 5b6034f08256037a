//! The commands that are part of the shell: POSIX XCU 2.15 and the usual others.

mod control;
mod directory;
mod job;
mod output;
mod read;
mod variable;

use super::interpreter::Interpreter;
use super::process::{Own, Step, System, Wait};

pub(super) use job::send;

/// How far a built-in command has got that waits.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// What `read` has read of its line.
    pub text: Vec<u8>,
}

/// What running a built-in came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It has ended.
    Status(i32),
    /// It is to be run again after this.
    Waits(Wait),
    /// It has changed what runs next; the status stays.
    Step(Step),
}

/// Runs a built-in: words with the name first, and where it stood if it waited.
pub(super) type Builtin = fn(&mut Interpreter, &[String], &mut Progress, &mut Own, &mut System<'_>) -> Outcome;

/// The built-in command of a name.
pub(super) fn find(name: &str) -> Option<Builtin> {
    Some(match name {
        ":" | "true" => |_, _, _, _, _| Outcome::Status(0),
        "false" => |_, _, _, _, _| Outcome::Status(1),
        "ulimit" | "umask" | "times" | "hash" | "alias" | "unalias" | "shopt" | "disown" | "bg" | "enable" | "bind"
        | "complete" | "history" => |_, _, _, _, _| Outcome::Status(0),
        "echo" => output::echo,
        "printf" => output::printf,
        "test" | "[" => output::test,
        "let" => output::evaluate,
        "exit" | "logout" => control::exit,
        "return" => control::leave,
        "break" | "continue" => control::leave_loops,
        "shift" => control::shift,
        "eval" => control::eval,
        "." | "source" => control::source,
        "exec" => control::exec,
        "command" | "builtin" => control::command,
        "type" => control::kind,
        "set" => variable::set,
        "unset" => variable::unset,
        "export" | "readonly" => variable::export,
        "local" | "declare" | "typeset" => variable::declare,
        "getopts" => variable::getopts,
        "read" => read::read,
        "cd" => directory::change,
        "pwd" => directory::print,
        "trap" => job::trap,
        "wait" => job::wait,
        "fg" => job::wait,
        "mapfile" | "readarray" => |_, words, _, _, _| Outcome::Step(Step::Unsupported(words[0].clone())),
        "jobs" => job::list,
        "kill" => job::kill,
        _ => return None,
    })
}

/// Whether POSIX calls it special: it comes before functions, and a failed redirection on it ends the shell.
pub(super) fn is_special(name: &str) -> bool {
    matches!(
        name,
        ":" | "."
            | "break"
            | "continue"
            | "eval"
            | "exec"
            | "exit"
            | "export"
            | "readonly"
            | "return"
            | "set"
            | "shift"
            | "times"
            | "trap"
            | "unset"
    )
}

/// A word quoted where it needs to be, as `set -x` and `export -p` show it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
