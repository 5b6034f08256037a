//! The kinds a server of 1.36 knows, and the names under which kubectl finds them.

use super::error::Error;
use super::go::quoted;

/// A kind of object and its names.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    /// `deployments`.
    pub plural: &'static str,
    /// `deploy`.
    pub short_names: &'static [&'static str],
    /// `apps`; empty for the core group.
    pub group: &'static str,
    /// The version that is preferred.
    pub version: &'static str,
    /// `Deployment`.
    pub kind: &'static str,
    /// Does it live in namespaces?
    pub namespaced: bool,
    /// Does `get all` list it?
    pub in_all: bool,
}

impl Resource {
    /// `pods` or `deployments.apps`, as errors of the server name it.
    pub fn qualified(&self) -> String {
        dotted(self.plural, self.group)
    }

    /// `pod` or `deployment.apps`, as `get` prints it before a slash.
    pub fn lower_kind(&self) -> String {
        dotted(self.kind, self.group).to_lowercase()
    }

    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }
}

fn dotted(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

/// Finds a resource by any of its names: plural, singular, short, kind, with group or version and group behind dots.
pub fn find(name: &str) -> Result<&'static Resource, Error> {
    let lower = name.to_lowercase();
    let (head, group) = lower.split_once('.').unwrap_or((&lower, ""));
    // "deployments.v1.apps" may be given as well; its version is not looked at.
    let after_version = group.split_once('.').filter(|(version, _)| version.starts_with('v')).map(|(_, group)| group);
    let in_group = |r: &Resource| {
        let core_version = r.group.is_empty() && group == r.version;
        group.is_empty() || core_version || r.group.starts_with(group) || after_version.is_some_and(|g| r.group == g)
    };
    let named = |r: &&Resource| {
        (r.plural == head || r.kind.to_lowercase() == head || r.short_names.contains(&head)) && in_group(r)
    };
    RESOURCES.iter().find(named).ok_or_else(|| {
        let (head, _) = name.split_once('.').unwrap_or((name, ""));
        Error::client(format!("the server doesn't have a resource type {}", quoted(head)))
    })
}

/// Finds a resource by group and kind.
pub fn of_kind(api_version: &str, kind: &str) -> Option<&'static Resource> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    RESOURCES.iter().find(|r| r.group == group && r.kind == kind)
}

/// What a category stands for; only `all` is one.
pub fn in_category(name: &str) -> Option<Vec<&'static Resource>> {
    (name == "all").then(|| RESOURCES.iter().filter(|r| r.in_all).collect())
}

