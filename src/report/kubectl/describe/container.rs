//! The containers of a pod or a template.
//!
//! Follows kubectl 1.36 `pkg/describe/describe.go` (`describeContainers`), `pkg/util/resource` and
//! `pkg/util/fieldpath`.

use super::writer::{Writer, put};
use crate::api::Quantity;
use crate::report::kubectl::fields::{Fields, quantity};
use crate::report::kubectl::get::{network::host_port, yes_no};
use crate::report::kubectl::go::{list, quoted, rfc1123z};
use crate::report::kubectl::go_sort::sort_by_key;
use serde_json::Value;

/// Whose containers are described.
#[derive(Debug, Clone, Copy)]
pub enum Owner<'a> {
    /// A pod: containers have states, and environment variables may refer to it.
    Pod(&'a Value),
    /// A template, described two columns further in.
    Template,
}

impl Owner<'_> {
    fn indent(self) -> &'static str {
        match self {
            Self::Pod(_) => "",
            Self::Template => "  ",
        }
    }
}

/// A title and every container below it.
pub fn containers(w: &mut Writer, title: &str, containers: &[Value], statuses: &[Value], owner: Owner<'_>) {
    let none = if containers.is_empty() { " <none>" } else { "" };
    put!(w, 0, "{}{title}:{none}\n", owner.indent());
    for container in containers {
        // Of several statuses of a name the last one counts.
        let status = statuses.iter().rfind(|status| status["name"] == container["name"]);
        basics(w, container, status, owner);
        command(w, container);
        if let Some(status) = status {
            state(w, "State", status.at("state"));
            if status.has("lastState.terminated") {
                state(w, "Last State", status.at("lastState"));
            }
            put!(w, 2, "Ready:\t{}\n", yes_no(Some(status.flag("ready"))));
            put!(w, 2, "Restart Count:\t{}\n", status.int("restartCount"));
        }
        resources(w, 2, container.at("resources"));
        for (title, field) in
            [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")]
        {
            if container.has(field) {
                put!(w, 2, "{title}:\t{}\n", probe(container.at(field)));
            }
        }
        environment_sources(w, container.list("envFrom"));
        environment(w, container, owner);
        mounts(w, container);
    }
}

fn basics(w: &mut Writer, container: &Value, status: Option<&Value>, owner: Owner<'_>) {
    let indent = if owner.indent().is_empty() { "" } else { " " };
    put!(w, 1, "{indent}{}:\n", container.text("name"));
    if let Some(status) = status {
        put!(w, 2, "Container ID:\t{}\n", status.text("containerID"));
    }
    put!(w, 2, "Image:\t{}\n", container.text("image"));
    if let Some(status) = status {
        put!(w, 2, "Image ID:\t{}\n", status.text("imageID"));
    }
    for (one, many, field) in [("Port", "Ports", "containerPort"), ("Host Port", "Host Ports", "hostPort")] {
        match ports(container.list("ports"), field) {
            text if text.is_empty() => put!(w, 2, "{one}:\t<none>\n"),
            text if text.contains(',') => put!(w, 2, "{many}:\t{text}\n"),
            text => put!(w, 2, "{one}:\t{text}\n"),
        }
    }
    let profile = container.at("securityContext.seccompProfile");
    if !profile.is_null() {
        put!(w, 2, "SeccompProfile:\t{}\n", profile.text("type"));
        if profile.text("type") == "Localhost" {
            put!(w, 3, "LocalhostProfile:\t{}\n", profile.text("localhostProfile"));
        }
    }
}

fn ports(ports: &[Value], field: &str) -> String {
    let text = |port: &Value| {
        let number = format!("{}/{}", port.int(field), port.text("protocol"));
        match port.text("name") {
            "" => number,
            name => format!("{number} ({name})"),
        }
    };
    ports.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn command(w: &mut Writer, container: &Value) {
    for (title, field) in [("Command", "command"), ("Args", "args")] {
        let words = container.texts(field);
        if !words.is_empty() {
            put!(w, 2, "{title}:\n");
        }
        for line in words.iter().flat_map(|word| word.split('\n')) {
            put!(w, 3, "{line}\n");
        }
    }
}

fn state(w: &mut Writer, title: &str, state: &Value) {
    if state.has("running") {
        put!(w, 2, "{title}:\tRunning\n");
        put!(w, 3, "Started:\t{}\n", rfc1123z(state.time("running.startedAt")));
        return;
    }
    let terminated = state.at("terminated");
    if state.has("waiting") || terminated.is_null() {
        put!(w, 2, "{title}:\tWaiting\n");
        optional(w, 3, "Reason", state.text("waiting.reason"));
        return;
    }
    put!(w, 2, "{title}:\tTerminated\n");
    optional(w, 3, "Reason", terminated.text("reason"));
    optional(w, 3, "Message", terminated.text("message"));
    put!(w, 3, "Exit Code:\t{}\n", terminated.int("exitCode"));
    if terminated.int("signal") > 0 {
        put!(w, 3, "Signal:\t{}\n", terminated.int("signal"));
    }
    put!(w, 3, "Started:\t{}\n", rfc1123z(terminated.time("startedAt")));
    put!(w, 3, "Finished:\t{}\n", rfc1123z(terminated.time("finishedAt")));
}

fn optional(w: &mut Writer, level: usize, title: &str, text: &str) {
    if !text.is_empty() {
        put!(w, level, "{title}:\t{text}\n");
    }
}

/// Limits and requests.
pub fn resources(w: &mut Writer, level: usize, resources: &Value) {
    for (title, field) in [("Limits", "limits"), ("Requests", "requests")] {
        let amounts = resources.quantities(field);
        if !amounts.is_empty() {
            put!(w, level, "{title}:\n");
        }
        for (name, amount) in amounts {
            put!(w, level + 1, "{name}:\t{amount}\n");
        }
    }
}

/// One line about a probe.
pub fn probe(probe: &Value) -> String {
    let attributes = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        probe.int("initialDelaySeconds"),
        probe.int("timeoutSeconds"),
        probe.int("periodSeconds"),
        probe.int("successThreshold"),
        probe.int("failureThreshold"),
    );
    let action = if probe.has("exec") {
        format!("exec {}", list(&probe.texts("exec.command")))
    } else if probe.has("httpGet") {
        format!("http-get {}", url(probe.at("httpGet")))
    } else if probe.has("tcpSocket") {
        format!("tcp-socket {}:{}", probe.text("tcpSocket.host"), probe.int_or_text("tcpSocket.port"))
    } else if probe.has("grpc") {
        format!("grpc <pod>:{} {}", probe.int("grpc.port"), probe.text("grpc.service"))
    } else {
        "unknown".to_owned()
    };
    format!("{action} {attributes}")
}

/// As `net/url` writes a scheme, host and path.
fn url(get: &Value) -> String {
    let (scheme, host, path) = (get.text("scheme").to_lowercase(), get.text("host"), get.text("path"));
    let host = match get.int_or_text("port") {
        port if port.is_empty() => host.to_owned(),
        port => host_port(host, port),
    };
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}:") };
    let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
    format!("{scheme}//{host}{slash}{}", escape_path(path))
}

