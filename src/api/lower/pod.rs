//! Pods and the templates that make them.

use super::common::{self, Amounts, amounts, labels, name, names, operator, selector};
use super::container::resource_field;
use super::{Lower, container, defaults, gates};
use crate::api::pod::requests;
use crate::api::validation::{self, Errors};
use crate::api::{
    Affinity, DnsConfig, DnsPolicy, FieldFile, FileField, KeyFile, Labels, List, Metadata, Name, NodeSelectorTerm,
    ObjectFiles, Pod, PodAffinityTerm, PodClaimSource, PodDns, PodResourceClaim, PodSpec, PodTemplate, ProjectedSource,
    Requirement, RestartPolicy, TaintEffect, Text, Toleration, TolerationOperator, TopologySpreadConstraint, Volume,
    VolumeSource,
};
use k8s_openapi::api::core::v1;
use std::sync::Arc;

impl Lower for v1::Pod {
    type Record = Pod;

    fn validate(&self, errors: &mut Errors) {
        if let Some(spec) = &self.spec {
            validation::pod(spec, errors);
        }
    }

    fn set_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        defaults::pod_spec(spec);
        defaults::pod(spec);
        gates::drop_disabled(spec);
    }

    fn record(self, meta: Metadata) -> Pod {
        pod(self, meta)
    }
}

fn pod(pod: v1::Pod, meta: Metadata) -> Pod {
    let mut spec = pod.spec.unwrap_or_default();
    let node_name = spec.node_name.take().map_or_else(Name::default, |node| Name::new(&node));
    let spec = pod_spec(spec);
    let mut status = super::status::pod_status(pod.status.unwrap_or_default());
    if !status.has_qos_class {
        status.record.qos_class = requests::qos_class(&spec);
    }
    Pod { meta, spec: Arc::new(spec), node_name, status: status.record.shared() }
}

/// A template, whose spec is that of a pod made from it (`SetDefaults_Pod`), before admission.
pub(super) fn template(template: &v1::PodTemplateSpec) -> PodTemplate {
    let meta = template.metadata.as_ref();
    let mut made = template.spec.clone().unwrap_or_default();
    defaults::pod(&mut made);
    let node_name = made.node_name.as_deref().map(Name::new).unwrap_or_default();
    let mut spec = pod_spec(made);
    // What is printed of the template is what was written; a pod that is made from it is defaulted when it is printed.
    spec.source = template.spec.as_ref().map(common::json).unwrap_or_default();
    PodTemplate {
        labels: labels(meta.and_then(|meta| meta.labels.as_ref())),
        annotations: labels(meta.and_then(|meta| meta.annotations.as_ref())),
        finalizers: names(meta.and_then(|meta| meta.finalizers.as_ref())),
        node_name,
        spec: Arc::new(spec),
    }
}

