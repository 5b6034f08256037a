//! `kubectl get` for what configures and guards a cluster: name spaces, secrets, quotas, budgets, roles, webhooks.
//!
//! Follows Kubernetes 1.36 `pkg/printers/internalversion/printers.go`.

use super::{Columns, age, name, or_none};
use crate::api::human_duration;
use crate::report::kubectl::fields::Fields;
use crate::report::kubectl::table::{NAME, column, wide};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Kinds of which nothing but name and age is shown.
pub const NAME_AND_AGE: Columns = &[NAME, column("Age")];
/// Kinds that the server prints like those it knows nothing of.
pub const UNKNOWN: Columns = &[NAME, column("Created At")];
/// Namespaces.
pub const NAMESPACE: Columns = &[NAME, column("Status"), column("Age")];
/// Secrets.
pub const SECRET: Columns = &[NAME, column("Type"), column("Data"), column("Age")];
/// Config maps.
pub const CONFIG_MAP: Columns = &[NAME, column("Data"), column("Age")];
/// Disruption budgets.
pub const DISRUPTION_BUDGET: Columns =
    &[NAME, column("Min Available"), column("Max Unavailable"), column("Allowed Disruptions"), column("Age")];
/// Resource quotas.
pub const RESOURCE_QUOTA: Columns = &[NAME, column("Request"), column("Limit"), column("Age")];
/// Priority classes.
pub const PRIORITY_CLASS: Columns =
    &[NAME, column("Value"), column("Global-Default"), column("Age"), column("PreemptionPolicy")];
/// Leases.
pub const LEASE: Columns = &[NAME, column("Holder"), column("Age")];
/// Runtime classes.
pub const RUNTIME_CLASS: Columns = &[NAME, column("Handler"), column("Age")];
/// Bindings of roles.
pub const ROLE_BINDING: Columns =
    &[NAME, column("Role"), column("Age"), wide("Users"), wide("Groups"), wide("ServiceAccounts")];
/// Component statuses.
pub const COMPONENT_STATUS: Columns = &[NAME, column("Status"), column("Message"), column("Error")];
/// Certificate signing requests.
pub const SIGNING_REQUEST: Columns =
    &[NAME, column("Age"), column("SignerName"), column("Requestor"), column("RequestedDuration"), column("Condition")];
/// Webhook configurations.
pub const WEBHOOKS: Columns = &[NAME, column("Webhooks"), column("Age")];
/// Admission policies.
pub const ADMISSION_POLICY: Columns = &[NAME, column("Validations"), column("ParamKind"), column("Age")];
/// Bindings of admission policies.
pub const ADMISSION_POLICY_BINDING: Columns = &[NAME, column("PolicyName"), column("ParamRef"), column("Age")];
/// Flow schemas.
pub const FLOW_SCHEMA: Columns = &[
    NAME,
    column("PriorityLevel"),
    column("MatchingPrecedence"),
    column("DistinguisherMethod"),
    column("Age"),
    column("MissingPL"),
];
/// Priority levels of requests.
pub const PRIORITY_LEVEL: Columns = &[
    NAME,
    column("Type"),
    column("NominalConcurrencyShares"),
    column("Queues"),
    column("HandSize"),
    column("QueueLengthLimit"),
    column("Age"),
];
/// Resource claims.
pub const RESOURCE_CLAIM: Columns = &[NAME, column("State"), column("Age")];
/// Resource slices.
pub const RESOURCE_SLICE: Columns = &[NAME, column("Node"), column("Driver"), column("Pool"), column("Age")];

/// The line of what has nothing else to show.
pub fn name_and_age(object: &Value, now: Timestamp) -> Vec<String> {
    vec![name(object), age(object, now)]
}

/// The line of a kind without a printer.
pub fn unknown(object: &Value, _: Timestamp) -> Vec<String> {
    vec![name(object), object.text("metadata.creationTimestamp").to_owned()]
}

/// The line of a namespace.
pub fn namespace(object: &Value, now: Timestamp) -> Vec<String> {
    vec![name(object), object.text("status.phase").to_owned(), age(object, now)]
}

fn entries(object: &Value, field: &str) -> usize {
    object.at(field).as_object().map_or(0, |map| map.len())
}

