//! Resource quotas: what a namespace uses is counted anew when something goes.
//!
//! Follows `pkg/controller/resourcequota` of Kubernetes 1.36. What is created is charged by the server at once; the
//! round of every five minutes, which would find the same, is left out.

use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::work_queue::Key;
use crate::api::{
    Kind, Name, Object, Part, Pod, Request, ResourceList, ResourceQuota, ResourceQuotaStatus, Store, Timestamp,
    pod_usage,
};
use std::sync::Arc;

/// The controller of ResourceQuotas.
#[derive(Debug, Clone)]
pub struct ResourceQuotaController;

/// A quota, and what is used of what it limits.
#[derive(Debug, Clone)]
pub struct View {
    quota: Arc<ResourceQuota>,
    used: ResourceList,
}

impl Controller for ResourceQuotaController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest = Interest::EVERYTHING.once_there_was(&[Kind::ResourceQuota]);

    fn settings(&self) -> Settings {
        Settings::new("resourcequota-controller")
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        if let Some((old, quota)) = seen.of::<ResourceQuota>() {
            let same = |old: &Arc<ResourceQuota>| {
                old.hard == quota.hard && old.scopes == quota.scopes && quota.hard == quota.status.hard
            };
            if !seen.is_deletion() && !old.is_some_and(same) {
                desk.queue.add(Key::of(&quota.meta));
            }
            return;
        }
        let quotas = &seen.informers.store().resource_quotas;
        if quotas.is_empty() || !replenishes(seen, desk.stamp()) {
            return;
        }
        let namespace = seen.new.meta().namespace;
        for quota in quotas.iter().filter(|quota| quota.meta.namespace == namespace) {
            desk.queue.add(Key::of(&quota.meta));
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, desk: &mut Desk<Key>) -> Option<View> {
        let quota = informers.store().resource_quotas.find(key.namespace, key.name)?;
        Some(View { quota: quota.clone(), used: used(quota, informers.store(), desk.stamp()) })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let status = ResourceQuotaStatus { hard: view.quota.hard.clone(), used: view.used.clone() };
        if status == view.quota.status {
            return Ok(());
        }
        let quota = ResourceQuota { status, ..ResourceQuota::clone(&view.quota) };
        flow.call(|| Request::Update { object: Object::ResourceQuota(Arc::new(quota)), part: Part::Status })??;
        Ok(())
    }
}

/// Whether a change gives something back: an object is gone, or a pod no longer counts.
fn replenishes(seen: &Seen<'_>, now: Timestamp) -> bool {
    match (seen.of::<Pod>(), seen.is_deletion()) {
        (_, true) => true,
        (Some((Some(old), new)), false) => counts(old, now) && !counts(new, now),
        _ => false,
    }
}

fn counts(pod: &Pod, now: Timestamp) -> bool {
    pod_usage(pod, now).get(*crate::api::PODS).is_some()
}

/// What there is of each limited thing.
fn used(quota: &ResourceQuota, store: &Store, now: Timestamp) -> ResourceList {
    let namespace = quota.meta.namespace;
    let mut pods = ResourceList::EMPTY;
    for pod in store.pods.iter().filter(|pod| pod.meta.namespace == namespace && quota.counts(pod)) {
        pods = pods.plus(&pod_usage(pod, now));
    }
    let amount =
        |resource: Name| objects(resource, namespace, store).unwrap_or_else(|| pods.get(resource).unwrap_or(0));
    quota.hard.iter().map(|(resource, _)| (resource, amount(resource))).collect()
}

/// How many objects of a kind there are, or what claims ask for, where a resource is about that.
fn objects(resource: Name, namespace: Name, store: &Store) -> Option<i64> {
    let services = || store.services.iter().filter(|service| service.meta.namespace == namespace);
    let claims = || store.persistent_volume_claims.iter().filter(|claim| claim.meta.namespace == namespace);
    let count = |amount: usize| Some(amount as i64);
    match resource.as_str() {
        "services.nodeports" => count(services().flat_map(|s| &s.ports).filter(|port| port.node_port > 0).count()),
        "services.loadbalancers" => count(services().filter(|service| service.kind == "LoadBalancer").count()),
        "requests.storage" => Some(claims().filter_map(|claim| claim.requests.get(*crate::api::STORAGE)).sum::<i64>()),
        "pods" | "count/pods" => None,
        plain => {
            let wanted = plain.strip_prefix("count/").unwrap_or(plain);
            let kind = Kind::ALL.iter().copied().find(|kind| kind.is_namespaced() && kind.resource() == wanted)?;
            let here = |object: &Object| object.meta().namespace == namespace;
            count(store.list(kind).iter().filter(|object| here(object)).count())
        }
    }
}
