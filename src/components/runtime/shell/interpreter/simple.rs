//! Commands: expanded, redirected, started.

use super::super::builtins;
use super::super::environment::Dialect;
use super::super::expansion::{Known, Stop};
use super::super::launch::{self, Launched};
use super::super::process::{Own, Running, Step, System};
use super::super::request;
use super::super::syntax::{AssignedValue, Assignment, Body, Command, List};
use super::super::variables::Variable;
use super::frame::Frame;
use super::redirection::Opening;
use super::{Interpreter, body};
use std::sync::Arc;

/// A command with more words comes from a loop that doubles them.
const MAX_WORDS: usize = 100_000;

/// A command after expansion.
struct Prepared {
    openings: Vec<Opening>,
    start: Start,
}

/// What is to be started.
enum Start {
    /// A simple command without words: its status.
    Assigned(i32),
    /// A simple command, and what the variables before it were.
    Words(Vec<String>, Vec<(String, Option<Variable>)>),
    For(Vec<String>),
    Case(Vec<Arc<List>>),
    Status(i32),
    Compound,
}

impl Interpreter {
    pub(super) fn command(
        &mut self,
        command: Arc<Command>,
        known: Vec<Known>,
        own: &mut Own,
        system: &mut System<'_>,
    ) -> Step {
        let before = command.substitutes.then(|| self.environment.variables.clone());
        match self.prepare(&command, &known, own, system) {
            Ok(prepared) => {
                drop(before);
                self.start(&command, prepared, own, system)
            }
            Err(stop) => {
                if let (Stop::Substitute(_) | Stop::Connect { .. }, Some(before)) = (&stop, before) {
                    self.environment.variables = before;
                }
                self.frames.push(Frame::Command { command, known });
                self.fetch(stop, own, system)
            }
        }
    }

    fn prepare(
        &mut self,
        command: &Command,
        known: &[Known],
        own: &mut Own,
        system: &mut System<'_>,
    ) -> Result<Prepared, Stop> {
        let mut trace = Vec::new();
        let mut expander = self.expander(known, own, system);
        let start = match body(command) {
            Body::Simple { assignments, words } => {
                let words = expander.fields(words)?;
                let mut saved = Vec::new();
                let temporary = !words.is_empty() && words[0] != "exec";
                for assignment in assignments {
                    if temporary {
                        let before = expander.environment.variables.snapshot(&assignment.name);
                        saved.push((assignment.name.clone(), before));
                    }
                    trace.push(assign(&mut expander, assignment)?);
                    if !words.is_empty() {
                        expander.environment.variables.export(&assignment.name, true);
                    }
                }
                match words.is_empty() {
                    true => Start::Assigned(expander.substituted.unwrap_or(0)),
                    false => Start::Words(words, saved),
                }
            }
            Body::For { words, .. } => Start::For(match words {
                Some(words) => expander.fields(words)?,
                None => expander.environment.positional.to_vec(),
            }),
            Body::Case { subject, arms } => {
                let subject = expander.text(subject)?;
                let mut bodies = Vec::new();
                let mut falls = false;
                for arm in arms {
                    let mut matches = falls;
                    for pattern in &arm.patterns {
                        matches = matches || expander.pattern(pattern)?.matches(&subject);
                    }
                    if matches {
                        bodies.push(Arc::clone(&arm.body));
                        falls = arm.falls_through;
                        if !falls {
                            break;
                        }
                    }
                }
                Start::Case(bodies)
            }
            Body::Arithmetic(expression) => Start::Status(i32::from(expander.arithmetic(expression)? == 0)),
            Body::Test(expression) => {
                let value = expander.test(expression)?;
                Start::Status(i32::from(!value))
            }
            Body::Group(_)
            | Body::Subshell(_)
            | Body::If { .. }
            | Body::Loop { .. }
            | Body::ForArithmetic { .. }
            | Body::Function { .. } => Start::Compound,
        };
        let openings = expander.openings(&command.redirections)?;
        if self.environment.options.trace {
            self.trace(&trace, &start, own, system);
        }
        Ok(Prepared { openings, start })
    }

