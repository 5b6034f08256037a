//! Services and what stands before and behind them.
//!
//! Follows kubectl 1.36 `pkg/describe/describe.go`.

use super::Context;
use super::parts::{annotations, conditions_with_times, events_of, head, labels, labels_and_annotations};
use super::writer::{Writer, put};
use crate::report::kubectl::error::Error;
use crate::report::kubectl::fields::{Fields, name, namespace};
use crate::report::kubectl::get::network::{balancer_addresses, host_port};
use crate::report::kubectl::go::time_string;
use crate::report::kubectl::selector::{LabelSelector, format_labels};
use serde_json::Value;

fn joined_or_none(texts: &[&str], separator: &str) -> String {
    if texts.is_empty() { "<none>".to_owned() } else { texts.join(separator) }
}

fn endpoint_slices<'a>(namespace_of: &str, service: &str, context: &Context<'a>) -> Vec<&'a Value> {
    let slices = context.objects.of_kind("discovery.k8s.io/v1", "EndpointSlice", None);
    let of_service = |slice: &&Value| {
        namespace(slice) == namespace_of
            && slice.entry("metadata.labels", "kubernetes.io/service-name") == Some(service)
    };
    slices.filter(of_service).collect()
}

/// The addresses behind a port that are ready, of all slices.
fn endpoints_of_port(slices: &[&Value], port_name: &str) -> String {
    if slices.is_empty() {
        return "<none>".to_owned();
    }
    let mut list = Shortlist::default();
    for slice in slices {
        let ports = slice.list("ports");
        if ports.is_empty() {
            slice.list("endpoints").iter().for_each(|endpoint| list.push(endpoint, None));
        }
        for port in ports.iter().filter(|port| port.text("name") == port_name) {
            slice.list("endpoints").iter().for_each(|endpoint| list.push(endpoint, Some(port.int("port"))));
        }
    }
    list.text()
}

/// The first three addresses. Once three are shown, even one that is not ready makes the list say that there is more.
#[derive(Default)]
struct Shortlist {
    shown: Vec<String>,
    more: bool,
    ready: usize,
}

impl Shortlist {
    const MOST: usize = 3;

    fn push(&mut self, endpoint: &Value, port: Option<i64>) {
        self.more |= self.shown.len() == Self::MOST;
        if endpoint.opt_flag("conditions.ready") == Some(false) {
            return;
        }
        self.ready += 1;
        if !self.more {
            let address = endpoint.texts("addresses").first().copied().unwrap_or("");
            self.shown.push(port.map_or(address.to_owned(), |port| host_port(address, port)));
        }
    }

    fn text(&self) -> String {
        let shown = self.shown.join(",");
        if self.more { format!("{shown} + {} more...", self.ready - Self::MOST) } else { shown }
    }
}

/// A service.
pub fn service(w: &mut Writer, service: &Value, context: &Context<'_>) {
    head(w, service);
    put!(w, 0, "Selector:\t{}\n", format_labels(&service.entries("spec.selector")));
    put!(w, 0, "Type:\t{}\n", service.text("spec.type"));
    if let Some(policy) = service.opt_text("spec.ipFamilyPolicy") {
        put!(w, 0, "IP Family Policy:\t{policy}\n");
    }
    put!(w, 0, "IP Families:\t{}\n", joined_or_none(&service.texts("spec.ipFamilies"), ","));
    put!(w, 0, "IP:\t{}\n", service.text("spec.clusterIP"));
    put!(w, 0, "IPs:\t{}\n", joined_or_none(&service.texts("spec.clusterIPs"), ","));
    let ingress: Vec<String> = service.list("status.loadBalancer.ingress").iter().map(balancer_ingress).collect();
    for (title, text) in [
        ("External IPs", service.texts("spec.externalIPs").join(",")),
        ("Desired LoadBalancer IP", service.text("spec.loadBalancerIP").to_owned()),
        ("External Name", service.text("spec.externalName").to_owned()),
    ] {
        if !text.is_empty() {
            put!(w, 0, "{title}:\t{text}\n");
        }
    }
    if !ingress.is_empty() {
        put!(w, 0, "LoadBalancer Ingress:\t{}\n", ingress.join(", "));
    }
    let slices = endpoint_slices(namespace(service), name(service), context);
    for port in service.list("spec.ports") {
        service_port(w, port, &slices);
    }
    put!(w, 0, "Session Affinity:\t{}\n", service.text("spec.sessionAffinity"));
    let health_check = service.int("spec.healthCheckNodePort");
    for (title, text) in [
        ("External Traffic Policy", service.text("spec.externalTrafficPolicy").to_owned()),
        ("Internal Traffic Policy", service.text("spec.internalTrafficPolicy").to_owned()),
        ("HealthCheck NodePort", if health_check == 0 { String::new() } else { health_check.to_string() }),
        ("LoadBalancer Source Ranges", service.texts("spec.loadBalancerSourceRanges").join(",")),
        ("Traffic Distribution", service.text("spec.trafficDistribution").to_owned()),
    ] {
        if !text.is_empty() {
            put!(w, 0, "{title}:\t{text}\n");
        }
    }
    events_of(w, context, service);
}

