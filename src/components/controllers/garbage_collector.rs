//! The garbage collector: what is owned goes with its owner, before it, or is let go of.
//!
//! Follows `pkg/controller/garbagecollector` of Kubernetes 1.36. Who owns whom is read from the owner references in the
//! informers; before anything is deleted, object and owners are read anew from the server. Left out on purpose: owners
//! of kinds that are not simulated, which count as there.

use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::work_queue::QueueKey;
use crate::api::{
    Amendment, DeleteOptions, ErrorReason, FOREGROUND_DELETION, Kind, Metadata, Name, ORPHAN_DEPENDENTS, Object,
    OwnerReference, Part, Propagation, Request, Target, Uid,
};
use crate::engine::{SimDuration, StreamKey};
use crate::planted::{self, Bug};
use std::collections::VecDeque;

/// Before a finalizer is removed again from an owner that changed (`retry.DefaultBackoff`).
const CONFLICT_BACK_OFF: SimDuration = SimDuration::from_millis(10);
/// So many owners that were found to be gone are remembered.
const MOST_ABSENT: usize = 500;

/// What is worked on: an object that may have to go, or an owner whose dependents are to forget it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    orphans: bool,
    kind: Kind,
    namespace: Name,
    name: Name,
    uid: Uid,
}

impl Item {
    fn of(kind: Kind, meta: &Metadata) -> Self {
        Self { orphans: false, kind, namespace: meta.namespace, name: meta.name, uid: meta.uid }
    }

    const fn target(self) -> Target {
        Target { kind: self.kind, namespace: self.namespace, name: self.name }
    }
}

impl QueueKey for Item {
    fn stream(&self) -> StreamKey {
        StreamKey::new(self.kind.as_str()).part(&self.namespace).part(&self.name)
    }
}

/// An object that names another as its owner.
#[derive(Debug, Clone, Copy)]
pub struct Dependent {
    item: Item,
    blocks: bool,
    /// Whether it waits for dependents of its own.
    waits: bool,
}

/// The collector.
#[derive(Debug, Clone, Default)]
pub struct GarbageCollector {
    /// Owners that were found to be gone, oldest first.
    absent: VecDeque<Uid>,
}

impl Controller for GarbageCollector {
    type Key = Item;
    type View = Vec<Dependent>;
    const INTEREST: Interest = Interest::EVERYTHING;

