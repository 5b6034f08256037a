//! Containers: names, images, ports, environment, probes, hooks and resources.

use super::names;
use super::volume::{Mounts, Volumes, local_path};
use super::{At, Errors, Json};
use crate::api::Quantity;
use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as QuantityText;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

/// What the rules for containers ask of their pod.
pub(super) struct PodFacts<'p> {
    pub(super) volumes: Volumes<'p>,
    pub(super) grace_period: i64,
    pub(super) restart_policy: &'p str,
}

/// `validateContainers`.
pub(super) fn containers(list: &[v1::Container], pod: &PodFacts<'_>, at: &At<'_>, errors: &mut Errors) {
    if list.is_empty() {
        errors.required(at, "");
    }
    for (place, container) in list.iter().enumerate() {
        let at = at.index(place);
        common(container, pod, &at, errors);
        if list[..place].iter().any(|earlier| earlier.name == container.name) {
            errors.duplicate(&at.child("name"), &container.name);
        }
        hooks_and_probes(container, pod, &at, errors);
        restart_policy(container, &at, errors);
    }
    host_ports(list.iter(), at, errors);
}

/// `validateInitContainers`.
pub(super) fn init_containers(
    list: &[v1::Container],
    regular: &[v1::Container],
    pod: &PodFacts<'_>,
    at: &At<'_>,
    errors: &mut Errors,
) {
    for (place, container) in list.iter().enumerate() {
        let list_at = at;
        let at = at.index(place);
        common(container, pod, &at, errors);
        let is_sidecar = container.restart_policy.as_deref() == Some("Always");
        if is_sidecar {
            if container.restart_policy_rules.is_some() {
                let detail = "restartPolicyRules are not allowed for init containers with restart policy Always";
                errors.forbidden(&at.child("restartPolicyRules"), detail);
            }
        } else if container.restart_policy.is_some() {
            restart_policy(container, &at, errors);
        }
        if list[..place].iter().chain(regular).any(|other| other.name == container.name) {
            errors.duplicate(&at.child("name"), &container.name);
        }
        host_ports(std::iter::once(container), list_at, errors);
        if is_sidecar {
            hooks_and_probes(container, pod, &at, errors);
            continue;
        }
        for (field, is_set) in [
            ("lifecycle", container.lifecycle.is_some()),
            ("livenessProbe", container.liveness_probe.is_some()),
            ("readinessProbe", container.readiness_probe.is_some()),
            ("startupProbe", container.startup_probe.is_some()),
        ] {
            if is_set {
                let detail = "may not be set for init containers without restartPolicy=Always";
                errors.forbidden(&at.child(field), detail);
            }
        }
    }
}

/// `validateEphemeralContainers`.
pub(super) fn ephemeral_containers(pod: &v1::PodSpec, facts: &PodFacts<'_>, at: &At<'_>, errors: &mut Errors) {
    const DETAIL: &str = "cannot be set for an Ephemeral Container";
    let list = pod.ephemeral_containers.as_deref().unwrap_or_default();
    let others = || pod.containers.iter().chain(pod.init_containers.iter().flatten()).map(|other| &other.name);
    for (place, ephemeral) in list.iter().enumerate() {
        let at = at.index(place);
        let container = as_container(ephemeral);
        common(&container, facts, &at, errors);
        only_of_pod(&container, &at, errors);
        if others().chain(list[..place].iter().map(|earlier| &earlier.name)).any(|name| *name == container.name) {
            errors.duplicate(&at.child("name"), &container.name);
        }
        if let Some(target) = ephemeral.target_container_name.as_ref().filter(|target| !target.is_empty())
            && others().all(|name| name != target)
        {
            errors.not_found(&at.child("targetContainerName"), target);
        }
        let resources = container.resources.as_ref();
        let sized = resources.is_some_and(|stated| *stated != v1::ResourceRequirements::default());
        for (field, is_set) in [
            ("ports", container.ports.as_ref().is_some_and(|ports| !ports.is_empty())),
            ("resources", sized),
            ("resizePolicy", container.resize_policy.as_ref().is_some_and(|policies| !policies.is_empty())),
            ("restartPolicy", container.restart_policy.is_some()),
            ("restartPolicyRules", container.restart_policy_rules.as_ref().is_some_and(|rules| !rules.is_empty())),
            ("livenessProbe", container.liveness_probe.is_some()),
            ("readinessProbe", container.readiness_probe.is_some()),
            ("startupProbe", container.startup_probe.is_some()),
            ("lifecycle", container.lifecycle.is_some()),
        ] {
            if is_set {
                errors.forbidden(&at.child(field), DETAIL);
            }
        }
        for (place, mount) in container.volume_mounts.iter().flatten().enumerate() {
            let mounts = at.child("volumeMounts");
            let at = mounts.index(place);
            for (field, path) in [("subPath", &mount.sub_path), ("subPathExpr", &mount.sub_path_expr)] {
                if path.as_ref().is_some_and(|path| !path.is_empty()) {
                    errors.forbidden(&at.child(field), DETAIL);
                }
            }
        }
    }
}

