//! Probes: when they run, what they decide, and what they never do.

use super::facts::{Called, Moved};
use super::{Invariant, Law, Seen};
use crate::api::{ContainerState, ContainerStatus, ProbeKind};
use crate::components::cri::{CriCall, InstanceState};
use crate::components::kubelet::{Doing, ProbeInsight, Verdict};

pub(super) const LAWS: &[Invariant] = &[
    Invariant {
        number: 36,
        name: "started-while-running",
        sentence: "A container counts as started only while it runs and, if it has a startup probe, after that \
                   succeeded once: a new instance inherits it until its own probe says otherwise.",
        source: "TestUpdatePodStatus, recordings random-168, random-070",
        law: Law::Moved(started),
    },
    Invariant {
        number: 37,
        name: "ready-is-running-and-started",
        sentence: "In what a sync says, a regular container that is ready runs and has started; a verdict in between \
                   changes only what it is about.",
        source: "TestUpdatePodStatus, SetContainerStartup, recording startup-slow-then-liveness",
        law: Law::Moved(ready),
    },
    Invariant {
        number: 38,
        name: "probes-in-their-time",
        sentence: "Liveness and readiness are asked only while the container is said to have started, startup only \
                   while it is not.",
        source: "TestLivenessProbeDisabledByStarted, TestStartupProbeDisabledByStarted",
        law: Law::Moved(asked_in_its_time),
    },
    Invariant {
        number: 39,
        name: "liveness-takes-its-threshold",
        sentence: "A liveness verdict takes failureThreshold failures in a row.",
        source: "TestFailureThreshold, TestResultRunOnLivenessCheckFailure",
        law: Law::Moved(failures_in_a_row),
    },
    Invariant {
        number: 40,
        name: "verdicts-rest",
        sentence: "After a failed liveness or any startup verdict a probe rests until there is another instance.",
        source: "TestOnHoldOnLivenessOrStartupCheckFailure",
        law: Law::Moved(rests_on_hold),
    },
    Invariant {
        number: 41,
        name: "initial-delay-is-waited-for",
        sentence: "No probe runs before the container has run for its initial delay, by the clock of its node.",
        source: "TestInitialDelay",
        law: Law::Moved(initial_delay),
    },
    Invariant {
        number: 42,
        name: "readiness-kills-nobody",
        sentence: "A failed readiness probe stops no container.",
        source: "computePodActions",
        law: Law::Called(readiness_kills_nothing),
    },
];

fn started(fact: &Moved<'_>) -> Seen {
    let (_, status) = fact.new_status()?;
    status.all_containers().filter(|container| container.started == Some(true)).find_map(|container| {
        if !container.state.is_running() {
            return Some(format!("{} has started and is {:?}", container.name, container.state));
        }
        let probed = fact.spec().container(container.name)?.startup.is_some();
        let inherited = fact.past.started_up.contains(&container.name)
            || fact.insight.pod().status.all_containers().any(|c| c.name == container.name && c.started == Some(true));
        let own = fact.insight.verdict(container.container_id, ProbeKind::Startup) == Some(Verdict::Success);
        let watched = fact.after.probes.iter().any(|p| p.container == container.name && p.kind == ProbeKind::Startup);
        (probed && watched && !inherited && !own).then(|| format!("{} was never asked", container.name))
    })
}

fn ready(fact: &Moved<'_>) -> Seen {
    let (_, status) = fact.new_status()?;
    let (was, is) = fact.workers()?;
    let synced = is.doing == Doing::Syncing && was.doing != Doing::Syncing || is.last_ended != was.last_ended;
    let wrong = |c: &&ContainerStatus| synced && c.ready && !(c.state.is_running() && c.started == Some(true));
    let one = status.containers.iter().find(wrong)?;
    Some(format!("{} is ready, started {:?}, {:?}", one.name, one.started, one.state))
}

