//! The tree of processes, and whose turn it is.

use super::environment::{Dialect, Trap};
use super::open_files::{Description, FileId, Table};
use super::process::{Ended, Kernel, Own, Process, Running, Step, System, Wait};
use super::request::{Answer, CallId, Command, Request, State, Turn};
use super::script::Unsupported;
use super::signal::{Disposition, Signal};
use super::world::{Stream, World};
use super::{interpreter, launch};
use crate::engine::{SimDuration, SimTime};
use std::collections::{BTreeMap, BTreeSet};

/// How far a process may be ahead of the present, so that cheap work does not take a turn per command.
const AHEAD: SimDuration = SimDuration::from_millis(10);

/// A shell has at most so many processes at a time.
const MAX_PROCESSES: usize = 512;

/// Of so many ended children at most it is remembered how they ended.
const MAX_ENDED: usize = 4096;

/// What a utility costs each time it goes on.
const TASK_COST: SimDuration = SimDuration::from_micros(10);

/// One turn has at most so many steps; then it ends, and the next one follows a little later.
const STEPS_PER_TURN: usize = 20_000;

/// A container's command that runs: a shell, or a utility, with all the processes it started.
///
/// Cloning forks it: the clone goes its own way.
///
/// ```
/// use podsim::components::runtime::filesystem::{FileSystem, Files, Volumes};
/// use podsim::components::runtime::shell::{Command, Disposition, Setup, Shell, Signal, State, Stream, World};
/// use podsim::engine::{SimDuration, SimTime};
///
/// struct Container(FileSystem, Volumes, String);
///
/// impl World for Container {
///     fn files(&mut self) -> Files<'_> {
///         self.0.view(&mut self.1, SimTime::ZERO)
///     }
///     fn write(&mut self, _: SimTime, _: Stream, bytes: &[u8]) {
///         self.2.push_str(&String::from_utf8_lossy(bytes));
///     }
///     fn date(&self, at: SimTime) -> jiff::Timestamp {
///         jiff::Timestamp::from_nanosecond(at.as_nanos().into()).unwrap()
///     }
///     fn hostname(&self) -> String {
///         "web-0".to_owned()
///     }
/// }
///
/// let mut container = Container(FileSystem::default(), Volumes::default(), String::new());
/// let script = "trap 'echo bye; exit 3' TERM; touch /tmp/healthy; while :; do sleep 5; done";
/// let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
/// let command = Command { argv, directory: "/".to_owned(), ..Command::default() };
/// let mut shell = Shell::new(command, Setup::default());
///
/// let turn = shell.resume(SimTime::ZERO, &mut container);
/// let State::Waiting { until: Some(until) } = turn.state else { panic!() };
/// assert!(until.since(SimTime::from_secs(5)) < SimDuration::from_millis(10)); // Commands take a little time.
/// assert!(container.files().metadata("/tmp/healthy").is_some());
///
/// assert_eq!(shell.signal(Signal::TERM), Disposition::Trapped); // It runs when `sleep` has ended.
/// assert!(matches!(shell.resume(SimTime::from_secs(1), &mut container).state, State::Waiting { .. }));
/// let State::Waiting { until: Some(end) } = shell.resume(until, &mut container).state else { panic!() };
/// assert_eq!(shell.resume(end, &mut container).state, State::Exited(3));
/// assert_eq!(container.2, "bye\n");
/// ```
#[derive(Debug, Clone)]
pub struct Shell {
    processes: BTreeMap<u32, Box<Process>>,
    kernel: Kernel,
    main: u32,
    started: bool,
    end: Option<State>,
}

/// What a shell has to know of where it runs, besides its command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Setup {
    /// Which shell the image's `sh` is. A command that says `bash` gets bash.
    pub dialect: Dialect,
    /// The process number of the main process: 1 for a container's command, another one for a probe or a hook, and for
    /// a container in a shared process namespace. PID 1 survives signals without a trap. Zero counts as 1.
    pub pid: u32,
    /// Where `$RANDOM` and the names of `mktemp` start.
    pub seed: u32,
    /// Whether standard input stays open, and nothing comes; else it is at its end.
    pub waits_for_input: bool,
}

