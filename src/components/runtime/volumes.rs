//! The volumes behind the containers' mounts: directories that live as long as what they belong to.

use super::Runtimes;
use super::filesystem::{Directory, File, FileSystem, Mount, Node, VolumeId, absolute};
use super::host::host_path;
use crate::api::{Name, Text};
use crate::components::cri::{ContainerConfig, ContainerMount, PodKey, TOKEN, TOKEN_VOLUME, VolumeFile, VolumeKey};
use crate::components::message::NodeIndex;
use crate::engine::{Purpose, SimTime, StreamKey};
use std::collections::hash_map::Entry;
use std::sync::{Arc, LazyLock};

const PAYLOAD: Purpose = Purpose::new("payload directory");

/// The link to what the kubelet wrote last.
const PUBLISHED: &str = "..data";

/// The token and the certificate authority of every service account: what they say is not played.
static CREDENTIALS: LazyLock<[Node; 2]> = LazyLock::new(|| {
    [&**TOKEN, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"]
        .map(|text| Node::File(Arc::new(File::new(text))))
});

impl Runtimes {
    /// The kubelet has written a volume: the keys of a ConfigMap or Secret, fields of the pod.
    pub fn volume_written(&mut self, now: SimTime, node: NodeIndex, volume: VolumeKey, files: &[VolumeFile]) {
        let content = files.iter().map(|file| {
            let mode = u16::try_from(file.mode).unwrap_or_default();
            (&*file.path, Node::File(Arc::new(File::new(file.content.as_bytes()).of_root(mode))))
        });
        let content = self.published(now, node, content);
        let id = self.volume(node, volume);
        if let Some(tree) = self.volumes.get_mut(id) {
            *tree = content;
        }
    }

    /// Files as the kubelet lays them out, so that all of them change at once: a directory that is named after the
    /// time, `..data` that leads to it, and links to what is in there (`pkg/volume/util/atomic_writer.go`).
    fn published<'a>(&self, now: SimTime, node: NodeIndex, files: impl Iterator<Item = (&'a str, Node)>) -> Directory {
        let time = self.clock.skewed(self.machines[node.index()].skew).at(now);
        let time = jiff::Timestamp::from_nanosecond(i128::from(time.unix_nanos())).unwrap_or_default();
        let stream = StreamKey::from_bits(node.index() as u64);
        let number = self.draws.draw(PAYLOAD, stream, now.as_nanos()).bits() >> 32;
        let stamp = format!("..{}.{number}", time.strftime("%Y_%m_%d_%H_%M_%S"));
        let mut tree = Directory::default();
        tree.insert(&stamp, Node::Directory(Arc::default()));
        for (path, file) in files {
            tree.insert(&format!("{stamp}/{path}"), file);
            let top = path.trim_start_matches('/').split('/').next().unwrap_or(path);
            tree.insert(top, Node::Symlink(format!("{PUBLISHED}/{top}").into()));
        }
        tree.insert(PUBLISHED, Node::Symlink(stamp.into()));
        tree.made_at(now)
    }

    /// What a file of a volume says, if it is there.
    pub fn read_in_volume(&mut self, node: NodeIndex, volume: VolumeKey, path: &str) -> Option<Text> {
        let id = self.volume(node, volume);
        let path = match volume {
            VolumeKey::Host(directory) => host_path(&format!("{directory}/{path}")),
            VolumeKey::Pod { .. } | VolumeKey::Claim { .. } => absolute("/", path),
        };
        match self.volumes.get(id)?.get(&path)? {
            Node::File(file) => Some(String::from_utf8_lossy(file.bytes()).as_ref().into()),
            Node::Directory(_) | Node::Symlink(_) | Node::Device => None,
        }
    }

    /// A volume, made if it is not there yet.
    fn volume(&mut self, node: NodeIndex, volume: VolumeKey) -> VolumeId {
        // A claim's volume is the same on every node.
        let scope = match volume {
            VolumeKey::Host(_) => return self.host_volume(node),
            VolumeKey::Pod { .. } => Some(node),
            VolumeKey::Claim { .. } => None,
        };
        let made = &mut self.volumes;
        *self.volume_ids.entry((scope, volume)).or_insert_with(|| made.create())
    }

    /// What was never mounted before gets a file system, which has a directory for what a check of it finds.
    fn format(&mut self, claim: VolumeKey) {
        if let Entry::Vacant(entry) = self.volume_ids.entry((None, claim)) {
            let mut tree = Directory::default();
            tree.insert("/lost+found", Node::Directory(Arc::default()));
            entry.insert(self.volumes.insert(tree));
        }
    }

    /// The pod is gone from the node, and its own volumes with it.
    pub(super) fn forget_volumes(&mut self, node: NodeIndex, pod: PodKey, names: impl Iterator<Item = Name>) {
        for name in names.chain([*TOKEN_VOLUME]) {
            if let Some(id) = self.volume_ids.remove(&(Some(node), VolumeKey::Pod { pod, name })) {
                self.volumes.remove(id);
            }
        }
        for id in self.bound_files.remove(&(node, pod)).into_iter().flatten() {
            self.volumes.remove(id);
        }
    }

    /// A part of a volume that the kubelet writes, for a mount: what is there now stays what the mount shows, whatever
    /// is written into the volume later. `None` for other volumes.
    fn bound_file(&mut self, node: NodeIndex, (volume, id): (VolumeKey, VolumeId), path: &str) -> Option<VolumeId> {
        let VolumeKey::Pod { pod, .. } = volume else { return None };
        let tree = self.volumes.get(id)?;
        let Node::Symlink(stamp) = tree.get(PUBLISHED)? else { return None };
        let mut part = Directory::default();
        if let Some(found) = tree.get(&format!("{stamp}/{path}")) {
            part.insert(path, found.clone());
        }
        let id = self.volumes.insert(part);
        self.bound_files.entry((node, pod)).or_default().push(id);
        Some(id)
    }

    /// What a volume with a token holds: one tree for all pods of a namespace.
    fn credentials(&mut self, now: SimTime, node: NodeIndex, namespace: Name) -> Arc<Directory> {
        if let Some(known) = self.credentials.get(&namespace) {
            return known.clone();
        }
        let [token, authority] = CREDENTIALS.clone();
        let namespace_file = Node::File(Arc::new(File::new(namespace.as_bytes())));
        let files = [("token", token), ("ca.crt", authority), ("namespace", namespace_file)];
        let made = Arc::new(self.published(now, node, files.into_iter()));
        self.credentials.entry(namespace).or_insert(made).clone()
    }

    /// Mounts the volumes of a container.
    pub(super) fn mount_volumes(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        config: &ContainerConfig,
        files: &mut FileSystem,
    ) {
        for mount in &config.mounts {
            let ContainerMount { path, sub_path, read_only, volume, formatted, room } = mount;
            if *formatted {
                self.format(*volume);
            }
            let id = self.volume(node, *volume);
            if let Some(room) = room {
                self.volumes.limit(id, *room);
            }
            let part = match volume {
                VolumeKey::Host(path) => Name::new(&host_path(&format!("{path}/{sub_path}"))),
                VolumeKey::Pod { .. } | VolumeKey::Claim { .. } => *sub_path,
            };
            let sub_path = &*part;
            let Some(tree) = self.volumes.get(id) else { continue };
            if matches!(volume, VolumeKey::Pod { name, .. } if *name == *TOKEN_VOLUME)
                && tree.entries().next().is_none()
            {
                let credentials = self.credentials(now, node, config.namespace);
                self.volumes.put(id, credentials);
            }
            let is_part = !matches!(sub_path, "" | "/");
            let id = is_part.then(|| self.bound_file(node, (*volume, id), sub_path)).flatten().unwrap_or(id);
            // The kubelet makes a sub-path that is missing (`doSafeMakeDir`), the runtime a directory of the machine
            // (containerd's `WithMounts`).
            if is_part
                && self.volumes.get(id).is_some_and(|tree| tree.get(sub_path).is_none())
                && let Some(tree) = self.volumes.get_mut(id)
            {
                tree.insert(sub_path, Node::Directory(Arc::default()));
            }
            let mount = Mount::new(path, id).sub_path(sub_path);
            files.mount(if *read_only { mount.read_only() } else { mount });
        }
    }
}
