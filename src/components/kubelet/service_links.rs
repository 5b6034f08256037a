//! The Services that a container finds in its environment.
//!
//! Follows `pkg/kubelet/kubelet_pods.go` (`getServiceEnvVarMap`) and `pkg/kubelet/envvars/envvars.go` of Kubernetes
//! 1.36. What kubelets know of Services they know together, and variables are made when a container of the namespace
//! is.

use crate::api::{Change, ChangeKind, List, Name, Object, Service, ServicePort, Text};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};

/// Variables and their values.
pub type Variables = List<(Name, Text)>;

/// What kubelets know of Services. A clone is a pointer.
#[derive(Debug, Clone, Default)]
pub struct ServiceLinks(Arc<Known>);

#[derive(Debug, Clone, Default)]
struct Known {
    namespaces: BTreeMap<Name, Arc<Links>>,
    /// The Service of the API server, which everybody finds.
    master: Arc<Links>,
}

/// Services with addresses, by name, and what containers are told of them.
#[derive(Debug, Clone, Default)]
struct Links {
    services: BTreeMap<String, (Ipv4Addr, Vec<ServicePort>)>,
    variables: OnceLock<Variables>,
}

impl Links {
    /// Whether something else is told of a Service.
    fn differs(&self, service: &Service, address: Option<Ipv4Addr>) -> bool {
        match (self.services.get(service.meta.name.as_str()), address) {
            (None, None) => false,
            (Some((have, ports)), Some(address)) => *have != address || *ports != service.ports,
            (Some(_), None) | (None, Some(_)) => true,
        }
    }

    fn change(&mut self, service: &Service, address: Option<Ipv4Addr>) {
        let name = service.meta.name.as_str();
        match address {
            Some(address) => self.services.insert(name.to_owned(), (address, service.ports.clone())),
            None => self.services.remove(name),
        };
        self.variables = OnceLock::new();
    }

    fn variables(&self) -> Variables {
        let told = || self.services.iter().flat_map(|(name, (address, ports))| told(name, *address, ports)).collect();
        self.variables.get_or_init(told).clone()
    }
}

impl ServiceLinks {
    /// A Service changed: whether containers that are made from now on are told something else.
    pub fn changed(&mut self, change: &Change) -> bool {
        let Object::Service(service) = &change.object else { return false };
        let gone = change.kind == ChangeKind::Deleted;
        let address = service.cluster_ip.filter(|_| !gone && !service.ports.is_empty());
        let namespace = service.meta.namespace;
        let is_master = service.meta.is_of_api_server();
        let have = if is_master { Some(&self.0.master) } else { self.0.namespaces.get(&namespace) };
        if !have.map_or(address.is_some(), |links| links.differs(service, address)) {
            return false;
        }
        // What kubelets have not been given yet is not copied.
        let known = Arc::make_mut(&mut self.0);
        let links = if is_master { &mut known.master } else { known.namespaces.entry(namespace).or_default() };
        Arc::make_mut(links).change(service, address);
        true
    }

    /// What the containers of a pod are told: of the API server, and, if it wants links, of the Services of its
    /// namespace.
    pub(super) fn variables(&self, namespace: Name, wants_links: bool) -> [Variables; 2] {
        let own = self.0.namespaces.get(&namespace).filter(|_| wants_links);
        [self.0.master.variables(), own.map(|links| links.variables()).unwrap_or_default()]
    }
}

