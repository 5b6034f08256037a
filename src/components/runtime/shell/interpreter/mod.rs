//! The interpreter: a stack of frames over the syntax, moved on one step at a time.
//!
//! Nothing of the machine's own stack is kept between steps, so a shell can wait anywhere, and be cloned while it does.
//! A frame that has nothing left to do after what it starts is not kept: the last command of a list runs without the
//! list below it. So "nothing but finished chains below" means "nothing follows", which is when shells replace
//! themselves by the last command.

mod compound;
mod frame;
mod redirection;
mod simple;
mod test;
mod trap;

use super::environment::{Dialect, Environment};
use super::expansion::{Expander, Known, Stop};
use super::open_files::{Read, Table};
use super::process::{Own, Running, Step, System, Wait};
use super::request::{Answer, Query, Request};
use super::syntax::{Body, Chain, Command, Connector, List, Pipeline};
use crate::engine::SimDuration;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) use frame::Frame;
pub(super) use trap::interrupting;

/// What a step costs in virtual time. Somewhat more than in reality, so that loops that spin take fewer steps.
const STEP_COST: SimDuration = SimDuration::from_micros(5);

/// What it costs to start a subshell.
const FORK_COST: SimDuration = SimDuration::from_micros(200);

/// After so many steps without waiting, a shell is taken for a loop that spins until something happens: now and then it
/// pauses, as if it had gone on spinning meanwhile, and the pauses double again and again.
const PATIENCE: u64 = 200_000;

/// So often a spinning shell pauses, in steps.
const BETWEEN_PAUSES: u64 = 2_000;

/// Deeper than this nests only a function that calls itself without end.
const MAX_FRAMES: usize = 10_000;

/// A command substitution with more output than this has no end.
const MAX_SUBSTITUTED: usize = 1 << 20;

/// A shell process.
#[derive(Debug, Clone)]
pub(super) struct Interpreter {
    pub environment: Environment,
    pub frames: Vec<Frame>,
    /// Whether this is the shell itself and not one of its subshells.
    pub is_main: bool,
    /// Whether the script came as text, `sh -c`: only then its last command may replace the shell.
    pub from_text: bool,
    /// Whether it was forked where `set -e` has no effect.
    errors_ignored: bool,
    /// The background processes, oldest first.
    pub jobs: Vec<u32>,
    /// How those ended that have, as far as it was looked.
    pub job_status: BTreeMap<u32, i32>,
    steps: u64,
    exiting: bool,
}

impl Interpreter {
    pub fn new(environment: Environment, list: Arc<List>, from_text: bool) -> Self {
        Self {
            environment,
            frames: vec![Frame::List { list, next: 0 }],
            is_main: true,
            from_text,
            errors_ignored: false,
            jobs: Vec::new(),
            job_status: BTreeMap::new(),
            steps: 0,
            exiting: false,
        }
    }

