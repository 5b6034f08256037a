//! Nodes.

use super::Lower;
use super::common::{address, amounts, condition, json, name, names, status, text, time};
use super::pod::taint_effect;
use crate::api::validation::{self, Errors};
use crate::api::{Metadata, Name, Node, NodeImage, NodeStatus, Taint, TaintEffect};
use k8s_openapi::api::core::v1;
use std::sync::Arc;

impl Lower for v1::Node {
    type Record = Node;

    fn validate(&self, errors: &mut Errors) {
        validation::node(self, errors);
    }

    fn set_defaults(&mut self) {
        self.spec.get_or_insert_default();
        let status = self.status.get_or_insert_default();
        if status.allocatable.is_none() {
            status.allocatable.clone_from(&status.capacity);
        }
    }

    fn record(mut self, meta: Metadata) -> Node {
        let found = self.status.get_or_insert_default();
        let addresses = || found.addresses.iter().flatten().filter(|address| address.type_ == "InternalIP");
        let record = NodeStatus {
            capacity: amounts(found.capacity.as_ref()),
            allocatable: amounts(found.allocatable.as_ref()),
            conditions: found
                .conditions
                .iter()
                .flatten()
                .map(|condition| condition!(condition, None, condition.last_heartbeat_time))
                .collect(),
            address: addresses().find_map(|internal| address(Some(&internal.address))),
            images: found
                .images
                .iter()
                .flatten()
                .map(|image| NodeImage {
                    names: names(image.names.as_ref()),
                    size: image.size_bytes.unwrap_or_default(),
                })
                .collect(),
            volumes_in_use: names(found.volumes_in_use.as_ref()),
            volumes_attached: found.volumes_attached.iter().flatten().map(|volume| Name::from(&volume.name)).collect(),
            declared_features: names(found.declared_features.as_ref()),
        };
        // What the record has is printed from there; amounts stay, for how they are written.
        found.conditions = None;
        found.images = None;
        found.volumes_in_use = None;
        found.volumes_attached = None;
        found.declared_features = None;
        let found = json(&self.status);
        let spec = self.spec.get_or_insert_default();
        let taints = spec.taints.take();
        let unschedulable = spec.unschedulable.take() == Some(true);
        let provider_id = name(spec.provider_id.take().as_ref());
        Node {
            meta,
            unschedulable,
            taints: taints
                .iter()
                .flatten()
                .map(|taint| Taint {
                    key: Name::from(&taint.key),
                    value: name(taint.value.as_ref()),
                    effect: taint_effect(&taint.effect).unwrap_or(TaintEffect::NoSchedule),
                    time_added: time(taint.time_added.as_ref()),
                })
                .collect(),
            provider_id,
            status: Arc::new(record),
            source: format!(r#"{{"spec":{},"status":{found}}}"#, json(&self.spec)).into(),
        }
    }
}
