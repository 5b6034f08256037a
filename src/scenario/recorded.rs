//! A recorded case: a manifest, and the script of the world in which a real cluster ran it (`behavior.yaml`).
//!
//! The script is one more way of writing a scenario; it is converted, entry by entry, and nothing in it is special.

use super::kubelet_configuration::kubelet_configuration;
use super::manifest;
use super::plan::{Action, ActionTarget, ClusterLimits, NodePlan, Pick, Plan, RolloutVerb, TimedAction};

use crate::api::{
    CPU, DeleteOptions, EPHEMERAL_STORAGE, Kind, Labels, MEMORY, Name, Object, PODS, Part, PatchKind, Propagation,
    Quantity, ResourceList, Taint, TaintEffect, Text, WallTime, lower,
};
use crate::components::controllers::NodeExpansion;
use crate::components::kubelet::KubeletConfig;
use crate::components::latency::LatencyProfile;
use crate::components::runtime::{
    ContainerBehavior, ExecBehavior, ExecDefault, ExecResult, ExecStep, Exit, Glob, Health, ImageBehavior,
    ListenAnswer, ListenBehavior, ListenKind, ListenStep, Load, LoadStep, MachineLoad, OnSignal, PodBehavior, Process,
    PullBehavior, PullResult, StepBehavior, Unruled, UsageStep, World,
};
use crate::components::scheduler::{Neighbours, SchedulerSetup};
use crate::engine::{Distribution, Draws, Purpose, SimDuration, StreamKey};
use crate::faults::FaultLimits;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

const START: Purpose = Purpose::new("recorded case: start of the clock");
const UPTIME: Purpose = Purpose::new("recorded case: age of the cluster");

/// The wall clock of recorded cases starts within this second: 2026-01-01T00:00:00Z.
const EPOCH_SECONDS: i64 = 1_767_225_600;
/// The last kubelet of an exclusive case started about so long before the case did, …
const FRESH: (SimDuration, SimDuration) = (SimDuration::from_millis(3_220), SimDuration::from_millis(3_430));
/// … one in so many of them up to so many milliseconds longer, …
const LATE: (u64, u64) = (5, 1_000);
/// … and each of the others so long before the next.
const STAGGER: SimDuration = SimDuration::from_millis(1_500);
/// How many in a thousand shared cases began before their cluster's last node was so many milliseconds old: many cases
/// follow each other on one cluster, which is as old as the cases before were long.
const SHARED: &[(u64, u64)] = &[(0, 800), (70, 5_000), (100, 10_000), (260, 30_000), (390, 60_000), (1_000, 280_000)];

/// How many in a thousand cases had a machine that was slower than a quiet one by a factor of less than so many
/// thousandths: what ran a case ran others at the same time, …
const LOAD_SHARED: &[(u64, u64)] = &[(0, 540), (200, 1_080), (500, 2_070), (700, 3_600), (900, 8_550), (1_000, 23_400)];
/// … and so it did, but less, when the case had a cluster of its own.
const LOAD_ALONE: &[(u64, u64)] = &[(0, 540), (200, 900), (500, 1_620), (700, 2_610), (900, 5_850), (1_000, 8_100)];

/// Cases that share a cluster have pods on the same nodes, some at any time: in the recordings each of three nodes is
/// as likely as another to get the first pod of a case.
const NEIGHBOURS: Neighbours = Neighbours { most: 4, stay: SimDuration::from_secs(4) };

/// Why a case cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseError(String);

impl fmt::Display for CaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CaseError {}

/// A case that has been read: everything that does not depend on the seed.
#[derive(Debug, Clone)]
pub struct RecordedCase {
    /// The case's name.
    pub name: String,
    /// Whether its cluster was shared with other cases.
    pub shared: bool,
    /// The scheduler, which has other cases' pods to count if the cluster was shared.
    scheduler: Arc<SchedulerSetup>,
    duration: SimDuration,
    nodes: Vec<Machine>,
    kubelets: Vec<Arc<KubeletConfig>>,
    world: Arc<World>,
    actions: Arc<Vec<TimedAction>>,
}

