//! What nodes say of themselves when they are asked: the logs of containers, and what is used.

use super::Simulation;
use crate::api::{ApiObject, PodMetrics};
use crate::components::cri::PodKey;
use crate::components::message::NodeIndex;
use crate::components::runtime::LogLine;
use std::net::Ipv4Addr;

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

    /// What pods used when the metrics server last asked their kubelets: `PodMetrics`, as its API serves them.
    pub fn pod_metrics(&self) -> Vec<PodMetrics> {
        self.cluster().every_pod_metrics(self.now())
    }

    /// The memory that a node uses, that of the system included, in bytes; `None` if it does not answer.
    pub fn node_memory(&self, node: &str) -> Option<i64> {
        let index = self.machine(node)?;
        let (kubelet, runtimes) = (&self.cluster().kubelets()[index.index()], self.cluster().runtimes());
        let answers = kubelet.is_up() && runtimes.machine(index).is_powered();
        answers.then(|| runtimes.stats(self.now(), index).memory).map(|memory| memory.capacity - memory.available)
    }
}
