//! Tables as the server sends them and kubectl lays them out.
//!
//! Follows cli-runtime 1.36 `pkg/printers/tableprinter.go`.

use super::fields::{Fields, namespace};
use super::resources::Resource;
use super::selector::format_labels;
use serde_json::Value;

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// As the server names it; printed in capitals.
    pub name: &'static str,
    /// Shown only with `-o wide`?
    pub wide: bool,
    /// Does it hold the name of the object, to be printed with its kind on request?
    pub is_name: bool,
}

/// A column that is always shown.
pub const fn column(name: &'static str) -> Column {
    Column { name, wide: false, is_name: false }
}

/// A column for `-o wide`.
pub const fn wide(name: &'static str) -> Column {
    Column { name, wide: true, is_name: false }
}

/// The column "Name".
pub const NAME: Column = Column { name: "Name", wide: false, is_name: true };

/// The cells of one object.
#[derive(Debug)]
pub struct Row<'a> {
    /// One text a column; missing ones at the end are not printed at all.
    pub cells: Vec<String>,
    /// Whose row it is.
    pub object: &'a Value,
}

/// What of a table is shown, and what is added to it.
#[derive(Debug, Clone, Default)]
pub struct Layout<'a> {
    /// Print no header.
    pub no_headers: bool,
    /// Print the wide columns too.
    pub wide: bool,
    /// Begin with the namespace.
    pub with_namespace: bool,
    /// Print `kind/name`.
    pub with_kind: bool,
    /// One more column for each of these labels.
    pub label_columns: Vec<&'a str>,
    /// End with all labels.
    pub show_labels: bool,
}

impl Layout<'_> {
    /// The header line, tabs between the cells.
    pub fn header(&self, columns: &[Column]) -> String {
        let shown = columns.iter().filter(|column| self.shows(column)).map(|column| column.name.to_uppercase());
        let labels = self.label_columns.iter().map(|l| l.rsplit('/').next().unwrap_or(l).to_uppercase());
        let namespace = self.with_namespace.then(|| "NAMESPACE".to_owned());
        let all_labels = self.show_labels.then(|| "LABELS".to_owned());
        namespace.into_iter().chain(shown).chain(labels).chain(all_labels).collect::<Vec<_>>().join("\t") + "\n"
    }

    /// A line, tabs between the cells.
    pub fn line(&self, resource: &Resource, columns: &[Column], row: &Row<'_>) -> String {
        let mut cells = Vec::new();
        if self.with_namespace {
            cells.push(namespace(row.object).to_owned());
        }
        for (column, cell) in columns.iter().zip(&row.cells).filter(|(column, _)| self.shows(column)) {
            let cell = if column.is_name && self.with_kind {
                format!("{}/{cell}", resource.lower_kind())
            } else {
                cell.clone()
            };
            cells.push(first_line(&cell));
        }
        for label in &self.label_columns {
            cells.push(row.object.entry("metadata.labels", label).unwrap_or("").to_owned());
        }
        if self.show_labels {
            cells.push(format_labels(&row.object.entries("metadata.labels")));
        }
        cells.join("\t") + "\n"
    }

    fn shows(&self, column: &Column) -> bool {
        self.wide || !column.wide
    }
}

/// A cell is one line; more is hinted at.
fn first_line(cell: &str) -> String {
    let escaped = escape_terminal(cell);
    match cell.find(['\u{c}', '\n', '\r']) {
        Some(end) => escape_terminal(&cell[..end]) + "...",
        None => escaped,
    }
}

/// Defuses control sequences of terminals.
pub fn escape_terminal(text: &str) -> String {
    text.replace('\u{1b}', "^[").replace('\r', "\\r")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::kubectl::resources::find;
    use serde_json::json;

    #[test]
    fn layouts_add_and_hide_columns() {
        let object = json!({"metadata": {"namespace": "ns", "labels": {"app": "web", "x/tier": "1"}}});
        let deployments = find("deploy").expect("a kind");
        let columns = [NAME, column("Up-to-date"), wide("Images")];
        let row = Row { cells: vec!["web".into(), "a\nb".into(), "img".into()], object: &object };
        let layout = Layout { with_kind: true, label_columns: vec!["x/tier"], ..Layout::default() };
        assert_eq!(
            layout.header(&columns) + &layout.line(deployments, &columns, &row),
            "NAME\tUP-TO-DATE\tTIER\ndeployment.apps/web\ta...\t1\n"
        );
        let layout = Layout { wide: true, with_namespace: true, show_labels: true, ..Layout::default() };
        assert_eq!(
            layout.header(&columns) + &layout.line(deployments, &columns, &row),
            "NAMESPACE\tNAME\tUP-TO-DATE\tIMAGES\tLABELS\nns\tweb\ta...\timg\tapp=web,x/tier=1\n"
        );
    }
}
