//! What a pod's machine is called, and whom it asks for names: kubelets work it out, and runtimes write it down.
//!
//! Follows `pkg/kubelet/kubelet_pods.go` (`GeneratePodHostNameAndDomain`), `pkg/kubelet/util/util.go`
//! (`GetNodenameForKernel`) and `pkg/kubelet/network/dns/dns.go` (`GetPodDNS`) of Kubernetes 1.36, with the gate
//! `HostnameOverride` at its default, which is on. A machine's own `resolv.conf` names a name server outside the
//! cluster, and nothing else.

use crate::api::{DnsConfig, DnsPolicy, Name, Pod, Text};
use crate::engine::SimDuration;
use std::net::Ipv4Addr;

/// The end of every name of the cluster.
pub const CLUSTER_DOMAIN: &str = "cluster.local";
/// Where the cluster's DNS answers.
pub const CLUSTER_DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// Whom the machines ask: a name server outside the cluster (out of 192.0.2.0/24, which RFC 5737 keeps free).
pub const MACHINE_DNS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);

/// Longer host names are cut.
const MAX_HOST_NAME: usize = 63;
/// A full name that becomes the host name may have so many bytes.
const MAX_FULL_NAME: usize = 64;
/// So many name servers are asked (`MaxDNSNameservers`).
const MAX_SERVERS: usize = 3;
/// So many domains are searched (`MaxDNSSearchPaths`).
const MAX_SEARCHES: usize = 32;
/// A longer domain is left out (`DNS1123SubdomainMaxLength`).
const MAX_SEARCH: usize = 253;
/// The line of searched domains may be so long (`MaxDNSSearchListChars`).
const MAX_SEARCH_LINE: usize = 2_048;

/// The name of a pod's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    /// The name without its domain.
    pub short: Name,
    /// The domain; empty for none.
    pub domain: String,
}

impl HostName {
    /// That of a pod with a network of its own.
    pub fn of(pod: &Pod) -> Self {
        let spec = &pod.spec;
        if !spec.hostname_override.is_empty() {
            return Self { short: cut(spec.hostname_override), domain: String::new() };
        }
        let short = cut(if spec.hostname.is_empty() { pod.meta.name } else { spec.hostname });
        let domain = match spec.subdomain.as_str() {
            "" => String::new(),
            subdomain => format!("{subdomain}.{}.svc.{CLUSTER_DOMAIN}", pod.meta.namespace),
        };
        Self { short, domain }
    }

    /// That of a machine, which pods on its network share.
    pub const fn of_machine(name: Name) -> Self {
        Self { short: name, domain: String::new() }
    }

    /// The name with its domain.
    pub fn full(&self) -> String {
        if self.domain.is_empty() { self.short.to_string() } else { format!("{}.{}", self.short, self.domain) }
    }

    /// What the kernel says: the short name, or the full one if the pod says so (`GetNodenameForKernel`).
    ///
    /// # Errors
    ///
    /// If the full name is too long.
    pub fn of_kernel(&self, pod: &Pod) -> Result<Name, String> {
        if self.domain.is_empty() || !pod.spec.host_name_as_fqdn {
            return Ok(self.short);
        }
        let full = self.full();
        if full.len() <= MAX_FULL_NAME {
            return Ok(Name::new(&full));
        }
        Err(format!(
            "failed to construct FQDN from pod hostname and cluster domain, FQDN {full} is too long ({MAX_FULL_NAME} \
             characters is the max, {} characters requested)",
            full.len()
        ))
    }
}

/// A name that is not too long (`truncatePodHostnameIfNeeded`).
fn cut(name: Name) -> Name {
    match name.as_str().get(..MAX_HOST_NAME) {
        Some(cut) if name.len() > MAX_HOST_NAME => Name::new(cut.trim_end_matches(['-', '.'])),
        _ => name,
    }
}

/// What `resolv.conf` says in the containers of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolver {
    /// The addresses of name servers, in the order in which they are asked.
    pub servers: Vec<Text>,
    /// The domains in which a name is looked for.
    pub searches: Vec<Text>,
    /// Options and their values, which may be empty.
    pub options: Vec<(Text, Text)>,
}

