//! Everything that a plan asks: the cluster settled, the manifests added, then each question on a fork of it.

use super::Plan;
use crate::cli::disk::Disk;
use crate::cli::run::{DEFAULT_SEED, is_scenario};
use crate::cli::tell;
use podsim::api::{Kind, Name, Object, Part, PatchKind, PodPhase, Uid, render};
use podsim::components::scheduler::SchedulerSetup;
use podsim::engine::{SimDuration, SimTime};
use podsim::report::Input;
use podsim::report::plan::{Added, Cost, Least, PlanReport, PriceTable, Room, SCHEMA, StartUp};
use podsim::report::story::Story;
use podsim::scenario::cluster::SETTLED;
use podsim::scenario::plan::{Action, ActionTarget, Applied, Pick};
use podsim::scenario::{ClusterDump, Files, ManifestOptions, Place, Problem, Problems, Scenario, scheduler_setup};
use podsim::simulation::capacity::{
    self, Disturbance, Ground, Placer, Shape, Situation, Unplaced, disrupt, fill, headroom, rooms, shapes, situations,
};
use podsim::simulation::{Simulation, parallel_on};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// Manifests are watched for so long after they were added.
const DEPLOYED: SimDuration = SimDuration::from_mins(10);
/// Of more nodes than this only the fullest are lost, in thought …
const MOST_LOST: usize = 50;
/// … and on a fork of the run.
const MOST_DISTURBED: usize = 6;
/// With so many seeds the fewest nodes must do.
const FEWEST_SEEDS: u64 = 3;

/// What no number takes into account.
const NOT_MODELLED: [&str; 6] = [
    "preemption: in counts of room nobody is pushed out",
    "autoscalers of nodes, and those of pods in a dump",
    "what pods use beyond their requests: over-commitment shows in the limits alone",
    "dynamic resource allocation and scheduler extenders",
    "image sizes and registries: a pull takes as long as the latency profile says",
    "what the programs inside containers do: those that ran keep running, others behave as assumed",
];

/// A cluster and what is added to it.
pub struct Study {
    scenario: Scenario,
    settle: SimDuration,
    ready: Vec<(Name, Name)>,
    additions: Vec<Action>,
    prices: Option<PriceTable>,
    inputs: Vec<Input>,
    notes: Vec<String>,
}

impl Study {
    /// Reads every file.
    pub fn load(plan: &Plan) -> Result<Self, Problems> {
        let (mut scenario, settle, ready, mut notes) = if is_scenario(&plan.cluster) {
            let scenario = Scenario::load(&plan.cluster, &Disk)?;
            let settle = scenario.duration();
            (scenario, settle, Vec::new(), Vec::new())
        } else {
            let ClusterDump { scenario, notes, ready } = ClusterDump::load(&plan.cluster, &Disk)?;
            (scenario, SETTLED, ready, notes)
        };
        if let Some(path) = &plan.config {
            scenario = scenario.with_scheduler(setup(path)?);
        }
        if !plan.quiet {
            tell::notes(&scenario.notes, true);
        }
        let mut inputs: Vec<(String, String)> = scenario.inputs.clone();
        let additions = if plan.manifests.is_empty() {
            Vec::new()
        } else {
            let added = Scenario::from_manifests(&plan.manifests, &ManifestOptions::default(), &Disk)?;
            if !plan.quiet {
                tell::notes(&added.notes, true);
            }
            if !added.does_something() {
                let mut problems = Problems::default();
                problems.add(Place::start_of(&plan.manifests[0]), "no object", "write at least one Kubernetes object");
                return Err(problems);
            }
            if !added.notes.no_effect.is_empty() {
                let fields: Vec<&str> = added.notes.no_effect.iter().map(String::as_str).collect();
                notes.push(format!("without effect in the manifests: {}", fields.join(", ")));
            }
            notes.extend(added.notes.refused.iter().map(|r| format!("refused: {}: {}", r.object, r.message)));
            inputs.extend(added.inputs.clone());
            added.plan(DEFAULT_SEED).actions.iter().map(|action| action.action.clone()).collect()
        };
        let prices = plan.prices.as_deref().map(prices).transpose()?;
        let inputs = inputs.into_iter().map(|(path, hash)| Input { path, hash }).collect();
        Ok(Self { scenario, settle, ready, additions, prices, inputs, notes })
    }