    /// The descriptors that frames keep.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.frames.iter().filter_map(Frame::table)
    }

    pub fn step(&mut self, own: &mut Own, system: &mut System<'_>) -> Step {
        self.steps += 1;
        own.spend(STEP_COST);
        if self.steps > PATIENCE && self.steps.is_multiple_of(BETWEEN_PAUSES) {
            let pause = STEP_COST * BETWEEN_PAUSES * (1 << (self.steps / PATIENCE).min(10));
            return Step::Block(Wait::Until(own.at + pause));
        }
        if self.frames.len() > MAX_FRAMES {
            return Step::Unsupported("functions nested without end".to_owned());
        }
        if self.starts_trap(own) {
            return Step::Continue;
        }
        let Some(frame) = self.frames.pop() else { return self.finish() };
        let step = self.resume(frame, own, system);
        if matches!(step, Step::Block(_)) {
            self.steps = 0;
        }
        step
    }

    fn resume(&mut self, frame: Frame, own: &mut Own, system: &mut System<'_>) -> Step {
        match frame {
            Frame::List { list, next } => self.list(list, next, own, system),
            Frame::Chain { chain, next, ran } => self.chain(chain, next, ran, own, system),
            Frame::Negate => {
                self.environment.status = i32::from(self.environment.status == 0);
                Step::Continue
            }
            Frame::Command { command, known } => self.command(command, known, own, system),
            Frame::If { command, arm } => self.decided_if(&command, arm),
            Frame::Loop { command, deciding, status } => self.next_round(command, deciding, status),
            Frame::For { command, words, next, status } => self.next_word(command, words, next, status),
            Frame::ForArithmetic { command, known, phase } => self.for_arithmetic(command, known, phase, own, system),
            Frame::Children { pids, statuses } => self.children(pids, statuses, own, system),
            Frame::Substitution { pid, file, text } => self.substitution(pid, file, text, own, system),
            Frame::Connect { call, deadline } => self.connect(call, deadline, own, system),
            Frame::Builtin { words, state } => self.builtin(words, state, own, system),
            Frame::Redirected { .. }
            | Frame::Restore { .. }
            | Frame::Function { .. }
            | Frame::Source { .. }
            | Frame::Trap { .. } => {
                self.clean_up(frame, own);
                Step::Continue
            }
        }
    }

    /// What a frame leaves behind, however it is left.
    pub fn clean_up(&mut self, frame: Frame, own: &mut Own) {
        match frame {
            Frame::Redirected { saved } => own.descriptors = saved,
            Frame::Restore { variables } => {
                for (name, before) in variables.into_iter().rev() {
                    self.environment.variables.restore(name, before);
                }
            }
            Frame::Function { positional } => {
                self.environment.variables.leave();
                self.environment.positional = positional;
            }
            Frame::Source { positional: Some(positional) } => self.environment.positional = positional,
            Frame::Trap { status } => self.environment.status = status,
            Frame::List { .. }
            | Frame::Chain { .. }
            | Frame::Negate
            | Frame::Command { .. }
            | Frame::If { .. }
            | Frame::Loop { .. }
            | Frame::For { .. }
            | Frame::ForArithmetic { .. }
            | Frame::Children { .. }
            | Frame::Substitution { .. }
            | Frame::Connect { .. }
            | Frame::Builtin { .. }
            | Frame::Source { positional: None } => {}
        }
    }

    /// Ends the shell, after its `EXIT` trap.
    pub fn exit(&mut self, status: i32) {
        self.environment.status = status & 0xff;
        self.frames.clear();
    }

    fn list(&mut self, list: Arc<List>, next: usize, own: &mut Own, system: &mut System<'_>) -> Step {
        let Some(item) = list.0.get(next) else { return Step::Continue };
        let chain = Arc::clone(&item.chain);
        let background = item.background;
        if next + 1 < list.0.len() {
            self.frames.push(Frame::List { list, next: next + 1 });
        }
        if self.environment.options.no_exec {
            return Step::Continue;
        }
        let frame = Frame::Chain { chain, next: 0, ran: None };
        if background {
            let mut descriptors = own.descriptors.clone();
            descriptors.set(0, Some(system.kernel.open.open(super::open_files::Description::Null)));
            let pid = self.fork(frame, descriptors, own, system);
            self.environment.last_background = Some(pid);
            self.environment.status = 0;
            self.jobs.push(pid);
            if self.jobs.len() > 256 {
                let oldest = self.jobs.remove(0);
                self.job_status.remove(&oldest);
                system.kernel.ended.remove(&oldest);
            }
        } else {
            self.frames.push(frame);
        }
        Step::Continue
    }

    fn chain(
        &mut self,
        chain: Arc<Chain>,
        next: usize,
        ran: Option<usize>,
        own: &mut Own,
        system: &mut System<'_>,
    ) -> Step {
        let status = self.environment.status;
        if ran.is_some_and(|ran| ran + 1 == chain.0.len() && self.must_exit(&chain.0[ran].1)) {
            self.exit(status);
            return Step::Continue;
        }
        let runs = |(connector, _): &&(Connector, Arc<Pipeline>)| match connector {
            Connector::First => true,
            Connector::And => status == 0,
            Connector::Or => status != 0,
        };
        let Some(at) = (next..chain.0.len()).find(|at| runs(&&chain.0[*at])) else { return Step::Continue };
        let pipeline = Arc::clone(&chain.0[at].1);
        self.frames.push(Frame::Chain { chain, next: at + 1, ran: Some(at) });
        self.pipeline(&pipeline, own, system);
        Step::Continue
    }

    /// Whether `set -e` ends the shell after this pipeline.
    fn must_exit(&self, pipeline: &Pipeline) -> bool {
        let counts = match pipeline.stages.as_slice() {
            [command] => {
                matches!(command.body, Body::Simple { .. } | Body::Subshell(_) | Body::Arithmetic(_) | Body::Test(_))
            }
            _ => true,
        };
        self.environment.options.exit_on_error
            && self.environment.status != 0
            && counts
            && !pipeline.negated
            && !self.errors_ignored()
    }

    /// Whether something below asks for the status, so that a failure is no error.
    fn errors_ignored(&self) -> bool {
        self.errors_ignored || self.frames.iter().any(Frame::asks_for_status)
    }

    fn pipeline(&mut self, pipeline: &Pipeline, own: &mut Own, system: &mut System<'_>) {
        if pipeline.negated {
            self.frames.push(Frame::Negate);
        }
        if let [command] = pipeline.stages.as_slice() {
            self.frames.push(Frame::Command { command: Arc::clone(command), known: Vec::new() });
            return;
        }
        let mut input = None;
        let mut pids = Vec::new();
        for (at, command) in pipeline.stages.iter().enumerate() {
            let mut descriptors = own.descriptors.clone();
            if let Some(input) = input.take() {
                descriptors.set(0, Some(input));
            }
            if at + 1 < pipeline.stages.len() {
                let (output, writer) = system.kernel.open.pipe();
                descriptors.set(1, Some(writer));
                input = Some(output);
            }
            let frame = Frame::Command { command: Arc::clone(command), known: Vec::new() };
            pids.push(self.fork(frame, descriptors, own, system));
        }
        self.frames.push(Frame::Children { statuses: vec![None; pids.len()], pids });
    }

    /// Starts a subshell that runs one frame.
    pub fn fork(&mut self, frame: Frame, descriptors: Table, own: &mut Own, system: &mut System<'_>) -> u32 {
        own.spend(FORK_COST);
        let mut environment = self.environment.clone();
        environment.reset_traps();
        // A command that a pipe leads to or from is what its process turns into.
        if let Frame::Command { command, .. } = &frame
            && let Some(line) = command.literal_line()
        {
            environment.command_line = line.into();
        }
        let child = Self {
            environment,
            frames: vec![frame],
            is_main: false,
            from_text: true,
            errors_ignored: self.errors_ignored(),
            jobs: Vec::new(),
            job_status: BTreeMap::new(),
            steps: 0,
            exiting: false,
        };
        system.spawn(own, descriptors, Running::Interpreter(Box::new(child)))
    }

    fn children(
        &mut self,
        pids: Vec<u32>,
        mut statuses: Vec<Option<i32>>,
        own: &mut Own,
        system: &mut System<'_>,
    ) -> Step {
        for (pid, status) in pids.iter().zip(&mut statuses) {
            *status = status.or_else(|| system.reap(own, *pid));
        }
        if statuses.contains(&None) {
            self.frames.push(Frame::Children { pids, statuses });
            return Step::Block(Wait::Child);
        }
        let mut statuses = statuses.into_iter().flatten().rev();
        let last = statuses.next().unwrap_or(0);
        let failed = if last == 0 { statuses.find(|status| *status != 0) } else { None };
        self.environment.status = failed.filter(|_| self.environment.options.pipefail).unwrap_or(last);
        Step::Continue
    }

    fn substitution(
        &mut self,
        pid: u32,
        file: super::open_files::FileId,
        mut text: Vec<u8>,
        own: &mut Own,
        system: &mut System<'_>,
    ) -> Step {
        let wait = loop {
            match system.kernel.open.read(file, usize::MAX, system.world) {
                Ok(Read::Bytes(bytes)) => {
                    text.extend(bytes);
                    if text.len() > MAX_SUBSTITUTED {
                        return Step::Unsupported("a command substitution with more than 1 MiB of output".to_owned());
                    }
                }
                Ok(Read::Nothing(pipe)) => break Some(Wait::Readable(pipe)),
                Ok(Read::End) | Err(_) => break None,
            }
        };
        let status = match wait {
            None => system.reap(own, pid),
            Some(_) => None,
        };
        let Some(status) = status else {
            self.frames.push(Frame::Substitution { pid, file, text });
            return Step::Block(wait.unwrap_or(Wait::Child));
        };
        text.retain(|byte| *byte != 0);
        let text = String::from_utf8_lossy(&text).trim_end_matches('\n').to_owned();
        self.learn(Known::Output { text, status });
        Step::Continue
    }

    fn connect(
        &mut self,
        call: super::request::CallId,
        deadline: crate::engine::SimTime,
        own: &Own,
        system: &mut System<'_>,
    ) -> Step {
        match system.kernel.answers.remove(&call) {
            Some(answer) => self.learn(Known::Connected(matches!(answer, Answer::Network(Ok(_))))),
            None if own.at >= deadline => self.learn(Known::Connected(false)),
            None => {
                self.frames.push(Frame::Connect { call, deadline });
                return Step::Block(Wait::Answer(call, Some(deadline)));
            }
        }
        Step::Continue
    }

    /// Gives the command that stopped what it stopped for.
    fn learn(&mut self, fact: Known) {
        if let Some(Frame::Command { known, .. } | Frame::ForArithmetic { known, .. }) = self.frames.last_mut() {
            known.push(fact);
        }
    }

    /// Starts what an expansion stopped for. The frame that will expand again is on top.
    fn fetch(&mut self, stop: Stop, own: &mut Own, system: &mut System<'_>) -> Step {
        match stop {
            Stop::Substitute(list) => {
                let (file, writer) = system.kernel.open.pipe();
                let mut descriptors = own.descriptors.clone();
                descriptors.set(1, Some(writer));
                let pid = self.fork(Frame::List { list, next: 0 }, descriptors, own, system);
                self.frames.push(Frame::Substitution { pid, file, text: Vec::new() });
                Step::Continue
            }
            Stop::Connect { host, port } => {
                let call = system.call(Request::Network(Query::Connect { host, port }));
                let deadline = own.at + SimDuration::from_mins(2);
                self.frames.push(Frame::Connect { call, deadline });
                Step::Continue
            }
            Stop::Fail(message) => {
                let status = if self.from_text && !self.environment.options.exit_on_error { 127 } else { 1 };
                self.fail(&message, status, own, system)
            }
            Stop::Wrong(message) => self.fail(&message, 1, own, system),
            Stop::Unsupported(what) => Step::Unsupported(what),
        }
    }

    /// Ends the shell with an error; bash has a status of its own for it.
    pub fn fail(&mut self, message: &str, in_bash: i32, own: &mut Own, system: &mut System<'_>) -> Step {
        self.complain(message, own, system);
        self.exit(if self.environment.dialect == Dialect::Bash { in_bash } else { 2 });
        Step::Continue
    }

    /// Writes an error message as this shell does.
    pub fn complain(&mut self, message: &str, own: &mut Own, system: &mut System<'_>) {
        let line = format!("{}{message}\n", self.environment.prefix());
        let _ = own.write(2, line.as_bytes(), system);
    }

    fn expander<'a>(&'a mut self, known: &'a [Known], own: &Own, system: &'a mut System<'_>) -> Expander<'a> {
        let random = system.random();
        Expander {
            environment: &mut self.environment,
            files: system.world.files(),
            known: known.iter(),
            random,
            seconds: own.at.since(system.kernel.started_at).as_secs(),
            substituted: None,
        }
    }
}

/// The command that a frame refers to, with its body; the two always match.
fn body(command: &Command) -> &Body {
    &command.body
}
