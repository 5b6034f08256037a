//! A container for tests: files in memory, a log in a string, a network with one server.

use super::super::*;
use crate::components::runtime::filesystem::{FileSystem, Files, Volumes};
use crate::engine::{SimDuration, SimTime};
use jiff::Timestamp;
use std::sync::Arc;

/// A container, the time, and what its program has done so far.
#[derive(Debug, Clone)]
pub struct Container {
    pub shell: Shell,
    pub files: FileSystem,
    pub volumes: Volumes,
    pub now: SimTime,
    pub output: String,
    pub errors: String,
    /// How often the shell was resumed.
    pub turns: usize,
    /// Calls that nobody has answered yet.
    pub calls: Vec<Call>,
    /// When the server `db` starts to answer.
    pub server_up: SimTime,
    pub state: State,
}

struct View<'a> {
    files: &'a mut FileSystem,
    volumes: &'a mut Volumes,
    now: SimTime,
    output: &'a mut String,
    errors: &'a mut String,
}

impl World for View<'_> {
    fn files(&mut self) -> Files<'_> {
        self.files.view(self.volumes, self.now)
    }

    fn write(&mut self, _: SimTime, stream: Stream, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        match stream {
            Stream::Output => self.output.push_str(&text),
            Stream::Error => self.errors.push_str(&text),
        }
    }

    /// The run starts on Thursday, 1 January 2026, at noon.
    fn date(&self, at: SimTime) -> Timestamp {
        let start: i128 = 1_767_268_800_000_000_000;
        Timestamp::from_nanosecond(start + i128::from(at.as_nanos())).unwrap()
    }

    fn hostname(&self) -> String {
        "web-0".to_owned()
    }

    fn full_hostname(&self) -> String {
        "web-0.web.default.svc.cluster.local".to_owned()
    }

    fn addresses(&self) -> Vec<String> {
        vec!["10.0.0.7".to_owned()]
    }

    fn find_program(&self, name: &str) -> Program {
        match name {
            "server" | "nginx" | "/opt/server" => Program::Host,
            _ if is_utility(name) => Program::Utility,
            _ => Program::Missing,
        }
    }

    fn processes(&self) -> Vec<(u32, String)> {
        vec![(900, "nginx: master process".to_owned())]
    }
}

impl Container {
    /// A container that is about to run a command.
    pub fn new(argv: &[&str], dialect: Dialect) -> Self {
        let environment = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/root"), ("HOSTNAME", "web-0")];
        let environment = environment.map(|(name, value)| (name.into(), value.into()));
        let command = Command {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            environment: Arc::new(environment.into()),
            directory: "/".to_owned(),
            input: Vec::new(),
        };
        Self {
            shell: Shell::new(command, Setup { dialect, pid: 1, ..Setup::default() }),
            files: FileSystem::default(),
            volumes: Volumes::default(),
            now: SimTime::ZERO,
            output: String::new(),
            errors: String::new(),
            turns: 0,
            calls: Vec::new(),
            server_up: SimTime::MAX,
            state: State::Waiting { until: Some(SimTime::ZERO) },
        }
    }

    /// Resumes the shell once, now. Questions to the network are answered at once; other calls are kept.
    pub fn resume(&mut self) -> &State {
        let mut view = View {
            files: &mut self.files,
            volumes: &mut self.volumes,
            now: self.now,
            output: &mut self.output,
            errors: &mut self.errors,
        };
        let turn = self.shell.resume(self.now, &mut view);
        self.turns += 1;
        self.state = turn.state;
        for call in turn.calls {
            match &call.request {
                Request::Network(Query::Connect { host, .. }) if host == "silent" => {}
                Request::Network(query) => {
                    let answer = self.network(query);
                    self.shell.answer(call.id, Answer::Network(answer));
                    self.state = State::Waiting { until: Some(self.now) };
                }
                _ => self.calls.push(call),
            }
        }
        &self.state
    }

    fn network(&self, query: &Query) -> Result<Reply, NetworkError> {
        let (host, port) = match query {
            Query::Resolve { host, .. } | Query::Ping { host } => (host, None),
            Query::Connect { host, port } | Query::Http { host, port, .. } => (host, Some(*port)),
        };
        if host != "db" {
            return Err(NetworkError::NameNotFound);
        }
        let up = self.now >= self.server_up;
        match (port, up) {
            (None, false) => Err(NetworkError::NameNotFound),
            (Some(80), true) | (None, true) => Ok(Reply {
                name: "db.default.svc.cluster.local".to_owned(),
                addresses: vec!["10.96.0.9".to_owned()],
                server: "10.96.0.10".to_owned(),
                status: 200,
                body: b"hello\n".to_vec(),
                unknown: false,
            }),
            (Some(_), _) => Err(NetworkError::Refused),
        }
    }

    /// Runs until nothing is left to do before an instant, or for ever.
    pub fn run_until(&mut self, end: SimTime) -> &mut Self {
        while let State::Waiting { until: Some(until) } = self.state
            && until <= end
        {
            assert!(until >= self.now, "the shell asks to be resumed in the past: {until} at {}", self.now);
            assert!(self.turns < 200_000, "too many turns at {}", self.now);
            self.now = until;
            self.resume();
        }
        self
    }

    /// Lets an hour of virtual time pass.
    pub fn run(&mut self) -> &mut Self {
        self.run_until(self.now + SimDuration::from_mins(60))
    }

    /// Answers the oldest open call: its program has ended.
    pub fn end_program(&mut self, status: i32) -> &mut Self {
        let call = self.calls.remove(0);
        self.shell.answer(call.id, Answer::Exited { status, output: Vec::new() });
        self.state = State::Waiting { until: Some(self.now) };
        self
    }

    /// The exit code, if the program has ended.
    pub fn exit_code(&self) -> Option<i32> {
        match self.state {
            State::Exited(code) => Some(code),
            State::Waiting { .. } | State::Unsupported(_) => None,
        }
    }

    /// The programs that the host was asked to run and has not ended.
    pub fn programs(&self) -> Vec<String> {
        let shown = |call: &Call| match &call.request {
            Request::Run(command) => format!("run {}", command.argv.join(" ")),
            Request::Exec(command) => format!("exec {}", command.argv.join(" ")),
            Request::SignalCall { signal, .. } => format!("signal {signal}"),
            Request::SignalProcess { pid, signal } => format!("signal {pid} {signal}"),
            Request::Network(query) => format!("{query:?}"),
        };
        self.calls.iter().map(shown).collect()
    }
}

/// Runs a script to its end in a fresh container, and returns output, errors and exit code.
pub fn play(script: &str, dialect: Dialect) -> (String, String, Option<i32>) {
    let name = if dialect == Dialect::Bash { "bash" } else { "sh" };
    let mut container = Container::new(&[name, "-c", script], dialect);
    container.run();
    if let State::Unsupported(unsupported) = &container.state {
        return (container.output.clone(), format!("UNSUPPORTED {unsupported}"), None);
    }
    let code = container.exit_code();
    (container.output, container.errors, code)
}
