//! The kinds that a server of 1.36 serves by default and that have no effect here, and those that custom resource
//! definitions add.

use crate::api::{Kind, Name};
use serde_json::Value;
use std::collections::BTreeMap;

/// A kind that is stored and printed, no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InertKind {
    /// Group and version, such as `rbac.authorization.k8s.io/v1`.
    pub api_version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The resource, such as `roles`.
    pub plural: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

macro_rules! inert {
    ($($api_version:literal: $($kind:literal $plural:literal $scope:ident),*;)*) => {
        &[$($(InertKind {
            api_version: $api_version, kind: $kind, plural: $plural, namespaced: inert!(@ $scope)
        },)*)*]
    };
    (@ namespaced) => { true };
    (@ cluster) => { false };
}

/// Every kind without effect. One that gets an effect moves to `kinds!` in `object.rs`.
pub const INERT_KINDS: &[InertKind] = inert! {
    "v1": "PodTemplate" "podtemplates" namespaced;
    "admissionregistration.k8s.io/v1":
        "MutatingAdmissionPolicy" "mutatingadmissionpolicies" cluster,
        "MutatingAdmissionPolicyBinding" "mutatingadmissionpolicybindings" cluster,
        "MutatingWebhookConfiguration" "mutatingwebhookconfigurations" cluster,
        "ValidatingAdmissionPolicy" "validatingadmissionpolicies" cluster,
        "ValidatingAdmissionPolicyBinding" "validatingadmissionpolicybindings" cluster,
        "ValidatingWebhookConfiguration" "validatingwebhookconfigurations" cluster;
    "apiextensions.k8s.io/v1": "CustomResourceDefinition" "customresourcedefinitions" cluster;
    "apiregistration.k8s.io/v1": "APIService" "apiservices" cluster;
    "authentication.k8s.io/v1":
        "SelfSubjectReview" "selfsubjectreviews" cluster, "TokenReview" "tokenreviews" cluster;
    "authorization.k8s.io/v1":
        "LocalSubjectAccessReview" "localsubjectaccessreviews" namespaced,
        "SelfSubjectAccessReview" "selfsubjectaccessreviews" cluster,
        "SelfSubjectRulesReview" "selfsubjectrulesreviews" cluster,
        "SubjectAccessReview" "subjectaccessreviews" cluster;
    "certificates.k8s.io/v1": "CertificateSigningRequest" "certificatesigningrequests" cluster;
    "coordination.k8s.io/v1": "Lease" "leases" namespaced;
    "events.k8s.io/v1": "Event" "events" namespaced;
    "flowcontrol.apiserver.k8s.io/v1":
        "FlowSchema" "flowschemas" cluster,
        "PriorityLevelConfiguration" "prioritylevelconfigurations" cluster;
    "networking.k8s.io/v1":
        "IPAddress" "ipaddresses" cluster,
        "Ingress" "ingresses" namespaced,
        "IngressClass" "ingressclasses" cluster,
        "NetworkPolicy" "networkpolicies" namespaced,
        "ServiceCIDR" "servicecidrs" cluster;
    "rbac.authorization.k8s.io/v1":
        "ClusterRole" "clusterroles" cluster,
        "ClusterRoleBinding" "clusterrolebindings" cluster,
        "Role" "roles" namespaced,
        "RoleBinding" "rolebindings" namespaced;
    "storage.k8s.io/v1": "VolumeAttributesClass" "volumeattributesclasses" cluster;
};

/// The kinds that custom resource definitions added, by group, version and kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomKinds(BTreeMap<(Name, Name), CustomKind>);

