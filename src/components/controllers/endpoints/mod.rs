//! Endpoints: the addresses behind each Service in their older form, all in one object of the Service's name.
//!
//! Follows `pkg/controller/endpoint/endpoints_controller.go` of Kubernetes 1.36: the sync here, how addresses are put
//! into subsets in [`subsets`], what is kept of them from look to look in [`roster`], what an object says about its
//! trigger in [`trigger`]. Endpoints that users write for a Service without a selector are mirrored into slices by
//! [`mirroring`](super::endpoint_mirroring).

mod roster;
mod subsets;
mod trigger;

use super::endpoint_slice::{self, HEADLESS, Offered, TRIGGER_TIME};
use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::rosters::Rosters;
use super::work_queue::{Key, Retry};
use crate::api::{
    DeleteOptions, ENDPOINTS_CONTROLLER, ENDPOINTS_MANAGED_BY, EndpointAddress, EndpointSubset, Endpoints, ErrorReason,
    EventType, Kind, Labels, Metadata, Name, Object, Part, Pod, Request, Service, Target, names,
};
use roster::Roster;
use std::sync::Arc;
use subsets::Offer;
use trigger::TriggerTimes;

names! {
    OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity";
    TRUNCATED = "truncated";
}

/// A key that failed so often is dropped.
const MOST_RETRIES: u32 = 15;

/// The controller of Endpoints.
#[derive(Debug, Clone, Default)]
pub struct EndpointsController {
    triggers: TriggerTimes,
    rosters: Rosters<Roster>,
}

/// What one sync is to do.
#[derive(Debug, Clone)]
pub enum View {
    /// The Service is gone, and so go its addresses.
    Gone(Key),
    /// They are not there yet.
    Create(Arc<Endpoints>),
    /// They are others by now.
    Update(Arc<Endpoints>),
}

