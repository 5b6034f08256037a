//! `timeline.svg`: every pod a lane, every container a bar beneath it, time from left to right.
//!
//! A pod's lane shows its phase, and readiness within it; a container's shows what it does. Of a run with more pods
//! than a page holds, the most troubled are drawn and all are counted in the band at the top.

use super::axis::{TimeAxis, label};
use super::palette::{PATTERNS, Tone, style};
use super::story::{ContainerLife, Look, Mark, MarkKind, PodLife, Span, Story};
use super::svg::{Svg, fitted, text_width};
use crate::api::Name;
use crate::engine::SimTime;
use crate::trace::{Role, TraceHash};
use std::collections::BTreeMap;
use strum::VariantArray;

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 236.0;
const RIGHT: f64 = 1016.0;
const MARGIN: f64 = 20.0;
const POD: f64 = 16.0;
const CONTAINER: f64 = 11.0;
const GAP: f64 = 3.0;
/// The strip under a bar for what struck the container.
const MARKS: f64 = 10.0;
/// So many pods have lanes of their own, …
const LANES: usize = 40;
/// … of which so many had the same fate.
const ALIKE: usize = 8;
/// So many pods are worth a band of counts.
const CROWD: usize = 8;
const BAND: f64 = 84.0;
/// So many faults have lines of their own.
const FAULTS: usize = 12;

/// What stands over the picture.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'a> {
    /// What the run is called.
    pub title: &'a str,
    /// What happens, in a line.
    pub description: &'a str,
    /// The seed and the beginning of the digest, if they are known.
    pub identity: Option<(u64, TraceHash)>,
}

/// Draws a story.
pub fn svg(story: &Story, head: &Head<'_>) -> String {
    let mut page = Page {
        svg: Svg::default(),
        axis: TimeAxis::new(LEFT, RIGHT, story.end),
        y: 0.0,
        seen: Vec::new(),
        marks: Vec::new(),
    };
    let lanes = lanes(story);
    page.head(story, head, lanes.len());
    let legend_at = page.y;
    page.y += 30.0;
    let top = page.y + 18.0;
    let mut body = Page { svg: Svg::default(), axis: page.axis, y: top, seen: Vec::new(), marks: Vec::new() };
    body.actions(story);
    let first_lane = body.y;
    if story.pods.len() >= CROWD {
        body.crowd(story);
    }
    body.faults(story);
    body.nodes(story, &lanes);
    let bottom = body.y + 4.0;
    page.seen = std::mem::take(&mut body.seen);
    page.marks = std::mem::take(&mut body.marks);
    page.legend(legend_at);
    page.grid(top, first_lane, bottom);
    page.svg.append(body.svg);
    page.svg.finish([WIDTH, bottom + 30.0], head.title, &style(), PATTERNS)
}

/// The pods that have lanes: all, or those with the most to tell, in the order of their creation. What became of many
/// is told by a few of them.
fn lanes(story: &Story) -> Vec<&PodLife> {
    let mut pods: Vec<&PodLife> = story.pods.iter().collect();
    if pods.len() > LANES {
        pods.sort_by_key(|pod| std::cmp::Reverse(trouble(pod)));
        let mut alike: BTreeMap<_, usize> = BTreeMap::new();
        pods.retain(|pod| {
            let (restarts, _, unready) = trouble(pod);
            let like_it = alike.entry((pod.owner, pod.status(), restarts, unready)).or_default();
            *like_it += 1;
            *like_it <= ALIKE
        });
        pods.truncate(LANES);
        pods.sort_by_key(|pod| pod.subject);
    }
    pods
}

fn trouble(pod: &PodLife) -> (u32, usize, bool) {
    let warnings = pod.events.iter().filter(|said| said.warning).count();
    (pod.restarts, warnings, pod.milestones.ready.is_none())
}

struct Page {
    svg: Svg,
    axis: TimeAxis,
    y: f64,
    seen: Vec<Tone>,
    marks: Vec<&'static str>,
}

impl Page {
    fn head(&mut self, story: &Story, head: &Head<'_>, lanes: usize) {
        self.svg.text("h1", [MARGIN, 32.0], head.title);
        let count =
            |number: usize, what: &str| if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") };
        let (pods, nodes) = (count(story.pods.len(), "pod"), count(story.nodes.len(), "node"));
        let mut line = format!("{pods} on {nodes} · {} of virtual time · Kubernetes v1.36", label(story.end));
        if let Some((seed, digest)) = head.identity {
            line += &format!(" · seed {seed} · digest {}", &digest.to_string()[..12]);
        }
        if lanes < story.pods.len() {
            line += &format!(" · lanes: the {lanes} pods with the most to tell");
        }
        self.svg.text("sub", [MARGIN, 50.0], &line);
        self.y = 62.0;
        if !head.description.is_empty() {
            self.svg.text("sub", [MARGIN, 66.0], &fitted(head.description, 11.0, WIDTH - 2.0 * MARGIN));
            self.y = 78.0;
        }
    }

