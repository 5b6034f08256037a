//! A cluster as `kubectl get … -A -o json` prints it, as the state that a run begins with.
//!
//! Nodes become machines, and the other objects are stored from the start with their identities and owners. Pods that
//! run are bound where they were, and their kubelets start them in the first moments: after some minutes of simulated
//! time everything is as it was printed. What a dump does not hold, but its objects name, is made up and noted.
//!
//! Left out: pods that have finished or are on their way out, what controllers make anew (EndpointSlices, Events,
//! Leases, revisions), and nodes that are not ready with everything on them.

mod owners;
mod references;
mod steady;

use super::error::{Place, Problem, Problems};
use super::files::Files;
use super::load::Scenario;
use super::machines::Machine;
use super::manifest;
use super::names::Makeable;
use super::notes::Notes;
use super::plan::{Action, ActionTarget, ClusterLimits, NodePlan, Pick, TimedAction};
use crate::api::{
    Condition, ConditionStatus, FastMap, Kind, Lowering, Name, Node, Object, POD_SCHEDULED, Part, PatchKind, Pod,
    PodStatus, TAINT_MEMORY_PRESSURE, TAINT_NOT_READY, TAINT_UNREACHABLE, TAINT_UNSCHEDULABLE, Timestamp, WallTime,
    names, requests,
};
use crate::components::controllers::NodeExpansion;
use crate::components::latency::LatencyProfile;
use crate::components::runtime::World;
use crate::engine::SimDuration;
use crate::faults::FaultLimits;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

names! {
    MIRROR = "kubernetes.io/config.mirror";
}

/// After so long everything that ran in the dump runs in the simulation.
pub const SETTLED: SimDuration = SimDuration::from_mins(5);

/// A cluster that was read from a dump.
#[derive(Debug, Clone)]
pub struct ClusterDump {
    /// The run that it begins: settled after [`SETTLED`].
    pub scenario: Scenario,
    /// What was left out or made up, in words.
    pub notes: Vec<String>,
    /// Pods that were ready, by namespace and name: they are so again once the run has settled.
    pub ready: Vec<(Name, Name)>,
}

impl ClusterDump {
    /// Reads a dump, in JSON or YAML.
    ///
    /// # Errors
    /// What cannot be read, and a dump without a node that is ready.
    pub fn load(path: &str, files: &dyn Files) -> Result<Self, Problems> {
        let start = Place::start_of(path);
        let mut problems = Problems::default();
        let content = match files.read(path) {
            Ok(content) => content,
            Err(error) => {
                problems.add(start, format!("{path}: {error}"), error.remedy());
                return Err(problems);
            }
        };
        let mut dump = Reader::default();
        dump.read(start, &content, &mut problems);
        if problems.is_empty() && dump.nodes.is_empty() {
            problems.add(start, "no node that is ready", "dump them too: kubectl get nodes,pods,… -A -o json");
        }
        let inputs = vec![(path.to_owned(), blake3::hash(&content).to_hex().to_string())];
        problems.or(Some(())).map(|()| dump.finish(path, inputs))
    }
}

/// What has been read of a dump.
#[derive(Debug, Default)]
struct Reader {
    nodes: Vec<Arc<Node>>,
    pods: Vec<Arc<Pod>>,
    objects: Vec<Object>,
    notes: Vec<String>,
    /// Kinds without effect.
    idle: BTreeSet<String>,
    absent: BTreeSet<Name>,
    newest: i64,
}

impl Reader {
    fn read(&mut self, start: Place, content: &[u8], problems: &mut Problems) {
        let documents = manifest::load(content).unwrap_or_else(|errors| {
            problems.extend(errors.into_iter().map(|error| Problem::of_manifest(start.file, error)));
            Vec::new()
        });
        let reading = Lowering::of_stored();
        for document in documents {
            match reading.lower(&document.value) {
                Ok(lowered) => self.take(lowered.object),
                Err(error) if error.code == 404 => {
                    self.idle.extend(document.value["kind"].as_str().map(str::to_owned));
                }
                Err(error) => {
                    let field = error.causes.first().map_or("", |cause| cause.field.as_str());
                    let place = Place { position: document.positions.find(field), ..start };
                    problems.add(place, error.to_string(), "write it as a server prints it");
                }
            }
        }
    }

    fn take(&mut self, object: Object) {
        self.newest = self.newest.max(object.meta().creation_timestamp.unix_secs());
        match object {
            Object::Node(node) => {
                if node.is_ready() {
                    self.nodes.push(node);
                } else {
                    self.notes.push(format!("node {} is not ready: it and what is on it are left out", node.meta.name));
                    self.absent.insert(node.meta.name);
                }
            }
            Object::Pod(pod) => {
                self.newest = self.newest.max(pod.status.start_time.map_or(0, |stamp| stamp.unix_secs()));
                self.pods.push(pod);
            }
            Object::Event(_) | Object::EndpointSlice(_) | Object::ControllerRevision(_) => {}
            Object::Endpoints(endpoints) if endpoints.is_made_by_controller() => {}
            // What pods use is in no dump: an autoscaler would take them for idle.
            Object::HorizontalPodAutoscaler(scaler) => {
                self.notes
                    .push(format!("the autoscaler {} is left out: what pods use is not known", scaler.meta.key()));
            }
            Object::Other(other) => {
                self.idle.insert(other.kind.to_string());
            }
            other => self.objects.push(other),
        }
    }

