//! Sets of completion indexes, as a Job's status writes them: `0,2-5,7` (`job/indexed_job_utils.go`).

use crate::api::{Metadata, Name, names};
use std::collections::BTreeSet;
use std::fmt;

names! {
    COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index";
    INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count";
    INDEX_IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count";
}

/// Indexes in order, without gaps between the ends of a range.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indexes(Vec<(i32, i32)>);

impl Indexes {
    /// Reads ranges; what lies at or above the number of completions is left out.
    pub fn parse(text: &str, completions: i32) -> Self {
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) else { continue };
            if first < completions && first <= last {
                ranges.push((first, last.min(completions - 1)));
            }
        }
        Self(ranges)
    }

    /// How many there are.
    pub fn total(&self) -> i32 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether an index is among them.
    pub fn has(&self, index: i32) -> bool {
        let place = self.0.partition_point(|(_, last)| *last < index);
        self.0.get(place).is_some_and(|(first, _)| *first <= index)
    }

    /// These and further ones.
    #[must_use]
    pub fn with(&self, further: impl IntoIterator<Item = i32>) -> Self {
        let mut all: Vec<(i32, i32)> = self.0.clone();
        all.extend(further.into_iter().map(|index| (index, index)));
        all.sort_unstable();
        let mut merged: Vec<(i32, i32)> = Vec::new();
        for (first, last) in all {
            match merged.last_mut() {
                Some((_, end)) if first <= *end + 1 => *end = (*end).max(last),
                Some(_) | None => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// These and those of another set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        other.0.iter().fold(self.clone(), |all, (first, last)| all.with(*first..=*last))
    }

    /// The lowest so many indexes that are not among them.
    pub fn first_absent(&self, count: usize, completions: i32) -> Vec<i32> {
        let mut absent = Vec::new();
        let mut candidate = 0;
        for (first, last) in self.0.iter().copied().chain([(completions, completions)]) {
            while candidate < first && absent.len() < count {
                absent.push(candidate);
                candidate += 1;
            }
            candidate = candidate.max(last + 1);
        }
        absent
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (first, last)) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// The completion index of a pod, if it has a valid one.
pub fn index_of(meta: &Metadata) -> Option<i32> {
    meta.annotations.get(*COMPLETION_INDEX)?.parse().ok().filter(|index| *index >= 0)
}

/// The indexes of some pods.
pub fn indexes_of<'a>(pods: impl IntoIterator<Item = &'a Metadata>) -> BTreeSet<i32> {
    pods.into_iter().filter_map(index_of).collect()
}

/// How often the pods of an index failed before this one: what counted, and what did not.
pub fn failures_before(meta: &Metadata) -> (i32, i32) {
    let count = |key: Name| meta.annotations.get(key).and_then(|count| count.parse().ok()).unwrap_or(0);
    (count(*INDEX_FAILURES), count(*INDEX_IGNORED_FAILURES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_and_print_alike() {
        // `TestCalculateSucceededIndexes`, `TestParseIndexesFromString`.
        for (text, completions, printed, total) in [
            ("", 5, "", 0),
            ("1", 5, "1", 1),
            ("1,3-5", 10, "1,3-5", 4),
            ("0,1", 10, "0,1", 2),
            ("0-9", 5, "0-4", 5),
            ("4-6,8", 7, "4-6", 3),
        ] {
            let indexes = Indexes::parse(text, completions);
            assert_eq!((indexes.to_string().as_str(), indexes.total()), (printed, total), "{text}");
        }
        let indexes = Indexes::parse("1,3-5", 10);
        assert_eq!(indexes.with([2, 7, 5]).to_string(), "1-5,7");
        assert_eq!(indexes.with([0, 9]).to_string(), "0,1,3-5,9");
        assert_eq!([0, 1, 2, 3, 5, 6].map(|index| indexes.has(index)), [false, true, false, true, true, false]);
    }

    #[test]
    fn the_lowest_free_indexes_come_first() {
        // `TestFirstPendingIndexes`.
        let taken = Indexes::parse("0,2-4", 10);
        assert_eq!(taken.first_absent(3, 10), [1, 5, 6]);
        assert_eq!(taken.first_absent(9, 7), [1, 5, 6]);
        assert_eq!(Indexes::default().first_absent(2, 5), [0, 1]);
    }
}
