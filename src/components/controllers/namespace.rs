//! Namespaces that are deleted: emptied, pods first, and then let go.
//!
//! Follows `pkg/controller/namespace` of Kubernetes 1.36, with `OrderedNamespaceDeletion`. Events go with the namespace
//! itself, since no controller watches them. What remains is told by conditions (`status_condition_utils.go`).

use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::work_queue::Key;
use crate::api::{
    Condition, ConditionStatus, DeleteOptions, ErrorReason, Kind, List, Name, Namespace, Object, Part, Pod,
    Propagation, Request, Response, Target, Timestamp, set_condition,
};
use crate::engine::SimDuration;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A namespace is not looked at before so long after its deletion, so that others have heard of it.
const DELAY: SimDuration = SimDuration::from_secs(5);
/// What finalizers are reckoned to take, in seconds.
const FINALIZER_ESTIMATE: i64 = 15;

/// What is told of each part of the work, when it is done: condition, reason, message.
const DONE: [(&str, &str, &str); 5] = [
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    ("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
    ("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
];

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
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Namespace]);

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
        let remaining: Vec<&Object> =
            answers.iter().filter(|answer| stays(answer)).filter_map(|answer| answer.as_ref().ok()).collect();
        let told = told(&view.namespace, &remaining, flow.stamp());
        if told.conditions != view.namespace.conditions {
            let object = Object::Namespace(Arc::new(told)).at_version(0);
            // One that is gone needs no conditions.
            let _ = flow.call(|| Request::Update { object, part: Part::Status })?;
        }
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

/// The namespace with conditions that tell what remains in it.
fn told(namespace: &Namespace, remaining: &[&Object], now: Timestamp) -> Namespace {
    let mut told = namespace.clone();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut finalizers: BTreeMap<Name, usize> = BTreeMap::new();
    for object in remaining {
        *kinds.entry(format!("{}.{}", object.kind().plural(), object.kind().group())).or_default() += 1;
        for finalizer in &object.meta().finalizers {
            *finalizers.entry(*finalizer).or_default() += 1;
        }
    }
    for (kind, reason, message) in DONE {
        let texts: Vec<String> = match kind {
            "NamespaceContentRemaining" => {
                kinds.iter().map(|(kind, count)| format!("{kind} has {count} resource instances")).collect()
            }
            "NamespaceFinalizersRemaining" => {
                finalizers.iter().map(|(name, count)| format!("{name} in {count} resource instances")).collect()
            }
            _ => Vec::new(),
        };
        let condition = |status| Condition::new(Name::new(kind), status, now);
        let list = texts.join(", ");
        set_condition(
            &mut told.conditions,
            match (texts.is_empty(), kind) {
                (true, _) => condition(ConditionStatus::False).because(reason, message),
                (false, "NamespaceContentRemaining") => condition(ConditionStatus::True)
                    .because("SomeResourcesRemain", format!("Some resources are remaining: {list}")),
                (false, _) => condition(ConditionStatus::True).because(
                    "SomeFinalizersRemain",
                    format!("Some content in the namespace has finalizers remaining: {list}"),
                ),
            },
        );
    }
    told
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
    fn conditions_tell_what_remains() {
        let pod = |name: &str, finalizers: &[&str]| {
            let finalizers = finalizers.iter().map(|finalizer| Name::new(finalizer)).collect();
            let meta = Metadata { name: Name::new(name), finalizers, ..Metadata::default() };
            let (spec, status) = (Arc::new(PodSpec::default()), Arc::new(PodStatus::default()));
            Object::Pod(Arc::new(Pod { meta, spec, node_name: Name::default(), status }))
        };
        let namespace =
            Namespace { meta: Metadata::default(), terminating: true, conditions: Vec::new(), finalizers: List::EMPTY };
        let pods = [pod("a", &[]), pod("b", &["example.com/hold"])];
        let remaining: Vec<&Object> = pods.iter().collect();
        let busy = told(&namespace, &remaining, Timestamp::default());
        let messages = |namespace: &Namespace| -> Vec<String> {
            namespace.conditions.iter().map(|c| format!("{}={} {}", c.kind, c.status, c.message)).collect()
        };
        assert_eq!(
            messages(&busy)[3..],
            [
                "NamespaceContentRemaining=True Some resources are remaining: pods. has 2 resource instances",
                "NamespaceFinalizersRemaining=True Some content in the namespace has finalizers remaining: \
                 example.com/hold in 1 resource instances",
            ]
        );
        let done = told(&busy, &[], Timestamp::default());
        assert!(done.conditions.iter().all(|condition| condition.status == ConditionStatus::False));
        assert_eq!(told(&done, &[], Timestamp::from_unix_secs(9)), done);
    }

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
