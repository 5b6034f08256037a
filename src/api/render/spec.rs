//! The spec of a pod or a template: its text as accepted, under what was changed since.
//!
//! The text is lowered again, and where the record says something else than that, the record is printed. So whoever
//! changes a record (admission, a controller, a resize) need not think of its text.

use super::fields::format_quantity;
use crate::api::lower::{decode, default_pod, pod_spec_of};
use crate::api::{
    Affinity, Container, ContainerPort, DnsConfig, EnvFrom, EnvValue, EnvVar, FieldFile, FileField, FileKeyReference,
    Handler, ImagePullPolicy, KeyReference, List, Name, NodeSelectorTerm, ObjectFiles, Operator, Pod, PodAffinityTerm,
    PodDns, PodSpec, PodTemplate, Port, Probe, ProjectedSource, Quantity, QuantityFormat, Requirement,
    ResizeRestartPolicy, ResourceField, ResourceList, RestartRule, RestartRuleAction, Selector, TERMINATION_LOG, Text,
    Toleration, TolerationOperator, TopologySpreadConstraint, Uid, Volume, VolumeMount, VolumeSource,
};
use crate::engine::SimDuration;
use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as QuantityText;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;
use std::collections::BTreeMap;

/// The spec of a pod.
pub(super) fn pod(record: &PodSpec, node_name: Name, identity: Uid, name: Name) -> v1::PodSpec {
    let mut pod = overlaid(record, true);
    pod.node_name = text(node_name);
    pod.priority = Some(record.priority);
    pod.preemption_policy = Some(if record.never_preempts { "Never" } else { "PreemptLowerPriority" }.to_owned());
    if record.token_volume {
        add_token(&mut pod, &token_volume_name(identity, name));
    }
    pod
}

/// A template with its metadata.
pub(super) fn template(record: &PodTemplate, below: Option<&ObjectMeta>) -> v1::PodTemplateSpec {
    let mut meta = below.cloned().unwrap_or_default();
    meta.labels = pairs(&record.labels);
    meta.annotations = pairs(&record.annotations);
    meta.finalizers = strings(&record.finalizers);
    v1::PodTemplateSpec { metadata: Some(meta), spec: Some(overlaid(&record.spec, false)) }
}

fn overlaid(record: &PodSpec, is_pod: bool) -> v1::PodSpec {
    let source: Value = serde_json::from_str(&record.source).unwrap_or_default();
    let mut written: v1::PodSpec = decode(&source).unwrap_or_default();
    if record.source.is_empty() {
        crate::api::lower::default_pod_spec(&mut written);
    }
    if is_pod {
        default_pod(&mut written);
    }
    let mut made = written.clone();
    default_pod(&mut made);
    let mut base = pod_spec_of(made);
    base.source.clone_from(&record.source);
    if base != *record {
        overlay(&mut written, record, &base);
    }
    written
}

/// Prints the fields in which a record differs from its text.
macro_rules! changes {
    ($into:expr, $record:expr, $base:expr; $($field:ident => $target:ident = $value:expr;)*) => {
        $(if $record.$field != $base.$field {
            $into.$target = $value;
        })*
    };
}

