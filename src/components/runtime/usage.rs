//! What machines and containers use: memory, disk, inodes, processes, by the scripts that say so.

use super::disturbance::{Excess, LOOK};
use super::machine::{Instance, Machine, PodRecord};
use super::{Process, Runtimes, UsageStep};
use crate::api::{MEMORY, Name};
use crate::components::cri::{ContainerMount, InstanceState, PodKey, VolumeKey};
use crate::components::message::NodeIndex;
use crate::components::stats::{ContainerStats, FileSystemStats, ImageStats, NodeStats, PodStats, Supply};
use crate::engine::{SimDuration, SimTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const MEBI: i64 = 1 << 20;
const GIBI: i64 = 1 << 30;

/// What a machine uses beside its pods, and how its disks are laid out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MachineLoad {
    /// Changes over time; keys left out keep their value.
    pub steps: Vec<LoadStep>,
    /// Whether images and writable layers have a file system of their own.
    pub separate_imagefs: bool,
}

/// What a machine uses from a moment on. `available` is what is left whatever the pods do; `system` is what everything
/// but the pods takes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoadStep {
    /// Since the start of the run.
    pub from: SimDuration,
    /// Bytes of memory.
    pub memory: Option<Load>,
    /// Bytes of the node's file system.
    pub nodefs: Option<Load>,
    /// Bytes of the images' file system.
    pub imagefs: Option<Load>,
    /// Free inodes of the node's file system.
    pub nodefs_inodes_free: Option<i64>,
    /// Free inodes of the images' file system.
    pub imagefs_inodes_free: Option<i64>,
    /// Processes outside of pods.
    pub pids: Option<i64>,
}

/// How a resource is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Load {
    /// So much is left.
    Available(i64),
    /// So much is taken by others than pods.
    System(i64),
}

impl Load {
    fn available(self, capacity: i64, pods: i64) -> i64 {
        match self {
            Self::Available(available) => available,
            Self::System(system) => (capacity - system - pods).max(0),
        }
    }
}

impl MachineLoad {
    /// Bytes of each file system.
    const DISK: i64 = 100 * GIBI;
    /// Inodes of each file system.
    const INODES: i64 = 6_000_000;
    /// What the system takes of memory, if nothing is said.
    pub(super) const MEMORY: Load = Load::System(400 * MEBI);
    /// Process identities.
    const PIDS: i64 = 32_768;

    /// The newest value of a key.
    pub(super) fn at<T: Copy>(&self, now: SimTime, key: impl Fn(&LoadStep) -> Option<T>) -> Option<T> {
        let due = |step: &&LoadStep| SimTime::ZERO + step.from <= now;
        self.steps.iter().filter(due).filter_map(key).next_back()
    }
}

/// What a process uses at an age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) memory: i64,
    pub(super) writable: i64,
    writable_inodes: i64,
    pub(super) logs: i64,
    pub(super) pids: i64,
    volumes: Vec<(Name, i64)>,
}

impl Usage {
    fn of(process: Option<&Arc<Process>>, age: SimDuration) -> Self {
        let mut usage =
            Self { memory: MEBI, writable: 4 << 10, writable_inodes: 1, logs: 0, pids: 1, volumes: Vec::new() };
        for step in process.iter().flat_map(|process| &process.usage).filter(|step| step.from <= age) {
            usage.take(step);
        }
        usage
    }

    /// Adds bytes to a volume.
    pub(super) fn write_to(&mut self, volume: Name, bytes: i64) {
        match self.volumes.iter_mut().find(|(have, _)| *have == volume) {
            Some((_, have)) => *have = have.saturating_add(bytes),
            None => self.volumes.push((volume, bytes)),
        }
    }

    fn take(&mut self, step: &UsageStep) {
        let set = |value: &mut i64, new: Option<i64>| *value = new.unwrap_or(*value);
        set(&mut self.memory, step.memory);
        set(&mut self.writable, step.writable);
        set(&mut self.writable_inodes, step.writable_inodes);
        set(&mut self.logs, step.logs);
        set(&mut self.pids, step.pids);
        for &(name, bytes) in &step.volumes {
            match self.volumes.iter_mut().find(|(have, _)| *have == name) {
                Some((_, have)) => *have = bytes,
                None => self.volumes.push((name, bytes)),
            }
        }
    }
}

