//! What facts are about: objects by kind, namespace and name, each incarnation by itself.

use crate::api::{FastMap, Kind, Name, Uid};
use std::fmt;

/// The place of an object among those that a record knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId(u32);

impl SubjectId {
    pub(super) const NONE: Self = Self(u32::MAX);

    /// Its place.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn known(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

/// An object by its names, and one incarnation of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// Its kind.
    pub kind: Name,
    /// Its namespace; empty for kinds without.
    pub namespace: Name,
    /// Its name; a pattern where an action is about whatever matches.
    pub name: Name,
    /// Its identity; empty as long as nobody has seen it.
    pub uid: Uid,
}

impl Subject {
    /// Whether it is a pod.
    pub fn is_pod(&self) -> bool {
        self.kind == "Pod"
    }

    /// `namespace/name`, or the name alone.
    pub fn key(&self) -> String {
        if self.namespace.is_empty() { self.name.to_string() } else { format!("{}/{}", self.namespace, self.name) }
    }
}

impl fmt::Display for Subject {
    /// `Kind/namespace/name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.key())
    }
}

/// The objects that a record knows.
#[derive(Debug, Clone)]
pub(super) struct Subjects {
    rows: Vec<Subject>,
    /// The newest incarnation of each name, and whether it is known to be gone.
    by_name: FastMap<(Name, Name, Name), (SubjectId, bool)>,
    by_uid: FastMap<Uid, SubjectId>,
    /// The names of the kinds.
    kinds: Vec<Name>,
}

impl Subjects {
    pub(super) fn new() -> Self {
        let kinds = Kind::ALL.iter().map(|kind| kind.name()).collect();
        Self { rows: Vec::new(), by_name: FastMap::default(), by_uid: FastMap::default(), kinds }
    }

    pub(super) fn get(&self, id: SubjectId) -> &Subject {
        &self.rows[id.index()]
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (SubjectId, &Subject)> {
        self.rows.iter().enumerate().map(|(place, subject)| (SubjectId(place as u32), subject))
    }

    /// The name of a kind, without interning it again.
    pub(super) fn kind(&self, kind: Kind) -> Name {
        self.kinds[kind as usize]
    }

    /// The object of a name that somebody speaks of: its newest incarnation.
    pub(super) fn named(&mut self, kind: Name, namespace: Name, name: Name) -> SubjectId {
        match self.by_name.get(&(kind, namespace, name)) {
            Some((id, _)) => *id,
            None => self.push(Subject { kind, namespace, name, uid: Uid::default() }),
        }
    }

    /// An object that somebody wants to make: another incarnation if the last one is gone.
    pub(super) fn wanted(&mut self, kind: Name, namespace: Name, name: Name) -> SubjectId {
        match self.by_name.get(&(kind, namespace, name)) {
            Some((id, false)) => *id,
            Some((_, true)) | None => self.push(Subject { kind, namespace, name, uid: Uid::default() }),
        }
    }

    /// An incarnation of an object that there is, or was. One that is in no store has no identity but its name.
    pub(super) fn seen(&mut self, kind: Name, namespace: Name, name: Name, uid: Uid) -> SubjectId {
        if uid.is_empty() {
            return self.named(kind, namespace, name);
        }
        if let Some(id) = self.by_uid.get(&uid) {
            return *id;
        }
        let mut id = self.wanted(kind, namespace, name);
        if !self.get(id).uid.is_empty() {
            id = self.push(Subject { kind, namespace, name, uid });
        }
        self.rows[id.index()].uid = uid;
        self.by_uid.insert(uid, id);
        id
    }

    /// The object of an identity.
    pub(super) fn of(&self, uid: Uid) -> Option<SubjectId> {
        self.by_uid.get(&uid).copied()
    }

    /// An incarnation is gone.
    pub(super) fn gone(&mut self, id: SubjectId) {
        let Subject { kind, namespace, name, .. } = *self.get(id);
        if let Some((newest, gone)) = self.by_name.get_mut(&(kind, namespace, name)) {
            *gone |= *newest == id;
        }
    }

    fn push(&mut self, subject: Subject) -> SubjectId {
        let place = u32::try_from(self.rows.len()).expect("fewer than 2^32 objects in a record");
        assert!(place != u32::MAX, "a record knows fewer than 2^32 - 1 objects");
        self.rows.push(subject);
        let id = SubjectId(place);
        self.by_name.insert((subject.kind, subject.namespace, subject.name), (id, false));
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incarnations_of_a_name_are_told_apart() {
        let mut subjects = Subjects::new();
        let (kind, space, name) = (subjects.kind(Kind::Pod), Name::new("default"), Name::new("web-0"));
        let asked_for = subjects.wanted(kind, space, name);
        let first = subjects.seen(kind, space, name, Uid::from_bits(1));
        assert_eq!(asked_for, first);
        subjects.gone(first);
        assert_eq!(subjects.named(kind, space, name), first, "who is late still means the one that was");
        let again = subjects.wanted(kind, space, name);
        assert_ne!(again, first);
        assert_eq!(subjects.seen(kind, space, name, Uid::from_bits(2)), again);
        assert_eq!(subjects.seen(kind, space, name, Uid::from_bits(1)), first);
        assert_eq!(subjects.get(again).to_string(), "Pod/default/web-0");
        assert_eq!(subjects.iter().len(), 2);
    }

    #[test]
    fn every_kind_has_its_name() {
        let subjects = Subjects::new();
        assert!(Kind::ALL.iter().all(|kind| subjects.kind(*kind) == kind.as_str()));
    }
}
