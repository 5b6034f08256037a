//! Volumes, claims, classes, drivers and attachments.

use super::common::{amounts, condition, json, name, names, selector, status, text, time, uid, whole};
use super::defaults::{self, set};
use super::pod::node_selector_terms;
use super::{Lower, rest};
use crate::api::validation::{self, Errors};
use crate::api::{
    AccessMode, ClaimReference, Condition, CsiDriver, CsiNode, CsiStorageCapacity, List, Metadata, Name,
    NodeSelectorTerm, Operator, PersistentVolume, PersistentVolumeClaim, Requirement, StorageClass, VolumeAttachment,
};
use k8s_openapi::api::{core::v1, storage::v1 as storage};

fn access_modes(modes: Option<&Vec<String>>) -> List<AccessMode> {
    let mode = |mode: &String| match mode.as_str() {
        "ReadOnlyMany" => AccessMode::ReadOnlyMany,
        "ReadWriteMany" => AccessMode::ReadWriteMany,
        "ReadWriteOncePod" => AccessMode::ReadWriteOncePod,
        _ => AccessMode::ReadWriteOnce,
    };
    modes.into_iter().flatten().map(mode).collect()
}

impl Lower for v1::PersistentVolume {
    type Record = PersistentVolume;

    fn validate(&self, errors: &mut Errors) {
        if let Some(spec) = &self.spec {
            validation::volume(spec, errors);
        }
    }

    fn set_defaults(&mut self) {
        set(&mut self.status.get_or_insert_default().phase, "Pending");
        let spec = self.spec.get_or_insert_default();
        set(&mut spec.persistent_volume_reclaim_policy, "Retain");
        set(&mut spec.volume_mode, "Filesystem");
        spec.host_path.iter_mut().for_each(|host| set(&mut host.type_, ""));
    }

    fn record(self, meta: Metadata) -> PersistentVolume {
        let spec = self.spec.unwrap_or_default();
        let found = self.status.unwrap_or_default();
        let (attachable, handle) = medium(&spec);
        let handle = Name::new(handle);
        PersistentVolume {
            meta,
            source: json(&spec),
            capacity: amounts(spec.capacity.as_ref()),
            access_modes: access_modes(spec.access_modes.as_ref()),
            storage_class: name(spec.storage_class_name.as_ref()),
            block: spec.volume_mode.as_deref() == Some("Block"),
            claim: spec.claim_ref.as_ref().map(|claim| ClaimReference {
                namespace: name(claim.namespace.as_ref()),
                name: name(claim.name.as_ref()),
                uid: uid(claim.uid.as_deref().unwrap_or_default()),
            }),
            reclaim_policy: name(spec.persistent_volume_reclaim_policy.as_ref()),
            node_affinity: spec
                .node_affinity
                .as_ref()
                .and_then(|affinity| affinity.required.as_ref())
                .map(node_selector_terms),
            csi_driver: spec.csi.map_or_else(Name::default, |csi| Name::from(csi.driver)),
            volume_handle: handle,
            attachable,
            phase: name(found.phase.as_ref()),
            message: text(found.message.as_ref()),
        }
    }
}

/// Whether a volume is attached to nodes, and what identifies its medium.
fn medium(spec: &v1::PersistentVolumeSpec) -> (bool, &str) {
    if let Some(csi) = &spec.csi {
        (true, &csi.volume_handle)
    } else if let Some(gce) = &spec.gce_persistent_disk {
        (true, &gce.pd_name)
    } else if let Some(aws) = &spec.aws_elastic_block_store {
        (true, &aws.volume_id)
    } else if let Some(azure) = &spec.azure_disk {
        (true, &azure.disk_name)
    } else if let Some(cinder) = &spec.cinder {
        (true, &cinder.volume_id)
    } else if let Some(vsphere) = &spec.vsphere_volume {
        (true, &vsphere.volume_path)
    } else if let Some(iscsi) = &spec.iscsi {
        (true, &iscsi.iqn)
    } else if let Some(rbd) = &spec.rbd {
        (true, &rbd.image)
    } else if let Some(local) = &spec.local {
        (false, &local.path)
    } else if let Some(host) = &spec.host_path {
        (false, &host.path)
    } else if let Some(nfs) = &spec.nfs {
        (false, &nfs.path)
    } else {
        (false, "")
    }
}

fn claim_condition(condition: &v1::PersistentVolumeClaimCondition) -> Condition {
    condition!(condition, None::<i64>, condition.last_probe_time)
}

impl Lower for v1::PersistentVolumeClaim {
    type Record = PersistentVolumeClaim;

    fn validate(&self, errors: &mut Errors) {
        if let Some(spec) = &self.spec {
            validation::claim(spec, errors);
        }
    }

