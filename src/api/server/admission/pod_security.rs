//! Plug-in PodSecurity: what a namespace's `pod-security.kubernetes.io/enforce` label lets in.
//!
//! Follows `k8s.io/pod-security-admission` (`policy/check_*.go`) of Kubernetes 1.36 at the newest version of the Pod
//! Security Standards. The checks of a level come first by level, then by their names; one of restricted that says more
//! than its like of baseline stands in its place. Left out on purpose: the labels `warn` and `audit`, which refuse
//! nothing, pinned versions, and the exceptions for Windows and for user namespaces.

use super::Server;
use crate::api::{Name, PodSpec, names};
use serde_json::Value;

names! {
    /// The label of a namespace that names the standard which it enforces.
    POD_SECURITY_ENFORCE = "pod-security.kubernetes.io/enforce";
    ENFORCE_VERSION = "pod-security.kubernetes.io/enforce-version";
}

/// What containers may add to the capabilities that a runtime gives them (baseline).
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Kernel parameters that pods may set.
const SYSCTLS: [&str; 10] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
];
/// Types of volumes that restricted lets in.
const VOLUMES: [&str; 8] =
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected"];

/// What a check says: why, and of what.
type Found = Option<(&'static str, String)>;

impl Server {
    /// Refuses a pod that does not meet the standard that its namespace enforces.
    pub(super) fn check_pod_security(&self, namespace: Name, spec: &PodSpec) -> Result<(), String> {
        let Some(namespace) = self.store.namespaces.find(Name::default(), namespace) else { return Ok(()) };
        let Some(level) = namespace.meta.labels.get(*POD_SECURITY_ENFORCE) else { return Ok(()) };
        let pod: Value = serde_json::from_str(&spec.source).unwrap_or_default();
        let found = violations(&pod, &level);
        if found.is_empty() {
            return Ok(());
        }
        let version = namespace.meta.labels.get(*ENFORCE_VERSION).unwrap_or_else(|| Name::new("latest"));
        Err(format!("violates PodSecurity \"{level}:{version}\": {}", found.join(", ")))
    }
}

/// What speaks against a pod at a level; nothing does at `privileged`.
fn violations(pod: &Value, level: &str) -> Vec<String> {
    let restricted = level == "restricted";
    if !restricted && level != "baseline" {
        return Vec::new();
    }
    let pod = Checked(pod);
    let baseline = [
        pod.capabilities(&CAPABILITIES).filter(|_| !restricted),
        pod.host_namespaces(),
        pod.host_paths().filter(|_| !restricted),
        pod.host_ports(),
        pod.must_not(
            "privileged",
            &["securityContext", "privileged"],
            &Value::Bool(true),
            "securityContext.privileged=true",
        ),
        pod.seccomp_unconfined().filter(|_| !restricted),
        pod.sysctls(),
    ];
    let more = [
        pod.privilege_escalation(),
        pod.restricted_capabilities(),
        pod.volume_types(),
        pod.non_root(),
        pod.must_not("runAsUser=0", &["securityContext", "runAsUser"], &Value::from(0), "runAsUser=0"),
        pod.seccomp_profile(),
    ];
    let more = more.into_iter().filter(|_| restricted);
    baseline.into_iter().chain(more).flatten().map(|(why, what)| format!("{why} ({what})")).collect()
}

/// A pod's spec, to be checked.
struct Checked<'a>(&'a Value);

