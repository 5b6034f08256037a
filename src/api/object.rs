//! The kinds of object, and an object of any kind.
//!
//! Versions are immutable and shared: a write replaces the `Arc` in the store, and whoever was handed the old version
//! keeps it. That is what a watch delivers and what an informer's cache holds.

use super::{
    ConfigMap, ControllerRevision, CronJob, CsiDriver, CsiNode, CsiStorageCapacity, DaemonSet, Deployment, DeviceClass,
    EndpointSlice, Endpoints, Event, HorizontalPodAutoscaler, Id, Job, LimitRange, Metadata, Name, Namespace, Node,
    ObjectReference, Other, OwnerReference, PersistentVolume, PersistentVolumeClaim, Pod, PodDisruptionBudget,
    PriorityClass, ReplicaSet, ReplicationController, ResourceClaim, ResourceClaimTemplate, ResourceQuota,
    ResourceSlice, RuntimeClass, Secret, Service, ServiceAccount, StatefulSet, StorageClass, Store, Table,
    VolumeAttachment,
};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// A type of object that the store keeps in a table of its own.
pub trait ApiObject: Clone + PartialEq + Sized + 'static {
    /// Its kind.
    const KIND: Kind;
    /// Its metadata.
    fn meta(&self) -> &Metadata;
    /// Its metadata, to change.
    fn meta_mut(&mut self) -> &mut Metadata;
    /// The version as an object of any kind.
    fn wrap(version: Arc<Self>) -> Object;
    /// The version behind an object of any kind, if it is of this one.
    fn unwrap(object: &Object) -> Option<&Arc<Self>>;
    /// Its table.
    fn table(store: &Store) -> &Table<Self>;
    /// Its table, to write.
    fn table_mut(store: &mut Store) -> &mut Table<Self>;
    /// Takes the status from another version: what a write to the main resource leaves alone.
    fn keep_status_of(&mut self, stored: &Self);
    /// Takes everything but status, labels, annotations and finalizers from another version: what a write to the
    /// status sub-resource leaves alone.
    fn keep_spec_of(&mut self, stored: &Self);
    /// Forgets the status: what a new object starts without.
    fn drop_status(&mut self);

    /// What it goes by in its table: its name, and its kind where kinds share a table.
    fn table_name(&self) -> Name {
        self.meta().name
    }

    /// Its place in its table.
    fn id(&self) -> Id<Self> {
        Id::new(self.meta().index)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $table:ident, $group:literal, $version:literal, $text:literal, $plural:literal,
        $scope:ident, $status:tt;)*) => {
        /// A kind of object.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[allow(missing_docs, reason = "each variant is the Kubernetes kind of the same name")]
        pub enum Kind { $($kind,)* }

        impl Kind {
            /// All kinds, in order of declaration.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The kind as manifests write it, such as `Deployment`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $text,)* }
            }

            /// The group, such as `apps`; empty for the core.
            pub const fn group(self) -> &'static str {
                match self { $(Self::$kind => $group,)* }
            }

            /// The version within the group, such as `v1`.
            pub const fn version(self) -> &'static str {
                match self { $(Self::$kind => $version,)* }
            }

            /// The resource's plural, such as `deployments`.
            pub const fn plural(self) -> &'static str {
                match self { $(Self::$kind => $plural,)* }
            }

            /// Whether its objects live in namespaces.
            pub const fn is_namespaced(self) -> bool {
                match self { $(Self::$kind => kinds!(@scope $scope),)* }
            }
        }

        /// A version of an object of any kind.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "each variant is the Kubernetes kind of the same name")]
        pub enum Object { $($kind(Arc<$kind>),)* }

        impl Object {
            /// Its kind.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// Its metadata.
            pub fn meta(&self) -> &Metadata {
                match self { $(Self::$kind(version) => &version.meta,)* }
            }

            /// Its metadata, to change: of this copy alone.
            pub fn meta_mut(&mut self) -> &mut Metadata {
                match self { $(Self::$kind(version) => &mut Arc::make_mut(version).meta,)* }
            }
        }

        /// Runs the same generic code on the version inside an object, whatever its kind.
        macro_rules! with_object {
            ($object:expr, $name:ident => $code:expr) => {
                match $object { $($crate::api::Object::$kind($name) => $code,)* }
            };
        }
        pub(crate) use with_object;

        /// Runs the same generic code with the type of a kind.
        macro_rules! with_kind {
            ($value:expr, $name:ident => $code:expr) => {
                match $value { $($crate::api::Kind::$kind => { type $name = $crate::api::$kind; $code })* }
            };
        }
        pub(crate) use with_kind;

        $(impl ApiObject for $kind {
            const KIND: Kind = Kind::$kind;
            fn meta(&self) -> &Metadata { &self.meta }
            fn meta_mut(&mut self) -> &mut Metadata { &mut self.meta }
            fn wrap(version: Arc<Self>) -> Object { Object::$kind(version) }
            fn unwrap(object: &Object) -> Option<&Arc<Self>> {
                match object { Object::$kind(version) => Some(version), _ => None }
            }
            fn table(store: &Store) -> &Table<Self> { &store.$table }
            fn table_mut(store: &mut Store) -> &mut Table<Self> { &mut store.$table }
            kinds!(@status $status);
        })*
    };
    (@scope namespaced) => { true };
    (@scope cluster) => { false };
    (@status shared) => {
        fn keep_status_of(&mut self, _: &Self) {}
        fn keep_spec_of(&mut self, _: &Self) {}
        fn drop_status(&mut self) {}
        fn table_name(&self) -> Name {
            let group = self.api_version.split_once('/').map_or("", |(group, _)| group);
            Name::new(&format!("{}.{group}/{}", self.kind, self.meta.name))
        }
    };
    (@status none) => {
        fn keep_status_of(&mut self, _: &Self) {}
        fn keep_spec_of(&mut self, _: &Self) {}
        fn drop_status(&mut self) {}
    };
    (@status [$($field:ident)*]) => {
        fn keep_status_of(&mut self, stored: &Self) {
            $(self.$field.clone_from(&stored.$field);)*
        }
        fn keep_spec_of(&mut self, stored: &Self) {
            let mut merged = stored.clone();
            $(merged.$field = self.$field.clone();)*
            merged.meta.labels = self.meta.labels.clone();
            merged.meta.annotations = self.meta.annotations.clone();
            merged.meta.finalizers = self.meta.finalizers.clone();
            *self = merged;
        }
        fn drop_status(&mut self) {
            $(self.$field = Default::default();)*
        }
    };
}

