//! Who of the endpoints of a Service gets the traffic of a node (`pkg/proxy/topology.go`, `CategorizeEndpoints`).

use crate::api::{EndpointSlice, List, Name, Port, Service, ServicePort, TrafficDistribution, TrafficPolicy, Uid};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What a node's rules say about a Service.
#[derive(Debug, Clone)]
pub struct ServiceView {
    service: Arc<Service>,
    /// For traffic that may go to any node.
    cluster: Vec<Backend>,
    /// For traffic that must stay on the node.
    local: Vec<Backend>,
    local_ready: bool,
}

/// One of those that get a Service's traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Its address.
    pub address: Ipv4Addr,
    /// The pod; empty for an address that somebody wrote down.
    pub pod: Name,
    /// The pod's identity.
    pub pod_uid: Uid,
    /// The pod's node.
    pub node_name: Name,
    /// Whether it is on its way out, and gets traffic only because nobody else is there.
    pub terminating: bool,
    ready: bool,
    zone: Name,
    ports: List<(Name, Name, u16)>,
}

impl Backend {
    /// The port at which it serves a port of the Service.
    pub fn port(&self, service: &ServicePort) -> Option<u16> {
        let resolved = self.ports.iter().find(|(name, _, _)| *name == service.name).map(|(_, _, port)| *port);
        resolved.or(match service.target {
            Port::Number(number) => Some(number),
            Port::Named(_) => None,
        })
    }
}

impl ServiceView {
    pub(super) fn new(service: &Arc<Service>, slices: &[&EndpointSlice], node: Name, zone: Name) -> Self {
        let (mut ready, mut leaving) = (Vec::new(), Vec::new());
        for slice in slices {
            for endpoint in &slice.endpoints {
                let backend = Backend {
                    address: endpoint.address,
                    pod: endpoint.pod,
                    pod_uid: endpoint.pod_uid,
                    node_name: endpoint.node_name,
                    terminating: endpoint.terminating,
                    ready: endpoint.ready,
                    zone: endpoint.zone,
                    ports: slice.ports.clone(),
                };
                if endpoint.ready {
                    ready.push(backend);
                } else if endpoint.serving && endpoint.terminating {
                    leaving.push(backend);
                }
            }
        }
        let on_node = |all: &[Backend]| -> Vec<Backend> {
            all.iter().filter(|backend| backend.node_name == node).cloned().collect()
        };
        let mut local = on_node(&ready);
        let local_ready = !local.is_empty();
        if local.is_empty() {
            local = on_node(&leaving);
        }
        // Those that are leaving only where nobody is ready; then whoever they are, near or far.
        let cluster = if ready.is_empty() { leaving } else { near(ready, service, node, zone) };
        Self { service: service.clone(), cluster, local, local_ready }
    }

    /// The Service as the node's proxy knows it.
    pub const fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Who gets what is sent to the Service's own address from this node, each with the same chance; if nobody,
    /// connections are refused or, where [`is_dropped`](Self::is_dropped), come to nothing.
    pub fn internal(&self) -> &[Backend] {
        self.of(self.service.traffic.internal)
    }

    /// Who gets what comes from outside through this node, by its port or a load balancer.
    pub fn external(&self) -> &[Backend] {
        self.of(self.service.traffic.external)
    }

    /// Whether a load balancer sends to this node: all but those that would have to refuse (`healthCheckNodePort`).
    pub fn is_healthy(&self) -> bool {
        self.service.traffic.external == TrafficPolicy::Cluster || self.local_ready
    }

    /// Whether traffic to the Service's own address is dropped: others have what this node may not use.
    pub fn is_dropped(&self) -> bool {
        self.internal().is_empty() && !self.cluster.is_empty()
    }

    fn of(&self, policy: TrafficPolicy) -> &[Backend] {
        match policy {
            TrafficPolicy::Cluster => &self.cluster,
            TrafficPolicy::Local => &self.local,
        }
    }
}

