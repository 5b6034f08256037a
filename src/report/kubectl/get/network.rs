//! `kubectl get` for services and what stands before and behind them.
//!
//! Follows Kubernetes 1.36 `pkg/printers/internalversion/printers.go`. The server always prints for `-o wide`, so
//! addresses of load balancers are never clipped.

use super::{Columns, age, name, or_none};
use crate::report::kubectl::fields::Fields;
use crate::report::kubectl::selector::{LabelSelector, format_labels};
use crate::report::kubectl::table::{NAME, column, wide};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

/// Services.
pub const SERVICE: Columns = &[
    NAME,
    column("Type"),
    column("Cluster-IP"),
    column("External-IP"),
    column("Port(s)"),
    column("Age"),
    wide("Selector"),
];
/// Ingresses.
pub const INGRESS: Columns =
    &[NAME, column("Class"), column("Hosts"), column("Address"), column("Ports"), column("Age")];
/// Ingress classes.
pub const INGRESS_CLASS: Columns = &[NAME, column("Controller"), column("Parameters"), column("Age")];
/// Endpoints.
pub const ENDPOINTS: Columns = &[NAME, column("Endpoints"), column("Age")];
/// Endpoint slices.
pub const ENDPOINT_SLICE: Columns = &[NAME, column("AddressType"), column("Ports"), column("Endpoints"), column("Age")];
/// Network policies.
pub const NETWORK_POLICY: Columns = &[NAME, column("Pod-Selector"), column("Age")];
/// Ranges of service addresses.
pub const SERVICE_CIDR: Columns = &[NAME, column("CIDRs"), column("Age")];
/// Addresses of services.
pub const IP_ADDRESS: Columns = &[NAME, column("ParentRef")];

/// The line of a service.
pub fn service(service: &Value, now: Timestamp) -> Vec<String> {
    let cluster_ip = service.texts("spec.clusterIPs").first().copied().unwrap_or(service.text("spec.clusterIP"));
    let ports: Vec<String> = service.list("spec.ports").iter().map(service_port).collect();
    vec![
        name(service),
        service.text("spec.type").to_owned(),
        or_none(cluster_ip),
        external_ip(service),
        or_none(&ports.join(",")),
        age(service, now),
        format_labels(&service.entries("spec.selector")),
    ]
}

fn service_port(port: &Value) -> String {
    let (number, protocol) = (port.int("port"), port.text("protocol"));
    match port.int("nodePort") {
        0 => format!("{number}/{protocol}"),
        node_port => format!("{number}:{node_port}/{protocol}"),
    }
}

