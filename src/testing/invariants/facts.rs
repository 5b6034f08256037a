//! The facts of a step that laws are about, each with what was noted before it.

use super::past::{ApiPast, KubeletView, NodePast, PodPast};
use crate::api::{ContainerStatus, DeleteOptions, Node, Pod, PodSpec, PodStatus};
use crate::components::cri::{CriCall, PodKey, RuntimePod};
use crate::components::kubelet::{PodInsight, WorkerInsight};
use crate::components::message::{Client, NodeIndex};
use crate::engine::SimTime;
use crate::simulation::Cluster;

/// The API has a new version of a pod.
pub struct Version<'a> {
    pub cluster: &'a Cluster,
    /// Who wrote it; nobody if it came with the cluster.
    pub writer: Option<Client>,
    pub before: Option<&'a Pod>,
    pub pod: &'a Pod,
    pub past: &'a ApiPast,
}

/// The API has a new version of a node.
pub struct NodeVersion<'a> {
    pub now: SimTime,
    pub before: &'a Node,
    pub node: &'a Node,
    pub past: &'a NodePast,
    /// How long pressure is told of at least.
    pub hold: crate::engine::SimDuration,
}

/// A kubelet asks the API server to delete a pod, or to change its status.
pub struct Asked<'a> {
    pub now: SimTime,
    pub cluster: &'a Cluster,
    pub node: NodeIndex,
    pub what: Question<'a>,
    /// The pod as it is stored.
    pub stored: &'a Pod,
}

/// What a kubelet asks for.
pub enum Question<'a> {
    Delete(&'a DeleteOptions),
    Status(&'a Pod),
}

/// A kubelet calls its runtime for a pod.
pub struct Called<'a> {
    pub now: SimTime,
    pub call: &'a CriCall,
    pub key: PodKey,
    pub kubelet: &'a crate::components::kubelet::Kubelet,
    pub past: &'a PodPast,
    pub node: &'a NodePast,
}

/// What a kubelet has of a pod moved.
pub struct Moved<'a> {
    pub now: SimTime,
    pub kubelet: &'a crate::components::kubelet::Kubelet,
    pub before: &'a KubeletView,
    pub after: &'a KubeletView,
    pub insight: PodInsight<'a>,
    pub past: &'a PodPast,
    pub node: &'a NodePast,
}

impl<'a> Version<'a> {
    /// The earlier version and this one, if a kubelet wrote the status.
    pub fn by_kubelet(&self) -> Option<(&'a Pod, &'a Pod)> {
        matches!(self.writer, Some(Client::Kubelet(_))).then_some((self.before?, self.pod))
    }

    /// What the kubelet that wrote it has of the pod.
    pub fn insight(&self) -> Option<PodInsight<'a>> {
        let Some(Client::Kubelet(node)) = self.writer else { return None };
        self.cluster.kubelets()[node.index()].pod(PodKey::of(crate::api::ApiObject::id(self.pod)))
    }
}

impl<'a> Called<'a> {
    /// What the kubelet has of the pod.
    pub fn insight(&self) -> Option<PodInsight<'a>> {
        self.kubelet.pod(self.key)
    }

    /// The pod as the kubelet knows it.
    pub fn spec(&self) -> Option<&'a PodSpec> {
        self.insight().map(|insight| &*insight.pod().spec)
    }

    /// The pod's worker.
    pub fn worker(&self) -> Option<WorkerInsight> {
        self.insight()?.worker()
    }

    /// What the runtime has of the pod.
    pub fn runtime(&self) -> Option<&'a RuntimePod> {
        self.past.runtime.as_deref()
    }
}

impl<'a> Moved<'a> {
    /// The worker as it was and as it is.
    pub fn workers(&self) -> Option<(WorkerInsight, WorkerInsight)> {
        Some((self.before.worker?, self.after.worker?))
    }

    /// A new status, if there is one, and the one before it.
    pub fn new_status(&self) -> Option<(Option<&'a PodStatus>, &'a PodStatus)> {
        (self.before.version != self.after.version).then_some(())?;
        let (status, _, _) = self.insight.status()?;
        // What `TerminatePod` says of a container that nobody saw end tells of nothing but its loss.
        let lost =
            |one: &ContainerStatus| one.state.terminated().is_some_and(|end| end.reason == "ContainerStatusUnknown");
        let last = self.after.worker.is_some_and(|worker| worker.finished || worker.terminated_at.is_some());
        (!last || !status.all_containers().any(lost)).then_some((self.past.status.as_ref(), status))
    }

    /// The two statuses, if exactly one change lies between them.
    pub fn one_change(&self) -> Option<(&'a PodStatus, &'a PodStatus)> {
        let (before, after) = self.new_status()?;
        (self.after.version == self.before.version + 1).then_some((before?, after))
    }

    pub fn spec(&self) -> &'a PodSpec {
        &self.insight.pod().spec
    }
}
