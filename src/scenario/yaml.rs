//! YAML events and JSON text to values with positions.

use super::manifest::{Document, FieldPlaces, ManifestError, Parts, Position, Positions};
use crate::api::number;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The deepest nesting that is read.
const DEPTH: usize = 100;
/// The characters that are read in the hope that a text is better than it looks.
const EFFORT: usize = 100 << 20;
/// The nodes that aliases may stand for in one file.
const ALIASED_NODES: usize = 500_000;

/// The documents of a file, empty ones as null.
pub(super) fn parse(text: &str) -> Result<Vec<Document>, Vec<ManifestError>> {
    read(text).map_err(|mut errors| {
        for error in &mut errors {
            let line = text.lines().nth(error.position.line.saturating_sub(1) as usize);
            if line.is_some_and(|line| line.contains("{{")) {
                error.remedy = "render it first (helm template)".to_owned();
            }
        }
        errors
    })
}

fn read(text: &str) -> Result<Vec<Document>, Vec<ManifestError>> {
    if text.trim_start().starts_with('{') {
        match json(text) {
            Ok(documents) => return Ok(documents),
            Err(error) if error.found.starts_with("yaml:") || error.found.contains("nested") => {
                return Err(vec![error]);
            }
            // Flow style that is not JSON, such as KYAML.
            Err(_) => {}
        }
    }
    let mut text = Cow::Borrowed(text);
    let mut widened = Widened::new();
    let mut effort = 0;
    loop {
        match events(&text, &widened) {
            Err(Failure::Scan(error)) => text = Cow::Owned(mended(&text, &error, &mut widened, &mut effort)?),
            Err(Failure::Refused(errors)) => return Err(errors),
            Ok(documents) => return Ok(documents),
        }
    }
}

/// A text whose documents from the first on that cannot be read have become such as can be, as far as is known how.
fn mended(
    text: &str,
    error: &ScanError,
    widened: &mut Widened,
    effort: &mut usize,
) -> Result<String, Vec<ManifestError>> {
    *effort += text.len();
    let (start, end) = document_at(text, error.marker().line());
    let refused = |error: &ScanError, widened: &Widened| vec![scan_error(error, widened)];
    let first = match mended_document(text, start..end, widened, effort) {
        Ok(Some(document)) => document,
        // What is wrong is not in this document alone.
        Ok(None) => return Err(refused(error, widened)),
        Err(error) => return Err(refused(&error, widened)),
    };
    let mut whole = text[..start].to_owned() + &first;
    let mut at = end;
    while at < text.len() {
        let line = text[..at].matches('\n').count() + 1;
        let (_, end) = document_at(text, line);
        let mut tried = widened.clone();
        match mended_document(text, at..end, &mut tried, effort) {
            Ok(Some(document)) => {
                *widened = tried;
                whole.push_str(&document);
            }
            // It is read as it is, or told of when it is its turn.
            Ok(None) | Err(_) => whole.push_str(&text[at..end]),
        }
        at = end;
    }
    Ok(whole)
}

/// A document of a text that has become such as can be read; none if it was. Only it is read again and again.
fn mended_document(
    text: &str,
    place: Range<usize>,
    widened: &mut Widened,
    effort: &mut usize,
) -> Result<Option<String>, ScanError> {
    // The lines before it stay, without anything on them, so that places are those in the file.
    let before = text[..place.start].matches('\n').count();
    let mut document = "\n".repeat(before) + &text[place];
    let mut mended = false;
    while let Err(Failure::Scan(error)) = events(&document, widened) {
        let together = if mended { None } else { indented(&document, &error, widened) };
        match together.or_else(|| loosened(&document, &error, widened)) {
            Some(fixed) if *effort < EFFORT => document = fixed,
            _ => return Err(error),
        }
        *effort += document.len();
        mended = true;
    }
    Ok(mended.then(|| document.split_off(before)))
}