/// What is told of a Service (`FromServices`, `makeLinkVariables`).
fn told(name: &str, address: Ipv4Addr, ports: &[ServicePort]) -> Vec<(Name, Text)> {
    let prefix = variable_name(name);
    let mut told: Vec<(Name, Text)> = Vec::new();
    let mut tell = |name: String, value: String| told.push((Name::new(&name), value.into()));
    tell(format!("{prefix}_SERVICE_HOST"), address.to_string());
    tell(format!("{prefix}_SERVICE_PORT"), ports[0].port.to_string());
    for port in ports.iter().filter(|port| !port.name.is_empty()) {
        tell(format!("{prefix}_SERVICE_PORT_{}", variable_name(&port.name)), port.port.to_string());
    }
    for (place, port) in ports.iter().enumerate() {
        let (number, protocol) = (port.port, port.protocol.to_lowercase());
        let url = format!("{protocol}://{address}:{number}");
        if place == 0 {
            tell(format!("{prefix}_PORT"), url.clone());
        }
        let start = format!("{prefix}_PORT_{number}_{}", port.protocol.to_uppercase());
        tell(start.clone(), url);
        tell(format!("{start}_PROTO"), protocol);
        tell(format!("{start}_PORT"), number.to_string());
        tell(format!("{start}_ADDR"), address.to_string());
    }
    told
}

/// A name as part of a variable's (`makeEnvVariableName`).
fn variable_name(name: &str) -> String {
    let plain = name.replace(['-', '.'], "_").to_uppercase();
    if plain.starts_with(|first: char| first.is_ascii_digit()) { format!("_{plain}") } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::lower;
    use serde_json::json;

    fn change(kind: ChangeKind, namespace: &str, name: &str, spec: serde_json::Value) -> Change {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
            "spec": spec});
        Change { kind, object: lower(&service).expect("a Service").object }
    }

    #[test]
    fn services_with_an_address_are_told_of_in_their_namespace() {
        // pkg/kubelet/envvars/envvars_test.go (`TestFromServices`), in short; kubelet_pods_test.go.
        let mut links = ServiceLinks::default();
        let ports = json!([{"name": "http", "port": 8080}, {"name": "dns-1", "port": 53, "protocol": "UDP"}]);
        let spec = json!({"clusterIP": "10.96.0.9", "ports": ports});
        let master = json!({"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]});
        assert!(links.changed(&change(ChangeKind::Added, "shop", "my-db", spec.clone())));
        assert!(!links.changed(&change(ChangeKind::Modified, "shop", "my-db", spec.clone())));
        assert!(links.changed(&change(ChangeKind::Added, "default", "kubernetes", master)));
        let headless = json!({"clusterIP": "None", "ports": [{"port": 80}]});
        assert!(!links.changed(&change(ChangeKind::Added, "shop", "bare", headless)));
        let said = |links: &ServiceLinks, namespace: &str, wants| {
            let [master, own] = links.variables(Name::new(namespace), wants);
            let line = |(name, value): &(Name, Text)| format!("{name}={value}");
            (master.len(), own.iter().map(line).collect::<Vec<_>>().join(" "))
        };
        let own = "MY_DB_SERVICE_HOST=10.96.0.9 MY_DB_SERVICE_PORT=8080 MY_DB_SERVICE_PORT_HTTP=8080 \
                   MY_DB_SERVICE_PORT_DNS_1=53 MY_DB_PORT=tcp://10.96.0.9:8080 \
                   MY_DB_PORT_8080_TCP=tcp://10.96.0.9:8080 MY_DB_PORT_8080_TCP_PROTO=tcp \
                   MY_DB_PORT_8080_TCP_PORT=8080 MY_DB_PORT_8080_TCP_ADDR=10.96.0.9 \
                   MY_DB_PORT_53_UDP=udp://10.96.0.9:53 MY_DB_PORT_53_UDP_PROTO=udp MY_DB_PORT_53_UDP_PORT=53 \
                   MY_DB_PORT_53_UDP_ADDR=10.96.0.9";
        assert_eq!(said(&links, "shop", true), (8, own.to_owned()));
        for (namespace, wants) in [("shop", false), ("default", true), ("other", true)] {
            assert_eq!(said(&links, namespace, wants), (8, String::new()), "{namespace} {wants}");
        }
        assert!(links.changed(&change(ChangeKind::Deleted, "shop", "my-db", spec)));
        assert_eq!(said(&links, "shop", true), (8, String::new()));
    }
}
