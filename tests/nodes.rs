//! Stories of nodes: what a kubelet refuses, what it misses, what it removes, and what its lease says.

use podsim::api::{ContainerState, Kind, Name, Object};
use podsim::components::message::NodeIndex;
use podsim::engine::{SimDuration, SimTime};
use podsim::scenario::Scenario;
use podsim::simulation::Simulation;
use std::collections::BTreeMap;
use std::sync::Arc;

const FIRST: NodeIndex = NodeIndex(0);

fn simulation(scenario: &str, pods: &str) -> Simulation {
    let files = BTreeMap::from([("s.ron", scenario), ("pods.yaml", pods)]);
    let scenario = Scenario::load("s.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    Simulation::new(Arc::new(scenario.plan(1)), 1, &[])
}

/// A simulation of pods, until a moment.
fn at(secs: u64, pods: &str) -> Simulation {
    let mut simulation = simulation(r#"(duration: "10m", manifests: [File("pods.yaml")])"#, pods);
    simulation.run_until(SimTime::from_secs(secs));
    simulation
}

/// What was told of something: the reason and the message, oldest first.
fn told(simulation: &Simulation, about: &str) -> Vec<(Name, String)> {
    let mut events: Vec<_> = simulation
        .objects()
        .filter_map(|object| match object {
            Object::Event(event) if event.involved.name == about => {
                Some((event.meta.index, event.reason, event.message.to_string()))
            }
            _ => None,
        })
        .collect();
    events.sort_unstable_by_key(|(index, ..)| *index);
    events.into_iter().map(|(_, reason, message)| (reason, message)).collect()
}

fn pod(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {spec}\n")
}

#[test]
fn a_kubelet_refuses_what_its_node_cannot_be() {
    for (spec, reason, message) in [
        (
            "{nodeName: node-1, os: {name: windows}, containers: [{name: a, image: nginx}]}",
            "PodOSNotSupported",
            "Pod was rejected: Failed to admit pod as the OS field doesn't match node OS",
        ),
        (
            "{securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}, containers: [{name: a, image: nginx}]}",
            "SysctlForbidden",
            "Pod was rejected: forbidden sysctl: \"kernel.msgmax\" not allowlisted",
        ),
    ] {
        let simulation = at(30, &pod(spec));
        let status = &simulation.pod("default", "web").expect("it was created").status;
        assert_eq!((status.phase.to_string().as_str(), status.reason.as_str()), ("Failed", reason));
        assert_eq!(&*status.message, message);
    }
}

#[test]
fn of_a_critical_pod_lacking_room_and_more_only_the_rest_is_told() {
    let spec = |class: &str| {
        pod(&format!(
            "{{nodeName: node-1, {class}nodeSelector: {{nope: '1'}}, \
             containers: [{{name: a, image: nginx, resources: {{requests: {{cpu: '100'}}}}}}]}}"
        ))
    };
    for (class, reason) in [("priorityClassName: system-node-critical, ", "NodeAffinity"), ("", "OutOfcpu")] {
        let simulation = at(30, &spec(class));
        let status = &simulation.pod("default", "web").expect("it was created").status;
        assert_eq!(status.reason.as_str(), reason, "{class}");
    }
}

#[test]
fn a_container_lacks_its_environment_before_it_runs_as_root() {
    let simulation = at(
        30,
        &pod("{containers: [{name: a, image: nginx, securityContext: {runAsNonRoot: true, runAsUser: 0}, \
              envFrom: [{configMapRef: {name: none}}]}]}"),
    );
    let text = "Error: configmap \"none\" not found".to_owned();
    assert!(told(&simulation, "web").contains(&(Name::new("Failed"), text)));
}

#[test]
fn secrets_for_pulling_that_are_missing_are_told_and_nothing_else_happens() {
    let simulation = at(30, &pod("{imagePullSecrets: [{name: a}, {name: b}], containers: [{name: a, image: nginx}]}"));
    let text = "Unable to retrieve some image pull secrets (a, b); attempting to pull the image may not succeed.";
    let event = (Name::new("FailedToRetrieveImagePullSecret"), text.to_owned());
    assert!(told(&simulation, "web").contains(&event));
    assert!(simulation.pod("default", "web").is_some_and(|pod| pod.is_ready()));
}

#[test]
fn the_image_of_a_volume_is_had_before_the_container_and_fails_it_if_it_cannot_be() {
    let spec = "{containers: [{name: a, image: nginx, volumeMounts: [{name: v, mountPath: /v}]}], \
                volumes: [{name: v, image: {reference: 'registry.example/data:1', pullPolicy: IfNotPresent}}]}";
    let scenario = r#"(duration: "10m", manifests: [File("pods.yaml")], images: {"registry.example/data:1": Image()})"#;
    let after_a_minute = |spec: &str| {
        let mut simulation = simulation(scenario, &pod(spec));
        simulation.run_until(SimTime::from_secs(60));
        simulation
    };
    let events = told(&after_a_minute(spec), "web");
    let place = |text: &str| events.iter().position(|(_, message)| message.starts_with(text)).expect("it was told");
    let order = [
        place("Pulling image \"registry.example/data:1\""),
        place("Successfully pulled image \"registry.example/data:1\""),
        place("Pulling image \"nginx\""),
        place("Container started"),
    ];
    assert!(order.is_sorted(), "{events:?}");
    let simulation = after_a_minute(&spec.replace("IfNotPresent", "Never"));
    let status = &simulation.pod("default", "web").expect("it was created").status;
    let ContainerState::Waiting { reason, .. } = &status.containers[0].state else { panic!("{status:?}") };
    assert_eq!(*reason, "ErrImageNeverPull");
}

#[test]
fn nothing_is_left_of_a_finished_pod_a_minute_after_it_was_deleted() {
    let spec = "{restartPolicy: Never, containers: [{name: a, image: busybox, command: [sleep, '5']}]}";
    let scenario = r#"(duration: "10m", nodes: [Pool()], manifests: [File("pods.yaml")],
                       actions: [(at: "30s", do: Delete(object: "pod/web"))])"#;
    let mut simulation = simulation(scenario, &pod(spec));
    let left = |simulation: &Simulation| simulation.cluster().runtimes().machine(FIRST).snapshots().len();
    simulation.run_until(SimTime::from_secs(29));
    assert_eq!(left(&simulation), 1);
    simulation.run_until(SimTime::from_secs(32));
    assert_eq!((left(&simulation), simulation.pod("default", "web").is_some()), (1, false));
    simulation.run_until(SimTime::from_secs(95));
    assert_eq!(left(&simulation), 0);
}

#[test]
fn nothing_is_left_of_pods_that_were_deleted_by_force_while_the_kubelet_was_down() {
    let scenario = r#"(duration: "10m", nodes: [Pool()], manifests: [File("pods.yaml")], actions: [
        (at: "30s", do: KillKubelet(node: "node-1")), (at: "32s", do: Delete(object: "pod/web", force: true)),
        (at: "40s", do: StartKubelet(node: "node-1"))])"#;
    let mut simulation = simulation(scenario, &pod("{containers: [{name: a, image: nginx}]}"));
    let left = |simulation: &Simulation| simulation.cluster().runtimes().machine(FIRST).snapshots().len();
    simulation.run_until(SimTime::from_secs(39));
    assert_eq!(left(&simulation), 1);
    simulation.run_until(SimTime::from_secs(90));
    assert_eq!(left(&simulation), 0);
}

