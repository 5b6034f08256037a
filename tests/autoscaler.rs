//! Stories of the cluster autoscaler (`control-plane.md`, 5.1): how many machines pods make it add, which machines go,
//! and which pods keep theirs.

use podsim::api::{Kind, Object};
use podsim::engine::{SimDuration, SimTime};
use podsim::scenario::Scenario;
use podsim::simulation::Simulation;
use std::collections::BTreeMap;

fn simulation(scenario: &str, manifest: &str) -> Simulation {
    let files = BTreeMap::from([("s.ron", scenario), ("all.yaml", manifest)]);
    let scenario = Scenario::load("s.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    scenario.simulate(1)
}

fn deployment(name: &str, replicas: u32, cpu: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: {replicas}\n  selector: \
         {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{containers: \
         [{{name: c, image: app, resources: {{requests: {{cpu: {cpu}}}}}}}]}}\n"
    )
}

fn daemon_set(cpu: &str, more: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: agent}}\nspec:\n  selector: {{matchLabels: {{app: \
         agent}}}}\n  template:\n    metadata: {{labels: {{app: agent}}}}\n    spec: {{{more} containers: [{{name: c, \
         image: agent, resources: {{requests: {{cpu: {cpu}}}}}}}]}}\n"
    )
}

/// What was told with a reason, the first time.
fn told(simulation: &Simulation, reason: &str) -> Option<String> {
    let mut events = simulation.events().filter(|event| event.reason == reason);
    events.next().map(|event| event.message.to_string())
}

#[test]
fn machines_are_reckoned_with_the_pods_of_daemon_sets() {
    // Machines of 4 CPUs; the DaemonSet, its pods' tolerations and selectors, and what eight pods of a CPU each need.
    let scenario = r#"(duration: "3m", manifests: [File("all.yaml")], nodes: [
        Pool(count: 0, name: "pool-{}", capacity: {"cpu": "4"}, labels: {"disk": "ssd"},
             autoscale: (max: 9, provision: "30s"))])"#;
    for (daemons, machines) in [
        (String::new(), 2),
        (daemon_set("500m", ""), 3),
        (daemon_set("2", ""), 4),
        (daemon_set("500m", "nodeSelector: {disk: hdd},"), 2),
        (daemon_set("500m", "nodeSelector: {disk: ssd},"), 3),
    ] {
        let mut simulation = simulation(scenario, &(deployment("web", 8, "1") + &daemons));
        simulation.run();
        let text = format!("pod triggered scale-up: [{{pool 0->{machines} (max: 9)}}]");
        assert_eq!(told(&simulation, "TriggeredScaleUp"), Some(text), "{daemons}");
        let ready = simulation.pods().filter(|pod| pod.meta.name.starts_with("web") && pod.status.is_ready()).count();
        assert_eq!(ready, 8, "one step was enough: {daemons}");
    }
}

/// A second machine of which nobody needs more than a little: whether it goes once it was unneeded for long enough.
fn goes(scenario_more: &str, manifest: &str) -> bool {
    goes_by("", scenario_more, manifest)
}

/// The same with settings of the autoscaler.
fn goes_by(settings: &str, scenario_more: &str, manifest: &str) -> bool {
    let scenario = format!(
        r#"(duration: "15m", manifests: [File("all.yaml")], nodes: [
            Pool(name: "stays-{{}}", capacity: {{"cpu": "4"}}),
            Pool(count: 1, name: "pool-{{}}", capacity: {{"cpu": "4"}}, labels: {{"pool": "yes"}},
                 autoscale: (max: 1, unneeded: "5m", {settings}))], {scenario_more})"#
    );
    let mut simulation = simulation(&scenario, manifest);
    simulation.run_until(SimTime::from_secs(240));
    assert!(simulation.node("pool-1").is_some(), "it is there for as long as it has to be unneeded");
    simulation.run();
    simulation.node("pool-1").is_none()
}

