//! Services, endpoint slices and disruption budgets.

use super::Lower;
use super::common::{address, int_or_percent, json, labels, meta_condition, name, selector, time, uid};
use super::container::{port, port_number};
use super::defaults::set;
use crate::api::validation::{self, Errors, NameRule};
use crate::api::{
    Endpoint, EndpointAddress, EndpointSlice, EndpointSubset, Endpoints, Metadata, Name, PodDisruptionBudget,
    PodDisruptionBudgetStatus, Port, Service, ServicePort, ServiceTraffic, TrafficDistribution, TrafficPolicy,
};
use crate::engine::SimDuration;
use k8s_openapi::api::{core::v1, discovery::v1 as discovery, policy::v1 as policy};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::net::Ipv4Addr;

impl Lower for v1::Service {
    type Record = Service;
    const NAME: NameRule = NameRule::Label1035;

    fn validate(&self, errors: &mut Errors) {
        if let Some(spec) = &self.spec {
            validation::service(spec, errors);
        }
    }

    fn set_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        set(&mut spec.session_affinity, "None");
        match spec.session_affinity.as_deref() {
            Some("None") => spec.session_affinity_config = None,
            Some("ClientIP") => {
                let config = spec.session_affinity_config.get_or_insert_default();
                set(&mut config.client_ip.get_or_insert_default().timeout_seconds, 10_800);
            }
            _ => {}
        }
        set(&mut spec.type_, "ClusterIP");
        for port in spec.ports.iter_mut().flatten() {
            set(&mut port.protocol, "TCP");
            let unset = match &port.target_port {
                None | Some(IntOrString::Int(0)) => true,
                Some(IntOrString::String(name)) => name.is_empty(),
                Some(IntOrString::Int(_)) => false,
            };
            if unset {
                port.target_port = Some(IntOrString::Int(port.port));
            }
        }
        let kind = spec.type_.as_deref().unwrap_or_default();
        let external_ips = kind == "ClusterIP" && spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty());
        if matches!(kind, "NodePort" | "LoadBalancer") || external_ips {
            set(&mut spec.external_traffic_policy, "Cluster");
        }
        if matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer") {
            set(&mut spec.internal_traffic_policy, "Cluster");
        }
        if kind == "LoadBalancer" {
            set(&mut spec.allocate_load_balancer_node_ports, true);
        }
    }

    fn record(self, meta: Metadata) -> Service {
        let spec = self.spec.unwrap_or_default();
        Service {
            meta,
            source: json(&spec),
            selector: spec.selector.as_ref().map(|pairs| labels(Some(pairs))),
            ports: spec
                .ports
                .iter()
                .flatten()
                .map(|service| ServicePort {
                    name: name(service.name.as_ref()),
                    port: port_number(service.port),
                    target: service.target_port.as_ref().map_or(Port::Number(port_number(service.port)), port),
                    protocol: Name::new(service.protocol.as_deref().unwrap_or("TCP")),
                    node_port: service.node_port.map_or(0, port_number),
                })
                .collect(),
            cluster_ip: address(spec.cluster_ip.as_ref()),
            headless: spec.cluster_ip.as_deref() == Some("None"),
            kind: name(spec.type_.as_ref()),
            health_check_node_port: spec.health_check_node_port.map_or(0, port_number),
            affinity: (spec.session_affinity.as_deref() == Some("ClientIP")).then(|| {
                let config = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
                let seconds = config.and_then(|config| config.timeout_seconds).unwrap_or(10_800);
                SimDuration::from_secs(u64::try_from(seconds).unwrap_or_default())
            }),
            external_name: name(spec.external_name.as_ref().filter(|_| spec.type_.as_deref() == Some("ExternalName"))),
            publish_not_ready: spec.publish_not_ready_addresses == Some(true),
            traffic: ServiceTraffic {
                internal: policy(spec.internal_traffic_policy.as_ref()),
                external: policy(spec.external_traffic_policy.as_ref()),
                distribution: match spec.traffic_distribution.as_deref() {
                    Some("PreferClose" | "PreferSameZone") => TrafficDistribution::PreferSameZone,
                    Some("PreferSameNode") => TrafficDistribution::PreferSameNode,
                    Some(_) | None => TrafficDistribution::Anywhere,
                },
            },
        }
    }
}

fn policy(text: Option<&String>) -> TrafficPolicy {
    if text.is_some_and(|text| text == "Local") { TrafficPolicy::Local } else { TrafficPolicy::Cluster }
}

impl Lower for discovery::EndpointSlice {
    type Record = EndpointSlice;

