//! Kubernetes Events: what components tell people.

use super::{Metadata, Name, Text, Timestamp, Uid, WallTime};
use serde::Serialize;
use std::fmt;

/// `v1.Event` (and, with `event_time`, `events.k8s.io/v1.Event`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Names and versions.
    pub meta: Metadata,
    /// What it is about.
    pub involved: ObjectReference,
    /// Whether anybody should worry.
    pub kind: EventType,
    /// Why, in one word.
    pub reason: Name,
    /// Why, for people.
    pub message: Text,
    /// Who says so.
    pub component: Name,
    /// On which node; empty for components of the control plane.
    pub host: Name,
    /// When it was first said.
    pub first_timestamp: Option<Timestamp>,
    /// When it was last said.
    pub last_timestamp: Option<Timestamp>,
    /// How often it was said.
    pub count: u32,
    /// When, of the new API; then the four above are unset.
    pub event_time: Option<WallTime>,
    /// How often and until when, of the new API.
    pub series: Option<(u32, WallTime)>,
    /// What was tried, of the new API.
    pub action: Name,
}

impl Event {
    /// How often it was said.
    pub fn times(&self) -> u32 {
        self.series.map_or(self.count, |(count, _)| count).max(1)
    }
}

/// `v1.ObjectReference`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub struct ObjectReference {
    /// The kind.
    pub kind: Name,
    /// Its group and version.
    pub api_version: Name,
    /// The namespace; empty for none.
    pub namespace: Name,
    /// The name.
    pub name: Name,
    /// The identity.
    pub uid: Uid,
    /// The part meant, such as `spec.containers{app}`.
    pub field_path: Name,
    /// The version meant.
    pub resource_version: u64,
}

/// `Normal` or `Warning`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, strum::IntoStaticStr)]
pub enum EventType {
    /// For information.
    Normal,
    /// Something is wrong.
    Warning,
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
