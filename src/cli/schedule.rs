//! `podsim schedule`: why a pod goes where it goes, or nowhere, on the objects of a real cluster.

use super::disk::Disk;
use super::print::{print, say};
use super::{WRONG_REQUEST, tell};
use anstream::eprintln;
use clap::Args;
use podsim::api::{Kind, Lowering, Name, Object, Pod};
use podsim::components::scheduler::{ClusterSnapshot, Explanation, SchedulerSetup, explain, relaxations};
use podsim::report::decision::DecisionReport;
use podsim::scenario::{Files, Place, Problem, Problems, manifest, scheduler_setup};
use std::cmp::Reverse;
use std::process::ExitCode;
use std::sync::Arc;

/// Explains one decision of the scheduler on a snapshot of a cluster
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  kubectl get nodes,pods,pvc,pv,sc,svc,rs,sts,pdb,ns,pc -A -o json > cluster.json\n  \
                        podsim schedule cluster.json --pod default/web-0"
)]
pub struct Schedule {
    /// The cluster: objects in JSON or YAML, as `kubectl get … -A -o json` writes them
    #[arg(value_name = "CLUSTER")]
    cluster: String,
    /// The pod; the one that is tried next if none is named
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pod: Option<String>,
    /// How the scheduler is configured: a KubeSchedulerConfiguration
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

impl Schedule {
    /// Explains.
    pub fn run(self) -> ExitCode {
        match self.decide() {
            Err(problems) => {
                tell::problems(&problems);
                ExitCode::from(WRONG_REQUEST)
            }
            Ok(report) => {
                if self.json {
                    say!("{:#}", serde_json::to_value(&report).expect("a report is JSON"));
                } else {
                    print(report.text());
                }
                ExitCode::SUCCESS
            }
        }
    }

    fn decide(&self) -> Result<DecisionReport, Problems> {
        let setup = self.setup()?;
        let start = Place::start_of(&self.cluster);
        let problem = |found: String, remedy: &str| {
            let mut problems = Problems::default();
            problems.add(start, found, remedy);
            problems
        };
        let named = self.pod.as_deref().map(|pod| pod.split_once('/').unwrap_or(("default", pod)));
        let named = named.map(|(namespace, name)| (Name::new(namespace), Name::new(name)));
        let mut objects = read(&self.cluster)?;
        prioritise(&mut objects);
        objects.iter_mut().for_each(|object| take_off_its_node(object, named));
        let mut snapshot = ClusterSnapshot::new(objects, None);
        let pod = match named {
            Some((namespace, name)) => snapshot.find_pending(namespace, name).cloned().ok_or_else(|| {
                let found = format!("no pod {namespace}/{name} that could be placed");
                problem(found, "name a pod of the file that has not finished")
            })?,
            None => self.next(&snapshot).ok_or_else(|| {
                problem("no pod that waits for a node".to_owned(), "name a pod with --pod NAMESPACE/NAME")
            })?,
        };
        let name = pod.spec.scheduler_name;
        let profile = setup.profiles.iter().find(|one| one.scheduler_name == name).ok_or_else(|| {
            let known: Vec<&str> = setup.profiles.iter().map(|one| one.scheduler_name.as_str()).collect();
            let found = format!("{} is for the scheduler {:?}", pod.meta.key(), &*name);
            problem(found, &format!("give --config a profile of this name; there is {}", known.join(", ")))
        })?;
        // Pods that have not started count as started now: the newest instant that the objects know.
        let stamps = snapshot.cache.pods().filter_map(|(_, pod)| pod.status.start_time);
        let now = stamps.map(|stamp| stamp.unix_secs()).max().unwrap_or(0) + 1;
        let told = explain(&mut snapshot, profile, &pod, now);
        let help = if is_unfit(&told) { relaxations(&snapshot, profile, &pod, &told, now) } else { Vec::new() };
        Ok(DecisionReport::new(&pod, &told, help))
    }

    fn setup(&self) -> Result<SchedulerSetup, Problems> {
        let Some(path) = &self.config else { return Ok(SchedulerSetup::default()) };
        let setup = scheduler_setup(Place::start_of(path), &content(path)?)?;
        if !setup.configuration.no_effect.is_empty() {
            let fields = setup.configuration.no_effect.join(", ");
            eprintln!("{}warning:{:#} these have no effect: {fields}", tell::CARE, tell::CARE);
        }
        Ok(setup)
    }

    /// The pod that the scheduler would try first.
    fn next(&self, snapshot: &ClusterSnapshot) -> Option<Arc<Pod>> {
        let order = |pod: &&Arc<Pod>| (Reverse(pod.spec.priority), pod.meta.creation_timestamp);
        let waiting = snapshot.pending.len();
        if waiting > 1 {
            let note = format!("{waiting} pods wait; the first in the queue is explained, --pod names another");
            eprintln!("{}note:{:#} {note}", tell::GOOD, tell::GOOD);
        }
        snapshot.pending.iter().min_by_key(order).cloned()
    }
}

fn is_unfit(told: &Explanation) -> bool {
    told.nodes.iter().all(|node| node.rejection.is_some())
}

fn content(path: &str) -> Result<Vec<u8>, Problems> {
    Disk.read(path).map_err(|error| {
        let mut problems = Problems::default();
        problems.add(Place::start_of(path), error.to_string(), error.remedy());
        problems
    })
}

/// The objects of a file; what is wrong with any of them is told.
fn read(path: &str) -> Result<Vec<Object>, Problems> {
    let start = Place::start_of(path);
    let mut problems = Problems::default();
    let documents = manifest::load(&content(path)?).unwrap_or_else(|errors| {
        problems.extend(errors.into_iter().map(|error| Problem::of_manifest(start.file, error)));
        Vec::new()
    });
    let reading = Lowering::of_stored();
    let mut objects = Vec::new();
    for document in documents {
        match reading.lower(&document.value) {
            Ok(lowered) => objects.push(lowered.object),
            // Kinds that nobody knows do not matter to a scheduler.
            Err(error) if error.code == 404 => {}
            Err(error) => {
                let field = error.causes.first().map_or("", |cause| cause.field.as_str());
                let place = Place { position: document.positions.find(field), ..start };
                problems.add(place, error.to_string(), "write it as a server prints it");
            }
        }
    }
    problems.or(Some(objects))
}

/// Pods that no server has seen yet get the priority of their class, as at admission.
fn prioritise(objects: &mut [Object]) {
    let classes: Vec<(Name, i32)> = objects
        .iter()
        .filter_map(|object| match object {
            Object::PriorityClass(class) => Some((class.meta.name, class.value)),
            _ => None,
        })
        .collect();
    for object in objects.iter_mut().filter(|object| object.kind() == Kind::Pod) {
        let Object::Pod(pod) = object else { continue };
        let class = pod.spec.priority_class;
        if pod.spec.given_priority.is_none()
            && let Some((_, value)) = classes.iter().find(|(name, _)| *name == class)
        {
            Arc::make_mut(&mut Arc::make_mut(pod).spec).priority = *value;
        }
    }
}

/// The pod that is asked about is placed anew, even if it has a node.
fn take_off_its_node(object: &mut Object, named: Option<(Name, Name)>) {
    if let Object::Pod(pod) = object
        && Some((pod.meta.namespace, pod.meta.name)) == named
        && !pod.node_name.is_empty()
    {
        Arc::make_mut(pod).node_name = Name::default();
    }
}