impl RecordedCase {
    /// Reads a case from the text of its two files.
    ///
    /// # Errors
    /// What in which file cannot be read.
    pub fn parse(manifest: &[u8], behavior: &[u8]) -> Result<Self, CaseError> {
        let file = |name: &str, error: &dyn fmt::Display| CaseError(format!("{name}: {error}"));
        let mut documents = manifest::load(behavior).map_err(|errors| file("behavior.yaml", &errors[0]))?;
        let value = documents.pop().map(|document| document.value).unwrap_or_default();
        let script: Script = serde_json::from_value(value).map_err(|error| file("behavior.yaml", &error))?;
        let mut actions = Vec::new();
        for document in manifest::load(manifest).map_err(|errors| file("manifest.yaml", &errors[0]))? {
            let lowered = lower(&document.value).map_err(|error| file("manifest.yaml", &error))?;
            let object = in_namespace(lowered.object);
            actions.push(TimedAction { at: SimDuration::ZERO, action: Action::Create(object) });
        }
        for action in script.actions {
            let at = SimDuration::from_millis(action.at_ms);
            let converted = action.convert().map_err(|error| file("behavior.yaml", &error))?;
            actions.extend(converted.into_iter().map(|action| TimedAction { at, action }));
        }
        actions.sort_by_key(|action| action.at);
        let world = World {
            pods: script.pods.into_iter().map(PodRule::convert).collect::<Result<_, _>>()?,
            images: script.images.into_iter().map(ImageRule::convert).collect::<Result<_, _>>()?,
            unruled: Unruled::Idle,
            ..World::default()
        };
        let kubelets = script.nodes.iter().map(|machine| kubelet_configuration(&machine.kubelet_config).map(Arc::new));
        let kubelets = kubelets.collect::<Result<_, _>>().map_err(|error| file("behavior.yaml", &error))?;
        let shared = script.isolation == "shared";
        let scheduler = SchedulerSetup { neighbours: shared.then_some(NEIGHBOURS), ..SchedulerSetup::default() };
        Ok(Self {
            name: script.case,
            shared,
            scheduler: Arc::new(scheduler),
            duration: SimDuration::from_millis(script.duration_ms),
            kubelets,
            nodes: script.nodes,
            world: Arc::new(world),
            actions: Arc::new(actions),
        })
    }

    /// How long the case was recorded.
    pub const fn duration(&self) -> SimDuration {
        self.duration
    }

    /// The plan of the case for a seed: what the recorder did not control is drawn.
    pub fn plan(&self, seed: u64) -> Plan {
        let draws = Draws::new(seed);
        let age = at_place(SHARED, evenly(seed, 0, 1_000)) + evenly(seed, 1, 1_000);
        let shared_for = SimDuration::from_millis(age);
        let past_the_minute = draws.draw(START, StreamKey::new("clock"), 0).below(60_000_000_000);
        let start = WallTime::from_unix_nanos(EPOCH_SECONDS * 1_000_000_000 + past_the_minute as i64);
        let nodes = self
            .nodes
            .iter()
            .enumerate()
            .map(|(place, machine)| {
                let mut draw = draws.draw(UPTIME, StreamKey::new(&machine.name), 0);
                let later = self.nodes[place + 1..].iter().filter(|machine| machine.start).count() as u64;
                let uptime = if self.shared {
                    shared_for + STAGGER * later
                } else {
                    let late = if evenly(seed, 0, LATE.0) == 0 { evenly(seed, 1, LATE.1) } else { 0 };
                    let late = SimDuration::from_millis(late);
                    draw.between(FRESH.0, FRESH.1) + late + STAGGER * later
                };
                machine.plan(&self.kubelets[place], uptime)
            })
            .collect();
        let mut profile = LatencyProfile::kubernetes_1_36();
        profile.load.one_machine = true;
        let load = if self.shared { LOAD_SHARED } else { LOAD_ALONE };
        profile.load.level *= at_place(load, evenly(seed, 2, 1_000)) as f64 / 1_000.0;
        Plan {
            duration: self.duration,
            start,
            stored: Vec::new(),
            nodes,
            world: self.world.clone(),
            profile: Arc::new(profile),
            scheduler: self.scheduler.clone(),
            actions: self.actions.clone(),
            faults: [].into(),
            fault_limits: FaultLimits::default(),
            every_probe: true,
            groups: Vec::new(),
            limits: ClusterLimits::default(),
            node_expansion: NodeExpansion::default(),
        }
    }
}

