//! Names and addresses of Services, as DNS and kube-proxy hand them out.
//!
//! DNS follows the Kubernetes DNS specification 1.1, and who asks does so as its `resolv.conf` says. A Service without
//! ready endpoints refuses. Beyond the cluster lies an Internet in which every name of a public domain exists, every
//! page is there, and name servers know nothing of the cluster. No other name server is inside the cluster: a pod that
//! names one of its addresses gets no answer.

use crate::api::{Change, ChangeKind, Endpoint, EndpointSlice, FastMap, Name, Object, Service, Text, names};
use crate::components::kube_proxy::Proxies;
use crate::components::message::NodeIndex;
use crate::components::pod_names::{CLUSTER_DNS, CLUSTER_DOMAIN, Resolver};
use crate::engine::{SimDuration, SimTime};
use std::net::Ipv4Addr;
use std::sync::Arc;

names! {
    SERVICE_NAME = "kubernetes.io/service-name";
}

/// The Service in front of the API server.
const API_SERVER: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
/// A name may stand for another so often (`maxDepth` in CoreDNS' `plugin/pkg/upstream`).
const MAX_ALIASES: usize = 8;
/// Public domains; a name that ends otherwise exists nowhere.
const PUBLIC: [&str; 14] =
    ["com", "org", "net", "edu", "gov", "io", "dev", "app", "ch", "de", "uk", "cloud", "info", "sh"];

/// What DNS and kube-proxy know.
#[derive(Debug, Clone, Default)]
pub(super) struct Services {
    services: FastMap<(Name, Name), Arc<Service>>,
    slices: FastMap<(Name, Name), Vec<Arc<EndpointSlice>>>,
    by_address: FastMap<Ipv4Addr, (Name, Name)>,
    /// Whether the Service of the API server is gone for now.
    without_server: bool,
    /// Whether nobody is behind it for now.
    without_endpoints: bool,
}

/// A name that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    /// The full name.
    pub(super) name: String,
    /// Its addresses.
    pub(super) addresses: Vec<Ipv4Addr>,
}

/// What came of looking for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lookup {
    /// The name that was found, if any.
    pub(super) found: Option<Resolved>,
    /// The address of the name server that answered; none if none did.
    pub(super) server: Option<Text>,
    /// How long name servers were waited for that say nothing.
    pub(super) waited: SimDuration,
}

/// A name server that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameServer {
    /// That of the cluster, which asks others for what it does not know.
    Cluster,
    /// One out in the Internet.
    Outside,
}

impl NameServer {
    /// The one at an address.
    fn at(address: &str) -> Option<Self> {
        let address: Ipv4Addr = address.parse().ok()?;
        let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64; // RFC 6598
        let local = address.is_private() || address.is_loopback() || address.is_link_local() || shared;
        match address {
            CLUSTER_DNS => Some(Self::Cluster),
            _ => (!local && !address.is_unspecified()).then_some(Self::Outside),
        }
    }
}

/// Where a connection goes in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// To this address and port.
    To(Ipv4Addr, u16),
    /// To the API server, by its Service.
    Server,
    /// To a Service that has nobody behind it, or not this port.
    Nobody,
    /// To a Service whose endpoints this node may not use.
    Dropped,
    /// Out of the cluster.
    Internet,
}

impl Services {
    /// A Service or its endpoints changed.
    pub(super) fn changed(&mut self, change: &Change) {
        let gone = change.kind == ChangeKind::Deleted;
        match &change.object {
            // It is there from the start, and has its address for ever.
            Object::Service(service) if service.meta.is_of_api_server() => self.without_server = gone,
            Object::EndpointSlice(slice) if slice.meta.is_of_api_server() => self.without_endpoints = gone,
            Object::Service(service) => {
                let key = (service.meta.namespace, service.meta.name);
                self.by_address.retain(|_, whose| *whose != key);
                if gone {
                    self.services.remove(&key);
                } else {
                    if let Some(address) = service.cluster_ip {
                        self.by_address.insert(address, key);
                    }
                    self.services.insert(key, service.clone());
                }
            }
            Object::EndpointSlice(slice) => {
                let Some(service) = slice.meta.labels.get(*SERVICE_NAME) else { return };
                let slices = self.slices.entry((slice.meta.namespace, service)).or_default();
                slices.retain(|have| have.meta.name != slice.meta.name);
                if !gone {
                    slices.push(slice.clone());
                    slices.sort_by_key(|slice| slice.meta.name.as_str());
                }
            }
            _ => {}
        }
    }

