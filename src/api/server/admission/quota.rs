//! Plug-in ResourceQuota: what a namespace may hold, charged at creation and given back by the quota controller.
//!
//! Follows `staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go` and
//! `pkg/quota/v1/evaluator/core/pods.go`.

use super::Server;
use crate::api::names;
use crate::api::{
    ApiError, CPU, EPHEMERAL_STORAGE, Kind, MEMORY, Name, Operator, PODS, Pod, PodAffinityTerm, QosClass, ResourceList,
    ResourceQuota, Timestamp, format_amount, requests,
};
use crate::engine::SimTime;
use std::collections::BTreeMap;
use std::sync::Arc;

names! {
    COUNT_PODS = "count/pods";
}

impl Server {
    /// Charges every quota that counts the pod, or refuses it.
    pub(in crate::api::server) fn charge_quota(&mut self, now: SimTime, pod: &Pod) -> Result<(), Box<ApiError>> {
        let namespace = pod.meta.namespace;
        let mut counting: Vec<Arc<ResourceQuota>> = self
            .store
            .resource_quotas
            .iter()
            .filter(|quota| quota.meta.namespace == namespace && quota.counts(pod))
            .cloned()
            .collect();
        if counting.is_empty() {
            return Ok(());
        }
        counting.sort_by_key(|quota| quota.meta.name);
        let usage = pod_usage(pod, self.stamp(now));
        let forbidden = |why| Err(ApiError::forbidden(Kind::Pod, super::pod_name(pod), why));
        for quota in &counting {
            if let Some(missing) = missing_amounts(quota, pod) {
                return forbidden(format!("failed quota: {}: must specify {missing}", quota.meta.name));
            }
            if let Some(excess) = excess(quota, &usage) {
                return forbidden(format!("exceeded quota: {}, {excess}", quota.meta.name));
            }
        }
        for quota in counting {
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

fn crosses_namespaces(pod: &Pod) -> bool {
    let crosses = |term: &PodAffinityTerm| !term.namespaces.is_empty() || term.namespace_selector.is_some();
    pod.spec.affinity.as_ref().is_some_and(|affinity| {
        affinity.required_pods.iter().chain(&affinity.required_anti_pods).any(crosses)
            || affinity.preferred_pods.iter().chain(&affinity.preferred_anti_pods).any(|(_, term)| crosses(term))
    })
}

/// What a pod uses of each thing that a quota may count (`PodUsageFunc`). A finished pod, and one that has overrun its
/// deletion by another grace period, counts as an object only.
pub fn pod_usage(pod: &Pod, now: Timestamp) -> ResourceList {
    let object: ResourceList = [(*COUNT_PODS, 1)].into_iter().collect();
    let overrun = pod
        .meta
        .deletion_timestamp
        .is_some_and(|deletion| now > deletion.plus_secs(pod.meta.deletion_grace_period.unwrap_or(0)));
    if pod.is_terminal() || overrun {
        return object;
    }
    let mut usage = object.with(*PODS, 1);
    for (resource, amount) in requests::requests(&pod.spec).iter() {
        usage = usage.with(Name::new(&format!("requests.{resource}")), amount);
        if resource == *CPU || resource == *MEMORY || resource == *EPHEMERAL_STORAGE {
            usage = usage.with(resource, amount);
        }
    }
    for (resource, amount) in requests::limits(&pod.spec).iter() {
        usage = usage.with(Name::new(&format!("limits.{resource}")), amount);
    }
    usage
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
            let requested = usage.get(resource).filter(|amount| *amount > 0)?;
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
