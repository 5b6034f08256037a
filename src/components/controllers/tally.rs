//! How many of each there are, where only a few differ.

/// Counts one more or less; who is not counted yet is only if fewer than `most` differ.
pub(super) fn count<T: PartialEq + Clone>(counts: &mut Vec<(T, i32)>, what: &T, step: i32, most: usize) {
    match counts.iter().position(|(have, _)| have == what) {
        Some(place) => {
            counts[place].1 += step;
            if counts[place].1 == 0 {
                counts.swap_remove(place);
            }
        }
        None if step > 0 && counts.len() < most => counts.push((what.clone(), step)),
        None => {}
    }
}
