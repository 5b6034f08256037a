//! What faults do to runtimes and programs: consulted where a call, a request or a process would otherwise go its way.
//!
//! A disturbance is a kind of fault with the pods that it is about, from the moment at which it strikes until it is
//! healed. What it does follows from the seams that ask for it; without any, nothing is asked.

use super::filesystem::absolute;
use super::machine::{Instance, PodRecord};
use super::program::Place;
use super::usage::Usage;
use super::{Exit, ListenAnswer, PullResult, RuntimeMessage, Runtimes};
use crate::api::{ContainerId, Name, Pod, Text, Uid, Volume, VolumeSource};
use crate::components::cri::{CriCall, InstanceState, PodKey};
use crate::components::message::{Message, NodeIndex};
use crate::components::scope::Scope;
use crate::engine::{Distribution, Draws, Outbox, Purpose, SimDuration, SimTime, StreamKey};
use crate::faults::{
    CpuBurst, CrashLoop, CreateFailure, Deadlock, DescriptorLeak, DiskFill, DnsWrong, ExecFailure, FaultKind, GcPause,
    ListenerDelay, ListenerFailure, MemoryLeak, MemoryStep, MountDelay, MountFailure, NodePressure, PullDelay,
    PullFailure, ReadOnlyVolume, SandboxDelay, SandboxFailure, SlowStop, StartFailure, TagMoved, UnreapedChildren,
    Written,
};
use std::net::Ipv4Addr;

const CHANCE: Purpose = Purpose::new("fault chance");
const RHYTHM: Purpose = Purpose::new("rhythm of pauses");
const DELAY: Purpose = Purpose::new("fault delay");
/// A server that answers at once needs about so long, which a slow machine makes longer.
const SERVICE: SimDuration = SimDuration::from_millis(5);
/// What is under way on a machine that becomes faster is done after so long.
const CATCHES_UP: SimDuration = SimDuration::from_secs(1);
/// The use of something that grows is looked at so often.
pub(super) const LOOK: SimDuration = SimDuration::from_secs(10);

/// A fault that lasts.
#[derive(Debug, Clone)]
pub struct Disturbance {
    /// Its number.
    pub id: u32,
    /// What goes wrong.
    pub kind: FaultKind,
    /// What it is about.
    pub scope: Scope,
    /// Only these pods; any if absent.
    pub only: Option<Vec<Uid>>,
    /// The stream of its draws.
    pub stream: StreamKey,
    /// How often its fault struck before.
    pub occasion: u64,
    /// Only these instances; any if empty.
    pub instances: Vec<ContainerId>,
    /// When it struck.
    pub since: SimTime,
}

impl Disturbance {
    /// Whether a process has opened as many files as it may: since its start, or since the fault.
    fn is_exhausted(&self, leak: &DescriptorLeak, instance: &Instance, now: SimTime) -> bool {
        let age = now.since(self.since.max(instance.status.started_at));
        age.mul_ratio(u64::from(leak.per_minute), 60).as_secs() >= u64::from(leak.limit)
    }

    /// Whether a pod is struck that is on a machine.
    pub fn strikes(&self, draws: Draws, node: Name, pod: &Pod) -> bool {
        self.scope.has_pod(node, pod)
            && self.only.as_ref().is_none_or(|only| only.contains(&pod.meta.uid))
            && (self.scope.share.is_none() || {
                let member = StreamKey::new(&pod.meta.namespace).part(&pod.meta.name);
                self.scope.draws(draws, self.stream, member, self.occasion)
            })
    }

    /// Whether it happens this time, if it happens so many per cent of the times.
    fn happens(&self, draws: Draws, percent: Option<u8>, stream: StreamKey, ordinal: u64) -> bool {
        let key = StreamKey::from_bits(self.stream.bits().rotate_left(17) ^ stream.bits());
        percent.is_none_or(|percent| draws.draw(CHANCE, key, ordinal).below(100) < u64::from(percent))
    }

