//! The memory limits of containers and pods: the kernel kills what uses more, whenever it does and whatever the limit
//! was when it began.
//!
//! Follows Linux 6 (`mm/memcontrol.c`, `mm/oom_kill.c`) with cgroup v2: a container beyond its limit goes as a whole
//! (`memory.oom.group`); of a pod beyond its own limit, the container that has the highest score goes. A limit that is
//! set below what is used kills at once (`memory_max_write`).

use super::machine::{Instance, PodRecord};
use super::memory::{KILL, exceeded_at, score};
use super::{Exit, OOM_KILLED, RuntimeMessage, Runtimes, Unruled};
use crate::api::ContainerId;
use crate::components::cri::{InstanceState, PodKey};
use crate::components::message::{Message, NodeIndex};
use crate::engine::{Outbox, SimTime};

impl Runtimes {
    /// What a pod uses changed, or what it may use: plans the moment at which a limit is exceeded, if one comes.
    pub(super) fn watch_limits(&mut self, now: SimTime, node: NodeIndex, key: PodKey, out: &mut Outbox<Message>) {
        let plays = self.world.unruled == Unruled::Played;
        let Some(record) = self.machines[node.index()].pods.get_mut(&key) else { return };
        let due = record.exceeds_limit_at(now, plays).map(|at| at + KILL);
        // What exceeds its limit already is killed when that was to be.
        let exceeded = due == Some(now + KILL);
        let stays = record.over_limit.filter(|planned| exceeded && (now..=now + KILL).contains(planned));
        if stays.is_some() || record.over_limit == due {
            return;
        }
        record.over_limit = due;
        if let Some(due) = due {
            out.after(due.since(now), Message::Runtime(node, RuntimeMessage::OverLimit { key, due }));
        }
    }

    /// A pod exceeds a limit, unless some memory was given back or the limit raised meanwhile.
    pub(super) fn over_limit(
        &mut self,
        now: SimTime,
        (node, key): (NodeIndex, PodKey),
        due: SimTime,
        out: &mut Outbox<Message>,
    ) {
        let plays = self.world.unruled == Unruled::Played;
        let machine = &mut self.machines[node.index()];
        let Some(record) = machine.pods.get_mut(&key).filter(|record| record.over_limit == Some(due)) else { return };
        record.over_limit = None;
        let exit = Exit { code: 137, reason: *OOM_KILLED, ..Exit::default() };
        for container in record.beyond_limit(now, plays) {
            machine.process_ends(now, key, container, &exit, out);
        }
        let worst = machine.pods.get(&key).and_then(|record| record.worst_beyond_limit(now, plays));
        if let Some(container) = worst {
            machine.process_ends(now, key, container, &exit, out);
        }
        self.watch_limits(now, node, key, out);
    }
}

impl PodRecord {
    /// What runs and counts: a recorded world says itself what ends, unless a fault strikes it.
    fn counted(&self, plays: bool) -> impl Iterator<Item = &Instance> {
        let counts =
            move |one: &&Instance| one.status.state == InstanceState::Running && (plays || !one.excess.is_empty());
        self.instances().filter(counts)
    }

    /// The limit of the pod as a whole.
    fn memory_limit(&self) -> Option<i64> {
        self.pod.spec.resources.as_ref().map(|(_, limits)| limits.memory()).filter(|limit| *limit > 0)
    }

    fn beyond_limit(&self, now: SimTime, plays: bool) -> Vec<ContainerId> {
        let beyond = self.counted(plays).filter(|one| one.memory_limit().is_some_and(|limit| one.memory(now) > limit));
        beyond.map(|one| one.status.id).collect()
    }

    fn worst_beyond_limit(&self, now: SimTime, plays: bool) -> Option<ContainerId> {
        let limit = self.memory_limit()?;
        (used(self.counted(plays), now) > limit).then_some(())?;
        let mut worst: Option<(i128, ContainerId)> = None;
        for one in self.counted(plays) {
            let points = score(one, now, limit);
            if worst.is_none_or(|(most, _)| points > most) {
                worst = Some((points, one.status.id));
            }
        }
        worst.map(|(_, container)| container)
    }

    fn exceeds_limit_at(&self, now: SimTime, plays: bool) -> Option<SimTime> {
        let of = |instances: Vec<&Instance>, limit: i64| {
            let steps = instances.iter().flat_map(|one| one.usage_steps()).filter(|at| *at > now).collect();
            let growth = instances.iter().map(|one| one.leak(now)).fold(0, i64::saturating_add);
            exceeded_at(now, limit, steps, growth, |at| Some(used(instances.iter().copied(), at)))
        };
        let containers = self.counted(plays).filter_map(|one| of(vec![one], one.memory_limit()?)).min();
        let pod = self.memory_limit().and_then(|limit| of(self.counted(plays).collect(), limit));
        containers.into_iter().chain(pod).min()
    }
}

impl Instance {
    fn memory_limit(&self) -> Option<i64> {
        Some(self.status.resources.1.memory()).filter(|limit| *limit > 0)
    }
}

fn used<'i>(instances: impl Iterator<Item = &'i Instance>, now: SimTime) -> i64 {
    instances.map(|one| one.memory(now)).fold(0, i64::saturating_add)
}
