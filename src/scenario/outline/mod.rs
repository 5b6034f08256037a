//! The outline of a RON file: every value with its place, before anybody asks what it means.
//!
//! A scenario is read in two steps. First its text becomes an outline ([`parse`]); then the outline is read as the
//! types of `serde` ([`read`]), which is done again without each part that was wrong, so that every error is found and
//! each has its place.

mod fault;
mod parser;
mod placed;
mod reader;

pub(super) use parser::{SyntaxError, parse};
pub use placed::Placed;
pub(super) use reader::read;

use super::manifest::Position;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Its number among the values of the file.
    pub id: u32,
    /// Where it begins.
    pub at: Position,
    /// What it is.
    pub shape: Shape,
}

/// What a value looks like.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// `true` or `false`.
    Bool(bool),
    /// A number as written, without `_` and type.
    Number(String),
    /// A single character in quotes.
    Char(char),
    /// A text, and where its first character stands.
    Text(String, Position),
    /// `[a, b]`.
    List(Vec<Node>),
    /// `{key: value}`.
    Map(Vec<(Node, Node)>),
    /// `Name`, `Name(…)` or `(…)`.
    Struct(Option<String>, Body),
}

/// What stands in the parentheses of a struct.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    /// Nothing, or there are none.
    Unit,
    /// `(a, b)`.
    Tuple(Vec<Node>),
    /// `(field: value)`.
    Fields(Vec<Field>),
}

/// A named field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub at: Position,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The value in a few words, for people.
    fn describe(&self) -> String {
        match &self.shape {
            Shape::Bool(value) => value.to_string(),
            Shape::Number(text) => format!("the number {}", shortened(text)),
            Shape::Char(c) => format!("the character {c:?}"),
            Shape::Text(text, _) => format!("the text {:?}", shortened(text)),
            Shape::List(_) => "a list [ ]".to_owned(),
            Shape::Map(_) => "a map { }".to_owned(),
            Shape::Struct(Some(name), Body::Unit) => format!("the word {}", shortened(name)),
            Shape::Struct(Some(name), _) => format!("{}( )", shortened(name)),
            Shape::Struct(None, Body::Unit) => "an empty ( )".to_owned(),
            Shape::Struct(None, Body::Tuple(_)) => "values in ( )".to_owned(),
            Shape::Struct(None, Body::Fields(_)) => "fields in ( )".to_owned(),
        }
    }
}

/// A text that is not too long for a message.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
