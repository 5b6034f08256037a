//! Trees of files: cheap to clone, copied where they are written.

use super::path::names;
use crate::engine::SimTime;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A file keeps so many bytes of its end when it grows by appending; its length stays true.
const KEPT: usize = 64 * 1024;

/// The permission bits that count for users who are not root: those of the group, and of others.
const OTHERS_READ: u16 = 0o044;
const OTHERS_RUN: u16 = 0o011;
/// Root may execute what anybody may.
const ANYBODY_RUNS: u16 = 0o111;

/// Memory is given out in pages of so many bytes.
pub(super) const PAGE: u64 = 4096;

/// What a name in a directory stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File(Arc<File>),
    /// A directory.
    Directory(Arc<Directory>),
    /// A symbolic link, with what it says.
    Symlink(Arc<str>),
    /// A character device, such as `/dev/null`. Reading it yields nothing.
    Device,
}

/// A regular file. An endless logger does not eat memory: only the last 64 KiB of what is appended are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    bytes: Vec<u8>,
    length: u64,
    /// Whether it may be executed.
    pub executable: bool,
    /// The permission bits of a file that root owns and that containers may not change: the kubelet wrote it.
    pub(in crate::components::runtime) mode: Option<u16>,
    /// Whether nobody knows what it is: it came from an image that nobody has described.
    pub(in crate::components::runtime) opaque: bool,
    /// When it was last written.
    pub modified: SimTime,
    /// Whether its content is made when it is read.
    pub(super) managed: Option<Managed>,
}

/// A file that the kubelet, the runtime or the kernel puts into every container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Managed {
    /// `/etc/hostname`
    HostName,
    /// `/etc/hosts`
    Hosts,
    /// `/etc/resolv.conf`
    ResolvConf,
    /// `/proc/1/comm`
    Comm,
    /// `/proc/1/cmdline`
    CommandLine,
    /// `/proc/1/status`
    Status,
    /// `/sys/fs/cgroup/memory.max`
    MemoryMax,
    /// `/sys/fs/cgroup/cpu.max`
    CpuMax,
}

impl Managed {
    /// All of them, with where they are.
    pub(super) const ALL: [(&'static str, Self); 8] = [
        ("/etc/hostname", Self::HostName),
        ("/etc/hosts", Self::Hosts),
        ("/etc/resolv.conf", Self::ResolvConf),
        ("/proc/1/comm", Self::Comm),
        ("/proc/1/cmdline", Self::CommandLine),
        ("/proc/1/status", Self::Status),
        ("/sys/fs/cgroup/memory.max", Self::MemoryMax),
        ("/sys/fs/cgroup/cpu.max", Self::CpuMax),
    ];
}

/// What those files say.
pub trait ManagedFiles: std::fmt::Debug {
    /// The content of a file that nobody has written.
    fn content(&self, file: Managed) -> String;
}

impl File {
    /// A file with this content, all of it kept.
    pub fn new(content: impl Into<Vec<u8>>) -> Self {
        let bytes = content.into();
        Self { length: bytes.len() as u64, bytes, ..Self::default() }
    }

    /// The same file, executable.
    pub fn executable(self) -> Self {
        Self { executable: true, ..self }
    }

    /// The same file, root's, with these permission bits.
    pub fn of_root(self, mode: u16) -> Self {
        Self { executable: mode & ANYBODY_RUNS != 0, mode: Some(mode), ..self }
    }

    /// A program, or what else nobody knows.
    pub(super) fn unknown() -> Self {
        Self { executable: true, opaque: true, ..Self::default() }
    }

    /// The same file, its own again of whoever copied it.
    fn copied(&self) -> Self {
        Self { mode: None, ..self.clone() }
    }

    /// Whether a user may read it. Who is not root is in root's group, as users without one of their own are.
    pub(super) fn is_readable(&self, is_root: bool) -> bool {
        is_root || self.mode.is_none_or(|mode| mode & OTHERS_READ != 0)
    }

    /// Whether a user may execute it.
    pub(super) fn is_executable(&self, is_root: bool) -> bool {
        self.executable && (is_root || self.mode.is_none_or(|mode| mode & OTHERS_RUN != 0))
    }

    /// Its permission bits.
    pub(super) fn permissions(&self) -> u16 {
        self.mode.unwrap_or(if self.executable { 0o755 } else { 0o644 })
    }

    /// The bytes that are kept: all, or the end of a file that grew long.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How long the file is in truth.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether the file has no content.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds to the end.
    pub fn append(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * KEPT {
            self.bytes.drain(..self.bytes.len() - KEPT);
        }
    }

    /// Sets the length, as `truncate` does. What is added is counted, not stored.
    pub fn set_len(&mut self, length: u64) {
        let dropped = self.length - self.bytes.len() as u64;
        self.bytes.truncate(length.saturating_sub(dropped).min(usize::MAX as u64) as usize);
        self.length = length;
    }
}

/// A directory: names and what they stand for, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    pub(super) entries: BTreeMap<Box<str>, Node>,
    pub(super) modified: SimTime,
}

impl Directory {
    /// The directories and devices that nearly every image has.
    pub fn linux() -> Self {
        let mut root = Self::default();
        for path in [
            "/bin",
            "/boot",
            "/etc",
            "/home",
            "/lib",
            "/media",
            "/mnt",
            "/opt",
            "/proc",
            "/root",
            "/run",
            "/sbin",
            "/srv",
            "/sys",
            "/tmp",
            "/usr/bin",
            "/usr/lib",
            "/usr/local/bin",
            "/usr/sbin",
            "/usr/share",
            "/var/cache",
            "/var/lib",
            "/var/log",
            "/var/run",
            "/var/tmp",
            "/dev/shm",
        ] {
            root.insert(path, Node::Directory(Arc::default()));
        }
        for device in ["null", "zero", "full", "random", "urandom", "stdin", "stdout", "stderr"] {
            root.insert(&format!("/dev/{device}"), Node::Device);
        }
        for (path, managed) in Managed::ALL {
            root.insert_file(path, File { managed: Some(managed), ..File::default() });
        }
        let memory = "MemTotal:       16777216 kB\nMemFree:         8388608 kB\n";
        root.insert_file("/proc/meminfo", File::new(memory.as_bytes()));
        let users = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n";
        root.insert_file("/etc/passwd", File::new(users.as_bytes()));
        root.insert_file("/etc/group", File::new("root:x:0:\nnogroup:x:65534:\n"));
        root
    }

