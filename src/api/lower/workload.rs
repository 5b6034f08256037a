//! Deployments, ReplicaSets and their elders, StatefulSets, DaemonSets and revisions.

use super::common::{condition, int_or_percent, json, labels, name, selector, status, text, time};
use super::defaults::{self, set};
use super::{Lower, gates, pod};
use crate::api::validation::{self, Errors, NameRule};
use crate::api::{
    ClaimTemplate, ControllerRevision, DaemonSet, DaemonSetSpec, DaemonSetStatus, DaemonSetUpdateStrategy, Deployment,
    DeploymentSpec, DeploymentStatus, DeploymentStrategy, IntOrPercent, Metadata, PodTemplate, ReplicaSet,
    ReplicaSetSpec, ReplicaSetStatus, ReplicationController, Selector, StatefulSet, StatefulSetSpec, StatefulSetStatus,
    StatefulSetUpdateStrategy,
};
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::sync::Arc;

/// The defaults of a template: those of its spec, not those that only pods get. What no gate lets in is dropped.
pub(super) fn template_defaults(template: &mut v1::PodTemplateSpec) {
    template.metadata.get_or_insert_default();
    let spec = template.spec.get_or_insert_default();
    defaults::pod_spec(spec);
    gates::drop_disabled(spec);
}

fn template(template: &v1::PodTemplateSpec) -> Arc<PodTemplate> {
    Arc::new(pod::template(template))
}

fn percent(text: &str) -> IntOrString {
    IntOrString::String(text.to_owned())
}

impl Lower for apps::Deployment {
    type Record = Deployment;

    fn validate(&self, errors: &mut Errors) {
        if let Some(spec) = &self.spec {
            validation::deployment(spec, errors);
        }
    }

    fn set_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        template_defaults(&mut spec.template);
        set(&mut spec.replicas, 1);
        let strategy = spec.strategy.get_or_insert_default();
        set(&mut strategy.type_, "RollingUpdate");
        if strategy.type_.as_deref() == Some("RollingUpdate") {
            let update = strategy.rolling_update.get_or_insert_default();
            set(&mut update.max_unavailable, percent("25%"));
            set(&mut update.max_surge, percent("25%"));
        }
        set(&mut spec.revision_history_limit, 10);
        set(&mut spec.progress_deadline_seconds, 600);
    }

    fn record(self, meta: Metadata) -> Deployment {
        let spec = self.spec.unwrap_or_default();
        let source = json(&spec);
        let strategy = spec.strategy.unwrap_or_default();
        let update = strategy.rolling_update.unwrap_or_default();
        let found = self.status.unwrap_or_default();
        Deployment {
            meta,
            spec: DeploymentSpec {
                replicas: spec.replicas.unwrap_or(1),
                selector: selector(&spec.selector),
                template: template(&spec.template),
                strategy: match strategy.type_.as_deref() {
                    Some("Recreate") => DeploymentStrategy::Recreate,
                    _ => DeploymentStrategy::RollingUpdate {
                        max_surge: amount(update.max_surge.as_ref(), IntOrPercent::Percent(25)),
                        max_unavailable: amount(update.max_unavailable.as_ref(), IntOrPercent::Percent(25)),
                    },
                },
                min_ready_seconds: spec.min_ready_seconds.unwrap_or_default(),
                revision_history_limit: spec.revision_history_limit.unwrap_or(10),
                progress_deadline_seconds: spec.progress_deadline_seconds.unwrap_or(600),
                paused: spec.paused == Some(true),
                source,
            },
            status: DeploymentStatus {
                observed_generation: found.observed_generation.unwrap_or_default(),
                replicas: found.replicas.unwrap_or_default(),
                updated_replicas: found.updated_replicas.unwrap_or_default(),
                ready_replicas: found.ready_replicas.unwrap_or_default(),
                available_replicas: found.available_replicas.unwrap_or_default(),
                unavailable_replicas: found.unavailable_replicas.unwrap_or_default(),
                terminating_replicas: found.terminating_replicas,
                collision_count: found.collision_count,
                conditions: found
                    .conditions
                    .iter()
                    .flatten()
                    .map(|condition| condition!(condition, None, condition.last_update_time))
                    .collect(),
            },
        }
    }
}

fn amount(value: Option<&IntOrString>, default: IntOrPercent) -> IntOrPercent {
    value.map_or(default, int_or_percent)
}

impl Lower for apps::ReplicaSet {
    type Record = ReplicaSet;

    fn validate(&self, errors: &mut Errors) {
        if let Some(spec) = &self.spec {
            validation::replica_set(spec, errors);
        }
    }

