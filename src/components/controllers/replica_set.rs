//! ReplicaSets and ReplicationControllers: as many pods as wanted, no matter which.
//!
//! Follows `pkg/controller/replicaset/replica_set.go` of Kubernetes 1.36.

use super::flow::{Desk, Flow, Halt, Step, first_error};
use super::host::{Controller, Seen, Settings};
use super::informers::{Census, Informers, OwnedPods};
use super::interest::Interest;
use super::pod_control::{self, Among, Claims, Owner};
use super::victims;
use super::work_queue::Key;
use crate::api::{
    ApiError, ApiObject, Condition, ConditionStatus, FastMap, Kind, Labels, Name, Object, OwnerReference, Part, Pod,
    ReplicaSet, ReplicaSetSpec, ReplicaSetStatus, ReplicationController, Request, Selector, Target, Timestamp, Uid,
    WallTime, set_condition,
};
use crate::engine::SimDuration;
use crate::planted::{self, Bug};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

/// So many pods at most are created or deleted in one sync.
const BURST: usize = 500;

/// A kind that keeps a number of pods.
pub trait Replicating: ApiObject + Debug {
    /// How the controller signs its events.
    const COMPONENT: &'static str;
    /// Kinds that are guarded against a stale cache.
    const GUARDED: &'static [Kind];
    /// Whether terminating pods are counted in the status.
    const COUNTS_TERMINATING: bool;
    /// What is wanted.
    fn spec(&self) -> &ReplicaSetSpec;
    /// What there is.
    fn status(&self) -> &ReplicaSetStatus;
    /// What there is, to change.
    fn status_mut(&mut self) -> &mut ReplicaSetStatus;
}

impl Replicating for ReplicaSet {
    const COMPONENT: &'static str = "replicaset-controller";
    const GUARDED: &'static [Kind] = &[Kind::Pod, Kind::ReplicaSet];
    const COUNTS_TERMINATING: bool = true;
    fn spec(&self) -> &ReplicaSetSpec {
        &self.spec
    }
    fn status(&self) -> &ReplicaSetStatus {
        &self.status
    }
    fn status_mut(&mut self) -> &mut ReplicaSetStatus {
        &mut self.status
    }
}

impl Replicating for ReplicationController {
    const COMPONENT: &'static str = "replication-controller";
    const GUARDED: &'static [Kind] = &[Kind::Pod, Kind::ReplicationController];
    const COUNTS_TERMINATING: bool = false;
    fn spec(&self) -> &ReplicaSetSpec {
        &self.spec
    }
    fn status(&self) -> &ReplicaSetStatus {
        &self.status
    }
    fn status_mut(&mut self) -> &mut ReplicaSetStatus {
        &mut self.status
    }
}

/// The controller of one such kind.
#[derive(Debug, Clone)]
pub struct ReplicaSetController<T>(PhantomData<fn() -> T>);

impl<T> Default for ReplicaSetController<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What one sync sees.
#[derive(Debug, Clone)]
pub struct View<T> {
    set: Arc<T>,
    /// Whether everything that was asked for before has been seen.
    settled: bool,
    census: Census,
    fully_labeled: i32,
    /// The active pods, where they have to be told apart.
    pods: Option<Vec<Arc<Pod>>>,
    claims: Claims,
    /// Active pods by node, of all sets with the same controller.
    ranks: FastMap<Name, i32>,
}

/// What is to be done about the number of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manage {
    Nothing,
    Create(usize),
    Delete(usize),
}

fn manage(active: i32, replicas: i32) -> Manage {
    match replicas - active {
        0 => Manage::Nothing,
        missing if missing > 0 => Manage::Create((missing as usize).min(BURST)),
        surplus => Manage::Delete((surplus.unsigned_abs() as usize).min(BURST)),
    }
}