/// Where the document begins and ends that a line, counted from one, is in.
fn document_at(text: &str, line: usize) -> (usize, usize) {
    let (mut start, mut at) = (0, 0);
    for (place, content) in text.split_inclusive('\n').enumerate() {
        let begins = content.starts_with("---");
        if place >= line && (begins || content.starts_with("...")) {
            return (start, at);
        }
        if begins {
            start = at;
        }
        at += content.len();
    }
    (start, at)
}

enum Failure {
    Scan(ScanError),
    Refused(Vec<ManifestError>),
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        Self::Refused(vec![error])
    }
}

/// Places at which a text was made wider to be read: by line, the column and by how much.
type Widened = BTreeMap<usize, Vec<(usize, usize)>>;

fn position(line: usize, column: usize, widened: &Widened) -> Position {
    let before = widened.get(&line).into_iter().flatten().filter(|(at, _)| *at < column).map(|(_, width)| width);
    Position { line: line.max(1) as u32, column: (column - before.sum::<usize>().min(column)) as u32 + 1 }
}

/// What go-yaml reads and YAML 1.2 forbids, written in a way that the parser accepts: the escape `\'` in double quotes,
/// and lines within brackets or quotes that are indented less than the block around them.
fn loosened(text: &str, error: &ScanError, widened: &mut Widened) -> Option<String> {
    let marker = error.marker();
    let at = text.char_indices().nth(marker.index()).map_or(text.len(), |(at, _)| at);
    if error.info().contains("unknown escape") {
        return requoted(text, at, (marker.line(), marker.col()), false, widened);
    }
    if error.info() == "invalid indentation in quoted scalar" {
        return requoted(text, at, (marker.line(), marker.col()), true, widened);
    }
    if !matches!(error.info(), "invalid indentation" | "invalid indentation in flow construct") {
        return None;
    }
    let line_start = text[..at].rfind('\n')? + 1;
    let is_indentation = |c: char| c == ' ' || c == '-';
    let above = text[..line_start].lines().rev().find(|line| !line.trim().is_empty())?;
    let wanted = above.chars().take_while(|&c| is_indentation(c)).count() + 1;
    let width = wanted.saturating_sub(marker.col()).max(1);
    widened.entry(marker.line()).or_default().push((0, width));
    Some(format!("{}{}{}", &text[..line_start], " ".repeat(width), &text[line_start..]))
}

/// A document in which all quoted scalars from one on that is indented too little have lines that are indented enough,
/// if what looks like them all are such scalars: generated files have hundreds of them.
fn indented(text: &str, error: &ScanError, widened: &mut Widened) -> Option<String> {
    if error.info() != "invalid indentation in quoted scalar" {
        return None;
    }
    let mut fixed = String::with_capacity(text.len() * 2);
    let mut more = Widened::new();
    // The quote that is open, and how far the lines behind it go in.
    let mut open: Option<(char, usize)> = None;
    for (place, line) in text.split_inclusive('\n').enumerate() {
        let mut rest = line;
        if let Some((_, width)) = open {
            fixed.push_str(&" ".repeat(width));
            more.entry(place + 1).or_default().push((0, width));
        } else if place + 1 >= error.marker().line()
            && let Some((column, quote)) = opening_quote(line)
        {
            open = Some((quote, line[..column].chars().count() + 1));
            rest = &line[column + 1..];
        }
        fixed.push_str(line);
        if let Some((quote, _)) = open
            && closes(rest, quote)
        {
            open = None;
        }
    }
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(&fixed);
    let mut unseen: BTreeSet<usize> = more.keys().copied().collect();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.ok()?;
        if let Event::Scalar(_, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted, ..) = event {
            let inner = span.start.line() + 1..=span.end.line();
            unseen.retain(|line| !inner.contains(line));
        }
    }
    if !unseen.is_empty() {
        return None;
    }
    more.into_iter().for_each(|(line, added)| widened.entry(line).or_default().extend(added));
    Some(fixed)
}

