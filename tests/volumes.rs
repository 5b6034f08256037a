//! Stories of claims: bound at once, when their first pod is placed, or not at all.

use podsim::api::{Kind, Name, Object};
use podsim::engine::{SimDuration, SimTime};
use podsim::scenario::Scenario;
use podsim::simulation::Simulation;
use std::collections::BTreeMap;
use std::sync::Arc;

const OBJECTS: &str = r"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: disks.example.com
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";

const POD: &str = r"
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: app, image: nginx, volumeMounts: [{name: d, mountPath: /d}]}]
  volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]
";

fn simulation(text: &str) -> Simulation {
    let files = BTreeMap::from([("s.ron", text), ("objects.yaml", OBJECTS), ("pod.yaml", POD)]);
    let scenario = Scenario::load("s.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    Simulation::new(Arc::new(scenario.plan(1)), 1, &[])
}

fn find(simulation: &Simulation, kind: Kind, name: &str) -> Option<Object> {
    let mut all = simulation.objects().filter(|object| object.kind() == kind);
    all.find(|object| object.meta().name == name)
}

/// What was told about an object, oldest first.
fn reasons(simulation: &Simulation, about: &str) -> Vec<Name> {
    let mut events: Vec<_> = simulation
        .objects()
        .filter_map(|object| match object {
            Object::Event(event) if event.involved.name == about => Some((event.meta.index, event.reason)),
            _ => None,
        })
        .collect();
    events.sort_unstable();
    events.into_iter().map(|(_, reason)| reason).collect()
}

#[test]
fn a_claim_waits_for_its_first_pod_and_gets_a_volume_where_that_is() {
    let mut simulation = simulation(
        r#"(duration: "5m", manifests: [File("objects.yaml")],
            actions: [(at: "30s", do: Apply(File("pod.yaml"))),
                      (at: "2m", do: Delete(object: "pod/web")), (at: "3m", do: Delete(object: "pvc/data"))])"#,
    );
    simulation.run_until(SimTime::from_secs(29));
    assert_eq!(reasons(&simulation, "data")[0], "WaitForFirstConsumer");
    simulation.run_until(SimTime::from_secs(90));
    let Some(Object::PersistentVolumeClaim(claim)) = find(&simulation, Kind::PersistentVolumeClaim, "data") else {
        panic!("the claim is there")
    };
    assert_eq!((claim.phase.as_str(), claim.volume_name), ("Bound", Name::new(&format!("pvc-{}", claim.meta.uid))));
    let Some(Object::Pod(pod)) = find(&simulation, Kind::Pod, "web") else { panic!("the pod is there") };
    let selected = claim.meta.annotations.get(Name::new("volume.kubernetes.io/selected-node"));
    assert_eq!((selected, pod.status.is_ready()), (Some(pod.node_name), true));
    let told = reasons(&simulation, "data");
    let order = ["WaitForFirstConsumer", "ExternalProvisioning", "Provisioning", "ProvisioningSucceeded"];
    let places: Vec<usize> =
        order.iter().map(|reason| told.iter().position(|one| one == reason).expect("it was told")).collect();
    assert!(places.is_sorted(), "{told:?}");
    // Nobody wants it any more: the claim goes, and with it the volume that was made for it.
    simulation.run_until(SimTime::ZERO + SimDuration::from_mins(4));
    assert_eq!(find(&simulation, Kind::PersistentVolumeClaim, "data"), None);
    assert_eq!(find(&simulation, Kind::PersistentVolume, &claim.volume_name), None);
}