impl Instance {
    fn usage(&self, now: SimTime) -> Usage {
        let status = &self.status;
        let (since, model) =
            self.model.as_ref().map_or((status.started_at, None), |(since, model)| (*since, Some(model)));
        let age = match status.state {
            InstanceState::Running => now.since(since),
            InstanceState::Exited => status.finished_at.since(since),
            InstanceState::Created | InstanceState::Unknown => SimDuration::ZERO,
        };
        let mut usage = Usage::of(model, age);
        for program in self.other_programs() {
            let more = Usage::of(Some(&program.model), now.since(program.since));
            usage.memory += more.memory;
            usage.pids += more.pids;
        }
        usage.memory += self.serving.as_ref().map_or(0, |serving| serving.memory);
        for excess in &self.excess {
            excess.add_to(now, &mut usage);
        }
        for (name, bytes) in &mut usage.volumes {
            *bytes = self.room(*name).map_or(*bytes, |room| room.min(*bytes));
        }
        usage.writable = usage.writable.saturating_add(self.written.layer);
        usage.writable_inodes = usage.writable_inodes.saturating_add(self.written.inodes);
        usage.logs = usage.logs.saturating_add(self.log.on_disk());
        // What lies in memory is the memory of whoever wrote it.
        let in_memory = |name: &Name| self.config.memory_volumes.contains(name);
        usage.memory += usage.volumes.iter().filter(|(name, _)| in_memory(name)).map(|(_, bytes)| bytes).sum::<i64>();
        usage.memory = usage.memory.saturating_add(self.written.memory);
        usage
    }

    /// Bytes of memory that its processes use.
    pub(super) fn memory(&self, now: SimTime) -> i64 {
        self.usage(now).memory
    }

    /// The moments at which its processes begin to use something else, those that are past included.
    pub(super) fn usage_steps(&self) -> impl Iterator<Item = SimTime> + '_ {
        self.models().flat_map(|(since, model)| model.usage.iter().map(move |step| since + step.from))
    }

    /// The models of its processes, and since when they are played.
    fn models(&self) -> impl Iterator<Item = (SimTime, &Arc<Process>)> {
        let main = self.model.iter().map(|(since, model)| (*since, model));
        main.chain(self.other_programs().map(|program| (program.since, &program.model)))
    }

    /// So many bytes are all that a volume takes, if it is in memory.
    fn room(&self, volume: Name) -> Option<i64> {
        let is = |mount: &&ContainerMount| matches!(mount.volume, VolumeKey::Pod { name, .. } if name == volume);
        let room = self.config.mounts.iter().find(is)?.room?;
        Some(i64::try_from(room).unwrap_or(i64::MAX))
    }

    /// Bytes of memory by which it grows in a minute.
    pub(super) fn leak(&self, now: SimTime) -> i64 {
        let leaks = self.excess.iter().map(|excess| (excess.leak(), excess.fills()));
        let counts = |volume: Name| {
            let is_full = || {
                let usage = self.usage(now);
                let written = usage.volumes.iter().find(|(name, _)| *name == volume).map_or(0, |(_, bytes)| *bytes);
                self.room(volume).is_some_and(|room| written >= room)
            };
            self.config.memory_volumes.contains(&volume) && !is_full()
        };
        leaks.filter(|(_, fills)| fills.is_none_or(counts)).map(|(leak, _)| leak).sum()
    }

    fn changes_at(&self, now: SimTime) -> Option<SimTime> {
        let moves = self.serving.as_ref().is_some_and(|serving| serving.memory > 0);
        let grows = (moves || self.excess.iter().any(Excess::grows)).then_some(now + LOOK);
        let steps = |since: SimTime, model: &Arc<Process>| {
            model.usage.iter().map(|step| since + step.from).filter(|at| *at > now).min()
        };
        let main = self.model.as_ref().filter(|_| self.status.state == InstanceState::Running);
        let main = main.and_then(|(since, model)| steps(*since, model));
        let others = self.programs.iter().filter_map(|program| steps(program.since, &program.model));
        others.chain(main).chain(grows).min()
    }
}

