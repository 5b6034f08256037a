//! Stories of HorizontalPodAutoscalers whose metrics an adapter tells (`control-plane.md`, 3.9): which metric counts,
//! what a missing one does, and what people are told.

use podsim::api::{Kind, MetricStatus, Object};
use podsim::engine::SimTime;
use podsim::scenario::Scenario;
use podsim::simulation::Simulation;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A Deployment of four pods and an autoscaler with metrics, in a cluster where an adapter tells some.
fn simulation(metrics: &str, behavior: &str, told: &str) -> Simulation {
    let manifest = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {{replicas: 4, selector: {{matchLabels: {{app: \
         web}}}}, template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: c, image: web}}]}}}}}}\n---\n\
         apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web}}\nspec: {{scaleTargetRef: \
         {{apiVersion: apps/v1, kind: Deployment, name: web}}, maxReplicas: 20, metrics: [{metrics}]{behavior}}}\n"
    );
    let scenario = format!(r#"(duration: "20m", manifests: [File("all.yaml")], metrics: [{told}])"#);
    let files = BTreeMap::from([("s.ron", scenario.as_str()), ("all.yaml", manifest.as_str())]);
    let scenario = Scenario::load("s.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    scenario.simulate(1)
}

fn external(name: &str, target: &str) -> String {
    format!("{{type: External, external: {{metric: {{name: {name}}}, target: {target}}}}}")
}

fn replicas(simulation: &Simulation) -> i32 {
    let deployments = &simulation.cluster().server().store().deployments;
    deployments.iter().next().map_or(0, |deployment| deployment.spec.replicas)
}

fn current(simulation: &Simulation) -> Vec<Option<MetricStatus>> {
    let found = simulation.objects().find(|object| object.kind() == Kind::HorizontalPodAutoscaler);
    let Some(Object::HorizontalPodAutoscaler(scaler)) = found else { return Vec::new() };
    Arc::unwrap_or_clone(scaler).status.current_metrics
}

fn told(simulation: &Simulation, reason: &str) -> Option<String> {
    let mut events = simulation.events().filter(|event| event.reason == reason);
    events.next().map(|event| event.message.to_string())
}

/// No way down takes its time.
const AT_ONCE: &str = ", behavior: {scaleDown: {stabilizationWindowSeconds: 0}}";

#[test]
fn the_metric_that_asks_for_most_counts_and_a_missing_one_stops_the_way_down() {
    let value = |value: u32| format!("{{type: Value, value: '{value}'}}");
    let of = |name: &str, rate: u32| format!(r#"(name: "{name}", value: Constant({rate})), "#);
    // What the metrics a and b are told to be, if anything, and how many pods of four there are after two minutes.
    for (a, b, pods) in [
        (Some(100), Some(100), 4),
        (Some(200), Some(150), 8),
        (Some(150), Some(200), 8),
        (Some(50), Some(75), 3),
        (Some(25), None, 4),  // It asks for less, and nobody knows what the other one asks for.
        (Some(200), None, 8), // It asks for more.
        (None, None, 4),
    ] {
        let metrics = format!("{}, {}", external("a", &value(100)), external("b", &value(100)));
        let all = [("a", a), ("b", b)].map(|(name, rate)| rate.map_or(String::new(), |rate| of(name, rate)));
        let mut simulation = simulation(&metrics, AT_ONCE, &all.concat());
        // The way up goes on for as long as the value does not fall with it: only the first step counts.
        while simulation.now() < SimTime::from_secs(40) && [0, 4].contains(&replicas(&simulation)) {
            simulation.step().expect("the autoscaler looks");
        }
        assert_eq!(replicas(&simulation), pods, "{a:?} {b:?}");
        let failed = told(&simulation, "FailedComputeMetricsReplicas").is_some();
        assert_eq!(failed, pods == 4 && (a, b) != (Some(100), Some(100)), "{a:?} {b:?}");
    }
}

#[test]
fn each_kind_of_metric_has_its_formula() {
    let pods = "{type: Pods, pods: {metric: {name: m}, target: {type: AverageValue, averageValue: '100'}}}";
    let object = |target: &str| {
        format!(
            "{{type: Object, object: {{metric: {{name: m}}, describedObject: {{apiVersion: v1, kind: Service, name: web}}, \
             target: {target}}}}}"
        )
    };
    let value = "{type: Value, value: '100'}";
    let average = "{type: AverageValue, averageValue: '100'}";
    // The metric, what is told of it, how many pods of four that makes, and what the status says in thousandths: for
    // each pod, and of all.
    for (metric, of, rate, replicas_, average_value, all) in [
        (pods.to_owned(), r#"Pods("web-*")"#, 150, 6, Some(150_000), None),
        (pods.to_owned(), r#"Shared("web-*")"#, 600, 6, Some(150_000), None),
        (object(value), r#"Object("service/web")"#, 150, 6, None, Some(150_000)),
        (object(value), r#"Object("service/web")"#, 110, 4, None, Some(110_000)),
        (object(average), r#"Object("services/web")"#, 610, 7, Some(152_500), None),
        (external("m", value), "External", 150, 6, None, Some(150_000)),
        (external("m", average), "External", 610, 7, Some(152_500), None),
        (external("m", average), "External", 440, 4, Some(110_000), None),
        (external("m", average), "External", 210, 3, Some(52_500), None),
    ] {
        let series = format!(r#"(name: "m", of: {of}, value: Constant({rate}))"#);
        let mut simulation = simulation(&metric, AT_ONCE, &series);
        while current(&simulation).first().is_none_or(Option::is_none) {
            simulation.step().expect("the autoscaler looks");
        }
        let status = current(&simulation).remove(0).expect("it was measured");
        assert_eq!((status.average_value, status.value), (average_value, all), "{metric} {rate}");
        assert_eq!(replicas(&simulation), replicas_, "{metric} {rate}");
    }
}

#[test]
fn what_nobody_tells_is_told_of() {
    let pods = "{type: Pods, pods: {metric: {name: m}, target: {type: AverageValue, averageValue: '1'}}}".to_owned();
    let selected =
        "{type: External, external: {metric: {name: m, selector: {matchLabels: {queue: a}}}, target: {type: \
                    Value, value: '1'}}}"
            .to_owned();
    let other = r#"(name: "m", labels: {"queue": "b"}, value: Constant(5))"#;
    for (metric, series, reason, message) in [
        (
            pods.clone(),
            "",
            "FailedGetPodsMetric",
            "unable to get metric m: unable to fetch metrics from custom metrics API: no custom metrics API \
             (custom.metrics.k8s.io) registered",
        ),
        (
            pods,
            r#"(name: "n", of: Pods("web-*"), value: Constant(5))"#,
            "FailedGetPodsMetric",
            "unable to get metric m: unable to fetch metrics from custom metrics API: the server could not find the metric m \
             for pods",
        ),
        (
            selected.clone(),
            "",
            "FailedGetExternalMetric",
            "unable to get external metric \
             default/m/&LabelSelector{MatchLabels:map[string]string{queue: \
             a,},MatchExpressions:[]LabelSelectorRequirement{},}: unable to fetch metrics from external metrics API: the \
             server could not find the requested resource (get m.external.metrics.k8s.io)",
        ),
        (
            selected,
            other,
            "FailedGetExternalMetric",
            "unable to get external metric \
             default/m/&LabelSelector{MatchLabels:map[string]string{queue: \
             a,},MatchExpressions:[]LabelSelectorRequirement{},}: no metrics returned from external metrics API",
        ),
    ] {
        let mut simulation = simulation(&metric, "", series);
        simulation.run_until(SimTime::from_secs(40));
        assert_eq!(told(&simulation, reason).as_deref(), Some(message), "{series}");
    }
}

#[test]
fn an_average_is_measured_against_what_the_target_should_have() {
    // `computeStatusForResourceMetric` is asked with the replicas of the specification: that a quota keeps two of four
    // pods away is no reason to want only two.
    let manifest = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: two}\nspec: {hard: {pods: '2'}}\n---\n\
        apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 4, selector: {matchLabels: {app: \
        web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: web}]}}}\n---\n\
        apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {scaleTargetRef: \
        {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 5, metrics: [{type: Resource, resource: {name: \
        memory, target: {type: AverageValue, averageValue: 100Mi}}}]}\n";
    let scenario = r#"(duration: "20m", manifests: [File("all.yaml")], behaviors: [
        (pods: "web-*", containers: [(process: (usage: [(memory: Some("100Mi"))]))])])"#;
    let files = BTreeMap::from([("s.ron", scenario), ("all.yaml", manifest)]);
    let scenario = Scenario::load("s.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let mut simulation = scenario.simulate(1);
    simulation.run();
    assert_eq!((replicas(&simulation), simulation.pods().count()), (4, 2));
    assert_eq!(told(&simulation, "SuccessfulRescale"), None);
}

#[test]
fn what_fails_first_is_told_with_its_kind() {
    // The texts of `computeReplicasForMetric` and of what it calls; what nobody tells comes last in each.
    let unset = "no custom metrics API (custom.metrics.k8s.io) registered";
    let object = |target: &str| {
        format!(
            "{{type: Object, object: {{metric: {{name: r}}, describedObject: {{apiVersion: v1, kind: Service, \
             name: s}}, target: {target}}}}}"
        )
    };
    let (value, share) = ("{type: Value, value: '1'}", "{type: AverageValue, averageValue: '1'}");
    let of_service = format!(
        "unable to get metric r: Service on default s/unable to fetch metrics from custom metrics API: {unset}"
    );
    let of_world = "unable to get external metric default/q/nil: unable to fetch metrics from external metrics API: the server \
                    could not find the requested resource (get q.external.metrics.k8s.io)";
    let container = "{type: ContainerResource, containerResource: {name: cpu, container: zz, target: {type: AverageValue, \
                     averageValue: '1'}}}";
    for (metric, first) in [
        (object(value), format!("failed to get object metric value: {of_service}")),
        (object(share), format!("failed to get object metric value: failed to get r object metric: {of_service}")),
        (external("q", value), format!("failed to get q external metric value: failed to get external metric q: {of_world}")),
        (external("q", share), format!("failed to get q external metric value: failed to get q external metric: {of_world}")),
        (
            container.to_owned(),
            "failed to get zz container metric value: failed to get cpu usage: unable to get metrics for resource cpu: \
             failed to get container metrics: container zz not present in metrics for pod default/web-"
                .to_owned(),
        ),
    ] {
        let mut simulation = simulation(&metric, "", "");
        simulation.run_until(SimTime::from_secs(90));
        let mut failed = simulation.events().filter(|event| event.reason == "FailedComputeMetricsReplicas");
        let start = format!("invalid metrics (1 invalid out of 1), first error is: {first}");
        assert!(failed.any(|event| event.message.starts_with(&start)), "{start}\n{:?}", told(&simulation, "FailedComputeMetricsReplicas"));
    }
}

#[test]
fn who_shares_pods_with_another_does_nothing() {
    // `validateAndParseSelector`: the first one is not told before the second has asked for its metrics once.
    let scaler = |name: &str, target: &str| {
        format!(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: {name}}}\nspec: {{scaleTargetRef: \
             {{apiVersion: apps/v1, kind: Deployment, name: {target}}}, maxReplicas: 5}}\n---\n"
        )
    };
    let deployment = |name: &str, labels: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec: {{selector: {{matchLabels: {{{labels}}}}}, \
             template: {{metadata: {{labels: {{{labels}}}}}, spec: {{containers: [{{name: c, image: web}}]}}}}}}\n---\n"
        )
    };
    let (stable, canary) = (deployment("stable", "app: web"), deployment("canary", "app: web, track: canary"));
    let of_both = "are controlled by multiple HPAs: [default/a default/b]";
    for (manifest, says) in [
        (stable.clone() + &scaler("a", "stable") + &scaler("b", "stable"), &[("a", "app=web"), ("b", "app=web")][..]),
        (
            stable.clone() + &canary + &scaler("a", "stable") + &scaler("b", "canary"),
            &[("a", "app=web"), ("b", "app=web,track=canary")],
        ),
        (stable + &deployment("other", "app: other") + &scaler("a", "stable") + &scaler("b", "other"), &[]),
    ] {
        let files =
            BTreeMap::from([("s.ron", r#"(duration: "2m", manifests: [File("all.yaml")])"#), ("all.yaml", &manifest)]);
        let mut simulation =
            Scenario::load("s.ron", &files).unwrap_or_else(|problems| panic!("{problems}")).simulate(1);
        simulation.run();
        for reason in ["AmbiguousSelector", "FailedComputeMetricsReplicas"] {
            let warned = simulation.events().filter(|event| event.reason == reason && event.message.ends_with(of_both));
            let mut warned: Vec<_> =
                warned.map(|event| (event.involved.name.to_string(), event.message.to_string())).collect();
            warned.sort();
            let expected = says
                .iter()
                .map(|(name, selector)| ((*name).to_owned(), format!("pods by selector {selector} {of_both}")));
            assert_eq!(warned, expected.collect::<Vec<_>>(), "{reason}");
        }
        let active = simulation.objects().filter_map(|object| match object {
            Object::HorizontalPodAutoscaler(scaler) => {
                let mut conditions = scaler.status.conditions.iter();
                conditions
                    .find(|condition| condition.kind == "ScalingActive")
                    .map(|condition| condition.reason.to_string())
            }
            _ => None,
        });
        let ambiguous = active.filter(|reason| reason == "AmbiguousSelector").count();
        assert_eq!(ambiguous, says.len());
    }
}