/// A workload that prefers the machine in question, as its pod template and pods say.
fn on_pool(name: &str, cpu: &str, annotations: &str, spec: &str) -> String {
    let affinity = "affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, \
                    preference: {matchExpressions: [{key: pool, operator: Exists}]}}]}}";
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  selector: {{matchLabels: {{app: \
         {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}, annotations: {{{annotations}}}}}\n    spec: \
         {{{affinity}, {spec} containers: [{{name: c, image: app, resources: {{requests: {{cpu: {cpu}}}}}}}]}}\n"
    )
}

#[test]
fn pods_of_daemon_sets_and_of_machines_do_not_keep_a_machine() {
    // They need not move: a machine that has nothing else is empty, however local what they write is.
    let local = "volumes: [{name: v, emptyDir: {}}],";
    let agents = daemon_set("500m", local);
    assert!(goes("", &agents));
    let mirrored = r#"actions: [(at: "10s", do: WriteStaticPod(node: "pool-1", manifest: Inline("
        {apiVersion: v1, kind: Pod, metadata: {name: own}, spec: {volumes: [{name: v, emptyDir: {}}],
         containers: [{name: c, image: agent, resources: {requests: {cpu: 500m}}}]}}")))]"#;
    assert!(goes(mirrored, &agents));
    // Their requests count for how much a machine is used (`--ignore-daemonsets-utilization=false`).
    assert!(!goes("", &daemon_set("2500m", local)));
}

#[test]
fn pods_that_do_not_count_take_away_from_what_there_is() {
    // `Calculate` of `cluster-autoscaler/simulator/utilization/info.go`: of 4 CPUs, 2500m are not reckoned with, and
    // the rest is used for 46 or 53 %.
    let own = r#"actions: [(at: "10s", do: WriteStaticPod(node: "pool-1", manifest: Inline("
        {apiVersion: v1, kind: Pod, metadata: {name: own}, spec: {
         containers: [{name: c, image: agent, resources: {requests: {cpu: 2500m}}}]}}")))]"#;
    let web = |cpu| on_pool("web", cpu, "", "");
    let with_agents = |cpu| web(cpu) + &daemon_set("2500m", "nodeSelector: {pool: 'yes'},");
    let (daemons, mirrors) = ("ignore_daemonsets_utilization: true", "ignore_mirror_pods_utilization: true");
    for (settings, more, manifest, gone) in [
        ("", "", with_agents("700m"), false),
        (daemons, "", with_agents("700m"), true),
        (daemons, "", with_agents("800m"), false),
        (mirrors, "", with_agents("700m"), false),
        ("", own, web("700m"), false),
        (mirrors, own, web("700m"), true),
        (mirrors, own, web("800m"), false),
        (daemons, own, web("700m"), false),
    ] {
        assert_eq!(goes_by(settings, more, &manifest), gone, "{settings} {more} {manifest}");
    }
}

#[test]
fn machines_that_are_not_ready_go_later() {
    // FAQ of the cluster autoscaler: `--scale-down-unready-time` is 20 minutes, and counts from when a machine is
    // unneeded.
    let lost = r#"actions: [(at: "1m", do: PowerOff(node: "pool-1"))]"#;
    for (settings, more, gone) in
        [("", "", true), ("", lost, false), (r#"unready: "10m""#, lost, true), (r#"unready: "16m""#, lost, false)]
    {
        assert_eq!(goes_by(settings, more, &deployment("web", 1, "100m")), gone, "{settings} {more}");
    }
}

#[test]
fn little_used_machines_go_if_their_pods_may_move() {
    let budget = |allowed: u32| {
        format!(
            "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: web}}\nspec: {{selector: \
             {{matchLabels: {{app: web}}}}, maxUnavailable: {allowed}}}\n"
        )
    };
    let safe = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    let (yes, no) = (format!("{safe}: 'true'"), format!("{safe}: 'false'"));
    let local = "volumes: [{name: v, emptyDir: {}}],";
    let in_memory = "volumes: [{name: v, emptyDir: {medium: Memory}}],";
    for (what, manifest, gone) in [
        ("it is used for less than half", on_pool("web", "1900m", "", ""), true),
        ("it is used for half", on_pool("web", "2", "", ""), false),
        ("its pod fits nowhere else", on_pool("web", "1", "", "nodeSelector: {pool: 'yes'},"), false),
        ("its pod is not to be moved", on_pool("web", "1", &no, ""), false),
        ("its pod has written to its disk", on_pool("web", "1", "", local), false),
        ("its pod has written to memory", on_pool("web", "1", "", in_memory), true),
        ("its pod may be moved all the same", on_pool("web", "1", &yes, local), true),
        ("its pod's budget is spent", on_pool("web", "1", "", "") + &budget(0), false),
        ("its pod's budget is spent, whatever it says", on_pool("web", "1", &yes, "") + &budget(0), false),
        ("its pod's budget has room", on_pool("web", "1", "", "") + &budget(1), true),
        (
            "its pod is nobody's",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: bare}\nspec: {nodeSelector: {pool: 'yes'}, containers: [{name: c, \
             image: app}]}\n"
                .to_owned(),
            false,
        ),
        (
            "its pod is the system's, without a budget",
            on_pool("dns", "1", "", "").replace("metadata: {name: dns}", "metadata: {name: dns, namespace: kube-system}"),
            false,
        ),
    ] {
        assert_eq!(goes("", &manifest), gone, "{what}");
    }
}

#[test]
fn machines_that_are_not_needed_are_marked_for_as_long_as_that() {
    // Twelve machines of which one is needed, then all, then one again: at most ten are marked or unmarked in one look.
    let scenario = r#"(duration: "11m", manifests: [File("all.yaml")], nodes: [
        Pool(count: 12, name: "pool-{}", capacity: {"cpu": "4"}, autoscale: (min: 1, max: 12, unneeded: "5m"))],
        actions: [(at: "2m", do: Scale(object: "deployment/web", replicas: 24)),
                  (at: "4m", do: Scale(object: "deployment/web", replicas: 1))])"#;
    let mut simulation = simulation(scenario, &deployment("web", 1, "1500m"));
    let marked = |simulation: &Simulation| {
        let nodes = &simulation.cluster().server().store().nodes;
        let is_marked = |key: &str| key == "DeletionCandidateOfClusterAutoscaler";
        nodes.iter().filter(|node| node.taints.iter().any(|taint| is_marked(&taint.key))).count()
    };
    for (seconds, nodes) in [(5, 0), (15, 10), (25, 11), (115, 11), (135, 1), (145, 0), (235, 0), (295, 11)] {
        simulation.run_until(SimTime::from_secs(seconds));
        assert_eq!(marked(&simulation), nodes, "after {seconds} s");
    }
    simulation.run();
    assert_eq!((marked(&simulation), simulation.cluster().server().store().nodes.len()), (0, 1));
    let empty = told(&simulation, "ScaleDownEmpty").expect("machines without pods have gone");
    assert!(empty.starts_with("Scale-down: removing empty node \"pool-"), "{empty}");
}

