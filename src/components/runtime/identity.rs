//! What a container's machine calls itself: the host name, and the files of `/etc` that say it.
//!
//! Follows the kubelet (`GeneratePodHostNameAndDomain` and `managedHostsFileContent` of `pkg/kubelet/kubelet_pods.go`)
//! and containerd, which writes `/etc/hostname` and `/etc/resolv.conf` (`internal/cri/server/sandbox_run_linux.go`).
//! The files are made when somebody reads them. `dnsPolicy` and `dnsConfig` are left out: all ask the cluster's DNS.

use super::filesystem::{Managed, ManagedFiles};
use super::machine::PodRecord;
use super::services::DNS;
use crate::api::{Name, Pod, PodSpec};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Longer host names are cut.
const MAX_HOST_NAME: usize = 63;

/// What names a pod's machine.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) host_name: Name,
    pub(super) address: Option<Ipv4Addr>,
    pod: Arc<Pod>,
}

impl Identity {
    /// That of a pod on a node of this name and address.
    pub(super) fn new(record: &PodRecord, (node, address): (Name, Ipv4Addr)) -> Self {
        let pod = record.pod.clone();
        let address = record.address().or(pod.spec.host_network.then_some(address));
        Self { host_name: host_name(&pod, node), address, pod }
    }

    /// The host name with its domain.
    pub(super) fn full_name(&self) -> String {
        let Pod { spec, meta, .. } = &*self.pod;
        if spec.subdomain.is_empty() || spec.host_network {
            return self.host_name.to_string();
        }
        format!("{}.{}.{}.svc.cluster.local", self.host_name, spec.subdomain, meta.namespace)
    }

    fn hosts(&self) -> String {
        let mut text = String::from(if self.pod.spec.host_network {
            "# Kubernetes-managed hosts file (host network).\n127.0.0.1\tlocalhost\n"
        } else {
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
             fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
        });
        if let Some(address) = self.address {
            let (name, full) = (self.host_name, self.full_name());
            text +=
                &if *full == *name { format!("{address}\t{name}\n") } else { format!("{address}\t{full}\t{name}\n") };
        }
        let aliases = host_aliases(&self.pod.spec);
        if !aliases.is_empty() {
            text += "\n# Entries added by HostAliases.\n";
        }
        for (address, names) in aliases {
            text += &format!("{address}\t{}\n", names.join("\t"));
        }
        text
    }
}

impl ManagedFiles for Identity {
    fn content(&self, file: Managed) -> String {
        match file {
            Managed::HostName => format!("{}\n", self.host_name),
            Managed::Hosts => self.hosts(),
            Managed::ResolvConf => {
                let namespace = self.pod.meta.namespace;
                format!(
                    "search {namespace}.svc.cluster.local svc.cluster.local cluster.local\nnameserver {DNS}\noptions \
                     ndots:5\n"
                )
            }
        }
    }
}

/// The name that a pod's machine has.
pub(super) fn host_name(pod: &Pod, node: Name) -> Name {
    if pod.spec.host_network {
        return node;
    }
    let name = if pod.spec.hostname.is_empty() { pod.meta.name } else { pod.spec.hostname };
    match name.as_str().get(..MAX_HOST_NAME) {
        Some(cut) if name.len() > MAX_HOST_NAME => Name::new(cut.trim_end_matches(['-', '.'])),
        _ => name,
    }
}

/// `hostAliases`: addresses and their names.
pub(super) fn host_aliases(spec: &PodSpec) -> Vec<(String, Vec<String>)> {
    if !spec.source.contains("\"hostAliases\"") {
        return Vec::new();
    }
    let spec: Value = serde_json::from_str(&spec.source).unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let alias = |alias: &Value| {
        let names = alias["hostnames"].as_array().into_iter().flatten().filter_map(text).collect();
        Some((text(&alias["ip"])?, names))
    };
    spec["hostAliases"].as_array().into_iter().flatten().filter_map(alias).collect()
}
