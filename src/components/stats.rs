//! What a node and its pods use, as a kubelet's statistics provider tells it.
//!
//! Follows `staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go` of Kubernetes 1.36, reduced to what decides.

use super::cri::PodKey;
use crate::api::Name;
use crate::engine::SimTime;

/// A node at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStats {
    /// Bytes of memory: those that are left, and all.
    pub memory: Supply,
    /// Bytes of memory that pods may use together, of which what is left; nothing if they may use all.
    pub allocatable_memory: Option<Supply>,
    /// The file system of volumes and logs.
    pub nodefs: FileSystemStats,
    /// The file system of images and writable layers, if it is one of its own.
    pub imagefs: Option<FileSystemStats>,
    /// Process identities.
    pub pids: Supply,
    /// Pods with a container that runs.
    pub pods: Vec<PodStats>,
    /// Images whose size is known.
    pub images: Vec<ImageStats>,
    /// When any of this changes next by itself, as far as anybody can tell.
    pub changes_at: Option<SimTime>,
}

/// How much of something is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Supply {
    /// What is left.
    pub available: i64,
    /// What there is.
    pub capacity: i64,
}

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileSystemStats {
    /// Bytes.
    pub bytes: Supply,
    /// Inodes.
    pub inodes: Supply,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodStats {
    /// Which.
    pub key: PodKey,
    /// Its containers, those that ended included.
    pub containers: Vec<ContainerStats>,
    /// Bytes in its volumes.
    pub volumes: Vec<(Name, i64)>,
}

/// A container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerStats {
    /// Which.
    pub name: Name,
    /// Bytes of memory (working set).
    pub memory: i64,
    /// Bytes in the writable layer.
    pub writable: i64,
    /// Inodes in the writable layer.
    pub writable_inodes: i64,
    /// Bytes of logs.
    pub logs: i64,
    /// Processes.
    pub pids: i64,
}

/// An image of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageStats {
    /// Which.
    pub name: Name,
    /// Bytes.
    pub size: i64,
    /// When it was pulled; none if it was there from the start.
    pub pulled_at: Option<SimTime>,
}
