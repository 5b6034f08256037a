//! Label and field selectors: as text of the command line, and as they stand in objects.
//!
//! Follows apimachinery 1.36 `pkg/labels/selector.go` and `pkg/apis/meta/v1/helpers.go`.

use super::error::Error;
use super::fields::Fields;
use serde_json::Value;

/// A conjunction of requirements on labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    /// Made from an absent selector: matches nothing, though it has no requirements.
    nothing: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equals,
    DoubleEquals,
    NotEquals,
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

impl LabelSelector {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut requirements = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let end = end_of_requirement(rest);
            requirements.push(
                Requirement::parse(rest[..end].trim())
                    .ok_or_else(|| Error::client(format!("unable to parse requirement: {}", &rest[..end])))?,
            );
            rest = rest[end..].strip_prefix(',').unwrap_or("").trim_start();
        }
        Ok(Self { requirements: sorted(requirements), nothing: false })
    }

    /// From `matchLabels` and `matchExpressions`; an absent selector selects nothing.
    pub fn from_object(selector: &Value) -> Self {
        if selector.is_null() {
            return Self { requirements: Vec::new(), nothing: true };
        }
        let labels = selector.entries("matchLabels").into_iter().map(|(key, value)| Requirement {
            key: key.to_owned(),
            operator: Operator::Equals,
            values: vec![value.to_owned()],
        });
        let expressions = selector.list("matchExpressions").iter().map(|expression| Requirement {
            key: expression.text("key").to_owned(),
            operator: match expression.text("operator") {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                _ => Operator::DoesNotExist,
            },
            values: expression.texts("values").into_iter().map(str::to_owned).collect(),
        });
        Self { requirements: sorted(labels.chain(expressions).collect()), nothing: false }
    }

    /// Do the labels of this object satisfy every requirement?
    pub fn matches(&self, object: &Value) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(object.entry("metadata.labels", &r.key)))
    }

    /// As text; `<none>` if it has no requirement.
    pub fn or_none(&self) -> String {
        match self.to_string() {
            text if text.is_empty() => "<none>".to_owned(),
            text => text,
        }
    }
}

impl std::fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, requirement) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

fn sorted(mut requirements: Vec<Requirement>) -> Vec<Requirement> {
    requirements.sort_by(|a, b| a.key.cmp(&b.key));
    requirements
}

/// Where the first requirement ends: at a comma outside parentheses.
fn end_of_requirement(text: &str) -> usize {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => return i,
            _ => {}
        }
    }
    text.len()
}

impl Requirement {
    fn parse(text: &str) -> Option<Self> {
        let one = |key: &str, operator, value: &str| {
            let (key, value) = (key.trim(), value.trim());
            let well_formed =
                !key.is_empty() && !key.contains(char::is_whitespace) && !value.contains(char::is_whitespace);
            let values = if matches!(operator, Operator::Exists | Operator::DoesNotExist) {
                vec![]
            } else {
                vec![value.to_owned()]
            };
            well_formed.then(|| Self { key: key.to_owned(), operator, values })
        };
        if let Some(set) = text.strip_suffix(')') {
            let (head, values) = set.split_once('(')?;
            let (key, operator) = head.trim().split_once(char::is_whitespace)?;
            let operator = match operator.trim() {
                "in" => Operator::In,
                "notin" => Operator::NotIn,
                _ => return None,
            };
            let values = values.split(',').map(|v| v.trim().to_owned()).collect();
            return Some(Self { key: key.to_owned(), operator, values });
        }
        for (sign, operator) in [
            ("!=", Operator::NotEquals),
            ("==", Operator::DoubleEquals),
            ("=", Operator::Equals),
            (">", Operator::GreaterThan),
            ("<", Operator::LessThan),
        ] {
            if let Some((key, value)) = text.split_once(sign) {
                return one(key, operator, value);
            }
        }
        match text.strip_prefix('!') {
            Some(key) => one(key, Operator::DoesNotExist, ""),
            None => one(text, Operator::Exists, ""),
        }
    }

