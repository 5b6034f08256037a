//! Quantities and byte counts as scenario files write them: `"2Gi"`, `"500m"`, or a plain number.

use super::Quantity;
use super::lower::is_in_thousandths;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// A Kubernetes quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct Amount(pub Quantity);

impl Amount {
    /// Whole units; amounts beyond `i64` become its limits.
    pub fn value(&self) -> i64 {
        self.0.saturating_value()
    }

    /// Thousandths; amounts beyond `i64` become its limits.
    pub fn milli_value(&self) -> i64 {
        self.0.saturating_milli_value()
    }

    /// As amounts of a resource are kept: CPU in thousandths.
    pub fn of(&self, resource: &str) -> i64 {
        if is_in_thousandths(resource) { self.milli_value() } else { self.value() }
    }

    /// Reads a quantity that is not negative.
    ///
    /// # Errors
    /// What was found and what would do.
    pub fn parse(text: &str) -> Result<Self, String> {
        let quantity: Quantity =
            text.parse().map_err(|error| format!("{text:?} is no quantity: {error}; write it like 500m, 2 or 16Gi"))?;
        if quantity.sign() < 0 {
            return Err(format!("the negative quantity {text:?}; write one that is not below zero"));
        }
        Ok(Self(quantity))
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountVisitor;
        impl Visitor<'_> for AmountVisitor {
            type Value = Amount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as \"500m\", 2 or \"16Gi\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Amount, E> {
                Amount::parse(text).map_err(E::custom)
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Amount, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Amount, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Amount, E> {
                self.visit_str(&value.to_string())
            }
        }
        deserializer.deserialize_any(AmountVisitor)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A Kubernetes quantity: 500m, 2, 16Gi.",
            "anyOf": [{"type": "string"}, {"type": "number", "minimum": 0}],
        })
    }
}

/// Counts of bytes as quantities, for `#[serde(with = "byte_count")]` on an `Option<i64>`.
pub mod byte_count {
    use super::Amount;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes a number.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(count: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        count.serialize(serializer)
    }

    /// Reads a quantity.
    ///
    /// # Errors
    /// Those of the deserializer, or that the text is no quantity.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        Ok(Option::<Amount>::deserialize(deserializer)?.map(|amount| amount.value()))
    }
}

/// The same for counts by name, written as a map.
pub mod byte_counts {
    use super::Amount;
    use crate::api::Name;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::collections::BTreeMap;

    /// Writes a map of numbers.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(counts: &[(Name, i64)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(counts.iter().map(|(name, count)| (name, count)))
    }

    /// Reads a map of quantities.
    ///
    /// # Errors
    /// Those of the deserializer, or that a text is no quantity.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(Name, i64)>, D::Error> {
        let read = BTreeMap::<Name, Amount>::deserialize(deserializer)?;
        Ok(read.into_iter().map(|(name, amount)| (name, amount.value())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_quantities_that_are_not_negative() {
        for (text, value) in [("2Gi", Ok(2 << 30)), ("3", Ok(3)), ("-1", Err("negative")), ("4x", Err("no quantity"))] {
            match (Amount::parse(text), value) {
                (Ok(amount), Ok(value)) => assert_eq!(amount.value(), value),
                (Err(error), Err(word)) => assert!(error.contains(word), "{error}"),
                (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
            }
        }
    }
}