    /// How long a process that stops again and again is still stopped.
    fn stopped_for(&self, draws: Draws, pause: &GcPause, stream: StreamKey, now: SimTime) -> SimDuration {
        let key = StreamKey::from_bits(self.stream.bits().rotate_left(17) ^ stream.bits());
        let every = pause.every.as_nanos().max(1);
        let phase = draws.draw(RHYTHM, key, self.occasion).below(every);
        pause.pause.saturating_sub(SimDuration::from_nanos((now.as_nanos() + phase) % every))
    }

    /// How much longer something takes.
    pub fn delay(&self, draws: Draws, by: &Distribution, stream: StreamKey, ordinal: u64) -> SimDuration {
        draws.sample(by, DELAY, StreamKey::from_bits(self.stream.bits().rotate_left(17) ^ stream.bits()), ordinal)
    }
}

/// What a process uses beyond its own doing.
#[derive(Debug, Clone)]
pub(super) struct Excess {
    pub(super) id: u32,
    what: Used,
    since: SimTime,
    /// When it stopped to grow, if it did.
    until: Option<SimTime>,
}

#[derive(Debug, Clone, Copy)]
enum Used {
    Memory { at_once: i64, per_minute: i64 },
    Disk { into: Written, per_minute: i64 },
    Processes { per_minute: i64 },
    Cpu { milli: i64 },
}

impl Excess {
    fn of(kind: &FaultKind, id: u32, since: SimTime) -> Option<Self> {
        let what = match kind {
            FaultKind::MemoryLeak(MemoryLeak { per_minute }) => {
                Used::Memory { at_once: 0, per_minute: per_minute.value() }
            }
            FaultKind::MemoryStep(MemoryStep { by }) => Used::Memory { at_once: by.value(), per_minute: 0 },
            FaultKind::DiskFill(DiskFill { into, per_minute }) => {
                Used::Disk { into: *into, per_minute: per_minute.value() }
            }
            FaultKind::UnreapedChildren(UnreapedChildren { per_minute }) => {
                Used::Processes { per_minute: i64::from(*per_minute) }
            }
            FaultKind::CpuBurst(CpuBurst { by }) => Used::Cpu { milli: by.milli_value() },
            _ => return None,
        };
        Some(Self { id, what, since, until: None })
    }

    fn grown(&self, now: SimTime, per_minute: i64) -> i64 {
        let for_so_long = self.until.unwrap_or(now).min(now).since(self.since);
        let grown = i128::from(per_minute) * i128::from(for_so_long.as_nanos()) / 60_000_000_000;
        i64::try_from(grown).unwrap_or(i64::MAX / 4)
    }

    /// Adds it to what the process itself uses.
    pub(super) fn add_to(&self, now: SimTime, usage: &mut Usage) {
        match self.what {
            Used::Memory { at_once, per_minute } => {
                usage.memory = usage.memory.saturating_add(at_once).saturating_add(self.grown(now, per_minute));
            }
            Used::Disk { into: Written::Logs, per_minute } => {
                usage.logs = usage.logs.saturating_add(self.grown(now, per_minute));
            }
            Used::Disk { into: Written::Layer, per_minute } => {
                usage.writable = usage.writable.saturating_add(self.grown(now, per_minute));
            }
            Used::Disk { into: Written::EmptyDir(volume), per_minute } => {
                usage.write_to(volume, self.grown(now, per_minute));
            }
            Used::Processes { per_minute } => usage.pids = usage.pids.saturating_add(self.grown(now, per_minute)),
            Used::Cpu { .. } => {}
        }
    }

    /// Whether a pod has what is written to.
    fn fits(&self, pod: &Pod) -> bool {
        let Used::Disk { into: Written::EmptyDir(volume), .. } = self.what else { return true };
        let is = |have: &Volume| have.name == volume && matches!(have.source, VolumeSource::EmptyDir { .. });
        pod.spec.volumes.iter().any(is)
    }

