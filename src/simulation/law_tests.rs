//! Each law of the control plane catches a write that breaks it.
//!
//! A small cluster runs until everything is up; then the laws are shown writes that no controller makes.

use super::invariant::{INVARIANTS, Write};
use super::{Cluster, Simulation};
use crate::api::*;
use crate::engine::SimTime;
use crate::scenario::Scenario;
use crate::scenario::plan::Action;
use std::collections::BTreeMap;
use std::sync::Arc;

const MANIFEST: &str = "
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {a: web}},
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}},
  template: {metadata: {labels: {a: web}, annotations: {batch.kubernetes.io/job-completion-index: '0'}},
    spec: {containers: [{name: c, image: web}]}}}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {replicas: 2, selector: {matchLabels: {a: db}},
  serviceName: db, updateStrategy: {rollingUpdate: {partition: 1}},
  template: {metadata: {labels: {a: db}}, spec: {containers: [{name: c, image: db}]}}}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent}, spec: {selector: {matchLabels: {a: agent}},
  template: {metadata: {labels: {a: agent}}, spec: {containers: [{name: c, image: agent}]}}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: work}, spec: {completionMode: Indexed, completions: 2, parallelism: 2,
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: work}]}}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: tick}, spec: {schedule: '0 0 1 1 *', concurrencyPolicy: Forbid,
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: work}]}}}}}}
---
{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, spec: {maxReplicas: 20,
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web},
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web}, spec: {minAvailable: 1,
  selector: {matchLabels: {a: web}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: two, labels: {b: two}}, spec: {containers: [{name: c, image: far}]}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: two-a}, spec: {minAvailable: 0,
  selector: {matchLabels: {b: two}}}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: two-b}, spec: {minAvailable: 0,
  selector: {matchLabels: {b: two}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {a: web}, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: far}, spec: {nodeSelector: {disk: ssd}, containers: [{name: c, image: far}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: port}, spec: {containers: [{name: c, image: far,
  ports: [{containerPort: 80, hostPort: 80}]}]}}
";

/// A cluster of so many nodes when everything is up.
fn cluster(nodes: u32) -> Simulation {
    let scenario = format!(
        r#"(manifests: [File("all.yaml")], nodes: [Pool(count: {nodes})], duration: "10m", behaviors: [
            (pods: "work-*", containers: [(name: "c", process: (duration: "1h"))])])"#
    );
    let files = BTreeMap::from([("all.yaml", MANIFEST), ("all.ron", scenario.as_str())]);
    let scenario = Scenario::load("all.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let mut simulation = scenario.simulate(1);
    simulation.run_until(SimTime::from_secs(60));
    simulation
}

/// What a law says of a write; nothing if it is kept.
fn says(cluster: &Cluster, law: &str, (kind, before, object): &(ChangeKind, Option<Object>, Object)) -> Option<String> {
    let law = INVARIANTS.iter().find(|known| known.name == law).unwrap_or_else(|| panic!("no law {law}"));
    let now = SimTime::from_secs(60);
    (law.check)(&Write { now, kind: *kind, before: before.as_ref(), object, cluster })
}

/// The first object of a kind whose name begins so.
fn find(cluster: &Cluster, kind: Kind, name: &str) -> Object {
    let all = cluster.server().store().list(kind);
    all.into_iter().find(|object| object.meta().name.starts_with(name)).unwrap_or_else(|| panic!("no {kind} {name}"))
}

type Case = (ChangeKind, Option<Object>, Object);

/// A change of an object by a closure.
macro_rules! changed {
    ($cluster:expr, $kind:ident, $name:literal, |$object:ident| $change:expr) => {{
        let before = find($cluster, Kind::$kind, $name);
        let mut after = before.clone();
        let Object::$kind(shared) = &mut after else { panic!() };
        let $object = Arc::make_mut(shared);
        $change;
        $object.meta.resource_version += 1;
        (ChangeKind::Modified, Some(before), after)
    }};
}

/// The same pod before it was bound, and after.
fn binding(cluster: &Cluster, name: &str, node: &str, change: impl Fn(&mut Pod)) -> Case {
    let Object::Pod(pod) = find(cluster, Kind::Pod, name) else { panic!() };
    let mut before = Pod { node_name: Name::default(), ..Pod::clone(&pod) };
    change(&mut before);
    let after = Pod { node_name: Name::new(node), ..before.clone() };
    (ChangeKind::Modified, Some(Object::Pod(Arc::new(before))), Object::Pod(Arc::new(after)))
}

fn status(pod: &mut Pod, change: impl FnOnce(&mut PodStatus)) {
    change(Arc::make_mut(&mut pod.status));
}

fn disrupted(reason: &str) -> Condition {
    Condition::new(*DISRUPTION_TARGET, ConditionStatus::True, Timestamp::default()).because(reason, "")
}

