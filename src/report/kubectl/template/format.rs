//! Values as Go's `fmt` prints them.

use super::functions::Data;
use crate::report::kubectl::go;
use serde_json::Value;

/// A value as `%v` prints it.
pub fn plain(data: &Data) -> String {
    match data {
        Data::Missing => "<nil>".to_owned(),
        Data::Integer(number) => number.to_string(),
        Data::Json(value) => plain_json(value),
    }
}

/// The same inside lists and maps, whose numbers are floats.
fn plain_json(value: &Value) -> String {
    match value {
        Value::Number(number) => go::float(number.as_f64().unwrap_or(0.0)),
        Value::Array(items) => format!("[{}]", items.iter().map(plain_json).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            let entries: Vec<String> =
                entries.into_iter().map(|(key, value)| format!("{key}:{}", plain_json(value))).collect();
            format!("map[{}]", entries.join(" "))
        }
        other => go::value(other),
    }
}

/// `fmt.Sprint`: a blank between two values of which neither is a text.
pub fn print(values: &[Data]) -> String {
    let mut out = String::new();
    for (n, value) in values.iter().enumerate() {
        let is_text = |value: &Data| value.as_text().is_some();
        if n > 0 && !is_text(value) && !is_text(&values[n - 1]) {
            out.push(' ');
        }
        out += &plain(value);
    }
    out
}

/// `fmt.Sprintln`.
pub fn println(values: &[Data]) -> String {
    values.iter().map(plain).collect::<Vec<_>>().join(" ") + "\n"
}

/// A directive of `printf`: `%-5.2f`.
#[derive(Default)]
struct Directive {
    minus: bool,
    plus: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// `fmt.Sprintf`.
pub fn printf(template: &str, values: &[Data]) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut directive = Directive::default();
        while let Some(flag) = chars.next_if(|c| matches!(c, '-' | '+' | '0' | '#' | ' ')) {
            directive.minus |= flag == '-';
            directive.plus |= flag == '+';
            directive.zero |= flag == '0';
        }
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            directive.width =
                directive.width.saturating_mul(10).saturating_add(digit as usize - '0' as usize).min(9_999);
        }
        if chars.next_if_eq(&'.').is_some() {
            let mut precision = 0usize;
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                precision = precision.saturating_mul(10).saturating_add(digit as usize - '0' as usize).min(999);
            }
            directive.precision = Some(precision);
        }
        match chars.next() {
            None => out += "%!(NOVERB)",
            Some('%') => out.push('%'),
            Some(verb) => match values.next() {
                None => out += &format!("%!{verb}(MISSING)"),
                Some(value) => out += &directive.pad(&directive.verb(verb, value)),
            },
        }
    }
    let extra: Vec<String> = values.map(|value| format!("{}={}", value.kind(), plain(value))).collect();
    if !extra.is_empty() {
        out += &format!("%!(EXTRA {})", extra.join(", "));
    }
    out
}

impl Directive {
    fn verb(&self, verb: char, value: &Data) -> String {
        let signed = |text: String| if self.plus && !text.starts_with('-') { format!("+{text}") } else { text };
        match (verb, value) {
            ('v', _) => plain(value),
            ('s', Data::Json(Value::String(text))) => match self.precision {
                Some(precision) => text.chars().take(precision).collect(),
                None => text.clone(),
            },
            ('s', Data::Json(Value::Array(_) | Value::Object(_))) => plain(value),
            ('q', Data::Json(Value::String(text))) => go::quoted(text),
            ('t', Data::Json(Value::Bool(flag))) => flag.to_string(),
            ('d', Data::Integer(number)) => signed(number.to_string()),
            ('x', Data::Integer(number)) => format!("{number:x}"),
            ('f' | 'F', Data::Json(Value::Number(number))) => {
                signed(format!("{:.*}", self.precision.unwrap_or(6), number.as_f64().unwrap_or(0.0)))
            }
            ('g' | 'e', Data::Json(Value::Number(number))) if self.precision.is_none() => {
                go::float(number.as_f64().unwrap_or(0.0))
            }
            ('T', value) => value.kind().to_owned(),
            (verb, Data::Missing) => format!("%!{verb}(<nil>)"),
            (verb, value) => format!("%!{verb}({}={})", value.kind(), plain(value)),
        }
    }

    fn pad(&self, text: &str) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if self.minus {
            format!("{text}{}", " ".repeat(missing))
        } else if self.zero {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            format!("{sign}{}{digits}", "0".repeat(missing))
        } else {
            format!("{}{text}", " ".repeat(missing))
        }
    }
}