fn balancer_ingress(ingress: &Value) -> String {
    match (ingress.text("ip"), ingress.opt_text("ipMode")) {
        ("", _) => ingress.text("hostname").to_owned(),
        (ip, Some(mode)) => format!("{ip} ({mode})"),
        (ip, None) => ip.to_owned(),
    }
}

fn service_port(w: &mut Writer, port: &Value, slices: &[&Value]) {
    let (title, protocol) = (port.text_or("name", "<unset>"), port.text("protocol"));
    put!(w, 0, "Port:\t{title}\t{}/{protocol}\n", port.int("port"));
    put!(w, 0, "TargetPort:\t{}/{protocol}\n", port.int_or_text("targetPort"));
    if let Some(protocol) = port.opt_text("appProtocol") {
        put!(w, 0, "AppProtocol:\t{protocol}\n");
    }
    if port.int("nodePort") != 0 {
        put!(w, 0, "NodePort:\t{title}\t{}/{protocol}\n", port.int("nodePort"));
    }
    put!(w, 0, "Endpoints:\t{}\n", endpoints_of_port(slices, port.text("name")));
}

/// An endpoints object.
pub fn endpoints(w: &mut Writer, endpoints: &Value, context: &Context<'_>) {
    head(w, endpoints);
    put!(w, 0, "Subsets:\n");
    for subset in endpoints.list("subsets") {
        for (title, field) in [("Addresses", "addresses"), ("NotReadyAddresses", "notReadyAddresses")] {
            let addresses: Vec<&str> = subset.list(field).iter().map(|address| address.text("ip")).collect();
            put!(w, 1, "{title}:\t{}\n", joined_or_none(&addresses, ","));
        }
        if !subset.list("ports").is_empty() {
            put!(w, 1, "Ports:\n");
            put!(w, 2, "Name\tPort\tProtocol\n");
            put!(w, 2, "----\t----\t--------\n");
        }
        for port in subset.list("ports") {
            let (title, protocol) = (port.text_or("name", "<unset>"), port.text("protocol"));
            put!(w, 2, "{title}\t{}\t{protocol}\n", port.int("port"));
        }
        put!(w, 0, "\n");
    }
    events_of(w, context, endpoints);
}

/// An endpoint slice.
pub fn endpoint_slice(w: &mut Writer, slice: &Value, context: &Context<'_>) {
    head(w, slice);
    put!(w, 0, "AddressType:\t{}\n", slice.text("addressType"));
    let ports = slice.list("ports");
    if ports.is_empty() {
        put!(w, 0, "Ports: <unset>\n");
    } else {
        put!(w, 0, "Ports:\n");
        put!(w, 1, "Name\tPort\tProtocol\n");
        put!(w, 1, "----\t----\t--------\n");
    }
    for port in ports {
        let number = port.opt_int("port").map_or("<unset>".to_owned(), |n| n.to_string());
        put!(w, 1, "{}\t{number}\t{}\n", port.text_or("name", "<unset>"), port.text("protocol"));
    }
    let endpoints = slice.list("endpoints");
    put!(w, 0, "Endpoints:{}\n", if endpoints.is_empty() { " <none>" } else { "" });
    for endpoint in endpoints {
        put!(w, 1, "- Addresses:\t{}\n", joined_or_none(&endpoint.texts("addresses"), ", "));
        put!(w, 2, "Conditions:\n");
        let ready = endpoint.opt_flag("conditions.ready").map_or("<unset>".to_owned(), |ready| ready.to_string());
        put!(w, 3, "Ready:\t{ready}\n");
        let or_unset = |field: &'static str| endpoint.opt_text(field).unwrap_or("<unset>");
        put!(w, 2, "Hostname:\t{}\n", or_unset("hostname"));
        if endpoint.has("targetRef") {
            put!(w, 2, "TargetRef:\t{}/{}\n", endpoint.text("targetRef.kind"), endpoint.text("targetRef.name"));
        }
        put!(w, 2, "NodeName:\t{}\n", or_unset("nodeName"));
        put!(w, 2, "Zone:\t{}\n", or_unset("zone"));
    }
    events_of(w, context, slice);
}

