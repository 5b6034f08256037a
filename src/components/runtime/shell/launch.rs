//! From a command line to something that runs: finding it, and starting it.

use super::environment::{Dialect, Environment};
use super::interpreter::Interpreter;
use super::invocation::{Invocation, Source, base_name};
use super::process::{Context, Own, Running, System};
use super::request::Command;
use super::script::Script;
use super::utilities::{self, Outcome};
use super::variables::Variables;
use super::world::{Program, World};
use crate::components::runtime::filesystem::{Kind, absolute};
use crate::engine::SimDuration;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What it costs to start a command, in virtual time.
pub(super) const START_COST: SimDuration = SimDuration::from_millis(1);

/// Commands that start commands that start commands, within one step: more is a circle.
const MAX_INDIRECTIONS: usize = 16;

/// What a command line stands for in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A shell, or a utility that this module plays.
    Played,
    /// A script in the container's files, which a shell runs.
    Script {
        /// Its path.
        path: String,
    },
    /// A program that the host runs.
    Host,
    /// A file that may not be executed: exit code 126.
    NotExecutable,
    /// Nothing: exit code 127, and a container with it does not start.
    Missing,
}

/// What became of a command.
pub(super) enum Launched {
    /// A utility that finished at once.
    Ended(i32),
    /// It takes time: this is to be run, in a process of its own or instead of the caller.
    Runs(Running),
    Missing,
    NotExecutable,
    Unsupported(String),
}

/// Finds what a command stands for, without starting it.
pub fn find(command: &Command, world: &mut dyn World) -> Found {
    let Some(name) = command.argv.first() else { return Found::Missing };
    match world.find_program(name) {
        Program::Utility => return Found::Played,
        Program::Host => return Found::Host,
        Program::Missing if name.is_empty() => return Found::Missing,
        Program::Missing => {}
    }
    if name.contains('/') {
        let path = absolute(&command.directory, name);
        if let Some(found) = find_file(&path, world) {
            return found;
        }
        return match name.rsplit_once('/') {
            Some((directory, base)) if directory.ends_with("bin") => match world.find_program(base) {
                Program::Utility => Found::Played,
                Program::Host => Found::Host,
                Program::Missing => Found::Missing,
            },
            Some(_) | None => Found::Missing,
        };
    }
    let path = command
        .environment
        .get("PATH")
        .map_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", |path| &**path);
    let found = path.split(':').filter_map(|directory| find_file(&absolute(directory, name), world));
    found.into_iter().find(|found| *found != Found::NotExecutable).unwrap_or(Found::Missing)
}

fn find_file(path: &str, world: &mut dyn World) -> Option<Found> {
    let files = world.files();
    let metadata = files.metadata(path)?;
    match metadata.kind {
        Kind::File if metadata.executable && metadata.opaque => Some(Found::Host),
        Kind::File if metadata.executable => Some(Found::Script { path: path.to_owned() }),
        Kind::File | Kind::Directory => Some(Found::NotExecutable),
        Kind::Symlink | Kind::Device => None,
    }
}

/// Starts a command. What finishes at once has finished when this returns.
pub(super) fn launch(command: Command, dialect: Dialect, own: &mut Own, system: &mut System<'_>) -> Launched {
    own.spend(START_COST);
    own.unwritten = None; // What the shell itself could not write is not the command's.
    let mut command = command;
    for _ in 0..MAX_INDIRECTIONS {
        let outcome = match find(&command, system.world) {
            Found::Missing => return Launched::Missing,
            Found::NotExecutable => return Launched::NotExecutable,
            Found::Host => return Launched::Runs(Running::Host { command, call: None }),
            Found::Script { path } => match script_command(&command, &path, system.world) {
                Some(next) => {
                    command = next;
                    continue;
                }
                None => return Launched::NotExecutable,
            },
            Found::Played if Invocation::from_argv(&command.argv).is_some() => {
                return shell(&command, dialect, own, system);
            }
            Found::Played => match utilities::find(command.base_name()) {
                Some(run) => run(&mut Context { command: &command, own, system }),
                None => return Launched::Missing,
            },
        };
        match outcome {
            Outcome::Ended(status) => {
                let lost = Context { command: &command, own, system }.lost_output();
                return Launched::Ended(lost.unwrap_or(status));
            }
            Outcome::Task(task) => return Launched::Runs(Running::Utility(command, task)),
            Outcome::Becomes(next) => command = next,
            Outcome::Hosted(command) => return Launched::Runs(Running::Host { command, call: None }),
            Outcome::Unsupported(what) => return Launched::Unsupported(what),
        }
    }
    Launched::Unsupported(format!("{}: too many commands in one another", command.base_name()))
}

