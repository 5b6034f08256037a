//! Sorting as Go's `sort.Sort` does, equals included.
//!
//! Go's sort is not stable, but it is deterministic: a pattern-defeating quicksort whose only random numbers are seeded
//! with the length. Doing the same steps in the same order leaves equal items where kubectl prints them. Follows the
//! behaviour of Go 1.26 `sort` (O. Peters' pdqsort: insertion sort up to twelve items, median of three or nine, heap
//! sort when partitions stay bad). The comparison need not be a consistent order, as kubectl's is not.

/// Sorts by `less`.
pub fn sort<T>(items: &mut [T], less: impl Fn(&T, &T) -> bool) {
    let length = items.len();
    Sorter { items, less }.quicksort(0, length, usize::BITS - length.leading_zeros());
}

/// Sorts by a key.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort(items, |a, b| key(a) < key(b));
}

const INSERTION_SORTED: usize = 12;
/// From this length on the pivot is a median of medians, and single misplaced items are moved.
const LONG: usize = 50;
/// As many exchanges as a median of medians can take: then the items descend.
const ALL_SWAPPED: usize = 12;

struct Sorter<'a, T, F> {
    items: &'a mut [T],
    less: F,
}

/// What choosing a pivot told about the order of the items.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    Ascending,
    Descending,
    Unknown,
}

