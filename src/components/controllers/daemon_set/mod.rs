//! DaemonSets: one pod on each node that should have one.
//!
//! Follows `pkg/controller/daemon` of Kubernetes 1.36: the sync here; which nodes should have a pod and what each is
//! missing in [`placement`]; how one template replaces another in [`update`]; what is counted in [`status`].

mod placement;
mod status;
mod update;

use super::flow::{Call, Desk, Flow, Halt, Step, first_error};
use super::history::{History, REVISION_HASH, Recorded};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::pod_control::{Among, Claims, Owner};
use super::work_queue::Key;
use crate::api::{
    ControllerRevision, DaemonSet, DaemonSetStatus, DaemonSetUpdateStrategy, ErrorReason, Kind, Name, Node, Object,
    OwnerReference, Part, Pod, Request, Target,
};
use crate::engine::SimDuration;
pub(crate) use placement::foreseen as foreseen_daemon_pod;
use placement::{Failures, Placement, Plan};
use status::Counts;
use std::collections::BTreeSet;
use std::sync::Arc;

/// So many pods at most are created, and as many deleted, in one sync.
const BURST: usize = 250;

/// The controller of DaemonSets.
#[derive(Debug, Clone, Default)]
pub struct DaemonSetController {
    failures: Failures,
}

/// What one sync sees: what is to be done, decided from what the informers know at each step.
#[derive(Debug, Clone)]
pub struct View {
    set: Arc<DaemonSet>,
    claims: Claims,
    revisions: Vec<Arc<ControllerRevision>>,
    hash: Name,
    settled: bool,
    plan: Plan,
    /// What the update is to do, once the plan was carried out; nothing while that is yet to be seen.
    rolling: Option<Plan>,
    counts: Option<Counts>,
}

