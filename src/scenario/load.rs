//! From files to a scenario that has been checked: everything that is wrong with any of them is found.

use super::error::{Place, Problem, Problems, suggestion};
use super::expect::{self, Expectation};
use super::faults::FaultContext;
use super::file::{Image, Latencies, Manifest, NodePool, ScenarioFile};
use super::files::{Files, beside, plain};
use super::machines::{Machine, machines};
use super::names::Makeable;
use super::notes::Notes;
use super::objects::{ManifestReader, Written, namespace_of};
use super::outline::{self, Placed};
use super::plan::{Action, Plan, TimedAction};
use super::scheduler::scheduler_setup;
use super::setting::Setting;
use super::step::TimedStep;
use super::verbs::VerbContext;
use crate::api::{Kind, Metadata, Name, Namespace, Object, Text, WallTime};
use crate::components::controllers::NodeExpansion;
use crate::components::latency::LatencyProfile;
use crate::components::runtime::{
    ContainerBehavior, Glob, ImageBehavior, MetricOwner, MetricSeries, PodBehavior, Process, PullBehavior, Rate,
    Traffic, World,
};
use crate::components::scheduler::SchedulerSetup;
use crate::engine::{Distribution, Draws, SimDuration, SimTime};
use crate::faults::{FaultKind, FaultLimits, FaultPlan, SwarmTargets};
use crate::simulation::Simulation;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The largest scenario file that is read; manifests have files of their own.
const LONGEST_FILE: usize = 8 << 20;
/// The most files that a scenario includes.
const MOST_FILES: usize = 200;
/// The most timed actions.
const MOST_ACTIONS: usize = 1_000_000;
/// The most retries of a request.
const MOST_RETRIES: u32 = 20;
/// 2026-01-01T00:00:00Z.
const DEFAULT_START: i64 = 1_767_225_600_000_000_000;
/// How long a cluster is watched if nothing is said.
const DEFAULT_DURATION: SimDuration = SimDuration::from_mins(10);
/// The namespaces of every cluster.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// A scenario that has been read and checked.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The file that was named, or the first manifest.
    pub name: String,
    /// One line that says what happens; may be empty.
    pub description: String,
    /// The seed that it asks for.
    pub seed: Option<u64>,
    /// What must hold.
    pub expectations: Vec<Expectation>,
    /// What people should know.
    pub notes: Notes,
    /// The files that it was read from, with the BLAKE3 hash of each.
    pub inputs: Vec<(String, String)>,
    pub(super) duration: SimDuration,
    pub(super) start: WallTime,
    pub(super) stored: Vec<Object>,
    pub(super) machines: Vec<Machine>,
    pub(super) world: Arc<World>,
    pub(super) profile: Arc<LatencyProfile>,
    pub(super) scheduler: Arc<SchedulerSetup>,
    pub(super) actions: Arc<Vec<TimedAction>>,
    pub(super) faults: Arc<[FaultPlan]>,
    pub(super) fault_limits: FaultLimits,
    pub(super) every_probe: bool,
    pub(super) groups: Vec<super::plan::NodeGroup>,
    pub(super) limits: super::plan::ClusterLimits,
    pub(super) node_expansion: NodeExpansion,
    /// What may be named in a study's measures.
    pub(super) makeable: Makeable,
    pub(super) places: BTreeMap<String, Place>,
}

/// How manifests alone are run.
#[derive(Debug, Clone, Default)]
pub struct ManifestOptions {
    /// How many nodes; three if absent.
    pub nodes: Option<u32>,
    /// What each has, as `cpu=4,memory=16Gi,pods=110,example.com/dongle=4`.
    pub node_capacity: Option<String>,
    /// Labels of single nodes, as `0:disktype=ssd`.
    pub node_labels: Vec<String>,
    /// Whether namespaces that nobody creates are refused rather than made.
    pub strict: bool,
}

impl Scenario {
    /// Reads a scenario file and every file that it names.
    ///
    /// ```
    /// use podsim::scenario::Scenario;
    /// use std::collections::BTreeMap;
    /// let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: a, image: nginx}]}}";
    /// let text = r#"(manifests: [File("pod.yaml")], duration: "1m", expect: ["eventually pod(web).ready"])"#;
    /// let files = BTreeMap::from([("web.ron", text), ("pod.yaml", pod)]);
    /// let scenario = Scenario::load("web.ron", &files)?;
    /// assert_eq!(scenario.plan(1).actions.len(), 1);
    /// let wrong = BTreeMap::from([("web.ron", "(duration: \"1 min\")")]);
    /// let problems = Scenario::load("web.ron", &wrong).expect_err("no duration").to_string();
    /// assert!(problems.starts_with("web.ron:1:12: \"1 min\" is not a duration; write it like"), "{problems}");
    /// # Ok::<(), podsim::scenario::Problems>(())
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong with any of the files.
    pub fn load(path: &str, files: &dyn Files) -> Result<Self, Problems> {
        Self::load_with(path, &[], files)
    }

