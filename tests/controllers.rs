//! Stories of controllers that no recording tells, and laws that hold in every run.
//!
//! The stories follow the worked examples of Kubernetes 1.36's own tests; the laws are checked after every change
//! that a run makes.

use podsim::api::{Change, ChangeKind, Kind, Name, Node, Object, PodPhase, TaintEffect, Timestamp, Uid};
use podsim::engine::SimTime;
use podsim::scenario::Scenario;
use podsim::scenario::recorded::RecordedCase;
use podsim::simulation::{Cluster, Run, Simulation, Trace};
use std::collections::BTreeMap;
use std::sync::Arc;

const SEEDS: std::ops::Range<u64> = 1..4;

/// A Deployment of `web`, three replicas unless said otherwise.
fn deployment(namespace: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: {namespace}}}\nspec:\n  replicas: \
         {replicas}\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n\
         \x20   spec:\n      containers: [{{name: app, image: registry.test/app:1}}]\n"
    )
}

/// A script: so many nodes, for so long, and actions.
fn script(nodes: u32, seconds: u32, actions: &str) -> String {
    let mut text = format!("case: story\nisolation: exclusive\nduration_ms: {}\nnodes:\n", seconds * 1_000);
    for node in 0..nodes {
        text += &format!("- {{name: node-{node}, cpu: '4', memory: 8Gi, pods: 110}}\n");
    }
    if !actions.is_empty() {
        text += "actions:\n";
        text += actions;
    }
    text
}

/// Runs a story with a seed under the eyes of its laws.
fn run(manifest: &str, script: &str, seed: u64) -> (Run, Laws) {
    let case = RecordedCase::parse(manifest.as_bytes(), script.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let mut run = Run::new(Arc::new(case.plan(seed)), seed);
    let mut laws = Laws::default();
    run.run(&mut laws);
    (run, laws)
}

/// What must hold after every change (`control-plane.md`, 8.2; the numbers are those of its list).
#[derive(Debug, Default)]
struct Laws {
    before: BTreeMap<Uid, Object>,
    /// When each node got a NoExecute taint for want of a sign of life.
    tainted: Vec<(SimTime, Name)>,
    version: u64,
}

impl Trace for Laws {
    fn changed(&mut self, now: SimTime, _cause: u64, change: &Change, _cluster: &Cluster) {
        let new = &change.object;
        let meta = new.meta();
        assert!(meta.resource_version > self.version, "1: versions grow, {}", new.path());
        self.version = meta.resource_version;
        let before = self.before.get(&meta.uid).cloned();
        if let Some(before) = &before {
            self.check(before, new, change.kind);
        }
        if let Object::EndpointSlice(slice) = new {
            let sound = slice.endpoints.iter().all(|end| !end.ready || end.serving && !end.terminating);
            assert!(sound, "56: ready means serving and not terminating, {slice:?}");
        }
        if let Object::Node(node) = new {
            let silent = |object: &Object| match object {
                Object::Node(node) => node.taints.iter().any(|taint| {
                    taint.effect == TaintEffect::NoExecute && taint.key == "node.kubernetes.io/unreachable"
                }),
                _ => false,
            };
            if silent(new) && !before.as_ref().is_some_and(silent) {
                self.tainted.push((now, node.meta.name));
            }
        }
        if change.kind == ChangeKind::Deleted {
            assert!(meta.finalizers.is_empty() || before.is_some(), "7: finalizers hold, {}", new.path());
            self.before.remove(&meta.uid);
        } else {
            self.before.insert(meta.uid, new.clone());
        }
    }
}

impl Laws {
    fn check(&self, before: &Object, new: &Object, kind: ChangeKind) {
        let (old, meta, path) = (before.meta(), new.meta(), new.path());
        assert!(meta.generation >= old.generation, "10: generations grow, {path}");
        if let Some(deletion) = old.deletion_timestamp {
            let at: Option<Timestamp> = meta.deletion_timestamp;
            assert!(at.is_some_and(|at| at <= deletion), "6: a deletion is never put off, {path}");
            assert!(meta.deletion_grace_period <= old.deletion_grace_period, "6: grace never grows, {path}");
        }
        match (before, new) {
            (Object::Pod(old), Object::Pod(pod)) => {
                assert!(old.node_name.is_empty() || old.node_name == pod.node_name, "4: bound once, {path}");
                assert!(!old.is_terminal() || pod.is_terminal(), "14: ends are final, {path}");
                assert_eq!(old.status.qos_class, pod.status.qos_class, "11: {path}");
                assert_ne!(pod.status.phase, PodPhase::Unknown, "65: {path}");
            }
            (Object::Job(old), Object::Job(job)) => {
                let (old, new) = (&old.status, &job.status);
                assert!(old.succeeded <= new.succeeded && old.failed <= new.failed, "48: counters grow, {path}");
                let ended = |name: &str| new.true_condition(Name::new(name)).is_some();
                assert!(!(ended("Complete") && ended("Failed")), "50: one end, {path}");
            }
            (Object::PodDisruptionBudget(_), Object::PodDisruptionBudget(budget)) => {
                assert!(budget.status.disruptions_allowed >= 0, "17: {path}");
            }
            _ => {}
        }
        assert!(kind == ChangeKind::Deleted || before != new, "15: a write that changes nothing tells nobody, {path}");
    }
}

fn count(run: &Run, kind: Kind, namespace: &str) -> usize {
    let store = run.cluster().server().store();
    store.list(kind).iter().filter(|object| object.meta().namespace == namespace).count()
}

#[test]
fn what_a_stateful_set_makes_is_looked_at_when_it_is_made() {
    // (a field of the container, the claim's spec, what is told).
    for (field, claim, words) in [
        (
            "imagePullPolicy: always",
            "accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}",
            "Create Pod db-0 in StatefulSet db failed error: Pod \"db-0\" is invalid: \
          spec.containers[0].imagePullPolicy: Unsupported value: \"always\": supported values: \"Always\", \
          \"IfNotPresent\", \"Never\"",
        ),
        (
            "tty: true",
            "accessModes: [ReadWriteOnce]",
            "Create Claim data-db-0 for Pod db-0 in StatefulSet db failed error: PersistentVolumeClaim \"data-db-0\" is \
          invalid: spec.resources[storage]: Required value",
        ),
    ] {
        let manifest = format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: db}}\nspec:\n  serviceName: db\n  selector: \
             {{matchLabels: {{app: db}}}}\n  volumeClaimTemplates: [{{metadata: {{name: data}}, spec: {{{claim}}}}}]\n  \
             template:\n    metadata: {{labels: {{app: db}}}}\n    spec:\n      containers: [{{name: app, image: \
             registry.test/app:1, {field}}}]\n"
        );
        let (run, _) = run(&manifest, &script(1, 20, ""), 1);
        let events = run.cluster().objects(Kind::Event);
        let told = |event: &Object| matches!(event, Object::Event(event) if *event.message == *words);
        assert!(events.iter().any(told), "{words}: {events:#?}");
    }
}

