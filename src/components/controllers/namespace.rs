//! Namespaces that are deleted: emptied, pods first, and then let go.
//!
//! Follows `pkg/controller/namespace` of Kubernetes 1.36, with `OrderedNamespaceDeletion`. Events go with the namespace
//! itself, since no controller watches them; the conditions that tell of the progress are left out.

use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::work_queue::Key;
use crate::api::{
    DeleteOptions, ErrorReason, Kind, List, Namespace, Object, Part, Pod, Propagation, Request, Response, Target,
};
use crate::engine::SimDuration;
use std::sync::Arc;

/// A namespace is not looked at before so long after its deletion, so that others have heard of it.
const DELAY: SimDuration = SimDuration::from_secs(5);
/// What finalizers are reckoned to take, in seconds.
const FINALIZER_ESTIMATE: i64 = 15;

/// The controller of namespaces.
#[derive(Debug, Clone)]
pub struct NamespaceController;

/// A namespace and what is left in it: the pods, or, without any, everything else.
#[derive(Debug, Clone)]
pub struct View {
    namespace: Arc<Namespace>,
    content: Vec<Target>,
    /// How long the slowest pod may take, in seconds.
    estimate: i64,
}

impl Controller for NamespaceController {
    type Key = Key;
    type View = View;

    fn settings(&self) -> Settings {
        Settings { workers: 10, client: (400, 3_000), ..Settings::new("namespace-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        if let Object::Namespace(namespace) = seen.new
            && !seen.is_deletion()
            && namespace.meta.is_terminating()
        {
            desk.queue.add_after(desk.now, DELAY, Key::of(&namespace.meta));
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, _desk: &mut Desk<Key>) -> Option<View> {
        let store = informers.store();
        let namespace = store.namespaces.find(key.namespace, key.name).filter(|found| found.meta.is_terminating())?;
        let pods: Vec<&Arc<Pod>> = store.pods.iter().filter(|pod| pod.meta.namespace == key.name).collect();
        let estimate = pods.iter().map(|pod| grace(pod)).max().unwrap_or(0);
        let content = if pods.is_empty() {
            let kinds = Kind::ALL.iter().copied().filter(|kind| kind.is_namespaced() && *kind != Kind::Event);
            let all = kinds.flat_map(|kind| store.list(kind));
            all.filter(|object| object.meta().namespace == key.name).map(|object| Target::of(&object)).collect()
        } else {
            pods.iter().map(|pod| super::pod_control::target(pod)).collect()
        };
        Some(View { namespace: namespace.clone(), content, estimate })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
        let answers = flow
            .all(|| view.content.iter().map(|target| Request::Delete { target: *target, options }.into()).collect())?;
        if answers.iter().any(stays) {
            let estimate = if view.estimate > 0 { view.estimate } else { FINALIZER_ESTIMATE };
            flow.again_after(SimDuration::from_secs(estimate as u64 / 2 + 1));
            return Ok(());
        }
        if view.content.iter().any(|target| target.kind == Kind::Pod) {
            // No pod is left: now the rest.
            flow.again_after(SimDuration::from_millis(1));
            return Ok(());
        }
        let emptied = Namespace { finalizers: List::EMPTY, ..Namespace::clone(&view.namespace) };
        let object = Object::Namespace(Arc::new(emptied)).at_version(0);
        match flow.call(|| Request::Update { object, part: Part::Main })? {
            Err(error) if error.reason != ErrorReason::NotFound => Err(error.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// How long a pod may take, in seconds.
fn grace(pod: &Pod) -> i64 {
    pod.meta.deletion_grace_period.unwrap_or(pod.spec.termination_grace_period)
}

/// Whether an object is still there after a delete.
fn stays(answer: &Response) -> bool {
    match answer {
        Ok(object) => {
            object.meta().is_terminating() && object.meta().deletion_grace_period != Some(0)
                || !object.meta().finalizers.is_empty()
        }
        Err(error) => error.reason != ErrorReason::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Metadata, Name, PodSpec, PodStatus, Server, WallClock, WallTime};
    use crate::engine::{Draws, SimTime};

    #[test]
    fn a_namespace_goes_once_it_is_empty() {
        let mut server = Server::new(WallClock::starting_at(WallTime::default()), Draws::new(1));
        let (now, name) = (SimTime::ZERO, Name::new("team"));
        server.ensure_namespace(now, name);
        let target = Target { kind: Kind::Namespace, namespace: Name::default(), name };
        let options = DeleteOptions::default();
        let Ok(Object::Namespace(closed)) = server.serve(now, Request::Delete { target, options }) else { panic!() };
        assert!(closed.terminating && closed.meta.is_terminating());
        let pod = Pod {
            meta: Metadata { name: Name::new("late"), namespace: name, ..Metadata::default() },
            spec: Arc::new(PodSpec::default()),
            node_name: Name::default(),
            status: Arc::new(PodStatus::default()),
        };
        let late = server.serve(now, Request::Create(Object::Pod(Arc::new(pod)))).expect_err("it is closed");
        assert_eq!(late.reason, ErrorReason::NamespaceTerminating);
        let emptied = Namespace { finalizers: List::EMPTY, ..Namespace::clone(&closed) };
        let update = Request::Update { object: Object::Namespace(Arc::new(emptied)), part: Part::Main };
        server.serve(now, update).expect("a finalized namespace");
        assert!(server.store().namespaces.find(Name::default(), name).is_none());
    }
}
