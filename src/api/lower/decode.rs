//! Reads JSON into the types of `k8s-openapi` as the API server decodes a request: in its words where it refuses.
//!
//! Follows `sigs.k8s.io/json` (strict, case-sensitive) and the `omitempty` of the Go types: an empty text, list or map
//! and a zero that is no pointer there count as absent, so that what is kept as text prints as `kubectl get` does.
//! Quantities are taken to their canonical form and rounded up to thousandths (`SetDefaults_ResourceList`).

use super::effects;
use crate::api::Quantity;
use serde::de::value::{MapDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

/// What was noticed while reading.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Paths of fields that the type does not have, in order.
    pub(super) unknown: Vec<String>,
    /// Paths without indexes of fields that are set and have no effect.
    pub(super) no_effect: BTreeSet<String>,
    /// Whether a value was passed over because Go would not print it, so that its type is not known to be right.
    passed_over: bool,
}

/// Why a value is not of its type, as the server says it.
#[derive(Debug)]
pub(super) struct DecodeError {
    /// In the server's words.
    pub(super) message: String,
    /// The field, with indexes; empty for the whole.
    pub(super) field: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl serde::de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), field: String::new() }
    }
}

/// Reads a value as a type.
pub(super) fn decode<'v, T: serde::Deserialize<'v>>(value: &'v Value) -> Result<(T, Notes), DecodeError> {
    let notes = RefCell::default();
    let whole = Cursor { value, path: &Path::Root, notes: &notes, quiet: false, omits: true };
    let read = T::deserialize(whole);
    if read.is_err() || notes.borrow().passed_over {
        // An empty value must be of its type too; the first mistake is the one that is told.
        T::deserialize(Cursor { notes: &RefCell::default(), quiet: true, omits: false, ..whole })?;
    }
    Ok((read?, notes.into_inner()))
}

/// The way from the root to a value.
enum Path<'p> {
    Root,
    Field { up: &'p Self, of: &'static str, name: &'p str },
    Key { up: &'p Self, name: &'p str },
    Index { up: &'p Self, index: usize },
}

impl Path<'_> {
    /// As strict errors and field errors name it; index-free for the list of fields without effect.
    fn write(&self, text: &mut String, indexes: bool) {
        match self {
            Self::Root => {}
            Self::Field { up, name, .. } | Self::Key { up, name } => {
                up.write(text, indexes);
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Self::Index { up, index } => {
                up.write(text, indexes);
                text.push_str(&if indexes { format!("[{index}]") } else { "[]".to_owned() });
            }
        }
    }

    fn text(&self, indexes: bool) -> String {
        let mut text = String::new();
        self.write(&mut text, indexes);
        text
    }

    /// As type errors name it: the innermost struct and the fields on the way, without indexes and map keys.
    fn go(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Root => None,
            Self::Field { up, of, name } => {
                let way = up.go().map_or_else(|| (*name).to_owned(), |(_, way)| format!("{way}.{name}"));
                Some((of, way))
            }
            Self::Key { up, .. } | Self::Index { up, .. } => up.go(),
        }
    }

    /// The innermost field and the struct that it is of.
    fn field(&self) -> (&'static str, &str) {
        match self {
            Self::Root => ("", ""),
            Self::Field { of, name, .. } => (of, name),
            Self::Key { up, .. } | Self::Index { up, .. } => up.field(),
        }
    }
}

/// A value and the way to it.
#[derive(Clone, Copy)]
struct Cursor<'v, 'p> {
    value: &'v Value,
    path: &'p Path<'p>,
    notes: &'p RefCell<Notes>,
    /// Whether the whole is already reported as without effect.
    quiet: bool,
    /// Whether empty values count as absent.
    omits: bool,
}