    fn legend(&mut self, y: f64) {
        let mut x = MARGIN;
        for tone in Tone::VARIANTS.iter().filter(|tone| self.seen.contains(tone)) {
            bar(&mut self.svg, *tone, [x, y + 4.0, 16.0, CONTAINER], "");
            self.svg.text("small", [x + 21.0, y + 13.0], tone.label());
            x += 21.0 + text_width(tone.label(), 10.0) + 16.0;
        }
        for kind in [MarkKind::ReadinessFailed, MarkKind::LivenessFailed, MarkKind::OomKilled, MarkKind::Failed] {
            let name = mark_name(kind);
            if !self.marks.contains(&name) {
                continue;
            }
            mark(&mut self.svg, kind, x + 5.0, y + 13.0, "");
            self.svg.text("small", [x + 14.0, y + 13.0], name);
            x += 14.0 + text_width(name, 10.0) + 16.0;
        }
    }

    fn grid(&mut self, top: f64, first_lane: f64, bottom: f64) {
        for tick in self.axis.ticks(14) {
            let x = self.axis.x(tick);
            self.svg.line("grid", [x, first_lane - 4.0, x, bottom]);
            self.svg.text("small sub mid", [x, top - 6.0], &label(tick));
            self.svg.text("small sub mid", [x, bottom + 14.0], &label(tick));
        }
        self.svg.line("axis", [LEFT, bottom, RIGHT, bottom]);
    }

    /// What users and fate did, as labels over dotted lines; those at the same place share one.
    fn actions(&mut self, story: &Story) {
        let mut groups: BTreeMap<SimTime, Vec<&str>> = BTreeMap::new();
        for (_, at, what) in story.actions.iter().filter(|(_, at, _)| *at > SimTime::ZERO) {
            groups.entry(*at).or_default().push(what);
        }
        let mut rows: Vec<f64> = Vec::new();
        let mut placed = Vec::new();
        for (at, what) in groups {
            let text = match what.as_slice() {
                [one] => (*one).to_owned(),
                [one, rest @ ..] => format!("{one} and {} more", rest.len()),
                [] => continue,
            };
            let text = fitted(&text, 10.0, 260.0);
            let x = self.axis.x(at);
            let width = text_width(&text, 10.0) + 10.0;
            let from = if x + width > WIDTH - MARGIN { x - width } else { x };
            let row = rows.iter().position(|end| *end <= from).unwrap_or(rows.len());
            if row == rows.len() {
                if row == 4 {
                    continue; // A crowd of actions: the table of the report has them all.
                }
                rows.push(0.0);
            }
            rows[row] = from + width;
            placed.push((x, from, row, text));
        }
        let top = self.y + 2.0;
        self.y += 13.0 * rows.len() as f64 + 6.0;
        for (x, from, row, text) in placed {
            let y = top + 13.0 * row as f64;
            self.svg.line("act", [x, y, x, self.y]);
            let class = if from < x { "small sub end" } else { "small sub" };
            self.svg.text(class, [if from < x { x - 4.0 } else { x + 4.0 }, y + 9.0], &text);
        }
    }

    /// How many pods were in which phase.
    fn crowd(&mut self, story: &Story) {
        let bottom = self.y + BAND;
        let counts = Counts::of(story);
        let most = counts.most.max(1) as f64;
        self.svg.text("h2", [MARGIN, self.y + 14.0], "pods by phase");
        for (share, at) in [(1.0, self.y), (0.5, self.y + BAND / 2.0)] {
            self.svg.line("grid", [LEFT, at, RIGHT, at]);
            let count = (most * share).round();
            self.svg.text("small sub", [RIGHT + 8.0, at + 4.0], &format!("{count}"));
        }
        for (tone, points) in counts.areas {
            if points.iter().all(|(_, low, high)| low == high) {
                continue;
            }
            self.see(tone);
            let y = |count: usize| bottom - BAND * count as f64 / most;
            let mut top = Vec::new();
            let mut base = Vec::new();
            for (place, (at, low, high)) in points.iter().enumerate() {
                let until = points.get(place + 1).map_or(story.end, |(at, ..)| *at);
                for x in [self.axis.x(*at), self.axis.x(until)] {
                    top.push([x, y(*high)]);
                    base.push([x, y(*low)]);
                }
            }
            self.svg.polygon(tone.class(), top.into_iter().chain(base.into_iter().rev()), tone.label());
        }
        self.y = bottom + 18.0;
    }