fn overlay(pod: &mut v1::PodSpec, record: &PodSpec, base: &PodSpec) {
    containers(&mut pod.containers, &record.containers, &base.containers);
    overlay_list(&mut pod.init_containers, &record.init_containers, &base.init_containers);
    overlay_list(&mut pod.ephemeral_containers, &record.ephemeral_containers, &base.ephemeral_containers);
    changes! { pod, record, base;
        restart_policy => restart_policy = Some(format!("{:?}", record.restart_policy));
        termination_grace_period => termination_grace_period_seconds = Some(record.termination_grace_period);
        active_deadline => active_deadline_seconds = record.active_deadline;
        node_selector => node_selector = pairs(&record.node_selector);
        affinity => affinity = record.affinity.as_deref().map(affinity);
        tolerations => tolerations = some(record.tolerations.iter().map(toleration));
        topology_spread => topology_spread_constraints = some(record.topology_spread.iter().map(spread));
        scheduler_name => scheduler_name = text(record.scheduler_name);
        scheduling_gates => scheduling_gates =
            some(record.scheduling_gates.iter().map(|gate| v1::PodSchedulingGate { name: gate.to_string() }));
        priority_class => priority_class_name = text(record.priority_class);
        host_network => host_network = record.host_network.then_some(true);
        share_process_namespace => share_process_namespace = Some(record.share_process_namespace);
        no_service_links => enable_service_links = Some(!record.no_service_links);
        service_account => service_account_name = text(record.service_account);
        service_account => service_account = text(record.service_account);
        automount_token => automount_service_account_token = record.automount_token;
        overhead => overhead = amounts(&record.overhead, None);
        runtime_class => runtime_class_name = text(record.runtime_class);
        readiness_gates => readiness_gates = some(
            record.readiness_gates.iter().map(|gate| v1::PodReadinessGate { condition_type: gate.to_string() })
        );
        image_pull_secrets => image_pull_secrets = some(
            record.image_pull_secrets.iter().map(|secret| v1::LocalObjectReference { name: secret.to_string() })
        );
        hostname => hostname = text(record.hostname);
        subdomain => subdomain = text(record.subdomain);
        hostname_override => hostname_override = text(record.hostname_override);
        host_name_as_fqdn => set_hostname_as_fqdn = Some(record.host_name_as_fqdn);
        dns => dns_policy = Some(format!("{:?}", record.dns.as_deref().map_or_else(Default::default, |dns| dns.policy)));
        dns => dns_config = record.dns.as_deref().and_then(dns_config);
        os => os = text(record.os).map(|name| v1::PodOS { name });
    }
    if record.resources != base.resources {
        pod.resources = record.resources.as_ref().map(|(requests, limits)| {
            let below = pod.resources.take().unwrap_or_default();
            resources(requests, limits, below)
        });
    }
    if record.volumes != base.volumes {
        let written: BTreeMap<_, _> =
            pod.volumes.iter().flatten().map(|volume| (volume.name.clone(), volume.clone())).collect();
        let print = |record: &Volume| {
            let kept = base.volumes.contains(record).then(|| written.get(record.name.as_str()).cloned()).flatten();
            kept.unwrap_or_else(|| volume(record))
        };
        let tokens = pod.volumes.iter().flatten().filter(|volume| is_token_name(&volume.name)).cloned();
        let tokens: Vec<_> = tokens.collect();
        pod.volumes = some(record.volumes.iter().map(print).chain(tokens));
    }
}

/// What a pod adds to its resolver.
fn dns_config(dns: &PodDns) -> Option<v1::PodDNSConfig> {
    let DnsConfig { nameservers, searches, options } = &dns.config;
    let texts = |list: &[Text]| some(list.iter().map(ToString::to_string));
    let option = |(name, value): &(Text, Text)| v1::PodDNSConfigOption {
        name: Some(name.to_string()),
        value: (!value.is_empty()).then(|| value.to_string()),
    };
    let config = v1::PodDNSConfig {
        nameservers: texts(nameservers),
        searches: texts(searches),
        options: some(options.iter().map(option)),
    };
    (dns.config != DnsConfig::default()).then_some(config)
}

/// A container of one of the two types.
trait Written: Clone + Default {
    fn name(&self) -> &str;
    fn overlay(&mut self, record: &Container, base: &Container);
    fn with_defaults() -> Self;
}

