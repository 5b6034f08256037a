//! Many runs side by side: one thread each at a time, results in the order of what was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does a piece of work for every item, on as many threads as the machine has, and returns the results in the order
/// of the items, whichever was done first.
///
/// ```
/// assert_eq!(podsim::simulation::parallel(&[1, 2, 3], |n| n * n), [1, 4, 9]);
/// ```
pub fn parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len().max(1));
    parallel_on(threads, items, work)
}

/// The same on a given number of threads.
pub fn parallel_on<T: Sync, R: Send>(threads: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { return done };
            done.push((place, work(item)));
        }
    };
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(worker)).collect();
        let finished =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        finished.flatten().collect()
    });
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_on_any_number_of_threads() {
        let items: Vec<u64> = (0..1_000).collect();
        let expect: Vec<u64> = items.iter().map(|n| n * 3).collect();
        for threads in [0, 1, 2, 7] {
            assert_eq!(parallel_on(threads, &items, |n| n * 3), expect);
        }
        assert!(parallel::<u64, u64>(&[], |n| *n).is_empty());
    }
}