impl<'a> Checked<'a> {
    fn containers(&self) -> impl Iterator<Item = &'a Value> {
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        let spec = self.0;
        lists.into_iter().flat_map(|list| spec[list].as_array().into_iter().flatten())
    }

    /// The containers of which something is true.
    fn whose(&self, is: impl Fn(&Value) -> bool) -> Vec<&'a str> {
        self.containers().filter(|one| is(one)).filter_map(|one| one["name"].as_str()).collect()
    }

    fn volumes(&self) -> impl Iterator<Item = &'a Value> {
        self.0["volumes"].as_array().into_iter().flatten()
    }

    /// Neither the pod nor a container sets a field to a value.
    fn must_not(&self, why: &'static str, path: &[&str; 2], value: &Value, words: &str) -> Found {
        let mut who = Vec::new();
        if &self.0[path[0]][path[1]] == value {
            who.push("pod".to_owned());
        }
        let containers = self.whose(|one| &one[path[0]][path[1]] == value);
        if !containers.is_empty() {
            who.push(named("container", &containers));
        }
        (!who.is_empty()).then(|| (why, format!("{} must not set {words}", who.join(" and "))))
    }

    fn host_namespaces(&self) -> Found {
        let fields = ["hostNetwork", "hostPID", "hostIPC"];
        let set: Vec<String> =
            fields.iter().filter(|field| self.0[*field] == true).map(|field| format!("{field}=true")).collect();
        (!set.is_empty()).then(|| ("host namespaces", set.join(", ")))
    }

    fn host_paths(&self) -> Found {
        let found: Vec<&str> =
            self.volumes().filter(|one| !one["hostPath"].is_null()).filter_map(|one| one["name"].as_str()).collect();
        (!found.is_empty()).then(|| ("hostPath volumes", named("volume", &found)))
    }

    fn host_ports(&self) -> Found {
        let of = |one: &'a Value| {
            let ports = one["ports"].as_array().into_iter().flatten();
            ports.filter_map(|port| port["hostPort"].as_i64()).filter(|port| *port != 0)
        };
        let containers = self.whose(|one| {
            one["ports"].as_array().into_iter().flatten().any(|port| port["hostPort"].as_i64().unwrap_or(0) != 0)
        });
        let mut ports: Vec<i64> = self.containers().flat_map(of).collect();
        ports.sort_unstable();
        ports.dedup();
        let uses = if containers.len() == 1 { "uses" } else { "use" };
        let word = if ports.len() == 1 { "hostPort" } else { "hostPorts" };
        let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
        let what = || format!("{} {uses} {word} {}", named("container", &containers), ports.join(", "));
        (!containers.is_empty()).then(|| ("hostPort", what()))
    }

    /// Containers that add capabilities beyond some.
    fn capabilities(&self, allowed: &[&str]) -> Found {
        self.added_capabilities(allowed).map(|what| ("non-default capabilities", what))
    }

    fn added_capabilities(&self, allowed: &[&str]) -> Option<String> {
        let added = |one: &'a Value| {
            let list = one["securityContext"]["capabilities"]["add"].as_array().into_iter().flatten();
            list.filter_map(Value::as_str).filter(|name| !allowed.contains(name)).collect::<Vec<_>>()
        };
        let mut names: Vec<&str> = self.containers().flat_map(added).collect();
        names.sort_unstable();
        names.dedup();
        let containers: Vec<&str> =
            self.containers().filter(|one| !added(one).is_empty()).filter_map(|one| one["name"].as_str()).collect();
        let list = quoted(&names);
        let who = named("container", &containers);
        (!names.is_empty()).then(|| format!("{who} must not include {list} in securityContext.capabilities.add"))
    }

    fn restricted_capabilities(&self) -> Found {
        let keeps = self.whose(|one| {
            let dropped = one["securityContext"]["capabilities"]["drop"].as_array();
            !dropped.is_some_and(|dropped| dropped.iter().any(|name| name == "ALL"))
        });
        let drop = (!keeps.is_empty())
            .then(|| format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", named("container", &keeps)));
        let what: Vec<String> = drop.into_iter().chain(self.added_capabilities(&["NET_BIND_SERVICE"])).collect();
        (!what.is_empty()).then(|| ("unrestricted capabilities", what.join("; ")))
    }

    fn privilege_escalation(&self) -> Found {
        let may = self.whose(|one| one["securityContext"]["allowPrivilegeEscalation"] != false);
        let what = || format!("{} must set securityContext.allowPrivilegeEscalation=false", named("container", &may));
        (!may.is_empty()).then(|| ("allowPrivilegeEscalation != false", what()))
    }

    fn volume_types(&self) -> Found {
        let kind = |one: &'a Value| {
            let source = one.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).find(|key| *key != "name");
            source.filter(|kind| !VOLUMES.contains(kind))
        };
        let bad: Vec<&Value> = self.volumes().filter(|one| kind(one).is_some()).collect();
        let volumes: Vec<&str> = bad.iter().filter_map(|one| one["name"].as_str()).collect();
        let mut kinds: Vec<&str> = bad.iter().filter_map(|one| kind(one)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let uses = if volumes.len() == 1 { "uses" } else { "use" };
        let word = if kinds.len() == 1 { "type" } else { "types" };
        let what = || format!("{} {uses} restricted volume {word} {}", named("volume", &volumes), quoted(&kinds));
        (!bad.is_empty()).then(|| ("restricted volume types", what()))
    }

    fn non_root(&self) -> Found {
        const FIELD: &str = "securityContext.runAsNonRoot";
        let of_pod = &self.0["securityContext"]["runAsNonRoot"];
        let said = |one: &Value| one["securityContext"]["runAsNonRoot"].clone();
        let explicit = self.whose(|one| said(one) == false);
        let implicit = self.whose(|one| said(one).is_null() && *of_pod != true);
        let mut what = Vec::new();
        if *of_pod == false && !implicit.is_empty() {
            what.push(format!("pod must not set {FIELD}=false"));
        }
        if !explicit.is_empty() {
            what.push(format!("{} must not set {FIELD}=false", named("container", &explicit)));
        } else if what.is_empty() && !implicit.is_empty() {
            what.push(format!("pod or {} must set {FIELD}=true", named("container", &implicit)));
        }
        (!what.is_empty()).then(|| ("runAsNonRoot != true", what.join("; ")))
    }

    fn seccomp_unconfined(&self) -> Found {
        let unconfined = |one: &Value| one["securityContext"]["seccompProfile"]["type"] == "Unconfined";
        let containers = self.whose(unconfined);
        let mut who: Vec<String> = if unconfined(self.0) { vec!["pod".to_owned()] } else { Vec::new() };
        who.extend((!containers.is_empty()).then(|| named("container", &containers)));
        let what =
            || format!("{} must not set securityContext.seccompProfile.type to \"Unconfined\"", who.join(" and "));
        (!who.is_empty()).then(|| ("seccompProfile", what()))
    }

    fn seccomp_profile(&self) -> Found {
        if let Some(found) = self.seccomp_unconfined() {
            return Some(found);
        }
        let of = |one: &Value| one["securityContext"]["seccompProfile"]["type"].as_str().map(str::to_owned);
        let lacks = self.whose(|one| of(one).is_none() && of(self.0).is_none());
        let field = "securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"";
        let what = || format!("pod or {} must set {field}", named("container", &lacks));
        (!lacks.is_empty()).then(|| ("seccompProfile", what()))
    }

    fn sysctls(&self) -> Found {
        let set = self.0["securityContext"]["sysctls"].as_array().into_iter().flatten();
        let bad: Vec<&str> =
            set.filter_map(|one| one["name"].as_str()).filter(|name| !SYSCTLS.contains(name)).collect();
        (!bad.is_empty()).then(|| ("forbidden sysctls", bad.join(", ")))
    }
}

