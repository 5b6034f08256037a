//! The JSON Schema of scenarios, for editors, and how its smallest parts are written.

use super::file::ScenarioFile;
use crate::api::{Name, Text};
use crate::components::runtime::Glob;
use crate::engine::SimDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// The JSON Schema (draft 2020-12) of a scenario, written as JSON: structs are objects, enums are words or objects
/// with the word as their only key.
///
/// ```
/// let schema = podsim::scenario::schema();
/// assert_eq!(schema["properties"]["duration"]["anyOf"][0]["$ref"], "#/$defs/Duration");
/// ```
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(ScenarioFile);
    schema.insert("title".to_owned(), "A podsim scenario".into());
    schema.to_value()
}

macro_rules! text_schemas {
    ($($type:ty, $name:literal, $schema:tt;)*) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> { $name.into() }
            fn json_schema(_: &mut SchemaGenerator) -> Schema { json_schema!($schema) }
        })*
    };
}

text_schemas! {
    SimDuration, "Duration", {
        "description": "A span of time as Kubernetes users write it: 250ms, 90s, 5m, 1h30m.",
        "type": "string", "pattern": "^(0|([0-9]+(\\.[0-9]*)?(ns|us|µs|ms|s|m|h|d))+)$",
    };
    Name, "Name", {"type": "string"};
    Text, "Text", {"type": "string"};
    Glob, "Pattern", {"description": "A shell-like pattern: *, ?, [ab].", "type": "string"};
}