impl<T: Replicating> Controller for ReplicaSetController<T> {
    type Key = Key;
    type View = View<T>;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Pod, T::KIND]).once_there_was(&[T::KIND]);

    fn settings(&self) -> Settings {
        Settings { guarded: T::GUARDED, ..Settings::new(T::COMPONENT) }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        if let Some((old, new)) = seen.of::<Pod>() {
            self.pod_changed(seen, old, new, desk);
        } else if let Some((old, new)) = seen.of::<T>() {
            let key = Key::of(new.meta());
            if seen.is_deletion() || old.is_some_and(|old| old.meta().uid != new.meta().uid) {
                desk.expectations.forget(key);
            }
            desk.queue.add(key);
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, desk: &mut Desk<Key>) -> Option<View<T>> {
        let Some(set) = T::table(informers.store()).find(key.namespace, key.name) else {
            desk.expectations.forget(key);
            return None;
        };
        let (meta, spec) = (set.meta(), set.spec());
        let none = OwnedPods::default();
        let owned = informers.pods_of(meta.uid).unwrap_or(&none);
        let orphans = informers.orphans(meta.namespace, &spec.selector);
        let strays = owned.by_labels.iter().any(|(labels, _)| !spec.selector.matches(labels));
        let mut view = View {
            set: set.clone(),
            settled: desk.expectations.are_met(desk.now, key),
            census: owned.census,
            fully_labeled: fully_labeled(owned, &spec.template.labels),
            pods: None,
            claims: Claims::default(),
            ranks: FastMap::default(),
        };
        let surplus = view.census.active - spec.replicas;
        if strays || !orphans.is_empty() || spec.min_ready_seconds > 0 || surplus > 0 {
            let pods = informers.pods_at(&owned.pods);
            view.claims = Claims::decide(meta, &spec.selector, (&pods, &orphans), Among::Active);
            view.pods = Some(pods);
        }
        // Also pods that it adopts may be too many.
        if spec.replicas > 0 && (surplus > 0 || !view.claims.is_empty()) {
            view.ranks = ranks(informers, set);
        }
        Some(view)
    }

    fn pods_seen(view: &View<T>) -> Option<&[Arc<Pod>]> {
        view.pods.as_deref()
    }

    fn sync(&mut self, view: &View<T>, flow: &mut Flow<'_, Key>) -> Step {
        let owner = Owner::of(&view.set);
        let (spec, meta) = (view.set.spec(), view.set.meta());
        let mut active = active_pods(view);
        let mut census = view.census;
        let mut labeled = view.fully_labeled;
        if !view.claims.is_empty() {
            let adopted = view.claims.carry_out(&owner, T::KIND, flow)?;
            let pods = active.get_or_insert_default();
            pods.retain(|pod| spec.selector.matches(&pod.meta.labels));
            pods.extend(adopted);
            let terminating = census.terminating;
            census = Census { terminating, ..Census::of(pods.iter()) };
            labeled = pods.iter().filter(|pod| spec.template.labels.all_in(&pod.meta.labels)).count() as i32;
        }
        let mut failure = None;
        if view.settled && !meta.is_terminating() {
            failure = match manage(census.active, spec.replicas) {
                Manage::Nothing => None,
                Manage::Create(count) => create(&owner, view.set.as_ref(), count, flow)?,
                Manage::Delete(count) => {
                    delete(&owner, active.as_deref().unwrap_or_default(), count, &view.ranks, flow)?
                }
            };
        }
        let now = flow.wall();
        let counts = Counts {
            census,
            fully_labeled: labeled,
            available: available(active.as_deref(), census, spec.min_ready_seconds, now),
        };
        let status = status(view.set.as_ref(), counts, failure.as_ref(), now.truncated());
        let status = update_status(&view.set, status, flow)?;
        if let Some(failure) = failure {
            return Err(Halt::Fails(failure.error));
        }
        if spec.min_ready_seconds > 0 && status.ready_replicas != status.available_replicas {
            let next = active.as_ref().and_then(|pods| pod_control::next_available(pods, spec.min_ready_seconds, now));
            flow.again_after(next.unwrap_or(SimDuration::from_secs(spec.min_ready_seconds as u64)));
        }
        Ok(())
    }
}

