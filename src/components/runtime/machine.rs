//! One machine: the sandboxes and containers of its pods, and the snapshots that its kubelet is shown.

use super::disturbance::Excess;
use super::exec::{self, ExecSession};
use super::filesystem::{FileSystem, Node};
use super::image::ImageStore;
use super::log::{ContainerLog, LogLine};
use super::network::Connection;
use super::program::Program;
use super::script::Script;
use super::traffic::{Serving, TrafficMessage};
use super::written::{Written, WrittenVolumes};
use super::{CANCELED, Exit, LoadStep, MachineLoad, Process, START_ERROR, UNKNOWN_REASON};
use crate::api::{ContainerId, FastMap, Name, Pod, PodStatus, ResourceList, TERMINATION_LOG, Text};
use crate::components::cri::{
    ContainerConfig, CriCall, CriError, CriReply, InstanceState, InstanceStatus, PodKey, RuntimePod, SandboxStatus,
    pod_stream,
};
use crate::components::message::{Message, NodeIndex};
use crate::engine::{Outbox, SimTime, StreamKey};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The numbers of the programs that scripts start begin after this one.
const FIRST_PID: u32 = 20;

/// So many bytes of the end of a termination message are read (`MaxContainerTerminationMessageLength`).
const MAX_MESSAGE: usize = 4 << 10;
/// So many bytes of a log stand in for it (`MaxContainerTerminationMessageLogLength`).
const MAX_LOG_MESSAGE: usize = 2 << 10;
/// So many lines of a log stand in for it (`MaxContainerTerminationMessageLogLines`).
const MAX_LOG_LINES: usize = 80;

/// A machine and what runs on it.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(super) index: NodeIndex,
    /// The node's name.
    pub name: Name,
    /// The key of its draws.
    pub(super) stream: StreamKey,
    pub(super) pods: BTreeMap<PodKey, PodRecord>,
    pub(super) images: ImageStore,
    /// Calls whose time is not over.
    pub(super) calls: FastMap<u32, CriCall>,
    /// Commands that run in containers, by the kubelet's number for the call.
    pub(super) execs: BTreeMap<u32, ExecSession>,
    /// Requests that wait for an answer of a listener.
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) connections_made: u64,
    /// What it has.
    pub(super) capacity: ResourceList,
    /// What it uses beside its pods.
    pub(super) load: Arc<MachineLoad>,
    /// Whether any process said what it uses.
    pub(super) uses: bool,
    /// So many times as long as usual everything takes.
    pub(super) slow: u32,
    /// Per cent of its CPU that others get.
    pub(super) stolen: u8,
    /// So many nanoseconds its clock is ahead.
    pub(super) skew: i64,
    /// Whether no network can be set up.
    pub(super) without_network: bool,
    /// What faults leave of what it has, by their numbers.
    pub(super) shortages: Vec<(u32, LoadStep)>,
    /// When there is no memory left, if that is to come.
    pub(super) out_of_memory: Option<SimTime>,
    powered: bool,
    /// How many addresses were given out.
    addresses: u32,
}

/// Everything that the runtime has of a pod.
#[derive(Debug, Clone)]
pub(super) struct PodRecord {
    key: PodKey,
    /// The pod as it was when its sandbox was made.
    pub(super) pod: Arc<Pod>,
    pub(super) stream: StreamKey,
    /// The rule of the world that it follows.
    pub(super) rule: Option<usize>,
    pub(super) sandboxes_begun: u32,
    /// Newest first.
    sandboxes: Vec<SandboxStatus>,
    /// Newest first.
    instances: Vec<Instance>,
    counters: Vec<(Name, Counters)>,
    /// When a memory limit is exceeded, if that is to come.
    pub(super) over_limit: Option<SimTime>,
    /// What lies in its volumes.
    pub(super) written: WrittenVolumes,
}

/// How often each step was taken for a container.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counters {
    pub(super) creates: u32,
    pub(super) starts: u32,
    pub(super) runs: u32,
}

