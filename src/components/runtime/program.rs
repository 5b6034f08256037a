//! What runs in containers: models and scripts, how they start, what signals do to them, and how they end.
//!
//! A container that no rule of the world names does what its command line says: a shell line is played by
//! [`shell`](super::shell), a program of the image by the model in the image table. What is assumed is noted by name.

use super::identity::host_name;
use super::image_table::{self, ImageModel, ProgramModel};
use super::script::{Script, Session};
use super::shell::{CallId, Command, Exported, Found, Setup, Shell, Signal, World as _, find};
use super::{Exit, OnSignal, Print, Process, RUN, RuntimeMessage, Runtimes, SIGNAL};
use crate::api::{Container, ContainerId, Name, PodSpec, Request, RestartPolicy, Text, lower};
use crate::components::cri::{ContainerConfig, CriError, InstanceState, PodKey};
use crate::components::message::{Client, Message, NodeIndex};
use crate::engine::{Distribution, Outbox, SimDuration, SimTime, StreamKey};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// A server that cannot have its port, or an entry point that is told too little, gives up so long after its start.
const GIVES_UP: SimDuration = SimDuration::from_millis(500);
/// What init containers of unknown images take.
const INIT_RUN: SimDuration = SimDuration::from_secs(1);
/// What jobs of unknown images take.
const JOB_RUN: SimDuration = SimDuration::from_secs(10);
/// The number of the main process where `pause` is number 1.
const SHARED_PID: u32 = 7;

/// A program in a container, played by a model.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) pid: u32,
    pub(super) model: Arc<Process>,
    pub(super) since: SimTime,
    /// Its command line.
    pub(super) argv: Vec<String>,
    /// The script that waits for its end; none for a container's own program.
    pub(super) caller: Option<(Session, CallId)>,
    /// Whether it has got a stop signal.
    pub(super) signalled: bool,
}

/// Where something runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) node: NodeIndex,
    pub(super) key: PodKey,
    pub(super) container: ContainerId,
}

/// What a container is about to run.
pub(super) enum Launch {
    Model { model: Arc<Process>, argv: Vec<String> },
    Script(Box<Script>),
}

impl Runtimes {
    /// What a container runs that no rule names, by its command line and its image.
    pub(super) fn launch(&mut self, now: SimTime, place: Place) -> Result<Launch, Box<CriError>> {
        let Some((config, image, known)) = self.image_of(place) else {
            return Err(CriError::not_found("container not found"));
        };
        let argv = image.command_line(&config.command, &config.args);
        let command = command_of(argv, &config, &image, self.host_name(place));
        let found = self.with_world(now, place, None, |world| find(&command, world)).unwrap_or(Found::Missing);
        let name = command.argv.first().cloned().unwrap_or_default();
        let asks =
            found == Found::Host && image.program(&command.argv).is_some_and(|program| program.asks_port.is_some());
        let failure = match found {
            Found::Host if !asks => None,
            Found::Played | Found::Script { .. } | Found::Host => {
                let pid = if config.shares_processes { SHARED_PID } else { 1 };
                let seed = self.random_seed(place);
                let dialect = image.dialect().unwrap_or_default();
                let setup = Setup { dialect, pid, seed, waits_for_input: config.stdin };
                return Ok(Launch::Script(Box::new(Script::new(Shell::new(command, setup)))));
            }
            // An unknown image with a command of its own that nobody has said, and perhaps arguments for it.
            _ if !known && config.command.is_empty() => None,
            Found::Missing if name.is_empty() && image.has_others => None,
            found => why_not(&found, &name),
        };
        if let Some(failure) = failure {
            return Err(CriError::unknown(format!(
                "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create \
                 failed: unable to start container process: error during container init: {failure}"
            )));
        }
        let (mut process, what) = self.usual_process(place, &image, known, &command);
        if config.command.is_empty() || image.enters(&command.argv) {
            self.fill_data(now, place, &image, &command, &mut process);
        }
        let shown = command.argv.join(" ");
        self.assume(place, &if shown.is_empty() { what } else { format!("{what} for `{shown}`") });
        Ok(Launch::Model { model: Arc::new(process), argv: command.argv })
    }

