//! A process of the shell: the interpreter, a utility, or a program that the host runs.

use super::environment::Dialect;
use super::interpreter::Interpreter;
use super::open_files::{Description, FileId, OpenFiles, Read, Table, WriteError, Written};
use super::request::{Answer, Call, CallId, Command, Request};
use super::signal::Signal;
use super::world::{Program, World};
use crate::components::runtime::filesystem::{FileError, Files, absolute};
use crate::engine::{SimDuration, SimTime};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A process.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub own: Own,
    pub wait: Wait,
    pub program: Running,
}

/// What every process has, whatever it runs.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub pid: u32,
    pub parent: u32,
    /// How far it has got in time: at, or a little ahead of, the present.
    pub at: SimTime,
    pub descriptors: Table,
    /// Signals with a trap, not yet taken.
    pub pending: Vec<Signal>,
    /// It wrote to a pipe that nobody reads.
    pub broken_pipe: bool,
    /// It wrote to a file what could not be kept, and why.
    pub unwritten: Option<FileError>,
    /// It filled a pipe.
    pub full_pipe: Option<FileId>,
    /// The command line of the shell that it is, while that runs a utility within its own step.
    pub shell: Option<Arc<str>>,
}

/// What a process runs.
#[derive(Debug, Clone)]
pub(super) enum Running {
    Interpreter(Box<Interpreter>),
    Utility(Command, Box<dyn Task>),
    /// A program of the host; asked for once the call has a name.
    Host {
        command: Command,
        call: Option<CallId>,
    },
    /// A command that is not looked for yet.
    Command(Command, Dialect),
    /// It has ended, and waits for the present to arrive there.
    Ended(i32),
}

/// What a process waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing: it can go on.
    Ready,
    Until(SimTime),
    /// A pipe to have something to read.
    Readable(FileId),
    /// A pipe to have room.
    Writable(FileId),
    /// One of its children to end.
    Child,
    /// One of its children to end, at most until then.
    ChildUntil(SimTime),
    /// One of its children to end, or a signal with a trap.
    ChildOrSignal,
    /// An answer, at most until then.
    Answer(CallId, Option<SimTime>),
    /// Only a signal ends it.
    Forever,
}

/// What a step of a process came to.
#[derive(Debug)]
pub(super) enum Step {
    Continue,
    Block(Wait),
    Exit(i32),
    /// The process runs something else from now on: `exec`.
    Become(Running),
    Unsupported(String),
}

/// A utility that cannot finish at once: it sleeps, reads, or runs other commands.
pub(super) trait Task: fmt::Debug + Send + Sync {
    fn step(&mut self, context: &mut Context<'_, '_>) -> Step;
    /// Whether it has a handler for a signal, which it then finds among those that are pending.
    fn catches(&self, _: Signal) -> bool {
        false
    }
    fn boxed_clone(&self) -> Box<dyn Task>;
}

impl Clone for Box<dyn Task> {
    fn clone(&self) -> Self {
        self.boxed_clone()
    }
}

/// How a child ended, kept for its parent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub parent: u32,
    pub status: i32,
    pub at: SimTime,
    /// The parent has looked at it since, and waits for another one.
    pub seen: bool,
}

/// What the processes of a shell share, apart from each other.
#[derive(Debug, Clone, Default)]
pub(super) struct Kernel {
    pub open: OpenFiles,
    pub ended: BTreeMap<u32, Ended>,
    pub answers: BTreeMap<CallId, Answer>,
    pub calls: Vec<Call>,
    pub last_pid: u32,
    pub calls_made: u64,
    pub random: u32,
    /// Which system the utilities belong to: their messages differ.
    pub dialect: Dialect,
    pub started_at: SimTime,
    /// The first file that a utility wanted to read and that only the image may have.
    pub missed: Option<String>,
    /// The first such file that a condition asked for.
    pub asked_for: Option<String>,
}

/// What a process sees of the rest during a step.
pub(super) struct System<'a> {
    pub world: &'a mut dyn World,
    pub kernel: &'a mut Kernel,
    pub others: &'a BTreeMap<u32, Box<Process>>,
    pub spawned: Vec<Process>,
    pub signals: Vec<(u32, Signal)>,
}

impl System<'_> {
    /// A utility cannot read a file that is not there, unless the image has it.
    pub fn misses(&mut self, path: String) {
        if self.kernel.missed.is_none() && self.may_be_in_image(&path) {
            self.kernel.missed = Some(path);
        }
    }

    /// A condition was found not to hold; files of the image among its operands may make it hold.
    pub fn asked_for(&mut self, operands: &[String], directory: &str) {
        for operand in operands.iter().filter(|operand| operand.contains('/')) {
            let path = absolute(directory, operand);
            if self.kernel.asked_for.is_none() && self.may_be_in_image(&path) {
                self.kernel.asked_for = Some(path);
            }
        }
    }

    /// Whether a file that is not there may be in the image, for all that is known of that.
    pub fn may_be_in_image(&mut self, path: &str) -> bool {
        !self.world.knows_image()
            && self.world.files().link_metadata(path).is_none()
            && self.world.find_program(path) == Program::Host
    }

    /// Starts a child.
    pub fn spawn(&mut self, parent: &Own, descriptors: Table, program: Running) -> u32 {
        self.kernel.last_pid += 1;
        let pid = self.kernel.last_pid;
        let own = Own {
            pid,
            parent: parent.pid,
            at: parent.at,
            descriptors,
            pending: Vec::new(),
            broken_pipe: false,
            unwritten: None,
            full_pipe: None,
            shell: None,
        };
        self.spawned.push(Process { own, wait: Wait::Ready, program });
        pid
    }

    /// Asks the host.
    pub fn call(&mut self, request: Request) -> CallId {
        let id = CallId(self.kernel.calls_made);
        self.kernel.calls_made += 1;
        self.kernel.calls.push(Call { id, request });
        id
    }

    /// How a child ended, asked once.
    pub fn reap(&mut self, own: &mut Own, pid: u32) -> Option<i32> {
        let ended = *self.kernel.ended.get(&pid).filter(|ended| ended.parent == own.pid)?;
        self.kernel.ended.remove(&pid);
        own.at = own.at.max(ended.at);
        Some(ended.status)
    }

    /// Whether a process of this shell lives.
    pub fn is_alive(&self, pid: u32) -> bool {
        self.others.contains_key(&pid) || self.spawned.iter().any(|process| process.own.pid == pid)
    }

    /// The shell's next random number.
    pub fn random(&mut self) -> u32 {
        self.kernel.random = self.kernel.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.kernel.random
    }
}