    /// The endpoints of a Service that get traffic, each with the ports of its slice.
    fn endpoints(&self, key: (Name, Name)) -> impl Iterator<Item = (&Endpoint, &EndpointSlice)> {
        let unready = self.services.get(&key).is_some_and(|service| service.publish_not_ready);
        let slices = self.slices.get(&key).into_iter().flatten();
        slices
            .flat_map(|slice| slice.endpoints.iter().map(move |endpoint| (endpoint, &**slice)))
            .filter(move |(endpoint, _)| endpoint.ready || unready)
    }

    /// What a resolver finds: it asks for one full name after another, each time the first server that answers, and an
    /// answer that there is no such name counts.
    pub(super) fn resolve(&self, host: &str, resolver: &Resolver) -> Lookup {
        let servers = || resolver.servers.iter().enumerate();
        let Some((silent, server, kind)) = servers().find_map(|(n, server)| Some((n, server, NameServer::at(server)?)))
        else {
            let waited = resolver.timeout() * resolver.attempts() * resolver.servers.len() as u64;
            return Lookup { found: None, server: None, waited };
        };
        let mut asked = 0;
        let found = resolver.candidates(host).into_iter().find_map(|name| {
            asked += 1;
            match kind {
                NameServer::Cluster => self.look_up(name),
                NameServer::Outside => public_addresses(&name).map(|addresses| Resolved { name, addresses }),
            }
        });
        Lookup { found, server: Some(server.clone()), waited: resolver.timeout() * silent as u64 * asked }
    }

    /// A full name and its addresses, after those for which it stands.
    fn look_up(&self, mut name: String) -> Option<Resolved> {
        for _ in 0..MAX_ALIASES {
            match self.alias(&name) {
                Some(target) => name = target.trim_end_matches('.').to_owned(),
                None => return self.addresses(&name).map(|addresses| Resolved { name, addresses }),
            }
        }
        None
    }

    /// The name for which the name of a Service of type `ExternalName` stands (a CNAME record).
    fn alias(&self, name: &str) -> Option<Name> {
        let mut labels = name.strip_suffix(CLUSTER_DOMAIN)?.strip_suffix(".svc.")?.split('.');
        let (service, namespace) = (labels.next()?, labels.next()?);
        let found = self.services.get(&(Name::new(namespace), Name::new(service)))?;
        (labels.next().is_none() && !found.external_name.is_empty()).then_some(found.external_name)
    }

    fn addresses(&self, name: &str) -> Option<Vec<Ipv4Addr>> {
        let Some(inner) = name.strip_suffix(CLUSTER_DOMAIN).and_then(|rest| rest.strip_suffix('.')) else {
            return public_addresses(name);
        };
        let mut labels: Vec<&str> = inner.split('.').collect();
        let kind = labels.pop()?;
        let namespace = Name::new(labels.pop()?);
        match (kind, labels.as_slice()) {
            ("pod", [dashed]) => dashed.replace('-', ".").parse().ok().map(|address| vec![address]),
            ("svc", ["kubernetes"]) if namespace == "default" => (!self.without_server).then(|| vec![API_SERVER]),
            ("svc", ["kube-dns"]) if namespace == "kube-system" => Some(vec![CLUSTER_DNS]),
            ("svc", [service]) => self.service_addresses((namespace, Name::new(service))),
            ("svc", [host, service]) => {
                let key = (namespace, Name::new(service));
                let found = self.endpoints(key).filter(|(endpoint, _)| endpoint.hostname == *host);
                some(found.map(|(endpoint, _)| endpoint.address).collect())
            }
            _ => None,
        }
    }