    /// The entry point of an image fills the data directory of its program, which then starts later, or says what it
    /// lacks for that.
    pub(super) fn fill_data(
        &mut self,
        now: SimTime,
        place: Place,
        image: &ImageModel,
        command: &Command,
        process: &mut Process,
    ) {
        let Some(data) = image.program(&command.argv).and_then(|program| program.fills.as_ref()) else { return };
        let value = |name: &str| command.environment.get(name).filter(|value| !value.is_empty()).map(|value| &**value);
        let directory = value(&data.variable).unwrap_or(&data.directory);
        let marker = format!("{directory}/{}", data.holds);
        let started = self.with_world(now, place, None, |world| {
            let date = world.date(now);
            let mut files = world.files();
            if files.metadata(&marker).is_some() {
                return Ok(SimDuration::ZERO);
            }
            let is_met = |need: &Text| match need.split_once('=') {
                Some((name, wanted)) => value(name) == Some(wanted),
                None if need.ends_with("_FILE") => {
                    value(need).is_some_and(|path| files.read(path).is_ok_and(|content| !content.bytes.is_empty()))
                }
                None => value(need).is_some(),
            };
            if !data.needs.iter().any(is_met) {
                return Err(date.strftime("%F %T+00:00").to_string());
            }
            // Where nothing can be written, the server is assumed to have its ways.
            let _ = files.create_directories(directory).and_then(|()| files.touch(&marker));
            Ok(data.takes)
        });
        match started {
            None => {}
            Some(Ok(later)) => {
                let steps = process.listen.iter_mut().flat_map(|entry| &mut entry.timeline);
                steps.filter(|step| !step.from.is_zero()).for_each(|step| step.from += later);
            }
            Some(Err(date)) => {
                *process = gives_up(data.complaint.iter().map(|line| line.replace("{now}", &date).into()));
            }
        }
    }

    /// What a program does in a container as far as image and name tell, and how that is said.
    pub(super) fn usual_process(
        &self,
        place: Place,
        image: &ImageModel,
        known: bool,
        command: &Command,
    ) -> (Process, String) {
        let found = image.program(&command.argv);
        let program = found.unwrap_or(&image_table::SERVER);
        let mut process = self.process_of(place, program, command);
        if let Some(listens) = &program.listens {
            let instance = self.machines[place.node.index()].pods.get(&place.key);
            let instance = instance.and_then(|record| record.instance(place.container));
            let is_mounted = |path: &str| instance.is_some_and(|instance| instance.files.is_mounted(path));
            process.listen.push(listens.listener(command, |path| known || is_mounted(path)));
        }
        let what = match found {
            Some(program) if image.names(program) => "the image's model".to_owned(),
            Some(_) => "the program's model".to_owned(),
            None => format!("an unknown {}: {}", if known { "program" } else { "image" }, told(&process)),
        };
        (process, what)
    }

    /// What a program does in a container.
    fn process_of(&self, place: Place, program: &ProgramModel, command: &Command) -> Process {
        let record = self.machines[place.node.index()].pods.get(&place.key);
        let spec = record.map(|record| &*record.pod.spec);
        let name = record.and_then(|record| record.instance(place.container)).map(|instance| instance.status.name);
        let container = spec.zip(name).and_then(|(spec, name)| spec.container(name));
        let here = spec.zip(container);
        let instance = record.and_then(|record| record.instance(place.container));
        if !program.needs_writes.is_empty() && instance.is_some_and(|instance| !instance.files.takes_writes()) {
            return gives_up([program.needs_writes.clone()]);
        }
        let is_user = container.and_then(|container| container.run_as_user).is_some_and(|user| user != 0);
        if let (Some(needs), Some(instance)) = (program.needs_root.as_ref().filter(|_| is_user), instance)
            && image_table::is_official(&instance.config.image)
            && !instance.files.is_mounted(&needs.unless_mounted)
            && !needs.directories.iter().all(|directory| instance.files.is_mounted(directory))
        {
            return gives_up([needs.complaint.clone()]);
        }
        let mut process = program.process_in(here, &command.argv, &command.environment);
        if let Some((spec, container)) = here.filter(|_| program.open_ended) {
            process.duration = usual_duration(spec, container).map(Into::into);
        }
        if program.reads_input && container.is_some_and(|container| container.stdin) {
            process.duration = None;
        }
        process
    }

    /// Notes what a container is assumed to do.
    pub(super) fn assume(&mut self, place: Place, model: &str) {
        if let Some(who) = self.who(place) {
            self.assumed.entry(who).or_insert_with(|| model.to_owned());
        }
    }

    /// Notes what is assumed of commands that are sent into a container.
    pub(super) fn assume_of_commands(&mut self, place: Place, model: &str) {
        if let Some(who) = self.who(place) {
            self.assumed.entry(who + " (exec)").or_insert_with(|| model.to_owned());
        }
    }

