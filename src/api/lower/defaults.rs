//! What the API server fills in when it decodes a pod or a template (`pkg/apis/core/v1/defaults.go`).

use super::common::Amounts;
use crate::api::Quantity;
use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as QuantityText;
use std::collections::BTreeMap;

/// Sets what is not set.
pub(super) fn set<T>(field: &mut Option<T>, default: impl Into<T>) {
    if field.is_none() {
        *field = Some(default.into());
    }
}

/// `SetDefaults_PodSpec` and the defaults of everything in it: of pods and of templates.
pub(crate) fn pod_spec(pod: &mut v1::PodSpec) {
    set(&mut pod.dns_policy, "ClusterFirst");
    set(&mut pod.restart_policy, "Always");
    set(&mut pod.security_context, v1::PodSecurityContext::default());
    set(&mut pod.termination_grace_period_seconds, 30);
    set(&mut pod.scheduler_name, "default-scheduler");
    // The old name of the field is kept in step with the new one.
    let account = pod.service_account_name.take().or(pod.service_account.take());
    pod.service_account.clone_from(&account);
    pod.service_account_name = account;
    for container in pod.containers.iter_mut().chain(pod.init_containers.iter_mut().flatten()) {
        container_defaults!(container);
    }
    for container in pod.ephemeral_containers.iter_mut().flatten() {
        container_defaults!(container);
    }
    for source in pod.volumes.iter_mut().flatten() {
        volume(source);
    }
}

/// The defaults of a container of either type; they have the same fields.
macro_rules! container_defaults {
    ($container:expr) => {{
        let container = $container;
        if container.image_pull_policy.is_none() {
            container.image_pull_policy = Some(pull_policy(container.image.as_deref()));
        }
        set(&mut container.termination_message_path, "/dev/termination-log");
        set(&mut container.termination_message_policy, "File");
        set(&mut container.resources, v1::ResourceRequirements::default());
        for port in container.ports.iter_mut().flatten() {
            set(&mut port.protocol, "TCP");
        }
        for probe in
            [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe].into_iter()
        {
            probe.iter_mut().for_each(self::probe);
        }
        for hooks in container.lifecycle.iter_mut() {
            for hook in [&mut hooks.post_start, &mut hooks.pre_stop].into_iter().flatten() {
                hook.http_get.iter_mut().for_each(http_get);
            }
        }
        for variable in container.env.iter_mut().flatten() {
            for from in variable.value_from.iter_mut() {
                from.field_ref.iter_mut().for_each(|field| set(&mut field.api_version, "v1"));
                from.resource_field_ref.iter_mut().for_each(resource_field);
                from.file_key_ref.iter_mut().for_each(|file| set(&mut file.optional, false));
            }
        }
    }};
}
use container_defaults;

fn probe(probe: &mut v1::Probe) {
    set(&mut probe.timeout_seconds, 1);
    set(&mut probe.period_seconds, 10);
    set(&mut probe.success_threshold, 1);
    set(&mut probe.failure_threshold, 3);
    probe.http_get.iter_mut().for_each(http_get);
    probe.grpc.iter_mut().for_each(|grpc| set(&mut grpc.service, ""));
}

fn http_get(http: &mut v1::HTTPGetAction) {
    set(&mut http.path, "/");
    set(&mut http.scheme, "HTTP");
}

fn resource_field(field: &mut v1::ResourceFieldSelector) {
    set(&mut field.divisor, QuantityText("0".to_owned()));
}

fn downward_items(items: &mut Option<Vec<v1::DownwardAPIVolumeFile>>) {
    for item in items.iter_mut().flatten() {
        item.field_ref.iter_mut().for_each(|field| set(&mut field.api_version, "v1"));
        item.resource_field_ref.iter_mut().for_each(resource_field);
    }
}

