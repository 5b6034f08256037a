//! YAML as `kubectl get -o yaml` writes it: keys in natural order, lines folded at 80, strings quoted where YAML 1.1
//! would read something else.
//!
//! Follows `go.yaml.in/yaml/v2` 2.4.2 (`encode.go`, `emitterc.go`, `resolve.go`, `sorter.go`), through which
//! `sigs.k8s.io/yaml` writes. Only what JSON can hold: no anchors, tags or flow style.

use super::go;
use crate::api::sort_loosely;
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt::Write;

/// Lines are folded at the first blank behind this column.
const WIDTH: usize = 80;
/// Longer keys are written with a question mark.
const LONGEST_SIMPLE_KEY: usize = 128;

/// A whole document, newline at the end.
pub fn document(value: &Value) -> String {
    let mut emitter = Emitter { out: String::new(), column: 0 };
    match value {
        Value::Object(map) if !map.is_empty() => emitter.mapping(map, 0),
        Value::Array(items) if !items.is_empty() => emitter.sequence(items, 0),
        scalar => emitter.scalar_or_empty(scalar, 2),
    }
    emitter.end_line();
    emitter.out
}

struct Emitter {
    out: String,
    column: usize,
}

impl Emitter {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn end_line(&mut self) {
        if self.column > 0 {
            self.out.push('\n');
            self.column = 0;
        }
    }

    /// Goes to `indent` on a line that holds nothing else.
    fn start_line(&mut self, indent: usize) {
        if self.column != indent || !self.out.ends_with([' ', '\n']) && !self.out.is_empty() {
            self.end_line();
            self.put(&" ".repeat(indent));
        }
    }

    fn mapping(&mut self, map: &serde_json::Map<String, Value>, indent: usize) {
        let mut entries: Vec<_> = map.iter().collect();
        sort_loosely(&mut entries, |a, b| natural_order(a.0, b.0));
        for (key, value) in entries {
            self.start_line(indent);
            let simple = key.len() <= LONGEST_SIMPLE_KEY && !key.contains('\n');
            if simple {
                self.string(key, indent + 2, Place::Key);
            } else {
                self.put("?");
                self.string(key, indent + 2, Place::Value);
                self.start_line(indent);
            }
            self.put(":");
            match value {
                Value::Object(map) if !map.is_empty() => self.mapping(map, indent + 2),
                // A sequence is not indented below its key.
                Value::Array(items) if !items.is_empty() => self.sequence(items, indent),
                scalar => self.scalar_or_empty(scalar, indent + 2),
            }
        }
    }

    fn sequence(&mut self, items: &[Value], indent: usize) {
        for item in items {
            self.start_line(indent);
            self.put("-");
            match item {
                Value::Object(map) if !map.is_empty() => {
                    self.put(" ");
                    self.mapping(map, indent + 2);
                }
                Value::Array(items) if !items.is_empty() => {
                    self.put(" ");
                    self.sequence(items, indent + 2);
                }
                scalar => self.scalar_or_empty(scalar, indent + 2),
            }
        }
    }

    fn scalar_or_empty(&mut self, value: &Value, indent: usize) {
        let text = match value {
            Value::String(text) => return self.string(text, indent, Place::Value),
            Value::Object(_) => "{}".to_owned(),
            Value::Array(_) => "[]".to_owned(),
            Value::Number(number) if number.is_f64() => go::float(number.as_f64().unwrap_or(0.0)),
            other => other.to_string(),
        };
        self.blank();
        self.put(&text);
    }

    fn blank(&mut self) {
        if self.column > 0 && !self.out.ends_with(' ') {
            self.put(" ");
        }
    }

    fn string(&mut self, text: &str, indent: usize, place: Place) {
        match style(text, place) {
            Style::Plain => self.plain(text, indent, place),
            Style::SingleQuoted => self.single_quoted(text, indent, place),
            Style::DoubleQuoted => self.double_quoted(text, indent, place),
            Style::Literal => self.literal(text, indent),
        }
    }