#[test]
fn events_go_an_hour_after_they_were_written() {
    let script = script(1, 60, "");
    let manifest = deployment("default", 1);
    let case = RecordedCase::parse(manifest.as_bytes(), script.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let mut run = Run::new(Arc::new(case.plan(1)), 1);
    let mut events_at = |seconds| {
        run.run_until(SimTime::from_secs(seconds), &mut ());
        run.cluster().objects(Kind::Event).len()
    };
    assert!(events_at(60) > 5);
    assert_eq!(events_at(3_600), events_at(60), "none goes too early");
    assert_eq!(events_at(3_800), 0);
}

#[test]
fn nothing_is_left_of_what_a_deleted_owner_had() {
    let script = script(1, 40, "- {at_ms: 10000, do: delete, kind: Deployment, name: web}\n");
    for seed in SEEDS {
        let (run, _) = run(&deployment("default", 12), &script, seed);
        let store = run.cluster().server().store();
        let left = [Kind::Deployment, Kind::ReplicaSet, Kind::Pod].map(|kind| store.list(kind).len());
        assert_eq!(left, [0, 0, 0], "seed {seed}");
    }
}

#[test]
fn a_namespace_takes_everything_with_it() {
    let manifest = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: team}}\n---\n{}", deployment("team", 3));
    let quiet = script(2, 60, "");
    let deleted = script(2, 60, "- {at_ms: 10000, do: delete, kind: Namespace, name: team}\n");
    for seed in SEEDS {
        let (stays, _) = run(&manifest, &quiet, seed);
        assert_eq!((count(&stays, Kind::Pod, "team"), count(&stays, Kind::ReplicaSet, "team")), (3, 1));
        let (gone, _) = run(&manifest, &deleted, seed);
        let left: usize = Kind::ALL.iter().map(|kind| count(&gone, *kind, "team")).sum();
        let namespace = gone.cluster().server().store().namespaces.find(Name::default(), Name::new("team"));
        assert_eq!((left, namespace.is_some()), (0, false), "seed {seed}");
    }
}

