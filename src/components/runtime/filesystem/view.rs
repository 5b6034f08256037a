//! The operations on files: what system calls do.

use super::error::FileError;
use super::mount::{FileSystem, Mount, Volume, VolumeId};
use super::path::{absolute, base_name, below, names, parent};
use super::tree::{Directory, File, Managed, ManagedFiles, Node, PAGE};
use crate::engine::SimTime;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const MAX_LINKS: usize = 40;

/// `PATH_MAX`
const MAX_PATH: usize = 4096;

/// One copy makes at most so many files.
const MAX_COPIED: usize = 10_000;

/// A container's files for the length of a borrow. Paths are absolute; the last link is followed unless said otherwise.
#[derive(Debug)]
pub struct Files<'a> {
    system: &'a mut FileSystem,
    volumes: &'a mut BTreeMap<VolumeId, Volume>,
    now: SimTime,
    /// What the files say that are made when they are read, and those that were.
    managed: Option<&'a dyn ManagedFiles>,
    who: Who,
    made: [OnceCell<Node>; Managed::ALL.len()],
}

/// Who looks at files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Root, or who can do the same as far as anybody knows.
    Root,
    /// The user that an image is made for: its files are theirs.
    User,
    /// A user whom the image does not know: its files are root's, but for those of directories for everybody.
    Stranger,
}

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device.
    Device,
}

/// What `stat` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// How long it is.
    pub length: u64,
    /// Whether it may be executed (or searched) by who looks.
    pub executable: bool,
    /// Whether it may be read by who looks.
    pub readable: bool,
    /// Its permission bits.
    pub mode: u16,
    /// Whether nobody knows what it is.
    pub opaque: bool,
    /// When it was last written.
    pub modified: SimTime,
}

/// The content of a file, as far as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'a> {
    /// Where in the file the kept bytes start.
    pub start: u64,
    /// The kept bytes, to the end of the file.
    pub bytes: &'a [u8],
}

/// A resolved path: which tree, and the plain names in it.
struct Place {
    tree: Tree,
    path: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tree {
    Root,
    Volume(VolumeId),
}

impl<'a> Files<'a> {
    pub(super) fn new(system: &'a mut FileSystem, volumes: &'a mut BTreeMap<VolumeId, Volume>, now: SimTime) -> Self {
        Self { system, volumes, now, managed: None, who: Who::Root, made: Default::default() }
    }

    /// The same, where the files that the kubelet and the runtime put into every container say this.
    #[must_use]
    pub fn managed_by(self, files: &'a dyn ManagedFiles) -> Self {
        Self { managed: Some(files), ..self }
    }

    /// The same for some user.
    #[must_use]
    pub fn seen_by(self, who: Who) -> Self {
        Self { who, ..self }
    }

    /// What a path names, or `None`.
    pub fn metadata(&self, path: &str) -> Option<Metadata> {
        self.describe(&self.resolve(path).ok()?)
    }

    /// What a path names, without following a last link.
    pub fn link_metadata(&self, path: &str) -> Option<Metadata> {
        self.describe(&self.canonical_parent(path).ok()?)
    }

    /// The path without any symbolic link, as `realpath` prints it.
    pub fn canonical(&self, path: &str) -> Result<String, FileError> {
        let path = self.resolve(path)?;
        self.describe(&path).map(|_| path).ok_or(FileError::NotFound)
    }

    /// The content of a file.
    pub fn read(&self, path: &str) -> Result<Content<'_>, FileError> {
        match self.node(&self.resolve(path)?) {
            Some(Node::File(file)) if !file.is_readable(self.who == Who::Root) => Err(FileError::Denied),
            Some(Node::File(file)) => {
                Ok(Content { start: file.len().saturating_sub(file.bytes().len() as u64), bytes: file.bytes() })
            }
            Some(Node::Device) => Ok(Content { start: 0, bytes: &[] }),
            Some(Node::Directory(_)) => Err(FileError::IsADirectory),
            Some(Node::Symlink(_)) | None => Err(FileError::NotFound),
        }
    }

