//! Whom the containers of a pod ask for names.

use crate::api::Text;
use serde::Serialize;

/// `dnsPolicy` and `dnsConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PodDns {
    /// What is taken from the cluster, or from the node.
    pub policy: DnsPolicy,
    /// What the pod adds.
    pub config: DnsConfig,
}

/// `v1.DNSPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub enum DnsPolicy {
    /// The cluster's DNS; on the node's network, whatever the node asks.
    #[default]
    ClusterFirst,
    /// The cluster's DNS, on the node's network, too.
    ClusterFirstWithHostNet,
    /// Whatever the node asks.
    Default,
    /// Nothing but what the pod says.
    None,
}

/// `v1.PodDNSConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DnsConfig {
    /// Addresses of name servers.
    pub nameservers: Vec<Text>,
    /// Domains in which names are looked for.
    pub searches: Vec<Text>,
    /// Options of the resolver with their values, which may be empty.
    pub options: Vec<(Text, Text)>,
}