impl Shell {
    /// A command about to run. Nothing happens before the first [`Shell::resume`].
    pub fn new(command: Command, setup: Setup) -> Self {
        let main = setup.pid.max(1);
        let mut kernel = Kernel { last_pid: main, random: setup.seed, dialect: setup.dialect, ..Kernel::default() };
        let mut descriptors = Table::default();
        let input = match setup.waits_for_input {
            true => kernel.open.silence(),
            false => kernel.open.open(Description::Null),
        };
        let output = kernel.open.open(Description::Log(Stream::Output));
        let errors = kernel.open.open(Description::Log(Stream::Error));
        for (descriptor, file) in [input, output, errors].into_iter().enumerate() {
            descriptors.set(descriptor, Some(file));
        }
        let own = Own {
            pid: main,
            parent: 0,
            at: SimTime::ZERO,
            descriptors,
            pending: Vec::new(),
            broken_pipe: false,
            unwritten: None,
            full_pipe: None,
            shell: None,
        };
        let program = Running::Command(command, setup.dialect);
        let process = Box::new(Process { own, wait: Wait::Ready, program });
        Self { processes: BTreeMap::from([(main, process)]), kernel, main, started: false, end: None }
    }

    /// The first file that a utility, or also a condition, looked for in vain and that the image may have, for all that
    /// is known of it.
    pub fn missed(&self, conditions: bool) -> Option<&str> {
        let asked_for = self.kernel.asked_for.as_ref().filter(|_| conditions);
        self.kernel.missed.as_ref().or(asked_for).map(|path| &**path)
    }

    /// Runs everything that can run at `now`, and returns after a bounded number of steps. Resume again at the instant
    /// that the turn names, and after each answer and signal; resuming at any other time does no harm.
    pub fn resume(&mut self, now: SimTime, world: &mut dyn World) -> Turn {
        if !self.started {
            self.started = true;
            self.kernel.started_at = now;
        }
        for process in self.processes.values_mut() {
            process.own.at = process.own.at.max(now);
        }
        let mut steps = 0;
        while self.end.is_none()
            && steps < STEPS_PER_TURN
            && let Some(pid) = self.next_process(now)
        {
            steps += 1;
            self.step(pid, now, world);
        }
        let state = self.end.clone().unwrap_or_else(|| State::Waiting { until: self.next_instant(now) });
        Turn { calls: std::mem::take(&mut self.kernel.calls), state }
    }

    /// Hands over the answer to a call; it takes effect when the shell is resumed. An answer that nobody waits for any
    /// more is dropped.
    pub fn answer(&mut self, call: CallId, answer: Answer) {
        let waits = |process: &Process| matches!(process.wait, Wait::Answer(id, _) if id == call);
        if self.processes.values().any(|process| waits(process)) {
            self.kernel.answers.insert(call, answer);
        }
    }

    /// A signal reaches the main process; a trap takes effect when the shell is resumed.
    ///
    /// After [`Request::Exec`] the main process is the host's program, and the answer is always `Default`.
    pub fn signal(&mut self, signal: Signal) -> Disposition {
        let disposition = self.disposition(self.main, signal);
        if disposition == Disposition::Trapped
            && let Some(process) = self.processes.get_mut(&self.main)
        {
            process.own.pending.push(signal);
        }
        disposition
    }

    /// Whether the main process has a trap for a signal that runs something.
    pub fn has_trap(&self, signal: Signal) -> bool {
        self.disposition(self.main, signal) == Disposition::Trapped
    }

