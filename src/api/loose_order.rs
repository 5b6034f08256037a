//! Sorting by orders that contradict themselves, as some of Kubernetes' do: Go's sort takes them, Rust's may panic.

use std::cmp::Ordering;

/// Sorts by an order in which `a < b < c < a` may hold; where none of it does, as a stable sort does.
///
/// ```
/// use podsim::api::sort_loosely;
/// let mut numbers = vec![3, 1, 2, 1];
/// sort_loosely(&mut numbers, |a, b| a.cmp(b));
/// assert_eq!(numbers, [1, 1, 2, 3]);
/// ```
pub fn sort_loosely<T>(items: &mut Vec<T>, mut compare: impl FnMut(&T, &T) -> Ordering) {
    *items = sorted(std::mem::take(items), &mut compare);
}

fn sorted<T>(mut items: Vec<T>, compare: &mut impl FnMut(&T, &T) -> Ordering) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let count = items.len();
    let second = items.split_off(count / 2);
    let mut first = sorted(items, compare).into_iter().peekable();
    let mut second = sorted(second, compare).into_iter().peekable();
    let mut merged = Vec::with_capacity(count);
    while let (Some(a), Some(b)) = (first.peek(), second.peek()) {
        merged.extend(if compare(b, a).is_lt() { second.next() } else { first.next() });
    }
    merged.extend(first.chain(second));
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_order_is_kept_as_by_a_stable_sort(items in proptest::collection::vec((0..9, 0..99), 0..200)) {
            let (mut loosely, mut stably) = (items.clone(), items);
            sort_loosely(&mut loosely, |a: &(i32, i32), b| a.0.cmp(&b.0));
            stably.sort_by_key(|item| item.0);
            prop_assert_eq!(loosely, stably);
        }

        #[test]
        fn a_contradiction_loses_nothing(items in proptest::collection::vec(0..30, 0..200)) {
            // Scissors, paper, stone.
            let mut loosely = items.clone();
            sort_loosely(&mut loosely, |a: &i32, b| match (a - b).rem_euclid(3) {
                0 => Ordering::Equal,
                1 => Ordering::Less,
                _ => Ordering::Greater,
            });
            let all = |mut items: Vec<i32>| { items.sort_unstable(); items };
            prop_assert_eq!(all(loosely), all(items));
        }
    }
}