/// `container "a"`, or `containers "a", "b"`.
fn named(word: &str, names: &[&str]) -> String {
    let many = if names.len() == 1 { "" } else { "s" };
    format!("{word}{many} {}", quoted(names))
}

fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_speaks_against_a_pod_is_said_as_the_server_says_it() {
        let hardened = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
        let plain = json!({"containers": [{"name": "web"}]});
        // The words that the documentation of Pod Security Admission shows for a pod of nginx.
        let usual = "allowPrivilegeEscalation != false (container \"web\" must set \
                     securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"web\" must \
                     set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"web\" \
                     must set securityContext.runAsNonRoot=true), seccompProfile (pod or container \"web\" must set \
                     securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")";
        let with = |key: &str, value: Value| {
            let mut pod = json!({"containers": [{"name": "web", "securityContext": hardened}]});
            pod[key] = value;
            pod
        };
        let root = json!([{"name": "root", "hostPath": {"path": "/"}}]);
        let ports = json!([{"name": "a", "securityContext": hardened, "ports": [{"hostPort": 80}]},
            {"name": "b", "securityContext": hardened, "ports": [{"hostPort": 81}]}]);
        let privileged = json!([{"name": "a", "securityContext": {"privileged": true}}]);
        let capable = json!([{"name": "a", "securityContext": {"capabilities": {"add": ["NET_ADMIN", "CHOWN"]}}}]);
        for (pod, level, says) in [
            (plain.clone(), "privileged", ""),
            (plain.clone(), "baseline", ""),
            (plain, "restricted", usual),
            (with("hostPID", json!(true)), "baseline", "host namespaces (hostPID=true)"),
            (with("volumes", root.clone()), "baseline", "hostPath volumes (volume \"root\")"),
            (
                with("volumes", root),
                "restricted",
                "restricted volume types (volume \"root\" uses restricted volume type \"hostPath\")",
            ),
            (with("containers", ports), "restricted", "hostPort (containers \"a\", \"b\" use hostPorts 80, 81)"),
            (
                with("containers", privileged),
                "baseline",
                "privileged (container \"a\" must not set securityContext.privileged=true)",
            ),
            (
                with("containers", capable),
                "baseline",
                "non-default capabilities (container \"a\" must not include \"NET_ADMIN\" in \
                 securityContext.capabilities.add)",
            ),
            (
                with("securityContext", json!({"runAsUser": 0})),
                "restricted",
                "runAsUser=0 (pod must not set runAsUser=0)",
            ),
        ] {
            assert_eq!(violations(&pod, level).join(", "), says, "{level}: {pod}");
        }
    }
}
