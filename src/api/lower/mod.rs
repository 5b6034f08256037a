//! From the JSON of a manifest, or of a cluster's dump, to the records of this crate.
//!
//! As a create request does on a real server: decoded strictly, defaulted, validated, and refused in the server's
//! words. Parsing goes through the types of `k8s-openapi`; what a record does not hold stays with it as text.
//! What depends on other objects (namespaces, priority classes, quotas) is admission, and not done here.

mod autoscaler;
mod batch;
mod common;
mod container;
mod decode;
mod defaults;
mod device;
mod effects;
mod gates;
mod kinds;
mod node;
mod pod;
mod policy;
mod service;
mod status;
mod storage;
mod workload;

pub(crate) use common::{amount, is_in_thousandths};
pub(crate) use decode::number;
pub(crate) use defaults::{aggregate_requests, pod as default_pod, pod_spec as default_pod_spec};
pub use effects::is_for_pod_security;
pub use kinds::{CustomKind, CustomKinds, INERT_KINDS, InertKind, ServedKind, served_kind};
pub(crate) use pod::pod_spec as pod_spec_of;

use super::validation::{self, Errors, NameRule};
use super::{ApiError, ApiObject, ErrorReason, FieldError, Kind, Metadata, Name, Object, Other, Text};
use decode::{DecodeError, Notes};
use k8s_openapi::Metadata as HasMetadata;
use k8s_openapi::api::{
    apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch_v1, core::v1, discovery::v1 as discovery,
    node::v1 as node_v1, policy::v1 as policy_v1, resource::v1 as resource_v1, scheduling::v1 as scheduling,
    storage::v1 as storage_v1,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// An object as the server accepts it.
#[derive(Debug, Clone, PartialEq)]
pub struct Lowered {
    /// The record.
    pub object: Object,
    /// Fields that are set and that nothing here acts on, without indexes, such as `spec.hostUsers`.
    pub no_effect: Vec<String>,
    /// What the server would warn of, such as `unknown field "spec.foo"`; empty where unknown fields are refused.
    pub warnings: Vec<String>,
}

/// What happens to a field that the type does not have (`fieldValidation` of a request).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FieldValidation {
    /// It is refused, as kubectl asks for by default.
    #[default]
    Strict,
    /// It is dropped with a warning.
    Warn,
    /// It is dropped.
    Ignore,
}

/// How objects are read.
#[derive(Debug, Clone, Default)]
pub struct Lowering {
    /// Kinds beyond those of the server itself.
    pub custom_kinds: CustomKinds,
    /// What happens to unknown fields.
    pub field_validation: FieldValidation,
    /// What is validated.
    pub validation: Validation,
}

/// What an object is validated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Validation {
    /// For its creation.
    #[default]
    Create,
    /// As the new version of a stored object.
    Update,
    /// Not at all: it comes from a server, which has done so.
    None,
}

/// Reads an object as kubectl and a server of 1.36 do when it is created.
///
/// ```
/// use podsim::api::{Object, lower};
/// let manifest = serde_json::json!({
///     "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
///     "spec": {"containers": [{"name": "web", "image": "nginx", "stdinOnce": true}]},
/// });
/// let lowered = lower(&manifest)?;
/// assert_eq!(lowered.object.path(), "Pod/default/web");
/// assert_eq!(lowered.no_effect, ["spec.containers[].stdinOnce"]);
/// # Ok::<(), Box<podsim::api::ApiError>>(())
/// ```
pub fn lower(value: &Value) -> Result<Lowered, Box<ApiError>> {
    Lowering::default().lower(value)
}

/// A type of `k8s-openapi` that becomes a record.
pub(crate) trait Lower: for<'v> Deserialize<'v> + HasMetadata<Ty = ObjectMeta> {
    type Record: ApiObject;

    /// What the server fills in.
    fn set_defaults(&mut self) {}

    /// How its objects may be named.
    const NAME: NameRule = NameRule::Subdomain;

    /// What the server does not accept, besides metadata.
    fn validate(&self, _errors: &mut Errors) {}

    /// The record.
    fn record(self, meta: Metadata) -> Self::Record;
}

impl Lowering {
    /// How the objects of a dump are read: what a server printed is not validated again.
    pub fn of_stored() -> Self {
        Self { field_validation: FieldValidation::Ignore, validation: Validation::None, ..Self::default() }
    }