/// A defaulted pod spec. The volume with the service-account token is kept as a flag.
pub(crate) fn pod_spec(mut pod: v1::PodSpec) -> PodSpec {
    pod.node_name = None;
    let source = common::json(&pod);
    let security = pod.security_context.take().unwrap_or_default();
    let token = pod.volumes.iter().flatten().find(|volume| is_token_volume(volume)).map(|volume| volume.name.clone());
    let is_token = |name: &str| token.as_deref() == Some(name);
    let lower = |container: v1::Container| container::container(container, &security, &is_token);
    let resources =
        pod.resources.as_ref().map(|resources| pair(resources.requests.as_ref(), resources.limits.as_ref()));
    // Collected in place, they would keep the room of what they were made from.
    let mut containers: Vec<_> = pod.containers.into_iter().map(lower).collect();
    containers.shrink_to_fit();
    let mut spec = PodSpec {
        containers,
        init_containers: pod.init_containers.into_iter().flatten().map(lower).collect(),
        ephemeral_containers: pod
            .ephemeral_containers
            .into_iter()
            .flatten()
            .map(|container| container::ephemeral(container, &security, &is_token))
            .collect(),
        restart_policy: restart_policy(pod.restart_policy.as_deref().unwrap_or_default()),
        termination_grace_period: pod.termination_grace_period_seconds.unwrap_or(30),
        active_deadline: pod.active_deadline_seconds,
        node_selector: labels(pod.node_selector.as_ref()),
        affinity: pod.affinity.as_ref().map(|wishes| Box::new(affinity(wishes))),
        tolerations: tolerations(pod.tolerations.as_ref()),
        topology_spread: pod.topology_spread_constraints.iter().flatten().map(spread).collect(),
        scheduler_name: name(pod.scheduler_name.as_ref()),
        scheduling_gates: pod.scheduling_gates.iter().flatten().map(|gate| Name::from(&gate.name)).collect(),
        priority: pod.priority.unwrap_or_default(),
        priority_class: name(pod.priority_class_name.as_ref()),
        given_priority: pod.priority,
        never_preempts: pod.preemption_policy.as_deref() == Some("Never"),
        given_never_preempts: pod.preemption_policy.as_deref().map(|policy| policy == "Never"),
        host_network: pod.host_network == Some(true),
        share_process_namespace: pod.share_process_namespace == Some(true),
        service_account: name(pod.service_account_name.as_ref()),
        automount_token: pod.automount_service_account_token,
        token_volume: token.is_some(),
        volumes: pod.volumes.iter().flatten().filter(|volume| !is_token(&volume.name)).map(volume).collect(),
        overhead: amounts(pod.overhead.as_ref()),
        runtime_class: name(pod.runtime_class_name.as_ref()),
        resources,
        readiness_gates: pod.readiness_gates.iter().flatten().map(|gate| Name::from(&gate.condition_type)).collect(),
        image_pull_secrets: pod.image_pull_secrets.iter().flatten().map(|secret| Name::from(&secret.name)).collect(),
        hostname: name(pod.hostname.as_ref()),
        subdomain: name(pod.subdomain.as_ref()),
        os: pod.os.map_or_else(Name::default, |os| Name::from(os.name)),
        sysctls: security.sysctls.iter().flatten().map(|sysctl| Name::from(&sysctl.name)).collect(),
        host_ipc: pod.host_ipc == Some(true),
        host_name_as_fqdn: pod.set_hostname_as_fqdn == Some(true),
        hostname_override: name(pod.hostname_override.as_ref()),
        dns: dns(pod.dns_policy.as_deref(), pod.dns_config),
        no_service_links: pod.enable_service_links == Some(false),
        resource_claims: pod.resource_claims.iter().flatten().filter_map(pod_claim).collect(),
        requests: Default::default(),
        non_zero_requests: (0, 0),
        source,
    };
    spec.compute_requests();
    spec
}

fn pod_claim(claim: &v1::PodResourceClaim) -> Option<PodResourceClaim> {
    let (existing, template) = (&claim.resource_claim_name, &claim.resource_claim_template_name);
    let source = match (existing, template) {
        (Some(name), _) => PodClaimSource::Claim(Name::from(name)),
        (None, Some(template)) => PodClaimSource::Template(Name::from(template)),
        (None, None) => return None,
    };
    Some(PodResourceClaim { name: Name::from(&claim.name), source })
}

/// Whom a pod asks for names; none if it is the cluster's DNS, as it is by default.
fn dns(policy: Option<&str>, config: Option<v1::PodDNSConfig>) -> Option<Box<PodDns>> {
    let policy = match policy {
        Some("ClusterFirstWithHostNet") => DnsPolicy::ClusterFirstWithHostNet,
        Some("Default") => DnsPolicy::Default,
        Some("None") => DnsPolicy::None,
        _ => DnsPolicy::ClusterFirst,
    };
    let config = config.unwrap_or_default();
    let texts = |list: Option<Vec<String>>| list.into_iter().flatten().map(Text::from).collect();
    let option = |option: v1::PodDNSConfigOption| {
        (option.name.unwrap_or_default().into(), option.value.unwrap_or_default().into())
    };
    let config = DnsConfig {
        nameservers: texts(config.nameservers),
        searches: texts(config.searches),
        options: config.options.into_iter().flatten().map(option).collect(),
    };
    let dns = PodDns { policy, config };
    (dns != PodDns::default()).then(|| Box::new(dns))
}

