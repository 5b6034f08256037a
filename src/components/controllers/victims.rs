//! Which pods go first when there are too many.
//!
//! Follows `ActivePodsWithRanks` and `ActivePods` in `pkg/controller/controller_utils.go` of Kubernetes 1.36, with
//! `LogarithmicScaleDown`: among pods of about the same age the identity decides, so that it is not always the
//! youngest.

use crate::api::{Name, Pod, PodPhase, Timestamp, WallTime, names, sort_loosely};
use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

names! {
    DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";
}

/// Sorts pods so that those which go first come first. `rank` is the number of related pods on the pod's node.
///
/// The order contradicts itself: of two pods that are ready for as long the restarts and ages decide, of two in one
/// bucket that are not the identity.
pub fn sort_by_rank(pods: &mut Vec<(Arc<Pod>, i32)>, now: WallTime) {
    sort_loosely(pods, |(a, a_rank), (b, b_rank)| compare(a, b, Some((*a_rank, *b_rank)), now));
}

/// The same without ranks and costs, as the Job controller sorts (`ActivePods`): ages are compared as they are.
pub fn sort_plainly(pods: &mut [Arc<Pod>]) {
    pods.sort_by(|a, b| compare_plainly(a, b));
}

fn compare(a: &Pod, b: &Pod, ranks: Option<(i32, i32)>, now: WallTime) -> Ordering {
    let first = stages(a).cmp(&stages(b));
    let costs = || deletion_cost(a).cmp(&deletion_cost(b));
    let by_rank = || ranks.map_or(Ordering::Equal, |(a, b)| b.cmp(&a));
    let by_ready = || match (ready_since(a), ready_since(b)) {
        (Some(a_since), Some(b_since)) if a_since != b_since => by_age(a_since, b_since, a, b, now),
        _ => Ordering::Equal,
    };
    let by_creation = || match (a.meta.creation_timestamp, b.meta.creation_timestamp) {
        (a_since, b_since) if a_since != b_since => by_age(a_since, b_since, a, b, now),
        _ => Ordering::Equal,
    };
    first
        .then_with(costs)
        .then_with(by_rank)
        .then_with(by_ready)
        .then_with(|| restarts(b).cmp(&restarts(a)))
        .then_with(by_creation)
        .then_with(|| a.meta.uid.cmp(&b.meta.uid))
}

fn compare_plainly(a: &Pod, b: &Pod) -> Ordering {
    let since = |pod: &Pod| ready_since(pod).map(Reverse);
    stages(a)
        .cmp(&stages(b))
        .then_with(|| since(a).cmp(&since(b)))
        .then_with(|| restarts(b).cmp(&restarts(a)))
        .then_with(|| b.meta.creation_timestamp.cmp(&a.meta.creation_timestamp))
        .then_with(|| a.meta.uid.cmp(&b.meta.uid))
}

/// Unassigned before assigned, Pending before Unknown before Running, not ready before ready.
fn stages(pod: &Pod) -> (bool, u8, bool) {
    let phase = match pod.status.phase {
        PodPhase::Pending => 0,
        PodPhase::Unknown => 1,
        PodPhase::Running | PodPhase::Succeeded | PodPhase::Failed => 2,
    };
    (!pod.node_name.is_empty(), phase, pod.status.is_ready())
}

fn deletion_cost(pod: &Pod) -> i32 {
    pod.meta.annotations.get(*DELETION_COST).and_then(|cost: Name| cost.parse().ok()).unwrap_or(0)
}

fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let ready = pod.status.condition(*crate::api::READY)?;
    (ready.status == crate::api::ConditionStatus::True).then_some(ready.last_transition_time)
}

/// Younger first, by orders of magnitude; within one by identity.
fn by_age(a_since: Timestamp, b_since: Timestamp, a: &Pod, b: &Pod, now: WallTime) -> Ordering {
    bucket(a_since, now).cmp(&bucket(b_since, now)).then_with(|| a.meta.uid.cmp(&b.meta.uid))
}

/// The binary logarithm of an age in nanoseconds; −1 for none.
fn bucket(since: Timestamp, now: WallTime) -> i32 {
    now.since(since.wall()).as_nanos().checked_ilog2().map_or(-1, |log| log as i32)
}

