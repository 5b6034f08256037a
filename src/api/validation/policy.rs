//! Namespaces, nodes, limits, quotas, priorities, configuration and autoscalers.

use super::container::{container_resource_name, quantity};
use super::names::{self, NameRule};
use super::scheduling::taints;
use super::{At, Errors, Json};
use crate::api::Quantity;
use k8s_openapi::api::{autoscaling::v2 as autoscaling, core::v1, scheduling::v1 as scheduling};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as QuantityText;
use std::collections::BTreeMap;

/// `ValidateNamespace`, without metadata.
pub(in crate::api) fn namespace(finalizers: &[String], errors: &mut Errors) {
    for finalizer in finalizers {
        let at = At::root("spec");
        let before = errors.0.len();
        errors.format(&at.child("finalizers"), finalizer, names::label_key(finalizer));
        if errors.0.len() == before && !finalizer.contains('/') && finalizer != "kubernetes" {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.invalid(&at.child("finalizers"), finalizer, detail);
        }
    }
}

/// `ValidateNode`, without metadata.
pub(in crate::api) fn node(node: &v1::Node, errors: &mut Errors) {
    let list = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    taints(list, &At::root("spec").child("taints"), errors);
    let at = At::root("status");
    let status = node.status.as_ref();
    let lists = [
        ("capacity", status.and_then(|status| status.capacity.as_ref())),
        ("allocatable", status.and_then(|status| status.allocatable.as_ref())),
    ];
    for (field, list) in lists {
        for (name, amount) in list.into_iter().flatten() {
            quantity(name, amount, &at.child(field).key(name), errors);
        }
    }
}

/// `ValidatePriorityClass`.
pub(in crate::api) fn priority_class(class: &scheduling::PriorityClass, errors: &mut Errors) {
    const HIGHEST: i32 = 1_000_000_000;
    let name = class.metadata.name.as_deref().unwrap_or_default();
    let value = class.value.unwrap_or_default();
    if name.starts_with("system-") {
        let known = matches!(
            (name, value),
            ("system-node-critical", 2_000_001_000) | ("system-cluster-critical", 2_000_000_000)
        );
        if !known {
            let detail = format!(
                "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known \
                 system priority class"
            );
            errors.forbidden(&At::root("metadata").child("name"), detail);
        }
    } else if value > HIGHEST {
        let detail = format!("maximum allowed value of a user defined priority is {HIGHEST}");
        errors.forbidden(&At::root("value"), detail);
    }
    errors.maybe_one_of(
        &At::root("preemptionPolicy"),
        class.preemption_policy.as_ref(),
        &["PreemptLowerPriority", "Never"],
    );
}

fn keys<'k>(keys: impl Iterator<Item = &'k String>, field: &str, errors: &mut Errors) {
    for key in keys {
        let at = At::root(field);
        errors.format(&at.key(key), key, names::config_key(key));
    }
}

const CONFIG_SIZE: usize = 1 << 20;

/// `ValidateConfigMap`, without metadata.
pub(in crate::api) fn config_map(map: &v1::ConfigMap, errors: &mut Errors) {
    let texts = || map.data.iter().flatten();
    let binary = || map.binary_data.iter().flatten();
    keys(texts().map(|(key, _)| key), "data", errors);
    keys(binary().map(|(key, _)| key), "binaryData", errors);
    for (key, _) in binary().filter(|(key, _)| texts().any(|(other, _)| other == *key)) {
        let at = At::root("data");
        errors.invalid(&at.key(key), key, "duplicate of key present in binaryData");
    }
    let size = texts().map(|(_, text)| text.len()).sum::<usize>() + binary().map(|(_, b)| b.0.len()).sum::<usize>();
    if size > CONFIG_SIZE {
        errors.too_long(&At::root(""), CONFIG_SIZE);
    }
}