    /// A container by its name, that of its pod's owner, and its namespace.
    fn who(&self, place: Place) -> Option<String> {
        let record = self.machines[place.node.index()].pods.get(&place.key)?;
        let instance = record.instance(place.container)?;
        let meta = &record.pod.meta;
        let owner = meta.owner_references.iter().next().map_or(meta.name, |owner| owner.name);
        Some(format!("{}/{owner}/{}", meta.namespace, instance.status.name))
    }

    /// What was assumed of containers that no rule of the scenario names: who, and the model.
    pub const fn assumed(&self) -> &BTreeMap<String, String> {
        &self.assumed
    }

    /// The configuration and the image of a container, and whether the image is known.
    pub(super) fn image_of(&self, place: Place) -> Option<(Arc<ContainerConfig>, Arc<ImageModel>, bool)> {
        let record = self.machines[place.node.index()].pods.get(&place.key)?;
        let config = record.instance(place.container)?.config.clone();
        let (image, known) = image_table::find(&self.world.models, &config.image);
        Some((config, image, known))
    }

    /// The name that a container's machine has.
    fn host_name(&self, place: Place) -> String {
        let machine = &self.machines[place.node.index()];
        let record = machine.pods.get(&place.key);
        record.map(|record| host_name(&record.pod, machine.name).to_string()).unwrap_or_default()
    }

    /// Where the random numbers of a container's scripts start.
    pub(super) fn random_seed(&self, place: Place) -> u32 {
        let stream = StreamKey::from_bits(place.container.bits());
        self.draws.draw(RUN, stream, 1).bits() as u32
    }

    /// The main process of a container begins.
    pub(super) fn begin_main(&mut self, now: SimTime, place: Place, launch: Launch, out: &mut Outbox<Message>) {
        match launch {
            Launch::Model { model, argv } => {
                self.begin_program(now, place, model, argv, None, out);
            }
            Launch::Script(script) => {
                if let Some(instance) = self.instance_mut(place) {
                    instance.script = Some(script);
                }
                self.resume_soon(place, Session::Main, SimDuration::ZERO, out);
            }
        }
    }

    /// A model begins in a container. Returns its process number.
    pub(super) fn begin_program(
        &mut self,
        now: SimTime,
        place: Place,
        model: Arc<Process>,
        argv: Vec<String>,
        caller: Option<(Session, CallId)>,
        out: &mut Outbox<Message>,
    ) -> u32 {
        let plays = self.world.unruled == super::Unruled::Played;
        let taken = if plays { self.port_taken(place, &model) } else { None };
        let machine = &mut self.machines[place.node.index()];
        machine.uses |= !model.usage.is_empty() || model.work.is_some();
        let Some(record) = machine.pods.get_mut(&place.key) else { return 0 };
        let stream = record.stream;
        let Some(instance) = record.instance_mut(place.container) else { return 0 };
        let name = instance.status.name;
        let pid = match caller {
            None if instance.config.shares_processes => SHARED_PID,
            None => 1,
            Some(_) => {
                instance.last_pid += 1;
                instance.last_pid
            }
        };
        let program = Program { pid, model: model.clone(), since: now, argv, caller, signalled: false };
        instance.programs.push(program);
        if caller.is_none() {
            instance.model = Some((now, model.clone()));
        }
        let run = record.counters(name).runs;
        let stream = stream.part(&name);
        if model.work.is_some() {
            self.traffic_changes(out);
        }
        if let Some(port) = taken {
            let complaint = format!("listen tcp :{port}: bind: address already in use\n");
            if let Some(instance) = self.instance_mut(place) {
                instance.log.append(now, complaint.as_bytes());
            }
            let exit = Exit { code: 1, ..Exit::default() };
            return self.end_later(place, pid, GIVES_UP, exit, out);
        }
        if !model.usage.is_empty() {
            self.watch_limits(now, place.node, place.key, out);
        }
        if let Some(duration) = &model.duration {
            // A container's own run is counted when it has started, so that the first is number 1.
            let ordinal = u64::from(if caller.is_none() { run - 1 } else { pid });
            let lifetime = self.draws.sample(duration, RUN, stream, ordinal);
            self.end_later(place, pid, lifetime, model.exit.clone(), out);
        }
        pid
    }

    /// Plans the end of a program.
    pub(super) fn end_later(
        &self,
        place: Place,
        pid: u32,
        after: SimDuration,
        exit: Exit,
        out: &mut Outbox<Message>,
    ) -> u32 {
        let Place { node, key, container } = place;
        out.after(after, Message::Runtime(node, RuntimeMessage::ProgramEnd { key, container, pid, exit }));
        pid
    }