    /// Asks everything.
    pub fn report(mut self, plan: &Plan) -> Result<PlanReport, Problems> {
        let (seed, jobs) = (plan.seed.or(self.scenario.seed).unwrap_or(DEFAULT_SEED), plan.jobs());
        plan.say("the cluster settles");
        let mut settled = self.scenario.simulate(seed).untraced();
        settled.run_until(SimTime::ZERO + self.settle);
        self.note_changes(&settled);
        let old: BTreeSet<Uid> = settled.pods().map(|pod| pod.meta.uid).collect();
        let additions: Vec<Action> = self.additions.iter().map(|action| applied(action, &settled)).collect();
        let mut after = settled.clone();
        let added = (!additions.is_empty()).then(|| add(&mut after, &additions, &old));
        let ground = Ground::of(&after);
        let is_new = |uid: Uid| !old.contains(&uid);
        let mut asked = shapes(&ground, |pod| added.is_none() || is_new(pod.meta.uid));
        self.select(plan, &after, &mut asked)?;
        for shape in asked.iter().filter(|shape| shape.without_claims) {
            self.notes.push(format!("{}: one more pod would need volumes of its own, not counted", shape.workload));
        }
        plan.say("pods are placed one by one");
        let workloads = parallel_on(jobs, &asked, |shape| Room {
            workload: shape.workload,
            pods: shape.pods,
            milli_cpu: shape.pod.spec.requests.milli_cpu,
            memory: shape.pod.spec.requests.memory,
            more: Placer::new(&ground, |_| true).fill(&shape.pod, true),
        });
        let all = situations(&ground, MOST_LOST);
        let headroom = parallel_on(jobs, &all, |situation| headroom(&ground, situation.clone(), &asked));
        let fill = fill(&ground, &asked);
        let nodes = rooms(&ground, &fill);
        plan.say("forks are disturbed");
        let trunk = Mutex::new(after.clone());
        let fork = || trunk.lock().expect("cloning does not fail").clone();
        let disruptions = parallel_on(jobs, &disturbances(&ground), |what| disrupt(fork(), *what));
        plan.say("the fewest nodes are looked for");
        let fewest = self.fewest(seed, jobs, &settled, &ground, &additions, &old);
        plan.say("pods start, with many seeds");
        let start_up = self.start_up(plan, seed, &additions, &workloads);
        let cost = self.prices.as_ref().map(|table| Cost::of(table, &ground, &nodes, &asked, &fewest));
        self.note_assumptions(&after, &ground);
        Ok(PlanReport {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            cluster: plan.cluster.clone(),
            seed,
            inputs: self.inputs,
            command: format!("podsim {}", crate::cli::arguments(&["--out", "--jobs"])),
            answers: Vec::new(),
            gates: Vec::new(),
            added,
            workloads,
            headroom,
            fewest,
            disruptions,
            start_up,
            nodes,
            fill,
            cost,
            notes: self.notes,
            not_modelled: NOT_MODELLED.map(str::to_owned).to_vec(),
        })
    }

    /// Keeps the shapes that were asked for; those of manifests are taken from a fork.
    fn select(&self, plan: &Plan, after: &Simulation, asked: &mut Vec<Shape>) -> Result<(), Problems> {
        if plan.more.is_empty() {
            return Ok(());
        }
        let mut selected = Vec::new();
        for more in &plan.more {
            if let Some(shape) = asked.iter().find(|shape| is_called(shape, more)) {
                selected.push(shape.clone());
            } else if [".yaml", ".yml", ".json"].iter().any(|end| more.ends_with(end)) {
                selected.extend(shapes_of_manifest(more, after)?);
            } else {
                let known: Vec<String> = asked.iter().take(12).map(|shape| shape.workload.to_string()).collect();
                let mut problems = Problems::default();
                let remedy = format!("name one of {}, or a file that ends in .yaml", known.join(", "));
                problems.push(Problem::new(Place::start_of("--more"), format!("no workload {more:?}"), remedy));
                return Err(problems);
            }
        }
        *asked = selected;
        Ok(())
    }