#[test]
fn what_runs_of_a_pod_that_is_refused_after_a_restart_is_killed() {
    let scenario = r#"(duration: "10m", nodes: [Pool(labels: {"disk": "ssd"})], manifests: [File("pods.yaml")],
        actions: [
        (at: "20s", do: Label(object: "node/node-1", set: {"disk": Some("hdd")})),
        (at: "30s", do: RestartKubelet(node: "node-1"))])"#;
    let mut simulation =
        simulation(scenario, &pod("{nodeSelector: {disk: ssd}, containers: [{name: a, image: nginx}]}"));
    simulation.run_until(SimTime::from_secs(60));
    assert_eq!(simulation.pod("default", "web").map(|pod| pod.status.reason), Some(Name::new("NodeAffinity")));
    let left = simulation.cluster().runtimes().machine(FIRST).snapshots();
    assert!(left.iter().all(|pod| !pod.anything_runs() && pod.ready_sandbox().is_none()));
}

#[test]
fn how_a_killed_pod_ended_is_asked_of_its_runtime() {
    // kubelet.go (`SyncTerminatingPod`): two lists, and what became of each sandbox and container.
    for (containers, calls) in [("{name: a, image: nginx}", 4), ("{name: a, image: nginx}, {name: b, image: redis}", 5)]
    {
        let scenario = r#"(duration: "2m", nodes: [Pool(count: 1)], manifests: [File("pods.yaml")],
            latencies: (profile: "ideal", overrides: {"runtime_call": "10ms"}),
            actions: [(at: "30s", do: Delete(object: "pod/web"))])"#;
        let mut simulation = simulation(scenario, &pod(&format!("{{containers: [{containers}]}}")));
        let mut first = |is: &dyn Fn(&Simulation) -> bool| {
            let mut tries = (30_000..120_000).map(SimTime::from_millis);
            tries.find(|now| {
                simulation.run_until(*now);
                is(&simulation)
            })
        };
        let stopped = first(&|simulation| {
            let pods = simulation.cluster().runtimes().machine(FIRST).snapshots();
            pods.iter().all(|pod| pod.ready_sandbox().is_none())
        });
        let told = first(&|simulation| simulation.pod("default", "web").is_none_or(|pod| pod.is_terminal()));
        let takes = told.expect("it ends").since(stopped.expect("its sandbox is stopped"));
        assert_eq!(takes, SimDuration::from_millis(10 * calls), "{containers}");
    }
}