/// One instance of a container and what runs in it.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) status: InstanceStatus,
    pub(super) config: Arc<ContainerConfig>,
    /// The programs in it that models play.
    pub(super) programs: Vec<Program>,
    /// The model that is, or was, its main process, and since when: what it uses stays used until the container is
    /// removed.
    pub(super) model: Option<(SimTime, Arc<Process>)>,
    /// The script that is, or began as, its main process.
    pub(super) script: Option<Box<Script>>,
    /// The last process number that was given out.
    pub(super) last_pid: u32,
    pub(super) files: FileSystem,
    pub(super) log: ContainerLog,
    /// What its scripts have written.
    pub(super) written: Written,
    /// Whether the process has got a stop signal.
    pub(super) signalled: bool,
    /// Calls of StopContainer that wait for its end.
    pub(super) stoppers: Vec<u32>,
    /// How many requests it has served.
    pub(super) requests: u32,
    /// What faults make it use.
    pub(super) excess: Vec<Excess>,
    /// What it does about requests, if any have come.
    pub(super) serving: Option<Box<Serving>>,
}

impl Instance {
    /// The model of its main process, unless a script is.
    pub(super) fn main_model(&self) -> Option<&Program> {
        self.programs.iter().find(|program| self.is_main(program))
    }

    /// Whether a program is its main process: it is from the start, or a script has become it (`exec`).
    pub(super) fn is_main(&self, program: &Program) -> bool {
        program.caller.is_none() || self.script.as_ref().is_some_and(|script| script.became == Some(program.pid))
    }

    /// The programs beside its main process.
    pub(super) fn other_programs(&self) -> impl Iterator<Item = &Program> {
        self.programs.iter().filter(|program| !self.is_main(program))
    }

    /// What it has printed: its script, and the models that run in it.
    pub(super) fn printed(&self, now: SimTime) -> Vec<LogLine> {
        let status = &self.status;
        let ended_at = (status.state == InstanceState::Exited).then_some(status.finished_at);
        let until = ended_at.unwrap_or(now);
        let mut lines = self.log.lines(ended_at);
        if matches!(status.state, InstanceState::Running | InstanceState::Exited)
            && let Some((since, model)) = &self.model
        {
            lines.extend(model.printed(*since, until));
        }
        for program in self.other_programs() {
            lines.extend(program.model.printed(program.since, until));
        }
        lines.sort_by_key(|line| line.at);
        lines
    }

    /// What its process wrote for whoever asks why it ended (`getTerminationMessage`).
    fn last_words(&self) -> Text {
        let path = self.config.termination_message_path;
        let path = if path.is_empty() { TERMINATION_LOG } else { path.as_str() };
        match self.files.root().get(path) {
            Some(Node::File(file)) if !file.bytes().is_empty() => end_of(file.bytes(), MAX_MESSAGE).as_ref().into(),
            _ if self.config.fallback_to_logs && self.status.exit_code != 0 => self.last_lines(),
            _ => Text::default(),
        }
    }

    /// The end of its log (`readLastStringFromContainerLogs`).
    fn last_lines(&self) -> Text {
        let lines = self.printed(self.status.finished_at);
        let mut text = String::new();
        for line in &lines[lines.len().saturating_sub(MAX_LOG_LINES)..] {
            text.push_str(&line.text);
            if line.complete {
                text.push('\n');
            }
        }
        end_of(text.as_bytes(), MAX_LOG_MESSAGE).as_ref().into()
    }
}

impl PodRecord {
    /// The pod's address; none on the host's network.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        self.sandboxes.first().and_then(|sandbox| sandbox.ip)
    }

    pub(super) fn counters(&mut self, name: Name) -> &mut Counters {
        let place = self.counters.iter().position(|(n, _)| *n == name).unwrap_or_else(|| {
            self.counters.reserve_exact(1);
            self.counters.push((name, Counters::default()));
            self.counters.len() - 1
        });
        &mut self.counters[place].1
    }

    pub(super) fn instance(&self, id: ContainerId) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.status.id == id)
    }

    pub(super) fn instance_mut(&mut self, id: ContainerId) -> Option<&mut Instance> {
        self.instances.iter_mut().find(|instance| instance.status.id == id)
    }

    pub(super) fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter()
    }

    pub(super) fn instances_mut(&mut self) -> impl Iterator<Item = &mut Instance> {
        self.instances.iter_mut()
    }

    /// What was known of the pod when its sandbox was made is no news to anybody: room is made.
    fn forget_status(&mut self) {
        Arc::make_mut(&mut self.pod).status = PodStatus::default().shared();
    }

    /// Which pod it is.
    pub(super) const fn key(&self) -> PodKey {
        self.key
    }

    fn snapshot(&self) -> Arc<RuntimePod> {
        Arc::new(RuntimePod {
            key: self.key,
            sandboxes: self.sandboxes.clone(),
            containers: self.instances.iter().map(|instance| instance.status.clone()).collect(),
        })
    }
}

