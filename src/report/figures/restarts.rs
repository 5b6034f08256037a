//! Restarts as a staircase: each step up is a start of a container that had ended, each flat part below it a wait of
//! the back-off, with its length.

use super::{LEFT, RIGHT, TOP, WIDTH, end, entry, finish, time_axis, titled};
use crate::engine::SimTime;
use crate::report::axis::{TimeAxis, label};
use crate::report::chart::{self, Axis, line_class, trimmed};
use crate::report::story::{ContainerLife, Look, Story};
use crate::report::svg::{Svg, text_width};

/// So many containers are drawn: those that restarted most.
const MOST: usize = 6;

pub fn svg(story: &Story) -> Option<String> {
    let title = "Restarts and the waits between them";
    let mut lives: Vec<(String, &ContainerLife)> = story
        .pods
        .iter()
        .flat_map(|pod| pod.containers.iter().map(move |life| (format!("{}/{}", pod.name, life.name), life)))
        .filter(|(_, life)| starts(life).len() > 1)
        .collect();
    lives.sort_by_key(|(name, life)| (std::cmp::Reverse(starts(life).len()), name.clone()));
    let all = lives.len();
    lives.truncate(MOST);
    let most = lives.iter().map(|(_, life)| starts(life).len() - 1).max()?;
    let (bottom, right) = (TOP + 280.0, WIDTH - RIGHT);
    let mut svg = titled(title);
    let (time, count) = (TimeAxis::new(LEFT, right, end(story)), Axis::new(bottom, TOP, most as f64));
    for tick in count.ticks().filter(|tick| tick.fract() == 0.0) {
        svg.line("grid", [LEFT, count.at(tick), right, count.at(tick)]);
        svg.text("small sub end", [LEFT - 8.0, count.at(tick) + 3.5], &trimmed(tick));
    }
    time_axis(&mut svg, &time, [LEFT, right], [bottom, bottom + 4.0]);
    svg.text("small sub end", [LEFT - 8.0, TOP - 8.0], "restarts");
    let mut x = 20.0;
    for (n, (name, life)) in lives.iter().enumerate() {
        staircase(&mut svg, n, life, &time, &count, lives.len() == 1);
        svg.line(&line_class(n), [x, 51.0, x + 12.0, 51.0]);
        x = entry(&mut svg, x, name);
    }
    svg.rect("backoff", [x, 46.0, 12.0, 9.0], "");
    x = entry(&mut svg, x, "back-off");
    if all > MOST {
        svg.text("small sub", [x, 54.5], &format!("{MOST} of {all} containers"));
    }
    Some(finish(svg, bottom + 34.0, title))
}

/// When the container's instances began to run.
fn starts(life: &ContainerLife) -> Vec<SimTime> {
    let mut starts: Vec<(u32, SimTime)> = Vec::new();
    for span in &life.spans {
        if let Look::Running { attempt } = span.what
            && starts.last().is_none_or(|(last, _)| *last != attempt)
        {
            starts.push((attempt, span.from));
        }
    }
    starts.into_iter().map(|(_, at)| at).collect()
}

fn staircase(svg: &mut Svg, n: usize, life: &ContainerLife, time: &TimeAxis, count: &Axis, alone: bool) {
    let starts = starts(life);
    let waits = life.spans.iter().filter(|span| matches!(span.what, Look::Waiting(why) if why.ends_with("BackOff")));
    for wait in waits {
        let restarts = starts.iter().filter(|at| **at <= wait.from).count().saturating_sub(1);
        let (x0, x1, y) = (time.x(wait.from), time.x(wait.to), count.at(restarts as f64));
        let lasts = label(SimTime::ZERO + wait.lasts());
        svg.rect("backoff", [x0, y - 3.0, (x1 - x0).max(0.5), 6.0], &format!("back-off of {lasts}"));
        if alone && text_width(&lasts, 10.0) + 4.0 < x1 - x0 {
            svg.text("small sub mid", [(x0 + x1) / 2.0, y - 7.0], &lasts);
        }
    }
    let mut corners: Vec<[f64; 2]> = Vec::new();
    for (restarts, at) in starts.iter().enumerate() {
        let y = count.at(restarts as f64);
        if let Some([_, before]) = corners.last().copied() {
            corners.push([time.x(*at), before]);
        }
        corners.push([time.x(*at), y]);
    }
    corners.extend(corners.last().map(|[_, y]| [time.x(time.end()), *y]));
    svg.polyline(&line_class(n), corners);
    for (restarts, at) in starts.iter().enumerate().skip(1) {
        chart::mark(svg, n, [time.x(*at), count.at(restarts as f64)], &format!("restart {restarts} at {}", label(*at)));
    }
}
