//! The history of templates that StatefulSets and DaemonSets keep, one ControllerRevision each.
//!
//! Follows `pkg/controller/history/controller_history.go` of Kubernetes 1.36.

use super::deployment::template_hash;
use super::flow::{Flow, Halt, Step, object};
use super::pod_control::Owner;
use super::work_queue::QueueKey;
use crate::api::{
    ControllerRevision, DeleteOptions, ErrorReason, Kind, Labels, Metadata, Name, Object, Part, PodTemplate, Request,
    Target, Text, names,
};
use std::collections::BTreeSet;
use std::sync::Arc;

names! {
    /// On pods and revisions: which template they are of.
    REVISION_HASH = "controller-revision-hash";
    /// On revisions: what their name is made from.
    REVISION_NAME_HASH = "controller.kubernetes.io/hash";
}

/// The revisions of an object, oldest first, and the one of its present template.
#[derive(Debug, Clone)]
pub struct History {
    /// All of them.
    pub revisions: Vec<Arc<ControllerRevision>>,
    /// That of the present template.
    pub update: Arc<ControllerRevision>,
}

/// What revisions of an object are made from.
pub struct Recorded<'a> {
    /// Whose they are.
    pub owner: &'a Owner,
    /// The present template.
    pub template: &'a Arc<PodTemplate>,
    /// Annotations of a new revision.
    pub annotations: &'a Labels,
    /// The label that tells revisions apart.
    pub hash_label: Name,
    /// How often a name was taken by another template.
    pub collisions: i32,
}

impl Recorded<'_> {
    /// Finds the revision of the present template, makes it the newest, or records it.
    ///
    /// # Errors
    /// Where it waits, or a write failed. A name that is taken counts as a failure: `collided` is told of it first.
    pub fn history<K: QueueKey>(
        &self,
        found: &[Arc<ControllerRevision>],
        flow: &mut Flow<'_, K>,
        collided: impl FnOnce(&mut Flow<'_, K>) -> Step,
    ) -> Step<History> {
        let mut revisions = found.to_vec();
        revisions.sort_by_key(|revision| (revision.revision, revision.meta.creation_timestamp, revision.meta.name));
        let next = revisions.last().map_or(1, |last| last.revision + 1);
        let same = |revision: &Arc<ControllerRevision>| same_template(&revision.template, self.template);
        let update = match revisions.iter().rposition(same) {
            Some(place) if place + 1 == revisions.len() => revisions[place].clone(),
            Some(place) => {
                let renewed =
                    ControllerRevision { revision: next, ..ControllerRevision::clone(&revisions.remove(place)) };
                let request = || Request::Update { object: wrap(renewed), part: Part::Main };
                let renewed = object::<ControllerRevision>(&flow.call(request)??);
                revisions.push(renewed.clone());
                renewed
            }
            None => {
                let created = self.create(next, flow, collided)?;
                revisions.push(created.clone());
                created
            }
        };
        Ok(History { revisions, update })
    }

    fn create<K: QueueKey>(
        &self,
        revision: i64,
        flow: &mut Flow<'_, K>,
        collided: impl FnOnce(&mut Flow<'_, K>) -> Step,
    ) -> Step<Arc<ControllerRevision>> {
        let hash = template_hash(self.template, Some(self.collisions));
        let reference = self.owner.reference;
        let name = Name::new(&format!("{}-{hash}", reference.name));
        let revision = ControllerRevision {
            meta: Metadata {
                name,
                namespace: reference.namespace,
                labels: self.template.labels.with(self.hash_label, hash),
                annotations: self.annotations.clone(),
                owner_references: vec![self.owner.owner.clone()].into(),
                ..Metadata::default()
            },
            revision,
            template: self.template.clone(),
            source: Text::default(),
        };
        match flow.call(|| Request::Create(wrap(revision)))? {
            Ok(created) => Ok(object(&created)),
            Err(error) if error.reason == ErrorReason::AlreadyExists => {
                let target = Target { kind: Kind::ControllerRevision, namespace: reference.namespace, name };
                let found = object::<ControllerRevision>(&flow.get(target)??);
                if same_template(&found.template, self.template) {
                    return Ok(found);
                }
                collided(flow)?;
                Err(Halt::Fails(error))
            }
            Err(error) => Err(Halt::Fails(error)),
        }
    }
}

impl History {
    /// Deletes the oldest revisions beyond a limit that nothing uses any more (`truncateHistory`).
    ///
    /// # Errors
    /// Where it waits, or a delete failed.
    pub fn truncate<K: QueueKey>(&self, limit: i32, live: &BTreeSet<Name>, flow: &mut Flow<'_, K>) -> Step {
        let unused: Vec<_> = self.revisions.iter().filter(|revision| !live.contains(&revision.meta.name)).collect();
        let surplus = unused.len().saturating_sub(limit.max(0) as usize);
        for revision in &unused[..surplus] {
            let meta = &revision.meta;
            let target = Target { kind: Kind::ControllerRevision, namespace: meta.namespace, name: meta.name };
            match flow.call(|| Request::Delete { target, options: DeleteOptions::default() })? {
                Err(error) if error.reason != ErrorReason::NotFound => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }
}

fn wrap(revision: ControllerRevision) -> Object {
    Object::ControllerRevision(Arc::new(revision))
}

fn same_template(a: &Arc<PodTemplate>, b: &Arc<PodTemplate>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}