impl Cursor<'_, '_> {
    /// `json: cannot unmarshal string into Go struct field Container.spec.containers.ports of type []v1.ContainerPort`.
    #[cold]
    fn mismatch(&self, wanted: &str) -> DecodeError {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(number) if wanted.starts_with("int") => format!("number {number}"),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
        };
        let place = match self.path.go() {
            Some((of, way)) => format!("struct field {of}.{way}"),
            None => "value".to_owned(),
        };
        let message = format!("json: cannot unmarshal {found} into Go {place} of type {wanted}");
        DecodeError { message, field: self.path.text(true) }
    }

    #[cold]
    fn refuse(&self, message: impl fmt::Display) -> DecodeError {
        DecodeError { message: message.to_string(), field: self.path.text(true) }
    }

    fn placed(&self, mut error: DecodeError) -> DecodeError {
        if error.field.is_empty() {
            error.field = self.path.text(true);
        }
        error
    }

    /// Whether Go would not print this value of an optional field.
    fn is_omitted(&self) -> bool {
        if !self.omits {
            return self.value.is_null();
        }
        let (of, field) = self.path.field();
        match self.value {
            Value::Null => true,
            // Rules without policies are refused; those that name none get the usual ones (`copyHPAScalingRules`).
            Value::Array(elements) => elements.is_empty() && (of, field) != ("HPAScalingRules", "policies"),
            Value::Object(fields) => fields.is_empty() && is_map(of, field),
            Value::String(text) => text.is_empty() && !is_pointer(of, field),
            Value::Bool(false) => !is_pointer(of, field),
            Value::Number(number) => number.as_i64() == Some(0) && !is_pointer(of, field),
            Value::Bool(true) => false,
        }
    }

    /// Whether the text stands for bytes.
    fn is_bytes(&self) -> bool {
        matches!(self.path, Path::Key { .. })
            && matches!(self.path.field(), ("Secret", "data") | ("ConfigMap", "binaryData"))
    }

    fn integer(&self, wanted: &str) -> Result<i64, DecodeError> {
        match self.value {
            Value::Null => Ok(0),
            Value::Number(number) => number.as_i64().ok_or_else(|| self.mismatch(wanted)),
            _ => Err(self.mismatch(wanted)),
        }
    }

    /// A quantity as the server prints it again.
    fn quantity(&self) -> Result<String, DecodeError> {
        if let Value::String(text) = self.value
            && is_plain_quantity(text)
        {
            return Ok(text.clone());
        }
        let quantity = Quantity::from_json(self.value).map_err(|error| self.refuse(error))?;
        let rounded = Quantity::from_milli(quantity.saturating_milli_value(), quantity.format());
        let finer = quantity > Quantity::ZERO && quantity < rounded;
        Ok(if finer { rounded } else { quantity }.to_string())
    }
}

/// Bytes as Go reads them (`encoding/base64`, `decodeQuantum`), without the ends of lines, which it passes over; or the
/// place of what is wrong.
fn base64_of_go(text: &str) -> Result<Cow<'_, str>, usize> {
    let is_letter = |c: u8| c.is_ascii_alphanumeric() || c == b'+' || c == b'/';
    let is_line_end = |c: u8| c == b'\r' || c == b'\n';
    let bytes = text.as_bytes();
    let line_ends = |from: usize| bytes[from..].iter().take_while(|c| is_line_end(**c)).count();
    // How many letters there are of the four that belong together.
    let mut letters = 0;
    let mut place = 0;
    while let Some(&next) = bytes.get(place) {
        place += 1;
        match next {
            next if is_letter(next) => letters = (letters + 1) % 4,
            next if is_line_end(next) => {}
            b'=' if letters >= 2 => {
                if letters == 2 {
                    place += line_ends(place);
                    match bytes.get(place) {
                        None => return Err(bytes.len()),
                        Some(b'=') => place += 1,
                        Some(_) => return Err(place - 1),
                    }
                }
                place += line_ends(place);
                if place < bytes.len() {
                    return Err(place);
                }
                letters = 0;
            }
            _ => return Err(place - 1),
        }
    }
    if letters != 0 {
        return Err(bytes.len() - letters);
    }
    let has_line_ends = bytes.iter().any(|c| is_line_end(*c));
    Ok(if has_line_ends { text.replace(['\r', '\n'], "").into() } else { text.into() })
}

/// Whether a quantity is one of the common forms that are their own canonical form, such as `250m` or `64Mi`.
fn is_plain_quantity(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at(digits);
    // So many digits fit, whatever the suffix.
    if !(1..=9).contains(&digits) || number.starts_with('0') {
        return false;
    }
    match suffix {
        "m" | "" | "k" | "M" | "G" => !number.ends_with("000"),
        "Ki" | "Mi" | "Gi" => number.parse::<u64>().is_ok_and(|number| number % 1024 != 0),
        _ => false,
    }
}

