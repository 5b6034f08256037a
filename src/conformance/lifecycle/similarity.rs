//! How alike two sequences are: the share of elements in matching blocks, found longest first.
//!
//! The same as Python's `difflib.SequenceMatcher(None, a, b, autojunk=False).ratio()`, so that both scores agree.

use std::collections::BTreeMap;

/// How alike: 1 only for equal sequences.
pub fn similarity<T: Ord>(a: &[T], b: &[T]) -> f64 {
    if a == b {
        return 1.0;
    }
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    (2.0 * matches(a, b) as f64 / (a.len() + b.len()) as f64).min(0.999)
}

/// How many elements are in matching blocks.
fn matches<T: Ord>(a: &[T], b: &[T]) -> usize {
    let mut places: BTreeMap<&T, Vec<usize>> = BTreeMap::new();
    for (place, element) in b.iter().enumerate() {
        places.entry(element).or_default().push(place);
    }
    let mut found = 0;
    let mut open = vec![(0..a.len(), 0..b.len())];
    while let Some((within_a, within_b)) = open.pop() {
        let (mut best, mut at_a, mut at_b) = (0, within_a.start, within_b.start);
        // The length of the match that ends at each place of `b`, for the element of `a` before and for this one.
        let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
        for i in within_a.clone() {
            let mut longer = BTreeMap::new();
            for &j in places.get(&a[i]).map_or(&[][..], Vec::as_slice).iter().filter(|j| within_b.contains(j)) {
                let length = j.checked_sub(1).and_then(|before| lengths.get(&before)).unwrap_or(&0) + 1;
                longer.insert(j, length);
                if length > best {
                    (best, at_a, at_b) = (length, i + 1 - length, j + 1 - length);
                }
            }
            lengths = longer;
        }
        if best > 0 {
            found += best;
            open.push((within_a.start..at_a, within_b.start..at_b));
            open.push((at_a + best..within_a.end, at_b + best..within_b.end));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_difflib() {
        // (a, b, SequenceMatcher(None, a, b, autojunk=False).ratio() of Python 3.12)
        let cases = [
            ("abcd", "bcde", 0.75),
            ("private", "public", 4.0 / 13.0),
            ("qabxcd", "abycdf", 8.0 / 12.0),
            ("abab", "baba", 0.75),
            ("tide", "diet", 0.25),
            ("diet", "tide", 0.5),
            ("", "a", 0.0),
            ("same", "same", 1.0),
        ];
        for (a, b, expected) in cases {
            let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            assert!((similarity(&a, &b) - expected).abs() < 1e-12, "{a:?} {b:?} {}", similarity(&a, &b));
        }
    }
}
