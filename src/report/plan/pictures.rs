//! The pictures of a report.

use super::{PlanReport, StartUp};
use crate::report::chart::{self, Axis, mark, trimmed};
use crate::report::palette::{PATTERNS, style};
use crate::report::svg::{Svg, fitted, text_width};
use crate::simulation::capacity::{NodeRoom, Situation};

const WIDTH: f64 = 860.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 24.0;
const ROW: f64 = 22.0;
/// So many rows are drawn; the tables have all.
const MOST_ROWS: usize = 60;

fn finish(svg: Svg, height: f64, title: &str) -> String {
    svg.finish([WIDTH, height], title, &(style() + &chart::style()), PATTERNS)
}

/// A legend of entries that are drawn by the caller: where the next one begins.
fn entry(svg: &mut Svg, x: f64, y: f64, text: &str) -> f64 {
    svg.text("small", [x + 14.0, y + 3.5], text);
    x + 14.0 + text_width(text, 10.0) + 22.0
}

/// A kind of situation, and its least headroom for a workload.
type Series = (&'static str, fn(&Situation) -> bool);

/// How many more of each workload fit, as marks on a line from the worst situation to the best.
pub fn headroom(report: &PlanReport) -> String {
    const KINDS: [Series; 4] = [
        ("now", |s| matches!(s, Situation::Now)),
        ("rollout surge", |s| matches!(s, Situation::RolloutSurge)),
        ("without the worst node", |s| matches!(s, Situation::WithoutNode(_))),
        ("without the worst zone", |s| matches!(s, Situation::WithoutZone(_))),
    ];
    let mut svg = Svg::default();
    let rooms = &report.workloads[..report.workloads.len().min(MOST_ROWS)];
    let (top, bottom) = (66.0, 66.0 + rooms.len() as f64 * ROW);
    let most = report.headroom.iter().flat_map(|one| &one.more).max().copied().unwrap_or(0);
    let axis = Axis::new(LEFT, WIDTH - RIGHT, most as f64);
    svg.text("h2", [16.0, 26.0], "How many more pods of each workload fit");
    let mut x = 16.0;
    for (n, (name, which)) in KINDS.iter().enumerate() {
        if report.headroom.iter().any(|one| which(&one.situation)) {
            mark(&mut svg, n, [x + 5.0, 46.0], "");
            x = entry(&mut svg, x, 46.0, name);
        }
    }
    for tick in axis.ticks() {
        svg.line("grid", [axis.at(tick), top, axis.at(tick), bottom]);
        svg.text("small sub mid", [axis.at(tick), bottom + 16.0], &trimmed(tick));
    }
    svg.text("small sub mid", [(LEFT + WIDTH - RIGHT) / 2.0, bottom + 34.0], "pods");
    for (place, room) in rooms.iter().enumerate() {
        let y = top + (place as f64 + 0.5) * ROW;
        let name = room.workload.to_string();
        svg.text("end", [LEFT - 12.0, y + 4.0], &fitted(&name, 11.0, LEFT - 44.0));
        let least = |which: fn(&Situation) -> bool| {
            report.headroom.iter().filter(|one| which(&one.situation)).map(|one| one.more[place]).min()
        };
        let known: Vec<(usize, usize)> =
            KINDS.iter().enumerate().filter_map(|(n, (_, which))| Some((n, least(*which)?))).collect();
        let (low, high) = (known.iter().map(|k| k.1).min(), known.iter().map(|k| k.1).max());
        svg.line("span", [axis.at(low.unwrap_or(0) as f64), y, axis.at(high.unwrap_or(0) as f64), y]);
        for (n, count) in known.into_iter().rev() {
            mark(&mut svg, n, [axis.at(count as f64), y], &format!("{name}, {}: {count}", KINDS[n].0));
        }
    }
    finish(svg, bottom + 46.0, "How many more pods of each workload fit")
}

/// What of each node is requested, what is free and usable, and what is stranded.
pub fn nodes(nodes: &[NodeRoom]) -> String {
    let mut svg = Svg::default();
    let shown = &nodes[..nodes.len().min(MOST_ROWS)];
    let (top, height) = (66.0, 34.0);
    let bottom = top + shown.len() as f64 * height;
    let axis = Axis::new(LEFT, WIDTH - RIGHT, 100.0);
    svg.text("h2", [16.0, 26.0], "What pods may be promised, by node");
    let mut x = 16.0;
    for (class, name) in [("used", "requested"), ("free", "free"), ("stranded", "stranded: no pod can use it")] {
        svg.rect(class, [x, 41.0, 10.0, 10.0], "");
        if class == "stranded" {
            svg.rect("hatch", [x, 41.0, 10.0, 10.0], "");
        }
        x = entry(&mut svg, x, 46.0, name);
    }
    for tick in axis.ticks() {
        svg.line("grid", [axis.at(tick), top, axis.at(tick), bottom]);
        svg.text("small sub mid", [axis.at(tick), bottom + 16.0], &format!("{} %", trimmed(tick)));
    }
    for (place, node) in shown.iter().enumerate() {
        let y = top + place as f64 * height + 5.0;
        svg.text("end", [LEFT - 62.0, y + 16.0], &fitted(&node.name, 11.0, LEFT - 78.0));
        let (all, used, stranded) = (node.allocatable, node.requested, node.stranded);
        bar(&mut svg, axis, y, ("cpu", &node.name), (used.milli_cpu, stranded.milli_cpu, all.milli_cpu));
        bar(&mut svg, axis, y + 12.0, ("memory", &node.name), (used.memory, stranded.memory, all.memory));
    }
    finish(svg, bottom + 28.0, "What pods may be promised, by node")
}

fn bar(svg: &mut Svg, axis: Axis, y: f64, (what, node): (&str, &str), (used, stranded, all): (i64, i64, i64)) {
    svg.text("small sub end", [LEFT - 8.0, y + 8.5], what);
    if all <= 0 {
        return;
    }
    let part = |amount: i64| (amount.max(0) as f64 / all as f64 * 100.0).min(100.0);
    let (used, stranded) = (part(used), part(stranded));
    let free = (100.0 - used - stranded).max(0.0);
    let mut from = 0.0;
    for (class, share, name) in
        [("used", used, "requested"), ("free", free, "free"), ("stranded", stranded, "stranded")]
    {
        let (x0, x1) = (axis.at(from), axis.at((from + share).min(100.0)));
        if x1 > x0 {
            let title = format!("{node}: {share:.0} % of {what} {name}");
            svg.rect(class, [x0, y, x1 - x0, 10.0], &title);
            if class == "stranded" {
                svg.rect("hatch", [x0, y, x1 - x0, 10.0], &title);
            }
        }
        from += share;
    }
}

/// The shares of pods that are ready, and that have started as the objective counts it, over time.
pub fn start_up(start: &StartUp) -> String {
    let (top, bottom, left) = (66.0, 286.0, 66.0);
    let mut svg = Svg::default();
    let most = start.ready.last().copied().unwrap_or(0.0).max(start.objective * 1.05);
    let time = Axis::new(left, WIDTH - RIGHT, most);
    let shares = Axis::new(bottom, top, 100.0);
    svg.text("h2", [16.0, 26.0], "Pods that are there, by the time since their creation");
    let lines = [("ready", &start.ready), ("started, without pulls and init containers", &start.counted)];
    let mut x = 16.0;
    for (n, (name, _)) in lines.iter().enumerate() {
        svg.line(&chart::line_class(n), [x, 46.0, x + 12.0, 46.0]);
        x = entry(&mut svg, x, 46.0, name);
    }
    for tick in shares.ticks() {
        svg.line("grid", [left, shares.at(tick), WIDTH - RIGHT, shares.at(tick)]);
        svg.text("small sub end", [left - 8.0, shares.at(tick) + 3.5], &format!("{} %", trimmed(tick)));
    }
    for tick in time.ticks() {
        svg.text("small sub mid", [time.at(tick), bottom + 16.0], &format!("{} s", trimmed(tick)));
    }
    svg.line("axis", [left, bottom, WIDTH - RIGHT, bottom]);
    let limit = time.at(start.objective);
    svg.line("limit", [limit, top - 6.0, limit, bottom]);
    svg.text("small limit-text", [limit + 4.0, bottom - 6.0], &format!("objective {} s", trimmed(start.objective)));
    for (n, (_, seconds)) in lines.into_iter().enumerate() {
        svg.polyline(&chart::line_class(n), steps(seconds).map(|(at, share)| [time.at(at), shares.at(share)]));
    }
    finish(svg, bottom + 34.0, "Pods that are there, by the time since their creation")
}

/// The corners of an empirical distribution: at most a few hundred.
fn steps(sorted: &[f64]) -> impl Iterator<Item = (f64, f64)> + '_ {
    let count = sorted.len();
    let stride = count.div_ceil(300).max(1);
    let share = move |n: usize| n as f64 / count.max(1) as f64 * 100.0;
    let places = (0..count).step_by(stride).chain(count.checked_sub(1));
    std::iter::once((0.0, 0.0)).chain(places.flat_map(move |n| [(sorted[n], share(n)), (sorted[n], share(n + 1))]))
}