/// An ingress.
pub fn ingress(w: &mut Writer, ingress: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(ingress));
    labels(w, "Labels", &ingress.entries("metadata.labels"));
    put!(w, 0, "Namespace:\t{}\n", namespace(ingress));
    put!(w, 0, "Address:\t{}\n", balancer_addresses(ingress).join(","));
    put!(w, 0, "Ingress Class:\t{}\n", ingress.opt_text("spec.ingressClassName").unwrap_or("<none>"));
    let default = match ingress.at("spec.defaultBackend") {
        Value::Null => "<default>".to_owned(),
        backend => self::backend(namespace(ingress), backend, context),
    };
    put!(w, 0, "Default backend:\t{default}\n");
    if !ingress.list("spec.tls").is_empty() {
        put!(w, 0, "TLS:\n");
    }
    for tls in ingress.list("spec.tls") {
        let hosts = tls.texts("hosts").join(",");
        match tls.text("secretName") {
            "" => put!(w, 1, "SNI routes {hosts}\n"),
            secret => put!(w, 1, "{secret} terminates {hosts}\n"),
        }
    }
    put!(w, 0, "Rules:\n  Host\tPath\tBackends\n");
    put!(w, 1, "----\t----\t--------\n");
    let rules: Vec<&Value> = ingress.list("spec.rules").iter().filter(|rule| rule.has("http")).collect();
    for rule in &rules {
        put!(w, 1, "{}\t\n", rule.text_or("host", "*"));
        for path in rule.list("http.paths") {
            let backend = backend(namespace(ingress), path.at("backend"), context);
            put!(w, 2, "\t{} \t{backend}\n", path.text("path"));
        }
    }
    if rules.is_empty() {
        put!(w, 1, "*\t*\t{default}\n");
    }
    annotations(w, "Annotations", &ingress.entries("metadata.annotations"));
    events_of(w, context, ingress);
}

fn backend(within: &str, backend: &Value, context: &Context<'_>) -> String {
    let service = backend.at("service");
    if service.is_null() {
        let resource = backend.at("resource");
        if resource.is_null() {
            return String::new();
        }
        let group = resource.opt_text("apiGroup").unwrap_or("<none>");
        return format!("APIGroup: {group}, Kind: {}, Name: {}", resource.text("kind"), resource.text("name"));
    }
    let (wanted, port) = (service.text("name"), service.at("port"));
    let number = port.int("number");
    let text = if number != 0 { format!("{wanted}:{number}") } else { format!("{wanted}:{}", port.text("name")) };
    let mut services = context.objects.of_kind("v1", "Service", None);
    let Some(found) = services.find(|service| namespace(service) == within && name(service) == wanted) else {
        let Error::Server { message, .. } = Error::not_found("services", wanted) else { return text };
        return format!("{text} (<error: {message}>)");
    };
    let same_port = |p: &&Value| {
        (number != 0 && p.int("port") == number)
            || (!port.text("name").is_empty() && p.text("name") == port.text("name"))
    };
    let port_name = found.list("spec.ports").iter().rfind(same_port).map_or("", |port| port.text("name"));
    format!("{text} ({})", endpoints_of_port(&endpoint_slices(within, wanted, context), port_name))
}

/// An ingress class.
pub fn ingress_class(w: &mut Writer, class: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(class));
    labels_and_annotations(w, class);
    put!(w, 0, "Controller:\t{}\n", class.text("spec.controller"));
    let parameters = class.at("spec.parameters");
    if !parameters.is_null() {
        put!(w, 0, "Parameters:\n");
        if let Some(group) = parameters.opt_text("apiGroup") {
            put!(w, 1, "APIGroup:\t{group}\n");
        }
        put!(w, 1, "Kind:\t{}\n", parameters.text("kind"));
        put!(w, 1, "Name:\t{}\n", parameters.text("name"));
    }
    events_of(w, context, class);
}

/// A range of service addresses.
pub fn service_cidr(w: &mut Writer, cidr: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(cidr));
    labels_and_annotations(w, cidr);
    put!(w, 0, "CIDRs:\t{}\n", cidr.texts("spec.cidrs").join(", "));
    if !cidr.list("status.conditions").is_empty() {
        put!(w, 0, "Status:\n");
    }
    conditions_with_times(w, cidr);
    events_of(w, context, cidr);
}