#[test]
fn pods_are_told_that_they_have_to_move_and_groups_that_they_grow() {
    let scenario = r#"(duration: "20m", manifests: [File("all.yaml")], nodes: [
        Pool(count: 1, name: "stays-{}", capacity: {"cpu": "4"}),
        Pool(count: 0, name: "pool-{}", capacity: {"cpu": "4"}, labels: {"pool": "yes"},
             autoscale: (max: 2, provision: "30s", unneeded: "1m"))],
        actions: [(at: "3m", do: Delete(object: "deployment/big"))])"#;
    let mut simulation = simulation(scenario, &(deployment("big", 1, "3500m") + "---\n" + &deployment("web", 1, "1")));
    simulation.run();
    let all = |reason: &str, kind: &str| -> Vec<String> {
        let events = simulation.events().filter(|event| event.reason == reason && event.involved.kind == kind);
        events.map(|event| event.message.to_string()).collect()
    };
    let sizes = "to 1 instead of 0 (max: 2)";
    let grown =
        [format!("Scale-up: setting group pool size {sizes}"), format!("Scale-up: group pool size set {sizes}")];
    assert_eq!(all("ScaledUpGroup", "ConfigMap"), grown);
    assert_eq!(all("ScaleDown", "Pod"), ["deleting pod for node scale down"]);
    let node = ["marked the node as toBeDeleted/unschedulable", "nodes removed by cluster autoscaler"];
    assert_eq!(all("ScaleDown", "Node"), node);
    let told = all("ScaleDown", "ConfigMap");
    let begun = "Scale-down: removing node pool-1, utilization: {0.25 0 0 0 cpu 0.25}, pods to reschedule: web-";
    assert!(told[0].starts_with(begun), "{told:?}");
    assert_eq!(told[1..], ["Scale-down: node pool-1 removed with drain"]);
}

