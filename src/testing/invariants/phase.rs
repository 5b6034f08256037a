//! The phase of a pod in the API, and its end.

use super::facts::{Asked, Moved, Question, Version};
use super::{Invariant, Law, Seen};
use crate::api::{ApiObject, ContainerState, ContainerStatus, PodPhase, PodStatus, RestartPolicy};
use crate::components::cri::{InstanceState, PodKey};
use crate::components::kubelet::Doing;

pub(super) const LAWS: &[Invariant] = &[
    Invariant {
        number: 1,
        name: "terminal-phase-stays",
        sentence: "A terminal phase never changes.",
        source: "TestMergePodStatus, Test_generateAPIPodStatus",
        law: Law::Version(terminal_for_ever),
    },
    Invariant {
        number: 2,
        name: "terminal-after-all-is-stopped",
        sentence: "A kubelet makes the phase terminal only when the pod's worker has stopped everything, or there is none.",
        source: "mergePodStatus, TestMergePodStatus",
        law: Law::Version(terminal_when_stopped),
    },
    Invariant {
        number: 4,
        name: "deleted-when-nothing-is-left",
        sentence: "A pod that is deleted gracefully has a terminal phase, and nothing mounted, before its kubelet deletes \
                   it for good.",
        source: "canBeDeleted, TestDeletePodBeforeFinished, TestDeletePodFinished",
        law: Law::Asked(ends_before_it_goes),
    },
    Invariant {
        number: 5,
        name: "last-delete-names-the-pod",
        sentence: "The kubelet's final delete has grace zero and names the pod's UID.",
        source: "TestDoNotDeleteMirrorPods",
        law: Law::Asked(final_delete),
    },
    Invariant {
        number: 12,
        name: "pending-again-only-in-a-new-sandbox",
        sentence: "A pod goes back from Running to Pending only when no regular container exists in its newest \
                   sandbox: that is new, or all containers are restarted in place.",
        source: "TestPodPhaseWithRestartAlwaysAndPodHasRun, recordings restart-all-containers",
        law: Law::Moved(back_to_pending),
    },
    Invariant {
        number: 23,
        name: "failed-init-ends-the-pod",
        sentence: "An init container that failed for good leaves no way to success.",
        source: "TestPodPhaseWithRestartNeverInitContainers",
        law: Law::Version(no_success_after_failed_init),
    },
    Invariant {
        number: 68,
        name: "finished-means-terminated",
        sentence: "A pod that has started a regular container, or needs no other first, and whose worker finishes has \
                   every regular container terminated.",
        source: "TestTerminatePod_DefaultUnknownStatus",
        law: Law::Moved(all_terminated_at_the_end),
    },
];

fn terminal_for_ever(fact: &Version<'_>) -> Seen {
    let (before, after) = (fact.before?.status.phase, fact.pod.status.phase);
    (before.is_terminal() && before != after).then(|| format!("{before} became {after}"))
}

fn terminal_when_stopped(fact: &Version<'_>) -> Seen {
    let (before, after) = fact.by_kubelet()?;
    if before.is_terminal() || !after.is_terminal() {
        return None;
    }
    let insight = fact.insight()?;
    let worker = insight.worker()?;
    // Of a pod that was refused there is nothing to stop.
    let refused = insight.cached().sandboxes.is_empty() && insight.cached().containers.is_empty();
    let stopped = worker.terminated_at.is_some() || worker.finished || refused;
    (!stopped).then(|| format!("{} while its worker is at {:?}", after.status.phase, worker.doing))
}

fn ends_before_it_goes(fact: &Asked<'_>) -> Seen {
    let Question::Delete(_) = fact.what else { return None };
    let pod = fact.stored;
    let mirror = pod.meta.annotations.get(crate::api::Name::new("kubernetes.io/config.mirror")).is_some();
    if mirror || pod.meta.deletion_grace_period == Some(0) {
        return None;
    }
    let kubelet = &fact.cluster.kubelets()[fact.node.index()];
    let mounted = kubelet.pod(PodKey::of(pod.id())).is_some_and(|insight| {
        insight.worker().is_some_and(|worker| !worker.finished) || insight.may_be_mounted(fact.now)
    });
    (mounted || !pod.is_terminal()).then(|| format!("deleted for good while {}, mounted: {mounted}", pod.status.phase))
}

fn final_delete(fact: &Asked<'_>) -> Seen {
    let Question::Delete(options) = fact.what else { return None };
    let right = options.grace_period == Some(0) && options.uid.is_some();
    (!right).then(|| format!("asked with grace {:?} and UID {:?}", options.grace_period, options.uid))
}

fn back_to_pending(fact: &Moved<'_>) -> Seen {
    let (before, after) = fact.new_status()?;
    let back = before.is_some_and(|before| before.phase == PodPhase::Running) && after.phase == PodPhase::Pending;
    let runtime = fact.insight.cached();
    let newest = runtime.sandboxes.first().filter(|_| back)?.id;
    let regular = |name| fact.spec().containers.iter().any(|container| container.name == name);
    let one = runtime.containers.iter().find(|instance| instance.sandbox == newest && regular(instance.name))?;
    let running = one.state == InstanceState::Running;
    running.then(|| format!("Pending while {} is {:?}", one.name, one.state))
}

fn no_success_after_failed_init(fact: &Version<'_>) -> Seen {
    let (_, pod) = fact.by_kubelet()?;
    let failed = |container: &&crate::api::Container| {
        let status = pod.status.init_containers.iter().find(|status| status.name == container.name);
        let end = status.and_then(|status| status.state.terminated());
        pod.spec.restart_policy_of(container) == RestartPolicy::Never && end.is_some_and(|end| end.exit_code != 0)
    };
    let failed = pod.spec.plain_init_containers().filter(|c| c.restart_rules.is_empty()).find(failed)?;
    (pod.status.phase == PodPhase::Succeeded).then(|| format!("Succeeded although {} failed", failed.name))
}

fn all_terminated_at_the_end(fact: &Moved<'_>) -> Seen {
    let (before, after) = fact.workers()?;
    if before.finished || !after.finished || before.doing != Doing::CleaningUp || fact.insight.key().is_static() {
        return None;
    }
    let (status, _, _) = fact.insight.status()?;
    let moved =
        |one: &ContainerStatus| one.last_state.is_some() || !matches!(one.state, ContainerState::Waiting { .. });
    let initialized =
        |status: &PodStatus| fact.spec().init_containers.is_empty() || status.containers.iter().any(moved);
    let left = status.containers.iter().find(|container| container.state.terminated().is_none())?;
    initialized(status).then(|| format!("{} is {:?} although the worker has finished", left.name, left.state))
}