/// The command that runs a script file: what its first line says, or `sh`.
fn script_command(command: &Command, path: &str, world: &mut dyn World) -> Option<Command> {
    let files = world.files();
    let content = files.read(path).ok()?;
    let text = String::from_utf8_lossy(content.bytes);
    let first = text.lines().next().unwrap_or_default();
    let mut argv: Vec<String> = match first.strip_prefix("#!") {
        Some(line) => line.split_whitespace().map(str::to_owned).collect(),
        None => vec!["sh".to_owned()],
    };
    if argv.first().is_some_and(|name| base_name(name) == "env") {
        argv.remove(0);
        argv.retain(|word| word != "-S");
    }
    if argv.is_empty() {
        return None;
    }
    argv.push(if command.argv[0].contains('/') { command.argv[0].clone() } else { path.to_owned() });
    argv.extend(command.argv.iter().skip(1).cloned());
    Some(Command { argv, ..command.clone() })
}

/// Starts a shell within the shell, or the first one.
fn shell(command: &Command, dialect: Dialect, own: &mut Own, system: &mut System<'_>) -> Launched {
    let Some(invocation) = Invocation::from_argv(&command.argv) else {
        return Launched::Unsupported(format!("the flags of {}", command.argv.join(" ")));
    };
    let dialect = invocation.dialect.unwrap_or(dialect);
    let text = match &invocation.source {
        Source::Text(text) => text.clone(),
        Source::Input => {
            return Launched::Runs(Running::Utility(
                command.clone(),
                utilities::script_from_input(invocation, dialect),
            ));
        }
        Source::File(path) => {
            let full = absolute(&command.directory, path);
            let read =
                system.world.files().read(&full).map(|content| String::from_utf8_lossy(content.bytes).into_owned());
            match read {
                Ok(text) => text,
                // A script that only the image has: the host knows what it does.
                Err(_) if system.world.find_program(&full) == Program::Host => {
                    return Launched::Runs(Running::Host { command: command.clone(), call: None });
                }
                Err(error) => {
                    let called = base_name(&command.argv[0]);
                    let (line, status) = match dialect {
                        Dialect::BusyBox => (format!("{called}: can't open '{path}': {error}\n"), 2),
                        Dialect::Dash => (format!("{called}: 0: cannot open {path}: No such file\n"), 2),
                        Dialect::Bash => (format!("{called}: {path}: {error}\n"), 127),
                    };
                    let _ = own.write(2, line.as_bytes(), system);
                    return Launched::Ended(status);
                }
            }
        }
    };
    match Script::parse(&text) {
        Ok(script) => Launched::Runs(interpret(&script, &invocation, dialect, command)),
        Err(unsupported) => Launched::Unsupported(unsupported.what),
    }
}

/// A shell process that runs a script.
pub(super) fn interpret(script: &Script, invocation: &Invocation, dialect: Dialect, command: &Command) -> Running {
    let environment = Environment {
        variables: Variables::from_environment(&command.environment),
        functions: Arc::new(BTreeMap::new()),
        positional: invocation.arguments.clone().into(),
        name: invocation.name.as_str().into(),
        command_line: command.argv.join(" ").into(),
        status: 0,
        shell_pid: 0,
        last_background: None,
        options: invocation.options,
        directory: command.directory.clone(),
        traps: BTreeMap::new(),
        dialect,
    };
    let from_text = matches!(invocation.source, Source::Text(_));
    Running::Interpreter(Box::new(Interpreter::new(environment, Arc::clone(&script.list), from_text)))
}