impl Machine {
    pub(super) fn new(index: NodeIndex, name: Name, capacity: ResourceList, load: Arc<MachineLoad>) -> Self {
        Self {
            index,
            name,
            stream: StreamKey::new(&name),
            pods: BTreeMap::new(),
            images: ImageStore::default(),
            calls: FastMap::default(),
            execs: BTreeMap::new(),
            connections: BTreeMap::new(),
            connections_made: 0,
            capacity,
            load,
            uses: false,
            slow: 1,
            stolen: 0,
            skew: 0,
            without_network: false,
            shortages: Vec::new(),
            out_of_memory: None,
            powered: true,
            addresses: 0,
        }
    }

    /// The machine's own address.
    pub fn address(&self) -> Ipv4Addr {
        let number = u32::from(self.index.0) + 10;
        Ipv4Addr::from(u32::from_be_bytes([192, 168, 0, 0]) + number)
    }

    /// The record of a pod, made if there is none.
    pub(super) fn record(&mut self, key: PodKey, pod: &Arc<Pod>) -> &mut PodRecord {
        self.pods.entry(key).or_insert_with(|| PodRecord {
            key,
            pod: pod.clone(),
            stream: pod_stream(pod),
            rule: None,
            sandboxes_begun: 0,
            sandboxes: Vec::new(),
            instances: Vec::new(),
            counters: Vec::new(),
            over_limit: None,
            written: WrittenVolumes::default(),
        })
    }

    pub(super) fn instance_mut(&mut self, key: PodKey, id: ContainerId) -> Option<&mut Instance> {
        self.pods.get_mut(&key)?.instance_mut(id)
    }

    /// The next free address of the node's range.
    fn next_address(&mut self) -> Ipv4Addr {
        self.addresses += 1;
        let base = u32::from_be_bytes([10, 244, 0, 0]) + u32::from(self.index.0) * 256;
        Ipv4Addr::from(base + 1 + (self.addresses - 1) % 253 + (self.addresses - 1) / 253 * 65_536)
    }

    /// Tells the kubelet that there is something to see.
    pub(super) fn publish(&self, key: PodKey, out: &mut Outbox<Message>) {
        if self.powered
            && let Some(record) = self.pods.get(&key)
        {
            out.now(Message::RuntimeChanged { node: self.index, pod: record.snapshot() });
        }
    }

    pub(super) fn add_sandbox(
        &mut self,
        now: SimTime,
        pod: &Pod,
        key: PodKey,
        attempt: u32,
        out: &mut Outbox<Message>,
    ) -> (ContainerId, Option<Ipv4Addr>) {
        let ip = (!pod.spec.host_network).then(|| self.next_address());
        let record = self.pods.get_mut(&key).expect("a record was made when the call began");
        let id = identity(record.stream.part("sandbox"), record.sandboxes_begun);
        record.sandboxes.reserve_exact(1); // Most pods have one.
        record.sandboxes.insert(0, SandboxStatus { id, attempt, ready: true, ip, created_at: now });
        self.publish(key, out);
        (id, ip)
    }

    /// Whether a sandbox is there and has not stopped.
    pub(super) fn has_ready(&self, key: PodKey, id: ContainerId) -> bool {
        let record = self.pods.get(&key);
        record.is_some_and(|record| record.sandboxes.iter().any(|sandbox| sandbox.id == id && sandbox.ready))
    }

    pub(super) fn stop_sandbox(&mut self, now: SimTime, key: PodKey, id: ContainerId, out: &mut Outbox<Message>) {
        let Some(record) = self.pods.get_mut(&key) else { return };
        let running: Vec<ContainerId> = record
            .instances
            .iter()
            .filter(|instance| instance.status.sandbox == id && instance.status.state == InstanceState::Running)
            .map(|instance| instance.status.id)
            .collect();
        for container in running {
            self.process_ends(now, key, container, &Exit::killed(), out);
        }
        let Some(record) = self.pods.get_mut(&key) else { return };
        if let Some(sandbox) = record.sandboxes.iter_mut().find(|sandbox| sandbox.id == id && sandbox.ready) {
            sandbox.ready = false;
            record.forget_status();
            self.publish(key, out);
        }
    }