/// Percent signs for what may not stand in the path of a URL.
fn escape_path(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@' => {
                out.push(char::from(byte));
            }
            byte => out += &format!("%{byte:02X}"),
        }
    }
    out
}

fn environment_sources(w: &mut Writer, sources: &[Value]) {
    if !sources.is_empty() {
        put!(w, 2, "Environment Variables from:\n");
    }
    for source in sources {
        let (kind, reference) = if source.has("configMapRef") {
            ("ConfigMap", source.at("configMapRef"))
        } else if source.has("secretRef") {
            ("Secret", source.at("secretRef"))
        } else {
            ("", &Value::Null)
        };
        let (name, optional) = (reference.text("name"), reference.flag("optional"));
        match source.text("prefix") {
            "" => put!(w, 3, "{name}\t{kind}\tOptional: {optional}\n"),
            prefix => put!(w, 3, "{name}\t{kind} with prefix '{prefix}'\tOptional: {optional}\n"),
        }
    }
}

fn environment(w: &mut Writer, container: &Value, owner: Owner<'_>) {
    let variables = container.list("env");
    put!(w, 2, "Environment:{}\n", if variables.is_empty() { "\t<none>" } else { "" });
    for variable in variables {
        let name = variable.text("name");
        let from = variable.at("valueFrom");
        if from.is_null() {
            for (i, line) in variable.text("value").split('\n').enumerate() {
                let title = if i == 0 { format!("{name}:") } else { String::new() };
                put!(w, 3, "{title}\t{line}\n");
            }
        } else if from.has("fieldRef") {
            let (version, path) = (from.text("fieldRef.apiVersion"), from.text("fieldRef.fieldPath"));
            put!(w, 3, "{name}:\t{} ({version}:{path})\n", field_value(owner, path));
        } else if from.has("resourceFieldRef") {
            let (value, resource) = resource_value(container, from.at("resourceFieldRef"));
            put!(w, 3, "{name}:\t{value} ({resource})\n");
        } else if from.has("secretKeyRef") {
            let (key, secret, optional) = key_reference(from.at("secretKeyRef"));
            put!(w, 3, "{name}:\t<set to the key '{key}' in secret '{secret}'>\tOptional: {optional}\n");
        } else if from.has("configMapKeyRef") {
            let (key, map, optional) = key_reference(from.at("configMapKeyRef"));
            put!(w, 3, "{name}:\t<set to the key '{key}' of config map '{map}'>\tOptional: {optional}\n");
        }
    }
}

