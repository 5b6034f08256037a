//! How long a Job waits before it replaces a pod that failed (`job/backoff_utils.go`).

use crate::api::{ConditionStatus, Pod, READY, Timestamp, WallTime};
use crate::engine::SimDuration;
use std::sync::Arc;

/// After the first failure; doubled with each further one.
pub const FAILURE_BACK_OFF: SimDuration = SimDuration::from_secs(10);
/// At most.
pub const MOST_FAILURE_BACK_OFF: SimDuration = SimDuration::from_secs(600);

/// The failures of a Job since its last success. Kept in memory: a controller that starts anew has forgotten them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackOffRecord {
    failures: u32,
    last_failure: Option<Timestamp>,
}

impl BackOffRecord {
    /// The record once some pods more have finished.
    #[must_use]
    pub fn after(self, succeeded: &[Arc<Pod>], failed: &[Arc<Pod>]) -> Self {
        let times = |pods: &[Arc<Pod>]| {
            let mut times: Vec<Timestamp> = pods.iter().map(|pod| finished_at(pod)).collect();
            times.sort_unstable();
            times
        };
        let failed = times(failed);
        match times(succeeded).last() {
            None => Self {
                failures: self.failures + failed.len() as u32,
                last_failure: failed.last().copied().or(self.last_failure),
            },
            Some(success) => {
                let later = failed.iter().filter(|failure| *failure > success).count();
                Self { failures: later as u32, last_failure: failed.last().copied().filter(|_| later > 0) }
            }
        }
    }

    /// How long until a replacement may be created.
    pub fn remaining(self, now: WallTime) -> SimDuration {
        self.last_failure.map_or(SimDuration::ZERO, |last| remaining(self.failures, last, now))
    }
}

/// How long until a replacement may be created after so many failures, the last one at a given time.
pub fn remaining(failures: u32, last: Timestamp, now: WallTime) -> SimDuration {
    if failures == 0 {
        return SimDuration::ZERO;
    }
    let factor = 1u64.checked_shl(failures - 1).unwrap_or(u64::MAX);
    let delay = (FAILURE_BACK_OFF * factor).min(MOST_FAILURE_BACK_OFF);
    let since = now.unix_nanos() - last.wall().unix_nanos();
    if since < 0 {
        delay + SimDuration::from_nanos(since.unsigned_abs())
    } else {
        delay.saturating_sub(SimDuration::from_nanos(since as u64))
    }
}

/// When a pod finished, as well as can be told (`getFinishedTime`).
pub fn finished_at(pod: &Pod) -> Timestamp {
    let ends = pod.status.containers.iter().map(|container| container.state.terminated()?.finished_at);
    let by_containers = ends.collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
    let by_readiness = || {
        let ready = pod.status.condition(*READY)?;
        (ready.status == ConditionStatus::False).then_some(ready.last_transition_time)
    };
    let by_deletion = || {
        let deletion = pod.meta.deletion_timestamp?;
        Some(deletion.plus_secs(-pod.meta.deletion_grace_period.unwrap_or(0)))
    };
    by_containers.or_else(by_readiness).or_else(by_deletion).unwrap_or(pod.meta.creation_timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Metadata;

    #[test]
    fn waits_double_up_to_ten_minutes() {
        // control-plane.md A.14.
        let last = Timestamp::from_unix_secs(1_000);
        let waits: Vec<u64> = (0..9).map(|failures| remaining(failures, last, last.wall()).as_secs()).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(remaining(1, last, last.plus_secs(4).wall()), SimDuration::from_secs(6));
        assert_eq!(remaining(1, last, last.plus_secs(40).wall()), SimDuration::ZERO);
    }

    #[test]
    fn a_success_starts_the_count_anew() {
        // `TestNewBackoffRecord`.
        let pod = |secs| {
            let meta = Metadata { creation_timestamp: Timestamp::from_unix_secs(secs), ..Metadata::default() };
            Arc::new(Pod { meta, spec: Arc::default(), node_name: Default::default(), status: Arc::default() })
        };
        let record = |failures, last: i64| BackOffRecord {
            failures,
            last_failure: (last > 0).then(|| Timestamp::from_unix_secs(last)),
        };
        let start = BackOffRecord::default();
        let two = start.after(&[], &[pod(7), pod(5)]);
        assert_eq!(two, record(2, 7));
        assert_eq!(two.after(&[], &[]), two);
        assert_eq!(two.after(&[], &[pod(9)]), record(3, 9));
        assert_eq!(two.after(&[pod(8)], &[]), record(0, 0));
        assert_eq!(two.after(&[pod(8)], &[pod(6), pod(10), pod(12)]), record(2, 12));
    }
}