/// A number below `below` for a seed, in an even spread over any few seeds in a row: what the recorder left to chance
/// and decides most is not left to chance twice. (The additive sequence of the root of x⁴ = x + 1 in three dimensions.)
const fn evenly(seed: u64, dimension: usize, below: u64) -> u64 {
    const STEP: [u64; 3] = [0xd1b5_4a32_d192_ed03, 0xabc9_8388_fb8f_ac02, 0x8cb9_2ba7_2f3d_8dd7];
    let place = seed.wrapping_mul(STEP[dimension]);
    ((place as u128 * below as u128) >> 64) as u64
}

/// What a table says of a place among a thousand, and between its entries.
fn at_place(table: &[(u64, u64)], place: u64) -> u64 {
    let above = table.partition_point(|(share, _)| *share <= place).clamp(1, table.len() - 1);
    let ((low, from), (high, to)) = (table[above - 1], table[above]);
    from + (to - from) * (place - low) / (high - low)
}

/// Objects of a case live in `default` unless they say otherwise.
fn in_namespace(mut object: Object) -> Object {
    if object.kind().is_namespaced() && object.meta().namespace.is_empty() {
        object.meta_mut().namespace = Name::new("default");
    }
    object
}

#[derive(Debug, Deserialize)]
struct Script {
    case: String,
    #[serde(default)]
    isolation: String,
    duration_ms: u64,
    #[serde(default)]
    nodes: Vec<Machine>,
    #[serde(default)]
    images: Vec<ImageRule>,
    #[serde(default)]
    pods: Vec<PodRule>,
    #[serde(default)]
    actions: Vec<Step>,
}

#[derive(Debug, Clone, Deserialize)]
struct Machine {
    name: String,
    #[serde(default)]
    cpu: Value,
    #[serde(default)]
    memory: Value,
    #[serde(default)]
    pods: Value,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    taints: Vec<String>,
    #[serde(default = "yes")]
    start: bool,
    #[serde(default)]
    node_stats: Vec<NodeStatsRule>,
    #[serde(default)]
    separate_imagefs: bool,
    #[serde(default)]
    kubelet_config: Value,
}

/// What a machine uses from a moment on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct NodeStatsRule {
    from_ms: u64,
    memory_available: Option<Value>,
    memory_system: Option<Value>,
    nodefs_available: Option<Value>,
    nodefs_system: Option<Value>,
    imagefs_available: Option<Value>,
    imagefs_system: Option<Value>,
    nodefs_inodes_free: Option<i64>,
    imagefs_inodes_free: Option<i64>,
    pids: Option<i64>,
}

impl NodeStatsRule {
    fn convert(&self) -> LoadStep {
        let load = |available: &Option<Value>, system: &Option<Value>| {
            let bytes = |value: &Option<Value>| Some(Quantity::from_json(value.as_ref()?).ok()?.value());
            bytes(available).map(Load::Available).or_else(|| bytes(system).map(Load::System))
        };
        LoadStep {
            from: millis(self.from_ms),
            memory: load(&self.memory_available, &self.memory_system),
            nodefs: load(&self.nodefs_available, &self.nodefs_system),
            imagefs: load(&self.imagefs_available, &self.imagefs_system),
            nodefs_inodes_free: self.nodefs_inodes_free,
            imagefs_inodes_free: self.imagefs_inodes_free,
            pids: self.pids,
        }
    }
}

const fn yes() -> bool {
    true
}