    /// The same with some fields set to other values.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files, and fields that nothing has.
    pub fn load_with(path: &str, settings: &[Setting], files: &dyn Files) -> Result<Self, Problems> {
        let mut loader = Loader::new(files);
        let (objects, own): (Vec<Setting>, Vec<Setting>) =
            settings.iter().cloned().partition(|setting| setting.is_of_object());
        loader.settings = own;
        loader.reader.settings = objects.into_iter().map(|setting| (setting, false)).collect();
        let file = loader.scenario_file(Place::start_of(path), &plain(path));
        let scenario = file.map(|file| loader.scenario(path, file));
        for (setting, used) in &loader.reader.settings {
            if !used {
                let found = format!("no manifest has {}", setting.path());
                let remedy = "name an object of the manifests, as in deployment/web:spec.replicas";
                loader.problems.add(Place::start_of(path), found, remedy);
            }
        }
        // What is refused may be why something else is missing.
        if !loader.problems.is_empty() {
            for refusal in scenario.iter().flat_map(|scenario| &scenario.notes.refused) {
                let place = refusal.place.unwrap_or_else(|| Place::start_of(path));
                let found = format!("refused: {}: {}", refusal.object, refusal.message);
                loader.problems.add(place, found, "correct it: nothing can be said of what is not there");
            }
        }
        loader.problems.or(scenario)
    }

    /// Takes manifests as a scenario: their objects are created at the start, in order, on a default cluster.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files or options. What a server would refuse is no error: see
    /// [`notes`](Self::notes).
    pub fn from_manifests(paths: &[String], options: &ManifestOptions, files: &dyn Files) -> Result<Self, Problems> {
        let mut loader = Loader::new(files);
        let mut file = ScenarioFile { strict: Some(options.strict), ..ScenarioFile::default() };
        let line = |n: usize, option: &str| Place::start_of(&format!("--{option}[{n}]"));
        match default_pools(options, &line) {
            Ok(pools) => file.nodes = pools,
            Err(problem) => loader.problems.push(problem),
        }
        file.manifests = paths
            .iter()
            .map(|path| {
                let place = Place::start_of(path);
                Placed::new(place, Manifest::File(Placed::new(place, plain(path))))
            })
            .collect();
        let name = paths.first().cloned().unwrap_or_default();
        let scenario = loader.scenario(&name, file);
        loader.problems.or(Some(scenario))
    }

    /// How long the cluster is watched.
    pub const fn duration(&self) -> SimDuration {
        self.duration
    }

    /// What the clocks show at the start.
    pub const fn start(&self) -> WallTime {
        self.start
    }

    /// The same, watched for another time.
    #[must_use]
    pub fn until(mut self, duration: SimDuration) -> Self {
        self.duration = duration;
        self
    }

    /// The same without its faults: what it is compared with, for everything else goes as it would with them.
    #[must_use]
    pub fn without_faults(self) -> Self {
        self.retain_faults(|_| false)
    }

    /// The same with only some of its faults.
    #[must_use]
    pub fn retain_faults(mut self, keeps: impl Fn(&FaultKind) -> bool) -> Self {
        self.faults = self.faults.iter().filter(|fault| keeps(&fault.kind)).cloned().collect();
        self
    }

    /// The same with another scheduler.
    #[must_use]
    pub fn with_scheduler(mut self, setup: SchedulerSetup) -> Self {
        self.scheduler = Arc::new(setup);
        self
    }

    /// Whether there is anything to run: an object, or something else that is done.
    pub fn does_something(&self) -> bool {
        !self.actions.is_empty() || !self.faults.is_empty()
    }

    /// Whether all it does is to create or apply objects.
    pub fn does_nothing_but_create(&self) -> bool {
        let creates = |action: &TimedAction| matches!(action.action, Action::Create(_) | Action::Apply(_));
        self.faults.is_empty() && self.actions.iter().all(creates)
    }