    fn start(
        &mut self,
        command: &Arc<Command>,
        Prepared { openings, start }: Prepared,
        own: &mut Own,
        system: &mut System<'_>,
    ) -> Step {
        if !openings.is_empty() {
            match self.redirected(openings, own, system) {
                Ok(table) => {
                    let permanent = matches!(&start, Start::Words(words, _) if words.as_slice() == ["exec"]);
                    let saved = std::mem::replace(&mut own.descriptors, table);
                    if !permanent {
                        self.frames.push(Frame::Redirected { saved });
                    }
                }
                Err(message) => {
                    self.complain(&message, own, system);
                    self.environment.status = if self.environment.dialect == Dialect::Dash { 2 } else { 1 };
                    if let Start::Words(words, saved) = start {
                        self.frames.push(Frame::Restore { variables: saved });
                        if self.environment.dialect != Dialect::Bash && builtins::is_special(&words[0]) {
                            self.exit(self.environment.status);
                        }
                    }
                    return Step::Continue;
                }
            }
        }
        match start {
            Start::Assigned(status) | Start::Status(status) => {
                self.environment.status = status;
                Step::Continue
            }
            Start::Words(words, saved) => {
                if !saved.is_empty() {
                    self.frames.push(Frame::Restore { variables: saved });
                }
                self.call(words, own, system)
            }
            Start::For(words) => self.next_word(Arc::clone(command), words.into(), 0, 0),
            Start::Case(bodies) => {
                self.environment.status = 0;
                self.frames.extend(bodies.into_iter().rev().map(|list| Frame::List { list, next: 0 }));
                Step::Continue
            }
            Start::Compound => self.compound(command, own, system),
        }
    }

    /// Runs a command by its words: a function, a built-in, or something else.
    pub fn call(&mut self, words: Vec<String>, own: &mut Own, system: &mut System<'_>) -> Step {
        if words.len() > MAX_WORDS {
            return Step::Unsupported(format!("a command with {} words", words.len()));
        }
        let name = words[0].as_str();
        if let Some(function) = self.environment.functions.get(name).filter(|_| !builtins::is_special(name)) {
            let function = Arc::clone(function);
            let positional = std::mem::replace(&mut self.environment.positional, words[1..].into());
            self.environment.variables.enter();
            self.frames.push(Frame::Function { positional });
            self.frames.push(Frame::Command { command: function, known: Vec::new() });
            return Step::Continue;
        }
        if builtins::find(name).is_some() {
            return self.builtin(words, builtins::Progress::default(), own, system);
        }
        let replaces = self.may_replace();
        self.execute(words, replaces, own, system)
    }

    /// Runs a built-in, or goes on with one that waited.
    pub(super) fn builtin(
        &mut self,
        words: Vec<String>,
        mut state: builtins::Progress,
        own: &mut Own,
        system: &mut System<'_>,
    ) -> Step {
        let Some(run) = builtins::find(&words[0]) else { return Step::Continue };
        match run(self, &words, &mut state, own, system) {
            builtins::Outcome::Status(status) => {
                self.environment.status = status;
                Step::Continue
            }
            builtins::Outcome::Waits(wait) => {
                self.frames.push(Frame::Builtin { words, state });
                Step::Block(wait)
            }
            builtins::Outcome::Step(step) => step,
        }
    }

    /// Runs something that is not part of the shell.
    pub fn execute(&mut self, words: Vec<String>, replaces: bool, own: &mut Own, system: &mut System<'_>) -> Step {
        let command = request::Command {
            argv: words,
            environment: self.environment.variables.environment(),
            directory: self.environment.directory.clone(),
            input: Vec::new(),
        };
        let name = command.argv[0].clone();
        own.shell = Some(self.environment.command_line.clone());
        let launched = launch::launch(command, self.environment.dialect, own, system);
        own.shell = None;
        match launched {
            Launched::Ended(status) => {
                // A utility that ran within this step stands for a process of its own: it alone dies of SIGPIPE.
                self.environment.status = if std::mem::take(&mut own.broken_pipe) { 141 } else { status };
            }
            Launched::Runs(running) if replaces => return Step::Become(running),
            Launched::Runs(running) => self.foreground(running, own, system),
            Launched::Missing => {
                let what = match (self.environment.dialect, name.contains('/')) {
                    (Dialect::Bash, false) => "command not found",
                    (Dialect::Bash, true) => "No such file or directory",
                    (Dialect::BusyBox | Dialect::Dash, _) => "not found",
                };
                self.complain(&format!("{name}: {what}"), own, system);
                self.environment.status = 127;
            }
            Launched::NotExecutable => {
                self.complain(&format!("{name}: Permission denied"), own, system);
                self.environment.status = 126;
            }
            Launched::Unsupported(what) => return Step::Unsupported(what),
        }
        Step::Continue
    }

