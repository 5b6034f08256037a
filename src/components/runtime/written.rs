//! What played scripts write: it takes room in the container's layer, in its log and in the pod's volumes, which is
//! memory where the volume is.
//!
//! Models say what they use (`usage` of a process); of a script it is counted. Nobody is told of each byte: a kubelet
//! looks when a pod may have more than it is allowed, or a good deal was written.

use super::Runtimes;
use super::machine::{Instance, PodRecord};
use super::program::Place;
use crate::api::{EPHEMERAL_STORAGE, Name, VolumeSource, requests};
use crate::components::cri::{PodKey, VolumeKey};
use crate::components::message::{Message, NodeIndex};
use crate::engine::{Outbox, SimTime};

/// So many bytes more are worth a look: the limits of a node are far coarser.
const NOTICEABLE: i64 = 64 << 20;

/// What a container has written.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    /// Bytes that its layer holds beyond the image.
    pub(super) layer: i64,
    /// Files and directories likewise.
    pub(super) inodes: i64,
    /// Bytes in volumes that are memory.
    pub(super) memory: i64,
    /// How often its files had changed when this was counted.
    counted: u64,
}

/// What lies in a pod's own volumes, and what its kubelet was told of.
#[derive(Debug, Clone, Default)]
pub(super) struct WrittenVolumes {
    /// Bytes by volume.
    pub(super) bytes: Vec<(Name, i64)>,
    /// Whether they are removed: the pod has ended.
    pub(super) are_removed: bool,
    /// All bytes of the pod when its kubelet was told last, and whether they were too many.
    told: (i64, bool),
}

impl Runtimes {
    /// The kubelet has removed what a pod had in volumes of its own.
    pub fn volumes_removed(&mut self, node: NodeIndex, pod: PodKey) {
        if let Some(record) = self.machines[node.index()].pods.get_mut(&pod) {
            record.written.bytes.clear();
            record.written.are_removed = true;
        }
    }

    /// A script has had its turn: counts what it has written since, and has the kubelet look if that may matter.
    pub(super) fn count_written(&mut self, now: SimTime, place: Place, out: &mut Outbox<Message>) {
        let Place { node, key, container } = place;
        let Some(record) = self.machines[node.index()].pods.get(&key) else { return };
        let Some(instance) = record.instance(container) else { return };
        let (changes, counted) = (instance.files.changes(), instance.written.counted);
        if changes != counted {
            let sizes = self.volume_sizes(node, key, instance);
            self.count_files(now, place, sizes, out);
        }
        self.tell_of_written(node, key, out);
    }

    /// Bytes in the pod's own volumes that a container has.
    fn volume_sizes(&self, node: NodeIndex, key: PodKey, instance: &Instance) -> Vec<(Name, i64)> {
        let of = |name: Name| {
            let id = self.volume_ids.get(&(Some(node), VolumeKey::Pod { pod: key, name }))?;
            let size = self.volumes.get(*id)?.size();
            Some((name, i64::try_from(size).unwrap_or(i64::MAX)))
        };
        let own =
            instance.config.mounts.iter().filter(|mount| !mount.read_only).filter_map(|mount| match mount.volume {
                VolumeKey::Pod { name, .. } => Some(name),
                VolumeKey::Host(_) | VolumeKey::Claim { .. } => None,
            });
        own.filter_map(of).collect()
    }

    fn count_files(&mut self, now: SimTime, place: Place, sizes: Vec<(Name, i64)>, out: &mut Outbox<Message>) {
        let Place { node, key, container } = place;
        let Some(record) = self.machines[node.index()].pods.get_mut(&key) else { return };
        let mut more_memory = 0;
        let memory: Vec<Name> = record.pod.spec.memory_volumes().collect();
        for (name, size) in sizes {
            let volumes = &mut record.written.bytes;
            let before = match volumes.iter_mut().find(|(have, _)| *have == name) {
                Some((_, bytes)) => std::mem::replace(bytes, size),
                None => {
                    volumes.push((name, size));
                    0
                }
            };
            if memory.contains(&name) {
                more_memory += size - before;
            }
        }
        let Some(instance) = record.instance_mut(container) else { return };
        let (bytes, inodes) = instance.files.written();
        let memory = (instance.written.memory + more_memory).max(0);
        instance.written = Written { layer: bytes, inodes, memory, counted: instance.files.changes() };
        if more_memory != 0 {
            self.watch_limits(now, node, key, out);
        }
    }

    fn tell_of_written(&mut self, node: NodeIndex, key: PodKey, out: &mut Outbox<Message>) {
        let machine = &mut self.machines[node.index()];
        let Some(record) = machine.pods.get_mut(&key) else { return };
        let (bytes, before) = (record.written_bytes(), record.written.told);
        let told = (bytes, record.has_too_much(bytes));
        let is_worth_it = told.1 && !before.1 || (bytes - before.0).abs() >= NOTICEABLE;
        record.written.told = if is_worth_it { told } else { (before.0, told.1) };
        if is_worth_it {
            machine.uses = true;
            out.now(Message::UsageChanged(node));
        }
    }
}

impl PodRecord {
    /// All that its scripts have written and that is still there.
    fn written_bytes(&self) -> i64 {
        let containers = self.instances().map(|instance| instance.written.layer + instance.log.on_disk());
        containers.chain(self.written.bytes.iter().map(|(_, bytes)| *bytes)).fold(0, i64::saturating_add)
    }

    /// Whether that may be more than it is allowed to have: what it is exactly, its kubelet knows.
    fn has_too_much(&self, bytes: i64) -> bool {
        let spec = &self.pod.spec;
        let volume = |(name, bytes): &(Name, i64)| {
            let volume = spec.volumes.iter().find(|volume| volume.name == *name);
            let limit = volume.map(|volume| &volume.source);
            matches!(limit, Some(VolumeSource::EmptyDir { size_limit: Some(limit), .. }) if bytes > limit)
        };
        let container = |instance: &Instance| {
            let limit = spec.container(instance.status.name).and_then(|found| found.limits.get(*EPHEMERAL_STORAGE));
            limit.is_some_and(|limit| instance.written.layer + instance.log.on_disk() > limit)
        };
        self.written.bytes.iter().any(volume)
            || self.instances().any(container)
            || requests::limits(spec).get(*EPHEMERAL_STORAGE).is_some_and(|limit| bytes > limit)
    }
}