    /// Bytes of memory by which it grows in a minute.
    /// Bytes of a volume count if that is in memory.
    pub(super) const fn leak(&self) -> i64 {
        match self.what {
            Used::Memory { per_minute, .. } | Used::Disk { into: Written::EmptyDir(_), per_minute } if self.grows() => {
                per_minute
            }
            Used::Memory { .. } | Used::Disk { .. } | Used::Processes { .. } | Used::Cpu { .. } => 0,
        }
    }

    /// The volume that it fills, if it does.
    pub(super) const fn fills(&self) -> Option<Name> {
        match self.what {
            Used::Disk { into: Written::EmptyDir(volume), .. } => Some(volume),
            Used::Memory { .. } | Used::Disk { .. } | Used::Processes { .. } | Used::Cpu { .. } => None,
        }
    }

    /// Thousandths of a CPU that it adds, from each moment on.
    pub(super) fn cpu_steps(&self) -> impl Iterator<Item = (SimTime, i64)> {
        let milli = if let Used::Cpu { milli } = self.what { milli } else { 0 };
        [(self.since, milli)].into_iter().chain(self.until.map(|until| (until, 0)))
    }

    /// Whether it still grows.
    pub(super) const fn grows(&self) -> bool {
        self.until.is_none()
    }
}

impl Runtimes {
    /// A fault strikes.
    pub fn disturb(&mut self, now: SimTime, disturbance: Disturbance, out: &mut Outbox<Message>) {
        self.poison_begins(&disturbance, out);
        self.disturbances.push(disturbance);
        for place in self.running() {
            self.strike_process(now, place, self.disturbances.len() - 1, out);
        }
        self.traffic_changes(out);
        self.tell_all(out);
    }

    /// A fault is healed.
    pub fn relieve(&mut self, now: SimTime, id: u32, out: &mut Outbox<Message>) {
        self.disturbances.retain(|disturbance| disturbance.id != id);
        self.remembered.forget(id);
        for record in self.machines.iter_mut().flat_map(|machine| machine.pods.values_mut()) {
            for instance in record.instances_mut() {
                // A leak that was mended has still leaked; what was taken or written at once is given back.
                instance.excess.iter_mut().filter(|excess| excess.id == id).for_each(|excess| excess.until = Some(now));
                let stays = |excess: &Excess| matches!(excess.what, Used::Memory { at_once: 0, .. } | Used::Cpu { .. });
                instance.excess.retain(|excess| excess.id != id || stays(excess));
            }
        }
        self.tell_all(out);
        self.traffic_changes(out);
    }

    /// Every process that runs.
    pub(super) fn running(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for (node, machine) in self.machines.iter().enumerate() {
            for (key, record) in &machine.pods {
                let running = record.instances().filter(|instance| instance.status.state == InstanceState::Running);
                let node = NodeIndex(u16::try_from(node).expect("machines are counted in 16 bits"));
                places.extend(running.map(|instance| Place { node, key: *key, container: instance.status.id }));
            }
        }
        places
    }

    /// The instances that run of the pods that are struck.
    pub fn instances_of(&self, disturbance: &Disturbance) -> Vec<(NodeIndex, PodKey, ContainerId)> {
        let struck = |place: &Place| {
            let machine = &self.machines[place.node.index()];
            let record = &machine.pods[&place.key];
            let name = record.instance(place.container).map(|instance| instance.status.name).unwrap_or_default();
            disturbance.strikes(self.draws, machine.name, &record.pod) && disturbance.scope.has_container(name)
        };
        self.running().into_iter().filter(struck).map(|place| (place.node, place.key, place.container)).collect()
    }

    /// A process ends because a fault makes it.
    pub fn end_process(
        &mut self,
        now: SimTime,
        (node, key, container): (NodeIndex, PodKey, ContainerId),
        exit: &Exit,
        out: &mut Outbox<Message>,
    ) {
        self.machines[node.index()].process_ends(now, key, container, exit, out);
    }