/// What an ephemeral container has in common with others.
fn as_container(ephemeral: &v1::EphemeralContainer) -> v1::Container {
    let fields = serde_json::to_value(ephemeral).unwrap_or_default();
    serde_json::from_value(fields).unwrap_or_default()
}

/// `validateContainerCommon`.
fn common(container: &v1::Container, pod: &PodFacts<'_>, at: &At<'_>, errors: &mut Errors) {
    if container.name.is_empty() {
        errors.required(&at.child("name"), "");
    } else {
        errors.format(&at.child("name"), &container.name, names::label(&container.name));
    }
    if container.image.as_deref().is_none_or(str::is_empty) {
        errors.required(&at.child("image"), "");
    }
    let policies = ["File", "FallbackToLogsOnError"];
    errors.one_of(&at.child("terminationMessagePolicy"), container.termination_message_policy.as_ref(), &policies);
    ports(container.ports.as_deref().unwrap_or_default(), &at.child("ports"), errors);
    env(container.env.as_deref().unwrap_or_default(), &at.child("env"), errors);
    env_from(container.env_from.as_deref().unwrap_or_default(), &at.child("envFrom"), errors);
    Mounts::of(container).check(&pod.volumes, at, errors);
    let policies = ["Always", "IfNotPresent", "Never"];
    errors.one_of(&at.child("imagePullPolicy"), container.image_pull_policy.as_ref(), &policies);
    if let Some(stated) = &container.resources {
        resources(stated, container_resource_name, &at.child("resources"), errors);
    }
    resize_policies(container, pod, &at.child("resizePolicy"), errors);
}

fn ports(list: &[v1::ContainerPort], at: &At<'_>, errors: &mut Errors) {
    for (place, port) in list.iter().enumerate() {
        let at = at.index(place);
        if let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) {
            let wrong = names::port_name(name);
            if wrong.is_empty() && list[..place].iter().any(|earlier| earlier.name.as_deref() == Some(name)) {
                errors.duplicate(&at.child("name"), name);
            }
            errors.format(&at.child("name"), name, wrong);
        }
        if port.container_port == 0 {
            errors.required(&at.child("containerPort"), "");
        } else {
            port_number(port.container_port, &at.child("containerPort"), errors);
        }
        if let Some(host_port) = port.host_port.filter(|port| *port != 0) {
            port_number(host_port, &at.child("hostPort"), errors);
        }
        errors.one_of(&at.child("protocol"), port.protocol.as_ref(), &["SCTP", "TCP", "UDP"]);
    }
}

/// The number of a port.
pub(super) fn port_number(port: i32, at: &At<'_>, errors: &mut Errors) {
    for message in names::port_number(port) {
        errors.invalid(at, port, message);
    }
}

