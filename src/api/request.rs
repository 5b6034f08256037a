//! What clients ask of the server, and what they are told.

use super::object::with_object;
use super::{
    ApiObject, Condition, DescribedObject, Kind, List, MetricIdentifier, Name, Object, OwnerReference, PodPhase,
    Selector, Taint, TaintEffect, Text, Uid,
};
use std::fmt;

/// One call to the server.
#[derive(Debug, Clone, PartialEq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Request {
    /// Read one object.
    Get(Target),
    /// Create an object; one without a name gets it from `generate_name`.
    Create(Object),
    /// Replace an object, or its status. A resource version other than zero must be the newest one.
    Update {
        /// The new version.
        object: Object,
        /// Which part of it counts.
        part: Part,
    },
    /// Change some fields of an object.
    Patch {
        /// The object.
        target: Target,
        /// Which part of it may change.
        part: Part,
        /// How the patch is meant.
        kind: PatchKind,
        /// The patch.
        patch: serde_json::Value,
    },
    /// Change some fields of an object as components do: a patch whose effect has a name.
    Amend {
        /// The object.
        target: Target,
        /// The incarnation that is meant; `None` for whichever there is.
        uid: Option<Uid>,
        /// The change.
        amendment: Amendment,
    },
    /// Place a pod on a node.
    Bind {
        /// The pod.
        namespace: Name,
        /// The pod.
        name: Name,
        /// The identity that the scheduler saw.
        uid: Uid,
        /// The node.
        node: Name,
    },
    /// Delete a pod if its disruption budget allows.
    Evict {
        /// The pod.
        namespace: Name,
        /// The pod.
        name: Name,
        /// How it is then deleted.
        options: DeleteOptions,
    },
    /// What the pods of a namespace that a selector matches use (`metrics.k8s.io`).
    PodMetrics {
        /// Their namespace.
        namespace: Name,
        /// Which of them.
        selector: Selector,
    },
    /// What an adapter tells of a metric (`custom.metrics.k8s.io`, `external.metrics.k8s.io`).
    Metric {
        /// The namespace.
        namespace: Name,
        /// The metric.
        metric: MetricIdentifier,
        /// Whose.
        of: MetricSubject,
    },
    /// Delete an object.
    Delete {
        /// The object.
        target: Target,
        /// How.
        options: DeleteOptions,
    },
}

impl Request {
    /// The object that a call is about, by kind, namespace and name; one without a name goes by `generateName`.
    pub fn about(&self) -> (Kind, Name, Name) {
        match self {
            Self::Get(target)
            | Self::Patch { target, .. }
            | Self::Amend { target, .. }
            | Self::Delete { target, .. } => (target.kind, target.namespace, target.name),
            Self::Create(object) | Self::Update { object, .. } => {
                let meta = object.meta();
                let name = if meta.name.is_empty() { meta.generate_name } else { meta.name };
                (object.kind(), meta.namespace, name)
            }
            Self::PodMetrics { namespace, .. } => (Kind::Pod, *namespace, Name::default()),
            Self::Metric { namespace, metric, .. } => (Kind::Other, *namespace, metric.name),
            Self::Bind { namespace, name, .. } | Self::Evict { namespace, name, .. } => (Kind::Pod, *namespace, *name),
        }
    }

    /// The same as `Kind/namespace/name`.
    pub fn path(&self) -> String {
        let (kind, namespace, name) = self.about();
        let kind = match self {
            Self::Create(object) | Self::Update { object, .. } => object.kind_name(),
            _ => kind.name(),
        };
        if namespace.is_empty() { format!("{kind}/{name}") } else { format!("{kind}/{namespace}/{name}") }
    }
}

/// Whose metric is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricSubject {
    /// Those of pods, by their labels.
    Pods(Selector),
    /// An object's.
    Object(DescribedObject),
    /// The world's outside of the cluster.
    External,
}

/// An object by kind and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty for kinds without.
    pub namespace: Name,
    /// The name.
    pub name: Name,
}

