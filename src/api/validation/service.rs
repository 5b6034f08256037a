//! Services and disruption budgets.

use super::container::{port, port_number};
use super::meta::{labels, selector};
use super::names;
use super::workload::{int_or_percent, not_above_100};
use super::{At, Errors, Json};
use k8s_openapi::api::{core::v1, policy::v1 as policy};
use serde_json::json;

/// `ValidateServiceCreate`, without metadata.
pub(in crate::api) fn service(spec: &v1::ServiceSpec, errors: &mut Errors) {
    let at = At::root("spec");
    let kind = spec.type_.as_deref().unwrap_or_default();
    let is_headless = spec.cluster_ip.as_deref() == Some("None");
    let ports = spec.ports.as_deref().unwrap_or_default();
    if ports.is_empty() && !is_headless && kind != "ExternalName" {
        errors.required(&at.child("ports"), "");
    }
    match kind {
        "LoadBalancer" | "NodePort" if is_headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.invalid(&at.child("clusterIPs").index(0), "None", detail);
        }
        "ExternalName" => {
            let given = [
                ("clusterIPs", spec.cluster_ip.is_some() || spec.cluster_ips.is_some()),
                ("ipFamilies", spec.ip_families.is_some()),
                ("ipFamilyPolicy", spec.ip_family_policy.is_some()),
            ];
            for (field, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
                errors.forbidden(&at.child(field), "may not be set for ExternalName services");
            }
            let name = spec.external_name.as_deref().unwrap_or_default();
            let name = name.strip_suffix('.').unwrap_or(name);
            if name.is_empty() {
                errors.required(&at.child("externalName"), "");
            } else {
                errors.format(&at.child("externalName"), name, names::subdomain(name));
            }
        }
        _ => {}
    }
    for (place, service) in ports.iter().enumerate() {
        let list = at.child("ports");
        let at = list.index(place);
        match service.name.as_deref().unwrap_or_default() {
            "" if ports.len() > 1 => errors.required(&at.child("name"), ""),
            "" => {}
            name => {
                errors.format(&at.child("name"), name, names::label(name));
                if ports[..place].iter().any(|earlier| earlier.name.as_deref() == Some(name)) {
                    errors.duplicate(&at.child("name"), name);
                }
            }
        }
        port_number(service.port, &at.child("port"), errors);
        errors.one_of(&at.child("protocol"), service.protocol.as_ref(), &["SCTP", "TCP", "UDP"]);
        if let Some(target) = &service.target_port {
            port(target, &at.child("targetPort"), errors);
        }
    }
    labels(spec.selector.as_ref(), &at.child("selector"), errors);
    errors.one_of(&at.child("sessionAffinity"), spec.session_affinity.as_ref(), &["ClientIP", "None"]);
    if let Some(address) = spec.cluster_ip.as_deref().filter(|ip| !matches!(*ip, "" | "None"))
        && address.parse::<std::net::IpAddr>().is_err()
    {
        let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        errors.invalid(&at.child("clusterIPs").index(0), address, detail);
    }
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    errors.one_of(&at.child("type"), spec.type_.as_ref(), &kinds);
    for (place, service) in ports.iter().enumerate() {
        let list = at.child("ports");
        let at = list.index(place);
        let node_port = service.node_port.unwrap_or_default();
        if kind == "ClusterIP" && node_port != 0 {
            errors.forbidden(&at.child("nodePort"), "may not be used when `type` is 'ClusterIP'");
        }
        let same_protocol = |other: &&v1::ServicePort| other.protocol == service.protocol;
        let earlier = || ports[..place].iter().filter(same_protocol);
        if node_port != 0 && earlier().any(|other| other.node_port == Some(node_port)) {
            errors.duplicate(&at.child("nodePort"), node_port);
        }
        if earlier().any(|other| other.port == service.port) {
            let shown = json!({"protocol": service.protocol, "port": service.port, "targetPort": 0});
            errors.duplicate(&at, Json(shown.to_string()));
        }
    }
    if spec.allocate_load_balancer_node_ports.is_some() && kind != "LoadBalancer" {
        let detail = "may only be used when `type` is 'LoadBalancer'";
        errors.forbidden(&at.child("allocateLoadBalancerNodePorts"), detail);
    }
    if let Some(policy) = &spec.external_traffic_policy {
        let at = at.child("externalTrafficPolicy");
        let is_external = matches!(kind, "NodePort" | "LoadBalancer") || spec.external_ips.is_some();
        if !is_external {
            errors.invalid(&at, policy, "may only be set for externally-accessible services");
        } else if !matches!(policy.as_str(), "Cluster" | "Local") {
            errors.unsupported(&at, policy, &["Cluster", "Local"]);
        }
    }
    if let Some(port) = spec.health_check_node_port {
        let is_asked = kind == "LoadBalancer" && spec.external_traffic_policy.as_deref() == Some("Local");
        let at = at.child("healthCheckNodePort");
        if is_asked {
            port_number(port, &at, errors);
        } else {
            let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            errors.invalid(&at, port, detail);
        }
    }
    let policies = ["Cluster", "Local"];
    errors.maybe_one_of(&at.child("internalTrafficPolicy"), spec.internal_traffic_policy.as_ref(), &policies);
}

/// `ValidatePodDisruptionBudgetSpec`.
pub(in crate::api) fn disruption_budget(spec: &policy::PodDisruptionBudgetSpec, errors: &mut Errors) {
    let at = At::root("spec");
    if spec.min_available.is_some() && spec.max_unavailable.is_some() {
        errors.invalid(&at, Json::of(spec), "minAvailable and maxUnavailable cannot be both set");
    }
    for (field, value) in [("minAvailable", &spec.min_available), ("maxUnavailable", &spec.max_unavailable)] {
        int_or_percent(value.as_ref(), &at.child(field), errors);
        not_above_100(value.as_ref(), &at.child(field), errors);
    }
    errors.maybe_one_of(
        &at.child("unhealthyPodEvictionPolicy"),
        spec.unhealthy_pod_eviction_policy.as_ref(),
        &["AlwaysAllow", "IfHealthyBudget"],
    );
    if let Some(pods) = &spec.selector {
        selector(pods, &at.child("selector"), errors);
    }
}
