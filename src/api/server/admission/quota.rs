//! Plug-in ResourceQuota: what a namespace may hold, charged at creation and given back by the quota controller.
//!
//! Follows `staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go` and
//! `pkg/quota/v1/evaluator/core/pods.go`.

use super::Server;
use crate::api::names;
use crate::api::{
    ApiError, CPU, EPHEMERAL_STORAGE, MEMORY, Name, Object, Operator, PODS, Pod, PodAffinityTerm, QosClass,
    ResourceList, ResourceQuota, Timestamp, format_amount, requests,
};
use crate::engine::SimTime;
use std::collections::BTreeMap;
use std::sync::Arc;

names! {
    COUNT_PODS = "count/pods";
}

impl Server {
    /// Charges every quota of the namespace for a new object, or for what is new about one, or refuses it
    /// (`CheckRequest`). Events are not counted (`pkg/quota/v1/install/registry.go`, `DefaultIgnoredResources`).
    pub(in crate::api::server) fn charge_quota(
        &mut self,
        now: SimTime,
        object: &Object,
        before: Option<&Object>,
    ) -> Result<(), Box<ApiError>> {
        if self.store.resource_quotas.is_empty() || matches!(object, Object::Event(_)) {
            return Ok(());
        }
        let stamp = self.stamp(now);
        let namespace = object.meta().namespace;
        let here = self.store.resource_quotas.iter().filter(|quota| quota.meta.namespace == namespace);
        let mut counting: Vec<(Arc<ResourceQuota>, ResourceList)> = here
            .map(|quota| {
                let (usage, had) = (quota.usage_of(object, stamp), before.map(|before| quota.usage_of(before, stamp)));
                (quota.clone(), had.map_or_else(|| usage.clone(), |had| difference(&usage, &had)))
            })
            .filter(|(_, usage)| !usage.is_empty())
            .collect();
        counting.sort_by_key(|(quota, _)| quota.meta.name);
        let meta = object.meta();
        let name = if meta.name.is_empty() { meta.generate_name } else { meta.name };
        let forbidden = |why| Err(ApiError::forbidden(object.kind(), &name, why));
        for (quota, usage) in &counting {
            if let Object::Pod(pod) = object
                && let Some(missing) = missing_amounts(quota, pod)
            {
                return forbidden(format!("failed quota: {}: must specify {missing}", quota.meta.name));
            }
            if let Some(excess) = excess(quota, usage) {
                return forbidden(format!("exceeded quota: {}, {excess}", quota.meta.name));
            }
        }
        for (quota, usage) in counting {
            let mut charged = ResourceQuota::clone(&quota);
            for (resource, _) in quota.hard.iter() {
                let used = quota.status.used.get(resource).unwrap_or(0) + usage.get(resource).unwrap_or(0);
                charged.status.used = charged.status.used.with(resource, used);
            }
            if charged != *quota {
                self.store.replace(charged);
            }
        }
        Ok(())
    }
}

impl ResourceQuota {
    /// What an object uses of what the quota limits; nothing if it does not count it. Scopes are about pods: a quota
    /// that has any counts nothing else.
    pub fn usage_of(&self, object: &Object, now: Timestamp) -> ResourceList {
        if let Object::Pod(pod) = object {
            return if self.counts(pod) { pod_usage(pod, now) } else { ResourceList::EMPTY };
        }
        if !self.scopes.is_empty() || self.priority_classes.is_some() {
            return ResourceList::EMPTY;
        }
        let used = self.hard.iter().map(|(resource, _)| (resource, amount_of(resource, object)));
        used.filter(|(_, amount)| *amount > 0).collect()
    }

    /// Whether the quota's scopes take the pod in.
    pub fn counts(&self, pod: &Pod) -> bool {
        let scoped = self.scopes.iter().all(|scope| match scope.as_str() {
            "Terminating" => pod.spec.active_deadline.is_some(),
            "NotTerminating" => pod.spec.active_deadline.is_none(),
            "BestEffort" => pod.status.qos_class == QosClass::BestEffort,
            "NotBestEffort" => pod.status.qos_class != QosClass::BestEffort,
            "PriorityClass" => !pod.spec.priority_class.is_empty(),
            "CrossNamespacePodAffinity" => crosses_namespaces(pod),
            _ => false,
        });
        let class = pod.spec.priority_class;
        scoped
            && self.priority_classes.as_ref().is_none_or(|(operator, values)| match operator {
                Operator::In => values.contains(&class),
                Operator::NotIn => !values.contains(&class),
                Operator::Exists => !class.is_empty(),
                Operator::DoesNotExist => class.is_empty(),
                Operator::Gt | Operator::Lt => false,
            })
    }
}