fn external_ip(service: &Value) -> String {
    let mut addresses: Vec<&str> = service.texts("spec.externalIPs");
    match service.text("spec.type") {
        "ClusterIP" | "NodePort" => or_none(&addresses.join(",")),
        "LoadBalancer" => {
            let mut all = balancer_addresses(service);
            all.append(&mut addresses);
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        "ExternalName" => service.text("spec.externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

/// The addresses a load balancer was given, sorted, each once.
pub fn balancer_addresses(object: &Value) -> Vec<&str> {
    let ingress = object.list("status.loadBalancer.ingress").iter();
    let addresses = ingress.map(|i| i.text_or("ip", i.text("hostname"))).filter(|address| !address.is_empty());
    addresses.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The line of an ingress.
pub fn ingress(ingress: &Value, now: Timestamp) -> Vec<String> {
    vec![
        name(ingress),
        ingress.opt_text("spec.ingressClassName").unwrap_or("<none>").to_owned(),
        hosts(ingress.list("spec.rules")),
        balancer_addresses(ingress).join(","),
        if ingress.list("spec.tls").is_empty() { "80" } else { "80, 443" }.to_owned(),
        age(ingress, now),
    ]
}

fn hosts(rules: &[Value]) -> String {
    const MOST: usize = 3;
    let (mut hosts, mut more) = (Vec::new(), false);
    for rule in rules {
        more |= hosts.len() == MOST;
        if !more && !rule.text("host").is_empty() {
            hosts.push(rule.text("host"));
        }
    }
    match (hosts.is_empty(), more) {
        (true, _) => "*".to_owned(),
        (false, true) => format!("{} + {} more...", hosts.join(","), rules.len() - MOST),
        (false, false) => hosts.join(","),
    }
}

/// The line of an ingress class.
pub fn ingress_class(class: &Value, now: Timestamp) -> Vec<String> {
    let parameters = class.at("spec.parameters");
    let parameters = if parameters.is_null() {
        "<none>".to_owned()
    } else {
        let group = parameters.opt_text("apiGroup").map_or(String::new(), |group| format!(".{group}"));
        format!("{}{group}/{}", parameters.text("kind"), parameters.text("name"))
    };
    vec![name(class), class.text("spec.controller").to_owned(), parameters, age(class, now)]
}

/// The line of an endpoints object.
pub fn endpoints(endpoints: &Value, now: Timestamp) -> Vec<String> {
    vec![name(endpoints), endpoint_addresses(endpoints.list("subsets")), age(endpoints, now)]
}

fn endpoint_addresses(subsets: &[Value]) -> String {
    if subsets.is_empty() {
        return "<none>".to_owned();
    }
    let mut all = Shortened::default();
    for subset in subsets {
        let addresses = || subset.list("addresses").iter().map(|address| address.text("ip"));
        if subset.list("ports").is_empty() {
            addresses().for_each(|ip| all.push(ip.to_owned()));
        }
        for port in subset.list("ports") {
            addresses().for_each(|ip| all.push(host_port(ip, port.int("port"))));
        }
    }
    all.text("")
}

/// `host:port`, IPv6 addresses in brackets.
pub fn host_port(host: &str, port: impl std::fmt::Display) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A list of which only the first three are shown.
#[derive(Default)]
pub struct Shortened {
    shown: Vec<String>,
    hidden: usize,
}

impl Shortened {
    const MOST: usize = 3;

    /// One more item.
    pub fn push(&mut self, item: String) {
        if self.shown.len() < Self::MOST {
            self.shown.push(item);
        } else {
            self.hidden += 1;
        }
    }

    /// The items with commas; `empty` if that would be nothing.
    pub fn text(&self, empty: &str) -> String {
        match (self.shown.join(","), self.hidden) {
            (shown, 0) if shown.is_empty() => empty.to_owned(),
            (shown, 0) => shown,
            (shown, hidden) => format!("{shown} + {hidden} more..."),
        }
    }
}

/// The line of an endpoint slice.
pub fn endpoint_slice(slice: &Value, now: Timestamp) -> Vec<String> {
    let (mut ports, mut addresses) = (Shortened::default(), Shortened::default());
    for port in slice.list("ports") {
        ports.push(match (port.opt_int("port"), port.opt_text("name")) {
            (Some(number), _) => number.to_string(),
            (None, Some(name)) => name.to_owned(),
            (None, None) => "*".to_owned(),
        });
    }
    for endpoint in slice.list("endpoints") {
        endpoint.texts("addresses").into_iter().for_each(|address| addresses.push(address.to_owned()));
    }
    vec![
        name(slice),
        slice.text("addressType").to_owned(),
        ports.text("<unset>"),
        addresses.text("<unset>"),
        age(slice, now),
    ]
}

/// The line of a network policy.
pub fn network_policy(policy: &Value, now: Timestamp) -> Vec<String> {
    vec![name(policy), LabelSelector::from_object(policy.at("spec.podSelector")).or_none(), age(policy, now)]
}

/// The line of a range of service addresses.
pub fn service_cidr(cidr: &Value, now: Timestamp) -> Vec<String> {
    vec![name(cidr), cidr.texts("spec.cidrs").join(","), age(cidr, now)]
}

/// The line of an address.
pub fn ip_address(address: &Value, _: Timestamp) -> Vec<String> {
    let parent = address.at("spec.parentRef");
    if parent.is_null() {
        return vec![name(address), "<none>".to_owned()];
    }
    let mut text = parent.text("resource").to_owned();
    if !parent.text("group").is_empty() {
        text = format!("{text}.{}", parent.text("group"));
    }
    text = text.to_lowercase();
    if !parent.text("namespace").is_empty() {
        text = format!("{text}/{}", parent.text("namespace"));
    }
    vec![name(address), format!("{text}/{}", parent.text("name"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn services_show_where_they_are_reached() {
        for (service, external) in [
            (json!({"spec": {"type": "ClusterIP"}}), "<none>"),
            (json!({"spec": {"type": "NodePort", "externalIPs": ["1.2.3.4", "5.6.7.8"]}}), "1.2.3.4,5.6.7.8"),
            (json!({"spec": {"type": "LoadBalancer"}}), "<pending>"),
            (
                json!({
                    "spec": {"type": "LoadBalancer", "externalIPs": ["1.1.1.1"]},
                    "status": {"loadBalancer": {"ingress": [
                        {"hostname": "z.example"}, {"ip": "9.9.9.9"}, {"ip": "9.9.9.9"}
                    ]}},
                }),
                "9.9.9.9,z.example,1.1.1.1",
            ),
            (json!({"spec": {"type": "ExternalName", "externalName": "x.example"}}), "x.example"),
        ] {
            assert_eq!(external_ip(&service), external);
        }
    }

    #[test]
    fn long_lists_are_shortened() {
        let subsets = json!([
            {"addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "ports": [{"port": 80}, {"port": 443}]},
            {"addresses": [{"ip": "10.0.0.9"}]},
        ]);
        let text = endpoint_addresses(subsets.as_array().expect("a list"));
        assert_eq!(text, "10.0.0.1:80,[fd00::1]:80,10.0.0.1:443 + 2 more...");
        let rule = |host: &str| json!({"host": host});
        assert_eq!(hosts(&[rule("a"), rule(""), rule("b"), rule("c"), rule("d")]), "a,b,c + 2 more...");
    }
}