/// Requests and limits.
pub(super) fn pair(
    requests: Option<&Amounts>,
    limits: Option<&Amounts>,
) -> (crate::api::ResourceList, crate::api::ResourceList) {
    (amounts(requests), amounts(limits))
}

/// The restart policy of a pod or a container; validation refuses others.
pub(super) fn restart_policy(text: &str) -> RestartPolicy {
    match text {
        "OnFailure" => RestartPolicy::OnFailure,
        "Never" => RestartPolicy::Never,
        _ => RestartPolicy::Always,
    }
}

/// Whether a volume is the one that admission adds for the service-account token.
fn is_token_volume(volume: &v1::Volume) -> bool {
    volume.name.starts_with("kube-api-access-")
        && volume.projected.as_ref().is_some_and(|projected| {
            projected.sources.iter().flatten().any(|source| source.service_account_token.is_some())
        })
}

/// The tolerations of a pod or a runtime class.
pub(super) fn tolerations(list: Option<&Vec<v1::Toleration>>) -> Vec<Toleration> {
    list.into_iter()
        .flatten()
        .map(|toleration| Toleration {
            key: name(toleration.key.as_ref()),
            operator: match toleration.operator.as_deref() {
                Some("Exists") => TolerationOperator::Exists,
                Some("Gt") => TolerationOperator::Gt,
                Some("Lt") => TolerationOperator::Lt,
                _ => TolerationOperator::Equal,
            },
            value: name(toleration.value.as_ref()),
            effect: toleration.effect.as_deref().and_then(taint_effect),
            seconds: toleration.toleration_seconds,
        })
        .collect()
}

/// The effect of a taint.
pub(super) fn taint_effect(text: &str) -> Option<TaintEffect> {
    match text {
        "NoSchedule" => Some(TaintEffect::NoSchedule),
        "PreferNoSchedule" => Some(TaintEffect::PreferNoSchedule),
        "NoExecute" => Some(TaintEffect::NoExecute),
        _ => None,
    }
}

fn affinity(wishes: &v1::Affinity) -> Affinity {
    let mut record = Affinity::default();
    if let Some(node) = &wishes.node_affinity {
        record.required_node_terms =
            node.required_during_scheduling_ignored_during_execution.as_ref().map(node_selector_terms);
        let preferred = node.preferred_during_scheduling_ignored_during_execution.iter().flatten();
        record.preferred_node_terms =
            preferred.map(|term| (term.weight.into(), node_selector_term(&term.preference))).collect();
    }
    if let Some(pods) = &wishes.pod_affinity {
        record.required_pods = pod_terms(pods.required_during_scheduling_ignored_during_execution.as_ref());
        record.preferred_pods = weighted_terms(pods.preferred_during_scheduling_ignored_during_execution.as_ref());
    }
    if let Some(pods) = &wishes.pod_anti_affinity {
        record.required_anti_pods = pod_terms(pods.required_during_scheduling_ignored_during_execution.as_ref());
        record.preferred_anti_pods = weighted_terms(pods.preferred_during_scheduling_ignored_during_execution.as_ref());
    }
    record
}

/// The terms of a node selector.
pub(super) fn node_selector_terms(selector: &v1::NodeSelector) -> Vec<NodeSelectorTerm> {
    selector.node_selector_terms.iter().map(node_selector_term).collect()
}

fn node_selector_term(term: &v1::NodeSelectorTerm) -> NodeSelectorTerm {
    let requirements = |list: Option<&Vec<v1::NodeSelectorRequirement>>| -> List<Requirement> {
        let lower = |requirement: &v1::NodeSelectorRequirement| Requirement {
            key: Name::from(&requirement.key),
            operator: operator(&requirement.operator),
            values: names(requirement.values.as_ref()),
        };
        list.into_iter().flatten().map(lower).collect()
    };
    NodeSelectorTerm {
        expressions: requirements(term.match_expressions.as_ref()),
        fields: requirements(term.match_fields.as_ref()),
    }
}

