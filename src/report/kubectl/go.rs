//! How Go writes things: `%v`, `%q`, times, floats, JSON.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::fmt::Write;
use std::ops::RangeInclusive;

/// A time as RFC 1123 with a numeric zone; Go's zero time if there is none.
pub fn rfc1123z(time: Option<Timestamp>) -> String {
    time.map_or_else(
        || "Mon, 01 Jan 0001 00:00:00 +0000".to_owned(),
        |time| time.strftime("%a, %d %b %Y %H:%M:%S %z").to_string(),
    )
}

/// A time as `time.Time.String()` writes it.
pub fn time_string(time: Option<Timestamp>) -> String {
    let Some(time) = time else {
        return "0001-01-01 00:00:00 +0000 UTC".to_owned();
    };
    let utc = time.to_zoned(TimeZone::UTC);
    let (hour, minute, second) = (utc.hour(), utc.minute(), utc.second());
    let date = format!("{:04}-{:02}-{:02}", utc.year(), utc.month(), utc.day());
    let nanos = match format!("{:09}", utc.subsec_nanosecond()).trim_end_matches('0') {
        "" => String::new(),
        digits => format!(".{digits}"),
    };
    format!("{date} {hour:02}:{minute:02}:{second:02}{nanos} +0000 UTC")
}

/// A string in double quotes, as `%q` writes it.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => _ = write!(out, "\\x{:02x}", u32::from(c)),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) > 0xffff => _ = write!(out, "\\U{:08x}", u32::from(c)),
            c => _ = write!(out, "\\u{:04x}", u32::from(c)),
        }
    }
    out.push('"');
    out
}

/// Format characters and the private use area: not control characters, and yet without a glyph.
const UNPRINTABLE: [RangeInclusive<char>; 7] = [
    '\u{ad}'..='\u{ad}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{e000}'..='\u{f8ff}',
    '\u{feff}'..='\u{feff}',
    '\u{fff9}'..='\u{fffb}',
];

/// Go's `strconv.IsPrint`, as far as control and space characters go.
fn is_printable(c: char) -> bool {
    !c.is_control() && (c == ' ' || !c.is_whitespace()) && !UNPRINTABLE.iter().any(|range| range.contains(&c))
}

/// A list of strings, as `%v` writes it.
pub fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    format!("[{}]", items.join(" "))
}

/// A decoded JSON value, as `%v` writes it.
pub fn value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(n), _) => n.to_string(),
            (None, Some(n)) => float(n),
            (None, None) => number.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(self::value).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            let entries: Vec<String> = keys.iter().map(|k| format!("{k}:{}", self::value(&map[*k]))).collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

/// A float as `%v` writes it: the shortest digits that read back, with an exponent below 1e-4 and from 1e6 on
/// (`strconv.FormatFloat` with `'g'` and -1).
pub fn float(n: f64) -> String {
    let (digits, exponent) = shortest(n);
    if n == 0.0 || (-4..6).contains(&exponent) { format!("{n}") } else { scientific(n, &digits, exponent) }
}

/// The significant digits and the decimal exponent of the first of them.
fn shortest(n: f64) -> (String, i32) {
    let text = format!("{:e}", n.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
}

/// Go's exponents have a sign and at least two digits.
fn scientific(n: f64, digits: &str, exponent: i32) -> String {
    let sign = if n < 0.0 { "-" } else { "" };
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{first}{point}{rest}e{exponent_sign}{:02}", exponent.abs())
}

/// JSON as `encoding/json` writes it: keys sorted, `<`, `>` and `&` escaped; indented by `indent` if that is not empty.
pub fn json(value: &Value, indent: &str) -> String {
    let mut out = String::new();
    write_json(&mut out, value, indent, 0);
    out
}

fn write_json(out: &mut String, value: &Value, indent: &str, depth: usize) {
    match value {
        Value::Array(items) => write_nested(out, ['[', ']'], items.len(), indent, depth, |out, i| {
            write_json(out, &items[i], indent, depth + 1);
        }),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            write_nested(out, ['{', '}'], entries.len(), indent, depth, |out, i| {
                write_json_string(out, entries[i].0);
                out.push_str(if indent.is_empty() { ":" } else { ": " });
                write_json(out, entries[i].1, indent, depth + 1);
            });
        }
        Value::String(text) => write_json_string(out, text),
        Value::Number(number) if number.is_f64() => out.push_str(&json_float(number.as_f64().unwrap_or(0.0))),
        Value::Number(_) | Value::Bool(_) | Value::Null => _ = write!(out, "{value}"),
    }
}

fn write_nested(
    out: &mut String,
    [open, close]: [char; 2],
    count: usize,
    indent: &str,
    depth: usize,
    mut item: impl FnMut(&mut String, usize),
) {
    let new_line = |out: &mut String, depth: usize| {
        if !indent.is_empty() {
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
    };
    out.push(open);
    for i in 0..count {
        if i > 0 {
            out.push(',');
        }
        new_line(out, depth + 1);
        item(out, i);
    }
    if count > 0 {
        new_line(out, depth);
    }
    out.push(close);
}

fn write_json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c if u32::from(c) < 0x20 => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Floats in JSON: plain notation between 1e-6 and 1e21, and no padded exponents.
fn json_float(n: f64) -> String {
    let (digits, exponent) = shortest(n);
    if n == 0.0 || (-6..21).contains(&exponent) {
        return format!("{n}");
    }
    let text = scientific(n, &digits, exponent);
    text.replace("e-0", "e-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_written_in_utc() {
        let time: Timestamp = "2026-11-05T03:02:33.120Z".parse().expect("a time");
        assert_eq!(rfc1123z(Some(time)), "Thu, 05 Nov 2026 03:02:33 +0000");
        assert_eq!(rfc1123z(None), "Mon, 01 Jan 0001 00:00:00 +0000");
        assert_eq!(time_string(Some(time)), "2026-11-05 03:02:33.12 +0000 UTC");
    }

    #[test]
    fn quotes_escape_what_does_not_print() {
        for (text, expected) in [("a\"b", r#""a\"b""#), ("é\n\u{1b}", r#""é\n\x1b""#), ("\u{200b}\\", r#""\u200b\\""#)]
        {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn values_are_written_as_go_does() {
        assert_eq!(value(&json!({"b": [1, 2.5, null], "a": {"c": true}})), "map[a:map[c:true] b:[1 2.5 <nil>]]");
        for (n, text) in [
            (1e21, "1e+21"),
            (1e20, "1e+20"),
            (1_000_650_000.0, "1.00065e+09"),
            (123_456.5, "123456.5"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5e-7, "-2.5e-07"),
        ] {
            assert_eq!(float(n), text);
        }
        assert_eq!(
            json(&json!({"b": "<&>", "a": [1, {}], "c": 1e-7}), ""),
            r#"{"a":[1,{}],"b":"\u003c\u0026\u003e","c":1e-7}"#
        );
        assert_eq!(json(&json!({"a": [1], "b": []}), "    "), "{\n    \"a\": [\n        1\n    ],\n    \"b\": []\n}");
    }
}