macro_rules! written {
    ($type:ty) => {
        impl Written for $type {
            fn name(&self) -> &str {
                &self.name
            }

            fn with_defaults() -> Self {
                Self {
                    termination_message_path: Some(TERMINATION_LOG.to_owned()),
                    termination_message_policy: Some("File".to_owned()),
                    image_pull_policy: Some("IfNotPresent".to_owned()),
                    ..Self::default()
                }
            }

            fn overlay(&mut self, record: &Container, base: &Container) {
                self.name = record.name.to_string();
                let mounts = self.volume_mounts.iter().flatten().filter(|mount| is_token_name(&mount.name));
                let tokens: Vec<_> = mounts.cloned().collect();
                changes! { self, record, base;
                    image => image = text(record.image);
                    command => command = texts(&record.command);
                    args => args = texts(&record.args);
                    working_dir => working_dir = text(record.working_dir);
                    env => env = some(record.env.iter().map(env_var));
                    env_from => env_from = some(record.env_from.iter().map(env_from));
                    ports => ports = some(record.ports.iter().map(container_port));
                    resize_policy => resize_policy = some(record.resize_policy.iter().map(resize_policy));
                    volume_mounts => volume_mounts = some(record.volume_mounts.iter().map(mount).chain(tokens));
                    liveness => liveness_probe = record.liveness.as_deref().map(probe);
                    readiness => readiness_probe = record.readiness.as_deref().map(probe);
                    startup => startup_probe = record.startup.as_deref().map(probe);
                    image_pull_policy => image_pull_policy = Some(pull_policy(record.image_pull_policy));
                    restart_policy => restart_policy = record.restart_policy.map(|policy| format!("{policy:?}"));
                    restart_rules => restart_policy_rules = some(record.restart_rules.iter().map(restart_rule));
                    termination_message_path => termination_message_path =
                        text(record.termination_message_path).or_else(|| Some(TERMINATION_LOG.to_owned()));
                    fallback_to_logs => termination_message_policy = Some(
                        if record.fallback_to_logs { "FallbackToLogsOnError" } else { "File" }.to_owned()
                    );
                }
                if record.requests != base.requests || record.limits != base.limits {
                    let below = self.resources.take().unwrap_or_default();
                    self.resources = Some(resources(&record.requests, &record.limits, below));
                }
                if record.post_start != base.post_start || record.pre_stop != base.pre_stop {
                    let hooks = self.lifecycle.get_or_insert_default();
                    hooks.post_start = record.post_start.as_deref().map(hook);
                    hooks.pre_stop = record.pre_stop.as_deref().map(hook);
                }
                if (record.run_as_user, record.run_as_non_root) != (base.run_as_user, base.run_as_non_root) {
                    let security = self.security_context.get_or_insert_default();
                    security.run_as_user = record.run_as_user;
                    security.run_as_non_root = record.run_as_non_root.then_some(true);
                }
                if record.read_only_root != base.read_only_root {
                    let security = self.security_context.get_or_insert_default();
                    security.read_only_root_filesystem = Some(record.read_only_root);
                }
                self.resources.get_or_insert_default();
            }
        }
    };
}
written!(v1::Container);
written!(v1::EphemeralContainer);

fn overlay_list<C: Written>(into: &mut Option<Vec<C>>, records: &[Container], bases: &[Container]) {
    let mut list = into.take().unwrap_or_default();
    containers(&mut list, records, bases);
    *into = (!list.is_empty()).then_some(list);
}

fn containers<C: Written>(into: &mut Vec<C>, records: &[Container], bases: &[Container]) {
    if records == bases {
        return;
    }
    let print = |record: &Container| {
        let place = bases.iter().position(|base| base.name == record.name);
        let known = place.and_then(|place| Some((into.iter().find(|c| c.name() == &*record.name)?, &bases[place])));
        match known {
            Some((written, base)) => {
                let mut written = written.clone();
                written.overlay(record, base);
                written
            }
            None => {
                let mut new = C::with_defaults();
                new.overlay(record, &Container::default());
                new
            }
        }
    };
    *into = records.iter().map(print).collect();
}

impl Pod {
    /// The name of the volume with the token of its service account.
    pub fn token_volume_name(&self) -> String {
        token_volume_name(self.meta.uid, self.meta.name)
    }
}

fn is_token_name(name: &str) -> bool {
    name.starts_with("kube-api-access-")
}

/// The name of the token volume: its five letters follow from the pod's identity.
pub(in crate::api) fn token_volume_name(identity: Uid, name: Name) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let key = if identity.is_empty() { name.to_string() } else { identity.to_string() };
    let mut bits = xxhash_rust::xxh3::xxh3_64(key.as_bytes());
    let mut volume = "kube-api-access-".to_owned();
    for _ in 0..5 {
        volume.push(char::from(ALPHABET[(bits % ALPHABET.len() as u64) as usize]));
        bits /= ALPHABET.len() as u64;
    }
    volume
}

