//! `kubectl get -o custom-columns=HEADER:.path,…`.
//!
//! Follows kubectl 1.36 `pkg/cmd/get/customcolumn.go`.

use crate::report::kubectl::error::Error;
use crate::report::kubectl::go;
use crate::report::kubectl::jsonpath::{JsonPath, relaxed};
use crate::report::kubectl::table::escape_terminal;
use crate::report::kubectl::tabwriter::TabWriter;
use serde_json::Value;

/// Columns of the user's choice.
#[derive(Debug)]
pub struct CustomColumns {
    columns: Vec<(String, JsonPath)>,
    no_headers: bool,
}

impl CustomColumns {
    /// Reads `HEADER:path,HEADER:path`.
    pub fn parse(spec: &str, no_headers: bool) -> Result<Self, Error> {
        if spec.is_empty() {
            return Err(Error::client("custom-columns format specified but no custom columns given"));
        }
        let column = |part: &str| {
            let (header, path) = part.split_once(':').ok_or_else(|| {
                Error::client(format!("unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>"))
            })?;
            let path = relaxed(path).and_then(|path| JsonPath::parse(&path)).map_err(Error::client)?;
            Ok((header.to_owned(), path.allow_missing_keys()))
        };
        Ok(Self { columns: spec.split(',').map(column).collect::<Result<_, Error>>()?, no_headers })
    }

    /// The table of these objects.
    pub fn print(&self, objects: &[Value]) -> Result<String, Error> {
        let mut text = String::new();
        if !self.no_headers {
            let headers: Vec<&str> = self.columns.iter().map(|(header, _)| header.as_str()).collect();
            text += &(headers.join("\t") + "\n");
        }
        for object in objects {
            let cells = self.columns.iter().map(|(_, path)| {
                let found = path.find(object).map_err(Error::client)?;
                let mut values: Vec<String> = found.iter().flatten().map(|v| escape_terminal(&go::value(v))).collect();
                if found.first().is_none_or(Vec::is_empty) {
                    values.insert(0, "<none>".to_owned());
                }
                Ok(values.join(","))
            });
            text += &(cells.collect::<Result<Vec<_>, Error>>()?.join("\t") + "\n");
        }
        Ok(TabWriter::TABLE.align(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn missing_values_are_none() {
        let objects = [json!({"a": {"b": 1}, "l": [{"n": "x"}, {"n": "y"}]}), json!({"a": {}})];
        let columns = CustomColumns::parse("B:.a.b,NAMES:{.l[*].n}", false).expect("a specification");
        assert_eq!(columns.print(&objects).expect("it prints"), "B        NAMES\n1        x,y\n<none>   <none>\n");
        assert!(CustomColumns::parse("B", false).is_err());
    }
}
