//! What a Service is given: its address and its ports on the nodes, and what it loses when its type changes.
//!
//! Follows `pkg/registry/core/service/storage/alloc.go` and `pkg/registry/core/service/strategy.go`. What is taken is
//! read off the Services that there are, so that nothing needs to be given back.

use super::Server;
use crate::api::{ApiError, ErrorReason, FieldError, Kind, Lowering, Metadata, Object, Service, render};
use crate::engine::{Draws, Purpose, StreamKey};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::Arc;

const NODE_PORT: Purpose = Purpose::new("node port");

/// `--service-node-port-range`.
const NODE_PORTS: RangeInclusive<i64> = 30_000..=32_767;
/// So many of them are kept for those who ask for a certain one, as long as there are others.
const STATIC_NODE_PORTS: i64 = 86;
/// `--service-cluster-ip-range` 10.96.0.0/12, without its first and last address.
const CLUSTER_IPS: RangeInclusive<u32> = u32::from_be_bytes([10, 96, 0, 1])..=u32::from_be_bytes([10, 111, 255, 254]);
/// The address of the Service `kubernetes`, which a cluster has before all others.
const OWN_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
/// The draw of a health check's port; those of the other ports are their places in the list.
const HEALTH_CHECK: u64 = 1 << 16;

impl Server {
    /// A new Service with all that it needs (`allocateCreate`).
    pub(super) fn prepare_service(&mut self, mut service: Service) -> Result<Service, Box<ApiError>> {
        self.give_address(&mut service)?;
        if !needs_node_ports(&service.kind) {
            return Ok(service);
        }
        let mut spec = spec_of(&service);
        let mut free = self.node_ports(&service.meta, BTreeSet::new());
        let ports = list(&spec);
        // The same port over two protocols is one port on the nodes.
        let mut given: BTreeMap<i64, i64> = BTreeMap::new();
        for (place, entry) in ports.iter().enumerate() {
            let (port, asked) = (number(entry, "port"), number(entry, "nodePort"));
            let named = || ports.iter().filter(|other| number(other, "port") == port).map(|o| number(o, "nodePort"));
            let node_port = match given.get(&port) {
                _ if asked == 0 && !allocates(&spec) => continue,
                Some(same) if asked == 0 || asked == *same => *same,
                Some(_) => free.take(asked, place)?,
                None => match named().find(|asked| *asked != 0) {
                    Some(asked) => free.take(asked, place)?,
                    None => free.take_any(place as u64)?,
                },
            };
            given.entry(port).or_insert(node_port);
            spec["ports"][place]["nodePort"] = node_port.into();
        }
        free.check_health(&Value::Null, &mut spec)?;
        read_back(service, spec)
    }

    /// The new version of a Service with what it needs now, and without what its old type had given to it
    /// (`allocateUpdate`, `dropTypeDependentFields`).
    pub(super) fn update_service(&mut self, before: &Service, mut service: Service) -> Result<Service, Box<ApiError>> {
        if before.source == service.source && before.kind == service.kind {
            return Ok(service);
        }
        if before.kind == "ExternalName" {
            self.give_address(&mut service)?;
        }
        let (was, mut spec) = (spec_of(before), spec_of(&service));
        keep_allocated(&was, &mut spec);
        let own = list(&was).iter().map(|port| number(port, "nodePort")).collect();
        let mut free = self.node_ports(&before.meta, own);
        if needs_node_ports(&service.kind) {
            for (place, entry) in list(&spec).iter().enumerate() {
                let node_port = match number(entry, "nodePort") {
                    0 if allocates(&spec) => free.take_any(place as u64)?,
                    0 => continue,
                    asked => free.take(asked, place)?,
                };
                free.own.insert(node_port);
                spec["ports"][place]["nodePort"] = node_port.into();
            }
        }
        free.check_health(&was, &mut spec)?;
        drop_for_type(&was, &mut spec);
        read_back(service, spec)
    }

    fn give_address(&mut self, service: &mut Service) -> Result<(), Box<ApiError>> {
        if service.kind == "ExternalName" || service.is_headless() {
            return Ok(());
        }
        let is_taken = |address: Ipv4Addr| {
            let has = |other: &Arc<Service>| other.cluster_ip == Some(address);
            address == OWN_IP && !service.meta.is_of_api_server() || self.store.services.iter().any(has)
        };
        if let Some(address) = service.cluster_ip {
            let why = match address {
                address if !CLUSTER_IPS.contains(&u32::from(address)) => {
                    "the provided network does not match the current range"
                }
                address if is_taken(address) => "provided IP is already allocated",
                _ => return Ok(()),
            };
            let detail = format!("failed to allocate IP {address}: {why}");
            let error = FieldError::invalid("spec.clusterIPs", [address.to_string()], detail);
            return Err(ApiError::invalid(Kind::Service, &service.meta.name, &[error]));
        }
        let mut rest = (self.next_cluster_ip..=*CLUSTER_IPS.end()).map(Ipv4Addr::from);
        let address = rest.find(|next| !is_taken(*next)).ok_or_else(|| full("failed to allocate a serviceIP"))?;
        self.next_cluster_ip = u32::from(address) + 1;
        service.cluster_ip = Some(address);
        Ok(())
    }

