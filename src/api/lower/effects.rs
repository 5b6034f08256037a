//! Fields that are accepted, kept and printed, and change nothing in a simulation: the list behind podsim's warnings.
//!
//! To give a field an effect, delete its line. What is not listed here has one, or only describes (names, versions,
//! timestamps). Kinds without effect are those that become [`Object::Other`](crate::api::Object::Other).

use crate::api::FastMap;
use serde_json::Value;
use std::sync::LazyLock;

/// `Struct.field` as in the Go types, with the value at which it asks for nothing; in order.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("CSIDriverSpec.fsGroupPolicy", "ReadWriteOnceWithFSType"),
    ("CSIDriverSpec.nodeAllocatableUpdatePeriodSeconds", ""),
    ("CSIDriverSpec.podInfoOnMount", "false"),
    ("CSIDriverSpec.requiresRepublish", "false"),
    ("CSIDriverSpec.seLinuxMount", "false"),
    ("CSIDriverSpec.tokenRequests", ""),
    ("CSIVolumeSource.fsType", ""),
    ("CSIVolumeSource.nodePublishSecretRef", ""),
    ("CSIVolumeSource.volumeAttributes", ""),
    ("ConfigMap.binaryData", ""),
    ("Container.stdinOnce", ""),
    ("Device.allowMultipleAllocations", ""),
    ("Device.bindingConditions", ""),
    ("Device.bindingFailureConditions", ""),
    ("Device.bindsToNode", ""),
    ("Device.consumesCounters", ""),
    ("Device.nodeAllocatableResourceMappings", ""),
    ("Device.taints", ""),
    ("DeviceClaim.config", ""),
    ("DeviceClassSpec.config", ""),
    ("DeviceClassSpec.extendedResourceName", ""),
    ("DeviceConstraint.distinctAttribute", ""),
    ("DeviceSubRequest.capacity", ""),
    ("DeviceSubRequest.tolerations", ""),
    ("EmptyDirVolumeSource.medium", "Memory"),
    ("EphemeralContainer.stdinOnce", ""),
    ("ExactDeviceRequest.capacity", ""),
    ("ExactDeviceRequest.tolerations", ""),
    ("Lifecycle.stopSignal", ""),
    ("NodeSpec.configSource", ""),
    ("PersistentVolumeClaimSpec.dataSource", ""),
    ("PersistentVolumeClaimSpec.dataSourceRef", ""),
    ("PersistentVolumeClaimSpec.volumeAttributesClassName", ""),
    ("PersistentVolumeSpec.mountOptions", ""),
    ("PersistentVolumeSpec.volumeAttributesClassName", ""),
    ("PodSecurityContext.appArmorProfile", ""),
    ("PodSecurityContext.fsGroupChangePolicy", ""),
    ("PodSecurityContext.seLinuxChangePolicy", ""),
    ("PodSecurityContext.seLinuxOptions", ""),
    ("PodSecurityContext.seccompProfile", ""),
    ("PodSecurityContext.supplementalGroupsPolicy", ""),
    ("PodSecurityContext.windowsOptions", ""),
    ("PodSpec.hostIPC", ""),
    ("PodSpec.hostPID", ""),
    ("PodSpec.hostUsers", "true"),
    ("PodSpec.schedulingGroup", ""),
    ("ResourceRequirements.claims", ""),
    ("ResourceSliceSpec.sharedCounters", ""),
    ("SecurityContext.allowPrivilegeEscalation", ""),
    ("SecurityContext.appArmorProfile", ""),
    ("SecurityContext.capabilities", ""),
    ("SecurityContext.privileged", "false"),
    ("SecurityContext.procMount", "Default"),
    ("SecurityContext.seLinuxOptions", ""),
    ("SecurityContext.seccompProfile", ""),
    ("SecurityContext.windowsOptions", ""),
    ("ServiceAccount.secrets", ""),
    ("ServiceAccountTokenProjection.audience", ""),
    ("ServiceSpec.allocateLoadBalancerNodePorts", "true"),
    ("ServiceSpec.externalIPs", ""),
    ("ServiceSpec.loadBalancerClass", ""),
    ("ServiceSpec.loadBalancerIP", ""),
    ("ServiceSpec.loadBalancerSourceRanges", ""),
    ("StorageClass.mountOptions", ""),
    ("StorageClass.parameters", ""),
    ("Volume.azureDisk", ""),
    ("Volume.azureFile", ""),
    ("Volume.cephfs", ""),
    ("Volume.cinder", ""),
    ("Volume.fc", ""),
    ("Volume.flexVolume", ""),
    ("Volume.flocker", ""),
    ("Volume.gitRepo", ""),
    ("Volume.glusterfs", ""),
    ("Volume.nfs", ""),
    ("Volume.photonPersistentDisk", ""),
    ("Volume.portworxVolume", ""),
    ("Volume.quobyte", ""),
    ("Volume.scaleIO", ""),
    ("Volume.storageos", ""),
    ("Volume.vsphereVolume", ""),
    ("VolumeMount.mountPropagation", "None"),
    ("VolumeMount.recursiveReadOnly", "Disabled"),
    ("VolumeProjection.clusterTrustBundle", ""),
    ("VolumeProjection.podCertificate", ""),
];