    /// Reads an object.
    pub fn lower(&self, value: &Value) -> Result<Lowered, Box<ApiError>> {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let missing = match (api_version, kind) {
            ("", "") => "[apiVersion not set, kind not set]",
            ("", _) => "apiVersion not set",
            (_, "") => "kind not set",
            _ => "",
        };
        if !missing.is_empty() {
            let message = format!("error validating data: {missing}");
            return Err(ApiError::new(ErrorReason::BadRequest, message));
        }
        let Some(served) = served_kind(api_version, kind, &self.custom_kinds) else {
            let message = format!("no matches for kind {kind:?} in version {api_version:?}");
            return Err(ApiError::new(ErrorReason::NotFound, message));
        };
        match served {
            ServedKind::Typed(kind) => self.typed(kind, value),
            ServedKind::Inert { namespaced, .. } => self.inert(api_version, kind, namespaced, value),
        }
    }

    fn typed(&self, kind: Kind, value: &Value) -> Result<Lowered, Box<ApiError>> {
        match kind {
            Kind::Pod => self.run::<v1::Pod>(value),
            Kind::Node => self.run::<v1::Node>(value),
            Kind::Namespace => self.run::<v1::Namespace>(value),
            Kind::Event => self.run::<v1::Event>(value),
            Kind::Service => self.run::<v1::Service>(value),
            Kind::EndpointSlice => self.run::<discovery::EndpointSlice>(value),
            Kind::Endpoints => self.run::<v1::Endpoints>(value),
            Kind::ConfigMap => self.run::<v1::ConfigMap>(value),
            Kind::Secret => self.run::<v1::Secret>(value),
            Kind::ServiceAccount => self.run::<v1::ServiceAccount>(value),
            Kind::LimitRange => self.run::<v1::LimitRange>(value),
            Kind::ResourceQuota => self.run::<v1::ResourceQuota>(value),
            Kind::PersistentVolume => self.run::<v1::PersistentVolume>(value),
            Kind::PersistentVolumeClaim => self.run::<v1::PersistentVolumeClaim>(value),
            Kind::ReplicationController => self.run::<v1::ReplicationController>(value),
            Kind::ReplicaSet => self.run::<apps::ReplicaSet>(value),
            Kind::Deployment => self.run::<apps::Deployment>(value),
            Kind::StatefulSet => self.run::<apps::StatefulSet>(value),
            Kind::DaemonSet => self.run::<apps::DaemonSet>(value),
            Kind::ControllerRevision => self.run::<apps::ControllerRevision>(value),
            Kind::Job => self.run::<batch_v1::Job>(value),
            Kind::CronJob => self.run::<batch_v1::CronJob>(value),
            Kind::PodDisruptionBudget => self.run::<policy_v1::PodDisruptionBudget>(value),
            Kind::HorizontalPodAutoscaler if value["apiVersion"] == "autoscaling/v1" => {
                self.run::<autoscaling::HorizontalPodAutoscaler>(&autoscaler::as_v2(value))
            }
            Kind::HorizontalPodAutoscaler => self.run::<autoscaling::HorizontalPodAutoscaler>(value),
            Kind::PriorityClass => self.run::<scheduling::PriorityClass>(value),
            Kind::RuntimeClass => self.run::<node_v1::RuntimeClass>(value),
            Kind::StorageClass => self.run::<storage_v1::StorageClass>(value),
            Kind::CsiNode => self.run::<storage_v1::CSINode>(value),
            Kind::CsiDriver => self.run::<storage_v1::CSIDriver>(value),
            Kind::CsiStorageCapacity => self.run::<storage_v1::CSIStorageCapacity>(value),
            Kind::VolumeAttachment => self.run::<storage_v1::VolumeAttachment>(value),
            Kind::ResourceClaim => self.run::<resource_v1::ResourceClaim>(value),
            Kind::ResourceClaimTemplate => self.run::<resource_v1::ResourceClaimTemplate>(value),
            Kind::DeviceClass => self.run::<resource_v1::DeviceClass>(value),
            Kind::ResourceSlice => self.run::<resource_v1::ResourceSlice>(value),
            Kind::Other => unreachable!("no manifest names the kind of kinds without record"),
        }
    }

    fn run<K: Lower>(&self, value: &Value) -> Result<Lowered, Box<ApiError>> {
        let kind = <K::Record as ApiObject>::KIND;
        let (mut read, notes) =
            decode::decode::<K>(value).map_err(|error| undecodable(kind.as_str(), kind.version(), &error))?;
        let warnings = self.unknown_fields(kind.as_str(), kind.version(), &notes)?;
        read.set_defaults();
        place(read.metadata_mut(), kind.is_namespaced());
        if self.validation != Validation::None {
            let mut errors = Errors::for_create(self.validation == Validation::Create).of_manifest(value);
            validation::metadata(read.metadata(), K::NAME, &mut errors);
            validation::kube_finalizers(read.metadata().finalizers.as_deref().unwrap_or_default(), &mut errors);
            read.validate(&mut errors);
            if !errors.0.is_empty() {
                let name = read.metadata().name.clone().unwrap_or_default();
                return Err(ApiError::invalid(kind, &name, &errors.0));
            }
        }
        let meta = common::metadata(read.metadata());
        let object = <K::Record as ApiObject>::wrap(Arc::new(read.record(meta)));
        Ok(Lowered { object, no_effect: notes.no_effect.into_iter().collect(), warnings })
    }

