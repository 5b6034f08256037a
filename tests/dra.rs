//! Stories of claims on devices: made for pods, allocated with a node, given back when pods end.

use podsim::api::{Kind, Object, ResourceClaim};
use podsim::engine::SimTime;
use podsim::scenario::Scenario;
use podsim::simulation::Simulation;
use std::collections::BTreeMap;
use std::sync::Arc;

const GPUS: &str = include_str!("manifests/gpus.yaml");

/// A template and a pod that uses it.
fn template(name: &str, request: &str) -> String {
    format!(
        "---\napiVersion: resource.k8s.io/v1\nkind: ResourceClaimTemplate\nmetadata: {{name: {name}}}\nspec:\n  spec:\n    \
         devices:\n      requests: [{{name: gpu, {request}}}]\n"
    )
}

fn pod(name: &str, claim: &str, seconds: u32) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  restartPolicy: Never\n  resourceClaims: \
         [{{name: gpu, {claim}}}]\n  containers:\n  - name: app\n    image: busybox\n    command: [sleep, \
         \"{seconds}\"]\n    resources: {{claims: [{{name: gpu}}]}}\n"
    )
}

/// The cluster with these objects after so many seconds.
fn run(objects: &str, seconds: u64) -> Simulation {
    let objects = format!("{GPUS}{objects}");
    let scenario = r#"(duration: "10m", nodes: [Pool(count: 2)], manifests: [File("o.yaml")])"#;
    let files = BTreeMap::from([("s.ron", scenario), ("o.yaml", objects.as_str())]);
    let scenario = Scenario::load("s.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let mut simulation = Simulation::new(Arc::new(scenario.plan(1)), 1, &[]);
    simulation.run_until(SimTime::from_secs(seconds));
    simulation
}

fn claims(simulation: &Simulation) -> Vec<Arc<ResourceClaim>> {
    let claim = |object| match object {
        Object::ResourceClaim(claim) => Some(claim),
        _ => None,
    };
    simulation.objects().filter_map(claim).collect()
}

/// The node of a pod, and its phase.
fn place(simulation: &Simulation, name: &str) -> (String, String) {
    let pod = simulation.pod("default", name).expect("the pod is there");
    (pod.node_name.to_string(), pod.status.phase.to_string())
}

fn told(simulation: &Simulation, reason: &str, part: &str) -> bool {
    let mut events = simulation.objects().filter_map(|object| match object {
        Object::Event(event) => Some(event),
        _ => None,
    });
    events.any(|event| event.reason == reason && event.message.contains(part))
}

#[test]
fn each_pod_gets_a_claim_from_its_template_and_devices_run_out() {
    let pods: String = ["a", "b", "c", "d"].map(|name| pod(name, "resourceClaimTemplateName: one", 3600)).concat();
    let simulation = run(&(template("one", "exactly: {deviceClassName: gpu.example.com}") + &pods), 60);
    let claims = claims(&simulation);
    assert_eq!(claims.len(), 4);
    let allocated: Vec<_> = claims.iter().filter_map(|claim| claim.status.allocation.clone()).collect();
    assert_eq!(allocated.len(), 3, "there are three devices");
    for claim in claims.iter().filter(|claim| claim.status.allocation.is_some()) {
        assert_eq!(claim.status.reserved_for.len(), 1);
        assert!(claim.meta.finalizers.iter().any(|name| name == "resource.kubernetes.io/delete-protection"));
        let (owner, uid) = claim.owning_pod().expect("it was made for a pod");
        assert!(claim.meta.name.starts_with(&format!("{owner}-gpu-")) && claim.is_reserved_for(uid));
    }
    let running = ["a", "b", "c", "d"].iter().filter(|name| place(&simulation, name).1 == "Running").count();
    assert_eq!(running, 3);
    let text = "0/2 nodes are available: 2 cannot allocate all claims. still not schedulable";
    assert!(told(&simulation, "FailedScheduling", text));
}

#[test]
fn a_device_is_free_again_when_its_pod_has_finished() {
    let class = "exactly: {deviceClassName: gpu.example.com, allocationMode: All}";
    let first =
        pod("first", "resourceClaimTemplateName: all", 20) + &pod("second", "resourceClaimTemplateName: all", 20);
    let mut simulation =
        run(&(template("all", class) + &first + &pod("third", "resourceClaimTemplateName: all", 20)), 15);
    let states = |simulation: &Simulation| ["first", "second", "third"].map(|name| place(simulation, name).1);
    assert_eq!(states(&simulation).iter().filter(|phase| *phase == "Pending").count(), 1);
    simulation.run_until(SimTime::from_secs(120));
    assert!(states(&simulation).iter().all(|phase| phase == "Succeeded"), "{:?}", states(&simulation));
    assert!(claims(&simulation).is_empty(), "claims go with their pods");
}

#[test]
fn a_shared_claim_keeps_its_pods_on_one_node() {
    let claim = "---\napiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {name: shared}\nspec:\n  \
                 devices:\n    requests: [{name: gpu, exactly: {deviceClassName: gpu.example.com}}]\n";
    let pods: String = ["a", "b", "c"].map(|name| pod(name, "resourceClaimName: shared", 40)).concat();
    let mut simulation = run(&(claim.to_owned() + &pods), 30);
    let nodes = ["a", "b", "c"].map(|name| place(&simulation, name));
    assert!(nodes.iter().all(|one| *one == nodes[0] && one.1 == "Running"), "{nodes:?}");
    assert_eq!(claims(&simulation)[0].status.reserved_for.len(), 3);
    simulation.run_until(SimTime::from_secs(120));
    let left = claims(&simulation);
    assert_eq!(left.len(), 1, "a claim that somebody wrote stays");
    assert!(left[0].status.allocation.is_none() && left[0].status.reserved_for.is_empty());
    assert!(left[0].meta.finalizers.is_empty());
}

#[test]
fn selectors_choose_among_devices() {
    let select = |expression: &str| {
        let request = format!(
            "exactly: {{deviceClassName: gpu.example.com, selectors: [{{cel: {{expression: '{expression}'}}}}]}}"
        );
        template("one", &request) + &pod("a", "resourceClaimTemplateName: one", 3600)
    };
    let large = r#"device.capacity["gpu.example.com"].memory.compareTo(quantity("80Gi")) >= 0"#;
    assert_eq!(place(&run(&select(large), 30), "a"), ("node-2".to_owned(), "Running".to_owned()));
    let wrong = run(&select(r#"device.attributes["gpu.example.com"].colour == "red""#), 30);
    assert_eq!(place(&wrong, "a").1, "Pending");
    assert!(told(&wrong, "FailedScheduling", "selector #0: CEL runtime error: no such key: colour"));
}

#[test]
fn the_first_alternative_that_can_be_had_is_taken() {
    let two = "firstAvailable: [{name: two, deviceClassName: gpu.example.com, count: 3}, {name: one, deviceClassName: \
               gpu.example.com, count: 2}]";
    let simulation = run(&(template("some", two) + &pod("a", "resourceClaimTemplateName: some", 3600)), 30);
    assert_eq!(place(&simulation, "a"), ("node-1".to_owned(), "Running".to_owned()));
    let allocation = claims(&simulation)[0].status.allocation.clone().expect("allocated");
    assert!(allocation.results.iter().all(|one| one.request == "gpu/one") && allocation.results.len() == 2);
}

#[test]
fn what_is_missing_is_told() {
    let unknown = run(
        &(template("one", "exactly: {deviceClassName: tpu.example.com}")
            + &pod("a", "resourceClaimTemplateName: one", 9)),
        30,
    );
    assert!(told(&unknown, "FailedScheduling", "request gpu: device class tpu.example.com does not exist"));
    let untold = run(&pod("a", "resourceClaimTemplateName: none", 9), 30);
    let text = "PodResourceClaim gpu: resource claim template \"none\"";
    assert!(told(&untold, "FailedResourceClaimCreation", text));
    assert_eq!(place(&untold, "a").1, "Pending");
    assert_eq!(untold.objects().filter(|object| object.kind() == Kind::ResourceClaim).count(), 0);
}

#[test]
fn a_pod_that_no_scheduler_saw_waits_for_its_reservation() {
    let claim = "---\napiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {name: shared}\nspec:\n  \
                 devices:\n    requests: [{name: gpu, exactly: {deviceClassName: gpu.example.com}}]\n";
    let bound = |name: &str, claim: &str| {
        let pod = pod(name, claim, 3600);
        pod.replace("  restartPolicy: Never\n", "  restartPolicy: Never\n  nodeName: node-1\n")
    };
    // Nobody allocates for a pod without a scheduler, and what nobody has cannot be reserved.
    let objects = claim.to_owned() + &bound("a", "resourceClaimName: shared") + &bound("b", "resourceClaimName: none");
    let mut simulation = run(&objects, 30);
    let text = "Failed to prepare dynamic resources: prepare dynamic resources: ";
    let reason = "FailedPrepareDynamicResources";
    let pods = ["a", "b"].map(|name| simulation.pod("default", name).expect("it is there"));
    let claim = claims(&simulation)[0].clone();
    let not_allowed =
        format!("pod a ({}) is not allowed to use ResourceClaim shared ({})", pods[0].meta.uid, claim.meta.uid);
    assert!(told(&simulation, reason, &format!("{text}{not_allowed}")));
    let missing = "fetch ResourceClaim none: resourceclaims.resource.k8s.io \"none\" not found";
    assert!(told(&simulation, reason, &format!("{text}{missing}")));
    simulation.run_until(SimTime::from_secs(300));
    assert_eq!(place(&simulation, "a"), ("node-1".to_owned(), "Pending".to_owned()));
}

#[test]
fn a_pod_bound_by_hand_shares_what_is_allocated_already() {
    let claim = "---\napiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {name: shared}\nspec:\n  \
                 devices:\n    requests: [{name: gpu, exactly: {deviceClassName: gpu.example.com}}]\n";
    let first = run(&(claim.to_owned() + &pod("a", "resourceClaimName: shared", 3600)), 30);
    let (node, _) = place(&first, "a");
    let late = pod("b", "resourceClaimName: shared", 3600)
        .replace("  restartPolicy: Never\n", &format!("  restartPolicy: Never\n  nodeName: {node}\n"));
    let objects = claim.to_owned() + &pod("a", "resourceClaimName: shared", 3600) + &late;
    let simulation = run(&objects, 120);
    // No scheduler reserves the claim for it: the controller does, sooner or later than the kubelet looks.
    assert_eq!(claims(&simulation)[0].status.reserved_for.len(), 2);
    assert_eq!(place(&simulation, "b").1, "Running");
}
