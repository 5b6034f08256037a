//! Where a pod may go: affinity, tolerations, spreading, gates.

use super::meta::{labels, selector};
use super::names;
use super::{At, Errors};
use k8s_openapi::api::core::v1;

/// `validateAffinity`.
pub(super) fn affinity(affinity: &v1::Affinity, at: &At<'_>, errors: &mut Errors) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    if let Some(node) = &affinity.node_affinity {
        let at = at.child("nodeAffinity");
        if let Some(required) = &node.required_during_scheduling_ignored_during_execution {
            node_selector(required, &at.child(REQUIRED), errors);
        }
        let at = at.child(PREFERRED);
        for (place, term) in node.preferred_during_scheduling_ignored_during_execution.iter().flatten().enumerate() {
            let at = at.index(place);
            if !(1..=100).contains(&term.weight) {
                errors.invalid(&at.child("weight"), term.weight, "must be in the range 1-100");
            }
            // Values that no label can have are let through here; such a preference may be met by chance.
            node_selector_term(&term.preference, false, &at.child("preference"), errors);
        }
    }
    let pods = affinity.pod_affinity.as_ref().map(|pods| {
        let preferred = &pods.preferred_during_scheduling_ignored_during_execution;
        ("podAffinity", &pods.required_during_scheduling_ignored_during_execution, preferred)
    });
    let anti = affinity.pod_anti_affinity.as_ref().map(|pods| {
        let preferred = &pods.preferred_during_scheduling_ignored_during_execution;
        ("podAntiAffinity", &pods.required_during_scheduling_ignored_during_execution, preferred)
    });
    for (field, required, preferred) in pods.into_iter().chain(anti) {
        let at = at.child(field);
        for (place, term) in required.iter().flatten().enumerate() {
            pod_affinity_term(term, &at.child(REQUIRED).index(place), errors);
        }
        for (place, weighted) in preferred.iter().flatten().enumerate() {
            let list = at.child(PREFERRED);
            let at = list.index(place);
            if !(1..=100).contains(&weighted.weight) {
                errors.invalid(&at.child("weight"), weighted.weight, "must be in the range 1-100");
            }
            pod_affinity_term(&weighted.pod_affinity_term, &at.child("podAffinityTerm"), errors);
        }
    }
}

/// `ValidateNodeSelector`.
pub(super) fn node_selector(nodes: &v1::NodeSelector, at: &At<'_>, errors: &mut Errors) {
    let at = at.child("nodeSelectorTerms");
    if nodes.node_selector_terms.is_empty() {
        errors.required(&at, "must have at least one node selector term");
    }
    for (place, term) in nodes.node_selector_terms.iter().enumerate() {
        node_selector_term(term, true, &at.index(place), errors);
    }
}