impl<T, F: Fn(&T, &T) -> bool> Sorter<'_, T, F> {
    fn less(&self, i: usize, j: usize) -> bool {
        (self.less)(&self.items[i], &self.items[j])
    }

    fn swap(&mut self, i: usize, j: usize) {
        self.items.swap(i, j);
    }

    /// Sorts `from..to`; `bad` more unbalanced partitions are put up with.
    fn quicksort(&mut self, mut from: usize, mut to: usize, mut bad: u32) {
        let (mut balanced, mut partitioned) = (true, true);
        loop {
            let length = to - from;
            if length <= INSERTION_SORTED {
                return self.insertion_sort(from, to);
            }
            if bad == 0 {
                return self.heap_sort(from, to);
            }
            if !balanced {
                self.scatter(from, to);
                bad -= 1;
            }
            let (mut pivot, mut hint) = self.choose_pivot(from, to);
            if hint == Hint::Descending {
                self.items[from..to].reverse();
                pivot = to - 1 - (pivot - from);
                hint = Hint::Ascending;
            }
            if balanced && partitioned && hint == Hint::Ascending && self.nearly_sorted(from, to) {
                return;
            }
            // Not above what stands before the range: then the pivot is its least item, and may occur often.
            if from > 0 && !self.less(from - 1, pivot) {
                from = self.part_equals(from, to, pivot);
                continue;
            }
            let (middle, was_partitioned) = self.partition(from, to, pivot);
            partitioned = was_partitioned;
            let (left, right) = (middle - from, to - middle);
            balanced = left.min(right) >= length / 8;
            // The shorter side first; the longer one in the next round.
            if left < right {
                self.quicksort(from, middle, bad);
                from = middle + 1;
            } else {
                self.quicksort(middle + 1, to, bad);
                to = middle;
            }
        }
    }

    fn insertion_sort(&mut self, from: usize, to: usize) {
        for i in from + 1..to {
            self.sink(i, from);
        }
    }

    /// Moves an item down as long as it is less than the one below it.
    fn sink(&mut self, mut i: usize, lowest: usize) {
        while i > lowest && self.less(i, i - 1) {
            self.swap(i, i - 1);
            i -= 1;
        }
    }

    /// Is the range sorted, or was it after moving a few items? Short ranges are only looked at.
    fn nearly_sorted(&mut self, from: usize, to: usize) -> bool {
        const MOST_MOVES: usize = 5;
        let mut i = from + 1;
        for _ in 0..MOST_MOVES {
            while i < to && !self.less(i, i - 1) {
                i += 1;
            }
            if i == to {
                return true;
            }
            if to - from < LONG {
                return false;
            }
            self.swap(i, i - 1);
            if i - from >= 2 {
                self.sink(i - 1, 0);
            }
            if to - i >= 2 {
                let mut j = i + 1;
                while j < to && self.less(j, j - 1) {
                    self.swap(j, j - 1);
                    j += 1;
                }
            }
        }
        false
    }

    /// Exchanges three items in the middle with others, so that no pattern makes every partition bad.
    fn scatter(&mut self, from: usize, to: usize) {
        let length = to - from;
        if length < 8 {
            return;
        }
        let mask = (1u64 << (usize::BITS - length.leading_zeros())) - 1;
        let middle = from + length / 4 * 2 - 1;
        let mut random = length as u64;
        for i in 0..3 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let other = (random & mask) as usize;
            self.swap(middle + i, from + if other >= length { other - length } else { other });
        }
    }

    fn choose_pivot(&self, from: usize, to: usize) -> (usize, Hint) {
        let quarter = (to - from) / 4;
        let mut swaps = 0;
        let [mut low, mut middle, mut high] = [1, 2, 3].map(|n| from + quarter * n);
        if to - from >= LONG {
            low = self.median(low - 1, low, low + 1, &mut swaps);
            middle = self.median(middle - 1, middle, middle + 1, &mut swaps);
            high = self.median(high - 1, high, high + 1, &mut swaps);
        }
        let pivot = self.median(low, middle, high, &mut swaps);
        let hint = match swaps {
            0 => Hint::Ascending,
            ALL_SWAPPED => Hint::Descending,
            _ => Hint::Unknown,
        };
        (pivot, hint)
    }

    fn median(&self, mut a: usize, mut b: usize, mut c: usize, swaps: &mut usize) -> usize {
        let mut order = |low: &mut usize, high: &mut usize| {
            if self.less(*high, *low) {
                std::mem::swap(low, high);
                *swaps += 1;
            }
        };
        order(&mut a, &mut b);
        order(&mut b, &mut c);
        order(&mut a, &mut b);
        b
    }

    /// Puts what is less than the pivot before it and the rest behind; where it stands, and was nothing exchanged?
    fn partition(&mut self, from: usize, to: usize, pivot: usize) -> (usize, bool) {
        self.swap(from, pivot);
        let (mut i, mut j) = (from + 1, to - 1);
        let mut exchanged = false;
        loop {
            while i <= j && self.less(i, from) {
                i += 1;
            }
            while i <= j && !self.less(j, from) {
                j -= 1;
            }
            if i > j {
                self.swap(j, from);
                return (j, !exchanged);
            }
            exchanged = true;
            self.swap(i, j);
            i += 1;
            j -= 1;
        }
    }

    /// Puts what equals the pivot first; where the greater ones begin.
    fn part_equals(&mut self, from: usize, to: usize, pivot: usize) -> usize {
        self.swap(from, pivot);
        let (mut i, mut j) = (from + 1, to - 1);
        loop {
            while i <= j && !self.less(from, i) {
                i += 1;
            }
            while i <= j && self.less(from, j) {
                j -= 1;
            }
            if i > j {
                return i;
            }
            self.swap(i, j);
            i += 1;
            j -= 1;
        }
    }

    fn heap_sort(&mut self, from: usize, to: usize) {
        let length = to - from;
        for root in (0..=(length - 1) / 2).rev() {
            self.sift_down(root, length, from);
        }
        for last in (0..length).rev() {
            self.swap(from, from + last);
            self.sift_down(0, last, from);
        }
    }

    fn sift_down(&mut self, mut root: usize, length: usize, from: usize) {
        loop {
            let mut child = 2 * root + 1;
            if child >= length {
                return;
            }
            child += usize::from(child + 1 < length && self.less(from + child, from + child + 1));
            if !self.less(from + root, from + child) {
                return;
            }
            self.swap(from + root, from + child);
            root = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_order_it_ends_sorted() {
        for length in [0, 1, 2, 12, 13, 49, 50, 200, 1000] {
            let patterns: [fn(usize, usize) -> usize; 6] = [
                |i, _| i,
                |i, n| n - i,
                |i, _| i % 3,
                |_, _| 7,
                |i, _| i.wrapping_mul(2_654_435_761) % 1009,
                |i, n| if i % 2 == 0 { i } else { n - i },
            ];
            for pattern in patterns {
                let mut items: Vec<usize> = (0..length).map(|i| pattern(i, length)).collect();
                let mut expected = items.clone();
                expected.sort_unstable();
                sort_by_key(&mut items, |n| *n);
                assert_eq!(items, expected, "{length}");
            }
        }
    }

    #[test]
    fn short_lists_are_stable_and_no_comparison_breaks_it() {
        let mut items = vec![(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd')];
        sort_by_key(&mut items, |(key, _)| *key);
        assert_eq!(items, [(1, 'b'), (1, 'd'), (2, 'a'), (2, 'c')]);
        let mut many: Vec<u32> = (0..100).collect();
        sort(&mut many, |_, _| true);
        sort(&mut many, |_, _| false);
        assert_eq!(many.len(), 100);
    }
}