/// Adds the volume of the service-account token, unless the text has one (`plugin/pkg/admission/serviceaccount`).
fn add_token(pod: &mut v1::PodSpec, name: &str) {
    const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let written = pod.volumes.iter().flatten().find(|volume| is_token_name(&volume.name));
    let name = match written {
        Some(volume) => volume.name.clone(),
        None => {
            pod.volumes.get_or_insert_default().push(token_volume(name));
            name.to_owned()
        }
    };
    let mount = || v1::VolumeMount {
        name: name.clone(),
        mount_path: PATH.to_owned(),
        read_only: Some(true),
        ..v1::VolumeMount::default()
    };
    for container in pod.containers.iter_mut().chain(pod.init_containers.iter_mut().flatten()) {
        let mounts = container.volume_mounts.get_or_insert_default();
        if !mounts.iter().any(|mount| mount.mount_path == PATH) {
            mounts.push(mount());
        }
    }
}

fn token_volume(name: &str) -> v1::Volume {
    let item = |key: &str| v1::KeyToPath { key: key.to_owned(), path: key.to_owned(), mode: None };
    let namespace = v1::DownwardAPIVolumeFile {
        path: "namespace".to_owned(),
        field_ref: Some(v1::ObjectFieldSelector {
            api_version: Some("v1".to_owned()),
            field_path: "metadata.namespace".to_owned(),
        }),
        ..v1::DownwardAPIVolumeFile::default()
    };
    let sources = vec![
        v1::VolumeProjection {
            service_account_token: Some(v1::ServiceAccountTokenProjection {
                expiration_seconds: Some(3607),
                path: "token".to_owned(),
                ..v1::ServiceAccountTokenProjection::default()
            }),
            ..v1::VolumeProjection::default()
        },
        v1::VolumeProjection {
            config_map: Some(v1::ConfigMapProjection {
                name: "kube-root-ca.crt".to_owned(),
                items: Some(vec![item("ca.crt")]),
                optional: None,
            }),
            ..v1::VolumeProjection::default()
        },
        v1::VolumeProjection {
            downward_api: Some(v1::DownwardAPIProjection { items: Some(vec![namespace]) }),
            ..v1::VolumeProjection::default()
        },
    ];
    v1::Volume {
        name: name.to_owned(),
        projected: Some(v1::ProjectedVolumeSource { default_mode: Some(0o644), sources: Some(sources) }),
        ..v1::Volume::default()
    }
}

/// A text, unless it is empty.
pub(super) fn text(name: Name) -> Option<String> {
    (!name.is_empty()).then(|| name.to_string())
}

fn texts(list: &[Text]) -> Option<Vec<String>> {
    some(list.iter().map(ToString::to_string))
}

fn strings(list: &[Name]) -> Option<Vec<String>> {
    some(list.iter().map(ToString::to_string))
}

fn some<T>(elements: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let elements: Vec<T> = elements.collect();
    (!elements.is_empty()).then_some(elements)
}

/// Labels, unless there are none.
pub(super) fn pairs(labels: &crate::api::Labels) -> Option<BTreeMap<String, String>> {
    let pairs = labels.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    (!labels.is_empty()).then(|| pairs.collect())
}

fn amounts(
    list: &ResourceList,
    written: Option<&BTreeMap<String, QuantityText>>,
) -> Option<BTreeMap<String, QuantityText>> {
    let written = serde_json::to_value(written).unwrap_or_default();
    let print = |(name, amount): (Name, i64)| (name.to_string(), QuantityText(format_quantity(name, amount, &written)));
    (!list.is_empty()).then(|| list.iter().map(print).collect())
}

fn resources(
    requests: &ResourceList,
    limits: &ResourceList,
    below: v1::ResourceRequirements,
) -> v1::ResourceRequirements {
    v1::ResourceRequirements {
        requests: amounts(requests, below.requests.as_ref().or(below.limits.as_ref())),
        limits: amounts(limits, below.limits.as_ref()),
        claims: below.claims,
    }
}

/// A selector whose single values are labels.
pub(super) fn label_selector(selector: &Selector) -> LabelSelector {
    let (labels, rest): (Vec<_>, Vec<_>) = selector
        .0
        .iter()
        .partition(|requirement| requirement.operator == Operator::In && requirement.values.len() == 1);
    let mut seen = BTreeMap::new();
    let mut expressions = Vec::new();
    for requirement in labels {
        let value = requirement.values[0].to_string();
        match seen.get(requirement.key.as_str()) {
            None => drop(seen.insert(requirement.key.to_string(), value)),
            Some(_) => expressions.push(requirement),
        }
    }
    expressions.extend(rest);
    let expression = |requirement: &Requirement| LabelSelectorRequirement {
        key: requirement.key.to_string(),
        operator: format!("{:?}", requirement.operator),
        values: strings(&requirement.values),
    };
    LabelSelector {
        match_labels: (!seen.is_empty()).then_some(seen),
        match_expressions: some(expressions.into_iter().map(expression)),
    }
}

