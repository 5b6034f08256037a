//! The container runtime of every node, as the kubelets see it through the CRI, and the programs inside the containers.
//!
//! A call takes its time, then changes what the runtime knows, then answers. What it knows of a pod is an immutable
//! snapshot; every change makes a new one and tells the node's kubelet that there is something to see when it next
//! looks. Semantics follow containerd: StopContainer sends the stop signal, waits, and kills with 137; a failed start
//! leaves an exited container with StartError and 128; after a power cycle containers are exited with 255 and
//! sandboxes are not ready.

mod affinity;
mod behavior;
mod custom;
mod disturbance;
mod exec;
pub mod filesystem;
mod hardware;
mod host;
mod identity;
mod image;
mod image_table;
mod listen;
mod log;
mod machine;
mod memory;
mod memory_limit;
mod network;
mod process;
mod program;
mod python;
mod query;
mod rules;
mod script;
mod series;
mod services;
pub mod shell;
mod stale;
mod traffic;
mod usage;
mod volumes;
mod written;

use super::cri::{ContainerConfig, CriCall, CriError, CriReply, CriResult, InstanceState, PodKey, VolumeKey};
use super::kube_proxy::{self, Proxies};
use super::latency::LatencyProfile;
use super::message::{Message, NodeIndex};
use crate::api::names;
use crate::api::{Change, ContainerId, FastMap, Name, Pod, ResourceList, WallClock};
use crate::engine::{Draws, Outbox, Purpose, SimDuration, SimTime, StreamKey};
use crate::faults::{FaultKind, FaultPlan};
use affinity::Affinities;
pub use behavior::*;
pub use custom::{ProcessModel, ProcessRun};
pub use disturbance::{Disturbance, mount_disturbed};
use exec::ExecCall;
use filesystem::{Directory, FileSystem, VolumeId, Volumes};
pub use image_table::{ImageModel, ImageShell, MadeSecret, ProgramModel, Served};
pub use log::LogLine;
use machine::Machine;
use program::{Launch, Place};
use query::Asked;
use rules::PodRules;
pub use script::Session;
pub use series::{MetricGap, MetricOwner, MetricSeries};
use services::Services;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
pub(crate) use traffic::TRAFFIC;
pub use traffic::{Call, Rate, RateStep, Retries, Traffic, TrafficMessage, Users, Work};
pub use usage::{ContainerUse, Load, LoadStep, MachineLoad, PodUse};

names! {
    COMPLETED = "Completed";
    ERROR = "Error";
    OOM_KILLED = "OOMKilled";
    START_ERROR = "StartError";
    UNKNOWN_REASON = "Unknown";
    CANCELED = "Canceled";
}

const STEP: Purpose = Purpose::new("runtime step");
const RUN: Purpose = Purpose::new("process run");
const SIGNAL: Purpose = Purpose::new("signal reaction");
/// An answer that takes longer is asked for each time: what happens meanwhile may cut it off.
const NOTICEABLE: SimDuration = SimDuration::from_millis(100);

/// Something that happens inside a runtime.
#[derive(Debug, Clone, strum::IntoStaticStr)]
pub enum RuntimeMessage {
    /// The time of a call is over.
    StepDone {
        /// The kubelet's number for the call.
        id: u32,
    },
    /// The time of a command in a container is over, unless its container ended before.
    ExecDone {
        /// The kubelet's number for the call.
        id: u32,
    },
    /// A listener answers a request, or its asker stops waiting.
    NetAnswer {
        /// The machine's number for the connection.
        connection: u64,
    },
    /// A program ends, unless it did before.
    ProgramEnd {
        /// The pod.
        key: PodKey,
        /// The container.
        container: ContainerId,
        /// Its process number.
        pid: u32,
        /// How.
        exit: Exit,
    },
    /// A script's time has come.
    Resume {
        /// The pod.
        key: PodKey,
        /// The container.
        container: ContainerId,
        /// Which of the container's scripts.
        session: Session,
        /// Stale unless the script's.
        turn: u32,
    },
    /// The machine has no memory left, unless some was given back.
    OutOfMemory {
        /// Stale unless the moment that is waited for.
        due: SimTime,
    },
    /// A container uses more memory than its limit, or a pod more than its own, unless some was given back.
    OverLimit {
        /// The pod.
        key: PodKey,
        /// Stale unless the moment that is waited for.
        due: SimTime,
    },
    /// A fault ends a process, unless it was healed.
    Crash {
        /// The pod.
        key: PodKey,
        /// The container.
        container: ContainerId,
        /// The fault's number.
        fault: u32,
        /// How.
        exit: Exit,
    },
    /// A process that a fault made slow hears the stop signal.
    LateSignal {
        /// The pod.
        key: PodKey,
        /// The container.
        container: ContainerId,
    },
    /// A container's time to stop is over.
    Kill {
        /// The pod.
        key: PodKey,
        /// The container.
        container: ContainerId,
        /// The call of StopContainer whose time it is.
        id: u32,
    },
}