#[test]
fn pulls_of_one_image_at_a_time_have_each_its_own_result() {
    let scenario = r#"(duration: "10m", manifests: [File("pods.yaml")],
        nodes: [Pool(kubelet: (serialize_image_pulls: false, max_parallel_image_pulls: Some(2)))],
        actions: [(at: "2s", do: Create(Inline("{apiVersion: v1, kind: Pod, metadata: {name: late}, spec: {containers:
                                               [{name: a, image: 'registry.test/app:1'}]}}")))],
        images: {"registry.test/app:1": Image(pulls: [(duration: Some("10s")), (result: NotFound, duration: Some("3s")),
                                                      (duration: Some("1m"))])})"#;
    let mut simulation = simulation(scenario, &pod("{containers: [{name: a, image: 'registry.test/app:1'}]}"));
    simulation.run_until(SimTime::from_secs(14));
    let failed = |name| told(&simulation, name).iter().any(|(reason, _)| *reason == "Failed");
    assert!(failed("late") && !failed("web"));
    assert!(simulation.pod("default", "web").is_some_and(|pod| pod.is_ready()));
}

#[test]
fn each_sync_of_a_pod_that_runs_tells_what_it_lacks() {
    let scenario = r#"(duration: "10m", nodes: [Pool()], manifests: [File("pods.yaml")], actions: [
        (at: "30s", do: Delete(object: "secret/there"))],
        faults: [(fault: NetworkNotReady, on: (nodes: "node-1"), at: "2m", lasts: "2m")])"#;
    let pods = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: there}}\n---\n{}",
        pod("{imagePullSecrets: [{name: there}], containers: [{name: a, image: nginx}]}")
    );
    let mut simulation = simulation(scenario, &pods);
    let count = |simulation: &Simulation, reason: &str| {
        told(simulation, "web").iter().filter(|(told, _)| *told == reason).count()
    };
    simulation.run_until(SimTime::from_secs(25));
    assert_eq!(count(&simulation, "FailedToRetrieveImagePullSecret"), 0);
    simulation.run_until(SimTime::from_secs(120));
    assert_eq!(count(&simulation, "FailedToRetrieveImagePullSecret"), 1);
    assert_eq!(count(&simulation, "NetworkNotReady"), 0);
    simulation.run_until(SimTime::from_secs(220));
    assert_eq!(count(&simulation, "NetworkNotReady"), 1);
}

#[test]
fn images_of_volumes_are_looked_for_by_each_sync() {
    let spec = "{volumes: [{name: v, image: {reference: 'registry.test/data:1', pullPolicy: Always}}],
                 containers: [{name: a, image: nginx, volumeMounts: [{name: v, mountPath: /v}]}]}";
    let simulation = at(200, &pod(spec));
    let pulling = simulation.events().find(|event| event.reason == "Pulling").expect("the image is pulled");
    assert!(pulling.count >= 3, "{}", pulling.count);
}

#[test]
fn pods_on_the_network_of_their_node_need_no_network_plugin() {
    let scenario = r#"(duration: "10m", nodes: [Pool()], actions: [(at: "20s", do: Create(File("pods.yaml")))],
        faults: [(fault: NetworkNotReady, on: (nodes: "node-1"), at: "10s", lasts: "5m"),
                 (fault: SandboxFailure(), on: (nodes: "node-1"), at: "10s", lasts: "5m")])"#;
    let spec = "{hostNetwork: true, tolerations: [{operator: Exists}], containers: [{name: a, image: nginx}]}";
    let mut simulation = simulation(scenario, &pod(spec));
    simulation.run_until(SimTime::from_secs(40));
    assert!(simulation.pod("default", "web").is_some_and(|pod| pod.is_ready()), "{:?}", told(&simulation, "web"));
}

