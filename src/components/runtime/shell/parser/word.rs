//! Words: quotes, escapes, expansions.

use super::super::syntax::{List, Piece, Word};
use super::cursor::{META, Parsed, Parser};
use std::sync::Arc;

/// Brace expansion makes at most so many words of one.
const MAX_BRACES: usize = 20_000;

/// What surrounds the characters that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// A word of a command: ends at a blank or an operator.
    Plain,
    /// Within double quotes.
    Quotes,
    /// The operand of `${name:-...}`, outside of quotes: ends at `}` or a given character.
    Operand,
    /// The operand of `${name:-...}` within double quotes.
    QuotedOperand,
    /// A here-document: to the end.
    Document,
    /// The right side of `=~`: like a plain word, but with parentheses and bars.
    Regex,
}

impl Parser<'_> {
    pub(super) fn since(&self, start: usize) -> &str {
        self.between(start, self.at)
    }

    /// One word.
    pub(super) fn word(&mut self) -> Parsed<Word> {
        let start = self.at;
        let pieces = self.pieces(Context::Plain, &[])?;
        if self.at == start {
            return Err(self.unexpected());
        }
        let raw = self.since(start);
        let braces = if raw.contains('{') && raw.contains('}') { self.braces(start)? } else { None };
        Ok(Word { pieces, braces })
    }

    /// The text of a here-document.
    pub(super) fn here_text(&mut self) -> Parsed<Word> {
        let pieces = self.pieces(Context::Document, &[])?;
        Ok(Word { pieces: vec![Piece::DoubleQuoted(pieces)], braces: None })
    }

    /// The pieces up to the end of the context, or up to a stop character outside of quotes.
    pub(super) fn pieces(&mut self, context: Context, stops: &[char]) -> Parsed<Vec<Piece>> {
        self.nested(|parser| parser.pieces_inside(context, stops))
    }

    fn pieces_inside(&mut self, context: Context, stops: &[char]) -> Parsed<Vec<Piece>> {
        use Context::{Document, Operand, Plain, QuotedOperand, Quotes, Regex};
        let mut pieces = Vec::new();
        if matches!(context, Plain | Operand) && self.peek() == Some('~') {
            self.tilde(&mut pieces);
        }
        while let Some(c) = self.peek() {
            let ends = match context {
                Plain => META.contains(&c),
                Regex => matches!(c, ' ' | '\t' | '\n'),
                Quotes => c == '"',
                Operand | QuotedOperand => c == '}',
                Document => false,
            };
            if ends || stops.contains(&c) {
                break;
            }
            let quoted = matches!(context, Quotes | QuotedOperand | Document);
            match c {
                '\\' => self.escape(context, &mut pieces),
                '\'' if !quoted => {
                    self.next();
                    let text = self.take_while(|c| c != '\'').to_owned();
                    self.expect("'").map_err(|_| self.error("syntax error: unterminated quoted string"))?;
                    pieces.push(Piece::Quoted(text));
                }
                '"' if matches!(context, Plain | Operand | Regex | QuotedOperand) => {
                    self.next();
                    let inner = self.pieces(Quotes, &[])?;
                    self.expect("\"").map_err(|_| self.error("syntax error: unterminated quoted string"))?;
                    pieces.push(Piece::DoubleQuoted(inner));
                }
                '`' => pieces.push(self.backquotes(quoted)?),
                '$' => self.dollar(context, &mut pieces)?,
                _ => {
                    self.next();
                    push_plain(&mut pieces, c);
                }
            }
        }
        Ok(pieces)
    }

    fn tilde(&mut self, pieces: &mut Vec<Piece>) {
        let start = self.at;
        self.next();
        let user = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-').to_owned();
        if self.peek().is_none_or(|c| c == '/' || c == '}' || c == ':' || META.contains(&c)) {
            pieces.push(Piece::Tilde(user));
        } else {
            self.at = start;
        }
    }

    fn escape(&mut self, context: Context, pieces: &mut Vec<Piece>) {
        self.next();
        let escapes = match (context, self.peek()) {
            (_, Some('\n')) => {
                self.next();
                return;
            }
            (Context::Plain | Context::Operand | Context::Regex, Some(_)) => true,
            (Context::Quotes, Some(c)) => matches!(c, '$' | '`' | '"' | '\\'),
            (Context::QuotedOperand, Some(c)) => matches!(c, '$' | '`' | '"' | '\\' | '}'),
            (Context::Document, Some(c)) => matches!(c, '$' | '`' | '\\'),
            (_, None) => false,
        };
        match self.peek() {
            Some(c) if escapes => {
                self.next();
                pieces.push(Piece::Quoted(c.to_string()));
            }
            Some(_) | None => push_plain(pieces, '\\'),
        }
    }

    fn dollar(&mut self, context: Context, pieces: &mut Vec<Piece>) -> Parsed<()> {
        let quoted = matches!(context, Context::Quotes | Context::QuotedOperand | Context::Document);
        self.next();
        match self.peek() {
            Some('(') if self.starts_with("((") && self.closes_as_arithmetic(2) => {
                self.eat("((");
                pieces.push(Piece::Arithmetic(self.arithmetic_text()?));
            }
            Some('(') => {
                self.eat("(");
                self.substitutions += 1;
                let list = self.nested(Self::list)?;
                self.skip_lines()?;
                self.expect(")")?;
                pieces.push(Piece::Substitution(Arc::new(list)));
            }
            Some('{') => {
                self.eat("{");
                pieces.push(Piece::Parameter(Box::new(self.nested(|parser| parser.braced_parameter(quoted))?)));
            }
            Some('\'') if !quoted => {
                self.next();
                pieces.push(Piece::Quoted(self.ansi_quoted()?));
            }
            Some('"') if !quoted => {} // `$"..."` is translated; without a translation it is `"..."`.
            Some(c) if is_parameter_start(c) => {
                pieces.push(Piece::Parameter(Box::new(self.short_parameter())));
            }
            Some(_) | None => push_plain(pieces, '$'),
        }
        Ok(())
    }

    /// `$'...'`: escapes as in C.
    fn ansi_quoted(&mut self) -> Parsed<String> {
        let start = self.at;
        loop {
            match self.next() {
                Some('\'') => break,
                Some('\\') => {
                    self.next();
                }
                Some(_) => {}
                None => return Err(self.error("syntax error: unterminated quoted string")),
            }
        }
        let raw = self.since(start);
        Ok(super::super::format::unescape(&raw[..raw.len() - 1]).0)
    }

    fn backquotes(&mut self, quoted: bool) -> Parsed<Piece> {
        self.next();
        self.substitutions += 1;
        let mut inner = String::new();
        loop {
            match self.next() {
                Some('`') => break,
                Some('\\') => match self.next() {
                    Some(c @ ('`' | '\\' | '$')) => inner.push(c),
                    Some('"') if quoted => inner.push('"'),
                    Some(c) => inner.extend(['\\', c]),
                    None => return Err(self.error("syntax error: unterminated backquotes")),
                },
                Some(c) => inner.push(c),
                None => return Err(self.error("syntax error: unterminated backquotes")),
            }
        }
        let list = self.nested(|parser| {
            let mut inside = Parser::new(&inner, parser.depth);
            let list: List = inside.list()?;
            if inside.peek().is_some() { Err(inside.unexpected()) } else { Ok(list) }
        })?;
        Ok(Piece::Substitution(Arc::new(list)))
    }

    /// Whether the text that starts `skip` characters ahead, after `((`, ends with `))`, so that it is arithmetic and
    /// not a subshell in a subshell.
    pub(super) fn closes_as_arithmetic(&self, skip: usize) -> bool {
        let mut depth = 0usize;
        let mut rest = self.rest()[skip..].chars();
        while let Some(c) = rest.next() {
            match c {
                '(' => depth += 1,
                ')' if depth == 0 => return rest.as_str().starts_with(')'),
                ')' => depth -= 1,
                '\\' => {
                    rest.next();
                }
                '\'' | '"' => match rest.as_str().find(c) {
                    Some(end) => rest = rest.as_str()[end + 1..].chars(),
                    None => return false,
                },
                _ => {}
            }
        }
        false
    }

    /// The expression of `$((...))` or `((...))`, and its end.
    pub(super) fn arithmetic_text(&mut self) -> Parsed<Word> {
        self.arithmetic_part("))")
    }

    /// An expression up to `end`, which is taken. Parentheses and brackets within it balance.
    pub(super) fn arithmetic_part(&mut self, end: &str) -> Parsed<Word> {
        let mut pieces = Vec::new();
        let mut open = 0usize;
        loop {
            match self.peek() {
                None => return Err(self.unexpected()),
                Some(_) if open == 0 && self.eat(end) => return Ok(Word { pieces, braces: None }),
                Some(c @ ('$' | '`' | '"' | '\'' | '\\')) => {
                    let inner = match c {
                        '$' => {
                            let mut inner = Vec::new();
                            self.nested(|parser| parser.dollar(Context::Quotes, &mut inner))?;
                            inner
                        }
                        '`' => vec![self.backquotes(true)?],
                        '"' => {
                            self.next();
                            let inner = self.pieces(Context::Quotes, &[])?;
                            self.expect("\"")?;
                            inner
                        }
                        _ => {
                            self.next();
                            self.eat("\n");
                            Vec::new()
                        }
                    };
                    pieces.extend(inner);
                }
                Some(c) => {
                    self.next();
                    match c {
                        '(' | '[' => open += 1,
                        ')' | ']' => open = open.saturating_sub(1),
                        _ => {}
                    }
                    push_plain(&mut pieces, c);
                }
            }
        }
    }

    /// Bash's brace expansion of the word that starts at `start` and ends here.
    fn braces(&mut self, start: usize) -> Parsed<Option<Vec<Word>>> {
        let raw = self.since(start).to_owned();
        let Some(texts) = expand_braces(&raw, &mut MAX_BRACES.clone()) else { return Ok(None) };
        let words = texts.iter().map(|text| {
            let mut parser = Parser::new(text, self.depth + 1);
            let pieces = parser.pieces(Context::Plain, &[])?;
            Ok(Word { pieces, braces: None })
        });
        words.collect::<Parsed<Vec<Word>>>().map(Some)
    }
}