/// `ValidatePortNumOrName`.
pub(super) fn port(port: &IntOrString, at: &At<'_>, errors: &mut Errors) {
    match port {
        IntOrString::Int(number) => port_number(*number, at, errors),
        IntOrString::String(name) => errors.format(at, name, names::port_name(name)),
    }
}

fn host_ports<'c>(list: impl Iterator<Item = &'c v1::Container>, at: &At<'_>, errors: &mut Errors) {
    let mut taken = Vec::new();
    for (place, container) in list.enumerate() {
        for (port_place, port) in container.ports.iter().flatten().enumerate() {
            let Some(number) = port.host_port.filter(|port| *port != 0) else { continue };
            let protocol = port.protocol.as_deref().unwrap_or_default();
            let key = format!("{protocol}/{}/{number}", port.host_ip.as_deref().unwrap_or_default());
            if taken.contains(&key) {
                let (at, ports) = (at.index(place), "ports");
                errors.duplicate(&at.child(ports).index(port_place).child("hostPort"), &key);
            } else {
                taken.push(key);
            }
        }
    }
}

fn env(list: &[v1::EnvVar], at: &At<'_>, errors: &mut Errors) {
    for (place, variable) in list.iter().enumerate() {
        let at = at.index(place);
        if variable.name.is_empty() {
            errors.required(&at.child("name"), "");
        } else {
            errors.format(&at.child("name"), &variable.name, names::env_name(&variable.name));
        }
        let Some(from) = &variable.value_from else { continue };
        let at = at.child("valueFrom");
        let mut sources = 0;
        if let Some(field) = &from.field_ref {
            sources += 1;
            env_field(&field.field_path, &at.child("fieldRef"), errors);
        }
        if let Some(resource) = &from.resource_field_ref {
            sources += 1;
            let at = at.child("resourceFieldRef");
            resource_field(&resource.resource, &at, errors);
        }
        let keys = [
            from.config_map_key_ref.as_ref().map(|key| ("configMapKeyRef", &key.name, &key.key)),
            from.secret_key_ref.as_ref().map(|key| ("secretKeyRef", &key.name, &key.key)),
        ];
        for (field, name, key) in keys.into_iter().flatten() {
            sources += 1;
            let at = at.child(field);
            if name.is_empty() {
                errors.required(&at.child("name"), "");
            } else {
                errors.format(&at.child("name"), name, names::subdomain(name));
            }
            if key.is_empty() {
                errors.required(&at.child("key"), "");
            } else {
                errors.format(&at.child("key"), key, names::config_key(key));
            }
        }
        if let Some(file) = &from.file_key_ref {
            sources += 1;
            file_key(file, &at.child("fileKeyRef"), errors);
        }
        if sources == 0 {
            let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
            errors.invalid(&at, "", detail);
        } else if variable.value.as_deref().is_some_and(|value| !value.is_empty()) {
            errors.invalid(&at, "", "may not be specified when `value` is not empty");
        } else if sources > 1 {
            errors.invalid(&at, "", "may not have more than one field specified at a time");
        }
    }
}

/// A key in a file of a volume, which the kubelet looks for.
fn file_key(file: &v1::FileKeySelector, at: &At<'_>, errors: &mut Errors) {
    if file.key.is_empty() {
        errors.required(&at.child("key"), "");
    } else {
        errors.format(&at.child("key"), &file.key, names::env_name(&file.key));
    }
    if file.volume_name.is_empty() {
        errors.required(&at.child("volumeName"), "");
    }
    if file.path.is_empty() {
        errors.required(&at.child("path"), "");
    } else {
        local_path(&file.path, &at.child("path"), errors);
    }
}