/// The runtimes of all nodes: machines, what runs on them, and the pod network between them.
#[derive(Debug, Clone)]
pub struct Runtimes {
    machines: Vec<Machine>,
    world: Arc<World>,
    profile: Arc<LatencyProfile>,
    draws: Draws,
    /// Which rule of the world is a pod's.
    rules: PodRules,
    /// Whose an address is.
    addresses: FastMap<Ipv4Addr, (NodeIndex, PodKey)>,
    /// The files that containers share.
    volumes: Volumes,
    volume_ids: FastMap<(Option<NodeIndex>, VolumeKey), VolumeId>,
    /// What volumes with tokens hold, by namespace.
    credentials: FastMap<Name, Arc<Directory>>,
    /// What mounts of single files of the kubelet's show, by pod.
    bound_files: FastMap<(NodeIndex, PodKey), Vec<VolumeId>>,
    services: Services,
    affinities: Affinities,
    proxies: Proxies,
    /// Requests that scripts wait for, by number.
    asked: FastMap<u32, Asked>,
    asked_count: u32,
    clock: WallClock,
    /// What was assumed, by container.
    assumed: BTreeMap<String, String>,
    /// Models that are asked before the rules of the world.
    models: Vec<Arc<dyn ProcessModel>>,
    /// Faults that last.
    disturbances: Vec<Disturbance>,
    /// Machines that are cut off from the pods of others.
    cut_off: BTreeSet<NodeIndex>,
    /// What is remembered for too long.
    remembered: stale::Remembered,
    /// Whoever sends requests.
    roads: traffic::Roads,
    /// Whether it matters how many requests a process has had: then none is left out.
    counts: bool,
}

impl Runtimes {
    /// Runtimes without machines.
    pub fn new(world: Arc<World>, profile: Arc<LatencyProfile>, clock: WallClock, draws: Draws) -> Self {
        let rules = PodRules::new(&world.pods);
        let proxies = Proxies::new(profile.clone(), draws);
        let roads = traffic::Roads::new(&world.traffic);
        Self {
            machines: Vec::new(),
            world,
            profile,
            draws,
            rules,
            addresses: FastMap::default(),
            volumes: Volumes::default(),
            volume_ids: FastMap::default(),
            credentials: FastMap::default(),
            bound_files: FastMap::default(),
            services: Services::default(),
            affinities: Affinities::default(),
            proxies,
            asked: FastMap::default(),
            asked_count: 0,
            clock,
            assumed: BTreeMap::new(),
            models: Vec::new(),
            disturbances: Vec::new(),
            cut_off: BTreeSet::new(),
            remembered: stale::Remembered::default(),
            roads,
            counts: false,
        }
    }

    /// Looks what is going to happen, for what has to be known from the start.
    pub fn expect_faults(&mut self, faults: &[FaultPlan]) {
        self.counts = faults.iter().any(|fault| matches!(fault.kind, FaultKind::Deadlock(_)));
    }

    /// Asks a model, after those that were added before, what containers do.
    pub fn add_model(&mut self, model: Arc<dyn ProcessModel>) {
        self.models.push(model);
    }