impl<T: Replicating> ReplicaSetController<T> {
    fn pod_changed(&self, seen: &Seen<'_>, old: Option<&Arc<Pod>>, new: &Arc<Pod>, desk: &mut Desk<Key>) {
        let owner = new.meta.controller();
        if let Some(before) = old
            && !seen.is_deletion()
            && before.meta.controller() != owner
            && let Some(set) = before.meta.controller().and_then(|owner| resolve::<T>(owner, &before.meta, seen))
        {
            desk.queue.add(Key::of(set.meta()));
        }
        match owner {
            Some(owner) => {
                let Some(set) = resolve::<T>(owner, &new.meta, seen) else { return };
                let key = Key::of(set.meta());
                if seen.is_deletion() || new.meta.is_terminating() {
                    desk.expectations.deletion_of_observed(key, new.meta.uid);
                } else if old.is_none() {
                    desk.expectations.creation_observed(key);
                } else if old.is_some_and(|old| !old.status.is_ready()) && new.status.is_ready() {
                    let min_ready = set.spec().min_ready_seconds;
                    if min_ready > 0 {
                        // A second more, because stored times have lost their fraction.
                        desk.queue.add_after(desk.now, SimDuration::from_secs(min_ready as u64 + 1), key);
                    }
                }
                desk.queue.add(key);
            }
            None if seen.is_deletion() || new.meta.is_terminating() => {}
            None => {
                let relabeled = old.is_none_or(|old| old.meta.labels != new.meta.labels || is_owned(old));
                if relabeled {
                    wake_adopters::<T>(seen.informers, new, desk);
                }
            }
        }
    }
}

fn is_owned(pod: &Pod) -> bool {
    pod.meta.controller().is_some()
}

/// The set that an owner reference means, if it is this incarnation.
fn resolve<'a, T: Replicating>(
    owner: &OwnerReference,
    meta: &crate::api::Metadata,
    seen: &Seen<'a>,
) -> Option<&'a Arc<T>> {
    if owner.kind != T::KIND.as_str() {
        return None;
    }
    let set = T::table(seen.informers.store()).find(meta.namespace, owner.name)?;
    (set.meta().uid == owner.uid).then_some(set)
}

fn wake_adopters<T: Replicating>(informers: &Informers, pod: &Pod, desk: &mut Desk<Key>) {
    for set in T::table(informers.store()).iter() {
        if set.meta().namespace == pod.meta.namespace && selects(&set.spec().selector, &pod.meta.labels) {
            desk.queue.add(Key::of(set.meta()));
        }
    }
}

fn selects(selector: &Selector, labels: &Labels) -> bool {
    !selector.is_empty() && selector.matches(labels)
}

fn fully_labeled(owned: &OwnedPods, labels: &Labels) -> i32 {
    owned.by_labels.iter().filter(|(have, _)| labels.all_in(have)).map(|(_, count)| count).sum()
}

/// How many active pods of sets with the same controller each node has.
fn ranks<T: Replicating>(informers: &Informers, set: &Arc<T>) -> FastMap<Name, i32> {
    let mut ranks = FastMap::default();
    let mut count = |owner: Uid| {
        for pod in informers.list_pods_of(owner).iter().filter(|pod| pod.is_active()) {
            *ranks.entry(pod.node_name).or_insert(0) += 1;
        }
    };
    match set.meta().controller() {
        None => count(set.meta().uid),
        Some(controller) => {
            for sibling in informers.controlled::<T>(controller.uid) {
                count(sibling.meta().uid);
            }
        }
    }
    ranks
}

fn active_pods<T>(view: &View<T>) -> Option<Vec<Arc<Pod>>> {
    let pods = view.pods.as_ref()?;
    Some(pods.iter().filter(|pod| pod.is_active()).cloned().collect())
}

/// What went wrong while pods were created or deleted.
#[derive(Debug, Clone)]
struct Failure {
    reason: &'static str,
    error: Box<ApiError>,
}

fn create<T: Replicating>(owner: &Owner, set: &T, count: usize, flow: &mut Flow<'_, Key>) -> Step<Option<Failure>> {
    if !planted::is(Bug::ExpectationsIgnored) {
        flow.expect(count, 0);
    }
    let pod = || owner.create(owner.pod(&set.spec().template));
    let responses = flow.slow_start(|| (0..count).map(|_| pod()).collect())?;
    let created = responses.iter().filter(|response| response.is_ok()).count();
    if created < count {
        flow.expect_less(count - created, 0);
    }
    let error = first_error(&responses).filter(|error| error.reason != crate::api::ErrorReason::NamespaceTerminating);
    Ok(error.map(|error| Failure { reason: "FailedCreate", error }))
}

