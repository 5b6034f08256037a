//! Redirections: what they name is expanded first, then opened.

use super::super::environment::Dialect;
use super::super::expansion::{Expander, Stop};
use super::super::open_files::{Description, FileId, Table};
use super::super::process::{Own, System};
use super::super::syntax::{List, Redirection, RedirectionKind};
use super::super::world::Stream;
use super::Interpreter;
use super::frame::Frame;
use crate::components::runtime::filesystem::{FileError, Kind, absolute};
use std::sync::Arc;

/// A redirection with its word expanded.
#[derive(Debug)]
pub(super) struct Opening {
    descriptor: usize,
    target: Target,
}

#[derive(Debug)]
enum Target {
    File { path: String, mode: Mode },
    Duplicate(String),
    Both { path: String, append: bool },
    Text(String),
    Commands(Arc<List>),
    Refused(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Read,
    Write,
    Append,
    ReadWrite,
}

impl Expander<'_> {
    /// Expands the words of redirections. Ports of `/dev/tcp` are tried here, because that takes time.
    pub(super) fn openings(&mut self, redirections: &[Redirection]) -> Result<Vec<Opening>, Stop> {
        redirections.iter().map(|redirection| self.opening(redirection)).collect()
    }

    fn opening(&mut self, redirection: &Redirection) -> Result<Opening, Stop> {
        let (word, mode) = match &redirection.kind {
            RedirectionKind::Read(word) => (word, Mode::Read),
            RedirectionKind::Write(word) => (word, Mode::Write),
            RedirectionKind::Append(word) => (word, Mode::Append),
            RedirectionKind::ReadWrite(word) => (word, Mode::ReadWrite),
            RedirectionKind::Duplicate(word) => {
                let target = Target::Duplicate(self.text(word)?);
                return Ok(Opening { descriptor: redirection.descriptor, target });
            }
            RedirectionKind::Both { target, append } => {
                let target = Target::Both { path: self.text(target)?, append: *append };
                return Ok(Opening { descriptor: 1, target });
            }
            RedirectionKind::HereDocument(text) => {
                let text = text.get().map(|word| self.text(word)).transpose()?.unwrap_or_default();
                return Ok(Opening { descriptor: redirection.descriptor, target: Target::Text(text) });
            }
            RedirectionKind::HereString(word) => {
                let text = self.text(word)? + "\n";
                return Ok(Opening { descriptor: redirection.descriptor, target: Target::Text(text) });
            }
            RedirectionKind::ReadFrom(list) => {
                let target = Target::Commands(Arc::clone(list));
                return Ok(Opening { descriptor: redirection.descriptor, target });
            }
        };
        let path = self.text(word)?;
        let socket = path.strip_prefix("/dev/tcp/").and_then(|rest| rest.split_once('/'));
        let target = match socket {
            Some((host, port)) if self.environment.dialect == Dialect::Bash => match port.parse() {
                Ok(port) if self.connected(host, port)? => {
                    Target::File { path: "/dev/null".to_owned(), mode: Mode::ReadWrite }
                }
                Ok(_) => Target::Refused(format!("connect: Connection refused\n{}{path}: ", self.environment.prefix())),
                Err(_) => Target::Refused(format!("{path}: ")),
            },
            Some(_) | None => Target::File { path, mode },
        };
        Ok(Opening { descriptor: redirection.descriptor, target })
    }
}

impl Interpreter {
    /// The descriptors of this process with redirections done; the message if one fails.
    pub(super) fn redirected(
        &mut self,
        openings: Vec<Opening>,
        own: &mut Own,
        system: &mut System<'_>,
    ) -> Result<Table, String> {
        let mut table = own.descriptors.clone();
        for Opening { descriptor, target } in openings {
            match target {
                Target::File { path, mode } => {
                    let file = self.open(&path, mode, &table, system)?;
                    table.set(descriptor, file);
                }
                Target::Both { path, append } => {
                    let mode = if append { Mode::Append } else { Mode::Write };
                    let file = self.open(&path, mode, &table, system)?;
                    table.set(1, file);
                    table.set(2, file);
                }
                Target::Duplicate(word) if word == "-" => table.set(descriptor, None),
                Target::Duplicate(word) => {
                    let moves = word.ends_with('-');
                    let from = word.trim_end_matches('-').parse::<usize>().ok();
                    let file = from.and_then(|from| table.get(from));
                    if file.is_none() {
                        return Err(format!("{word}: Bad file descriptor"));
                    }
                    table.set(descriptor, file);
                    if moves && let Some(from) = from {
                        table.set(from, None);
                    }
                }
                Target::Text(text) => {
                    let file = system.kernel.open.open(Description::Text { text: text.into(), offset: 0 });
                    table.set(descriptor, Some(file));
                }
                Target::Commands(list) => {
                    let (output, writer) = system.kernel.open.pipe();
                    let mut inner = own.descriptors.clone();
                    inner.set(1, Some(writer));
                    self.fork(Frame::List { list, next: 0 }, inner, own, system);
                    if let Some(child) = system.spawned.last_mut() {
                        child.own.parent = 0; // Nobody waits for it.
                    }
                    table.set(descriptor, Some(output));
                }
                Target::Refused(message) => return Err(format!("{message}Connection refused")),
            }
        }
        Ok(table)
    }