    /// Kubelets look again at what may have changed without a word: at the pods of every struck machine.
    fn tell_all(&self, out: &mut Outbox<Message>) {
        for machine in &self.machines {
            for key in machine.pods.keys() {
                machine.publish(*key, out);
            }
        }
    }

    /// A process has begun: what goes on strikes it, too.
    pub(super) fn strike_newcomer(&mut self, now: SimTime, place: Place, out: &mut Outbox<Message>) {
        for disturbance in 0..self.disturbances.len() {
            self.strike_process(now, place, disturbance, out);
        }
    }

    fn strike_process(&mut self, now: SimTime, place: Place, disturbance: usize, out: &mut Outbox<Message>) {
        let found = &self.disturbances[disturbance];
        let machine = &self.machines[place.node.index()];
        let Some(record) = machine.pods.get(&place.key) else { return };
        let Some(instance) = record.instance(place.container) else { return };
        let name = instance.status.name;
        if !found.strikes(self.draws, machine.name, &record.pod) || !found.scope.has_container(name) {
            return;
        }
        self.strike_by_clock(now, place, found, out);
        let Place { node, key, container } = place;
        let crash = |id, exit| Message::Runtime(node, RuntimeMessage::Crash { key, container, fault: id, exit });
        if let FaultKind::CrashLoop(CrashLoop { images, env, after, code }) = &found.kind
            && images.matches(&instance.config.image)
            && env.iter().all(|(name, says)| instance.env(name) == Some(says.as_str()))
        {
            let stream = record.stream.part(&name);
            let after = found.delay(self.draws, after, stream, now.as_nanos());
            out.after(after, crash(found.id, Exit { code: *code, ..Exit::default() }));
        }
        let Some(excess) = Excess::of(&found.kind, found.id, now).filter(|excess| excess.fits(&record.pod)) else {
            return;
        };
        let machine = &mut self.machines[node.index()];
        machine.uses = true;
        if let Some(instance) = machine.instance_mut(key, container) {
            instance.excess.push(excess);
        }
        self.watch_limits(now, node, key, out);
    }

    /// A process ends of a fault, if that still lasts.
    pub(super) fn crash(&mut self, now: SimTime, place: Place, fault: u32, exit: &Exit, out: &mut Outbox<Message>) {
        let lasts = |found: &Disturbance| match &found.kind {
            FaultKind::ClockFailure(failure) => self.clock_agrees(now, place.node, failure),
            _ => true,
        };
        if self.disturbances.iter().any(|found| found.id == fault && lasts(found)) {
            self.machines[place.node.index()].process_ends(now, place.key, place.container, exit, out);
        }
    }

    /// What strikes a pod.
    pub(super) fn striking(&self, node: NodeIndex, key: PodKey) -> impl Iterator<Item = (&Disturbance, &PodRecord)> {
        let machine = &self.machines[node.index()];
        let record = machine.pods.get(&key).filter(|_| !self.disturbances.is_empty());
        record.into_iter().flat_map(move |record| {
            let strikes = |found: &&Disturbance| found.strikes(self.draws, machine.name, &record.pod);
            self.disturbances.iter().filter(strikes).map(move |found| (found, record))
        })
    }

    /// What strikes a container.
    pub(super) fn striking_in(&self, place: Place) -> impl Iterator<Item = (&Disturbance, &Instance)> {
        self.striking(place.node, place.key).filter_map(move |(found, record)| {
            let instance = record.instance(place.container)?;
            let meant = found.scope.has_container(instance.status.name)
                && (found.instances.is_empty() || found.instances.contains(&place.container));
            meant.then_some((found, instance))
        })
    }

    /// How much longer a pull takes.
    pub(super) fn pull_delay(&self, node: NodeIndex, key: PodKey, image: Name, n: u64) -> SimDuration {
        self.striking(node, key)
            .map(|(found, record)| match &found.kind {
                FaultKind::PullDelay(PullDelay { images, by }) if images.matches(&image) => {
                    found.delay(self.draws, by, record.stream.part(&image), n)
                }
                _ => SimDuration::ZERO,
            })
            .sum()
    }