impl<'v, 'p> Deserializer<'v> for Cursor<'v, 'p> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let (_, field) = self.path.field();
        let int_or_text = matches!(field, "port" | "targetPort" | "maxSurge" | "maxUnavailable" | "minAvailable");
        match self.value {
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), _, _) if !int_or_text || i32::try_from(number).is_ok() => visitor.visit_i64(number),
                _ if int_or_text => Err(self.mismatch("int32")),
                (None, Some(number), _) => visitor.visit_u64(number),
                (_, _, number) => visitor.visit_f64(number.unwrap_or_default()),
            },
            Value::Null if int_or_text => visitor.visit_i64(0),
            Value::Null => visitor.visit_unit(),
            _ if int_or_text => Err(self.mismatch("int32")),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Array(elements) => visitor.visit_seq(Elements { elements: elements.iter().enumerate(), list: self }),
            Value::Object(fields) => visitor.visit_map(Fields::new(fields, self, None)),
        }
        .map_err(|error| self.placed(error))
    }

    fn deserialize_bool<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Null => visitor.visit_bool(false),
            _ => Err(self.mismatch("bool")),
        }
    }

    fn deserialize_i32<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let number = self.integer("int32")?;
        i32::try_from(number).map_err(|_| self.mismatch("int32")).and_then(|number| visitor.visit_i32(number))
    }

    fn deserialize_i64<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_i64(self.integer("int64")?)
    }

    fn deserialize_f64<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value.as_f64() {
            Some(number) => visitor.visit_f64(number),
            None => Err(self.mismatch("float64")),
        }
    }

    fn deserialize_str<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::String(text) if self.is_bytes() => match base64_of_go(text) {
                Ok(text) => visitor.visit_str(&text).map_err(|error| self.placed(error)),
                Err(place) => Err(self.refuse(format!("illegal base64 data at input byte {place}"))),
            },
            Value::String(text) => visitor.visit_borrowed_str(text).map_err(|error| self.placed(error)),
            Value::Null => visitor.visit_borrowed_str("").map_err(|error| self.placed(error)),
            _ => {
                let (of, field) = self.path.field();
                let is_element = matches!(self.path, Path::Index { .. } | Path::Key { .. });
                Err(self.mismatch(if is_element { "string" } else { text_type(of, field) }))
            }
        }
    }

    fn deserialize_string<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if !self.is_omitted() {
            return visitor.visit_some(self);
        }
        if !self.value.is_null() {
            self.notes.borrow_mut().passed_over = true;
        }
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'v>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match name {
            "Quantity" => visitor.visit_newtype_struct(StringDeserializer::new(self.quantity()?)),
            "Time" | "MicroTime" => match self.value {
                Value::String(text) if jiff::fmt::temporal::DateTimeParser::new().parse_timestamp(text).is_err() => {
                    let layout = "2006-01-02T15:04:05Z07:00";
                    let why = format!("cannot parse {text:?} as \"2006\"");
                    Err(self.refuse(format!("parsing time {text:?} as {layout:?}: {why}")))
                }
                _ => visitor.visit_newtype_struct(self),
            },
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Array(elements) => visitor.visit_seq(Elements { elements: elements.iter().enumerate(), list: self }),
            Value::Null => visitor.visit_seq(SeqDeserializer::<_, DecodeError>::new(std::iter::empty::<bool>())),
            _ => {
                let (of, field) = self.path.field();
                Err(self.mismatch(&list_type(of, field)))
            }
        }
    }

    fn deserialize_map<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Object(fields) => visitor.visit_map(Fields::new(fields, self, None)),
            Value::Null => {
                visitor.visit_map(MapDeserializer::<_, DecodeError>::new(std::iter::empty::<(bool, bool)>()))
            }
            _ => Err(self.mismatch(map_type(self.path.field().1))),
        }
    }

    fn deserialize_struct<V: Visitor<'v>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Object(fields) => visitor.visit_map(Fields::new(fields, self, Some(name))),
            Value::Null => {
                visitor.visit_map(MapDeserializer::<_, DecodeError>::new(std::iter::empty::<(bool, bool)>()))
            }
            _ => Err(self.mismatch(&format!("v1.{name}"))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let path = self.path.text(true);
        self.notes.borrow_mut().unknown.push(path);
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <W: Visitor<'v>>
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
    }
}

struct Elements<'v, 'p> {
    elements: std::iter::Enumerate<std::slice::Iter<'v, Value>>,
    list: Cursor<'v, 'p>,
}

