//! Where two records part: the first fact that one has and the other does not.

use super::digest::FactHasher;
use super::record::{Fact, FactId, TraceRecord};
use crate::engine::SimTime;

/// What of two records is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Every message and every change.
    #[default]
    All,
    /// Changes of objects: what the digest sums up.
    Changes,
}

/// The first difference of two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Divergence {
    /// The last fact that both have, in each record.
    pub common: Option<(FactId, FactId)>,
    /// What the first record has next.
    pub left: Option<FactId>,
    /// What the second record has next.
    pub right: Option<FactId>,
}

impl Divergence {
    /// When the records part.
    pub fn at(&self, left: &TraceRecord, right: &TraceRecord) -> SimTime {
        let times = [self.left.map(|id| left.fact(id).time), self.right.map(|id| right.fact(id).time)];
        times.into_iter().flatten().min().unwrap_or_default()
    }
}

/// Finds where two records part; nothing if they are the same.
pub fn diff(left: &TraceRecord, right: &TraceRecord, scope: Scope) -> Option<Divergence> {
    let counts = |fact: &Fact| scope == Scope::All || fact.object().is_some();
    let mut sides = (left.iter().filter(|(_, f)| counts(f)), right.iter().filter(|(_, f)| counts(f)));
    let mut hashers = (FactHasher::default(), FactHasher::default());
    let mut common = None;
    loop {
        let (l, r) = (sides.0.next(), sides.1.next());
        match (l, r) {
            (None, None) => return None,
            (Some((l, _)), Some((r, _))) => {
                let same = Telling::of(left, l, &mut hashers.0) == Telling::of(right, r, &mut hashers.1);
                if !same {
                    return Some(Divergence { common, left: Some(l), right: Some(r) });
                }
                common = Some((l, r));
            }
            (l, r) => return Some(Divergence { common, left: l.map(|(id, _)| id), right: r.map(|(id, _)| id) }),
        }
    }
}

/// Everything that a fact says, without its place in the record.
#[derive(PartialEq)]
struct Telling<'a> {
    fact: (SimTime, &'static str, &'static str, &'a str, Option<i64>),
    actor: String,
    subject: Option<String>,
    failure: Option<&'a super::record::Failure>,
    runtime: Option<&'a super::view::RuntimeView>,
    hash: Option<u64>,
}

impl<'a> Telling<'a> {
    fn of(record: &'a TraceRecord, id: FactId, hasher: &mut FactHasher) -> Self {
        let fact = record.fact(id);
        Self {
            fact: (fact.time, fact.kind.as_str(), fact.what, fact.part.as_str(), fact.number()),
            actor: record.actor(fact.actor),
            subject: fact.subject().map(|subject| record.subject(subject).to_string()),
            failure: fact.failure(),
            runtime: fact.runtime(),
            hash: record.hash_of(id, hasher),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_run::{crash_loop, seeded};
    use super::*;

    #[test]
    fn a_record_does_not_differ_from_itself_nor_from_its_file() {
        let record = crash_loop();
        let mut bytes = Vec::new();
        record.write(&mut bytes).expect("memory takes everything");
        let read = TraceRecord::read(std::str::from_utf8(&bytes).expect("text")).expect("it was written by us");
        for scope in [Scope::All, Scope::Changes] {
            assert_eq!(diff(&record, &record, scope), None);
            assert_eq!(diff(&record, &read, scope), None);
        }
    }

    #[test]
    fn two_seeds_part_where_the_first_draw_shows() {
        let (left, right) = (seeded(7), seeded(8));
        let parted = diff(&left, &right, Scope::All).expect("another seed is another run");
        let (l, r) = (left.fact(parted.left.expect("a fact")), right.fact(parted.right.expect("a fact")));
        assert!(l.time != r.time || left.hash_of(parted.left.expect("a fact"), &mut FactHasher::default()).is_some());
        assert_eq!(l.what, r.what);
    }
}