#[test]
fn leases_are_renewed_every_ten_seconds_until_their_kubelet_dies() {
    let scenario = r#"(duration: "10m", nodes: [Pool()], actions: [(at: "2m", do: KillKubelet(node: "node-1"))])"#;
    let mut simulation = simulation(scenario, "");
    let renewed = |simulation: &Simulation| {
        let lease = simulation.leases().pop().expect("the node has a lease");
        assert_eq!(lease["spec"]["leaseDurationSeconds"], 40);
        lease["spec"]["renewTime"].as_str().expect("a time").to_owned()
    };
    let mut times = Vec::new();
    for secs in (0..240).step_by(5) {
        simulation.run_until(SimTime::from_secs(secs));
        times.push(renewed(&simulation));
    }
    assert!(times.is_sorted(), "{times:?}");
    let before: std::collections::BTreeSet<&String> = times[..24].iter().collect();
    let after: std::collections::BTreeSet<&String> = times[24..].iter().collect();
    assert!((11..=13).contains(&before.len()) && after.len() == 1, "{times:?}");
    assert!(simulation.objects().all(|object| object.kind() != Kind::Other));
}

#[test]
fn what_starts_again_is_asked_at_once_whether_it_is_ready() {
    // A container that runs again pokes its readiness worker (`manualTriggerCh` of `prober/worker.go`), also if that
    // slept through the back-off: nobody waits for the next tick.
    let scenario = r#"(duration: "12m", nodes: [Pool(count: 12)], manifests: [File("pods.yaml")], behaviors: [
        (pods: "web-*", containers: [(process: (
            duration: Constant("3s"), exit: (code: 1), listen: [(port: 80)],
        ))]),
    ])"#;
    let web = "{name: web, image: web, readinessProbe: {tcpSocket: {port: 80}, periodSeconds: 1}}";
    let pods = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: 240\n  \
         selector: {{matchLabels: {{app: web}}}}\n  template: {{metadata: {{labels: {{app: web}}}}, \
         spec: {{containers: [{web}]}}}}\n"
    );
    let mut simulation = simulation(scenario, &pods);
    let mut unready: BTreeMap<u32, u32> = BTreeMap::new();
    let mut longest = 0;
    for look in 0..12 * 600 {
        simulation.run_until(SimTime::ZERO + SimDuration::from_millis(100) * look);
        for pod in simulation.cluster().server().store().pods.iter() {
            let status = pod.status.containers.first();
            let waits = status.is_some_and(|status| status.state.is_running() && !status.ready);
            let looks = unready.entry(pod.meta.index).or_default();
            *looks = if waits { *looks + 1 } else { 0 };
            longest = longest.max(*looks);
        }
    }
    assert!(longest < 6, "{longest} tenths of a second");
}