    /// Adds a machine in a zone and returns its place.
    pub fn add_machine(
        &mut self,
        (name, zone): (Name, Name),
        capacity: ResourceList,
        load: Arc<MachineLoad>,
    ) -> NodeIndex {
        self.proxies.add_node(name, zone);
        let index = NodeIndex(u16::try_from(self.machines.len()).expect("fewer than 65,536 machines"));
        self.machines.push(Machine::new(index, name, capacity, load));
        index
    }

    /// Serves a call of a kubelet.
    pub fn call(&mut self, now: SimTime, node: NodeIndex, id: u32, call: CriCall, out: &mut Outbox<Message>) {
        let step = self.begin(now, node, id, &call, out);
        match step {
            Step::Takes(duration) => {
                // A pull waits for the registry rather than for the machine.
                let slow = if matches!(call, CriCall::PullImage { .. }) { 1 } else { self.machines[node.index()].slow };
                let duration = duration * u64::from(slow);
                self.machines[node.index()].calls.insert(id, call);
                out.after(duration, Message::Runtime(node, RuntimeMessage::StepDone { id }));
            }
            Step::Waits => {}
            Step::Fails(error) => {
                let overhead = self.usual(now, node, &call);
                out.after(overhead, Message::CriDone { node, id, result: Err(error) });
            }
        }
    }

    /// Advances a runtime by one message.
    pub fn handle(&mut self, now: SimTime, node: NodeIndex, message: RuntimeMessage, out: &mut Outbox<Message>) {
        match message {
            RuntimeMessage::StepDone { id } => {
                // A call that was in progress when the machine lost power is never answered.
                if let Some(call) = self.machines[node.index()].calls.remove(&id) {
                    let result = self.finish(now, node, id, call, out);
                    out.now(Message::CriDone { node, id, result });
                }
            }
            RuntimeMessage::ExecDone { id } => self.exec_done(node, id, out),
            RuntimeMessage::NetAnswer { connection } => self.net_answer(now, node, connection, out),
            RuntimeMessage::ProgramEnd { key, container, pid, exit } => {
                self.program_ends(now, Place { node, key, container }, pid, &exit, out);
            }
            RuntimeMessage::Resume { key, container, session, turn } => {
                self.resume(now, Place { node, key, container }, session, turn, out);
            }
            RuntimeMessage::OutOfMemory { due } => self.out_of_memory(now, node, due, out),
            RuntimeMessage::OverLimit { key, due } => self.over_limit(now, (node, key), due, out),
            RuntimeMessage::Crash { key, container, fault, exit } => {
                self.crash(now, Place { node, key, container }, fault, &exit, out);
            }
            RuntimeMessage::LateSignal { key, container } => {
                let place = Place { node, key, container };
                self.signal(now, place, self.stop_signal(place), out);
            }
            RuntimeMessage::Kill { key, container, id } => {
                let machine = &mut self.machines[node.index()];
                if machine.is_stopping(key, container, id) {
                    machine.process_ends(now, key, container, &Exit::killed(), out);
                }
            }
        }
    }

    /// A kubelet dies, or its runtime: its calls are cancelled. What they have begun in containers goes on, a stop
    /// signal included, and so does what others ask programs.
    pub fn cancel_calls(&mut self, node: NodeIndex, out: &mut Outbox<Message>) {
        self.machines[node.index()].cancel_calls(out);
    }

    /// The machine loses power: every process is gone, and every sandbox.
    pub fn power_off(&mut self, now: SimTime, node: NodeIndex, out: &mut Outbox<Message>) {
        self.machines[node.index()].power_off(now, out);
    }

    /// The machine has power again; containers are found dead, sandboxes not ready.
    pub fn power_on(&mut self, node: NodeIndex) {
        self.machines[node.index()].power_on();
    }

    /// DNS and the proxies hear that a Service or its endpoints changed.
    pub fn services_changed(&mut self, now: SimTime, change: &Change, out: &mut Outbox<Message>) {
        self.proxies.changed(now, change);
        self.services.changed(change);
        self.traffic_changes(out);
        self.traffic_changes_later(kube_proxy::LONGEST_LAG, out);
    }

