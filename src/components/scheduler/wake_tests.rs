//! What wakes whom, end to end through watch, handlers and hints, as measured with the real scheduler
//! (kube-scheduler-1.36, `queue/wake-matrix.json`): one rejected pod, and each event by itself a minute later.

mod cluster;
mod events;

use super::testing::object;
use super::*;
use crate::api::{Change, ChangeKind, WallTime};
use cluster::cluster;
use events::{EVENTS, can_happen, happen};
use serde_json::Value;

/// A scheduler and the answers of a server that never refuses.
struct Bench {
    scheduler: Scheduler,
    now: SimTime,
    objects: Vec<Object>,
}

impl Bench {
    fn new() -> Self {
        let parts = SchedulerParts {
            setup: Arc::default(),
            clock: WallClock::starting_at(WallTime::default()),
            draws: Draws::new(1),
            latencies: Arc::new(LatencyProfile::ideal()),
        };
        Self { scheduler: Scheduler::new(parts), now: SimTime::ZERO, objects: Vec::new() }
    }

    /// Everything that the scheduler wants at once happens; timers do not.
    fn run(&mut self, mut out: Outbox<Message>) {
        loop {
            let messages: Vec<_> = out.drain().filter(|(after, _)| after.is_zero()).collect();
            if messages.is_empty() {
                return;
            }
            for (_, message) in messages {
                match message {
                    Message::Scheduler(_, message) => self.scheduler.handle(self.now, message, &mut out),
                    Message::Call { id, .. } => {
                        let any = self.objects[0].clone();
                        self.scheduler.replied(self.now, id, Ok(any), &mut out);
                    }
                    other => panic!("a scheduler does not send {other:?}"),
                }
            }
        }
    }

    fn change(&mut self, kind: ChangeKind, object: Object) {
        let mut out = Outbox::new();
        self.scheduler.watched(self.now, Change { kind, object }, &mut out);
        self.run(out);
    }

    /// Adds an object, or replaces the one of its name.
    fn put(&mut self, manifest: &Value) {
        let mut new = object(manifest);
        let known = self.objects.iter().position(|old| old.path() == new.path());
        new.meta_mut().index = known.unwrap_or(self.objects.len()) as u32;
        match known {
            Some(place) => self.objects[place] = new.clone(),
            None => self.objects.push(new.clone()),
        }
        self.change(if known.is_some() { ChangeKind::Modified } else { ChangeKind::Added }, new);
    }

    fn delete(&mut self, path: &str) {
        let gone = self.objects.iter().find(|object| object.path() == path).expect("it is there").clone();
        self.change(ChangeKind::Deleted, gone);
    }

    fn place(&self) -> Option<QueuePlace> {
        let target = self.objects.iter().find(|object| object.path() == "Pod/default/target").expect("it is there");
        self.scheduler.place_of(target.meta().index)
    }
}

/// What wakes pods whose claims have no volume yet.
const VOLUME_BINDING: &[&str] = &[
    "node-add-good",
    "node-add-bad",
    "node-add-tainted-only",
    "node-taint-added",
    "node-label-disk",
    "node-label-zone",
    "node-label-unrelated",
    "pvc-bound",
    "pv-add-local",
    "storageclass-add",
    "csinode-add",
];