    /// What of it faults can be about that have to name it.
    pub fn swarm_targets(&self) -> SwarmTargets {
        let mut targets = SwarmTargets::default();
        for action in self.actions.iter().filter(|action| action.at.is_zero()) {
            let object = match &action.action {
                Action::Create(object) => object,
                Action::Apply(applied) => &applied.object,
                _ => continue,
            };
            let meta = object.meta();
            let (namespace, name) = (meta.namespace.to_string(), meta.name.to_string());
            match object {
                Object::Deployment(workload) => {
                    let container = workload.spec.template.spec.containers.first().map(|container| container.name);
                    let container = container.unwrap_or_default().to_string();
                    targets.deployments.push((namespace, name, container));
                }
                Object::ConfigMap(_) => targets.objects.push(("configmap", namespace, name)),
                Object::Service(_) => targets.objects.push(("service", namespace, name)),
                _ => {}
            }
        }
        targets
    }

    /// Where an object, `Kind/namespace/name`, is written.
    pub fn place_of(&self, object: &str) -> Option<Place> {
        self.places.get(object).copied()
    }

    /// A simulation of it with a seed, before its first message.
    pub fn simulate(&self, seed: u64) -> Simulation {
        Simulation::new(Arc::new(self.plan(seed)), seed, &self.expectations)
    }

    /// The plan for a seed.
    pub fn plan(&self, seed: u64) -> Plan {
        let draws = Draws::new(seed);
        Plan {
            duration: self.duration,
            start: self.start,
            stored: self.stored.clone(),
            nodes: self.machines.iter().map(|machine| machine.plan(draws)).collect(),
            world: self.world.clone(),
            profile: self.profile.clone(),
            scheduler: self.scheduler.clone(),
            actions: self.actions.clone(),
            faults: self.faults.clone(),
            fault_limits: self.fault_limits.clone(),
            every_probe: self.every_probe,
            groups: self.groups.clone(),
            limits: self.limits,
            node_expansion: self.node_expansion.clone(),
        }
    }
}

/// The machines of a default cluster.
fn default_pools(
    options: &ManifestOptions,
    place: &dyn Fn(usize, &str) -> Place,
) -> Result<Vec<Placed<NodePool>>, Problem> {
    let at = place(1, "node-capacity");
    let wrong = |place: Place| {
        move |text: String| {
            let (found, remedy) = text.split_once("; ").unwrap_or((&text, "see podsim run --help"));
            Problem::new(place, found, remedy)
        }
    };
    let capacity = super::machines::capacities(options.node_capacity.as_deref().unwrap_or_default());
    let capacity: BTreeMap<_, _> = capacity.map_err(wrong(at))?.into_iter().collect();
    let count = options.nodes.unwrap_or(3);
    let mut labels: BTreeMap<u32, BTreeMap<String, Placed<String>>> = BTreeMap::new();
    for (n, text) in options.node_labels.iter().enumerate() {
        let at = place(n + 1, "node-label");
        let parts =
            text.split_once(':').and_then(|(node, label)| Some((node.parse::<u32>().ok()?, label.split_once('=')?)));
        let Some((node, (key, value))) = parts else {
            return Err(Problem::new(
                at,
                format!("the label {text:?}"),
                "write 0:disktype=ssd: the node's number from 0 on",
            ));
        };
        if node >= count {
            let remedy = format!("the nodes are numbered 0 to {}", count.saturating_sub(1));
            return Err(Problem::new(at, format!("the node {node}"), remedy));
        }
        labels.entry(node).or_default().insert(key.to_owned(), Placed::new(at, value.to_owned()));
    }
    if count > 65_000 {
        return Err(Problem::new(
            place(1, "nodes"),
            format!("{count} machines"),
            "at most 65000 machines are simulated",
        ));
    }
    let pool = |node: u32| NodePool {
        name: Some(Placed::new(at, format!("node-{}", node + 1))),
        capacity: capacity.clone(),
        labels: labels.get(&node).cloned().unwrap_or_default(),
        ..NodePool::default()
    };
    Ok((0..count).map(|node| Placed::new(at, pool(node))).collect())
}

/// Reads the files of a scenario.
pub(super) struct Loader<'f> {
    files: &'f dyn Files,
    /// What is wrong.
    pub problems: Problems,
    reader: ManifestReader,
    /// Fields of the scenario that are set to other values.
    settings: Vec<Setting>,
    inputs: BTreeMap<String, String>,
    /// The files that are being included, from the first on.
    including: Vec<String>,
    /// What manifests and actions can make.
    pub makeable: Makeable,
    /// The last manifest of each object, as JSON text: few are ever looked at again.
    pub written: BTreeMap<(Name, Name, Name), Text>,
    /// Objects that actions name: where, kind, namespace, name.
    pub named: Vec<(Place, Kind, Option<String>, String)>,
    /// Containers that verbs and faults name, with the object and its namespace: checked likewise.
    containers: Vec<(Placed<String>, Option<String>, Placed<String>)>,
    nodes: Vec<Name>,
    /// Where each object is written first.
    pub places: BTreeMap<String, Place>,
}

