//! Scripts in containers: the container's own command, and commands sent into it, played by the shell.
//!
//! A script is resumed when its time has come and after each answer and signal; what it asks for is served here.

use super::filesystem::{FileSystem, Files, Volumes, Who, below};
use super::identity::Identity;
use super::image_table::ImageModel;
use super::log::ContainerLog;
use super::program::{Place, Program};
use super::shell::{
    Answer, CallId, Command, Disposition, Program as Runner, Query, Request, Shell, Signal, State, Stream, World,
    is_init, is_utility,
};
use super::{Exit, RuntimeMessage, Runtimes};
use crate::api::WallClock;
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};
use std::sync::Arc;

/// How much of a command's output a kubelet reads (`pkg/probe/exec`).
const OUTPUT_LIMIT: usize = 10 << 10;

/// Which script of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Session {
    /// Its own command.
    Main,
    /// A command that was sent into it, by the kubelet's number for the call.
    Exec(u32),
}

/// A command that the shell plays.
#[derive(Debug, Clone)]
pub(super) struct Script {
    shell: Shell,
    /// Timers of an earlier turn are stale.
    turn: u32,
    /// What it has printed, if somebody wants to know.
    pub(super) output: Vec<u8>,
    /// The program that it has turned into by `exec`.
    pub(super) became: Option<u32>,
}

/// The container around a script.
pub(super) struct ContainerWorld<'a> {
    files: &'a mut FileSystem,
    volumes: &'a mut Volumes,
    now: SimTime,
    log: &'a mut ContainerLog,
    output: Option<&'a mut Vec<u8>>,
    clock: WallClock,
    identity: Identity,
    user: u32,
    who: Who,
    image: Arc<ImageModel>,
    known: bool,
    processes: Vec<(u32, String)>,
}

impl Script {
    pub(super) fn new(shell: Shell) -> Self {
        Self { shell, turn: 0, output: Vec::new(), became: None }
    }

    /// Sends it a signal; whether the kernel would end it, were it not number 1.
    pub(super) fn signal(&mut self, signal: Signal) -> bool {
        self.shell.signal(signal) == Disposition::Default && !signal.is_harmless()
    }
}

impl World for ContainerWorld<'_> {
    fn files(&mut self) -> Files<'_> {
        self.files.view(self.volumes, self.now).managed_by(&self.identity).seen_by(self.who)
    }

    fn write(&mut self, at: SimTime, _: Stream, bytes: &[u8]) {
        match &mut self.output {
            Some(output) => {
                let room = OUTPUT_LIMIT.saturating_sub(output.len());
                output.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            None => self.log.append(at, bytes),
        }
    }

    fn date(&self, at: SimTime) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.clock.at(at).unix_nanos())).unwrap_or_default()
    }

    fn hostname(&self) -> String {
        self.identity.host_name.to_string()
    }

    fn full_hostname(&self) -> String {
        self.identity.full_name()
    }

    fn addresses(&self) -> Vec<String> {
        self.identity.address.iter().map(ToString::to_string).collect()
    }

    fn user(&self) -> u32 {
        self.user
    }

    fn knows_image(&self) -> bool {
        self.known
    }

    fn groups(&self) -> Vec<u32> {
        self.identity.groups()
    }

    fn find_program(&self, name: &str) -> Runner {
        let base = name.rsplit('/').next().unwrap_or(name);
        // What lies elsewhere only has the same name.
        let plain = name.rsplit_once('/').is_none_or(|(directory, _)| {
            let directory =
                directory.strip_prefix("/usr/local").or(directory.strip_prefix("/usr")).unwrap_or(directory);
            matches!(directory, "/bin" | "/sbin")
        });
        if is_init(base) {
            let is_there = self.image.has_others || self.image.has_program(name);
            let is_file = name.contains('/') && self.files.holds(name);
            if is_there && !is_file { Runner::Utility } else { Runner::Missing }
        } else if self.image.has_program(name) {
            Runner::Host
        } else if self.image.dialect().is_some() && plain && is_utility(base) {
            Runner::Utility
        } else if self.image.has_others && !(name.contains('/') && self.files.holds(name)) {
            Runner::Host
        } else {
            Runner::Missing
        }
    }

    fn processes(&self) -> Vec<(u32, String)> {
        self.processes.clone()
    }
}