#[test]
fn events_wake_those_whom_the_real_scheduler_wakes() {
    let table: &[(&str, &[&str])] = &[
        (
            "NodeUnschedulable",
            &["node-add-good", "node-add-tainted-only", "node-schedulable", "target-tolerates-unschedulable"],
        ),
        (
            "TaintToleration",
            &[
                "node-add-good",
                "node-taints-removed",
                "target-tolerates-dedicated",
                "target-tolerates-unschedulable",
                "target-tolerates-unrelated",
            ],
        ),
        ("NodeAffinity", &["node-add-good", "node-add-tainted-only", "node-taint-added", "node-label-disk"]),
        (
            "NodePorts",
            &["node-add-good", "node-add-bad", "node-add-tainted-only", "node-taint-added", "delete-blocker"],
        ),
        (
            "NodeResourcesFit-cpu",
            &[
                "node-add-good",
                "node-add-tainted-only",
                "node-taint-added",
                "node-cpu-up",
                "delete-blocker",
                "delete-bystander",
                "scale-down-blocker",
                "target-scale-down",
            ],
        ),
        (
            "NodeResourcesFit-huge",
            &["node-taint-added", "delete-blocker", "delete-bystander", "scale-down-blocker", "target-scale-down"],
        ),
        (
            "NodeResourcesFit-pods",
            &[
                "node-add-good",
                "node-add-tainted-only",
                "node-taint-added",
                "node-cpu-up",
                "node-pods-up",
                "delete-blocker",
                "delete-bystander",
                "scale-down-blocker",
                "target-scale-down",
            ],
        ),
        (
            "PodTopologySpread",
            &[
                "node-add-good",
                "node-add-bad",
                "node-add-tainted-only",
                "node-taint-added",
                "node-label-zone",
                "node-delete",
                "delete-blocker",
                "add-web",
                "add-web-elsewhere",
                "label-blocker-quiet",
                "target-label-batch",
            ],
        ),
        (
            "InterPodAffinity-affinity",
            &[
                "node-add-good",
                "node-add-bad",
                "node-add-tainted-only",
                "node-taint-added",
                "node-label-zone",
                "add-db",
                "label-bystander-db",
                "target-label-batch",
                "target-label-unrelated",
            ],
        ),
        (
            "InterPodAffinity-anti",
            &[
                "node-add-good",
                "node-add-bad",
                "node-add-tainted-only",
                "node-taint-added",
                "delete-blocker",
                "label-blocker-quiet",
                "target-label-batch",
                "target-label-unrelated",
            ],
        ),
        (
            "InterPodAffinity-existing-anti",
            &["node-taint-added", "delete-blocker", "target-label-batch", "target-label-unrelated"],
        ),
        ("SchedulingGates", &["target-no-gates"]),
        (
            "two-plugins",
            &[
                "node-add-good",
                "node-add-bad",
                "node-add-tainted-only",
                "node-taint-added",
                "node-label-zone",
                "node-delete",
                "delete-blocker",
                "add-web",
                "add-web-elsewhere",
                "label-blocker-quiet",
                "target-label-batch",
                "target-tolerates-dedicated",
                "target-tolerates-unschedulable",
                "target-tolerates-unrelated",
            ],
        ),
        (
            "missing-pvc",
            &["node-add-good", "node-add-bad", "node-add-tainted-only", "node-taint-added", "pvc-add-bound"],
        ),
        ("VolumeBinding-unbound-immediate", VOLUME_BINDING),
        ("VolumeBinding-no-pv", VOLUME_BINDING),
        (
            "VolumeZone",
            &[
                "node-add-good",
                "node-add-bad",
                "node-add-tainted-only",
                "node-taint-added",
                "node-label-disk",
                "node-label-zone",
                "node-label-unrelated",
                "pvc-bound",
                "pv-add-local",
                "pv-label-removed",
                "storageclass-add",
            ],
        ),
        (
            "VolumeRestrictions",
            &["node-add-good", "node-add-bad", "node-add-tainted-only", "node-taint-added", "delete-blocker"],
        ),
        ("NodeVolumeLimits", &["delete-blocker", "csinode-limit-up", "csinode-add"]),
    ];
    for (scenario, wakes) in table {
        let mut woken: Vec<&str> = Vec::new();
        for event in EVENTS {
            if !can_happen(event, scenario) {
                continue;
            }
            let mut bench = Bench::new();
            let all = cluster(scenario);
            bench.put(&all.node);
            all.others.iter().for_each(|one| bench.put(one));
            [&all.blocker, &all.bystander, &all.target].into_iter().for_each(|one| bench.put(one));
            let rejected = bench.place();
            assert!(
                matches!(rejected, Some(QueuePlace::Unschedulable | QueuePlace::Gated)),
                "{scenario}: {rejected:?}"
            );
            bench.now = SimTime::from_secs(60);
            // Whoever is woken is tried at once; its attempt ends in no time, so the number of attempts tells.
            let before = bench.scheduler.search.cycle;
            happen(event, &mut bench, all);
            if bench.scheduler.search.cycle > before {
                woken.push(event);
            }
        }
        let expected: Vec<&str> = EVENTS.iter().copied().filter(|event| wakes.contains(event)).collect();
        assert_eq!(woken, expected, "{scenario}");
    }
}