/// A kind that a custom resource definition added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustomKind {
    /// The resource, such as `prometheuses`.
    pub plural: Name,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl CustomKinds {
    /// Adds the kinds of a custom resource definition; any other object adds none. Whether it was one is returned.
    ///
    /// ```
    /// let mut kinds = podsim::api::CustomKinds::default();
    /// assert!(kinds.register(&serde_json::json!({
    ///     "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    ///     "metadata": {"name": "dongles.example.com"},
    ///     "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Dongle", "plural": "dongles"},
    ///              "versions": [{"name": "v1", "served": true, "storage": true}]},
    /// })));
    /// assert!(kinds.get("example.com/v1", "Dongle").is_some());
    /// ```
    pub fn register(&mut self, object: &Value) -> bool {
        if object["kind"] != "CustomResourceDefinition" || object["apiVersion"] != "apiextensions.k8s.io/v1" {
            return false;
        }
        let spec = &object["spec"];
        let text = |value: &Value| Name::new(value.as_str().unwrap_or_default());
        let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]));
        let custom = CustomKind { plural: text(&spec["names"]["plural"]), namespaced: spec["scope"] != "Cluster" };
        let versions = spec["versions"].as_array().map_or(&[][..], Vec::as_slice);
        for version in versions.iter().filter(|version| version["served"] != false) {
            let api_version = Name::new(&format!("{group}/{}", text(&version["name"])));
            self.0.insert((api_version, kind), custom);
        }
        true
    }

    /// A kind as a manifest names it.
    pub fn get(&self, api_version: &str, kind: &str) -> Option<CustomKind> {
        self.0.get(&(Name::new(api_version), Name::new(kind))).copied()
    }
}

/// A kind that a server knows, as a manifest names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServedKind {
    /// One with a record of its own.
    Typed(Kind),
    /// One that is stored and printed, no more.
    Inert {
        /// The resource.
        plural: Name,
        /// Whether its objects live in namespaces.
        namespaced: bool,
    },
}

impl ServedKind {
    /// Whether its objects live in namespaces.
    pub const fn is_namespaced(self) -> bool {
        match self {
            Self::Typed(kind) => kind.is_namespaced(),
            Self::Inert { namespaced, .. } => namespaced,
        }
    }

    /// The resource with its group, such as `deployments.apps`.
    pub fn resource(self, api_version: &str) -> String {
        match self {
            Self::Typed(kind) => kind.resource(),
            Self::Inert { plural, .. } => match api_version.split_once('/') {
                Some((group, _)) => format!("{plural}.{group}"),
                None => plural.to_string(),
            },
        }
    }
}

/// The kind of an `apiVersion` and `kind`, unless a server of 1.36 with these custom kinds has none.
pub fn served_kind(api_version: &str, kind: &str, custom: &CustomKinds) -> Option<ServedKind> {
    if (api_version, kind) == ("autoscaling/v1", "HorizontalPodAutoscaler") {
        return Some(ServedKind::Typed(Kind::HorizontalPodAutoscaler)); // Stored as v2, whichever is written.
    }
    if let Some(typed) = Kind::from_manifest(api_version, kind) {
        return Some(ServedKind::Typed(typed));
    }
    let inert = INERT_KINDS.iter().find(|inert| inert.kind == kind && inert.api_version == api_version);
    if let Some(inert) = inert {
        return Some(ServedKind::Inert { plural: Name::new(inert.plural), namespaced: inert.namespaced });
    }
    let custom = custom.get(api_version, kind)?;
    Some(ServedKind::Inert { plural: custom.plural, namespaced: custom.namespaced })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_those_that_a_server_of_1_36_has() {
        for (api_version, kind, expected) in [
            ("v1", "Pod", Some("pods")),
            ("apps/v1", "Deployment", Some("deployments.apps")),
            ("rbac.authorization.k8s.io/v1", "ClusterRole", Some("clusterroles.rbac.authorization.k8s.io")),
            ("policy/v1beta1", "PodDisruptionBudget", None),
            ("extensions/v1beta1", "Deployment", None),
            ("batch/v1beta1", "CronJob", None),
            ("autoscaling/v1", "HorizontalPodAutoscaler", Some("horizontalpodautoscalers.autoscaling")),
            ("autoscaling/v2beta2", "HorizontalPodAutoscaler", None),
            ("v1", "Other", None),
            ("", "", None),
        ] {
            let found = served_kind(api_version, kind, &CustomKinds::default());
            assert_eq!(found.map(|found| found.resource(api_version)).as_deref(), expected, "{api_version} {kind}");
        }
    }
}
