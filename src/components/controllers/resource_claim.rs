//! Claims on devices: made for pods from templates, let go when pods have finished.
//!
//! Follows `pkg/controller/resourceclaim/controller.go` of Kubernetes 1.36.

use super::flow::{Desk, Flow, Halt, Step, object};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::work_queue::{Key, QueueKey};
use crate::api::{
    CLAIM_FINALIZER, Consumer, DeleteOptions, ErrorReason, EventType, Kind, Metadata, Name, Object, POD_CLAIM_NAME,
    Part, PatchKind, Pod, PodClaimSource, PodResourceClaim, Request, ResourceClaim, ResourceClaimTemplate, Target,
    lower,
};
use crate::engine::StreamKey;
use serde_json::json;
use std::sync::Arc;

/// The names of a pod and of its claim share so many characters before the random ones.
const LONGEST_BASE: usize = 57;

/// The controller.
#[derive(Debug, Clone)]
pub struct ResourceClaimController;

/// A pod that wants claims, or a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKey {
    /// A pod.
    Pod(Key),
    /// A claim.
    Claim(Key),
}

impl QueueKey for ClaimKey {
    fn stream(&self) -> StreamKey {
        match self {
            Self::Pod(key) => key.stream().part("pod"),
            Self::Claim(key) => key.stream().part("claim"),
        }
    }
}

/// What a sync sees.
#[derive(Debug, Clone)]
pub enum View {
    /// A pod, what is to be made for it, and the claims that it uses without reservation.
    Pod { pod: Arc<Pod>, lacking: Vec<Lacking>, unreserved: Vec<Arc<ResourceClaim>> },
    /// A claim, and what is known of those that use it.
    Claim { claim: Arc<ResourceClaim>, users: Vec<(Consumer, User)>, is_left: bool },
}

/// A claim that a pod lacks in its status.
#[derive(Debug, Clone)]
pub struct Lacking {
    name: Name,
    template: Name,
    /// One that was made before.
    made: Option<Name>,
    from: Option<Arc<ResourceClaimTemplate>>,
}

/// What is known of a pod that a claim is reserved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// It may still run.
    Stays,
    /// It has finished, or another one has its name.
    Done,
    /// It is not known: perhaps not yet.
    Unknown,
}

/// Whether no container of a pod runs or ever will (`isPodDone`).
fn is_done(pod: &Pod) -> bool {
    pod.is_terminal() || pod.meta.is_terminating() && pod.node_name.is_empty()
}

/// The claims of a pod whose names are known.
fn claims_of(pod: &Pod) -> impl Iterator<Item = Key> + '_ {
    let names = pod.spec.resource_claims.iter().filter_map(|claim| pod.resource_claim(claim));
    names.map(|(name, _)| Key { namespace: pod.meta.namespace, name })
}