    /// What a pull comes to, if a fault has a say.
    pub(super) fn pull_result(&self, node: NodeIndex, key: PodKey, image: Name, n: u64) -> Option<PullResult> {
        self.striking(node, key).find_map(|(found, _)| match &found.kind {
            FaultKind::PullFailure(PullFailure { images, result, percent }) if images.matches(&image) => {
                let stream = self.machines[node.index()].stream.part(&image);
                found.happens(self.draws, *percent, stream, n).then_some(*result)
            }
            _ => None,
        })
    }

    /// The image that a tag means for whoever pulls it now.
    pub(super) fn moved_tag(&self, node: NodeIndex, key: PodKey, image: Name) -> Option<Name> {
        self.striking(node, key).find_map(|(found, _)| match &found.kind {
            FaultKind::TagMoved(TagMoved { image: moved, to }) if *moved == *image.as_str() => Some(Name::new(to)),
            _ => None,
        })
    }

    /// How much longer a sandbox takes to make and to take down.
    pub(super) fn sandbox_delay(&self, node: NodeIndex, key: PodKey, n: u64) -> (SimDuration, SimDuration) {
        let mut sum = (SimDuration::ZERO, SimDuration::ZERO);
        for (found, record) in self.striking(node, key) {
            if let FaultKind::SandboxDelay(SandboxDelay { by, teardown }) = &found.kind {
                sum.0 += found.delay(self.draws, by, record.stream.part("sandbox"), n);
                sum.1 += found.delay(self.draws, teardown, record.stream.part("teardown"), n);
            }
        }
        sum
    }

    /// Why a sandbox cannot be made; empty for the usual words.
    pub(super) fn sandbox_error(&self, node: NodeIndex, key: PodKey, n: u64) -> Option<Text> {
        let on_host = |record: &PodRecord| record.pod.spec.host_network;
        let machine = &self.machines[node.index()];
        if machine.without_network && !machine.pods.get(&key).is_some_and(on_host) {
            let words = "failed to setup network for sandbox: plugin type=\"bridge\" failed (add): cni plugin not \
                         initialized";
            return Some(words.into());
        }
        self.striking(node, key).find_map(|(found, record)| match &found.kind {
            FaultKind::SandboxFailure(SandboxFailure { percent, error }) => {
                // Without words it is the network's, and on the host's network no plugin is called.
                let meets = !(error.is_empty() && on_host(record));
                let stream = record.stream.part("sandbox");
                (meets && found.happens(self.draws, *percent, stream, n)).then(|| error.clone())
            }
            _ => None,
        })
    }

    /// Why a container cannot be created; empty for the usual words.
    pub(super) fn create_error(&self, node: NodeIndex, key: PodKey, name: Name) -> Option<Text> {
        self.striking(node, key).find_map(|(found, _)| match &found.kind {
            FaultKind::CreateFailure(CreateFailure { error }) => found.scope.has_container(name).then(|| error.clone()),
            _ => None,
        })
    }

    /// Why a container cannot be started; empty for the usual words.
    pub(super) fn start_error(&self, place: Place) -> Option<Text> {
        self.striking_in(place).find_map(|(found, instance)| match &found.kind {
            FaultKind::StartFailure(StartFailure { error, images }) => {
                images.matches(&instance.config.image).then(|| error.clone())
            }
            _ => None,
        })
    }

    /// Whether a process does not hear the stop signal, and how much later it does.
    pub(super) fn stop_disturbed(&self, place: Place, now: SimTime) -> (bool, SimDuration) {
        let mut deaf = false;
        let mut later = SimDuration::ZERO;
        for (found, instance) in self.striking_in(place) {
            match &found.kind {
                FaultKind::IgnoreSigterm => deaf = true,
                FaultKind::SlowStop(SlowStop { by }) => {
                    later += found.delay(self.draws, by, StreamKey::new(&instance.status.name), now.as_nanos());
                }
                _ => {}
            }
        }
        (deaf, later)
    }