fn node_selector_term(term: &v1::NodeSelectorTerm, checks_values: bool, at: &At<'_>, errors: &mut Errors) {
    for (place, requirement) in term.match_expressions.iter().flatten().enumerate() {
        let list = at.child("matchExpressions");
        let at = list.index(place);
        let values = requirement.values.as_deref().unwrap_or_default();
        let at_values = at.child("values");
        match requirement.operator.as_str() {
            "In" | "NotIn" if values.is_empty() => {
                errors.required(&at_values, "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                errors.forbidden(&at_values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            "Gt" | "Lt" if values.len() != 1 => {
                errors.required(&at_values, "must be specified single value when `operator` is 'Lt' or 'Gt'");
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => errors.invalid(&at.child("operator"), other, "not a valid selector operator"),
        }
        errors.format(&at.child("key"), &requirement.key, names::label_key(&requirement.key));
        for (place, value) in values.iter().enumerate().filter(|_| checks_values) {
            errors.format(&at_values.index(place), value, names::label_value(value));
        }
    }
    for (place, requirement) in term.match_fields.iter().flatten().enumerate() {
        let list = at.child("matchFields");
        let at = list.index(place);
        let values = requirement.values.as_deref().unwrap_or_default();
        match requirement.operator.as_str() {
            "In" | "NotIn" if values.len() != 1 => {
                let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                errors.required(&at.child("values"), detail);
            }
            "In" | "NotIn" => {}
            other => errors.invalid(&at.child("operator"), other, "not a valid selector operator"),
        }
        if requirement.key == "metadata.name" {
            for (place, value) in values.iter().enumerate() {
                errors.format(&at.child("values").index(place), value, names::subdomain(value));
            }
        } else {
            errors.invalid(&at.child("key"), &requirement.key, "not a valid field selector key");
        }
    }
}

fn pod_affinity_term(term: &v1::PodAffinityTerm, at: &At<'_>, errors: &mut Errors) {
    if let Some(pods) = &term.label_selector {
        selector(pods, &at.child("labelSelector"), errors);
    }
    if let Some(namespaces) = &term.namespace_selector {
        selector(namespaces, &at.child("namespaceSelector"), errors);
    }
    for namespace in term.namespaces.iter().flatten() {
        errors.format(&at.child("namespace"), namespace, names::label(namespace));
    }
    if term.topology_key.is_empty() {
        errors.required(&at.child("topologyKey"), "can not be empty");
    }
    if !term.topology_key.is_empty() {
        errors.format(&at.child("topologyKey"), &term.topology_key, names::label_key(&term.topology_key));
    }
    let keys = [("matchLabelKeys", &term.match_label_keys), ("mismatchLabelKeys", &term.mismatch_label_keys)];
    for (field, keys) in keys {
        label_keys(keys.as_ref(), term.label_selector.is_some(), &at.child(field), errors);
    }
    for (place, key) in term.match_label_keys.iter().flatten().enumerate() {
        if term.mismatch_label_keys.iter().flatten().any(|other| other == key) {
            let detail = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.invalid(&at.child("matchLabelKeys").index(place), key, detail);
        }
    }
}

fn label_keys(keys: Option<&Vec<String>>, has_selector: bool, at: &At<'_>, errors: &mut Errors) {
    let Some(keys) = keys.filter(|keys| !keys.is_empty()) else { return };
    if !has_selector {
        errors.forbidden(at, "must not be specified when labelSelector is not set");
    }
    for (place, key) in keys.iter().enumerate() {
        errors.format(&at.index(place), key, names::label_key(key));
    }
}

/// `ValidateTolerations`.
pub(super) fn tolerations(list: &[v1::Toleration], at: &At<'_>, errors: &mut Errors) {
    for (place, toleration) in list.iter().enumerate() {
        let at = at.index(place);
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let (key, operator, value) = (text(&toleration.key), text(&toleration.operator), text(&toleration.value));
        let effect = text(&toleration.effect);
        if !key.is_empty() {
            errors.format(&at.child("key"), &key, names::label_key(&key));
        }
        if key.is_empty() && operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid(&at.child("operator"), &operator, detail);
        }
        if toleration.toleration_seconds.is_some() && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(&at.child("effect"), &effect, detail);
        }
        match operator.as_str() {
            "" | "Equal" => {
                let wrong = names::label_value(&value);
                if !wrong.is_empty() {
                    errors.invalid(&at.child("operator"), &value, wrong.join(";"));
                }
            }
            "Exists" if value.is_empty() => {}
            "Exists" => {
                errors.invalid(&at.child("operator"), &value, "value must be empty when `operator` is 'Exists'");
            }
            other => errors.unsupported(&at.child("operator"), other, &["Equal", "Exists"]),
        }
        if !effect.is_empty() {
            taint_effect(&effect, &at.child("effect"), errors);
        }
    }
}

fn taint_effect(effect: &str, at: &At<'_>, errors: &mut Errors) {
    let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    if !effects.contains(&effect) {
        errors.unsupported(at, effect, &effects);
    }
}