impl Own {
    /// Charges virtual time.
    pub fn spend(&mut self, time: SimDuration) {
        self.at += time;
    }

    /// Writes to a descriptor. A broken pipe ends the process after the step, as SIGPIPE does.
    pub fn write(&mut self, descriptor: usize, bytes: &[u8], system: &mut System<'_>) -> Result<(), WriteError> {
        let file = self.descriptors.get(descriptor);
        match system.kernel.open.write(file, bytes, self.at, system.world) {
            Ok(Written::Done) => Ok(()),
            Ok(Written::Full(pipe)) => {
                self.full_pipe = Some(pipe);
                Ok(())
            }
            Err(error) => {
                self.broken_pipe |= error == WriteError::BrokenPipe;
                if let WriteError::File(error) = error
                    && descriptor == 1
                {
                    self.unwritten = Some(error);
                }
                Err(error)
            }
        }
    }
}

/// What a utility works with: its command line, its process, and the rest.
pub(super) struct Context<'a, 's> {
    pub command: &'a Command,
    pub own: &'a mut Own,
    pub system: &'a mut System<'s>,
}

impl Context<'_, '_> {
    /// The arguments without the name.
    pub fn arguments(&self) -> Vec<String> {
        self.command.argv.iter().skip(1).cloned().collect()
    }

    /// Writes to standard output.
    pub fn print(&mut self, text: impl AsRef<[u8]>) {
        // A failed write shows as a broken pipe, or ends the utility.
        let _ = self.own.write(1, text.as_ref(), self.system);
    }

    /// Writes a line to standard error, after the name of the utility. Where BusyBox can't, GNU cannot.
    pub fn complain(&mut self, text: impl fmt::Display) {
        let mut line = format!("{}: {text}\n", self.command.base_name());
        if !self.is_busybox() {
            line = line.replace("can't ", "cannot ");
        }
        let _ = self.own.write(2, line.as_bytes(), self.system);
    }

    /// Ends a utility whose output could not be kept, as a write that fails does.
    pub fn lost_output(&mut self) -> Option<i32> {
        let error = self.own.unwritten.take()?;
        self.complain(format_args!("write error: {error}"));
        Some(1)
    }

    /// Writes a line to standard error.
    pub fn complain_plainly(&mut self, text: impl fmt::Display) {
        let _ = self.own.write(2, format!("{text}\n").as_bytes(), self.system);
    }

    /// Reads from standard input.
    pub fn read(&mut self, limit: usize) -> Result<Read, FileError> {
        match self.own.descriptors.get(0) {
            Some(file) => self.system.kernel.open.read(file, limit, self.system.world),
            None => Ok(Read::End),
        }
    }

    /// Whether standard output is a pipe.
    pub fn writes_to_pipe(&self) -> bool {
        let file = self.own.descriptors.get(1);
        matches!(file.and_then(|file| self.system.kernel.open.get(file)), Some(Description::PipeIn(_)))
    }

    pub fn files(&mut self) -> Files<'_> {
        self.system.world.files()
    }

    /// A path as seen from the working directory.
    pub fn path(&self, path: &str) -> String {
        absolute(&self.command.directory, path)
    }

    /// Whether the utilities are those of BusyBox, not the GNU ones.
    pub fn is_busybox(&self) -> bool {
        self.system.kernel.dialect == Dialect::BusyBox
    }

    /// What cannot be done with an operand, which is `%` in the words of BusyBox and in those of the GNU utilities.
    pub fn words(&self, [busybox, gnu]: [&str; 2], operand: &str) -> String {
        if self.is_busybox() { busybox } else { gnu }.replace('%', operand)
    }

    /// Notes that an operand cannot be read, if that is because nobody knows what the image holds.
    pub fn misses(&mut self, operand: &str) {
        let path = self.path(operand);
        self.system.misses(path);
    }

    /// Complains of an operand in these words.
    pub fn complain_of(&mut self, words: [&str; 2], operand: &str, error: impl fmt::Display) {
        let what = self.words(words, operand);
        self.complain(format_args!("{what}: {error}"));
    }

    /// Complains about a file that cannot be opened.
    pub fn complain_of_file(&mut self, path: &str, error: impl fmt::Display) {
        self.misses(path);
        self.complain_of(["can't open '%'", "%"], path, error);
    }

    pub fn variable(&self, name: &str) -> Option<&str> {
        self.command.environment.get(name).map(|value| &**value)
    }
}