/// Sums over everything that runs, or lies, on a machine.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    memory: i64,
    layers: i64,
    logs: i64,
    volumes: i64,
    pids: i64,
}

/// What a container used over a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerUse {
    /// Which.
    pub name: Name,
    /// Billionths of a CPU, on average.
    pub nano_cpu: i64,
    /// Bytes of memory at the end.
    pub memory: i64,
}

/// What a pod used over a while, as metrics-server tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodUse {
    /// Which rule of the world it follows.
    pub rule: Option<usize>,
    /// Its containers.
    pub containers: Vec<ContainerUse>,
    /// Since when.
    pub since: SimTime,
}

/// The mean of a step function over a while, times a million.
fn mean(steps: impl Iterator<Item = (SimTime, i64)>, since: SimTime, until: SimTime) -> i64 {
    let (mut value, mut from, mut sum) = (0, since, 0i128);
    let mut steps: Vec<_> = steps.filter(|(at, _)| *at < until).collect();
    steps.sort_by_key(|(at, _)| *at);
    for (at, next) in steps {
        let at = at.max(since);
        sum += i128::from(value) * i128::from(at.since(from).as_nanos());
        (value, from) = (next, at);
    }
    sum += i128::from(value) * i128::from(until.since(from).as_nanos());
    (sum * 1_000_000 / i128::from(until.since(since).as_nanos().max(1))) as i64
}

impl Instance {
    /// Thousandths of a CPU that each of its processes uses by itself, from each moment on.
    pub(super) fn cpu_steps(&self) -> impl Iterator<Item = impl Iterator<Item = (SimTime, i64)>> {
        self.models()
            .map(|(since, model)| model.usage.iter().filter_map(move |step| Some((since + step.from, step.milli_cpu?))))
    }
}

impl Machine {
    /// What a fault leaves of something.
    pub(super) fn short_of<T>(&self, key: impl Fn(&LoadStep) -> Option<T>) -> Option<T> {
        self.shortages.iter().rev().find_map(|(_, step)| key(step))
    }

    fn total(&self, now: SimTime) -> Total {
        let mut total = Total::default();
        for record in self.pods.values() {
            for instance in record.instances() {
                let usage = instance.usage(now);
                total.layers += usage.writable;
                total.logs += usage.logs;
                if instance.status.state == InstanceState::Running {
                    total.memory += usage.memory;
                    total.pids += usage.pids;
                }
            }
            let volumes = record.volumes(now);
            let on_disk =
                volumes.iter().filter(|(name, _)| record.pod.spec.memory_volumes().all(|other| other != *name));
            total.volumes += on_disk.map(|(_, bytes)| bytes).sum::<i64>();
        }
        total
    }
}

impl PodRecord {
    /// Bytes in the pod's volumes: what any of its containers says last, and what scripts have written.
    fn volumes(&self, now: SimTime) -> Vec<(Name, i64)> {
        let mut volumes: Vec<(Name, i64)> = Vec::new();
        if self.written.are_removed {
            return volumes;
        }
        for instance in self.instances() {
            for (name, bytes) in instance.usage(now).volumes {
                match volumes.iter_mut().find(|(have, _)| *have == name) {
                    Some((_, have)) => *have = bytes.max(*have),
                    None => volumes.push((name, bytes)),
                }
            }
        }
        for (name, bytes) in &self.written.bytes {
            match volumes.iter_mut().find(|(have, _)| have == name) {
                Some((_, have)) => *have = have.saturating_add(*bytes),
                None => volumes.push((*name, *bytes)),
            }
        }
        volumes
    }

    fn stats(&self, now: SimTime) -> Option<PodStats> {
        self.instances().find(|instance| instance.status.state == InstanceState::Running)?;
        let container = |instance: &Instance| {
            let usage = instance.usage(now);
            let runs = i64::from(instance.status.state == InstanceState::Running);
            ContainerStats {
                name: instance.status.name,
                memory: usage.memory * runs,
                writable: usage.writable,
                writable_inodes: usage.writable_inodes,
                logs: usage.logs,
                pids: usage.pids * runs,
            }
        };
        let mut containers: Vec<ContainerStats> = Vec::new();
        for instance in self.instances() {
            if !containers.iter().any(|have| have.name == instance.status.name) {
                containers.push(container(instance));
            }
        }
        Some(PodStats { key: self.key(), containers, volumes: self.volumes(now) })
    }
}

