//! Stopping a pod: who is told when, how long they get, and what comes after.

use super::facts::{Called, Moved};
use super::{Invariant, Law, Seen};
use crate::api::{ContainerId, Name};
use crate::components::cri::{CriCall, InstanceState, RuntimePod};
use crate::components::kubelet::Doing;
use crate::engine::SimDuration;

pub(super) const LAWS: &[Invariant] = &[
    Invariant {
        number: 11,
        name: "two-seconds-to-stop",
        sentence: "No container gets less than two seconds between the stop signal and its kill.",
        source: "TestKillContainer, TestKillContainerGracePeriod",
        law: Law::Called(two_seconds),
    },
    Invariant {
        number: 20,
        name: "nothing-starts-after-the-end",
        sentence: "No container is created by a sync that was taken after the pod's end was asked for; one that was \
                   under way finishes what it had decided.",
        source: "TestShouldContainerBeRestarted, recording random-148",
        law: Law::Called(no_start_after_the_end),
    },
    Invariant {
        number: 47,
        name: "sidecars-stop-last",
        sentence: "Sidecars are told to stop after all regular containers have, last first, or when the grace is over.",
        source: "TestTerminationOrderingSidecarStopAfterMain, TestTerminationOrderingSidecarsInReverseOrder",
        law: Law::Called(sidecars_last),
    },
    Invariant {
        number: 48,
        name: "sandbox-stops-last",
        sentence: "A sandbox is stopped only when the stop of every container has returned.",
        source: "killPodWithSyncResult, TestKillPod",
        law: Law::Called(sandbox_last),
    },
    Invariant {
        number: 49,
        name: "unmounted-when-nothing-runs",
        sentence: "Volumes are unmounted only when no container of the pod runs.",
        source: "SyncTerminatedPod",
        law: Law::Moved(unmounted_when_nothing_runs),
    },
];

fn two_seconds(fact: &Called<'_>) -> Seen {
    let CriCall::StopContainer { timeout, .. } = fact.call else { return None };
    (*timeout < SimDuration::from_secs(2)).then(|| format!("stopped with {timeout}"))
}

fn no_start_after_the_end(fact: &Called<'_>) -> Seen {
    let CriCall::CreateContainer { config, .. } = fact.call else { return None };
    let worker = fact.worker()?;
    let late =
        worker.terminating_at.is_some_and(|asked| fact.past.sync_taken > asked) || worker.doing != Doing::Syncing;
    late.then(|| format!("{} is created while the worker is at {:?}", config.name, worker.doing))
}

fn instance_name(runtime: &RuntimePod, id: ContainerId) -> Option<Name> {
    runtime.containers.iter().find(|instance| instance.id == id).map(|instance| instance.name)
}

fn sidecars_last(fact: &Called<'_>) -> Seen {
    let CriCall::StopContainer { container, .. } = fact.call else { return None };
    let (spec, worker, runtime) = (fact.spec()?, fact.worker()?, fact.runtime()?);
    let since = fact.past.ending_since.filter(|_| worker.doing == Doing::Terminating)?;
    let name = instance_name(runtime, *container)?;
    let place = spec.sidecars().position(|sidecar| sidecar.name == name)?;
    let before = spec.containers.iter().chain(spec.sidecars().skip(place + 1));
    let runs = |name: Name| runtime.instances(name).any(|instance| instance.state == InstanceState::Running);
    let left = before.into_iter().find(|container| runs(container.name))?;
    let deletion = fact.insight()?.pod().meta.deletion_grace_period;
    let grace = [Some(spec.termination_grace_period), Some(worker.grace), deletion].into_iter().flatten().min()?;
    let over = fact.now.since(since) >= SimDuration::from_secs(u64::try_from(grace).unwrap_or_default());
    (!over).then(|| format!("{name} is stopped while {} runs", left.name))
}

fn sandbox_last(fact: &Called<'_>) -> Seen {
    let CriCall::StopPodSandbox { key, .. } = fact.call else { return None };
    let open = |(pod, call): &&(_, CriCall)| pod == key && matches!(call, CriCall::StopContainer { .. });
    let (_, CriCall::StopContainer { container, .. }) = fact.node.calls.values().find(open)? else { return None };
    Some(format!("the stop of {container:?} has not returned"))
}

fn unmounted_when_nothing_runs(fact: &Moved<'_>) -> Seen {
    let unmounted = fact.before.worker.is_some() && fact.before.may_be_mounted && !fact.after.may_be_mounted;
    let runtime = fact.past.runtime.as_ref().filter(|_| unmounted)?;
    let running = runtime.containers.iter().find(|instance| instance.state == InstanceState::Running)?;
    Some(format!("unmounted while {} runs", running.name))
}