/// Where a value or an element of a list begins with a quote in a line of block style, and with which.
fn opening_quote(line: &str) -> Option<(usize, char)> {
    let begins = |at: usize| line[at..].chars().next().filter(|c| matches!(c, '\'' | '"')).map(|quote| (at, quote));
    let start = line.len() - line.trim_start_matches([' ', '-']).len();
    begins(start).or_else(|| begins(line.find(": ")? + 2))
}

/// Whether a quote that is open ends in a text. Two single ones stand for one.
fn closes(text: &str, quote: char) -> bool {
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' if quote == '"' => drop(rest.next()),
            '\'' if quote == c && rest.peek() == Some(&c) => drop(rest.next()),
            _ if c == quote => return true,
            _ => {}
        }
    }
    false
}

/// A text with one quoted scalar changed: its escapes `\'`, or the indentation of its lines.
fn requoted(text: &str, start: usize, place: (usize, usize), indent: bool, widened: &mut Widened) -> Option<String> {
    let (mut line, mut column) = place;
    let mut fixed = String::with_capacity(text.len() + 64);
    fixed.push_str(&text[..start]);
    let mut rest = text[start..].chars();
    let quote = rest.next().filter(|c| matches!(c, '"' | '\''))?;
    fixed.push(quote);
    let mut changed = false;
    while let Some(c) = rest.next() {
        column += 1;
        if c == '\\' && quote == '"' {
            column += 1;
            match rest.next() {
                Some('\'') => {
                    fixed.push_str("\\x27");
                    widened.entry(line).or_default().push((column, 2));
                    column += 2;
                    changed = true;
                }
                Some(escaped) => fixed.extend(['\\', escaped]),
                None => fixed.push('\\'),
            }
            continue;
        }
        fixed.push(c);
        if c == quote {
            break;
        }
        if c == '\n' {
            (line, column) = (line + 1, 0);
            if indent {
                fixed.push_str(&" ".repeat(place.1 + 1));
                widened.entry(line).or_default().push((0, place.1 + 1));
                changed = true;
            }
        }
    }
    fixed.push_str(rest.as_str());
    changed.then_some(fixed)
}

fn scan_error(error: &ScanError, widened: &Widened) -> ManifestError {
    let (found, marker) = (error.info(), error.marker());
    if found.contains("recursion limit") {
        return too_deep(position(marker.line(), marker.col(), widened));
    }
    let remedy = if found.contains("tab") {
        "indent with spaces"
    } else if found.contains("anchor") {
        "define the anchor before it is used"
    } else if found.contains("escape") {
        "use single quotes, or an escape of YAML"
    } else if found.contains("quoted scalar") {
        "close the quotes"
    } else if found.contains("flow") || found.contains(',') {
        "close the brackets and separate their parts by commas"
    } else {
        "check indentation, colons and quotes here and above"
    };
    ManifestError::new(position(marker.line(), marker.col(), widened), found, remedy)
}

/// A finished value.
#[derive(Clone)]
struct Node {
    value: Value,
    positions: Positions,
    /// How many nodes it is made of.
    size: usize,
}

/// A list or an object that is being read.
struct Open {
    here: Position,
    anchor: usize,
    size: usize,
    content: Content,
}

enum Content {
    List { elements: Vec<Value>, places: Vec<Positions> },
    Object { fields: Map<String, Value>, places: FieldPlaces, key: Option<Key>, merged: Vec<Node> },
}

enum Key {
    Name(String, Position),
    Merge,
}

struct Builder<'w> {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    aliased: usize,
    documents: Vec<Document>,
    errors: Vec<ManifestError>,
    widened: &'w Widened,
}

