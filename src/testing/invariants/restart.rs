//! Starting containers again: whether, how often, and how soon.

use super::facts::{Called, Moved};
use super::{Invariant, Law, Seen};
use crate::api::{Container, PodSpec, ResizeRestartPolicy, RestartPolicy};
use crate::components::cri::{CriCall, InstanceState};

pub(super) const LAWS: &[Invariant] = &[
    Invariant {
        number: 17,
        name: "instances-are-numbered",
        sentence: "A new instance has the number of the newest one before it, plus one.",
        source: "startContainer, TestRestartCountByLogDir",
        law: Law::Called(numbers_follow),
    },
    Invariant {
        number: 19,
        name: "never-is-not-restarted",
        sentence: "With restart policy Never a regular container that ran is not started again, unless its image or \
                   resources changed or a rule says so.",
        source: "TestComputePodActions",
        law: Law::Called(never_is_never),
    },
    Invariant {
        number: 30,
        name: "restarts-wait-for-back-off",
        sentence: "A crashed container is started again no earlier than its back-off after an exit that the sync had \
                   seen.",
        source: "TestDoBackOff, recordings liveness-crashloop-probe-kills",
        law: Law::Moved(back_off_is_waited_for),
    },
    Invariant {
        number: 31,
        name: "back-off-doubles",
        sentence: "A crash back-off is the base doubled some times, and never above the cap.",
        source: "TestSlowBackoff, TestBackoffHighWaterMark",
        law: Law::Moved(back_off_doubles),
    },
    Invariant {
        number: 60,
        name: "ephemeral-runs-once",
        sentence: "An ephemeral container has one instance at most.",
        source: "TestComputePodActionsWithInitAndEphemeralContainers",
        law: Law::Called(ephemeral_once),
    },
    Invariant {
        number: 65,
        name: "who-asked-restarts-last",
        sentence: "A restart of all containers in place removes those that asked for it last.",
        source: "TestComputePodActionsForRestartAllContainers",
        law: Law::Called(triggers_last),
    },
];

/// Whether a container is started again after an exit code.
pub(super) fn restarts_after(spec: &PodSpec, container: &Container, exit_code: i32) -> bool {
    let by_rule =
        container.restart_policy.is_some() && container.restart_rules.iter().any(|rule| rule.matches(exit_code));
    by_rule
        || match spec.restart_policy_of(container) {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => exit_code != 0,
            RestartPolicy::Never => false,
        }
}

fn numbers_follow(fact: &Called<'_>) -> Seen {
    let CriCall::CreateContainer { config, .. } = fact.call else { return None };
    let newest = fact.runtime()?.newest(config.name).map(|instance| instance.attempt);
    let highest = fact.past.attempts.get(&config.name).copied();
    let wrong = match newest {
        Some(newest) => config.attempt != newest + 1,
        None => config.attempt > highest.map_or(0, |highest| highest + 1),
    };
    wrong.then(|| format!("{} gets number {} after {newest:?}", config.name, config.attempt))
}

fn never_is_never(fact: &Called<'_>) -> Seen {
    let CriCall::CreateContainer { config, .. } = fact.call else { return None };
    let spec = fact.spec()?;
    let container = spec.containers.iter().find(|container| container.name == config.name)?;
    let excused = spec.restart_policy_of(container) != RestartPolicy::Never
        || !container.restart_rules.is_empty()
        || container.resize_policy.iter().any(|(_, policy)| *policy == ResizeRestartPolicy::RestartContainer);
    let last = fact.runtime()?.newest(config.name).filter(|_| !excused)?;
    let ran = last.state == InstanceState::Exited && last.started_at > crate::engine::SimTime::ZERO;
    (ran && last.image == container.image).then(|| format!("{} ended with {}", config.name, last.exit_code))
}

fn back_off_is_waited_for(fact: &Moved<'_>) -> Seen {
    fact.before.back_offs.iter().find_map(|(name, before)| {
        let (_, after) = fact.after.back_offs.iter().find(|(have, _)| have == name)?;
        if before == after {
            return None;
        }
        let exits = fact.insight.cached().instances(*name).filter(|instance| instance.state == InstanceState::Exited);
        // A sync goes by what it saw when it began, also after it has killed something for a while.
        let exits: Vec<_> =
            exits.map(|instance| instance.finished_at).filter(|exit| *exit <= fact.past.sync_taken).collect();
        // What has not changed for long is forgotten (`Backoff.GC`).
        let kept = !before.has_expired(after.updated_at);
        let early =
            kept && !exits.is_empty() && exits.iter().all(|exit| before.blocks(*exit, after.updated_at).is_some());
        early.then(|| format!("{name} ended at {:?}, {} had to pass", exits[0], before.delay))
    })
}

fn back_off_doubles(fact: &Moved<'_>) -> Seen {
    let (base, cap) = (fact.kubelet.config().crash_loop_base, fact.kubelet.config().crash_loop_cap);
    let legal = |delay| {
        delay == cap || (0..64).map(|k| base * (1 << k)).take_while(|step| *step < cap).any(|step| step == delay)
    };
    let (name, wrong) = fact.after.back_offs.iter().find(|(_, back_off)| !legal(back_off.delay))?;
    Some(format!("{name} waits {}", wrong.delay))
}

fn ephemeral_once(fact: &Called<'_>) -> Seen {
    let CriCall::CreateContainer { config, .. } = fact.call else { return None };
    let ephemeral = fact.spec()?.ephemeral_containers.iter().any(|container| container.name == config.name);
    let again = ephemeral && fact.past.attempts.contains_key(&config.name);
    again.then(|| format!("{} is created again", config.name))
}

fn triggers_last(fact: &Called<'_>) -> Seen {
    let CriCall::RemoveContainer { container, .. } = fact.call else { return None };
    let (spec, runtime) = (fact.spec()?, fact.runtime()?);
    let asked = |id| {
        let instance = runtime.containers.iter().find(|instance| instance.id == id)?;
        let one = spec.container(instance.name)?;
        let rule = one.restart_rules.iter().find(|rule| rule.matches(instance.exit_code))?;
        let all = rule.action == crate::api::RestartRuleAction::RestartAllContainers;
        (all && instance.state == InstanceState::Exited).then_some(instance.name)
    };
    let first = fact.past.removed_in_turn.iter().find_map(|id| asked(*id))?;
    asked(*container).is_none().then(|| format!("{first} was removed before {container:?}"))
}
