//! Utilities that run other commands: `env`, `nohup`, `busybox`, `xargs`.

use super::super::environment::Dialect;
use super::super::open_files::{Description, Read};
use super::super::process::{Context, Running, Step, Task, Wait};
use super::super::request::Command;
use super::Outcome;
use super::flags::{Flags, Spec};
use super::identity::printenv;
use std::collections::VecDeque;
use std::sync::Arc;

pub(super) fn env(context: &mut Context<'_, '_>) -> Outcome {
    let mut environment = (*context.command.environment).clone();
    let mut words: VecDeque<String> = context.arguments().into();
    while let Some(word) = words.front().cloned() {
        match word.as_str() {
            "-" | "-i" | "--ignore-environment" => environment.clear(),
            "-u" | "--unset" => {
                words.pop_front();
                if let Some(name) = words.front() {
                    environment.remove(name.as_str());
                }
            }
            "-S" | "--" => {}
            _ => match word.split_once('=') {
                Some((name, value)) if !name.starts_with('-') => {
                    environment.insert(name.to_owned().into(), value.into());
                }
                _ if word.starts_with('-') => return Outcome::Unsupported(format!("env {word}")),
                Some(_) | None => break,
            },
        }
        words.pop_front();
    }
    let argv: Vec<String> = words.into();
    let command = Command { argv, environment: Arc::new(environment), ..context.command.clone() };
    if command.argv.is_empty() {
        let command = Command { argv: vec!["env".to_owned()], ..command };
        return printenv(&mut Context { command: &command, own: context.own, system: context.system });
    }
    Outcome::Becomes(command)
}

/// `nohup command`, `nice -n 5 command` and the like: the command as it is.
pub(super) fn prefix(context: &mut Context<'_, '_>) -> Outcome {
    let mut words: VecDeque<String> = context.arguments().into();
    // The flags that take a value.
    let valued: &[&str] = match context.command.base_name() {
        "flock" => &["-w", "-E"],
        _ => &["-n", "-c", "-o", "-e", "-i"],
    };
    while let Some(word) = words.front().filter(|word| word.starts_with('-')).cloned() {
        words.pop_front();
        if valued.contains(&word.as_str()) {
            words.pop_front();
        }
    }
    if matches!(context.command.base_name(), "chroot" | "gosu" | "su-exec" | "flock") {
        words.pop_front();
    }
    // `flock FILE -c 'commands'`
    if words.front().is_some_and(|word| word == "-c") {
        words.push_front("sh".to_owned());
    }
    match words.is_empty() {
        true => Outcome::Ended(0),
        false => Outcome::Becomes(Command { argv: words.into(), ..context.command.clone() }),
    }
}

/// `busybox sleep 5`: the applet.
pub(super) fn busybox(context: &mut Context<'_, '_>) -> Outcome {
    let argv = context.arguments();
    if argv.is_empty() {
        context.print("BusyBox v1.36.1 multi-call binary.\n");
        return Outcome::Ended(0);
    }
    Outcome::Becomes(Command { argv, ..context.command.clone() })
}

/// Commands run one after another, with arguments from standard input.
#[derive(Debug, Clone)]
struct Xargs {
    words: Vec<String>,
    text: Vec<u8>,
    ended: bool,
    queue: VecDeque<Vec<String>>,
    replaces: Option<String>,
    most: usize,
    separator: Option<u8>,
    runs_empty: bool,
    child: Option<u32>,
    status: i32,
    dialect: Dialect,
}

pub(super) fn xargs(context: &mut Context<'_, '_>) -> Outcome {
    let spec = Spec {
        letters: "n:I:0rd:P:tL:i",
        long: &[("null", '0'), ("no-run-if-empty", 'r'), ("max-args", 'n'), ("max-procs", 'P'), ("delimiter", 'd')],
        permutes: false,
    };
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("xargs {flag}")),
    };
    let words = if flags.operands.is_empty() { vec!["echo".to_owned()] } else { flags.operands.clone() };
    let separator = match flags.value('d') {
        Some(text) => super::super::format::unescape(text).0.bytes().next(),
        None if flags.has('0') => Some(0),
        None if flags.has('I') || flags.has('L') => Some(b'\n'),
        None => None,
    };
    Outcome::Task(Box::new(Xargs {
        words,
        text: Vec::new(),
        ended: false,
        queue: VecDeque::new(),
        replaces: flags.value('I').map(str::to_owned),
        most: flags.value('n').or(flags.value('L')).and_then(|value| value.parse().ok()).unwrap_or(usize::MAX).max(1),
        separator,
        runs_empty: !flags.has('r') && !flags.has('I'),
        child: None,
        status: 0,
        dialect: context.system.kernel.dialect,
    }))
}

impl Xargs {
    /// The command lines that the input makes.
    fn fill(&mut self) {
        let text = String::from_utf8_lossy(&self.text).into_owned();
        let items: Vec<String> = match self.separator {
            Some(separator) => {
                let parts = text.split(char::from(separator)).filter(|part| !part.is_empty());
                parts
                    .map(|part| if self.replaces.is_some() { part.trim().to_owned() } else { part.to_owned() })
                    .collect()
            }
            None => text.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned()).collect(),
        };
        if let Some(mark) = &self.replaces {
            let with = |item: &String| self.words.iter().map(|word| word.replace(mark, item)).collect();
            self.queue = items.iter().map(with).collect();
            return;
        }
        let most = self.most.min(items.len().max(1));
        self.queue = items.chunks(most).map(|chunk| [self.words.as_slice(), chunk].concat()).collect();
        if items.is_empty() && self.runs_empty {
            self.queue.push_back(self.words.clone());
        }
    }
}

impl Task for Xargs {
    fn step(&mut self, context: &mut Context<'_, '_>) -> Step {
        while !self.ended {
            match context.read(64 * 1024) {
                Ok(Read::Bytes(bytes)) if self.text.len() < 1 << 22 => self.text.extend(bytes),
                Ok(Read::Nothing(pipe)) => return Step::Block(Wait::Readable(pipe)),
                Ok(Read::Bytes(_) | Read::End) | Err(_) => {
                    self.ended = true;
                    self.fill();
                }
            }
        }
        if let Some(child) = self.child {
            match context.system.reap(context.own, child) {
                None => return Step::Block(Wait::Child),
                Some(0) => {}
                Some(status @ (126 | 127)) => return Step::Exit(status),
                Some(_) => self.status = 123,
            }
        }
        let Some(argv) = self.queue.pop_front() else { return Step::Exit(self.status) };
        let mut descriptors = context.own.descriptors.clone();
        descriptors.set(0, Some(context.system.kernel.open.open(Description::Null)));
        let running = Running::Command(Command { argv, ..context.command.clone() }, self.dialect);
        self.child = Some(context.system.spawn(context.own, descriptors, running));
        Step::Block(Wait::Child)
    }

    fn boxed_clone(&self) -> Box<dyn Task> {
        Box::new(self.clone())
    }
}
