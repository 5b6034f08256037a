//! VolumeBinding: bound volumes must be within reach of the node; claims that wait for their first consumer get a
//! volume there, or one is made there.
//!
//! Follows `plugins/volumebinding/{volume_binding,binder}.go` of Kubernetes 1.36.

use super::{claim_is_for_pod, claim_of, fields, unknown_field, whole_number};
use crate::api::names;
use crate::api::{
    Name, Node, NodeSelectorTerm, Object, Part, PersistentVolume, PersistentVolumeClaim, Pod, Request, STORAGE,
    StorageClass, Text, VolumeSource,
};
use crate::components::scheduler::cache::{Cache, NodeInfo};
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{
    Code, Context, CycleState, EventToRegister, Hint, Plugin, Points, PreBind, PreFilterResult, Status, Verdict,
};
use crate::components::scheduler::index::any_term_matches;
use crate::components::scheduler::objects::Objects;
use crate::components::scheduler::profile::ArgumentError;
use crate::components::volume_match::{
    BOUND_BY_CONTROLLER, NO_PROVISIONER, SELECTED_NODE, class_of_claim, find_matching_volume, is_bound, is_free_for,
    reference_to,
};
use crate::engine::SimDuration;
use serde_json::Value;
use std::sync::Arc;

names! {
    NAME = "VolumeBinding";
}

/// A bound volume is out of reach.
const NODE_CONFLICT: u32 = 1;
/// No volume can be bound there.
const BIND_CONFLICT: u32 = 1 << 1;
/// There is not enough space to make one.
const NOT_ENOUGH_SPACE: u32 = 1 << 2;
/// A claim is bound to a volume that is not there.
const NO_VOLUME: u32 = 1 << 3;
/// A claim that needs a class has none.
const NO_CLASS: u32 = 1 << 4;
/// The class of a claim is not there.
const CLASS_NOT_FOUND: u32 = 1 << 5;

const POLL: SimDuration = SimDuration::from_secs(1);

/// The plugin.
#[derive(Debug)]
pub struct VolumeBinding {
    timeout: SimDuration,
}

/// The claims of the pod.
#[derive(Debug, Clone, Default)]
struct PodClaims {
    bound: Vec<Arc<PersistentVolumeClaim>>,
    /// Those that wait for a node.
    delayed: Vec<Arc<PersistentVolumeClaim>>,
    /// The volumes that these may have on some node.
    volumes: Vec<Arc<PersistentVolume>>,
}

impl PodClaims {
    fn look_for_volumes(&mut self, objects: &Objects) {
        let is_for_some = |volume: &&Arc<PersistentVolume>| self.delayed.iter().any(|claim| is_free_for(volume, claim));
        self.volumes = objects.volumes().filter(is_for_some).cloned().collect();
    }
}

/// What is to be bound and made for the pod on its node.
#[derive(Debug, Clone, Default)]
struct PodVolumes {
    bindings: Vec<(Arc<PersistentVolume>, Arc<PersistentVolumeClaim>)>,
    provisions: Vec<Arc<PersistentVolumeClaim>>,
}

/// What was assumed for the pod, and whether the server was told.
#[derive(Debug, Clone, Default)]
struct Reserved {
    volumes: Vec<Arc<PersistentVolume>>,
    claims: Vec<Arc<PersistentVolumeClaim>>,
    /// All claims that must be bound in the end.
    awaited: Vec<(Name, Name)>,
    told: bool,
}

impl VolumeBinding {
    /// The plugin with its arguments.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(args: &Value) -> Result<Self, ArgumentError> {
        let mut timeout = SimDuration::from_secs(600);
        for (field, value) in fields(args) {
            match field {
                "bindTimeoutSeconds" => {
                    timeout =
                        SimDuration::from_secs(whole_number(field, value, 0, i64::from(i32::MAX))?.unsigned_abs());
                }
                // Only with the gate StorageCapacityScoring, which is off.
                "shape" => {}
                _ => return Err(unknown_field(field)),
            }
        }
        Ok(Self { timeout })
    }
}