    fn plain(&mut self, text: &str, indent: usize, place: Place) {
        self.blank();
        let mut chars = text.chars().peekable();
        let mut after_space = false;
        while let Some(c) = chars.next() {
            let folds = c == ' ' && place == Place::Value && !after_space && self.column > WIDTH;
            if folds && chars.peek() != Some(&' ') {
                self.start_line(indent);
            } else {
                self.put(c.encode_utf8(&mut [0; 4]));
            }
            after_space = c == ' ';
        }
    }

    fn single_quoted(&mut self, text: &str, indent: usize, place: Place) {
        self.blank();
        self.put("'");
        let mut chars = text.chars().enumerate().peekable();
        let mut after_space = false;
        while let Some((i, c)) = chars.next() {
            let next = chars.peek().map(|(_, c)| *c);
            let folds = c == ' ' && place == Place::Value && !after_space && self.column > WIDTH;
            if folds && i > 0 && next.is_some_and(|next| next != ' ') {
                self.start_line(indent);
            } else if c == '\'' {
                self.put("''");
            } else {
                self.put(c.encode_utf8(&mut [0; 4]));
            }
            after_space = c == ' ';
        }
        self.put("'");
    }

    fn double_quoted(&mut self, text: &str, indent: usize, place: Place) {
        self.blank();
        self.put("\"");
        let mut chars = text.chars().enumerate().peekable();
        let mut after_space = false;
        while let Some((i, c)) = chars.next() {
            let next = chars.peek().map(|(_, c)| *c);
            let folds = c == ' ' && place == Place::Value && !after_space && self.column > WIDTH;
            if folds && i > 0 && next.is_some() {
                self.start_line(indent);
                if next == Some(' ') {
                    self.put("\\");
                }
            } else if is_printable(c) && !matches!(c, '"' | '\\' | '\n') {
                self.put(c.encode_utf8(&mut [0; 4]));
            } else {
                self.put(&escaped(c));
            }
            after_space = c == ' ';
        }
        self.put("\"");
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.blank();
        self.put("|");
        if text.starts_with([' ', '\n']) {
            self.put("2");
        }
        if !text.ends_with('\n') {
            self.put("-");
        } else if text == "\n" || text.ends_with("\n\n") {
            self.put("+");
        }
        self.end_line();
        for line in text.split_inclusive('\n') {
            match line {
                "\n" => self.out.push('\n'),
                line => {
                    self.put(&" ".repeat(indent));
                    self.put(line.trim_end_matches('\n'));
                    self.end_line();
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Key,
    Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

fn style(text: &str, place: Place) -> Style {
    let special = text.chars().any(|c| !is_printable(c)) || text.contains(" \n");
    if text.contains('\n') {
        let block = !special && !text.ends_with(' ') && place == Place::Value;
        return if block { Style::Literal } else { Style::DoubleQuoted };
    }
    if special || reads_as_other(text) || is_base_60(text) {
        return Style::DoubleQuoted;
    }
    if text.starts_with(' ') || text.ends_with(' ') || has_indicators(text) {
        Style::SingleQuoted
    } else {
        Style::Plain
    }
}

/// Would a plain scalar be taken for structure?
fn has_indicators(text: &str) -> bool {
    if text.starts_with("---") || text.starts_with("...") {
        return true;
    }
    let bytes = text.as_bytes();
    let blank_at = |i: usize| bytes.get(i).is_none_or(|b| matches!(b, b' ' | b'\t'));
    let first = bytes.first().is_some_and(|b| b"#,[]{}&*!|>'\"%@`".contains(b))
        || (text.starts_with(['?', ':', '-']) && blank_at(1));
    let later = |i: usize| match bytes[i] {
        b':' => blank_at(i + 1),
        b'#' => matches!(bytes[i - 1], b' ' | b'\t'),
        _ => false,
    };
    first || (1..bytes.len()).any(later)
}

fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{fffd}') && c != '\u{feff}'
}

fn escaped(c: char) -> String {
    let letter = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        c => {
            let mut text = String::new();
            let n = u32::from(c);
            let result = match n {
                ..=0xff => write!(text, "\\x{n:02X}"),
                0x100..=0xffff => write!(text, "\\u{n:04X}"),
                _ => write!(text, "\\U{n:08X}"),
            };
            result.expect("a String takes all");
            return text;
        }
    };
    format!("\\{letter}")
}

/// Would YAML 1.1 read this as a boolean, null, number or time?
fn reads_as_other(text: &str) -> bool {
    const WORDS: [&str; 37] = [
        "", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "n", "N", "no", "No", "NO",
        "false", "False", "FALSE", "off", "Off", "OFF", "~", "null", "Null", "NULL", ".nan", ".NaN", ".NAN", ".inf",
        ".Inf", ".INF", "+.inf", "-.inf", "+.Inf", "-.Inf",
    ];
    if WORDS.contains(&text) || matches!(text, "+.INF" | "-.INF") {
        return true;
    }
    match text.as_bytes()[0] {
        b'.' => is_float(text),
        b'+' | b'-' | b'0'..=b'9' => {
            let plain = text.replace('_', "");
            is_time(text) || is_integer(&plain) || is_float(&plain)
        }
        _ => false,
    }
}

/// Go's integers: decimal, or with a prefix for another base.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text).to_lowercase();
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits.as_str()),
    };
    !digits.starts_with(['+', '-']) && u64::from_str_radix(digits, radix).is_ok()
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let has_digits = if whole.is_empty() { !fraction.is_empty() } else { true };
    has_digits && all_digits(whole) && all_digits(fraction) && exponent.is_none_or(|e| !e.is_empty() && all_digits(e))
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`, the sixty-based numbers of YAML 1.1.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (number, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut parts = number.split(':');
    let first = parts.next().unwrap_or("");
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let rest: Vec<&str> = parts.collect();
    let sixtieth = |s: &&str| matches!(s.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    first.starts_with(|c: char| c.is_ascii_digit())
        && digits(first)
        && digits(fraction)
        && !rest.is_empty()
        && rest.iter().all(sixtieth)
}

/// A date, or a date and time, as Go parses them.
fn is_time(text: &str) -> bool {
    let is_date = |date: &str| {
        let parts: Vec<&str> = date.split('-').collect();
        let [year, month, day] = parts[..] else { return false };
        let short = |s: &str| matches!(s.len(), 1 | 2) && s.bytes().all(|b| b.is_ascii_digit());
        let well_formed = year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()) && short(month) && short(day);
        well_formed
            && jiff::civil::Date::new(year.parse().unwrap_or(0), month.parse().unwrap_or(0), day.parse().unwrap_or(0))
                .is_ok()
    };
    let is_clock = |clock: &str| {
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let bounds = [24, 60, 60];
        let parts: Vec<&str> = clock.split(':').collect();
        let in_bounds = |(part, bound): (&&str, u8)| {
            matches!(part.len(), 1 | 2)
                && part.bytes().all(|b| b.is_ascii_digit())
                && part.parse::<u8>().is_ok_and(|n| n < bound)
        };
        parts.len() == 3 && parts.iter().zip(bounds).all(in_bounds) && fraction.bytes().all(|b| b.is_ascii_digit())
    };
    let is_zone = |zone: &str| match zone.as_bytes() {
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()),
        _ => false,
    };
    if let Some((date, time)) = text.split_once(['T', 't']) {
        let time = match time.strip_suffix('Z') {
            Some(time) => time,
            None => match time.char_indices().rev().nth(5) {
                Some((at, _)) if is_zone(&time[at..]) => &time[..at],
                _ => return false,
            },
        };
        return is_date(date) && is_clock(time);
    }
    match text.split_once(' ') {
        Some((date, time)) => is_date(date) && is_clock(time),
        None => is_date(text),
    }
}

/// Letters after everything else, runs of digits by their number: `1z` before `2`, that before `10`, that before `1z`.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(i) = (0..a.len().min(b.len())).find(|&i| a[i] != b[i]) else {
        return a.len().cmp(&b.len());
    };
    match (a[i].is_alphabetic(), b[i].is_alphabetic()) {
        (true, true) => return a[i].cmp(&b[i]),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // Behind a digit that is not zero, zeros count as part of the number.
    let inside_number = || a[..i].iter().rev().take_while(|c| c.is_ascii_digit()).any(|c| *c != '0');
    let start = i64::from((a[i] == '0' || b[i] == '0') && inside_number());
    let number = |chars: &[char]| {
        let digits: Vec<char> = chars[i..].iter().copied().take_while(char::is_ascii_digit).collect();
        let value = digits.iter().fold(start, |n, c| n.wrapping_mul(10).wrapping_add(i64::from(*c as u8 - b'0')));
        (value, digits.len())
    };
    number(&a).cmp(&number(&b)).then(a[i].cmp(&b[i]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_nest_without_indenting_sequences() {
        let value = json!({
            "metadata": {"labels": {"b": "1", "a": "x"}, "empty": {}, "none": null},
            "items": [{"name": "a", "list": [1, 2.5, true]}, [1, [2]], "s", []],
        });
        let expected = "items:\n- list:\n  - 1\n  - 2.5\n  - true\n  name: a\n- - 1\n  - - 2\n- s\n- []\n\
                        metadata:\n  empty: {}\n  labels:\n    a: x\n    b: \"1\"\n  none: null\n";
        assert_eq!(document(&value), expected);
    }

    #[test]
    fn strings_are_quoted_where_they_must_be() {
        for (text, written) in [
            ("plain text", "plain text"),
            ("", "\"\""),
            ("yes", "\"yes\""),
            ("0755", "\"0755\""),
            ("1e3", "\"1e3\""),
            ("1_000", "\"1_000\""),
            ("12:30", "\"12:30\""),
            ("10.0.0.1", "10.0.0.1"),
            ("2026-01-02T03:04:05Z", "\"2026-01-02T03:04:05Z\""),
            ("2026-13-01", "2026-13-01"),
            ("- a", "'- a'"),
            ("-a", "-a"),
            ("a: b", "'a: b'"),
            ("a:b", "a:b"),
            ("a #b", "'a #b'"),
            ("it's: x", "'it''s: x'"),
            ("*", "'*'"),
            ("tab\t", "\"tab\\t\""),
            (" x", "' x'"),
            ("é😀", "\"é\\U0001F600\""),
            ("a\nb", "|-\n  a\n  b"),
            ("a\n\nb\n", "|\n  a\n\n  b"),
            (" a\n\n", "|2+\n   a\n"),
            ("a \nb", "\"a \\nb\""),
        ] {
            assert_eq!(document(&json!({"k": text})), format!("k: {written}\n"), "{text:?}");
        }
    }

    #[test]
    fn long_lines_are_folded() {
        let text = "word ".repeat(30);
        let folded = document(&json!({"key": text.trim()}));
        assert_eq!(folded, format!("key: {}word\n  {}word\n", "word ".repeat(15), "word ".repeat(13)));
        let quoted = document(&json!({"key": format!("a: {text}")}));
        assert!(quoted.lines().all(|line| line.len() < 90) && quoted.lines().count() == 2);
    }

    #[test]
    fn keys_are_in_natural_order() {
        let mut keys = vec!["a10", "a9", "b", "a-b", "A", "1", "a", "a.b"];
        sort_loosely(&mut keys, |a, b| natural_order(a, b));
        assert_eq!(keys, ["1", "A", "a", "a-b", "a.b", "a9", "a10", "b"]);
    }
}
