//! Updates and patches: optimistic concurrency, generations, and writes that change nothing.

use super::{Server, has_generation, respond, wants_the_same};
use crate::api::object::with_object;
use crate::api::{
    ApiError, ApiObject, Kind, Metadata, Name, Object, Part, PatchKind, Response, Target, apply_patch, requests,
    validate_update,
};
use crate::engine::SimTime;
use crate::planted::{self, Bug};
use std::sync::Arc;

impl Server {
    pub(super) fn update(&mut self, now: SimTime, object: Object, part: Part) -> Response {
        let kind = object.kind();
        let object = if part == Part::Status { self.as_patched(object) } else { object };
        let done = with_object!(object, version => self.update_one(now, version, part))?;
        self.note_policy(kind);
        Ok(done)
    }

    /// A write that is bound to no version stands for a kubelet's patch, which has nothing but what is its own of a
    /// status: of a node's not what is attached (`nodeutil.PatchNodeStatus`), of a pod's not what others say of it
    /// (`PatchPodStatus`).
    fn as_patched(&self, mut object: Object) -> Object {
        match &mut object {
            Object::Node(node) if node.meta.resource_version == 0 => {
                if let Some(stored) = self.store.nodes.find(Name::default(), node.meta.name)
                    && stored.status.volumes_attached != node.status.volumes_attached
                {
                    let status = Arc::make_mut(&mut Arc::make_mut(node).status);
                    status.volumes_attached.clone_from(&stored.status.volumes_attached);
                }
            }
            Object::Pod(pod) if pod.meta.resource_version == 0 => {
                if let Some(stored) = self.store.pods.find(pod.meta.namespace, pod.meta.name) {
                    let pod = Arc::make_mut(pod);
                    let Metadata { labels, annotations, owner_references, finalizers, .. } = &stored.meta;
                    pod.meta.labels.clone_from(labels);
                    pod.meta.annotations.clone_from(annotations);
                    pod.meta.owner_references.clone_from(owner_references);
                    pod.meta.finalizers.clone_from(finalizers);
                    if let Some(patched) = stored.status.patched(&pod.status) {
                        pod.status = Arc::new(patched);
                    }
                }
            }
            _ => {}
        }
        object
    }

    pub(super) fn update_one<T: ApiObject>(&mut self, now: SimTime, object: Arc<T>, part: Part) -> Response {
        let meta = object.meta();
        let Some(stored) = T::table(&self.store).find(meta.namespace, object.table_name()).cloned() else {
            return Err(ApiError::not_found(T::KIND, &meta.name));
        };
        check_preconditions(&*object, &*stored)?;
        let object = self.reallocated(&stored, object, part)?;
        self.check_update(&T::wrap(stored.clone()), &T::wrap(object.clone()), part)?;
        if is_charged(T::KIND, part) && !self.store.resource_quotas.is_empty() {
            self.charge_quota(now, &T::wrap(object.clone()), Some(&T::wrap(stored.clone())))?;
        }
        let mut object = Arc::unwrap_or_clone(object);
        match part {
            Part::Status => object.keep_spec_of(&stored),
            Part::Main | Part::Resize | Part::EphemeralContainers | Part::Scale => {
                object.keep_status_of(&stored);
                if has_generation(T::KIND) {
                    let grown = i64::from(!wants_the_same(&object, &*stored));
                    object.meta_mut().generation = stored.meta().generation + grown;
                }
            }
        }
        keep_system_fields(&mut object, &*stored);
        if object == *stored {
            return Ok(respond(stored)); // The bytes are the same: no write, no event.
        }
        let done = self.store.replace(object);
        if done.meta().is_terminating()
            && done.meta().finalizers.is_empty()
            && done.meta().deletion_grace_period.unwrap_or(0) == 0
            && !super::delete::is_held(&T::wrap(done.clone()))
        {
            self.finish_removal::<T>(now, done.id());
        }
        Ok(respond(done))
    }

    /// A Service of another type needs other things; another template of a DaemonSet has another number.
    fn reallocated<T: ApiObject>(
        &mut self,
        stored: &Arc<T>,
        object: Arc<T>,
        part: Part,
    ) -> Result<Arc<T>, Box<ApiError>> {
        if !matches!(T::KIND, Kind::Service | Kind::DaemonSet) || part != Part::Main {
            return Ok(object);
        }
        let updated = match (T::wrap(stored.clone()), T::wrap(object)) {
            (Object::Service(before), Object::Service(after)) => {
                Object::Service(Arc::new(self.update_service(&before, Arc::unwrap_or_clone(after))?))
            }
            (Object::DaemonSet(before), Object::DaemonSet(after)) => {
                Object::DaemonSet(Arc::new(Arc::unwrap_or_clone(after).counting_templates(Some(&before))))
            }
            _ => unreachable!("the kind was looked at"),
        };
        Ok(T::unwrap(&updated).expect("the kind stays").clone())
    }

    pub(super) fn patch(
        &mut self,
        now: SimTime,
        target: Target,
        part: Part,
        kind: PatchKind,
        patch: &serde_json::Value,
    ) -> Response {
        let patched = apply_patch(&self.get(target)?, kind, patch)?;
        self.update(now, patched, part)
    }