#[test]
fn pods_of_daemon_sets_leave_a_machine_that_is_emptied() {
    // Those that may leave are evicted, which is not waited for; of an empty machine only those that say so.
    let busy = on_pool("web", "1", "", "");
    let says = |yes: &str| format!("annotations: {{cluster-autoscaler.kubernetes.io/enable-ds-eviction: '{yes}'}}");
    for (what, manifest, evicted) in [
        ("busy", busy.clone() + &daemon_set("100m", ""), true),
        (
            "busy, not to be evicted",
            busy + &daemon_set("100m", "").replace("labels", &(says("false") + ", labels")),
            false,
        ),
        ("empty", daemon_set("100m", ""), false),
        ("empty, to be evicted", daemon_set("100m", "").replace("labels", &(says("true") + ", labels")), true),
    ] {
        let scenario = r#"(duration: "15m", manifests: [File("all.yaml")], nodes: [
            Pool(name: "stays-{}", capacity: {"cpu": "4"}),
            Pool(count: 1, name: "pool-{}", capacity: {"cpu": "4"}, labels: {"pool": "yes"},
                 autoscale: (max: 1, unneeded: "5m"))])"#;
        let mut simulation = simulation(scenario, &manifest);
        simulation.run();
        assert!(simulation.node("pool-1").is_none(), "{what}");
        let told = simulation.events().filter(|event| event.reason == "ScaleDown" && event.involved.kind == "Pod");
        let mut names = told.map(|event| event.involved.name);
        assert_eq!(names.any(|name| name.starts_with("agent")), evicted, "{what}");
    }
}

#[test]
fn a_machine_that_cannot_be_emptied_stays() {
    // Two pods that are ready after five minutes, and a budget that lets one go at a time: the second may not leave
    // before the first is ready elsewhere, and evictions are tried for two minutes.
    let probe = "readinessProbe: {exec: {command: [/ready]}, initialDelaySeconds: 300}, resources";
    let budget = "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {selector: \
                  {matchLabels: {app: web}}, maxUnavailable: 1}\n";
    let manifest = on_pool("web", "100m", "", "")
        .replace("resources", probe)
        .replace("spec:\n  sel", "spec:\n  replicas: 2\n  sel");
    let scenario = r#"(duration: "15m", manifests: [File("all.yaml")], nodes: [
        Pool(name: "stays-{}", capacity: {"cpu": "4"}),
        Pool(count: 1, name: "pool-{}", capacity: {"cpu": "4"}, labels: {"pool": "yes"},
             autoscale: (max: 1, unneeded: "5m"))])"#;
    let mut simulation = simulation(scenario, &(manifest + budget));
    simulation.run_until(SimTime::from_secs(11 * 60));
    let taints = |simulation: &Simulation| -> Vec<String> {
        let node = simulation.node("pool-1").expect("it is there");
        node.taints.iter().map(|taint| taint.key.to_string()).collect()
    };
    assert_eq!(taints(&simulation), ["DeletionCandidateOfClusterAutoscaler", "ToBeDeletedByClusterAutoscaler"]);
    simulation.run_until(SimTime::from_secs(13 * 60));
    assert_eq!(taints(&simulation), [] as [&str; 0]);
    let failed: Vec<_> = simulation.events().filter(|event| event.reason == "ScaleDownFailed").collect();
    let [pod, node] = &failed[..] else { panic!("{failed:#?}") };
    assert_eq!((&*pod.involved.kind, &*pod.message), ("Pod", "failed to delete pod for ScaleDown"));
    let refused = "Cannot evict pod as it would violate the pod's disruption budget.";
    let text = format!(
        "failed to drain and delete node: Failed to drain node /pool-1, due to following errors: [failed to evict pod \
         default/{} within allowed timeout (last error: {refused})]",
        pod.involved.name
    );
    assert_eq!((&*node.involved.kind, &*node.message), ("Node", &*text));
}