fn env_field(path: &str, at: &At<'_>, errors: &mut Errors) {
    const PATHS: [&str; 9] = [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    ];
    let at = at.child("fieldPath");
    if path.is_empty() {
        errors.required(&at, "");
    } else if let Some((field, key)) = path.strip_suffix(']').and_then(|path| path.split_once('[')) {
        let key = key.trim_matches('\'').trim_matches('"');
        match field {
            "metadata.annotations" => errors.format(&at, key, names::label_key(&key.to_ascii_lowercase())),
            "metadata.labels" => errors.format(&at, key, names::label_key(key)),
            _ => errors.invalid(&at, path, "does not support subscript"),
        }
    } else if !PATHS.contains(&path) {
        errors.unsupported(&at, path, &PATHS);
    }
}

/// The resource of a container that a variable or a file shows.
pub(super) fn resource_field(resource: &str, at: &At<'_>, errors: &mut Errors) {
    const RESOURCES: [&str; 6] = [
        "limits.cpu",
        "limits.ephemeral-storage",
        "limits.memory",
        "requests.cpu",
        "requests.ephemeral-storage",
        "requests.memory",
    ];
    let huge_pages = ["limits.hugepages-", "requests.hugepages-"];
    if resource.is_empty() {
        errors.required(&at.child("resource"), "");
    } else if !RESOURCES.contains(&resource) && !huge_pages.iter().any(|prefix| resource.starts_with(prefix)) {
        errors.unsupported(&at.child("resource"), resource, &RESOURCES);
    }
}

fn env_from(list: &[v1::EnvFromSource], at: &At<'_>, errors: &mut Errors) {
    for (place, source) in list.iter().enumerate() {
        let list_at = at;
        let at = at.index(place);
        if let Some(prefix) = &source.prefix {
            errors.format(&at.child("prefix"), prefix, names::env_name(prefix));
        }
        let sources = [
            source.config_map_ref.as_ref().map(|map| ("configMapRef", &map.name)),
            source.secret_ref.as_ref().map(|secret| ("secretRef", &secret.name)),
        ];
        for (field, name) in sources.iter().flatten() {
            let at = at.child(field);
            if name.is_empty() {
                errors.required(&at.child("name"), "");
            } else {
                errors.format(&at.child("name"), name, names::subdomain(name));
            }
        }
        match sources.iter().flatten().count() {
            0 => errors.invalid(list_at, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => errors.invalid(list_at, "", "may not have more than one field specified at a time"),
        }
    }
}

/// The handlers of a probe or a hook, in the order in which they are looked at.
#[derive(Default)]
struct Handlers<'h> {
    exec: Option<&'h v1::ExecAction>,
    http_get: Option<&'h v1::HTTPGetAction>,
    tcp_socket: Option<&'h v1::TCPSocketAction>,
    grpc: Option<&'h v1::GRPCAction>,
    sleep: Option<&'h v1::SleepAction>,
}

impl Handlers<'_> {
    /// `validateHandler`.
    fn check(&self, grace_period: i64, at: &At<'_>, errors: &mut Errors) {
        let mut found = false;
        let mut first = |field: &str, is_set: bool, errors: &mut Errors| {
            if is_set && found {
                errors.forbidden(&at.child(field), "may not specify more than 1 handler type");
                return false;
            }
            found |= is_set;
            is_set
        };
        if first("exec", self.exec.is_some(), errors)
            && self.exec.is_some_and(|exec| exec.command.as_ref().is_none_or(Vec::is_empty))
        {
            errors.required(&at.child("exec").child("command"), "");
        }
        if first("httpGet", self.http_get.is_some(), errors)
            && let Some(http) = self.http_get
        {
            let at = at.child("httpGet");
            port(&http.port, &at.child("port"), errors);
            errors.one_of(&at.child("scheme"), http.scheme.as_ref(), &["HTTP", "HTTPS"]);
            for header in http.http_headers.iter().flatten() {
                errors.format(&at.child("httpHeaders"), &header.name, names::header_name(&header.name));
            }
        }
        if first("tcpSocket", self.tcp_socket.is_some(), errors)
            && let Some(tcp) = self.tcp_socket
        {
            port(&tcp.port, &at.child("tcpSocket").child("port"), errors);
        }
        if first("grpc", self.grpc.is_some(), errors)
            && let Some(grpc) = self.grpc
        {
            port_number(grpc.port, &at.child("grpc").child("port"), errors);
        }
        if first("sleep", self.sleep.is_some(), errors)
            && let Some(sleep) = self.sleep
            && !(0..=grace_period).contains(&sleep.seconds)
        {
            let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace_period})");
            errors.invalid(&at.child("sleep"), sleep.seconds, detail);
        }
        if !found {
            errors.required(at, "must specify a handler type");
        }
    }
}

