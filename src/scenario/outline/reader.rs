//! An outline, read as a type of `serde`.

use super::fault::Fault;
use super::parser::{float, integer};
use super::placed::MARK;
use super::{Body, Field, Node, Shape};
use crate::api::Name;
use crate::scenario::error::{Place, Problem};
use serde::de::value::{StrDeserializer, U32Deserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::collections::BTreeSet;
use std::slice::Iter;

/// The most problems that are told of in one file.
const MOST_PROBLEMS: usize = 100;

/// Reads an outline as a type. What is wrong is added to the problems, all of it; then there may be no value.
pub(in crate::scenario) fn read<'de, T: Deserialize<'de>>(
    node: &'de Node,
    file: Name,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let mut skipped = BTreeSet::new();
    let mut told = 0;
    loop {
        let fault = match T::deserialize(Reader { node, context: &Context { file, skipped: &skipped } }) {
            Ok(value) => return Some(value),
            Err(fault) => fault,
        };
        if !fault.follows {
            let place = Place { file, position: fault.at.unwrap_or(node.at) };
            problems.push(Problem::new(place, fault.found, fault.remedy));
            told += 1;
        }
        // Without the part that is wrong the rest may be right: it is read again to find what else is wrong.
        match fault.culprit {
            Some(culprit) if told < MOST_PROBLEMS && skipped.insert(culprit) => {}
            _ => return None,
        }
    }
}

struct Context<'c> {
    file: Name,
    /// Fields and elements that are wrong, and known to be.
    skipped: &'c BTreeSet<u32>,
}

#[derive(Clone, Copy)]
struct Reader<'de, 'c> {
    node: &'de Node,
    context: &'c Context<'c>,
}

type Read<T> = Result<T, Fault>;

impl<'de, 'c> Reader<'de, 'c> {
    fn inner(&self, node: &'de Node) -> Self {
        Self { node, context: self.context }
    }

    fn placed<T>(&self, read: Read<T>) -> Read<T> {
        read.map_err(|fault| fault.at(self.node.at))
    }

    /// The value is of another shape.
    fn unexpected<T>(&self, wanted: &str) -> Read<T> {
        Err(Fault::new(self.node.describe(), wanted).at(self.node.at))
    }

    fn any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match &self.node.shape {
            Shape::Bool(value) => visitor.visit_bool(*value),
            Shape::Number(text) => number(text, visitor),
            Shape::Char(c) => visitor.visit_char(*c),
            Shape::Text(text, _) => visitor.visit_borrowed_str(text),
            Shape::List(elements) | Shape::Struct(None, Body::Tuple(elements)) => {
                visitor.visit_seq(Elements { elements: elements.iter(), reader: self })
            }
            Shape::Map(entries) => visitor.visit_map(Entries { entries: entries.iter(), value: None, reader: self }),
            Shape::Struct(None, Body::Fields(fields)) => {
                visitor.visit_map(Fields { fields: fields.iter(), value: None, reader: self })
            }
            Shape::Struct(None, Body::Unit) => visitor.visit_unit(),
            Shape::Struct(Some(_), _) => visitor.visit_enum(self),
        }
    }

    fn fields<V: Visitor<'de>>(self, fields: &'de [Field], visitor: V) -> Read<V::Value> {
        let read = visitor.visit_map(Fields { fields: fields.iter(), value: None, reader: self });
        read.map_err(|mut fault| {
            let skipped = |field: &Field| self.context.skipped.contains(&field.value.id);
            let follows = |name: &str| fields.iter().any(|field| field.name == name && skipped(field));
            if fault.at.is_none() && fault.missing.is_some_and(follows) {
                fault.follows = true;
            }
            fault.at(self.node.at)
        })
    }

    /// The fields of a struct, whatever its name.
    fn body<V: Visitor<'de>>(self, body: &'de Body, visitor: V) -> Read<V::Value> {
        match body {
            Body::Fields(fields) => self.fields(fields, visitor),
            Body::Unit => self.fields(&[], visitor),
            Body::Tuple(_) => self.unexpected("write fields as name: value"),
        }
    }
}

