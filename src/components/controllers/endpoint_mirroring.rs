//! Endpoints that somebody writes for a Service without a selector are mirrored into slices, which proxies read.
//!
//! Follows `pkg/controller/endpointslicemirroring` of Kubernetes 1.36: one group of slices a subset, owned by the
//! Endpoints. Nothing is mirrored that the controller of Endpoints made, or that asks to be left alone.

use super::endpoint_slice::packing::{self, Packed};
use super::endpoint_slice::{MANAGED_BY, SERVICE_NAME, TRIGGER_TIME};
use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::work_queue::{Key, Retry};
use crate::api::{
    Endpoint, EndpointAddress, EndpointSlice, EndpointSubset, Endpoints, Kind, Labels, List, Metadata, Name, Object,
    names,
};
use crate::engine::SimDuration;
use std::collections::BTreeMap;
use std::sync::Arc;

names! {
    MIRRORING_CONTROLLER = "endpointslicemirroring-controller.k8s.io";
    SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror";
    LEADER = "control-plane.alpha.kubernetes.io/leader";
    LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
    TRUE = "true";
}

/// The first wait after a failure; it doubles up to the longest.
const FIRST_RETRY: SimDuration = SimDuration::from_secs(1);
const LONGEST_RETRY: SimDuration = SimDuration::from_secs(100);
const MOST_RETRIES: u32 = 15;
/// Of a subset, so many addresses are mirrored.
const MOST_ADDRESSES: usize = 1000;

/// The controller that mirrors Endpoints.
#[derive(Debug, Clone)]
pub struct EndpointMirroringController;

/// What one sync sees: the Endpoints and what is to be written.
#[derive(Debug, Clone)]
pub struct View {
    endpoints: Arc<Endpoints>,
    packed: Packed,
}

impl Controller for EndpointMirroringController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Service, Kind::Endpoints, Kind::EndpointSlice])
        .once_there_was(&[Kind::Endpoints, Kind::EndpointSlice]);

    fn settings(&self) -> Settings {
        let retry = Retry { base: FIRST_RETRY, cap: LONGEST_RETRY, most: None }.at_most(MOST_RETRIES);
        Settings { retry, guarded: &[Kind::EndpointSlice], ..Settings::new("endpoint-slice-mirroring-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        match seen.new {
            Object::Service(service)
                if seen.informers.store().endpoints.find(service.meta.namespace, service.meta.name).is_some() =>
            {
                desk.queue.add(Key::of(&service.meta));
            }
            Object::Endpoints(endpoints) if !endpoints.is_made_by_controller() => {
                desk.queue.add(Key::of(&endpoints.meta));
            }
            Object::EndpointSlice(slice) if seen.is_deletion() && is_mirror(slice) => {
                desk.queue.add(Key { namespace: slice.meta.namespace, name: slice.service_name() });
            }
            _ => {}
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, _desk: &mut Desk<Key>) -> Option<View> {
        let store = informers.store();
        // Without Endpoints the garbage collector takes the slices away.
        let endpoints = store.endpoints.find(key.namespace, key.name)?;
        let mirrors = informers.controlled::<EndpointSlice>(endpoints.meta.uid);
        let service = store.services.find(key.namespace, key.name);
        let wants = service.is_some_and(|service| service.selector.is_none()) && is_mirrored(endpoints);
        let mut wanted: BTreeMap<_, Vec<Endpoint>> = BTreeMap::new();
        for subset in endpoints.subsets.iter().filter(|_| wants) {
            wanted.entry(subset.ports.to_vec()).or_default().extend(mirrored(subset));
        }
        let packed = packing::pack(&model(endpoints), &mirrors, wanted, false);
        Some(View { endpoints: endpoints.clone(), packed })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        view.packed.write(&Object::Endpoints(view.endpoints.clone()), flow)
    }
}

fn is_mirror(slice: &EndpointSlice) -> bool {
    slice.meta.labels.get(*MANAGED_BY) == Some(*MIRRORING_CONTROLLER)
}

/// Whether Endpoints want a mirror (`shouldMirror`).
fn is_mirrored(endpoints: &Endpoints) -> bool {
    let meta = &endpoints.meta;
    let skips = meta.labels.get(*SKIP_MIRROR) == Some(*TRUE) || meta.annotations.get(*LEADER).is_some();
    !skips && !endpoints.is_made_by_controller()
}

/// A slice without addresses, as one of these Endpoints begins.
fn model(endpoints: &Endpoints) -> EndpointSlice {
    let meta = &endpoints.meta;
    let labels: Labels = meta.labels.with(*SERVICE_NAME, meta.name).with(*MANAGED_BY, *MIRRORING_CONTROLLER);
    EndpointSlice {
        meta: Metadata {
            generate_name: Name::new(&format!("{}-", meta.name)),
            namespace: meta.namespace,
            labels,
            annotations: meta.annotations.without(*LAST_APPLIED).without(*TRIGGER_TIME),
            ..Metadata::default()
        },
        endpoints: Vec::new(),
        ports: List::EMPTY,
    }
}

fn mirrored(subset: &EndpointSubset) -> impl Iterator<Item = Endpoint> + '_ {
    let endpoint = |address: &EndpointAddress, ready| Endpoint {
        address: address.ip,
        ready,
        serving: ready,
        terminating: false,
        pod: address.pod,
        pod_uid: address.pod_uid,
        node_name: address.node_name,
        zone: Name::default(),
        hostname: address.hostname,
    };
    let ready = subset.addresses.iter().map(move |address| endpoint(address, true));
    let not_ready = subset.not_ready.iter().map(move |address| endpoint(address, false));
    ready.chain(not_ready).take(MOST_ADDRESSES)
}