    fn finish(mut self, path: &str, inputs: Vec<(String, String)>) -> ClusterDump {
        self.nodes.sort_by_key(|node| node.meta.name);
        self.pods.sort_by_key(|pod| (pod.meta.namespace, pod.meta.name));
        self.leave_out();
        let (mirrors, pods): (Vec<Arc<Pod>>, Vec<Arc<Pod>>) =
            std::mem::take(&mut self.pods).into_iter().partition(|pod| pod.meta.annotations.get(*MIRROR).is_some());
        let ready = pods.iter().filter(|pod| pod.is_ready()).map(|pod| (pod.meta.namespace, pod.meta.name)).collect();
        let world =
            World { pods: steady::behaviors(&pods), images: steady::images(&self.nodes, &pods), ..World::default() };
        let mut objects = std::mem::take(&mut self.objects);
        objects.sort_by_key(|object| (object.kind(), object.meta().namespace, object.meta().name));
        let mut pods: Vec<Pod> = pods.iter().map(|pod| fresh(pod)).collect();
        owners::repair(&mut objects, &mut pods, &mut self.notes);
        references::supply(&mut objects, &pods, &mut self.notes);
        objects.extend(pods.into_iter().map(|pod| Object::Pod(Arc::new(pod))));
        let mut actions = Vec::new();
        let mut act = |action| actions.push(TimedAction { at: SimDuration::ZERO, action });
        self.nodes.iter().filter(|node| node.unschedulable).for_each(|node| act(cordon(node.meta.name)));
        for mirror in &mirrors {
            act(Action::WriteStaticPod { node: mirror.node_name, pod: Object::Pod(Arc::new(manifest_of(mirror))) });
        }
        let notes = Notes { no_effect: std::mem::take(&mut self.idle), ..Notes::default() };
        let scenario = Scenario {
            name: path.to_owned(),
            description: String::new(),
            seed: None,
            expectations: Vec::new(),
            notes,
            inputs,
            duration: SETTLED,
            start: WallTime::from_unix_nanos((self.newest + 1) * 1_000_000_000),
            stored: objects,
            machines: self.nodes.iter().map(|node| machine(node)).collect(),
            world: Arc::new(world),
            profile: Arc::new(LatencyProfile::default()),
            scheduler: Arc::default(),
            actions: Arc::new(actions),
            faults: Arc::default(),
            fault_limits: FaultLimits::default(),
            every_probe: false,
            groups: Vec::new(),
            limits: ClusterLimits::default(),
            node_expansion: NodeExpansion::default(),
            makeable: Makeable::default(),
            places: std::collections::BTreeMap::new(),
        };
        ClusterDump { scenario, notes: self.notes, ready }
    }

    /// Leaves out pods that hold nothing, or soon will not.
    fn leave_out(&mut self) {
        let known: FastMap<Name, ()> = self.nodes.iter().map(|node| (node.meta.name, ())).collect();
        let mut strays = BTreeSet::new();
        let mut terminating = 0;
        self.pods.retain(|pod| {
            if pod.is_terminal() {
                return false;
            }
            terminating += usize::from(pod.meta.is_terminating());
            let placed = pod.node_name.is_empty() || known.contains_key(&pod.node_name);
            if !placed && !self.absent.contains(&pod.node_name) {
                strays.insert(pod.node_name);
            }
            placed && !pod.meta.is_terminating()
        });
        if terminating > 0 {
            self.notes.push(format!("{terminating} pods that are being deleted are left out"));
        }
        if !strays.is_empty() {
            let names: Vec<&str> = strays.iter().map(|name| name.as_str()).collect();
            self.notes.push(format!("pods on nodes that the dump does not hold are left out: {}", names.join(", ")));
        }
    }
}

/// The pod as it is right after its binding: its kubelet has yet to start it.
fn fresh(pod: &Pod) -> Pod {
    let mut status = PodStatus { qos_class: requests::qos_class(&pod.spec), ..PodStatus::default() };
    if !pod.node_name.is_empty() {
        status.set_condition(Condition::new(*POD_SCHEDULED, ConditionStatus::True, pod.meta.creation_timestamp));
    }
    Pod { status: Arc::new(status), ..pod.clone() }
}

/// The manifest in a node's directory whose mirror a pod is.
fn manifest_of(mirror: &Pod) -> Pod {
    let mut pod = fresh(mirror);
    let own = format!("-{}", mirror.node_name);
    pod.meta.name = Name::new(mirror.meta.name.strip_suffix(&own).unwrap_or(&mirror.meta.name));
    pod.meta.annotations =
        pod.meta.annotations.iter().filter(|(key, _)| !key.starts_with("kubernetes.io/config.")).collect();
    pod.meta.owner_references = Vec::new().into();
    pod.meta.uid = crate::api::Uid::default();
    pod.meta.creation_timestamp = Timestamp::default();
    pod.node_name = Name::default();
    pod
}

fn cordon(node: Name) -> Action {
    let name = node.parse().expect("a node's name is a pattern of itself");
    let target =
        ActionTarget { kind: Kind::Node, namespace: Name::default(), name, pick: Pick::Oldest, node: Name::default() };
    let patch = json!({"spec": {"unschedulable": true}});
    Action::Patch { target, part: Part::Main, kind: PatchKind::Merge, patch }
}

/// The machine behind a node.
pub(super) fn machine(node: &Node) -> Machine {
    // What controllers say about a node by taints they say again if it is still so.
    let passing = [*TAINT_NOT_READY, *TAINT_UNREACHABLE, *TAINT_UNSCHEDULABLE, *TAINT_MEMORY_PRESSURE];
    let plan = NodePlan {
        name: node.meta.name,
        capacity: node.status.capacity.clone(),
        allocatable: node.status.allocatable.clone(),
        labels: node.meta.labels.clone(),
        taints: node.taints.iter().filter(|taint| !passing.contains(&taint.key)).cloned().collect(),
        present: true,
        uptime: SimDuration::ZERO,
        kubelet: Arc::default(),
        load: Arc::default(),
    };
    Machine { node: plan, uptime: super::machines::settled(), join: None, pool: None }
}