impl Controller for DaemonSetController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest =
        Interest::in_kinds(&[Kind::DaemonSet, Kind::Pod, Kind::Node]).once_there_was(&[Kind::DaemonSet]);

    fn settings(&self) -> Settings {
        Settings { workers: 2, guarded: &[Kind::Pod, Kind::DaemonSet], ..Settings::new("daemonset-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        match seen.new {
            Object::Pod(pod) => pod_changed(seen, pod, desk),
            Object::DaemonSet(set) => {
                let key = Key::of(&set.meta);
                if seen.is_deletion() {
                    desk.expectations.forget(key);
                }
                desk.queue.add(key);
            }
            Object::Node(node) if !seen.is_deletion() => node_changed(seen, node, desk),
            _ => {}
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, desk: &mut Desk<Key>) -> Option<View> {
        let Some(set) = informers.store().daemon_sets.find(key.namespace, key.name) else {
            desk.expectations.forget(key);
            self.failures.forget(key);
            return None;
        };
        if set.meta.is_terminating() || set.spec.selector.is_empty() {
            return None;
        }
        let pods = informers.list_pods_of(set.meta.uid);
        let orphans = informers.orphans(key.namespace, &set.spec.selector);
        let revisions = informers.controlled::<ControllerRevision>(set.meta.uid);
        let hash = hash(set, &revisions);
        let settled = desk.expectations.are_met(desk.now, key);
        let mut view = View {
            set: set.clone(),
            claims: Claims::decide(&set.meta, &set.spec.selector, (&pods, &orphans), Among::All),
            revisions,
            hash,
            settled,
            plan: Plan::default(),
            rolling: None,
            counts: None,
        };
        if settled {
            let placement = Placement::new(set, hash, informers, desk);
            view.plan = placement.plan(key, &mut self.failures, desk);
        }
        Some(view)
    }

    fn look_again(&mut self, key: Key, view: &mut View, informers: &Informers, desk: &mut Desk<Key>) {
        let placement = Placement::new(&view.set, view.hash, informers, desk);
        if view.settled && view.rolling.is_none() {
            let rolls = matches!(view.set.spec.update_strategy, DaemonSetUpdateStrategy::RollingUpdate { .. });
            let goes_on = rolls && desk.expectations.are_met(desk.now, key);
            view.rolling = Some(if goes_on { update::plan(&placement) } else { Plan::default() });
        } else {
            view.counts = Some(status::count(&placement));
        }
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let set = &view.set;
        let owner = Owner::of(set);
        if !view.claims.is_empty() {
            view.claims.carry_out(&owner, Kind::DaemonSet, flow)?;
        }
        let history = record(set, &owner, &view.revisions, flow)?;
        let mut problem = None;
        if view.settled {
            for (kind, reason, message) in &view.plan.events {
                flow.tell(owner.reference, *kind, reason, message.clone());
            }
            problem = carry_out(&owner, set, view.hash, &view.plan, flow)?;
            if problem.is_none() {
                flow.look(view.rolling.is_some())?;
                let rolling = view.rolling.as_ref().expect("the view has looked");
                problem = carry_out(&owner, set, view.hash, rolling, flow)?;
                history.truncate(set.spec.revision_history_limit, &view.plan.hashes(&history), flow)?;
            } else {
                flow.look(view.rolling.is_some())?;
            }
        }
        flow.look(view.counts.is_some())?;
        let counts = view.counts.expect("the view has looked");
        write_status(set, counts, view.settled, flow)?;
        if let Some(problem) = problem {
            return Err(Halt::Fails(problem));
        }
        if set.spec.min_ready_seconds > 0 && counts.ready != counts.available {
            flow.again_after(SimDuration::from_secs(set.spec.min_ready_seconds as u64));
        }
        Ok(())
    }
}

/// The hash of the present template: that of its revision, or the one that the revision will get.
fn hash(set: &DaemonSet, revisions: &[Arc<ControllerRevision>]) -> Name {
    let same = revisions.iter().find(|revision| revision.template == set.spec.template);
    let known = same.and_then(|revision| revision.meta.labels.get(*REVISION_HASH));
    known.unwrap_or_else(|| super::deployment::template_hash(&set.spec.template, Some(collisions(set))))
}

fn collisions(set: &DaemonSet) -> i32 {
    set.status.collision_count.unwrap_or(0)
}

fn record(
    set: &Arc<DaemonSet>,
    owner: &Owner,
    revisions: &[Arc<ControllerRevision>],
    flow: &mut Flow<'_, Key>,
) -> Step<History> {
    let recorded = Recorded {
        owner,
        template: &set.spec.template,
        annotations: &set.meta.annotations,
        hash_label: *REVISION_HASH,
        collisions: collisions(set),
    };
    recorded.history(revisions, flow, |flow| {
        let status = DaemonSetStatus { collision_count: Some(collisions(set) + 1), ..set.status.clone() };
        put_status(set, status, flow)
    })
}

/// Creates and deletes pods (`syncNodes`); returns the first problem.
fn carry_out(
    owner: &Owner,
    set: &DaemonSet,
    hash: Name,
    plan: &Plan,
    flow: &mut Flow<'_, Key>,
) -> Step<Option<Box<crate::api::ApiError>>> {
    let create = &plan.create[..plan.create.len().min(BURST)];
    let delete = &plan.delete[..plan.delete.len().min(BURST)];
    if create.is_empty() && delete.is_empty() {
        return Ok(None);
    }
    flow.expect(create.len(), delete.len());
    let template = placement::template(set, hash);
    let make = |node: &Name| owner.create(placement::pod(owner, &template, *node));
    let created = flow.slow_start(|| create.iter().map(make).collect())?;
    let ends = |error: &crate::api::ApiError| error.reason == ErrorReason::NamespaceTerminating;
    let done = created.iter().filter(|r| r.as_ref().map_or_else(|error| ends(error), |_| true)).count();
    flow.expect_less(create.len() - done, 0);
    let deleted = flow.all(|| delete.iter().map(|pod| owner.delete(pod)).collect::<Vec<Call>>())?;
    let failed = deleted.iter().filter(|response| response.is_err()).count();
    flow.expect_less(0, failed);
    let gone = |error: &crate::api::ApiError| error.reason == ErrorReason::NotFound || ends(error);
    Ok(first_error(&created).filter(|error| !ends(error)).or(first_error(&deleted).filter(|error| !gone(error))))
}

/// Writes the status unless it says nothing new (`storeDaemonSetStatus`).
fn write_status(set: &Arc<DaemonSet>, counts: Counts, observed: bool, flow: &mut Flow<'_, Key>) -> Step {
    let generation = if observed { set.meta.generation } else { set.status.observed_generation };
    let status = counts.status(&set.status, generation);
    if status == set.status { Ok(()) } else { put_status(set, status, flow) }
}

fn put_status(set: &Arc<DaemonSet>, status: DaemonSetStatus, flow: &mut Flow<'_, Key>) -> Step {
    let with_status = |version: &Arc<DaemonSet>| {
        let changed = DaemonSet { status: status.clone(), ..DaemonSet::clone(version) };
        Request::Update { object: Object::DaemonSet(Arc::new(changed)), part: Part::Status }
    };
    let Err(error) = flow.call(|| with_status(set))? else { return Ok(()) };
    let target = Target { kind: Kind::DaemonSet, namespace: set.meta.namespace, name: set.meta.name };
    let Ok(fresh) = flow.get(target)? else { return Err(Halt::Fails(error)) };
    flow.call(|| with_status(&super::flow::object(&fresh)))??;
    Ok(())
}

fn pod_changed(seen: &Seen<'_>, pod: &Arc<Pod>, desk: &mut Desk<Key>) {
    let old = seen.of::<Pod>().and_then(|(old, _)| old);
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
        if !seen.is_deletion() && news {
            wake_adopters(seen.informers, pod, desk);
        }
        return;
    };
    let Some(set) = resolve(owner, pod.meta.namespace, seen.informers) else { return };
    let key = Key::of(&set.meta);
    if seen.is_deletion() || pod.meta.is_terminating() {
        desk.expectations.deletion_observed(key);
    } else if old.is_none() {
        desk.expectations.creation_observed(key);
    } else if old.is_some_and(|old| !old.status.is_ready()) && pod.status.is_ready() && set.spec.min_ready_seconds > 0 {
        desk.queue.add_after(desk.now, SimDuration::from_secs(set.spec.min_ready_seconds as u64 + 1), key);
    }
    desk.queue.add(key);
}