    fn service_addresses(&self, key: (Name, Name)) -> Option<Vec<Ipv4Addr>> {
        let service = self.services.get(&key)?;
        match service.cluster_ip {
            Some(address) => Some(vec![address]),
            None => some(self.endpoints(key).map(|(endpoint, _)| endpoint.address).collect()),
        }
    }

    /// Where a connection from a node to an address goes; `choose` takes one of its Service's endpoints.
    pub(super) fn route(
        &self,
        proxies: &Proxies,
        (now, from): (SimTime, NodeIndex),
        (address, port): (Ipv4Addr, u16),
        choose: impl FnOnce(&Service, &[(Ipv4Addr, u16)]) -> usize,
    ) -> Route {
        if is_public(address) {
            return Route::Internet;
        }
        if address == API_SERVER && !self.without_server {
            return if self.without_endpoints { Route::Nobody } else { Route::Server };
        }
        let Some(key) = self.by_address.get(&address) else { return Route::To(address, port) };
        let Some(view) = proxies.rules(now, from, *key) else { return Route::Nobody };
        let Some(named) = view.service().ports.iter().find(|own| own.port == port) else { return Route::Nobody };
        let behind: Vec<(Ipv4Addr, u16)> =
            view.internal().iter().filter_map(|backend| Some((backend.address, backend.port(named)?))).collect();
        if behind.is_empty() {
            return if view.is_dropped() { Route::Dropped } else { Route::Nobody };
        }
        let (address, port) = behind[choose(view.service(), &behind)];
        Route::To(address, port)
    }

    /// The addresses and ports that get the traffic of a Service at a port, or at its first one: by the proxies' rules,
    /// or of a headless Service by its name.
    pub(super) fn backends(
        &self,
        (proxies, now): (&Proxies, SimTime),
        key: (Name, Name),
        port: Option<u16>,
    ) -> Vec<(Ipv4Addr, u16)> {
        let Some(service) = self.services.get(&key) else { return Vec::new() };
        let named = service.ports.iter().find(|own| port.is_none_or(|port| own.port == port));
        let Some(named) = named else { return Vec::new() };
        if service.cluster_ip.is_some() {
            return proxies.shared(now, key, port);
        }
        let endpoints = self.endpoints(key);
        endpoints
            .filter_map(|(endpoint, slice)| {
                let resolved = slice.ports.iter().find(|(name, _, _)| *name == named.name).map(|(_, _, port)| *port);
                let number = match named.target {
                    crate::api::Port::Number(number) => Some(number),
                    crate::api::Port::Named(_) => None,
                };
                Some((endpoint.address, resolved.or(number)?))
            })
            .collect()
    }
}

fn some(addresses: Vec<Ipv4Addr>) -> Option<Vec<Ipv4Addr>> {
    (!addresses.is_empty()).then_some(addresses)
}

/// The addresses of a name of the Internet.
fn public_addresses(name: &str) -> Option<Vec<Ipv4Addr>> {
    let (_, top) = name.rsplit_once('.')?;
    PUBLIC.contains(&top).then(|| vec![public_address(name)])
}

/// An address out of 203.0.113.0/24, which RFC 5737 keeps free.
fn public_address(name: &str) -> Ipv4Addr {
    let mixed = name.bytes().fold(7_u32, |mixed, byte| mixed.wrapping_mul(31).wrapping_add(u32::from(byte)));
    Ipv4Addr::new(203, 0, 113, (mixed % 250) as u8 + 1)
}

