//! kube-proxy: on each node, where traffic for a Service goes, and since when.
//!
//! Whoever sends requests asks the [`Proxies`] at the instant of the request: [`Proxies::view`] answers with the rules
//! that are in force then on one node, as a [`ServiceView`]. Pods that have died meanwhile are still listed while the
//! node's rules are those of before: that is how requests get lost.
//!
//! ```
//! use podsim::Scenario;
//! use podsim::components::message::NodeIndex;
//! use std::collections::BTreeMap;
//!
//! let web = "
//! {apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: web}}, spec: {containers: [{name: a, image: a}]}}
//! ---
//! {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}";
//! let files = BTreeMap::from([("web.yaml", web), ("web.ron", r#"(manifests: [File("web.yaml")], duration: "1m")"#)]);
//! let mut simulation = Scenario::load("web.ron", &files)?.simulate(1);
//! simulation.run();
//! let proxies = simulation.cluster().proxies();
//! let view = proxies.view(simulation.now(), NodeIndex(0), "default", "web").expect("the Service is known");
//! assert_eq!(view.internal().len(), 1);
//! assert_eq!(view.internal()[0].port(&view.service().ports[0]), Some(80));
//! # Ok::<(), podsim::scenario::Problems>(())
//! ```
//!
//! Follows `pkg/proxy` of Kubernetes 1.36 in its iptables mode: rules are written at most once a second ([`runner`]),
//! and [`endpoints`] says who of those that a slice lists gets traffic. Nothing is computed until somebody asks, and an
//! answer costs what changed since the last: a node's rules are a function of what its proxy has heard. Headless
//! Services have no rules; theirs are the addresses that DNS hands out. Whom a client had last is remembered by whoever
//! sends (`runtime::affinity`). Left out on purpose: what connections that are open already do, and the hourly
//! rewriting of all rules, which changes none.

mod endpoints;
mod runner;

pub use endpoints::{Backend, ServiceView};

use super::latency::LatencyProfile;
use super::message::NodeIndex;
use crate::api::{Change, ChangeKind, EndpointSlice, FastMap, Name, Object, Service, ServiceTraffic};
use crate::engine::{Draws, Purpose, SimDuration, SimTime, StreamKey};
use runner::Runner;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

const SYNC: Purpose = Purpose::new("rules of a proxy");
/// What was superseded so long ago is in force nowhere.
const KEPT: SimDuration = SimDuration::from_secs(600);

/// After so long every proxy has written what it heard of: its pause, and its writing at its slowest.
pub(super) const LONGEST_LAG: SimDuration = SimDuration::from_millis(1_500);

/// Namespace and name of a Service.
type Key = (Name, Name);

/// Where requests to Services go, node by node.
#[derive(Debug, Clone)]
pub struct Proxies {
    profile: Arc<LatencyProfile>,
    draws: Draws,
    /// When each change was heard of.
    heard: Vec<SimTime>,
    services: BTreeMap<Key, History<Service>>,
    slices: FastMap<Key, BTreeMap<Name, History<EndpointSlice>>>,
    proxies: Vec<Proxy>,
}

/// The kube-proxy of a node.
#[derive(Debug, Clone)]
struct Proxy {
    name: Name,
    zone: Name,
    stream: StreamKey,
    /// How far it was when somebody last asked.
    runner: Cell<Runner>,
}

/// The versions of an object that may be in force somewhere, each with the number of its change; none: it is gone.
#[derive(Debug, Clone)]
struct History<T>(Vec<(u32, Option<Arc<T>>)>);

impl<T> Default for History<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> History<T> {
    fn note(&mut self, change: u32, version: Option<Arc<T>>, oldest: u32) {
        // Of what came before the oldest change that counts, only the last version can be in force.
        let superseded = self.0.iter().filter(|(number, _)| *number < oldest).count().saturating_sub(1);
        self.0.drain(..superseded);
        self.0.push((change, version));
    }

    /// The version that rules know which take in so many changes.
    fn at(&self, changes: u32) -> Option<&Arc<T>> {
        self.0.iter().rev().find(|(number, _)| *number < changes)?.1.as_ref()
    }
}

