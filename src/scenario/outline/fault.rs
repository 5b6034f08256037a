//! What `serde` says of a value that does not fit its type, as something that was found and something that would do.

use crate::scenario::error::suggestion;
use crate::scenario::manifest::Position;
use serde::de::{Error, Expected, Unexpected};
use std::fmt;

/// The first thing that is wrong with an outline.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// Where, once a value on the way out has told.
    pub at: Option<Position>,
    /// The innermost field or element without which reading may go on.
    pub culprit: Option<u32>,
    /// What was found.
    pub found: String,
    /// What would do.
    pub remedy: String,
    /// The field that is not there, if that is what is wrong.
    pub missing: Option<&'static str>,
    /// Whether it only follows from another fault that was told of.
    pub follows: bool,
}

impl Fault {
    pub(super) fn new(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (found, remedy) = (found.into(), remedy.into());
        Self { at: None, culprit: None, found, remedy, missing: None, follows: false }
    }

    /// The same at a place, unless it has one.
    pub(super) fn at(mut self, at: Position) -> Self {
        self.at.get_or_insert(at);
        self
    }

    /// The same with somebody to blame, unless it has one.
    pub(super) fn blame(mut self, culprit: u32) -> Self {
        self.culprit.get_or_insert(culprit);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.found, self.remedy)
    }
}

impl std::error::Error for Fault {}

/// The words of `serde` in those of people who never saw Rust.
fn plain(expected: &str) -> String {
    match expected {
        "a string" | "a borrowed string" | "a character" => "a text in quotes".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list [ ]".to_owned(),
        "a map" => "a map { }".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative and not too large".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number that is not too large".to_owned(),
        "f64" | "f32" => "a number".to_owned(),
        other => match other.strip_prefix("struct ") {
            Some(name) => format!("{name}( ) with its fields"),
            None => other.to_owned(),
        },
    }
}

fn shown(unexpected: &Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Char(value) => format!("the character {value:?}"),
        Unexpected::Str(value) => format!("the text {:?}", super::shortened(value)),
        Unexpected::Unit => "an empty ( )".to_owned(),
        Unexpected::Option => "an optional value".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}

impl Error for Fault {
    /// Texts of errors in this crate have the form `what was found; what would do`.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        match message.split_once("; ") {
            Some((found, remedy)) => Self::new(found, remedy),
            None => Self::new(message, "write a value of the kind that the schema asks for"),
        }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let wanted = plain(&expected.to_string());
        let number = matches!(unexpected, Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_));
        let hint = if number && wanted.starts_with("a text") {
            ": durations are written like \"90s\", quantities like \"2Gi\""
        } else {
            ""
        };
        Self::new(shown(&unexpected), format!("write {wanted}{hint}"))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(shown(&unexpected), format!("write {}", plain(&expected.to_string())))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("{length} values"), format!("write {}", plain(&expected.to_string())))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(super::shortened(variant), suggestion(variant, expected.iter().copied()))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let found = format!("the field {}, which is not known here", super::shortened(field));
        Self::new(found, suggestion(field, expected.iter().copied()))
    }

    fn missing_field(field: &'static str) -> Self {
        let mut fault = Self::new(format!("no field {field}"), format!("add {field}: …"));
        fault.missing = Some(field);
        fault
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("the field {field} a second time"), "keep one of the two")
    }
}