    /// Where requests to Services go.
    pub const fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// What an instance of a container has printed so far; none if the runtime does not have it.
    pub fn log(&self, now: SimTime, node: NodeIndex, key: PodKey, container: ContainerId) -> Option<Vec<LogLine>> {
        Some(self.machines[node.index()].pods.get(&key)?.instance(container)?.printed(now))
    }

    /// What runs on a machine.
    pub fn machine(&self, node: NodeIndex) -> &Machine {
        &self.machines[node.index()]
    }

    /// Starts a call: how long it takes, or what speaks against it.
    fn begin(&mut self, now: SimTime, node: NodeIndex, id: u32, call: &CriCall, out: &mut Outbox<Message>) -> Step {
        match call {
            CriCall::RunPodSandbox { pod, key, .. } => self.begin_sandbox(node, pod, *key),
            CriCall::CreateContainer { key, config, .. } => self.begin_create(node, *key, config),
            CriCall::StartContainer { key, container } => self.begin_start(node, *key, *container),
            CriCall::StopContainer { key, container, timeout } => {
                self.begin_stop(now, node, id, *key, *container, *timeout, out)
            }
            CriCall::StopPodSandbox { key, sandbox } if !self.machines[node.index()].has_ready(*key, *sandbox) => {
                Step::Takes(SimDuration::ZERO) // What has stopped need not be stopped.
            }
            CriCall::StopPodSandbox { key, .. } => {
                let rule = self.machines[node.index()].pods.get(key).and_then(|pod| pod.rule);
                let scripted = rule.and_then(|rule| self.world.pods[rule].sandbox_stop.as_ref());
                let (_, later) = self.sandbox_delay(node, *key, now.as_nanos());
                let usual = scripted.unwrap_or(&self.profile.stop_sandbox);
                Step::Takes(later + self.draws.sample(usual, STEP, self.stream_of(node, call), now.as_nanos()))
            }
            CriCall::ExecSync { key, container, command, timeout, stream, .. } => {
                let (key, container, timeout, stream) = (*key, *container, *timeout, *stream);
                let call = ExecCall { key, container, command, timeout, stream };
                self.begin_exec(now, node, id, &call, out);
                Step::Waits
            }
            CriCall::PullImage { key, image } => Step::Takes(self.begin_pull(node, id, *key, *image)),
            CriCall::RemovePodSandbox { .. }
            | CriCall::RemoveContainer { .. }
            | CriCall::RemoveImage { .. }
            | CriCall::ImageStatus { .. }
            | CriCall::PodSandboxStats { .. }
            | CriCall::UpdatePodSandboxResources { .. }
            | CriCall::UpdateContainerResources { .. } => Step::Takes(self.usual(now, node, call)),
        }
    }

