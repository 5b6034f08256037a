//! What the status of a DaemonSet counts: one pod a node (`updateDaemonSetStatus`).

use super::placement::Placement;
use crate::api::DaemonSetStatus;

/// The counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    desired: i32,
    current: i32,
    misscheduled: i32,
    pub(super) ready: i32,
    pub(super) available: i32,
    updated: i32,
}

/// Counts what there is.
pub(super) fn count(placement: &Placement<'_>) -> Counts {
    let mut counts = Counts::default();
    for (node, fit) in &placement.nodes {
        let best = placement.on(*node).first();
        if !fit.run {
            counts.misscheduled += i32::from(best.is_some());
            continue;
        }
        counts.desired += 1;
        let Some(pod) = best else { continue };
        counts.current += 1;
        if pod.status.is_ready() {
            counts.ready += 1;
            counts.available += i32::from(placement.is_available(pod));
        }
        counts.updated += i32::from(placement.is_new(pod));
    }
    counts
}

impl Counts {
    pub(super) fn status(self, before: &DaemonSetStatus, observed_generation: i64) -> DaemonSetStatus {
        DaemonSetStatus {
            current_number_scheduled: self.current,
            number_misscheduled: self.misscheduled,
            desired_number_scheduled: self.desired,
            number_ready: self.ready,
            number_available: self.available,
            number_unavailable: self.desired - self.available,
            updated_number_scheduled: self.updated,
            observed_generation,
            collision_count: before.collision_count,
            conditions: before.conditions.clone(),
        }
    }
}
