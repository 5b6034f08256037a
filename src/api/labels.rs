//! Labels, and the selectors that match them.

use super::{List, Name};
use serde::Serialize;
use std::fmt;

/// The labels (or annotations) of an object, ordered by key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Labels(List<(Name, Name)>);

impl Labels {
    /// No labels.
    pub const EMPTY: Self = Self(List::EMPTY);

    /// The value of a key.
    pub fn get(&self, key: Name) -> Option<Name> {
        self.0.iter().find(|(k, _)| *k == key).map(|(_, value)| *value)
    }

    /// Keys and values in order of the keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Name, Name)> + '_ {
        self.0.iter().copied()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These labels with one more, or with another value for it.
    #[must_use]
    pub fn with(&self, key: Name, value: Name) -> Self {
        if self.get(key) == Some(value) {
            return self.clone();
        }
        self.iter().filter(|(k, _)| *k != key).chain([(key, value)]).collect()
    }

    /// These labels without one.
    #[must_use]
    pub fn without(&self, key: Name) -> Self {
        Self(self.0.retain(|(k, _)| *k != key))
    }

    /// Whether every one of these labels is among the others, with the same value: an equality selector.
    pub fn all_in(&self, others: &Self) -> bool {
        self.iter().all(|(key, value)| others.get(key) == Some(value))
    }
}

impl FromIterator<(Name, Name)> for Labels {
    fn from_iter<I: IntoIterator<Item = (Name, Name)>>(pairs: I) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort();
        Self(pairs.into())
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (key, value)) in self.iter().enumerate() {
            write!(f, "{}{key}={value}", if place > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// How a requirement compares a label with its values (`metav1.LabelSelectorOperator`, `v1.NodeSelectorOperator`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Operator {
    /// The label has one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
    /// The label is an integer above the one value.
    Gt,
    /// The label is an integer below the one value.
    Lt,
}

/// One condition of a selector.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Requirement {
    /// The label's key.
    pub key: Name,
    /// The comparison.
    pub operator: Operator,
    /// What it is compared with, in order.
    pub values: List<Name>,
}

impl Requirement {
    /// The requirement that a label has one value.
    pub fn equals(key: Name, value: Name) -> Self {
        Self { key, operator: Operator::In, values: vec![value].into() }
    }

    /// Whether labels meet it.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.accepts(labels.get(self.key))
    }

    /// Whether a label's value meets it (`apimachinery/pkg/labels/selector.go`, `Requirement.Matches`).
    pub fn accepts(&self, value: Option<Name>) -> bool {
        match (self.operator, value) {
            (Operator::In, Some(value)) => self.values.contains(&value),
            (Operator::NotIn, Some(value)) => !self.values.contains(&value),
            (Operator::NotIn | Operator::DoesNotExist, None) | (Operator::Exists, Some(_)) => true,
            (Operator::In | Operator::Exists | Operator::Gt | Operator::Lt, None) => false,
            (Operator::DoesNotExist, Some(_)) => false,
            (Operator::Gt | Operator::Lt, Some(value)) => {
                let numbers = (value.parse::<i64>(), self.values.first().map(|bound| bound.parse::<i64>()));
                match numbers {
                    (Ok(value), Some(Ok(bound))) if self.operator == Operator::Gt => value > bound,
                    (Ok(value), Some(Ok(bound))) => value < bound,
                    _ => false,
                }
            }
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key;
        let mut values: Vec<&str> = self.values.iter().map(|value| value.as_str()).collect();
        values.sort_unstable();
        let values = values.join(",");
        match self.operator {
            // What is written as a label becomes such a requirement, too.
            Operator::In if self.values.len() == 1 => write!(f, "{key}={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::Gt => write!(f, "{key}>{values}"),
            Operator::Lt => write!(f, "{key}<{values}"),
        }
    }
}

/// A label selector: all requirements must hold. One without requirements matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Selector(pub List<Requirement>);

impl Selector {
    /// The selector that wants exactly these labels.
    pub fn from_labels(labels: &Labels) -> Self {
        Self(labels.iter().map(|(key, value)| Requirement::equals(key, value)).collect())
    }

    /// Whether labels meet every requirement.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| requirement.matches(labels))
    }

    /// Whether it wants nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This selector and the requirement that some labels have the values that `labels` give them, or have other ones.
    /// Keys that `labels` lack ask for nothing.
    #[must_use]
    pub fn with_labels_of(&self, labels: &Labels, keys: &[Name], equal: bool) -> Self {
        let operator = if equal { Operator::In } else { Operator::NotIn };
        let further = keys
            .iter()
            .filter_map(|&key| labels.get(key).map(|value| Requirement { key, operator, values: vec![value].into() }));
        Self(self.0.iter().cloned().chain(further).collect())
    }
}

/// As `labels.Selector` prints itself: requirements by their keys.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut requirements: Vec<&Requirement> = self.0.iter().collect();
        requirements.sort_by_key(|requirement| requirement.key);
        for (place, requirement) in requirements.into_iter().enumerate() {
            write!(f, "{}{requirement}", if place > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| (Name::new(key), Name::new(value))).collect()
    }

    #[test]
    fn operators_are_those_of_the_api() {
        let labels = labels(&[("app", "web"), ("gen", "7")]);
        let check = |key: &str, operator, values: &[&str], expected| {
            let values = values.iter().map(|value| Name::new(value)).collect();
            let requirement = Requirement { key: Name::new(key), operator, values };
            assert_eq!(requirement.matches(&labels), expected, "{requirement:?}");
        };
        check("app", Operator::In, &["db", "web"], true);
        check("app", Operator::In, &["db"], false);
        check("none", Operator::In, &["db"], false);
        check("app", Operator::NotIn, &["web"], false);
        check("none", Operator::NotIn, &["web"], true);
        check("app", Operator::Exists, &[], true);
        check("app", Operator::DoesNotExist, &[], false);
        check("none", Operator::DoesNotExist, &[], true);
        check("gen", Operator::Gt, &["6"], true);
        check("gen", Operator::Gt, &["7"], false);
        check("gen", Operator::Lt, &["8"], true);
        check("app", Operator::Lt, &["8"], false);
        check("none", Operator::Gt, &["1"], false);
    }

    #[test]
    fn labels_stay_ordered_by_key() {
        let labels = labels(&[("b", "2"), ("a", "1")]).with(Name::new("c"), Name::new("3"));
        assert_eq!(labels.to_string(), "a=1,b=2,c=3");
        assert_eq!(labels.with(Name::new("b"), Name::new("x")).without(Name::new("a")).to_string(), "b=x,c=3");
    }
}