    /// Does what a call asks, once its time is over.
    fn finish(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        id: u32,
        call: CriCall,
        out: &mut Outbox<Message>,
    ) -> CriResult {
        match call {
            CriCall::RunPodSandbox { pod, key, attempt } => self.finish_sandbox(now, node, &pod, key, attempt, out),
            CriCall::StopPodSandbox { key, sandbox } => {
                self.machines[node.index()].stop_sandbox(now, key, sandbox, out);
                Ok(CriReply::Done)
            }
            CriCall::RemovePodSandbox { key, sandbox } => {
                let pod = self.machines[node.index()].pods.get(&key).map(|record| record.pod.clone());
                if let Some(ip) = self.machines[node.index()].remove_sandbox(key, sandbox, out) {
                    self.addresses.remove(&ip);
                }
                if let Some(pod) = pod.filter(|_| !self.machines[node.index()].pods.contains_key(&key)) {
                    self.forget_volumes(node, key, pod.spec.volumes.iter().map(|volume| volume.name));
                }
                Ok(CriReply::Done)
            }
            CriCall::PullImage { key, image } => self.finish_pull(now, node, id, key, image),
            CriCall::ImageStatus { image } => {
                Ok(if self.image_present(node, image) { self.image_info(image) } else { CriReply::NoImage })
            }
            CriCall::RemoveImage { image } => {
                self.machines[node.index()].images.remove(image);
                Ok(CriReply::Done)
            }
            CriCall::CreateContainer { key, sandbox, config } => {
                self.finish_create(now, node, key, sandbox, config, out)
            }
            CriCall::StartContainer { key, container } => self.finish_start(now, node, key, container, out),
            CriCall::StopContainer { .. } | CriCall::ExecSync { .. } => Ok(CriReply::Done),
            CriCall::RemoveContainer { key, container } => {
                self.machines[node.index()].remove_container(key, container, out);
                Ok(CriReply::Done)
            }
            CriCall::PodSandboxStats { key } => Ok(CriReply::Memory(self.memory_of(now, node, key))),
            CriCall::UpdatePodSandboxResources { .. } => Ok(CriReply::Done),
            CriCall::UpdateContainerResources { key, container, requests, limits } => {
                self.machines[node.index()].update_resources(key, container, requests, limits, out);
                self.watch_limits(now, node, key, out);
                self.traffic_changes(out);
                Ok(CriReply::Done)
            }
        }
    }

    /// What a call's luck is drawn from, with the moment: its container, its pod, or an image on its machine.
    fn stream_of(&self, node: NodeIndex, call: &CriCall) -> StreamKey {
        let machine = &self.machines[node.index()];
        match call {
            CriCall::StartContainer { container, .. }
            | CriCall::StopContainer { container, .. }
            | CriCall::RemoveContainer { container, .. }
            | CriCall::UpdateContainerResources { container, .. } => StreamKey::from_bits(container.bits()),
            CriCall::ExecSync { stream, .. } => *stream,
            CriCall::ImageStatus { image } | CriCall::RemoveImage { image } => machine.stream.part(image),
            CriCall::RunPodSandbox { key, .. }
            | CriCall::StopPodSandbox { key, .. }
            | CriCall::RemovePodSandbox { key, .. }
            | CriCall::PullImage { key, .. }
            | CriCall::CreateContainer { key, .. }
            | CriCall::PodSandboxStats { key }
            | CriCall::UpdatePodSandboxResources { key, .. } => {
                machine.pods.get(key).map_or(machine.stream, |record| record.stream)
            }
        }
    }

    /// How long a call takes that does little.
    fn usual(&self, now: SimTime, node: NodeIndex, call: &CriCall) -> SimDuration {
        self.draws.sample(&self.profile.runtime_call, STEP, self.stream_of(node, call), now.as_nanos())
    }

    fn container_rule(&self, rule: Option<usize>, name: Name, image: Name) -> Option<&ContainerBehavior> {
        self.world.pods[rule?].containers.iter().find(|container| {
            container.name.matches(&name) && container.image.as_ref().is_none_or(|pattern| pattern.matches(&image))
        })
    }

    fn begin_sandbox(&mut self, node: NodeIndex, pod: &Arc<Pod>, key: PodKey) -> Step {
        let rule = self.rules.of(&self.world.pods, pod);
        let record = self.machines[node.index()].record(key, pod);
        record.rule = rule;
        let (stream, n) = (record.stream, record.sandboxes_begun);
        record.sandboxes_begun += 1;
        let scripted = rule.and_then(|rule| nth(&self.world.pods[rule].sandbox, n as usize));
        let duration = scripted.and_then(|step| step.duration.as_ref()).unwrap_or(&self.profile.run_sandbox);
        let (later, _) = self.sandbox_delay(node, key, u64::from(n));
        Step::Takes(later + self.draws.sample(duration, STEP, stream.part("sandbox"), u64::from(n)))
    }