/// What an object that is no pod uses of a resource (`pkg/quota/v1/evaluator/core/services.go`,
/// `persistent_volume_claims.go`, and the plain count of the others).
fn amount_of(resource: Name, object: &Object) -> i64 {
    let plain = resource.strip_prefix("count/").unwrap_or(&resource);
    match (object, plain) {
        (Object::Service(service), "services.nodeports") => match service.kind.as_str() {
            "NodePort" | "LoadBalancer" => service.ports.len() as i64,
            _ => 0,
        },
        (Object::Service(service), "services.loadbalancers") => i64::from(service.kind == "LoadBalancer"),
        (Object::PersistentVolumeClaim(claim), _) if plain != "persistentvolumeclaims" => {
            match plain.split_once(".storageclass.storage.k8s.io/") {
                None if plain == "requests.storage" => claim.requests.storage(),
                Some((class, what)) if claim.storage_class.is_some_and(|own| own == class) => match what {
                    "requests.storage" => claim.requests.storage(),
                    "persistentvolumeclaims" => 1,
                    _ => 0,
                },
                Some(_) | None => 0,
            }
        }
        (object, plain) => i64::from(object.kind().resource() == plain),
    }
}

fn crosses_namespaces(pod: &Pod) -> bool {
    let crosses = |term: &PodAffinityTerm| !term.namespaces.is_empty() || term.namespace_selector.is_some();
    pod.spec.affinity.as_ref().is_some_and(|affinity| {
        affinity.required_pods.iter().chain(&affinity.required_anti_pods).any(crosses)
            || affinity.preferred_pods.iter().chain(&affinity.preferred_anti_pods).any(|(_, term)| crosses(term))
    })
}

/// What a pod uses of each thing that a quota may count (`PodUsageFunc`). A finished pod, and one that has overrun its
/// deletion by another grace period, counts as an object only; a resize that is under way counts as the larger side.
pub fn pod_usage(pod: &Pod, now: Timestamp) -> ResourceList {
    let object: ResourceList = [(*COUNT_PODS, 1)].into_iter().collect();
    if pod.is_terminal() || overrun_at(pod).is_some_and(|overrun| now > overrun) {
        return object;
    }
    let mut usage = object.with(*PODS, 1);
    for (resource, amount) in requests::requests_with_status(&pod.spec, &pod.status).iter() {
        usage = usage.with(Name::new(&format!("requests.{resource}")), amount);
        if resource == *CPU || resource == *MEMORY || resource == *EPHEMERAL_STORAGE {
            usage = usage.with(resource, amount);
        }
    }
    for (resource, amount) in requests::limits_with_status(&pod.spec, &pod.status).iter() {
        usage = usage.with(Name::new(&format!("limits.{resource}")), amount);
    }
    usage
}

/// What is used more than before, or less.
fn difference(usage: &ResourceList, before: &ResourceList) -> ResourceList {
    let names = usage.iter().chain(before.iter()).map(|(resource, _)| resource);
    let more = |resource| usage.get(resource).unwrap_or(0) - before.get(resource).unwrap_or(0);
    let mut differs: Vec<(Name, i64)> = names.map(|resource| (resource, more(resource))).collect();
    differs.retain(|(_, amount)| *amount != 0);
    differs.sort_unstable();
    differs.dedup();
    differs.into_iter().collect()
}

/// The last instant at which a pod that is on its way out counts (`QuotaV1Pod`).
pub fn overrun_at(pod: &Pod) -> Option<Timestamp> {
    pod.meta.deletion_timestamp.map(|deletion| deletion.plus_secs(pod.meta.deletion_grace_period.unwrap_or(0)))
}

/// The amounts that a quota on CPU or memory wants every container to state, as the refusal lists them.
fn missing_amounts(quota: &ResourceQuota, pod: &Pod) -> Option<String> {
    if pod.spec.resources.is_some() {
        return None;
    }
    let mut missing: BTreeMap<Name, Vec<&str>> = BTreeMap::new();
    for (resource, _) in quota.hard.iter() {
        let (wanted, limit) = match resource.as_str() {
            "cpu" | "requests.cpu" => (*CPU, false),
            "memory" | "requests.memory" => (*MEMORY, false),
            "limits.cpu" => (*CPU, true),
            "limits.memory" => (*MEMORY, true),
            _ => continue,
        };
        for container in pod.spec.containers.iter().chain(&pod.spec.init_containers) {
            let list = if limit { &container.limits } else { &container.requests };
            if list.get(wanted).is_none() {
                missing.entry(resource).or_default().push(container.name.as_str());
            }
        }
    }
    let texts = missing.into_iter().map(|(resource, mut containers)| {
        containers.sort_unstable();
        format!("{resource} for: {}", containers.join(","))
    });
    let text = texts.collect::<Vec<_>>().join("; ");
    (!text.is_empty()).then_some(text)
}

/// What the usage would exceed, as the refusal lists it.
fn excess(quota: &ResourceQuota, usage: &ResourceList) -> Option<String> {
    let over: Vec<[(Name, i64); 3]> = quota
        .hard
        .iter()
        .filter_map(|(resource, hard)| {
            let requested = usage.get(resource).filter(|amount| *amount != 0)?;
            let used = quota.status.used.get(resource).unwrap_or(0);
            (used + requested > hard).then_some([(resource, requested), (resource, used), (resource, hard)])
        })
        .collect();
    if over.is_empty() {
        return None;
    }
    let list = |which: usize| {
        let text = |entry: &[(Name, i64); 3]| {
            let (resource, amount) = entry[which];
            format!("{resource}={}", format_amount(resource, amount))
        };
        over.iter().map(text).collect::<Vec<_>>().join(",")
    };
    Some(format!("requested: {}, used: {}, limited: {}", list(0), list(1), list(2)))
}
