//! What a pod as a whole requests, is limited to, and is worth.

use super::{Container, PodSpec, QosClass};
use crate::api::{CPU, MEMORY, ResourceList, Resources};

impl PodSpec {
    /// Recomputes what is kept of the requests; to be called whenever containers or overhead change.
    pub fn update_requests(&mut self) {
        self.requests = Resources::from(&self.effective_requests());
        self.non_zero_requests = (self.requests.milli_cpu, self.requests.memory);
    }

    /// The requests of the whole pod.
    pub fn effective_requests(&self) -> ResourceList {
        self.total(|container| &container.requests)
    }

    /// The limits of the whole pod.
    pub fn effective_limits(&self) -> ResourceList {
        self.total(|container| &container.limits)
    }

    fn total(&self, of: fn(&Container) -> &ResourceList) -> ResourceList {
        let (mut running, mut most) = (ResourceList::EMPTY, ResourceList::EMPTY);
        for container in &self.init_containers {
            let at_once = running.plus(of(container));
            if container.is_sidecar() {
                running = at_once.clone();
            }
            most = most.max(&at_once);
        }
        self.containers.iter().fold(running, |sum, container| sum.plus(of(container))).max(&most)
    }

    /// The quality-of-service class.
    pub fn qos_class(&self) -> QosClass {
        let all = || self.containers.iter().chain(&self.init_containers);
        let positive = |list: &ResourceList| list.iter().any(|(name, n)| (name == *CPU || name == *MEMORY) && n > 0);
        if !all().any(|container| positive(&container.requests) || positive(&container.limits)) {
            return QosClass::BestEffort;
        }
        let guaranteed = all().all(|container| {
            [*CPU, *MEMORY].into_iter().all(|resource| {
                let limit = container.limits.get(resource);
                limit.is_some_and(|limit| limit > 0 && container.requests.get(resource).unwrap_or(limit) == limit)
            })
        });
        if guaranteed { QosClass::Guaranteed } else { QosClass::Burstable }
    }
}
