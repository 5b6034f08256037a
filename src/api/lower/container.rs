//! Containers of the three sorts, their probes and hooks.

use super::common::{amounts, name};
use super::pod::restart_policy;
use crate::api::{
    Container, ContainerPort, EnvFrom, EnvValue, EnvVar, FileKeyReference, Handler, ImagePullPolicy, KeyReference,
    Name, Port, Probe, Quantity, ResizeRestartPolicy, ResourceField, RestartRule, RestartRuleAction, TERMINATION_LOG,
    Text, VolumeMount,
};
use crate::engine::SimDuration;
use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Lowers a container of either type; they have the same fields.
macro_rules! lower {
    ($container:expr, $security:expr, $is_token:expr, $target:expr) => {{
        let container = $container;
        let own = container.security_context.unwrap_or_default();
        let hooks = container.lifecycle.unwrap_or_default();
        let resources = container.resources.unwrap_or_default();
        Container {
            name: Name::from(container.name),
            image: name(container.image.as_ref()),
            command: container.command.iter().flatten().map(Text::from).collect(),
            args: container.args.iter().flatten().map(Text::from).collect(),
            working_dir: name(container.working_dir.as_ref()),
            env: container.env.into_iter().flatten().map(env_var).collect(),
            env_from: container.env_from.iter().flatten().map(env_from).collect(),
            ports: container.ports.iter().flatten().map(container_port).collect(),
            requests: amounts(resources.requests.as_ref()),
            limits: amounts(resources.limits.as_ref()),
            resize_policy: container.resize_policy.iter().flatten().map(resize_policy).collect(),
            volume_mounts: container
                .volume_mounts
                .iter()
                .flatten()
                .filter(|mount| !$is_token(&mount.name))
                .map(volume_mount)
                .collect(),
            volume_devices: container.volume_devices.iter().flatten().map(|device| Name::from(&device.name)).collect(),
            liveness: container.liveness_probe.map(probe).map(Box::new),
            readiness: container.readiness_probe.map(probe).map(Box::new),
            startup: container.startup_probe.map(probe).map(Box::new),
            post_start: hooks.post_start.and_then(hook).map(Box::new),
            pre_stop: hooks.pre_stop.and_then(hook).map(Box::new),
            image_pull_policy: pull_policy(container.image_pull_policy.as_deref()),
            restart_policy: container.restart_policy.as_deref().map(restart_policy),
            restart_rules: container.restart_policy_rules.iter().flatten().filter_map(restart_rule).collect(),
            fallback_to_logs: container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError"),
            termination_message_path: name(
                container.termination_message_path.as_ref().filter(|path| *path != TERMINATION_LOG),
            ),
            stdin: container.stdin == Some(true) || container.tty == Some(true),
            run_as_user: own.run_as_user.or($security.run_as_user),
            run_as_non_root: own.run_as_non_root.or($security.run_as_non_root) == Some(true),
            read_only_root: own.read_only_root_filesystem == Some(true),
            target_container: $target,
        }
    }};
}

/// A regular or an init container.
pub(super) fn container(
    container: v1::Container,
    security: &v1::PodSecurityContext,
    is_token: &impl Fn(&str) -> bool,
) -> Container {
    lower!(container, security, is_token, Name::default())
}

/// An ephemeral container.
pub(super) fn ephemeral(
    container: v1::EphemeralContainer,
    security: &v1::PodSecurityContext,
    is_token: &impl Fn(&str) -> bool,
) -> Container {
    let target = name(container.target_container_name.as_ref());
    lower!(container, security, is_token, target)
}

fn env_var(variable: v1::EnvVar) -> EnvVar {
    let key = |name: &str, key: &str, optional: Option<bool>| KeyReference {
        name: Name::new(name),
        key: Name::new(key),
        optional: optional == Some(true),
    };
    let from = variable.value_from.unwrap_or_default();
    let value = if let Some(field) = from.field_ref {
        EnvValue::Field(Name::from(field.field_path))
    } else if let Some(resource) = from.resource_field_ref {
        EnvValue::Resource(resource_field(&resource))
    } else if let Some(map) = from.config_map_key_ref {
        EnvValue::ConfigMapKey(key(&map.name, &map.key, map.optional))
    } else if let Some(secret) = from.secret_key_ref {
        EnvValue::SecretKey(key(&secret.name, &secret.key, secret.optional))
    } else if let Some(file) = from.file_key_ref {
        EnvValue::FileKey(FileKeyReference {
            volume: Name::from(&file.volume_name),
            path: Name::from(&file.path),
            key: Name::from(&file.key),
            optional: file.optional == Some(true),
        })
    } else {
        EnvValue::Literal(variable.value.map_or_else(Text::default, Text::from))
    };
    EnvVar { name: Name::from(variable.name), value }
}

/// A resource of a container, as variables and files show it.
pub(super) fn resource_field(field: &v1::ResourceFieldSelector) -> ResourceField {
    let divisor = field.divisor.as_ref().and_then(|divisor| divisor.0.parse::<Quantity>().ok());
    ResourceField {
        container: name(field.container_name.as_ref()),
        resource: Name::from(&field.resource),
        divisor: divisor.map_or(0, |divisor| divisor.milli_value()),
    }
}

