//! The node's lease: renewed every quarter of its duration, and a little later each time.
//!
//! Follows `staging/src/k8s.io/component-helpers/apimachinery/lease/controller.go` of Kubernetes 1.36. A renewal tells
//! nobody anything but its time, so it is not written: whoever wants to know asks when the last one was.

use super::Kubelet;
use crate::engine::{Purpose, SimDuration, SimTime};

const RENEWAL: Purpose = Purpose::new("lease renewal");
/// Per cent by which a renewal may be late.
const JITTER: u64 = 4;

impl Kubelet {
    /// How long the node's lease is good for.
    pub fn lease_duration(&self) -> SimDuration {
        self.config.node_lease_duration
    }

    /// When the node's lease was last renewed, by a process that runs; none before the run began, or while none runs.
    pub fn lease_renewed_at(&self, now: SimTime) -> Option<SimTime> {
        let ago = self.lease_age(now)?;
        let age = now.since(SimTime::ZERO);
        (age >= ago).then(|| SimTime::ZERO + age.saturating_sub(ago))
    }

    /// How long ago the node's lease was last renewed, by a process that runs; none while none does.
    pub fn lease_age(&self, now: SimTime) -> Option<SimDuration> {
        if !self.up {
            return None;
        }
        let uptime = self.started_at.uptime(now);
        let interval = self.config.node_lease_duration / 4;
        if interval.is_zero() {
            return Some(SimDuration::ZERO);
        }
        let most = interval + interval.mul_ratio(JITTER, 100);
        // Renewals drift, so that only the newest few have to be drawn: those before are as late as they are on
        // average.
        let average = interval + interval.mul_ratio(JITTER, 200);
        let skipped = (uptime.as_nanos() / average.as_nanos()).saturating_sub(64);
        let mut renewed = SimDuration::from_nanos(average.as_nanos() * skipped);
        let mut ordinal = skipped;
        loop {
            let next = renewed + self.draws.draw(RENEWAL, self.stream, ordinal).between(interval, most);
            if next > uptime {
                break;
            }
            renewed = next;
            ordinal += 1;
        }
        Some(uptime.saturating_sub(renewed))
    }
}
