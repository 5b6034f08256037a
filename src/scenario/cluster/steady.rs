//! What the pods of a dump do: those that run keep running, and nodes keep their images.

use crate::api::{Container, ContainerState, Handler, Name, Node, Pod, Port, Probe, READY, Timestamp};
use crate::components::runtime::{
    ContainerBehavior, ExecDefault, Glob, Health, ImageBehavior, ListenAnswer, ListenBehavior, ListenKind, ListenStep,
    PodBehavior, Process,
};
use crate::engine::SimDuration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A pod that needed longer lost its readiness and found it again, rather than being so slow.
const LONGEST_WARM_UP: SimDuration = SimDuration::from_mins(10);

/// Rules for the pods that were ready, and for those that replace them: they serve what is probed, and never end.
/// Others do what their images and commands say.
pub(super) fn behaviors(pods: &[Arc<Pod>]) -> Vec<PodBehavior> {
    let mut rules: BTreeMap<String, PodBehavior> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod.is_ready()) {
        let name = family(pod);
        let Ok(glob) = name.parse::<Glob>() else { continue };
        rules.entry(name).or_insert_with(|| PodBehavior {
            pods: glob,
            containers: containers(pod),
            ..PodBehavior::default()
        });
    }
    // Longer names first: `web-*` also matches the pods of `web-admin-*`.
    let mut rules: Vec<PodBehavior> = rules.into_values().collect();
    rules.sort_by_key(|rule| (std::cmp::Reverse(rule.pods.as_str().len()), rule.pods.as_str().to_owned()));
    rules
}

/// A pattern of the names of a pod and its successors.
fn family(pod: &Pod) -> String {
    let Some(owner) = pod.meta.controller() else { return pod.meta.name.to_string() };
    let hash = pod.meta.labels.get(Name::new("pod-template-hash"));
    let base = hash.and_then(|hash| owner.name.strip_suffix(&*hash)).and_then(|name| name.strip_suffix('-'));
    format!("{}-*", base.unwrap_or(&owner.name))
}

fn containers(pod: &Pod) -> Vec<ContainerBehavior> {
    let short = pod.spec.plain_init_containers().map(|container| {
        let process = Process { duration: Some(SimDuration::from_secs(1).into()), ..Process::default() };
        behavior(container, process)
    });
    let warm_up = warm_up(pod);
    let serves = |container| behavior(container, serving(container, warm_up));
    let long = pod.spec.sidecars().chain(&pod.spec.containers).map(serves);
    short.chain(long).collect()
}

fn behavior(container: &Container, process: Process) -> ContainerBehavior {
    let name = container.name.parse().unwrap_or_else(|_| Glob::any());
    ContainerBehavior { name, process: Arc::new(process), ..ContainerBehavior::default() }
}

/// How long a pod was not ready after its last container had started, less the period of a probe: nothing for one
/// that lost its readiness later on.
fn warm_up(pod: &Pod) -> SimDuration {
    let ready = pod.status.condition(*READY).map(|condition| condition.last_transition_time);
    let mut started: Option<Timestamp> = None;
    for container in &pod.status.containers {
        match container.state {
            ContainerState::Running { started_at } if container.restart_count == 0 => {
                started = started.max(Some(started_at));
            }
            _ => return SimDuration::ZERO,
        }
    }
    let (Some(ready), Some(started)) = (ready, started) else { return SimDuration::ZERO };
    let took = SimDuration::from_secs(u64::try_from(ready.unix_secs() - started.unix_secs()).unwrap_or(0));
    let period = pod.spec.containers.iter().filter_map(|c| c.readiness.as_ref()).map(|probe| probe.period).max();
    let took = took.saturating_sub(period.unwrap_or(SimDuration::ZERO));
    if took > LONGEST_WARM_UP { SimDuration::ZERO } else { took }
}