/// An address of a service.
pub fn ip_address(w: &mut Writer, address: &Value, context: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(address));
    labels_and_annotations(w, address);
    let parent = address.at("spec.parentRef");
    if !parent.is_null() {
        put!(w, 0, "Parent Reference:\n");
        for (title, field) in
            [("Group", "group"), ("Resource", "resource"), ("Namespace", "namespace"), ("Name", "name")]
        {
            put!(w, 1, "{title}:\t{}\n", parent.text(field));
        }
    }
    events_of(w, context, address);
}

/// A network policy.
pub fn network_policy(w: &mut Writer, policy: &Value, _: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(policy));
    put!(w, 0, "Namespace:\t{}\n", namespace(policy));
    put!(w, 0, "Created on:\t{}\n", time_string(policy.time("metadata.creationTimestamp")));
    labels_and_annotations(w, policy);
    put!(w, 0, "Spec:\n");
    put!(w, 1, "PodSelector: ");
    match LabelSelector::from_object(policy.at("spec.podSelector")).to_string() {
        all if all.is_empty() => put!(w, 2, "<none> (Allowing the specific traffic to all pods in this namespace)\n"),
        some => put!(w, 2, "{some}\n"),
    }
    let types = policy.texts("spec.policyTypes");
    for direction in [&INGRESS, &EGRESS] {
        if types.contains(&direction.kind) {
            put!(w, 1, "Allowing {} traffic:\n", direction.name);
            traffic(w, policy.at("spec").list(direction.name), direction);
        } else {
            put!(w, 1, "Not affecting {} traffic\n", direction.name);
        }
    }
    put!(w, 1, "Policy Types: {}\n", joined_or_none(&types, ", "));
}

struct Direction {
    kind: &'static str,
    name: &'static str,
    field: &'static str,
    peer: &'static str,
    other: &'static str,
}

const INGRESS: Direction = Direction { kind: "Ingress", name: "ingress", field: "from", peer: "From", other: "source" };
const EGRESS: Direction = Direction { kind: "Egress", name: "egress", field: "to", peer: "To", other: "destination" };

fn traffic(w: &mut Writer, rules: &[Value], direction: &Direction) {
    let Direction { name, peer, other, field, .. } = direction;
    if rules.is_empty() {
        put!(w, 0, "    <none> (Selected pods are isolated for {name} connectivity)\n");
    }
    for (i, rule) in rules.iter().enumerate() {
        if rule.list("ports").is_empty() {
            put!(w, 0, "    To Port: <any> (traffic allowed to all ports)\n");
        }
        for port in rule.list("ports") {
            let protocol = port.opt_text("protocol").unwrap_or("TCP");
            let number = if port.has("port") { port.int_or_text("port") } else { "<nil>".to_owned() };
            match port.opt_int("endPort") {
                None => put!(w, 0, "    To Port: {number}/{protocol}\n"),
                Some(end) => put!(w, 0, "    To Port Range: {number}-{end}/{protocol}\n"),
            }
        }
        if rule.list(field).is_empty() {
            put!(w, 0, "    {peer}: <any> (traffic not restricted by {other})\n");
        }
        for end in rule.list(field) {
            put!(w, 0, "    {peer}:\n");
            traffic_end(w, end);
        }
        if i + 1 < rules.len() {
            put!(w, 0, "    ----------\n");
        }
    }
}

fn traffic_end(w: &mut Writer, end: &Value) {
    let selectors = [("NamespaceSelector", "namespaceSelector"), ("PodSelector", "podSelector")];
    for (title, field) in selectors {
        if end.has(field) {
            put!(w, 1, "    {title}: {}\n", LabelSelector::from_object(end.at(field)).or_none());
        }
    }
    if end.has("ipBlock") && selectors.iter().all(|(_, field)| !end.has(field)) {
        put!(w, 1, "    IPBlock:\n");
        put!(w, 2, "    CIDR: {}\n", end.text("ipBlock.cidr"));
        put!(w, 2, "    Except: {}\n", end.texts("ipBlock.except").join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_ready_endpoints_are_shown() {
        let endpoint = |ip: &str, ready: bool| json!({"addresses": [ip], "conditions": {"ready": ready}});
        for (ready, text) in [
            (vec![], ""),
            (vec![true, false], "10.0.0.0:80"),
            (vec![true; 3], "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80"),
            (vec![true; 5], "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more..."),
            (vec![true, true, true, false], "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 0 more..."),
        ] {
            let endpoints: Vec<Value> =
                ready.iter().enumerate().map(|(i, ready)| endpoint(&format!("10.0.0.{i}"), *ready)).collect();
            let slice = json!({"ports": [{"name": "web", "port": 80}], "endpoints": endpoints});
            assert_eq!(endpoints_of_port(&[&slice], "web"), text);
        }
        assert_eq!(endpoints_of_port(&[], "web"), "<none>");
    }
}