    /// The number and command line of each process, as `ps` shows them; not of the host's programs.
    pub fn processes(&self) -> impl Iterator<Item = (u32, String)> + '_ {
        let own = self.processes.values().filter(|process| !matches!(process.program, Running::Host { .. }));
        own.map(|process| (process.own.pid, process.program.shown()))
    }

    /// A signal from outside reaches one of its processes that is not the main one; a trap takes effect when the shell
    /// is resumed.
    pub fn signal_process(&mut self, pid: u32, signal: Signal) {
        if pid != self.main {
            self.deliver(pid, signal);
        }
    }

    fn disposition(&self, pid: u32, signal: Signal) -> Disposition {
        let Some(process) = self.processes.get(&pid) else { return Disposition::Default };
        match &process.program {
            Running::Interpreter(shell) if signal != Signal::KILL => match shell.environment.traps.get(&signal) {
                Some(Trap::Run(..)) => Disposition::Trapped,
                Some(Trap::Ignore) => Disposition::Ignored,
                None => Disposition::Default,
            },
            Running::Utility(_, task) if signal != Signal::KILL && task.catches(signal) => Disposition::Trapped,
            Running::Interpreter(_)
            | Running::Utility(..)
            | Running::Host { .. }
            | Running::Command(..)
            | Running::Ended(_) => Disposition::Default,
        }
    }

    /// The process to go on with: the one furthest behind that has something to do.
    fn next_process(&self, now: SimTime) -> Option<u32> {
        let ready = self.processes.values().filter(|process| self.is_ready(process, now));
        let next = ready.min_by_key(|process| (process.own.at, process.own.pid))?;
        (next.own.at <= now + AHEAD).then_some(next.own.pid)
    }

    fn is_ready(&self, process: &Process, now: SimTime) -> bool {
        match process.wait {
            Wait::Ready => true,
            Wait::Until(instant) => instant <= now,
            Wait::Readable(pipe) => self.kernel.open.is_readable(pipe),
            Wait::Writable(pipe) => self.kernel.open.is_writable(pipe),
            Wait::Child => self.has_ended_child(process),
            Wait::ChildUntil(instant) => self.has_ended_child(process) || instant <= now,
            Wait::ChildOrSignal => self.has_ended_child(process) || !process.own.pending.is_empty(),
            Wait::Answer(call, deadline) => {
                self.kernel.answers.contains_key(&call) || deadline.is_some_and(|deadline| deadline <= now)
            }
            Wait::Forever => false,
        }
    }

    /// Whether a child has ended that the process has not heard of, at a time that it has reached.
    fn has_ended_child(&self, process: &Process) -> bool {
        self.kernel.ended.values().any(|ended| ended.parent == process.own.pid && !ended.seen)
    }

    /// When something is to do next, if nothing happens before.
    fn next_instant(&self, now: SimTime) -> Option<SimTime> {
        let instants = self.processes.values().filter_map(|process| match process.wait {
            Wait::Until(instant) | Wait::ChildUntil(instant) | Wait::Answer(_, Some(instant))
                if !self.is_ready(process, now) =>
            {
                Some(instant)
            }
            _ if self.is_ready(process, now) => Some(process.own.at.max(now + SimDuration::from_micros(1))),
            _ => None,
        });
        instants.min()
    }

    fn step(&mut self, pid: u32, now: SimTime, world: &mut dyn World) {
        let Some(mut process) = self.processes.remove(&pid) else { return };
        process.wait = Wait::Ready;
        let mut system = System {
            world,
            kernel: &mut self.kernel,
            others: &self.processes,
            spawned: Vec::new(),
            signals: Vec::new(),
        };
        let own = &mut process.own;
        let mut step = process.program.step(own, pid == self.main, now, &mut system);
        let System { spawned, signals, .. } = system;
        if own.broken_pipe {
            step = Step::Exit(Signal::PIPE.exit_code());
        } else if let (Some(pipe), Step::Continue) = (own.full_pipe.take(), &step) {
            step = Step::Block(Wait::Writable(pipe));
        }
        if matches!(step, Step::Block(Wait::Child | Wait::ChildUntil(_) | Wait::ChildOrSignal)) {
            let children = self.kernel.ended.values_mut().filter(|ended| ended.parent == pid);
            children.for_each(|ended| ended.seen = true);
        }
        let sweeps = !matches!(step, Step::Continue);
        match step {
            Step::Continue => {
                self.processes.insert(pid, process);
            }
            Step::Block(wait) => {
                process.wait = wait;
                self.processes.insert(pid, process);
            }
            Step::Become(program) => {
                process.program = program;
                self.processes.insert(pid, process);
            }
            Step::Exit(_) if pid == self.main && process.own.at > now => {
                // The end comes at its time, not ahead of it.
                process.wait = Wait::Until(process.own.at);
                process.program = Running::Ended(exit_code(&step));
                self.processes.insert(pid, process);
            }
            Step::Exit(status) => self.ended(&process.own, status),
            Step::Unsupported(what) => self.end = Some(State::Unsupported(Unsupported::new(what))),
        }
        for child in spawned {
            self.processes.insert(child.own.pid, Box::new(child));
        }
        if self.processes.len() > MAX_PROCESSES {
            self.end = Some(State::Unsupported(Unsupported::new("more than 512 processes")));
        }
        for (target, signal) in signals {
            self.deliver(target, signal);
        }
        if sweeps {
            self.sweep();
        }
    }

    fn ended(&mut self, own: &Own, status: i32) {
        if own.pid == self.main {
            self.end = Some(State::Exited(status));
            return;
        }
        if self.processes.contains_key(&own.parent) || own.parent == self.main {
            let ended = Ended { parent: own.parent, status, at: own.at, seen: false };
            self.kernel.ended.insert(own.pid, ended);
        }
        self.kernel.ended.retain(|_, ended| ended.parent != own.pid);
        if self.kernel.ended.len() > MAX_ENDED {
            self.kernel.ended.pop_first();
        }
    }

    /// A signal from within: from `kill`.
    fn deliver(&mut self, pid: u32, signal: Signal) {
        let disposition = self.disposition(pid, signal);
        let Some(process) = self.processes.get_mut(&pid) else { return };
        match disposition {
            Disposition::Trapped => process.own.pending.push(signal),
            Disposition::Ignored => {}
            // PID 1 is safe from signals of its own namespace, even from SIGKILL.
            Disposition::Default if signal.is_harmless() || pid == 1 => {}
            Disposition::Default => {
                let own = process.own.clone();
                self.processes.remove(&pid);
                self.ended(&own, signal.exit_code());
            }
        }
    }

    /// Closes what no process has open any more.
    fn sweep(&mut self) {
        let mut live: BTreeSet<FileId> = BTreeSet::new();
        for process in self.processes.values() {
            live.extend(process.own.descriptors.files());
            if let Running::Interpreter(shell) = &process.program {
                live.extend(shell.tables().flat_map(Table::files));
                live.extend(shell.frames.iter().filter_map(interpreter::Frame::file));
            }
        }
        self.kernel.open.sweep(&live);
    }
}