    /// An object of a kind without record.
    fn inert(&self, api_version: &str, kind: &str, namespaced: bool, value: &Value) -> Result<Lowered, Box<ApiError>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let none = Value::Null;
        let metadata = value.get("metadata").unwrap_or(&none);
        let (mut metadata, _) =
            decode::decode::<ObjectMeta>(metadata).map_err(|error| undecodable(kind, version, &error))?;
        place(&mut metadata, namespaced);
        if self.validation != Validation::None {
            let mut errors = Errors::default();
            validation::metadata(&metadata, NameRule::PathSegment, &mut errors);
            if !errors.0.is_empty() {
                let name = metadata.name.unwrap_or_default();
                return Err(ApiError::invalid_kind(kind, group, &name, &errors.0));
            }
        }
        let object = Object::Other(Arc::new(Other {
            meta: common::metadata(&metadata),
            api_version: Name::new(api_version),
            kind: Name::new(kind),
            source: rest_of(value.clone(), &["apiVersion", "kind", "metadata"]),
        }));
        Ok(Lowered { object, no_effect: Vec::new(), warnings: Vec::new() })
    }

    /// The warnings about unknown fields, unless they are a reason to refuse.
    fn unknown_fields(&self, kind: &str, version: &str, notes: &Notes) -> Result<Vec<String>, Box<ApiError>> {
        let texts = || notes.unknown.iter().map(|field| format!("unknown field {field:?}"));
        match self.field_validation {
            FieldValidation::Ignore => Ok(Vec::new()),
            FieldValidation::Warn => Ok(texts().collect()),
            FieldValidation::Strict if notes.unknown.is_empty() => Ok(Vec::new()),
            FieldValidation::Strict => {
                let all = texts().collect::<Vec<_>>().join(", ");
                let mut error = bad_request(kind, version, format!("strict decoding error: {all}"));
                let cause = |field: &String| FieldError { field: field.clone(), problem: "unknown field".to_owned() };
                error.causes = notes.unknown.iter().map(cause).collect();
                Err(error)
            }
        }
    }
}

/// Objects without namespace go where kubectl sends them; kinds without namespaces have none.
fn place(metadata: &mut ObjectMeta, namespaced: bool) {
    if !namespaced {
        metadata.namespace = None;
    } else if metadata.namespace.as_deref().is_none_or(str::is_empty) {
        metadata.namespace = Some("default".to_owned());
    }
}

fn bad_request(kind: &str, version: &str, why: impl std::fmt::Display) -> Box<ApiError> {
    let message = format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}");
    ApiError::new(ErrorReason::BadRequest, message)
}

fn undecodable(kind: &str, version: &str, error: &DecodeError) -> Box<ApiError> {
    let mut refusal = bad_request(kind, version, error);
    if !error.field.is_empty() {
        refusal.causes.push(FieldError { field: error.field.clone(), problem: error.message.clone() });
    }
    refusal
}

/// The text of an object without a spec: all but what is elsewhere in its record.
fn rest(object: &impl Serialize) -> Text {
    let value = serde_json::to_value(object).expect("API types are JSON");
    rest_of(value, &["apiVersion", "kind", "metadata", "status"])
}

fn rest_of(mut value: Value, without: &[&str]) -> Text {
    if let Value::Object(fields) = &mut value {
        fields.retain(|field, _| !without.contains(&field.as_str()));
    }
    Text::from(value.to_string())
}

/// Labels as records have them.
pub(crate) fn labels_of(pairs: &std::collections::BTreeMap<String, String>) -> super::Labels {
    common::labels(Some(pairs))
}

/// A selector as records have it.
pub(crate) fn selector_of(selector: &k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector) -> super::Selector {
    common::selector(selector)
}

/// Reads a value as a type, unknown fields ignored.
pub(crate) fn decode<T: for<'v> Deserialize<'v>>(value: &Value) -> Result<T, String> {
    decode::decode(value).map(|(read, _)| read).map_err(|error| error.message)
}

/// The record of an object that is defaulted.
pub(crate) fn record_of<K: Lower>(object: K, meta: Metadata) -> K::Record {
    object.record(meta)
}

/// The record of a value, without its metadata.
pub(crate) fn record_as<K: Lower>(value: &Value) -> Option<K::Record> {
    decode::<K>(value).ok().map(|read| read.record(Metadata::default()))
}