impl<'v> SeqAccess<'v> for Elements<'v, '_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'v>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some((index, value)) = self.elements.next() else { return Ok(None) };
        let path = Path::Index { up: self.list.path, index };
        seed.deserialize(Cursor { value, path: &path, ..self.list }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.len())
    }
}

struct Fields<'v, 'p> {
    fields: serde_json::map::Iter<'v>,
    current: Option<(&'v str, &'v Value)>,
    whole: Cursor<'v, 'p>,
    /// The struct, unless it is a map.
    of: Option<&'static str>,
    without_effect: &'static [(&'static str, &'static str)],
}

impl<'v, 'p> Fields<'v, 'p> {
    fn new(fields: &'v serde_json::Map<String, Value>, whole: Cursor<'v, 'p>, of: Option<&'static str>) -> Self {
        let without_effect = if whole.quiet { &[] } else { of.map_or(&[][..], effects::without) };
        Self { fields: fields.iter(), current: None, whole, of, without_effect }
    }
}

impl<'v> MapAccess<'v> for Fields<'v, '_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'v>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.current = self.fields.next().map(|(name, value)| (name.as_str(), value));
        self.current.map(|(name, _)| seed.deserialize(serde::de::value::BorrowedStrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'v>>(&mut self, seed: T) -> Result<T::Value, DecodeError> {
        let (name, value) = self.current.take().ok_or_else(|| DecodeError::custom("a value without a key"))?;
        let up = self.whole.path;
        let Some(of) = self.of else {
            return seed.deserialize(Cursor { value, path: &Path::Key { up, name }, ..self.whole });
        };
        let path = Path::Field { up, of, name };
        let mut cursor = Cursor { value, path: &path, ..self.whole };
        if effects::applies(self.without_effect, of, name, value) && !cursor.is_omitted() {
            let path = path.text(false);
            self.whole.notes.borrow_mut().no_effect.insert(path);
            cursor.quiet = true;
        }
        seed.deserialize(cursor)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.fields.len())
    }
}

/// Whether a scalar field is a pointer in Go, or has no `omitempty`, so that its zero is printed; `Struct.field` where
/// the name alone does not tell.
fn is_pointer(of: &str, field: &str) -> bool {
    if let Ok(place) = SOMETIMES_POINTERS.binary_search_by_key(&field, |(name, _)| name) {
        return SOMETIMES_POINTERS[place].1.contains(&of);
    }
    POINTERS.binary_search(&field).is_ok()
}

/// Whether a field is a map in Go, so that an empty one is not printed.
fn is_map(of: &str, field: &str) -> bool {
    match field {
        "selector" => matches!(of, "ServiceSpec" | "ReplicationControllerSpec"),
        "max" | "min" | "default" | "defaultRequest" | "maxLimitRequestRatio" => of == "LimitRangeItem",
        "capacity" => of != "NodeSwapStatus",
        _ => MAPS.contains(&field),
    }
}

const MAPS: [&str; 17] = [
    "allocatable",
    "allocatedResources",
    "annotations",
    "binaryData",
    "data",
    "fixed",
    "hard",
    "labels",
    "limits",
    "matchLabels",
    "nodeSelector",
    "overhead",
    "parameters",
    "requests",
    "stringData",
    "used",
    "volumeAttributes",
];