fn restarts(pod: &Pod) -> (u32, u32) {
    let most = |statuses: &[crate::api::ContainerStatus]| statuses.iter().map(|c| c.restart_count).max().unwrap_or(0);
    (most(&pod.status.containers), most(&pod.status.init_containers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Condition, ConditionStatus, ContainerStatus, Metadata, PodStatus, READY, Uid};

    const NOW: i64 = 1_000_000;

    struct Case {
        uid: u128,
        node: &'static str,
        phase: PodPhase,
        ready_for: Option<i64>,
        cost: &'static str,
        restarts: u32,
        age: i64,
    }

    const RUNNING: Case =
        Case { uid: 5, node: "n", phase: PodPhase::Running, ready_for: Some(100), cost: "", restarts: 0, age: 200 };

    fn pod(case: &Case) -> Arc<Pod> {
        let stamp = |age: i64| Timestamp::from_unix_secs(NOW - age);
        let mut status = PodStatus { phase: case.phase, ..PodStatus::default() };
        if let Some(age) = case.ready_for {
            status.conditions.push(Condition::new(*READY, ConditionStatus::True, stamp(age)));
        }
        status.containers.push(ContainerStatus {
            name: Name::new("app"),
            state: crate::api::ContainerState::default(),
            last_state: None,
            ready: case.ready_for.is_some(),
            started: None,
            restart_count: case.restarts,
            image: Name::default(),
            image_id: Name::default(),
            container_id: crate::api::ContainerId::NONE,
            allocated_resources: None,
            resources: None,
        });
        let mut meta =
            Metadata { uid: Uid::from_bits(case.uid), creation_timestamp: stamp(case.age), ..Metadata::default() };
        if !case.cost.is_empty() {
            meta.annotations = meta.annotations.with(*DELETION_COST, Name::new(case.cost));
        }
        Arc::new(Pod { meta, spec: Arc::default(), node_name: Name::new(case.node), status: Arc::new(status) })
    }

    #[test]
    fn the_first_rule_that_differs_decides() {
        // `TestSortingActivePodsWithRanks`, control-plane.md 3.2: the left pod goes first.
        let now = Timestamp::from_unix_secs(NOW).wall();
        let first = |a: Case, a_rank: i32, b: Case, b_rank: i32| {
            let mut pods = vec![(pod(&b), b_rank), (pod(&a), a_rank)];
            sort_by_rank(&mut pods, now);
            assert_eq!(pods[0].0.meta.uid, Uid::from_bits(a.uid));
        };
        first(Case { uid: 9, node: "", ..RUNNING }, 1, RUNNING, 5);
        first(Case { uid: 9, phase: PodPhase::Pending, ..RUNNING }, 1, RUNNING, 5);
        first(Case { uid: 9, ready_for: None, ..RUNNING }, 1, RUNNING, 5);
        first(Case { uid: 9, cost: "-3", ..RUNNING }, 1, RUNNING, 5);
        first(Case { uid: 9, ..RUNNING }, 2, RUNNING, 1);
        first(Case { uid: 9, ready_for: Some(1), ..RUNNING }, 1, RUNNING, 1);
        // A.11: 6 and 9 minutes are in one bucket, so the identity decides; 5 and 10 minutes are not.
        first(Case { uid: 4, ready_for: Some(540), ..RUNNING }, 1, Case { ready_for: Some(360), ..RUNNING }, 1);
        first(Case { uid: 9, ready_for: Some(300), ..RUNNING }, 1, Case { ready_for: Some(600), ..RUNNING }, 1);
        first(Case { uid: 9, restarts: 2, ..RUNNING }, 1, RUNNING, 1);
        first(Case { uid: 9, age: 20, ..RUNNING }, 1, RUNNING, 1);
        first(Case { uid: 4, ..RUNNING }, 1, RUNNING, 1);
    }

    #[test]
    fn an_order_that_contradicts_itself_breaks_nothing() {
        // Ready for one of three spans of one bucket, restarted more or less often.
        let now = Timestamp::from_unix_secs(NOW).wall();
        let case = |n: u128| Case {
            uid: n * 7 % 100,
            ready_for: Some(70 + (n % 3) as i64),
            restarts: n as u32 % 5,
            ..RUNNING
        };
        let mut pods: Vec<_> = (0..100).map(|n| (pod(&case(n)), 1)).collect();
        sort_by_rank(&mut pods, now);
        let mut uids: Vec<_> = pods.iter().map(|(pod, _)| pod.meta.uid).collect();
        uids.sort_unstable();
        assert_eq!(uids, (0..100).map(Uid::from_bits).collect::<Vec<_>>());
    }

    #[test]
    fn ages_fall_into_buckets() {
        // control-plane.md A.11.
        let now = Timestamp::from_unix_secs(NOW).wall();
        let buckets = [(0, -1), (1, 29), (2, 30), (300, 38), (600, 39), (3_600, 41), (86_400, 46), (172_800, 47)];
        for (age, expected) in buckets {
            assert_eq!(bucket(Timestamp::from_unix_secs(NOW - age), now), expected, "{age} s");
        }
    }
}
