//! Resource quotas: what a namespace uses is counted anew when something goes.
//!
//! Follows `pkg/controller/resourcequota` of Kubernetes 1.36. What is created is charged by the server at once. Every
//! five minutes all is counted anew: that finds something only where a pod has overrun its deletion (nobody confirms it
//! from a lost node), so other rounds are left out.

use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::work_queue::Key;
use crate::api::{
    Kind, Object, Part, Pod, Request, ResourceList, ResourceQuota, ResourceQuotaStatus, Service, Store, Timestamp,
    overrun_at, pod_usage,
};
use crate::engine::{Purpose, SimDuration, SimTime, StreamKey};
use std::sync::Arc;

const PHASE: Purpose = Purpose::new("quota resync phase");
/// How often all is counted anew (`--resource-quota-sync-period`).
const PERIOD: SimDuration = SimDuration::from_mins(5);

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
        if quotas.is_empty() {
            return;
        }
        let later = if replenishes(seen, desk.stamp()) {
            None
        } else if let Some((_, pod)) = seen.of::<Pod>()
            && let Some(at) = freed_at(pod, desk)
        {
            Some(at)
        } else {
            return;
        };
        let namespace = seen.new.meta().namespace;
        for quota in quotas.iter().filter(|quota| quota.meta.namespace == namespace) {
            let key = Key::of(&quota.meta);
            match later {
                Some(at) => desk.queue.add_at(at, key),
                None => desk.queue.add(key),
            }
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, desk: &mut Desk<Key>) -> Option<View> {
        let quota = informers.store().resource_quotas.find(key.namespace, key.name)?;
        let here = informers.store().pods.iter().filter(|pod| pod.meta.namespace == key.namespace);
        if let Some(at) = here.filter_map(|pod| freed_at(pod, desk)).min() {
            desk.queue.add_at(at, key);
        }
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

/// Whether a change gives something back: an object is gone, a pod no longer counts or counts otherwise, a Service is
/// of another type (`pkg/quota/v1/install/update_filter.go`).
fn replenishes(seen: &Seen<'_>, now: Timestamp) -> bool {
    match (seen.of::<Pod>(), seen.is_deletion()) {
        (_, true) => true,
        (Some((Some(old), new)), false) => {
            let scope = |pod: &Pod| pod.spec.active_deadline.is_some();
            scope(old) != scope(new) || counts(old, now) && pod_usage(old, now) != pod_usage(new, now)
        }
        _ => match seen.of::<Service>() {
            Some((Some(old), new)) => old.kind != new.kind,
            _ => false,
        },
    }
}

fn counts(pod: &Pod, now: Timestamp) -> bool {
    pod_usage(pod, now).get(*crate::api::PODS).is_some()
}

/// The first round that no longer counts a pod which is on its way out, but stays.
fn freed_at(pod: &Pod, desk: &Desk<Key>) -> Option<SimTime> {
    let overrun = overrun_at(pod).filter(|_| counts(pod, desk.stamp()))?;
    // The stamp of that round must lie beyond.
    let due = desk.clock.when(overrun.plus_secs(1).wall()).max(desk.now);
    let phase = desk.draws.draw(PHASE, StreamKey::new("resourcequota"), 0).below(PERIOD.as_nanos());
    let since = (due.as_nanos() + PERIOD.as_nanos() - phase) % PERIOD.as_nanos();
    Some(due + SimDuration::from_nanos(PERIOD.as_nanos() - since))
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