/// Those of them that PodSecurity reads where a namespace enforces a standard: there they decide who comes in.
const FOR_POD_SECURITY: [&str; 6] =
    ["hostPID", "hostIPC", "privileged", "allowPrivilegeEscalation", "capabilities", "seccompProfile"];

/// Whether a field of a pod, by its path, has an effect where the namespace enforces a Pod Security Standard.
pub fn is_for_pod_security(path: &str) -> bool {
    path.rsplit('.').next().is_some_and(|field| FOR_POD_SECURITY.contains(&field))
}

/// A part of the list.
type Part = &'static [(&'static str, &'static str)];

/// The part of the list that is about one struct.
pub(super) fn without(of: &str) -> Part {
    static PARTS: LazyLock<FastMap<&str, Part>> = LazyLock::new(|| {
        let parts = WITHOUT_EFFECT.chunk_by(|(one, _), (other, _)| struct_of(one) == struct_of(other));
        parts.map(|part| (struct_of(part[0].0), part)).collect()
    });
    PARTS.get(of).copied().unwrap_or_default()
}

fn struct_of(field: &str) -> &str {
    field.split_once('.').map_or(field, |(of, _)| of)
}

/// Whether a field is among a struct's fields without effect and asks for something.
pub(super) fn applies(list: &[(&str, &str)], of: &str, name: &str, value: &Value) -> bool {
    let is_it = |(field, _): &&(&str, &str)| field.len() == of.len() + 1 + name.len() && field.ends_with(name);
    let Some((_, default)) = list.iter().find(is_it) else { return false };
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty() && text != default,
        Value::Bool(value) => *default != if *value { "true" } else { "false" },
        Value::Number(number) => number.as_i64() != default.parse().ok(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_list_is_in_order_and_found_by_struct() {
        assert!(WITHOUT_EFFECT.is_sorted_by_key(|(field, _)| struct_of(field)));
        let container = without("Container");
        assert_eq!(container.len(), 1);
        assert!(without("ContainerPort").is_empty());
        for (name, value, expected) in [
            ("stdinOnce", json!(true), true),
            ("terminationMessagePath", json!("/tmp/x"), false),
            ("image", json!("nginx"), false),
        ] {
            assert_eq!(applies(container, "Container", name, &value), expected, "{name} {value}");
        }
        for (medium, expected) in [("", false), ("Memory", false), ("HugePages-2Mi", true)] {
            let list = without("EmptyDirVolumeSource");
            assert_eq!(applies(list, "EmptyDirVolumeSource", "medium", &json!(medium)), expected, "{medium}");
        }
    }
}