    /// What was broken, a line for each fault.
    fn faults(&mut self, story: &Story) {
        if story.faults.is_empty() {
            return;
        }
        self.header("faults");
        for fault in story.faults.iter().take(FAULTS) {
            self.svg.text("name", [MARGIN, self.y + 9.0], &fitted(fault.name.as_str(), 11.6, LEFT - MARGIN - 12.0));
            let middle = self.y + CONTAINER / 2.0;
            self.svg.line("thread", [LEFT, middle, RIGHT, middle]);
            for strike in &fault.strikes {
                let on = strike.what.map_or_else(String::new, |node| format!(" on {node}"));
                self.stretch("fault", strike, self.y, CONTAINER, &format!("{}{on}", fault.name));
            }
            let mut nodes: Vec<&str> = fault.strikes.iter().filter_map(|strike| strike.what.as_deref()).collect();
            nodes.sort_unstable();
            nodes.dedup();
            let says = match (fault.strikes.len(), nodes.as_slice()) {
                (1, []) => String::new(),
                (many, []) => format!("{many} times"),
                (_, [node]) => (*node).to_owned(),
                (_, nodes) => format!("{} nodes", nodes.len()),
            };
            self.svg.text("small sub", [RIGHT + 8.0, self.y + 9.0], &fitted(&says, 10.0, WIDTH - RIGHT - 12.0));
            self.y += CONTAINER + GAP;
        }
        if story.faults.len() > FAULTS {
            let text = format!("and {} more", story.faults.len() - FAULTS);
            self.svg.text("small sub", [MARGIN, self.y + 9.0], &text);
            self.y += CONTAINER + GAP;
        }
        self.y += 9.0;
    }

    /// The title of a group of lanes.
    fn header(&mut self, title: &str) {
        self.svg.rect("band", [MARGIN - 8.0, self.y, WIDTH - 2.0 * MARGIN + 16.0, 18.0], "");
        self.svg.text("h2", [MARGIN, self.y + 13.5], &fitted(title, 13.0, LEFT - MARGIN - 8.0));
        self.y += 24.0;
    }

    fn nodes(&mut self, story: &Story, lanes: &[&PodLife]) {
        let known = story.nodes.iter().map(|node| node.name);
        for name in known.chain([Name::default()]) {
            let pods: Vec<&PodLife> = lanes.iter().copied().filter(|pod| pod.node == name).collect();
            let node = story.nodes.iter().find(|node| node.name == name);
            let trouble =
                node.is_some_and(|node| node.ready.iter().any(|span| !span.what) || !node.cordoned.is_empty());
            if pods.is_empty() && !trouble {
                continue;
            }
            let title = if name.is_empty() { "not bound to a node" } else { name.as_str() };
            let top = self.y;
            self.header(title);
            if let Some(node) = node {
                let all = story.pods_on(name).count();
                if all > pods.len() {
                    let text = format!("{} of {all} pods", pods.len());
                    self.svg.text("small sub", [RIGHT + 8.0, top + 13.0], &text);
                }
                for span in node.ready.iter().filter(|span| !span.what) {
                    self.stretch("failed", span, top + 5.0, 8.0, "NotReady");
                }
                for span in &node.cordoned {
                    self.stretch("cordon", span, top + 5.0, 8.0, "cordoned");
                }
            }
            for pod in pods {
                self.pod(pod);
            }
            self.y += 6.0;
        }
    }

    fn stretch<T>(&mut self, class: &str, span: &Span<T>, y: f64, height: f64, what: &str) {
        let (from, to) = (self.axis.x(span.from), self.axis.x(span.to));
        let title = format!("{what} from {} to {}", label(span.from), label(span.to));
        self.svg.rect(class, [from, y, (to - from).max(1.0), height], &title);
    }