    fn finish_sandbox(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        pod: &Arc<Pod>,
        key: PodKey,
        attempt: u32,
        out: &mut Outbox<Message>,
    ) -> CriResult {
        let machine = &mut self.machines[node.index()];
        let record = machine.record(key, pod);
        let n = record.sandboxes_begun - 1;
        let scripted = record.rule.and_then(|rule| nth(&self.world.pods[rule].sandbox, n as usize));
        // Without words it is the network that fails, which a pod on the host's network does not ask for.
        let scripted = scripted.and_then(|step| step.error.clone());
        let scripted = scripted.filter(|error| !(error.is_empty() && pod.spec.host_network));
        if let Some(error) = scripted.or_else(|| self.sandbox_error(node, key, u64::from(n))) {
            let words = if error.is_empty() {
                "failed to setup network for sandbox: plugin type=\"bridge\" failed (add): no IP addresses available \
                 for pod {pod}"
            } else {
                &error
            };
            return Err(CriError::unknown(words.replace("{pod}", &pod.meta.name)));
        }
        let machine = &mut self.machines[node.index()];
        let (id, ip) = machine.add_sandbox(now, pod, key, attempt, out);
        if let Some(ip) = ip {
            self.addresses.insert(ip, (node, key));
        }
        Ok(CriReply::Sandbox { id, ip })
    }

    fn begin_create(&mut self, node: NodeIndex, key: PodKey, config: &ContainerConfig) -> Step {
        let Some(record) = self.machines[node.index()].pods.get_mut(&key) else {
            return Step::Fails(CriError::not_found("sandbox not found"));
        };
        let (stream, rule) = (record.stream, record.rule);
        let counters = record.counters(config.name);
        let n = counters.creates;
        counters.creates += 1;
        let scripted = self.container_rule(rule, config.name, config.image).and_then(|c| nth(&c.create, n as usize));
        let duration = scripted.and_then(|step| step.duration.as_ref()).unwrap_or(&self.profile.create_container);
        Step::Takes(self.draws.sample(duration, STEP, stream.part(&config.name).part("create"), u64::from(n)))
    }

    fn finish_create(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        key: PodKey,
        sandbox: ContainerId,
        config: Arc<ContainerConfig>,
        out: &mut Outbox<Message>,
    ) -> CriResult {
        let Some(record) = self.machines[node.index()].pods.get_mut(&key) else {
            return Err(CriError::not_found("sandbox not found"));
        };
        let (rule, n) = (record.rule, record.counters(config.name).creates - 1);
        let scripted = self.container_rule(rule, config.name, config.image).and_then(|c| nth(&c.create, n as usize));
        let scripted = scripted.and_then(|step| step.error.clone());
        if let Some(error) = scripted.or_else(|| self.create_error(node, key, config.name)) {
            let words = if error.is_empty() { "failed to create containerd container: scripted error" } else { &error };
            return Err(CriError::unknown(words));
        }
        let config = self.machines[node.index()].images.untagged(config);
        let mut files = self.files_of(&config);
        if config.read_only_root {
            files.make_read_only(&config.termination_message_path);
        }
        self.mount_volumes(now, node, &config, &mut files);
        let id = self.machines[node.index()].add_container(now, key, sandbox, config, files, out);
        Ok(CriReply::Container(id))
    }

    /// The file system that a container starts with.
    fn files_of(&self, config: &ContainerConfig) -> FileSystem {
        if self.world.unruled == Unruled::Idle {
            return FileSystem::default();
        }
        let (image, _) = image_table::find(&self.world.models, &config.image);
        image.file_system()
    }

    fn begin_start(&mut self, node: NodeIndex, key: PodKey, container: ContainerId) -> Step {
        let machine = &mut self.machines[node.index()];
        let Some((record, config)) = machine.pods.get_mut(&key).and_then(|record| {
            let config = record.instance(container)?.config.clone();
            Some((record, config))
        }) else {
            return Step::Fails(CriError::not_found("container not found"));
        };
        let (stream, rule) = (record.stream, record.rule);
        let counters = record.counters(config.name);
        let n = counters.starts;
        counters.starts += 1;
        let scripted = self.container_rule(rule, config.name, config.image).and_then(|c| nth(&c.start, n as usize));
        let duration = scripted.and_then(|step| step.duration.as_ref()).unwrap_or(&self.profile.start_container);
        Step::Takes(self.draws.sample(duration, STEP, stream.part(&config.name).part("start"), u64::from(n)))
    }