impl Target {
    /// The object that a version is of.
    pub fn of(object: &Object) -> Self {
        let name = with_object!(object, version => version.table_name());
        Self { kind: object.kind(), namespace: object.meta().namespace, name }
    }
}

/// The part of an object that a write may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// All but the status.
    Main,
    /// The status, labels, annotations and finalizers.
    Status,
    /// Of a pod: the resources of its containers.
    Resize,
    /// Of a pod: its ephemeral containers.
    EphemeralContainers,
    /// Of a workload: the number of replicas.
    Scale,
}

/// How a patch is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatchKind {
    /// Objects are merged key by key, lists by their merge keys.
    Strategic,
    /// Objects are merged key by key, lists replaced (RFC 7386).
    Merge,
    /// A list of operations (RFC 6902).
    Json,
}

/// The patches that components send. Each leaves everything else as it is stored, whatever its sender had seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Amendment {
    /// Takes finalizers away.
    RemoveFinalizers(List<Name>),
    /// Adds an owner.
    AddOwner(OwnerReference),
    /// Takes owners away.
    RemoveOwners(List<Uid>),
    /// Owners no longer wait for the object when they are deleted in the foreground.
    UnblockOwners,
    /// Sets labels.
    Label(List<(Name, Name)>),
    /// Sets annotations, and removes those without a value.
    Annotate(List<(Name, Option<Name>)>),
    /// Sets a condition in a pod's status, and perhaps its phase.
    PodStatus {
        /// The condition; it keeps its transition time if its status stays.
        condition: Option<Condition>,
        /// The phase.
        phase: Option<PodPhase>,
    },
    /// Adds taints to a node and removes others, by key and effect.
    Taints {
        /// Added, or replaced by key and effect.
        add: List<Taint>,
        /// Removed.
        remove: List<(Name, TaintEffect)>,
    },
    /// Adds a volume to those that are attached to a node, or takes it away.
    VolumeAttached {
        /// The volume's unique name.
        volume: Name,
        /// Whether it is attached.
        attached: bool,
    },
    /// Sets the number of replicas of a workload (the scale sub-resource).
    Scale(i32),
}

/// `metav1.DeleteOptions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DeleteOptions {
    /// Seconds; the object's own if absent.
    pub grace_period: Option<i64>,
    /// Only this incarnation.
    pub uid: Option<Uid>,
    /// Only this version.
    pub resource_version: Option<u64>,
    /// What happens to its dependents.
    pub propagation: Option<Propagation>,
}

/// `metav1.DeletionPropagation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Propagation {
    /// They lose their owner and stay.
    Orphan,
    /// They go after it.
    Background,
    /// They go before it.
    Foreground,
}

/// What a call came to.
pub type Response = Result<Object, Box<ApiError>>;

/// A refusal (`metav1.Status`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub code: u16,
    /// The server's word for it.
    pub reason: ErrorReason,
    /// The server's words for it.
    pub message: Text,
    /// Seconds after which another try may help.
    pub retry_after: Option<u32>,
    /// The fields that are to blame, where some are.
    pub causes: Vec<FieldError>,
}

/// `metav1.StatusReason`, and the cause that clients look at where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
pub enum ErrorReason {
    /// 400.
    BadRequest,
    /// 403.
    Forbidden,
    /// 403 because the namespace is being deleted.
    NamespaceTerminating,
    /// 404.
    NotFound,
    /// 409 on create.
    AlreadyExists,
    /// 409 on update or delete.
    Conflict,
    /// 413.
    RequestEntityTooLarge,
    /// 422.
    Invalid,
    /// 429.
    TooManyRequests,
    /// 429 because a disruption budget refuses.
    DisruptionBudget,
    /// 500.
    InternalError,
    /// 503.
    ServiceUnavailable,
    /// 504, or no answer within the client's patience.
    Timeout,
}

