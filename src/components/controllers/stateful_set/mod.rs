//! StatefulSets: pods with names and claims of their own, one after the other.
//!
//! Follows `pkg/controller/statefulset` of Kubernetes 1.36: the sync here; [`scale`] makes and takes away pods and
//! updates them; [`identity`] is what belongs to an ordinal; [`claims`] are its volumes.
//! `MaxUnavailableStatefulSet` is off, as by default.

mod claims;
mod identity;
mod scale;

pub(crate) use identity::{ordinal as stateful_set_ordinal, revision as stateful_set_revision};

use super::flow::{Desk, Flow, Step};
use super::history::{History, REVISION_NAME_HASH, Recorded};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::pod_control::{self, Among, Claims, Owner};
use super::work_queue::Key;
use crate::api::{
    ControllerRevision, ErrorReason, EventType, FastMap, Kind, Name, Object, OwnerReference, Part,
    PersistentVolumeClaim, Pod, Request, Response, StatefulSet, StatefulSetStatus, StatefulSetUpdateStrategy, Target,
};
use crate::engine::SimDuration;
use std::collections::BTreeSet;
use std::sync::Arc;

/// So often a status that lost to another write is written again.
const STATUS_ATTEMPTS: u32 = 5;

/// The controller of StatefulSets.
#[derive(Debug, Clone)]
pub struct StatefulSetController;

/// What one sync sees.
#[derive(Debug, Clone)]
pub struct View {
    set: Arc<StatefulSet>,
    pods: Vec<Arc<Pod>>,
    claims: Claims,
    revisions: Vec<Arc<ControllerRevision>>,
    /// The ordinals whose claims are looked at, and those of their claims that there are.
    claimants: BTreeSet<i32>,
    volumes: FastMap<Name, Arc<PersistentVolumeClaim>>,
}