    /// Forgets a sandbox; returns the address that is free now.
    pub(super) fn remove_sandbox(
        &mut self,
        key: PodKey,
        id: ContainerId,
        out: &mut Outbox<Message>,
    ) -> Option<Ipv4Addr> {
        let record = self.pods.get_mut(&key)?;
        let ip = record.sandboxes.iter().find(|sandbox| sandbox.id == id).and_then(|sandbox| sandbox.ip);
        record.sandboxes.retain(|sandbox| sandbox.id != id);
        record.instances.retain(|instance| instance.status.sandbox != id);
        if record.sandboxes.is_empty() && record.instances.is_empty() {
            self.pods.remove(&key);
            if self.powered {
                out.now(Message::RuntimeForgot { node: self.index, key });
            }
        } else {
            self.publish(key, out);
        }
        ip
    }

    pub(super) fn add_container(
        &mut self,
        now: SimTime,
        key: PodKey,
        sandbox: ContainerId,
        config: Arc<ContainerConfig>,
        files: FileSystem,
        out: &mut Outbox<Message>,
    ) -> ContainerId {
        let record = self.pods.get_mut(&key).expect("the pod has a sandbox");
        let n = record.counters(config.name).creates;
        let id = identity(record.stream.part(&config.name), n);
        let status = InstanceStatus {
            id,
            name: config.name,
            attempt: config.attempt,
            sandbox,
            image: config.image,
            state: InstanceState::Created,
            created_at: now,
            started_at: SimTime::ZERO,
            finished_at: SimTime::ZERO,
            exit_code: 0,
            reason: Name::default(),
            message: Text::default(),
            resources: (config.requests.clone(), config.limits.clone()),
        };
        let instance = Instance {
            status,
            config,
            programs: Vec::new(),
            model: None,
            script: None,
            last_pid: FIRST_PID,
            files,
            log: ContainerLog::default(),
            written: Written::default(),
            signalled: false,
            stoppers: Vec::new(),
            requests: 0,
            excess: Vec::new(),
            serving: None,
        };
        record.instances.reserve_exact(1);
        record.instances.insert(0, instance);
        self.publish(key, out);
        id
    }

    pub(super) fn remove_container(&mut self, key: PodKey, id: ContainerId, out: &mut Outbox<Message>) {
        let Some(record) = self.pods.get_mut(&key) else { return };
        record.instances.retain(|instance| instance.status.id != id);
        self.publish(key, out);
    }

    pub(super) fn fail_start(
        &mut self,
        now: SimTime,
        key: PodKey,
        id: ContainerId,
        message: &Text,
        out: &mut Outbox<Message>,
    ) {
        let Some(instance) = self.pods.get_mut(&key).and_then(|record| record.instance_mut(id)) else { return };
        let status = &mut instance.status;
        status.state = InstanceState::Exited;
        status.finished_at = now;
        status.exit_code = 128;
        status.reason = *START_ERROR;
        status.message = message.clone();
        self.publish(key, out);
    }

    pub(super) fn start_process(&mut self, now: SimTime, key: PodKey, id: ContainerId, out: &mut Outbox<Message>) {
        let Some(record) = self.pods.get_mut(&key) else { return };
        let Some(instance) = record.instance_mut(id) else { return };
        instance.status.state = InstanceState::Running;
        instance.status.started_at = now;
        let name = instance.status.name;
        record.counters(name).runs += 1;
        self.publish(key, out);
    }