fn hooks_and_probes(container: &v1::Container, pod: &PodFacts<'_>, at: &At<'_>, errors: &mut Errors) {
    if let Some(lifecycle) = &container.lifecycle {
        let at = at.child("lifecycle");
        for (field, hook) in [("postStart", &lifecycle.post_start), ("preStop", &lifecycle.pre_stop)] {
            if let Some(hook) = hook {
                let handlers = Handlers {
                    exec: hook.exec.as_ref(),
                    http_get: hook.http_get.as_ref(),
                    tcp_socket: hook.tcp_socket.as_ref(),
                    grpc: None,
                    sleep: hook.sleep.as_ref(),
                };
                handlers.check(pod.grace_period, &at.child(field), errors);
            }
        }
    }
    for (field, stated) in [
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
        ("startupProbe", &container.startup_probe),
    ] {
        let Some(stated) = stated else { continue };
        let at = at.child(field);
        probe(stated, pod, &at, errors);
        if field == "readinessProbe" {
            if let Some(seconds) = stated.termination_grace_period_seconds {
                let at = at.child("terminationGracePeriodSeconds");
                errors.invalid(&at, seconds, "must not be set for readinessProbes");
            }
        } else if let Some(threshold) = stated.success_threshold.filter(|threshold| *threshold != 1) {
            errors.invalid(&at.child("successThreshold"), threshold, "must be 1");
        }
    }
}

fn probe(probe: &v1::Probe, pod: &PodFacts<'_>, at: &At<'_>, errors: &mut Errors) {
    let handlers = Handlers {
        exec: probe.exec.as_ref(),
        http_get: probe.http_get.as_ref(),
        tcp_socket: probe.tcp_socket.as_ref(),
        grpc: probe.grpc.as_ref(),
        sleep: None,
    };
    handlers.check(pod.grace_period, at, errors);
    errors.non_negative(&at.child("initialDelaySeconds"), probe.initial_delay_seconds);
    errors.non_negative(&at.child("timeoutSeconds"), probe.timeout_seconds);
    errors.non_negative(&at.child("periodSeconds"), probe.period_seconds);
    errors.non_negative(&at.child("successThreshold"), probe.success_threshold);
    errors.non_negative(&at.child("failureThreshold"), probe.failure_threshold);
    if let Some(seconds) = probe.termination_grace_period_seconds.filter(|seconds| *seconds <= 0) {
        errors.invalid(&at.child("terminationGracePeriodSeconds"), seconds, "must be greater than 0");
    }
}