/// A new node, or one that fits otherwise than before, concerns the sets whose pods it should now have or lose.
fn node_changed(seen: &Seen<'_>, node: &Arc<Node>, desk: &mut Desk<Key>) {
    let old = seen.of::<Node>().and_then(|(old, _)| old);
    if old.is_some_and(|old| old.meta.labels == node.meta.labels && old.taints == node.taints) {
        return;
    }
    for set in seen.informers.store().daemon_sets.iter() {
        let now = placement::fit(set, node);
        let news = old.map_or(now.run, |old| placement::fit(set, old) != now);
        if news {
            desk.queue.add(Key::of(&set.meta));
        }
    }
}

fn resolve<'a>(owner: &OwnerReference, namespace: Name, informers: &'a Informers) -> Option<&'a Arc<DaemonSet>> {
    if owner.kind != Kind::DaemonSet.as_str() {
        return None;
    }
    informers.store().daemon_sets.find(namespace, owner.name).filter(|set| set.meta.uid == owner.uid)
}

fn wake_adopters(informers: &Informers, pod: &Pod, desk: &mut Desk<Key>) {
    for set in informers.store().daemon_sets.iter().filter(|set| set.meta.namespace == pod.meta.namespace) {
        if !set.spec.selector.is_empty() && set.spec.selector.matches(&pod.meta.labels) {
            desk.queue.add(Key::of(&set.meta));
        }
    }
}

impl Plan {
    /// The revisions that pods still have, and the newest.
    fn hashes(&self, history: &History) -> BTreeSet<Name> {
        let live = |revision: &&Arc<ControllerRevision>| {
            revision.meta.labels.get(*REVISION_HASH).is_some_and(|hash| self.live.contains(&hash))
        };
        let used = history.revisions.iter().filter(live).map(|revision| revision.meta.name);
        used.chain([history.update.meta.name]).collect()
    }
}
