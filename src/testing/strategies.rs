//! Strategies for small scenarios: a few pods of every make on one to three nodes, and what users and fate do to them.
//!
//! A scenario is drawn as data, so that it shrinks; it prints as the RON file that `podsim run` repeats it from.

use super::invariants::{Breach, Checker};
use crate::scenario::Scenario;
use crate::simulation::Run;
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

/// A small scenario.
#[derive(Clone, PartialEq, Eq)]
pub struct SmallScenario {
    /// How many machines.
    pub nodes: u8,
    /// The pods, created at the start.
    pub pods: Vec<SmallPod>,
    /// What is done, and when.
    pub steps: Vec<(u16, SmallStep)>,
    /// How long, in seconds.
    pub seconds: u16,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallPod {
    /// `Always`, `OnFailure` or `Never`.
    pub restart_policy: &'static str,
    /// The grace period, in seconds.
    pub grace: u8,
    /// Init containers and sidecars, in order.
    pub init: Vec<SmallContainer>,
    /// The regular containers.
    pub containers: Vec<SmallContainer>,
}

/// A container and what its processes do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallContainer {
    /// Of an init container: whether it goes on beside the others.
    pub sidecar: bool,
    /// How long each run takes, in seconds, and its exit code; without a time it runs until it is stopped.
    pub runs: Vec<(Option<u8>, u8)>,
    /// How long it takes to end when told to, in seconds; nothing if it does not listen.
    pub stops_in: Option<u8>,
    /// Startup, readiness and liveness probes.
    pub probes: [Option<SmallProbe>; 3],
    /// How many seconds its postStart hook takes.
    pub post_start: Option<u8>,
    /// How many seconds its preStop hook takes.
    pub pre_stop: Option<u8>,
    /// Whether its image has to be pulled, and whether that fails at first.
    pub image: SmallImage,
}

/// How an image is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmallImage {
    /// It is there.
    Present,
    /// It is pulled.
    Pulled,
    /// It is pulled, the first time in vain.
    Flaky,
}

/// A probe that asks a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmallProbe {
    /// Seconds before the first time.
    pub initial_delay: u8,
    /// Seconds from one time to the next.
    pub period: u8,
    /// Failures in a row that count.
    pub failures: u8,
    /// From when on it succeeds, in seconds of each run; until when, if it stops to.
    pub succeeds: (u8, Option<u8>),
}

/// Something that users or fate do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmallStep {
    /// A pod is deleted, perhaps with a grace of its own; zero is by force.
    Delete(u8, Option<u8>),
    /// A kubelet dies and starts again after so many seconds.
    RestartKubelet(u8, u8),
    /// A machine loses its power, for so many seconds.
    PowerLoss(u8, u8),
    /// A container gets another image.
    SetImage(u8),
}

impl SmallScenario {
    /// The file that it is.
    pub fn to_ron(&self) -> String {
        let mut text =
            format!("Scenario(\n    duration: \"{}s\",\n    nodes: [Pool(count: {})],\n", self.seconds, self.nodes);
        text.push_str("    manifests: [\n");
        for (n, pod) in self.pods.iter().enumerate() {
            let _ = writeln!(text, "        Inline(r#\"{}\"#),", pod.manifest(n));
        }
        text.push_str("    ],\n    images: {\n");
        let containers = || self.pods.iter().enumerate().flat_map(|(n, pod)| pod.all().map(move |one| (n, one)));
        for (n, (_, place, container)) in containers() {
            let image = image_name(n, place);
            let pulls = match container.image {
                SmallImage::Present => continue,
                SmallImage::Pulled => "pull: \"2s\"",
                SmallImage::Flaky => "pulls: [(duration: \"1s\", result: NotFound), (duration: \"2s\")]",
            };
            let _ = writeln!(text, "        \"{image}\": Image({pulls}),");
        }
        text.push_str("    },\n    behaviors: [\n");
        for (n, pod) in self.pods.iter().enumerate() {
            let _ = writeln!(text, "        (pods: \"pod-{n}\", containers: [");
            for (name, _, container) in pod.all() {
                let _ = writeln!(text, "            (name: \"{name}\", runs: [{}]),", container.processes());
            }
            text.push_str("        ]),\n");
        }
        text.push_str("    ],\n    actions: [\n");
        let mut faults = String::new();
        for (at, step) in &self.steps {
            let _ = match step {
                SmallStep::PowerLoss(node, lasts) => {
                    let node = self.node(*node);
                    writeln!(
                        faults,
                        "        (fault: PowerLoss, on: (nodes: \"{node}\"), at: \"{at}s\", lasts: \"{lasts}s\"),"
                    )
                }
                step => writeln!(text, "        (at: \"{at}s\", do: {}),", step.to_ron(self)),
            };
        }
        let _ = write!(text, "    ],\n    faults: [\n{faults}    ],\n)\n");
        text
    }

