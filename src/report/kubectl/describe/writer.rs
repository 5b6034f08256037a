//! Where describers write: lines at levels of indentation, tabs between the cells.

use crate::report::kubectl::table::escape_terminal;
use crate::report::kubectl::tabwriter::TabWriter;
use std::fmt::Write;

/// Text in the making.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
    /// Levels added to every line, for descriptions within descriptions.
    nesting: usize,
}

impl Writer {
    /// Two blanks a level, then the text. A newline is only what the text has of them.
    pub fn write(&mut self, level: usize, text: std::fmt::Arguments<'_>) {
        let mut line = "  ".repeat(level + self.nesting);
        line.write_fmt(text).expect("a String takes all");
        self.text += &escape_terminal(&line);
    }

    /// A line of its own level; nested writers indent even this.
    pub fn end(&mut self, text: &str) {
        self.write(0, format_args!("{text}\n"));
    }

    /// Lets `describe` write some levels deeper.
    pub fn nested(&mut self, levels: usize, describe: impl FnOnce(&mut Self)) {
        self.nesting += levels;
        describe(self);
        self.nesting -= levels;
    }

    /// The text with its columns aligned.
    pub fn aligned(self) -> String {
        TabWriter::DESCRIBE.align(&self.text)
    }

    /// The text with its tabs.
    pub fn with_tabs(self) -> String {
        self.text
    }
}

/// Writes to a [`Writer`] at a level: `put!(w, 1, "Name:\t{}\n", name)`.
macro_rules! put {
    ($writer:expr, $level:expr, $($text:tt)*) => {
        $writer.write($level, format_args!($($text)*))
    };
}

pub(crate) use put;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_indent_and_nest() {
        let mut w = Writer::default();
        put!(w, 0, "Name:\t{}\n", "x");
        w.nested(1, |w| {
            put!(w, 1, "Long name:\ty\u{1b}\n");
            w.end("end");
        });
        assert_eq!(w.aligned(), "Name:           x\n    Long name:  y^[\n  end\n");
    }
}
