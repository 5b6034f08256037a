//! The store: the newest version of every object, one table a kind, and one counter of versions.

use super::{
    ApiObject, ConfigMap, ControllerRevision, CronJob, CsiDriver, CsiNode, CsiStorageCapacity, DaemonSet, Deployment,
    DeviceClass, EndpointSlice, Endpoints, Event, FastMap, HorizontalPodAutoscaler, Id, Job, Kind, LimitRange, Name,
    Namespace, Node, Object, Other, PersistentVolume, PersistentVolumeClaim, Pod, PodDisruptionBudget, PriorityClass,
    ReplicaSet, ReplicationController, ResourceClaim, ResourceClaimTemplate, ResourceQuota, ResourceSlice,
    RuntimeClass, Secret, Service, ServiceAccount, StatefulSet, StorageClass, VolumeAttachment, object,
};
use std::sync::Arc;

/// What happened to an object, as a watch tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It has a new version.
    Modified,
    /// It is gone; the version is its last.
    Deleted,
}

impl ChangeKind {
    /// As a watch event writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One write to the store.
#[derive(Debug, Clone)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The version that it left.
    pub object: Object,
}

/// The objects of one kind, by place and by name.
#[derive(Debug, Clone)]
pub struct Table<T> {
    rows: Vec<Option<Arc<T>>>,
    by_name: FastMap<(Name, Name), u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), by_name: FastMap::default() }
    }
}

impl<T: ApiObject> Table<T> {
    /// The newest version of an object, unless it is gone.
    pub fn get(&self, id: Id<T>) -> Option<&Arc<T>> {
        self.rows.get(id.index())?.as_ref()
    }

    /// The object of a name, unless there is none.
    pub fn find(&self, namespace: Name, name: Name) -> Option<&Arc<T>> {
        self.get(Id::new(*self.by_name.get(&(namespace, name))?))
    }

    /// All objects, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.rows.iter().flatten()
    }

    /// All objects by namespace and name: the order of etcd's keys.
    pub fn sorted(&self) -> Vec<&Arc<T>> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_by_key(|version| (version.meta().namespace, version.meta().name));
        all
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// How many objects there ever were.
    pub fn ever(&self) -> usize {
        self.rows.len()
    }
}

/// The newest version of every object.
///
/// Only [`Server`](super::Server) writes here. Each write takes the next resource version and is remembered until
/// [`take_changes`](Self::take_changes) hands it to those who watch.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is the table of the kind that it names")]
pub struct Store {
    pub pods: Table<Pod>,
    pub nodes: Table<Node>,
    pub namespaces: Table<Namespace>,
    pub events: Table<Event>,
    pub services: Table<Service>,
    pub endpoint_slices: Table<EndpointSlice>,
    pub endpoints: Table<Endpoints>,
    pub config_maps: Table<ConfigMap>,
    pub secrets: Table<Secret>,
    pub service_accounts: Table<ServiceAccount>,
    pub limit_ranges: Table<LimitRange>,
    pub resource_quotas: Table<ResourceQuota>,
    pub persistent_volumes: Table<PersistentVolume>,
    pub persistent_volume_claims: Table<PersistentVolumeClaim>,
    pub replication_controllers: Table<ReplicationController>,
    pub replica_sets: Table<ReplicaSet>,
    pub deployments: Table<Deployment>,
    pub stateful_sets: Table<StatefulSet>,
    pub daemon_sets: Table<DaemonSet>,
    pub controller_revisions: Table<ControllerRevision>,
    pub jobs: Table<Job>,
    pub cron_jobs: Table<CronJob>,
    pub pod_disruption_budgets: Table<PodDisruptionBudget>,
    /// Autoscalers.
    pub horizontal_pod_autoscalers: Table<HorizontalPodAutoscaler>,
    pub priority_classes: Table<PriorityClass>,
    pub runtime_classes: Table<RuntimeClass>,
    pub storage_classes: Table<StorageClass>,
    pub csi_nodes: Table<CsiNode>,
    pub csi_drivers: Table<CsiDriver>,
    pub csi_storage_capacities: Table<CsiStorageCapacity>,
    pub volume_attachments: Table<VolumeAttachment>,
    pub others: Table<Other>,
    pub resource_claims: Table<ResourceClaim>,
    pub resource_claim_templates: Table<ResourceClaimTemplate>,
    pub device_classes: Table<DeviceClass>,
    pub resource_slices: Table<ResourceSlice>,
    version: u64,
    changes: Vec<Change>,
}

impl Store {
    /// The number of writes so far: the newest resource version.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Takes the writes since the last call, oldest first.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Gives room back that the next writes are remembered in.
    pub fn reuse(&mut self, mut changes: Vec<Change>) {
        if self.changes.capacity() == 0 {
            changes.clear();
            self.changes = changes;
        }
    }

    /// The object of a kind and name.
    pub fn find(&self, kind: Kind, namespace: Name, name: Name) -> Option<Object> {
        object::with_kind!(kind, T => T::table(self).find(namespace, name).map(|version| T::wrap(version.clone())))
    }

