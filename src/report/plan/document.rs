//! A report as blocks, and the blocks as text or Markdown.

use crate::report::kubectl::tabwriter::TabWriter;
use std::fmt::Write;

/// A part of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// What the following is about.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// Lines of equal standing; whether each holds, where that is a question.
    List(Vec<(Option<bool>, String)>),
    /// Numbers.
    Table(Table),
    /// A picture, as SVG, and what it shows.
    Picture(String, String),
}

/// Rows under a head.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The head; a name that begins with a blank stands over numbers, which are aligned to the right.
    pub head: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Whether a column holds numbers.
    pub fn is_number(&self, column: usize) -> bool {
        self.head[column].starts_with(' ')
    }
}

/// For a terminal.
pub fn text(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        let _ = match block {
            Block::Heading(title) => write!(out, "\n{}\n", title.to_uppercase()),
            Block::Text(text) => writeln!(out, "{text}"),
            Block::List(lines) => lines.iter().try_for_each(|(held, line)| writeln!(out, "  {}{line}", mark(*held))),
            Block::Table(table) => write!(out, "{}", aligned(table)),
            Block::Picture(..) => Ok(()),
        };
    }
    out.trim_start().to_owned()
}

const fn mark(held: Option<bool>) -> &'static str {
    match held {
        Some(true) => "yes  ",
        Some(false) => "NO   ",
        None => "     ",
    }
}

fn aligned(table: &Table) -> String {
    let width = |column: usize| {
        let cells = table.rows.iter().map(|row| row[column].chars().count());
        cells.chain([table.head[column].trim().chars().count()]).max().unwrap_or(0)
    };
    let cell = |column: usize, text: &str| {
        if table.is_number(column) { format!("{text:>0$}", width(column)) } else { text.to_owned() }
    };
    let line = |cells: &mut dyn Iterator<Item = (usize, &str)>| {
        let cells: Vec<String> = cells.map(|(column, text)| cell(column, text)).collect();
        cells.join("\t").trim_end().to_owned() + "\n"
    };
    let upper: Vec<String> = table.head.iter().map(|name| name.trim().to_uppercase()).collect();
    let mut text = line(&mut upper.iter().map(String::as_str).enumerate());
    for row in &table.rows {
        text += &line(&mut row.iter().map(String::as_str).enumerate());
    }
    TabWriter::TABLE.align(&text)
}

/// For a pull request.
pub fn markdown(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        let _ = match block {
            Block::Heading(title) => write!(out, "\n## {title}\n\n"),
            Block::Text(text) => write!(out, "{text}\n\n"),
            Block::List(lines) => lines
                .iter()
                .try_for_each(|(held, line)| {
                    let mark = match held {
                        Some(true) => "✅ ",
                        Some(false) => "❌ ",
                        None => "",
                    };
                    writeln!(out, "- {mark}{line}")
                })
                .and_then(|()| writeln!(out)),
            Block::Table(table) => table_lines(&mut out, table),
            Block::Picture(..) => Ok(()),
        };
    }
    out.trim().to_owned() + "\n"
}

fn table_lines(out: &mut String, table: &Table) -> std::fmt::Result {
    let escaped = |text: &str| text.replace('|', "\\|");
    let head: Vec<&str> = table.head.iter().map(|name| name.trim()).collect();
    let rule: Vec<&str> = (0..head.len()).map(|n| if table.is_number(n) { "---:" } else { "---" }).collect();
    writeln!(out, "| {} |\n| {} |", head.join(" | "), rule.join(" | "))?;
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_below_each_other() {
        let rows = vec![vec!["a".to_owned(), "7".to_owned()], vec!["bb|".to_owned(), "1234".to_owned()]];
        let table = Block::Table(Table { head: vec!["name", " number"], rows });
        let blocks = [Block::Heading("One".into()), Block::List(vec![(Some(false), "line".into())]), table];
        assert_eq!(text(&blocks), "ONE\n  NO   line\nNAME   NUMBER\na           7\nbb|      1234\n");
        let expected = "## One\n\n- ❌ line\n\n| name | number |\n| --- | ---: |\n| a | 7 |\n| bb\\| | 1234 |\n";
        assert_eq!(markdown(&blocks), expected);
    }
}
