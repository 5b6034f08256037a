//! Traps: when they run, and how the shell ends.

use super::super::environment::Trap;
use super::super::process::{Own, Step};
use super::super::signal::Signal;
use super::Interpreter;
use super::frame::Frame;
use std::sync::Arc;

impl Interpreter {
    /// Starts the trap of a pending signal, unless a command in the foreground must end first.
    pub(super) fn starts_trap(&mut self, own: &mut Own) -> bool {
        if own.pending.is_empty() || self.frames.last().is_some_and(Frame::is_under_way) || self.frames.is_empty() {
            return false;
        }
        let signal = own.pending.remove(0);
        let Some(Trap::Run(_, list)) = self.environment.traps.get(&signal) else { return false };
        let list = Arc::clone(list);
        self.frames.push(Frame::Trap { status: self.environment.status });
        self.frames.push(Frame::List { list, next: 0 });
        true
    }

    /// The script is at its end: the `EXIT` trap runs, then the process ends.
    pub(super) fn finish(&mut self) -> Step {
        match self.environment.traps.remove(&Signal::EXIT) {
            Some(Trap::Run(_, list)) if !self.exiting => {
                self.exiting = true;
                self.frames.push(Frame::Trap { status: self.environment.status });
                self.frames.push(Frame::List { list, next: 0 });
                Step::Continue
            }
            Some(Trap::Run(..) | Trap::Ignore) | None => Step::Exit(self.environment.status),
        }
    }
}

/// The first pending signal with a trap that runs something: it interrupts `wait`.
pub(in super::super) fn interrupting(interpreter: &Interpreter, own: &Own) -> Option<Signal> {
    let runs = |signal: &&Signal| matches!(interpreter.environment.traps.get(*signal), Some(Trap::Run(..)));
    own.pending.iter().find(runs).copied()
}
