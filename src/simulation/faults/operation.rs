//! What people do wrong to workloads and objects, and what puts it right again.

use super::{Cluster, Memory, Strike};
use crate::api::{DeleteOptions, Kind, Metadata, Name, Object, Part, PatchKind, Request, Target, lower, render};
use crate::components::message::Message;
use crate::engine::{Outbox, SimTime};
use crate::faults::{
    BadImage, ConfigChange, CronJobBomb, FaultKind, NamespaceLoss, ObjectLoss, PodSecurity, QuotaExhausted,
    RolloutRestart, ScaleTo, StrictBudget, StrictLimits, WrongOwner,
};
use crate::scenario::object_named;
use crate::scenario::plan::{Applied, RolloutVerb};
use crate::simulation::user::Errand;
use serde_json::{Value, json};
use std::sync::Arc;

/// The name of the quota that is used up.
const QUOTA: &str = "exhausted";
/// The names of the budget and the limits that allow nothing, and of the CronJob that never ends.
const BUDGET: &str = "strict";
const STRICT: &str = "strict";
const BOMB: &str = "bomb";
/// The label of a namespace that names a Pod Security Standard.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
/// The UID of an owner that never was.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// The object that an operation is about.
fn target(object: &str, namespace: Option<&str>) -> Option<Target> {
    let (kind, name) = object_named(object).ok()?;
    Some(Target { kind, namespace: Name::new(namespace.unwrap_or("default")), name: Name::new(name) })
}

fn quota(namespace: Option<&str>) -> Target {
    let namespace = Name::new(namespace.unwrap_or("default"));
    Target { kind: Kind::ResourceQuota, namespace, name: Name::new(QUOTA) }
}

/// Something of a namespace with one of the names above.
fn ours(kind: Kind, namespace: Option<&str>, name: &str) -> Target {
    Target { kind, namespace: Name::new(namespace.unwrap_or("default")), name: Name::new(name) }
}

fn namespace_target(namespace: &str) -> Target {
    Target { kind: Kind::Namespace, namespace: Name::default(), name: Name::new(namespace) }
}

fn create(manifest: &Value) -> Request {
    Request::Create(lower(manifest).expect("a manifest that was just written").object)
}

fn patch(target: Target, part: Part, kind: PatchKind, patch: Value) -> Request {
    Request::Patch { target, part, kind, patch }
}

/// An object gets these owners, or none.
fn owned_by(target: Target, owners: Value) -> Request {
    patch(target, Part::Main, PatchKind::Merge, json!({"metadata": {"ownerReferences": owners}}))
}

/// A ConfigMap says something, or has no such key.
fn says(target: Target, key: &str, value: Value) -> Request {
    patch(target, Part::Main, PatchKind::Merge, json!({"data": {key: value}}))
}

/// A namespace enforces a Pod Security Standard, or none.
fn enforces(target: Target, level: Value) -> Request {
    patch(target, Part::Main, PatchKind::Merge, json!({"metadata": {"labels": {ENFORCE: level}}}))
}

fn scale(target: Target, replicas: i64) -> Request {
    patch(target, Part::Scale, PatchKind::Merge, json!({"spec": {"replicas": replicas}}))
}

