//! Elastic tab stops: text with tabs becomes text with aligned columns.
//!
//! Follows Go's `text/tabwriter` and its variant `github.com/liggitt/tabwriter`, which kubectl uses for tables. A cell
//! ends at a tab; a column is a run of adjacent lines that have a cell at the same place, and is as wide as its widest
//! cell. What follows the last tab of a line belongs to no column.

/// How cells are padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TabWriter {
    /// The least width of a column, padding included.
    pub min_width: usize,
    /// Blanks after the widest cell of a column.
    pub padding: usize,
    /// Do later columns stay at least as wide as earlier ones at the same place?
    pub remember_widths: bool,
}

impl TabWriter {
    /// What `kubectl describe` writes with.
    pub const DESCRIBE: Self = Self { min_width: 0, padding: 2, remember_widths: false };
    /// What `kubectl get` and `kubectl events` write with.
    pub const TABLE: Self = Self { min_width: 6, padding: 3, remember_widths: true };

    /// Aligns a whole text.
    pub fn align(self, text: &str) -> String {
        let mut layout = Layout {
            writer: self,
            out: String::with_capacity(text.len() * 2),
            widths: Vec::new(),
            remembered: Vec::new(),
        };
        // A form feed is a newline that also ends all columns; an empty section after the last one prints nothing.
        let sections: Vec<&str> = text.split('\u{c}').collect();
        for (i, section) in sections.iter().enumerate() {
            let lines: Vec<Vec<&str>> = section.split('\n').map(|line| line.split(['\t', '\u{b}']).collect()).collect();
            layout.format(&lines);
            if i + 1 < sections.len() {
                layout.out.push('\n');
            }
        }
        layout.out
    }
}

struct Layout {
    writer: TabWriter,
    out: String,
    /// Widths of the columns left of the one being measured.
    widths: Vec<usize>,
    /// The widest so far, by place.
    remembered: Vec<usize>,
}

impl Layout {
    fn format(&mut self, lines: &[Vec<&str>]) {
        let last = lines.len() - 1;
        self.format_column(lines, last);
    }

    /// Writes `lines`, of which the columns in `widths` are known; line number `last` gets no newline.
    fn format_column(&mut self, lines: &[Vec<&str>], last: usize) {
        let column = self.widths.len();
        let mut written = 0;
        let mut this = 0;
        while this < lines.len() {
            if column + 1 >= lines[this].len() {
                this += 1;
                continue;
            }
            self.write(&lines[written..this], last - written);
            let start = this;
            let mut width = self.writer.min_width;
            while this < lines.len() && column + 1 < lines[this].len() {
                width = width.max(lines[this][column].chars().count() + self.writer.padding);
                this += 1;
            }
            if self.writer.remember_widths {
                width = self.remember(column, width);
            }
            self.widths.push(width);
            self.format_column(&lines[start..this], last - start);
            self.widths.pop();
            written = this;
        }
        self.write(&lines[written..], last.wrapping_sub(written));
    }

    fn remember(&mut self, column: usize, width: usize) -> usize {
        for place in self.remembered.len()..column {
            self.remembered.push(self.widths[place]);
        }
        if self.remembered.len() == column {
            self.remembered.push(width);
        }
        self.remembered[column] = self.remembered[column].max(width);
        self.remembered[column]
    }

    fn write(&mut self, lines: &[Vec<&str>], last: usize) {
        for (i, line) in lines.iter().enumerate() {
            for (j, cell) in line.iter().enumerate() {
                self.out.push_str(cell);
                if j + 1 < line.len()
                    && let Some(width) = self.widths.get(j)
                {
                    self.out.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
                }
            }
            if i != last {
                self.out.push('\n');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_runs_of_adjacent_lines() {
        for (text, aligned) in [
            ("", ""),
            ("plain\n", "plain\n"),
            ("a\tb\nccc\td\n", "a    b\nccc  d\n"),
            ("Name:\tx\nLabels:\ta=b\n\tc=d\nEnd\nN:\ty\n", "Name:    x\nLabels:  a=b\n         c=d\nEnd\nN:  y\n"),
            ("a\tb\tc\nd\te\n", "a  b  c\nd  e\n"),
            ("é\tb\nab\tc", "é   b\nab  c"),
            ("a\t\n", "a  \n"),
            ("a\tb\u{c}ccc\td\n", "a  b\nccc  d\n"),
        ] {
            assert_eq!(TabWriter::DESCRIBE.align(text), aligned, "{text:?}");
        }
    }

    #[test]
    fn tables_remember_their_widths() {
        let text = "A\tB\nlonger-name\tx\nno tabs\nc\td\n";
        assert_eq!(TabWriter::TABLE.align(text), "A             B\nlonger-name   x\nno tabs\nc             d\n");
    }
}