    fn set_defaults(&mut self) {
        set(&mut self.status.get_or_insert_default().phase, "Pending");
        defaults::claim_spec(self.spec.get_or_insert_default());
    }

    fn record(self, meta: Metadata) -> PersistentVolumeClaim {
        let spec = self.spec.unwrap_or_default();
        let found = self.status.unwrap_or_default();
        PersistentVolumeClaim {
            meta,
            source: json(&spec),
            access_modes: access_modes(spec.access_modes.as_ref()),
            requests: amounts(spec.resources.as_ref().and_then(|resources| resources.requests.as_ref())),
            storage_class: spec.storage_class_name.as_ref().map(Name::from),
            block: spec.volume_mode.as_deref() == Some("Block"),
            selector: spec.selector.as_ref().map(selector),
            volume_name: name(spec.volume_name.as_ref()),
            phase: name(found.phase.as_ref()),
            capacity: amounts(found.capacity.as_ref()),
            allocated: amounts(found.allocated_resources.as_ref()),
            growth: name(found.allocated_resource_statuses.as_ref().and_then(|statuses| statuses.get("storage"))),
            conditions: found.conditions.iter().flatten().map(claim_condition).collect(),
        }
    }
}

impl Lower for storage::StorageClass {
    type Record = StorageClass;

    fn validate(&self, errors: &mut Errors) {
        validation::storage_class(self, errors);
    }

    fn set_defaults(&mut self) {
        set(&mut self.reclaim_policy, "Delete");
        set(&mut self.volume_binding_mode, "Immediate");
    }

    fn record(self, meta: Metadata) -> StorageClass {
        StorageClass {
            meta,
            source: rest(&self),
            provisioner: Name::from(&self.provisioner),
            wait_for_first_consumer: self.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
            reclaim_policy: name(self.reclaim_policy.as_ref()),
            allows_expansion: self.allow_volume_expansion == Some(true),
            allowed_topologies: self
                .allowed_topologies
                .iter()
                .flatten()
                .map(|term| NodeSelectorTerm {
                    expressions: term
                        .match_label_expressions
                        .iter()
                        .flatten()
                        .map(|expression| Requirement {
                            key: Name::from(&expression.key),
                            operator: Operator::In,
                            values: names(Some(&expression.values)),
                        })
                        .collect(),
                    fields: List::EMPTY,
                })
                .collect(),
        }
    }
}

impl Lower for storage::CSINode {
    type Record = CsiNode;

    fn record(self, meta: Metadata) -> CsiNode {
        let drivers = self.spec.drivers.iter().map(|driver| {
            let limit = driver.allocatable.as_ref().and_then(|limits| limits.count);
            (Name::from(&driver.name), names(driver.topology_keys.as_ref()), limit.map(i64::from))
        });
        CsiNode { meta, drivers: drivers.collect(), source: rest(&self) }
    }
}

impl Lower for storage::CSIDriver {
    type Record = CsiDriver;

    fn set_defaults(&mut self) {
        let spec = &mut self.spec;
        set(&mut spec.attach_required, true);
        set(&mut spec.pod_info_on_mount, false);
        set(&mut spec.storage_capacity, false);
        set(&mut spec.fs_group_policy, "ReadWriteOnceWithFSType");
        set(&mut spec.volume_lifecycle_modes, ["Persistent".to_owned()]);
        set(&mut spec.requires_republish, false);
        set(&mut spec.se_linux_mount, false);
    }

    fn record(self, meta: Metadata) -> CsiDriver {
        CsiDriver {
            meta,
            attach_required: self.spec.attach_required != Some(false),
            storage_capacity: self.spec.storage_capacity == Some(true),
            source: rest(&self),
        }
    }
}

impl Lower for storage::CSIStorageCapacity {
    type Record = CsiStorageCapacity;

    fn record(self, meta: Metadata) -> CsiStorageCapacity {
        CsiStorageCapacity {
            meta,
            storage_class: Name::from(&self.storage_class_name),
            node_topology: self.node_topology.as_ref().map(selector),
            capacity: self.capacity.as_ref().map(whole),
            maximum_volume_size: self.maximum_volume_size.as_ref().map(whole),
            source: rest(&self),
        }
    }
}

impl Lower for storage::VolumeAttachment {
    type Record = VolumeAttachment;

    fn record(self, meta: Metadata) -> VolumeAttachment {
        VolumeAttachment {
            meta,
            attacher: Name::from(&self.spec.attacher),
            node_name: Name::from(&self.spec.node_name),
            volume_name: name(self.spec.source.persistent_volume_name.as_ref()),
            attached: self.status.as_ref().is_some_and(|status| status.attached),
            source: rest(&self),
        }
    }
}