/// Fields that are pointers in every struct that has them.
const POINTERS: [&str; 110] = [
    "activeDeadlineSeconds",
    "allocateLoadBalancerNodePorts",
    "allowPrivilegeEscalation",
    "allowVolumeExpansion",
    "apiGroup",
    "appProtocol",
    "attachRequired",
    "automountServiceAccountToken",
    "averageUtilization",
    "backoffLimit",
    "backoffLimitPerIndex",
    "blockOwnerDeletion",
    "cachingMode",
    "collisionCount",
    "completionMode",
    "completions",
    "controller",
    "currentVolumeAttributesClassName",
    "defaultMode",
    "defaultUser",
    "deletionGracePeriodSeconds",
    "enableServiceLinks",
    "endpointsNamespace",
    "errorCode",
    "expirationSeconds",
    "failedIndexes",
    "failedJobsHistoryLimit",
    "fsGroup",
    "fsGroupChangePolicy",
    "fsGroupPolicy",
    "gmsaCredentialSpec",
    "gmsaCredentialSpecName",
    "hostProcess",
    "hostUsers",
    "hostnameOverride",
    "immutable",
    "initiatorName",
    "internalTrafficPolicy",
    "ipFamilyPolicy",
    "ipMode",
    "loadBalancerClass",
    "localhostProfile",
    "lun",
    "managedBy",
    "manualSelector",
    "maxExpirationSeconds",
    "maxFailedIndexes",
    "maxSurge",
    "maxUnavailable",
    "minAvailable",
    "minDomains",
    "minReplicas",
    "mode",
    "mountPropagation",
    "nodeAffinityPolicy",
    "nodeAllocatableUpdatePeriodSeconds",
    "nodeTaintsPolicy",
    "optional",
    "parallelism",
    "persistentVolumeName",
    "podInfoOnMount",
    "podReplacementPolicy",
    "preemptionPolicy",
    "priority",
    "privileged",
    "procMount",
    "progressDeadlineSeconds",
    "readOnlyRootFilesystem",
    "ready",
    "recursiveReadOnly",
    "recursiveReadOnlyMounts",
    "requiresRepublish",
    "resourceClaimName",
    "resourceClaimTemplateName",
    "revisionHistoryLimit",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "runAsUserName",
    "runtimeClassName",
    "seLinuxChangePolicy",
    "seLinuxMount",
    "secretNamespace",
    "selectPolicy",
    "service",
    "serving",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "stabilizationWindowSeconds",
    "started",
    "startingDeadlineSeconds",
    "stopSignal",
    "storageCapacity",
    "succeededCount",
    "succeededIndexes",
    "successfulJobsHistoryLimit",
    "supplementalGroupsPolicy",
    "suspend",
    "targetPort",
    "terminating",
    "terminatingReplicas",
    "terminationGracePeriodSeconds",
    "timeZone",
    "tolerationSeconds",
    "trafficDistribution",
    "ttlSecondsAfterFinished",
    "unhealthyPodEvictionPolicy",
    "userNamespaces",
    "volumeAttributesClassName",
    "volumeMode",
];

/// Fields that are pointers in some structs only.
const SOMETIMES_POINTERS: [(&str, &[&str]); 20] = [
    ("containerName", &["PodFailurePolicyOnExitCodesRequirement"]),
    ("count", &["VolumeNodeResources"]),
    ("fsType", &["AzureDiskVolumeSource", "LocalVolumeSource", "CSIVolumeSource"]),
    ("hostname", &["Endpoint"]),
    ("kind", &["AzureDiskVolumeSource"]),
    ("name", &["EndpointPort", "NodeRuntimeHandler"]),
    ("namespace", &["TypedObjectReference"]),
    ("nodeName", &["Endpoint", "EndpointAddress"]),
    ("observedGeneration", &["HorizontalPodAutoscalerStatus"]),
    ("partition", &["RollingUpdateStatefulSetStrategy"]),
    ("port", &["EndpointPort"]),
    ("protocol", &["EndpointPort"]),
    ("readOnly", &["AzureDiskVolumeSource", "CSIVolumeSource"]),
    ("replicas", &["ReplicationControllerSpec", "StatefulSetSpec", "DeploymentSpec", "ReplicaSetSpec"]),
    ("restartPolicy", &["Container", "EphemeralContainer"]),
    ("storageClassName", &["PersistentVolumeClaimSpec"]),
    ("timeoutSeconds", &["ClientIPConfig"]),
    ("type", &["HostPathVolumeSource"]),
    ("user", &["KeyToPath", "DownwardAPIVolumeFile", "ServiceAccountTokenProjection"]),
    ("value", &["PodDNSConfigOption"]),
];

/// The Go type of a text field; most are plain strings.
fn text_type(of: &str, field: &str) -> &'static str {
    match (of, field) {
        ("PodSpec", "restartPolicy") => "v1.RestartPolicy",
        (_, "restartPolicy") => "v1.ContainerRestartPolicy",
        (_, "imagePullPolicy" | "pullPolicy") => "v1.PullPolicy",
        (_, "dnsPolicy") => "v1.DNSPolicy",
        ("ContainerPort" | "ServicePort", "protocol") => "v1.Protocol",
        ("HTTPGetAction", "scheme") => "v1.URIScheme",
        ("Toleration", "operator") => "v1.TolerationOperator",
        ("Toleration" | "Taint", "effect") => "v1.TaintEffect",
        ("NodeSelectorRequirement", "operator") => "v1.NodeSelectorOperator",
        ("LabelSelectorRequirement", "operator") => "v1.LabelSelectorOperator",
        ("ServiceSpec", "type") => "v1.ServiceType",
        ("DeploymentStrategy", "type") => "v1.DeploymentStrategyType",
        ("CronJobSpec", "concurrencyPolicy") => "v1.ConcurrencyPolicy",
        (_, "uid") => "types.UID",
        _ => "string",
    }
}

