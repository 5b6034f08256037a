//! Deployments: ReplicaSets that come and go with the template.
//!
//! Follows `pkg/controller/deployment` of Kubernetes 1.36: the sync here; [`rollout`] step by step or all at once;
//! [`scale`] of several ReplicaSets in proportion; [`revision`]s, their names and their history; [`status`] and
//! progress. Left out on purpose: the rollback annotation of `extensions/v1beta1`; kubectl patches the template.

mod revision;
mod rollout;
mod scale;
mod status;

pub(crate) use revision::revision_of;
pub(super) use revision::template_hash;

use super::flow::{Desk, Flow, Halt, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::work_queue::{Key, Retry};
use crate::api::{
    Amendment, Deployment, DeploymentStrategy, EventType, Id, Kind, Name, Object, OwnerReference, Part, Pod,
    ReplicaSet, Request, Target, Uid,
};
use std::sync::Arc;

/// A key that failed so often is dropped.
const MOST_RETRIES: u32 = 15;

/// The controller of Deployments.
#[derive(Debug, Clone)]
pub struct DeploymentController;

/// What one sync sees.
#[derive(Debug, Clone)]
pub struct View {
    deployment: Arc<Deployment>,
    /// Its ReplicaSets, oldest first.
    sets: Vec<Arc<ReplicaSet>>,
    /// ReplicaSets without a controller that its selector matches.
    adopt: Vec<Arc<ReplicaSet>>,
    /// The sets that have a pod which has not finished.
    running: Vec<Uid>,
}

/// The sets of a Deployment: the one of the present template, and the others, oldest first.
#[derive(Debug, Clone, Default)]
struct Sets {
    new: Option<Arc<ReplicaSet>>,
    old: Vec<Arc<ReplicaSet>>,
}

impl Sets {
    fn all(&self) -> impl Iterator<Item = &Arc<ReplicaSet>> {
        self.old.iter().chain(&self.new)
    }

    /// The replicas that all sets together want.
    fn wanted(&self) -> i32 {
        wanted(self.all())
    }
}

fn wanted<'a>(sets: impl IntoIterator<Item = &'a Arc<ReplicaSet>>) -> i32 {
    sets.into_iter().map(|set| set.spec.replicas).sum()
}

fn available<'a>(sets: impl IntoIterator<Item = &'a Arc<ReplicaSet>>) -> i32 {
    sets.into_iter().map(|set| set.status.available_replicas).sum()
}

/// Oldest first.
fn by_age(set: &Arc<ReplicaSet>) -> (crate::api::Timestamp, Name) {
    (set.meta.creation_timestamp, set.meta.name)
}

