//! Pieces that many kinds share: metadata, labels, selectors, amounts, times, conditions.

use crate::api::{
    CPU, Condition, ConditionStatus, IntOrPercent, Labels, List, Metadata, Name, Operator, OwnerReference, Quantity,
    Requirement, ResourceList, Selector, Text, Timestamp, Uid, WallTime,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as QuantityText;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use k8s_openapi::jiff;
use std::collections::BTreeMap;

pub(crate) type Amounts = BTreeMap<String, QuantityText>;
pub(super) type Texts = BTreeMap<String, String>;

/// The metadata of an object.
pub(super) fn metadata(meta: &meta::ObjectMeta) -> Metadata {
    Metadata {
        index: 0,
        name: name(meta.name.as_ref()),
        namespace: name(meta.namespace.as_ref()),
        generate_name: name(meta.generate_name.as_ref()),
        uid: uid(meta.uid.as_deref().unwrap_or_default()),
        resource_version: version(meta.resource_version.as_deref()),
        generation: meta.generation.unwrap_or_default(),
        creation_timestamp: time(meta.creation_timestamp.as_ref()).unwrap_or_default(),
        deletion_timestamp: time(meta.deletion_timestamp.as_ref()),
        deletion_grace_period: meta.deletion_grace_period_seconds,
        labels: labels(meta.labels.as_ref()),
        annotations: labels(meta.annotations.as_ref()),
        owner_references: meta.owner_references.iter().flatten().map(owner).collect(),
        finalizers: names(meta.finalizers.as_ref()),
    }
}

fn owner(owner: &meta::OwnerReference) -> OwnerReference {
    OwnerReference {
        api_version: Name::new(&owner.api_version),
        kind: Name::new(&owner.kind),
        name: Name::new(&owner.name),
        uid: uid(&owner.uid),
        controller: owner.controller == Some(true),
        block_owner_deletion: owner.block_owner_deletion == Some(true),
    }
}

/// A name that may be absent.
pub(super) fn name(text: Option<&String>) -> Name {
    text.map_or_else(Name::default, Name::from)
}

/// A list of names that may be absent.
pub(super) fn names(texts: Option<&Vec<String>>) -> List<Name> {
    texts.into_iter().flatten().map(Name::from).collect()
}

/// A text that may be absent.
pub(super) fn text(text: Option<&String>) -> Text {
    text.map_or_else(Text::default, Text::from)
}

/// An identity; one that is no UUID gets bits of its own.
pub(super) fn uid(text: &str) -> Uid {
    if text.is_empty() {
        return Uid::default();
    }
    Uid::parse(text).unwrap_or_else(|| Uid::from_bits(xxhash_rust::xxh3::xxh3_128(text.as_bytes())))
}

/// A resource version; other texts than numbers count as none.
pub(super) fn version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Labels or annotations.
pub(super) fn labels(pairs: Option<&Texts>) -> Labels {
    pairs.into_iter().flatten().map(|(key, value)| (Name::from(key), Name::from(value))).collect()
}

/// A stored time.
pub(super) fn time(time: Option<&meta::Time>) -> Option<Timestamp> {
    time.map(|time| Timestamp::from_unix_secs(floor_second(time.0)))
}

/// A stored time with microseconds.
pub(super) fn micro_time(time: Option<&meta::MicroTime>) -> Option<WallTime> {
    time.map(|time| WallTime::from_unix_nanos((time.0.as_microsecond()).saturating_mul(1000)))
}

fn floor_second(time: jiff::Timestamp) -> i64 {
    time.as_second() - i64::from(time.subsec_nanosecond() < 0)
}

/// A label selector (`metav1.LabelSelectorAsSelector`), its requirements in order of their keys.
pub(super) fn selector(selector: &meta::LabelSelector) -> Selector {
    let labels = selector.match_labels.iter().flatten();
    let labels = labels.map(|(key, value)| Requirement::equals(Name::from(key), Name::from(value)));
    let expressions = selector.match_expressions.iter().flatten().map(|expression| Requirement {
        key: Name::from(&expression.key),
        operator: operator(&expression.operator),
        values: names(expression.values.as_ref()),
    });
    let mut all: Vec<_> = labels.chain(expressions).collect();
    all.sort_by_key(|requirement| requirement.key);
    Selector(all.into())
}

/// The operator of a selector; validation refuses others.
pub(super) fn operator(text: &str) -> Operator {
    match text {
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::Gt,
        "Lt" => Operator::Lt,
        _ => Operator::In,
    }
}

/// Amounts by name: CPU in thousandths, the rest in whole units, rounded up.
pub(super) fn amounts(list: Option<&Amounts>) -> ResourceList {
    list.into_iter().flatten().map(|(name, text)| (Name::from(name), amount(name, text))).collect()
}

/// The amount of one resource.
pub(crate) fn amount(name: &str, text: &QuantityText) -> i64 {
    let Ok(quantity) = text.0.parse::<Quantity>() else { return 0 };
    if is_in_thousandths(name) { quantity.saturating_milli_value() } else { quantity.saturating_value() }
}

/// Whether amounts of a resource are kept in thousandths: CPU, also as quotas name it.
pub(crate) fn is_in_thousandths(name: &str) -> bool {
    name == CPU.as_str() || matches!(name, "requests.cpu" | "limits.cpu")
}

/// A quantity in whole units, rounded up.
pub(super) fn whole(text: &QuantityText) -> i64 {
    text.0.parse::<Quantity>().map_or(0, |quantity| quantity.saturating_value())
}

/// A number or a percentage; validation refuses other texts.
pub(super) fn int_or_percent(value: &IntOrString) -> IntOrPercent {
    match value {
        IntOrString::Int(number) => IntOrPercent::Int(*number),
        IntOrString::String(text) => {
            let percent = text.strip_suffix('%').and_then(|number| number.parse().ok());
            percent.map_or(IntOrPercent::Int(0), IntOrPercent::Percent)
        }
    }
}

/// A condition's status.
pub(super) fn status(text: &str) -> ConditionStatus {
    match text {
        "True" => ConditionStatus::True,
        "False" => ConditionStatus::False,
        _ => ConditionStatus::Unknown,
    }
}

/// Makes the record of a condition of any kind; the last argument is the time of the last confirmation.
macro_rules! condition {
    ($condition:expr, $generation:expr, $updated:expr) => {
        $crate::api::Condition {
            kind: $crate::api::Name::from(&$condition.type_),
            status: status(&$condition.status),
            reason: name($condition.reason.as_ref()),
            message: text($condition.message.as_ref()),
            last_transition_time: time($condition.last_transition_time.as_ref()).unwrap_or_default(),
            last_update_time: time($updated.as_ref()),
            observed_generation: $generation.unwrap_or_default(),
        }
    };
}
pub(super) use condition;

/// A condition of the common type.
pub(super) fn meta_condition(condition: &meta::Condition) -> Condition {
    Condition {
        kind: Name::from(&condition.type_),
        status: status(&condition.status),
        reason: Name::from(&condition.reason),
        message: Text::from(&condition.message),
        last_transition_time: time(Some(&condition.last_transition_time)).unwrap_or_default(),
        last_update_time: None,
        observed_generation: condition.observed_generation.unwrap_or_default(),
    }
}

/// An IPv4 address; others are not modelled.
pub(super) fn address(text: Option<&String>) -> Option<std::net::Ipv4Addr> {
    text.and_then(|text| text.parse().ok())
}

/// A value of `k8s-openapi` as compact JSON text.
pub(super) fn json(value: &impl serde::Serialize) -> Text {
    Text::from(serde_json::to_string(value).expect("API types are JSON"))
}
