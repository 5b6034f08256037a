//! Selectors of devices: expressions in CEL, with what Kubernetes adds to it.
//!
//! Follows `staging/src/k8s.io/dynamic-resource-allocation/cel` (`DeviceMatches`) and, for amounts and versions,
//! `staging/src/k8s.io/apiserver/pkg/cel/library` of Kubernetes 1.36. Left out on purpose: `cel.bind`, sets, addresses
//! and formats; who uses them is told that they are not known.

use crate::api::{AttributeValue, Device, Name, Quantity, Text};
use cel::extractors::This;
use cel::objects::Opaque;
use cel::{Context, ExecutionError, Program, Value};
use semver::Version;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

/// An expression that was read.
#[derive(Debug)]
pub(super) struct Selector {
    program: Program,
    /// The texts in it: a domain that it asks for has attributes, if perhaps none.
    texts: Vec<String>,
}

/// An amount or a version: what CEL itself does not know.
#[derive(Debug, Clone)]
enum Extended {
    Amount(Quantity),
    Version(Version),
}

impl Extended {
    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Amount(one), Self::Amount(other)) => Some(one.cmp(other)),
            (Self::Version(one), Self::Version(other)) => Some(one.cmp_precedence(other)),
            (Self::Amount(_), Self::Version(_)) | (Self::Version(_), Self::Amount(_)) => None,
        }
    }

    fn value(self) -> Value {
        Value::Opaque(Arc::new(self))
    }

    fn amount(text: &str) -> Result<Self, String> {
        text.parse().map(Self::Amount).map_err(|_| {
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".to_owned()
        })
    }

    fn version(text: &str) -> Result<Self, String> {
        Version::parse(text).map(Self::Version).map_err(|error| error.to_string())
    }
}

impl PartialEq for Extended {
    fn eq(&self, other: &Self) -> bool {
        self.order(other) == Some(Ordering::Equal)
    }
}

impl Eq for Extended {}

impl Opaque for Extended {
    fn runtime_type_name(&self) -> &str {
        match self {
            Self::Amount(_) => "kubernetes.Quantity",
            Self::Version(_) => "kubernetes.Semver",
        }
    }
}

/// The functions beside those of CEL.
static FUNCTIONS: LazyLock<Context<'static, 'static>> = LazyLock::new(|| {
    type Found = Result<Value, ExecutionError>;
    let mut context = Context::default();
    let made = |function: &'static str, made: Result<Extended, String>| {
        made.map(Extended::value).map_err(|error| ExecutionError::function_error(function, error))
    };
    let order = |function: &'static str, one: &Value, other: &Value| {
        let extended = |value: &Value| match value {
            Value::Opaque(opaque) => opaque.downcast_ref::<Extended>().cloned(),
            _ => None,
        };
        let both = extended(one).zip(extended(other));
        let found = both.and_then(|(one, other)| one.order(&other));
        found.ok_or_else(|| ExecutionError::function_error(function, "no such overload"))
    };
    let added = [
        context
            .add_function("quantity", move |text: Arc<String>| -> Found { made("quantity", Extended::amount(&text)) }),
        context.add_function("semver", move |text: Arc<String>| -> Found { made("semver", Extended::version(&text)) }),
        context.add_function("isQuantity", |text: Arc<String>| Extended::amount(&text).is_ok()),
        context.add_function("isSemver", |text: Arc<String>| Extended::version(&text).is_ok()),
        context.add_function("compareTo", move |This(one): This<Value>, other: Value| -> Found {
            order("compareTo", &one, &other).map(|order| Value::Int(order as i64))
        }),
        context.add_function("isGreaterThan", move |This(one): This<Value>, other: Value| -> Found {
            order("isGreaterThan", &one, &other).map(|order| Value::Bool(order.is_gt()))
        }),
        context.add_function("isLessThan", move |This(one): This<Value>, other: Value| -> Found {
            order("isLessThan", &one, &other).map(|order| Value::Bool(order.is_lt()))
        }),
        context.add_function("lowerAscii", |This(text): This<Arc<String>>| text.to_ascii_lowercase()),
        context.add_function("upperAscii", |This(text): This<Arc<String>>| text.to_ascii_uppercase()),
    ];
    assert!(added.iter().all(Result::is_ok), "functions of these names are new to CEL: {added:?}");
    context
});