    fn node(&self, n: u8) -> String {
        format!("node-{}", n % self.nodes + 1)
    }

    /// The scenario, loaded.
    ///
    /// # Panics
    /// If the file that it prints as is refused: a fault of the strategy.
    pub fn load(&self) -> Scenario {
        let text = self.to_ron();
        let files = BTreeMap::from([("small.ron", text.as_str())]);
        Scenario::load("small.ron", &files).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
    }

    /// Runs it with a seed, and returns the laws that it broke.
    pub fn check(&self, seed: u64) -> Vec<Breach> {
        let mut checker = Checker::default();
        Run::new(Arc::new(self.load().plan(seed)), seed).run(&mut checker);
        checker.breaches().to_vec()
    }

    /// The command that repeats a run, once the file is written.
    pub fn command(path: &str, seed: u64) -> String {
        format!("podsim run {path} --seed {seed} --check")
    }
}

impl fmt::Debug for SmallScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_ron())
    }
}

fn image_name(pod: usize, place: usize) -> String {
    format!("registry.example/image-{pod}-{place}:1")
}

impl SmallPod {
    /// Every container with its name and place.
    fn all(&self) -> impl Iterator<Item = (String, usize, &SmallContainer)> {
        let init = self.init.iter().enumerate().map(|(n, one)| (format!("init-{n}"), n, one));
        let regular = self.containers.iter().enumerate().map(|(n, one)| (format!("main-{n}"), 8 + n, one));
        init.chain(regular)
    }

    fn manifest(&self, n: usize) -> Value {
        let (mut init, mut regular) = (Vec::new(), Vec::new());
        for (name, place, container) in self.all() {
            let list = if place < 8 { &mut init } else { &mut regular };
            list.push(container.manifest(&name, &image_name(n, place), place < 8, self.grace));
        }
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("pod-{n}")}, "spec": {
            "restartPolicy": self.restart_policy, "terminationGracePeriodSeconds": self.grace,
            "initContainers": init, "containers": regular}})
    }
}

impl SmallContainer {
    fn manifest(&self, name: &str, image: &str, init: bool, grace: u8) -> Value {
        let mut value = json!({"name": name, "image": image});
        let lasting = !init || self.sidecar;
        if init && self.sidecar {
            value["restartPolicy"] = "Always".into();
        }
        let kinds = ["startupProbe", "readinessProbe", "livenessProbe"];
        for (kind, probe) in kinds.into_iter().zip(self.probes).filter(|_| lasting) {
            let Some(probe) = probe else { continue };
            value[kind] = json!({"exec": {"command": ["/probe", kind]}, "initialDelaySeconds": probe.initial_delay,
                "periodSeconds": probe.period, "failureThreshold": probe.failures});
        }
        let hooks = [("postStart", self.post_start), ("preStop", self.pre_stop)];
        // A hook may not sleep for longer than the grace period.
        for (hook, seconds) in hooks.into_iter().filter(|_| lasting && grace > 0) {
            if let Some(seconds) = seconds {
                value["lifecycle"][hook] = json!({"sleep": {"seconds": seconds.min(grace)}});
            }
        }
        value
    }

    fn processes(&self) -> String {
        let runs: Vec<String> = self.runs.iter().map(|run| self.process(*run)).collect();
        runs.join(", ")
    }

    fn process(&self, (seconds, code): (Option<u8>, u8)) -> String {
        let mut text = String::from("(");
        if let Some(seconds) = seconds {
            let _ = write!(text, "duration: Some(\"{seconds}s\"), exit: (code: {code}), ");
        }
        match self.stops_in {
            Some(seconds) => drop(write!(text, "on_sigterm: Exit(after: \"{seconds}s\", code: {code}), ")),
            None => text.push_str("on_sigterm: Ignore, "),
        }
        text.push_str("exec: [");
        let kinds = ["startupProbe", "readinessProbe", "livenessProbe"];
        for (kind, probe) in kinds.into_iter().zip(self.probes) {
            let Some(SmallProbe { succeeds: (from, until), .. }) = probe else { continue };
            let _ = write!(
                text,
                "(command: \"/probe {kind}\", timeline: [(result: Failure), (from: \"{from}s\", result: Success)"
            );
            if let Some(until) = until {
                let _ = write!(text, ", (from: \"{}s\", result: Failure)", u16::from(from) + u16::from(until));
            }
            text.push_str("]), ");
        }
        text.push_str("])");
        text
    }
}

