//! What is in images: the command, the shell, the programs and what they do. A table in RON that scenarios extend.
//!
//! The shipped table (`images.ron`) names the images that people's manifests name most. An image is known by its name
//! without registry and tag. Of one that is not in the table it is assumed that it has a shell, the usual utilities,
//! and a server that listens on every port that the container declares. A program that the table does not name for its
//! image is what `programs.ron` says of it in any image, or such a server.

use super::filesystem::{Directory, File, FileSystem, absolute};
use super::shell::{Command, Dialect, Exported, Signal, is_init, is_utility};
use super::{Glob, ListenAnswer, ListenBehavior, ListenKind, ListenStep, OnSignal, Process, python};
use crate::api::{Container, Handler, PodSpec, Port, Text};
use crate::engine::SimDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, OnceLock};

/// An image, as far as its containers show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImageModel {
    /// The image's name without registry and tag, or the end of it: `nginx`, `e2e-test-images/agnhost`. A pattern.
    pub name: Glob,
    /// What runs before the command, or is the command.
    pub entrypoint: Vec<Text>,
    /// The command, or its arguments.
    pub cmd: Vec<Text>,
    /// Whether the entry point runs the command that follows it, as `docker-entrypoint.sh` does.
    pub wraps: bool,
    /// The shell behind `sh`.
    pub shell: ImageShell,
    /// Whether a program that the table does not name is there all the same.
    pub has_others: bool,
    /// The user by number.
    pub user: u32,
    /// Where programs start.
    pub directory: Text,
    /// What a stop sends.
    pub stop_signal: Text,
    /// The environment.
    pub env: Vec<(Text, Text)>,
    /// Files, by path.
    pub files: Vec<(Text, Text)>,
    /// Its programs; the first that fits a command line is what it does.
    pub programs: Vec<ProgramModel>,
    /// The tree that `files` make, once a container has asked for it.
    #[serde(skip)]
    tree: OnceLock<Arc<Directory>>,
}

/// The shell of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImageShell {
    /// BusyBox ash.
    #[default]
    BusyBox,
    /// dash, and bash beside it.
    Dash,
    /// bash.
    Bash,
    /// None, nor any utility.
    None,
}

/// A program of an image.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProgramModel {
    /// Its name without directory. A pattern.
    pub name: Glob,
    /// Its arguments, joined by blanks; any if absent. A pattern.
    pub args: Option<Glob>,
    /// What it does.
    pub process: Process,
    /// Whether it listens on every port that the container declares or is probed at, too.
    pub on_declared_ports: bool,
    /// Whether nobody knows how long it runs: as long as the container if that is always started again; else it ends
    /// well after a while.
    pub open_ended: bool,
    /// Whether it reads its standard input, and runs for as long as that stays open.
    pub reads_input: bool,
    /// Whether it only asks a server, and where that listens: it succeeds once something does, and fails before.
    pub asks_port: Option<u16>,
    /// Its flags for the server's host, or address, or URL; the pod itself where none is given.
    pub host_flags: Vec<Text>,
    /// Its flags for the server's port.
    pub port_flags: Vec<Text>,
    /// What it prints when the server is there, `{host}` and `{port}` filled in; nobody knows if empty.
    pub answers: Text,
    /// Its exit code when the server is not there; 1 if absent.
    pub fails_with: Option<i32>,
    /// Whether it only sends a signal to the container's main process.
    pub sends: Option<Text>,
    /// The files that it serves over HTTP.
    pub serves: Option<Served>,
    /// Secrets that it creates when it ends well.
    pub makes: Vec<MadeSecret>,
    /// The data directory that the image's entry point fills before it.
    pub fills: Option<DataDirectory>,
    /// What it says before it fails in a container where nothing can be written; nothing if it does not mind.
    pub needs_writes: Text,
    /// What only root can do with the image as it is.
    pub needs_root: Option<NeedsRoot>,
    /// Whether the text after `-c` is read as Python.
    pub python: bool,
    /// How its command line says where it listens.
    pub listens: Option<Listens>,
    /// Flags whose value is memory that it uses, such as `--vm-bytes`.
    pub memory_flags: Vec<Text>,
    /// Flags whose value is CPUs that it uses, such as `-cpus`.
    pub cpu_flags: Vec<Text>,
    /// Flags whose value is how long it runs, in seconds or with a unit: `--timeout 5m`.
    pub duration_flags: Vec<Text>,
}

