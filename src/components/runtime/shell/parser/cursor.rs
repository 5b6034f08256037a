//! Where the parser stands in the text: characters, blanks, reserved words, here-documents that wait for their line.

use super::super::script::Unsupported;
use super::super::syntax::Word;
use std::sync::{Arc, OnceLock};

/// How deep commands, quotes and expansions may nest: enough for people, little enough for the stack.
const MAX_DEPTH: usize = 40;

/// The characters that end an unquoted word.
pub(super) const META: &[char] = &[' ', '\t', '\n', ';', '&', '|', '<', '>', '(', ')'];

pub(super) type Parsed<T> = Result<T, Unsupported>;

/// A here-document announced on this line; its text starts on the next.
#[derive(Debug)]
pub(super) struct Announced {
    pub end: String,
    pub strips_tabs: bool,
    pub expands: bool,
    pub text: Arc<OnceLock<Word>>,
}

#[derive(Debug)]
pub(crate) struct Parser<'a> {
    text: &'a str,
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) announced: Vec<Announced>,
    /// How many command substitutions were met so far.
    pub(super) substitutions: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, depth: usize) -> Self {
        Self { text, at: 0, depth, announced: Vec::new(), substitutions: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn between(&self, start: usize, end: usize) -> &'a str {
        &self.text[start..end]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    /// Takes `text` if it comes next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let eats = self.starts_with(text);
        if eats {
            self.at += text.len();
        }
        eats
    }

    pub(super) fn expect(&mut self, text: &str) -> Parsed<()> {
        if self.eat(text) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes characters while they please.
    pub(super) fn take_while(&mut self, pleases: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !pleases(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Skips blanks, continued lines and a comment.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            self.take_while(|c| c == ' ' || c == '\t' || c == '\r');
            if !self.eat("\\\n") {
                break;
            }
        }
        if self.starts_with("#") {
            self.take_while(|c| c != '\n');
        }
    }

    /// Skips blanks and line ends; reads the here-documents that a line end brings.
    pub(super) fn skip_lines(&mut self) -> Parsed<()> {
        self.skip_blanks();
        while self.peek() == Some('\n') {
            self.line_end()?;
            self.skip_blanks();
        }
        Ok(())
    }

    /// Takes a line end and the texts of the here-documents announced on that line.
    pub(super) fn line_end(&mut self) -> Parsed<()> {
        self.expect("\n")?;
        for announced in std::mem::take(&mut self.announced) {
            self.here_document(announced)?;
        }
        Ok(())
    }

    fn here_document(&mut self, announced: Announced) -> Parsed<()> {
        let mut text = String::new();
        while self.peek().is_some() {
            let mut line = self.take_while(|c| c != '\n');
            self.eat("\n");
            if announced.strips_tabs {
                line = line.trim_start_matches('\t');
            }
            if line == announced.end {
                break;
            }
            text.push_str(line);
            text.push('\n');
        }
        let word = if announced.expands {
            Parser::new(&text, self.depth + 1).here_text()?
        } else {
            Word { pieces: vec![super::Piece::Quoted(text)], braces: None }
        };
        announced.text.set(word).map_err(|_| Unsupported::new("a here-document read twice"))
    }

    /// Whether this word comes next, unquoted and whole.
    pub(super) fn sees_word(&self, word: &str) -> bool {
        self.rest().strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with(META))
    }

    /// Takes a reserved word if it comes next.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let sees = self.sees_word(word);
        if sees {
            self.at += word.len();
        }
        sees
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Parsed<()> {
        self.skip_lines()?;
        if self.eat_word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Goes one level deeper for the length of a call.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error("nesting too deep"));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    pub(super) fn unexpected(&self) -> Unsupported {
        let found = match self.peek() {
            None => "end of script".to_owned(),
            Some('\n') => "end of line".to_owned(),
            Some(c) if META.contains(&c) => format!("`{c}`"),
            Some(_) => format!("`{}`", self.rest().split(META).next().unwrap_or_default()),
        };
        self.error(&format!("syntax error: unexpected {found}"))
    }

    pub(super) fn error(&self, what: &str) -> Unsupported {
        let line = 1 + self.text[..self.at].matches('\n').count();
        Unsupported::new(format!("line {line}: {what}"))
    }
}

/// Whether a text is a name, as variables and functions have.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