fn events(text: &str, widened: &Widened) -> Result<Vec<Document>, Failure> {
    let mut builder = Builder {
        open: Vec::new(),
        anchors: BTreeMap::new(),
        aliased: 0,
        documents: Vec::new(),
        errors: Vec::new(),
        widened,
    };
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(Failure::Scan)?;
        builder.event(event, span)?;
    }
    if builder.errors.is_empty() { Ok(builder.documents) } else { Err(Failure::Refused(builder.errors)) }
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), ManifestError> {
        let here = position(span.start.line(), span.start.col(), self.widened);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_key = self.expects_key();
                if is_key && style == ScalarStyle::Plain && text == "<<" && tag.is_none() {
                    return self.key(Key::Merge);
                }
                let value = scalar(&text, style, tag.as_deref()).map_err(|found| {
                    ManifestError::new(here, found, "use a value of the tag's type, or leave the tag out")
                })?;
                self.finished(Node { value, positions: leaf(here), size: 1 }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                let content = Content::List { elements: Vec::new(), places: Vec::new() };
                self.begin(here, anchor, content)
            }
            Event::MappingStart(anchor, _) => {
                let (fields, places) = (Map::new(), FieldPlaces::default());
                let content = Content::Object { fields, places, key: None, merged: Vec::new() };
                self.begin(here, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let anchor = open.anchor;
                self.finished(close(open), anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    // The parser knows the anchors of the whole stream; a document has only its own.
                    let (found, remedy) = match self.open.iter().any(|open| open.anchor == anchor) {
                        true => ("an anchor that contains itself", "write the value out"),
                        false => ("unknown anchor", "define it in the same document"),
                    };
                    return Err(ManifestError::new(here, found, remedy));
                };
                self.aliased += node.size;
                if self.aliased > ALIASED_NODES {
                    let found = "yaml: document contains excessive aliasing";
                    return Err(ManifestError::new(here, found, "write the values out"));
                }
                let mut node = node.clone();
                node.positions.here = here;
                self.finished(node, 0)
            }
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Object { key: None, .. }, .. }))
    }

    fn begin(&mut self, here: Position, anchor: usize, content: Content) -> Result<(), ManifestError> {
        if self.open.len() >= DEPTH {
            return Err(too_deep(here));
        }
        self.open.push(Open { here, anchor, size: 1, content });
        Ok(())
    }

    fn key(&mut self, new: Key) -> Result<(), ManifestError> {
        if let Some(Open { content: Content::Object { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(new);
        }
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn finished(&mut self, node: Node, anchor: usize) -> Result<(), ManifestError> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(Document { value: node.value, positions: node.positions });
            return Ok(());
        };
        open.size += node.size;
        match &mut open.content {
            Content::List { elements, places } => {
                elements.push(node.value);
                places.push(node.positions);
            }
            Content::Object { fields, places, key, merged } => match key.take() {
                None => *key = Some(Key::Name(key_text(&node)?, node.positions.here)),
                Some(Key::Merge) => merge(node, merged)?,
                Some(Key::Name(name, at)) => {
                    if fields.contains_key(&name) {
                        self.errors.push(duplicate(&name, at, node.positions.here));
                    } else {
                        places.insert(&name, (at, node.positions));
                        fields.insert(name, node.value);
                    }
                }
            },
        }
        Ok(())
    }
}

fn too_deep(here: Position) -> ManifestError {
    ManifestError::new(here, "a value nested more than 100 deep", "nest less")
}

fn duplicate(name: &str, at: Position, value: Position) -> ManifestError {
    let found = format!("yaml: unmarshal errors:\n  line {}: key {name:?} already set in map", value.line.max(at.line));
    ManifestError::new(at, found, "keep one of the two")
}

fn leaf(here: Position) -> Positions {
    Positions { here, parts: Parts::None }
}

/// Adds what a merge key names: an object, or several of which the first wins.
fn merge(node: Node, merged: &mut Vec<Node>) -> Result<(), ManifestError> {
    let Node { value, positions, size } = node;
    match (value, positions.parts) {
        (value @ Value::Object(_), parts) => {
            merged.push(Node { value, positions: Positions { here: positions.here, parts }, size });
        }
        (Value::Array(elements), Parts::Elements(places)) if elements.iter().all(Value::is_object) => {
            let nodes = elements.into_iter().zip(places);
            merged.extend(nodes.map(|(value, positions)| Node { value, positions, size: 0 }));
        }
        _ => {
            let found = "yaml: map merge requires map or sequence of maps as the value";
            return Err(ManifestError::new(positions.here, found, "merge an object, or a list of objects"));
        }
    }
    Ok(())
}

