//! DynamicResources: a pod goes where its claims have devices, or can get them.
//!
//! Follows `plugins/dynamicresources/dynamicresources.go` of Kubernetes 1.36. A pod without claims passes; the plugin's
//! words remain: it is asked before preemption and says that it has nothing to give back. Left out on purpose: the
//! deallocation of claims that nobody uses and that are out of reach, and extended resources.

use crate::api::names;
use crate::api::{
    Allocation, CLAIM_FINALIZER, Kind, Name, Object, Part, PatchKind, Pod, Request, ResourceClaim, Target, Text,
};
use crate::components::scheduler::cache::{Cache, NodeInfo, NodeSlot};
use crate::components::scheduler::devices::{self, Demand, Refusal};
use crate::components::scheduler::events::{Actions, ClusterEvent, Resource};
use crate::components::scheduler::framework::{
    Code, Context, CycleState, EventToRegister, Hint, Plugin, Points, PostFilterContext, PostFilterResult, PreBind,
    PreFilterResult, Status, Verdict, default_normalize_score,
};
use crate::components::scheduler::index::any_term_matches;
use crate::components::scheduler::objects::Objects;
use crate::engine::SimDuration;
use serde_json::{Value, json};
use std::sync::Arc;

names! {
    NAME = "DynamicResources";
}

/// A claim has at most so many users (`ResourceClaimReservedForMaxSize`).
const MOST_CONSUMERS: usize = 256;

/// Devices are missing.
const CANNOT_ALLOCATE: u32 = 1;
/// A claim has devices elsewhere.
const ELSEWHERE: u32 = 1 << 1;
/// It took too long to find out.
const TIMED_OUT: u32 = 1 << 2;
/// Something is wrong.
const WRONG: u32 = 1 << 3;

/// The plugin.
#[derive(Debug)]
pub struct DynamicResources;

/// That the PreFilter was reached.
#[derive(Debug, Clone)]
struct Reached;

/// The claims of the pod.
#[derive(Debug, Clone, Default)]
struct PodClaims {
    /// Those that have devices.
    allocated: Vec<Arc<ResourceClaim>>,
    /// What those ask for that want some.
    wanting: Arc<Demand>,
}

/// What the claims get on the chosen node, and whether the server was told.
#[derive(Debug, Clone, Default)]
struct Reserved {
    claims: Vec<(Arc<ResourceClaim>, Arc<Allocation>)>,
    told: bool,
}

/// The claims of a pod, or why they cannot be had (`foreachPodResourceClaim`).
fn claims_of(objects: &Objects, pod: &Pod) -> Result<Vec<Arc<ResourceClaim>>, Text> {
    let claim = |one| {
        let (namespace, key) = (pod.meta.namespace, pod.meta.key());
        let Some((name, is_made)) = pod.resource_claim(one) else {
            return Err(format!("pod {:?}: ResourceClaim not created yet", key.to_string()));
        };
        let Some(claim) = objects.resource_claims.get(&(namespace, name)) else {
            return Err(format!("resourceclaim.resource.k8s.io {:?} not found", &*name));
        };
        if claim.meta.is_terminating() {
            return Err(format!("resourceclaim {:?} is being deleted", &*name));
        }
        if is_made && claim.meta.controller().is_none_or(|owner| owner.uid != pod.meta.uid) {
            let text = "was not created for pod";
            return Err(format!("ResourceClaim {} {text} {key} (pod is not owner)", claim.meta.key()));
        }
        Ok(claim.clone())
    };
    pod.spec.resource_claims.iter().map(claim).collect::<Result<_, String>>().map_err(Text::from)
}

fn unresolvable(reason: impl Into<Text>) -> Status {
    Status::new(Code::UnschedulableAndUnresolvable, reason)
}

fn can_be_used(claim: &ResourceClaim, pod: &Pod) -> bool {
    claim.status.reserved_for.len() < MOST_CONSUMERS || claim.is_reserved_for(pod.meta.uid)
}

