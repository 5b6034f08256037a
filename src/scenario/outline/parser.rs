//! RON text to an outline. The grammar is that of the crate `ron` 0.12; what a scenario never holds (byte strings) is
//! refused.

use super::{Body, Field, Node, Shape};
use crate::scenario::manifest::Position;

/// The deepest nesting that is read.
const DEPTH: usize = 100;

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct SyntaxError {
    /// Where.
    pub at: Position,
    /// What was found.
    pub found: String,
    /// What would do.
    pub remedy: String,
}

/// Reads a file that holds one value. Repeated names are noted beside it; the first one counts.
pub(in crate::scenario) fn parse(text: &str) -> (Option<Node>, Vec<SyntaxError>) {
    let mut parser = Parser { rest: text, line: 1, column: 1, ids: 0, depth: 0, repeated: Vec::new() };
    let parsed = parser.file();
    let mut errors = parser.repeated;
    match parsed {
        Ok(node) => (Some(node), errors),
        Err(error) => {
            errors.push(error);
            (None, errors)
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
    line: u32,
    column: u32,
    ids: u32,
    depth: usize,
    repeated: Vec<SyntaxError>,
}

type Parsed<T> = Result<T, SyntaxError>;

fn error<T>(at: Position, found: impl Into<String>, remedy: impl Into<String>) -> Parsed<T> {
    Err(SyntaxError { at, found: found.into(), remedy: remedy.into() })
}

impl Parser<'_> {
    fn here(&self) -> Position {
        Position { line: self.line, column: self.column }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' {
            (self.line, self.column) = (self.line + 1, 1);
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn skip(&mut self, characters: usize) {
        for _ in 0..characters {
            self.next();
        }
    }

    fn takes(&mut self, token: &str) -> bool {
        let found = self.rest.starts_with(token);
        if found {
            self.skip(token.chars().count());
        }
        found
    }

    /// What stands here, for people.
    fn found(&self) -> String {
        match self.peek() {
            None => "the end of the file".to_owned(),
            Some(c) => format!("{c:?}"),
        }
    }

    fn blanks(&mut self) -> Parsed<()> {
        loop {
            match self.peek() {
                Some(c) if c.is_whitespace() => self.skip(1),
                Some('/') if self.rest.starts_with("//") => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.skip(1);
                    }
                }
                Some('/') if self.rest.starts_with("/*") => self.block_comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn block_comment(&mut self) -> Parsed<()> {
        let at = self.here();
        let mut open = 0;
        loop {
            if self.takes("/*") {
                open += 1;
            } else if self.takes("*/") {
                open -= 1;
                if open == 0 {
                    return Ok(());
                }
            } else if self.next().is_none() {
                return error(at, "a comment that is never closed", "close it with */");
            }
        }
    }

    fn file(&mut self) -> Parsed<Node> {
        self.takes("\u{feff}");
        self.blanks()?;
        while self.rest.starts_with("#!") {
            let at = self.here();
            let Some(end) = self.rest.find(']') else {
                return error(at, "an attribute that is never closed", "write #![enable(implicit_some)]");
            };
            self.skip(self.rest[..=end].chars().count());
            self.blanks()?;
        }
        let node = self.value()?;
        self.blanks()?;
        if self.peek().is_some() {
            let found = format!("{} after the end of the value", self.found());
            return error(self.here(), found, "a file holds one value: put everything into its parentheses");
        }
        Ok(node)
    }

    fn node(&mut self, at: Position, shape: Shape) -> Node {
        self.ids += 1;
        Node { id: self.ids, at, shape }
    }

    fn value(&mut self) -> Parsed<Node> {
        let at = self.here();
        self.depth += 1;
        if self.depth > DEPTH {
            return error(at, format!("a value nested more than {DEPTH} deep"), "nest less");
        }
        let shape = self.shape(at)?;
        self.depth -= 1;
        Ok(self.node(at, shape))
    }

    fn shape(&mut self, at: Position) -> Parsed<Shape> {
        match self.peek() {
            Some('[') => self.list(at),
            Some('{') => self.map(at),
            Some('(') => Ok(Shape::Struct(None, self.body(at)?)),
            Some('"') => self.text(at),
            Some('\'') => self.character(at),
            Some('r') if self.rest.starts_with("r\"") || self.rest.starts_with("r#\"") => self.raw_text(at),
            Some('r') if self.rest.starts_with("r##") => self.raw_text(at),
            Some('b') if ["b\"", "br\"", "br#"].iter().any(|start| self.rest.starts_with(start)) => {
                error(at, "a byte string", "write a text in quotes")
            }
            Some(c) if c.is_ascii_digit() || "+-.".contains(c) => self.number(at),
            Some(c) if c.is_alphabetic() || c == '_' => self.word(),
            _ => error(at, self.found(), "a value is expected here: a text, a number, ( ), [ ] or { }"),
        }
    }

    fn word(&mut self) -> Parsed<Shape> {
        let name = self.identifier();
        match name.as_str() {
            "true" => return Ok(Shape::Bool(true)),
            "false" => return Ok(Shape::Bool(false)),
            "inf" | "NaN" => return Ok(Shape::Number(name)),
            _ => {}
        }
        let before = (self.rest, self.line, self.column);
        self.blanks()?;
        if self.peek() == Some('(') {
            let at = self.here();
            return Ok(Shape::Struct(Some(name), self.body(at)?));
        }
        (self.rest, self.line, self.column) = before;
        Ok(Shape::Struct(Some(name), Body::Unit))
    }

    fn identifier(&mut self) -> String {
        self.takes("r#");
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|&c| c.is_alphanumeric() || c == '_') {
            name.push(c);
            self.skip(1);
        }
        name
    }

    /// A name that a colon follows, without moving.
    fn at_field(&self) -> bool {
        let rest = self.rest.strip_prefix("r#").unwrap_or(self.rest);
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let starts = rest.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let after = rest[end..].trim_start();
        starts && (after.starts_with(':') || after.starts_with('=')) && !after.starts_with("::")
    }

    fn body(&mut self, at: Position) -> Parsed<Body> {
        self.skip(1);
        self.blanks()?;
        if self.takes(")") {
            return Ok(Body::Unit);
        }
        if self.at_field() {
            return self.fields(at).map(Body::Fields);
        }
        let mut elements = Vec::new();
        loop {
            elements.push(self.value()?);
            self.blanks()?;
            if self.peek() == Some(':') && matches!(elements.last(), Some(Node { shape: Shape::Text(..), .. })) {
                return error(elements[0].at, "the name of a field in quotes", "write field names without quotes");
            }
            if !self.goes_on(at, '(', ')')? {
                return Ok(Body::Tuple(elements));
            }
        }
    }

    fn fields(&mut self, open: Position) -> Parsed<Vec<Field>> {
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let at = self.here();
            if !self.at_field() {
                let remedy = "fields are written name: value, with a comma between them";
                return error(at, format!("{} where a field is expected", self.found()), remedy);
            }
            let name = self.identifier();
            self.blanks()?;
            if self.peek() == Some('=') {
                return error(self.here(), "'='", "write a colon between the name of a field and its value");
            }
            self.skip(1);
            self.blanks()?;
            let value = self.value()?;
            if fields.iter().any(|field| field.name == name) {
                let (found, remedy) = (format!("the field {name} a second time"), "keep one of the two".to_owned());
                self.repeated.push(SyntaxError { at, found, remedy });
            } else {
                fields.push(Field { name, at, value });
            }
            self.blanks()?;
            if !self.goes_on(open, '(', ')')? {
                return Ok(fields);
            }
        }
    }

    /// Passes a comma or the closing bracket; whether more follows.
    fn goes_on(&mut self, open: Position, opening: char, closing: char) -> Parsed<bool> {
        let comma = self.takes(",");
        self.blanks()?;
        match self.peek() {
            Some(c) if c == closing => {
                self.skip(1);
                Ok(false)
            }
            None => error(open, format!("a {opening:?} that is never closed"), format!("close it with {closing:?}")),
            Some(_) if comma => Ok(true),
            Some(c @ (')' | ']' | '}')) => {
                let found = format!("{c:?} where the {opening:?} of {open} is still open");
                error(self.here(), found, format!("close it with {closing:?} first"))
            }
            Some(_) => {
                let remedy = format!("put a comma here, or {closing:?} to close the {opening:?} of {open}");
                error(self.here(), self.found(), remedy)
            }
        }
    }

    fn list(&mut self, at: Position) -> Parsed<Shape> {
        self.skip(1);
        self.blanks()?;
        let mut elements = Vec::new();
        if self.takes("]") {
            return Ok(Shape::List(elements));
        }
        loop {
            elements.push(self.value()?);
            self.blanks()?;
            if !self.goes_on(at, '[', ']')? {
                return Ok(Shape::List(elements));
            }
        }
    }

    fn map(&mut self, at: Position) -> Parsed<Shape> {
        self.skip(1);
        self.blanks()?;
        let mut entries: Vec<(Node, Node)> = Vec::new();
        if self.takes("}") {
            return Ok(Shape::Map(entries));
        }
        loop {
            let key = self.value()?;
            self.blanks()?;
            if !self.takes(":") {
                return error(self.here(), self.found(), "a colon stands between a key and its value");
            }
            self.blanks()?;
            let value = self.value()?;
            let same = |(have, _): &&(Node, Node)| same_key(&have.shape, &key.shape);
            if entries.iter().find(same).is_some() {
                let found = format!("{} as a key a second time", key.describe());
                self.repeated.push(SyntaxError { at: key.at, found, remedy: "keep one of the two".to_owned() });
            } else {
                entries.push((key, value));
            }
            self.blanks()?;
            if !self.goes_on(at, '{', '}')? {
                return Ok(Shape::Map(entries));
            }
        }
    }

    fn number(&mut self, at: Position) -> Parsed<Shape> {
        let mut text = String::new();
        let mut previous = ' ';
        while let Some(c) = self.peek() {
            let sign = "+-".contains(c) && (text.is_empty() || "eE".contains(previous) && !text.starts_with("0x"));
            if !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || sign) {
                break;
            }
            text.push(c);
            previous = c;
            self.skip(1);
        }
        let plain = text.replace('_', "");
        let types = ["i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128", "f32", "f64"];
        let is_hex = plain.trim_start_matches(['+', '-']).starts_with("0x");
        let suffix = types.iter().find(|suffix| plain.ends_with(*suffix) && !(is_hex && suffix.starts_with('f')));
        let plain = suffix.map_or(plain.as_str(), |suffix| plain.strip_suffix(suffix).unwrap_or(&plain));
        if integer(plain).is_some() || float(plain).is_some() {
            return Ok(Shape::Number(plain.to_owned()));
        }
        let remedy =
            "write a number in digits; durations and quantities are texts in quotes, such as \"90s\" or \"2Gi\"";
        error(at, format!("{:?}", super::shortened(&text)), remedy)
    }

    fn character(&mut self, at: Position) -> Parsed<Shape> {
        self.skip(1);
        let c = match self.next() {
            Some('\\') => self.escape()?,
            Some(c) if c != '\'' && c != '\n' => c,
            _ => return error(at, "quotes without a character", "write texts in double quotes"),
        };
        if self.takes("'") {
            return Ok(Shape::Char(c));
        }
        error(at, "several characters in single quotes", "write texts in double quotes")
    }

    fn text(&mut self, at: Position) -> Parsed<Shape> {
        self.skip(1);
        let inside = self.here();
        let mut text = String::new();
        loop {
            match self.next() {
                None => return error(at, "a text that is never closed", "close it with '\"'"),
                Some('"') => return Ok(Shape::Text(text, inside)),
                Some('\\') => text.push(self.escape()?),
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Parsed<char> {
        let at = Position { line: self.line, column: self.column.saturating_sub(1) };
        let code = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        let known = match self.next() {
            Some(c @ ('"' | '\\' | '\'')) => Some(c),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('0') => Some('\0'),
            Some('x') => {
                let digits: String = self.rest.chars().take(2).collect();
                self.skip(2);
                code(&digits)
            }
            Some('u') if self.peek() == Some('{') => {
                let end = self.rest.find('}').filter(|end| *end <= 8);
                let digits = end.map_or(String::new(), |end| self.rest[1..end].to_owned());
                self.skip(digits.chars().count() + 2);
                code(&digits)
            }
            _ => None,
        };
        let remedy = "escapes are \\n \\t \\r \\0 \\\" \\\\ \\x41 \\u{1F600}; a raw text r\"…\" has none";
        known.map_or_else(|| error(at, "an escape that is not known", remedy), Ok)
    }

    fn raw_text(&mut self, at: Position) -> Parsed<Shape> {
        self.skip(1);
        let hashes = self.rest.chars().take_while(|&c| c == '#').count();
        self.skip(hashes);
        if !self.takes("\"") {
            return error(at, "a raw text without quotes", "write r#\"…\"#");
        }
        let inside = self.here();
        let closing = format!("\"{}", "#".repeat(hashes));
        let Some(end) = self.rest.find(&closing) else {
            return error(at, "a raw text that is never closed", format!("close it with {closing}"));
        };
        let text = self.rest[..end].to_owned();
        self.skip(text.chars().count() + closing.len());
        Ok(Shape::Text(text, inside))
    }
}

fn same_key(a: &Shape, b: &Shape) -> bool {
    match (a, b) {
        (Shape::Text(a, _), Shape::Text(b, _)) => a == b,
        _ => a == b,
    }
}

/// An integer as RON writes it.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -magnitude } else { magnitude })
}

/// A number with a fraction, an exponent, or more digits than any integer.
pub(super) fn float(text: &str) -> Option<f64> {
    let numeric = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    if matches!(text, "inf" | "NaN") || text.chars().all(numeric) && text.contains(|c: char| c.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        let (_, errors) = parse(text);
        errors.iter().map(|error| format!("{}: {}; {}", error.at, error.found, error.remedy)).collect()
    }

    #[test]
    fn every_value_knows_its_place() {
        let text = "#![enable(implicit_some)]\n// scenario\nScenario(\n  a: [1, -2.5e3, 0x1F],\n  b: {\"k\": r#\"x\"y\"#},\n  \
            c: Some(('q', \"a\\n\\u{e9}\")), /* /* */ */ d: Unit,\n)";
        let (Some(node), errors) = parse(text) else { panic!("good RON") };
        assert!(errors.is_empty(), "{errors:?}");
        let Shape::Struct(Some(name), Body::Fields(fields)) = node.shape else { panic!("a struct") };
        assert_eq!(name, "Scenario");
        let places: Vec<String> = fields.iter().map(|f| format!("{}@{}={}", f.name, f.at, f.value.at)).collect();
        assert_eq!(places, ["a@4:3=4:6", "b@5:3=5:6", "c@6:3=6:6", "d@6:44=6:47"]);
        let Shape::Map(entries) = &fields[1].value.shape else { panic!("a map") };
        assert_eq!(entries[0].1.shape, Shape::Text("x\"y".into(), Position { line: 5, column: 15 }));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            ("(a: 1", "1:1: a '(' that is never closed; close it with ')'"),
            ("(a: [1, 2)", "1:10: ')' where the '[' of 1:5 is still open; close it with ']' first"),
            ("(a: \"x)", "1:5: a text that is never closed; close it with '\"'"),
            ("(a = 1)", "1:4: '='; write a colon between the name of a field and its value"),
            ("(\"a\": 1)", "1:2: the name of a field in quotes; write field names without quotes"),
            ("(a: 1 b: 2)", "1:7: 'b'; put a comma here, or ')' to close the '(' of 1:1"),
            (
                "(a: 90s)",
                "1:5: \"90s\"; write a number in digits; durations and quantities are texts in quotes, such \
                as \"90s\" or \"2Gi\"",
            ),
            ("(a: 1, a: 2)", "1:8: the field a a second time; keep one of the two"),
            ("{\"a\": 1, \"a\": 2}", "1:10: the text \"a\" as a key a second time; keep one of the two"),
            (
                "() x",
                "1:4: 'x' after the end of the value; a file holds one value: put everything into its parentheses",
            ),
            ("", "1:1: the end of the file; a value is expected here: a text, a number, ( ), [ ] or { }"),
            (
                "\"a\\q\"",
                "1:3: an escape that is not known; escapes are \\n \\t \\r \\0 \\\" \\\\ \\x41 \\u{1F600}; a \
                raw text r\"…\" has none",
            ),
        ] {
            assert_eq!(errors(text), [expected], "{text}");
        }
        assert!(errors(&"[".repeat(100_000))[0].contains("nested"));
    }
}
