//! Namespaces, nodes, limits, quotas, priorities, configuration and autoscalers.

use super::container::quantity;
use super::names;
use super::scheduling::taints;
use super::{At, Errors, Json};
use crate::api::Quantity;
use k8s_openapi::api::{autoscaling::v2 as autoscaling, core::v1, scheduling::v1 as scheduling};
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
        let read = |text: &k8s_openapi::apimachinery::pkg::api::resource::Quantity| {
            text.0.parse::<Quantity>().unwrap_or_default()
        };
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
    let scopes =
        ["BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating"];
    for scope in spec.scopes.iter().flatten() {
        if !scopes.contains(&scope.as_str()) && scope != "VolumeAttributesClass" {
            errors.invalid(&at.child("scopes"), Json::of(&spec.scopes), "unsupported scope");
        }
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
        errors.invalid(&at.child("maxReplicas"), spec.max_replicas, "must be greater than or equal to 1");
    }
    if spec.max_replicas < least {
        let detail = "must be greater than or equal to `minReplicas`";
        errors.invalid(&at.child("maxReplicas"), spec.max_replicas, detail);
    }
    let target = at.child("scaleTargetRef");
    for (field, text) in [("kind", &spec.scale_target_ref.kind), ("name", &spec.scale_target_ref.name)] {
        if text.is_empty() {
            errors.required(&target.child(field), "");
        }
    }
    for (place, metric) in spec.metrics.iter().flatten().enumerate() {
        let list = at.child("metrics");
        let at = list.index(place);
        let set = [
            ("object", metric.object.is_some()),
            ("external", metric.external.is_some()),
            ("pods", metric.pods.is_some()),
            ("resource", metric.resource.is_some()),
            ("containerResource", metric.container_resource.is_some()),
        ];
        let kinds = ["ContainerResource", "External", "Object", "Pods", "Resource"];
        errors.one_of(&at.child("type"), Some(&metric.type_), &kinds);
        let wanted = metric.type_[..1.min(metric.type_.len())].to_lowercase() + metric.type_.get(1..).unwrap_or("");
        if kinds.contains(&metric.type_.as_str()) && !set.contains(&(wanted.as_str(), true)) {
            let detail = "must populate information for the given metric source";
            errors.required(&at.child(&wanted), detail);
        }
    }
}