    /// The ports of the nodes, as a Service finds them that has some of its own already.
    fn node_ports(&self, service: &Metadata, own: BTreeSet<i64>) -> NodePorts {
        let mut taken = own.clone();
        for other in self.store.services.iter().filter(|other| needs_node_ports(&other.kind)) {
            let ports = other.ports.iter().map(|port| port.node_port).chain([other.health_check_node_port]);
            taken.extend(ports.map(i64::from));
        }
        let key = StreamKey::new(Kind::Service.as_str()).part(&service.namespace).part(&service.name);
        NodePorts { service: service.name.to_string(), draws: self.draws, key, taken, own }
    }
}

/// The allocator of node ports (`portallocator`), for one Service.
struct NodePorts {
    service: String,
    draws: Draws,
    key: StreamKey,
    taken: BTreeSet<i64>,
    /// Those that the Service may name because it has them.
    own: BTreeSet<i64>,
}

impl NodePorts {
    fn claim(&mut self, port: i64) -> Result<i64, String> {
        if !NODE_PORTS.contains(&port) {
            let (first, last) = (NODE_PORTS.start(), NODE_PORTS.end());
            let range = format!("The range of valid ports is {first}-{last}");
            return Err(format!("provided port is not in the valid range. {range}"));
        }
        if self.taken.insert(port) { Ok(port) } else { Err("provided port is already allocated".to_owned()) }
    }

    /// The port that the entry at a place asks for.
    fn take(&mut self, port: i64, place: usize) -> Result<i64, Box<ApiError>> {
        if self.own.contains(&port) {
            return Ok(port);
        }
        self.claim(port).map_err(|why| {
            let error = FieldError::invalid(format!("spec.ports[{place}].nodePort"), port, why);
            ApiError::invalid(Kind::Service, &self.service, &[error])
        })
    }

    /// The first free port from a random one on, above those that are kept if there is any
    /// (`randomScanStrategyWithOffset`).
    fn take_any(&mut self, ordinal: u64) -> Result<i64, Box<ApiError>> {
        let mut draw = self.draws.draw(NODE_PORT, self.key, ordinal);
        let dynamic = NODE_PORTS.start() + STATIC_NODE_PORTS;
        for (first, end) in [(dynamic, NODE_PORTS.end() + 1), (*NODE_PORTS.start(), dynamic)] {
            let start = first + draw.below((end - first) as u64) as i64;
            if let Some(port) = (start..end).chain(first..start).find(|port| !self.taken.contains(port)) {
                self.taken.insert(port);
                return Ok(port);
            }
        }
        Err(full("failed to allocate a nodePort"))
    }

    /// A balancer that sends only to nodes with a pod asks the nodes for it (`NeedsHealthCheck`).
    fn check_health(&mut self, was: &Value, spec: &mut Value) -> Result<(), Box<ApiError>> {
        if !needs_health_check(spec) || needs_health_check(was) {
            return Ok(());
        }
        let port = match number(spec, "healthCheckNodePort") {
            0 => self.take_any(HEALTH_CHECK)?,
            asked => self.claim(asked).map_err(|why| {
                let what = format!("failed to allocate requested HealthCheck NodePort {asked}: {why}");
                ApiError::new(ErrorReason::InternalError, format!("Internal error occurred: {what}"))
            })?,
        };
        spec["healthCheckNodePort"] = port.into();
        Ok(())
    }
}

fn full(what: &str) -> Box<ApiError> {
    ApiError::new(ErrorReason::InternalError, format!("Internal error occurred: {what}: range is full"))
}

