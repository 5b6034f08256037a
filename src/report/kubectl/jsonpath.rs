//! JSONPath templates as kubectl has them: `{.items[*].metadata.name}`, `{range .items[*]}{.a}{"\n"}{end}`.
//!
//! Follows client-go 1.36 `util/jsonpath`, which differs from every other JSONPath: text around the braces, ranges,
//! filters on one comparison, and `'` or `"` quotes. Where Go walks a map in random order, this walks it sorted.

use super::go;
use serde_json::Value;
use std::iter::Peekable;
use std::str::Chars;

/// A parsed template.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    pieces: Vec<Piece>,
    missing_keys: MissingKeys,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MissingKeys {
    Refused,
    Allowed,
}

/// A piece of a template: text outside braces, or what one pair of braces holds.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Path(Vec<Step>),
    Range { over: Vec<Step>, body: Vec<Piece> },
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Constant(Value),
    Field(String),
    Wildcard,
    Recursive,
    Slice { start: Option<i64>, end: End, step: Option<i64> },
    Union(Vec<Vec<Step>>),
    Filter { left: Vec<Step>, comparison: Option<(String, Vec<Step>)> },
}

/// Where a slice ends: given, open, or behind its only index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    At(i64),
    Open,
    AfterStart,
}

impl JsonPath {
    /// Reads a template.
    pub fn parse(template: &str) -> Result<Self, String> {
        let mut actions = split(template)?.into_iter().peekable();
        let pieces = body(&mut actions, false)?;
        Ok(Self { pieces, missing_keys: MissingKeys::Refused })
    }

    /// The same template, for which a missing key is no error but an empty result.
    pub fn allow_missing_keys(mut self) -> Self {
        self.missing_keys = MissingKeys::Allowed;
        self
    }

    /// What each piece of the template finds.
    pub fn find(&self, data: &Value) -> Result<Vec<Vec<Value>>, String> {
        let mut results = Vec::new();
        self.find_pieces(&self.pieces, data, &mut results)?;
        Ok(results)
    }