/// One toleration.
pub(super) fn toleration(toleration: &Toleration) -> v1::Toleration {
    v1::Toleration {
        key: text(toleration.key),
        operator: match toleration.operator {
            TolerationOperator::Equal => Some("Equal".to_owned()),
            other => Some(format!("{other:?}")),
        },
        value: text(toleration.value),
        effect: toleration.effect.map(|effect| effect.to_string()),
        toleration_seconds: toleration.seconds,
    }
}

fn affinity(record: &Affinity) -> v1::Affinity {
    let weight = |weight: i64| i32::try_from(weight).unwrap_or(i32::MAX);
    let preferred_nodes =
        some(record.preferred_node_terms.iter().map(|(points, term)| v1::PreferredSchedulingTerm {
            weight: weight(*points),
            preference: node_term(term),
        }));
    let weighted = |terms: &[(i64, PodAffinityTerm)]| {
        some(terms.iter().map(|(points, term)| v1::WeightedPodAffinityTerm {
            weight: weight(*points),
            pod_affinity_term: pod_term(term),
        }))
    };
    let terms = |terms: &[PodAffinityTerm]| some(terms.iter().map(pod_term));
    let nodes = v1::NodeAffinity {
        required_during_scheduling_ignored_during_execution: record
            .required_node_terms
            .as_ref()
            .map(|terms| v1::NodeSelector { node_selector_terms: terms.iter().map(node_term).collect() }),
        preferred_during_scheduling_ignored_during_execution: preferred_nodes,
    };
    let pods = v1::PodAffinity {
        required_during_scheduling_ignored_during_execution: terms(&record.required_pods),
        preferred_during_scheduling_ignored_during_execution: weighted(&record.preferred_pods),
    };
    let anti = v1::PodAntiAffinity {
        required_during_scheduling_ignored_during_execution: terms(&record.required_anti_pods),
        preferred_during_scheduling_ignored_during_execution: weighted(&record.preferred_anti_pods),
    };
    v1::Affinity {
        node_affinity: Some(nodes).filter(|nodes| *nodes != v1::NodeAffinity::default()),
        pod_affinity: Some(pods).filter(|pods| *pods != v1::PodAffinity::default()),
        pod_anti_affinity: Some(anti).filter(|anti| *anti != v1::PodAntiAffinity::default()),
    }
}

/// One term of a node selector.
pub(super) fn node_term(term: &NodeSelectorTerm) -> v1::NodeSelectorTerm {
    let requirements = |list: &List<Requirement>| {
        some(list.iter().map(|requirement| v1::NodeSelectorRequirement {
            key: requirement.key.to_string(),
            operator: format!("{:?}", requirement.operator),
            values: strings(&requirement.values),
        }))
    };
    v1::NodeSelectorTerm {
        match_expressions: requirements(&term.expressions),
        match_fields: requirements(&term.fields),
    }
}

fn pod_term(term: &PodAffinityTerm) -> v1::PodAffinityTerm {
    v1::PodAffinityTerm {
        label_selector: term.selector.as_ref().map(label_selector),
        namespaces: strings(&term.namespaces),
        namespace_selector: term.namespace_selector.as_ref().map(label_selector),
        topology_key: term.topology_key.to_string(),
        match_label_keys: strings(&term.match_label_keys),
        mismatch_label_keys: strings(&term.mismatch_label_keys),
    }
}

fn spread(constraint: &TopologySpreadConstraint) -> v1::TopologySpreadConstraint {
    let small = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    v1::TopologySpreadConstraint {
        max_skew: small(constraint.max_skew),
        topology_key: constraint.topology_key.to_string(),
        when_unsatisfiable: if constraint.required { "DoNotSchedule" } else { "ScheduleAnyway" }.to_owned(),
        label_selector: constraint.selector.as_ref().map(label_selector),
        min_domains: (constraint.min_domains > 1).then(|| small(constraint.min_domains)),
        node_affinity_policy: (!constraint.honor_node_affinity).then(|| "Ignore".to_owned()),
        node_taints_policy: constraint.honor_node_taints.then(|| "Honor".to_owned()),
        match_label_keys: strings(&constraint.match_label_keys),
    }
}