#[test]
fn zones_are_emptied_at_a_pace_that_depends_on_how_much_is_left() {
    // control-plane.md 4.4, `TestApplyNoExecuteTaints`: (nodes, of which fail, how many are tainted within two minutes,
    // how many in the end). Leases lapse within ten seconds: the first may be tainted before the others are missed.
    let cases = [(4, 1, 1..=1, 1), (4, 2, 2..=2, 2), (4, 3, 0..=1, 1), (2, 2, 0..=1, 0), (1, 1, 0..=0, 0)];
    for (nodes, fail, tainted, left) in cases {
        let kill = |node| format!("- {{at_ms: 5000, do: kill_kubelet, node: node-{node}}}\n");
        let actions: String = (0..fail).map(kill).collect();
        for seed in SEEDS {
            let (run, laws) = run(&deployment("default", 2), &script(nodes, 125, &actions), seed);
            let is_tainted = |node: &&Arc<Node>| node.taints.iter().any(|taint| taint.effect == TaintEffect::NoExecute);
            let still = run.cluster().server().store().nodes.iter().filter(is_tainted).count();
            assert!(still <= left, "{still} of {nodes} nodes stay tainted, seed {seed}");
            let times: Vec<SimTime> = laws.tainted.iter().map(|(at, _)| *at).collect();
            assert!(tainted.contains(&times.len()), "{fail} of {nodes} nodes, seed {seed}: {:?}", laws.tainted);
            for pair in times.windows(2) {
                let apart = pair[1].since(pair[0]).as_millis();
                assert!((9_800..=15_500).contains(&apart), "one node each ten seconds, not {apart} ms");
            }
        }
    }
}

#[test]
fn quotas_budgets_and_history_come_to_rest() {
    // A rollout under a budget and a quota, then a scale-down: the laws hold, and counts agree in the end.
    let manifest = format!(
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: web}}\nspec:\n  maxUnavailable: 30%\n  \
         selector: {{matchLabels: {{app: web}}}}\n---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: \
         q}}\nspec: {{hard: {{pods: '20', count/replicasets.apps: '5'}}}}\n---\n{}",
        deployment("default", 5)
    );
    let actions = "- {at_ms: 10000, do: set_image, kind: Deployment, name: web, container: app, image: \
                   'registry.test/app:2'}\n- {at_ms: 40000, do: scale, kind: Deployment, name: web, replicas: 2}\n";
    for seed in SEEDS {
        let (run, _) = run(&manifest, &script(2, 90, actions), seed);
        let store = run.cluster().server().store();
        assert_eq!((store.pods.len(), store.replica_sets.len()), (2, 2), "seed {seed}");
        let budget = store.pod_disruption_budgets.iter().next().expect("a budget");
        // control-plane.md A.12: 30 % of two, rounded up, may go.
        assert_eq!((budget.status.expected_pods, budget.status.disruptions_allowed), (2, 1));
        let quota = store.resource_quotas.iter().next().expect("a quota");
        let used = |name: &str| quota.status.used.get(Name::new(name));
        assert_eq!((used("pods"), used("count/replicasets.apps")), (Some(2), Some(2)));
    }
}

/// When an eviction first showed in its budget, in its pod's conditions, and in the pod's deletion.
#[derive(Debug, Default)]
struct Evicted([Option<SimTime>; 3]);

impl Trace for Evicted {
    fn changed(&mut self, now: SimTime, _cause: u64, change: &Change, _cluster: &Cluster) {
        let target = Name::new("DisruptionTarget");
        let shows = match &change.object {
            Object::PodDisruptionBudget(budget) => [!budget.status.disrupted_pods.is_empty(), false, false],
            Object::Pod(pod) => [false, pod.status.condition(target).is_some(), pod.meta.is_terminating()],
            _ => [false; 3],
        };
        for (first, shows) in self.0.iter_mut().zip(shows) {
            if shows {
                first.get_or_insert(now);
            }
        }
    }
}

#[test]
fn an_eviction_is_three_writes_one_after_the_other() {
    // `EvictionREST.Create`: recorded are some 3 ms from the budget to the condition, and from that to the deletion.
    let manifest = format!(
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: web}}\nspec:\n  minAvailable: 1\n  \
         selector: {{matchLabels: {{app: web}}}}\n---\n{}",
        deployment("default", 2)
    );
    let script = script(1, 20, "- {at_ms: 10000, do: evict, name: 'web-*', pick: oldest}\n");
    for seed in SEEDS {
        let case =
            RecordedCase::parse(manifest.as_bytes(), script.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let mut evicted = Evicted::default();
        Run::new(Arc::new(case.plan(seed)), seed).run(&mut evicted);
        let [Some(charged), Some(marked), Some(deleted)] = evicted.0 else { panic!("seed {seed}: {evicted:?}") };
        let apart = [marked.since(charged), deleted.since(marked)].map(|span| span.as_nanos() / 1_000);
        assert!(apart.iter().all(|apart| (150..80_000).contains(apart)), "seed {seed}: {apart:?}");
    }
}

/// When pods were created.
#[derive(Debug, Default)]
struct Created(Vec<SimTime>);

