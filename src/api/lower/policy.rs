//! Namespaces and what they allow: limits, quotas, priorities, configuration, identities; and events.

use super::common::{
    Amounts, amount, amounts, condition, json, labels, micro_time, name, names, operator, status, text, time, uid,
    version,
};
use super::defaults::set;
use super::pod::tolerations;
use super::{Lower, rest};
use crate::api::validation::{self, Errors, NameRule};
use crate::api::{
    ConfigMap, Event, EventType, LimitRange, LimitRangeItem, Metadata, Name, Namespace, ObjectReference, PriorityClass,
    Quantity, ResourceList, ResourceQuota, ResourceQuotaStatus, RuntimeClass, Secret, ServiceAccount, Text,
};
use k8s_openapi::ByteString;
use k8s_openapi::api::{core::v1, node::v1 as node, scheduling::v1 as scheduling};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as QuantityText;

impl Lower for v1::Namespace {
    type Record = Namespace;
    const NAME: NameRule = NameRule::Label;

    fn validate(&self, errors: &mut Errors) {
        let finalizers = self.spec.as_ref().and_then(|spec| spec.finalizers.as_deref());
        validation::namespace(finalizers.unwrap_or_default(), errors);
    }

    fn set_defaults(&mut self) {
        if let Some(name) = self.metadata.name.clone().filter(|name| !name.is_empty()) {
            let labels = self.metadata.labels.get_or_insert_default();
            labels.insert("kubernetes.io/metadata.name".to_owned(), name);
        }
        // `namespaceStrategy.PrepareForCreate` adds the finalizer.
        let finalizers = self.spec.get_or_insert_default().finalizers.get_or_insert_default();
        if self.metadata.deletion_timestamp.is_none() && !finalizers.iter().any(|name| name == "kubernetes") {
            finalizers.push("kubernetes".to_owned());
        }
    }

    fn record(self, meta: Metadata) -> Namespace {
        let status = self.status.unwrap_or_default();
        let phase = status.phase;
        Namespace {
            meta,
            terminating: phase.as_deref() == Some("Terminating"),
            conditions: status.conditions.iter().flatten().map(namespace_condition).collect(),
            finalizers: names(self.spec.and_then(|spec| spec.finalizers).as_ref()),
        }
    }
}

fn namespace_condition(condition: &v1::NamespaceCondition) -> crate::api::Condition {
    condition!(condition, None::<i64>, None::<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>)
}

impl Lower for v1::ConfigMap {
    type Record = ConfigMap;

    fn validate(&self, errors: &mut Errors) {
        validation::config_map(self, errors);
    }

    fn record(self, meta: Metadata) -> ConfigMap {
        let binary = self.binary_data.iter().flatten().map(|(key, bytes)| (Name::from(key), decoded(bytes)));
        let mut data: Vec<_> =
            self.data.iter().flatten().map(|(key, text)| (Name::from(key), Text::from(text))).collect();
        data.extend(binary);
        data.sort_by_key(|(key, _)| *key);
        ConfigMap { meta, data: data.into(), source: rest(&self) }
    }
}

fn decoded(bytes: &ByteString) -> Text {
    Text::from(String::from_utf8_lossy(&bytes.0))
}

impl Lower for v1::Secret {
    type Record = Secret;

    fn validate(&self, errors: &mut Errors) {
        validation::secret(self, errors);
    }

    fn set_defaults(&mut self) {
        set(&mut self.type_, "Opaque");
        for (key, text) in self.string_data.take().into_iter().flatten() {
            self.data.get_or_insert_default().insert(key, ByteString(text.into_bytes()));
        }
    }

    fn record(self, meta: Metadata) -> Secret {
        let data = self.data.iter().flatten();
        Secret { meta, data: data.map(|(key, bytes)| (Name::from(key), decoded(bytes))).collect(), source: rest(&self) }
    }
}

impl Lower for v1::ServiceAccount {
    type Record = ServiceAccount;

    fn record(self, meta: Metadata) -> ServiceAccount {
        ServiceAccount {
            meta,
            automount_token: self.automount_service_account_token,
            image_pull_secrets: self
                .image_pull_secrets
                .iter()
                .flatten()
                .map(|secret| Name::from(&secret.name))
                .collect(),
            source: rest(&self),
        }
    }
}

impl Lower for scheduling::PriorityClass {
    type Record = PriorityClass;

    fn validate(&self, errors: &mut Errors) {
        validation::priority_class(self, errors);
    }

    fn set_defaults(&mut self) {
        set(&mut self.preemption_policy, "PreemptLowerPriority");
    }

    fn record(self, meta: Metadata) -> PriorityClass {
        PriorityClass {
            meta,
            value: self.value.unwrap_or_default(),
            global_default: self.global_default == Some(true),
            never_preempts: self.preemption_policy.as_deref() == Some("Never"),
            source: rest(&self),
        }
    }
}

impl Lower for node::RuntimeClass {
    type Record = RuntimeClass;

