//! Devices, their classes and the claims on them.

use super::common::{json, name, names, uid};
use super::defaults::set;
use super::pod::node_selector_terms;
use super::{Lower, rest};
use crate::api::validation::{self, Errors};
use crate::api::{
    AllocatedDevice, Allocation, AttributeValue, Consumer, Device, DeviceAlternative, DeviceClaim, DeviceClass,
    DeviceConstraint, DeviceId, DeviceNodes, DeviceRequest, Metadata, Name, ResourceClaim, ResourceClaimStatus,
    ResourceClaimTemplate, ResourceSlice, Text,
};
use k8s_openapi::api::{core::v1, resource::v1 as resource};
use std::sync::Arc;

/// Requests without mode are for one device (`SetDefaults_ExactDeviceRequest`, `SetDefaults_DeviceSubRequest`).
fn set_claim_defaults(spec: &mut resource::ResourceClaimSpec) {
    let requests = spec.devices.iter_mut().flat_map(|devices| devices.requests.iter_mut().flatten());
    for request in requests {
        if let Some(exactly) = &mut request.exactly {
            mode_defaults(&mut exactly.allocation_mode, &mut exactly.count);
        }
        for one in request.first_available.iter_mut().flatten() {
            mode_defaults(&mut one.allocation_mode, &mut one.count);
        }
    }
}

fn mode_defaults(mode: &mut Option<String>, count: &mut Option<i64>) {
    set(mode, "ExactCount");
    if mode.as_deref() == Some("ExactCount") {
        set(count, 1);
    }
}

impl Lower for resource::ResourceClaim {
    type Record = ResourceClaim;

    fn validate(&self, errors: &mut Errors) {
        validation::resource_claim(&self.spec, &["spec"], errors);
    }

    fn set_defaults(&mut self) {
        set_claim_defaults(&mut self.spec);
    }

    fn record(self, meta: Metadata) -> ResourceClaim {
        let status = self.status.unwrap_or_default();
        ResourceClaim {
            meta,
            devices: Arc::new(self.spec.devices.as_ref().map(device_claim).unwrap_or_default()),
            status: ResourceClaimStatus {
                allocation: status.allocation.as_ref().map(|result| Arc::new(allocation(result))),
                reserved_for: status.reserved_for.iter().flatten().map(consumer).collect(),
            },
            source: json(&self.spec),
        }
    }
}

fn consumer(one: &resource::ResourceClaimConsumerReference) -> Consumer {
    Consumer {
        api_group: name(one.api_group.as_ref()),
        resource: Name::from(&one.resource),
        name: Name::from(&one.name),
        uid: uid(&one.uid),
    }
}

fn allocation(result: &resource::AllocationResult) -> Allocation {
    let devices = result.devices.iter().flat_map(|devices| devices.results.iter().flatten());
    let results = devices.map(|one| AllocatedDevice {
        request: Name::from(&one.request),
        device: DeviceId {
            driver: Name::from(&one.driver),
            pool: Name::from(&one.pool),
            device: Name::from(&one.device),
        },
        admin_access: one.admin_access == Some(true),
    });
    Allocation {
        results: results.collect(),
        node_selector: result.node_selector.as_ref().map(node_selector_terms),
        source: json(result),
    }
}

fn selectors(list: Option<&Vec<resource::DeviceSelector>>) -> Vec<Text> {
    let text = |one: &resource::DeviceSelector| one.cel.as_ref().map(|cel| Text::from(cel.expression.as_str()));
    list.into_iter().flatten().filter_map(text).collect()
}

fn count(mode: Option<&String>, count: Option<i64>) -> Option<i64> {
    (mode.map(String::as_str) != Some("All")).then(|| count.unwrap_or(1))
}

