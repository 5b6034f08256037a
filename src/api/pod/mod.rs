//! Pods: what was asked for ([`PodSpec`]) and what is known ([`PodStatus`]).

mod container;
mod dns;
mod probe;
pub mod requests;
mod scheduling;
mod status;
mod volume;

pub use container::*;
pub use dns::*;
pub use probe::*;
pub use scheduling::*;
pub use status::*;
pub use volume::*;

use super::{Labels, Metadata, Name, PodClaimSource, PodResourceClaim, ResourceList, Resources, Text};
use serde::Serialize;
use std::sync::Arc;

/// `v1.Pod`. Immutable: every write makes a new version, and versions share what did not change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pod {
    /// Names and versions.
    pub meta: Metadata,
    /// What was asked for; shared by all pods of a template.
    pub spec: Arc<PodSpec>,
    /// `spec.nodeName`: empty until the pod is bound.
    pub node_name: Name,
    /// What is known; shared by versions that differ elsewhere.
    pub status: Arc<PodStatus>,
}

impl Pod {
    /// Whether the phase is Succeeded or Failed.
    pub fn is_terminal(&self) -> bool {
        self.status.phase.is_terminal()
    }

    /// Whether it is neither finished nor on its way out (`pkg/controller/controller_utils.go`, `IsPodActive`).
    pub fn is_active(&self) -> bool {
        !self.is_terminal() && !self.meta.is_terminating()
    }

    /// Whether its condition Ready is true.
    pub fn is_ready(&self) -> bool {
        self.status.is_ready()
    }

    /// How often its containers were restarted, all in all.
    pub fn restarts(&self) -> u32 {
        self.status.all_containers().map(|container| container.restart_count).sum()
    }
}

impl Pod {
    /// The claim behind one of the pod's claims, and whether it was made for the pod (`resourceclaim.Name`): none if
    /// that is not known yet.
    pub fn resource_claim(&self, claim: &PodResourceClaim) -> Option<(Name, bool)> {
        match claim.source {
            PodClaimSource::Claim(name) => Some((name, false)),
            PodClaimSource::Template(_) => {
                let made = self.status.resource_claims.iter().find(|(name, _)| *name == claim.name)?;
                Some((made.1, true))
            }
        }
    }
}

/// `v1.PodSpec`, lowered: parsed, defaulted and admitted.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct PodSpec {
    /// Regular containers.
    pub containers: Vec<Container>,
    /// Init containers and sidecars, in order.
    pub init_containers: Vec<Container>,
    /// Ephemeral containers, in order of their addition.
    pub ephemeral_containers: Vec<Container>,
    /// Whether containers are started again.
    pub restart_policy: RestartPolicy,
    /// Seconds between stop signal and kill; negative counts as 1.
    pub termination_grace_period: i64,
    /// Seconds after which the pod fails.
    pub active_deadline: Option<i64>,
    /// Labels that the node must have.
    pub node_selector: Labels,
    /// Further wishes about the place; boxed because most pods have none.
    pub affinity: Option<Box<Affinity>>,
    /// Taints that the pod bears.
    pub tolerations: Vec<Toleration>,
    /// How the pod's kind is to be spread.
    pub topology_spread: Vec<TopologySpreadConstraint>,
    /// Who places it.
    pub scheduler_name: Name,
    /// What must be removed before it is placed.
    pub scheduling_gates: Vec<Name>,
    /// The number behind the priority class: decided at admission.
    pub priority: i32,
    /// The number that the manifest gave, which must agree.
    pub given_priority: Option<i32>,
    /// The priority class; empty for none.
    pub priority_class: Name,
    /// Whether it pushes nobody out: decided at admission.
    pub never_preempts: bool,
    /// What the manifest says about that.
    pub given_never_preempts: Option<bool>,
    /// Whether it uses the node's network.
    pub host_network: bool,
    /// Whether the containers see each other's processes (and `pause` is PID 1).
    pub share_process_namespace: bool,
    /// The identity of its processes.
    pub service_account: Name,
    /// Whether a token volume is wanted, if the pod says so itself.
    pub automount_token: Option<bool>,
    /// Whether a token volume is mounted: decided at admission.
    pub token_volume: bool,
    /// The volumes.
    pub volumes: Vec<Volume>,
    /// What the runtime class adds to the requests.
    pub overhead: ResourceList,
    /// The runtime class; empty for the default.
    pub runtime_class: Name,
    /// Pod-level requests and limits, if given.
    pub resources: Option<(ResourceList, ResourceList)>,
    /// Conditions that others must set before the pod is ready.
    pub readiness_gates: Vec<Name>,
    /// Secrets for pulling images.
    pub image_pull_secrets: Vec<Name>,
    /// Host name and subdomain, if set.
    pub hostname: Name,
    /// The headless Service that gives it a name.
    pub subdomain: Name,
    /// `spec.os.name`, if set.
    pub os: Name,
    /// Names of the kernel parameters that it sets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sysctls: Vec<Name>,
    /// Whether its containers are not told of the Services of the namespace (`enableServiceLinks: false`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_service_links: bool,
    /// Whether it uses the node's interprocess communication.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub host_ipc: bool,
    /// Claims on devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_claims: Vec<PodResourceClaim>,
    /// Whether the kernel says the full name of its machine (`setHostnameAsFQDN`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub host_name_as_fqdn: bool,
    /// A host name that counts before hostname and subdomain; empty for none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub hostname_override: Name,
    /// Whom it asks for names; none for the cluster's DNS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Box<PodDns>>,
    /// Effective requests, by the arithmetic that the scheduler uses; kept with the spec because it never changes.
    pub requests: Resources,
    /// The same with 100m and 200Mi for containers that state nothing: what scores are computed from.
    pub non_zero_requests: (i64, i64),
    /// The whole spec as accepted, as JSON text; what has no effect here is still printed.
    pub source: Text,
}

impl PodSpec {
    /// The init containers that are not sidecars.
    pub fn plain_init_containers(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().filter(|container| !container.is_sidecar())
    }

    /// The sidecars, in order.
    pub fn sidecars(&self) -> impl DoubleEndedIterator<Item = &Container> {
        self.init_containers.iter().filter(|container| container.is_sidecar())
    }

    /// The containers that the pod was created with: init, regular.
    pub fn created_containers(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// Containers of all kinds: init, regular, ephemeral.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.created_containers().chain(&self.ephemeral_containers)
    }

    /// A container of any kind by name.
    pub fn container(&self, name: Name) -> Option<&Container> {
        self.all_containers().find(|container| container.name == name)
    }

    /// The effective restart policy of a container.
    pub fn restart_policy_of(&self, container: &Container) -> RestartPolicy {
        container.restart_policy.unwrap_or(self.restart_policy)
    }
}