/// The probes that began to ask in this step, with the status of their container.
fn began<'a>(fact: &Moved<'a>) -> impl Iterator<Item = (ProbeInsight, &'a ContainerStatus)> {
    let status = fact.insight.status().map(|(status, _, _)| status);
    let before = fact.before.probes.clone();
    let now = fact.now;
    let asking: Vec<ProbeInsight> = fact.after.probes.iter().copied().filter(|p| p.asking_since == Some(now)).collect();
    asking.into_iter().filter_map(move |probe| {
        let same = |old: &&ProbeInsight| old.container == probe.container && old.kind == probe.kind;
        let was = before.iter().find(same).and_then(|old| old.asking_since);
        let container = status?.all_containers().find(|container| container.name == probe.container)?;
        (was != probe.asking_since).then_some((probe, container))
    })
}

fn asked_in_its_time(fact: &Moved<'_>) -> Seen {
    began(fact).find_map(|(probe, container)| {
        let wrong = (container.started == Some(true)) == (probe.kind == ProbeKind::Startup);
        wrong.then(|| format!("{} of {}, started {:?}", probe.kind, probe.container, container.started))
    })
}

fn failures_in_a_row(fact: &Moved<'_>) -> Seen {
    fact.after.probes.iter().filter(|probe| probe.kind == ProbeKind::Liveness && probe.on_hold).find_map(|probe| {
        let same = |old: &&ProbeInsight| old.container == probe.container && old.kind == probe.kind;
        let old = fact.before.probes.iter().find(same).filter(|old| !old.on_hold)?;
        let threshold = fact.spec().container(probe.container)?.liveness.as_ref()?.failure_threshold;
        let row = if old.last == Verdict::Failure { old.run_length + 1 } else { 1 };
        (row < threshold).then(|| format!("{} failed {row} times, {threshold} are due", probe.container))
    })
}

fn rests_on_hold(fact: &Moved<'_>) -> Seen {
    let probe = fact.after.probes.iter().find(|probe| probe.on_hold && probe.asking_since == Some(fact.now))?;
    Some(format!("{} of {} asks", probe.kind, probe.container))
}

fn initial_delay(fact: &Moved<'_>) -> Seen {
    began(fact).find_map(|(probe, container)| {
        let ContainerState::Running { started_at } = container.state else { return None };
        let spec = fact.spec().container(probe.container)?;
        let settings = match probe.kind {
            ProbeKind::Startup => spec.startup.as_deref()?,
            ProbeKind::Readiness => spec.readiness.as_deref()?,
            ProbeKind::Liveness => spec.liveness.as_deref()?,
        };
        let ran = fact.kubelet.clock().at(fact.now).since(started_at.wall()).as_secs();
        let early = ran < settings.initial_delay.as_secs();
        early.then(|| format!("{} of {} after {ran} s", probe.kind, probe.container))
    })
}

fn readiness_kills_nothing(fact: &Called<'_>) -> Seen {
    let CriCall::StopContainer { container, .. } = fact.call else { return None };
    let (insight, worker, runtime) = (fact.insight()?, fact.worker()?, fact.runtime()?);
    let instance = runtime.containers.iter().find(|instance| instance.id == *container)?;
    let unready = insight.verdict(*container, ProbeKind::Readiness) == Some(Verdict::Failure);
    if worker.doing != Doing::Syncing || worker.terminating_at.is_some() || !unready {
        return None;
    }
    let spec = &insight.pod().spec;
    let all_run = spec.containers.iter().chain(spec.sidecars()).all(|one| {
        let newest = runtime.newest(one.name);
        let probes = [ProbeKind::Liveness, ProbeKind::Startup];
        newest.is_some_and(|newest| {
            let fine = |kind| insight.verdict(newest.id, kind) != Some(Verdict::Failure);
            newest.state == InstanceState::Running && newest.image == one.image && probes.into_iter().all(fine)
        })
    });
    let as_created =
        insight.pod().meta.generation <= 1 && runtime.sandboxes.first().is_some_and(|sandbox| sandbox.ready);
    (all_run && as_created).then(|| format!("{} is stopped", instance.name))
}