    /// The names in a directory, in order, mounts included.
    pub fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        let path = self.resolve(path)?;
        let mut found: BTreeSet<&str> = BTreeSet::new();
        if self.describe(&path).ok_or(FileError::NotFound)?.kind != Kind::Directory {
            return Err(FileError::NotADirectory);
        }
        if let Some(directory) = self.directory(&path) {
            found.extend(directory.entries().map(|(name, _)| name));
        }
        let inner = self.system.mounts.iter().filter_map(|mount| below(&mount.path, &path));
        found.extend(inner.filter_map(|rest| names(rest).next()));
        Ok(found.into_iter().map(str::to_owned).collect())
    }

    /// Makes a file empty, creating it where it is missing.
    pub fn truncate(&mut self, path: &str) -> Result<(), FileError> {
        self.set_len(path, 0)
    }

    /// Adds to the end of a file, creating it where it is missing. What does not fit into its file system is lost.
    pub fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        let most = self.longest(path);
        let mut left_out = false;
        self.change_file(path, |file| {
            let room = usize::try_from(most.saturating_sub(file.len())).unwrap_or(usize::MAX);
            left_out = bytes.len() > room;
            file.append(&bytes[..bytes.len().min(room)]);
        })?;
        if left_out { Err(FileError::NoSpace) } else { Ok(()) }
    }

    /// Sets the length of a file without storing what is added, creating the file where it is missing. It becomes no
    /// longer than fits into its file system.
    pub fn set_len(&mut self, path: &str, length: u64) -> Result<(), FileError> {
        let fits = length.min(self.longest(path));
        self.change_file(path, |file| file.set_len(fits))?;
        if fits < length { Err(FileError::NoSpace) } else { Ok(()) }
    }

    /// The same where what is added is a hole, which takes no room when it is made.
    pub fn set_len_with_hole(&mut self, path: &str, length: u64) -> Result<(), FileError> {
        self.change_file(path, |file| file.set_len(length))
    }

    /// The mounts that are in memory and take only so much: path, bytes, and bytes that are used.
    pub fn in_memory(&self) -> Vec<(&str, u64, u64)> {
        let found = |mount: &Mount| {
            let volume = self.volumes.get(&mount.volume)?;
            Some((volume.pages? * PAGE, volume.tree.pages() * PAGE))
        };
        let mounts = self.system.mounts.iter();
        mounts.filter_map(|mount| found(mount).map(|(size, used)| (mount.path.as_str(), size, used))).collect()
    }

    /// The pages that are left in the file system of a resolved path, if it takes only so many.
    fn free_pages(&self, path: &str) -> Option<u64> {
        let Tree::Volume(id) = self.place(path).0.tree else { return None };
        let volume = self.volumes.get(&id)?;
        Some(volume.pages?.saturating_sub(volume.tree.pages()))
    }

    /// How long the file at a path may become.
    fn longest(&self, path: &str) -> u64 {
        let Ok(path) = self.resolve(path) else { return u64::MAX };
        let Some(free) = self.free_pages(&path) else { return u64::MAX };
        free.saturating_add(self.raw_node(&path).map_or(0, Node::pages)).saturating_mul(PAGE)
    }

    /// Sets whether a file may be executed.
    pub fn set_executable(&mut self, path: &str, executable: bool) -> Result<(), FileError> {
        match self.metadata(path).ok_or(FileError::NotFound)?.kind {
            Kind::File => {
                let modified = self.metadata(path).map(|metadata| metadata.modified);
                self.change_file(path, |file| file.executable = executable)?;
                modified.map_or(Ok(()), |time| self.set_modified(path, time))
            }
            Kind::Directory => self.check_writable(&self.resolve(path)?),
            Kind::Symlink | Kind::Device => Ok(()),
        }
    }

    /// Creates a file or sets its time, as `touch` does.
    pub fn touch(&mut self, path: &str) -> Result<(), FileError> {
        match self.metadata(path).map(|metadata| metadata.kind) {
            Some(Kind::Directory) => self.check_writable(&self.resolve(path)?),
            Some(Kind::Device) => Ok(()),
            Some(Kind::File | Kind::Symlink) | None => self.change_file(path, |_| ()),
        }
    }

    /// Sets when a file was last written.
    pub fn set_modified(&mut self, path: &str, time: SimTime) -> Result<(), FileError> {
        self.change_file(path, |_| ())?;
        let path = self.resolve(path)?;
        if let Node::File(file) = self.node_mut(&path)? {
            Arc::make_mut(file).modified = time;
        }
        Ok(())
    }

    /// Makes a directory.
    pub fn create_directory(&mut self, path: &str) -> Result<(), FileError> {
        self.create(path, Node::Directory(Arc::new(Directory { modified: self.now, ..Directory::default() })))
    }

    /// Makes a directory and those above it that are missing; an existing one is fine.
    pub fn create_directories(&mut self, path: &str) -> Result<(), FileError> {
        if path.len() > MAX_PATH {
            return Err(FileError::NameTooLong);
        }
        match self.metadata(path).map(|metadata| metadata.kind) {
            Some(Kind::Directory) => return Ok(()),
            Some(Kind::File | Kind::Symlink | Kind::Device) => return Err(FileError::Exists),
            None => {}
        }
        if parent(path) != path {
            self.create_directories(parent(path)).map_err(|error| match error {
                FileError::Exists => FileError::NotADirectory,
                other => other,
            })?;
        }
        self.create_directory(path)
    }

    /// Makes a symbolic link.
    pub fn create_symlink(&mut self, target: &str, path: &str) -> Result<(), FileError> {
        self.create(path, Node::Symlink(target.into()))
    }

    /// What a symbolic link says.
    pub fn read_link(&self, path: &str) -> Result<String, FileError> {
        match self.node(&self.canonical_parent(path)?) {
            Some(Node::Symlink(target)) => Ok(target.to_string()),
            Some(_) => Err(FileError::Invalid),
            None => Err(FileError::NotFound),
        }
    }

    /// Removes a file or a symbolic link.
    pub fn remove_file(&mut self, path: &str) -> Result<(), FileError> {
        if self.link_metadata(path).ok_or(FileError::NotFound)?.kind == Kind::Directory {
            return Err(FileError::IsADirectory);
        }
        self.take(path).map(|_| ())
    }

    /// Removes an empty directory.
    pub fn remove_directory(&mut self, path: &str) -> Result<(), FileError> {
        match self.link_metadata(path).ok_or(FileError::NotFound)?.kind {
            Kind::Directory if self.list(path)?.is_empty() => self.take(path).map(|_| ()),
            Kind::Directory => Err(FileError::NotEmpty),
            Kind::File | Kind::Symlink | Kind::Device => Err(FileError::NotADirectory),
        }
    }

    /// Removes whatever a path names, with all below. At a mount point the content goes, then the removal fails.
    pub fn remove_all(&mut self, path: &str) -> Result<(), FileError> {
        if self.link_metadata(path).ok_or(FileError::NotFound)?.kind != Kind::Directory {
            return self.remove_file(path);
        }
        let path = self.canonical_parent(path)?;
        if self.leads_to_mount(&path) {
            for name in self.list(&path)? {
                self.remove_all(&absolute(&path, &name))?;
            }
        }
        self.take(&path).map(|_| ())
    }

    /// Moves what a path names to another, replacing a file that is there.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), FileError> {
        let (from, to) = (self.canonical_parent(from)?, self.canonical_parent(to)?);
        let node = self.node(&from).cloned().ok_or(FileError::NotFound)?;
        if from == to {
            return Ok(());
        }
        if below(&to, &from).is_some() {
            return Err(FileError::Invalid);
        }
        match (self.describe(&to).map(|metadata| metadata.kind), &node) {
            (Some(Kind::Directory), Node::Directory(_)) if !self.list(&to)?.is_empty() => {
                return Err(FileError::NotEmpty);
            }
            (Some(Kind::Directory), Node::File(_) | Node::Symlink(_) | Node::Device) => {
                return Err(FileError::IsADirectory);
            }
            (Some(_) | None, _) => {}
        }
        self.writable_directory(parent(&to))?;
        let moves_over = self.place(&from).0.tree != self.place(&to).0.tree;
        if moves_over && self.free_pages(&to).is_some_and(|free| node.pages() > free) {
            return Err(FileError::NoSpace);
        }
        self.take(&from)?;
        self.put(&to, node)
    }

    /// Makes a file of which nobody knows what it is: a copy of one that only an image has.
    pub fn create_opaque(&mut self, path: &str) -> Result<(), FileError> {
        self.change_file(path, |file| *file = File::unknown())
    }

    /// Copies a file or a whole directory; an existing file is replaced, directories are merged. Links within a
    /// directory are copied as links.
    pub fn copy(&mut self, from: &str, to: &str) -> Result<(), FileError> {
        let from = self.resolve(from)?;
        let source = self.describe(&from).ok_or(FileError::NotFound)?;
        if !source.readable {
            return Err(FileError::Denied);
        }
        if source.kind == Kind::Directory && below(&absolute("/", to), &from).is_some() {
            return Err(FileError::Invalid);
        }
        // The source is taken as it is now: the target may lie in it, through another mount of the same volume.
        let source = self.snapshot(&from).copied();
        let mut budget = MAX_COPIED;
        if !fits(&source, &mut budget) {
            return Err(FileError::NoSpace);
        }
        self.paste(&source, to)
    }

    /// What is at a resolved path, with the mounts below it.
    fn snapshot(&self, path: &str) -> Node {
        let Some(directory) = self.directory(path) else {
            return self.node(path).cloned().unwrap_or_else(|| Node::Directory(Arc::default()));
        };
        let mut directory = directory.clone();
        for mount in &self.system.mounts {
            if let Some(rest) = below(&mount.path, path).filter(|rest| !rest.is_empty() && *rest != "/")
                && let Some(mounted) = self.directory(&mount.path)
            {
                directory.insert(rest, Node::Directory(Arc::new(mounted.clone())));
            }
        }
        Node::Directory(Arc::new(directory))
    }

    fn paste(&mut self, source: &Node, to: &str) -> Result<(), FileError> {
        match source {
            // Where nothing is yet, the copy shares the source until one of them is written.
            Node::Directory(_)
                if self.link_metadata(to).is_none()
                    && self.free_pages(&self.canonical_parent(to)?).is_none_or(|free| source.pages() <= free) =>
            {
                self.create(to, source.clone())
            }
            Node::Directory(directory) => {
                self.create_directories(to)?;
                directory.entries().try_for_each(|(name, node)| self.paste(node, &absolute(to, name)))
            }
            Node::File(source) => {
                let fits = source.len().min(self.longest(to));
                self.change_file(to, |file| {
                    *file = File::clone(source);
                    file.set_len(fits);
                })?;
                if fits < source.len() { Err(FileError::NoSpace) } else { Ok(()) }
            }
            Node::Symlink(target) => {
                if self.link_metadata(to).is_some() {
                    self.remove_file(to)?;
                }
                self.create_symlink(target, to)
            }
            Node::Device => self.change_file(to, |file| *file = File::default()),
        }
    }

    /// Walks a path, following every link, and returns the path without links. The last name may be missing.
    fn resolve(&self, path: &str) -> Result<String, FileError> {
        let mut path = absolute("/", path);
        for _ in 0..MAX_LINKS {
            if path.len() > MAX_PATH {
                return Err(FileError::NameTooLong);
            }
            match self.first_link(&path)? {
                Some(target) => path = target,
                None => return Ok(path),
            }
        }
        Err(FileError::TooManyLinks)
    }

    /// As `resolve`, but the last name is kept as it is, even if it is a link.
    fn canonical_parent(&self, path: &str) -> Result<String, FileError> {
        let path = absolute("/", path);
        if path == "/" {
            return Ok(path);
        }
        Ok(absolute(&self.resolve(parent(&path))?, base_name(&path)))
    }

    /// Replaces the first link on a path by what it says; `None` if there is none.
    fn first_link(&self, path: &str) -> Result<Option<String>, FileError> {
        let mut directory = self.directory("/");
        let mut at = 0;
        while at + 1 < path.len() {
            let end = path[at + 1..].find('/').map_or(path.len(), |next| at + 1 + next);
            let (here, name, is_last) = (&path[..end], &path[at + 1..end], end == path.len());
            let mounted = self.system.mounts.iter().any(|mount| mount.path == here);
            let node = match mounted {
                true => self.node(here),
                false => directory.and_then(|directory| directory.entries.get(name)),
            };
            directory = match node {
                Some(Node::Symlink(target)) => {
                    return Ok(Some(absolute(&absolute(parent(here), target), path[end..].trim_matches('/'))));
                }
                Some(Node::File(_) | Node::Device) if !is_last => return Err(FileError::NotADirectory),
                Some(Node::File(_) | Node::Device) => None,
                Some(Node::Directory(directory)) => Some(directory),
                None if mounted => self.directory(here),
                None if !is_last && !self.leads_to_mount(here) => return Err(FileError::NotFound),
                None => None,
            };
            at = end;
        }
        Ok(None)
    }

    /// Whether something is mounted at or below a path: then it exists, even where the image has nothing.
    fn leads_to_mount(&self, path: &str) -> bool {
        self.system.mounts.iter().any(|mount| below(&mount.path, path).is_some())
    }

    fn place(&self, path: &str) -> (Place, Option<&Mount>) {
        for mount in &self.system.mounts {
            if let Some(rest) = below(path, &mount.path) {
                let path = absolute(&mount.sub_path, rest.trim_matches('/'));
                return (Place { tree: Tree::Volume(mount.volume), path }, Some(mount));
            }
        }
        (Place { tree: Tree::Root, path: path.to_owned() }, None)
    }

    fn tree(&self, tree: Tree) -> Option<&Directory> {
        match tree {
            Tree::Root => Some(&self.system.root),
            Tree::Volume(id) => self.volumes.get(&id).map(|volume| &*volume.tree),
        }
    }

    fn tree_mut(&mut self, tree: Tree) -> Option<&mut Directory> {
        match tree {
            Tree::Root => Some(Arc::make_mut(&mut self.system.root)),
            Tree::Volume(id) => self.volumes.get_mut(&id).map(|volume| Arc::make_mut(&mut volume.tree)),
        }
    }

    /// The node at a resolved path; the root of a tree has none.
    fn node(&self, path: &str) -> Option<&Node> {
        let node = self.raw_node(path)?;
        match (node, self.managed) {
            (Node::File(file), Some(managed)) => Some(file.managed.map_or(node, |which| {
                let made = || Node::File(Arc::new(File::new(managed.content(which))));
                self.made[which as usize].get_or_init(made)
            })),
            _ => Some(node),
        }
    }

    /// The same, where a file whose content is made when it is read is empty.
    fn raw_node(&self, path: &str) -> Option<&Node> {
        let (place, _) = self.place(path);
        self.tree(place.tree)?.get(&place.path)
    }

    fn node_mut(&mut self, path: &str) -> Result<&mut Node, FileError> {
        let (directory, name) = self.directory_mut(path)?;
        directory.entries.get_mut(name.as_str()).ok_or(FileError::NotFound)
    }

    /// The directory at a resolved path.
    fn directory(&self, path: &str) -> Option<&Directory> {
        let (place, _) = self.place(path);
        let tree = self.tree(place.tree)?;
        if place.path == "/" {
            return Some(tree);
        }
        match tree.get(&place.path) {
            Some(Node::Directory(directory)) => Some(directory),
            Some(Node::File(_) | Node::Symlink(_) | Node::Device) | None => None,
        }
    }

    /// The directory in which a resolved path stands, in its own tree, and the name there.
    fn directory_mut(&mut self, path: &str) -> Result<(&mut Directory, String), FileError> {
        let (place, _) = self.place(path);
        if place.path == "/" {
            return Err(FileError::Busy);
        }
        let mut directory = self.tree_mut(place.tree).ok_or(FileError::NotFound)?;
        for name in names(parent(&place.path)) {
            match directory.entries.get_mut(name) {
                Some(Node::Directory(next)) => directory = Arc::make_mut(next),
                Some(_) => return Err(FileError::NotADirectory),
                None => return Err(FileError::NotFound),
            }
        }
        Ok((directory, base_name(&place.path).to_owned()))
    }

    fn describe(&self, path: &str) -> Option<Metadata> {
        let open = |kind, length, mode, modified| Metadata {
            kind,
            length,
            executable: mode & 0o111 != 0,
            readable: true,
            opaque: false,
            mode,
            modified,
        };
        let directory = |modified| open(Kind::Directory, 4096, 0o755, modified);
        match self.node(path) {
            Some(Node::File(file)) => Some(Metadata {
                kind: Kind::File,
                length: file.len(),
                executable: file.is_executable(self.who == Who::Root),
                readable: file.is_readable(self.who == Who::Root),
                mode: file.permissions(),
                opaque: file.opaque,
                modified: file.modified,
            }),
            Some(Node::Symlink(target)) => Some(open(Kind::Symlink, target.len() as u64, 0o777, SimTime::ZERO)),
            Some(Node::Device) => Some(open(Kind::Device, 0, 0o666, SimTime::ZERO)),
            Some(Node::Directory(found)) => Some(directory(found.modified)),
            None if self.directory(path).is_some() => Some(directory(SimTime::ZERO)),
            None if self.leads_to_mount(path) => Some(directory(SimTime::ZERO)),
            None => None,
        }
    }

    fn change_file(&mut self, path: &str, change: impl FnOnce(&mut File)) -> Result<(), FileError> {
        let path = self.resolve(path)?;
        self.system.changes += 1;
        let now = self.now;
        match self.describe(&path).map(|metadata| metadata.kind) {
            Some(Kind::Directory) => return Err(FileError::IsADirectory),
            Some(Kind::Device) => return Ok(()),
            Some(Kind::File | Kind::Symlink) => self.check_content(&path)?,
            None => self.create(&path, Node::File(Arc::default()))?,
        }
        let made = match (self.raw_node(&path), self.node(&path)) {
            (Some(Node::File(raw)), Some(Node::File(made))) if raw.managed.is_some() => Some(made.clone()),
            _ => None,
        };
        if let Node::File(file) = self.node_mut(&path)? {
            if let Some(made) = made {
                *file = made;
            }
            let file = Arc::make_mut(file);
            file.managed = None;
            change(file);
            file.modified = now;
        }
        Ok(())
    }

    fn create(&mut self, path: &str, node: Node) -> Result<(), FileError> {
        let path = self.canonical_parent(path)?;
        if self.describe(&path).is_some() {
            return Err(FileError::Exists);
        }
        self.writable_directory(parent(&path))?;
        self.put(&path, node)
    }

    /// Puts a node at a path whose directory exists.
    fn put(&mut self, path: &str, node: Node) -> Result<(), FileError> {
        let now = self.now;
        self.system.changes += 1;
        self.make_way(parent(path));
        let (directory, name) = self.directory_mut(path)?;
        directory.entries.insert(name.into(), node);
        directory.modified = now;
        Ok(())
    }

    /// Takes a node out of its directory.
    fn take(&mut self, path: &str) -> Result<Node, FileError> {
        let path = self.canonical_parent(path)?;
        self.check_writable(&path)?;
        if self.leads_to_mount(&path) {
            return Err(FileError::Busy);
        }
        let now = self.now;
        self.system.changes += 1;
        let (directory, name) = self.directory_mut(&path)?;
        directory.modified = now;
        directory.entries.remove(name.as_str()).ok_or(FileError::NotFound)
    }

    /// A directory that exists only as the way to a mount becomes real, so that something can stand in it.
    fn make_way(&mut self, path: &str) {
        let (place, _) = self.place(path);
        if self.directory(path).is_none()
            && let Some(tree) = self.tree_mut(place.tree)
        {
            tree.insert(&place.path, Node::Directory(Arc::default()));
        }
    }

    fn writable_directory(&self, path: &str) -> Result<(), FileError> {
        match self.describe(path).map(|metadata| metadata.kind) {
            Some(Kind::Directory) => self.check_writable(&absolute(path, "x")),
            Some(Kind::File | Kind::Symlink | Kind::Device) => Err(FileError::NotADirectory),
            None => Err(FileError::NotFound),
        }
    }

    /// Whether entries at a place may come, change and go.
    fn check_writable(&self, path: &str) -> Result<(), FileError> {
        let is_for_all = || ["/dev", "/proc", "/tmp", "/var/tmp"].iter().any(|open| below(path, open).is_some());
        let read_only = match self.place(path).1 {
            Some(mount) => mount.read_only || mount.frozen,
            None if self.who == Who::Stranger && !is_for_all() => return Err(FileError::Denied),
            // These are file systems of their own, in memory.
            None => self.system.read_only_root && ["/dev", "/proc"].iter().all(|own| below(path, own).is_none()),
        };
        if read_only { Err(FileError::ReadOnly) } else { Ok(()) }
    }

    /// Whether a file may be written. The kubelet mounts `/etc/hosts` and the file of the termination message, so these
    /// may be (`makeMounts`); of the names that the runtime mounts it does as with the root
    /// (containerd's `internal/cri/server/container_create.go`).
    fn check_content(&self, path: &str) -> Result<(), FileError> {
        let own = path == "/etc/hosts" && self.who != Who::Stranger || self.system.words.as_deref() == Some(path);
        if own && self.place(path).1.is_none() { Ok(()) } else { self.check_writable(path) }
    }
}

/// Whether a node has no more files and directories than the budget allows.
fn fits(node: &Node, budget: &mut usize) -> bool {
    let Some(left) = budget.checked_sub(1) else { return false };
    *budget = left;
    match node {
        Node::Directory(directory) => directory.entries().all(|(_, node)| fits(node, budget)),
        Node::File(_) | Node::Symlink(_) | Node::Device => true,
    }
}

#[cfg(test)]
mod tests;