    fn open(
        &mut self,
        path: &str,
        mode: Mode,
        table: &Table,
        system: &mut System<'_>,
    ) -> Result<Option<FileId>, String> {
        let full = absolute(&self.environment.directory, path);
        if let Some(special) = special_file(&full, table) {
            return Ok(match special {
                Special::Open(file) => file,
                Special::New(description) => Some(system.kernel.open.open(description)),
            });
        }
        let mut files = system.world.files();
        let kind = files.metadata(&full).map(|metadata| metadata.kind);
        // The kernel's settings: they are all there, and what they change is not kept track of.
        let is_setting = full.starts_with("/proc/sys/") || full.starts_with("/sys/");
        if is_setting && kind.is_none() && mode != Mode::Read {
            return Ok(Some(system.kernel.open.open(Description::Null)));
        }
        let result = match (mode, kind) {
            (Mode::Read, None) => Err(FileError::NotFound),
            (Mode::Write | Mode::Append | Mode::ReadWrite, Some(Kind::Directory)) => Err(FileError::IsADirectory),
            (Mode::Read, Some(Kind::File)) => files.read(&full).map(|_| ()),
            (Mode::Read, Some(_)) => Ok(()),
            (Mode::Write, _) => files.truncate(&full),
            (Mode::Append | Mode::ReadWrite, None) => files.truncate(&full),
            (Mode::Append | Mode::ReadWrite, Some(_)) => files.append(&full, b""),
        };
        match result {
            Ok(()) => {
                let path = system.world.files().canonical(&full).unwrap_or(full);
                Ok(Some(system.kernel.open.open(Description::File { path, offset: 0 })))
            }
            Err(error) => {
                if mode == Mode::Read {
                    system.misses(full);
                }
                Err(self.refusal(path, mode, error))
            }
        }
    }

    fn refusal(&self, path: &str, mode: Mode, error: FileError) -> String {
        let reading = mode == Mode::Read;
        match (self.environment.dialect, error) {
            (Dialect::Bash, _) => format!("{path}: {error}"),
            (Dialect::BusyBox, FileError::NotFound) if reading => format!("can't open {path}: no such file"),
            (Dialect::BusyBox, FileError::NotFound) => format!("can't create {path}: nonexistent directory"),
            (Dialect::BusyBox, _) if reading => format!("can't open {path}: {error}"),
            (Dialect::BusyBox, _) => format!("can't create {path}: {error}"),
            (Dialect::Dash, FileError::NotFound) if reading => format!("cannot open {path}: No such file"),
            (Dialect::Dash, FileError::NotFound) => format!("cannot create {path}: Directory nonexistent"),
            (Dialect::Dash, _) if reading => format!("cannot open {path}: {error}"),
            (Dialect::Dash, _) => format!("cannot create {path}: {error}"),
        }
    }
}

enum Special {
    Open(Option<FileId>),
    New(Description),
}

/// The files that are not in the tree: devices, and the descriptors of processes.
fn special_file(path: &str, table: &Table) -> Option<Special> {
    Some(match path {
        "/dev/null" | "/dev/tty" => Special::New(Description::Null),
        "/dev/zero" | "/dev/full" => Special::New(Description::Endless(0)),
        "/dev/random" | "/dev/urandom" => Special::New(Description::Endless(b'x')),
        "/dev/stdin" => Special::Open(table.get(0)),
        "/dev/stdout" => Special::Open(table.get(1)),
        "/dev/stderr" => Special::Open(table.get(2)),
        "/proc/1/fd/1" => Special::New(Description::Log(Stream::Output)),
        "/proc/1/fd/2" => Special::New(Description::Log(Stream::Error)),
        _ => {
            let number = path.strip_prefix("/dev/fd/").or_else(|| path.strip_prefix("/proc/self/fd/"))?;
            Special::Open(table.get(number.parse().ok()?))
        }
    })
}
