//! The values of `awk`: numbers, texts, and texts from the input that look like numbers.

use super::super::super::format::general;
use super::super::super::regex::extended;
use std::cmp::Ordering;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Missing,
    Number(f64),
    Text(String),
    /// A field that looks like a number: compared as one.
    Both(String, f64),
}

impl Value {
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A value from the input.
    pub fn input(text: &str) -> Self {
        match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Self::Both(text.to_owned(), number),
            Ok(_) | Err(_) => Self::text(text),
        }
    }

    pub fn truth(value: bool) -> Self {
        Self::Number(f64::from(u8::from(value)))
    }

    pub fn to_text(&self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 1e16 => format!("{number:.0}"),
            Self::Number(number) => general(*number, 6),
            Self::Text(text) | Self::Both(text, _) => text.clone(),
        }
    }

    pub fn to_number(&self) -> f64 {
        match self {
            Self::Missing => 0.0,
            Self::Number(number) | Self::Both(_, number) => *number,
            Self::Text(text) => {
                let text = text.trim_start();
                let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
                let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
                (0..=end).rev().find_map(|end| text.get(..end)?.parse().ok()).unwrap_or(0.0)
            }
        }
    }

    pub fn is_true(&self) -> bool {
        match self {
            Self::Missing => false,
            Self::Number(number) | Self::Both(_, number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
        }
    }
}

pub(super) fn arithmetic(operator: char, left: &Value, right: &Value) -> Value {
    let (left, right) = (left.to_number(), right.to_number());
    Value::Number(match operator {
        '+' => left + right,
        '-' => left - right,
        '*' => left * right,
        '/' if right == 0.0 => 0.0,
        '/' => left / right,
        '%' if right == 0.0 => 0.0,
        '%' => left % right,
        _ => libm::pow(left, right),
    })
}

/// Which comparison: `<`, `<=`, `==`, `!=`, `>=`, `>`.
pub(super) fn compare(operator: &str, left: &Value, right: &Value) -> bool {
    let order = match (left, right) {
        (Value::Text(_), _) | (_, Value::Text(_)) => left.to_text().cmp(&right.to_text()),
        _ => left.to_number().partial_cmp(&right.to_number()).unwrap_or(Ordering::Equal),
    };
    match operator {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        "!=" => order.is_ne(),
        ">=" => order.is_ge(),
        ">" => order.is_gt(),
        _ => order.is_eq(),
    }
}

/// The fields of a line.
pub(super) fn split(line: &str, separator: &str) -> Vec<String> {
    let owned = |fields: Vec<&str>| fields.into_iter().map(str::to_owned).collect();
    match separator {
        " " => owned(line.split_whitespace().collect()),
        _ if line.is_empty() => Vec::new(),
        _ if separator.chars().count() == 1 => owned(line.split(separator).collect()),
        _ => match extended(separator, false) {
            Ok(regex) => owned(regex.split(line).collect()),
            Err(_) => vec![line.to_owned()],
        },
    }
}

/// The functions that are played.
pub(super) const FUNCTIONS: [&str; 12] =
    ["length", "substr", "index", "toupper", "tolower", "int", "sprintf", "sub", "gsub", "sqrt", "system", "match"];

pub(super) fn call(name: &str, arguments: &[Value], line: &str) -> Value {
    let text = |at: usize| arguments.get(at).map(Value::to_text).unwrap_or_default();
    let number = |at: usize| arguments.get(at).map_or(0.0, Value::to_number);
    match name {
        "length" if arguments.is_empty() => Value::Number(line.chars().count() as f64),
        "length" => Value::Number(text(0).chars().count() as f64),
        "toupper" => Value::Text(text(0).to_uppercase()),
        "tolower" => Value::Text(text(0).to_lowercase()),
        "int" => Value::Number(number(0).trunc()),
        "sqrt" => Value::Number(libm::sqrt(number(0))),
        "index" => {
            let found = text(0).find(&text(1)).map_or(0, |at| text(0)[..at].chars().count() + 1);
            Value::Number(found as f64)
        }
        "match" => {
            let found = extended(&text(1), false).ok().and_then(|regex| regex.find(&text(0)).map(|it| it.start()));
            Value::Number(found.map_or(0, |at| text(0)[..at].chars().count() + 1) as f64)
        }
        "substr" => {
            let start = number(1) - 1.0;
            let end = if arguments.len() > 2 { start + number(2) } else { f64::INFINITY };
            let inside = |at: usize| at as f64 >= start && (at as f64) < end;
            Value::Text(text(0).chars().enumerate().filter(|(at, _)| inside(*at)).map(|(_, c)| c).collect())
        }
        "sprintf" => {
            let texts: Vec<String> = arguments.iter().skip(1).map(Value::to_text).collect();
            Value::Text(super::super::super::format::printf(&text(0), &texts).0)
        }
        _ => Value::Missing,
    }
}