impl Trace for Created {
    fn changed(&mut self, now: SimTime, _cause: u64, change: &Change, _cluster: &Cluster) {
        if change.kind == ChangeKind::Added && change.object.kind() == Kind::Pod {
            self.0.push(now);
        }
    }
}

#[test]
fn pods_of_one_batch_are_not_created_at_one_instant() {
    // 1, 2, 4 and 8 at once (`slowStartBatch`), which arrive one after the other: recorded are 1 to 9 ms from the first
    // to the last of eight, and 2 between two.
    for seed in SEEDS {
        let case = RecordedCase::parse(deployment("default", 15).as_bytes(), script(1, 5, "").as_bytes())
            .unwrap_or_else(|error| panic!("{error}"));
        let mut created = Created::default();
        Run::new(Arc::new(case.plan(seed)), seed).run(&mut created);
        assert_eq!(created.0.len(), 15, "seed {seed}");
        created.0.dedup();
        assert_eq!(created.0.len(), 15, "seed {seed}: {:?}", created.0);
    }
}

/// How many pods a Deployment last said that it had, and whether it is gone.
#[derive(Debug, Default)]
struct LastWord {
    replicas: i32,
    gone: bool,
}

impl Trace for LastWord {
    fn changed(&mut self, _now: SimTime, _cause: u64, change: &Change, _cluster: &Cluster) {
        if let Object::Deployment(deployment) = &change.object {
            self.replicas = deployment.status.replicas;
            self.gone |= change.kind == ChangeKind::Deleted;
        }
    }
}

#[test]
fn a_deployment_that_orphans_says_that_it_has_no_pods_before_it_goes() {
    // `removeFinalizer` reads the owner and writes that version: its controller, which was told of the orphans first,
    // has written in between or makes it a conflict. Recorded: three of three times.
    let script =
        script(1, 20, "- {at_ms: 10000, do: delete, kind: Deployment, name: web, propagationPolicy: Orphan}\n");
    let mut said = 0;
    for seed in 1..13 {
        let case = RecordedCase::parse(deployment("default", 1).as_bytes(), script.as_bytes())
            .unwrap_or_else(|error| panic!("{error}"));
        let mut last = LastWord::default();
        Run::new(Arc::new(case.plan(seed)), seed).run(&mut last);
        assert!(last.gone, "seed {seed}");
        said += u32::from(last.replicas == 0);
    }
    assert!(said >= 9, "{said} of 12");
}

#[test]
fn a_namespace_is_emptied_pods_first_and_says_what_it_waits_for() {
    // control-plane.md 3.16, `OrderedNamespaceDeletion`: nothing else goes while a pod is left, and a finalizer is
    // named.
    let manifest = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: \
                    {name: settings, namespace: team, finalizers: [example.com/hold]}\n---\napiVersion: v1\nkind: Pod\n\
                    metadata: {name: slow, namespace: team}\nspec:\n  terminationGracePeriodSeconds: 8\n  containers: [{name: \
                    c, image: 'registry.test/app:1'}]\n";
    let script = script(1, 60, "- {at_ms: 10000, do: delete, kind: Namespace, name: team}\n");
    for seed in SEEDS {
        let case = RecordedCase::parse(manifest.as_bytes(), script.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
        let mut run = Run::new(Arc::new(case.plan(seed)), seed);
        let mut order = Order::default();
        run.run(&mut order);
        let gone = |kind: Kind| order.marked.iter().position(|(_, marked)| *marked == kind);
        let (pod, settings) = (gone(Kind::Pod), gone(Kind::ConfigMap));
        assert!(pod.is_some() && pod < settings, "seed {seed}: {:?}", order.marked);
        let store = run.cluster().server().store();
        let team = store.namespaces.find(Name::default(), Name::new("team")).expect("something holds it");
        let says = |kind: &str| {
            let condition = team.conditions.iter().find(|condition| condition.kind == kind).expect("it is told");
            (condition.status.to_string(), condition.message.to_string())
        };
        assert_eq!(
            says("NamespaceFinalizersRemaining"),
            (
                "True".to_owned(),
                "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
                    .to_owned()
            )
        );
        let (remains, message) = says("NamespaceContentRemaining");
        assert_eq!((remains.as_str(), message.contains("configmaps. has 1 resource instances")), ("True", true));
        assert_eq!(says("NamespaceDeletionContentFailure").0, "False");
    }
}

/// Which objects of the namespace `team` were marked as going, or went, in which order.
#[derive(Debug, Default)]
struct Order {
    marked: Vec<(SimTime, Kind)>,
}

impl Trace for Order {
    fn changed(&mut self, now: SimTime, _cause: u64, change: &Change, _cluster: &Cluster) {
        let (meta, kind) = (change.object.meta(), change.object.kind());
        let goes = meta.is_terminating() || change.kind == ChangeKind::Deleted;
        if meta.namespace == "team" && kind != Kind::Event && goes && self.marked.iter().all(|(_, had)| *had != kind) {
            self.marked.push((now, kind));
        }
    }
}

#[test]
fn a_parallel_set_works_on_batches_of_ordinals_claims_and_all() {
    // `slowStartBatch` of `stateful_set_control.go`: 1, 2 and 4 ordinals up, and as many down, the highest first.
    let manifest = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  replicas: 7\n  serviceName: db\n  \
                    podManagementPolicy: Parallel\n  selector: {matchLabels: {app: db}}\n  template:\n    metadata: \
                    {labels: {app: db}}\n    spec: {containers: [{name: c, image: 'registry.test/app:1'}]}\n  \
                    volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: \
                    {requests: {storage: 1Gi}}}}]\n";
    let script = script(1, 30, "- {at_ms: 10000, do: scale, kind: StatefulSet, name: db, replicas: 0}\n");
    for seed in SEEDS {
        let case = RecordedCase::parse(manifest.as_bytes(), script.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
        let mut ordinals = Ordinals::default();
        Run::new(Arc::new(case.plan(seed)), seed).run(&mut ordinals);
        let batches = |told: &[(Kind, u32)], kinds: &[Kind], sizes: &[std::ops::RangeInclusive<u32>]| {
            let mut rest = told;
            for batch in sizes {
                let (now, later) = rest.split_at(batch.clone().count() * kinds.len());
                for kind in kinds {
                    let mut of_kind: Vec<u32> = now.iter().filter(|(had, _)| had == kind).map(|(_, n)| *n).collect();
                    of_kind.sort_unstable();
                    assert_eq!(of_kind, batch.clone().collect::<Vec<_>>(), "seed {seed}: {told:?}");
                }
                rest = later;
            }
            assert!(rest.is_empty(), "seed {seed}: {rest:?}");
        };
        let claim = Kind::PersistentVolumeClaim;
        batches(&ordinals.made, &[claim, Kind::Pod], &[0..=0, 1..=2, 3..=6]);
        batches(&ordinals.deleted, &[Kind::Pod], &[6..=6, 4..=5, 0..=3]);
    }
}