/// A directory that a web server serves.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Served {
    /// The directory.
    pub directory: Text,
    /// Not if something is mounted here: then its configuration is not known, and every page is there.
    pub unless_mounted: Text,
}

/// Directories of an image in which only root can write.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NeedsRoot {
    /// The directories; one where something is mounted takes everybody.
    pub directories: Vec<Text>,
    /// Not if something is mounted here: then its configuration is not known, and may name others.
    pub unless_mounted: Text,
    /// What it says before it fails.
    pub complaint: Text,
}

/// How a command line says where a program listens, and what it answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Listens {
    /// The flags for the port; if there are none, the first word that is a number.
    pub port_flags: Vec<Text>,
    /// The port if the command line says nothing.
    pub usual: u16,
    /// The flags for the directory whose files it serves; where it starts if they are not given.
    pub directory_flags: Vec<Text>,
    /// The status of a directory without `index.html`.
    pub without_index: Option<u16>,
    /// The flag with which it serves more than one connection; always, if it is empty.
    pub stays_flag: Text,
    /// The flag for a program that answers; else it answers with what it reads.
    pub answers_flag: Text,
}

/// A Secret that a program creates.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MadeSecret {
    /// The flag that gives its name.
    pub name_flag: Text,
    /// The flag that gives its namespace; the pod's where it is not given.
    pub namespace_flag: Text,
    /// Its keys.
    pub keys: Vec<Text>,
}

/// A directory that an entry point fills at the first start, if it is told how: `docker_verify_minimum_env` of the
/// official images of databases.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataDirectory {
    /// The directory.
    pub directory: Text,
    /// The variable that names another one.
    pub variable: Text,
    /// What is in it once it was filled.
    pub holds: Text,
    /// How much later the server listens when it has to be filled.
    pub takes: SimDuration,
    /// Variables of which one must be set. `NAME=value` counts with this value only, `NAME_FILE` if that file says
    /// something.
    pub needs: Vec<Text>,
    /// The lines that are said if none is, before the container fails; `{now}` is the date.
    pub complaint: Vec<Text>,
}

impl Default for ImageModel {
    fn default() -> Self {
        Self {
            name: Glob::any(),
            entrypoint: Vec::new(),
            cmd: Vec::new(),
            wraps: false,
            shell: ImageShell::default(),
            has_others: true,
            user: 0,
            directory: "/".into(),
            stop_signal: "TERM".into(),
            env: Vec::new(),
            files: Vec::new(),
            programs: Vec::new(),
            tree: OnceLock::new(),
        }
    }
}

/// The images that ship with the program.
static SHIPPED: LazyLock<Vec<Arc<ImageModel>>> = LazyLock::new(|| {
    let table: Vec<ImageModel> = ron::from_str(include_str!("images.ron")).expect("the table ships with the program");
    table.into_iter().map(Arc::new).collect()
});

/// An image that nobody has described.
static UNKNOWN: LazyLock<Arc<ImageModel>> = LazyLock::new(|| {
    // Whoever asks for a user that is not root has an image that has one.
    Arc::new(ImageModel { shell: ImageShell::Dash, user: 65_532, ..ImageModel::default() })
});

/// What programs do in whatever image they are.
static COMMON: LazyLock<Vec<ProgramModel>> =
    LazyLock::new(|| ron::from_str(include_str!("programs.ron")).expect("the table ships with the program"));

/// A program that nobody has described.
pub(super) static SERVER: LazyLock<ProgramModel> = LazyLock::new(|| ProgramModel {
    process: polite_server(),
    on_declared_ports: true,
    open_ended: true,
    ..ProgramModel::default()
});

/// A server that ends at once when it is told to.
fn polite_server() -> Process {
    Process { on_sigterm: OnSignal::Exit { after: SimDuration::ZERO.into(), code: 0 }, ..Process::default() }
}

