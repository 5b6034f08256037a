//! EndpointSlices: the addresses behind each Service, and which of them may get new traffic.
//!
//! Follows `pkg/controller/endpointslice` and `staging/src/k8s.io/endpointslice` of Kubernetes 1.36: the sync here; how
//! addresses are packed into slices in [`packing`], what is kept of them from look to look in [`roster`].
//! Left out on purpose: topology hints and second address families.

pub(super) mod packing;
mod roster;

use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::rosters::{Rosters, turned};
use super::work_queue::{Key, Retry};
use crate::api::{
    Endpoint, EndpointSlice, Id, Kind, Labels, List, Metadata, Name, Node, Object, Pod, Port, Service, ServicePort,
    Table, ZONE_LABEL, names,
};
use crate::engine::SimDuration;
use crate::planted::{self, Bug};
use packing::Packed;
use roster::{Roster, Row};
use std::borrow::Cow;
use std::sync::Arc;

names! {
    SERVICE_NAME = "kubernetes.io/service-name";
    MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
    CONTROLLER = "endpointslice-controller.k8s.io";
    HEADLESS = "service.kubernetes.io/headless";
    TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time";
}

/// The first wait after a failure; it doubles up to the longest.
const FIRST_RETRY: SimDuration = SimDuration::from_secs(1);
const LONGEST_RETRY: SimDuration = SimDuration::from_secs(1000);
/// A key that failed so often is dropped.
const MOST_RETRIES: u32 = 15;

/// The ports of a group of endpoints: name, protocol, number.
type Ports = List<(Name, Name, u16)>;

/// The controller of EndpointSlices.
#[derive(Debug, Clone, Default)]
pub struct EndpointSliceController {
    rosters: Rosters<Roster>,
}

/// What one sync sees: what the Service's slices should hold, and what they hold.
#[derive(Debug, Clone)]
pub struct View {
    service: Arc<Service>,
    packed: Packed,
}

impl Controller for EndpointSliceController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Service, Kind::Pod, Kind::EndpointSlice])
        .once_there_was(&[Kind::Service, Kind::EndpointSlice]);

    fn settings(&self) -> Settings {
        let retry = Retry { base: FIRST_RETRY, cap: LONGEST_RETRY, most: None }.at_most(MOST_RETRIES);
        Settings { retry, guarded: &[Kind::EndpointSlice], ..Settings::new("endpoint-slice-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        match seen.new {
            Object::Service(service) => desk.queue.add(Key::of(&service.meta)),
            Object::Pod(pod) => pod_changed(seen, pod, &mut self.rosters, desk),
            Object::EndpointSlice(slice) if seen.is_deletion() => slice_deleted(seen, slice, desk),
            _ => {}
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, _desk: &mut Desk<Key>) -> Option<View> {
        let Some(service) = informers.store().services.find(key.namespace, key.name) else {
            self.rosters.forget(key);
            return None;
        };
        if service.selector.as_ref().is_none_or(Labels::is_empty) || service.kind == "ExternalName" {
            return None;
        }
        let slices = informers.controlled::<EndpointSlice>(service.meta.uid);
        let offering = Offering { service, ports: Offered::by(service), nodes: &informers.store().nodes };
        let (roster, changed) = self.rosters.look(service, informers);
        for (place, pod) in changed.pods {
            roster.put(place, pod.and_then(|pod| offering.on(&pod)));
        }
        let model = model(service);
        let packed = roster.pack(&model, &slices);
        debug_assert_eq!(packed, offering.pack_anew(&model, &slices, informers), "{}", service.meta.key());
        if roster.is_ambiguous {
            self.rosters.forget(key);
        }
        Some(View { service: service.clone(), packed })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        view.packed.write(&Object::Service(view.service.clone()), flow)
    }
}

/// A slice without addresses, as one of this Service begins.
fn model(service: &Service) -> EndpointSlice {
    let meta = &service.meta;
    let mut labels = meta.labels.with(*SERVICE_NAME, meta.name).with(*MANAGED_BY, *CONTROLLER);
    if service.headless {
        labels = labels.with(*HEADLESS, Name::default());
    }
    let made = Name::new(&meta.creation_timestamp.to_string());
    let meta = Metadata {
        generate_name: Name::new(&format!("{}-", meta.name)),
        namespace: meta.namespace,
        labels,
        annotations: Labels::default().with(*TRIGGER_TIME, made),
        ..Metadata::default()
    };
    EndpointSlice { meta, endpoints: Vec::new(), ports: List::EMPTY }
}

/// What a pod is to a Service, if it has an address and has not finished (`podToEndpoint`).
fn endpoint(service: &Service, pod: &Pod, node: Option<&Node>) -> Option<Endpoint> {
    let address = pod.status.pod_ip.filter(|_| !pod.is_terminal())?;
    let serving = pod.status.is_ready();
    let terminating = pod.meta.is_terminating();
    Some(Endpoint {
        address,
        ready: service.publish_not_ready || (serving || planted::is(Bug::UnreadyGetTraffic)) && !terminating,
        serving,
        terminating,
        pod: pod.meta.name,
        pod_uid: pod.meta.uid,
        node_name: pod.node_name,
        zone: node.and_then(|node| node.meta.labels.get(*ZONE_LABEL)).unwrap_or_default(),
        hostname: if has_own_name(service, pod) { pod.spec.hostname } else { Name::default() },
    })
}

/// What a Service offers on its pods.
struct Offering<'a> {
    service: &'a Service,
    ports: Offered<'a>,
    nodes: &'a Table<Node>,
}