impl<'f> Loader<'f> {
    fn new(files: &'f dyn Files) -> Self {
        Self {
            files,
            problems: Problems::default(),
            reader: ManifestReader::default(),
            settings: Vec::new(),
            inputs: BTreeMap::new(),
            including: Vec::new(),
            makeable: Makeable::default(),
            written: BTreeMap::new(),
            named: Vec::new(),
            containers: Vec::new(),
            nodes: Vec::new(),
            places: BTreeMap::new(),
        }
    }

    /// The content of a file that is named at a place.
    fn read(&mut self, place: Place, path: &str) -> Option<Vec<u8>> {
        match self.files.read(path) {
            Ok(content) => {
                self.inputs.insert(path.to_owned(), blake3::hash(&content).to_hex().to_string());
                Some(content)
            }
            Err(error) => {
                self.problems.add(place, format!("{path}: {error}"), error.remedy());
                None
            }
        }
    }

    /// A scenario file, with what it includes before its own.
    fn scenario_file(&mut self, place: Place, path: &str) -> Option<ScenarioFile> {
        if let Some(first) = self.including.iter().position(|open| open == path) {
            let circle = [&self.including[first..], &[path.to_owned()]].concat().join(" -> ");
            self.problems.add(place, format!("files that include each other: {circle}"), "leave one of them out");
            return None;
        }
        if self.inputs.len() >= MOST_FILES {
            self.problems.add(place, format!("more than {MOST_FILES} files"), "include fewer");
            return None;
        }
        let content = self.read(place, path)?;
        let file = Name::new(path);
        let start = Place::start_of(path);
        if content.len() > LONGEST_FILE {
            let found = format!("a file of {} bytes", content.len());
            self.problems.add(
                start,
                found,
                format!("at most {LONGEST_FILE} bytes are read; manifests have files of their own"),
            );
            return None;
        }
        let text = match manifest_text(&content) {
            Ok(text) => text,
            Err(error) => {
                self.problems.push(Problem::of_manifest(file, error));
                return None;
            }
        };
        let (mut node, errors) = outline::parse(text);
        if self.including.is_empty()
            && let Some(node) = &mut node
        {
            for setting in std::mem::take(&mut self.settings) {
                if let Err(found) = setting.apply(node) {
                    self.problems.add(start, found, "name a field that the scenario states, as in nodes[0].count");
                }
            }
        }
        let mut problems: Vec<Problem> = errors
            .into_iter()
            .map(|error| Problem::new(Place { file, position: error.at }, error.found, error.remedy))
            .collect();
        let own = node.and_then(|node| outline::read::<ScenarioFile>(&node, file, &mut problems));
        self.problems.extend(problems);
        let mut own = own?;
        self.including.push(path.to_owned());
        for named in std::mem::take(&mut own.include).iter().rev() {
            if let Some(included) = self.scenario_file(named.place, &beside(path, named)) {
                own = merged(included, own);
            }
        }
        self.including.pop();
        Some(own)
    }

    /// The objects of a manifest. Paths are relative to the file that names them.
    pub(super) fn manifest(&mut self, manifest: &Manifest) -> Vec<Written> {
        match manifest {
            Manifest::File(path) => {
                let is_own = path.place == Place::start_of(path);
                let path = if is_own { path.value.clone() } else { beside(&path.place.file, path) };
                let place = match manifest {
                    Manifest::File(named) => named.place,
                    Manifest::Inline(text) => text.place,
                };
                let Some(content) = self.read(place, &path) else { return Vec::new() };
                self.reader.read(Place::start_of(&path), &content, &mut self.problems)
            }
            Manifest::Inline(text) => self.reader.read(text.place, text.as_bytes(), &mut self.problems),
        }
    }

    /// The nodes that a name, perhaps a pattern, means.
    pub(super) fn nodes_named(&mut self, name: &Placed<String>) -> Vec<Name> {
        match name.parse::<Glob>() {
            Ok(glob) => self.nodes.iter().copied().filter(|node| glob.matches(node)).collect(),
            Err(error) => {
                self.problems.add(name.place, error, "patterns are made of *, ? and [ab]");
                Vec::new()
            }
        }
    }