#[test]
fn the_main_loop_of_a_kubelet_stands_still_while_its_runtime_is_down() {
    // `syncLoop` skips pod synchronization from 30 s on without a runtime: it hears of no pod, new or deleted, and does
    // nothing again and again. What came meanwhile it takes in once the runtime is back.
    let scenario = r#"(duration: "10m", nodes: [Pool(count: 1)], manifests: [File("pods.yaml")],
        actions: [
            (at: "100s", do: Create(Inline("
apiVersion: v1
kind: Pod
metadata: {name: late}
spec: {containers: [{name: app, image: app}]}"))),
            (at: "110s", do: Delete(object: "pod/gone")),
        ],
        faults: [(fault: RuntimeCrash, on: (nodes: "node-1"), at: "20s", lasts: "5m")])"#;
    let pods = "apiVersion: v1\nkind: Pod\nmetadata: {name: gone}\nspec: {containers: [{name: app, image: app}]}\n";
    let mut simulation = simulation(scenario, pods);
    simulation.run_until(SimTime::from_secs(320));
    let late = &simulation.pod("default", "late").expect("it was created").status;
    assert_eq!((late.phase.to_string().as_str(), late.conditions.len()), ("Pending", 1), "{:?}", late.conditions);
    let heard = |simulation: &Simulation, pod: &str, reason: &str| {
        told(simulation, pod).iter().filter(|(told, _)| *told == reason).count()
    };
    assert_eq!(heard(&simulation, "late", "FailedCreatePodSandBox"), 0);
    assert_eq!(heard(&simulation, "gone", "Killing"), 0);
    simulation.run_until(SimTime::from_secs(340));
    let late = &simulation.pod("default", "late").expect("it was created").status;
    assert_eq!(late.phase.to_string(), "Running");
    assert_eq!(heard(&simulation, "gone", "Killing"), 1);
    simulation.run_until(SimTime::from_secs(380));
    assert!(simulation.pod("default", "gone").is_none());
}

#[test]
fn without_scores_the_first_node_that_fits_is_taken_and_the_next_pod_starts_behind_it() {
    // `findNodesThatPassFilters` looks for one node only, and `nextStartNodeIndex` moves past it.
    let scenario = r#"(duration: "1m", nodes: [Pool(name: "n-{}", count: 4)], manifests: [File("pods.yaml")],
        scheduler: Some(Inline("
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- plugins: {preScore: {disabled: [{name: '*'}]}, score: {disabled: [{name: '*'}]}}")))"#;
    let pods: Vec<String> = (0..8)
        .map(|pod| format!("{{apiVersion: v1, kind: Pod, metadata: {{name: p-{pod}}}, spec: {{containers: [{{name: a, image: a}}]}}}}"))
        .collect();
    let mut simulation = simulation(scenario, &pods.join("\n---\n"));
    simulation.run_until(SimTime::from_secs(30));
    let mut nodes = BTreeMap::<Name, u32>::new();
    for pod in 0..8 {
        *nodes.entry(simulation.pod("default", &format!("p-{pod}")).expect("it was created").node_name).or_default() +=
            1;
    }
    assert_eq!(nodes.into_values().collect::<Vec<_>>(), [2, 2, 2, 2]);
}

#[test]
fn a_pod_that_was_evicted_for_a_taint_is_not_evicted_again_for_another() {
    // `timed_workers.go` keeps the key of work that was done, so that a later time of the same pod is no news.
    let scenario = r#"(duration: "3m", nodes: [Pool()], manifests: [File("pods.yaml")],
        behaviors: [(pods: "web", containers: [(process: (on_sigterm: Ignore))])], actions: [
            (at: "20s", do: Taint(node: "node-1", taint: "a=x:NoExecute")),
            (at: "60s", do: Taint(node: "node-1", taint: "b=x:NoExecute")),
        ])"#;
    let bears = |taint: &str, seconds: u32| {
        format!("{{key: {taint}, operator: Exists, effect: NoExecute, tolerationSeconds: {seconds}}}")
    };
    let spec = format!(
        "{{terminationGracePeriodSeconds: 600, tolerations: [{}, {}], containers: [{{name: app, image: app}}]}}",
        bears("a", 30),
        bears("b", 20)
    );
    let mut simulation = simulation(scenario, &pod(&spec));
    simulation.run();
    let evictions = simulation.events().filter(|event| event.reason == "TaintManagerEviction");
    assert_eq!(evictions.map(|event| event.count).collect::<Vec<_>>(), [1]);
    assert!(simulation.pod("default", "web").expect("it has ten minutes").meta.is_terminating());
}

#[test]
fn nodes_that_are_excluded_from_disruption_make_no_zone() {
    // Of the zones that count all nodes are lost: the fault is taken to be the controller's, and nobody is evicted.
    for (label, evicts) in [("node.kubernetes.io/exclude-disruption", false), ("disk", true)] {
        let scenario = format!(
            r#"(duration: "15m", manifests: [File("pods.yaml")], nodes: [
                Pool(count: 2, zones: ["a"]), Pool(name: "own", zones: ["b"], labels: {{"{label}": ""}})],
                faults: [(fault: PowerLoss, on: (zone: "a"), at: "2m")])"#
        );
        let spec = "{nodeSelector: {topology.kubernetes.io/zone: a}, containers: [{name: app, image: app}]}";
        let mut simulation = simulation(&scenario, &pod(spec));
        simulation.run();
        let terminating = simulation.pod("default", "web").is_none_or(|pod| pod.meta.is_terminating());
        assert_eq!(terminating, evicts, "{label}");
    }
}

#[test]
fn a_daemon_set_whose_template_names_a_node_has_one_pod_there() {
    // `NodeShouldRunDaemonPod`; a pod for each node would be refused by the one that is named, again and again.
    let set = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: agent}\nspec:\n  selector: {matchLabels: {app: agent}}\n  \
               template:\n    metadata: {labels: {app: agent}}\n    spec: {nodeName: node-2, containers: [{name: a, image: agent}]}\n";
    let mut simulation = at(60, set);
    let pods: Vec<Name> = simulation.pods().map(|pod| pod.node_name).collect();
    assert_eq!(pods, [Name::new("node-2")]);
    simulation.run();
    assert_eq!(simulation.pods().count(), 1);
}