/// What of a pod's volumes plugins look at: all but what is written into it.
pub(super) fn sign_volumes(pod: &Pod) -> Option<Vec<Text>> {
    let counts = |source: &&VolumeSource| !matches!(source, VolumeSource::ConfigMap(_) | VolumeSource::Secret(_));
    let sources = pod.spec.volumes.iter().map(|volume| &volume.source).filter(counts);
    Some(sources.map(|source| format!("{source:?}").into()).collect())
}

fn size_of(claim: &PersistentVolumeClaim) -> Option<i64> {
    claim.requests.get(*STORAGE)
}

/// What is wrong with the claims of a pod (`podHasPVCs`), and whether there are any.
fn check_claims(objects: &Objects, pod: &Pod) -> Result<bool, Text> {
    let mut any = false;
    for volume in &pod.spec.volumes {
        let Some((name, is_ephemeral)) = claim_of(pod, volume) else { continue };
        any = true;
        let Some(claim) = objects.claim(pod.meta.namespace, name) else {
            return Err(if is_ephemeral {
                let claim = "persistentvolumeclaim";
                format!("waiting for ephemeral volume controller to create the {claim} {:?}", &*name).into()
            } else {
                format!("persistentvolumeclaim {:?} not found", &*name).into()
            });
        };
        if claim.phase == "Lost" {
            let text = "bound to non-existent persistentvolume";
            return Err(format!("persistentvolumeclaim {:?} {text} {:?}", &*name, &*claim.volume_name).into());
        }
        if claim.meta.is_terminating() {
            return Err(format!("persistentvolumeclaim {:?} is being deleted", &*name).into());
        }
        if is_ephemeral {
            claim_is_for_pod(claim, pod)?;
        }
    }
    Ok(any)
}

fn is_delayed(objects: &Objects, claim: &PersistentVolumeClaim) -> bool {
    objects.storage_classes.get(&class_of_claim(claim)).is_some_and(|class| class.wait_for_first_consumer)
}

fn volume_reaches(volume: &PersistentVolume, node: &Node) -> bool {
    // Only labels are looked at, not the node's name.
    let matches = |terms: &Vec<NodeSelectorTerm>| any_term_matches(terms, Name::default(), &node.meta.labels);
    volume.node_affinity.as_ref().is_none_or(matches)
}

/// What a node means for the claims of a pod: what would be bound and made, or the reasons why it cannot be
/// (`FindPodVolumes`).
fn find_pod_volumes(objects: &Objects, claims: &PodClaims, node: &Node) -> Result<PodVolumes, Verdict> {
    let mut reasons = 0;
    for claim in &claims.bound {
        match objects.volume(claim.volume_name) {
            None => {
                reasons |= NO_VOLUME;
                break;
            }
            Some(volume) if !volume_reaches(volume, node) => {
                reasons |= NODE_CONFLICT;
                break;
            }
            Some(_) => {}
        }
    }
    let mut found = PodVolumes::default();
    let (mut to_match, mut to_provision) = (Vec::new(), Vec::new());
    let mut elsewhere = false;
    for claim in &claims.delayed {
        match claim.meta.annotations.get(*SELECTED_NODE) {
            Some(selected) if selected != node.meta.name => {
                elsewhere = true;
                break;
            }
            Some(_) => to_provision.push(claim.clone()),
            None => to_match.push(claim.clone()),
        }
    }
    if elsewhere {
        return Err(Verdict::unresolvable(reasons | BIND_CONFLICT));
    }
    to_match.sort_by_key(|claim| size_of(claim));
    for claim in to_match {
        let taken =
            |volume: &PersistentVolume| found.bindings.iter().any(|(have, _)| have.meta.name == volume.meta.name);
        let reaches = |volume: &PersistentVolume| volume_reaches(volume, node);
        match find_matching_volume(claims.volumes.iter(), &claim, taken, reaches, false) {
            Some(volume) => found.bindings.push((volume, claim)),
            None => to_provision.push(claim),
        }
    }
    for claim in to_provision {
        match can_provision(objects, &claim, node) {
            Ok(()) => found.provisions.push(claim),
            Err(why @ (BIND_CONFLICT | NOT_ENOUGH_SPACE)) => {
                reasons |= why;
                break;
            }
            Err(error) => return Err(Verdict::error(error)),
        }
    }
    if reasons == 0 { Ok(found) } else { Err(Verdict::unresolvable(reasons)) }
}

