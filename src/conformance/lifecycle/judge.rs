//! The six marks: could this real run have come from the simulator?

use super::similarity::similarity;
use super::story::{PodStory, Story};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a moment may be outside the range of the seeds, in milliseconds, and as a share of the time since the start.
const SLACK_MS: f64 = 250.0;
const SLACK: f64 = 0.02;
/// A range wider than this says nothing.
const WIDEST: f64 = 0.6;

/// Six marks between 0 and 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Marks {
    /// The list of states that a watcher saw of each pod.
    pub views: f64,
    /// The calls that the runtime got.
    pub calls: f64,
    /// Kubernetes Events and their counts.
    pub events: f64,
    /// The status of workloads and nodes.
    pub workloads: f64,
    /// How often probes and hooks ran, and when first.
    pub probes: f64,
    /// The share of moments within the range of the seeds.
    pub timing: f64,
}

/// The names of the marks, in order.
pub const MARKS: [&str; 6] = ["views", "calls", "events", "workloads", "probes", "timing"];

/// A moment that both have: when it really was, and the earliest, middle and latest time over the seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// When it really was, in milliseconds.
    pub real: f64,
    /// The earliest of the seeds.
    pub earliest: f64,
    /// The middle one.
    pub median: f64,
    /// The latest.
    pub latest: f64,
}

impl Marks {
    /// In the order of [`MARKS`].
    pub const fn array(&self) -> [f64; 6] {
        [self.views, self.calls, self.events, self.workloads, self.probes, self.timing]
    }

    /// From the order of [`MARKS`].
    pub const fn from_array([views, calls, events, workloads, probes, timing]: [f64; 6]) -> Self {
        Self { views, calls, events, workloads, probes, timing }
    }

    /// The mean of several.
    pub fn mean<'a>(marks: impl Iterator<Item = &'a Self>) -> Self {
        let (mut sums, mut count) = ([0.0; 6], 0);
        for one in marks {
            count += 1;
            sums.iter_mut().zip(one.array()).for_each(|(sum, mark)| *sum += mark);
        }
        Self::from_array(sums.map(|sum| sum / f64::from(count.max(1))))
    }

    /// Whether the real run is fully reproduced.
    pub fn pass(&self) -> bool {
        let [views, calls, events, workloads, probes, timing] = self.array();
        [views, calls, events, workloads].iter().all(|mark| *mark >= 1.0) && probes.min(timing) >= 0.95
    }
}

impl Moment {
    fn new(real: f64, mut seeds: Vec<f64>) -> Self {
        seeds.sort_by(f64::total_cmp);
        let (earliest, latest) = (seeds[0], seeds[seeds.len() - 1]);
        Self { real, earliest, median: seeds[seeds.len() / 2], latest }
    }

    /// Whether it lies within the range of the seeds, and the range says something.
    fn is_inside(&self, widest_ms: f64) -> bool {
        let slack = SLACK_MS + SLACK * self.real;
        self.earliest - slack <= self.real
            && self.real <= self.latest + slack
            && self.latest - self.earliest <= widest_ms + WIDEST * self.real
    }
}

/// A moment by name: view or call, pod, sibling, container, place.
type MomentKey<'a> = (&'static str, &'a str, usize, &'a str, usize);
type Moments<'a> = Vec<(MomentKey<'a>, f64, f64)>;

/// Compares a real run with several simulated ones. Ranges wider than `widest_ms`, and more by time, count as missed.
pub fn judge(real: &Story, runs: &[Story], widest_ms: f64) -> (Marks, Vec<Moment>) {
    let mut ranges: BTreeMap<MomentKey<'_>, (f64, Vec<f64>)> = BTreeMap::new();
    let mut best = Marks::default();
    for run in runs {
        let (views, seen) = score_views(real, run);
        let (calls, called) = score_calls(real, run);
        best.views = best.views.max(views);
        best.calls = best.calls.max(calls);
        best.workloads = best.workloads.max(score_workloads(real, run));
        for (key, at, simulated) in seen.into_iter().chain(called) {
            ranges.entry(key).or_insert_with(|| (at, Vec::new())).1.push(simulated);
        }
    }
    let moments: Vec<Moment> = ranges.into_values().map(|(real, seeds)| Moment::new(real, seeds)).collect();
    let inside = moments.iter().filter(|moment| moment.is_inside(widest_ms)).count();
    let expected = real.moments();
    // Moments of stories that matched no seed count as missed.
    best.timing = if expected > 0 { inside as f64 / expected as f64 } else { 1.0 };
    best.events = score_events(real, runs);
    best.probes = score_probes(real, runs);
    (best, moments)
}

