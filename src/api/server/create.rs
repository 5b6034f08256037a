//! Creation: names, identity, admission, and what each kind starts with.

use super::{IDENTITY, NAME_SUFFIX, Server, has_generation, respond};
use crate::api::names;
use crate::api::object::with_object;
use crate::api::{
    ApiError, ApiObject, Condition, ConditionStatus, ConfigMap, EndpointSlice, ErrorReason, FieldValidation, Kind,
    LONGEST_NAME_BASE, List, Lowering, Metadata, Name, Namespace, Node, Object, POD_SCHEDULED, Pod, PodStatus,
    Response, Service, ServiceAccount, TAINT_NOT_READY, Taint, TaintEffect, Text, Uid, render,
};
use crate::engine::SimTime;
use std::sync::Arc;

names! {
    DEFAULT = "default";
    ROOT_CA = "kube-root-ca.crt";
    PVC_PROTECTION = "kubernetes.io/pvc-protection";
    PV_PROTECTION = "kubernetes.io/pv-protection";
    KUBERNETES_FINALIZER = "kubernetes";
    NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name";
}

/// The letters of generated names: no vowels, no digits that look like letters (`storage/names/generate.go`).
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// A pod of a StatefulSet has its name as host name.
const LONGEST_HOSTNAME: usize = 63;
/// How often the server tries another suffix (gate `RetryGenerateName`).
const NAME_ATTEMPTS: u32 = 8;

impl Server {
    pub(super) fn create(&mut self, now: SimTime, object: Object) -> Response {
        let kind = object.kind();
        with_object!(object, version => {
            let object = Arc::unwrap_or_clone(version);
            let created = self.create_one(now, object)?;
            self.note_policy(kind);
            Ok(respond(created))
        })
    }

    fn create_one<T: ApiObject>(&mut self, now: SimTime, mut object: T) -> Result<Arc<T>, Box<ApiError>> {
        self.check_namespace(&object)?;
        self.name(&mut object)?;
        let (namespace, name) = (object.meta().namespace, object.meta().name);
        let ordinal = self.incarnation(T::KIND, namespace, name);
        let mut identity = self.draw(IDENTITY, T::KIND, namespace, name, ordinal);
        let stamp = self.stamp(now);
        let meta = object.meta_mut();
        meta.uid = Uid::from_random(identity.bits(), identity.bits());
        meta.creation_timestamp = stamp;
        meta.deletion_timestamp = None;
        meta.deletion_grace_period = None;
        meta.generation = i64::from(has_generation(T::KIND));
        let asked_version = std::mem::take(&mut meta.resource_version);
        if !keeps_status(T::KIND) {
            object.drop_status();
        }
        if is_prepared(T::KIND) {
            let prepared = T::unwrap(&self.prepare(now, T::wrap(Arc::new(object)))?).expect("the kind stays").clone();
            object = Arc::unwrap_or_clone(prepared);
        }
        if T::KIND.is_namespaced() && !self.store.resource_quotas.is_empty() {
            let wrapped = T::wrap(Arc::new(object));
            self.charge_quota(now, &wrapped, None)?;
            object = T::unwrap(&wrapped).expect("the kind stays").as_ref().clone();
        }
        if asked_version != 0 {
            // `Create` of `staging/src/k8s.io/apiserver/pkg/storage/etcd3/store.go`, after all else was in order.
            let why = "resourceVersion should not be set on objects to be created";
            return Err(ApiError::new(ErrorReason::InternalError, why));
        }
        let created = self.store.insert(object);
        self.furnish(now, &T::wrap(created.clone()));
        Ok(created)
    }

    /// Takes over an object as another server has stored it, status and identity included; one whose name is taken
    /// already is left out.
    pub fn adopt(&mut self, now: SimTime, object: Object) {
        let kind = object.kind();
        if !object.meta().namespace.is_empty() {
            self.ensure_namespace(now, object.meta().namespace);
        }
        with_object!(object, version => self.adopt_one(now, Arc::unwrap_or_clone(version)));
        self.note_policy(kind);
    }

    fn adopt_one<T: ApiObject>(&mut self, now: SimTime, mut object: T) {
        let (namespace, name) = (object.meta().namespace, object.table_name());
        if T::table(&self.store).find(namespace, name).is_some() {
            return;
        }
        if object.meta().uid.is_empty() {
            let mut identity = self.draw(IDENTITY, T::KIND, namespace, name, 0);
            object.meta_mut().uid = Uid::from_random(identity.bits(), identity.bits());
        }
        let adopted = self.store.insert(object);
        self.furnish(now, &T::wrap(adopted));
    }

