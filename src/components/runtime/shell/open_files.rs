//! Open file descriptions, pipes, and the tables of descriptors that refer to them.
//!
//! Descriptions are shared by number, as processes share them after `fork`: a `while read` loop and the commands in it
//! move one offset. Writing always appends, which differs from reality only where a file is opened twice.

use super::world::{Stream, World};
use crate::components::runtime::filesystem::FileError;
use crate::engine::SimTime;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A pipe that holds so much makes its writer wait: `PIPE_BUF` of Linux times 16.
const PIPE_CAPACITY: usize = 64 * 1024;

/// Numbers an open file description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(u64);

/// What an open file description refers to.
#[derive(Debug, Clone)]
pub(super) enum Description {
    /// `/dev/null`, or a port that `/dev/tcp` has opened: empty to read, and takes everything.
    Null,
    /// `/dev/zero` and the sources of random bytes: without end.
    Endless(u8),
    /// The container's log.
    Log(Stream),
    /// A file, by its absolute path.
    File { path: String, offset: u64 },
    /// A here-document.
    Text { text: Arc<str>, offset: usize },
    /// The end of a pipe to read from.
    PipeOut(FileId),
    /// The end of a pipe to write to.
    PipeIn(FileId),
}

#[derive(Debug, Clone, Default)]
struct Pipe {
    bytes: Vec<u8>,
    /// Somebody outside may write: `stdin: true`.
    held: bool,
    /// All writers are gone: after the bytes comes the end.
    writers_gone: bool,
    /// All readers are gone: writing is an error.
    readers_gone: bool,
}

/// What reading gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    Bytes(Vec<u8>),
    End,
    /// Nothing now, more may come.
    Nothing(FileId),
}

/// Why writing fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteError {
    BrokenPipe,
    BadDescriptor,
    File(FileError),
}

/// What a write leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Done,
    /// The pipe is full: wait until it has been read.
    Full(FileId),
}

/// All open files and pipes of a shell and its processes.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenFiles {
    descriptions: BTreeMap<FileId, Description>,
    pipes: BTreeMap<FileId, Pipe>,
    made: u64,
}

/// The descriptors of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table(Vec<Option<FileId>>);

impl Table {
    pub fn get(&self, descriptor: usize) -> Option<FileId> {
        self.0.get(descriptor).copied().flatten()
    }

    pub fn set(&mut self, descriptor: usize, file: Option<FileId>) {
        if self.0.len() <= descriptor {
            self.0.resize(descriptor + 1, None);
        }
        self.0[descriptor] = file;
    }

    pub fn files(&self) -> impl Iterator<Item = FileId> {
        self.0.iter().copied().flatten()
    }
}

impl OpenFiles {
    fn next_id(&mut self) -> FileId {
        self.made += 1;
        FileId(self.made)
    }

    pub fn open(&mut self, description: Description) -> FileId {
        let id = self.next_id();
        self.descriptions.insert(id, description);
        id
    }

    /// A new pipe: the end to read from, the end to write to.
    pub fn pipe(&mut self) -> (FileId, FileId) {
        let pipe = self.next_id();
        self.pipes.insert(pipe, Pipe::default());
        (self.open(Description::PipeOut(pipe)), self.open(Description::PipeIn(pipe)))
    }

    /// What can be read and never says anything.
    pub fn silence(&mut self) -> FileId {
        let pipe = self.next_id();
        self.pipes.insert(pipe, Pipe { held: true, ..Pipe::default() });
        self.open(Description::PipeOut(pipe))
    }

    pub fn get(&self, file: FileId) -> Option<&Description> {
        self.descriptions.get(&file)
    }

