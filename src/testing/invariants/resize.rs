//! In-place resize: what is wanted, allocated and in force.

use super::facts::{Called, Moved};
use super::{Invariant, Law, Seen};
use crate::api::{POD_RESIZE_IN_PROGRESS, POD_RESIZE_PENDING};
use crate::components::cri::CriCall;

pub(super) const LAWS: &[Invariant] = &[
    Invariant {
        number: 58,
        name: "allocated-before-in-force",
        sentence: "Nothing is put in force that was never allocated.",
        source: "allocation manager",
        law: Law::Called(allocated_first),
    },
    Invariant {
        number: 59,
        name: "resize-conditions-are-true",
        sentence: "PodResizePending implies that more is wanted than is allocated, PodResizeInProgress that the \
                   allocation is not in force.",
        source: "TestRetryPendingResizes, TestIsPodResizeInProgress",
        law: Law::Moved(conditions_tell_the_truth),
    },
];

fn allocated_first(fact: &Called<'_>) -> Seen {
    let CriCall::UpdateContainerResources { container, requests, limits, .. } = fact.call else { return None };
    let name = fact.runtime()?.containers.iter().find(|instance| instance.id == *container)?.name;
    let allocated = fact.past.allocated.iter().filter_map(|spec| spec.container(name)).collect::<Vec<_>>();
    let amount = |of: &crate::api::ResourceList, resource| of.get(resource);
    let known = [*crate::api::CPU, *crate::api::MEMORY].into_iter().all(|resource| {
        let one = (amount(requests, resource), amount(limits, resource));
        allocated.iter().any(|have| {
            one.0.is_none_or(|one| amount(&have.requests, resource) == Some(one))
                && one.1.is_none_or(|one| amount(&have.limits, resource) == Some(one))
        })
    });
    (!known).then(|| format!("{name} gets {requests:?} and {limits:?}"))
}

fn conditions_tell_the_truth(fact: &Moved<'_>) -> Seen {
    let (_, status) = fact.new_status()?;
    if status.is_true(*POD_RESIZE_PENDING) && !fact.insight.wants_resize() {
        return Some("PodResizePending although what is wanted is allocated".to_owned());
    }
    let idle = status.is_true(*POD_RESIZE_IN_PROGRESS) && !fact.insight.is_resizing();
    idle.then(|| "PodResizeInProgress although the allocation is in force".to_owned())
}
