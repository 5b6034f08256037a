//! What a pod asks for as a whole, as quantities: the numbers of [`crate::api::requests`], written as Kubernetes
//! writes them. A sum keeps the notation of its first part, so it is formed from quantities rather than from integers.

use crate::api::{Object, POD_RESIZE_PENDING, Pod, Quantity, Resources, lower, requests};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

type Quantities = BTreeMap<String, Quantity>;

/// Requests or limits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Requests,
    Limits,
}

impl Side {
    const fn field(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Limits => "limits",
        }
    }
}

/// The arithmetic of one pod's resources, as a recording tells it.
///
/// # Errors
/// What makes the input no pod.
pub fn decide(pod: &Value) -> Result<Value, String> {
    let Object::Pod(record) = lower(pod).map_err(|error| error.to_string())?.object else {
        return Err("podAsWritten is no pod".to_owned());
    };
    let (spec, status) = (&*record.spec, &*record.status);
    let charged = Resources::from(&requests::requests_with_status(spec, status));
    let (milli_cpu, memory) = requests::non_zero_requests_with_status(spec, status);
    let admitted: Value = serde_json::from_str(&spec.source).map_err(|error| error.to_string())?;
    let sums = Sums { spec: &admitted, status: &pod["status"], is_infeasible: is_infeasible(&record) };
    Ok(json!({
        "qosClass": requests::qos_class(spec).to_string(),
        "podRequests": text(sums.total(Side::Requests, false)),
        "podLimits": text(sums.total(Side::Limits, false)),
        "podRequestsWithStatus": text(sums.total(Side::Requests, true)),
        "podLimitsWithStatus": text(sums.total(Side::Limits, true)),
        "fitFilterRequest": vector(&spec.requests),
        "nodeAccounting": vector(&charged),
        "nodeAccountingNonZeroMilliCPU": milli_cpu,
        "nodeAccountingNonZeroMemory": memory,
    }))
}

fn is_infeasible(pod: &Pod) -> bool {
    pod.status.condition(*POD_RESIZE_PENDING).is_some_and(|pending| pending.reason == "Infeasible")
}

/// The sums of one pod (`component-helpers/resource/helpers.go`).
struct Sums<'v> {
    spec: &'v Value,
    status: &'v Value,
    is_infeasible: bool,
}

impl Sums<'_> {
    fn total(&self, side: Side, with_status: bool) -> Quantities {
        let mut sums = self.aggregate(side, with_status);
        for (name, quantity) in self.pod_level(side, with_status) {
            if name == "cpu" || name == "memory" || name.starts_with("hugepages-") {
                sums.insert(name, quantity);
            }
        }
        for (name, quantity) in read(&self.spec["overhead"]) {
            match sums.get_mut(&name) {
                Some(sum) if side == Side::Requests || !sum.is_zero() => sum.add(&quantity),
                Some(_) => {}
                None if side == Side::Requests => drop(sums.insert(name, quantity)),
                None => {}
            }
        }
        sums
    }

    fn aggregate(&self, side: Side, with_status: bool) -> Quantities {
        let mut sums = Quantities::new();
        for container in list(&self.spec["containers"]) {
            add(&mut sums, &self.container(container, side, with_status));
        }
        let (mut sidecars, mut most) = (Quantities::new(), Quantities::new());
        for container in list(&self.spec["initContainers"]) {
            let is_sidecar = container["restartPolicy"] == "Always";
            let own = self.container(container, side, with_status && is_sidecar);
            if is_sidecar {
                add(&mut sums, &own);
                add(&mut sidecars, &own);
                raise(&mut most, &sidecars);
            } else {
                let mut together = own;
                add(&mut together, &sidecars);
                raise(&mut most, &together);
            }
        }
        raise(&mut sums, &most);
        sums
    }

    fn container(&self, container: &Value, side: Side, with_status: bool) -> Quantities {
        let own = read(&container["resources"][side.field()]);
        // Of two statuses of one name the later list wins.
        let statuses =
            list(&self.status["containerStatuses"]).iter().chain(list(&self.status["initContainerStatuses"]));
        let status = statuses.rev().find(|status| status["name"] == container["name"]);
        let Some(status) = status.filter(|status| with_status && status["resources"].is_object()) else { return own };
        let mut held = if self.is_infeasible { Quantities::new() } else { own };
        raise(&mut held, &read(&status["resources"][side.field()]));
        if side == Side::Requests {
            raise(&mut held, &read(&status["allocatedResources"]));
        }
        held
    }

    /// What is stated for the pod as a whole, with what the kubelet allocated and enacted of it.
    fn pod_level(&self, side: Side, with_status: bool) -> Quantities {
        let own = read(&self.spec["resources"][side.field()]);
        if !with_status || !self.status["resources"].is_object() || !self.spec["resources"].is_object() {
            return own;
        }
        let mut held = if self.is_infeasible { Quantities::new() } else { own.clone() };
        raise(&mut held, &read(&self.status["resources"][side.field()]));
        if side == Side::Requests {
            raise(&mut held, &read(&self.status["allocatedResources"]));
        }
        held.retain(|name, _| own.contains_key(name));
        held
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn read(value: &Value) -> Quantities {
    let amounts = value.as_object().into_iter().flatten();
    amounts.filter_map(|(name, text)| Some((name.clone(), Quantity::from_json(text).ok()?))).collect()
}

fn add(sums: &mut Quantities, more: &Quantities) {
    for (name, quantity) in more {
        match sums.get_mut(name) {
            Some(sum) => sum.add(quantity),
            None => drop(sums.insert(name.clone(), quantity.clone())),
        }
    }
}

fn raise(most: &mut Quantities, other: &Quantities) {
    for (name, quantity) in other {
        if most.get(name).is_none_or(|have| have < quantity) {
            most.insert(name.clone(), quantity.clone());
        }
    }
}

fn text(quantities: Quantities) -> Value {
    Value::Object(quantities.into_iter().map(|(name, quantity)| (name, json!(quantity.to_string()))).collect())
}

fn vector(resources: &Resources) -> Value {
    let mut value = json!({
        "milliCPU": resources.milli_cpu, "memoryBytes": resources.memory,
        "ephemeralStorageBytes": resources.ephemeral_storage,
    });
    if !resources.scalars.is_empty() {
        let scalars: Map<String, Value> =
            resources.scalars.iter().map(|(name, amount)| (name.to_string(), json!(amount))).collect();
        value["scalar"] = Value::Object(scalars);
    }
    value
}
