//! What nodes say of themselves when they are asked: the logs of containers, and what is used.

use super::Simulation;
use crate::api::ApiObject;
use crate::components::cri::PodKey;
use crate::components::message::NodeIndex;
use crate::components::runtime::LogLine;
use crate::components::stats::{ContainerStats, NodeStats};
use crate::engine::SimDuration;
use std::net::Ipv4Addr;

/// The metrics server has seen a container twice after this (`--metric-resolution`).
const MEASURED_AFTER: SimDuration = SimDuration::from_secs(15);

/// Why a node does not answer, with its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silent {
    /// It has no power.
    NoPower(Ipv4Addr),
    /// Its kubelet does not run.
    NoKubelet(Ipv4Addr),
}

impl Simulation {
    fn machine(&self, node: &str) -> Option<NodeIndex> {
        let kubelets = self.cluster().kubelets();
        let place = kubelets.iter().position(|kubelet| kubelet.name() == node)?;
        u16::try_from(place).ok().map(NodeIndex)
    }

    /// The log of an instance of a container, by its identity as a status shows it (`containerd://…`); `None` if the
    /// node does not have it any more.
    ///
    /// # Errors
    /// If the node does not answer.
    pub fn container_log(
        &self,
        node: &str,
        namespace: &str,
        pod: &str,
        instance: &str,
    ) -> Result<Option<Vec<LogLine>>, Silent> {
        let Some(index) = self.machine(node) else { return Ok(None) };
        let runtimes = self.cluster().runtimes();
        let machine = runtimes.machine(index);
        if !machine.is_powered() {
            return Err(Silent::NoPower(machine.address()));
        }
        if !self.cluster().kubelets()[index.index()].is_up() {
            return Err(Silent::NoKubelet(machine.address()));
        }
        let Some(pod) = self.pod(namespace, pod) else { return Ok(None) };
        let snapshots = machine.snapshots();
        let of_pod = snapshots.iter().filter(|runtime| runtime.key == PodKey::of(ApiObject::id(&**pod)));
        let container = of_pod
            .flat_map(|runtime| runtime.containers.iter().map(|container| (runtime.key, container.id)))
            .find(|(_, id)| format!("containerd://{id}") == instance);
        Ok(container.and_then(|(key, id)| runtimes.log(self.now(), index, key, id)))
    }

    /// What the containers of a pod use, of those that run long enough to have been measured; `None` for a pod without
    /// any.
    pub fn measured_pod(&self, namespace: &str, pod: &str) -> Option<Vec<ContainerStats>> {
        let pod = self.pod(namespace, pod)?;
        let index = self.machine(&pod.node_name)?;
        let key = PodKey::of(ApiObject::id(&**pod));
        let stats = self.answering_stats(index)?.pods.into_iter().find(|stats| stats.key == key)?;
        let now = self.now();
        let runs = |one: &ContainerStats| {
            let status =
                pod.status.containers.iter().chain(&pod.status.init_containers).find(|status| status.name == one.name);
            status.is_some_and(|status| status.state.is_running()) && now.since(one.since) >= MEASURED_AFTER
        };
        let measured: Vec<ContainerStats> = stats.containers.into_iter().filter(runs).collect();
        (!measured.is_empty()).then_some(measured)
    }

    /// What a node uses: thousandths of a CPU, those of its pods; bytes of memory, those of the system included.
    pub fn measured_node(&self, node: &str) -> Option<(i64, i64)> {
        let stats = self.answering_stats(self.machine(node)?)?;
        let containers = stats.pods.iter().flat_map(|pod| &pod.containers);
        Some((containers.map(|one| one.milli_cpu).sum(), stats.memory.capacity - stats.memory.available))
    }

    fn answering_stats(&self, index: NodeIndex) -> Option<NodeStats> {
        let up = self.cluster().kubelets()[index.index()].is_up();
        let runtimes = self.cluster().runtimes();
        (up && runtimes.machine(index).is_powered()).then(|| runtimes.stats(self.now(), index))
    }
}