    fn scenario(&mut self, path: &str, file: ScenarioFile) -> Scenario {
        let duration = file.duration.as_ref().map_or(DEFAULT_DURATION, |duration| duration.value);
        if let Some(duration) = file.duration.as_ref().filter(|duration| duration.is_zero()) {
            self.problems.add(duration.place, "a duration of nothing", "say how long, such as \"10m\"");
        }
        let start = self.start(file.start.as_ref());
        let profile = self.profile(file.latencies.as_ref());
        let scheduler = self.scheduler(file.scheduler.as_ref());
        let three = [Placed::new(
            Place::start_of(path),
            NodePool { count: Some(Placed::new(Place::start_of(path), 3)), ..NodePool::default() },
        )];
        let pools = if file.nodes.is_empty() { &three[..] } else { &file.nodes[..] };
        let machines = machines(pools, &mut self.problems);
        for machine in &machines {
            self.nodes.push(machine.node.name);
            self.makeable.add_node(machine.node.name);
        }
        let groups = super::machines::groups(pools, &machines);
        let limits = super::machines::limits(file.autoscaler.as_ref(), &mut self.problems);
        let drivers = file.drivers.iter().filter_map(|(name, driver)| {
            let pattern = name.parse::<Glob>().map_err(|_| {
                self.problems.add(driver.place, format!("the driver {name:?}"), "write its name or a pattern of it");
            });
            Some((pattern.ok()?, driver.node_expansion))
        });
        let node_expansion = drivers.collect();
        let world = self.world(&file);
        let mut actions = self.first_objects(&file);
        self.joins(&machines, duration, &mut actions);
        for step in &file.actions {
            self.step(step, duration, start, &mut actions);
        }
        let faults = FaultContext { loader: self, machines: &machines, duration, start }.plans(&file.faults);
        let fault_limits = file.fault_limits.as_ref().map(|limits| limits.value.clone()).unwrap_or_default();
        if let Some(until) = &fault_limits.until {
            self.in_time(until, duration);
        }
        actions.sort_by_key(|action| action.at);
        for (place, kind, namespace, name) in std::mem::take(&mut self.named) {
            if let Err((found, remedy)) = self.makeable.check_object(kind, namespace.as_deref(), &name) {
                self.problems.add(place, found, remedy);
            }
        }
        for (object, namespace, container) in std::mem::take(&mut self.containers) {
            let Ok((kind, name)) = super::names::object(&object) else { continue };
            let known = self.makeable.check_container_of(kind, namespace.as_deref(), name, &container);
            if let Err((found, remedy)) = known {
                self.problems.add(container.place, found, remedy);
            }
        }
        let expectations = file
            .expect
            .iter()
            .filter_map(|text| expect::parse(text, duration, &self.makeable, &mut self.problems))
            .collect();
        Scenario {
            name: path.to_owned(),
            description: file.description.unwrap_or_default(),
            seed: file.seed,
            expectations,
            notes: self.reader.take_notes(),
            inputs: std::mem::take(&mut self.inputs).into_iter().collect(),
            duration,
            start,
            stored: Vec::new(),
            machines,
            world: Arc::new(world),
            profile: Arc::new(profile),
            scheduler: Arc::new(scheduler),
            actions: Arc::new(actions),
            faults: faults.into(),
            fault_limits,
            every_probe: file.every_probe.unwrap_or(false),
            groups,
            limits,
            node_expansion,
            makeable: std::mem::take(&mut self.makeable),
            places: std::mem::take(&mut self.places),
        }
    }

    fn start(&mut self, text: Option<&Placed<String>>) -> WallTime {
        let Some(text) = text else { return WallTime::from_unix_nanos(DEFAULT_START) };
        let parsed = text.parse::<jiff::Timestamp>().ok().and_then(|stamp| i64::try_from(stamp.as_nanosecond()).ok());
        parsed.map(WallTime::from_unix_nanos).unwrap_or_else(|| {
            self.problems.add(text.place, format!("the time {:?}", text.value), "write it like 2026-01-01T00:00:00Z");
            WallTime::from_unix_nanos(DEFAULT_START)
        })
    }

    /// The setup of the scheduler; what of it has no effect is noted.
    fn scheduler(&mut self, configuration: Option<&Placed<Manifest>>) -> SchedulerSetup {
        let Some(configuration) = configuration else { return SchedulerSetup::default() };
        let read = match &configuration.value {
            Manifest::Inline(text) => scheduler_setup(text.place, text.as_bytes()),
            Manifest::File(path) => {
                let named = beside(&path.place.file, path);
                let Some(content) = self.read(path.place, &named) else { return SchedulerSetup::default() };
                scheduler_setup(Place::start_of(&named), &content)
            }
        };
        match read {
            Ok(setup) => {
                let fields = setup.configuration.no_effect.iter();
                self.reader.notes().no_effect.extend(fields.map(|field| format!("KubeSchedulerConfiguration.{field}")));
                setup
            }
            Err(problems) => {
                self.problems.extend(problems.iter().cloned());
                SchedulerSetup::default()
            }
        }
    }

