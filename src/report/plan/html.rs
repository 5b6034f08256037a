//! The report as a page: one file that needs no network.

use super::PlanReport;
use super::document::{Block, Table};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("plan.css");

/// The page.
pub fn page(report: &PlanReport, blocks: &[Block]) -> String {
    let bad = report.answers.iter().any(|answer| answer.good == Some(false)) || !report.held();
    // The verdict is the head of the page.
    let rest = blocks.iter().skip(2);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "plan of " (report.cluster) " · podsim" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header .bad[bad] {
                    p .kicker { "Capacity of " (report.cluster) }
                    dl {
                        @for answer in &report.answers {
                            dt { (answer.question) }
                            dd .good[answer.good == Some(true)] .wrong[answer.good == Some(false)] { (answer.answer) }
                        }
                    }
                }
                main { @for block in rest { (markup(block)) } }
            }
        }
    };
    page.into_string()
}

fn markup(block: &Block) -> Markup {
    html! {
        @match block {
            Block::Heading(title) => h2 { (title) },
            Block::Text(text) => p { (text) },
            Block::List(lines) => ul {
                @for (held, line) in lines {
                    li .good[*held == Some(true)] .wrong[*held == Some(false)] { (line) }
                }
            },
            Block::Table(rows) => (table(rows)),
            Block::Picture(svg, title) => figure { (PreEscaped(svg)) figcaption { (title) } },
        }
    }
}

fn table(table: &Table) -> Markup {
    html! {
        div .scroll {
            table {
                thead { tr {
                    @for (column, name) in table.head.iter().enumerate() {
                        th .number[table.is_number(column)] { (name.trim()) }
                    }
                } }
                @for row in &table.rows {
                    tr { @for (column, cell) in row.iter().enumerate() { td .number[table.is_number(column)] { (cell) } } }
                }
            }
        }
    }
}