fn volume(volume: &mut v1::Volume) {
    let name = std::mem::take(&mut volume.name);
    if *volume == v1::Volume::default() {
        volume.empty_dir = Some(v1::EmptyDirVolumeSource::default());
    }
    volume.name = name;
    volume.host_path.iter_mut().for_each(|host| set(&mut host.type_, ""));
    volume.secret.iter_mut().for_each(|secret| set(&mut secret.default_mode, 0o644));
    volume.config_map.iter_mut().for_each(|map| set(&mut map.default_mode, 0o644));
    for fields in volume.downward_api.iter_mut() {
        set(&mut fields.default_mode, 0o644);
        downward_items(&mut fields.items);
    }
    for projected in volume.projected.iter_mut() {
        set(&mut projected.default_mode, 0o644);
        for source in projected.sources.iter_mut().flatten() {
            source.service_account_token.iter_mut().for_each(|token| set(&mut token.expiration_seconds, 3600));
            source.downward_api.iter_mut().for_each(|fields| downward_items(&mut fields.items));
        }
    }
    for template in volume.ephemeral.iter_mut().filter_map(|ephemeral| ephemeral.volume_claim_template.as_mut()) {
        template.metadata.get_or_insert_default();
        claim_spec(&mut template.spec);
    }
    for image in volume.image.iter_mut().filter(|image| image.pull_policy.is_none()) {
        image.pull_policy = Some(pull_policy(image.reference.as_deref()));
    }
    volume.iscsi.iter_mut().for_each(|iscsi| set(&mut iscsi.iscsi_interface, "default"));
    for rbd in volume.rbd.iter_mut() {
        set(&mut rbd.pool, "rbd");
        set(&mut rbd.user, "admin");
        set(&mut rbd.keyring, "/etc/ceph/keyring");
    }
    for azure in volume.azure_disk.iter_mut() {
        set(&mut azure.caching_mode, "ReadWrite");
        set(&mut azure.kind, "Shared");
        set(&mut azure.fs_type, "ext4");
        set(&mut azure.read_only, false);
    }
}

/// `SetDefaults_PersistentVolumeClaimSpec`.
pub(super) fn claim_spec(claim: &mut v1::PersistentVolumeClaimSpec) {
    set(&mut claim.volume_mode, "Filesystem");
    set(&mut claim.resources, v1::VolumeResourceRequirements::default());
}

/// `SetDefaults_Pod`, after [`pod_spec`]: what only pods get, and templates only when a pod is made from them.
pub(crate) fn pod(pod: &mut v1::PodSpec) {
    for container in pod.containers.iter_mut().chain(pod.init_containers.iter_mut().flatten()) {
        let resources = container.resources.get_or_insert_default();
        for (name, limit) in resources.limits.iter().flatten() {
            resources.requests.get_or_insert_default().entry(name.clone()).or_insert_with(|| limit.clone());
        }
        if pod.host_network == Some(true) {
            for port in container.ports.iter_mut().flatten() {
                set(&mut port.host_port, port.container_port);
            }
        }
    }
    if pod.resources.is_some() {
        pod_level(pod);
    }
    set(&mut pod.enable_service_links, true);
}

/// `defaultHugePagePodLimits` and `defaultPodRequests`.
fn pod_level(pod: &mut v1::PodSpec) {
    let Some(mut own) = pod.resources.take() else { return };
    let is_empty = |list: &Option<Amounts>| list.as_ref().is_none_or(BTreeMap::is_empty);
    if !is_empty(&own.limits) || !is_empty(&own.requests) {
        for (name, sum) in aggregate(pod, |resources| resources.limits.as_ref()) {
            let requested = own.requests.as_ref().is_some_and(|requests| requests.contains_key(&name));
            if name.starts_with("hugepages-") && !requested {
                own.limits.get_or_insert_default().entry(name).or_insert(sum);
            }
        }
    }
    if !is_empty(&own.limits) {
        let requests = own.requests.get_or_insert_default();
        for (name, sum) in aggregate(pod, |resources| resources.requests.as_ref()) {
            if name == "cpu" || name == "memory" {
                requests.entry(name).or_insert(sum);
            }
        }
        for (name, limit) in own.limits.iter().flatten() {
            if name == "cpu" || name == "memory" || name.starts_with("hugepages-") {
                requests.entry(name.clone()).or_insert_with(|| limit.clone());
            }
        }
        if requests.is_empty() {
            own.requests = None;
        }
    }
    pod.resources = Some(own);
}