    fn profile(&mut self, latencies: Option<&Latencies>) -> LatencyProfile {
        let Some(latencies) = latencies else { return LatencyProfile::default() };
        let mut profile = match latencies.profile.as_ref() {
            None => LatencyProfile::default(),
            Some(name) if name.value == "ideal" => LatencyProfile::ideal(),
            Some(name) if name.value == "kubernetes-1.36" => LatencyProfile::kubernetes_1_36(),
            Some(path) if path.ends_with(".ron") => self.profile_file(path),
            Some(name) => {
                let remedy = "write ideal, kubernetes-1.36 or the path of a .ron file";
                self.problems.add(name.place, format!("the profile {:?}", name.value), remedy);
                LatencyProfile::default()
            }
        };
        for (name, distribution) in &latencies.overrides {
            let known: Vec<&str> = profile.named().iter().map(|(name, _)| *name).collect();
            match profile.named_mut(name) {
                Some(place) => *place = distribution.value.clone(),
                None => {
                    let place = distribution.place;
                    self.problems.add(place, format!("the latency {name:?}"), suggestion(name, known));
                }
            }
            self.distribution(distribution.place, &distribution.value);
        }
        if let Some(load) = latencies.load {
            profile.load = load;
        }
        profile
    }

    fn profile_file(&mut self, named: &Placed<String>) -> LatencyProfile {
        let path = beside(&named.place.file, named);
        let Some(content) = self.read(named.place, &path) else { return LatencyProfile::default() };
        let file = Name::new(&path);
        let mut problems = Vec::new();
        let read = match manifest_text(&content) {
            Ok(text) => {
                let (node, errors) = outline::parse(text);
                problems.extend(
                    errors
                        .into_iter()
                        .map(|error| Problem::new(Place { file, position: error.at }, error.found, error.remedy)),
                );
                node.and_then(|node| outline::read::<LatencyProfile>(&node, file, &mut problems))
            }
            Err(error) => {
                problems.push(Problem::of_manifest(file, error));
                None
            }
        };
        self.problems.extend(problems);
        let profile = read.unwrap_or_default();
        for (_, distribution) in profile.named() {
            self.distribution(Place::start_of(&path), distribution);
        }
        profile
    }

    pub(super) fn distribution(&mut self, place: Place, distribution: &Distribution) {
        if let Err(error) = distribution.validate() {
            let text = error.to_string();
            let (found, remedy) = text.split_once("; ").unwrap_or((&text, "correct the distribution"));
            self.problems.add(place, found, remedy);
        }
    }

    /// What containers do, and the images.
    fn world(&mut self, file: &ScenarioFile) -> World {
        let start = Place::start_of(&self.including.first().cloned().unwrap_or_default());
        let mut pods = file.behaviors.clone();
        for rule in &pods {
            rule.distributions(&mut |distribution| self.distribution(start, distribution));
        }
        let mut images = Vec::new();
        let mut by_image = Vec::new();
        for (name, image) in &file.images {
            let Ok(glob) = name.parse::<Glob>() else {
                self.problems.add(image.place, format!("the image {name:?}"), "patterns are made of *, ? and [ab]");
                continue;
            };
            if let Some(process) = &image.process {
                by_image.push(ContainerBehavior {
                    name: Glob::any(),
                    image: Some(glob.clone()),
                    process: Arc::new(process.clone()),
                    ..ContainerBehavior::default()
                });
            }
            images.push(self.image(glob, image));
        }
        if !by_image.is_empty() {
            // A container that the rules of its pod do not name does what its image does.
            for rule in &mut pods {
                rule.containers.extend(by_image.iter().cloned());
            }
            pods.push(PodBehavior { containers: by_image, ..PodBehavior::default() });
        }
        let traffic = file.traffic.iter().map(|traffic| self.traffic(traffic)).collect();
        let metrics = file.metrics.iter().map(|metric| self.metric(metric)).collect();
        World { pods, images, traffic, metrics, ..World::default() }
    }

