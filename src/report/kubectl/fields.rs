//! Reading objects by path. What is missing reads as empty, zero or false, as it does for Go's typed objects.

use crate::api::Quantity;
use jiff::Timestamp;
use serde_json::Value;

/// A JSON object seen as a Kubernetes object: `pod.text("spec.nodeName")`.
///
/// Paths are dotted names of fields; keys that contain dots themselves (labels, annotations) go through
/// [`Fields::entry`].
pub trait Fields {
    /// The value at a path; null if any step is missing, the object itself if the path is empty.
    fn at(&self, path: &str) -> &Value;
    /// The value of one key of the map at a path.
    fn entry(&self, path: &str, key: &str) -> Option<&str>;

    /// A string, or "".
    fn text(&self, path: &str) -> &str {
        self.at(path).as_str().unwrap_or_default()
    }

    /// A string that may be absent.
    fn opt_text(&self, path: &str) -> Option<&str> {
        self.at(path).as_str()
    }

    /// A string; `default` if it is absent or empty.
    fn text_or<'a>(&'a self, path: &str, default: &'a str) -> &'a str {
        match self.text(path) {
            "" => default,
            text => text,
        }
    }

    /// A whole number, or 0.
    fn int(&self, path: &str) -> i64 {
        self.opt_int(path).unwrap_or_default()
    }

    /// A whole number that may be absent.
    fn opt_int(&self, path: &str) -> Option<i64> {
        let value = self.at(path);
        value.as_i64().or_else(|| value.as_f64().map(|n| n as i64))
    }

    /// A number or a string (`IntOrString`), as text; "0" if it is absent.
    fn int_or_text(&self, path: &str) -> String {
        match self.at(path) {
            Value::String(text) => text.clone(),
            _ => self.int(path).to_string(),
        }
    }

    /// A boolean, or false.
    fn flag(&self, path: &str) -> bool {
        self.opt_flag(path).unwrap_or_default()
    }

    /// A boolean that may be absent.
    fn opt_flag(&self, path: &str) -> Option<bool> {
        self.at(path).as_bool()
    }

    /// Is there anything at the path?
    fn has(&self, path: &str) -> bool {
        !self.at(path).is_null()
    }

    /// The items of a list, or none.
    fn list(&self, path: &str) -> &[Value] {
        self.at(path).as_array().map_or(&[], Vec::as_slice)
    }

    /// The strings of a list, or none.
    fn texts(&self, path: &str) -> Vec<&str> {
        self.list(path).iter().filter_map(Value::as_str).collect()
    }

    /// The entries of a map of strings, sorted by key.
    fn entries(&self, path: &str) -> Vec<(&str, &str)> {
        let map = self.at(path).as_object();
        let mut entries: Vec<_> =
            map.into_iter().flatten().map(|(k, v)| (k.as_str(), v.as_str().unwrap_or(""))).collect();
        entries.sort_unstable();
        entries
    }

    /// The entries of a map of resource amounts, sorted by name.
    fn quantities(&self, path: &str) -> Vec<(&str, Quantity)> {
        let map = self.at(path).as_object();
        let mut entries: Vec<_> = map.into_iter().flatten().map(|(k, v)| (k.as_str(), quantity(v))).collect();
        entries.sort_unstable_by_key(|(name, _)| *name);
        entries
    }

    /// One amount of a map of resource amounts; zero if it is absent.
    fn quantity(&self, path: &str, name: &str) -> Quantity {
        self.at(path).get(name).map_or(Quantity::ZERO, quantity)
    }

    /// An instant; `None` if it is absent or Go's zero time.
    fn time(&self, path: &str) -> Option<Timestamp> {
        self.text(path).parse().ok().filter(|t: &Timestamp| *t > zero_time())
    }
}

impl Fields for Value {
    fn at(&self, path: &str) -> &Value {
        static NULL: Value = Value::Null;
        if path.is_empty() {
            return self;
        }
        path.split('.').try_fold(self, |value, name| value.get(name)).unwrap_or(&NULL)
    }

    fn entry(&self, path: &str, key: &str) -> Option<&str> {
        self.at(path).get(key)?.as_str()
    }
}

/// A JSON value as an amount; what is no amount counts as zero.
pub fn quantity(value: &Value) -> Quantity {
    Quantity::from_json(value).unwrap_or_default()
}

/// Go's zero time, `0001-01-01T00:00:00Z`, which stands for "not set".
fn zero_time() -> Timestamp {
    Timestamp::from_second(-62_135_596_800).expect("the year 1 is within range")
}

/// The name in the metadata.
pub fn name(object: &Value) -> &str {
    object.text("metadata.name")
}

/// The namespace in the metadata.
pub fn namespace(object: &Value) -> &str {
    object.text("metadata.namespace")
}

/// The owner that controls this object, if any.
pub fn controller(object: &Value) -> Option<&Value> {
    object.list("metadata.ownerReferences").iter().find(|owner| owner.flag("controller"))
}

/// Is `object` controlled by the object with this UID?
pub fn is_controlled_by(object: &Value, uid: &str) -> bool {
    controller(object).is_some_and(|owner| owner.text("uid") == uid)
}

/// The first condition of that type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object.list("status.conditions").iter().find(|c| c.text("type") == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_reads_as_empty() {
        let pod = json!({
            "metadata": {
                "labels": {"b/c.d": "1", "a": "2"},
                "creationTimestamp": null,
                "deletionTimestamp": "2026-01-02T03:04:05Z",
            },
            "spec": {"replicas": 3, "port": "http", "containers": [{"name": "x"}], "unset": "0001-01-01T00:00:00Z"},
        });
        assert_eq!((pod.int("spec.replicas"), pod.int("spec.nothing"), pod.text("a.b.c")), (3, 0, ""));
        assert_eq!(
            (pod.int_or_text("spec.replicas"), pod.int_or_text("spec.port")),
            ("3".to_owned(), "http".to_owned())
        );
        assert_eq!(pod.entries("metadata.labels"), [("a", "2"), ("b/c.d", "1")]);
        assert_eq!(pod.entry("metadata.labels", "b/c.d"), Some("1"));
        assert_eq!(pod.list("spec.containers").len(), 1);
        assert_eq!(pod.time("metadata.creationTimestamp"), None);
        assert_eq!(pod.time("spec.unset"), None);
        assert_eq!(pod.time("metadata.deletionTimestamp").map(|t| t.as_second()), Some(1_767_323_045));
    }
}