impl Resolver {
    /// That of a pod, and what people are warned of (`DNSConfigForming`).
    pub fn of(pod: &Pod) -> (Self, Vec<String>) {
        let none = Default::default();
        let dns = pod.spec.dns.as_deref().unwrap_or(&none);
        let mut resolver = match dns.policy {
            DnsPolicy::None => Self::default(),
            DnsPolicy::ClusterFirst if pod.spec.host_network => Self::of_machine(),
            DnsPolicy::Default => Self::of_machine(),
            DnsPolicy::ClusterFirst | DnsPolicy::ClusterFirstWithHostNet => Self::of_cluster(&pod.meta.namespace),
        };
        resolver.append(&dns.config);
        let warnings = resolver.fit_limits();
        (resolver, warnings)
    }

    /// That of the machines.
    fn of_machine() -> Self {
        Self { servers: vec![MACHINE_DNS.to_string().into()], ..Self::default() }
    }

    /// That of pods of a namespace.
    pub fn of_cluster(namespace: &str) -> Self {
        let searches =
            [format!("{namespace}.svc.{CLUSTER_DOMAIN}"), format!("svc.{CLUSTER_DOMAIN}"), CLUSTER_DOMAIN.to_owned()];
        Self {
            servers: vec![CLUSTER_DNS.to_string().into()],
            searches: searches.into_iter().map(Text::from).collect(),
            options: vec![("ndots".into(), "5".into())],
        }
    }

    /// Takes up what the pod says itself; of an option its value counts (`appendDNSConfig`).
    fn append(&mut self, config: &DnsConfig) {
        for (own, more) in [(&mut self.servers, &config.nameservers), (&mut self.searches, &config.searches)] {
            for one in more {
                if !own.contains(one) {
                    own.push(one.clone());
                }
            }
        }
        for (name, value) in &config.options {
            match self.options.iter_mut().find(|(have, _)| have == name) {
                Some((_, have)) => have.clone_from(value),
                None => self.options.push((name.clone(), value.clone())),
            }
        }
    }

    /// Leaves out what is too much, and says so (`formDNSConfigFitsLimits`).
    fn fit_limits(&mut self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.servers.len() > MAX_SERVERS {
            self.servers.truncate(MAX_SERVERS);
            warnings.push(format!(
                "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: {}",
                line(&self.servers)
            ));
        }
        let had = self.searches.len();
        self.searches.truncate(MAX_SEARCHES);
        self.searches.retain(|search| search.len() <= MAX_SEARCH);
        while line(&self.searches).len() > MAX_SEARCH_LINE {
            self.searches.pop();
        }
        if self.searches.len() < had {
            warnings.push(format!(
                "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: {}",
                line(&self.searches)
            ));
        }
        warnings
    }

    /// The file, as containerd writes it (`parseDNSOptions` of `internal/cri/server/sandbox_run_linux.go`).
    pub fn file(&self) -> String {
        let mut text = String::new();
        if !self.searches.is_empty() {
            text += &format!("search {}\n", line(&self.searches));
        }
        for server in &self.servers {
            text += &format!("nameserver {server}\n");
        }
        if !self.options.is_empty() {
            let option = |(name, value): &(Text, Text)| {
                if value.is_empty() { name.to_string() } else { format!("{name}:{value}") }
            };
            text += &format!("options {}\n", self.options.iter().map(option).collect::<Vec<_>>().join(" "));
        }
        text
    }

    /// The number that an option has, bounded as `resolv.conf(5)` says.
    fn number(&self, option: &str, usual: u64, most: u64) -> u64 {
        let set = self.options.iter().find(|(name, _)| **name == *option);
        set.and_then(|(_, value)| value.parse().ok()).unwrap_or(usual).min(most)
    }

    /// How long a name server that says nothing is waited for.
    pub fn timeout(&self) -> SimDuration {
        SimDuration::from_secs(self.number("timeout", 5, 30))
    }

    /// How often all name servers are asked if none says anything.
    pub fn attempts(&self) -> u64 {
        self.number("attempts", 2, 5)
    }

    /// The full names that a name may be short for, in the order in which they are asked for: with enough dots the name
    /// itself comes first (`resolv.conf(5)`, `search` and `ndots`).
    pub fn candidates(&self, host: &str) -> Vec<String> {
        let absolute = host.strip_suffix('.');
        let plain = absolute.unwrap_or(host);
        let mut candidates: Vec<String> = match absolute {
            Some(_) => Vec::new(),
            None => self.searches.iter().map(|search| within(plain, search)).collect(),
        };
        let is_full = plain.matches('.').count() as u64 >= self.number("ndots", 1, 15);
        let place = if is_full { 0 } else { candidates.len() };
        candidates.insert(place, plain.to_owned());
        candidates
    }
}

