//! The volumes of a pod.

use super::{PodSpec, ResourceField};
use crate::api::{Kind, List, Name};
use serde::Serialize;

/// `v1.Volume`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Volume {
    /// Unique in the pod.
    pub name: Name,
    /// Where its content comes from.
    pub source: VolumeSource,
}

/// `v1.VolumeProjection`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub enum ProjectedSource {
    /// The keys of a ConfigMap as files.
    ConfigMap(ObjectFiles),
    /// The keys of a Secret as files.
    Secret(ObjectFiles),
    /// Fields of the pod as files.
    DownwardApi(List<FieldFile>),
    /// A token of the service account.
    Token {
        /// Where it is in the volume.
        path: Name,
    },
}

impl ProjectedSource {
    /// The object that it shows.
    pub const fn object(&self) -> Option<(Kind, &ObjectFiles)> {
        match self {
            Self::ConfigMap(files) => Some((Kind::ConfigMap, files)),
            Self::Secret(files) => Some((Kind::Secret, files)),
            Self::DownwardApi(_) | Self::Token { .. } => None,
        }
    }
}

/// `v1.VolumeSource`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub enum VolumeSource {
    /// A directory that lives as long as the pod.
    EmptyDir {
        /// Bytes after which the pod is evicted.
        size_limit: Option<i64>,
        /// Whether it is in memory.
        in_memory: bool,
    },
    /// A directory of the node.
    HostPath {
        /// The path.
        path: Name,
        /// What must be there, such as `Directory`; empty for no check.
        kind: Name,
    },
    /// The keys of a ConfigMap as files.
    ConfigMap(ObjectFiles),
    /// The keys of a Secret as files.
    Secret(ObjectFiles),
    /// Several sources in one directory.
    Projected(List<ProjectedSource>),
    /// Fields of the pod as files.
    DownwardApi(List<FieldFile>),
    /// A claim, by name.
    Claim {
        /// The PersistentVolumeClaim.
        name: Name,
        /// Whether writes are refused.
        read_only: bool,
    },
    /// A claim that is made for the pod, named after pod and volume.
    Ephemeral {
        /// The claim's manifest, as JSON.
        template: crate::api::Text,
    },
    /// The content of an image.
    Image {
        /// The image.
        reference: Name,
        /// When it is pulled.
        pull_policy: super::ImagePullPolicy,
    },
    /// A disk known to the scheduler by its identity: two pods may share it read-only only.
    Disk {
        /// The field, such as `gcePersistentDisk`.
        kind: Name,
        /// What tells two disks apart.
        identity: Name,
        /// Whether writes are refused.
        read_only: bool,
    },
    /// An inline volume of a CSI driver.
    Csi {
        /// The driver.
        driver: Name,
    },
    /// Anything else, mounted without further effect.
    Other {
        /// The field, such as `nfs`.
        kind: Name,
    },
}

impl PodSpec {
    /// The volumes whose content is memory.
    pub fn memory_volumes(&self) -> impl Iterator<Item = Name> + '_ {
        let in_memory = |volume: &&Volume| matches!(volume.source, VolumeSource::EmptyDir { in_memory: true, .. });
        self.volumes.iter().filter(in_memory).map(|volume| volume.name)
    }
}

impl VolumeSource {
    /// Whether containers may only read it, whatever their mounts say (`GetAttributes` of the volume plugins).
    pub const fn is_read_only(&self) -> bool {
        match self {
            Self::ConfigMap(_) | Self::Secret(_) | Self::Projected(_) | Self::DownwardApi(_) | Self::Image { .. } => {
                true
            }
            Self::Claim { read_only, .. } | Self::Disk { read_only, .. } => *read_only,
            Self::EmptyDir { .. }
            | Self::HostPath { .. }
            | Self::Ephemeral { .. }
            | Self::Csi { .. }
            | Self::Other { .. } => false,
        }
    }
}

/// A file of the downward API (`v1.DownwardAPIVolumeFile`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct FieldFile {
    /// Where it is in the volume.
    pub path: Name,
    /// What it shows.
    pub field: FileField,
    /// Its permission bits.
    pub mode: i32,
}

/// What a file of the downward API shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum FileField {
    /// A field of the pod, such as `metadata.labels`.
    Pod(Name),
    /// A resource of a container.
    Resource(ResourceField),
}

/// A ConfigMap or Secret whose keys become files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct ObjectFiles {
    /// The object.
    pub name: Name,
    /// Whether it, or a key, may be missing.
    pub optional: bool,
    /// The keys that are shown; empty for all keys under their own names.
    pub items: List<KeyFile>,
    /// The permission bits of files that say nothing else.
    pub mode: i32,
}

/// A key of a ConfigMap or Secret as a file (`v1.KeyToPath`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct KeyFile {
    /// The key.
    pub key: Name,
    /// Where it is in the volume.
    pub path: Name,
    /// Its permission bits, if it says so itself.
    pub mode: Option<i32>,
}