#[test]
fn a_group_whose_machines_do_not_come_is_left_alone_for_longer_each_time() {
    // A machine is waited for for 15 minutes (`--max-node-provision-time`), and its group then left alone for 5 and
    // for 10.
    let scenario = r#"(duration: "70m", manifests: [File("all.yaml")], nodes: [
        Pool(count: 0, name: "pool-{}", capacity: {"cpu": "4"}, autoscale: (max: 2, provision: "10h"))])"#;
    let mut simulation = simulation(scenario, &deployment("web", 1, "1"));
    simulation.run();
    let about = |reason: &str| -> Vec<(u32, i64, String)> {
        let events = simulation.events().filter(|event| event.reason == reason);
        let start = simulation.cluster().server().clock().at(SimTime::ZERO).truncated().unix_secs();
        let minute = |event: &podsim::api::Event| (event.last_timestamp.expect("it was told").unix_secs() - start) / 60;
        events.map(|event| (event.count, minute(event), event.message.to_string())).collect()
    };
    let raised: Vec<(u32, i64)> = about("ScaledUpGroup").into_iter().map(|(count, last, _)| (count, last)).collect();
    assert_eq!(raised, [(3, 45), (3, 45)]);
    let text = "Nodes added to group pool failed to register within 15m10s";
    assert_eq!(about("ScaleUpTimedOut"), [(3, 60, text.to_owned())]);
    let reasons = about("NotTriggerScaleUp");
    let text = "pod didn't trigger scale-up: 1 in backoff after failed scale-up";
    assert!(reasons.iter().any(|(_, _, message)| message == text), "{reasons:?}");
}

#[test]
fn a_machine_that_was_just_added_stays() {
    // `--scale-down-delay-after-add`: 10 minutes, though it is unneeded for 5 of them.
    let scenario = r#"(duration: "16m", manifests: [File("all.yaml")], nodes: [
        Pool(count: 0, name: "pool-{}", capacity: {"cpu": "4"}, autoscale: (max: 2, provision: "30s", unneeded: "1m"))],
        actions: [(at: "2m", do: Scale(object: "deployment/web", replicas: 0))])"#;
    let mut simulation = simulation(scenario, &deployment("web", 2, "1"));
    let mut there: Vec<u64> = Vec::new();
    for minute in 1..16 {
        simulation.run_until(SimTime::from_secs(minute * 60));
        if simulation.objects().any(|object| matches!(object, Object::Node(_)) && object.kind() == Kind::Node) {
            there.push(minute);
        }
    }
    assert_eq!((there.first(), there.last()), (Some(&1), Some(&10)), "{there:?}");
}

#[test]
fn a_machine_without_a_node_is_given_back_and_replaced() {
    // Nobody makes the node object again: its kubelet runs on, and makes one only when it starts. The autoscaler waits
    // for it for a quarter of an hour (`--max-node-provision-time`), and its pod with it.
    let scenario = r#"(duration: "30m", manifests: [File("all.yaml")], nodes: [
        Pool(count: 2, name: "pool-{}", capacity: {"cpu": "4"}, autoscale: (min: 1, max: 2, provision: "30s"))],
        actions: [(at: "2m", do: Delete(object: "node/pool-2"))])"#;
    let mut simulation = simulation(scenario, &deployment("web", 2, "3"));
    let ready = |simulation: &Simulation| simulation.pods().filter(|pod| pod.status.is_ready()).count();
    let (deleted, waited) = (SimTime::from_secs(120), SimTime::from_secs(120 + 15 * 60));
    simulation.run_until(deleted - SimDuration::from_secs(1));
    assert_eq!(ready(&simulation), 2);
    simulation.run_until(waited);
    assert_eq!((ready(&simulation), told(&simulation, "TriggeredScaleUp")), (1, None), "the machine is waited for");
    simulation.run_until(waited + SimDuration::from_mins(3));
    assert_eq!(
        told(&simulation, "TriggeredScaleUp").as_deref(),
        Some("pod triggered scale-up: [{pool 1->2 (max: 2)}]")
    );
    assert_eq!(ready(&simulation), 2);
}