/// `validateContainerRestartPolicy`.
fn restart_policy(container: &v1::Container, at: &At<'_>, errors: &mut Errors) {
    let rules = container.restart_policy_rules.as_deref().unwrap_or_default();
    let policies = ["Always", "Never", "OnFailure"];
    match &container.restart_policy {
        None if rules.is_empty() => return,
        None => {
            let detail = "must specify restartPolicy when restart rules are used";
            errors.required(&at.child("restartPolicy"), detail);
        }
        Some(policy) if policies.contains(&policy.as_str()) => {}
        Some(policy) => errors.unsupported(&at.child("restartPolicy"), policy, &policies),
    }
    let at = at.child("restartPolicyRules");
    if rules.len() > 20 {
        errors.too_long(&at, 20);
    }
    for (place, rule) in rules.iter().enumerate() {
        let at = at.index(place);
        let actions = ["Restart", "RestartAllContainers"];
        if !actions.contains(&rule.action.as_str()) {
            errors.unsupported(&at.child("action"), &rule.action, &actions);
        }
        let at = at.child("exitCodes");
        match &rule.exit_codes {
            None => errors.required(&at, "must be specified"),
            Some(codes) => {
                if !matches!(codes.operator.as_str(), "In" | "NotIn") {
                    errors.unsupported(&at.child("operator"), &codes.operator, &["In", "NotIn"]);
                }
                if codes.values.as_ref().is_some_and(|values| values.len() > 255) {
                    errors.too_long(&at.child("values"), 255);
                }
            }
        }
    }
}

fn resize_policies(container: &v1::Container, pod: &PodFacts<'_>, at: &At<'_>, errors: &mut Errors) {
    let policies = container.resize_policy.as_deref().unwrap_or_default();
    for (place, policy) in policies.iter().enumerate() {
        if policies[..place].iter().any(|earlier| earlier.resource_name == policy.resource_name) {
            errors.duplicate(&at.index(place), &policy.resource_name);
        }
        errors.one_of(at, Some(&policy.resource_name), &["cpu", "memory"]);
        errors.one_of(at, Some(&policy.restart_policy), &["NotRequired", "RestartContainer"]);
        if pod.restart_policy == "Never" && policy.restart_policy != "NotRequired" {
            let detail = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            errors.invalid(at, &policy.restart_policy, detail);
        }
    }
}

type Amounts = BTreeMap<String, QuantityText>;

