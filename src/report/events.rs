//! `events.jsonl`: every Kubernetes Event object as it was last, in the order in which they were first stored.

use crate::api::FastMap;
use crate::trace::{FactId, TraceRecord};

/// The Event objects of a record, a JSON line each.
pub fn json_lines(record: &TraceRecord) -> Vec<u8> {
    let mut places: FastMap<usize, usize> = FastMap::default();
    let mut newest: Vec<FactId> = Vec::new();
    for (id, fact) in record.changes() {
        let Some(subject) = fact.subject().filter(|subject| record.subject(*subject).kind == "Event") else { continue };
        if fact.is_deleted() {
            continue; // Events expire; what they said stays true.
        }
        let place = *places.entry(subject.index()).or_insert(newest.len());
        match newest.get_mut(place) {
            Some(known) => *known = id,
            None => newest.push(id),
        }
    }
    let mut lines = Vec::new();
    for object in newest.into_iter().filter_map(|id| record.fact(id).object()) {
        serde_json::to_writer(&mut lines, &object).expect("memory takes everything");
        lines.push(b'\n');
    }
    lines
}