impl Machine {
    fn plan(&self, kubelet: &Arc<KubeletConfig>, uptime: SimDuration) -> NodePlan {
        let amount = |value: &Value| Quantity::from_json(value).ok();
        let cpu = amount(&self.cpu).map_or(4_000, |quantity| quantity.milli_value());
        let memory = amount(&self.memory).map_or(8 << 30, |quantity| quantity.value());
        let pods = amount(&self.pods).map_or(110, |quantity| quantity.value());
        let storage = 100i64 << 30;
        let resources = |memory, storage| -> ResourceList {
            [(*CPU, cpu), (*MEMORY, memory), (*EPHEMERAL_STORAGE, storage), (*PODS, pods)].into_iter().collect()
        };
        NodePlan {
            name: Name::new(&self.name),
            capacity: resources(memory, storage),
            allocatable: resources(memory - (100 << 20), storage / 10 * 9),
            labels: self.labels.iter().map(|(key, value)| (Name::new(key), Name::new(value))).collect::<Labels>(),
            taints: self.taints.iter().filter_map(|text| taint(text)).collect(),
            present: self.start,
            uptime,
            kubelet: kubelet.clone(),
            load: Arc::new(MachineLoad {
                steps: self.node_stats.iter().map(NodeStatsRule::convert).collect(),
                separate_imagefs: self.separate_imagefs,
            }),
        }
    }
}

/// A taint as kubectl writes it: `key=value:Effect`, the value may be missing.
fn taint(text: &str) -> Option<Taint> {
    let (what, effect) = text.rsplit_once(':')?;
    let (key, value) = what.split_once('=').unwrap_or((what, ""));
    Some(Taint { key: Name::new(key), value: Name::new(value), effect: taint_effect(effect)?, time_added: None })
}

fn taint_effect(text: &str) -> Option<TaintEffect> {
    match text {
        "NoSchedule" => Some(TaintEffect::NoSchedule),
        "PreferNoSchedule" => Some(TaintEffect::PreferNoSchedule),
        "NoExecute" => Some(TaintEffect::NoExecute),
        _ => None,
    }
}

fn millis(millis: u64) -> SimDuration {
    SimDuration::from_millis(millis)
}

fn constant(span: Option<u64>) -> Option<Distribution> {
    span.map(|span| millis(span).into())
}

fn glob(text: &str) -> Result<Glob, CaseError> {
    text.parse().map_err(CaseError)
}