impl Runtimes {
    /// Does something with the container around a script, if the container is there.
    pub(super) fn with_world<T>(
        &mut self,
        now: SimTime,
        place: Place,
        output: Option<&mut Vec<u8>>,
        action: impl FnOnce(&mut ContainerWorld<'_>) -> T,
    ) -> Option<T> {
        let (config, image, known) = self.image_of(place)?;
        let frozen = self.frozen_mounts(place);
        let machine = &mut self.machines[place.node.index()];
        let (machine_name, skew) = ((machine.name, machine.address()), machine.skew);
        let record = machine.pods.get_mut(&place.key)?;
        let pod = record.pod.clone();
        let identity = Identity::new(record, place.container, machine_name, (config, image.clone()));
        let instance = record.instance_mut(place.container)?;
        let container = pod.spec.container(instance.status.name);
        let user = container.and_then(|container| container.run_as_user);
        let usual = if known || container.is_some_and(|container| container.run_as_non_root) { image.user } else { 0 };
        let who = match user {
            None if usual == 0 => Who::Root,
            Some(0) => Who::Root,
            // Images whose programs are all known have no user of their own that would not be, either.
            Some(_) if known && image.user == 0 && !image.has_others => Who::Stranger,
            Some(_) | None => Who::User,
        };
        // While the main script runs, it knows by itself what it has begun.
        let runs = instance.script.is_none();
        let is_known = |program: &&Program| runs && matches!(program.caller, Some((Session::Main, _)));
        let programs = instance.programs.iter().filter(|program| !is_known(program));
        let programs = programs.map(|program| (program.pid, program.argv.join(" ")));
        let script = instance.script.iter().flat_map(|script| script.shell.processes());
        let processes = script.chain(programs).collect();
        instance.files.freeze(|mount| frozen.contains(&mount.path));
        let mut world = ContainerWorld {
            files: &mut instance.files,
            volumes: &mut self.volumes,
            now,
            log: &mut instance.log,
            output,
            clock: self.clock.skewed(skew),
            identity,
            user: user.and_then(|user| u32::try_from(user).ok()).unwrap_or(image.user),
            who,
            image,
            known,
            processes,
        };
        Some(action(&mut world))
    }

    fn script_slot(&mut self, place: Place, session: Session) -> Option<&mut Option<Box<Script>>> {
        match session {
            Session::Main => Some(&mut self.instance_mut(place)?.script),
            Session::Exec(id) => Some(&mut self.machines[place.node.index()].execs.get_mut(&id)?.script),
        }
    }

    fn script(&mut self, place: Place, session: Session) -> Option<&mut Script> {
        self.script_slot(place, session)?.as_deref_mut()
    }

    /// Has a script resumed after a while, whatever it was told before.
    pub(super) fn resume_soon(
        &mut self,
        place: Place,
        session: Session,
        after: SimDuration,
        out: &mut Outbox<Message>,
    ) {
        let Some(script) = self.script(place, session) else { return };
        script.turn += 1;
        let Place { node, key, container } = place;
        let message = RuntimeMessage::Resume { key, container, session, turn: script.turn };
        out.after(after, Message::Runtime(node, message));
    }

    /// A script's time has come.
    pub(super) fn resume(
        &mut self,
        now: SimTime,
        place: Place,
        session: Session,
        turn: u32,
        out: &mut Outbox<Message>,
    ) {
        let Some(script) = self.script(place, session) else { return };
        if script.turn != turn {
            return;
        }
        // Out of its container while it runs, which it sees as its world.
        let Some(mut script) = self.script_slot(place, session).and_then(Option::take) else { return };
        let Script { shell, output, .. } = &mut *script;
        let output = (session != Session::Main).then_some(output);
        let turn = self.with_world(now, place, output, |world| shell.resume(now, world));
        if let Some(slot) = self.script_slot(place, session) {
            *slot = Some(script);
        }
        self.count_written(now, place, out);
        let Some(turn) = turn else { return };
        if let State::Waiting { until: Some(until) } = turn.state {
            self.resume_soon(place, session, until.since(now), out);
        }
        for call in turn.calls {
            self.serve_script(now, place, session, call.id, call.request, out);
        }
        let unknown = match turn.state {
            State::Waiting { .. } => return,
            State::Exited(0) => None,
            State::Exited(_) => self.unknown_file(place, session).map(|path| format!("the image's {path}")),
            State::Unsupported(ref what) => Some(what.to_string()),
        };
        match (turn.state, unknown, session) {
            (_, Some(what), Session::Main) => self.fall_back(now, place, &what, out),
            (_, Some(what), Session::Exec(_)) => {
                self.assume_of_commands(place, &format!("success, as `{what}` cannot be played,"));
                self.script_ended(now, place, session, 0, out);
            }
            (State::Exited(code), None, _) => self.script_ended(now, place, session, code, out),
            (State::Waiting { .. } | State::Unsupported(_), None, _) => {}
        }
    }

    /// The file for lack of which a script fails, if the image is not known and its own program may have made it.
    fn unknown_file(&mut self, place: Place, session: Session) -> Option<String> {
        const MADE_WHEN_IT_RUNS: [&str; 7] = ["/dev", "/proc", "/run", "/sys", "/tmp", "/var/run", "/var/tmp"];
        let plays_program = self.script_slot(place, Session::Main)?.is_none();
        let is_command = session != Session::Main;
        let path = self.script(place, session)?.shell.missed(is_command)?;
        let is_made = MADE_WHEN_IT_RUNS.iter().any(|directory| below(path, directory).is_some());
        (!is_made || is_command && plays_program).then(|| path.to_owned())
    }

    fn script_ended(&mut self, now: SimTime, place: Place, session: Session, code: i32, out: &mut Outbox<Message>) {
        match session {
            Session::Main => {
                let exit = Exit { code, ..Exit::default() };
                self.machines[place.node.index()].process_ends(now, place.key, place.container, &exit, out);
            }
            Session::Exec(id) => self.exec_ended(place.node, id, code, out),
        }
    }

    fn serve_script(
        &mut self,
        now: SimTime,
        place: Place,
        session: Session,
        id: CallId,
        request: Request,
        out: &mut Outbox<Message>,
    ) {
        match request {
            Request::Run(command) => {
                self.run_program(now, place, session, id, &command, out);
            }
            Request::Exec(command) => {
                let pid = self.run_program(now, place, session, id, &command, out);
                if let Some(script) = self.script(place, session) {
                    script.became = pid;
                }
                if let Some(instance) = self.instance_mut(place)
                    && let Some(program) = instance.programs.iter().find(|program| Some(program.pid) == pid)
                {
                    instance.model = Some((program.since, program.model.clone()));
                }
            }
            Request::Network(query) => self.ask_network(now, place, session, id, (&query, None), out),
            Request::SignalCall { call, signal } => {
                let Some(instance) = self.instance_mut(place) else { return };
                let caller = Some((session, call));
                let pid = instance.programs.iter().find(|program| program.caller == caller).map(|program| program.pid);
                if let Some(pid) = pid {
                    self.signal_program(now, place, pid, signal, out);
                }
            }
            Request::SignalProcess { pid: 1, signal } => self.signal(now, place, signal, out),
            Request::SignalProcess { pid, signal } => {
                let Some(instance) = self.instance_mut(place) else { return };
                let is_program = instance.programs.iter().any(|program| program.pid == pid);
                match &mut instance.script {
                    Some(script) if !is_program => {
                        script.shell.signal_process(pid, signal);
                        self.resume_soon(place, Session::Main, SimDuration::ZERO, out);
                    }
                    _ => self.signal_program(now, place, pid, signal, out),
                }
            }
        }
    }

    /// A script runs a program of the image.
    fn run_program(
        &mut self,
        now: SimTime,
        place: Place,
        session: Session,
        call: CallId,
        command: &Command,
        out: &mut Outbox<Message>,
    ) -> Option<u32> {
        let (_, image, known) = self.image_of(place)?;
        let program = image.program(&command.argv);
        if let Some(signal) = program.and_then(|program| program.sends.as_deref()).and_then(Signal::parse) {
            self.signal(now, place, signal, out);
            self.answer_program(place, session, call, 0, out);
            return None;
        }
        if let Some((program, (host, port))) =
            program.and_then(|program| Some((program, program.server(&command.argv)?)))
        {
            let shown = host.as_deref().unwrap_or("localhost");
            let good = match program.answer_of(shown, port) {
                Some(output) => Answer::Exited { status: 0, output: output.into_bytes() },
                None if session != Session::Main => Answer::Unknown,
                None => Answer::Exited { status: 0, output: Vec::new() },
            };
            let bad = Answer::Exited { status: program.fails_with.unwrap_or(1), output: Vec::new() };
            if let Some(host) = host {
                let query = Query::Connect { host, port };
                self.ask_network(now, place, session, call, (&query, Some([good, bad])), out);
            } else {
                let answer = if self.something_listens(now, place, port) { good } else { bad };
                self.answer_script(place, session, call, answer, SimDuration::ZERO, out);
            }
            return None;
        }
        if session != Session::Main {
            // Nothing is known of a command that is sent into a container: it works.
            self.answer_script(place, session, call, Answer::Unknown, SimDuration::ZERO, out);
            return None;
        }
        let (mut process, what) = self.usual_process(place, &image, known, command);
        if image.enters(&command.argv) {
            self.fill_data(now, place, &image, command, &mut process);
        }
        if !program.is_some_and(|program| image.names(program)) {
            self.assume(place, &format!("{what} for `{}`", command.argv.join(" ")));
        }
        Some(self.begin_program(now, place, Arc::new(process), command.argv.clone(), Some((session, call)), out))
    }

    /// A program that a script waits for has ended.
    pub(super) fn answer_program(
        &mut self,
        place: Place,
        session: Session,
        call: CallId,
        status: i32,
        out: &mut Outbox<Message>,
    ) {
        let answer = Answer::Exited { status, output: Vec::new() };
        self.answer_script(place, session, call, answer, SimDuration::ZERO, out);
    }

    /// A script gets an answer, and goes on after a while.
    pub(super) fn answer_script(
        &mut self,
        place: Place,
        session: Session,
        call: CallId,
        answer: Answer,
        after: SimDuration,
        out: &mut Outbox<Message>,
    ) {
        if let Some(script) = self.script(place, session) {
            script.shell.answer(call, answer);
            self.resume_soon(place, session, after, out);
        }
    }
}