fn is_public(address: Ipv4Addr) -> bool {
    address.octets()[..3] == [203, 0, 113]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Metadata, Port, ServicePort, ServiceTraffic, Text, Uid};
    use crate::components::latency::LatencyProfile;
    use crate::engine::Draws;

    fn service(name: &str, address: Option<Ipv4Addr>) -> Change {
        let port = ServicePort {
            name: Name::default(),
            port: 80,
            target: Port::Number(8080),
            protocol: Name::new("TCP"),
            node_port: 0,
        };
        let service = Service {
            meta: Metadata { name: Name::new(name), namespace: Name::new("prod"), ..Metadata::default() },
            selector: None,
            ports: vec![port],
            cluster_ip: address,
            headless: address.is_none(),
            kind: Name::new("ClusterIP"),
            publish_not_ready: false,
            traffic: ServiceTraffic::default(),
            health_check_node_port: 0,
            affinity: None,
            external_name: Name::default(),
            source: Text::default(),
        };
        Change { kind: ChangeKind::Added, object: Object::Service(Arc::new(service)) }
    }

    fn slice(service: &str, ready: bool) -> Change {
        let endpoint = Endpoint {
            address: Ipv4Addr::new(10, 244, 0, 9),
            ready,
            serving: ready,
            terminating: false,
            pod: Name::new("db-0"),
            pod_uid: Uid::default(),
            node_name: Name::default(),
            zone: Name::default(),
            hostname: Name::new("db-0"),
        };
        let labels = [(*SERVICE_NAME, Name::new(service))].into_iter().collect();
        let meta = Metadata { name: Name::new("s"), namespace: Name::new("prod"), labels, ..Metadata::default() };
        let ports = [(Name::default(), Name::new("TCP"), 8080)].into_iter().collect();
        Change {
            kind: ChangeKind::Added,
            object: Object::EndpointSlice(Arc::new(EndpointSlice { meta, endpoints: vec![endpoint], ports })),
        }
    }

    #[test]
    fn names_resolve_by_the_search_path() {
        let address = Ipv4Addr::new(10, 96, 0, 77);
        let mut services = Services::default();
        services.changed(&service("web", Some(address)));
        services.changed(&service("db", None));
        for (host, from, found) in [
            ("web", "prod", Some("web.prod.svc.cluster.local")),
            ("web", "default", None),
            ("web.prod", "default", Some("web.prod.svc.cluster.local")),
            ("web.prod.svc.cluster.local", "default", Some("web.prod.svc.cluster.local")),
            ("web.", "prod", None),
            ("db", "prod", None),
            ("kubernetes.default", "prod", Some("kubernetes.default.svc.cluster.local")),
            ("info.example.com", "prod", Some("info.example.com")),
            ("info.example.invalid", "prod", None),
        ] {
            let resolved = services.resolve(host, &Resolver::of_cluster(from)).found.map(|resolved| resolved.name);
            assert_eq!(resolved.as_deref(), found, "{host} from {from}");
        }
        services.changed(&slice("db", true));
        let pod = Some(vec![Ipv4Addr::new(10, 244, 0, 9)]);
        let prod = Resolver::of_cluster("prod");
        assert_eq!(services.resolve("db", &prod).found.map(|resolved| resolved.addresses), pod);
        assert_eq!(services.resolve("db-0.db", &prod).found.map(|resolved| resolved.addresses), pod);
    }

    #[test]
    fn a_service_leads_to_a_ready_endpoint_or_nowhere() {
        let address = Ipv4Addr::new(10, 96, 0, 77);
        let mut services = Services::default();
        let mut proxies = Proxies::new(LatencyProfile::ideal().into(), Draws::new(1));
        proxies.add_node(Name::new("node-1"), Name::default());
        let pod = Ipv4Addr::new(10, 244, 0, 9);
        // What changes, and where a connection to the Service then goes. The proxy writes its rules once a second.
        let changes = [
            (service("web", Some(address)), Route::Nobody),
            (slice("web", false), Route::Nobody),
            (slice("web", true), Route::To(pod, 8080)),
        ];
        for (second, (change, expected)) in changes.into_iter().enumerate() {
            let at = SimTime::from_secs(2 * second as u64);
            services.changed(&change);
            proxies.changed(at, &change);
            let route = |to| services.route(&proxies, (at, NodeIndex(0)), to, |_, _| 0);
            assert_eq!(route((address, 80)), expected);
            assert_eq!(route((address, 81)), Route::Nobody);
            assert_eq!(route((pod, 81)), Route::To(pod, 81));
        }
    }
}