    /// Reads what is there, at most `limit` bytes.
    pub fn read(&mut self, file: FileId, limit: usize, world: &mut dyn World) -> Result<Read, FileError> {
        let Some(description) = self.descriptions.get_mut(&file) else { return Ok(Read::End) };
        let bytes = match description {
            Description::Null | Description::Log(_) | Description::PipeIn(_) => return Ok(Read::End),
            Description::Endless(byte) => vec![*byte; limit.min(PIPE_CAPACITY)],
            Description::Text { text, offset } => {
                let end = text.len().min(offset.saturating_add(limit));
                let bytes = text.as_bytes()[*offset..end].to_vec();
                *offset = end;
                bytes
            }
            Description::File { path, offset } => {
                let files = world.files();
                let content = files.read(path)?;
                let end = content.start + content.bytes.len() as u64;
                if *offset > end {
                    *offset = 0; // Truncated by somebody: as `tail -f` does, start over.
                }
                let skip = offset.saturating_sub(content.start).min(content.bytes.len() as u64) as usize;
                let bytes = content.bytes[skip..].iter().copied().take(limit).collect::<Vec<u8>>();
                *offset = content.start + (skip + bytes.len()) as u64;
                bytes
            }
            Description::PipeOut(pipe) => {
                let id = *pipe;
                let Some(pipe) = self.pipes.get_mut(&id) else { return Ok(Read::End) };
                if pipe.bytes.is_empty() {
                    return Ok(if pipe.writers_gone { Read::End } else { Read::Nothing(id) });
                }
                let count = pipe.bytes.len().min(limit);
                pipe.bytes.drain(..count).collect()
            }
        };
        Ok(if bytes.is_empty() { Read::End } else { Read::Bytes(bytes) })
    }

    /// Gives bytes back that were read too much.
    pub fn unread(&mut self, file: FileId, bytes: &[u8]) {
        match self.descriptions.get_mut(&file) {
            Some(Description::File { offset, .. }) => *offset = offset.saturating_sub(bytes.len() as u64),
            Some(Description::Text { offset, .. }) => *offset = offset.saturating_sub(bytes.len()),
            Some(Description::PipeOut(pipe)) => {
                if let Some(pipe) = self.pipes.get_mut(pipe) {
                    pipe.bytes.splice(0..0, bytes.iter().copied());
                }
            }
            Some(Description::Null | Description::Endless(_) | Description::Log(_) | Description::PipeIn(_)) | None => {
            }
        }
    }

    /// Writes all bytes.
    pub fn write(
        &mut self,
        file: Option<FileId>,
        bytes: &[u8],
        at: SimTime,
        world: &mut dyn World,
    ) -> Result<Written, WriteError> {
        match file.and_then(|file| self.descriptions.get(&file)) {
            None => return Err(WriteError::BadDescriptor),
            _ if bytes.is_empty() => {}
            Some(Description::Null | Description::Endless(_)) => {}
            Some(Description::Log(stream)) => world.write(at, *stream, bytes),
            Some(Description::File { path, .. }) => {
                // A file that was removed in the meantime takes what is written and keeps nothing.
                let mut files = world.files();
                if files.metadata(path).is_some() {
                    files.append(path, bytes).map_err(WriteError::File)?;
                }
            }
            Some(Description::Text { .. } | Description::PipeOut(_)) => return Err(WriteError::BadDescriptor),
            Some(Description::PipeIn(id)) => {
                let pipe = self.pipes.get_mut(id).ok_or(WriteError::BrokenPipe)?;
                if pipe.readers_gone {
                    return Err(WriteError::BrokenPipe);
                }
                pipe.bytes.extend_from_slice(bytes);
                if pipe.bytes.len() >= PIPE_CAPACITY {
                    return Ok(Written::Full(*id));
                }
            }
        }
        Ok(Written::Done)
    }

    /// Whether who waits to read a pipe has something to do.
    pub fn is_readable(&self, pipe: FileId) -> bool {
        self.pipes.get(&pipe).is_none_or(|pipe| !pipe.bytes.is_empty() || pipe.writers_gone)
    }

    /// Whether who waits to write a pipe has something to do.
    pub fn is_writable(&self, pipe: FileId) -> bool {
        self.pipes.get(&pipe).is_none_or(|pipe| pipe.bytes.len() < PIPE_CAPACITY || pipe.readers_gone)
    }

    /// Forgets what no descriptor refers to, and tells pipes whose other side is gone.
    pub fn sweep(&mut self, live: &BTreeSet<FileId>) {
        self.descriptions.retain(|id, _| live.contains(id));
        let (mut read, mut written) = (BTreeSet::new(), BTreeSet::new());
        for description in self.descriptions.values() {
            match description {
                Description::PipeOut(pipe) => read.insert(*pipe),
                Description::PipeIn(pipe) => written.insert(*pipe),
                Description::Null
                | Description::Endless(_)
                | Description::Log(_)
                | Description::File { .. }
                | Description::Text { .. } => false,
            };
        }
        self.pipes.retain(|id, pipe| {
            pipe.writers_gone = !written.contains(id) && !pipe.held;
            pipe.readers_gone = !read.contains(id);
            !(pipe.writers_gone && pipe.readers_gone)
        });
    }
}