fn patch(claim: &ResourceClaim, part: Part, mut patch: Value) -> Request {
    patch["metadata"]["uid"] = claim.meta.uid.to_string().into();
    let target = Target { kind: Kind::ResourceClaim, namespace: claim.meta.namespace, name: claim.meta.name };
    Request::Patch { target, part, kind: PatchKind::Strategic, patch }
}

impl Plugin for DynamicResources {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::PRE_ENQUEUE
            .with(Points::PRE_FILTER)
            .with(Points::FILTER)
            .with(Points::POST_FILTER)
            .with(Points::SCORE)
            .with(Points::RESERVE)
            .with(Points::PRE_BIND)
    }

    fn events(&self) -> Vec<EventToRegister> {
        let node = Actions::ADD.with(Actions::UPDATE_NODE_ALLOCATABLE).with(Actions::UPDATE_NODE_LABEL);
        let both = Actions::ADD.with(Actions::UPDATE);
        let event = |resource, actions, hinted| EventToRegister { resource, actions, hinted };
        vec![
            event(Resource::Node, node, false),
            event(Resource::ResourceClaim, both, true),
            event(Resource::Pod, Actions::UPDATE_POD_RESOURCE_CLAIM, true),
            event(Resource::DeviceClass, both, false),
            event(Resource::ResourceSlice, both, false),
        ]
    }

    fn hint(&self, cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let objects = &cx.cache.objects;
        let frees = match (&event.old, &event.new) {
            (_, Some(Object::Pod(new))) => pod.meta.uid == new.meta.uid && claims_of(objects, new).is_ok(),
            (old, Some(Object::ResourceClaim(new))) => {
                let Ok(claims) = claims_of(objects, pod) else { return Hint::Skip };
                let uses = claims.iter().any(|claim| claim.meta.uid == new.meta.uid);
                match old {
                    Some(Object::ResourceClaim(old)) => {
                        let freed = old.status.allocation.is_some() && new.status.allocation.is_none();
                        freed || uses && old.status != new.status
                    }
                    _ => uses,
                }
            }
            _ => true,
        };
        if frees { Hint::Queue } else { Hint::Skip }
    }

    fn pre_enqueue(&self, cx: &Context<'_>, pod: &Pod) -> Status {
        if pod.spec.resource_claims.is_empty() {
            return Status::success();
        }
        claims_of(&cx.cache.objects, pod).err().map_or_else(Status::success, unresolvable)
    }

    fn pre_filter(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod) -> PreFilterResult {
        state.write(Reached);
        if pod.spec.resource_claims.is_empty() {
            return Status::skip().into();
        }
        let objects = &cx.cache.objects;
        let all = match claims_of(objects, pod) {
            Ok(all) => all,
            Err(reason) => return unresolvable(reason).into(),
        };
        let (mut claims, mut wanting) = (PodClaims::default(), Vec::new());
        for claim in all {
            if claim.status.allocation.is_some() {
                if !can_be_used(&claim, pod) {
                    return unresolvable("resourceclaim in use").into();
                }
                claims.allocated.push(claim);
                continue;
            }
            let key = (claim.meta.namespace, claim.meta.name);
            if objects.allocations_in_flight.contains_key(&key) {
                let text = format!("resource claim {} is in the process of being allocated", claim.meta.key());
                return unresolvable(text).into();
            }
            let alternatives = claim.devices.requests.iter().flat_map(|request| &request.alternatives);
            for one in alternatives {
                if !objects.device_classes.contains_key(&one.class) {
                    let text = format!("request {}: device class {} does not exist", one.name, one.class);
                    return unresolvable(text).into();
                }
            }
            wanting.push(claim);
        }
        claims.wanting = Arc::new(Demand::new(objects, wanting));
        state.write(claims);
        PreFilterResult::default()
    }

    fn filter(&self, cx: &Context<'_>, state: &CycleState, _pod: &Pod, node: &NodeInfo) -> Verdict {
        let (Some(claims), Some(node)) = (state.read::<PodClaims>(), node.node()) else { return Verdict::FITS };
        let is_elsewhere = |claim: &&Arc<ResourceClaim>| {
            let allocation = claim.status.allocation.as_ref();
            let terms = allocation.and_then(|allocation| allocation.node_selector.as_ref());
            terms.is_some_and(|terms| !any_term_matches(terms, node.meta.name, &node.meta.labels))
        };
        let elsewhere = claims.allocated.iter().any(|claim| is_elsewhere(&claim));
        if !claims.wanting.claims.is_empty() {
            match devices::allocate(&cx.cache.objects, &claims.wanting, node) {
                Ok(_) => {}
                Err(Refusal::Unavailable) => return Verdict::unresolvable(CANNOT_ALLOCATE),
                Err(Refusal::TimedOut) => return Verdict::unresolvable(TIMED_OUT),
                Err(Refusal::Error(_)) => return Verdict::error(WRONG),
            }
        }
        if elsewhere { Verdict::unresolvable(ELSEWHERE) } else { Verdict::FITS }
    }

    fn reason_texts(&self) -> &'static [&'static str] {
        &[
            "cannot allocate all claims",
            "resourceclaim not available on the node",
            "timed out trying to allocate devices",
            "devices cannot be told",
        ]
    }

    fn reasons(
        &self,
        cx: &Context<'_>,
        state: &CycleState,
        _pod: &Pod,
        node: &NodeInfo,
        verdict: Verdict,
    ) -> Vec<Text> {
        if verdict.code == Code::Error
            && let (Some(claims), Some(node)) = (state.read::<PodClaims>(), node.node())
            && let Err(Refusal::Error(text)) = devices::allocate(&cx.cache.objects, &claims.wanting, node)
        {
            return vec![text];
        }
        let texts = self.reason_texts().iter().enumerate();
        texts.filter(|(bit, _)| verdict.reasons >> bit & 1 == 1).map(|(_, text)| text.into()).collect()
    }

    fn post_filter(&self, _cx: &PostFilterContext<'_>, state: &mut CycleState, _pod: &Pod) -> PostFilterResult {
        let status = match (state.read::<Reached>(), state.read::<PodClaims>()) {
            (Some(Reached), Some(_)) => Status::new(Code::Unschedulable, "still not schedulable"),
            (Some(Reached), None) => Status::new(Code::Unschedulable, "no new claims to deallocate"),
            (None, _) => Status::error("not found"),
        };
        PostFilterResult { status, ..PostFilterResult::default() }
    }

    fn score(&self, cx: &Context<'_>, state: &CycleState, _pod: &Pod, node: &NodeInfo) -> i64 {
        let (Some(claims), Some(node)) = (state.read::<PodClaims>(), node.node()) else { return 0 };
        let is_choice = |claim: &Arc<ResourceClaim>| claim.devices.requests.iter().any(|one| one.first_available);
        if !claims.wanting.claims.iter().any(is_choice) {
            return 0;
        }
        devices::allocate(&cx.cache.objects, &claims.wanting, node).map_or(0, |(_, score)| score)
    }

    fn score_many(&self, cx: &Context<'_>, state: &CycleState, pod: &Pod, nodes: &[NodeSlot], scores: &mut [i64]) {
        if state.read::<PodClaims>().is_none() {
            return scores.fill(0);
        }
        for (&node, score) in nodes.iter().zip(scores) {
            *score = self.score(cx, state, pod, cx.cache.node(node));
        }
    }

    fn normalize_score(
        &self,
        _cx: &Context<'_>,
        state: &CycleState,
        _pod: &Pod,
        _nodes: &[NodeSlot],
        scores: &mut [i64],
    ) {
        if state.read::<PodClaims>().is_some() {
            default_normalize_score(scores, false);
        }
    }

    fn reserve(&self, cache: &mut Cache, state: &mut CycleState, _pod: &Pod, node: Name) -> Status {
        let Some(claims) = state.read::<PodClaims>() else { return Status::success() };
        let have = |claim: &Arc<ResourceClaim>| Some((claim.clone(), claim.status.allocation.clone()?));
        let mut reserved = Reserved { claims: claims.allocated.iter().filter_map(have).collect(), told: false };
        if !claims.wanting.claims.is_empty() {
            let Some(node) = cache.find_node(node).and_then(|slot| cache.node(slot).node().cloned()) else {
                return Status::error(format!("node {:?} not found", &*node));
            };
            let Ok((found, _)) = devices::allocate(&cache.objects, &claims.wanting, &node) else {
                return Status::error("claim allocation not found for node");
            };
            for (claim, allocation) in claims.wanting.claims.iter().zip(found) {
                let key = (claim.meta.namespace, claim.meta.name);
                cache.objects.allocations_in_flight.insert(key, allocation.clone());
                reserved.claims.push((claim.clone(), allocation));
            }
        }
        state.write(reserved);
        Status::success()
    }

    fn unreserve(&self, cache: &mut Cache, state: &mut CycleState, _pod: &Pod, _node: Name) {
        let Some(reserved) = state.read_mut::<Reserved>() else { return };
        for (claim, _) in reserved.claims.drain(..).filter(|(claim, _)| claim.status.allocation.is_none()) {
            cache.objects.allocations_in_flight.remove(&(claim.meta.namespace, claim.meta.name));
        }
    }

    fn pre_bind_pre_flight(&self, _cx: &Context<'_>, state: &CycleState, pod: &Pod, _node: Name) -> bool {
        let is_new = |(claim, _): &(Arc<ResourceClaim>, _)| !claim.is_reserved_for(pod.meta.uid);
        state.read::<Reserved>().is_some_and(|reserved| reserved.claims.iter().any(is_new))
    }

    fn pre_bind(
        &self,
        cx: &Context<'_>,
        state: &mut CycleState,
        pod: &Pod,
        _node: Name,
        _elapsed: SimDuration,
    ) -> PreBind {
        let Some(reserved) = state.read_mut::<Reserved>() else { return PreBind::Done };
        if std::mem::replace(&mut reserved.told, true) {
            return PreBind::Done;
        }
        let mut calls = Vec::new();
        for (claim, allocation) in &reserved.claims {
            if claim.is_reserved_for(pod.meta.uid) {
                continue;
            }
            let now = cx.cache.objects.resource_claims.get(&(claim.meta.namespace, claim.meta.name));
            if claim.status.allocation.is_some() && now.is_none_or(|now| now.status.allocation.is_none()) {
                let text = format!("claim {} got deallocated elsewhere in the meantime", claim.meta.key());
                return PreBind::Failed(Status::error(text));
            }
            let consumer = json!({"resource": "pods", "name": pod.meta.name, "uid": pod.meta.uid.to_string()});
            let mut status = json!({"reservedFor": [consumer]});
            if claim.status.allocation.is_none() {
                if !claim.meta.finalizers.contains(&CLAIM_FINALIZER) {
                    let all: Vec<&str> = claim
                        .meta
                        .finalizers
                        .iter()
                        .map(|one| one.as_str())
                        .chain([CLAIM_FINALIZER.as_str()])
                        .collect();
                    calls.push(patch(claim, Part::Main, json!({"metadata": {"finalizers": all}})));
                }
                status["allocation"] = serde_json::from_str(&allocation.source).unwrap_or_default();
            }
            calls.push(patch(claim, Part::Status, json!({"status": status})));
        }
        PreBind::Calls(calls)
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        pod.spec.resource_claims.is_empty().then(Vec::new)
    }
}