    /// What a command in a container comes to, if a fault has a say.
    pub(super) fn exec_disturbed(
        &self,
        place: Place,
        command: &str,
        (stream, now): (StreamKey, SimTime),
    ) -> Option<super::ExecResult> {
        self.striking_in(place).find_map(|(found, instance)| match &found.kind {
            FaultKind::ProcessHang => Some(super::ExecResult::Hang),
            FaultKind::Deadlock(deadlock) if is_locked(deadlock, instance) => Some(super::ExecResult::Hang),
            FaultKind::ExecFailure(ExecFailure { command: pattern, result, percent }) if pattern.matches(command) => {
                found.happens(self.draws, *percent, stream, now.as_nanos()).then(|| result.clone())
            }
            _ => None,
        })
    }

    /// Whether a fault that has no say in a command now may have one in the next like it.
    pub(super) fn exec_may_be_disturbed(&self, place: Place, command: &str) -> bool {
        self.striking_in(place).any(|(found, _)| match &found.kind {
            FaultKind::Deadlock(_) => true,
            FaultKind::ExecFailure(ExecFailure { command: pattern, .. }) => pattern.matches(command),
            _ => false,
        })
    }

    /// What a listener does with a request, if a fault has a say, and how much later.
    pub(super) fn listener_disturbed(
        &self,
        place: Place,
        port: u16,
        path: Option<&str>,
        (stream, now): (StreamKey, SimTime),
    ) -> Option<(Option<ListenAnswer>, SimDuration)> {
        let mut disturbed = None;
        for (found, instance) in self.striking_in(place) {
            let (answer, later) = disturbed.get_or_insert((None, SimDuration::ZERO));
            match &found.kind {
                FaultKind::ProcessHang => *answer = Some(ListenAnswer::Hang),
                FaultKind::Deadlock(deadlock) if is_locked(deadlock, instance) => *answer = Some(ListenAnswer::Hang),
                FaultKind::ChildDeath => *answer = Some(ListenAnswer::Refused),
                FaultKind::DescriptorLeak(leak) if found.is_exhausted(leak, instance, now) => {
                    *answer = Some(ListenAnswer::Hang);
                }
                FaultKind::GcPause(pause) => {
                    *later += found.stopped_for(self.draws, pause, StreamKey::from_bits(place.container.bits()), now);
                }
                FaultKind::ListenerFailure(ListenerFailure { port: at, path: of, answer: wrong, percent }) => {
                    let meant = at.is_none_or(|at| at == port)
                        && of.as_ref().is_none_or(|of| path.is_some_and(|path| path.split('?').next() == Some(of)));
                    if meant && found.happens(self.draws, *percent, stream, now.as_nanos()) {
                        *answer = Some(wrong.clone());
                    }
                }
                FaultKind::ListenerDelay(ListenerDelay { by }) => {
                    *later += found.delay(self.draws, by, stream, now.as_nanos());
                }
                _ => {}
            }
        }
        let machine = &self.machines[place.node.index()];
        if machine.is_slow() {
            let (_, later) = disturbed.get_or_insert((None, SimDuration::ZERO));
            *later += machine.cpu_time(SERVICE);
        }
        disturbed
    }