    fn record(self, meta: Metadata) -> RuntimeClass {
        let scheduling = self.scheduling.as_ref();
        RuntimeClass {
            meta,
            handler: Name::from(&self.handler),
            overhead: amounts(self.overhead.as_ref().and_then(|overhead| overhead.pod_fixed.as_ref())),
            node_selector: labels(scheduling.and_then(|scheduling| scheduling.node_selector.as_ref())),
            tolerations: tolerations(scheduling.and_then(|scheduling| scheduling.tolerations.as_ref())),
            source: rest(&self),
        }
    }
}

impl Lower for v1::LimitRange {
    type Record = LimitRange;

    fn validate(&self, errors: &mut Errors) {
        if let Some(spec) = &self.spec {
            validation::limit_range(spec, errors);
        }
    }

    fn set_defaults(&mut self) {
        let limits = &mut self.spec.get_or_insert_default().limits;
        for item in limits.iter_mut().filter(|item| item.type_ == "Container") {
            fill(&mut item.default, item.max.as_ref());
            fill(&mut item.default_request, item.default.as_ref());
            fill(&mut item.default_request, item.min.as_ref());
        }
    }

    fn record(self, meta: Metadata) -> LimitRange {
        let limits = self.spec.iter().flat_map(|spec| &spec.limits).map(|item| LimitRangeItem {
            kind: Name::from(&item.type_),
            max: amounts(item.max.as_ref()),
            min: amounts(item.min.as_ref()),
            default: amounts(item.default.as_ref()),
            default_request: amounts(item.default_request.as_ref()),
            max_limit_request_ratio: ratios(item.max_limit_request_ratio.as_ref()),
        });
        LimitRange { meta, limits: limits.collect(), source: rest(&self) }
    }
}

fn fill(amounts: &mut Option<Amounts>, defaults: Option<&Amounts>) {
    for (name, default) in defaults.into_iter().flatten() {
        amounts.get_or_insert_default().entry(name.clone()).or_insert_with(|| default.clone());
    }
}

fn ratios(list: Option<&Amounts>) -> ResourceList {
    let milli = |text: &QuantityText| text.0.parse::<Quantity>().map_or(0, |ratio| ratio.saturating_milli_value());
    list.into_iter().flatten().map(|(name, ratio)| (Name::from(name), milli(ratio))).collect()
}

impl Lower for v1::ResourceQuota {
    type Record = ResourceQuota;

    fn validate(&self, errors: &mut Errors) {
        if let Some(spec) = &self.spec {
            validation::resource_quota(spec, errors);
        }
    }

    fn set_defaults(&mut self) {
        self.spec.get_or_insert_default();
    }

    fn record(self, meta: Metadata) -> ResourceQuota {
        let spec = self.spec.unwrap_or_default();
        let found = self.status.unwrap_or_default();
        let selectors = || spec.scope_selector.iter().flat_map(|selector| selector.match_expressions.iter().flatten());
        let by_class = selectors().find(|selector| selector.scope_name == "PriorityClass");
        let other = selectors().filter(|selector| selector.scope_name != "PriorityClass");
        let scopes = spec.scopes.iter().flatten().map(Name::from);
        ResourceQuota {
            meta,
            source: json(&spec),
            hard: hard(spec.hard.as_ref()),
            scopes: scopes.chain(other.map(|selector| Name::from(&selector.scope_name))).collect(),
            priority_classes: by_class.map(|selector| (operator(&selector.operator), names(selector.values.as_ref()))),
            status: ResourceQuotaStatus { hard: hard(found.hard.as_ref()), used: hard(found.used.as_ref()) },
        }
    }
}

fn hard(list: Option<&Amounts>) -> ResourceList {
    list.into_iter().flatten().map(|(name, text)| (Name::from(name), amount(name, text))).collect()
}

impl Lower for v1::Event {
    type Record = Event;
    const NAME: NameRule = NameRule::Any;

    fn record(self, meta: Metadata) -> Event {
        let source = self.source.unwrap_or_default();
        let event_time = micro_time(self.event_time.as_ref());
        Event {
            meta,
            involved: reference(&self.involved_object),
            kind: if self.type_.as_deref() == Some("Warning") { EventType::Warning } else { EventType::Normal },
            reason: name(self.reason.as_ref()),
            message: text(self.message.as_ref()),
            component: name(source.component.as_ref().or(self.reporting_component.as_ref())),
            host: name(source.host.as_ref().or(self.reporting_instance.as_ref())),
            first_timestamp: time(self.first_timestamp.as_ref()),
            last_timestamp: time(self.last_timestamp.as_ref()),
            count: self.count.unwrap_or_default().max(0).unsigned_abs(),
            event_time,
            series: self.series.as_ref().map(|series| {
                let count = series.count.unwrap_or_default().max(0).unsigned_abs();
                (count, micro_time(series.last_observed_time.as_ref()).unwrap_or_default())
            }),
            action: name(self.action.as_ref()),
        }
    }
}

fn reference(reference: &v1::ObjectReference) -> ObjectReference {
    ObjectReference {
        kind: name(reference.kind.as_ref()),
        api_version: name(reference.api_version.as_ref()),
        namespace: name(reference.namespace.as_ref()),
        name: name(reference.name.as_ref()),
        uid: uid(reference.uid.as_deref().unwrap_or_default()),
        field_path: name(reference.field_path.as_ref()),
        resource_version: version(reference.resource_version.as_deref()),
    }
}