/// Every kind, in the order in which discovery names them: that of `get all`.
pub static RESOURCES: &[Resource] = &[
    core("bindings", "Binding", &[]),
    cluster("", "v1", "componentstatuses", "ComponentStatus", &["cs"]),
    core("configmaps", "ConfigMap", &["cm"]),
    core("endpoints", "Endpoints", &["ep"]),
    core("events", "Event", &["ev"]),
    core("limitranges", "LimitRange", &["limits"]),
    cluster("", "v1", "namespaces", "Namespace", &["ns"]),
    cluster("", "v1", "nodes", "Node", &["no"]),
    core("persistentvolumeclaims", "PersistentVolumeClaim", &["pvc"]),
    cluster("", "v1", "persistentvolumes", "PersistentVolume", &["pv"]),
    core("pods", "Pod", &["po"]).listed_in_all(),
    core("podtemplates", "PodTemplate", &[]),
    core("replicationcontrollers", "ReplicationController", &["rc"]).listed_in_all(),
    core("resourcequotas", "ResourceQuota", &["quota"]),
    core("secrets", "Secret", &[]),
    core("serviceaccounts", "ServiceAccount", &["sa"]),
    core("services", "Service", &["svc"]).listed_in_all(),
    namespaced("apps", "v1", "controllerrevisions", "ControllerRevision", &[]),
    namespaced("apps", "v1", "daemonsets", "DaemonSet", &["ds"]).listed_in_all(),
    namespaced("apps", "v1", "deployments", "Deployment", &["deploy"]).listed_in_all(),
    namespaced("apps", "v1", "replicasets", "ReplicaSet", &["rs"]).listed_in_all(),
    namespaced("apps", "v1", "statefulsets", "StatefulSet", &["sts"]).listed_in_all(),
    namespaced("events.k8s.io", "v1", "events", "Event", &["ev"]),
    namespaced("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", &["hpa"]).listed_in_all(),
    namespaced("batch", "v1", "cronjobs", "CronJob", &["cj"]).listed_in_all(),
    namespaced("batch", "v1", "jobs", "Job", &[]).listed_in_all(),
    cluster("certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest", &["csr"]),
    cluster("networking.k8s.io", "v1", "ingressclasses", "IngressClass", &[]),
    namespaced("networking.k8s.io", "v1", "ingresses", "Ingress", &["ing"]),
    cluster("networking.k8s.io", "v1", "ipaddresses", "IPAddress", &["ip"]),
    namespaced("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", &["netpol"]),
    cluster("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", &[]),
    namespaced("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", &["pdb"]),
    cluster("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", &[]),
    cluster("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", &[]),
    namespaced("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", &[]),
    namespaced("rbac.authorization.k8s.io", "v1", "roles", "Role", &[]),
    cluster("storage.k8s.io", "v1", "csidrivers", "CSIDriver", &[]),
    cluster("storage.k8s.io", "v1", "csinodes", "CSINode", &[]),
    namespaced("storage.k8s.io", "v1", "csistoragecapacities", "CSIStorageCapacity", &[]),
    cluster("storage.k8s.io", "v1", "storageclasses", "StorageClass", &["sc"]),
    cluster("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", &[]),
    cluster("storage.k8s.io", "v1", "volumeattributesclasses", "VolumeAttributesClass", &["vac"]),
    cluster("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", &[]),
    cluster("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", &[]),
    cluster(
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        &[],
    ),
    cluster(
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        &[],
    ),
    cluster("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", &["crd", "crds"]),
    cluster("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", &["pc"]),
    namespaced("coordination.k8s.io", "v1", "leases", "Lease", &[]),
    cluster("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", &[]),
    namespaced("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", &[]),
    cluster("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "FlowSchema", &[]),
    cluster("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", "PriorityLevelConfiguration", &[]),
    cluster("resource.k8s.io", "v1", "deviceclasses", "DeviceClass", &[]),
    namespaced("resource.k8s.io", "v1", "resourceclaims", "ResourceClaim", &[]),
    namespaced("resource.k8s.io", "v1", "resourceclaimtemplates", "ResourceClaimTemplate", &[]),
    cluster("resource.k8s.io", "v1", "resourceslices", "ResourceSlice", &[]),
    cluster("apiregistration.k8s.io", "v1", "apiservices", "APIService", &[]),
];

impl Resource {
    const fn listed_in_all(mut self) -> Self {
        self.in_all = true;
        self
    }
}

const fn core(plural: &'static str, kind: &'static str, short_names: &'static [&'static str]) -> Resource {
    namespaced("", "v1", plural, kind, short_names)
}

const fn namespaced(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    short_names: &'static [&'static str],
) -> Resource {
    Resource { plural, short_names, group, version, kind, namespaced: true, in_all: false }
}

const fn cluster(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    short_names: &'static [&'static str],
) -> Resource {
    Resource { plural, short_names, group, version, kind, namespaced: false, in_all: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_resource() {
        for (name, qualified) in [
            ("po", "pods"),
            ("Pod", "pods"),
            ("pods.v1", "pods"),
            ("deploy", "deployments.apps"),
            ("deployments.apps", "deployments.apps"),
            ("deployment.v1.apps", "deployments.apps"),
            ("events", "events"),
            ("ev.events.k8s.io", "events.events.k8s.io"),
            ("pdb", "poddisruptionbudgets.policy"),
        ] {
            assert_eq!(find(name).map(Resource::qualified), Ok(qualified.to_owned()), "{name}");
        }
        assert_eq!(
            find("foo").map_err(|e| e.report()),
            Err("error: the server doesn't have a resource type \"foo\"\n".into())
        );
    }

    #[test]
    fn all_is_in_the_order_of_discovery() {
        let all: Vec<&str> = in_category("all").expect("a category").iter().map(|r| r.plural).collect();
        let expected = "pods replicationcontrollers services daemonsets deployments replicasets statefulsets \
                        horizontalpodautoscalers cronjobs jobs";
        assert_eq!(all.join(" "), expected);
    }
}