    fn fewest(
        &self,
        seed: u64,
        jobs: usize,
        settled: &Simulation,
        ground: &Ground,
        additions: &[Action],
        old: &BTreeSet<Uid>,
    ) -> Vec<Least> {
        let plan = self.scenario.plan(seed);
        let shared: Vec<Object> = settled.objects().filter_map(|object| shared(&object)).collect();
        let running: Vec<Object> = settled.objects().filter_map(|object| wanted(&object)).collect();
        let seeds: Vec<u64> = (seed..seed + FEWEST_SEEDS).collect();
        let mut demands = Vec::new();
        if !additions.is_empty() {
            let requests = capacity::fewest::requests_of(ground.pods().filter(|pod| !old.contains(&pod.meta.uid)));
            let (stored, actions) = (shared.clone(), additions.to_vec());
            demands.push(("the manifests", capacity::Demand { plan: plan.clone(), stored, actions, requests }));
        }
        if !running.is_empty() {
            let of = if additions.is_empty() { "everything" } else { "everything and the manifests" };
            let requests = capacity::fewest::requests_of(ground.pods());
            let (stored, actions) = ([shared, running].concat(), additions.to_vec());
            demands.push((of, capacity::Demand { plan, stored, actions, requests }));
        }
        let types = capacity::node_types(ground);
        demands
            .iter()
            .flat_map(|(of, demand)| types.iter().map(move |kind| (of, demand, kind)))
            .filter(|(_, demand, _)| !demand.requests.is_empty())
            .map(|(of, demand, kind)| Least {
                of: (*of).to_owned(),
                fewest: capacity::fewest(demand, kind, &seeds, jobs),
            })
            .collect()
    }

    /// The manifests again with many seeds; without manifests, one more pod of each workload that has room.
    fn start_up(&self, plan: &Plan, seed: u64, additions: &[Action], workloads: &[Room]) -> Option<StartUp> {
        let probes: Vec<Action> = if additions.is_empty() {
            workloads.iter().filter(|room| room.more.count > 0).filter_map(one_more).collect()
        } else {
            additions.to_vec()
        };
        if probes.is_empty() {
            return None;
        }
        let seeds: Vec<u64> = (seed..seed.saturating_add(plan.seeds)).collect();
        let stories = parallel_on(plan.jobs(), &seeds, |seed| {
            let mut simulation = self.scenario.simulate(*seed).recorded();
            simulation.run_until(SimTime::ZERO + self.settle);
            probes.iter().for_each(|action| simulation.act(action.clone()));
            simulation.run_until(SimTime::ZERO + self.settle + DEPLOYED);
            Story::of(&simulation.into_record().expect("it is recorded"))
        });
        let objective = plan.slo.unwrap_or(SimDuration::from_secs(5)).as_secs_f64();
        StartUp::of(&stories, SimTime::ZERO + self.settle, objective, |_| true)
    }

    /// Notes pods of the dump that are not ready as they were.
    fn note_changes(&mut self, settled: &Simulation) {
        let changed: Vec<String> = self
            .ready
            .iter()
            .filter(|(namespace, name)| !settled.pod(namespace, name).is_some_and(|pod| pod.is_ready()))
            .map(|(namespace, name)| format!("{namespace}/{name}"))
            .collect();
        if !changed.is_empty() {
            self.notes.push(format!("ready in the dump and not in the simulation: {}", changed.join(", ")));
        }
    }

    fn note_assumptions(&mut self, after: &Simulation, ground: &Ground) {
        let cordoned: Vec<&str> = ground
            .objects
            .iter()
            .filter_map(|object| match object {
                Object::Node(node) if node.unschedulable => Some(node.meta.name.as_str()),
                _ => None,
            })
            .collect();
        if !cordoned.is_empty() {
            self.notes.push(format!("cordoned, so that nothing new goes there: {}", cordoned.join(", ")));
        }
        let mut by_model: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (who, model) in after.assumed() {
            by_model.entry(model).or_default().push(who);
        }
        for (model, who) in by_model {
            self.notes.push(format!("assumed: {model}: {}", who.join(", ")));
        }
        let nodes = ground.objects.iter().filter(|object| object.kind() == Kind::Node).count();
        if nodes > MOST_LOST {
            self.notes.push(format!("of {nodes} nodes the {MOST_LOST} fullest are lost one by one"));
        }
        if nodes > MOST_DISTURBED {
            self.notes.push(format!("of {nodes} nodes the {MOST_DISTURBED} fullest are disturbed one by one"));
        }
    }
}