/// The ordinals of a set's claims and pods, as they are made, and as they are deleted.
#[derive(Debug, Default)]
struct Ordinals {
    made: Vec<(Kind, u32)>,
    deleted: Vec<(Kind, u32)>,
}

impl Trace for Ordinals {
    fn changed(&mut self, _now: SimTime, _cause: u64, change: &Change, _cluster: &Cluster) {
        let (meta, kind) = (change.object.meta(), change.object.kind());
        let ordinal = meta.name.rsplit_once('-').and_then(|(_, ordinal)| ordinal.parse().ok());
        let Some(ordinal) = ordinal.filter(|_| matches!(kind, Kind::Pod | Kind::PersistentVolumeClaim)) else { return };
        let told = match change.kind {
            ChangeKind::Added => &mut self.made,
            _ if meta.is_terminating() => &mut self.deleted,
            _ => return,
        };
        if !told.contains(&(kind, ordinal)) {
            told.push((kind, ordinal));
        }
    }
}

#[test]
fn of_too_many_pods_with_one_that_was_adopted_the_crowded_go_first() {
    // `getPodsRankedByRelatedPodsOnSameNode`: two on one node; the third, on another, is younger than either.
    let text = r#"Scenario(
        duration: "2m",
        nodes: [Pool(count: 2)],
        manifests: [File("all.yaml")],
        actions: [(at: "1m", do: Patch(object: "pod/late", patch: "{\"metadata\": {\"labels\": {\"app\": \"web\"}}}"))],
        expect: ["count(pods(app=web)) == 2", "never event(pod(late), Killing)"],
    )"#;
    let manifests = "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: web}\nspec:\n  replicas: 2\n  \
                     selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    \
                     spec: {nodeName: node-1, containers: [{name: c, image: app}]}\n---\napiVersion: v1\nkind: Pod\n\
                     metadata: {name: late}\nspec:\n  nodeName: node-2\n  containers: [{name: c, image: app}]\n  \
                     initContainers: [{name: i, image: busybox, command: [sleep, '30']}]\n";
    let files = BTreeMap::from([("all.ron", text), ("all.yaml", manifests)]);
    let scenario = Scenario::load("all.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let mut simulation = scenario.simulate(1);
    simulation.run();
    let verdicts = simulation.verdicts();
    assert!(verdicts.iter().all(|verdict| verdict.met), "{verdicts:#?}");
}

fn budget(name: &str, rule: &str) -> String {
    format!(
        "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: {name}}}\nspec: {{{rule} selector: \
         {{matchLabels: {{app: web}}}}}}\n"
    )
}

