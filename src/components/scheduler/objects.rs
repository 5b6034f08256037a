//! The objects other than nodes and pods that decisions look at, by name.

use crate::api::{
    Allocation, CsiDriver, CsiNode, CsiStorageCapacity, DeviceClass, FastMap, Labels, Name, Object, PersistentVolume,
    PersistentVolumeClaim, PodDisruptionBudget, ReplicaSet, ReplicationController, ResourceClaim, ResourceSlice,
    Service, StatefulSet, StorageClass, VolumeAttachment,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Objects by namespace and name; in order where somebody walks over them.
type ByName<T> = BTreeMap<(Name, Name), Arc<T>>;

/// What the scheduler's informers hold.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field holds the kind that it names")]
pub struct Objects {
    /// Labels of namespaces.
    pub namespaces: FastMap<Name, Labels>,
    pub services: ByName<Service>,
    pub replication_controllers: ByName<ReplicationController>,
    pub replica_sets: ByName<ReplicaSet>,
    pub stateful_sets: ByName<StatefulSet>,
    pub pod_disruption_budgets: ByName<PodDisruptionBudget>,
    pub persistent_volumes: BTreeMap<Name, Arc<PersistentVolume>>,
    pub persistent_volume_claims: ByName<PersistentVolumeClaim>,
    pub storage_classes: BTreeMap<Name, Arc<StorageClass>>,
    pub csi_nodes: BTreeMap<Name, Arc<CsiNode>>,
    pub csi_drivers: BTreeMap<Name, Arc<CsiDriver>>,
    pub csi_storage_capacities: ByName<CsiStorageCapacity>,
    pub volume_attachments: BTreeMap<Name, Arc<VolumeAttachment>>,
    pub resource_claims: ByName<ResourceClaim>,
    pub device_classes: BTreeMap<Name, Arc<DeviceClass>>,
    pub resource_slices: BTreeMap<Name, Arc<ResourceSlice>>,
    /// Allocations of claims that are being written, by namespace and name (`inFlightAllocations`).
    pub allocations_in_flight: BTreeMap<(Name, Name), Arc<Allocation>>,
    /// Volumes and claims as they will be once the scheduler's own writes are seen (`assumecache`).
    pub assumed_volumes: BTreeMap<Name, Arc<PersistentVolume>>,
    /// The same of claims.
    pub assumed_claims: ByName<PersistentVolumeClaim>,
    /// Changes with every Service and owner of pods.
    pub owners_version: u64,
}

impl Objects {
    /// Takes note of an object, or of its end. The version before is returned if there was one.
    pub fn set(&mut self, object: &Object, deleted: bool) -> Option<Object> {
        fn put<K: Ord, T>(map: &mut BTreeMap<K, Arc<T>>, key: K, value: &Arc<T>, deleted: bool) -> Option<Arc<T>> {
            if deleted { map.remove(&key) } else { map.insert(key, value.clone()) }
        }
        let meta = object.meta();
        let (key, name) = ((meta.namespace, meta.name), meta.name);
        self.owners_version += u64::from(matches!(
            object,
            Object::Service(_) | Object::ReplicationController(_) | Object::ReplicaSet(_) | Object::StatefulSet(_)
        ));
        match object {
            Object::Service(new) => put(&mut self.services, key, new, deleted).map(Object::Service),
            Object::ReplicationController(new) => {
                put(&mut self.replication_controllers, key, new, deleted).map(Object::ReplicationController)
            }
            Object::ReplicaSet(new) => put(&mut self.replica_sets, key, new, deleted).map(Object::ReplicaSet),
            Object::StatefulSet(new) => put(&mut self.stateful_sets, key, new, deleted).map(Object::StatefulSet),
            Object::PodDisruptionBudget(new) => {
                put(&mut self.pod_disruption_budgets, key, new, deleted).map(Object::PodDisruptionBudget)
            }
            Object::PersistentVolume(new) => {
                self.assumed_volumes.remove(&name);
                put(&mut self.persistent_volumes, name, new, deleted).map(Object::PersistentVolume)
            }
            Object::PersistentVolumeClaim(new) => {
                self.assumed_claims.remove(&key);
                put(&mut self.persistent_volume_claims, key, new, deleted).map(Object::PersistentVolumeClaim)
            }
            Object::StorageClass(new) => put(&mut self.storage_classes, name, new, deleted).map(Object::StorageClass),
            Object::CsiNode(new) => put(&mut self.csi_nodes, name, new, deleted).map(Object::CsiNode),
            Object::CsiDriver(new) => put(&mut self.csi_drivers, name, new, deleted).map(Object::CsiDriver),
            Object::CsiStorageCapacity(new) => {
                put(&mut self.csi_storage_capacities, key, new, deleted).map(Object::CsiStorageCapacity)
            }
            Object::VolumeAttachment(new) => {
                put(&mut self.volume_attachments, name, new, deleted).map(Object::VolumeAttachment)
            }
            Object::ResourceClaim(new) => {
                if deleted || new.status.allocation.is_some() {
                    self.allocations_in_flight.remove(&key);
                }
                put(&mut self.resource_claims, key, new, deleted).map(Object::ResourceClaim)
            }
            Object::DeviceClass(new) => put(&mut self.device_classes, name, new, deleted).map(Object::DeviceClass),
            Object::ResourceSlice(new) => put(&mut self.resource_slices, name, new, deleted).map(Object::ResourceSlice),
            _ => None,
        }
    }

    /// A volume, as it will be.
    pub fn volume(&self, name: Name) -> Option<&Arc<PersistentVolume>> {
        self.assumed_volumes.get(&name).or_else(|| self.persistent_volumes.get(&name))
    }

    /// All volumes by name, as they will be.
    pub fn volumes(&self) -> impl Iterator<Item = &Arc<PersistentVolume>> {
        self.persistent_volumes.iter().map(|(name, volume)| self.assumed_volumes.get(name).unwrap_or(volume))
    }

    /// A claim, as it will be.
    pub fn claim(&self, namespace: Name, name: Name) -> Option<&Arc<PersistentVolumeClaim>> {
        let key = (namespace, name);
        self.assumed_claims.get(&key).or_else(|| self.persistent_volume_claims.get(&key))
    }

    /// The Services of a namespace, by name.
    pub fn services_in(&self, namespace: Name) -> impl Iterator<Item = &Arc<Service>> {
        let first = (namespace, Name::default());
        self.services.range(first..).take_while(move |((of, _), _)| *of == namespace).map(|(_, service)| service)
    }
}
