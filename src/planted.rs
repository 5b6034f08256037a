//! Bugs that tests plant in the mechanisms, one at a time, to see whether what watches over a run finds them.
//!
//! Only tests can: without the feature `planted`, which the command line is not released with, nothing is ever planted
//! and [`is`] is a constant. `reports/planted-bugs.md` says what finds each.

use strum::{EnumMessage, VariantArray};

/// A bug: what is wrong, where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray, EnumMessage)]
pub enum Bug {
    /// kubelet: a container that crashed is started again at once, however often it did.
    BackOffForgotten,
    /// kubelet: containers are killed without the grace period that they were granted.
    GraceIgnored,
    /// kubelet: restartPolicy Never is read as Always.
    NeverRestarts,
    /// kubelet: regular containers do not wait for init containers.
    InitNotAwaited,
    /// kubelet: a probe's verdict takes one failure or success fewer than its threshold.
    ThresholdOffByOne,
    /// kubelet: a container that runs counts as ready, whatever its readiness probe says.
    ReadinessIgnored,
    /// kubelet: probes do not wait for the initial delay.
    InitialDelayForgotten,
    /// kubelet: a pod that was deleted by force keeps its containers.
    ForcedDeletionUnseen,
    /// kubelet: sidecars are told to stop together with those that they serve.
    SidecarsNotLast,
    /// kubelet: preStop hooks are not run.
    PreStopSkipped,
    /// kubelet: each instance of a container is numbered like the first.
    RestartsUncounted,
    /// kubelet: what fits is not asked when a pod is admitted.
    AdmissionOpen,
    /// scheduler: what was placed is forgotten until the watch tells of it.
    AssumedPodsForgotten,
    /// scheduler: what a pod requests is charged to its node twice.
    RequestsChargedTwice,
    /// scheduler: taints keep nobody away.
    TaintsUnseen,
    /// ReplicaSet: what was created is created again until it is seen.
    ExpectationsIgnored,
    /// Deployment: a rolling update takes all old pods at once.
    AvailabilityIgnored,
    /// StatefulSet: an ordinal does not wait for the one before it.
    OrdinalsUnordered,
    /// Job: a pod that ended is counted with every look at it.
    PodsCountedTwice,
    /// EndpointSlice: pods that are not ready get traffic.
    UnreadyGetTraffic,
    /// garbage collector: owners that are there are taken as gone.
    OwnersOverlooked,
    /// node lifecycle: a node that is back keeps the taint of one that is lost.
    TaintStays,
    /// taint eviction: tolerationSeconds are not waited for.
    TolerationsCutShort,
    /// API server: an eviction is not charged to its budget.
    BudgetNotCharged,
    /// API server: an object that is deleted does not wait for its finalizers.
    FinalizersIgnored,
    /// API server: a write based on an old version wins over what was written since.
    ConflictsUnseen,
}

#[cfg(any(test, feature = "planted"))]
impl Bug {
    /// Every bug.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// What is wrong, and who is: `("kubelet", "a container …")`.
    pub fn told(self) -> (&'static str, &'static str) {
        self.get_documentation().and_then(|text| text.split_once(": ")).expect("each says who and what")
    }
}

/// Whether this bug is planted in the runs of this thread.
#[cfg(not(any(test, feature = "planted")))]
pub(crate) const fn is(_bug: Bug) -> bool {
    false
}

#[cfg(any(test, feature = "planted"))]
pub(crate) use soil::is;
#[cfg(any(test, feature = "planted"))]
pub use soil::with;

/// Where bugs are planted.
#[cfg(any(test, feature = "planted"))]
mod soil {
    use super::Bug;
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Whether this bug is planted in the runs of this thread.
    pub fn is(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Does something with a bug planted, on this thread; also a panic takes it out again.
    pub fn with<R>(bug: Option<Bug>, run: impl FnOnce() -> R) -> R {
        struct Restore(Option<Bug>);
        impl Drop for Restore {
            fn drop(&mut self) {
                PLANTED.set(self.0);
            }
        }
        let _restore = Restore(PLANTED.replace(bug));
        run()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_is_planted_for_as_long_as_it_is_asked_for() {
        let planted = || Bug::ALL.iter().copied().filter(|bug| is(*bug)).collect::<Vec<_>>();
        assert_eq!(with(Some(Bug::TaintStays), planted), [Bug::TaintStays]);
        assert_eq!(planted(), []);
        assert!(Bug::ALL.iter().all(|bug| !bug.told().0.is_empty() && bug.told().1.ends_with('.')));
    }
}