impl Offering<'_> {
    /// What a pod is to the Service.
    fn on(&self, pod: &Pod) -> Option<Row> {
        let node = self.nodes.find(Name::default(), pod.node_name).map(|node| &**node);
        Some(Row { endpoint: endpoint(self.service, pod, node)?, ports: self.ports.on(pod).into_owned().into() })
    }

    /// What is to be written, found by looking at everything.
    fn pack_anew(&self, model: &EndpointSlice, slices: &[Arc<EndpointSlice>], informers: &Informers) -> Packed {
        let pods = informers.list_service_pods(self.service.meta.index);
        packing::pack(model, slices, roster::by_ports(pods.iter().filter_map(|pod| self.on(pod))), true)
    }
}

/// Whether a pod has a name of its own under a headless Service (`ShouldSetHostname`).
pub(super) fn has_own_name(service: &Service, pod: &Pod) -> bool {
    pod.spec.subdomain == service.meta.name && !pod.spec.hostname.is_empty()
}

/// The ports that a Service offers on its pods (`getEndpointPorts`).
#[derive(Debug)]
pub(super) struct Offered<'a> {
    ports: &'a [ServicePort],
    /// They, if none goes by a name: then they are the same on all pods.
    numbered: Option<Vec<(Name, Name, u16)>>,
}

impl<'a> Offered<'a> {
    pub(super) fn by(service: &'a Service) -> Self {
        let numbered = service.ports.iter().map(|port| offered(port, |_| None)).collect();
        Self { ports: &service.ports, numbered }
    }

    /// Those on a pod; a name that the pod does not know is left out.
    pub(super) fn on(&self, pod: &Pod) -> Cow<'_, [(Name, Name, u16)]> {
        if let Some(ports) = &self.numbered {
            return Cow::Borrowed(ports);
        }
        let containers = || pod.spec.containers.iter().chain(pod.spec.sidecars());
        let on_pod = |port: &ServicePort| {
            offered(port, |name| {
                let mut ports = containers().flat_map(|container| &container.ports);
                let found = ports.find(|have| have.name == name && have.protocol == port.protocol);
                found.map(|have| have.container_port)
            })
        };
        self.ports.iter().filter_map(on_pod).collect()
    }
}