/// Writes that break a law, by its name.
fn broken(cluster: &Cluster) -> Vec<(&'static str, Case)> {
    let stamp = |secs: u64| cluster.server().clock().at(SimTime::from_secs(secs)).truncated();
    let node = find(cluster, Kind::Node, "").meta().name;
    let mut cases: Vec<(&'static str, Case)> = vec![
        ("deletion-only-nears", {
            let (_, _, before) = changed!(cluster, Pod, "web", |pod| {
                (pod.meta.deletion_timestamp, pod.meta.deletion_grace_period) = (Some(stamp(70)), Some(10));
            });
            let mut after = before.clone();
            after.meta_mut().deletion_grace_period = Some(30);
            (ChangeKind::Modified, Some(before), after)
        }),
        ("gates-go-tolerations-come", {
            changed!(cluster, Pod, "web", |pod| Arc::make_mut(&mut pod.spec).tolerations = Vec::new())
        }),
        ("nothing-is-unknown", changed!(cluster, Pod, "web", |pod| status(pod, |s| s.phase = PodPhase::Unknown))),
        ("budgets-add-up", changed!(cluster, PodDisruptionBudget, "web", |b| b.status.disruptions_allowed = 9)),
        ("jobs-end-once", {
            changed!(cluster, Job, "work", |job| {
                let failed = Condition::new(Name::new("Failed"), ConditionStatus::True, stamp(60));
                job.status.conditions.push(failed);
            })
        }),
        (
            "wishes-stay-in-bounds",
            changed!(cluster, HorizontalPodAutoscaler, "web", |h| h.status.desired_replicas = 21),
        ),
        ("autoscaling-is-gradual", {
            changed!(cluster, HorizontalPodAutoscaler, "web", |h| {
                (h.status.current_replicas, h.status.desired_replicas) = (2, 5);
            })
        }),
        ("new-traffic-finds-who-stays", changed!(cluster, EndpointSlice, "web", |s| s.endpoints[0].terminating = true)),
        ("bindings-are-for-those-who-wait", {
            binding(cluster, "web", &node, |pod| pod.meta.deletion_timestamp = Some(stamp(60)))
        }),
        ("the-unscheduled-go-at-once", {
            changed!(cluster, Pod, "far", |pod| {
                pod.meta.deletion_timestamp = Some(stamp(60));
                pod.meta.deletion_grace_period = Some(30);
            })
        }),
        ("nobody-vanishes", {
            let (_, _, before) = changed!(cluster, Pod, "web", |pod| {
                (pod.meta.deletion_timestamp, pod.meta.deletion_grace_period) = (Some(stamp(90)), Some(30));
            });
            (ChangeKind::Deleted, Some(before.clone()), before)
        }),
        ("two-budgets-forbid", {
            changed!(cluster, Pod, "two", |pod| status(pod, |s| s.conditions.push(disrupted("EvictionByEvictionAPI"))))
        }),
        ("failures-are-limited", changed!(cluster, Job, "work", |job| job.status.failed = 7)),
        ("writes-change-something", changed!(cluster, Pod, "web", |pod| pod.meta.generation += 0)),
        ("generations-count-specs", changed!(cluster, Pod, "web", |pod| pod.meta.generation += 1)),
        ("evictions-are-charged", {
            changed!(cluster, PodDisruptionBudget, "web", |budget| {
                budget.status.disrupted_pods = budget.status.disrupted_pods.with((Name::new("web-x"), stamp(60)));
            })
        }),
        ("disruptions-are-forgotten", {
            changed!(cluster, PodDisruptionBudget, "web", |budget| {
                let long_ago = Timestamp::from_unix_secs(stamp(60).unix_secs() - 200);
                budget.status.disrupted_pods = budget.status.disrupted_pods.with((Name::new("web-x"), long_ago));
                budget.status.current_healthy += 1;
            })
        }),
        ("host-ports-do-not-clash", {
            let Object::Pod(taken) = find(cluster, Kind::Pod, "port") else { panic!() };
            binding(cluster, "port", &taken.node_name, |pod| pod.meta.uid = Uid::from_bits(1))
        }),
        ("node-selectors-are-kept", binding(cluster, "far", &node, |_| {})),
        ("victims-are-lesser", {
            changed!(cluster, Pod, "web", |pod| status(pod, |s| s.conditions.push(disrupted("PreemptionByScheduler"))))
        }),
        ("rollouts-stay-within-surge", changed!(cluster, ReplicaSet, "web", |set| set.spec.replicas = 4)),
        ("revisions-only-grow", {
            changed!(cluster, ReplicaSet, "web", |set| {
                let revision = Name::new("deployment.kubernetes.io/revision");
                set.meta.annotations = set.meta.annotations.with(revision, Name::new("0"));
            })
        }),
        ("jobs-keep-to-parallelism", { changed!(cluster, Job, "work", |job| job.status.active = 3) }),
        ("forbidden-jobs-do-not-overlap", {
            let job = (Name::new("tick-1"), Uid::from_bits(1));
            changed!(cluster, CronJob, "tick", |cron| cron.status.active = vec![job, job].into())
        }),
    ];
    let (_, _, renamed) = changed!(cluster, Pod, "db-0", |pod| {
        let label = Name::new("controller-revision-hash");
        pod.meta.labels = pod.meta.labels.with(label, Name::new("db-other"));
    });
    cases.push(("ordinals-keep-their-revision", (ChangeKind::Added, None, renamed)));
    // The two pods of the ReplicaSet, as if they were others'.
    let owner = find(cluster, Kind::ReplicaSet, "web").meta().uid;
    cases.push(("one-daemon-a-node", {
        changed!(cluster, DaemonSet, "agent", |set| (set.meta.uid, set.status.number_ready) = (owner, 9))
    }));
    cases.push(("indexes-are-not-shared", {
        changed!(cluster, Job, "work", |job| (job.meta.uid, job.status.failed) = (owner, 9))
    }));
    cases.push(("foreground-waits", {
        let (_, _, mut before) = changed!(cluster, ReplicaSet, "web", |set| set.meta.generation += 0);
        let last = before.clone();
        before.meta_mut().finalizers = vec![*FOREGROUND_DELETION].into();
        (ChangeKind::Deleted, Some(before), last)
    }));
    cases
}