/// Whether a volume can be made for a claim on a node (`checkVolumeProvisions`).
fn can_provision(objects: &Objects, claim: &PersistentVolumeClaim, node: &Node) -> Result<(), u32> {
    let name = class_of_claim(claim);
    if name.is_empty() {
        return Err(NO_CLASS);
    }
    let class = objects.storage_classes.get(&name).ok_or(CLASS_NOT_FOUND)?;
    if class.provisioner.is_empty() || class.provisioner == *NO_PROVISIONER || !is_allowed(class, node) {
        return Err(BIND_CONFLICT);
    }
    if has_capacity(objects, claim, class, node) { Ok(()) } else { Err(NOT_ENOUGH_SPACE) }
}

/// Whether a class makes volumes for a node; an empty term allows none.
fn is_allowed(class: &StorageClass, node: &Node) -> bool {
    let terms = &class.allowed_topologies;
    let matches = |term: &NodeSelectorTerm| {
        !term.expressions.is_empty() && term.expressions.iter().all(|one| one.matches(&node.meta.labels))
    };
    terms.is_empty() || terms.iter().any(matches)
}

fn has_capacity(objects: &Objects, claim: &PersistentVolumeClaim, class: &StorageClass, node: &Node) -> bool {
    let Some(size) = size_of(claim) else { return true };
    if !objects.csi_drivers.get(&class.provisioner).is_some_and(|driver| driver.storage_capacity) {
        return true;
    }
    objects.csi_storage_capacities.values().any(|capacity| {
        capacity.storage_class == class.meta.name
            && limit(capacity).is_some_and(|limit| limit >= size)
            && capacity.node_topology.as_ref().is_some_and(|topology| topology.matches(&node.meta.labels))
    })
}

/// The largest volume that a pool can hold.
fn limit(capacity: &crate::api::CsiStorageCapacity) -> Option<i64> {
    capacity.maximum_volume_size.or(capacity.capacity)
}