kinds! {
    Pod, pods, "", "v1", "Pod", "pods", namespaced, [status];
    Node, nodes, "", "v1", "Node", "nodes", cluster, [status];
    Namespace, namespaces, "", "v1", "Namespace", "namespaces", cluster,
        [terminating conditions];
    Event, events, "", "v1", "Event", "events", namespaced, none;
    Service, services, "", "v1", "Service", "services", namespaced, none;
    EndpointSlice, endpoint_slices, "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", namespaced, none;
    Endpoints, endpoints, "", "v1", "Endpoints", "endpoints", namespaced, none;
    ConfigMap, config_maps, "", "v1", "ConfigMap", "configmaps", namespaced, none;
    Secret, secrets, "", "v1", "Secret", "secrets", namespaced, none;
    ServiceAccount, service_accounts, "", "v1", "ServiceAccount", "serviceaccounts", namespaced, none;
    LimitRange, limit_ranges, "", "v1", "LimitRange", "limitranges", namespaced, none;
    ResourceQuota, resource_quotas, "", "v1", "ResourceQuota", "resourcequotas", namespaced, [status];
    PersistentVolume, persistent_volumes, "", "v1", "PersistentVolume", "persistentvolumes", cluster, [phase message];
    PersistentVolumeClaim, persistent_volume_claims, "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims",
        namespaced, [phase capacity allocated growth conditions];
    ReplicationController, replication_controllers, "", "v1", "ReplicationController", "replicationcontrollers",
        namespaced, [status];
    ReplicaSet, replica_sets, "apps", "v1", "ReplicaSet", "replicasets", namespaced, [status];
    Deployment, deployments, "apps", "v1", "Deployment", "deployments", namespaced, [status];
    StatefulSet, stateful_sets, "apps", "v1", "StatefulSet", "statefulsets", namespaced, [status];
    DaemonSet, daemon_sets, "apps", "v1", "DaemonSet", "daemonsets", namespaced, [status];
    ControllerRevision, controller_revisions, "apps", "v1", "ControllerRevision", "controllerrevisions", namespaced,
        none;
    Job, jobs, "batch", "v1", "Job", "jobs", namespaced, [status];
    CronJob, cron_jobs, "batch", "v1", "CronJob", "cronjobs", namespaced, [status];
    HorizontalPodAutoscaler, horizontal_pod_autoscalers, "autoscaling", "v2", "HorizontalPodAutoscaler",
        "horizontalpodautoscalers", namespaced, [status];
    PodDisruptionBudget, pod_disruption_budgets, "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets",
        namespaced, [status];
    PriorityClass, priority_classes, "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", cluster, none;
    RuntimeClass, runtime_classes, "node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", cluster, none;
    StorageClass, storage_classes, "storage.k8s.io", "v1", "StorageClass", "storageclasses", cluster, none;
    CsiNode, csi_nodes, "storage.k8s.io", "v1", "CSINode", "csinodes", cluster, none;
    CsiDriver, csi_drivers, "storage.k8s.io", "v1", "CSIDriver", "csidrivers", cluster, none;
    CsiStorageCapacity, csi_storage_capacities, "storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities",
        namespaced, none;
    VolumeAttachment, volume_attachments, "storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", cluster,
        [attached];
    Other, others, "", "", "", "", namespaced, shared;
    // After the others, so that the numbers of kinds stay what they were.
    ResourceClaim, resource_claims, "resource.k8s.io", "v1", "ResourceClaim", "resourceclaims", namespaced, [status];
    ResourceClaimTemplate, resource_claim_templates, "resource.k8s.io", "v1", "ResourceClaimTemplate",
        "resourceclaimtemplates", namespaced, none;
    DeviceClass, device_classes, "resource.k8s.io", "v1", "DeviceClass", "deviceclasses", cluster, none;
    ResourceSlice, resource_slices, "resource.k8s.io", "v1", "ResourceSlice", "resourceslices", cluster, none;
}

