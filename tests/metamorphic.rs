//! What must hold between two runs when the question changes in a way that reality would not care about: other names, a
//! stranger on another node, another date, a slower program.

use podsim::Scenario;
use podsim::api::{Change, Object};
use podsim::components::cri::InstanceState;
use podsim::components::message::Message;
use podsim::engine::{SimDuration, SimTime};
use podsim::simulation::{Cluster, Run, Trace};
use podsim::testing::strategies::{self, SmallContainer, SmallImage, SmallPod, SmallScenario};
use podsim::trace::PodView;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What was seen of each pod, and how long each process ran.
#[derive(Debug, Default, PartialEq, Eq)]
struct Notes {
    views: BTreeMap<String, Vec<(SimTime, PodView)>>,
    /// Container, number and exit code, with the time that it took.
    runs: BTreeMap<(String, u32, i32), SimDuration>,
}

impl Trace for Notes {
    fn delivered(&mut self, _: SimTime, _: u64, message: &Message, _: &Cluster) {
        let Message::RuntimeChanged { pod, .. } = message else { return };
        for instance in pod.containers.iter().filter(|instance| instance.state == InstanceState::Exited) {
            let key = (instance.name.to_string(), instance.attempt, instance.exit_code);
            self.runs.insert(key, instance.finished_at.since(instance.started_at));
        }
    }

    fn changed(&mut self, now: SimTime, _: u64, change: &Change, _: &Cluster) {
        let Object::Pod(pod) = &change.object else { return };
        let views = self.views.entry(pod.meta.name.to_string()).or_default();
        let view = PodView::of(pod);
        if views.last().is_none_or(|(_, last)| *last != view) {
            views.push((now, view));
        }
    }
}

fn notes(text: &str, seed: u64) -> Notes {
    let files = BTreeMap::from([("small.ron", text)]);
    let scenario = Scenario::load("small.ron", &files).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let mut notes = Notes::default();
    Run::new(scenario.plan(seed).into(), seed).run(&mut notes);
    notes
}

fn container(seconds: u8, code: u8) -> SmallContainer {
    SmallContainer {
        sidecar: false,
        runs: vec![(Some(seconds), code)],
        stops_in: Some(1),
        probes: [None; 3],
        post_start: None,
        pre_stop: None,
        image: SmallImage::Present,
    }
}

/// Two init containers, a sidecar between them, and two containers that end.
fn job() -> SmallScenario {
    let sidecar = SmallContainer { sidecar: true, runs: vec![(None, 0)], ..container(0, 0) };
    let pod = SmallPod {
        restart_policy: "Never",
        grace: 5,
        init: vec![container(3, 0), sidecar, container(5, 0)],
        containers: vec![container(7, 0), container(20, 1)],
    };
    SmallScenario { nodes: 2, pods: vec![pod], steps: Vec::new(), seconds: 120 }
}

/// The scenario's text with every pod on a node of its own.
fn pinned(scenario: &SmallScenario) -> String {
    let mut text = scenario.to_ron();
    for n in 0..scenario.pods.len() {
        let (free, bound) =
            (format!("{{\"name\":\"pod-{n}\"}},\"spec\":{{"), format!("\"nodeName\":\"node-{}\",", n + 1));
        assert!(text.contains(&free), "{text}");
        text = text.replace(&free, &format!("{free}{bound}"));
    }
    text
}

/// The order of what was seen of a pod, with places for names.
fn order(views: &[(SimTime, PodView)]) -> Vec<String> {
    let mut order: Vec<String> = views.iter().map(|(_, view)| nameless(view)).collect();
    order.dedup();
    order
}

fn nameless(view: &PodView) -> String {
    let containers: Vec<String> = view
        .containers
        .iter()
        .map(|one| format!("{:?} {:?} {:?} {} {}", one.role, one.state, one.last, one.ready, one.restarts))
        .collect();
    format!("{} {} {} {:?} {containers:?}", view.phase, view.reason, view.terminating, view.conditions)
}

#[test]
fn names_do_not_matter() {
    let plain = job().to_ron();
    let renamed =
        [("pod-0", "zebra"), ("init-", "prepare-"), ("main-", "a-"), ("registry.example/image", "other.example/x")];
    let renamed = renamed.iter().fold(plain.clone(), |text, (from, to)| text.replace(from, to));
    let renamed = renamed.replace("Pool(count: 2)", "Pool(count: 2, name: \"machine\")");
    let stories = |text: &str, pod: &str| -> BTreeSet<Vec<String>> {
        (1..=12).map(|seed| order(&notes(text, seed).views[pod])).collect()
    };
    let (before, after) = (stories(&plain, "pod-0"), stories(&renamed, "zebra"));
    assert!(before.intersection(&after).count() > 0, "{before:#?}\n{after:#?}");
    let ends = |stories: &BTreeSet<Vec<String>>| -> BTreeSet<String> {
        stories.iter().filter_map(|story| story.last().cloned()).collect()
    };
    assert_eq!(ends(&before), ends(&after));
}

#[test]
fn slower_programs_take_longer_and_do_the_same() {
    let (one, factor) = (job(), 4);
    let mut four = one.clone();
    four.seconds *= u16::from(factor);
    for container in four.pods.iter_mut().flat_map(|pod| pod.init.iter_mut().chain(&mut pod.containers)) {
        container.runs.iter_mut().for_each(|(seconds, _)| *seconds = seconds.map(|seconds| seconds * factor));
    }
    for seed in 1..=4 {
        let (one, four) = (notes(&one.to_ron(), seed), notes(&four.to_ron(), seed));
        let scripted = |notes: &Notes| -> BTreeMap<(String, u32, i32), SimDuration> {
            notes
                .runs
                .iter()
                .filter(|((name, ..), _)| name != "init-1")
                .map(|(key, span)| (key.clone(), *span))
                .collect()
        };
        let longer: BTreeMap<_, _> =
            scripted(&one).into_iter().map(|(key, span)| (key, span * u64::from(factor))).collect();
        assert_eq!(longer, scripted(&four), "seed {seed}");
        let last = |notes: &Notes| nameless(&notes.views["pod-0"].last().expect("it was seen").1);
        assert_eq!(last(&one), last(&four), "seed {seed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stranger_on_another_node_changes_nothing(mine in strategies::pod(), other in strategies::pod(), seed in 0_u64..100) {
        let alone = SmallScenario { nodes: 2, pods: vec![mine], steps: Vec::new(), seconds: 90 };
        let mut both = alone.clone();
        both.pods.push(other);
        // They share the server's store, where one waits for the other's writes, and nothing else.
        let apart = |scenario| {
            let latencies = "latencies: (overrides: {\"commit\": \"0s\"}),";
            pinned(scenario).replacen("Scenario(", &format!("Scenario({latencies}"), 1)
        };
        let (alone, both) = (notes(&apart(&alone), seed), notes(&apart(&both), seed));
        prop_assert_eq!(&alone.views["pod-0"], &both.views["pod-0"]);
    }

    #[test]
    fn another_date_changes_nothing(scenario in strategies::scenario(), seed in 0_u64..100) {
        let text = scenario.to_ron();
        let on = |date: &str| text.replacen("Scenario(", &format!("Scenario(\n    start: \"{date}\","), 1);
        let (now, then) = (notes(&on("2026-01-01T00:00:00Z"), seed), notes(&on("2031-07-13T05:00:00Z"), seed));
        prop_assert_eq!(now, then);
    }
}
