//! `tini` and `dumb-init`: number 1 in the place of a program that is none. They pass signals on to what runs below
//! them, which dies of those that it has no handler for, and end as it does.

use super::super::builtins::send;
use super::super::launch::{Found, find};
use super::super::process::{Context, Running, Step, Task, Wait};
use super::super::request::Command;
use super::super::signal::Signal;
use super::Outcome;
use super::flags::{Flags, Spec};

/// The program below, and what is done with signals.
#[derive(Debug, Clone)]
struct Init {
    child: u32,
    /// Whether everything below gets them, not only the program.
    to_all: bool,
    /// Signals in the place of others; none for those that are swallowed.
    rewrites: Vec<(Signal, Option<Signal>)>,
    /// Exit codes that count as success.
    fine: Vec<i32>,
}

pub(super) fn init(context: &mut Context<'_, '_>) -> Outcome {
    let dumb = context.command.base_name() == "dumb-init";
    let tini = Spec { letters: "svwglhp:e:", long: &[("version", 'V')], permutes: false };
    let long = [("single-child", 'c'), ("rewrite", 'r'), ("verbose", 'v'), ("version", 'V'), ("help", 'h')];
    let spec = if dumb { Spec { letters: "cr:vhV", long: &long, permutes: false } } else { tini };
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("{} {flag}", context.command.base_name())),
    };
    if flags.operands.is_empty() {
        return Outcome::Ended(i32::from(!(flags.has('V') || flags.has('h'))));
    }
    let rewrites = flags.values('r').filter_map(|value| {
        let (from, to) = value.split_once(':')?;
        Some((Signal::parse(from)?, Signal::parse(to).filter(|signal| *signal != Signal::EXIT)))
    });
    let command = Command { argv: flags.operands.clone(), ..context.command.clone() };
    let name = command.argv[0].clone();
    match find(&command, context.system.world) {
        Found::Played | Found::Script { .. } | Found::Host => {}
        Found::NotExecutable | Found::Missing if dumb => {
            context.complain_plainly(format_args!("[dumb-init] {name}: No such file or directory"));
            return Outcome::Ended(2);
        }
        found => {
            context.complain_plainly(format_args!("[FATAL tini (7)] exec {name} failed: No such file or directory"));
            return Outcome::Ended(if found == Found::Missing { 127 } else { 126 });
        }
    }
    let running = Running::Command(command, context.system.kernel.dialect);
    let child = context.system.spawn(context.own, context.own.descriptors.clone(), running);
    Outcome::Task(Box::new(Init {
        child,
        to_all: if dumb { !flags.has('c') } else { flags.has('g') },
        rewrites: rewrites.collect(),
        fine: flags.values('e').filter_map(|code| code.parse().ok()).collect(),
    }))
}

impl Task for Init {
    fn step(&mut self, context: &mut Context<'_, '_>) -> Step {
        for signal in std::mem::take(&mut context.own.pending) {
            let rewrite = self.rewrites.iter().find(|(from, _)| *from == signal);
            let Some(signal) = rewrite.map_or(Some(signal), |(_, to)| *to) else { continue };
            let below: Vec<u32> = match self.to_all {
                true => context.system.others.keys().copied().collect(),
                false => vec![self.child],
            };
            for pid in below {
                send(pid, signal, context.own, context.system);
            }
        }
        match context.system.reap(context.own, self.child) {
            Some(status) => Step::Exit(if self.fine.contains(&status) { 0 } else { status }),
            None => Step::Block(Wait::ChildOrSignal),
        }
    }

    fn catches(&self, _: Signal) -> bool {
        true
    }

    fn boxed_clone(&self) -> Box<dyn Task> {
        Box::new(self.clone())
    }
}