    fn set_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        template_defaults(spec.template.get_or_insert_default());
        set(&mut spec.replicas, 1);
    }

    fn record(self, meta: Metadata) -> ReplicaSet {
        let spec = self.spec.unwrap_or_default();
        let source = json(&spec);
        let found = self.status.unwrap_or_default();
        ReplicaSet {
            meta,
            spec: ReplicaSetSpec {
                replicas: spec.replicas.unwrap_or(1),
                min_ready_seconds: spec.min_ready_seconds.unwrap_or_default(),
                selector: selector(&spec.selector),
                template: template(&spec.template.unwrap_or_default()),
                source,
            },
            status: ReplicaSetStatus {
                replicas: found.replicas,
                fully_labeled_replicas: found.fully_labeled_replicas.unwrap_or_default(),
                ready_replicas: found.ready_replicas.unwrap_or_default(),
                available_replicas: found.available_replicas.unwrap_or_default(),
                terminating_replicas: found.terminating_replicas,
                observed_generation: found.observed_generation.unwrap_or_default(),
                conditions: found
                    .conditions
                    .iter()
                    .flatten()
                    .map(|condition| condition!(condition, None, None))
                    .collect(),
            },
        }
    }
}

impl Lower for v1::ReplicationController {
    type Record = ReplicationController;

    fn validate(&self, errors: &mut Errors) {
        if let Some(spec) = &self.spec {
            validation::replication_controller(spec, errors);
        }
    }

    fn set_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        let template = spec.template.get_or_insert_default();
        template_defaults(template);
        let labels = template.metadata.as_ref().and_then(|meta| meta.labels.clone());
        if let Some(labels) = labels.filter(|labels| !labels.is_empty()) {
            set(&mut spec.selector, labels.clone());
            set(&mut self.metadata.labels, labels);
        }
        set(&mut spec.replicas, 1);
    }

    fn record(self, meta: Metadata) -> ReplicationController {
        let spec = self.spec.unwrap_or_default();
        let source = json(&spec);
        let found = self.status.unwrap_or_default();
        ReplicationController {
            meta,
            spec: ReplicaSetSpec {
                replicas: spec.replicas.unwrap_or(1),
                min_ready_seconds: spec.min_ready_seconds.unwrap_or_default(),
                selector: Selector::from_labels(&labels(spec.selector.as_ref())),
                template: template(&spec.template.unwrap_or_default()),
                source,
            },
            status: ReplicaSetStatus {
                replicas: found.replicas,
                fully_labeled_replicas: found.fully_labeled_replicas.unwrap_or_default(),
                ready_replicas: found.ready_replicas.unwrap_or_default(),
                available_replicas: found.available_replicas.unwrap_or_default(),
                terminating_replicas: None,
                observed_generation: found.observed_generation.unwrap_or_default(),
                conditions: found
                    .conditions
                    .iter()
                    .flatten()
                    .map(|condition| condition!(condition, None, None))
                    .collect(),
            },
        }
    }
}

impl Lower for apps::StatefulSet {
    type Record = StatefulSet;
    const NAME: NameRule = NameRule::Label;

    fn validate(&self, errors: &mut Errors) {
        if let Some(spec) = &self.spec {
            validation::stateful_set(spec, errors);
        }
    }

    fn set_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        template_defaults(&mut spec.template);
        set(&mut spec.pod_management_policy, "OrderedReady");
        let strategy = spec.update_strategy.get_or_insert_default();
        if strategy.type_.is_none() {
            set(&mut strategy.type_, "RollingUpdate");
            strategy.rolling_update.get_or_insert_default();
        }
        if strategy.type_.as_deref() == Some("RollingUpdate") {
            strategy.rolling_update.iter_mut().for_each(|update| set(&mut update.partition, 0));
        }
        let retention = spec.persistent_volume_claim_retention_policy.get_or_insert_default();
        set(&mut retention.when_deleted, "Retain");
        set(&mut retention.when_scaled, "Retain");
        set(&mut spec.replicas, 1);
        set(&mut spec.revision_history_limit, 10);
        for claim in spec.volume_claim_templates.iter_mut().flatten() {
            claim.set_defaults();
        }
    }

    fn record(self, meta: Metadata) -> StatefulSet {
        let spec = self.spec.unwrap_or_default();
        let source = json(&spec);
        let strategy = spec.update_strategy.unwrap_or_default();
        let update = strategy.rolling_update.unwrap_or_default();
        let retention = spec.persistent_volume_claim_retention_policy.unwrap_or_default();
        let found = self.status.unwrap_or_default();
        StatefulSet {
            meta,
            spec: StatefulSetSpec {
                replicas: spec.replicas.unwrap_or(1),
                first_ordinal: spec.ordinals.and_then(|ordinals| ordinals.start).unwrap_or_default(),
                selector: selector(&spec.selector),
                template: template(&spec.template),
                service_name: name(spec.service_name.as_ref()),
                parallel: spec.pod_management_policy.as_deref() == Some("Parallel"),
                update_strategy: match strategy.type_.as_deref() {
                    Some("OnDelete") => StatefulSetUpdateStrategy::OnDelete,
                    _ => StatefulSetUpdateStrategy::RollingUpdate {
                        partition: update.partition.unwrap_or_default(),
                        max_unavailable: update.max_unavailable.as_ref().map(int_or_percent),
                    },
                },
                revision_history_limit: spec.revision_history_limit.unwrap_or(10),
                min_ready_seconds: spec.min_ready_seconds.unwrap_or_default(),
                volume_claim_templates: spec.volume_claim_templates.iter().flatten().map(claim_template).collect(),
                delete_claims_with_set: retention.when_deleted.as_deref() == Some("Delete"),
                delete_claims_on_scale_down: retention.when_scaled.as_deref() == Some("Delete"),
                source,
            },
            status: StatefulSetStatus {
                observed_generation: found.observed_generation.unwrap_or_default(),
                replicas: found.replicas,
                ready_replicas: found.ready_replicas.unwrap_or_default(),
                available_replicas: found.available_replicas.unwrap_or_default(),
                current_replicas: found.current_replicas.unwrap_or_default(),
                updated_replicas: found.updated_replicas.unwrap_or_default(),
                current_revision: name(found.current_revision.as_ref()),
                update_revision: name(found.update_revision.as_ref()),
                collision_count: found.collision_count,
                conditions: found
                    .conditions
                    .iter()
                    .flatten()
                    .map(|condition| condition!(condition, None, None))
                    .collect(),
            },
        }
    }
}