impl Controller for ResourceClaimController {
    type Key = ClaimKey;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Pod, Kind::ResourceClaim, Kind::ResourceClaimTemplate]);

    fn settings(&self) -> Settings {
        Settings { workers: 50, ..Settings::new("resource_claim") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<ClaimKey>) {
        match seen.new {
            Object::Pod(pod) if !pod.spec.resource_claims.is_empty() => {
                let is_gone = seen.is_deletion();
                if !is_gone && !is_done(pod) {
                    desk.queue.add(ClaimKey::Pod(Key::of(&pod.meta)));
                    return;
                }
                for key in claims_of(pod) {
                    desk.queue.add(ClaimKey::Claim(key));
                }
            }
            Object::ResourceClaim(claim) if !seen.is_deletion() => {
                desk.queue.add(ClaimKey::Claim(Key::of(&claim.meta)));
            }
            Object::ResourceClaim(claim) => {
                // A pod whose claim was deleted gets another one.
                let key = Key::of(&claim.meta);
                for pod in seen.informers.store().pods.iter() {
                    if !pod.spec.resource_claims.is_empty() && claims_of(pod).any(|one| one == key) && !is_done(pod) {
                        desk.queue.add(ClaimKey::Pod(Key::of(&pod.meta)));
                    }
                }
            }
            _ => {}
        }
    }

    fn view(&mut self, key: ClaimKey, informers: &Informers, _desk: &mut Desk<ClaimKey>) -> Option<View> {
        let store = informers.store();
        match key {
            ClaimKey::Pod(key) => {
                let pod = store.pods.find(key.namespace, key.name).filter(|pod| !pod.meta.is_terminating())?;
                let lacking = pod.spec.resource_claims.iter().filter_map(|one| lacking(pod, one, informers)).collect();
                let mut unreserved = Vec::new();
                if !pod.node_name.is_empty() {
                    let all = claims_of(pod).filter_map(|key| store.resource_claims.find(key.namespace, key.name));
                    let waits = |claim: &&Arc<ResourceClaim>| {
                        claim.status.allocation.is_some() && !claim.is_reserved_for(pod.meta.uid)
                    };
                    unreserved.extend(all.filter(waits).cloned());
                }
                Some(View::Pod { pod: pod.clone(), lacking, unreserved })
            }
            ClaimKey::Claim(key) => {
                let claim = store.resource_claims.find(key.namespace, key.name)?.clone();
                let user = |one: &Consumer| match store.pods.find(key.namespace, one.name) {
                    None => (*one, User::Unknown),
                    Some(pod) if pod.meta.uid != one.uid || is_done(pod) => (*one, User::Done),
                    Some(_) => (*one, User::Stays),
                };
                let users = claim.status.reserved_for.iter().map(user).collect();
                let is_left = claim.owning_pod().is_some_and(|(name, uid)| {
                    store.pods.find(key.namespace, name).is_some_and(|pod| pod.meta.uid != uid || is_done(pod))
                });
                Some(View::Claim { claim, users, is_left })
            }
        }
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, ClaimKey>) -> Step {
        match view {
            View::Pod { pod, lacking, unreserved } => sync_pod(pod, lacking, unreserved, flow),
            View::Claim { claim, users, is_left } => sync_claim(claim, users, *is_left, flow),
        }
    }
}

fn lacking(pod: &Pod, one: &PodResourceClaim, informers: &Informers) -> Option<Lacking> {
    let PodClaimSource::Template(template) = one.source else { return None };
    let (store, namespace) = (informers.store(), pod.meta.namespace);
    let is_own = |claim: &ResourceClaim| claim.owning_pod().is_some_and(|(_, uid)| uid == pod.meta.uid);
    if let Some((name, _)) = pod.resource_claim(one)
        && store.resource_claims.find(namespace, name).is_some_and(|claim| is_own(claim))
    {
        return None;
    }
    let is_for = |claim: &&Arc<ResourceClaim>| claim.meta.annotations.get(*POD_CLAIM_NAME) == Some(one.name);
    let made = informers.controlled::<ResourceClaim>(pod.meta.uid).iter().find(is_for).map(|claim| claim.meta.name);
    let from = store.resource_claim_templates.find(namespace, template).cloned();
    Some(Lacking { name: one.name, template, made, from })
}

fn sync_pod(
    pod: &Arc<Pod>,
    lacking: &[Lacking],
    unreserved: &[Arc<ResourceClaim>],
    flow: &mut Flow<'_, ClaimKey>,
) -> Step {
    let about = Object::Pod(pod.clone()).reference();
    let mut statuses = Vec::new();
    for one in lacking {
        let made = match (one.made, &one.from) {
            (Some(name), _) => Ok(name),
            (None, None) => {
                let template = one.template.as_str();
                let missing = format!("resourceclaimtemplate.resource.k8s.io {template:?} not found");
                Err(format!("resource claim template {template:?}: {missing}"))
            }
            (None, Some(template)) => {
                let Some(claim) = claim_from(pod, one.name, template) else { continue };
                let response = flow.call(|| Request::Create(Object::ResourceClaim(Arc::new(claim))))?;
                response.map(|made| made.meta().name).map_err(|error| format!("create ResourceClaim : {error}"))
            }
        };
        match made {
            Ok(claim) => statuses.push(json!({"name": one.name, "resourceClaimName": claim})),
            Err(error) => {
                let text = format!("PodResourceClaim {}: {error}", one.name);
                flow.tell(about, EventType::Warning, "FailedResourceClaimCreation", text.clone());
                return Err(Halt::failure(format!("pod {}, {text}", pod.meta.key())));
            }
        }
    }
    if !statuses.is_empty() {
        let patch = json!({
            "metadata": {"uid": pod.meta.uid.to_string()}, "status": {"resourceClaimStatuses": statuses},
        });
        let target = Target { kind: Kind::Pod, namespace: pod.meta.namespace, name: pod.meta.name };
        let request = || Request::Patch { target, part: Part::Status, kind: PatchKind::Strategic, patch };
        flow.call(request)??;
    }
    for claim in unreserved {
        let mut reserved = ResourceClaim::clone(claim);
        let (name, uid) = (pod.meta.name, pod.meta.uid);
        let consumer = Consumer { api_group: Name::default(), resource: Name::new("pods"), name, uid };
        reserved.status.reserved_for.push(consumer);
        flow.call(|| update(reserved, Part::Status))??;
    }
    Ok(())
}