#[test]
fn a_budget_that_says_nothing_allows_nothing_and_two_for_a_pod_are_told_of() {
    // `getExpectedPodCount`, `getPdbForPod` of `pkg/controller/disruption/disruption.go`.
    for (budgets, allowed, told) in [
        (budget("a", ""), vec![0], false),
        (budget("a", "maxUnavailable: 1,"), vec![1], false),
        (budget("a", "") + &budget("b", "minAvailable: 1,"), vec![0, 1], true),
    ] {
        let (run, _) = run(&(deployment("default", 2) + &budgets), &script(1, 30, ""), 1);
        let store = run.cluster().server().store();
        let have: Vec<i32> =
            store.pod_disruption_budgets.sorted().iter().map(|budget| budget.status.disruptions_allowed).collect();
        assert_eq!(have, allowed);
        let text = "Pod \"default\"/\"web-";
        let warned = store.events.iter().find(|event| event.reason == "MultiplePodDisruptionBudgets");
        assert_eq!(warned.is_some(), told);
        assert!(warned.is_none_or(|event| event.message.starts_with(text)), "{warned:?}");
    }
}

/// A story of a manifest, so many nodes and what else a scenario says, until a moment.
fn story(manifest: &str, nodes: u32, more: &str, secs: u64) -> Simulation {
    let text = format!("(duration: \"20m\", nodes: [Pool(count: {nodes})], manifests: [File(\"all.yaml\")], {more})");
    let files = BTreeMap::from([("s.ron", text.as_str()), ("all.yaml", manifest)]);
    let scenario = Scenario::load("s.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let mut simulation = scenario.simulate(1);
    simulation.run_until(SimTime::from_secs(secs));
    simulation
}

/// What a server refuses of a manifest, and what is told of its claims.
fn refused(manifest: &str) -> Vec<String> {
    // A quota counts once its controller has seen it.
    let (first, others) = manifest.split_once("---\n").expect("some objects");
    let files = BTreeMap::from([
        (
            "s.ron",
            r#"(
                duration: "1m",
                manifests: [File("first.yaml")],
                actions: [(at: "1s", do: Apply(File("others.yaml")))],
            )"#,
        ),
        ("first.yaml", first),
        ("others.yaml", others),
    ]);
    let scenario = Scenario::load("s.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let mut simulation = scenario.simulate(1);
    simulation.run();
    let warned = simulation.events().filter(|event| event.reason == "VolumeMismatch");
    let warned: Vec<String> = warned.map(|event| event.message.to_string()).collect();
    simulation.refused().iter().map(|refusal| refusal.message.to_string()).chain(warned).collect()
}

#[test]
fn quotas_classes_and_volumes_say_no() {
    let quota = |hard: &str| {
        format!("apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: q}}\nspec: {{hard: {hard}}}\n---\n")
    };
    let config = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n---\n");
    let claim = |more: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec: {{accessModes: [ReadWriteOnce], \
             {more} resources: {{requests: {{storage: 10Gi}}}}}}\n---\n"
        )
    };
    let volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: small}\nspec: {capacity: {storage: 1Gi}, \
                  accessModes: [ReadWriteOnce], hostPath: {path: /data}}\n---\n";
    let class = |name: &str, more: &str| {
        format!(
            "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {{name: {name}}}\nvalue: 10\n{more}\n---\n"
        )
    };
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {priorityClassName: meek, preemptionPolicy: \
               PreemptLowerPriority, containers: [{name: a, image: app}]}\n";
    for (manifest, said) in [
        (
            quota("{count/configmaps: '2'}") + &config("a") + &config("b"), // There is that of the root certificate, too.
            "configmaps \"b\" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: \
             count/configmaps=2, limited: count/configmaps=2",
        ),
        (
            quota("{requests.storage: 5Gi}") + &claim(""),
            "persistentvolumeclaims \"data\" is forbidden: exceeded quota: q, requested: requests.storage=10Gi, used: \
             requests.storage=0, limited: requests.storage=5Gi",
        ),
        (
            volume.to_owned() + &claim("volumeName: small, storageClassName: '',"),
            "Cannot bind to requested volume \"small\": requested PV is too small",
        ),
        (
            class("d1", "globalDefault: true") + &class("d2", "globalDefault: true"),
            "priorityclasses.scheduling.k8s.io \"d2\" is forbidden: PriorityClass d1 is already marked as default. Only \
             one default can exist",
        ),
        (
            class("meek", "preemptionPolicy: Never") + pod,
            "pods \"p\" is forbidden: the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided \
             in pod spec; priority admission controller computed Never from the given PriorityClass name",
        ),
    ] {
        assert_eq!(refused(&manifest), [said], "{manifest}");
    }
}