    /// A program ends, unless it did before.
    pub(super) fn program_ends(
        &mut self,
        now: SimTime,
        place: Place,
        pid: u32,
        exit: &Exit,
        out: &mut Outbox<Message>,
    ) {
        let Some(instance) = self.instance_mut(place) else { return };
        let Some(found) = instance.programs.iter().position(|program| program.pid == pid) else { return };
        let is_main = instance.is_main(&instance.programs[found]);
        let program = instance.programs.remove(found);
        // The words of a container's own program are told from its model.
        if !is_main {
            for line in program.model.printed(program.since, now) {
                instance.log.append(line.at, format!("{}\n", line.text).as_bytes());
            }
        }
        if exit.code == 0 {
            self.make_secrets(place, &program.argv, out);
        }
        match program.caller {
            None => self.machines[place.node.index()].process_ends(now, place.key, place.container, exit, out),
            Some((session, call)) => self.answer_program(place, session, call, exit.code, out),
        }
    }

    /// A program that ended well has created the Secrets that it is there to create.
    fn make_secrets(&mut self, place: Place, argv: &[String], out: &mut Outbox<Message>) {
        let Some((config, image, _)) = self.image_of(place).filter(|_| self.world.unruled == super::Unruled::Played)
        else {
            return;
        };
        let Some(program) = image.creates().then(|| image.program(argv)).flatten() else { return };
        for made in &program.makes {
            let Some(name) = image_table::flag_value(argv, &made.name_flag) else { continue };
            let namespace = image_table::flag_value(argv, &made.namespace_flag).map_or(config.namespace, Name::new);
            let data: BTreeMap<&str, &str> = made.keys.iter().map(|key| (&**key, "bWFkZQ==")).collect();
            let metadata = serde_json::json!({"name": name, "namespace": namespace.as_str()});
            let secret = serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data});
            let secret = lower(&secret).expect("a Secret that was just written").object;
            self.asked_count += 1;
            let request = Box::new(Request::Create(secret));
            out.now(Message::Call { client: Client::Workload, id: self.asked_count, request });
        }
    }

    /// Sends a signal to the main process of a container.
    pub(super) fn signal(&mut self, now: SimTime, place: Place, signal: Signal, out: &mut Outbox<Message>) {
        let Some(instance) = self.instance_mut(place) else { return };
        if signal == Signal::KILL {
            return self.machines[place.node.index()].process_ends(
                now,
                place.key,
                place.container,
                &Exit::killed(),
                out,
            );
        }
        let shared = instance.config.shares_processes;
        let program = match &mut instance.script {
            Some(script) if script.became.is_none() => {
                let ends = script.signal(signal) && shared;
                if ends {
                    let exit = Exit { code: signal.exit_code(), ..Exit::default() };
                    return self.machines[place.node.index()].process_ends(now, place.key, place.container, &exit, out);
                }
                return self.resume_soon(place, Session::Main, SimDuration::ZERO, out);
            }
            Some(script) => script.became,
            None => instance.programs.iter().find(|program| program.caller.is_none()).map(|program| program.pid),
        };
        if let Some(pid) = program {
            self.signal_program(now, place, pid, signal, out);
        }
    }

    /// Sends a signal to a program.
    pub(super) fn signal_program(
        &mut self,
        now: SimTime,
        place: Place,
        pid: u32,
        signal: Signal,
        out: &mut Outbox<Message>,
    ) {
        let machine = &mut self.machines[place.node.index()];
        let Some(record) = machine.pods.get_mut(&place.key) else { return };
        let stream = record.stream;
        let Some(instance) = record.instance_mut(place.container) else { return };
        let (name, first) = (instance.status.name, instance.config.shares_processes);
        // Number 1 of its namespace is spared by the kernel; what became the main process keeps its number.
        let is_first = instance.script.as_ref().map_or(pid == 1, |script| script.became == Some(pid)) && !first;
        let Some(program) = instance.programs.iter_mut().find(|program| program.pid == pid) else { return };
        let model = program.model.clone();
        if signal == Signal::KILL {
            return self.program_ends(now, place, pid, &Exit::killed(), out);
        }
        let first_time = !std::mem::replace(&mut program.signalled, true);
        if !first_time || signal.is_harmless() && signal != Signal::WINCH {
            return;
        }
        let run = u64::from(record.counters(name).runs);
        match &model.on_sigterm {
            OnSignal::Exit { after, code } => {
                let after = self.draws.sample(after, SIGNAL, stream.part(&name), run);
                let exit = Exit { code: *code, ..Exit::default() };
                self.end_later(place, pid, after, exit, out);
            }
            OnSignal::Unhandled if !is_first && !signal.is_harmless() => {
                let exit = Exit { code: signal.exit_code(), ..Exit::default() };
                self.program_ends(now, place, pid, &exit, out);
            }
            OnSignal::Raise { code } if !signal.is_harmless() => {
                let exit = Exit { code: if is_first { *code } else { signal.exit_code() }, ..Exit::default() };
                self.program_ends(now, place, pid, &exit, out);
            }
            OnSignal::Ignore | OnSignal::Unhandled | OnSignal::Raise { .. } => {}
        }
    }

    /// The signal that stops a container.
    pub(super) fn stop_signal(&self, place: Place) -> Signal {
        match self.world.unruled {
            super::Unruled::Played => self.image_of(place).map_or(Signal::TERM, |(_, image, _)| image.stop_signal()),
            super::Unruled::Idle => Signal::TERM,
        }
    }

    pub(super) fn instance_mut(&mut self, place: Place) -> Option<&mut super::machine::Instance> {
        self.machines[place.node.index()]
            .instance_mut(place.key, place.container)
            .filter(|instance| instance.status.state == InstanceState::Running)
    }

    /// A script met what is not played: the image's own program takes its place, or a server if that is a shell.
    pub(super) fn fall_back(&mut self, now: SimTime, place: Place, why: &str, out: &mut Outbox<Message>) {
        let Some((config, image, _)) = self.image_of(place) else { return };
        let command = command_of(image.command_line(&[], &[]), &config, &image, self.host_name(place));
        let own = image.program(&command.argv).filter(|program| image.names(program));
        let program = ProgramModel { open_ended: true, ..own.unwrap_or(&image_table::SERVER).clone() };
        let process = self.process_of(place, &program, &command);
        if let Some(who) = self.who(place) {
            self.assumed.insert(who, format!("{}, because `{why}` cannot be played,", told(&process)));
        }
        if let Some(instance) = self.instance_mut(place) {
            instance.script = None;
            instance.programs.clear();
        }
        self.begin_program(now, place, Arc::new(process), command.argv, None, out);
    }
}