/// The name of each kind, and its group and version, interned.
static NAMES: LazyLock<Vec<(Name, Name)>> = LazyLock::new(|| {
    let names = |kind: &Kind| {
        let (group, version) = (kind.group(), kind.version());
        let version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        (Name::new(kind.as_str()), Name::new(&version))
    };
    Kind::ALL.iter().map(names).collect()
});

impl Kind {
    /// Group and version as manifests write them, such as `apps/v1`.
    pub fn api_version(self) -> Name {
        NAMES[self as usize].1
    }

    /// The kind's name, interned.
    pub fn name(self) -> Name {
        NAMES[self as usize].0
    }

    /// The resource with its group, such as `deployments.apps`.
    pub fn resource(self) -> String {
        let group = self.group();
        if group.is_empty() { self.plural().to_owned() } else { format!("{}.{group}", self.plural()) }
    }

    /// The kind of a group, version and kind as written in a manifest.
    pub fn from_manifest(api_version: &str, kind: &str) -> Option<Self> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self::ALL
            .iter()
            .copied()
            .find(|k| *k != Self::Other && k.as_str() == kind && k.group() == group && k.version() == version)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Object {
    /// The kind's name; of an object without effect, the one it was written with.
    pub fn kind_name(&self) -> Name {
        match self {
            Self::Other(other) => other.kind,
            _ => self.kind().name(),
        }
    }

    /// Group and version as written.
    pub fn api_version(&self) -> Name {
        match self {
            Self::Other(other) => other.api_version,
            _ => self.kind().api_version(),
        }
    }

    /// A reference to this version.
    pub fn reference(&self) -> ObjectReference {
        let meta = self.meta();
        ObjectReference {
            kind: self.kind_name(),
            api_version: self.api_version(),
            namespace: meta.namespace,
            name: meta.name,
            uid: meta.uid,
            field_path: Name::default(),
            resource_version: meta.resource_version,
        }
    }

    /// `Kind/namespace/name`, as messages and outputs name an object.
    pub fn path(&self) -> String {
        format!("{}/{}", self.kind_name(), self.meta().key())
    }

    /// An owner reference to this object as the controller that manages another.
    pub fn controller_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: self.api_version(),
            kind: self.kind_name(),
            name: self.meta().name,
            uid: self.meta().uid,
            controller: true,
            block_owner_deletion: true,
        }
    }
}
