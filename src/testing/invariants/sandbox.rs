//! Sandboxes: what containers are created in, one at a time.

use super::facts::Called;
use super::{Invariant, Law, Seen};
use crate::api::RestartPolicy;
use crate::components::cri::CriCall;

pub(super) const LAWS: &[Invariant] = &[
    Invariant {
        number: 25,
        name: "containers-need-a-sandbox",
        sentence: "A container is created only in a sandbox that is ready.",
        source: "runtime SyncPod",
        law: Law::Called(created_in_a_ready_one),
    },
    Invariant {
        number: 26,
        name: "one-sandbox-at-a-time",
        sentence: "No container is created, and no sandbox, beside another sandbox that is ready.",
        source: "TestComputePodActions",
        law: Law::Called(one_is_ready),
    },
    Invariant {
        number: 27,
        name: "sandboxes-are-numbered",
        sentence: "The numbers of sandboxes go up by one.",
        source: "PodSandboxChanged",
        law: Law::Called(numbers_follow),
    },
    Invariant {
        number: 29,
        name: "never-gets-one-sandbox",
        sentence: "With restart policy Never a pod that has any container gets no second sandbox.",
        source: "TestComputePodActions",
        law: Law::Called(never_again),
    },
];

fn created_in_a_ready_one(fact: &Called<'_>) -> Seen {
    let CriCall::CreateContainer { sandbox, config, .. } = fact.call else { return None };
    let found = fact.runtime()?.sandboxes.iter().find(|one| one.id == *sandbox);
    (!found.is_some_and(|one| one.ready)).then(|| format!("{} is created in {found:?}", config.name))
}

fn one_is_ready(fact: &Called<'_>) -> Seen {
    let most = match fact.call {
        CriCall::CreateContainer { .. } => 1,
        CriCall::RunPodSandbox { .. } => 0,
        _ => return None,
    };
    let ready = fact.runtime()?.sandboxes.iter().filter(|sandbox| sandbox.ready).count();
    (ready > most).then(|| format!("{ready} are ready"))
}

fn numbers_follow(fact: &Called<'_>) -> Seen {
    let CriCall::RunPodSandbox { attempt, .. } = fact.call else { return None };
    let newest = fact.runtime().and_then(|runtime| runtime.sandboxes.first()).map(|sandbox| sandbox.attempt);
    let due = newest.map_or(0, |newest| newest + 1);
    (*attempt != due).then(|| format!("number {attempt}, {due} is due"))
}

fn never_again(fact: &Called<'_>) -> Seen {
    let CriCall::RunPodSandbox { pod, .. } = fact.call else { return None };
    let last = fact.runtime()?.containers.first()?;
    let never = pod.spec.restart_policy == RestartPolicy::Never;
    never.then(|| format!("{} was there in the last one", last.name))
}
