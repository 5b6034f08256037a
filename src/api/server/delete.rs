//! Deletion: grace, finalizers and propagation.
//!
//! Follows `staging/src/k8s.io/apiserver/pkg/registry/rest/delete.go` and `pkg/registry/core/pod/strategy.go`.

use super::{Server, respond};
use crate::api::names;
use crate::api::{
    ApiError, ApiObject, DeleteOptions, Event, Id, Kind, Metadata, Name, Namespace, Object, Pod, Propagation, Response,
    Timestamp,
};
use crate::engine::SimTime;
use crate::planted::{self, Bug};
use std::sync::Arc;

names! {
    /// Keeps an owner until its blocking dependents are gone.
    FOREGROUND_DELETION = "foregroundDeletion";
    /// Keeps an owner until its dependents have forgotten it.
    ORPHAN_DEPENDENTS = "orphan";
}

impl Server {
    pub(super) fn delete<T: ApiObject>(
        &mut self,
        now: SimTime,
        namespace: Name,
        name: Name,
        options: DeleteOptions,
    ) -> Response {
        let Some(stored) = T::table(&self.store).find(namespace, name).cloned() else {
            return Err(ApiError::not_found(T::KIND, &name));
        };
        check_preconditions::<T>(stored.meta(), options)?;
        if let Object::Namespace(namespace) = T::wrap(stored.clone())
            && is_held(&Object::Namespace(namespace.clone()))
        {
            return Ok(self.begin_emptying(now, &namespace));
        }
        let mut object = T::clone(&stored);
        set_propagation_finalizers(object.meta_mut(), T::KIND, options.propagation);
        let stamp = self.stamp(now);
        let step = match T::wrap(stored.clone()) {
            Object::Pod(pod) => grant_grace(object.meta_mut(), &pod, options.grace_period, stamp),
            _ => mark_as_deleting(object.meta_mut(), stamp),
        };
        if step == Step::Nothing && object == *stored {
            return Ok(respond(stored));
        }
        let waits = !object.meta().finalizers.is_empty() && !planted::is(Bug::FinalizersIgnored);
        match step {
            Step::RemoveUnchanged if !waits => {
                // Kinds without a grace period go in one write.
                return Ok(respond(self.remove::<T>(now, stored.id())));
            }
            Step::Nothing | Step::Wait | Step::Remove | Step::RemoveUnchanged => {}
        }
        if object != *stored {
            self.store.replace(object);
        }
        if step == Step::Remove && !waits {
            return Ok(respond(self.remove::<T>(now, stored.id())));
        }
        Ok(respond(T::table(&self.store).get(stored.id()).expect("it waits").clone()))
    }

    /// A namespace is closed, and goes once it was emptied (`pkg/registry/core/namespace/storage`).
    fn begin_emptying(&mut self, now: SimTime, namespace: &Arc<Namespace>) -> Object {
        if namespace.terminating {
            return Object::Namespace(namespace.clone());
        }
        let mut closed = Namespace::clone(namespace);
        closed.meta.deletion_timestamp = Some(self.stamp(now));
        closed.terminating = true;
        let closed = self.store.replace(closed);
        self.note_policy(Kind::Namespace);
        respond(closed)
    }

    /// Removes an object whose finalizers were just emptied.
    pub(super) fn finish_removal<T: ApiObject>(&mut self, now: SimTime, id: Id<T>) {
        self.remove::<T>(now, id);
    }

    fn remove<T: ApiObject>(&mut self, _now: SimTime, id: Id<T>) -> Arc<T> {
        let removed = self.take_out(id);
        if T::KIND == Kind::Namespace {
            // Events are no more than a record: they go with their namespace, unwatched.
            let within = |event: &&Arc<Event>| event.meta.namespace == removed.meta().name;
            let events: Vec<_> = self.store.events.iter().filter(within).map(|event| event.id()).collect();
            events.into_iter().for_each(|event| drop(self.take_out(event)));
        }
        self.note_policy(T::KIND);
        removed
    }

    pub(super) fn take_out<T: ApiObject>(&mut self, id: Id<T>) -> Arc<T> {
        let removed = self.store.remove::<T>(id).expect("it was there");
        if T::KIND == Kind::Event {
            self.ordinal(Kind::Event, removed.meta().namespace, removed.meta().name);
        }
        removed
    }
}

/// Whether an object has a finalizer in its spec: a namespace that is yet to be emptied.
pub(super) fn is_held(object: &Object) -> bool {
    matches!(object, Object::Namespace(namespace) if !namespace.finalizers.is_empty())
}

/// What a delete call leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// No change: it is already on its way.
    Nothing,
    /// The grace runs; somebody else removes the object.
    Wait,
    /// The mark is written, then the object goes: two versions.
    Remove,
    /// The object goes as it is, unless a finalizer holds it.
    RemoveUnchanged,
}

fn check_preconditions<T: ApiObject>(meta: &Metadata, options: DeleteOptions) -> Result<(), Box<ApiError>> {
    if options.uid.is_some_and(|uid| uid != meta.uid) {
        let why = format!(
            "Precondition failed: UID in precondition: {}, UID in object meta: {}",
            options.uid.expect("just compared"),
            meta.uid
        );
        return Err(ApiError::conflict(T::KIND, &meta.name, why));
    }
    if options.resource_version.is_some_and(|version| version != meta.resource_version) {
        let why = format!(
            "Precondition failed: ResourceVersion in precondition: {}, ResourceVersion in object meta: {}",
            options.resource_version.expect("just compared"),
            meta.resource_version
        );
        return Err(ApiError::conflict(T::KIND, &meta.name, why));
    }
    Ok(())
}