/// A CronJob of `tick`, whose Jobs take a while.
fn cron_job(spec: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: tick}}\nspec: {{{spec}, jobTemplate: {JOB}}}\n---\n"
    )
}

const JOB: &str = "{spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: app, command: \
                   [sleep, '400']}]}}}}";

#[test]
fn a_cron_job_takes_the_job_that_is_there_for_its_own_or_leaves_it_alone() {
    let jobs = |simulation: &Simulation| {
        let objects = simulation.objects();
        let jobs = objects.filter(|object| object.kind() == Kind::Job).map(|object| object.meta().name.to_string());
        jobs.collect::<Vec<_>>()
    };
    let cron = |simulation: &Simulation| {
        let found = simulation.objects().find_map(|object| match object {
            Object::CronJob(cron) => Some(cron),
            _ => None,
        });
        found.expect("it was created").status.clone()
    };
    // The controller crashed before it could write the status.
    let crash = "faults: [(fault: ControllerManagerCrash, when: Call(by: ControllerManager, verb: \"create\", \
                 kind: \"jobs\"), lasts: \"30s\")]";
    let adopted = story(&cron_job("schedule: '*/5 * * * *', concurrencyPolicy: Forbid"), 1, crash, 11 * 60);
    assert_eq!(jobs(&adopted), ["tick-29453765"]);
    assert_eq!(cron(&adopted).active.iter().map(|(job, _)| job.to_string()).collect::<Vec<_>>(), ["tick-29453765"]);
    assert_eq!(cron(&adopted).last_schedule_time, Some(Timestamp::from_unix_secs(29_453_765 * 60)));
    assert!(adopted.events().all(|event| event.reason != "SuccessfulCreate" || event.involved.name != "tick"));
    // Somebody else's stays theirs, and the CronJob waits until something happens to it.
    let other = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: tick-29453762}}\n{}\n---\n",
        &JOB[1..JOB.len() - 1]
    );
    let left = story(&(other + &cron_job("schedule: '*/2 * * * *'")), 1, "", 9 * 60);
    assert_eq!(jobs(&left), ["tick-29453762"]);
    assert!(cron(&left).active.is_empty());
}

#[test]
fn a_cron_job_with_another_schedule_waits_for_its_next_time() {
    let patch = "actions: [(at: \"7m30s\", do: Patch(object: \"cronjob/tick\", patch: \
                 \"{\\\"spec\\\":{\\\"schedule\\\":\\\"*/5 * * * *\\\"}}\"))]";
    for (secs, jobs) in [(9 * 60, 0), (11 * 60, 1)] {
        let simulation = story(&cron_job("schedule: '0 0 1 1 *'"), 1, patch, secs);
        assert_eq!(simulation.objects().filter(|object| object.kind() == Kind::Job).count(), jobs, "at {secs} s");
    }
}

/// A DaemonSet of `agent` that may have two pods on a node.
const SURGING: &str = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: agent}\nspec:\n  selector: \
                       {matchLabels: {app: agent}}\n  updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: \
                       0}}\n  template:\n    metadata: {labels: {app: agent}}\n    spec: \
                       {terminationGracePeriodSeconds: 60, containers: [{name: c, image: 'app:1'}]}\n";

#[test]
fn a_surging_daemon_set_does_not_wait_for_pods_that_leave() {
    let deaf = "behaviors: [(pods: \"agent-*\", containers: [(name: \"c\", process: (on_sigterm: Ignore))])], \
                actions: [(at: \"1m\", do: Delete(object: \"pod/agent-*\"))]";
    let pods = |manifest: &str| {
        let simulation = story(manifest, 2, deaf, 70);
        let staying = simulation.pods().filter(|pod| !pod.meta.is_terminating()).count();
        (staying, simulation.pods().count())
    };
    assert_eq!(pods(SURGING), (2, 4));
    assert_eq!(pods(&SURGING.replace("{maxSurge: 1, maxUnavailable: 0}", "{maxUnavailable: 1}")), (0, 2));
}

#[test]
fn a_surging_daemon_set_leaves_nodes_that_bar_it_once_enough_pods_are_available_elsewhere() {
    let actions = "actions: [(at: \"1m\", do: Taint(node: \"node-1\", taint: \"dedicated=x:NoSchedule\")), \
                   (at: \"2m\", do: SetImage(object: \"daemonset/agent\", container: \"c\", image: \"app:2\"))]";
    let simulation = story(SURGING, 2, actions, 5 * 60);
    let pods: Vec<_> = simulation.pods().map(|pod| (pod.node_name.to_string(), pod.spec.containers[0].image)).collect();
    assert_eq!(pods, [("node-2".to_owned(), Name::new("app:2"))]);
    let made = simulation.events().filter(|event| event.reason == "SuccessfulCreate").count();
    assert_eq!(made, 3, "two at the start, and one beside the old one where it should run");
}

