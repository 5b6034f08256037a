//! Laws that need a cluster to look at: what a controller does there is told of as it would be, only wrongly.

use super::syncs::{out_of_turn, owned};
use super::{HISTORY_LAWS, HistoryLaw};
use crate::api::{DeleteOptions, Kind, Name, Object, Pod, Propagation, Request, Target};
use crate::components::controllers::{ControllerName, Sync, SyncInsight};
use crate::engine::SimTime;
use crate::scenario::Scenario;
use crate::simulation::{INVARIANTS, Simulation};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A StatefulSet of three pods of the first revision.
fn three() -> Simulation {
    let manifest = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {replicas: 3, serviceName: db, \
                    selector: {matchLabels: {a: db}}, template: {metadata: {labels: {a: db}}, spec: {containers: [{name: \
                    c, image: db}]}}}}";
    let scenario = r#"(manifests: [File("db.yaml")], duration: "10m")"#;
    let files = BTreeMap::from([("db.yaml", manifest), ("db.ron", scenario)]);
    let scenario = Scenario::load("db.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let mut simulation = scenario.simulate(1);
    simulation.run_until(SimTime::from_secs(60));
    assert_eq!(simulation.pods().filter(|pod| pod.status.is_ready()).count(), 3);
    simulation
}

#[test]
fn a_roll_that_does_not_begin_at_the_top_is_caught() {
    let simulation = three();
    let pods: Vec<Arc<Pod>> = simulation.pods().cloned().collect();
    let named = |name: &str| pods.iter().find(|pod| pod.meta.name == name).expect("it is there").clone();
    let sync = Sync { controller: ControllerName::StatefulSet, worker: 0, began: SimTime::from_secs(60) };
    let seen = |pods: &[Arc<Pod>]| SyncInsight { sync, pods: Some(pods.to_vec()), deletes: Vec::new() };
    let law = |pods: &[Arc<Pod>], victim: &str| out_of_turn(&seen(pods), &named(victim), simulation.cluster());
    assert_eq!(law(&pods, "db-2"), None, "it is the first to go");
    assert!(law(&pods, "db-1").is_some(), "the one above it is old");
    let newer = |pod: &Arc<Pod>| {
        let mut newer = Pod::clone(pod);
        let revision = Name::new("controller-revision-hash");
        newer.meta.labels = newer.meta.labels.with(revision, Name::new("db-new"));
        newer
    };
    let with_top = |top: Pod| [named("db-0"), named("db-1"), Arc::new(top)];
    assert_eq!(law(&with_top(newer(&named("db-2"))), "db-1"), None, "the one above it is new and well");
    let mut unready = newer(&named("db-2"));
    Arc::make_mut(&mut unready.status).conditions.clear();
    assert!(law(&with_top(unready), "db-1").is_some(), "the one above it is new and not ready");
    let mut going = newer(&named("db-2"));
    going.meta.deletion_timestamp = Some(going.meta.creation_timestamp);
    assert!(law(&with_top(going), "db-1").is_some(), "the one above it is on its way out");
    assert!(law(&pods[..2], "db-0").is_some(), "the top is not there");
}

#[test]
fn collecting_what_has_a_solid_owner_is_caught() {
    let simulation = three();
    let mut server = simulation.cluster().server().clone();
    let pod = Object::Pod(simulation.pod("default", "db-0").expect("it is there").clone());
    assert!(owned(&pod, server.store()).is_some());
    let target = Target { kind: Kind::StatefulSet, namespace: Name::new("default"), name: Name::new("db") };
    let options = DeleteOptions { propagation: Some(Propagation::Foreground), ..DeleteOptions::default() };
    server.serve(SimTime::from_secs(60), Request::Delete { target, options }).expect("the set is there");
    assert_eq!(owned(&pod, server.store()), None, "its owner waits for it to go");
    let empty = crate::api::Store::default();
    assert_eq!(owned(&pod, &empty), None, "its owner is gone");
}

#[test]
fn every_law_has_its_own_name() {
    let laws: Vec<HistoryLaw> = HISTORY_LAWS.concat();
    let all = laws.iter().map(|law| law.name).chain(INVARIANTS.iter().map(|law| law.name));
    assert_eq!(all.collect::<BTreeSet<&str>>().len(), laws.len() + INVARIANTS.len());
    assert!(laws.iter().all(|law| !law.says.is_empty() && !law.says.ends_with('.')));
}