#[test]
fn allocated_resources_outlive_the_process_of_the_kubelet() {
    // allocation_manager.go (`UpdatePodFromAllocation`), status_manager.go (`BackfillPodResizeConditions`): a resize
    // that waits goes on waiting, told once; one that is asked for meanwhile is enacted.
    let resize = |at: &str, pod: &str, cpu: &str| {
        format!(
            r#"(at: "{at}", do: Patch(object: "pod/{pod}", subresource: Some(Resize), patch:
                "{{spec: {{containers: [{{name: app, resources: {{requests: {{cpu: {cpu}}}}}}}]}}}}"))"#
        )
    };
    let scenario = format!(
        r#"(duration: "5m", nodes: [Pool(count: 1)], manifests: [File("pods.yaml")], actions: [{}, {}, {},
            (at: "40s", do: StartKubelet(node: "node-1"))])"#,
        resize("25s", "waiting", "3000m"),
        r#"(at: "30s", do: KillKubelet(node: "node-1"))"#,
        resize("35s", "growing", "200m"),
    );
    let pod = |name: &str, cpu: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [{{name: app, image: redis, \
             resources: {{requests: {{cpu: {cpu}}}}}}}]}}}}\n---\n"
        )
    };
    let pods = [pod("big", "3000m"), pod("waiting", "100m"), pod("growing", "100m")].concat();
    let mut simulation = simulation(&scenario, &pods);
    simulation.run_until(SimTime::from_secs(120));
    let resizes = |simulation: &Simulation, pod: &str| -> Vec<Name> {
        told(simulation, pod)
            .into_iter()
            .map(|(reason, _)| reason)
            .filter(|reason| reason.starts_with("Resize"))
            .collect()
    };
    let waiting = simulation.pod("default", "waiting").expect("it is there").status.clone();
    let pending = waiting.condition(Name::new("PodResizePending")).expect("it waits");
    assert_eq!((pending.reason.as_str(), waiting.phase.to_string().as_str()), ("Deferred", "Running"));
    assert_eq!(resizes(&simulation, "waiting"), ["ResizeDeferred"]);
    assert_eq!(resizes(&simulation, "growing"), ["ResizeStarted", "ResizeCompleted"]);
}

#[test]
fn a_manifest_with_a_fixed_identity_is_updated_in_place() {
    // pkg/kubelet/config/config.go (`checkAndUpdatePod`): the container is made anew, the pod and its mirror stay.
    let manifest = |image: &str| {
        format!(
            r##"WriteStaticPod(node: "node-1", manifest: Inline(r#"{{apiVersion: v1, kind: Pod,
                metadata: {{name: web, uid: 00000000-0000-0000-0000-000000000abc}},
                spec: {{containers: [{{name: a, image: {image}}}]}}}}"#))"##
        )
    };
    let actions = format!("(at: \"5s\", do: {}), (at: \"1m\", do: {})", manifest("nginx:1"), manifest("nginx:2"));
    let scenario = format!("(duration: \"3m\", nodes: [Pool(count: 1)], actions: [{actions}])");
    let mut simulation = simulation(&scenario, "");
    simulation.run_until(SimTime::from_secs(50));
    let uid = simulation.pod("default", "web-node-1").expect("its mirror is there").meta.uid;
    simulation.run_until(SimTime::from_secs(120));
    let mirror = simulation.pod("default", "web-node-1").expect("its mirror is there");
    let container = &mirror.status.containers[0];
    assert_eq!((mirror.meta.uid, container.restart_count, container.image.as_str()), (uid, 1, "nginx:2"));
}