/// Those of the ready that are near enough, if the Service prefers them and there is any (`topologyModeFromHints`).
///
/// A hint names the endpoint's own zone or node, so that slices need not carry it; if one endpoint has none, nobody's
/// counts.
fn near(ready: Vec<Backend>, service: &Service, node: Name, zone: Name) -> Vec<Backend> {
    let same = |key: fn(&Backend) -> Name, own: Name| {
        let hinted = ready.iter().all(|backend| !key(backend).is_empty());
        let near: Vec<Backend> = ready.iter().filter(|backend| key(backend) == own).cloned().collect();
        (hinted && !own.is_empty() && !near.is_empty()).then_some(near)
    };
    let same_zone = || same(|backend| backend.zone, zone);
    match service.traffic.distribution {
        TrafficDistribution::Anywhere => None,
        TrafficDistribution::PreferSameZone => same_zone(),
        TrafficDistribution::PreferSameNode => same(|backend| backend.node_name, node).or_else(same_zone),
    }
    .unwrap_or(ready)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Endpoint, Metadata, Object, lower};
    use serde_json::{Value, json};

    fn service(spec: &Value) -> Arc<Service> {
        let manifest = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec});
        let Ok(Object::Service(service)) = lower(&manifest).map(|lowered| lowered.object) else { panic!() };
        service
    }

    /// `node/zone/state`: ready, leaving (serving and terminating), gone (terminating only) or unready.
    fn slice(endpoints: &[&str]) -> EndpointSlice {
        let endpoint = |(number, text): (usize, &&str)| {
            let parts: Vec<&str> = text.split('/').collect();
            Endpoint {
                address: Ipv4Addr::from(number as u32),
                ready: parts[2] == "ready",
                serving: matches!(parts[2], "ready" | "leaving"),
                terminating: matches!(parts[2], "leaving" | "gone"),
                pod: Name::new(&number.to_string()),
                pod_uid: Uid::default(),
                node_name: Name::new(parts[0]),
                zone: Name::new(parts[1]),
                hostname: Name::default(),
            }
        };
        let endpoints = endpoints.iter().enumerate().map(endpoint).collect();
        EndpointSlice { meta: Metadata::default(), endpoints, ports: List::EMPTY }
    }

    #[test]
    fn policies_choose_among_those_that_are_there() {
        // `TestCategorizeEndpoints`: the spec, the endpoints, then who gets traffic of the node a in zone z from
        // inside and from outside.
        let port = || json!([{"port": 80, "nodePort": 30080}]);
        let any = || json!({"ports": [{"port": 80}]});
        let inside = || json!({"ports": [{"port": 80}], "internalTrafficPolicy": "Local"});
        let outside = || json!({"type": "NodePort", "ports": port(), "externalTrafficPolicy": "Local"});
        let zonal = || json!({"ports": [{"port": 80}], "trafficDistribution": "PreferSameZone"});
        let nodal = || json!({"ports": [{"port": 80}], "trafficDistribution": "PreferSameNode"});
        let close = || json!({"ports": [{"port": 80}], "trafficDistribution": "PreferClose"});
        let cases: [(Value, &[&str], &str, &str); 16] = [
            (any(), &["a/z/ready", "b/y/ready", "b/y/unready"], "0,1", "0,1"),
            (any(), &["a/z/ready", "b/y/leaving"], "0", "0"),
            (any(), &["a/z/leaving", "b/y/leaving", "b/y/gone"], "0,1", "0,1"),
            (any(), &["a/z/gone", "b/y/unready"], "", ""),
            (inside(), &["a/z/ready", "b/y/ready"], "0", "0,1"),
            (inside(), &["b/y/ready"], "", "0"),
            (inside(), &["a/z/leaving", "b/y/ready"], "0", "1"),
            (outside(), &["a/z/ready", "b/y/ready"], "0,1", "0"),
            (outside(), &["a/z/leaving", "b/y/ready"], "1", "0"),
            (zonal(), &["c/z/ready", "b/y/ready"], "0", "0"),
            (zonal(), &["c/x/ready", "b/y/ready"], "0,1", "0,1"),
            (zonal(), &["c/z/ready", "b//ready"], "0,1", "0,1"),
            (zonal(), &["c/z/leaving", "b/y/leaving"], "0,1", "0,1"),
            (nodal(), &["a/z/ready", "c/z/ready", "b/y/ready"], "0", "0"),
            (nodal(), &["c/z/ready", "b/y/ready"], "0", "0"),
            (close(), &["c/z/ready", "b/y/ready"], "0", "0"),
        ];
        for (spec, endpoints, internal, external) in cases {
            let view = ServiceView::new(&service(&spec), &[&slice(endpoints)], Name::new("a"), Name::new("z"));
            let print = |backends: &[Backend]| {
                backends.iter().map(|backend| backend.pod.as_str()).collect::<Vec<_>>().join(",")
            };
            let got = (print(view.internal()), print(view.external()));
            assert_eq!(got, (internal.to_owned(), external.to_owned()), "{spec} {endpoints:?}");
        }
    }

    #[test]
    fn balancers_leave_out_nodes_without_ready_pods() {
        let spec = json!({"type": "LoadBalancer", "ports": [{"port": 80}], "externalTrafficPolicy": "Local"});
        for (endpoint, healthy) in [("a/z/ready", true), ("a/z/leaving", false), ("b/z/ready", false)] {
            let view = ServiceView::new(&service(&spec), &[&slice(&[endpoint])], Name::new("a"), Name::new("z"));
            assert_eq!(view.is_healthy(), healthy, "{endpoint}");
        }
    }
}
