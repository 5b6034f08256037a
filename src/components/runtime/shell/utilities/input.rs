//! Utilities that do something with all of their standard input: a shell that reads its script there, and `tee`.

use super::super::environment::Dialect;
use super::super::invocation::Invocation;
use super::super::launch;
use super::super::open_files::Read;
use super::super::process::{Context, Step, Task, Wait};
use super::super::script::Script;
use super::Outcome;

/// `sh` without a script: it reads one.
#[derive(Debug, Clone)]
struct ScriptFromInput {
    invocation: Invocation,
    dialect: Dialect,
    text: Vec<u8>,
}

/// A shell that reads its script from standard input.
pub(in super::super) fn script_from_input(invocation: Invocation, dialect: Dialect) -> Box<dyn Task> {
    Box::new(ScriptFromInput { invocation, dialect, text: Vec::new() })
}

impl Task for ScriptFromInput {
    fn step(&mut self, context: &mut Context<'_, '_>) -> Step {
        loop {
            match context.read(64 * 1024) {
                Ok(Read::Bytes(bytes)) if self.text.len() < 1 << 20 => self.text.extend(bytes),
                Ok(Read::Nothing(pipe)) => return Step::Block(Wait::Readable(pipe)),
                Ok(Read::Bytes(_) | Read::End) | Err(_) => break,
            }
        }
        match Script::parse(&String::from_utf8_lossy(&self.text)) {
            Ok(script) => Step::Become(launch::interpret(&script, &self.invocation, self.dialect, context.command)),
            Err(unsupported) => Step::Unsupported(unsupported.what),
        }
    }

    fn boxed_clone(&self) -> Box<dyn Task> {
        Box::new(self.clone())
    }
}

/// Copies standard input to standard output and to files.
#[derive(Debug, Clone)]
struct CopyTo {
    paths: Vec<String>,
}

pub(super) fn copy_to(context: &mut Context<'_, '_>, paths: Vec<String>) -> Outcome {
    let mut task = CopyTo { paths };
    match task.step(context) {
        Step::Exit(status) => Outcome::Ended(status),
        _ => Outcome::Task(Box::new(task)),
    }
}

impl Task for CopyTo {
    fn step(&mut self, context: &mut Context<'_, '_>) -> Step {
        loop {
            match context.read(64 * 1024) {
                Ok(Read::Bytes(bytes)) => {
                    for path in &self.paths {
                        let _ = context.system.world.files().append(path, &bytes);
                    }
                    context.print(bytes);
                    if context.own.full_pipe.is_some() {
                        return Step::Continue;
                    }
                }
                Ok(Read::Nothing(pipe)) => return Step::Block(Wait::Readable(pipe)),
                Ok(Read::End) | Err(_) => return Step::Exit(0),
            }
        }
    }

    fn boxed_clone(&self) -> Box<dyn Task> {
        Box::new(self.clone())
    }
}