fn close(open: Open) -> Node {
    let (value, parts) = match open.content {
        Content::List { elements, places } => (Value::Array(elements), Parts::Elements(places)),
        Content::Object { mut fields, mut places, merged, .. } => {
            for node in merged {
                let (Value::Object(more), Parts::Fields(mut more_places)) = (node.value, node.positions.parts) else {
                    continue;
                };
                for (name, value) in more {
                    if !fields.contains_key(&name) {
                        if let Some(place) = more_places.remove(&name) {
                            places.insert(&name, place);
                        }
                        fields.insert(name, value);
                    }
                }
            }
            (Value::Object(fields), Parts::Fields(places))
        }
    };
    Node { value, positions: Positions { here: open.here, parts }, size: open.size }
}

/// A key as JSON has it.
fn key_text(node: &Node) -> Result<String, ManifestError> {
    let found = match &node.value {
        Value::String(text) => return Ok(text.clone()),
        Value::Bool(value) => return Ok(value.to_string()),
        Value::Number(number) => return Ok(number.to_string()),
        Value::Null => "nothing as key",
        Value::Array(_) => "a list as key",
        Value::Object(_) => "an object as key",
    };
    Err(ManifestError::new(node.positions.here, found, "keys are texts"))
}

/// The value of a scalar (go-yaml v2 `resolve.go`).
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let tag = tag.map_or("", |tag| match (tag.is_yaml_core_schema(), &tag.suffix) {
        (true, suffix) => suffix.as_str(),
        (false, _) => "other",
    });
    let plain = style == ScalarStyle::Plain;
    let value = match tag {
        "" if plain => resolve(text),
        "" | "str" | "other" | "timestamp" => Value::String(text.to_owned()),
        "binary" => Value::String(base64(text).ok_or("!!binary value contains invalid base64 data")?),
        _ => resolve(text),
    };
    let fits = match tag {
        "int" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        "bool" => value.is_boolean(),
        "null" => value.is_null(),
        _ => true,
    };
    if fits { Ok(value) } else { Err(format!("yaml: cannot decode `{text}` as a !!{tag}")) }
}

/// The value of a plain scalar.
fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return true.into(),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return false.into(),
        _ => {}
    }
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let value = if is_number { numeric(text) } else { None };
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn numeric(text: &str) -> Option<Value> {
    let plain = text.replace('_', "");
    if !text.starts_with('.')
        && let Some(value) = integer(&plain)
    {
        return Some(value);
    }
    // The grammar of floats is narrower than that of Rust: no words, no exponent alone.
    let unsigned = plain.trim_start_matches(['+', '-']);
    let is_float = plain.len() - unsigned.len() <= 1
        && unsigned.bytes().all(|c| c.is_ascii_digit() || b".eE+-".contains(&c))
        && unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let float = if is_float { plain.parse::<f64>().ok()? } else { return None };
    number(float).map(Value::Number)
}

/// An integer as `strconv.ParseInt(text, 0, 64)` reads it.
fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if !negative {
        return Some(magnitude.into());
    }
    0i64.checked_sub_unsigned(magnitude).map(Value::from)
}

/// Base64 with padding; blanks are skipped.
fn base64(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0u32, 0);
    for c in text.bytes().filter(|c| !c.is_ascii_whitespace() && *c != b'=') {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// JSON values one after another, read at the speed that dumps of whole clusters ask for.
fn json(text: &str) -> Result<Vec<Document>, ManifestError> {
    let mut reader = Json { text, at: 0, line: 1, counted: (0, 1) };
    let mut documents = Vec::new();
    reader.skip_blanks();
    while reader.at < text.len() {
        let node = reader.value(0)?;
        documents.push(Document { value: node.0, positions: node.1 });
        reader.skip_blanks();
    }
    Ok(documents)
}

struct Json<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    /// A place on this line and its column: dumps are one long line, which is not to be counted from its start again.
    counted: (usize, u32),
}