/// The model of an image: the scenario's word, else the shipped table's, else a guess. The flag tells whether it is one
/// of the first two.
pub(super) fn find(own: &[Arc<ImageModel>], image: &str) -> (Arc<ImageModel>, bool) {
    let repository = repository(image);
    let fits = |model: &&Arc<ImageModel>| {
        let mut tail = Some(repository);
        while let Some(rest) = tail {
            if model.name.matches(rest) {
                return true;
            }
            tail = rest.split_once('/').map(|(_, rest)| rest);
        }
        false
    };
    let found = own.iter().find(fits).or_else(|| SHIPPED.iter().find(fits));
    found.map_or_else(|| (UNKNOWN.clone(), false), |model| (model.clone(), true))
}

/// Whether an image is the official one of its name: nobody's but Docker's library's.
pub(super) fn is_official(image: &str) -> bool {
    let name = repository(image);
    let name =
        ["docker.io/", "index.docker.io/"].iter().find_map(|registry| name.strip_prefix(registry)).unwrap_or(name);
    !name.strip_prefix("library/").unwrap_or(name).contains('/')
}

/// An image's name without tag and digest.
fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let slash = image.rfind('/').map_or(0, |slash| slash + 1);
    image[slash..].find(':').map_or(image, |colon| &image[..slash + colon])
}

impl ImageModel {
    /// The command line of a container (`command` replaces the entry point, and with it the image's arguments).
    pub(super) fn command_line(&self, command: &[Text], args: &[Text]) -> Vec<String> {
        let words = |list: &[Text]| list.iter().map(|word| word.to_string()).collect::<Vec<_>>();
        if !command.is_empty() {
            return [words(command), words(args)].concat();
        }
        let tail = if args.is_empty() { words(&self.cmd) } else { words(args) };
        let is_flag = |word: &String| word.starts_with('-');
        // Flags alone go to the image's command, which is a tool that is played.
        if let Some(tool) = self.cmd.first().filter(|tool| self.wraps && is_utility(base_name(tool)))
            && tail.first().is_some_and(is_flag)
        {
            return [vec![tool.to_string()], tail].concat();
        }
        let runs_it = self.wraps && tail.first().is_some_and(|first| !is_flag(first) && self.can_run(first));
        if runs_it { tail } else { [words(&self.entrypoint), tail].concat() }
    }

    fn can_run(&self, name: &str) -> bool {
        let base = base_name(name);
        is_utility(base) || self.programs.iter().any(|program| program.name.matches(base))
    }

    /// The shell, if there is one.
    pub(super) fn dialect(&self) -> Option<Dialect> {
        match self.shell {
            ImageShell::BusyBox => Some(Dialect::BusyBox),
            ImageShell::Dash => Some(Dialect::Dash),
            ImageShell::Bash => Some(Dialect::Bash),
            ImageShell::None => None,
        }
    }

    /// Whether it has a program of its own of this name.
    pub(super) fn has_program(&self, name: &str) -> bool {
        let base = base_name(name);
        self.programs.iter().any(|program| program.name.matches(base) && *program.name.as_str() != *"*")
            || (is_init(base) || !is_utility(base))
                && self.entrypoint.first().or(self.cmd.first()).is_some_and(|first| base_name(first) == base)
    }

    /// What a command line of it does: the image's word, else what the program does in any image.
    pub(super) fn program(&self, argv: &[String]) -> Option<&ProgramModel> {
        let is_entry = |name: &str| self.entrypoint.first().is_some_and(|entry| base_name(entry) == base_name(name));
        let default = [self.cmd.first().map_or("", |name| name).to_owned()];
        // What an entry point runs: the command that follows it, or the image's with these flags.
        let (name, rest) = match argv {
            [entry, rest @ ..] if self.wraps && is_entry(entry) => match rest {
                [name, rest @ ..] if !name.starts_with('-') => (name, rest),
                flags => (&default[0], flags),
            },
            [name, rest @ ..] => (name, rest),
            [] => (&default[0], argv),
        };
        let (base, args) = (base_name(name), rest.join(" "));
        self.programs.iter().chain(&*COMMON).find(|program| {
            program.name.matches(base) && program.args.as_ref().is_none_or(|pattern| pattern.matches(&args))
        })
    }

    /// Whether any program in it creates anything when it ends: hardly any does, and few look further.
    pub(super) fn creates(&self) -> bool {
        self.programs.iter().chain(&*COMMON).any(|program| !program.makes.is_empty())
    }