impl SmallStep {
    fn to_ron(self, scenario: &SmallScenario) -> String {
        let pod = |n: u8| usize::from(n) % scenario.pods.len();
        match self {
            Self::Delete(n, None) => format!("Delete(object: \"pod/pod-{}\")", pod(n)),
            Self::Delete(n, Some(0)) => format!("Delete(object: \"pod/pod-{}\", force: true)", pod(n)),
            Self::Delete(n, Some(grace)) => {
                format!("Delete(object: \"pod/pod-{}\", grace: Some(\"{grace}s\"))", pod(n))
            }
            Self::RestartKubelet(n, down) => {
                format!("RestartKubelet(node: \"{}\", down: \"{down}s\")", scenario.node(n))
            }
            Self::PowerLoss(n, _) => format!("PowerOff(node: \"{}\")", scenario.node(n)),
            Self::SetImage(n) => {
                format!(
                    "SetImage(object: \"pod/pod-{}\", container: \"main-0\", image: \"registry.example/other:2\")",
                    pod(n)
                )
            }
        }
    }
}

/// Small scenarios of every kind.
pub fn scenario() -> impl Strategy<Value = SmallScenario> {
    let steps = vec((2_u16..80, step()), 0..4);
    (1_u8..=2, vec(pod(), 1..=2), steps, 140_u16..220).prop_map(|(nodes, pods, mut steps, seconds)| {
        steps.sort_by_key(|(at, _)| *at);
        SmallScenario { nodes, pods, steps, seconds }
    })
}

/// Pods.
pub fn pod() -> impl Strategy<Value = SmallPod> {
    let policy = prop_oneof![Just("Always"), Just("OnFailure"), Just("Never")];
    let init = vec((any::<bool>(), container(true)), 0..=2).prop_map(|list| {
        list.into_iter()
            .map(|(sidecar, mut one)| {
                one.sidecar = sidecar;
                // An init container that never ends only hides what comes after it.
                one.runs.iter_mut().filter(|_| !sidecar).for_each(|run| run.0 = Some(run.0.unwrap_or(1)));
                one
            })
            .collect()
    });
    (policy, 0_u8..12, init, vec(container(false), 1..=2))
        .prop_map(|(restart_policy, grace, init, containers)| SmallPod { restart_policy, grace, init, containers })
}

/// Containers.
pub fn container(init: bool) -> impl Strategy<Value = SmallContainer> {
    let code = prop_oneof![3 => Just(0_u8), 1 => Just(1), 1 => Just(42)];
    let mostly_ends = if init { 0.9 } else { 0.6 };
    let runs = vec((weighted(mostly_ends, 0_u8..30), code), 1..=3);
    let probes = [of(probe()), of(probe()), of(probe())];
    let image =
        prop_oneof![4 => Just(SmallImage::Present), 1 => Just(SmallImage::Pulled), 1 => Just(SmallImage::Flaky)];
    (runs, weighted(0.8, 0_u8..5), probes, weighted(0.2, 1_u8..6), weighted(0.2, 1_u8..15), image).prop_map(
        |(runs, stops_in, probes, post_start, pre_stop, image)| SmallContainer {
            sidecar: false,
            runs,
            stops_in,
            probes,
            post_start,
            pre_stop,
            image,
        },
    )
}

/// Probes.
pub fn probe() -> impl Strategy<Value = SmallProbe> {
    let succeeds = (0_u8..15, weighted(0.3, 1_u8..30));
    (0_u8..6, 1_u8..6, 1_u8..4, succeeds).prop_map(|(initial_delay, period, failures, succeeds)| SmallProbe {
        initial_delay,
        period,
        failures,
        succeeds,
    })
}

/// What users and fate do.
pub fn step() -> impl Strategy<Value = SmallStep> {
    prop_oneof![
        4 => (any::<u8>(), of(0_u8..10)).prop_map(|(pod, grace)| SmallStep::Delete(pod, grace)),
        2 => (any::<u8>(), 0_u8..10).prop_map(|(node, down)| SmallStep::RestartKubelet(node, down)),
        1 => (any::<u8>(), 1_u8..60).prop_map(|(node, down)| SmallStep::PowerLoss(node, down)),
        1 => any::<u8>().prop_map(SmallStep::SetImage),
    ]
}