fn exit_code(step: &Step) -> i32 {
    match step {
        Step::Exit(status) => *status,
        _ => 0,
    }
}

impl Running {
    fn step(&mut self, own: &mut Own, is_main: bool, now: SimTime, system: &mut System<'_>) -> Step {
        match self {
            Self::Interpreter(shell) => {
                if shell.environment.shell_pid == 0 {
                    shell.environment.shell_pid = own.pid;
                }
                shell.step(own, system)
            }
            Self::Utility(command, task) => {
                let mut context = super::process::Context { command, own, system };
                let step = task.step(&mut context);
                let step = context.lost_output().map_or(step, Step::Exit);
                if matches!(step, Step::Continue) {
                    own.spend(TASK_COST);
                }
                step
            }
            Self::Host { command, call } => host_step(command, call, own, is_main, now, system),
            Self::Command(command, dialect) => {
                let name = command.base_name().to_owned();
                match launch::launch(std::mem::take(command), *dialect, own, system) {
                    launch::Launched::Ended(status) => Step::Exit(status),
                    launch::Launched::Runs(running) => Step::Become(running),
                    launch::Launched::Missing => Step::Exit(127),
                    launch::Launched::NotExecutable => Step::Exit(126),
                    launch::Launched::Unsupported(what) => Step::Unsupported(format!("{name}: {what}")),
                }
            }
            Self::Ended(status) => Step::Exit(*status),
        }
    }

    /// The command line, as `ps` shows it.
    pub fn shown(&self) -> String {
        match self {
            Self::Interpreter(shell) => shell.environment.command_line.to_string(),
            Self::Utility(command, _) | Self::Host { command, .. } | Self::Command(command, _) => {
                command.argv.join(" ")
            }
            Self::Ended(_) => String::new(),
        }
    }
}

fn host_step(
    command: &Command,
    call: &mut Option<CallId>,
    own: &mut Own,
    is_main: bool,
    now: SimTime,
    system: &mut System<'_>,
) -> Step {
    match call {
        None if own.at > now => Step::Block(Wait::Until(own.at)),
        None => {
            let command = command.clone();
            let id = system.call(if is_main { Request::Exec(command) } else { Request::Run(command) });
            *call = Some(id);
            Step::Block(Wait::Answer(id, None))
        }
        Some(id) => match system.kernel.answers.remove(id) {
            Some(Answer::Exited { status, output }) => {
                let _ = own.write(1, &output, system);
                Step::Exit(status)
            }
            Some(Answer::Unknown) => match (super::process::Context { command, own, system }).writes_to_pipe() {
                true => Step::Unsupported(format!("what {} prints", command.base_name())),
                false => Step::Exit(0),
            },
            Some(Answer::Network(_)) => Step::Exit(1),
            None => Step::Block(Wait::Answer(*id, None)),
        },
    }
}
