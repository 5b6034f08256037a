//! What templates compute with: data, and the functions of Go and of kubectl.

use super::format;
use serde_json::Value;
use std::cmp::Ordering;

/// A value in a template. Numbers of objects are floats, as decoded JSON has them; integers come from templates.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Nothing: what is not there, and null.
    Missing,
    Json(Value),
    Integer(i64),
}

impl Data {
    pub fn of(value: &Value) -> Self {
        if value.is_null() { Self::Missing } else { Self::Json(value.clone()) }
    }

    pub fn text(text: &str) -> Self {
        Self::Json(text.into())
    }

    /// As `{{.}}` prints it.
    pub fn printed(&self) -> String {
        match self {
            Self::Missing => "<no value>".to_owned(),
            _ => format::plain(self),
        }
    }

    /// Whether it is not empty.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Missing => false,
            Self::Integer(number) => *number != 0,
            Self::Json(Value::Null) => false,
            Self::Json(Value::Bool(flag)) => *flag,
            Self::Json(Value::Number(number)) => number.as_f64() != Some(0.0),
            Self::Json(Value::String(text)) => !text.is_empty(),
            Self::Json(Value::Array(items)) => !items.is_empty(),
            Self::Json(Value::Object(map)) => !map.is_empty(),
        }
    }

    /// A field; missing if the map lacks it, `None` if this is no map.
    pub fn field(&self, name: &str) -> Option<Self> {
        match self {
            Self::Missing => Some(Self::Missing),
            Self::Json(Value::Object(map)) => Some(map.get(name).map_or(Self::Missing, Self::of)),
            Self::Json(_) | Self::Integer(_) => None,
        }
    }

    /// What Go calls its type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing | Self::Json(Value::Null) => "<nil>",
            Self::Integer(_) => "int",
            Self::Json(Value::Bool(_)) => "bool",
            Self::Json(Value::Number(_)) => "float64",
            Self::Json(Value::String(_)) => "string",
            Self::Json(Value::Array(_)) => "[]interface {}",
            Self::Json(Value::Object(_)) => "map[string]interface {}",
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Json(Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

const NAMES: [&str; 20] = [
    "and",
    "or",
    "not",
    "len",
    "index",
    "slice",
    "print",
    "printf",
    "println",
    "html",
    "js",
    "urlquery",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "exists",
    "base64decode",
];

/// Whether there is a function of a name.
pub fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Calls a function.
pub fn call(name: &str, arguments: &[Data]) -> Result<Data, String> {
    let flag = |flag: bool| Ok(Data::Json(flag.into()));
    let joined = || format::print(arguments);
    match (name, arguments) {
        ("not", [one]) => flag(!one.is_true()),
        ("len", [one]) => length(one),
        ("index", [item, keys @ ..]) => keys.iter().try_fold(item.clone(), |item, key| index(&item, key)),
        ("slice", [item, bounds @ ..]) => slice(item, bounds),
        ("print", _) => Ok(Data::text(&joined())),
        ("println", _) => Ok(Data::text(&format::println(arguments))),
        ("printf", [template, values @ ..]) => match template.as_text() {
            Some(template) => Ok(Data::text(&format::printf(template, values))),
            None => Err(format!("wrong type for value; expected string; got {}", template.kind())),
        },
        ("html", _) => Ok(Data::text(&html(&joined()))),
        ("js", _) => Ok(Data::text(&js(&joined()))),
        ("urlquery", _) => Ok(Data::text(&url_query(&joined()))),
        ("eq", [one, others @ ..]) if !others.is_empty() => {
            for other in others {
                if equal(one, other)? {
                    return flag(true);
                }
            }
            flag(false)
        }
        ("eq", _) => Err("missing argument for comparison".to_owned()),
        ("ne", [one, other]) => flag(!equal(one, other)?),
        ("lt", [one, other]) => flag(compare(one, other)?.is_lt()),
        ("le", [one, other]) => flag(compare(one, other)?.is_le()),
        ("gt", [one, other]) => flag(compare(one, other)?.is_gt()),
        ("ge", [one, other]) => flag(compare(one, other)?.is_ge()),
        ("exists", [item, keys @ ..]) => {
            let found = keys.iter().try_fold(item.clone(), |item, key| index(&item, key));
            flag(found.is_ok_and(|found| found != Data::Missing))
        }
        ("base64decode", [one]) => {
            let text =
                one.as_text().ok_or_else(|| format!("wrong type for value; expected string; got {}", one.kind()))?;
            base64(text).map(|text| Data::text(&text)).ok_or_else(|| "illegal base64 data".to_owned())
        }
        (name, arguments) => Err(format!("wrong number of args for {name}: got {}", arguments.len())),
    }
}

fn length(one: &Data) -> Result<Data, String> {
    let length = match one {
        Data::Json(Value::String(text)) => text.len(),
        Data::Json(Value::Array(items)) => items.len(),
        Data::Json(Value::Object(map)) => map.len(),
        Data::Missing => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", other.kind())),
    };
    Ok(Data::Integer(length as i64))
}

fn position(key: &Data, length: usize) -> Result<usize, String> {
    let Data::Integer(number) = key else { return Err(format!("cannot index slice/array with type {}", key.kind())) };
    let place = usize::try_from(*number).ok().filter(|place| *place < length);
    place.ok_or_else(|| format!("index out of range: {number}"))
}

fn index(item: &Data, key: &Data) -> Result<Data, String> {
    match (item, key) {
        (Data::Missing, _) => Err("index of untyped nil".to_owned()),
        (Data::Json(Value::Array(items)), key) => Ok(Data::of(&items[position(key, items.len())?])),
        (Data::Json(Value::String(text)), key) => {
            Ok(Data::Integer(i64::from(text.as_bytes()[position(key, text.len())?])))
        }
        (Data::Json(Value::Object(map)), key) => match key.as_text() {
            Some(name) => Ok(map.get(name).map_or(Data::Missing, Data::of)),
            None => Err(format!("value has type {}; should be string", key.kind())),
        },
        (other, _) => Err(format!("can't index item of type {}", other.kind())),
    }
}

fn slice(item: &Data, bounds: &[Data]) -> Result<Data, String> {
    let length = match item {
        Data::Json(Value::String(text)) => text.len(),
        Data::Json(Value::Array(items)) => items.len(),
        other => return Err(format!("can't slice item of type {}", other.kind())),
    };
    let bound = |place: usize, default: usize| match bounds.get(place) {
        None => Ok(default),
        Some(key) => position(key, length + 1),
    };
    let (from, to) = (bound(0, 0)?, bound(1, length)?);
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    Ok(match item {
        Data::Json(Value::Array(items)) => Data::Json(items[from..to].to_vec().into()),
        Data::Json(Value::String(text)) => Data::text(&String::from_utf8_lossy(&text.as_bytes()[from..to])),
        other => other.clone(),
    })
}

fn equal(one: &Data, other: &Data) -> Result<bool, String> {
    match (one, other) {
        (Data::Missing, Data::Missing) => Ok(true),
        (Data::Missing, _) | (_, Data::Missing) => Ok(false),
        (Data::Json(Value::Array(_) | Value::Object(_)), _) | (_, Data::Json(Value::Array(_) | Value::Object(_))) => {
            Err("non-comparable type".to_owned())
        }
        _ => compare(one, other).map(Ordering::is_eq),
    }
}

fn compare(one: &Data, other: &Data) -> Result<Ordering, String> {
    match (one, other) {
        (Data::Integer(a), Data::Integer(b)) => Ok(a.cmp(b)),
        (Data::Json(Value::String(a)), Data::Json(Value::String(b))) => Ok(a.cmp(b)),
        (Data::Json(Value::Bool(a)), Data::Json(Value::Bool(b))) => Ok(a.cmp(b)),
        (Data::Json(Value::Number(a)), Data::Json(Value::Number(b))) => {
            let numbers = a.as_f64().zip(b.as_f64());
            Ok(numbers.and_then(|(a, b)| a.partial_cmp(&b)).unwrap_or(Ordering::Equal))
        }
        (Data::Json(Value::Array(_) | Value::Object(_)), _) | (Data::Missing, _) => {
            Err("invalid type for comparison".to_owned())
        }
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

fn html(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' => out += "&#34;",
            '\'' => out += "&#39;",
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            other => out.push(other),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out += r"\\",
            '\'' => out += r"\'",
            '"' => out += "\\\"",
            '<' | '>' | '&' | '=' => out += &format!("\\u{:04X}", u32::from(c)),
            c if c < ' ' => out += &format!("\\u{:04X}", u32::from(c)),
            other => out.push(other),
        }
    }
    out
}

fn url_query(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out += &format!("%{other:02X}"),
        }
    }
    out
}

/// Standard base64 with padding, as text.
fn base64(text: &str) -> Option<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::new();
    for group in text.chunks(4) {
        let digits = group.iter().take_while(|byte| **byte != b'=').count();
        let mut bits = 0u32;
        for byte in &group[..digits] {
            bits = bits << 6 | DIGITS.iter().position(|digit| digit == byte)? as u32;
        }
        bits <<= 6 * (4 - digits) as u32;
        bytes.extend_from_slice(&bits.to_be_bytes()[1..digits.max(1)]);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