    /// The object of a kind at a place, unless it is gone.
    pub fn at(&self, kind: Kind, place: u32) -> Option<Object> {
        object::with_kind!(kind, T => T::table(self).get(Id::new(place)).map(|version| T::wrap(version.clone())))
    }

    /// All objects of a kind by namespace and name.
    pub fn list(&self, kind: Kind) -> Vec<Object> {
        object::with_kind!(kind, T => T::table(self).sorted().into_iter().map(|v| T::wrap(v.clone())).collect())
    }

    /// Takes over what a watch tells of another store, and returns the version that was here before. This is how the
    /// cache of an informer is kept: a copy of the server's store, a little late.
    pub fn follow(&mut self, change: &Change) -> Option<Object> {
        object::with_object!(&change.object, version => self.follow_one(change.kind, version))
    }

    fn follow_one<T: ApiObject>(&mut self, kind: ChangeKind, version: &Arc<T>) -> Option<Object> {
        let meta = version.meta();
        self.version = self.version.max(meta.resource_version);
        let (key, index) = ((meta.namespace, meta.name), meta.index);
        let table = T::table_mut(self);
        if table.rows.len() <= index as usize {
            table.rows.resize(index as usize + 1, None);
        }
        let row = &mut table.rows[index as usize];
        let before = if kind == ChangeKind::Deleted {
            table.by_name.remove(&key);
            row.take()
        } else {
            table.by_name.insert(key, index);
            row.replace(version.clone())
        };
        before.map(T::wrap)
    }

    /// Adds an object. Its name must be free in its namespace.
    pub(super) fn insert<T: ApiObject>(&mut self, mut object: T) -> Arc<T> {
        self.version += 1;
        let table = T::table_mut(self);
        let index = u32::try_from(table.rows.len()).expect("fewer than 2^32 objects of a kind in a run");
        object.meta_mut().index = index;
        let key = (object.meta().namespace, object.table_name());
        assert!(table.by_name.insert(key, index).is_none(), "{} {key:?} was there already", T::KIND);
        table.rows.push(None);
        self.write(object, ChangeKind::Added)
    }

    /// Replaces an object by a new version.
    pub(super) fn replace<T: ApiObject>(&mut self, object: T) -> Arc<T> {
        self.version += 1;
        self.write(object, ChangeKind::Modified)
    }

    /// Removes an object; its last version carries the version of the removal.
    pub(super) fn remove<T: ApiObject>(&mut self, id: Id<T>) -> Option<Arc<T>> {
        let last = T::table_mut(self).rows.get_mut(id.index())?.take()?;
        self.version += 1;
        let mut last = Arc::unwrap_or_clone(last);
        T::table_mut(self).by_name.remove(&(last.meta().namespace, last.table_name()));
        last.meta_mut().resource_version = self.version;
        let last = Arc::new(last);
        self.changes.push(Change { kind: ChangeKind::Deleted, object: T::wrap(last.clone()) });
        Some(last)
    }

    /// Makes everything what it was in a backup, as after a restore of etcd: versions go on, so that every watch tells
    /// of it (`etcdutl snapshot restore --bump-revision`).
    pub(super) fn restore(&mut self, backup: &Self) {
        for kind in Kind::ALL {
            object::with_kind!(*kind, T => self.restore_kind::<T>(T::table(backup)));
        }
    }

    fn restore_kind<T: ApiObject>(&mut self, backup: &Table<T>) {
        let places = T::table(self).rows.len();
        let place = |place: usize| u32::try_from(place).expect("fewer than 2^32 objects of a kind in a run");
        let then = |place: u32| backup.get(Id::new(place)).cloned();
        // Names are free before they are taken again; to its kubelet a pod that is not bound any more is gone.
        let node_of = |version: &Arc<T>| T::wrap(version.clone()).pod().map(|pod| pod.node_name);
        for place in (0..places).map(place) {
            let now = T::table(self).get(Id::new(place)).cloned();
            let goes = match (&now, then(place)) {
                (Some(now), Some(then)) => node_of(now) != node_of(&then),
                (Some(_), None) => true,
                (None, _) => false,
            };
            if goes {
                self.remove::<T>(Id::new(place));
            }
        }
        for place in (0..places).map(place) {
            let now = T::table(self).get(Id::new(place)).cloned();
            match (now, then(place)) {
                (None, Some(then)) => {
                    let key = (then.meta().namespace, then.table_name());
                    T::table_mut(self).by_name.insert(key, place);
                    self.version += 1;
                    self.write(T::clone(&then), ChangeKind::Added);
                }
                (Some(now), Some(then)) if now.meta().resource_version != then.meta().resource_version => {
                    self.replace(T::clone(&then));
                }
                _ => {}
            }
        }
    }

    fn write<T: ApiObject>(&mut self, mut object: T, kind: ChangeKind) -> Arc<T> {
        object.meta_mut().resource_version = self.version;
        let index = object.meta().index as usize;
        let version = Arc::new(object);
        let row = &mut T::table_mut(self).rows[index];
        assert!(row.is_some() == (kind == ChangeKind::Modified), "{} #{index} {kind:?} at the wrong moment", T::KIND);
        *row = Some(version.clone());
        self.changes.push(Change { kind, object: T::wrap(version.clone()) });
        version
    }
}