    fn find_pieces(&self, pieces: &[Piece], data: &Value, results: &mut Vec<Vec<Value>>) -> Result<(), String> {
        for piece in pieces {
            match piece {
                Piece::Text(text) => results.push(vec![Value::String(text.clone())]),
                Piece::Path(steps) => results.push(self.walk(vec![data.clone()], steps)?),
                Piece::Range { over, body } => {
                    for item in self.walk(vec![data.clone()], over)? {
                        self.find_pieces(body, &item, results)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The text the template makes of `data`; `as_json` prints each result as an indented JSON list.
    pub fn print(&self, data: &Value, as_json: bool) -> Result<String, String> {
        let mut text = String::new();
        for values in self.find(data)? {
            if as_json {
                text += &(go::json(&Value::Array(values), "    ") + "\n");
            } else {
                text += &values.iter().map(printed).collect::<Vec<_>>().join(" ");
            }
        }
        Ok(text)
    }

    fn walk(&self, mut values: Vec<Value>, steps: &[Step]) -> Result<Vec<Value>, String> {
        for step in steps {
            values = self.take(values, step)?;
        }
        Ok(values)
    }

    fn take(&self, values: Vec<Value>, step: &Step) -> Result<Vec<Value>, String> {
        let mut found = Vec::new();
        match step {
            Step::Constant(constant) => found = values.iter().map(|_| constant.clone()).collect(),
            Step::Field(name) => {
                let any = !values.is_empty();
                found = values.into_iter().filter_map(|mut value| value.as_object_mut()?.remove(name)).collect();
                if any && found.is_empty() && self.missing_keys == MissingKeys::Refused {
                    return Err(format!("{name} is not found"));
                }
            }
            Step::Wildcard => found = values.iter().flat_map(children).cloned().collect(),
            Step::Recursive => values.iter().for_each(|value| descend(value, &mut found)),
            Step::Slice { start, end, step } => {
                for value in values.iter().filter(|value| !value.is_null()) {
                    let items = value.as_array().ok_or_else(|| format!("{} is not array or slice", kind(value)))?;
                    found.extend(slice(items, *start, *end, *step)?);
                }
            }
            Step::Union(paths) => {
                for path in paths {
                    found.extend(self.walk(values.clone(), path)?);
                }
            }
            Step::Filter { left, comparison } => {
                for value in &values {
                    let items = value
                        .as_array()
                        .ok_or_else(|| format!("{} is not array or slice and cannot be filtered", go::value(value)))?;
                    for item in items {
                        if self.passes(item, left, comparison.as_ref())? {
                            found.push(item.clone());
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    fn passes(&self, item: &Value, left: &[Step], comparison: Option<&(String, Vec<Step>)>) -> Result<bool, String> {
        let lefts = self.walk(vec![item.clone()], left);
        let Some((operator, right)) = comparison else {
            return Ok(lefts.is_ok_and(|values| !values.is_empty()));
        };
        let (lefts, rights) = (lefts?, self.walk(vec![item.clone()], right)?);
        match (lefts.as_slice(), rights.as_slice()) {
            ([], _) | (_, []) => Ok(false),
            ([left], [right]) => compare(left, operator, right),
            _ => Err("can only compare one element at a time".to_owned()),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn printed(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => go::json(value, ""),
        Value::Null => "null".to_owned(),
        other => go::value(other),
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

/// The value and all below it, as far as they have children.
fn descend(value: &Value, found: &mut Vec<Value>) {
    let below = children(value);
    if !below.is_empty() {
        found.push(value.clone());
        below.into_iter().for_each(|child| descend(child, found));
    }
}

fn slice(items: &[Value], start: Option<i64>, end: End, step: Option<i64>) -> Result<Vec<Value>, String> {
    let length = items.len() as i64;
    let from_end = |index: i64| if index < 0 { index + length } else { index };
    let first = start.unwrap_or(0);
    let end = match end {
        End::Open => length,
        End::At(index) => from_end(index),
        // Behind the last item lies the first one, counted from the end.
        End::AfterStart if first < 0 => first + 1 + length,
        End::AfterStart => first + 1,
    };
    let first = from_end(first);
    if first == end {
        return Ok(Vec::new());
    }
    let out_of_bounds = |index: i64| Err(format!("array index out of bounds: index {index}, length {length}"));
    if first >= length || first < 0 {
        return out_of_bounds(first);
    }
    if end > length || end < 0 {
        return out_of_bounds(end - 1);
    }
    if first > end {
        return Err(format!("starting index {first} is greater than ending index {end}"));
    }
    let step = step.unwrap_or(1);
    if step <= 0 {
        return Err("step must be > 0".to_owned());
    }
    Ok(items[first as usize..end as usize].iter().step_by(step as usize).cloned().collect())
}

fn compare(left: &Value, operator: &str, right: &Value) -> Result<bool, String> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = match (left, right) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().partial_cmp(&b.as_f64()).ok_or("incompatible types for comparison")?,
        },
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => return Err("incompatible types for comparison".to_owned()),
    };
    Ok(match operator {
        "==" => order == Equal,
        "!=" => order != Equal,
        "<" => order == Less,
        ">" => order == Greater,
        "<=" => order != Greater,
        ">=" => order != Less,
        _ => return Err(format!("unrecognized filter operator {operator}")),
    })
}

/// A piece before ranges are matched with their ends.
enum Action {
    Text(String),
    Path(Vec<Step>),
    Range(Vec<Step>),
    End,
}

fn split(template: &str) -> Result<Vec<Action>, String> {
    let mut actions = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        if open > 0 {
            actions.push(Action::Text(rest[..open].to_owned()));
        }
        let mut parser = Parser { chars: rest[open + 1..].chars().peekable() };
        actions.push(parser.action()?);
        let left: usize = parser.chars.map(char::len_utf8).sum();
        rest = &rest[rest.len() - left..];
    }
    if !rest.is_empty() {
        actions.push(Action::Text(rest.to_owned()));
    }
    Ok(actions)
}

fn body(actions: &mut Peekable<std::vec::IntoIter<Action>>, in_range: bool) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    while let Some(action) = actions.next() {
        pieces.push(match action {
            Action::Text(text) => Piece::Text(text),
            Action::Path(steps) => Piece::Path(steps),
            Action::Range(over) => Piece::Range { over, body: body(actions, true)? },
            Action::End if in_range => return Ok(pieces),
            Action::End => return Err("not in range, nothing to end".to_owned()),
        });
    }
    Ok(pieces)
}

struct Parser<'a> {
    chars: Peekable<Chars<'a>>,
}

impl Parser<'_> {
    /// Reads up to the closing brace.
    fn action(&mut self) -> Result<Action, String> {
        let mut steps = Vec::new();
        let mut keyword = None;
        while let Some(c) = self.chars.next() {
            match c {
                '}' => {
                    return Ok(match keyword.as_deref() {
                        None => Action::Path(steps),
                        Some("range") => Action::Range(steps),
                        Some("end") => Action::End,
                        Some(other) => return Err(format!("unrecognized identifier {other}")),
                    });
                }
                '\r' | '\n' => break,
                ' ' | '@' | '$' => {}
                '[' => steps.extend(self.brackets()?),
                '"' | '\'' => steps.push(Step::Constant(Value::String(self.quoted(c)?))),
                '.' if self.chars.peek() == Some(&'.') => {
                    self.chars.next();
                    steps.push(Step::Recursive);
                    if self.chars.peek().is_some_and(|c| c.is_alphanumeric() || *c == '_') {
                        steps.push(self.field());
                    }
                }
                '.' => steps.push(self.field()),
                '+' | '-' | '0'..='9' => steps.push(Step::Constant(self.number(c)?)),
                c if c.is_alphanumeric() || c == '_' => {
                    let word = c.to_string() + &self.word();
                    match word.as_str() {
                        "true" | "false" => steps.push(Step::Constant(Value::Bool(word == "true"))),
                        _ => keyword = Some(word),
                    }
                }
                c => return Err(format!("unrecognized character in action: U+{:04X} '{c}'", u32::from(c))),
            }
        }
        Err("unclosed action".to_owned())
    }

    /// Letters up to a terminator, backslashes taking the next one along.
    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(&c) = self.chars.peek() {
            if matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}') {
                break;
            }
            self.chars.next();
            if c == '\\' {
                word.extend(self.chars.next());
            } else {
                word.push(c);
            }
        }
        word
    }

    fn field(&mut self) -> Step {
        match self.word() {
            name if name == "*" => Step::Wildcard,
            name => Step::Field(name),
        }
    }

    fn number(&mut self, first: char) -> Result<Value, String> {
        let mut text = first.to_string();
        while let Some(c) = self.chars.next_if(|c| *c == '.' || c.is_ascii_digit()) {
            text.push(c);
        }
        let whole = text.trim_start_matches('+').parse::<i64>().map(Value::from);
        whole.or_else(|_| text.parse::<f64>().map(Value::from)).map_err(|_| format!("cannot parse number {text}"))
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        while let Some(c) = self.chars.next() {
            match c {
                c if c == quote => return Ok(text),
                '\n' => break,
                '\\' => text.push(match self.chars.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(other) => other,
                    None => break,
                }),
                c => text.push(c),
            }
        }
        Err("unterminated quoted string".to_owned())
    }

    /// What stands in brackets: an index, a slice, a key, a union or a filter.
    fn brackets(&mut self) -> Result<Vec<Step>, String> {
        if self.chars.peek() == Some(&'?') {
            return self.filter().map(|filter| vec![filter]);
        }
        let mut text = String::new();
        loop {
            match self.chars.next() {
                Some(']') => break,
                Some(c) if c != '\n' => text.push(c),
                _ => return Err("unterminated array".to_owned()),
            }
        }
        subscript(&text)
    }

    fn filter(&mut self) -> Result<Step, String> {
        self.chars.next();
        if self.chars.next() != Some('(') {
            return Err("invalid array index ?".to_owned());
        }
        let (mut text, mut quote) = (String::new(), None);
        loop {
            let c = self.chars.next().filter(|c| *c != '\n').ok_or("unterminated filter")?;
            match quote {
                None if c == ')' => break,
                None if matches!(c, '"' | '\'') => quote = Some(c),
                Some(q) if c == q && !text.ends_with('\\') => quote = None,
                _ => {}
            }
            text.push(c);
        }
        if self.chars.next() != Some(']') {
            return Err("unclosed array expect ]".to_owned());
        }
        let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
        let Some(start) = text.find(is_operator).filter(|start| *start > 0) else {
            return Ok(Step::Filter { left: steps_of(&text)?, comparison: None });
        };
        let length = text[start..].chars().take_while(|c| is_operator(*c)).count();
        let (operator, right) = text[start..].split_at(length);
        let comparison = Some((operator.to_owned(), steps_of(right)?));
        Ok(Step::Filter { left: steps_of(&text[..start])?, comparison })
    }
}

fn steps_of(text: &str) -> Result<Vec<Step>, String> {
    match (Parser { chars: format!("{text}}}").chars().peekable() }).action()? {
        Action::Path(steps) => Ok(steps),
        Action::Range(_) | Action::End | Action::Text(_) => Err(format!("unrecognized identifier {text}")),
    }
}

fn subscript(text: &str) -> Result<Vec<Step>, String> {
    if text.contains(',') {
        let paths = text.split(',').map(|part| subscript(part.trim_matches(' ')));
        return Ok(vec![Step::Union(paths.collect::<Result<_, _>>()?)]);
    }
    if let Some(key) = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).filter(|key| !key.contains('\'')) {
        return steps_of(&format!(".{key}"));
    }
    let text = if text == "*" { ":" } else { text };
    let invalid = || format!("invalid array index {text}");
    let numbers = text.split(':').map(|part| match part {
        "" => Ok(None),
        number => number.parse::<i64>().map(Some).map_err(|_| invalid()),
    });
    match *numbers.collect::<Result<Vec<_>, _>>()? {
        [start] => Ok(vec![Step::Slice { start: Some(start.unwrap_or(0)), end: End::AfterStart, step: None }]),
        [start, end] => Ok(vec![Step::Slice { start, end: end.map_or(End::Open, End::At), step: None }]),
        [start, end, step] => Ok(vec![Step::Slice { start, end: end.map_or(End::Open, End::At), step }]),
        _ => Err(invalid()),
    }
}

/// Accepts a path with or without braces and leading dot, and gives it both.
pub fn relaxed(path: &str) -> Result<String, String> {
    if path.is_empty() {
        return Ok(String::new());
    }
    let inner = path.strip_prefix('{').and_then(|p| p.strip_suffix('}')).unwrap_or(path);
    let field = inner.strip_prefix('.').unwrap_or(inner);
    if field.is_empty() || field.contains(['{', '}']) {
        return Err("unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or \
                    '{.name1.name2}'"
            .to_owned());
    }
    Ok(format!("{{.{field}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_print_what_they_find() {
        let data = json!({
            "kind": "List",
            "items": [
                {"name": "a", "n": 1, "l": {"x.y/z": "q"}, "t": [1, 2, 3]},
                {"name": "b", "n": 2, "l": {}, "t": [4]},
            ],
        });
        for (template, text) in [
            ("{.kind}", "List"),
            ("kind: {.kind}!", "kind: List!"),
            ("{$.items[*].name}", "a b"),
            ("{.items[0].name}{\"\\t\"}{.items[-1].name}", "a\tb"),
            ("{range .items[*]}{.name}={.n};{end}.", "a=1;b=2;."),
            ("{.items[?(@.name==\"b\")].n}", "2"),
            ("{.items[?(@.n>=1)].name}", "a b"),
            ("{.items[?(@.l.x\\.y/z)].name}", "a"),
            ("{.items[0].l['x\\.y/z']}", "q"),
            ("{.items[0].t[0:2]}", "1 2"),
            ("{.items[0].t[::2]}", "1 3"),
            ("{.items[0].t}", "[1,2,3]"),
            ("{.items[0]['name','n']}", "a 1"),
            ("{..name}", "a b"),
            ("{.items[0].l}", "{\"x.y/z\":\"q\"}"),
            ("{range .items[*]}{range .t[*]}{@}{end},{end}", "123,4,"),
        ] {
            let printed = JsonPath::parse(template).and_then(|path| path.allow_missing_keys().print(&data, false));
            assert_eq!(printed.as_deref(), Ok(text), "{template}");
        }
        for template in ["{.nothing}", "{.kind[0]}", "{.items[5]}", "{.kind", "{foo}", "{end}", "{.items[a]}"] {
            assert!(JsonPath::parse(template).and_then(|path| path.print(&data, false)).is_err(), "{template}");
        }
    }

    #[test]
    fn paths_need_no_braces() {
        for path in ["a.b", ".a.b", "{a.b}", "{.a.b}"] {
            assert_eq!(relaxed(path).as_deref(), Ok("{.a.b}"));
        }
        assert!(relaxed("{.a}{.b}").is_err());
    }
}