fn volume(record: &Volume) -> v1::Volume {
    let mut volume = v1::Volume { name: record.name.to_string(), ..v1::Volume::default() };
    let read_only = |value: bool| value.then_some(true);
    match &record.source {
        VolumeSource::EmptyDir { size_limit, in_memory } => {
            volume.empty_dir = Some(v1::EmptyDirVolumeSource {
                medium: in_memory.then(|| "Memory".to_owned()),
                size_limit: size_limit
                    .map(|limit| QuantityText(crate::api::format_amount(*crate::api::STORAGE, limit))),
            });
        }
        VolumeSource::HostPath { path, kind } => {
            volume.host_path = Some(v1::HostPathVolumeSource { path: path.to_string(), type_: Some(kind.to_string()) });
        }
        VolumeSource::ConfigMap(files) => {
            volume.config_map = Some(v1::ConfigMapVolumeSource {
                name: files.name.to_string(),
                optional: files.optional.then_some(true),
                items: items(files),
                default_mode: Some(files.mode),
            });
        }
        VolumeSource::Secret(files) => {
            volume.secret = Some(v1::SecretVolumeSource {
                secret_name: text(files.name),
                optional: files.optional.then_some(true),
                items: items(files),
                default_mode: Some(files.mode),
            });
        }
        VolumeSource::Projected(sources) => {
            let sources = some(sources.iter().map(projection));
            volume.projected = Some(v1::ProjectedVolumeSource { default_mode: Some(0o644), sources });
        }
        VolumeSource::DownwardApi(files) => {
            let items = some(files.iter().map(file_field));
            volume.downward_api = Some(v1::DownwardAPIVolumeSource { default_mode: Some(0o644), items });
        }
        VolumeSource::Claim { name, read_only: value } => {
            volume.persistent_volume_claim = Some(v1::PersistentVolumeClaimVolumeSource {
                claim_name: name.to_string(),
                read_only: read_only(*value),
            });
        }
        VolumeSource::Ephemeral { template } => {
            let template: Value = serde_json::from_str(template).unwrap_or_default();
            volume.ephemeral = Some(v1::EphemeralVolumeSource { volume_claim_template: decode(&template).ok() });
        }
        VolumeSource::Image { reference, pull_policy: policy } => {
            volume.image =
                Some(v1::ImageVolumeSource { reference: text(*reference), pull_policy: Some(pull_policy(*policy)) });
        }
        VolumeSource::Disk { kind, identity, read_only: value } => {
            disk(&mut volume, kind, identity, read_only(*value));
        }
        VolumeSource::Csi { driver } => {
            volume.csi = Some(v1::CSIVolumeSource { driver: driver.to_string(), ..v1::CSIVolumeSource::default() });
        }
        // Only its text knew more.
        VolumeSource::Other { .. } => volume.empty_dir = Some(v1::EmptyDirVolumeSource::default()),
    }
    volume
}

fn projection(source: &ProjectedSource) -> v1::VolumeProjection {
    let mut projection = v1::VolumeProjection::default();
    match source {
        ProjectedSource::ConfigMap(files) => {
            projection.config_map = Some(v1::ConfigMapProjection {
                name: files.name.to_string(),
                optional: files.optional.then_some(true),
                items: items(files),
            });
        }
        ProjectedSource::Secret(files) => {
            projection.secret = Some(v1::SecretProjection {
                name: files.name.to_string(),
                optional: files.optional.then_some(true),
                items: items(files),
            });
        }
        ProjectedSource::DownwardApi(fields) => {
            projection.downward_api = Some(v1::DownwardAPIProjection { items: some(fields.iter().map(file_field)) });
        }
        ProjectedSource::Token { path } => {
            projection.service_account_token = Some(v1::ServiceAccountTokenProjection {
                expiration_seconds: Some(3600),
                path: path.to_string(),
                ..v1::ServiceAccountTokenProjection::default()
            });
        }
    }
    projection
}

