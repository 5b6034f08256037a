//! Compound commands: `if`, loops, `case`, groups, and how `break` and `return` leave them.

use super::super::expansion::{Known, Stop};
use super::super::process::{Own, Step, System};
use super::super::syntax::{Body, Command};
use super::frame::{ForPhase, Frame};
use super::{Interpreter, body};
use std::sync::Arc;

impl Interpreter {
    /// Starts a compound command whose words are expanded and whose redirections are done.
    pub(super) fn compound(&mut self, command: &Arc<Command>, own: &mut Own, system: &mut System<'_>) -> Step {
        let shared = Arc::clone(command);
        match body(command) {
            Body::Group(list) => self.frames.push(Frame::List { list: Arc::clone(list), next: 0 }),
            // A subshell at the end of a subshell is the same process: `( ... ) &`, `( ... ) | x`.
            Body::Subshell(list) if !self.is_main && self.is_at_end() => {
                self.environment.reset_traps();
                self.frames.push(Frame::List { list: Arc::clone(list), next: 0 });
            }
            Body::Subshell(list) => {
                let frame = Frame::List { list: Arc::clone(list), next: 0 };
                let pid = self.fork(frame, own.descriptors.clone(), own, system);
                self.frames.push(Frame::Children { pids: vec![pid], statuses: vec![None] });
            }
            Body::If { arms, .. } => {
                let condition = Arc::clone(&arms[0].0);
                self.frames.push(Frame::If { command: shared, arm: 0 });
                self.frames.push(Frame::List { list: condition, next: 0 });
            }
            Body::Loop { condition, .. } => {
                let condition = Arc::clone(condition);
                self.frames.push(Frame::Loop { command: shared, deciding: true, status: 0 });
                self.frames.push(Frame::List { list: condition, next: 0 });
            }
            Body::ForArithmetic { .. } => {
                let frame = Frame::ForArithmetic { command: shared, known: Vec::new(), phase: ForPhase::Start };
                self.environment.status = 0;
                self.frames.push(frame);
            }
            Body::Function { name, body } => {
                Arc::make_mut(&mut self.environment.functions).insert(name.clone(), Arc::clone(body));
                self.environment.status = 0;
            }
            Body::Simple { .. } | Body::For { .. } | Body::Case { .. } | Body::Arithmetic(_) | Body::Test(_) => {
                unreachable!("these are started with their words")
            }
        }
        Step::Continue
    }

    /// The condition of an `if` has run.
    pub(super) fn decided_if(&mut self, command: &Arc<Command>, arm: usize) -> Step {
        let Body::If { arms, otherwise } = body(command) else { return Step::Continue };
        let next = if self.environment.status == 0 {
            Some(&arms[arm].1)
        } else if let Some((condition, _)) = arms.get(arm + 1) {
            self.frames.push(Frame::If { command: Arc::clone(command), arm: arm + 1 });
            Some(condition)
        } else {
            if otherwise.is_none() {
                self.environment.status = 0;
            }
            otherwise.as_ref()
        };
        if let Some(list) = next {
            self.frames.push(Frame::List { list: Arc::clone(list), next: 0 });
        }
        Step::Continue
    }

    /// The condition or the body of a `while` has run. `status` is that of the last body.
    pub(super) fn next_round(&mut self, command: Arc<Command>, deciding: bool, status: i32) -> Step {
        let Body::Loop { until, condition, body } = body(&command) else { return Step::Continue };
        let list = if !deciding {
            let status = self.environment.status;
            let list = Arc::clone(condition);
            self.frames.push(Frame::Loop { command, deciding: true, status });
            list
        } else if (self.environment.status == 0) != *until {
            let list = Arc::clone(body);
            self.frames.push(Frame::Loop { command, deciding: false, status });
            list
        } else {
            self.environment.status = status;
            return Step::Continue;
        };
        self.frames.push(Frame::List { list, next: 0 });
        Step::Continue
    }

    /// The body of a `for` has run, or it begins.
    pub(super) fn next_word(&mut self, command: Arc<Command>, words: Arc<[String]>, next: usize, status: i32) -> Step {
        let Body::For { name, body, .. } = body(&command) else { return Step::Continue };
        let status = if next == 0 { status } else { self.environment.status };
        self.environment.status = status;
        let Some(word) = words.get(next) else { return Step::Continue };
        if self.environment.assign(name, word.clone()).is_err() {
            self.exit(2);
            return Step::Continue;
        }
        let list = Arc::clone(body);
        self.frames.push(Frame::For { command, words, next: next + 1, status });
        self.frames.push(Frame::List { list, next: 0 });
        Step::Continue
    }

    pub(super) fn for_arithmetic(
        &mut self,
        command: Arc<Command>,
        known: Vec<Known>,
        phase: ForPhase,
        own: &mut Own,
        system: &mut System<'_>,
    ) -> Step {
        let Body::ForArithmetic { start, condition, update, body } = body(&command) else { return Step::Continue };
        let expression = match phase {
            ForPhase::Start => start,
            ForPhase::Condition => condition,
            ForPhase::Update => update,
        };
        let before = self.environment.variables.clone();
        let value = self.expander(&known, own, system).arithmetic(expression);
        match value {
            Err(stop @ (Stop::Substitute(_) | Stop::Connect { .. })) => {
                self.environment.variables = before;
                self.frames.push(Frame::ForArithmetic { command, known, phase });
                self.fetch(stop, own, system)
            }
            Err(stop) => self.fetch(stop, own, system),
            Ok(value) => {
                let ends = phase == ForPhase::Condition && value == 0 && !condition.pieces.is_empty();
                if !ends {
                    let list = Arc::clone(body);
                    let next = match phase {
                        ForPhase::Start | ForPhase::Update => ForPhase::Condition,
                        ForPhase::Condition => ForPhase::Update,
                    };
                    self.frames.push(Frame::ForArithmetic { command, known: Vec::new(), phase: next });
                    if phase == ForPhase::Condition {
                        self.frames.push(Frame::List { list, next: 0 });
                    }
                }
                Step::Continue
            }
        }
    }

    /// `break` and `continue`: leaves loops, but not the function around them.
    pub fn leave_loops(&mut self, count: usize, goes_on: bool, own: &mut Own) {
        let inside = self.frames.iter().rposition(|frame| matches!(frame, Frame::Function { .. }));
        let loops = self.frames[inside.map_or(0, |at| at + 1)..].iter().filter(|frame| frame.is_loop()).count();
        let mut left = count.min(loops);
        while left > 0
            && let Some(frame) = self.frames.pop()
        {
            if frame.is_loop() {
                left -= 1;
                if left == 0 && goes_on {
                    self.frames.push(match frame {
                        // `continue` in the condition itself: the condition runs again.
                        Frame::Loop { command, status, .. } => Frame::Loop { command, deciding: false, status },
                        other => other,
                    });
                }
            } else {
                self.clean_up(frame, own);
            }
        }
    }

    /// `return`: leaves the function or the sourced script. False if there is none.
    pub fn leave_function(&mut self, own: &mut Own) -> bool {
        let inside =
            self.frames.iter().rposition(|frame| matches!(frame, Frame::Function { .. } | Frame::Source { .. }));
        let Some(inside) = inside else { return false };
        while self.frames.len() > inside
            && let Some(frame) = self.frames.pop()
        {
            self.clean_up(frame, own);
        }
        true
    }
}