#[test]
fn a_machine_that_its_group_cannot_spare_is_not_given_back() {
    let scenario = |min| {
        format!(
            r#"(duration: "30m", manifests: [File("all.yaml")], nodes: [
                Pool(count: 1, name: "pool-{{}}", capacity: {{"cpu": "4"}},
                     autoscale: (min: {min}, max: 1, provision: "30s"))],
                actions: [(at: "2m", do: Delete(object: "node/pool-1"))])"#
        )
    };
    for (min, ready) in [(0, 1), (1, 0)] {
        let mut simulation = simulation(&scenario(min), &deployment("web", 1, "3"));
        simulation.run();
        assert_eq!(simulation.pods().filter(|pod| pod.status.is_ready()).count(), ready, "min: {min}");
    }
}

#[test]
fn a_node_that_comes_back_from_a_backup_without_its_machine_is_deleted() {
    // The backup is from when the second machine was there. It is given back before the server is set back to that.
    let scenario = r#"(duration: "30m", manifests: [File("all.yaml")], nodes: [
        Pool(count: 2, name: "pool-{}", capacity: {"cpu": "4"}, autoscale: (min: 1, max: 2, unneeded: "1m", provision: "30s"))],
        actions: [(at: "2m", do: Scale(object: "deployment/web", replicas: 1))],
        faults: [(fault: EtcdRestore, at: "1m", lasts: "9m")])"#;
    let mut simulation = simulation(scenario, &deployment("web", 2, "3"));
    simulation.run_until(SimTime::from_secs(9 * 60));
    let pool = ["pool-1", "pool-2"];
    let gone = pool.into_iter().find(|name| simulation.node(name).is_none()).expect("one is not needed");
    simulation.run_until(SimTime::from_secs(10 * 60 + 1));
    assert!(simulation.node(gone).is_some(), "as the backup knows it");
    simulation.run();
    let text = format!("Deleting node {gone} because it does not exist in the cloud provider");
    assert_eq!(told(&simulation, "DeletingNode"), Some(text));
    assert_eq!(simulation.pods().filter(|pod| pod.status.is_ready()).count(), 2, "another machine takes its place");
}

#[test]
fn what_befell_a_machine_is_not_healed_on_the_next_of_its_name() {
    // (fault and workload, what there is in the end: pods that are ready and never failed, machines).
    for (fault, replicas, ready, machines) in [
        // The second machine is away for twenty minutes; after fifteen another takes its place, and keeps it.
        (r#"SpotReclaim(notice: "10s"), on: (nodes: "pool-2"), at: "2m", lasts: "20m""#, 2, 2, 2),
        // Nobody needs the second machine: it is given back while it has no power, and does not come back with it.
        (r#"PowerLoss, on: (nodes: "pool-2"), at: "2m", lasts: "18m""#, 1, 1, 1),
    ] {
        let scenario = format!(
            r#"(duration: "40m", manifests: [File("all.yaml")], nodes: [Pool(count: 2, name: "pool-{{}}",
                capacity: {{"cpu": "4"}}, autoscale: (min: 1, max: 2, provision: "30s", unneeded: "30m", unready: "5m"))],
                faults: [(fault: {fault})])"#
        );
        let mut simulation = simulation(&scenario, &deployment("web", replicas, "3"));
        simulation.run();
        let well = simulation.pods().filter(|pod| pod.status.is_ready()).count();
        let nodes = ["pool-1", "pool-2"].into_iter().filter(|name| simulation.node(name).is_some()).count();
        assert_eq!((well, nodes, told(&simulation, "Failed")), (ready, machines, None), "{fault}");
    }
}

fn priority_class(name: &str, value: i32) -> String {
    format!("---\napiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {{name: {name}}}\nvalue: {value}\n")
}

/// A pod of a class that requests CPUs and may be bound to a node.
fn classed(name: &str, class: &str, cpu: &str, more: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{priorityClassName: {class}, {more} containers: \
         [{{name: c, image: app, resources: {{requests: {{cpu: '{cpu}'}}}}}}]}}\n"
    )
}