    fn finish_start(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        key: PodKey,
        container: ContainerId,
        out: &mut Outbox<Message>,
    ) -> CriResult {
        let machine = &mut self.machines[node.index()];
        let Some((record, config)) = machine.pods.get_mut(&key).and_then(|record| {
            let config = record.instance(container)?.config.clone();
            Some((record, config))
        }) else {
            return Err(CriError::not_found("container not found"));
        };
        let rule = record.rule;
        let (start, run) = {
            let counters = record.counters(config.name);
            (counters.starts - 1, counters.runs)
        };
        let place = Place { node, key, container };
        let scripted = self.container_rule(rule, config.name, config.image);
        let failure = scripted.and_then(|c| nth(&c.start, start as usize)).and_then(|step| step.error.clone());
        if let Some(error) = failure.or_else(|| self.start_error(place)) {
            let words = if error.is_empty() {
                "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create \
                 failed: unable to start container process: exec: \"/app\": stat /app: no such file or directory"
            } else {
                &error
            };
            let error = CriError::unknown(words);
            self.machines[node.index()].fail_start(now, key, container, &error.message, out);
            return Err(error);
        }
        let place = Place { node, key, container };
        let custom = self.machines[node.index()].pods.get(&key).and_then(|record| {
            let run = ProcessRun { pod: &record.pod, container: config.name, runs: run, now };
            self.models.iter().find_map(|model| model.process(&run))
        });
        let launch = match (scripted, self.world.unruled) {
            _ if custom.is_some() => {
                let model = Arc::new(custom.expect("just looked at"));
                Launch::Model { model, argv: Vec::new() }
            }
            (Some(rule), _) => Launch::Model { model: rule.run(run as usize).clone(), argv: Vec::new() },
            (None, Unruled::Idle) => Launch::Model { model: process::default_process(), argv: Vec::new() },
            (None, Unruled::Played) => match self.launch(now, place) {
                Ok(launch) => launch,
                Err(error) => {
                    self.machines[node.index()].fail_start(now, key, container, &error.message, out);
                    return Err(error);
                }
            },
        };
        self.machines[node.index()].start_process(now, key, container, out);
        self.begin_main(now, place, launch, out);
        self.strike_newcomer(now, place, out);
        Ok(CriReply::Done)
    }

    #[allow(clippy::too_many_arguments, reason = "one call of the CRI, and when and where it is made")]
    fn begin_stop(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        id: u32,
        key: PodKey,
        container: ContainerId,
        timeout: SimDuration,
        out: &mut Outbox<Message>,
    ) -> Step {
        let machine = &mut self.machines[node.index()];
        let Some(instance) = machine.pods.get_mut(&key).and_then(|record| record.instance_mut(container)) else {
            return Step::Fails(CriError::not_found("container not found"));
        };
        if instance.status.state != InstanceState::Running {
            let stream = StreamKey::from_bits(container.bits());
            return Step::Takes(self.draws.sample(&self.profile.runtime_call, STEP, stream, now.as_nanos()));
        }
        instance.stoppers.push(id);
        let first = !std::mem::replace(&mut instance.signalled, true);
        let place = Place { node, key, container };
        // A process that ends in the very moment in which its time is over is killed, as recorded.
        out.after(timeout, Message::Runtime(node, RuntimeMessage::Kill { key, container, id }));
        match self.stop_disturbed(place, now) {
            (false, SimDuration::ZERO) if first => self.signal(now, place, self.stop_signal(place), out),
            (false, later) if first => {
                out.after(later, Message::Runtime(node, RuntimeMessage::LateSignal { key, container }));
            }
            _ => {}
        }
        Step::Waits
    }
}

/// How a call goes on.
enum Step {
    /// It is done after a while.
    Takes(SimDuration),
    /// Something else ends it.
    Waits,
    /// It fails at once.
    Fails(Box<CriError>),
}