impl Runtimes {
    /// What a pod used between two moments, as its kubelet would tell whoever asks at both; nothing of a pod with a
    /// container that had run for less than `least` by then.
    pub fn pod_use(
        &self,
        node: NodeIndex,
        key: PodKey,
        (since, until): (SimTime, SimTime),
        least: SimDuration,
    ) -> Option<PodUse> {
        let record = self.machines[node.index()].pods.get(&key)?;
        let running = record.instances().filter(|instance| instance.status.state == InstanceState::Running);
        let running: Vec<&Instance> = running.collect();
        let since = running.iter().map(|instance| instance.status.started_at).fold(since, SimTime::max);
        if running.is_empty() || since > until || until.since(since) < least {
            return None;
        }
        let container = |instance: &&Instance| ContainerUse {
            name: instance.status.name,
            nano_cpu: instance.cpu_steps().map(|steps| mean(steps, since, until)).sum::<i64>()
                + instance.serving.iter().map(|serving| mean(serving.cpu_steps(), since, until)).sum::<i64>()
                + instance.excess.iter().map(|excess| mean(excess.cpu_steps(), since, until)).sum::<i64>(),
            memory: instance.usage(until).memory,
        };
        Some(PodUse { rule: record.rule, containers: running.iter().map(container).collect(), since })
    }

    /// Bytes of memory that the containers of a pod use that run.
    pub(super) fn memory_of(&self, now: SimTime, node: NodeIndex, key: PodKey) -> Vec<(Name, i64)> {
        let instances = self.machines[node.index()].pods.get(&key).into_iter().flat_map(PodRecord::instances);
        let running = instances.filter(|instance| instance.status.state == InstanceState::Running);
        running.map(|instance| (instance.status.name, instance.memory(now))).collect()
    }

    /// CPU that the ready pods of a rule share on average between two moments, times a billion.
    pub fn demand(&self, rule: usize, (since, until): (SimTime, SimTime)) -> i64 {
        let steps = self.world.pods[rule].demand.iter();
        mean(steps.map(|step| (SimTime::ZERO + step.from, step.milli_cpu)), since, until)
    }

    /// What a node and its pods use now.
    pub fn stats(&self, now: SimTime, node: NodeIndex) -> NodeStats {
        let machine = &self.machines[node.index()];
        let load = &machine.load;
        let at = |key: fn(&LoadStep) -> Option<Load>| machine.short_of(key).or_else(|| load.at(now, key));
        let total = machine.total(now);
        let memory = machine.capacity.get(*MEMORY).unwrap_or(0);
        let disk = |used: i64, load: Load| load.available(MachineLoad::DISK, used);
        let file_system = |available: i64, inodes: Option<i64>| FileSystemStats {
            bytes: Supply { available, capacity: MachineLoad::DISK },
            inodes: Supply { available: inodes.unwrap_or(5_900_000), capacity: MachineLoad::INODES },
        };
        let images: i64 = self.images(node).iter().map(|image| image.size).sum();
        let (mut on_node, on_images) = (total.logs + total.volumes, total.layers + images);
        if !load.separate_imagefs {
            on_node += on_images;
        }
        let system = Load::System(10 * GIBI);
        let nodefs = disk(on_node, at(|step| step.nodefs).unwrap_or(system));
        let imagefs = disk(on_images, at(|step| step.imagefs).unwrap_or(system));
        let pids = machine.short_of(|step| step.pids).or_else(|| load.at(now, |step| step.pids));
        let pids = MachineLoad::PIDS - pids.unwrap_or(200) - total.pids;
        let inodes = machine.short_of(|step| step.nodefs_inodes_free);
        let inodes = inodes.or_else(|| load.at(now, |step| step.nodefs_inodes_free));
        NodeStats {
            memory: Supply {
                available: at(|step| step.memory).unwrap_or(MachineLoad::MEMORY).available(memory, total.memory),
                capacity: memory,
            },
            allocatable_memory: None,
            nodefs: file_system(nodefs, inodes),
            imagefs: load.separate_imagefs.then(|| file_system(imagefs, load.at(now, |step| step.imagefs_inodes_free))),
            pids: Supply { available: pids, capacity: MachineLoad::PIDS },
            pods: machine.pods.values().filter_map(|record| record.stats(now)).collect(),
            images: self.images(node),
            changes_at: self.changes_at(now, node),
        }
    }

