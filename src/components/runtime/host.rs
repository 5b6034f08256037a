//! The file system of a machine, as far as pods mount parts of it: what is there before any pod is, and what pods
//! leave.
//!
//! It is that of a Linux node whose kubelet was set up by kubeadm, with containerd: there is no `docker.sock`. The
//! directories are those of the Filesystem Hierarchy Standard 3.0 and those that the node's programs keep (kubeadm's
//! `cmd/kubeadm/app/constants/constants.go`, the kubelet's `pkg/kubelet/kubelet_getters.go` and
//! `pkg/kubelet/kuberuntime/helpers.go`, containerd's `defaults/defaults_unix.go` and its CRI configuration), the
//! devices those of the kernel's `Documentation/admin-guide/devices.txt`. What files say is not played.

use super::Runtimes;
use super::filesystem::{Directory, File, Node, VolumeId, absolute, parent};
use crate::api::names;
use crate::components::cri::VolumeKey;
use crate::components::message::NodeIndex;
use std::sync::{Arc, LazyLock};

names! {
    ROOT = "/";
}

const DIRECTORIES: &[&str] = &[
    "/bin",
    "/boot",
    "/dev/disk",
    "/dev/mapper",
    "/dev/pts",
    "/dev/shm",
    "/etc/cni/net.d",
    "/etc/containerd",
    "/etc/default",
    "/etc/kubernetes/manifests",
    "/etc/kubernetes/pki",
    "/etc/modprobe.d",
    "/etc/pki",
    "/etc/ssl/certs",
    "/etc/sysctl.d",
    "/etc/systemd/system",
    "/etc/udev",
    "/home",
    "/lib/modules",
    "/lib/udev",
    "/media",
    "/mnt",
    "/opt/cni/bin",
    "/proc/sys/net",
    "/root",
    "/run/containerd",
    "/run/dbus",
    "/run/lock",
    "/run/log/journal",
    "/run/netns",
    "/run/systemd/system",
    "/run/udev",
    "/sbin",
    "/srv",
    "/sys/bus",
    "/sys/class",
    "/sys/devices",
    "/sys/firmware",
    "/sys/fs/bpf",
    "/sys/fs/cgroup",
    "/sys/kernel/debug",
    "/sys/kernel/tracing",
    "/sys/module",
    "/tmp",
    "/usr/bin",
    "/usr/lib/modules",
    "/usr/local/bin",
    "/usr/local/share/ca-certificates",
    "/usr/sbin",
    "/usr/share/ca-certificates",
    "/usr/src",
    "/var/cache",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet/plugins",
    "/var/lib/kubelet/plugins_registry",
    "/var/lib/kubelet/pods",
    "/var/log/containers",
    "/var/log/journal",
    "/var/log/pods",
    "/var/spool",
    "/var/tmp",
];

const FILES: &[&str] = &[
    "/etc/containerd/config.toml",
    "/etc/group",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/kubernetes/kubelet.conf",
    "/etc/localtime",
    "/etc/machine-id",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/etc/ssl/certs/ca-certificates.crt",
    "/run/xtables.lock",
    "/usr/lib/os-release",
    "/var/lib/kubelet/config.yaml",
    "/var/log/kern.log",
    "/var/log/syslog",
];

/// What is neither a file nor a directory, and what it is.
const SPECIAL: &[(&str, &str)] = &[
    ("/dev/full", CHARACTERS),
    ("/dev/fuse", CHARACTERS),
    ("/dev/kmsg", CHARACTERS),
    ("/dev/loop-control", CHARACTERS),
    ("/dev/loop0", BLOCKS),
    ("/dev/net/tun", CHARACTERS),
    ("/dev/null", CHARACTERS),
    ("/dev/random", CHARACTERS),
    ("/dev/sda", BLOCKS),
    ("/dev/sda1", BLOCKS),
    ("/dev/tty", CHARACTERS),
    ("/dev/urandom", CHARACTERS),
    ("/dev/zero", CHARACTERS),
    ("/run/containerd/containerd.sock", SOCKET),
    ("/run/dbus/system_bus_socket", SOCKET),
    ("/run/systemd/journal/socket", SOCKET),
    ("/var/lib/kubelet/device-plugins/kubelet.sock", SOCKET),
    ("/var/lib/kubelet/pod-resources/kubelet.sock", SOCKET),
];

const CHARACTERS: &str = "CharDevice";
const BLOCKS: &str = "BlockDevice";
const SOCKET: &str = "Socket";