fn disk(volume: &mut v1::Volume, kind: &str, identity: &str, read_only: Option<bool>) {
    let identity = identity.to_owned();
    match kind {
        "gcePersistentDisk" => {
            volume.gce_persistent_disk = Some(v1::GCEPersistentDiskVolumeSource {
                pd_name: identity,
                read_only,
                ..v1::GCEPersistentDiskVolumeSource::default()
            });
        }
        "awsElasticBlockStore" => {
            volume.aws_elastic_block_store = Some(v1::AWSElasticBlockStoreVolumeSource {
                volume_id: identity,
                ..v1::AWSElasticBlockStoreVolumeSource::default()
            });
        }
        "iscsi" => {
            volume.iscsi = Some(v1::ISCSIVolumeSource { iqn: identity, read_only, ..v1::ISCSIVolumeSource::default() });
        }
        _ => {
            volume.rbd = Some(v1::RBDVolumeSource { image: identity, read_only, ..v1::RBDVolumeSource::default() });
        }
    }
}

fn items(files: &ObjectFiles) -> Option<Vec<v1::KeyToPath>> {
    some(files.items.iter().map(|file| v1::KeyToPath {
        key: file.key.to_string(),
        path: file.path.to_string(),
        mode: file.mode,
    }))
}

fn field(path: Name) -> v1::ObjectFieldSelector {
    v1::ObjectFieldSelector { api_version: Some("v1".to_owned()), field_path: path.to_string() }
}

fn resource_field(field: &ResourceField) -> v1::ResourceFieldSelector {
    let divisor = if field.divisor % 1_000 == 0 {
        Quantity::new(field.divisor / 1_000, QuantityFormat::DecimalSI).to_string()
    } else {
        format!("{}m", field.divisor)
    };
    v1::ResourceFieldSelector {
        container_name: text(field.container),
        resource: field.resource.to_string(),
        divisor: Some(QuantityText(divisor)),
    }
}

fn file_field(record: &FieldFile) -> v1::DownwardAPIVolumeFile {
    let mut file = v1::DownwardAPIVolumeFile { path: record.path.to_string(), ..v1::DownwardAPIVolumeFile::default() };
    match record.field {
        FileField::Pod(path) => file.field_ref = Some(field(path)),
        FileField::Resource(resource) => file.resource_field_ref = Some(resource_field(&resource)),
    }
    file
}

fn env_var(variable: &EnvVar) -> v1::EnvVar {
    let mut printed = v1::EnvVar { name: variable.name.to_string(), ..v1::EnvVar::default() };
    let mut from = v1::EnvVarSource::default();
    match &variable.value {
        EnvValue::Literal(value) => {
            printed.value = (!value.is_empty()).then(|| value.to_string());
            return printed;
        }
        EnvValue::Field(path) => {
            from.field_ref = Some(field(*path));
        }
        EnvValue::Resource(field) => from.resource_field_ref = Some(resource_field(field)),
        EnvValue::ConfigMapKey(KeyReference { name, key, optional }) => {
            from.config_map_key_ref = Some(v1::ConfigMapKeySelector {
                name: name.to_string(),
                key: key.to_string(),
                optional: optional.then_some(true),
            });
        }
        EnvValue::SecretKey(KeyReference { name, key, optional }) => {
            from.secret_key_ref = Some(v1::SecretKeySelector {
                name: name.to_string(),
                key: key.to_string(),
                optional: optional.then_some(true),
            });
        }
        EnvValue::FileKey(FileKeyReference { volume, path, key, optional }) => {
            from.file_key_ref = Some(v1::FileKeySelector {
                volume_name: volume.to_string(),
                path: path.to_string(),
                key: key.to_string(),
                optional: Some(*optional),
            });
        }
    }
    printed.value_from = Some(from);
    printed
}

fn env_from(source: &EnvFrom) -> v1::EnvFromSource {
    let (name, optional) = (source.name.to_string(), source.optional.then_some(true));
    let mut printed = v1::EnvFromSource { prefix: text(source.prefix), ..v1::EnvFromSource::default() };
    if source.secret {
        printed.secret_ref = Some(v1::SecretEnvSource { name, optional });
    } else {
        printed.config_map_ref = Some(v1::ConfigMapEnvSource { name, optional });
    }
    printed
}