/// `ValidateSecret`, without metadata.
pub(in crate::api) fn secret(secret: &v1::Secret, errors: &mut Errors) {
    let data = || secret.data.iter().flatten();
    keys(data().map(|(key, _)| key), "data", errors);
    if data().map(|(_, bytes)| bytes.0.len()).sum::<usize>() > CONFIG_SIZE {
        errors.too_long(&At::root("data"), CONFIG_SIZE);
    }
    let at = At::root("data");
    let bytes = |key: &str| data().find(|(other, _)| *other == key).map(|(_, bytes)| &bytes.0[..]);
    match secret.type_.as_deref().unwrap_or_default() {
        "kubernetes.io/service-account-token" => {
            let key = "kubernetes.io/service-account.name";
            let account = secret.metadata.annotations.as_ref().and_then(|annotations| annotations.get(key));
            if account.is_none_or(String::is_empty) {
                errors.required(&At::root("metadata").child("annotations").key(key), "");
            }
        }
        "kubernetes.io/dockerconfigjson" => docker_config(".dockerconfigjson", bytes(".dockerconfigjson"), errors),
        "kubernetes.io/dockercfg" => docker_config(".dockercfg", bytes(".dockercfg"), errors),
        "kubernetes.io/basic-auth" if bytes("username").is_none() && bytes("password").is_none() => {
            errors.required(&at.key("username"), "");
            errors.required(&at.key("password"), "");
        }
        "kubernetes.io/ssh-auth" if bytes("ssh-privatekey").is_none_or(<[u8]>::is_empty) => {
            errors.required(&at.key("ssh-privatekey"), "");
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"].into_iter().filter(|key| bytes(key).is_none()) {
                errors.required(&at.key(key), "");
            }
        }
        _ => {}
    }
}

