//! What the world inside containers does, as data: rules that a scenario or a recorded case states, by pod and
//! container.
//!
//! Lists are by count: the n-th sandbox, container or run takes the n-th entry, and the last entry repeats.

use super::{ImageModel, MetricSeries, Traffic, Work};
use crate::api::amount::{byte_count, byte_counts};
use crate::api::{Amount, Name, Text};
use crate::engine::{Distribution, SimDuration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

/// A shell-like pattern over names: `*`, `?`, `[ab]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    pattern: glob::Pattern,
    /// Whether only one text matches: most patterns are names.
    is_plain: bool,
}

impl Glob {
    /// The pattern that matches everything.
    pub fn any() -> Self {
        "*".parse().expect("a star is a pattern")
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        self.pattern.as_str()
    }

    /// The only text that matches, if it is a plain one.
    pub fn plain(&self) -> Option<&str> {
        self.is_plain.then_some(self.as_str())
    }

    /// Whether a text matches as a whole.
    pub fn matches(&self, text: &str) -> bool {
        if self.is_plain { self.as_str() == text } else { self.pattern.matches(text) }
    }
}

impl FromStr for Glob {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = !text.contains(['*', '?', '[']);
        let pattern = glob::Pattern::new(text).map_err(|error| format!("{text:?} is not a pattern: {error}"))?;
        Ok(Self { pattern, is_plain })
    }
}

impl Default for Glob {
    fn default() -> Self {
        Self::any()
    }
}

impl Serialize for Glob {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How the pods of some names behave. The first rule that matches a pod is its rule for life.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PodBehavior {
    /// The pods' names.
    pub pods: Glob,
    /// The rule serves only so many pods, in order of their first sandbox.
    pub count: Option<u32>,
    /// How their sandboxes are made: one entry for each.
    pub sandbox: Vec<StepBehavior>,
    /// How long stopping a sandbox takes; the profile's time if absent.
    pub sandbox_stop: Option<Distribution>,
    /// How their containers behave. The first that matches a container is its rule.
    pub containers: Vec<ContainerBehavior>,
    /// CPU that those of them that are ready share, on top of what each uses by itself: work behind a load balancer.
    pub demand: Vec<DemandStep>,
}

/// How much CPU is asked of all pods of a rule together, from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DemandStep {
    /// Since the start of the run.
    pub from: SimDuration,
    /// Thousandths of a CPU.
    pub milli_cpu: i64,
}

/// One step of the runtime: how long it takes and whether it works.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StepBehavior {
    /// How long it takes; the profile's time if absent.
    pub duration: Option<Distribution>,
    /// What goes wrong; nothing if absent. Empty for the runtime's usual words.
    pub error: Option<Text>,
}

/// How the containers of some names behave.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerBehavior {
    /// The containers' names.
    pub name: Glob,
    /// Only with these images.
    pub image: Option<Glob>,
    /// How instances are created: one entry for each.
    pub create: Vec<StepBehavior>,
    /// How instances are started: one entry for each.
    pub start: Vec<StepBehavior>,
    /// What the process does: one entry for each run.
    pub runs: Vec<Arc<Process>>,
    /// The process, where `runs` has nothing to say.
    pub process: Arc<Process>,
}

impl ContainerBehavior {
    /// The process of the n-th run.
    pub fn run(&self, n: usize) -> &Arc<Process> {
        nth(&self.runs, n).unwrap_or(&self.process)
    }
}

/// The n-th entry of a list whose last one repeats.
pub fn nth<T>(list: &[T], n: usize) -> Option<&T> {
    list.get(n).or_else(|| list.last())
}

/// What a process does from its start to its end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Process {
    /// How long it runs by itself; until it is stopped if absent.
    pub duration: Option<Distribution>,
    /// How it ends by itself.
    pub exit: Exit,
    /// What it does about the stop signal.
    pub on_sigterm: OnSignal,
    /// Its answers to commands, by the exact command line.
    pub exec: Vec<ExecBehavior>,
    /// The answer to any other command.
    pub exec_default: ExecDefault,
    /// What it listens on.
    pub listen: Vec<ListenBehavior>,
    /// What the requests of `traffic` cost it, that come to its first port.
    pub work: Option<Arc<Work>>,
    /// What it uses, from its start on; each key holds until it is set again.
    pub usage: Vec<UsageStep>,
    /// What it prints, for `kubectl logs`.
    pub prints: Vec<Print>,
}