fn claim_template(claim: &v1::PersistentVolumeClaim) -> ClaimTemplate {
    ClaimTemplate { name: name(claim.metadata.name.as_ref()), manifest: json(claim) }
}

impl Lower for apps::DaemonSet {
    type Record = DaemonSet;

    fn validate(&self, errors: &mut Errors) {
        if let Some(spec) = &self.spec {
            validation::daemon_set(spec, errors);
        }
    }

    fn set_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        template_defaults(&mut spec.template);
        let strategy = spec.update_strategy.get_or_insert_default();
        set(&mut strategy.type_, "RollingUpdate");
        if strategy.type_.as_deref() == Some("RollingUpdate") {
            let update = strategy.rolling_update.get_or_insert_default();
            set(&mut update.max_unavailable, IntOrString::Int(1));
            set(&mut update.max_surge, IntOrString::Int(0));
        }
        set(&mut spec.revision_history_limit, 10);
    }

    fn record(self, meta: Metadata) -> DaemonSet {
        let spec = self.spec.unwrap_or_default();
        let source = json(&spec);
        let strategy = spec.update_strategy.unwrap_or_default();
        let update = strategy.rolling_update.unwrap_or_default();
        let found = self.status.unwrap_or_default();
        DaemonSet {
            meta,
            spec: DaemonSetSpec {
                selector: selector(&spec.selector),
                template: template(&spec.template),
                update_strategy: match strategy.type_.as_deref() {
                    Some("OnDelete") => DaemonSetUpdateStrategy::OnDelete,
                    _ => DaemonSetUpdateStrategy::RollingUpdate {
                        max_surge: amount(update.max_surge.as_ref(), IntOrPercent::Int(0)),
                        max_unavailable: amount(update.max_unavailable.as_ref(), IntOrPercent::Int(1)),
                    },
                },
                min_ready_seconds: spec.min_ready_seconds.unwrap_or_default(),
                revision_history_limit: spec.revision_history_limit.unwrap_or(10),
                source,
            },
            status: DaemonSetStatus {
                current_number_scheduled: found.current_number_scheduled,
                number_misscheduled: found.number_misscheduled,
                desired_number_scheduled: found.desired_number_scheduled,
                number_ready: found.number_ready,
                number_available: found.number_available.unwrap_or_default(),
                number_unavailable: found.number_unavailable.unwrap_or_default(),
                updated_number_scheduled: found.updated_number_scheduled.unwrap_or_default(),
                observed_generation: found.observed_generation.unwrap_or_default(),
                collision_count: found.collision_count,
                conditions: found
                    .conditions
                    .iter()
                    .flatten()
                    .map(|condition| condition!(condition, None, None))
                    .collect(),
            },
        }
    }
}

impl Lower for apps::ControllerRevision {
    type Record = ControllerRevision;

    fn record(self, meta: Metadata) -> ControllerRevision {
        let data = self.data.map(|data| data.0).unwrap_or_default();
        let recorded = &data["spec"]["template"];
        let read = super::decode::decode::<v1::PodTemplateSpec>(recorded).ok();
        ControllerRevision {
            meta,
            revision: self.revision,
            template: template(&read.map(|(read, _)| read).unwrap_or_default()),
            source: json(&data),
        }
    }
}