    /// How faults bound what a server does about requests: how much later, how many of a million answers are good, and
    /// whether there are any.
    pub(super) fn work_disturbed(&self, place: Place, port: u16, now: SimTime) -> (SimDuration, i64, bool) {
        let (mut later, mut good, mut hangs) = (SimDuration::ZERO, 1_000_000, false);
        for (found, instance) in self.striking_in(place) {
            match &found.kind {
                FaultKind::ProcessHang => hangs = true,
                FaultKind::Deadlock(deadlock) => hangs |= is_locked(deadlock, instance),
                FaultKind::ChildDeath => good = 0,
                FaultKind::DescriptorLeak(leak) => hangs |= found.is_exhausted(leak, instance, now),
                FaultKind::GcPause(pause) => {
                    let stream = StreamKey::from_bits(place.container.bits());
                    hangs |= !found.stopped_for(self.draws, pause, stream, now).is_zero();
                }
                FaultKind::ListenerFailure(ListenerFailure { port: at, path: None, answer, percent })
                    if at.is_none_or(|at| at == port) =>
                {
                    hangs |= *answer == ListenAnswer::Hang && percent.is_none();
                    good -= good * i64::from(percent.unwrap_or(100).min(100)) / 100;
                }
                FaultKind::ListenerDelay(ListenerDelay { by }) => later += by.median().unwrap_or_default(),
                _ => {}
            }
        }
        (later, good, hangs)
    }

    /// Where the names lead that a pod's programs ask for, if not where they should.
    pub(super) fn wrong_names(&self, node: NodeIndex, key: PodKey) -> Option<Ipv4Addr> {
        self.striking(node, key).find_map(|(found, _)| match &found.kind {
            FaultKind::DnsWrong(DnsWrong { address }) => Some(*address),
            _ => None,
        })
    }

    /// Whether a pod's programs find no names.
    pub(super) fn without_names(&self, node: NodeIndex, key: PodKey) -> bool {
        self.striking(node, key).any(|(found, _)| matches!(found.kind, FaultKind::DnsFailure))
    }

    /// Where in a container volumes are that take no writes.
    pub(super) fn frozen_mounts(&self, place: Place) -> Vec<String> {
        let of_fault = |(found, instance): (&Disturbance, &Instance)| {
            let FaultKind::ReadOnlyVolume(ReadOnlyVolume { volumes }) = &found.kind else { return Vec::new() };
            let record = &self.machines[place.node.index()].pods[&place.key];
            let mounts = record.pod.spec.container(instance.status.name).map(|container| &container.volume_mounts);
            let frozen = mounts.into_iter().flatten().filter(|mount| volumes.matches(&mount.name));
            frozen.map(|mount| absolute("/", &mount.mount_path)).collect()
        };
        self.striking_in(place).flat_map(of_fault).collect()
    }

    /// Whether a pod gets nothing from others.
    pub(super) fn without_traffic(&self, node: NodeIndex, key: PodKey) -> bool {
        self.striking(node, key).any(|(found, _)| matches!(found.kind, FaultKind::TrafficDenied))
    }

    /// Whether nothing gets from one machine's pods to another's.
    pub(super) fn is_cut_off(&self, from: NodeIndex, to: NodeIndex) -> bool {
        from != to && (self.cut_off.contains(&from) || self.cut_off.contains(&to))
    }

    /// A machine is cut off from the others' pods, or no longer.
    pub fn cut_off(&mut self, node: NodeIndex, cut: bool, out: &mut Outbox<Message>) {
        if cut {
            self.cut_off.insert(node);
        } else {
            self.cut_off.remove(&node);
        }
        self.traffic_changes(out);
    }

    /// Everything on a machine takes so many times as long; what is under way when it becomes faster is soon done.
    pub fn slow_down(&mut self, node: NodeIndex, factor: u32, out: &mut Outbox<Message>) {
        let machine = &mut self.machines[node.index()];
        let before = std::mem::replace(&mut machine.slow, factor);
        for key in machine.pods.keys() {
            machine.publish(*key, out);
        }
        if factor < before {
            let waiting = machine.calls.iter().filter(|(_, call)| !matches!(call, CriCall::PullImage { .. }));
            let mut ids: Vec<u32> = waiting.map(|(id, _)| *id).collect();
            ids.sort_unstable();
            for id in ids {
                out.after(CATCHES_UP, Message::Runtime(node, RuntimeMessage::StepDone { id }));
            }
        }
        self.traffic_changes(out);
    }