/// Adds manifests, and waits until all their pods are ready.
fn add(simulation: &mut Simulation, additions: &[Action], old: &BTreeSet<Uid>) -> Added {
    let start = simulation.now();
    additions.iter().for_each(|action| simulation.act(action.clone()));
    let mut ready_since = None;
    let fresh = |pod: &&Arc<podsim::api::Pod>| !old.contains(&pod.meta.uid);
    let done = |pod: &Arc<podsim::api::Pod>| pod.is_ready() || pod.status.phase == PodPhase::Succeeded;
    while simulation.now().since(start) < DEPLOYED {
        simulation.run_until(simulation.now() + SimDuration::from_secs(1));
        let mut pods = simulation.pods().filter(fresh).peekable();
        if pods.peek().is_some() && pods.all(done) {
            ready_since.get_or_insert(simulation.now());
        } else {
            ready_since = None;
        }
    }
    let own: BTreeSet<String> = simulation.pods().filter(fresh).map(|pod| pod.meta.key()).collect();
    let unplaced: Vec<Unplaced> =
        capacity::pending(simulation).into_iter().filter(|one| own.contains(&one.pod)).collect();
    let placed = simulation.pods().filter(fresh).filter(|pod| !pod.node_name.is_empty() && !done(pod));
    let not_ready = placed.map(|pod| Unplaced { pod: pod.meta.key(), message: why_not_ready(pod) }).collect();
    Added {
        pods: own.len(),
        unplaced,
        not_ready,
        ready_after_ms: ready_since.map(|since| since.since(start).as_millis()),
        waited_ms: DEPLOYED.as_millis(),
    }
}

/// Why a pod with a node is not ready, as its status tells it.
fn why_not_ready(pod: &podsim::api::Pod) -> String {
    let printed = render(&Object::Pod(Arc::new(pod.clone())));
    let lists = ["initContainerStatuses", "containerStatuses"];
    let waiting =
        lists.iter().flat_map(|list| printed["status"][*list].as_array().into_iter().flatten()).find_map(|c| {
            let state = &c["state"];
            let text = state["waiting"]["reason"].as_str().or_else(|| state["terminated"]["reason"].as_str())?;
            Some(format!("{} {text}", c["name"].as_str().unwrap_or_default()))
        });
    waiting.unwrap_or_else(|| "its readiness probe has not succeeded".to_owned())
}

/// An object that is there already is applied, not created.
fn applied(action: &Action, settled: &Simulation) -> Action {
    let Action::Create(object) = action else { return action.clone() };
    let meta = object.meta();
    let store = settled.cluster().server().store();
    if meta.name.is_empty() || store.find(object.kind(), meta.namespace, meta.name).is_none() {
        return action.clone();
    }
    let manifest = render(object);
    Action::Apply(Arc::new(Applied { object: object.clone(), manifest, last: None }))
}

/// What is done to a cluster: each of its nodes, the fullest of very many, and every rollout.
fn disturbances(ground: &Ground) -> Vec<Disturbance> {
    let nodes: Vec<Name> = situations(ground, MOST_DISTURBED)
        .into_iter()
        .filter_map(|situation| match situation {
            Situation::WithoutNode(node) => Some(node),
            _ => None,
        })
        .collect();
    let lost = nodes.iter().copied().map(Disturbance::NodeLost);
    let drained = nodes.iter().copied().map(Disturbance::Drain);
    let deployments = ground.objects.iter().any(|object| object.kind() == Kind::Deployment);
    lost.chain(drained).chain(deployments.then_some(Disturbance::Rollout)).collect()
}

/// An object that workloads on other nodes need as it is.
fn shared(object: &Object) -> Option<Object> {
    match object {
        Object::DaemonSet(set) => {
            let mut set = podsim::api::DaemonSet::clone(set);
            set.status = podsim::api::DaemonSetStatus::default();
            Some(Object::DaemonSet(Arc::new(set)))
        }
        Object::Namespace(_)
        | Object::PriorityClass(_)
        | Object::StorageClass(_)
        | Object::RuntimeClass(_)
        | Object::ServiceAccount(_)
        | Object::ConfigMap(_)
        | Object::Secret(_)
        | Object::LimitRange(_)
        | Object::Service(_)
        | Object::CsiDriver(_) => Some(object.clone()),
        _ => None,
    }
}