impl Cluster {
    /// Does it, if it is an operation.
    pub(super) fn strike_operation(
        &mut self,
        now: SimTime,
        id: u32,
        kind: &FaultKind,
        out: &mut Outbox<Message>,
    ) -> bool {
        let request = match kind {
            FaultKind::BadImage(BadImage { object, namespace, container, image }) => {
                let found = target(object, namespace.as_deref());
                found.and_then(|found| self.set_image(found, Name::new(container), Name::new(image)).ok())
            }
            FaultKind::ScaleTo(ScaleTo { object, namespace, replicas }) => {
                let found = target(object, namespace.as_deref());
                let stored = found.and_then(|found| self.stored(found));
                if let Some(before) = stored.and_then(|stored| render(&stored)["spec"]["replicas"].as_i64()) {
                    self.remember(id, Memory::Replicas(before));
                }
                found.map(|found| scale(found, i64::from(*replicas)))
            }
            FaultKind::ObjectLoss(ObjectLoss { object, namespace }) => {
                let found = target(object, namespace.as_deref());
                self.remember_object(id, found);
                found.map(|target| Request::Delete { target, options: DeleteOptions::default() })
            }
            FaultKind::WrongOwner(WrongOwner { object, namespace }) => {
                let found = target(object, namespace.as_deref());
                self.remember_object(id, found);
                let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "never-was", "uid": NOBODY});
                found.map(|found| owned_by(found, json!([owner])))
            }
            FaultKind::ConfigChange(ConfigChange { object, namespace, key, value }) => {
                let found = target(object, namespace.as_deref());
                self.remember_object(id, found);
                found.map(|found| says(found, key, json!(value)))
            }
            FaultKind::RolloutRestart(RolloutRestart { object, namespace }) => {
                let found = target(object, namespace.as_deref());
                found.and_then(|found| self.rollout(now, found, RolloutVerb::Restart).ok())
            }
            FaultKind::PodSecurity(PodSecurity { namespace, enforce }) => {
                let found = namespace_target(namespace.as_deref().unwrap_or("default"));
                self.remember_object(id, Some(found));
                let level: &str = enforce.into();
                Some(enforces(found, json!(level)))
            }
            FaultKind::StrictLimits(StrictLimits { namespace, memory }) => {
                let namespace = namespace.as_deref().unwrap_or("default");
                let limit = json!({"type": "Container", "max": {"memory": memory.0.to_string()}});
                Some(create(&json!({"apiVersion": "v1", "kind": "LimitRange",
                    "metadata": {"name": STRICT, "namespace": namespace}, "spec": {"limits": [limit]}})))
            }
            FaultKind::QuotaExhausted(QuotaExhausted { namespace }) => {
                let target = quota(namespace.as_deref());
                let metadata = json!({"name": QUOTA, "namespace": target.namespace.as_str()});
                let manifest = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata,
                    "spec": {"hard": {"pods": "0"}}});
                Some(Request::Create(lower(&manifest).expect("a quota that was just written").object))
            }
            FaultKind::NamespaceLoss(NamespaceLoss { namespace }) => {
                let lost = self.written_in(Name::new(namespace));
                self.remember(id, Memory::Objects(lost));
                Some(Request::Delete { target: namespace_target(namespace), options: DeleteOptions::default() })
            }
            FaultKind::CronJobBomb(CronJobBomb { namespace, pods, cpu }) => {
                let container = json!({"name": BOMB, "image": "busybox", "command": ["sleep", "infinity"],
                    "resources": {"requests": {"cpu": cpu.0.to_string()}}});
                let pod = json!({"restartPolicy": "OnFailure", "containers": [container]});
                let job = json!({"spec": {"parallelism": pods, "template": {"spec": pod}}});
                let namespace = namespace.as_deref().unwrap_or("default");
                Some(create(&json!({"apiVersion": "batch/v1", "kind": "CronJob",
                    "metadata": {"name": BOMB, "namespace": namespace},
                    "spec": {"schedule": "* * * * *", "concurrencyPolicy": "Allow", "jobTemplate": job}})))
            }
            FaultKind::StrictBudget(StrictBudget { namespace }) => {
                let namespace = namespace.as_deref().unwrap_or("default");
                Some(create(&json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                    "metadata": {"name": BUDGET, "namespace": namespace},
                    "spec": {"maxUnavailable": 0, "selector": {}}})))
            }
            _ => return false,
        };
        self.user_calls(request, out);
        true
    }

    /// What people have written into a namespace: what nobody owns, and no cluster makes by itself.
    fn written_in(&self, namespace: Name) -> Vec<Object> {
        let own = |object: &Object| {
            let meta = object.meta();
            let made = matches!(object.kind(), Kind::Event | Kind::EndpointSlice)
                || matches!(meta.name.as_str(), "kube-root-ca.crt") && object.kind() == Kind::ConfigMap
                || meta.name == "default" && object.kind() == Kind::ServiceAccount;
            meta.namespace == namespace && meta.owner_references.iter().next().is_none() && !made
        };
        let store = self.server.store();
        Kind::ALL.iter().flat_map(|kind| store.list(*kind)).filter(own).collect()
    }

    /// Puts it right again, if it was an operation.
    pub(super) fn heal_operation(&mut self, strike: &Strike, kind: &FaultKind, out: &mut Outbox<Message>) -> bool {
        let request = match (kind, &strike.memory) {
            (FaultKind::BadImage(BadImage { object, namespace, .. }), _) => {
                let found = target(object, namespace.as_deref());
                found.and_then(|target| self.undo(target))
            }
            (FaultKind::ScaleTo(ScaleTo { object, namespace, .. }), Memory::Replicas(before)) => {
                target(object, namespace.as_deref()).map(|target| scale(target, *before))
            }
            (FaultKind::ObjectLoss(_), Memory::Object(lost)) => Some(Request::Create(anew(lost))),
            (FaultKind::WrongOwner(WrongOwner { object, namespace }), Memory::Object(lost)) => {
                // Whoever reads may read what was.
                let own = target(object, namespace.as_deref()).map(|found| owned_by(found, Value::Null));
                let own = own.into_iter().map(Errand::Call);
                self.user_does(own.chain([Errand::Apply(Arc::new(disowned(lost)))]), out);
                None
            }
            (FaultKind::ConfigChange(ConfigChange { object, namespace, key, .. }), Memory::Object(before)) => {
                let said = render(before)["data"][key].clone();
                target(object, namespace.as_deref()).map(|found| says(found, key, said))
            }
            (FaultKind::PodSecurity(PodSecurity { namespace, .. }), memory) => {
                let before = if let Memory::Object(before) = memory { render(before) } else { Value::Null };
                let level = before["metadata"]["labels"][ENFORCE].clone();
                Some(enforces(namespace_target(namespace.as_deref().unwrap_or("default")), level))
            }
            (FaultKind::StrictLimits(StrictLimits { namespace, .. }), _) => {
                let target = ours(Kind::LimitRange, namespace.as_deref(), STRICT);
                Some(Request::Delete { target, options: DeleteOptions::default() })
            }
            (FaultKind::RolloutRestart(_), _) => None,
            (FaultKind::QuotaExhausted(QuotaExhausted { namespace }), _) => {
                let target = quota(namespace.as_deref());
                Some(Request::Delete { target, options: DeleteOptions::default() })
            }
            (FaultKind::NamespaceLoss(NamespaceLoss { namespace }), Memory::Objects(lost)) => {
                let again = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
                let requests = std::iter::once(create(&again));
                let requests: Vec<Request> =
                    requests.chain(lost.iter().map(|lost| Request::Create(anew(lost)))).collect();
                self.user_calls(requests, out);
                None
            }
            (FaultKind::CronJobBomb(CronJobBomb { namespace, .. }), _) => {
                let target = ours(Kind::CronJob, namespace.as_deref(), BOMB);
                Some(Request::Delete { target, options: DeleteOptions::default() })
            }
            (FaultKind::StrictBudget(StrictBudget { namespace }), _) => {
                let target = ours(Kind::PodDisruptionBudget, namespace.as_deref(), BUDGET);
                Some(Request::Delete { target, options: DeleteOptions::default() })
            }
            (
                FaultKind::ScaleTo(_)
                | FaultKind::ObjectLoss(_)
                | FaultKind::WrongOwner(_)
                | FaultKind::ConfigChange(_)
                | FaultKind::NamespaceLoss(_),
                _,
            ) => None,
            _ => return false,
        };
        self.user_calls(request, out);
        true
    }

    /// What a strike is about is remembered as it is, if it is there.
    fn remember_object(&mut self, id: u32, target: Option<Target>) {
        if let Some(stored) = target.and_then(|target| self.stored(target)) {
            self.remember(id, Memory::Object(Box::new(stored)));
        }
    }

    fn stored(&self, target: Target) -> Option<Object> {
        self.server.store().find(target.kind, target.namespace, target.name)
    }
}

/// An apply that leaves an object its fields but for its owners, and makes it as it was if it is gone.
fn disowned(lost: &Object) -> Applied {
    let object = anew(lost);
    let meta = object.meta();
    let (name, namespace) = (meta.name.as_str(), meta.namespace.as_str());
    let manifest = json!({"metadata": {"name": name, "namespace": namespace}});
    let mut last = manifest.clone();
    last["metadata"]["ownerReferences"] = json!([]);
    Applied { manifest, last: Some(last), object }
}

/// An object as it was, to be created once more.
fn anew(lost: &Object) -> Object {
    let mut manifest = render(lost);
    if let Some(fields) = manifest.as_object_mut() {
        fields.remove("status");
    }
    let mut object = lower(&manifest).map_or_else(|_| lost.clone(), |lowered| lowered.object);
    let meta = object.meta_mut();
    let (name, namespace) = (meta.name, meta.namespace);
    let (labels, annotations) = (meta.labels.clone(), meta.annotations.clone());
    *meta = Metadata { name, namespace, labels, annotations, ..Metadata::default() };
    object
}