#[derive(Debug, Deserialize)]
struct ImageRule {
    name: String,
    #[serde(default)]
    present_on: Vec<String>,
    #[serde(default)]
    pulls: Vec<PullRule>,
    #[serde(default)]
    size_bytes: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct PullRule {
    duration_ms: Option<u64>,
    #[serde(default)]
    result: String,
}

impl ImageRule {
    fn convert(self) -> Result<ImageBehavior, CaseError> {
        let pull = |rule: PullRule| {
            let result = match rule.result.as_str() {
                "" | "ok" => PullResult::Ok,
                "not_found" => PullResult::NotFound,
                "unauthorized" => PullResult::Unauthorized,
                "timeout" => PullResult::Timeout,
                "registry_unavailable" => PullResult::RegistryUnavailable,
                other => return Err(CaseError(format!("pull result {other:?} is not known"))),
            };
            Ok(PullBehavior { duration: constant(rule.duration_ms), result })
        };
        Ok(ImageBehavior {
            name: glob(&self.name)?,
            size: self.size_bytes.and_then(|size| Quantity::from_json(&size).ok()).map_or(50 << 20, |q| q.value()),
            present_on: Some(self.present_on.iter().map(Name::from).collect()),
            pulls: self.pulls.into_iter().map(pull).collect::<Result<_, _>>()?,
        })
    }
}

#[derive(Debug, Deserialize)]
struct PodRule {
    #[serde(rename = "match")]
    matches: String,
    count: Option<u32>,
    #[serde(default)]
    sandbox: SandboxRule,
    #[serde(default)]
    containers: Vec<ContainerRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SandboxRule {
    create: Vec<CallRule>,
    stop_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct CallRule {
    duration_ms: Option<u64>,
    #[serde(default)]
    result: String,
}

impl CallRule {
    fn convert(self, error: &str, default: Option<u64>) -> StepBehavior {
        let duration = constant(self.duration_ms.or(default));
        StepBehavior { duration, error: (self.result == "error").then(|| Text::from(error)) }
    }
}

impl PodRule {
    fn convert(self) -> Result<PodBehavior, CaseError> {
        let no_address = "failed to setup network for sandbox: plugin type=\"scripted\" failed (add): no IP addresses \
                          available for pod {pod}";
        Ok(PodBehavior {
            pods: glob(&self.matches)?,
            count: self.count,
            sandbox: self.sandbox.create.into_iter().map(|call| call.convert(no_address, None)).collect(),
            sandbox_stop: constant(self.sandbox.stop_ms),
            containers: self.containers.into_iter().map(ContainerRule::convert).collect::<Result<_, _>>()?,
            demand: Vec::new(),
        })
    }
}

#[derive(Debug, Deserialize)]
struct ContainerRule {
    name: String,
    image: Option<String>,
    create_ms: Option<u64>,
    start_ms: Option<u64>,
    #[serde(default)]
    create: Vec<CallRule>,
    #[serde(default)]
    start: Vec<CallRule>,
    #[serde(default)]
    runs: Vec<RunRule>,
    on_sigterm: Option<SignalRule>,
    #[serde(default)]
    exec: Vec<ExecRule>,
    #[serde(default)]
    listen: Vec<ListenRule>,
    #[serde(default)]
    usage: Vec<UsageRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RunRule {
    duration_ms: Option<u64>,
    exit_code: i32,
    reason: String,
    message: String,
    listen: Option<Vec<ListenRule>>,
    usage: Option<Vec<UsageRule>>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct SignalRule {
    after_ms: u64,
    exit_code: i32,
    ignore: bool,
}

#[derive(Debug, Deserialize)]
struct ExecRule {
    command: String,
    #[serde(default)]
    timeline: Vec<ExecEntry>,
}

#[derive(Debug, Deserialize)]
struct ExecEntry {
    #[serde(default)]
    from_ms: u64,
    #[serde(default)]
    result: String,
    duration_ms: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
struct ListenRule {
    port: u16,
    kind: String,
    path: Option<String>,
    host: Option<String>,
    header: Option<String>,
    service: Option<String>,
    #[serde(default)]
    close_on_sigterm: bool,
    #[serde(default)]
    timeline: Vec<ListenEntry>,
}

#[derive(Debug, Clone, Deserialize)]
struct ListenEntry {
    #[serde(default)]
    from_ms: u64,
    #[serde(default)]
    result: String,
    status: Option<u16>,
    body: Option<String>,
    body_bytes: Option<usize>,
    location: Option<String>,
    duration_ms: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct UsageRule {
    from_ms: u64,
    memory: Option<Value>,
    writable: Option<Value>,
    writable_inodes: Option<i64>,
    logs: Option<Value>,
    volumes: BTreeMap<String, Value>,
    pids: Option<i64>,
}

impl ContainerRule {
    fn convert(self) -> Result<ContainerBehavior, CaseError> {
        let on_sigterm = match self.on_sigterm.clone() {
            None => OnSignal::default(),
            Some(rule) if rule.ignore => OnSignal::Ignore,
            Some(rule) => OnSignal::Exit { after: millis(rule.after_ms).into(), code: rule.exit_code },
        };
        let exec: Vec<ExecBehavior> = self.exec.into_iter().map(ExecRule::convert).collect::<Result<_, _>>()?;
        let listen = listens(self.listen)?;
        let usage: Vec<UsageStep> = self.usage.into_iter().map(UsageRule::convert).collect();
        let process =
            Process { on_sigterm, exec, exec_default: ExecDefault::Succeed, listen, usage, ..Process::default() };
        let run = |rule: RunRule| {
            let mut process = process.clone();
            process.duration = constant(rule.duration_ms);
            process.exit =
                Exit { code: rule.exit_code, reason: Name::new(&rule.reason), message: Text::from(rule.message) };
            if let Some(listen) = rule.listen {
                process.listen = listens(listen)?;
            }
            if let Some(usage) = rule.usage {
                process.usage = usage.into_iter().map(UsageRule::convert).collect();
            }
            Ok(Arc::new(process))
        };
        let runs: Vec<Arc<Process>> = self.runs.into_iter().map(run).collect::<Result<_, CaseError>>()?;
        let created = "failed to create containerd container: scripted error";
        let started = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc \
                       create failed: unable to start container process: exec: \"/app\": stat /app: no such file or \
                       directory";
        let steps = |calls: Vec<CallRule>, error: &str, default: Option<u64>| -> Vec<StepBehavior> {
            let scripted: Vec<StepBehavior> = calls.into_iter().map(|call| call.convert(error, default)).collect();
            match (scripted.is_empty(), default) {
                (true, Some(span)) => vec![StepBehavior { duration: constant(Some(span)), error: None }],
                _ => scripted,
            }
        };
        Ok(ContainerBehavior {
            name: glob(&self.name)?,
            image: self.image.as_deref().map(glob).transpose()?,
            create: steps(self.create, created, self.create_ms),
            start: steps(self.start, started, self.start_ms),
            runs,
            process: Arc::new(process.clone()),
        })
    }
}

fn listens(rules: Vec<ListenRule>) -> Result<Vec<ListenBehavior>, CaseError> {
    rules.into_iter().map(ListenRule::convert).collect()
}

impl ExecRule {
    fn convert(self) -> Result<ExecBehavior, CaseError> {
        let step = |entry: ExecEntry| {
            let result = match entry.result.as_str() {
                "" | "success" => ExecResult::Success,
                "failure" => ExecResult::Exit { code: 1, output: "scripted failure".into() },
                "hang" => ExecResult::Hang,
                "error" => ExecResult::Error,
                other => return Err(CaseError(format!("exec result {other:?} is not known"))),
            };
            Ok(ExecStep { from: millis(entry.from_ms), result, duration: constant(entry.duration_ms) })
        };
        let timeline = self.timeline.into_iter().map(step).collect::<Result<_, _>>()?;
        Ok(ExecBehavior { command: self.command.into(), timeline })
    }
}

impl ListenRule {
    fn convert(self) -> Result<ListenBehavior, CaseError> {
        let kind = match self.kind.as_str() {
            "http" => ListenKind::Http,
            "https" => ListenKind::Https,
            "tcp" => ListenKind::Tcp,
            "grpc" => ListenKind::Grpc,
            other => return Err(CaseError(format!("listener {other:?} is not known"))),
        };
        Ok(ListenBehavior {
            port: self.port,
            kind,
            path: self.path.map(Text::from),
            host: self.host.map(Text::from),
            header: self.header.map(Text::from),
            files: None,
            service: self.service.map(Text::from),
            needs: Vec::new(),
            close_on_sigterm: self.close_on_sigterm,
            assumed: false,
            once: false,
            without_index: None,
            timeline: self.timeline.into_iter().map(|entry| entry.convert(kind)).collect::<Result<_, _>>()?,
        })
    }
}

impl ListenEntry {
    fn convert(self, kind: ListenKind) -> Result<ListenStep, CaseError> {
        let body = self.body.or_else(|| self.body_bytes.map(|n| "x".repeat(n))).unwrap_or_default();
        let status = |code: u16| ListenAnswer::Status {
            code,
            body: body.as_str().into(),
            location: self.location.clone().unwrap_or_default().into(),
        };
        let answer = match self.result.as_str() {
            "refused" => ListenAnswer::Refused,
            "hang" => ListenAnswer::Hang,
            "reset" => ListenAnswer::Reset,
            "close" => ListenAnswer::Close,
            "garbage" => ListenAnswer::Garbage,
            "accept" => ListenAnswer::Accept,
            "serving" => ListenAnswer::Health(Health::Serving),
            "not_serving" => ListenAnswer::Health(Health::NotServing),
            "unknown" => ListenAnswer::Health(Health::Unknown),
            "service_unknown" => ListenAnswer::Health(Health::ServiceUnknown),
            "unimplemented" => ListenAnswer::Health(Health::Unimplemented),
            "error" => ListenAnswer::Health(Health::Error),
            "" | "status" => match kind {
                ListenKind::Http | ListenKind::Https => status(self.status.unwrap_or(200)),
                ListenKind::Tcp => ListenAnswer::Accept,
                ListenKind::Grpc => ListenAnswer::Health(Health::Serving),
            },
            other => return Err(CaseError(format!("answer {other:?} is not known"))),
        };
        Ok(ListenStep { from: millis(self.from_ms), answer, duration: constant(self.duration_ms) })
    }
}

impl UsageRule {
    fn convert(self) -> UsageStep {
        let bytes = |value: Option<Value>| value.and_then(|v| Quantity::from_json(&v).ok()).map(|q| q.value());
        UsageStep {
            from: millis(self.from_ms),
            milli_cpu: None,
            memory: bytes(self.memory),
            writable: bytes(self.writable),
            writable_inodes: self.writable_inodes,
            logs: bytes(self.logs),
            volumes: self
                .volumes
                .into_iter()
                .filter_map(|(name, value)| Some((Name::new(&name), bytes(Some(value))?)))
                .collect(),
            pids: self.pids,
        }
    }
}

/// One timed action as it is written: its verb and the fields that the verb takes.
#[derive(Debug, Deserialize)]
struct Step {
    at_ms: u64,
    #[serde(rename = "do")]
    verb: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl Step {
    fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    fn name(&self, field: &str) -> Name {
        Name::new(self.text(field))
    }

    fn number(&self, field: &str) -> Option<i64> {
        self.fields.get(field).and_then(Value::as_i64)
    }

    fn object(&self) -> Result<Object, CaseError> {
        let value = self.fields.get("object").ok_or_else(|| CaseError(format!("{} needs an object", self.verb)))?;
        lower(value).map(|lowered| in_namespace(lowered.object)).map_err(|error| CaseError(error.to_string()))
    }

    fn target(&self) -> Result<ActionTarget, CaseError> {
        let text = self.text("kind");
        let text = if text.is_empty() { "Pod" } else { text };
        let kind = Kind::ALL.iter().copied().find(|kind| kind.as_str() == text);
        let kind = kind.ok_or_else(|| CaseError(format!("kind {text:?} is not known")))?;
        Ok(self.target_of(kind, self.text("name")))
    }

    fn target_of(&self, kind: Kind, name: &str) -> ActionTarget {
        let pick = match self.text("pick") {
            "all" => Pick::All,
            "newest" => Pick::Newest,
            _ => Pick::Oldest,
        };
        let namespace = if kind.is_namespaced() { Name::new("default") } else { Name::default() };
        let node = if kind == Kind::Pod { self.name("node") } else { Name::default() };
        ActionTarget { kind, namespace, name: name.parse().unwrap_or_default(), pick, node }
    }

    fn delete_options(&self) -> DeleteOptions {
        let propagation = match self.text("propagationPolicy") {
            "Foreground" => Some(Propagation::Foreground),
            "Background" => Some(Propagation::Background),
            "Orphan" => Some(Propagation::Orphan),
            _ => None,
        };
        DeleteOptions { grace_period: self.number("gracePeriodSeconds"), propagation, ..DeleteOptions::default() }
    }

    fn patch(&self, target: ActionTarget, patch: Value) -> Action {
        Action::Patch { target, part: Part::Main, kind: PatchKind::Strategic, patch }
    }

    /// `kubectl rollout VERB KIND/NAME [--to-revision=N]`, or with kind and name apart.
    fn kubectl(&self) -> Result<Action, CaseError> {
        let args = self.fields.get("args").and_then(Value::as_array);
        let args: Vec<&str> = args.into_iter().flatten().filter_map(Value::as_str).collect();
        let unknown = || CaseError(format!("kubectl {} is not known", args.join(" ")));
        let (flags, words): (Vec<&str>, Vec<&str>) = args.iter().partition(|arg| arg.starts_with('-'));
        let (verb, kind, name) = match words[..] {
            ["rollout", verb, what] => {
                let (kind, name) = what.split_once('/').ok_or_else(unknown)?;
                (verb, kind, name)
            }
            ["rollout", verb, kind, name] => (verb, kind, name),
            _ => return Err(unknown()),
        };
        let kind = match kind {
            "deployment" | "deployments" | "deploy" => Kind::Deployment,
            "statefulset" | "statefulsets" | "sts" => Kind::StatefulSet,
            "daemonset" | "daemonsets" | "ds" => Kind::DaemonSet,
            _ => return Err(unknown()),
        };
        let revision = flags.iter().find_map(|flag| flag.strip_prefix("--to-revision=")?.parse().ok());
        let verb = match verb {
            "pause" => RolloutVerb::Pause,
            "resume" => RolloutVerb::Resume,
            "restart" => RolloutVerb::Restart,
            "undo" => RolloutVerb::Undo(revision.unwrap_or(0)),
            _ => return Err(unknown()),
        };
        Ok(Action::Rollout { target: self.target_of(kind, name), verb })
    }

    fn convert(&self) -> Result<Vec<Action>, CaseError> {
        let node = self.name("node");
        let on_node = || self.target_of(Kind::Node, &node);
        Ok(vec![match self.verb.as_str() {
            "create" => Action::Create(self.object()?),
            "delete" => Action::Delete { target: self.target()?, options: self.delete_options() },
            "patch" => {
                let part = match self.text("subresource") {
                    "status" => Part::Status,
                    "resize" => Part::Resize,
                    "ephemeralcontainers" => Part::EphemeralContainers,
                    "scale" => Part::Scale,
                    _ => Part::Main,
                };
                let kind = match self.text("patch_type") {
                    "json" => PatchKind::Json,
                    "merge" => PatchKind::Merge,
                    _ => PatchKind::Strategic,
                };
                let patch = self.fields.get("patch").cloned().unwrap_or_default();
                Action::Patch { target: self.target()?, part, kind, patch }
            }
            "scale" => {
                let replicas = self.number("replicas").unwrap_or(0);
                self.patch(self.target()?, serde_json::json!({"spec": {"replicas": replicas}}))
            }
            "set_image" => Action::SetImage {
                target: self.target()?,
                container: self.name("container"),
                image: self.name("image"),
            },
            "evict" => {
                Action::Evict { target: self.target_of(Kind::Pod, self.text("name")), options: self.delete_options() }
            }
            "kubectl" => self.kubectl()?,
            "cordon" => self.patch(on_node(), serde_json::json!({"spec": {"unschedulable": true}})),
            "uncordon" => self.patch(on_node(), serde_json::json!({"spec": {"unschedulable": null}})),
            "label_node" => {
                let labels = self.fields.get("labels").cloned().unwrap_or_default();
                self.patch(on_node(), serde_json::json!({"metadata": {"labels": labels}}))
            }
            "taint_node" => {
                let effect = taint_effect(self.text("effect"))
                    .ok_or_else(|| CaseError(format!("taint effect {:?} is not known", self.text("effect"))))?;
                let taint = Taint { key: self.name("key"), value: self.name("value"), effect, time_added: None };
                Action::Taint { node, add: vec![taint], remove: Vec::new() }
            }
            "untaint_node" => {
                let effect = taint_effect(self.text("effect"));
                Action::Taint { node, add: Vec::new(), remove: vec![(self.name("key"), effect)] }
            }
            "kill_kubelet" => Action::KillKubelet(node),
            "start_kubelet" => Action::StartKubelet(node),
            "restart_kubelet" => {
                Action::RestartKubelet { node, down: millis(self.number("down_ms").unwrap_or(0) as u64) }
            }
            "power_off" => Action::PowerOff(node),
            "power_on" => Action::PowerOn(node),
            "start_node" => Action::StartNode(node),
            "delete_node" => Action::Delete { target: on_node(), options: DeleteOptions::default() },
            "write_static_pod" => Action::WriteStaticPod { node, pod: self.object()? },
            "remove_static_pod" => Action::RemoveStaticPod { node, name: self.name("name") },
            "shutdown_node" => Action::ShutdownNode(node),
            "cancel_shutdown" => Action::CancelShutdown(node),
            other => return Err(CaseError(format!("action {other:?} is not known"))),
        }])
    }
}
