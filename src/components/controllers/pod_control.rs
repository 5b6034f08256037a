//! Pods as controllers make, claim and delete them (`pkg/controller/controller_utils.go`, `controller_ref_manager.go`).

use super::flow::{Call, Flow, Note, Step};
use super::work_queue::QueueKey;
use crate::api::{
    Amendment, ApiObject, DeleteOptions, Kind, Metadata, Name, Object, ObjectReference, OwnerReference, Pod, PodStatus,
    PodTemplate, Request, Selector, Target, Uid,
};
use crate::engine::SimDuration;
use std::sync::Arc;

/// A controller's object, as its pods and events refer to it.
#[derive(Debug, Clone)]
pub struct Owner {
    /// As events refer to it.
    pub reference: ObjectReference,
    /// As its pods do.
    pub owner: OwnerReference,
}

impl Owner {
    /// The owner that a version is of.
    pub fn of<T: ApiObject>(version: &Arc<T>) -> Self {
        let object = T::wrap(version.clone());
        Self { reference: object.reference(), owner: object.controller_reference() }
    }

    /// A pod from a template, yet without a name (`GetPodFromTemplate`).
    pub fn pod(&self, template: &PodTemplate) -> Pod {
        let meta = Metadata {
            namespace: self.reference.namespace,
            generate_name: Name::new(&format!("{}-", self.reference.name)),
            labels: template.labels.clone(),
            annotations: template.annotations.clone(),
            finalizers: template.finalizers.clone(),
            owner_references: vec![self.owner.clone()].into(),
            ..Metadata::default()
        };
        Pod { meta, spec: template.spec.clone(), node_name: template.node_name, status: Arc::new(PodStatus::default()) }
    }

    /// The call that creates a pod; the owner's events tell of it.
    pub fn create(&self, pod: Pod) -> Call {
        let request = Request::Create(Object::Pod(Arc::new(pod)));
        Call { request, note: Note::Created(self.reference) }
    }

    /// The call that deletes a pod; the owner's events tell of it.
    pub fn delete(&self, pod: &Pod) -> Call {
        Call { request: delete_pod(pod), note: Note::Deleted(self.reference, pod.meta.name) }
    }
}

/// A pod as the target of a call.
pub fn target(pod: &Pod) -> Target {
    Target { kind: Kind::Pod, namespace: pod.meta.namespace, name: pod.meta.name }
}

/// The call that deletes a pod with its own grace.
pub fn delete_pod(pod: &Pod) -> Request {
    Request::Delete { target: target(pod), options: DeleteOptions::default() }
}

/// Which pods an owner minds when it claims them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// Those that are neither finished nor being deleted (`FilterActivePods`).
    Active,
    /// All.
    All,
}

/// Which of an owner's pods, and of those without one, are the owner's by its selector.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// To be adopted.
    pub adopt: Vec<Arc<Pod>>,
    /// To be released: their labels no longer match.
    pub release: Vec<Arc<Pod>>,
}

impl Claims {
    /// Whether nothing has to be claimed or released.
    pub fn is_empty(&self) -> bool {
        self.adopt.is_empty() && self.release.is_empty()
    }

    /// Decides for the owner's pods and for those without a controller (`PodControllerRefManager.ClaimPods`). `among`
    /// says which of them the owner minds at all.
    pub fn decide(
        owner: &Metadata,
        selector: &Selector,
        (owned, orphans): (&[Arc<Pod>], &[Arc<Pod>]),
        among: Among,
    ) -> Self {
        if owner.is_terminating() {
            return Self::default();
        }
        let minds = |pod: &Arc<Pod>| among == Among::All || pod.is_active();
        let matches = |pod: &Arc<Pod>| selector.matches(&pod.meta.labels);
        let free = |pod: &&Arc<Pod>| minds(pod) && !pod.meta.is_terminating() && matches(pod);
        let lost = |pod: &&Arc<Pod>| minds(pod) && !matches(pod);
        Self {
            adopt: orphans.iter().filter(free).cloned().collect(),
            release: owned.iter().filter(lost).cloned().collect(),
        }
    }

    /// Carries it out: the owner is read anew before the first adoption. Returns the pods that were adopted.
    pub fn carry_out<K: QueueKey>(&self, owner: &Owner, kind: Kind, flow: &mut Flow<'_, K>) -> Step<Vec<Arc<Pod>>> {
        let mut adopted = Vec::new();
        if !self.adopt.is_empty() {
            let ObjectReference { namespace, name, uid, .. } = owner.reference;
            let fresh = flow.get(Target { kind, namespace, name })??;
            if fresh.meta().uid != uid || fresh.meta().is_terminating() {
                return Err(super::flow::Halt::failure(format!("{namespace}/{name} is gone or being deleted")));
            }
        }
        for pod in &self.adopt {
            let answer = flow.call(|| adopt(pod, &owner.owner))?;
            if let Ok(Object::Pod(pod)) = answer {
                adopted.push(pod);
            }
        }
        for pod in &self.release {
            // A pod that is gone, or another one by now, is released too.
            let _ = flow.call(|| release(pod, owner.reference.uid))?;
        }
        Ok(adopted)
    }
}

fn adopt(pod: &Pod, owner: &OwnerReference) -> Request {
    Request::Amend { target: target(pod), uid: Some(pod.meta.uid), amendment: Amendment::AddOwner(owner.clone()) }
}

fn release(pod: &Pod, owner: Uid) -> Request {
    let amendment = Amendment::RemoveOwners(vec![owner].into());
    Request::Amend { target: target(pod), uid: Some(pod.meta.uid), amendment }
}

/// When a pod is available, if it is ready: after it has been ready for so long (`IsPodAvailable`).
pub fn is_available(pod: &Pod, min_ready: i32, now: crate::api::WallTime) -> bool {
    available_at(pod, min_ready).is_some_and(|at| at <= now)
}

/// The moment from which a ready pod is available.
pub fn available_at(pod: &Pod, min_ready: i32) -> Option<crate::api::WallTime> {
    let ready = pod.status.condition(*crate::api::READY)?;
    if ready.status != crate::api::ConditionStatus::True {
        return None;
    }
    let since = if min_ready == 0 { 0 } else { i64::from(min_ready) };
    Some(ready.last_transition_time.plus_secs(since).wall())
}

/// How long until the next of some pods is available (`FindMinNextPodAvailabilityCheck`).
pub fn next_available<'a>(
    pods: impl IntoIterator<Item = &'a Arc<Pod>>,
    min_ready: i32,
    now: crate::api::WallTime,
) -> Option<SimDuration> {
    pods.into_iter().filter_map(|pod| available_at(pod, min_ready)).filter(|at| *at > now).map(|at| at.since(now)).min()
}
