//! The API server: the one place where objects are written, and the rules of each write.
//!
//! A call goes through the real pipeline: defaulting happened when the object was lowered; here follow admission in
//! the fixed order of 1.36, system metadata, the kind's strategy, validation, quota, and the store. A refused call
//! leaves nothing behind. Calls take no time here: the network between client and server is the simulation's.
//!
//! Follows `staging/src/k8s.io/apiserver/pkg/registry/generic/registry/store.go` and the strategies under
//! `pkg/registry` of Kubernetes 1.36.

mod admission;
mod amend;
mod bind;
mod create;
mod delete;
mod evict;
mod lease;
mod service;
mod update;

pub use admission::{POD_SECURITY_ENFORCE, overrun_at, pod_usage};
pub use delete::{FOREGROUND_DELETION, ORPHAN_DEPENDENTS};
pub use evict::Eviction;

use super::object::{with_kind, with_object};
use super::{
    ApiError, ApiObject, FastMap, Kind, Name, Object, PodSpec, Request, Response, Store, Target, Text, Timestamp, Uid,
    WallClock,
};
use crate::engine::{Draw, Draws, Purpose, SimTime, StreamKey};
use std::sync::Arc;

const IDENTITY: Purpose = Purpose::new("object identity");
const NAME_SUFFIX: Purpose = Purpose::new("generated name");

/// The server and everything that it knows.
#[derive(Debug, Clone)]
pub struct Server {
    /// The newest version of every object.
    store: Store,
    clock: WallClock,
    draws: Draws,
    /// How many objects were made of each name, or from each name base, so that each draw has an ordinal.
    incarnations: FastMap<(Kind, Name, Name), u32>,
    /// Templates' specs as admission left them: all pods of a ReplicaSet share one.
    admitted: FastMap<usize, AdmittedSpec>,
    /// Changes with every object that admission looks at.
    policy_version: u64,
    /// The next cluster address.
    next_cluster_ip: u32,
    /// The owner and the text of the last pod of a StatefulSet that was found to be good.
    last_good: Option<(Uid, Text)>,
    /// When events go.
    leases: lease::Leases,
}

/// A template's spec after admission, and what it was admitted under.
#[derive(Debug, Clone)]
struct AdmittedSpec {
    template: Arc<PodSpec>,
    namespace: Name,
    policy_version: u64,
    admitted: Arc<PodSpec>,
    /// LimitRanger's annotation, if it has one.
    limit_ranger: Name,
}

impl Server {
    /// A server without any object.
    pub fn new(clock: WallClock, draws: Draws) -> Self {
        Self {
            store: Store::default(),
            clock,
            draws,
            incarnations: FastMap::default(),
            admitted: FastMap::default(),
            policy_version: 0,
            next_cluster_ip: u32::from_be_bytes([10, 96, 0, 16]),
            last_good: None,
            leases: lease::Leases::default(),
        }
    }

    /// Everything that there is.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The wall clock of the control plane.
    pub const fn clock(&self) -> WallClock {
        self.clock
    }

    /// Makes everything that is stored what it was in a backup.
    pub fn restore(&mut self, backup: &Store) {
        self.store.restore(backup);
        self.policy_version += 1;
    }

    /// Takes the writes since the last call, oldest first.
    pub fn take_changes(&mut self) -> Vec<super::Change> {
        self.store.take_changes()
    }

    /// Gives back what the changes were in.
    pub fn reuse(&mut self, changes: Vec<super::Change>) {
        self.store.reuse(changes);
    }

    /// Serves one call.
    ///
    /// # Errors
    /// The refusal that a client of the real server would get.
    pub fn serve(&mut self, now: SimTime, request: Request) -> Response {
        match request {
            Request::Get(target) => self.get(target),
            Request::Create(object) => self.create(now, object),
            Request::Update { object, part } => self.update(now, object, part),
            Request::Patch { target, part, kind, patch } => self.patch(now, target, part, kind, &patch),
            Request::Amend { target, uid, amendment } => self.amend(now, target, uid, amendment),
            Request::Bind { namespace, name, uid, node } => self.bind(now, namespace, name, uid, node),
            Request::Evict { namespace, name, options } => self.evict(now, namespace, name, options),
            Request::PodMetrics { .. } => {
                let message = "the server could not find the requested resource (get pods.metrics.k8s.io)";
                Err(ApiError::new(super::ErrorReason::NotFound, message)) // Another server's: the simulation answers it.
            }
            Request::Metric { metric, .. } => {
                let message = format!("the server could not find the requested resource (get {})", metric.name);
                Err(ApiError::new(super::ErrorReason::NotFound, message)) // An adapter's, which the simulation plays.
            }
            Request::Delete { target, options } => {
                with_kind!(target.kind, T => self.delete::<T>(now, target.namespace, target.name, options))
            }
        }
    }

    fn get(&self, target: Target) -> Response {
        self.store
            .find(target.kind, target.namespace, target.name)
            .ok_or_else(|| ApiError::not_found(target.kind, &target.name))
    }

    fn stamp(&self, now: SimTime) -> Timestamp {
        self.clock.at(now).truncated()
    }

    /// How many objects had a name before the one that is made now.
    ///
    /// Names of events hold the time, so that one is hardly ever used again: they are counted when they go.
    fn incarnation(&mut self, kind: Kind, namespace: Name, name: Name) -> u64 {
        if kind == Kind::Event {
            return self.incarnations.get(&(kind, namespace, name)).map_or(0, |count| u64::from(*count));
        }
        self.ordinal(kind, namespace, name)
    }

    /// The n-th use of a name, counted from zero.
    fn ordinal(&mut self, kind: Kind, namespace: Name, name: Name) -> u64 {
        let count = self.incarnations.entry((kind, namespace, name)).or_insert(0);
        *count += 1;
        u64::from(*count - 1)
    }

    fn draw(&self, purpose: Purpose, kind: Kind, namespace: Name, name: Name, ordinal: u64) -> Draw {
        let key = StreamKey::new(kind.as_str()).part(&namespace).part(&name);
        self.draws.draw(purpose, key, ordinal)
    }

    /// Notes a write that admission must look at again.
    fn note_policy(&mut self, kind: Kind) {
        let matters = matches!(
            kind,
            Kind::LimitRange | Kind::ServiceAccount | Kind::PriorityClass | Kind::RuntimeClass | Kind::Namespace
        );
        self.policy_version += u64::from(matters);
    }
}

/// Compares what two versions want, whatever their metadata and status.
fn wants_the_same<T: ApiObject>(a: &T, b: &T) -> bool {
    let mut other = a.clone();
    *other.meta_mut() = b.meta().clone();
    other.keep_status_of(b);
    other == *b
}

/// Whether objects of a kind count their generations.
const fn has_generation(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Pod
            | Kind::ReplicaSet
            | Kind::ReplicationController
            | Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::Job
            | Kind::CronJob
            | Kind::PodDisruptionBudget
            | Kind::EndpointSlice
    )
}

/// An object of any kind, created or changed, as the response to a call.
fn respond<T: ApiObject>(version: Arc<T>) -> Object {
    T::wrap(version)
}

impl Object {
    /// The same object with another resource version: what an optimistic client sends.
    #[must_use]
    pub fn at_version(mut self, version: u64) -> Self {
        self.meta_mut().resource_version = version;
        self
    }

    /// Whether this is the same incarnation as another version.
    pub fn is_same_object(&self, other: &Self) -> bool {
        self.kind() == other.kind() && with_object!(self, version => version.meta.uid) == other.meta().uid
    }
}
