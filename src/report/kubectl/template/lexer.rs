//! Text and actions, and the words inside actions.

/// A piece of a template: plain text, or what stands between `{{` and `}}`.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    Text(String),
    Action { words: Vec<Word>, line: usize },
}

/// A word of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    pub kind: WordKind,
    /// Where it begins and ends in the template.
    pub start: usize,
    pub end: usize,
    /// Whether a blank stands before it.
    pub spaced: bool,
}

/// What a word is.
#[derive(Debug, Clone, PartialEq)]
pub enum WordKind {
    /// `.`
    Dot,
    /// `.name`
    Field(String),
    /// `$` or `$name`
    Variable(String),
    /// A keyword or a function.
    Identifier(String),
    Text(String),
    Integer(i64),
    Float(f64),
    /// `|`, `(`, `)`, `,`, `:=`, `=`
    Mark(&'static str),
}

/// The line of a place.
pub fn line_of(source: &str, at: usize) -> usize {
    source[..at].matches('\n').count() + 1
}

/// Cuts a template into pieces.
pub fn pieces(source: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let (mut at, mut trim_left) = (0, false);
    loop {
        let rest = &source[at..];
        let open = rest.find("{{");
        let text = &rest[..open.unwrap_or(rest.len())];
        let text = if trim_left { text.trim_start() } else { text };
        let Some(open) = open else {
            pieces.push(Piece::Text(text.to_owned()));
            return Ok(pieces);
        };
        let mut begin = at + open + 2;
        let trims = source[begin..].starts_with('-') && source[begin + 1..].starts_with(char::is_whitespace);
        begin += usize::from(trims);
        pieces.push(Piece::Text(if trims { text.trim_end() } else { text }.to_owned()));
        let inner = source[begin..].trim_start();
        if inner.starts_with("/*") {
            let comment = source.len() - inner.len();
            let unclosed = || format!("line {}: unclosed comment", line_of(source, comment));
            let end = source[comment..].find("*/").ok_or_else(unclosed)? + comment + 2;
            let close = source[end..].find("}}").ok_or_else(unclosed)? + end;
            trim_left = source[end..close].trim() == "-";
            at = close + 2;
            continue;
        }
        let action = Action::read(source, begin)?;
        trim_left = action.trims;
        at = action.end;
        pieces.push(Piece::Action { words: action.words, line: line_of(source, begin) });
    }
}

/// An action that was read.
struct Action {
    words: Vec<Word>,
    /// Whether the text behind it loses its first blanks.
    trims: bool,
    /// Where that text begins.
    end: usize,
}

const UNCLOSED: &str = "unclosed action";

impl Action {
    fn read(source: &str, begin: usize) -> Result<Self, String> {
        let fail = |at: usize, what: &str| format!("{}: {what}", line_of(source, at));
        let mut words = Vec::new();
        let mut at = begin;
        loop {
            let before = at;
            at += source[at..].len() - source[at..].trim_start().len();
            let spaced = at > before;
            let rest = &source[at..];
            if rest.starts_with("}}") {
                return Ok(Self { words, trims: false, end: at + 2 });
            }
            if spaced && rest.starts_with("-}}") {
                return Ok(Self { words, trims: true, end: at + 3 });
            }
            let Some(first) = rest.chars().next() else { return Err(fail(begin, UNCLOSED)) };
            let name = |from: usize| {
                let name = &rest[from..];
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
                name[..end].to_owned()
            };
            let (kind, length) = match first {
                '.' if rest[1..].starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                    let name = name(1);
                    let length = name.len() + 1;
                    (WordKind::Field(name), length)
                }
                '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => (WordKind::Dot, 1),
                '$' => {
                    let name = format!("${}", name(1));
                    let length = name.len();
                    (WordKind::Variable(name), length)
                }
                '"' => {
                    let (text, length) = quoted(rest).ok_or_else(|| fail(at, "unterminated quoted string"))?;
                    (WordKind::Text(text), length)
                }
                '`' => {
                    let end = rest[1..].find('`').ok_or_else(|| fail(at, "unterminated raw quoted string"))?;
                    (WordKind::Text(rest[1..=end].to_owned()), end + 2)
                }
                '|' => (WordKind::Mark("|"), 1),
                '(' => (WordKind::Mark("("), 1),
                ')' => (WordKind::Mark(")"), 1),
                ',' => (WordKind::Mark(","), 1),
                ':' if rest.starts_with(":=") => (WordKind::Mark(":="), 2),
                '=' => (WordKind::Mark("="), 1),
                c if c.is_ascii_digit() || matches!(c, '+' | '-' | '.') => {
                    let (kind, length) = number(rest).ok_or_else(|| fail(at, "bad number syntax"))?;
                    (kind, length)
                }
                c if c.is_alphabetic() || c == '_' => {
                    let name = name(0);
                    let length = name.len();
                    (WordKind::Identifier(name), length)
                }
                c => {
                    let what = format!("unexpected {} in command", super::super::go::quoted(&c.to_string()));
                    return Err(fail(at, &what));
                }
            };
            words.push(Word { kind, start: at, end: at + length, spaced });
            at += length;
        }
    }
}

/// A string in double quotes, and how long it is as written.
fn quoted(rest: &str) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, at + 1)),
            '\n' => return None,
            '\\' => match chars.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                'x' | 'u' => {
                    let wide = rest.as_bytes().get(at + 1) == Some(&b'u');
                    let digits = if wide { 4 } else { 2 };
                    let hex: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                    text.push(char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?);
                }
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    None
}

fn number(rest: &str) -> Option<(WordKind, usize)> {
    let end =
        rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '+' | '-' | '_')).unwrap_or(rest.len());
    let text = &rest[..end];
    let digits = text.trim_start_matches('+').replace('_', "");
    let integer = match digits.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    };
    let kind = integer.map(WordKind::Integer).or_else(|| digits.parse().ok().map(WordKind::Float))?;
    Some((kind, end))
}
