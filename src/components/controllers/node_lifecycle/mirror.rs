//! Taints that say what a node's conditions say (`doNoScheduleTaintingPass`).

use super::NodeTask;
use crate::api::{
    Amendment, ConditionStatus, DISK_PRESSURE, ErrorReason, Kind, MEMORY_PRESSURE, NETWORK_UNAVAILABLE, NODE_READY,
    Name, Node, PID_PRESSURE, Request, TAINT_DISK_PRESSURE, TAINT_MEMORY_PRESSURE, TAINT_NETWORK_UNAVAILABLE,
    TAINT_NOT_READY, TAINT_PID_PRESSURE, TAINT_UNREACHABLE, TAINT_UNSCHEDULABLE, Taint, TaintEffect, Target, Timestamp,
};
use crate::components::controllers::flow::{Flow, Step};

/// What a condition with a status is mirrored by.
fn mirrors() -> [(Name, ConditionStatus, Name); 6] {
    [
        (*NODE_READY, ConditionStatus::False, *TAINT_NOT_READY),
        (*NODE_READY, ConditionStatus::Unknown, *TAINT_UNREACHABLE),
        (*MEMORY_PRESSURE, ConditionStatus::True, *TAINT_MEMORY_PRESSURE),
        (*DISK_PRESSURE, ConditionStatus::True, *TAINT_DISK_PRESSURE),
        (*PID_PRESSURE, ConditionStatus::True, *TAINT_PID_PRESSURE),
        (*NETWORK_UNAVAILABLE, ConditionStatus::True, *TAINT_NETWORK_UNAVAILABLE),
    ]
}

/// The taints that a node should get and lose, if any.
pub(super) fn difference(node: &Node, now: Timestamp) -> Option<(Vec<Taint>, Vec<Taint>)> {
    let wanted = |key: Name| {
        key == *TAINT_UNSCHEDULABLE && node.unschedulable
            || mirrors().iter().any(|(kind, status, taint)| {
                *taint == key && node.status.condition(*kind).is_some_and(|condition| condition.status == *status)
            })
    };
    let (mut add, mut remove) = (Vec::new(), Vec::new());
    for key in mirrors().map(|(_, _, taint)| taint).into_iter().chain([*TAINT_UNSCHEDULABLE]) {
        let found = node.taints.iter().find(|taint| taint.key == key && taint.effect == TaintEffect::NoSchedule);
        match (wanted(key), found) {
            (true, None) => add.push(taint(key, TaintEffect::NoSchedule, now)),
            (false, Some(found)) => remove.push(found.clone()),
            (true, Some(_)) | (false, None) => {}
        }
    }
    (!add.is_empty() || !remove.is_empty()).then_some((add, remove))
}

pub(super) fn taint(key: Name, effect: TaintEffect, now: Timestamp) -> Taint {
    Taint { key, value: Name::default(), effect, time_added: Some(now) }
}

/// Gives a node some taints and takes others, in one write (`SwapNodeControllerTaint`).
pub(super) fn swap(node: Name, add: &[Taint], remove: &[Taint], flow: &mut Flow<'_, NodeTask>) -> Step {
    let target = Target { kind: Kind::Node, namespace: Name::default(), name: node };
    let remove = remove.iter().map(|taint| (taint.key, taint.effect)).collect();
    let amendment = Amendment::Taints { add: add.iter().cloned().collect(), remove };
    match flow.call(|| Request::Amend { target, uid: None, amendment })? {
        Err(error) if error.reason != ErrorReason::NotFound => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Condition, NodeStatus};
    use std::sync::Arc;

    #[test]
    fn conditions_are_mirrored_by_taints() {
        // `TestTaintsNodeByCondition`: (condition, status, cordoned, present taint) to (added, removed).
        let cases: [(&str, ConditionStatus, bool, &str, &[&str], &[&str]); 6] = [
            ("Ready", ConditionStatus::False, false, "", &["node.kubernetes.io/not-ready"], &[]),
            (
                "Ready",
                ConditionStatus::Unknown,
                false,
                "node.kubernetes.io/not-ready",
                &["node.kubernetes.io/unreachable"],
                &["node.kubernetes.io/not-ready"],
            ),
            (
                "Ready",
                ConditionStatus::True,
                false,
                "node.kubernetes.io/not-ready",
                &[],
                &["node.kubernetes.io/not-ready"],
            ),
            ("MemoryPressure", ConditionStatus::True, false, "", &["node.kubernetes.io/memory-pressure"], &[]),
            ("Ready", ConditionStatus::True, true, "", &["node.kubernetes.io/unschedulable"], &[]),
            ("Ready", ConditionStatus::True, false, "somebody-elses", &[], &[]),
        ];
        let now = Timestamp::from_unix_secs(7);
        for (kind, status, unschedulable, present, added, removed) in cases {
            let conditions = vec![Condition::new(Name::new(kind), status, now)];
            let taints: Vec<Taint> = [present]
                .iter()
                .filter(|key| !key.is_empty())
                .map(|key| taint(Name::new(key), TaintEffect::NoSchedule, now))
                .collect();
            let node = Node {
                unschedulable,
                taints: taints.into(),
                status: Arc::new(NodeStatus { conditions, ..NodeStatus::default() }),
                ..Node::default()
            };
            let (add, remove) = difference(&node, now).unwrap_or_default();
            let keys = |taints: Vec<Taint>| taints.into_iter().map(|taint| taint.key.as_str()).collect::<Vec<_>>();
            assert_eq!((keys(add), keys(remove)), (added.to_vec(), removed.to_vec()), "{kind} {status:?}");
        }
    }
}