impl Controller for StatefulSetController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::StatefulSet, Kind::Pod]).once_there_was(&[Kind::StatefulSet]);

    fn settings(&self) -> Settings {
        Settings { guarded: &[Kind::Pod, Kind::StatefulSet], ..Settings::new("statefulset-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        if let Some((old, pod)) = seen.of::<Pod>() {
            pod_changed(seen, old, pod, desk);
        } else if let Object::StatefulSet(set) = seen.new {
            desk.queue.add(Key::of(&set.meta));
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, _desk: &mut Desk<Key>) -> Option<View> {
        let store = informers.store();
        let set = store.stateful_sets.find(key.namespace, key.name)?;
        let mut pods = informers.list_pods_of(set.meta.uid);
        pods.retain(|pod| identity::ordinal(set, pod.meta.name).is_some());
        let mut orphans = informers.orphans(key.namespace, &set.spec.selector);
        orphans.retain(|pod| identity::ordinal(set, pod.meta.name).is_some());
        let claims = Claims::decide(&set.meta, &set.spec.selector, (&pods, &orphans), Among::All);
        let find = |name| store.persistent_volume_claims.find(key.namespace, name).cloned();
        let claimants = claims::looked_at(set, &pods, find);
        let named = |name| find(name).map(|claim| (name, claim));
        let volumes =
            claimants.iter().flat_map(|ordinal| claims::claim_names(set, *ordinal)).filter_map(named).collect();
        let revisions = informers.controlled::<ControllerRevision>(set.meta.uid);
        Some(View { set: set.clone(), pods, claims, revisions, claimants, volumes })
    }

    fn pods_seen(view: &View) -> Option<&[Arc<Pod>]> {
        Some(&view.pods)
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let set = &view.set;
        if set.spec.selector.is_empty() {
            return Ok(());
        }
        let owner = Owner::of(set);
        let mut pods = view.pods.clone();
        if !view.claims.is_empty() {
            pods.retain(|pod| !view.claims.release.iter().any(|lost| lost.meta.uid == pod.meta.uid));
            pods.extend(view.claims.carry_out(&owner, Kind::StatefulSet, flow)?);
        }
        let history = record(set, &owner, &view.revisions, flow)?;
        let current = history.revisions.iter().find(|revision| revision.meta.name == set.status.current_revision);
        let current = current.unwrap_or(&history.update).clone();
        let (status, problem) = scale::Work::new(view, &owner, &current, &history.update, pods.clone()).run(flow)?;
        write_status(set, status.clone(), flow)?;
        if let Some(problem) = problem {
            return Err(problem.into());
        }
        let mut live: BTreeSet<Name> = pods.iter().filter_map(|pod| identity::revision(pod)).collect();
        live.extend([current.meta.name, history.update.meta.name]);
        history.truncate(set.spec.revision_history_limit, &live, flow)?;
        if set.spec.min_ready_seconds > 0 && status.available_replicas != set.spec.replicas {
            let next = pod_control::next_available(&pods, set.spec.min_ready_seconds, flow.wall());
            if let Some(next) = next {
                flow.again_after(next);
            }
        }
        Ok(())
    }
}

/// The history with the present template; a name that is taken is noted in the status.
fn record(
    set: &Arc<StatefulSet>,
    owner: &Owner,
    revisions: &[Arc<ControllerRevision>],
    flow: &mut Flow<'_, Key>,
) -> Step<History> {
    let collisions = set.status.collision_count.unwrap_or(0);
    let recorded = Recorded {
        owner,
        template: &set.spec.template,
        annotations: &set.meta.annotations,
        hash_label: *REVISION_NAME_HASH,
        collisions,
    };
    recorded.history(revisions, flow, |flow| {
        let status = StatefulSetStatus { collision_count: Some(collisions + 1), ..set.status.clone() };
        write_status(set, status, flow)
    })
}

/// Writes the status unless it says nothing new; again if somebody else was faster.
fn write_status(set: &Arc<StatefulSet>, mut status: StatefulSetStatus, flow: &mut Flow<'_, Key>) -> Step {
    complete_update(set, &mut status);
    let mut version = set.clone();
    status.conditions.clone_from(&version.status.conditions);
    if status == version.status {
        return Ok(());
    }
    for _ in 0..STATUS_ATTEMPTS {
        let changed = StatefulSet { status: status.clone(), ..StatefulSet::clone(&version) };
        let object = Object::StatefulSet(Arc::new(changed));
        match flow.call(|| Request::Update { object, part: Part::Status })? {
            Ok(_) => return Ok(()),
            Err(error) if error.reason != ErrorReason::Conflict => return Err(error.into()),
            Err(_) => {}
        }
        let target = Target { kind: Kind::StatefulSet, namespace: set.meta.namespace, name: set.meta.name };
        version = super::flow::object(&flow.get(target)??);
    }
    Ok(())
}

/// Once every pod has the newest template, that is the current one (`completeRollingUpdate`).
fn complete_update(set: &StatefulSet, status: &mut StatefulSetStatus) {
    let replicas = set.spec.replicas;
    let rolls = matches!(set.spec.update_strategy, StatefulSetUpdateStrategy::RollingUpdate { .. });
    if rolls && status.updated_replicas == replicas && status.ready_replicas == replicas && status.replicas == replicas
    {
        status.current_replicas = status.updated_replicas;
        status.current_revision = status.update_revision;
    }
}

fn pod_changed(seen: &Seen<'_>, old: Option<&Arc<Pod>>, pod: &Arc<Pod>, desk: &mut Desk<Key>) {
    let owner = pod.meta.controller();
    if let Some(old) = old
        && !seen.is_deletion()
        && old.meta.controller() != owner
        && let Some(set) = old.meta.controller().and_then(|owner| resolve(owner, pod.meta.namespace, seen.informers))
    {
        desk.queue.add(Key::of(&set.meta));
    }
    let Some(owner) = owner else {
        let news = old.is_none_or(|old| old.meta.labels != pod.meta.labels || old.meta.controller().is_some());
        if !seen.is_deletion() && !pod.meta.is_terminating() && news {
            wake_adopters(seen.informers, pod, desk);
        }
        return;
    };
    let Some(set) = resolve(owner, pod.meta.namespace, seen.informers) else { return };
    let key = Key::of(&set.meta);
    desk.queue.add(key);
    let became_ready = old.is_some_and(|old| !old.status.is_ready()) && pod.status.is_ready();
    if became_ready && !seen.is_deletion() && set.spec.min_ready_seconds > 0 {
        desk.queue.add_after(desk.now, SimDuration::from_secs(set.spec.min_ready_seconds as u64 + 1), key);
    }
}

fn resolve<'a>(owner: &OwnerReference, namespace: Name, informers: &'a Informers) -> Option<&'a Arc<StatefulSet>> {
    if owner.kind != Kind::StatefulSet.as_str() {
        return None;
    }
    informers.store().stateful_sets.find(namespace, owner.name).filter(|set| set.meta.uid == owner.uid)
}

fn wake_adopters(informers: &Informers, pod: &Pod, desk: &mut Desk<Key>) {
    for set in informers.store().stateful_sets.iter().filter(|set| set.meta.namespace == pod.meta.namespace) {
        if !set.spec.selector.is_empty() && set.spec.selector.matches(&pod.meta.labels) {
            desk.queue.add(Key::of(&set.meta));
        }
    }
}

/// Tells what became of a pod (`recordPodEvent`).
fn tell(owner: &Owner, verb: &str, what: &str, response: &Response, flow: &mut Flow<'_, Key>) {
    let set = owner.reference.name;
    match response {
        Ok(_) => {
            let message = format!("{verb} {what} in StatefulSet {set} successful");
            flow.tell(owner.reference, EventType::Normal, &format!("Successful{verb}"), message);
        }
        Err(error) => {
            let message = format!("{verb} {what} in StatefulSet {set} failed error: {error}");
            flow.tell(owner.reference, EventType::Warning, &format!("Failed{verb}"), message);
        }
    }
}