impl ApiError {
    /// A refusal.
    pub fn new(reason: ErrorReason, message: impl Into<Text>) -> Box<Self> {
        let code = match reason {
            ErrorReason::BadRequest => 400,
            ErrorReason::Forbidden | ErrorReason::NamespaceTerminating => 403,
            ErrorReason::NotFound => 404,
            ErrorReason::AlreadyExists | ErrorReason::Conflict => 409,
            ErrorReason::RequestEntityTooLarge => 413,
            ErrorReason::Invalid => 422,
            ErrorReason::TooManyRequests | ErrorReason::DisruptionBudget => 429,
            ErrorReason::InternalError => 500,
            ErrorReason::ServiceUnavailable => 503,
            ErrorReason::Timeout => 504,
        };
        Box::new(Self { code, reason, message: message.into(), retry_after: None, causes: Vec::new() })
    }

    /// `pods "web" not found`.
    pub fn not_found(kind: Kind, name: &str) -> Box<Self> {
        Self::new(ErrorReason::NotFound, format!("{} {name:?} not found", kind.resource()))
    }

    /// `pods "web" already exists`.
    pub fn already_exists(kind: Kind, name: &str) -> Box<Self> {
        Self::new(ErrorReason::AlreadyExists, format!("{} {name:?} already exists", kind.resource()))
    }

    /// `pods "web" is forbidden: why`.
    pub fn forbidden(kind: Kind, name: &str, why: impl fmt::Display) -> Box<Self> {
        Self::new(ErrorReason::Forbidden, format!("{} {name:?} is forbidden: {why}", kind.resource()))
    }

    /// `Operation cannot be fulfilled on pods "web": why`.
    pub fn conflict(kind: Kind, name: &str, why: impl fmt::Display) -> Box<Self> {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", kind.resource());
        Self::new(ErrorReason::Conflict, message)
    }

    /// `Pod "web" is invalid: …`, one error as it is, several in brackets.
    pub fn invalid(kind: Kind, name: &str, errors: &[FieldError]) -> Box<Self> {
        Self::invalid_kind(kind.as_str(), kind.group(), name, errors)
    }

    /// The same for a kind without record.
    pub fn invalid_kind(kind: &str, group: &str, name: &str, errors: &[FieldError]) -> Box<Self> {
        let kind = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut texts: Vec<String> = Vec::new();
        for text in errors.iter().map(ToString::to_string) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let all = if texts.len() == 1 { texts.swap_remove(0) } else { format!("[{}]", texts.join(", ")) };
        let mut error = Self::new(ErrorReason::Invalid, format!("{kind} {name:?} is invalid: {all}"));
        error.causes = errors.to_vec();
        error
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

/// One field that the server does not accept (`apimachinery/pkg/util/validation/field`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field, such as `spec.containers[0].image`.
    pub field: String,
    /// What is wrong, such as `Required value` or `Invalid value: 0: must be greater than zero`.
    pub problem: String,
}

impl FieldError {
    /// `field: Required value: detail`.
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        let rest = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        Self { field: field.into(), problem: format!("Required value{rest}") }
    }

    /// `field: Invalid value: value: detail`; texts are quoted by the caller's `Debug`.
    pub fn invalid(field: impl Into<String>, value: impl fmt::Debug, detail: impl fmt::Display) -> Self {
        Self { field: field.into(), problem: format!("Invalid value: {value:?}: {detail}") }
    }

    /// `field: Duplicate value: value`.
    pub fn duplicate(field: impl Into<String>, value: impl fmt::Debug) -> Self {
        Self { field: field.into(), problem: format!("Duplicate value: {value:?}") }
    }

    /// `field: Forbidden: detail`.
    pub fn forbidden(field: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self { field: field.into(), problem: format!("Forbidden: {detail}") }
    }

    /// `field: Not found: value`.
    pub fn not_found(field: impl Into<String>, value: impl fmt::Debug) -> Self {
        Self { field: field.into(), problem: format!("Not found: {value:?}") }
    }

    /// `field: Unsupported value: value: supported values: "a", "b"`.
    pub fn unsupported(field: impl Into<String>, value: impl fmt::Debug, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
        let problem = format!("Unsupported value: {value:?}: supported values: {}", supported.join(", "));
        Self { field: field.into(), problem }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}