/// The Go type of a list field.
fn list_type(of: &str, field: &str) -> String {
    let element = match (of, field) {
        (_, "containers" | "initContainers") => "v1.Container",
        (_, "ephemeralContainers") => "v1.EphemeralContainer",
        (_, "env") => "v1.EnvVar",
        (_, "envFrom") => "v1.EnvFromSource",
        ("ServiceSpec", "ports") => "v1.ServicePort",
        ("EndpointSlice" | "EndpointSubset", "ports") => "v1.EndpointPort",
        (_, "ports") => "v1.ContainerPort",
        (_, "volumes") => "v1.Volume",
        (_, "volumeMounts") => "v1.VolumeMount",
        (_, "volumeDevices") => "v1.VolumeDevice",
        (_, "volumeClaimTemplates") => "v1.PersistentVolumeClaim",
        (_, "tolerations") => "v1.Toleration",
        (_, "taints") => "v1.Taint",
        (_, "topologySpreadConstraints") => "v1.TopologySpreadConstraint",
        (_, "matchExpressions") if of == "LabelSelector" => "v1.LabelSelectorRequirement",
        (_, "matchExpressions" | "matchFields") => "v1.NodeSelectorRequirement",
        (_, "nodeSelectorTerms") => "v1.NodeSelectorTerm",
        (_, "imagePullSecrets") => "v1.LocalObjectReference",
        (_, "ownerReferences") => "v1.OwnerReference",
        (_, "readinessGates") => "v1.PodReadinessGate",
        (_, "schedulingGates") => "v1.PodSchedulingGate",
        (_, "hostAliases") => "v1.HostAlias",
        (_, "items") => "v1.KeyToPath",
        (_, "sources") => "v1.VolumeProjection",
        (_, "httpHeaders") => "v1.HTTPHeader",
        (_, "conditions") => "v1.PodCondition",
        (_, "accessModes") => "v1.PersistentVolumeAccessMode",
        (_, "requiredDuringSchedulingIgnoredDuringExecution") => "v1.PodAffinityTerm",
        ("NodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution") => "v1.PreferredSchedulingTerm",
        (_, "preferredDuringSchedulingIgnoredDuringExecution") => "v1.WeightedPodAffinityTerm",
        ("LimitRangeSpec", "limits") => "v1.LimitRangeItem",
        ("PodFailurePolicy", "rules") => "v1.PodFailurePolicyRule",
        _ => "string",
    };
    format!("[]{element}")
}

/// The Go type of a map field.
fn map_type(field: &str) -> &'static str {
    match field {
        "limits" | "requests" | "overhead" | "capacity" | "allocatable" | "hard" | "used" => "v1.ResourceList",
        _ => "map[string]string",
    }
}