fn set_propagation_finalizers(meta: &mut Metadata, kind: Kind, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    if kind == Kind::Event {
        return;
    }
    let keep = |finalizer: &Name| *finalizer != *ORPHAN_DEPENDENTS && *finalizer != *FOREGROUND_DELETION;
    let others = meta.finalizers.retain(keep);
    meta.finalizers = match propagation {
        Propagation::Background => others,
        Propagation::Orphan => others.with(*ORPHAN_DEPENDENTS),
        Propagation::Foreground => others.with(*FOREGROUND_DELETION),
    };
}

/// Kinds without a grace period: marked only if something holds them.
fn mark_as_deleting(meta: &mut Metadata, now: Timestamp) -> Step {
    if meta.finalizers.is_empty() {
        return Step::RemoveUnchanged;
    }
    if meta.deletion_timestamp.is_some() {
        return Step::Nothing;
    }
    meta.deletion_timestamp = Some(now);
    meta.deletion_grace_period = Some(0);
    meta.generation += i64::from(meta.generation > 0);
    Step::Wait
}

/// A pod's grace: granted once, and only ever shortened.
fn grant_grace(meta: &mut Metadata, pod: &Pod, requested: Option<i64>, now: Timestamp) -> Step {
    if let Some(deletion) = meta.deletion_timestamp {
        return shorten_grace(meta, deletion, requested, now);
    }
    let mut period = requested.unwrap_or(pod.spec.termination_grace_period);
    if pod.node_name.is_empty() || pod.is_terminal() {
        period = 0;
    }
    if period < 0 {
        period = 1;
    }
    meta.deletion_timestamp = Some(now.plus_secs(period));
    meta.deletion_grace_period = Some(period);
    meta.generation += i64::from(meta.generation > 0);
    if period == 0 { Step::Remove } else { Step::Wait }
}

fn shorten_grace(meta: &mut Metadata, deletion: Timestamp, requested: Option<i64>, now: Timestamp) -> Step {
    let granted = meta.deletion_grace_period.unwrap_or(0);
    if granted == 0 {
        return Step::Remove;
    }
    let Some(requested) = requested.map(|period| if period < 0 { 1 } else { period }) else { return Step::Nothing };
    if requested >= granted {
        return Step::Nothing;
    }
    let asked = deletion.plus_secs(-granted);
    let (due, period) = match asked.plus_secs(requested) {
        due if due >= now => (due, requested),
        _ if requested == 0 => (now, 0),
        _ => (now, 1),
    };
    meta.deletion_timestamp = Some(due);
    meta.deletion_grace_period = Some(period);
    if period == 0 { Step::Remove } else { Step::Wait }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{PodPhase, PodSpec, PodStatus};

    fn pod(node: &str, phase: PodPhase, grace: i64) -> Pod {
        Pod {
            meta: Metadata { name: Name::new("web"), generation: 1, ..Metadata::default() },
            spec: Arc::new(PodSpec { termination_grace_period: grace, ..PodSpec::default() }),
            node_name: Name::new(node),
            status: Arc::new(PodStatus { phase, ..PodStatus::default() }),
        }
    }

    #[test]
    fn the_first_delete_grants_a_grace() {
        // control-plane.md 1.15, `TestCheckGracefulDelete`.
        let check = |pod: Pod, requested: Option<i64>, granted: i64, step: Step| {
            let mut meta = pod.meta.clone();
            assert_eq!(grant_grace(&mut meta, &pod, requested, Timestamp::from_unix_secs(100)), step);
            assert_eq!(meta.deletion_grace_period, Some(granted));
            assert_eq!(meta.deletion_timestamp, Some(Timestamp::from_unix_secs(100 + granted)));
            assert_eq!(meta.generation, 2);
        };
        check(pod("n", PodPhase::Running, 30), None, 30, Step::Wait);
        check(pod("n", PodPhase::Running, 30), Some(5), 5, Step::Wait);
        check(pod("n", PodPhase::Running, 30), Some(60), 60, Step::Wait);
        check(pod("n", PodPhase::Running, 30), Some(0), 0, Step::Remove);
        check(pod("n", PodPhase::Running, -4), None, 1, Step::Wait);
        check(pod("", PodPhase::Pending, 30), None, 0, Step::Remove);
        check(pod("n", PodPhase::Failed, 30), Some(10), 0, Step::Remove);
    }

    #[test]
    fn later_deletes_only_shorten() {
        // (requested, seconds since the first delete, what is then granted, due at, step); granted first: 30 at 100.
        let cases = [
            (None, 5, 30, 130, Step::Nothing),
            (Some(30), 5, 30, 130, Step::Nothing),
            (Some(60), 5, 30, 130, Step::Nothing),
            (Some(10), 5, 10, 110, Step::Wait),
            (Some(10), 15, 1, 115, Step::Wait),
            (Some(0), 15, 0, 115, Step::Remove),
        ];
        for (requested, later, granted, due, step) in cases {
            let mut meta = Metadata {
                deletion_timestamp: Some(Timestamp::from_unix_secs(130)),
                deletion_grace_period: Some(30),
                ..Metadata::default()
            };
            let now = Timestamp::from_unix_secs(100 + later);
            let deletion = Timestamp::from_unix_secs(130);
            assert_eq!(shorten_grace(&mut meta, deletion, requested, now), step, "{requested:?} after {later} s");
            assert_eq!(meta.deletion_grace_period, Some(granted));
            assert_eq!(meta.deletion_timestamp, Some(Timestamp::from_unix_secs(due)));
        }
    }
}