#[test]
fn a_write_that_breaks_a_law_is_caught() {
    let simulation = cluster(1);
    for (law, write) in broken(simulation.cluster()) {
        assert!(says(simulation.cluster(), law, &write).is_some(), "{law} is not caught");
    }
}

#[test]
fn a_write_that_changes_a_status_breaks_no_law() {
    let simulation = cluster(1);
    let cluster = simulation.cluster();
    let write = changed!(cluster, Pod, "web", |pod| status(pod, |s| s.message = "well".into()));
    for law in INVARIANTS {
        assert_eq!(says(cluster, law.name, &write), None, "{}", law.name);
    }
}

#[test]
fn taints_are_borne_for_as_long_as_pods_say() {
    let mut simulation = cluster(2);
    let Object::Pod(pod) = find(simulation.cluster(), Kind::Pod, "web") else { panic!() };
    // A node that falls silent is tainted after 50 seconds; pods bear that for five minutes.
    let Object::Node(node) = find(simulation.cluster(), Kind::Node, &pod.node_name) else { panic!() };
    simulation.act(Action::PowerOff(node.meta.name));
    simulation.run_until(SimTime::from_secs(180));
    let cluster = simulation.cluster();
    let mut before = Pod::clone(&pod);
    status(&mut before, |status| status.conditions.push(disrupted("DeletionByTaintManager")));
    let stamp = cluster.server().clock().at(SimTime::from_secs(60)).truncated();
    let after = Pod { meta: Metadata { deletion_timestamp: Some(stamp), ..before.meta.clone() }, ..before.clone() };
    let write = (ChangeKind::Modified, Some(Object::Pod(Arc::new(before))), Object::Pod(Arc::new(after)));
    assert!(says(cluster, "taints-are-borne-in-full", &write).is_some());
}

#[test]
fn recreation_waits() {
    // A new revision that never becomes ready stands beside the old one when the strategy is changed.
    let scenario = r#"(manifests: [File("all.yaml")], duration: "10m", actions: [
        (at: "30s", do: Patch(object: "deployment/web", patch:
            "{\"spec\": {\"template\": {\"spec\": {\"schedulingGates\": [{\"name\": \"never\"}]}}}}")),
        (at: "60s", do: Patch(object: "deployment/web", patch:
            "{\"spec\": {\"strategy\": {\"type\": \"Recreate\", \"rollingUpdate\": null}}}")),
    ])"#;
    let files = BTreeMap::from([("all.yaml", MANIFEST), ("all.ron", scenario)]);
    let scenario = Scenario::load("all.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let mut simulation = scenario.simulate(1);
    let changed = |simulation: &Simulation| {
        let deployments = &simulation.cluster().server().store().deployments;
        deployments.iter().any(|deployment| deployment.spec.strategy == DeploymentStrategy::Recreate)
    };
    while !changed(&simulation) {
        simulation.step().expect("the strategy is changed");
    }
    let waits = |pod: &&Arc<Pod>| !pod.spec.scheduling_gates.is_empty();
    let pod = simulation.pods().find(waits).expect("the new revision has a pod").clone();
    let made = |pod: &Pod| (ChangeKind::Added, None, Object::Pod(Arc::new(pod.clone())));
    assert!(says(simulation.cluster(), "recreation-waits", &made(&pod)).is_some());
    let old = simulation.pods().find(|pod| !waits(pod) && pod.meta.name.starts_with("web")).expect("an old pod");
    assert_eq!(says(simulation.cluster(), "recreation-waits", &made(old)), None, "it is none of a new revision");
}
