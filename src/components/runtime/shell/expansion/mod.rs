//! Word expansion: POSIX XCU 2.6, with bash's arrays, replacement and substrings.
//!
//! Expansion is a transaction. Where it meets a command substitution whose output is not known yet, it stops with
//! [`Stop::Substitute`]; the interpreter undoes what was assigned, runs the commands (which may sleep), and expands
//! again with one output more. So nothing of a half-expanded word must be kept while time passes.

mod fields;
mod parameter;
mod pathname;

use super::arithmetic;
use super::environment::{Dialect, Environment};
use super::pattern::{Marked, Pattern};
use super::syntax::{List, Piece, Word};
use crate::components::runtime::filesystem::Files;
use fields::Fields;
use std::sync::Arc;

/// What an earlier attempt had to wait for, in the order in which expansion asks.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// The output of a command substitution, and the exit status of its commands.
    Output { text: String, status: i32 },
    /// Whether `/dev/tcp/host/port` accepted.
    Connected(bool),
}

/// Why expansion cannot go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The output of these commands is needed.
    Substitute(Arc<List>),
    /// It is needed whether this port accepts.
    Connect { host: String, port: u16 },
    /// A parameter is not set that must be: a shell that is not interactive says so and exits.
    Fail(String),
    /// Arithmetic or an assignment is wrong: likewise.
    Wrong(String),
    /// Not played.
    Unsupported(String),
}

/// Expands words in an environment.
pub(super) struct Expander<'a> {
    pub environment: &'a mut Environment,
    pub files: Files<'a>,
    pub known: std::slice::Iter<'a, Known>,
    /// The shell's source of `$RANDOM`.
    pub random: u32,
    /// Seconds since the shell started: `$SECONDS`.
    pub seconds: u64,
    /// The exit status of the last command substitution.
    pub substituted: Option<i32>,
}

impl Expander<'_> {
    /// The fields of words: with splitting and pathname expansion.
    pub fn fields(&mut self, words: &[Word]) -> Result<Vec<String>, Stop> {
        let mut fields = Vec::new();
        for word in words {
            match &word.braces {
                Some(parts) if self.environment.dialect == Dialect::Bash => fields.extend(self.fields(parts)?),
                Some(_) | None => self.fields_of(word, &mut fields)?,
            }
        }
        Ok(fields)
    }

    fn fields_of(&mut self, word: &Word, fields: &mut Vec<String>) -> Result<(), Stop> {
        let separators = self.environment.variables.get("IFS").unwrap_or(" \t\n").to_owned();
        let mut out = Fields::splitting(separators);
        self.pieces(&word.pieces, false, &mut out)?;
        for field in out.finish() {
            if field.is_pattern() && !self.environment.options.no_glob {
                fields.extend(pathname::expand(&self.files, &self.environment.directory, &field));
            } else {
                fields.push(field.text());
            }
        }
        Ok(())
    }

    /// The one text of a word: without splitting and pathname expansion.
    pub fn text(&mut self, word: &Word) -> Result<String, Stop> {
        Ok(self.marked(word)?.text())
    }

    /// The pattern that a word stands for: quoted characters are not active.
    pub fn pattern(&mut self, word: &Word) -> Result<Pattern, Stop> {
        Ok(Pattern::new(&self.marked(word)?))
    }

    /// The text of a word with its quoted characters marked.
    pub fn marked(&mut self, word: &Word) -> Result<Marked, Stop> {
        let mut out = Fields::single();
        self.pieces(&word.pieces, false, &mut out)?;
        Ok(out.finish().pop().unwrap_or_default())
    }

    /// The value of an arithmetic expression.
    pub fn arithmetic(&mut self, word: &Word) -> Result<i64, Stop> {
        let text = self.text(word)?;
        arithmetic::evaluate(&text, &mut self.environment.variables).map_err(Stop::Wrong)
    }

    /// The operand of `${name:-word}`: outside of quotes, what is written there splits like what is expanded there.
    fn operand(&mut self, word: &Word, quoted: bool, out: &mut Fields) -> Result<(), Stop> {
        for piece in &word.pieces {
            match piece {
                Piece::Plain(text) if !quoted => out.split(text),
                other => self.pieces(std::slice::from_ref(other), quoted, out)?,
            }
        }
        Ok(())
    }

    fn pieces(&mut self, pieces: &[Piece], quoted: bool, out: &mut Fields) -> Result<(), Stop> {
        for piece in pieces {
            match piece {
                Piece::Plain(text) => out.add(text, quoted),
                Piece::Quoted(text) => out.add(text, true),
                Piece::DoubleQuoted(inner) => {
                    // `"$@"` without parameters is no field at all, while `""` is an empty one.
                    if !self.is_empty_list(inner) {
                        out.add("", true);
                    }
                    self.pieces(inner, true, out)?;
                }
                Piece::Parameter(parameter) => self.parameter(parameter, quoted, out)?,
                Piece::Substitution(list) => {
                    let text = self.output(list)?;
                    if quoted { out.add(&text, true) } else { out.split(&text) }
                }
                Piece::Arithmetic(expression) => {
                    let value = self.arithmetic(expression)?.to_string();
                    if quoted { out.add(&value, true) } else { out.split(&value) }
                }
                Piece::Tilde(user) => out.add(&self.tilde(user), true),
            }
        }
        Ok(())
    }

    fn output(&mut self, list: &Arc<List>) -> Result<String, Stop> {
        match self.known.next() {
            Some(Known::Output { text, status }) => {
                self.substituted = Some(*status);
                Ok(text.clone())
            }
            Some(Known::Connected(_)) | None => Err(Stop::Substitute(Arc::clone(list))),
        }
    }

    /// Whether a port accepts, for `/dev/tcp`.
    pub fn connected(&mut self, host: &str, port: u16) -> Result<bool, Stop> {
        match self.known.next() {
            Some(Known::Connected(accepts)) => Ok(*accepts),
            Some(Known::Output { .. }) | None => Err(Stop::Connect { host: host.to_owned(), port }),
        }
    }

    fn tilde(&self, user: &str) -> String {
        match user {
            "" => self.environment.home().to_owned(),
            "root" => "/root".to_owned(),
            "+" => self.environment.directory.clone(),
            other => format!("/home/{other}"),
        }
    }
}
