//! Pods, and the specs in templates.

use super::container::{self, PodFacts};
use super::names;
use super::scheduling;
use super::volume;
use super::{At, Errors, Json};
use k8s_openapi::api::core::v1;

/// `ValidatePodCreate`, without metadata.
pub(in crate::api) fn pod(pod: &v1::PodSpec, errors: &mut Errors) {
    let at = At::root("spec");
    spec(pod, true, &at, errors);
    container::of_pod(&pod.containers, &at.child("containers"), errors);
    container::of_pod(pod.init_containers.as_deref().unwrap_or_default(), &at.child("initContainers"), errors);
    if !errors.is_create() {
        return;
    }
    if pod.ephemeral_containers.is_some() {
        errors.forbidden(&at.child("ephemeralContainers"), "cannot be set on create");
    }
    let is_gated = pod.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
    if is_gated && pod.node_name.as_deref().is_some_and(|node| !node.is_empty()) {
        errors.forbidden(&at.child("nodeName"), "cannot be set until all schedulingGates have been cleared");
    }
}

/// `ValidatePodSpec`, of a pod or of a template.
pub(super) fn spec(pod: &v1::PodSpec, is_pod: bool, at: &At<'_>, errors: &mut Errors) {
    let init = pod.init_containers.as_deref().unwrap_or_default();
    let volumes = volume::volumes(pod.volumes.as_deref().unwrap_or_default(), &at.child("volumes"), errors);
    let facts = PodFacts {
        volumes,
        grace_period: pod.termination_grace_period_seconds.unwrap_or(30),
        restart_policy: pod.restart_policy.as_deref().unwrap_or_default(),
    };
    container::containers(&pod.containers, &facts, &at.child("containers"), errors);
    container::init_containers(init, &pod.containers, &facts, &at.child("initContainers"), errors);
    container::ephemeral_containers(pod, &facts, &at.child("ephemeralContainers"), errors);
    container::pod_resources(pod, at, errors);
    host_network(pod, is_pod, at, errors);
    hostname_override(pod, at, errors);
    errors.one_of(&at.child("restartPolicy"), pod.restart_policy.as_ref(), &["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    errors.one_of(&at.child("dnsPolicy"), pod.dns_policy.as_ref(), &policies);
    scheduling::node_labels(pod.node_selector.as_ref(), &at.child("nodeSelector"), errors);
    security(pod, at, errors);
    if let Some(affinity) = &pod.affinity {
        scheduling::affinity(affinity, &at.child("affinity"), errors);
    }
    if pod.dns_policy.as_deref() == Some("None") {
        let servers = pod.dns_config.as_ref().map(|config| config.nameservers.as_ref().is_some_and(|s| !s.is_empty()));
        let at = at.child("dnsConfig");
        match servers {
            None => errors.required(&at, "must provide `dnsConfig` when `dnsPolicy` is None"),
            Some(false) => {
                let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
                errors.required(&at.child("nameservers"), detail);
            }
            Some(true) => {}
        }
    }
    if let Some(config) = &pod.dns_config {
        dns_config(config, &at.child("dnsConfig"), errors);
    }
    for (place, gate) in pod.readiness_gates.iter().flatten().enumerate() {
        let gates = at.child("readinessGates");
        let at = gates.index(place);
        errors.format(&at.child("conditionType"), &gate.condition_type, names::label_key(&gate.condition_type));
    }
    let gates = pod.scheduling_gates.as_deref().unwrap_or_default();
    scheduling::gates(gates, &at.child("schedulingGates"), errors);
    let constraints = pod.topology_spread_constraints.as_deref().unwrap_or_default();
    scheduling::spread(constraints, &at.child("topologySpreadConstraints"), errors);
    for (field, name) in [
        ("serviceAccountName", &pod.service_account_name),
        ("nodeName", &pod.node_name),
        ("priorityClassName", &pod.priority_class_name),
        ("runtimeClassName", &pod.runtime_class_name),
    ] {
        if let Some(name) = name.as_ref().filter(|name| !name.is_empty()) {
            errors.format(&at.child(field), name, names::subdomain(name));
        }
    }
    if let Some(seconds) = pod.active_deadline_seconds.filter(|seconds| !(1..=i64::from(i32::MAX)).contains(seconds)) {
        let detail = names::in_range(1, i32::MAX.into());
        errors.invalid(&at.child("activeDeadlineSeconds"), seconds, detail);
    }
    for (field, name) in [("hostname", &pod.hostname), ("subdomain", &pod.subdomain)] {
        if let Some(name) = name.as_ref().filter(|name| !name.is_empty()) {
            errors.format(&at.child(field), name, names::label(name));
        }
    }
    scheduling::tolerations(pod.tolerations.as_deref().unwrap_or_default(), &at.child("tolerations"), errors);
    for (place, alias) in pod.host_aliases.iter().flatten().enumerate() {
        let list = at.child("hostAliases");
        let at = list.index(place);
        errors.format(&at.child("ip"), &alias.ip, names::address(&alias.ip));
        for (place, name) in alias.hostnames.iter().flatten().enumerate() {
            errors.format(&at.child("hostnames").index(place), name, names::subdomain(name));
        }
    }
    errors.maybe_one_of(
        &at.child("preemptionPolicy"),
        pod.preemption_policy.as_ref(),
        &["PreemptLowerPriority", "Never"],
    );
    if let Some(os) = &pod.os {
        errors.one_of(&at.child("os").child("name"), Some(&os.name), &["linux", "windows"]);
    }
}

/// The limits of a resolver (`validatePodDNSConfig`).
fn dns_config(config: &v1::PodDNSConfig, at: &At<'_>, errors: &mut Errors) {
    const MOST_SERVERS: usize = 3;
    const MOST_SEARCHES: usize = 32;
    const LONGEST_SEARCH_LIST: usize = 2_048;
    let servers = config.nameservers.as_deref().unwrap_or_default();
    let at_servers = at.child("nameservers");
    if servers.len() > MOST_SERVERS {
        let detail = format!("must not have more than {MOST_SERVERS} nameservers");
        errors.invalid(&at_servers, Json::of(&servers), detail);
    }
    for (place, server) in servers.iter().enumerate() {
        errors.format(&at_servers.index(place), server, names::address(server));
    }
    let searches = config.searches.as_deref().unwrap_or_default();
    let at_searches = at.child("searches");
    if searches.len() > MOST_SEARCHES {
        let detail = format!("must not have more than {MOST_SEARCHES} search paths");
        errors.invalid(&at_searches, Json::of(&searches), detail);
    }
    if searches.join(" ").len() > LONGEST_SEARCH_LIST {
        let detail =
            format!("must not have more than {LONGEST_SEARCH_LIST} characters (including spaces) in the search list");
        errors.invalid(&at_searches, Json::of(&searches), detail);
    }
    for (place, search) in searches.iter().enumerate().filter(|(_, search)| *search != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        errors.format(&at_searches.index(place), search, names::subdomain_with_underscores(search));
    }
    for (place, option) in config.options.iter().flatten().enumerate() {
        if option.name.as_deref().is_none_or(str::is_empty) {
            errors.required(&at.child("options").index(place), "must not be empty");
        }
    }
}

/// `validatePodHostNetworkDeps`.
fn host_network(pod: &v1::PodSpec, is_pod: bool, at: &At<'_>, errors: &mut Errors) {
    if pod.host_network != Some(true) {
        return;
    }
    for (place, container) in pod.containers.iter().enumerate() {
        for (port_place, port) in container.ports.iter().flatten().enumerate() {
            let host_port = port.host_port.unwrap_or_default();
            if (is_pod || host_port != 0) && host_port != port.container_port {
                let at = at.child("containers");
                let at = at.index(place);
                let at = at.child("ports");
                let detail = "must match `containerPort` when `hostNetwork` is true";
                errors.invalid(&at.index(port_place).child("hostPort"), host_port, detail);
            }
        }
    }
}

/// `hostnameOverride` names a machine of the pod's own, and is its whole name.
fn hostname_override(pod: &v1::PodSpec, at: &At<'_>, errors: &mut Errors) {
    const LONGEST: usize = 64;
    let Some(name) = &pod.hostname_override else { return };
    let own = at.child("hostnameOverride");
    errors.format(&own, name, names::subdomain(name));
    if name.len() > LONGEST {
        errors.too_long(&own, LONGEST);
    }
    for (field, set) in [("setHostnameAsFQDN", pod.set_hostname_as_fqdn), ("hostNetwork", pod.host_network)] {
        if set == Some(true) {
            errors.forbidden(&at.child(field), "may not be true when `hostnameOverride` is set");
        }
    }
}

/// The parts of `validatePodSpecSecurityContext` that decide whether a pod runs.
fn security(pod: &v1::PodSpec, at: &At<'_>, errors: &mut Errors) {
    let user = |user: Option<i64>, at: &At<'_>, errors: &mut Errors| {
        if let Some(user) = user.filter(|user| !(0..=i64::from(i32::MAX)).contains(user)) {
            errors.invalid(at, user, names::in_range(0, i32::MAX.into()));
        }
    };
    if let Some(security) = &pod.security_context {
        let at = at.child("securityContext");
        user(security.fs_group, &at.child("fsGroup"), errors);
        user(security.run_as_user, &at.child("runAsUser"), errors);
        user(security.run_as_group, &at.child("runAsGroup"), errors);
        if pod.share_process_namespace == Some(true) && pod.host_pid == Some(true) {
            let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
            errors.invalid(&at.child("shareProcessNamespace"), true, detail);
        }
    }
    let all =
        [("containers", &pod.containers[..]), ("initContainers", pod.init_containers.as_deref().unwrap_or_default())];
    for (field, list) in all {
        for (place, container) in list.iter().enumerate() {
            let Some(security) = &container.security_context else { continue };
            let at = at.child(field);
            let at = at.index(place);
            let at = at.child("securityContext");
            user(security.run_as_user, &at.child("runAsUser"), errors);
            user(security.run_as_group, &at.child("runAsGroup"), errors);
            if security.allow_privilege_escalation == Some(false) && security.privileged == Some(true) {
                let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
                errors.invalid(&at, container::shown(security), detail);
            }
        }
    }
}

/// `ValidatePodTemplateSpec`.
pub(super) fn template(template: &v1::PodTemplateSpec, at: &At<'_>, errors: &mut Errors) {
    template_metadata(template, at, errors);
    let at = at.child("spec");
    let none = v1::PodSpec::default();
    let pod = template.spec.as_ref().unwrap_or(&none);
    spec(pod, false, &at, errors);
    if pod.ephemeral_containers.is_some() {
        errors.forbidden(&at.child("ephemeralContainers"), "ephemeral containers not allowed in pod template");
    }
}

/// Labels and annotations of a template.
pub(super) fn template_metadata(template: &v1::PodTemplateSpec, at: &At<'_>, errors: &mut Errors) {
    if let Some(meta) = &template.metadata {
        let at = at.child("metadata");
        super::meta::labels(meta.labels.as_ref(), &at.child("labels"), errors);
        for key in meta.annotations.iter().flat_map(|annotations| annotations.keys()) {
            errors.format(&at.child("annotations"), key, names::label_key(&key.to_ascii_lowercase()));
        }
    }
}