    fn matches(&self, label: Option<&str>) -> bool {
        let listed = || label.is_some_and(|value| self.values.iter().any(|v| v == value));
        let bound = || self.values.first().and_then(|v| v.parse::<i64>().ok());
        let number = || label.and_then(|value| value.parse::<i64>().ok());
        match self.operator {
            Operator::Equals | Operator::DoubleEquals | Operator::In => listed(),
            Operator::NotEquals | Operator::NotIn => !listed(),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => number().zip(bound()).is_some_and(|(n, b)| n > b),
            Operator::LessThan => number().zip(bound()).is_some_and(|(n, b)| n < b),
        }
    }
}

impl std::fmt::Display for Requirement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, operator, values } = self;
        let mut values = values.clone();
        values.sort_unstable();
        let values = values.join(",");
        match operator {
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

/// A map of labels as `k=v,k=v`; `<none>` if it is empty.
pub fn format_labels(entries: &[(&str, &str)]) -> String {
    if entries.is_empty() {
        return "<none>".to_owned();
    }
    entries.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
}

/// A conjunction of comparisons of single fields: `status.phase!=Running,spec.nodeName=a`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector(Vec<(String, bool, String)>);

impl FieldSelector {
    /// Reads comparisons with `=`, `==` and `!=`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let terms = text.split(',').map(str::trim).filter(|term| !term.is_empty());
        let parsed = terms.map(|term| {
            let (field, equal, value) = [("!=", false), ("==", true), ("=", true)]
                .into_iter()
                .find_map(|(sign, equal)| term.split_once(sign).map(|(field, value)| (field, equal, value)))
                .ok_or_else(|| {
                    Error::client(format!(
                        "invalid field selector: invalid selector: '{text}'; can't understand '{term}'"
                    ))
                })?;
            Ok((field.to_owned(), equal, value.to_owned()))
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }

    /// The names of the fields that are compared.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(field, ..)| field.as_str())
    }

    /// Do the fields of this object compare as asked?
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(field, equal, value)| (field_text(object, field) == *value) == *equal)
    }
}

/// A field as the server indexes it: booleans and numbers as text, `source` of events as who reports it.
fn field_text(object: &Value, field: &str) -> String {
    match field {
        "source" => object.text_or("source.component", object.text("reportingComponent")).to_owned(),
        "spec.unschedulable" | "spec.hostNetwork" => object.flag(field).to_string(),
        "status.successful" => object.int("status.succeeded").to_string(),
        "status.replicas" => object.int(field).to_string(),
        _ => object.text(field).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_select_and_print() {
        let pod = json!({"metadata": {"labels": {"app": "web", "n": "5"}}});
        for (text, matches, printed) in [
            ("", true, ""),
            ("app=web", true, "app=web"),
            ("n, app==web", true, "app==web,n"),
            ("app!=web", false, "app!=web"),
            ("tier notin (a, b),app in (web,db)", true, "app in (db,web),tier notin (a,b)"),
            ("!app", false, "!app"),
            ("n>4,n<9", true, "n>4,n<9"),
            ("x>1", false, "x>1"),
        ] {
            let selector = LabelSelector::parse(text).expect("a selector");
            assert_eq!((selector.matches(&pod), selector.to_string().as_str()), (matches, printed), "{text}");
        }
        assert!(LabelSelector::parse("a in b").is_err());
    }

    #[test]
    fn selectors_of_objects_sort_by_key() {
        let selector = json!({
            "matchLabels": {"z": "1", "b": "2"},
            "matchExpressions": [
                {"key": "a", "operator": "In", "values": ["y", "x"]}, {"key": "c", "operator": "DoesNotExist"}
            ],
        });
        assert_eq!(LabelSelector::from_object(&selector).to_string(), "a in (x,y),b=2,!c,z=1");
        assert_eq!(LabelSelector::from_object(&Value::Null).or_none(), "<none>");
        assert!(!LabelSelector::from_object(&Value::Null).matches(&json!({})));
        assert!(LabelSelector::from_object(&json!({})).matches(&json!({})));
    }

    #[test]
    fn fields_compare_as_text() {
        let pod = json!({"status": {"phase": "Running"}, "spec": {}});
        for (text, matches) in [
            ("status.phase=Running", true),
            ("status.phase!=Running", false),
            ("spec.nodeName=,status.phase==Running", true),
            ("spec.hostNetwork=false", true),
        ] {
            assert_eq!(FieldSelector::parse(text).expect("a selector").matches(&pod), matches, "{text}");
        }
        assert!(FieldSelector::parse("phase").is_err());
    }
}