#[test]
fn a_stateful_set_tells_of_pods_that_it_updates_and_not_of_those_that_it_makes_anew() {
    let set = |spec: &str, more: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: db}}\nspec:\n  serviceName: db\n  \
             podManagementPolicy: Parallel\n  selector: {{matchLabels: {{app: db}}}}\n  template:\n    metadata: \
             {{labels: {{app: db}}}}\n    spec: {{{spec}}}\n{more}"
        )
    };
    let told = |manifest: &str, more: &str| {
        let simulation = story(manifest, 1, more, 60);
        let about_set = simulation.events().filter(|event| event.involved.name == "db");
        about_set.map(|event| (event.reason.to_string(), event.message.to_string())).collect::<BTreeMap<_, _>>()
    };
    let claims = "  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: \
                  {requests: {storage: 1Gi}}}}]\n";
    let patch = "actions: [(at: \"30s\", do: Patch(object: \"statefulset/db\", patch: \"{\\\"spec\\\": \
                 {\\\"persistentVolumeClaimRetentionPolicy\\\": {\\\"whenDeleted\\\": \\\"Delete\\\"}}}\"))]";
    let updated = told(&set("containers: [{name: c, image: app}]", claims), patch);
    let message = updated.get("SuccessfulUpdate").map(String::as_str);
    assert_eq!(message, Some("Update Pod db-0 in StatefulSet db successful"), "{updated:?}");
    let refused = "nodeName: node-1, containers: [{name: c, image: app, resources: {requests: {cpu: '100'}}}]";
    let renewed = told(&set(refused, ""), "");
    assert!(renewed.contains_key("SuccessfulDelete"), "{renewed:?}");
    assert!(renewed.keys().all(|reason| !reason.starts_with("Recreating")), "{renewed:?}");
}

#[test]
fn a_daemon_sets_revisions_say_why_it_was_changed() {
    let manifest = SURGING.replace("{name: agent}", "{name: agent, annotations: {kubernetes.io/change-cause: first}}");
    let change = "actions: [(at: \"30s\", do: Patch(object: \"daemonset/agent\", patch: \"{\\\"metadata\\\": \
                  {\\\"annotations\\\": {\\\"kubernetes.io/change-cause\\\": \\\"second\\\"}}, \\\"spec\\\": \
                  {\\\"template\\\": {\\\"metadata\\\": {\\\"labels\\\": {\\\"v\\\": \\\"2\\\"}}}}}\"))]";
    let simulation = story(&manifest, 1, change, 120);
    let causes = simulation.objects().filter_map(|object| match object {
        Object::ControllerRevision(revision) => {
            Some((revision.revision, revision.meta.annotations.get(Name::new("kubernetes.io/change-cause"))))
        }
        _ => None,
    });
    let causes: BTreeMap<_, _> = causes.collect();
    assert_eq!(causes, BTreeMap::from([(1, Some(Name::new("first"))), (2, Some(Name::new("second")))]));
}

#[test]
fn the_templates_of_a_daemon_set_are_counted_for_clients_of_old() {
    // `daemonSetStrategy.PrepareForUpdate`, `CreatePodTemplate`; recorded: the second template's pods bear a 2.
    let patch = |patch: &str| format!("Patch(object: \"daemonset/agent\", patch: {patch:?})");
    let change = format!(
        "actions: [(at: \"20s\", do: {}), (at: \"30s\", do: {}), (at: \"40s\", do: {})]",
        patch(r#"{"metadata": {"annotations": {"deprecated.daemonset.template.generation": "7"}}}"#),
        patch(r#"{"spec": {"template": {"metadata": {"labels": {"v": "2"}}}}}"#),
        patch(r#"{"spec": {"minReadySeconds": 1}}"#),
    );
    let simulation = story(SURGING, 1, &change, 120);
    let note = Name::new("deprecated.daemonset.template.generation");
    let mut noted = BTreeMap::new();
    for object in simulation.objects() {
        match &object {
            Object::DaemonSet(set) => {
                assert_eq!((set.meta.annotations.get(note), set.meta.generation), (Some(Name::new("2")), 3));
            }
            Object::Pod(pod) => {
                let label = pod.meta.labels.get(Name::new("pod-template-generation"));
                assert_eq!((label, pod.meta.labels.get(Name::new("v"))), (Some(Name::new("2")), Some(Name::new("2"))));
            }
            Object::ControllerRevision(revision) => {
                noted.insert(revision.revision, revision.meta.annotations.get(note));
            }
            _ => {}
        }
    }
    assert_eq!(noted, BTreeMap::from([(1, Some(Name::new("1"))), (2, Some(Name::new("2")))]));
}