fn container_port(port: &ContainerPort) -> v1::ContainerPort {
    v1::ContainerPort {
        name: text(port.name),
        container_port: port.container_port.into(),
        host_port: (port.host_port != 0).then(|| port.host_port.into()),
        host_ip: text(port.host_ip),
        protocol: text(port.protocol),
    }
}

fn resize_policy((resource, policy): &(Name, ResizeRestartPolicy)) -> v1::ContainerResizePolicy {
    v1::ContainerResizePolicy { resource_name: resource.to_string(), restart_policy: format!("{policy:?}") }
}

fn mount(mount: &VolumeMount) -> v1::VolumeMount {
    v1::VolumeMount {
        name: mount.name.to_string(),
        mount_path: mount.mount_path.to_string(),
        sub_path: text(mount.sub_path),
        sub_path_expr: text(mount.sub_path_expr),
        read_only: mount.read_only.then_some(true),
        ..v1::VolumeMount::default()
    }
}

fn pull_policy(policy: ImagePullPolicy) -> String {
    format!("{policy:?}")
}

fn restart_rule(rule: &RestartRule) -> v1::ContainerRestartRule {
    v1::ContainerRestartRule {
        action: match rule.action {
            RestartRuleAction::Restart => "Restart".to_owned(),
            RestartRuleAction::RestartAllContainers => "RestartAllContainers".to_owned(),
        },
        exit_codes: Some(v1::ContainerRestartRuleOnExitCodes {
            operator: if rule.when_in { "In" } else { "NotIn" }.to_owned(),
            values: Some(rule.values.clone()),
        }),
    }
}

fn seconds(duration: SimDuration) -> Option<i32> {
    let seconds = i32::try_from(duration.as_nanos() / 1_000_000_000).unwrap_or(i32::MAX);
    (seconds != 0).then_some(seconds)
}

fn probe(probe: &Probe) -> v1::Probe {
    let count = |count: u32| Some(i32::try_from(count).unwrap_or(i32::MAX));
    let mut printed = v1::Probe {
        initial_delay_seconds: seconds(probe.initial_delay),
        timeout_seconds: seconds(probe.timeout),
        period_seconds: seconds(probe.period),
        success_threshold: count(probe.success_threshold),
        failure_threshold: count(probe.failure_threshold),
        termination_grace_period_seconds: probe.termination_grace_period,
        ..v1::Probe::default()
    };
    match &probe.handler {
        Handler::Exec { command } => printed.exec = Some(v1::ExecAction { command: texts(command) }),
        Handler::HttpGet { .. } => printed.http_get = http(&probe.handler),
        Handler::TcpSocket { port: number, host } => {
            printed.tcp_socket = Some(v1::TCPSocketAction { port: port(*number), host: text(*host) });
        }
        Handler::Grpc { port, service } => {
            printed.grpc = Some(v1::GRPCAction { port: (*port).into(), service: Some(service.to_string()) });
        }
        Handler::Sleep { .. } => {}
    }
    printed
}

fn http(handler: &Handler) -> Option<v1::HTTPGetAction> {
    let Handler::HttpGet { path, port: number, host, https, headers } = handler else { return None };
    Some(v1::HTTPGetAction {
        path: text(*path),
        port: port(*number),
        host: text(*host),
        scheme: Some(if *https { "HTTPS" } else { "HTTP" }.to_owned()),
        http_headers: some(
            headers.iter().map(|(name, value)| v1::HTTPHeader { name: name.to_string(), value: value.to_string() }),
        ),
    })
}

fn hook(handler: &Handler) -> v1::LifecycleHandler {
    let mut printed = v1::LifecycleHandler::default();
    match handler {
        Handler::Exec { command } => printed.exec = Some(v1::ExecAction { command: texts(command) }),
        Handler::HttpGet { .. } => printed.http_get = http(handler),
        Handler::TcpSocket { port: number, host } => {
            printed.tcp_socket = Some(v1::TCPSocketAction { port: port(*number), host: text(*host) });
        }
        Handler::Sleep { seconds } => {
            printed.sleep = Some(v1::SleepAction { seconds: i64::try_from(*seconds).unwrap_or(i64::MAX) });
        }
        Handler::Grpc { .. } => {}
    }
    printed
}

fn port(port: Port) -> IntOrString {
    match port {
        Port::Number(number) => IntOrString::Int(number.into()),
        Port::Named(name) => IntOrString::String(name.to_string()),
    }
}
