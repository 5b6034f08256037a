//! The page's words on requests: a row for each sender, the pods that got some while they were being deleted, and the
//! figure.

use crate::report::figures;
use crate::report::story::{Story, TrafficLife};
use maud::{Markup, PreEscaped, html};

/// So many pods of a sender are named.
const NAMED: usize = 8;

/// Everything about requests; nothing if there were none.
pub fn section(story: &Story) -> Markup {
    html! {
        @if !story.traffic.is_empty() {
            section #traffic {
                h2 { "Requests" }
                table {
                    thead { tr {
                        th { "from" } th { "to" } th { "sent" } th { "again" } th { "answered in time" } th { "too late" }
                        th { "refused" } th { "failed" } th { "to pods that were being deleted" }
                    } }
                    @for life in &story.traffic { (row(life)) }
                }
                @if let Some(svg) = figures::of_traffic(story) { (PreEscaped(inline(&svg))) }
            }
        }
    }
}

fn row(life: &TrafficLife) -> Markup {
    let total = &life.total;
    let whole = |requests: f64| format!("{requests:.0}");
    let share = if total.sent > 0.0 { total.failed() / total.sent * 100.0 } else { 0.0 };
    html! {
        tr {
            td { (life.name) }
            td { "service/" (life.service) }
            td { (whole(total.sent)) }
            td { (whole(total.again)) }
            td { (whole(total.served)) }
            td { (whole(total.late)) }
            td { (whole(total.refused)) }
            td { (whole(total.failed())) " (" (format!("{share:.2}")) " %)" }
            td { (dying(life)) }
        }
    }
}

/// The pods that got requests while they were being deleted, most first.
fn dying(life: &TrafficLife) -> String {
    let mut pods: Vec<(&str, f64)> = life
        .pods
        .iter()
        .filter(|(_, part)| part.while_terminating >= 0.5)
        .map(|(pod, part)| (pod.as_str(), part.while_terminating))
        .collect();
    pods.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let named: Vec<String> = pods.iter().take(NAMED).map(|(pod, requests)| format!("{requests:.0} to {pod}")).collect();
    match (pods.len(), pods.len().saturating_sub(NAMED)) {
        (0, _) => "none".to_owned(),
        (_, 0) => named.join(", "),
        (_, more) => format!("{}, and {more} more", named.join(", ")),
    }
}

/// A figure as a part of the page: its style holds for nothing else.
fn inline(svg: &str) -> String {
    svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1)
        .replacen("<style>\n", "<style>\n#traffic svg{\n", 1)
        .replacen("</style>", "}\n</style>", 1)
}