    fn foreground(&mut self, running: Running, own: &mut Own, system: &mut System<'_>) {
        let pid = system.spawn(own, own.descriptors.clone(), running);
        self.frames.push(Frame::Children { pids: vec![pid], statuses: vec![None] });
    }

    /// Whether nothing follows the command that starts now, not even a trap.
    pub(super) fn is_at_end(&self) -> bool {
        !self.environment.has_handler() && self.frames.iter().all(Frame::is_spent)
    }

    /// Whether the command that starts now is the last one, so that this shell replaces itself by it.
    ///
    /// Measured with BusyBox 1.35, dash 0.5.12 and bash 5.2: `sh -c 'a; b'` of dash stays; bash replaces itself by `b`
    /// if `b` stands at the top of the script; BusyBox also by the last command within `if` or braces.
    fn may_replace(&self) -> bool {
        if !self.is_at_end() {
            return false;
        }
        let chains = self.frames.iter().filter(|frame| matches!(frame, Frame::Chain { .. })).count();
        match (self.is_main, self.environment.dialect) {
            (false, _) => true,
            (true, Dialect::BusyBox) => self.from_text,
            (true, Dialect::Bash) => self.from_text && chains <= 1,
            (true, Dialect::Dash) => false,
        }
    }

    /// `set -x`.
    fn trace(&mut self, assigned: &[String], start: &Start, own: &mut Own, system: &mut System<'_>) {
        let prefix = self.environment.variables.get("PS4").unwrap_or("+ ").to_owned();
        let quotes = self.environment.dialect != Dialect::Dash;
        let words = match start {
            Start::Words(words, _) => words.as_slice(),
            Start::Assigned(_) => &[],
            Start::For(_) | Start::Case(_) | Start::Status(_) | Start::Compound => return,
        };
        let shown = words.iter().map(|word| if quotes { builtins::quoted(word) } else { word.clone() });
        let line: Vec<String> = assigned.iter().cloned().chain(shown).collect();
        let _ = own.write(2, format!("{prefix}{}\n", line.join(" ")).as_bytes(), system);
    }
}

/// Performs an assignment; returns it as `set -x` shows it.
fn assign(expander: &mut super::Expander<'_>, assignment: &Assignment) -> Result<String, Stop> {
    let name = &assignment.name;
    let shown = match (&assignment.value, &assignment.index) {
        (AssignedValue::Array(items), _) => {
            let items = expander.fields(items)?;
            let shown = format!("{name}=({})", items.join(" "));
            expander.environment.variables.set_array(name, items, assignment.append).map_err(Stop::Wrong)?;
            return Ok(shown);
        }
        (AssignedValue::Scalar(word), Some(index)) => {
            let index = expander.arithmetic(index)?;
            let mut text = expander.text(word)?;
            if assignment.append {
                text = expander.environment.variables.element(name, index).unwrap_or("").to_owned() + &text;
            }
            expander.environment.variables.set_element(name, index, text.clone()).map_err(Stop::Wrong)?;
            return Ok(format!("{name}[{index}]={text}"));
        }
        (AssignedValue::Scalar(word), None) => {
            let text = expander.text(word)?;
            if assignment.append {
                expander.environment.variables.get(name).unwrap_or("").to_owned() + &text
            } else {
                text
            }
        }
    };
    let quoted = builtins::quoted(&shown);
    expander.environment.assign(name, shown).map_err(Stop::Wrong)?;
    Ok(format!("{name}={quoted}"))
}
