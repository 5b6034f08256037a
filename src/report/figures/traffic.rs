//! Requests over time, a panel for each sender: how many are sent in a second, how many are answered in time, and how
//! many are not.

use super::{LEFT, RIGHT, TOP, WIDTH, end, entry, finish, time_axis, titled};
use crate::engine::SimTime;
use crate::report::axis::TimeAxis;
use crate::report::chart::{Axis, line_class, trimmed};
use crate::report::story::{Requests, Story, TrafficLife};
use crate::report::svg::Svg;

/// So many senders are drawn, those first of which most requests failed.
const MOST: usize = 4;
const PANEL: f64 = 130.0;
const GAP: f64 = 56.0;

/// A series: what it is called, and its numbers.
type Series = (&'static str, fn(&Requests) -> f64);

const SERIES: [Series; 3] =
    [("sent", |rate| rate.sent), ("failed", |rate| rate.failed()), ("answered in time", |rate| rate.served)];

pub fn svg(story: &Story) -> Option<String> {
    let title = "Requests a second";
    let mut lives: Vec<&TrafficLife> = story.traffic.iter().filter(|life| life.total.sent > 0.0).collect();
    lives.sort_by(|a, b| b.total.failed().total_cmp(&a.total.failed()).then_with(|| a.name.cmp(&b.name)));
    let all = lives.len();
    lives.truncate(MOST);
    if lives.is_empty() {
        return None;
    }
    let mut svg = titled(title);
    let mut x = 20.0;
    for (n, (name, _)) in SERIES.iter().enumerate() {
        svg.line(&line_class(n), [x, 51.0, x + 12.0, 51.0]);
        x = entry(&mut svg, x, name);
    }
    if all > MOST {
        svg.text("small sub", [x, 54.5], &format!("{MOST} of {all} senders"));
    }
    let mut top = TOP + 14.0;
    for life in &lives {
        panel(&mut svg, life, top, end(story));
        top += PANEL + GAP;
    }
    Some(finish(svg, top - GAP + 34.0, title))
}

fn panel(svg: &mut Svg, life: &TrafficLife, top: f64, end: SimTime) {
    let (bottom, right) = (top + PANEL, WIDTH - RIGHT);
    let most = life.rates.iter().map(|(_, rate)| rate.sent.max(rate.served)).fold(0.0, f64::max);
    let (time, count) = (TimeAxis::new(LEFT, right, end), Axis::new(bottom, top, most));
    let to = if life.service == life.name { String::new() } else { format!(" to {}", life.service) };
    svg.text("h2", [20.0, top - 10.0], &format!("{}/{}{to}", life.namespace, life.name));
    for tick in count.ticks() {
        svg.line("grid", [LEFT, count.at(tick), right, count.at(tick)]);
        svg.text("small sub end", [LEFT - 8.0, count.at(tick) + 3.5], &trimmed(tick));
    }
    time_axis(svg, &time, [LEFT, right], [top, bottom]);
    for (n, (_, of)) in SERIES.iter().enumerate() {
        svg.polyline(&line_class(n), staircase(life, of, &time, &count));
    }
}

/// Each number until the next one.
fn staircase(life: &TrafficLife, of: &dyn Fn(&Requests) -> f64, time: &TimeAxis, count: &Axis) -> Vec<[f64; 2]> {
    let mut corners: Vec<[f64; 2]> = Vec::new();
    for (at, rate) in &life.rates {
        let (x, y) = (time.x(*at), count.at(of(rate)));
        match corners.last().copied() {
            Some([_, before]) if (before - y).abs() < 1e-9 => continue,
            Some([_, before]) => corners.push([x, before]),
            None => {}
        }
        corners.push([x, y]);
    }
    corners.extend(corners.last().map(|[_, y]| [time.x(time.end()), *y]));
    corners
}