/// The line of a secret.
pub fn secret(secret: &Value, now: Timestamp) -> Vec<String> {
    vec![name(secret), secret.text("type").to_owned(), entries(secret, "data").to_string(), age(secret, now)]
}

/// The line of a config map.
pub fn config_map(map: &Value, now: Timestamp) -> Vec<String> {
    vec![name(map), (entries(map, "data") + entries(map, "binaryData")).to_string(), age(map, now)]
}

/// The line of a disruption budget.
pub fn disruption_budget(budget: &Value, now: Timestamp) -> Vec<String> {
    let bound = |path: &str| if budget.has(path) { budget.int_or_text(path) } else { "N/A".to_owned() };
    vec![
        name(budget),
        bound("spec.minAvailable"),
        bound("spec.maxUnavailable"),
        budget.int("status.disruptionsAllowed").to_string(),
        age(budget, now),
    ]
}

/// The line of a resource quota: `used/hard` by resource, limits apart.
pub fn resource_quota(quota: &Value, now: Timestamp) -> Vec<String> {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (resource, hard) in quota.quantities("status.hard") {
        let text = format!("{resource}: {}/{hard}", quota.quantity("status.used", resource));
        if resource.starts_with("limits.") { limits.push(text) } else { requests.push(text) }
    }
    vec![name(quota), requests.join(", "), limits.join(", "), age(quota, now)]
}

/// The line of a priority class.
pub fn priority_class(class: &Value, now: Timestamp) -> Vec<String> {
    vec![
        name(class),
        class.int("value").to_string(),
        class.flag("globalDefault").to_string(),
        age(class, now),
        class.text("preemptionPolicy").to_owned(),
    ]
}

/// The line of a lease.
pub fn lease(lease: &Value, now: Timestamp) -> Vec<String> {
    vec![name(lease), lease.text("spec.holderIdentity").to_owned(), age(lease, now)]
}

/// The line of a runtime class.
pub fn runtime_class(class: &Value, now: Timestamp) -> Vec<String> {
    vec![name(class), class.text("handler").to_owned(), age(class, now)]
}

