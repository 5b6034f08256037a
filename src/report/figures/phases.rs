//! How many pods were in each phase, over time.

use super::{LEFT, RIGHT, TOP, WIDTH, end, entry, finish, time_axis, titled};
use crate::engine::SimTime;
use crate::report::axis::TimeAxis;
use crate::report::chart::{Axis, trimmed};
use crate::report::palette::Tone;
use crate::report::story::Story;
use crate::report::svg::Svg;
use std::collections::BTreeMap;

/// From the bottom of the stack to its top.
const STACK: [Tone; 6] = [Tone::Ready, Tone::Running, Tone::Pending, Tone::Unknown, Tone::Failed, Tone::Done];
/// Two changes nearer than a pixel are drawn as one.
const COLUMNS: u64 = 800;

type Counts = [i64; STACK.len()];

pub fn svg(story: &Story) -> String {
    let title = "Pods by phase";
    let (bottom, right) = (TOP + 280.0, WIDTH - RIGHT);
    let mut svg = titled(title);
    let counts = counts(story);
    let most = counts.iter().map(|(_, counts)| counts.iter().sum::<i64>()).max().unwrap_or(0);
    let (time, pods) = (TimeAxis::new(LEFT, right, end(story)), Axis::new(bottom, TOP, most as f64));
    legend(&mut svg, &counts);
    for tick in pods.ticks().filter(|tick| tick.fract() == 0.0) {
        svg.line("grid", [LEFT, pods.at(tick), right, pods.at(tick)]);
        svg.text("small sub end", [LEFT - 8.0, pods.at(tick) + 3.5], &trimmed(tick));
    }
    for (level, tone) in STACK.iter().enumerate() {
        let height = |counts: &Counts, levels: usize| counts[..levels].iter().sum::<i64>() as f64;
        let edge = |levels: usize| {
            let mut corners: Vec<[f64; 2]> = Vec::new();
            for (place, (at, now)) in counts.iter().enumerate() {
                let until = counts.get(place + 1).map_or(end(story), |(next, _)| *next);
                let y = pods.at(height(now, levels));
                corners.extend([[time.x(*at), y], [time.x(until), y]]);
            }
            corners
        };
        if counts.iter().any(|(_, counts)| counts[level] > 0) {
            let (lower, upper) = (edge(level), edge(level + 1));
            svg.polygon(tone.class(), lower.into_iter().chain(upper.into_iter().rev()), tone.label());
        }
    }
    time_axis(&mut svg, &time, [LEFT, right], [bottom, bottom + 4.0]);
    svg.text("small sub end", [LEFT - 8.0, TOP - 8.0], "pods");
    finish(svg, bottom + 34.0, title)
}

fn legend(svg: &mut Svg, counts: &[(SimTime, Counts)]) {
    let mut x = 20.0;
    for (level, tone) in STACK.iter().enumerate() {
        if counts.iter().any(|(_, counts)| counts[level] > 0) {
            svg.rect(tone.class(), [x, 46.0, 12.0, 9.0], "");
            x = entry(svg, x, tone.label());
        }
    }
}

/// The counts from each change on, at most one a column.
fn counts(story: &Story) -> Vec<(SimTime, Counts)> {
    let column = (end(story).as_nanos() / COLUMNS).max(1);
    let mut changes: BTreeMap<u64, Counts> = BTreeMap::new();
    let mut change = |at: SimTime, tone: Tone, by: i64| {
        let level = STACK.iter().position(|known| *known == tone).expect("every phase has a level");
        changes.entry(at.as_nanos() / column * column).or_default()[level] += by;
    };
    for pod in &story.pods {
        for span in &pod.phases {
            let tone = Tone::of_phase(&span.what, false);
            change(span.from, tone, 1);
            change(span.to, tone, -1);
        }
        for ready in &pod.ready {
            for (at, by) in [(ready.from, 1), (ready.to, -1)] {
                change(at, Tone::Ready, by);
                change(at, Tone::Running, -by);
            }
        }
    }
    let mut now = Counts::default();
    let mut counts = vec![(SimTime::ZERO, now)];
    for (at, by) in changes {
        now.iter_mut().zip(by).for_each(|(count, by)| *count += by);
        let shown = now.map(|count| count.max(0));
        if SimTime::from_nanos(at) < end(story) {
            counts.push((SimTime::from_nanos(at), shown));
        }
    }
    counts
}
