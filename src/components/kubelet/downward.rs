//! The downward API: what variables and files of a container show of its own pod.
//!
//! Follows `pkg/fieldpath/fieldpath.go`, `pkg/api/v1/resource/helpers.go` and `pkg/kubelet/kubelet_resources.go` of
//! Kubernetes 1.36.

use super::Kubelet;
use crate::api::{CPU, FileField, Labels, Name, Pod, ResourceField, ResourceList, Text};
use crate::components::cri::PodKey;

impl Kubelet {
    /// A field of the pod.
    pub(super) fn field(&self, key: PodKey, pod: &Pod, path: &str) -> Text {
        let status = self.pods.get(&key).and_then(|state| state.status.as_ref()).map(|tracked| &tracked.status);
        match path {
            "metadata.name" => pod.meta.name.as_str().into(),
            "metadata.namespace" => pod.meta.namespace.as_str().into(),
            "metadata.uid" => pod.meta.uid.to_string().into(),
            "spec.nodeName" => pod.node_name.as_str().into(),
            "spec.serviceAccountName" => pod.spec.service_account.as_str().into(),
            "status.hostIP" | "status.hostIPs" => self.address.to_string().into(),
            "status.podIP" | "status.podIPs" => {
                let ip = status
                    .and_then(|status| status.pod_ip)
                    .or_else(|| self.pods.get(&key)?.runtime.sandboxes.first()?.ip);
                ip.map(|ip| ip.to_string()).unwrap_or_default().into()
            }
            "metadata.labels" => every_pair(&pod.meta.labels),
            "metadata.annotations" => every_pair(&pod.meta.annotations),
            _ => one_value("metadata.labels", &pod.meta.labels, path)
                .or_else(|| one_value("metadata.annotations", &pod.meta.annotations, path))
                .unwrap_or_default()
                .as_str()
                .into(),
        }
    }

    /// What a file shows.
    pub(super) fn file_field(&self, key: PodKey, pod: &Pod, shown: FileField) -> Text {
        match shown {
            FileField::Pod(path) => self.field(key, pod, &path),
            FileField::Resource(field) => self.resource(pod, field.container, field),
        }
    }

    /// A resource of a container, in whole units of the divisor, rounded up. What has no limit is limited by the pod,
    /// or by what the node has for pods (`defaultPodLimitsForDownwardAPI`).
    pub(super) fn resource(&self, pod: &Pod, own: Name, field: ResourceField) -> Text {
        let of = if field.container.is_empty() { own } else { field.container };
        let Some(container) = pod.spec.container(of) else { return Text::default() };
        let pod_limits = pod.spec.resources.as_ref().map(|(_, limits)| limits.clone()).unwrap_or_default();
        let allocatable = self.node_object.as_ref().map(|node| node.status.allocatable.clone()).unwrap_or_default();
        let ceiling = pod_limits.or(&allocatable);
        shown(&container.requests, &container.limits.or(&ceiling), field).to_string().into()
    }
}

fn shown(requests: &ResourceList, limits: &ResourceList, field: ResourceField) -> i64 {
    let (list, name) = match field.resource.split_once('.') {
        Some(("limits", name)) => (limits, Name::new(name)),
        Some((_, name)) => (requests, Name::new(name)),
        None => return 0,
    };
    let amount = i128::from(list.get(name).unwrap_or(0));
    let thousandths = if name == *CPU { amount } else { amount * 1_000 };
    let divisor = if field.divisor <= 0 { 1_000 } else { i128::from(field.divisor) };
    i64::try_from((thousandths + divisor - 1) / divisor).unwrap_or(i64::MAX)
}

/// `metadata.labels['app']`: the value of one key.
fn one_value(prefix: &str, of: &Labels, path: &str) -> Option<Name> {
    let key = path.strip_prefix(prefix)?.strip_prefix("['")?.strip_suffix("']")?;
    Some(of.get(Name::new(key)).unwrap_or_default())
}

/// Every key and value, a line each (`FormatMap`).
fn every_pair(of: &Labels) -> Text {
    let lines: Vec<String> = of.iter().map(|(key, value)| format!("{key}={:?}", value.as_str())).collect();
    lines.join("\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_shown_in_units_of_their_divisor_rounded_up() {
        // `TestExtractResourceValue`: (resource, divisor in thousandths) and what is shown.
        let requests = ResourceList::default().with(*CPU, 100).with(*crate::api::MEMORY, 10 << 20);
        let limits = ResourceList::default().with(*CPU, 1_900).with(*crate::api::MEMORY, 3_000);
        for (resource, divisor, expected) in [
            ("requests.cpu", 0, 1),
            ("requests.cpu", 1, 100),
            ("limits.cpu", 0, 2),
            ("limits.cpu", 1_000, 2),
            ("limits.cpu", 100, 19),
            ("requests.memory", 0, 10 << 20),
            ("requests.memory", 1_000 << 20, 10),
            ("limits.memory", 1_000 << 10, 3),
            ("limits.ephemeral-storage", 0, 0),
        ] {
            let field = ResourceField { container: Name::default(), resource: Name::new(resource), divisor };
            assert_eq!(shown(&requests, &limits, field), expected, "{resource} / {divisor}");
        }
    }

    #[test]
    fn labels_are_shown_by_key_or_all_in_order() {
        let labels = Labels::EMPTY.with(Name::new("b"), Name::new("2")).with(Name::new("a/x"), Name::new("1"));
        assert_eq!(&*every_pair(&labels), "a/x=\"1\"\nb=\"2\"");
        for (path, value) in [("metadata.labels['b']", Some("2")), ("metadata.labels['c']", Some("")), ("x['b']", None)]
        {
            assert_eq!(one_value("metadata.labels", &labels, path), value.map(Name::new), "{path}");
        }
    }
}
