//! Updates and patches: optimistic concurrency, generations, and writes that change nothing.

use super::{Server, has_generation, respond, wants_the_same};
use crate::api::object::{with_kind, with_object};
use crate::api::{ApiError, ApiObject, Kind, Object, Part, PatchKind, Response, Target, apply_patch};
use crate::engine::SimTime;
use std::sync::Arc;

impl Server {
    pub(super) fn update(&mut self, now: SimTime, object: Object, part: Part) -> Response {
        let kind = object.kind();
        let done = with_object!(object, version => self.update_one(now, Arc::unwrap_or_clone(version), part))?;
        self.note_policy(kind);
        Ok(done)
    }

    pub(super) fn update_one<T: ApiObject>(&mut self, now: SimTime, mut object: T, part: Part) -> Response {
        let meta = object.meta();
        let Some(stored) = T::table(&self.store).find(meta.namespace, meta.name).cloned() else {
            return Err(ApiError::not_found(T::KIND, &meta.name));
        };
        check_preconditions(&object, &*stored)?;
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
        {
            self.finish_removal::<T>(now, done.id());
        }
        Ok(respond(done))
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
        with_kind!(target.kind, T => {
            let mut object = Arc::unwrap_or_clone(T::unwrap(&patched).expect("a patch keeps the kind").clone());
            object.meta_mut().resource_version = 0;
            self.update_one(now, object, part)
        })
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
    if meta.resource_version != 0 && meta.resource_version != have.resource_version {
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