    /// Refuses an object whose namespace is missing or on its way out (admission plug-in NamespaceLifecycle).
    fn check_namespace<T: ApiObject>(&self, object: &T) -> Result<(), Box<ApiError>> {
        let meta = object.meta();
        if !T::KIND.is_namespaced() || T::KIND == Kind::Other && meta.namespace.is_empty() {
            return Ok(());
        }
        match self.store.namespaces.find(Name::default(), meta.namespace) {
            None => Err(ApiError::not_found(Kind::Namespace, &meta.namespace)),
            Some(namespace) if namespace.terminating && T::KIND != Kind::Event => {
                let why = format!(
                    "unable to create new content in namespace {} because it is being terminated",
                    meta.namespace
                );
                let mut error = ApiError::forbidden(T::KIND, &meta.name, why);
                error.reason = ErrorReason::NamespaceTerminating;
                Err(error)
            }
            Some(_) => Ok(()),
        }
    }

    /// Checks that the name is free, or makes one up.
    fn name<T: ApiObject>(&mut self, object: &mut T) -> Result<(), Box<ApiError>> {
        let meta = object.meta();
        let (namespace, base) = (meta.namespace, meta.generate_name);
        if !meta.name.is_empty() {
            return match T::table(&self.store).find(namespace, object.table_name()) {
                Some(_) => Err(ApiError::already_exists(T::KIND, &meta.name)),
                None => Ok(()),
            };
        }
        for _ in 0..NAME_ATTEMPTS {
            let ordinal = self.ordinal(T::KIND, namespace, base);
            let mut draw = self.draw(NAME_SUFFIX, T::KIND, namespace, base, ordinal);
            let cut = base.len().min(LONGEST_NAME_BASE);
            let mut name = base[..cut].to_owned();
            for _ in 0..5 {
                name.push(char::from(ALPHABET[draw.below(ALPHABET.len() as u64) as usize]));
            }
            let name = Name::new(&name);
            object.meta_mut().name = name;
            if T::table(&self.store).find(namespace, object.table_name()).is_none() {
                return Ok(());
            }
        }
        Err(ApiError::already_exists(T::KIND, &base))
    }

    /// Admission and the kind's own create strategy.
    fn prepare(&mut self, now: SimTime, object: Object) -> Response {
        Ok(match object {
            Object::Pod(pod) => {
                let pod = Object::Pod(Arc::new(self.prepare_pod(now, Arc::unwrap_or_clone(pod))?));
                self.check_unlooked_at(&pod)?;
                pod
            }
            Object::Node(node) => Object::Node(Arc::new(prepare_node(Arc::unwrap_or_clone(node)))),
            Object::Service(service) => Object::Service(Arc::new(self.prepare_service(Arc::unwrap_or_clone(service))?)),
            Object::Namespace(namespace) => {
                let mut namespace = Arc::unwrap_or_clone(namespace);
                namespace.finalizers = vec![*KUBERNETES_FINALIZER].into();
                namespace.meta.labels = namespace.meta.labels.with(*NAMESPACE_NAME_LABEL, namespace.meta.name);
                Object::Namespace(Arc::new(namespace))
            }
            Object::PersistentVolumeClaim(claim) => {
                let mut claim = Arc::unwrap_or_clone(claim);
                claim.meta.finalizers = claim.meta.finalizers.with(*PVC_PROTECTION);
                claim.phase = Name::new("Pending");
                if claim.storage_class.is_none() {
                    claim.storage_class = self.default_storage_class();
                }
                let claim = Arc::new(claim);
                let object = Object::PersistentVolumeClaim(claim.clone());
                validate(&object)?;
                let forbidden = |why| ApiError::forbidden(Kind::PersistentVolumeClaim, &claim.meta.name, why);
                self.check_claim_limits(&claim).map_err(forbidden)?;
                object
            }
            Object::PersistentVolume(volume) => {
                let mut volume = Arc::unwrap_or_clone(volume);
                volume.meta.finalizers = volume.meta.finalizers.with(*PV_PROTECTION);
                volume.phase = Name::new("Pending");
                Object::PersistentVolume(Arc::new(volume))
            }
            Object::DaemonSet(set) => Object::DaemonSet(Arc::new(Arc::unwrap_or_clone(set).counting_templates(None))),
            Object::Job(job) => Object::Job(Arc::new(super::admission::label_job(Arc::unwrap_or_clone(job)))),
            Object::PriorityClass(class) => {
                self.check_default_class(&class)?;
                Object::PriorityClass(class)
            }
            other => other,
        })
    }