    /// Whoever sends requests, if what is said of them goes together.
    fn traffic(&mut self, traffic: &Placed<Traffic>) -> Traffic {
        let place = traffic.place;
        match (&traffic.rate, &traffic.users) {
            (Some(_), None) | (None, Some(_)) => {}
            (Some(_), Some(_)) => self.problems.add(place, "a rate and users", "say one of them"),
            (None, None) => {
                let remedy = "say how many requests come: rate: Constant(100), or users: (count: Constant(50))";
                self.problems.add(place, "traffic without a rate", remedy);
            }
        }
        let curves = traffic.rate.iter().chain(traffic.users.iter().map(|users| &users.count));
        if curves.into_iter().any(|rate| matches!(rate, Rate::Daily { period, .. } if period.is_zero())) {
            self.problems.add(place, "days of no length", "say how long a day is, such as period: \"24h\"");
        }
        if traffic.timeout.is_some_and(SimDuration::is_zero) {
            self.problems.add(place, "a timeout of nothing", "say how long an answer is waited for, such as \"1s\"");
        }
        if traffic.retries.most > MOST_RETRIES {
            let found = format!("{} retries", traffic.retries.most);
            self.problems.add(place, found, format!("at most {MOST_RETRIES} are sent"));
        }
        let namespace = traffic.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let name = traffic.name.as_ref().unwrap_or(&traffic.service);
        self.makeable.add_traffic(Name::new(&namespace), Name::new(name));
        self.named.push((place, Kind::Service, Some(namespace), traffic.service.clone()));
        traffic.value.clone()
    }

    /// A metric, if what is said of it goes together.
    fn metric(&mut self, metric: &Placed<MetricSeries>) -> MetricSeries {
        let (place, series) = (metric.place, &metric.value);
        if series.name.is_empty() {
            self.problems.add(place, "a metric without a name", "say what autoscalers call it: name: \"queue_length\"");
        }
        match &series.value {
            None => {
                let remedy = "say how it goes: value: Constant(100), or Steps([(from: \"1m\", rate: 50)])";
                self.problems.add(place, "a metric without a value", remedy);
            }
            Some(Rate::Daily { period, .. }) if period.is_zero() => {
                self.problems.add(place, "days of no length", "say how long a day is, such as period: \"24h\"");
            }
            Some(_) => {}
        }
        if let MetricOwner::Object(object) = &series.of
            && object.split_once('/').is_none_or(|(kind, name)| kind.is_empty() || name.is_empty())
        {
            self.problems.add(
                place,
                format!("the object {object:?}"),
                "write its kind and name, such as \"service/web\"",
            );
        }
        series.clone()
    }

    fn image(&mut self, name: Glob, image: &Placed<Image>) -> ImageBehavior {
        let mut pulls = image.pulls.clone();
        if let Some(pull) = &image.pull {
            self.distribution(image.place, pull);
            if pulls.is_empty() {
                pulls.push(PullBehavior::default());
            }
            for one in pulls.iter_mut().filter(|one| one.duration.is_none()) {
                one.duration = Some(pull.clone());
            }
        }
        let mut present_on = Vec::new();
        for node in image.present_on.iter().flatten() {
            let found = self.nodes_named(node);
            if found.is_empty() {
                self.named.push((node.place, Kind::Node, None, node.value.clone()));
            }
            present_on.extend(found);
        }
        ImageBehavior {
            name,
            size: image.size.as_ref().map_or(50 << 20, |size| size.value()),
            present_on: Some(present_on),
            pulls,
        }
    }

    /// The creation of what manifests hold, and of the namespaces that they name and nobody creates.
    fn first_objects(&mut self, file: &ScenarioFile) -> Vec<TimedAction> {
        let written: Vec<Written> = file.manifests.iter().flat_map(|manifest| self.manifest(&manifest.value)).collect();
        let made: BTreeSet<Name> = written
            .iter()
            .filter(|written| written.object.kind() == Kind::Namespace)
            .map(|written| written.object.meta().name)
            .chain(NAMESPACES.map(Name::new))
            .collect();
        let mut actions = Vec::new();
        let mut add = |action| actions.push(TimedAction { at: SimDuration::ZERO, action });
        if !file.strict.unwrap_or(false) {
            let named: BTreeSet<Name> = written.iter().filter_map(|written| namespace_of(&written.object)).collect();
            for name in named.difference(&made) {
                self.reader.notes().namespaces.insert(*name);
                let meta = Metadata { name: *name, ..Metadata::default() };
                let namespace =
                    Namespace { meta, terminating: false, conditions: Vec::new(), finalizers: crate::api::List::EMPTY };
                add(Action::Create(Object::Namespace(Arc::new(namespace))));
            }
        }
        for written in written {
            let meta = written.object.meta();
            let built_in = written.object.kind() == Kind::Namespace && NAMESPACES.contains(&meta.name.as_str());
            let again = built_in || !meta.name.is_empty() && self.is_known(&written.object);
            add(if again { self.apply(written) } else { self.create(written) });
        }
        actions
    }

    fn joins(&mut self, machines: &[Machine], duration: SimDuration, actions: &mut Vec<TimedAction>) {
        for machine in machines {
            if let Some(join) = &machine.join {
                self.in_time(join, duration);
                actions.push(TimedAction { at: join.value, action: Action::StartNode(machine.node.name) });
            }
        }
    }