/// `validateNodeTaints`.
pub(super) fn taints(taints: &[v1::Taint], at: &At<'_>, errors: &mut Errors) {
    let mut seen = Vec::new();
    for (place, taint) in taints.iter().enumerate() {
        let at = at.index(place);
        errors.format(&at.child("key"), &taint.key, names::label_key(&taint.key));
        let value = taint.value.as_deref().unwrap_or_default();
        let wrong = names::label_value(value);
        if !wrong.is_empty() {
            errors.invalid(&at.child("value"), value, wrong.join(";"));
        }
        if taint.effect.is_empty() {
            errors.required(&at.child("effect"), "");
        } else {
            taint_effect(&taint.effect, &at.child("effect"), errors);
        }
        if seen.contains(&(&taint.key, &taint.effect)) {
            let duplicate = format!("{}={value}:{}", taint.key, taint.effect);
            let problem = format!("Duplicate value: {duplicate:?}: taints must be unique by key and effect pair");
            errors.0.push(crate::api::FieldError { field: at.to_string(), problem });
        }
        seen.push((&taint.key, &taint.effect));
    }
}

/// `validateTopologySpreadConstraints`.
pub(super) fn spread(constraints: &[v1::TopologySpreadConstraint], at: &At<'_>, errors: &mut Errors) {
    for (place, constraint) in constraints.iter().enumerate() {
        let at = at.index(place);
        if constraint.max_skew <= 0 {
            errors.invalid(&at.child("maxSkew"), constraint.max_skew, "must be greater than zero");
        }
        if constraint.topology_key.is_empty() {
            errors.required(&at.child("topologyKey"), "can not be empty");
        }
        let when = constraint.when_unsatisfiable.as_str();
        if !matches!(when, "DoNotSchedule" | "ScheduleAnyway") {
            errors.unsupported(&at.child("whenUnsatisfiable"), when, &["DoNotSchedule", "ScheduleAnyway"]);
        }
        let is_same = |other: &v1::TopologySpreadConstraint| {
            other.topology_key == constraint.topology_key && other.when_unsatisfiable == when
        };
        if constraints[place + 1..].iter().any(is_same) {
            let pair = format!("{{{}, {when}}}", constraint.topology_key);
            errors.duplicate(&at.child("{topologyKey, whenUnsatisfiable}"), pair);
        }
        if let Some(domains) = constraint.min_domains {
            if domains <= 0 {
                errors.invalid(&at.child("minDomains"), domains, "must be greater than zero");
            }
            if when != "DoNotSchedule" {
                let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}");
                errors.invalid(&at.child("minDomains"), domains, detail);
            }
        }
        let policies = ["Honor", "Ignore"];
        errors.maybe_one_of(&at.child("nodeAffinityPolicy"), constraint.node_affinity_policy.as_ref(), &policies);
        errors.maybe_one_of(&at.child("nodeTaintsPolicy"), constraint.node_taints_policy.as_ref(), &policies);
        let keys = constraint.match_label_keys.as_ref();
        label_keys(keys, constraint.label_selector.is_some(), &at.child("matchLabelKeys"), errors);
        if let Some(pods) = &constraint.label_selector {
            selector(pods, &at.child("labelSelector"), errors);
        }
    }
}

/// `validateSchedulingGates`.
pub(super) fn gates(gates: &[v1::PodSchedulingGate], at: &At<'_>, errors: &mut Errors) {
    for (place, gate) in gates.iter().enumerate() {
        let at = at.index(place);
        errors.format(&at, &gate.name, names::label_key(&gate.name));
        if gates[..place].iter().any(|earlier| earlier.name == gate.name) {
            errors.duplicate(&at, &gate.name);
        }
    }
}

/// The labels that a node must have.
pub(super) fn node_labels(
    pairs: Option<&std::collections::BTreeMap<String, String>>,
    at: &At<'_>,
    errors: &mut Errors,
) {
    labels(pairs, at, errors);
}
