//! Placements per second by the number of nodes: plain pods, pods that are spread, pods that keep apart.
//!
//! Each iteration places one more pod on a cluster that holds some pods a node, and once it is full the oldest pod
//! goes. That is the work of a scheduling cycle: every Filter and Score of the default profile, the adaptive share of
//! the nodes, the choice, and the assumption of the pod in the cache. A table beside the floors of the real scheduler's
//! own benchmarks follows the measurements.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use podsim::api::{Lowering, Name, Object, Pod};
use podsim::components::scheduler::cache::Cache;
use podsim::components::scheduler::nominator::Nominator;
use podsim::components::scheduler::schedule_one::{Outcome, Search, nodes_to_find};
use podsim::components::scheduler::{ClusterSnapshot, Profile, SchedulerSetup};
use podsim::engine::SimTime;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// So many pods there are for each node in the long run.
const PODS_PER_NODE: usize = 8;
/// So many zones there are.
const ZONES: usize = 3;

/// A cluster into which pods of some templates flow.
struct Stream {
    cache: Cache,
    nominator: Nominator,
    search: Search,
    profile: Arc<Profile>,
    templates: Vec<Pod>,
    placed: VecDeque<Arc<Pod>>,
    most: usize,
    next: u32,
}

impl Stream {
    fn new(nodes: usize, templates: Vec<Value>) -> Self {
        let snapshot = ClusterSnapshot::new((0..nodes).map(|n| object(&node(n))), None);
        let pod = |manifest: &Value| match object(manifest) {
            Object::Pod(pod) => Arc::unwrap_or_clone(pod),
            other => panic!("{} is no pod", other.path()),
        };
        Self {
            cache: snapshot.cache,
            nominator: snapshot.nominator,
            search: Search::default(),
            profile: SchedulerSetup::default().profiles.swap_remove(0),
            templates: templates.iter().map(pod).collect(),
            placed: VecDeque::new(),
            most: nodes * PODS_PER_NODE,
            next: 0,
        }
    }

    fn filled(mut self) -> Self {
        for _ in 0..self.most {
            self.place();
        }
        self
    }

    /// Places one more pod and returns its node.
    fn place(&mut self) -> Name {
        let mut pod = self.templates[self.next as usize % self.templates.len()].clone();
        pod.meta.index = self.next;
        self.next += 1;
        let (cache, profile) = (&mut self.cache, &self.profile);
        let decision = self.search.schedule(cache, &self.nominator, profile, &pod, SimTime::ZERO, 0);
        let Outcome::Chosen(slot) = decision.outcome else { panic!("{:?}", decision.outcome) };
        pod.node_name = cache.node(slot).name();
        let pod = Arc::new(pod);
        cache.assume_pod(&pod);
        self.placed.push_back(pod.clone());
        if self.placed.len() > self.most
            && let Some(oldest) = self.placed.pop_front()
        {
            cache.remove_pod(&oldest);
        }
        pod.node_name
    }
}

fn object(manifest: &Value) -> Object {
    Lowering::of_stored().lower(manifest).expect("a good manifest").object
}

fn node(n: usize) -> Value {
    let name = format!("node-{n:05}");
    let has = json!({"cpu": "32", "memory": "128Gi", "pods": "110"});
    let labels = json!({
        "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": format!("zone-{}", n % ZONES),
        "topology.kubernetes.io/region": "region",
    });
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": has, "capacity": has},
    })
}

fn pod(group: usize, further: Value) -> Value {
    let requests = json!({"cpu": "100m", "memory": "500Mi"});
    let mut spec = json!({
        "schedulerName": "default-scheduler",
        "containers": [{"name": "pause", "image": "registry.k8s.io/pause:3.10", "resources": {"requests": requests}}],
    });
    for (field, value) in further.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    let meta = json!({"namespace": "default", "name": format!("g{group}"), "labels": {"app": format!("g{group}")}});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
}

fn plain() -> Vec<Value> {
    vec![pod(0, json!({}))]
}

fn spread() -> Vec<Value> {
    let selector = json!({"matchLabels": {"app": "g0"}});
    let constraint = |key: &str, when: &str| json!({"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": when, "labelSelector": selector});
    let constraints = [
        constraint("topology.kubernetes.io/zone", "DoNotSchedule"),
        constraint("kubernetes.io/hostname", "ScheduleAnyway"),
    ];
    vec![pod(0, json!({"topologySpreadConstraints": constraints}))]
}

/// Twenty groups whose pods each want a node without another one of their group.
fn apart() -> Vec<Value> {
    let group = |n: usize| {
        let selector = json!({"matchLabels": {"app": format!("g{n}")}});
        let term = json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": selector});
        pod(n, json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}))
    };
    (0..20).map(group).collect()
}

fn placements(criterion: &mut Criterion) {
    let kinds: [(&str, fn() -> Vec<Value>); 3] = [("plain", plain), ("spread", spread), ("anti-affinity", apart)];
    for (kind, templates) in kinds {
        let mut group = criterion.benchmark_group(format!("placements/{kind}"));
        group.throughput(Throughput::Elements(1));
        for nodes in [100, 1_000, 5_000] {
            let mut stream = Stream::new(nodes, templates()).filled();
            group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
                bencher.iter(|| black_box(stream.place()));
            });
        }
        group.finish();
    }
}

/// Placements a second below which the real scheduler's `SchedulingBasic`, `TopologySpreading` … fail, by nodes: the
/// `threshold` of `test/integration/scheduler_perf/misc/performance-config.yaml`, where it has one.
fn floor_of(nodes: usize) -> &'static str {
    if nodes == 5_000 { "680-810 (SchedulingBasic)" } else { "-" }
}

/// What a decision costs by the nodes that are looked at, and how many are made in a second.
fn table() {
    println!("\n| nodes | looked at | plain | spread | anti-affinity | kube-scheduler's CI floor |");
    println!("|---|---|---|---|---|---|");
    for nodes in [100, 250, 500, 1_000, 2_000, 5_000, 10_000] {
        let measured = [plain(), spread(), apart()].map(|templates| {
            let mut stream = Stream::new(nodes, templates).filled();
            let count = 20_000_000 / (nodes + 500);
            #[allow(clippy::disallowed_methods, reason = "a measurement knows real time")]
            let began = Instant::now();
            for _ in 0..count {
                black_box(stream.place());
            }
            let each = began.elapsed().as_secs_f64() / count as f64;
            format!("{:.2} us, {:.0}/s", each * 1e6, 1.0 / each)
        });
        let [plain, spread, apart] = measured;
        println!("| {nodes} | {} | {plain} | {spread} | {apart} | {} |", nodes_to_find(0, nodes), floor_of(nodes));
    }
}

criterion_group!(benches, placements);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // `cargo test` runs each measurement once, to see that it can be run.
    if std::env::args().any(|argument| argument == "--bench") {
        table();
    }
}