    /// No sandbox can be made on a machine, for want of a network, or again.
    pub fn without_network(&mut self, node: NodeIndex, without: bool) {
        self.machines[node.index()].without_network = without;
    }

    /// So much is left of what a machine has.
    pub fn press(&mut self, node: NodeIndex, id: u32, pressure: &NodePressure) {
        let machine = &mut self.machines[node.index()];
        let available =
            |amount: &Option<crate::api::Amount>| amount.as_ref().map(|left| super::Load::Available(left.value()));
        machine.uses = true;
        machine.shortages.push((
            id,
            super::LoadStep {
                memory: available(&pressure.memory),
                nodefs: available(&pressure.nodefs),
                imagefs: available(&pressure.imagefs),
                nodefs_inodes_free: pressure.inodes,
                pids: pressure.pids,
                ..super::LoadStep::default()
            },
        ));
    }

    /// A machine has what it had again.
    pub fn unpress(&mut self, node: NodeIndex, id: u32) {
        self.machines[node.index()].shortages.retain(|(of, _)| *of != id);
    }

    /// The images of a pattern go from a machine, but for those that containers on it use.
    pub fn lose_images(&mut self, node: NodeIndex, pattern: &super::Glob) {
        let machine = &self.machines[node.index()];
        let used: Vec<Name> =
            machine.pods.values().flat_map(PodRecord::instances).map(|instance| instance.config.image).collect();
        let named = self.world.images.iter().map(|image| Name::new(image.name.as_str()));
        let wanted = machine.pods.values().flat_map(|record| record.pod.spec.containers.iter()).map(|c| c.image);
        let mut known: Vec<Name> = named.filter(|name| !name.contains(['*', '?', '['])).chain(wanted).collect();
        known.extend(machine.images.pulled());
        known.sort_unstable();
        known.dedup();
        for image in known.into_iter().filter(|image| pattern.matches(image) && !used.contains(image)) {
            self.machines[node.index()].images.remove(image);
        }
    }

    /// A machine's disk is empty: nothing is left of its pods and images.
    pub fn wipe(&mut self, node: NodeIndex, out: &mut Outbox<Message>) {
        let machine = &mut self.machines[node.index()];
        let gone: Vec<PodKey> = machine.pods.keys().copied().collect();
        for (_, record) in std::mem::take(&mut machine.pods) {
            if let Some(address) = record.address() {
                self.addresses.remove(&address);
            }
        }
        machine.images.forget();
        self.forget_host(node);
        for key in gone {
            out.now(Message::RuntimeForgot { node, key });
        }
        let pattern = super::Glob::any();
        self.lose_images(node, &pattern);
    }
}

impl Instance {
    /// What its environment says of a name.
    fn env(&self, name: &str) -> Option<&str> {
        self.config.env.get(name).map(|says| &**says)
    }
}

/// Whether a process has served so many requests that it serves no more.
fn is_locked(deadlock: &Deadlock, instance: &Instance) -> bool {
    instance.served() >= u64::from(deadlock.requests)
}

/// How a kubelet's mount of a volume is disturbed: why it fails, and how much longer it takes.
pub fn mount_disturbed(
    disturbances: &[Disturbance],
    draws: Draws,
    (node, pod): (Name, &Pod),
    volume: Name,
    ordinal: u64,
) -> (Option<Text>, SimDuration) {
    let mut error = None;
    let mut later = SimDuration::ZERO;
    for found in disturbances.iter().filter(|found| found.strikes(draws, node, pod)) {
        match &found.kind {
            FaultKind::MountFailure(MountFailure { volumes, error: text }) if volumes.matches(&volume) => {
                error = Some(text.clone());
            }
            FaultKind::MountDelay(MountDelay { volumes, by }) if volumes.matches(&volume) => {
                let stream = StreamKey::new(&pod.meta.namespace).part(&pod.meta.name).part(&volume);
                later += found.delay(draws, by, stream, ordinal);
            }
            _ => {}
        }
    }
    (error, later)
}