fn delete(
    owner: &Owner,
    active: &[Arc<Pod>],
    count: usize,
    ranks: &FastMap<Name, i32>,
    flow: &mut Flow<'_, Key>,
) -> Step<Option<Failure>> {
    let victims = choose(active, count, ranks, flow.wall());
    flow.expect_deletions_of(victims.iter().map(|pod| pod.meta.uid));
    let responses = flow.all(|| victims.iter().map(|pod| owner.delete(pod)).collect())?;
    let mut failed = None;
    for (pod, response) in victims.iter().zip(&responses) {
        if let Err(error) = response {
            flow.expect_no_deletion_of(pod.meta.uid);
            if error.reason != crate::api::ErrorReason::NotFound {
                failed.get_or_insert_with(|| error.clone());
            }
        }
    }
    Ok(failed.map(|error| Failure { reason: "FailedDelete", error }))
}

/// The pods to delete (`getPodsToDelete`).
fn choose(active: &[Arc<Pod>], count: usize, ranks: &FastMap<Name, i32>, now: WallTime) -> Vec<Arc<Pod>> {
    if count >= active.len() {
        return active.to_vec();
    }
    let rank = |pod: &Arc<Pod>| (pod.clone(), ranks.get(&pod.node_name).copied().unwrap_or(0));
    let mut ranked: Vec<_> = active.iter().map(rank).collect();
    victims::sort_by_rank(&mut ranked, now);
    ranked.into_iter().take(count).map(|(pod, _)| pod).collect()
}

/// What is counted of the pods before any were created or deleted.
#[derive(Debug, Clone, Copy)]
struct Counts {
    census: Census,
    fully_labeled: i32,
    available: i32,
}

fn available(active: Option<&[Arc<Pod>]>, census: Census, min_ready: i32, now: WallTime) -> i32 {
    match active {
        Some(pods) if min_ready > 0 => {
            pods.iter().filter(|pod| pod_control::is_available(pod, min_ready, now)).count() as i32
        }
        _ => census.ready,
    }
}

fn status<T: Replicating>(set: &T, counts: Counts, failure: Option<&Failure>, now: Timestamp) -> ReplicaSetStatus {
    let failed = Name::new("ReplicaFailure");
    let mut status = set.status().clone();
    let is_failed = status.conditions.iter().any(|condition| condition.kind == failed);
    match failure {
        Some(failure) if !is_failed => {
            let condition = Condition::new(failed, ConditionStatus::True, now);
            set_condition(&mut status.conditions, condition.because(failure.reason, failure.error.message.clone()));
        }
        None if is_failed => status.conditions.retain(|condition| condition.kind != failed),
        Some(_) | None => {}
    }
    status.replicas = counts.census.active;
    status.fully_labeled_replicas = counts.fully_labeled;
    status.ready_replicas = counts.census.ready;
    status.available_replicas = counts.available;
    status.terminating_replicas = T::COUNTS_TERMINATING.then_some(counts.census.terminating);
    status
}

/// Writes the status unless it says nothing new; once more on the newest version if that fails.
fn update_status<T: Replicating>(
    set: &Arc<T>,
    mut status: ReplicaSetStatus,
    flow: &mut Flow<'_, Key>,
) -> Step<ReplicaSetStatus> {
    let generation = set.meta().generation;
    if status == *set.status() && set.status().observed_generation == generation {
        return Ok(status);
    }
    status.observed_generation = generation;
    let with_status = |version: &Arc<T>| {
        let mut changed = T::clone(version);
        *changed.status_mut() = status.clone();
        Request::Update { object: T::wrap(Arc::new(changed)), part: Part::Status }
    };
    let Err(error) = flow.call(|| with_status(set))? else { return Ok(status) };
    let target = Target { kind: T::KIND, namespace: set.meta().namespace, name: set.meta().name };
    let fresh: Object = match flow.get(target)? {
        Ok(fresh) => fresh,
        Err(_) => return Err(Halt::Fails(error)),
    };
    flow.call(|| with_status(T::unwrap(&fresh).expect("the kind stays")))??;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_creates_or_deletes_at_most_five_hundred() {
        // `TestControllerBurstReplicas`.
        let cases = [
            (3, 3, Manage::Nothing),
            (0, 4, Manage::Create(4)),
            (0, 900, Manage::Create(500)),
            (4, 1, Manage::Delete(3)),
            (900, 0, Manage::Delete(500)),
        ];
        for (active, replicas, expected) in cases {
            assert_eq!(manage(active, replicas), expected);
        }
    }
}