impl Proxies {
    /// Proxies that know of nothing.
    pub fn new(profile: Arc<LatencyProfile>, draws: Draws) -> Self {
        Self {
            profile,
            draws,
            heard: Vec::new(),
            services: BTreeMap::new(),
            slices: FastMap::default(),
            proxies: Vec::new(),
        }
    }

    /// Adds the proxy of the next machine.
    pub fn add_node(&mut self, name: Name, zone: Name) {
        let stream = StreamKey::new(&name).part("kube-proxy");
        self.proxies.push(Proxy { name, zone, stream, runner: Cell::default() });
    }

    /// The proxies hear of a change.
    pub fn changed(&mut self, now: SimTime, change: &Change) {
        let number = u32::try_from(self.heard.len()).expect("fewer than 2^32 changes of endpoints in a run");
        let oldest = self.heard.partition_point(|at| *at + KEPT < now) as u32;
        let there = change.kind != ChangeKind::Deleted;
        match &change.object {
            Object::Service(service) => {
                let history = self.services.entry((service.meta.namespace, service.meta.name)).or_default();
                history.note(number, there.then(|| service.clone()), oldest);
            }
            Object::EndpointSlice(slice) => {
                let slices = self.slices.entry((slice.meta.namespace, slice.service_name())).or_default();
                slices.entry(slice.meta.name).or_default().note(number, there.then(|| slice.clone()), oldest);
            }
            _ => return,
        }
        self.heard.push(now);
    }

    /// The rules for a Service that are in force on a node at an instant of the last ten minutes; `None` if the node's
    /// proxy does not know the Service.
    pub fn view(&self, at: SimTime, node: NodeIndex, namespace: &str, service: &str) -> Option<ServiceView> {
        self.rules(at, node, (Name::new(namespace), Name::new(service)))
    }