/// A line that a process prints, once or again and again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Print {
    /// Since the start of the process.
    pub from: SimDuration,
    /// Again so far apart, until it ends.
    pub every: Option<SimDuration>,
    /// The line.
    pub line: Text,
}

/// The end of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Exit {
    /// What it returns.
    pub code: i32,
    /// The runtime's word for it; by default `Completed` or `Error`.
    pub reason: Name,
    /// The termination message.
    pub message: Text,
}

/// What a process does about the stop signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum OnSignal {
    /// Nothing: it lives until it is killed.
    Ignore,
    /// It has no handler: the kernel ends it with 128 and the signal's number, unless it is number 1 of its namespace.
    Unhandled,
    /// Its runtime raises the signal again without a handler, and where the kernel spares it as number 1, ends: Go
    /// (`dieFromSignal` of `runtime/signal_unix.go`) with 2, Ruby (`ruby_default_signal`) with 1.
    Raise {
        /// What it returns as number 1.
        code: i32,
    },
    /// It ends a while after.
    Exit {
        /// How long after.
        after: Distribution,
        /// What it returns.
        code: i32,
    },
}

impl Default for OnSignal {
    /// The default action of the signal, for a process that is not PID 1: gone in a moment, 143.
    fn default() -> Self {
        Self::Exit { after: SimDuration::from_millis(20).into(), code: 143 }
    }
}

/// The answers to one command over the life of a process.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExecBehavior {
    /// The command line, arguments joined by blanks.
    pub command: Text,
    /// The answers; the last entry whose time has come counts.
    pub timeline: Vec<ExecStep>,
}

/// An answer from a moment on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExecStep {
    /// Since the start of the process.
    pub from: SimDuration,
    /// What the command comes to.
    pub result: ExecResult,
    /// How long it takes; a moment if absent.
    pub duration: Option<Distribution>,
}

/// What a command comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ExecResult {
    /// Exit code 0.
    #[default]
    Success,
    /// Exit code 1.
    Failure,
    /// No end within any timeout.
    Hang,
    /// The runtime cannot run it.
    Error,
    /// An exit code and an output of one's own.
    Exit {
        /// The exit code.
        code: i32,
        /// What it prints.
        #[serde(default)]
        output: Text,
    },
}

/// What a command without an entry comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ExecDefault {
    /// It is run by the simulator's shell in the container's file system.
    #[default]
    Run,
    /// It succeeds.
    Succeed,
}

/// Something that a process listens with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListenBehavior {
    /// The port.
    pub port: u16,
    /// What it speaks.
    pub kind: ListenKind,
    /// HTTP: serves only this path, with its query.
    pub path: Option<Text>,
    /// HTTP: serves only this host.
    pub host: Option<Text>,
    /// HTTP: serves only requests with this header, as `Name: value`.
    pub header: Option<Text>,
    /// gRPC: serves only checks of this service.
    pub service: Option<Text>,
    /// HTTP: serves the files below this directory; what is not there is not found.
    pub files: Option<Text>,
    /// HTTP: 503 unless each of these Services answers, `db` or `db.prod`.
    pub needs: Vec<Text>,
    /// Whether it stops listening at the stop signal rather than at the end.
    pub close_on_sigterm: bool,
    /// Whether that is a guess: then another program may have the port.
    #[serde(skip)]
    pub assumed: bool,
    /// Whether the process ends well after its first connection.
    #[serde(skip)]
    pub once: bool,
    /// The status of a directory among `files` that has no `index.html`; 403 if absent.
    #[serde(skip)]
    pub without_index: Option<u16>,
    /// What it answers; the last entry whose time has come counts.
    pub timeline: Vec<ListenStep>,
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ListenKind {
    /// HTTP.
    #[default]
    Http,
    /// HTTP over TLS.
    Https,
    /// Nothing in particular: connections are accepted.
    Tcp,
    /// The gRPC health service.
    Grpc,
}