    /// Puts a node at a path, making the directories on the way. What stood in the way is replaced.
    pub fn insert(&mut self, path: &str, node: Node) {
        let mut directory = self;
        let mut rest = names(path).peekable();
        while let Some(name) = rest.next() {
            if rest.peek().is_none() {
                directory.entries.insert(name.into(), node);
                return;
            }
            let entry = directory.entries.entry(name.into()).or_insert_with(|| Node::Directory(Arc::default()));
            if !matches!(entry, Node::Directory(_)) {
                *entry = Node::Directory(Arc::default());
            }
            let Node::Directory(next) = entry else { return };
            directory = Arc::make_mut(next);
        }
    }

    /// Puts a regular file at a path.
    pub fn insert_file(&mut self, path: &str, file: File) {
        self.insert(path, Node::File(Arc::new(file)));
    }

    /// The node at a path of plain names; symbolic links are not followed.
    pub fn get(&self, path: &str) -> Option<&Node> {
        let mut directory = self;
        let mut rest = names(path).peekable();
        while let Some(name) = rest.next() {
            let node = directory.entries.get(name)?;
            match node {
                _ if rest.peek().is_none() => return Some(node),
                Node::Directory(next) => directory = next,
                Node::File(_) | Node::Symlink(_) | Node::Device => return None,
            }
        }
        None
    }

    /// The same, it and all below made at some moment.
    pub fn made_at(mut self, time: SimTime) -> Self {
        self.modified = time;
        for node in self.entries.values_mut() {
            match node {
                Node::File(file) => Arc::make_mut(file).modified = time,
                Node::Directory(directory) => *directory = Arc::new(Self::clone(directory).made_at(time)),
                Node::Symlink(_) | Node::Device => {}
            }
        }
        self
    }

    /// The names and nodes of this directory, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.entries.iter().map(|(name, node)| (&**name, node))
    }

    /// The bytes of all files below, by their true lengths: what a size limit is compared with.
    pub fn size(&self) -> u64 {
        self.entries.values().map(Node::size).fold(0, u64::saturating_add)
    }

    /// How many files and directories are below.
    pub(super) fn count(&self) -> i64 {
        let of = |node: &Node| match node {
            Node::Directory(directory) => 1 + directory.count(),
            Node::File(_) | Node::Symlink(_) | Node::Device => 1,
        };
        self.entries.values().map(of).sum()
    }

    /// The pages of memory that all files below take.
    pub(super) fn pages(&self) -> u64 {
        self.entries.values().map(Node::pages).fold(0, u64::saturating_add)
    }
}

impl Node {
    /// The bytes of this file, or of all files below.
    pub fn size(&self) -> u64 {
        match self {
            Self::File(file) => file.len(),
            Self::Directory(directory) => directory.size(),
            Self::Symlink(_) | Self::Device => 0,
        }
    }

    /// What a copy is: its files are those of whoever made it.
    pub(super) fn copied(&self) -> Self {
        match self {
            Self::File(file) if file.mode.is_some() => Self::File(Arc::new(file.copied())),
            Self::Directory(directory) if self.has_modes() => {
                let entries = directory.entries.iter().map(|(name, node)| (name.clone(), node.copied())).collect();
                Self::Directory(Arc::new(Directory { entries, modified: directory.modified }))
            }
            Self::File(_) | Self::Directory(_) | Self::Symlink(_) | Self::Device => self.clone(),
        }
    }

    fn has_modes(&self) -> bool {
        match self {
            Self::File(file) => file.mode.is_some(),
            Self::Directory(directory) => directory.entries.values().any(Self::has_modes),
            Self::Symlink(_) | Self::Device => false,
        }
    }

    /// The pages of memory that this file takes, or all files below.
    pub(super) fn pages(&self) -> u64 {
        match self {
            Self::File(file) => file.len().div_ceil(PAGE),
            Self::Directory(directory) => directory.pages(),
            Self::Symlink(_) | Self::Device => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_grows_keeps_its_end_and_its_length() {
        let mut file = File::default();
        for line in 0..20_000 {
            file.append(format!("{line:09}\n").as_bytes());
        }
        assert_eq!(file.len(), 200_000);
        assert!(file.bytes().len() <= 2 * KEPT && file.bytes().ends_with(b"000019999\n"));
        file.set_len(0);
        assert!(file.is_empty() && file.bytes().is_empty());
        file.set_len(1 << 40);
        assert_eq!((file.len(), file.bytes().len()), (1 << 40, 0));
    }

    #[test]
    fn what_is_inserted_is_found_and_counted() {
        let mut tree = Directory::linux();
        let before = tree.size();
        tree.insert_file("/etc/app/config", File::new("a=1\n"));
        assert_eq!(tree.get("/etc/app/config").map(Node::size), Some(4));
        assert_eq!(tree.get("/etc/app/config/below"), None);
        assert_eq!(tree.size(), before + 4);
        let copy = tree.clone();
        tree.insert_file("/etc/app/config", File::new("longer"));
        assert_eq!((copy.size(), tree.size()), (before + 4, before + 6));
    }
}
