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
    Kind, Object, Part, Pod, Request, ResourceList, ResourceQuota, ResourceQuotaStatus, Store, Timestamp, pod_usage,
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
    let mut used = ResourceList::EMPTY;
    for pod in store.pods.iter().filter(|pod| pod.meta.namespace == namespace && quota.counts(pod)) {
        used = used.plus(&pod_usage(pod, now));
    }
    for kind in Kind::ALL.iter().copied().filter(|kind| is_limited(quota, *kind)) {
        for object in store.list(kind).iter().filter(|object| object.meta().namespace == namespace) {
            used = used.plus(&quota.usage_of(object, now));
        }
    }
    quota.hard.iter().map(|(resource, _)| (resource, used.get(resource).unwrap_or(0))).collect()
}

/// Whether a quota limits something about a kind other than pods.
fn is_limited(quota: &ResourceQuota, kind: Kind) -> bool {
    let about = |resource: &str| match kind {
        Kind::Service if resource.starts_with("services.") => true,
        Kind::PersistentVolumeClaim if resource.ends_with("requests.storage") => true,
        Kind::PersistentVolumeClaim if resource.ends_with("/persistentvolumeclaims") => true,
        Kind::Pod | Kind::Event => false,
        _ => resource.strip_prefix("count/").unwrap_or(resource) == kind.resource(),
    };
    kind.is_namespaced() && quota.hard.iter().any(|(resource, _)| about(&resource))
}
