//! What a container's file system is made of: a root and mounts of volumes.

use super::path::{absolute, below};
use super::tree::{Directory, File, PAGE};
use super::view::Files;
use crate::engine::SimTime;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Names a volume in a [`Volumes`] arena; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(u64);

/// The volumes of a node.
#[derive(Debug, Clone, Default)]
pub struct Volumes {
    trees: BTreeMap<VolumeId, Volume>,
    made: u64,
}

/// One of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Volume {
    pub(super) tree: Arc<Directory>,
    /// So many pages of memory are all that it takes, if it is a tmpfs.
    pub(super) pages: Option<u64>,
}

impl Volumes {
    /// A new, empty volume.
    pub fn create(&mut self) -> VolumeId {
        self.insert(Directory::default())
    }

    /// A new volume with this content, such as the keys of a ConfigMap.
    pub fn insert(&mut self, content: Directory) -> VolumeId {
        let id = VolumeId(self.made);
        self.made += 1;
        self.trees.insert(id, Volume { tree: Arc::new(content), pages: None });
        id
    }

    /// Gives a volume a content that others may share.
    pub fn put(&mut self, id: VolumeId, content: Arc<Directory>) {
        self.trees.entry(id).or_default().tree = content;
    }

    /// The content of a volume.
    pub fn get(&self, id: VolumeId) -> Option<&Directory> {
        self.trees.get(&id).map(|volume| &*volume.tree)
    }

    /// The content of a volume, to change: how an updated ConfigMap arrives.
    pub fn get_mut(&mut self, id: VolumeId) -> Option<&mut Directory> {
        self.trees.get_mut(&id).map(|volume| Arc::make_mut(&mut volume.tree))
    }

    /// Forgets a volume, with its content.
    pub fn remove(&mut self, id: VolumeId) -> Option<Arc<Directory>> {
        self.trees.remove(&id).map(|volume| volume.tree)
    }

    /// Makes a volume a tmpfs that takes so many bytes, in whole pages. What it was made with stays.
    pub fn limit(&mut self, id: VolumeId, bytes: u64) {
        if let Some(volume) = self.trees.get_mut(&id) {
            volume.pages.get_or_insert(bytes.div_ceil(PAGE));
        }
    }
}

/// A volume, or a part of it, at a place in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it appears: `mountPath`.
    pub path: String,
    /// What appears.
    pub volume: VolumeId,
    /// Which directory or file of the volume: `subPath`; `/` for all of it.
    pub sub_path: String,
    /// Whether writing is refused.
    pub read_only: bool,
    /// Whether it is refused for now, because of the volume.
    pub frozen: bool,
}

impl Mount {
    /// All of a volume at a path, writable.
    pub fn new(path: &str, volume: VolumeId) -> Self {
        Self { path: absolute("/", path), volume, sub_path: "/".to_owned(), read_only: false, frozen: false }
    }

    /// Only a part of the volume.
    pub fn sub_path(self, path: &str) -> Self {
        Self { sub_path: absolute("/", path), ..self }
    }

    /// The same, read-only.
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }
}

/// The file system of a container: its root, which starts as the image's tree, and its mounts.
#[derive(Debug, Clone)]
pub struct FileSystem {
    pub(super) root: Arc<Directory>,
    pub(super) mounts: Vec<Mount>,
    /// Whether writing outside the mounts is refused: `readOnlyRootFilesystem`.
    pub(super) read_only_root: bool,
    /// The file outside the mounts that is written all the same, if any: the kubelet mounts it by itself.
    pub(super) words: Option<Box<str>>,
    /// The tree that it started with.
    image: Arc<Directory>,
    /// How often something was written, in its root or in a volume.
    pub(super) changes: u64,
}

impl Default for FileSystem {
    /// The usual directories and nothing in them: one tree for all who have written nothing.
    fn default() -> Self {
        static LINUX: LazyLock<Arc<Directory>> = LazyLock::new(|| Arc::new(Directory::linux()));
        Self::new(LINUX.clone())
    }
}

impl FileSystem {
    /// A file system that starts as an image's tree, shared until it is written.
    pub fn new(image: Arc<Directory>) -> Self {
        Self { root: image.clone(), mounts: Vec::new(), read_only_root: false, words: None, image, changes: 0 }
    }

    /// How often something was written through it.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// Bytes, and files and directories, that its root has more than the image.
    pub fn written(&self) -> (i64, i64) {
        if Arc::ptr_eq(&self.root, &self.image) {
            return (0, 0);
        }
        let count = |tree: &Directory| (i64::try_from(tree.size()).unwrap_or(i64::MAX), tree.count());
        let ((bytes, nodes), (of_image, image_nodes)) = (count(&self.root), count(&self.image));
        ((bytes - of_image).max(0), (nodes - image_nodes).max(0))
    }

    /// The tree without its mounts: what counts as the container's writable layer.
    pub fn root(&self) -> &Directory {
        &self.root
    }

    /// Refuses writes outside the mounts, but for the file of the termination message, which is there from the start;
    /// its path is empty where it is the usual one.
    pub fn make_read_only(&mut self, words: &str) {
        self.read_only_root = true;
        if !words.is_empty() {
            let path = absolute("/", words);
            Arc::make_mut(&mut self.root).insert_file(&path, File::default());
            self.words = Some(path.into());
        }
    }

    /// Whether there is a place for files: its root, or a mount.
    pub fn takes_writes(&self) -> bool {
        !self.read_only_root || self.mounts.iter().any(|mount| !mount.read_only)
    }

    /// Mounts a volume. A later mount at the same place hides an earlier one; a deeper one wins.
    pub fn mount(&mut self, mount: Mount) {
        self.mounts.retain(|other| other.path != mount.path);
        self.mounts.reserve_exact(1);
        self.mounts.push(mount);
        self.mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path.len()));
    }

    /// Has some mounts take no writes for now, and all others those that they took.
    pub fn freeze(&mut self, is_frozen: impl Fn(&Mount) -> bool) {
        self.mounts.iter_mut().for_each(|mount| mount.frozen = is_frozen(mount));
    }

    /// Whether a path is one of its own files, or lies in a mount.
    pub fn holds(&self, path: &str) -> bool {
        self.root.get(path).is_some() || self.is_mounted(path)
    }

    /// Whether a path lies in a mount.
    pub fn is_mounted(&self, path: &str) -> bool {
        self.mounts.iter().any(|mount| below(path, &mount.path).is_some())
    }

    /// The files as they are now, to read and to write.
    pub fn view<'a>(&'a mut self, volumes: &'a mut Volumes, now: SimTime) -> Files<'a> {
        Files::new(self, &mut volumes.trees, now)
    }
}