    fn settings(&self) -> Settings {
        Settings { workers: 40, client: (40, 60), ..Settings::new("garbage-collector-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Item>) {
        let (kind, meta) = (seen.new.kind(), seen.new.meta());
        if kind == Kind::Event {
            return;
        }
        if seen.is_deletion() {
            for dependent in dependents(meta.uid, seen.informers) {
                desk.queue.add(dependent.item);
            }
            wake_waiting(&meta.owner_references, meta.namespace, seen.informers, desk);
            return;
        }
        let before = seen.old.map(Object::meta);
        if meta.is_terminating() {
            self.begin_deletion(before, Item::of(kind, meta), meta, seen.informers, desk);
        }
        if before.is_some_and(|before| before.owner_references == meta.owner_references) {
            return;
        }
        if let Some(before) = before {
            wake_waiting(&before.owner_references, meta.namespace, seen.informers, desk);
        }
        let gone = |owner: &OwnerReference| {
            find(owner, meta.namespace, seen.informers).is_some_and(|found| found.is_none())
                || planted::is(Bug::OwnersOverlooked)
        };
        if meta.owner_references.iter().any(gone) {
            desk.queue.add(Item::of(kind, meta));
        }
    }

    fn view(&mut self, item: Item, informers: &Informers, _desk: &mut Desk<Item>) -> Option<Vec<Dependent>> {
        Some(dependents(item.uid, informers))
    }

    fn sync(&mut self, dependents: &Vec<Dependent>, flow: &mut Flow<'_, Item>) -> Step {
        let item = flow.key();
        if item.orphans {
            return orphan(item, dependents, flow);
        }
        let Some(live) = read(item, flow)? else { return Ok(()) };
        let meta = live.meta();
        let waits = waits_for_dependents(meta);
        if waits {
            return wait(item, dependents, flow);
        }
        if meta.is_terminating() || meta.owner_references.is_empty() {
            return Ok(());
        }
        self.collect(item, meta, dependents, flow)
    }
}

impl GarbageCollector {
    /// An object was marked: what depends on it goes first, or is let go of.
    fn begin_deletion(
        &self,
        before: Option<&Metadata>,
        item: Item,
        meta: &Metadata,
        informers: &Informers,
        desk: &mut Desk<Item>,
    ) {
        let orphans = |meta: &Metadata| meta.is_terminating() && meta.finalizers.contains(&ORPHAN_DEPENDENTS);
        if waits_for_dependents(meta) && !before.is_some_and(waits_for_dependents) {
            for dependent in dependents(meta.uid, informers) {
                desk.queue.add(dependent.item);
            }
            desk.queue.add(item);
        }
        if orphans(meta) && !before.is_some_and(orphans) {
            desk.queue.add(Item { orphans: true, ..item });
        }
    }

    /// Deletes an object unless one of its owners is there to stay (`attemptToDeleteItem`).
    fn collect(&mut self, item: Item, meta: &Metadata, dependents: &[Dependent], flow: &mut Flow<'_, Item>) -> Step {
        let (mut solid, mut others, mut waiting) = (false, Vec::new(), false);
        for owner in &meta.owner_references {
            match self.look_up(owner, item.namespace, flow)? {
                Standing::Solid => solid = true,
                Standing::Dangling => others.push(owner.uid),
                Standing::Waiting => {
                    waiting = true;
                    others.push(owner.uid);
                }
            }
        }
        if solid {
            if !others.is_empty() {
                return settle(flow, amend(item, Amendment::RemoveOwners(others.into())));
            }
            return Ok(());
        }
        let propagation = if waiting && !dependents.is_empty() {
            if dependents.iter().any(|dependent| dependent.waits) {
                // A circle: the owner must not wait for this one.
                settle(flow, amend(item, Amendment::UnblockOwners))?;
            }
            Propagation::Foreground
        } else if meta.finalizers.contains(&ORPHAN_DEPENDENTS) {
            Propagation::Orphan
        } else if meta.finalizers.contains(&FOREGROUND_DELETION) {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        delete(item, meta, propagation, flow)
    }

    /// How an owner stands, by what the server says.
    fn look_up(&mut self, owner: &OwnerReference, namespace: Name, flow: &mut Flow<'_, Item>) -> Step<Standing> {
        if flow.decide(|| self.absent.contains(&owner.uid)) || planted::is(Bug::OwnersOverlooked) {
            return Ok(Standing::Dangling);
        }
        let Some(kind) = kind_of(owner) else { return Ok(Standing::Solid) };
        let namespace = if kind.is_namespaced() { namespace } else { Name::default() };
        match flow.get(Target { kind, namespace, name: owner.name })? {
            Ok(found) if found.meta().uid == owner.uid => {
                Ok(if waits_for_dependents(found.meta()) { Standing::Waiting } else { Standing::Solid })
            }
            Err(error) if error.reason != ErrorReason::NotFound => Err(error.into()),
            Ok(_) | Err(_) => {
                if flow.first() {
                    self.absent.push_back(owner.uid);
                    if self.absent.len() > MOST_ABSENT {
                        self.absent.pop_front();
                    }
                }
                Ok(Standing::Dangling)
            }
        }
    }
}

/// How an owner stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Solid,
    Dangling,
    /// It waits for its dependents to go.
    Waiting,
}

/// An owner goes once nothing that blocks it is left (`processDeletingDependentsItem`).
fn wait(item: Item, dependents: &[Dependent], flow: &mut Flow<'_, Item>) -> Step {
    let mut blocking = dependents.iter().filter(|dependent| dependent.blocks).peekable();
    if blocking.peek().is_none() {
        return remove_finalizer(item, *FOREGROUND_DELETION, flow);
    }
    for dependent in blocking.filter(|dependent| !dependent.waits) {
        flow.add(dependent.item);
    }
    Ok(())
}

/// All dependents forget their owner, which may then go (`orphanDependents`).
fn orphan(item: Item, dependents: &[Dependent], flow: &mut Flow<'_, Item>) -> Step {
    let forget = |dependent: &Dependent| amend(dependent.item, Amendment::RemoveOwners(vec![item.uid].into())).into();
    let answers = flow.all(|| dependents.iter().map(forget).collect())?;
    for error in answers.into_iter().filter_map(Result::err) {
        if !matches!(error.reason, ErrorReason::NotFound | ErrorReason::Conflict) {
            return Err(error.into());
        }
    }
    remove_finalizer(item, *ORPHAN_DEPENDENTS, flow)
}

/// An owner may go: the version that is read loses the finalizer, or a newer one a moment later (`removeFinalizer`).
/// What its own controller has to say of dependents that are gone is often said in between.
fn remove_finalizer(item: Item, finalizer: Name, flow: &mut Flow<'_, Item>) -> Step {
    let Some(mut owner) = read(item, flow)? else { return Ok(()) };
    if !owner.meta().finalizers.contains(&finalizer) {
        return Ok(());
    }
    let meta = owner.meta_mut();
    meta.finalizers = meta.finalizers.retain(|have| *have != finalizer);
    match flow.call(|| Request::Update { object: owner, part: Part::Main })? {
        Err(error) if error.reason == ErrorReason::Conflict => flow.again_after(CONFLICT_BACK_OFF),
        Err(error) if error.reason != ErrorReason::NotFound => return Err(error.into()),
        Ok(_) | Err(_) => {}
    }
    Ok(())
}

/// An object as the server has it; nothing if it is gone, or another one by now.
fn read(item: Item, flow: &mut Flow<'_, Item>) -> Step<Option<Object>> {
    match flow.get(item.target())? {
        Ok(live) if live.meta().uid == item.uid => Ok(Some(live)),
        Err(error) if error.reason != ErrorReason::NotFound => Err(error.into()),
        Ok(_) | Err(_) => Ok(None),
    }
}

fn amend(item: Item, amendment: Amendment) -> Request {
    Request::Amend { target: item.target(), uid: Some(item.uid), amendment }
}

/// Deletes an object as it was read; whatever it is by now if only something else than its owners has changed
/// (`deleteObject` of `operations.go`).
fn delete(item: Item, read: &Metadata, propagation: Propagation, flow: &mut Flow<'_, Item>) -> Step {
    let call = |version| {
        let (uid, propagation) = (Some(item.uid), Some(propagation));
        let options = DeleteOptions { uid, resource_version: version, propagation, ..DeleteOptions::default() };
        Request::Delete { target: item.target(), options }
    };
    let conflict = match flow.call(|| call(Some(read.resource_version)))? {
        Err(error) if error.reason == ErrorReason::Conflict => error,
        Err(error) if error.reason != ErrorReason::NotFound => return Err(error.into()),
        Ok(_) | Err(_) => return Ok(()),
    };
    match flow.get(item.target())? {
        Ok(live) if live.meta().uid == item.uid && live.meta().owner_references == read.owner_references => {
            settle(flow, call(None))
        }
        Ok(_) => Err(conflict.into()),
        Err(error) if error.reason == ErrorReason::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Makes a call; an object that is gone, or another one by now, is as good as done with.
fn settle(flow: &mut Flow<'_, Item>, request: Request) -> Step {
    match flow.call(|| request)? {
        Err(error) if !matches!(error.reason, ErrorReason::NotFound | ErrorReason::Conflict) => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn waits_for_dependents(meta: &Metadata) -> bool {
    meta.is_terminating() && meta.finalizers.contains(&FOREGROUND_DELETION)
}

fn kind_of(owner: &OwnerReference) -> Option<Kind> {
    Kind::from_manifest(&owner.api_version, &owner.kind)
}

/// The owner as the informers know it: `Some(None)` if it is gone, `None` if its kind is not known.
fn find(owner: &OwnerReference, namespace: Name, informers: &Informers) -> Option<Option<Object>> {
    let kind = kind_of(owner)?;
    let namespace = if kind.is_namespaced() { namespace } else { Name::default() };
    let found = informers.store().find(kind, namespace, owner.name);
    Some(found.filter(|found| found.meta().uid == owner.uid))
}

/// Owners that wait for dependents look again.
fn wake_waiting(owners: &[OwnerReference], namespace: Name, informers: &Informers, desk: &mut Desk<Item>) {
    for owner in owners {
        if let Some(Some(found)) = find(owner, namespace, informers)
            && waits_for_dependents(found.meta())
        {
            desk.queue.add(Item::of(found.kind(), found.meta()));
        }
    }
}

fn dependents(owner: Uid, informers: &Informers) -> Vec<Dependent> {
    let dependent = |(kind, place): (Kind, u32)| {
        let object = informers.store().at(kind, place)?;
        let meta = object.meta();
        let blocks = meta.owner_references.iter().any(|by| by.uid == owner && by.block_owner_deletion);
        Some(Dependent { item: Item::of(kind, meta), blocks, waits: waits_for_dependents(meta) })
    };
    informers.dependents(owner).filter_map(dependent).collect()
}