    /// The same on every node, in order of the machines.
    pub fn views<'a>(
        &'a self,
        at: SimTime,
        namespace: &str,
        service: &str,
    ) -> impl Iterator<Item = (NodeIndex, ServiceView)> + 'a {
        let key = (Name::new(namespace), Name::new(service));
        let nodes = (0..self.proxies.len()).map(|place| NodeIndex(place as u16));
        nodes.filter_map(move |node| Some((node, self.rules(at, node, key)?)))
    }

    /// Addresses and ports, at one port of a Service or at its first, of those that get requests which enter the
    /// cluster on all nodes alike: each once for every node that sends to it.
    ///
    /// Where it makes no difference through which node a request comes, the rules of the first stand for all: they
    /// differ by the milliseconds of their writing.
    pub(super) fn shared(&self, at: SimTime, key: Key, port: Option<u16>) -> Vec<(Ipv4Addr, u16)> {
        let mut shared = Vec::new();
        for place in 0..self.proxies.len() {
            let Some(view) = self.rules(at, NodeIndex(place as u16), key) else { continue };
            let mut ports = view.service().ports.iter();
            let Some(named) = ports.find(|own| port.is_none_or(|port| own.port == port)) else { continue };
            if view.is_healthy() {
                shared.extend(view.external().iter().filter_map(|one| Some((one.address, one.port(named)?))));
            }
            if view.service().traffic == ServiceTraffic::default() {
                break;
            }
        }
        shared
    }

    /// The first node, by Service and machine, whose rules for one of these Services send requests to an address: the
    /// Service, the node and the pod.
    pub fn sender(
        &self,
        at: SimTime,
        address: Ipv4Addr,
        meant: impl Fn(&str, &str) -> bool,
    ) -> Option<(String, NodeIndex, Name)> {
        self.services.keys().filter(|(namespace, name)| meant(namespace, name)).find_map(|key| {
            // Most Services never had the address: then nobody's rules are worked out.
            let slices = self.slices.get(key)?;
            let mut versions = slices.values().flat_map(|slice| &slice.0).filter_map(|(_, slice)| slice.as_ref());
            if !versions.any(|slice| slice.endpoints.iter().any(|endpoint| endpoint.address == address)) {
                return None;
            }
            (0..self.proxies.len()).map(|place| NodeIndex(place as u16)).find_map(|node| {
                let view = self.rules(at, node, *key)?;
                let found = view.internal().iter().chain(view.external()).find(|backend| backend.address == address)?;
                Some((format!("{}/{}", key.0, key.1), node, found.pod))
            })
        })
    }

    /// The Services that were ever heard of: namespaces and names.
    pub fn services(&self) -> impl Iterator<Item = (Name, Name)> + '_ {
        self.services.keys().copied()
    }

    /// The rules for a Service by its interned name.
    pub(super) fn rules(&self, at: SimTime, node: NodeIndex, key: Key) -> Option<ServiceView> {
        let proxy = self.proxies.get(node.index())?;
        let history = self.services.get(&key)?;
        let heard = self.heard.partition_point(|heard| *heard <= at) as u32;
        let headless = history.at(heard).is_some_and(|service| service.headless);
        let changes = if headless { heard } else { self.in_force(at, proxy) };
        let service = history.at(changes)?;
        let slices = self.slices.get(&key).into_iter().flat_map(BTreeMap::values);
        let slices: Vec<&EndpointSlice> = slices.filter_map(|slice| slice.at(changes).map(|slice| &**slice)).collect();
        Some(ServiceView::new(service, &slices, proxy.name, proxy.zone))
    }

    /// How many changes the rules of a proxy take in at an instant.
    fn in_force(&self, at: SimTime, proxy: &Proxy) -> u32 {
        let known = proxy.runner.get();
        let takes = |ordinal| self.draws.sample(&self.profile.proxy_sync, SYNC, proxy.stream, ordinal);
        // Whoever asks about the past goes through it again.
        let mut runner = if known.is_ahead_of(at) { Runner::default() } else { known };
        runner.advance(at, &self.heard, takes);
        if !known.is_ahead_of(at) {
            proxy.runner.set(runner);
        }
        runner.in_force()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Endpoint, List, Metadata, Uid, lower, names};

    names! {
        WEB = "web";
        DEFAULT = "default";
        SERVICE_NAME = "kubernetes.io/service-name";
    }

    fn service() -> Change {
        let manifest = serde_json::json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
        });
        Change { kind: ChangeKind::Added, object: lower(&manifest).expect("a Service").object }
    }

    fn slice(pods: &[u8]) -> Change {
        let endpoint = |number: &u8| Endpoint {
            address: Ipv4Addr::new(10, 0, 0, *number),
            ready: true,
            serving: true,
            terminating: false,
            pod: Name::new(&format!("web-{number}")),
            pod_uid: Uid::default(),
            node_name: Name::default(),
            zone: Name::default(),
            hostname: Name::default(),
        };
        let labels = [(*SERVICE_NAME, *WEB)].into_iter().collect();
        let meta = Metadata { name: Name::new("web-abc"), namespace: *DEFAULT, labels, ..Metadata::default() };
        let slice = EndpointSlice { meta, endpoints: pods.iter().map(endpoint).collect(), ports: List::EMPTY };
        Change { kind: ChangeKind::Modified, object: Object::EndpointSlice(Arc::new(slice)) }
    }

    #[test]
    fn who_left_still_gets_requests_until_the_rules_are_written_again() {
        let mut proxies = Proxies::new(Arc::new(LatencyProfile::ideal()), Draws::new(1));
        proxies.add_node(Name::new("node-1"), Name::default());
        let millis = SimTime::from_millis;
        proxies.changed(millis(0), &service());
        proxies.changed(millis(100), &slice(&[1, 2]));
        proxies.changed(millis(400), &slice(&[2]));
        proxies.changed(millis(5_000), &slice(&[2, 3]));
        // At this time, these pods get requests: the first rules knew no pod, the next come a second later.
        let story: [(u64, &[u8]); 6] =
            [(50, &[]), (999, &[]), (1_000, &[2]), (4_999, &[2]), (5_000, &[2, 3]), (1_200, &[2])];
        for (at, pods) in story {
            let view = proxies.view(millis(at), NodeIndex(0), "default", "web").expect("known from the start");
            let got: Vec<u8> = view.internal().iter().map(|backend| backend.address.octets()[3]).collect();
            assert_eq!(got, pods, "at {at} ms");
        }
        assert!(proxies.view(millis(50), NodeIndex(0), "default", "other").is_none());
    }
}
