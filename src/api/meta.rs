//! What every object carries: its names, its versions, its owners and the marks of its deletion.

use super::{Labels, List, Name, Timestamp};
use crate::engine::StreamKey;
use serde::{Serialize, Serializer};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// The place of an object of kind `T` in the store. Never used again for another object.
pub struct Id<T> {
    index: u32,
    kind: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The id of the n-th object of its kind.
    pub const fn new(index: u32) -> Self {
        Self { index, kind: PhantomData }
    }

    /// Which object of its kind this is, in order of creation.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> Default for Id<T> {
    fn default() -> Self {
        Self::new(u32::MAX)
    }
}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.index.cmp(&other.index)
    }
}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(self.index);
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.index)
    }
}

impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.index)
    }
}

/// The identity of an object for ever: a UUID, printed and ordered as its text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Uid(u128);

impl Uid {
    /// A UID by its 128 bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// A UUID of version 4 from random bits.
    pub const fn from_random(high: u64, low: u64) -> Self {
        let bits = ((high as u128) << 64) | low as u128;
        Self(bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62)
    }

    /// Whether it was never set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The key of the object's draws: its identity is itself a function of its name and incarnation.
    pub fn stream(self) -> StreamKey {
        StreamKey::from_bits((self.0 >> 64) as u64 ^ self.0 as u64)
    }

    /// Reads the text form; what is not a UUID (a static pod's hash) gives none.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|&c| c != '-').collect();
        (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (a, b, c) = (self.0 >> 96, self.0 >> 80 & 0xffff, self.0 >> 64 & 0xffff);
        let (d, e) = (self.0 >> 48 & 0xffff, self.0 & 0xffff_ffff_ffff);
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `metav1.ObjectMeta`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Metadata {
    /// Its place in the store; set by the server.
    #[serde(skip)]
    pub index: u32,
    /// Unique in its namespace for its kind.
    pub name: Name,
    /// Empty for kinds without namespaces.
    pub namespace: Name,
    /// What the server made the name from, if it did.
    pub generate_name: Name,
    /// The identity of this incarnation.
    pub uid: Uid,
    /// The store's version at the last write.
    pub resource_version: u64,
    /// How often the desired state changed.
    pub generation: i64,
    /// When it was created.
    pub creation_timestamp: Timestamp,
    /// When it is to be gone, once a delete was accepted.
    pub deletion_timestamp: Option<Timestamp>,
    /// The grace that was granted, in seconds.
    pub deletion_grace_period: Option<i64>,
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// What it depends on.
    pub owner_references: List<OwnerReference>,
    /// What must be done before it may go.
    pub finalizers: List<Name>,
}

/// A generated name begins with so many characters of what it is made from at most, to leave room for the random part
/// (`MaxGeneratedNameLength` of `staging/src/k8s.io/apiserver/pkg/storage/names/generate.go`).
pub const LONGEST_NAME_BASE: usize = 58;

impl Metadata {
    /// The reference of the owner that manages it.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }

    /// Whether a delete was accepted.
    pub const fn is_terminating(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    /// Whether it is `default/kubernetes`, as the API server's own Service and its endpoints are.
    pub fn is_of_api_server(&self) -> bool {
        self.namespace == "default" && self.name == "kubernetes"
    }

    /// `namespace/name`, or the name alone.
    pub fn key(&self) -> String {
        if self.namespace.is_empty() { self.name.to_string() } else { format!("{}/{}", self.namespace, self.name) }
    }
}

/// `metav1.OwnerReference`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct OwnerReference {
    /// The owner's group and version.
    pub api_version: Name,
    /// The owner's kind.
    pub kind: Name,
    /// The owner's name.
    pub name: Name,
    /// The owner's identity.
    pub uid: Uid,
    /// Whether the owner manages the object.
    pub controller: bool,
    /// Whether foreground deletion of the owner waits for the object.
    pub block_owner_deletion: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_print_as_uuids_of_version_4_and_read_back() {
        let uid = Uid::from_random(u64::MAX, 0x0123_4567_89ab_cdef);
        assert_eq!(uid.to_string(), "ffffffff-ffff-4fff-8123-456789abcdef");
        assert_eq!(Uid::parse(&uid.to_string()), Some(uid));
        assert_eq!(Uid::parse("static"), None);
    }
}