static TREE: LazyLock<Arc<Directory>> = LazyLock::new(|| {
    let mut tree = Directory::default();
    DIRECTORIES.iter().for_each(|path| tree.insert(path, Node::Directory(Arc::default())));
    FILES.iter().for_each(|path| tree.insert_file(path, File::default()));
    SPECIAL.iter().for_each(|(path, _)| tree.insert(path, Node::Device));
    Arc::new(tree)
});

/// A path of the machine without the links of its own that are on it.
pub(super) fn host_path(path: &str) -> String {
    let path = absolute("/", path);
    let links = [("/var/run", "/run"), ("/var/lock", "/run/lock")];
    let found = links.into_iter().find_map(|(link, target)| {
        let rest = path.strip_prefix(link).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        Some(format!("{target}{rest}"))
    });
    found.unwrap_or(path)
}

/// What is at a path, in the words of the field `type`.
fn kind_of(tree: &Directory, path: &str) -> Option<&'static str> {
    if path == "/" {
        return Some("Directory");
    }
    Some(match tree.get(path)? {
        Node::Directory(_) => "Directory",
        Node::File(_) | Node::Symlink(_) => "File",
        Node::Device => SPECIAL.iter().find(|(special, _)| *special == path).map_or(CHARACTERS, |(_, kind)| kind),
    })
}

impl Runtimes {
    /// The file system of a machine.
    pub(super) fn host_volume(&mut self, node: NodeIndex) -> VolumeId {
        let made = &mut self.volumes;
        *self.volume_ids.entry((Some(node), VolumeKey::Host(*ROOT))).or_insert_with(|| {
            let id = made.create();
            made.put(id, TREE.clone());
            id
        })
    }

    /// A machine's disk is empty: what pods left on it is gone.
    pub(super) fn forget_host(&mut self, node: NodeIndex) {
        if let Some(id) = self.volume_ids.remove(&(Some(node), VolumeKey::Host(*ROOT))) {
            self.volumes.remove(id);
        }
    }

    /// Looks whether a path of a machine is what a pod says that it is, and makes it where it asks for that
    /// (`checkType` in `pkg/volume/hostpath/host_path.go`).
    ///
    /// # Errors
    /// Why the volume cannot be set up.
    pub fn check_host_path(&mut self, node: NodeIndex, path: &str, kind: &str) -> Result<(), String> {
        let wanted = kind.strip_suffix("OrCreate").unwrap_or(kind);
        let description = match wanted {
            "Directory" => "directory",
            "File" => "file",
            SOCKET => "socket file",
            CHARACTERS => "character device",
            BLOCKS => "block device",
            _ => return Ok(()),
        };
        let id = self.host_volume(node);
        let Some(tree) = self.volumes.get(id) else { return Ok(()) };
        let place = host_path(path);
        match kind_of(tree, &place) {
            Some(found) if found == wanted => Ok(()),
            Some(found) => Err(format!("hostPath type check failed: {path} is not a {description}, it's a {found}")),
            None if kind == wanted => Err(format!("hostPath {path} doesn't exist")),
            None => {
                let above = nearest(tree, &place);
                let is_file = wanted == "File";
                let call = if is_file { "open" } else { "mkdir" };
                match kind_of(tree, above) {
                    Some("Directory") if !is_file || above == parent(&place) => {}
                    Some("Directory") => return Err(format!("{call} {path}: no such file or directory")),
                    Some(_) | None => return Err(format!("{call} {path}: not a directory")),
                }
                let new = if is_file { Node::File(Arc::default()) } else { Node::Directory(Arc::default()) };
                if let Some(tree) = self.volumes.get_mut(id) {
                    tree.insert(&place, new);
                }
                Ok(())
            }
        }
    }
}

/// What is there of the way to a path.
fn nearest<'p>(tree: &Directory, path: &'p str) -> &'p str {
    let mut above = parent(path);
    while kind_of(tree, above).is_none() {
        above = parent(above);
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_machine_are_the_same_by_every_way() {
        for (path, place) in [
            ("/var/run/x.sock", "/run/x.sock"),
            ("/var/run", "/run"),
            ("/var/running", "/var/running"),
            ("/var/lock/x", "/run/lock/x"),
            ("/data/", "/data"),
        ] {
            assert_eq!(host_path(path), place, "{path}");
        }
        for (path, kind) in
            [("/", "Directory"), ("/etc/hosts", "File"), ("/dev/sda", BLOCKS), ("/dev/null", CHARACTERS)]
        {
            assert_eq!(kind_of(&TREE, path), Some(kind), "{path}");
        }
        assert_eq!(kind_of(&TREE, "/run/docker.sock"), None);
    }
}