    /// A process ends, if it still runs: by itself, by a signal that it has reacted to, or by a kill.
    pub(super) fn process_ends(
        &mut self,
        now: SimTime,
        key: PodKey,
        id: ContainerId,
        exit: &Exit,
        out: &mut Outbox<Message>,
    ) {
        let node = self.index;
        let Some(instance) = self.pods.get_mut(&key).and_then(|record| record.instance_mut(id)) else { return };
        if instance.status.state != InstanceState::Running || !self.powered {
            return;
        }
        let status = &mut instance.status;
        status.state = InstanceState::Exited;
        status.finished_at = now;
        status.exit_code = exit.code;
        status.reason = exit.reason();
        status.message = exit.message.clone();
        if status.message.is_empty() {
            instance.status.message = instance.last_words();
        }
        instance.programs.clear();
        instance.script = None;
        if instance.serving.take().is_some() {
            out.now(Message::Traffic(TrafficMessage::Changed));
        }
        for id in std::mem::take(&mut instance.stoppers) {
            out.now(Message::CriDone { node, id, result: Ok(CriReply::Done) });
        }
        let over = self.execs.extract_if(.., |_, session| (session.key, session.container) == (key, id));
        for (id, _) in over {
            out.now(Message::CriDone { node, id, result: Ok(exec::killed()) });
        }
        self.close_connections((key, id), out);
        self.publish(key, out);
    }

    pub(super) fn update_resources(
        &mut self,
        key: PodKey,
        id: ContainerId,
        requests: ResourceList,
        limits: ResourceList,
        out: &mut Outbox<Message>,
    ) {
        if let Some(instance) = self.pods.get_mut(&key).and_then(|record| record.instance_mut(id)) {
            instance.status.resources = (requests, limits);
            self.publish(key, out);
        }
    }

    /// Whether a call of StopContainer still waits for a container's end.
    pub(super) fn is_stopping(&self, key: PodKey, id: ContainerId, call: u32) -> bool {
        let instance = self.pods.get(&key).and_then(|record| record.instance(id));
        instance.is_some_and(|instance| instance.stoppers.contains(&call))
    }

    /// Every call under way is cancelled, as when its client dies.
    pub(super) fn cancel_calls(&mut self, out: &mut Outbox<Message>) {
        let stopping = self.pods.values_mut().flat_map(|record| &mut record.instances);
        let mut ids: Vec<u32> = stopping.flat_map(|instance| std::mem::take(&mut instance.stoppers)).collect();
        ids.extend(std::mem::take(&mut self.calls).into_keys());
        self.images.cancel_pulls();
        ids.extend(std::mem::take(&mut self.execs).into_keys());
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let error = CriError { code: *CANCELED, message: "context canceled".into() };
            out.now(Message::CriDone { node: self.index, id, result: Err(Box::new(error)) });
        }
    }

    pub(super) fn power_off(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        self.cancel_calls(out);
        self.connections.clear();
        let lost = Exit { code: 255, reason: *UNKNOWN_REASON, ..Exit::default() };
        let keys: Vec<PodKey> = self.pods.keys().copied().collect();
        for key in keys {
            let record = self.pods.get_mut(&key).expect("a key of the map");
            for sandbox in &mut record.sandboxes {
                sandbox.ready = false;
            }
            for instance in &mut record.instances {
                let status = &mut instance.status;
                if matches!(status.state, InstanceState::Running | InstanceState::Created) {
                    status.state = InstanceState::Exited;
                    status.finished_at = now;
                    status.exit_code = lost.code;
                    status.reason = lost.reason;
                }
                // Nobody listens any more, and no port is taken.
                instance.programs.clear();
                instance.script = None;
                if instance.serving.take().is_some() {
                    out.now(Message::Traffic(TrafficMessage::Changed));
                }
            }
            self.publish(key, out);
        }
        self.powered = false;
    }

    /// Whether it has power.
    pub const fn is_powered(&self) -> bool {
        self.powered
    }

    pub(super) const fn power_on(&mut self) {
        self.powered = true;
    }

    /// What the runtime has of every pod: what a kubelet that has just started is shown.
    pub fn snapshots(&self) -> Vec<Arc<RuntimePod>> {
        self.pods.values().map(PodRecord::snapshot).collect()
    }
}

/// The last bytes of a text.
fn end_of(bytes: &[u8], most: usize) -> Cow<'_, str> {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(most)..])
}

/// The identity of the n-th sandbox or instance of a name.
fn identity(stream: StreamKey, n: u32) -> ContainerId {
    let mixed = stream.part("id").bits().wrapping_add(u64::from(n)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ContainerId::from_bits(mixed.rotate_left(29) | 1)
}