#[test]
fn nobody_adds_a_machine_for_a_pod_that_room_is_being_made_for() {
    // The victim takes its minute to end; what preempts it is nominated meanwhile (`filter_out_expendable.go`).
    let scenario = r#"(duration: "5m", manifests: [File("all.yaml")],
        behaviors: [(pods: "low", containers: [(process: (on_sigterm: Ignore))])],
        actions: [(at: "1m", do: Create(Inline("
{apiVersion: v1, kind: Pod, metadata: {name: high}, spec: {priorityClassName: high, containers: [
  {name: c, image: app, resources: {requests: {cpu: '3'}}}]}}")))],
        nodes: [Pool(count: 1, name: "pool-{}", capacity: {"cpu": "4"}, autoscale: (max: 3, min: 1, provision: "30s"))])"#;
    let low = classed("low", "low", "3", "terminationGracePeriodSeconds: 60,");
    let manifest = priority_class("high", 1000) + &priority_class("low", 0) + &low;
    let mut simulation = simulation(scenario, &manifest);
    simulation.run();
    assert!(simulation.pod("default", "high").expect("it was created").status.is_ready());
    assert_eq!(told(&simulation, "TriggeredScaleUp"), None);
}

#[test]
fn expendable_pods_keep_no_machine() {
    // `--expendable-pods-priority-cutoff`: bare pods would keep theirs otherwise.
    for (priority, gone) in [(-20, true), (-10, false)] {
        let bare = classed("bare", "filler", "1", "nodeSelector: {pool: 'yes'},");
        assert_eq!(goes("", &(priority_class("filler", priority) + &bare)), gone, "{priority}");
    }
}

#[test]
fn a_cluster_of_which_too_much_is_down_is_left_alone() {
    // `IsClusterHealthy`: more than three nodes, and more than 45 %.
    for (lost, adds) in [("pool-[1-3]", true), ("pool-[1-4]", false)] {
        let scenario = format!(
            r#"(duration: "15m", manifests: [File("all.yaml")], nodes: [
                Pool(count: 8, name: "pool-{{}}", capacity: {{"cpu": "4"}}, autoscale: (max: 20, provision: "30s"))],
                faults: [(fault: PowerLoss, on: (nodes: "{lost}"), at: "4m")])"#
        );
        let mut simulation = simulation(&scenario, &deployment("web", 8, "3"));
        simulation.run();
        assert_eq!(told(&simulation, "TriggeredScaleUp").is_some(), adds, "{lost}");
    }
}

#[test]
fn who_triggers_nothing_is_told_why_group_by_group() {
    // `ReasonsMessage` of `eventing_scale_up_processor.go`.
    let scenario = r#"(duration: "2m", manifests: [File("all.yaml")], nodes: [
        Pool(count: 0, name: "small-{}", capacity: {"cpu": "2"}, autoscale: (max: 3, provision: "30s")),
        Pool(count: 0, name: "medium-{}", capacity: {"cpu": "4"}, autoscale: (max: 3, provision: "30s")),
        Pool(count: 1, name: "full-{}", capacity: {"cpu": "1"}, autoscale: (max: 1, provision: "30s"))])"#;
    let mut simulation = simulation(scenario, &deployment("web", 1, "6"));
    simulation.run();
    let text = "pod didn't trigger scale-up: 2 Insufficient cpu, 1 max node group size reached";
    assert_eq!(told(&simulation, "NotTriggerScaleUp").as_deref(), Some(text));
}

/// The status that the autoscaler has written, and when.
fn status(simulation: &Simulation) -> (String, String) {
    let mut maps = simulation.objects().filter(|object| object.meta().name == "cluster-autoscaler-status");
    let map = podsim::api::render(&maps.next().expect("a ConfigMap"));
    let [status, at] = [&map["data"]["status"], &map["metadata"]["annotations"][LAST_UPDATED]];
    (status.as_str().expect("a text").to_owned(), at.as_str().expect("a time").to_owned())
}

const LAST_UPDATED: &str = "cluster-autoscaler.kubernetes.io/last-updated";

