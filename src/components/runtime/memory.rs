//! A machine without memory: the kernel kills the container that has the highest score, until what is left suffices.
//!
//! Follows Linux 6 (`mm/oom_kill.c`: `oom_badness`, `oom_kill_process`) with cgroup v2, as a kubelet sets it up: the
//! score is what a process uses plus its `oom_score_adj` thousandths of the machine's memory, and `memory.oom.group`
//! makes the whole container go. containerd sees `oom_kill` counted in the container's own cgroup, so the container
//! ends with `OOMKilled` as if it had exceeded its limit. What is left of memory by script (`Load::Available`) is left
//! whatever pods use, so nothing is killed for it.

use super::machine::{Instance, Machine};
use super::usage::Load;
use super::{Exit, MachineLoad, OOM_KILLED, RuntimeMessage, Runtimes, Unruled};
use crate::api::{ContainerId, MEMORY};
use crate::components::cri::{InstanceState, PodKey};
use crate::components::message::{Message, NodeIndex};
use crate::engine::{Outbox, Purpose, SimDuration, SimTime, StreamKey};

const PID: Purpose = Purpose::new("process identity");
/// From the allocation that fails to the end of whoever is killed for it.
pub(super) const KILL: SimDuration = SimDuration::from_millis(100);
/// The kernel keeps so much of a program's name (`TASK_COMM_LEN`).
const NAME_LENGTH: usize = 15;

impl Runtimes {
    /// Something about the memory of a machine changed: plans the moment at which there is none left, if one comes.
    pub fn watch_memory(&mut self, now: SimTime, node: NodeIndex, out: &mut Outbox<Message>) {
        if self.world.unruled != Unruled::Played {
            return; // A recorded world says itself what ends.
        }
        let machine = &mut self.machines[node.index()];
        let due = machine.exhausted_at(now).map(|at| at + KILL);
        if machine.out_of_memory == due {
            return;
        }
        machine.out_of_memory = due;
        if let Some(due) = due {
            out.after(due.since(now), Message::Runtime(node, RuntimeMessage::OutOfMemory { due }));
        }
    }

    /// A machine has no memory left, unless somebody gave some back meanwhile.
    pub(super) fn out_of_memory(&mut self, now: SimTime, node: NodeIndex, due: SimTime, out: &mut Outbox<Message>) {
        let machine = &mut self.machines[node.index()];
        if machine.out_of_memory != Some(due) {
            return;
        }
        machine.out_of_memory = None;
        if machine.lacks_memory(now) {
            self.kill_worst(now, node, out);
        }
        self.watch_memory(now, node, out);
    }

    /// The kernel kills the container that has the highest score, and says so in its log; whether there was one.
    pub fn kill_worst(&mut self, now: SimTime, node: NodeIndex, out: &mut Outbox<Message>) -> bool {
        let Some((key, container, process)) = self.machines[node.index()].worst(now) else { return false };
        let pid = self.draws.draw(PID, StreamKey::from_bits(container.bits()), 0).below(30_000) as u32 + 2_000;
        out.now(Message::system_oom(node, &process, pid));
        let exit = Exit { code: 137, reason: *OOM_KILLED, ..Exit::default() };
        self.machines[node.index()].process_ends(now, key, container, &exit, out);
        true
    }
}

impl Machine {
    fn running(&self) -> impl Iterator<Item = (PodKey, &Instance)> {
        let instances = self.pods.values().flat_map(|record| record.instances().map(|one| (record.key(), one)));
        instances.filter(|(_, instance)| instance.status.state == InstanceState::Running)
    }

    /// Bytes that everything on the machine wants; none if what is left is said by script.
    fn wanted(&self, now: SimTime) -> Option<i64> {
        let system = match self.memory_load(now) {
            Load::System(system) => system,
            Load::Available(_) => return None,
        };
        Some(self.running().map(|(_, instance)| instance.memory(now)).fold(system, i64::saturating_add))
    }