impl Controller for EndpointsController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Service, Kind::Pod, Kind::Endpoints])
        .once_there_was(&[Kind::Service, Kind::Endpoints]);

    fn settings(&self) -> Settings {
        let retry = Retry::DEFAULT.at_most(MOST_RETRIES);
        Settings { retry, guarded: &[Kind::Endpoints], ..Settings::new("endpoint-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        match seen.new {
            Object::Service(service) => desk.queue.add(Key::of(&service.meta)),
            Object::Pod(pod) => endpoint_slice::pod_changed(seen, pod, &mut self.rosters, desk),
            Object::Endpoints(endpoints) if seen.is_deletion() => desk.queue.add(Key::of(&endpoints.meta)),
            _ => {}
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, _desk: &mut Desk<Key>) -> Option<View> {
        let store = informers.store();
        let current = store.endpoints.find(key.namespace, key.name);
        let Some(service) = store.services.find(key.namespace, key.name) else {
            self.triggers.forget(key);
            self.rosters.forget(key);
            return current.map(|_| View::Gone(key));
        };
        if service.selector.is_none() || service.kind == "ExternalName" {
            return None;
        }
        let (roster, changed) = self.rosters.look(service, informers);
        let trigger = self.triggers.changed(service, &changed);
        let offered = Offered::by(service);
        for (place, pod) in changed.pods {
            roster.put(place, pod.and_then(|pod| offer(service, &offered, &pod)));
        }
        let repacked = roster.subsets();
        debug_assert_eq!(repacked, pack_anew(service, informers), "{}", service.meta.key());
        let (subsets, cut) = repacked;
        let labels = labels(service);
        if let Some(current) = current
            && !cut
            && current.subsets == subsets
            && current.meta.labels == labels
            && is_told_right(current)
        {
            return None;
        }
        let fresh = || Metadata { name: key.name, namespace: key.namespace, ..Metadata::default() };
        let meta = current.map_or_else(fresh, |current| current.meta.clone());
        let mut annotations = meta.annotations.without(*TRIGGER_TIME).without(*OVER_CAPACITY);
        if let Some(at) = trigger {
            annotations = annotations.with(*TRIGGER_TIME, Name::new(&at.to_string()));
        }
        if cut {
            annotations = annotations.with(*OVER_CAPACITY, *TRUNCATED);
        }
        let endpoints = Arc::new(Endpoints { meta: Metadata { labels, annotations, ..meta }, subsets });
        Some(if current.is_some() { View::Update(endpoints) } else { View::Create(endpoints) })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let (endpoints, reason, what) = match view {
            View::Gone(key) => {
                let target = Target { kind: Kind::Endpoints, namespace: key.namespace, name: key.name };
                return match flow.call(|| Request::Delete { target, options: DeleteOptions::default() })? {
                    Err(error) if error.reason != ErrorReason::NotFound => Err(error.into()),
                    Ok(_) | Err(_) => Ok(()),
                };
            }
            View::Create(endpoints) => (endpoints, "FailedToCreateEndpoint", "create endpoint for service"),
            View::Update(endpoints) => (endpoints, "FailedToUpdateEndpoint", "update endpoint"),
        };
        let object = || Object::Endpoints(endpoints.clone());
        let written = flow.call(|| match view {
            View::Update(_) => Request::Update { object: object(), part: Part::Main },
            View::Create(_) | View::Gone(_) => Request::Create(object()),
        })?;
        match written {
            Ok(_) => Ok(()),
            Err(error) if error.reason == ErrorReason::NamespaceTerminating => Ok(()),
            Err(error) => {
                let message = format!("Failed to {what} {}: {error}", endpoints.meta.key());
                flow.tell(object().reference(), EventType::Warning, reason, message);
                Err(error.into())
            }
        }
    }

    fn started(&mut self, informers: &Informers, desk: &mut Desk<Key>) {
        for endpoints in informers.store().endpoints.iter().filter(|endpoints| endpoints.is_made_by_controller()) {
            desk.queue.add(Key::of(&endpoints.meta)); // Perhaps their Service went while nobody looked.
        }
    }
}

/// The labels that a Service's Endpoints have.
fn labels(service: &Service) -> Labels {
    let labels = service.meta.labels.with(*ENDPOINTS_MANAGED_BY, *ENDPOINTS_CONTROLLER);
    if service.headless { labels.with(*HEADLESS, Name::default()) } else { labels.without(*HEADLESS) }
}

/// Whether the mark of too many addresses is as it should be (`capacityAnnotationSetCorrectly`).
fn is_told_right(endpoints: &Endpoints) -> bool {
    let marked = endpoints.meta.annotations.get(*OVER_CAPACITY).is_some();
    !marked && subsets::count(&endpoints.subsets) <= subsets::MOST_ADDRESSES
}

/// What a pod behind a Service offers.
fn offer(service: &Service, offered: &Offered<'_>, pod: &Pod) -> Option<Offer> {
    // `ShouldPodBeInEndpoints`: those on their way out only if the unready count.
    let leaves = pod.is_terminal() || pod.meta.is_terminating() && !service.publish_not_ready;
    let ip = pod.status.pod_ip.filter(|_| !leaves)?;
    let hostname = if endpoint_slice::has_own_name(service, pod) { pod.spec.hostname } else { Name::default() };
    let address = EndpointAddress { ip, hostname, node_name: pod.node_name, pod: pod.meta.name, pod_uid: pod.meta.uid };
    let ports = offered.on(pod).into_owned();
    let is_portless = service.ports.is_empty() && service.headless;
    let ready = service.publish_not_ready || pod.status.is_ready();
    (!ports.is_empty() || is_portless).then_some(Offer { address, ready, ports })
}

/// What a Service's object should hold, found by looking at everything.
fn pack_anew(service: &Service, informers: &Informers) -> (Vec<EndpointSubset>, bool) {
    let pods = informers.list_service_pods(service.meta.index);
    let offered = Offered::by(service);
    let offers: Vec<Offer> = pods.iter().filter_map(|pod| offer(service, &offered, pod)).collect();
    subsets::truncate(subsets::pack(&offers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Condition, ConditionStatus, PodPhase, PodStatus, READY, Timestamp, Uid};
    use std::net::Ipv4Addr;

    fn pod(number: u8, ready: bool, terminating: bool, phase: PodPhase) -> Arc<Pod> {
        let mut status = PodStatus { phase, pod_ip: Some(Ipv4Addr::new(10, 0, 0, number)), ..PodStatus::default() };
        status.conditions.push(Condition::new(*READY, ConditionStatus::from(ready), Timestamp::default()));
        let deletion_timestamp = terminating.then(Timestamp::default);
        let uid = Uid::from_bits(u128::from(number));
        let meta = Metadata { deletion_timestamp, uid, ..Metadata::default() };
        Arc::new(Pod { meta, spec: Arc::default(), node_name: Name::default(), status: Arc::new(status) })
    }

    #[test]
    fn who_is_on_the_way_out_is_not_listed_unless_the_unready_count() {
        // `TestSyncEndpointsItemsReady…`, `TestShouldPodBeInEndpoints`: (ready, terminating, phase) to what is listed,
        // and what is listed if the Service publishes unready addresses. `Some(true)` is ready.
        let running = PodPhase::Running;
        for (ready, terminating, phase, expected, published) in [
            (true, false, running, Some(true), Some(true)),
            (false, false, running, Some(false), Some(true)),
            (true, true, running, None, Some(true)),
            (false, true, running, None, Some(true)),
            (true, false, PodPhase::Succeeded, None, None),
            (false, false, PodPhase::Failed, None, None),
        ] {
            for (publishes, expected) in [(false, expected), (true, published)] {
                let service = endpoint_slice::tests::service(publishes);
                let pod = pod(1, ready, terminating, phase);
                let got = offer(&service, &Offered::by(&service), &pod).map(|offer| offer.ready);
                assert_eq!(got, expected, "{ready} {terminating} {phase} {publishes}");
            }
        }
    }

    #[test]
    fn labels_say_whose_they_are() {
        let service = endpoint_slice::tests::service(false);
        let headless = Service { headless: true, cluster_ip: None, ..service.clone() };
        assert_eq!(labels(&service).get(*HEADLESS), None);
        assert_eq!(labels(&headless).get(*HEADLESS), Some(Name::default()));
        assert_eq!(labels(&service).get(*ENDPOINTS_MANAGED_BY), Some(*ENDPOINTS_CONTROLLER));
    }
}