fn number<'de, V: Visitor<'de>>(text: &str, visitor: V) -> Read<V::Value> {
    match integer(text) {
        Some(value) => match (i64::try_from(value), u64::try_from(value)) {
            (_, Ok(value)) => visitor.visit_u64(value),
            (Ok(value), _) => visitor.visit_i64(value),
            _ => {
                Err(Fault::new(format!("the number {}", super::shortened(text)), "write a number of at most 19 digits"))
            }
        },
        None => match float(text) {
            Some(value) if value.is_finite() => visitor.visit_f64(value),
            _ => Err(Fault::new(format!("the number {}", super::shortened(text)), "write a finite number")),
        },
    }
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.placed(self.any(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match &self.node.shape {
            Shape::Struct(Some(name), Body::Unit) if name == "None" => visitor.visit_none(),
            Shape::Struct(Some(name), Body::Tuple(inside)) if name == "Some" && inside.len() == 1 => {
                visitor.visit_some(self.inner(&inside[0]))
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Read<V::Value> {
        if name == MARK {
            return visitor.visit_seq(PlacedParts { reader: self, next: 0 });
        }
        match &self.node.shape {
            Shape::Struct(Some(written), Body::Tuple(inside)) if written == name && inside.len() == 1 => {
                visitor.visit_newtype_struct(self.inner(&inside[0]))
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match &self.node.shape {
            Shape::List(_) => self.deserialize_any(visitor),
            _ => self.unexpected("write a list: [ … ]"),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Read<V::Value> {
        match &self.node.shape {
            Shape::Struct(None, Body::Tuple(elements)) if elements.len() == len => self.deserialize_any(visitor),
            _ => self.unexpected(&format!("write {len} values in parentheses: ( … )")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match &self.node.shape {
            Shape::Map(_) => self.deserialize_any(visitor),
            _ => self.unexpected("write a map: { \"key\": value }"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        match &self.node.shape {
            Shape::Struct(None, body) => self.body(body, visitor),
            Shape::Struct(Some(written), body) if written == name => self.body(body, visitor),
            Shape::Struct(Some(_), _) => self.unexpected(&format!("write {name}( … ), or ( … ) without a name")),
            Shape::Map(_) => self.unexpected("write fields in parentheses: ( name: value )"),
            _ => self.unexpected(&format!("write {name}( … ) with its fields")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        match &self.node.shape {
            Shape::Struct(Some(_), _) => self.placed(visitor.visit_enum(self)),
            // A name that is no word, such as `memory.available`, is a text.
            Shape::Text(text, ..) if text.contains('.') && variants.contains(&text.as_str()) => {
                self.placed(visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(text.as_str())))
            }
            // Where a distribution is expected, a duration is one that is always the same.
            Shape::Text(..) if variants.contains(&"Constant") => self.placed(visitor.visit_enum(Implied(self))),
            _ => self.unexpected(&format!("write one of {}", variants.join(", "))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Read<V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, len: usize, visitor: V) -> Read<V::Value> {
        self.deserialize_tuple(len, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit identifier
    }
}

/// The elements of a list, without those that are known to be wrong.
struct Elements<'de, 'c> {
    elements: Iter<'de, Node>,
    reader: Reader<'de, 'c>,
}

impl<'de> SeqAccess<'de> for Elements<'de, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        let context = self.reader.context;
        let Some(node) = self.elements.find(|node| !context.skipped.contains(&node.id)) else { return Ok(None) };
        seed.deserialize(self.reader.inner(node)).map(Some).map_err(|fault| fault.at(node.at).blame(node.id))
    }
}

/// The entries of a map, without those that are known to be wrong.
struct Entries<'de, 'c> {
    entries: Iter<'de, (Node, Node)>,
    value: Option<&'de Node>,
    reader: Reader<'de, 'c>,
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Read<Option<K::Value>> {
        let context = self.reader.context;
        let Some((key, value)) = self.entries.find(|(_, value)| !context.skipped.contains(&value.id)) else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(self.reader.inner(key)).map(Some).map_err(|fault| fault.at(key.at).blame(value.id))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Read<V::Value> {
        let Some(value) = self.value.take() else { return Err(Fault::custom("a value without a key")) };
        seed.deserialize(self.reader.inner(value)).map_err(|fault| fault.at(value.at).blame(value.id))
    }
}

/// The fields of a struct, without those that are known to be wrong.
struct Fields<'de, 'c> {
    fields: Iter<'de, Field>,
    value: Option<&'de Node>,
    reader: Reader<'de, 'c>,
}

impl<'de> MapAccess<'de> for Fields<'de, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Read<Option<K::Value>> {
        let context = self.reader.context;
        let Some(field) = self.fields.find(|field| !context.skipped.contains(&field.value.id)) else { return Ok(None) };
        self.value = Some(&field.value);
        let name = StrDeserializer::<Fault>::new(&field.name);
        seed.deserialize(name).map(Some).map_err(|fault| fault.at(field.at).blame(field.value.id))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Read<V::Value> {
        let Some(value) = self.value.take() else { return Err(Fault::custom("a value without a field")) };
        seed.deserialize(self.reader.inner(value)).map_err(|fault| fault.at(value.at).blame(value.id))
    }
}

/// A value as file, line, column and itself.
struct PlacedParts<'de, 'c> {
    reader: Reader<'de, 'c>,
    next: u8,
}

impl<'de> SeqAccess<'de> for PlacedParts<'de, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        self.next += 1;
        // A text's place is that of its first character: an error within it is found by counting on.
        let at = match self.reader.node.shape {
            Shape::Text(_, inside) => inside,
            _ => self.reader.node.at,
        };
        let place = |n: u32| -> U32Deserializer<Fault> { n.into_deserializer() };
        match self.next {
            1 => seed.deserialize(StrDeserializer::<Fault>::new(self.reader.context.file.as_str())).map(Some),
            2 => seed.deserialize(place(at.line)).map(Some),
            3 => seed.deserialize(place(at.column)).map(Some),
            4 => seed.deserialize(self.reader).map(Some),
            _ => Ok(None),
        }
    }
}

impl<'de, 'c> EnumAccess<'de> for Reader<'de, 'c> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Read<(V::Value, Self)> {
        let Shape::Struct(Some(name), _) = &self.node.shape else { return self.unexpected("write a word") };
        let variant = seed.deserialize(StrDeserializer::<Fault>::new(name));
        Ok((self.placed(variant)?, self))
    }
}

impl<'de> VariantAccess<'de> for Reader<'de, '_> {
    type Error = Fault;

    fn unit_variant(self) -> Read<()> {
        match &self.node.shape {
            Shape::Struct(_, Body::Unit) => Ok(()),
            _ => self.unexpected("write the word alone, without parentheses"),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Read<T::Value> {
        match &self.node.shape {
            Shape::Struct(_, Body::Tuple(inside)) if inside.len() == 1 => {
                seed.deserialize(self.inner(&inside[0])).map_err(|fault| fault.at(inside[0].at))
            }
            Shape::Struct(_, body @ (Body::Fields(_) | Body::Unit)) => {
                seed.deserialize(VariantBody { reader: self, body }).map_err(|fault| fault.at(self.node.at))
            }
            _ => self.unexpected("write one value in its parentheses"),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Read<V::Value> {
        match &self.node.shape {
            Shape::Struct(_, Body::Tuple(inside)) if inside.len() == len => {
                self.placed(visitor.visit_seq(Elements { elements: inside.iter(), reader: self }))
            }
            _ => self.unexpected(&format!("write {len} values in its parentheses")),
        }
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Read<V::Value> {
        match &self.node.shape {
            Shape::Struct(_, body) => self.body(body, visitor),
            _ => self.unexpected("write its fields in parentheses"),
        }
    }
}

/// The fields of a variant that holds a struct, as that struct.
struct VariantBody<'de, 'c> {
    reader: Reader<'de, 'c>,
    body: &'de Body,
}

impl<'de> Deserializer<'de> for VariantBody<'de, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let _ = visitor;
        self.reader.unexpected("write one value in its parentheses")
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        self.reader.body(self.body, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A text where a variant is expected: the content of `Constant`.
struct Implied<'de, 'c>(Reader<'de, 'c>);

impl<'de, 'c> EnumAccess<'de> for Implied<'de, 'c> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Read<(V::Value, Self)> {
        Ok((seed.deserialize(StrDeserializer::<Fault>::new("Constant"))?, self))
    }
}

impl<'de> VariantAccess<'de> for Implied<'de, '_> {
    type Error = Fault;

    fn unit_variant(self) -> Read<()> {
        Err(Fault::invalid_type(Unexpected::NewtypeVariant, &"a word"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Read<T::Value> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Read<V::Value> {
        Err(Fault::invalid_type(Unexpected::NewtypeVariant, &"several values"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], _visitor: V) -> Read<V::Value> {
        Err(Fault::invalid_type(Unexpected::NewtypeVariant, &"fields"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Placed, parse};
    use super::*;
    use crate::engine::{Distribution, SimDuration};
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: Placed<String>,
        #[serde(default)]
        inner: Vec<Inner>,
        #[serde(default)]
        map: BTreeMap<String, SimDuration>,
        #[serde(default)]
        choice: Option<Choice>,
        #[serde(default)]
        takes: Distribution,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        count: u8,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    enum Choice {
        Plain,
        Held(Inner),
        Both(u8, SimDuration),
        Named { wait: SimDuration },
    }

    fn outer(text: &str) -> Result<Outer, Vec<String>> {
        let (node, errors) = parse(text);
        assert!(errors.is_empty(), "{errors:?}");
        let node = node.expect("good RON");
        let mut problems = Vec::new();
        match read(&node, Name::new("f"), &mut problems) {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn what_ron_means_is_read() {
        for (text, choice) in [
            ("Plain", Choice::Plain),
            ("Held((count: 3))", Choice::Held(Inner { count: 3 })),
            ("Held(count: 3)", Choice::Held(Inner { count: 3 })),
            ("Both(3, \"2s\")", Choice::Both(3, SimDuration::from_secs(2))),
            ("Some(Named(wait: \"1m\"))", Choice::Named { wait: SimDuration::from_mins(1) }),
        ] {
            let text = format!("Outer(name: \"x\", choice: {text}, map: {{\"a\": \"5s\"}}, inner: [(count: 1)])");
            let read = outer(&text).expect("good");
            assert_eq!(read.choice, Some(choice));
            assert_eq!((read.name.place.to_string(), read.inner.len()), ("f:1:14".to_owned(), 1));
        }
        assert_eq!(outer("(name: \"\", choice: None)").map(|read| read.choice), Ok(None));
        assert_eq!(outer("(name: \"\", takes: \"3s\")").map(|o| o.takes), Ok(SimDuration::from_secs(3).into()));
    }

    #[test]
    fn every_error_is_told_once_with_its_place() {
        let text = "(name: 5, inner: [(count: 300), (cuont: 1), (count: 2, extra: 1)],\n map: {\"a\": \"5\", \"b\": \"6s\"}, \
            choice: Nmaed(wait: \"1m\"),\n takes: Uniform(min: \"1s\", max: \"-2s\"), other: 1)";
        let expected = [
            "f:1:8: the number 5; write a text in quotes: durations are written like \"90s\", quantities like \"2Gi\"",
            "f:1:27: the number 300; write a whole number, not negative and not too large",
            "f:1:34: the field cuont, which is not known here; did you mean count?",
            "f:1:33: no field count; add count: …",
            "f:1:56: the field extra, which is not known here; write count",
            "f:2:13: \"5\" is not a duration; write it like 250ms, 90s, 5m or 1h30m",
            "f:2:38: Nmaed; did you mean Named?",
            "f:3:33: \"-2s\" is not a duration; write it like 250ms, 90s, 5m or 1h30m",
            "f:3:41: the field other, which is not known here; use one of name, inner, map, choice, takes",
        ];
        let mut found = outer(text).expect_err("bad");
        let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}
