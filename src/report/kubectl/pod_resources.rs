//! What a pod asks for and may use, all its containers and their life cycle considered.
//!
//! Follows component-helpers 1.36 `resource/helpers.go`: init containers run one after the other, sidecars beside all
//! that comes after them.

use super::fields::{Fields, condition};
use super::get::pod_facts::is_sidecar;
use crate::api::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

/// Amounts by resource.
pub type Amounts = BTreeMap<String, Quantity>;

/// Do the resources that the kubelet reports count as well?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// What the pod is written to ask for.
    Spec,
    /// The most of what is written, allocated and in force, while a resize is under way.
    SpecAndStatus,
}

/// What the pod requests.
pub fn requests(pod: &Value, basis: Basis) -> Amounts {
    let mut requests = of_containers(pod, "requests", basis);
    override_by_pod(&mut requests, pod, "requests");
    add(&mut requests, &amounts(pod.at("spec.overhead")));
    requests
}

/// What the pod is limited to.
pub fn limits(pod: &Value, basis: Basis) -> Amounts {
    let mut limits = of_containers(pod, "limits", basis);
    override_by_pod(&mut limits, pod, "limits");
    for (name, overhead) in amounts(pod.at("spec.overhead")) {
        // Overhead does not limit what is otherwise unlimited.
        if let Some(limit) = limits.get_mut(&name).filter(|limit| !limit.is_zero()) {
            limit.add(&overhead);
        }
    }
    limits
}

fn amounts(list: &Value) -> Amounts {
    list.quantities("").into_iter().map(|(name, amount)| (name.to_owned(), amount)).collect()
}

fn override_by_pod(sums: &mut Amounts, pod: &Value, field: &str) {
    for (name, amount) in amounts(pod.at("spec.resources").at(field)) {
        if matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-") {
            sums.insert(name, amount);
        }
    }
}

fn of_containers(pod: &Value, field: &str, basis: Basis) -> Amounts {
    let mut sums = Amounts::new();
    for container in pod.list("spec.containers") {
        add(&mut sums, &of_container(pod, container, field, basis));
    }
    let (mut sidecars, mut largest) = (Amounts::new(), Amounts::new());
    for container in pod.list("spec.initContainers") {
        if is_sidecar(container) {
            let own = of_container(pod, container, field, basis);
            add(&mut sums, &own);
            add(&mut sidecars, &own);
            raise(&mut largest, &sidecars);
        } else {
            let mut own = of_container(pod, container, field, Basis::Spec);
            add(&mut own, &sidecars);
            raise(&mut largest, &own);
        }
    }
    raise(&mut sums, &largest);
    sums
}

fn of_container(pod: &Value, container: &Value, field: &str, basis: Basis) -> Amounts {
    let spec = amounts(container.at("resources").at(field));
    let statuses = pod.list("status.containerStatuses").iter().chain(pod.list("status.initContainerStatuses"));
    // Of several statuses of a name the last one counts.
    let status = statuses.rev().find(|status| status["name"] == container["name"] && status.has("resources"));
    let Some(status) = status.filter(|_| basis == Basis::SpecAndStatus) else {
        return spec;
    };
    let infeasible = condition(pod, "PodResizePending").is_some_and(|c| c.text("reason") == "Infeasible");
    let mut most = if infeasible { Amounts::new() } else { spec };
    raise(&mut most, &amounts(status.at("resources").at(field)));
    if field == "requests" {
        raise(&mut most, &amounts(status.at("allocatedResources")));
    }
    most
}

fn add(sums: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        sums.entry(name.clone()).and_modify(|sum| sum.add(amount)).or_insert_with(|| amount.clone());
    }
}

/// Makes each amount at least as large as in `floor`.
fn raise(amounts: &mut Amounts, floor: &Amounts) {
    for (name, least) in floor {
        if amounts.get(name).is_none_or(|amount| least > amount) {
            amounts.insert(name.clone(), least.clone());
        }
    }
}

/// The sum over several pods.
pub fn total(all: impl Iterator<Item = Amounts>) -> Amounts {
    let mut sums = Amounts::new();
    all.for_each(|amounts| add(&mut sums, &amounts));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(pod: Value, expected: &[(&str, &str)]) {
        let found = requests(&pod, Basis::SpecAndStatus);
        let found: Vec<(&str, String)> =
            found.iter().map(|(name, amount)| (name.as_str(), amount.to_string())).collect();
        let expected: Vec<(&str, String)> =
            expected.iter().map(|(name, amount)| (*name, (*amount).to_owned())).collect();
        assert_eq!(found, expected, "{pod}");
    }

    #[test]
    fn init_containers_and_sidecars_count_while_they_run() {
        let container = |cpu: &str| json!({"name": cpu, "resources": {"requests": {"cpu": cpu}}});
        let sidecar = |cpu: &str| json!({"restartPolicy": "Always", "resources": {"requests": {"cpu": cpu}}});
        check(json!({"spec": {"containers": [container("1"), container("500m")]}}), &[("cpu", "1500m")]);
        let init = json!([sidecar("100m"), container("2")]);
        check(json!({"spec": {"containers": [container("1")], "initContainers": init}}), &[("cpu", "2100m")]);
        check(
            json!({"spec": {
                "containers": [container("3")],
                "initContainers": init,
                "overhead": {"cpu": "10m", "memory": "1Mi"},
            }}),
            &[("cpu", "3110m"), ("memory", "1Mi")],
        );
        check(
            json!({"spec": {"containers": [container("3")], "resources": {"requests": {"cpu": "4"}}}}),
            &[("cpu", "4")],
        );
    }

    #[test]
    fn a_resize_counts_with_its_larger_side() {
        let mut pod = json!({
            "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]},
            "status": {"containerStatuses": [
                {"name": "c", "resources": {"requests": {"cpu": "1"}}, "allocatedResources": {"cpu": "1500m"}}
            ]},
        });
        check(pod.clone(), &[("cpu", "2")]);
        pod["status"]["conditions"] = json!([{"type": "PodResizePending", "reason": "Infeasible"}]);
        check(pod, &[("cpu", "1500m")]);
    }
}