    /// A container that the pods of an object are said to have: checked at the end.
    pub(super) fn has_container(
        &mut self,
        object: &Placed<String>,
        namespace: Option<&str>,
        container: &Placed<String>,
    ) {
        self.containers.push((object.clone(), namespace.map(str::to_owned), container.clone()));
    }

    /// Notes a time that lies behind the end.
    pub(super) fn in_time(&mut self, at: &Placed<SimDuration>, duration: SimDuration) -> bool {
        let in_time = at.value <= duration;
        if !in_time {
            let found = format!("{} is after the end, which is at {duration}", at.value);
            self.problems.add(at.place, found, "choose an earlier time or a longer duration");
        }
        in_time
    }

    fn step(
        &mut self,
        step: &Placed<TimedStep>,
        duration: SimDuration,
        start: WallTime,
        actions: &mut Vec<TimedAction>,
    ) {
        self.in_time(&step.at, duration);
        let mut at = step.at.value;
        let mut left = step.times.unwrap_or(if step.every.is_some() { u32::MAX } else { 1 });
        if let Some(every) = step.every.as_ref().filter(|every| every.is_zero()) {
            self.problems.add(every.place, "every 0s", "say how far apart, such as \"30s\"");
            return;
        }
        loop {
            let wall = crate::api::WallClock::starting_at(start).at(SimTime::ZERO + at);
            let done = VerbContext { loader: self, wall }.actions(&step.verb);
            actions.extend(done.into_iter().map(|action| TimedAction { at, action }));
            left = left.saturating_sub(1);
            let Some(every) = &step.every else { return };
            at += every.value;
            if left == 0 || at > duration {
                return;
            }
            if actions.len() > MOST_ACTIONS {
                self.problems.add(every.place, format!("more than {MOST_ACTIONS} actions"), "do it less often");
                return;
            }
        }
    }
}

/// The text of a file, or where it is none.
fn manifest_text(content: &[u8]) -> Result<&str, super::manifest::ManifestError> {
    super::manifest::text(content)
}

/// Two files as one: lists one after the other, single values of the second where it has them.
fn merged(first: ScenarioFile, second: ScenarioFile) -> ScenarioFile {
    fn joined<T>(mut first: Vec<T>, second: Vec<T>) -> Vec<T> {
        first.extend(second);
        first
    }
    let mut images = first.images;
    images.extend(second.images);
    let mut drivers = first.drivers;
    drivers.extend(second.drivers);
    ScenarioFile {
        description: second.description.or(first.description),
        include: second.include,
        duration: second.duration.or(first.duration),
        seed: second.seed.or(first.seed),
        start: second.start.or(first.start),
        latencies: second.latencies.or(first.latencies),
        scheduler: second.scheduler.or(first.scheduler),
        every_probe: second.every_probe.or(first.every_probe),
        strict: second.strict.or(first.strict),
        autoscaler: second.autoscaler.or(first.autoscaler),
        nodes: joined(first.nodes, second.nodes),
        manifests: joined(first.manifests, second.manifests),
        behaviors: joined(first.behaviors, second.behaviors),
        images,
        drivers,
        traffic: joined(first.traffic, second.traffic),
        metrics: joined(first.metrics, second.metrics),
        actions: joined(first.actions, second.actions),
        faults: joined(first.faults, second.faults),
        fault_limits: second.fault_limits.or(first.fault_limits),
        expect: joined(first.expect, second.expect),
    }
}

impl PodBehavior {
    /// Shows every distribution of a rule to a visitor.
    fn distributions(&self, visit: &mut dyn FnMut(&Distribution)) {
        self.sandbox.iter().filter_map(|step| step.duration.as_ref()).for_each(&mut *visit);
        self.sandbox_stop.iter().for_each(&mut *visit);
        for container in &self.containers {
            container.create.iter().chain(&container.start).filter_map(|s| s.duration.as_ref()).for_each(&mut *visit);
            container.runs.iter().chain([&container.process]).for_each(|process| process.distributions(visit));
        }
    }
}

impl Process {
    fn distributions(&self, visit: &mut dyn FnMut(&Distribution)) {
        self.duration.iter().for_each(&mut *visit);
        if let crate::components::runtime::OnSignal::Exit { after, .. } = &self.on_sigterm {
            visit(after);
        }
        let exec = self.exec.iter().flat_map(|entry| &entry.timeline).filter_map(|step| step.duration.as_ref());
        let listen = self.listen.iter().flat_map(|entry| &entry.timeline).filter_map(|step| step.duration.as_ref());
        exec.chain(listen).for_each(visit);
    }
}
