//! What the server's types, defaults and arithmetic make of real objects: the recorded corpora, where they are at hand.

use podsim::api::{Kind, Lowering, Object, Pod, PodSpec, Quantity, ResourceList, Resources, lower, requests};
use podsim::scenario::manifest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder with what was recorded elsewhere, if it lies beside the repository.
fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = ["../shared", "../../shared"].map(|way| root.join(way)).into_iter().find(|path| path.is_dir());
    if found.is_none() {
        println!("no folder `shared` beside the repository: nothing is compared");
    }
    found
}

/// The files of a folder and those below it, in order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn pod(value: &Value) -> Arc<Pod> {
    match lower(value).unwrap_or_else(|error| panic!("{error}")).object {
        Object::Pod(pod) => pod,
        other => panic!("{} is no pod", other.path()),
    }
}

fn amounts(value: &Value) -> ResourceList {
    let fields = value.as_object().into_iter().flatten();
    let amount = |(name, text): (&String, &Value)| {
        let quantity = Quantity::from_json(text).expect("a quantity");
        let milli = name == "cpu";
        (name.into(), if milli { quantity.milli_value() } else { quantity.value() })
    };
    fields.map(amount).collect()
}

#[test]
fn requests_are_computed_as_the_real_helpers_do() {
    let Some(shared) = shared() else { return };
    let cases = json(&shared.join("conformance/kube-scheduler-1.36/requests/cases.json"));
    let cases = cases["cases"].as_array().expect("a list of cases");
    assert!(cases.len() >= 64);
    for case in cases {
        let (id, expect) = (&case["id"], &case["expect"]);
        let pod = pod(&case["podAsWritten"]);
        let (spec, status) = (&*pod.spec, &*pod.status);
        admitted(id, &case["afterAdmission"], spec);
        assert_eq!(requests::qos_class(spec).to_string(), expect["qosClass"], "{id}");
        for (name, computed) in [
            ("podRequests", requests::requests(spec)),
            ("podLimits", requests::limits(spec)),
            ("podRequestsWithStatus", requests::requests_with_status(spec, status)),
            ("podLimitsWithStatus", requests::limits_with_status(spec, status)),
        ] {
            assert_eq!(computed, amounts(&expect[name]), "{id} {name}");
        }
        assert_eq!(spec.requests, vector(&expect["fitFilterRequest"]), "{id} fitFilterRequest");
        let charged = Resources::from(&requests::requests_with_status(spec, status));
        assert_eq!(charged, vector(&expect["nodeAccounting"]), "{id} nodeAccounting");
        let non_zero = requests::non_zero_requests_with_status(spec, status);
        let expected = (&expect["nodeAccountingNonZeroMilliCPU"], &expect["nodeAccountingNonZeroMemory"]);
        assert_eq!(non_zero, (expected.0.as_i64().expect("CPU"), expected.1.as_i64().expect("memory")), "{id}");
    }
}

fn admitted(id: &Value, expected: &Value, spec: &PodSpec) {
    let lists = [("containers", &spec.containers), ("initContainers", &spec.init_containers)];
    for (list, containers) in lists {
        let expected = expected[list].as_array().map_or(&[][..], Vec::as_slice);
        assert_eq!(containers.len(), expected.len(), "{id}");
        for (container, expected) in containers.iter().zip(expected) {
            assert_eq!(container.requests, amounts(&expected["resources"]["requests"]), "{id} {}", container.name);
            assert_eq!(container.limits, amounts(&expected["resources"]["limits"]), "{id} {}", container.name);
        }
    }
    assert_eq!(spec.overhead, amounts(&expected["overhead"]), "{id}");
    let own = &expected["podResources"];
    let own = own.is_object().then(|| (amounts(&own["requests"]), amounts(&own["limits"])));
    assert_eq!(spec.resources, own, "{id}");
}

fn vector(value: &Value) -> Resources {
    let amount = |name: &str| value[name].as_i64().unwrap_or_default();
    let scalars = value["scalar"].as_object().into_iter().flatten();
    Resources {
        milli_cpu: amount("milliCPU"),
        memory: amount("memoryBytes"),
        ephemeral_storage: amount("ephemeralStorageBytes"),
        scalars: scalars.map(|(name, amount)| (name.into(), amount.as_i64().expect("an amount"))).collect(),
    }
}

#[test]
fn the_scheduler_corpus_lowers_without_a_refusal() {
    let Some(shared) = shared() else { return };
    let mut found = BTreeMap::<Kind, usize>::new();
    for path in files(&shared.join("conformance/kube-scheduler-1.36"), ".json") {
        let case = json(&path);
        for item in case["input"]["items"].as_array().into_iter().flatten() {
            // Pods and nodes passed the real validation; the others were made for the scheduler alone.
            let is_whole = matches!(item["kind"].as_str(), Some("Pod" | "Node")) && case["featureGates"].is_null();
            let lowering = if is_whole { Lowering::default() } else { Lowering::of_stored() };
            let lowered = lowering.lower(item);
            let lowered = lowered.unwrap_or_else(|error| panic!("{}: {error}\n{item}", path.display()));
            *found.entry(lowered.object.kind()).or_default() += 1;
        }
    }
    println!("{found:?}");
}

#[test]
fn real_objects_lower_without_a_refusal() {
    let Some(shared) = shared() else { return };
    let mut found = BTreeMap::<String, usize>::new();
    for path in files(&shared.join("conformance/kubectl-1.36"), "objects.json") {
        for item in json(&path)["items"].as_array().into_iter().flatten() {
            let lowered = Lowering::of_stored().lower(item);
            let lowered = lowered.unwrap_or_else(|error| panic!("{}: {error}\n{item}", path.display()));
            *found.entry(lowered.object.kind_name().to_string()).or_default() += 1;
        }
    }
    println!("{found:?}");
}

#[test]
fn manifests_load_and_lower() {
    let Some(shared) = shared() else { return };
    let mut paths = files(&shared.join("manifests"), ".yaml");
    paths.extend(files(&shared.join("manifests/kubernetes-docs"), ".json"));
    paths.extend(files(&shared.join("conformance/kubernetes-1.36"), "manifest.yaml"));
    let (mut objects, mut refused, mut no_effect) = (0, BTreeMap::new(), BTreeMap::<String, usize>::new());
    for path in &paths {
        let bytes = std::fs::read(path).expect("a readable file");
        let documents = manifest::load(&bytes).unwrap_or_else(|errors| panic!("{}: {errors:?}", path.display()));
        for document in documents {
            objects += 1;
            match lower(&document.value) {
                Ok(lowered) => {
                    lowered.no_effect.into_iter().for_each(|field| *no_effect.entry(field).or_default() += 1)
                }
                Err(error) => {
                    refused.insert(error.to_string(), path.display().to_string());
                }
            }
        }
    }
    println!("{} files, {objects} objects; without effect: {no_effect:#?}", paths.len());
    let expected = [
        "no matches for kind \"PodDisruptionBudget\" in version \"policy/v1beta1\"",
        "no matches for kind \"Prometheus\" in version \"monitoring.coreos.com/v1\"",
        // Its labels and selector are kustomize's business.
        "Deployment.apps \"metrics-server\" is invalid: [spec.selector: Required value, spec.template.metadata.labels: \
         Invalid value: {}: `selector` does not match template `labels`]",
    ];
    refused.retain(|message, _| !expected.contains(&message.as_str()));
    assert!(refused.is_empty(), "{refused:#?}");
}
