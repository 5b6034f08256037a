//! What the server's types, defaults and arithmetic make of real objects: the recorded corpora, where they are at hand.

use podsim::api::{
    Kind, Lowering, Object, Pod, PodSpec, Quantity, ResourceList, Resources, VolumeSource, lower, render, requests,
};
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

/// Where two values differ, as paths without indexes.
fn differences(a: &Value, b: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
                let step = if key.contains(['.', '/']) { "*" } else { key };
                match (of(a), of(b)) {
                    (Some(a), Some(b)) => differences(&a, &b, &format!("{path}.{step}"), found),
                    (a, b) => found.push((format!("{path}.{step}"), format!("{a:?} | {b:?}"))),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(a, b)| differences(a, b, &format!("{path}[]"), found));
        }
        _ if a == b => {}
        _ => found.push((path.to_owned(), format!("{a} | {b}"))),
    }
}

#[test]
fn real_objects_print_as_they_were_read() {
    let Some(shared) = shared() else { return };
    let mut all = BTreeMap::<String, (usize, String)>::new();
    for path in files(&shared.join("conformance/kubectl-1.36"), "objects.json") {
        for item in json(&path)["items"].as_array().into_iter().flatten() {
            let object = Lowering::of_stored().lower(item).expect("a real object").object;
            let mut found = Vec::new();
            differences(item, &render(&object), &object.kind_name(), &mut found);
            for (field, values) in found {
                let entry = all.entry(field).or_default();
                entry.0 += 1;
                entry.1 = format!("{values} in {} of {}", object.path(), path.display());
            }
        }
    }
    // What records do not hold: other addresses than one of IPv4, identities that are no UUIDs, the runtime's own
    // digits, what old events left out, and defaults of objects that were put into etcd by hand.
    for known in [
        "CronJob.status.active[].resourceVersion",
        "EndpointSlice.addressType",
        "EndpointSlice.endpoints[].addresses[]",
        "EndpointSlice.endpoints[].conditions.serving",
        "EndpointSlice.endpoints[].conditions.terminating",
        "Event.involvedObject.uid",
        "Event.reportingComponent",
        "Event.reportingInstance",
        "Event.source.component",
        "Event.source.host",
        "Node.status.images[].names",
        "PersistentVolume.status.lastPhaseTransitionTime",
        "PersistentVolume.status.reason",
        "PersistentVolumeClaim.status.capacity.storage",
        "Pod.metadata.uid",
        "Pod.spec.preemptionPolicy",
        "Pod.spec.priority",
        "Pod.status.containerStatuses[].containerID",
        "Pod.status.containerStatuses[].lastState.terminated.containerID",
        "Pod.status.containerStatuses[].state.terminated.containerID",
        "Pod.status.initContainerStatuses[].containerID",
        "Pod.status.initContainerStatuses[].lastState.terminated.containerID",
        "Pod.status.initContainerStatuses[].state.terminated.containerID",
        "Pod.status.podIPs",
        "Pod.status.qosClass",
        "Service.status.loadBalancer.ingress",
    ] {
        assert!(all.remove(known).is_some(), "{known} prints as read; strike it from the list");
    }
    assert!(all.is_empty(), "{all:#?}");
}

/// Every object of the corpora: real ones, those of the scheduler's cases, and what manifests ask for.
fn objects(shared: &Path) -> Vec<Object> {
    let stored = Lowering::of_stored();
    let mut all = Vec::new();
    for (folder, ending, list) in
        [("kubectl-1.36", "objects.json", "/items"), ("kube-scheduler-1.36", ".json", "/input/items")]
    {
        for path in files(&shared.join("conformance").join(folder), ending) {
            let items = json(&path).pointer(list).cloned().unwrap_or_default();
            let items = items.as_array().into_iter().flatten();
            all.extend(items.map(|item| stored.lower(item).expect("a real object").object));
        }
    }
    let mut paths = files(&shared.join("manifests"), ".yaml");
    paths.extend(files(&shared.join("conformance/kubernetes-1.36"), "manifest.yaml"));
    for path in paths {
        let documents = manifest::load(&std::fs::read(path).expect("a readable file")).expect("good YAML");
        all.extend(documents.iter().filter_map(|document| lower(&document.value).ok()).map(|lowered| lowered.object));
    }
    all
}

