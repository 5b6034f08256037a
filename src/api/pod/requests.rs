//! The arithmetic of a pod's resources: what it asks for as a whole, and the class of service that follows.
//!
//! Follows `component-helpers/resource/helpers.go` (`PodRequests`, `PodLimits`), the scheduler's
//! `framework/types.go` (`CalculatePodResource`) and `apis/core/helper/qos/qos.go` of 1.36. Amounts are integers from
//! the start: CPU in thousandths, the rest in whole units, each rounded up.

use super::{Container, ContainerStatus, POD_RESIZE_PENDING, PodSpec, PodStatus, QosClass};
use crate::api::{CPU, MEMORY, Name, ResourceList, Resources};

/// What a container without a CPU request counts for in scores: 100m.
pub const DEFAULT_MILLI_CPU: i64 = 100;
/// What a container without a memory request counts for in scores: 200 MiB.
pub const DEFAULT_MEMORY: i64 = 200 * 1024 * 1024;

/// What a pod asks for, overhead included, by its spec alone.
pub fn requests(spec: &PodSpec) -> ResourceList {
    total(spec, |container| container.requests.clone())
}

/// What a pod asks for, an outstanding resize included: of each container the most of spec, allocation and reality.
pub fn requests_with_status(spec: &PodSpec, status: &PodStatus) -> ResourceList {
    let of = |container: &Container| container_requests(spec, status, container);
    let mut sums = aggregate(spec, of);
    if let Some((requests, _)) = pod_level_in_force(spec, status) {
        sums = replaced(&sums, &requests);
    }
    sums.plus(&spec.overhead)
}

/// What a pod may not exceed, overhead included where there is a limit, by its spec alone.
pub fn limits(spec: &PodSpec) -> ResourceList {
    let mut sums = aggregate(spec, |container| container.limits.clone());
    if let Some((_, limits)) = &spec.resources {
        sums = replaced(&sums, limits);
    }
    with_overhead(&sums, spec)
}

/// What a pod may not exceed, an outstanding resize included.
pub fn limits_with_status(spec: &PodSpec, status: &PodStatus) -> ResourceList {
    let mut sums = aggregate(spec, |container| match reported(spec, status, container) {
        Some(ContainerStatus { resources: Some((_, actual)), .. }) => {
            if is_infeasible(status) {
                actual.clone()
            } else {
                container.limits.max(actual)
            }
        }
        _ => container.limits.clone(),
    });
    if let Some((_, limits)) = pod_level_in_force(spec, status) {
        sums = replaced(&sums, &limits);
    }
    with_overhead(&sums, spec)
}

/// What the cgroup of a pod may use, overhead included, where containers, or the pod as a whole, have other resources
/// than the spec says.
pub fn in_force(
    spec: &PodSpec,
    own: Option<&(ResourceList, ResourceList)>,
    of: impl Fn(&Container) -> (ResourceList, ResourceList),
) -> (ResourceList, ResourceList) {
    let mut requests = aggregate(spec, |container| of(container).0);
    let mut limits = aggregate(spec, |container| of(container).1);
    if let Some((own_requests, own_limits)) = own {
        requests = replaced(&requests, own_requests);
        limits = replaced(&limits, own_limits);
    }
    (requests.plus(&spec.overhead), with_overhead(&limits, spec))
}

/// CPU and memory that scores count by the spec alone: 100m and 200 MiB for each container that states none.
pub fn non_zero_requests(spec: &PodSpec) -> (i64, i64) {
    let guesses = guesses(spec, || requests(spec));
    let sums = total(spec, |container| container.requests.or(&guesses));
    (sums.milli_cpu(), sums.memory())
}

/// The same with an outstanding resize.
pub fn non_zero_requests_with_status(spec: &PodSpec, status: &PodStatus) -> (i64, i64) {
    let guesses = guesses(spec, || requests_with_status(spec, status));
    let mut sums = aggregate(spec, |container| container_requests(spec, status, container).or(&guesses));
    if let Some((requests, _)) = pod_level_in_force(spec, status) {
        sums = replaced(&sums, &requests);
    }
    let sums = sums.plus(&spec.overhead);
    (sums.milli_cpu(), sums.memory())
}

/// What a container without a request counts for; with pod-level requests only of what the pod asks nothing at all
/// (`getNonMissingContainerRequests`).
fn guesses(spec: &PodSpec, requests: impl Fn() -> ResourceList) -> ResourceList {
    let all = [(*CPU, DEFAULT_MILLI_CPU), (*MEMORY, DEFAULT_MEMORY)];
    if spec.resources.as_ref().is_none_or(|(own, _)| !own.iter().any(|(name, _)| is_pod_level(name))) {
        return all.into_iter().collect();
    }
    let requests = requests();
    all.into_iter().filter(|(name, _)| requests.get(*name).unwrap_or(0) == 0).collect()
}