    fn lacks_memory(&self, now: SimTime) -> bool {
        let capacity = self.capacity.memory();
        capacity > 0 && self.wanted(now).is_some_and(|wanted| wanted > capacity)
    }

    /// When more memory is wanted than there is, if nothing else happens.
    fn exhausted_at(&self, now: SimTime) -> Option<SimTime> {
        if self.capacity.memory() <= 0 || !self.uses && self.load.steps.is_empty() && self.shortages.is_empty() {
            return None;
        }
        let machine = self.load.steps.iter().map(|step| SimTime::ZERO + step.from);
        let processes = self.running().flat_map(|(_, instance)| instance.usage_steps());
        let steps = machine.chain(processes).filter(|at| *at > now).collect();
        let growth = self.running().map(|(_, instance)| instance.leak(now)).fold(0, i64::saturating_add);
        exceeded_at(now, self.capacity.memory(), steps, growth, |at| self.wanted(at))
    }

    /// Whose process the kernel would kill, and the process's name.
    fn worst(&self, now: SimTime) -> Option<(PodKey, ContainerId, String)> {
        let capacity = self.capacity.get(*MEMORY).unwrap_or(0);
        let mut worst: Option<(i128, PodKey, &Instance)> = None;
        for (key, instance) in self.running().filter(|(_, instance)| instance.config.oom_score_adj > -1_000) {
            let points = score(instance, now, capacity);
            if worst.is_none_or(|(most, ..)| points > most) {
                worst = Some((points, key, instance));
            }
        }
        worst.map(|(_, key, instance)| (key, instance.status.id, process_name(instance)))
    }

    fn memory_load(&self, now: SimTime) -> Load {
        let load = self.short_of(|step| step.memory).or_else(|| self.load.at(now, |step| step.memory));
        load.unwrap_or(MachineLoad::MEMORY)
    }
}

/// How much a container asks to be killed, by what it uses of all that there is (`oom_badness`).
pub(super) fn score(instance: &Instance, now: SimTime, all: i64) -> i128 {
    i128::from(instance.memory(now)) + i128::from(instance.config.oom_score_adj) * i128::from(all) / 1_000
}

/// When more is used than there is, if nothing else happens: at one of the steps to come, or between two of them while
/// it grows by so many bytes a minute.
pub(super) fn exceeded_at(
    now: SimTime,
    most: i64,
    mut steps: Vec<SimTime>,
    growth: i64,
    used: impl Fn(SimTime) -> Option<i64>,
) -> Option<SimTime> {
    let exceeded = |at| used(at).is_some_and(|used| used > most);
    let full = |from| {
        let left = most - used(from)?;
        (growth > 0).then_some(())?;
        let nanos = i128::from(left + 1) * 60_000_000_000 / i128::from(growth) + 1;
        Some(from + SimDuration::from_nanos(u64::try_from(nanos).ok()?))
    };
    if exceeded(now) {
        return Some(now);
    }
    steps.sort_unstable();
    steps.dedup();
    let mut from = now;
    for until in steps.into_iter().map(Some).chain([None]) {
        if let Some(at) = full(from)
            && until.is_none_or(|until| at < until)
        {
            return Some(at);
        }
        from = until?;
        if exceeded(from) {
            return Some(from);
        }
    }
    None
}

/// The name of the main process: that of its program, as far as the kernel keeps it.
fn process_name(instance: &Instance) -> String {
    let argv = instance.main_model().and_then(|program| program.argv.first());
    let said = argv.map(String::as_str).or_else(|| instance.config.command.first().map(|word| &**word));
    let of_image = || {
        let image = instance.config.image.as_str();
        let last = image.rsplit('/').next().unwrap_or(image);
        last.split([':', '@']).next().unwrap_or(last).to_owned()
    };
    let name = said.map_or_else(of_image, |path| path.rsplit('/').next().unwrap_or(path).to_owned());
    name.chars().take(NAME_LENGTH).collect()
}