/// A port of a Service with its number, which a name may stand for.
fn offered(port: &ServicePort, named: impl FnOnce(Name) -> Option<u16>) -> Option<(Name, Name, u16)> {
    let number = match port.target {
        Port::Number(number) => Some(number),
        Port::Named(name) => named(name),
    };
    Some((port.name, port.protocol, number?))
}

/// Whether a Service's slices may say something else because of a change (`podEndpointsChanged`).
fn matters(old: &Pod, new: &Pod) -> bool {
    old.meta.is_terminating() != new.meta.is_terminating()
        || old.status.is_ready() != new.status.is_ready()
        || old.is_terminal() != new.is_terminal()
        || old.status.pod_ip != new.status.pod_ip
        || old.node_name != new.node_name
        || old.spec.hostname != new.spec.hostname
        || old.spec.subdomain != new.spec.subdomain
}

/// Tells the Services of a pod that it has changed, those of its old labels too; and queues them if that matters.
pub(super) fn pod_changed<R: Default>(seen: &Seen<'_>, pod: &Arc<Pod>, rosters: &mut Rosters<R>, desk: &mut Desk<Key>) {
    let old = seen.of::<Pod>().and_then(|(old, _)| old).filter(|_| !seen.is_deletion());
    let relabeled = old.filter(|old| old.meta.labels != pod.meta.labels);
    let matters = old.is_none_or(|old| relabeled.is_some() || matters(old, pod));
    if !matters && old.is_some_and(|old| turned(old) == turned(pod)) {
        return;
    }
    let store = seen.informers.store();
    for place in seen.informers.services_in(pod.meta.namespace) {
        let Some(service) = store.services.get(Id::new(*place)) else { continue };
        let Some(selector) = &service.selector else { continue };
        if selector.all_in(&pod.meta.labels) || relabeled.is_some_and(|old| selector.all_in(&old.meta.labels)) {
            rosters.note(Key::of(&service.meta), pod.meta.index);
            if matters {
                desk.queue.add(Key::of(&service.meta));
            }
        }
    }
}

/// Somebody else took a slice away: it is made again if its Service still wants it.
fn slice_deleted(seen: &Seen<'_>, slice: &EndpointSlice, desk: &mut Desk<Key>) {
    let name = slice.service_name();
    if seen.informers.store().services.find(slice.meta.namespace, name).is_some() {
        desk.queue.add_after(desk.now, FIRST_RETRY, Key { namespace: slice.meta.namespace, name });
    }
}

#[cfg(test)]
pub(super) mod tests {
    pub(in crate::components::controllers) use super::packing::tests::service;
    use super::*;
    use crate::api::{Condition, ConditionStatus, PodPhase, PodStatus, READY, Timestamp};
    use std::net::Ipv4Addr;

    #[test]
    fn a_terminating_pod_may_serve_but_gets_nothing_new() {
        // `TestPodToEndpoint`: (ready, terminating, phase, published unready) to (ready, serving, terminating).
        let running = PodPhase::Running;
        let cases = [
            (true, false, running, false, Some((true, true, false))),
            (false, false, running, false, Some((false, false, false))),
            (true, true, running, false, Some((false, true, true))),
            (false, true, running, true, Some((true, false, true))),
            (true, false, PodPhase::Succeeded, false, None),
        ];
        for (ready, terminating, phase, published, expected) in cases {
            let mut status = PodStatus { phase, pod_ip: Some(Ipv4Addr::new(10, 0, 0, 1)), ..PodStatus::default() };
            let condition = Condition::new(*READY, ConditionStatus::from(ready), Timestamp::default());
            status.conditions.push(condition);
            let deletion_timestamp = terminating.then(Timestamp::default);
            let meta = Metadata { deletion_timestamp, ..Metadata::default() };
            let pod = Pod { meta, spec: Arc::default(), node_name: Name::default(), status: Arc::new(status) };
            let service = service(published);
            let got = endpoint(&service, &pod, None).map(|found| (found.ready, found.serving, found.terminating));
            assert_eq!(got, expected);
        }
    }
}
