//! The share of pods that have come to each stage, by the time since their creation: on a scale of powers of ten,
//! because stages take from milliseconds to minutes. Pods that never get there keep a line below 100 %.

use super::{LEFT, RIGHT, TOP, WIDTH, entry, finish, titled};
use crate::report::chart::{self, Axis, line_class, trimmed};
use crate::report::story::Story;
use crate::report::svg::Svg;

/// The stages that are drawn, by their place among the milestones in order.
const STAGES: [(usize, &str); 5] =
    [(1, "scheduled"), (2, "sandbox ready"), (3, "images pulled"), (4, "started"), (5, "ready")];
/// Nothing is drawn below a millisecond.
const SHORTEST: f64 = 1e-3;

pub fn svg(story: &Story) -> Option<String> {
    let title = "From creation to each stage";
    let stages: Vec<(&str, Vec<f64>)> = STAGES.iter().map(|(stage, name)| (*name, waits(story, *stage))).collect();
    let created = story.pods.iter().filter(|pod| pod.milestones.created.is_some()).count();
    let longest = stages.iter().filter_map(|(_, waits)| waits.last()).copied().fold(0.0, f64::max);
    if created == 0 || longest <= 0.0 {
        return None;
    }
    let (bottom, right) = (TOP + 280.0, WIDTH - RIGHT);
    let mut svg = titled(title);
    let shares = Axis::new(bottom, TOP, 100.0);
    let decades = libm::ceil(libm::log10(longest / SHORTEST)).max(1.0);
    let x = |seconds: f64| LEFT + (right - LEFT) * (libm::log10(seconds.max(SHORTEST) / SHORTEST) / decades);
    for tick in shares.ticks() {
        svg.line("grid", [LEFT, shares.at(tick), right, shares.at(tick)]);
        svg.text("small sub end", [LEFT - 8.0, shares.at(tick) + 3.5], &format!("{} %", trimmed(tick)));
    }
    for decade in 0..=decades as i32 {
        let seconds = SHORTEST * libm::exp10(f64::from(decade));
        svg.line("grid", [x(seconds), TOP, x(seconds), bottom]);
        svg.text("small sub mid", [x(seconds), bottom + 16.0], &unit(seconds));
    }
    svg.line("axis", [LEFT, bottom, right, bottom]);
    let mut at = 20.0;
    for (n, (name, waits)) in stages.iter().enumerate() {
        curve(&mut svg, n, waits, created, &|seconds, share| [x(seconds), shares.at(share)]);
        svg.line(&line_class(n), [at, 51.0, at + 12.0, 51.0]);
        chart::mark(&mut svg, n, [at + 6.0, 51.0], "");
        at = entry(&mut svg, at, &format!("{name} ({} of {created})", waits.len()));
    }
    Some(finish(svg, bottom + 34.0, title))
}

fn curve(svg: &mut Svg, n: usize, waits: &[f64], created: usize, point: &dyn Fn(f64, f64) -> [f64; 2]) {
    let share = |count: usize| count as f64 / created as f64 * 100.0;
    let stride = waits.len().div_ceil(400).max(1);
    let places = (0..waits.len()).step_by(stride).chain(waits.len().checked_sub(1));
    let corners = places.flat_map(|k| [point(waits[k], share(k)), point(waits[k], share(k + 1))]);
    svg.polyline(&line_class(n), corners);
    if let Some(median) = waits.get(waits.len() / 2) {
        let title = format!("median {median:.3} s");
        chart::mark(svg, n, point(*median, share(waits.len() / 2)), &title);
    }
}

fn waits(story: &Story, stage: usize) -> Vec<f64> {
    let wait = |pod: &crate::report::story::PodLife| {
        let stones = pod.milestones.in_order();
        Some(stones[stage].1?.since(stones[0].1?).as_secs_f64())
    };
    let mut waits: Vec<f64> = story.pods.iter().filter_map(wait).collect();
    waits.sort_by(f64::total_cmp);
    waits
}

fn unit(seconds: f64) -> String {
    if seconds < 0.9995 { format!("{} ms", trimmed(seconds * 1e3)) } else { format!("{} s", trimmed(seconds)) }
}
