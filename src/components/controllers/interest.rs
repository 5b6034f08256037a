//! What a controller is told of: the kinds of its informers, and what must be there for them to matter.
//!
//! A controller of ReplicaSets has an informer for pods, but as long as there was never a ReplicaSet, no pod concerns
//! it. Most clusters use a few of the controllers, so most changes pass most of them by without a call.

use crate::api::Kind;

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Kinds(u64);

impl Kinds {
    const fn of(kinds: &[Kind]) -> Self {
        assert!(Kind::ALL.len() <= u64::BITS as usize, "each kind has a bit");
        let (mut bits, mut place) = (0, 0);
        while place < kinds.len() {
            bits |= 1 << kinds[place] as u32;
            place += 1;
        }
        Self(bits)
    }

    /// Adds a kind.
    pub(super) const fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u32;
    }

    const fn contains(self, kind: Kind) -> bool {
        self.0 >> kind as u32 & 1 == 1
    }
}

/// What a controller is told of.
#[derive(Debug, Clone, Copy)]
pub struct Interest {
    informers: Kinds,
    /// Unless something of these was there, nothing matters; all kinds if nothing need be there.
    purpose: Kinds,
}

impl Interest {
    /// Every change of every kind.
    pub const EVERYTHING: Self = Self { informers: Kinds(u64::MAX), purpose: Kinds(u64::MAX) };

    /// Every change of some kinds.
    pub const fn in_kinds(kinds: &[Kind]) -> Self {
        Self { informers: Kinds::of(kinds), ..Self::EVERYTHING }
    }

    /// The same as soon as there was an object of one of these kinds, and nothing before.
    #[must_use]
    pub const fn once_there_was(self, kinds: &[Kind]) -> Self {
        Self { purpose: Kinds::of(kinds), ..self }
    }

    /// Whether it is told of a change, seeing of which kinds there ever was an object.
    pub(super) const fn covers(self, kind: Kind, ever: Kinds) -> bool {
        self.informers.contains(kind) && self.purpose.0 & ever.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_matter_as_soon_as_somebody_could_own_them() {
        const SETS: Interest = Interest::in_kinds(&[Kind::Pod, Kind::ReplicaSet]).once_there_was(&[Kind::ReplicaSet]);
        let (pods, both) = (Kinds::of(&[Kind::Pod]), Kinds::of(&[Kind::Pod, Kind::ReplicaSet]));
        // (the interest, a change of a kind, of these kinds there was something, it is told)
        let table = [
            (SETS, Kind::Pod, pods, false),
            (SETS, Kind::Pod, both, true),
            (SETS, Kind::ReplicaSet, both, true),
            (SETS, Kind::Node, both, false),
            (Interest::in_kinds(&[Kind::Pod]), Kind::Pod, pods, true),
            (Interest::in_kinds(&[Kind::Pod]), Kind::Node, both, false),
            (Interest::EVERYTHING, Kind::Other, pods, true),
        ];
        for (interest, kind, ever, told) in table {
            assert_eq!(interest.covers(kind, ever), told, "{interest:?} {kind}");
        }
    }
}