#[test]
fn a_pod_as_a_whole_is_resized_in_place() {
    // InPlacePodLevelResourcesVerticalScaling, on in 1.36: allocated, then put into the pod's cgroup; no container is
    // touched. What is asked for of memory stays in the status as it was told first.
    let resize = |cpu: &str, memory: &str| {
        format!(
            r#"Patch(object: "pod/web", subresource: Some(Resize), patch: "{{spec: {{resources: {{requests:
                {{cpu: {cpu}, memory: {memory}}}, limits: {{cpu: '2', memory: {memory}}}}}}}}}")"#
        )
    };
    let scenario = format!(
        r#"(duration: "5m", nodes: [Pool(count: 1)], manifests: [File("pods.yaml")],
            actions: [(at: "30s", do: {}), (at: "90s", do: {})])"#,
        resize("'1'", "128Mi"),
        resize("'3500m'", "128Gi")
    );
    let spec = "{resources: {requests: {cpu: 500m, memory: 64Mi}, limits: {cpu: '2', memory: 64Mi}}, containers: [
        {name: a, image: nginx}, {name: b, image: redis}]}";
    let mut simulation = simulation(&scenario, &pod(spec));
    let shown = |simulation: &Simulation| {
        let pod = simulation.pod("default", "web").expect("it is there").clone();
        let (asks, limits) = pod.status.resources.clone().expect("a kubelet has it");
        let allocated = pod.status.allocated_resources.clone().expect("it asks for something");
        assert!(pod.status.containers.iter().all(|container| container.restart_count == 0));
        [&allocated, &asks, &limits].map(|list| (list.milli_cpu(), list.memory() >> 20))
    };
    simulation.run_until(SimTime::from_secs(29));
    assert_eq!(shown(&simulation), [(500, 64), (500, 64), (2000, 64)]);
    simulation.run_until(SimTime::from_secs(80));
    assert_eq!(shown(&simulation), [(1000, 128), (1000, 64), (2000, 128)]);
    let told: Vec<Name> = told(&simulation, "web").into_iter().map(|(reason, _)| reason).collect();
    assert!(told.ends_with(&[Name::new("ResizeStarted"), Name::new("ResizeCompleted")]), "{told:?}");
    // More than the node could ever hold is refused by the server.
    simulation.run_until(SimTime::from_secs(200));
    assert_eq!(shown(&simulation), [(1000, 128), (1000, 64), (2000, 128)]);
}

#[test]
fn a_static_pod_that_is_written_anew_waits_for_the_one_before_it() {
    // pod_workers.go (`allowStaticPodStart`, `completeTerminated`): of pods of one name one is started at a time; a pod
    // of the identity of one that is ending is started once that has been cleaned up.
    for (uid, sames) in [("", false), ("uid: 00000000-0000-0000-0000-000000000abc,", true)] {
        let manifest = |image: &str| {
            format!(
                r##"WriteStaticPod(node: "node-1", manifest: Inline(r#"{{apiVersion: v1, kind: Pod,
                    metadata: {{name: web, {uid}}}, spec: {{terminationGracePeriodSeconds: 20, containers: [
                    {{name: a, image: {image}, command: [sh, -c, "trap '' TERM; sleep 1000"]}}]}}}}"#))"##
            )
        };
        let actions = format!(
            "(at: \"5s\", do: {}), (at: \"60s\", do: RemoveStaticPod(node: \"node-1\", pod: \"web\")), \
             (at: \"65s\", do: {})",
            manifest("busybox:1"),
            manifest("busybox:2")
        );
        let scenario = format!("(duration: \"3m\", nodes: [Pool(count: 1)], actions: [{actions}])");
        let mut simulation = simulation(&scenario, "");
        let hash = |simulation: &Simulation| {
            let mirror = simulation.pod("default", "web-node-1").expect("its mirror is there");
            let annotation = |name: &str| mirror.meta.annotations.get(Name::new(name));
            assert_eq!(annotation("kubernetes.io/config.hash"), annotation("kubernetes.io/config.mirror"));
            annotation("kubernetes.io/config.hash").expect("it is a mirror").to_string()
        };
        let running = |simulation: &Simulation| -> Vec<String> {
            let pods = simulation.cluster().runtimes().machine(FIRST).snapshots();
            let instances = pods.iter().flat_map(|pod| &pod.containers);
            let up = instances.filter(|one| one.state == podsim::components::cri::InstanceState::Running);
            up.map(|one| one.image.to_string()).collect()
        };
        simulation.run_until(SimTime::from_secs(59));
        let first = hash(&simulation);
        for second in 60..80 {
            simulation.run_until(SimTime::from_secs(second));
            assert_eq!(running(&simulation), ["busybox:1"], "{uid} {second} s");
        }
        simulation.run_until(SimTime::from_secs(150));
        assert_eq!(running(&simulation), ["busybox:2"], "{uid}");
        let second = hash(&simulation);
        assert_eq!(first == second, sames);
        let digits = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(sames || digits(&first) && digits(&second), "{first} {second}: no dashes, as in static-pod-mirror");
    }
}