/// A workload as it was wanted, before it made any pod.
fn wanted(object: &Object) -> Option<Object> {
    let is_owned = object.meta().controller().is_some();
    match object {
        Object::Deployment(one) => {
            let mut one = podsim::api::Deployment::clone(one);
            one.status = podsim::api::DeploymentStatus::default();
            Some(Object::Deployment(Arc::new(one)))
        }
        Object::StatefulSet(one) => {
            let mut one = podsim::api::StatefulSet::clone(one);
            one.status = podsim::api::StatefulSetStatus::default();
            Some(Object::StatefulSet(Arc::new(one)))
        }
        Object::ReplicaSet(one) if !is_owned => {
            let mut one = podsim::api::ReplicaSet::clone(one);
            one.status = podsim::api::ReplicaSetStatus::default();
            Some(Object::ReplicaSet(Arc::new(one)))
        }
        Object::Pod(pod) if !is_owned && pod.is_active() => {
            let mut pod = podsim::api::Pod::clone(pod);
            pod.node_name = Name::default();
            pod.status = Arc::new(podsim::api::PodStatus {
                qos_class: pod.status.qos_class,
                ..podsim::api::PodStatus::default()
            });
            Some(Object::Pod(Arc::new(pod)))
        }
        Object::PersistentVolume(_) | Object::PersistentVolumeClaim(_) => Some(object.clone()),
        _ => None,
    }
}

/// The workload scaled up by one.
fn one_more(room: &Room) -> Option<Action> {
    let workload = room.workload;
    let kinds = [Kind::Deployment, Kind::StatefulSet, Kind::ReplicaSet, Kind::ReplicationController];
    let kind = kinds.into_iter().find(|kind| kind.name() == workload.kind)?;
    let target = ActionTarget {
        kind,
        namespace: workload.namespace,
        name: workload.name.parse().ok()?,
        pick: Pick::Oldest,
        node: Name::default(),
    };
    let patch = json!({"spec": {"replicas": room.pods + 1}});
    Some(Action::Patch { target, part: Part::Main, kind: PatchKind::Merge, patch })
}

/// Whether a shape is what somebody calls `deployment/web`, `default/web` or `Deployment/default/web`.
fn is_called(shape: &Shape, text: &str) -> bool {
    let workload = shape.workload;
    let (kind, namespace, name) = (workload.kind.to_lowercase(), workload.namespace, workload.name);
    let text = text.to_lowercase();
    [format!("{kind}/{name}"), format!("{namespace}/{name}"), format!("{kind}/{namespace}/{name}"), name.to_string()]
        .contains(&text)
}

/// The pods that a manifest makes, as admission leaves them.
fn shapes_of_manifest(path: &str, after: &Simulation) -> Result<Vec<Shape>, Problems> {
    let scenario = Scenario::from_manifests(&[path.to_owned()], &ManifestOptions::default(), &Disk)?;
    let old: BTreeSet<Uid> = after.pods().map(|pod| pod.meta.uid).collect();
    let mut fork = after.clone();
    scenario.plan(DEFAULT_SEED).actions.iter().for_each(|action| fork.act(action.action.clone()));
    fork.run_until(fork.now() + SimDuration::from_secs(20));
    let mut shapes = shapes(&Ground::of(&fork), |pod| !old.contains(&pod.meta.uid));
    shapes.iter_mut().for_each(|shape| shape.pods = 0);
    if shapes.is_empty() {
        let said = scenario.notes.refused.first().map(|refusal| refusal.message.clone());
        let said = said.or_else(|| fork.refused().last().map(|refusal| refusal.message.clone()));
        let mut problems = Problems::default();
        let found = format!("no pod comes of it: {}", said.unwrap_or_else(|| "nothing makes one".to_owned()));
        problems.add(Place::start_of(path), found, "write a Pod, or a workload with at least one replica");
        return Err(problems);
    }
    Ok(shapes)
}

fn content(path: &str) -> Result<Vec<u8>, Problems> {
    Disk.read(path).map_err(|error| {
        let mut problems = Problems::default();
        problems.add(Place::start_of(path), error.to_string(), error.remedy());
        problems
    })
}

fn setup(path: &str) -> Result<SchedulerSetup, Problems> {
    scheduler_setup(Place::start_of(path), &content(path)?)
}

fn prices(path: &str) -> Result<PriceTable, Problems> {
    let text = String::from_utf8_lossy(&content(path)?).into_owned();
    PriceTable::parse(&text).map_err(|(line, found, remedy)| {
        let mut place = Place::start_of(path);
        place.position.line = u32::try_from(line).unwrap_or(u32::MAX);
        let mut problems = Problems::default();
        problems.add(place, found, remedy);
        problems
    })
}
