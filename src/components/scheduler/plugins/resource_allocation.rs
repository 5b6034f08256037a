//! What NodeResourcesFit and NodeResourcesBalancedAllocation share: the amounts that a score is computed from.
//!
//! Follows `plugins/noderesources/resource_allocation.go` of Kubernetes 1.36.

use super::{fields, unknown_field, whole_number};
use crate::api::{CPU, EPHEMERAL_STORAGE, MEMORY, Name, PodSpec};
use crate::components::scheduler::cache::NodeInfo;
use crate::components::scheduler::profile::ArgumentError;
use serde_json::Value;

/// A resource that scores look at, with its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoredResource {
    /// The resource.
    pub name: Name,
    /// Its weight.
    pub weight: i64,
}

/// CPU and memory alike.
pub fn default_resources() -> Vec<ScoredResource> {
    [*CPU, *MEMORY].into_iter().map(|name| ScoredResource { name, weight: 1 }).collect()
}

/// The list of resources in arguments; the default for none.
pub(super) fn read_resources(place: &str, value: &Value) -> Result<Vec<ScoredResource>, ArgumentError> {
    let mut resources: Vec<ScoredResource> = Vec::new();
    for (n, one) in value.as_array().into_iter().flatten().enumerate() {
        let (mut name, mut weight) = (Name::default(), 1);
        for (field, value) in fields(one) {
            let here = format!("{place}[{n}].{field}");
            match field {
                "name" => name = Name::new(value.as_str().unwrap_or_default()),
                "weight" => weight = whole_number(&here, value, 0, 100)?.max(1),
                _ => return Err(unknown_field(&here)),
            }
        }
        if name.is_empty() || resources.iter().any(|have| have.name == name) {
            let found = if name.is_empty() { "no name".to_owned() } else { format!("{name} a second time") };
            return Err(ArgumentError::new(format!("{place}[{n}].name"), found, "name each resource once"));
        }
        resources.push(ScoredResource { name, weight });
    }
    Ok(if resources.is_empty() { default_resources() } else { resources })
}

/// What a pod asks of each scored resource, in order, as it is stated.
pub fn stated_requests(spec: &PodSpec, resources: &[ScoredResource]) -> Vec<i64> {
    resources.iter().map(|resource| spec.requests.get(resource.name)).collect()
}

/// What the containers of a pod ask of each scored resource, in order: 100m and 200 MiB where one states nothing.
///
/// Requests of the pod as a whole do not count here (`SkipPodLevelResources`), although they do once it is on a node.
pub fn filled_requests(spec: &PodSpec, resources: &[ScoredResource]) -> Vec<i64> {
    let of_containers;
    let spec = if spec.resources.is_some() {
        let mut own = spec.clone();
        own.resources = None;
        own.compute_requests();
        of_containers = own;
        &of_containers
    } else {
        spec
    };
    let request = |resource: &ScoredResource| match resource.name {
        name if name == *CPU => spec.non_zero_requests.0,
        name if name == *MEMORY => spec.non_zero_requests.1,
        name => spec.requests.get(name),
    };
    resources.iter().map(request).collect()
}

/// What a node has of a resource, and what of it would be promised with the pod. Zero and zero for what does not count:
/// what the node does not have, and extended resources that the pod does not ask for.
pub fn allocatable_and_requested(node: &NodeInfo, resource: Name, request: i64, as_stated: bool) -> (i64, i64) {
    let totals = &node.totals;
    if resource == *CPU {
        let used = if as_stated { totals.requested.milli_cpu } else { totals.non_zero_milli_cpu };
        (totals.allocatable.milli_cpu, used + request)
    } else if resource == *MEMORY {
        let used = if as_stated { totals.requested.memory } else { totals.non_zero_memory };
        (totals.allocatable.memory, used + request)
    } else if resource == *EPHEMERAL_STORAGE {
        (totals.allocatable.ephemeral_storage, totals.requested.ephemeral_storage + request)
    } else if request == 0 {
        (0, 0)
    } else {
        match node.allocatable_scalar(resource) {
            Some(allocatable) => (allocatable, node.requested_scalar(resource) + request),
            None => (0, 0),
        }
    }
}