/// `validateResourceRequirements`.
pub(super) fn resources(
    stated: &v1::ResourceRequirements,
    name_rule: fn(&str, &At<'_>, &mut Errors),
    at: &At<'_>,
    errors: &mut Errors,
) {
    let none = Amounts::new();
    let (limits, requests) = (stated.limits.as_ref().unwrap_or(&none), stated.requests.as_ref().unwrap_or(&none));
    let (at_limits, at_requests) = (at.child("limits"), at.child("requests"));
    let read = |text: &QuantityText| text.0.parse::<Quantity>().unwrap_or_default();
    for (name, limit) in limits {
        amount(name, limit, name_rule, &at_limits.key(name), errors);
    }
    for (name, request) in requests {
        amount(name, request, name_rule, &at_requests.key(name), errors);
        let overcommits = is_overcommitted(name);
        match limits.get(name) {
            Some(limit) if !overcommits && read(request) != read(limit) => {
                errors.invalid(&at_requests, &request.0, format!("must be equal to {name} limit of {}", limit.0));
            }
            Some(limit) if read(request) > read(limit) => {
                let detail = format!("must be less than or equal to {name} limit of {}", limit.0);
                errors.invalid(&at_requests, &request.0, detail);
            }
            Some(_) => {}
            None if overcommits => {}
            None => errors.required(&at_limits, "Limit must be set for non overcommitable resources"),
        }
    }
    let names = || limits.keys().chain(requests.keys());
    if names().any(|name| is_huge_page(name)) && !names().any(|name| name == "cpu" || name == "memory") {
        errors.forbidden(at, "HugePages require cpu or memory");
    }
}

fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_overcommitted(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

fn amount(
    name: &str,
    text: &QuantityText,
    name_rule: fn(&str, &At<'_>, &mut Errors),
    at: &At<'_>,
    errors: &mut Errors,
) {
    name_rule(name, at, errors);
    quantity(name, text, at, errors);
}

/// `ValidateResourceQuantityValue`.
pub(super) fn quantity(name: &str, text: &QuantityText, at: &At<'_>, errors: &mut Errors) {
    let quantity = text.0.parse::<Quantity>().unwrap_or_default();
    if quantity < Quantity::ZERO {
        errors.invalid(at, &text.0, "must be greater than or equal to 0");
    }
    let whole = name == "pods" || !is_native(name);
    if whole && quantity.saturating_milli_value() % 1000 != 0 {
        errors.invalid(at, &text.0, "must be an integer");
    }
}

/// `validateContainerResourceName`.
pub(super) fn container_resource_name(name: &str, at: &At<'_>, errors: &mut Errors) {
    if matches!(name, "cpu" | "memory" | "ephemeral-storage") {
        return;
    }
    let before = errors.0.len();
    errors.format(at, name, names::label_key(name));
    if errors.0.len() > before {
        return;
    }
    if !name.contains('/') {
        let is_standard = matches!(name, "storage" | "pods" | "services" | "persistentvolumeclaims" | "secrets")
            || name.starts_with("requests.")
            || name.starts_with("limits.");
        if is_huge_page(name) {
        } else if is_standard {
            errors.invalid(at, name, "must be a standard resource for containers");
        } else {
            errors.invalid(at, name, "must be a standard resource type or fully qualified");
            errors.invalid(at, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && (name.starts_with("requests.") || name.len() > 300) {
        errors.invalid(at, name, "doesn't follow extended resource name standard");
    }
}

/// `validatePodResources`: requests and limits of the pod as a whole.
pub(super) fn pod_resources(pod: &v1::PodSpec, at: &At<'_>, errors: &mut Errors) {
    let Some(own) = &pod.resources else { return };
    let at = at.child("resources");
    if own.claims.is_some() {
        errors.forbidden(&at.child("claims"), "claims may not be set for Resources at pod-level");
    }
    resources(own, pod_resource_name, &at, errors);
    let read = |text: &QuantityText| text.0.parse::<Quantity>().unwrap_or_default();
    for (name, sum) in crate::api::lower::aggregate_requests(pod) {
        if let Some(request) = own.requests.as_ref().and_then(|requests| requests.get(&name))
            && read(&sum) > read(request)
        {
            let detail = format!("must be greater than or equal to aggregate container requests of {}", sum.0);
            errors.invalid(&at.child("requests").key(&name), &request.0, detail);
        }
    }
    for (place, container) in pod.containers.iter().enumerate() {
        let stated = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
        for (name, limit) in stated.into_iter().flatten() {
            if let Some(most) = own.limits.as_ref().and_then(|limits| limits.get(name))
                && read(limit) > read(most)
            {
                let at = at.child("containers");
                let at = at.index(place);
                let detail = format!("must be less than or equal to pod limits of {}", most.0);
                errors.invalid(&at.key(name).child("limits"), &limit.0, detail);
            }
        }
    }
}

fn pod_resource_name(name: &str, at: &At<'_>, errors: &mut Errors) {
    if name != "cpu" && name != "memory" && !is_huge_page(name) {
        errors.unsupported(at, name, &["cpu", "hugepages-", "memory"]);
    }
}

/// What only containers of pods must fulfil, not those of templates.
pub(super) fn of_pod(list: &[v1::Container], at: &At<'_>, errors: &mut Errors) {
    for (place, container) in list.iter().enumerate() {
        only_of_pod(container, &at.index(place), errors);
    }
}

/// `validateContainerOnlyForPod`.
fn only_of_pod(container: &v1::Container, at: &At<'_>, errors: &mut Errors) {
    let image = container.image.as_deref().unwrap_or_default();
    if image.trim().len() != image.len() {
        errors.invalid(&at.child("image"), image, "must not have leading or trailing whitespace");
    }
}

/// The requirements of a claim as JSON, for messages.
pub(super) fn shown(value: &impl serde::Serialize) -> impl std::fmt::Debug {
    Json::of(value)
}