#[test]
fn the_autoscaler_tells_how_it_sees_the_cluster() {
    let scenario = r#"(duration: "3h", manifests: [File("all.yaml")], nodes: [
        Pool(count: 1, name: "stays-{}", capacity: {"cpu": "4"}),
        Pool(count: 0, name: "pool-{}", capacity: {"cpu": "4"}, labels: {"pool": "yes"},
             autoscale: (max: 2, provision: "1m", unneeded: "5m"))],
        actions: [(at: "5m", do: Delete(object: "deployment/big")),
                  (at: "2h", do: Delete(object: "configmap/cluster-autoscaler-status", namespace: Some("kube-system")))])"#;
    let mut simulation = simulation(scenario, &deployment("big", 2, "3500m"));
    simulation.run_until(SimTime::from_secs(5));
    let (text, at) = status(&simulation);
    assert!(text.starts_with("autoscalerStatus: Initializing\n"), "{text}");
    assert_eq!(at, "2026-01-01 00:00:00 +0000 UTC");
    simulation.run_until(SimTime::from_secs(25));
    let (text, at) = status(&simulation);
    let group = r#"nodeGroups:
- health:
    cloudProviderTarget: 1
    lastProbeTime: "2026-01-01T00:00:20Z"
    lastTransitionTime: "2026-01-01T00:00:10Z"
    maxSize: 2
    minSize: 0
    nodeCounts:
      longUnregistered: 0
      registered:
        notStarted: 0
        ready: 0
        suspended: 0
        total: 0
        unready:
          resourceUnready: 0
          total: 0
      unregistered: 1
    status: Healthy
  name: pool
  scaleDown:
    lastProbeTime: "2026-01-01T00:00:20Z"
    lastTransitionTime: "2026-01-01T00:00:10Z"
    status: NoCandidates
  scaleUp:
    backoffInfo: {}
    lastProbeTime: "2026-01-01T00:00:20Z"
    lastTransitionTime: "2026-01-01T00:00:10Z"
    status: InProgress
"#;
    assert!(text.contains(group), "{text}");
    assert!(text.ends_with(&format!("time: {at}\n")) && at == "2026-01-01 00:00:20 +0000 UTC", "{text}");
    // A machine that nobody needs, and after it went.
    for (secs, told) in [(400, "candidates: 1\n"), (1_200, "cloudProviderTarget: 0\n")] {
        simulation.run_until(SimTime::from_secs(secs));
        assert!(status(&simulation).0.contains(told), "after {secs} s: {}", status(&simulation).0);
    }
    // Nothing changes for hours: nothing is written. Who deletes it gets it again.
    let (_, before) = status(&simulation);
    simulation.run_until(SimTime::from_secs(7_190));
    assert_eq!(status(&simulation).1, before);
    simulation.run_until(SimTime::from_secs(7_215));
    assert!(status(&simulation).1.starts_with("2026-01-01 02:00:10"), "{}", status(&simulation).1);
}

#[test]
fn the_whole_cluster_has_no_more_and_no_less_than_its_limits() {
    // Machines of 4 CPUs and 16Gi; a pod fills each.
    let run = |limits: &str, more: &str| {
        let scenario = format!(
            r#"(duration: "20m", manifests: [File("all.yaml")], autoscaler: ({limits}), nodes: [
                Pool(count: 2, name: "pool-{{}}", capacity: {{"cpu": "4"}},
                     autoscale: (max: 5, provision: "30s", unneeded: "2m"))], {more})"#
        );
        let mut simulation = simulation(&scenario, &deployment("web", 4, "3500m"));
        simulation.run();
        let nodes = simulation.objects().filter(|object| object.kind() == Kind::Node).count();
        (nodes, told(&simulation, "NotTriggerScaleUp"))
    };
    let refused = |resources: &str| {
        Some(format!("pod didn't trigger scale-up: 1 exceeded quota: \"cluster-wide\", resources: {resources}"))
    };
    assert_eq!(run("", ""), (4, None));
    // What the limit allows of a step is taken; what is left finds it exceeded.
    assert_eq!(run(r#"cores_total: (max: "12")"#, ""), (3, refused("cpu")));
    assert_eq!(run(r#"cores_total: (max: "11"), memory_total: (max: "40Gi")"#, ""), (2, refused("cpu, memory")));
    let gone = r#"actions: [(at: "5m", do: Delete(object: "deployment/web"))]"#;
    assert_eq!(run("", gone).0, 0);
    assert_eq!(run(r#"memory_total: (min: "33Gi")"#, gone).0, 3);
}