/// The class of service, by the spec (`ComputePodQOS`).
pub fn qos_class(spec: &PodSpec) -> QosClass {
    let mut requests = ResourceList::EMPTY;
    let mut limits = ResourceList::EMPTY;
    let mut all_limited = true;
    let mut count = |own_requests: &ResourceList, own_limits: &ResourceList| {
        requests = requests.plus(&counted(own_requests));
        let own_limits = counted(own_limits);
        all_limited &= own_limits.iter().len() == 2;
        limits = limits.plus(&own_limits);
    };
    match &spec.resources {
        Some((own_requests, own_limits)) if own_limits.is_empty() => {
            // Without a limit nothing is compared with one.
            let own_requests = counted(own_requests);
            return if own_requests.is_empty() { QosClass::BestEffort } else { QosClass::Burstable };
        }
        Some((own_requests, own_limits)) => count(own_requests, own_limits),
        None => spec.containers.iter().chain(&spec.init_containers).for_each(|c| count(&c.requests, &c.limits)),
    }
    if requests.is_empty() && limits.is_empty() {
        QosClass::BestEffort
    } else if all_limited && requests == limits {
        QosClass::Guaranteed
    } else {
        QosClass::Burstable
    }
}

impl PodSpec {
    /// Computes what is kept of the requests; to be called after any change of resources, overhead or containers.
    pub fn compute_requests(&mut self) {
        self.requests = Resources::from(&requests(self));
        self.non_zero_requests = non_zero_requests(self);
    }
}

/// CPU and memory above zero: what the class of service looks at.
fn counted(list: &ResourceList) -> ResourceList {
    list.iter().filter(|(name, amount)| (*name == *CPU || *name == *MEMORY) && *amount > 0).collect()
}

fn total(spec: &PodSpec, of: impl Fn(&Container) -> ResourceList) -> ResourceList {
    let mut sums = aggregate(spec, of);
    if let Some((requests, _)) = &spec.resources {
        sums = replaced(&sums, requests);
    }
    if spec.overhead.is_empty() { sums } else { sums.plus(&spec.overhead) }
}

/// Overhead is added to limits that there are.
fn with_overhead(sums: &ResourceList, spec: &PodSpec) -> ResourceList {
    let overhead = |name| spec.overhead.get(name).unwrap_or(0);
    sums.iter().map(|(name, limit)| (name, if limit == 0 { 0 } else { limit + overhead(name) })).collect()
}

/// Pod-level amounts stand in for the sums, where there can be any.
fn replaced(sums: &ResourceList, own: &ResourceList) -> ResourceList {
    own.iter().filter(|(name, _)| is_pod_level(*name)).collect::<ResourceList>().or(sums)
}

fn is_pod_level(name: Name) -> bool {
    name == *CPU || name == *MEMORY || name.starts_with("hugepages-")
}

/// The sum over containers and sidecars, or what an init container needs beside the sidecars before it, if more.
fn aggregate(spec: &PodSpec, of: impl Fn(&Container) -> ResourceList) -> ResourceList {
    if let ([container], []) = (&spec.containers[..], &spec.init_containers[..]) {
        return of(container);
    }
    let mut sums = spec.containers.iter().fold(ResourceList::EMPTY, |sums, container| sums.plus(&of(container)));
    let (mut sidecars, mut most) = (ResourceList::EMPTY, ResourceList::EMPTY);
    for container in &spec.init_containers {
        let own = of(container);
        if container.is_sidecar() {
            sums = sums.plus(&own);
            sidecars = sidecars.plus(&own);
            most = most.max(&sidecars);
        } else {
            most = most.max(&own.plus(&sidecars));
        }
    }
    sums.max(&most)
}

fn is_infeasible(status: &PodStatus) -> bool {
    status.condition(*POD_RESIZE_PENDING).is_some_and(|pending| pending.reason == "Infeasible")
}

/// The status of a container that reports resources; of init containers, sidecars only.
fn reported<'s>(spec: &PodSpec, status: &'s PodStatus, container: &Container) -> Option<&'s ContainerStatus> {
    let is_init = spec.init_containers.iter().any(|init| std::ptr::eq(init, container));
    if is_init && !container.is_sidecar() {
        return None;
    }
    // Of two statuses of one name the later list wins.
    let statuses = status.containers.iter().chain(&status.init_containers);
    statuses.rev().find(|have| have.name == container.name).filter(|have| have.resources.is_some())
}

fn container_requests(spec: &PodSpec, status: &PodStatus, container: &Container) -> ResourceList {
    let Some(ContainerStatus { resources: Some((actual, _)), allocated_resources, .. }) =
        reported(spec, status, container)
    else {
        return container.requests.clone();
    };
    let allocated = allocated_resources.as_ref().unwrap_or(&ResourceList::EMPTY);
    let held = actual.max(allocated);
    if is_infeasible(status) { held } else { container.requests.max(&held) }
}

/// Pod-level requests and limits with what the kubelet allocated and enacted, of the resources that the spec names.
fn pod_level_in_force(spec: &PodSpec, status: &PodStatus) -> Option<(ResourceList, ResourceList)> {
    let (requests, limits) = spec.resources.as_ref()?;
    let Some((actual_requests, actual_limits)) = &status.resources else {
        return Some((requests.clone(), limits.clone()));
    };
    let named = |list: ResourceList, by: &ResourceList| -> ResourceList {
        list.iter().filter(|(name, _)| by.get(*name).is_some()).collect()
    };
    let allocated = status.allocated_resources.as_ref().unwrap_or(&ResourceList::EMPTY);
    let held = actual_requests.max(allocated);
    let (in_force, limited) = if is_infeasible(status) {
        (held, actual_limits.clone())
    } else {
        (requests.max(&held), limits.max(actual_limits))
    };
    Some((named(in_force, requests), named(limited, limits)))
}