    fn pod(&mut self, pod: &PodLife) {
        let name = if pod.namespace == "default" { pod.name.to_string() } else { pod.key() };
        self.svg.text("name", [MARGIN, self.y + 12.0], &fitted(&name, 11.6, LEFT - MARGIN - 12.0));
        let restarts = match pod.restarts {
            0 => String::new(),
            1 => " · 1 restart".to_owned(),
            many => format!(" · {many} restarts"),
        };
        let outcome = format!("{}{restarts}", pod.status());
        self.svg.text("small sub", [RIGHT + 8.0, self.y + 12.0], &fitted(&outcome, 10.0, WIDTH - RIGHT - 12.0));
        for (span, ready) in split(&pod.phases, &pod.ready) {
            let tone = Tone::of_phase(span.what.as_str(), ready);
            let what = if ready { "Running and ready" } else { span.what.as_str() };
            self.bar(tone, &span, self.y, POD, what);
        }
        for span in &pod.terminating {
            let y = self.y + POD - 4.0;
            self.see(Tone::Stopping);
            self.stretch("stopping", span, y, 4.0, "being deleted");
        }
        self.y += POD + GAP;
        for container in &pod.containers {
            self.container(container);
        }
        self.y += 5.0;
    }

    fn container(&mut self, container: &ContainerLife) {
        let role = match container.role {
            Role::Init => " · init",
            Role::Sidecar => " · sidecar",
            Role::Ephemeral => " · ephemeral",
            Role::Regular => "",
        };
        let width = LEFT - MARGIN - 26.0 - text_width(role, 10.0);
        let name = fitted(container.name.as_str(), 10.0, width) + role;
        self.svg.text("small sub", [MARGIN + 12.0, self.y + 9.0], &name);
        let middle = self.y + CONTAINER / 2.0;
        self.svg.line("thread", [LEFT, middle, RIGHT, middle]);
        for (span, ready) in split(&container.spans, &container.ready) {
            let tone = Tone::of_look(span.what, ready);
            let ended = matches!(span.what, Look::Ended(_));
            // What has ended is shown by a thin line: it uses nothing any more.
            let (y, height) = if ended { (middle - 1.5, 3.0) } else { (self.y, CONTAINER) };
            self.bar(tone, &span, y, height, &words(span.what, ready));
        }
        self.numbers(container);
        for mark in &container.marks {
            self.mark(mark);
        }
        self.y += CONTAINER + if container.marks.is_empty() { GAP } else { MARKS };
    }

    /// The numbers of instances that were started again, where there is room.
    fn numbers(&mut self, container: &ContainerLife) {
        for span in &container.spans {
            let Look::Running { attempt: attempt @ 1.. } = span.what else { continue };
            let (from, to) = (self.axis.x(span.from), self.axis.x(span.to));
            let text = format!("↻{attempt}");
            // A cut shows where an instance begins, however short it is.
            self.svg.rect("paper", [from - 0.6, self.y, 1.2, CONTAINER], "");
            if to - from > 22.0 {
                let ready = container.ready.iter().any(|ready| ready.from < span.to && span.from < ready.to);
                let class = if ready { "in" } else { "in on" };
                self.svg.text(class, [from + 11.0, self.y + 8.8], &text);
            }
        }
    }

    fn bar<T>(&mut self, tone: Tone, span: &Span<T>, y: f64, height: f64, what: &str) {
        self.see(tone);
        let (from, to) = (self.axis.x(span.from), self.axis.x(span.to));
        let lasts = SimTime::ZERO + span.lasts();
        let title = format!("{what} for {}, from {} to {}", label(lasts), label(span.from), label(span.to));
        bar(&mut self.svg, tone, [from, y, (to - from).max(1.0), height], &title);
    }

    fn mark(&mut self, what: &Mark) {
        if !self.marks.contains(&mark_name(what.kind)) {
            self.marks.push(mark_name(what.kind));
        }
        let title = format!("{} at {}", what.text, label(what.at));
        mark(&mut self.svg, what.kind, self.axis.x(what.at), self.y + CONTAINER + 8.0, &title);
    }

    fn see(&mut self, tone: Tone) {
        if !self.seen.contains(&tone) {
            self.seen.push(tone);
        }
    }
}

fn bar(svg: &mut Svg, tone: Tone, place: [f64; 4], title: &str) {
    svg.rect(tone.class(), place, title);
    match tone {
        Tone::BackOff => svg.rect("hatch", place, title),
        Tone::Pulling => svg.rect("pulls", place, title),
        _ => {}
    }
}

/// What the legend calls a mark.
const fn mark_name(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::ReadinessFailed => "readiness probe failed",
        MarkKind::LivenessFailed | MarkKind::StartupFailed => "liveness or startup probe failed",
        MarkKind::OomKilled => "out of memory",
        MarkKind::Failed => "error",
    }
}