/// What a program does, as people are told.
fn told(process: &Process) -> String {
    match process.duration.as_ref().and_then(Distribution::median) {
        Some(duration) => format!("a program that ends well after {duration}"),
        None => "a server on its declared ports".to_owned(),
    }
}

/// How long a program runs of which nothing is known: init containers end soon, and so does what is not to be started
/// again; the rest are servers.
fn usual_duration(spec: &PodSpec, container: &Container) -> Option<SimDuration> {
    let init = spec.init_containers.iter().any(|init| init.name == container.name);
    match spec.restart_policy_of(container) {
        _ if init && !container.is_sidecar() => Some(INIT_RUN),
        RestartPolicy::Always => None,
        RestartPolicy::OnFailure | RestartPolicy::Never => Some(JOB_RUN),
    }
}

/// A program that says some lines and fails at once.
fn gives_up(lines: impl IntoIterator<Item = Text>) -> Process {
    Process {
        duration: Some(GIVES_UP.into()),
        exit: Exit { code: 1, ..Exit::default() },
        prints: lines.into_iter().map(|line| Print { line, ..Print::default() }).collect(),
        ..Process::default()
    }
}

/// Why a command cannot be started, as runc says it.
pub(super) fn why_not(found: &Found, name: &str) -> Option<String> {
    match found {
        Found::Played | Found::Script { .. } | Found::Host => None,
        Found::NotExecutable => Some(format!("exec: {name:?}: permission denied")),
        Found::Missing if name.contains('/') => Some(format!("exec: {name:?}: stat {name}: no such file or directory")),
        Found::Missing => Some(format!("exec: {name:?}: executable file not found in $PATH")),
    }
}

/// A command line as `execve` gets it, in the environment of a container.
pub(super) fn command_of(argv: Vec<String>, config: &ContainerConfig, image: &ImageModel, host: String) -> Command {
    static PATH: LazyLock<Text> =
        LazyLock::new(|| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
    static HOME: LazyLock<Text> = LazyLock::new(|| "/root".into());
    let mut environment = Exported::from([
        ("PATH".into(), PATH.clone()),
        ("HOME".into(), HOME.clone()),
        ("HOSTNAME".into(), host.into()),
    ]);
    environment.extend(image.env.iter().map(|(name, value)| (name.to_string().into(), value.clone())));
    environment.extend(config.env.iter().map(|(name, value)| (name.as_str().into(), value.clone())));
    let directory =
        if config.working_dir.is_empty() { image.directory.to_string() } else { config.working_dir.to_string() };
    Command { argv, environment: Arc::new(environment), directory, input: Vec::new() }
}