/// A process that passes its probes once it has warmed up.
fn serving(container: &Container, warm_up: SimDuration) -> Process {
    let probes: Vec<&Probe> = [&container.startup, &container.readiness, &container.liveness]
        .into_iter()
        .flatten()
        .map(Box::as_ref)
        .collect();
    let mut listen: Vec<ListenBehavior> = Vec::new();
    for probe in &probes {
        let number = |port: &Port| match port {
            Port::Number(number) => Some(*number),
            Port::Named(name) => container.port_named(name),
        };
        let (port, kind, answer) = match &probe.handler {
            Handler::HttpGet { port, https, .. } => {
                (number(port), if *https { ListenKind::Https } else { ListenKind::Http }, ListenAnswer::default())
            }
            Handler::TcpSocket { port, .. } => (number(port), ListenKind::Tcp, ListenAnswer::Accept),
            Handler::Grpc { port, .. } => (Some(*port), ListenKind::Grpc, ListenAnswer::Health(Health::Serving)),
            Handler::Exec { .. } | Handler::Sleep { .. } => continue,
        };
        let Some(port) = port.filter(|port| listen.iter().all(|have| have.port != *port)) else { continue };
        let mut timeline = vec![ListenStep { from: warm_up, answer, ..ListenStep::default() }];
        if !warm_up.is_zero() {
            timeline.insert(0, ListenStep { answer: ListenAnswer::Refused, ..ListenStep::default() });
        }
        listen.push(ListenBehavior { port, kind, timeline, ..ListenBehavior::default() });
    }
    Process { exec_default: ExecDefault::Succeed, listen, ..Process::default() }
}

/// The images of the nodes, as they list them and as their pods use them; any other must be pulled.
pub(super) fn images(nodes: &[Arc<Node>], pods: &[Arc<Pod>]) -> Vec<ImageBehavior> {
    let mut known: BTreeMap<Name, (i64, BTreeSet<Name>)> = BTreeMap::new();
    for node in nodes {
        for image in node.status.images.iter() {
            for name in image.names.iter() {
                let entry = known.entry(*name).or_insert_with(|| (image.size, BTreeSet::new()));
                entry.1.insert(node.meta.name);
            }
        }
    }
    for pod in pods.iter().filter(|pod| !pod.node_name.is_empty()) {
        for container in pod.spec.created_containers() {
            let entry = known.entry(container.image).or_insert_with(|| (50 << 20, BTreeSet::new()));
            entry.1.insert(pod.node_name);
        }
    }
    let rule = |name: &str, size, nodes: BTreeSet<Name>| {
        let name = name.parse().ok()?;
        Some(ImageBehavior { name, size, present_on: Some(nodes.into_iter().collect()), pulls: Vec::new() })
    };
    let mut rules: Vec<ImageBehavior> =
        known.into_iter().filter_map(|(name, (size, nodes))| rule(&name, size, nodes)).collect();
    rules.extend(rule("*", 50 << 20, BTreeSet::new()));
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Labels, Metadata, OwnerReference, Uid};

    #[test]
    fn successors_have_the_names_of_their_workload() {
        let pod = |name: &str, owner: &str, hash: Option<&str>| {
            let reference = OwnerReference {
                api_version: Name::new("apps/v1"),
                kind: Name::new("ReplicaSet"),
                name: Name::new(owner),
                uid: Uid::default(),
                controller: true,
                block_owner_deletion: true,
            };
            let labels: Labels =
                hash.map(|hash| (Name::new("pod-template-hash"), Name::new(hash))).into_iter().collect();
            let owner_references = if owner.is_empty() { Vec::new() } else { vec![reference] }.into();
            let meta = Metadata { name: Name::new(name), labels, owner_references, ..Metadata::default() };
            Pod { meta, spec: Arc::default(), node_name: Name::default(), status: Arc::default() }
        };
        for (name, owner, hash, pattern) in [
            ("web-5d4f-x", "web-5d4f", Some("5d4f"), "web-*"),
            ("db-0", "db", None, "db-*"),
            ("alone", "", None, "alone"),
        ] {
            assert_eq!(family(&pod(name, owner, hash)), pattern);
        }
    }
}