#[test]
fn a_shutdown_that_is_withdrawn_is_told() {
    // nodeshutdown_manager_linux.go (`start`).
    let scenario = r#"(duration: "3m", nodes: [Pool(kubelet: (shutdown: (by_priority: [(0, "10s")])))], actions: [
        (at: "20s", do: ShutdownNode(node: "node-1")), (at: "40s", do: CancelShutdown(node: "node-1"))])"#;
    let mut simulation = simulation(scenario, "");
    simulation.run_until(SimTime::from_secs(100));
    let said: Vec<String> = told(&simulation, "node-1")
        .into_iter()
        .filter(|(reason, _)| *reason == "Shutdown")
        .map(|(_, message)| message)
        .collect();
    assert_eq!(said, ["Shutdown manager detected shutdown event", "Shutdown manager detected shutdown cancellation"]);
}

#[test]
fn an_image_that_was_pulled_with_a_secret_is_not_for_everybody() {
    // image_pull_manager.go (`MustAttemptImagePull`): pods without the secret pull it anew, or have none; what a
    // kubelet knows of that outlives its process.
    let secret = |name: &str, auth: &str| {
        format!(
            r#"{{apiVersion: v1, kind: Secret, metadata: {{name: {name}}}, type: kubernetes.io/dockerconfigjson,
                stringData: {{.dockerconfigjson: '{{"auths": {{"https://r.example/v2/": {{"auth": "{auth}"}}}}}}'}}}}
---
"#
        )
    };
    let pod = |name: &str, policy: &str, secret: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{imagePullSecrets: [{secret}], \
             containers: [{{name: app, image: r.example/x:1, imagePullPolicy: {policy}}}]}}}}\n---\n"
        )
    };
    let mine = "{name: mine}";
    let first = [secret("mine", "dTpw"), secret("same", "dTpw"), secret("other", "dTpx"), pod("first", "Always", mine)];
    let never = pod("never", "Never", "{name: other}");
    let rest = [
        pod("again", "IfNotPresent", mine),
        pod("same", "IfNotPresent", "{name: same}"),
        pod("none", "IfNotPresent", ""),
        never,
    ];
    let scenario = format!(
        r##"(duration: "3m", nodes: [Pool(count: 1)], manifests: [File("pods.yaml")],
            images: {{"r.example/x:1": Image(pulls: [(duration: Some("1s")), (result: Unauthorized)])}},
            actions: [(at: "20s", do: RestartKubelet(node: "node-1")), (at: "40s", do: Create(Inline(r#"{}"#)))])"##,
        rest.concat()
    );
    let mut simulation = simulation(&scenario, &first.concat());
    simulation.run_until(SimTime::from_secs(60));
    for (name, has) in [
        ("first", "Pulled"),
        ("again", "Pulled"),
        ("same", "Pulled"),
        ("none", "Failed"),
        ("never", "ErrImageNeverPull"),
    ] {
        let reasons: Vec<Name> = told(&simulation, name).into_iter().map(|(reason, _)| reason).collect();
        let pulled = reasons.contains(&Name::new("Pulling"));
        assert!(reasons.contains(&Name::new(has)), "{name}: {reasons:?}");
        assert_eq!(pulled, matches!(name, "first" | "none"), "{name}: {reasons:?}");
    }
}

#[test]
fn heartbeats_are_renewed_every_five_minutes_until_their_kubelet_dies() {
    // kubelet.md 9: a status without news is written when it is five minutes old, the first time up to half as much
    // sooner or later.
    let scenario = r#"(duration: "2h", nodes: [Pool()], actions: [(at: "1h", do: KillKubelet(node: "node-1"))])"#;
    let mut simulation = simulation(scenario, "");
    let mut times: Vec<i64> = Vec::new();
    for minute in 0..80 {
        simulation.run_until(SimTime::from_secs(60 * minute));
        let node = simulation.objects().find(|object| object.kind() == Kind::Node).expect("there is one");
        let shown = simulation.shown(&node);
        let conditions = shown["status"]["conditions"].as_array().expect("a list");
        let beats: std::collections::BTreeSet<&str> =
            conditions.iter().map(|c| c["lastHeartbeatTime"].as_str().expect("a time")).collect();
        assert_eq!(beats.len(), 1, "{conditions:?}");
        let beat: jiff::Timestamp = beats.first().expect("one").parse().expect("a time");
        times.push(beat.as_second());
    }
    times.dedup();
    assert!((11..=13).contains(&times.len()), "{times:?}");
    let apart: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((150..465).contains(&apart[0]), "{apart:?}");
    assert!(apart[1..].iter().all(|apart| (300..315).contains(apart)), "{apart:?}");
}