    /// Whether a command line goes through the entry point, which a container's own `command` replaces.
    pub(super) fn enters(&self, argv: &[String]) -> bool {
        let entry = self.entrypoint.first().map_or("", |entry| base_name(entry));
        argv.first().is_some_and(|name| !entry.is_empty() && base_name(name) == entry)
    }

    /// Whether a program is one that the image's own entry names, not only what it is in any image.
    pub(super) fn names(&self, program: &ProgramModel) -> bool {
        self.programs.iter().any(|own| std::ptr::eq(own, program))
    }

    /// The file system that its containers start with.
    pub(super) fn file_system(&self) -> FileSystem {
        if self.files.is_empty() {
            return FileSystem::default();
        }
        let tree = self.tree.get_or_init(|| {
            let mut root = Directory::linux();
            for (path, content) in &self.files {
                root.insert_file(path, File::new(content.as_bytes()).executable());
            }
            Arc::new(root)
        });
        FileSystem::new(tree.clone())
    }

    /// What a stop sends.
    pub(super) fn stop_signal(&self) -> Signal {
        Signal::parse(&self.stop_signal).unwrap_or(Signal::TERM)
    }
}

impl ProgramModel {
    /// What it does in a container of a pod: its model, with the ports that are expected of it and what its flags say.
    pub(super) fn process_in(
        &self,
        place: Option<(&PodSpec, &Container)>,
        argv: &[String],
        environment: &Exported,
    ) -> Process {
        let text = argv.iter().position(|word| word == "-c").and_then(|at| argv.get(at + 1)).filter(|_| self.python);
        let mut process = match text {
            Some(text) => Process { on_sigterm: self.process.on_sigterm.clone(), ..python::play(text, environment) },
            None => self.process.clone(),
        };
        if let Some((spec, container)) = place.filter(|_| self.on_declared_ports) {
            add_ports(&mut process.listen, spec, container, argv);
        }
        if let Some(served) = &self.serves
            && place.is_none_or(|(_, container)| {
                !container.volume_mounts.iter().any(|mount| mount.mount_path.starts_with(&*served.unless_mounted))
            })
        {
            let pages = process.listen.iter_mut().filter(|entry| entry.kind == ListenKind::Http);
            pages.for_each(|entry| entry.files = Some(served.directory.clone()));
        }
        let memory: i64 = self.memory_flags.iter().filter_map(|flag| flag_value(argv, flag)).filter_map(bytes).sum();
        if memory > 0 {
            let workers = flag_value(argv, "--vm").and_then(|value| value.parse().ok()).unwrap_or(1).max(1);
            usage(&mut process).memory = Some(memory.saturating_mul(workers));
        }
        let cpus: f64 = self.cpu_flags.iter().filter_map(|flag| flag_value(argv, flag)?.parse::<f64>().ok()).sum();
        if cpus > 0.0 {
            usage(&mut process).milli_cpu = Some((cpus * 1000.0) as i64);
        }
        let lifetime = self.duration_flags.iter().find_map(|flag| flag_value(argv, flag)).and_then(span);
        process.duration = lifetime.map(Into::into).or(process.duration);
        process
    }
}

impl ProgramModel {
    /// Which server a command line asks: its host, none if that is the container's own machine, and its port.
    pub(super) fn server(&self, argv: &[String]) -> Option<(Option<String>, u16)> {
        let usual = self.asks_port?;
        let value = |flags: &[Text]| flags.iter().find_map(|flag| client_flag(argv, flag));
        let given =
            value(&self.host_flags).or_else(|| argv.iter().find(|word| word.contains("://")).map(String::as_str));
        // A URL may have a user before the host, and more behind the port; of several addresses the first is asked.
        let address = given.unwrap_or_default();
        let address = address.split_once("://").map_or(address, |(_, rest)| rest).split(',').next().unwrap_or_default();
        // What begins with a slash is the directory of a socket.
        let address = address.split('/').next().unwrap_or_default();
        let address = address.rsplit_once('@').map_or(address, |(_, rest)| rest);
        let (host, own_port) = match address.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()),
            None => (address, None),
        };
        let port = value(&self.port_flags).and_then(|port| port.parse().ok()).or(own_port).unwrap_or(usual);
        let is_own = host.is_empty()
            || host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback() || address.is_unspecified());
        Some(((!is_own).then(|| host.to_owned()), port))
    }

    /// What it prints when the server that it asks is there, if that is known.
    pub(super) fn answer_of(&self, host: &str, port: u16) -> Option<String> {
        let text = self.answers.replace("{host}", host).replace("{port}", &port.to_string());
        (!text.is_empty()).then(|| text + "\n")
    }
}

