//! An admission webhook that changes what new pods ask for (`MutatedResources`).

use super::{Cluster, Strike};
use crate::api::{Amount, Container, Name, Object, Pod, Request, ResourceList};
use crate::engine::StreamKey;
use crate::faults::FaultKind;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Cluster {
    /// A call as webhooks leave it.
    pub(super) fn mutated(&self, request: &mut Request) {
        let Request::Create(Object::Pod(pod)) = request else { return };
        for (kind, strike) in self.blows() {
            if let FaultKind::MutatedResources(mutation) = kind
                && self.is_mutated(pod, strike)
            {
                let scope = &self.fault(strike.fault).scope;
                let spec = Arc::make_mut(&mut Arc::make_mut(pod).spec);
                for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
                    if scope.has_container(container.name) {
                        container.requests = with(&container.requests, &mutation.requests);
                        container.limits = with(&container.limits, &mutation.limits);
                        container.requests = requests_of(container);
                    }
                }
            }
        }
    }

    /// Whether a fault is about a pod that is about to be made, by the name that it is asked for under.
    fn is_mutated(&self, pod: &Pod, strike: &Strike) -> bool {
        let fault = self.fault(strike.fault);
        let mut asked = pod.clone();
        if asked.meta.name.is_empty() {
            asked.meta.name = asked.meta.generate_name;
        }
        let member = StreamKey::new(&asked.meta.namespace).part(&asked.meta.name);
        fault.scope.has_pod(Name::default(), &asked)
            && fault.scope.draws(self.draws, fault.stream, member, strike.occasion)
    }
}

/// What a container requests: where nothing is stated, its limits, as the server fills it in after each webhook.
fn requests_of(container: &Container) -> ResourceList {
    let limits = container.limits.iter().filter(|(name, _)| container.requests.get(*name).is_none());
    limits.fold(container.requests.clone(), |requests, (name, amount)| requests.with(name, amount))
}

/// A list with other amounts of some resources.
fn with(list: &ResourceList, amounts: &BTreeMap<String, Amount>) -> ResourceList {
    amounts.iter().fold(list.clone(), |list, (name, amount)| list.with(Name::new(name), amount.of(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stated_replaces_what_was_there() {
        let list = [(Name::new("cpu"), 100), (Name::new("memory"), 64)].into_iter().collect::<ResourceList>();
        let amounts = BTreeMap::from([("cpu".to_owned(), Amount::parse("250m").expect("a quantity"))]);
        let container =
            Container { limits: list.clone(), requests: with(&ResourceList::EMPTY, &amounts), ..Container::default() };
        let requests: Vec<(Name, i64)> = requests_of(&container).iter().collect();
        assert_eq!(
            requests,
            [(Name::new("cpu"), 250), (Name::new("memory"), 64)],
            "limits stand for what is not stated"
        );
        assert_eq!(
            with(&list, &amounts).iter().collect::<Vec<_>>(),
            [(Name::new("cpu"), 250), (Name::new("memory"), 64)]
        );
    }
}
