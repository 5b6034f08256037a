//! Pod conditions: what they say together, and when they change.

use super::facts::{Moved, Version};
use super::{Invariant, Law, Seen};
use crate::api::{
    CONTAINERS_READY, ConditionStatus, DISRUPTION_TARGET, INITIALIZED, POD_RESIZE_IN_PROGRESS, POD_RESIZE_PENDING,
    POD_SCHEDULED, PodSpec, PodStatus, READY,
};

pub(super) const LAWS: &[Invariant] = &[
    Invariant {
        number: 3,
        name: "ended-is-not-ready",
        sentence: "A pod whose phase a kubelet made terminal is not ready, and neither are its containers.",
        source: "TestMergePodStatus",
        law: Law::Version(ended_is_not_ready),
    },
    Invariant {
        number: 14,
        name: "transition-times-are-true",
        sentence: "The time of a condition's last transition changes only when its status does.",
        source: "TestChangedStatusUpdatesLastTransitionTime, TestUnchangedStatusPreservesLastTransitionTime",
        law: Law::Moved(transition_times),
    },
    Invariant {
        number: 43,
        name: "containers-ready-adds-up",
        sentence: "ContainersReady is True if and only if every regular container and sidecar is ready and the pod \
                   has not ended; who kills a pod says that it failed before it is told to be unready.",
        source: "TestGenerateContainersReadyCondition, SyncTerminatingPod, recordings pressure-memory-ranking",
        law: Law::Moved(containers_ready),
    },
    Invariant {
        number: 44,
        name: "ready-adds-up",
        sentence: "Ready implies ContainersReady and every readiness gate.",
        source: "TestGeneratePodReadyCondition",
        law: Law::Moved(ready),
    },
    Invariant {
        number: 45,
        name: "initialized-stays",
        sentence: "Initialized, once True, stays True.",
        source: "TestGeneratePodInitializedCondition",
        law: Law::Version(initialized),
    },
    Invariant {
        number: 46,
        name: "synced-is-scheduled",
        sentence: "Every status that a sync generated says that the pod is scheduled.",
        source: "generateAPIPodStatus",
        law: Law::Moved(scheduled),
    },
    Invariant {
        number: 55,
        name: "disrupted-at-the-end",
        sentence: "A kubelet's DisruptionTarget appears no earlier than the terminal phase.",
        source: "TestMergePodStatus",
        law: Law::Version(disruption_at_the_end),
    },
];

fn ended_is_not_ready(fact: &Version<'_>) -> Seen {
    let (_, pod) = fact.by_kubelet()?;
    let kind = [*READY, *CONTAINERS_READY].into_iter().find(|kind| pod.status.is_true(*kind))?;
    pod.is_terminal().then(|| format!("{} and {kind}", pod.status.phase))
}

fn transition_times(fact: &Moved<'_>) -> Seen {
    let (before, after) = fact.one_change()?;
    after.conditions.iter().find_map(|new| {
        let old = before.condition(new.kind)?;
        let resize = new.kind == *POD_RESIZE_PENDING || new.kind == *POD_RESIZE_IN_PROGRESS;
        let moved = old.last_transition_time != new.last_transition_time;
        (moved && !resize && old.status == new.status).then(|| format!("{} stayed {}", new.kind, new.status))
    })
}

/// Whether every container that counts is ready.
fn all_ready(spec: &PodSpec, status: &PodStatus) -> bool {
    let ready = |name| status.all_containers().any(|container| container.name == name && container.ready);
    spec.containers.iter().chain(spec.sidecars()).all(|container| ready(container.name))
}

fn containers_ready(fact: &Moved<'_>) -> Seen {
    let (_, status) = fact.new_status()?;
    let told = status.condition(*CONTAINERS_READY)?.status == ConditionStatus::True;
    let stopping =
        fact.after.worker.is_some_and(|worker| worker.terminating_at.is_some() && worker.terminated_at.is_none());
    if stopping && status.phase.is_terminal() {
        return None;
    }
    let is = all_ready(fact.spec(), status) && !status.phase.is_terminal();
    (told != is).then(|| format!("told {told} in phase {}, it is {is}", status.phase))
}

fn ready(fact: &Moved<'_>) -> Seen {
    let (_, status) = fact.new_status()?;
    let pod = fact.insight.pod();
    let gate = |gate: &&crate::api::Name| {
        let told = status.condition(**gate).or_else(|| pod.status.condition(**gate));
        told.is_none_or(|told| told.status != ConditionStatus::True)
    };
    let missing =
        if status.is_true(*CONTAINERS_READY) { pod.spec.readiness_gates.iter().find(gate)? } else { &CONTAINERS_READY };
    status.is_ready().then(|| format!("Ready without {missing}"))
}

fn initialized(fact: &Version<'_>) -> Seen {
    let (_, pod) = fact.by_kubelet()?;
    // What a kubelet refuses has no conditions, also if it ran before the kubelet started; nor is it said to have ended
    // while it is being stopped because somebody has deleted it.
    let refused = pod.status.containers.is_empty() && (pod.is_terminal() || pod.meta.is_terminating());
    let lost = fact.past.initialized && !refused && !pod.status.is_true(*INITIALIZED);
    lost.then(|| format!("{:?}", pod.status.condition(*INITIALIZED).map(|condition| condition.status)))
}

fn scheduled(fact: &Moved<'_>) -> Seen {
    let (_, status) = fact.new_status()?;
    fact.after.worker?;
    let told = status.condition(*POD_SCHEDULED).map(|condition| condition.status);
    (told != Some(ConditionStatus::True)).then(|| format!("{told:?}"))
}

fn disruption_at_the_end(fact: &Version<'_>) -> Seen {
    let (before, after) = fact.by_kubelet()?;
    let new = !before.status.is_true(*DISRUPTION_TARGET) && after.status.is_true(*DISRUPTION_TARGET);
    (new && !after.is_terminal()).then(|| format!("told while {}", after.status.phase))
}