/// Pairs equal siblings greedily; with each pair how alike it is. And how many simulated ones are left over.
fn pair<'a, T: Ord>(
    real: &[PodStory<'a>],
    simulated: &[PodStory<'a>],
    key: impl Fn(&PodStory<'a>) -> Vec<T>,
) -> (Vec<(Option<usize>, f64)>, usize) {
    let keys: Vec<Vec<T>> = simulated.iter().map(&key).collect();
    let mut left: Vec<usize> = (0..simulated.len()).collect();
    let mut pairs = Vec::new();
    for story in real {
        let own = key(story);
        let mut best: Option<(usize, f64)> = None;
        for (place, &candidate) in left.iter().enumerate() {
            let alike = similarity(&own, &keys[candidate]);
            if best.is_none_or(|(_, most)| alike > most) {
                best = Some((place, alike));
            }
            if alike >= 1.0 {
                break;
            }
        }
        pairs.push(best.map_or((None, 0.0), |(place, alike)| (Some(left.remove(place)), alike)));
    }
    (pairs, left.len())
}

fn score_views<'a>(real: &'a Story, run: &Story) -> (f64, Moments<'a>) {
    let (mut total, mut weight, mut moments) = (0.0, 0, Moments::new());
    let (real, run) = (real.pod_stories(), run.pod_stories());
    let views = |story: &PodStory<'_>| story.views.iter().map(|(_, view)| view.clone()).collect::<Vec<String>>();
    for (name, stories) in &real {
        let others = run.get(name).map_or(&[][..], Vec::as_slice);
        let (pairs, extra) = pair(stories, others, views);
        for (i, (story, (other, alike))) in stories.iter().zip(pairs).enumerate() {
            (total, weight) = (total + alike, weight + 1);
            let Some(other) = other.filter(|_| alike >= 1.0) else { continue };
            let both = story.views.iter().zip(others[other].views).enumerate();
            moments.extend(both.map(|(k, ((at, _), (simulated, _)))| (("view", *name, i, "", k), *at, *simulated)));
        }
        weight += extra;
    }
    weight += run.iter().filter(|(name, _)| !real.contains_key(*name)).map(|(_, stories)| stories.len()).sum::<usize>();
    (if weight > 0 { total / weight as f64 } else { 1.0 }, moments)
}

fn score_calls<'a>(real: &'a Story, run: &Story) -> (f64, Moments<'a>) {
    let (mut total, mut weight, mut moments) = (0.0, 0, Moments::new());
    let (real, run) = (real.pod_stories(), run.pod_stories());
    let calls = |story: &PodStory<'_>| {
        story.all_calls().into_iter().map(|(c, call)| (c.to_owned(), call.to_owned())).collect::<Vec<_>>()
    };
    for (name, stories) in &real {
        let others = run.get(name).map_or(&[][..], Vec::as_slice);
        let (pairs, extra) = pair(stories, others, calls);
        for (i, (story, (other, alike))) in stories.iter().zip(pairs).enumerate() {
            (total, weight) = (total + alike, weight + 1);
            let Some(other) = other.filter(|_| alike >= 1.0) else { continue };
            for (container, calls) in story.calls.into_iter().flatten() {
                let simulated = others[other].calls.and_then(|all| all.get(container));
                let both = calls.iter().zip(simulated.into_iter().flatten()).enumerate();
                let key = |k| ("call", *name, i, container.as_str(), k);
                moments.extend(both.map(|(k, ((at, _), (simulated, _)))| (key(k), *at, *simulated)));
            }
        }
        weight += extra;
    }
    (if weight > 0 { total / weight as f64 } else { 1.0 }, moments)
}

fn score_workloads(real: &Story, run: &Story) -> f64 {
    let keys: BTreeSet<_> = real.workloads.keys().chain(run.workloads.keys()).collect();
    if keys.is_empty() {
        return 1.0;
    }
    let views = |story: &Story, key: &(String, String)| -> Vec<String> {
        story.workloads.get(key).into_iter().flatten().map(|(_, view)| view.clone()).collect()
    };
    let alike = |key: &&(String, String)| similarity(&views(real, key), &views(run, key));
    keys.iter().map(alike).sum::<f64>() / keys.len() as f64
}

/// Messages must be those of some seed, counts within the range over the seeds, one more or less.
fn score_events(real: &Story, runs: &[Story]) -> f64 {
    let wanted = real.event_counts();
    let all: Vec<_> = runs.iter().map(Story::event_counts).collect();
    let mut ranges: BTreeMap<&[String; 6], (u64, u64)> = BTreeMap::new();
    for (key, count) in all.iter().flatten() {
        let range = ranges.entry(key).or_insert((*count, *count));
        *range = (range.0.min(*count), range.1.max(*count));
    }
    let mut best = 0.0_f64;
    for have in &all {
        let keys: BTreeSet<_> = wanted.keys().chain(have.keys()).collect();
        let good = keys.iter().filter(|key| {
            let (Some(count), true, Some((least, most))) =
                (wanted.get(**key), have.contains_key(**key), ranges.get(**key))
            else {
                return false;
            };
            *least <= count + 1 && *count <= most + 1
        });
        best = best.max(if keys.is_empty() { 1.0 } else { good.count() as f64 / keys.len() as f64 });
    }
    best
}

fn score_probes(real: &Story, runs: &[Story]) -> f64 {
    let keys: BTreeSet<_> = runs.iter().chain([real]).flat_map(|story| story.execs.keys()).collect();
    if keys.is_empty() {
        return 1.0;
    }
    let right = |key: &&&[String; 4]| {
        let times = |story: &Story| story.execs.get(**key).cloned().unwrap_or_default();
        let counts = || runs.iter().map(|run| times(run).len() as f64);
        let own = times(real);
        let n = own.len() as f64;
        let least = counts().fold(f64::INFINITY, f64::min);
        let most = counts().fold(0.0, f64::max);
        if !(least - 1.0 - 0.03 * n <= n && n <= most + 1.0 + 0.03 * n) {
            return false;
        }
        let firsts = || runs.iter().filter_map(|run| times(run).first().copied());
        let (Some(t), Some(_)) = (own.first().copied(), firsts().next()) else { return true };
        let slack = SLACK_MS + SLACK * t;
        firsts().fold(f64::INFINITY, f64::min) - slack <= t && t <= firsts().fold(0.0, f64::max) + slack
    };
    keys.iter().filter(right).count() as f64 / keys.len() as f64
}