fn env_from(source: &v1::EnvFromSource) -> EnvFrom {
    let prefix = name(source.prefix.as_ref());
    match (&source.config_map_ref, &source.secret_ref) {
        (None, Some(secret)) => {
            EnvFrom { prefix, secret: true, name: Name::from(&secret.name), optional: secret.optional == Some(true) }
        }
        (map, _) => EnvFrom {
            prefix,
            secret: false,
            name: map.as_ref().map_or_else(Name::default, |map| Name::from(&map.name)),
            optional: map.as_ref().is_some_and(|map| map.optional == Some(true)),
        },
    }
}

/// A port number; validation refuses what does not fit.
pub(super) fn port_number(port: i32) -> u16 {
    u16::try_from(port).unwrap_or_default()
}

fn container_port(port: &v1::ContainerPort) -> ContainerPort {
    ContainerPort {
        name: name(port.name.as_ref()),
        container_port: port_number(port.container_port),
        host_port: port.host_port.map_or(0, port_number),
        host_ip: name(port.host_ip.as_ref()),
        protocol: Name::new(port.protocol.as_deref().unwrap_or("TCP")),
    }
}

fn resize_policy(policy: &v1::ContainerResizePolicy) -> (Name, ResizeRestartPolicy) {
    let restart = match policy.restart_policy.as_str() {
        "RestartContainer" => ResizeRestartPolicy::RestartContainer,
        _ => ResizeRestartPolicy::NotRequired,
    };
    (Name::from(&policy.resource_name), restart)
}

fn volume_mount(mount: &v1::VolumeMount) -> VolumeMount {
    VolumeMount {
        name: Name::from(&mount.name),
        mount_path: Name::from(&mount.mount_path),
        sub_path: name(mount.sub_path.as_ref()),
        sub_path_expr: name(mount.sub_path_expr.as_ref()),
        read_only: mount.read_only == Some(true),
    }
}

fn restart_rule(rule: &v1::ContainerRestartRule) -> Option<RestartRule> {
    let on = rule.exit_codes.as_ref()?;
    Some(RestartRule {
        action: match rule.action.as_str() {
            "RestartAllContainers" => RestartRuleAction::RestartAllContainers,
            _ => RestartRuleAction::Restart,
        },
        when_in: on.operator != "NotIn",
        values: on.values.clone().unwrap_or_default(),
    })
}

/// When an image is pulled.
pub(super) fn pull_policy(text: Option<&str>) -> ImagePullPolicy {
    match text {
        Some("Always") => ImagePullPolicy::Always,
        Some("Never") => ImagePullPolicy::Never,
        _ => ImagePullPolicy::IfNotPresent,
    }
}

fn probe(probe: v1::Probe) -> Probe {
    let seconds = |seconds: Option<i32>| SimDuration::from_secs(seconds.map_or(0, |s| s.max(0).unsigned_abs().into()));
    let count = |count: Option<i32>| count.map_or(0, |count| count.max(0).unsigned_abs());
    let handler = if let Some(exec) = probe.exec {
        exec_handler(exec)
    } else if let Some(http) = probe.http_get {
        http_handler(http)
    } else if let Some(tcp) = probe.tcp_socket {
        tcp_handler(tcp)
    } else {
        let grpc = probe.grpc.unwrap_or_default();
        Handler::Grpc { port: port_number(grpc.port), service: name(grpc.service.as_ref()) }
    };
    Probe {
        handler,
        initial_delay: seconds(probe.initial_delay_seconds),
        timeout: seconds(probe.timeout_seconds),
        period: seconds(probe.period_seconds),
        success_threshold: count(probe.success_threshold),
        failure_threshold: count(probe.failure_threshold),
        termination_grace_period: probe.termination_grace_period_seconds,
    }
}

fn hook(hook: v1::LifecycleHandler) -> Option<Handler> {
    if let Some(exec) = hook.exec {
        return Some(exec_handler(exec));
    }
    if let Some(http) = hook.http_get {
        return Some(http_handler(http));
    }
    if let Some(tcp) = hook.tcp_socket {
        return Some(tcp_handler(tcp));
    }
    hook.sleep.map(|sleep| Handler::Sleep { seconds: u64::try_from(sleep.seconds).unwrap_or_default() })
}

fn exec_handler(exec: v1::ExecAction) -> Handler {
    Handler::Exec { command: exec.command.iter().flatten().map(Text::from).collect() }
}

fn http_handler(http: v1::HTTPGetAction) -> Handler {
    let headers = http.http_headers.iter().flatten();
    Handler::HttpGet {
        path: name(http.path.as_ref()),
        port: port(&http.port),
        host: name(http.host.as_ref()),
        https: http.scheme.as_deref() == Some("HTTPS"),
        headers: headers.map(|header| (Name::from(&header.name), Name::from(&header.value))).collect(),
    }
}

fn tcp_handler(tcp: v1::TCPSocketAction) -> Handler {
    Handler::TcpSocket { port: port(&tcp.port), host: name(tcp.host.as_ref()) }
}

/// A port by number or name.
pub(super) fn port(port: &IntOrString) -> Port {
    match port {
        IntOrString::Int(number) => Port::Number(port_number(*number)),
        IntOrString::String(name) => Port::Named(Name::from(name)),
    }
}