fn update(claim: ResourceClaim, part: Part) -> Request {
    Request::Update { object: Object::ResourceClaim(Arc::new(claim)), part }
}

/// A claim for a pod (`handleClaim`).
fn claim_from(pod: &Arc<Pod>, name: Name, template: &ResourceClaimTemplate) -> Option<ResourceClaim> {
    let source: serde_json::Value = serde_json::from_str(&template.source).ok()?;
    let spec = &source["spec"];
    let manifest = json!({
        "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "spec": spec["spec"],
        "metadata": {
            "name": "made", "labels": spec["metadata"]["labels"], "annotations": spec["metadata"]["annotations"],
        },
    });
    let Object::ResourceClaim(claim) = lower(&manifest).ok()?.object else { return None };
    let claim = Arc::unwrap_or_clone(claim);
    let (of_pod, of_claim) = (pod.meta.name.as_str(), name.as_str());
    let whole = format!("{of_pod}-{of_claim}-");
    let base = if whole.len() > LONGEST_BASE {
        let share = |text: &str| text[..text.len() * LONGEST_BASE / whole.len()].to_owned();
        format!("{}-{}", share(of_pod), share(of_claim))
    } else {
        whole
    };
    let meta = Metadata {
        name: Name::default(),
        generate_name: Name::new(&base),
        namespace: pod.meta.namespace,
        annotations: claim.meta.annotations.with(*POD_CLAIM_NAME, name),
        owner_references: vec![Object::Pod(pod.clone()).controller_reference()].into(),
        ..claim.meta
    };
    Some(ResourceClaim { meta, ..claim })
}

fn sync_claim(
    claim: &Arc<ResourceClaim>,
    users: &[(Consumer, User)],
    is_left: bool,
    flow: &mut Flow<'_, ClaimKey>,
) -> Step {
    let namespace = claim.meta.namespace;
    let mut valid = Vec::new();
    for (consumer, user) in users {
        let stays = match user {
            User::Stays => true,
            User::Done => false,
            // It may only be that the informer is late.
            User::Unknown => match flow.get(Target { kind: Kind::Pod, namespace, name: consumer.name })? {
                Ok(pod) => pod.meta().uid == consumer.uid,
                Err(error) if error.reason == ErrorReason::NotFound => false,
                Err(error) => return Err(error.into()),
            },
        };
        if stays {
            valid.push(*consumer);
        }
    }
    let is_protected = claim.meta.finalizers.contains(&CLAIM_FINALIZER);
    let is_free = valid.is_empty();
    let frees = valid.len() < users.len();
    let ends = is_protected && claim.meta.is_terminating() && is_free;
    let mut newest = claim.clone();
    if frees || ends && claim.status.allocation.is_some() {
        let mut freed = ResourceClaim::clone(claim);
        freed.status.reserved_for = valid;
        if is_free && is_protected {
            freed.status.allocation = None;
        }
        newest = object(&flow.call(|| update(freed, Part::Status))??);
    }
    if (frees || ends) && is_protected && newest.status.allocation.is_none() {
        let mut unprotected = ResourceClaim::clone(&newest);
        let left = unprotected.meta.finalizers.iter().copied().filter(|one| *one != *CLAIM_FINALIZER);
        unprotected.meta.finalizers = left.collect();
        flow.call(|| update(unprotected, Part::Main))??;
    }
    if is_free && is_left && !claim.meta.is_terminating() {
        let target = Target { kind: Kind::ResourceClaim, namespace, name: claim.meta.name };
        let response = flow.call(|| Request::Delete { target, options: DeleteOptions::default() })?;
        if let Err(error) = response
            && error.reason != ErrorReason::NotFound
        {
            return Err(error.into());
        }
    }
    Ok(())
}
