//! The objects that make pods: ReplicaSets, Deployments, StatefulSets, DaemonSets, Jobs and CronJobs; and what scales
//! them.

mod autoscaler;
mod batch;
mod daemon_set;
mod deployment;
mod replica_set;
mod stateful_set;

pub use autoscaler::*;
pub use batch::*;
pub use daemon_set::*;
pub use deployment::*;
pub use replica_set::*;
pub use stateful_set::*;

use super::{Labels, List, Name, PodSpec};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// `v1.PodTemplateSpec`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct PodTemplate {
    /// Labels of its pods.
    pub labels: Labels,
    /// Annotations of its pods.
    pub annotations: Labels,
    /// Finalizers of its pods.
    pub finalizers: List<Name>,
    /// The node of its pods, if no scheduler is to choose one.
    pub node_name: Name,
    /// The pods themselves, before admission.
    pub spec: Arc<PodSpec>,
}

/// A number, or a percentage of another (`intstr.IntOrString`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum IntOrPercent {
    /// The number itself.
    Int(i32),
    /// Hundredths of the whole.
    Percent(i32),
}

impl IntOrPercent {
    /// The number it stands for, a percentage rounded up (`GetScaledValueFromIntOrPercent`).
    pub fn of_rounding_up(self, whole: i32) -> i32 {
        match self {
            Self::Int(number) => number,
            Self::Percent(percent) => {
                let scaled = i64::from(percent) * i64::from(whole);
                (scaled + 99).div_euclid(100) as i32
            }
        }
    }

    /// The number it stands for, a percentage rounded down.
    pub fn of_rounding_down(self, whole: i32) -> i32 {
        match self {
            Self::Int(number) => number,
            Self::Percent(percent) => (i64::from(percent) * i64::from(whole) / 100) as i32,
        }
    }
}

impl fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_as_each_controller_says() {
        // control-plane.md A.8: 25 % / 25 % as (surge, unavailable).
        let quarter = IntOrPercent::Percent(25);
        for (replicas, surge, unavailable) in [(1, 1, 0), (3, 1, 0), (4, 1, 1), (5, 2, 1), (7, 2, 1), (10, 3, 2)] {
            assert_eq!(quarter.of_rounding_up(replicas), surge);
            assert_eq!(quarter.of_rounding_down(replicas), unavailable);
        }
        assert_eq!(IntOrPercent::Percent(33).of_rounding_up(10), 4);
        assert_eq!(IntOrPercent::Int(2).of_rounding_up(10), 2);
    }
}
