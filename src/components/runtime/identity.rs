//! What a container's machine calls itself: the host name, and the files of `/etc` that say it; and what the kernel
//! says of its main process.
//!
//! Follows the kubelet (`managedHostsFileContent` of `pkg/kubelet/kubelet_pods.go`) and containerd, which writes
//! `/etc/hostname` and `/etc/resolv.conf` (`internal/cri/server/sandbox_run_linux.go`). The files are made when
//! somebody reads them.

use super::filesystem::{Managed, ManagedFiles, base_name};
use super::image_table::ImageModel;
use super::machine::PodRecord;
use crate::api::{ContainerId, Name, Pod, PodSpec};
use crate::components::cri::ContainerConfig;
use crate::components::pod_names::{HostName, Resolver};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What names a pod's machine.
#[derive(Debug)]
pub(super) struct Identity {
    /// What the kernel says.
    pub(super) host_name: Name,
    /// The name and its domain, as `/etc/hosts` has them.
    name: HostName,
    pub(super) address: Option<Ipv4Addr>,
    pod: Arc<Pod>,
    container: Name,
    /// What its main process runs.
    config: Arc<ContainerConfig>,
    image: Arc<ImageModel>,
}

impl Identity {
    /// That of a container of a pod on a node of this name and address.
    pub(super) fn new(
        record: &PodRecord,
        container: ContainerId,
        (node, address): (Name, Ipv4Addr),
        (config, image): (Arc<ContainerConfig>, Arc<ImageModel>),
    ) -> Self {
        let pod = record.pod.clone();
        let address = record.address().or(pod.spec.host_network.then_some(address));
        let name = machine_name(&pod, node);
        let container = record.instance(container).map(|instance| instance.status.name).unwrap_or_default();
        Self { host_name: kernel_name(&name, &pod), name, address, pod, container, config, image }
    }

    /// The command line of the main process: where containers see each other's processes it is that of the sandbox.
    fn main_command(&self) -> Vec<String> {
        if self.config.shares_processes {
            return vec!["/pause".to_owned()];
        }
        self.image.command_line(&self.config.command, &self.config.args)
    }

    /// The groups of its processes, their own first: `runAsGroup`, `supplementalGroups` and `fsGroup`.
    pub(super) fn groups(&self) -> Vec<u32> {
        let spec: Value = serde_json::from_str(&self.pod.spec.source).unwrap_or_default();
        let lists = ["containers", "initContainers", "ephemeralContainers"].into_iter();
        let mut containers = lists.filter_map(|list| spec[list].as_array()).flatten();
        let own = containers.find(|container| container["name"] == self.container.as_str());
        let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        let of_pod = &spec["securityContext"];
        let first = own.and_then(|own| number(&own["securityContext"]["runAsGroup"]));
        let first = first.or_else(|| number(&of_pod["runAsGroup"])).unwrap_or(0);
        let more = of_pod["supplementalGroups"].as_array().into_iter().flatten().chain([&of_pod["fsGroup"]]);
        let mut more: Vec<u32> = more.filter_map(number).filter(|group| *group != first).collect();
        more.sort_unstable();
        more.dedup();
        std::iter::once(first).chain(more).collect()
    }

    /// The name of the main process as the kernel keeps it: so many characters of its file's.
    fn main_name(&self) -> String {
        let command = self.main_command();
        base_name(command.first().map_or("", |name| name)).chars().take(15).collect()
    }

    /// The host name with its domain.
    pub(super) fn full_name(&self) -> String {
        self.name.full()
    }

    fn hosts(&self) -> String {
        let mut text = String::from(if self.pod.spec.host_network {
            "# Kubernetes-managed hosts file (host network).\n127.0.0.1\tlocalhost\n"
        } else {
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
             fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
        });
        if let Some(address) = self.address {
            let (name, full) = (self.name.short, self.full_name());
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
            Managed::ResolvConf => Resolver::of(&self.pod).0.file(),
            Managed::Comm => self.main_name() + "\n",
            Managed::MemoryMax => match self.config.limits.memory() {
                0 => "max\n".to_owned(),
                bytes => format!("{bytes}\n"),
            },
            Managed::CpuMax => match self.config.limits.milli_cpu() {
                0 => "max 100000\n".to_owned(),
                milli => format!("{} 100000\n", milli * 100),
            },
            Managed::CommandLine => self.main_command().iter().map(|word| format!("{word}\0")).collect(),
            Managed::Status => format!(
                "Name:\t{}\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t1\nNgid:\t0\nPid:\t1\nPPid:\t0\n\
                 TracerPid:\t0\n",
                self.main_name()
            ),
        }
    }
}

/// The name that a pod's machine has.
pub(super) fn machine_name(pod: &Pod, node: Name) -> HostName {
    if pod.spec.host_network { HostName::of_machine(node) } else { HostName::of(pod) }
}

/// What the kernel says of it. No sandbox was made under a name that is too long.
fn kernel_name(name: &HostName, pod: &Pod) -> Name {
    name.of_kernel(pod).unwrap_or(name.short)
}

/// What the kernel says that a pod's machine is called.
pub(super) fn host_name(pod: &Pod, node: Name) -> Name {
    kernel_name(&machine_name(pod, node), pod)
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
