//! What a shell asks its host for, and what comes back.

use super::script::Unsupported;
use super::signal::Signal;
use crate::api::Text;
use crate::engine::SimTime;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What [`Shell::resume`](super::Shell::resume) leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What the host is asked for, in order.
    pub calls: Vec<Call>,
    /// How the shell stands now.
    pub state: State,
}

/// How a shell stands after a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It waits: for an instant, for answers, for a signal, or for ever.
    Waiting {
        /// When to resume it if nothing happens before; `None`: only an answer or a signal can move it.
        until: Option<SimTime>,
    },
    /// Its main process ended with this exit code.
    Exited(i32),
    /// It met something that is not played: the host falls back to the model of the image.
    Unsupported(Unsupported),
}

/// Names a call, so that its answer finds back. Never used twice by one shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// One thing that the host is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub id: CallId,
    /// What is asked.
    pub request: Request,
}

/// What the host is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Run a program beside the shell; answer with [`Answer::Exited`] when it ends.
    Run(Command),
    /// The main process becomes this program: signals to the container now go to the program. Answer when it ends;
    /// background jobs of the script live on until then.
    Exec(Command),
    /// Ask the network; answer with [`Answer::Network`].
    Network(Query),
    /// Send a signal to a program that runs for an earlier call. Not answered.
    SignalCall {
        /// The call that started the program.
        call: CallId,
        /// The signal.
        signal: Signal,
    },
    /// Send a signal to a process of [`World::processes`](super::World::processes). Not answered.
    SignalProcess {
        /// Its number.
        pid: u32,
        /// The signal.
        signal: Signal,
    },
}

/// The environment of a program: what many have of it is shared.
pub type Exported = BTreeMap<Cow<'static, str>, Text>;

/// A command as `execve` gets it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// The words, the first one being the name.
    pub argv: Vec<String>,
    /// The environment.
    pub environment: Arc<Exported>,
    /// The working directory.
    pub directory: String,
    /// What it reads from standard input, where the host has to know that.
    pub input: Vec<u8>,
}

impl Command {
    /// The name without its directory.
    pub fn base_name(&self) -> &str {
        self.argv.first().map_or("", |name| name.rsplit('/').next().unwrap_or(name))
    }
}

/// A question to the network. The shell keeps the program's timeout itself: an answer may come late, or never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Which addresses has a name?
    Resolve {
        /// The name as given, without search domains.
        host: String,
        /// Whether `/etc/hosts` is looked into first.
        files: bool,
    },
    /// Does a TCP port accept?
    Connect {
        /// Name or address.
        host: String,
        /// The port.
        port: u16,
    },
    /// What does an HTTP server answer?
    Http {
        /// `GET`, `POST`, `HEAD`...
        method: String,
        /// Whether it is `https`.
        secure: bool,
        /// Name or address.
        host: String,
        /// The port.
        port: u16,
        /// Path and query.
        path: String,
    },
    /// Does a host answer a ping?
    Ping {
        /// Name or address.
        host: String,
    },
}

/// What the host answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A program ended.
    Exited {
        /// Its exit code; 128 and the signal's number if a signal ended it.
        status: i32,
        /// What it wrote to its standard output, where the host does not log it itself: it may feed a pipe.
        output: Vec<u8>,
    },
    /// A program did well; what it wrote nobody knows.
    Unknown,
    /// The network's answer.
    Network(Result<Reply, NetworkError>),
}

/// A good answer of the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The full name that was found, such as `db.default.svc.cluster.local`.
    pub name: String,
    /// The addresses of that name.
    pub addresses: Vec<String>,
    /// The address of the DNS server.
    pub server: String,
    /// To an HTTP query: the status code.
    pub status: u16,
    /// To an HTTP query: the body.
    pub body: Vec<u8>,
    /// Whether nobody knows what the server said.
    pub unknown: bool,
}

/// Why the network failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NetworkError {
    /// No such name: NXDOMAIN.
    NameNotFound,
    /// No DNS server answers.
    NoNameServer,
    /// The port is closed.
    Refused,
    /// No route.
    Unreachable,
    /// No answer in time.
    TimedOut,
}