fn pod_terms(terms: Option<&Vec<v1::PodAffinityTerm>>) -> Vec<PodAffinityTerm> {
    terms.into_iter().flatten().map(pod_term).collect()
}

fn weighted_terms(terms: Option<&Vec<v1::WeightedPodAffinityTerm>>) -> Vec<(i64, PodAffinityTerm)> {
    terms.into_iter().flatten().map(|term| (term.weight.into(), pod_term(&term.pod_affinity_term))).collect()
}

fn pod_term(term: &v1::PodAffinityTerm) -> PodAffinityTerm {
    PodAffinityTerm {
        selector: term.label_selector.as_ref().map(selector),
        namespaces: names(term.namespaces.as_ref()),
        namespace_selector: term.namespace_selector.as_ref().map(selector),
        topology_key: Name::from(&term.topology_key),
        match_label_keys: names(term.match_label_keys.as_ref()),
        mismatch_label_keys: names(term.mismatch_label_keys.as_ref()),
    }
}

fn spread(constraint: &v1::TopologySpreadConstraint) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: constraint.max_skew.into(),
        topology_key: Name::from(&constraint.topology_key),
        required: constraint.when_unsatisfiable == "DoNotSchedule",
        selector: constraint.label_selector.as_ref().map(selector),
        min_domains: constraint.min_domains.unwrap_or(1).into(),
        honor_node_affinity: constraint.node_affinity_policy.as_deref() != Some("Ignore"),
        honor_node_taints: constraint.node_taints_policy.as_deref() == Some("Honor"),
        match_label_keys: names(constraint.match_label_keys.as_ref()),
    }
}

fn volume(volume: &v1::Volume) -> Volume {
    Volume { name: Name::from(&volume.name), source: volume_source(volume) }
}

fn volume_source(volume: &v1::Volume) -> VolumeSource {
    if let Some(dir) = &volume.empty_dir {
        return VolumeSource::EmptyDir {
            size_limit: dir.size_limit.as_ref().map(common::whole),
            in_memory: dir.medium.as_deref() == Some("Memory"),
        };
    }
    if let Some(host) = &volume.host_path {
        return VolumeSource::HostPath { path: Name::from(&host.path), kind: name(host.type_.as_ref()) };
    }
    if let Some(map) = &volume.config_map {
        return VolumeSource::ConfigMap(files(&map.name, map.optional, map.items.as_ref(), map.default_mode));
    }
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        return VolumeSource::Secret(files(name, secret.optional, secret.items.as_ref(), secret.default_mode));
    }
    if let Some(projected) = &volume.projected {
        let source = |source| projected_source(source, projected.default_mode);
        return VolumeSource::Projected(projected.sources.iter().flatten().filter_map(source).collect());
    }
    if let Some(fields) = &volume.downward_api {
        return VolumeSource::DownwardApi(file_fields(fields.items.as_ref(), fields.default_mode).collect());
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        return VolumeSource::Claim { name: Name::from(&claim.claim_name), read_only: claim.read_only == Some(true) };
    }
    if let Some(ephemeral) = &volume.ephemeral {
        let template = ephemeral.volume_claim_template.as_ref().map_or_else(Text::default, common::json);
        return VolumeSource::Ephemeral { template };
    }
    if let Some(image) = &volume.image {
        return VolumeSource::Image {
            reference: name(image.reference.as_ref()),
            pull_policy: container::pull_policy(image.pull_policy.as_deref()),
        };
    }
    if let Some(csi) = &volume.csi {
        return VolumeSource::Csi { driver: Name::from(&csi.driver) };
    }
    disk(volume)
}

/// The permission bits of files in volumes where nothing is said (`ConfigMapVolumeSourceDefaultMode` and others).
const USUAL_MODE: i32 = 0o644;