/// The texts that `{a,b}` and `{1..3}` stand for; `None` if there is nothing to expand.
///
/// Each text takes from the budget; when it is used up, there is nothing to expand.
fn expand_braces(raw: &str, budget: &mut usize) -> Option<Vec<String>> {
    *budget = budget.checked_sub(1)?;
    if raw.contains(['\'', '"', '\\', '`', '$']) {
        return None; // Quoting and expansions within braces are rare; the word stays as it is.
    }
    let close = raw.find('}')?;
    let open = raw[..close].rfind('{')?;
    let (before, inner, after) = (&raw[..open], &raw[open + 1..close], &raw[close + 1..]);
    let middles: Vec<String> = match inner.split_once("..") {
        Some((from, to)) => sequence(from, to)?,
        None if inner.contains(',') => inner.split(',').map(str::to_owned).collect(),
        None => return None,
    };
    let mut texts = Vec::new();
    for middle in middles {
        let text = format!("{before}{middle}{after}");
        match expand_braces(&text, budget) {
            Some(more) => texts.extend(more),
            None => texts.push(text),
        }
        if *budget == 0 {
            return None;
        }
    }
    Some(texts)
}

fn sequence(first: &str, last: &str) -> Option<Vec<String>> {
    let (last, step) = last.split_once("..").map_or((last, Some(1)), |(last, step)| (last, step.parse::<i64>().ok()));
    let step = step?.unsigned_abs().clamp(1, 1 << 32) as usize;
    if let (Ok(from), Ok(to)) = (first.parse::<i64>(), last.parse::<i64>()) {
        if from.abs_diff(to) > 10_000 {
            return None;
        }
        let padded = [first, last].into_iter().filter(|text| text.len() > 1 && text.starts_with('0'));
        let width = padded.map(str::len).max().unwrap_or(0);
        let numbers: Vec<i64> = if from <= to { (from..=to).collect() } else { (to..=from).rev().collect() };
        return Some(numbers.into_iter().step_by(step).map(|number| format!("{number:0>width$}")).collect());
    }
    match (first.as_bytes(), last.as_bytes()) {
        ([from], [to]) if from.is_ascii_alphabetic() && to.is_ascii_alphabetic() => {
            let letters: Vec<u8> = if from <= to { (*from..=*to).collect() } else { (*to..=*from).rev().collect() };
            Some(letters.into_iter().step_by(step).map(|letter| char::from(letter).to_string()).collect())
        }
        _ => None,
    }
}

fn is_parameter_start(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '*' | '#' | '?' | '-' | '$' | '!')
}

pub(super) fn push_plain(pieces: &mut Vec<Piece>, c: char) {
    match pieces.last_mut() {
        Some(Piece::Plain(text)) => text.push(c),
        Some(_) | None => pieces.push(Piece::Plain(c.to_string())),
    }
}
