//! Which kernel parameters a pod may set: the safe ones, and those that the kubelet's settings add.
//!
//! Follows `pkg/kubelet/sysctl/allowlist.go` and `safe_sysctls.go` of Kubernetes 1.36, on a kernel of today.

use crate::api::PodSpec;

/// Parameters that are namespaced and isolated.
const SAFE: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

/// Why a pod may not set one of its parameters: the first that it may not.
pub(super) fn forbidden(spec: &PodSpec, unsafe_ones: &[String]) -> Option<String> {
    let first = spec.sysctls.iter().find_map(|name| why_not(&normalized(name), spec, unsafe_ones));
    first.map(|why| format!("forbidden sysctl: {why}"))
}

fn why_not(name: &str, spec: &PodSpec, unsafe_ones: &[String]) -> Option<String> {
    let listed = |pattern: &String| match normalized(pattern).strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == normalized(pattern),
    };
    if !SAFE.contains(&name) && !unsafe_ones.iter().any(listed) {
        return Some(format!("{name:?} not allowlisted"));
    }
    let of_host = match namespace(name)? {
        "net" => spec.host_network,
        _ => spec.host_ipc,
    };
    of_host.then(|| format!("{name:?} not allowed with host {} enabled", namespace(name).unwrap_or_default()))
}

/// The namespace that keeps a parameter apart from that of the node (`pkg/util/sysctl/namespace.go`).
fn namespace(name: &str) -> Option<&'static str> {
    const OF_IPC: [&str; 4] = ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];
    if name.starts_with("net.") {
        Some("net")
    } else {
        OF_IPC.iter().any(|prefix| name.starts_with(prefix)).then_some("ipc")
    }
}

/// Names may be written with slashes, in which dots then stand for slashes (`NormalizeName`).
fn normalized(name: &str) -> String {
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    match name.find(['.', '/']) {
        Some(at) if name[at..].starts_with('/') => name.chars().map(swap).collect(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Name;

    #[test]
    fn pods_set_what_is_safe_or_listed_and_not_the_node_s_own() {
        // `TestAllowlist`: (parameter, host network, host IPC) and the refusal; two patterns are listed.
        let listed = ["kernel.msg*".to_owned(), "net.core.somaxconn".to_owned(), "kernel/sem".to_owned()];
        for (name, host_network, host_ipc, refusal) in [
            ("kernel.shm_rmid_forced", false, false, None),
            ("net/ipv4/ip_local_port_range", false, false, None),
            ("net.ipv4.tcp_rmem", false, false, None),
            ("kernel.msgmax", false, false, None),
            ("kernel.sem", true, false, None),
            ("net.core.somaxconn", false, true, None),
            ("kernel.shmmax", false, false, Some("\"kernel.shmmax\" not allowlisted")),
            ("net.core.somaxconn", true, false, Some("\"net.core.somaxconn\" not allowed with host net enabled")),
            (
                "kernel.shm_rmid_forced",
                false,
                true,
                Some("\"kernel.shm_rmid_forced\" not allowed with host ipc enabled"),
            ),
        ] {
            let spec = PodSpec { sysctls: vec![Name::new(name)], host_network, host_ipc, ..PodSpec::default() };
            let refusal = refusal.map(|refusal| format!("forbidden sysctl: {refusal}"));
            assert_eq!(forbidden(&spec, &listed), refusal, "{name}");
        }
    }

    #[test]
    fn dots_and_slashes_stand_for_each_other() {
        for (name, dotted) in [("kernel.sem", "kernel.sem"), ("net/ipv4/conf/eth0.1/x", "net.ipv4.conf.eth0/1.x")] {
            assert_eq!(normalized(name), dotted);
        }
    }
}