/// One of several sources, with the permission bits of files that say nothing; none that is of another kind.
fn projected_source(source: &v1::VolumeProjection, mode: Option<i32>) -> Option<ProjectedSource> {
    let map = source.config_map.as_ref().map(|map| files(&map.name, map.optional, map.items.as_ref(), mode));
    let secret = source.secret.as_ref().map(|secret| files(&secret.name, secret.optional, secret.items.as_ref(), mode));
    let fields = source.downward_api.as_ref().map(|fields| file_fields(fields.items.as_ref(), mode).collect());
    map.map(ProjectedSource::ConfigMap)
        .or(secret.map(ProjectedSource::Secret))
        .or(fields.map(ProjectedSource::DownwardApi))
        .or(source.service_account_token.as_ref().map(|token| ProjectedSource::Token { path: Name::from(&token.path) }))
}

/// The files of the downward API.
fn file_fields(
    items: Option<&Vec<v1::DownwardAPIVolumeFile>>,
    mode: Option<i32>,
) -> impl Iterator<Item = FieldFile> + '_ {
    items.into_iter().flatten().map(move |item| {
        let resource = item.resource_field_ref.as_ref().map(|field| FileField::Resource(resource_field(field)));
        let path = || item.field_ref.as_ref().map_or_else(Name::default, |field| Name::from(&field.field_path));
        let field = resource.unwrap_or_else(|| FileField::Pod(path()));
        FieldFile { path: Name::from(&item.path), field, mode: item.mode.or(mode).unwrap_or(USUAL_MODE) }
    })
}

/// The disks whose sharing the scheduler looks at (`plugins/volumerestrictions`); anything else by its field's name.
fn disk(volume: &v1::Volume) -> VolumeSource {
    let disk = |kind: &str, identity: &str, read_only: Option<bool>| VolumeSource::Disk {
        kind: Name::new(kind),
        identity: Name::new(identity),
        read_only: read_only == Some(true),
    };
    if let Some(gce) = &volume.gce_persistent_disk {
        return disk("gcePersistentDisk", &gce.pd_name, gce.read_only);
    }
    if let Some(aws) = &volume.aws_elastic_block_store {
        // Read-only or not, an EBS volume is not shared.
        return disk("awsElasticBlockStore", &aws.volume_id, None);
    }
    if let Some(iscsi) = &volume.iscsi {
        return disk("iscsi", &iscsi.iqn, iscsi.read_only);
    }
    if let Some(rbd) = &volume.rbd {
        let pool = rbd.pool.as_deref().unwrap_or("rbd");
        let identity = format!("{}/{pool}/{}", rbd.monitors.join(","), rbd.image);
        return disk("rbd", &identity, rbd.read_only);
    }
    let fields = serde_json::to_value(volume).unwrap_or_default();
    let kind = fields.as_object().into_iter().flatten().map(|(field, _)| field.as_str()).find(|&field| field != "name");
    VolumeSource::Other { kind: Name::new(kind.unwrap_or("emptyDir")) }
}

fn files(name: &str, optional: Option<bool>, items: Option<&Vec<v1::KeyToPath>>, mode: Option<i32>) -> ObjectFiles {
    let file = |item: &v1::KeyToPath| {
        let (key, path) = (Name::from(&item.key), Name::from(&item.path));
        KeyFile { key, path, mode: item.mode }
    };
    ObjectFiles {
        name: Name::new(name),
        optional: optional == Some(true),
        items: items.into_iter().flatten().map(file).collect(),
        mode: mode.unwrap_or(USUAL_MODE),
    }
}

/// Labels and annotations of a template's metadata.
pub(super) fn template_labels(
    meta: Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta>,
) -> (Labels, Labels) {
    let pick =
        |labels_of: fn(&k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Option<&common::Texts>| {
            labels(meta.and_then(labels_of))
        };
    (pick(|meta| meta.labels.as_ref()), pick(|meta| meta.annotations.as_ref()))
}