/// A number as JSON text would have it: whole floats are integers, as Go prints them.
pub(crate) fn number(value: f64) -> Option<Number> {
    let whole = value as i64;
    if value.abs() < 1e15 && whole as f64 == value { Some(whole.into()) } else { Number::from_f64(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    fn error(value: Value) -> String {
        decode::<Pod>(&value).expect_err("a wrong type").message
    }

    #[test]
    fn the_tables_are_in_order() {
        assert!(POINTERS.is_sorted());
        assert!(MAPS.is_sorted());
        assert!(SOMETIMES_POINTERS.is_sorted());
    }

    #[test]
    fn wrong_types_are_refused_in_the_words_of_go() {
        let pod = |container: Value| json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}});
        for (value, words) in [
            (
                json!({"spec": {"containers": {}}}),
                "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
            ),
            (
                json!({"metadata": {"labels": {"a": 1}}}),
                "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
            ),
            (
                pod(json!({"env": [{"name": "A", "value": 5}]})),
                "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string",
            ),
            (
                pod(json!({"ports": [{"containerPort": "80"}]})),
                "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort \
                 of type int32",
            ),
            (
                pod(json!({"livenessProbe": {"httpGet": {"port": true}}})),
                "json: cannot unmarshal bool into Go struct field \
                 HTTPGetAction.spec.containers.livenessProbe.httpGet.port of type int32",
            ),
            (
                pod(json!({"livenessProbe": {"periodSeconds": 1.5}})),
                "json: cannot unmarshal number 1.5 into Go struct field \
                 Probe.spec.containers.livenessProbe.periodSeconds of type int32",
            ),
            (
                pod(json!({"resources": {"limits": {"cpu": "1GB"}}})),
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            ),
        ] {
            assert_eq!(error(value), words);
        }
    }

    #[test]
    fn empty_values_of_a_wrong_type_are_refused_too() {
        let of = |found: &str, place: &str, wanted: &str| {
            format!("json: cannot unmarshal {found} into Go struct field {place} of type {wanted}")
        };
        let pod = |container: Value| json!({"spec": {"containers": [container]}});
        for (value, words) in [
            (
                pod(json!({"env": [{"name": "A", "value": false}]})),
                of("bool", "EnvVar.spec.containers.env.value", "string"),
            ),
            (
                pod(json!({"env": [{"name": "A", "value": 0}]})),
                of("number", "EnvVar.spec.containers.env.value", "string"),
            ),
            (pod(json!({"tty": ""})), of("string", "Container.spec.containers.tty", "bool")),
            (
                pod(json!({"livenessProbe": {"periodSeconds": ""}})),
                of("string", "Probe.spec.containers.livenessProbe.periodSeconds", "int32"),
            ),
            (json!({"spec": {"nodeSelector": []}}), of("array", "PodSpec.spec.nodeSelector", "map[string]string")),
            (
                // The first of two mistakes.
                json!({"spec": {"containers": [{"stdin": 0}], "priority": "1"}}),
                of("number", "Container.spec.containers.stdin", "bool"),
            ),
        ] {
            assert_eq!(error(value), words);
        }
        let fine = json!({"spec": {"hostname": "", "hostIPC": false, "nodeSelector": {}, "tolerations": null}});
        decode::<Pod>(&fine).expect("nothing but empty values of the right type");
    }

    #[test]
    fn bytes_are_read_as_go_reads_them() {
        for (text, read) in [
            ("", Ok("")),
            ("aGk=", Ok("aGk=")),
            ("aGVsbG8h\n", Ok("aGVsbG8h")),
            ("aA==\n", Ok("aA==")),
            ("hunter2", Err(4)),
            ("a b=", Err(1)),
            ("abc", Err(0)),
            ("!!", Err(0)),
            ("notbase64!", Err(9)),
            ("aA=", Err(3)),
            ("aA=b", Err(2)),
            ("a===", Err(1)),
            ("aGk=x", Err(4)),
        ] {
            assert_eq!(base64_of_go(text).as_deref(), read.as_ref().copied(), "{text}");
        }
    }

    #[test]
    fn unknown_fields_are_noted_with_their_path() {
        let value = json!({"spec": {"containers": [{"name": "a", "foo": {"x": 1}}], "bar": 1}, "metadata": {"x": 0}});
        let (_, notes) = decode::<Pod>(&value).expect("a pod");
        assert_eq!(notes.unknown, ["metadata.x", "spec.bar", "spec.containers[0].foo"]);
    }

    #[test]
    fn what_go_omits_is_absent_and_quantities_are_canonical() {
        let value = json!({"spec": {"hostNetwork": false, "nodeSelector": {}, "tolerations": [], "priority": 0,
            "containers": [{"name": "a", "stdin": false, "resources": {"requests":
                {"cpu": 0.5, "memory": "0.1m", "example.com/a": "1000", "x": "1500m"}}}]}});
        let (pod, _) = decode::<Pod>(&value).expect("a pod");
        assert_eq!(
            serde_json::to_string(&pod.spec).expect("JSON"),
            r#"{"containers":[{"name":"a","resources":{"requests":{"cpu":"500m","example.com/a":"1k","memory":"1m","x":"1500m"}}}],"priority":0}"#
        );
    }

    #[test]
    fn common_quantities_are_recognised_without_computing() {
        for text in ["1", "250m", "1500m", "64Mi", "512Ki", "2Gi", "1024", "1000", "1000m", "0", "010", "100M"] {
            let canonical = text.parse::<Quantity>().expect("a quantity").to_string();
            assert!(!is_plain_quantity(text) || canonical == text, "{text} is {canonical}");
        }
    }
}