#[test]
fn what_is_printed_reads_as_the_same_record() {
    let Some(shared) = shared() else { return };
    let mut by_kind = BTreeMap::<String, usize>::new();
    for object in objects(&shared) {
        let printed = render(&object);
        let again = Lowering::of_stored().lower(&printed);
        let again = again.unwrap_or_else(|error| panic!("{error}\n{printed}")).object;
        assert_eq!(render(&again), printed, "{}", object.path());
        assert_eq!(comparable(again), comparable(object.clone()), "{}", object.path());
        *by_kind.entry(object.kind_name().to_string()).or_default() += 1;
    }
    println!("{by_kind:?}");
}

/// An object without its text, and without what only the first writer of a pod knows.
fn comparable(object: Object) -> String {
    let object = match object {
        Object::Pod(pod) => {
            let mut pod = Pod::clone(&pod);
            let spec = Arc::make_mut(&mut pod.spec);
            (spec.given_priority, spec.given_never_preempts) = (None, None);
            Object::Pod(Arc::new(pod))
        }
        other => other,
    };
    let shown = format!("{object:?}");
    let mut kept = String::new();
    let mut rest = shown.as_str();
    while let Some((before, text)) = rest.split_once(" source: \"") {
        kept.push_str(before);
        let mut escaped = false;
        let end = text.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = &text[end.expect("a closing quote") + 1..];
    }
    kept + rest
}

#[test]
fn a_pod_without_its_text_is_printed_from_the_record() {
    let Some(shared) = shared() else { return };
    let mut seen = 0;
    for object in objects(&shared) {
        let Object::Pod(pod) = object else { continue };
        let mut bare = Pod::clone(&pod);
        let spec = Arc::make_mut(&mut bare.spec);
        spec.source = Default::default();
        // Of these, only the text knew more.
        spec.volumes.retain(|volume| !matches!(volume.source, VolumeSource::Other { .. } | VolumeSource::Disk { .. }));
        let object = Object::Pod(Arc::new(bare));
        let printed = render(&object);
        let again = Lowering::of_stored().lower(&printed);
        let again = again.unwrap_or_else(|error| panic!("{error}\n{printed}")).object;
        assert_eq!(comparable(again), comparable(object), "{printed}");
        seen += 1;
    }
    println!("{seen} pods");
}

/// The pointers to every node of a value.
fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let step = field.replace('~', "~0").replace('/', "~1");
                pointers(value, &format!("{path}/{step}"), found);
            }
        }
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(at, value)| pointers(value, &format!("{path}/{at}"), found));
        }
        _ => {}
    }
}

#[test]
fn mangled_objects_are_refused_or_read_but_never_panic() {
    let Some(shared) = shared() else { return };
    let mut values = Vec::new();
    for path in files(&shared.join("conformance/kubernetes-1.36"), "manifest.yaml") {
        let documents = manifest::load(&std::fs::read(path).expect("a readable file")).expect("good YAML");
        values.extend(documents.into_iter().map(|document| document.value));
    }
    let dumps = ["fuzz-pods-1", "net-storage-1", "rollouts-1", "jobs-states-1", "nodes-1"];
    for dump in dumps {
        let dump = json(&shared.join("conformance/kubectl-1.36").join(dump).join("objects.json"));
        values.extend(dump["items"].as_array().into_iter().flatten().cloned());
    }
    let odd = [
        Value::Null,
        Value::Bool(true),
        (-1).into(),
        (i64::MAX).into(),
        1.5.into(),
        "".into(),
        "-0x é\u{0}".into(),
        serde_json::json!([]),
        serde_json::json!([null]),
        serde_json::json!({}),
        serde_json::json!({"name": 1}),
    ];
    let (mut count, mut read) = (0, 0);
    for value in &values {
        let mut paths = Vec::new();
        pointers(value, "", &mut paths);
        for path in paths {
            count += 1;
            if count % 5 != 0 {
                continue;
            }
            let mut mangled = value.clone();
            *mangled.pointer_mut(&path).expect("its own path") = odd[count / 5 % odd.len()].clone();
            for lowering in [Lowering::default(), Lowering::of_stored()] {
                if let Ok(lowered) = lowering.lower(&mangled) {
                    read += 1;
                    render(&lowered.object);
                }
            }
        }
    }
    println!("{count} places, {read} read");
}