/// An answer from a moment on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListenStep {
    /// Since the start of the process.
    pub from: SimDuration,
    /// What happens.
    pub answer: ListenAnswer,
    /// How long it takes.
    pub duration: Option<Distribution>,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ListenAnswer {
    /// Nothing listens.
    Refused,
    /// TCP: the connection opens.
    Accept,
    /// It is read and never answered.
    Hang,
    /// The connection is reset.
    Reset,
    /// The connection is closed without an answer.
    Close,
    /// The answer is none of the protocol.
    Garbage,
    /// HTTP: a status.
    Status {
        /// The status.
        code: u16,
        /// The body.
        #[serde(default)]
        body: Text,
        /// Where a redirect leads.
        #[serde(default)]
        location: Text,
    },
    /// gRPC: the health of the service.
    Health(Health),
}

impl Default for ListenAnswer {
    fn default() -> Self {
        Self::Status { code: 200, body: Text::default(), location: Text::default() }
    }
}

/// An answer of the gRPC health service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Health {
    /// SERVING.
    Serving,
    /// NOT_SERVING.
    NotServing,
    /// UNKNOWN.
    Unknown,
    /// SERVICE_UNKNOWN: the gRPC status NOT_FOUND.
    ServiceUnknown,
    /// There is no health service: the gRPC status UNIMPLEMENTED.
    Unimplemented,
    /// The gRPC status INTERNAL.
    Error,
}

/// What a process uses from a moment on; keys left out keep their value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UsageStep {
    /// Since the start of the process.
    pub from: SimDuration,
    /// Thousandths of a CPU.
    pub milli_cpu: Option<i64>,
    /// Bytes of memory (working set).
    #[serde(with = "byte_count")]
    #[schemars(with = "Option<Amount>")]
    pub memory: Option<i64>,
    /// Bytes in the writable layer.
    #[serde(with = "byte_count")]
    #[schemars(with = "Option<Amount>")]
    pub writable: Option<i64>,
    /// Inodes in the writable layer.
    pub writable_inodes: Option<i64>,
    /// Bytes of logs.
    #[serde(with = "byte_count")]
    #[schemars(with = "Option<Amount>")]
    pub logs: Option<i64>,
    /// Bytes in volumes, by name.
    #[serde(with = "byte_counts")]
    #[schemars(with = "BTreeMap<Name, Amount>")]
    pub volumes: Vec<(Name, i64)>,
    /// Processes.
    pub pids: Option<i64>,
}

/// An image of a registry, and how pulling it goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageBehavior {
    /// The image's name; may be a pattern.
    pub name: Glob,
    /// Bytes.
    #[serde(default = "ImageBehavior::default_size")]
    pub size: i64,
    /// The nodes that have it from the start: all if absent.
    #[serde(default)]
    pub present_on: Option<Vec<Name>>,
    /// How pulls go: one entry for each on a node.
    #[serde(default)]
    pub pulls: Vec<PullBehavior>,
}

impl ImageBehavior {
    const fn default_size() -> i64 {
        50 << 20
    }
}

/// How a pull goes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PullBehavior {
    /// How long it takes; the profile's time if absent.
    pub duration: Option<Distribution>,
    /// What it comes to.
    pub result: PullResult,
}

/// What a pull comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum PullResult {
    /// The image is there.
    #[default]
    Ok,
    /// The registry does not have it.
    NotFound,
    /// The registry wants other credentials.
    Unauthorized,
    /// The registry does not answer in time.
    Timeout,
    /// The registry cannot be reached.
    RegistryUnavailable,
    /// The registry wants fewer requests.
    TooManyRequests,
    /// A layer does not have the digest that it should.
    Corrupt,
}

/// Everything that a scenario says about the world inside containers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// Rules for pods.
    pub pods: Vec<PodBehavior>,
    /// Images that matter. One that matches nothing here is on every node.
    pub images: Vec<ImageBehavior>,
    /// What is in images, before the table that ships with the program.
    pub models: Vec<Arc<ImageModel>>,
    /// What containers do that no rule names.
    pub unruled: Unruled,
    /// Whoever sends requests.
    pub traffic: Vec<Traffic>,
    /// Metrics that an adapter serves.
    pub metrics: Vec<MetricSeries>,
}

/// What containers do that no rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Unruled {
    /// What their command lines and images say.
    #[default]
    Played,
    /// Nothing, until they are stopped; every command that is sent into them succeeds.
    Idle,
}

impl World {
    /// What is said about an image.
    pub fn image(&self, image: &str) -> Option<&ImageBehavior> {
        self.images.iter().find(|rule| rule.name.matches(image))
    }
}