fn key_reference(reference: &Value) -> (&str, &str, bool) {
    (reference.text("key"), reference.text("name"), reference.flag("optional"))
}

/// What a reference to a field of the pod itself is now. The scheme inside kubectl resolves nothing but names.
fn field_value<'a>(owner: Owner<'a>, path: &str) -> &'a str {
    match (owner, path) {
        (Owner::Pod(pod), "metadata.name" | "metadata.namespace") => pod.text(path),
        _ => "",
    }
}

/// A limit or request of the container in units of the divisor, rounded up.
fn resource_value<'a>(container: &Value, reference: &'a Value) -> (String, &'a str) {
    let resource = reference.text("resource");
    let value = resource.split_once('.').and_then(|(list, name)| {
        let known = matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
        let amount = container.at("resources").quantity(list, name);
        let divisor = match quantity(reference.at("divisor")) {
            zero if zero.is_zero() => Quantity::new(1, amount.format()),
            divisor => divisor,
        };
        let in_units = |q: &Quantity| if name == "cpu" { q.milli_value() } else { q.value() };
        let share = (in_units(&amount) as f64 / in_units(&divisor) as f64).ceil() as i64;
        (known && matches!(list, "limits" | "requests")).then(|| share.to_string())
    });
    match value.unwrap_or_default() {
        zero if zero == "0" && matches!(resource, "limits.cpu" | "limits.memory") => {
            ("node allocatable".to_owned(), resource)
        }
        value => (value, resource),
    }
}

fn mounts(w: &mut Writer, container: &Value) {
    let mut mounts: Vec<&Value> = container.list("volumeMounts").iter().collect();
    sort_by_key(&mut mounts, |mount| mount.text("mountPath"));
    let none = if mounts.is_empty() { "\t<none>" } else { "" };
    put!(w, 2, "Mounts:{none}\n");
    for mount in mounts {
        let mode = if mount.flag("readOnly") { "ro" } else { "rw" };
        let path = match mount.text("subPath") {
            "" => String::new(),
            path => format!(",path={}", quoted(path)),
        };
        put!(w, 3, "{} from {} ({mode}{path})\n", mount.text("mountPath"), mount.text("name"));
    }
    let mut devices: Vec<&Value> = container.list("volumeDevices").iter().collect();
    sort_by_key(&mut devices, |device| device.text("devicePath"));
    if !devices.is_empty() {
        put!(w, 2, "Devices:{none}\n");
    }
    for device in devices {
        put!(w, 3, "{} from {}\n", device.text("devicePath"), device.text("name"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn probes_are_one_line() {
        let attributes = "delay=0s timeout=1s period=10s #success=1 #failure=3";
        for (action, text) in [
            (json!({"exec": {"command": ["a", "b"]}}), "exec [a b]"),
            (json!({"httpGet": {"scheme": "HTTP", "port": 80, "path": "/a b?c"}}), "http-get http://:80/a%20b%3Fc"),
            (
                json!({"httpGet": {"scheme": "HTTPS", "host": "::1", "port": "web", "path": "x"}}),
                "http-get https://[::1]:web/x",
            ),
            (json!({"tcpSocket": {"port": "db"}}), "tcp-socket :db"),
            (json!({"grpc": {"port": 5000, "service": ""}}), "grpc <pod>:5000 "),
            (json!({}), "unknown"),
        ] {
            let mut object =
                json!({"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3});
            object.as_object_mut().expect("a map").extend(action.as_object().expect("a map").clone());
            assert_eq!(probe(&object), format!("{text} {attributes}"));
        }
    }

    #[test]
    fn environment_resolves_what_it_can() {
        let pod = json!({"metadata": {"name": "p", "labels": {"a": "1", "b": "x y"}}});
        let owner = Owner::Pod(&pod);
        for (path, value) in [("metadata.name", "p"), ("metadata.labels['b']", ""), ("status.podIP", "")] {
            assert_eq!(field_value(owner, path), value);
        }
        let container = json!({"resources": {"limits": {"memory": "100Mi"}, "requests": {"cpu": "250m"}}});
        for (reference, value) in [
            (json!({"resource": "limits.memory", "divisor": "1Mi"}), "100"),
            (json!({"resource": "limits.cpu", "divisor": "0"}), "node allocatable"),
            (json!({"resource": "requests.cpu"}), "1"),
            (json!({"resource": "requests.cpu", "divisor": "1m"}), "250"),
            (json!({"resource": "limits.gpu"}), ""),
        ] {
            assert_eq!(resource_value(&container, &reference).0, value);
        }
    }
}
