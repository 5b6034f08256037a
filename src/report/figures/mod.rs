//! Figures of a run: phases over time, start-up by stage, what nodes are asked for, restarts and back-offs, requests.

mod latency;
mod nodes;
mod phases;
mod restarts;
mod traffic;

use super::axis::{TimeAxis, label};
use super::chart;
use super::palette::{PATTERNS, style};
use super::story::Story;
use super::svg::{Svg, text_width};
use crate::engine::SimTime;
use crate::trace::TraceRecord;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 84.0;

/// Every figure that a run has something to show in: a file's name, and the SVG.
pub fn figures(record: &TraceRecord, story: &Story) -> Vec<(&'static str, String)> {
    let figures = [
        ("phases.svg", Some(phases::svg(story))),
        ("latency.svg", latency::svg(story)),
        ("nodes.svg", nodes::svg(record)),
        ("restarts.svg", restarts::svg(story)),
        ("traffic.svg", traffic::svg(story)),
    ];
    figures.into_iter().filter_map(|(name, svg)| Some((name, svg?))).collect()
}

/// What became of requests, if there were any: for the page.
pub fn of_traffic(story: &Story) -> Option<String> {
    traffic::svg(story)
}

/// A figure under a title.
fn titled(title: &str) -> Svg {
    let mut svg = Svg::default();
    svg.text("h1", [20.0, 30.0], title);
    svg
}

fn finish(svg: Svg, height: f64, title: &str) -> String {
    svg.finish([WIDTH, height], title, &(style() + &chart::style()), PATTERNS)
}

/// An entry of a legend whose mark is drawn by the caller; returns where the next one begins.
fn entry(svg: &mut Svg, x: f64, text: &str) -> f64 {
    svg.text("small", [x + 17.0, 54.5], text);
    x + 17.0 + text_width(text, 10.0) + 20.0
}

/// The axis of time below a panel.
fn time_axis(svg: &mut Svg, axis: &TimeAxis, [left, right]: [f64; 2], [top, bottom]: [f64; 2]) {
    for tick in axis.ticks(10) {
        svg.line("grid", [axis.x(tick), top, axis.x(tick), bottom]);
        svg.text("small sub mid", [axis.x(tick), bottom + 16.0], &label(tick));
    }
    svg.line("axis", [left, bottom, right, bottom]);
}

/// Where a run ends, for an axis.
fn end(story: &Story) -> SimTime {
    story.end.max(SimTime::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::test_run::crash_loop;

    #[test]
    fn a_run_has_its_figures_and_they_are_the_same_every_time() {
        let record = crash_loop();
        let story = Story::of(&record);
        let figures = figures(&record, &story);
        let names: Vec<&str> = figures.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["phases.svg", "latency.svg", "nodes.svg", "restarts.svg"]);
        assert_eq!(figures, super::figures(&record, &story));
        for (name, svg) in figures {
            assert!(svg.starts_with("<svg") && !svg.contains("NaN"), "{name}");
        }
    }
}