impl Selector {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let program = Program::compile(text).map_err(|error| error.to_string())?;
        let quoted = text.split(['"', '\'']).skip(1).step_by(2);
        Ok(Self { program, texts: quoted.map(str::to_owned).collect() })
    }

    /// Whether a device of a driver matches.
    pub(super) fn matches(&self, driver: Name, device: &Device) -> Result<bool, String> {
        let attributes = device.attributes.iter().map(|(name, value)| (*name, Ok(attribute(value))));
        let capacity = device.capacity.iter().map(|(name, text)| (*name, Extended::amount(text).map(Extended::value)));
        let fields: HashMap<String, Value> = HashMap::from([
            ("driver".to_owned(), Value::from(driver.as_str())),
            ("attributes".to_owned(), self.by_domain(driver, attributes)?),
            ("capacity".to_owned(), self.by_domain(driver, capacity)?),
        ]);
        let mut context = FUNCTIONS.new_inner_scope();
        context.add_variable_from_value("device", fields);
        match self.program.execute(&context) {
            Ok(Value::Bool(matches)) => Ok(matches),
            Ok(_) => Err("expression must evaluate to bool".to_owned()),
            Err(ExecutionError::NoSuchKey(key)) => Err(format!("no such key: {key}")),
            Err(ExecutionError::UndeclaredReference(name)) => {
                Err(format!("undeclared reference to '{name}' (in container '')"))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Values by domain and name; those without a domain are the driver's.
    fn by_domain(
        &self,
        driver: Name,
        values: impl Iterator<Item = (Name, Result<Value, String>)>,
    ) -> Result<Value, String> {
        let mut domains: BTreeMap<String, HashMap<String, Value>> = BTreeMap::new();
        domains.extend(self.texts.iter().map(|text| (text.clone(), HashMap::new())));
        for (name, value) in values {
            let (domain, id) = name.split_once('/').unwrap_or((driver.as_str(), name.as_str()));
            domains.entry(domain.to_owned()).or_default().insert(id.to_owned(), value?);
        }
        let maps: HashMap<String, Value> = domains.into_iter().map(|(name, map)| (name, Value::from(map))).collect();
        Ok(Value::from(maps))
    }
}

fn attribute(value: &AttributeValue) -> Value {
    let text = |text: &Text| Value::from(&**text);
    match value {
        AttributeValue::Bool(value) => Value::from(*value),
        AttributeValue::Int(value) => Value::from(*value),
        AttributeValue::String(value) => text(value),
        AttributeValue::Version(value) => Extended::version(value).map_or_else(|_| text(value), Extended::value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_select_devices() {
        let device = Device {
            name: Name::new("gpu-0"),
            nodes: None,
            attributes: BTreeMap::from([
                (Name::new("model"), AttributeValue::String("A100".into())),
                (Name::new("other.example/index"), AttributeValue::Int(3)),
                (Name::new("driverVersion"), AttributeValue::Version("1.10.2".into())),
            ]),
            capacity: BTreeMap::from([(Name::new("memory"), "40Gi".into())]),
        };
        let table = [
            (r#"device.driver == "gpu.example.com""#, Ok(true)),
            (r#"device.attributes["gpu.example.com"].model == 'A100'"#, Ok(true)),
            (r#"device.attributes["gpu.example.com"].model in ["H100", "B200"]"#, Ok(false)),
            (r#"device.attributes["other.example"].index + 1 > 3 && !false"#, Ok(true)),
            (r#"device.attributes["other.example"].model == "A100""#, Err("no such key: model")),
            (r#"has(device.attributes["other.example"].model) || device.driver.startsWith("gpu.")"#, Ok(true)),
            (r#"device.capacity["gpu.example.com"].memory.compareTo(quantity("40Gi")) >= 0"#, Ok(true)),
            (r#"device.capacity["gpu.example.com"].memory.isGreaterThan(quantity("40Gi"))"#, Ok(false)),
            (r#"device.capacity["gpu.example.com"].memory == quantity("40960Mi")"#, Ok(true)),
            (r#"device.attributes["gpu.example.com"].driverVersion.compareTo(semver("1.9.0")) > 0"#, Ok(true)),
            (r#"device.attributes["x"].y == 1 || true"#, Ok(true)),
            (r#"device.attributes["gpu.example.com"].model.matches("^A[0-9]+$") ? true : false"#, Ok(true)),
            (r#"device.attributes["gpu.example.com"].model.lowerAscii() == "a100""#, Ok(true)),
            (r#"["A100", "H100"].exists(m, m == device.attributes["gpu.example.com"].model)"#, Ok(true)),
            ("device.driver", Err("expression must evaluate to bool")),
            ("node.name == 'a'", Err("undeclared reference to 'node' (in container '')")),
        ];
        for (text, expected) in table {
            let found = Selector::parse(text).expect(text).matches(Name::new("gpu.example.com"), &device);
            assert_eq!(found, expected.map_err(str::to_owned), "{text}");
        }
        for text in ["device.driver ==", "(true", "'open", "true true"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }
}