    /// Admission of a pod in the order of the plug-ins, and its strategy.
    fn prepare_pod(&mut self, now: SimTime, mut pod: Pod) -> Result<Pod, Box<ApiError>> {
        let mirror = pod.meta.annotations.get(*super::admission::MIRROR_ANNOTATION).is_some();
        let limit_ranger;
        (pod.spec, limit_ranger) = self.admit_spec(&pod)?;
        if !limit_ranger.is_empty() {
            let note = *super::admission::LIMIT_RANGER_ANNOTATION;
            pod.meta.annotations = pod.meta.annotations.with(note, limit_ranger);
        }
        let mut status = PodStatus { qos_class: crate::api::requests::qos_class(&pod.spec), ..PodStatus::default() };
        if mirror {
            status.phase = pod.status.phase;
        }
        if !pod.spec.scheduling_gates.is_empty() {
            let gated = Condition::new(*POD_SCHEDULED, ConditionStatus::False, self.stamp(now))
                .because("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates");
            status.conditions.push(gated);
        }
        pod.status = Arc::new(status);
        Ok(pod)
    }

    /// A StatefulSet is accepted whatever the spec of its template says; its pods are looked at, and the same text as
    /// that of the last good pod of the set is good. Templates of other kinds were looked at with their owners.
    fn check_unlooked_at(&mut self, object: &Object) -> Result<(), Box<ApiError>> {
        let Object::Pod(pod) = object else { return Ok(()) };
        let Some(set) = pod.meta.controller().filter(|owner| owner.kind == "StatefulSet") else { return Ok(()) };
        let short = pod.meta.name.len() <= LONGEST_HOSTNAME;
        if short && self.last_good.as_ref().is_some_and(|(owner, text)| *owner == set.uid && *text == pod.spec.source) {
            return Ok(());
        }
        validate(object)?;
        self.last_good = Some((set.uid, pod.spec.source.clone()));
        Ok(())
    }

    fn default_storage_class(&self) -> Option<Name> {
        let marked = self.store.storage_classes.iter().filter(|c| crate::api::is_default_class(&c.meta.annotations));
        // The newest default wins (`pkg/volume/util/storageclass.go`); among equals the first name.
        marked
            .min_by_key(|class| (std::cmp::Reverse(class.meta.creation_timestamp), class.meta.name))
            .map(|class| class.meta.name)
    }

    /// What the controllers that furnish a namespace put there at once: the default service account and the root
    /// certificate. Admission and kubelets wait for both, so that their small delay is never seen.
    fn furnish(&mut self, now: SimTime, created: &Object) {
        let Object::Namespace(namespace) = created else { return };
        let meta = |name| Metadata { namespace: namespace.meta.name, name, ..Metadata::default() };
        let account = ServiceAccount {
            meta: meta(*DEFAULT),
            automount_token: None,
            image_pull_secrets: List::EMPTY,
            source: Text::default(),
        };
        let certificate = ConfigMap {
            meta: meta(*ROOT_CA),
            data: vec![(Name::new("ca.crt"), Text::from("-----BEGIN CERTIFICATE-----"))].into(),
            source: Text::default(),
        };
        self.create_one(now, account).expect("a new namespace is empty");
        self.create_one(now, certificate).expect("a new namespace is empty");
    }

    /// Makes a namespace if there is none, as `kubectl create namespace` would.
    pub fn ensure_namespace(&mut self, now: SimTime, name: Name) {
        if self.store.namespaces.find(Name::default(), name).is_some() {
            return;
        }
        let meta = Metadata { name, ..Metadata::default() };
        let namespace = Namespace { meta, terminating: false, conditions: Vec::new(), finalizers: List::EMPTY };
        self.create_one(now, namespace).expect("the name was free");
        self.note_policy(Kind::Namespace);
    }
}

/// What is wrong with a new object, as it is printed.
fn validate(object: &Object) -> Result<(), Box<ApiError>> {
    let reading = Lowering { field_validation: FieldValidation::Ignore, ..Lowering::default() };
    reading.lower(&render(object)).map(drop)
}

/// Whether admission, or the kind's own strategy, changes objects of the kind: see [`Server::prepare`].
const fn is_prepared(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Pod
            | Kind::Node
            | Kind::Service
            | Kind::Namespace
            | Kind::PersistentVolumeClaim
            | Kind::PersistentVolume
            | Kind::DaemonSet
            | Kind::Job
            | Kind::PriorityClass
    )
}