/// What the client left out of a new version stays as it was (`patchAllocatedValues`).
fn keep_allocated(was: &Value, spec: &mut Value) {
    let has_address = |spec: &Value| spec["type"] != "ExternalName";
    if has_address(was) && has_address(spec) && spec.get("clusterIP").is_none() {
        for field in ["clusterIP", "clusterIPs"] {
            if let Some(address) = was.get(field) {
                spec[field] = address.clone();
            }
        }
    }
    if has_node_ports(was) && has_node_ports(spec) {
        let ports = |spec: &Value| -> BTreeSet<i64> { list(spec).iter().map(|p| number(p, "nodePort")).collect() };
        let stay = &ports(was) & &ports(spec);
        for (place, entry) in list(spec).iter().enumerate() {
            let same_name = |old: &&Value| old.get("name") == entry.get("name");
            // Of two with one name the last is known.
            let old = list(was).iter().rfind(same_name).map_or(0, |old| number(old, "nodePort"));
            if number(entry, "nodePort") == 0 && old != 0 && !stay.contains(&old) {
                spec["ports"][place]["nodePort"] = old.into();
            }
        }
    }
    if needs_health_check(was) && needs_health_check(spec) && number(spec, "healthCheckNodePort") == 0 {
        spec["healthCheckNodePort"] = was["healthCheckNodePort"].clone();
    }
}

/// What only the old type needed goes, unless the client changed it too, which is then refused.
fn drop_for_type(was: &Value, spec: &mut Value) {
    let same = |spec: &Value, field: &str| was.get(field) == spec.get(field);
    let drop = |spec: &mut Value, fields: &[&str]| {
        if let Value::Object(spec) = spec {
            fields.iter().for_each(|field| drop(spec.remove(*field)));
        }
    };
    if was["type"] != "ExternalName" && spec["type"] == "ExternalName" {
        if same(spec, "clusterIP") && same(spec, "clusterIPs") {
            drop(spec, &["clusterIP", "clusterIPs"]);
        }
        for field in ["ipFamilies", "ipFamilyPolicy"] {
            if same(spec, field) {
                drop(spec, &[field]);
            }
        }
    }
    if has_node_ports(was) && !has_node_ports(spec) {
        let had: BTreeSet<i64> = list(was).iter().map(|port| number(port, "nodePort")).collect();
        if list(spec).iter().map(|port| number(port, "nodePort")).all(|port| port == 0 || had.contains(&port)) {
            for place in 0..list(spec).len() {
                drop(&mut spec["ports"][place], &["nodePort"]);
            }
        }
    }
    if needs_health_check(was) && !needs_health_check(spec) && same(spec, "healthCheckNodePort") {
        drop(spec, &["healthCheckNodePort"]);
    }
    if was["type"] == "LoadBalancer" && spec["type"] != "LoadBalancer" {
        for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            if same(spec, field) {
                drop(spec, &[field]);
            }
        }
    }
    let is_reachable = |spec: &Value| has_node_ports(spec) || spec.get("externalIPs").is_some();
    if is_reachable(was) && !is_reachable(spec) && same(spec, "externalTrafficPolicy") {
        drop(spec, &["externalTrafficPolicy"]);
    }
}

fn needs_node_ports(kind: &str) -> bool {
    matches!(kind, "NodePort" | "LoadBalancer")
}

fn has_node_ports(spec: &Value) -> bool {
    spec["type"].as_str().is_some_and(needs_node_ports)
}

fn allocates(spec: &Value) -> bool {
    spec["type"] != "LoadBalancer" || spec["allocateLoadBalancerNodePorts"] != false
}

fn needs_health_check(spec: &Value) -> bool {
    spec["type"] == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local"
}

fn number(fields: &Value, field: &str) -> i64 {
    fields[field].as_i64().unwrap_or_default()
}

fn list(spec: &Value) -> Vec<Value> {
    spec["ports"].as_array().cloned().unwrap_or_default()
}

fn spec_of(service: &Service) -> Value {
    render(&Object::Service(Arc::new(service.clone())))["spec"].take()
}