/// The line of a role binding.
pub fn role_binding(binding: &Value, now: Timestamp) -> Vec<String> {
    let role = binding.at("roleRef");
    let subjects = |kind: &str| {
        let named = binding.list("subjects").iter().filter(|s| s.text("kind") == kind);
        let text = |s: &Value| match (kind, s.text("namespace")) {
            ("ServiceAccount", namespace) if !namespace.is_empty() => format!("{namespace}/{}", s.text("name")),
            _ => s.text("name").to_owned(),
        };
        named.map(text).collect::<Vec<_>>().join(", ")
    };
    vec![
        name(binding),
        format!("{}/{}", role.text("kind"), role.text("name")),
        age(binding, now),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}

/// The line of a component status.
pub fn component_status(status: &Value, _: Timestamp) -> Vec<String> {
    let healthy = status.list("conditions").iter().find(|c| c.text("type") == "Healthy");
    let [health, message, error] = healthy.map_or(["Unknown", "", ""], |c| {
        let health = if c.text("status") == "True" { "Healthy" } else { "Unhealthy" };
        [health, c.text("message"), c.text("error")]
    });
    vec![name(status), health.to_owned(), message.to_owned(), error.to_owned()]
}

/// The line of a certificate signing request.
pub fn signing_request(request: &Value, now: Timestamp) -> Vec<String> {
    let duration = request.opt_int("spec.expirationSeconds").map(|s| human_duration(SignedDuration::from_secs(s)));
    vec![
        name(request),
        age(request, now),
        or_none(request.text("spec.signerName")),
        request.text("spec.username").to_owned(),
        duration.unwrap_or("<none>".to_owned()),
        signing_status(request),
    ]
}

/// `Approved,Issued` and the like.
pub fn signing_status(request: &Value) -> String {
    let is = |kind: &str| request.list("status.conditions").iter().any(|c| c.text("type") == kind);
    let decision = match (is("Denied"), is("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    };
    let failed = if is("Failed") { ",Failed" } else { "" };
    let issued = if request.text("status.certificate").is_empty() { "" } else { ",Issued" };
    format!("{decision}{failed}{issued}")
}

/// The line of a webhook configuration.
pub fn webhooks(configuration: &Value, now: Timestamp) -> Vec<String> {
    vec![name(configuration), configuration.list("webhooks").len().to_string(), age(configuration, now)]
}

/// The line of an admission policy.
pub fn admission_policy(policy: &Value, now: Timestamp) -> Vec<String> {
    let kind = policy.at("spec.paramKind");
    let kind = if kind.is_null() {
        "<unset>".to_owned()
    } else {
        format!("{}/{}", kind.text("apiVersion"), kind.text("kind"))
    };
    vec![name(policy), policy.list("spec.validations").len().to_string(), kind, age(policy, now)]
}

/// The line of a binding of an admission policy.
pub fn admission_policy_binding(binding: &Value, now: Timestamp) -> Vec<String> {
    let parameter = binding.at("spec.paramRef");
    let text = match parameter.text("name") {
        "" => "<unset>".to_owned(),
        name => format!("{}/{name}", parameter.text_or("namespace", "*")),
    };
    vec![name(binding), binding.text("spec.policyName").to_owned(), text, age(binding, now)]
}

/// The line of a flow schema.
pub fn flow_schema(schema: &Value, now: Timestamp) -> Vec<String> {
    let dangling = schema.list("status.conditions").iter().find(|c| c.text("type") == "Dangling");
    vec![
        name(schema),
        schema.text("spec.priorityLevelConfiguration.name").to_owned(),
        schema.int("spec.matchingPrecedence").to_string(),
        or_none(schema.text("spec.distinguisherMethod.type")),
        age(schema, now),
        dangling.map_or("?", |c| c.text("status")).to_owned(),
    ]
}

/// The line of a priority level.
pub fn priority_level(level: &Value, now: Timestamp) -> Vec<String> {
    let limited = level.at("spec.limited");
    let number = |object: &Value, path: &str, given: bool| {
        if given { object.int(path).to_string() } else { "<none>".to_owned() }
    };
    let queuing = limited.at("limitResponse.queuing");
    let queues = |field: &str| number(queuing, field, !queuing.is_null());
    vec![
        name(level),
        level.text("spec.type").to_owned(),
        number(limited, "nominalConcurrencyShares", !limited.is_null()),
        queues("queues"),
        queues("handSize"),
        queues("queueLengthLimit"),
        age(level, now),
    ]
}

/// The line of a resource claim.
pub fn resource_claim(claim: &Value, now: Timestamp) -> Vec<String> {
    let deleted = claim.has("metadata.deletionTimestamp");
    let allocated = claim.has("status.allocation");
    let states = [
        (deleted, "deleted"),
        (!allocated && !deleted, "pending"),
        (allocated, "allocated"),
        (allocated && !claim.list("status.reservedFor").is_empty(), "reserved"),
    ];
    let states: Vec<&str> = states.into_iter().filter(|(holds, _)| *holds).map(|(_, state)| state).collect();
    vec![name(claim), states.join(","), age(claim, now)]
}

/// The line of a resource slice.
pub fn resource_slice(slice: &Value, now: Timestamp) -> Vec<String> {
    vec![
        name(slice),
        slice.text("spec.nodeName").to_owned(),
        slice.text("spec.driver").to_owned(),
        slice.text("spec.pool.name").to_owned(),
        age(slice, now),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_show_what_matters() {
        let now = Timestamp::UNIX_EPOCH;
        let quota = json!({"status": {"hard": {"limits.cpu": "4", "pods": "10", "cpu": "2"}, "used": {"pods": "3"}}});
        assert_eq!(resource_quota(&quota, now)[1..3], ["cpu: 0/2, pods: 3/10", "limits.cpu: 0/4"]);
        let budget = json!({"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 1}});
        assert_eq!(disruption_budget(&budget, now)[1..4], ["50%", "N/A", "1"]);
        let request = json!({"status": {"conditions": [{"type": "Approved"}], "certificate": "eA=="}});
        assert_eq!(signing_status(&request), "Approved,Issued");
        let claim = json!({"status": {"allocation": {}, "reservedFor": [{}]}});
        assert_eq!(resource_claim(&claim, now)[1], "allocated,reserved");
        let binding = json!({
            "roleRef": {"kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "n", "name": "s"}],
        });
        assert_eq!(role_binding(&binding, now)[1..], ["Role/r", "<unknown>", "", "", "n/s"]);
    }
}
