//! Utilities that listen: the host plays them, by a command line that says no more than it needs.

use super::super::open_files::Read;
use super::super::process::{Context, Running, Step, Task, Wait};
use super::super::request::Command;
use super::Outcome;
use super::flags::{Flags, Spec};

/// `httpd` of BusyBox: in the foreground, or beside whoever started it.
pub(super) fn httpd(context: &mut Context<'_, '_>) -> Outcome {
    let spec = Spec { letters: "c:d:fh:ip:r:u:v", long: &[], permutes: false };
    let Some(flags) = Flags::parse(context.arguments(), &spec).ok().filter(|_| context.is_busybox()) else {
        return Outcome::Hosted(context.command.clone());
    };
    let port = flags.value('p').map_or("80", |value| value.rsplit(':').next().unwrap_or(value)).to_owned();
    let directory = context.path(flags.value('h').unwrap_or("."));
    let argv = ["httpd", "-f", "-p", &port, "-h", &directory].map(str::to_owned).to_vec();
    let command = Command { argv, ..context.command.clone() };
    if flags.has('f') {
        return Outcome::Hosted(command);
    }
    let daemon = Running::Host { command, call: None };
    context.system.spawn(context.own, context.own.descriptors.clone(), daemon);
    Outcome::Ended(0)
}

/// `nc -l`: what it reads goes to whoever connects. It serves one connection unless it is told to stay.
pub(super) fn nc(context: &Context<'_, '_>, flags: &Flags) -> Outcome {
    let Some(port) = flags.value('p').or(flags.operands.last().map(String::as_str)) else {
        return Outcome::Unsupported("nc -l".to_owned());
    };
    let mut argv = ["nc", "-l", "-p", port].map(str::to_owned).to_vec();
    let stays = flags.has('k') || flags.values('l').count() > 1;
    argv.extend(stays.then(|| "-k".to_owned()));
    if let Some(program) = flags.value('e').or(flags.value('c')) {
        argv.extend(["-e".to_owned(), program.to_owned()]);
    }
    Outcome::Task(Box::new(Gather { command: Command { argv, ..context.command.clone() } }))
}

/// Reads what there is to say, before the host is asked to say it.
#[derive(Debug, Clone)]
struct Gather {
    command: Command,
}

impl Task for Gather {
    fn step(&mut self, context: &mut Context<'_, '_>) -> Step {
        let mut command = std::mem::take(&mut self.command);
        loop {
            match context.read(64 * 1024) {
                Ok(Read::Bytes(bytes)) if command.input.len() < 1 << 20 => command.input.extend(bytes),
                Ok(Read::Nothing(pipe)) if command.input.is_empty() => {
                    self.command = command;
                    return Step::Block(Wait::Readable(pipe));
                }
                Ok(_) | Err(_) => return Step::Become(Running::Host { command, call: None }),
            }
        }
    }

    fn boxed_clone(&self) -> Box<dyn Task> {
        Box::new(self.clone())
    }
}
