//! What a kubelet says of a pod over time.

use super::facts::{Asked, Moved, Question, Version};
use super::restart::restarts_after;
use super::{Invariant, Law, Seen};
use crate::api::{ContainerState, RestartRuleAction};

pub(super) const LAWS: &[Invariant] = &[
    Invariant {
        number: 13,
        name: "start-time-stays",
        sentence: "The start time of a pod never changes.",
        source: "TestNewStatusPreservesPodStartTime, TestChangedStatusKeepsStartTime",
        law: Law::Version(start_time),
    },
    Invariant {
        number: 15,
        name: "observed-generation-follows",
        sentence: "The observed generation never goes back, and never runs ahead of the generation.",
        source: "status_manager.go",
        law: Law::Version(observed_generation),
    },
    Invariant {
        number: 16,
        name: "restart-count-never-falls",
        sentence: "The restart count of a container never goes back.",
        source: "TestConvertToAPIContainerStatuses",
        law: Law::Version(restart_count),
    },
    Invariant {
        number: 18,
        name: "ended-for-good-stays-ended",
        sentence: "A container that has ended for good stays terminated.",
        source: "checkContainerStateTransition",
        law: Law::Version(ended_for_good),
    },
    Invariant {
        number: 32,
        name: "crash-loop-has-a-past",
        sentence: "A container in CrashLoopBackOff has a last state.",
        source: "TestGenerateAPIPodStatusWithReasonCache",
        law: Law::Moved(crashed_before),
    },
    Invariant {
        number: 61,
        name: "status-of-own-pods",
        sentence: "A kubelet writes the status of pods of its own node, by their UID.",
        source: "TestSyncPodChecksMismatchedUID",
        law: Law::Asked(own_pods),
    },
    Invariant {
        number: 62,
        name: "statuses-in-order",
        sentence: "Statuses are written in their order: an older one never after a newer one.",
        source: "TestStaleUpdates",
        law: Law::Moved(written_in_order),
    },
    Invariant {
        number: 63,
        name: "addresses-are-kept",
        sentence: "An address, once told, is kept after the sandbox stopped, as long as the kubelet runs.",
        source: "TestRelistIPChange",
        law: Law::Version(keeps_address),
    },
    Invariant {
        number: 64,
        name: "qos-class-stays",
        sentence: "The QoS class of a pod never changes.",
        source: "status_manager.go, mergePodStatus",
        law: Law::Version(qos_class),
    },
];

fn start_time(fact: &Version<'_>) -> Seen {
    let before = fact.before?.status.start_time?;
    let after = fact.pod.status.start_time;
    (after != Some(before)).then(|| format!("{before:?} became {after:?}"))
}

fn observed_generation(fact: &Version<'_>) -> Seen {
    let (before, after) = fact.by_kubelet()?;
    let (was, is, most) = (before.status.observed_generation, after.status.observed_generation, after.meta.generation);
    (is < was || is > most).then(|| format!("{was} became {is}, the generation is {most}"))
}

fn restart_count(fact: &Version<'_>) -> Seen {
    let (before, after) = fact.by_kubelet()?;
    before.status.all_containers().find_map(|old| {
        let new = after.status.all_containers().find(|new| new.name == old.name)?;
        let less = new.restart_count < old.restart_count;
        less.then(|| format!("{}: {} became {}", old.name, old.restart_count, new.restart_count))
    })
}

fn ended_for_good(fact: &Version<'_>) -> Seen {
    let (before, after) = fact.by_kubelet()?;
    let spec = &after.spec;
    let in_place = |container: &crate::api::Container| {
        container.restart_rules.iter().any(|rule| rule.action == RestartRuleAction::RestartAllContainers)
    };
    if spec.all_containers().any(in_place) {
        return None;
    }
    spec.containers.iter().chain(spec.plain_init_containers()).find_map(|container| {
        let find = |pod: &crate::api::Pod| pod.status.all_containers().find(|c| c.name == container.name).cloned();
        let (old, new) = (find(before)?, find(after)?);
        let end = old.state.terminated()?;
        let again = new.state.terminated().is_none() && !restarts_after(spec, container, end.exit_code);
        again.then(|| format!("{}: {:?} became {:?}", container.name, old.state, new.state))
    })
}

fn crashed_before(fact: &Moved<'_>) -> Seen {
    let (_, status) = fact.new_status()?;
    let waits = |state: &ContainerState| state.waiting_reason().is_some_and(|reason| reason == "CrashLoopBackOff");
    let one = status.all_containers().find(|c| waits(&c.state) && c.last_state.is_none())?;
    Some(format!("{} has none", one.name))
}

fn own_pods(fact: &Asked<'_>) -> Seen {
    let Question::Status(written) = &fact.what else { return None };
    let kubelet = &fact.cluster.kubelets()[fact.node.index()];
    let node = fact.stored.node_name;
    // What a kubelet was bound may be unbound again: after a backup was restored.
    let known = node.is_empty() || node == kubelet.name();
    let same = written.meta.uid == fact.stored.meta.uid;
    (same && !known).then(|| format!("{} writes, it is on {node}", kubelet.name()))
}

fn written_in_order(fact: &Moved<'_>) -> Seen {
    let (before, after) = (fact.before, fact.after);
    let back =
        before.version > 0 && after.version > 1 && (after.version < before.version || after.written < before.written);
    let ahead = after.written > after.version;
    (back || ahead)
        .then(|| format!("{} of {} became {} of {}", before.written, before.version, after.written, after.version))
}

fn keeps_address(fact: &Version<'_>) -> Seen {
    let (before, after) = fact.by_kubelet()?;
    let Some(crate::components::message::Client::Kubelet(node)) = fact.writer else { return None };
    let same_process = fact.cluster.kubelets()[node.index()].incarnation() == fact.past.incarnation;
    let lost = before.status.pod_ip.is_some() && after.status.pod_ip.is_none() && same_process;
    lost.then(|| format!("{:?} is gone", before.status.pod_ip))
}

fn qos_class(fact: &Version<'_>) -> Seen {
    let (before, after) = (fact.before?.status.qos_class, fact.pod.status.qos_class);
    (before != after).then(|| format!("{before} became {after}"))
}