impl Controller for DeploymentController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest =
        Interest::in_kinds(&[Kind::Deployment, Kind::ReplicaSet, Kind::Pod]).once_there_was(&[Kind::Deployment]);

    fn settings(&self) -> Settings {
        Settings { retry: Retry::DEFAULT.at_most(MOST_RETRIES), ..Settings::new("deployment-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        match seen.new {
            Object::Deployment(deployment) => desk.queue.add(Key::of(&deployment.meta)),
            Object::ReplicaSet(set) => set_changed(seen, set, desk),
            Object::Pod(pod) if seen.is_deletion() => pod_deleted(seen, pod, desk),
            _ => {}
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, _desk: &mut Desk<Key>) -> Option<View> {
        let store = informers.store();
        let deployment = store.deployments.find(key.namespace, key.name)?.clone();
        let mut sets = informers.controlled::<ReplicaSet>(deployment.meta.uid);
        sets.sort_by_key(by_age);
        let adopt = informers
            .uncontrolled(Kind::ReplicaSet, key.namespace)
            .filter_map(|place| store.replica_sets.get(Id::new(place)).cloned())
            .filter(|set| !set.meta.is_terminating() && deployment.spec.selector.matches(&set.meta.labels))
            .filter(|_| !deployment.meta.is_terminating())
            .collect();
        let mut running = Vec::new();
        if deployment.spec.strategy == DeploymentStrategy::Recreate {
            let runs =
                |set: &&Arc<ReplicaSet>| informers.list_pods_of(set.meta.uid).iter().any(|pod| !pod.is_terminal());
            running = sets.iter().filter(runs).map(|set| set.meta.uid).collect();
        }
        Some(View { deployment, sets, adopt, running })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let mut work = Work { deployment: Deployment::clone(&view.deployment), running: &view.running, flow };
        if view.deployment.spec.selector.is_empty() {
            let about = work.reference();
            let message = "This deployment is selecting all pods. A non-empty selector is required.";
            work.flow.tell(about, EventType::Warning, "SelectingAll", message);
            return Ok(());
        }
        let sets = work.adopt(&view.sets, &view.adopt)?;
        work.sync(&sets)
    }
}

/// A sync under way: the Deployment as changed so far, and what it is done with.
struct Work<'a, 'b> {
    deployment: Deployment,
    running: &'a [Uid],
    flow: &'a mut Flow<'b, Key>,
}

impl Work<'_, '_> {
    fn sync(&mut self, sets: &[Arc<ReplicaSet>]) -> Step {
        if self.deployment.meta.is_terminating() {
            let sets = self.revise(sets, false)?;
            return self.write_status(&sets);
        }
        self.note_pause()?;
        if self.deployment.spec.paused || self.is_scaled(sets)? {
            return self.sync_scale(sets);
        }
        match self.deployment.spec.strategy {
            DeploymentStrategy::Recreate => self.recreate(sets),
            DeploymentStrategy::RollingUpdate { .. } => self.roll(sets),
        }
    }

    /// Whether somebody changed the number of replicas (`isScalingEvent`). To find that out the revisions are brought
    /// up to date, and what was found before is then out of date: where a set gets a new revision, as in a rollback,
    /// the rest of the sync loses to this write.
    fn is_scaled(&mut self, sets: &[Arc<ReplicaSet>]) -> Step<bool> {
        let sets = self.revise(sets, false)?;
        let mut active = sets.all().filter(|set| set.spec.replicas > 0);
        let wanted = self.deployment.spec.replicas;
        Ok(active.any(|set| revision::desired_replicas(set).is_some_and(|desired| desired != wanted)))
    }

    fn reference(&self) -> crate::api::ObjectReference {
        Object::Deployment(Arc::new(self.deployment.clone())).reference()
    }

    fn owner_reference(&self) -> OwnerReference {
        Object::Deployment(Arc::new(self.deployment.clone())).controller_reference()
    }

    /// Takes in the ReplicaSets that nobody controls.
    fn adopt(&mut self, owned: &[Arc<ReplicaSet>], orphans: &[Arc<ReplicaSet>]) -> Step<Vec<Arc<ReplicaSet>>> {
        let mut sets = owned.to_vec();
        if orphans.is_empty() {
            return Ok(sets);
        }
        let meta = &self.deployment.meta;
        let (namespace, name, uid) = (meta.namespace, meta.name, meta.uid);
        let fresh = self.flow.get(Target { kind: Kind::Deployment, namespace, name })??;
        if fresh.meta().uid != uid || fresh.meta().is_terminating() {
            return Err(Halt::failure(format!("{namespace}/{name} is gone or being deleted")));
        }
        let owner = self.owner_reference();
        for set in orphans {
            let target = Target { kind: Kind::ReplicaSet, namespace, name: set.meta.name };
            let amendment = || Amendment::AddOwner(owner.clone());
            let request = || Request::Amend { target, uid: Some(set.meta.uid), amendment: amendment() };
            if let Ok(Object::ReplicaSet(adopted)) = self.flow.call(request)? {
                sets.push(adopted);
            }
        }
        sets.sort_by_key(by_age);
        Ok(sets)
    }

    /// Writes the Deployment's status as it is now, with its annotations. The version stays that of the informer, so
    /// a second write in the same sync loses, as it does in reality.
    fn put_status(&mut self) -> Step {
        let deployment = &self.deployment;
        self.flow.call(|| Request::Update {
            object: Object::Deployment(Arc::new(deployment.clone())),
            part: Part::Status,
        })??;
        Ok(())
    }
}

fn set_changed(seen: &Seen<'_>, set: &Arc<ReplicaSet>, desk: &mut Desk<Key>) {
    let owner = set.meta.controller();
    if let Some((Some(old), _)) = seen.of::<ReplicaSet>()
        && !seen.is_deletion()
        && old.meta.controller() != owner
        && let Some(key) = old.meta.controller().and_then(|owner| resolve(owner, set.meta.namespace, seen.informers))
    {
        desk.queue.add(key);
    }
    match owner {
        Some(owner) => {
            if let Some(key) = resolve(owner, set.meta.namespace, seen.informers) {
                desk.queue.add(key);
            }
        }
        None if seen.is_deletion() => {}
        None => {
            for deployment in seen.informers.store().deployments.iter() {
                let selector = &deployment.spec.selector;
                let same = deployment.meta.namespace == set.meta.namespace;
                if same && !selector.is_empty() && selector.matches(&set.meta.labels) {
                    desk.queue.add(Key::of(&deployment.meta));
                }
            }
        }
    }
}

/// The last pod of a Deployment that replaces all at once is gone: now the new ones may come.
fn pod_deleted(seen: &Seen<'_>, pod: &Pod, desk: &mut Desk<Key>) {
    let Some(owner) = pod.meta.controller().filter(|owner| owner.kind == Kind::ReplicaSet.as_str()) else { return };
    let store = seen.informers.store();
    let Some(set) = store.replica_sets.find(pod.meta.namespace, owner.name) else { return };
    let Some(owner) = set.meta.controller().filter(|_| set.meta.uid == owner.uid) else { return };
    let Some(deployment) = store.deployments.find(pod.meta.namespace, owner.name) else { return };
    if deployment.meta.uid != owner.uid || deployment.spec.strategy != DeploymentStrategy::Recreate {
        return;
    }
    let sets = seen.informers.controlled::<ReplicaSet>(deployment.meta.uid);
    let pods = |set: &Arc<ReplicaSet>| seen.informers.pods_of(set.meta.uid).map_or(0, |owned| owned.pods.len());
    if sets.iter().map(pods).sum::<usize>() == 0 {
        desk.queue.add(Key::of(&deployment.meta));
    }
}

fn resolve(owner: &OwnerReference, namespace: Name, informers: &Informers) -> Option<Key> {
    if owner.kind != Kind::Deployment.as_str() {
        return None;
    }
    let deployment = informers.store().deployments.find(namespace, owner.name)?;
    (deployment.meta.uid == owner.uid).then(|| Key::of(&deployment.meta))
}