/// Whether a new object may bring a status (`PrepareForCreate` of each kind's strategy): kubelets make their nodes with
/// one, and mirror pods, of which admission takes what counts.
const fn keeps_status(kind: Kind) -> bool {
    matches!(kind, Kind::Pod | Kind::Node)
}

/// A node starts tainted until its readiness is known (admission plug-in TaintNodesByCondition).
fn prepare_node(mut node: Node) -> Node {
    if !node.taints.iter().any(|taint| taint.key == *TAINT_NOT_READY && taint.effect == TaintEffect::NoSchedule) {
        let taint =
            Taint { key: *TAINT_NOT_READY, value: Name::default(), effect: TaintEffect::NoSchedule, time_added: None };
        node.taints = node.taints.with(taint);
    }
    node
}

impl Service {
    /// Whether it has no address on purpose.
    pub fn is_headless(&self) -> bool {
        self.headless
    }
}

impl EndpointSlice {
    /// The Service that it belongs to.
    pub fn service_name(&self) -> Name {
        self.meta.labels.get(Name::new("kubernetes.io/service-name")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Request, WallClock, WallTime, lower};
    use crate::engine::Draws;
    use serde_json::{Value, json};

    fn created(object: &Value) -> Response {
        let mut server = Server::new(WallClock::starting_at(WallTime::default()), Draws::new(1));
        server.ensure_namespace(SimTime::ZERO, *DEFAULT);
        let object = lower(object).unwrap_or_else(|error| panic!("{error}")).object;
        server.serve(SimTime::ZERO, Request::Create(object))
    }

    /// What `kubectl get -o yaml` printed in one cluster is given to another: `PrepareForCreate` of the strategies in
    /// `pkg/registry`, `BeforeCreate` of `staging/src/k8s.io/apiserver/pkg/registry/rest/create.go`.
    #[test]
    fn a_new_object_starts_without_what_only_its_server_and_controllers_say() {
        let uid = "4a3c2f10-0000-4000-8000-000000000001";
        let meta = json!({"name": "a", "namespace": "default", "uid": uid, "generation": 119});
        let pods = json!({"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}});
        let selector = json!({"matchLabels": {"a": "b"}});
        let scaled = json!({"replicas": 2, "selector": selector, "template": pods});
        let counts = json!({"observedGeneration": 119, "replicas": 4, "readyReplicas": 4});
        let storage = json!({"resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"]});
        let budget = json!({"selector": selector, "minAvailable": 1});
        let allowed = json!({"disruptionsAllowed": 3, "currentHealthy": 4, "desiredHealthy": 1, "expectedPods": 4});
        let node = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        for (version, kind, spec, status, stays) in [
            ("apps/v1", "Deployment", scaled.clone(), counts.clone(), None),
            ("apps/v1", "ReplicaSet", scaled, counts, None),
            ("policy/v1", "PodDisruptionBudget", budget, allowed, Some(("/disruptionsAllowed", json!(0)))),
            ("v1", "PersistentVolumeClaim", storage, json!({"phase": "Bound"}), Some(("/phase", json!("Pending")))),
            ("v1", "Pod", pods["spec"].clone(), json!({"phase": "Failed"}), Some(("/phase", json!("Pending")))),
            ("v1", "Node", json!({}), node, Some(("/conditions/0/type", json!("Ready")))),
        ] {
            let object = json!({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec, "status": status});
            let made = render(&created(&object).unwrap_or_else(|error| panic!("{kind}: {error}")));
            assert_ne!(made["metadata"]["uid"], uid, "{kind}");
            assert_ne!(made["metadata"]["generation"], 119, "{kind}");
            assert!(made["status"].get("observedGeneration").is_none_or(|seen| *seen == 0), "{made}");
            assert!(made["status"].get("readyReplicas").is_none(), "{made}");
            if let Some((field, value)) = stays {
                assert_eq!(made["status"].pointer(field), Some(&value), "{kind}");
            }
        }
        // `Create` of `staging/src/k8s.io/apiserver/pkg/storage/etcd3/store.go`.
        let meta = json!({"name": "a", "namespace": "default", "resourceVersion": "17"});
        let refused = created(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}));
        let why = refused.expect_err("it has a version").to_string();
        assert_eq!(why, "resourceVersion should not be set on objects to be created");
    }
}
