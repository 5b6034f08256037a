//! The order in which the containers of a pod are started.

use super::facts::Called;
use super::{Invariant, Law, Seen};
use crate::components::cri::{ContainerConfig, CriCall, InstanceState};

pub(super) const LAWS: &[Invariant] = &[
    Invariant {
        number: 21,
        name: "init-containers-in-order",
        sentence: "Init containers run one at a time and in order: one begins when those before it have succeeded.",
        source: "TestComputePodActionsWithInitContainers",
        law: Law::Called(one_init_container_at_a_time),
    },
    Invariant {
        number: 22,
        name: "regular-after-init",
        sentence: "A regular container first starts in a sandbox when every init container has succeeded there and \
                   every sidecar was started, and had its startup if it is probed for it.",
        source: "TestComputePodActionsWithRestartableInitContainers",
        law: Law::Called(regular_after_init),
    },
    Invariant {
        number: 24,
        name: "regular-in-order",
        sentence: "Regular containers are started in the order of the spec, each after the one before it and its \
                   postStart hook.",
        source: "TestSyncPod",
        law: Law::Called(one_after_another),
    },
    Invariant {
        number: 28,
        name: "init-first-in-a-new-sandbox",
        sentence: "In a new sandbox the first init container comes first.",
        source: "TestComputePodActionsWithInitContainers",
        law: Law::Called(first_init_container_first),
    },
];

fn created<'a>(fact: &Called<'a>) -> Option<&'a ContainerConfig> {
    match fact.call {
        CriCall::CreateContainer { config, .. } => Some(config),
        _ => None,
    }
}

fn one_init_container_at_a_time(fact: &Called<'_>) -> Seen {
    let (config, spec, runtime) = (created(fact)?, fact.spec()?, fact.runtime()?);
    let place = spec.plain_init_containers().position(|container| container.name == config.name)?;
    let running = spec
        .plain_init_containers()
        .find(|container| runtime.instances(container.name).any(|instance| instance.state == InstanceState::Running));
    if let Some(running) = running {
        return Some(format!("{} begins while {} runs", config.name, running.name));
    }
    let earlier = spec.plain_init_containers().take(place).find(|one| !fact.past.through.contains(&one.name))?;
    Some(format!("{} begins before {} has succeeded", config.name, earlier.name))
}

fn regular_after_init(fact: &Called<'_>) -> Seen {
    let (config, spec) = (created(fact)?, fact.spec()?);
    let regular = spec.containers.iter().any(|container| container.name == config.name);
    if !regular || fact.past.created.contains(&config.name) {
        return None;
    }
    let missing = spec.init_containers.iter().find(|container| {
        let probed = container.is_sidecar() && container.startup.is_some();
        !fact.past.through.contains(&container.name) || probed && !fact.past.started_up.contains(&container.name)
    })?;
    Some(format!("{} begins before {} is through", config.name, missing.name))
}

fn one_after_another(fact: &Called<'_>) -> Seen {
    let (config, spec) = (created(fact)?, fact.spec()?);
    let place_of = |name| spec.containers.iter().position(|container| container.name == name);
    let place = place_of(config.name)?;
    let later = fact.past.created_in_turn.iter().find(|name| place_of(**name).is_some_and(|have| have > place));
    if let Some(later) = later {
        return Some(format!("{} begins after {later}", config.name));
    }
    let starts = |call: &CriCall| matches!(call, CriCall::CreateContainer { .. } | CriCall::StartContainer { .. });
    let hook = |call: &CriCall| match call {
        CriCall::ExecSync { container, probe: false, .. } => {
            let name = fact.runtime()?.containers.iter().find(|instance| instance.id == *container)?.name;
            fact.past.created_in_turn.contains(&name).then_some(name)
        }
        _ => None,
    };
    let open = fact.node.calls.values().filter(|(pod, _)| *pod == fact.key);
    open.into_iter().find_map(|(_, call)| {
        let busy = starts(call) || hook(call).is_some();
        busy.then(|| format!("{} begins while {} is open", config.name, <&'static str>::from(call)))
    })
}

fn first_init_container_first(fact: &Called<'_>) -> Seen {
    let (config, spec) = (created(fact)?, fact.spec()?);
    let first = spec.init_containers.first()?.name;
    let ephemeral = spec.ephemeral_containers.iter().any(|container| container.name == config.name);
    let wrong = fact.past.created.is_empty() && config.name != first && !ephemeral;
    wrong.then(|| format!("{} begins, {first} is due", config.name))
}