/// What all containers together request, as text.
pub(crate) fn aggregate_requests(pod: &v1::PodSpec) -> Amounts {
    aggregate(pod, |resources| resources.requests.as_ref())
}

/// What all containers together need, sidecars and the order of init containers considered
/// (`AggregateContainerRequests`, `AggregateContainerLimits`).
fn aggregate(pod: &v1::PodSpec, list: fn(&v1::ResourceRequirements) -> Option<&Amounts>) -> Amounts {
    type Sums = BTreeMap<String, Quantity>;
    let read = |container: &v1::Container| -> Sums {
        let stated = container.resources.as_ref().and_then(list);
        let read = |(name, text): (&String, &QuantityText)| (name.clone(), text.0.parse().unwrap_or_default());
        stated.into_iter().flatten().map(read).collect()
    };
    let add = |sums: &mut Sums, list: &Sums| {
        for (name, quantity) in list {
            match sums.get_mut(name) {
                Some(sum) => sum.add(quantity),
                None => drop(sums.insert(name.clone(), quantity.clone())),
            }
        }
    };
    let raise = |most: &mut Sums, list: Sums| {
        for (name, quantity) in list {
            if most.get(&name).is_none_or(|have| *have < quantity) {
                most.insert(name, quantity);
            }
        }
    };
    let (mut sums, mut sidecars, mut most) = (Sums::new(), Sums::new(), Sums::new());
    pod.containers.iter().for_each(|container| add(&mut sums, &read(container)));
    for container in pod.init_containers.iter().flatten() {
        let own = read(container);
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut sums, &own);
            add(&mut sidecars, &own);
            raise(&mut most, sidecars.clone());
        } else {
            let mut together = own;
            add(&mut together, &sidecars);
            raise(&mut most, together);
        }
    }
    raise(&mut sums, most);
    sums.into_iter().map(|(name, sum)| (name, QuantityText(sum.to_string()))).collect()
}

/// `Always` for the tag `latest`, also where neither tag nor digest is given; else `IfNotPresent`.
fn pull_policy(image: Option<&str>) -> String {
    let is_latest = image.and_then(image_tag) == Some("latest");
    if is_latest { "Always" } else { "IfNotPresent" }.to_owned()
}

/// The tag of an image reference, `latest` where neither tag nor digest is given; `None` if it is no reference, or
/// has a digest alone (`pkg/util/parsers`, `ParseImageName`).
pub(crate) fn image_tag(image: &str) -> Option<&str> {
    let (named, digest) = image.split_once('@').map_or((image, None), |(named, digest)| (named, Some(digest)));
    let (path, tag) = match named.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (named, None),
    };
    // A first part with a dot, a port or the name localhost is a registry; the rest is lower case.
    let remainder = match path.split_once('/') {
        Some((domain, rest)) if domain.contains(['.', ':']) || domain == "localhost" => rest,
        _ => path,
    };
    let is_word = |part: &str| {
        let is_edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.bytes().all(|c| is_edge(c) || b"._-".contains(&c))
            && part.bytes().next().is_some_and(is_edge)
            && part.bytes().last().is_some_and(is_edge)
    };
    let is_tag = |tag: &str| {
        (1..=128).contains(&tag.len())
            && tag.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c))
            && !tag.starts_with(['.', '-'])
    };
    if !remainder.split('/').all(is_word) || !tag.is_none_or(is_tag) {
        return None;
    }
    match (tag, digest) {
        (Some(tag), _) => Some(tag),
        (None, None) => Some("latest"),
        (None, Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_as_the_server_finds_them() {
        for (image, tag) in [
            ("nginx", Some("latest")),
            ("nginx:1.27", Some("1.27")),
            ("registry:5000/nginx", Some("latest")),
            ("registry:5000/a/nginx:x", Some("x")),
            ("nginx@sha256:00", None),
            ("nginx:latest@sha256:00", Some("latest")),
            ("Nginx", None),
            ("nginx:", None),
            ("REG.example.com/nginx", Some("latest")),
            ("", None),
        ] {
            assert_eq!(image_tag(image), tag, "{image}");
        }
    }
}