impl Plugin for VolumeBinding {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::PRE_FILTER
            .with(Points::FILTER)
            .with(Points::PRE_SCORE)
            .with(Points::SCORE)
            .with(Points::RESERVE)
            .with(Points::PRE_BIND)
    }

    fn events(&self) -> Vec<EventToRegister> {
        let both = Actions::ADD.with(Actions::UPDATE);
        let event = |resource, actions, hinted| EventToRegister { resource, actions, hinted };
        vec![
            event(Resource::StorageClass, both, true),
            event(Resource::PersistentVolumeClaim, both, true),
            event(Resource::PersistentVolume, both, false),
            event(Resource::Node, Actions::ADD.with(Actions::UPDATE_NODE_LABEL), false),
            event(Resource::CsiNode, both, true),
            event(Resource::CsiDriver, Actions::UPDATE, true),
            event(Resource::CsiStorageCapacity, both, true),
        ]
    }

    fn hint(&self, _cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let frees = match (&event.old, &event.new) {
            (_, Some(Object::PersistentVolumeClaim(claim))) => {
                let is_it = |volume| claim_of(pod, volume).is_some_and(|(name, _)| name == claim.meta.name);
                claim.meta.namespace == pod.meta.namespace && pod.spec.volumes.iter().any(is_it)
            }
            (Some(Object::StorageClass(old)), Some(Object::StorageClass(new))) => {
                old.allowed_topologies != new.allowed_topologies
            }
            (Some(Object::CsiNode(old)), Some(Object::CsiNode(new))) => {
                let key = *super::node_volume_limits::MIGRATED_PLUGINS;
                old.meta.annotations.get(key) != new.meta.annotations.get(key)
            }
            (Some(Object::CsiStorageCapacity(old)), Some(Object::CsiStorageCapacity(new))) => {
                limit(new).is_some_and(|new| limit(old).is_none_or(|old| new > old))
            }
            (Some(Object::CsiDriver(old)), Some(Object::CsiDriver(new))) => {
                let uses =
                    |source: &VolumeSource| matches!(source, VolumeSource::Csi { driver } if *driver == new.meta.name);
                old.storage_capacity
                    && !new.storage_capacity
                    && pod.spec.volumes.iter().any(|volume| uses(&volume.source))
            }
            _ => true,
        };
        if frees { Hint::Queue } else { Hint::Skip }
    }

    fn pre_filter(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod) -> PreFilterResult {
        let objects = &cx.cache.objects;
        match check_claims(objects, pod) {
            Err(reason) => return Status::new(Code::UnschedulableAndUnresolvable, reason).into(),
            Ok(false) => return Status::skip().into(),
            Ok(true) => {}
        }
        let mut claims = PodClaims::default();
        for volume in &pod.spec.volumes {
            let Some((name, _)) = claim_of(pod, volume) else { continue };
            let Some(claim) = objects.claim(pod.meta.namespace, name) else { continue };
            if is_bound(claim) {
                claims.bound.push(claim.clone());
            } else if is_delayed(objects, claim) && claim.volume_name.is_empty() {
                claims.delayed.push(claim.clone());
            } else {
                let reason = "pod has unbound immediate PersistentVolumeClaims";
                return Status::new(Code::UnschedulableAndUnresolvable, reason).into();
            }
        }
        claims.look_for_volumes(objects);
        state.write(claims);
        PreFilterResult::default()
    }

    fn filter(&self, cx: &Context<'_>, state: &CycleState, _pod: &Pod, node: &NodeInfo) -> Verdict {
        let (Some(claims), Some(node)) = (state.read::<PodClaims>(), node.node()) else { return Verdict::FITS };
        find_pod_volumes(&cx.cache.objects, claims, node).err().unwrap_or(Verdict::FITS)
    }

    fn reason_texts(&self) -> &'static [&'static str] {
        &[
            "node(s) didn't match PersistentVolume's node affinity",
            "node(s) didn't find available persistent volumes to bind",
            "node(s) did not have enough free storage",
            "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
            "no class for claim",
            "failed to find storage class",
        ]
    }

    fn reasons(
        &self,
        cx: &Context<'_>,
        state: &CycleState,
        _pod: &Pod,
        _node: &NodeInfo,
        verdict: Verdict,
    ) -> Vec<Text> {
        if verdict.code != Code::Error {
            let texts = self.reason_texts().iter().enumerate();
            return texts.filter(|(bit, _)| verdict.reasons >> bit & 1 == 1).map(|(_, text)| text.into()).collect();
        }
        let delayed = state.read::<PodClaims>().map_or(&[][..], |claims| &claims.delayed);
        let classes = &cx.cache.objects.storage_classes;
        let wrong = delayed.iter().find(|claim| !classes.contains_key(&class_of_claim(claim)));
        let text = wrong.map_or_else(String::new, |claim| match class_of_claim(claim) {
            class if class.is_empty() => format!("no class for claim {:?}", claim.meta.key()),
            class => format!("failed to find storage class {:?}", &*class),
        });
        vec![text.into()]
    }

    fn pre_score(
        &self,
        _cx: &Context<'_>,
        _state: &mut CycleState,
        _pod: &Pod,
        _nodes: &[crate::components::scheduler::cache::NodeSlot],
    ) -> Status {
        // The gate StorageCapacityScoring is off.
        Status::skip()
    }

    fn reserve(&self, cache: &mut Cache, state: &mut CycleState, _pod: &Pod, node: Name) -> Status {
        let Some(claims) = state.read::<PodClaims>() else { return Status::success() };
        let Some(node) = cache.find_node(node).and_then(|slot| cache.node(slot).node().cloned()) else {
            return Status::error(format!("node {:?} not found", &*node));
        };
        let Ok(found) = find_pod_volumes(&cache.objects, claims, &node) else {
            return Status::error("volumes changed while the pod was placed");
        };
        let mut reserved = Reserved::default();
        for (volume, claim) in found.bindings {
            let mut bound = PersistentVolume::clone(&volume);
            if volume.claim.is_none() {
                bound.meta.annotations = bound.meta.annotations.with(*BOUND_BY_CONTROLLER, Name::new("yes"));
            }
            bound.claim = Some(reference_to(&claim));
            let bound = Arc::new(bound);
            cache.objects.assumed_volumes.insert(bound.meta.name, bound.clone());
            reserved.volumes.push(bound);
            reserved.awaited.push((claim.meta.namespace, claim.meta.name));
        }
        for claim in found.provisions {
            let mut chosen = PersistentVolumeClaim::clone(&claim);
            chosen.meta.annotations = chosen.meta.annotations.with(*SELECTED_NODE, node.meta.name);
            let chosen = Arc::new(chosen);
            let key = (chosen.meta.namespace, chosen.meta.name);
            cache.objects.assumed_claims.insert(key, chosen.clone());
            reserved.claims.push(chosen);
            reserved.awaited.push(key);
        }
        state.write(reserved);
        Status::success()
    }

    fn unreserve(&self, cache: &mut Cache, state: &mut CycleState, _pod: &Pod, _node: Name) {
        let Some(reserved) = state.read_mut::<Reserved>() else { return };
        for volume in reserved.volumes.drain(..) {
            cache.objects.assumed_volumes.remove(&volume.meta.name);
        }
        for claim in reserved.claims.drain(..) {
            cache.objects.assumed_claims.remove(&(claim.meta.namespace, claim.meta.name));
        }
    }

    fn pre_bind_pre_flight(&self, _cx: &Context<'_>, state: &CycleState, _pod: &Pod, _node: Name) -> bool {
        state.read::<Reserved>().is_some_and(|reserved| !reserved.awaited.is_empty())
    }

    fn pre_bind(
        &self,
        cx: &Context<'_>,
        state: &mut CycleState,
        _pod: &Pod,
        node: Name,
        elapsed: SimDuration,
    ) -> PreBind {
        let Some(reserved) = state.read_mut::<Reserved>() else { return PreBind::Done };
        if !std::mem::replace(&mut reserved.told, true) {
            let volumes = reserved.volumes.iter().map(|volume| Object::PersistentVolume(volume.clone()));
            let claims = reserved.claims.iter().map(|claim| Object::PersistentVolumeClaim(claim.clone()));
            let calls = volumes.chain(claims).map(|object| Request::Update { object, part: Part::Main });
            return PreBind::Calls(calls.collect());
        }
        if elapsed == SimDuration::ZERO {
            return PreBind::Wait(POLL);
        }
        if cx.cache.find_node(node).is_none() {
            let node: &str = &node;
            let text = format!("binding volumes: failed to get node {node:?}: node {node:?} not found");
            return PreBind::Failed(Status::error(text));
        }
        let mut all = true;
        for &(namespace, name) in &reserved.awaited {
            let Some(claim) = cx.cache.objects.claim(namespace, name) else {
                let text = format!("binding volumes: failed to get pvc {:?} from cache", format!("{namespace}/{name}"));
                return PreBind::Failed(Status::error(text));
            };
            let selected = claim.meta.annotations.get(*SELECTED_NODE);
            let is_made = reserved.claims.iter().any(|one| (one.meta.namespace, one.meta.name) == (namespace, name));
            if is_made && selected != Some(node) {
                let why = match claim.meta.annotations.is_empty() {
                    true => "selectedNode annotation reset",
                    false => "provisioning failed",
                };
                let text = format!("binding volumes: {why} for PVC {:?}", &*name);
                return PreBind::Failed(Status::error(text));
            }
            all &= is_bound(claim);
        }
        if all {
            PreBind::Done
        } else if elapsed >= self.timeout {
            PreBind::Failed(Status::error("binding volumes: context deadline exceeded"))
        } else {
            PreBind::Wait(POLL)
        }
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        sign_volumes(pod)
    }
}