impl Json<'_> {
    fn here(&mut self) -> Position {
        let (from, column) = self.counted;
        self.counted = (self.at, column + self.text[from..self.at].chars().count() as u32);
        Position { line: self.line as u32, column: self.counted.1 }
    }

    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn skip_blanks(&mut self) {
        while let c @ (b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
            if c == b'\n' {
                (self.line, self.counted) = (self.line + 1, (self.at, 1));
            }
        }
    }

    fn error(&mut self) -> ManifestError {
        ManifestError::new(self.here(), "text that is not JSON", "write a JSON value")
    }

    fn value(&mut self, depth: usize) -> Result<(Value, Positions), ManifestError> {
        let here = self.here();
        if depth > DEPTH {
            return Err(too_deep(here));
        }
        match self.peek() {
            b'{' => self.object(here, depth),
            b'[' => self.list(here, depth),
            b'"' => Ok((Value::String(self.string()?), leaf(here))),
            _ => Ok((self.literal()?, leaf(here))),
        }
    }

    fn object(&mut self, here: Position, depth: usize) -> Result<(Value, Positions), ManifestError> {
        let (mut fields, mut places) = (Map::new(), FieldPlaces::default());
        let mut more = self.opened(b'}');
        while more {
            let at = self.here();
            let name = self.string()?;
            self.skip_blanks();
            self.expect(b':')?;
            self.skip_blanks();
            let (value, positions) = self.value(depth + 1)?;
            if fields.contains_key(&name) {
                return Err(duplicate(&name, at, positions.here));
            }
            places.insert(&name, (at, positions));
            fields.insert(name, value);
            more = self.continued(b'}')?;
        }
        Ok((Value::Object(fields), Positions { here, parts: Parts::Fields(places) }))
    }

    fn list(&mut self, here: Position, depth: usize) -> Result<(Value, Positions), ManifestError> {
        let (mut elements, mut places) = (Vec::new(), Vec::new());
        let mut more = self.opened(b']');
        while more {
            let (value, positions) = self.value(depth + 1)?;
            elements.push(value);
            places.push(positions);
            more = self.continued(b']')?;
        }
        Ok((Value::Array(elements), Positions { here, parts: Parts::Elements(places) }))
    }

    /// Passes the opening bracket; whether something is inside.
    fn opened(&mut self, closing: u8) -> bool {
        self.at += 1;
        self.skip_blanks();
        let empty = self.peek() == closing;
        self.at += usize::from(empty);
        !empty
    }

    /// Passes a comma or the closing bracket; whether more follows.
    fn continued(&mut self, closing: u8) -> Result<bool, ManifestError> {
        self.skip_blanks();
        if self.peek() == closing {
            self.at += 1;
            return Ok(false);
        }
        self.expect(b',')?;
        self.skip_blanks();
        Ok(true)
    }

    fn expect(&mut self, byte: u8) -> Result<(), ManifestError> {
        if self.peek() != byte {
            return Err(self.error());
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<String, ManifestError> {
        if self.peek() != b'"' {
            return Err(self.error());
        }
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        while !matches!(bytes.get(end), None | Some(b'"')) {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let inside = self.text.get(self.at..=end).ok_or_else(|| self.error())?;
        let plain = inside.bytes().all(|byte| byte >= b' ' && byte != b'\\');
        let read = if plain && inside.len() > 1 {
            inside[1..inside.len() - 1].to_owned()
        } else {
            serde_json::from_str(inside).map_err(|_| self.error())?
        };
        self.at = end + 1;
        Ok(read)
    }

    fn literal(&mut self) -> Result<Value, ManifestError> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(rest.len());
        let read = serde_json::from_str(&rest[..length]).map_err(|_| self.error())?;
        self.at += length;
        Ok(match read {
            Value::Number(n) if n.is_f64() => n.as_f64().and_then(number).map_or(Value::Null, Value::Number),
            other => other,
        })
    }
}