/// The credentials of a registry: an object in JSON.
fn docker_config(key: &str, bytes: Option<&[u8]>, errors: &mut Errors) {
    let at = At::root("data");
    let at = at.key(key);
    let Some(bytes) = bytes else { return errors.required(&at, "") };
    let found = match serde_json::from_slice(bytes) {
        Ok(serde_json::Value::Object(_) | serde_json::Value::Null) => return,
        Ok(serde_json::Value::Array(_)) => "array",
        Ok(serde_json::Value::String(_)) => "string",
        Ok(serde_json::Value::Number(_)) => "number",
        Ok(serde_json::Value::Bool(_)) => "bool",
        Err(error) => {
            let why = if error.is_eof() {
                "unexpected end of JSON input".to_owned()
            } else {
                let place = error.column().saturating_sub(1);
                let line = bytes.split(|c| *c == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
                let character = char::from(line.get(place).copied().unwrap_or(b'\n'));
                format!("invalid character {character:?} looking for beginning of value")
            };
            return errors.invalid(&at, "<secret contents redacted>", why);
        }
    };
    let why = format!("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}");
    errors.invalid(&at, "<secret contents redacted>", why);
}

fn read(text: &QuantityText) -> Quantity {
    text.0.parse().unwrap_or_default()
}

/// `ValidateLimitRange`, without metadata.
pub(in crate::api) fn limit_range(spec: &v1::LimitRangeSpec, errors: &mut Errors) {
    let at = At::root("spec");
    for (place, item) in spec.limits.iter().enumerate() {
        let list = at.child("limits");
        let at = list.index(place);
        if spec.limits[..place].iter().any(|earlier| earlier.type_ == item.type_) {
            errors.duplicate(&at.child("type"), &item.type_);
        }
        if item.type_ == "Pod" {
            for (field, list) in [("default", &item.default), ("defaultRequest", &item.default_request)] {
                if list.as_ref().is_some_and(|list| !list.is_empty()) {
                    errors.forbidden(&at.child(field), "may not be specified when `type` is 'Pod'");
                }
            }
        }
        let none = BTreeMap::new();
        let lists = [&item.min, &item.max, &item.default, &item.default_request];
        let [min, max, default, request] = lists.map(|list| list.as_ref().unwrap_or(&none));
        let pairs = [
            ("min", min, "max", max),
            ("defaultRequest", request, "max", max),
            ("defaultRequest", request, "default", default),
            ("default", default, "max", max),
        ];
        for (field, low, than, high) in pairs {
            for (name, low) in low {
                if let Some(high) = high.get(name)
                    && read(low) > read(high)
                {
                    let (shown, other) = match (field, than) {
                        ("min", _) => ("min", "max"),
                        ("defaultRequest", "default") => ("default request", "default limit"),
                        ("defaultRequest", _) => ("default request", "max"),
                        _ => ("default", "max"),
                    };
                    let detail = format!("{shown} value {} is greater than {other} value {}", low.0, high.0);
                    errors.invalid(&at.child(field).key(name), &low.0, detail);
                }
            }
        }
        for (name, low) in min {
            if let Some(request) = request.get(name)
                && read(low) > read(request)
            {
                let detail = format!("min value {} is greater than default request value {}", low.0, request.0);
                errors.invalid(&at.child("defaultRequest").key(name), &request.0, detail);
            }
        }
        for (name, ratio) in item.max_limit_request_ratio.iter().flatten() {
            if read(ratio) < Quantity::new(1, crate::api::QuantityFormat::DecimalSI) {
                let detail = format!("ratio {} is less than 1", ratio.0);
                errors.invalid(&at.child("maxLimitRequestRatio").key(name), &ratio.0, detail);
            }
        }
    }
}

/// `ValidateResourceQuotaSpec`.
pub(in crate::api) fn resource_quota(spec: &v1::ResourceQuotaSpec, errors: &mut Errors) {
    let at = At::root("spec");
    for (name, amount) in spec.hard.iter().flatten() {
        let at = at.child("hard");
        let at = at.key(name);
        errors.format(&at, name, names::label_key(name));
        let is_standard =
            ["cpu", "memory", "ephemeral-storage", "storage", "pods", "services", "replicationcontrollers"]
                .contains(&name.as_str())
                || ["resourcequotas", "secrets", "configmaps", "persistentvolumeclaims"].contains(&name.as_str())
                || ["requests.", "limits.", "services.", "hugepages-"].iter().any(|prefix| name.starts_with(prefix));
        if !name.contains('/') && !is_standard {
            errors.invalid(&at, name, "must be a standard resource for quota");
        }
        quantity(name, amount, &at, errors);
    }
    quota_scopes(spec, errors);
}

/// `validateResourceQuotaScopes`, `validateScopedResourceSelectorRequirement`.
fn quota_scopes(spec: &v1::ResourceQuotaSpec, errors: &mut Errors) {
    let at = At::root("spec");
    let limited = || spec.hard.iter().flatten().map(|(name, _)| name.as_str());
    let clashes = |scopes: &[&str]| {
        let pairs = [["BestEffort", "NotBestEffort"], ["NotTerminating", "Terminating"]];
        pairs.into_iter().filter(|pair| pair.iter().all(|scope| scopes.contains(scope))).count()
    };
    let scopes: Vec<&str> = spec.scopes.iter().flatten().map(String::as_str).collect();
    let field = at.child("scopes");
    for scope in &scopes {
        if !SCOPES.contains(scope) {
            errors.invalid(&field, Json::of(&spec.scopes), "unsupported scope");
        }
        for _ in limited().filter(|resource| !is_scoped(scope, resource)) {
            errors.invalid(&field, Json::of(&spec.scopes), "unsupported scope applied to resource");
        }
    }
    for _ in 0..clashes(&scopes) {
        errors.invalid(&field, Json::of(&spec.scopes), "conflicting scopes");
    }
    let Some(selector) = &spec.scope_selector else { return };
    let field = at.child("scopeSelector");
    let field = field.child("matchExpressions");
    let list = || selector.match_expressions.iter().flatten();
    for requirement in list() {
        let (scope, operator) = (requirement.scope_name.as_str(), requirement.operator.as_str());
        if !SCOPES.contains(&scope) {
            errors.invalid(&field.child("scopeName"), scope, "unsupported scope");
        }
        for _ in limited().filter(|resource| !is_scoped(scope, resource)) {
            errors.invalid(&field, Json::of(selector), "unsupported scope applied to resource");
        }
        if !matches!(scope, "PriorityClass" | "VolumeAttributesClass")
            && SCOPES.contains(&scope)
            && operator != "Exists"
        {
            let detail = "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, \
                          ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, \
                          ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.invalid(&field.child("operator"), operator, detail);
        }
        let values = requirement.values.as_deref().unwrap_or_default();
        match operator {
            "In" | "NotIn" if values.is_empty() => {
                let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                errors.required(&field.child("values"), detail);
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                errors.invalid(&field.child("values"), Json::of(&values), detail);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.invalid(&field.child("operator"), other, "not a valid selector operator"),
        }
    }
    let scopes: Vec<&str> = list().map(|requirement| requirement.scope_name.as_str()).collect();
    for _ in 0..clashes(&scopes) {
        errors.invalid(&field, Json::of(&spec.scopes), "conflicting scopes");
    }
}

const SCOPES: [&str; 7] = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];

/// Whether a quota of a scope may limit a resource (`IsResourceQuotaScopeValidForResource`); of those that are not
/// standard, none is asked.
fn is_scoped(scope: &str, resource: &str) -> bool {
    let of_pods =
        ["cpu", "limits.cpu", "limits.memory", "memory", "pods", "requests.cpu", "requests.memory"].contains(&resource);
    let of_claims = ["persistentvolumeclaims", "requests.storage"].contains(&resource);
    let others = [
        "configmaps",
        "ephemeral-storage",
        "limits.ephemeral-storage",
        "replicationcontrollers",
        "requests.ephemeral-storage",
        "resourcequotas",
        "secrets",
        "services",
        "services.loadbalancers",
        "services.nodeports",
    ];
    let is_huge = resource.starts_with("hugepages-") || resource.starts_with("requests.hugepages-");
    if !of_pods && !of_claims && !is_huge && !others.contains(&resource) {
        return true;
    }
    match scope {
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => of_claims,
        _ => of_pods || !SCOPES.contains(&scope),
    }
}

/// `ValidateHorizontalPodAutoscaler`, without metadata.
pub(in crate::api) fn horizontal_pod_autoscaler(spec: &autoscaling::HorizontalPodAutoscalerSpec, errors: &mut Errors) {
    let at = At::root("spec");
    let least = spec.min_replicas.unwrap_or(1);
    if least < 1 {
        errors.invalid(&at.child("minReplicas"), least, "must be greater than or equal to 1");
    }
    if spec.max_replicas < 1 {
        errors.invalid(&at.child("maxReplicas"), spec.max_replicas, "must be greater than 0");
    }
    if spec.max_replicas < least {
        let detail = "must be greater than or equal to `minReplicas`";
        errors.invalid(&at.child("maxReplicas"), spec.max_replicas, detail);
    }
    reference(&spec.scale_target_ref, &at.child("scaleTargetRef"), errors);
    let list = at.child("metrics");
    for (place, metric) in spec.metrics.iter().flatten().enumerate() {
        metric_spec(metric, &list.index(place), errors);
    }
    // Pods that there are none of use nothing.
    let tells_of_none = |metric: &autoscaling::MetricSpec| matches!(metric.type_.as_str(), "Object" | "External");
    if least == 0 && !spec.metrics.iter().flatten().any(tells_of_none) {
        let detail = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.forbidden(&list, detail);
    }
    if let Some(behavior) = &spec.behavior {
        let at = at.child("behavior");
        for (field, rules) in [("scaleUp", &behavior.scale_up), ("scaleDown", &behavior.scale_down)] {
            if let Some(rules) = rules {
                scaling_rules(rules, &at.child(field), errors);
            }
        }
    }
}

/// `ValidateCrossVersionObjectReference`.
fn reference(reference: &autoscaling::CrossVersionObjectReference, at: &At<'_>, errors: &mut Errors) {
    for (field, text) in [("kind", &reference.kind), ("name", &reference.name)] {
        segment(text, &at.child(field), "", errors);
    }
}

/// A text that is needed, and that must be a segment of a path.
fn segment(text: &str, at: &At<'_>, wanted: &str, errors: &mut Errors) {
    if text.is_empty() {
        errors.required(at, wanted);
    } else {
        errors.format(at, text, NameRule::PathSegment.check(text));
    }
}

/// `validateMetricSpec`.
fn metric_spec(metric: &autoscaling::MetricSpec, at: &At<'_>, errors: &mut Errors) {
    const SOURCES: [(&str, &str); 5] = [
        ("ContainerResource", "containerResource"),
        ("External", "external"),
        ("Object", "object"),
        ("Pods", "pods"),
        ("Resource", "resource"),
    ];
    let source = SOURCES.iter().find(|(kind, _)| *kind == metric.type_).map(|(_, source)| *source);
    if metric.type_.is_empty() {
        errors.required(&at.child("type"), "must specify a metric source type");
    }
    if source.is_none() {
        errors.unsupported(&at.child("type"), &metric.type_, &SOURCES.map(|(kind, _)| kind));
    }
    let have = [
        ("object", metric.object.is_some()),
        ("external", metric.external.is_some()),
        ("pods", metric.pods.is_some()),
        ("resource", metric.resource.is_some()),
        ("containerResource", metric.container_resource.is_some()),
    ];
    let have: Vec<&str> = have.into_iter().filter(|(_, is_set)| *is_set).map(|(source, _)| source).collect();
    // Only the first one is looked into.
    if let Some(first) = have.first() {
        metric_source(metric, &at.child(first), errors);
    }
    if let Some(source) = source.filter(|source| !have.contains(source)) {
        errors.required(&at.child(source), "must populate information for the given metric source");
    }
    if have.len() > 1 {
        for other in have.iter().filter(|other| Some(**other) != source) {
            errors.forbidden(&at.child(other), "must populate the given metric source only");
        }
    }
}

/// `validateObjectSource`, `validateExternalSource`, `validatePodsSource`, `validateResourceSource` and
/// `validateContainerResourceSource`, of the first one that there is.
fn metric_source(metric: &autoscaling::MetricSpec, at: &At<'_>, errors: &mut Errors) {
    let wanted = at.child("target");
    let is_named = |metric: &autoscaling::MetricIdentifier, errors: &mut Errors| {
        segment(&metric.name, &at.child("metric").child("name"), "must specify a metric name", errors);
    };
    if let Some(source) = &metric.object {
        reference(&source.described_object, &at.child("describedObject"), errors);
        is_named(&source.metric, errors);
        metric_target(&source.target, &wanted, errors);
        if source.target.value.is_none() && source.target.average_value.is_none() {
            errors.required(&wanted.child("averageValue"), "must set either a target value or averageValue");
        }
    } else if let Some(source) = &metric.external {
        is_named(&source.metric, errors);
        metric_target(&source.target, &wanted, errors);
        match (&source.target.value, &source.target.average_value) {
            (None, None) => {
                let detail = "must set either a target value for metric or a per-pod target";
                errors.required(&wanted.child("averageValue"), detail);
            }
            (Some(_), Some(_)) => {
                let detail = "may not set both a target value for metric and a per-pod target";
                errors.forbidden(&wanted.child("value"), detail);
            }
            _ => {}
        }
    } else if let Some(source) = &metric.pods {
        is_named(&source.metric, errors);
        metric_target(&source.target, &wanted, errors);
        if source.target.average_value.is_none() {
            errors.required(&wanted.child("averageValue"), "must specify a positive target averageValue");
        }
    } else if let Some(source) = &metric.resource {
        if source.name.is_empty() {
            errors.required(&at.child("name"), "must specify a resource name");
        }
        resource_target(&source.target, &wanted, errors);
    } else if let Some(source) = &metric.container_resource {
        if source.name.is_empty() {
            errors.required(&at.child("name"), "must specify a resource name");
        } else {
            container_resource_name(&source.name, &at.child("name"), errors);
        }
        if source.container.is_empty() {
            errors.required(&at.child("container"), "must specify a container");
        } else {
            errors.format(&at.child("container"), &source.container, names::label(&source.container));
        }
        resource_target(&source.target, &wanted, errors);
    }
}

fn resource_target(target: &autoscaling::MetricTarget, at: &At<'_>, errors: &mut Errors) {
    metric_target(target, at, errors);
    match (&target.average_utilization, &target.average_value) {
        (None, None) => {
            let detail = "must set either a target raw value or a target utilization";
            errors.required(&at.child("averageUtilization"), detail);
        }
        (Some(_), Some(_)) => {
            let detail = "may not set both a target raw value and a target utilization";
            errors.forbidden(&at.child("averageValue"), detail);
        }
        _ => {}
    }
}

/// `validateMetricTarget`.
fn metric_target(target: &autoscaling::MetricTarget, at: &At<'_>, errors: &mut Errors) {
    if target.type_.is_empty() {
        errors.required(&at.child("type"), "must specify a metric target type");
    }
    if !["Utilization", "Value", "AverageValue"].contains(&target.type_.as_str()) {
        errors.invalid(&at.child("type"), &target.type_, "must be either Utilization, Value, or AverageValue");
    }
    for (field, amount) in [("value", &target.value), ("averageValue", &target.average_value)] {
        if let Some(amount) = amount.as_ref().filter(|amount| read(amount).sign() != 1) {
            errors.invalid(&at.child(field), &amount.0, "must be positive");
        }
    }
    if let Some(percent) = target.average_utilization.filter(|percent| *percent < 1) {
        errors.invalid(&at.child("averageUtilization"), percent, "must be greater than 0");
    }
}

/// `validateScalingRules`.
fn scaling_rules(rules: &autoscaling::HPAScalingRules, at: &At<'_>, errors: &mut Errors) {
    const LONGEST_WINDOW: i32 = 3_600;
    const LONGEST_PERIOD: i32 = 1_800;
    let at_most = |most: i32| format!("must be less than or equal to {most}");
    let window = at.child("stabilizationWindowSeconds");
    match rules.stabilization_window_seconds {
        Some(seconds) if seconds < 0 => errors.invalid(&window, seconds, "must be greater than or equal to zero"),
        Some(seconds) if seconds > LONGEST_WINDOW => errors.invalid(&window, seconds, at_most(LONGEST_WINDOW)),
        Some(_) | None => {}
    }
    errors.maybe_one_of(&at.child("selectPolicy"), rules.select_policy.as_ref(), &["Disabled", "Max", "Min"]);
    let list = at.child("policies");
    if rules.policies.as_ref().is_none_or(Vec::is_empty) {
        errors.required(&list, "must specify at least one Policy");
    }
    for (place, policy) in rules.policies.iter().flatten().enumerate() {
        let at = list.index(place);
        errors.maybe_one_of(&at.child("type"), Some(&policy.type_), &["Percent", "Pods"]);
        for (field, number) in [("value", policy.value), ("periodSeconds", policy.period_seconds)] {
            if number <= 0 {
                errors.invalid(&at.child(field), number, "must be greater than zero");
            }
        }
        if policy.period_seconds > LONGEST_PERIOD {
            errors.invalid(&at.child("periodSeconds"), policy.period_seconds, at_most(LONGEST_PERIOD));
        }
    }
    if let Some(tolerance) = rules.tolerance.as_ref().filter(|tolerance| read(tolerance) < Quantity::ZERO) {
        errors.invalid(&at.child("tolerance"), &tolerance.0, "must be greater than or equal to 0");
    }
}