impl Listens {
    /// The listener of a command line. Of an image's own directories the files are known if `knows_files`, of others
    /// if they are mounted.
    pub(super) fn listener(&self, command: &Command, knows_files: impl Fn(&str) -> bool) -> ListenBehavior {
        let argv = &command.argv;
        let flag = |flags: &[Text]| flags.iter().find_map(|flag| flag_value(argv, flag));
        let port = match self.port_flags.is_empty() {
            true => argv.iter().find_map(|word| word.parse().ok()),
            false => flag(&self.port_flags).and_then(|value| value.rsplit(':').next()?.parse().ok()),
        };
        let port = port.unwrap_or(self.usual);
        let once = !self.stays_flag.is_empty() && !argv.iter().any(|word| **word == *self.stays_flag);
        let mut listener =
            ListenBehavior { port, once, without_index: self.without_index, ..ListenBehavior::default() };
        if !self.directory_flags.is_empty() {
            let directory = absolute(&command.directory, flag(&self.directory_flags).unwrap_or("."));
            listener.files = Some(directory.as_str().into()).filter(|_| knows_files(&directory));
        } else if !self.answers_flag.is_empty() && flag_value(argv, &self.answers_flag).is_none() {
            listener.timeline.push(ListenStep { answer: said(&command.input), ..ListenStep::default() });
        }
        listener
    }
}

/// What a request over HTTP gets from a server that says the same to everybody.
fn said(text: &[u8]) -> ListenAnswer {
    if text.is_empty() {
        return ListenAnswer::Close;
    }
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n");
    let code = text.strip_prefix("HTTP/").and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    let Some(code) = code else { return ListenAnswer::Garbage };
    let body = text.split_once("\n\n").map_or("", |(_, body)| body);
    ListenAnswer::Status { code, body: body.into(), location: Text::default() }
}

fn usage(process: &mut Process) -> &mut super::UsageStep {
    if process.usage.is_empty() {
        process.usage.push(super::UsageStep::default());
    }
    process.usage.last_mut().expect("one was just added")
}

/// Listens on the ports that a container declares, is probed at, in the protocol that the probe speaks, or is told by
/// its flags. At a port that another container of the pod declares, that one is probed.
fn add_ports(listen: &mut Vec<ListenBehavior>, spec: &PodSpec, container: &Container, argv: &[String]) {
    let declares = |container: &Container, port| container.ports.iter().any(|own| own.container_port == port);
    let others = |port| {
        let mut others = spec.created_containers();
        !declares(container, port) && others.any(|other| other.name != container.name && declares(other, port))
    };
    let probed: Vec<_> = probed_ports(spec, container).filter(|(port, _)| !others(*port)).collect();
    // The protocol of a port at which another container's probe asks.
    let kind_of = |port: u16, otherwise| {
        let mut asked = spec.created_containers().flat_map(|other| probed_ports(spec, other));
        asked.find(|(wanted, _)| *wanted == port).map_or(otherwise, |(_, kind)| kind)
    };
    let declared = container.ports.iter().filter(|port| port.protocol != "UDP" && port.protocol != "SCTP");
    let declared = declared.map(|port| (port.container_port, ListenKind::Http)).chain(ports_of_flags(argv));
    let declared = declared.map(|(port, kind)| (port, kind_of(port, kind)));
    for (port, kind) in probed.into_iter().chain(declared) {
        if listen.iter().all(|entry| entry.port != port) {
            listen.push(ListenBehavior { port, kind, assumed: true, ..ListenBehavior::default() });
        }
    }
}