    fn set_defaults(&mut self) {
        for port in self.ports.iter_mut().flatten() {
            set(&mut port.name, "");
            set(&mut port.protocol, "TCP");
        }
    }

    fn record(self, meta: Metadata) -> EndpointSlice {
        let ports = self.ports.iter().flatten();
        EndpointSlice {
            meta,
            endpoints: self.endpoints.iter().flatten().map(endpoint).collect(),
            ports: ports
                .map(|port| {
                    let number = port.port.map_or(0, port_number);
                    (name(port.name.as_ref()), Name::new(port.protocol.as_deref().unwrap_or("TCP")), number)
                })
                .collect(),
        }
    }
}

fn endpoint(endpoint: &discovery::Endpoint) -> Endpoint {
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    let pod = endpoint.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"));
    let ready = conditions.ready != Some(false);
    Endpoint {
        address: endpoint.addresses.iter().find_map(|text| address(Some(text))).unwrap_or(Ipv4Addr::UNSPECIFIED),
        ready,
        serving: conditions.serving.unwrap_or(ready),
        terminating: conditions.terminating == Some(true),
        pod: name(pod.and_then(|pod| pod.name.as_ref())),
        pod_uid: uid(pod.and_then(|pod| pod.uid.as_deref()).unwrap_or_default()),
        node_name: name(endpoint.node_name.as_ref()),
        zone: name(endpoint.zone.as_ref()),
        hostname: name(endpoint.hostname.as_ref()),
    }
}

impl Lower for v1::Endpoints {
    type Record = Endpoints;

    fn set_defaults(&mut self) {
        for port in self.subsets.iter_mut().flatten().flat_map(|subset| subset.ports.iter_mut().flatten()) {
            set(&mut port.protocol, "TCP");
        }
    }

    fn record(self, meta: Metadata) -> Endpoints {
        let subset = |subset: &v1::EndpointSubset| EndpointSubset {
            addresses: subset.addresses.iter().flatten().map(endpoint_address).collect(),
            not_ready: subset.not_ready_addresses.iter().flatten().map(endpoint_address).collect(),
            ports: subset
                .ports
                .iter()
                .flatten()
                .map(|port| {
                    let protocol = Name::new(port.protocol.as_deref().unwrap_or("TCP"));
                    (name(port.name.as_ref()), protocol, port_number(port.port))
                })
                .collect(),
        };
        Endpoints { meta, subsets: self.subsets.iter().flatten().map(subset).collect() }
    }
}

fn endpoint_address(found: &v1::EndpointAddress) -> EndpointAddress {
    let pod = found.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"));
    EndpointAddress {
        ip: address(Some(&found.ip)).unwrap_or(Ipv4Addr::UNSPECIFIED),
        hostname: name(found.hostname.as_ref()),
        node_name: name(found.node_name.as_ref()),
        pod: name(pod.and_then(|pod| pod.name.as_ref())),
        pod_uid: uid(pod.and_then(|pod| pod.uid.as_deref()).unwrap_or_default()),
    }
}

impl Lower for policy::PodDisruptionBudget {
    type Record = PodDisruptionBudget;

    fn validate(&self, errors: &mut Errors) {
        if let Some(spec) = &self.spec {
            validation::disruption_budget(spec, errors);
        }
    }

    fn set_defaults(&mut self) {
        self.spec.get_or_insert_default();
    }

    fn record(self, meta: Metadata) -> PodDisruptionBudget {
        let spec = self.spec.unwrap_or_default();
        let found = self.status.unwrap_or_default();
        PodDisruptionBudget {
            meta,
            source: json(&spec),
            selector: spec.selector.as_ref().map(selector),
            min_available: spec.min_available.as_ref().map(int_or_percent),
            max_unavailable: spec.max_unavailable.as_ref().map(int_or_percent),
            always_evict_unhealthy: spec.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow"),
            status: PodDisruptionBudgetStatus {
                observed_generation: found.observed_generation.unwrap_or_default(),
                disrupted_pods: found
                    .disrupted_pods
                    .iter()
                    .flatten()
                    .map(|(pod, since)| (Name::from(pod), time(Some(since)).unwrap_or_default()))
                    .collect(),
                disruptions_allowed: found.disruptions_allowed.unwrap_or_default(),
                current_healthy: found.current_healthy.unwrap_or_default(),
                desired_healthy: found.desired_healthy.unwrap_or_default(),
                expected_pods: found.expected_pods.unwrap_or_default(),
                conditions: found.conditions.iter().flatten().map(meta_condition).collect(),
            },
        }
    }
}