fn read_back(service: Service, spec: Value) -> Result<Service, Box<ApiError>> {
    let name = &*service.meta.name;
    let whole = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
    let Object::Service(read) = Lowering::of_stored().lower(&whole)?.object else { unreachable!("it says so") };
    Ok(Service { meta: service.meta, ..Arc::unwrap_or_clone(read) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{DeleteOptions, Name, Part, PatchKind, Request, Response, Target, WallClock, WallTime, lower};
    use crate::engine::SimTime;

    fn server() -> Server {
        let mut server = Server::new(WallClock::starting_at(WallTime::default()), Draws::new(1));
        server.ensure_namespace(SimTime::ZERO, Name::new("default"));
        server
    }

    fn create(server: &mut Server, name: &str, spec: Value) -> Response {
        let manifest = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
        server.serve(SimTime::ZERO, Request::Create(lower(&manifest)?.object))
    }

    fn target(name: &str) -> Target {
        Target { kind: Kind::Service, namespace: Name::new("default"), name: Name::new(name) }
    }

    fn patch(server: &mut Server, name: &str, spec: Value) -> Response {
        let patch = json!({ "spec": spec });
        let request = Request::Patch { target: target(name), part: Part::Main, kind: PatchKind::Merge, patch };
        server.serve(SimTime::ZERO, request)
    }

    fn refused(response: Response) -> String {
        response.expect_err("a refusal").to_string()
    }

    #[test]
    fn ports_of_the_nodes_are_given_and_held() {
        let server = &mut server();
        let two = json!([{"name": "a", "port": 53, "protocol": "TCP"}, {"name": "b", "port": 53, "protocol": "UDP"}]);
        let dns = render(&create(server, "dns", json!({"type": "NodePort", "ports": two})).expect("a free port"));
        let given = number(&dns["spec"]["ports"][0], "nodePort");
        assert!((30_086..=32_767).contains(&given), "{given} is one that is kept");
        assert_eq!(number(&dns["spec"]["ports"][1], "nodePort"), given);
        let of = |node_port: i64| json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": node_port}]});
        create(server, "web", of(30_000)).expect("a free port");
        let begin = "Service \"x\" is invalid: spec.ports[0].nodePort: Invalid value: ";
        for (port, why) in [
            (30_000, "provided port is already allocated"),
            (given, "provided port is already allocated"),
            (80, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
        ] {
            assert_eq!(refused(create(server, "x", of(port))), format!("{begin}{port}: {why}"));
        }
        let gone = Request::Delete { target: target("web"), options: DeleteOptions::default() };
        server.serve(SimTime::ZERO, gone).expect("it was there");
        create(server, "x", of(30_000)).expect("it was given back");
        let without = json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]});
        let balanced = render(&create(server, "lb", without).expect("nothing is asked for"));
        assert_eq!(number(&balanced["spec"]["ports"][0], "nodePort"), 0);
        let local = json!({"externalTrafficPolicy": "Local"});
        let checked = render(&patch(server, "lb", local).expect("a free port"));
        assert!(number(&checked["spec"], "healthCheckNodePort") > 30_000);
    }

    #[test]
    fn a_change_of_type_takes_what_the_old_one_needed() {
        let server = &mut server();
        let local = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]});
        create(server, "web", local).expect("free ports");
        let plain = render(&patch(server, "web", json!({"type": "ClusterIP"})).expect("nothing is in the way"));
        assert_eq!(
            plain["spec"],
            json!({"type": "ClusterIP", "clusterIP": "10.96.0.16", "clusterIPs": ["10.96.0.16"],
                "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
                "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}], "sessionAffinity": "None"})
        );
        let reached = render(&patch(server, "web", json!({"type": "NodePort"})).expect("a free port"));
        let port = number(&reached["spec"]["ports"][0], "nodePort");
        assert_ne!(port, 0);
        let renamed = json!({"ports": [{"port": 8080}]});
        let renamed = render(&patch(server, "web", renamed).expect("the port on the nodes stays"));
        assert_eq!(number(&renamed["spec"]["ports"][0], "nodePort"), port);
        let elsewhere = json!({"type": "ExternalName", "externalName": "a.example"});
        let elsewhere = render(&patch(server, "web", elsewhere).expect("nothing is in the way"));
        assert_eq!(
            elsewhere["spec"],
            json!({"type": "ExternalName", "externalName": "a.example", "internalTrafficPolicy": "Cluster",
                "ports": [{"port": 8080, "protocol": "TCP", "targetPort": 8080}], "sessionAffinity": "None"})
        );
        let back = render(&patch(server, "web", json!({"type": "ClusterIP"})).expect("another address"));
        assert_eq!(back["spec"]["clusterIP"], "10.96.0.17");
    }

    #[test]
    fn an_address_is_given_once() {
        let server = &mut server();
        let of = |address: &str| json!({"clusterIP": address, "ports": [{"port": 80}]});
        create(server, "a", of("10.96.0.16")).expect("a free address");
        let next = render(&create(server, "b", of("")).expect("a free address"));
        assert_eq!(next["spec"]["clusterIP"], "10.96.0.17");
        for (address, why) in [
            ("10.96.0.1", "provided IP is already allocated"),
            ("10.96.0.16", "provided IP is already allocated"),
            ("1.2.3.4", "the provided network does not match the current range"),
        ] {
            let words = format!("Invalid value: [\"{address}\"]: failed to allocate IP {address}: {why}");
            assert_eq!(
                refused(create(server, "x", of(address))),
                format!("Service \"x\" is invalid: spec.clusterIPs: {words}")
            );
        }
    }
}