    /// What an update may not change, and for a resize that the node could ever hold it.
    fn check_update(&self, stored: &Object, new: &Object, part: Part) -> Result<(), Box<ApiError>> {
        let name = stored.meta().name;
        let errors = validate_update(stored, new, part);
        if !errors.is_empty() {
            return Err(ApiError::invalid(stored.kind(), &name, &errors));
        }
        let forbidden = |why| ApiError::forbidden(stored.kind(), &name, why);
        // Plug-in LimitRanger leaves alone what is on its way out.
        if let (Part::Main, Object::PersistentVolumeClaim(claim)) = (part, new)
            && !stored.meta().is_terminating()
        {
            self.check_claim_limits(claim).map_err(forbidden)?;
        }
        if let (Part::Main, Object::PersistentVolumeClaim(old), Object::PersistentVolumeClaim(new)) =
            (part, stored, new)
        {
            self.check_claim_growth(old, new).map_err(|why| forbidden(why.to_owned()))?;
        }
        let (Part::Resize, Object::Pod(pod)) = (part, new) else { return Ok(()) };
        if !stored.meta().is_terminating() {
            self.check_limit_ranges(pod.meta.namespace, &pod.spec).map_err(forbidden)?;
        }
        let Some(node) = self.store.nodes.find(Name::default(), pod.node_name) else { return Ok(()) };
        let wanted = requests::requests(&pod.spec);
        let allocatable = &node.status.allocatable;
        for (resource, requested, have) in
            [("cpu", wanted.milli_cpu(), allocatable.milli_cpu()), ("memory", wanted.memory(), allocatable.memory())]
        {
            if requested > have {
                let why = format!(
                    "node didn't have enough allocatable resources: {resource}, requested: {requested}, \
                     allocatable: {have}"
                );
                return Err(ApiError::forbidden(Kind::Pod, &name, why));
            }
        }
        Ok(())
    }
}

/// Whether the plug-in ResourceQuota looks at an update (`Handles` of the evaluators in `pkg/quota/v1/evaluator/core`).
fn is_charged(kind: Kind, part: Part) -> bool {
    match part {
        Part::Resize => kind == Kind::Pod,
        Part::Main => matches!(kind, Kind::Service | Kind::PersistentVolumeClaim),
        Part::Status | Part::Scale | Part::EphemeralContainers => false,
    }
}

/// The identity must be that of the stored object, and the version the newest, where they are given.
fn check_preconditions<T: ApiObject>(object: &T, stored: &T) -> Result<(), Box<ApiError>> {
    let (meta, have) = (object.meta(), stored.meta());
    if !meta.uid.is_empty() && meta.uid != have.uid {
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{}/{}, ResourceVersion: 0, AdditionalErrorMsg: \
             Precondition failed: UID in precondition: {}, UID in object meta: {}",
            T::KIND.plural(),
            have.key(),
            meta.uid,
            have.uid
        );
        return Err(ApiError::conflict(T::KIND, &meta.name, why));
    }
    let stale = meta.resource_version != 0 && meta.resource_version != have.resource_version;
    if stale && !planted::is(Bug::ConflictsUnseen) {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again".to_owned();
        return Err(ApiError::conflict(T::KIND, &meta.name, why));
    }
    Ok(())
}

/// What no client may change.
fn keep_system_fields<T: ApiObject>(object: &mut T, stored: &T) {
    let have = stored.meta();
    let meta = object.meta_mut();
    meta.index = have.index;
    meta.uid = have.uid;
    meta.resource_version = have.resource_version;
    meta.generate_name = have.generate_name;
    meta.creation_timestamp = have.creation_timestamp;
    meta.deletion_timestamp = have.deletion_timestamp;
    meta.deletion_grace_period = have.deletion_grace_period;
    if !has_generation(T::KIND) || T::KIND == Kind::Event {
        meta.generation = have.generation;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Name, Request, WallClock, WallTime, lower, render};
    use crate::engine::Draws;
    use serde_json::{Value, json};

    #[test]
    fn patches_change_what_they_may() {
        let mut server = Server::new(WallClock::starting_at(WallTime::default()), Draws::new(1));
        server.ensure_namespace(SimTime::ZERO, Name::new("default"));
        let manifest = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
        let pod = lower(&manifest).expect("a pod").object;
        server.serve(SimTime::ZERO, Request::Create(pod)).expect("a free name");
        let target = Target { kind: Kind::Pod, namespace: Name::new("default"), name: Name::new("p") };
        let mut patch = |part: Part, patch: Value| {
            server.serve(SimTime::ZERO, Request::Patch { target, part, kind: PatchKind::Strategic, patch })
        };
        let labelled = patch(Part::Main, json!({"metadata": {"labels": {"a": "b"}}})).expect("labels are free");
        assert_eq!((labelled.meta().generation, labelled.meta().labels.to_string()), (1, "a=b".to_owned()));
        let image = json!({"spec": {"containers": [{"name": "c", "image": "i:2"}]}});
        let changed = patch(Part::Main, image.clone()).expect("images may change");
        assert_eq!(changed.meta().generation, 2);
        let printed = render(&changed);
        assert_eq!(printed["spec"]["containers"][0]["image"], "i:2");
        assert_eq!(printed["spec"]["tolerations"].as_array().map(Vec::len), Some(2));
        let again = patch(Part::Main, image).expect("nothing changes");
        assert_eq!(again.meta().resource_version, changed.meta().resource_version);
        let refused = patch(Part::Main, json!({"spec": {"hostNetwork": true}})).expect_err("spec is fixed");
        let words = "Pod \"p\" is invalid: spec: Forbidden: pod updates may not change fields other than";
        assert!(refused.to_string().starts_with(words), "{refused}");
        let stale = patch(Part::Main, json!({"metadata": {"resourceVersion": "1", "labels": {"c": "d"}}}));
        assert!(stale.expect_err("an old version").to_string().contains("the object has been modified"));
        let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        let running = patch(Part::Status, status).expect("a status");
        assert_eq!((running.meta().generation, &render(&running)["status"]["phase"]), (2, &json!("Running")));
    }
}