fn device_claim(claim: &resource::DeviceClaim) -> DeviceClaim {
    let request = |request: &resource::DeviceRequest| {
        let exactly = request.exactly.iter().map(|one| DeviceAlternative {
            name: Name::from(&request.name),
            class: Name::from(&one.device_class_name),
            selectors: selectors(one.selectors.as_ref()),
            count: count(one.allocation_mode.as_ref(), one.count),
            admin_access: one.admin_access == Some(true),
        });
        let others = request.first_available.iter().flatten().map(|one| DeviceAlternative {
            name: Name::new(&format!("{}/{}", request.name, one.name)),
            class: Name::from(&one.device_class_name),
            selectors: selectors(one.selectors.as_ref()),
            count: count(one.allocation_mode.as_ref(), one.count),
            admin_access: false,
        });
        DeviceRequest {
            name: Name::from(&request.name),
            first_available: request.exactly.is_none(),
            alternatives: exactly.chain(others).collect(),
        }
    };
    let constraint = |one: &resource::DeviceConstraint| {
        let attribute = Name::from(one.match_attribute.as_ref()?);
        Some(DeviceConstraint { requests: names(one.requests.as_ref()).iter().copied().collect(), attribute })
    };
    DeviceClaim {
        requests: claim.requests.iter().flatten().map(request).collect(),
        constraints: claim.constraints.iter().flatten().filter_map(constraint).collect(),
    }
}

impl Lower for resource::ResourceClaimTemplate {
    type Record = ResourceClaimTemplate;

    fn validate(&self, errors: &mut Errors) {
        validation::resource_claim(&self.spec.spec, &["spec", "spec"], errors);
    }

    fn set_defaults(&mut self) {
        set_claim_defaults(&mut self.spec.spec);
    }

    fn record(self, meta: Metadata) -> ResourceClaimTemplate {
        ResourceClaimTemplate { meta, source: rest(&self) }
    }
}

impl Lower for resource::DeviceClass {
    type Record = DeviceClass;

    fn record(self, meta: Metadata) -> DeviceClass {
        DeviceClass { meta, selectors: selectors(self.spec.selectors.as_ref()), source: rest(&self) }
    }
}

impl Lower for resource::ResourceSlice {
    type Record = ResourceSlice;

    fn validate(&self, errors: &mut Errors) {
        validation::resource_slice(&self.spec, errors);
    }

    fn record(self, meta: Metadata) -> ResourceSlice {
        let spec = &self.spec;
        ResourceSlice {
            meta,
            driver: Name::from(&spec.driver),
            pool: Name::from(&spec.pool.name),
            generation: spec.pool.generation,
            slices: spec.pool.resource_slice_count,
            nodes: nodes(spec.node_name.as_ref(), spec.node_selector.as_ref(), spec.all_nodes),
            devices: spec.devices.iter().flatten().map(device).collect(),
            source: rest(&self),
        }
    }
}

fn nodes(node: Option<&String>, selector: Option<&v1::NodeSelector>, all: Option<bool>) -> Option<DeviceNodes> {
    match (node, selector) {
        (Some(node), _) => Some(DeviceNodes::Node(Name::from(node))),
        (None, Some(selector)) => Some(DeviceNodes::Matching(node_selector_terms(selector))),
        (None, None) => (all == Some(true)).then_some(DeviceNodes::All),
    }
}

fn device(device: &resource::Device) -> Device {
    let attributes = device.attributes.iter().flatten().filter_map(|(name, value)| {
        let value = match value {
            resource::DeviceAttribute { bool: Some(value), .. } => AttributeValue::Bool(*value),
            resource::DeviceAttribute { int: Some(value), .. } => AttributeValue::Int(*value),
            resource::DeviceAttribute { string: Some(value), .. } => AttributeValue::String(value.as_str().into()),
            resource::DeviceAttribute { version: Some(value), .. } => AttributeValue::Version(value.as_str().into()),
            _ => return None,
        };
        Some((Name::from(name), value))
    });
    let capacity = device.capacity.iter().flatten();
    Device {
        name: Name::from(&device.name),
        nodes: nodes(device.node_name.as_ref(), device.node_selector.as_ref(), device.all_nodes),
        attributes: attributes.collect(),
        capacity: capacity.map(|(name, amount)| (Name::from(name), amount.value.0.as_str().into())).collect(),
    }
}