fn mark(svg: &mut Svg, kind: MarkKind, x: f64, foot: f64, title: &str) {
    match kind {
        MarkKind::ReadinessFailed => {
            let diamond = [[x - 3.2, foot - 3.5], [x, foot - 6.7], [x + 3.2, foot - 3.5], [x, foot - 0.3]];
            svg.polygon("readiness", diamond, title);
        }
        MarkKind::OomKilled => {
            let top = foot - 6.5;
            svg.polygon("oom", [[x - 3.0, top], [x + 3.0, top], [x + 3.0, foot - 0.5], [x - 3.0, foot - 0.5]], title);
        }
        MarkKind::LivenessFailed | MarkKind::StartupFailed => {
            svg.polygon("liveness", [[x - 3.6, foot - 0.2], [x + 3.6, foot - 0.2], [x, foot - 7.0]], title);
        }
        MarkKind::Failed => {
            svg.line("error", [x - 2.8, foot - 6.4, x + 2.8, foot - 0.8]);
            svg.line("error", [x - 2.8, foot - 0.8, x + 2.8, foot - 6.4]);
        }
    }
}

/// What a container does, in words.
pub(super) fn words(look: Look, ready: bool) -> String {
    match look {
        Look::Waiting(reason) => reason.to_string(),
        Look::Pulling => "pulling the image".to_owned(),
        Look::Running { attempt } => {
            let ready = if ready { " and ready" } else { "" };
            if attempt == 0 { format!("running{ready}") } else { format!("running{ready}, started again ({attempt})") }
        }
        Look::Stopping { .. } => "stopping".to_owned(),
        Look::Ended(end) => format!("ended with {} ({})", end.exit_code, end.reason),
    }
}

/// Cuts spans where readiness changes.
pub(super) fn split<T: Copy>(spans: &[Span<T>], ready: &[Span<()>]) -> Vec<(Span<T>, bool)> {
    let mut parts = Vec::new();
    for span in spans {
        let mut from = span.from;
        for window in ready.iter().filter(|window| window.from < span.to && window.to > span.from) {
            if window.from > from {
                parts.push((Span { from, to: window.from, ..*span }, false));
                from = window.from;
            }
            let to = window.to.min(span.to);
            parts.push((Span { from, to, ..*span }, true));
            from = to;
        }
        if from < span.to || span.from == span.to {
            parts.push((Span { from, ..*span }, false));
        }
    }
    parts
}

/// How many pods were in which tone, over time.
struct Counts {
    /// For each tone, from which instant on which stretch of the pile is its own.
    areas: Vec<(Tone, Vec<(SimTime, usize, usize)>)>,
    most: usize,
}

impl Counts {
    const TONES: [Tone; 6] = [Tone::Ready, Tone::Running, Tone::Pending, Tone::Done, Tone::Failed, Tone::Unknown];

    fn of(story: &Story) -> Self {
        let mut steps: BTreeMap<SimTime, [i64; 6]> = BTreeMap::new();
        for pod in &story.pods {
            for (span, ready) in split(&pod.phases, &pod.ready) {
                let tone = Tone::of_phase(span.what.as_str(), ready);
                let place = Self::TONES.iter().position(|known| *known == tone).expect("every phase is counted");
                steps.entry(span.from).or_default()[place] += 1;
                if span.to < story.end || pod.gone.is_some() {
                    steps.entry(span.to).or_default()[place] -= 1;
                }
            }
        }
        let mut areas: Vec<(Tone, Vec<(SimTime, usize, usize)>)> =
            Self::TONES.iter().map(|tone| (*tone, Vec::new())).collect();
        let mut now = [0i64; 6];
        let mut most = 0;
        for (at, step) in steps {
            let mut low = 0;
            for (place, change) in step.iter().enumerate() {
                now[place] += change;
                let high = low + usize::try_from(now[place]).expect("a count");
                areas[place].1.push((at, low, high));
                low = high;
            }
            most = most.max(low);
        }
        Self { areas, most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::FactId;

    #[test]
    fn spans_are_cut_where_readiness_changes() {
        let at = SimTime::from_secs;
        let span = |from, to| Span { from: at(from), to: at(to), what: (), fact: FactId::BOOT };
        let parts = split(&[span(0, 10), span(10, 12)], &[span(2, 4), span(6, 11)]);
        let told: Vec<(u64, u64, bool)> = parts
            .iter()
            .map(|(span, ready)| (span.from.as_millis() / 1000, span.to.as_millis() / 1000, *ready))
            .collect();
        let expect = [(0, 2, false), (2, 4, true), (4, 6, false), (6, 10, true), (10, 11, true), (11, 12, false)];
        assert_eq!(told, expect);
    }
}