/// Words on a line.
fn line(words: &[Text]) -> String {
    words.iter().map(|word| &**word).collect::<Vec<_>>().join(" ")
}

/// A name in a searched domain.
fn within(name: &str, search: &str) -> String {
    match search.trim_end_matches('.') {
        "" => name.to_owned(),
        search => format!("{name}.{search}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Metadata, PodDns, PodSpec};
    use std::sync::Arc;

    fn pod(name: &str, spec: PodSpec) -> Pod {
        let meta = Metadata { name: Name::new(name), namespace: Name::new("shop"), ..Metadata::default() };
        Pod { meta, spec: Arc::new(spec), node_name: Name::default(), status: Arc::default() }
    }

    #[test]
    fn machines_are_named_after_what_pods_say() {
        // `TestGeneratePodHostNameAndDomain`, `TestGetNodenameForKernel`.
        let long = "a".repeat(62) + "-b";
        let at = "svc.cluster.local";
        for (name, hostname, subdomain, full_wanted, over, kernel, full) in [
            ("p", "", "", true, "", "p", "p".to_owned()),
            ("p", "h", "", false, "", "h", "h".to_owned()),
            ("p", "h", "web", false, "", "h", format!("h.web.shop.{at}")),
            ("p", "", "web", true, "", "p.web.shop.svc.cluster.local", format!("p.web.shop.{at}")),
            ("p", "h", "web", false, "a.example.com", "a.example.com", "a.example.com".to_owned()),
            (&long, "", "", false, "", &long[..62], long[..62].to_owned()),
        ] {
            let spec = PodSpec {
                hostname: Name::new(hostname),
                subdomain: Name::new(subdomain),
                host_name_as_fqdn: full_wanted,
                hostname_override: Name::new(over),
                ..PodSpec::default()
            };
            let pod = pod(name, spec);
            let found = HostName::of(&pod);
            assert_eq!((found.of_kernel(&pod), found.full()), (Ok(Name::new(kernel)), full));
        }
    }

    #[test]
    fn a_resolver_asks_as_the_policy_says() {
        // `TestGetPodDNS`, `TestFormDNSSearchFitsLimits`: policy, host network; servers and searches.
        let all = "shop.svc.cluster.local svc.cluster.local cluster.local";
        for (policy, host_network, servers, searches) in [
            (DnsPolicy::ClusterFirst, false, "10.96.0.10 1.1.1.1", format!("{all} corp.test")),
            (DnsPolicy::ClusterFirst, true, "192.0.2.53 1.1.1.1", "corp.test".to_owned()),
            (DnsPolicy::ClusterFirstWithHostNet, true, "10.96.0.10 1.1.1.1", format!("{all} corp.test")),
            (DnsPolicy::Default, false, "192.0.2.53 1.1.1.1", "corp.test".to_owned()),
            (DnsPolicy::None, false, "1.1.1.1", "corp.test".to_owned()),
        ] {
            let config = DnsConfig {
                nameservers: vec!["1.1.1.1".into()],
                searches: vec!["corp.test".into()],
                options: vec![("ndots".into(), "2".into()), ("edns0".into(), Text::default())],
            };
            let dns = Some(Box::new(PodDns { policy, config }));
            let (found, warnings) = Resolver::of(&pod("p", PodSpec { dns, host_network, ..PodSpec::default() }));
            assert_eq!((line(&found.servers), line(&found.searches)), (servers.to_owned(), searches), "{policy:?}");
            assert!(warnings.is_empty() && found.file().ends_with("options ndots:2 edns0\n"), "{}", found.file());
            assert_eq!(found.candidates("a.b.c")[0], "a.b.c");
            assert_eq!(found.candidates("a.b").last().map(String::as_str), Some("a.b"));
        }
        let many = |count: usize| (0..count).map(|n| Text::from(format!("{n}.test"))).collect::<Vec<_>>();
        let config = DnsConfig { nameservers: many(3), searches: many(32), options: Vec::new() };
        let dns = Some(Box::new(PodDns { policy: DnsPolicy::ClusterFirst, config }));
        let (found, warnings) = Resolver::of(&pod("p", PodSpec { dns, ..PodSpec::default() }));
        assert_eq!((found.servers.len(), found.searches.len(), warnings.len()), (3, 32, 2));
    }
}