    /// When the use of anything changes next by script.
    fn changes_at(&self, now: SimTime, node: NodeIndex) -> Option<SimTime> {
        let machine = &self.machines[node.index()];
        let steps = machine.load.steps.iter().map(|step| SimTime::ZERO + step.from).filter(|at| *at > now);
        let instances = machine.pods.values().flat_map(PodRecord::instances);
        steps.chain(instances.filter_map(|instance| instance.changes_at(now))).min()
    }

    /// What a machine has is looked at from now on, though nothing says that it is used: limits were set anew.
    pub fn look_closely(&mut self, node: NodeIndex) {
        self.machines[node.index()].uses = true;
    }

    /// Whether a node may run short of anything: something says what it, or a process on it, uses; or it is tiny.
    pub fn may_run_short(&self, node: NodeIndex) -> bool {
        let machine = &self.machines[node.index()];
        let small = machine.capacity.get(*MEMORY).is_some_and(|memory| memory < GIBI);
        small || !machine.load.steps.is_empty() || machine.uses
    }

    /// The images of a node whose sizes are known.
    pub fn images(&self, node: NodeIndex) -> Vec<ImageStats> {
        let machine = &self.machines[node.index()];
        let listed = self.world.images.iter().map(|rule| Name::new(rule.name.as_str()));
        let mut names: Vec<Name> = listed.filter(|name| !name.contains(['*', '?', '['])).collect();
        names.extend(machine.images.pulled());
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .filter(|name| self.image_present(node, *name))
            .map(|name| {
                let pulled_at = machine.images.pulled_at(name);
                ImageStats { name, size: self.image_size(&name), pulled_at }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_an_entry_lacks_keep_their_value() {
        let step =
            |secs, memory, pids| LoadStep { from: SimDuration::from_secs(secs), memory, pids, ..Default::default() };
        let load = MachineLoad {
            steps: vec![
                step(0, Some(Load::System(5)), None),
                step(10, None, Some(7)),
                step(20, Some(Load::Available(9)), None),
            ],
            separate_imagefs: false,
        };
        for (secs, memory, pids) in [
            (0, Some(Load::System(5)), None),
            (10, Some(Load::System(5)), Some(7)),
            (20, Some(Load::Available(9)), Some(7)),
        ] {
            let now = SimTime::from_secs(secs);
            assert_eq!((load.at(now, |step| step.memory), load.at(now, |step| step.pids)), (memory, pids), "{secs} s");
        }
    }

    #[test]
    fn means_weigh_each_step_by_its_time() {
        let steps = [(0, 100), (10, 200), (20, 0)];
        for (since, until, milli) in [(0, 10, 100), (5, 15, 150), (10, 30, 100), (20, 30, 0), (0, 40, 75)] {
            let steps = steps.iter().map(|(at, value)| (SimTime::from_secs(*at), *value));
            let mean = mean(steps, SimTime::from_secs(since), SimTime::from_secs(until));
            assert_eq!(mean, milli * 1_000_000, "{since}-{until} s");
        }
    }

    #[test]
    fn usage_follows_the_age_of_the_process() {
        let step = |secs, memory| UsageStep { from: SimDuration::from_secs(secs), memory, ..Default::default() };
        let process = Arc::new(Process { usage: vec![step(5, Some(100)), step(9, Some(200))], ..Default::default() });
        for (age, memory) in [(0, MEBI), (5, 100), (8, 100), (9, 200), (99, 200)] {
            assert_eq!(Usage::of(Some(&process), SimDuration::from_secs(age)).memory, memory, "{age} s");
        }
    }
}
