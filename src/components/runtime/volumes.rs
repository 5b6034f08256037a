//! The volumes behind the containers' mounts: directories that live as long as what they belong to.

use super::Runtimes;
use super::filesystem::{Directory, File, FileSystem, Mount, Node, VolumeId, absolute};
use super::host::host_path;
use crate::api::{Name, Text};
use crate::components::cri::{ContainerConfig, ContainerMount, PodKey, TOKEN_VOLUME, VolumeKey};
use crate::components::message::NodeIndex;
use std::collections::hash_map::Entry;
use std::sync::{Arc, LazyLock};

/// How long the token of a service account is, more or less.
const TOKEN_LENGTH: usize = 900;

/// The token and the certificate authority of every service account: what they say is not played.
static CREDENTIALS: LazyLock<[Node; 2]> = LazyLock::new(|| {
    ["x".repeat(TOKEN_LENGTH), "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".to_owned()]
        .map(|text| Node::File(Arc::new(File::new(text))))
});

impl Runtimes {
    /// The kubelet has written a volume: the keys of a ConfigMap or Secret, fields of the pod.
    pub fn volume_written(&mut self, node: NodeIndex, volume: VolumeKey, files: &[(Text, Text)]) {
        let mut content = Directory::default();
        for (path, text) in files {
            // Modes are not played: what may be read may be executed.
            content.insert_file(path, File::new(text.as_bytes()).executable());
        }
        let id = self.volume(node, volume);
        if let Some(tree) = self.volumes.get_mut(id) {
            *tree = content;
        }
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
    }

    /// What a volume with a token holds: one tree for all pods of a namespace.
    fn credentials(&mut self, namespace: Name) -> Arc<Directory> {
        let made = || {
            let [token, authority] = &*CREDENTIALS;
            let mut tree = Directory::default();
            tree.insert("/token", token.clone());
            tree.insert("/ca.crt", authority.clone());
            tree.insert_file("/namespace", File::new(namespace.as_bytes()));
            Arc::new(tree)
        };
        self.credentials.entry(namespace).or_insert_with(made).clone()
    }

    /// Mounts the volumes of a container.
    pub(super) fn mount_volumes(&mut self, node: NodeIndex, config: &ContainerConfig, files: &mut FileSystem) {
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
                let credentials = self.credentials(config.namespace);
                self.volumes.put(id, credentials);
            }
            // The kubelet makes a sub-path that is missing (`doSafeMakeDir`), the runtime a directory of the machine
            // (containerd's `WithMounts`).
            if !matches!(sub_path, "" | "/")
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