/// The ports of the pod at which a container's probes and hooks ask, and the protocols that they speak.
fn probed_ports<'a>(spec: &'a PodSpec, container: &'a Container) -> impl Iterator<Item = (u16, ListenKind)> + 'a {
    let probes = [&container.startup, &container.readiness, &container.liveness].map(Option::as_deref);
    let hooks = [&container.post_start, &container.pre_stop].map(Option::as_deref);
    let handlers = probes.into_iter().flatten().map(|probe| &probe.handler).chain(hooks.into_iter().flatten());
    let number = |port: &Port| match port {
        Port::Number(port) => Some(*port),
        Port::Named(name) => container.port_named(name),
    };
    // On the machine's network a probe may name the machine, and the kubelet that asks is there too.
    let is_own = move |host: &str| host.is_empty() || spec.host_network;
    handlers.filter_map(move |handler| match handler {
        Handler::HttpGet { port, host, https, .. } if is_own(host) => {
            Some((number(port)?, if *https { ListenKind::Https } else { ListenKind::Http }))
        }
        Handler::TcpSocket { port, host } if is_own(host) => Some((number(port)?, ListenKind::Http)),
        Handler::Grpc { port, .. } => Some((*port, ListenKind::Grpc)),
        _ => None,
    })
}

/// The ports that a command line tells a server to listen at: `--secure-port=N`, `--web.listen-address=:N`,
/// `--listen-client-urls=http://0.0.0.0:N`.
fn ports_of_flags(argv: &[String]) -> impl Iterator<Item = (u16, ListenKind)> {
    const ADDRESSES: [&str; 6] = ["listen-address", "bind-address", "addr", "listen", "bind", "-urls"];
    let flags = argv.iter().filter(|word| word.starts_with('-')).filter_map(|word| word.split_once('='));
    flags.flat_map(|(flag, value)| {
        let kind = if flag.contains("secure-") { ListenKind::Https } else { ListenKind::Http };
        let is_port = flag.ends_with("port");
        let is_address = ADDRESSES.iter().any(|end| flag.ends_with(end));
        value.split(',').filter_map(move |value| {
            if is_port {
                return Some((value.parse().ok()?, kind));
            }
            let address = value.split_once("://").map_or(value, |(_, address)| address).trim_end_matches('/');
            let (host, port) = address.rsplit_once(':').filter(|_| is_address)?;
            let host = host.trim_matches(['[', ']']);
            let own = host.is_empty() || host == "localhost" || host.parse::<IpAddr>().is_ok();
            Some((port.parse().ok().filter(|_| own)?, kind))
        })
    })
}

/// The value of a flag: `--flag value` or `--flag=value`.
pub(super) fn flag_value<'a>(argv: &'a [String], flag: &str) -> Option<&'a str> {
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        if word == flag {
            return words.next().map(String::as_str);
        }
        if let Some(value) = word.strip_prefix(flag).and_then(|rest| rest.strip_prefix('=')) {
            return Some(value);
        }
    }
    None
}

/// The value of a client's flag, which follows a short flag also without a blank: `-hdb`.
fn client_flag<'a>(argv: &'a [String], flag: &str) -> Option<&'a str> {
    flag_value(argv, flag).or_else(|| {
        let is_short = flag.len() == 2;
        argv.iter().filter_map(|word| word.strip_prefix(flag)).find(|value| is_short && !value.is_empty())
    })
}

/// An amount as `stress` takes it: powers of 1024.
fn bytes(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].chars().next().map(|c| c.to_ascii_uppercase()) {
        None | Some('B') => 1,
        Some('K') => 1 << 10,
        Some('M') => 1 << 20,
        Some('G') => 1 << 30,
        Some(_) => return None,
    };
    digits.parse::<i64>().ok().map(|number| number.saturating_mul(unit))
}

/// A span of time as `stress` takes it.
fn span(text: &str) -> Option<SimDuration> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit).map(SimDuration::from_secs)
}

fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_the_end_of_their_name() {
        for (image, known, entry) in [
            ("nginx", true, "/docker-entrypoint.sh nginx -g daemon off;"),
            ("docker.io/library/nginx:1.27@sha256:0123", true, "/docker-entrypoint.sh nginx -g daemon off;"),
            ("registry.k8s.io/busybox:1.27.2", true, "sh"),
            ("registry:5000/team/service:v1", false, ""),
            ("registry.k8s.io/e2e-test-images/agnhost:2.40", true, "/agnhost pause"),
            ("node:22", true, "docker-entrypoint.sh node"),
            ("docker.io/calico/node:v3.30.0", true, "start_runit"),
        ] {
            let (model, found) = find(&[], image);
            assert_eq!((model.command_line(&[], &[]).join(" ").as_str(), found), (entry, known), "{image}");
        }
    }

    #[test]
    fn commands_and_arguments_meet_the_image() {
        let (redis, _) = find(&[], "redis:7");
        let words = |text: &str| text.split_whitespace().map(Text::from).collect::<Vec<_>>();
        for (command, args, line) in [
            ("", "", "redis-server"),
            ("", "redis-server --port 80", "redis-server --port 80"),
            ("", "--appendonly yes", "docker-entrypoint.sh --appendonly yes"),
            ("", "sh -c true", "sh -c true"),
            ("sleep", "5", "sleep 5"),
            ("sleep", "", "sleep"),
        ] {
            assert_eq!(redis.command_line(&words(command), &words(args)).join(" "), line, "{command:?} {args:?}");
        }
    }

    #[test]
    fn flags_alone_go_to_the_tool_of_the_image() {
        let (curl, _) = find(&[], "curlimages/curl:8");
        let args = ["-s", "http://web"].map(Text::from);
        assert_eq!(curl.command_line(&[], &args), ["curl", "-s", "http://web"]);
        assert_eq!(curl.command_line(&[], &[]), ["curl"]);
    }

    #[test]
    fn flags_name_ports() {
        let argv = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let http = |ports: &[u16]| ports.iter().map(|port| (*port, ListenKind::Http)).collect::<Vec<_>>();
        for (line, ports) in [
            ("app --port=8080 -healthz-port=8081", http(&[8080, 8081])),
            ("proxy --secure-listen-address=[10.0.0.1]:9100", vec![(9100, ListenKind::Https)]),
            ("etcd --listen-client-urls=http://0.0.0.0:2379,http://127.0.0.1:4001", http(&[2379, 4001])),
            ("app --metrics-bind-address=:8443 --redis-addr=redis:6379 --listen=unix:///run/app.sock", http(&[8443])),
        ] {
            assert_eq!(ports_of_flags(&argv(line)).collect::<Vec<_>>(), ports, "{line}");
        }
    }

    #[test]
    fn clients_are_told_whom_to_ask() {
        for (line, host, port) in [
            ("pg_isready", None, 5432),
            ("pg_isready -h db -p 6432 -U shop", Some("db"), 6432),
            ("pg_isready --host=db.prod", Some("db.prod"), 5432),
            ("psql -h /var/run/postgresql -c select", None, 5432),
            ("psql postgres://shop:secret@db:6432/shop?sslmode=off", Some("db"), 6432),
            ("redis-cli -h 127.0.0.1 -p 6380 ping", None, 6380),
            ("redis-cli -u redis://:secret@cache/0 ping", Some("cache"), 6379),
            ("mysqladmin ping -hdb -uroot -psecret -P 3307", Some("db"), 3307),
            ("mongosh --host db:27018 --eval 1", Some("db"), 27018),
            ("etcdctl --endpoints=http://etcd-0:2379,http://etcd-1:2379 endpoint health", Some("etcd-0"), 2379),
        ] {
            let argv: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let model = UNKNOWN.program(&argv).unwrap();
            assert_eq!(model.server(&argv), Some((host.map(str::to_owned), port)), "{line}");
        }
    }

    #[test]
    fn flags_say_what_is_used() {
        let (stress, _) = find(&[], "polinux/stress");
        let line = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (argv, memory) in [
            ("stress --vm 1 --vm-bytes 150M --vm-hang 1", Some(150 << 20)),
            ("stress --vm 2 --vm-bytes=1G", Some(2 << 30)),
            ("stress --cpu 1", None),
        ] {
            let argv = line(argv);
            let process = stress.program(&argv).unwrap().process_in(None, &argv, &Exported::new());
            assert_eq!(process.usage.first().and_then(|step| step.memory), memory, "{argv:?}");
        }
        for (argv, seconds) in [("stress --timeout 60s", Some(60)), ("stress -t 2m", Some(120)), ("stress", None)] {
            let process = stress.program(&line(argv)).unwrap().process_in(None, &line(argv), &Exported::new());
            let duration = process.duration.and_then(|duration| duration.median());
            assert_eq!(duration, seconds.map(SimDuration::from_secs), "{argv}");
        }
    }
}
