//! Whether a cluster has come back: what is well at the end of a run that nothing befell, and of one that was struck.
//!
//! Two phases, safety and liveness: faults strike and are healed in the first; in the second nothing happens but what
//! the cluster does by itself, and in the end it has to stand as it does without any fault. What users want is the same
//! in both: they roll out what they roll out, and give a command again when the server could not do it.
//!
//! Two things may take longer. A controller waits until it has seen what it has asked for. What came and went while its
//! watch was broken it never sees; after five minutes it no longer waits, but nothing makes it look again before its
//! informers tell of everything once more, half a day later (`ExpectationsTimeout`, `--min-resync-period`). And many
//! controllers give up what has failed fifteen times, until they hear of it again (`maxRetries`). Where controllers are
//! stuck like this, that moment is brought forward.

use super::explore::{Broken, Finding, Guards};
use super::{Cluster, Run};
use crate::api::{NODE_READY, Object};
use crate::engine::{SimDuration, SimTime};
use crate::faults::FaultKind;
use crate::scenario::Scenario;
use crate::scenario::plan::NodeGroup;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What controllers that were told of everything once more get to act on it.
const RESYNCED: SimDuration = SimDuration::from_mins(5);

/// Runs a scenario with faults and, with the same seed, without; what did not hold, or did not come back, first.
pub fn examine_recovery(struck: &Scenario, seed: u64) -> Option<Finding> {
    let (mut run, mut guards) = watched(struck, seed);
    if let Some(found) = guards.finding(seed) {
        return Some(found);
    }
    let untouched = struck.clone().retain_faults(|fault| matches!(fault, FaultKind::RolloutRestart(_)));
    let (control, _) = watched(&untouched, seed);
    let wanted = well(control.cluster());
    let missing = |run: &Run| {
        let well = well(run.cluster());
        wanted.iter().find(|object| !well.contains(*object)).cloned()
    };
    let mut lost = missing(&run)?;
    if run.cluster().controllers().are_stuck(run.now()) {
        run.resync();
        run.run_until(run.now() + RESYNCED, &mut guards.onlookers());
        lost = missing(&run)?;
    }
    let seen = "it is well without the faults, and is not after they are healed".to_owned();
    Some(Finding { seed, broken: Broken::Recovery(lost), at: end(struck), seen })
}

fn end(scenario: &Scenario) -> SimTime {
    SimTime::ZERO + scenario.duration()
}

fn watched(scenario: &Scenario, seed: u64) -> (Run, Guards) {
    let mut run = Run::new(Arc::new(scenario.plan(seed)), seed);
    run.insist();
    let mut guards = Guards::default();
    run.run(&mut guards.onlookers());
    (run, guards)
}

/// The workloads that have all that they want, the nodes that are ready and take pods, and the groups of an autoscaler
/// that have as many of those as they must: which ones they are is its own decision.
fn well(cluster: &Cluster) -> BTreeSet<String> {
    let store = cluster.server().store();
    let kinds = [
        crate::api::Kind::Deployment,
        crate::api::Kind::StatefulSet,
        crate::api::Kind::DaemonSet,
        crate::api::Kind::Node,
    ];
    let objects = kinds.into_iter().flat_map(|kind| store.list(kind));
    let (nodes, workloads): (Vec<Object>, Vec<Object>) =
        objects.filter(is_well).partition(|object| object.kind() == crate::api::Kind::Node);
    let groups = &cluster.plan().groups;
    let is_of = |group: &NodeGroup, node: &Object| group.machines.contains(&node.meta().name);
    let full = groups.iter().filter(|group| nodes.iter().filter(|node| is_of(group, node)).count() >= group.min);
    let full = full.map(|group| format!("NodeGroup/{}", group.name));
    let others = nodes.iter().filter(|node| !groups.iter().any(|group| is_of(group, node)));
    others.chain(&workloads).map(Object::path).chain(full).collect()
}

fn is_well(object: &Object) -> bool {
    match object {
        Object::Deployment(workload) => {
            let status = &workload.status;
            status.updated_replicas == workload.spec.replicas && status.ready_replicas == workload.spec.replicas
        }
        Object::StatefulSet(workload) => workload.status.ready_replicas == workload.spec.replicas,
        Object::DaemonSet(workload) => {
            let status = &workload.status;
            status.desired_number_scheduled > 0 && status.number_ready == status.desired_number_scheduled
        }
        Object::Node(node) => {
            let ready = node.status.condition(*NODE_READY).is_some_and(|ready| ready.status == true.into());
            ready && !node.unschedulable
        }
        _ => false,
    }
}
