//! From text to syntax: recursive descent over the grammar of POSIX XCU 2.10, with bash's arrays, `[[ ]]`, `(( ))`,
//! `<<<`, `&>` and C-style `for`.
//!
//! Written by hand because the crates at hand would not do: a simulator must survive every text that a manifest may
//! hold, in bounded time and memory, and name what it does not play.

mod command;
mod cursor;
mod parameter;
mod test;
mod word;

use super::script::Unsupported;
use super::syntax::{List, Piece};
use cursor::Parser;

pub(super) use cursor::is_name;

/// Longer scripts are programs of their own.
const MAX_LENGTH: usize = 256 * 1024;

/// Parses a whole script.
pub(super) fn parse(text: &str) -> Result<List, Unsupported> {
    if text.len() > MAX_LENGTH {
        return Err(Unsupported::new("a script of more than 256 KiB"));
    }
    let mut parser = Parser::new(text, 0);
    let list = parser.list()?;
    match parser.peek() {
        None => Ok(list),
        Some(_) => Err(parser.unexpected()),
    }
}

#[cfg(test)]
mod tests;
